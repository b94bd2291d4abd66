/* SPDX-License-Identifier: BSD-2-Clause */
/* The snapshots of the last 15 minutes, small: the newest whole, each older one as what differs from its successor. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/snapshot.h"

#define HISTORY_AGE_NS (15ull * 60 * 1000000000ull)

struct history;

/* bytes_max: what all of it may take; the oldest snapshots give way. */
int history_new(size_t bytes_max, struct history **ret);
struct history *history_free(struct history *h);
/* After verdicts_apply(). 0 or -ENOMEM (then this one is missing). Snapshots older than HISTORY_AGE_NS before it go. */
int history_add(struct history *h, const struct snapshot *s);
size_t history_cnt(const struct history *h);
size_t history_bytes(const struct history *h);
/* back: 0 the newest. A whole snapshot of its own (processes and refused included); the caller deinits it. 0, -ENOENT,
 * -ENOMEM. */
int history_get(const struct history *h, size_t back, struct snapshot *ret);
uint64_t history_time_ns(const struct history *h, size_t back); /* time_mono_ns; 0 beyond the last */

/* Series of one container for the graphs: oldest first, at most max values of the newest snapshots, NAN where unknown.
 * Number of values. */
enum history_series {
	SERIES_CPU,
	SERIES_THROTTLED,
	SERIES_GC_RATE,
	SERIES_HEAP,
	SERIES_RUNQ,
	SERIES_STW,
	SERIES_RTT,
	SERIES_GOSCH,
	SERIES_CNT
};
size_t history_series(const struct history *h, uint32_t container_id, enum history_series which, double *values,
		      size_t max);
