/* SPDX-License-Identifier: BSD-2-Clause */
/* Goroutines over time: what grows how fast, what is marked and what must not be, that only ten minutes are kept, and
 * that a dump makes the same again. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "runtime/census.h"
#include "stats/census_stats.h"

#define START (1000 * NS_PER_SEC)
#define SITE  0x401000u

static void begin(struct record_census *r, uint64_t time_ns)
{
	memset(r, 0, sizeof(*r));
	r->pid = 7;
	r->time_ns = time_ns;
}

static struct record_census_group *group(struct record_census *r, uint64_t cnt, int64_t oldest_wait_ns)
{
	struct record_census_group *g = &r->groups[r->group_cnt++];

	g->cnt = cnt;
	g->state = GOROUTINE_WAITING;
	g->oldest_wait_ns = oldest_wait_ns;
	g->created_pc = SITE;
	g->blocked_pc = 0x402000;
	str_copy(g->reason, sizeof(g->reason), "chan receive");
	str_copy(g->created, sizeof(g->created), "main.serve");
	r->total += cnt;
	r->waiting += cnt;
	return g;
}

static struct snapshot_sched fill(const struct census_stats *c, uint64_t now_ns, bool old_go)
{
	struct snapshot_container x;

	snapshot_container_init(&x);
	census_stats_fill(c, now_ns, old_go, &x.sched);
	census_stats_order(&x.sched);
	return x.sched;
}

static void nothing(void **state)
{
	struct census_stats c = {0};
	struct snapshot_sched s = fill(&c, START, false);

	assert_int_equal(s.waiting, STAT_UNKNOWN);
	assert_true(isnan(s.census_age_seconds));
	assert_int_equal(s.group_cnt, 0);
	census_stats_deinit(&c);
}

/* Steady growth, one census in 10 s; what is said of it after so many seconds. */
static void growth(void **state)
{
	static const struct {
		uint64_t seconds;
		double per_minute, ratio, known; /* ratio NAN: too early */
	} rows[] = {
		{0, NAN, NAN, 0},  {10, 60, NAN, 10}, {50, 60, NAN, 50},         {60, 60, 1.6, 60},
		{300, 60, 4, 300}, {600, 60, 7, 600}, {1200, 60, 13.0 / 7, 600}, /* ten minutes: 1300 of 700 */
	};
	struct record_census r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct census_stats c = {0};
		struct snapshot_sched s;

		for (uint64_t t = 0; t <= rows[i].seconds; t += 10) {
			begin(&r, START + t * NS_PER_SEC);
			group(&r, 100 + t, -1);
			census_stats_add(&c, &r);
		}
		s = fill(&c, START + rows[i].seconds * NS_PER_SEC, false);
		assert_int_equal(s.group_cnt, 1);
		if (fabs(s.groups[0].per_minute - rows[i].per_minute) > 0.01 ||
		    isnan(s.groups[0].per_minute) != isnan(rows[i].per_minute) ||
		    isnan(s.groups[0].growth_ratio) != isnan(rows[i].ratio) ||
		    fabs(s.groups[0].growth_ratio - rows[i].ratio) > 0.08 ||
		    fabs(s.groups[0].known_seconds - rows[i].known) > 30)
			fail_msg("row %zu: %g a minute, ratio %g, known %g s", i, s.groups[0].per_minute,
				 s.groups[0].growth_ratio, s.groups[0].known_seconds);
		assert_int_equal(s.groups[0].mark, 0); /* nobody knows how long they wait */
		assert_true(c.point_cnt <= CENSUS_POINTS_MAX);
		census_stats_deinit(&c);
	}
}

/* Doubled in 3 minutes by 100 and more, and the oldest still waits: only that is called a leak. */
static void leaks(void **state)
{
	static const struct {
		uint64_t from, to, seconds;
		int64_t wait_then_s, wait_now_s; /* -1 unknown */
		int mark;
	} rows[] = {
		{200, 400, 180, 5, 185, CENSUS_MAYBE_LEAK},
		{200, 400, 180, -1, 170, CENSUS_MAYBE_LEAK}, /* a collection has found it since */
		{200, 400, 180, 5, 20, 0},                   /* others each time: more load */
		{200, 400, 180, -1, 20, 0},
		{200, 400, 180, 5, -1, 0},
		{200, 400, 120, 5, 125, 0}, /* too early */
		{200, 399, 180, 5, 185, 0}, /* not doubled */
		{50, 140, 180, 5, 185, 0},  /* too few */
		{50, 150, 180, 5, 185, CENSUS_MAYBE_LEAK},
		{400, 200, 180, 5, 185, 0},
	};
	struct record_census r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct census_stats c = {0};
		struct snapshot_sched s;

		begin(&r, START);
		group(&r, rows[i].from, rows[i].wait_then_s < 0 ? -1 : rows[i].wait_then_s * (int64_t)NS_PER_SEC);
		census_stats_add(&c, &r);
		begin(&r, START + rows[i].seconds * NS_PER_SEC);
		group(&r, rows[i].to, rows[i].wait_now_s < 0 ? -1 : rows[i].wait_now_s * (int64_t)NS_PER_SEC);
		census_stats_add(&c, &r);
		s = fill(&c, r.time_ns, false);
		if (s.groups[0].mark != rows[i].mark)
			fail_msg("row %zu: mark %d", i, s.groups[0].mark);
		census_stats_deinit(&c);
	}
}

/* The goroutines of one creation site are blocked in two places: the site leaks, whichever place grew. */
static void site_of_two_groups(void **state)
{
	struct census_stats c = {0};
	struct record_census r;
	struct snapshot_sched s;

	begin(&r, START);
	group(&r, 100, NS_PER_SEC);
	census_stats_add(&c, &r);
	begin(&r, START + 200 * NS_PER_SEC);
	group(&r, 200, NS_PER_SEC)->blocked_pc = 0x403000;
	group(&r, 90, 201ll * NS_PER_SEC);
	census_stats_add(&c, &r);
	s = fill(&c, r.time_ns, false);
	assert_int_equal(s.group_cnt, 2);
	assert_int_equal(s.groups[0].cnt, 200);
	assert_true(isnan(s.groups[0].per_minute)); /* this place is new */
	assert_true(fabs(s.groups[1].per_minute + 3) < 0.01);
	assert_true(fabs(s.groups[0].growth_ratio - 2.9) < 0.01);
	assert_int_equal(s.groups[0].mark, CENSUS_MAYBE_LEAK);
	assert_int_equal(s.groups[1].mark, CENSUS_MAYBE_LEAK);
	census_stats_deinit(&c);
}

static void blocked(void **state)
{
	static const struct {
		const char *reason;
		uint64_t cnt, other; /* of another creation site at the same lock */
		int64_t wait_ms;
		uint32_t state;
		bool old_go;
		int mark;
	} rows[] = {
		{"sync.Mutex.Lock", 50, 0, 1001, GOROUTINE_WAITING, false, CENSUS_BLOCKED},
		{"sync.Mutex.Lock", 50, 0, 1000, GOROUTINE_WAITING, false, 0},
		{"sync.Mutex.Lock", 50, 0, -1, GOROUTINE_WAITING, false, 0},
		{"sync.Mutex.Lock", 49, 0, 5000, GOROUTINE_WAITING, false, 0},
		{"sync.Mutex.Lock", 49, 1, 5000, GOROUTINE_WAITING, false, CENSUS_BLOCKED},
		{"sync.RWMutex.RLock", 60, 0, 5000, GOROUTINE_WAITING, false, CENSUS_BLOCKED},
		{"sync.RWMutex.Lock", 60, 0, 5000, GOROUTINE_WAITING, false, CENSUS_BLOCKED},
		{"semacquire", 60, 0, 5000, GOROUTINE_WAITING, false, 0}, /* a WaitGroup's */
		{"semacquire", 60, 0, 5000, GOROUTINE_WAITING, true, CENSUS_BLOCKED},
		{"chan receive", 60, 0, 5000, GOROUTINE_WAITING, true, 0},
		{"sync.Mutex.Lock", 60, 0, 5000, GOROUTINE_LEAKED, false, CENSUS_LEAKED},
	};
	struct record_census r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct census_stats c = {0};
		struct record_census_group *g;

		begin(&r, START);
		g = group(&r, rows[i].cnt, rows[i].wait_ms < 0 ? -1 : rows[i].wait_ms * (int64_t)NS_PER_MS);
		g->state = rows[i].state;
		str_copy(g->reason, sizeof(g->reason), rows[i].reason);
		if (rows[i].other) {
			r.groups[1] = *g;
			r.groups[1].cnt = rows[i].other;
			r.groups[1].created_pc = SITE + 1;
			r.group_cnt = 2;
		}
		census_stats_add(&c, &r);
		if (fill(&c, START, rows[i].old_go).groups[0].mark != rows[i].mark)
			fail_msg("row %zu", i);
		census_stats_deinit(&c);
	}
}

/* More groups than places, of two processes: the largest, and what is marked before what is not. */
static void places(void **state)
{
	struct census_stats c[2] = {{0}, {0}};
	struct snapshot_container x;
	struct record_census r;

	snapshot_container_init(&x);
	for (int p = 0; p < 2; p++) {
		begin(&r, START + (uint64_t)p * NS_PER_SEC);
		r.pid = p + 1;
		for (uint64_t i = 0; i < RECORD_CENSUS_GROUPS; i++)
			group(&r, 1000 - 10 * i - (uint64_t)p, -1)->blocked_pc = i;
		r.groups[11].cnt = 1;
		r.groups[11].state = p ? GOROUTINE_LEAKED : GOROUTINE_WAITING;
		census_stats_add(&c[p], &r);
		census_stats_fill(&c[p], START + 3 * NS_PER_SEC, false, &x.sched);
	}
	census_stats_order(&x.sched);
	assert_int_equal(x.sched.group_cnt, SNAPSHOT_GROUPS);
	assert_int_equal(x.sched.groups[0].cnt, 1000);
	assert_int_equal(x.sched.groups[1].cnt, 999);
	assert_int_equal(x.sched.groups[1].pid, 2);
	assert_int_equal(x.sched.groups[9].cnt, 1);
	assert_int_equal(x.sched.groups[9].mark, CENSUS_LEAKED);
	assert_true(x.sched.census_age_seconds == 3); /* of the older one */
	census_stats_deinit(&c[0]);
	census_stats_deinit(&c[1]);
}

/* Each census with groups that were never seen before, and one that stays: bounded, and it is not forgotten early. */
static void many_keys(void **state)
{
	struct stats_budget budget = {.bytes_max = 64 << 10};
	struct census_stats c = {.budget = &budget};
	struct record_census r;

	for (uint64_t t = 0; t < 100; t++) {
		begin(&r, START + t * 30 * NS_PER_SEC);
		group(&r, 50, -1);
		for (uint64_t i = 1; i < RECORD_CENSUS_GROUPS; i++)
			group(&r, 40 - i, -1)->blocked_pc = 0x500000 + 16 * t + i;
		census_stats_add(&c, &r);
		assert_true(budget.bytes < 20000);
	}
	assert_true(fill(&c, r.time_ns, false).groups[0].known_seconds >= 90);
	census_stats_deinit(&c);
	assert_int_equal(budget.bytes, 0);
}

static void no_budget(void **state)
{
	struct stats_budget budget = {.bytes_max = sizeof(struct record_census)};
	struct census_stats c = {.budget = &budget};
	struct record_census r;

	for (uint64_t t = 0; t < 3; t++) {
		begin(&r, START + t * 30 * NS_PER_SEC);
		group(&r, 50 + t, -1);
		census_stats_add(&c, &r);
	}
	assert_int_equal(fill(&c, r.time_ns, false).groups[0].cnt, 52); /* the last one is known, no history */
	assert_true(isnan(fill(&c, r.time_ns, false).groups[0].per_minute));
	census_stats_deinit(&c);
	assert_int_equal(budget.bytes, 0);
}

static int again(const struct record *r, void *arg)
{
	assert_int_equal(record_check(r), 0);
	census_stats_add(arg, r->body);
	return 0;
}

static int stop(const struct record *r, void *arg)
{
	return -5;
}

/* Growth of a sample is told only where it cannot be chance: 100 of 10,000 were looked at, so 1,000 are +- 630. */
static void samples(void **state)
{
	static const struct {
		uint64_t to, walked;
		bool known;
	} rows[] = {{1500, 100, false}, {3000, 100, true}, {1050, 10000, true}, {1050, 5000, false}, {500, 100, false}};
	struct record_census r;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct census_stats c = {0};
		struct snapshot_sched s;

		for (uint64_t t = 0; t < 2; t++) {
			begin(&r, START + t * 60 * NS_PER_SEC);
			group(&r, t ? rows[i].to : 1000, -1);
			r.total = 10000;
			r.walked = rows[i].walked;
			census_stats_add(&c, &r);
		}
		s = fill(&c, r.time_ns, false);
		if (isnan(s.groups[0].per_minute) == rows[i].known || isnan(s.groups[0].growth_ratio) == rows[i].known)
			fail_msg("row %zu: %g a minute", i, s.groups[0].per_minute);
		census_stats_deinit(&c);
	}
}

static void dump(void **state)
{
	struct census_stats c = {0}, d = {0};
	struct snapshot_sched x, y;
	struct record_census r;

	assert_int_equal(census_stats_dump(&c, stop, NULL), 0);
	for (uint64_t t = 0; t <= 700; t += 10) {
		begin(&r, START + t * NS_PER_SEC);
		group(&r, 100 + t, (int64_t)((t + 1) * NS_PER_SEC));
		group(&r, 3 + t % 20, -1)->state = t % 20 ? GOROUTINE_SYSCALL : GOROUTINE_RUNNABLE;
		census_stats_add(&c, &r);
	}
	assert_int_equal(census_stats_dump(&c, stop, NULL), -5);
	assert_int_equal(census_stats_dump(&c, again, &d), 0);
	assert_int_equal(d.point_cnt, c.point_cnt);
	x = fill(&c, r.time_ns, false);
	y = fill(&d, r.time_ns, false);
	assert_int_equal(x.groups[0].mark, CENSUS_MAYBE_LEAK);
	assert_memory_equal(&x, &y, sizeof(x));
	census_stats_add(&d, &r); /* told twice */
	y = fill(&d, r.time_ns, false);
	assert_memory_equal(&x, &y, sizeof(x));
	census_stats_deinit(&c);
	census_stats_deinit(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing),   cmocka_unit_test(growth),
		cmocka_unit_test(leaks),     cmocka_unit_test(site_of_two_groups),
		cmocka_unit_test(blocked),   cmocka_unit_test(places),
		cmocka_unit_test(many_keys), cmocka_unit_test(no_budget),
		cmocka_unit_test(dump),      cmocka_unit_test(samples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
