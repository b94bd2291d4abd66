/* SPDX-License-Identifier: BSD-2-Clause */
/* From the bytes of one read to values. The formulas are those of the Go sources, the same in 1.18 to 1.27 unless said
 * here: the heap goal is gcControllerState.heapGoalInternal (runtime/mgcpacer.go), goroutines are gcount and threads
 * mcount (runtime/proc.go), memory is heapStatsAggregate and sysStatsAggregate (runtime/metrics.go), CPU times are the
 * cpuStats of the last finished cycle (runtime/mstats.go).
 *
 * Heap statistics are kept in a ring of three: writers add to entry gen, the one before holds all that was earlier, the
 * third is zero but while runtime/metrics moves gen on and adds one to the other (consistentHeapStats.read). So the sum
 * of the three is the number, and a third that is not zero, or a second entry that changed between two reads, is a
 * moment at which it is not. */
#include <inttypes.h>
#include <string.h>

#include "runtime/sample_private.h"

static uint64_t u64(const struct sampler *s, enum go_field field)
{
	return read_plan_u64(&s->plan, field);
}

static int64_t value(const struct sampler *s, enum go_field field)
{
	return read_plan_value(&s->plan, field);
}

/* --- heap goal --- */

/* The allocator updates its counts one after the other; the runtime itself reads them again until they fit. */
bool sampler_memory_fits(const struct sampler *s)
{
	if (!sampler_has(s, FIELD_GC_HEAP_FREE) || !sampler_has(s, FIELD_GC_TOTAL_ALLOC) ||
	    !sampler_has(s, FIELD_GC_TOTAL_FREE) || !sampler_has(s, FIELD_GC_MAPPED_READY))
		return true;
	return u64(s, FIELD_GC_HEAP_FREE) + u64(s, FIELD_GC_TOTAL_ALLOC) - u64(s, FIELD_GC_TOTAL_FREE) <=
	       u64(s, FIELD_GC_MAPPED_READY);
}

#define GOAL_NONE UINT64_MAX /* what the runtime stores when the collector is off */

/* memoryLimitHeapGoal. The room left below the limit is 1 MiB in 1.19 and 1.20, 3 % but at least 1 MiB since 1.21. */
static uint64_t memory_limit_goal(const struct sampler *s)
{
	uint64_t limit = u64(s, FIELD_GC_MEMORY_LIMIT), marked = u64(s, FIELD_GC_HEAP_MARKED);
	uint64_t ready = u64(s, FIELD_GC_MAPPED_READY);
	uint64_t non_heap =
		ready - u64(s, FIELD_GC_HEAP_FREE) - u64(s, FIELD_GC_TOTAL_ALLOC) + u64(s, FIELD_GC_TOTAL_FREE);
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
	const uint8_t *at = read_plan_get(&s->plan, FIELD_GC_HEAP_GOAL);
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
	return sampler_has(s, FIELD_GC_HEAP_MARKED) && sampler_has(s, FIELD_GC_HEAP_FREE) &&
	       sampler_has(s, FIELD_GC_TOTAL_ALLOC) && sampler_has(s, FIELD_GC_TOTAL_FREE) &&
	       sampler_has(s, FIELD_GC_MAPPED_READY) && sampler_memory_fits(s);
}

/* As /gc/heap/goal:bytes, but -1 where that is a number near 2^63 because nothing sets a goal. Go 1.18 has no memory
 * limit and stores the goal as it is. Under a memory limit it can be off by the 64 KiB that the scavenger is just
 * handing back: mappedReady goes down before madvise and heapFree after it, and the runtime would compute the same at
 * that moment. */
static int64_t heap_goal(const struct sampler *s)
{
	uint64_t goal, by_limit = GOAL_NONE;
	bool limited;

	if (!sampler_has(s, FIELD_GC_HEAP_GOAL))
		return SAMPLE_UNKNOWN;
	goal = u64(s, FIELD_GC_HEAP_GOAL);
	if (s->go_minor < 19)
		return goal > INT64_MAX ? -1 : (int64_t)goal;
	if (!sampler_has(s, FIELD_GC_MEMORY_LIMIT))
		return SAMPLE_UNKNOWN;
	limited = u64(s, FIELD_GC_MEMORY_LIMIT) != INT64_MAX;
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

/* --- heap statistics --- */

static const uint16_t class_to_size[SIZE_CLASSES] = {
	/* runtime/sizeclasses.go, byte for byte the same table in 1.18 to 1.27 */
	0,     8,     16,    24,    32,    48,    64,    80,    96,    112,   128,   144,  160,   176,
	192,   208,   224,   240,   256,   288,   320,   352,   384,   416,   448,   480,  512,   576,
	640,   704,   768,   896,   1024,  1152,  1280,  1408,  1536,  1792,  2048,  2304, 2688,  3072,
	3200,  3456,  4096,  4864,  5376,  6144,  6528,  6784,  6912,  8192,  9472,  9728, 10240, 10880,
	12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768};

static bool has_heap(const struct sampler *s, enum go_field field, size_t sz)
{
	return s->heap_sz && s->fields[field] >= 0 &&
	       (size_t)s->fields[field] + sz <= (size_t)s->fields[FIELD_HEAPSTATS_SIZE];
}

static uint64_t heap_sum(const struct sampler *s, enum go_field field, size_t index)
{
	const uint8_t *at = read_plan_get(&s->plan, FIELD_MEMSTATS_HEAP_STATS);
	uint64_t sum = 0, v;

	for (int i = 0; i < HEAP_STATS_CNT; i++) {
		memcpy(&v, at + i * s->fields[FIELD_HEAPSTATS_SIZE] + s->fields[field] + 8 * index, sizeof(v));
		sum += v;
	}
	return sum;
}

static int64_t heap_value(const struct sampler *s, enum go_field field)
{
	if (!has_heap(s, field, sizeof(uint64_t)) || heap_sum(s, field, 0) > INT64_MAX)
		return SAMPLE_UNKNOWN;
	return (int64_t)heap_sum(s, field, 0);
}

static bool is_zero(const uint8_t *p, size_t sz)
{
	return !*p && !memcmp(p, p + 1, sz - 1);
}

static int check_heap_value(const struct sampler *s, enum go_field field, const char *name, char *why)
{
	if (has_heap(s, field, sizeof(uint64_t)) && heap_sum(s, field, 0) > INT64_MAX)
		return err_why(why, 1, "self-check failed (heapStats.%s = %" PRId64 ")", name,
			       (int64_t)heap_sum(s, field, 0));
	return 0;
}

int sampler_heap_check(const struct sampler *s, char *why)
{
	const uint8_t *at;
	size_t sz, spare, total;
	uint32_t gen;

	if (!s->heap_sz)
		return 0;
	at = read_plan_get(&s->plan, FIELD_MEMSTATS_HEAP_STATS);
	sz = (size_t)s->fields[FIELD_HEAPSTATS_SIZE];
	memcpy(&gen, at + HEAP_STATS_CNT * sz, sizeof(gen));
	if (gen >= HEAP_STATS_CNT)
		return err_why(why, 1, "self-check failed (heapStats.gen = %" PRIu32 ")", gen);
	spare = (gen + 1) % HEAP_STATS_CNT * sz;
	total = (gen + 2) % HEAP_STATS_CNT * sz;
	if (!is_zero(at + spare, sz) || memcmp(at + total, s->heap_again + total, sz))
		return err_why(why, 1, "self-check failed (heapStats: the third entry is in use)");
	if (check_heap_value(s, FIELD_HEAPSTATS_COMMITTED, "committed", why) ||
	    check_heap_value(s, FIELD_HEAPSTATS_RELEASED, "released", why) ||
	    check_heap_value(s, FIELD_HEAPSTATS_IN_STACKS, "inStacks", why))
		return 1;
	return 0;
}

static void read_allocations(const struct sampler *s, struct runtime_sample *v)
{
	uint64_t cnt, bytes;

	v->total_allocs = v->total_alloc_bytes = SAMPLE_UNKNOWN;
	if (!has_heap(s, FIELD_HEAPSTATS_SMALL_ALLOC_CNT, SIZE_CLASSES * sizeof(uint64_t)) ||
	    !has_heap(s, FIELD_HEAPSTATS_LARGE_ALLOC, 8) || !has_heap(s, FIELD_HEAPSTATS_LARGE_ALLOC_CNT, 8))
		return;
	cnt = heap_sum(s, FIELD_HEAPSTATS_LARGE_ALLOC_CNT, 0);
	bytes = heap_sum(s, FIELD_HEAPSTATS_LARGE_ALLOC, 0);
	for (size_t i = 0; i < SIZE_CLASSES; i++) {
		uint64_t n = heap_sum(s, FIELD_HEAPSTATS_SMALL_ALLOC_CNT, i);

		cnt += n;
		bytes += n * class_to_size[i];
	}
	if (cnt > INT64_MAX || bytes > INT64_MAX)
		return;
	v->total_allocs = (int64_t)cnt;
	v->total_alloc_bytes = (int64_t)bytes;
}

static int64_t memory_total(const struct sampler *s)
{
	static const enum go_field parts[] = {FIELD_MEMSTATS_STACKS_SYS, FIELD_MEMSTATS_MSPAN_SYS,
					      FIELD_MEMSTATS_MCACHE_SYS, FIELD_MEMSTATS_BUCKHASH_SYS,
					      FIELD_MEMSTATS_GCMISC_SYS, FIELD_MEMSTATS_OTHER_SYS};
	int64_t committed = heap_value(s, FIELD_HEAPSTATS_COMMITTED),
		released = heap_value(s, FIELD_HEAPSTATS_RELEASED);
	int64_t sum;

	if (committed == SAMPLE_UNKNOWN || released == SAMPLE_UNKNOWN ||
	    __builtin_add_overflow(committed, released, &sum))
		return SAMPLE_UNKNOWN;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (value(s, parts[i]) == SAMPLE_UNKNOWN || __builtin_add_overflow(sum, value(s, parts[i]), &sum))
			return SAMPLE_UNKNOWN;
	return sum;
}

/* --- scheduler --- */

/* gcount: all goroutines ever made less the dead ones, kept globally and by each P, less the runtime's own. */
static int64_t goroutines(const struct sampler *s)
{
	bool one_list = sampler_has(s, FIELD_SCHED_GFREE_N); /* up to 1.24; two counts since */
	bool two_lists = sampler_has(s, FIELD_SCHED_GFREE_STACK) && sampler_has(s, FIELD_SCHED_GFREE_NOSTACK);
	int64_t n;

	if (!s->globals[GLOBAL_ALLGLEN] || !sampler_has(s, FIELD_SCHED_NGSYS) || (!one_list && !two_lists) ||
	    s->fields[FIELD_P_GFREE] < 0 || s->raw.allglen > INT32_MAX)
		return SAMPLE_UNKNOWN;
	n = (int64_t)s->raw.allglen - read_plan_value32(&s->plan, FIELD_SCHED_NGSYS);
	n -= one_list ? read_plan_value32(&s->plan, FIELD_SCHED_GFREE_N)
		      : read_plan_value32(&s->plan, FIELD_SCHED_GFREE_STACK) +
				read_plan_value32(&s->plan, FIELD_SCHED_GFREE_NOSTACK);
	for (size_t i = 0; i < s->p_cnt; i++) {
		if (s->raw_ps[i].gfree < 0 || s->raw_ps[i].gfree > P_GFREE_MAX)
			return SAMPLE_UNKNOWN; /* not this field */
		n -= s->raw_ps[i].gfree;
	}
	return n < 1 ? 1 : n;
}

static void read_ps(const struct sampler *s, struct runtime_sample *v)
{
	bool queues =
		s->fields[FIELD_P_RUNQHEAD] >= 0 && s->fields[FIELD_P_RUNQTAIL] >= 0 && s->fields[FIELD_P_RUNNEXT] >= 0;
	int64_t status[5] = {0}, queued = 0;

	for (size_t i = 0; i < s->p_cnt; i++) {
		const struct raw_p *p = &s->raw_ps[i];

		status[p->status]++; /* checked */
		queued += (int64_t)(p->runqtail - p->runqhead) + (p->runnext != 0);
	}
	v->procs_idle = status[0];
	v->procs_running = status[1];
	v->procs_syscall = status[2];
	v->procs_gcstop = status[3];
	v->queue_local = queues ? queued : SAMPLE_UNKNOWN;
}

static int64_t thread_cnt(const struct sampler *s)
{
	int64_t made = value(s, FIELD_SCHED_MNEXT), freed = value(s, FIELD_SCHED_NMFREED);

	return made == SAMPLE_UNKNOWN || freed == SAMPLE_UNKNOWN ? SAMPLE_UNKNOWN : made - freed;
}

static void read_scheduler(const struct sampler *s, struct runtime_sample *v)
{
	v->gomaxprocs = s->raw.gomaxprocs;
	v->goroutines = goroutines(s);
	v->threads = thread_cnt(s);
	v->threads_idle = read_plan_value32(&s->plan, FIELD_SCHED_NMIDLE);
	v->threads_spinning = read_plan_value32(&s->plan, FIELD_SCHED_NMSPINNING);
	v->queue_global = read_plan_value32(&s->plan, FIELD_SCHED_RUNQSIZE);
	v->goroutines_created = SAMPLE_UNKNOWN;
	v->mutex_wait_ns = value(s, FIELD_SCHED_MUTEX_WAIT);
	v->maxprocs_custom = SAMPLE_UNKNOWN;
	if (sampler_has(s, FIELD_SCHED_CUSTOM_GOMAXPROCS))
		v->maxprocs_custom = *(const uint8_t *)read_plan_get(&s->plan, FIELD_SCHED_CUSTOM_GOMAXPROCS) == 1;
	read_ps(s, v);
}

/* --- collector --- */

static void read_cpu(const struct sampler *s, struct runtime_sample *v)
{
	const int64_t *t = v->cpu_ns;

	for (int i = 0; i < RUNTIME_CPU_CNT; i++)
		v->cpu_ns[i] = SAMPLE_UNKNOWN;
	v->gc_cpu_ns = v->assist_ns = SAMPLE_UNKNOWN;
	if (!sampler_has(s, FIELD_WORK_CPUSTATS))
		return;
	memcpy(v->cpu_ns, read_plan_get(&s->plan, FIELD_WORK_CPUSTATS), sizeof(v->cpu_ns));
	/* Idle marking uses CPUs that nothing else wanted, so it is not charged; pauses count for all Ps. */
	v->gc_cpu_ns = t[RUNTIME_CPU_GC_ASSIST] + t[RUNTIME_CPU_GC_DEDICATED];
	v->assist_ns = t[RUNTIME_CPU_GC_ASSIST];
	for (int i = RUNTIME_CPU_USER; i < RUNTIME_CPU_CNT; i++)
		if (v->cpu_ns[i] < 0)
			v->cpu_ns[i] = SAMPLE_UNKNOWN;
}

static void read_collector(const struct sampler *s, struct runtime_sample *v)
{
	v->gogc = read_plan_value32(&s->plan, FIELD_GC_PERCENT);
	v->memory_limit_bytes = value(s, FIELD_GC_MEMORY_LIMIT);
	if (v->memory_limit_bytes == INT64_MAX || s->go_minor < 19)
		v->memory_limit_bytes = -1;
	v->heap_live_bytes = value(s, FIELD_GC_HEAP_MARKED);
	v->heap_alloc_bytes = value(s, FIELD_GC_HEAP_LIVE);
	v->heap_goal_bytes = heap_goal(s);
	v->mapped_ready_bytes = value(s, FIELD_GC_MAPPED_READY);
	v->numgc = SAMPLE_UNKNOWN;
	v->numforcedgc = SAMPLE_UNKNOWN;
	if (sampler_has(s, FIELD_MEMSTATS_NUMGC))
		v->numgc = read_plan_u32(&s->plan, FIELD_MEMSTATS_NUMGC);
	if (sampler_has(s, FIELD_MEMSTATS_NUMFORCEDGC))
		v->numforcedgc = read_plan_u32(&s->plan, FIELD_MEMSTATS_NUMFORCEDGC);
	v->pause_total_ns = value(s, FIELD_MEMSTATS_PAUSE_TOTAL);
	v->last_gc_unix_ns = value(s, FIELD_MEMSTATS_LAST_GC_UNIX);
	v->gc_phase = s->globals[GLOBAL_GCPHASE] ? s->raw.gcphase : SAMPLE_UNKNOWN;
	read_cpu(s, v);
}

void sampler_values(const struct sampler *s, uint64_t time_ns, struct runtime_sample *ret)
{
	ret->time_ns = time_ns;
	read_collector(s, ret);
	read_scheduler(s, ret);
	read_allocations(s, ret);
	ret->memory_total_bytes = memory_total(s);
	ret->memory_released_bytes = heap_value(s, FIELD_HEAPSTATS_RELEASED);
	ret->memory_stacks_bytes = heap_value(s, FIELD_HEAPSTATS_IN_STACKS);
}

/* --- what has something to be compared with --- */

static void fill_pauses(const struct sampler *s, struct self_check *c)
{
	uint64_t ring[RUNTIME_PAUSES];

	c->has_numgc = sampler_has(s, FIELD_MEMSTATS_NUMGC);
	if (!c->has_numgc)
		return;
	c->numgc = read_plan_u32(&s->plan, FIELD_MEMSTATS_NUMGC);
	c->has_forced = sampler_has(s, FIELD_MEMSTATS_NUMFORCEDGC);
	if (c->has_forced)
		c->numforcedgc = read_plan_u32(&s->plan, FIELD_MEMSTATS_NUMFORCEDGC);
	c->has_last_end = sampler_has(s, FIELD_MEMSTATS_PAUSE_END) && sampler_has(s, FIELD_MEMSTATS_LAST_GC_UNIX);
	if (c->has_last_end) {
		memcpy(ring, read_plan_get(&s->plan, FIELD_MEMSTATS_PAUSE_END), sizeof(ring));
		c->ring_end = ring[(c->numgc - 1) % RUNTIME_PAUSES];
		c->last_gc_unix = u64(s, FIELD_MEMSTATS_LAST_GC_UNIX);
	}
	c->has_pauses = sampler_has(s, FIELD_MEMSTATS_PAUSE_NS) && sampler_has(s, FIELD_MEMSTATS_PAUSE_TOTAL);
	if (!c->has_pauses)
		return;
	memcpy(ring, read_plan_get(&s->plan, FIELD_MEMSTATS_PAUSE_NS), sizeof(ring));
	for (int i = 0; i < RUNTIME_PAUSES; i++)
		c->pause_sum += ring[i];
	c->pause_total = u64(s, FIELD_MEMSTATS_PAUSE_TOTAL);
}

static void fill_cycle(const struct sampler *s, struct self_check *c)
{
	c->has_work_end = sampler_has(s, FIELD_WORK_TEND) && sampler_has(s, FIELD_MEMSTATS_LAST_GC_MONO);
	if (c->has_work_end) {
		c->work_end = (int64_t)u64(s, FIELD_WORK_TEND);
		c->last_gc_mono = (int64_t)u64(s, FIELD_MEMSTATS_LAST_GC_MONO);
	}
	c->has_phase = s->globals[GLOBAL_GCPHASE] != 0;
	c->gcphase = s->raw.gcphase;
	c->has_cpu = sampler_has(s, FIELD_WORK_CPUSTATS);
	if (c->has_cpu)
		memcpy(c->cpu, read_plan_get(&s->plan, FIELD_WORK_CPUSTATS), sizeof(c->cpu));
}

static void fill_scheduler(const struct sampler *s, struct self_check *c)
{
	c->has_allgs = s->globals[GLOBAL_ALLGS] && s->globals[GLOBAL_ALLGLEN] && s->globals[GLOBAL_ALLGPTR];
	c->allgs_ptr = s->raw.allgs.ptr;
	c->allgs_len = s->raw.allgs.len;
	c->allgptr = s->raw.allgptr;
	c->allglen = (int64_t)s->raw.allglen;
	c->threads = thread_cnt(s);
	c->has_threads = sampler_has(s, FIELD_SCHED_MNEXT) && sampler_has(s, FIELD_SCHED_NMFREED) &&
			 sampler_has(s, FIELD_SCHED_NMIDLE) && sampler_has(s, FIELD_SCHED_NMSPINNING) &&
			 sampler_has(s, FIELD_SCHED_NPIDLE) && sampler_has(s, FIELD_SCHED_RUNQSIZE);
	if (!c->has_threads)
		return;
	c->threads_idle = (int32_t)read_plan_u32(&s->plan, FIELD_SCHED_NMIDLE);
	c->threads_spinning = (int32_t)read_plan_u32(&s->plan, FIELD_SCHED_NMSPINNING);
	c->procs_idle = (int32_t)read_plan_u32(&s->plan, FIELD_SCHED_NPIDLE);
	c->queue = (int32_t)read_plan_u32(&s->plan, FIELD_SCHED_RUNQSIZE);
}

struct self_check sampler_check_values(const struct sampler *s)
{
	struct self_check c = {.gomaxprocs = s->raw.gomaxprocs, .allp_len = s->raw.allp.len, .all = s->nearest};

	c.has_gc_percent = sampler_has(s, FIELD_GC_PERCENT);
	if (c.has_gc_percent)
		c.gc_percent = (int32_t)read_plan_u32(&s->plan, FIELD_GC_PERCENT);
	c.has_heap_minimum = sampler_has(s, FIELD_GC_HEAP_MINIMUM);
	if (c.has_heap_minimum)
		c.heap_minimum = u64(s, FIELD_GC_HEAP_MINIMUM);
	c.has_memory_limit = sampler_has(s, FIELD_GC_MEMORY_LIMIT);
	if (c.has_memory_limit)
		c.memory_limit = (int64_t)u64(s, FIELD_GC_MEMORY_LIMIT);
	fill_pauses(s, &c);
	fill_cycle(s, &c);
	fill_scheduler(s, &c);
	c.released = heap_value(s, FIELD_HEAPSTATS_RELEASED);
	c.gc_released = value(s, FIELD_GC_HEAP_RELEASED);
	c.has_released = c.released != SAMPLE_UNKNOWN && c.gc_released != SAMPLE_UNKNOWN;
	return c;
}
