/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks that what was read is the Go runtime: wrong addresses or offsets must refuse, never show as numbers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SELF_CHECK_MAX_PROCS 4096 /* more Ps than any machine has CPUs */

/* The values that have something to be compared with. */
struct self_check {
	int32_t gomaxprocs;
	int64_t allp_len;
	bool has_gc_percent;
	int32_t gc_percent;
	bool has_heap_minimum; /* needs gc_percent */
	uint64_t heap_minimum;
	bool has_memory_limit;
	int64_t memory_limit;
	bool has_numgc;
	uint32_t numgc;
};

/* 0 good, 1 with why filled. prev: the values of the last good read, NULL at the first. */
int self_check_values(const struct self_check *now, const struct self_check *prev, char *why);
/* allp[first + i].id was read as ids[i]. */
int self_check_ids(const int32_t *ids, size_t first, size_t cnt, char *why);
