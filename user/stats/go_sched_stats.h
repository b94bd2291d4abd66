/* SPDX-License-Identifier: BSD-2-Clause */
/* What windows of go_sched showed of one container: a sum for each window, from spans while it is open, kept for the
 * longest window of a snapshot once it is over; the last one is kept as long as the container. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "events/record.h"
#include "stats/goroutine_track.h"
#include "stats/snapshot.h"
#include "stats/stats_budget.h"

/* Sites that one window tells apart while it is open; the rest is "other". */
#define GO_SCHED_SITES_MAX 256
/* Of each kind of list, the largest ones, that are kept with their names after its end. */
#define GO_SCHED_SITES_KEPT 24
/* Beyond it the two oldest become one. */
#define GO_SCHED_WINDOWS_MAX 48

/* A window of one process while it is open. */
struct go_sched_sum;

int go_sched_sum_new(struct go_sched_sum **ret);
struct go_sched_sum *go_sched_sum_free(struct go_sched_sum *s);
/* Creations and parks are counted as events, waits as spans: one whose begin lies in the window counts though its end
 * does not. */
void go_sched_sum_event(struct go_sched_sum *s, const struct go_sched_event *e);
void go_sched_sum_span(struct go_sched_sum *s, const struct goroutine_span *x);
void go_sched_sum_waits(const struct go_sched_sum *s, struct dist *ret);

/* What an id of RECORD_SCHED_NAME means; both "" where unknown, never NULL, valid until the next call. */
struct go_sched_name {
	const char *function, *at;
};
typedef struct go_sched_name (*go_sched_name_fn)(enum sched_name_what what, uint64_t id, void *arg);

/* The end of a window. */
struct go_sched_end {
	const struct record_sched_window *record;    /* cost_ns NAN unknown */
	const struct goroutine_track_counts *counts; /* NULL: nothing of it was followed, its waits are unknown */
	uint64_t not_followed;                       /* events, beside those that the record calls lost */
	go_sched_name_fn name;
	void *arg;
};

struct go_sched_window; /* one that is over */

/* Embedded in container_stats. */
struct go_sched_stats {
	struct go_sched_window *windows[GO_SCHED_WINDOWS_MAX]; /* owned, by end */
	size_t cnt;
	struct stats_budget *budget; /* borrowed, NULL: none */
};

void go_sched_stats_init(struct go_sched_stats *s, struct stats_budget *budget);
void go_sched_stats_deinit(struct go_sched_stats *s);
/* A window is over; sum: borrowed, NULL: nothing of it was followed. Returns how many windows found no place. */
uint64_t go_sched_stats_window(struct go_sched_stats *s, const struct go_sched_sum *sum, const struct go_sched_end *e);
/* All but the last one. */
void go_sched_stats_expire(struct go_sched_stats *s, uint64_t before_ns);
/* Fills all of ret but `open`: windows that ended in [now - window, now] together, else the last one. Latencies are
 * counted in buckets: percentiles are off by at most 12.5 %; sum, min and max are exact. */
void go_sched_stats_fill(const struct go_sched_stats *s, uint64_t now_ns, uint64_t window_ns,
			 struct snapshot_sched_window *ret);
