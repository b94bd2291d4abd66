/* SPDX-License-Identifier: BSD-2-Clause */
/* Two ways in which the collector takes the CPU. gc-cpu: it runs often because the heap may grow little before the next
 * cycle, and a higher GOGC (more memory) buys the CPU back. mem-limit-gc: the heap has reached GOMEMLIMIT, so the
 * runtime collects over and over to stay below it (it allows itself half of the CPU for that, then lets the heap grow),
 * and GOGC changes nothing. Shares are GC's CPU (mark workers and assists) of all the CPU that the container used, over
 * a minute: cycles of a quiet program are seconds apart. */
#include "diagnose/gogc.h"
#include "diagnose/rule.h"
#include "diagnose/words.h"

#include <math.h>

#include "base/clock.h"

#define WARN_RATIO     0.15
#define CRITICAL_RATIO 0.30
/* Where less than a minute is known (`why` looks for 10 s): only what is far above, and never critical. */
#define SHORT_FACTOR 2.0

#define LIMIT_GC_RATIO       0.25
#define LIMIT_CRITICAL_RATIO 0.40 /* near the half that the runtime's limiter allows */

static void say_cycles(const struct snapshot_container *c, char *buf, size_t sz)
{
	double seconds = (double)c->seen_ns / NS_PER_SEC;

	if (c->gc.cycles > 0 && seconds > 0)
		words_part(buf, sz, ", ", "%.1f cycles/s", (double)c->gc.cycles / seconds);
}

static void say_seen(const struct snapshot_container *c, double ratio, struct verdict *ret)
{
	char *buf = ret->seen, word[WORD_SZ];
	size_t sz = sizeof(ret->seen);

	words_part(buf, sz, ", ", "GC %s%s of its CPU", c->gc.cpu_estimated ? "about " : "",
		   words_percent(ratio, word));
	say_cycles(c, buf, sz);
	if (c->gc.assist_seconds > 0)
		words_part(buf, sz, ", ", "of it %s in assists", words_duration(c->gc.assist_seconds, word));
	if (c->gc.heap_live_bytes > 0)
		words_part(buf, sz, ", ", "heap live %s", words_bytes(c->gc.heap_live_bytes, word));
	if (c->gc.heap_goal_bytes > 0)
		words_add(buf, sz, " goal %s", words_bytes(c->gc.heap_goal_bytes, word));
	if (c->gc.gogc >= 0)
		words_part(buf, sz, ", ", "GOGC %lld", (long long)c->gc.gogc);
	if (c->gc.memory_limit_bytes > 0)
		words_part(buf, sz, ", ", "GOMEMLIMIT %s", words_bytes(c->gc.memory_limit_bytes, word));
	if (c->memory.limit_bytes > 0)
		words_part(buf, sz, ", ", "memory limit %s", words_bytes(c->memory.limit_bytes, word));
	words_add(buf, sz, ".");
}

static void say_gc_advice(const struct snapshot_container *c, double ratio, struct verdict *ret)
{
	char what[160] = "";

	if (!gogc_better(c)) {
		words_add(ret->advice, sizeof(ret->advice),
			  "allocate less (a heap profile names the sites): no higher GOGC surely fits its memory.");
		return;
	}
	gogc_advice(c, what, sizeof(what));
	words_add(ret->advice, sizeof(ret->advice), "set %s", what);
	gogc_expect(c, ratio, ret->advice, sizeof(ret->advice));
	words_add(ret->advice, sizeof(ret->advice), ".");
}

bool rule_gc_cpu(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret)
{
	bool minute = !isnan(c->gc.last_minute_cpu_ratio);
	double ratio = minute ? c->gc.last_minute_cpu_ratio : c->gc.cpu_ratio;
	double warn = WARN_RATIO * (minute ? 1 : SHORT_FACTOR) * scale;
	char share[WORD_SZ];

	/* ">=" keeps it quiet for NAN on either side */
	if (!(ratio >= warn) || gogc_is_bound(c))
		return false;
	ret->severity = minute && ratio >= CRITICAL_RATIO * scale ? VERDICT_CRITICAL : VERDICT_WARNING;
	words_add(ret->text, sizeof(ret->text), "Garbage collection took %s%s of its CPU over the last %s.",
		  c->gc.cpu_estimated ? "about " : "", words_percent(ratio, share),
		  minute ? "minute" : "seconds (a minute would tell more)");
	say_gc_advice(c, ratio, ret);
	say_seen(c, ratio, ret);
	words_evidence(ret, "gc_cpu_ratio", ratio, "1",
		       ret->severity == VERDICT_CRITICAL ? CRITICAL_RATIO
		       : minute                          ? WARN_RATIO
							 : WARN_RATIO * SHORT_FACTOR);
	words_evidence_int(ret, "gc_cycles", c->gc.cycles, "{gc_cycle}");
	words_evidence_int(ret, "heap_live", c->gc.heap_live_bytes, "By");
	words_evidence_int(ret, "heap_goal", c->gc.heap_goal_bytes, "By");
	words_evidence_int(ret, "gogc", c->gc.gogc, "%");
	return true;
}

/* ---- mem-limit-gc -------------------------------------------------------------------------------------- */

bool rule_mem_limit_gc(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret)
{
	double memory = gogc_memory_ratio(c), ratio = c->gc.cpu_ratio;
	char limit[WORD_SZ], share[WORD_SZ], used[WORD_SZ];

	/* The memory is no number that swings: the heap stays at the limit; only GC's share has a lower way out. */
	if (!gogc_is_bound(c) || !(ratio >= LIMIT_GC_RATIO * scale))
		return false;
	ret->severity = ratio >= LIMIT_CRITICAL_RATIO * scale ? VERDICT_CRITICAL : VERDICT_WARNING;
	words_add(ret->text, sizeof(ret->text),
		  "Go memory is at %s of GOMEMLIMIT %s: it collects all the time to stay below, with %s%s of its CPU.",
		  words_percent(memory, used), words_bytes(c->gc.memory_limit_bytes, limit),
		  c->gc.cpu_estimated ? "about " : "", words_percent(ratio, share));
	gogc_limit_advice(c, ret->advice, sizeof(ret->advice));
	words_add(ret->advice, sizeof(ret->advice), ".");
	say_seen(c, ratio, ret);
	words_evidence(ret, "go_memory_ratio", memory, "1", GOGC_BOUND_RATIO);
	words_evidence(ret, "gc_cpu_ratio", ratio, "1",
		       ret->severity == VERDICT_CRITICAL ? LIMIT_CRITICAL_RATIO : LIMIT_GC_RATIO);
	words_evidence_int(ret, "gomemlimit", c->gc.memory_limit_bytes, "By");
	words_evidence_int(ret, "memory_limit", c->memory.limit_bytes, "By");
	words_evidence_int(ret, "heap_live", c->gc.heap_live_bytes, "By");
	return true;
}
