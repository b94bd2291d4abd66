/* SPDX-License-Identifier: BSD-2-Clause */
/* The columns of the main table as data, and what a cell of one container says: the screen and the plain text share it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "stats/snapshot.h"

#define COLUMN_NO_SIGNAL (-1) /* needs no signal: cgroup files */
#define COLUMN_CNT       12

/* What a cell, or any other piece of text, stands for; the caller turns it into colour. */
enum grade { GRADE_FINE, GRADE_DIM, GRADE_ADVICE, GRADE_WARNING, GRADE_CRITICAL };

enum column_group { COLUMN_CPU, COLUMN_DELAY, COLUMN_REST }; /* a bar stands between groups on a wide screen */

enum cell_kind {
	CELL_VALUE,   /* a number */
	CELL_NOTHING, /* `·` nothing happened in the window */
	CELL_NONE,    /* `-` does not apply, or the signal is off */
	CELL_UNKNOWN, /* `?` */
};

/* What a column reads from a container. */
struct cell_value {
	double value;  /* printed */
	double judged; /* compared with the thresholds; value unless the reader sets another */
	bool partial;  /* a part is missing: as if events of the signal were lost */
	bool other;    /* from another source than the column's signal: shown also where that is off */
};

struct column {
	const char *title, *title_narrow;
	int width, width_narrow; /* at 120 and at 80 columns; 0: gives way */
	enum column_group group;
	int signal;               /* enum signal_id, or COLUMN_NO_SIGNAL */
	double warning, critical; /* of judged, NAN none */
	enum cell_kind (*read)(const struct snapshot_container *c, struct cell_value *ret);
	char *(*format)(double value, char *buf, size_t sz);
};

/* `~` stands before a number when events of its signal were lost in the window, or when the signal is armed for a part
 * of the time only (state "window", a share below 1: RUNQ). Such a delay has two digits: "~94", "~.31". */
struct cell {
	char text[24]; /* UTF-8 */
	enum grade grade;
};

/* The columns that fit a width: those of signals that the build does not have give their width to the name. */
struct column_layout {
	bool narrow;
	bool namespaces; /* the name column shows the namespace */
	int name_width, why_width;
	int why_at; /* where the WHY column begins; columns of the terminal count from 0 */
	int cnt;
	struct {
		const struct column *column;
		int end; /* one beyond its last column: cells stand to the right */
		int bar; /* where a bar stands before it, -1 none */
	} cols[COLUMN_CNT];
};

#define COLUMN_WIDTH_MIN 80
#define COLUMN_NAME_AT   2 /* after the mark and a blank */

/* width: columns of the output, at least COLUMN_WIDTH_MIN. */
void columns_layout(const struct snapshot *s, int width, struct column_layout *ret);
void columns_cell(const struct column *col, const struct snapshot *s, const struct snapshot_container *c,
		  struct cell *ret);

/* `!` critical, `*` warning, `i` advice, `?` unresolved or not observable, `x` gone, blank: nothing to say. */
char columns_mark(const struct snapshot_container *c, enum grade *grade);
/* Name as the column shows it, not yet squeezed or cleaned. */
void columns_name(const struct snapshot_container *c, bool namespaces, char *buf, size_t sz);
/* One of its cells is above the threshold from which on it is coloured. */
bool columns_above(const struct snapshot *s, const struct snapshot_container *c);
/* Content of the WHY column, at most width columns of ASCII. */
void columns_why(const struct snapshot_container *c, int width, char *buf, size_t sz);
/* Grade of a verdict's severity. */
enum grade columns_severity_grade(enum verdict_severity severity);
