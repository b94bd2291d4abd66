/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of containers: what the screen and the plain text have in common, line by line. None of these ends its
 * line.
 */
#pragma once

#include "view/columns.h"
#include "view/pen.h"

#define TABLE_BAR "\u2502"

/* The line above the titles: what the columns between the bars have in common. False: there are no bars, and nothing
 * was written. */
bool table_caption(struct pen *p, const struct column_layout *l);
void table_titles(struct pen *p, const struct column_layout *l);
/* bars: how the bars of the row look. */
void table_row(struct pen *p, const struct column_layout *l, const struct snapshot *s,
	       const struct snapshot_container *c, enum grade bars);
