/* SPDX-License-Identifier: BSD-2-Clause */
/* Spans of time ordered by their end, for the last minute: bounded, growing by need, late ones put in their place. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "stats/stats_budget.h"

#define SPAN_LEN_MAX ((1ull << 48) - 1) /* 78 hours: longer ones are cut at their begin */

struct span {
	uint64_t end_ns;
	uint64_t len_ns : 48;
	uint64_t tag : 16; /* the user's own, e.g. a reason */
};
_Static_assert(sizeof(struct span) == 16, "a minute of throttling on 64 CPUs is 38,400 of them");

struct span_ring {
	struct span *items; /* owned; in use are [head, head + cnt) */
	size_t head, cnt, cap, max;
	uint64_t longest_ns;         /* no span in use is longer */
	struct stats_budget *budget; /* borrowed, NULL: none */
};

static inline uint64_t span_start(const struct span *s)
{
	return s->end_ns - s->len_ns;
}
static inline const struct span *span_ring_get(const struct span_ring *r, size_t i)
{
	return &r->items[r->head + i];
}

void span_ring_init(struct span_ring *r, size_t max, struct stats_budget *budget);
void span_ring_deinit(struct span_ring *r);

/* 0; how many were lost: the oldest ones that gave way, or itself, when it was the oldest or there was no place;
 * -EINVAL if it ends before it starts, -ENOMEM. */
int span_ring_add(struct span_ring *r, uint64_t start_ns, uint64_t end_ns, uint16_t tag);
/* Drops what ended at or before the time. */
void span_ring_expire(struct span_ring *r, uint64_t before_ns);
/* Index of the first span that ends after the time; cnt if there is none. So those that ended in (from, to] are
 * [upper(from), upper(to)). */
size_t span_ring_upper(const struct span_ring *r, uint64_t time_ns);

/* What of the spans lies in [from, to]. */
struct span_cover {
	uint64_t union_ns; /* time with at least one of them: never more than to - from */
	uint64_t sum_ns;
	size_t cnt; /* spans that overlap it */
};
void span_ring_cover(const struct span_ring *r, uint64_t from_ns, uint64_t to_ns, struct span_cover *ret);
