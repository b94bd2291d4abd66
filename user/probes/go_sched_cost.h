/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions of our own that look to go_sched's program like the Go runtime's: for what a hit costs on this machine, and
 * for whether the kernel keeps to the process of a link. */
#pragma once

#include <stdint.h>

#include "go_sched_event.h"
#include "go_site.h"

#define GO_SCHED_COST_SITES 7 /* of these the last is hit while its slot is closed */

/* Where the i-th function's probe goes, in our executable; 0: not found (an architecture without them). */
uint64_t go_sched_cost_offset(unsigned int i);
/* The site that it stands for, and the kind of its events; GO_SCHED_KIND_CNT: none, it is the late one. */
enum go_site go_sched_cost_site(unsigned int i);
enum go_sched_kind go_sched_cost_kind(unsigned int i);
/* What the program must know of the structures that they point to. */
void go_sched_cost_fill(volatile struct go_sched_slot *slot);
void go_sched_cost_call(unsigned int i, unsigned int times);
/* Median over batches of one call's time, in ns. */
double go_sched_cost_time(unsigned int i);
