/* SPDX-License-Identifier: BSD-2-Clause */
/* Owns every stage and wires output to input: the architecture on one page. One event loop, one thread (links of
 * binaries are released by a worker of probes/). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "options.h"
#include "pods/limits.h"
#include "pods/owner_index.h"
#include "probes/probes.h"
#include "procs/proc_table.h"
#include "runtime/sample.h"
#include "stats/container_stats.h"
#include "stats/gc_cycle.h"
#include "stats/snapshot.h"

/* What the session keeps for a watched process; hangs on process.watched. */
struct watched {
	struct watched *next;      /* of the same container, by pid */
	struct process *process;      /* borrowed */
	struct sampler *sampler;      /* owned; NULL: go_runtime off for it */
	bool sampler_retry;           /* its runtime had not set itself up yet */
	struct runtime_sample sample; /* last good one */
	bool sampled;
	int64_t gc_cpu_base_ns, assist_base_ns; /* of the first one */
	struct gc_cycle_state gc;
	bool gomaxprocs_env; /* its environment sets GOMAXPROCS */
	bool follows_quota;  /* its Go sets GOMAXPROCS by the cgroup's quota */
	uint64_t hits;       /* probe hits that it paid for */
};

/* What the session keeps for an owner with watched processes. */
struct container {
	struct owner *owner;           /* borrowed from the owner index */
	struct container_stats *stats; /* owned */
	struct watched *watched;       /* borrowed list of its live processes */
	int watched_cnt;
	struct cgroup_limits limits;
	struct cgroup_usage usage;
	bool limits_known;
	uint64_t limits_read_ns, memory_read_ns, usage_read_ns;
	double cost_ns;                         /* of all its processes, gone ones included */
	int64_t gc_cpu_gone_ns, assist_gone_ns; /* of processes that ended */
};

/* Who wants single events (trace). All optional; owner may be NULL. */
struct session_ops {
	void (*event)(const union event *e, const struct owner *o, void *arg); /* pauses and throttles */
	void (*cycle)(uint32_t pid, const struct gc_cycle_done *d, const struct owner *o, void *arg);
	void (*process)(const struct event_proc *e, const struct process *p, const struct owner *o, void *arg);
	void (*drained)(void *arg); /* some of these were called: a good moment to flush */
	void *arg;
};

struct session {
	const struct options *opts; /* borrowed */
	struct session_ops ops;
	struct loop *loop;
	struct cgroup_mounts cgroups;
	struct binary_cache *binaries;
	struct owner_index *owners;
	struct proc_table *procs;
	struct probes *probes; /* NULL while toggled off */
	struct ring_source *ring;
	struct hashmap *containers;       /* owner pointer -> struct container */
	struct stats_budget stats_budget; /* of their histories */
	size_t freed_cnt;                 /* containers, since memory was given back */
	bool want_stats;                  /* read usage, limits and runtime values */
	uint64_t start_ns;                /* opening began: younger processes are new ones */
	uint64_t ready_ns;                /* all processes of then were attached: windows begin here */
	uint64_t looked_at;               /* processes of the first pass */
	uint64_t gc_events_lost;          /* of go_gc, on a full ring */
	uint64_t notices_lost;            /* of proc_watch, at the last verification */
	uint64_t values_read_ns;          /* last session_read_values() */
	uint64_t ticked_ns;
	int drain_timer;
	uint64_t drain_ns;     /* its interval now */
	uint64_t lost_user[SIGNAL_CNT][LOSS_REASON_MAX];
};

struct session_cfg {
	const struct options *opts;
	struct session_ops ops;
	bool want_stats;
	bool start_detached; /* toggle mode: no probes until session_attach() */
};

/* Opens everything and finds the processes of now. 0; -EPERM / -ENOTSUP (why says what is missing: exit code 4);
 * -errno. */
int session_open(const struct session_cfg *cfg, struct session **ret, char *why);
struct session *session_close(struct session *s);

/* Toggle mode: all probes on or off. */
int session_attach(struct session *s, char *why);
void session_detach(struct session *s);

/* Ends the loop at SIGINT, SIGTERM, SIGHUP or loop_stop(). */
int session_run(struct session *s);
/* Takes what the ring still holds; number of events. */
int session_drain(struct session *s);
/* Container of an owner, NULL if nothing of it is watched. */
struct container *session_container(const struct session *s, const struct owner *o);
/* Reads usage, limits and runtime values now. */
void session_read_values(struct session *s);
/* Number of Go processes that are watched. */
int session_watched_cnt(const struct session *s);
