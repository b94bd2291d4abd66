/* SPDX-License-Identifier: BSD-2-Clause */
/* What the container screen shows beside the snapshot: single events on one clock. Plain data. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "event.h"
#include "runtime/sample.h"

#define DETAIL_CYCLES 20
#define DETAIL_SPANS  4096 /* of all lanes together; the oldest give way */
#define DETAIL_POLLS  256
#define DETAIL_NOTES  100

enum detail_lane { LANE_MARK, LANE_STW, LANE_THROTTLE, LANE_RUNQ, LANE_CNT };

struct detail_span {
	uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC */
	uint8_t lane;              /* enum detail_lane */
	uint8_t pad[3];
	uint32_t tag;     /* LANE_STW: enum stw_reason; LANE_THROTTLE: CPU */
	uint64_t wait_ns; /* LANE_RUNQ: net of throttling; else the length */
	char text[20];    /* LANE_RUNQ: comm that ran instead */
};

struct detail_cycle {
	int32_t pid;
	uint32_t trigger, procs, pauses;
	uint64_t start_ns, end_ns, mark_start_ns, mark_end_ns, pause_sum_ns;
	bool known; /* numbers count: the runtime's own, what gctrace prints of this cycle */
	struct runtime_cycle numbers;
};

struct detail_poll {
	uint64_t time_ns;
	int64_t cpu_ns; /* CPU time of the container until then */
};

/* A line of the events page: starts, exits with code, OOM kills, verdicts on and off. */
struct detail_note {
	uint64_t time_unix_ns;
	char text[180];
};

struct detail {
	struct detail_cycle cycles[DETAIL_CYCLES]; /* newest first */
	int cycle_cnt;
	struct detail_span spans[DETAIL_SPANS]; /* by start; those that overlap the asked time */
	int span_cnt;
	struct detail_poll polls[DETAIL_POLLS]; /* oldest first; empty unless the container is polled */
	int poll_cnt;
	struct detail_note notes[DETAIL_NOTES]; /* newest first */
	int note_cnt;
	bool runq_watched[128]; /* by hundredth part of the asked time (0..99): cpu_sched was armed then */
};
