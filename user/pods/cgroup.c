/* SPDX-License-Identifier: BSD-2-Clause */
/* Which cgroup hierarchies this node has, where they are mounted, and where a process is in them.
 *
 * mountinfo tells the hierarchies: v1 controllers each alone (cpu and cpuacct too) or mounted together ("cpu,cpuacct"),
 * v2 alone, or both (hybrid, where v2 usually holds no controller: its cgroup.controllers says).
 *
 * The root field of mountinfo and the paths of /proc/PID/cgroup are both relative to the cgroup namespace of the
 * reader. A reader in a private namespace (an unprivileged pod on v2) that sees the host's mount reads "/../.." as its
 * root and
 * "/../pod2/C64" for its neighbours. To make files of those paths the place of the namespace's root below the mount is
 * needed, which no file names: it is looked for once, by the directory that lists the reader in cgroup.procs. */
#include "pods/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "pods/container.h"

#define MOUNTINFO_MAX   (8u << 20) /* about 40,000 mounts; a node with 110 pods has 2,000 */
#define PROC_CGROUP_MAX (64u << 10)
#define NS_SEARCH_MAX   8192 /* directories looked at for the root of the own namespace */

struct mount_line {
	char *root, *point, *fstype, *super;
	unsigned int major, minor;
};

/* The best mount of one hierarchy found so far. */
struct candidate {
	char *path;
	struct cgroup_view *view; /* NULL: not kept */
	int score;
};

static void unescape_octal(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
		    s[3] <= '7') {
			*out++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	*out = 0;
}

/* "31 23 0:28 /root /point opts [optional ...] - fstype source super" */
static bool parse_mount_line(char *line, struct mount_line *m)
{
	char *tail = strstr(line, " - "), *save = NULL, *dev, *source;

	if (!tail)
		return false;
	*tail = 0;
	tail += 3;
	if (!strtok_r(line, " ", &save) || !strtok_r(NULL, " ", &save))
		return false;
	dev = strtok_r(NULL, " ", &save);
	m->root = strtok_r(NULL, " ", &save);
	m->point = strtok_r(NULL, " ", &save);
	m->fstype = strtok_r(tail, " ", &save);
	source = strtok_r(NULL, " ", &save);
	m->super = strtok_r(NULL, " ", &save);
	if (!dev || !m->root || !m->point || !m->fstype || !source || !m->super)
		return false;
	if (sscanf(dev, "%u:%u", &m->major, &m->minor) != 2)
		return false;
	unescape_octal(m->root);
	unescape_octal(m->point);
	return true;
}

static bool has_word(const char *list, const char *word, char separator)
{
	size_t len = strlen(word);

	for (const char *s = list; s && *s; s = strchr(s, separator)) {
		s += *s == separator;
		if (!strncmp(s, word, len) && (!s[len] || s[len] == separator || s[len] == '\n'))
			return true;
	}
	return false;
}

/* Number of leading ".." components. */
static size_t levels_up(const char *path)
{
	size_t n = 0;

	while (!strncmp(path, "/..", 3) && (!path[3] || path[3] == '/')) {
		n++;
		path += 3;
	}
	return n;
}

static size_t depth_of(const char *path)
{
	size_t n = 0;

	for (const char *s = path; *s; s++)
		n += s[0] == '/' && s[1] && s[1] != '/';
	return n;
}

/* A mount that shows more of the hierarchy is better, one that is really visible at its place is much better. */
static int mount_score(const char *full, const struct mount_line *m)
{
	size_t up = levels_up(m->root);
	struct stat st;
	int score = up ? 200 + (int)up : 200 - (int)depth_of(m->root);

	if (stat(full, &st) || !S_ISDIR(st.st_mode))
		return -1;
	if (st.st_dev == makedev(m->major, m->minor))
		score += 100000; /* not so in a fixture tree, nor where another mount hides it */
	return score;
}

static void consider(struct candidate *c, const char *root, const struct mount_line *m)
{
	char full[CGROUP_PATH_SZ];
	int score, n = snprintf(full, sizeof(full), "%s%s", root, m->point);

	if (n < 0 || (size_t)n >= sizeof(full) || strlen(m->root) >= CGROUP_PATH_SZ)
		return;
	score = mount_score(full, m);
	if (score <= c->score)
		return;
	c->score = score;
	str_copy(c->path, CGROUP_PATH_SZ, full);
	if (c->view)
		str_copy(c->view->root, sizeof(c->view->root), m->root);
}

static int read_mountinfo(const char *root, char **ret)
{
	int err = -ENOENT;

	if (root[0]) /* the mounts of the host, not ours; without it (a procfs of our own namespace) ours */
		err = file_read_alloc(root, "/proc/1/mountinfo", MOUNTINFO_MAX, ret, NULL);
	return err ? file_read_alloc(root, "/proc/self/mountinfo", MOUNTINFO_MAX, ret, NULL) : 0;
}

/* cgroup.controllers of the v2 mount holds the controller. Unreadable: assumed, the files then decide. */
static bool v2_holds(const char *v2, const char *controller)
{
	char buf[512];
	ssize_t n;

	if (!v2[0])
		return false;
	n = file_read(v2, "/cgroup.controllers", buf, sizeof(buf));
	return n < 0 || has_word(buf, controller, ' ');
}

static bool lists_pid(const char *dir, pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	char want[16], *save = NULL;

	snprintf(want, sizeof(want), "%d", (int)pid);
	if (file_read_alloc(dir, "/cgroup.procs", PROC_CGROUP_MAX, &text, NULL))
		return false;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!strcmp(line, want))
			return true;
	return false;
}

/* Looks levels below dir for a directory D with D + own listing this process; *budget bounds the search. */
static bool find_below(const char *dir, const char *own, size_t levels, int *budget, char *ret, size_t ret_sz)
{
	char path[CGROUP_PATH_SZ];
	bool found = false;
	DIR *d;

	if (!levels) {
		int n = snprintf(path, sizeof(path), "%s%s", dir, own);

		if (n < 0 || (size_t)n >= sizeof(path) || !lists_pid(path, getpid()))
			return false;
		return str_copy(ret, ret_sz, dir);
	}
	d = opendir(dir);
	if (!d)
		return false;
	for (struct dirent *e; !found && *budget > 0 && (e = readdir(d));) {
		int n = snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);

		if (e->d_name[0] == '.' || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN) || n < 0 ||
		    (size_t)n >= sizeof(path))
			continue;
		--*budget;
		found = find_below(path, own, levels - 1, budget, ret, ret_sz);
	}
	closedir(d);
	return found;
}

/* "4:cpu,cpuacct:/path" in place: the path, and the controllers ("" on the 0:: line); NULL when the line is no such. */
static char *line_path(char *line, char **controllers)
{
	char *path;

	*controllers = strchr(line, ':');
	if (!*controllers)
		return NULL;
	(*controllers)++;
	path = strchr(*controllers, ':'); /* a path may hold further colons */
	if (!path || path[1] != '/')
		return NULL;
	*path++ = 0;
	return path;
}

static void find_ns_root(const char *root, const char *mount, const char *controller, struct cgroup_view *v)
{
	_cleanup_free_ char *text = NULL;
	char *save = NULL, *names, *path, found[CGROUP_PATH_SZ];
	size_t up = levels_up(v->root);
	int budget = NS_SEARCH_MAX;

	if (!up || up > 16 || !mount[0] || file_read_alloc(root, "/proc/self/cgroup", PROC_CGROUP_MAX, &text, NULL))
		return;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		path = line_path(line, &names);
		if (!path || (controller[0] ? !has_word(names, controller, ',') : names[0] != 0))
			continue;
		if (levels_up(path))
			return; /* outside of its own namespace: says nothing about where the root is */
		if (find_below(mount, path, up, &budget, found, sizeof(found)))
			str_copy(v->ns_root, sizeof(v->ns_root), found + strlen(mount));
		return;
	}
}

static void place_controllers(struct cgroup_mounts *m, bool v1_systemd)
{
	bool v1 = v1_systemd || m->cpu[0] || m->cpuacct[0] || m->memory[0];

	m->mode = m->v2[0] ? (v1 ? CGROUP_HYBRID : CGROUP_V2) : (v1 ? CGROUP_V1 : CGROUP_NONE);
	m->cpu_is_v2 = !m->cpu[0] && v2_holds(m->v2, "cpu");
	m->memory_is_v2 = !m->memory[0] && v2_holds(m->v2, "memory");
	if (m->cpu_is_v2) {
		str_copy(m->cpu, sizeof(m->cpu), m->v2);
		m->cpu_view = m->v2_view;
		if (!m->cpuacct[0])
			str_copy(m->cpuacct, sizeof(m->cpuacct), m->v2);
	}
	if (m->memory_is_v2) {
		str_copy(m->memory, sizeof(m->memory), m->v2);
		m->memory_view = m->v2_view;
	}
}

int cgroup_mounts_read(const char *root, struct cgroup_mounts *ret)
{
	struct cgroup_mounts m = {.mode = CGROUP_NONE};
	struct candidate v2 = {m.v2, &m.v2_view, -1}, cpu = {m.cpu, &m.cpu_view, -1};
	struct candidate cpuacct = {m.cpuacct, NULL, -1}, memory = {m.memory, &m.memory_view, -1};
	_cleanup_free_ char *text = NULL;
	bool v1_systemd = false;
	struct mount_line line;
	char *save = NULL;
	int err = read_mountinfo(root, &text);

	if (err)
		return err;
	for (char *s = strtok_r(text, "\n", &save); s; s = strtok_r(NULL, "\n", &save)) {
		if (!parse_mount_line(s, &line))
			continue;
		if (!strcmp(line.fstype, "cgroup2"))
			consider(&v2, root, &line);
		if (strcmp(line.fstype, "cgroup"))
			continue;
		v1_systemd |= has_word(line.super, "name=systemd", ',');
		if (has_word(line.super, "cpu", ','))
			consider(&cpu, root, &line);
		if (has_word(line.super, "cpuacct", ','))
			consider(&cpuacct, root, &line);
		if (has_word(line.super, "memory", ','))
			consider(&memory, root, &line);
	}
	find_ns_root(root, m.v2, "", &m.v2_view);
	find_ns_root(root, m.cpu, "cpu", &m.cpu_view);
	find_ns_root(root, m.memory, "memory", &m.memory_view);
	place_controllers(&m, v1_systemd);
	*ret = m;
	return 0;
}

const char *cgroup_mode_text(enum cgroup_mode m)
{
	static const char *const texts[] = {"none", "v1", "hybrid", "v2"};

	return (size_t)m < ARRAY_SIZE(texts) ? texts[m] : "none";
}

/* Copies a path, cut at the container's level when it is too long otherwise; false (and "") when even that is. */
static bool copy_path(char *dst, const char *path)
{
	struct container_ref ref;
	size_t len = strlen(path);

	dst[0] = 0;
	if (len >= CGROUP_PATH_SZ) {
		if (container_parse(path, &ref) != CONTAINER_FOUND || ref.len >= CGROUP_PATH_SZ)
			return false;
		len = ref.len;
	}
	memcpy(dst, path, len);
	dst[len] = 0;
	return true;
}

/* base + path with every ".." taken back; false when it leaves the mount or does not fit. */
static bool join_normalised(char *dst, const char *base, const char *path)
{
	char buf[2 * CGROUP_PATH_SZ], *save = NULL;
	size_t len = 0;

	if ((size_t)snprintf(buf, sizeof(buf), "%s/%s", base, path) >= sizeof(buf))
		return false;
	dst[0] = 0;
	for (char *s = strtok_r(buf, "/", &save); s; s = strtok_r(NULL, "/", &save)) {
		size_t n = strlen(s);

		if (!strcmp(s, "..")) {
			char *cut = strrchr(dst, '/');

			if (!cut)
				return false;
			*cut = 0;
			len = (size_t)(cut - dst);
			continue;
		}
		if (len + n + 2 > CGROUP_PATH_SZ)
			return false;
		dst[len++] = '/';
		memcpy(dst + len, s, n + 1);
		len += n;
	}
	if (!len)
		str_copy(dst, CGROUP_PATH_SZ, "/");
	return true;
}

/* Path below the mount of what procfs calls `path`; "" where the mount does not show it. */
static void path_below(const struct cgroup_view *v, const char *path, char *dst)
{
	size_t len = strcmp(v->root, "/") ? strlen(v->root) : 0;
	char whole[CGROUP_PATH_SZ];

	dst[0] = 0;
	if (!copy_path(whole, path))
		return;
	if (levels_up(v->root) && v->ns_root[0]) {
		if (!join_normalised(dst, v->ns_root, whole))
			dst[0] = 0;
	} else if (!strncmp(whole, v->root, len) && (!whole[len] || whole[len] == '/') && !levels_up(whole + len)) {
		str_copy(dst, CGROUP_PATH_SZ, whole[len] ? whole + len : "/");
	}
}

static void choose_best(struct cgroup_paths *p, const char *path, bool is_v2, int *best_rank)
{
	struct container_ref ref;
	int outcome = container_parse(path, &ref);
	int rank = outcome == CONTAINER_FOUND ? 20 : outcome == CONTAINER_POD ? 10 : 0;

	if (rank && rank + is_v2 > *best_rank && copy_path(p->best, path))
		*best_rank = rank + is_v2;
}

int cgroup_paths_parse(const char *text, const struct cgroup_mounts *m, struct cgroup_paths *ret)
{
	_cleanup_free_ char *copy = strdup(text);
	struct cgroup_paths p = {0};
	char *save = NULL, *names, *path;
	int rank = 0;

	if (!copy)
		return -ENOMEM;
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		path = line_path(line, &names);
		if (!path)
			continue;
		if (str_ends(path, " (deleted)"))
			path[strlen(path) - strlen(" (deleted)")] = 0;
		choose_best(&p, path, !names[0], &rank);
		if (!names[0])
			path_below(&m->v2_view, path, p.v2);
		if (!m->cpu_is_v2 && has_word(names, "cpu", ','))
			path_below(&m->cpu_view, path, p.cpu);
		if (!m->memory_is_v2 && has_word(names, "memory", ','))
			path_below(&m->memory_view, path, p.memory);
	}
	if (m->cpu_is_v2)
		str_copy(p.cpu, sizeof(p.cpu), p.v2);
	if (m->memory_is_v2)
		str_copy(p.memory, sizeof(p.memory), p.v2);
	for (int i = 0; !rank && !p.best[0] && i < 3; i++) {
		const char *from = i == 0 ? p.v2 : i == 1 ? p.cpu : p.memory;

		str_copy(p.best, sizeof(p.best), strcmp(from, "/") ? from : "");
	}
	*ret = p;
	return 0;
}

int cgroup_id_of(const char *mount, const char *path, uint64_t *ret)
{
	char full[2 * CGROUP_PATH_SZ];
	struct stat st;

	if (!mount[0] || path[0] != '/')
		return -ENOENT;
	if ((size_t)snprintf(full, sizeof(full), "%s%s", mount, path) >= sizeof(full))
		return -ENAMETOOLONG;
	if (stat(full, &st))
		return -errno;
	*ret = st.st_ino;
	return 0;
}
