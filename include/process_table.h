/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Entries of the BPF maps that tell a program which processes are wanted and what their binary looks like. */
#pragma once
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define PROCESS_TABLE_MAX 8192 /* 16 times the 500 Go processes the design asks for */
#define BINARY_TABLE_MAX 1024

/* key of map `processes`: tgid in the agent's pid namespace */
struct process_entry {
	__u32 binary;  /* index in map `binaries`, from 1 */
	__u32 signals; /* bit (1 << enum signal_id): wanted */
	__u64 bias;    /* load address minus link address */
	/* written by go_gc only, 0 at first: the stop-the-world that is going on (Go < 1.22). Here and not in a map of its
	 * own: one process has one stop at a time, and it must vanish with the process. */
	__u64 stop_ns;
	__u32 stop_flags;  /* STOP_* */
	__u32 stop_reason; /* enum stw_reason */
	/* 1.22+, STOP_AWAITS_FINISH: a sweep termination that began at stop_ns and waits for its end */
	__u64 stopped_ns; /* when the last P had stopped, 0 unknown */
	__u64 restart_ns; /* when the restart of the world began */
};
#define STOP_SAW_START_CYCLE 1u
#define STOP_SAW_END_CYCLE 2u
#define STOP_AWAITS_FINISH 4u

/* Where a finished cycle leaves its numbers: link addresses, each of so many values that lie side by side. times 0: not
 * known, nothing is copied. */
struct cycle_places {
	__u64 times;    /* work.tSweepTerm, tMark, tMarkTerm, tEnd: 4 int64 */
	__u64 heaps;    /* work.heap0, heap1, heap2: 3 uint64 */
	__u64 procs;    /* work.stwprocs, maxprocs: 2 int32 */
	__u64 forced;   /* work.userForced: bool */
	__u64 cpu;      /* gcController.assistTime, dedicatedMarkTime, fractionalMarkTime, idleMarkTime: 4 int64 */
	__u64 goal;     /* uint64, as the two below */
	__u64 stacks;
	__u64 globals;
	__u64 numgc;    /* memstats.numgc: uint32 */
	__u64 fraction; /* memstats.gc_cpu_fraction: float64 */
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
	__u64 hits;        /* all probe hits on this binary, atomic: the storm guard reads it */
	__u64 assist_hits; /* the same of go_assist, which is switched off by itself */
};

/* Attach cookie of a uprobe: binary index << 8 | enum go_site. */
#define COOKIE(binary, site) (((__u64)(binary) << 8) | (site))
#define COOKIE_BINARY(c) ((__u32)((c) >> 8))
#define COOKIE_SITE(c) ((__u32)((c) & 0x7f))
#define COOKIE_JBE 0x80 /* the site is a conditional branch: drop hits that take it (facts: stack growth) */
