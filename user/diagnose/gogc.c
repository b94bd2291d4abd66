/* SPDX-License-Identifier: BSD-2-Clause */
/* GOGC trades memory for CPU: the next cycle starts so that the heap ends at live * (1 + GOGC / 100). */
#include "diagnose/gogc.h"

#include <math.h>

#include "base/clock.h"
#include "diagnose/words.h"

/* GOGC: a fourfold one leaves a quarter of the cycles; beyond that little is won for much memory. */
#define GOGC_FACTOR_MAX 4
#define GOGC_FACTOR_MIN 1.5  /* less is not worth an advice */
#define MEMORY_SHARE    0.80 /* of the memory limit that the heap goal and all the rest may take */
#define GOAL_EQUAL      0.98 /* readings of goal and live heap are of two moments */

/* Bytes that the heap goal may have: MEMORY_SHARE of the memory limit less what the container holds beside the heap,
 * and below GOMEMLIMIT. NAN where there is no limit or something is unknown. */
static double goal_room(const struct snapshot_container *c)
{
	const struct snapshot_memory *m = &c->memory;
	double room = NAN;

	if (m->limit_bytes > 0 && m->working_set_bytes != STAT_UNKNOWN) {
		double beside = (double)m->working_set_bytes - (double)c->gc.heap_goal_bytes;

		room = MEMORY_SHARE * (double)m->limit_bytes - fmax(beside, 0);
	}
	if (c->gc.memory_limit_bytes > 0)
		room = fmin(room, (double)c->gc.memory_limit_bytes * MEMORY_SHARE); /* fmin ignores a NAN */
	return room;
}

/* Cycles come as often as the heap grows from live to goal = live * (1 + GOGC / 100), so their rate is proportional to
 * 1 / GOGC while the program allocates as it does. Returns the new GOGC, 0 if there is no better one that fits. */
int64_t gogc_better(const struct snapshot_container *c)
{
	const struct snapshot_gc *gc = &c->gc;

	if (gc->gogc == STAT_UNKNOWN || gc->gogc <= 0 || gc->gogc > 10000 || gc->heap_live_bytes <= 0 ||
	    gc->heap_goal_bytes == STAT_UNKNOWN || c->memory.limit_bytes == STAT_UNKNOWN)
		return 0;

	double room = goal_room(c), best = (double)gc->gogc * GOGC_FACTOR_MAX;

	if (!isnan(room))
		best = fmin(best, (room / (double)gc->heap_live_bytes - 1) * 100);
	else if (c->memory.limit_bytes > 0)
		return 0; /* limited, but its use is unknown */
	best = best >= 200 ? floor(best / 50) * 50 : floor(best / 10) * 10;
	return best >= (double)gc->gogc * GOGC_FACTOR_MIN ? (int64_t)best : 0;
}

void gogc_advice(const struct snapshot_container *c, char *buf, size_t sz)
{
	int64_t gogc = gogc_better(c);
	double seconds = (double)c->seen_ns / NS_PER_SEC;

	if (!gogc)
		return;

	double factor = (double)c->gc.gogc / (double)gogc;
	int64_t goal = c->gc.heap_live_bytes + (int64_t)((double)c->gc.heap_live_bytes * (double)gogc / 100);
	char bytes[WORD_SZ];

	words_part(buf, sz, "; ", "GOGC=%lld", (long long)gogc);
	if (c->gc.cycles > 0 && seconds > 0)
		words_add(buf, sz, " cuts %.1f cycles/s to about %.1f", (double)c->gc.cycles / seconds,
			  (double)c->gc.cycles / seconds * factor);
	else
		words_add(buf, sz, " leaves about 1 cycle of %.1f", 1 / factor);
	/* Without a limit nothing says that the memory is there: tell the price. */
	if (c->memory.limit_bytes <= 0)
		words_add(buf, sz, ", for a heap goal of %s", words_bytes(goal, bytes));
}

/* GC's CPU time goes with its cycles, the program's own stays. */
double gogc_expected_share(const struct snapshot_container *c, int64_t gogc, double ratio)
{
	double gc = ratio * (double)c->gc.gogc / (double)gogc;

	return gc / (1 - ratio + gc);
}

double gogc_memory_ratio(const struct snapshot_container *c)
{
	if (c->gc.memory_limit_bytes <= 0 || c->gc.mapped_ready_bytes == STAT_UNKNOWN)
		return NAN;
	return (double)c->gc.mapped_ready_bytes / (double)c->gc.memory_limit_bytes;
}

void gogc_expect(const struct snapshot_container *c, double ratio, char *buf, size_t sz)
{
	int64_t gogc = gogc_better(c);
	char share[WORD_SZ];

	if (gogc && !isnan(ratio))
		words_part(buf, sz, "; ", "GC would then take about %s of its CPU",
			   words_percent(gogc_expected_share(c, gogc, ratio), share));
}

/* The goal of GOGC is the live heap and its part of it (and of stacks and globals): one that is lower comes from the
 * limit. Where that is not known (several processes) the memory decides alone. */
bool gogc_is_bound(const struct snapshot_container *c)
{
	const struct snapshot_gc *gc = &c->gc;
	double goal = (double)gc->heap_live_bytes * (1 + (double)gc->gogc / 100);

	if (!(gogc_memory_ratio(c) >= GOGC_BOUND_RATIO))
		return false;
	return gc->gogc < 0 || gc->heap_live_bytes <= 0 || gc->heap_goal_bytes <= 0 ||
	       (double)gc->heap_goal_bytes < GOAL_EQUAL * goal;
}

/* What GOMEMLIMIT could be below the container's own limit; 0: no more than it is, or unknown. */
static int64_t higher_limit(const struct snapshot_container *c)
{
	double room = MEMORY_SHARE * (double)c->memory.limit_bytes;

	if (c->memory.limit_bytes <= 0 || c->process_cnt != 1)
		return 0;
	if (c->memory.non_go_bytes != STAT_UNKNOWN)
		room -= (double)c->memory.non_go_bytes;
	return room > 1.1 * (double)c->gc.memory_limit_bytes ? (int64_t)room : 0;
}

void gogc_limit_advice(const struct snapshot_container *c, char *buf, size_t sz)
{
	int64_t higher = higher_limit(c);
	char word[WORD_SZ], limit[WORD_SZ];

	if (higher)
		words_part(buf, sz, "; ", "set GOMEMLIMIT=%s (80%% of the %s memory limit, less what is not Go's)",
			   words_memlimit(higher, word), words_bytes(c->memory.limit_bytes, limit));
	else if (c->memory.limit_bytes == -1)
		words_part(buf, sz, "; ", "raise GOMEMLIMIT (the container has no memory limit of its own)");
	else
		words_part(buf, sz, "; ", "raise the memory limit, and GOMEMLIMIT with it");
	if (c->gc.heap_live_bytes > 0)
		words_part(buf, sz, "; ",
			   "if the live heap of %s only grows, find what keeps it (goroutines, heap profile)",
			   words_bytes(c->gc.heap_live_bytes, word));
}
