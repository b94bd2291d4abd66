/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that runs out: a process was killed for it, the working set is near the limit, or it grows so that it will be
 * there within ten minutes. The working set is what the kernel cannot drop without swapping or rereading (usage less
 * inactive file pages), the figure that the kubelet evicts by. A program that has just started grows too: the slope
 * counts from half of the limit on.
 *
 * GOMEMLIMIT without or with a wrong value is often the way out, so what rule_gomemlimit would advise is said here, and
 * its verdict gives way to this one. */
#include "diagnose/gogc.h"
#include "diagnose/rule.h"
#include "diagnose/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WARN_RATIO     0.90
#define CRITICAL_RATIO 0.95
/* To clear: 70 % of the threshold is where many a service lives for good. */
#define WARN_CLEAR_RATIO     0.85
#define CRITICAL_CLEAR_RATIO 0.90
#define GROWTH_FROM_RATIO    0.50
#define FULL_SECONDS         600
#define ROOM_RATIO           0.80 /* of the advised limit that the working set of now may take */
#define LIVE_RATIO           0.60 /* of the working set: live heap in that part is a leak or need, not garbage */

struct memory {
	double ratio; /* working set / limit, NAN unknown */
	double full;  /* seconds until it is full at the slope, NAN unknown, INFINITY never */
};

static struct memory memory_of(const struct snapshot_memory *m)
{
	struct memory ret = {NAN, NAN};

	if (m->limit_bytes <= 0 || m->working_set_bytes < 0) /* none, or unknown (STAT_UNKNOWN is negative) */
		return ret;
	ret.ratio = (double)m->working_set_bytes / (double)m->limit_bytes;
	if (!isnan(m->growth_bytes_per_second))
		ret.full = m->growth_bytes_per_second > 0 ? fmax((double)(m->limit_bytes - m->working_set_bytes), 0) /
								    m->growth_bytes_per_second
							  : INFINITY;
	return ret;
}

static bool grows(const struct memory *m, double scale)
{
	return m->ratio >= GROWTH_FROM_RATIO * scale && m->full < FULL_SECONDS / scale;
}

/* -1: no risk. */
static int severity(const struct snapshot_container *c, const struct memory *m, double scale)
{
	bool clearing = scale < 1;

	if (rule_oom_happened(c) || m->ratio >= (clearing ? CRITICAL_CLEAR_RATIO : CRITICAL_RATIO))
		return VERDICT_CRITICAL;
	if (m->ratio >= (clearing ? WARN_CLEAR_RATIO : WARN_RATIO) || (!c->gone && grows(m, scale)))
		return VERDICT_WARNING;
	return -1;
}

/* "7 min", "40 s" */
static char *words_until(double seconds, char *buf)
{
	if (seconds >= 120)
		snprintf(buf, WORD_SZ, "%.0f min", seconds / 60);
	else
		snprintf(buf, WORD_SZ, "%.0f s", seconds);
	return buf;
}

static void say_text(const struct snapshot_container *c, const struct memory *m, double scale, struct verdict *ret)
{
	char share[WORD_SZ], limit[WORD_SZ], until[WORD_SZ];
	long long kills = (long long)c->memory.oom_kills_window;
	bool near = m->ratio >= (scale < 1 ? WARN_CLEAR_RATIO : WARN_RATIO), fills = !c->gone && grows(m, scale);
	char *buf = ret->text;
	size_t sz = sizeof(ret->text);

	if (rule_oom_happened(c))
		words_add(buf, sz, "The kernel killed %lld process%s of it for lack of memory.", kills,
			  kills == 1 ? "" : "es");
	if (!near && !fills)
		return;
	words_part(buf, sz, " ", "Its memory %s at %s of the %s limit",
		   c->gone ? "was"
		   : near  ? "is"
			   : "grows and is",
		   words_percent(m->ratio, share), words_bytes(c->memory.limit_bytes, limit));
	if (fills)
		words_add(buf, sz, ", full in %s at the slope of the last 5 minutes", words_until(m->full, until));
	words_add(buf, sz, ".");
}

/* Killed below its own limit: a cgroup above it, or the node, had no memory left. */
static bool killed_from_above(const struct snapshot_container *c)
{
	const struct snapshot_memory *m = &c->memory;

	return rule_oom_happened(c) &&
	       (m->limit_bytes == -1 || (m->limit_bytes > 0 && m->peak_bytes >= 0 &&
					 (double)m->peak_bytes < WARN_RATIO * (double)m->limit_bytes));
}

/* False: a higher limit is no advice, it grows and would fill that too. */
static bool say_limit(const struct snapshot_container *c, char *buf, size_t sz)
{
	const struct snapshot_memory *m = &c->memory;
	int64_t used = rule_oom_happened(c) || m->working_set_bytes < 0 ? m->limit_bytes : m->working_set_bytes;
	int64_t want = used > 0 ? (int64_t)((double)used / ROOM_RATIO) : 0;
	char about[WORD_SZ], is[WORD_SZ];

	if (killed_from_above(c))
		words_part(buf, sz, "; ",
			   "its own limit was not reached, the pod or the node ran out: give them more memory, or "
			   "request it");
	else if (m->limit_bytes <= 0)
		words_part(buf, sz, "; ", "give it more memory");
	else if (want > m->limit_bytes)
		words_part(buf, sz, "; ", "raise the memory limit to about %s (is %s)", words_bytes(want, about),
			   words_bytes(m->limit_bytes, is));
	else
		return false;
	return true;
}

/* What fills it, as far as the runtime says so. */
static void say_leak(const struct snapshot_container *c, const char *separator, char *buf, size_t sz)
{
	int64_t live = c->gc.heap_live_bytes, used = c->memory.working_set_bytes;
	char word[WORD_SZ], whole[WORD_SZ];

	words_part(buf, sz, separator, "find the leak");
	if (live <= 0 || used <= 0 || live > used)
		return;
	words_bytes(live, word);
	words_bytes(used, whole);
	if ((double)live >= LIVE_RATIO * (double)used)
		words_add(buf, sz, ": %s of %s are live heap (heap profile)", word, whole);
	else
		words_add(buf, sz, ": only %s of %s are live heap, the rest is garbage or not Go's", word, whole);
}

/* At the full threshold whatever the scale: an advice does not flicker. */
static void say_advice(const struct snapshot *s, const struct snapshot_container *c, struct verdict *ret)
{
	struct verdict go = {.evidence_cnt = 0};
	char *buf = ret->advice;
	size_t sz = sizeof(ret->advice);

	/* one that binds already is not lowered: the collector would only work more */
	if (!gogc_is_bound(c) && rule_gomemlimit(s, c, 1, &go))
		words_add(buf, sz, "%.*s", (int)strlen(go.advice) - 1, go.advice); /* less its full stop */
	if (say_limit(c, buf, sz))
		say_leak(c, ", or ", buf, sz);
	else
		say_leak(c, "; ", buf, sz);
	words_add(buf, sz, ".");
}

static void say_seen(const struct snapshot_container *c, struct verdict *ret)
{
	const struct snapshot_memory *m = &c->memory;
	char *buf = ret->seen, word[WORD_SZ];
	size_t sz = sizeof(ret->seen);

	if (m->working_set_bytes >= 0)
		words_part(buf, sz, ", ", "working set %s", words_bytes(m->working_set_bytes, word));
	if (m->limit_bytes > 0)
		words_part(buf, sz, ", ", "memory limit %s", words_bytes(m->limit_bytes, word));
	if (m->growth_bytes_per_second > 0)
		words_part(buf, sz, ", ", "growth %s/s", words_bytes((int64_t)m->growth_bytes_per_second, word));
	if (c->gc.heap_live_bytes > 0)
		words_part(buf, sz, ", ", "heap live %s", words_bytes(c->gc.heap_live_bytes, word));
	if (c->gc.memory_limit_bytes > 0)
		words_part(buf, sz, ", ", "GOMEMLIMIT %s", words_bytes(c->gc.memory_limit_bytes, word));
	else if (c->gc.memory_limit_bytes == -1)
		words_part(buf, sz, ", ", "GOMEMLIMIT none");
	if (m->oom_kills > 0)
		words_part(buf, sz, ", ", "%lld OOM kill%s since the container began", (long long)m->oom_kills,
			   m->oom_kills == 1 ? "" : "s");
	words_add(buf, sz, *buf ? "." : "");
}

static void add_evidence(const struct snapshot_container *c, const struct memory *m, struct verdict *ret)
{
	const struct snapshot_memory *mem = &c->memory;

	if (mem->oom_kills_window >= 0)
		words_evidence(ret, "oom_kills", (double)mem->oom_kills_window, "{kill}", 1);
	words_evidence(ret, "memory_working_set_ratio", m->ratio, "1",
		       ret->severity == VERDICT_CRITICAL ? CRITICAL_RATIO : WARN_RATIO);
	if (isfinite(m->full))
		words_evidence(ret, "memory_full_in", m->full, "s", FULL_SECONDS);
	words_evidence(ret, "memory_growth", mem->growth_bytes_per_second, "By/s", NAN);
	words_evidence_int(ret, "memory_limit", mem->limit_bytes, "By");
	words_evidence_int(ret, "memory_working_set", mem->working_set_bytes, "By");
	words_evidence_int(ret, "heap_live", c->gc.heap_live_bytes, "By");
}

bool rule_oom_happened(const struct snapshot_container *c)
{
	return c->memory.oom_kills_window > 0; /* STAT_UNKNOWN is negative */
}

bool rule_oom_risk(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret)
{
	struct memory m = memory_of(&c->memory);
	int found = severity(c, &m, scale);

	if (found < 0)
		return false;
	ret->severity = (enum verdict_severity)found;
	say_text(c, &m, scale, ret);
	say_advice(s, c, ret);
	say_seen(c, ret);
	add_evidence(c, &m, ret);
	return true;
}
