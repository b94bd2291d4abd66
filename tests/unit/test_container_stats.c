/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows over raw events: what counts whole, what is cut, late and too many events, edges, ratios of readings. The
 * union is compared with a count of single time slots over random intervals. */
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

static void empty(void **state)
{
	struct snapshot_container r = fill(*state, NOW, 10 * SEC);

	assert_int_equal(r.gc.pause.cnt, 0);
	assert_int_equal(r.gc.cycles, 0);
	assert_int_equal(r.cpu.intervals, 0);
	assert_true(r.cpu.ratio == 0 && r.gc.mark_wall_ratio == 0);
	assert_true(isnan(r.cpu.usage_seconds) && isnan(r.cpu.usage_cpus) && isnan(r.gc.cpu_ratio));
	assert_true(isnan(r.cost_ratio) && isnan(r.cpu.kernel_cpu_seconds));
	assert_int_equal(r.cpu.nr_periods, STAT_UNKNOWN);
	assert_int_equal(r.seen_ns, 10 * SEC);
}

static void pauses_by_their_end(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	add_pause(c, NOW - 12 * SEC, NOW - 10 * SEC, STW_GC_MARK_TERM);      /* ends on the edge: before the window */
	add_pause(c, NOW - 12 * SEC, NOW - 10 * SEC + 1, STW_GC_SWEEP_TERM); /* counts whole: 2 s and 1 ns */
	add_pause(c, NOW - 3 * MS, NOW - 1 * MS, STW_GC_MARK_TERM);
	add_pause(c, NOW - 1 * MS, NOW, STW_READ_MEM_STATS);
	add_pause(c, NOW - 1 * MS, NOW + 1, STW_READ_MEM_STATS); /* not yet over */
	add_pause(c, NOW - 5 * MS, NOW - 4 * MS, 4000000000u);
	r = fill(c, NOW, 10 * SEC);
	assert_int_equal(r.gc.pause.cnt, 4);
	assert_true(near(r.gc.pause.max, 2.000000001));
	assert_true(near(r.gc.pause.min, 0.001) && near(r.gc.pause.sum, 2.004000001));
	assert_int_equal(r.gc.pauses_by_reason[STW_GC_MARK_TERM], 1);
	assert_int_equal(r.gc.pauses_by_reason[STW_GC_SWEEP_TERM], 1);
	assert_int_equal(r.gc.pauses_by_reason[STW_READ_MEM_STATS], 1);
	assert_int_equal(r.gc.pauses_by_reason[STW_TEST_FIRST], 1);

	/* windows that follow one another count each once */
	assert_int_equal(fill(c, NOW - 10 * SEC, 10 * SEC).gc.pause.cnt, 1);
	assert_int_equal(fill(c, NOW + 10 * SEC, 10 * SEC).gc.pause.cnt, 1);
}

static void cycles_and_marks(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	container_stats_cycle(c, NOW - 11 * SEC, NOW - 9 * SEC);
	container_stats_cycle(c, NOW - 20 * SEC, NOW - 15 * SEC);
	container_stats_mark(c, NOW - 11 * SEC, NOW - 9 * SEC);            /* 1 s of it in the window */
	container_stats_mark(c, NOW - 10 * SEC, NOW - 9 * SEC - 500 * MS); /* another process, inside the first */
	container_stats_mark(c, NOW - 2 * SEC, NOW - 1 * SEC);
	r = fill(c, NOW, 10 * SEC);
	assert_int_equal(r.gc.cycles, 1);
	assert_int_equal(r.gc.mark.cnt, 3);
	assert_true(near(r.gc.mark.max, 2.0) && near(r.gc.mark.min, 0.5));
	assert_true(near(r.gc.mark_wall_ratio, 0.2));
}

struct span_row {
	int64_t start_ms, end_ms; /* relative to NOW */
};

static void throttle_cover(void **state)
{
	static const struct {
		struct span_row spans[6];
		int cnt, intervals, ended;
		double union_s, cpu_s;
	} rows[] = {
		{{{-500, -400}}, 1, 1, 1, .1, .1},
		{{{-500, -400}, {-500, -400}}, 2, 2, 2, .1, .2},                /* two CPUs */
		{{{-500, -400}, {-450, -350}, {-360, -300}}, 3, 3, 3, .2, .26}, /* overlapping in a chain */
		{{{-900, -100}, {-500, -400}, {-300, -200}}, 3, 3, 3, .8, 1.},  /* nested */
		{{{-500, -400}, {-300, -200}, {-900, -100}}, 3, 3, 3, .8, 1.},  /* nested, the outer one late */
		{{{-500, -400}, {-400, -300}}, 2, 2, 2, .2, .2},                /* touching */
		{{{-1500, -900}, {-3000, -1000}}, 2, 1, 1, .1, .1},             /* cut at the begin; one over */
		{{{-200, 100}, {-100, 200}, {50, 300}}, 3, 2, 0, .2, .3},       /* cut at the end; one later */
		{{{-5000, 5000}, {-500, -400}}, 2, 2, 1, 1., 1.1},              /* longer than the window */
		{{{-5000, 5000}, {-5000, 4000}, {-900, 3000}}, 3, 3, 0, 1., 2.9},
		{{{0, 0}}, 0, 0, 0, 0, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct container_stats *c;
		struct snapshot_container r;

		assert_int_equal(container_stats_new(NULL, &c), 0);
		for (int k = 0; k < rows[i].cnt; k++)
			add_throttle(c, NOW + (uint64_t)(rows[i].spans[k].start_ms * (int64_t)MS),
				     NOW + (uint64_t)(rows[i].spans[k].end_ms * (int64_t)MS), (uint32_t)k);
		r = fill(c, NOW, SEC);
		if (r.cpu.intervals != rows[i].intervals || !near(r.cpu.union_seconds, rows[i].union_s) ||
		    !near(r.cpu.cpu_seconds, rows[i].cpu_s) || !near(r.cpu.ratio, rows[i].union_s) ||
		    r.cpu.length.cnt != rows[i].ended)
			fail_msg("row %zu: %d intervals, union %.9f, sum %.9f, %d ended", i, (int)r.cpu.intervals,
				 r.cpu.union_seconds, r.cpu.cpu_seconds, (int)r.cpu.length.cnt);
		container_stats_free(c);
	}
}

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 2685821657736338717ull;
}

/* Random intervals in random order against a bitmap of 10 ms slots. */
static void throttle_cover_random(void **state)
{
	uint64_t seed = 11;

	for (int round = 0; round < 200; round++) {
		unsigned char slot[300] = {0};
		uint64_t sum = 0, cnt = 0, covered = 0, n = next(&seed) % 60;
		struct container_stats *c;
		struct snapshot_container r;

		assert_int_equal(container_stats_new(NULL, &c), 0);
		for (uint64_t k = 0; k < n; k++) {
			uint64_t a = next(&seed) % 290, len = 1 + next(&seed) % (k % 7 ? 9 : 150), inside = 0;

			add_throttle(c, NOW + a * 10 * MS, NOW + (a + len) * 10 * MS, 0);
			for (uint64_t t = a; t < a + len; t++) {
				if (t < 300)
					slot[t] = 1;
				inside += t >= 100 && t < 200;
			}
			sum += inside;
			cnt += inside > 0;
		}
		for (int t = 100; t < 200; t++)
			covered += slot[t];
		r = fill(c, NOW + 2 * SEC, SEC);
		assert_int_equal(r.cpu.intervals, cnt);
		assert_true(near(r.cpu.union_seconds, (double)covered / 100));
		assert_true(near(r.cpu.cpu_seconds, (double)sum / 100));
		container_stats_free(c);
	}
}

static void late_events(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	for (uint64_t i = 0; i < 500; i++) /* newest first: each but the first is late */
		add_pause(c, NOW - (i + 1) * 20 * MS, NOW - (i + 1) * 20 * MS + (i + 1) * 1000, STW_GC_MARK_TERM);
	r = fill(c, NOW, SEC);
	assert_int_equal(r.gc.pause.cnt, 50);
	assert_true(near(r.gc.pause.max, 50e-6));
	r = fill(c, NOW, 10 * SEC);
	assert_int_equal(r.gc.pause.cnt, 500);
	assert_true(near(r.gc.pause.p50, 250e-6));
	assert_int_equal(container_stats_lost(c), 0);
}

static void bounds(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	for (uint64_t i = 0; i < STATS_PAUSES_MAX + 100; i++)
		add_pause(c, NOW - 2 * SEC + i * 1000, NOW - 2 * SEC + i * 1000 + 500, STW_GC_MARK_TERM);
	assert_int_equal(container_stats_lost(c), 100);
	r = fill(c, NOW, 10 * SEC);
	assert_int_equal(r.gc.pause.cnt, STATS_PAUSES_MAX); /* the oldest gave way */
	assert_true(near(r.gc.pause.max, 500e-9));

	add_pause(c, NOW - 50 * SEC, NOW - 49 * SEC, STW_GC_MARK_TERM); /* older than all that is kept */
	assert_int_equal(container_stats_lost(c), 101);
	add_pause(c, NOW, NOW - 1, STW_GC_MARK_TERM); /* ends before it begins */
	assert_int_equal(container_stats_lost(c), 102);

	for (uint64_t i = 0; i < STATS_THROTTLES_MAX + 7; i++)
		add_throttle(c, NOW - SEC + i * 1000, NOW - SEC + i * 1000 + 900, 0);
	for (uint64_t i = 0; i < STATS_MISSED_MAX + 3; i++)
		add_missed(c, NOW - SEC, NOW - SEC + i, 1);
	assert_int_equal(container_stats_lost(c), 102 + 7 + 3);
	r = fill(c, NOW, 10 * SEC);
	assert_int_equal(r.cpu.intervals, STATS_THROTTLES_MAX);
	assert_int_equal(r.cpu.length.cnt, STATS_THROTTLES_MAX);
	assert_true(r.cpu.length.max == 900e-9); /* exact beside a histogram's percentiles */
}

static void expiry(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	for (uint64_t t = SEC; t <= NOW; t += SEC / 10) {
		add_pause(c, t - MS, t, STW_GC_MARK_TERM);
		add_throttle(c, t - 10 * MS, t, 0);
		add_missed(c, t - 10 * MS, t, MS);
		add_usage(c, t, (int64_t)(t / 2), (int64_t)(t / (SEC / 10)), 0, 0);
		container_stats_expire(c, t);
	}
	r = fill(c, NOW, 60 * SEC);
	assert_int_equal(r.gc.pause.cnt, 600);
	assert_int_equal(r.cpu.intervals, 600);
	assert_true(near(r.cpu.missed_seconds, 0.6));
	assert_true(near(r.cpu.usage_seconds, 30.0) && near(r.cpu.usage_cpus, 0.5));
	assert_int_equal(r.cpu.nr_periods, 600);
	assert_int_equal(container_stats_lost(c), 0);

	container_stats_expire(c, NOW + 61 * SEC);
	r = fill(c, NOW, 60 * SEC);
	assert_int_equal(r.gc.pause.cnt, 0);
	assert_int_equal(r.cpu.intervals, 0);
	assert_true(r.cpu.missed_seconds == 0);
}

static void missed(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	add_missed(c, NOW - 1100 * MS, NOW - 900 * MS, 100 * (int64_t)MS); /* half of it */
	add_missed(c, NOW - 500 * MS, NOW - 400 * MS, 30 * (int64_t)MS);
	add_missed(c, NOW - 300 * MS, NOW - 200 * MS, -5 * (int64_t)MS); /* our stamps were late */
	add_missed(c, NOW - 100 * MS, NOW - 100 * MS, 7 * (int64_t)MS);  /* no width */
	add_missed(c, NOW - 3 * SEC, NOW - 2 * SEC, 1000 * (int64_t)MS);
	r = fill(c, NOW, SEC);
	assert_true(near(r.cpu.missed_seconds, 0.050 + 0.030 - 0.005 + 0.007));
	assert_int_equal(r.cpu.intervals, 0);
}

static void watched_inside_the_window(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	add_throttle(c, NOW - 3 * SEC, NOW - 1 * SEC, 0); /* began before watching did */
	container_stats_mark(c, NOW - 1 * SEC, NOW - 500 * MS);
	snapshot_container_init(&r);
	r.seen_ns = 2 * SEC; /* told by the caller */
	container_stats_fill(c, NOW, 10 * SEC, &r);
	assert_true(near(r.cpu.union_seconds, 1.0) && near(r.cpu.ratio, 0.5) && near(r.gc.mark_wall_ratio, 0.25));
	assert_int_equal(r.seen_ns, 2 * SEC);

	add_usage(c, NOW - 4 * SEC, 0, 0, 0, 0); /* by the first reading */
	r = fill(c, NOW, 10 * SEC);
	assert_int_equal(r.seen_ns, 4 * SEC);
	assert_true(near(r.cpu.ratio, 0.5));

	container_stats_since(c, NOW - 1 * SEC - 500 * MS); /* told outright */
	r = fill(c, NOW, 10 * SEC);
	assert_true(near(r.cpu.union_seconds, 0.5) && near(r.cpu.ratio, 0.5 / 1.5));
	r = fill(c, NOW, SEC);
	assert_int_equal(r.seen_ns, SEC);

	container_stats_since(c, NOW + SEC); /* not yet */
	r = fill(c, NOW, 10 * SEC);
	assert_true(isnan(r.cpu.ratio) && isnan(r.gc.mark_wall_ratio));
	assert_int_equal(r.seen_ns, 0);
}

static void usage_between_the_nearest_readings(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	/* 2 CPUs, 6 of 10 periods throttled a second, readings 0.3 s beside the full seconds, the last right now */
	for (uint64_t s = 80; s < 100; s++)
		add_usage(c, s * SEC + 300 * MS, (int64_t)(2 * (s * SEC + 300 * MS)), (int64_t)(s * 10 + 3),
			  (int64_t)(s * 6 + 2), (int64_t)(s * SEC));
	add_usage(c, NOW, (int64_t)(2 * NOW), 1000, 600, (int64_t)NOW);
	r = fill(c, NOW, 10 * SEC); /* edges: 90.3 and 100 */
	assert_true(near(r.cpu.usage_seconds, 19.4) && near(r.cpu.usage_cpus, 2.0));
	assert_int_equal(r.cpu.nr_periods, 97);
	assert_int_equal(r.cpu.nr_throttled, 58);
	assert_true(near(r.cpu.kernel_cpu_seconds, 10.0));
	r = fill(c, NOW, SEC); /* 99.3 to 100 */
	assert_true(near(r.cpu.usage_cpus, 2.0) && near(r.cpu.usage_seconds, 1.4));
	r = fill(c, NOW + 20 * SEC, 10 * SEC); /* nothing read in it */
	assert_true(isnan(r.cpu.usage_seconds));
	assert_int_equal(r.cpu.nr_periods, STAT_UNKNOWN);
}

static void readings_that_break(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	add_usage(c, 90 * SEC, 1000000, 5000, 100, 7);
	add_usage(c, 92 * SEC, 2000000, 5020, 110, 9);
	add_usage(c, 94 * SEC, 3000000, 40, 3, 1);       /* another cgroup holds the quota now */
	add_usage(c, 96 * SEC, LIMIT_UNKNOWN, 60, 5, 2); /* unreadable once */
	add_usage(c, 98 * SEC, 9000000, 80, 7, 3);
	add_usage(c, 97 * SEC, 1, 1, 1, 1); /* older than the last: ignored */
	add_usage(c, 100 * SEC, 10000000, 100, 9, 5);
	r = fill(c, NOW, 10 * SEC);
	assert_int_equal(r.cpu.nr_periods, 20 + 20 + 20 + 20);
	assert_int_equal(r.cpu.nr_throttled, 10 + 2 + 2 + 2);
	assert_true(near(r.cpu.usage_seconds, 3e-3)); /* the steps that were read */
	add_usage(c, 100 * SEC + 200 * MS, LIMIT_UNKNOWN, 102, 9, 5);
	r = fill(c, NOW + 200 * MS, 10 * SEC);
	assert_true(isnan(r.cpu.usage_seconds));
	assert_int_not_equal(r.cpu.nr_periods, STAT_UNKNOWN);
}

static void two_cgroups_in_one_counter(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	add_usage(c, 90 * SEC, 0, 10, 0, 0);
	add_usage(c, 100 * SEC, 0, 20, 500, 0); /* more throttled than periods */
	r = fill(c, NOW, 10 * SEC);
	assert_int_equal(r.cpu.nr_periods, STAT_UNKNOWN);
	assert_int_equal(r.cpu.nr_throttled, STAT_UNKNOWN);
}

static void many_readings(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	for (uint64_t t = 0; t <= 60 * SEC; t += MS) /* a thousand a second: thinned out, the window stays whole */
		add_usage(c, 40 * SEC + t, (int64_t)t, 0, 0, 0);
	r = fill(c, NOW, 60 * SEC);
	assert_true(fabs(r.cpu.usage_seconds - 60.0) < 0.07);
	assert_true(near(r.cpu.usage_cpus, 1.0));
}

static void shares(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	for (uint64_t s = 90; s <= 100; s++) {
		add_usage(c, s * SEC, (int64_t)(s * 2 * SEC), 0, 0, 0);
		container_stats_gc_cpu(c, s * SEC, (int64_t)(s * SEC), (int64_t)(s * SEC / 4));
		container_stats_cost(c, s * SEC, (double)(s * 2 * MS));
	}
	r = fill(c, NOW, 10 * SEC);
	assert_true(near(r.gc.cpu_ratio, 0.5) && near(r.gc.assist_seconds, 2.5) && near(r.cost_ratio, 0.001));

	container_stats_gc_cpu(c, NOW + SEC, (int64_t)(500 * SEC), 0); /* more than was used: not a share */
	add_usage(c, NOW + SEC, (int64_t)(202 * SEC), 0, 0, 0);
	r = fill(c, NOW + SEC, 10 * SEC);
	assert_true(isnan(r.gc.cpu_ratio));
}

/* The runtime's figure is wall time: it stands where threads hardly wait, is scaled where they do a little, and says
 * nothing where they wait much, or where nobody knows and the quota held them. */
static void share_of_gc_while_waiting(void **state)
{
	static const struct {
		double waiting; /* threads; negative: not known */
		uint64_t throttle_ns;
		double ratio; /* 0: unknown */
		bool estimated;
	} rows[] = {
		{0, 0, 0.5, false}, {0.1, 0, 0.5, false}, {0.4, 0, 0.5 * 2 / 2.4, true}, {0.6, 0, 0, true},
		{3.4, 0, 0, true},  {-1, 0, 0.5, false},  {-1, SEC, 0, false},           {0.1, SEC, 0.5, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct container_stats *c;
		struct snapshot_container r;

		assert_int_equal(container_stats_new(NULL, &c), 0);
		for (uint64_t s = 90; s <= 100; s++) {
			struct event_runq_mean m = {.hdr = {.time_ns = s * SEC}, .start_ns = (s - 1) * SEC, .runs = 9};

			add_usage(c, s * SEC, (int64_t)(s * 2 * SEC), 0, 0, 0);
			container_stats_gc_cpu(c, s * SEC, (int64_t)(s * SEC), 0);
			m.delay_ns = (uint64_t)(fmax(rows[i].waiting, 0) * (double)SEC);
			if (rows[i].waiting >= 0)
				container_stats_runq_mean(c, &m);
		}
		if (rows[i].throttle_ns) {
			struct event_throttle t = {.hdr = {.time_ns = 95 * SEC},
						   .start_ns = 95 * SEC - rows[i].throttle_ns};

			container_stats_throttle(c, &t);
		}
		r = fill(c, NOW, 10 * SEC);
		if (rows[i].ratio ? !near(r.gc.cpu_ratio, rows[i].ratio) : !isnan(r.gc.cpu_ratio))
			fail_msg("row %zu: %f", i, r.gc.cpu_ratio);
		assert_int_equal(r.gc.cpu_estimated, rows[i].estimated);
		container_stats_free(c);
	}
}

static void shares_of_nothing(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	for (uint64_t s = 90; s <= 100; s++) {
		add_usage(c, s * SEC, 5, 0, 0, 0);
		container_stats_gc_cpu(c, s * SEC, INT64_MIN, INT64_MIN);
		container_stats_cost(c, s * SEC, NAN);
	}
	r = fill(c, NOW, 10 * SEC);
	assert_true(r.cpu.usage_seconds == 0 && isnan(r.gc.cpu_ratio) && isnan(r.gc.assist_seconds));
	assert_true(isnan(r.cost_ratio));
}

static void long_pauses(void **state)
{
	struct container_stats *c = *state;
	struct snapshot_container r;

	add_throttle(c, NOW - 900 * MS, NOW - 800 * MS, 0);
	add_throttle(c, NOW - 895 * MS, NOW - 790 * MS, 1);
	add_throttle(c, NOW - 700 * MS, NOW - 100 * MS, 1); /* longer than several periods */
	add_throttle(c, NOW - 95 * MS, NOW - 90 * MS, 1);
	add_pause(c, NOW - 850 * MS, NOW - 810 * MS, STW_GC_MARK_TERM);  /* inside */
	add_pause(c, NOW - 790 * MS, NOW - 700 * MS, STW_GC_SWEEP_TERM); /* touches on both sides only */
	add_pause(c, NOW - 650 * MS, NOW - 640 * MS, STW_GC_SWEEP_TERM); /* inside the long one */
	add_pause(c, NOW - 600 * MS, NOW - 591 * MS, STW_GC_SWEEP_TERM); /* short */
	add_pause(c, NOW - 50 * MS, NOW - 20 * MS, STW_GC_SWEEP_TERM);   /* after all */
	r = fill(c, NOW, SEC);
	assert_int_equal(r.gc.long_pauses, 4);
	assert_int_equal(r.gc.long_pauses_throttled, 2);
	assert_true(near(r.gc.long_pause_throttled_max, 0.040));

	/* held for seconds on one CPU, while others come and go */
	for (uint64_t t = 100; t < 9000; t += 100)
		add_throttle(c, NOW + t * MS, NOW + (t + 50) * MS, 1);
	add_throttle(c, NOW - 30 * MS, NOW + 10 * SEC, 0);
	r = fill(c, NOW, SEC);
	assert_int_equal(r.gc.long_pauses_throttled, 3);
}

static void names(void **state)
{
	assert_string_equal(loss_reason_name(LOSS_RING_FULL), "ring_full");
	assert_string_equal(loss_reason_name(LOSS_LIMIT), "limit");
	assert_null(loss_reason_name(LOSS_REASON_CNT));
	for (unsigned int i = 0; i < LOSS_REASON_CNT; i++)
		assert_non_null(loss_reason_name(i));
	assert_string_equal(stw_reason_name(STW_GC_MARK_TERM), "GC mark termination");
	assert_string_equal(stw_reason_name(STW_ALL_THREADS_SYSCALL), "AllThreadsSyscall");
	assert_string_equal(stw_reason_name(UINT32_MAX), "runtime test");
}

/* Three containers share place for 1,000 spans: what gives way is the oldest, all of it is counted, nothing stays
 * charged. */
static void shared_bound(void **state)
{
	struct stats_budget budget = {.bytes_max = 16000};
	struct container_stats *c[4];
	uint64_t lost = 0, kept = 0;

	for (int i = 0; i < 4; i++)
		assert_int_equal(container_stats_new(&budget, &c[i]), 0);
	for (uint64_t k = 0; k < 5000; k++)
		for (int i = 0; i < 3; i++) {
			add_throttle(c[i], NOW + k * MS, NOW + k * MS + 500, 0);
			assert_true(budget.bytes <= budget.bytes_max);
		}
	for (int i = 0; i < 3; i++) {
		struct snapshot_container r = fill(c[i], NOW + 5000 * MS, 60 * SEC);

		kept += (uint64_t)r.cpu.intervals;
		lost += container_stats_lost(c[i]);
		assert_in_range(r.cpu.intervals, 100, 1000);
		/* the newest are there without a gap */
		assert_int_equal(fill(c[i], NOW + 5000 * MS, 100 * MS).cpu.intervals, 100);
	}
	assert_int_equal(kept + lost, 3 * 5000);
	assert_int_equal(budget.lost[SIGNAL_CPU_THROTTLE], lost);
	assert_int_equal(budget.lost[SIGNAL_GO_GC], 0);
	budget.bytes_max = budget.bytes; /* no place at all for one more */
	container_stats_mark(c[3], NOW, NOW + MS);
	assert_int_equal(budget.lost[SIGNAL_GO_GC], 1);
	container_stats_throttle_missed(c[3],
					&(struct event_throttle_missed){.hdr.time_ns = NOW + MS, .start_ns = NOW});
	assert_int_equal(container_stats_lost(c[3]), 2);
	for (int i = 0; i < 2; i++)
		c[i] = container_stats_free(c[i]);
	container_stats_expire(c[2], NOW + 100 * SEC);
	assert_int_equal(fill(c[2], NOW + 100 * SEC, 60 * SEC).cpu.intervals, 0);
	container_stats_mark(c[3], NOW, NOW + MS);
	assert_int_equal(container_stats_lost(c[3]), 2);
	container_stats_free(c[2]);
	container_stats_free(c[3]);
	assert_int_equal(budget.bytes, 0);
}

static void network(void **state)
{
	struct event_dns_query q = {.hdr.time_ns = NOW - MS, .start_ns = NOW - 41 * MS};
	struct snapshot_container r;

	net_stats_dns(container_stats_net(*state), &q);
	r = fill(*state, NOW, SEC);
	assert_true(r.net.dns_queries == 1 && near(r.net.dns.max, 0.040) && r.net.connects == 0);
	q.start_ns = NOW;
	net_stats_dns(container_stats_net(*state), &q);
	assert_int_equal(container_stats_lost(*state), 1);
	container_stats_expire(*state, NOW + 70 * SEC);
	assert_int_equal(fill(*state, NOW, SEC).net.dns_queries, 0);
}

static void snapshots(void **state)
{
	struct snapshot s;

	snapshot_init(&s);
	assert_true(isnan(s.cpu_busy_ratio) && s.agent_rss_bytes == STAT_UNKNOWN && !s.containers);
	s.containers = calloc(2, sizeof(*s.containers));
	s.container_cnt = 2;
	snapshot_container_init(&s.containers[0]);
	snapshot_container_init(&s.containers[1]);
	s.containers[1].processes = calloc(3, sizeof(struct snapshot_process));
	assert_true(isnan(s.containers[0].cpu.ratio) && s.containers[0].gc.pause.cnt == -1);
	snapshot_deinit(&s);
	assert_null(s.containers);
	snapshot_deinit(&s);
	container_stats_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(empty),
		TEST(pauses_by_their_end),
		TEST(cycles_and_marks),
		TEST(throttle_cover),
		TEST(throttle_cover_random),
		TEST(late_events),
		TEST(bounds),
		TEST(expiry),
		TEST(missed),
		TEST(watched_inside_the_window),
		TEST(usage_between_the_nearest_readings),
		TEST(readings_that_break),
		TEST(two_cgroups_in_one_counter),
		TEST(many_readings),
		TEST(shares),
		TEST(share_of_gc_while_waiting),
		TEST(shares_of_nothing),
		TEST(long_pauses),
		TEST(names),
		TEST(shared_bound),
		TEST(snapshots),
		TEST(network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
