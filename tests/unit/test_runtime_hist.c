/* SPDX-License-Identifier: BSD-2-Clause */
/* Edges of the runtime's histograms, of both layouts, and that they are edges of stats/histogram.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/runtime_hist.h"
#include "stats/histogram.h"

static const int minors[] = {18, 20};

/* Where timeHistogram.record() counts a duration (runtime/histogram.go of 1.18 and of 1.20), written as it is there. */
static int record_118(uint64_t d)
{
	unsigned int super = 0, sub = (unsigned int)d, len = d ? 64 - (unsigned int)__builtin_clzll(d) : 0;

	if (d >= 16) {
		super = len - 4;
		if (super * 16 >= 720)
			return 719;
		sub = (unsigned int)((d >> (super - 1)) % 16);
	}
	return (int)(super * 16 + sub);
}

static int record_120(uint64_t d)
{
	unsigned int bit = 9, bucket = 0, len = d ? 64 - (unsigned int)__builtin_clzll(d) : 0;

	if (len >= 9) {
		bit = len;
		bucket = bit - 9 + 1;
	}
	if (bucket >= 40)
		return -1;
	return (int)(bucket * 4 + (unsigned int)(d >> (bit - 1 - 2)) % 4);
}

static void test_edges(void **state)
{
	for (size_t v = 0; v < 2; v++) {
		int cnt = minors[v] < 20 ? 720 : 160;

		for (int i = 0; i < cnt; i++) {
			uint64_t low = runtime_hist_edge(cnt, i), high = runtime_hist_edge(cnt, i + 1);

			assert_true(low < high);
			assert_int_equal(minors[v] < 20 ? record_118(low) : record_120(low), i);
			assert_int_equal(minors[v] < 20 ? record_118(high - 1) : record_120(high - 1), i);
		}
	}
	assert_true(runtime_hist_edge(160, 160) == 1ull << 47);
	assert_int_equal(record_120(1ull << 47), -1);
}

/* From 256 ns on the buckets are the same; below, ours are finer. The older ones are parts of ours everywhere. */
static void test_same_edges(void **state)
{
	for (int i = 4; i < 160; i++) {
		unsigned int ours = histogram_bucket(runtime_hist_edge(160, i));

		assert_true(histogram_bucket_low(ours) == runtime_hist_edge(160, i));
		assert_true(histogram_bucket_low(ours + 1) == runtime_hist_edge(160, i + 1));
	}
	for (int i = 0; i < 720; i++)
		assert_int_equal(histogram_bucket(runtime_hist_edge(720, i)),
				 histogram_bucket(runtime_hist_edge(720, i + 1) - 1));
}

static void test_sizes(void **state)
{
	assert_int_equal(runtime_hist_size(18), 5768);
	assert_int_equal(runtime_hist_size(19), 5768);
	assert_int_equal(runtime_hist_size(20), 1296);
	assert_int_equal(runtime_hist_size(27), 1296);
}

static void test_decode(void **state)
{
	uint64_t bytes[722] = {[0] = 5, [3] = 7, [159] = 1, [160] = 2, [161] = 3, [720] = 11};
	struct runtime_hist h;

	runtime_hist_decode(24, bytes, &h);
	assert_int_equal(h.buckets, 160);
	assert_true(h.counts[0] == 5 && h.counts[3] == 7 && h.counts[159] == 1);
	assert_true(h.underflow == 2 && h.overflow == 3);
	assert_int_equal(runtime_hist_total(&h), 18);
	runtime_hist_decode(19, bytes, &h);
	assert_int_equal(h.buckets, 720);
	assert_true(h.counts[161] == 3 && h.underflow == 11 && h.overflow == 0);
}

static void test_quantile(void **state)
{
	struct runtime_hist h = {.buckets = 160};

	assert_int_equal(runtime_hist_quantile(&h, 0.5), -1);
	h.counts[4] = 50;
	h.counts[9] = 49;
	h.counts[77] = 1;
	assert_int_equal(runtime_hist_quantile(&h, 0), 4);
	assert_int_equal(runtime_hist_quantile(&h, 0.5), 4);
	assert_int_equal(runtime_hist_quantile(&h, 0.501), 9);
	assert_int_equal(runtime_hist_quantile(&h, 0.99), 9);
	assert_int_equal(runtime_hist_quantile(&h, 1), 77);
	h.overflow = 1000;
	assert_int_equal(runtime_hist_quantile(&h, 0.9), 159);
}

static void test_fold(void **state)
{
	for (size_t v = 0; v < 2; v++) {
		int cnt = minors[v] < 20 ? 720 : 160;
		uint64_t bytes[722] = {0}, folded[RUNTIME_LATENCY_BUCKETS], total = 0;

		for (int i = 0; i < cnt; i++)
			bytes[i] = (uint64_t)i + 1;
		bytes[cnt] = 1000; /* negative */
		bytes[cnt + 1] = minors[v] < 20 ? 0 : 10000;
		runtime_hist_fold(minors[v], bytes, folded);
		for (int i = 0; i < RUNTIME_LATENCY_BUCKETS; i++)
			total += folded[i];
		assert_int_equal(total, (uint64_t)cnt * ((uint64_t)cnt + 1) / 2 + 1000 + (minors[v] < 20 ? 0 : 10000));
		assert_int_equal(folded[0], 1000 + 1);
		assert_true(folded[histogram_bucket(1 << 20)] >=
			    bytes[minors[v] < 20 ? record_118(1 << 20) : record_120(1 << 20)]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges),  cmocka_unit_test(test_same_edges), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_decode), cmocka_unit_test(test_quantile),   cmocka_unit_test(test_fold),
	};

	return cmocka_run_group_tests_name("runtime_hist", tests, NULL, NULL);
}
