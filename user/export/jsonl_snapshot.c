/* SPDX-License-Identifier: BSD-2-Clause */
/* Snapshots and processes as JSON, field by field in the contract's order. Every key of the contract is always there:
 * what is unknown, or belongs to a signal that is off, is null (a list or map: empty). Fields beyond the contract stand
 * after its own. */
#include "export/jsonl_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "diagnose/verdicts.h"
#include "export/jsonl.h"
#include "export/jw.h"
#include "export/names.h"
#include "procs/process.h"
#include "runtime/sample.h"
#include "stats/dist.h"

static int64_t sum(int64_t a, int64_t b)
{
	return a == STAT_UNKNOWN || b == STAT_UNKNOWN ? STAT_UNKNOWN : a + b;
}

static void nulls(struct jw *w, const char *const *keys, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		jw_null(w, keys[i]);
}

/* ---- list ---- */

static void process_signal(struct jw *w, const char *key, bool on, const char *why, const char *via)
{
	jw_begin(w, key, '{');
	jw_text(w, "state", on ? "on" : "off");
	jw_text(w, "reason", on ? NULL : why);
	jw_text(w, "via", on ? via : NULL);
	jw_end(w, '}');
}

static void process_signals(struct jw *w, const struct process *p)
{
	const struct binary *b = p->binary;
	const char *gc_why = *p->go_gc_why ? p->go_gc_why : p->why;
	const char *runtime_why = *p->go_runtime_why ? p->go_runtime_why : p->why;
	char via[64] = "";

	if (b)
		snprintf(via, sizeof(via), "uprobe at %s", probe_how_text(b->sites[GO_SITE_START_WORLD].how));
	jw_begin(w, "signals", '{');
	process_signal(w, "go_gc", p->go_gc_on, gc_why, via);
	process_signal(w, "go_runtime", p->go_runtime_on, runtime_why, b ? binary_layout_text(b) : NULL);
	jw_end(w, '}');
}

static const char *process_state_name(enum process_state s)
{
	static const char *const names[] = {
		[PROCESS_OBSERVED] = "observed", [PROCESS_PARTIAL] = "partial", [PROCESS_REFUSED] = "refused",
		[PROCESS_HELPER] = "helper",     [PROCESS_SKIPPED] = "skipped",
	};

	return (size_t)s < ARRAY_SIZE(names) ? names[s] : NULL;
}

static void boolean(struct jw *w, const char *key, const struct binary *b, bool v)
{
	if (b)
		jw_bool(w, key, v);
	else
		jw_null(w, key);
}

char *jsonl_process(const struct process *p, const struct owner *o)
{
	const struct binary *b = p->binary;
	struct jw w;

	jw_init(&w);
	jw_begin(&w, NULL, '{');
	jw_text(&w, "schema", "gopherscope.process/1");
	jw_int(&w, "pid", p->pid);
	jw_unix_nano(&w, "start_unix_nano", p->start_unix_ns);
	jw_text(&w, "comm", p->comm);
	jw_text(&w, "exe", p->exe);
	jw_text(&w, "go_version", b ? b->go_version : NULL);
	jw_text(&w, "build_id", b ? b->build_id : NULL);
	jw_text(&w, "arch", b ? b->arch : NULL);
	jw_text(&w, "module", b ? b->module : NULL);
	boolean(&w, "stripped", b, b && b->stripped);
	boolean(&w, "pie", b, b && b->pie);
	boolean(&w, "cgo", b, b && b->cgo);
	jsonl_owner(&w, "owner", o);
	process_signals(&w, p);
	jw_text(&w, "state", process_state_name(p->state));
	jw_text(&w, "reason", p->why);
	jw_end(&w, '}');
	return jw_take(&w);
}

/* ---- node and agent ---- */

static void node(struct jw *w, const struct snapshot *s)
{
	jw_begin(w, "node", '{');
	jw_text(w, "name", s->node_name);
	jsonl_integer_if(w, "cpus", s->node_cpus > 0, s->node_cpus);
	jw_real(w, "cpu_busy_ratio", s->cpu_busy_ratio);
	jw_real(w, "steal_ratio", s->steal_ratio);
	jw_real(w, "memory_used_ratio", s->memory_used_ratio);
	jw_end(w, '}');
}

/* Reasons that lost something. */
static void lost_reasons(struct jw *w, const struct snapshot_signal *sig)
{
	jw_begin(w, sig->name, '{');
	for (int r = 0; r < LOSS_REASON_CNT; r++)
		if (sig->lost[r])
			jw_int(w, loss_reason_name((enum loss_reason)r), (int64_t)sig->lost[r]);
	jw_end(w, '}');
}

static void signal_state(struct jw *w, const struct snapshot_signal *sig)
{
	jw_begin(w, sig->name, '{');
	jw_text(w, "state", sig->state);
	jw_text(w, "reason", sig->reason);
	jw_int(w, "hits", (int64_t)sig->hits);
	jw_int(w, "events", (int64_t)sig->events);
	jw_int(w, "filtered", (int64_t)sig->filtered);
	jsonl_real_if(w, "window_share", !strcmp(sig->state, "window"), sig->window_share);
	jsonl_real_if(w, "hit_cost_seconds", sig->hit_cost_ns > 0, sig->hit_cost_ns / 1e9);
	jw_text(w, "mechanism", sig->mechanism);
	jw_end(w, '}');
}

static void agent(struct jw *w, const struct snapshot *s)
{
	jw_begin(w, "agent", '{');
	jw_real(w, "cpu_seconds", s->agent_cpu_seconds);
	jw_known(w, "rss_bytes", s->agent_rss_bytes);
	jw_int(w, "events", (int64_t)s->events);
	jw_begin(w, "lost", '{');
	for (int i = 0; i < SIGNAL_CNT; i++)
		if (s->signals[i].present)
			lost_reasons(w, &s->signals[i]);
	jw_end(w, '}');
	jw_begin(w, "signals", '{');
	for (int i = 0; i < SIGNAL_CNT; i++)
		if (s->signals[i].present)
			signal_state(w, &s->signals[i]);
	jw_end(w, '}');
	jw_end(w, '}');
}

/* ---- one container ---- */

static void processes(struct jw *w, const struct snapshot_container *c)
{
	jw_begin(w, "processes", '[');
	for (int i = 0; i < c->process_cnt; i++) {
		const struct snapshot_process *p = &c->processes[i];

		jw_begin(w, NULL, '{');
		jw_int(w, "pid", p->pid);
		jw_unix_nano(w, "start_unix_nano", p->start_unix_ns);
		jw_text(w, "go_version", p->go_version);
		jw_known(w, "gomaxprocs", p->gomaxprocs);
		jw_text(w, "gomaxprocs_by", p->maxprocs_by ? maxprocs_by_text((enum maxprocs_by)p->maxprocs_by) : NULL);
		jw_known(w, "goroutines", p->goroutines);
		jw_known(w, "threads", p->os_threads);
		jw_known(w, "thread_limit", p->thread_limit);
		jw_known(w, "fds", p->fds);
		jw_known(w, "fd_limit", p->fd_limit);
		jw_known(w, "rss_bytes", p->rss_bytes);
		jw_known(w, "heap_live_bytes", p->heap_live_bytes);
		jw_known(w, "heap_goal_bytes", p->heap_goal_bytes);
		jw_known(w, "cycles_total", p->numgc);
		jw_end(w, '}');
	}
	jw_end(w, ']');
}

static void gc(struct jw *w, const struct snapshot_gc *g)
{
	bool told = g->on || g->passive;

	jw_begin(w, "gc", '{');
	jsonl_integer_if(w, "cycles", told, g->cycles);
	jw_known(w, "cycles_total", g->cycles_total);
	jsonl_dist_if(w, "pause_seconds", told, &g->pause);
	jw_begin(w, "pauses_by_reason", '{');
	for (uint32_t r = 0; g->on && r < ARRAY_SIZE(g->pauses_by_reason); r++)
		if (g->pauses_by_reason[r] > 0)
			jw_int(w, stw_reason_name(r), g->pauses_by_reason[r]);
	jw_end(w, '}');
	jw_real(w, "cpu_ratio", g->cpu_ratio);
	jw_real(w, "assist_seconds", g->assist_seconds);
	jw_known(w, "assists", g->assists);
	jw_known(w, "assist_waits", g->assist_waits);
	jsonl_dist_if(w, "assist_wait_seconds", g->assist_waits != STAT_UNKNOWN, &g->assist_wait);
	jw_known(w, "heap_live_bytes", g->heap_live_bytes);
	jw_known(w, "heap_goal_bytes", g->heap_goal_bytes);
	jw_known(w, "gogc", g->gogc);
	jw_known(w, "memory_limit_bytes", g->memory_limit_bytes);
	jsonl_dist_if(w, "mark_seconds", g->on, &g->mark);
	jsonl_real_if(w, "mark_wall_ratio", g->on, g->mark_wall_ratio);
	jw_bool(w, "cpu_ratio_estimated", g->cpu_estimated);
	jw_bool(w, "passive", g->passive);
	jw_real(w, "cpu_seconds", g->cpu_seconds);
	jw_real(w, "last_minute_cpu_ratio", g->last_minute_cpu_ratio);
	jw_end(w, '}');
}

static void throttle(struct jw *w, const struct snapshot_cpu *c)
{
	static const char *const consumers[] = {"go_user", "go_gc_worker", "go_gc_assist", "non_go", "unclassified"};
	bool on = c->intervals != STAT_UNKNOWN;

	jw_begin(w, "throttle", '{');
	jw_known(w, "intervals", c->intervals);
	jsonl_real_if(w, "union_seconds", on, c->union_seconds);
	jsonl_real_if(w, "cpu_seconds", on, c->cpu_seconds);
	jsonl_real_if(w, "ratio", on, c->ratio);
	jsonl_dist_if(w, "length_seconds", on, &c->length);
	jw_begin(w, "consumers", '{');
	nulls(w, consumers, ARRAY_SIZE(consumers));
	jw_end(w, '}');
	jw_known(w, "nr_periods", c->nr_periods);
	jw_known(w, "nr_throttled", c->nr_throttled);
	jw_real(w, "kernel_cpu_seconds", c->kernel_cpu_seconds);
	jsonl_real_if(w, "missed_seconds", on, c->missed_seconds);
	jw_end(w, '}');
}

static void cpu(struct jw *w, const struct snapshot_cpu *c)
{
	bool watched = c->runq.cnt >= 0 && c->runq_watched_seconds > 0;

	jw_begin(w, "cpu", '{');
	jw_real(w, "usage_seconds", c->usage_seconds);
	jw_real(w, "limit_cpus", c->limit_cpus);
	jw_real(w, "request_cpus", c->request_cpus);
	jsonl_dist_if(w, "runq_seconds", watched, &c->runq);
	throttle(w, c);
	jsonl_real_if(w, "runq_watched_seconds", watched, c->runq_watched_seconds);
	jsonl_real_if(w, "runq_throttled_seconds", watched, c->runq_throttled_seconds);
	jw_real(w, "runq_mean_seconds", c->runq_mean_seconds);
	jsonl_integer_if(w, "runq_outliers", watched, c->runq_outliers);
	jw_text(w, "runq_rival", watched ? c->runq_rival : NULL);
	jw_end(w, '}');
}

static void peers(struct jw *w, const struct snapshot_net *n)
{
	static const char *const roles[] = {[TCP_ROLE_CLIENT] = "client", [TCP_ROLE_SERVER] = "server"};

	jw_begin(w, "peers", '[');
	for (int i = 0; n->on && i < n->peer_cnt; i++) {
		const struct snapshot_peer *p = &n->peers[i];

		jw_begin(w, NULL, '{');
		jw_text(w, "address", p->address);
		jsonl_integer_if(w, "port", p->port, p->port);
		jw_text(w, "role", p->role < ARRAY_SIZE(roles) ? roles[p->role] : NULL);
		jw_known(w, "open", p->open);
		jw_known(w, "opened", p->opened);
		jw_known(w, "connects", p->connects);
		jw_known(w, "failed", p->failed);
		jsonl_dist_if(w, "connect_seconds", true, &p->connect);
		jsonl_dist_if(w, "rtt_seconds", true, &p->rtt);
		jw_real(w, "rtt_min_seconds", p->rtt_min_seconds);
		jw_known(w, "segments", p->segments);
		jw_known(w, "retransmits", p->retransmits);
		jw_known(w, "syn_retransmits", p->syn_retransmits);
		jw_known(w, "resets", p->resets);
		jw_end(w, '}');
	}
	jw_end(w, ']');
}

static void failed_connects(struct jw *w, const struct snapshot_net *n)
{
	char buf[NAMES_TEXT_SZ];

	jw_begin(w, "failed_connects", '{');
	for (int i = 0; n->on && i < n->failed_by_cnt; i++)
		jw_int(w, n->failed_by[i].error ? names_errno(n->failed_by[i].error, buf) : "other",
		       n->failed_by[i].cnt);
	jw_end(w, '}');
}

static void net_more(struct jw *w, const struct snapshot_net *n)
{
	const struct {
		const char *key;
		bool on;
		int64_t value;
	} rows[] = {
		{"connects", n->on, n->connects},
		{"connects_failed", n->on, n->failed},
		{"segments_received", n->on, n->segments_in},
		{"syn_retransmits", n->on, n->syn_retransmits},
		{"resets_sent", n->on, n->resets_sent},
		{"resets_received", n->on, n->resets_received},
		{"opened_client", n->on, n->opened_client},
		{"opened_server", n->on, n->opened_server},
		{"open_client", n->on, n->open_client},
		{"open_server", n->on, n->open_server},
		{"dns_queries", n->dns_on, n->dns_queries},
		{"dns_timeouts", n->dns_on, n->dns_timeouts},
		{"dns_nxdomain", n->dns_on, n->dns_nxdomain},
		{"dns_servfail", n->dns_on, n->dns_servfail},
	};

	jsonl_real_if(w, "rtt_min_seconds", n->on, n->rtt_min_seconds);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		jsonl_integer_if(w, rows[i].key, rows[i].on, rows[i].value);
}

static void net(struct jw *w, const struct snapshot_net *n)
{
	jw_begin(w, "net", '{');
	jsonl_dist_if(w, "connect_seconds", n->on, &n->connect);
	jsonl_dist_if(w, "rtt_seconds", n->on, &n->rtt);
	jsonl_integer_if(w, "segments", n->on, n->segments);
	jsonl_integer_if(w, "retransmits", n->on, n->retransmits);
	jsonl_integer_if(w, "spurious_retransmits", n->on, n->spurious);
	jsonl_integer_if(w, "resets", n->on, sum(n->resets_sent, n->resets_received));
	jsonl_integer_if(w, "connections", n->on, sum(sum(n->open_client, n->open_server), n->open_unknown));
	failed_connects(w, n);
	jsonl_dist_if(w, "dns_seconds", n->dns_on, &n->dns);
	jsonl_integer_if(w, "dns_failures", n->dns_on, n->dns_failures);
	peers(w, n);
	net_more(w, n);
	jw_end(w, '}');
}

static void memory(struct jw *w, const struct snapshot_memory *m)
{
	jw_begin(w, "memory", '{');
	jw_known(w, "usage_bytes", m->usage_bytes);
	jw_known(w, "working_set_bytes", m->working_set_bytes);
	jw_known(w, "limit_bytes", m->limit_bytes);
	jw_known(w, "oom_kills", m->oom_kills);
	jw_known(w, "peak_bytes", m->peak_bytes);
	jw_known(w, "oom_kills_window", m->oom_kills_window);
	jw_real(w, "growth_bytes_per_second", m->growth_bytes_per_second);
	jw_known(w, "go_bytes", m->go_bytes);
	jw_known(w, "non_go_bytes", m->non_go_bytes);
	jw_end(w, '}');
}

static void verdicts(struct jw *w, const struct snapshot_container *c)
{
	jw_begin(w, "verdicts", '[');
	for (int i = 0; i < c->verdict_cnt; i++) {
		const struct verdict *v = &c->verdicts[i];

		jw_begin(w, NULL, '{');
		jw_text(w, "id", v->id);
		jw_text(w, "severity", verdict_severity_name(v->severity));
		jw_unix_nano(w, "since_unix_nano", v->since_unix_ns);
		jsonl_verdict(w, v);
		jw_end(w, '}');
	}
	jw_end(w, ']');
}

static void container(struct jw *w, const struct snapshot_container *c)
{
	jw_begin(w, NULL, '{');
	jsonl_owner(w, "owner", &c->owner);
	processes(w, c);
	jw_real(w, "cost_ratio", c->cost_ratio);
	jsonl_overhead(w, &c->overhead);
	gc(w, &c->gc);
	jsonl_sched(w, c);
	cpu(w, &c->cpu);
	net(w, &c->net);
	memory(w, &c->memory);
	verdicts(w, c);
	jw_bool(w, "gone", c->gone);
	jw_seconds(w, "seen_seconds", c->seen_ns);
	jw_int(w, "processes_not_observable", c->refused_cnt);
	jw_end(w, '}');
}

static char *snapshot(const struct snapshot *s, const struct snapshot_container *containers, int cnt)
{
	struct jw w;

	jw_init(&w);
	jw_begin(&w, NULL, '{');
	jw_text(&w, "schema", "gopherscope.snapshot/1");
	jw_unix_nano(&w, "time_unix_nano", s->time_unix_ns);
	jw_real(&w, "window_seconds", s->window_seconds);
	node(&w, s);
	agent(&w, s);
	jw_begin(&w, "containers", '[');
	for (int i = 0; i < cnt; i++)
		container(&w, &containers[i]);
	jw_end(&w, ']');
	jw_end(&w, '}');
	return jw_take(&w);
}

char *jsonl_snapshot(const struct snapshot *s)
{
	return snapshot(s, s->containers, s->container_cnt);
}

char *jsonl_why(const struct snapshot *s, const struct snapshot_container *c)
{
	return snapshot(s, c, 1);
}
