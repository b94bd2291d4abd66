/* SPDX-License-Identifier: BSD-2-Clause */
/* go_sched: windows on single processes in which each switch of a goroutine is seen. The object is loaded when the
 * first window is asked for, its ring exists while one is open. With a right pid filter of the kernel's (Linux 6.10+,
 * and fixed older ones: tried on a child of our own) only the process itself pays; else everybody who runs the file
 * does, and is counted. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "go_sched_event.h"
#include "symbols/binary.h"

/* Sites that a window needs, or why there can be none: 0 or -ENOTSUP with why. */
int go_sched_check_binary(const struct binary *b, char *why);

#define GO_SCHED_RING_BYTES (4u << 20)

/* Calibrated on a function of our own with the program of the windows: trap and program, by kind; 0 unknown. */
struct go_sched_costs {
	double hit_ns[GO_SCHED_KIND_CNT];
	double late_ns; /* a hit after the end of a window */
};

struct go_sched_status {
	bool open;
	uint64_t start_ns, end_ns; /* end_ns: 0 while open */
	uint64_t hits[GO_SCHED_KIND_CNT];
	uint64_t lost[2]; /* enum go_sched_loss */
	uint64_t late;
	double cost_ns; /* of all of these */
};
