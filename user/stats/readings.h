/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters read about once a second, kept for the longest window: how much did they move between two times? Embedded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define READINGS_VALUES 4
#define READING_UNKNOWN INT64_MIN

struct reading {
	uint64_t time_ns;
	int64_t moved[READINGS_VALUES]; /* sum of the steps so far; READING_UNKNOWN: not read this time */
};

struct readings {
	struct reading *items; /* owned, ordered by time */
	size_t cnt, cap, max;
	int64_t last[READINGS_VALUES], moved[READINGS_VALUES];
};

void readings_init(struct readings *r, size_t max);
void readings_deinit(struct readings *r);
/* values[READINGS_VALUES] as read; READING_UNKNOWN breaks a counter: the step over the gap is not counted. A counter
 * that falls is broken too. An older reading than the last one is ignored. 0 or -ENOMEM. */
int readings_add(struct readings *r, uint64_t time_ns, const int64_t *values);
/* Keeps one reading at or before the time, as base of the longest window. */
void readings_expire(struct readings *r, uint64_t before_ns);
/* The two readings nearest to the edges of the window. False if they are not two, or lie closer together than half of
 * it: then nothing can be said about the window. */
bool readings_edges(const struct readings *r, uint64_t from_ns, uint64_t to_ns, const struct reading **ret_from,
		    const struct reading **ret_to);
/* Movement of value k between two readings, or READING_UNKNOWN. */
int64_t readings_delta(const struct reading *from, const struct reading *to, int k);
