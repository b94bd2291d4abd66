// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Processes that replace their image or end: the process table forgets them at once, user space is told.
 *
 * sched_process_exit runs once a thread. The end of the process is the thread that finds signal->live at 0 (do_exit has
 * decremented it before): the group leader may exit long before the others and is no sign of it. Two threads that exit
 * at once may both see 0; the second notice is harmless, as the table entry is already gone. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "emit.bpf.h"
#include "filter.bpf.h"

static __always_inline void forget_and_tell(struct task_struct *task, __u16 kind)
{
	__u32 tgid = filter_tgid_of(task);
	struct event_proc *e;

	count_hit(SIGNAL_PROC_WATCH);
	if (!tgid) { /* not in the agent's pid namespace */
		count_filtered(SIGNAL_PROC_WATCH);
		return;
	}
	bpf_map_delete_elem(&processes, &tgid);
	e = emit_reserve(SIGNAL_PROC_WATCH, kind, sizeof(*e), bpf_ktime_get_ns());
	if (!e)
		return;
	e->hdr.cpu_cgid = kernel_cpu_cgid(task);
	e->hdr.v2_cgid = kernel_v2_cgid(task);
	e->hdr.tgid = tgid;
	e->hdr.tid = filter_tid_of(task);
	e->start_ns = kernel_start_boottime(task);
	e->exit_code = 0;
	e->pad = 0;
	if (kind == EVENT_PROC_EXIT)
		e->exit_code = kernel_exit_code(task);
	BPF_CORE_READ_INTO(&e->comm, task, comm);
	emit_submit(SIGNAL_PROC_WATCH, e);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(proc_watch_exec, struct task_struct *task)
{
	forget_and_tell(task, EVENT_PROC_EXEC);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(proc_watch_exit, struct task_struct *task)
{
	if (BPF_CORE_READ(task, signal, live.counter) > 0)
		return 0;
	forget_and_tell(task, EVENT_PROC_EXIT);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
