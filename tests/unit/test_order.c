/* SPDX-License-Identifier: BSD-2-Clause */
/* The order of rows by each key, and the places of rows while somebody reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "sample_snapshot.h"
#include "view/order.h"
#include "view/rows.h"

#define CNT 5

/* Letters of the rows in order; row `a` has id 1. */
static const char *letters(const struct snapshot *s, char *buf)
{
	for (int i = 0; i < s->container_cnt; i++)
		buf[i] = (char)('a' + s->containers[i].id - 1);
	buf[s->container_cnt] = 0;
	return buf;
}

static void make(struct snapshot *s)
{
	static const double values[CNT] = {2, NAN, 5, 1, 5};

	snapshot_init(s);
	s->containers = calloc(CNT, sizeof(*s->containers));
	s->container_cnt = CNT;
	for (int i = 0; i < CNT; i++) {
		struct snapshot_container *c = &s->containers[i];
		char name[8] = {(char)('v' - i), 0};
		bool known = !isnan(values[i]);

		sample_quiet(c, values[i], 1);
		sample_owner(&c->owner, "ns", name, "c", NULL);
		c->id = (uint32_t)i + 1;
		c->memory.working_set_bytes = known ? (int64_t)values[i] : STAT_UNKNOWN;
		c->cpu.ratio = c->gc.cpu_ratio = values[i];
		c->gc.pause = c->cpu.runq = c->sched.latency = c->net.rtt = c->net.dns =
			sample_dist(known ? 1 : 0, values[i], values[i], values[i]);
	}
}

static void test_keys(void **state)
{
	/* names fall from a to e; c and e have the same value, the name decides */
	static const struct {
		enum sort_key key;
		bool reverse;
		const char *want;
	} rows[] = {
		{SORT_WHY, false, "abcde"}, {SORT_WHY, true, "edcba"},    {SORT_CPU, false, "ecadb"},
		{SORT_CPU, true, "daceb"},  {SORT_MEM, false, "ecadb"},   {SORT_THR, false, "ecadb"},
		{SORT_STW, false, "ecadb"}, {SORT_GC, true, "daceb"},     {SORT_NAME, false, "edcba"},
		{SORT_NAME, true, "abcde"}, {SORT_RUNQ, false, "ecadb"},  {SORT_NET, false, "ecadb"},
		{SORT_DNS, true, "daceb"},  {SORT_GOSCH, false, "ecadb"},
	};
	char got[CNT + 1];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct snapshot s;

		make(&s);
		order_apply(&s, rows[i].key, rows[i].reverse);
		if (strcmp(letters(&s, got), rows[i].want))
			fail_msg("key %s reverse %d: %s, not %s", order_names[rows[i].key], rows[i].reverse, got,
				 rows[i].want);
		snapshot_deinit(&s);
	}
}

/* Rows of containers that have ended stand last on every key, in both directions. */
static void test_gone_last(void **state)
{
	char got[CNT + 1];

	for (int key = 0; key < SORT_KEY_CNT; key++) {
		for (int reverse = 0; reverse < 2; reverse++) {
			struct snapshot s;

			make(&s);
			s.containers[0].gone = s.containers[2].gone = true; /* a and c, which has the largest value */
			order_apply(&s, (enum sort_key)key, reverse);
			letters(&s, got);
			if (strcspn(got, "ac") != 3)
				fail_msg("key %s reverse %d: %s", order_names[key], reverse, got);
			snapshot_deinit(&s);
		}
	}
}

static void test_names(void **state)
{
	for (int i = 0; i < SORT_KEY_CNT; i++)
		assert_non_null(order_names[i]);
	assert_null(order_names[SORT_KEY_CNT]);
	assert_string_equal(order_names[SORT_GOSCH], "gosch");
	assert_string_equal(order_names[SORT_WHY], "why");
}

static const char *shown(const struct rows *r, char *buf)
{
	for (int i = 0; i < r->cnt; i++)
		buf[i] = (char)('a' + r->row[i].id - 1);
	buf[r->cnt] = 0;
	return buf;
}

/* want: letters of the containers to show, in the order of the key. */
static void update(struct rows *r, const struct snapshot *s, const char *want, uint64_t now, uint64_t key)
{
	int rows[CNT], cnt = (int)strlen(want);

	for (int i = 0; i < cnt; i++)
		rows[i] = want[i] - 'a';
	assert_int_equal(rows_update(r, s, rows, cnt, now * 1000000000, key * 1000000000), 0);
	for (int i = 0; i < r->cnt; i++)
		assert_int_equal(s->containers[r->row[i].at].id, r->row[i].id);
}

static void test_rows_keep_places(void **state)
{
	struct rows r = {.cnt = 0};
	struct snapshot s;
	char got[CNT + 1];

	make(&s);
	update(&r, &s, "abcd", 100, 0);
	assert_string_equal(shown(&r, got), "abcd");
	rows_move(&r, 2);
	assert_int_equal(r.selected, 3);
	update(&r, &s, "dcba", 103, 0); /* too soon */
	assert_string_equal(shown(&r, got), "abcd");
	update(&r, &s, "ecba", 104, 0); /* d has gone, e is new */
	assert_string_equal(shown(&r, got), "abce");
	update(&r, &s, "ecba", 105, 103); /* a key was pressed */
	assert_string_equal(shown(&r, got), "abce");
	assert_int_equal(r.cursor, 2);
	update(&r, &s, "ecba", 108, 103);
	assert_string_equal(shown(&r, got), "ecba");
	assert_int_equal(r.cursor, 1); /* still on c */
	rows_resort(&r);
	update(&r, &s, "abec", 109, 109); /* the key was another sort column */
	assert_string_equal(shown(&r, got), "abec");
	assert_int_equal(r.cursor, 3);
	update(&r, &s, "ab", 109, 109); /* its row has gone: the cursor stays within */
	assert_int_equal(r.cursor, 1);
	assert_int_equal(r.selected, 2);
	update(&r, &s, "", 120, 109);
	assert_int_equal(r.cnt, 0);
	rows_move(&r, 5);
	assert_int_equal(r.cursor, 0);
	rows_deinit(&r);
	snapshot_deinit(&s);
}

/* Until somebody moves it, the cursor shows what is first; afterwards it belongs to a container. */
static void test_cursor_follows_the_first_row(void **state)
{
	struct rows r = {.cnt = 0};
	struct snapshot s;

	make(&s);
	update(&r, &s, "abc", 100, 0);
	assert_int_equal(r.selected, 1);
	update(&r, &s, "cab", 106, 0);
	assert_int_equal(r.cursor, 0);
	assert_int_equal(r.selected, 3);
	rows_move(&r, 0); /* Up on the first row is a choice, too */
	update(&r, &s, "abc", 112, 0);
	assert_int_equal(r.cursor, 2);
	assert_int_equal(r.selected, 3);
	rows_deinit(&r);
	snapshot_deinit(&s);
}

static void test_scroll(void **state)
{
	static const struct {
		int cursor, top, height, want;
	} rows[] = {{0, 0, 3, 0}, {4, 0, 3, 2}, {1, 3, 3, 1}, {4, 4, 10, 0}, {4, 0, 1, 4}, {2, 0, -5, 2}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rows r = {.cnt = CNT, .cursor = rows[i].cursor, .top = rows[i].top};

		rows_scroll(&r, rows[i].height);
		assert_int_equal(r.top, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_gone_last),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_rows_keep_places),
		cmocka_unit_test(test_cursor_follows_the_first_row),
		cmocka_unit_test(test_scroll),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
