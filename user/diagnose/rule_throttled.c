/* SPDX-License-Identifier: BSD-2-Clause */
/* The CPU limit holds the container: share of wall time with at least one CPU of it throttled. What burned the quota
 * decides the advice: the collector, too many Ps, or simply work. Stop-the-worlds that overlap throttling follow from
 * it (a thread that has to stop is held and cannot), so they are told here and are no verdict of their own. */
#include "diagnose/gogc.h"
#include "diagnose/maxprocs.h"
#include "diagnose/rule.h"
#include "diagnose/words.h"

#include <math.h>

#include "base/clock.h"
#include "base/str.h"

#define WARN_RATIO     0.05
#define CRITICAL_RATIO 0.25
#define GC_SHARE       0.30 /* of the CPU: from here on the collector is the culprit */
#define MARK_SHARE                                                                                                     \
	0.50 /* of the time, where GC's CPU is unknown: its workers are a quarter of all threads at least              \
	      */

struct gc_share {
	bool culprit;
	bool measured; /* by its CPU; else by how long it marked */
};

/* Where GC's CPU is unknown (Go before 1.20, stripped binaries) only the time that it marks is: nothing but a long one
 * makes it the culprit, and the sentence tells the time. */
static struct gc_share gc_share(const struct snapshot_container *c)
{
	const struct snapshot_gc *gc = &c->gc;

	if (!isnan(gc->cpu_ratio))
		return (struct gc_share){.culprit = gc->cpu_ratio >= GC_SHARE, .measured = true};
	return (struct gc_share){.culprit = gc->mark_wall_ratio >= MARK_SHARE};
}

static void say_text(const struct snapshot_container *c, const struct gc_share *gc, const struct maxprocs *m,
		     struct verdict *ret)
{
	char ratio[WORD_SZ], max[WORD_SZ], share[WORD_SZ], limit[WORD_SZ];

	words_add(ret->text, sizeof(ret->text), "Held by its CPU limit %s of the time",
		  words_percent(c->cpu.ratio, ratio));
	if (c->cpu.length.cnt > 0 && c->cpu.length.max > 0)
		words_add(ret->text, sizeof(ret->text), ", up to %s at once", words_duration(c->cpu.length.max, max));
	if (gc->culprit && gc->measured)
		words_add(ret->text, sizeof(ret->text), "; %s%s of the CPU it burned was garbage collection",
			  c->gc.cpu_estimated ? "about " : "", words_percent(c->gc.cpu_ratio, share));
	else if (gc->culprit)
		words_add(ret->text, sizeof(ret->text),
			  "; it was marking garbage %s of the time (the CPU that took is unknown)",
			  words_percent(c->gc.mark_wall_ratio, share));
	else if (m->process)
		words_add(ret->text, sizeof(ret->text), "; GOMAXPROCS is %lld where the limit is %s",
			  (long long)m->process->gomaxprocs, words_cpus(c->cpu.limit_cpus, limit));
	words_add(ret->text, sizeof(ret->text), ".");
}

/* What it would use if it were not held: usage / (1 - ratio), its rate in the time it ran free. It supposes that it
 * would go on at that rate, so it is too high where held back work only comes later, and says little where it hardly
 * ran: hence at most the node. The percentile of unthrottled use would be better, but is not measured yet. */
static void say_limit(const struct snapshot *s, const struct snapshot_container *c, char *buf, size_t sz)
{
	double free_ratio = 1 - c->cpu.ratio, want = c->cpu.usage_cpus / free_ratio;
	char about[WORD_SZ], used[WORD_SZ], share[WORD_SZ];

	if (isnan(want) || !(c->cpu.limit_cpus > 0)) {
		words_part(buf, sz, "; ", "raise the CPU limit (by how much is unknown: no reading of %s)",
			   isnan(c->cpu.usage_cpus) ? "its CPU use" : "the limit");
		return;
	}
	if (s->node_cpus > 0 && want > s->node_cpus)
		want = s->node_cpus;
	want = ceil(want * 10 - 1e-6) / 10;
	if (want <= c->cpu.limit_cpus) { /* bursts: on average it needs no more than it has */
		words_part(buf, sz, "; ",
			   "it uses %s CPUs on average but comes in bursts: bound its parallel work, or raise the CPU "
			   "limit",
			   words_cpus(c->cpu.usage_cpus, used));
		return;
	}
	words_part(buf, sz, "; ",
		   "raise the CPU limit to about %s (it used %s CPUs and ran free %s of the time; "
		   "less may do if work only piled up)",
		   words_cpus(want, about), words_cpus(c->cpu.usage_cpus, used), words_percent(free_ratio, share));
}

static void say_advice(const struct snapshot *s, const struct snapshot_container *c, const struct gc_share *gc,
		       const struct maxprocs *m, struct verdict *ret)
{
	char *buf = ret->advice;
	size_t sz = sizeof(ret->advice);

	if (m->process)
		maxprocs_advice(s, c, m, buf, sz);
	if (gc->culprit && gogc_is_bound(c)) {
		gogc_limit_advice(c, buf, sz);
	} else if (gc->culprit) {
		gogc_advice(c, buf, sz);
		gogc_expect(c, gc->measured ? c->gc.cpu_ratio : NAN, buf, sz);
		if (!*buf) {
			words_add(buf, sz, "allocate less (no higher GOGC surely fits its memory)");
			say_limit(s, c, buf, sz);
		}
	} else if (m->process) {
		maxprocs_advice_version(s, m->process, buf, sz);
	} else {
		say_limit(s, c, buf, sz);
	}
	words_add(buf, sz, ".");
}

/* What follows from throttling, as far as the two were seen to overlap. */
static void say_pauses(const struct snapshot_gc *gc, char *buf, size_t sz)
{
	char longest[WORD_SZ];

	if (gc->long_pauses <= 0 || gc->long_pauses_throttled <= 0)
		return;
	words_add(buf, sz, " Stop-the-world %s %s it (%lld of %lld pauses of 10 ms or more overlap a throttle).",
		  words_duration(gc->long_pause_throttled_max, longest),
		  2 * gc->long_pauses_throttled >= gc->long_pauses ? "follows from" : "may follow from",
		  (long long)gc->long_pauses_throttled, (long long)gc->long_pauses);
}

static void say_memory(const struct snapshot_container *c, char *buf, size_t sz)
{
	char live[WORD_SZ], goal[WORD_SZ];

	if (c->gc.heap_live_bytes > 0)
		words_part(buf, sz, ", ", "heap live %s", words_bytes(c->gc.heap_live_bytes, live));
	if (c->gc.heap_live_bytes > 0 && c->gc.heap_goal_bytes > 0)
		words_add(buf, sz, " goal %s", words_bytes(c->gc.heap_goal_bytes, goal));
	if (c->memory.limit_bytes > 0)
		words_part(buf, sz, ", ", "memory limit %s", words_bytes(c->memory.limit_bytes, live));
}

static void say_seen(const struct snapshot_container *c, const struct gc_share *gc, struct verdict *ret)
{
	const struct snapshot_cpu *cpu = &c->cpu;
	char *buf = ret->seen, word[WORD_SZ];
	size_t sz = sizeof(ret->seen);

	if (cpu->limit_cpus > 0)
		words_part(buf, sz, ", ", "limit %s", words_cpus(cpu->limit_cpus, word));
	if (cpu->nr_periods > 0 && cpu->nr_throttled >= 0)
		words_part(buf, sz, ", ", "%lld of %lld periods throttled", (long long)cpu->nr_throttled,
			   (long long)cpu->nr_periods);
	else
		words_part(buf, sz, ", ", "%lld throttle intervals", (long long)cpu->intervals);
	if (gc->measured && cpu->usage_seconds > 0)
		words_part(buf, sz, ", ", "GC %s%.1f of %.1f cpu-s", c->gc.cpu_estimated ? "~" : "",
			   c->gc.cpu_ratio * cpu->usage_seconds, cpu->usage_seconds);
	else if (cpu->usage_seconds > 0)
		words_part(buf, sz, ", ", "%.1f cpu-s used", cpu->usage_seconds);
	if (gc->culprit)
		say_memory(c, buf, sz);
	/* Throttled time that the kernel charged and no interval covers, if it would change the picture. */
	if (cpu->missed_seconds > WARN_RATIO * cpu->cpu_seconds && cpu->missed_seconds > 0.001)
		words_part(buf, sz, ", ", "%s more without its times", words_duration(cpu->missed_seconds, word));
	words_add(buf, sz, ".");
	say_pauses(&c->gc, buf, sz);
}

static void add_evidence(const struct snapshot_container *c, const struct gc_share *gc, const struct maxprocs *m,
			 enum verdict_severity severity, struct verdict *ret)
{
	words_evidence(ret, "throttle_ratio", c->cpu.ratio, "1",
		       severity == VERDICT_CRITICAL ? CRITICAL_RATIO : WARN_RATIO);
	if (c->cpu.length.cnt > 0)
		words_evidence(ret, "throttle_max", c->cpu.length.max, "s", NAN);
	words_evidence(ret, "cpu_limit", c->cpu.limit_cpus, "{cpu}", NAN);
	words_evidence(ret, "cpu_usage", c->cpu.usage_cpus, "{cpu}", NAN);
	words_evidence_int(ret, "throttled_periods", c->cpu.nr_throttled, "{period}");
	words_evidence_int(ret, "periods", c->cpu.nr_periods, "{period}");
	if (gc->measured)
		words_evidence(ret, "gc_cpu_ratio", c->gc.cpu_ratio, "1", GC_SHARE);
	else
		words_evidence(ret, "gc_mark_wall_ratio", c->gc.mark_wall_ratio, "1", NAN);
	if (m->process)
		words_evidence(ret, "gomaxprocs", (double)m->process->gomaxprocs, "{thread}", (double)m->want);
	if (c->gc.long_pauses_throttled > 0)
		words_evidence_int(ret, "long_pauses_throttled", c->gc.long_pauses_throttled, "{pause}");
}

bool rule_throttled(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret)
{
	struct maxprocs m = {0};

	if (c->cpu.intervals == STAT_UNKNOWN || !(c->cpu.ratio >= WARN_RATIO * scale)) /* NAN: quiet */
		return false;

	struct gc_share gc = gc_share(c);

	if (!maxprocs_above_limit(c, &m))
		m.process = NULL;
	ret->severity = c->cpu.ratio >= CRITICAL_RATIO * scale ? VERDICT_CRITICAL : VERDICT_WARNING;
	str_copy(ret->culprit, sizeof(ret->culprit), gc.culprit ? "gc" : m.process ? "gomaxprocs" : "");
	say_text(c, &gc, &m, ret);
	say_advice(s, c, &gc, &m, ret);
	say_seen(c, &gc, ret);
	add_evidence(c, &gc, &m, ret->severity, ret);
	return true;
}
