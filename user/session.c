/* SPDX-License-Identifier: BSD-2-Clause */
/* The wiring: processes found by procs/ are attributed by pods/, attached by probes/, read by runtime/; events drained
 * from the ring go to stats/ and to whoever asked for them. Timers: drain (nobody wakes us, facts/performance.md 0.3)
 * every 10 ms while much comes, 20 while a new process is too young, else 100; 1 s readings; 10 s verification. */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "events/source.h"
#include "procs/proc_info.h"
#include "target.h"

#define DRAIN_BUSY_NS  (10 * NS_PER_MS)
#define DRAIN_WAIT_NS  (20 * NS_PER_MS)  /* a new process waits for its age */
#define DRAIN_IDLE_NS  (100 * NS_PER_MS) /* a wake-up costs some 20 us: the 512 KB ring holds 5,000 events and more */
#define DRAIN_BUSY_MIN 200              /* events a drain from which on we come back sooner */
#define TICK_NS        (100 * NS_PER_MS)
#define READ_NS        NS_PER_SEC
#define VERIFY_NS      (10 * NS_PER_SEC)
#define MEMORY_NS      (5 * NS_PER_SEC)
#define LIMITS_NS      (10 * NS_PER_SEC) /* 0.1 ms a container */
#define FRESH_NS       (READ_NS / 2)     /* the timer does not repeat younger readings */
#define DRAIN_MAX      20000u            /* records a slice: 10 ms at 2 million a second */
#define CONTAINERS_MAX 4096
#define BINARIES_MAX   1023
#define FREED_MANY     32
/* Two million spans: a minute of throttling of 110 pods on 8 CPUs is half a million. */
#define HISTORY_MAX (32u << 20)

struct container *session_container(const struct session *s, const struct owner *o)
{
	return hashmap_find(s->containers, (uintptr_t)o);
}

static struct container *get_container(struct session *s, struct owner *o)
{
	struct container *c = session_container(s, o);

	if (c)
		return c;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->owner = o;
	if (container_stats_new(&s->stats_budget, &c->stats) || hashmap_add(s->containers, (uintptr_t)o, c)) {
		container_stats_free(c->stats);
		free(c);
		s->lost_user[SIGNAL_PROC_WATCH][LOSS_LIMIT]++;
		return NULL;
	}
	return c;
}

static void free_container(struct owner *o, void *arg)
{
	struct session *s = arg;
	struct container *c = hashmap_remove(s->containers, (uintptr_t)o);

	if (!c)
		return;
	container_stats_free(c->stats);
	free(c);
	s->freed_cnt++;
}

/* ---- processes ----------------------------------------------------------------------------------------------------
 */

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

static void open_sampler(struct session *s, struct process *p)
{
	struct watched *w = p->watched;
	int err;

	if (!wanted(s, SIGNAL_GO_RUNTIME) || p->state == PROCESS_REFUSED || !s->want_stats)
		return;
	err = sampler_open(s->opts->root, p, &w->sampler, p->go_runtime_why);
	w->sampler_retry = err == SAMPLER_NOT_READY;
	if (err) {
		log_debug("go_runtime off for %s (pid %d): %s", p->exe, p->pid, p->go_runtime_why);
		return;
	}
	p->go_runtime_on = true;
}

static void link_watched(struct container *c, struct watched *w)
{
	struct watched **at = &c->watched;

	while (*at && (*at)->process->pid < w->process->pid)
		at = &(*at)->next;
	w->next = *at;
	*at = w;
	c->watched_cnt++;
}

static void unlink_watched(struct container *c, struct watched *w)
{
	struct watched **at = &c->watched;

	while (*at && *at != w)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = w->next;
	c->watched_cnt--;
}

/* Go 1.25 follows the cgroup's quota by itself, unless the main module's go.mod is older (which the build information
 * tells as a default GODEBUG setting) or its environment says otherwise (facts/go-runtime.md 6). */
static bool follows_quota(const struct process *p, const char *root)
{
	char godebug[256];

	if (!p->binary || p->binary->go_minor < 25)
		return false;
	if (proc_info_getenv(root, p->pid, "GODEBUG", godebug, sizeof(godebug)) == 1) {
		if (strstr(godebug, "containermaxprocs=0"))
			return false;
		if (strstr(godebug, "containermaxprocs=1"))
			return true;
	}
	return !p->binary->ignores_cpu_limit;
}

static void watch(struct session *s, struct process *p)
{
	struct container *c = get_container(s, p->owner);
	char value[32];

	p->watched = c ? calloc(1, sizeof(*p->watched)) : NULL;
	if (!p->watched)
		return;
	p->watched->process = p;
	link_watched(c, p->watched);
	p->watched->gomaxprocs_env = proc_info_getenv(s->opts->root, p->pid, "GOMAXPROCS", value, sizeof(value)) == 1;
	p->watched->follows_quota = follows_quota(p, s->opts->root);
	attach_process(s, p);
	open_sampler(s, p);
}

static void on_process_added(struct process *p, void *arg)
{
	struct session *s = arg;
	struct event_proc e = {.hdr = {.kind = EVENT_PROC_EXEC, .tgid = (uint32_t)p->pid, .tid = (uint32_t)p->pid}};
	int err;

	if (p->state == PROCESS_HELPER && s->probes)
		probes_ignore_process(s->probes, p->pid);
	if (p->state == PROCESS_SKIPPED || p->state == PROCESS_HELPER)
		return;
	err = owner_index_get(s->owners, p->pid, p->comm, clock_mono_ns(), &p->owner);
	if (err) {
		log_debug("pid %d: no owner: %s", p->pid, strerror(-err));
		s->lost_user[SIGNAL_PROC_WATCH][LOSS_LIMIT] += err == -ENOSPC;
		return;
	}
	if (target_matches(s->opts, p->owner, p))
		watch(s, p);
	else if (s->probes)
		probes_ignore_process(s->probes, p->pid);
	if (s->ops.process && p->watched && clock_unix_ns() - p->start_unix_ns < clock_mono_ns() - s->start_ns) {
		memcpy(e.comm, p->comm, sizeof(e.comm) - 1);
		e.hdr.time_ns = clock_mono_ns() - (clock_unix_ns() - p->start_unix_ns);
		s->ops.process(&e, p, p->owner, s->ops.arg);
	}
}

static double hit_cost_ns(const struct session *s)
{
	return s->probes ? probes_signal(s->probes, SIGNAL_GO_GC)->hit_cost_ns : 0;
}

static void on_process_removed(struct process *p, void *arg)
{
	struct session *s = arg;
	struct watched *w = p->watched;
	struct container *c = p->owner ? session_container(s, p->owner) : NULL;

	if (s->probes && p->state != PROCESS_SKIPPED)
		probes_remove_process(s->probes, p->pid);
	if (w) {
		if (c && w->sampled && w->sample.gc_cpu_ns != SAMPLE_UNKNOWN) {
			c->gc_cpu_gone_ns += w->sample.gc_cpu_ns - w->gc_cpu_base_ns;
			c->assist_gone_ns += w->sample.assist_ns - w->assist_base_ns;
		}
		if (c)
			unlink_watched(c, w);
		sampler_close(w->sampler);
		free(w);
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

/* ---- events -------------------------------------------------------------------------------------------------------
 */

/* What an event cost its process: stop and start before Go 1.22, from then on start and finish for a pause of the
 * collector; one hit for everything else. */
static int hits_of(const union event *e)
{
	if (e->hdr.kind != EVENT_GC_PAUSE)
		return 1;
	if (!(e->gc_pause.flags & PAUSE_FROM_REGISTERS))
		return 2;
	return e->gc_pause.reason == STW_GC_SWEEP_TERM || e->gc_pause.reason == STW_GC_MARK_TERM ? 2 : 1;
}

static void on_go_event(struct session *s, const union event *e)
{
	struct process *p = proc_table_find(s->procs, (pid_t)e->hdr.tgid);
	struct gc_cycle_done done = {0};
	struct container *c;
	int hits = hits_of(e);

	if (!p || !p->watched) {
		s->lost_user[SIGNAL_GO_GC][LOSS_UNKNOWN_PROCESS]++;
		return;
	}
	c = session_container(s, p->owner);
	p->watched->hits += (uint64_t)hits;
	c->cost_ns += hits * hit_cost_ns(s);
	if (e->hdr.kind == EVENT_GC_PAUSE) {
		container_stats_pause(c->stats, e->hdr.tgid, &e->gc_pause);
		if (s->ops.event)
			s->ops.event(e, p->owner, s->ops.arg);
	}
	if (!gc_cycle_feed(&p->watched->gc, e, &done))
		return;
	if (done.mark)
		container_stats_mark(c->stats, done.mark_start_ns, done.mark_end_ns);
	if (done.cycle)
		container_stats_cycle(c->stats, done.start_ns, done.end_ns);
	if (s->ops.cycle)
		s->ops.cycle(e->hdr.tgid, &done, p->owner, s->ops.arg);
}

/* A quota holds every container below the cgroup that owns it. The event itself goes out once, for the owner. */
static void on_throttle(struct session *s, const union event *e)
{
	struct owner *o, shown;
	size_t pos = 0;
	bool any = false;

	while ((o = owner_index_below(s->owners, e->hdr.cpu_cgid, &pos))) {
		struct container *c = session_container(s, o);

		if (!c)
			continue;
		if (e->hdr.kind == EVENT_THROTTLE)
			container_stats_throttle(c->stats, &e->throttle);
		else
			container_stats_throttle_missed(c->stats, &e->throttle_missed);
		if (!any || o->cpu_cgid == e->hdr.cpu_cgid)
			shown = *o;
		any = true;
	}
	if (!any || !s->ops.event)
		return;
	if (shown.cpu_cgid != e->hdr.cpu_cgid) { /* the pod's quota, not one container's */
		shown.container[0] = shown.container_id[0] = 0;
		shown.cpu_cgid = e->hdr.cpu_cgid;
	}
	s->ops.event(e, &shown, s->ops.arg);
}

static void on_exit_event(struct session *s, const union event *e)
{
	struct process *p = proc_table_find(s->procs, (pid_t)e->hdr.tgid);

	if (p && p->watched && s->ops.process)
		s->ops.process(&e->proc, p, p->owner, s->ops.arg);
	proc_table_exit(s->procs, (pid_t)e->hdr.tgid);
}

static void on_event(const union event *e, void *arg)
{
	struct session *s = arg;

	switch (e->hdr.kind) {
	case EVENT_GC_START:
	case EVENT_GC_MARK_END:
	case EVENT_GC_PAUSE:
		on_go_event(s, e);
		break;
	case EVENT_THROTTLE:
	case EVENT_THROTTLE_MISSED:
		on_throttle(s, e);
		break;
	case EVENT_PROC_EXEC:
		proc_table_exec(s->procs, (pid_t)e->hdr.tgid, e->hdr.time_ns);
		break;
	case EVENT_PROC_EXIT:
		on_exit_event(s, e);
		break;
	}
}

int session_drain(struct session *s)
{
	int cnt = s->ring ? ring_source_drain(s->ring, DRAIN_MAX) : 0;

	if (cnt < 0)
		log_debug("ring buffer: cannot be read");
	return cnt < 0 ? 0 : cnt;
}

/* ---- timers -------------------------------------------------------------------------------------------------------
 */

static void on_storm(pid_t pid, const char *why, void *arg)
{
	struct session *s = arg;
	struct process *p = proc_table_find(s->procs, pid);

	if (!p)
		return;
	p->attached = p->go_gc_on = false;
	p->state = PROCESS_PARTIAL;
	err_why(p->go_gc_why, 0, "%.190s", why);
	log_warn("go_gc off for %s (pid %d): %s", p->exe, p->pid, why);
}

/* A lost event may have been the end of a cycle: no cycle of now can be trusted. */
static void break_cycles_after_loss(struct session *s)
{
	struct signal_counters c = {0};

	if (probes_counters(s->probes, SIGNAL_GO_GC, &c) || c.lost[LOSS_RING_FULL] == s->gc_events_lost)
		return;
	s->gc_events_lost = c.lost[LOSS_RING_FULL];
	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p))
		if (p->watched)
			gc_cycle_break(&p->watched->gc);
}

static void tick(struct session *s, uint64_t now)
{
	s->ticked_ns = now;
	if (s->probes) {
		probes_tick(s->probes, now, on_storm, s);
		break_cycles_after_loss(s);
	}
	owner_index_tick(s->owners, now, free_container, s);
}

static void on_drain(void *arg)
{
	struct session *s = arg;
	int cnt = session_drain(s);
	uint64_t now = clock_mono_ns(), interval = DRAIN_IDLE_NS;

	proc_table_tick(s->procs, now);
	if (cnt && s->ops.drained)
		s->ops.drained(s->ops.arg);
	if (now - s->ticked_ns >= TICK_NS - DRAIN_BUSY_NS / 2)
		tick(s, now);
	if (proc_table_pending_cnt(s->procs))
		interval = DRAIN_WAIT_NS;
	if (cnt >= DRAIN_BUSY_MIN)
		interval = DRAIN_BUSY_NS;
	if (interval != s->drain_ns)
		loop_set_timer(s->loop, s->drain_timer, interval);
	s->drain_ns = interval;
}

static void read_process(struct session *s, struct process *p)
{
	struct watched *w = p->watched;
	struct runtime_sample sample;
	int err;

	if (w && w->sampler_retry)
		open_sampler(s, p);
	if (!w || !w->sampler)
		return;
	err = sampler_read(w->sampler, &sample);
	if (err == 0) {
		if (!w->sampled) { /* what it used before we looked belongs to no window of ours */
			w->gc_cpu_base_ns = sample.gc_cpu_ns;
			w->assist_base_ns = sample.assist_ns;
		}
		w->sample = sample;
		w->sampled = true;
	} else if (err < 0 && err != -ESRCH) {
		log_debug("pid %d: runtime values: %s", p->pid, strerror(-err));
	}
}

static void sum_gc_cpu(const struct container *c, int64_t *gc, int64_t *assist)
{
	bool known = false;

	*gc = *assist = 0;
	for (const struct watched *w = c->watched; w; w = w->next) {
		if (!w->sampled || w->sample.gc_cpu_ns == SAMPLE_UNKNOWN)
			continue;
		*gc += w->sample.gc_cpu_ns - w->gc_cpu_base_ns;
		*assist += w->sample.assist_ns - w->assist_base_ns;
		known = true;
	}
	if (!known)
		*gc = SAMPLE_UNKNOWN;
}

/* CPU and throttling each time, memory seldom. */
static int read_usage(struct session *s, struct container *c, uint64_t now)
{
	if (c->memory_read_ns && now - c->memory_read_ns < MEMORY_NS) {
		cgroup_cpu_read(&s->cgroups, c->owner, &c->limits, &c->usage);
		return 0;
	}
	c->memory_read_ns = now;
	return cgroup_usage_read(&s->cgroups, c->owner, &c->limits, &c->usage);
}

static void read_container(struct session *s, struct container *c, uint64_t now)
{
	int64_t gc, assist;

	if (!c->limits_known || now - c->limits_read_ns >= LIMITS_NS) {
		c->limits_known = !cgroup_limits_read(&s->cgroups, c->owner, &c->limits);
		c->limits_read_ns = now;
	}
	if (c->limits_known && !read_usage(s, c, now)) {
		if (c->usage.cpu_ns == LIMIT_UNKNOWN && c->owner->host_pid) {
			uint64_t ns;

			if (!process_cpu_read(s->opts->root, c->owner->host_pid, &ns))
				c->usage.cpu_ns = (int64_t)ns;
		}
		container_stats_usage(c->stats, &c->usage);
	}
	c->usage_read_ns = now;
	sum_gc_cpu(c, &gc, &assist);
	if (gc != SAMPLE_UNKNOWN)
		container_stats_gc_cpu(c->stats, now, gc + c->gc_cpu_gone_ns, assist + c->assist_gone_ns);
	container_stats_cost(c->stats, now, c->cost_ns);
	container_stats_expire(c->stats, now);
}

void session_read_values(struct session *s)
{
	uint64_t now = clock_mono_ns(), key;
	size_t pos = 0;
	void *c;

	s->values_read_ns = now;
	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p))
		read_process(s, p);
	while (hashmap_next(s->containers, &pos, &key, &c))
		read_container(s, c, now);
}

static void on_read(void *arg)
{
	struct session *s = arg;

	clock_sync();
	if (s->want_stats && clock_mono_ns() - s->values_read_ns > FRESH_NS)
		session_read_values(s);
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

static void on_quit(int signo, void *arg)
{
	struct session *s = arg;

	log_debug("signal %d: ending", signo);
	loop_stop(s->loop, 0);
}

/* ---- life ---------------------------------------------------------------------------------------------------------
 */

int session_attach(struct session *s, char *why)
{
	struct probes_cfg cfg = {.wanted = s->opts->signals};
	int err = probes_new(&cfg, &s->probes, why);

	if (err)
		return err;
	err = ring_source_new(probes_ring_fd(s->probes), on_event, s, &s->ring);
	if (err)
		return err_why(why, err, "cannot map the ring buffer: %s", strerror(-err));
	for (struct process *p = s->procs ? proc_table_next(s->procs, NULL) : NULL; p; p = proc_table_next(s->procs, p))
		if (p->watched)
			attach_process(s, p);
	return 0;
}

void session_detach(struct session *s)
{
	session_drain(s);
	s->ring = ring_source_free(s->ring);
	s->probes = probes_free(s->probes);
	for (struct process *p = s->procs ? proc_table_next(s->procs, NULL) : NULL; p; p = proc_table_next(s->procs, p))
		p->attached = p->go_gc_on = false;
}

static int open_loop(struct session *s)
{
	static const int quits[] = {SIGINT, SIGTERM, SIGHUP};
	int err = loop_new(&s->loop);

	for (size_t i = 0; !err && i < ARRAY_SIZE(quits); i++)
		err = loop_add_signal(s->loop, quits[i], on_quit, s);
	return err;
}

static int open_tables(struct session *s)
{
	struct proc_table_ops ops = {.added = on_process_added, .removed = on_process_removed, .arg = s};
	int err = hashmap_new(CONTAINERS_MAX, &s->containers);

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

static int open_timers(struct session *s)
{
	static const struct {
		uint64_t interval_ns;
		loop_timer_fn fn;
	} timers[] = {{READ_NS, on_read}, {VERIFY_NS, on_verify}};

	s->drain_timer = loop_add_timer(s->loop, DRAIN_IDLE_NS, DRAIN_IDLE_NS, on_drain, s);
	if (s->drain_timer < 0)
		return s->drain_timer;
	for (size_t i = 0; i < ARRAY_SIZE(timers); i++) {
		int id = loop_add_timer(s->loop, timers[i].interval_ns, timers[i].interval_ns, timers[i].fn, s);

		if (id < 0)
			return id;
	}
	return 0;
}

static int open_stages(struct session *s, bool detached, char *why)
{
	int err = open_loop(s);

	if (err)
		return err_why(why, err, "cannot set up the event loop: %s", strerror(-err));
	err = open_tables(s);
	if (err)
		return err_why(why, err, "cannot read %s/proc: %s", s->opts->root, strerror(-err));
	err = detached ? 0 : session_attach(s, why); /* before the first pass: no process can slip between */
	if (err)
		return err;
	err = proc_table_scan(s->procs);
	if (err)
		return err_why(why, err, "cannot read %s/proc: %s", s->opts->root, strerror(-err));
	s->looked_at = proc_table_counts(s->procs)->looked_at;
	s->ready_ns = clock_mono_ns();
	if (s->want_stats)
		session_read_values(s);
	err = open_timers(s);
	return err ? err_why(why, err, "cannot set up timers: %s", strerror(-err)) : 0;
}

int session_open(const struct session_cfg *cfg, struct session **ret, char *why)
{
	struct session *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return err_why(why, -ENOMEM, "cannot start: %s", strerror(ENOMEM));
	s->opts = cfg->opts;
	s->ops = cfg->ops;
	s->want_stats = cfg->want_stats;
	s->stats_budget.bytes_max = HISTORY_MAX;
	s->start_ns = clock_mono_ns();
	clock_sync();
	err = open_stages(s, cfg->start_detached, why);
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
	session_detach(s);
	proc_table_free(s->procs);
	while (s->containers && hashmap_next(s->containers, &pos, &key, &value)) {
		container_stats_free(((struct container *)value)->stats);
		free(value);
	}
	hashmap_free(s->containers);
	owner_index_free(s->owners);
	binary_cache_free(s->binaries);
	loop_free(s->loop);
	free(s);
	return NULL;
}

int session_run(struct session *s)
{
	return loop_run(s->loop);
}
