/* SPDX-License-Identifier: BSD-2-Clause */
/* Readings of the session: what the node, the cgroups and the Go runtimes say of themselves, and what the agent costs.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "base/str.h"
#include "events/source.h"
#include "probes/signal.h"
#include "runtime/maxprocs_by.h"
#include "runtime/resources.h"
#include "session.h"

#define MEMORY_NS    (5 * NS_PER_SEC)
#define SHARED_NS    (60 * NS_PER_SEC) /* memory that is not only its own: for v1 the kernel sorts all pids to tell */
#define LIMITS_NS    (10 * NS_PER_SEC) /* 0.1 ms a container */
#define RESOURCES_NS (5 * NS_PER_SEC - NS_PER_SEC / 2)
#define CONFIRM_NS   (10 * NS_PER_SEC)

/* One time over all processes. */
struct pass {
	uint64_t now_ns;
	bool confirm; /* cycles are compared */
	bool lost;    /* go_gc has lost events since the last comparison: they begin anew */
};

/* ---- processes and containers -------------------------------------------------------------------------- */

static void tell_latency(struct session *s, struct process *p)
{
	struct record_latency r = {.pid = p->pid, .diluted = p->binary && p->binary->go_minor < 26};
	struct watched *w = p->watched;

	if (!sampler_latency(w->sampler, &r.latency) || (!r.latency.cnt && w->latency_told))
		return;
	w->latency_told = true;
	session_tell(s, RECORD_LATENCY, &r, sizeof(r));
	session_sched_latency(s, p, &r.latency);
}

/* Cycles that nobody else tells of. */
static void tell_pauses(struct session *s, const struct process *p, const struct runtime_sample *v)
{
	struct runtime_pause pauses[RUNTIME_PAUSES];
	struct record_pauses r = {.pid = p->pid};
	struct watched *w = p->watched;
	int cnt = sampler_pauses(w->sampler, pauses, RUNTIME_PAUSES, &r.missed);

	if (!cnt && !r.missed && (w->pauses_told || v->pause_total_ns == SAMPLE_UNKNOWN || v->numgc == SAMPLE_UNKNOWN))
		return;
	w->pauses_told = true;
	for (int i = 0; i == 0 || i < cnt; i += RECORD_PAUSES_MAX) {
		r.cnt = (uint32_t)(cnt - i < RECORD_PAUSES_MAX ? cnt - i : RECORD_PAUSES_MAX);
		memset(r.pauses, 0, sizeof(r.pauses));
		memcpy(r.pauses, pauses + i, r.cnt * sizeof(*pauses));
		session_tell(s, RECORD_PAUSES, &r, sizeof(r));
		r.missed = 0;
	}
}

/* Judged again only where the number changed: up to 1.24 it is the affinity mask of the program's start that counts,
 * and from 1.25 on the number follows the mask. */
static enum maxprocs_by maxprocs_by(const struct session *s, const struct process *p)
{
	struct watched *w = p->watched;
	struct maxprocs_facts facts = {.gomaxprocs = w->maxprocs, .custom = w->maxprocs_custom};

	if (!p->binary || w->maxprocs == SAMPLE_UNKNOWN)
		return MAXPROCS_UNKNOWN;
	if (w->judged.maxprocs == w->maxprocs && w->judged.custom == w->maxprocs_custom)
		return w->judged.by;
	facts.go_minor = p->binary->go_minor;
	facts.ignores_cpu_limit = p->binary->ignores_cpu_limit;
	w->judged.by = maxprocs_by_read(s->opts->root, p->pid, &facts, NULL, 0);
	w->judged.maxprocs = w->maxprocs;
	w->judged.custom = w->maxprocs_custom;
	return w->judged.by;
}

static void tell_resources(struct session *s, struct process *p, uint64_t now)
{
	struct record_resources r = {.pid = p->pid, .time_ns = now};
	struct resources v;

	if (p->watched->resources_read_ns && now - p->watched->resources_read_ns < RESOURCES_NS)
		return;
	p->watched->resources_read_ns = now;
	if (resources_read(s->opts->root, p->pid, &v))
		return;
	r.maxprocs_by = maxprocs_by(s, p);
	r.fds = v.fds;
	r.fd_limit = v.fd_limit;
	r.os_threads = v.os_threads;
	r.thread_limit = v.thread_limit;
	r.rss_bytes = v.rss_bytes;
	session_tell(s, RECORD_RESOURCES, &r, sizeof(r));
}

static void tell_sample(struct session *s, struct process *p, const struct record_sample *r)
{
	p->watched->maxprocs = r->sample.gomaxprocs;
	p->watched->maxprocs_custom = r->sample.maxprocs_custom;
	session_tell(s, RECORD_SAMPLE, r, sizeof(*r));
	tell_latency(s, p);
	if (!p->go_gc_on)
		tell_pauses(s, p, &r->sample);
}

void session_count_cycle(struct session *s, const union event *e)
{
	struct process *p = e->hdr.kind == EVENT_GC_MARK_END ? proc_table_find(s->procs, (pid_t)e->hdr.tgid) : NULL;

	if (p && p->watched)
		p->watched->marks_seen++;
}

/* go_gc and the runtime count the same cycles: a layout that is wrong by luck shows here. */
static void confirm(struct session *s, struct process *p, int64_t numgc, bool begin_anew)
{
	struct watched *w = p->watched;
	bool good = true;

	if (!p->go_gc_on || numgc == SAMPLE_UNKNOWN) {
		w->confirmed.known = false;
		return;
	}
	if (w->confirmed.known && !begin_anew && numgc >= w->confirmed.numgc)
		good = sampler_confirm_cycles(w->sampler, w->marks_seen - w->confirmed.marks,
					      (uint64_t)(numgc - w->confirmed.numgc));
	w->confirmed.known = true;
	w->confirmed.marks = w->marks_seen;
	w->confirmed.numgc = numgc;
	if (good)
		return;
	p->go_runtime_on = false;
	err_why(p->go_runtime_why, 0, "%.190s", sampler_why(w->sampler));
	log_warn("go_runtime off for %s (pid %d): %s", p->exe, p->pid, p->go_runtime_why);
	w->sampler = sampler_close(w->sampler);
	session_tell_process(s, p);
}

static void read_process(struct session *s, struct process *p, const struct pass *pass)
{
	struct record_sample r = {.pid = p->pid};
	struct watched *w = p->watched;
	int err;

	if (w && w->sampler_retry) {
		session_open_sampler(s, p);
		if (!w->sampler_retry)
			session_tell_process(s, p);
	}
	if (!w || !w->sampler)
		return;
	err = sampler_read(w->sampler, &r.sample);
	if (err == 0)
		tell_sample(s, p, &r);
	else if (err < 0 && err != -ESRCH)
		log_debug("pid %d: runtime values: %s", p->pid, strerror(-err));
	if (err != -ESRCH) /* by pid, which may be another process's by now */
		tell_resources(s, p, pass->now_ns);
	if (!err && pass->confirm)
		confirm(s, p, r.sample.numgc, pass->lost);
}

static void read_limits(struct session *s, struct watched_owner *w, uint64_t now)
{
	struct record_limits r = {.owner_id = w->id};

	if (w->limits_known && now - w->limits_read_ns < LIMITS_NS)
		return;
	memset(&r.limits, 0, sizeof(r.limits));
	w->limits_read_ns = now;
	if (cgroup_limits_read(&s->cgroups, w->owner, &r.limits))
		return;
	if (w->limits_known && !memcmp(&w->limits, &r.limits, sizeof(r.limits)))
		return;
	w->limits = r.limits;
	w->limits_known = true;
	session_tell(s, RECORD_LIMITS, &r, sizeof(r));
}

/* CPU and throttling each time, memory seldom. */
static void read_usage(struct session *s, struct watched_owner *w, uint64_t now)
{
	bool shared = w->owner->kind == OWNER_HOST && w->usage.memory_bytes == LIMIT_UNKNOWN;

	if (w->memory_read_ns && now - w->memory_read_ns < (shared ? SHARED_NS : MEMORY_NS)) {
		cgroup_cpu_read(&s->cgroups, w->owner, &w->limits, &w->usage);
		return;
	}
	w->memory_read_ns = now;
	cgroup_usage_read(&s->cgroups, w->owner, &w->limits, &w->usage);
}

int session_host_cpu(const struct session *s, pid_t pid, int64_t *ret_ns)
{
	uint64_t ns;
	int err = s->own_pids ? process_cpu_clock(pid, &ns) : process_cpu_read(s->opts->root, pid, &ns);

	if (!err)
		*ret_ns = (int64_t)ns;
	return err;
}

static void read_owner(struct session *s, struct watched_owner *w, uint64_t now)
{
	struct record_usage r = {.owner_id = w->id};

	if (w->owner->gone_ns)
		return; /* its cgroup is gone, too */
	read_limits(s, w, now);
	if (!w->limits_known)
		return;
	read_usage(s, w, now);
	if (w->usage.cpu_ns == LIMIT_UNKNOWN && w->owner->host_pid)
		session_host_cpu(s, w->owner->host_pid, &w->usage.cpu_ns);
	r.usage = w->usage;
	session_tell(s, RECORD_USAGE, &r, sizeof(r));
	session_sched_usage(w);
}

static uint64_t go_gc_lost(const struct session *s)
{
	struct signal_counters c = {0};
	uint64_t sum = 0;

	if (s->probes)
		probes_counters(s->probes, SIGNAL_GO_GC, &c);
	for (int i = 0; i < LOSS_REASON_CNT; i++)
		sum += c.lost[i];
	return sum;
}

/* Events are taken before numgc is read: both are of about one moment then. */
static void begin_pass(struct session *s, uint64_t now, struct pass *ret)
{
	uint64_t lost;

	*ret = (struct pass){.now_ns = now, .confirm = s->ring && now - s->confirmed_ns >= CONFIRM_NS};
	if (!ret->confirm)
		return;
	session_drain(s);
	lost = go_gc_lost(s);
	ret->lost = lost != s->confirmed_lost;
	s->confirmed_ns = now;
	s->confirmed_lost = lost;
}

void session_read_values(struct session *s)
{
	uint64_t now = clock_mono_ns(), key;
	struct pass pass;
	size_t pos = 0;
	void *w;

	begin_pass(s, now, &pass);
	s->values_read_ns = now;
	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p))
		read_process(s, p, &pass);
	while (hashmap_next(s->watched, &pos, &key, &w))
		read_owner(s, w, now);
}

/* ---- node and agent ------------------------------------------------------------------------------------ */

static void read_cpu(const struct session *s, struct record_node *r)
{
	unsigned long long t[8] = {0};
	char buf[512];

	if (file_read(s->opts->root, "/proc/stat", buf, sizeof(buf)) > 0 &&
	    sscanf(buf, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6],
		   &t[7]) == 8) {
		r->steal = t[7];
		r->busy = t[0] + t[1] + t[2] + t[5] + t[6];
		r->total = r->busy + t[3] + t[4] + t[7];
	}
}

static void read_memory(const struct session *s, struct record_node *r)
{
	char buf[4096];
	uint64_t all, available;

	if (file_read(s->opts->root, "/proc/meminfo", buf, sizeof(buf)) > 0 && !file_find_u64(buf, "MemTotal:", &all) &&
	    !file_find_u64(buf, "MemAvailable:", &available) && all) {
		r->memory_total = all * 1024;
		r->memory_available = available * 1024;
	}
}

static void read_agent(struct record_node *r)
{
	char buf[4096];
	struct rusage u;
	uint64_t rss;

	getrusage(RUSAGE_SELF, &u);
	r->agent_cpu_ns = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NS_PER_SEC +
			  (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
	r->agent_rss_bytes = -1;
	if (file_read("", "/proc/self/status", buf, sizeof(buf)) > 0 && !file_find_u64(buf, "VmRSS:", &rss))
		r->agent_rss_bytes = (int64_t)rss * 1024;
}

void session_tell_node(struct session *s, uint64_t now_ns)
{
	struct record_node r = {.time_ns = now_ns, .looked_at = s->looked_at};

	read_cpu(s, &r);
	read_memory(s, &r);
	read_agent(&r);
	session_tell(s, RECORD_NODE, &r, sizeof(r));
}

/* ---- signals ------------------------------------------------------------------------------------------- */

/* It has no kernel side: what it needs is the right to read others. */
static void fill_go_runtime(const struct session *s, struct record_signal *r)
{
	bool wanted = s->opts->signals & (1u << SIGNAL_GO_RUNTIME);
	bool allowed = !s->probes || probes_features(s->probes)->cap_sys_ptrace;

	r->mode = !wanted ? SIGNAL_OFF : allowed ? SIGNAL_ON : SIGNAL_DEGRADED;
	str_copy(r->mechanism, sizeof(r->mechanism), "passive reads");
	str_copy(r->reason, sizeof(r->reason),
		 !wanted   ? "not asked for"
		 : allowed ? ""
			   : "CAP_SYS_PTRACE is missing: processes with more privileges than ours are not seen at all");
}

/* What the budget makes of it: for whom there are no goroutine windows, why those of cpu_sched are rare. */
static void tell_of_budget(const struct session *s, struct record_signal *r)
{
	const char *why = r->id == SIGNAL_GO_SCHED ? s->sched.why : r->id == SIGNAL_CPU_SCHED ? s->runq.why : "";
	bool none = s->opts->max_overhead >= 0 && s->opts->max_overhead <= 0;

	if (none && (r->id == SIGNAL_CPU_SCHED || r->id == SIGNAL_GO_SCHED || r->id == SIGNAL_GO_ASSIST))
		str_copy(r->reason, sizeof(r->reason), "--max-overhead 0 allows no optional probe");
	if (r->mode == SIGNAL_OFF || r->reason[0] || !why[0])
		return;
	str_copy(r->reason, sizeof(r->reason), why);
	if (r->id == SIGNAL_CPU_SCHED && s->runq.every_ns)
		r->window_share = (double)s->runq.length_ns / (double)s->runq.every_ns;
}

static void fill_signal(const struct session *s, enum signal_id id, struct record_signal *r)
{
	const struct signal_state *st = s->probes ? probes_signal(s->probes, id) : NULL;

	memset(r, 0, sizeof(*r));
	r->id = id;
	if (id == SIGNAL_GO_RUNTIME) {
		fill_go_runtime(s, r);
	} else if (st) {
		r->mode = st->mode;
		r->hit_cost_ns = st->hit_cost_ns;
		r->window_share = st->window_share;
		str_copy(r->mechanism, sizeof(r->mechanism), st->mechanism);
		str_copy(r->reason, sizeof(r->reason), st->why);
		probes_counters(s->probes, id, &r->counters);
	}
	tell_of_budget(s, r);
	for (int i = 0; i < LOSS_REASON_CNT; i++)
		r->counters.lost[i] += s->lost[id][i];
	if (id == SIGNAL_PROC_WATCH && s->ring) /* refused records have no signal any more */
		r->counters.lost[LOSS_INVALID] += ring_source_invalid(s->ring);
}

void session_tell_signals(struct session *s)
{
	for (int id = 0; id < SIGNAL_CNT; id++) {
		struct record_signal r;

		fill_signal(s, (enum signal_id)id, &r);
		if (!memcmp(&r, &s->signals[id], sizeof(r)))
			continue;
		s->signals[id] = r;
		session_tell(s, RECORD_SIGNAL, &r, sizeof(r));
	}
}
