/* SPDX-License-Identifier: BSD-2-Clause */
/* eventdump FILE|-: prints a recording (.gsraw) as text, one line a record: its number, its type, and name=value of
 * what is in it. For looking at what a run really saw, and for comparing two. Texts are printed with everything
 * unprintable as \xNN. Ends with 0, or with 1 where the recording is cut or damaged (what came before is printed), 2
 * where it is none. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "events/replay_source.h"
#include "probes/probes.h"

static void u64(const char *name, uint64_t value)
{
	printf(" %s=%" PRIu64, name, value);
}

static void i64(const char *name, int64_t value)
{
	if (value == SAMPLE_UNKNOWN)
		printf(" %s=?", name);
	else
		printf(" %s=%" PRId64, name, value);
}

static void real(const char *name, double value)
{
	printf(" %s=%.9g", name, value);
}

static void text(const char *name, const char *s)
{
	printf(" %s=\"", name);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
			printf("\\x%02x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void address(const struct net_addr *a)
{
	int family = a->family == NET_AF_INET6 ? AF_INET6 : AF_INET;
	char l[INET6_ADDRSTRLEN], r[INET6_ADDRSTRLEN];

	if (!a->family)
		return;
	inet_ntop(family, a->laddr, l, sizeof(l));
	inet_ntop(family, a->raddr, r, sizeof(r));
	printf(" local=[%s]:%u peer=[%s]:%u", l, a->lport, r, a->rport);
}

static void gc_start(const union event *e)
{
	u64("mark_start", e->gc_start.mark_start_ns);
	u64("procs", e->gc_start.procs);
	u64("trigger", e->gc_start.trigger);
}

static void gc_pause(const union event *e)
{
	u64("start", e->gc_pause.start_ns);
	u64("stopped", e->gc_pause.stopped_ns);
	u64("reason", e->gc_pause.reason);
	u64("flags", e->gc_pause.flags);
	text("text", e->gc_pause.text);
}

static void throttle(const union event *e)
{
	u64("start", e->throttle.start_ns);
	u64("cpu", e->throttle.cpu);
	u64("how", e->throttle.how);
}

static void throttle_missed(const union event *e)
{
	u64("start", e->throttle_missed.start_ns);
	i64("missed", e->throttle_missed.missed_ns);
}

static void proc(const union event *e)
{
	u64("start_boottime", e->proc.start_ns);
	u64("exit_code", e->proc.exit_code);
	text("comm", e->proc.comm);
}

static void tcp_connect(const union event *e)
{
	u64("start", e->tcp_connect.start_ns);
	address(&e->tcp_connect.addr);
	u64("netns", e->tcp_connect.netns);
	u64("error", e->tcp_connect.error);
	u64("syn_retransmits", e->tcp_connect.syn_retransmits);
}

static void tcp_flow(const union event *e)
{
	const struct event_tcp_flow *f = &e->tcp_flow;

	address(&f->addr);
	u64("netns", f->netns);
	u64("role", f->role);
	u64("flags", f->flags);
	u64("srtt_us", f->srtt_us);
	u64("rtt_min_us", f->rtt_min_us);
	u64("segs_out", f->segs_out);
	u64("segs_in", f->segs_in);
	u64("retransmits", f->retransmits);
	u64("spurious", f->spurious);
	u64("bytes_out", f->bytes_out);
	u64("bytes_in", f->bytes_in);
	u64("age", f->age_ns);
}

static void tcp_retransmit(const union event *e)
{
	address(&e->tcp_retransmit.addr);
	u64("netns", e->tcp_retransmit.netns);
	u64("segments", e->tcp_retransmit.segments);
	u64("syn", e->tcp_retransmit.syn);
}

static void tcp_reset(const union event *e)
{
	address(&e->tcp_reset.addr);
	u64("netns", e->tcp_reset.netns);
	u64("received", e->tcp_reset.received);
}

static void dns_query(const union event *e)
{
	u64("start", e->dns_query.start_ns);
	address(&e->dns_query.addr);
	u64("netns", e->dns_query.netns);
	u64("id", e->dns_query.id);
	u64("qtype", e->dns_query.qtype);
	u64("result", e->dns_query.result);
	i64("rcode", (int32_t)e->dns_query.rcode);
	u64("tries", e->dns_query.tries);
	text("name", e->dns_query.name);
}

static void oom_kill(const union event *e)
{
	u64("memory_cgid", e->oom_kill.memory_cgid);
	u64("total_vm", e->oom_kill.total_vm_bytes);
	u64("anon_rss", e->oom_kill.anon_rss_bytes);
	u64("file_rss", e->oom_kill.file_rss_bytes);
	u64("shmem_rss", e->oom_kill.shmem_rss_bytes);
	i64("oom_score_adj", e->oom_kill.oom_score_adj);
	text("comm", e->oom_kill.comm);
}

static void runq(const union event *e)
{
	u64("start", e->runq.start_ns);
	u64("throttled", e->runq.throttled_ns);
	u64("cpu", e->runq.cpu);
	text("comm", e->runq.comm);
	u64("prev_tgid", e->runq.prev_tgid);
	u64("prev_tid", e->runq.prev_tid);
	text("prev_comm", e->runq.prev_comm);
}

static void runq_window(const union event *e)
{
	u64("start", e->runq_window.start_ns);
	u64("cnt", e->runq_window.cnt);
	u64("sum", e->runq_window.sum_ns);
	u64("max", e->runq_window.max_ns);
	u64("throttled", e->runq_window.throttled_ns);
	for (unsigned int i = 0; i < RUNQ_BUCKETS; i++)
		if (e->runq_window.buckets[i])
			printf(" [%u]=%u", i, e->runq_window.buckets[i]);
}

static void runq_mean(const union event *e)
{
	u64("start", e->runq_mean.start_ns);
	u64("delay", e->runq_mean.delay_ns);
	u64("runs", e->runq_mean.runs);
}

static const struct {
	const char *name;
	void (*print)(const union event *e);
} kinds[] = {
	[EVENT_GC_START] = {"gc_start", gc_start},
	[EVENT_GC_MARK_END] = {"gc_mark_end", NULL},
	[EVENT_GC_PAUSE] = {"gc_pause", gc_pause},
	[EVENT_THROTTLE] = {"throttle", throttle},
	[EVENT_THROTTLE_MISSED] = {"throttle_missed", throttle_missed},
	[EVENT_PROC_EXEC] = {"proc_exec", proc},
	[EVENT_PROC_EXIT] = {"proc_exit", proc},
	[EVENT_TCP_CONNECT] = {"tcp_connect", tcp_connect},
	[EVENT_TCP_FLOW] = {"tcp_flow", tcp_flow},
	[EVENT_TCP_RETRANSMIT] = {"tcp_retransmit", tcp_retransmit},
	[EVENT_TCP_RESET] = {"tcp_reset", tcp_reset},
	[EVENT_DNS_QUERY] = {"dns_query", dns_query},
	[EVENT_OOM_KILL] = {"oom_kill", oom_kill},
	[EVENT_RUNQ] = {"runq", runq},
	[EVENT_RUNQ_WINDOW] = {"runq_window", runq_window},
	[EVENT_RUNQ_MEAN] = {"runq_mean", runq_mean},
};

static void event(const union event *e)
{
	unsigned int kind = e->hdr.kind;

	printf(" %s", kind < ARRAY_SIZE(kinds) && kinds[kind].name ? kinds[kind].name : "?");
	u64("time", e->hdr.time_ns);
	u64("tgid", e->hdr.tgid);
	u64("tid", e->hdr.tid);
	u64("cpu_cgid", e->hdr.cpu_cgid);
	u64("v2_cgid", e->hdr.v2_cgid);
	u64("binary", e->hdr.binary);
	if (kind < ARRAY_SIZE(kinds) && kinds[kind].print)
		kinds[kind].print(e);
}

static void owner(const struct record_owner *r)
{
	const struct owner *o = &r->owner;

	u64("id", r->id);
	u64("kind", (uint64_t)o->kind);
	text("namespace", o->namespace_);
	text("pod", o->pod);
	text("pod_uid", o->pod_uid);
	text("container", o->container);
	text("container_id", o->container_id);
	text("runtime", o->runtime);
	text("workload_kind", o->workload_kind);
	text("workload_name", o->workload_name);
	text("cgroup", o->cgroup);
	text("cgroup_v2", o->cgroup_v2);
	text("cgroup_memory", o->cgroup_memory);
	u64("v2_cgid", o->v2_cgid);
	i64("host_pid", o->host_pid);
	text("host_comm", o->host_comm);
	u64("sandbox", o->sandbox);
	for (uint32_t i = 0; i < r->level_cnt; i++)
		printf(" level[%u]=%" PRIu64, i, r->levels[i]);
}

static void process(const struct record_process *r)
{
	i64("pid", r->pid);
	i64("vpid", r->vpid);
	u64("owner", r->owner_id);
	u64("flags", r->flags);
	u64("state", r->state);
	u64("netns", r->netns);
	u64("start_unix", r->start_unix_ns);
	u64("start", r->start_ns);
	text("comm", r->comm);
	text("go_version", r->go_version);
	text("exe", r->exe);
	text("build_id", r->build_id);
	text("why", r->why);
	text("go_gc_why", r->go_gc_why);
	text("go_runtime_why", r->go_runtime_why);
}

static void process_gone(const struct record_process_gone *r)
{
	i64("pid", r->pid);
	u64("time", r->time_ns);
	if (r->has_exit)
		u64("exit_code", r->exit_code);
}

static void sample(const struct record_sample *r)
{
	const struct runtime_sample *s = &r->sample;

	i64("pid", r->pid);
	u64("time", s->time_ns);
	i64("gomaxprocs", s->gomaxprocs);
	i64("gogc", s->gogc);
	i64("memory_limit", s->memory_limit_bytes);
	i64("heap_live", s->heap_live_bytes);
	i64("heap_goal", s->heap_goal_bytes);
	i64("numgc", s->numgc);
	i64("pause_total", s->pause_total_ns);
	i64("mapped_ready", s->mapped_ready_bytes);
	i64("goroutines", s->goroutines);
	i64("gc_cpu", s->gc_cpu_ns);
	i64("assist", s->assist_ns);
}

static void limits(const struct record_limits *r)
{
	u64("owner", r->owner_id);
	real("cpu_limit", r->limits.cpu_limit);
	u64("period", r->limits.cpu_period_ns);
	u64("quota", r->limits.cpu_quota_ns);
	u64("cgid", r->limits.cpu_limit_cgid);
	text("cgroup", r->limits.cpu_limit_cgroup);
	real("cpu_request", r->limits.cpu_request);
	i64("memory_limit", r->limits.memory_limit);
}

static void usage(const struct record_usage *r)
{
	const struct cgroup_usage *u = &r->usage;

	u64("owner", r->owner_id);
	u64("flags", r->flags);
	u64("time", u->time_ns);
	i64("cpu", u->cpu_ns);
	if (r->flags & RECORD_USAGE_FAST)
		return;
	i64("nr_periods", u->nr_periods);
	i64("nr_throttled", u->nr_throttled);
	i64("throttled", u->throttled_ns);
	i64("memory", u->memory_bytes);
	i64("working_set", u->working_set_bytes);
	i64("peak", u->memory_peak_bytes);
	i64("oom_kills", u->oom_kills);
}

static void signal_line(const struct record_signal *r)
{
	u64("id", r->id);
	u64("mode", r->mode);
	real("hit_cost_ns", r->hit_cost_ns);
	real("window_share", r->window_share);
	u64("hits", r->counters.hits);
	u64("events", r->counters.events);
	u64("filtered", r->counters.filtered);
	for (unsigned int i = 0; i < LOSS_REASON_MAX; i++)
		if (r->counters.lost[i])
			printf(" lost[%u]=%" PRIu64, i, (uint64_t)r->counters.lost[i]);
	text("mechanism", r->mechanism);
	text("reason", r->reason);
}

static void node(const struct record_node *r)
{
	u64("time", r->time_ns);
	u64("busy", r->busy);
	u64("steal", r->steal);
	u64("total", r->total);
	u64("memory_total", r->memory_total);
	u64("memory_available", r->memory_available);
	u64("agent_cpu", r->agent_cpu_ns);
	i64("agent_rss", r->agent_rss_bytes);
	u64("looked_at", r->looked_at);
}

static void session(const struct record_session *r)
{
	u64("start", r->start_ns);
	u64("ready", r->ready_ns);
	i64("cpus", r->cpus);
	u64("signals", r->sorts_signals);
	text("node", r->node_name);
	text("agent", r->agent_version);
}

static void owner_gone(const struct record_id *r)
{
	u64("id", r->id);
	u64("time", r->time_ns);
}

static void clocks(const struct record_clock *r)
{
	u64("mono", r->mono_ns);
	u64("unix", r->unix_ns);
}

static void tick(const struct record_tick *r)
{
	u64("time", r->time_ns);
	u64("window", r->window_ns);
}

static void go_sched(const struct record_go_sched *r)
{
	i64("pid", r->pid);
	u64("cnt", r->cnt);
	for (uint32_t i = 0; i < r->cnt; i++) {
		const struct go_sched_event *e = &r->events[i];

		printf("\n ");
		u64("kind", e->kind);
		u64("time", e->time_ns);
		printf(" g=%#" PRIx64 " arg=%#" PRIx64 " startpc=%#" PRIx64, (uint64_t)e->g, (uint64_t)e->arg,
		       (uint64_t)e->startpc);
		u64("goid", e->goid);
		u64("p", e->p);
		u64("reason", e->reason);
	}
}

static void sched_name(const struct record_sched_name *r)
{
	i64("pid", r->pid);
	u64("what", r->what);
	printf(" id=%#" PRIx64, r->id);
	text("function", r->function);
	text("at", r->at);
}

static void sched_window(const struct record_sched_window *r)
{
	i64("pid", r->pid);
	u64("id", r->id);
	u64("end", r->end);
	u64("start", r->start_ns);
	u64("end_time", r->end_ns);
	for (unsigned int i = 1; i < GO_SCHED_KIND_CNT; i++)
		printf(" hits[%u]=%" PRIu64, i, r->hits[i]);
	u64("lost_ring", r->lost[GO_SCHED_LOST_RING]);
	u64("lost_unreadable", r->lost[GO_SCHED_LOST_UNREADABLE]);
	u64("late", r->late);
	real("cost_ns", r->cost_ns);
	u64("cpu", r->cpu_ns);
}

static void overhead(const struct record_overhead *r)
{
	i64("pid", r->pid);
	u64("time", r->time_ns);
	u64("off", r->off);
	u64("cpu", r->cpu_ns);
	for (unsigned int i = 0; i < OVERHEAD_GROUP_CNT; i++)
		printf(" cost[%u]=%.9g", i, r->cost_ns[i]);
	real("max_ratio", r->max_ratio);
	real("credit_ns", r->credit_ns);
	u64("next", r->next_ns);
}

static void body(const struct record *r)
{
	switch (r->type) {
	case RECORD_EVENT:
		event(r->body);
		break;
	case RECORD_OWNER:
		owner(r->body);
		break;
	case RECORD_OWNER_GONE:
		owner_gone(r->body);
		break;
	case RECORD_PROCESS:
		process(r->body);
		break;
	case RECORD_PROCESS_GONE:
		process_gone(r->body);
		break;
	case RECORD_SAMPLE:
		sample(r->body);
		break;
	case RECORD_LIMITS:
		limits(r->body);
		break;
	case RECORD_USAGE:
		usage(r->body);
		break;
	case RECORD_SIGNAL:
		signal_line(r->body);
		break;
	case RECORD_NODE:
		node(r->body);
		break;
	case RECORD_CLOCK:
		clocks(r->body);
		break;
	case RECORD_TICK:
		tick(r->body);
		break;
	case RECORD_SESSION:
		session(r->body);
		break;
	case RECORD_GO_SCHED:
		go_sched(r->body);
		break;
	case RECORD_SCHED_NAME:
		sched_name(r->body);
		break;
	case RECORD_SCHED_WINDOW:
		sched_window(r->body);
		break;
	case RECORD_OVERHEAD:
		overhead(r->body);
		break;
	}
}

static int report(const char *path, const struct replay_source *s, int outcome)
{
	fflush(stdout);
	if (replay_source_skipped(s))
		fprintf(stderr, "eventdump: %s: %" PRIu64 " records of unknown types skipped\n", path,
			replay_source_skipped(s));
	if (outcome == REPLAY_END)
		return 0;
	fprintf(stderr, "eventdump: %s: after record %" PRIu64 ": %s\n", path, replay_source_cnt(s),
		outcome < 0             ? strerror(-outcome)
		: outcome == REPLAY_CUT ? "the file ends here, without its closing mark"
					: "damaged");
	return 1;
}

int main(int argc, char **argv)
{
	struct replay_source *s;
	struct record r;
	char why[WHY_SZ];
	int outcome, status;

	if (argc != 2 || (argv[1][0] == '-' && argv[1][1])) {
		fprintf(stderr, "usage: eventdump FILE.gsraw|-\n");
		return 2;
	}
	if (replay_source_open(argv[1], &s, why)) {
		fprintf(stderr, "eventdump: %s: %s\n", argv[1], why);
		return 2;
	}
	while ((outcome = replay_source_next(s, &r)) == REPLAY_RECORD) {
		printf("%" PRIu64 " %s", replay_source_cnt(s), record_type_name(r.type));
		body(&r);
		putchar('\n');
	}
	status = report(argv[1], s, outcome);
	replay_source_close(s);
	return fflush(stdout) ? 1 : status;
}
