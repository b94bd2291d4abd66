/* SPDX-License-Identifier: BSD-2-Clause */
/* All that is kept, for a command that asks once: a sample, then the histograms, each P and the chain of Ms, and what
 * the kernel knows. A collection that ends in between makes it begin again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "runtime/maxprocs_by.h"
#include "runtime/resources.h"
#include "runtime/runtime_hist.h"
#include "runtime/sample_private.h"

#define DETAIL_TRIES 4

void runtime_detail_init(struct runtime_detail *d)
{
	memset(d, 0, sizeof(*d));
}

void runtime_detail_deinit(struct runtime_detail *d)
{
	free(d->ps);
	runtime_detail_init(d);
}

/* --- histograms --- */

static int read_plan(struct sampler *s, struct read_plan *plan)
{
	uint32_t hist = (uint32_t)runtime_hist_size(s->go_minor);
	const struct read_want wants[] = {
		{FIELD_SCHED_STW_TOTAL_GC, hist},
		{FIELD_SCHED_STW_TOTAL_OTHER, hist},
		{FIELD_SCHED_STW_STOPPING_GC, hist},
		{FIELD_SCHED_STW_STOPPING_OTHER, hist},
		{FIELD_MEMSTATS_GC_PAUSE_DIST, hist},
		{FIELD_SCHED_NEEDSPINNING, 4},
		{FIELD_SCHED_LOCK_WAIT, 8},
		{FIELD_SCHED_MUTEX_WAIT, 8},
		{FIELD_SCHED_CREATED, 8},
	};
	int err = read_plan_init(plan, s->globals, s->fields, wants, ARRAY_SIZE(wants));

	return err ? err : memory_read_many(&s->mem, plan->ranges, plan->range_cnt);
}

static void decode(const struct sampler *s, const struct read_plan *plan, enum go_field field, struct runtime_hist *ret)
{
	if (read_plan_has(plan, field))
		runtime_hist_decode(s->go_minor, read_plan_get(plan, field), ret);
}

static void read_hists(const struct sampler *s, const struct read_plan *plan, struct runtime_detail *d)
{
	decode(s, &s->plan, FIELD_SCHED_TIME_TO_RUN, &d->latency);
	decode(s, plan, FIELD_MEMSTATS_GC_PAUSE_DIST, &d->stw_total_gc);
	decode(s, plan, FIELD_SCHED_STW_TOTAL_GC, &d->stw_total_gc);
	decode(s, plan, FIELD_SCHED_STW_TOTAL_OTHER, &d->stw_total_other);
	decode(s, plan, FIELD_SCHED_STW_STOPPING_GC, &d->stw_stopping_gc);
	decode(s, plan, FIELD_SCHED_STW_STOPPING_OTHER, &d->stw_stopping_other);
	d->threads_needspinning = read_plan_value32(plan, FIELD_SCHED_NEEDSPINNING);
}

/* --- Ms --- */

#define THREADS_SLACK 64      /* Ms made or gone meanwhile */
#define THREADS_MAX   4194304 /* the kernel's limit of pids */

/* Sum of m.mLockProfile.waitTime along allm, as totalMutexWaitTimeNanos (runtime/debug.go). -ERANGE: the chain is not
 * as long as there are threads. */
static int sum_lock_waits(struct sampler *s, int64_t threads, int64_t *sum)
{
	int64_t left = threads + THREADS_SLACK;
	uint64_t m;
	int err = memory_read(&s->mem, s->globals[GLOBAL_ALLM], &m, sizeof(m));

	for (*sum = 0; m && !err; left--) {
		uint64_t next = 0;
		int64_t waited = 0;
		struct memory_range r[] = {
			{m + (uint64_t)s->fields[FIELD_M_LOCK_WAIT], &waited, sizeof(waited)},
			{m + (uint64_t)s->fields[FIELD_M_ALLLINK], &next, sizeof(next)},
		};

		if (!left)
			return -ERANGE;
		err = memory_read_many(&s->mem, r, ARRAY_SIZE(r));
		if (!err && (waited < 0 || __builtin_add_overflow(*sum, waited, sum)))
			return -ERANGE;
		m = next;
	}
	return !err && left > 2 * THREADS_SLACK ? -ERANGE : err;
}

/* /sync/mutex/wait/total: up to 1.21 goroutines alone, since then the runtime's own locks, too. */
static int64_t mutex_wait(struct sampler *s, const struct read_plan *plan, int64_t threads)
{
	int64_t wait = read_plan_value(plan, FIELD_SCHED_MUTEX_WAIT),
		locks = read_plan_value(plan, FIELD_SCHED_LOCK_WAIT);
	int64_t of_ms, sum;

	if (s->go_minor < 22 || wait == SAMPLE_UNKNOWN)
		return wait;
	if (locks == SAMPLE_UNKNOWN || threads < 1 || threads > THREADS_MAX || !s->globals[GLOBAL_ALLM] ||
	    s->fields[FIELD_M_LOCK_WAIT] < 0 || s->fields[FIELD_M_ALLLINK] < 0 || sum_lock_waits(s, threads, &of_ms))
		return SAMPLE_UNKNOWN;
	return __builtin_add_overflow(wait, locks, &sum) || __builtin_add_overflow(sum, of_ms, &sum) ? SAMPLE_UNKNOWN
												     : sum;
}

/* --- Ps --- */

#define P_RANGES 4

static void add_p_ranges(const struct sampler *s, size_t i, struct runtime_p *p, struct memory_range *r, size_t *cnt)
{
	if (s->fields[FIELD_P_SCHEDTICK] >= 0)
		r[(*cnt)++] = (struct memory_range){s->ps[i] + (uint64_t)s->fields[FIELD_P_SCHEDTICK], &p->schedtick,
						    sizeof(p->schedtick)};
	if (s->fields[FIELD_P_SYSCALLTICK] >= 0)
		r[(*cnt)++] = (struct memory_range){s->ps[i] + (uint64_t)s->fields[FIELD_P_SYSCALLTICK],
						    &p->syscalltick, sizeof(p->syscalltick)};
	if (s->fields[FIELD_P_M] >= 0)
		r[(*cnt)++] = (struct memory_range){s->ps[i] + (uint64_t)s->fields[FIELD_P_M], &p->m, sizeof(p->m)};
	if (s->fields[FIELD_P_CREATED] >= 0)
		r[(*cnt)++] = (struct memory_range){s->ps[i] + (uint64_t)s->fields[FIELD_P_CREATED], &p->created,
						    sizeof(p->created)};
}

static int read_ps(struct sampler *s, struct runtime_detail *d)
{
	struct memory_range *r = calloc(s->p_cnt, P_RANGES * sizeof(*r));
	size_t cnt = 0;
	int err;

	d->ps = calloc(s->p_cnt, sizeof(*d->ps));
	d->p_cnt = 0;
	if (!r || !d->ps) {
		free(r);
		return -ENOMEM;
	}
	for (size_t i = 0; i < s->p_cnt; i++) {
		const struct raw_p *p = &s->raw_ps[i];

		d->ps[i] = (struct runtime_p){.id = p->id,
					      .status = p->status,
					      .queue = p->runqtail - p->runqhead,
					      .runnext = p->runnext != 0};
		add_p_ranges(s, i, &d->ps[i], r, &cnt);
	}
	err = memory_read_many(&s->mem, r, cnt);
	free(r);
	d->p_cnt = err ? 0 : (int)s->p_cnt;
	return err;
}

/* gCreated of runtime/metrics.go: those of Ps that are gone, and each P's own. */
static int64_t goroutines_created(const struct sampler *s, const struct read_plan *plan, const struct runtime_detail *d)
{
	int64_t sum = read_plan_value(plan, FIELD_SCHED_CREATED);

	if (s->fields[FIELD_P_CREATED] < 0)
		return SAMPLE_UNKNOWN;
	for (int i = 0; i < d->p_cnt && sum != SAMPLE_UNKNOWN; i++)
		if (d->ps[i].created > INT64_MAX || __builtin_add_overflow(sum, (int64_t)d->ps[i].created, &sum))
			sum = SAMPLE_UNKNOWN;
	return sum;
}

/* --- pauses, settings, limits --- */

static void read_pauses(const struct sampler *s, struct runtime_detail *d)
{
	uint64_t missed;
	int n;

	if (d->sample.numgc == SAMPLE_UNKNOWN || !sampler_has(s, FIELD_MEMSTATS_PAUSE_NS) ||
	    !sampler_has(s, FIELD_MEMSTATS_PAUSE_END))
		return;
	n = sampler_raw_pauses(s, 0, d->pauses, RUNTIME_PAUSES, &missed);
	for (int i = 0; i < n / 2; i++) {
		struct runtime_pause p = d->pauses[i];

		d->pauses[i] = d->pauses[n - 1 - i];
		d->pauses[n - 1 - i] = p;
	}
	d->pause_cnt = n;
}

static int as_int(int64_t v)
{
	return v < 0 || v > INT32_MAX ? -1 : (int)v;
}

static int read_surroundings(const struct sampler *s, struct runtime_detail *d)
{
	struct maxprocs_facts facts = {.go_minor = s->go_minor,
				       .ignores_cpu_limit = s->ignores_cpu_limit,
				       .gomaxprocs = d->sample.gomaxprocs,
				       .custom = d->sample.maxprocs_custom};
	struct resources r;
	int err = resources_read(s->root, s->pid, &r);

	if (err)
		return err;
	d->maxprocs_by = maxprocs_by_read(s->root, s->pid, &facts, d->maxprocs_env, sizeof(d->maxprocs_env));
	d->fds = as_int(r.fds);
	d->fd_limit = as_int(r.fd_limit);
	d->os_threads = as_int(r.os_threads);
	d->thread_limit = as_int(r.thread_limit);
	return 0;
}

static int read_rest(struct sampler *s, struct runtime_detail *d)
{
	struct read_plan plan;
	int err = read_plan(s, &plan);

	if (!err) {
		read_hists(s, &plan, d);
		d->mutex_wait_ns = mutex_wait(s, &plan, d->sample.threads);
		err = read_ps(s, d);
		d->sample.goroutines_created = goroutines_created(s, &plan, d);
	}
	read_plan_deinit(&plan);
	if (!err && s->globals[GLOBAL_INIT_TIME])
		err = memory_read(&s->mem, s->globals[GLOBAL_INIT_TIME], &d->init_time_ns, sizeof(d->init_time_ns));
	return err;
}

/* By pid: afterwards a read of the pinned memory tells that it was still that process. */
static int still_same(struct sampler *s)
{
	uint32_t numgc = 0;

	if (!sampler_has(s, FIELD_MEMSTATS_NUMGC))
		return memory_read(&s->mem, s->globals[GLOBAL_GOMAXPROCS], &numgc, sizeof(numgc));
	if (memory_read(&s->mem, s->globals[GLOBAL_MEMSTATS] + (uint64_t)s->fields[FIELD_MEMSTATS_NUMGC], &numgc,
			sizeof(numgc)))
		return -ESRCH;
	return numgc == s->raw.numgc ? 0 : err_why(s->why, -EAGAIN, "collections end too fast to read all between two");
}

static int read_all(struct sampler *s, struct runtime_detail *d)
{
	uint64_t time_ns = clock_mono_ns();
	int err = sampler_read_raw(s);

	if (err)
		return err;
	sampler_values(s, time_ns, &d->sample);
	d->cycle_known = sampler_raw_cycle(s, -1, &d->cycle);
	read_pauses(s, d);
	err = read_rest(s, d);
	if (!err)
		err = read_surroundings(s, d);
	if (err && err != -ESRCH && err != -ENOMEM)
		err_why(s->why, 0, "cannot read its memory: %s", strerror(-err));
	return err ? err : still_same(s);
}

int sampler_detail(struct sampler *s, struct runtime_detail *ret)
{
	int err = sampler_refused(s);

	for (int i = 0; !err && i < DETAIL_TRIES; i++) {
		struct runtime_detail *d = calloc(1, sizeof(*d));

		if (!d)
			return -ENOMEM;
		err = read_all(s, d);
		if (!err) {
			runtime_detail_deinit(ret);
			*ret = *d;
			free(d);
			return 0;
		}
		runtime_detail_deinit(d);
		free(d);
		if (err == -EAGAIN && i + 1 < DETAIL_TRIES)
			err = 0;
	}
	return err;
}
