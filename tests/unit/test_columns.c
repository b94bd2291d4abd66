/* SPDX-License-Identifier: BSD-2-Clause */
/* Which columns fit, and what a cell says when there is a number, nothing, no signal, or nobody knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "sample_snapshot.h"
#include "view/columns.h"

static void check_layout(const struct snapshot *s, int width, const char *titles, int name_width, bool narrow)
{
	struct column_layout l;
	struct str got;
	int end = COLUMN_NAME_AT;

	str_init(&got);
	columns_layout(s, width, &l);
	end += l.name_width;
	for (int i = 0; i < l.cnt; i++) {
		str_addf(&got, "%s ", l.narrow ? l.cols[i].column->title_narrow : l.cols[i].column->title);
		assert_true(l.cols[i].end > end);
		if (l.cols[i].bar >= 0)
			assert_in_range(l.cols[i].bar, end, l.cols[i].end - 1);
		end = l.cols[i].end;
	}
	assert_string_equal(str_get(&got), titles);
	assert_int_equal(l.name_width, name_width);
	assert_int_equal(l.narrow, narrow);
	assert_int_equal(l.why_at, end + 1);
	if (width >= COLUMN_WIDTH_MIN)
		assert_true(l.why_at + l.why_width <= width);
	str_deinit(&got);
}

static void test_layout(void **state)
{
	static const char *const all = "CPU LIM THR% THR RUNQ GOSCH STW^ RTT DNS GC% MEM% GOR ",
				 *const few = "CPU LIM THR% THR RUNQ GOSC STW^ RTT GC% ";
	struct snapshot s;

	sample_node(&s);
	check_layout(&s, 120, all, 32, false); /* screens.md 1 */
	check_layout(&s, 119, few, 63, true);
	check_layout(&s, 80, few, 24, true); /* screens.md 2 */
	check_layout(&s, 40, few, 24, true); /* below the minimum: as at the minimum */
	check_layout(&s, 250, all, 72, false);
}

/* A signal that is not built gives its width to the name. */
static void test_layout_not_built(void **state)
{
	struct snapshot s;

	sample_node(&s);
	s.signals[SIGNAL_CPU_THROTTLE].present = false;
	check_layout(&s, 120, "CPU LIM RUNQ GOSCH STW^ RTT DNS GC% MEM% GOR ", 43, false);
	s.signals[SIGNAL_GO_GC].present = false;
	s.signals[SIGNAL_GO_RUNTIME].present = false;
	s.signals[SIGNAL_CPU_SCHED].present = false;
	s.signals[SIGNAL_NET_TCP].present = false;
	s.signals[SIGNAL_NET_DNS].present = false;
	check_layout(&s, 80, "CPU LIM MEM% ", 44, false); /* room for the wide ones */
}

static const struct column *find(const struct snapshot *s, const char *title)
{
	struct column_layout l;

	columns_layout(s, 120, &l);
	for (int i = 0; i < l.cnt; i++)
		if (!strcmp(l.cols[i].column->title, title))
			return l.cols[i].column;
	fail_msg("no column %s", title);
	return NULL;
}

static void check_cell(const struct snapshot *s, const struct snapshot_container *c, const char *title,
		       const char *text, enum grade grade)
{
	struct cell cell;

	columns_cell(find(s, title), s, c, &cell);
	assert_string_equal(cell.text, text);
	assert_int_equal(cell.grade, grade);
}

struct cell_case {
	const char *title, *text;
	enum grade grade;
};

static void check_cells(const struct snapshot *s, const struct snapshot_container *c, const struct cell_case *rows,
			size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		check_cell(s, c, rows[i].title, rows[i].text, rows[i].grade);
}

static void test_cells(void **state)
{
	static const struct cell_case busy[] = {
		{"CPU", "1.98", GRADE_WARNING},  {"LIM", "2.0", GRADE_FINE},       {"THR%", "41", GRADE_CRITICAL},
		{"THR", "94.1", GRADE_CRITICAL}, {"STW^", "71.4", GRADE_CRITICAL}, {"GC%", "62", GRADE_CRITICAL},
		{"MEM%", "34", GRADE_FINE},      {"GOR", "412", GRADE_FINE},       {"RUNQ", "~.31", GRADE_FINE},
		{"RTT", "1.92", GRADE_FINE},     {"DNS", "62.0", GRADE_WARNING},   {"GOSCH", "88.2", GRADE_CRITICAL},
	};
	static const struct cell_case quiet[] = {
		{"CPU", ".054", GRADE_FINE},   {"LIM", "-", GRADE_DIM},      {"THR%", "-", GRADE_DIM},
		{"THR", "\u00b7", GRADE_DIM},  {"STW^", ".029", GRADE_FINE}, {"MEM%", "-", GRADE_DIM},
		{"RUNQ", "~.11", GRADE_FINE},  {"RTT", "\u00b7", GRADE_DIM}, {"DNS", "\u00b7", GRADE_DIM},
		{"GOSCH", ".040", GRADE_FINE},
	};
	static const struct cell_case unknown[] = {
		{"CPU", "?", GRADE_DIM},  {"LIM", "?", GRADE_DIM}, {"THR%", "?", GRADE_DIM}, {"THR", "?", GRADE_DIM},
		{"STW^", "?", GRADE_DIM}, {"GC%", "?", GRADE_DIM}, {"MEM%", "?", GRADE_DIM}, {"GOR", "?", GRADE_DIM},
		{"RUNQ", "?", GRADE_DIM}, {"RTT", "?", GRADE_DIM}, {"DNS", "?", GRADE_DIM},  {"GOSCH", "?", GRADE_DIM},
	};
	struct snapshot_container nobody;
	struct snapshot s;

	sample_busy(&s);
	check_cells(&s, &s.containers[0], busy, ARRAY_SIZE(busy));
	check_cells(&s, &s.containers[4], quiet, ARRAY_SIZE(quiet));
	snapshot_container_init(&nobody);
	check_cells(&s, &nobody, unknown, ARRAY_SIZE(unknown));
	snapshot_deinit(&s);
}

static void test_signal_off(void **state)
{
	static const struct cell_case off[] = {
		{"THR%", "-", GRADE_DIM},   {"THR", "-", GRADE_DIM},  {"STW^", "-", GRADE_DIM}, {"GC%", "-", GRADE_DIM},
		{"RUNQ", "-", GRADE_DIM},   {"RTT", "-", GRADE_DIM},  {"DNS", "-", GRADE_DIM},  {"GOR", "-", GRADE_DIM},
		{"LIM", "2.0", GRADE_FINE}, {"GOSCH", "-", GRADE_DIM}};
	struct snapshot s;

	sample_busy(&s);
	for (int i = 0; i < SIGNAL_CNT; i++)
		sample_signal_state(&s, i, "off", "no privilege");
	check_cells(&s, &s.containers[0], off, ARRAY_SIZE(off));
	snapshot_deinit(&s);
}

/* Run-queue waits come from armed windows: estimates, at most four columns wide. */
static void test_sampled(void **state)
{
	static const struct {
		double ms;
		const char *text, *whole;
		enum grade grade;
	} rows[] = {
		{0, "<.01", ".000", GRADE_FINE},        {0.0049, "<.01", ".005", GRADE_FINE},
		{0.005, "~.01", ".005", GRADE_FINE},    {0.029, "~.03", ".029", GRADE_FINE},
		{0.314, "~.31", ".314", GRADE_FINE},    {0.9949, "~.99", ".995", GRADE_FINE},
		{0.9951, "~1.0", ".995", GRADE_FINE},   {1.92, "~1.9", "1.92", GRADE_FINE},
		{5.04, "~5.0", "5.04", GRADE_WARNING},  {9.949, "~9.9", "9.95", GRADE_WARNING},
		{9.951, "~10", "9.95", GRADE_WARNING},  {94.1, "~94", "94.1", GRADE_CRITICAL},
		{99.6, "~100", "99.6", GRADE_CRITICAL}, {412, "~410", "412", GRADE_CRITICAL},
		{12000, "~12s", "12s", GRADE_CRITICAL},
	};
	struct snapshot s;

	sample_busy(&s);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		s.containers[0].cpu.runq.p99 = rows[i].ms / 1000;
		s.signals[SIGNAL_CPU_SCHED].window_share = 0.1;
		check_cell(&s, &s.containers[0], "RUNQ", rows[i].text, rows[i].grade);
		assert_true(strlen(rows[i].text) <= 4);
		s.signals[SIGNAL_CPU_SCHED].window_share = 1; /* armed all the time */
		check_cell(&s, &s.containers[0], "RUNQ", rows[i].whole, rows[i].grade);
	}
	s.containers[0].cpu.runq.cnt = 0;
	check_cell(&s, &s.containers[0], "RUNQ", "\u00b7", GRADE_DIM);
	s.containers[0].cpu.runq_watched_seconds = 0; /* nothing was watched: not the same as nothing seen */
	check_cell(&s, &s.containers[0], "RUNQ", "?", GRADE_DIM);
	s.containers[0].cpu.runq_watched_seconds = NAN;
	check_cell(&s, &s.containers[0], "RUNQ", "?", GRADE_DIM);
	s.containers[0].cpu.runq_outliers = 1; /* a long wait is seen always */
	check_cell(&s, &s.containers[0], "RUNQ", "\u00b7", GRADE_DIM);
	s.containers[0].cpu.runq_outliers = 0;
	sample_signal_state(&s, SIGNAL_CPU_SCHED, "off", "");
	check_cell(&s, &s.containers[0], "RUNQ", "-", GRADE_DIM);
	sample_signal_state(&s, SIGNAL_CPU_SCHED, "window", "");
	s.containers[0].cpu.runq.cnt = -1; /* not armed in this window */
	check_cell(&s, &s.containers[0], "RUNQ", "?", GRADE_DIM);
	snapshot_deinit(&s);
}

/* The passive histogram: nothing waited, nobody reads it, and a part that is lost; zeros that dilute it are no `~`. */
static void test_go_sched(void **state)
{
	static const struct {
		double ms;
		const char *text;
		enum grade grade;
	} rows[] = {{0.00004, ".000", GRADE_FINE}, {4.99, "4.99", GRADE_FINE},   {5, "5.00", GRADE_WARNING},
		    {19.9, "19.9", GRADE_WARNING}, {20, "20.0", GRADE_CRITICAL}, {12000, "12s", GRADE_CRITICAL}};
	struct snapshot_container *c;
	struct snapshot s;

	sample_busy(&s);
	c = &s.containers[0];
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		c->sched.latency.p99 = rows[i].ms / 1000;
		check_cell(&s, c, "GOSCH", rows[i].text, rows[i].grade);
	}
	s.signals[SIGNAL_GO_RUNTIME].lost_window = 1;
	check_cell(&s, c, "GOSCH", "~12s", GRADE_CRITICAL);
	s.signals[SIGNAL_GO_RUNTIME].lost_window = 0;
	c->sched.latency.cnt = 0;
	check_cell(&s, c, "GOSCH", "\u00b7", GRADE_DIM);
	c->sched.latency.cnt = -1; /* no difference of two readings yet */
	check_cell(&s, c, "GOSCH", "?", GRADE_DIM);
	c->sched.latency.cnt = 5;
	c->sched.on = false; /* its processes cannot be read */
	check_cell(&s, c, "GOSCH", "?", GRADE_DIM);
	snapshot_deinit(&s);
}

/* Lost events and unexplained throttling make a number a lower bound. */
static void test_partial(void **state)
{
	struct snapshot s;

	sample_busy(&s);
	s.signals[SIGNAL_GO_GC].lost[LOSS_UNKNOWN_PROCESS] = 5; /* not ours to miss */
	check_cell(&s, &s.containers[0], "STW^", "71.4", GRADE_CRITICAL);
	s.signals[SIGNAL_GO_GC].lost_window = 1;
	check_cell(&s, &s.containers[0], "STW^", "~71", GRADE_CRITICAL);
	check_cell(&s, &s.containers[0], "THR", "94.1", GRADE_CRITICAL);
	s.containers[0].cpu.missed_seconds = 0.4;
	check_cell(&s, &s.containers[0], "THR", "~94", GRADE_CRITICAL);
	check_cell(&s, &s.containers[0], "THR%", "~41", GRADE_CRITICAL);
	snapshot_deinit(&s);
}

/* Without go_gc the runtime's own sums of a cycle's stops stand there, as estimates; nothing else of it does. */
static void test_passive(void **state)
{
	struct snapshot s;

	sample_busy(&s);
	s.containers[0].gc.on = false;
	check_cell(&s, &s.containers[0], "STW^", "?", GRADE_DIM);
	s.containers[0].gc.passive = true;
	check_cell(&s, &s.containers[0], "STW^", "~71", GRADE_CRITICAL);
	sample_signal_state(&s, SIGNAL_GO_GC, "off", "no privilege");
	check_cell(&s, &s.containers[0], "STW^", "~71", GRADE_CRITICAL);
	s.containers[0].gc.on = true; /* cannot be, but then its number counts */
	check_cell(&s, &s.containers[0], "STW^", "-", GRADE_DIM);
	s.containers[0].gc.on = false;
	s.containers[0].gc.pause = sample_none();
	check_cell(&s, &s.containers[0], "STW^", "\u00b7", GRADE_DIM);
	snapshot_deinit(&s);
}

static void test_thresholds(void **state)
{
	static const struct {
		double ratio;
		enum grade grade;
	} rows[] = {{0.049, GRADE_FINE}, {0.05, GRADE_WARNING}, {0.249, GRADE_WARNING}, {0.25, GRADE_CRITICAL}};
	struct snapshot s;
	struct cell cell;

	sample_busy(&s);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		s.containers[0].cpu.ratio = rows[i].ratio;
		columns_cell(find(&s, "THR%"), &s, &s.containers[0], &cell);
		assert_int_equal(cell.grade, rows[i].grade);
	}
	snapshot_deinit(&s);
}

static void test_marks(void **state)
{
	static const struct {
		char mark;
		enum grade grade;
	} rows[SAMPLE_ROWS] = {{'!', GRADE_CRITICAL}, {'*', GRADE_WARNING}, {'i', GRADE_ADVICE}, {' ', GRADE_DIM},
			       {' ', GRADE_DIM},      {'?', GRADE_DIM},     {'x', GRADE_DIM}};
	enum grade grade;
	struct snapshot s;

	sample_busy(&s);
	for (int i = 0; i < SAMPLE_ROWS; i++) {
		assert_int_equal(columns_mark(&s.containers[i], &grade), rows[i].mark);
		assert_int_equal(grade, rows[i].grade);
	}
	snapshot_deinit(&s);
}

static void test_why(void **state)
{
	static const struct {
		const char *id, *culprit;
		int width;
		const char *want;
	} rows[] = {
		{"throttled", "gc", 16, "throttled+gc"},
		{"throttled", "gc", 9, "throt+gc"},
		{"throttled", "gomaxprocs", 16, "throt+maxp"},
		{"mem-limit-gc", "", 16, "mem-limit-gc"},
		{"mem-limit-gc", "", 9, "mem-gc"},
		{"cpu-contended", "", 9, "contended"},
		{"gomaxprocs", "", 9, "maxprocs"},
		{"goroutine-blocked", "", 16, "g-block"},
		{"a-rule-with-a-very-long-", "", 9, "a-rule-wi"},
		{"dns", "nxdomain", 16, "dns+nxdomain"},
		{"dns", "nxdomain", 9, "dns+nxdom"},
		{"dns", "servfail", 9, "dns+fail"},
		{"net-loss", "timeout", 16, "net-loss+timeout"},
		{"net-loss", "timeout", 9, "loss+time"},
		{"oom-risk", "", 9, "oom-risk"},
	};
	struct snapshot_container c;
	char buf[24];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snapshot_container_init(&c);
		sample_verdict(&c, rows[i].id, rows[i].culprit, VERDICT_WARNING, "", "", "");
		columns_why(&c, rows[i].width, buf, sizeof(buf));
		assert_string_equal(buf, rows[i].want);
	}
	c.gone = true; /* by then only what ended it counts */
	columns_why(&c, 9, buf, sizeof(buf));
	assert_string_equal(buf, "gone+oom");
	str_copy(c.verdicts[0].id, sizeof(c.verdicts[0].id), "throttled");
	columns_why(&c, 9, buf, sizeof(buf));
	assert_string_equal(buf, "gone");
	snapshot_container_init(&c);
	c.refused_cnt = 1;
	columns_why(&c, 16, buf, sizeof(buf));
	assert_string_equal(buf, "not observable");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),     cmocka_unit_test(test_layout_not_built),
		cmocka_unit_test(test_cells),      cmocka_unit_test(test_signal_off),
		cmocka_unit_test(test_partial),    cmocka_unit_test(test_sampled),
		cmocka_unit_test(test_thresholds), cmocka_unit_test(test_marks),
		cmocka_unit_test(test_why),        cmocka_unit_test(test_go_sched),
		cmocka_unit_test(test_passive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
