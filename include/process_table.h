/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Entries of the BPF maps that tell a program which processes are wanted and what their binary looks like. */
#pragma once
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define PROCESS_TABLE_MAX 8192 /* 16 times the 500 Go processes the design asks for */
#define BINARY_TABLE_MAX  1024

/* key of map `processes`: tgid in the agent's pid namespace */
struct process_entry {
	__u32 binary;  /* index in map `binaries`, from 1 */
	__u32 signals; /* bit (1 << enum signal_id): wanted */
	__u64 bias;    /* load address minus link address */
	/* written by go_gc only, 0 at first: the stop-the-world that is going on (Go < 1.22). Here and not in a map of
	 * its own: one process has one stop at a time, and it must vanish with the process. */
	__u64 stop_ns;
	__u32 stop_flags;  /* STOP_* */
	__u32 stop_reason; /* enum stw_reason */
	/* 1.22+, STOP_AWAITS_FINISH: a sweep termination that began at stop_ns and waits for its end */
	__u64 stopped_ns; /* when the last P had stopped, 0 unknown */
	__u64 restart_ns; /* when the restart of the world began */
};
#define STOP_SAW_START_CYCLE 1u
#define STOP_SAW_END_CYCLE   2u
#define STOP_AWAITS_FINISH   4u
#define STOP_LEAK_KNOWN      8u /* of the cycle that ends: enum gc_done_flag */
#define STOP_LEAK_CHECK      16u

/* Where a finished cycle leaves its numbers, as two pieces that are read at once: a read costs 0.2 us, the world is
 * stopped. Their shape is that of 1.18-1.27 on both architectures; where a binary's offsets say otherwise, nothing is
 * copied. */
struct cycle_work {
	__u32 cycles; /* is numgc at the end of a cycle: a check */
	__s32 stwprocs, maxprocs;
	__u32 pad;
	__s64 sweep_term, mark, mark_term, end; /* work.tSweepTerm ... tEnd */
	__u64 rest[6];                          /* heap0, heap1, heap2 from [1] on, up to 1.21 from [2] on */
};
struct cycle_controller {
	__u64 goal; /* gcController.lastHeapGoal */
	__u64 a[3];
	__u64 stacks, stacks_max; /* 1.19 prints the latter */
	__u64 globals;
	__u64 heap_marked; /* is heap2 at the end of a cycle: a check */
	__u64 b[4];
	__s64 assist, dedicated, fractional, idle;
};
struct cycle_stats {
	__u32 numgc, numforcedgc;
	__u64 gc_cpu_fraction; /* float64 */
};
/* Link addresses; work 0: not known. */
struct cycle_places {
	__u64 work, controller, stats; /* of the three above */
	__u64 forced;                  /* work.userForced: bool */
	__u64 leak_done;               /* work.goroutineLeak.done: bool, 1.26+; 0 not known */
	__u32 heaps_at;                /* in cycle_work.rest: 1 or 2 */
	__u32 pad;
};

/* Map `binaries`, mmapable array: what go_gc and go_assist need to know of one Go binary, and what it cost. */
struct binary_entry {
	__u32 go_minor;        /* 18 ... */
	__u32 m_in_g;          /* field offset of g.m */
	__u32 preemptoff_in_m; /* field offset of m.preemptoff (a string), 0 = do not read */
	__u32 jbe_sites;       /* bit (1 << enum go_site): as COOKIE_JBE, for kernels without cookies */
	__u32 exact_end;       /* finishGCTransition is probed: the end of a sweep termination comes from there */
	__u32 goid_in_g;       /* field offset of g.goid, 0 = do not read */
	struct cycle_places cycle;
	__u64 gcphase;     /* link address of runtime.gcphase (uint32), 0 = do not read */
	__u64 hits;        /* all probe hits on this binary, atomic: the storm guard reads it */
	__u64 assist_hits; /* the same of go_assist, which is switched off by itself */
};

/* Attach cookie of a uprobe: binary index << 8 | enum go_site. */
#define COOKIE(binary, site) (((__u64)(binary) << 8) | (site))
#define COOKIE_BINARY(c)     ((__u32)((c) >> 8))
#define COOKIE_SITE(c)       ((__u32)((c)&0x7f))
#define COOKIE_JBE           0x80 /* the site is a conditional branch: drop hits that take it (facts: stack growth) */
