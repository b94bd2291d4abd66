/* SPDX-License-Identifier: BSD-2-Clause */
/* Which GOGC would do, and what it would change: what three rules need to know and to say about it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "stats/snapshot.h"

/* Share of Go's memory limit at which the heap counts as bound by it: then no GOGC helps. */
#define GOGC_BOUND_RATIO 0.95

/* A GOGC that is worth setting and whose heap goal fits the memory; 0: none, or something is unknown. */
int64_t gogc_better(const struct snapshot_container *c);
/* "GOGC=400 cuts 14.2 cycles/s to about 3.5", and without a memory limit the heap goal that it costs. Nothing where
 * gogc_better() is 0. */
void gogc_advice(const struct snapshot_container *c, char *buf, size_t sz);
/* Share of the CPU that GC would take with that GOGC if it takes `ratio` now and the program goes on as it does. */
double gogc_expected_share(const struct snapshot_container *c, int64_t gogc, double ratio);
/* Go memory against GOMEMLIMIT, of all its processes; NAN where there is none or something is unknown. */
double gogc_memory_ratio(const struct snapshot_container *c);
