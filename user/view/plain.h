/* SPDX-License-Identifier: BSD-2-Clause */
/* The view as plain text: the same columns as the screen, for pipes, --once, list, check and why. */
#pragma once

#include <stdbool.h>

#include "base/str.h"
#include "stats/snapshot.h"

struct plain_style {
	int width;  /* columns of the output, at least 80 (of plain_why() 60); pipes get 120 */
	int height; /* lines that a block may have, 0 any: of a terminal that is redrawn, rows give way */
	bool color; /* escape codes for the cells concerned */
	bool ascii; /* no characters beyond ASCII */
};

/* One block: the three header lines, the table, and the pane of the gravest row (or of every row with verdicts when
 * all_panes). */
void plain_top(const struct snapshot *s, const struct plain_style *st, bool all_panes, struct str *out);
/* The verdict pane of one container, as `why` prints it. */
void plain_why(const struct snapshot *s, const struct snapshot_container *c, const struct plain_style *st,
	       struct str *out);

struct process;
struct owner;
/* One line of `list`; owner may be NULL. header: the title line. The width of the name column is computed by the
 * caller. Helpers and processes that are no Go are written only with all. */
void plain_list_header(bool all, int name_width, struct str *out);
void plain_list_row(const struct process *p, const struct owner *o, bool all, int name_width,
		    const struct plain_style *st, struct str *out);
