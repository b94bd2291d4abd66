/* SPDX-License-Identifier: BSD-2-Clause */
/* A consistent picture of one window, for all readers: view, JSON, diagnosis. Plain data; unknown is NAN or
 * STAT_UNKNOWN, "none" and "off" are -1. Times in ns, ratios 0..1. */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "event.h"
#include "loss.h"
#include "pods/owner.h"
#include "overhead_group.h"
#include "signal_id.h"

#define STAT_UNKNOWN INT64_MIN

/* A distribution in seconds. cnt 0: nothing happened; cnt -1: unknown. */
struct dist {
	int64_t cnt;
	double sum, min, p50, p90, p99, max; /* NAN where the source cannot know */
};

struct snapshot_process {
	int32_t pid;
	uint64_t start_unix_ns;
	char comm[20];
	char go_version[64];
	int64_t gomaxprocs;  /* STAT_UNKNOWN */
	bool gomaxprocs_env; /* set by the environment */
	int64_t gogc;
	int64_t memory_limit_bytes;
	bool go_container_aware; /* Go >= 1.25 and not switched off: follows the quota by itself */
	/* below: STAT_UNKNOWN, -1 none */
	uint8_t maxprocs_by; /* enum maxprocs_by of runtime/sample.h */
	int64_t goroutines, os_threads, thread_limit, fds, fd_limit, rss_bytes;
	int64_t heap_live_bytes, heap_goal_bytes, numgc;
};

#define SNAPSHOT_LONG_PAUSE_NS 10000000ull /* the view's critical length of a stop-the-world */

struct snapshot_gc {
	bool on;        /* go_gc works for at least one process */
	bool passive;   /* a process without go_gc: cycles and pause (one value a cycle, the sum of its stops) are the
			   runtime's own; by reason and long ones are unknown unless `on` */
	int64_t cycles; /* finished in the window */
	int64_t cycles_total; /* numgc, summed; STAT_UNKNOWN */
	struct dist pause;    /* every stop-the-world, any reason */
	int64_t pauses_by_reason[STW_TEST_FIRST + 1];
	struct dist mark;       /* length of the mark phase */
	double mark_wall_ratio; /* share of the window in which a mark phase ran */
	double cpu_ratio;       /* GC CPU / CPU used, NAN unknown */
	bool cpu_estimated;     /* its threads had to wait: the runtime's wall times were scaled to what ran of them */
	double assist_seconds;
	int64_t assists;                 /* times a goroutine was made to mark (go_assist); STAT_UNKNOWN when off */
	int64_t assist_waits;            /* goroutines that had to wait for credit (go_assist); STAT_UNKNOWN when off */
	struct dist assist_wait;         /* how long */
	double cpu_seconds;              /* GC CPU in the window: mark workers and assists; NAN unknown */
	double last_minute_cpu_ratio;    /* GC CPU / CPU used over the last 60 s; NAN unknown */
	int64_t long_pauses;             /* of the pauses: those of at least SNAPSHOT_LONG_PAUSE_NS */
	int64_t long_pauses_throttled;   /* of these: overlap a throttle interval of the container */
	double long_pause_throttled_max; /* seconds: the longest of these, 0 none */
	int64_t heap_live_bytes, heap_goal_bytes, gogc, memory_limit_bytes, mapped_ready_bytes;
};

struct snapshot_cpu {
	double usage_seconds; /* in the window, NAN unknown */
	double usage_cpus;    /* usage / window */
	double limit_cpus;    /* -1 none, NAN unknown */
	double request_cpus;
	uint64_t period_ns;    /* of the quota that binds, 0 none */
	int64_t intervals;     /* throttle intervals that overlap the window, each CPU its own; STAT_UNKNOWN when off */
	double union_seconds;  /* wall time with at least one CPU throttled, <= window */
	double cpu_seconds;    /* summed over CPUs, clipped to the window */
	double missed_seconds; /* throttled_time without interval (cpu_throttle's self-check) */
	double ratio;          /* union / window */
	struct dist length;    /* of the intervals, whole */
	int64_t nr_periods, nr_throttled; /* cpu.stat deltas over the window */
	double kernel_cpu_seconds;        /* cpu.stat throttled time delta */
	struct dist runq; /* waits for a CPU, throttled time taken out; only what armed windows saw; cnt -1: none */
	double runq_watched_seconds;   /* of the window covered by armed windows of cpu_sched */
	double runq_throttled_seconds; /* taken out of these waits */
	double runq_mean_seconds;      /* mean wait from sched_info where nothing was throttled; NAN unknown */
	double waiting_threads; /* mean number of its threads that wait for a CPU, throttled ones included; NAN unknown
				 */
	int64_t runq_outliers;  /* EVENT_RUNQ in the window */
	char runq_rival[EVENT_COMM_SZ + 4]; /* comm of the task that most often ran instead in outliers, "" none */
	bool runq_rival_own;                /* it is of this container */
};

#define SNAPSHOT_ERRNOS 6
#define SNAPSHOT_PEERS  16

struct snapshot_peer {
	char address[48]; /* text; "other" for all beyond the bound */
	uint16_t port;    /* of the peer as a server; 0 for clients of ours and for "other" */
	uint8_t role;     /* enum tcp_role of our side */
	int64_t open;     /* connections open now */
	int64_t opened, connects, failed;
	struct dist connect;
	struct dist rtt;
	double rtt_min_seconds; /* NAN unknown */
	int64_t segments, retransmits, syn_retransmits, resets;
	int64_t spurious; /* as in snapshot_net */
};

struct snapshot_net {
	bool on;             /* net_tcp works */
	struct dist connect; /* of those that succeeded */
	struct dist rtt;     /* smoothed; one value a connection and second that moved */
	double rtt_min_seconds;
	int64_t connects; /* attempts that ended in the window, failed ones included */
	int64_t failed;
	struct {
		uint32_t error; /* errno; 0: all others */
		int64_t cnt;
	} failed_by[SNAPSHOT_ERRNOS];
	int failed_by_cnt;
	int64_t segments; /* sent */
	int64_t segments_in;
	int64_t retransmits; /* data */
	int64_t spurious; /* of these: the peer had them already (DSACK); may exceed them by what the network doubles */
	int64_t syn_retransmits;
	int64_t resets_sent, resets_received;
	int64_t opened_client, opened_server;
	int64_t open_client, open_server, open_unknown; /* now */
	bool dns_on;
	struct dist dns; /* query to answer; a timeout counts as its waiting time */
	int64_t dns_queries, dns_failures, dns_timeouts, dns_nxdomain, dns_servfail; /* failures: all but NOERROR */
	struct snapshot_peer peers[SNAPSHOT_PEERS]; /* most segments first, "other" last */
	int peer_cnt;
};

/* Goroutines of one process that are alike: same state, reason, creation site, blocking site. */
struct snapshot_group {
	int32_t pid;
	uint32_t state; /* enum goroutine_state of runtime/census.h */
	int64_t cnt;
	double per_minute;     /* growth, over at most 10 minutes; NAN: seen once, or a sample that says nothing */
	double oldest_seconds; /* longest wait; NAN unknown */
	double growth_ratio;   /* of all goroutines of this creation site: now against 10 minutes ago (or since they are
				  known); NAN   younger than 1 minute */
	double known_seconds;  /* for so long its creation site has been watched */
	bool oldest_grows;     /* that wait has lasted since the first census of that time */
	uint8_t mark;          /* 0 none, 1 "leak?", 2 "blocked", 3 "leaked" (the runtime says so) */
	char reason[40];
	char created[96], created_at[48];
	char blocked[96], blocked_at[48];
};
#define SNAPSHOT_GROUPS 10

/* What windows of go_sched saw of the container: those that ended in the snapshot's window, all together, or else the
 * last one. */
struct snapshot_site {
	char function[96], at[48];
	int64_t cnt;
	double per_second; /* of the time that was armed */
};
#define SNAPSHOT_SITES 6
struct snapshot_sched_window {
	int64_t windows;     /* 0: none yet */
	double seconds;      /* armed, processes one after the other */
	double age_seconds;  /* since the end of the last one; NAN */
	int open;            /* windows that are open now */
	struct dist latency; /* every wait of a runnable goroutine for a P that ended there, exact; cnt -1 none yet */
	struct dist netpoll; /* of these: woken by the network */
	int64_t runs, created, ended;
	int64_t lost; /* events: with these everything here is too low; STAT_UNKNOWN: a window's end was not told */
	int64_t hits;
	double cost_seconds;
	double cpu_seconds;                         /* that the processes used in them, cost included; NAN unknown */
	uint8_t end;                                /* enum sched_window_end of the last one */
	struct snapshot_site sites[SNAPSHOT_SITES]; /* go statements, most goroutines first */
	int site_cnt;
	struct snapshot_site waits[SNAPSHOT_SITES]; /* the same: whose goroutines waited longest; per_second: seconds of
						       waiting a second */
	int wait_cnt;
	struct snapshot_site parks[SNAPSHOT_SITES]; /* function: "REASON at FUNCTION"; at; most parks first */
	int park_cnt;
};

/* What we cost the container's processes. */
struct snapshot_overhead {
	double ratio[OVERHEAD_GROUP_CNT]; /* share of the CPU that it used, over the window; NAN unknown */
	double max_ratio;                 /* --max-overhead; negative: none; NAN unknown */
	double worst_ratio;               /* of the process with the largest share, all groups; NAN */
	uint32_t off;                     /* bits 1 << enum overhead_group, off for at least one process */
	int waiting;                      /* processes with a goroutine window that is wanted and not paid for yet */
	double next_seconds; /* the first of these may open in about so long; INFINITY: none comes at the CPU that they
				use; NAN: none waits */
};

/* The Go scheduler of all processes of the container. */
struct snapshot_sched {
	bool on;             /* passive reads work for at least one process */
	struct dist latency; /* waits for a P that ended in the window (one in 8 is looked at); sum, min, max NAN */
	bool diluted;        /* by zeros of system calls: a process before Go 1.26 */
	int64_t running, runnable, waiting, syscall, leaked; /* of the last census; STAT_UNKNOWN */
	int64_t threads;                                     /* M's */
	int64_t procs, procs_idle, queue; /* Ps, idle ones, runnable goroutines in queues at the last reading */
	double idle_p_ratio;              /* share of readings in the window with an idle P; NAN unknown */
	double census_age_seconds;        /* NAN: none yet */
	struct snapshot_group groups[SNAPSHOT_GROUPS]; /* most goroutines first; unused ones are 0 */
	int group_cnt;
	struct snapshot_sched_window window;
};

struct snapshot_memory {
	int64_t usage_bytes, working_set_bytes, limit_bytes, peak_bytes, oom_kills; /* oom_kills: of the cgroup, ever */
	int64_t oom_kills_window;                                                   /* seen by mem_oom */
	int64_t go_bytes;     /* all that the Go runtimes got from the system and did not give back; STAT_UNKNOWN */
	int64_t non_go_bytes; /* resident memory of these processes beyond that: cgo, mapped files; at least so much:
				 pages that Go got and never touched count as Go's (seen: up to a few MB, or a ballast);
				 within the 256 KB a CPU that the kernel's own counts of resident pages are late;
				 STAT_UNKNOWN */
	double growth_bytes_per_second; /* slope of the working set over the last 5 minutes; NAN unknown (younger than 1
					   minute) */
};

enum verdict_severity { VERDICT_ADVICE, VERDICT_WARNING, VERDICT_CRITICAL };

struct evidence {
	char name[48];
	double value;
	char unit[16];
	double threshold; /* NAN none */
};
#define EVIDENCE_MAX 10

struct verdict {
	char id[24];      /* "throttled" */
	char culprit[24]; /* "gc", "gomaxprocs", "" */
	enum verdict_severity severity;
	uint64_t since_unix_ns;
	char text[256];   /* what is wrong */
	char advice[320]; /* what to do, with numbers */
	char seen[320];   /* the evidence as a sentence */
	char also[200];   /* what follows from it and is no verdict of its own; "" nothing */
	struct evidence evidence[EVIDENCE_MAX];
	int evidence_cnt;
};
#define VERDICTS_MAX 8

struct snapshot_container {
	uint32_t id;        /* of the container in this session or recording; never reused */
	struct owner owner; /* a copy */
	bool gone;
	uint64_t seen_ns;                   /* how long it has been watched, at most the window: numbers cover this */
	struct snapshot_process *processes; /* owned */
	int process_cnt;
	int refused_cnt;    /* Go processes of it that cannot be observed */
	int64_t goroutines; /* STAT_UNKNOWN */
	double cost_ratio;  /* probes' cost / CPU used, NAN unknown */
	struct snapshot_overhead overhead;
	struct snapshot_gc gc;
	struct snapshot_cpu cpu;
	struct snapshot_sched sched;
	struct snapshot_net net;
	struct snapshot_memory memory;
	struct verdict verdicts[VERDICTS_MAX]; /* gravest first */
	int verdict_cnt;
};

struct snapshot_signal {
	char name[24];
	char state[12]; /* "on", "off", "degraded", "window" */
	char reason[200];
	double window_share; /* state "window": share of the time in which it is armed */
	double hit_cost_ns;  /* 0 unknown */
	char mechanism[64];
	bool present; /* built in */
	uint64_t hits, events, filtered;
	uint64_t lost[LOSS_REASON_MAX]; /* since start */
	uint64_t lost_window;           /* in this window, of what should have been seen: marks the numbers with `~` */
};

/* A Go process of which something cannot be observed: the page behind key l. */
struct snapshot_refused {
	int32_t pid;
	char name[OWNER_NAME_SZ]; /* formatted owner */
	char comm[20];
	char go_version[64];
	bool partial; /* some signals work */
	char why[200];
};

struct snapshot {
	uint64_t time_unix_ns, time_mono_ns;
	double window_seconds;
	/* node */
	char node_name[128];
	int node_cpus;
	double cpu_busy_ratio, steal_ratio, memory_used_ratio;
	/* agent */
	double agent_cpu_seconds; /* since start */
	double agent_cpu_ratio;   /* of one CPU, over the window */
	int64_t agent_rss_bytes;
	uint64_t events, lost;
	struct snapshot_signal signals[SIGNAL_CNT];
	int processes_go, processes_not_observable;
	struct snapshot_refused *refused; /* owned */
	int refused_cnt;
	/* containers, gravest first */
	struct snapshot_container *containers; /* owned */
	int container_cnt;
};

void snapshot_init(struct snapshot *s); /* all unknown, no containers */
/* All unknown, no processes, no verdicts; call it on every element of containers before filling it. */
void snapshot_container_init(struct snapshot_container *c);
void snapshot_process_init(struct snapshot_process *p);
/* For a signal that is off: what only go_gc, or only cpu_throttle, can know becomes unknown. After
 * container_stats_fill. */
void snapshot_gc_unknown(struct snapshot_gc *g);
void snapshot_assists_unknown(struct snapshot_gc *g);
void snapshot_assist_waits_unknown(struct snapshot_gc *g);
void snapshot_throttle_unknown(struct snapshot_cpu *c);
void snapshot_runq_unknown(struct snapshot_cpu *c);
void snapshot_tcp_unknown(struct snapshot_net *n);
void snapshot_dns_unknown(struct snapshot_net *n);
void snapshot_deinit(struct snapshot *s);         /* frees the arrays */
const char *loss_reason_name(enum loss_reason r); /* "ring_full", ... NULL beyond the last */
/* True if a loss for this reason makes the numbers of watched processes too low. */
bool loss_reason_hides(enum loss_reason r);
const char *stw_reason_name(uint32_t reason); /* the runtime's words: "GC mark termination", ... */
