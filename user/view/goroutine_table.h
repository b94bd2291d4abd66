/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of goroutines that are alike: of page 4 of the screen, and of `gopherscope goroutines` (screens.md 5). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "stats/snapshot.h"
#include "view/pen.h"
#include "view/plain.h"

/* Texts are borrowed and may hold any bytes; "" where there is none. */
struct goroutine_row {
	int32_t pid;
	int64_t count;     /* goroutines */
	bool estimated;    /* the count was scaled from a sample: `~` */
	double per_minute; /* growth; NAN unknown: seen once */
	const char *state, *reason;
	double oldest_seconds;            /* NAN unknown */
	const char *created, *created_at; /* function, file:line: only the last part of a path is shown */
	const char *blocked, *blocked_at;
	const char *mark; /* "leak?", "blocked", "leaked" */
};

struct goroutine_table {
	struct plain_style style; /* width: at least 80 */
	int reason_width;         /* of WAIT REASON; less than 16: 16 */
	bool pids;                /* a column for the process: rows of several are shown */
	bool one_look;            /* growth does not apply: `-` */
};

/* The titles, one line. Below 113 columns (121 with pids) a row takes two lines: the sites stand on the second one. */
void goroutine_table_header(const struct goroutine_table *t, struct str *out);
void goroutine_table_row(const struct goroutine_table *t, const struct goroutine_row *row, struct str *out);
/* Widens the table so that nothing of the row is left out: for output that no screen bounds. */
void goroutine_table_fit(struct goroutine_table *t, const struct goroutine_row *row);
/* A function with its file:line in at most `width` columns, in the shortened forms of the table; "" is `?`. */
void goroutine_table_site(struct pen *p, const char *function, const char *place, int width);
/* What a row says of a group of a snapshot; its texts are borrowed from the group. */
void goroutine_row_of(const struct snapshot_group *g, struct goroutine_row *ret);
