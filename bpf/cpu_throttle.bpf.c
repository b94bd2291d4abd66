// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Intervals in which the CPU bandwidth controller kept a group from running, from its timers alone: nothing is paid at
 * context switches.
 *
 * Each throttled run queue (cfs_rq) stands on cfs_bandwidth.throttled_cfs_rq with the time it was stopped at. Only the
 * group's period timer and slack timer hand out new quota, so the list is read when one of them expires
 * (hrtimer_expire_entry) and what has ended is closed when its callback returns (hrtimer_expire_exit). Since 6.3
 * (8ad075c2eb1f) run queues of other CPUs are ended by an inter-processor call, __cfsb_csd_unthrottle: those are closed
 * at its csd_function_exit. The kernel charges rq->clock - throttled_clock for each interval; so do we, with the clock
 * of the same run queue.
 *
 * Three ends pass no timer: a changed limit, a CPU going offline, a removed group. Therefore each expiry compares the
 * group's throttled_time with what was accounted and emits the rest, signed, as EVENT_THROTTLE_MISSED: intervals plus
 * records are cpu.stat, always. The check is at the entry, where all calls of the period before are done.
 *
 * Loop bodies are global functions, verified once each (5.6), and take their state from map memory: inlined, with
 * counters in registers, the verifier multiplies paths up to its limit of a million instructions.
 *
 * Measured by tests/bpf/test_cpu_throttle (bursts of 4 s, 1 to 14 threads, a pod's quota, quotas of 1 to 60 ms): the
 * sum of the intervals differs from cpu.stat by 0.000 ms on 6.18 (v1, 2 CPUs) and by at most 0.03 ms on 5.10, 6.1, 6.12
 * and 7.3 (v2, 2 and 4 emulated CPUs, slack timer included); with limits changed, intervals and records together by as
 * little. Loading takes 23-35 ms on 6.18; entry and exit of timers that are mostly others' take 106 and 79 ns with
 * two busy CPUs, of which 58 each are the measurement's own. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "cpu_throttle.h"
#include "emit.bpf.h"

/* Addresses from kallsyms; 0 never matches. User space resolves them: a __ksym costs 57 ms a load and is 0 without a
 * word when CAP_SYSLOG is missing. */
const volatile __u64 period_timer_fn;
const volatile __u64 slack_timer_fn;
const volatile __u64 csd_fn;
const volatile bool csd_traced;                    /* on_csd_exit is attached */
const volatile __u32 list_max = THROTTLE_LIST_MAX; /* tests lower it */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, THROTTLE_OPEN_MAX);
	__type(key, __u64);
	__type(value, struct throttle_open);
} throttle_open SEC(".maps");

/* LRU: a group that is gone is not looked up again and makes room, without a sweep and without a full map. A live group
 * that is evicted only starts its check anew. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, THROTTLE_GROUP_MAX);
	__type(key, __u64);
	__type(value, struct throttle_group);
} throttle_groups SEC(".maps");

/* Not bpf_for_each_map_elem over throttle_open in the call: it walks all buckets, 17-138 us. Sized by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct throttle_slots);
} throttle_slots SEC(".maps");

/* One run queue found by the walk at the entry; end_ns is set once it was closed at the exit. */
struct listed {
	__u64 cfs_rq;
	__u64 clock_ns;
	__u64 length_ns;
	__u64 end_ns;
	__u32 cpu;
	__u32 pad;
};

/* The callback that runs now on this CPU: they don't nest, both timers run with interrupts off. */
struct expiry {
	__u64 bandwidth; /* struct cfs_bandwidth *, 0: none of ours */
	__u64 cpu_cgid, v2_cgid;
	__u64 entry_ns;
	__u64 throttled_ns; /* throttled_time at the entry */
	__u64 at;           /* the walk: next struct list_head *; the loops at the exit: next index */
	__u64 closed_ns;    /* sum of what was closed at the exit */
	__u64 late_ns;      /* how much later than the kernel we read each of their clocks */
	__u32 closed_cnt;
	__u32 visited;
	__u32 listed_cnt;
	__u32 cpu;
	struct listed listed[THROTTLE_LIST_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct expiry);
} throttle_expiry SEC(".maps");

#define EEXIST 17

static __always_inline struct expiry *expiry_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&throttle_expiry, &zero);
}

/* Version 2's hierarchy is the one with number 0. */
static __always_inline bool is_v2(struct cgroup *cgroup)
{
	struct cgroup___hierarchy *c = (void *)cgroup;

	return BPF_CORE_READ(c, root, hierarchy_id) == 0;
}

/* The bandwidth controller that this timer belongs to, or 0. For all other timers of the machine only this runs. */
static __always_inline __u64 bandwidth_of(struct hrtimer *timer, bool *is_period)
{
	__u64 fn = (__u64)timer->function;

	*is_period = fn == period_timer_fn;
	if (fn == 0)
		return 0;
	if (*is_period)
		return (__u64)timer - bpf_core_field_offset(struct cfs_bandwidth, period_timer);
	if (fn == slack_timer_fn)
		return (__u64)timer - bpf_core_field_offset(struct cfs_bandwidth, slack_timer);
	return 0;
}

/* Adds to what the group's check holds for accounted; the group may have been evicted. */
static __always_inline void account(__u64 cpu_cgid, __u64 ns)
{
	struct throttle_group *g = bpf_map_lookup_elem(&throttle_groups, &cpu_cgid);

	if (g)
		__sync_fetch_and_add(&g->accounted_ns, ns);
}

static __always_inline void emit_interval(const struct throttle_open *o, __u64 end_ns, __u64 length_ns, __u32 how)
{
	struct event_throttle *e = emit_reserve(SIGNAL_CPU_THROTTLE, EVENT_THROTTLE, sizeof(*e), end_ns);

	if (!e)
		return;
	e->hdr.cpu_cgid = o->cpu_cgid;
	e->hdr.v2_cgid = o->v2_cgid;
	e->start_ns = end_ns - length_ns;
	e->cpu = o->cpu;
	e->how = how;
	emit_submit(SIGNAL_CPU_THROTTLE, e);
}

static __always_inline void emit_missed(const struct expiry *x, __u64 window_start_ns, __s64 missed_ns)
{
	struct event_throttle_missed *e;

	count_hit(SIGNAL_CPU_THROTTLE);
	e = emit_reserve(SIGNAL_CPU_THROTTLE, EVENT_THROTTLE_MISSED, sizeof(*e), x->entry_ns);
	if (!e)
		return;
	e->hdr.cpu_cgid = x->cpu_cgid;
	e->hdr.v2_cgid = x->v2_cgid;
	e->start_ns = window_start_ns;
	e->missed_ns = missed_ns;
	emit_submit(SIGNAL_CPU_THROTTLE, e);
}

static __always_inline void group_add(const struct expiry *x)
{
	struct throttle_group g = {.accounted_ns = x->throttled_ns, .seen_ns = x->entry_ns};
	__u64 key = x->cpu_cgid;

	/* -EEXIST: the group's other timer, on another CPU. An LRU map is never full. */
	bpf_map_update_elem(&throttle_groups, &key, &g, BPF_NOEXIST);
}

/* Compares the kernel's sum with ours. The gap keeps its sign: it is below zero when the other timer of the group is
 * just handing out quota on another CPU and its exit, later, accounts what was reported here; dropped, it would hide a
 * later gap of the same size. */
static __always_inline void group_check(const struct expiry *x, bool throttled_tick)
{
	__u64 key = x->cpu_cgid;
	struct throttle_group *g = bpf_map_lookup_elem(&throttle_groups, &key);
	__s64 gap;

	if (!g) {
		group_add(x);
		g = bpf_map_lookup_elem(&throttle_groups, &key);
		if (!g)
			return;
	}
	gap = x->throttled_ns - g->accounted_ns;
	if (gap > THROTTLE_MISSED_MIN_NS || gap < -THROTTLE_MISSED_MIN_NS) {
		__sync_fetch_and_add(&g->accounted_ns, gap);
		emit_missed(x, g->seen_ns, gap);
	}
	g->seen_ns = x->entry_ns;
	if (throttled_tick)
		__sync_fetch_and_add(&g->throttled_ticks, 1);
}

/* Where on the CPU's slots the search for a run queue begins: cfs_rq are aligned to 64 bytes and more. */
static __always_inline __u32 slot_hash(__u64 cfs_rq)
{
	return (cfs_rq >> 6) ^ (cfs_rq >> 12) ^ (cfs_rq >> 18);
}

#define SLOT_PROBES 8

/* Tells the CPU that ends this run queue to look at it in its next call. No room: the interval ends unseen (unpaired)
 * and its time is in the next record of missed time. The same goes for two timers that take one slot at once. */
static __always_inline void slot_add(__u32 cpu, __u64 cfs_rq)
{
	struct throttle_slots *s = bpf_map_lookup_elem(&throttle_slots, &cpu);
	__u32 h = slot_hash(cfs_rq);

	if (!s)
		return;
#pragma unroll
	for (__u32 i = 0; i < SLOT_PROBES; i++) {
		__u64 *slot = &s->cfs_rq[(h + i) & (THROTTLE_SLOTS - 1)];

		if (*slot == 0 || *slot == cfs_rq) {
			*slot = cfs_rq;
			return;
		}
	}
}

static __always_inline void slot_remove(__u32 cpu, __u64 cfs_rq)
{
	struct throttle_slots *s = bpf_map_lookup_elem(&throttle_slots, &cpu);
	__u32 h = slot_hash(cfs_rq);

	if (!s)
		return;
#pragma unroll
	for (__u32 i = 0; i < SLOT_PROBES; i++) {
		__u64 *slot = &s->cfs_rq[(h + i) & (THROTTLE_SLOTS - 1)];

		if (*slot == cfs_rq)
			*slot = 0;
	}
}

/* Whoever removes an open interval owns it, to emit it or to count it lost: deletion is atomic on every kernel. */
static __always_inline bool claim(__u64 cfs_rq)
{
	return bpf_map_delete_elem(&throttle_open, &cfs_rq) == 0;
}

/* Notes the interval of this run queue as open; false if there is no room for it. */
static __always_inline bool note_open(struct expiry *x, __u64 cfs_rq, __u64 clock_ns, __u32 cpu)
{
	struct throttle_open *known = bpf_map_lookup_elem(&throttle_open, &cfs_rq);
	struct throttle_open o = {
		.clock_ns = clock_ns,
		.cpu_cgid = x->cpu_cgid,
		.v2_cgid = x->v2_cgid,
		.seen_ns = x->entry_ns,
		.cpu = cpu,
	};
	long err;

	if (known && known->clock_ns == clock_ns) {
		known->seen_ns = x->entry_ns;
		return true;
	}
	if (known && claim(cfs_rq))
		count_lost(SIGNAL_CPU_THROTTLE, LOSS_UNPAIRED); /* an older interval: it ended without a timer */
	err = bpf_map_update_elem(&throttle_open, &cfs_rq, &o, BPF_NOEXIST);
	if (err == -EEXIST) /* the group's other timer, on another CPU */
		return true;
	count_hit(SIGNAL_CPU_THROTTLE);
	if (err)
		count_lost(SIGNAL_CPU_THROTTLE, LOSS_STATE_FULL);
	return !err;
}

static __always_inline void list_add(struct expiry *x, struct cfs_rq *cfs_rq)
{
	struct listed *l = &x->listed[x->listed_cnt & (THROTTLE_LIST_MAX - 1)];
	__u64 clock_ns = BPF_CORE_READ(cfs_rq, throttled_clock);
	__u32 cpu = BPF_CORE_READ(cfs_rq, rq, cpu);

	/* 6.12 and later stamp it when the first task is really stopped: until then no time is charged. */
	if (!clock_ns || !kernel_cfs_rq_throttled(cfs_rq))
		return;
	if (!x->cpu_cgid) {
		count_hit(SIGNAL_CPU_THROTTLE);
		count_filtered(SIGNAL_CPU_THROTTLE);
		return;
	}
	if (!note_open(x, (__u64)cfs_rq, clock_ns, cpu))
		return;
	if (csd_traced && cpu != x->cpu)
		slot_add(cpu, (__u64)cfs_rq);
	l->cfs_rq = (__u64)cfs_rq;
	l->clock_ns = clock_ns;
	l->end_ns = 0;
	l->cpu = cpu;
	x->listed_cnt++;
}

/* One step of the walk at the entry; 0 at its end. */
__noinline int walk_next(void)
{
	struct expiry *x = expiry_get();
	struct list_head *at;

	if (!x)
		return 0;
	at = (struct list_head *)x->at;
	if (!at || x->at == x->bandwidth + bpf_core_field_offset(struct cfs_bandwidth, throttled_cfs_rq))
		return 0;
	if (x->visited >= list_max || x->visited >= THROTTLE_LIST_MAX) {
		count_hit(SIGNAL_CPU_THROTTLE);
		count_lost(SIGNAL_CPU_THROTTLE, LOSS_STATE_FULL);
		return 0;
	}
	x->visited++;
	/* The list is RCU, and interrupts are off: its entries stay readable, and a removed one still leads on. */
	x->at = (__u64)BPF_CORE_READ(at, next);
	list_add(x, (void *)at - bpf_core_field_offset(struct cfs_rq, throttled_list));
	return 1;
}

static __always_inline void expiry_begin(struct expiry *x, __u64 bandwidth)
{
	struct cfs_bandwidth *b = (void *)bandwidth;
	struct task_group *tg = (void *)b - bpf_core_field_offset(struct task_group, cfs_bandwidth);
	struct cgroup *cgroup = BPF_CORE_READ(tg, css.cgroup);

	x->bandwidth = bandwidth;
	x->cpu_cgid = kernel_cgroup_id(cgroup);
	x->v2_cgid = is_v2(cgroup) ? x->cpu_cgid : 0;
	x->throttled_ns = BPF_CORE_READ(b, throttled_time);
	x->entry_ns = bpf_ktime_get_ns();
	x->at = (__u64)BPF_CORE_READ(b, throttled_cfs_rq.next);
	x->closed_ns = 0;
	x->late_ns = 0;
	x->closed_cnt = 0;
	x->visited = 0;
	x->listed_cnt = 0;
	x->cpu = bpf_get_smp_processor_id();
}

static __always_inline bool has_ended(const struct listed *l)
{
	struct cfs_rq *cfs_rq = (void *)l->cfs_rq;

	return !kernel_cfs_rq_throttled(cfs_rq) || BPF_CORE_READ(cfs_rq, throttled_clock) != l->clock_ns;
}

/* Closes one listed run queue if the callback has ended it; 0 after the last. */
__noinline int close_next(void)
{
	struct expiry *x = expiry_get();
	struct listed *l;
	struct cfs_rq *cfs_rq;
	__u64 clock_ns;

	if (!x || x->at >= x->listed_cnt)
		return 0;
	l = &x->listed[x->at++ & (THROTTLE_LIST_MAX - 1)];
	cfs_rq = (void *)l->cfs_rq;
	if (!has_ended(l)) {
		/* It got no quota, so no call is on its way: the slot would only fill the table. Whether the call is
		 * queued is no test for that: it is taken off its queue before the run queue is ended. */
		if (csd_traced && l->cpu != x->cpu && BPF_CORE_READ(cfs_rq, runtime_remaining) <= 0)
			slot_remove(l->cpu, l->cfs_rq);
		return 1;
	}
	clock_ns = BPF_CORE_READ(cfs_rq, rq, clock);
	if (!claim(l->cfs_rq))
		return 1; /* its CSD, or the group's other timer */
	l->end_ns = bpf_ktime_get_ns();
	l->length_ns = clock_ns > l->clock_ns ? clock_ns - l->clock_ns : 0;
	x->closed_ns += l->length_ns;
	x->closed_cnt++;
	return 1;
}

/* Before 6.3 all run queues are ended inside the callback, one after the other, and their clocks run on until we read
 * them at its exit. There throttled_time has grown by exactly the sum of the intervals: the surplus of our sum, shared
 * equally, is taken off. A surplus longer than the callback took has another cause and is left to the check. */
static __always_inline void correct_lateness(struct expiry *x)
{
	struct cfs_bandwidth *b = (void *)x->bandwidth;
	__u64 grown_ns = BPF_CORE_READ(b, throttled_time) - x->throttled_ns;
	__u64 late_ns;

	if (csd_fn || x->closed_cnt == 0 || x->closed_ns <= grown_ns)
		return;
	late_ns = (x->closed_ns - grown_ns) / x->closed_cnt;
	if (late_ns > bpf_ktime_get_ns() - x->entry_ns)
		return;
	x->late_ns = late_ns;
	x->closed_ns = grown_ns;
}

/* Emits one interval closed by close_next(); 0 after the last. */
__noinline int emit_next(void)
{
	struct expiry *x = expiry_get();
	struct throttle_open o = {};
	struct listed *l;
	__u64 late_ns;

	if (!x || x->at >= x->listed_cnt)
		return 0;
	l = &x->listed[x->at++ & (THROTTLE_LIST_MAX - 1)];
	if (!l->end_ns)
		return 1;
	late_ns = x->late_ns < l->length_ns ? x->late_ns : l->length_ns;
	o.cpu_cgid = x->cpu_cgid;
	o.v2_cgid = x->v2_cgid;
	o.cpu = l->cpu;
	emit_interval(&o, l->end_ns - late_ns, l->length_ns - late_ns, THROTTLE_END_TIMER);
	return 1;
}

static __always_inline void on_expiry_exit(struct expiry *x)
{
	x->at = 0;
	for (int i = 0; i < THROTTLE_LIST_MAX; i++)
		if (!close_next())
			break;
	if (!x->closed_cnt)
		return;
	correct_lateness(x);
	account(x->cpu_cgid, x->closed_ns);
	x->at = 0;
	for (int i = 0; i < THROTTLE_LIST_MAX; i++)
		if (!emit_next())
			break;
}

/* Closes the run queue of one slot of this CPU if the call that just returned has ended it. */
__noinline int close_slot(__u32 slot)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct throttle_slots *s = bpf_map_lookup_elem(&throttle_slots, &cpu);
	struct throttle_open *open, o;
	struct listed l = {};
	__u64 clock_ns, now_ns, length_ns;
	struct cfs_rq *cfs_rq;

	if (!s)
		return 0;
	l.cfs_rq = s->cfs_rq[slot & (THROTTLE_SLOTS - 1)];
	open = bpf_map_lookup_elem(&throttle_open, &l.cfs_rq);
	if (!open) { /* ended elsewhere */
		s->cfs_rq[slot & (THROTTLE_SLOTS - 1)] = 0;
		return 0;
	}
	o = *open;
	l.clock_ns = o.clock_ns;
	if (!has_ended(&l))
		return 0;
	s->cfs_rq[slot & (THROTTLE_SLOTS - 1)] = 0;
	cfs_rq = (void *)l.cfs_rq;
	clock_ns = BPF_CORE_READ(cfs_rq, rq, clock);
	now_ns = bpf_ktime_get_ns();
	if (!claim(l.cfs_rq))
		return 0;
	if (now_ns - o.seen_ns > THROTTLE_CSD_LATE_NS) {
		count_lost(SIGNAL_CPU_THROTTLE, LOSS_UNPAIRED);
		return 0;
	}
	length_ns = clock_ns > o.clock_ns ? clock_ns - o.clock_ns : 0;
	account(o.cpu_cgid, length_ns);
	emit_interval(&o, now_ns, length_ns, THROTTLE_END_CSD);
	return 0;
}

SEC("tp_btf/hrtimer_expire_entry")
int BPF_PROG(on_timer_entry, struct hrtimer *timer)
{
	bool is_period;
	__u64 bandwidth = bandwidth_of(timer, &is_period);
	struct expiry *x;

	if (!bandwidth)
		return 0;
	x = expiry_get();
	if (!x)
		return 0;
	expiry_begin(x, bandwidth);
	if (x->cpu_cgid)
		group_check(x, is_period && x->at != bandwidth + bpf_core_field_offset(struct cfs_bandwidth,
										       throttled_cfs_rq));
	for (int i = 0; i <= THROTTLE_LIST_MAX; i++)
		if (!walk_next())
			break;
	return 0;
}

SEC("tp_btf/hrtimer_expire_exit")
int BPF_PROG(on_timer_exit, struct hrtimer *timer)
{
	bool is_period;
	__u64 bandwidth;
	struct expiry *x;

	bandwidth = bandwidth_of(timer, &is_period);
	if (!bandwidth)
		return 0;
	x = expiry_get();
	if (!x || x->bandwidth != bandwidth)
		return 0;
	on_expiry_exit(x);
	x->bandwidth = 0;
	return 0;
}

SEC("raw_tp/csd_function_exit") /* tp_btf refuses an argument that is a pointer to a function */
int on_csd_exit(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct throttle_slots *s;

	if (ctx->args[0] != csd_fn)
		return 0;
	s = bpf_map_lookup_elem(&throttle_slots, &cpu);
	if (!s)
		return 0;
	for (__u32 i = 0; i < THROTTLE_SLOTS; i++)
		if (s->cfs_rq[i])
			close_slot(i);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
