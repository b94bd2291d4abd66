/* SPDX-License-Identifier: BSD-2-Clause */
/* Text goes through format_clean() and only then gets its colour, so no byte from outside can be part of an escape
 * sequence. Blanks are written when something follows them: lines have no blank end. */
#include "view/pen.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "view/format.h"

#define PIECE_SZ 2048 /* the longest piece of text: a verdict's sentence is 320 bytes, a name 1024 */

void pen_text(struct pen *p, enum grade grade, const char *text)
{
	static const char *const codes[] = {"", "\033[2m", "\033[36m", "\033[33m", "\033[1;31m"};
	bool colored = p->color && grade != GRADE_FINE && *text;
	char clean[PIECE_SZ];

	p->at += format_clean(text, p->ascii, clean, sizeof(clean));
	if (colored)
		str_add(p->out, codes[grade]);
	str_add(p->out, clean);
	if (colored)
		str_add(p->out, "\033[0m");
}

void pen_textf(struct pen *p, enum grade grade, const char *fmt, ...)
{
	char text[PIECE_SZ];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pen_text(p, grade, text);
}

void pen_to(struct pen *p, int column)
{
	for (; p->at < column; p->at++)
		str_add_n(p->out, " ", 1);
}

void pen_right(struct pen *p, enum grade grade, int end, const char *text)
{
	char clean[PIECE_SZ];

	pen_to(p, end - format_clean(text, p->ascii, clean, sizeof(clean)));
	pen_text(p, grade, text);
}

void pen_join_right(struct pen *p, const struct pen *right)
{
	if (p->at + 2 + right->at > p->width)
		pen_end(p);
	pen_to(p, p->width - right->at);
	str_add_n(p->out, str_get(right->out), right->out->len);
	p->at += right->at;
}

void pen_paragraph(struct pen *p, int indent, const char *text)
{
	bool begun = false;

	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		size_t len = strcspn(text, " ");
		char word[PIECE_SZ], clean[PIECE_SZ];
		int width;

		snprintf(word, sizeof(word), "%.*s", (int)len, text);
		width = format_clean(word, p->ascii, clean, sizeof(clean));
		if (begun && p->at + 1 + width > p->width) {
			pen_end(p);
			pen_to(p, indent);
		} else if (begun) {
			pen_to(p, p->at + 1);
		}
		pen_text(p, GRADE_FINE, word);
		begun = true;
		text += len;
	}
	pen_end(p);
}

void pen_end(struct pen *p)
{
	str_add_n(p->out, "\n", 1);
	p->at = 0;
}
