/* SPDX-License-Identifier: BSD-2-Clause */
/* Filter texts against the sample rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "sample_snapshot.h"
#include "view/filter.h"

/* Rows of sample_busy(): 0 checkout 1 cart 2 search 3 ledger 4 host 5 unattributed 6 migrate */
static const struct {
	const char *text, *rows;
} cases[] = {
	{"", "0123456"},         {"   ", "0123456"},    {"shop", "0126"},  {"SHOP", "0126"},    {"!shop", "345"},
	{"ns=shop", "0126"},     {"ns=sh*", "0126"},    {"ns=pay", "3"},   {"!ns=shop", "345"}, {"ns=", "0123456"},
	{"!", "0123456"},        {"why", "012"},        {"!why", "3456"},  {"why=gc", "01"},    {"why=throttled", "0"},
	{"ns=shop why", "012"},  {"ns=shop !why", "6"}, {"cart !why", ""}, {"containerd", "4"}, {"unattr", "5"},
	{"nothing-like-it", ""}, {"ns=[", ""}, /* a broken glob is no crash */
};

static void test_cases(void **state)
{
	struct snapshot s;

	sample_busy(&s);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct filter f;

		filter_parse(&f, cases[i].text);
		for (int at = 0; at < s.container_cnt; at++) {
			bool want = strchr(cases[i].rows, '0' + at) != NULL;

			if (filter_matches(&f, &s.containers[at]) != want)
				fail_msg("'%s': row %d", cases[i].text, at);
		}
	}
	snapshot_deinit(&s);
}

static void test_unknown_keys(void **state)
{
	static const struct {
		const char *text, *unknown;
	} rows[] = {
		{"", ""},     {"shop", ""},           {"ns=shop why=gc", ""},
		{"x=1", "x"}, {"shop !pod=a", "pod"}, {"x=1 y=2", "x"},
		{"=1", ""},   {"a.b=1", ""},          {"abcdefghijklmnopqrstuvwxyz=1", "abcdefghijklmno"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct filter f;

		filter_parse(&f, rows[i].text);
		assert_string_equal(f.unknown, rows[i].unknown);
	}
}

static void test_long_texts(void **state)
{
	char text[4096];
	struct filter f;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	filter_parse(&f, text);
	assert_int_equal(f.cnt, 1);
	for (size_t i = 1; i < sizeof(text) - 1; i += 2)
		text[i] = ' ';
	filter_parse(&f, text);
	assert_int_equal(f.cnt, FILTER_WORDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_unknown_keys),
		cmocka_unit_test(test_long_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
