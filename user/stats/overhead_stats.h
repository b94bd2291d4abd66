/* SPDX-License-Identifier: BSD-2-Clause */
/* What we cost one process over the longest window of a snapshot: readings of RECORD_OVERHEAD. */
#pragma once

#include <stdint.h>

#include "events/record.h"
#include "stats/snapshot.h"

#define OVERHEAD_STATS_MAX 80 /* one a second, and room */

struct overhead_reading {
	uint64_t time_ns, cpu_ns;
	double cost_ns[OVERHEAD_GROUP_CNT];
};

/* Start with all 0. */
struct overhead_stats {
	struct record_overhead last;
	struct overhead_reading readings[OVERHEAD_STATS_MAX]; /* a ring */
	uint64_t cnt;                                         /* ever */
};

/* One of no later time than the last one is ignored. */
void overhead_stats_add(struct overhead_stats *o, const struct record_overhead *r);

/* Over several processes. */
struct overhead_sum {
	uint64_t cpu_ns;
	double cost_ns[OVERHEAD_GROUP_CNT];
	double worst_ratio; /* NAN */
	double max_ratio;   /* NAN */
	double next_seconds;
	int waiting;
	uint32_t off;
};

void overhead_sum_init(struct overhead_sum *s);
/* What it cost and used in [now - window, now], whole steps between readings; a process without a reading in the window
 * cost nothing that is told then, and adds no more than its state. */
void overhead_sum_add(struct overhead_sum *s, const struct overhead_stats *o, uint64_t now_ns, uint64_t window_ns);
void overhead_sum_fill(const struct overhead_sum *s, struct snapshot_overhead *ret);
