/* SPDX-License-Identifier: BSD-2-Clause */
/* Waits of one container for a CPU over the longest window: histograms of armed windows, means between them, single
 * long waits. Embedded in container_stats. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "stats/snapshot.h"
#include "stats/span_ring.h"
#include "stats/stats_budget.h"

#define RUNQ_WINDOWS_MAX  64
#define RUNQ_ARMED_MAX    1024
#define RUNQ_MEANS_MAX    128 /* one a second at most, and room */
#define RUNQ_OUTLIERS_MAX 512

/* One armed window, or several that follow one another. */
struct runq_window {
	uint64_t start_ns, end_ns, sum_ns, max_ns, throttled_ns;
	uint32_t first, cnt; /* counts are those of buckets [first, first + cnt) */
	uint32_t counts[];
};

struct runq_mean {
	uint64_t start_ns, end_ns, delay_ns, runs;
};

struct runq_outlier {
	uint64_t start_ns, end_ns, wait_ns;
	char rival[EVENT_COMM_SZ]; /* NUL terminated */
	bool own;                  /* a process of this container */
};

struct runq_stats {
	struct runq_window *windows[RUNQ_WINDOWS_MAX]; /* owned, by end */
	size_t window_cnt;
	struct span_ring armed;  /* whether anybody of this container waited or not */
	struct runq_mean *means; /* owned, a ring; the next one goes to mean_cnt % RUNQ_MEANS_MAX */
	uint64_t mean_cnt;
	struct runq_outlier *outliers; /* owned, by end */
	size_t outlier_cnt, outlier_cap;
	struct span_ring ends;       /* of all outliers: the counts stay right where names gave way */
	struct stats_budget *budget; /* borrowed, NULL: none */
};

void runq_stats_init(struct runq_stats *r, struct stats_budget *budget);
void runq_stats_deinit(struct runq_stats *r);
/* These return how many records were lost: gave way before their time, found no place, or make no sense. */
uint64_t runq_stats_armed(struct runq_stats *r, uint64_t start_ns, uint64_t end_ns);
uint64_t runq_stats_window(struct runq_stats *r, const struct event_runq_window *e); /* the window is armed, too */
uint64_t runq_stats_mean(struct runq_stats *r, const struct event_runq_mean *e);
uint64_t runq_stats_outlier(struct runq_stats *r, const struct event_runq *e, bool own);
void runq_stats_expire(struct runq_stats *r, uint64_t before_ns);
/* Fills runq_* of ret for [from, to]. throttles: of the same container; a mean that one of them overlaps is left out,
 * because the kernel's figure counts throttled time as waiting. */
void runq_stats_fill(const struct runq_stats *r, const struct span_ring *throttles, uint64_t from_ns, uint64_t to_ns,
		     struct snapshot_cpu *ret);
