/* SPDX-License-Identifier: BSD-2-Clause */
/* Buckets cover all values without gap, and percentiles stay within 12.5 % of those of the sorted values. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "stats/histogram.h"

#define CNT 5000

static uint64_t next(uint64_t *seed) /* xorshift64*: the same numbers everywhere */
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 2685821657736338717ull;
}

static double unit(uint64_t *seed)
{
	return (double)(next(seed) >> 11) / 9007199254740992.0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t uniform(uint64_t *s)
{
	return next(s) % 1000000;
}
static uint64_t small(uint64_t *s)
{
	return next(s) % 7;
}
static uint64_t constant(uint64_t *s)
{
	return 94600000;
}
static uint64_t exponential(uint64_t *s)
{
	return (uint64_t)(-log(1 - unit(s)) * 250000);
}
static uint64_t log_uniform(uint64_t *s)
{
	return (uint64_t)exp(unit(s) * 40);
}
static uint64_t pareto(uint64_t *s)
{
	return (uint64_t)(1000 / pow(1 - unit(s), 1.3));
}
static uint64_t two_peaks(uint64_t *s)
{
	return next(s) % 10 ? 41000 + next(s) % 9000 : 71000000 + next(s) % 500000;
}
static uint64_t powers(uint64_t *s)
{
	return 1ull << (next(s) % 63);
}
static uint64_t low_edges(uint64_t *s)
{
	return 5ull << (next(s) % 20);
}
static uint64_t high_edges(uint64_t *s)
{
	return (5ull << (next(s) % 20)) - 1;
}

static const struct {
	const char *name;
	uint64_t (*draw)(uint64_t *seed);
} rows[] = {
	{"uniform", uniform},         {"small", small},
	{"constant", constant},       {"exponential", exponential},
	{"log_uniform", log_uniform}, {"pareto", pareto},
	{"two peaks", two_peaks},     {"powers", powers},
	{"low edges", low_edges},     {"high edges", high_edges},
};

static void check_quantiles(const char *name, const struct histogram *h, const uint64_t *sorted, size_t cnt)
{
	static const double q[] = {0, 0.001, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1};

	for (size_t i = 0; i < sizeof(q) / sizeof(*q); i++) {
		size_t rank = (size_t)ceil(q[i] * (double)cnt);
		double want = (double)sorted[rank ? rank - 1 : 0], got = histogram_quantile(h, q[i]);

		if (fabs(got - want) > 0.125 * want + 1e-9)
			fail_msg("%s: q %g of %zu is %g, histogram says %g", name, q[i], cnt, want, got);
	}
}

static void quantiles(void **state)
{
	static const size_t cnts[] = {1, 2, 3, 10, 100, CNT};
	uint64_t v[CNT], seed = 1;

	for (size_t r = 0; r < sizeof(rows) / sizeof(*rows); r++) {
		for (size_t c = 0; c < sizeof(cnts) / sizeof(*cnts); c++) {
			struct histogram h;

			histogram_init(&h);
			for (size_t i = 0; i < cnts[c]; i++) {
				v[i] = rows[r].draw(&seed);
				histogram_add(&h, v[i]);
			}
			qsort(v, cnts[c], sizeof(*v), compare);
			check_quantiles(rows[r].name, &h, v, cnts[c]);
			assert_int_equal(h.min, v[0]);
			assert_int_equal(h.max, v[cnts[c] - 1]);
			assert_int_equal(h.total, cnts[c]);
		}
	}
}

static void buckets(void **state)
{
	for (unsigned int b = 0; b < 252; b++) {
		uint64_t low = histogram_bucket_low(b);

		assert_int_equal(histogram_bucket(low), b);
		if (b)
			assert_int_equal(histogram_bucket(low - 1), b - 1);
		if (b >= 4 && b < 251) /* a quarter of the power of two */
			assert_true(histogram_bucket_low(b + 1) - low <= low / 4);
	}
	assert_int_equal(histogram_bucket(0), 0);
	assert_int_equal(histogram_bucket(3), 3);
	assert_int_equal(histogram_bucket(7), 7);
	assert_int_equal(histogram_bucket(8), 8);
	assert_int_equal(histogram_bucket(9), 8);
	assert_int_equal(histogram_bucket(UINT64_MAX), 251);
}

static void merged(void **state)
{
	struct histogram all, a, b, empty;
	uint64_t seed = 7;

	histogram_init(&all);
	histogram_init(&a);
	histogram_init(&b);
	histogram_init(&empty);
	for (int i = 0; i < 1000; i++) {
		uint64_t v = pareto(&seed);

		histogram_add(&all, v);
		histogram_add(i % 3 ? &a : &b, v);
	}
	histogram_merge(&a, &b);
	histogram_merge(&a, &empty);
	assert_memory_equal(&a, &all, sizeof(a));
	histogram_merge(&empty, &all);
	assert_memory_equal(&empty, &all, sizeof(all));
}

static void as_dist(void **state)
{
	struct histogram h;
	struct dist d;

	histogram_init(&h);
	histogram_dist(&h, &d);
	assert_int_equal(d.cnt, 0);
	assert_true(d.sum == 0 && isnan(d.p50) && isnan(d.max));
	assert_true(histogram_quantile(&h, 0.5) == 0);

	histogram_add(&h, 1000000000);
	histogram_add(&h, 3000000000);
	histogram_dist(&h, &d);
	assert_int_equal(d.cnt, 2);
	assert_true(d.sum == 4.0 && d.min == 1.0 && d.max == 3.0 && d.p50 == 1.0 && d.p99 == 3.0);
}

/* Counts as a kernel program keeps them, merged in pieces: the same as adding each value, but for the smallest one. */
static void merged_counts(void **state)
{
	struct histogram all, h;
	uint64_t seed = 21;
	struct dist a, b;

	histogram_init(&all);
	histogram_init(&h);
	for (int piece = 0; piece < 20; piece++) {
		uint32_t counts[160] = {0};
		uint64_t sum = 0, max = 0;

		for (int i = 0; i < piece * 10; i++) {
			uint64_t v = next(&seed) % 100000000;

			histogram_add(&all, v);
			counts[histogram_bucket(v)]++;
			sum += v;
			max = v > max ? v : max;
		}
		histogram_merge_counts(&h, counts, 160, sum, max);
	}
	assert_memory_equal(h.cnt, all.cnt, sizeof(h.cnt));
	assert_true(h.total == all.total && h.sum == all.sum && h.max == all.max);
	assert_int_equal(histogram_bucket(h.min), histogram_bucket(all.min));
	histogram_dist(&h, &a);
	histogram_dist(&all, &b);
	assert_true(a.p50 == b.p50 && a.p90 == b.p90 && a.p99 == b.p99 && a.max == b.max && a.cnt == b.cnt);
	/* hostile: more buckets than there are, counts without a largest value, a sum that wraps */
	uint32_t counts[HISTOGRAM_BUCKETS + 1];

	memset(counts, 0xff, sizeof(counts));
	histogram_merge_counts(&h, counts, HISTOGRAM_BUCKETS + 1, UINT64_MAX, 0);
	assert_true(h.sum == UINT64_MAX && h.min == 0);
	histogram_dist(&h, &a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets),       cmocka_unit_test(quantiles), cmocka_unit_test(merged),
		cmocka_unit_test(merged_counts), cmocka_unit_test(as_dist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
