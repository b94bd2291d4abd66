/* SPDX-License-Identifier: BSD-2-Clause */
/* All BPF of the agent: features, shared maps, one object a signal, links of binaries, counters, storm guard. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "event.h"
#include "loss.h"
#include "process_table.h"
#include "probes/kernel_features.h"
#include "probes/go_assist.h"
#include "probes/go_sched.h"
#include "procs/process.h"
#include "signal_id.h"

enum signal_mode { SIGNAL_OFF, SIGNAL_ON, SIGNAL_DEGRADED, SIGNAL_WINDOW /* armed for a share of the time */ };

/* Why an optional signal is off: no fault, and not to be shown as one. */
#define SIGNAL_UNASKED "only when asked for: --signals +" /* and its name */

struct signal_state {
	enum signal_id id;
	const char *name; /* "go_gc" */
	enum signal_mode mode;
	char mechanism[64];  /* "uprobe_multi at push (emulated)" */
	char note[64];       /* "exact intervals" */
	char why[WHY_SZ];    /* reason when off or degraded */
	double hit_cost_ns;  /* calibrated; 0 unknown */
	double window_share; /* SIGNAL_WINDOW: share of the time in which it is armed, now or by plan; else 0 */
};

struct probes_cfg {
	uint32_t wanted;           /* bits 1 << enum signal_id */
	uint64_t storm_hits_per_s; /* 0 = default 50,000 */
	uint32_t ring_bytes;       /* 0 = default */
	uint32_t sched_ring_bytes; /* of go_sched's ring, a power of two; 0 = default */
	bool force_perf_links;     /* tests: behave as on a kernel without uprobe_multi */
	/* Records that user space makes or reads (iterators, windows): called from probes_tick() and
	 * probes_watch_process(); the record is valid during the call only. NULL: nobody wants them. */
	void (*event)(const union event *e, void *arg);
	void *event_arg;
	uint64_t sched_window_ns, sched_every_ns; /* cpu_sched arms itself for `window` once every `every`; 0: never */
	/* Asked before a planned window of cpu_sched: so long may it be, 0 not now (asked again a second later). Gets
	 * event_arg. NULL: always. */
	uint64_t (*sched_allow)(uint64_t ns, void *arg);
	uint64_t runq_event_min_ns; /* shorter waits are only counted; 0 = default 5 ms */
	uint64_t dns_timeout_ns;    /* a query without answer is given up; 0 = default 5 s */
	const char *root;           /* folder above proc; NULL: "" */
	bool dns_names;             /* copy the names that are asked for */
	/* go_sched, called from probes_sched_drain(): switches of one process, at most GO_SCHED_BATCH, in order;
	 * and the end of its window, once its probes are gone and everything has been told. */
	void (*sched_events)(pid_t pid, const struct go_sched_event *events, unsigned int cnt, void *arg);
	void (*sched_closed)(pid_t pid, const struct go_sched_status *status, void *arg);
	char v2_mount[256]; /* where the unified hierarchy is mounted; "": nowhere */
};

struct probes;

/* Loads what it can. 0 with *ret set even if signals are off (each with its reason); -EPERM when BPF is not allowed at
 * all, -ENOTSUP without BTF or ring buffer: why says what is missing and what to do. */
int probes_new(const struct probes_cfg *cfg, struct probes **ret, char *why);
/* Detaches everything, waits for links being released in the background. */
struct probes *probes_free(struct probes *p);

const struct kernel_features *probes_features(const struct probes *p);
const struct signal_state *probes_signal(const struct probes *p, enum signal_id id);
int probes_ring_fd(const struct probes *p); /* map fd of the ring buffer, borrowed */

/* Makes a process wanted: attaches its binary if this is the first process of it (key: the inode that the kernel uses),
 * adds it to the process table. 0, or an error with why; on error nothing stays attached. exe_fd: /proc/PID/exe. */
int probes_add_process(struct probes *p, const struct process *proc, int exe_fd, char *why);
/* Tells the signals that filter by process (net_tcp, net_dns, cpu_sched) that this one is wanted; its open connections
 * are looked up. Before probes_add_process(), whose failure does not matter here. 0 or -errno. */
int probes_watch_process(struct probes *p, pid_t pid);
/* A known Go process that nobody wants: its hits on a file that it shares with a wanted one are filtered, not lost. */
void probes_ignore_process(struct probes *p, pid_t pid);
/* Forgets it, wanted or ignored; the links of a binary without processes are released off the event loop after a while.
 */
void probes_remove_process(struct probes *p, pid_t pid);

/* Opens a window of cpu_sched for this long from now, or keeps the open one at least so long. 0, -ENOTSUP while the
 * signal is off, -errno. */
int probes_arm_sched(struct probes *p, uint64_t ns);

/* Opens a window of go_sched on a process: from now on its goroutine switches come. exe_fd: /proc/PID/exe. -EBUSY: one
 * is open or not yet gone; -ENOSPC: GO_SCHED_SLOTS - 1 are; -ENOTSUP: no window on this binary or kernel; why for each.
 */
int probes_sched_open(struct probes *p, const struct process *proc, int exe_fd, char *why);
/* Ends it: from now on its hits are late ones, its probes go in the background. */
void probes_sched_close(struct probes *p, pid_t pid);
/* While a window is open or going, every 10 ms; number of events. */
int probes_sched_drain(struct probes *p);
/* Windows that are open or going. */
unsigned int probes_sched_windows(const struct probes *p);
/* Of an open or going window; false: none. */
bool probes_sched_status(const struct probes *p, pid_t pid, struct go_sched_status *ret);
/* Loads and calibrates, once; after an error, again. 0 or -errno with why. */
int probes_sched_prepare(struct probes *p, char *why);
/* The same; NULL after an error. */
const struct go_sched_costs *probes_sched_costs(struct probes *p, char *why);
/* Stack of a park by its id; 0 or -ENOENT. Valid until the window is gone. */
int probes_sched_stack(const struct probes *p, uint64_t id, struct go_sched_stack *ret);

/* Every 100 ms: storm guard (a binary above the hit rate of go_gc or go_assist is detached from it and its processes
 * reported through on_storm),
 * sweep of kernel state, release of links. */
typedef void (*probes_storm_fn)(pid_t pid, enum signal_id id, const char *why, void *arg);
void probes_tick(struct probes *p, uint64_t now_ns, probes_storm_fn on_storm, void *arg);

/* Sums since start; user-space losses (events/loss.h) are not in it. */
int probes_counters(const struct probes *p, enum signal_id id, struct signal_counters *ret);
/* Hits of all probes on the binary of this process since attach, 0 if none. All processes of the binary share it. */
uint64_t probes_binary_hits(const struct probes *p, pid_t pid);
/* What is seen of this process's mark assists. */
enum assist_view probes_assists(const struct probes *p, pid_t pid);
/* Takes the probes of go_assist from the file that the process runs, or puts them there again (exe_fd:
 * /proc/PID/exe): for all processes of the file. Blocks for some 50 ms where they go. 0, -ENOTSUP: it never had them,
 * -errno; why for each. */
int probes_assist_set(struct probes *p, const struct process *proc, bool on, int exe_fd, char *why);
/* Number of wanted processes that share that binary. */
unsigned int probes_binary_processes(const struct probes *p, pid_t pid);
