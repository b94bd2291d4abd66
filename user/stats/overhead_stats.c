/* SPDX-License-Identifier: BSD-2-Clause */
/* Readings come once a second while a window or go_assist costs the process something, and not else: a step between two
 * of them may be longer than the window asked for, and counts whole then, its CPU time as well as its cost, so that the
 * share is that of the step. */
#include "stats/overhead_stats.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"

#define APART_NS (NS_PER_SEC / 2) /* closer ones replace one another */

static struct overhead_reading *reading_at(struct overhead_stats *o, uint64_t i)
{
	return &o->readings[i % OVERHEAD_STATS_MAX];
}

static const struct overhead_reading *const_reading_at(const struct overhead_stats *o, uint64_t i)
{
	return &o->readings[i % OVERHEAD_STATS_MAX];
}

void overhead_stats_add(struct overhead_stats *o, const struct record_overhead *r)
{
	struct overhead_reading *x;

	if (o->cnt && r->time_ns <= o->last.time_ns)
		return;
	o->last = *r;
	if (o->cnt >= 2 && r->time_ns < reading_at(o, o->cnt - 2)->time_ns + APART_NS)
		o->cnt--;
	x = reading_at(o, o->cnt++);
	x->time_ns = r->time_ns;
	x->cpu_ns = r->cpu_ns;
	memcpy(x->cost_ns, r->cost_ns, sizeof(x->cost_ns));
}

void overhead_sum_init(struct overhead_sum *s)
{
	memset(s, 0, sizeof(*s));
	s->worst_ratio = s->max_ratio = s->next_seconds = NAN;
}

/* The newest reading that is not younger than the begin, else the oldest one. */
static const struct overhead_reading *begin_of(const struct overhead_stats *o, uint64_t from_ns)
{
	uint64_t oldest = o->cnt > OVERHEAD_STATS_MAX ? o->cnt - OVERHEAD_STATS_MAX : 0, i = o->cnt - 1;

	while (i > oldest && const_reading_at(o, i)->time_ns > from_ns)
		i--;
	return const_reading_at(o, i);
}

static void add_share(struct overhead_sum *s, const struct overhead_reading *a, const struct overhead_reading *b)
{
	double cost = 0;

	if (!a->cpu_ns || b->cpu_ns <= a->cpu_ns)
		return;
	for (int g = 0; g < OVERHEAD_GROUP_CNT; g++) {
		double grown = fmax(b->cost_ns[g] - a->cost_ns[g], 0);

		s->cost_ns[g] += grown;
		cost += grown;
	}
	s->cpu_ns += b->cpu_ns - a->cpu_ns;
	s->worst_ratio = fmax(s->worst_ratio, cost / (double)(b->cpu_ns - a->cpu_ns));
}

void overhead_sum_add(struct overhead_sum *s, const struct overhead_stats *o, uint64_t now_ns, uint64_t window_ns)
{
	uint64_t from = now_ns > window_ns ? now_ns - window_ns : 0;
	uint64_t next = o->last.next_ns;

	if (!o->cnt)
		return;
	s->max_ratio = o->last.max_ratio;
	s->off |= o->last.off;
	s->waiting += next != 0;
	if (next == UINT64_MAX)
		s->next_seconds = fmin(s->next_seconds, INFINITY); /* fmin takes the number where one is NAN */
	else if (next)
		s->next_seconds = fmin(s->next_seconds, next > now_ns ? (double)(next - now_ns) / NS_PER_SEC : 0);
	if (const_reading_at(o, o->cnt - 1)->time_ns > from)
		add_share(s, begin_of(o, from), const_reading_at(o, o->cnt - 1));
}

void overhead_sum_fill(const struct overhead_sum *s, struct snapshot_overhead *ret)
{
	for (int g = 0; g < OVERHEAD_GROUP_CNT; g++)
		ret->ratio[g] = s->cpu_ns ? s->cost_ns[g] / (double)s->cpu_ns : NAN;
	ret->max_ratio = s->max_ratio;
	ret->worst_ratio = s->worst_ratio;
	ret->waiting = s->waiting;
	ret->next_seconds = s->next_seconds;
	ret->off = s->off;
}
