/* SPDX-License-Identifier: BSD-2-Clause */
/* Who set GOMAXPROCS of a process, as far as it can be told from outside. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/sample.h"

/* What it is judged by. */
struct maxprocs_facts {
	int go_minor;
	bool ignores_cpu_limit; /* struct binary: the go.mod says so */
	int64_t gomaxprocs;
	int64_t custom;      /* struct runtime_sample: maxprocs_custom */
	const char *env;     /* environment variable GOMAXPROCS, NULL none */
	const char *godebug; /* GODEBUG, NULL none */
	int cpus, online;    /* in its affinity mask, of the machine; 0 unknown */
};
enum maxprocs_by maxprocs_by_judge(const struct maxprocs_facts *f);
/* True if that Go keeps GOMAXPROCS at the cgroup's quota, unless it is set. godebug: GODEBUG of the environment or
 * NULL.
 */
bool maxprocs_by_follows_quota(int go_minor, bool ignores_cpu_limit, const char *godebug);

/* The same of a live process. env: its GOMAXPROCS, "" none (env_sz may be 0). */
enum maxprocs_by maxprocs_by_read(const char *root, pid_t pid, const struct maxprocs_facts *known, char *env,
				  size_t env_sz);
bool maxprocs_by_process_follows_quota(const char *root, const struct process *p);
