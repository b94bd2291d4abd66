/* SPDX-License-Identifier: BSD-2-Clause */
/* Snapshots made by hand for the tests of view/ and export/: the one of screens.md 1 as far as signals exist, and rows
 * that are gone, unresolved or unknown. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "probes/probes.h"
#include "runtime/census.h"
#include "runtime/sample.h"
#include "stats/dist.h"
#include "stats/snapshot.h"

#define SAMPLE_TIME_NS 1753878667500000000ull /* 2025-07-30 12:31:07.5 UTC */
#define SAMPLE_MIB     1048576ll
#define SAMPLE_ROWS    7

static inline struct dist sample_dist(int64_t cnt, double p50, double p99, double max)
{
	return (struct dist){cnt, p50 * (double)cnt, p50 / 2, p50, (p50 + p99) / 2, p99, max};
}

static inline void sample_signal_state(struct snapshot *s, enum signal_id id, const char *state, const char *reason)
{
	str_copy(s->signals[id].state, sizeof(s->signals[id].state), state);
	str_copy(s->signals[id].reason, sizeof(s->signals[id].reason), reason);
}

static inline void sample_signals(struct snapshot *s)
{
	static const char *const names[SIGNAL_CNT] = {"go_gc",      "go_runtime", "cpu_throttle",
						      "proc_watch", "cpu_sched",  "net_tcp",
						      "net_dns",    "mem_oom",    "go_assist",
						      "go_sched"};

	for (int i = 0; i < SIGNAL_CNT; i++) {
		str_copy(s->signals[i].name, sizeof(s->signals[i].name), names[i]);
		str_copy(s->signals[i].state, sizeof(s->signals[i].state), "on");
		s->signals[i].present = true;
	}
	str_copy(s->signals[SIGNAL_CPU_SCHED].state, sizeof(s->signals[SIGNAL_CPU_SCHED].state), "window");
	s->signals[SIGNAL_CPU_SCHED].window_share = 0.1;
	sample_signal_state(s, SIGNAL_GO_ASSIST, "off", SIGNAL_UNASKED "go_assist");
	sample_signal_state(s, SIGNAL_GO_SCHED, "off", SIGNAL_UNASKED "go_sched");
	s->signals[SIGNAL_GO_GC].hits = 1208;
	s->signals[SIGNAL_GO_GC].events = 1200;
	s->signals[SIGNAL_GO_GC].filtered = 8;
}

/* A node without containers. */
static inline void sample_node(struct snapshot *s)
{
	snapshot_init(s);
	s->time_unix_ns = SAMPLE_TIME_NS;
	s->time_mono_ns = 5000000000000ull;
	s->window_seconds = 10;
	str_copy(s->node_name, sizeof(s->node_name), "ip-10-1-4-17");
	s->node_cpus = 32;
	s->cpu_busy_ratio = 0.61;
	s->steal_ratio = 0.004;
	s->memory_used_ratio = 0.71;
	s->agent_cpu_seconds = 12.25;
	s->agent_cpu_ratio = 0.003;
	s->agent_rss_bytes = 18 * SAMPLE_MIB;
	s->events = 1200;
	sample_signals(s);
}

static inline void sample_owner(struct owner *o, const char *ns, const char *pod, const char *container,
				const char *workload)
{
	o->kind = OWNER_POD;
	str_copy(o->namespace_, sizeof(o->namespace_), ns);
	str_copy(o->pod, sizeof(o->pod), pod);
	str_copy(o->container, sizeof(o->container), container);
	str_copy(o->pod_uid, sizeof(o->pod_uid), "3f2a0f6e-9a43-4c3b-8f0e-5b1f1d7f0a11");
	str_copy(o->container_id, sizeof(o->container_id), "9c41e0aa17");
	str_copy(o->runtime, sizeof(o->runtime), "containerd");
	str_copy(o->workload_kind, sizeof(o->workload_kind), workload ? "Deployment" : "");
	str_copy(o->workload_name, sizeof(o->workload_name), workload ? workload : "");
	str_copy(o->cgroup, sizeof(o->cgroup), "/kubepods/burstable/pod3f2a0f6e/9c41e0aa17");
}

static inline void sample_process(struct snapshot_container *c, int32_t pid, const char *version, int64_t procs)
{
	struct snapshot_process *p = &c->processes[c->process_cnt++];

	snapshot_process_init(p);
	p->pid = pid;
	p->start_unix_ns = SAMPLE_TIME_NS - 3600000000000ull;
	str_copy(p->comm, sizeof(p->comm), "server");
	str_copy(p->go_version, sizeof(p->go_version), version);
	p->gomaxprocs = procs;
	p->gogc = 100;
	p->memory_limit_bytes = -1;
	p->maxprocs_by = MAXPROCS_DEFAULT;
	p->goroutines = 19;
	p->os_threads = 41;
	p->thread_limit = -1;
	p->fds = 118;
	p->fd_limit = 1048576;
	p->rss_bytes = 171 * SAMPLE_MIB;
	p->heap_live_bytes = 38 * SAMPLE_MIB;
	p->heap_goal_bytes = 76 * SAMPLE_MIB;
	p->numgc = 100;
}

static inline struct dist sample_none(void)
{
	return (struct dist){0, 0, NAN, NAN, NAN, NAN, NAN};
}

/* Waits of goroutines for a P; the histogram that they come from knows no sum, no shortest and no longest. */
static inline void sample_go_sched(struct snapshot_container *c, int64_t cnt, double p50, double p99, bool diluted)
{
	c->sched.latency = (struct dist){cnt, NAN, NAN, p50, (p50 + p99) / 2, p99, NAN};
	c->sched.diluted = diluted;
}

static inline void sample_group(struct snapshot_container *c, int64_t cnt, double per_minute, double oldest,
				const char *reason)
{
	struct snapshot_group *g = &c->sched.groups[c->sched.group_cnt++];

	memset(g, 0, sizeof(*g));
	g->pid = c->process_cnt ? c->processes[0].pid : 0;
	g->state = GOROUTINE_WAITING;
	g->cnt = cnt;
	g->per_minute = per_minute;
	g->oldest_seconds = oldest;
	g->growth_ratio = g->known_seconds = NAN;
	str_copy(g->reason, sizeof(g->reason), reason);
}

static inline void sample_sites(struct snapshot_container *c, const char *created, const char *created_at,
				const char *blocked, const char *blocked_at)
{
	struct snapshot_group *g = &c->sched.groups[c->sched.group_cnt - 1];

	str_copy(g->created, sizeof(g->created), created);
	str_copy(g->created_at, sizeof(g->created_at), created_at);
	str_copy(g->blocked, sizeof(g->blocked), blocked);
	str_copy(g->blocked_at, sizeof(g->blocked_at), blocked_at);
}

/* The goroutines of screens.md 5, and some that only real programs have. */
static inline void sample_groups(struct snapshot_container *c)
{
	sample_group(c, 1204, 96, 753, "chan receive");
	sample_sites(c, "cart.(*Hub).Subscribe", "hub.go:88", "cart.(*Hub).loop", "hub.go:131");
	c->sched.groups[0].mark = 1;
	sample_group(c, 312, 0, 14.2, "sync.Mutex.Lock");
	sample_sites(c, "net/http.(*Server).Serve", "/usr/local/go/src/net/http/server.go:3285", "cart.(*Store).Get",
		     "store.go:41");
	c->sched.groups[1].mark = 2;
	sample_group(c, 40, -3.04, 75, "chan receive (nil chan)");
	sample_sites(c, "github.com/acme/shop/internal/worker.(*Pool[github.com/acme/shop/api.Order]).Start.func1",
		     "pool_with_a_long_name.go:1288", "github.com/acme/shop/internal/worker.wait", "");
	c->sched.groups[2].mark = 3;
	sample_group(c, 16, 0, 273600, "select");
	sample_sites(c, "main.startWorkers", "main.go:57", "main.worker", "main.go:71");
	sample_group(c, 3, NAN, NAN, "");
	sample_sites(c, "ma\033[2Jin.main", "main.go:30", "", "");
	c->sched.groups[4].state = GOROUTINE_RUNNING;
	c->sched.waiting = 1572;
	c->sched.running = 3;
	c->sched.census_age_seconds = 12;
}

/* Run queue, network and names of a container that is fine. */
static inline void sample_delays(struct snapshot_container *c, double runq, double rtt, double dns)
{
	c->cpu.runq = sample_dist(4810, runq / 20, runq, runq * 4);
	c->cpu.runq_watched_seconds = 1;
	c->net.rtt = sample_dist(120, rtt / 2, rtt, rtt * 2);
	c->net.rtt_min_seconds = rtt / 4;
	c->net.connect = sample_dist(3, rtt, rtt * 1.5, rtt * 1.5);
	c->net.connects = c->net.opened_client = 3;
	c->net.open_client = 12;
	c->net.segments = c->net.segments_in = 41000;
	c->net.retransmits = 2;
	c->net.dns = sample_dist(24, dns / 4, dns, dns);
	c->net.dns_queries = 24;
}

static inline void sample_peer(struct snapshot_container *c, const char *address, uint16_t port)
{
	struct snapshot_peer *p = &c->net.peers[c->net.peer_cnt++];

	memset(p, 0, sizeof(*p));
	str_copy(p->address, sizeof(p->address), address);
	p->port = port;
	p->role = TCP_ROLE_CLIENT;
	p->open = 6;
	p->opened = p->connects = 1;
	p->connect = c->net.connect;
	p->rtt = c->net.rtt;
	p->rtt_min_seconds = c->net.rtt_min_seconds;
	p->segments = c->net.segments / 2;
	p->retransmits = 1;
}

/* A container in which nothing happens, everything known. */
static inline void sample_quiet(struct snapshot_container *c, double cpus, double cpu_limit)
{
	snapshot_container_init(c);
	c->processes = calloc(2, sizeof(*c->processes));
	c->seen_ns = 10000000000ull;
	c->goroutines = 38;
	c->cost_ratio = 0.0002;
	c->gc.on = true;
	c->gc.cycles = 0;
	c->gc.cycles_total = 100;
	c->gc.pause = c->gc.mark = sample_none();
	memset(c->gc.pauses_by_reason, 0, sizeof(c->gc.pauses_by_reason));
	c->gc.mark_wall_ratio = 0;
	c->gc.cpu_ratio = 0.04;
	c->gc.assist_seconds = 0;
	c->gc.heap_live_bytes = 38 * SAMPLE_MIB;
	c->gc.heap_goal_bytes = 76 * SAMPLE_MIB;
	c->gc.gogc = 100;
	c->gc.memory_limit_bytes = -1;
	c->cpu.usage_cpus = cpus;
	c->cpu.usage_seconds = cpus * 10;
	c->cpu.limit_cpus = cpu_limit;
	c->cpu.request_cpus = 0.5;
	c->cpu.period_ns = cpu_limit > 0 ? 100000000 : 0;
	c->cpu.intervals = 0;
	c->cpu.union_seconds = c->cpu.cpu_seconds = c->cpu.missed_seconds = c->cpu.ratio = 0;
	c->cpu.length = c->cpu.runq = sample_none();
	c->cpu.runq_watched_seconds = 1;
	c->cpu.runq_throttled_seconds = 0;
	c->cpu.runq_mean_seconds = NAN;
	c->cpu.runq_outliers = 0;
	c->cpu.nr_periods = 100;
	c->cpu.nr_throttled = 0;
	c->cpu.kernel_cpu_seconds = 0;
	memset(&c->net, 0, sizeof(c->net));
	c->sched.on = true;
	c->sched.running = c->sched.runnable = c->sched.syscall = c->sched.leaked = c->sched.queue = 0;
	c->sched.waiting = 38;
	c->sched.threads = 9;
	c->sched.procs = 4;
	c->sched.procs_idle = 3;
	c->sched.idle_p_ratio = 1;
	sample_go_sched(c, 40, 0.000003, 0.00004, false);
	c->net.on = c->net.dns_on = true;
	c->net.connect = c->net.rtt = c->net.dns = sample_none();
	c->net.rtt_min_seconds = NAN;
	c->memory = (struct snapshot_memory){.usage_bytes = 180 * SAMPLE_MIB,
					     .working_set_bytes = 174 * SAMPLE_MIB,
					     .limit_bytes = 512 * SAMPLE_MIB,
					     .peak_bytes = 200 * SAMPLE_MIB,
					     .go_bytes = 110 * SAMPLE_MIB,
					     .non_go_bytes = 22 * SAMPLE_MIB,
					     .growth_bytes_per_second = 0};
}

static inline struct verdict *sample_verdict(struct snapshot_container *c, const char *id, const char *culprit,
					     enum verdict_severity severity, const char *text, const char *advice,
					     const char *seen)
{
	struct verdict *v = &c->verdicts[c->verdict_cnt++];

	memset(v, 0, sizeof(*v));
	str_copy(v->id, sizeof(v->id), id);
	str_copy(v->culprit, sizeof(v->culprit), culprit);
	v->severity = severity;
	v->since_unix_ns = SAMPLE_TIME_NS - 147000000000ull;
	str_copy(v->text, sizeof(v->text), text);
	str_copy(v->advice, sizeof(v->advice), advice);
	str_copy(v->seen, sizeof(v->seen), seen);
	return v;
}

static inline void sample_checkout(struct snapshot_container *c)
{
	struct verdict *v;

	sample_quiet(c, 1.98, 2);
	sample_owner(&c->owner, "shop", "checkout-api-7d9c6b5f4-x2x9k", "app", "checkout-api");
	sample_process(c, 48213, "go1.22.5", 32);
	c->goroutines = 412;
	c->cost_ratio = 0.0008;
	c->gc.cycles = 142;
	c->gc.cycles_total = 18121;
	c->gc.pause = sample_dist(284, 0.000041, 0.068, 0.0714);
	c->gc.pauses_by_reason[STW_GC_MARK_TERM] = c->gc.pauses_by_reason[STW_GC_SWEEP_TERM] = 142;
	c->gc.mark = sample_dist(142, 0.041, 0.09, 0.094);
	c->gc.mark_wall_ratio = 0.58;
	c->gc.cpu_ratio = 0.62;
	c->gc.assist_seconds = 1.02;
	c->cpu.intervals = 992;
	c->cpu.union_seconds = 4.11;
	c->cpu.cpu_seconds = 65.5;
	c->cpu.ratio = 0.411;
	c->cpu.length = sample_dist(992, 0.066, 0.0941, 0.0946);
	c->cpu.nr_throttled = 62;
	c->cpu.kernel_cpu_seconds = 65.6;
	sample_delays(c, 0.00031, 0.00192, 0.062);
	sample_go_sched(c, 91204, 0.000003, 0.0882, true);
	c->sched.procs = 32;
	c->sched.procs_idle = 0;
	c->sched.queue = 214;
	c->sched.idle_p_ratio = 0.1;
	c->cpu.runq_throttled_seconds = 38.2;
	sample_peer(c, "10.96.0.12", 5432);
	sample_peer(c, "2001:db8::42", 443);
	v = sample_verdict(
		c, "throttled", "gc", VERDICT_CRITICAL,
		"Held by its CPU limit 41% of the time, up to 94 ms at once; 62% of the CPU it burned was garbage "
		"collection.",
		"set GOMAXPROCS=2 (is 32: 32 threads empty the 200 ms quota in 6.3 ms); GOGC=400 cuts 14.2 "
		"cycles/s to about 3.5.",
		"limit 2.0, 62 of 100 periods throttled, GC 12.3 of 19.8 cpu-s, heap live 38M goal 76M, memory "
		"limit 512M.");
	str_copy(v->also, sizeof(v->also),
		 "DNS answers of 62 ms (p99) follow from it: it is held up to 95 ms at once.");
	v->evidence[v->evidence_cnt++] = (struct evidence){"cpu.throttle.ratio", 0.411, "1", 0.25};
	v->evidence[v->evidence_cnt++] = (struct evidence){"gc.cpu_ratio", 0.62, "1", NAN};
	sample_verdict(c, "gomemlimit", "", VERDICT_ADVICE, "Memory limit 512M, GOMEMLIMIT none.",
		       "set GOMEMLIMIT=409MiB.", "");
}

static inline void sample_cart(struct snapshot_container *c)
{
	sample_quiet(c, 0.412, 1);
	sample_owner(&c->owner, "shop", "cart-0", "cart", NULL);
	sample_process(c, 50110, "go1.24.3", 1);
	sample_process(c, 50111, "go1.24.3", 1);
	c->goroutines = 1204;
	c->gc.cycles = 12;
	c->gc.pause = sample_dist(24, 0.00002, 0.000048, 0.000048);
	c->gc.cpu_ratio = 0.31;
	c->memory.working_set_bytes = 476 * SAMPLE_MIB;
	sample_delays(c, 0.000122, 0.00041, 0.0012);
	sample_go_sched(c, 4120, 0.000002, 0.000061, true);
	c->processes[1].maxprocs_by = MAXPROCS_ENV;
	c->processes[1].fds = 900;
	c->processes[1].fd_limit = 1024;
	c->processes[1].thread_limit = 50;
	c->processes[1].gogc = STAT_UNKNOWN;
	sample_groups(c);
	c->sched.groups[1].pid = 50111;
	sample_verdict(c, "mem-limit-gc", "", VERDICT_WARNING,
		       "31% of its CPU is garbage collection under its memory limit.",
		       "raise the memory limit to 640M, or find the leak.", "working set 476M of 512M.");
}

/* Owner known by cgroup only, nothing of its Go process can be read. */
static inline void sample_unattributed(struct snapshot_container *c)
{
	snapshot_container_init(c);
	c->owner.kind = OWNER_UNATTRIBUTED;
	str_copy(c->owner.pod_uid, sizeof(c->owner.pod_uid), "3f2a0f6e-9a43-4c3b-8f0e-5b1f1d7f0a11");
	str_copy(c->owner.container_id, sizeof(c->owner.container_id), "9c41e0aa17");
	str_copy(c->owner.cgroup, sizeof(c->owner.cgroup),
		 "/kubepods/burstable/pod3f2a0f6e-9a43-4c3b-8f0e-5b1f1d7f0a11/9c41e0aa17");
	c->refused_cnt = 1;
	c->cpu.usage_cpus = 0.002;
	c->cpu.limit_cpus = 0.1;
	c->cpu.intervals = 0;
	c->cpu.ratio = 0;
	c->cpu.length.cnt = 0;
	c->memory.limit_bytes = 100 * SAMPLE_MIB;
	c->memory.working_set_bytes = 8 * SAMPLE_MIB;
}

static inline void sample_host(struct snapshot_container *c)
{
	sample_quiet(c, 0.054, -1);
	c->owner.kind = OWNER_HOST;
	c->owner.host_pid = 911;
	str_copy(c->owner.host_comm, sizeof(c->owner.host_comm), "containerd");
	sample_process(c, 911, "go1.23.2", 32);
	c->goroutines = 58;
	c->gc.cycles = 1;
	c->gc.pause = sample_dist(2, 0.00002, 0.000029, 0.000029);
	c->cpu.runq = sample_dist(40, 0.00001, 0.00011, 0.00013);
	c->memory.limit_bytes = -1;
}

/* screens.md 1 */
static inline void sample_busy(struct snapshot *s)
{
	struct snapshot_container *c;

	sample_node(s);
	s->processes_go = 7;
	s->processes_not_observable = 1;
	s->containers = c = calloc(SAMPLE_ROWS, sizeof(*c));
	s->container_cnt = SAMPLE_ROWS;
	sample_checkout(&c[0]);
	sample_cart(&c[1]);
	sample_quiet(&c[2], 2.61, 4);
	sample_owner(&c[2].owner, "shop", "search-5c7d8f9b44-m4k2p", "search", "search");
	sample_process(&c[2], 50200, "go1.22.5", 32);
	c[2].gc.pause = sample_dist(8, 0.00005, 0.00009, 0.00009);
	sample_delays(&c[2], 0.000201, 0.00038, 0.0009);
	sample_go_sched(&c[2], 2000, 0.000003, 0.000512, true);
	sample_verdict(&c[2], "gomaxprocs", "", VERDICT_ADVICE, "GOMAXPROCS is 32 and the CPU limit 4.",
		       "set GOMAXPROCS=4.", "");
	sample_quiet(&c[3], 0.22, -1);
	sample_owner(&c[3].owner, "pay", "ledger-6b8f4d7c99-qq7vz", "ledger", "ledger");
	sample_process(&c[3], 50300, "go1.25.1", 32);
	c[3].seen_ns = 3200000000ull;
	sample_host(&c[4]);
	sample_unattributed(&c[5]);
	sample_quiet(&c[6], 0, 1);
	sample_owner(&c[6].owner, "shop", "migrate-28x7k", "migrate", NULL);
	c[6].gone = true;
}

/* Nothing wrong anywhere. */
static inline void sample_fine(struct snapshot *s)
{
	sample_node(s);
	s->containers = calloc(1, sizeof(*s->containers));
	s->container_cnt = s->processes_go = 1;
	sample_cart(s->containers);
	s->containers->verdict_cnt = 0;
	s->containers->gc.cpu_ratio = 0.02;
	s->containers->gc.pause.max = 0.00031;
}

/* Signals off, losses, and a container of which nothing is known. */
static inline void sample_unknown(struct snapshot *s)
{
	snapshot_init(s);
	s->time_unix_ns = SAMPLE_TIME_NS;
	s->window_seconds = 10;
	sample_signals(s);
	sample_signal_state(
		s, SIGNAL_CPU_THROTTLE, "off",
		"no address of sched_cfs_period_timer in /proc/kallsyms: kernel.kptr_restrict is 2; set it to 1 or 0");
	sample_signal_state(s, SIGNAL_GO_GC, "degraded", "2 of 3 binaries have no safe probe site");
	sample_signal_state(s, SIGNAL_NET_DNS, "off", "no cgroup v2 mount; mount one (docs: net_dns)");
	s->signals[SIGNAL_GO_GC].lost[LOSS_RING_FULL] = 12;
	s->signals[SIGNAL_GO_GC].lost[LOSS_UNPAIRED] = 3;
	s->signals[SIGNAL_GO_GC].lost_window = 12;
	s->lost = 15;
	s->containers = calloc(2, sizeof(*s->containers));
	s->container_cnt = 2;
	snapshot_container_init(&s->containers[0]);
	sample_owner(&s->containers[0].owner, "ns", "pod-0", "c", NULL);
	sample_quiet(&s->containers[1], 0.5, 1);
	sample_owner(&s->containers[1].owner, "ns", "pod-1", "c", NULL);
	sample_process(&s->containers[1], 7, "go1.19.13", STAT_UNKNOWN);
	s->containers[1].gc.pause = sample_dist(2, 0.0004, 0.0004, 0.0004);
	s->containers[1].sched.on = false;
	snapshot_throttle_unknown(&s->containers[1].cpu);
	snapshot_runq_unknown(&s->containers[1].cpu);
	snapshot_dns_unknown(&s->containers[1].net);
}
