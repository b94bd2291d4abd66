/* SPDX-License-Identifier: BSD-2-Clause */
/* Records: all that the model (user/model.h) is fed with, live or from a recording, in one order. What a live run shows
 * and exports is made from these and nothing else, so a replay of them gives the same. Fixed-width plain data, little
 * endian; strings are NUL terminated and padded with NUL. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "go_sched_event.h"
#include "loss.h"
#include "overhead_group.h"
#include "pods/limits.h"
#include "pods/owner.h"
#include "runtime/sample.h"

/* Numbered by hand, never reused. */
enum record_type {
	RECORD_EVENT = 1,         /* union event, cut to hdr.size */
	RECORD_OWNER = 2,         /* struct record_owner: new, or its names became known */
	RECORD_OWNER_GONE = 3,    /* struct record_id: forgotten, 60 s after its last process */
	RECORD_PROCESS = 4,       /* struct record_process: new, or what can be observed of it changed */
	RECORD_PROCESS_GONE = 5,  /* struct record_process_gone */
	RECORD_SAMPLE = 6,        /* struct record_sample */
	RECORD_LIMITS = 7,        /* struct record_limits */
	RECORD_USAGE = 8,         /* struct record_usage */
	RECORD_SIGNAL = 9,        /* struct record_signal: state or counters changed */
	RECORD_NODE = 10,         /* struct record_node */
	RECORD_CLOCK = 11,        /* struct record_clock */
	RECORD_TICK = 12,         /* struct record_tick: a snapshot is due */
	RECORD_SESSION = 13,      /* struct record_session: the first one */
	RECORD_LATENCY = 14,      /* struct record_latency: waits of goroutines for a P since the last one */
	RECORD_CENSUS = 15,       /* struct record_census: the goroutines of a process, some seconds apart */
	RECORD_PAUSES = 16,       /* struct record_pauses: cycles that go_gc does not see (it is off for the process) */
	RECORD_RESOURCES = 17,    /* struct record_resources: descriptors and threads against their limits */
	RECORD_GO_SCHED = 18,     /* struct record_go_sched, cut to its cnt: goroutine switches of a process */
	RECORD_SCHED_NAME = 19,   /* struct record_sched_name: what an address, a stack or a reason in them means */
	RECORD_SCHED_WINDOW = 20, /* struct record_sched_window: it opens; it is over and all of it has come */
	RECORD_OVERHEAD = 21,     /* struct record_overhead: what we cost a process, and what is off for that */
};

#define RECORD_LEVELS 12 /* cgroup levels above a container that may own a quota */

struct record_session {
	uint64_t start_ns, ready_ns; /* CLOCK_MONOTONIC: opening began; all processes of then were attached */
	int32_t cpus;
	uint32_t sorts_signals; /* bits of the signals that this run wanted */
	char node_name[128];
	char agent_version[64];
};

struct record_id {
	uint32_t id;
	uint32_t pad;
	uint64_t time_ns;
};

struct record_owner {
	uint32_t id; /* of the container, from 1, never reused */
	uint32_t level_cnt;
	uint64_t levels[RECORD_LEVELS]; /* cpu cgroup ids, its own first */
	uint64_t netns_cnt;             /* reserved, 0 */
	struct owner owner;             /* refs is 0 */
};

enum record_process_flag {
	RECORD_PROCESS_GO_GC = 1u,
	RECORD_PROCESS_GO_RUNTIME = 2u,
	RECORD_PROCESS_MAXPROCS_ENV = 4u,  /* its environment sets GOMAXPROCS */
	RECORD_PROCESS_FOLLOWS_QUOTA = 8u, /* its Go sets GOMAXPROCS by the cgroup's quota */
	RECORD_PROCESS_STRIPPED = 16u,
	RECORD_PROCESS_PIE = 32u,
	RECORD_PROCESS_STARTED = 64u,       /* it started while the session ran */
	RECORD_PROCESS_WATCHED = 128u,      /* it matches what the command is about */
	RECORD_PROCESS_ASSISTS = 256u,      /* go_assist counts its assists, */
	RECORD_PROCESS_ASSIST_WAITS = 512u, /* and sees their waits */
};

struct record_process {
	int32_t pid, vpid;
	uint32_t owner_id;                /* 0: none known */
	uint32_t flags;                   /* enum record_process_flag */
	uint32_t state;                   /* enum process_state */
	uint32_t netns;                   /* inode number of its network namespace, 0 unknown */
	uint64_t start_unix_ns, start_ns; /* start_ns: CLOCK_MONOTONIC, 0 when before boot of the clock */
	char comm[20];
	char go_version[64];
	char exe[256];
	char build_id[96];
	char why[200], go_gc_why[200], go_runtime_why[200];
	uint32_t pad;
};

struct record_process_gone {
	int32_t pid;
	uint32_t has_exit; /* exit_code counts */
	uint32_t exit_code;
	uint32_t pad;
	uint64_t time_ns;
};

struct record_sample {
	int32_t pid;
	uint32_t pad;
	struct runtime_sample sample;
};

struct record_latency {
	int32_t pid;
	uint32_t diluted; /* Go before 1.26: zeros of fast system calls are among them */
	struct runtime_latency latency;
};

#define RECORD_CENSUS_GROUPS 12 /* the largest of the program's own */

struct record_census_group {
	uint64_t cnt;           /* of all goroutines: a sample is scaled up */
	int64_t oldest_wait_ns; /* -1 unknown */
	uint64_t created_pc;    /* link address of the go statement: with blocked_pc, state and reason what makes it the
				   same group */
	uint64_t blocked_pc;
	uint32_t state; /* enum goroutine_state */
	uint32_t pad;
	char reason[40];
	char created[96], created_at[48]; /* function and file:line (base name); "" unknown */
	char blocked[96], blocked_at[48];
};

struct record_census {
	int32_t pid;
	uint32_t group_cnt;
	uint64_t time_ns, total, walked;                      /* total: as runtime.NumGoroutine counts */
	uint64_t running, runnable, waiting, syscall, leaked; /* of total, scaled */
	struct record_census_group groups[RECORD_CENSUS_GROUPS];
};

#define RECORD_PAUSES_MAX 64

struct record_pauses {
	int32_t pid;
	uint32_t cnt;
	uint64_t missed;
	struct runtime_pause pauses[RECORD_PAUSES_MAX];
};

struct record_resources {
	int32_t pid;
	uint32_t maxprocs_by; /* enum maxprocs_by */
	uint64_t time_ns;
	int64_t fds, fd_limit; /* -1 none, SAMPLE_UNKNOWN */
	int64_t os_threads, thread_limit;
	int64_t rss_bytes; /* of the process */
};

#define RECORD_SCHED_EVENTS GO_SCHED_BATCH

/* In the order of the kernel's ring, which for one goroutine is the true one. */
struct record_go_sched {
	int32_t pid;
	uint32_t cnt;
	struct go_sched_event events[RECORD_SCHED_EVENTS]; /* only cnt of them are there */
};
#define RECORD_GO_SCHED_SZ(cnt) (offsetof(struct record_go_sched, events) + (cnt) * sizeof(struct go_sched_event))

enum sched_name_what {
	SCHED_NAME_CREATED = 0, /* id: address of a go statement (arg of NEW, KNOWN) */
	SCHED_NAME_FUNCTION,    /* id: startpc; at is "" */
	SCHED_NAME_STACK,       /* id: arg of PARK: the program's own frame that it parked in */
	SCHED_NAME_REASON,      /* id: reason of PARK; function is the runtime's word, at is "" */
	SCHED_NAME_CNT,
};

/* Told once for each process, before the first event that needs it. */
struct record_sched_name {
	int32_t pid;
	uint32_t what; /* enum sched_name_what */
	uint64_t id;
	char function[96], at[48];
};

enum sched_window_end {
	SCHED_WINDOW_OPEN = 0, /* it opens: only pid, id, start_ns count */
	SCHED_WINDOW_TIME,     /* it was long enough */
	SCHED_WINDOW_BUDGET,   /* --max-overhead was used up */
	SCHED_WINDOW_GONE,     /* its process ended, or its executable was replaced */
	SCHED_WINDOW_STOP,     /* we end */
	SCHED_WINDOW_QUOTA,    /* its CPU limit began to hold it */
	SCHED_WINDOW_END_CNT,
};

struct record_sched_window {
	int32_t pid;
	uint32_t end; /* enum sched_window_end */
	uint64_t id;  /* of the session, from 1 */
	uint64_t start_ns, end_ns;
	uint64_t hits[GO_SCHED_KIND_CNT]; /* by kind: events of the window, all of them told */
	uint64_t lost[2];                 /* enum go_sched_loss: numbers of the window are too low by these */
	uint64_t late;                    /* hits that gave no event: see struct go_sched_slot */
	double cost_ns;                   /* of all hits, CPU time of the process */
	uint64_t cpu_ns;                  /* that the process used in it, cost included; 0 unknown */
};

/* Once a second and process while a window or go_assist costs it something, and when `off` changes. */
struct record_overhead {
	int32_t pid;
	uint32_t off; /* bits 1 << enum overhead_group: switched off by the budget */
	uint64_t time_ns;
	uint64_t cpu_ns;                    /* of the process, ever; 0 unknown */
	double cost_ns[OVERHEAD_GROUP_CNT]; /* ever, since the session began */
	double max_ratio;                   /* the budget: 0.005; negative: none */
	double credit_ns;                   /* what windows may cost it now; negative: overdrawn */
	uint64_t next_ns; /* a window that waits for credit may open about then; UINT64_MAX: it waits, and at the
		     CPU that it uses none comes; 0: none waits */
};

struct record_limits {
	uint32_t owner_id;
	uint32_t pad;
	struct cgroup_limits limits;
};

enum record_usage_flag {
	RECORD_USAGE_FAST = 1u, /* only time_ns and cpu_ns: many a second, for the strip of one container */
};

struct record_usage {
	uint32_t owner_id;
	uint32_t flags;
	struct cgroup_usage usage;
};

struct record_signal {
	uint32_t id;   /* enum signal_id */
	uint32_t mode; /* enum signal_mode */
	double hit_cost_ns, window_share;
	struct signal_counters counters; /* losses of user space included */
	char mechanism[64];
	char reason[200];
};

struct record_node {
	uint64_t time_ns;
	uint64_t busy, steal, total;             /* clock ticks of all CPUs since boot */
	uint64_t memory_total, memory_available; /* bytes, 0 unknown */
	uint64_t agent_cpu_ns;
	int64_t agent_rss_bytes;
	uint64_t looked_at; /* processes examined */
};

struct record_clock {
	uint64_t mono_ns, unix_ns;
};

struct record_tick {
	uint64_t time_ns, window_ns;
};

/* One record: body of `size` bytes, borrowed from who delivers it. */
struct record {
	enum record_type type;
	uint32_t size;
	const void *body;
};

/* events/record_check.c: size fits the type, strings end, enums and counts are in range, numbers are sane. For anything
 * that comes from a file. 0 or -EINVAL. */
int record_check(const struct record *r);
const char *record_type_name(enum record_type t); /* "event", "owner", ...; NULL unknown */
