/* SPDX-License-Identifier: BSD-2-Clause */
/* Sums of goroutine windows: sites while one is open and the rest as "other", several windows put together by name, the
 * last one kept, lost events, what is not known, the bounds. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "stats/go_sched_stats.h"

#define START  (1000 * NS_PER_SEC)
#define MINUTE (60 * NS_PER_SEC)
#define US     1000ull

/* Ids are addresses of one process: less its bias they name the site, so that two processes share names. */
struct names {
	uint64_t bias;
	char function[64];
};

static struct go_sched_name name_of(enum sched_name_what what, uint64_t id, void *arg)
{
	static const char *const kinds[] = {[SCHED_NAME_CREATED] = "make", [SCHED_NAME_STACK] = "stop"};
	struct names *n = arg;

	if (what == SCHED_NAME_REASON)
		return (struct go_sched_name){id == 14 ? "IO wait" : "", ""};
	if (!id)
		return (struct go_sched_name){"", ""};
	snprintf(n->function, sizeof(n->function), "main.%s%d", kinds[what], (int)(id - n->bias));
	return (struct go_sched_name){n->function, "x.go:1"};
}

static struct go_sched_sum *sum_new(void)
{
	struct go_sched_sum *s;

	assert_int_equal(go_sched_sum_new(&s), 0);
	return s;
}

static void create(struct go_sched_sum *s, uint64_t gopc, unsigned int cnt)
{
	struct go_sched_event e = {.kind = GO_SCHED_NEW, .arg = gopc};

	while (cnt--)
		go_sched_sum_event(s, &e);
}

static void park(struct go_sched_sum *s, uint64_t stack, uint8_t reason, unsigned int cnt)
{
	struct go_sched_event e = {.kind = GO_SCHED_PARK, .arg = stack, .reason = reason};

	while (cnt--)
		go_sched_sum_event(s, &e);
}

static void wait_for(struct go_sched_sum *s, uint64_t gopc, enum goroutine_wake wake, uint64_t ns)
{
	struct goroutine_span x = {
		.kind = SPAN_WAIT, .start_ns = START, .end_ns = START + ns, .gopc = gopc, .wake = wake};

	go_sched_sum_span(s, &x);
}

/* A window of 100 ms that ends there; sum is freed. */
static uint64_t end_at(struct go_sched_stats *s, struct go_sched_sum *sum, uint64_t end_ns, uint64_t bias)
{
	struct record_sched_window r = {.start_ns = end_ns - 100 * NS_PER_MS,
					.end_ns = end_ns,
					.end = SCHED_WINDOW_TIME,
					.hits = {[GO_SCHED_RUN] = 10, [GO_SCHED_NEW] = 3, [GO_SCHED_PARK] = 7},
					.lost = {2, 1},
					.cost_ns = 1e6,
					.cpu_ns = 50 * NS_PER_MS};
	struct goroutine_track_counts counts = {.runs = 9, .created = 3, .exited = 1};
	struct names names = {.bias = bias};
	struct go_sched_end e = {
		.record = &r, .counts = sum ? &counts : NULL, .not_followed = 4, .name = name_of, .arg = &names};
	uint64_t lost = go_sched_stats_window(s, sum, &e);

	go_sched_sum_free(sum);
	return lost;
}

static struct snapshot_sched_window fill(const struct go_sched_stats *s, uint64_t now_ns, uint64_t window_ns)
{
	struct snapshot_container c;

	snapshot_container_init(&c);
	go_sched_stats_fill(s, now_ns, window_ns, &c.sched.window);
	return c.sched.window;
}

static bool near(double a, double b)
{
	return fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b));
}

static void check_site(const struct snapshot_site *x, const char *function, int64_t cnt, double per_second)
{
	if (strcmp(x->function, function) || x->cnt != cnt || !near(x->per_second, per_second))
		fail_msg("%s %d %g, not %s %d %g", x->function, (int)x->cnt, x->per_second, function, (int)cnt,
			 per_second);
}

/* Nothing yet, and a window of which nothing was followed: its counts are the kernel side's, its waits unknown. */
static void none(void **state)
{
	struct snapshot_sched_window w;
	struct go_sched_stats s;

	go_sched_stats_init(&s, NULL);
	w = fill(&s, START, MINUTE);
	assert_int_equal(w.windows, 0);
	assert_int_equal(w.latency.cnt, -1);
	assert_int_equal(end_at(&s, NULL, START, 0), 0);
	w = fill(&s, START, MINUTE);
	assert_int_equal(w.windows, 1);
	assert_int_equal(w.latency.cnt, -1);
	assert_int_equal(w.netpoll.cnt, -1);
	assert_int_equal(w.runs, 10);
	assert_int_equal(w.created, 3);
	assert_int_equal(w.hits, 20);
	assert_int_equal(w.site_cnt + w.wait_cnt + w.park_cnt, 0);
	go_sched_stats_deinit(&s);
}

static void one(void **state)
{
	struct go_sched_sum *sum = sum_new();
	struct snapshot_sched_window w;
	struct go_sched_stats s;

	go_sched_stats_init(&s, NULL);
	create(sum, 1, 30);
	create(sum, 2, 50);
	park(sum, 1, 14, 5);
	park(sum, 1, 15, 6); /* the same place, another reason, whose name is not known */
	park(sum, 0, 14, 7); /* its place is not known */
	wait_for(sum, 1, WAKE_CREATED, 100 * US);
	wait_for(sum, 1, WAKE_NETPOLL, 300 * US);
	wait_for(sum, 2, WAKE_READY, 50 * US);
	go_sched_sum_span(sum, &(struct goroutine_span){.kind = SPAN_RUN, .end_ns = 1000});
	go_sched_sum_span(sum, &(struct goroutine_span){.kind = SPAN_PARK, .end_ns = 1000});
	assert_int_equal(end_at(&s, sum, START, 0), 0);
	w = fill(&s, START + NS_PER_SEC, MINUTE);
	assert_int_equal(w.latency.cnt, 3);
	assert_true(near(w.latency.sum, 450e-6) && near(w.latency.max, 300e-6) && near(w.latency.min, 50e-6));
	assert_int_equal(w.netpoll.cnt, 1);
	assert_true(near(w.netpoll.sum, 300e-6));
	assert_true(near(w.seconds, 0.1) && near(w.age_seconds, 1) && near(w.cpu_seconds, 0.05));
	assert_int_equal(w.runs, 9); /* as followed */
	assert_int_equal(w.lost, 2 + 1 + 4);
	assert_int_equal(w.site_cnt, 2);
	check_site(&w.sites[0], "main.make2", 50, 500);
	check_site(&w.sites[1], "main.make1", 30, 300);
	assert_int_equal(w.wait_cnt, 2);
	check_site(&w.waits[0], "main.make1", 2, 400e-6 / 0.1);
	check_site(&w.waits[1], "main.make2", 1, 50e-6 / 0.1);
	assert_int_equal(w.park_cnt, 3);
	check_site(&w.parks[0], "IO wait", 7, 70);
	check_site(&w.parks[1], "unknown at main.stop1", 6, 60);
	check_site(&w.parks[2], "IO wait at main.stop1", 5, 50);
	go_sched_stats_deinit(&s);
}

/* Two processes whose code lies elsewhere: sites are the same by their names. Rates are per armed second. */
static void merged(void **state)
{
	struct snapshot_sched_window w;
	struct go_sched_sum *sum;
	struct go_sched_stats s;

	go_sched_stats_init(&s, NULL);
	for (uint64_t i = 0; i < 3; i++) {
		sum = sum_new();
		create(sum, 0x1000 * i + 1, 10);
		park(sum, 0x1000 * i + 5, 14, 1);
		wait_for(sum, 0x1000 * i + 1, i ? WAKE_READY : WAKE_NETPOLL, 100 * US * (i + 1));
		assert_int_equal(end_at(&s, sum, START + (2 - i) * 10 * NS_PER_SEC, 0x1000 * i), 0); /* any order */
	}
	w = fill(&s, START + 20 * NS_PER_SEC, MINUTE);
	assert_int_equal(w.windows, 3);
	assert_true(near(w.seconds, 0.3) && near(w.cost_seconds, 3e-3) && near(w.cpu_seconds, 0.15));
	assert_int_equal(w.latency.cnt, 3);
	assert_true(near(w.latency.sum, 600e-6) && near(w.latency.min, 100e-6));
	assert_int_equal(w.netpoll.cnt, 1);
	assert_int_equal(w.runs, 27);
	assert_int_equal(w.lost, 21);
	assert_int_equal(w.site_cnt, 1);
	check_site(&w.sites[0], "main.make1", 30, 100);
	check_site(&w.parks[0], "IO wait at main.stop5", 3, 10);
	/* Those that ended in the last 15 s; then none did, and it is the last one's. */
	assert_int_equal(fill(&s, START + 20 * NS_PER_SEC, 15 * NS_PER_SEC).windows, 2);
	w = fill(&s, START + 500 * NS_PER_SEC, 15 * NS_PER_SEC);
	assert_int_equal(w.windows, 1);
	assert_true(near(w.age_seconds, 480) && near(w.latency.max, 100e-6));
	go_sched_stats_deinit(&s);
}

/* What one of them does not know is not known of all. */
static void unknown(void **state)
{
	struct record_sched_window r = {
		.start_ns = START, .end_ns = START + 1, .end = SCHED_WINDOW_GONE, .cost_ns = NAN};
	struct go_sched_end e = {.record = &r, .name = name_of};
	struct snapshot_sched_window w;
	struct go_sched_stats s;

	go_sched_stats_init(&s, NULL);
	assert_int_equal(end_at(&s, sum_new(), START, 0), 0);
	assert_int_equal(go_sched_stats_window(&s, NULL, &e), 0);
	w = fill(&s, START + NS_PER_SEC, MINUTE);
	assert_int_equal(w.windows, 2);
	assert_true(isnan(w.cost_seconds));
	assert_true(isnan(w.cpu_seconds));
	assert_true(w.lost == STAT_UNKNOWN);
	assert_int_equal(w.end, SCHED_WINDOW_GONE);
	assert_int_equal(w.latency.cnt, 0); /* of the one that was followed */
	r.end_ns = START - 5; /* hostile: its end is before its start, and none of its time is below zero */
	assert_int_equal(go_sched_stats_window(&s, NULL, &e), 0);
	assert_true(fill(&s, START + NS_PER_SEC, MINUTE).seconds < 0.11);
	go_sched_stats_deinit(&s);
}

/* More sites than are told apart, and more than are kept: all of it is in the sums. */
static void other(void **state)
{
	struct go_sched_sum *sum = sum_new();
	struct snapshot_sched_window w;
	struct go_sched_stats s;
	int64_t in_six = 0;

	go_sched_stats_init(&s, NULL);
	for (uint64_t i = 1; i <= GO_SCHED_SITES_MAX + 100; i++) {
		create(sum, i << 20, i <= 30 ? 1000 - (unsigned int)i : 1);
		park(sum, i << 20, 14, 1);
		wait_for(sum, i << 20, WAKE_READY, i == 200 ? 5000 * US : US);
	}
	assert_int_equal(end_at(&s, sum, START, 0), 0);
	w = fill(&s, START, MINUTE);
	assert_int_equal(w.site_cnt, SNAPSHOT_SITES);
	/* the 24 most often made are kept, and shown after "other", which is more than each of them */
	for (int i = 0; i < w.site_cnt; i++)
		in_six += w.sites[i].cnt;
	assert_true(in_six > 6000);
	assert_string_equal(w.sites[0].function, "other");
	assert_string_equal(w.waits[0].function, "main.make209715200"); /* seldom made, waited longest */
	assert_string_equal(w.parks[0].function, "other");
	assert_int_equal(w.parks[0].cnt, GO_SCHED_SITES_MAX + 100 - GO_SCHED_SITES_KEPT);
	assert_int_equal(w.latency.cnt, GO_SCHED_SITES_MAX + 100);
	go_sched_stats_deinit(&s);
}

/* Beyond the bound the two oldest become one; nothing of the sums is lost, other than the order in time. */
static void bound(void **state)
{
	const int64_t cnt = 3 * GO_SCHED_WINDOWS_MAX;
	struct stats_budget budget = {.bytes_max = 64 << 20};
	struct snapshot_sched_window w;
	struct go_sched_stats s;

	go_sched_stats_init(&s, &budget);
	for (int64_t i = 0; i < cnt; i++) {
		struct go_sched_sum *sum = sum_new();

		for (uint64_t k = 1; k < 100; k++) /* most of them names of that window alone */
			create(sum, k < 4 ? k : 1000 * (uint64_t)i + k, 2);
		park(sum, 5, 14, 1);
		wait_for(sum, 3, WAKE_READY, 10 * US);
		assert_int_equal(end_at(&s, sum, START + (uint64_t)i * NS_PER_SEC, 0), 0);
	}
	assert_int_equal(s.cnt, GO_SCHED_WINDOWS_MAX);
	w = fill(&s, START + (uint64_t)cnt * NS_PER_SEC, 3600 * NS_PER_SEC);
	assert_int_equal(w.windows, cnt);
	assert_int_equal(w.latency.cnt, cnt);
	assert_int_equal(w.lost, 7 * cnt);
	assert_true(near(w.seconds, 0.1 * (double)cnt));
	assert_string_equal(w.sites[0].function, "other");
	check_site(&w.waits[0], "main.make3", cnt, 100e-6);
	check_site(&w.parks[0], "IO wait at main.stop5", cnt, 10);
	assert_true(budget.bytes > 0 && budget.bytes < 1 << 20);
	go_sched_stats_deinit(&s);
	assert_int_equal(budget.bytes, 0);
}

/* Old ones go, the last one stays; the budget gets its bytes back. One that finds no place is counted. */
static void expiry(void **state)
{
	struct stats_budget budget = {.bytes_max = 1 << 20};
	struct go_sched_stats s;
	size_t of_one;

	go_sched_stats_init(&s, &budget);
	go_sched_stats_expire(&s, UINT64_MAX);
	assert_int_equal(end_at(&s, sum_new(), START, 0), 0);
	of_one = budget.bytes;
	assert_true(of_one > 0);
	for (uint64_t i = 1; i < 5; i++)
		assert_int_equal(end_at(&s, sum_new(), START + i * NS_PER_SEC, 0), 0);
	assert_int_equal(budget.bytes, 5 * of_one);
	go_sched_stats_expire(&s, START + NS_PER_SEC);
	assert_int_equal(s.cnt, 3);
	assert_int_equal(fill(&s, START + 4 * NS_PER_SEC, MINUTE).windows, 3);
	go_sched_stats_expire(&s, UINT64_MAX);
	assert_int_equal(s.cnt, 1);
	assert_int_equal(budget.bytes, of_one);
	budget.bytes_max = of_one;
	assert_int_equal(end_at(&s, sum_new(), START + 9 * NS_PER_SEC, 0), 1);
	assert_int_equal(s.cnt, 1);
	go_sched_stats_deinit(&s);
	assert_int_equal(budget.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none),  cmocka_unit_test(one),   cmocka_unit_test(merged), cmocka_unit_test(unknown),
		cmocka_unit_test(other), cmocka_unit_test(bound), cmocka_unit_test(expiry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
