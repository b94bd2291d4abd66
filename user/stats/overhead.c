/* SPDX-License-Identifier: BSD-2-Clause */
/* Credit is a sum, not a rate: what windows have cost ever is never more than what the process's CPU time has earned
 * and the worth of OVERHEAD_FIRST_NS of its use that it began with, whatever the windows and the clock do. Debts are
 * not forgiven. A share of nothing is unknown, so nothing is decided on it. */
#include "stats/overhead.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"

#define READING_NS    (NS_PER_SEC * 8 / 10)
#define WINDOW_MAX_NS (OVERHEAD_WINDOW_NS + NS_PER_SEC) /* readings are not exactly so far apart */
#define DECIDE_MIN_NS (3 * NS_PER_SEC)                  /* of readings: the first cycle is not the rule */

void overhead_init(struct overhead *o, double max_ratio)
{
	memset(o, 0, sizeof(*o));
	o->max_ratio = max_ratio;
}

static double sum_of(const double cost_ns[OVERHEAD_GROUP_CNT])
{
	double sum = 0;

	for (int g = 0; g < OVERHEAD_GROUP_CNT; g++)
		sum += cost_ns[g];
	return sum;
}

/* ---- readings ------------------------------------------------------------------------------------------ */

static unsigned int kept(const struct overhead *o)
{
	return o->cnt < OVERHEAD_READINGS ? o->cnt : OVERHEAD_READINGS;
}

/* The i-th back from the newest one. */
static unsigned int at(const struct overhead *o, unsigned int back)
{
	return (o->cnt - 1 - back) % OVERHEAD_READINGS;
}

/* The newest reading and the oldest one of the last 10 s; false: there are no two. */
static bool ends_of(const struct overhead *o, unsigned int *first, unsigned int *last)
{
	unsigned int back = kept(o);

	if (back < 2)
		return false;
	*last = at(o, 0);
	while (--back > 1 && o->readings[*last].time_ns - o->readings[at(o, back)].time_ns > WINDOW_MAX_NS)
		;
	*first = at(o, back);
	return true;
}

static void set_cpu_rate(struct overhead *o)
{
	unsigned int first, last;

	o->cpu_rate = 0;
	if (ends_of(o, &first, &last))
		o->cpu_rate = (double)(o->readings[last].cpu_ns - o->readings[first].cpu_ns) /
			      (double)(o->readings[last].time_ns - o->readings[first].time_ns);
}

/* Numbers that run backwards are another clock's: what was read before says nothing any more. */
static void add_reading(struct overhead *o, uint64_t now_ns, uint64_t cpu_ns, const double cost_ns[OVERHEAD_GROUP_CNT])
{
	if (o->cnt && (now_ns < o->readings[at(o, 0)].time_ns || cpu_ns < o->readings[at(o, 0)].cpu_ns))
		o->cnt = 0;
	if (o->cnt && now_ns - o->readings[at(o, 0)].time_ns < READING_NS)
		return;
	o->cnt++;
	o->readings[at(o, 0)].time_ns = now_ns;
	o->readings[at(o, 0)].cpu_ns = cpu_ns;
	memcpy(o->readings[at(o, 0)].cost_ns, cost_ns, sizeof(o->readings[0].cost_ns));
	set_cpu_rate(o);
}

/* ---- credit -------------------------------------------------------------------------------------------- */

double overhead_credit_max(const struct overhead *o)
{
	return o->max_ratio < 0 ? INFINITY : o->max_ratio * (double)OVERHEAD_HORIZON_NS * o->cpu_rate;
}

/* With the second reading it is known what CPU the process uses. */
static void begin_with(struct overhead *o)
{
	if (o->begun || o->cnt < 2)
		return;
	o->begun = true;
	o->credit_ns += o->max_ratio * (double)OVERHEAD_FIRST_NS * o->cpu_rate;
}

void overhead_feed(struct overhead *o, uint64_t now_ns, uint64_t cpu_ns, const double cost_ns[OVERHEAD_GROUP_CNT])
{
	double cost = sum_of(cost_ns);
	bool known = o->cnt > 0;

	add_reading(o, now_ns, cpu_ns, cost_ns);
	if (o->max_ratio >= 0) {
		begin_with(o);
		if (known && cpu_ns > o->last_cpu_ns)
			o->credit_ns += o->max_ratio * (double)(cpu_ns - o->last_cpu_ns);
		if (o->begun && o->cnt > 1) /* else what it uses is not known */
			o->credit_ns = fmin(o->credit_ns, overhead_credit_max(o));
		o->credit_ns -= fmax(cost - o->last_cost_ns, 0);
	}
	o->last_cpu_ns = cpu_ns;
	o->last_cost_ns = fmax(cost, o->last_cost_ns);
}

double overhead_credit(const struct overhead *o)
{
	if (o->max_ratio < 0)
		return INFINITY;
	return o->begun ? o->credit_ns : fmin(o->credit_ns, 0); /* all of what it begins with, or nothing yet */
}

/* What a group costs a second of wall time. */
static double cost_rate(const struct overhead *o, enum overhead_group g)
{
	unsigned int first, last;

	if (!ends_of(o, &first, &last))
		return 0;
	return (o->readings[last].cost_ns[g] - o->readings[first].cost_ns[g]) /
	       (double)(o->readings[last].time_ns - o->readings[first].time_ns);
}

uint64_t overhead_wait_ns(const struct overhead *o, double credit_ns)
{
	double credit = overhead_credit(o), missing = credit_ns - credit, more;

	if (missing <= 0 && credit > 0)
		return 0;
	if (o->cnt < 2 && o->max_ratio > 0)
		return READING_NS; /* what it uses is not known before */
	more = o->max_ratio * o->cpu_rate - cost_rate(o, OVERHEAD_GO_GC) - cost_rate(o, OVERHEAD_GO_ASSIST);
	if (more <= 0 || credit_ns > overhead_credit_max(o) || missing / more > (double)OVERHEAD_NEVER_NS)
		return UINT64_MAX;
	return (uint64_t)ceil(fmax(missing, 0) / more);
}

/* ---- what is on all the time --------------------------------------------------------------------------- */

double overhead_ratio(const struct overhead *o, enum overhead_group group)
{
	unsigned int first, last;
	double cpu, cost;

	if (!ends_of(o, &first, &last))
		return NAN;
	cpu = (double)(o->readings[last].cpu_ns - o->readings[first].cpu_ns);
	if (group < OVERHEAD_GROUP_CNT)
		cost = o->readings[last].cost_ns[group] - o->readings[first].cost_ns[group];
	else
		cost = sum_of(o->readings[last].cost_ns) - sum_of(o->readings[first].cost_ns);
	return cpu > 0 ? cost / cpu : NAN;
}

static uint32_t bit(enum overhead_group g)
{
	return 1u << g;
}

/* Share of all that is judged and not off, NAN unknown. Windows may spend in 10 s what they saved in 60: they are not
 * judged by that. */
static double ratio_of_rest(const struct overhead *o, uint32_t judged)
{
	double sum = 0;

	for (int g = 0; g < OVERHEAD_GROUP_CNT; g++)
		if (judged & ~o->off & bit((enum overhead_group)g))
			sum += overhead_ratio(o, (enum overhead_group)g);
	return sum;
}

/* Of the optional groups that are on the one that costs most; OVERHEAD_GO_GC: none costs anything. */
static enum overhead_group dearest(const struct overhead *o, uint32_t on)
{
	enum overhead_group best = OVERHEAD_GO_GC;
	double most = 0;

	for (int g = OVERHEAD_GO_GC + 1; g < OVERHEAD_GROUP_CNT; g++) {
		double ratio = overhead_ratio(o, (enum overhead_group)g);

		if ((on & ~o->off & bit((enum overhead_group)g)) && ratio > most) {
			most = ratio;
			best = (enum overhead_group)g;
		}
	}
	return best;
}

static bool switch_off_dearest(struct overhead *o, uint64_t now_ns, uint32_t on)
{
	enum overhead_group g = dearest(o, on);

	if (g == OVERHEAD_GO_GC)
		return false;
	o->off |= bit(g);
	o->off_since_ns[g] = now_ns;
	o->off_ratio[g] = overhead_ratio(o, g);
	return true;
}

/* What a group is expected to cost when it comes back: what it did, but the longer ago that was the less it counts, so
 * that one bad minute is not for good. */
static double expected(const struct overhead *o, enum overhead_group g, uint64_t now_ns)
{
	return o->off_ratio[g] * exp2(-(double)(now_ns - o->off_since_ns[g]) / (double)OVERHEAD_FORGET_NS);
}

/* The cheapest one that may; one at a time. */
static bool switch_on(struct overhead *o, uint64_t now_ns, double rest)
{
	enum overhead_group best = OVERHEAD_GO_GC;
	double least = OVERHEAD_BACK_RATIO * o->max_ratio - rest;

	for (int g = OVERHEAD_GO_GC + 1; g < OVERHEAD_GROUP_CNT; g++) {
		if (!(o->off & bit((enum overhead_group)g)) || now_ns < o->off_since_ns[g] + OVERHEAD_BACK_NS)
			continue;
		if (expected(o, (enum overhead_group)g, now_ns) < least) {
			least = expected(o, (enum overhead_group)g, now_ns);
			best = (enum overhead_group)g;
		}
	}
	o->off &= best == OVERHEAD_GO_GC ? ~0u : ~bit(best);
	return best != OVERHEAD_GO_GC;
}

bool overhead_decide(struct overhead *o, uint64_t now_ns, uint32_t on)
{
	uint32_t optional = on & ~bit(OVERHEAD_GO_GC), was = o->off;
	unsigned int first, last;
	double rest;

	if (o->max_ratio <= 0) {
		o->off = o->max_ratio < 0 ? 0 : optional;
		return o->off != was;
	}
	if (!ends_of(o, &first, &last) || o->readings[last].time_ns - o->readings[first].time_ns < DECIDE_MIN_NS)
		return false;
	rest = ratio_of_rest(o, on | bit(OVERHEAD_GO_GC));
	if (rest > o->max_ratio)
		return switch_off_dearest(o, now_ns, optional);
	return !isnan(rest) && switch_on(o, now_ns, rest);
}
