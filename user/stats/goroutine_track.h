/* SPDX-License-Identifier: BSD-2-Clause */
/* From switches of goroutines to spans: waited for a P, ran on one, was parked. One track a process and window.
 *
 * Two things happen without a switch that could be seen, and so nothing is said about them:
 * - A system call is part of its slice until another goroutine runs on its P (RUN_P_TAKEN). Whoever comes back then and
 *   finds an idle P runs on there (exitsyscallfast, since 1.26 exitsyscallTryGetP): the time until its next park is in
 * no span, as when it came back is not known. Where it finds none it waits: GO_SCHED_SYSCALL.
 * - Coroutines (iter.Pull, 1.23+) are made parked and run when they are called, inside of the slice of who calls: a NEW
 *   that never runs is no wait. One that parks by itself ends nothing of the caller, whose slice ends when its P runs
 *   another one; and who wakes others, or makes them, is the goroutine that ran last on that thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "go_sched_event.h"

enum goroutine_span_kind { SPAN_WAIT, SPAN_RUN, SPAN_PARK };

/* What made a goroutine runnable: begin of a WAIT, end of a PARK. */
enum goroutine_wake {
	WAKE_UNKNOWN = 0, /* not seen: the collector wakes its own workers and assists past `ready` */
	WAKE_READY,       /* another goroutine (waker), or the scheduler itself (waker 0) */
	WAKE_NETPOLL,
	WAKE_CREATED, /* it is new: waker created it */
	WAKE_YIELDED, /* it was preempted or gave way */
	WAKE_SYSCALL, /* back from a system call without a P */
};

enum goroutine_run_end {
	RUN_PARKED,
	RUN_YIELDED,
	RUN_EXITED,
	RUN_STOPPED, /* preempted by somebody who wants to see its stack */
	RUN_P_TAKEN, /* another one runs on its P: it was in a system call, or had called a coroutine that parked */
	RUN_UNKNOWN, /* the window ended first, or its end was lost */
};

struct goroutine_span {
	enum goroutine_span_kind kind;
	uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC */
	uint64_t goid;
	uint64_t gopc, startpc;     /* 0 unknown */
	enum goroutine_wake wake;   /* WAIT, PARK */
	uint64_t waker;             /* goid, 0 none or unknown */
	uint32_t p;                 /* RUN, WAIT: the P that it ran on afterwards; GO_SCHED_P_UNKNOWN */
	enum goroutine_run_end end; /* RUN */
	uint8_t reason;             /* PARK, RUN that ended RUN_PARKED: number of the runtime's waitReason */
	uint64_t stack;             /* the same: id, 0 unknown */
};

/* runs == waits + runs_without_wait: every RUN is accounted for. */
struct goroutine_track_counts {
	uint64_t runs, waits;
	uint64_t backed_out;   /* ran on at once after a park that did not come to be */
	uint64_t wake_unseen;  /* parked in this window, and nothing was seen to wake it */
	uint64_t begin_unseen; /* became runnable before the window */
	uint64_t created, exited;
};

struct goroutine_track_ops {
	void (*span)(const struct goroutine_span *s, void *arg);
	void *arg;
	uint32_t *room; /* goroutines that tracks together may still have room for, borrowed; NULL: no such bound */
};

struct goroutine_track;

/* Goroutines at once that a track knows; beyond it, or without room, events are counted as not followed. */
#define GOROUTINE_TRACK_MAX 200000
/* What `room` begins with for all tracks of one reader: 72 bytes each, so 36 MB. A track takes powers of two of it. */
#define GOROUTINE_TRACK_ROOM (1u << 19)

/* -ENOMEM, also where there is no room for the least that a track takes. */
int goroutine_track_new(const struct goroutine_track_ops *ops, struct goroutine_track **ret);
struct goroutine_track *goroutine_track_free(struct goroutine_track *t);
/* Never trusts an event: one that makes no sense is counted. */
void goroutine_track_feed(struct goroutine_track *t, const struct go_sched_event *e);
/* The window is over: what is open ends (RUN_UNKNOWN; open waits and parks are dropped). */
void goroutine_track_end(struct goroutine_track *t, uint64_t end_ns);
const struct goroutine_track_counts *goroutine_track_counts(const struct goroutine_track *t);
uint64_t goroutine_track_not_followed(const struct goroutine_track *t);
