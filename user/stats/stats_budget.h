/* SPDX-License-Identifier: BSD-2-Clause */
/* What the histories of all containers may take together, and what did not fit. A container alone is bounded by its own
 * counts; 4,096 of them at those bounds would be gigabytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "signal_id.h"

struct stats_budget {
	size_t bytes, bytes_max;   /* in use; bound */
	uint64_t lost[SIGNAL_CNT]; /* records that gave way or found no place, since the start: loss reason `limit` */
};

/* A piece changes its size; false: refused, because it grows beyond the bound. NULL: no bound. */
static inline bool stats_budget_resize(struct stats_budget *b, size_t from, size_t to)
{
	if (!b)
		return true;
	if (to > from && to - from > b->bytes_max - b->bytes)
		return false;
	b->bytes += to - from;
	return true;
}
