/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* One hit of a probe on a Go program: which process and binary it is of, is it wanted, and a record for it. What
 * go_gc and go_assist have in common. */
#pragma once
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "go_abi.bpf.h"
#include "go_site.h"

#define STAMP_MAX_AGE_NS (600ull * 1000000000) /* older: not a stamp of what has just ended */

/* One hit of a wanted process. */
struct hit {
	struct pt_regs *ctx;
	struct task_struct *task;
	struct process_entry *process;
	struct binary_entry *binary;
	__u32 signal; /* enum signal_id: a constant */
	__u32 tgid;
	__u64 now;
};

static __always_inline bool stamp_plausible(__u64 stamp, __u64 now)
{
	return stamp && stamp <= now && now - stamp <= STAMP_MAX_AGE_NS;
}

static __always_inline void *hit_reserve(const struct hit *h, __u16 kind, __u16 size, __u64 time_ns)
{
	struct event_hdr *e = emit_reserve(h->signal, kind, size, time_ns);

	if (!e)
		return 0;
	e->binary = h->process->binary;
	e->cpu_cgid = kernel_cpu_cgid(h->task);
	e->v2_cgid = kernel_v2_cgid(h->task);
	e->tgid = h->tgid;
	e->tid = filter_tid_of(h->task);
	return e;
}

/* The current process, if it is in the table; else it is counted here. */
static __always_inline bool hit_find_process(struct hit *h)
{
	h->task = (void *)bpf_get_current_task();
	h->tgid = filter_tgid_of(h->task);
	if (!h->tgid) { /* not in the agent's pid namespace: can never be wanted */
		count_filtered(h->signal);
		return false;
	}
	h->process = bpf_map_lookup_elem(&processes, &h->tgid);
	if (!h->process)
		count_lost(h->signal, LOSS_UNKNOWN_PROCESS);
	return h->process;
}

static __always_inline bool hit_find_binary(struct hit *h, __u32 index)
{
	struct binary_entry *b = bpf_map_lookup_elem(&binaries, &index);

	if (!b) {
		count_lost(h->signal, LOSS_UNKNOWN_PROCESS);
		return false;
	}
	if (h->signal == SIGNAL_GO_ASSIST)
		__sync_fetch_and_add(&b->assist_hits, 1);
	else
		__sync_fetch_and_add(&b->hits, 1);
	h->binary = b;
	return true;
}

/* Fills the hit of a wanted process; everything else is counted here. */
static __always_inline bool hit_filter(struct hit *h, __u64 cookie)
{
	__u32 index = COOKIE_BINARY(cookie);
	bool jbe = cookie & COOKIE_JBE;

	count_hit(h->signal);
	if (index) {
		if (!hit_find_binary(h, index))
			return false;
	} else { /* a kernel without cookies: the binary is that of the process */
		if (!hit_find_process(h) || !hit_find_binary(h, h->process->binary))
			return false;
		index = h->process->binary;
		jbe = h->binary->jbe_sites >> COOKIE_SITE(cookie) & 1;
	}
	if (jbe && go_branch_taken(h->ctx)) { /* it comes again when the stack has grown */
		count_filtered(h->signal);
		return false;
	}
	if (!h->process && !hit_find_process(h))
		return false;
	/* another index: the process maps a probed file that is not its executable */
	if (!(h->process->signals & (1u << h->signal)) || h->process->binary != index) {
		count_filtered(h->signal);
		return false;
	}
	return true;
}
