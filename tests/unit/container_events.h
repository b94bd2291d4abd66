/* SPDX-License-Identifier: BSD-2-Clause */
/* One container's stats and the events it is fed with, for the tests of container_stats. */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "stats/container_stats.h"

#define MS  1000000ull
#define SEC (1000 * MS)
#define NOW (100 * SEC)

static inline bool near(double a, double b)
{
	return fabs(a - b) <= 1e-9 * fmax(1, fabs(b));
}

static inline int setup(void **state)
{
	return container_stats_new(NULL, (struct container_stats **)state);
}

static inline int teardown(void **state)
{
	*state = container_stats_free(*state);
	return *state != NULL;
}

static inline void add_pause(struct container_stats *c, uint64_t start, uint64_t end, uint32_t reason)
{
	struct event_gc_pause e = {.hdr = {.time_ns = end}, .start_ns = start, .reason = reason};

	container_stats_pause(c, 1, &e);
}

static inline void add_throttle(struct container_stats *c, uint64_t start, uint64_t end, uint32_t cpu)
{
	struct event_throttle e = {.hdr = {.time_ns = end}, .start_ns = start, .cpu = cpu};

	container_stats_throttle(c, &e);
}

static inline void add_missed(struct container_stats *c, uint64_t start, uint64_t end, int64_t ns)
{
	struct event_throttle_missed e = {.hdr = {.time_ns = end}, .start_ns = start, .missed_ns = ns};

	container_stats_throttle_missed(c, &e);
}

static inline void add_usage(struct container_stats *c, uint64_t time, int64_t cpu, int64_t periods, int64_t throttled,
			     int64_t throttled_ns)
{
	struct cgroup_usage u = {.time_ns = time,
				 .cpu_ns = cpu,
				 .nr_periods = periods,
				 .nr_throttled = throttled,
				 .throttled_ns = throttled_ns};

	container_stats_usage(c, &u);
}

static inline struct snapshot_container fill(const struct container_stats *c, uint64_t now, uint64_t window)
{
	struct snapshot_container ret;

	snapshot_container_init(&ret);
	container_stats_fill(c, now, window, &ret);
	return ret;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
