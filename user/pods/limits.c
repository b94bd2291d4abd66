/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits and usage of a cgroup, from the files of v1 and v2.
 *
 * A quota anywhere on the path throttles what is below, so every level up to the mount is read and the smallest counts;
 * a level without the file (v2's root, a controller that is not enabled there) sets no limit. v1 says "none" with -1
 * for the quota and with a page-rounded 2^63 for memory; v2 says "max".
 *
 * Request: Kubernetes turns a request of R CPUs into shares = R * 1024 (at least 2). On v2 the kubelet and runc write
 * weight = 1 + (shares - 2) * 9999 / 262142, turned back here. runc 1.3.2 and crun 1.23 write another curve (1024
 * shares are 100 instead of 39; known from their release notes, not tried), so on v2 a container's own request may read
 * too high; the file does not tell which curve was used.
 *
 * Files are opened anew each time: 5 us each (measured), no descriptors held for hundreds of containers. */
#include "pods/limits.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

#define STAT_SZ        8192         /* memory.stat is below 4 KB on 6.18 */
#define V1_NO_LIMIT    (1ull << 62) /* v1's "no limit" is 2^63 rounded down to a page */
#define SHARES_PER_CPU 1024.0
#define SHARES_MIN     2 /* what the kubelet writes for no request */
#define WEIGHT_DEFAULT 100
#define SHARES_DEFAULT 1024

static int read_below(const char *mount, const char *path, const char *file, char *buf, size_t sz)
{
	char full[2 * CGROUP_PATH_SZ];
	ssize_t n;

	if (!mount[0] || path[0] != '/')
		return -ENOENT;
	if ((size_t)snprintf(full, sizeof(full), "%s/%s", path, file) >= sizeof(full))
		return -ENAMETOOLONG;
	n = file_read(mount, full, buf, sz);
	return n < 0 ? (int)n : 0;
}

/* First number of the file's first line; false when it is missing or is no number ("max", "-1"). */
static bool read_number(const char *mount, const char *path, const char *file, uint64_t *ret)
{
	char buf[64];

	if (read_below(mount, path, file, buf, sizeof(buf)))
		return false;
	buf[strcspn(buf, " \n")] = 0;
	return !str_to_u64(buf, ret);
}

static bool cgroup_there(const char *mount, const char *path)
{
	uint64_t id;

	return !cgroup_id_of(mount, path, &id);
}

/* "/a/b" -> "/a" -> "/" -> false */
static bool to_parent(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || !strcmp(path, "/"))
		return false;
	slash[slash == path] = 0;
	return true;
}

/* Quota and period of one level; false when it has none. */
static bool read_quota(const struct cgroup_mounts *m, const char *path, uint64_t *quota_ns, uint64_t *period_ns)
{
	char buf[64], *space;
	uint64_t quota, period;

	if (m->cpu_is_v2) {
		if (read_below(m->cpu, path, "cpu.max", buf, sizeof(buf)) || !(space = strchr(buf, ' ')))
			return false;
		*space++ = 0;
		space[strcspn(space, "\n")] = 0;
		if (str_to_u64(buf, &quota) || str_to_u64(space, &period))
			return false;
	} else if (!read_number(m->cpu, path, "cpu.cfs_quota_us", &quota) ||
		   !read_number(m->cpu, path, "cpu.cfs_period_us", &period)) {
		return false;
	}
	if (!quota || !period || quota > UINT64_MAX / 1000 || period > UINT64_MAX / 1000)
		return false;
	*quota_ns = quota * 1000;
	*period_ns = period * 1000;
	return true;
}

static void read_cpu_limit(const struct cgroup_mounts *m, const char *cgroup, struct cgroup_limits *l)
{
	char path[OWNER_PATH_SZ];
	uint64_t quota, period;

	l->cpu_limit = NAN;
	if (!cgroup_there(m->cpu, cgroup))
		return;
	l->cpu_limit = -1;
	str_copy(path, sizeof(path), cgroup);
	do {
		if (!read_quota(m, path, &quota, &period))
			continue;
		if (l->cpu_limit >= 0 && (double)quota / (double)period >= l->cpu_limit)
			continue;
		l->cpu_limit = (double)quota / (double)period;
		l->cpu_quota_ns = quota;
		l->cpu_period_ns = period;
		str_copy(l->cpu_limit_cgroup, sizeof(l->cpu_limit_cgroup), path);
	} while (to_parent(path));
	if (l->cpu_limit >= 0 && cgroup_id_of(m->cpu, l->cpu_limit_cgroup, &l->cpu_limit_cgid))
		l->cpu_limit_cgid = 0;
}

static double read_request(const struct cgroup_mounts *m, const struct owner *o)
{
	bool kubernetes = o->kind == OWNER_POD || o->pod_uid[0];
	uint64_t v;

	if (!read_number(m->cpu, o->cgroup, m->cpu_is_v2 ? "cpu.weight" : "cpu.shares", &v) || !strcmp(o->cgroup, "/"))
		return NAN;
	if (!kubernetes && v == (m->cpu_is_v2 ? WEIGHT_DEFAULT : SHARES_DEFAULT))
		return NAN;
	if (!m->cpu_is_v2)
		return v <= SHARES_MIN ? 0 : (double)v / SHARES_PER_CPU;
	if (v <= 1)
		return 0;
	return (SHARES_MIN + (double)(v - 1) * 262142 / 9999) / SHARES_PER_CPU;
}

/* Where the memory controller has the owner: its own path, else that of the hierarchy that holds the controller. */
static const char *memory_path(const struct cgroup_mounts *m, const struct owner *o)
{
	if (o->cgroup_memory[0])
		return o->cgroup_memory;
	return m->memory_is_v2 ? o->cgroup_v2 : o->cgroup;
}

static int64_t read_memory_limit(const struct cgroup_mounts *m, const struct owner *o)
{
	const char *file = m->memory_is_v2 ? "memory.max" : "memory.limit_in_bytes";
	char path[OWNER_PATH_SZ];
	int64_t smallest = -1;
	uint64_t v;

	str_copy(path, sizeof(path), memory_path(m, o));
	if (!cgroup_there(m->memory, path))
		return LIMIT_UNKNOWN;
	do {
		if (!read_number(m->memory, path, file, &v) || v >= V1_NO_LIMIT)
			continue;
		if (smallest < 0 || (int64_t)v < smallest)
			smallest = (int64_t)v;
	} while (to_parent(path));
	return smallest;
}

int cgroup_limits_read(const struct cgroup_mounts *m, const struct owner *o, struct cgroup_limits *ret)
{
	struct cgroup_limits l = {0};

	read_cpu_limit(m, o->cgroup, &l);
	l.cpu_request = read_request(m, o);
	l.memory_limit = read_memory_limit(m, o);
	*ret = l;
	return 0;
}

static int64_t find_number(const char *text, const char *key, int64_t unit)
{
	uint64_t v;

	if (file_find_u64(text, key, &v) || v > (uint64_t)(INT64_MAX / unit))
		return LIMIT_UNKNOWN;
	return (int64_t)v * unit;
}

static int64_t number_or_unknown(const char *mount, const char *path, const char *file)
{
	uint64_t v;

	return read_number(mount, path, file, &v) && v <= INT64_MAX ? (int64_t)v : LIMIT_UNKNOWN;
}

/* The whole node's figures are no answer for one owner. */
static bool usable(const char *mount, const char *path)
{
	return mount[0] && path[0] == '/' && path[1];
}

static int64_t read_cpu_usage(const struct cgroup_mounts *m, const struct owner *o)
{
	char buf[STAT_SZ];
	int64_t ns = LIMIT_UNKNOWN;

	if (!m->cpu_is_v2 && usable(m->cpuacct, o->cgroup))
		ns = number_or_unknown(m->cpuacct, o->cgroup, "cpuacct.usage");
	if (ns != LIMIT_UNKNOWN)
		return ns;
	/* v2 keeps the time of every cgroup, whether it holds the cpu controller or not */
	if (usable(m->v2, o->cgroup_v2) && !read_below(m->v2, o->cgroup_v2, "cpu.stat", buf, sizeof(buf)))
		ns = find_number(buf, "usage_usec", 1000);
	return ns;
}

static void read_throttling(const struct cgroup_mounts *m, const struct cgroup_limits *l, struct cgroup_usage *u)
{
	char buf[STAT_SZ];

	u->nr_periods = u->nr_throttled = u->throttled_ns = l->cpu_limit == -1 ? 0 : LIMIT_UNKNOWN;
	if (!l->cpu_limit_cgroup[0] || read_below(m->cpu, l->cpu_limit_cgroup, "cpu.stat", buf, sizeof(buf)))
		return;
	u->nr_periods = find_number(buf, "nr_periods", 1);
	u->nr_throttled = find_number(buf, "nr_throttled", 1);
	u->throttled_ns =
		m->cpu_is_v2 ? find_number(buf, "throttled_usec", 1000) : find_number(buf, "throttled_time", 1);
}

static void read_memory_v1(const char *mount, const char *path, struct cgroup_usage *u, int64_t *inactive_file)
{
	char buf[STAT_SZ];

	u->memory_bytes = number_or_unknown(mount, path, "memory.usage_in_bytes");
	u->memory_peak_bytes = number_or_unknown(mount, path, "memory.max_usage_in_bytes");
	if (!read_below(mount, path, "memory.stat", buf, sizeof(buf))) {
		*inactive_file = find_number(buf, "total_inactive_file", 1);
		if (*inactive_file == LIMIT_UNKNOWN)
			*inactive_file = find_number(buf, "inactive_file", 1);
	}
	if (!read_below(mount, path, "memory.oom_control", buf, sizeof(buf)))
		u->oom_kills = find_number(buf, "oom_kill", 1);
}

static void read_memory_v2(const char *mount, const char *path, struct cgroup_usage *u, int64_t *inactive_file)
{
	char buf[STAT_SZ];

	u->memory_bytes = number_or_unknown(mount, path, "memory.current");
	u->memory_peak_bytes = number_or_unknown(mount, path, "memory.peak"); /* from 5.19 on */
	if (!read_below(mount, path, "memory.stat", buf, sizeof(buf)))
		*inactive_file = find_number(buf, "inactive_file", 1);
	if (!read_below(mount, path, "memory.events", buf, sizeof(buf)))
		u->oom_kills = find_number(buf, "oom_kill", 1);
}

void cgroup_cpu_read(const struct cgroup_mounts *m, const struct owner *o, const struct cgroup_limits *l,
		     struct cgroup_usage *ret)
{
	ret->time_ns = clock_mono_ns();
	ret->cpu_ns = read_cpu_usage(m, o);
	read_throttling(m, l, ret);
}

/* A host process is only itself, and what its cgroup uses its own only where it is the one process in it. Its number is
 * that of our pid namespace, as those of the list. */
static bool is_shared(const struct owner *o, const char *mount, const char *path)
{
	char buf[64], *end;

	return o->kind == OWNER_HOST && (read_below(mount, path, "cgroup.procs", buf, sizeof(buf)) ||
					 strtol(buf, &end, 10) != o->host_pid || strcmp(end, "\n") != 0);
}

int cgroup_usage_read(const struct cgroup_mounts *m, const struct owner *o, const struct cgroup_limits *l,
		      struct cgroup_usage *ret)
{
	const char *path = memory_path(m, o);
	int64_t inactive_file = LIMIT_UNKNOWN;
	struct cgroup_usage u = {
		.memory_bytes = LIMIT_UNKNOWN,
		.working_set_bytes = LIMIT_UNKNOWN,
		.memory_peak_bytes = LIMIT_UNKNOWN,
		.oom_kills = LIMIT_UNKNOWN,
	};

	cgroup_cpu_read(m, o, l, &u);
	if (!usable(m->memory, path) || is_shared(o, m->memory, path))
		; /* nobody's, or not only its own */
	else if (m->memory_is_v2)
		read_memory_v2(m->memory, path, &u, &inactive_file);
	else
		read_memory_v1(m->memory, path, &u, &inactive_file);
	if (u.memory_bytes != LIMIT_UNKNOWN && inactive_file != LIMIT_UNKNOWN)
		u.working_set_bytes = inactive_file < u.memory_bytes ? u.memory_bytes - inactive_file : 0;
	*ret = u;
	return 0;
}

/* Fields 14, 15 (CPU time) and 22 (start) of stat; comm, field 2, may hold blanks and parentheses. */
static int read_stat(const char *root, pid_t pid, uint64_t *cpu_ticks, uint64_t *start_ticks)
{
	unsigned long long utime, stime, start;
	char path[64], buf[1024], *s;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	n = file_read(root, path, buf, sizeof(buf));
	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	s = strrchr(buf, ')');
	if (!s || sscanf(s + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu",
			 &utime, &stime, &start) != 3)
		return -EINVAL;
	*cpu_ticks = utime + stime;
	*start_ticks = start;
	return 0;
}

int process_cpu_read(const char *root, pid_t pid, uint64_t *ns)
{
	uint64_t ticks, start;
	int err = read_stat(root, pid, &ticks, &start);

	if (!err)
		*ns = ticks * (NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
	return err;
}

int process_start_read(const char *root, pid_t pid, uint64_t *ticks)
{
	uint64_t cpu;

	return read_stat(root, pid, &cpu, ticks);
}

int process_cpu_clock(pid_t pid, uint64_t *ns)
{
	struct timespec t;
	clockid_t id;
	int err = clock_getcpuclockid(pid, &id);

	if (err)
		return -err;
	if (clock_gettime(id, &t))
		return -errno;
	*ns = (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
	return 0;
}
