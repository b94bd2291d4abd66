/* SPDX-License-Identifier: BSD-2-Clause */
/* Redundancies that the Go runtime keeps in every version from 1.18 to 1.27 (runtime/proc.go, mgcpacer.go): the length
 * of allp is GOMAXPROCS outside a stop-the-world, each P knows its index, the smallest heap goal follows from GOGC, the
 * count of cycles never goes back. Wrong addresses or a shifted layout break at least one of them. */
#include "runtime/self_check.h"

#include <inttypes.h>

#define GC_PERCENT_MAX 1000000 /* GOGC=1000000: a factor of 10,000; SetGCPercent(math.MaxInt32) is met too */

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
	return 0;
}

int self_check_ids(const int32_t *ids, size_t first, size_t cnt, char *why)
{
	for (size_t i = 0; i < cnt; i++)
		if (ids[i] < 0 || (size_t)ids[i] != first + i)
			return err_why(why, 1, "self-check failed (allp[%zu].id = %" PRId32 ")", first + i, ids[i]);
	return 0;
}
