/* SPDX-License-Identifier: BSD-2-Clause */
/* gc-cpu, mem-limit-gc, p-starved, goroutine-leak, goroutine-blocked: pairs of situations that differ in one number,
 * one fires and one stays quiet; texts, computed numbers, what is unknown; which verdict tells of which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "diagnose/delay.h"
#include "diagnose/gogc.h"
#include "diagnose/verdicts.h"
#include "rule_scene.h"
#include "runtime/census.h"

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

/* ---- gc-cpu ---- */

/* Allocates much beside a small heap, on no quota. */
static void search_scene(struct scene *x)
{
	struct snapshot_container *c = &x->c;

	quiet_scene(x);
	c->seen_ns = 10000000000ull;
	c->cpu.usage_seconds = 20;
	c->gc.cycles = 142;
	c->gc.cpu_ratio = 0.40;
	c->gc.last_minute_cpu_ratio = 0.40;
	c->gc.gogc = 100;
	c->gc.heap_live_bytes = 38 * MIB;
	c->gc.heap_goal_bytes = 76 * MIB;
	c->gc.mapped_ready_bytes = 100 * MIB;
	c->gc.memory_limit_bytes = -1;
	c->memory.limit_bytes = 512 * MIB;
	c->memory.working_set_bytes = 120 * MIB;
}

static void gc_cpu_thresholds(void **state)
{
	static const struct {
		double minute, window, scale;
		int64_t gomemlimit_mib, mapped_mib;
		int want;
	} rows[] = {
		{0.149, 0.9, 1, -1, 100, NO},
		{0.150, 0.0, 1, -1, 100, VERDICT_WARNING},
		{0.299, 0.9, 1, -1, 100, VERDICT_WARNING},
		{0.300, 0.0, 1, -1, 100, VERDICT_CRITICAL},
		{0.106, 0.0, 0.7, -1, 100, VERDICT_WARNING},
		{0.104, 0.0, 0.7, -1, 100, NO},
		{0.211, 0.0, 0.7, -1, 100, VERDICT_CRITICAL},
		/* less than a minute is known: twice as much, and never critical */
		{NAN, 0.299, 1, -1, 100, NO},
		{NAN, 0.300, 1, -1, 100, VERDICT_WARNING},
		{NAN, 0.900, 1, -1, 100, VERDICT_WARNING},
		{NAN, NAN, 1, -1, 100, NO},
		/* bound by GOMEMLIMIT: no GOGC helps */
		{0.4, 0.4, 1, 100, 89, VERDICT_CRITICAL},
		{0.4, 0.4, 1, 100, 90, NO},
	};
	struct scene x;
	struct verdict v;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		search_scene(&x);
		x.c.gc.last_minute_cpu_ratio = rows[i].minute;
		x.c.gc.cpu_ratio = rows[i].window;
		x.c.gc.memory_limit_bytes = rows[i].gomemlimit_mib < 0 ? -1 : rows[i].gomemlimit_mib * MIB;
		x.c.gc.mapped_ready_bytes = rows[i].mapped_mib * MIB;
		if (rows[i].gomemlimit_mib > 0)
			x.c.gc.heap_goal_bytes = 70 * MIB; /* GOGC would have 76 */
		if (severity(rule_gc_cpu, &x, rows[i].scale, &v) != rows[i].want)
			fail_msg("row %zu: %s", i, v.text);
	}
	quiet_scene(&x);
	CHECK(rule_gc_cpu, &x, 1, NO);
}

static void gc_cpu_says(void **state)
{
	struct scene x;
	struct verdict v;

	search_scene(&x);
	CHECK(rule_gc_cpu, &x, 1, VERDICT_CRITICAL);
	assert_string_equal(v.text, "Garbage collection took 40% of its CPU over the last minute.");
	/* 0.4 * 100 / 400 = 0.1 beside 0.6: a seventh */
	has(v.advice, "set GOGC=400 cuts 14.2 cycles/s to about 3.5; GC would then take about 14% of its CPU.");
	has(v.seen, "GC 40% of its CPU, 14.2 cycles/s, heap live 38M goal 76M, GOGC 100, memory limit 512M.");
	assert_string_equal(v.evidence[0].name, "gc_cpu_ratio");
	assert_true(v.evidence[0].value == 0.40 && v.evidence[0].threshold == 0.30);

	x.c.memory.working_set_bytes = 500 * MIB; /* nothing fits */
	x.c.gc.cpu_estimated = true;
	CHECK(rule_gc_cpu, &x, 1, VERDICT_CRITICAL);
	has(v.text, "took about 40% of");
	has(v.advice, "allocate less");
	x.c.gc.last_minute_cpu_ratio = NAN;
	CHECK(rule_gc_cpu, &x, 1, VERDICT_WARNING);
	has(v.text, "over the last seconds");
}

static void gogc_shares(void **state)
{
	struct scene x;

	search_scene(&x);
	assert_int_equal(gogc_better(&x.c), 400);
	assert_true(fabs(gogc_expected_share(&x.c, 400, 0.4) - 0.1 / 0.7) < 1e-9);
	assert_true(isnan(gogc_memory_ratio(&x.c)));
	x.c.gc.memory_limit_bytes = 200 * MIB;
	assert_true(gogc_memory_ratio(&x.c) == 0.5);
	x.c.gc.mapped_ready_bytes = STAT_UNKNOWN;
	assert_true(isnan(gogc_memory_ratio(&x.c)));
}

/* ---- mem-limit-gc ---- */

static void cart_scene(struct scene *x)
{
	search_scene(x);
	x->c.gc.cpu_ratio = 0.31;
	x->c.gc.last_minute_cpu_ratio = 0.31;
	x->c.gc.memory_limit_bytes = 100 * MIB;
	x->c.gc.mapped_ready_bytes = 98 * MIB;
	x->c.gc.heap_live_bytes = 80 * MIB;
	x->c.memory.limit_bytes = 128 * MIB;
	x->c.memory.non_go_bytes = 4 * MIB;
}

static void mem_limit_gc_thresholds(void **state)
{
	static const struct {
		double ratio, scale;
		int64_t gomemlimit_mib, mapped_kib;
		int want;
	} rows[] = {
		{0.249, 1, 100, 98 * 1024, NO},
		{0.250, 1, 100, 98 * 1024, VERDICT_WARNING},
		{0.400, 1, 100, 98 * 1024, VERDICT_CRITICAL},
		{0.176, 0.7, 100, 98 * 1024, VERDICT_WARNING},
		{0.174, 0.7, 100, 98 * 1024, NO},
		{0.400, 1, 100, 90 * 1024, VERDICT_CRITICAL},
		{0.400, 1, 100, 90 * 1024 - 1, NO},
		{0.400, 0.7, 100, 90 * 1024 - 1, NO},
		{0.400, 1, -1, 98 * 1024, NO},
		{NAN, 1, 100, 98 * 1024, NO},
	};
	struct scene x;
	struct verdict v;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cart_scene(&x);
		x.c.gc.cpu_ratio = rows[i].ratio;
		x.c.gc.memory_limit_bytes = rows[i].gomemlimit_mib < 0 ? -1 : rows[i].gomemlimit_mib * MIB;
		x.c.gc.mapped_ready_bytes = rows[i].mapped_kib * 1024;
		if (severity(rule_mem_limit_gc, &x, rows[i].scale, &v) != rows[i].want)
			fail_msg("row %zu: %s", i, v.text);
	}
}

/* The memory is as high, but the goal says who sets it. */
static void bound_by_limit(void **state)
{
	static const struct {
		int64_t gogc, live, goal;
		bool want;
	} rows[] = {
		{100, 80, 90, true},
		{100, 45, 90, false},
		{100, 45, 88, true},
		{-1, 45, 90, true},
		/* GOGC=off */ {STAT_UNKNOWN, 45, 90, true},
		{100, 0, 90, true},
		{100, STAT_UNKNOWN, 90, true},
		{100, 45, STAT_UNKNOWN, true},
	};
	struct scene x;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cart_scene(&x);
		x.c.gc.gogc = rows[i].gogc;
		x.c.gc.heap_live_bytes = rows[i].live > 0 ? rows[i].live * MIB : rows[i].live;
		x.c.gc.heap_goal_bytes = rows[i].goal > 0 ? rows[i].goal * MIB : rows[i].goal;
		if (gogc_is_bound(&x.c) != rows[i].want)
			fail_msg("row %zu", i);
	}
	x.c.gc.memory_limit_bytes = -1;
	assert_false(gogc_is_bound(&x.c));
}

static void mem_limit_gc_says(void **state)
{
	struct scene x;
	struct verdict v;

	cart_scene(&x);
	CHECK(rule_mem_limit_gc, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.text,
			    "Go memory is at 98% of GOMEMLIMIT 100M: it collects all the time to stay below, with "
			    "31% of its CPU.");
	has(v.advice, "raise the memory limit, and GOMEMLIMIT with it"); /* 80 % of 128 less 4 is not above 110 */
	has(v.advice, "live heap of 80M");
	x.c.memory.limit_bytes = 512 * MIB;
	CHECK(rule_mem_limit_gc, &x, 1, VERDICT_WARNING);
	has(v.advice, "set GOMEMLIMIT=405MiB (80% of the 512M memory limit, less what is not Go's)");
	x.c.memory.limit_bytes = -1;
	CHECK(rule_mem_limit_gc, &x, 1, VERDICT_WARNING);
	has(v.advice, "raise GOMEMLIMIT (the container has no memory limit of its own)");
}

/* ---- p-starved ---- */

static void starved_scene(struct scene *x)
{
	quiet_scene(x);
	x->c.cpu.limit_cpus = -1;
	x->c.cpu.runq = (struct dist){900, 1, 0, 0.0001, 0.001, 0.002, 0.004};
	x->c.sched.on = true;
	x->c.sched.latency = (struct dist){5000, NAN, NAN, 0.001, 0.004, 0.009, NAN};
	x->c.sched.idle_p_ratio = 0;
	x->c.sched.procs = 4;
	x->c.sched.procs_idle = 0;
	x->c.sched.queue = 37;
	x->c.goroutines = 412;
	x->p[0].gomaxprocs = 4;
}

static void p_starved_thresholds(void **state)
{
	static const struct {
		double p99, idle, throttled, limit, runq, scale;
		int64_t cnt, runq_cnt;
		int want;
	} rows[] = {
		{0.0049, 0, NAN, -1, 0.002, 1, 5000, 900, NO},
		{0.0050, 0, NAN, -1, 0.002, 1, 5000, 900, VERDICT_WARNING},
		{0.0200, 0, NAN, -1, 0.002, 1, 5000, 900, VERDICT_CRITICAL},
		{0.0036, 0, NAN, -1, 0.002, 0.7, 5000, 900, VERDICT_WARNING},
		{0.0034, 0, NAN, -1, 0.002, 0.7, 5000, 900, NO},
		{0.0200, 0, NAN, -1, 0.002, 1, 49, 900, NO}, /* too few */
		{0.0200, 0, NAN, -1, 0.002, 1, -1, 900, NO},
		{NAN, 0, NAN, -1, 0.002, 1, 5000, 900, NO},
		{0.0200, 0.10, NAN, -1, 0.002, 1, 5000, 900, VERDICT_CRITICAL},
		{0.0200, 0.11, NAN, -1, 0.002, 1, 5000, 900, NO}, /* a P was idle */
		{0.0200, NAN, NAN, -1, 0.002, 1, 5000, 900, NO},
		{0.0200, 0, 0.009, 2, 0.002, 1, 5000, 900, VERDICT_CRITICAL},
		{0.0200, 0, 0.010, 2, 0.002, 1, 5000, 900, NO},          /* the quota */
		{0.0200, 0, NAN, 2, 0.002, 1, 5000, 900, NO},            /* perhaps the quota */
		{0.0200, 0, NAN, -1, 0.005, 1, 5000, 900, NO},           /* the run queue */
		{0.0200, 0, NAN, -1, NAN, 1, 5000, 0, VERDICT_CRITICAL}, /* nobody waited for a CPU */
		{0.0200, 0, NAN, -1, NAN, 1, 5000, -1, NO},
	};
	struct scene x;
	struct verdict v;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		starved_scene(&x);
		x.c.sched.latency.cnt = rows[i].cnt;
		x.c.sched.latency.p99 = rows[i].p99;
		x.c.sched.idle_p_ratio = rows[i].idle;
		x.c.cpu.ratio = rows[i].throttled;
		x.c.cpu.limit_cpus = rows[i].limit;
		x.c.cpu.runq.cnt = rows[i].runq_cnt;
		x.c.cpu.runq.p99 = rows[i].runq;
		if (severity(rule_p_starved, &x, rows[i].scale, &v) != rows[i].want)
			fail_msg("row %zu: %s", i, v.text);
	}
}

static void p_starved_says(void **state)
{
	struct scene x;
	struct verdict v;

	starved_scene(&x);
	CHECK(rule_p_starved, &x, 1, VERDICT_WARNING);
	has(v.text, "wait for a P, p99 9.0 ms, while nothing holds its threads");
	has(v.advice, "raise GOMAXPROCS (is 4, it may use 32.0 CPUs)");
	has(v.seen, "5000 waits looked at: p50 1.0 ms, p99 9.0 ms, 4 Ps, 0 idle now, 37 goroutines queued now, 412 "
		    "goroutines, run queue p99 2.0 ms.");
	x.p[0].gomaxprocs = 32;
	x.c.sched.diluted = true;
	CHECK(rule_p_starved, &x, 1, VERDICT_WARNING);
	has(v.advice, "give it more CPUs or run more replicas; bound");
	has(v.seen, "before Go 1.26");
	x.c.cpu.limit_cpus = 2;
	x.c.cpu.ratio = 0;
	x.p[0].gomaxprocs = 2;
	CHECK(rule_p_starved, &x, 1, VERDICT_WARNING);
	has(v.advice, "give it more CPU (limit) and as many Ps");
}

/* ---- goroutines ---- */

static void hub_scene(struct scene *x)
{
	struct snapshot_group *g;

	quiet_scene(x);
	x->c.sched.group_cnt = 2;
	g = &x->c.sched.groups[1];
	g->pid = 77;
	g->state = GOROUTINE_WAITING;
	g->cnt = 1204;
	g->per_minute = 96;
	g->oldest_seconds = 753;
	g->growth_ratio = 4.8;
	g->known_seconds = 600;
	g->oldest_grows = true;
	strcpy(g->reason, "chan receive");
	strcpy(g->created, "cart.(*Hub).Subscribe");
	strcpy(g->created_at, "hub.go:88");
	strcpy(g->blocked, "cart.(*Hub).loop");
	strcpy(g->blocked_at, "hub.go:131");
	g = &x->c.sched.groups[0]; /* a pool that does not grow */
	*g = x->c.sched.groups[1];
	g->cnt = 5000;
	g->growth_ratio = 1;
	g->per_minute = 0;
	strcpy(g->created, "main.startWorkers");
}

static void leak_thresholds(void **state)
{
	static const struct {
		int64_t cnt;
		double growth, known, scale;
		bool grows;
		uint32_t group_state;
		int want;
	} rows[] = {
		{100, 2.0, 180, 1, true, GOROUTINE_WAITING, VERDICT_WARNING},
		{99, 2.0, 180, 1, true, GOROUTINE_WAITING, NO},
		{100, 1.9, 180, 1, true, GOROUTINE_WAITING, NO},
		{100, 2.0, 179, 1, true, GOROUTINE_WAITING, NO},
		{100, 2.0, 180, 1, false, GOROUTINE_WAITING, NO}, /* they come and go: load */
		{100, NAN, 180, 1, true, GOROUTINE_WAITING, NO},
		{100, 2.0, NAN, 1, true, GOROUTINE_WAITING, NO},
		{71, 1.71, 180, 0.7, true, GOROUTINE_WAITING, VERDICT_WARNING},
		{71, 1.69, 180, 0.7, true, GOROUTINE_WAITING, NO},
		{1, NAN, NAN, 1, false, GOROUTINE_LEAKED, VERDICT_WARNING}, /* the runtime knows */
	};
	struct scene x;
	struct verdict v;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct snapshot_group *g = &x.c.sched.groups[1];

		hub_scene(&x);
		g->cnt = rows[i].cnt;
		g->growth_ratio = rows[i].growth;
		g->known_seconds = rows[i].known;
		g->oldest_grows = rows[i].grows;
		g->state = rows[i].group_state;
		if (severity(rule_goroutine_leak, &x, rows[i].scale, &v) != rows[i].want)
			fail_msg("row %zu: %s", i, v.text);
	}
	quiet_scene(&x);
	CHECK(rule_goroutine_leak, &x, 1, NO);
}

static void leak_says(void **state)
{
	struct scene x;
	struct verdict v;

	hub_scene(&x);
	CHECK(rule_goroutine_leak, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.text, "Goroutines created by cart.(*Hub).Subscribe hub.go:88 grew 4.8-fold in 10 min to "
				    "1204, and the oldest never gets on.");
	has(v.advice, "cart.(*Hub).loop waits for chan receive and needs a way out");
	has(v.advice, "gopherscope goroutines 77 --stacks");
	has(v.seen,
	    "1204 goroutines of pid 77 waiting: chan receive, at cart.(*Hub).loop hub.go:131, the oldest for 12m33s, "
	    "+96.0 a minute.");
	x.c.sched.groups[1].state = GOROUTINE_LEAKED;
	CHECK(rule_goroutine_leak, &x, 1, VERDICT_WARNING);
	has(v.text, "The runtime found 1204 goroutines that nothing can ever wake");
}

static void blocked_thresholds(void **state)
{
	static const struct {
		const char *reason;
		int64_t cnt;
		double oldest, scale;
		uint32_t group_state;
		int want;
	} rows[] = {
		{"sync.Mutex.Lock", 50, 1.0, 1, GOROUTINE_WAITING, VERDICT_WARNING},
		{"sync.Mutex.Lock", 49, 1.0, 1, GOROUTINE_WAITING, NO},
		{"sync.Mutex.Lock", 50, 0.9, 1, GOROUTINE_WAITING, NO},
		{"sync.Mutex.Lock", 50, NAN, 1, GOROUTINE_WAITING, NO},
		{"sync.Mutex.Lock", 50, 10, 1, GOROUTINE_WAITING, VERDICT_CRITICAL},
		{"sync.Mutex.Lock", 36, 0.71, 0.7, GOROUTINE_WAITING, VERDICT_WARNING},
		{"sync.RWMutex.RLock", 50, 1.0, 1, GOROUTINE_WAITING, VERDICT_WARNING},
		{"sync.RWMutex.Lock", 50, 1.0, 1, GOROUTINE_WAITING, VERDICT_WARNING},
		{"semacquire", 50, 1.0, 1, GOROUTINE_WAITING, NO}, /* of 1.24: a WaitGroup */
		{"select", 5000, 100, 1, GOROUTINE_WAITING, NO},
		{"sync.WaitGroup.Wait", 5000, 100, 1, GOROUTINE_WAITING, NO},
		{"sync.Mutex.Lock", 50, 1.0, 1, GOROUTINE_RUNNABLE, NO},
	};
	struct scene x;
	struct verdict v;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct snapshot_group *g = &x.c.sched.groups[1];

		hub_scene(&x);
		strcpy(g->reason, rows[i].reason);
		g->cnt = rows[i].cnt;
		g->oldest_seconds = rows[i].oldest;
		g->state = rows[i].group_state;
		if (severity(rule_goroutine_blocked, &x, rows[i].scale, &v) != rows[i].want)
			fail_msg("row %zu: %s", i, v.text);
	}
}

static void blocked_says(void **state)
{
	struct scene x;
	struct verdict v;

	hub_scene(&x);
	strcpy(x.c.sched.groups[1].reason, "sync.Mutex.Lock");
	x.c.sched.groups[1].cnt = 312;
	x.c.sched.groups[1].oldest_seconds = 14.2;
	CHECK(rule_goroutine_blocked, &x, 1, VERDICT_CRITICAL);
	assert_string_equal(v.text,
			    "312 goroutines wait for a lock, the oldest for 14 s, at cart.(*Hub).loop hub.go:131.");
	has(v.advice, "gopherscope goroutines 77 --stacks");
	x.c.sched.groups[1].blocked[0] = x.c.sched.groups[1].blocked_at[0] = '\0';
	CHECK(rule_goroutine_blocked, &x, 1, VERDICT_CRITICAL);
	has(v.text, "at an unknown function.");
}

/* Of one place, by two that created them; and what the word of Go 1.19 says. */
static void blocked_together(void **state)
{
	struct scene x;
	struct snapshot_group *g = x.c.sched.groups;
	struct verdict v;

	hub_scene(&x);
	strcpy(g[1].reason, "sync.Mutex.Lock");
	g[1].cnt = 30;
	g[1].oldest_seconds = NAN;
	g[2] = g[1];
	strcpy(g[2].created, "cart.(*Hub).Other");
	g[2].cnt = 20;
	g[2].oldest_seconds = 2;
	x.c.sched.group_cnt = 3;
	CHECK(rule_goroutine_blocked, &x, 1, VERDICT_WARNING);
	has(v.text, "50 goroutines wait for a lock, the oldest for 2.0 s, at cart.(*Hub).loop");
	strcpy(g[2].blocked_at, "hub.go:132");
	CHECK(rule_goroutine_blocked, &x, 1, NO);
	strcpy(g[2].blocked_at, g[1].blocked_at);
	g[2].pid++;
	CHECK(rule_goroutine_blocked, &x, 1, NO);

	strcpy(g[1].reason, "semacquire");
	g[1].cnt = 60;
	g[1].oldest_seconds = 2;
	g[1].pid = x.p[0].pid;
	CHECK(rule_goroutine_blocked, &x, 1, NO);
	strcpy(x.p[0].go_version, "go1.19.13");
	CHECK(rule_goroutine_blocked, &x, 1, VERDICT_WARNING);
	has(v.text, "wait for a lock (or a sync.WaitGroup: alike before Go 1.20)");
	strcpy(x.p[0].go_version, "devel");
	CHECK(rule_goroutine_blocked, &x, 1, NO);
}

/* ---- together ---- */

static void apply(struct scene *x)
{
	struct verdicts *v;

	assert_int_equal(verdicts_new(1, &v), 0);
	x->s.containers = &x->c;
	x->s.container_cnt = 1;
	verdicts_apply(v, &x->s);
	verdicts_free(v);
}

static bool shown(const struct scene *x, const char *id)
{
	for (int i = 0; i < x->c.verdict_cnt; i++)
		if (!strcmp(x->c.verdicts[i].id, id))
			return true;
	return false;
}

static void told_by_their_cause(void **state)
{
	struct scene x;

	search_scene(&x);
	apply(&x);
	assert_true(shown(&x, "gc-cpu"));
	x.c.cpu.intervals = 100;
	x.c.cpu.ratio = 0.3;
	x.c.cpu.limit_cpus = 2;
	apply(&x); /* the collector burned the quota: one verdict */
	assert_true(shown(&x, "throttled"));
	assert_false(shown(&x, "gc-cpu"));
	x.c.gc.cpu_ratio = 0.2; /* not the culprit of the throttling, but above its own threshold for a minute */
	apply(&x);
	assert_true(shown(&x, "throttled") && shown(&x, "gc-cpu"));

	cart_scene(&x);
	x.c.memory.working_set_bytes = 100 * MIB;
	x.p[0].memory_limit_bytes = 120 * MIB; /* also too near the limit of 128M */
	apply(&x);
	assert_true(shown(&x, "mem-limit-gc"));
	assert_false(shown(&x, "gomemlimit") || shown(&x, "gc-cpu"));
	x.c.gc.cpu_ratio = 0.01;
	apply(&x);
	assert_true(shown(&x, "gomemlimit"));
}

/* Throttled for a heap at GOMEMLIMIT: no GOGC in the advice. */
static void throttled_by_limit(void **state)
{
	struct scene x;
	struct verdict v;

	cart_scene(&x);
	x.c.cpu.intervals = 100;
	x.c.cpu.ratio = 0.3;
	x.c.cpu.limit_cpus = 2;
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_string_equal(v.culprit, "gc");
	has(v.advice, "raise the memory limit, and GOMEMLIMIT with it");
	assert_null(strstr(v.advice, "GOGC"));
}

/* Memory is short, and the collector works for it: one verdict, which does not lower GOMEMLIMIT; two where the
 * collector is the graver side. */
static void shortage(void **state)
{
	struct scene x;

	cart_scene(&x);
	x.c.memory.working_set_bytes = 118 * MIB; /* 92 % */
	x.p[0].memory_limit_bytes = 120 * MIB;
	apply(&x);
	assert_true(shown(&x, "oom-risk"));
	assert_false(shown(&x, "mem-limit-gc") || shown(&x, "gomemlimit"));
	has(x.c.verdicts[0].also, "collects all the time to stay below GOMEMLIMIT 100M, with 31% of its CPU.");
	assert_null(strstr(x.c.verdicts[0].advice, "GOMEMLIMIT"));
	x.c.gc.cpu_ratio = 0.45;
	apply(&x);
	assert_string_equal(x.c.verdicts[0].id, "mem-limit-gc");
	assert_string_equal(x.c.verdicts[1].id, "oom-risk");
	x.c.memory.working_set_bytes = 122 * MIB; /* 95 % */
	apply(&x);
	assert_string_equal(x.c.verdicts[0].id, "oom-risk");
	assert_false(shown(&x, "mem-limit-gc"));
}

/* Which delay a row is ordered by, and what the sentence without a verdict names. */
static void longest_delay(void **state)
{
	struct scene x;
	struct snapshot_container *c = &x.c;

	quiet_scene(&x);
	c->sched.on = true;
	c->sched.latency = (struct dist){.cnt = 100, .p99 = 0.9};
	assert_string_equal(delay_longest(c).column, "GOSCH");
	assert_true(delay_longest(c).seconds == 0.9);
	c->sched.on = false;
	assert_true(!delay_longest(c).column || strcmp(delay_longest(c).column, "GOSCH"));
	c->gc.on = false;
	c->gc.passive = true;
	c->gc.pause = (struct dist){.cnt = 3, .max = 0.8};
	assert_string_equal(delay_longest(c).column, "STW");
	c->gc.passive = false;
	assert_true(!delay_longest(c).column || strcmp(delay_longest(c).column, "STW"));
}

/* More rules than a snapshot has places: the graver ones stay. */
static void more_than_fit(void **state)
{
	int cnt = 0;

	for (const struct rule *r = rules; r->id; r++)
		cnt++;
	assert_in_range(cnt, VERDICTS_MAX + 1, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gc_cpu_thresholds), cmocka_unit_test(gc_cpu_says),
		cmocka_unit_test(gogc_shares),       cmocka_unit_test(mem_limit_gc_thresholds),
		cmocka_unit_test(mem_limit_gc_says), cmocka_unit_test(p_starved_thresholds),
		cmocka_unit_test(p_starved_says),    cmocka_unit_test(leak_thresholds),
		cmocka_unit_test(leak_says),         cmocka_unit_test(blocked_thresholds),
		cmocka_unit_test(blocked_says),      cmocka_unit_test(told_by_their_cause),
		cmocka_unit_test(more_than_fit),     cmocka_unit_test(bound_by_limit),
		cmocka_unit_test(blocked_together),  cmocka_unit_test(throttled_by_limit),
		cmocka_unit_test(shortage),          cmocka_unit_test(longest_delay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
