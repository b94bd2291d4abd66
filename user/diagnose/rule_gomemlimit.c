/* SPDX-License-Identifier: BSD-2-Clause */
/* GOMEMLIMIT against the memory limit. Without it the heap goal doubles the live heap whatever the limit, and a spike
 * is killed that a collection would have saved; set too near the limit it comes into force too late. What else the
 * container holds (other processes, cgo, page cache in use) is the working set less the memory of the Go runtimes that
 * GOMEMLIMIT counts (mapped ready). An advice: a setting, not an event. */
#include "diagnose/rule.h"
#include "diagnose/words.h"

#include <math.h>

#define PEAK_RATIO   0.80 /* of the memory limit */
#define ADVICE_RATIO 0.80
#define TIGHT_RATIO  0.90 /* GOMEMLIMIT, of the limit less non-Go memory */
/* To clear: 70 % of the 90 % would be less than the advice itself, which could then never clear it. */
#define TIGHT_CLEAR_RATIO 0.85
#define HEAP_ROOM_MIN     1.25 /* a limit nearer to the live heap lets the collector run all the time */

struct go_limits {
	int64_t sum; /* GOMEMLIMIT over the Go processes that have one */
	int set, none;
};

/* False if any process's limit is unknown: then nothing can be said about their sum. */
static bool go_limits(const struct snapshot_container *c, struct go_limits *ret)
{
	*ret = (struct go_limits){0};
	for (int i = 0; i < c->process_cnt; i++) {
		int64_t v = c->processes[i].memory_limit_bytes;

		if (v == STAT_UNKNOWN)
			return false;
		if (v < 0) {
			ret->none++;
		} else {
			ret->set++;
			if (__builtin_add_overflow(ret->sum, v, &ret->sum))
				ret->sum = INT64_MAX;
		}
	}
	return c->process_cnt > 0;
}

/* At least 0; STAT_UNKNOWN. */
static int64_t non_go_bytes(const struct snapshot_container *c)
{
	if (c->memory.working_set_bytes == STAT_UNKNOWN || c->gc.mapped_ready_bytes == STAT_UNKNOWN)
		return STAT_UNKNOWN;

	/* Ready memory need not be resident: the difference may be negative. */
	int64_t other = c->memory.working_set_bytes - c->gc.mapped_ready_bytes;

	return other > 0 ? other : 0;
}

/* "set GOMEMLIMIT=389MiB (80% of the 512M limit, less 20M that is not Go's)". */
static void say_advice(const struct snapshot_container *c, int64_t other, struct verdict *ret)
{
	int64_t limit = c->memory.limit_bytes, known = other == STAT_UNKNOWN ? 0 : other;
	int64_t value = (int64_t)(ADVICE_RATIO * (double)limit) - known;
	double least = c->gc.heap_live_bytes > 0 ? HEAP_ROOM_MIN * (double)c->gc.heap_live_bytes : 1 << 20;
	char go[WORD_SZ], whole[WORD_SZ], rest[WORD_SZ];
	char *buf = ret->advice;
	size_t sz = sizeof(ret->advice);

	words_bytes(limit, whole);
	if ((double)value < least) {
		words_add(buf, sz, "raise the memory limit to about %s, then set GOMEMLIMIT to 80%% of it",
			  words_bytes((int64_t)((least + (double)known) / ADVICE_RATIO), go));
		words_add(buf, sz, " less the %s that is not Go's (live heap %s does not fit now).",
			  words_bytes(known, rest), words_bytes(c->gc.heap_live_bytes, whole));
		return;
	}
	words_add(buf, sz, "set GOMEMLIMIT=%s (80%% of the %s limit", words_memlimit(value, go), whole);
	if (other == STAT_UNKNOWN)
		words_add(buf, sz, "; less what is not Go's, which is unknown");
	else if (other >= 1 << 20)
		words_add(buf, sz, ", less %s that is not Go's", words_bytes(other, rest));
	words_add(buf, sz, ")");
	if (c->process_cnt > 1)
		words_add(buf, sz, ", shared by its %d Go processes", c->process_cnt);
	words_add(buf, sz, ".");
}

static void say_seen(const struct snapshot_container *c, const struct go_limits *l, int64_t other, struct verdict *ret)
{
	char *buf = ret->seen, word[WORD_SZ];
	size_t sz = sizeof(ret->seen);

	if (c->memory.peak_bytes != STAT_UNKNOWN)
		words_part(buf, sz, ", ", "peak %s", words_bytes(c->memory.peak_bytes, word));
	if (c->memory.working_set_bytes != STAT_UNKNOWN)
		words_part(buf, sz, ", ", "working set %s", words_bytes(c->memory.working_set_bytes, word));
	words_part(buf, sz, ", ", "memory limit %s", words_bytes(c->memory.limit_bytes, word));
	words_part(buf, sz, ", ", "GOMEMLIMIT %s", l->set ? words_bytes(l->sum, word) : "none");
	if (l->set && l->none)
		words_add(buf, sz, " (none in %d of %d processes)", l->none, c->process_cnt);
	if (c->gc.heap_live_bytes > 0)
		words_part(buf, sz, ", ", "heap live %s", words_bytes(c->gc.heap_live_bytes, word));
	if (other != STAT_UNKNOWN)
		words_part(buf, sz, ", ", "not Go's %s", words_bytes(other, word));
	words_add(buf, sz, ".");
}

static bool test_none(const struct snapshot_container *c, const struct go_limits *l, double scale, struct verdict *ret)
{
	bool peak = c->memory.peak_bytes != STAT_UNKNOWN;
	int64_t used = peak ? c->memory.peak_bytes : c->memory.working_set_bytes;
	double ratio = used == STAT_UNKNOWN ? NAN : (double)used / (double)c->memory.limit_bytes;
	char share[WORD_SZ], whole[WORD_SZ];

	if (!l->none || !(ratio >= PEAK_RATIO * scale))
		return false;
	words_add(ret->text, sizeof(ret->text),
		  "No GOMEMLIMIT, and its memory %s %s of the %s limit: the heap grows without regard to it.",
		  peak ? "peaked at" : "is at", words_percent(ratio, share), words_bytes(c->memory.limit_bytes, whole));
	words_evidence(ret, peak ? "memory_peak_ratio" : "memory_working_set_ratio", ratio, "1", PEAK_RATIO);
	return true;
}

/* Non-Go memory only makes it worse: where it is unknown, 0 is the careful guess, and the rule never fires wrongly. */
static bool test_tight(const struct snapshot_container *c, const struct go_limits *l, int64_t other, double scale,
		       struct verdict *ret)
{
	double room = (double)c->memory.limit_bytes - (other == STAT_UNKNOWN ? 0 : (double)other);
	double threshold = scale < 1 ? TIGHT_CLEAR_RATIO : TIGHT_RATIO;
	char go[WORD_SZ], whole[WORD_SZ], rest[WORD_SZ];

	if (!l->set || l->none || !((double)l->sum > threshold * room))
		return false;
	words_add(ret->text, sizeof(ret->text), "GOMEMLIMIT %s comes into force too late: the memory limit is %s",
		  words_bytes(l->sum, go), words_bytes(c->memory.limit_bytes, whole));
	if (other != STAT_UNKNOWN && other >= 1 << 20)
		words_add(ret->text, sizeof(ret->text), ", of which %s are not Go's", words_bytes(other, rest));
	words_add(ret->text, sizeof(ret->text), ".");
	words_evidence(ret, "gomemlimit", (double)l->sum, "By", room > 0 ? TIGHT_RATIO * room : 0);
	return true;
}

bool rule_gomemlimit(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret)
{
	int64_t other = non_go_bytes(c);
	struct go_limits l;

	if (c->memory.limit_bytes <= 0 || !go_limits(c, &l)) /* none, or unknown (STAT_UNKNOWN is negative) */
		return false;
	if (!test_none(c, &l, scale, ret) && !test_tight(c, &l, other, scale, ret))
		return false;
	ret->severity = VERDICT_ADVICE;
	say_advice(c, other, ret);
	say_seen(c, &l, other, ret);
	words_evidence_int(ret, "memory_limit", c->memory.limit_bytes, "By");
	words_evidence_int(ret, "memory_working_set", c->memory.working_set_bytes, "By");
	words_evidence_int(ret, "non_go_memory", other, "By");
	return true;
}
