/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of the table of containers. Blank marks and empty causes are not written: lines have no blank end, and blanks
 * no colour. */
#include "view/table.h"

#include <string.h>

#include "view/format.h"

#define NAME_SZ 1024 /* what owner_format() can write */
#define WHY_SZ  24

bool table_caption(struct pen *p, const struct column_layout *l)
{
	static const char *const captions[] = {"longest delay, ms (p99)", "delay, ms (p99)", "delay, ms"};
	int from = -1, to = -1;

	for (int i = 0; i < l->cnt; i++) {
		if (l->cols[i].bar < 0)
			continue;
		if (l->cols[i].column->group == COLUMN_DELAY)
			from = l->cols[i].bar;
		else
			to = l->cols[i].bar;
	}
	if (from < 0 || to < 0)
		return false;
	pen_to(p, from);
	pen_text(p, GRADE_FINE, TABLE_BAR);
	for (size_t i = 0; i < sizeof(captions) / sizeof(*captions); i++) {
		int room = to - from - 1 - (int)strlen(captions[i]);

		if (room < 0)
			continue;
		pen_to(p, p->at + room / 2);
		pen_text(p, GRADE_FINE, captions[i]);
		break;
	}
	pen_to(p, to);
	pen_text(p, GRADE_FINE, TABLE_BAR);
	return true;
}

void table_titles(struct pen *p, const struct column_layout *l)
{
	pen_to(p, COLUMN_NAME_AT);
	pen_text(p, GRADE_FINE, l->namespaces ? "NAMESPACE/POD:CONTAINER" : "POD:CONTAINER");
	for (int i = 0; i < l->cnt; i++) {
		const struct column *col = l->cols[i].column;

		if (l->cols[i].bar >= 0)
			pen_right(p, GRADE_FINE, l->cols[i].bar + 1, TABLE_BAR);
		pen_right(p, GRADE_FINE, l->cols[i].end, l->narrow ? col->title_narrow : col->title);
	}
	pen_to(p, l->why_at);
	pen_text(p, GRADE_FINE, "WHY");
}

static void row_name(struct pen *p, const struct column_layout *l, const struct snapshot_container *c)
{
	char name[NAME_SZ], squeezed[NAME_SZ];

	columns_name(c, l->namespaces, name, sizeof(name));
	format_squeeze(name, l->name_width, p->ascii, squeezed, sizeof(squeezed));
	pen_to(p, COLUMN_NAME_AT);
	pen_text(p, c->gone ? GRADE_DIM : GRADE_FINE, squeezed);
}

void table_row(struct pen *p, const struct column_layout *l, const struct snapshot *s,
	       const struct snapshot_container *c, enum grade bars)
{
	char why[WHY_SZ], mark[2] = "";
	enum grade grade;

	mark[0] = columns_mark(c, &grade);
	columns_why(c, l->why_width, why, sizeof(why));
	if (*mark != ' ')
		pen_text(p, grade, mark);
	row_name(p, l, c);
	for (int i = 0; i < l->cnt; i++) {
		struct cell cell;

		columns_cell(l->cols[i].column, s, c, &cell);
		if (l->cols[i].bar >= 0)
			pen_right(p, bars, l->cols[i].bar + 1, TABLE_BAR);
		pen_right(p, cell.grade, l->cols[i].end, cell.text);
	}
	if (*why) {
		pen_to(p, l->why_at);
		pen_text(p, grade, why);
	}
}
