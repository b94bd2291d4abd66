/* SPDX-License-Identifier: BSD-2-Clause */
/* Shares of CPU time from readings of a cost: which steps lie in the window, several processes, what is not known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "stats/overhead_stats.h"

#define START (1000 * NS_PER_SEC)
#define AT(s) (START + (uint64_t)((s)*NS_PER_SEC))

/* The process used so much CPU time, and cost so much of it. */
static void add(struct overhead_stats *o, double at_s, double cpu_s, double cost_s)
{
	struct record_overhead r = {.time_ns = AT(at_s), .cpu_ns = (uint64_t)(cpu_s * NS_PER_SEC), .max_ratio = 0.005};

	r.cost_ns[OVERHEAD_GO_SCHED] = cost_s * NS_PER_SEC;
	overhead_stats_add(o, &r);
}

static struct snapshot_overhead sum_of(const struct overhead_stats *o, size_t cnt, double now_s, double window_s)
{
	struct snapshot_overhead ret;
	struct overhead_sum sum;

	overhead_sum_init(&sum);
	for (size_t i = 0; i < cnt; i++)
		overhead_sum_add(&sum, &o[i], AT(now_s), (uint64_t)(window_s * NS_PER_SEC));
	overhead_sum_fill(&sum, &ret);
	return ret;
}

static bool near(double a, double b)
{
	return fabs(a - b) <= 1e-9;
}

static void none(void **state)
{
	struct overhead_stats o[1] = {0};
	struct snapshot_overhead x = sum_of(o, 1, 10, 60);

	assert_true(isnan(x.ratio[OVERHEAD_GO_SCHED]) && isnan(x.max_ratio) && isnan(x.worst_ratio));
	assert_true(isnan(x.next_seconds));
	assert_int_equal(x.off, 0);
	add(o, 1, 5, 1); /* one reading is no step */
	x = sum_of(o, 1, 2, 60);
	assert_true(isnan(x.ratio[OVERHEAD_GO_SCHED]) && x.max_ratio == 0.005);
}

/* Readings at 0 to 10 s, one core in use, 1 % of it from 5 s on. */
static void steps(void **state)
{
	static const struct {
		double now, window, ratio;
	} rows[] = {
		{10, 60, 0.005},  {10, 10, 0.005}, {10, 5, 0.01},  {10, 2.5, 0.01}, /* from the reading at 7 s */
		{10, 8, 0.00625}, {12, 4, 0.01},   {11, 0.5, NAN}, {500, 60, NAN},
	};
	struct overhead_stats o[1] = {0};

	for (int i = 0; i <= 10; i++)
		add(o, i, i + 1, i < 5 ? 0 : (i - 5) * 0.01);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct snapshot_overhead x = sum_of(o, 1, rows[i].now, rows[i].window);
		double ratio = x.ratio[OVERHEAD_GO_SCHED];

		if (isnan(ratio) != isnan(rows[i].ratio) || (!isnan(ratio) && !near(ratio, rows[i].ratio)))
			fail_msg("row %zu: %g", i, ratio);
		if (!isnan(ratio) && !near(x.worst_ratio, ratio))
			fail_msg("row %zu: worst %g", i, x.worst_ratio);
	}
}

/* Told out of turn, twice at once, with clocks that go back or are not known: no share is made of that. */
static void senseless(void **state)
{
	struct overhead_stats o[1] = {0};

	add(o, 5, 5, 0);
	add(o, 4, 50, 9); /* older: ignored */
	add(o, 5, 50, 9); /* the same moment, too */
	add(o, 6, 6, 0.01);
	assert_true(near(sum_of(o, 1, 6, 60).ratio[OVERHEAD_GO_SCHED], 0.01));
	add(o, 7, 3, 0.02); /* CPU time that went back */
	assert_true(isnan(sum_of(o, 1, 7, 60).ratio[OVERHEAD_GO_SCHED]));
	memset(o, 0, sizeof(o));
	add(o, 5, 0, 0); /* unknown */
	add(o, 6, 6, 0.01);
	assert_true(isnan(sum_of(o, 1, 6, 60).ratio[OVERHEAD_GO_SCHED]));
}

/* More readings than are kept, some close to one another: the oldest that is left is where the share begins. */
static void ring(void **state)
{
	const int last = 10 * OVERHEAD_STATS_MAX + 6, first = last - OVERHEAD_STATS_MAX + 1; /* of those kept */
	struct overhead_stats o[1] = {0};

	for (int i = 0; i <= last; i++)
		add(o, i, i + 1, i < last - 10 ? 0 : (i - last + 10) * 0.02);
	assert_true(near(sum_of(o, 1, last, 1e6).ratio[OVERHEAD_GO_SCHED], 0.2 / (last - first)));
	memset(o, 0, sizeof(o));
	for (int i = 0; i < 20 * OVERHEAD_STATS_MAX; i++) /* ten a second: they must reach further back than 80 */
		add(o, i * 0.1, i * 0.1 + 1, i * 0.001);
	assert_true(o->cnt > 20 && o->cnt < 6 * OVERHEAD_STATS_MAX);
	assert_true(near(sum_of(o, 1, 160, 30).ratio[OVERHEAD_GO_SCHED], 0.01));
}

/* Two processes: shares of their CPU together, the worst one of its own. */
static void several(void **state)
{
	struct overhead_stats o[3] = {0};
	struct snapshot_overhead x;

	add(&o[0], 0, 1, 0);
	add(&o[0], 10, 11, 0.1); /* 1 % of 10 s */
	add(&o[1], 0, 1, 0);
	add(&o[1], 10, 31, 0); /* 0 % of 30 s */
	o[0].last.next_ns = AT(15);
	o[1].last.next_ns = AT(12);
	o[1].last.off = 1u << OVERHEAD_GO_ASSIST;
	x = sum_of(o, 3, 10, 60);
	assert_true(near(x.ratio[OVERHEAD_GO_SCHED], 0.0025) && near(x.worst_ratio, 0.01));
	assert_true(near(x.next_seconds, 2));
	assert_int_equal(x.off, 1u << OVERHEAD_GO_ASSIST);
	assert_true(sum_of(o, 3, 14, 60).next_seconds == 0); /* it is late, not below zero */
	assert_int_equal(x.waiting, 2);
	o[0].last.next_ns = o[1].last.next_ns = UINT64_MAX; /* they wait for what does not come */
	x = sum_of(o, 3, 10, 60);
	assert_true(isinf(x.next_seconds) && x.waiting == 2);
	o[0].last.next_ns = o[1].last.next_ns = 0;
	x = sum_of(o, 3, 10, 60);
	assert_true(isnan(x.next_seconds) && x.waiting == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none), cmocka_unit_test(steps),   cmocka_unit_test(senseless),
		cmocka_unit_test(ring), cmocka_unit_test(several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
