/* SPDX-License-Identifier: BSD-2-Clause */
/* What container_stats keeps beside spans and readings: waits for a CPU in armed windows and between them, the slope of
 * memory, and single events on one clock. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "container_events.h"
#include "stats/container_stats.h"
#include "stats/histogram.h"

static void add_runq_window(struct container_stats *c, uint64_t start, uint64_t len, uint64_t wait, uint32_t cnt)
{
	struct event_runq_window e = {.hdr.time_ns = start + len,
				      .start_ns = start,
				      .cnt = cnt,
				      .sum_ns = wait * cnt,
				      .max_ns = wait,
				      .throttled_ns = MS};

	e.buckets[histogram_bucket(wait)] = cnt;
	container_stats_runq_window(c, &e);
}

static void runq_windows(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r = fill(c, NOW, 10 * SEC);

	assert_true(r.cpu.runq.cnt == -1 && isnan(r.cpu.runq_throttled_seconds) && isnan(r.cpu.runq_mean_seconds));
	assert_true(r.cpu.runq_watched_seconds == 0 && r.cpu.runq_outliers == STAT_UNKNOWN);

	container_stats_runq_armed(c, NOW - 9 * SEC, NOW - 9 * SEC + 100 * MS); /* nobody waited */
	r = fill(c, NOW, 10 * SEC);
	assert_true(r.cpu.runq.cnt == 0 && near(r.cpu.runq_watched_seconds, 0.1) && r.cpu.runq_outliers == 0);
	assert_true(fill(c, NOW, SEC).cpu.runq.cnt == -1);

	add_runq_window(c, NOW - 9 * SEC, 100 * MS, 1000, 98); /* the same armed window: once */
	add_runq_window(c, NOW - 5 * SEC, 100 * MS, 8 * MS, 2);
	add_runq_window(c, NOW - 10 * SEC - 50 * MS, 100 * MS, 100, 50);  /* reaches into the window */
	add_runq_window(c, NOW - 10 * SEC - 100 * MS, 100 * MS, 100, 50); /* does not */
	container_stats_runq_armed(c, NOW - 5 * SEC, NOW - 5 * SEC + 100 * MS);
	r = fill(c, NOW, 10 * SEC);
	assert_int_equal(r.cpu.runq.cnt, 150);
	assert_true(near(r.cpu.runq.sum, 50 * 100e-9 + 98 * 1000e-9 + 0.016) && near(r.cpu.runq.max, 0.008));
	assert_true(fabs(r.cpu.runq.p50 / 1000e-9 - 1) <= 0.125 && fabs(r.cpu.runq.p99 / 8e-3 - 1) <= 0.125);
	assert_true(isnan(r.cpu.runq.min) && near(r.cpu.runq_throttled_seconds, 0.003));
	assert_true(near(r.cpu.runq_watched_seconds, 0.05 + 0.1 + 0.1));
	assert_int_equal(container_stats_lost(c), 0);
}

/* Armed all the time, in pieces of 100 ms, some of them late: more windows than places, and none is lost. */
static void runq_always_armed(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	for (uint64_t i = 0; i < 1200; i++) {
		uint64_t at = i ^ 1;

		add_runq_window(c, NOW + at * 100 * MS, 100 * MS, 1000 + 500 * (at % 8), 3);
		container_stats_expire(c, NOW + at * 100 * MS);
	}
	r = fill(c, NOW + 120 * SEC, 60 * SEC);
	assert_in_range(r.cpu.runq.cnt, 1800, 1800 + 3 * 20); /* a merged window reaches at most 2 s further */
	assert_true(near(r.cpu.runq_watched_seconds, 60));
	assert_int_equal(fill(c, NOW + 120 * SEC, SEC).cpu.runq.cnt, 30);
	assert_int_equal(container_stats_lost(c), 0);
	container_stats_expire(c, NOW + 300 * SEC);
	assert_int_equal(fill(c, NOW + 300 * SEC, 60 * SEC).cpu.runq.cnt, -1);
}

static void add_mean(struct container_stats *c, uint64_t start, uint64_t end, uint64_t delay, uint64_t runs)
{
	struct event_runq_mean e = {.hdr.time_ns = end, .start_ns = start, .delay_ns = delay, .runs = runs};

	container_stats_runq_mean(c, &e);
}

static void runq_means(void **state)
{
	struct container_stats *c = *state;

	add_mean(c, NOW - 12 * SEC, NOW - 11 * SEC, 7 * SEC, 1);
	add_mean(c, NOW - 5 * SEC, NOW - 4 * SEC, 10 * MS, 100);
	add_mean(c, NOW - 4 * SEC, NOW - 3 * SEC, 900 * MS, 10); /* throttled in it */
	add_mean(c, NOW - 3 * SEC, NOW - 2 * SEC, 20 * MS, 50);
	add_mean(c, NOW - 2 * SEC, NOW - 1 * SEC, 0, 0);
	add_throttle(c, NOW - 3500 * MS, NOW - 3400 * MS, 1);
	assert_true(near(fill(c, NOW, 10 * SEC).cpu.runq_mean_seconds, 0.030 / 150));
	assert_true(isnan(fill(c, NOW - 1 * SEC, SEC).cpu.runq_mean_seconds)); /* nobody ran */
	add_throttle(c, NOW - 8 * SEC, NOW - 2500 * MS, 0);                    /* told late, and long */
	assert_true(isnan(fill(c, NOW, 10 * SEC).cpu.runq_mean_seconds));
	for (uint64_t i = 0; i < 1000; i++)
		add_mean(c, NOW, NOW + i, UINT64_MAX, UINT64_MAX);
	assert_true(near(fill(c, NOW + SEC, SEC).cpu.runq_mean_seconds, 1e-9));
	add_mean(c, NOW, NOW - 1, 1, 1);
	assert_int_equal(container_stats_lost(c), 1);
}

static void add_wait_behind(struct container_stats *c, uint64_t start, uint64_t end, uint64_t throttled,
			    const char *rival, bool own)
{
	struct event_runq e = {.hdr.time_ns = end, .start_ns = start, .throttled_ns = throttled};
	size_t len = strlen(rival);

	memcpy(e.prev_comm, rival, len < sizeof(e.prev_comm) ? len : sizeof(e.prev_comm));
	container_stats_runq(c, &e, own);
}

static void add_wait(struct container_stats *c, uint64_t start, uint64_t end, uint64_t throttled, const char *rival)
{
	add_wait_behind(c, start, end, throttled, rival, false);
}

/* Of two that share a name one may be its own: they are counted apart. */
static void runq_own_rival(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	for (int i = 0; i < 5; i++)
		add_wait_behind(c, NOW - 90 * MS, NOW - 70 * MS, 0, "app", i < 2);
	for (int i = 0; i < 4; i++) /* fewer than five */
		add_wait(c, NOW - 90 * MS, NOW - 70 * MS, 0, i < 2 ? "batch" : "");
	r = fill(c, NOW, 10 * SEC);
	assert_string_equal(r.cpu.runq_rival, "app");
	assert_false(r.cpu.runq_rival_own);
	assert_int_equal(r.cpu.runq.cnt, -1); /* no window: nothing is known of the others */
	for (int i = 0; i < 2; i++)
		add_wait_behind(c, NOW - 90 * MS, NOW - 70 * MS, 0, "app", true);
	assert_true(fill(c, NOW, 10 * SEC).cpu.runq_rival_own);
}

static void runq_outliers(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	add_wait(c, NOW - 90 * MS, NOW - 70 * MS, 0, "stress");
	add_wait(c, NOW - 200 * MS, NOW - 80 * MS, 100 * MS, "a-name-of-16-byte");
	add_wait(c, NOW - 90 * MS, NOW - 75 * MS, 0, "stress");
	add_wait(c, NOW - 90 * MS, NOW - 76 * MS, 0, "");
	add_wait(c, NOW - 90 * MS, NOW - 77 * MS, 0, "");
	add_wait(c, NOW - 90 * MS, NOW - 78 * MS, 0, "");
	add_wait(c, NOW - 30 * SEC, NOW - 20 * SEC, 0, "old");
	r = fill(c, NOW, 10 * SEC);
	assert_int_equal(r.cpu.runq_outliers, 6);
	assert_string_equal(r.cpu.runq_rival, "stress");
	add_wait(c, NOW, NOW - 1, 0, "x");
	add_wait(c, NOW - 10, NOW, 11, "x");
	assert_int_equal(container_stats_lost(c), 2);
	for (uint64_t i = 0; i < 3000; i++) /* names of the last ones, all of them counted */
		add_wait(c, NOW + i * MS, NOW + (i ^ 3) * MS + 10 * MS, 0, "many");
	r = fill(c, NOW + 4 * SEC, 10 * SEC);
	assert_int_equal(r.cpu.runq_outliers, 3006);
	assert_string_equal(r.cpu.runq_rival, "many");
	assert_int_equal(container_stats_lost(c), 2);
}

static void memory_and_kills(void **state)
{
	static const struct {
		uint64_t readings, step_ms;
		int64_t slope, saw;
		double want, tolerance;
	} rows[] = {
		{11, 5000, 1000, 0, NAN, 0},           /* 50 s */
		{13, 5000, 1000, 0, 1000, 1e-6},       /* 60 s */
		{300, 1000, -500, 0, -500, 1e-6},      /* one a second: every fifth is kept */
		{400, 5000, 12345, 0, 12345, 1e-3},    /* more than 5 minutes */
		{300, 1000, 1000, 5000000, 1000, 1e4}, /* a saw of 5 MB */
		{6000, 50, 80, 0, 80, 1e-6},           {1, 1000, 5, 0, NAN, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct container_stats *c;
		uint64_t t = NOW;
		double got;

		container_stats_new(NULL, &c);
		for (uint64_t k = 0; k < rows[i].readings; k++) {
			int64_t bytes = (int64_t)(k * rows[i].step_ms) * rows[i].slope / 1000 + 100000000;

			t = NOW + k * rows[i].step_ms * MS;
			container_stats_memory(c, t, bytes + (rows[i].saw ? (int64_t)(k % 7) * rows[i].saw / 7 : 0));
			container_stats_memory(c, t, STAT_UNKNOWN);
			container_stats_memory(c, t - 30 * SEC, 1);
		}
		got = fill(c, t, 10 * SEC).memory.growth_bytes_per_second;
		if (isnan(rows[i].want) ? !isnan(got) : !(fabs(got - rows[i].want) <= rows[i].tolerance))
			fail_msg("row %zu: %f", i, got);
		assert_true(isnan(fill(c, t + 70 * SEC, 10 * SEC).memory.growth_bytes_per_second)); /* no longer read */
		container_stats_free(c);
	}
	container_stats_oom(*state, NOW - 10 * SEC);
	container_stats_oom(*state, NOW - SEC);
	container_stats_oom(*state, NOW);
	assert_int_equal(fill(*state, NOW, 10 * SEC).memory.oom_kills_window, 2);
	for (int i = 0; i < 1000; i++)
		container_stats_oom(*state, NOW);
	assert_in_range(fill(*state, NOW, 10 * SEC).memory.oom_kills_window, 100, 1002);
	assert_int_equal(fill(*state, NOW, 10 * SEC).memory.oom_kills_window + (int64_t)container_stats_lost(*state),
			 1003);
}

static struct detail *detail(const struct container_stats *c, uint64_t from, uint64_t to)
{
	static struct detail ret;

	memset(&ret, 0xa5, sizeof(ret));
	container_stats_detail(c, from, to, &ret);
	for (int i = 1; i < ret.span_cnt; i++)
		assert_true(ret.spans[i - 1].start_ns <= ret.spans[i].start_ns);
	return &ret;
}

static void detail_spans(void **state)
{
	struct container_stats *c = *state;
	const struct detail *d;

	add_throttle(c, NOW - 900 * MS, NOW - 850 * MS, 7);
	add_throttle(c, NOW - 3 * SEC, NOW - 2 * SEC, 3);      /* before */
	add_throttle(c, NOW - 3 * SEC, NOW - 500 * MS, 70000); /* reaches into it; a CPU that fits no tag */
	add_pause(c, NOW - 700 * MS, NOW - 600 * MS, STW_READ_MEM_STATS);
	container_stats_mark(c, NOW - 100 * MS, NOW + 10 * SEC); /* reaches out of it */
	container_stats_mark(c, NOW + SEC, NOW + 2 * SEC);       /* behind */
	add_wait(c, NOW - 200 * MS, NOW - 80 * MS, 100 * MS, "stress");
	container_stats_runq_armed(c, NOW - 255 * MS, NOW - 200 * MS);
	d = detail(c, NOW - SEC, NOW);
	assert_int_equal(d->span_cnt, 5);
	assert_true(d->spans[0].lane == LANE_THROTTLE && d->spans[0].tag == UINT16_MAX);
	assert_true(d->spans[1].lane == LANE_THROTTLE && d->spans[1].tag == 7 && d->spans[1].wait_ns == 50 * MS);
	assert_true(d->spans[2].lane == LANE_STW && d->spans[2].tag == STW_READ_MEM_STATS);
	assert_true(d->spans[3].lane == LANE_RUNQ && d->spans[3].wait_ns == 20 * MS);
	assert_true(d->spans[3].end_ns - d->spans[3].start_ns == 120 * MS);
	assert_string_equal(d->spans[3].text, "stress");
	assert_true(d->spans[4].lane == LANE_MARK && d->spans[4].end_ns == NOW + 10 * SEC && !d->spans[4].text[0]);
	for (int i = 0; i < 100; i++)
		assert_int_equal(d->runq_watched[i], i >= 74 && i < 80);
	assert_int_equal(detail(c, NOW - 10 * SEC, NOW - 5 * SEC)->span_cnt, 0);
	assert_int_equal(detail(c, NOW, NOW - SEC)->span_cnt, 1); /* an empty range: what holds at that time */
	detail(c, 0, UINT64_MAX);
	assert_int_equal(d->span_cnt, 7);
}

/* Too many: the newest of all lanes stay. */
static void detail_bound(void **state)
{
	struct container_stats *c = *state;
	const struct detail *d;

	for (uint64_t i = 0; i < 5000; i++) {
		add_throttle(c, NOW + i * MS, NOW + i * MS + 100, 1);
		add_pause(c, NOW + i * MS, NOW + i * MS + 200, STW_GC_MARK_TERM);
		if (i % 10 == 0)
			add_wait(c, NOW + i * MS, NOW + i * MS + 300, 0, "r");
	}
	d = detail(c, NOW, NOW + 6 * SEC);
	assert_int_equal(d->span_cnt, DETAIL_SPANS);
	assert_true(d->spans[0].start_ns >= NOW + (5000 - DETAIL_SPANS * 10 / 21 - 2) * MS);
	assert_true(d->spans[DETAIL_SPANS - 1].start_ns == NOW + 4999 * MS);
}

static void detail_cycles_and_polls(void **state)
{
	struct container_stats *c = *state;
	const struct detail *d;

	assert_int_equal(detail(c, 0, NOW)->cycle_cnt, 0);
	assert_int_equal(detail(c, 0, NOW)->poll_cnt, 0);
	for (uint64_t i = 0; i < 30; i++) {
		struct gc_cycle_done done = {
			.cycle = true, .start_ns = NOW + i * SEC, .end_ns = NOW + (i ^ 1) * SEC + 5};

		done.procs = (uint32_t)i;
		container_stats_cycle_done(c, 42, &done);
	}
	d = detail(c, NOW, NOW + 60 * SEC);
	assert_true(d->cycle_cnt == DETAIL_CYCLES && d->cycles[0].pid == 42 && d->cycles[0].procs == 28);
	for (int i = 1; i < d->cycle_cnt; i++)
		assert_true(d->cycles[i].end_ns < d->cycles[i - 1].end_ns);
	assert_int_equal(detail(c, NOW, NOW + 20 * SEC)->cycle_cnt, 10); /* over by then */

	for (uint64_t i = 0; i < 1000; i++) {
		container_stats_poll(c, NOW + i * 10 * MS, (int64_t)i);
		container_stats_poll(c, NOW + i * 9 * MS, -1); /* late */
	}
	d = detail(c, NOW + 8005 * MS, NOW + 9005 * MS);
	assert_int_equal(d->poll_cnt, 102);
	assert_true(d->polls[0].cpu_ns == 800 && d->polls[101].cpu_ns == 901);
	assert_int_equal(detail(c, NOW, NOW + 60 * SEC)->poll_cnt, DETAIL_POLLS);
	container_stats_expire(c, NOW + 100 * SEC); /* the screen was closed */
	assert_int_equal(detail(c, NOW, NOW + 60 * SEC)->poll_cnt, 0);
	container_stats_poll(c, NOW, 1);
	assert_int_equal(detail(c, NOW, NOW + 60 * SEC)->poll_cnt, 1);
}

/* Everything at once in a place for almost nothing: bounded, and nothing stays charged. */
static void all_in_a_small_place(void **state)
{
	struct stats_budget budget = {.bytes_max = 3000};
	struct container_stats *c;
	struct snapshot_container r;
	uint64_t lost = 0;

	assert_int_equal(container_stats_new(&budget, &c), 0);
	for (uint64_t i = 0; i < 500; i++) {
		add_runq_window(c, NOW + i * SEC / 4, 100 * MS, 1000 << i % 20, 9);
		add_wait(c, NOW + i * MS, NOW + i * MS + 300, 0, "r");
		add_mean(c, NOW + i * MS, NOW + i * MS + 300, 1, 1);
		container_stats_oom(c, NOW + i * MS);
		add_pause(c, NOW + i * MS, NOW + i * MS + 300, 1);
		assert_true(budget.bytes <= budget.bytes_max);
		if (i % 100 == 99)
			container_stats_expire(c, NOW + i * SEC / 4);
	}
	for (int i = 0; i < SIGNAL_CNT; i++)
		lost += budget.lost[i];
	assert_true(lost > 0 && lost == container_stats_lost(c));
	assert_true(budget.lost[SIGNAL_CPU_SCHED] > 0);
	r = fill(c, NOW + 125 * SEC, 60 * SEC);
	assert_true(r.cpu.runq.cnt >= 0);
	detail(c, NOW, NOW + SEC);
	container_stats_free(c);
	assert_int_equal(budget.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(runq_windows),         TEST(runq_always_armed), TEST(runq_means),
		TEST(runq_outliers),        TEST(runq_own_rival),    TEST(memory_and_kills),
		TEST(detail_spans),         TEST(detail_bound),      TEST(detail_cycles_and_polls),
		TEST(all_in_a_small_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
