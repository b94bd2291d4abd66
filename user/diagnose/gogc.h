/* SPDX-License-Identifier: BSD-2-Clause */
/* Which GOGC would do, and what it would change: what three rules need to know and to say about it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/snapshot.h"

/* Share of Go's memory limit from which on the limit can bind: the runtime gives back what is above 95 % of it
 * (runtime/mgcscavenge.go, reduceExtraPercent), so a bound heap is read on both sides of that. */
#define GOGC_BOUND_RATIO 0.90

/* A GOGC that is worth setting and whose heap goal fits the memory; 0: none, or something is unknown. */
int64_t gogc_better(const struct snapshot_container *c);
/* "GOGC=400 cuts 14.2 cycles/s to about 3.5", and without a memory limit the heap goal that it costs. Nothing where
 * gogc_better() is 0. */
void gogc_advice(const struct snapshot_container *c, char *buf, size_t sz);
/* Share of the CPU that GC would take with that GOGC if it takes `ratio` now and the program goes on as it does. */
double gogc_expected_share(const struct snapshot_container *c, int64_t gogc, double ratio);
/* "GC would then take about 14% of its CPU", with the GOGC of gogc_better(). */
void gogc_expect(const struct snapshot_container *c, double ratio, char *buf, size_t sz);
/* Go memory against GOMEMLIMIT, of all its processes; NAN where there is none or something is unknown. */
double gogc_memory_ratio(const struct snapshot_container *c);
/* True if GOMEMLIMIT, and not GOGC, says when the next cycle begins: then no GOGC helps. */
bool gogc_is_bound(const struct snapshot_container *c);
/* What to do then: the GOMEMLIMIT that fits, or more memory. */
void gogc_limit_advice(const struct snapshot_container *c, char *buf, size_t sz);
