/* SPDX-License-Identifier: BSD-2-Clause */
/* A temporary folder with a made-up /proc, /run, /var and /sys/fs/cgroup below, for the tests of user/pods. */
#pragma once

#include <assert.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define C64A "995366d58a7c9b6be2c27eb8b988bb19803772125db32f1e3fd5c3dec215bb06"
#define C64B "f2a22b6df57aaab09823c33b7659c84287058529a57258773b5d9c5999e19756"
#define UID36 "adc76fbc-4402-45fd-a94b-58f333c27135"
#define UID36_ "adc76fbc_4402_45fd_a94b_58f333c27135"
#define UID32 "927617b567fc02fbc76febf39cf9d1ea"

static char tree_root[64];

static inline void tree_make(void)
{
	strcpy(tree_root, "/tmp/gopherscope-pods-XXXXXX");
	if (!mkdtemp(tree_root))
		abort();
}

static inline int tree_unlink(const char *path, const struct stat *st, int type, struct FTW *f)
{
	return remove(path);
}

static inline void tree_remove(const char *path)
{
	char full[1024];

	snprintf(full, sizeof(full), "%s%s", tree_root, path);
	nftw(full, tree_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* Out of the way, but its inode stays taken: what is made in its place has another one. */
static inline void tree_set_aside(const char *path)
{
	char full[1024], aside[1024];

	snprintf(full, sizeof(full), "%s%s", tree_root, path);
	snprintf(aside, sizeof(aside), "%s/set-aside", tree_root);
	if (rename(full, aside))
		abort();
}

/* Makes all folders of a path that ends in a slash, or those above a file. */
static inline void tree_dir(const char *path)
{
	char full[1024];
	int n = snprintf(full, sizeof(full), "%s%s", tree_root, path);

	assert(n > 0 && (size_t)n < sizeof(full));
	for (char *s = full + strlen(tree_root) + 1; (s = strchr(s, '/')); s++) {
		*s = 0;
		mkdir(full, 0755);
		*s = '/';
	}
}

static inline void tree_write(const char *path, const char *text)
{
	char full[1024];
	FILE *f;

	tree_dir(path);
	snprintf(full, sizeof(full), "%s%s", tree_root, path);
	f = fopen(full, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
}

static inline unsigned long long tree_inode(const char *path)
{
	char full[1024];
	struct stat st;

	snprintf(full, sizeof(full), "%s%s", tree_root, path);
	return stat(full, &st) ? 0 : st.st_ino;
}

/* As on a node without v1. */
static inline void tree_v2(void)
{
	tree_write("/proc/1/mountinfo", "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
					"31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
	tree_write("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
}

/* cpu and cpuacct mounted apart, v2 without controllers. */
static inline void tree_hybrid(void)
{
	tree_write("/proc/1/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
					"32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
					"33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct\n"
					"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
					"40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
					"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n");
	tree_dir("/sys/fs/cgroup/cpu/");
	tree_dir("/sys/fs/cgroup/cpuacct/");
	tree_dir("/sys/fs/cgroup/memory/");
	tree_write("/sys/fs/cgroup/unified/cgroup.controllers", "hugetlb\n");
}

/* The hierarchies mounted together, no v2. */
static inline void tree_v1(void)
{
	tree_write("/proc/1/mountinfo",
		   "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
		   "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:3 - cgroup cgroup rw,cpu,cpuacct\n"
		   "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n");
	tree_dir("/sys/fs/cgroup/cpu,cpuacct/");
	tree_dir("/sys/fs/cgroup/memory/");
}
