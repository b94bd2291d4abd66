/* SPDX-License-Identifier: BSD-2-Clause */
/* Waits and numbers of mark assists by window, late ones, more than there is room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "stats/assist_stats.h"

#define MS(n) ((uint64_t)(n)*NS_PER_MS)

static void add_wait(struct assist_stats *a, uint64_t start_ns, uint64_t end_ns, uint64_t lost)
{
	struct event_gc_assist e = {.hdr.time_ns = end_ns, .start_ns = start_ns};

	assert_int_equal(assist_stats_wait(a, &e), lost);
}

static void add_number(struct assist_stats *a, uint64_t end_ns, uint64_t cnt, uint64_t lost)
{
	struct event_gc_assists e = {.hdr.time_ns = end_ns, .cnt = cnt};

	assert_int_equal(assist_stats_number(a, &e), lost);
}

static void check(const struct assist_stats *a, uint64_t from_ns, uint64_t to_ns, int64_t waits, int64_t assists)
{
	struct snapshot_gc g;

	snapshot_gc_unknown(&g);
	assert_true(g.assists == STAT_UNKNOWN && g.assist_waits == STAT_UNKNOWN && g.assist_wait.cnt == -1);
	assist_stats_fill(a, from_ns, to_ns, &g);
	if (g.assist_waits != waits || g.assists != assists)
		fail_msg("(%lu, %lu]: %ld waits, %ld assists", (long)from_ns, (long)to_ns, (long)g.assist_waits,
			 (long)g.assists);
}

static void test_windows(void **state)
{
	struct stats_budget budget = {.bytes_max = 1 << 20};
	struct assist_stats a;

	assist_stats_init(&a, &budget);
	check(&a, 0, MS(100000), 0, 0);
	assert_int_equal(budget.bytes, 0); /* nothing before the first one */
	add_wait(&a, MS(100), MS(1000), 0);
	add_wait(&a, MS(500), MS(2000), 0);
	add_wait(&a, MS(1200), MS(1500), 0); /* late */
	add_number(&a, MS(1100), 10, 0);
	add_number(&a, MS(2200), 20, 0);
	add_number(&a, MS(2100), 5, 0); /* another process, in the same second */
	check(&a, 0, MS(10000), 3, 35);
	check(&a, MS(1000), MS(2000), 2, 10); /* (from, to] */
	check(&a, MS(1100), MS(2199), 2, 0);  /* a second counts as a whole, by its end */
	check(&a, MS(1100), MS(2200), 2, 25);
	assist_stats_expire(&a, MS(1500));
	check(&a, 0, MS(10000), 1, 35);
	/* two minutes on, the place of a second is another one's; its own comes too late */
	add_number(&a, MS(2200 + 1000 * ASSIST_NUMBERS_MAX), 7, 0);
	add_number(&a, MS(2300), 1, 1);
	check(&a, MS(60000), MS(300000), 0, 7);
	assist_stats_deinit(&a);
	assert_int_equal(budget.bytes, 0);
}

static void test_bounds(void **state)
{
	struct stats_budget none = {.bytes_max = 0};
	struct assist_stats a;

	assist_stats_init(&a, NULL);
	for (uint64_t i = 0; i < ASSIST_WAITS_MAX; i++)
		add_wait(&a, i, i + 1, 0);
	add_wait(&a, ASSIST_WAITS_MAX, ASSIST_WAITS_MAX + 1, 1); /* the oldest gives way */
	check(&a, 0, MS(1), ASSIST_WAITS_MAX, 0);
	add_wait(&a, 5, 4, 1); /* backwards */
	assist_stats_deinit(&a);

	assist_stats_init(&a, &none);
	add_wait(&a, 1, 2, 1);
	add_number(&a, MS(1), 5, 1);
	check(&a, 0, MS(10), 0, 0);
	assist_stats_deinit(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
