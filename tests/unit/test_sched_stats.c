/* SPDX-License-Identifier: BSD-2-Clause */
/* Waits for a P: which window they fall into, in whatever order they come, percentiles against the values themselves,
 * and the bound. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "stats/histogram.h"
#include "stats/sched_stats.h"

#define START (1000 * NS_PER_SEC)

static void add(struct sched_stats *s, uint64_t start_ns, uint64_t end_ns, uint64_t wait_ns, uint32_t cnt, bool diluted)
{
	struct runtime_latency l = {.start_ns = start_ns, .end_ns = end_ns, .cnt = cnt};

	l.buckets[histogram_bucket(wait_ns)] = cnt;
	assert_int_equal(sched_stats_latency(s, &l, diluted), 0);
}

static struct snapshot_sched fill(const struct sched_stats *s, uint64_t from_ns, uint64_t to_ns)
{
	struct snapshot_container c;

	snapshot_container_init(&c);
	sched_stats_fill(s, from_ns, to_ns, &c.sched);
	return c.sched;
}

/* Unknown until a process tells its waits, then none where there are none. */
static void none(void **state)
{
	struct runtime_latency empty = {.start_ns = START, .end_ns = START + NS_PER_SEC};
	struct snapshot_sched x;
	struct sched_stats s;

	sched_stats_init(&s, NULL);
	x = fill(&s, START, START + NS_PER_SEC);
	assert_int_equal(x.latency.cnt, -1);
	assert_true(isnan(x.idle_p_ratio));
	assert_int_equal(sched_stats_latency(&s, &empty, false), 0);
	x = fill(&s, START, START + NS_PER_SEC);
	assert_int_equal(x.latency.cnt, 0);
	assert_true(isnan(x.latency.p99));
	empty.start_ns = empty.end_ns + 1;
	assert_int_equal(sched_stats_latency(&s, &empty, false), 1);
	sched_stats_deinit(&s);
}

/* One reading a second; a reading counts where at least half of it lies in the window. */
static void windows(void **state)
{
	static const struct {
		int64_t from_ms, to_ms;
		int64_t cnt;
		bool diluted;
	} rows[] = {
		{0, 10000, 10, true},   {0, 1000, 1, true},     {2000, 5000, 3, false},
		{1990, 4990, 2, false}, /* the last one is not over yet */
		{2010, 5010, 3, false}, /* a tick some ms late */
		{2600, 5000, 2, false}, {9500, 9900, 0, false}, {10000, 20000, 0, false},
	};
	struct sched_stats s;

	sched_stats_init(&s, NULL);
	for (uint64_t i = 0; i < 10; i++)
		add(&s, START + i * NS_PER_SEC, START + (i + 1) * NS_PER_SEC, 1000, 1, i == 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct snapshot_sched x = fill(&s, START + (uint64_t)rows[i].from_ms * NS_PER_MS,
					       START + (uint64_t)rows[i].to_ms * NS_PER_MS);

		if (x.latency.cnt != rows[i].cnt || x.diluted != rows[i].diluted)
			fail_msg("row %zu: %lld waits", i, (long long)x.latency.cnt);
	}
	sched_stats_deinit(&s);
}

/* A process that was not read for long: its one reading covers the window from before its begin. */
static void long_reading(void **state)
{
	struct sched_stats s;

	sched_stats_init(&s, NULL);
	add(&s, START, START + 20 * NS_PER_SEC, 1000, 7, false);
	assert_int_equal(fill(&s, START + 12 * NS_PER_SEC, START + 22 * NS_PER_SEC).latency.cnt, 7);
	assert_int_equal(fill(&s, START + 18 * NS_PER_SEC, START + 28 * NS_PER_SEC).latency.cnt, 0);
	sched_stats_deinit(&s);
}

/* Readings of several processes, backwards: the same as in order. */
static void late(void **state)
{
	struct sched_stats s;

	sched_stats_init(&s, NULL);
	for (uint64_t i = 20; i > 0; i--)
		for (uint64_t k = 0; k < 3; k++)
			add(&s, START + (i - 1) * NS_PER_SEC, START + i * NS_PER_SEC + k * NS_PER_MS, 1000 << k, 1,
			    false);
	assert_int_equal(s.slot_cnt, 20);
	for (size_t i = 1; i < s.slot_cnt; i++)
		assert_true(s.slots[i].end_ns > s.slots[i - 1].end_ns);
	assert_int_equal(
		fill(&s, START + 5 * NS_PER_SEC + 5 * NS_PER_MS, START + 9 * NS_PER_SEC + 5 * NS_PER_MS).latency.cnt,
		12);
	sched_stats_deinit(&s);
}

/* Percentiles within half a bucket of those of the values; the longest within its bucket. */
static void percentiles(void **state)
{
	struct runtime_latency l = {.start_ns = START, .end_ns = START + NS_PER_SEC, .cnt = 1000};
	struct snapshot_sched x;
	struct sched_stats s;

	for (uint64_t i = 1; i <= 1000; i++)
		l.buckets[histogram_bucket(i * 10000)]++; /* 10 us to 10 ms */
	sched_stats_init(&s, NULL);
	assert_int_equal(sched_stats_latency(&s, &l, false), 0);
	x = fill(&s, START, START + NS_PER_SEC);
	assert_int_equal(x.latency.cnt, 1000);
	assert_true(fabs(x.latency.p50 - 0.005) <= 0.005 * 0.125);
	assert_true(fabs(x.latency.p90 - 0.009) <= 0.009 * 0.125);
	assert_true(fabs(x.latency.p99 - 0.0099) <= 0.0099 * 0.125);
	assert_true(x.latency.max >= 0.01 && x.latency.max <= 0.0125);
	assert_true(isnan(x.latency.sum) && isnan(x.latency.min));
	l.buckets[RUNTIME_LATENCY_BUCKETS - 1] = 1; /* longer than the last bucket */
	assert_int_equal(sched_stats_latency(&s, &l, false), 0);
	assert_true(isnan(fill(&s, START, START + NS_PER_SEC).latency.max));
	sched_stats_deinit(&s);
}

static void idle(void **state)
{
	struct sched_stats s;

	sched_stats_init(&s, NULL);
	for (uint64_t i = 1; i <= 10; i++)
		assert_int_equal(sched_stats_procs(&s, START + i * NS_PER_SEC, i <= 3), 0);
	assert_true(fill(&s, START, START + 10 * NS_PER_SEC).idle_p_ratio == 0.3);
	assert_true(fill(&s, START + 5 * NS_PER_SEC, START + 10 * NS_PER_SEC).idle_p_ratio == 0);
	assert_int_equal(fill(&s, START, START + 10 * NS_PER_SEC).latency.cnt, -1);
	sched_stats_deinit(&s);
}

/* Five readings a second for five minutes: the last minute is whole, memory is bounded and given back. */
static void bound(void **state)
{
	struct stats_budget budget = {.bytes_max = 1 << 20};
	uint64_t now = START;
	struct sched_stats s;

	sched_stats_init(&s, &budget);
	for (int i = 0; i < 1500; i++, now += NS_PER_SEC / 5)
		add(&s, now, now + NS_PER_SEC / 5, 100 + (uint64_t)i * 1000, 1, false);
	assert_true(s.slot_cnt <= SCHED_SLOTS_MAX);
	assert_in_range(fill(&s, now - 60 * NS_PER_SEC, now).latency.cnt, 290, 310); /* a slot is up to 2 s now */
	assert_true(budget.bytes < 16384);
	sched_stats_expire(&s, now - NS_PER_SEC);
	assert_true(s.slot_cnt <= 6);
	sched_stats_deinit(&s);
	assert_int_equal(budget.bytes, 0);
}

/* No memory to have: what does not fit is counted, what is there stays right. */
static void no_budget(void **state)
{
	struct runtime_latency l = {
		.start_ns = START, .end_ns = START + NS_PER_SEC, .cnt = 2, .buckets = {1, [100] = 1}};
	struct stats_budget budget = {.bytes_max = 64};
	struct sched_stats s;

	sched_stats_init(&s, &budget);
	add(&s, START, START + NS_PER_SEC, 1000, 5, false);
	assert_int_equal(sched_stats_latency(&s, &l, false), 1);
	assert_int_equal(fill(&s, START, START + NS_PER_SEC).latency.cnt, 5);
	sched_stats_deinit(&s);
	assert_int_equal(budget.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none),  cmocka_unit_test(windows),     cmocka_unit_test(long_reading),
		cmocka_unit_test(late),  cmocka_unit_test(percentiles), cmocka_unit_test(idle),
		cmocka_unit_test(bound), cmocka_unit_test(no_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
