/* SPDX-License-Identifier: BSD-2-Clause */
/* How long goroutines of one container waited for a P, and whether Ps were idle, over the longest window: slots of
 * about a second. Embedded in container_stats. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/sample.h"
#include "stats/snapshot.h"
#include "stats/stats_budget.h"

#define SCHED_SLOTS_MAX 96

/* What was read at about the same moment of all processes. */
struct sched_slot {
	uint64_t start_ns, end_ns;
	uint32_t readings, idle; /* of Ps; those of them with an idle one */
	bool diluted;
	uint32_t first, cnt; /* counts are those of buckets [first, first + cnt) */
	uint32_t *counts;    /* owned */
};

struct sched_stats {
	struct sched_slot slots[SCHED_SLOTS_MAX]; /* by end */
	size_t slot_cnt;
	bool latency_seen;           /* some process tells its waits: none in a window are none, not unknown */
	struct stats_budget *budget; /* borrowed, NULL: none */
};

void sched_stats_init(struct sched_stats *s, struct stats_budget *budget);
void sched_stats_deinit(struct sched_stats *s);
/* These return how many records were lost: no place, or they make no sense. One that comes late lands where it belongs.
 * Waits that are none (cnt 0) only say that waits are known from now on. */
uint64_t sched_stats_latency(struct sched_stats *s, const struct runtime_latency *l, bool diluted);
uint64_t sched_stats_procs(struct sched_stats *s, uint64_t time_ns, bool idle);
void sched_stats_expire(struct sched_stats *s, uint64_t before_ns);
/* Fills latency, diluted and idle_p_ratio of ret for [from, to]. Percentiles are off by at most half a bucket, 12.5 %;
 * max is the end of the highest bucket in use, NAN where that one has no end; sum and min are NAN. */
void sched_stats_fill(const struct sched_stats *s, uint64_t from_ns, uint64_t to_ns, struct snapshot_sched *ret);
