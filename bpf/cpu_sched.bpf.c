// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Waits for a CPU, a histogram a cgroup, with the quota's share taken out: to the scheduler a throttled task is
 * runnable, so that a plain run-queue latency is ten times too long in a throttled container (facts/kernel.md 2).
 *
 * The three programs of a window run at every wake-up and switch of the node, and do next to nothing for tasks that
 * nobody watches: those have no task storage. It is made, with the cgroup in it, by a pass over all tasks in process
 * context and inherited by new threads; so no program that holds a run queue's lock ever allocates (an allocation may
 * wake up a kernel thread, which takes that lock). The same pass sums up the growth of sched_info between windows.
 *
 * What is taken out. Since 6.18 a task is throttled by itself and leaves its CPU marked as throttled: its wait begins
 * when its queue is released, so the time by which the queue's throttled time grew is subtracted, and nothing of any
 * other wait. From 6.6 to 6.17 the queue is taken away with all tasks on it: the growth is subtracted from each wait.
 * Before 6.6 only that a throttle took place is known: such waits are left out. A task that was moved to another CPU
 * meanwhile keeps the queue it began on: the balancer moves no throttled task, so what it waited for was there. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "cpu_sched.h"
#include "emit.bpf.h"
#include "filter.bpf.h"

const volatile __u64 event_min_ns = 5000000;

/* Written by user space before a pass, for that pass: a window opens, what is left of the last one goes; a window opens
 * or is open, each cgroup gets its histogram. */
bool pass_forgets, pass_adds_groups;
/* Histograms in use in this window, from entry 1 on; user space takes them and begins at 0 again. */
__u32 groups_used;
/* Written by passes: what this kernel keeps; threads seen, threads watched. */
bool has_sched_info, throttled_exact;
__u64 pass_threads, pass_watched;

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct runq_task);
} runq_tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, RUNQ_GROUP_MAX);
	__type(key, __u32);
	__type(value, struct runq_group);
} runq_groups SEC(".maps");

/* Filled and emptied by user space and passes, in process context: not preallocated. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, RUNQ_GROUP_MAX);
	__type(key, __u64);
	__type(value, __u32);
} runq_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, RUNQ_MEAN_MAX);
	__type(key, __u64);
	__type(value, struct runq_mean);
} runq_means SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct runq_rate);
} runq_rate SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct runq_slices);
} runq_slices SEC(".maps");

/* ---- waits ---- */

/* histogram_bucket() of user/stats/histogram.h, without an instruction that counts zeros. */
static __always_inline __u32 bucket_of(__u64 ns)
{
	__u32 msb = 0;
	__u64 v = ns;

	if (ns < 4)
		return ns;
	if (v >> 32) {
		v >>= 32;
		msb += 32;
	}
	if (v >> 16) {
		v >>= 16;
		msb += 16;
	}
	if (v >> 8) {
		v >>= 8;
		msb += 8;
	}
	if (v >> 4) {
		v >>= 4;
		msb += 4;
	}
	if (v >> 2) {
		v >>= 2;
		msb += 2;
	}
	msb += v >> 1;
	return 4 * (msb - 1) + ((ns >> (msb - 2)) & 3);
}

static __always_inline void note_throttled(struct runq_task *t, struct task_struct *task)
{
	struct cfs_rq *cfs_rq = kernel_task_cfs_rq(task);

	t->cfs_rq = (__u64)cfs_rq;
	t->throttled_ns = kernel_throttled_ns(cfs_rq, kernel_task_clock(task));
}

/* A wait begins. */
static __always_inline void begin_wait(struct runq_task *t, struct task_struct *task, bool switched_out, __u64 now_ns)
{
	t->start_ns = now_ns;
	t->cfs_rq = 0;
	if (kernel_throttles_tasks() ? switched_out && kernel_task_is_throttled(task) : kernel_task_is_fair(task))
		note_throttled(t, task);
}

#define MOVED_MAX_NS 1000000 /* a wait on two queues that is shorter is not worth a doubt */

/* Time since begin_wait() in which the quota kept the task away; negative: cannot be told. */
static __always_inline __s64 throttled_part(const struct runq_task *t, struct task_struct *task, __u64 wait_ns)
{
	struct cfs_rq *now_on = kernel_task_cfs_rq(task);
	struct cfs_rq *began_on = (void *)t->cfs_rq;
	__u64 ns;

	if (!began_on)
		return 0;
	if (now_on == began_on) {
		ns = kernel_throttled_ns(now_on, kernel_task_clock(task));
	} else {
		/* of the same group, it is not gone; of another, it may be */
		if (BPF_CORE_READ(began_on, tg) != now_on->tg)
			return -1;
		ns = kernel_throttled_ns_at(began_on, kernel_task_clock(task));
		/* it may have been throttled on the new one, too, and when it got there is not known */
		if (!kernel_throttles_tasks() && ns - t->throttled_ns + MOVED_MAX_NS <= wait_ns &&
		    kernel_throttled_ns(now_on, kernel_task_clock(task)))
			return -1;
	}
	if (ns <= t->throttled_ns)
		return 0;
	return kernel_throttled_is_exact() ? (__s64)(ns - t->throttled_ns) : -1;
}

static __always_inline bool rate_exceeded(__u64 now_ns)
{
	__u32 zero = 0;
	struct runq_rate *r = bpf_map_lookup_elem(&runq_rate, &zero);

	if (!r)
		return true;
	if (now_ns - r->start_ns >= 1000000000) {
		r->start_ns = now_ns;
		r->cnt = 0;
	}
	return r->cnt++ >= RUNQ_RATE_MAX;
}

/* prev has run for so long that others may have waited for it. */
static __always_inline void note_slice(struct task_struct *prev, __u64 len_ns, __u64 now_ns)
{
	__u32 zero = 0;
	struct runq_slices *all = bpf_map_lookup_elem(&runq_slices, &zero);
	struct runq_slice *s;

	if (!all)
		return;
	s = &all->s[all->next++ & (RUNQ_SLICES - 1)];
	s->end_ns = now_ns;
	s->len_ns = len_ns;
	s->tid = filter_tid_of(prev);
	s->tgid = filter_tgid_of(prev);
	BPF_CORE_READ_INTO(&s->comm, prev, comm);
}

/* Of the long runs on this CPU since start_ns the longest: who ran instead. Not simply the one before, which is often a
 * short one of the same process that got its turn first (Go's sysmon). */
static __always_inline const struct runq_slice *longest_since(__u64 start_ns)
{
	__u32 zero = 0;
	struct runq_slices *all = bpf_map_lookup_elem(&runq_slices, &zero);
	const struct runq_slice *best = 0;
	__u64 most = 0;

	if (!all)
		return 0;
#pragma unroll
	for (int i = 0; i < RUNQ_SLICES; i++) {
		const struct runq_slice *s = &all->s[i];
		__u64 len = s->len_ns;

		if (s->end_ns <= start_ns)
			continue;
		if (len > s->end_ns - start_ns)
			len = s->end_ns - start_ns; /* only what fell into the wait */
		if (len > most) {
			most = len;
			best = s;
		}
	}
	return best;
}

static __always_inline void fill_rival(struct event_runq *e, struct task_struct *prev, __u64 start_ns)
{
	const struct runq_slice *s = longest_since(start_ns);

	if (s) {
		e->prev_tid = s->tid;
		e->prev_tgid = s->tgid;
		__builtin_memcpy(e->prev_comm, s->comm, sizeof(e->prev_comm));
		return;
	}
	e->prev_tid = filter_tid_of(prev);
	e->prev_tgid = filter_tgid_of(prev);
	BPF_CORE_READ_INTO(&e->prev_comm, prev, comm);
}

/* A long wait, with the one that ran instead. */
static __always_inline void emit_long(const struct runq_task *t, struct task_struct *prev, struct task_struct *next,
				      __u64 start_ns, __u64 now_ns, __u64 throttled_ns)
{
	struct event_runq *e;

	count_hit(SIGNAL_CPU_SCHED);
	if (rate_exceeded(now_ns)) {
		count_filtered(SIGNAL_CPU_SCHED);
		return;
	}
	e = emit_reserve(SIGNAL_CPU_SCHED, EVENT_RUNQ, sizeof(*e), now_ns);
	if (!e)
		return;
	e->hdr.cpu_cgid = t->cpu_cgid;
	e->hdr.v2_cgid = t->v2_cgid;
	e->hdr.tgid = filter_tgid_of(next);
	e->hdr.tid = filter_tid_of(next);
	e->start_ns = start_ns;
	e->throttled_ns = throttled_ns;
	e->cpu = bpf_get_smp_processor_id();
	e->pad = 0;
	BPF_CORE_READ_INTO(&e->comm, next, comm);
	fill_rival(e, prev, start_ns);
	emit_submit(SIGNAL_CPU_SCHED, e);
}

/* False: there is no room for its cgroup. */
static __always_inline bool record(const struct runq_task *t, __u64 wait_ns, __u64 throttled_ns)
{
	__u32 group = t->group, bucket = bucket_of(wait_ns);
	struct runq_group *g = bpf_map_lookup_elem(&runq_groups, &group);

	if (!g || !group)
		return false;
	if (bucket >= RUNQ_BUCKETS)
		bucket = RUNQ_BUCKETS - 1;
	__sync_fetch_and_add(&g->buckets[bucket], 1);
	__sync_fetch_and_add(&g->sum_ns, wait_ns);
	if (wait_ns > g->max_ns)
		g->max_ns = wait_ns;
	if (throttled_ns)
		__sync_fetch_and_add(&g->throttled_ns, throttled_ns);
	return true;
}

/* A wait has ended: next gets the CPU. */
static __always_inline void end_wait(struct runq_task *t, struct task_struct *prev, struct task_struct *next,
				     __u64 now_ns)
{
	__u64 start_ns = t->start_ns;
	__u64 wait_ns = now_ns - start_ns;
	__s64 part = throttled_part(t, next, wait_ns);
	__u64 throttled_ns = (__u64)part < wait_ns ? part : wait_ns; /* two clocks: some ns apart */

	t->start_ns = 0;
	if (part < 0) {
		count_hit(SIGNAL_CPU_SCHED);
		count_filtered(SIGNAL_CPU_SCHED);
		return;
	}
	wait_ns -= throttled_ns;
	if (!record(t, wait_ns, throttled_ns)) {
		count_hit(SIGNAL_CPU_SCHED);
		count_lost(SIGNAL_CPU_SCHED, LOSS_STATE_FULL);
		return;
	}
	if (wait_ns >= event_min_ns)
		emit_long(t, prev, next, start_ns, now_ns, throttled_ns);
}

static __always_inline void woken(struct task_struct *task)
{
	struct runq_task *t;

	if (kernel_task_on_cpu(task)) /* not asleep yet: it does not wait */
		return;
	t = bpf_task_storage_get(&runq_tasks, task, 0, 0);
	if (t && !t->start_ns) /* else it was put aside while going to sleep, and waits since then */
		begin_wait(t, task, false, bpf_ktime_get_ns());
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *task)
{
	woken(task);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_wakeup_new, struct task_struct *task)
{
	woken(task);
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct runq_task *t;
	__u64 now_ns = 0, slice_ns = kernel_task_slice_ns(prev);

	if (slice_ns >= RUNQ_SLICE_MIN_NS && prev->pid) {
		now_ns = bpf_ktime_get_ns();
		note_slice(prev, slice_ns, now_ns);
	}
	/* A preempted task stays runnable, whatever state it was about to go to sleep in. */
	if (prev->pid && (preempt || kernel_task_is_running_state(prev))) {
		t = bpf_task_storage_get(&runq_tasks, prev, 0, 0);
		if (t) {
			now_ns = now_ns ? now_ns : bpf_ktime_get_ns();
			begin_wait(t, prev, true, now_ns);
		}
	}
	if (next->pid) {
		t = bpf_task_storage_get(&runq_tasks, next, 0, 0);
		if (t && t->start_ns)
			end_wait(t, prev, next, now_ns ? now_ns : bpf_ktime_get_ns());
	}
	return 0;
}

/* ---- which threads ---- */

SEC("tp_btf/task_newtask")
int BPF_PROG(on_newtask, struct task_struct *task, unsigned long clone_flags)
{
	struct task_struct *parent = bpf_get_current_task_btf();
	struct runq_task *of = bpf_task_storage_get(&runq_tasks, parent, 0, 0);
	struct runq_task *t;

	if (!of || task->tgid != parent->tgid)
		return 0;
	t = bpf_task_storage_get(&runq_tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t)
		return 0;
	t->cpu_cgid = of->cpu_cgid;
	t->v2_cgid = of->v2_cgid;
	t->group = of->group;
	return 0;
}

static __always_inline bool is_watched(struct task_struct *task)
{
	__u32 tgid = filter_tgid_of(task);
	struct process_entry *e;

	if (!tgid)
		return false;
	e = bpf_map_lookup_elem(&processes, &tgid);
	return e && (e->signals & (1u << SIGNAL_CPU_SCHED));
}

/* Index of the cgroup's histogram, made if there is none; 0: no room. Passes do not run at the same time. */
static __always_inline __u32 group_of(const struct runq_task *t)
{
	__u32 *found = bpf_map_lookup_elem(&runq_index, &t->cpu_cgid), group = groups_used + 1;
	struct runq_group *g;

	if (found)
		return *found;
	g = bpf_map_lookup_elem(&runq_groups, &group);
	if (!g || bpf_map_update_elem(&runq_index, &t->cpu_cgid, &group, BPF_NOEXIST))
		return 0;
	g->cpu_cgid = t->cpu_cgid;
	g->v2_cgid = t->v2_cgid;
	groups_used = group;
	return group;
}

/* Adds what the thread's sched_info grew by since the last pass. */
static __always_inline void mean_add(struct runq_task *t, __u64 delay_ns, __u64 runs, bool first)
{
	struct runq_mean grown = {.v2_cgid = t->v2_cgid, .delay_ns = delay_ns - t->delay_ns, .runs = runs - t->runs};
	struct runq_mean *m;

	t->delay_ns = delay_ns;
	t->runs = runs;
	if (first || !grown.runs) /* its past is not ours */
		return;
	m = bpf_map_lookup_elem(&runq_means, &t->cpu_cgid);
	if (!m) {
		if (bpf_map_update_elem(&runq_means, &t->cpu_cgid, &grown, BPF_NOEXIST)) {
			count_hit(SIGNAL_CPU_SCHED);
			count_lost(SIGNAL_CPU_SCHED, LOSS_STATE_FULL);
		}
		return;
	}
	m->delay_ns += grown.delay_ns;
	m->runs += grown.runs;
}

SEC("iter/task")
int runq_pass(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task_struct___sched *s = (void *)task;
	struct runq_task *t;
	bool first;

	if (!task)
		return 0;
	has_sched_info = bpf_core_field_exists(s->sched_info.run_delay);
	throttled_exact = kernel_throttled_is_exact();
	pass_threads++;
	if (!is_watched(task)) {
		bpf_task_storage_delete(&runq_tasks, task);
		return 0;
	}
	pass_watched++;
	t = bpf_task_storage_get(&runq_tasks, task, 0, 0);
	first = !t;
	if (!t)
		t = bpf_task_storage_get(&runq_tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t)
		return 0;
	t->cpu_cgid = kernel_cpu_cgid(task);
	t->v2_cgid = kernel_v2_cgid(task);
	if (pass_forgets)
		t->start_ns = 0;
	if (pass_adds_groups)
		t->group = group_of(t);
	if (bpf_core_field_exists(s->sched_info.run_delay))
		mean_add(t, s->sched_info.run_delay, s->sched_info.pcount, first);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
