/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What every signal counts, and why events are lost: hits = events + filtered + sum of losses. */
#pragma once
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum loss_reason {
	LOSS_RING_FULL = 0,       /* no room on the ring buffer */
	LOSS_STATE_FULL = 1,      /* a kernel map was full, or a walk hit its bound */
	LOSS_UNREADABLE = 2,      /* memory of the target or of the kernel could not be read */
	LOSS_UNKNOWN_PROCESS = 3, /* the process was not (yet) in the process table */
	LOSS_UNPAIRED = 4,        /* an end without its begin, or a begin whose end never came */
	LOSS_RECURSION = 5,       /* skipped by the kernel's recursion guard; counted by user space */
	LOSS_INVALID = 6,         /* refused: size or field out of range */
	LOSS_STORM = 7,           /* not seen because the probe was switched off: too many hits */
	LOSS_LIMIT = 8,           /* user space's own bound (history, containers) was reached */
	LOSS_REASON_CNT = 9,
	LOSS_REASON_MAX = 12, /* size in the shared array */
};

/* One a signal in the mmapable array map `signal_counters`; only ever added to (atomic adds). */
struct signal_counters {
	__u64 hits;     /* times a program of this signal got past its first cheap test */
	__u64 events;   /* records submitted to the ring */
	__u64 filtered; /* deliberately dropped: process not wanted, branch taken, ... */
	__u64 lost[LOSS_REASON_MAX];
	__u64 pad;
};
