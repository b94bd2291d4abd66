/* SPDX-License-Identifier: BSD-2-Clause */
/* Slope of a container's working set over the last minutes. Embedded. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MEMORY_TREND_SPAN_NS 300000000000ull /* 5 min */
#define MEMORY_TREND_MIN_NS  60000000000ull  /* less says nothing */
#define MEMORY_TREND_STEP_NS 5000000000ull
#define MEMORY_TREND_POINTS  64 /* the span at one a step, and room */

struct memory_trend {
	struct {
		uint64_t time_ns;
		int64_t bytes;
	} points[MEMORY_TREND_POINTS]; /* oldest first */
	size_t cnt;
};

/* Readings that come sooner than a step after the last kept one, are older or negative (unknown) are left out. */
void memory_trend_add(struct memory_trend *m, uint64_t time_ns, int64_t bytes);
/* Bytes a second by least squares over the span before now; NAN while it is shorter than the minimum, or when the last
 * reading is older than that. */
double memory_trend_slope(const struct memory_trend *m, uint64_t now_ns);
