/* SPDX-License-Identifier: BSD-2-Clause */
/* One thing that happened, in the same shape for every trace format. Made by the model, valid during the call. */
#pragma once

#include <stdint.h>

#include "event.h"
#include "events/record.h"
#include "pods/owner.h"
#include "stats/gc_cycle.h"
#include "stats/goroutine_track.h"
#include "stats/snapshot.h"

enum trace_kind {
	TRACE_GC_CYCLE,        /* u.cycle; comes after its pauses */
	TRACE_GC_MARK,         /* u.cycle, the mark part */
	TRACE_GC_PAUSE,        /* u.event */
	TRACE_GC_ASSIST,       /* u.event: a wait for mark credit */
	TRACE_THROTTLE,        /* u.event */
	TRACE_THROTTLE_MISSED, /* u.event */
	TRACE_RUNQ,            /* u.event: EVENT_RUNQ */
	TRACE_TCP_CONNECT,     /* u.event */
	TRACE_TCP_RETRANSMIT,  /* u.event */
	TRACE_TCP_RESET,       /* u.event */
	TRACE_DNS_QUERY,       /* u.event */
	TRACE_OOM_KILL,        /* u.event */
	TRACE_PROCESS_START,   /* process */
	TRACE_PROCESS_EXIT,    /* process, u.exit */
	TRACE_VERDICT,         /* u.verdict: an instant, when it appears (or its severity changes) and when it clears */
	TRACE_LOST,            /* u.lost: one a signal and reason, at the end */
	TRACE_SCHED_WAIT,      /* u.sched: a goroutine was runnable and waited for a P, from its wake to its run */
	TRACE_SCHED_RUN,       /* u.sched: it ran on a P */
	TRACE_SCHED_PARK,      /* u.sched: it was parked, until its wake */
	TRACE_SCHED_WINDOW,    /* u.window: a window closed; the three above lie in one */
	/* counters: no kinds of the JSON contract; formats without counters ignore them */
	TRACE_SAMPLE, /* u.sample: runtime values of a process */
	TRACE_USAGE,  /* u.usage: of a container */
	TRACE_KIND_CNT,
};

const char *trace_kind_name(enum trace_kind k); /* "gc.cycle", ... as in jsonl and telemetry.md 7; counters: NULL */

struct trace_exit {
	bool known;      /* status counts */
	uint32_t status; /* as wait(2) gives it */
};

struct trace_verdict {
	const struct verdict *verdict;
	bool ended;
};

struct trace_lost {
	const char *signal, *reason;
	uint64_t cnt;
};

/* Names are "" where unknown; none is NULL. */
struct trace_sched {
	const struct goroutine_span *span;
	const char *function;             /* of the goroutine: "main.worker" */
	const char *created, *created_at; /* function and file:line of the go statement */
	const char *site, *site_at;       /* PARK, and RUN that ended in one: where it parked */
	const char *reason;               /* why, in the runtime's words */
};

struct trace_usage {
	double cpu_cpus;                               /* since the reading before; NAN unknown */
	int64_t working_set_bytes, memory_limit_bytes; /* STAT_UNKNOWN; -1 none */
};

struct trace_event {
	enum trace_kind kind;
	uint64_t end_ns;      /* CLOCK_MONOTONIC; of an instant: its time */
	uint64_t duration_ns; /* 0: an instant */
	uint64_t start_unix_ns;
	uint32_t container_id;                /* 0: not attributed */
	const struct owner *owner;            /* NULL: not attributed */
	const struct record_process *process; /* NULL: of no known process */
	const struct runtime_sample *sample;  /* last reading of the process before it; NULL unknown */
	const struct cgroup_limits *limits;   /* of the container; NULL unknown */
	int32_t pid, tid;                     /* 0 unknown */
	uint64_t not_followed;                /* SCHED_WINDOW: events beyond our own bounds, lost like the record's */
	union {
		const union event *event;
		const struct gc_cycle_done *cycle;
		const struct runtime_sample *sample;
		struct trace_usage usage;
		struct trace_exit exit;
		struct trace_verdict verdict;
		struct trace_lost lost;
		struct trace_sched sched;
		const struct record_sched_window *window;
	} u;
};

static inline uint64_t trace_event_start_ns(const struct trace_event *e)
{
	return e->end_ns - e->duration_ns;
}

/* SCHED_WINDOW: events that are missing in it; its numbers are too low by these. Its end was not told: what was lost is
 * not known, either. */
bool trace_window_known(const struct trace_event *e);
uint64_t trace_window_lost(const struct trace_event *e);
