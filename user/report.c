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
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hashmap.h"
#include "base/str.h"
#include "events/source.h"
#include "pods/owner_index.h"
#include "procs/proc_info.h"
#include "stats/dist.h"
#include "target.h"

#define READINGS      80               /* of node, agent and losses: one a second over the longest window, and room */
#define VALUES_AGE_NS (50 * NS_PER_MS) /* readings of the session's own timer may serve */

struct reading {
	uint64_t time_ns;
	uint64_t busy, steal, total; /* /proc/stat, clock ticks */
	double agent_cpu;
	uint64_t lost[SIGNAL_CNT]; /* since start, all reasons */
};

struct report {
	struct session *session; /* borrowed */
	struct reading readings[READINGS];
	int cpus;         /* online at the start: asking costs two file reads */
	unsigned int cnt; /* ever taken; the ring holds the last READINGS */
};

struct report *report_free(struct report *r)
{
	free(r);
	return NULL;
}

/* ---- node and agent -----------------------------------------------------------------------------------------------
 */

static double agent_cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void read_node(const struct report *r, struct reading *x)
{
	unsigned long long t[8] = {0};
	char buf[512];

	if (file_read(r->session->opts->root, "/proc/stat", buf, sizeof(buf)) > 0 &&
	    sscanf(buf, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6],
		   &t[7]) == 8) {
		x->steal = t[7];
		x->busy = t[0] + t[1] + t[2] + t[5] + t[6];
		x->total = x->busy + t[3] + t[4] + t[7];
	}
}

/* s: signals already filled. */
static void take_reading(struct report *r, const struct snapshot *s, uint64_t now)
{
	struct reading *x = &r->readings[r->cnt++ % READINGS];

	memset(x, 0, sizeof(*x));
	x->time_ns = now;
	x->agent_cpu = agent_cpu_seconds();
	read_node(r, x);
	for (int id = 0; id < SIGNAL_CNT; id++)
		for (int i = 0; i < LOSS_REASON_CNT; i++)
			if (loss_reason_hides((enum loss_reason)i))
				x->lost[id] += s->signals[id].lost[i];
}

/* The reading nearest to the begin of the window: the oldest one that is not older, else the oldest of all. */
static const struct reading *reading_at(const struct report *r, uint64_t begin_ns)
{
	unsigned int n = r->cnt < READINGS ? r->cnt : READINGS;
	const struct reading *best = &r->readings[(r->cnt - 1) % READINGS];

	for (unsigned int i = 1; i <= n; i++) {
		const struct reading *x = &r->readings[(r->cnt - i) % READINGS];

		best = x;
		if (x->time_ns <= begin_ns)
			break;
	}
	return best;
}

static void fill_node(struct report *r, uint64_t window_ns, struct snapshot *s)
{
	const struct reading *now = &r->readings[(r->cnt - 1) % READINGS];
	const struct reading *then = reading_at(r, s->time_mono_ns > window_ns ? s->time_mono_ns - window_ns : 0);
	double total = (double)(now->total - then->total);
	char buf[4096];
	uint64_t all, available;

	gethostname(s->node_name, sizeof(s->node_name) - 1);
	s->node_cpus = r->cpus;
	if (total > 0) {
		s->cpu_busy_ratio = (double)(now->busy - then->busy) / total;
		s->steal_ratio = (double)(now->steal - then->steal) / total;
	}
	if (file_read(r->session->opts->root, "/proc/meminfo", buf, sizeof(buf)) > 0 &&
	    !file_find_u64(buf, "MemTotal:", &all) && !file_find_u64(buf, "MemAvailable:", &available) && all)
		s->memory_used_ratio = 1 - (double)available / (double)all;
	s->agent_cpu_seconds = now->agent_cpu;
	for (int id = 0; id < SIGNAL_CNT; id++)
		s->signals[id].lost_window = now->lost[id] - then->lost[id];
	if (now->time_ns > then->time_ns)
		s->agent_cpu_ratio =
			(now->agent_cpu - then->agent_cpu) / ((double)(now->time_ns - then->time_ns) / 1e9);
	if (file_read("", "/proc/self/status", buf, sizeof(buf)) > 0 && !file_find_u64(buf, "VmRSS:", &all))
		s->agent_rss_bytes = (int64_t)all * 1024;
}

/* It has no kernel side: what it needs is the right to read others. */
static void fill_go_runtime(const struct session *ses, struct snapshot_signal *x)
{
	bool wanted = ses->opts->signals & (1u << SIGNAL_GO_RUNTIME);
	bool allowed = !ses->probes || probes_features(ses->probes)->cap_sys_ptrace;

	str_copy(x->name, sizeof(x->name), "go_runtime");
	str_copy(x->state, sizeof(x->state), !wanted ? "off" : allowed ? "on" : "degraded");
	str_copy(x->reason, sizeof(x->reason),
		 !wanted   ? "not asked for"
		 : allowed ? ""
			   : "CAP_SYS_PTRACE is missing: processes with more privileges than ours are not seen at all");
}

static void fill_signal(const struct session *ses, enum signal_id id, struct snapshot_signal *x)
{
	const struct signal_state *st = ses->probes ? probes_signal(ses->probes, id) : NULL;
	struct signal_counters c = {0};

	x->present = true;
	if (id == SIGNAL_GO_RUNTIME) {
		fill_go_runtime(ses, x);
	} else if (st) {
		str_copy(x->name, sizeof(x->name), st->name);
		str_copy(x->state, sizeof(x->state),
			 st->mode == SIGNAL_ON         ? "on"
			 : st->mode == SIGNAL_DEGRADED ? "degraded"
						       : "off");
		str_copy(x->reason, sizeof(x->reason), st->why);
		probes_counters(ses->probes, id, &c);
	}
	x->hits = c.hits;
	x->events = c.events;
	x->filtered = c.filtered;
	for (int i = 0; i < LOSS_REASON_CNT; i++)
		x->lost[i] = c.lost[i] + ses->lost_user[id][i];
	x->lost[LOSS_LIMIT] += ses->stats_budget.lost[id];
}

static void fill_signals(const struct session *ses, struct snapshot *s)
{
	for (int id = 0; id < SIGNAL_CNT; id++) {
		struct snapshot_signal *x = &s->signals[id];

		fill_signal(ses, (enum signal_id)id, x);
		if (id == SIGNAL_PROC_WATCH && ses->ring) /* refused records have no signal any more */
			x->lost[LOSS_INVALID] += ring_source_invalid(ses->ring);
		s->events += x->events;
		for (int i = 0; i < LOSS_REASON_CNT; i++)
			s->lost += x->lost[i];
	}
}

int report_new(struct session *s, struct report **ret)
{
	struct report *r = calloc(1, sizeof(*r));
	struct snapshot first; /* only for the counters of now */

	if (!r)
		return -ENOMEM;
	r->session = s;
	r->cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	snapshot_init(&first);
	fill_signals(s, &first);
	take_reading(r, &first, clock_mono_ns());
	*ret = r;
	return 0;
}

/* ---- containers ---------------------------------------------------------------------------------------------------
 */

static void add_known(int64_t *sum, int64_t value)
{
	if (value == SAMPLE_UNKNOWN)
		return;
	*sum = *sum == STAT_UNKNOWN ? value : *sum + value;
}

/* Of limits the tightest counts; -1 is none. */
static void take_smallest(int64_t *least, int64_t value)
{
	if (value == SAMPLE_UNKNOWN)
		return;
	if (*least == STAT_UNKNOWN || *least == -1 || (value != -1 && value < *least))
		*least = value;
}

static void fill_process(const struct process *p, struct snapshot_process *x)
{
	const struct watched *w = p->watched;

	memset(x, 0, sizeof(*x));
	x->pid = p->pid;
	x->start_unix_ns = p->start_unix_ns;
	str_copy(x->comm, sizeof(x->comm), p->comm);
	str_copy(x->go_version, sizeof(x->go_version), p->binary ? p->binary->go_version : "");
	x->gomaxprocs = w->sampled ? w->sample.gomaxprocs : STAT_UNKNOWN;
	x->gogc = w->sampled ? w->sample.gogc : STAT_UNKNOWN;
	x->memory_limit_bytes = w->sampled ? w->sample.memory_limit_bytes : STAT_UNKNOWN;
	x->gomaxprocs_env = w->gomaxprocs_env;
	x->go_container_aware = !w->gomaxprocs_env && w->follows_quota;
}

static void fill_runtime(const struct container *c, struct snapshot_container *x)
{
	struct snapshot_gc *gc = &x->gc;

	gc->cycles_total = gc->heap_live_bytes = gc->heap_goal_bytes = gc->mapped_ready_bytes = STAT_UNKNOWN;
	gc->gogc = gc->memory_limit_bytes = x->goroutines = STAT_UNKNOWN;
	for (const struct watched *w = c->watched; w; w = w->next) {
		const struct runtime_sample *v = &w->sample;

		gc->on |= w->process->go_gc_on;
		x->refused_cnt += w->process->state == PROCESS_REFUSED;
		fill_process(w->process, &x->processes[x->process_cnt++]);
		if (!w->sampled)
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

static void fill_limits(const struct container *c, struct snapshot_container *x)
{
	x->cpu.limit_cpus = c->limits_known ? c->limits.cpu_limit : NAN;
	x->cpu.request_cpus = c->limits_known ? c->limits.cpu_request : NAN;
	x->cpu.period_ns = c->limits_known ? c->limits.cpu_period_ns : 0;
	x->memory.limit_bytes = c->limits_known ? stat_of(c->limits.memory_limit) : STAT_UNKNOWN;
	x->memory.usage_bytes = c->usage_read_ns ? stat_of(c->usage.memory_bytes) : STAT_UNKNOWN;
	x->memory.working_set_bytes = c->usage_read_ns ? stat_of(c->usage.working_set_bytes) : STAT_UNKNOWN;
	x->memory.peak_bytes = c->usage_read_ns ? stat_of(c->usage.memory_peak_bytes) : STAT_UNKNOWN;
	x->memory.oom_kills = c->usage_read_ns ? stat_of(c->usage.oom_kills) : STAT_UNKNOWN;
}

static bool throttle_on(const struct session *s)
{
	return s->probes && probes_signal(s->probes, SIGNAL_CPU_THROTTLE)->mode != SIGNAL_OFF;
}

static int fill_container(const struct session *ses, const struct container *c, uint64_t now, uint64_t window_ns,
			  struct snapshot_container *x)
{
	uint64_t watched_since = c->owner->first_seen_ns > ses->ready_ns ? c->owner->first_seen_ns : ses->ready_ns;

	memset(x, 0, sizeof(*x));
	x->processes = calloc((size_t)c->watched_cnt + 1, sizeof(*x->processes));
	if (!x->processes)
		return -ENOMEM;
	x->owner = *c->owner;
	x->gone = c->owner->gone_ns != 0;
	x->seen_ns = now - watched_since < window_ns ? now - watched_since : window_ns;
	fill_runtime(c, x);
	container_stats_fill(c->stats, now, window_ns, x);
	fill_limits(c, x);
	if (!throttle_on(ses)) {
		x->cpu.intervals = STAT_UNKNOWN;
		x->cpu.union_seconds = x->cpu.cpu_seconds = x->cpu.ratio = x->cpu.missed_seconds = NAN;
		dist_unknown(&x->cpu.length);
	}
	if (!x->gc.on && !x->gone) {
		dist_unknown(&x->gc.pause);
		dist_unknown(&x->gc.mark);
		x->gc.cycles = STAT_UNKNOWN;
		x->gc.mark_wall_ratio = NAN;
	}
	return 0;
}

static int fill_containers(const struct session *ses, uint64_t now, uint64_t window_ns, struct snapshot *s)
{
	uint64_t key;
	size_t pos = 0;
	void *value;

	s->containers = calloc(hashmap_cnt(ses->containers) + 1, sizeof(*s->containers));
	if (!s->containers)
		return -ENOMEM;
	while (hashmap_next(ses->containers, &pos, &key, &value)) {
		int err = fill_container(ses, value, now, window_ns, &s->containers[s->container_cnt]);

		if (err)
			return err;
		s->container_cnt++;
	}
	return 0;
}

static void count_processes(const struct session *ses, struct snapshot *s)
{
	for (struct process *p = proc_table_next(ses->procs, NULL); p; p = proc_table_next(ses->procs, p)) {
		if (p->state == PROCESS_SKIPPED || p->state == PROCESS_HELPER ||
		    !target_matches(ses->opts, p->owner, p))
			continue;
		s->processes_go++;
		s->processes_not_observable += p->state == PROCESS_REFUSED;
	}
}

int report_take(struct report *r, uint64_t window_ns, struct snapshot *ret)
{
	const struct session *ses = r->session;
	uint64_t now, age;
	int err;

	session_drain(r->session);
	if (clock_mono_ns() - ses->values_read_ns > VALUES_AGE_NS)
		session_read_values(r->session);
	now = clock_mono_ns();
	age = now - ses->ready_ns;
	if (window_ns > age)
		window_ns = age;
	snapshot_init(ret);
	ret->time_mono_ns = now;
	ret->time_unix_ns = clock_mono_to_unix(now);
	ret->window_seconds = (double)window_ns / 1e9;
	fill_signals(ses, ret);
	take_reading(r, ret, now);
	fill_node(r, window_ns, ret);
	count_processes(ses, ret);
	err = fill_containers(ses, now, window_ns, ret);
	if (err)
		snapshot_deinit(ret);
	return err;
}

/* ---- order --------------------------------------------------------------------------------------------------------
 */

static double sort_value(const struct snapshot_container *c, enum sort_key key)
{
	switch (key) {
	case SORT_CPU:
		return c->cpu.usage_cpus;
	case SORT_MEM:
		return c->memory.working_set_bytes == STAT_UNKNOWN ? NAN : (double)c->memory.working_set_bytes;
	case SORT_THR:
		return c->cpu.ratio;
	case SORT_STW:
		return c->gc.pause.cnt > 0 ? c->gc.pause.max : NAN;
	case SORT_GC:
		return c->gc.cpu_ratio;
	default:
		return NAN;
	}
}

struct sort_by {
	enum sort_key key;
	bool reverse;
};

static int compare(const void *a, const void *b, void *arg)
{
	const struct snapshot_container *x = a, *y = b;
	const struct sort_by *by = arg;
	double v = sort_value(x, by->key), w = sort_value(y, by->key);
	char n[OWNER_NAME_SZ * 3], m[OWNER_NAME_SZ * 3];
	int order = 0;

	if (isnan(v) != isnan(w))
		return isnan(v) - isnan(w); /* unknown last, whatever the direction */
	if (!isnan(v) && v != w)
		order = v > w ? -1 : 1;
	if (!order) {
		owner_format(&x->owner, n, sizeof(n));
		owner_format(&y->owner, m, sizeof(m));
		order = strcmp(n, m);
	}
	return by->reverse ? -order : order;
}

void report_sort(struct snapshot *s, enum sort_key key, bool reverse)
{
	struct sort_by by = {key, reverse};

	if (key == SORT_WHY && !reverse)
		return; /* verdicts_apply() has done it */
	if (key == SORT_WHY) {
		for (int i = 0; i < s->container_cnt / 2; i++) {
			struct snapshot_container t = s->containers[i];

			s->containers[i] = s->containers[s->container_cnt - 1 - i];
			s->containers[s->container_cnt - 1 - i] = t;
		}
		return;
	}
	qsort_r(s->containers, (size_t)s->container_cnt, sizeof(*s->containers), compare, &by);
}
