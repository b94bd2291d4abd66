/* SPDX-License-Identifier: BSD-2-Clause */
/* An array that slides: new spans are put at its back, old ones leave at its front, and it is moved down when the back
 * is reached. Events come from one ring buffer, so they are almost ordered by their end; a late one is moved past the
 * few that overtook it. With that order a window is found by bisection, and the union of overlapping spans is one walk
 * from the newest end backwards: no sort for a snapshot. */
#include "stats/span_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPAN_RING_CAP_MIN 16

void span_ring_init(struct span_ring *r, size_t max, struct stats_budget *budget)
{
	*r = (struct span_ring){.max = max, .budget = budget};
}

void span_ring_deinit(struct span_ring *r)
{
	free(r->items);
	stats_budget_resize(r->budget, r->cap * sizeof(*r->items), 0);
	r->items = NULL;
	r->head = r->cnt = r->cap = 0;
}

/* Moves the spans in use to the front of an array of cap items. -ENOSPC: beyond the budget. */
static int ring_resize(struct span_ring *r, size_t cap)
{
	if (cap == r->cap) {
		memmove(r->items, r->items + r->head, r->cnt * sizeof(*r->items));
		r->head = 0;
		return 0;
	}

	struct span *items;

	if (!stats_budget_resize(r->budget, r->cap * sizeof(*items), cap * sizeof(*items)))
		return -ENOSPC;
	items = malloc(cap * sizeof(*items));
	if (!items) {
		stats_budget_resize(r->budget, cap * sizeof(*items), r->cap * sizeof(*items));
		return -ENOMEM;
	}
	if (r->cnt)
		memcpy(items, r->items + r->head, r->cnt * sizeof(*items));
	free(r->items);
	r->items = items;
	r->cap = cap;
	r->head = 0;
	return 0;
}

/* Room for one more at the back: by moving down if at least a quarter is free, so that each span moves seldom. */
static int ring_reserve(struct span_ring *r)
{
	if (r->head + r->cnt < r->cap)
		return 0;
	if (r->head > r->cap / 4)
		return ring_resize(r, r->cap);
	return ring_resize(r, r->cap ? r->cap * 2 : SPAN_RING_CAP_MIN);
}

static int drop_oldest(struct span_ring *r, size_t cnt)
{
	r->head += cnt;
	r->cnt -= cnt;
	return (int)cnt;
}

/* The same where all rings together may have reached their bound: then the oldest of this one give way, a quarter at
 * once, so that the rest is not moved for each event. */
static int ring_reserve_or_drop(struct span_ring *r, int *dropped)
{
	int err = ring_reserve(r);

	if (err != -ENOSPC || !r->cnt)
		return err;
	*dropped += drop_oldest(r, (r->cnt + 3) / 4);
	return ring_resize(r, r->cap); /* moves down */
}

size_t span_ring_upper(const struct span_ring *r, uint64_t time_ns)
{
	size_t lo = 0, hi = r->cnt;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (span_ring_get(r, mid)->end_ns > time_ns)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

int span_ring_add(struct span_ring *r, uint64_t start_ns, uint64_t end_ns, uint16_t tag)
{
	uint64_t len = end_ns - start_ns;
	int dropped = 0, err;

	if (end_ns < start_ns)
		return -EINVAL;
	if (r->cnt >= r->max) {
		if (!r->max || span_ring_get(r, 0)->end_ns > end_ns)
			return 1;
		dropped = drop_oldest(r, 1);
	}
	err = ring_reserve_or_drop(r, &dropped);
	if (err)
		return err == -ENOSPC ? dropped + 1 : err;

	size_t at = r->cnt;

	if (at && span_ring_get(r, at - 1)->end_ns > end_ns)
		at = span_ring_upper(r, end_ns);

	struct span *s = &r->items[r->head + at];

	memmove(s + 1, s, (r->cnt - at) * sizeof(*s));
	*s = (struct span){.end_ns = end_ns, .len_ns = len < SPAN_LEN_MAX ? len : SPAN_LEN_MAX, .tag = tag};
	r->cnt++;
	if (s->len_ns > r->longest_ns)
		r->longest_ns = s->len_ns;
	return dropped;
}

void span_ring_expire(struct span_ring *r, uint64_t before_ns)
{
	size_t old = span_ring_upper(r, before_ns);

	r->head += old;
	r->cnt -= old;
	if (!r->cnt)
		r->head = r->longest_ns = 0;
	/* Memory follows the load down; half is left so that it does not grow again at once. Failing is harmless. */
	if (r->cap > SPAN_RING_CAP_MIN && r->cnt < r->cap / 8)
		(void)ring_resize(r, r->cap / 4 > SPAN_RING_CAP_MIN ? r->cap / 4 : SPAN_RING_CAP_MIN);
}

void span_ring_cover(const struct span_ring *r, uint64_t from_ns, uint64_t to_ns, struct span_cover *ret)
{
	uint64_t covered_to = to_ns; /* everything from here on is counted in the union, or free of spans */

	*ret = (struct span_cover){0};
	for (size_t i = r->cnt; i > 0; i--) {
		const struct span *s = span_ring_get(r, i - 1);
		uint64_t start = span_start(s), end = s->end_ns;

		if (end <= from_ns)
			break; /* ordered by end: none before it reaches into the window */
		if (start >= to_ns)
			continue;
		start = start > from_ns ? start : from_ns;
		end = end < to_ns ? end : to_ns;
		ret->cnt++;
		ret->sum_ns += end - start;
		/* Ends only fall from here on, so what lies after covered_to cannot be reached again. */
		if (start < covered_to) {
			ret->union_ns += (end < covered_to ? end : covered_to) - start;
			covered_to = start;
		}
	}
}
