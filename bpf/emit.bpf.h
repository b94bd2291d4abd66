/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reserve, fill the header, submit: the only place that counts hits, events and losses. */
#pragma once
#include "event.h"
#include "kernel_compat.bpf.h"
#include "shared_maps.bpf.h"

static __always_inline struct signal_counters *signal_counters_of(__u32 signal)
{
	return bpf_map_lookup_elem(&counters, &signal);
}

static __always_inline void count_hit(__u32 signal)
{
	struct signal_counters *c = signal_counters_of(signal);

	if (c)
		__sync_fetch_and_add(&c->hits, 1);
}

static __always_inline void count_filtered(__u32 signal)
{
	struct signal_counters *c = signal_counters_of(signal);

	if (c)
		__sync_fetch_and_add(&c->filtered, 1);
}

static __always_inline void count_lost(__u32 signal, __u32 reason)
{
	struct signal_counters *c = signal_counters_of(signal);

	if (c && reason < LOSS_REASON_MAX)
		__sync_fetch_and_add(&c->lost[reason], 1);
}

/* Room for one event of `size` bytes with its header filled but for ids; NULL is counted as lost (ring full). */
static __always_inline void *emit_reserve(__u32 signal, __u16 kind, __u16 size, __u64 time_ns)
{
	struct event_hdr *h = bpf_ringbuf_reserve(&events, size, 0);

	if (!h) {
		count_lost(signal, LOSS_RING_FULL);
		return 0;
	}
	h->kind = kind;
	h->size = size;
	h->binary = 0;
	h->time_ns = time_ns;
	h->cpu_cgid = 0;
	h->v2_cgid = 0;
	h->tgid = 0;
	h->tid = 0;
	return h;
}

static __always_inline void emit_submit(__u32 signal, void *event)
{
	struct signal_counters *c = signal_counters_of(signal);

	if (c)
		__sync_fetch_and_add(&c->events, 1);
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}
