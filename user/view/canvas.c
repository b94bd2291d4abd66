/* SPDX-License-Identifier: BSD-2-Clause */
/* The pages write text with pen.h, as the plain view does, so that one place cleans what comes from outside; here its
 * five colour codes become grades again, cell by cell. */
#include "view/canvas.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

int canvas_resize(struct canvas *c, int rows, int cols)
{
	struct canvas_cell *cells;

	rows = rows < 1 ? 1 : rows > CANVAS_ROWS_MAX ? CANVAS_ROWS_MAX : rows;
	cols = cols < 1 ? 1 : cols > CANVAS_COLS_MAX ? CANVAS_COLS_MAX : cols;
	cells = calloc((size_t)rows * (size_t)cols, sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	free(c->cells);
	*c = (struct canvas){rows, cols, cells};
	canvas_clear(c);
	return 0;
}

void canvas_deinit(struct canvas *c)
{
	free(c->cells);
	memset(c, 0, sizeof(*c));
}

void canvas_clear(struct canvas *c)
{
	for (int i = 0; i < c->rows * c->cols; i++)
		c->cells[i] = (struct canvas_cell){.c = ' '};
}

/* Whoever overwrites half of a wide character leaves a blank where the other half was. */
static void split_wide(struct canvas *c, int row, int col)
{
	struct canvas_cell *line = &c->cells[row * c->cols];

	if (col > 0 && col < c->cols && !line[col].c)
		line[col - 1].c = line[col].c = ' ';
}

static void put(struct canvas *c, int row, int col, uint32_t ch, int width, enum grade grade)
{
	struct canvas_cell *cell = &c->cells[row * c->cols + col];

	split_wide(c, row, col);
	split_wide(c, row, col + width);
	if (col + width > c->cols) { /* half of a wide one does not fit */
		ch = ' ';
		width = 1;
	}
	cell[0] = (struct canvas_cell){.c = ch, .grade = (uint8_t)grade};
	if (width == 2)
		cell[1] = (struct canvas_cell){.grade = (uint8_t)grade};
}

/* Length of the colour code at text, 0 if there is none. */
static size_t code(const char *text, enum grade *grade)
{
	static const struct {
		const char *code;
		enum grade grade;
	} codes[] = {{"\033[0m", GRADE_FINE},
		     {"\033[2m", GRADE_DIM},
		     {"\033[36m", GRADE_ADVICE},
		     {"\033[33m", GRADE_WARNING},
		     {"\033[1;31m", GRADE_CRITICAL}};

	for (size_t i = 0; *text == '\033' && i < sizeof(codes) / sizeof(*codes); i++) {
		size_t len = strlen(codes[i].code);

		if (!strncmp(text, codes[i].code, len)) {
			*grade = codes[i].grade;
			return len;
		}
	}
	return 0;
}

int canvas_line(struct canvas *c, int row, int col, const char *text)
{
	enum grade grade = GRADE_FINE;

	if (row < 0 || row >= c->rows)
		return col;
	while (*text && *text != '\n') {
		uint32_t ch = '?';
		size_t n = code(text, &grade);
		int width;

		text += n;
		if (n)
			continue;
		n = utf8_next(text, strlen(text), &ch);
		width = n ? utf8_columns(ch) : 0;
		if (!width) { /* cannot come from a pen */
			ch = '?';
			width = 1;
		}
		text += n ? n : 1;
		if (col >= 0 && col < c->cols)
			put(c, row, col, ch, width, grade);
		col += width;
	}
	return col;
}

int canvas_lines(struct canvas *c, int row, int height, int skip, const char *text)
{
	int cnt = 0;

	for (const char *end; *text; text = end + 1) {
		if (cnt >= skip && cnt - skip < height)
			canvas_line(c, row + cnt - skip, 0, text);
		cnt++;
		end = strchr(text, '\n');
		if (!end)
			break;
	}
	return cnt;
}

void canvas_reverse(struct canvas *c, int row, int from, int to)
{
	if (row < 0 || row >= c->rows)
		return;
	for (int col = from < 0 ? 0 : from; col < to && col < c->cols; col++)
		c->cells[row * c->cols + col].reverse = 1;
}
