/* SPDX-License-Identifier: BSD-2-Clause */
/* The live source of records: owns the stages that touch the node (processes, owners, probes, runtime reads) and tells
 * all that they yield as records, in one order. Runs on the caller's event loop, single threaded (links of binaries are
 * released by a worker of probes/). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "events/record.h"
#include "options.h"
#include "pods/limits.h"
#include "pods/owner_index.h"
#include "probes/probes.h"
#include "procs/proc_table.h"
#include "runtime/sample.h"

/* What the session keeps for a watched process; hangs on process.watched. */
struct watched {
	struct watched_owner *owner; /* borrowed */
	struct sampler *sampler;     /* owned; NULL: go_runtime off for it */
	bool sampler_retry;          /* its runtime had not set itself up yet */
	uint32_t flags;              /* enum record_process_flag: what does not change */
	uint32_t netns;
	bool latency_told, pauses_told; /* that they are known at all */
	uint64_t resources_read_ns;
	int64_t maxprocs; /* of the last sample */
	int64_t maxprocs_custom;
	struct {
		int64_t maxprocs, custom; /* for which; maxprocs 0: none yet */
		enum maxprocs_by by;
	} judged;            /* who set GOMAXPROCS */
	uint64_t marks_seen; /* ends of mark phases that go_gc told, ever */
	struct {
		bool known;
		uint64_t marks;
		int64_t numgc;
	} confirmed;                          /* at the last confirmation */
	uint64_t census_ns;                   /* last one began, 0 none */
	uint64_t census_took_ns, census_g_ns; /* its cost, and that of a goroutine */
	uint64_t census_total;                /* goroutines that it found; 0: none yet */
	bool census_off;                      /* where goroutines are is not known for its binary */
	struct shared_lines *lines;           /* of its binary, see session_census.c */
};

/* An owner with watched processes. */
struct watched_owner {
	uint32_t id;         /* in records */
	struct owner *owner; /* borrowed from the owner index */
	struct owner sent;   /* as told last */
	struct cgroup_limits limits;
	struct cgroup_usage usage;
	bool limits_known;
	uint64_t limits_read_ns, memory_read_ns;
};

struct session_cfg {
	const struct options *opts; /* borrowed */
	struct loop *loop;          /* borrowed */
	/* Gets every record; the body is valid during the call. NULL: nobody (list). */
	void (*feed)(const struct record *r, void *arg);
	void (*drained)(void *arg); /* events came: a good moment to flush; may be NULL */
	void *arg;
	bool want_values;    /* read usage, limits and runtime values */
	bool all_events;     /* trace: short waits for a CPU, too */
	bool start_detached; /* toggle mode: no probes until session_attach() */
};

struct session {
	struct session_cfg cfg;
	const struct options *opts; /* borrowed */
	struct cgroup_mounts cgroups;
	struct binary_cache *binaries;
	struct owner_index *owners;
	struct proc_table *procs;
	struct probes *probes; /* NULL while toggled off */
	struct ring_source *ring;
	struct hashmap *watched; /* owner pointer -> struct watched_owner, owned */
	uint32_t last_id;        /* given to an owner */
	size_t freed_cnt;        /* owners, since memory was given back */
	uint64_t start_ns;       /* opening began: younger processes are new ones */
	uint64_t ready_ns;       /* all processes of then were attached: windows begin here */
	uint64_t looked_at;      /* processes of the first pass */
	uint64_t notices_lost;   /* of proc_watch, at the last verification */
	uint64_t values_read_ns; /* last session_read_values() */
	uint64_t ticked_ns;
	int cpus;
	bool own_pids;                    /* the node's process ids are those of our own pid namespace */
	int drain_timer, poll_timer;      /* ids; poll_timer -1: none */
	uint64_t armed_ns;                /* a window of cpu_sched was asked for, for the container polled */
	uint32_t polled_id;               /* owner whose CPU time is read often, 0 none */
	uint64_t drain_ns;                /* interval of the drain timer now */
	const struct event_proc *exiting; /* while its process is removed */
	struct hashmap *lines;            /* binary -> struct shared_lines, owned; NULL: none yet */
	int64_t census_saved_ns;          /* that censuses may take */
	uint64_t census_saved_at_ns;
	uint64_t confirmed_ns, confirmed_lost;      /* last comparison of go_gc with numgc; go_gc's losses of then */
	struct record_signal signals[SIGNAL_CNT];   /* as told last */
	uint64_t lost[SIGNAL_CNT][LOSS_REASON_MAX]; /* by user space */
};

/* Opens everything and finds the processes of now. 0; -EPERM / -ENOTSUP (why says what is missing: exit code 4);
 * -errno. */
int session_open(const struct session_cfg *cfg, struct session **ret, char *why);
struct session *session_close(struct session *s);

/* Toggle mode: all probes on or off. */
int session_attach(struct session *s, char *why);
void session_detach(struct session *s);

/* Takes what the ring still holds; number of events. */
int session_drain(struct session *s);
/* Drains, reads what is not fresh, tells node, signals and then the tick: a snapshot of now is due. */
void session_tick(struct session *s, uint64_t window_ns);
/* Reads the CPU time of one container every 10 ms from now on; 0: of none. */
void session_poll(struct session *s, uint32_t container_id);
/* Number of Go processes that are watched. */
int session_watched_cnt(const struct session *s);

/* For session_values.c and the session itself. */
void session_tell(struct session *s, enum record_type type, const void *body, size_t size);
void session_tell_process(struct session *s, const struct process *p);
void session_open_sampler(struct session *s, struct process *p);
/* session_values.c: usage, limits and runtime values of all; the node; signals whose state or counters moved. */
void session_read_values(struct session *s);
/* An event of go_gc: cycles are counted, to compare them with the runtimes' own count. */
void session_count_cycle(struct session *s, const union event *e);
void session_tell_node(struct session *s, uint64_t now_ns);
void session_tell_signals(struct session *s);
/* session_census.c: goroutines of those whose turn it is; of all; a process goes. */
void session_census(struct session *s, uint64_t now_ns);
void session_census_all(struct session *s, uint64_t now_ns);
void session_census_forget(struct session *s, struct process *p);
/* session_sched.c: windows of go_sched, inside the budget. Asked about a container before its window: what it would
 * cost and how long the budget lets it be open. 0; -EBUSY: one is open; -ENOTSUP and others: none is possible; why for
 * each. */
struct sched_offer {
	double ratio;  /* of its CPU, while it is open; NAN unknown: nothing is known of its switches yet */
	uint64_t ns;   /* so long at most */
	bool at_quota; /* its CPU limit holds it now: refused unless forced */
};
int session_sched_ask(struct session *s, uint32_t container_id, struct sched_offer *ret, char *why);
/* Opens a window on each of its processes. 0, or -errno with why. */
int session_sched_arm(struct session *s, uint32_t container_id, bool force, char *why);
/* Timer of 10 ms while windows are open; each 100 ms else: drains, closes, opens what is asked for. */
void session_sched_tick(struct session *s, uint64_t now_ns);
void session_sched_forget(struct session *s, struct process *p);
/* All windows end (we do). */
void session_sched_stop(struct session *s);
/* From probes_cfg. */
void session_sched_events(pid_t pid, const struct go_sched_event *events, unsigned int cnt, void *arg);
void session_sched_closed(pid_t pid, const struct go_sched_status *status, void *arg);
/* CPU time of a host process in ns; 0 or -errno. */
int session_host_cpu(const struct session *s, pid_t pid, int64_t *ret_ns);
