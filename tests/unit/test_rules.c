/* SPDX-License-Identifier: BSD-2-Clause */
/* Each rule: pairs of situations that differ in one number, one fires and one stays quiet; texts, computed numbers,
 * what is unknown. The situation is that of the screens: checkout-api, limit 2 on 32 CPUs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "diagnose/words.h"
#include "rule_scene.h"

static struct dist lengths(int64_t cnt, double max)
{
	return (struct dist){
		.cnt = cnt, .sum = 4, .min = max / 2, .p50 = max / 1.5, .p90 = max, .p99 = max, .max = max};
}

static void checkout_scene(struct scene *x)
{
	struct snapshot_container *c = &x->c;

	quiet_scene(x);
	x->p[0].pid = 48213;
	x->p[0].gomaxprocs = 32;
	x->p[0].memory_limit_bytes = -1;
	strcpy(x->p[0].go_version, "go1.22.5");
	c->seen_ns = 10000000000ull;
	c->cpu.limit_cpus = 2;
	c->cpu.period_ns = 100000000;
	c->cpu.usage_seconds = 19.8;
	c->cpu.usage_cpus = 1.98;
	c->cpu.intervals = 620;
	c->cpu.ratio = 0.41;
	c->cpu.union_seconds = 4.1;
	c->cpu.cpu_seconds = 60;
	c->cpu.missed_seconds = 0;
	c->cpu.length = lengths(620, 0.0944);
	c->cpu.nr_periods = 100;
	c->cpu.nr_throttled = 62;
	c->gc.cpu_ratio = 0.62;
	c->gc.mark_wall_ratio = 0.5;
	c->gc.cycles = 142;
	c->gc.gogc = 100;
	c->gc.heap_live_bytes = 38 * MIB;
	c->gc.heap_goal_bytes = 76 * MIB;
	c->gc.mapped_ready_bytes = 100 * MIB;
	c->gc.memory_limit_bytes = -1;
	c->gc.long_pauses = c->gc.long_pauses_throttled = 3;
	c->gc.long_pause_throttled_max = 0.0714;
	c->memory.limit_bytes = 512 * MIB;
	c->memory.working_set_bytes = 174 * MIB;
	c->memory.peak_bytes = 180 * MIB;
}

/* ---- throttled ---- */

static void throttled_text(void **state)
{
	struct scene x;
	struct verdict v;

	checkout_scene(&x);
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_string_equal(v.culprit, "gc");
	assert_string_equal(v.text,
			    "Held by its CPU limit 41% of the time, up to 94 ms at once; 62% of the CPU it burned was "
			    "garbage collection.");
	assert_string_equal(v.advice,
			    "set GOMAXPROCS=2 (is 32: 32 threads empty the 200 ms quota in 6.3 ms); GOGC=400 cuts "
			    "14.2 cycles/s to about 3.5; GC would then take about 29% of its CPU.");
	assert_string_equal(v.seen,
			    "limit 2.0, 62 of 100 periods throttled, GC 12.3 of 19.8 cpu-s, heap live 38M goal 76M, "
			    "memory limit 512M. Stop-the-world 71 ms follows from it (3 of 3 pauses of 10 ms or more "
			    "overlap a throttle).");
	assert_string_equal(v.evidence[0].name, "throttle_ratio");
	assert_true(v.evidence[0].value == 0.41 && v.evidence[0].threshold == 0.25);
	assert_true(v.evidence_cnt >= 6);
}

static void throttled_thresholds(void **state)
{
	static const struct {
		double ratio, scale;
		int want;
	} rows[] = {
		{0, 1, NO},
		{0.0499, 1, NO},
		{0.05, 1, VERDICT_WARNING},
		{0.2499, 1, VERDICT_WARNING},
		{0.25, 1, VERDICT_CRITICAL},
		{1, 1, VERDICT_CRITICAL},
		{0.034, 0.7, NO},
		{0.036, 0.7, VERDICT_WARNING},
		{0.176, 0.7, VERDICT_CRITICAL},
		{NAN, 1, NO},
		{NAN, 0.7, NO},
	};
	struct scene x;
	struct verdict v;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		checkout_scene(&x);
		x.c.cpu.ratio = rows[i].ratio;
		CHECK(rule_throttled, &x, rows[i].scale, rows[i].want);
	}
	checkout_scene(&x);
	x.c.cpu.intervals = STAT_UNKNOWN; /* the signal is off */
	CHECK(rule_throttled, &x, 1, NO);
}

static void throttled_culprit(void **state)
{
	struct scene x;
	struct verdict v;

	checkout_scene(&x);
	x.c.gc.cpu_ratio = 0.30;
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_string_equal(v.culprit, "gc");

	x.c.gc.cpu_ratio = 0.29;
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_string_equal(v.culprit, "gomaxprocs");
	assert_string_equal(
		v.text,
		"Held by its CPU limit 41% of the time, up to 94 ms at once; GOMAXPROCS is 32 where the limit is 2.0.");
	assert_string_equal(v.advice,
			    "set GOMAXPROCS=2 (is 32: 32 threads empty the 200 ms quota in 6.3 ms), or build with Go "
			    "1.25 or newer and that in go.mod: then Go follows the limit by itself.");
	assert_non_null(strstr(v.seen, "limit 2.0, 62 of 100 periods throttled, GC 5.7 of 19.8 cpu-s. Stop"));

	x.p[0].gomaxprocs = 2;
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_string_equal(v.culprit, "");
	assert_string_equal(v.text, "Held by its CPU limit 41% of the time, up to 94 ms at once.");

	x.p[0].gomaxprocs = STAT_UNKNOWN;
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_string_equal(v.culprit, "");
}

static void throttled_gc_share_unknown(void **state)
{
	struct scene x;
	struct verdict v;

	checkout_scene(&x);
	x.c.gc.cpu_ratio = NAN;
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_string_equal(v.culprit, "gc");
	assert_non_null(strstr(v.text, "; it was marking garbage 50% of the time (the CPU that took is unknown)."));
	assert_null(strstr(v.seen, "GC "));
	assert_non_null(strstr(v.seen, "19.8 cpu-s used"));

	x.c.gc.mark_wall_ratio = 0.49;
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_string_equal(v.culprit, "gomaxprocs");

	x.c.gc.mark_wall_ratio = NAN;
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_string_equal(v.culprit, "gomaxprocs");

	x.c.gc.cpu_ratio = 0.31;
	x.c.gc.cpu_estimated = true;
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_non_null(strstr(v.text, "; about 31% of the CPU it burned was garbage collection."));
	assert_non_null(strstr(v.seen, "GC ~6.1 of 19.8 cpu-s"));
}

static void throttled_raise_limit(void **state)
{
	struct scene x;
	struct verdict v;

	checkout_scene(&x);
	x.p[0].gomaxprocs = 2;
	x.c.gc.cpu_ratio = 0.1;
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL); /* 1.98 / 0.59 = 3.36 */
	assert_string_equal(v.advice,
			    "raise the CPU limit to about 3.4 (it used 1.98 CPUs and ran free 59% of the time; less "
			    "may do if work only piled up).");

	x.c.cpu.ratio = 0.99; /* would be 198: no more than the node has */
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_non_null(strstr(v.advice, "to about 32.0 (it used"));
	x.c.cpu.ratio = 1;
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_non_null(strstr(v.advice, "to about 32.0 (it used"));

	x.c.cpu.ratio = 0.06;
	x.c.cpu.usage_cpus = 0.4;
	CHECK(rule_throttled, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.advice,
			    "it uses 0.4 CPUs on average but comes in bursts: bound its parallel work, or raise the "
			    "CPU limit.");

	x.c.cpu.usage_cpus = NAN;
	CHECK(rule_throttled, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.advice, "raise the CPU limit (by how much is unknown: no reading of its CPU use).");
	x.c.cpu.usage_cpus = 1;
	x.c.cpu.limit_cpus = NAN;
	CHECK(rule_throttled, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.advice, "raise the CPU limit (by how much is unknown: no reading of the limit).");
	assert_int_equal(strncmp(v.seen, "62 of 100", 9), 0);
}

static void throttled_gogc(void **state)
{
	static const struct {
		int64_t gogc, live, goal, limit, working_set, gomemlimit;
		const char *want; /* part of the advice; NULL: no GOGC in it */
	} rows[] = {
		{100, 38, 76, 512, 174, -1,
		 "; GOGC=400 cuts 14.2 cycles/s to about 3.5; GC would then take about 29% of its CPU."},
		{50, 38, 57, 512, 174, -1, "; GOGC=200 cuts"},
		{100, 100, 200, 512, 240, -1, "; GOGC=250 cuts"}, /* 0.8 * 512 - 40 = 369.6: 269 % */
		{100, 150, 300, 512, 310, -1, "; GOGC=160 cuts"}, /* 399.6: 166 % */
		{100, 200, 400, 512, 410, -1, NULL},              /* no room: 99 % */
		{100, 38, 76, 512, 174, 100, "; GOGC=110" /* below */},
		{100, 38, 76, -1, 174, -1,
		 "; GOGC=400 cuts 14.2 cycles/s to about 3.5, for a heap goal of 190M; GC would "
		 "then take about 29% of its CPU."},
		{-1, 38, 76, 512, 174, -1, NULL}, /* GC by memory limit only */
		{STAT_UNKNOWN, 38, 76, 512, 174, -1, NULL},
		{100, STAT_UNKNOWN, 76, 512, 174, -1, NULL},
		{100, 38, STAT_UNKNOWN, 512, 174, -1, NULL},
		{100, 38, 76, STAT_UNKNOWN, 174, -1, NULL},
		{100, 38, 76, 512, STAT_UNKNOWN, -1, NULL},
		{100, 0, 4, 512, 20, -1, NULL},
	};
	struct scene x;
	struct verdict v;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
#define BYTES(n) ((n) == STAT_UNKNOWN || (n) < 0 ? (n) : (n)*MIB)
		checkout_scene(&x);
		x.c.gc.gogc = rows[i].gogc;
		x.c.gc.heap_live_bytes = BYTES(rows[i].live);
		x.c.gc.heap_goal_bytes = BYTES(rows[i].goal);
		x.c.gc.memory_limit_bytes = BYTES(rows[i].gomemlimit);
		x.c.memory.limit_bytes = BYTES(rows[i].limit);
		x.c.memory.working_set_bytes = BYTES(rows[i].working_set);
		CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
		assert_string_equal(v.culprit, "gc");
		if (rows[i].gomemlimit > 0) /* 80 of 100 MiB: 110 % is less than one and a half of the present 100 % */
			assert_null(strstr(v.advice, "GOGC="));
		else if (rows[i].want ? !strstr(v.advice, rows[i].want) : strstr(v.advice, "GOGC=") != NULL)
			fail_msg("row %zu: %s", i, v.advice);
	}

	/* nothing to set: say what is left */
	checkout_scene(&x);
	x.p[0].gomaxprocs = 2;
	x.c.gc.gogc = -1;
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_int_equal(strncmp(v.advice,
				 "allocate less (no higher GOGC surely fits its memory); raise the CPU limit to about "
				 "3.4 (",
				 85),
			 0);
}

static void throttled_unknowns(void **state)
{
	struct scene x;
	struct verdict v;

	quiet_scene(&x); /* nothing is known but the throttling */
	x.c.cpu.intervals = 4;
	x.c.cpu.ratio = 0.08;
	CHECK(rule_throttled, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.culprit, "");
	assert_string_equal(v.text, "Held by its CPU limit 8.0% of the time.");
	assert_string_equal(v.advice, "raise the CPU limit (by how much is unknown: no reading of its CPU use).");
	assert_string_equal(v.seen, "4 throttle intervals.");
	assert_int_equal(v.evidence_cnt, 1);

	x.c.process_cnt = 0;
	CHECK(rule_throttled, &x, 1, VERDICT_WARNING);
}

static void throttled_pauses_and_missed(void **state)
{
	struct scene x;
	struct verdict v;

	checkout_scene(&x);
	x.c.gc.long_pauses = 9;
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_non_null(strstr(v.seen, "Stop-the-world 71 ms may follow from it (3 of 9 pauses"));
	x.c.gc.long_pauses_throttled = 0;
	x.c.gc.long_pause_throttled_max = 0;
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_null(strstr(v.seen, "Stop-the-world"));

	x.c.cpu.missed_seconds = 12;
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_non_null(strstr(v.seen, ", 12 s more without its times."));
	x.c.cpu.missed_seconds = -12;
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
	assert_null(strstr(v.seen, "without"));
}

/* ---- gomaxprocs ---- */

static void gomaxprocs_condition(void **state)
{
	static const struct {
		int64_t procs;
		double limit, ratio, scale;
		bool env, aware;
		int want;
	} rows[] = {
		{32, 4, 0, 1, false, false, VERDICT_ADVICE},
		{5, 4, 0, 1, false, false, VERDICT_ADVICE},
		{4, 4, 0, 1, false, false, NO},
		{3, 2.5, 0, 1, false, false, NO}, /* up to ceil(limit) */
		{4, 2.5, 0, 1, false, false, VERDICT_ADVICE},
		{1, 0.2, 0, 1, false, false, NO},
		{2, 0.2, 0, 1, false, false, VERDICT_ADVICE},
		{32, 4, 0.0099, 1, false, false, VERDICT_ADVICE},
		{32, 4, 0.01, 1, false, false, VERDICT_WARNING},
		{32, 4, 0.008, 0.7, false, false, VERDICT_WARNING},
		{4, 4, 0.008, 0.7, false, false, NO}, /* a setting has no hysteresis */
		{32, 4, NAN, 1, false, false, VERDICT_ADVICE},
		/* Go 1.25's own choice is at least 2 */
		{2, 0.2, 0.5, 1, false, true, NO},
		{2, 0.2, 0.5, 1, true, false, VERDICT_WARNING},
		{3, 0.2, 0.5, 1, false, true, VERDICT_WARNING},
		/* unknown or none */
		{STAT_UNKNOWN, 4, 0, 1, false, false, NO},
		{32, -1, 0, 1, false, false, NO},
		{32, NAN, 0, 1, false, false, NO},
		{32, 0, 0, 1, false, false, NO},
	};
	struct scene x;
	struct verdict v;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		quiet_scene(&x);
		x.p[0].gomaxprocs = rows[i].procs;
		x.p[0].gomaxprocs_env = rows[i].env;
		x.p[0].go_container_aware = rows[i].aware;
		x.c.cpu.limit_cpus = rows[i].limit;
		x.c.cpu.ratio = rows[i].ratio;
		if (severity(rule_gomaxprocs, &x, rows[i].scale, &v) != rows[i].want)
			fail_msg("row %zu: %s", i, v.text);
	}
	quiet_scene(&x);
	x.c.cpu.limit_cpus = 4;
	x.c.process_cnt = 0;
	CHECK(rule_gomaxprocs, &x, 1, NO);
}

static void gomaxprocs_text(void **state)
{
	struct scene x;
	struct verdict v;

	quiet_scene(&x);
	x.c.cpu.limit_cpus = 4;
	x.c.cpu.period_ns = 100000000;
	x.c.cpu.ratio = 0;
	x.p[0].pid = 7;
	x.p[0].gomaxprocs = 32;
	strcpy(x.p[0].go_version, "go1.24.3");
	CHECK(rule_gomaxprocs, &x, 1, VERDICT_ADVICE);
	assert_string_equal(v.text, "GOMAXPROCS is 32 (default: the node has 32 CPUs), its CPU limit is 4.0.");
	assert_string_equal(v.advice,
			    "set GOMAXPROCS=4 (is 32: 32 threads empty the 400 ms quota in 13 ms), or build with Go "
			    "1.25 or newer and that in go.mod: then Go follows the limit by itself.");
	assert_string_equal(v.seen, "limit 4.0, GOMAXPROCS 32 in pid 7 (go1.24.3), throttled 0% of the time.");
	assert_string_equal(v.culprit, "");

	strcpy(x.p[0].go_version, "go1.26.1"); /* new, but not aware: go.mod */
	CHECK(rule_gomaxprocs, &x, 1, VERDICT_ADVICE);
	assert_non_null(strstr(v.advice, "), or say go 1.25 or newer in go.mod: then Go follows"));
	strcpy(x.p[0].go_version, "devel +3f2a");
	CHECK(rule_gomaxprocs, &x, 1, VERDICT_ADVICE);
	assert_non_null(strstr(v.advice, "in 13 ms)."));

	x.s.node_cpus = 2; /* no version goes below 2 by itself */
	x.p[0].gomaxprocs = 2;
	x.c.cpu.limit_cpus = 0.5;
	strcpy(x.p[0].go_version, "go1.26.1");
	CHECK(rule_gomaxprocs, &x, 1, VERDICT_ADVICE);
	assert_string_equal(v.advice, "set GOMAXPROCS=1 (is 2: 2 threads empty the 50 ms quota in 25 ms).");
	x.s.node_cpus = 32;
	x.c.cpu.limit_cpus = 4;

	x.p[0].gomaxprocs = 16; /* not the node's CPUs: the program sets it, and no version would change that */
	strcpy(x.p[0].go_version, "go1.26.1");
	CHECK(rule_gomaxprocs, &x, 1, VERDICT_ADVICE);
	assert_string_equal(v.advice, "set GOMAXPROCS=4 (is 16: 16 threads empty the 400 ms quota in 25 ms).");
	x.p[0].gomaxprocs = 32;

	x.p[0].gomaxprocs_env = true;
	CHECK(rule_gomaxprocs, &x, 1, VERDICT_ADVICE);
	assert_string_equal(v.text, "GOMAXPROCS is 32 (set by its environment), its CPU limit is 4.0.");
	assert_non_null(strstr(v.advice, "in 13 ms)."));

	x.p[0].gomaxprocs_env = false;
	x.p[0].go_container_aware = true;
	CHECK(rule_gomaxprocs, &x, 1, VERDICT_ADVICE);
	assert_non_null(strstr(v.text, "(though Go 1.25 and newer follow the limit of their own cgroup: "));
	assert_true(strlen(v.text) + 1 < sizeof(v.text)); /* not cut */

	x.p[0].go_container_aware = false;
	x.p[0].gomaxprocs = 64; /* more than the node can run at once */
	CHECK(rule_gomaxprocs, &x, 1, VERDICT_ADVICE);
	assert_non_null(strstr(v.text, "set by the program or its CPU affinity"));
	assert_non_null(strstr(v.advice, "(is 64: 32 threads empty"));

	x.c.cpu.period_ns = 0; /* quota unknown */
	x.c.cpu.ratio = NAN;
	CHECK(rule_gomaxprocs, &x, 1, VERDICT_ADVICE);
	assert_non_null(strstr(v.advice, "set GOMAXPROCS=4 (is 64)"));
	assert_null(strstr(v.seen, "throttled"));
}

static void gomaxprocs_of_several(void **state)
{
	struct scene x;
	struct verdict v;

	quiet_scene(&x);
	x.c.cpu.limit_cpus = 2;
	x.c.process_cnt = 2;
	x.p[0].gomaxprocs = 2;
	x.p[1].gomaxprocs = 8;
	x.p[1].pid = 99;
	CHECK(rule_gomaxprocs, &x, 1, VERDICT_ADVICE);
	assert_non_null(strstr(v.seen, "GOMAXPROCS 8 in pid 99"));
}

/* ---- gomemlimit ---- */

static void memory_scene(struct scene *x, int64_t gomemlimit, int64_t peak, int64_t working_set, int64_t ready)
{
	quiet_scene(x);
	x->c.memory.limit_bytes = 512 * MIB;
	x->c.memory.peak_bytes = BYTES(peak);
	x->c.memory.working_set_bytes = BYTES(working_set);
	x->c.gc.mapped_ready_bytes = BYTES(ready);
	x->c.gc.heap_live_bytes = 100 * MIB;
	x->p[0].memory_limit_bytes = BYTES(gomemlimit);
}

static void gomemlimit_condition(void **state)
{
	static const int64_t u = STAT_UNKNOWN;
	const struct {
		int64_t gomemlimit, peak, working_set, ready;
		double scale;
		int want;
	} rows[] = {
		{-1, 409, 200, 180, 1, NO},
		{-1, 410, 200, 180, 1, VERDICT_ADVICE},
		{-1, 287, 200, 180, 0.7, VERDICT_ADVICE},
		{-1, 286, 200, 180, 0.7, NO},
		{-1, u, 410, 180, 1, VERDICT_ADVICE}, /* no peak: the working set */
		{-1, u, 409, 180, 1, NO},
		{-1, 300, 410, 180, 1, NO}, /* the peak is what counts where it is known */
		{-1, u, u, 180, 1, NO},
		{u, 500, 500, 180, 1, NO},
		/* 512 - 20: 90 % is 442.8 */
		{443, 100, 200, 180, 1, VERDICT_ADVICE},
		{442, 500, 200, 180, 1, NO},
		{442, 500, 200, 180, 0.7, VERDICT_ADVICE},
		{389, 500, 200, 180, 0.7, NO}, /* as advised: clears */
		{443, 100, u, 180, 1, NO},     /* non-Go unknown: only what is certain */
		{461, 100, 200, u, 1, VERDICT_ADVICE},
		{460, 100, 200, u, 1, NO},
		{470, 100, 180, 200, 1, VERDICT_ADVICE}, /* ready memory that is not resident: none of it is other */
	};
	struct scene x;
	struct verdict v;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		memory_scene(&x, rows[i].gomemlimit, rows[i].peak, rows[i].working_set, rows[i].ready);
		if (severity(rule_gomemlimit, &x, rows[i].scale, &v) != rows[i].want)
			fail_msg("row %zu: %s", i, v.text);
		x.c.memory.limit_bytes = -1;
		CHECK(rule_gomemlimit, &x, 1, NO);
		x.c.memory.limit_bytes = STAT_UNKNOWN;
		CHECK(rule_gomemlimit, &x, 1, NO);
	}
	memory_scene(&x, -1, 500, 500, 180);
	x.c.process_cnt = 0;
	CHECK(rule_gomemlimit, &x, 1, NO);
}

static void gomemlimit_text(void **state)
{
	struct scene x;
	struct verdict v;

	memory_scene(&x, -1, 466, 200, 180);
	CHECK(rule_gomemlimit, &x, 1, VERDICT_ADVICE);
	assert_string_equal(v.text,
			    "No GOMEMLIMIT, and its memory peaked at 91% of the 512M limit: the heap grows without "
			    "regard to it.");
	assert_string_equal(v.advice, "set GOMEMLIMIT=389MiB (80% of the 512M limit, less 20M that is not Go's).");
	assert_string_equal(v.seen,
			    "peak 466M, working set 200M, memory limit 512M, GOMEMLIMIT none, heap live 100M, not Go's "
			    "20M.");

	memory_scene(&x, -1, STAT_UNKNOWN, 450, STAT_UNKNOWN);
	CHECK(rule_gomemlimit, &x, 1, VERDICT_ADVICE);
	assert_non_null(strstr(v.text, "its memory is at 88% of the"));
	assert_string_equal(v.advice,
			    "set GOMEMLIMIT=409MiB (80% of the 512M limit; less what is not Go's, which is unknown).");

	memory_scene(&x, 500, 300, 200, 180);
	CHECK(rule_gomemlimit, &x, 1, VERDICT_ADVICE);
	assert_string_equal(v.text,
			    "GOMEMLIMIT 500M comes into force too late: the memory limit is 512M, of which 20M are not "
			    "Go's.");
	assert_non_null(strstr(v.advice, "set GOMEMLIMIT=389MiB"));

	memory_scene(&x, -1, 466, 200, 180); /* no sensible limit fits: say so instead */
	x.c.gc.heap_live_bytes = 400 * MIB;
	CHECK(rule_gomemlimit, &x, 1, VERDICT_ADVICE);
	assert_string_equal(v.advice,
			    "raise the memory limit to about 650M, then set GOMEMLIMIT to 80% of it less the 20M "
			    "that is not Go's (live heap 400M does not fit now).");
}

static void gomemlimit_of_several(void **state)
{
	struct scene x;
	struct verdict v;

	memory_scene(&x, 400, 500, 200, 180);
	x.c.process_cnt = 2;
	x.p[1].memory_limit_bytes = -1;
	CHECK(rule_gomemlimit, &x, 1, VERDICT_ADVICE);
	assert_non_null(strstr(v.advice, ", shared by its 2 Go processes."));
	assert_non_null(strstr(v.seen, "GOMEMLIMIT 400M (none in 1 of 2 processes)"));
	x.p[1].memory_limit_bytes = 100 * MIB; /* together above */
	CHECK(rule_gomemlimit, &x, 1, VERDICT_ADVICE);
	x.p[1].memory_limit_bytes = 10 * MIB;
	CHECK(rule_gomemlimit, &x, 1, NO);
	x.p[1].memory_limit_bytes = STAT_UNKNOWN;
	CHECK(rule_gomemlimit, &x, 1, NO);
	x.p[0].memory_limit_bytes = x.p[1].memory_limit_bytes = INT64_MAX; /* the sum must not wrap */
	CHECK(rule_gomemlimit, &x, 1, VERDICT_ADVICE);
}

/* ---- words ---- */

static void words(void **state)
{
	char buf[WORD_SZ], text[12] = "";
	struct verdict v = {0};

	words_cut(buf, 20, "exactly nineteen ch");
	assert_string_equal(buf, "exactly nineteen ch");
	words_cut(buf, 20, "ends after a word, not in it");
	assert_string_equal(buf, "ends after a...");
	words_cut(buf, 20, "one two three, four and more");
	assert_string_equal(buf, "one two three...");
	words_cut(buf, 8, "oneverylongword");
	assert_string_equal(buf, "onev...");
	assert_string_equal(words_duration(0.00625, buf), "6.3 ms");
	assert_string_equal(words_duration(0.0000412, buf), "0.04 ms");
	assert_string_equal(words_duration(0.2, buf), "200 ms");
	assert_string_equal(words_duration(0.9996, buf), "1.0 s");
	assert_string_equal(words_duration(12.3, buf), "12 s");
	assert_string_equal(words_percent(0.41, buf), "41%");
	assert_string_equal(words_percent(0.021, buf), "2.1%");
	assert_string_equal(words_percent(0, buf), "0%");
	assert_string_equal(words_percent(1, buf), "100%");
	assert_string_equal(words_cpus(2, buf), "2.0");
	assert_string_equal(words_cpus(0.25, buf), "0.25");
	assert_string_equal(words_cpus(1.98, buf), "1.98");
	assert_string_equal(words_cpus(12.34, buf), "12.3");
	assert_string_equal(words_bytes(0, buf), "0B");
	assert_string_equal(words_bytes(1288490189, buf), "1.2G");
	assert_string_equal(words_bytes(512 * MIB, buf), "512M");
	assert_string_equal(words_bytes(INT64_MAX, buf), "8.0E");
	assert_string_equal(words_memlimit(410 * MIB - 1, buf), "409MiB");

	words_part(text, sizeof(text), ", ", "%s", "one");
	words_part(text, sizeof(text), ", ", "%s", "two");
	words_part(text, sizeof(text), ", ", "%s", "three");
	assert_string_equal(text, "one, two, t"); /* cut, terminated */
	for (int i = 0; i < EVIDENCE_MAX + 5; i++)
		words_evidence(&v, "n", i, "s", NAN);
	assert_int_equal(v.evidence_cnt, EVIDENCE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(throttled_text),
		cmocka_unit_test(throttled_thresholds),
		cmocka_unit_test(throttled_culprit),
		cmocka_unit_test(throttled_gc_share_unknown),
		cmocka_unit_test(throttled_raise_limit),
		cmocka_unit_test(throttled_gogc),
		cmocka_unit_test(throttled_unknowns),
		cmocka_unit_test(throttled_pauses_and_missed),
		cmocka_unit_test(gomaxprocs_condition),
		cmocka_unit_test(gomaxprocs_text),
		cmocka_unit_test(gomaxprocs_of_several),
		cmocka_unit_test(gomemlimit_condition),
		cmocka_unit_test(gomemlimit_text),
		cmocka_unit_test(gomemlimit_of_several),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
