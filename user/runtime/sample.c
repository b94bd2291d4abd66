/* SPDX-License-Identifier: BSD-2-Clause */
/* A snapshot of what the Go runtime counts anyway: one scattered read of its globals and of a few words of each P.
 *
 * Layouts come from the binary (symbols/); what the bytes mean is in sample_values.c. Nothing is stopped or locked
 * meanwhile, so fields can be microseconds apart; a read that contradicts itself, or during which a collection ended,
 * is repeated.
 *
 * A read costs 7.6 us with one P, 9.6 with 4, 38 with 64 (Go 1.22 to 1.27, kernel 6.18 in a virtual machine, best of
 * 100 batches of 100; 0.48 us a P is the kernel looking up its page and copying 2.5 KB: without the queue in between,
 * in two pieces, 64 Ps take 55 us; means on the loaded machine 9 to 34 us, 60 to 86 with 64 Ps), however many
 * goroutines there are. SAMPLE_BENCH=1 test_sample prints it. */
#include "runtime/sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "procs/proc_info.h"
#include "runtime/runtime_hist.h"
#include "runtime/sample_private.h"

#define READ_TRIES   5  /* a snapshot in the middle of a stop-the-world or of an allocation contradicts itself */
#define RETRY_US     25 /* before the second try, doubled for each further one: together a usual stop */
#define FIXED_RANGES 24 /* of add_globals() and add_again(), gaps included */
#define P_PIECES     10 /* fields and gaps between them */
#define GAP_SZ       4096

static const struct read_want wants[] = {
	{FIELD_GC_PERCENT, 4},
	{FIELD_GC_MEMORY_LIMIT, 8},
	{FIELD_GC_HEAP_MINIMUM, 8},
	{FIELD_GC_HEAP_GOAL, 8 + GOAL_TO_TRIGGERED},
	{FIELD_GC_LAST_HEAP_GOAL, 8},
	{FIELD_GC_HEAP_LIVE, 8},
	{FIELD_GC_LAST_STACK_SCAN, 8},
	{FIELD_GC_MAX_STACK_SCAN, 8},
	{FIELD_GC_GLOBALS_SCAN, 8},
	{FIELD_GC_HEAP_MARKED, 8},
	{FIELD_GC_ASSIST_TIME, 8},
	{FIELD_GC_DEDICATED_TIME, 8},
	{FIELD_GC_FRACTIONAL_TIME, 8},
	{FIELD_GC_IDLE_TIME, 8},
	{FIELD_GC_HEAP_RELEASED, 8},
	{FIELD_GC_HEAP_FREE, 8},
	{FIELD_GC_TOTAL_ALLOC, 8},
	{FIELD_GC_TOTAL_FREE, 8},
	{FIELD_GC_MAPPED_READY, 8},
	{FIELD_MEMSTATS_NUMGC, 4},
	{FIELD_MEMSTATS_NUMFORCEDGC, 4},
	{FIELD_MEMSTATS_PAUSE_TOTAL, 8},
	{FIELD_MEMSTATS_PAUSE_NS, 8 * RUNTIME_PAUSES},
	{FIELD_MEMSTATS_PAUSE_END, 8 * RUNTIME_PAUSES},
	{FIELD_MEMSTATS_LAST_GC_UNIX, 8},
	{FIELD_MEMSTATS_LAST_GC_MONO, 8},
	{FIELD_MEMSTATS_GC_CPU_FRACTION, 8},
	{FIELD_MEMSTATS_STACKS_SYS, 8},
	{FIELD_MEMSTATS_MSPAN_SYS, 8},
	{FIELD_MEMSTATS_MCACHE_SYS, 8},
	{FIELD_MEMSTATS_BUCKHASH_SYS, 8},
	{FIELD_MEMSTATS_GCMISC_SYS, 8},
	{FIELD_MEMSTATS_OTHER_SYS, 8},
	{FIELD_WORK_TSWEEP_TERM, 8},
	{FIELD_WORK_TMARK, 8},
	{FIELD_WORK_TMARK_TERM, 8},
	{FIELD_WORK_TEND, 8},
	{FIELD_WORK_HEAP0, 8},
	{FIELD_WORK_HEAP1, 8},
	{FIELD_WORK_HEAP2, 8},
	{FIELD_WORK_HEAP_GOAL, 8},
	{FIELD_WORK_STWPROCS, 4},
	{FIELD_WORK_MAXPROCS, 4},
	{FIELD_WORK_USER_FORCED, 1},
	{FIELD_WORK_CPUSTATS, 8 * RUNTIME_CPU_CNT},
	{FIELD_SCHED_MNEXT, 8},
	{FIELD_SCHED_NMFREED, 8},
	{FIELD_SCHED_NMIDLE, 4},
	{FIELD_SCHED_NGSYS, 4},
	{FIELD_SCHED_NPIDLE, 4},
	{FIELD_SCHED_NMSPINNING, 4},
	{FIELD_SCHED_RUNQSIZE, 4},
	{FIELD_SCHED_GFREE_N, 4},
	{FIELD_SCHED_GFREE_STACK, 4},
	{FIELD_SCHED_GFREE_NOSTACK, 4},
	{FIELD_SCHED_GCWAITING, 4},
	{FIELD_SCHED_MUTEX_WAIT, 8},
	{FIELD_SCHED_CUSTOM_GOMAXPROCS, 1},
	{FIELD_CNT, 0}, /* sched.timeToRun and memstats.heapStats: their sizes differ */
	{FIELD_CNT, 0},
};

/* --- what to read --- */

static void add_range(struct sampler *s, uint64_t addr, void *buf, size_t sz)
{
	s->ranges[s->range_cnt++] = (struct memory_range){addr, buf, sz};
}

static void add_global(struct sampler *s, enum go_global global, void *buf, size_t sz)
{
	if (s->globals[global])
		add_range(s, s->globals[global], buf, sz);
}

static int by_address(const void *a, const void *b)
{
	const struct memory_range *x = a, *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* Linkers put most of the runtime's globals near each other: what lies between two is read along, too. */
static void close_gaps(struct sampler *s)
{
	size_t cnt = s->range_cnt;

	qsort(s->ranges, cnt, sizeof(*s->ranges), by_address);
	for (size_t i = 0; i + 1 < cnt; i++) {
		uint64_t end = s->ranges[i].addr + s->ranges[i].sz, next = s->ranges[i + 1].addr;

		if (next > end && next - end <= GAP_SZ)
			add_range(s, end, s->gap, next - end);
	}
	qsort(s->ranges, s->range_cnt, sizeof(*s->ranges), by_address);
}

static void add_globals(struct sampler *s)
{
	struct raw *r = &s->raw;

	s->range_cnt = 0;
	add_global(s, GLOBAL_GOMAXPROCS, &r->gomaxprocs, sizeof(r->gomaxprocs));
	add_global(s, GLOBAL_ALLP, &r->allp, sizeof(r->allp));
	add_global(s, GLOBAL_ALLGS, &r->allgs, sizeof(r->allgs));
	add_global(s, GLOBAL_ALLGLEN, &r->allglen, sizeof(r->allglen));
	add_global(s, GLOBAL_ALLGPTR, &r->allgptr, sizeof(r->allgptr));
	add_global(s, GLOBAL_GCPHASE, &r->gcphase, sizeof(r->gcphase));
	for (size_t i = 0; i < s->plan.range_cnt; i++)
		add_range(s, s->plan.ranges[i].addr, s->plan.ranges[i].buf, s->plan.ranges[i].sz);
	close_gaps(s);
}

struct p_piece {
	uint64_t from;
	void *buf;
	size_t sz;
};

/* The fields of one P in the order of their offsets, at most P_PIECES / 2. */
static int p_pieces(const struct sampler *s, struct raw_p *p, struct p_piece *ret)
{
	const struct {
		enum go_field field;
		void *buf;
		size_t sz;
	} rows[] = {
		{FIELD_P_RUNQHEAD, &p->runqhead, sizeof(p->runqhead)},
		{FIELD_P_RUNQTAIL, &p->runqtail, sizeof(p->runqtail)},
		{FIELD_P_RUNNEXT, &p->runnext, sizeof(p->runnext)},
		{FIELD_P_GFREE, &p->gfree, sizeof(p->gfree)},
	};
	int n = 0;

	ret[n++] = (struct p_piece){0, p, offsetof(struct raw_p, runqhead)};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int at = n;

		if (s->fields[rows[i].field] < 0)
			continue;
		for (; at && ret[at - 1].from > (uint64_t)s->fields[rows[i].field]; at--)
			ret[at] = ret[at - 1];
		ret[at] = (struct p_piece){(uint64_t)s->fields[rows[i].field], rows[i].buf, rows[i].sz};
		n++;
	}
	return n;
}

/* Fields that lie as far apart in struct raw_p as they do there come in one. */
static int join_pieces(struct p_piece *pieces, int cnt)
{
	int n = 0;

	for (int i = 1; i < cnt; i++) {
		struct p_piece *last = &pieces[n];
		uint64_t gap = pieces[i].from - (last->from + last->sz);

		if (gap <= 8 && (uint8_t *)last->buf + last->sz + gap == pieces[i].buf)
			last->sz += gap + pieces[i].sz;
		else
			pieces[++n] = pieces[i];
	}
	return n + 1;
}

/* A P is one piece for the kernel: the bytes between its fields are read along, into one place for all. */
static void add_p(struct sampler *s, uint64_t addr, struct raw_p *p)
{
	struct p_piece pieces[P_PIECES / 2];
	int n = join_pieces(pieces, p_pieces(s, p, pieces));
	uint64_t end = 0;

	for (int i = 0; i < n; i++) {
		if (pieces[i].from > end && pieces[i].from - end <= GAP_SZ)
			add_range(s, addr + end, s->gap, pieces[i].from - end);
		add_range(s, addr + pieces[i].from, pieces[i].buf, pieces[i].sz);
		end = pieces[i].from + pieces[i].sz;
	}
}

/* numgc once more after all else: it may not have moved. The heap statistics, too. */
static void add_again(struct sampler *s)
{
	if (s->heap_sz)
		add_range(s, s->globals[GLOBAL_MEMSTATS] + (uint64_t)s->fields[FIELD_MEMSTATS_HEAP_STATS],
			  s->heap_again, s->heap_sz);
	if (sampler_has(s, FIELD_MEMSTATS_NUMGC))
		add_range(s, s->globals[GLOBAL_MEMSTATS] + (uint64_t)s->fields[FIELD_MEMSTATS_NUMGC], &s->raw.numgc,
			  sizeof(s->raw.numgc));
}

static void add_ranges(struct sampler *s)
{
	add_globals(s);
	for (size_t i = 0; i < s->p_cnt; i++)
		add_p(s, s->ps[i], &s->raw_ps[i]);
	add_again(s);
}

/* --- the Ps --- */

static int resize(struct sampler *s, size_t p_cnt)
{
	size_t range_cnt = FIXED_RANGES + 2 * s->plan.range_cnt + p_cnt * P_PIECES; /* a gap behind each */
	uint64_t *ps = realloc(s->ps, p_cnt * sizeof(*ps));
	struct raw_p *raw_ps;
	struct memory_range *ranges;

	if (!ps)
		return -ENOMEM;
	s->ps = ps;
	raw_ps = realloc(s->raw_ps, p_cnt * sizeof(*raw_ps));
	if (!raw_ps)
		return -ENOMEM;
	s->raw_ps = raw_ps;
	memset(raw_ps, 0, p_cnt * sizeof(*raw_ps));
	ranges = realloc(s->ranges, range_cnt * sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	s->ranges = ranges;
	return 0;
}

static int check_ids(const struct sampler *s, size_t p_cnt, char *why)
{
	for (size_t i = 0; i < p_cnt; i++)
		if (self_check_ids(&s->raw_ps[i].id, i, 1, why))
			return SAMPLER_SELF_CHECK;
	return 0;
}

static int check_places(struct sampler *s, size_t p_cnt)
{
	struct memory_range *r = calloc(p_cnt, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	for (size_t i = 0; i < p_cnt; i++)
		r[i] = (struct memory_range){s->ps[i], &s->raw_ps[i].id, sizeof(s->raw_ps[i].id)};
	err = memory_read_many(&s->mem, r, p_cnt);
	free(r);
	if (err == -EFAULT)
		return err_why(s->why, SAMPLER_SELF_CHECK, "self-check failed (an entry of allp points nowhere)");
	return err ? err : check_ids(s, p_cnt, s->why);
}

/* Learns where the Ps are, after allp changed (start, GOMAXPROCS), and checks them all. */
static int load_ps(struct sampler *s)
{
	size_t p_cnt = (size_t)s->raw.allp.len; /* checked: 1 to SELF_CHECK_MAX_PROCS */
	int err;

	s->p_cnt = 0; /* until they are known to be good */
	s->allp_ptr = 0;
	add_ranges(s); /* forgets the ranges of Ps, whose buffers move now */
	err = resize(s, p_cnt);
	if (!err)
		err = memory_read(&s->mem, s->raw.allp.ptr, s->ps, p_cnt * sizeof(*s->ps));
	if (err == -EFAULT)
		return err_why(s->why, SAMPLER_SELF_CHECK, "self-check failed (allp points nowhere)");
	if (!err)
		err = check_places(s, p_cnt);
	if (err)
		return err;
	s->p_cnt = p_cnt;
	s->allp_ptr = s->raw.allp.ptr;
	add_ranges(s);
	return 0;
}

/* --- one read --- */

static int check_p(const struct raw_p *p, size_t i, char *why)
{
	if (p->status > 4)
		return err_why(why, SAMPLER_SELF_CHECK, "self-check failed (allp[%zu].status = %u)", i, p->status);
	if (p->runqtail - p->runqhead > P_QUEUE_MAX)
		return err_why(why, SAMPLER_SELF_CHECK, "self-check failed (allp[%zu] has a queue of %u)", i,
			       p->runqtail - p->runqhead);
	return 0;
}

static int check_ps(const struct sampler *s, char *why)
{
	int err = check_ids(s, s->p_cnt, why);

	for (size_t i = 0; i < s->p_cnt && !err; i++)
		err = check_p(&s->raw_ps[i], i, why);
	return err;
}

/* What only a read of the same moment can tell. */
static int check_read(struct sampler *s)
{
	if (sampler_has(s, FIELD_MEMSTATS_NUMGC) && s->raw.numgc != read_plan_u32(&s->plan, FIELD_MEMSTATS_NUMGC))
		return err_why(s->why, -EAGAIN, "a collection ended during each read");
	if (check_ps(s, s->why) || sampler_heap_check(s, s->why) || sampler_since_check(s, s->why))
		return SAMPLER_SELF_CHECK;
	return 0;
}

/* One try: 0, positive when it contradicts itself, -errno. */
static int read_once(struct sampler *s)
{
	struct self_check now;
	int err = memory_read_many(&s->mem, s->ranges, s->range_cnt);

	if (err)
		return err;
	now = sampler_check_values(s);
	if (self_check_values(&now, s->has_last ? &s->last : NULL, s->why))
		return SAMPLER_SELF_CHECK;
	if (s->raw.allp.ptr != s->allp_ptr || (size_t)s->raw.allp.len != s->p_cnt) {
		err = load_ps(s);
		return err ? err : err_why(s->why, -EAGAIN, "GOMAXPROCS changed");
	}
	err = check_read(s);
	if (err)
		return err;
	s->last = now;
	s->has_last = true;
	return 0;
}

int sampler_read_raw(struct sampler *s)
{
	int err = 0;

	s->fresh = false;
	for (int i = 0; i < READ_TRIES; i++) {
		if (i && err != -EAGAIN)
			usleep(RETRY_US << (i - 1));
		err = read_once(s);
		if (err == -ESRCH || err == -ENOMEM || (!err && sampler_memory_fits(s)))
			return err;
	}
	if (err < 0 && err != -EAGAIN)
		err_why(s->why, 0, "cannot read its memory: %s", strerror(-err));
	return err;
}

#define CONTRADICTIONS_MAX 3

int sampler_refused(struct sampler *s)
{
	if (s->contradictions < CONTRADICTIONS_MAX)
		return 0;
	return err_why(s->why, SAMPLER_SELF_CHECK,
		       "self-check failed (numgc does not follow the collections that go_gc sees)");
}

int sampler_read(struct sampler *s, struct runtime_sample *ret)
{
	uint64_t time_ns = clock_mono_ns();
	int err = sampler_refused(s);

	if (!err)
		err = sampler_read_raw(s);
	if (err)
		return err;
	sampler_values(s, time_ns, ret);
	sampler_since_update(s, ret);
	s->fresh = true;
	return 0;
}

/* Two looks that are not at the same time can each be off by the cycle that ends between them. */
bool sampler_confirm_cycles(struct sampler *s, uint64_t seen, uint64_t numgc_growth)
{
	const uint64_t slack = 2;

	if (seen > numgc_growth + slack || numgc_growth > seen + slack)
		s->contradictions += s->contradictions < CONTRADICTIONS_MAX;
	else if (s->contradictions < CONTRADICTIONS_MAX)
		s->contradictions = 0;
	return !sampler_refused(s);
}

const struct memory *sampler_memory(const struct sampler *s)
{
	return &s->mem;
}

const char *sampler_why(const struct sampler *s)
{
	return s->why;
}

/* --- open --- */

static int check_layout(const struct binary *b, char *why)
{
	bool no_address = !b->globals[GLOBAL_GOMAXPROCS] || !b->globals[GLOBAL_ALLP];

	if ((b->layout == LAYOUT_NONE || no_address) && *b->layout_why)
		return err_why(why, SAMPLER_NO_LAYOUT, "%s", b->layout_why);
	if (b->layout == LAYOUT_NONE)
		return err_why(why, SAMPLER_NO_LAYOUT, "layout of the runtime unknown");
	if (no_address)
		return err_why(why, SAMPLER_NO_LAYOUT, "address of runtime.%s unknown",
			       b->globals[GLOBAL_ALLP] ? "gomaxprocs" : "allp");
	return 0;
}

/* Histograms and heap statistics are as long as the version has them. */
static int make_plan(struct sampler *s)
{
	struct read_want all[ARRAY_SIZE(wants)];
	int16_t heap_sz = s->fields[FIELD_HEAPSTATS_SIZE];
	size_t n = ARRAY_SIZE(wants);

	memcpy(all, wants, sizeof(all));
	all[n - 2] = (struct read_want){FIELD_SCHED_TIME_TO_RUN, (uint32_t)runtime_hist_size(s->go_minor)};
	all[n - 1] = (struct read_want){FIELD_MEMSTATS_HEAP_STATS, 0};
	if (heap_sz > 0 && heap_sz % 8 == 0)
		all[n - 1].sz = HEAP_STATS_CNT * (uint32_t)heap_sz + 8; /* the generation behind them */
	if (read_plan_init(&s->plan, s->globals, s->fields, all, n))
		return -ENOMEM;
	if (!sampler_has(s, FIELD_MEMSTATS_HEAP_STATS))
		return 0;
	s->heap_sz = all[n - 1].sz;
	s->heap_again = calloc(1, s->heap_sz);
	return s->heap_again ? 0 : -ENOMEM;
}

static int set_layout(struct sampler *s, const struct process *p, char *why)
{
	const struct binary *b = p->binary;
	int err = check_layout(b, why);

	if (err)
		return err;
	for (int i = 0; i < GLOBAL_CNT; i++)
		s->globals[i] = b->globals[i] ? b->globals[i] + p->bias : 0;
	memcpy(s->fields, b->fields, sizeof(s->fields));
	s->go_minor = b->go_minor;
	s->nearest = b->layout == LAYOUT_NEAREST;
	s->ignores_cpu_limit = b->ignores_cpu_limit;
	s->gap = malloc(GAP_SZ);
	if (!s->gap || make_plan(s) || resize(s, 1))
		return err_why(why, -ENOMEM, "out of memory");
	return 0;
}

/* schedinit sets GOMAXPROCS and allp; a process that is held by its CPU quota may not have come that far, and one that
 * is held in the middle of a stop-the-world contradicts itself. */
static bool is_not_ready(const struct sampler *s)
{
	return (!s->raw.gomaxprocs && !s->raw.allp.len) ||
	       (sampler_has(s, FIELD_SCHED_GCWAITING) && read_plan_u32(&s->plan, FIELD_SCHED_GCWAITING) == 1);
}

static int first_read(struct sampler *s, char *why)
{
	int err = sampler_read_raw(s);

	if (err == SAMPLER_SELF_CHECK && is_not_ready(s))
		return err_why(why, SAMPLER_NOT_READY, "the Go runtime is still starting");
	if (err == -EAGAIN)
		return err_why(why, SAMPLER_NOT_READY, "%s", s->why);
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
	s->pid = p->pid;
	s->root = strdup(root);
	return s->root ? 0 : err_why(why, -ENOMEM, "out of memory");
}

int sampler_open(const char *root, const struct process *p, struct sampler **ret, char *why)
{
	struct sampler *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return err_why(why, -ENOMEM, "out of memory");
	s->mem.fd = -1;
	err = set_layout(s, p, why);
	if (!err)
		err = open_memory(s, root, p, why);
	if (!err) {
		add_ranges(s);
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
	read_plan_deinit(&s->plan);
	free(s->heap_again);
	free(s->gap);
	free(s->root);
	free(s->ranges);
	free(s->raw_ps);
	free(s->ps);
	free(s);
	return NULL;
}
