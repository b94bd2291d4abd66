/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Signal cpu_sched: bounds and map values shared by bpf/cpu_sched.bpf.c and probes/cpu_sched.c.
 *
 * A wait is the time from becoming runnable (woken, created, or put aside while runnable) to getting a CPU, less the
 * time in which the task's quota kept it from running. Waits of watched processes are counted in a histogram a cgroup;
 * these are no hits: counting each would cost as much as the histogram itself. What the counters mean:
 *   hit       a wait of runq_event_min_ns or more, or one that could not be counted
 *   event     EVENT_RUNQ submitted (the records made in user space are not counted: they lose nothing)
 *   filtered  a long wait beyond RUNQ_RATE_MAX on its CPU and second: it is in the histogram, without a record; or a
 *             wait that cannot be told from throttling: it is in no figure (kernels before 6.6: each wait with a
 * throttle in it; else only a wait whose task changed its group or, before 6.18, its queue while it was throttled) lost
 * ring full; state full (a wait, or a thread's mean, of a cgroup beyond the bound: it is in no figure) so hits =
 * events + filtered + losses. */
#pragma once
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif
#include "event.h"

#define RUNQ_GROUP_MAX 1024 /* cgroups with watched threads in one window; 0.7 MB of histograms */
#define RUNQ_MEAN_MAX  4096 /* cgroups with watched threads between two passes */
#define RUNQ_RATE_MAX  100  /* records of long waits a second and CPU */

/* Map `runq_tasks`, task storage: exists for the threads of watched processes only. */
struct runq_task {
	__u64 start_ns;     /* CLOCK_MONOTONIC: when it became runnable; 0: it is not known to wait */
	__u64 cfs_rq;       /* the run queue whose throttled time counts; 0: none */
	__u64 throttled_ns; /* of that run queue, at start_ns */
	__u64 cpu_cgid, v2_cgid;
	__u64 delay_ns, runs; /* sched_info at the last pass */
	__u32 group;          /* index in `runq_groups`, of this window; 0: there was no room */
	__u32 pad;
};

/* Map `runq_groups`, mmapable array: the waits of one cgroup in the window that is open; entry 0 is not used. An array,
 * with the index in the task's storage, because a look-up by cgroup is 25 of the 60 ns that counting a wait takes.
 * Atomic adds, but for max_ns. */
struct runq_group {
	__u64 cpu_cgid, v2_cgid;
	__u64 sum_ns;
	__u64 max_ns; /* two CPUs at once: the smaller one may win */
	__u64 throttled_ns;
	__u32 buckets[RUNQ_BUCKETS];
};

/* Map `runq_index`: cpu_cgid to index in `runq_groups`. */

/* Map `runq_means`, by cpu_cgid: growth of sched_info over the cgroup's threads since user space last took it. */
struct runq_mean {
	__u64 v2_cgid;
	__u64 delay_ns;
	__u64 runs;
};

#define RUNQ_SLICE_MIN_NS 500000 /* shorter runs keep nobody waiting for long */
#define RUNQ_SLICES       4      /* kept a CPU: waits of some ms see so many long runs */

/* Map `runq_slices`, by CPU: the last long runs, for who ran instead of a task that waited. */
struct runq_slice {
	__u64 end_ns, len_ns; /* CLOCK_MONOTONIC; 0: none */
	__u32 tid, tgid;      /* in the agent's pid namespace */
	char comm[EVENT_COMM_SZ];
};
struct runq_slices {
	__u64 next;
	struct runq_slice s[RUNQ_SLICES];
};

/* Map `runq_rate`, by CPU: long waits of the second that began at start_ns. */
struct runq_rate {
	__u64 start_ns;
	__u64 cnt;
};
