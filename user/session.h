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
#include "symbols/code_lines.h"

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
	struct sched_watch *sched;            /* owned: its budget and window, see session_sched.h; NULL: none yet */
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
	int64_t last_throttled, last_cpu_ns; /* at the last reading but one */
	uint64_t last_read_ns, throttled_ns; /* throttled_ns: it was seen to be throttled then, 0 never */
	double cpu_use;                      /* CPUs between those readings */
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
	struct {
		uint64_t last_id;              /* given to a window */
		struct record_go_sched *batch; /* owned, NULL before the first window */
		unsigned int reads_left;       /* goroutines that may still be looked up in this drain */
		size_t gs_cnt;                 /* goroutines that are remembered, in all windows */
		char why[WHY_SZ];              /* for whom there can be no window, "" nobody yet */
		uint64_t retry_ns;             /* calibration failed: not before; 0: it never did */
	} sched;
	struct {
		uint64_t end_ns, every_ns; /* end of cpu_sched's last window, and from one to the next */
		uint64_t length_ns;
		char why[WHY_SZ]; /* who makes them wait, "" nobody */
	} runq;
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
/* Tables of the executable that p runs, shared by all of its processes; NULL: none. And a frame as people read it: ""
 * stays what is not known. */
struct code_lines *session_lines(struct session *s, struct process *p);
void session_name_frame(const struct code_frame *f, char *function, size_t function_sz, char *at, size_t at_sz);
/* The drain timer fires in 10 ms. */
void session_drain_soon(struct session *s);
/* session_sched.c: the budget of each process, and windows of go_sched inside it. Asked about a container before its
 * window: what it would cost and how long the budget lets it be open. 0; -EBUSY: one is open; -ENOTSUP and others: none
 * is possible; why for each. */
struct sched_offer {
	double ratio;  /* of its CPU, while it is open; NAN unknown: nothing is known of its switches yet */
	uint64_t ns;   /* so long at most */
	bool at_quota; /* its CPU limit holds it now: refused unless forced */
};
int session_sched_ask(struct session *s, uint32_t container_id, struct sched_offer *ret, char *why);
/* Opens a window on each of its processes. 0, or -errno with why. */
int session_sched_arm(struct session *s, uint32_t container_id, bool force, char *why);
/* Takes what the windows' ring holds. */
int session_sched_drain(struct session *s);
/* Every 10 ms while windows are open, else every 100: closes, opens what is asked for, judges. */
void session_sched_tick(struct session *s, uint64_t now_ns);
/* What an event cost its process. */
void session_sched_event(struct session *s, const union event *e);
/* Waits for a P that the runtime has told since its last reading; p is watched. */
void session_sched_latency(struct session *s, struct process *p, const struct runtime_latency *l);
/* The usage of a container has just been read. */
void session_sched_usage(struct watched_owner *w);
/* cpu_sched is about to open a window of this length: how long the budgets of all allow, 0 not now. For probes_cfg. */
uint64_t session_sched_allow(uint64_t ns, void *arg);
/* Before p goes: its window is over, and is told. */
void session_sched_forget(struct session *s, struct process *p);
/* All windows end (we do) and are told; at most two seconds. */
void session_sched_stop(struct session *s);
/* Ahead of it: says of which processes no window was opened, and why. */
void session_sched_say_none(const struct session *s);
/* From probes_cfg. */
void session_sched_events(pid_t pid, const struct go_sched_event *events, unsigned int cnt, void *arg);
void session_sched_closed(pid_t pid, const struct go_sched_status *status, void *arg);
/* CPU time of a host process in ns; 0 or -errno. */
int session_host_cpu(const struct session *s, pid_t pid, int64_t *ret_ns);
