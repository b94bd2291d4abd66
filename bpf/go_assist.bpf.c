// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Mark assists of Go processes: goroutines that allocate faster than the collector marks are made to mark themselves,
 * and where there is nothing to mark for them they wait for the credit of background workers.
 *
 * gcAssistAlloc1 is the work: counted, no event. gcParkAssist is the wait. It runs on the goroutine's own stack, so its
 * return must never be probed by a return probe (the stack moves), and its RETs are single-stepped. Its only caller,
 * gcAssistAlloc, tests what it gave back, and the branch behind that test is emulated: the end of the wait is there
 * (Go 1.18-1.27, amd64 and arm64: symbols/probe_site.c). False: it did not wait, credit had just come in, and the
 * goroutine tries again. True: it has waited, or mark was over before it could. The latter is no wait and frequent
 * (each goroutine that is assisting when mark ends), and known at the start: mark ends while the world is stopped, so
 * that a goroutine that runs in gcParkAssist sees gcphase as the function itself does (gcBlackenEnabled; so read in the
 * sources of 1.18-1.27). Where gcphase is not known these come out as waits of a microsecond or two.
 *
 * A goroutine may wake up on another thread, so the key is its g; a g never moves. Every hit ends in exactly one of:
 * event, filtered, lost. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "go_assist_state.h"
#include "go_hit.bpf.h"

/* Preallocated, both: before 6.1 the kernel warns of others in a uprobe's program (94dacdbd5d2d). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, ASSIST_PARKED_MAX);
	__type(key, struct assist_key);
	__type(value, __u64); /* when it parked, or NOT_PARKED */
} assist_parked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ASSIST_COUNTS_MAX);
	__type(key, __u32);
	__type(value, struct assist_count);
} assist_counts SEC(".maps");

/* Not there yet; two threads may come first at once. */
static __always_inline void first_assist(const struct hit *h)
{
	struct assist_count first = {.last_ns = h->now};

	first.cpu_cgid = kernel_cpu_cgid(h->task);
	first.v2_cgid = kernel_v2_cgid(h->task);
	bpf_map_update_elem(&assist_counts, &h->tgid, &first, BPF_NOEXIST);
}

static __always_inline void on_assist(const struct hit *h)
{
	struct assist_count *c = bpf_map_lookup_elem(&assist_counts, &h->tgid);

	if (!c) {
		first_assist(h);
		c = bpf_map_lookup_elem(&assist_counts, &h->tgid);
	}
	if (!c) {
		count_lost(SIGNAL_GO_ASSIST, LOSS_STATE_FULL);
		return;
	}
	__sync_fetch_and_add(&c->cnt, 1);
	c->last_ns = h->now;
	count_filtered(SIGNAL_GO_ASSIST); /* kept: it comes out as a number */
}

#define GC_MARK    1 /* _GCmark */
#define NOT_PARKED 0

static __always_inline bool mark_is_over(const struct hit *h)
{
	__u32 phase = GC_MARK;

	if (h->binary->gcphase)
		bpf_probe_read_user(&phase, sizeof(phase), (void *)(h->binary->gcphase + h->process->bias));
	return phase != GC_MARK;
}

static __always_inline void on_park(const struct hit *h)
{
	struct assist_key key = {.tgid = h->tgid, .g = GO_G(h->ctx)};
	__u64 start = mark_is_over(h) ? NOT_PARKED : h->now;

	if (!bpf_map_update_elem(&assist_parked, &key, &start, BPF_NOEXIST)) {
		count_filtered(SIGNAL_GO_ASSIST); /* kept: it comes out with its end */
		return;
	}
	count_lost(SIGNAL_GO_ASSIST, LOSS_UNPAIRED); /* the end of the one before was missed */
	bpf_map_update_elem(&assist_parked, &key, &start, BPF_ANY);
}

static __always_inline void emit_wait(const struct hit *h, __u64 start)
{
	struct event_gc_assist *e = hit_reserve(h, EVENT_GC_ASSIST, sizeof(*e), h->now);
	__u64 g = GO_G(h->ctx);

	if (!e)
		return;
	e->start_ns = start;
	if (!h->binary->goid_in_g || bpf_probe_read_user(&e->goid, sizeof(e->goid), (void *)(g + h->binary->goid_in_g)))
		e->goid = 0;
	emit_submit(SIGNAL_GO_ASSIST, e);
}

static __always_inline void on_park_end(const struct hit *h)
{
	struct assist_key key = {.tgid = h->tgid, .g = GO_G(h->ctx)};
	__u64 *parked = bpf_map_lookup_elem(&assist_parked, &key), start;

	if (!parked) { /* attached while it waited */
		count_lost(SIGNAL_GO_ASSIST, LOSS_UNPAIRED);
		return;
	}
	start = *parked;
	bpf_map_delete_elem(&assist_parked, &key);
	if (start == NOT_PARKED || !(GO_ARG0(h->ctx) & 1)) /* a bool: it backed out */
		count_filtered(SIGNAL_GO_ASSIST);
	else if (!stamp_plausible(start, h->now)) /* of a process before it with this number */
		count_lost(SIGNAL_GO_ASSIST, LOSS_UNPAIRED);
	else
		emit_wait(h, start);
}

/* A function of its own, so that the programs below share it in the object. */
static __noinline int handle(struct pt_regs *ctx, __u64 cookie)
{
	struct hit h = {.ctx = ctx, .signal = SIGNAL_GO_ASSIST, .now = bpf_ktime_get_ns()};

	if (!hit_filter(&h, cookie))
		return 0;
	switch (COOKIE_SITE(cookie)) {
	case GO_SITE_ASSIST:
		on_assist(&h);
		break;
	case GO_SITE_PARK:
		on_park(&h);
		break;
	case GO_SITE_PARK_END:
		on_park_end(&h);
		break;
	default:
		count_filtered(SIGNAL_GO_ASSIST);
	}
	return 0;
}

/* Loaded as go_gc's: see there. */
SEC("uprobe")
int go_assist(struct pt_regs *ctx)
{
	return handle(ctx, bpf_get_attach_cookie(ctx));
}

/* Only loaded on kernels without cookies (before 5.15). */
SEC("uprobe")
int go_assist_work(struct pt_regs *ctx)
{
	return handle(ctx, GO_SITE_ASSIST);
}

SEC("uprobe")
int go_assist_park(struct pt_regs *ctx)
{
	return handle(ctx, GO_SITE_PARK);
}

SEC("uprobe")
int go_assist_park_end(struct pt_regs *ctx)
{
	return handle(ctx, GO_SITE_PARK_END);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
