/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which process is this, in numbers of the agent's pid namespace, and does anybody want it. A uprobe fires in every
 * process that maps the file, and bpf_get_current_pid_tgid() is in the initial namespace, which on a nested node is not
 * the one whose procfs the agent reads (facts/attach.md 3). */
#pragma once
#include "kernel_compat.bpf.h"
#include "shared_maps.bpf.h"

const volatile __u32 agent_pidns_inum = 0; /* inode number of /proc/self/ns/pid of the agent */

#define PIDNS_INITIAL_INUM 0xEFFFFFFCu /* PROC_PID_INIT_INO: fixed in every kernel */

static __always_inline __u32 filter_tid_of(struct task_struct *task)
{
	if (agent_pidns_inum == PIDNS_INITIAL_INUM)
		return BPF_CORE_READ(task, pid);
	return kernel_pid_nr(BPF_CORE_READ(task, thread_pid), agent_pidns_inum);
}

/* 0: not visible in the agent's namespace */
static __always_inline __u32 filter_tgid_of(struct task_struct *task)
{
	if (agent_pidns_inum == PIDNS_INITIAL_INUM)
		return BPF_CORE_READ(task, tgid);
	return kernel_pid_nr(BPF_CORE_READ(task, group_leader, thread_pid), agent_pidns_inum);
}
