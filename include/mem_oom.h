/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Signal mem_oom: what its counters mean, and constants shared by bpf/mem_oom.bpf.c and probes/mem_oom.c.
 *
 *   hit       the kernel chose a process to kill for memory
 *   event     EVENT_OOM_KILL
 *   filtered  the victim is not visible in the agent's pid namespace
 *   lost      ring full; unreadable (a kernel that passes only a number, and the victim's task was not found) */
#pragma once

/* How the tracepoint mark_victim names the victim. */
enum oom_victim_arg {
	OOM_VICTIM_TASK = 0, /* struct task_struct *, since 6.9 (72ba14deb40a) and in stable series from 5.10 on */
	OOM_VICTIM_PID = 1,  /* number in the initial pid namespace */
};

#define OOM_RECENT_MAX 64 /* tasks that kill just now, remembered between two tracepoints */
