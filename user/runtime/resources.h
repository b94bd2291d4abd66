/* SPDX-License-Identifier: BSD-2-Clause */
/* File descriptors and threads of a process against their limits, and its memory, out of procfs. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct resources {
	int64_t fds, fd_limit;            /* RLIMIT_NOFILE, soft */
	int64_t os_threads, thread_limit; /* the smaller of RLIMIT_NPROC (soft) and pids.max of its cgroups */
	int64_t rss_bytes;
};

#define RESOURCES_NONE (-1) /* there is no such limit */

/* What cannot be read is SAMPLE_UNKNOWN. 0, -ESRCH gone. */
int resources_read(const char *root, pid_t pid, struct resources *ret);
