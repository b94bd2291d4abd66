/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What go_sched's program and user space share: goroutine switches of processes whose window is open. Events have a
 * header of their own: 350,000 of them a second come from one busy server, and the common header's ids are the same in
 * all of one slot. */
#pragma once
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* Numbered by hand, never reused: they are in recordings. */
enum go_sched_kind {
	GO_SCHED_RUN = 1,     /* execute: goid, g, p */
	GO_SCHED_READY = 2,   /* ready: g; arg: goid of who woke it, 0: the scheduler itself (a timer, ...) */
	GO_SCHED_NETPOLL = 3, /* netpollready: g */
	GO_SCHED_NEW = 4,   /* isSystemGoroutine, called once by newproc1: g; goid: of its creator, 0 none; arg: address
			       of   the go statement; startpc */
	GO_SCHED_PARK = 5,  /* park_m: goid, g, reason; arg: id of its stack, 0 unknown */
	GO_SCHED_EXIT = 6,  /* isSystemGoroutine, called once by gdestroy (goexit0 before 1.22): goid, g */
	GO_SCHED_YIELD = 7, /* goschedImpl, goyield_m: it was preempted or gave way: goid, g; runnable again */
	GO_SCHED_STOP = 8,  /* preemptPark: goid, g; somebody readies it later */
	GO_SCHED_SYSCALL = 9, /* exitsyscall0, exitsyscallNoP: back from a call, its P was taken: goid, g; runnable */
	GO_SCHED_KNOWN = 10,  /* made by user space ahead of the first event of a goroutine that is older than the
				 window:  goid, g; arg and startpc as NEW */
	GO_SCHED_KIND_CNT = 11,
};

#define GO_SCHED_P_UNKNOWN 0xffffu
#define GO_SCHED_BATCH     512 /* events that are told at once */

/* As told by probes/go_sched.c, and in recordings. */
struct go_sched_event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 g;       /* address of the goroutine: reused after its end */
	__u64 goid;    /* unique; 0 unknown */
	__u64 arg;
	__u32 slot;    /* of the process: index of its struct go_sched_slot */
	__u8 kind;     /* enum go_sched_kind */
	__u8 reason;   /* number of the runtime's waitReason */
	__u16 p;       /* number of the P, GO_SCHED_P_UNKNOWN */
	__u64 startpc; /* address of the goroutine's function */
};

/* On the ring, where each word that the program need not read (75 ns) is left to user space: which goroutine runs on a
 * thread follows from what ran there last, the number of a P from its address. startpc only with NEW. */
struct go_sched_raw {
	__u64 time_ns;
	__u64 g;
	__u64 goid; /* RUN, PARK, EXIT, YIELD, STOP, SYSCALL */
	__u64 arg;  /* RUN: address of the P; NEW: of the go statement; PARK: id of the stack */
	__u64 g0;   /* of the thread: names it */
	__u32 slot;
	__u8 kind, reason;
	__u16 pad;
	__u64 startpc;
};
#define GO_SCHED_SHORT_SZ 48 /* without startpc */

/* Where a goroutine parked: return addresses, innermost call first, 0 ends. Key of the map: their hash, which is arg.
 */
#define GO_SCHED_STACK_DEPTH 8
struct go_sched_stack {
	__u64 pc[GO_SCHED_STACK_DEPTH]; /* as they run: less the load bias these are link addresses */
	__u32 slot;
	__u32 pad;
};
#define GO_SCHED_STACKS_MAX 16384
#define GO_SCHED_G_PIECE    128 /* of a g from sched.bp on: holds goid and waitreason; a power of two */

/* One process with a window; mapped by user space. 0 is the calibration's. */
#define GO_SCHED_SLOTS 64
struct go_sched_slot {
	__u32 tgid;                       /* in the agent's pid namespace */
	__u32 open;                       /* 0: hits are counted as late and nothing else is done */
	__u64 newproc1_from, newproc1_to; /* code, as it runs: asks about a new goroutine; */
	__u64 exit_from, exit_to;         /* about one that ends */
	__u64 runtime_from, runtime_to; /* code of the Go runtime, as it runs: where a stack begins to say something */
	/* field offsets */
	__u16 g_goid, g_m, g_bp, g_gopc, g_startpc, m_p, pd_rg;
	__u16 bp_goid;       /* goid, in words from sched.bp on; */
	__u16 bp_waitreason; /* in bytes */
	__u16 pad[3];
	__u64 late; /* hits that gave no event, atomic: before the window was whole, after its end, of others (kernels
		       without a right pid filter), for nobody (netpollready without a waiter) */
	__u64 lost[4]; /* atomic, enum go_sched_loss */
};
enum go_sched_loss { GO_SCHED_LOST_RING = 0, GO_SCHED_LOST_UNREADABLE = 1 };
