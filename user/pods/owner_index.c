/* SPDX-License-Identifier: BSD-2-Clause */
/* One owner a container, one a host process, found by cgroup path or by (pid, start time).
 *
 * Names lag: the kubelet shows a new container up to 0.9 s after its process (facts: kubernetes.md), so names are
 * retried at every tick for 2 s and seldom after that. Owners outlive their last process by a minute, for windows that
 * still mention them. The ids of a container's cgroup and of all levels above it are kept, as a quota may sit on any
 * level.
 *
 * A host process may be moved into another cgroup by hand after its start: its paths are read again now and then. */
#include "pods/owner_index.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hashmap.h"
#include "base/str.h"
#include "pods/limits.h"
#include "pods/pod_source.h"

#define OWNERS_MAX      4096 /* 110 pods, 500 Go processes, and a minute of short-lived ones */
#define CGROUP_TEXT_MAX (64u << 10)
#define EAGER_NS        (2 * NS_PER_SEC) /* unresolved names: every tick for so long */
#define SELDOM_NS       (10 * NS_PER_SEC)
#define MOVED_NS        NS_PER_SEC /* first look whether a host process was moved */
#define LINGER_NS       (60 * NS_PER_SEC)
#define LINGER_FULL_NS                                                                                                 \
	(5 * NS_PER_SEC) /* when more than half of the places are taken, or more than so many are gone: */
#define GONE_MANY 256    /* each is a row, with its history */
#define NEVER     UINT64_MAX

struct entry {
	struct owner o;           /* first: a struct owner * is a struct entry * */
	struct container_ref ref; /* len: of the path below */
	char *path;               /* owned: container's level as procfs names it; NULL: host process */
	uint64_t start_ticks;     /* host process */
	uint64_t key;
	pid_t pid;        /* the process seen last */
	uint64_t due_ns;  /* next try for names, next look at a host process; NEVER */
	uint64_t *levels; /* owned: cpu cgroup ids from its own level up to the mount */
	size_t level_cnt;
};

struct owner_index {
	char *root;                     /* owned */
	const struct cgroup_mounts *cg; /* borrowed */
	struct hashmap *map;            /* key -> entry; an entry with a colliding key is only in entries */
	struct entry **entries;         /* owned, OWNERS_MAX places */
	size_t cnt;
	uint64_t due_ns; /* nothing to do in tick before */
};

/* What one reading of /proc/PID/cgroup says. */
struct sighting {
	struct cgroup_paths paths;
	struct container_ref ref;
	char path[CGROUP_PATH_SZ]; /* best, cut at ref's level */
	bool host;
};

int owner_index_new(const char *root, const struct cgroup_mounts *cg, struct owner_index **ret)
{
	struct owner_index *x = calloc(1, sizeof(*x));
	int err = -ENOMEM;

	if (!x)
		return -ENOMEM;
	x->cg = cg;
	x->due_ns = NEVER;
	x->root = strdup(root);
	x->entries = calloc(OWNERS_MAX, sizeof(*x->entries));
	if (x->root && x->entries)
		err = hashmap_new(OWNERS_MAX, &x->map);
	if (err) {
		owner_index_free(x);
		return err;
	}
	*ret = x;
	return 0;
}

static struct entry *entry_free(struct entry *e)
{
	if (!e)
		return NULL;
	free(e->path);
	free(e->levels);
	free(e);
	return NULL;
}

struct owner_index *owner_index_free(struct owner_index *x)
{
	if (!x)
		return NULL;
	for (size_t i = 0; i < x->cnt; i++)
		entry_free(x->entries[i]);
	free(x->entries);
	hashmap_free(x->map);
	free(x->root);
	free(x);
	return NULL;
}

/* "/NAMESPACE/ID" or below: containers of ctr carry ids that people chose, so only containerd's state tells. */
static bool parse_named_task(const char *root, const char *path, struct container_ref *ref)
{
	char namespace_[128], id[80];
	int len = 0;

	if (sscanf(path, "/%127[^/]/%79[^/]%n", namespace_, id, &len) != 2 || !len || (path[len] && path[len] != '/'))
		return false;
	if (!pod_source_containerd_has(root, namespace_, id))
		return false;
	memset(ref, 0, sizeof(*ref));
	str_copy(ref->runtime, sizeof(ref->runtime), "containerd");
	str_copy(ref->id, sizeof(ref->id), id);
	ref->len = (size_t)len;
	return true;
}

static int look_at(const struct owner_index *x, pid_t pid, struct sighting *s)
{
	_cleanup_free_ char *text = NULL;
	char file[64];
	int err;

	snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)pid);
	err = file_read_alloc(x->root, file, CGROUP_TEXT_MAX, &text, NULL);
	if (err)
		return err == -ENOENT ? -ESRCH : err;
	err = cgroup_paths_parse(text, x->cg, &s->paths);
	if (err)
		return err;
	s->host = container_parse(s->paths.best, &s->ref) == CONTAINER_NONE &&
		  !parse_named_task(x->root, s->paths.best, &s->ref);
	str_copy(s->path, s->host ? 1 : s->ref.len + 1, s->paths.best);
	return 0;
}

/* The path in one hierarchy, cut at the container's level; false when the container is not in it by that path. */
static bool cut_path(char *dst, const char *path, const struct sighting *s)
{
	struct container_ref r;
	size_t len = strlen(s->path);

	str_copy(dst, OWNER_PATH_SZ, path);
	if (s->host)
		return true;
	if (container_parse(path, &r) != CONTAINER_NONE && !strcmp(r.id, s->ref.id) &&
	    !strcmp(r.pod_uid, s->ref.pod_uid))
		dst[r.len] = 0;
	else if (!strncmp(path, s->path, len) && (!path[len] || path[len] == '/'))
		dst[len] = 0;
	else
		return false;
	return true;
}

static bool has_cpu_controller(const struct cgroup_mounts *m, const char *path)
{
	char full[2 * CGROUP_PATH_SZ];
	struct stat st;

	if (!m->cpu_is_v2)
		return true;
	return (size_t)snprintf(full, sizeof(full), "%s%s/cpu.weight", m->cpu, path) < sizeof(full) && !stat(full, &st);
}

/* Fills the ids of all levels, and cpu_cgid: a task counts for the nearest level that has the controller. */
static int read_levels(const struct cgroup_mounts *m, struct entry *e)
{
	char path[OWNER_PATH_SZ], *slash;
	uint64_t *levels;
	bool found = false;

	e->level_cnt = 0;
	e->o.cpu_cgid = 0;
	if (e->o.cgroup[0] != '/')
		return 0;
	levels = realloc(e->levels, OWNER_PATH_SZ / 2 * sizeof(*levels));
	if (!levels)
		return -ENOMEM;
	str_copy(path, sizeof(path), e->o.cgroup);
	for (;;) {
		uint64_t id;

		if (!cgroup_id_of(m->cpu, path, &id)) {
			levels[e->level_cnt++] = id;
			if (!found)
				e->o.cpu_cgid = id;
			found = found || has_cpu_controller(m, path);
		}
		slash = strrchr(path, '/');
		if (!slash || !path[1])
			break;
		slash[slash == path] = 0;
	}
	e->levels = realloc(levels, (e->level_cnt ? e->level_cnt : 1) * sizeof(*levels)); /* shrinks */
	if (!e->levels)
		e->levels = levels;
	return 0;
}

static int take_paths(const struct cgroup_mounts *m, struct entry *e, const struct sighting *s)
{
	cut_path(e->o.cgroup, s->paths.cpu, s);
	cut_path(e->o.cgroup_v2, s->paths.v2, s);
	if (!cut_path(e->o.cgroup_memory, s->paths.memory, s))
		e->o.cgroup_memory[0] = 0; /* someone else's memory */
	if (!e->o.cgroup_v2[0] || cgroup_id_of(m->v2, e->o.cgroup_v2, &e->o.v2_cgid))
		e->o.v2_cgid = 0;
	return read_levels(m, e);
}

static void try_names(const struct owner_index *x, struct entry *e, uint64_t now_ns)
{
	const struct pod_query q = {x->root, &e->ref, e->o.refs ? e->pid : 0};
	struct owner *o = &e->o;
	struct pod_names n;
	bool done = pod_source_resolve(&q, &n);

	if (!e->ref.id[0]) /* a process in the pod's own cgroup: there is no container to name */
		done = n.pod[0] && n.namespace_[0];
	o->kind = !done ? OWNER_UNATTRIBUTED : n.pod[0] ? OWNER_POD : OWNER_CONTAINER;
	str_copy(o->namespace_, sizeof(o->namespace_), n.namespace_);
	str_copy(o->pod, sizeof(o->pod), n.pod);
	str_copy(o->pod_uid, sizeof(o->pod_uid), n.pod_uid);
	str_copy(o->container, sizeof(o->container), n.container);
	str_copy(o->runtime, sizeof(o->runtime), n.runtime);
	o->sandbox = n.sandbox;
	e->due_ns = done ? NEVER : now_ns < o->first_seen_ns + EAGER_NS ? now_ns : now_ns + SELDOM_NS;
}

static bool same(const struct entry *e, const char *path, pid_t pid, uint64_t start_ticks)
{
	if (path)
		return e->path && !strcmp(e->path, path);
	return !e->path && e->o.host_pid == pid && e->start_ticks == start_ticks;
}

/* path NULL: the host process (pid, start_ticks). */
static struct entry *find(const struct owner_index *x, uint64_t key, const char *path, pid_t pid, uint64_t start_ticks)
{
	struct entry *e = hashmap_find(x->map, key);

	if (!e || same(e, path, pid, start_ticks))
		return e;
	for (size_t i = 0; i < x->cnt; i++) /* two names with one hash */
		if (same(x->entries[i], path, pid, start_ticks))
			return x->entries[i];
	return NULL;
}

static int add(struct owner_index *x, struct entry *e)
{
	int err;

	if (x->cnt >= OWNERS_MAX)
		return -ENOSPC;
	err = hashmap_add(x->map, e->key, e);
	if (err && err != -EEXIST)
		return err;
	x->entries[x->cnt++] = e;
	return 0;
}

static int create(struct owner_index *x, const struct sighting *s, pid_t pid, const char *comm, uint64_t now_ns,
		  struct entry **ret)
{
	struct entry *e = calloc(1, sizeof(*e));
	int err = -ENOMEM;

	if (!e)
		return -ENOMEM;
	e->o.first_seen_ns = now_ns;
	e->pid = pid;
	e->due_ns = now_ns;
	if (s->host) {
		e->o.kind = OWNER_HOST;
		e->o.host_pid = pid;
		pod_source_copy(e->o.host_comm, sizeof(e->o.host_comm), comm);
		e->due_ns = now_ns + MOVED_NS;
	} else {
		e->o.kind = OWNER_UNATTRIBUTED;
		e->ref = s->ref;
		str_copy(e->o.container_id, sizeof(e->o.container_id), s->ref.id);
		str_copy(e->o.pod_uid, sizeof(e->o.pod_uid), s->ref.pod_uid);
		str_copy(e->o.runtime, sizeof(e->o.runtime), s->ref.runtime);
		e->path = strdup(s->path);
		if (!e->path)
			goto fail;
	}
	err = take_paths(x->cg, e, s);
	if (err)
		goto fail;
	*ret = e;
	return 0;
fail:
	entry_free(e);
	return err;
}

static uint64_t key_of(const struct sighting *s, pid_t pid, uint64_t start_ticks)
{
	const uint64_t id[2] = {(uint64_t)pid, start_ticks};

	return s->host ? hash_bytes(id, sizeof(id), 1) : hash_bytes(s->path, strlen(s->path), 0);
}

int owner_index_get(struct owner_index *x, pid_t pid, const char *comm, uint64_t now_ns, struct owner **ret)
{
	uint64_t start = 0, key;
	struct sighting s;
	struct entry *e;
	int err = look_at(x, pid, &s);

	if (!err && s.host)
		err = process_start_read(x->root, pid, &start);
	if (err)
		return err;
	key = key_of(&s, pid, start);
	e = find(x, key, s.host ? NULL : s.path, pid, start);
	if (!e) {
		err = create(x, &s, pid, comm, now_ns, &e);
		if (err)
			return err;
		e->key = key;
		e->start_ticks = start;
		err = add(x, e);
		if (err) {
			entry_free(e);
			return err;
		}
	} else if (!e->o.refs) {
		take_paths(x->cg, e, &s); /* a container that was started again has new cgroups */
	}
	e->pid = pid;
	e->o.gone_ns = 0;
	e->o.refs++;
	if (e->path && e->due_ns <= now_ns)
		try_names(x, e, now_ns);
	if (e->due_ns < x->due_ns)
		x->due_ns = e->due_ns;
	*ret = &e->o;
	return 0;
}

void owner_index_put(struct owner_index *x, struct owner *o, uint64_t now_ns)
{
	if (!o || o->refs <= 0 || --o->refs)
		return;
	o->gone_ns = now_ns ? now_ns : 1;
	if (x->due_ns > now_ns + LINGER_FULL_NS)
		x->due_ns = now_ns + LINGER_FULL_NS;
}

static void refresh(struct owner_index *x, struct entry *e, uint64_t now_ns)
{
	struct sighting s;

	if (e->path) {
		try_names(x, e, now_ns);
		return;
	}
	e->due_ns = now_ns + SELDOM_NS;
	if (!look_at(x, e->pid, &s) && s.host)
		take_paths(x->cg, e, &s);
}

/* When the entry wants to be looked at next. */
static uint64_t next_due(const struct entry *e, uint64_t linger_ns)
{
	uint64_t freed = e->o.refs ? NEVER : e->o.gone_ns + linger_ns;

	/* names of what is gone only within the eager time: its state files go as well */
	if (!e->o.refs && (!e->path || e->due_ns > e->o.first_seen_ns + EAGER_NS))
		return freed;
	return e->due_ns < freed ? e->due_ns : freed;
}

static void drop(struct owner_index *x, size_t i, void (*free_gone)(struct owner *o, void *arg), void *arg)
{
	struct entry *e = x->entries[i];

	if (free_gone)
		free_gone(&e->o, arg);
	if (hashmap_find(x->map, e->key) == e)
		hashmap_remove(x->map, e->key);
	x->entries[i] = x->entries[--x->cnt];
	entry_free(e);
}

static uint64_t linger_of(const struct owner_index *x)
{
	size_t gone = 0;

	for (size_t i = 0; i < x->cnt; i++)
		gone += !x->entries[i]->o.refs;
	return x->cnt > OWNERS_MAX / 2 || gone > GONE_MANY ? LINGER_FULL_NS : LINGER_NS;
}

void owner_index_tick(struct owner_index *x, uint64_t now_ns, void (*free_gone)(struct owner *o, void *arg), void *arg)
{
	uint64_t linger;

	if (now_ns < x->due_ns)
		return;
	linger = linger_of(x);
	x->due_ns = NEVER;
	for (size_t i = 0; i < x->cnt;) {
		struct entry *e = x->entries[i];
		uint64_t due;

		if (!e->o.refs && now_ns >= e->o.gone_ns + linger) {
			drop(x, i, free_gone, arg);
			continue;
		}
		if (next_due(e, linger) <= now_ns)
			refresh(x, e, now_ns);
		due = next_due(e, linger);
		if (due < x->due_ns)
			x->due_ns = due;
		i++;
	}
}

struct owner *owner_index_next(const struct owner_index *x, size_t *pos)
{
	return *pos < x->cnt ? &x->entries[(*pos)++]->o : NULL;
}

struct owner *owner_index_below(const struct owner_index *x, uint64_t cpu_cgid, size_t *pos)
{
	while (cpu_cgid && *pos < x->cnt) {
		struct entry *e = x->entries[(*pos)++];

		for (size_t i = 0; i < e->level_cnt; i++)
			if (e->levels[i] == cpu_cgid)
				return &e->o;
	}
	return NULL;
}

size_t owner_index_levels(const struct owner *o, uint64_t *ret, size_t max)
{
	const struct entry *e = (const struct entry *)o;
	size_t n = e->level_cnt < max ? e->level_cnt : max;

	for (size_t i = 0; i < n; i++)
		ret[i] = e->levels[i];
	return n;
}
