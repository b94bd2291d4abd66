// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Processes that the kernel kills for memory, at the moment it chooses them: tracepoint mark_victim, of the whole node.
 *
 * A raw tracepoint and not a typed one, because what it passes changed from a number to the task: one program serves
 * both. Where it is a number, the task is the one that the same thread has just sent SIGKILL to (__oom_kill_process
 * signals and then marks), or the thread itself, which was dying already. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "emit.bpf.h"
#include "filter.bpf.h"
#include "mem_oom.h"

const volatile __u32 victim_arg = OOM_VICTIM_TASK; /* enum oom_victim_arg */
const volatile __u32 page_bytes = 4096;

/* The last task that a thread killed for the kernel, by thread. LRU: nobody removes entries. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, OOM_RECENT_MAX);
	__type(key, __u32);
	__type(value, __u64);
} oom_recent SEC(".maps");

#define SIGKILL       9
#define SEND_SIG_PRIV 1 /* as `info`: sent by the kernel */

static __always_inline __u32 current_tid(void)
{
	return (__u32)bpf_get_current_pid_tgid();
}

static __always_inline struct task_struct *task_with_number(pid_t number)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 tid = current_tid();
	__u64 *recent;

	if (BPF_CORE_READ(task, pid) == number)
		return task;
	recent = bpf_map_lookup_elem(&oom_recent, &tid);
	if (!recent)
		return 0;
	task = (void *)*recent;
	return BPF_CORE_READ(task, pid) == number ? task : 0;
}

static __always_inline void fill_memory(struct task_struct *task, struct event_oom_kill *e)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct mm_struct___oom *sizes = (void *)mm;
	struct signal_struct___oom *signal = (void *)BPF_CORE_READ(task, signal);

	e->total_vm_bytes = BPF_CORE_READ(sizes, total_vm) * page_bytes;
	e->anon_rss_bytes = kernel_rss_pages(mm, KERNEL_RSS_ANON) * page_bytes;
	e->file_rss_bytes = kernel_rss_pages(mm, KERNEL_RSS_FILE) * page_bytes;
	e->shmem_rss_bytes = kernel_rss_pages(mm, KERNEL_RSS_SHMEM) * page_bytes;
	e->oom_score_adj = BPF_CORE_READ(signal, oom_score_adj);
}

static __always_inline void emit_victim(struct task_struct *task, __u32 tgid)
{
	struct event_oom_kill *e = emit_reserve(SIGNAL_MEM_OOM, EVENT_OOM_KILL, sizeof(*e), bpf_ktime_get_ns());

	if (!e)
		return;
	e->hdr.cpu_cgid = kernel_cpu_cgid(task);
	e->hdr.v2_cgid = kernel_v2_cgid(task);
	e->hdr.tgid = tgid;
	e->hdr.tid = filter_tid_of(task);
	e->memory_cgid = kernel_memory_cgid(task);
	e->pad = 0;
	fill_memory(task, e);
	BPF_CORE_READ_INTO(&e->comm, task, comm);
	emit_submit(SIGNAL_MEM_OOM, e);
}

SEC("raw_tp/mark_victim")
int oom_mark_victim(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	__u32 tgid;

	count_hit(SIGNAL_MEM_OOM);
	if (victim_arg == OOM_VICTIM_PID)
		task = task_with_number((pid_t)ctx->args[0]);
	if (!task) {
		count_lost(SIGNAL_MEM_OOM, LOSS_UNREADABLE);
		return 0;
	}
	tgid = filter_tgid_of(task);
	if (tgid)
		emit_victim(task, tgid);
	else
		count_filtered(SIGNAL_MEM_OOM);
	return 0;
}

/* Only where victims are numbers. Arguments: signal, info, task, to a group, result. */
SEC("raw_tp/signal_generate")
int oom_signal_generate(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 task = ctx->args[2];
	__u32 tid = current_tid();

	if ((__u32)ctx->args[0] == SIGKILL && ctx->args[1] == SEND_SIG_PRIV)
		bpf_map_update_elem(&oom_recent, &tid, &task, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
