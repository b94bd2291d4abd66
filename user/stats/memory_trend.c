/* SPDX-License-Identifier: BSD-2-Clause */
/* Least squares over some 60 points instead of a difference of two: the working set of a Go program is a saw, and the
 * ends of it are anywhere on a tooth. */
#include "stats/memory_trend.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"

/* Readings come about once a second, not exactly a step apart. */
#define STEP_SLACK_NS (NS_PER_SEC / 2)

void memory_trend_add(struct memory_trend *m, uint64_t time_ns, int64_t bytes)
{
	size_t old = 0;

	if (bytes < 0 || (m->cnt && time_ns < m->points[m->cnt - 1].time_ns + MEMORY_TREND_STEP_NS - STEP_SLACK_NS))
		return;
	while (old < m->cnt && time_ns - m->points[old].time_ns > MEMORY_TREND_SPAN_NS)
		old++;
	if (!old && m->cnt == MEMORY_TREND_POINTS)
		old = 1;
	m->cnt -= old;
	memmove(m->points, m->points + old, m->cnt * sizeof(m->points[0]));
	m->points[m->cnt].time_ns = time_ns;
	m->points[m->cnt++].bytes = bytes;
}

double memory_trend_slope(const struct memory_trend *m, uint64_t now_ns)
{
	uint64_t from = now_ns > MEMORY_TREND_SPAN_NS ? now_ns - MEMORY_TREND_SPAN_NS : 0;
	double mean_t = 0, mean_b = 0, tt = 0, tb = 0;
	size_t first = 0, end = m->cnt;

	while (end && m->points[end - 1].time_ns > now_ns)
		end--;
	while (first < end && m->points[first].time_ns < from)
		first++;
	if (end - first < 2 || now_ns - m->points[end - 1].time_ns > MEMORY_TREND_MIN_NS ||
	    m->points[end - 1].time_ns - m->points[first].time_ns < MEMORY_TREND_MIN_NS)
		return NAN;
	for (size_t i = first; i < end; i++) {
		mean_t += (double)(m->points[i].time_ns - from) / NS_PER_SEC;
		mean_b += (double)m->points[i].bytes;
	}
	mean_t /= (double)(end - first);
	mean_b /= (double)(end - first);
	for (size_t i = first; i < end; i++) {
		double t = (double)(m->points[i].time_ns - from) / NS_PER_SEC - mean_t;

		tt += t * t;
		tb += t * ((double)m->points[i].bytes - mean_b);
	}
	return tb / tt;
}
