/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers come once a second and process, so a place a second holds those of all processes. */
#include "stats/assist_stats.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define NUMBERS_SZ (ASSIST_NUMBERS_MAX * sizeof(struct assist_number))

void assist_stats_init(struct assist_stats *a, struct stats_budget *budget)
{
	memset(a, 0, sizeof(*a));
	a->budget = budget;
	span_ring_init(&a->waits, ASSIST_WAITS_MAX, budget);
}

void assist_stats_deinit(struct assist_stats *a)
{
	stats_budget_resize(a->budget, a->numbers ? NUMBERS_SZ : 0, 0);
	free(a->numbers);
	a->numbers = NULL;
	span_ring_deinit(&a->waits);
}

uint64_t assist_stats_wait(struct assist_stats *a, const struct event_gc_assist *e)
{
	int lost = span_ring_add(&a->waits, e->start_ns, e->hdr.time_ns, 0);

	return lost < 0 ? 1 : (uint64_t)lost;
}

static struct assist_number *make_numbers(struct assist_stats *a)
{
	if (!stats_budget_resize(a->budget, 0, NUMBERS_SZ))
		return NULL;
	a->numbers = calloc(ASSIST_NUMBERS_MAX, sizeof(*a->numbers));
	if (!a->numbers)
		stats_budget_resize(a->budget, NUMBERS_SZ, 0);
	return a->numbers;
}

uint64_t assist_stats_number(struct assist_stats *a, const struct event_gc_assists *e)
{
	uint64_t second = e->hdr.time_ns / NS_PER_SEC;
	struct assist_number *n;

	if (!a->numbers && !make_numbers(a))
		return 1;
	n = &a->numbers[second % ASSIST_NUMBERS_MAX];
	if (n->end_ns / NS_PER_SEC > second)
		return 1; /* older than all that can be asked for */
	if (n->end_ns / NS_PER_SEC < second)
		n->end_ns = n->cnt = 0;
	if (n->end_ns < e->hdr.time_ns)
		n->end_ns = e->hdr.time_ns;
	n->cnt += e->cnt;
	return 0;
}

void assist_stats_expire(struct assist_stats *a, uint64_t before_ns)
{
	span_ring_expire(&a->waits, before_ns);
}

void assist_stats_fill(const struct assist_stats *a, uint64_t from_ns, uint64_t to_ns, struct snapshot_gc *ret)
{
	ret->assist_waits = (int64_t)(span_ring_upper(&a->waits, to_ns) - span_ring_upper(&a->waits, from_ns));
	ret->assists = 0;
	for (int i = 0; a->numbers && i < ASSIST_NUMBERS_MAX; i++)
		if (a->numbers[i].end_ns > from_ns && a->numbers[i].end_ns <= to_ns)
			ret->assists += (int64_t)a->numbers[i].cnt;
}
