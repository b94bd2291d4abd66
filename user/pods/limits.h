/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits along the whole cgroup path of an owner, and what it has used. */
#pragma once

#include <stdint.h>

#include "pods/cgroup.h"
#include "pods/owner.h"

#define LIMIT_UNKNOWN INT64_MIN

struct cgroup_limits {
	double cpu_limit;        /* CPUs: the smallest quota / period on the path; -1 none; NAN unknown */
	uint64_t cpu_period_ns;  /* of the level that holds the smallest quota; 0 none */
	uint64_t cpu_quota_ns;
	char cpu_limit_cgroup[CGROUP_PATH_SZ]; /* that level */
	uint64_t cpu_limit_cgid;
	double cpu_request;      /* CPUs, from cpu.shares / 1024 or cpu.weight; NAN unknown */
	int64_t memory_limit;    /* bytes: the smallest on the path; -1 none; LIMIT_UNKNOWN */
};

struct cgroup_usage {
	uint64_t time_ns;        /* CLOCK_MONOTONIC of the read */
	int64_t cpu_ns;          /* CPU time used since the cgroup's start; LIMIT_UNKNOWN */
	int64_t nr_periods, nr_throttled, throttled_ns; /* of the level that holds the quota (cpu_limit_cgroup) */
	int64_t memory_bytes, working_set_bytes; /* usage; usage - inactive_file */
	int64_t memory_peak_bytes;
	int64_t oom_kills;
};

/* Both work on a container's cgroup; host owners get cpu_limit of their cgroup path too and usage unknown (-errno never
 * for a missing file: the field is unknown). */
int cgroup_limits_read(const struct cgroup_mounts *m, const struct owner *o, struct cgroup_limits *ret);
int cgroup_usage_read(const struct cgroup_mounts *m, const struct owner *o, const struct cgroup_limits *l,
		      struct cgroup_usage *ret);
