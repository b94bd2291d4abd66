/* SPDX-License-Identifier: BSD-2-Clause */
/* What the Go runtime can and cannot hold, with the words for what it cannot. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/self_check.h"

#define MIB (1ull << 20)

static void test_values(void **state)
{
	static const struct {
		int32_t gomaxprocs;
		int64_t allp_len;
		int32_t gc_percent;
		uint64_t heap_minimum;
		int64_t memory_limit;
		uint32_t numgc, before;
		const char *why; /* NULL: good */
	} rows[] = {
		{4, 4, 100, 4 * MIB, INT64_MAX, 7, 7, NULL},
		{4096, 4096, 100, MIB / 2, 0, 8, 7, NULL},
		{1, 1, -1, UINT64_MAX * 4 * MIB / 100, INT64_MAX, 0, 0, NULL},
		{1, 1, -1, 4 * MIB, INT64_MAX, 0, 0, "self-check failed (heapMinimum = 4194304)"},
		{1, 1, 0, 0, INT64_MAX, 0, 0, NULL},
		{1, 1, 33, 33 * 4 * MIB / 100, 1, 0, UINT32_MAX, NULL}, /* numgc wrapped */
		{1, 1, INT32_MAX, 4 * MIB * INT32_MAX / 100, 1, 0, 0, NULL},
		{0, 0, 100, 4 * MIB, 1, 0, 0, "self-check failed (gomaxprocs = 0)"},
		{-1, -1, 100, 4 * MIB, 1, 0, 0, "self-check failed (gomaxprocs = -1)"},
		{4097, 4097, 100, 4 * MIB, 1, 0, 0, "self-check failed (gomaxprocs = 4097)"},
		{4, 5, 100, 4 * MIB, 1, 0, 0, "self-check failed (gomaxprocs = 4, len(allp) = 5)"},
		{4, INT64_MIN, 100, 4 * MIB, 1, 0, 0,
		 "self-check failed (gomaxprocs = 4, len(allp) = -9223372036854775808)"},
		{4, 4, -2, 4 * MIB, 1, 0, 0, "self-check failed (gcPercent = -2)"},
		{4, 4, 1000001, 4 * MIB, 1, 0, 0, "self-check failed (gcPercent = 1000001)"},
		{4, 4, 100, 4 * MIB + 1, 1, 0, 0, "self-check failed (heapMinimum = 4194305)"},
		{4, 4, 100, 4 * MIB, -1, 0, 0, "self-check failed (memoryLimit = -1)"},
		{4, 4, 100, 4 * MIB, 1, 6, 7, "self-check failed (numgc went from 7 to 6)"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct self_check now = {.gomaxprocs = rows[i].gomaxprocs,
					 .allp_len = rows[i].allp_len,
					 .has_gc_percent = true,
					 .gc_percent = rows[i].gc_percent,
					 .has_heap_minimum = true,
					 .heap_minimum = rows[i].heap_minimum,
					 .has_memory_limit = true,
					 .memory_limit = rows[i].memory_limit,
					 .has_numgc = true,
					 .numgc = rows[i].numgc};
		struct self_check prev = now;
		char why[WHY_SZ] = "";

		prev.numgc = rows[i].before;
		assert_int_equal(self_check_values(&now, &prev, why), rows[i].why != NULL);
		assert_string_equal(why, rows[i].why ? rows[i].why : "");
	}
}

static void test_unknown_values(void **state)
{
	struct self_check now = {
		.gomaxprocs = 2, .allp_len = 2, .gc_percent = -99, .heap_minimum = 3, .memory_limit = -5};
	struct self_check prev = {.gomaxprocs = 2, .allp_len = 2, .numgc = 9, .has_numgc = true};
	char why[WHY_SZ];

	assert_int_equal(self_check_values(&now, &prev, why), 0);
	assert_int_equal(self_check_values(&now, NULL, why), 0);
	now.has_heap_minimum = true; /* means nothing without GOGC */
	assert_int_equal(self_check_values(&now, NULL, why), 0);
}

/* All of a process that had 300 collections, as a Go newer than known has to show it. */
static struct self_check whole(void)
{
	struct self_check c = {.gomaxprocs = 4,
			       .allp_len = 4,
			       .has_gc_percent = true,
			       .gc_percent = 100,
			       .has_heap_minimum = true,
			       .heap_minimum = 4 * MIB,
			       .has_memory_limit = true,
			       .memory_limit = INT64_MAX,
			       .has_numgc = true,
			       .numgc = 300,
			       .has_forced = true,
			       .numforcedgc = 300,
			       .has_last_end = true,
			       .last_gc_unix = 1700000000000000000,
			       .ring_end = 1700000000000000000,
			       .has_pauses = true,
			       .pause_total = 1000,
			       .pause_sum = 900,
			       .has_work_end = true,
			       .work_end = 5000,
			       .last_gc_mono = 5000,
			       .has_phase = true,
			       .gcphase = 2,
			       .has_cpu = true,
			       .cpu = {1, 2, 3, 4, 10, 5, 6, 11, 7, -3, 20},
			       .has_allgs = true,
			       .allgs_ptr = 0xc000100000,
			       .allgptr = 0xc000100000,
			       .allgs_len = 70,
			       .allglen = 71,
			       .has_threads = true,
			       .threads = 9,
			       .threads_idle = 9,
			       .threads_spinning = 4,
			       .procs_idle = 4,
			       .has_released = true,
			       .released = 4096,
			       .gc_released = 4096,
			       .all = true};

	return c;
}

static void test_redundancies(void **state)
{
	struct self_check good = whole();
	char why[WHY_SZ] = "";

	assert_int_equal(self_check_values(&good, NULL, why), 0);
#define BREAK(text, change)                                                                                            \
	do {                                                                                                           \
		struct self_check c = whole();                                                                         \
		change;                                                                                                \
		assert_int_equal(self_check_values(&c, NULL, why), 1);                                                 \
		assert_string_equal(why, "self-check failed (" text ")");                                              \
	} while (0)
	BREAK("numforcedgc = 301", c.numforcedgc++);
	BREAK("last_gc_unix = 1700000000000000001", c.last_gc_unix++);
	BREAK("last_gc_unix = 1700000000000000000", c.numgc = c.numforcedgc = 0);
	BREAK("pause_total_ns = 899", c.pause_total = 899);
	BREAK("pause_total_ns = 1000", c.numgc = c.numforcedgc = 256);
	BREAK("work.tEnd = 4999", c.work_end--);
	BREAK("gcphase = 3", c.gcphase++);
	BREAK("work.cpuStats[2] = -1", c.cpu[RUNTIME_CPU_GC_IDLE] = -1);
	BREAK("cpuStats.GCTotalTime = 11", c.cpu[RUNTIME_CPU_GC_TOTAL]++);
	BREAK("cpuStats.ScavengeTotalTime = 12", c.cpu[RUNTIME_CPU_SCAVENGE_TOTAL]++);
	BREAK("allgptr is not allgs", c.allgptr += 8);
	BREAK("allgptr is not allgs", c.allgptr = c.allgs_ptr = 0);
	BREAK("allglen = 71, len(allgs) = 200", c.allgs_len = 200);
	BREAK("allglen = 71, len(allgs) = -9223372036854775808", c.allgs_len = INT64_MIN);
	BREAK("allglen = 0, len(allgs) = 70", c.allglen = 0);
	BREAK("allglen = -9223372036854775808, len(allgs) = 70", c.allglen = INT64_MIN);
	BREAK("mnext - nmfreed = 0", c.threads = 0);
	BREAK("nmidle = 10", c.threads_idle++);
	BREAK("nmspinning = -1", c.threads_spinning = -1);
	BREAK("npidle = 5", c.procs_idle++);
	BREAK("runqsize = -1", c.queue = -1);
	BREAK("heapReleased = 4097", c.gc_released++);
	BREAK("a Go newer than known, and not all of it can be checked", c.has_allgs = false);
	BREAK("a Go newer than known, and not all of it can be checked", c.has_pauses = false);
#undef BREAK
}

static void test_ids(void **state)
{
	int32_t ids[] = {0, 1, 2, 7};
	char why[WHY_SZ] = "";

	assert_int_equal(self_check_ids(ids, 0, 3, why), 0);
	assert_int_equal(self_check_ids(ids, 0, 4, why), 1);
	assert_string_equal(why, "self-check failed (allp[3].id = 7)");
	assert_int_equal(self_check_ids(ids + 3, 7, 1, why), 0);
	ids[0] = -1;
	assert_int_equal(self_check_ids(ids, 0, 1, why), 1);
	assert_string_equal(why, "self-check failed (allp[0].id = -1)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_unknown_values),
		cmocka_unit_test(test_redundancies),
		cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests_name("self_check", tests, NULL, NULL);
}
