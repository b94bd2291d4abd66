/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Signal cpu_throttle: bounds and map values shared by bpf/cpu_throttle.bpf.c and probes/cpu_throttle.c.
 *
 * What the counters of this signal mean:
 *   hit       an interval at its first sight (a throttled run queue with a stamp that was not known before), a
 *             throttled-time record, or a walk of a list that was cut at its bound
 *   event     EVENT_THROTTLE or EVENT_THROTTLE_MISSED submitted
 *   filtered  an interval of a group without a cgroup (autogroup): nobody to give it to
 *   lost      ring full; state full (no room for an interval, or a list cut); unpaired (opened, its end was not seen:
 *             the time comes again in an EVENT_THROTTLE_MISSED of the group, unless the group is gone)
 * so hits = events + filtered + losses + intervals that are open now (at most one a group and CPU). */
#pragma once
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define THROTTLE_OPEN_MAX  16384 /* open intervals: one a (throttled group, CPU); 250 pods on 64 CPUs */
#define THROTTLE_GROUP_MAX 8192  /* groups with a quota whose time is checked: least recently used goes first */
#define THROTTLE_LIST_MAX  64    /* run queues of one group looked at in one timer expiry: one a CPU; power of two */
#define THROTTLE_SLOTS     64    /* ends that one CPU may await from its next CSD; power of two */

/* Between the kernel's sum and ours clocks are read some microseconds apart; less than this is not worth a record, and
 * is kept until it adds up. */
#define THROTTLE_MISSED_MIN_NS 100000

/* A call (CSD) that comes later than this after the list was last read ended something else: its own end was lost with
 * a CPU going offline. Not less, because a hypervisor may keep the CPU from running for many milliseconds. */
#define THROTTLE_CSD_LATE_NS 1000000000ull

/* Map `throttle_open`, by address of the cfs_rq: an interval whose end was not yet seen. */
struct throttle_open {
	__u64 clock_ns; /* cfs_rq.throttled_clock: the kernel's own start, in time of that run queue */
	__u64 cpu_cgid; /* owner of the quota */
	__u64 v2_cgid;
	__u64 seen_ns; /* CLOCK_MONOTONIC: last time it was found on its group's list */
	__u32 cpu;
	__u32 pad;
};

/* Map `throttle_groups`, by cpu_cgid: the permanent self-check against cfs_bandwidth.throttled_time. */
struct throttle_group {
	__u64 accounted_ns;    /* throttled_time at first sight, plus intervals closed, plus (signed) records of missed
				  time */
	__u64 seen_ns;         /* CLOCK_MONOTONIC: last expiry of one of its timers */
	__u64 throttled_ticks; /* period expiries that found a list: grows as nr_throttled of cpu.stat */
};

/* Map `throttle_slots`, by CPU: run queues that its next CSD may end. 0 = free. */
struct throttle_slots {
	__u64 cfs_rq[THROTTLE_SLOTS];
};
