/* SPDX-License-Identifier: BSD-2-Clause */
/* Percentiles by selection equal those of the sorted array, in any order of the values; beyond DIST_EXACT_MAX they are
 * a histogram's. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "stats/dist.h"

#define CNT_MAX 10000

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 2685821657736338717ull;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t random_value(size_t i, size_t cnt, uint64_t *s)
{
	return next(s) >> 30;
}
static uint64_t few_values(size_t i, size_t cnt, uint64_t *s)
{
	return next(s) % 3;
}
static uint64_t equal(size_t i, size_t cnt, uint64_t *s)
{
	return 42;
}
static uint64_t rising(size_t i, size_t cnt, uint64_t *s)
{
	return i * 1000;
}
static uint64_t falling(size_t i, size_t cnt, uint64_t *s)
{
	return (cnt - i) * 1000;
}
static uint64_t pipes(size_t i, size_t cnt, uint64_t *s)
{
	return i < cnt / 2 ? i : cnt - i;
}
static uint64_t saw(size_t i, size_t cnt, uint64_t *s)
{
	return i % 17;
}
static uint64_t zeros(size_t i, size_t cnt, uint64_t *s)
{
	return i % 50 ? 0 : 90000000;
}

static uint64_t (*const draws[])(size_t, size_t, uint64_t *) = {
	random_value, few_values, equal, rising, falling, pipes, saw, zeros,
};

static double rank_of(const uint64_t *sorted, size_t cnt, unsigned int percent)
{
	size_t rank = (cnt * percent + 99) / 100;

	return (double)sorted[rank - 1] / 1e9;
}

static void exact(void **state)
{
	static const size_t cnts[] = {1, 2, 3, 4, 5, 9, 10, 11, 50, 99, 100, 101, 200, 1000, DIST_EXACT_MAX};
	static uint64_t v[CNT_MAX], sorted[CNT_MAX];
	uint64_t seed = 3;

	for (size_t d = 0; d < sizeof(draws) / sizeof(*draws); d++) {
		for (size_t c = 0; c < sizeof(cnts) / sizeof(*cnts); c++) {
			size_t n = cnts[c];
			uint64_t sum = 0;
			struct dist ret;

			for (size_t i = 0; i < n; i++)
				sum += v[i] = draws[d](i, n, &seed);
			memcpy(sorted, v, sizeof(v));
			qsort(sorted, n, sizeof(*sorted), compare);
			dist_from_values(v, n, &ret);
			assert_int_equal(ret.cnt, n);
			assert_true(ret.sum == (double)sum / 1e9);
			assert_true(ret.min == (double)sorted[0] / 1e9);
			assert_true(ret.max == (double)sorted[n - 1] / 1e9);
			if (ret.p50 != rank_of(sorted, n, 50) || ret.p90 != rank_of(sorted, n, 90) ||
			    ret.p99 != rank_of(sorted, n, 99))
				fail_msg("order %zu, %zu values: %g %g %g", d, n, ret.p50, ret.p90, ret.p99);
			qsort(v, n, sizeof(*v), compare); /* reordered, nothing lost */
			assert_memory_equal(v, sorted, n * sizeof(*v));
		}
	}
}

static void many(void **state)
{
	static uint64_t v[CNT_MAX];
	struct dist ret;

	for (size_t i = 0; i < CNT_MAX; i++)
		v[i] = (i + 1) * 1000000;
	dist_from_values(v, CNT_MAX, &ret);
	assert_int_equal(ret.cnt, CNT_MAX);
	assert_true(ret.min == 0.001 && ret.max == 10.0);
	assert_true(fabs(ret.p50 - 5.0) <= 0.125 * 5.0);
	assert_true(fabs(ret.p99 - 9.9) <= 0.125 * 9.9);
	assert_true(fabs(ret.sum - 50005.0) < 1e-6);
}

static void none(void **state)
{
	struct dist ret;

	dist_from_values(NULL, 0, &ret);
	assert_int_equal(ret.cnt, 0);
	assert_true(ret.sum == 0 && isnan(ret.min) && isnan(ret.p99) && isnan(ret.max));
	dist_unknown(&ret);
	assert_int_equal(ret.cnt, -1);
	assert_true(isnan(ret.sum) && isnan(ret.p50) && isnan(ret.max));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact),
		cmocka_unit_test(many),
		cmocka_unit_test(none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
