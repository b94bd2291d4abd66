/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits along the whole cgroup path of an owner, and what it has used. */
#pragma once

#include <stdint.h>

#include "pods/cgroup.h"
#include "pods/owner.h"

#define LIMIT_UNKNOWN INT64_MIN

struct cgroup_limits {
	double cpu_limit;       /* CPUs: the smallest quota / period on the path; -1 none; NAN unknown */
	uint64_t cpu_period_ns; /* of the level that holds the smallest quota; 0 none */
	uint64_t cpu_quota_ns;
	char cpu_limit_cgroup[CGROUP_PATH_SZ]; /* that level */
	uint64_t cpu_limit_cgid;
	double cpu_request; /* CPUs, from cpu.shares / 1024 or cpu.weight, 0 when the kubelet wrote "none"; NAN unknown
			       or, outside Kubernetes, left at the kernel's default */
	int64_t memory_limit; /* bytes: the smallest on the path; -1 none; LIMIT_UNKNOWN */
};

struct cgroup_usage {
	uint64_t time_ns; /* CLOCK_MONOTONIC of the read */
	int64_t cpu_ns;   /* CPU time used since the cgroup's start; LIMIT_UNKNOWN */
	int64_t nr_periods, nr_throttled,
		throttled_ns;                    /* of the level that holds the quota (cpu_limit_cgroup); 0 without */
	int64_t memory_bytes, working_set_bytes; /* usage; usage - inactive_file */
	int64_t memory_peak_bytes;
	int64_t oom_kills;
};

/* Both work on the container's cgroup, or on that of a host process; the usage of the root cgroup says nothing about
 * one process and is unknown (use process_cpu_read()). A missing file is no error: its field is unknown. 0 always.
 * Measured on 6.18, a podman container on v1 (3 levels): limits 80 to 95 us, usage 55 us. So read limits every few
 * seconds only. */
int cgroup_limits_read(const struct cgroup_mounts *m, const struct owner *o, struct cgroup_limits *ret);
/* Only time, CPU use and throttling; memory stays as it is in *ret. A third of the cost of all. */
void cgroup_cpu_read(const struct cgroup_mounts *m, const struct owner *o, const struct cgroup_limits *l,
		     struct cgroup_usage *ret);
int cgroup_usage_read(const struct cgroup_mounts *m, const struct owner *o, const struct cgroup_limits *l,
		      struct cgroup_usage *ret);

/* CPU time of all threads of a process, those that ended included; resolution of a clock tick. 0, -ESRCH gone, -errno.
 */
int process_cpu_read(const char *root, pid_t pid, uint64_t *ns);
/* The same to the nanosecond and cheaper, by the process's CPU clock: of a process in our own pid namespace only. */
int process_cpu_clock(pid_t pid, uint64_t *ns);
/* Start time in clock ticks since boot: with the pid the identity of a process. 0, -ESRCH gone, -errno. */
int process_start_read(const char *root, pid_t pid, uint64_t *ticks);
