/* SPDX-License-Identifier: BSD-2-Clause */
/* In which order the containers of a snapshot stand. */
#pragma once

#include <stdbool.h>

#include "stats/snapshot.h"

enum sort_key {
	SORT_WHY,
	SORT_CPU,
	SORT_MEM,
	SORT_THR,
	SORT_STW,
	SORT_GC,
	SORT_NAME,
	SORT_RUNQ,
	SORT_GOSCH,
	SORT_NET,
	SORT_DNS,
	SORT_KEY_CNT
};

extern const char *const order_names[SORT_KEY_CNT + 1]; /* "why", ... ends with NULL */

/* Orders the containers by a column instead of by WHY (which verdicts_apply() has done). Unknown last, whatever the
 * direction. */
void order_apply(struct snapshot *s, enum sort_key key, bool reverse);
/* The same as indexes into s->containers: rows has room for all of them. */
void order_rows(const struct snapshot *s, enum sort_key key, bool reverse, int *rows);
