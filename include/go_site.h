/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The Go runtime functions that get a probe, numbered by hand: the low byte of an attach cookie. */
#pragma once

enum go_site {
	GO_SITE_START_CYCLE = 0, /* runtime.(*gcControllerState).startCycle */
	GO_SITE_END_CYCLE = 1,   /* runtime.(*gcControllerState).endCycle */
	GO_SITE_STOP_WORLD = 2,  /* runtime.stopTheWorldWithSema, needed before 1.22 only */
	GO_SITE_START_WORLD = 3, /* runtime.startTheWorldWithSema */
	GO_SITE_FINISH = 4,      /* runtime.(*gcCPULimiterState).finishGCTransition, 1.22+, optional: exact ends */
	GO_SITE_GC_CNT = 5,      /* those of go_gc; of go_assist, all optional: */
	GO_SITE_ASSIST = 5,      /* runtime.gcAssistAlloc1: a goroutine is made to mark */
	GO_SITE_PARK = 6,        /* runtime.gcParkAssist: it has to wait for credit */
	GO_SITE_PARK_END = 7,    /* runtime.gcAssistAlloc, behind its call of gcParkAssist */
	GO_SITE_SCHED_FIRST = 8, /* those of go_sched, in windows: */
	GO_SITE_RUN = 8,         /* runtime.execute */
	GO_SITE_READY = 9,       /* runtime.ready */
	GO_SITE_NETPOLL = 10,    /* runtime.netpollready */
	GO_SITE_NEW = 11,        /* runtime.isSystemGoroutine: newproc1 asks it about each new goroutine, gdestroy
				       (goexit0) about each that ends (1.18-1.27) */
	GO_SITE_PARK_M = 12,     /* runtime.park_m */
	GO_SITE_EXIT = 13,       /* runtime.goexit0: no probe, see GO_SITE_NEW */
	GO_SITE_GOSCHED = 14,    /* runtime.goschedImpl */
	GO_SITE_GOYIELD = 15,    /* runtime.goyield_m */
	GO_SITE_PREEMPT = 16,    /* runtime.preemptPark */
	GO_SITE_SYSCALL = 17,    /* runtime.exitsyscall0, from 1.26 on runtime.exitsyscallNoP */
	GO_SITE_CNT = 18,
};
