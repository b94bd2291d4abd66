/* SPDX-License-Identifier: BSD-2-Clause */
/* One process as procfs shows it. Everything read here belongs to a process that may be hostile or may vanish between
 * two reads: sizes are bounded, formats are checked, and a process that is gone is -ESRCH, whatever file told so. Two
 * facts from outside shaped it: comm in /proc/PID/stat may hold blanks and parentheses, so fields count from the last
 * ')' (proc(5)); and on overlayfs /proc/PID/maps may show another device than stat() of /proc/PID/exe does. */
#include "procs/proc_info.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

#define PROC_PATH_SZ   64
#define STAT_SZ        2048        /* 52 numbers and a name */
#define STATUS_SZ_MAX  (1u << 20)  /* the line of groups alone can hold 65,536 numbers */
#define MAPS_SZ_MAX    (16u << 20) /* vm.max_map_count is 65,530 by default, a line about 100 bytes */
#define ENVIRON_SZ_MAX (8u << 20)  /* the kernel allows a quarter of the stack limit, 6 MiB at most */
#define PF_KTHREAD     0x00200000  /* include/linux/sched.h, unchanged since 2.6.27 */
#define BIAS_TRIES     16          /* candidates looked at: a process can map its own file as often as it likes */

static const char *proc_path(char buf[PROC_PATH_SZ], pid_t pid, const char *name)
{
	snprintf(buf, PROC_PATH_SZ, "/proc/%d/%s", (int)pid, name);
	return buf;
}

/* A process that ends between open and read: the folder is gone (ENOENT) or its files refuse (ESRCH). */
static int gone(int err)
{
	return err == -ENOENT ? -ESRCH : err;
}

static const char *skip_fields(const char *s, int cnt)
{
	while (s && cnt--) {
		s = strchr(s, ' ');
		if (s)
			s++;
	}
	return s;
}

/* Numbers of the fields behind comm, counted from 3 as in proc(5). */
enum { STAT_STATE = 3, STAT_FLAGS = 9, STAT_THREADS = 20, STAT_START = 22, STAT_STACK = 28 };

static int parse_stat(const char *text, struct proc_stat *ret)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')'), *s;
	struct proc_stat st = {0};
	size_t len;

	if (!open || !close || close < open || close[1] != ' ' || !close[2])
		return -EINVAL;
	len = (size_t)(close - open - 1);
	memcpy(st.comm, open + 1, len < COMM_SZ ? len : COMM_SZ);
	st.state = close[2];
	s = skip_fields(close + 2, STAT_FLAGS - STAT_STATE);
	if (!s)
		return -EINVAL;
	st.flags = (uint32_t)strtoul(s, NULL, 10);
	s = skip_fields(s, STAT_THREADS - STAT_FLAGS);
	if (!s)
		return -EINVAL;
	st.threads = strtoll(s, NULL, 10);
	s = skip_fields(s, STAT_START - STAT_THREADS);
	if (!s)
		return -EINVAL;
	st.start_ticks = strtoull(s, NULL, 10);
	s = skip_fields(s, STAT_STACK - STAT_START);
	st.start_stack = s ? strtoull(s, NULL, 10) : 0;
	*ret = st;
	return 0;
}

int proc_info_stat(const char *root, pid_t pid, struct proc_stat *ret)
{
	char path[PROC_PATH_SZ], buf[STAT_SZ];
	ssize_t n = file_read(root, proc_path(path, pid, "stat"), buf, sizeof(buf));

	if (n < 0)
		return gone((int)n);
	return parse_stat(buf, ret);
}

bool proc_info_is_kernel_thread(const struct proc_stat *st)
{
	return st->flags & PF_KTHREAD;
}

bool proc_info_is_dead(const struct proc_stat *st)
{
	/* the first thread of a living process may end alone: it then shows as a zombie beside other threads */
	return (st->state == 'Z' || st->state == 'X') && st->threads <= 1;
}

/* The last number of a line such as "NSpid:\t4711\t12\t1". */
static int last_number(const char *status, const char *key, pid_t *ret)
{
	const char *line = strstr(status, key);
	char *end;
	long val = 0;

	if (!line)
		return -ENOENT;
	for (line += strlen(key); *line == '\t' || *line == ' '; line = end) {
		val = strtol(line, &end, 10);
		if (end == line)
			break;
	}
	if (val <= 0 || val > INT32_MAX)
		return -ENOENT;
	*ret = (pid_t)val;
	return 0;
}

int proc_info_ids(const char *root, pid_t pid, pid_t *tgid, pid_t *vpid)
{
	_cleanup_free_ char *status = NULL;
	char path[PROC_PATH_SZ];
	int err = file_read_alloc(root, proc_path(path, pid, "status"), STATUS_SZ_MAX, &status, NULL);

	if (err)
		return gone(err);
	/* "Name:" comes first and escapes newlines, so no name can fake a line */
	if (last_number(status, "\nTgid:", tgid))
		return -EINVAL;
	if (last_number(status, "\nNSpid:", vpid))
		*vpid = pid; /* kernel without pid namespaces */
	return 0;
}

/* CLOCK_BOOTTIME is the scale of start_ticks; the wall clock of now minus it is when the machine booted. */
static uint64_t ticks_to_unix_ns(uint64_t ticks)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);

	return clock_unix_ns() - clock_boot_ns() + ticks / hz * NS_PER_SEC + ticks % hz * NS_PER_SEC / hz;
}

int proc_info_read_stat(const char *root, pid_t pid, struct process *p)
{
	struct proc_stat st;
	pid_t tgid, vpid;
	int err = proc_info_stat(root, pid, &st);

	if (!err)
		err = proc_info_ids(root, pid, &tgid, &vpid);
	if (err)
		return err;
	if (tgid != pid) /* /proc/TID exists for every thread, it is only not listed */
		return -ESRCH;
	p->pid = pid;
	p->start_ticks = st.start_ticks;
	p->start_unix_ns = ticks_to_unix_ns(st.start_ticks);
	memcpy(p->comm, st.comm, sizeof(p->comm));
	p->vpid = vpid;
	return 0;
}

int proc_info_open_exe(const char *root, pid_t pid)
{
	char path[PROC_PATH_SZ];

	return file_open(root, proc_path(path, pid, "exe"));
}

bool proc_info_same(const char *root, pid_t pid, uint64_t start_ticks)
{
	struct proc_stat st;

	return !proc_info_stat(root, pid, &st) && st.start_ticks == start_ticks && !proc_info_is_dead(&st);
}

int proc_info_threads(const char *root, pid_t pid)
{
	struct proc_stat st;
	int err = proc_info_stat(root, pid, &st);

	if (err)
		return err;
	return st.threads > 0 && st.threads <= INT32_MAX ? (int)st.threads : -EINVAL;
}

struct mapping {
	uint64_t start, end, ino;
	uint64_t dev;
	bool exec;
	const char *path; /* to the end of the line, not terminated */
	size_t path_len;
};

/* A number and the one character behind it; NULL when there is none. (No sscanf: glibc's measures the whole rest of the
 * text at each call.) */
static const char *number(const char *s, int base, char behind, uint64_t *ret)
{
	char *end;

	if (!s || !strchr("0123456789abcdef", *s) || !*s)
		return NULL;
	*ret = strtoull(s, &end, base);
	return *end == behind ? end + 1 : NULL;
}

/* "564a1000-564a5000 r-xp 00002000 fd:01 1835  /usr/bin/app" */
static bool parse_mapping(const char *line, const char *eol, struct mapping *m)
{
	uint64_t major, minor, offset;
	const char *s = number(line, 16, '-', &m->start);

	s = number(s, 16, ' ', &m->end);
	if (!s || strcspn(s, " \n") != 4 || s[4] != ' ')
		return false;
	m->exec = s[2] == 'x';
	s = number(s + 5, 16, ' ', &offset);
	s = number(s, 16, ':', &major);
	s = number(s, 16, ' ', &minor);
	if (!s || !strchr("0123456789", *s) || m->end < m->start)
		return false;
	m->dev = makedev((unsigned int)major, (unsigned int)minor);
	m->ino = strtoull(s, (char **)&s, 10);
	m->path = s + strspn(s, " ");
	m->path_len = (size_t)(eol - m->path);
	return true;
}

/* Reads the line at *text and moves on; 1 item, 0 end. Lines that make no sense come back empty (start == end). */
static int next_mapping(const char **text, struct mapping *ret)
{
	const char *line = *text, *eol = strchrnul(line, '\n');

	if (!*line)
		return 0;
	*text = *eol ? eol + 1 : eol;
	*ret = (struct mapping){0};
	if (!parse_mapping(line, eol, ret))
		*ret = (struct mapping){0};
	return 1;
}

/* How a mapping is recognised as the executable, the surest way first. On overlayfs the device of a mapping can be that
 * of the overlay or of the layer below, and the number can differ too when the layers lie on several file systems. */
enum match { MATCH_DEV_INO, MATCH_INO_PATH, MATCH_PATH, MATCH_CNT };

struct exe_file {
	uint64_t dev, ino;
	char path[PATH_MAX];
	size_t path_len;
};

static bool is_exe(const struct mapping *m, const struct exe_file *exe, enum match how)
{
	bool path = m->path_len && m->path_len == exe->path_len && !memcmp(m->path, exe->path, m->path_len);
	bool ino = m->ino && m->ino == exe->ino;

	switch (how) {
	case MATCH_DEV_INO:
		return ino && m->dev == exe->dev;
	case MATCH_INO_PATH:
		return ino && path;
	default:
		return path;
	}
}

/* 1 if the runtime's text lies in an executable mapping of the file under this bias, 0 if not, -ENOENT if the file has
 * no executable mapping (text moved to huge pages): then nothing can be said. */
static int text_is_there(const char *maps, const struct exe_file *exe, enum match how, uint64_t text)
{
	struct mapping m;
	int ret = -ENOENT;

	while (next_mapping(&maps, &m)) {
		if (!m.exec || !is_exe(&m, exe, how))
			continue;
		if (text >= m.start && text < m.end)
			return 1;
		ret = 0;
	}
	return ret;
}

/* The lowest mapping that fits: a process may also have mapped its own file as data below its text. */
static int find_bias(const char *maps, const struct exe_file *exe, enum match how, const struct binary *b,
		     uint64_t *ret)
{
	const char *pos = maps;
	struct mapping m;
	int tries = 0;

	while (tries < BIAS_TRIES && next_mapping(&pos, &m)) {
		uint64_t bias = m.start - b->lowest_vaddr;

		if (!is_exe(&m, exe, how) || m.start < b->lowest_vaddr)
			continue;
		tries++;
		if (!b->pie && bias)
			continue;
		if (b->text_vaddr && !text_is_there(maps, exe, how, b->text_vaddr + bias))
			continue;
		*ret = bias;
		return 0;
	}
	return -ENOENT;
}

int proc_info_stat_exe(const char *root, pid_t pid, struct stat *ret)
{
	char path[PROC_PATH_SZ], full[PATH_MAX];

	if ((size_t)snprintf(full, sizeof(full), "%s%s", root, proc_path(path, pid, "exe")) >= sizeof(full))
		return -ENAMETOOLONG;
	return stat(full, ret) ? gone(-errno) : 0;
}

ssize_t proc_info_exe_path(const char *root, pid_t pid, char *buf, size_t sz)
{
	char path[PROC_PATH_SZ];

	return file_readlink(root, proc_path(path, pid, "exe"), buf, sz);
}

int proc_info_read_bias(const char *root, pid_t pid, const struct binary *b, uint64_t *ret)
{
	_cleanup_free_ char *maps = NULL;
	char path[PROC_PATH_SZ];
	struct exe_file exe;
	struct stat st;
	int err = proc_info_stat_exe(root, pid, &st);
	ssize_t n;

	if (err)
		return err;
	exe.dev = st.st_dev;
	exe.ino = st.st_ino;
	n = proc_info_exe_path(root, pid, exe.path, sizeof(exe.path));
	exe.path_len = n > 0 ? (size_t)n : 0;
	err = gone(file_read_alloc(root, proc_path(path, pid, "maps"), MAPS_SZ_MAX, &maps, NULL));
	if (err)
		return err;
	for (int how = MATCH_DEV_INO; how < MATCH_CNT; how++)
		if (!find_bias(maps, &exe, how, b, ret))
			return 0;
	return -ENOENT;
}

int proc_info_getenv(const char *root, pid_t pid, const char *name, char *buf, size_t sz)
{
	_cleanup_free_ char *env = NULL;
	size_t env_sz, len = strlen(name);
	char path[PROC_PATH_SZ];
	int err = file_read_alloc(root, proc_path(path, pid, "environ"), ENVIRON_SZ_MAX, &env, &env_sz);

	if (err)
		return gone(err);
	for (const char *s = env; s < env + env_sz; s += strlen(s) + 1) {
		if (strncmp(s, name, len) || s[len] != '=')
			continue;
		return str_copy(buf, sz, s + len + 1) ? 1 : -ENOSPC;
	}
	return 0;
}
