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
		struct self_check now = {rows[i].gomaxprocs,
					 rows[i].allp_len,
					 true,
					 rows[i].gc_percent,
					 true,
					 rows[i].heap_minimum,
					 true,
					 rows[i].memory_limit,
					 true,
					 rows[i].numgc};
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
		cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests_name("self_check", tests, NULL, NULL);
}
