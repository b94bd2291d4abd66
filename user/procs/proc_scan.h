/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists the processes of a procfs. */
#pragma once

#include <sys/types.h>

/* Calls fn for each process (no threads) below root + "/proc", in the order of procfs. Processes may be gone by then. 0
 * or -errno when the folder cannot be read. */
int proc_scan(const char *root, void (*fn)(pid_t pid, void *arg), void *arg);
/* The caller's own pid as this procfs counts, 0 if it does not know it (a tree of files, another pid namespace). */
pid_t proc_scan_self(const char *root);
