/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of goroutines: as it looks on each width, and that a row keeps its columns whatever stands in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "golden.h"
#include "sample_snapshot.h"
#include "view/format.h"
#include "view/goroutine_table.h"

static void check_lines(const char *text, int width)
{
	char line[2048], clean[4096];

	for (size_t len; *text; text += len + 1) {
		len = strcspn(text, "\n");
		assert_int_equal(text[len], '\n');
		assert_true(len < sizeof(line));
		memcpy(line, text, len);
		line[len] = 0;
		assert_true(!len || line[len - 1] != ' ');
		if (format_clean(line, false, clean, sizeof(clean)) > width)
			fail_msg("wider than %d: %s", width, line);
		assert_string_equal(line, clean); /* no controls */
	}
}

static void put_groups(const struct goroutine_table *t, struct str *out)
{
	struct snapshot_container c;
	struct goroutine_row row;

	snapshot_container_init(&c);
	sample_groups(&c);
	goroutine_table_header(t, out);
	for (int i = 0; i < c.sched.group_cnt; i++) {
		c.sched.groups[i].pid = 48213;
		goroutine_row_of(&c.sched.groups[i], &row);
		goroutine_table_row(t, &row, out);
	}
}

static void test_widths(void **state)
{
	static const struct goroutine_table tables[] = {
		{.style = {.width = 160}},
		{.style = {.width = 120}},
		{.style = {.width = 120}, .pids = true},
		{.style = {.width = 117}, .pids = true},
		{.style = {.width = 80}},
		{.style = {.width = 80}, .pids = true},
		{.style = {.width = 120, .ascii = true}},
	};
	struct str all;

	str_init(&all);
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		struct str out;

		str_init(&out);
		put_groups(&tables[i], &out);
		check_lines(str_get(&out), tables[i].style.width);
		str_add(&all, str_get(&out));
		str_add(&all, "\n");
		str_deinit(&out);
	}
	assert_true(golden_same("plain_goroutines.txt", str_get(&all)));
	str_deinit(&all);
}

static void row_text(const struct goroutine_table *t, const struct goroutine_row *row, char *buf, size_t sz)
{
	struct str out;

	str_init(&out);
	goroutine_table_row(t, row, &out);
	check_lines(str_get(&out), t->style.width);
	str_copy(buf, sz, str_get(&out));
	buf[strcspn(buf, "\n")] = 0;
	str_deinit(&out);
}

/* Up to OLDEST. */
static void test_numbers(void **state)
{
	static const struct {
		int64_t count;
		bool estimated;
		double per_minute, oldest;
		const char *want;
	} rows[] = {
		{1, false, 0, 0, "     1       0  waiting  select               0s"},
		{99999, false, 0.04, 14.2, " 99999       0  waiting  select            14.2s"},
		{100000, false, 96, 753, "  100k   +96.0  waiting  select           12m33s"},
		{12, true, -3.04, 273600, "   ~12    -3.0  waiting  select            3d04h"},
		{100000, true, 12345, 1, " ~100k    +12k  waiting  select               1s"},
		{STAT_UNKNOWN, true, NAN, NAN, "     ?       ?  waiting  select                ?"},
		{5, false, -1e30, 8.64e8, "     5   -1.0P  waiting  select        10000d00h"},
	};
	static const struct goroutine_table table = {.style = {.width = 120}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct goroutine_row row = {.count = rows[i].count,
					    .estimated = rows[i].estimated,
					    .per_minute = rows[i].per_minute,
					    .state = "waiting",
					    .reason = "select",
					    .oldest_seconds = rows[i].oldest,
					    .created = "f",
					    .created_at = "",
					    .blocked = "",
					    .blocked_at = "",
					    .mark = ""};
		char text[1024];

		row_text(&table, &row, text, sizeof(text));
		assert_int_equal(strcspn(text, "f"), 50);
		text[48] = 0;
		assert_string_equal(text, rows[i].want);
	}
}

static void test_sites(void **state)
{
	static const struct {
		const char *function, *place, *want;
	} rows[] = {
		{"main.main", "main.go:3", "main.main  main.go:3"},
		{"main.main", "/src/cmd/main.go:3", "main.main  main.go:3"},
		{"main.main", "", "main.main"},
		{"", "main.go:3", "?"},
		{"net/http.(*conn).serve", "serve.go:285", "http.conn.serve  serve.go:285"},
		{"net/http.(*Server).Serve", "server.go:3285", "http\u2026er.Serve  server.go:3285"},
		{"m.F[a/b.C]", "f.go:1", "m.F[a/b.C]  f.go:1"},
		{"github.com/x/y.(*T[github.com/z/w.Long]).Run", "y.go:7", "y.T.Run  y.go:7"},
		{"m.\033[2J", "a\nb", "m.?[2J  a?b"},
	};
	static const struct goroutine_table table = {.style = {.width = 120}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct goroutine_row row = {.count = 1,
					    .state = "waiting",
					    .reason = "",
					    .created = rows[i].function,
					    .created_at = rows[i].place,
					    .blocked = "",
					    .blocked_at = "",
					    .mark = ""};
		char text[1024];

		row_text(&table, &row, text, sizeof(text));
		assert_string_equal(text + 50, rows[i].want);
	}
}

static void fill(char *buf, size_t sz, const char *piece)
{
	size_t len = strlen(piece);

	for (size_t i = 0; i + 1 < sz; i++)
		buf[i] = piece[i % len];
	buf[sz - 1] = 0;
}

/* Texts of any length and bytes, numbers at their ends, states and marks that do not exist. */
/* To a pipe nothing is left out, and what is short moves nothing. */
static void test_fit(void **state)
{
	static const struct goroutine_row rows[] = {
		{.count = 1,
		 .state = "waiting",
		 .reason = "chan receive (nil chan)",
		 .created = "github.com/org/application/internal/store.(*Store[...]).Subscribe",
		 .created_at = "/src/internal/store/subscriptions.go:1088",
		 .blocked = "f",
		 .blocked_at = "/src/a_file_with_a_name_longer_than_its_function.go:7",
		 .mark = "blocked"},
		{.count = 2, .state = "waiting", .reason = "select", .created = "main.a", .created_at = "/a.go:1"},
	};
	struct goroutine_table t = {.style = {.width = 120}}, narrow = t;
	char text[1024];

	goroutine_table_fit(&narrow, &(struct goroutine_row){.reason = "sleep",
							     .created = "main.a",
							     .created_at = "a.go:1",
							     .blocked = "main.b",
							     .blocked_at = "b.go:2"});
	assert_int_equal(narrow.style.width, 120);
	goroutine_table_fit(&t, &rows[0]);
	row_text(&t, &rows[0], text, sizeof(text));
	assert_non_null(strstr(text, "  chan receive (nil chan)  "));
	assert_non_null(strstr(text, "github.com/org/application/internal/store.(*Store[...]).Subscribe  "
				     "subscriptions.go:1088  "));
	assert_non_null(strstr(text, "  f  a_file_with_a_name_longer_than_its_function.go:7  "));
	assert_string_equal(text + strlen(text) - 7, "blocked");
}

static void test_hostile(void **state)
{
	static const char *const pieces[] = {"x", "/", "\033[2J", "\xff\xfe", "\xe2\x82", "([", "\n\t"};
	struct snapshot_group g;
	struct goroutine_row row;

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		memset(&g, 0xff, sizeof(g));
		g.pid = INT32_MAX;
		g.cnt = INT64_MAX;
		g.per_minute = i % 2 ? INFINITY : -INFINITY;
		g.oldest_seconds = INFINITY;
		fill(g.reason, sizeof(g.reason), pieces[i]);
		fill(g.created, sizeof(g.created), pieces[i]);
		fill(g.created_at, sizeof(g.created_at), pieces[i]);
		fill(g.blocked, sizeof(g.blocked), pieces[i]);
		fill(g.blocked_at, sizeof(g.blocked_at), pieces[i]);
		goroutine_row_of(&g, &row);
		assert_string_equal(row.state, "?");
		assert_string_equal(row.mark, "");
		for (int width = 80; width < 200; width += 7) {
			struct goroutine_table t = {.style = {.width = width}, .pids = width % 2};
			char text[2048];

			row_text(&t, &row, text, sizeof(text));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_widths), cmocka_unit_test(test_numbers), cmocka_unit_test(test_sites),
		cmocka_unit_test(test_fit),    cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
