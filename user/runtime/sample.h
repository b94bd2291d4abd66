/* SPDX-License-Identifier: BSD-2-Clause */
/* Values that the Go runtime keeps, read from outside without touching the process. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "procs/process.h"

#define SAMPLE_UNKNOWN INT64_MIN /* value not known: printed as `?`, null in JSON */

/* Order of work.cpuStats, 1.20 and newer (runtime/mstats.go, type cpuStats). */
enum runtime_cpu {
	RUNTIME_CPU_GC_ASSIST,
	RUNTIME_CPU_GC_DEDICATED,
	RUNTIME_CPU_GC_IDLE,
	RUNTIME_CPU_GC_PAUSE,
	RUNTIME_CPU_GC_TOTAL,
	RUNTIME_CPU_SCAVENGE_ASSIST,
	RUNTIME_CPU_SCAVENGE_BG,
	RUNTIME_CPU_SCAVENGE_TOTAL,
	RUNTIME_CPU_IDLE,
	RUNTIME_CPU_USER,
	RUNTIME_CPU_TOTAL,
	RUNTIME_CPU_CNT,
};

/* Who set GOMAXPROCS. */
enum maxprocs_by {
	MAXPROCS_UNKNOWN,
	MAXPROCS_DEFAULT, /* the CPUs that it may run on, at its start */
	MAXPROCS_QUOTA,   /* Go 1.25+: the smaller of that and the cgroup's quota, kept up to date */
	MAXPROCS_ENV,     /* environment variable GOMAXPROCS */
	MAXPROCS_CODE,    /* a call of runtime.GOMAXPROCS (automaxprocs, main) */
	MAXPROCS_GODEBUG, /* Go 1.25+, but GODEBUG containermaxprocs=0 (environment or go.mod) keeps it from both */
};
const char *maxprocs_by_text(enum maxprocs_by by); /* "default", "cgroup quota", "environment", ... */

/* Scalars only; all of it int64 or uint64, so that records can hold it. */
struct runtime_sample {
	uint64_t time_ns; /* CLOCK_MONOTONIC of the read */
	int64_t gomaxprocs;
	int64_t gogc;               /* percent; -1 off */
	int64_t memory_limit_bytes; /* GOMEMLIMIT; -1 none (math.MaxInt64) */
	int64_t heap_live_bytes;    /* heapMarked: live after the last mark */
	int64_t heap_goal_bytes;    /* with the memory limit taken into account; -1 when GC is off and no limit */
	int64_t numgc;
	int64_t pause_total_ns;
	int64_t mapped_ready_bytes; /* memory that counts against GOMEMLIMIT */
	int64_t goroutines;         /* as runtime.NumGoroutine counts */
	int64_t gc_cpu_ns; /* 1.20+: work.cpuStats mark workers (dedicated and fractional) and assists; moves at the
			      end of a cycle. Not the pauses: the runtime counts those as wall time times
			      GOMAXPROCS, used or not */
	int64_t assist_ns; /* 1.20+: cpuStats assist */
	int64_t numforcedgc;
	int64_t gc_phase;              /* 0 off, 1 mark, 2 mark termination */
	int64_t last_gc_unix_ns;       /* end of the last cycle, 0 none yet */
	int64_t heap_alloc_bytes;      /* heapLive: allocated since, included; moves when a P takes a span */
	int64_t total_alloc_bytes;     /* ever; /gc/heap/allocs:bytes */
	int64_t total_allocs;          /* objects ever; /gc/heap/allocs:objects (tiny ones combined count once) */
	int64_t memory_total_bytes;    /* /memory/classes/total:bytes */
	int64_t memory_released_bytes; /* /memory/classes/heap/released:bytes */
	int64_t memory_stacks_bytes;   /* /memory/classes/heap/stacks:bytes */
	int64_t threads;               /* mcount: M's that exist */
	int64_t threads_idle, threads_spinning;
	int64_t procs_idle, procs_running, procs_syscall, procs_gcstop; /* Ps by status; 1.26+ has no syscall: 0 */
	int64_t queue_global, queue_local; /* runnable goroutines: global queue, all Ps' queues (runnext included) */
	int64_t goroutines_created;        /* 1.26+, only of sampler_detail(): a read more for each P */
	int64_t mutex_wait_ns;   /* totalMutexWaitTime; from 1.22 /sync/mutex/wait/total also has lock waits (detail) */
	int64_t maxprocs_custom; /* 1.25+: 1 set by environment or call, 0 default */
	int64_t cpu_ns[RUNTIME_CPU_CNT]; /* 1.20+: as runtime/metrics has them, at the end of the last cycle */
};

/* Waits of runnable goroutines for a P (sched.timeToRun) that ended between two reads, by the buckets of
 * stats/histogram.h. The runtime looks at one transition in 8; up to 1.25 zeros of fast system calls dilute it
 * (facts/go-runtime.md 3): bucket 0 of the runtime, [0, 64) ns. */
#define RUNTIME_LATENCY_BUCKETS 160
struct runtime_latency {
	uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC of the two reads */
	uint64_t cnt;              /* of all buckets */
	uint32_t buckets[RUNTIME_LATENCY_BUCKETS];
};

/* One entry of the pause ring: the sum of the stops of one cycle. */
struct runtime_pause {
	uint64_t end_unix_ns, pause_ns;
	uint64_t cycle; /* its number: numgc after it */
};
#define RUNTIME_PAUSES 256

/* A histogram as the runtime keeps it: bucket i counts [low(i), low(i + 1)). */
#define RUNTIME_HIST_MAX 720 /* 1.18 and 1.19; 160 from 1.20 on */
struct runtime_hist {
	int buckets; /* 0: this version has none, or unknown */
	uint64_t counts[RUNTIME_HIST_MAX];
	uint64_t underflow, overflow; /* overflow: 1.20+ */
};
uint64_t runtime_hist_low(const struct runtime_hist *h, int bucket); /* ns; bucket == buckets: the end of the last */
uint64_t runtime_hist_total(const struct runtime_hist *h);
/* Index of the bucket in which the q-quantile lies (first with cumulated count >= q * total), -1 when empty. */
int runtime_hist_quantile(const struct runtime_hist *h, double q);

struct runtime_p {
	int32_t id;
	uint32_t status; /* 0 idle 1 running 2 syscall (up to 1.25) 3 gcstop 4 dead */
	uint32_t schedtick, syscalltick;
	uint32_t queue; /* runnable in its own queue, without runnext */
	bool runnext;
	uint64_t m;       /* address of its M, 0 none */
	uint64_t created; /* 1.26+: goroutines that it made */
};

/* The last finished cycle, or the one that runs (phase != 0). Times are CLOCK_MONOTONIC, what gctrace prints is made
 * from these (facts/go-runtime.md 6). Same fields as in include/event.h's struct event_gc_done. */
struct runtime_cycle {
	uint64_t numgc;
	int64_t sweep_term_ns, mark_ns, mark_term_ns, end_ns; /* begin of each phase, end of the cycle */
	int64_t assist_ns, dedicated_ns, fractional_ns, idle_ns;
	uint64_t heap0, heap1, heap2, goal; /* bytes: at start, at the end of mark, live; goal it had */
	uint64_t stacks, globals;           /* bytes */
	double cpu_fraction;                /* of the program's life */
	int32_t stwprocs, maxprocs;
	bool forced;
	int8_t leak_check; /* it looked for leaked goroutines: 1, 0, -1 unknown */
};

/* Everything, for `runtime`, `schedtrace` and tests: larger and dearer than a sample. */
struct runtime_detail {
	struct runtime_sample sample;
	uint64_t init_time_ns; /* CLOCK_MONOTONIC of the program's start (runtimeInitTime); 0 unknown */
	struct runtime_cycle cycle;
	bool cycle_known;
	struct runtime_hist latency;                       /* sched.timeToRun */
	struct runtime_hist stw_total_gc, stw_total_other; /* 1.22+; up to 1.21 stw_total_gc is memstats.gcPauseDist */
	struct runtime_hist stw_stopping_gc, stw_stopping_other; /* 1.22+ */
	int64_t mutex_wait_ns;        /* with the lock waits of all M's (1.22+), as /sync/mutex/wait/total */
	int64_t threads_needspinning; /* 1.20+ */
	struct runtime_pause pauses[RUNTIME_PAUSES]; /* newest first */
	int pause_cnt;
	struct runtime_p *ps; /* owned, by id */
	int p_cnt;
	enum maxprocs_by maxprocs_by;
	char maxprocs_env[32];        /* GOMAXPROCS of its environment, "" none */
	int fds, fd_limit;            /* open file descriptors and RLIMIT_NOFILE; -1 unknown */
	int os_threads, thread_limit; /* RLIMIT_NPROC, or pids.max where smaller; -1 unknown or none */
};
void runtime_detail_init(struct runtime_detail *d);
void runtime_detail_deinit(struct runtime_detail *d);

struct memory;
struct sampler;

enum sampler_outcome {
	SAMPLER_NO_LAYOUT = 1,  /* addresses or offsets are not known for this binary */
	SAMPLER_SELF_CHECK = 2, /* what is there does not look like this Go runtime */
	SAMPLER_NOT_READY = 3,  /* the runtime has not set itself up yet: try again later */
};

/* Opens the address space of p (kept open: safe against pid reuse). Returns 0, or a negative errno / positive outcome
 * with why filled: no layout, no addresses, no permission, self-check failed (allp[i].id != i, gomaxprocs !=
 * len(allp)). p and its binary are not needed afterwards. */
int sampler_open(const char *root, const struct process *p, struct sampler **ret, char *why);
struct sampler *sampler_close(struct sampler *s);
/* 0; -ESRCH when the process is gone or replaced its image; positive when a self-check failed this time (values
 * unchanged); another -errno when memory that should be there could not be read. */
int sampler_read(struct sampler *s, struct runtime_sample *ret);
/* What sampler_read() saw besides. All three are about the last sampler_read(), and say nothing when it failed or when
 * sampler_detail() read since: the next one then tells all since the last good one. */
/* Waits since the sampler_read() before it; false: unknown, none, or it was the first. */
bool sampler_latency(const struct sampler *s, struct runtime_latency *ret);
/* Pauses of the cycles since the one before it (at the first: none), oldest first; number of them, *missed: how many
 * the ring had overwritten. At most max (RUNTIME_PAUSES holds all). */
int sampler_pauses(const struct sampler *s, struct runtime_pause *ret, int max, uint64_t *missed);
/* The cycle that ended last, as it was at that moment; false while one runs or none has ended, or unknown. */
bool sampler_cycle(const struct sampler *s, struct runtime_cycle *ret);
/* Reads everything; as sampler_read(). ret was initialised by runtime_detail_init(). */
int sampler_detail(struct sampler *s, struct runtime_detail *ret);
/* For census: the address space, and where things are in this process (link address + bias), 0 unknown. */
const struct memory *sampler_memory(const struct sampler *s);
/* go_gc counted so many finished cycles since the previous call while numgc grew by `numgc_growth`: a layout that is
 * wrong by luck shows here. Returns false when they contradict each other three times running (then the sampler
 * refuses from now on, with sampler_why()). */
bool sampler_confirm_cycles(struct sampler *s, uint64_t seen, uint64_t numgc_growth);
/* Words for the last result of sampler_read that was not 0. */
const char *sampler_why(const struct sampler *s);
