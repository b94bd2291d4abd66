// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Switches of goroutines, of processes whose window is open: one event a hit and no state here, as what comes before
 * and after is put together in user space (stats/goroutine_track.c). Ten functions, all of them always called where the
 * name says (Go 1.18-1.27: facts/go-runtime.md 1.2, 1.4), all on g0, all at an instruction that the kernel emulates:
 *
 *   execute            a goroutine runs           ready, netpollready             it is woken
 *   isSystemGoroutine  newproc1 asks that about each goroutine that it has made: unlike at newproc1's own begin its g
 * is known, with its function and go statement; other callers (tracebacks) are told by their address park_m, goexit0,
 * preemptPark   it stops       goschedImpl, goyield_m          it gives way and is runnable again exitsyscall0,
 * exitsyscallNoP   it comes back from a system call without a P
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

#define NEW_SZ        sizeof(struct go_sched_event)
#define FRAMES_WALKED 20
#define G_POINTER_MIN 4096 /* pdReady and pdWait are 1 and 2 */
#define FNV_PRIME     0x100000001b3ull

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

static __always_inline __u64 m_of(const struct hit *h)
{
	return read_word(GO_G(h->ctx) + h->slot->g_m);
}

/* The goroutine on whose behalf g0 works here; 0: none (the scheduler itself). */
static __always_inline __u64 current_goid(const struct hit *h)
{
	__u64 m = m_of(h), g = m ? read_word(m + h->slot->m_curg) : 0;

	return g ? read_word(g + h->slot->g_goid) : 0;
}

static __always_inline __u16 current_p(const struct hit *h)
{
	__u64 m = m_of(h), p = m ? read_word(m + h->slot->m_p) : 0;
	__s32 id = -1;

	if (p)
		bpf_probe_read_user(&id, sizeof(id), (void *)p); /* p.id comes first, 1.18-1.27 */
	return id >= 0 && id < GO_SCHED_P_UNKNOWN ? (__u16)id : GO_SCHED_P_UNKNOWN;
}

static __always_inline void emit(const struct hit *h, __u8 kind, __u64 g, __u64 goid, __u64 arg, __u8 reason, __u16 p,
				 __u64 startpc)
{
	__u32 zero = 0;
	void *ring = bpf_map_lookup_elem(&sched_rings, &zero);
	struct go_sched_event *e = 0;

	if (ring) {
		if (kind == GO_SCHED_NEW)
			e = bpf_ringbuf_reserve(ring, NEW_SZ, 0);
		else
			e = bpf_ringbuf_reserve(ring, GO_SCHED_SHORT_SZ, 0);
	}
	if (!e) {
		__sync_fetch_and_add(&h->slot->lost[GO_SCHED_LOST_RING], 1);
		return;
	}
	e->time_ns = h->now;
	e->g = g;
	e->goid = goid;
	e->arg = arg;
	e->slot = h->index;
	e->kind = kind;
	e->reason = reason;
	e->p = p;
	if (kind == GO_SCHED_NEW)
		e->startpc = startpc;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

/* Of a goroutine that is there: its goid is never 0. */
static __always_inline void emit_of_g(const struct hit *h, __u8 kind, __u64 arg, __u8 reason, __u16 p)
{
	__u64 g = GO_ARG0(h->ctx), goid = read_word(g + h->slot->g_goid);

	if (!goid)
		__sync_fetch_and_add(&h->slot->lost[GO_SCHED_LOST_UNREADABLE], 1);
	else
		emit(h, kind, g, goid, arg, reason, p, 0);
}

static __always_inline void emit_late(const struct hit *h)
{
	__sync_fetch_and_add(&h->slot->late, 1);
}

/* Frame pointers are always kept (Go 1.18-1.27, both architectures), and park_m's g has saved its own. Frames of the
 * runtime itself say nothing; where there are no others the outermost of them stands for all. */
static __always_inline __u64 walk(const struct hit *h, __u64 bp, struct go_sched_stack *st)
{
	const __u64 from = h->slot->runtime_from, to = h->slot->runtime_to;
	__u64 hash = 0xcbf29ce484222325ull ^ h->index;
	__u32 n = 0;

	for (int i = 0; i < FRAMES_WALKED && n < GO_SCHED_STACK_DEPTH; i++) {
		__u64 frame[2];

		if (!bp || bpf_probe_read_user(frame, sizeof(frame), (void *)bp) || !frame[1])
			break;
		if (frame[1] < from || frame[1] >= to) {
			st->pc[n & (GO_SCHED_STACK_DEPTH - 1)] = frame[1];
			n++;
			hash = (hash ^ frame[1]) * FNV_PRIME;
		}
		if (frame[0] <= bp) /* stacks grow down: the caller's is above */
			break;
		bp = frame[0];
	}
	return n ? hash : 0;
}

static __always_inline __u64 stack_of(const struct hit *h, __u64 g)
{
	struct go_sched_stack st = {.slot = h->index};
	__u64 id = walk(h, read_word(g + h->slot->g_bp), &st);

	if (!id || bpf_map_lookup_elem(&sched_stacks, &id))
		return id;
	return bpf_map_update_elem(&sched_stacks, &id, &st, BPF_ANY) ? 0 : id;
}

static __always_inline void on_park(const struct hit *h)
{
	__u64 g = GO_ARG0(h->ctx);
	__u8 reason = 0;

	bpf_probe_read_user(&reason, sizeof(reason), (void *)(g + h->slot->g_waitreason));
	emit_of_g(h, GO_SCHED_PARK, stack_of(h, g), reason, GO_SCHED_P_UNKNOWN);
}

static __always_inline void on_ready(const struct hit *h)
{
	emit(h, GO_SCHED_READY, GO_ARG0(h->ctx), 0, current_goid(h), 0, GO_SCHED_P_UNKNOWN, 0);
}

static __always_inline __u64 return_address(const struct hit *h)
{
#if defined(__TARGET_ARCH_x86)
	return read_word(h->ctx->sp); /* nothing has been pushed yet: push and jbe alike */
#else
	return GO_REGS(h->ctx)->regs[30];
#endif
}

static __always_inline void on_new(const struct hit *h)
{
	__u64 g = GO_ARG0(h->ctx), from = return_address(h);

	if (from < h->slot->newproc1_from || from >= h->slot->newproc1_to) {
		emit_late(h);
		return;
	}
	emit(h, GO_SCHED_NEW, g, current_goid(h), read_word(g + h->slot->g_gopc), 0, GO_SCHED_P_UNKNOWN,
	     read_word(g + h->slot->g_startpc));
}

/* netpollready(toRun, pd, mode): mode 'r', 'w' or their sum; who waits is in pd.rg and pd.wg behind it. */
static __always_inline void on_netpoll(const struct hit *h)
{
	__u64 waiting[2] = {0, 0}, pd = GO_ARG1(h->ctx);
	__u32 mode = (__u32)GO_ARG2(h->ctx);
	bool any = false;

	if (bpf_probe_read_user(waiting, sizeof(waiting), (void *)(pd + h->slot->pd_rg))) {
		__sync_fetch_and_add(&h->slot->lost[GO_SCHED_LOST_UNREADABLE], 1);
		return;
	}
	if (mode != 'w' && waiting[0] >= G_POINTER_MIN) {
		emit(h, GO_SCHED_NETPOLL, waiting[0], 0, 0, 0, GO_SCHED_P_UNKNOWN, 0);
		any = true;
	}
	if (mode != 'r' && waiting[1] >= G_POINTER_MIN) {
		emit(h, GO_SCHED_NETPOLL, waiting[1], 0, 0, 0, GO_SCHED_P_UNKNOWN, 0);
		any = true;
	}
	if (!any)
		emit_late(h); /* nobody waits */
}

static __always_inline void on_site(const struct hit *h, __u32 site)
{
	switch (site) {
	case GO_SITE_RUN:
		emit_of_g(h, GO_SCHED_RUN, 0, 0, current_p(h));
		break;
	case GO_SITE_READY:
		on_ready(h);
		break;
	case GO_SITE_NETPOLL:
		on_netpoll(h);
		break;
	case GO_SITE_NEW:
		on_new(h);
		break;
	case GO_SITE_PARK_M:
		on_park(h);
		break;
	case GO_SITE_EXIT:
		emit_of_g(h, GO_SCHED_EXIT, 0, 0, GO_SCHED_P_UNKNOWN);
		break;
	case GO_SITE_GOSCHED:
	case GO_SITE_GOYIELD:
		emit_of_g(h, GO_SCHED_YIELD, 0, 0, GO_SCHED_P_UNKNOWN);
		break;
	case GO_SITE_PREEMPT:
		emit_of_g(h, GO_SCHED_STOP, 0, 0, GO_SCHED_P_UNKNOWN);
		break;
	case GO_SITE_SYSCALL:
		emit_of_g(h, GO_SCHED_SYSCALL, 0, 0, GO_SCHED_P_UNKNOWN);
		break;
	default:
		emit_late(h);
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
		emit_late(&h);
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
