/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the address space of another process, pinned when it is opened. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct memory {
	int fd; /* owned, /proc/PID/mem; -1 closed */
	pid_t pid;
	bool scattered; /* process_vm_readv reaches the same process */
};

struct memory_range {
	uint64_t addr;
	void *buf;
	size_t sz;
};

/* Opens the address space that pid has now. 0 or -errno (-EACCES, -EPERM without CAP_SYS_PTRACE). */
int memory_open(struct memory *m, const char *root, pid_t pid);
void memory_close(struct memory *m);
/* Reads all sz bytes or fails: -ESRCH when that address space is gone, -EFAULT when nothing is mapped there, -errno. */
int memory_read(const struct memory *m, uint64_t addr, void *buf, size_t sz);
/* Reads all ranges or fails as memory_read does; not one moment, but microseconds apart. In the
 * order of ranges; ranges that continue each other cost little more than one. */
int memory_read_many(struct memory *m, const struct memory_range *ranges, size_t cnt);
