/* SPDX-License-Identifier: BSD-2-Clause */
/* A snapshot of what the Go runtime counts anyway: one scattered read of globals and of two words of each P.
 *
 * Layouts come from the binary (symbols/), formulas from the Go sources, the same in 1.18 to 1.27 unless said here: the
 * heap goal is gcControllerState.heapGoalInternal (runtime/mgcpacer.go), goroutines are gcount (runtime/proc.go), CPU
 * times are the cpuStats of the last finished cycle (runtime/mstats.go), as runtime/metrics reports them. Nothing is
 * stopped or locked meanwhile, so fields can be microseconds apart; a read that contradicts itself is repeated.
 *
 * A read costs 6.6 us with one P, 11.6 with 16, 27.6 with 64 (Go 1.26, kernel 6.18 in a virtual machine; means on the
 * loaded machine 10 to 37 us), however many goroutines there are. */
#include "runtime/sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "procs/proc_info.h"
#include "runtime/memory.h"
#include "runtime/self_check.h"

#define CONTROLLER_SZ 1024 /* runtime.gcController is 400 bytes at most */
#define READ_TRIES    4    /* a snapshot in the middle of a stop-the-world or of an allocation contradicts itself */
#define P_GFREE_MAX   64 /* gfput moves a P's dead goroutines to the global list when there are 64 (runtime/proc.go) */

/* Order of cpuStats, 1.20 and newer (runtime/mstats.go). */
enum { CPU_GC_ASSIST, CPU_GC_DEDICATED, CPU_GC_IDLE, CPU_GC_PAUSE, CPU_GC_TOTAL, CPU_CNT };

/* Behind gcPercentHeapGoal in all versions that have it, 1.19 to 1.27: sweepDistMinTrigger, triggered. */
enum { GOAL_TO_SWEEP_TRIGGER = 8, GOAL_TO_TRIGGERED = 16 };

/* Bytes of the target, as they lie there. */
struct raw {
	int32_t gomaxprocs;
	struct {
		uint64_t ptr;
		int64_t len, cap;
	} allp;
	uint64_t allglen;
	uint8_t controller[CONTROLLER_SZ];
	uint32_t numgc;
	uint64_t pause_total_ns;
	int64_t cpu[CPU_CNT];
	int32_t ngsys, gfree_n, gfree_stack, gfree_nostack;
	int32_t checked_id; /* id of one P, another one each time */
};

#define FIXED_RANGES 16 /* at least the ranges of add_fixed_ranges() */

struct sampler {
	struct memory mem;
	uint64_t globals[GLOBAL_CNT]; /* in the process, 0 = unknown */
	int16_t fields[FIELD_CNT];
	int go_minor;
	size_t controller_sz; /* bytes of gcController up to its last known field */

	uint64_t allp_ptr;           /* the Ps below belong to this array */
	uint64_t *ps;                /* owned, addresses of the Ps; a P never moves and is never freed */
	int32_t *gfree;              /* owned, their gFree counts */
	struct memory_range *ranges; /* owned, FIXED_RANGES + p_cnt */
	size_t p_cnt, range_cnt, id_range;
	uint32_t turn;

	struct raw raw;
	struct self_check last; /* values of the last good read */
	bool has_last;
	char why[WHY_SZ];
};

static bool known(const struct sampler *s, enum go_global global, enum go_field field)
{
	return s->globals[global] && s->fields[field] >= 0;
}

static bool in_controller(const struct sampler *s, enum go_field field)
{
	return known(s, GLOBAL_GCCONTROLLER, field);
}

static uint64_t controller_u64(const struct sampler *s, enum go_field field)
{
	uint64_t val;

	memcpy(&val, s->raw.controller + s->fields[field], sizeof(val));
	return val;
}

static int32_t controller_i32(const struct sampler *s, enum go_field field)
{
	int32_t val;

	memcpy(&val, s->raw.controller + s->fields[field], sizeof(val));
	return val;
}

/* Sizes and times are unsigned there; what does not fit is no size. */
static int64_t controller_value(const struct sampler *s, enum go_field field)
{
	if (!in_controller(s, field) || controller_u64(s, field) > INT64_MAX)
		return SAMPLE_UNKNOWN;
	return (int64_t)controller_u64(s, field);
}

/* --- what to read --- */

static void add_range(struct sampler *s, uint64_t addr, void *buf, size_t sz)
{
	s->ranges[s->range_cnt++] = (struct memory_range){addr, buf, sz};
}

static void add_field(struct sampler *s, enum go_global global, enum go_field field, void *buf, size_t sz)
{
	if (known(s, global, field))
		add_range(s, s->globals[global] + (uint64_t)s->fields[field], buf, sz);
}

static void add_fixed_ranges(struct sampler *s)
{
	struct raw *r = &s->raw;

	s->range_cnt = 0;
	add_range(s, s->globals[GLOBAL_GOMAXPROCS], &r->gomaxprocs, sizeof(r->gomaxprocs));
	add_range(s, s->globals[GLOBAL_ALLP], &r->allp, sizeof(r->allp));
	if (s->controller_sz)
		add_range(s, s->globals[GLOBAL_GCCONTROLLER], r->controller, s->controller_sz);
	add_field(s, GLOBAL_MEMSTATS, FIELD_MEMSTATS_PAUSE_TOTAL, &r->pause_total_ns, sizeof(r->pause_total_ns));
	add_field(s, GLOBAL_MEMSTATS, FIELD_MEMSTATS_NUMGC, &r->numgc, sizeof(r->numgc));
	add_field(s, GLOBAL_WORK, FIELD_WORK_CPUSTATS, r->cpu, sizeof(r->cpu));
	if (s->globals[GLOBAL_ALLGLEN])
		add_range(s, s->globals[GLOBAL_ALLGLEN], &r->allglen, sizeof(r->allglen));
	add_field(s, GLOBAL_SCHED, FIELD_SCHED_NGSYS, &r->ngsys, sizeof(r->ngsys));
	add_field(s, GLOBAL_SCHED, FIELD_SCHED_GFREE_N, &r->gfree_n, sizeof(r->gfree_n));
	add_field(s, GLOBAL_SCHED, FIELD_SCHED_GFREE_STACK, &r->gfree_stack, sizeof(r->gfree_stack));
	add_field(s, GLOBAL_SCHED, FIELD_SCHED_GFREE_NOSTACK, &r->gfree_nostack, sizeof(r->gfree_nostack));
}

static void add_p_ranges(struct sampler *s)
{
	s->id_range = s->range_cnt;
	if (s->p_cnt) /* p.id is the first field of p in all versions */
		add_range(s, s->ps[0], &s->raw.checked_id, sizeof(s->raw.checked_id));
	if (s->fields[FIELD_P_GFREE] < 0)
		return;
	for (size_t i = 0; i < s->p_cnt; i++)
		add_range(s, s->ps[i] + (uint64_t)s->fields[FIELD_P_GFREE], &s->gfree[i], sizeof(s->gfree[i]));
}

/* --- the Ps --- */

static int resize(struct sampler *s, size_t p_cnt)
{
	uint64_t *ps = realloc(s->ps, p_cnt * sizeof(*ps));
	int32_t *gfree;
	struct memory_range *ranges;

	if (!ps)
		return -ENOMEM;
	s->ps = ps;
	gfree = realloc(s->gfree, p_cnt * sizeof(*gfree));
	if (!gfree)
		return -ENOMEM;
	s->gfree = gfree;
	ranges = realloc(s->ranges, (FIXED_RANGES + p_cnt) * sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	s->ranges = ranges;
	return 0;
}

static int check_ids(struct sampler *s, size_t p_cnt)
{
	struct memory_range *r = calloc(p_cnt, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	for (size_t i = 0; i < p_cnt; i++)
		r[i] = (struct memory_range){s->ps[i], &s->gfree[i], sizeof(s->gfree[i])};
	err = memory_read_many(&s->mem, r, p_cnt);
	free(r);
	if (err == -EFAULT)
		return err_why(s->why, SAMPLER_SELF_CHECK, "self-check failed (an entry of allp points nowhere)");
	if (err)
		return err;
	return self_check_ids(s->gfree, 0, p_cnt, s->why) ? SAMPLER_SELF_CHECK : 0;
}

/* Learns where the Ps are, after allp changed (start, GOMAXPROCS), and checks them all. */
static int load_ps(struct sampler *s)
{
	size_t p_cnt = (size_t)s->raw.allp.len; /* checked: 1 to SELF_CHECK_MAX_PROCS */
	int err;

	s->p_cnt = 0; /* until they are known to be good */
	s->allp_ptr = 0;
	add_fixed_ranges(s); /* forgets the ranges of Ps, whose buffers move now */
	err = resize(s, p_cnt);
	if (!err)
		err = memory_read(&s->mem, s->raw.allp.ptr, s->ps, p_cnt * sizeof(*s->ps));
	if (err == -EFAULT)
		return err_why(s->why, SAMPLER_SELF_CHECK, "self-check failed (allp points nowhere)");
	if (!err)
		err = check_ids(s, p_cnt);
	if (err)
		return err;
	s->p_cnt = p_cnt;
	s->allp_ptr = s->raw.allp.ptr;
	add_fixed_ranges(s);
	add_p_ranges(s);
	return 0;
}

/* --- one read --- */

static struct self_check values_to_check(const struct sampler *s)
{
	struct self_check c = {.gomaxprocs = s->raw.gomaxprocs, .allp_len = s->raw.allp.len};

	c.has_gc_percent = in_controller(s, FIELD_GC_PERCENT);
	if (c.has_gc_percent)
		c.gc_percent = controller_i32(s, FIELD_GC_PERCENT);
	c.has_heap_minimum = in_controller(s, FIELD_GC_HEAP_MINIMUM);
	if (c.has_heap_minimum)
		c.heap_minimum = controller_u64(s, FIELD_GC_HEAP_MINIMUM);
	c.has_memory_limit = in_controller(s, FIELD_GC_MEMORY_LIMIT);
	if (c.has_memory_limit)
		c.memory_limit = (int64_t)controller_u64(s, FIELD_GC_MEMORY_LIMIT);
	c.has_numgc = known(s, GLOBAL_MEMSTATS, FIELD_MEMSTATS_NUMGC);
	c.numgc = s->raw.numgc;
	return c;
}

/* The allocator updates its counts one after the other; the runtime itself reads them again until they fit. */
static bool memory_counts_fit(const struct sampler *s)
{
	if (!in_controller(s, FIELD_GC_HEAP_FREE) || !in_controller(s, FIELD_GC_TOTAL_ALLOC) ||
	    !in_controller(s, FIELD_GC_TOTAL_FREE) || !in_controller(s, FIELD_GC_MAPPED_READY))
		return true;
	return controller_u64(s, FIELD_GC_HEAP_FREE) + controller_u64(s, FIELD_GC_TOTAL_ALLOC) -
		       controller_u64(s, FIELD_GC_TOTAL_FREE) <=
	       controller_u64(s, FIELD_GC_MAPPED_READY);
}

/* One try: 0, positive when it contradicts itself, -errno. */
static int read_once(struct sampler *s)
{
	struct self_check now;
	size_t id = s->p_cnt ? s->turn++ % s->p_cnt : 0;
	int err;

	if (s->p_cnt)
		s->ranges[s->id_range].addr = s->ps[id];
	err = memory_read_many(&s->mem, s->ranges, s->range_cnt);
	if (err)
		return err;
	now = values_to_check(s);
	if (self_check_values(&now, s->has_last ? &s->last : NULL, s->why))
		return SAMPLER_SELF_CHECK;
	if (s->raw.allp.ptr != s->allp_ptr || (size_t)s->raw.allp.len != s->p_cnt) {
		err = load_ps(s);
		return err ? err : err_why(s->why, -EAGAIN, "GOMAXPROCS changed");
	}
	if (self_check_ids(&s->raw.checked_id, id, 1, s->why))
		return SAMPLER_SELF_CHECK;
	s->last = now;
	s->has_last = true;
	return 0;
}

static int read_raw(struct sampler *s)
{
	int err = 0;

	for (int i = 0; i < READ_TRIES; i++) {
		err = read_once(s);
		if (err == -ESRCH || err == -ENOMEM || (!err && memory_counts_fit(s)))
			return err;
	}
	if (err < 0)
		err_why(s->why, 0, "cannot read its memory: %s", strerror(-err));
	return err;
}

/* --- from bytes to values --- */

#define GOAL_NONE UINT64_MAX /* what the runtime stores when the collector is off */

/* memoryLimitHeapGoal. The room left below the limit is 1 MiB in 1.19 and 1.20, 3 % but at least 1 MiB since 1.21. */
static uint64_t memory_limit_goal(const struct sampler *s)
{
	uint64_t limit = controller_u64(s, FIELD_GC_MEMORY_LIMIT), marked = controller_u64(s, FIELD_GC_HEAP_MARKED);
	uint64_t ready = controller_u64(s, FIELD_GC_MAPPED_READY);
	uint64_t non_heap = ready - controller_u64(s, FIELD_GC_HEAP_FREE) - controller_u64(s, FIELD_GC_TOTAL_ALLOC) +
			    controller_u64(s, FIELD_GC_TOTAL_FREE);
	uint64_t overage = ready > limit ? ready - limit : 0, headroom = 1 << 20, goal;

	if (non_heap + overage >= limit)
		return marked;
	goal = limit - (non_heap + overage);
	if (s->go_minor >= 21 && goal / 100 * 3 > headroom)
		headroom = goal / 100 * 3;
	goal = goal < headroom || goal - headroom < headroom ? headroom : goal - headroom;
	return goal < marked ? marked : goal;
}

/* The corrections of heapGoalInternal while the memory limit is not what counts. */
static uint64_t percent_goal(const struct sampler *s, uint64_t goal)
{
	const uint64_t min_runway = 64 << 10;
	const uint8_t *at = s->raw.controller + s->fields[FIELD_GC_HEAP_GOAL];
	uint64_t sweep, triggered;

	memcpy(&sweep, at + GOAL_TO_SWEEP_TRIGGER, sizeof(sweep));
	memcpy(&triggered, at + GOAL_TO_TRIGGERED, sizeof(triggered));
	if (sweep > goal)
		goal = sweep;
	if (triggered != UINT64_MAX && goal < triggered + min_runway)
		goal = triggered + min_runway;
	return goal;
}

static bool has_limit_fields(const struct sampler *s)
{
	return in_controller(s, FIELD_GC_HEAP_MARKED) && in_controller(s, FIELD_GC_HEAP_FREE) &&
	       in_controller(s, FIELD_GC_TOTAL_ALLOC) && in_controller(s, FIELD_GC_TOTAL_FREE) &&
	       in_controller(s, FIELD_GC_MAPPED_READY) && memory_counts_fit(s);
}

/* As /gc/heap/goal:bytes, but -1 where that is a number near 2^63 because nothing sets a goal. Go 1.18 has no memory
 * limit and stores the goal as it is. Under a memory limit it can be off by the 64 KiB that the scavenger is just
 * handing back: mappedReady goes down before madvise and heapFree after it, and the runtime would compute the same at
 * that moment. */
static int64_t heap_goal(const struct sampler *s)
{
	uint64_t goal, by_limit = GOAL_NONE;
	bool limited;

	if (!in_controller(s, FIELD_GC_HEAP_GOAL))
		return SAMPLE_UNKNOWN;
	goal = controller_u64(s, FIELD_GC_HEAP_GOAL);
	if (s->go_minor < 19)
		return goal > INT64_MAX ? -1 : (int64_t)goal;
	if (!in_controller(s, FIELD_GC_MEMORY_LIMIT))
		return SAMPLE_UNKNOWN;
	limited = controller_u64(s, FIELD_GC_MEMORY_LIMIT) != INT64_MAX;
	if (limited && !has_limit_fields(s))
		return SAMPLE_UNKNOWN;
	if (limited)
		by_limit = memory_limit_goal(s);
	if (by_limit < goal)
		goal = by_limit;
	else if (goal != GOAL_NONE)
		goal = percent_goal(s, goal);
	return goal > INT64_MAX ? -1 : (int64_t)goal;
}

/* gcount: all goroutines ever made less the dead ones, kept globally and by each P, less the runtime's own. */
static int64_t goroutines(const struct sampler *s)
{
	bool one_list = known(s, GLOBAL_SCHED, FIELD_SCHED_GFREE_N); /* up to 1.24; two counts since */
	bool two_lists =
		known(s, GLOBAL_SCHED, FIELD_SCHED_GFREE_STACK) && known(s, GLOBAL_SCHED, FIELD_SCHED_GFREE_NOSTACK);
	const struct raw *r = &s->raw;
	int64_t n;

	if (!s->globals[GLOBAL_ALLGLEN] || !known(s, GLOBAL_SCHED, FIELD_SCHED_NGSYS) || (!one_list && !two_lists) ||
	    s->fields[FIELD_P_GFREE] < 0 || r->allglen > INT32_MAX)
		return SAMPLE_UNKNOWN;
	n = (int64_t)r->allglen - r->ngsys;
	n -= one_list ? r->gfree_n : (int64_t)r->gfree_stack + r->gfree_nostack;
	for (size_t i = 0; i < s->p_cnt; i++) {
		if (s->gfree[i] < 0 || s->gfree[i] > P_GFREE_MAX)
			return SAMPLE_UNKNOWN; /* not this field */
		n -= s->gfree[i];
	}
	return n < 1 ? 1 : n;
}

static void read_gc_values(const struct sampler *s, struct runtime_sample *v)
{
	bool cpu = known(s, GLOBAL_WORK, FIELD_WORK_CPUSTATS);

	v->gogc = in_controller(s, FIELD_GC_PERCENT) ? controller_i32(s, FIELD_GC_PERCENT) : SAMPLE_UNKNOWN;
	v->memory_limit_bytes = controller_value(s, FIELD_GC_MEMORY_LIMIT);
	if (v->memory_limit_bytes == INT64_MAX || s->go_minor < 19)
		v->memory_limit_bytes = -1;
	v->heap_live_bytes = controller_value(s, FIELD_GC_HEAP_MARKED);
	v->heap_goal_bytes = heap_goal(s);
	v->mapped_ready_bytes = controller_value(s, FIELD_GC_MAPPED_READY);
	v->numgc = known(s, GLOBAL_MEMSTATS, FIELD_MEMSTATS_NUMGC) ? s->raw.numgc : SAMPLE_UNKNOWN;
	v->pause_total_ns = known(s, GLOBAL_MEMSTATS, FIELD_MEMSTATS_PAUSE_TOTAL) && s->raw.pause_total_ns <= INT64_MAX
				    ? (int64_t)s->raw.pause_total_ns
				    : SAMPLE_UNKNOWN;
	/* Idle marking uses CPUs that nothing else wanted, so it is not charged; pauses count for all Ps. */
	v->gc_cpu_ns = cpu ? s->raw.cpu[CPU_GC_ASSIST] + s->raw.cpu[CPU_GC_DEDICATED] : SAMPLE_UNKNOWN;
	v->assist_ns = cpu ? s->raw.cpu[CPU_GC_ASSIST] : SAMPLE_UNKNOWN;
}

int sampler_read(struct sampler *s, struct runtime_sample *ret)
{
	uint64_t time_ns = clock_mono_ns();
	int err = read_raw(s);

	if (err)
		return err;
	ret->time_ns = time_ns;
	ret->gomaxprocs = s->raw.gomaxprocs;
	ret->goroutines = goroutines(s);
	read_gc_values(s, ret);
	return 0;
}

const char *sampler_why(const struct sampler *s)
{
	return s->why;
}

/* --- open --- */

static int set_layout(struct sampler *s, const struct binary *b, uint64_t bias, char *why)
{
	bool no_address = !b->globals[GLOBAL_GOMAXPROCS] || !b->globals[GLOBAL_ALLP];

	if ((b->layout == LAYOUT_NONE || no_address) && *b->layout_why)
		return err_why(why, SAMPLER_NO_LAYOUT, "%s", b->layout_why);
	if (b->layout == LAYOUT_NONE)
		return err_why(why, SAMPLER_NO_LAYOUT, "layout of the runtime unknown");
	if (no_address)
		return err_why(why, SAMPLER_NO_LAYOUT, "address of runtime.%s unknown",
			       b->globals[GLOBAL_ALLP] ? "gomaxprocs" : "allp");
	for (int i = 0; i < GLOBAL_CNT; i++)
		s->globals[i] = b->globals[i] ? b->globals[i] + bias : 0;
	memcpy(s->fields, b->fields, sizeof(s->fields));
	s->go_minor = b->go_minor;
	for (int i = FIELD_GC_PERCENT; i <= FIELD_GC_MAPPED_READY; i++) {
		size_t end = (size_t)(s->fields[i] < 0 ? 0 : s->fields[i]) + sizeof(uint64_t);

		if (i == FIELD_GC_HEAP_GOAL)
			end += GOAL_TO_TRIGGERED;
		if (end > CONTROLLER_SZ)
			s->fields[i] = -1;
		else if (s->fields[i] >= 0 && s->globals[GLOBAL_GCCONTROLLER] && end > s->controller_sz)
			s->controller_sz = end;
	}
	return 0;
}

/* schedinit sets GOMAXPROCS and allp; a process that is held by its CPU quota may not have come that far. */
static bool is_not_ready(const struct sampler *s)
{
	return !s->raw.gomaxprocs && !s->raw.allp.len;
}

static int first_read(struct sampler *s, char *why)
{
	int err = read_raw(s);

	if (err == SAMPLER_SELF_CHECK && is_not_ready(s))
		return err_why(why, SAMPLER_NOT_READY, "the Go runtime is still starting");
	if (err == -ESRCH)
		return err_why(why, err, "the process is gone");
	if (err)
		return err_why(why, err, "%s", s->why);
	return 0;
}

static int open_memory(struct sampler *s, const char *root, const struct process *p, char *why)
{
	int err = memory_open(&s->mem, root, p->pid);

	if (err)
		return err_why(why, err, "cannot open /proc/%d/mem: %s", (int)p->pid, strerror(-err));
	if (!proc_info_same(root, p->pid, p->start_ticks)) /* opened first: what is pinned now is this process */
		return err_why(why, -ESRCH, "the process is gone");
	return 0;
}

int sampler_open(const char *root, const struct process *p, struct sampler **ret, char *why)
{
	struct sampler *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return err_why(why, -ENOMEM, "out of memory");
	s->mem.fd = -1;
	err = set_layout(s, p->binary, p->bias, why);
	if (!err)
		err = open_memory(s, root, p, why);
	if (!err && resize(s, 1))
		err = err_why(why, -ENOMEM, "out of memory");
	if (!err) {
		add_fixed_ranges(s);
		err = first_read(s, why);
	}
	if (err) {
		sampler_close(s);
		return err;
	}
	*ret = s;
	return 0;
}

struct sampler *sampler_close(struct sampler *s)
{
	if (!s)
		return NULL;
	memory_close(&s->mem);
	free(s->ranges);
	free(s->gfree);
	free(s->ps);
	free(s);
	return NULL;
}
