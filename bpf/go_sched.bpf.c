// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Switches of goroutines, of processes whose window is open: one event a hit and no state here, as what comes before
 * and after is put together in user space (stats/goroutine_track.c). Nine functions, all of them always called where
 * the name says (Go 1.18-1.27: facts/go-runtime.md 1.2, 1.4), all on g0, all at an instruction that the kernel
 * emulates:
 *
 *   execute            a goroutine runs           ready, netpollready     it is woken
 *   park_m, preemptPark   it stops                goschedImpl, goyield_m  it gives way and is runnable again
 *   exitsyscall0, exitsyscallNoP   it comes back from a system call without a P
 *   isSystemGoroutine  newproc1 asks that about each goroutine that it has made (at newproc1's own begin its g is not
 *                      known yet), and gdestroy (goexit0 before 1.22) about each that ends: told by who called it
 *
 * Not seen are wakes that the collector makes of its own workers and assists (injectglist, past ready), and coroutines
 * (iter.Pull), which swap goroutines inside of a slice.
 *
 * Accounting differs from other signals': events are counted where they are read, as an atomic add by 64 CPUs to one
 * word costs more than all the rest. hits = events + late + lost, the latter two in the slot. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "filter.bpf.h"
#include "go_abi.bpf.h"
#include "go_sched_event.h"
#include "go_site.h"

volatile bool pid_filtered = true; /* links are for one process each, and the kernel keeps to that */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, GO_SCHED_SLOTS);
	__type(key, __u32);
	__type(value, struct go_sched_slot);
} sched_slots SEC(".maps");

/* The ring that is in use while a window is open; user space puts it here and takes it away. */
struct sched_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct sched_ring);
} sched_rings SEC(".maps");

/* Preallocated: see shared_maps.bpf.h. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GO_SCHED_STACKS_MAX);
	__type(key, __u64);
	__type(value, struct go_sched_stack);
} sched_stacks SEC(".maps");

#define FRAMES_WALKED  20
#define FRAMES_WANTED  3
#define PIECE_WORDS    32   /* a power of two */
#define REASON_IO_WAIT 2    /* waitReasonIOWait, the same in 1.18-1.27 */
#define G_POINTER_MIN  4096 /* pdReady and pdWait are 1 and 2 */
#define FNV_BASIS      0xcbf29ce484222325ull
#define FNV_PRIME      0x100000001b3ull

struct hit {
	struct pt_regs *ctx;
	struct go_sched_slot *slot;
	__u32 index;
	__u64 now;
};

/* A word of the target's memory; 0 if it cannot be read. */
static __always_inline __u64 read_word(__u64 addr)
{
	__u64 v = 0;

	bpf_probe_read_user(&v, sizeof(v), (void *)addr);
	return v;
}

/* The P of this thread, by its address. */
static __always_inline __u64 current_p(const struct hit *h)
{
	__u64 m = read_word(GO_G(h->ctx) + h->slot->g_m);

	return m ? read_word(m + h->slot->m_p) : 0;
}

static __always_inline struct go_sched_raw *reserve(const struct hit *h, __u8 kind, __u64 size)
{
	__u32 zero = 0;
	void *ring = bpf_map_lookup_elem(&sched_rings, &zero);
	struct go_sched_raw *e = ring ? bpf_ringbuf_reserve(ring, size, 0) : 0;

	if (!e) {
		__sync_fetch_and_add(&h->slot->lost[GO_SCHED_LOST_RING], 1);
		return 0;
	}
	e->time_ns = h->now;
	e->g0 = GO_G(h->ctx);
	e->slot = h->index;
	e->kind = kind;
	e->pad = 0;
	return e;
}

static __always_inline void emit(const struct hit *h, __u8 kind, __u64 g, __u64 goid, __u64 arg, __u8 reason)
{
	struct go_sched_raw *e = reserve(h, kind, GO_SCHED_SHORT_SZ);

	if (!e)
		return;
	e->g = g;
	e->goid = goid;
	e->arg = arg;
	e->reason = reason;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

/* Of a goroutine that is there: its goid is never 0. */
static __always_inline void emit_of_g(const struct hit *h, __u8 kind, __u64 arg)
{
	__u64 g = GO_ARG0(h->ctx), goid = read_word(g + h->slot->g_goid);

	if (!goid)
		__sync_fetch_and_add(&h->slot->lost[GO_SCHED_LOST_UNREADABLE], 1);
	else
		emit(h, kind, g, goid, arg, 0);
}

/* A hit without event. */
static __always_inline void count_late(const struct hit *h)
{
	__sync_fetch_and_add(&h->slot->late, 1);
}

/* ---- where it parked ------------------------------------------------------------------------------------- */

/* A piece of the goroutine's stack: frames are often close to one another, and a read costs more than what it reads. */
struct piece {
	__u64 at; /* 0: nothing that could be used again */
	__u64 words[PIECE_WORDS];
};

/* Has the frame at bp in the piece; its index, PIECE_WORDS: it cannot be read. */
static __always_inline __u64 find_frame(struct piece *p, __u64 bp)
{
	__u64 i = (bp - p->at) / 8;

	if (i < PIECE_WORDS - 1)
		return i;
	p->at = bp;
	if (!bpf_probe_read_user(p->words, sizeof(p->words), (void *)bp))
		return 0;
	p->at = 0; /* where mapped memory ends: no more than must be there */
	return bpf_probe_read_user(p->words, 16, (void *)bp) ? PIECE_WORDS : 0;
}

/* 1 outside of the runtime's code, without a branch: each would double the verifier's paths. */
static __always_inline __u64 is_outside(const struct hit *h, __u64 pc)
{
	__u64 at = pc - h->slot->runtime_from, len = h->slot->runtime_to - h->slot->runtime_from;

	return 1 ^ ((at - len) >> 63 & (at >> 63 ^ 1));
}

/* Frame pointers are always kept (Go 1.18-1.27, both architectures), and park_m's g has saved its own: each points to
 * the caller's, beside the return address. Frames of the runtime itself say nothing. Behind them the first is mostly
 * the person's own; a wait for IO lies below the packages of the network. */
static __always_inline __u64 walk(const struct hit *h, __u64 bp, __u32 wanted, struct piece *p,
				  struct go_sched_stack *st)
{
	__u64 hash = FNV_BASIS ^ h->index, n = 0;

	p->at = 0;
	for (int k = 0; k < FRAMES_WALKED; k++) {
		__u64 i = find_frame(p, bp), next, ret, own;

		if (i == PIECE_WORDS)
			break;
		asm volatile("" : "+r"(i)); /* what the compiler knows of it, the verifier does not */
		next = p->words[i & (PIECE_WORDS - 1)];
		ret = p->words[(i + 1) & (PIECE_WORDS - 1)];
		own = is_outside(h, ret);
		st->pc[n & (GO_SCHED_STACK_DEPTH - 1)] = ret; /* overwritten by the next if it is not */
		hash ^= (hash ^ (hash ^ ret) * FNV_PRIME) & -own;
		n += own;
		if (next <= bp || n >= wanted) /* stacks grow down: the caller's is above */
			break;
		bp = next;
	}
	if (n < GO_SCHED_STACK_DEPTH)
		st->pc[n & (GO_SCHED_STACK_DEPTH - 1)] = 0;
	return n ? hash : 0;
}

static __always_inline __u64 stack_of(const struct hit *h, struct piece *p, __u64 bp, __u8 reason)
{
	struct go_sched_stack st = {.slot = h->index};
	__u64 id = walk(h, bp, reason == REASON_IO_WAIT ? GO_SCHED_STACK_DEPTH : FRAMES_WANTED, p, &st);

	if (!id || bpf_map_lookup_elem(&sched_stacks, &id))
		return id;
	return bpf_map_update_elem(&sched_stacks, &id, &st, BPF_ANY) ? 0 : id;
}

/* sched.bp, goid and waitreason lie close to one another in 1.18-1.27: user space checks. */
static __always_inline void on_park(const struct hit *h)
{
	__u64 g = GO_ARG0(h->ctx), goid, bp;
	__u32 goid_at = h->slot->bp_goid, reason_at = h->slot->bp_waitreason;
	struct piece p = {};
	__u8 reason;

	if (bpf_probe_read_user(p.words, GO_SCHED_G_PIECE, (void *)(g + h->slot->g_bp))) {
		__sync_fetch_and_add(&h->slot->lost[GO_SCHED_LOST_UNREADABLE], 1);
		return;
	}
	if (goid_at >= GO_SCHED_G_PIECE / 8 || reason_at >= GO_SCHED_G_PIECE)
		return;
	bp = p.words[0];
	goid = p.words[goid_at];
	reason = (__u8)(p.words[reason_at / 8] >> (reason_at % 8 * 8));
	emit(h, GO_SCHED_PARK, g, goid, stack_of(h, &p, bp, reason), reason);
}

/* ---- the others ------------------------------------------------------------------------------------------ */

static __always_inline __u64 return_address(const struct hit *h)
{
#if defined(__TARGET_ARCH_x86)
	return read_word(h->ctx->sp); /* nothing has been pushed yet: push and jbe alike */
#else
	return GO_REGS(h->ctx)->regs[30];
#endif
}

static __always_inline void emit_new(const struct hit *h, __u64 g)
{
	struct go_sched_raw *e = reserve(h, GO_SCHED_NEW, sizeof(*e));

	if (!e)
		return;
	e->g = g;
	e->goid = 0;
	e->reason = 0;
	e->arg = read_word(g + h->slot->g_gopc);
	e->startpc = read_word(g + h->slot->g_startpc);
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

/* isSystemGoroutine(g, fixed): who asks? Tracebacks and profiles do, too. */
static __always_inline void on_asked(const struct hit *h)
{
	__u64 from = return_address(h);

	if (from >= h->slot->newproc1_from && from < h->slot->newproc1_to)
		emit_new(h, GO_ARG0(h->ctx));
	else if (from >= h->slot->exit_from && from < h->slot->exit_to)
		emit_of_g(h, GO_SCHED_EXIT, 0);
	else
		count_late(h);
}

/* netpollready(toRun, pd, mode): mode 'r', 'w' or their sum; who waits is in pd.rg and pd.wg behind it. Where both are
 * woken (seldom) one hit counts as two. */
static __always_inline void on_netpoll(const struct hit *h)
{
	__u64 waiting[2], pd = GO_ARG1(h->ctx);
	__u32 mode = (__u32)GO_ARG2(h->ctx);
	bool reads, writes;

	if (bpf_probe_read_user(waiting, sizeof(waiting), (void *)(pd + h->slot->pd_rg))) {
		__sync_fetch_and_add(&h->slot->lost[GO_SCHED_LOST_UNREADABLE], 1);
		return;
	}
	reads = mode != 'w' && waiting[0] >= G_POINTER_MIN;
	writes = mode != 'r' && waiting[1] >= G_POINTER_MIN;
	if (reads)
		emit(h, GO_SCHED_NETPOLL, waiting[0], 0, 0, 0);
	if (writes)
		emit(h, GO_SCHED_NETPOLL, waiting[1], 0, 0, 0);
	if (!reads && !writes)
		count_late(h); /* nobody waits */
}

static __always_inline void on_site(const struct hit *h, __u32 site)
{
	switch (site) {
	case GO_SITE_RUN:
		emit_of_g(h, GO_SCHED_RUN, current_p(h));
		break;
	case GO_SITE_READY:
		emit(h, GO_SCHED_READY, GO_ARG0(h->ctx), 0, 0, 0);
		break;
	case GO_SITE_NETPOLL:
		on_netpoll(h);
		break;
	case GO_SITE_NEW:
		on_asked(h);
		break;
	case GO_SITE_PARK_M:
		on_park(h);
		break;
	case GO_SITE_GOSCHED:
	case GO_SITE_GOYIELD:
		emit_of_g(h, GO_SCHED_YIELD, 0);
		break;
	case GO_SITE_PREEMPT:
		emit_of_g(h, GO_SCHED_STOP, 0);
		break;
	case GO_SITE_SYSCALL:
		emit_of_g(h, GO_SCHED_SYSCALL, 0);
		break;
	default:
		count_late(h);
	}
}

static __always_inline bool is_own(const struct hit *h)
{
	return pid_filtered || filter_tgid_of((void *)bpf_get_current_task()) == h->slot->tgid;
}

/* A function of its own, so that the programs below share it in the object. */
static __noinline int handle(struct pt_regs *ctx, __u32 index, __u64 cookie)
{
	struct hit h = {.ctx = ctx, .index = index, .now = bpf_ktime_get_ns()};

	h.slot = bpf_map_lookup_elem(&sched_slots, &index);
	if (!h.slot)
		return 0;
	/* a branch that is taken comes again when the stack has grown */
	if (!h.slot->open || !is_own(&h) || ((cookie & COOKIE_JBE) && go_branch_taken(ctx)))
		count_late(&h);
	else
		on_site(&h, COOKIE_SITE(cookie));
	return 0;
}

/* Cookie: slot << 8 | site. */
SEC("uprobe")
int go_sched(struct pt_regs *ctx)
{
	__u64 cookie = bpf_get_attach_cookie(ctx);

	return handle(ctx, COOKIE_BINARY(cookie), cookie);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
