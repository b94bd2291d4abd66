/* SPDX-License-Identifier: BSD-2-Clause */
/* The strip's lanes and the names of events in a column. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "view/strip.h"

#define FROM 1000000000000ull
#define MS   1000000ull

static struct detail d; /* too large for a stack */
static struct strip s;

static void add(enum detail_lane lane, uint64_t start_ms, uint64_t length_us, uint32_t tag)
{
	struct detail_span *x = &d.spans[d.span_cnt++];

	*x = (struct detail_span){.start_ns = FROM + start_ms * MS, .lane = (uint8_t)lane, .tag = tag};
	x->end_ns = x->start_ns + length_us * 1000;
	x->wait_ns = length_us * 1000 / 2;
}

static void check_lane(enum detail_lane lane, const char *want)
{
	char got[STRIP_COLUMNS_MAX * 4 + 1];

	strip_lane_text(&s, lane, got, sizeof(got));
	assert_string_equal(got, want);
}

static void test_lanes(void **state)
{
	memset(&d, 0, sizeof(d));
	add(LANE_MARK, 0, 9999, 0);
	add(LANE_MARK, 25, 10000, 0);
	add(LANE_STW, 39, 40, STW_GC_SWEEP_TERM);
	add(LANE_THROTTLE, 85, 100000, 3); /* beyond the end */
	add(LANE_RUNQ, 55, 310, 0);
	d.spans[d.span_cnt++] = (struct detail_span){FROM - 50 * MS, FROM + 1, LANE_THROTTLE, {0}, 0, 0, ""};
	d.spans[d.span_cnt++] = (struct detail_span){FROM - 50 * MS, FROM - 1, LANE_STW, {0}, 0, 0, ""};
	d.spans[d.span_cnt++] =
		(struct detail_span){FROM + 50, FROM + 1, LANE_STW, {0}, 0, 0, ""}; /* ends before it begins */
	d.spans[d.span_cnt++] = (struct detail_span){FROM, FROM + 1, 200, {0}, 0, 0, ""};
	for (int i = 50; i < 100; i++)
		d.runq_watched[i] = true;
	strip_fill(&s, &d, FROM, 10);
	check_lane(LANE_MARK, "▒·▒▒······");
	check_lane(LANE_STW, "···|······");
	check_lane(LANE_THROTTLE, "█·······██");
	check_lane(LANE_RUNQ, "     ▂····");
}

static void test_cpu(void **state)
{
	char got[STRIP_COLUMNS_MAX * 4 + 1];

	memset(&d, 0, sizeof(d));
	/* 4 CPUs for 20 ms, 1 CPU for 20 ms, nothing; read every 20 ms */
	d.polls[0] = (struct detail_poll){FROM, 0};
	d.polls[1] = (struct detail_poll){FROM + 20 * MS, 80 * MS};
	d.polls[2] = (struct detail_poll){FROM + 40 * MS, 100 * MS};
	d.polls[3] = (struct detail_poll){FROM + 60 * MS, 100 * MS};
	d.poll_cnt = 4;
	strip_fill(&s, &d, FROM, 8);
	strip_cpu_text(&s, false, got, sizeof(got));
	assert_string_equal(got, "██▂▂··  ");
	strip_cpu_text(&s, true, got, sizeof(got));
	assert_string_equal(got, "##__..  ");
	assert_true(fabs(s.cpus_max - 4) < 1e-9);
	d.poll_cnt = 0;
	strip_fill(&s, &d, FROM, 8);
	assert_true(isnan(s.cpus_max));
}

static void test_names(void **state)
{
	struct strip_event e[4];

	memset(&d, 0, sizeof(d));
	add(LANE_THROTTLE, 10, 70200, 0);
	add(LANE_THROTTLE, 10, 69000, 1);
	add(LANE_THROTTLE, 10, 69000, 2);
	add(LANE_THROTTLE, 11, 69000, 7);
	add(LANE_STW, 15, 71400, STW_GC_SWEEP_TERM);
	add(LANE_RUNQ, 90, 620, 0);
	str_copy(d.spans[5].text, sizeof(d.spans[5].text), "kworker");
	strip_fill(&s, &d, FROM, 100);
	assert_int_equal(strip_events(&s, &d, 1, e, 4), 2);
	assert_string_equal(e[0].name, "STW");
	assert_string_equal(e[0].text, "GC sweep termination 71.4 ms");
	assert_string_equal(e[1].name, "throttle");
	assert_string_equal(e[1].text, "70.2 ms, cpus 0-2,7");
	assert_true(e[1].start_ns == FROM + 10 * MS);
	assert_int_equal(strip_events(&s, &d, 9, e, 4), 1);
	assert_string_equal(e[0].text, ".310 ms, the CPU had kworker");
	assert_int_equal(strip_events(&s, &d, 50, e, 4), 0);
	for (int i = 0; i < 50; i++)
		add(LANE_STW, 500, 10, 1);
	assert_int_equal(strip_events(&s, &d, 50, e, 4), 4);
}

/* A list of CPUs that no line can hold. */
static void test_many_cpus(void **state)
{
	struct strip_event e[1];

	memset(&d, 0, sizeof(d));
	for (uint32_t i = 0; i < 4000; i += 2)
		add(LANE_THROTTLE, 10, 5000, i);
	strip_fill(&s, &d, FROM, 100);
	assert_int_equal(strip_events(&s, &d, 1, e, 1), 1);
	assert_true(strlen(e[0].text) < STRIP_EVENT_SZ);
}

static void test_columns(void **state)
{
	assert_int_equal(strip_columns(120), 100);
	assert_int_equal(strip_columns(80), 70);
	assert_int_equal(strip_columns(1), 1);
	strip_fill(&s, &d, FROM, 5000);
	assert_int_equal(s.columns, STRIP_COLUMNS_MAX);
	strip_fill(&s, &d, FROM, -5);
	assert_int_equal(s.columns, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lanes),     cmocka_unit_test(test_cpu),     cmocka_unit_test(test_names),
		cmocka_unit_test(test_many_cpus), cmocka_unit_test(test_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
