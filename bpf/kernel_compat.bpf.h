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

/* Cgroup of the task in the hierarchy of the controller with this number. */
static __always_inline __u64 kernel_subsys_cgid(struct task_struct *task, __u32 subsys)
{
	struct cgroup_subsys_state *css = 0;
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	__u64 at = (__u64)set + bpf_core_field_offset(struct css_set, subsys) + subsys * sizeof(css);

	if (bpf_probe_read_kernel(&css, sizeof(css), (void *)at))
		return 0;
	return BPF_CORE_READ(css, cgroup, kn, id);
}

/* Cgroup of the task in the cpu controller's hierarchy: on v2 the nearest ancestor that has the controller
 * (facts/kernel.md 3). Not sched_task_group: with autogroup that has no cgroup. 0 on a kernel without the controller.
 */
static __always_inline __u64 kernel_cpu_cgid(struct task_struct *task)
{
	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, cpu_cgrp_id))
		return 0;
	return kernel_subsys_cgid(task, bpf_core_enum_value(enum cgroup_subsys_id, cpu_cgrp_id));
}

/* Cgroup of the task in the memory controller's hierarchy, as kernel_cpu_cgid(). */
static __always_inline __u64 kernel_memory_cgid(struct task_struct *task)
{
	if (!bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return 0;
	return kernel_subsys_cgid(task, bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id));
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

/* Pages of one kind (KERNEL_RSS_*) that the process has in memory. Counters per CPU since 6.2 (f1a7941243c1): the sum
 * lags by what the CPUs keep to themselves, less than max(32, 2 x CPUs) pages each; the kernel's own report has the
 * same error. */
#define KERNEL_RSS_FILE  0
#define KERNEL_RSS_ANON  1
#define KERNEL_RSS_SHMEM 3

static __always_inline __u64 kernel_rss_pages(struct mm_struct *mm, __u32 kind)
{
	struct mm_struct___before_6_2 *old = (void *)mm;
	struct mm_struct___oom *now = (void *)mm;
	__s64 pages = 0;

	if (bpf_core_field_exists(old->rss_stat.count)) {
		pages = BPF_CORE_READ(old, rss_stat.count[kind].counter);
	} else if (bpf_core_field_exists(now->rss_stat)) {
		/* not rss_stat[kind]: a variable index is not relocated, and the kernel's elements are larger */
		__u64 at = (__u64)mm + bpf_core_field_offset(now->rss_stat) +
			   kind * bpf_core_type_size(struct percpu_counter);

		pages = BPF_CORE_READ((struct percpu_counter *)at, count);
	}
	return pages > 0 ? pages : 0;
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

/* ---- for tp_btf programs only: loads straight from typed pointers, a nanosecond each, because they run at every
 * context switch; a fault reads as 0 ---- */

/* Run queue of the fair class that the task is on, or would be on: on the CPU that the task belongs to. */
static __always_inline struct cfs_rq *kernel_task_cfs_rq(struct task_struct *task)
{
	return task->se.cfs_rq;
}

/* The scheduler's clock on the task's CPU in ns, in which throttled time is kept; comparable between CPUs, not with
 * CLOCK_MONOTONIC. No measure of a wait: a wake-up that preempts makes the next switch skip its update (idle CPUs would
 * show 0 where it takes 4-16 us). */
static __always_inline __u64 kernel_task_clock(struct task_struct *task)
{
	return task->se.cfs_rq->rq->clock;
}

/* Running, not only runnable: a wake-up then finds a task that has not yet gone to sleep. */
static __always_inline bool kernel_task_on_cpu(struct task_struct *task)
{
	struct task_struct___sched *t = (void *)task;

	return bpf_core_field_exists(t->on_cpu) && t->on_cpu; /* absent without CONFIG_SMP: before 6.17 */
}

/* task_struct.state became __state in 5.14 (2f064a59a11f). */
static __always_inline bool kernel_task_is_running_state(struct task_struct *task)
{
	struct task_struct___sched *t = (void *)task;
	struct task_struct___before_5_14 *old = (void *)task;

	if (bpf_core_field_exists(t->__state))
		return t->__state == 0;
	return old->state == 0;
}

/* Since 6.18 each task is stopped by itself when it returns to user space, and keeps a mark; before, the whole queue is
 * taken away with all tasks on it. */
static __always_inline bool kernel_throttles_tasks(void)
{
	struct task_struct___throttled *t = 0;

	return bpf_core_field_exists(t->throttled);
}

static __always_inline bool kernel_task_is_throttled(struct task_struct *task)
{
	return ((struct task_struct___throttled *)task)->throttled;
}

/* On a queue of the fair class: bandwidth control does not concern the others (real time, sched_ext). */
static __always_inline bool kernel_task_is_fair(struct task_struct *task)
{
	return ((struct task_struct___sched *)task)->se.on_rq;
}

#define KERNEL_MAX_RT_PRIO 100

/* CPU time of a task since it last got a CPU, without asking a clock; tasks of the real-time and deadline classes do
 * not keep it: U64_MAX, as who they keep waiting waits for them, however long they ran. */
static __always_inline __u64 kernel_task_slice_ns(struct task_struct *task)
{
	struct task_struct___slice *t = (void *)task;

	if (t->prio < KERNEL_MAX_RT_PRIO)
		return ~0ull;
	return t->se.sum_exec_runtime - t->se.prev_sum_exec_runtime;
}

/* cfs_rq.throttled_clock_self_time is exact and in the queue's own clock (6.6). The older field is in the clock of load
 * tracking, which may run slower: good for telling that there was a throttle, not for how long. */
static __always_inline bool kernel_throttled_is_exact(void)
{
	struct cfs_rq___self *c = 0;

	return bpf_core_field_exists(c->throttled_clock_self_time);
}

/* How long this queue was throttled, by its own quota or one above, up to clock_ns (of its CPU) and including a
 * throttle that is not over. Before 6.6 it is another number at least whenever a throttle has begun or ended in
 * between. */
static __always_inline __u64 kernel_throttled_ns(struct cfs_rq *cfs_rq, __u64 clock_ns)
{
	struct cfs_rq___self *c = (void *)cfs_rq;
	struct cfs_rq___pelt *pelt = (void *)cfs_rq;
	struct cfs_rq___before_5_19 *old = (void *)cfs_rq;
	__u64 since_ns;

	if (!kernel_throttled_is_exact())
		return (cfs_rq->throttle_count > 0) + (bpf_core_field_exists(pelt->throttled_clock_pelt_time)
							       ? pelt->throttled_clock_pelt_time
							       : old->throttled_clock_task_time);
	since_ns = c->throttled_clock_self;
	if (!since_ns || since_ns > clock_ns)
		return c->throttled_clock_self_time;
	return c->throttled_clock_self_time + (clock_ns - since_ns);
}

/* The same of a queue that is only known by its address, and may be gone: read by helper. */
static __always_inline __u64 kernel_throttled_ns_at(struct cfs_rq *cfs_rq, __u64 clock_ns)
{
	struct cfs_rq___self *c = (void *)cfs_rq;
	struct cfs_rq___pelt *pelt = (void *)cfs_rq;
	struct cfs_rq___before_5_19 *old = (void *)cfs_rq;
	__u64 since_ns;

	if (!kernel_throttled_is_exact())
		return (BPF_CORE_READ(cfs_rq, throttle_count) > 0) +
		       (bpf_core_field_exists(pelt->throttled_clock_pelt_time)
				? BPF_CORE_READ(pelt, throttled_clock_pelt_time)
				: BPF_CORE_READ(old, throttled_clock_task_time));
	since_ns = BPF_CORE_READ(c, throttled_clock_self);
	if (!since_ns || since_ns > clock_ns)
		return BPF_CORE_READ(c, throttled_clock_self_time);
	return BPF_CORE_READ(c, throttled_clock_self_time) + (clock_ns - since_ns);
}
