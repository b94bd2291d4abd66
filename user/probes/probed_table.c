/* SPDX-License-Identifier: BSD-2-Clause */
/* Which binaries carry probes. A uprobe belongs to a file, not to a process: a binary is attached once, under the inode
 * that the kernel uses, for all its processes, and the process table in BPF says which of them are wanted.
 *
 * An index travels in attach cookies, so it is free again only when the links that carry it are gone, which a releasing
 * thread reports. A binary without processes keeps its links for a while: a crash-looping pod must not cost an attach
 * and a detach (30 to 100 ms of the kernel) each time. But not when its file is going to be written (write_guard.c). */
#include "probes/probed_table.h"

#include <bpf/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "probes/file_key.h"
#include "probes/go_assist.h"
#include "probes/go_gc.h"
#include "probes/link_set.h"
#include "probes/shared_maps.h"
#include "probes/signal.h"
#include "probes/write_guard.h"

#define STORM_HITS_PER_S_DEFAULT 50000
#define GUARD_INTERVAL_MIN_NS    (80 * NS_PER_MS) /* shorter windows make rates of few hits look wild */
#define LINGER_NS                (10 * NS_PER_SEC)
#define REFUSE_NS                (600 * NS_PER_SEC) /* after a storm; bounded, as the inode may come to mean another file */

enum probed_state {
	PROBED_ATTACHED,
	PROBED_RELEASING, /* its links are with a releasing thread */
	PROBED_REFUSED,   /* had a storm */
};

struct probed {
	uint32_t index; /* in map binaries, from 1 */
	enum probed_state state;
	struct file_key key;
	struct link_set *links; /* owned while attached */
	bool released;          /* set by the releasing thread */
	bool stormed;
	enum assist_view assists; /* through links that go_assist has here */
	unsigned int processes_cnt;
	uint64_t hits_checked, assist_hits_checked; /* hits at the last check of the guard */
	uint64_t since_ns;                          /* attached: of the last process's end; refused: of the storm */
};

/* One wanted process. */
struct probed_process {
	pid_t pid;
	struct probed *binary; /* borrowed */
};

struct probed_table {
	const struct shared_maps *maps;
	struct signal *go_gc, *go_assist; /* go_assist: NULL while it is off */
	struct link_release *release;
	struct write_guards *guards;  /* owned */
	struct file_key_reader *keys; /* owned; NULL where the kernel has no iterator */
	uint64_t storm_hits_per_s;
	uint64_t storms, assist_storms;
	uint64_t checked_ns;                       /* last check of the guard */
	uint32_t others;                           /* signals besides go_gc that want each process of the table */
	struct probed *binaries[BINARY_TABLE_MAX]; /* owned, by index */
	struct hashmap *processes;                 /* pid -> struct probed_process, owned */
};

int probed_table_new(const struct shared_maps *maps, struct signal *go_gc, struct signal *go_assist,
		     struct link_release *release, uint32_t wanted, uint64_t storm_hits_per_s,
		     struct probed_table **ret)
{
	struct probed_table *t = calloc(1, sizeof(*t));
	char why[WHY_SZ];
	int err;

	if (!t)
		return -ENOMEM;
	t->maps = maps;
	t->go_gc = go_gc;
	t->go_assist = go_assist;
	t->release = release;
	t->others = wanted & ~(1u << SIGNAL_GO_GC);
	t->storm_hits_per_s = storm_hits_per_s ? storm_hits_per_s : STORM_HITS_PER_S_DEFAULT;
	err = hashmap_new(PROCESS_TABLE_MAX, &t->processes);
	if (!err)
		err = write_guards_new(&t->guards);
	if (err) {
		probed_table_free(t);
		return err;
	}
	if (file_key_reader_new(&t->keys, why))
		log_debug("probed_table: %s: files are told apart by inode number, size and build id", why);
	*ret = t;
	return 0;
}

static void start_release(struct probed_table *t, struct probed *b)
{
	b->state = PROBED_RELEASING;
	b->released = false;
	link_release_consume(t->release, b->links, &b->released);
	b->links = NULL;
}

void probed_table_detach(struct probed_table *t)
{
	for (uint32_t i = 1; t && i < BINARY_TABLE_MAX; i++)
		if (t->binaries[i] && t->binaries[i]->state == PROBED_ATTACHED)
			start_release(t, t->binaries[i]);
}

struct probed_table *probed_table_free(struct probed_table *t)
{
	uint64_t key;
	size_t pos = 0;
	void *p;

	if (!t)
		return NULL;
	while (t->processes && hashmap_next(t->processes, &pos, &key, &p))
		free(p);
	hashmap_free(t->processes);
	for (uint32_t i = 1; i < BINARY_TABLE_MAX; i++)
		free(t->binaries[i]);
	file_key_reader_free(t->keys);
	write_guards_free(t->guards);
	free(t);
	return NULL;
}

/* ---- binaries -------------------------------------------------------------------------------------------- */

/* One that is attached, or refused after a storm (also while its links are still going). */
static struct probed *find_binary(const struct probed_table *t, const struct file_key *key)
{
	for (uint32_t i = 1; i < BINARY_TABLE_MAX; i++) {
		struct probed *b = t->binaries[i];

		if (!b || (b->state == PROBED_RELEASING && !b->stormed) || !file_key_equal(&b->key, key))
			continue;
		if (b->state != PROBED_ATTACHED || !link_set_is_gone(b->links)) /* gone: the next tick releases it */
			return b;
	}
	return NULL;
}

static int new_binary(struct probed_table *t, const struct file_key *key, const struct binary *binary,
		      struct probed **ret, char *why)
{
	uint32_t index = 1;
	struct probed *b;

	while (index < BINARY_TABLE_MAX && t->binaries[index])
		index++;
	if (index == BINARY_TABLE_MAX)
		return err_why(why, -ENOSPC, "%d binaries are probed already: the table is full", BINARY_TABLE_MAX - 1);
	b = calloc(1, sizeof(*b));
	if (!b)
		return err_why(why, -ENOMEM, "out of memory");
	b->index = index;
	b->key = *key;
	go_gc_fill_entry(binary, &t->maps->binaries[index]);
	t->binaries[index] = b;
	*ret = b;
	return 0;
}

static void free_binary(struct probed_table *t, struct probed *b)
{
	t->binaries[b->index] = NULL;
	free(b);
}

/* Without them go_gc goes on. */
static void attach_assists(struct probed_table *t, struct probed *b, const struct process *proc, const char *path)
{
	char why[WHY_SZ] = "";

	if (t->go_assist &&
	    go_assist_attach_binary(t->go_assist, proc->binary, b->index, path, b->links, &b->assists, why))
		log_warn("cannot attach go_assist to %s (pid %d): %s", proc->exe, proc->pid, why);
}

/* The guard comes first: what is looked at behind it cannot change any more. */
static int attach_binary(struct probed_table *t, struct probed *b, const struct process *proc, int exe_fd, char *why)
{
	struct write_guard *guard = NULL;
	int no_guard = write_guard_new(t->guards, exe_fd, &guard);
	uint64_t start = clock_mono_ns();
	char path[32];
	int err = 0;

	if (!file_key_has_sites_of(exe_fd, proc->binary))
		err = err_why(why, -EAGAIN, "its executable has just changed");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", exe_fd);
	if (!err)
		err = go_gc_attach_binary(t->go_gc, proc->binary, b->index, path, &b->links, why);
	if (err) {
		write_guard_free(guard);
		return err;
	}
	attach_assists(t, b, proc, path);
	if (no_guard)
		log_debug("probed_table: %s: no lease: %s; its probes go with its last process", proc->exe,
			  strerror(-no_guard));
	link_set_guard_consume(b->links, guard);
	log_debug("probed_table: %s (pid %d) attached as binary %u in %.1f ms, inode %llu", proc->exe, proc->pid,
		  b->index, (double)(clock_mono_ns() - start) / 1e6, (unsigned long long)b->key.ino);
	return 0;
}

/* ---- processes ------------------------------------------------------------------------------------------- */

static int add_entry(const struct probed_table *t, const struct process *proc, uint32_t index, char *why)
{
	struct process_entry entry = {.binary = index, .signals = t->others | 1u << SIGNAL_GO_GC, .bias = proc->bias};
	uint32_t tgid = (uint32_t)proc->pid;

	if (!bpf_map_update_elem(t->maps->processes_fd, &tgid, &entry, BPF_ANY))
		return 0;
	if (errno == E2BIG)
		return err_why(why, -ENOSPC, "%d processes are watched already: the table is full", PROCESS_TABLE_MAX);
	return err_why(why, -errno, "cannot enter it in the process table: %s", strerror(errno));
}

/* Takes go_gc's part out: the other signals still want the process, if it is there (proc_watch may have been faster).
 */
static void reset_entry(const struct probed_table *t, pid_t pid)
{
	struct process_entry entry = {.signals = t->others};
	uint32_t tgid = (uint32_t)pid;

	bpf_map_update_elem(t->maps->processes_fd, &tgid, &entry, BPF_EXIST);
}

static int remember(struct probed_table *t, pid_t pid, struct probed *b, char *why)
{
	struct probed_process *p = calloc(1, sizeof(*p));
	int err = p ? 0 : -ENOMEM;

	if (!err) {
		p->pid = pid;
		p->binary = b;
		err = hashmap_add(t->processes, (uint64_t)pid, p);
	}
	if (err) {
		free(p);
		return err_why(why, err, "cannot remember the process: %s", strerror(-err));
	}
	b->processes_cnt++;
	return 0;
}

/* The entry comes before the probes: no hit of a wanted process is unknown. */
static int add_new(struct probed_table *t, const struct process *proc, const struct file_key *key, int exe_fd,
		   char *why)
{
	struct probed *b = NULL;
	int err = new_binary(t, key, proc->binary, &b, why);

	if (err)
		return err;
	err = add_entry(t, proc, b->index, why);
	if (!err)
		err = attach_binary(t, b, proc, exe_fd, why);
	if (!err)
		err = remember(t, proc->pid, b, why);
	if (!err)
		return 0;
	reset_entry(t, proc->pid);
	link_set_free(b->links);
	free_binary(t, b);
	return err;
}

static int add_to(struct probed_table *t, const struct process *proc, struct probed *b, char *why)
{
	int err;

	if (b->stormed)
		return err_why(why, -EBUSY,
			       "its probes were switched off after more than %llu hits/s; GC comes from passive reads",
			       (unsigned long long)t->storm_hits_per_s);
	err = add_entry(t, proc, b->index, why);
	if (!err)
		err = remember(t, proc->pid, b, why);
	if (err)
		reset_entry(t, proc->pid);
	return err;
}

int probed_table_add(struct probed_table *t, const struct process *proc, int exe_fd, char *why)
{
	struct file_key key;
	struct probed *b;
	int err = go_gc_check_binary(proc->binary, why);

	if (err)
		return err;
	probed_table_remove(t, proc->pid); /* it replaced its image and the notice was lost */
	file_key_get(t->keys, proc->pid, proc->binary, &key);
	b = find_binary(t, &key);
	return b ? add_to(t, proc, b, why) : add_new(t, proc, &key, exe_fd, why);
}

void probed_table_remove(struct probed_table *t, pid_t pid)
{
	struct probed_process *p = hashmap_remove(t->processes, (uint64_t)pid);

	reset_entry(t, pid);
	if (!p)
		return;
	if (!--p->binary->processes_cnt) {
		p->binary->since_ns = clock_mono_ns();
		if (p->binary->state == PROBED_ATTACHED && !link_set_is_guarded(p->binary->links))
			start_release(t, p->binary); /* nobody would tell that it is written */
	}
	free(p);
}

/* ---- storm guard and release ----------------------------------------------------------------------------- */

/* Processes of the binary, into heap memory; a count. */
static size_t processes_of(const struct probed_table *t, const struct probed *b, pid_t **ret)
{
	pid_t *pids = calloc(b->processes_cnt ? b->processes_cnt : 1, sizeof(*pids));
	size_t cnt = 0, pos = 0;
	uint64_t key;
	void *p;

	while (pids && cnt < b->processes_cnt && hashmap_next(t->processes, &pos, &key, &p))
		if (((struct probed_process *)p)->binary == b)
			pids[cnt++] = (pid_t)key;
	*ret = pids;
	return cnt;
}

/* Detach first, tell later. on_storm may call probes_remove_process. */
static void switch_off(struct probed_table *t, struct probed *b, const char *why, probes_storm_fn on_storm, void *arg)
{
	pid_t *pids;
	size_t cnt;

	b->since_ns = clock_mono_ns();
	start_release(t, b);
	cnt = processes_of(t, b, &pids);
	for (size_t i = 0; i < cnt; i++) {
		probed_table_remove(t, pids[i]);
		if (on_storm)
			on_storm(pids[i], SIGNAL_GO_GC, why, arg);
	}
	free(pids);
}

static void end_storm(struct probed_table *t, struct probed *b, double rate, probes_storm_fn on_storm, void *arg)
{
	char why[WHY_SZ];

	t->storms++;
	b->stormed = true;
	err_why(why, 0,
		"its probes were hit %.0f times a second, more than %llu, and are switched off; GC comes from passive "
		"reads",
		rate, (unsigned long long)t->storm_hits_per_s);
	switch_off(t, b, why, on_storm, arg);
}

/* With processes only on kernels that let people write to running programs (6.11 and 6.12). */
static void give_way(struct probed_table *t, struct probed *b, probes_storm_fn on_storm, void *arg)
{
	log_debug("probed_table: binary %u is being written: its probes are gone", b->index);
	switch_off(t, b, "its executable is being written: its probes are switched off", on_storm, arg);
}

/* go_gc goes on. Blocks for a grace period of the kernel: the hits end now, and it is seldom. */
static void end_assist_storm(struct probed_table *t, struct probed *b, double rate, probes_storm_fn on_storm, void *arg)
{
	char why[WHY_SZ];
	pid_t *pids;
	size_t cnt;

	t->assist_storms++;
	b->assists = ASSIST_NOT_SEEN;
	link_set_drop_extra(b->links);
	err_why(why, 0, "its probes were hit %.0f times a second, more than %llu, and are switched off", rate,
		(unsigned long long)t->storm_hits_per_s);
	cnt = processes_of(t, b, &pids);
	for (size_t i = 0; on_storm && i < cnt; i++)
		on_storm(pids[i], SIGNAL_GO_ASSIST, why, arg);
	free(pids);
}

/* Hits a second since the check before. */
static double hit_rate(uint64_t hits, uint64_t *checked, uint64_t window_ns)
{
	double rate = (double)(hits - *checked) * 1e9 / (double)window_ns;

	*checked = hits;
	return rate;
}

static void guard(struct probed_table *t, struct probed *b, uint64_t window_ns, probes_storm_fn on_storm, void *arg)
{
	const volatile struct binary_entry *e = &t->maps->binaries[b->index];
	double assists = hit_rate(e->assist_hits, &b->assist_hits_checked, window_ns);
	double rate = hit_rate(e->hits, &b->hits_checked, window_ns);

	if (assists > (double)t->storm_hits_per_s && b->assists != ASSIST_NOT_SEEN)
		end_assist_storm(t, b, assists, on_storm, arg);
	if (rate > (double)t->storm_hits_per_s)
		end_storm(t, b, rate, on_storm, arg);
}

static void reap(struct probed_table *t, struct probed *b, uint64_t now_ns)
{
	if (b->state == PROBED_RELEASING && __atomic_load_n(&b->released, __ATOMIC_ACQUIRE)) {
		if (b->stormed)
			b->state = PROBED_REFUSED;
		else
			free_binary(t, b);
	} else if (b->state == PROBED_REFUSED && now_ns > b->since_ns + REFUSE_NS) {
		free_binary(t, b);
	} else if (b->state == PROBED_ATTACHED && !b->processes_cnt && now_ns > b->since_ns + LINGER_NS) {
		start_release(t, b);
	}
}

static void take_hits(const struct probed_table *t, struct probed *b)
{
	b->hits_checked = t->maps->binaries[b->index].hits;
	b->assist_hits_checked = t->maps->binaries[b->index].assist_hits;
}

void probed_table_tick(struct probed_table *t, uint64_t now_ns, probes_storm_fn on_storm, void *arg)
{
	/* Of now, not the caller's: after attaching for half a second its time is old, and hits look like a storm. */
	uint64_t read_ns = clock_mono_ns(), window = read_ns - t->checked_ns;
	bool check = window >= GUARD_INTERVAL_MIN_NS;

	for (uint32_t i = 1; i < BINARY_TABLE_MAX; i++) {
		struct probed *b = t->binaries[i];

		if (b && check && !t->checked_ns) /* hits since the attach, which may be long ago */
			take_hits(t, b);
		else if (b && check && b->state == PROBED_ATTACHED)
			guard(t, b, window, on_storm, arg);
		if (b && b->state == PROBED_ATTACHED && link_set_is_gone(b->links))
			give_way(t, b, on_storm, arg);
		if (b)
			reap(t, b, now_ns);
	}
	if (check)
		t->checked_ns = read_ns;
}

/* ---- figures --------------------------------------------------------------------------------------------- */

static const struct probed *binary_of(const struct probed_table *t, pid_t pid)
{
	const struct probed_process *p = hashmap_find(t->processes, (uint64_t)pid);

	return p ? p->binary : NULL;
}

uint64_t probed_table_hits(const struct probed_table *t, pid_t pid)
{
	const struct probed *b = binary_of(t, pid);

	return b ? t->maps->binaries[b->index].hits : 0;
}

unsigned int probed_table_processes(const struct probed_table *t, pid_t pid)
{
	const struct probed *b = binary_of(t, pid);

	return b ? b->processes_cnt : 0;
}

enum assist_view probed_table_assists(const struct probed_table *t, pid_t pid)
{
	const struct probed *b = binary_of(t, pid);

	return b && b->state == PROBED_ATTACHED ? b->assists : ASSIST_NOT_SEEN;
}

int probed_table_set_assists(struct probed_table *t, const struct process *proc, bool on, int exe_fd, char *why)
{
	const struct probed_process *p = hashmap_find(t->processes, (uint64_t)proc->pid);
	struct probed *b = p ? p->binary : NULL;
	char path[32];

	if (!b || b->state != PROBED_ATTACHED || !t->go_assist)
		return err_why(why, -ENOTSUP, "go_assist is off for it");
	if (on == (b->assists != ASSIST_NOT_SEEN))
		return 0;
	if (!on) {
		b->assists = ASSIST_NOT_SEEN;
		link_set_drop_extra(b->links);
		return 0;
	}
	if (!file_key_has_sites_of(exe_fd, proc->binary))
		return err_why(why, -EAGAIN, "its executable has just changed");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", exe_fd);
	return go_assist_attach_binary(t->go_assist, proc->binary, b->index, path, b->links, &b->assists, why);
}

uint64_t probed_table_storms(const struct probed_table *t, enum signal_id id)
{
	return id == SIGNAL_GO_GC ? t->storms : id == SIGNAL_GO_ASSIST ? t->assist_storms : 0;
}
