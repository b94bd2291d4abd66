// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The program of the calibration: does what go_gc does for an event (counters, process lookup, ids, a record on the
 * ring) and throws the record away, so that the measured cost of a hit is that of a real one. It counts in the last
 * slot of the shared counters, which no signal has. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "emit.bpf.h"
#include "filter.bpf.h"

#define NO_SIGNAL (SIGNAL_MAX - 1)

SEC("uprobe")
int uprobe_cost(struct pt_regs *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	struct task_struct *task = (void *)bpf_get_current_task();
	__u32 tgid = filter_tgid_of(task), index = 0;
	struct event_gc_pause *e;

	count_hit(NO_SIGNAL);
	if (!bpf_map_lookup_elem(&binaries, &index) || bpf_map_lookup_elem(&processes, &tgid))
		return 0; /* never: our own process is in no table */
	e = emit_reserve(NO_SIGNAL, EVENT_GC_PAUSE, sizeof(*e), now);
	if (!e)
		return 0;
	e->hdr.cpu_cgid = kernel_cpu_cgid(task);
	e->hdr.v2_cgid = kernel_v2_cgid(task);
	e->hdr.tgid = tgid;
	e->hdr.tid = filter_tid_of(task);
	count_filtered(NO_SIGNAL);
	bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
