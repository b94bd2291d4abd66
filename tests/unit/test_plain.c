/* SPDX-License-Identifier: BSD-2-Clause */
/* The main screen, the pane and the list as text, compared with tests/golden; and what holds for all of them: no line
 * is wider than asked, no blank ends, colours change nothing but colours, nothing from outside reaches the terminal
 * raw. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "golden.h"
#include "procs/process.h"
#include "sample_snapshot.h"
#include "view/format.h"
#include "view/plain.h"

#define WIDE                                                                                                           \
	{                                                                                                              \
		.width = 120                                                                                           \
	}
#define NARROW                                                                                                         \
	{                                                                                                              \
		.width = 80                                                                                            \
	}

static void check_lines(const char *text, int width)
{
	char line[4096], clean[4096];

	while (*text) {
		size_t len = strcspn(text, "\n");

		assert_true(len < sizeof(line));
		memcpy(line, text, len);
		line[len] = 0;
		assert_int_equal(text[len], '\n');
		assert_true(!len || line[len - 1] != ' ');
		if (format_clean(line, false, clean, sizeof(clean)) > width)
			fail_msg("wider than %d: %s", width, line);
		assert_string_equal(line, clean); /* no controls */
		text += len + 1;
	}
}

/* sample_fine() with room in its memory limit: there no rule has anything to say. */
static void sample_well(struct snapshot *s)
{
	sample_fine(s);
	s->containers[0].memory.working_set_bytes = s->containers[0].memory.limit_bytes / 2;
}

/* The first blocks of a throttled container: the rule holds, its verdict has yet to. */
static void sample_pending(struct snapshot *s)
{
	sample_well(s);
	s->containers[0].cpu.ratio = 0.41;
	s->containers[0].cpu.length = sample_dist(62, 0.066, 0.0929, 0.0946);
}

/* One long interval: a cell is red, and no rule is going to say anything. */
static void sample_rare(struct snapshot *s)
{
	sample_pending(s);
	s->containers[0].cpu.ratio = 0.002;
}

static void test_top(void **state)
{
	static const struct {
		const char *golden;
		void (*sample)(struct snapshot *s);
		struct plain_style style;
		bool all;
	} rows[] = {
		{"plain_top_120.txt", sample_busy, WIDE, false},
		{"plain_top_120_all.txt", sample_busy, WIDE, true},
		{"plain_top_100.txt", sample_busy, {.width = 100}, false},
		{"plain_top_80.txt", sample_busy, NARROW, true},
		{"plain_top_ascii.txt", sample_busy, {.width = 120, .ascii = true}, false},
		{"plain_top_fine.txt", sample_well, WIDE, false},
		{"plain_top_pending.txt", sample_pending, WIDE, false},
		{"plain_top_pending_80.txt", sample_pending, NARROW, false},
		{"plain_top_rare.txt", sample_rare, WIDE, false},
		{"plain_top_empty.txt", sample_node, WIDE, false},
		{"plain_top_unknown.txt", sample_unknown, WIDE, false},
		{"plain_top_unknown_80.txt", sample_unknown, NARROW, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct snapshot s;
		struct str out;

		rows[i].sample(&s);
		str_init(&out);
		plain_top(&s, &rows[i].style, rows[i].all, &out);
		check_lines(str_get(&out), rows[i].style.width);
		assert_true(golden_same(rows[i].golden, str_get(&out)));
		str_deinit(&out);
		snapshot_deinit(&s);
	}
}

/* Removes CSI ... m in place; fails on any other escape. */
static void strip_colors(char *text)
{
	char *to = text;

	for (const char *p = text; *p;) {
		if (*p != '\033') {
			*to++ = *p++;
			continue;
		}
		assert_int_equal(p[1], '[');
		p += 2 + strspn(p + 2, "0123456789;");
		assert_int_equal(*p++, 'm');
	}
	*to = 0;
}

/* A terminal that is redrawn: rows give way, never the header or the pane. */
static void test_height(void **state)
{
	static const int heights[] = {0, 10, 12, 16, 18, 100};
	struct snapshot s;
	int whole = 0;

	sample_busy(&s);
	for (size_t i = 0; i < ARRAY_SIZE(heights); i++) {
		struct plain_style style = {.width = 120, .height = heights[i]};
		struct str out;
		int lines = 0;

		str_init(&out);
		plain_top(&s, &style, false, &out);
		for (const char *at = str_get(&out); (at = strchr(at, '\n')); at++)
			lines++;
		whole = i ? whole : lines;
		assert_non_null(strstr(str_get(&out), "gopherscope  node"));
		assert_non_null(strstr(str_get(&out), "SEEN"));
		if (!heights[i] || heights[i] > whole)
			assert_int_equal(lines, whole);
		else
			assert_non_null(strstr(str_get(&out), " more: a taller terminal"));
		if (heights[i] >= 16 && heights[i] <= whole)
			assert_int_equal(lines, heights[i] - 1); /* the cursor stands on the last */
		str_deinit(&out);
	}
	snapshot_deinit(&s);
}

static void test_colors(void **state)
{
	static const struct plain_style plain = WIDE, colored = {.width = 120, .color = true};
	struct str with, without;
	struct snapshot s;

	sample_busy(&s);
	str_init(&with);
	str_init(&without);
	plain_top(&s, &plain, true, &without);
	plain_top(&s, &colored, true, &with);
	assert_true(golden_same("plain_top_color.txt", str_get(&with)));
	assert_null(strchr(str_get(&without), '\033'));
	strip_colors(with.buf);
	assert_string_equal(with.buf, without.buf);
	str_deinit(&with);
	str_deinit(&without);
	snapshot_deinit(&s);
}

/* Sorted by another column, the pane still belongs to the gravest row. */
static void test_gravest_pane(void **state)
{
	static const struct plain_style style = WIDE;
	struct snapshot_container first;
	struct snapshot s;
	struct str out;

	sample_busy(&s);
	first = s.containers[0];
	s.containers[0] = s.containers[2];
	s.containers[2] = first;
	str_init(&out);
	plain_top(&s, &style, false, &out);
	assert_non_null(strstr(str_get(&out), "! shop/checkout-api-7d9c6b5f4-x2x9k:app   since 12:28:40 (2m27s)"));
	assert_null(strstr(str_get(&out), "DO   set GOMAXPROCS=4"));
	str_deinit(&out);
	snapshot_deinit(&s);
}

static void test_why(void **state)
{
	static const struct plain_style wide = WIDE, narrow = NARROW;
	struct snapshot s;
	struct str out;

	sample_busy(&s);
	str_init(&out);
	for (int i = 0; i < s.container_cnt; i++) {
		plain_why(&s, &s.containers[i], &wide, &out);
		str_add(&out, "\n");
	}
	plain_why(&s, &s.containers[0], &narrow, &out);
	check_lines(str_get(&out), 120);
	assert_true(golden_same("plain_why.txt", str_get(&out)));
	str_deinit(&out);
	snapshot_deinit(&s);
}

/* A pod, a process, a node and a reason that hold escape sequences, bare C1 bytes, line breaks and bidi controls. */
static void test_injection(void **state)
{
	static const char *const evil = "a\033]0;owned\007\033[2J\r\n\233"
					"31m\342\200\256\tb";
	static const struct plain_style styles[] = {WIDE, NARROW, {.width = 120, .ascii = true}};
	struct snapshot s;
	struct str out;

	sample_busy(&s);
	str_copy(s.node_name, sizeof(s.node_name), evil);
	sample_signal_state(&s, SIGNAL_GO_GC, "off", evil);
	str_copy(s.containers[0].owner.pod, OWNER_NAME_SZ, evil);
	str_copy(s.containers[0].verdicts[0].text, sizeof(s.containers[0].verdicts[0].text), evil);
	str_copy(s.containers[0].verdicts[0].advice, sizeof(s.containers[0].verdicts[0].advice), evil);
	str_copy(s.containers[4].owner.host_comm, sizeof(s.containers[4].owner.host_comm), evil);
	for (size_t i = 0; i < ARRAY_SIZE(styles); i++) {
		str_init(&out);
		plain_top(&s, &styles[i], true, &out);
		check_lines(str_get(&out), styles[i].width);
		str_deinit(&out);
	}
	snapshot_deinit(&s);
}

/* Names as long as their fields allow. */
static void test_long_names(void **state)
{
	static const struct plain_style style = NARROW;
	struct snapshot s;
	struct str out;

	sample_busy(&s);
	memset(s.node_name, 'n', sizeof(s.node_name) - 1);
	for (int i = 0; i < s.container_cnt; i++) {
		struct owner *o = &s.containers[i].owner;

		memset(o->namespace_, 'n', sizeof(o->namespace_) - 1);
		memset(o->pod, '-', sizeof(o->pod) - 1);
		memset(o->container, 'c', sizeof(o->container) - 1);
	}
	str_init(&out);
	plain_top(&s, &style, true, &out);
	check_lines(str_get(&out), 80);
	str_deinit(&out);
	snapshot_deinit(&s);
}

struct list_case {
	struct process p;
	struct binary b;
	bool has_binary, has_owner;
};

static const struct list_case list_cases[] = {
	{{.pid = 48213, .go_gc_on = true, .go_runtime_on = true},
	 {.go_version = "go1.22.5",
	  .go_minor = 22,
	  .stripped = true,
	  .pie = true,
	  .layout = LAYOUT_TABLE,
	  .globals_source = GLOBALS_CODE},
	 true,
	 true},
	{{.pid = 50110, .state = PROCESS_REFUSED, .why = "Go 1.16 is older than 1.18"},
	 {.go_version = "go1.16.3", .go_minor = 16},
	 true,
	 true},
	{{.pid = 4194303,
	  .state = PROCESS_PARTIAL,
	  .go_gc_on = true,
	  .go_runtime_why = "self-check failed (allp[3].id = 7)"},
	 {.go_version = "devel go1.29-abcdef Tue", .go_minor = 29, .go_devel = true, .stripped = true},
	 true,
	 true},
	{{.pid = 12,
	  .comm = "lost",
	  .state = PROCESS_PARTIAL,
	  .go_runtime_on = true,
	  .go_gc_why = "no safe probe site"},
	 {.go_version = "go1.25.1 X:synctest",
	  .go_minor = 25,
	  .pie = true,
	  .layout = LAYOUT_DWARF,
	  .globals_source = GLOBALS_SYMTAB},
	 true,
	 false},
	{{.pid = 1, .comm = "sy\033stemd", .state = PROCESS_SKIPPED, .why = "no Go build information"},
	 {.size = 0},
	 false,
	 false},
	{{.pid = 77, .comm = "runc", .state = PROCESS_HELPER}, {.go_version = "go1.23.1", .go_minor = 23}, true, false},
};

static void list(bool all, struct str *out)
{
	static const struct plain_style style = WIDE;
	struct owner o = {.kind = OWNER_POD};

	sample_owner(&o, "shop", "checkout-api-7d9c6b5f4-x2x9k", "app", NULL);
	plain_list_header(all, 37, out);
	for (size_t i = 0; i < ARRAY_SIZE(list_cases); i++) {
		struct process p = list_cases[i].p;

		p.binary = list_cases[i].has_binary ? &list_cases[i].b : NULL;
		plain_list_row(&p, list_cases[i].has_owner ? &o : NULL, all, 37, &style, out);
	}
}

static void test_list(void **state)
{
	struct str out;

	str_init(&out);
	list(false, &out);
	str_add(&out, "\n");
	list(true, &out);
	check_lines(str_get(&out), 200);
	assert_true(golden_same("plain_list.txt", str_get(&out)));
	str_deinit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_top),          cmocka_unit_test(test_height), cmocka_unit_test(test_colors),
		cmocka_unit_test(test_gravest_pane), cmocka_unit_test(test_why),    cmocka_unit_test(test_injection),
		cmocka_unit_test(test_long_names),   cmocka_unit_test(test_list),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
