/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened in one container, kept as events for the longest window; every snapshot counts afresh from them, so a
 * late event still lands where it belongs. Bounded; what does not fit is counted as loss (`limit`). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "event.h"
#include "pods/limits.h"
#include "runtime/sample.h"
#include "stats/detail.h"
#include "stats/gc_cycle.h"
#include "stats/go_sched_stats.h"
#include "stats/net_stats.h"
#include "stats/snapshot.h"
#include "stats/stats_budget.h"

#define STATS_WINDOW_MAX_NS 60000000000ull
#define STATS_PAUSES_MAX    16384 /* 60 s at 100 cycles/s with two pauses each, and room */
#define STATS_CYCLES_MAX    8192
#define STATS_PASSIVE_MAX   16384 /* the ring of a process holds 256, read once a second */
#define STATS_MISSED_MAX    2048  /* one a period at most, and room */
#define STATS_READINGS_MAX  2048  /* readings closer than 60 ms replace one another */
#define STATS_THROTTLES_MAX 65536 /* 64 CPUs x 10 periods/s x 60 s, and room */

struct container_stats;

/* budget: borrowed, shared by all containers; NULL: none. */
int container_stats_new(struct stats_budget *budget, struct container_stats **ret);
struct container_stats *container_stats_free(struct container_stats *c);

/* When watching began (CLOCK_MONOTONIC). Without it: the time of the first usage reading. */
void container_stats_since(struct container_stats *c, uint64_t since_ns);
/* Events of its processes and of the quota that holds it. */
void container_stats_pause(struct container_stats *c, uint32_t pid, const struct event_gc_pause *e);
void container_stats_cycle(struct container_stats *c, uint64_t start_ns, uint64_t end_ns);
void container_stats_mark(struct container_stats *c, uint64_t start_ns, uint64_t end_ns);
/* A cycle as the runtime's own pause ring tells it, of a process without go_gc: one value for all its stops. */
void container_stats_passive(struct container_stats *c, uint64_t end_ns, uint64_t pause_ns);
void container_stats_throttle(struct container_stats *c, const struct event_throttle *e);
void container_stats_throttle_missed(struct container_stats *c, const struct event_throttle_missed *e);
void container_stats_cycle_done(struct container_stats *c, int32_t pid,
				const struct gc_cycle_done *d); /* for detail: the last ones */
/* cpu_sched: an armed window, for every container (one without waits in it had none); then one armed window of a
 * container with waits, the means between, single long waits. */
void container_stats_runq_armed(struct container_stats *c, uint64_t start_ns, uint64_t end_ns);
void container_stats_runq_window(struct container_stats *c, const struct event_runq_window *e);
void container_stats_runq_mean(struct container_stats *c, const struct event_runq_mean *e);
/* own: who ran instead is of this container. */
void container_stats_runq(struct container_stats *c, const struct event_runq *e, bool own);
/* go_assist: one wait for mark credit; how many assists did mark work. */
void container_stats_assist(struct container_stats *c, const struct event_gc_assist *e);
void container_stats_assists(struct container_stats *c, const struct event_gc_assists *e);
void container_stats_oom(struct container_stats *c, uint64_t time_ns);
/* go_runtime: waits for a P of one of its processes since the last reading; whether it had an idle P. */
void container_stats_latency(struct container_stats *c, const struct runtime_latency *l, bool diluted);
void container_stats_procs(struct container_stats *c, uint64_t time_ns, bool idle);
/* A goroutine window of one of its processes is over; both borrowed, sum NULL: nothing of it was followed. */
void container_stats_go_sched(struct container_stats *c, const struct go_sched_sum *sum, const struct go_sched_end *e);
/* The container's network; never NULL. */
struct net_stats *container_stats_net(struct container_stats *c);
/* Working set, for the slope of 5 minutes. */
void container_stats_memory(struct container_stats *c, uint64_t time_ns, int64_t working_set_bytes);
/* CPU time read many times a second while the container's screen is open. */
void container_stats_poll(struct container_stats *c, uint64_t time_ns, int64_t cpu_ns);
/* Cycles, spans, polls and runq_watched of ret for [from, to]; notes are the model's. */
void container_stats_detail(const struct container_stats *c, uint64_t from_ns, uint64_t to_ns, struct detail *ret);
/* Readings, about one a second and one right before a snapshot. Counters that fall (a process went, another cgroup
 * holds the quota) are a break: nothing is counted for that step. Totals that gain a process with a past must be told
 * as INT64_MIN (unknown) once, or the past would count as use. */
void container_stats_usage(struct container_stats *c, const struct cgroup_usage *u);
void container_stats_gc_cpu(struct container_stats *c, uint64_t time_ns, int64_t gc_cpu_ns_total,
			    int64_t assist_ns_total);
void container_stats_cost(struct container_stats *c, uint64_t time_ns, double cost_ns_total);

/* Drops what is older than STATS_WINDOW_MAX_NS. */
void container_stats_expire(struct container_stats *c, uint64_t now_ns);
/* Fills net, cpu.runq_*, memory.oom_kills_window and growth, seen_ns, gc (not on, passive, cycles_total and heap
 * values), sched.latency, diluted, idle_p_ratio and window (not open), cpu (not limits), cost_ratio of ret for [now -
 * window, now]. A ret->seen_ns > 0 given by the caller says how long it was watched when container_stats_since() was
 * not called. */
void container_stats_fill(const struct container_stats *c, uint64_t now_ns, uint64_t window_ns,
			  struct snapshot_container *ret);
/* Events that did not fit, since the start: loss reason `limit`. */
uint64_t container_stats_lost(const struct container_stats *c);
