/* SPDX-License-Identifier: BSD-2-Clause */
/* cgroup hierarchies of this node and the path of a process in them: v1, hybrid and v2. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum cgroup_mode { CGROUP_NONE, CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };

#define CGROUP_PATH_SZ 512

/* How the paths of /proc/PID/cgroup relate to a mount: both are shown relative to the reader's cgroup namespace. */
struct cgroup_view {
	char root[CGROUP_PATH_SZ]; /* what is mounted there, "" or "/" usually; "/..", "/../.." from inside a namespace
				    */
	char ns_root[CGROUP_PATH_SZ]; /* with "/..": where below the mount the namespace's root lies; "" not found */
};

/* Mount points (with root prefixed) of the hierarchies that matter; "" = not mounted. */
struct cgroup_mounts {
	enum cgroup_mode mode;
	char v2[CGROUP_PATH_SZ];
	char cpu[CGROUP_PATH_SZ]; /* v1 cpu controller, or the v2 mount when cpu lives there */
	char cpuacct[CGROUP_PATH_SZ];
	char memory[CGROUP_PATH_SZ]; /* v1 memory controller or the v2 mount */
	bool cpu_is_v2, memory_is_v2;
	struct cgroup_view v2_view, cpu_view, memory_view; /* cgroup.c's own; zero is right for a plain mount */
};

/* Reads root/proc/self/mountinfo (or /proc/1/mountinfo when --root is used) and looks which controllers v2 holds. */
int cgroup_mounts_read(const char *root, struct cgroup_mounts *ret);
const char *cgroup_mode_text(enum cgroup_mode m); /* "v1", "hybrid", "v2", "none" */

/* Paths of a process below the mounts, one a hierarchy; "" where the process is not in it or the mount does not show
 * it. */
struct cgroup_paths {
	char v2[CGROUP_PATH_SZ];  /* the 0:: line */
	char cpu[CGROUP_PATH_SZ]; /* the line with the cpu controller, = v2 on pure v2 */
	char memory[CGROUP_PATH_SZ];
	char best[CGROUP_PATH_SZ]; /* the path that names the container, as procfs wrote it: 0:: first, else the first
				      line that matches; without a container the first of v2, cpu, memory that is not
				      the root */
};
/* text: content of /proc/PID/cgroup. m decides where cpu and memory live. */
int cgroup_paths_parse(const char *text, const struct cgroup_mounts *m, struct cgroup_paths *ret);

/* id of a cgroup directory (inode number = kernfs id); 0 and *ret set, or -errno. */
int cgroup_id_of(const char *mount, const char *path, uint64_t *ret);
