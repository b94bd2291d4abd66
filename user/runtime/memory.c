/* SPDX-License-Identifier: BSD-2-Clause */
/* Two ways into another address space. An open /proc/PID/mem holds on to the memory map of the moment it was opened:
 * after an exec or an exit it reads nothing, whoever has the pid by then, and it checks privileges only at open
 * (fs/proc/base.c, mem_open). process_vm_readv takes many ranges in one call, but goes by pid. So scattered ranges are
 * read by pid first, and a read of the pinned map afterwards tells that the map was still alive, hence still that
 * pid's: the map dies with the exec or exit that takes it from the process. */
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/file.h"
#include "procs/proc_scan.h"

#define IOV_AT_ONCE 512 /* the kernel takes 1,024; this is 16 KB of stack */

int memory_open(struct memory *m, const char *root, pid_t pid)
{
	char path[64];

	m->pid = pid;
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	m->fd = file_open(root, path);
	if (m->fd < 0) {
		int err = m->fd;

		m->fd = -1;
		return err == -ENOENT ? -ESRCH : err;
	}
	/* pids of another namespace's procfs mean other processes to a system call */
	m->scattered = proc_scan_self(root) == getpid();
	return 0;
}

void memory_close(struct memory *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}

int memory_read(const struct memory *m, uint64_t addr, void *buf, size_t sz)
{
	size_t done = 0;

	if (addr > INT64_MAX - sz)
		return -EFAULT; /* beyond what an offset can say, and beyond user space */
	while (done < sz) {
		ssize_t n = pread(m->fd, (char *)buf + done, sz - done, (off_t)(addr + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EIO ? -EFAULT : -errno;
		if (!n)
			return -ESRCH;
		done += (size_t)n;
	}
	return 0;
}

/* Ranges that continue each other there are one for the kernel, which looks up the pages of each. */
static size_t join(const struct memory_range *ranges, size_t cnt, struct iovec *here, struct iovec *there)
{
	size_t n = 0;

	for (size_t i = 0; i < cnt; i++) {
		here[i] = (struct iovec){ranges[i].buf, ranges[i].sz};
		if (i && ranges[i].addr == ranges[i - 1].addr + ranges[i - 1].sz)
			there[n - 1].iov_len += ranges[i].sz;
		else
			there[n++] = (struct iovec){(void *)(uintptr_t)ranges[i].addr, ranges[i].sz};
	}
	return n;
}

static int read_scattered(const struct memory *m, const struct memory_range *ranges, size_t cnt)
{
	struct iovec here[IOV_AT_ONCE], there[IOV_AT_ONCE];
	size_t want = 0, n = join(ranges, cnt, here, there);
	ssize_t got;

	for (size_t i = 0; i < n; i++)
		want += there[i].iov_len;
	got = process_vm_readv(m->pid, here, cnt, there, n, 0);
	if (got < 0)
		return -errno;
	return (size_t)got == want ? 0 : -EFAULT;
}

static int read_one_by_one(const struct memory *m, const struct memory_range *ranges, size_t cnt)
{
	int err = 0;

	for (size_t i = 0; i < cnt && !err; i++)
		err = memory_read(m, ranges[i].addr, ranges[i].buf, ranges[i].sz);
	return err;
}

int memory_read_many(struct memory *m, const struct memory_range *ranges, size_t cnt)
{
	char byte;
	int err = 0;

	if (!m->scattered || cnt < 2)
		return read_one_by_one(m, ranges, cnt);
	for (size_t i = 0; i < cnt && !err; i += IOV_AT_ONCE)
		err = read_scattered(m, ranges + i, cnt - i < IOV_AT_ONCE ? cnt - i : IOV_AT_ONCE);
	if (!err)
		return memory_read(m, ranges[0].addr, &byte, 1);
	if (err == -ENOSYS ||
	    err == -EPERM) /* filtered by seccomp, or forbidden since open: the descriptor still works */
		m->scattered = false;
	return read_one_by_one(m, ranges, cnt); /* the pinned map has the last word: gone, or really not mapped */
}
