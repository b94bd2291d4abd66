/* SPDX-License-Identifier: BSD-2-Clause */
/* The budget of what we cost one process: numbers in, on/off out; no clock is read and nothing is switched here.
 *
 * Two rules. Windows (go_sched, cpu_sched) are paid from a credit: each CPU nanosecond that the process uses gives
 * max_ratio of it, each hit of any group takes its cost, and at most HORIZON's worth is saved up. What is on all the
 * time and optional (go_assist) is judged by the last 10 s: over budget the dearest optional group goes first, and
 * comes back when what it cost then and what the others cost now stay below 70 % of the budget, not before 30 s; what
 * it cost then counts for half after each OVERHEAD_FORGET_NS. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "overhead_group.h"

#define OVERHEAD_HORIZON_NS (60ull * 1000000000)
#define OVERHEAD_FIRST_NS   (10ull * 1000000000) /* of what it uses: the credit that it begins with */
#define OVERHEAD_WINDOW_NS  (10ull * 1000000000)
#define OVERHEAD_BACK_NS    (30ull * 1000000000)
#define OVERHEAD_FORGET_NS  (300ull * 1000000000)
#define OVERHEAD_NEVER_NS   (86400ull * 1000000000)
#define OVERHEAD_BACK_RATIO 0.7
#define OVERHEAD_READINGS   12

struct overhead {
	double max_ratio; /* negative: no budget, credit is infinite */
	double credit_ns;
	bool begun;   /* it has what it begins with */
	uint32_t off; /* bits 1 << enum overhead_group */
	uint64_t off_since_ns[OVERHEAD_GROUP_CNT];
	double off_ratio[OVERHEAD_GROUP_CNT]; /* what a group cost when it was switched off */
	unsigned int cnt;                     /* readings ever */
	struct {
		uint64_t time_ns, cpu_ns;
		double cost_ns[OVERHEAD_GROUP_CNT];
	} readings[OVERHEAD_READINGS]; /* ring, at least 0.8 s apart */
	uint64_t last_cpu_ns;
	double last_cost_ns;
	double cpu_rate; /* CPUs that it uses, over the readings */
};

void overhead_init(struct overhead *o, double max_ratio);
/* cpu_ns: CPU time of the process, ever; cost_ns: ours, ever, by group. Any time, also many times a second. */
void overhead_feed(struct overhead *o, uint64_t now_ns, uint64_t cpu_ns, const double cost_ns[OVERHEAD_GROUP_CNT]);
/* What a window may cost from now on, CPU ns of the process. INFINITY without a budget. */
double overhead_credit(const struct overhead *o);
/* The most that can be saved up, at the CPU that it uses. INFINITY without a budget. */
double overhead_credit_max(const struct overhead *o);
/* Nanoseconds until the credit is that large (and not nothing), at the CPU that it uses; 0: it is; UINT64_MAX: not
 * within OVERHEAD_NEVER_NS (idle). */
uint64_t overhead_wait_ns(const struct overhead *o, double credit_ns);
/* Share of its CPU over the last 10 s; group OVERHEAD_GROUP_CNT: all. NAN: nothing known yet. */
double overhead_ratio(const struct overhead *o, enum overhead_group group);
/* Decides by the last 10 s; true if `off` changed. `on`: bits of groups that are on or could be, and are judged by a
 * share (windows are paid from the credit instead). */
bool overhead_decide(struct overhead *o, uint64_t now_ns, uint32_t on);
