/* SPDX-License-Identifier: BSD-2-Clause */
/* The live set: an array of entries in pid order, and a queue of pids whose exec was seen and that are still too young.
 *
 * The age keeps the agent off processes that live for a moment: a container start runs runc several times, exec probes
 * run a command every few seconds, and each would cost an examination and an attach. What exits while it waits is only
 * counted.
 *
 * A process is (pid, start time). An exec keeps both, so an entry also remembers its image: the inode behind exe and
 * the bottom of the stack, which the kernel places anew at every exec. With it a scan or a verify notices an exec whose
 * notice was lost on the ring. */
#include "procs/proc_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hashmap.h"
#include "base/str.h"
#include "procs/proc_info.h"
#include "procs/proc_scan.h"

#define TICK_MAX  64 /* examinations a tick: a new binary costs milliseconds, and the loop has other work */
#define TRIES_MAX 5  /* looks at a process whose executable changes each time */
#define GO_OLDEST 18 /* Go 1.18: the oldest minor whose runtime is known */

struct image {
	uint64_t dev, ino, start_ticks, start_stack;
};

struct entry {
	struct process p; /* first: a process given out is its entry */
	struct image image;
};

struct pending {
	pid_t pid; /* 0: withdrawn, by an exit or a later exec */
	int tries; /* looks so far that came to nothing */
	uint64_t due_ns;
};

struct proc_table {
	char *root;
	struct binary_cache *cache; /* borrowed */
	bool keep_skipped;
	struct proc_table_ops ops;
	struct proc_table_counts counts;
	pid_t self;
	uint64_t now_ns;  /* latest time that a caller told */
	bool turned_away; /* exec notices were: only a scan finds those processes */

	struct entry **entries; /* owned, by pid */
	size_t cnt, cap;

	struct pending *pending; /* ring of PROC_PENDING_MAX, oldest first */
	size_t head, pending_cnt;
	struct hashmap *pending_of; /* pid to 1 + index in the ring */
};

int proc_table_new(const char *root, struct binary_cache *cache, bool keep_skipped, const struct proc_table_ops *ops,
		   struct proc_table **ret)
{
	struct proc_table *t = calloc(1, sizeof(*t));
	int err = -ENOMEM;

	if (!t)
		return -ENOMEM;
	t->cache = cache;
	t->keep_skipped = keep_skipped;
	if (ops)
		t->ops = *ops;
	t->root = strdup(root);
	t->pending = calloc(PROC_PENDING_MAX, sizeof(*t->pending));
	if (t->root && t->pending)
		err = hashmap_new(PROC_PENDING_MAX, &t->pending_of);
	if (err) {
		proc_table_free(t);
		return err;
	}
	t->self = proc_scan_self(root);
	*ret = t;
	return 0;
}

/* Index of the first entry whose pid is not below this one. */
static size_t lower_bound(const struct proc_table *t, pid_t pid)
{
	size_t lo = 0, hi = t->cnt;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (t->entries[mid]->p.pid < pid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct entry *find(const struct proc_table *t, pid_t pid)
{
	size_t i = lower_bound(t, pid);

	return i < t->cnt && t->entries[i]->p.pid == pid ? t->entries[i] : NULL;
}

static int insert(struct proc_table *t, struct entry *e)
{
	size_t i = lower_bound(t, e->p.pid);

	if (t->cnt == PROC_MAX)
		return -ENOSPC;
	if (t->cnt == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		struct entry **grown = realloc(t->entries, cap * sizeof(struct entry *));

		if (!grown)
			return -ENOMEM;
		t->entries = grown;
		t->cap = cap;
	}
	memmove(t->entries + i + 1, t->entries + i, (t->cnt - i) * sizeof(struct entry *));
	t->entries[i] = e;
	t->cnt++;
	return 0;
}

static void drop(struct proc_table *t, struct entry *e)
{
	size_t i = lower_bound(t, e->p.pid);

	/* still in the table while removed() runs, so that it may look things up */
	if (e->p.state != PROCESS_SKIPPED && t->ops.removed)
		t->ops.removed(&e->p, t->ops.arg);
	t->cnt--;
	memmove(t->entries + i, t->entries + i + 1, (t->cnt - i) * sizeof(struct entry *));
	free(e);
}

struct proc_table *proc_table_free(struct proc_table *t)
{
	if (!t)
		return NULL;
	while (t->cnt)
		drop(t, t->entries[t->cnt - 1]);
	free(t->entries);
	hashmap_free(t->pending_of);
	free(t->pending);
	free(t->root);
	free(t);
	return NULL;
}

/* --- exec notices that wait --- */

static bool withdraw(struct proc_table *t, pid_t pid)
{
	uintptr_t i = (uintptr_t)hashmap_remove(t->pending_of, (uint64_t)pid);

	if (!i)
		return false;
	t->pending[i - 1].pid = 0;
	return true;
}

static void forget_withdrawn(struct proc_table *t)
{
	while (t->pending_cnt && !t->pending[t->head].pid) {
		t->head = (t->head + 1) % PROC_PENDING_MAX;
		t->pending_cnt--;
	}
}

/* Closes the gaps, so that a burst of short-lived processes does not fill the ring with pids that are gone. */
static void compact(struct proc_table *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->pending_cnt; i++) {
		struct pending w = t->pending[(t->head + i) % PROC_PENDING_MAX];
		size_t to = (t->head + kept) % PROC_PENDING_MAX;

		if (!w.pid)
			continue;
		t->pending[to] = w;
		hashmap_set(t->pending_of, (uint64_t)w.pid, (void *)(uintptr_t)(to + 1)); /* there: cannot fail */
		kept++;
	}
	t->pending_cnt = kept;
}

static int wait_for_age(struct proc_table *t, pid_t pid, int tries, uint64_t now_ns)
{
	size_t i;

	withdraw(t, pid);
	if (t->pending_cnt == PROC_PENDING_MAX && hashmap_cnt(t->pending_of) < PROC_PENDING_MAX)
		compact(t);
	i = (t->head + t->pending_cnt) % PROC_PENDING_MAX;
	if (t->pending_cnt == PROC_PENDING_MAX ||
	    hashmap_set(t->pending_of, (uint64_t)pid, (void *)(uintptr_t)(i + 1))) {
		t->counts.overflowed++;
		t->turned_away = true;
		return -ENOSPC;
	}
	t->pending[i] = (struct pending){.pid = pid, .tries = tries, .due_ns = now_ns + PROC_MIN_AGE_NS};
	t->pending_cnt++;
	return 0;
}

static uint64_t table_now(const struct proc_table *t)
{
	return t->now_ns ? t->now_ns : clock_mono_ns();
}

int proc_table_exec(struct proc_table *t, pid_t pid, uint64_t now_ns)
{
	struct entry *e = find(t, pid);

	if (now_ns > t->now_ns)
		t->now_ns = now_ns;
	if (e)
		drop(t, e);
	return wait_for_age(t, pid, 0, now_ns);
}

void proc_table_exit(struct proc_table *t, pid_t pid)
{
	struct entry *e = find(t, pid);

	if (withdraw(t, pid))
		t->counts.short_lived++;
	if (e)
		drop(t, e);
}

/* --- examining one process --- */

enum examined { EXAMINED, EXAMINED_GONE, EXAMINED_LATER };

static int read_image(const struct proc_table *t, pid_t pid, struct image *ret)
{
	struct proc_stat ps;
	struct stat st;
	int err = proc_info_stat(t->root, pid, &ps);

	if (!err && proc_info_is_dead(&ps))
		err = -ESRCH;
	if (err)
		return err;
	*ret = (struct image){.start_ticks = ps.start_ticks, .start_stack = ps.start_stack};
	/* a kernel thread has no file, other files may refuse: the rest of the identity has to do */
	if (!proc_info_stat_exe(t->root, pid, &st)) {
		ret->dev = st.st_dev;
		ret->ino = st.st_ino;
	}
	return 0;
}

static bool same_image(const struct image *a, const struct image *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->start_ticks == b->start_ticks &&
	       a->start_stack == b->start_stack;
}

/* The process that this pid was known as still runs, with the image it had. */
static bool still_there(const struct proc_table *t, const struct entry *e)
{
	struct image now;

	return !read_image(t, e->p.pid, &now) && same_image(&now, &e->image);
}

static struct entry *new_entry(const struct proc_table *t, pid_t pid)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	if (read_image(t, pid, &e->image) || proc_info_read_stat(t->root, pid, &e->p)) {
		free(e);
		return NULL;
	}
	proc_info_exe_path(t->root, pid, e->p.exe, sizeof(e->p.exe));
	return e;
}

static enum examined keep(struct proc_table *t, struct entry *e)
{
	int err = insert(t, e);

	if (err) {
		t->counts.overflowed++;
		free(e);
		return EXAMINED;
	}
	if (e->p.state != PROCESS_SKIPPED && t->ops.added)
		t->ops.added(&e->p, t->ops.arg);
	return EXAMINED;
}

static enum examined skip(struct proc_table *t, pid_t pid, const char *why)
{
	struct entry *e = t->keep_skipped ? new_entry(t, pid) : NULL;

	if (t->keep_skipped && !e)
		return EXAMINED_GONE;
	t->counts.looked_at++;
	t->counts.skipped++;
	if (!e)
		return EXAMINED;
	e->p.state = PROCESS_SKIPPED;
	str_copy(e->p.why, sizeof(e->p.why), why);
	return keep(t, e);
}

/* exe cannot be opened: ENOENT is a kernel thread, or a process that has ended and waits for its parent. */
static enum examined examine_without_exe(struct proc_table *t, pid_t pid, int err)
{
	char why[WHY_SZ];
	struct proc_stat st;

	if (err == -ESRCH || (err == -ENOENT && proc_info_stat(t->root, pid, &st)))
		return EXAMINED_GONE;
	if (err == -ENOENT && proc_info_is_kernel_thread(&st))
		return skip(t, pid, "kernel thread");
	if (err == -ENOENT && proc_info_is_dead(&st))
		return EXAMINED_GONE;
	err_why(why, 0, "cannot read /proc/%d/exe: %s", (int)pid, strerror(-err));
	return skip(t, pid, why);
}

static const char *why_not_go(int outcome, const char *why)
{
	switch (outcome) {
	case BINARY_NOT_ELF:
		return "not ELF";
	case BINARY_NOT_GO:
		return "not Go";
	case BINARY_UNSUPPORTED:
		return *why ? why : "32-bit or of a foreign machine";
	default:
		return *why ? why : strerror(-outcome);
	}
}

/* What the binary alone decides. */
static void decide_state(struct process *p, bool too_old)
{
	const struct binary *b = p->binary;
	bool runtime = b->layout != LAYOUT_NONE && b->globals[GLOBAL_GOMAXPROCS] && b->globals[GLOBAL_ALLP];
	const char *no_runtime = *b->layout_why ? b->layout_why : "addresses of the runtime unknown";
	bool site = b->sites[GO_SITE_START_CYCLE].how != SITE_NONE || b->sites[GO_SITE_START_WORLD].how != SITE_NONE;

	p->state = PROCESS_OBSERVED;
	if (binary_is_runtime_helper(b))
		p->state = err_why(p->why, PROCESS_HELPER, "container plumbing: %s", b->main_path);
	else if (too_old)
		p->state = err_why(p->why, PROCESS_REFUSED, "Go 1.%d is older than 1.%d", b->go_minor, GO_OLDEST);
	else if (!runtime && !site)
		p->state = err_why(p->why, PROCESS_REFUSED, "%s", no_runtime);
	else if (!runtime)
		p->state = err_why(p->why, PROCESS_PARTIAL, "go_runtime: %s", no_runtime);
	else if (!site)
		p->state = err_why(p->why, PROCESS_PARTIAL, "go_gc: %s", b->sites[GO_SITE_START_CYCLE].why);
}

static void decide_bias(const struct proc_table *t, struct process *p)
{
	int err;

	if (p->state != PROCESS_OBSERVED && p->state != PROCESS_PARTIAL)
		return;
	err = proc_info_read_bias(t->root, p->pid, p->binary, &p->bias);
	if (err == -ENOENT)
		p->state = err_why(p->why, PROCESS_REFUSED, "its executable is not mapped where it should be");
	else if (err)
		p->state =
			err_why(p->why, PROCESS_REFUSED, "cannot read /proc/%d/maps: %s", (int)p->pid, strerror(-err));
}

static bool is_young(const struct entry *e)
{
	return clock_unix_ns() < e->p.start_unix_ns + PROC_MIN_AGE_NS;
}

/* The file behind fd is what the process runs. */
static bool is_file_of(const struct entry *e, int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_dev == e->image.dev && st.st_ino == e->image.ino;
}

static enum examined examine_go(struct proc_table *t, pid_t pid, int fd, const struct binary *b, bool too_old,
				bool by_scan)
{
	struct entry *e = new_entry(t, pid);

	if (!e)
		return EXAMINED_GONE;
	if (!is_file_of(e, fd) || (by_scan && is_young(e))) {
		free(e);
		return EXAMINED_LATER;
	}
	e->p.binary = b;
	decide_state(&e->p, too_old);
	decide_bias(t, &e->p);
	if (!still_there(t, e)) { /* an exec in between: the bias may be another image's */
		free(e);
		return EXAMINED_LATER;
	}
	t->counts.looked_at++;
	t->counts.go += e->p.state != PROCESS_HELPER;
	t->counts.helpers += e->p.state == PROCESS_HELPER;
	return keep(t, e);
}

static enum examined examine(struct proc_table *t, pid_t pid, bool by_scan)
{
	struct entry *known = find(t, pid);
	char why[WHY_SZ] = "";
	const struct binary *b;
	int err;

	if (known && still_there(t, known))
		return EXAMINED;
	if (known)
		drop(t, known);
	if (pid == t->self)
		return skip(t, pid, "gopherscope itself");
	_cleanup_close_ int fd = proc_info_open_exe(t->root, pid);
	if (fd < 0)
		return examine_without_exe(t, pid, fd);
	err = binary_cache_get(t->cache, fd, &b, why);
	if (err && err != BINARY_TOO_OLD)
		return skip(t, pid, why_not_go(err, why));
	return examine_go(t, pid, fd, b, err == BINARY_TOO_OLD, by_scan);
}

static void scan_one(pid_t pid, void *arg)
{
	struct proc_table *t = arg;

	if (hashmap_find(t->pending_of, (uint64_t)pid))
		return; /* its turn comes */
	if (examine(t, pid, true) == EXAMINED_LATER)
		wait_for_age(t, pid, 0, table_now(t));
}

int proc_table_scan(struct proc_table *t)
{
	t->turned_away = false;
	return proc_scan(t->root, scan_one, t);
}

/* Takes the oldest notice whose time has come; 0 when there is none. */
static pid_t next_due(struct proc_table *t, uint64_t now_ns, int *tries)
{
	const struct pending *w;
	pid_t pid;

	forget_withdrawn(t);
	w = &t->pending[t->head];
	if (!t->pending_cnt || w->due_ns > now_ns)
		return 0;
	pid = w->pid;
	*tries = w->tries;
	withdraw(t, pid);
	return pid;
}

void proc_table_tick(struct proc_table *t, uint64_t now_ns)
{
	if (now_ns > t->now_ns)
		t->now_ns = now_ns;
	for (int done = 0; done < TICK_MAX; done++) {
		int tries = 0;
		pid_t pid = next_due(t, now_ns, &tries);
		enum examined how;

		if (!pid)
			return;
		how = examine(t, pid, false);
		if (how == EXAMINED_LATER && tries < TRIES_MAX)
			wait_for_age(t, pid, tries + 1, now_ns);
		else if (how == EXAMINED_LATER)
			skip(t, pid, "its executable changes while it is looked at");
		t->counts.short_lived += how == EXAMINED_GONE;
	}
}

void proc_table_verify(struct proc_table *t)
{
	for (size_t i = t->cnt; i-- > 0;) {
		struct entry *e = t->entries[i];
		pid_t pid = e->p.pid;
		struct image now;
		int err = read_image(t, pid, &now);

		if (!err && same_image(&now, &e->image))
			continue;
		drop(t, e);
		if (!err)
			wait_for_age(t, pid, 0, table_now(t));
	}
	if (t->turned_away)
		proc_table_scan(t);
}

struct process *proc_table_find(const struct proc_table *t, pid_t pid)
{
	struct entry *e = find(t, pid);

	return e ? &e->p : NULL;
}

struct process *proc_table_next(const struct proc_table *t, const struct process *prev)
{
	size_t i = prev ? lower_bound(t, prev->pid + 1) : 0;

	return i < t->cnt ? &t->entries[i]->p : NULL;
}

const struct proc_table_counts *proc_table_counts(const struct proc_table *t)
{
	return &t->counts;
}

size_t proc_table_pending_cnt(const struct proc_table *t)
{
	return hashmap_cnt(t->pending_of);
}
