/* SPDX-License-Identifier: BSD-2-Clause */
/* Since 6.2 the size of /proc/PID/fd is the number of descriptors (fs/proc/fd.c, proc_fd_getattr); before, its entries
 * are counted. RLIMIT_NPROC is about all processes of a user and does not hold for root; it is given as it stands. */
#include "runtime/resources.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "runtime/sample.h"

static int64_t count_entries(const char *path)
{
	DIR *d = opendir(path);
	int64_t n = 0;

	if (!d)
		return SAMPLE_UNKNOWN;
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static int64_t count_fds(const char *root, pid_t pid)
{
	char path[PATH_MAX];
	struct statfs fs;
	struct stat st;

	snprintf(path, sizeof(path), "%s/proc/%d/fd", root, (int)pid);
	if (!stat(path, &st) && st.st_size > 0 && !statfs(path, &fs) && fs.f_type == PROC_SUPER_MAGIC)
		return st.st_size;
	return count_entries(path);
}

/* "Max open files            1024                 524288               files" */
static int64_t soft_limit(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	long long n;

	if (!at)
		return SAMPLE_UNKNOWN;
	at += strlen(name);
	at += strspn(at, " ");
	if (!strncmp(at, "unlimited", 9))
		return RESOURCES_NONE;
	errno = 0;
	n = strtoll(at, NULL, 10);
	return errno || n < 0 || *at < '0' || *at > '9' ? SAMPLE_UNKNOWN : n;
}

static int64_t smaller(int64_t a, int64_t b)
{
	if (a < 0)
		return b >= 0 ? b : a;
	return b >= 0 && b < a ? b : a;
}

/* Smallest pids.max from this folder up; path is cut to pieces. */
static int64_t pids_max(const char *root, const char *mount, char *path)
{
	int64_t limit = RESOURCES_NONE;
	char file[PATH_MAX];
	uint64_t n;

	while (*path) {
		char *slash = strrchr(path, '/');

		snprintf(file, sizeof(file), "%s%s/pids.max", mount, path[1] ? path : "");
		if (!file_read_u64(root, file, &n) && n <= INT64_MAX)
			limit = smaller(limit, (int64_t)n);
		if (!slash)
			break;
		*slash = '\0';
	}
	return limit;
}

/* Lines of /proc/PID/cgroup: "7:pids:/a/b", "0::/a/b". What lies outside of our own cgroup namespace begins with "/..".
 */
static int64_t cgroup_limit(const char *root, pid_t pid)
{
	char path[64], buf[8192], *save = NULL;
	int64_t limit = RESOURCES_NONE;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	if (file_read(root, path, buf, sizeof(buf)) <= 0)
		return limit;
	for (char *line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *names = strchr(line, ':'), *at = names ? strchr(names + 1, ':') : NULL;

		if (!at || !strncmp(at + 1, "/..", 3))
			continue;
		*at++ = '\0';
		if (!strcmp(names, ":pids"))
			limit = smaller(limit, pids_max(root, "/sys/fs/cgroup/pids", at));
		else if (!strcmp(names, ":"))
			limit = smaller(limit, pids_max(root, "/sys/fs/cgroup", at));
	}
	return limit;
}

static int64_t status_value(const char *text, const char *key)
{
	uint64_t n;

	return file_find_u64(text, key, &n) || n > INT64_MAX / 1024 ? SAMPLE_UNKNOWN : (int64_t)n;
}

int resources_read(const char *root, pid_t pid, struct resources *ret)
{
	char path[64], buf[8192];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (file_read(root, path, buf, sizeof(buf)) <= 0)
		return -ESRCH;
	ret->os_threads = status_value(buf, "Threads:");
	ret->rss_bytes = status_value(buf, "VmRSS:");
	if (ret->rss_bytes > 0)
		ret->rss_bytes *= 1024;
	ret->fds = count_fds(root, pid);
	ret->fd_limit = ret->thread_limit = SAMPLE_UNKNOWN;
	snprintf(path, sizeof(path), "/proc/%d/limits", (int)pid);
	if (file_read(root, path, buf, sizeof(buf)) <= 0)
		return 0;
	ret->fd_limit = soft_limit(buf, "Max open files");
	ret->thread_limit = smaller(soft_limit(buf, "Max processes"), cgroup_limit(root, pid));
	return 0;
}
