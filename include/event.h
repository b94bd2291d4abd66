/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Records on the ring buffer: one header, one body a kind. Kinds are numbered by hand and never reused. */
#pragma once
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum event_kind {
	EVENT_GC_START = 1,          /* (*gcControllerState).startCycle: struct event_gc_start */
	EVENT_GC_MARK_END = 2,       /* (*gcControllerState).endCycle: struct event_gc_mark_end */
	EVENT_GC_PAUSE = 3,          /* a whole stop-the-world: struct event_gc_pause */
	EVENT_THROTTLE = 4,          /* a closed throttle interval: struct event_throttle */
	EVENT_THROTTLE_MISSED = 5,   /* throttled time without interval: struct event_throttle_missed */
	EVENT_PROC_EXEC = 6,         /* struct event_proc */
	EVENT_PROC_EXIT = 7,         /* struct event_proc */
};

/* Ids and pids are those of the agent's own pid namespace; 0 where there is none (softirq, timers). */
struct event_hdr {
	__u16 kind;
	__u16 size;        /* of the whole record, header included */
	__u32 binary;      /* index of the probed binary, 0 where there is none */
	__u64 time_ns;     /* CLOCK_MONOTONIC; the end of a span */
	__u64 cpu_cgid;    /* id of the cgroup in the cpu controller's hierarchy */
	__u64 v2_cgid;     /* id in the unified hierarchy */
	__u32 tgid;
	__u32 tid;
};

enum gc_trigger { GC_TRIGGER_HEAP = 0, GC_TRIGGER_TIME = 1, GC_TRIGGER_FORCED = 2, GC_TRIGGER_UNKNOWN = 255 };

struct event_gc_start {
	struct event_hdr hdr;
	__u64 mark_start_ns; /* the runtime's own stamp where it passes one, else hdr.time_ns */
	__u32 procs;         /* GOMAXPROCS of this cycle */
	__u32 trigger;       /* enum gc_trigger */
};

struct event_gc_mark_end {
	struct event_hdr hdr; /* time_ns: the runtime's own `now` where plausible */
};

/* Reasons: the runtime's stwReason numbers, stable in Go 1.21-1.27; before 1.21 the program deduces 1 and 2
 * from startCycle/endCycle inside the stop, and gives the runtime's own words in `text` for the others. */
enum stw_reason {
	STW_UNKNOWN = 0,
	STW_GC_MARK_TERM = 1,
	STW_GC_SWEEP_TERM = 2,
	STW_HEAP_DUMP = 3,
	STW_GOROUTINE_PROFILE = 4,
	STW_GOROUTINE_PROFILE_CLEANUP = 5,
	STW_ALL_STACKS = 6,
	STW_READ_MEM_STATS = 7,
	STW_ALL_THREADS_SYSCALL = 8,
	STW_GOMAXPROCS = 9,
	STW_START_TRACE = 10,
	STW_STOP_TRACE = 11,
	STW_TEST_FIRST = 12, /* 12 and above: the runtime's own tests */
};

#define STW_TEXT_SZ 32

struct event_gc_pause {
	struct event_hdr hdr;  /* time_ns: end of the pause */
	__u64 start_ns;
	__u64 stopped_ns;      /* when the last P had stopped (1.23+), else 0 */
	__u32 reason;          /* enum stw_reason */
	__u32 flags;           /* PAUSE_* */
	char text[STW_TEXT_SZ]; /* Go < 1.21: m.preemptoff, NUL padded; else empty */
};
#define PAUSE_FROM_REGISTERS 1u /* start and reason from registers (1.22+), else paired by us */

enum throttle_end { THROTTLE_END_TIMER = 0, THROTTLE_END_CSD = 1 };

struct event_throttle {
	struct event_hdr hdr; /* time_ns: end; cpu_cgid: the cgroup that OWNS the quota (container, pod, ...) */
	__u64 start_ns;
	__u32 cpu;
	__u32 how; /* enum throttle_end */
};

/* Time that the kernel charged as throttled and that no interval covers: it lies somewhere in the window. */
struct event_throttle_missed {
	struct event_hdr hdr; /* time_ns: end of the window; cpu_cgid: owner of the quota */
	__u64 start_ns;       /* begin of the window */
	__s64 missed_ns;
};

#define EVENT_COMM_SZ 16

struct event_proc {
	struct event_hdr hdr;
	__u64 start_ns;   /* task's start_boottime: with the pid the identity of the process */
	__u32 exit_code;  /* as wait(2) gives it */
	__u32 pad;
	char comm[EVENT_COMM_SZ];
};

/* The largest record; the checker refuses any size that does not fit its kind. */
union event {
	struct event_hdr hdr;
	struct event_gc_start gc_start;
	struct event_gc_mark_end gc_mark_end;
	struct event_gc_pause gc_pause;
	struct event_throttle throttle;
	struct event_throttle_missed throttle_missed;
	struct event_proc proc;
};

_Static_assert(sizeof(struct event_hdr) == 40, "event_hdr");
_Static_assert(sizeof(struct event_gc_start) == 56, "event_gc_start");
_Static_assert(sizeof(struct event_gc_pause) == 96, "event_gc_pause");
_Static_assert(sizeof(struct event_throttle) == 56, "event_throttle");
_Static_assert(sizeof(struct event_throttle_missed) == 56, "event_throttle_missed");
_Static_assert(sizeof(struct event_proc) == 72, "event_proc");
