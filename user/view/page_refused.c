/* SPDX-License-Identifier: BSD-2-Clause */
/* Key l: the Go processes of which something cannot be observed, and why. */
#include <stdio.h>

#include "view/format.h"
#include "view/page.h"

#define NAME_WIDTH    44
#define VERSION_WIDTH 10

static void row(struct pen *p, const struct snapshot_refused *r)
{
	char name[OWNER_NAME_SZ + 8], pid[TEXT_SZ];
	int name_width = p->width < 110 ? 30 : NAME_WIDTH, why_at = 8 + name_width + 2 + VERSION_WIDTH;

	snprintf(pid, sizeof(pid), "%d", r->pid);
	pen_text(p, GRADE_FINE, pid);
	pen_to(p, 8);
	format_squeeze(r->name, name_width, p->ascii, name, sizeof(name));
	pen_text(p, GRADE_FINE, name);
	pen_to(p, 8 + name_width + 1);
	pen_textf(p, GRADE_FINE, "%.*s", VERSION_WIDTH - 1, *r->go_version ? r->go_version : "?");
	pen_to(p, why_at + 1);
	pen_text(p, r->partial ? GRADE_ADVICE : GRADE_WARNING, r->partial ? "in part: " : "not: ");
	pen_paragraph(p, why_at + 3, *r->why ? r->why : "?");
}

static void draw(struct view *v)
{
	struct str text;
	struct pen p;

	str_init(&text);
	view_pen(v, &text, &p);
	for (int i = 0; i < v->s.refused_cnt; i++)
		row(&p, &v->s.refused[i]);
	if (!v->s.refused_cnt) {
		pen_text(&p, GRADE_FINE,
			 v->s.processes_not_observable ? "the numbers do not say which ones; "
						       : "every Go process here can be observed");
		pen_text(&p, GRADE_FINE, v->s.processes_not_observable ? "gopherscope list does" : "");
		pen_end(&p);
	}
	canvas_line(&v->canvas, 0, 0, "Go processes that cannot be observed, in whole or in part");
	canvas_line(&v->canvas, 2, 0, "PID     NAMESPACE/POD:CONTAINER");
	page_lines(v, 3, &text);
	str_deinit(&text);
}

const struct page page_refused = {draw, page_scroll_key, "Esc back  arrows scroll  i signals  ? help  q quit",
				  "Esc back  arrows scroll  i signals  ? help  q quit"};
