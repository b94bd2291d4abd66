/* SPDX-License-Identifier: BSD-2-Clause */
/* A grid of characters: pages write lines of pen.h's output into it, screen.c shows it. Nothing is written outside. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "view/columns.h"

#define CANVAS_ROWS_MAX 500
#define CANVAS_COLS_MAX 1000

struct canvas_cell {
	uint32_t c; /* 0: the right half of a wide character */
	uint8_t grade;
	uint8_t reverse;
	uint16_t pad;
};

struct canvas {
	int rows, cols;
	struct canvas_cell *cells; /* owned, rows * cols */
};

/* All blank; grows and shrinks. Sizes beyond the bounds are cut. 0 or -ENOMEM (then it keeps its size). */
int canvas_resize(struct canvas *c, int rows, int cols);
void canvas_deinit(struct canvas *c);
void canvas_clear(struct canvas *c);
/* Writes one line of a pen's output (clean text and its colour codes) at a place, up to the end of the line or the
 * edge. Returns the column after it. */
int canvas_line(struct canvas *c, int row, int col, const char *text);
/* Writes the lines of a pen's output, `skip` of them left out, into at most `height` rows. Returns how many lines the
 * text has. */
int canvas_lines(struct canvas *c, int row, int height, int skip, const char *text);
void canvas_reverse(struct canvas *c, int row, int from, int to);
