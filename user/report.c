/* SPDX-License-Identifier: BSD-2-Clause */
/* Snapshots: node, agent, signals, and per container what stats/, pods/ and runtime/ know. Values of several processes
 * of one container are added up; settings (GOGC, GOMEMLIMIT) are shown when all agree or there is one, else the
 * smallest. */
#include "report.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "pods/owner_index.h"
#include "probes/signal.h"

#define REFUSED_MAX 512

/* ---- node, agent, signals ------------------------------------------------------------------------------ */

/* The reading nearest to the begin of the window: the newest one that is not younger, else the oldest of all. */
static const struct model_reading *reading_at(const struct model *m, uint64_t begin_ns)
{
	const struct model_reading *best = NULL, *x;

	for (unsigned int back = 0; (x = model_reading(m, back)); back++) {
		best = x;
		if (x->node.time_ns <= begin_ns)
			break;
	}
	return best;
}

static double ratio_of(uint64_t part, uint64_t whole)
{
	return (double)part / (double)whole;
}

static void fill_node(const struct model *m, uint64_t begin_ns, struct snapshot *s)
{
	const struct model_reading *now = model_reading(m, 0), *then = reading_at(m, begin_ns);
	const struct record_session *ses = model_session(m);

	str_copy(s->node_name, sizeof(s->node_name), ses->node_name);
	s->node_cpus = ses->cpus;
	if (!now)
		return;
	if (now->node.total > then->node.total) {
		uint64_t total = now->node.total - then->node.total;

		s->cpu_busy_ratio = ratio_of(now->node.busy - then->node.busy, total);
		s->steal_ratio = ratio_of(now->node.steal - then->node.steal, total);
	}
	if (now->node.memory_total)
		s->memory_used_ratio = 1 - ratio_of(now->node.memory_available, now->node.memory_total);
	s->agent_cpu_seconds = (double)now->node.agent_cpu_ns / NS_PER_SEC;
	s->agent_rss_bytes = now->node.agent_rss_bytes;
	for (int id = 0; id < SIGNAL_CNT; id++)
		s->signals[id].lost_window = now->lost[id] - then->lost[id];
	if (now->node.time_ns > then->node.time_ns)
		s->agent_cpu_ratio = ratio_of(now->node.agent_cpu_ns - then->node.agent_cpu_ns,
					      now->node.time_ns - then->node.time_ns);
}

static const char *mode_name(uint32_t mode)
{
	switch (mode) {
	case SIGNAL_ON:
		return "on";
	case SIGNAL_DEGRADED:
		return "degraded";
	case SIGNAL_WINDOW:
		return "window";
	}
	return "off";
}

static void fill_signal(const struct model *m, enum signal_id id, struct snapshot_signal *x)
{
	const struct record_signal *r = model_signal(m, id);
	uint64_t lost[LOSS_REASON_MAX];

	model_losses(m, id, lost);
	x->present = true;
	str_copy(x->name, sizeof(x->name), signal_name(id));
	str_copy(x->state, sizeof(x->state), mode_name(r->mode));
	str_copy(x->reason, sizeof(x->reason), r->reason);
	str_copy(x->mechanism, sizeof(x->mechanism), r->mechanism);
	x->window_share = r->window_share;
	x->hit_cost_ns = r->hit_cost_ns;
	x->hits = r->counters.hits;
	x->events = r->counters.events;
	x->filtered = r->counters.filtered;
	for (int i = 0; i < LOSS_REASON_CNT; i++)
		x->lost[i] = r->counters.lost[i] + lost[i];
}

static void fill_signals(const struct model *m, struct snapshot *s)
{
	for (int id = 0; id < SIGNAL_CNT; id++) {
		struct snapshot_signal *x = &s->signals[id];

		fill_signal(m, (enum signal_id)id, x);
		s->events += x->events;
		for (int i = 0; i < LOSS_REASON_CNT; i++)
			s->lost += x->lost[i];
	}
}

/* ---- containers ---------------------------------------------------------------------------------------- */

static void add_known(int64_t *sum, int64_t value)
{
	if (value == SAMPLE_UNKNOWN)
		return;
	if (*sum == STAT_UNKNOWN)
		*sum = value;
	else if (__builtin_add_overflow(*sum, value, sum))
		*sum = STAT_UNKNOWN;
}

/* Of limits the tightest counts; -1 is none. */
static void take_smallest(int64_t *least, int64_t value)
{
	if (value == SAMPLE_UNKNOWN)
		return;
	if (*least == STAT_UNKNOWN || *least == -1 || (value != -1 && value < *least))
		*least = value;
}

static bool signal_works(const struct model *m, enum signal_id id)
{
	return model_signal(m, id)->mode != SIGNAL_OFF;
}

static void fill_resources(const struct model_process *p, struct snapshot_process *x)
{
	const struct record_resources *r = &p->resources;

	if (!p->resources_known)
		return;
	x->maxprocs_by = (uint8_t)r->maxprocs_by;
	x->os_threads = r->os_threads;
	x->thread_limit = r->thread_limit;
	x->fds = r->fds;
	x->fd_limit = r->fd_limit;
	x->rss_bytes = r->rss_bytes;
}

static void fill_process(const struct model_process *p, struct snapshot_process *x)
{
	snapshot_process_init(x);
	x->pid = p->rec.pid;
	x->start_unix_ns = p->rec.start_unix_ns;
	str_copy(x->comm, sizeof(x->comm), p->rec.comm);
	str_copy(x->go_version, sizeof(x->go_version), p->rec.go_version);
	x->gomaxprocs_env = p->rec.flags & RECORD_PROCESS_MAXPROCS_ENV;
	x->go_container_aware = !x->gomaxprocs_env && p->rec.flags & RECORD_PROCESS_FOLLOWS_QUOTA;
	fill_resources(p, x);
	if (!p->sampled)
		return;
	x->gomaxprocs = p->sample.gomaxprocs;
	x->gogc = p->sample.gogc;
	x->memory_limit_bytes = p->sample.memory_limit_bytes;
	x->goroutines = p->sample.goroutines;
	x->heap_live_bytes = p->sample.heap_live_bytes;
	x->heap_goal_bytes = p->sample.heap_goal_bytes;
	x->numgc = p->sample.numgc;
}

/* Memory that the runtime got from the system and did not give back. Before 1.19 nobody counted it as one. */
static int64_t go_bytes(const struct runtime_sample *v)
{
	int64_t bytes;

	if (v->mapped_ready_bytes != SAMPLE_UNKNOWN)
		return v->mapped_ready_bytes;
	if (v->memory_total_bytes == SAMPLE_UNKNOWN || v->memory_released_bytes == SAMPLE_UNKNOWN ||
	    __builtin_sub_overflow(v->memory_total_bytes, v->memory_released_bytes, &bytes))
		return SAMPLE_UNKNOWN;
	return bytes;
}

/* Of one process; negative where Go has pages that it never touched: none that can be seen. */
static int64_t non_go_bytes(const struct model_process *p, int64_t go)
{
	int64_t bytes;

	if (go == SAMPLE_UNKNOWN || !p->resources_known || p->resources.rss_bytes < 0 ||
	    __builtin_sub_overflow(p->resources.rss_bytes, go, &bytes))
		return SAMPLE_UNKNOWN;
	return bytes > 0 ? bytes : 0;
}

static int64_t plus(int64_t a, int64_t b)
{
	int64_t sum;

	return a == STAT_UNKNOWN || b == SAMPLE_UNKNOWN || __builtin_add_overflow(a, b, &sum) ? STAT_UNKNOWN : sum;
}

/* Sums that say something only if all of it is in them. */
static void fill_go_memory(const struct model_container *c, struct snapshot_memory *x)
{
	if (!c->processes)
		return;
	x->go_bytes = x->non_go_bytes = 0;
	for (const struct model_process *p = c->processes; p; p = p->next) {
		int64_t go = p->sampled ? go_bytes(&p->sample) : SAMPLE_UNKNOWN;

		x->go_bytes = plus(x->go_bytes, go);
		x->non_go_bytes = plus(x->non_go_bytes, non_go_bytes(p, go));
	}
}

static bool semacquire_locks(const struct model_process *p)
{
	int minor;

	return sscanf(p->rec.go_version, "go1.%d", &minor) == 1 && minor < 20;
}

static void fill_sched(const struct model_container *c, uint64_t now_ns, struct snapshot_sched *x)
{
	for (const struct model_process *p = c->processes; p; p = p->next) {
		const struct runtime_sample *v = &p->sample;

		census_stats_fill(&p->census, now_ns, semacquire_locks(p), x);
		if (!p->sampled)
			continue;
		x->on = true;
		add_known(&x->threads, v->threads);
		add_known(&x->procs, v->gomaxprocs);
		add_known(&x->procs_idle, v->procs_idle);
		add_known(&x->queue, v->queue_global);
		add_known(&x->queue, v->queue_local);
	}
	census_stats_order(x);
}

static void fill_runtime(const struct model_container *c, struct snapshot_container *x)
{
	struct snapshot_gc *gc = &x->gc;

	gc->cycles_total = gc->heap_live_bytes = gc->heap_goal_bytes = gc->mapped_ready_bytes = STAT_UNKNOWN;
	gc->gogc = gc->memory_limit_bytes = x->goroutines = STAT_UNKNOWN;
	for (const struct model_process *p = c->processes; p; p = p->next) {
		const struct runtime_sample *v = &p->sample;

		gc->on |= (p->rec.flags & RECORD_PROCESS_GO_GC) != 0;
		gc->passive |= p->pauses_seen && !(p->rec.flags & RECORD_PROCESS_GO_GC);
		x->refused_cnt += p->rec.state == PROCESS_REFUSED;
		fill_process(p, &x->processes[x->process_cnt++]);
		if (!p->sampled)
			continue;
		add_known(&gc->cycles_total, v->numgc);
		add_known(&gc->heap_live_bytes, v->heap_live_bytes);
		add_known(&gc->heap_goal_bytes, v->heap_goal_bytes);
		add_known(&gc->mapped_ready_bytes, v->mapped_ready_bytes);
		add_known(&x->goroutines, v->goroutines);
		take_smallest(&gc->gogc, v->gogc);
		take_smallest(&gc->memory_limit_bytes, v->memory_limit_bytes);
	}
}

static int64_t stat_of(int64_t limit_value)
{
	return limit_value == LIMIT_UNKNOWN ? STAT_UNKNOWN : limit_value;
}

static void fill_limits(const struct model_container *c, struct snapshot_container *x)
{
	x->cpu.limit_cpus = c->limits_known ? c->limits.cpu_limit : NAN;
	x->cpu.request_cpus = c->limits_known ? c->limits.cpu_request : NAN;
	x->cpu.period_ns = c->limits_known ? c->limits.cpu_period_ns : 0;
	x->memory.limit_bytes = c->limits_known ? stat_of(c->limits.memory_limit) : STAT_UNKNOWN;
	x->memory.usage_bytes = c->usage_ns ? stat_of(c->usage.memory_bytes) : STAT_UNKNOWN;
	x->memory.working_set_bytes = c->usage_ns ? stat_of(c->usage.working_set_bytes) : STAT_UNKNOWN;
	x->memory.peak_bytes = c->usage_ns ? stat_of(c->usage.memory_peak_bytes) : STAT_UNKNOWN;
	x->memory.oom_kills = c->usage_ns ? stat_of(c->usage.oom_kills) : STAT_UNKNOWN;
	if (c->ooms && x->memory.oom_kills < c->ooms) /* its cgroup went before its count was read again */
		x->memory.oom_kills = c->ooms;
	if (x->memory.working_set_bytes == STAT_UNKNOWN)
		x->memory.growth_bytes_per_second = NAN;
}

/* Of a cycle that only the pause ring tells of, its end and the sum of its stops are known. */
static void hide_stops(struct snapshot_gc *g)
{
	int64_t cycles = g->cycles;
	struct dist pause = g->pause;

	snapshot_gc_unknown(g);
	if (!g->passive)
		return;
	g->cycles = cycles;
	g->pause = pause;
}

/* Known where no process is missing: part of the assists would look like few. */
static void hide_assists(const struct model *m, const struct model_container *c, struct snapshot_container *x)
{
	bool on = signal_works(m, SIGNAL_GO_ASSIST), counted = on, waits = on;

	for (const struct model_process *p = c->processes; p; p = p->next) {
		counted &= (p->rec.flags & RECORD_PROCESS_ASSISTS) != 0;
		waits &= (p->rec.flags & RECORD_PROCESS_ASSIST_WAITS) != 0;
	}
	if (!counted)
		snapshot_assists_unknown(&x->gc);
	else if (!waits)
		snapshot_assist_waits_unknown(&x->gc);
}

/* What a signal that is off would have told is unknown, not nothing. */
static void hide_unknown(const struct model *m, const struct model_container *c, struct snapshot_container *x)
{
	x->net.on = signal_works(m, SIGNAL_NET_TCP);
	x->net.dns_on = signal_works(m, SIGNAL_NET_DNS);
	if (!signal_works(m, SIGNAL_CPU_THROTTLE))
		snapshot_throttle_unknown(&x->cpu);
	if (!signal_works(m, SIGNAL_CPU_SCHED))
		snapshot_runq_unknown(&x->cpu);
	if (!x->net.on)
		snapshot_tcp_unknown(&x->net);
	if (!x->net.dns_on)
		snapshot_dns_unknown(&x->net);
	if (!x->gc.on && !x->gone)
		hide_stops(&x->gc);
	hide_assists(m, c, x);
}

static int fill_container(const struct model *m, const struct model_container *c, uint64_t now, uint64_t window_ns,
			  struct snapshot_container *x)
{
	uint64_t since = c->owner.first_seen_ns, ready = model_session(m)->ready_ns;

	snapshot_container_init(x);
	x->processes = calloc((size_t)c->process_cnt + 1, sizeof(*x->processes));
	if (!x->processes)
		return -ENOMEM;
	if (since < ready)
		since = ready;
	x->id = c->id;
	x->owner = c->owner;
	x->gone = c->owner.gone_ns != 0;
	x->seen_ns = now < since ? 0 : now - since < window_ns ? now - since : window_ns;
	fill_runtime(c, x);
	fill_sched(c, now, &x->sched);
	fill_go_memory(c, &x->memory);
	container_stats_fill(c->stats, now, window_ns, x);
	model_sched_fill(c, now, window_ns, x);
	fill_limits(c, x);
	hide_unknown(m, c, x);
	return 0;
}

static int fill_containers(const struct model *m, uint64_t now, uint64_t window_ns, struct snapshot *s)
{
	struct model_container *c;
	size_t pos = 0;

	s->containers = calloc(model_container_cnt(m) + 1, sizeof(*s->containers));
	if (!s->containers)
		return -ENOMEM;
	while ((c = model_container_next(m, &pos))) {
		int err = fill_container(m, c, now, window_ns, &s->containers[s->container_cnt]);

		s->container_cnt++; /* also of a half-filled one: its processes are freed with it */
		if (err)
			return err;
	}
	return 0;
}

/* ---- processes that cannot be observed in full --------------------------------------------------------- */

static void fill_refused(const struct model_container *c, const struct model_process *p, struct snapshot_refused *x)
{
	const struct record_process *r = &p->rec;
	bool gc = r->flags & RECORD_PROCESS_GO_GC;

	memset(x, 0, sizeof(*x));
	x->pid = r->pid;
	owner_format(&c->owner, x->name, sizeof(x->name));
	str_copy(x->comm, sizeof(x->comm), r->comm);
	str_copy(x->go_version, sizeof(x->go_version), r->go_version);
	x->partial = r->state != PROCESS_REFUSED;
	if (!x->partial)
		str_copy(x->why, sizeof(x->why), r->why);
	else
		snprintf(x->why, sizeof(x->why), "%s: %.180s", gc ? "go_runtime" : "go_gc",
			 gc ? r->go_runtime_why : r->go_gc_why);
}

static bool is_partial(const struct model *m, const struct record_process *r)
{
	return (!(r->flags & RECORD_PROCESS_GO_GC) && r->go_gc_why[0] && signal_works(m, SIGNAL_GO_GC)) ||
	       (!(r->flags & RECORD_PROCESS_GO_RUNTIME) && r->go_runtime_why[0] && signal_works(m, SIGNAL_GO_RUNTIME));
}

/* Refused ones first: they are the ones that are counted as not observable. */
static int fill_refusals(const struct model *m, bool partial, struct snapshot *s)
{
	struct model_container *c;
	size_t pos = 0;

	while ((c = model_container_next(m, &pos))) {
		for (const struct model_process *p = c->processes; p; p = p->next) {
			bool refused = p->rec.state == PROCESS_REFUSED;
			struct snapshot_refused *more;

			if (partial ? refused || !is_partial(m, &p->rec) : !refused)
				continue;
			if (s->refused_cnt >= REFUSED_MAX)
				return 0;
			more = realloc(s->refused, (size_t)(s->refused_cnt + 1) * sizeof(*more));
			if (!more)
				return -ENOMEM;
			s->refused = more;
			fill_refused(c, p, &s->refused[s->refused_cnt++]);
		}
	}
	return 0;
}

static void count_processes(const struct model *m, struct snapshot *s)
{
	struct model_container *c;
	size_t pos = 0;

	while ((c = model_container_next(m, &pos)))
		for (const struct model_process *p = c->processes; p; p = p->next) {
			s->processes_go++;
			s->processes_not_observable += p->rec.state == PROCESS_REFUSED;
		}
}

int report_take(const struct model *m, uint64_t now_ns, uint64_t window_ns, struct snapshot *ret)
{
	uint64_t ready = model_session(m)->ready_ns, age = now_ns > ready ? now_ns - ready : 0;
	int err;

	if (window_ns > age)
		window_ns = age;
	snapshot_init(ret);
	ret->time_mono_ns = now_ns;
	ret->time_unix_ns = clock_mono_to_unix(now_ns);
	ret->window_seconds = (double)window_ns / 1e9;
	fill_signals(m, ret);
	fill_node(m, now_ns - window_ns, ret);
	count_processes(m, ret);
	err = fill_containers(m, now_ns, window_ns, ret);
	if (!err)
		err = fill_refusals(m, false, ret);
	if (!err)
		err = fill_refusals(m, true, ret);
	if (err)
		snapshot_deinit(ret);
	return err;
}
