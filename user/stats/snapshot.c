/* SPDX-License-Identifier: BSD-2-Clause */
/* Life cycle of snapshots, and the words for numbers that events carry. Everything starts as unknown: what nobody fills
 * must not read as zero. */
#include "stats/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "stats/dist.h"

void snapshot_init(struct snapshot *s)
{
	memset(s, 0, sizeof(*s));
	s->cpu_busy_ratio = s->steal_ratio = s->memory_used_ratio = NAN;
	s->agent_cpu_seconds = s->agent_cpu_ratio = NAN;
	s->agent_rss_bytes = STAT_UNKNOWN;
}

void snapshot_process_init(struct snapshot_process *p)
{
	memset(p, 0, sizeof(*p));
	p->gomaxprocs = p->gogc = p->memory_limit_bytes = STAT_UNKNOWN;
	p->goroutines = p->os_threads = p->thread_limit = p->fds = p->fd_limit = p->rss_bytes = STAT_UNKNOWN;
	p->heap_live_bytes = p->heap_goal_bytes = p->numgc = STAT_UNKNOWN;
}

void snapshot_assist_waits_unknown(struct snapshot_gc *g)
{
	g->assist_waits = STAT_UNKNOWN;
	dist_unknown(&g->assist_wait);
}

void snapshot_assists_unknown(struct snapshot_gc *g)
{
	g->assists = STAT_UNKNOWN;
	snapshot_assist_waits_unknown(g);
}

void snapshot_gc_unknown(struct snapshot_gc *g)
{
	g->cycles = STAT_UNKNOWN;
	dist_unknown(&g->pause);
	for (size_t i = 0; i < ARRAY_SIZE(g->pauses_by_reason); i++)
		g->pauses_by_reason[i] = STAT_UNKNOWN;
	dist_unknown(&g->mark);
	snapshot_assists_unknown(g);
	g->mark_wall_ratio = NAN;
	g->long_pauses = g->long_pauses_throttled = STAT_UNKNOWN;
	g->long_pause_throttled_max = NAN;
}

void snapshot_throttle_unknown(struct snapshot_cpu *c)
{
	c->intervals = STAT_UNKNOWN;
	c->union_seconds = c->cpu_seconds = c->missed_seconds = c->ratio = NAN;
	dist_unknown(&c->length);
}

void snapshot_runq_unknown(struct snapshot_cpu *c)
{
	dist_unknown(&c->runq);
	c->runq_watched_seconds = c->runq_throttled_seconds = c->runq_mean_seconds = NAN;
	c->waiting_threads = NAN;
	c->runq_outliers = STAT_UNKNOWN;
	c->runq_rival[0] = '\0';
	c->runq_rival_own = false;
}

void snapshot_tcp_unknown(struct snapshot_net *n)
{
	dist_unknown(&n->connect);
	dist_unknown(&n->rtt);
	n->rtt_min_seconds = NAN;
	n->connects = n->failed = STAT_UNKNOWN;
	memset(n->failed_by, 0, sizeof(n->failed_by));
	n->failed_by_cnt = 0;
	n->segments = n->segments_in = n->retransmits = n->spurious = n->syn_retransmits = STAT_UNKNOWN;
	n->resets_sent = n->resets_received = STAT_UNKNOWN;
	n->opened_client = n->opened_server = STAT_UNKNOWN;
	n->open_client = n->open_server = n->open_unknown = STAT_UNKNOWN;
	memset(n->peers, 0, sizeof(n->peers));
	n->peer_cnt = 0;
}

void snapshot_dns_unknown(struct snapshot_net *n)
{
	dist_unknown(&n->dns);
	n->dns_queries = n->dns_failures = n->dns_timeouts = STAT_UNKNOWN;
	n->dns_nxdomain = n->dns_servfail = STAT_UNKNOWN;
}

static void sched_unknown(struct snapshot_sched *s)
{
	memset(s, 0, sizeof(*s));
	dist_unknown(&s->latency);
	s->running = s->runnable = s->waiting = s->syscall = s->leaked = STAT_UNKNOWN;
	s->threads = s->procs = s->procs_idle = s->queue = STAT_UNKNOWN;
	s->idle_p_ratio = s->census_age_seconds = NAN;
	s->window.age_seconds = NAN;
	dist_unknown(&s->window.latency);
	dist_unknown(&s->window.netpoll);
}

static void memory_unknown(struct snapshot_memory *m)
{
	m->go_bytes = m->non_go_bytes = STAT_UNKNOWN;
	m->usage_bytes = m->working_set_bytes = m->limit_bytes = m->peak_bytes = STAT_UNKNOWN;
	m->oom_kills = m->oom_kills_window = STAT_UNKNOWN;
	m->growth_bytes_per_second = NAN;
}

void snapshot_container_init(struct snapshot_container *c)
{
	memset(c, 0, sizeof(*c));
	c->goroutines = STAT_UNKNOWN;
	c->cost_ratio = NAN;
	for (int i = 0; i < OVERHEAD_GROUP_CNT; i++)
		c->overhead.ratio[i] = NAN;
	c->overhead.max_ratio = c->overhead.worst_ratio = c->overhead.next_seconds = NAN;

	snapshot_gc_unknown(&c->gc);
	c->gc.cycles_total = STAT_UNKNOWN;
	c->gc.cpu_ratio = c->gc.assist_seconds = c->gc.cpu_seconds = c->gc.last_minute_cpu_ratio = NAN;
	c->gc.heap_live_bytes = c->gc.heap_goal_bytes = c->gc.gogc = STAT_UNKNOWN;
	c->gc.memory_limit_bytes = c->gc.mapped_ready_bytes = STAT_UNKNOWN;

	snapshot_throttle_unknown(&c->cpu);
	c->cpu.usage_seconds = c->cpu.usage_cpus = c->cpu.limit_cpus = c->cpu.request_cpus = NAN;
	c->cpu.nr_periods = c->cpu.nr_throttled = STAT_UNKNOWN;
	c->cpu.kernel_cpu_seconds = NAN;

	snapshot_runq_unknown(&c->cpu);

	snapshot_tcp_unknown(&c->net);
	snapshot_dns_unknown(&c->net);
	sched_unknown(&c->sched);
	memory_unknown(&c->memory);
}

void snapshot_deinit(struct snapshot *s)
{
	for (int i = 0; i < s->container_cnt; i++)
		free(s->containers[i].processes);
	free(s->containers);
	s->containers = NULL;
	s->container_cnt = 0;
	free(s->refused);
	s->refused = NULL;
	s->refused_cnt = 0;
}

/* The short codes of telemetry names; part of the exported contract. */
const char *loss_reason_name(enum loss_reason r)
{
	static const char *const names[LOSS_REASON_CNT] = {
		[LOSS_RING_FULL] = "ring_full",   [LOSS_STATE_FULL] = "state_full",
		[LOSS_UNREADABLE] = "unreadable", [LOSS_UNKNOWN_PROCESS] = "unknown_process",
		[LOSS_UNPAIRED] = "unpaired",     [LOSS_RECURSION] = "recursion",
		[LOSS_INVALID] = "invalid",       [LOSS_STORM] = "storm",
		[LOSS_LIMIT] = "limit",
	};

	return (unsigned int)r < LOSS_REASON_CNT ? names[r] : NULL;
}

/* stwReasonStrings of runtime/proc.go, equal in Go 1.21-1.27. From 12 on they are the runtime's own tests. */
const char *stw_reason_name(uint32_t reason)
{
	static const char *const names[STW_TEST_FIRST + 1] = {
		[STW_UNKNOWN] = "unknown",
		[STW_GC_MARK_TERM] = "GC mark termination",
		[STW_GC_SWEEP_TERM] = "GC sweep termination",
		[STW_HEAP_DUMP] = "write heap dump",
		[STW_GOROUTINE_PROFILE] = "goroutine profile",
		[STW_GOROUTINE_PROFILE_CLEANUP] = "goroutine profile cleanup",
		[STW_ALL_STACKS] = "all goroutines stack trace",
		[STW_READ_MEM_STATS] = "read mem stats",
		[STW_ALL_THREADS_SYSCALL] = "AllThreadsSyscall",
		[STW_GOMAXPROCS] = "GOMAXPROCS",
		[STW_START_TRACE] = "start trace",
		[STW_STOP_TRACE] = "stop trace",
		[STW_TEST_FIRST] = "runtime test",
	};

	return names[reason < STW_TEST_FIRST ? reason : STW_TEST_FIRST];
}

bool loss_reason_hides(enum loss_reason r)
{
	switch (r) {
	case LOSS_UNKNOWN_PROCESS: /* not watched, or not yet */
	case LOSS_UNPAIRED:        /* began before the attach */
		return false;
	default:
		return true;
	}
}
