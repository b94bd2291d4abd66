/* SPDX-License-Identifier: BSD-2-Clause */
/* The windows of go_sched, for probes.c; who uses probes/ calls probes_sched_*(). */
#pragma once

#include <sys/types.h>

#include "probes/go_sched.h"

struct link_release;
struct process;
struct signal;

/* Once the signal is loaded: is the kernel's pid filter right, what does a hit cost. Links are released through
 * `release`, which outlives the windows. 0 or -errno with why. */
int go_sched_prepare(struct signal *s, struct link_release *release, char *why);
int go_sched_open_window(struct signal *s, const struct process *proc, int exe_fd, char *why);
void go_sched_close_window(struct signal *s, pid_t pid);
int go_sched_drain(struct signal *s);
unsigned int go_sched_windows(const struct signal *s);
bool go_sched_window_status(const struct signal *s, pid_t pid, struct go_sched_status *ret);
const struct go_sched_costs *go_sched_get_costs(const struct signal *s);
int go_sched_get_stack(const struct signal *s, uint64_t id, struct go_sched_stack *ret);
/* Gives all links to the releasing threads: nobody is told any more. */
void go_sched_stop(struct signal *s);
