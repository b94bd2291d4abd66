/* SPDX-License-Identifier: BSD-2-Clause */
/* What procfs says about one process. All paths are below a root folder: root + "/proc/PID/...". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "procs/process.h"

/* The fields of /proc/PID/stat that matter here. */
struct proc_stat {
	char comm[COMM_SZ + 1];
	char state;     /* 'R', 'S', 'Z', ... */
	uint32_t flags; /* PF_*, see proc_info_is_kernel_thread */
	int64_t threads;
	uint64_t start_ticks; /* since boot */
	uint64_t start_stack; /* bottom of the stack: random at each exec, so it tells two images of one process apart;
			       * 0 or 1 without permission */
};

/* 0, -ESRCH (gone), -EINVAL (not the format of /proc/PID/stat), -errno. */
int proc_info_stat(const char *root, pid_t pid, struct proc_stat *ret);
bool proc_info_is_kernel_thread(const struct proc_stat *st);
/* True if it has exited and only waits for its parent. */
bool proc_info_is_dead(const struct proc_stat *st);

/* Thread group and pid in the innermost pid namespace, from /proc/PID/status. 0, -ESRCH, -errno. */
int proc_info_ids(const char *root, pid_t pid, pid_t *tgid, pid_t *vpid);

/* Start time in clock ticks since boot (field 22 of stat) and as UNIX time, comm and innermost pid; 0 or -errno
 * (-ESRCH: gone, or pid names a thread that is no process). */
int proc_info_read_stat(const char *root, pid_t pid, struct process *p);
/* Load bias of the executable: the lowest mapping of the inode behind /proc/PID/exe minus the binary's lowest page.
 * 0, -ENOENT when no mapping of it is there, -errno. */
int proc_info_read_bias(const char *root, pid_t pid, const struct binary *b, uint64_t *ret);
/* Opens /proc/PID/exe (works for deleted files and other mount namespaces); descriptor or -errno. */
int proc_info_open_exe(const char *root, pid_t pid);
/* stat() of the file behind /proc/PID/exe; 0, -ESRCH (gone, or a kernel thread), -errno. */
int proc_info_stat_exe(const char *root, pid_t pid, struct stat *ret);
/* The link target of /proc/PID/exe, cut to sz - 1 bytes; length or -errno. */
ssize_t proc_info_exe_path(const char *root, pid_t pid, char *buf, size_t sz);
/* True while (pid, start_ticks) is still the same process. */
bool proc_info_same(const char *root, pid_t pid, uint64_t start_ticks);
/* Number of threads, or -errno. */
int proc_info_threads(const char *root, pid_t pid);
/* Value of an environment variable of the process at its start (GOMAXPROCS, GOGC, ...): 1 found, 0 absent, -ENOSPC when
 * the value does not fit, -errno. */
int proc_info_getenv(const char *root, pid_t pid, const char *name, char *buf, size_t sz);
