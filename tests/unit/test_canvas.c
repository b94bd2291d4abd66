/* SPDX-License-Identifier: BSD-2-Clause */
/* Text on the grid: edges, wide characters, colours, and that nothing is written outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/log.h"
#include "view/canvas.h"
#include "view/messages.h"

/* A row as text: wide ones once, no colours. */
static const char *row_text(const struct canvas *c, int row)
{
	static char buf[256];
	size_t at = 0;

	for (int col = 0; col < c->cols; col++) {
		uint32_t ch = c->cells[row * c->cols + col].c;

		if (ch)
			buf[at++] = ch < 0x80 ? (char)ch : 'W';
	}
	buf[at] = 0;
	return buf;
}

static void test_edges(void **state)
{
	struct canvas c = {0};

	assert_int_equal(canvas_resize(&c, 3, 8), 0);
	assert_int_equal(canvas_line(&c, 0, 6, "abcdef"), 12);
	assert_string_equal(row_text(&c, 0), "      ab");
	canvas_line(&c, 1, -2, "abcdef");
	assert_string_equal(row_text(&c, 1), "cdef    ");
	canvas_line(&c, 3, 0, "x");
	canvas_line(&c, -1, 0, "x");
	canvas_reverse(&c, 7, 0, 9);
	canvas_reverse(&c, 2, -4, 99);
	assert_int_equal(c.cells[2 * 8 + 7].reverse, 1);
	assert_int_equal(canvas_lines(&c, 1, 2, 1, "one\ntwo\nthree\nfour\n"), 4);
	assert_string_equal(row_text(&c, 1), "twof    ");
	canvas_deinit(&c);
}

static void test_wide(void **state)
{
	struct canvas c = {0};

	canvas_resize(&c, 1, 6);
	canvas_line(&c, 0, 0, "\u4e2d\u6587\u4e2d"); /* three, two columns each */
	assert_string_equal(row_text(&c, 0), "WWW");
	canvas_line(&c, 0, 1, "x"); /* over the right half of the first */
	assert_string_equal(row_text(&c, 0), " xWW");
	canvas_line(&c, 0, 2, "y"); /* over the left half of the second */
	assert_string_equal(row_text(&c, 0), " xy W");
	canvas_line(&c, 0, 5, "\u4e2d"); /* half of it fits */
	assert_string_equal(row_text(&c, 0), " xy   ");
	canvas_deinit(&c);
}

static void test_colors(void **state)
{
	struct canvas c = {0};

	canvas_resize(&c, 1, 10);
	canvas_line(&c, 0, 0, "a\033[33mb\033[0mc\033[1;31md\033[0m\033[31mx");
	assert_int_equal(c.cells[0].grade, GRADE_FINE);
	assert_int_equal(c.cells[1].grade, GRADE_WARNING);
	assert_int_equal(c.cells[2].grade, GRADE_FINE);
	assert_int_equal(c.cells[3].grade, GRADE_CRITICAL);
	assert_string_equal(row_text(&c, 0), "abcd?[31mx"); /* no code of a pen: harmless */
	canvas_deinit(&c);
}

static void test_sizes(void **state)
{
	struct canvas c = {0};

	canvas_resize(&c, 1000000, 1000000);
	assert_int_equal(c.rows, CANVAS_ROWS_MAX);
	assert_int_equal(c.cols, CANVAS_COLS_MAX);
	canvas_resize(&c, 0, -1);
	assert_int_equal(c.rows * c.cols, 1);
	canvas_line(&c, 0, 0, "\u4e2d");
	assert_string_equal(row_text(&c, 0), " ");
	canvas_deinit(&c);
	canvas_deinit(&c);
}

/* Log lines while the screen is open. */
static void test_messages(void **state)
{
	struct messages *m;
	char text[64] = "";

	assert_int_equal(messages_new(&m), 0);
	assert_false(messages_next(m, text, sizeof(text)));
	log_warn("cannot attach %s", "x\033[31m");
	log_warn("second\n");
	log_debug("not at this level");
	assert_true(messages_next(m, text, sizeof(text)));
	assert_string_equal(text, "second");
	assert_false(messages_next(m, text, sizeof(text)));
	for (int i = 0; i < 1000; i++)
		log_warn("flood %d", i);
	assert_true(messages_next(m, text, sizeof(text)));
	assert_string_equal(text, "flood 999");
	assert_null(messages_free(m));
	assert_null(messages_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges), cmocka_unit_test(test_wide),     cmocka_unit_test(test_colors),
		cmocka_unit_test(test_sizes), cmocka_unit_test(test_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
