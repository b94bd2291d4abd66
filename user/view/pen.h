/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes lines of clean text: the one place of the plain view where bytes from outside and colours meet. */
#pragma once

#include <stdbool.h>

#include "base/str.h"
#include "view/columns.h"

struct pen {
	struct str *out; /* borrowed */
	int width;       /* columns of a line */
	int at;          /* column of the next character */
	bool color, ascii;
};

/* Adds text as it stands on a terminal: cleaned (format_clean), coloured when asked. */
void pen_text(struct pen *p, enum grade grade, const char *text);
void pen_textf(struct pen *p, enum grade grade, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Blanks up to a column; none when the pen is already there. */
void pen_to(struct pen *p, int column);
/* Text whose last character stands before column `end`. */
void pen_right(struct pen *p, enum grade grade, int end, const char *text);
/* Adds what another pen wrote at the right end of the line, or below it where it does not fit. */
void pen_join_right(struct pen *p, const struct pen *right);
/* A paragraph, broken at blanks; lines after the first begin at column `indent`. Ends the line. */
void pen_paragraph(struct pen *p, int indent, const char *text);
void pen_end(struct pen *p);
