/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines of gctrace and schedtrace, digit by digit. The cycles' lines are what programs of ours printed themselves
 * with GODEBUG=gctrace=1, the numbers behind them what was read of their memory; the small ones are the runtime's own
 * cases (itoaDiv, fmtNSAsMS in mgc.go). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "export/gctrace.h"
#include "json_check.h"
#include "pods/owner.h"

#define MIB(n) ((uint64_t)(n) << 20)

static const struct runtime_cycle sample_cycle = {
	.numgc = 18121,
	.sweep_term_ns = 273961204999999 + 5000,
	.mark_ns = 273961204999999 + 5000 + 21999,
	.mark_term_ns = 273961204999999 + 5000 + 21999 + 41987654,
	.end_ns = 273961204999999 + 5000 + 21999 + 41987654 + 71000000,
	.assist_ns = 88999999,
	.dedicated_ns = 11000000,
	.fractional_ns = 1000000,
	.heap0 = MIB(72) - 1,
	.heap1 = MIB(77),
	.heap2 = MIB(38),
	.goal = MIB(76),
	.stacks = MIB(1) - 1,
	.globals = 4096,
	.cpu_fraction = 0.21999,
	.stwprocs = 32,
	.maxprocs = 32,
};

static void check_line(const struct runtime_cycle *c, uint64_t init_ns, const char *want)
{
	char line[GCTRACE_LINE_SZ];

	gctrace_line(c, init_ns, line);
	assert_string_equal(line, want);
}

static void test_cycle(void **state)
{
	struct runtime_cycle c = sample_cycle;

	check_line(&c, 5000,
		   "gc 18121 @273961.204s 21%: 0.021+41+71 ms clock, 0.70+88/12/0+2272 ms cpu, 71->77->38 MB, 76 MB "
		   "goal, 0 MB stacks, 0 MB globals, 32 P");
	c.forced = true;
	c.cpu_fraction = 1;
	check_line(&c, 0,
		   "gc 18121 @?s 100%: 0.021+41+71 ms clock, 0.70+88/12/0+2272 ms cpu, 71->77->38 MB, 76 MB goal, 0 MB "
		   "stacks, 0 MB globals, 32 P (forced)");
}

/* Mark alone, from the start of the program. */
static void test_times(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} rows[] = {
		{0, "0"},
		{999, "0"},
		{1000, "0.001"},
		{9999, "0.009"},
		{10000, "0.010"},
		{99999, "0.099"},
		{100000, "0.10"},
		{999999, "0.99"},
		{1000000, "1.0"},
		{1099999, "1.0"},
		{9999999, "9.9"},
		{10000000, "10"},
		{10999999, "10"},
		{999999999, "999"},
		{1000000000, "1000"},
		{86400000000000, "86400000"},
		{-1, "18446744073709"}, /* as the runtime would print it; only a damaged recording has it */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct runtime_cycle c = {.numgc = 1, .sweep_term_ns = 1000, .mark_ns = 1000};
		char want[200];

		c.mark_term_ns = c.end_ns = 1000 + rows[i].ns;
		snprintf(
			want, sizeof(want),
			"gc 1 @0.000s 0%%: 0+%s+0 ms clock, 0+0/0/0+0 ms cpu, 0->0->0 MB, 0 MB goal, 0 MB stacks, 0 MB "
			"globals, 0 P",
			rows[i].text);
		check_line(&c, 1000, want);
	}
}

static void test_start_and_share(void **state)
{
	static const struct {
		uint64_t init_ns;
		int64_t at_ns;
		double fraction;
		const char *head;
	} rows[] = {
		{1, 1, 0, "gc 0 @0.000s 0%:"},
		{1, 999999, 0.0099999, "gc 0 @0.000s 0%:"},
		{1000, 1001000, 0.01, "gc 0 @0.001s 1%:"},
		{1000, 12345678901000, 0.999, "gc 0 @12345.678s 99%:"},
		{0, 1000, 0.5, "gc 0 @?s 50%:"},
		{1001, 1000, 0.5, "gc 0 @?s 50%:"}, /* before it began */
		{1, 1, -0.01, "gc 0 @0.000s ?%:"},
		{1, 1, 1e300, "gc 0 @0.000s ?%:"},
		{1, 1, __builtin_nan(""), "gc 0 @0.000s ?%:"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct runtime_cycle c = {.sweep_term_ns = rows[i].at_ns, .cpu_fraction = rows[i].fraction};
		char line[GCTRACE_LINE_SZ];

		gctrace_line(&c, rows[i].init_ns, line);
		line[strlen(rows[i].head)] = 0;
		assert_string_equal(line, rows[i].head);
	}
}

/* Whatever a recording may hold fits the line. */
static void test_extremes(void **state)
{
	struct runtime_cycle c;
	char line[GCTRACE_LINE_SZ];

	for (int byte = 0; byte < 256; byte++) {
		memset(&c, byte, sizeof(c));
		c.forced = byte & 1;
		gctrace_line(&c, (uint64_t)byte, line);
		assert_true(strlen(line) < sizeof(line) - 1);
		assert_non_null(strstr(line, c.forced ? " P (forced)" : " P"));
	}
}

static void fill_detail(struct runtime_detail *d, struct runtime_p *ps, int p_cnt)
{
	memset(d, 0, sizeof(*d));
	d->init_time_ns = 1000000;
	d->sample.time_ns = 1000000 + 2009999999;
	d->sample.gomaxprocs = p_cnt;
	d->sample.procs_idle = 1;
	d->sample.threads = 12;
	d->sample.threads_spinning = 2;
	d->threads_needspinning = 1;
	d->sample.threads_idle = 7;
	d->sample.queue_global = 5;
	for (int i = 0; i < p_cnt; i++)
		ps[i] = (struct runtime_p){.id = i, .queue = (uint32_t)i * 3, .schedtick = 100 + (uint32_t)i};
	d->ps = ps;
	d->p_cnt = p_cnt;
}

static void check_sched(const struct runtime_detail *d, int go_minor, const char *want)
{
	struct str out;

	str_init(&out);
	gctrace_sched_line(d, go_minor, &out);
	assert_string_equal(str_get(&out), want);
	str_deinit(&out);
}

static void test_sched(void **state)
{
	struct runtime_p ps[3];
	struct runtime_detail d;

	fill_detail(&d, ps, 3);
	check_sched(
		&d, 18,
		"SCHED 2009ms: gomaxprocs=3 idleprocs=1 threads=12 spinningthreads=2 idlethreads=7 runqueue=5 [0 3 6]");
	check_sched(
		&d, 19,
		"SCHED 2009ms: gomaxprocs=3 idleprocs=1 threads=12 spinningthreads=2 idlethreads=7 runqueue=5 [0 3 6]");
	check_sched(&d, 20,
		    "SCHED 2009ms: gomaxprocs=3 idleprocs=1 threads=12 spinningthreads=2 needspinning=1 idlethreads=7 "
		    "runqueue=5 [0 3 6]");
	check_sched(&d, 24,
		    "SCHED 2009ms: gomaxprocs=3 idleprocs=1 threads=12 spinningthreads=2 needspinning=1 idlethreads=7 "
		    "runqueue=5 [0 3 6]");
	check_sched(&d, 25,
		    "SCHED 2009ms: gomaxprocs=3 idleprocs=1 threads=12 spinningthreads=2 needspinning=1 idlethreads=7 "
		    "runqueue=5 [ 0 3 6 ] schedticks=[ 100 101 102 ]");
	d.init_time_ns = 0;
	d.p_cnt = 1;
	d.sample.threads = d.sample.queue_global = d.threads_needspinning = SAMPLE_UNKNOWN;
	check_sched(&d, 27,
		    "SCHED ?ms: gomaxprocs=3 idleprocs=1 threads=? spinningthreads=2 needspinning=? idlethreads=7 "
		    "runqueue=? [ 0 ] schedticks=[ 100 ]");
}

static void test_json(void **state)
{
	static const struct type_case cycle_rows[] = {
		{"time_unix_nano", 's'},
		{"since_start_seconds", 'r'},
		{"pid", 'i'},
		{"owner.pod", 'n'},
		{"go_version", 's'},
		{"number", 'i'},
		{"forced", 'b'},
		{"leak_check", 'b'},
		{"cpu_ratio", 'r'},
		{"clock_seconds.mark_termination", 'r'},
		{"cpu_seconds.idle", 'r'},
		{"heap_before_bytes", 'i'},
		{"heap_after_bytes", 'i'},
		{"heap_live_bytes", 'i'},
		{"heap_goal_bytes", 'i'},
		{"stacks_bytes", 'i'},
		{"globals_bytes", 'i'},
		{"gomaxprocs", 'i'},
	};
	static const struct type_case sched_rows[] = {
		{"time_unix_nano", 's'},   {"since_start_seconds", 'n'},
		{"gomaxprocs", 'i'},       {"idle_procs", 'i'},
		{"threads", 'i'},          {"spinning_threads", 'i'},
		{"needspinning", 'n'},     {"idle_threads", 'i'},
		{"run_queue", 'i'},        {"procs.0.id", 'i'},
		{"procs.0.status", 's'},   {"procs.1.run_queue", 'i'},
		{"procs.1.run_next", 'b'}, {"procs.1.schedtick", 'i'},
	};
	struct binary b = {.go_version = "go1.26.8"};
	struct process p = {.pid = 77, .binary = &b};
	struct runtime_p ps[2];
	struct runtime_detail d;
	char *line = gctrace_json(&p, &sample_cycle, 5000);
	json_t *root = parse(line);

	check_types(root, cycle_rows, ARRAY_SIZE(cycle_rows));
	json_decref(root);
	free(line);
	fill_detail(&d, ps, 2);
	d.threads_needspinning = SAMPLE_UNKNOWN;
	d.init_time_ns = 0;
	line = gctrace_sched_json(&p, &d);
	root = parse(line);
	check_types(root, sched_rows, ARRAY_SIZE(sched_rows));
	json_decref(root);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cycle),    cmocka_unit_test(test_times), cmocka_unit_test(test_start_and_share),
		cmocka_unit_test(test_extremes), cmocka_unit_test(test_sched), cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
