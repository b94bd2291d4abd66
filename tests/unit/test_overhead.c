/* SPDX-License-Identifier: BSD-2-Clause */
/* The overhead budget on simulated processes: windows that take whatever credit there is never cost more than what was
 * earned and the first credit; what is off comes back, but not to and fro. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "stats/overhead.h"

#define STEP_NS   (10 * NS_PER_MS)
#define TICK_NS   (100 * NS_PER_MS)
#define RATIO     0.005
#define ONE_STEP  (1.0 * STEP_NS * 2) /* a window closes a step late: so much can be overdrawn at 2 CPUs, 100 % cost */
#define FIRST     (RATIO * OVERHEAD_FIRST_NS) /* with one CPU */
#define ASSIST    (1u << OVERHEAD_GO_ASSIST)
#define SCHED     (1u << OVERHEAD_GO_SCHED)
#define CPU_SCHED (1u << OVERHEAD_CPU_SCHED)

/* A process and what a window costs it. */
struct sim {
	const char *name;
	double cpus;                 /* that it uses */
	uint64_t busy_ns, period_ns; /* busy for the first part of each period; 0: always */
	double window_ratio;         /* cost of an open window, of its CPU */
	double predicted_ns;         /* credit that a window waits for */
	double cold_ratio;           /* go_gc, all the time */
};

struct outcome {
	double share, worst_overdraft;
	double cpu_ns;
	unsigned int windows;
};

static bool busy(const struct sim *s, uint64_t t)
{
	return !s->period_ns || t % s->period_ns < s->busy_ns;
}

static void run(const struct sim *s, double max_ratio, uint64_t seconds, struct outcome *ret)
{
	double cost[OVERHEAD_GROUP_CNT] = {0}, cpu = 0;
	struct overhead o;
	bool open = false;

	memset(ret, 0, sizeof(*ret));
	overhead_init(&o, max_ratio);
	for (uint64_t t = 0; t < seconds * NS_PER_SEC; t += STEP_NS) {
		double used = busy(s, t) ? s->cpus * STEP_NS : 0;

		cpu += used;
		cost[OVERHEAD_GO_GC] += used * s->cold_ratio;
		cost[OVERHEAD_GO_SCHED] += open ? used * s->window_ratio : 0;
		if (!open && t % TICK_NS)
			continue;
		overhead_feed(&o, NS_PER_SEC + t, (uint64_t)cpu, cost);
		ret->worst_overdraft = fmax(ret->worst_overdraft, -overhead_credit(&o));
		if (!open && overhead_credit(&o) >= s->predicted_ns && overhead_credit(&o) > 0)
			ret->windows += open = true;
		else if (open && overhead_credit(&o) <= 0)
			open = false;
	}
	ret->cpu_ns = cpu;
	ret->share = (cost[OVERHEAD_GO_GC] + cost[OVERHEAD_GO_SCHED]) / cpu;
}

/* The one promise: over any run what we cost is within the budget but for the first credit and one late step. */
static void test_never_above_the_budget(void **state)
{
	static const struct sim sims[] = {
		{"busy", 2, 0, 0, 0.3, 1e6, 0},
		{"busy, costs as much as it does", 2, 0, 0, 1, 1e6, 0},
		{"one CPU, cheap", 1, 0, 0, 0.02, 1e6, 0},
		{"idle", 0.001, 0, 0, 0.3, 1e5, 0},
		{"nearly nothing", 1e-6, 0, 0, 0.3, 0, 0},
		{"bursts", 2, NS_PER_SEC, 20 * NS_PER_SEC, 0.5, 1e6, 0},
		{"long bursts", 2, 60 * NS_PER_SEC, 120 * NS_PER_SEC, 0.3, 0, 0},
		{"with cold cost", 2, 0, 0, 0.3, 1e6, 0.003},
		{"predicted too low", 2, 0, 0, 1, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(sims); i++) {
		struct outcome r;
		double may;

		run(&sims[i], RATIO, 600, &r);
		may = RATIO + (FIRST * sims[i].cpus + ONE_STEP) / r.cpu_ns;
		if (r.share > may || r.worst_overdraft > ONE_STEP)
			fail_msg("%s: share %g of at most %g, overdraft %g ns", sims[i].name, r.share, may,
				 r.worst_overdraft);
		if (sims[i].cpus >= 1 && !sims[i].period_ns && r.share < 0.8 * RATIO &&
		    sims[i].window_ratio > RATIO * 2)
			fail_msg("%s: share %g: the budget is not used", sims[i].name, r.share);
		assert_true(r.windows > 0);
	}
}

static void test_cold_cost_leaves_nothing(void **state)
{
	const struct sim s = {"cold", 1, 0, 0, 0.3, 1e6, 0.01};
	struct outcome r;

	run(&s, RATIO, 600, &r);
	assert_true(r.share < 0.0101 + FIRST / r.cpu_ns);
	assert_in_range(r.windows, 0, 3);
}

static void test_cost_beyond_credit_waits(void **state)
{
	const struct sim s = {"dear", 1, 0, 0, 1, 400e6, 0}; /* more than a minute earns */
	struct outcome r;

	run(&s, RATIO, 600, &r);
	assert_int_equal(r.windows, 0);
	assert_true(r.share <= 0);
}

static void test_no_budget_and_budget_0(void **state)
{
	const struct sim s = {"busy", 1, 0, 0, 0.3, 1e6, 0};
	double cost[OVERHEAD_GROUP_CNT] = {0, 1e6};
	struct outcome r;
	struct overhead o;

	run(&s, -1, 60, &r);
	assert_int_equal(r.windows, 1);
	assert_true(r.share > 0.29);
	run(&s, 0, 60, &r);
	assert_int_equal(r.windows, 0);
	overhead_init(&o, -1);
	assert_true(isinf(overhead_credit(&o)));
	assert_int_equal(overhead_wait_ns(&o, 1e18), 0);
	assert_false(overhead_decide(&o, 1, ASSIST));
	overhead_init(&o, 0);
	overhead_feed(&o, NS_PER_SEC, NS_PER_SEC, cost);
	assert_int_equal(overhead_wait_ns(&o, 1), UINT64_MAX);
	assert_true(overhead_decide(&o, 1, 1u | ASSIST | CPU_SCHED));
	assert_int_equal(o.off, ASSIST | CPU_SCHED);
	assert_false(overhead_decide(&o, 2, 1u | ASSIST | CPU_SCHED));
}

/* Feeds a process of one CPU that loses these shares, from *t on. */
static void feed(struct overhead *o, uint64_t *t, double cost[], uint64_t *cpu, uint64_t seconds, double assist,
		 double sched)
{
	for (uint64_t end = *t + seconds * NS_PER_SEC; *t < end; *t += TICK_NS) {
		*cpu += TICK_NS;
		cost[OVERHEAD_GO_ASSIST] += assist * TICK_NS;
		cost[OVERHEAD_GO_SCHED] += sched * TICK_NS;
		overhead_feed(o, *t, *cpu, cost);
	}
}

static void test_ratio_and_wait(void **state)
{
	double cost[OVERHEAD_GROUP_CNT] = {0};
	uint64_t t = NS_PER_SEC, cpu = 0;
	struct overhead o;

	overhead_init(&o, RATIO);
	assert_true(isnan(overhead_ratio(&o, OVERHEAD_GROUP_CNT)));
	feed(&o, &t, cost, &cpu, 30, 0.002, 0.001);
	assert_float_equal(overhead_ratio(&o, OVERHEAD_GO_ASSIST), 0.002, 1e-5);
	assert_float_equal(overhead_ratio(&o, OVERHEAD_GROUP_CNT), 0.003, 1e-5);
	assert_float_equal(o.cpu_rate, 1, 1e-3);
	feed(&o, &t, cost, &cpu, 12, 0, 0); /* what is over leaves the ratio */
	assert_true(overhead_ratio(&o, OVERHEAD_GROUP_CNT) <= 0);
	assert_int_equal(overhead_wait_ns(&o, overhead_credit(&o)), 0);
	assert_in_range(overhead_wait_ns(&o, overhead_credit(&o) + RATIO * NS_PER_SEC), NS_PER_SEC * 98 / 100,
			NS_PER_SEC * 102 / 100);
	assert_int_equal(overhead_wait_ns(&o, 1e12), UINT64_MAX);
}

/* An idle process has no credit and wants none: that is not "now". */
static void test_wait_of_idle(void **state)
{
	static const struct {
		uint64_t cpu_step_ns; /* a second */
		double debt_ns;
		uint64_t wait_ns;
	} rows[] = {
		{0, 0, UINT64_MAX},
		{0, 1e6, UINT64_MAX},
		{1, 1e6, UINT64_MAX}, /* six years */
		{NS_PER_SEC, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		double cost[OVERHEAD_GROUP_CNT] = {0};
		uint64_t wait;
		struct overhead o;

		overhead_init(&o, RATIO);
		overhead_feed(&o, NS_PER_SEC, NS_PER_SEC, cost);
		assert_in_range(overhead_wait_ns(&o, 0), 1, NS_PER_SEC); /* its use is not known yet */
		for (uint64_t n = 1; n <= 20; n++)
			overhead_feed(&o, (1 + n) * NS_PER_SEC, NS_PER_SEC + n * rows[i].cpu_step_ns, cost);
		cost[OVERHEAD_GO_SCHED] = rows[i].debt_ns;
		overhead_feed(&o, 21 * NS_PER_SEC, NS_PER_SEC + 20 * rows[i].cpu_step_ns, cost);
		wait = overhead_wait_ns(&o, 0);
		if (wait != rows[i].wait_ns)
			fail_msg("row %zu: %llu", i, (unsigned long long)wait);
	}
}

static void test_numbers_that_run_backwards(void **state)
{
	double cost[OVERHEAD_GROUP_CNT] = {0};
	uint64_t t = 3600 * NS_PER_SEC, cpu = 500 * NS_PER_SEC;
	struct overhead o;
	double credit;

	overhead_init(&o, RATIO);
	feed(&o, &t, cost, &cpu, 20, 0, 0);
	credit = overhead_credit(&o);
	overhead_feed(&o, t, 5 * NS_PER_MS, cost); /* exec: another clock */
	assert_float_equal(overhead_credit(&o), credit, 1);
	cpu = 5 * NS_PER_MS;
	t -= 1800 * NS_PER_SEC; /* and the clock goes back */
	feed(&o, &t, cost, &cpu, 20, 0, 0);
	assert_true(overhead_credit(&o) <= credit + RATIO * 20 * NS_PER_SEC);
	assert_float_equal(o.cpu_rate, 1, 1e-3);
	t += 86400 * NS_PER_SEC; /* and ahead: nothing is earned by time alone */
	credit = overhead_credit(&o);
	overhead_feed(&o, t, cpu, cost);
	assert_true(overhead_credit(&o) <= credit);
	cost[OVERHEAD_GO_SCHED] = -5e9;
	overhead_feed(&o, t, cpu, cost);
	assert_true(overhead_credit(&o) <= credit);
	cost[OVERHEAD_GO_SCHED] = 0;
	overhead_feed(&o, t, cpu, cost);
	assert_true(overhead_credit(&o) >= 0);
}

static void test_dearest_goes_first(void **state)
{
	double cost[OVERHEAD_GROUP_CNT] = {0};
	uint64_t t = NS_PER_SEC, cpu = 0;
	struct overhead o;

	overhead_init(&o, RATIO);
	feed(&o, &t, cost, &cpu, 12, 0.004, 0.006);
	assert_true(overhead_decide(&o, t, ASSIST | SCHED));
	assert_int_equal(o.off, SCHED);
	assert_false(overhead_decide(&o, t, ASSIST | SCHED)); /* the other one alone is within the budget */
	feed(&o, &t, cost, &cpu, 12, 0.008, 0);
	assert_true(overhead_decide(&o, t, ASSIST | SCHED));
	assert_int_equal(o.off, ASSIST | SCHED);
}

/* What windows spend of their savings is no reason to switch others off. */
static void test_windows_are_not_judged(void **state)
{
	double cost[OVERHEAD_GROUP_CNT] = {0};
	uint64_t t = NS_PER_SEC, cpu = 0;
	struct overhead o;

	overhead_init(&o, RATIO);
	feed(&o, &t, cost, &cpu, 12, 0.001, 0.03);
	assert_false(overhead_decide(&o, t, ASSIST));
}

static void test_too_early_to_decide(void **state)
{
	double cost[OVERHEAD_GROUP_CNT] = {0};
	uint64_t t = NS_PER_SEC, cpu = 0;
	struct overhead o;

	overhead_init(&o, RATIO);
	feed(&o, &t, cost, &cpu, 2, 0.5, 0);
	assert_false(overhead_decide(&o, t, ASSIST));
	feed(&o, &t, cost, &cpu, 3, 0.5, 0);
	assert_true(overhead_decide(&o, t, ASSIST));
}

struct flaps {
	unsigned int offs;
	uint64_t shortest_ns; /* between two that were switched off */
};

static void flap(double ratio, uint64_t busy_s, uint64_t period_s, uint64_t seconds, struct flaps *ret)
{
	double cost[OVERHEAD_GROUP_CNT] = {0};
	uint64_t t = NS_PER_SEC, cpu = 0, off_ns = 0;
	struct overhead o;

	*ret = (struct flaps){.shortest_ns = UINT64_MAX};
	overhead_init(&o, RATIO);
	for (uint64_t s = 0; s < seconds; s++) {
		feed(&o, &t, cost, &cpu, 1, o.off & ASSIST || s % period_s >= busy_s ? 0 : ratio, 0);
		if (!overhead_decide(&o, t, ASSIST) || !(o.off & ASSIST))
			continue;
		ret->offs++;
		if (off_ns && t - off_ns < ret->shortest_ns)
			ret->shortest_ns = t - off_ns;
		off_ns = t;
	}
}

/* Whatever the load does, it is switched off once in 30 s at most; a load that is always too dear is tried seldom. */
static void test_hysteresis(void **state)
{
	static const uint64_t periods[] = {5, 13, 20, 31, 60, 300};
	struct flaps f;

	for (size_t i = 0; i < ARRAY_SIZE(periods); i++)
		for (double ratio = 0.004; ratio < 0.1; ratio *= 1.3) {
			flap(ratio, periods[i] / 2 + 1, periods[i], 1800, &f);
			assert_true(f.shortest_ns >= 30 * NS_PER_SEC);
		}
	flap(2 * RATIO, 1, 1, 3600, &f);
	assert_in_range(f.offs, 2, 15); /* some 5 s each: 2 % of the time */
	flap(0.9 * RATIO, 1, 1, 3600, &f);
	assert_int_equal(f.offs, 0);
}

static void test_comes_back_one_at_a_time(void **state)
{
	double cost[OVERHEAD_GROUP_CNT] = {0};
	uint64_t t = NS_PER_SEC, cpu = 0;
	struct overhead o;

	overhead_init(&o, RATIO);
	feed(&o, &t, cost, &cpu, 12, 0.006, 0.02);
	assert_true(overhead_decide(&o, t, ASSIST | SCHED));
	assert_true(overhead_decide(&o, t, ASSIST | SCHED));
	assert_int_equal(o.off, ASSIST | SCHED);
	feed(&o, &t, cost, &cpu, 25, 0, 0);
	assert_false(overhead_decide(&o, t, ASSIST | SCHED));
	feed(&o, &t, cost, &cpu, 300, 0, 0); /* 0.6 % counts for 0.28 % by now */
	assert_true(overhead_decide(&o, t, ASSIST | SCHED));
	assert_int_equal(o.off, SCHED);
	assert_false(overhead_decide(&o, t, ASSIST | SCHED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_never_above_the_budget),
		cmocka_unit_test(test_cold_cost_leaves_nothing),
		cmocka_unit_test(test_cost_beyond_credit_waits),
		cmocka_unit_test(test_no_budget_and_budget_0),
		cmocka_unit_test(test_ratio_and_wait),
		cmocka_unit_test(test_wait_of_idle),
		cmocka_unit_test(test_numbers_that_run_backwards),
		cmocka_unit_test(test_dearest_goes_first),
		cmocka_unit_test(test_windows_are_not_judged),
		cmocka_unit_test(test_too_early_to_decide),
		cmocka_unit_test(test_hysteresis),
		cmocka_unit_test(test_comes_back_one_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
