/* SPDX-License-Identifier: BSD-2-Clause */
/* What procfs says about one process. All paths are below a root folder: root + "/proc/PID/...". */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "procs/process.h"

/* Start time in clock ticks since boot (field 22 of stat), comm and innermost pid; 0 or -errno (-ESRCH: gone). */
int proc_info_read_stat(const char *root, pid_t pid, struct process *p);
/* Load bias of the executable: the lowest mapping of the inode behind /proc/PID/exe minus the binary's lowest page.
 * 0, -ENOENT when no mapping of it is there, -errno. */
int proc_info_read_bias(const char *root, pid_t pid, const struct binary *b, uint64_t *ret);
/* Opens /proc/PID/exe (works for deleted files and other mount namespaces); descriptor or -errno. */
int proc_info_open_exe(const char *root, pid_t pid);
/* True while (pid, start_ticks) is still the same process. */
bool proc_info_same(const char *root, pid_t pid, uint64_t start_ticks);
/* Number of threads, or -errno. */
int proc_info_threads(const char *root, pid_t pid);
/* Value of an environment variable of the process at its start (GOMAXPROCS, GOGC, ...): 1 found, 0 absent, -errno. */
int proc_info_getenv(const char *root, pid_t pid, const char *name, char *buf, size_t sz);
