/* SPDX-License-Identifier: BSD-2-Clause */
/* The wiring of the live side: processes found by procs/ are attributed by pods/, attached by probes/, read by
 * runtime/; all of it leaves as records. Timers: drain (nobody wakes us, facts/performance.md 0.3) every 10 ms while
 * much comes, 20 while a new process is too young, else 100; 1 s readings; 10 s verification. */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "base/str.h"
#include "events/source.h"
#include "probes/signal.h"
#include "procs/proc_info.h"
#include "runtime/maxprocs_by.h"
#include "target.h"

#define DRAIN_BUSY_NS     (10 * NS_PER_MS)
#define DRAIN_WAIT_NS     (20 * NS_PER_MS)  /* a new process waits for its age */
#define DRAIN_IDLE_NS     (100 * NS_PER_MS) /* a wake-up costs some 20 us: the 512 KB ring holds 5,000 events and more */
#define DRAIN_BUSY_MIN    200               /* events a drain from which on we come back sooner */
#define TICK_NS           (100 * NS_PER_MS)
#define READ_NS           NS_PER_SEC
#define VERIFY_NS         (10 * NS_PER_SEC)
#define FRESH_NS          (READ_NS / 2)    /* the timer does not repeat younger readings */
#define VALUES_AGE_NS     (50 * NS_PER_MS) /* for a tick they may be so old */
#define POLL_NS           (10 * NS_PER_MS)
#define POLL_ARM_EVERY_NS (1200 * NS_PER_MS)
#define DRAIN_MAX         20000u /* records a slice: 10 ms at 2 million a second */
#define CONTAINERS_MAX    4096
#define BINARIES_MAX      1023
#define FREED_MANY        32
/* cpu_sched arms itself for one second in five: 20 % of 0.4 us a switch (facts/performance.md 2). */
#define SCHED_WINDOW_NS NS_PER_SEC
#define SCHED_EVERY_NS  (5 * NS_PER_SEC)
#define TOGGLE_ARM_NS   (3600 * NS_PER_SEC)
/* One look, perhaps of a second: half of it is watched. */
#define BRIEF_WINDOW_NS (NS_PER_SEC / 2)
#define BRIEF_EVERY_NS  NS_PER_SEC
#define RUNQ_MIN_NS     (5 * NS_PER_MS)
#define RUNQ_MIN_ALL_NS NS_PER_MS

/* ---- records ------------------------------------------------------------------------------------------- */

void session_tell(struct session *s, enum record_type type, const void *body, size_t size)
{
	struct record r = {type, (uint32_t)size, body};

	if (s->cfg.feed)
		s->cfg.feed(&r, s->cfg.arg);
}

static void tell_clock(struct session *s)
{
	struct record_clock c;

	clock_sync();
	clock_pair(&c.mono_ns, &c.unix_ns);
	session_tell(s, RECORD_CLOCK, &c, sizeof(c));
}

static void tell_session(struct session *s)
{
	struct record_session r = {
		.start_ns = s->start_ns, .ready_ns = s->ready_ns, .cpus = s->cpus, .sorts_signals = s->opts->signals};

	gethostname(r.node_name, sizeof(r.node_name) - 1);
	str_copy(r.agent_version, sizeof(r.agent_version), GOPHERSCOPE_VERSION);
	session_tell(s, RECORD_SESSION, &r, sizeof(r));
}

static void tell_owner(struct session *s, struct watched_owner *w)
{
	struct record_owner r = {.id = w->id, .owner = *w->owner};

	w->sent = *w->owner;
	r.owner.refs = 0;
	r.level_cnt = (uint32_t)owner_index_levels(w->owner, r.levels, RECORD_LEVELS);
	session_tell(s, RECORD_OWNER, &r, sizeof(r));
}

/* Names learned late, the end of its last process, a move to another cgroup. */
static void tell_changed_owners(struct session *s)
{
	size_t pos = 0;
	uint64_t key;
	void *value;

	while (hashmap_next(s->watched, &pos, &key, &value)) {
		struct watched_owner *w = value;

		w->sent.refs = w->owner->refs; /* which comes and goes, and says nothing */
		if (memcmp(&w->sent, w->owner, sizeof(w->sent)))
			tell_owner(s, w);
	}
}

static uint32_t assist_flags(const struct session *s, const struct process *p)
{
	enum assist_view view = s->probes ? probes_assists(s->probes, p->pid) : ASSIST_NOT_SEEN;

	return (view != ASSIST_NOT_SEEN ? RECORD_PROCESS_ASSISTS : 0) |
	       (view == ASSIST_WHOLE ? RECORD_PROCESS_ASSIST_WAITS : 0);
}

void session_tell_process(struct session *s, const struct process *p)
{
	const struct watched *w = p->watched;
	const struct binary *b = p->binary;
	struct record_process r = {
		.pid = p->pid, .vpid = p->vpid, .owner_id = w->owner->id, .state = p->state, .netns = w->netns};
	uint64_t age = clock_unix_ns() - p->start_unix_ns, now = clock_mono_ns();

	r.flags = w->flags | (p->go_gc_on ? RECORD_PROCESS_GO_GC : 0) |
		  (p->go_runtime_on ? RECORD_PROCESS_GO_RUNTIME : 0) | assist_flags(s, p);
	r.start_unix_ns = p->start_unix_ns;
	r.start_ns = age < now ? now - age : 0;
	str_copy(r.comm, sizeof(r.comm), p->comm);
	str_copy(r.exe, sizeof(r.exe), p->exe);
	str_copy(r.go_version, sizeof(r.go_version), b ? b->go_version : "");
	str_copy(r.build_id, sizeof(r.build_id), b ? b->build_id : "");
	str_copy(r.why, sizeof(r.why), p->why);
	str_copy(r.go_gc_why, sizeof(r.go_gc_why), p->go_gc_why);
	str_copy(r.go_runtime_why, sizeof(r.go_runtime_why), p->go_runtime_why);
	session_tell(s, RECORD_PROCESS, &r, sizeof(r));
}

/* ---- owners -------------------------------------------------------------------------------------------- */

static struct watched_owner *get_owner(struct session *s, struct owner *o)
{
	struct watched_owner *w = hashmap_find(s->watched, (uintptr_t)o);

	if (w)
		return w;
	w = calloc(1, sizeof(*w));
	if (!w || hashmap_add(s->watched, (uintptr_t)o, w)) {
		free(w);
		s->lost[SIGNAL_PROC_WATCH][LOSS_LIMIT]++;
		return NULL;
	}
	w->owner = o;
	w->id = ++s->last_id;
	tell_owner(s, w);
	return w;
}

static void free_owner(struct owner *o, void *arg)
{
	struct session *s = arg;
	struct watched_owner *w = hashmap_remove(s->watched, (uintptr_t)o);
	struct record_id r;

	if (!w)
		return;
	r = (struct record_id){.id = w->id, .time_ns = clock_mono_ns()};
	session_tell(s, RECORD_OWNER_GONE, &r, sizeof(r));
	free(w);
	s->freed_cnt++;
}

/* ---- processes ----------------------------------------------------------------------------------------- */

static bool wanted(const struct session *s, enum signal_id id)
{
	return s->opts->signals & (1u << id);
}

static void attach_process(struct session *s, struct process *p)
{
	_cleanup_close_ int exe_fd = -1;

	if (!s->probes || p->attached || !wanted(s, SIGNAL_GO_GC) || p->state == PROCESS_REFUSED)
		return;
	if (probes_signal(s->probes, SIGNAL_GO_GC)->mode == SIGNAL_OFF) {
		err_why(p->go_gc_why, 0, "%.180s", probes_signal(s->probes, SIGNAL_GO_GC)->why);
		return;
	}
	exe_fd = proc_info_open_exe(s->opts->root, p->pid);
	if (exe_fd < 0) {
		err_why(p->go_gc_why, 0, "cannot open its executable: %s", strerror(-exe_fd));
		return;
	}
	if (probes_add_process(s->probes, p, exe_fd, p->go_gc_why)) {
		if (!proc_info_same(s->opts->root, p->pid, p->start_ticks))
			return; /* it has just ended */
		p->state = PROCESS_PARTIAL;
		log_warn("cannot attach go_gc to %s (pid %d): %s", p->exe, p->pid, p->go_gc_why);
		return;
	}
	p->attached = p->go_gc_on = true;
}

void session_open_sampler(struct session *s, struct process *p)
{
	struct watched *w = p->watched;
	int err;

	if (!wanted(s, SIGNAL_GO_RUNTIME) || p->state == PROCESS_REFUSED || !s->cfg.want_values)
		return;
	err = sampler_open(s->opts->root, p, &w->sampler, p->go_runtime_why);
	w->sampler_retry = err == SAMPLER_NOT_READY;
	if (err) {
		log_debug("go_runtime off for %s (pid %d): %s", p->exe, p->pid, p->go_runtime_why);
		return;
	}
	p->go_runtime_on = true;
}

static uint32_t flags_of(const struct session *s, const struct process *p)
{
	const struct binary *b = p->binary;
	uint32_t flags = RECORD_PROCESS_WATCHED;
	char value[32];

	if (proc_info_getenv(s->opts->root, p->pid, "GOMAXPROCS", value, sizeof(value)) == 1)
		flags |= RECORD_PROCESS_MAXPROCS_ENV;
	if (maxprocs_by_process_follows_quota(s->opts->root, p))
		flags |= RECORD_PROCESS_FOLLOWS_QUOTA;
	if (b && b->stripped)
		flags |= RECORD_PROCESS_STRIPPED;
	if (b && b->pie)
		flags |= RECORD_PROCESS_PIE;
	if (clock_unix_ns() - p->start_unix_ns < clock_mono_ns() - s->start_ns)
		flags |= RECORD_PROCESS_STARTED;
	return flags;
}

/* Inode number of its network namespace: what a socket knows of its process in softirq. 0 unknown. */
static uint32_t netns_of(const struct session *s, pid_t pid)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/proc/%d/ns/net", s->opts->root, (int)pid);
	return stat(path, &st) ? 0 : (uint32_t)st.st_ino;
}

static void watch(struct session *s, struct process *p)
{
	struct watched_owner *owner = get_owner(s, p->owner);
	int err;

	p->watched = owner ? calloc(1, sizeof(*p->watched)) : NULL;
	if (!p->watched)
		return;
	p->watched->owner = owner;
	p->watched->flags = flags_of(s, p);
	p->watched->netns = netns_of(s, p->pid);
	/* Known before its first events, and again with what could be attached. */
	session_tell_process(s, p);
	err = s->probes ? probes_watch_process(s->probes, p->pid) : 0;
	if (err)
		log_debug("pid %d: not in the process table: %s", p->pid, strerror(-err));
	attach_process(s, p);
	session_open_sampler(s, p);
	session_tell_process(s, p);
}

static void on_process_added(struct process *p, void *arg)
{
	struct session *s = arg;
	int err;

	if (p->state == PROCESS_HELPER && s->probes)
		probes_ignore_process(s->probes, p->pid);
	if (p->state == PROCESS_SKIPPED || p->state == PROCESS_HELPER)
		return;
	err = owner_index_get(s->owners, p->pid, p->comm, clock_mono_ns(), &p->owner);
	if (err) {
		log_debug("pid %d: no owner: %s", p->pid, strerror(-err));
		s->lost[SIGNAL_PROC_WATCH][LOSS_LIMIT] += err == -ENOSPC;
		return;
	}
	if (target_matches(s->opts, p->owner, p))
		watch(s, p);
	else if (s->probes)
		probes_ignore_process(s->probes, p->pid);
}

static void tell_gone(struct session *s, const struct process *p)
{
	const struct event_proc *e = s->exiting;
	struct record_process_gone r = {.pid = p->pid, .time_ns = clock_mono_ns()};

	if (e && (pid_t)e->hdr.tgid == p->pid) {
		r.has_exit = 1;
		r.exit_code = e->exit_code;
		r.time_ns = e->hdr.time_ns;
	}
	session_tell(s, RECORD_PROCESS_GONE, &r, sizeof(r));
}

static void on_process_removed(struct process *p, void *arg)
{
	struct session *s = arg;

	if (s->probes && p->state != PROCESS_SKIPPED)
		probes_remove_process(s->probes, p->pid);
	if (p->watched) {
		session_sched_forget(s, p);
		tell_gone(s, p);
		session_census_forget(s, p);
		sampler_close(p->watched->sampler);
		free(p->watched);
		p->watched = NULL;
	}
	if (p->owner)
		owner_index_put(s->owners, p->owner, clock_mono_ns());
	p->owner = NULL;
}

/* Names learned late may make a process match the TARGET. */
static void watch_more(struct session *s)
{
	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p))
		if (p->owner && !p->watched && target_matches(s->opts, p->owner, p))
			watch(s, p);
}

int session_watched_cnt(const struct session *s)
{
	int cnt = 0;

	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p))
		cnt += p->watched != NULL;
	return cnt;
}

/* ---- events -------------------------------------------------------------------------------------------- */

static void on_exit_event(struct session *s, const struct event_proc *e)
{
	s->exiting = e;
	proc_table_exit(s->procs, (pid_t)e->hdr.tgid);
	s->exiting = NULL;
}

/* From the ring, and from what user space reads for signals (probes_cfg.event). */
static void on_event(const union event *e, void *arg)
{
	struct session *s = arg;

	switch (e->hdr.kind) {
	case EVENT_PROC_EXEC:
		proc_table_exec(s->procs, (pid_t)e->hdr.tgid, e->hdr.time_ns);
		break;
	case EVENT_PROC_EXIT:
		on_exit_event(s, &e->proc);
		break;
	default:
		session_count_cycle(s, e);
		session_sched_event(s, e);
		session_tell(s, RECORD_EVENT, e, e->hdr.size);
	}
}

/* Records made or read in user space: checked as those of the ring are. */
static void on_made_event(const union event *e, void *arg)
{
	struct session *s = arg;

	if (event_check(e, e->hdr.size))
		s->lost[SIGNAL_PROC_WATCH][LOSS_INVALID]++; /* no signal can be believed of it */
	else
		on_event(e, s);
}

/* Switches of goroutines come first: of a process that has ended, they are from before. */
int session_drain(struct session *s)
{
	int cnt;

	session_sched_drain(s);
	cnt = s->ring ? ring_source_drain(s->ring, DRAIN_MAX) : 0;

	if (cnt < 0)
		log_debug("ring buffer: cannot be read");
	return cnt < 0 ? 0 : cnt;
}

/* ---- timers -------------------------------------------------------------------------------------------- */

static void on_storm(pid_t pid, enum signal_id id, const char *why, void *arg)
{
	struct session *s = arg;
	struct process *p = proc_table_find(s->procs, pid);

	if (!p)
		return;
	if (id == SIGNAL_GO_GC) {
		p->attached = p->go_gc_on = false;
		p->state = PROCESS_PARTIAL;
		err_why(p->go_gc_why, 0, "%.190s", why);
	}
	log_warn("%s off for %s (pid %d): %s", signal_name(id), p->exe, p->pid, why);
	if (p->watched)
		session_tell_process(s, p);
}

static void tick(struct session *s, uint64_t now)
{
	s->ticked_ns = now;
	if (s->probes)
		probes_tick(s->probes, now, on_storm, s);
	owner_index_tick(s->owners, now, free_owner, s);
}

static bool has_windows(const struct session *s)
{
	return s->probes && probes_sched_windows(s->probes);
}

static void set_drain_timer(struct session *s, uint64_t interval)
{
	if (interval != s->drain_ns && s->cfg.loop)
		loop_set_timer(s->cfg.loop, s->drain_timer, interval);
	s->drain_ns = interval;
}

void session_drain_soon(struct session *s)
{
	set_drain_timer(s, DRAIN_BUSY_NS);
}

static void on_drain(void *arg)
{
	struct session *s = arg;
	int cnt = session_drain(s);
	uint64_t now = clock_mono_ns(), interval = DRAIN_IDLE_NS;

	proc_table_tick(s->procs, now);
	if (has_windows(s) || now - s->ticked_ns >= TICK_NS - DRAIN_BUSY_NS / 2)
		session_sched_tick(s, now);
	if (now - s->ticked_ns >= TICK_NS - DRAIN_BUSY_NS / 2)
		tick(s, now);
	if (s->cfg.drained)
		s->cfg.drained(s->cfg.arg);
	if (proc_table_pending_cnt(s->procs))
		interval = DRAIN_WAIT_NS;
	if (cnt >= DRAIN_BUSY_MIN || has_windows(s))
		interval = DRAIN_BUSY_NS;
	set_drain_timer(s, interval);
}

/* One look at the end of a window. */
static bool brief(const struct session *s)
{
	return s->opts->once || s->opts->command == COMMAND_WHY;
}

static void on_read(void *arg)
{
	struct session *s = arg;

	tell_clock(s);
	if (s->cfg.want_values && clock_mono_ns() - s->values_read_ns > FRESH_NS)
		session_read_values(s);
	if (s->cfg.want_values && !brief(s))
		session_census(s, clock_mono_ns());
	tell_changed_owners(s);
	watch_more(s);
	if (!s->probes || probes_signal(s->probes, SIGNAL_PROC_WATCH)->mode == SIGNAL_OFF)
		proc_table_scan(s->procs); /* nobody tells us of new processes */
}

static void on_verify(void *arg)
{
	struct session *s = arg;
	struct signal_counters c = {0};

	proc_table_verify(s->procs);
	if (s->probes)
		probes_counters(s->probes, SIGNAL_PROC_WATCH, &c);
	if (c.lost[LOSS_RING_FULL] != s->notices_lost)
		proc_table_scan(s->procs);
	s->notices_lost = c.lost[LOSS_RING_FULL];
	if (s->freed_cnt >= FREED_MANY) { /* a burst of processes is over: glibc keeps holes */
		malloc_trim(0);
		s->freed_cnt = 0;
	}
}

static struct watched_owner *owner_by_id(const struct session *s, uint32_t id)
{
	size_t pos = 0;
	uint64_t key;
	void *value;

	while (hashmap_next(s->watched, &pos, &key, &value))
		if (((struct watched_owner *)value)->id == id)
			return value;
	return NULL;
}

static void on_poll(void *arg)
{
	struct session *s = arg;
	struct watched_owner *w = owner_by_id(s, s->polled_id);
	struct record_usage r = {.owner_id = s->polled_id, .flags = RECORD_USAGE_FAST};
	uint64_t now = clock_mono_ns();

	/* Who opens a container's screen wants the run queue on the strip: windows on end, each told as it closes. */
	if (s->probes && now - s->armed_ns > POLL_ARM_EVERY_NS &&
	    session_sched_allow(SCHED_WINDOW_NS, s) == SCHED_WINDOW_NS) {
		s->armed_ns = now;
		probes_arm_sched(s->probes, SCHED_WINDOW_NS);
	}

	if (!w || !w->limits_known)
		return;
	cgroup_cpu_read(&s->cgroups, w->owner, &w->limits, &r.usage);
	if (r.usage.cpu_ns == LIMIT_UNKNOWN && w->owner->host_pid)
		session_host_cpu(s, w->owner->host_pid, &r.usage.cpu_ns);
	if (r.usage.cpu_ns != LIMIT_UNKNOWN)
		session_tell(s, RECORD_USAGE, &r, sizeof(r));
}

void session_poll(struct session *s, uint32_t container_id)
{
	s->polled_id = container_id;
	if (container_id && s->poll_timer < 0)
		s->poll_timer = loop_add_timer(s->cfg.loop, POLL_NS, POLL_NS, on_poll, s);
	if (container_id || s->poll_timer < 0)
		return;
	loop_remove_timer(s->cfg.loop, s->poll_timer);
	s->poll_timer = -1;
}

void session_tick(struct session *s, uint64_t window_ns)
{
	struct record_tick t = {.window_ns = window_ns};

	session_drain(s);
	if (s->cfg.want_values && clock_mono_ns() - s->values_read_ns > VALUES_AGE_NS)
		session_read_values(s);
	if (s->cfg.want_values && brief(s))
		session_census_all(s, clock_mono_ns());
	tell_changed_owners(s);
	session_tell_signals(s);
	t.time_ns = clock_mono_ns();
	session_tell_node(s, t.time_ns);
	session_tell(s, RECORD_TICK, &t, sizeof(t));
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static void set_probes_cfg(struct session *s, struct probes_cfg *cfg)
{
	*cfg = (struct probes_cfg){
		.wanted = s->opts->signals,
		.event = on_made_event,
		.event_arg = s,
		.sched_window_ns = brief(s) ? BRIEF_WINDOW_NS : SCHED_WINDOW_NS,
		.sched_every_ns = brief(s) ? BRIEF_EVERY_NS : SCHED_EVERY_NS,
		.runq_event_min_ns = s->cfg.all_events ? RUNQ_MIN_ALL_NS : RUNQ_MIN_NS,
		.dns_names = s->opts->dns_names,
		.root = s->opts->root,
		.sched_allow = session_sched_allow,
		.sched_events = session_sched_events,
		.sched_closed = session_sched_closed,
	};
	str_copy(cfg->v2_mount, sizeof(cfg->v2_mount), s->cgroups.v2);
}

int session_attach(struct session *s, char *why)
{
	struct probes_cfg cfg;
	int err;

	set_probes_cfg(s, &cfg);
	err = probes_new(&cfg, &s->probes, why);
	if (err)
		return err;
	err = ring_source_new(probes_ring_fd(s->probes), on_event, s, &s->ring);
	if (err)
		return err_why(why, err, "cannot map the ring buffer: %s", strerror(-err));
	if (s->opts->toggle) /* the benchmark's switch is the window: all that can be on is on */
		probes_arm_sched(s->probes, TOGGLE_ARM_NS);
	session_tell_signals(s);
	for (struct process *p = s->procs ? proc_table_next(s->procs, NULL) : NULL; p; p = proc_table_next(s->procs, p))
		if (p->watched) {
			probes_watch_process(s->probes, p->pid);
			attach_process(s, p);
			session_tell_process(s, p);
		}
	return 0;
}

void session_detach(struct session *s)
{
	session_sched_stop(s);
	session_drain(s);
	session_tell_signals(s);
	s->ring = ring_source_free(s->ring);
	s->probes = probes_free(s->probes);
	for (struct process *p = s->procs ? proc_table_next(s->procs, NULL) : NULL; p; p = proc_table_next(s->procs, p))
		p->attached = p->go_gc_on = false;
}

static int open_tables(struct session *s)
{
	struct proc_table_ops ops = {.added = on_process_added, .removed = on_process_removed, .arg = s};
	int err = hashmap_new(CONTAINERS_MAX, &s->watched);

	if (!err)
		err = cgroup_mounts_read(s->opts->root, &s->cgroups);
	if (!err)
		err = binary_cache_new(BINARIES_MAX, &s->binaries);
	if (!err)
		err = owner_index_new(s->opts->root, &s->cgroups, &s->owners);
	if (!err)
		err = proc_table_new(s->opts->root, s->binaries, s->opts->command == COMMAND_LIST && s->opts->all, &ops,
				     &s->procs);
	return err;
}

/* Ctrl-Z: nobody would close a window while we are stopped. What the signal does then is the terminal's (screen.c) or
 * the kernel's to decide. */
static void on_stop_signal(int signo, void *arg)
{
	sigset_t set;

	session_sched_stop(arg);
	sigemptyset(&set);
	sigaddset(&set, signo);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	raise(signo); /* until SIGCONT */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int open_timers(struct session *s)
{
	static const struct {
		uint64_t interval_ns;
		loop_timer_fn fn;
	} timers[] = {{READ_NS, on_read}, {VERIFY_NS, on_verify}};

	int err = loop_add_signal(s->cfg.loop, SIGTSTP, on_stop_signal, s);

	s->drain_timer = loop_add_timer(s->cfg.loop, DRAIN_IDLE_NS, DRAIN_IDLE_NS, on_drain, s);
	if (s->drain_timer < 0 || err)
		return err ? err : s->drain_timer;
	for (size_t i = 0; i < ARRAY_SIZE(timers); i++) {
		int id = loop_add_timer(s->cfg.loop, timers[i].interval_ns, timers[i].interval_ns, timers[i].fn, s);

		if (id < 0)
			return id;
	}
	return 0;
}

static int open_stages(struct session *s, char *why)
{
	int err = open_tables(s);

	if (err)
		return err_why(why, err, "cannot read %s/proc: %s", s->opts->root, strerror(-err));
	tell_session(s);
	tell_clock(s);
	err = s->cfg.start_detached ? 0
				    : session_attach(s, why); /* before the first pass: no process can slip between */
	if (err)
		return err;
	err = proc_table_scan(s->procs);
	if (err)
		return err_why(why, err, "cannot read %s/proc: %s", s->opts->root, strerror(-err));
	s->looked_at = proc_table_counts(s->procs)->looked_at;
	s->ready_ns = clock_mono_ns();
	tell_session(s);
	if (s->cfg.want_values)
		session_read_values(s);
	if (s->cfg.want_values && brief(s))
		session_census_all(s, clock_mono_ns());
	session_tell_signals(s);
	session_tell_node(s, clock_mono_ns());
	err = s->cfg.loop ? open_timers(s) : 0;
	return err ? err_why(why, err, "cannot set up timers: %s", strerror(-err)) : 0;
}

/* Is root/proc of our own pid namespace? Its `self` is our number then. */
static bool sees_itself(const char *root)
{
	char path[PATH_MAX], link[32] = "", own[32];

	snprintf(path, sizeof(path), "%s/proc/self", root);
	snprintf(own, sizeof(own), "%d", (int)getpid());
	return readlink(path, link, sizeof(link) - 1) > 0 && !strcmp(link, own);
}

int session_open(const struct session_cfg *cfg, struct session **ret, char *why)
{
	struct session *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return err_why(why, -ENOMEM, "cannot start: %s", strerror(ENOMEM));
	s->cfg = *cfg;
	s->opts = cfg->opts;
	s->cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	s->own_pids = sees_itself(s->opts->root);
	s->poll_timer = -1;
	s->start_ns = clock_mono_ns();
	err = open_stages(s, why);
	if (err) {
		session_close(s);
		return err;
	}
	*ret = s;
	return 0;
}

struct session *session_close(struct session *s)
{
	uint64_t key;
	size_t pos = 0;
	void *value;

	if (!s)
		return NULL;
	s->cfg.feed = NULL; /* the story ends where the caller said so */
	session_detach(s);
	proc_table_free(s->procs);
	while (s->watched && hashmap_next(s->watched, &pos, &key, &value))
		free(value);
	hashmap_free(s->watched);
	hashmap_free(s->lines);
	free(s->sched.batch);
	owner_index_free(s->owners);
	binary_cache_free(s->binaries);
	free(s);
	return NULL;
}
