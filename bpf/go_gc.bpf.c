// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* GC cycles and stop-the-world pauses of Go processes.
 *
 * One program on up to four functions of the runtime; the attach cookie says which one and in which binary. startCycle
 * runs exactly once a cycle (gcStart does not). Since Go 1.22 startTheWorldWithSema carries the whole pause in
 * registers, stamps of CLOCK_MONOTONIC included; before, the pause is the time from stopTheWorldWithSema to it, and
 * what ran inside tells the reason (facts/go-runtime.md 1.4 and 4). Registers by version, in the order of ABIInternal:
 *
 *   startCycle             c, start, procs [1.19+: trigger.kind, ...]
 *   endCycle               c, now, ...
 *   stopTheWorldWithSema   1.18-1.20 nothing; 1.21 reason; later not probed
 *   startTheWorldWithSema  1.18-1.21 nothing of use; 1.22+ now or 0, reason, start; 1.23+ also when all Ps had stopped
 *   finishGCTransition     limiter, end of the stop
 *
 * The runtime counts the waking of the Ps into a sweep termination, and takes its end after that: up to 0.2 ms after
 * our probe where CPUs slept (1.26, 2 CPUs, measured). So that pause waits for finishGCTransition, which gets the end
 * that the runtime itself uses, and agrees with MemStats.PauseNs to the nanosecond. A mark termination brings its end
 * along.
 *
 * When the world starts again after a mark termination, everything that gctrace=1 prints of the cycle is final and the
 * next cycle cannot begin (gcMarkTermination prints it a little later, still under worldsema; so read in the sources of
 * 1.18-1.27): it is copied then. A restart of mark, which stops for the same reason, has no end cycle and no `now`.
 *
 * Every hit ends in exactly one of: event, filtered, lost. The copy counts as a hit of its own. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "go_hit.bpf.h"

static __always_inline void on_start_cycle(const struct hit *h)
{
	struct event_gc_start *e;
	__u64 start = GO_ARG1(h->ctx);

	h->process->stop_flags |= STOP_SAW_START_CYCLE;
	e = hit_reserve(h, EVENT_GC_START, sizeof(*e), h->now);
	if (!e)
		return;
	e->mark_start_ns = stamp_plausible(start, h->now) ? start : h->now;
	e->procs = GO_ARG2(h->ctx);
	e->trigger = GC_TRIGGER_UNKNOWN;
	if (h->binary->go_minor >= 19) {
		__u64 kind = GO_ARG3(h->ctx);

		if (kind <= GC_TRIGGER_FORCED)
			e->trigger = kind;
	}
	emit_submit(SIGNAL_GO_GC, e);
}

static __always_inline bool copy(const struct hit *h, void *to, __u32 sz, __u64 addr)
{
	return !bpf_probe_read_user(to, sz, (void *)(addr + h->process->bias));
}

/* gctrace=1 of 1.26 and newer names cycles that looked for leaked goroutines. gcMarkTermination forgets it just before
 * it starts the world; here it is still known. */
static __always_inline __u32 leak_flags(const struct hit *h)
{
	__u64 at = h->binary->cycle.leak_done;
	__u8 done = 0;

	if (h->binary->go_minor < 26)
		return STOP_LEAK_KNOWN;
	if (!at || !copy(h, &done, sizeof(done), at))
		return 0;
	return STOP_LEAK_KNOWN | (done ? STOP_LEAK_CHECK : 0);
}

static __always_inline void on_end_cycle(const struct hit *h)
{
	const __u32 leak = STOP_LEAK_KNOWN | STOP_LEAK_CHECK;
	struct process_entry *p = h->process;
	struct event_gc_mark_end *e;
	__u64 now = GO_ARG1(h->ctx);

	p->stop_flags = (p->stop_flags & ~leak) | STOP_SAW_END_CYCLE | leak_flags(h);
	e = hit_reserve(h, EVENT_GC_MARK_END, sizeof(*e), stamp_plausible(now, h->now) ? now : h->now);
	if (e)
		emit_submit(SIGNAL_GO_GC, e);
}

/* m.preemptoff of the running g's m: why this m must not be preempted, in the runtime's words. Length or 0. */
static __always_inline __u32 read_preemptoff(const struct hit *h, char *text)
{
	struct {
		__u64 ptr, len;
	} s = {};
	__u64 m = 0;

	if (!h->binary->preemptoff_in_m)
		return 0;
	if (bpf_probe_read_user(&m, sizeof(m), (void *)(GO_G(h->ctx) + h->binary->m_in_g)))
		return 0;
	if (bpf_probe_read_user(&s, sizeof(s), (void *)(m + h->binary->preemptoff_in_m)))
		return 0;
	if (!s.len)
		return 0;
	if (s.len > STW_TEXT_SZ - 1)
		s.len = STW_TEXT_SZ - 1;
	if (bpf_probe_read_user(text, s.len & (STW_TEXT_SZ - 1), (void *)s.ptr))
		return 0;
	return s.len;
}

/* gcMarkDone sets "gcing" before it stops the world, and clears it when it must resume marking: only here can such a
 * stop be told from others. */
static __always_inline bool is_gcing(const char *text)
{
	return text[0] == 'g' && text[1] == 'c' && text[2] == 'i' && text[3] == 'n' && text[4] == 'g' && !text[5];
}

static __always_inline void on_stop_world(const struct hit *h)
{
	struct process_entry *p = h->process;
	char text[STW_TEXT_SZ] = {};

	if (h->binary->go_minor >= 22) { /* not probed there: an odd binary */
		count_filtered(SIGNAL_GO_GC);
		return;
	}
	if (p->stop_ns)
		count_lost(SIGNAL_GO_GC, LOSS_UNPAIRED); /* the start of the stop before was missed */
	else
		count_filtered(SIGNAL_GO_GC); /* kept: it comes out with its end */
	p->stop_ns = h->now;
	p->stop_flags = 0;
	p->stop_reason = STW_UNKNOWN;
	if (h->binary->go_minor == 21)
		p->stop_reason = GO_ARG0(h->ctx) & 0xff;
	else if (read_preemptoff(h, text) && is_gcing(text))
		p->stop_reason = STW_GC_MARK_TERM;
}

static __always_inline void emit_pause(const struct hit *h, __u64 start, __u64 stopped, __u64 end, __u32 reason)
{
	struct event_gc_pause *e = hit_reserve(h, EVENT_GC_PAUSE, sizeof(*e), end);

	if (!e)
		return;
	__builtin_memset(e->text, 0, sizeof(e->text));
	e->start_ns = start;
	e->stopped_ns = stopped;
	e->reason = reason;
	e->flags = PAUSE_FROM_REGISTERS;
	emit_submit(SIGNAL_GO_GC, e);
}

struct cycle_pieces {
	struct cycle_work work;
	struct cycle_controller controller;
	struct cycle_stats stats;
	__u8 forced;
};

static __always_inline bool copy_cycle(const struct hit *h, struct cycle_pieces *p)
{
	const struct cycle_places *at = &h->binary->cycle;

	return copy(h, &p->work, sizeof(p->work), at->work) &&
	       copy(h, &p->controller, sizeof(p->controller), at->controller) &&
	       copy(h, &p->stats, sizeof(p->stats), at->stats) && copy(h, &p->forced, sizeof(p->forced), at->forced);
}

/* 1.18 prints work.heapGoal, which follows heap2, for the goal; 1.19 gcController.maxStackScan for the stacks (mgc.go).
 */
static __always_inline void take_cycle(const struct hit *h, const struct cycle_pieces *p, struct event_gc_done *e)
{
	const struct cycle_controller *c = &p->controller;
	const struct cycle_work *w = &p->work;
	const bool late = h->binary->cycle.heaps_at == 2;

	e->numgc = p->stats.numgc;
	e->sweep_term_ns = w->sweep_term;
	e->mark_ns = w->mark;
	e->mark_term_ns = w->mark_term;
	e->end_ns = w->end;
	e->assist_ns = c->assist;
	e->dedicated_ns = c->dedicated;
	e->fractional_ns = c->fractional;
	e->idle_ns = c->idle;
	e->heap0 = late ? w->rest[2] : w->rest[1];
	e->heap1 = late ? w->rest[3] : w->rest[2];
	e->heap2 = late ? w->rest[4] : w->rest[3];
	e->goal = h->binary->go_minor == 18 ? w->rest[5] : c->goal;
	e->stacks = h->binary->go_minor == 19 ? c->stacks_max : c->stacks;
	e->globals = c->globals;
	e->cpu_fraction = p->stats.gc_cpu_fraction;
	e->stwprocs = w->stwprocs;
	e->maxprocs = w->maxprocs;
	e->flags = (p->forced ? GC_DONE_FORCED : 0) |
		   (h->process->stop_flags & STOP_LEAK_KNOWN ? GC_DONE_LEAK_KNOWN : 0) |
		   (h->process->stop_flags & STOP_LEAK_CHECK ? GC_DONE_LEAK_CHECK : 0);
	e->pad = 0;
}

/* A layout that is wrong shows: stamps out of order, an end that is not the one in the register, and where the three
 * pieces know the same of this cycle, its number and what it marked, something else. */
static __always_inline bool cycle_plausible(const struct hit *h, const struct cycle_pieces *p,
					    const struct event_gc_done *e, __u64 end)
{
	return e->sweep_term_ns > 0 && e->sweep_term_ns <= e->mark_ns && e->mark_ns <= e->mark_term_ns &&
	       e->mark_term_ns <= e->end_ns && (__u64)e->end_ns <= h->now && (!end || (__u64)e->end_ns == end) &&
	       p->stats.numgc == p->work.cycles && p->controller.heap_marked == e->heap2;
}

static __always_inline void drop_done(struct event_gc_done *e, __u32 reason)
{
	bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
	count_lost(SIGNAL_GO_GC, reason);
}

/* end: the end of the cycle as the runtime passes it, 0 where it does not. Ahead of the pause, which ends the cycle. */
static __always_inline void emit_done(const struct hit *h, __u64 end)
{
	struct cycle_pieces pieces;
	struct event_gc_done *e;

	if (!h->binary->cycle.work)
		return;
	count_hit(SIGNAL_GO_GC);
	e = hit_reserve(h, EVENT_GC_DONE, sizeof(*e), h->now);
	if (!e)
		return;
	if (!copy_cycle(h, &pieces)) {
		drop_done(e, LOSS_UNREADABLE);
		return;
	}
	take_cycle(h, &pieces, e);
	if (!cycle_plausible(h, &pieces, e, end)) {
		drop_done(e, LOSS_INVALID);
		return;
	}
	e->hdr.time_ns = e->end_ns;
	emit_submit(SIGNAL_GO_GC, e);
}

static __always_inline void await_finish(const struct hit *h, __u64 start, __u64 stopped)
{
	struct process_entry *p = h->process;

	if (p->stop_flags &
	    STOP_AWAITS_FINISH) { /* the one before never came to its end: inlined here? No more of this */
		h->binary->exact_end = 0;
		count_lost(SIGNAL_GO_GC, LOSS_UNPAIRED);
	} else {
		count_filtered(SIGNAL_GO_GC); /* kept: it comes out with its end */
	}
	p->stop_flags |= STOP_AWAITS_FINISH;
	p->stop_ns = start;
	p->stopped_ns = stopped;
	p->restart_ns = h->now;
}

/* Go 1.22+: all in registers. */
static __always_inline void on_start_world_registers(const struct hit *h)
{
	__u64 end = GO_ARG0(h->ctx), start = GO_ARG2(h->ctx), stopped = 0;
	__u32 reason = GO_ARG1(h->ctx) & 0xff;

	bool end_known = stamp_plausible(end, h->now);

	if (!end_known)
		end = h->now;
	if (!stamp_plausible(start, end)) {
		count_lost(SIGNAL_GO_GC, LOSS_UNREADABLE);
		return;
	}
	if (h->binary->go_minor >= 23)
		stopped = GO_ARG3(h->ctx);
	if (stopped < start || stopped > end)
		stopped = 0;
	if (end_known && reason == STW_GC_MARK_TERM)
		emit_done(h, end);
	if (!end_known && reason == STW_GC_SWEEP_TERM && h->binary->exact_end)
		await_finish(h, start, stopped);
	else
		emit_pause(h, start, stopped, end, reason);
}

/* The end of a sweep termination; of a mark termination, or attached between the two: nothing waits. */
static __always_inline void on_finish(const struct hit *h)
{
	struct process_entry *p = h->process;
	__u64 end = GO_ARG1(h->ctx);

	if (!(p->stop_flags & STOP_AWAITS_FINISH)) {
		count_filtered(SIGNAL_GO_GC);
		return;
	}
	p->stop_flags &= ~STOP_AWAITS_FINISH;
	if (!stamp_plausible(end, h->now) || end < p->restart_ns)
		end = p->restart_ns;
	emit_pause(h, p->stop_ns, p->stopped_ns, end, STW_GC_SWEEP_TERM);
}

/* gcStart calls startCycle and gcMarkDone calls endCycle while the world is stopped, in 1.18-1.21 alike. */
static __always_inline __u32 paired_reason(const struct process_entry *p)
{
	if (p->stop_flags & STOP_SAW_START_CYCLE)
		return STW_GC_SWEEP_TERM;
	if (p->stop_flags & STOP_SAW_END_CYCLE)
		return STW_GC_MARK_TERM;
	return p->stop_reason;
}

/* Go 1.18-1.21: the pause began at our own stop probe. */
static __always_inline void on_start_world_paired(const struct hit *h)
{
	struct process_entry *p = h->process;
	__u64 start = p->stop_ns;
	struct event_gc_pause *e;

	p->stop_ns = 0;
	if (!start) { /* attached inside the stop, or the stop was skipped */
		count_lost(SIGNAL_GO_GC, LOSS_UNPAIRED);
		return;
	}
	if (p->stop_flags & STOP_SAW_END_CYCLE)
		emit_done(h, 0);
	e = hit_reserve(h, EVENT_GC_PAUSE, sizeof(*e), h->now);
	if (!e)
		return;
	__builtin_memset(e->text, 0, sizeof(e->text));
	e->start_ns = start;
	e->stopped_ns = 0;
	e->reason = h->binary->go_minor == 21 ? p->stop_reason : paired_reason(p);
	e->flags = 0;
	if (e->reason == STW_UNKNOWN)
		read_preemptoff(h, e->text);
	emit_submit(SIGNAL_GO_GC, e);
}

static __always_inline void on_start_world(const struct hit *h)
{
	if (h->binary->go_minor >= 22)
		on_start_world_registers(h);
	else
		on_start_world_paired(h);
}

/* A function of its own, so that the programs below share it in the object. */
static __noinline int handle(struct pt_regs *ctx, __u64 cookie)
{
	struct hit h = {.ctx = ctx, .signal = SIGNAL_GO_GC, .now = bpf_ktime_get_ns()};

	if (!hit_filter(&h, cookie))
		return 0;
	switch (COOKIE_SITE(cookie)) {
	case GO_SITE_START_CYCLE:
		on_start_cycle(&h);
		break;
	case GO_SITE_END_CYCLE:
		on_end_cycle(&h);
		break;
	case GO_SITE_STOP_WORLD:
		on_stop_world(&h);
		break;
	case GO_SITE_START_WORLD:
		on_start_world(&h);
		break;
	case GO_SITE_FINISH:
		on_finish(&h);
		break;
	default:
		count_filtered(SIGNAL_GO_GC);
	}
	return 0;
}

/* Loaded with BPF_TRACE_UPROBE_MULTI as expected attach type where the kernel has multi links, else without: a program
 * of either kind is refused by the other kind of link. */
SEC("uprobe")
int go_gc(struct pt_regs *ctx)
{
	return handle(ctx, bpf_get_attach_cookie(ctx));
}

/* Only loaded on kernels without cookies (before 5.15). */
SEC("uprobe")
int go_gc_start_cycle(struct pt_regs *ctx)
{
	return handle(ctx, GO_SITE_START_CYCLE);
}

SEC("uprobe")
int go_gc_end_cycle(struct pt_regs *ctx)
{
	return handle(ctx, GO_SITE_END_CYCLE);
}

SEC("uprobe")
int go_gc_stop_world(struct pt_regs *ctx)
{
	return handle(ctx, GO_SITE_STOP_WORLD);
}

SEC("uprobe")
int go_gc_start_world(struct pt_regs *ctx)
{
	return handle(ctx, GO_SITE_START_WORLD);
}

SEC("uprobe")
int go_gc_finish(struct pt_regs *ctx)
{
	return handle(ctx, GO_SITE_FINISH);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
