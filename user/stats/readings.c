/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters come from cgroup files and from the memory of other processes. They fall when a process of the container
 * ends, or when another cgroup of the path holds the quota, so not the counter is kept but the sum of its steps: a fall
 * costs one step, never a window. The delta over a window is taken between the two readings nearest to its edges and
 * not scaled: it is something that was measured. Divide by the time between these two, not by the window. */
#include "stats/readings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Closer readings replace one another, so that `max` of them always cover the longest window. */
#define READINGS_MIN_GAP_NS (60 * NS_PER_MS)
#define READINGS_CAP_MIN    16

void readings_init(struct readings *r, size_t max)
{
	*r = (struct readings){.max = max};
	for (int k = 0; k < READINGS_VALUES; k++)
		r->last[k] = READING_UNKNOWN;
}

void readings_deinit(struct readings *r)
{
	free(r->items);
	r->items = NULL;
	r->cnt = r->cap = 0;
}

static void drop_oldest(struct readings *r, size_t cnt)
{
	r->cnt -= cnt;
	memmove(r->items, r->items + cnt, r->cnt * sizeof(*r->items));
}

/* Place for the newest reading; NULL when out of memory. */
static struct reading *newest_slot(struct readings *r, uint64_t time_ns)
{
	size_t n = r->cnt;

	if (n && r->items[n - 1].time_ns == time_ns)
		return &r->items[n - 1];
	if (n >= 2 && time_ns - r->items[n - 2].time_ns < READINGS_MIN_GAP_NS)
		return &r->items[n - 1];
	if (n == r->max)
		drop_oldest(r, r->max / 4 ? r->max / 4 : 1);
	if (r->cnt == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : READINGS_CAP_MIN;
		struct reading *items = realloc(r->items, cap * sizeof(*items));

		if (!items)
			return NULL;
		r->items = items;
		r->cap = cap;
	}
	return &r->items[r->cnt++];
}

int readings_add(struct readings *r, uint64_t time_ns, const int64_t *values)
{
	if (r->cnt && time_ns < r->items[r->cnt - 1].time_ns)
		return 0;

	struct reading *new = newest_slot(r, time_ns);

	if (!new)
		return -ENOMEM;
	new->time_ns = time_ns;
	for (int k = 0; k < READINGS_VALUES; k++) {
		int64_t step = 0;

		if (values[k] != READING_UNKNOWN && r->last[k] != READING_UNKNOWN && values[k] >= r->last[k] &&
		    __builtin_sub_overflow(values[k], r->last[k], &step))
			step = 0;
		if (__builtin_add_overflow(r->moved[k], step, &r->moved[k]))
			r->moved[k] = INT64_MAX;
		r->last[k] = values[k];
		new->moved[k] = values[k] == READING_UNKNOWN ? READING_UNKNOWN : r->moved[k];
	}
	return 0;
}

void readings_expire(struct readings *r, uint64_t before_ns)
{
	size_t old = 0;

	while (old + 1 < r->cnt && r->items[old + 1].time_ns <= before_ns)
		old++;
	if (old)
		drop_oldest(r, old);
}

static size_t nearest(const struct readings *r, uint64_t time_ns)
{
	size_t lo = 0, hi = r->cnt;

	while (lo < hi) { /* first one after the time */
		size_t mid = lo + (hi - lo) / 2;

		if (r->items[mid].time_ns > time_ns)
			hi = mid;
		else
			lo = mid + 1;
	}
	if (!lo)
		return 0;
	if (lo == r->cnt || time_ns - r->items[lo - 1].time_ns <= r->items[lo].time_ns - time_ns)
		return lo - 1;
	return lo;
}

bool readings_edges(const struct readings *r, uint64_t from_ns, uint64_t to_ns, const struct reading **ret_from,
		    const struct reading **ret_to)
{
	if (r->cnt < 2 || to_ns <= from_ns)
		return false;

	const struct reading *a = &r->items[nearest(r, from_ns)], *b = &r->items[nearest(r, to_ns)];

	if (b->time_ns <= a->time_ns || b->time_ns - a->time_ns < (to_ns - from_ns) / 2)
		return false;
	*ret_from = a;
	*ret_to = b;
	return true;
}

int64_t readings_delta(const struct reading *from, const struct reading *to, int k)
{
	if (from->moved[k] == READING_UNKNOWN || to->moved[k] == READING_UNKNOWN)
		return READING_UNKNOWN;
	return to->moved[k] - from->moved[k];
}
