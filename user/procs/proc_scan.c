/* SPDX-License-Identifier: BSD-2-Clause */
/* The pids of a procfs: its folders that are numbers. procfs lists thread groups only, threads are below task/. */
#include "procs/proc_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

static pid_t to_pid(const char *name)
{
	uint64_t n;

	if (*name < '1' || *name > '9' || str_to_u64(name, &n) || n > INT32_MAX)
		return 0;
	return (pid_t)n;
}

int proc_scan(const char *root, void (*fn)(pid_t pid, void *arg), void *arg)
{
	int fd = file_open(root, "/proc"), err;
	struct dirent *e;
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	for (;;) {
		errno = 0;
		e = readdir(dir);
		if (!e)
			break;
		if (to_pid(e->d_name))
			fn(to_pid(e->d_name), arg);
	}
	err = -errno;
	closedir(dir);
	return err;
}

pid_t proc_scan_self(const char *root)
{
	char target[PATH_MAX];

	return file_readlink(root, "/proc/self", target, sizeof(target)) > 0 ? to_pid(target) : 0;
}
