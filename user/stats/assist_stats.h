/* SPDX-License-Identifier: BSD-2-Clause */
/* Mark assists of one container over the longest window: each wait for credit, and how many did mark work. Embedded in
 * container_stats; takes nothing before the first one. */
#pragma once

#include <stdint.h>

#include "event.h"
#include "stats/snapshot.h"
#include "stats/span_ring.h"
#include "stats/stats_budget.h"

#define ASSIST_WAITS_MAX   65536 /* a minute of 1,000 a second; a program made to do nothing else has 1,500 */
#define ASSIST_NUMBERS_MAX 128   /* seconds: the longest window, and late ones */

/* Of all records that end in one second. */
struct assist_number {
	uint64_t end_ns; /* of the last of them; 0: none */
	uint64_t cnt;
};

struct assist_stats {
	struct span_ring waits;
	struct assist_number *numbers; /* owned, ASSIST_NUMBERS_MAX by second; NULL: none yet */
	struct stats_budget *budget;   /* borrowed, NULL: none */
};

void assist_stats_init(struct assist_stats *a, struct stats_budget *budget);
void assist_stats_deinit(struct assist_stats *a);
/* These return how many records were lost: gave way before their time, or found no place. */
uint64_t assist_stats_wait(struct assist_stats *a, const struct event_gc_assist *e);
uint64_t assist_stats_number(struct assist_stats *a, const struct event_gc_assists *e);
void assist_stats_expire(struct assist_stats *a, uint64_t before_ns);
/* Fills assists and assist_waits of ret with what ended in (from, to]. */
void assist_stats_fill(const struct assist_stats *a, uint64_t from_ns, uint64_t to_ns, struct snapshot_gc *ret);
