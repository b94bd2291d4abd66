/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* One accessor for each kernel structure that moved between 5.10 and 7.3, or that needs more than a field access. All
 * of them read by helper, so that they work in every program type; an unreadable pointer gives 0. */
#pragma once
#include <bpf/bpf_core_read.h>

static __always_inline __u64 kernel_cgroup_id(struct cgroup *cgroup)
{
	return BPF_CORE_READ(cgroup, kn, id);
}

/* Parent directory: kernfs_node.parent became __parent in 6.15 (633488947ef6). */
static __always_inline struct kernfs_node *kernel_kernfs_parent(struct kernfs_node *kn)
{
	struct kernfs_node___before_6_15 *old = (void *)kn;

	if (bpf_core_field_exists(kn->__parent))
		return BPF_CORE_READ(kn, __parent);
	return BPF_CORE_READ(old, parent);
}

/* Cgroup of the task in the cpu controller's hierarchy: on v2 the nearest ancestor that has the controller
 * (facts/kernel.md 3). Not sched_task_group: with autogroup that has no cgroup. 0 on a kernel without the controller.
 */
static __always_inline __u64 kernel_cpu_cgid(struct task_struct *task)
{
	struct cgroup_subsys_state *css = 0;
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	__u64 at;

	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, cpu_cgrp_id))
		return 0;
	at = (__u64)set + bpf_core_field_offset(struct css_set, subsys) +
	     bpf_core_enum_value(enum cgroup_subsys_id, cpu_cgrp_id) * sizeof(css);
	if (bpf_probe_read_kernel(&css, sizeof(css), (void *)at))
		return 0;
	return BPF_CORE_READ(css, cgroup, kn, id);
}

/* Cgroup of the task in the unified hierarchy. */
static __always_inline __u64 kernel_v2_cgid(struct task_struct *task)
{
	return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

/* Start on CLOCK_BOOTTIME. The older name real_start_time (before 5.5, cf25e24db61c) needs no flavour: the ring buffer
 * needs 5.8. */
static __always_inline __u64 kernel_start_boottime(struct task_struct *task)
{
	return BPF_CORE_READ(task, start_boottime);
}

/* Exit code of the process as wait(2) gives it: that of the group if one was set (exit_group, a fatal signal). */
static __always_inline __u32 kernel_exit_code(struct task_struct *task)
{
	__u32 group = BPF_CORE_READ(task, signal, group_exit_code);

	return group ? group : BPF_CORE_READ(task, exit_code);
}

/* cfs_rq.throttled: an int up to 6.17, one bit since 6.18. */
static __always_inline bool kernel_cfs_rq_throttled(struct cfs_rq *cfs_rq)
{
	return BPF_CORE_READ_BITFIELD_PROBED(cfs_rq, throttled) != 0;
}

/* Number of `pid` in the pid namespace with this inode number; 0: not in it.
 * The level of the agent's namespace is found by searching: 4 levels are more than nested nodes (kind in a container)
 * have, and at level 0 the first look hits. */
#define KERNEL_PIDNS_LEVELS 4

static __always_inline __u32 kernel_pid_nr(struct pid *pid, __u32 ns_inum)
{
	__u64 at = (__u64)pid + bpf_core_field_offset(struct pid, numbers);
	__u32 level = BPF_CORE_READ(pid, level);

#pragma unroll
	for (__u32 i = 0; i < KERNEL_PIDNS_LEVELS; i++) {
		struct upid *u = (void *)(at + i * bpf_core_type_size(struct upid));

		if (i > level)
			return 0;
		if (BPF_CORE_READ(u, ns, ns.inum) == ns_inum)
			return BPF_CORE_READ(u, nr);
	}
	return 0;
}
