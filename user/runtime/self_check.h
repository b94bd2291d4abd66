/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks that what was read is the Go runtime: wrong addresses or offsets must refuse, never show as numbers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/sample.h"

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
	bool has_forced; /* needs numgc, as the two below */
	uint32_t numforcedgc;
	bool has_last_end;
	uint64_t last_gc_unix, ring_end; /* pause_end of that cycle */
	bool has_pauses;
	uint64_t pause_total, pause_sum; /* pause_sum: of all 256 entries of the ring */
	bool has_work_end;
	int64_t work_end, last_gc_mono; /* work.tEnd, memstats.last_gc_nanotime */
	bool has_phase;
	uint32_t gcphase;
	bool has_cpu;
	int64_t cpu[RUNTIME_CPU_CNT];
	bool has_allgs;
	uint64_t allgs_ptr, allgptr;
	int64_t allgs_len, allglen;
	bool has_threads;
	int64_t threads;
	int32_t threads_idle, threads_spinning, procs_idle, queue; /* need has_threads */
	bool has_released;                                         /* only asked for where the layout is a guess */
	int64_t released, gc_released;                             /* heap statistics, gcController.heapReleased */
	bool all;                                                  /* a check that is not possible is a failed one */
};

/* 0 good, 1 with why filled. prev: the values of the last good read, NULL at the first. */
int self_check_values(const struct self_check *now, const struct self_check *prev, char *why);
/* allp[first + i].id was read as ids[i]. */
int self_check_ids(const int32_t *ids, size_t first, size_t cnt, char *why);
