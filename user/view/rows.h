/* SPDX-License-Identifier: BSD-2-Clause */
/* Which container stands in which row of the table, and where the cursor is: rows keep their places while somebody
 * reads or presses keys. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "stats/snapshot.h"

#define ROWS_MOVE_NS 5000000000ull /* rows move at most this often, and not this soon after a key */

struct row {
	uint32_t id; /* snapshot_container.id */
	int at;      /* its place in the snapshot's containers */
};

struct rows {
	struct row *row; /* owned */
	int cnt, cap;
	int cursor;        /* row; 0 without rows */
	int top;           /* first row on screen */
	uint32_t selected; /* id under the cursor */
	bool held;         /* somebody chose that row; before, the cursor stands on whatever is first */
	uint64_t moved_ns; /* when the order was last taken over; 0: take it with the next snapshot */
};

void rows_deinit(struct rows *r);
/* A new snapshot. wanted: indexes of the containers to show, in the order of the sort key. The order is taken over when
 * it is time (now_ns, and key_ns of the last key); else rows stay, those of containers that are no longer wanted go and
 * new ones come last. The cursor stays on its container once it was moved. 0 or -ENOMEM. */
int rows_update(struct rows *r, const struct snapshot *s, const int *wanted, int wanted_cnt, uint64_t now_ns,
		uint64_t key_ns);
/* The next rows_update() takes the order over: another sort key, another filter. */
void rows_resort(struct rows *r);
/* Moves the cursor by so many rows, as far as there are any. From then on it belongs to its container. */
void rows_move(struct rows *r, int by);
/* Scrolls so that the cursor is among `height` rows. */
void rows_scroll(struct rows *r, int height);
