/* SPDX-License-Identifier: BSD-2-Clause */
/* The one-clock strip: what happened in each hundredth of a second, lane by lane, and the names of the events there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/detail.h"

#define STRIP_COLUMN_NS   10000000ull
#define STRIP_COLUMNS_MAX 100
#define STRIP_LABEL       10 /* columns of the lanes' names */

struct strip {
	int columns;
	uint64_t from_ns;
	bool lane[LANE_CNT][STRIP_COLUMNS_MAX];
	bool runq_watched[STRIP_COLUMNS_MAX];
	double cpus[STRIP_COLUMNS_MAX]; /* CPUs used, NAN unknown */
	double cpus_max;                /* NAN: none known */
};

/* Columns on a screen of this width. */
int strip_columns(int width);
/* d: what was asked for [from_ns, from_ns + columns * STRIP_COLUMN_NS]. */
void strip_fill(struct strip *s, const struct detail *d, uint64_t from_ns, int columns);
/* One character a column, UTF-8. sz: 4 * STRIP_COLUMNS_MAX at least. */
void strip_lane_text(const struct strip *s, enum detail_lane lane, char *buf, size_t sz);
void strip_cpu_text(const struct strip *s, bool ascii, char *buf, size_t sz);

#define STRIP_EVENT_SZ 120
/* Events that overlap a column, one line each, without the time of day: throttle intervals of several CPUs that overlap
 * are one. start_ns: of the event. Returns how many were written. */
struct strip_event {
	uint64_t start_ns;
	char name[24];
	char text[STRIP_EVENT_SZ];
};
int strip_events(const struct strip *s, const struct detail *d, int column, struct strip_event *ret, int max);
