/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The signals, numbered by hand: indexes of the counters that BPF programs and user space share. */
#pragma once

enum signal_id {
	SIGNAL_GO_GC = 0,
	SIGNAL_GO_RUNTIME = 1, /* no kernel side: passive reads */
	SIGNAL_CPU_THROTTLE = 2,
	SIGNAL_PROC_WATCH = 3,
	SIGNAL_CPU_SCHED = 4, /* in windows */
	SIGNAL_NET_TCP = 5,
	SIGNAL_NET_DNS = 6,
	SIGNAL_MEM_OOM = 7,
	SIGNAL_GO_ASSIST = 8, /* GC assists: programs and links of go_gc, only when asked for */
	SIGNAL_GO_SCHED = 9,  /* goroutine switches, in windows, only when asked for */
	SIGNAL_CNT = 10,
	SIGNAL_MAX = 16, /* size of the shared counter array */
};
#define SIGNALS_UNASKED ((1u << SIGNAL_GO_ASSIST) | (1u << SIGNAL_GO_SCHED)) /* only on when asked for */
