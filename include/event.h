/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Records on the ring buffer: one header, one body a kind. Kinds are numbered by hand and never reused. */
#pragma once
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum event_kind {
	EVENT_GC_START = 1,        /* (*gcControllerState).startCycle: struct event_gc_start */
	EVENT_GC_MARK_END = 2,     /* (*gcControllerState).endCycle: struct event_gc_mark_end */
	EVENT_GC_PAUSE = 3,        /* a whole stop-the-world: struct event_gc_pause */
	EVENT_THROTTLE = 4,        /* a closed throttle interval: struct event_throttle */
	EVENT_THROTTLE_MISSED = 5, /* throttled time without interval: struct event_throttle_missed */
	EVENT_PROC_EXEC = 6,       /* struct event_proc */
	EVENT_PROC_EXIT = 7,       /* struct event_proc */
	EVENT_TCP_CONNECT = 8,     /* an outgoing connection came up or failed: struct event_tcp_connect */
	EVENT_TCP_FLOW = 9,        /* what a connection did since its last record: struct event_tcp_flow */
	EVENT_TCP_RETRANSMIT = 10, /* struct event_tcp_retransmit */
	EVENT_TCP_RESET = 11,      /* struct event_tcp_reset */
	EVENT_DNS_QUERY = 12,      /* answered, or given up: struct event_dns_query */
	EVENT_OOM_KILL = 13,       /* struct event_oom_kill */
	EVENT_RUNQ = 14,           /* one long wait for a CPU: struct event_runq */
	EVENT_RUNQ_WINDOW = 15,    /* all waits of one cgroup in one armed window: struct event_runq_window */
	EVENT_RUNQ_MEAN = 16,      /* between windows, from the kernel's sched_info: struct event_runq_mean */
	EVENT_GC_DONE = 17,        /* a cycle's own numbers, copied when it ends: struct event_gc_done */
	EVENT_GC_ASSIST = 18,      /* a goroutine had to wait for mark credit: struct event_gc_assist */
	EVENT_GC_ASSISTS = 19,     /* how many were made to mark: struct event_gc_assists */
};

/* Ids and pids are those of the agent's own pid namespace; 0 where there is none (softirq, timers). */
struct event_hdr {
	__u16 kind;
	__u16 size;     /* of the whole record, header included */
	__u32 binary;   /* index of the probed binary, 0 where there is none */
	__u64 time_ns;  /* CLOCK_MONOTONIC; the end of a span */
	__u64 cpu_cgid; /* id of the cgroup in the cpu controller's hierarchy */
	__u64 v2_cgid;  /* id in the unified hierarchy */
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
	struct event_hdr hdr; /* time_ns: end of the pause */
	__u64 start_ns;
	__u64 stopped_ns;       /* when the last P had stopped (1.23+), else 0 */
	__u32 reason;           /* enum stw_reason */
	__u32 flags;            /* PAUSE_* */
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
	__u64 start_ns;  /* task's start_boottime: with the pid the identity of the process */
	__u32 exit_code; /* as wait(2) gives it */
	__u32 pad;
	char comm[EVENT_COMM_SZ];
};

/* ---- net_tcp, net_dns: identity is that of the process that opened the socket (listener's for accepted ones), as far
 * as it was seen: tgid, tid, cpu_cgid and v2_cgid may be 0 each; netns is always known. ---- */

#define NET_AF_INET  2
#define NET_AF_INET6 10

struct net_addr {
	__u16 family;       /* NET_AF_*; IPv4-mapped IPv6 is AF_INET */
	__u16 lport, rport; /* host byte order; r is the peer */
	__u16 pad;
	__u8 laddr[16], raddr[16]; /* network byte order; IPv4 in the first four bytes, the rest 0 */
};

struct event_tcp_connect {
	struct event_hdr hdr; /* time_ns: ESTABLISHED, or the failure */
	__u64 start_ns;       /* SYN_SENT */
	struct net_addr addr;
	__u32 netns;           /* inode number of the network namespace */
	__u32 error;           /* errno, 0: connected */
	__u32 syn_retransmits; /* segments */
	__u32 pad;
};

enum tcp_role { TCP_ROLE_UNKNOWN = 0, TCP_ROLE_CLIENT = 1, TCP_ROLE_SERVER = 2 };

#define FLOW_FIRST  1u /* first record of this connection: it counts as open from here on */
#define FLOW_OPENED 2u /* with FIRST: it was opened while we watched (else it is older than us) */
#define FLOW_LAST   4u /* it is closed */

/* Written when a connection closes, and for each connection that moved in each interval (read by iterator). Counts are
 * differences since the last record of the same connection. */
struct event_tcp_flow {
	struct event_hdr hdr; /* time_ns: of the reading */
	struct net_addr addr;
	__u32 netns;
	__u32 role;       /* enum tcp_role */
	__u32 flags;      /* FLOW_* */
	__u32 srtt_us;    /* smoothed round trip, 0: none yet */
	__u32 rtt_min_us; /* of the kernel's window of minima, 0: none */
	__u32 segs_out, segs_in;
	__u32 retransmits; /* data segments sent again; SYNs of an outgoing connect come with event_tcp_connect */
	__u32 spurious;    /* segments that the peer reported to have had already (DSACK); 0 where not counted */
	__u32 pad;
	__u64 bytes_out, bytes_in; /* acknowledged, received */
	__u64 age_ns;              /* since it was established, 0 unknown */
};

struct event_tcp_retransmit {
	struct event_hdr hdr;
	struct net_addr addr;
	__u32 netns;
	__u32 segments; /* sent again by this event: one call may send several */
	__u32 syn;      /* 1: SYN or SYN-ACK, 0: data */
	__u32 pad;
};

struct event_tcp_reset {
	struct event_hdr hdr;
	struct net_addr addr;
	__u32 netns;
	__u32 received; /* 1: the peer sent it, 0: we did */
};

#define DNS_NAME_SZ 128
enum dns_result { DNS_ANSWERED = 0, DNS_TIMEOUT = 1 };

struct event_dns_query {
	struct event_hdr hdr; /* time_ns: of the answer, or when we gave up waiting */
	__u64 start_ns;
	struct net_addr addr; /* raddr: the server */
	__u32 netns;
	__u16 id;
	__u16 qtype;  /* 1 A, 28 AAAA, ... ; 0 unknown (no payload seen) */
	__u32 result; /* enum dns_result */
	__u32 rcode;  /* 0 NOERROR, 2 SERVFAIL, 3 NXDOMAIN, ...; DNS_RCODE_UNKNOWN */
	__u32 tries;  /* datagrams sent with this id from this port */
	__u32 pad;
	char name[DNS_NAME_SZ]; /* "" unless names are asked for; dotted, NUL padded, cut at the end */
};
#define DNS_RCODE_UNKNOWN 0xffffffffu

struct event_oom_kill {
	struct event_hdr hdr; /* tgid, ids: of the victim */
	__u64 memory_cgid;    /* its cgroup in the memory controller's hierarchy */
	__u64 total_vm_bytes, anon_rss_bytes, file_rss_bytes, shmem_rss_bytes;
	__s32 oom_score_adj;
	__u32 pad;
	char comm[EVENT_COMM_SZ];
};

/* ---- cpu_sched ---- */

struct event_runq {
	struct event_hdr hdr; /* the task that waited; time_ns: when it got its CPU */
	__u64 start_ns;       /* when it became runnable */
	__u64 throttled_ns; /* of that its quota's fault: not part of the wait. wait = time_ns - start_ns - throttled_ns
			     */
	__u32 cpu;
	__u32 prev_tid, prev_tgid; /* who ran there longest meanwhile; 0: idle, or not visible in our pid namespace */
	__u32 pad;
	char comm[EVENT_COMM_SZ], prev_comm[EVENT_COMM_SZ];
};

#define RUNQ_BUCKETS 160 /* of user/stats/histogram.h's function: up to 2^40 ns */

/* Made by user space from the kernel's map at the end of an armed window. One with cpu_cgid 0 and no waits comes first:
 * the window as such. */
struct event_runq_window {
	struct event_hdr hdr; /* time_ns: end of the window; cpu_cgid: whose waits */
	__u64 start_ns;
	__u64 cnt, sum_ns, max_ns;
	__u64 throttled_ns; /* taken out of the waits, all together */
	__u32 buckets[RUNQ_BUCKETS];
};

/* Made by user space, at most once a second and cgroup: sums over the threads of watched processes. */
struct event_runq_mean {
	struct event_hdr hdr; /* time_ns: end; cpu_cgid */
	__u64 start_ns;
	__u64 delay_ns; /* growth of sched_info.run_delay: throttled time is still in it */
	__u64 runs;     /* growth of sched_info.pcount */
};

/* LEAK_KNOWN: whether it looked for leaked goroutines is known, LEAK_CHECK: it did (1.26+). */
enum gc_done_flag { GC_DONE_FORCED = 1u, GC_DONE_LEAK_KNOWN = 2u, GC_DONE_LEAK_CHECK = 4u };

/* What the runtime kept of the cycle that has just finished, as gctrace=1 prints it: all of it is still there when
 * startTheWorldWithSema runs for the mark termination. Times CLOCK_MONOTONIC, sizes in bytes. */
struct event_gc_done {
	struct event_hdr hdr; /* time_ns: end_ns */
	__u64 numgc;
	__s64 sweep_term_ns, mark_ns, mark_term_ns, end_ns;    /* work.tSweepTerm, tMark, tMarkTerm, tEnd */
	__s64 assist_ns, dedicated_ns, fractional_ns, idle_ns; /* of gcController */
	__u64 heap0, heap1, heap2, goal, stacks, globals; /* work.heap0/1/2; lastHeapGoal, lastStackScan, globalsScan */
	__u64 cpu_fraction;                               /* bits of memstats.gc_cpu_fraction, a float64 */
	__s32 stwprocs, maxprocs;
	__u32 flags; /* enum gc_done_flag */
	__u32 pad;
};

/* One mark assist that could not pay by credit alone. */
struct event_gc_assist {
	struct event_hdr hdr; /* time_ns: the end of the wait */
	__u64 start_ns;       /* when it parked */
	__u64 goid;           /* 0 unknown */
};

/* Made by user space, at most once a second and process, from the kernel's count. */
struct event_gc_assists {
	struct event_hdr hdr; /* time_ns: of the last one; tid 0 */
	__u64 cnt;            /* assists that did mark work since the record before */
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
	struct event_tcp_connect tcp_connect;
	struct event_tcp_flow tcp_flow;
	struct event_tcp_retransmit tcp_retransmit;
	struct event_tcp_reset tcp_reset;
	struct event_dns_query dns_query;
	struct event_oom_kill oom_kill;
	struct event_runq runq;
	struct event_runq_window runq_window;
	struct event_runq_mean runq_mean;
	struct event_gc_done gc_done;
	struct event_gc_assist gc_assist;
	struct event_gc_assists gc_assists;
};

_Static_assert(sizeof(struct event_hdr) == 40, "event_hdr");
_Static_assert(sizeof(struct event_gc_start) == 56, "event_gc_start");
_Static_assert(sizeof(struct event_gc_pause) == 96, "event_gc_pause");
_Static_assert(sizeof(struct event_throttle) == 56, "event_throttle");
_Static_assert(sizeof(struct event_throttle_missed) == 56, "event_throttle_missed");
_Static_assert(sizeof(struct event_proc) == 72, "event_proc");
_Static_assert(sizeof(struct net_addr) == 40, "net_addr");
_Static_assert(sizeof(struct event_tcp_connect) == 104, "event_tcp_connect");
_Static_assert(sizeof(struct event_tcp_flow) == 144, "event_tcp_flow");
_Static_assert(sizeof(struct event_tcp_retransmit) == 96, "event_tcp_retransmit");
_Static_assert(sizeof(struct event_tcp_reset) == 88, "event_tcp_reset");
_Static_assert(sizeof(struct event_dns_query) == 240, "event_dns_query");
_Static_assert(sizeof(struct event_oom_kill) == 104, "event_oom_kill");
_Static_assert(sizeof(struct event_runq) == 104, "event_runq");
_Static_assert(sizeof(struct event_runq_window) == 80 + 4 * RUNQ_BUCKETS, "event_runq_window");
_Static_assert(sizeof(struct event_runq_mean) == 64, "event_runq_mean");
_Static_assert(sizeof(struct event_gc_done) == 184, "event_gc_done");
_Static_assert(sizeof(struct event_gc_assist) == 56, "event_gc_assist");
_Static_assert(sizeof(struct event_gc_assists) == 48, "event_gc_assists");
