/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened between two reads: waits for a P, pauses of the cycles that ended, the last of these cycles. The pause
 * ring has 256 entries, so nothing is missed unless more cycles than that ended in between. */
#include <inttypes.h>
#include <string.h>

#include "runtime/runtime_hist.h"
#include "runtime/sample_private.h"

/* --- waits for a P --- */

/* Of the read that is being made: counts and that none of them went back since the last good one. */
int sampler_since_check(struct sampler *s, char *why)
{
	s->waits_known = sampler_has(s, FIELD_SCHED_TIME_TO_RUN);
	if (!s->waits_known)
		return 0;
	runtime_hist_fold(s->go_minor, read_plan_get(&s->plan, FIELD_SCHED_TIME_TO_RUN), s->waits);
	if (!s->now.known || !s->now.waits_known)
		return 0;
	for (int i = 0; i < RUNTIME_LATENCY_BUCKETS; i++)
		if (s->waits[i] - s->now.waits[i] > UINT32_MAX)
			return err_why(why, 1, "self-check failed (timeToRun went from %" PRIu64 " to %" PRIu64 ")",
				       s->now.waits[i], s->waits[i]);
	return 0;
}

static void count_waits(struct sampler *s, uint64_t time_ns)
{
	struct runtime_latency *l = &s->latency;

	s->has_latency = s->now.known && s->now.waits_known && s->waits_known;
	if (!s->has_latency)
		return;
	l->start_ns = s->now.time_ns;
	l->end_ns = time_ns;
	l->cnt = 0;
	for (int i = 0; i < RUNTIME_LATENCY_BUCKETS; i++) {
		l->buckets[i] = (uint32_t)(s->waits[i] - s->now.waits[i]);
		l->cnt += l->buckets[i];
	}
}

void sampler_since_update(struct sampler *s, const struct runtime_sample *v)
{
	count_waits(s, v->time_ns);
	s->has_before = s->now.known;
	s->before_numgc = s->now.numgc;
	s->before_forced = s->now.numforcedgc;
	s->now.known = true;
	s->now.time_ns = v->time_ns;
	s->now.numgc = v->numgc;
	s->now.numforcedgc = v->numforcedgc;
	s->now.waits_known = s->waits_known;
	memcpy(s->now.waits, s->waits, sizeof(s->now.waits));
}

bool sampler_latency(const struct sampler *s, struct runtime_latency *ret)
{
	if (!s->fresh || !s->has_latency)
		return false;
	*ret = s->latency;
	return true;
}

/* --- pauses --- */

int sampler_raw_pauses(const struct sampler *s, int64_t after, struct runtime_pause *ret, int max, uint64_t *missed)
{
	uint64_t pause[RUNTIME_PAUSES], end[RUNTIME_PAUSES];
	int64_t numgc = read_plan_u32(&s->plan, FIELD_MEMSTATS_NUMGC), first = after + 1;
	int n = 0;

	memcpy(pause, read_plan_get(&s->plan, FIELD_MEMSTATS_PAUSE_NS), sizeof(pause));
	memcpy(end, read_plan_get(&s->plan, FIELD_MEMSTATS_PAUSE_END), sizeof(end));
	if (max > RUNTIME_PAUSES)
		max = RUNTIME_PAUSES;
	if (numgc - after > max)
		first = numgc - max + 1;
	*missed = (uint64_t)(first - after - 1);
	for (int64_t cycle = first; cycle <= numgc; cycle++) {
		size_t i = (size_t)(cycle - 1) % RUNTIME_PAUSES;

		ret[n++] = (struct runtime_pause){end[i], pause[i], (uint64_t)cycle};
	}
	return n;
}

int sampler_pauses(const struct sampler *s, struct runtime_pause *ret, int max, uint64_t *missed)
{
	*missed = 0;
	if (!s->fresh || !s->has_before || !sampler_has(s, FIELD_MEMSTATS_NUMGC) ||
	    !sampler_has(s, FIELD_MEMSTATS_PAUSE_NS) || !sampler_has(s, FIELD_MEMSTATS_PAUSE_END) || max < 1)
		return 0;
	return sampler_raw_pauses(s, s->before_numgc, ret, max, missed);
}

/* --- the last cycle --- */

/* What gctrace=1 prints for the goal and for the stacks (gcMarkTermination in mgc.go) was another field once. */
static enum go_field goal_field(const struct sampler *s)
{
	return s->go_minor == 18 ? FIELD_WORK_HEAP_GOAL : FIELD_GC_LAST_HEAP_GOAL;
}

static enum go_field stacks_field(const struct sampler *s)
{
	return s->go_minor == 19 ? FIELD_GC_MAX_STACK_SCAN : FIELD_GC_LAST_STACK_SCAN;
}

static bool has_cycle(const struct sampler *s)
{
	static const enum go_field needed[] = {
		FIELD_MEMSTATS_NUMGC,
		FIELD_WORK_TSWEEP_TERM,
		FIELD_WORK_TMARK,
		FIELD_WORK_TMARK_TERM,
		FIELD_WORK_TEND,
		FIELD_WORK_HEAP0,
		FIELD_WORK_HEAP1,
		FIELD_WORK_HEAP2,
		FIELD_WORK_STWPROCS,
		FIELD_WORK_MAXPROCS,
		FIELD_WORK_USER_FORCED,
		FIELD_GC_ASSIST_TIME,
		FIELD_GC_DEDICATED_TIME,
		FIELD_GC_FRACTIONAL_TIME,
		FIELD_GC_IDLE_TIME,
		FIELD_GC_GLOBALS_SCAN,
		FIELD_MEMSTATS_GC_CPU_FRACTION,
	};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!sampler_has(s, needed[i]))
			return false;
	return sampler_has(s, goal_field(s)) && sampler_has(s, stacks_field(s)) && s->globals[GLOBAL_GCPHASE] != 0;
}

static int64_t i64(const struct sampler *s, enum go_field field)
{
	return (int64_t)read_plan_u64(&s->plan, field);
}

static void read_cycle(const struct sampler *s, struct runtime_cycle *c)
{
	c->numgc = read_plan_u32(&s->plan, FIELD_MEMSTATS_NUMGC);
	c->sweep_term_ns = i64(s, FIELD_WORK_TSWEEP_TERM);
	c->mark_ns = i64(s, FIELD_WORK_TMARK);
	c->mark_term_ns = i64(s, FIELD_WORK_TMARK_TERM);
	c->end_ns = i64(s, FIELD_WORK_TEND);
	c->assist_ns = i64(s, FIELD_GC_ASSIST_TIME);
	c->dedicated_ns = i64(s, FIELD_GC_DEDICATED_TIME);
	c->fractional_ns = i64(s, FIELD_GC_FRACTIONAL_TIME);
	c->idle_ns = i64(s, FIELD_GC_IDLE_TIME);
	c->heap0 = read_plan_u64(&s->plan, FIELD_WORK_HEAP0);
	c->heap1 = read_plan_u64(&s->plan, FIELD_WORK_HEAP1);
	c->heap2 = read_plan_u64(&s->plan, FIELD_WORK_HEAP2);
	c->goal = read_plan_u64(&s->plan, goal_field(s));
	c->stacks = read_plan_u64(&s->plan, stacks_field(s));
	c->globals = read_plan_u64(&s->plan, FIELD_GC_GLOBALS_SCAN);
	memcpy(&c->cpu_fraction, read_plan_get(&s->plan, FIELD_MEMSTATS_GC_CPU_FRACTION), sizeof(c->cpu_fraction));
	c->stwprocs = (int32_t)read_plan_u32(&s->plan, FIELD_WORK_STWPROCS);
	c->maxprocs = (int32_t)read_plan_u32(&s->plan, FIELD_WORK_MAXPROCS);
	c->forced = *(const uint8_t *)read_plan_get(&s->plan, FIELD_WORK_USER_FORCED) == 1;
	/* From 1.26 on the mark is taken back just before the world starts again: whoever reads later is too late. */
	c->leak_check = s->go_minor < 26 ? 0 : -1;
}

/* gcStart sets heap0 and the number of Ps a few instructions before tSweepTerm, which tells that a cycle has begun, and
 * userForced long before both: so who asked for the last cycle is taken from the count where that is possible. */
bool sampler_raw_cycle(const struct sampler *s, int forced, struct runtime_cycle *ret)
{
	struct runtime_cycle c;

	if (!has_cycle(s) || s->raw.gcphase)
		return false;
	read_cycle(s, &c);
	if (!c.numgc || c.sweep_term_ns <= 0 || c.mark_ns < c.sweep_term_ns || c.mark_term_ns < c.mark_ns ||
	    c.end_ns < c.mark_term_ns)
		return false;
	if (forced >= 0)
		c.forced = forced;
	*ret = c;
	return true;
}

bool sampler_cycle(const struct sampler *s, struct runtime_cycle *ret)
{
	int forced = -1;

	if (!s->fresh)
		return false;
	if (s->has_before && s->now.numgc == s->before_numgc + 1 && s->now.numforcedgc != SAMPLE_UNKNOWN)
		forced = s->now.numforcedgc > s->before_forced;
	return sampler_raw_cycle(s, forced, ret);
}
