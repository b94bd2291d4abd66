/* SPDX-License-Identifier: BSD-2-Clause */
/* Redundancies that the Go runtime keeps in every version from 1.18 to 1.27. Outside a stop-the-world the length of
 * allp is GOMAXPROCS and each P knows its index (proc.go); the smallest heap goal follows from GOGC (mgcpacer.go); the
 * end of the last cycle is kept in four places and each pause in two (mgc.go); the CPU time of the collector is the sum
 * of its parts (mstats.go); allglen and allgptr repeat allgs (proc.go). Wrong addresses or a shifted layout break at
 * least one of them. */
#include "runtime/self_check.h"

#include <inttypes.h>

#define GC_PERCENT_MAX 1000000     /* GOGC=1000000: a factor of 10,000; SetGCPercent(math.MaxInt32) is met too */
#define CPU_NS_MAX     (1ll << 60) /* 36 years of CPU time; sums of a few stay within 64 bits */

static int failed(char *why, const char *name, int64_t val)
{
	return err_why(why, 1, "self-check failed (%s = %" PRId64 ")", name, val);
}

/* setGCPercent: heapMinimum = defaultHeapMinimum * uint64(GOGC) / 100, which wraps around for -1 there as it does here.
 * The default is 4 MiB, or 512 KiB under GOEXPERIMENT heapminimum512kib. */
static bool heap_minimum_fits(const struct self_check *c)
{
	uint64_t percent = (uint64_t)c->gc_percent;

	return c->heap_minimum == (4ull << 20) * percent / 100 || c->heap_minimum == (512ull << 10) * percent / 100;
}

/* Waiting for its own stop to end the runtime writes these one by one: a read again settles it. */
static int check_pauses(const struct self_check *c, char *why)
{
	if (c->has_forced && c->numforcedgc > c->numgc)
		return failed(why, "numforcedgc", c->numforcedgc);
	if (c->has_last_end && c->last_gc_unix != (c->numgc ? c->ring_end : 0))
		return failed(why, "last_gc_unix", (int64_t)c->last_gc_unix);
	if (c->has_pauses &&
	    (c->numgc <= RUNTIME_PAUSES ? c->pause_total != c->pause_sum : c->pause_total < c->pause_sum))
		return failed(why, "pause_total_ns", (int64_t)c->pause_total);
	return 0;
}

static int check_cycle(const struct self_check *c, char *why)
{
	if (c->has_numgc && check_pauses(c, why))
		return 1;
	if (c->has_work_end && c->work_end != c->last_gc_mono)
		return failed(why, "work.tEnd", c->work_end);
	if (c->has_phase && c->gcphase > 2)
		return failed(why, "gcphase", c->gcphase);
	return 0;
}

static int check_cpu(const struct self_check *c, char *why)
{
	const int64_t *t = c->cpu;

	if (!c->has_cpu)
		return 0;
	for (int i = 0; i < RUNTIME_CPU_USER;
	     i++) /* what it finds to be user time is the rest, and can be less than 0 */
		if (t[i] < 0 || t[i] > CPU_NS_MAX)
			return err_why(why, 1, "self-check failed (work.cpuStats[%d] = %" PRId64 ")", i, t[i]);
	if (t[RUNTIME_CPU_GC_TOTAL] !=
	    t[RUNTIME_CPU_GC_ASSIST] + t[RUNTIME_CPU_GC_DEDICATED] + t[RUNTIME_CPU_GC_IDLE] + t[RUNTIME_CPU_GC_PAUSE])
		return failed(why, "cpuStats.GCTotalTime", t[RUNTIME_CPU_GC_TOTAL]);
	if (t[RUNTIME_CPU_SCAVENGE_TOTAL] != t[RUNTIME_CPU_SCAVENGE_ASSIST] + t[RUNTIME_CPU_SCAVENGE_BG])
		return failed(why, "cpuStats.ScavengeTotalTime", t[RUNTIME_CPU_SCAVENGE_TOTAL]);
	return 0;
}

#define GROWTH_MAX 64 /* goroutines made while three words are read */

static int check_allgs(const struct self_check *c, char *why)
{
	if (!c->has_allgs)
		return 0;
	if (c->allgs_ptr != c->allgptr || !c->allgptr)
		return err_why(why, 1, "self-check failed (allgptr is not allgs)");
	if (c->allglen < 1 || c->allglen > INT32_MAX || c->allgs_len < c->allglen - GROWTH_MAX ||
	    c->allgs_len > c->allglen + GROWTH_MAX)
		return err_why(why, 1, "self-check failed (allglen = %" PRId64 ", len(allgs) = %" PRId64 ")",
			       c->allglen, c->allgs_len);
	return 0;
}

#define THREADS_MAX 4194304 /* the kernel's limit of pids */

static int check_threads(const struct self_check *c, char *why)
{
	if (!c->has_threads)
		return 0;
	if (c->threads < 1 || c->threads > THREADS_MAX)
		return failed(why, "mnext - nmfreed", c->threads);
	if (c->threads_idle < 0 || c->threads_idle > c->threads)
		return failed(why, "nmidle", c->threads_idle);
	if (c->threads_spinning < 0 || c->threads_spinning > c->gomaxprocs)
		return failed(why, "nmspinning", c->threads_spinning);
	if (c->procs_idle < 0 || c->procs_idle > c->gomaxprocs)
		return failed(why, "npidle", c->procs_idle);
	return c->queue < 0 ? failed(why, "runqsize", c->queue) : 0;
}

/* A layout that is a guess has to show that it fits. */
static int check_guess(const struct self_check *c, char *why)
{
	if (!c->all)
		return 0;
	if (!c->has_gc_percent || !c->has_heap_minimum || !c->has_memory_limit || !c->has_numgc || !c->has_forced ||
	    !c->has_last_end || !c->has_pauses || !c->has_work_end || !c->has_phase || !c->has_cpu || !c->has_allgs ||
	    !c->has_threads || !c->has_released)
		return err_why(why, 1, "self-check failed (a Go newer than known, and not all of it can be checked)");
	return c->released != c->gc_released ? failed(why, "heapReleased", c->gc_released) : 0;
}

int self_check_values(const struct self_check *now, const struct self_check *prev, char *why)
{
	if (now->gomaxprocs < 1 || now->gomaxprocs > SELF_CHECK_MAX_PROCS)
		return failed(why, "gomaxprocs", now->gomaxprocs);
	if (now->allp_len != now->gomaxprocs)
		return err_why(why, 1, "self-check failed (gomaxprocs = %d, len(allp) = %" PRId64 ")", now->gomaxprocs,
			       now->allp_len);
	if (now->has_gc_percent && (now->gc_percent < -1 || now->gc_percent > GC_PERCENT_MAX) &&
	    now->gc_percent != INT32_MAX)
		return failed(why, "gcPercent", now->gc_percent);
	if (now->has_gc_percent && now->has_heap_minimum && !heap_minimum_fits(now))
		return failed(why, "heapMinimum", (int64_t)now->heap_minimum);
	if (now->has_memory_limit && now->memory_limit < 0)
		return failed(why, "memoryLimit", now->memory_limit);
	if (prev && now->has_numgc && prev->has_numgc && (int32_t)(now->numgc - prev->numgc) < 0)
		return err_why(why, 1, "self-check failed (numgc went from %" PRIu32 " to %" PRIu32 ")", prev->numgc,
			       now->numgc);
	if (check_cycle(now, why) || check_cpu(now, why) || check_allgs(now, why) || check_threads(now, why) ||
	    check_guess(now, why))
		return 1;
	return 0;
}

int self_check_ids(const int32_t *ids, size_t first, size_t cnt, char *why)
{
	for (size_t i = 0; i < cnt; i++)
		if (ids[i] < 0 || (size_t)ids[i] != first + i)
			return err_why(why, 1, "self-check failed (allp[%zu].id = %" PRId32 ")", first + i, ids[i]);
	return 0;
}
