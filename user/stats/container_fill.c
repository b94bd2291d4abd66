/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts what one container's stats hold, afresh for each window asked for, so that a late event lands where it belongs
 * and any window up to a minute can be shown at any time.
 *
 * What ended in (now - window, now] is counted whole, with its own length; where shares of time are shown, spans are
 * cut to the window. Throttling is seen by its end, at the next period tick, and can outlast periods, so the spans of
 * several CPUs overlap and nest: the union is wall time, the sum is what cpu.stat counts. Throttled time that passed no
 * timer (a changed limit, a CPU that went offline) comes as an amount that lies somewhere in a span. */
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "stats/container_state.h"
#include "stats/dist.h"
#include "stats/histogram.h"

/* The runtime's GC time is a wall time of its workers. While its threads wait, for their quota or for a CPU, that is
 * not CPU time: on the demo, throttled 30 to 50 % of the time, the runtime's figure is 100 % of the CPU used and more,
 * a profile (perf) says 20 %. Threads run for used / (used + waiting) of the time that they could; scaled by that the
 * figure is an estimate as long as little is taken off. Where much is, it depends on which threads waited (the demo: 11
 * % instead of 20): unknown. */
#define GC_RUNNING_SURE 0.95
#define GC_RUNNING_MIN  0.80
#define GC_THROTTLE_MAX 0.02 /* where waiting is unknown: more throttling makes the figure unknown */
/* A share slightly above one is rounding, more is not a share. */
#define GC_RATIO_MAX 1.02

/* To nine digits behind the point: more is noise of the clocks, and history.c keeps the difference of two such numbers
 * in half of the bytes. */
static double rounded(double v)
{
	return fabs(v) < 1e6 ? (double)llrint(v * 1e9) / 1e9 : v;
}

/* The part of the window that was watched. Spans that end in it are counted by `from`, shares of time by `watched`. */
struct window {
	uint64_t from_ns, watched_ns, to_ns;
};

static double window_seconds(const struct window *w)
{
	return (double)(w->to_ns - w->watched_ns) / NS_PER_SEC;
}

static struct window window_make(const struct container_stats *c, uint64_t now_ns, uint64_t window_ns, uint64_t seen_ns)
{
	uint64_t from = now_ns > window_ns ? now_ns - window_ns : 0, since = from;

	if (c->since_ns)
		since = c->since_ns;
	else if (seen_ns && seen_ns < window_ns)
		since = now_ns > seen_ns ? now_ns - seen_ns : 0;
	else if (!seen_ns && c->first_usage_ns)
		since = c->first_usage_ns;
	if (since < from)
		since = from;
	if (since > now_ns)
		since = now_ns;
	return (struct window){.from_ns = from, .watched_ns = since, .to_ns = now_ns};
}

static int64_t ended(const struct span_ring *r, const struct window *w)
{
	return (int64_t)(span_ring_upper(r, w->to_ns) - span_ring_upper(r, w->from_ns));
}

static void fill_dist_exact(const struct span_ring *const *rings, size_t cnt, const struct window *w, struct dist *ret)
{
	uint64_t v[DIST_EXACT_MAX];
	size_t n = 0;

	for (size_t k = 0; k < cnt; k++)
		for (size_t i = span_ring_upper(rings[k], w->from_ns); i < span_ring_upper(rings[k], w->to_ns); i++)
			v[n++] = span_ring_get(rings[k], i)->len_ns;
	dist_from_values(v, n, ret);
}

/* Whole lengths of the spans of all rings that ended in the window. */
static void fill_dist_of(const struct span_ring *const *rings, size_t cnt, const struct window *w, struct dist *ret)
{
	struct histogram h;
	int64_t spans = 0;

	for (size_t k = 0; k < cnt; k++)
		spans += ended(rings[k], w);
	if (spans <= DIST_EXACT_MAX) {
		fill_dist_exact(rings, cnt, w, ret);
		return;
	}
	histogram_init(&h);
	for (size_t k = 0; k < cnt; k++)
		for (size_t i = span_ring_upper(rings[k], w->from_ns); i < span_ring_upper(rings[k], w->to_ns); i++)
			histogram_add(&h, span_ring_get(rings[k], i)->len_ns);
	histogram_dist(&h, ret);
}

static void fill_dist(const struct span_ring *r, const struct window *w, struct dist *ret)
{
	fill_dist_of(&r, 1, w, ret);
}

/* Does any throttle interval overlap the pause? Intervals are ordered by end, so those before the first that ends after
 * the pause began do not; of the rest the one needed is nearly always among the first, as they begin a period apart. */
static bool pause_throttled(const struct span_ring *throttles, const struct span *pause)
{
	uint64_t start = span_start(pause);

	for (size_t i = span_ring_upper(throttles, start); i < throttles->cnt; i++) {
		const struct span *t = span_ring_get(throttles, i);

		if (span_start(t) < pause->end_ns)
			return true;
		if (t->end_ns > pause->end_ns && t->end_ns - pause->end_ns > throttles->longest_ns)
			break; /* none of those behind it is long enough to reach back */
	}
	return false;
}

static void fill_pauses(const struct container_stats *c, const struct window *w, struct snapshot_gc *gc)
{
	const struct span_ring *rings[] = {&c->pauses, &c->passive};
	size_t lo = span_ring_upper(&c->pauses, w->from_ns), hi = span_ring_upper(&c->pauses, w->to_ns);

	memset(gc->pauses_by_reason, 0, sizeof(gc->pauses_by_reason));
	gc->long_pauses = gc->long_pauses_throttled = 0;
	gc->long_pause_throttled_max = 0;
	for (size_t i = lo; i < hi; i++) {
		const struct span *p = span_ring_get(&c->pauses, i);
		double seconds = (double)p->len_ns / NS_PER_SEC;

		gc->pauses_by_reason[p->tag]++;
		if (p->len_ns < SNAPSHOT_LONG_PAUSE_NS)
			continue;
		gc->long_pauses++;
		if (!pause_throttled(&c->throttles, p))
			continue;
		gc->long_pauses_throttled++;
		gc->long_pause_throttled_max = fmax(gc->long_pause_throttled_max, seconds);
	}
	fill_dist_of(rings, ARRAY_SIZE(rings), w, &gc->pause);
}

static void fill_gc(const struct container_stats *c, const struct window *w, struct snapshot_gc *gc)
{
	double seconds = window_seconds(w);
	struct span_cover cover;

	fill_pauses(c, w, gc);
	gc->cycles = ended(&c->cycles, w) + ended(&c->passive, w);
	fill_dist(&c->marks, w, &gc->mark);
	span_ring_cover(&c->marks, w->watched_ns, w->to_ns, &cover);
	gc->mark_wall_ratio = seconds > 0 ? rounded((double)cover.union_ns / NS_PER_SEC / seconds) : NAN;
	assist_stats_fill(&c->assists, w->from_ns, w->to_ns, gc);
	fill_dist(&c->assists.waits, w, &gc->assist_wait);
}

/* The missing time lies somewhere in its span: by its share where the window cuts it. Signed: stamps that are late
 * leave a negative gap, which must not hide by being dropped. */
static double missed_seconds(const struct container_stats *c, const struct window *w)
{
	double sum = 0;

	for (size_t i = 0; i < c->missed_cnt; i++) {
		const struct missed *m = &c->missed[i];
		uint64_t start = m->start_ns > w->watched_ns ? m->start_ns : w->watched_ns;
		uint64_t end = m->end_ns < w->to_ns ? m->end_ns : w->to_ns;

		if (m->end_ns == m->start_ns)
			sum += m->end_ns > w->watched_ns && m->end_ns <= w->to_ns ? (double)m->ns : 0;
		else if (end > start)
			sum += (double)m->ns * (double)(end - start) / (double)(m->end_ns - m->start_ns);
	}
	return sum / NS_PER_SEC;
}

static void fill_throttle(const struct container_stats *c, const struct window *w, struct snapshot_cpu *cpu)
{
	double seconds = window_seconds(w);
	struct span_cover cover;

	span_ring_cover(&c->throttles, w->watched_ns, w->to_ns, &cover);
	cpu->intervals = (int64_t)cover.cnt;
	cpu->union_seconds = (double)cover.union_ns / NS_PER_SEC;
	cpu->cpu_seconds = (double)cover.sum_ns / NS_PER_SEC;
	cpu->missed_seconds = missed_seconds(c, w);
	cpu->ratio = seconds > 0 ? rounded(cpu->union_seconds / seconds) : NAN;
	fill_dist(&c->throttles, w, &cpu->length);
}

/* CPUs' worth of value k over the window (ns a ns), NAN unknown; *ret_ns the movement itself. */
static double reading_rate(const struct readings *r, const struct window *w, int k, int64_t *ret_ns)
{
	const struct reading *a, *b;

	*ret_ns = READING_UNKNOWN;
	if (!readings_edges(r, w->watched_ns, w->to_ns, &a, &b))
		return NAN;
	*ret_ns = readings_delta(a, b, k);
	return *ret_ns == READING_UNKNOWN ? NAN : (double)*ret_ns / (double)(b->time_ns - a->time_ns);
}

static double ns_to_seconds(int64_t ns)
{
	return ns == READING_UNKNOWN ? NAN : (double)ns / NS_PER_SEC;
}

static void fill_usage(const struct container_stats *c, const struct window *w, struct snapshot_cpu *cpu)
{
	int64_t ns, periods, throttled, throttled_ns;

	cpu->usage_cpus = rounded(reading_rate(&c->usage, w, USAGE_CPU, &ns));
	cpu->usage_seconds = ns_to_seconds(ns);

	reading_rate(&c->usage, w, USAGE_PERIODS, &periods);
	reading_rate(&c->usage, w, USAGE_THROTTLED, &throttled);
	reading_rate(&c->usage, w, USAGE_THROTTLED_NS, &throttled_ns);
	/* More throttled periods than periods: the counters are of two different cgroups. */
	bool sane = periods == READING_UNKNOWN || throttled == READING_UNKNOWN || throttled <= periods;

	cpu->nr_periods = sane ? periods : STAT_UNKNOWN;
	cpu->nr_throttled = sane ? throttled : STAT_UNKNOWN;
	cpu->kernel_cpu_seconds = sane ? ns_to_seconds(throttled_ns) : NAN;
}

/* How much of the time that its threads could run they ran, as far as it lets the figure stand; NAN: it does not. */
static double running_share(const struct snapshot_cpu *cpu, bool *estimated)
{
	double share = cpu->usage_cpus / (cpu->usage_cpus + cpu->waiting_threads);

	*estimated = share < GC_RUNNING_SURE;
	if (isnan(cpu->waiting_threads))
		return cpu->ratio > GC_THROTTLE_MAX ? NAN : 1;
	if (*estimated)
		return share >= GC_RUNNING_MIN ? share : NAN;
	return 1;
}

/* GC CPU of the CPU used: rates, because the readings of both sides are not taken at the same moments. */
static double gc_ratio(const struct container_stats *c, const struct window *w, const struct snapshot_cpu *cpu,
		       bool *estimated)
{
	int64_t ns;
	double gc = reading_rate(&c->gc_cpu, w, GC_CPU, &ns), used = cpu->usage_cpus;
	double ratio = used > 0 ? rounded(gc / used * running_share(cpu, estimated)) : NAN;

	if (ratio > GC_RATIO_MAX)
		return NAN;
	return ratio > 1 ? 1 : ratio;
}

/* The same over the longest window; half of it must have been watched. */
static double last_minute_ratio(const struct container_stats *c, uint64_t now_ns)
{
	struct window w = window_make(c, now_ns, STATS_WINDOW_MAX_NS, 0);
	struct snapshot_cpu cpu;
	bool estimated;
	int64_t ns;

	if (w.to_ns - w.watched_ns < STATS_WINDOW_MAX_NS / 2)
		return NAN;
	fill_usage(c, &w, &cpu);
	if (reading_rate(&c->gc_cpu, &w, GC_CPU, &ns) == 0)
		return cpu.usage_cpus > 0 ? 0 : NAN; /* what its threads waited does not matter */
	fill_throttle(c, &w, &cpu);
	runq_stats_fill(&c->runq, &c->throttles, w.watched_ns, w.to_ns, &cpu);
	return gc_ratio(c, &w, &cpu, &estimated);
}

static void fill_shares(const struct container_stats *c, const struct window *w, struct snapshot_container *ret)
{
	double used = ret->cpu.usage_cpus;
	int64_t ns;

	ret->gc.cpu_ratio = gc_ratio(c, w, &ret->cpu, &ret->gc.cpu_estimated);
	ret->gc.cpu_seconds = ret->gc.cpu_ratio * ret->cpu.usage_seconds;
	reading_rate(&c->gc_cpu, w, GC_ASSIST, &ns);
	ret->gc.assist_seconds = ns_to_seconds(ns);

	double cost = reading_rate(&c->cost, w, 0, &ns);

	ret->cost_ratio = cost == 0 ? 0 : used > 0 ? rounded(cost / used) : NAN;
}

void container_stats_fill(const struct container_stats *c, uint64_t now_ns, uint64_t window_ns,
			  struct snapshot_container *ret)
{
	if (window_ns > STATS_WINDOW_MAX_NS)
		window_ns = STATS_WINDOW_MAX_NS;

	struct window w = window_make(c, now_ns, window_ns, ret->seen_ns);

	ret->seen_ns = w.to_ns - w.watched_ns;
	fill_gc(c, &w, &ret->gc);
	fill_throttle(c, &w, &ret->cpu);
	fill_usage(c, &w, &ret->cpu);
	runq_stats_fill(&c->runq, &c->throttles, w.watched_ns, w.to_ns, &ret->cpu);
	fill_shares(c, &w, ret);
	ret->gc.last_minute_cpu_ratio = last_minute_ratio(c, now_ns);
	sched_stats_fill(&c->sched, w.watched_ns, w.to_ns, &ret->sched);
	go_sched_stats_fill(&c->go_sched, now_ns, window_ns, &ret->sched.window);
	net_stats_fill(c->net, now_ns, window_ns, &ret->net);
	ret->memory.oom_kills_window = ended(&c->ooms, &w);
	ret->memory.growth_bytes_per_second = memory_trend_slope(&c->memory, now_ns);
}
