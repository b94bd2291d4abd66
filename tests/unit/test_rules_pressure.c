/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu-contended and oom-risk: pairs of situations that differ in one number, one fires and one stays quiet; texts,
 * computed numbers, what is unknown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rule_scene.h"

/* ---- cpu-contended ---- */

/* The ledger of the screens: no limit, waits of 25 ms. */
static void ledger_scene(struct scene *x)
{
	struct snapshot_cpu *cpu = &x->c.cpu;

	quiet_scene(x);
	x->s.cpu_busy_ratio = 0.97;
	x->s.steal_ratio = 0.004;
	strcpy(x->p[0].comm, "ledger");
	cpu->limit_cpus = -1;
	cpu->request_cpus = 0.1;
	cpu->usage_cpus = 0.22;
	cpu->runq = (struct dist){812, 0.9, 0.00001, 0.004, 0.018, 0.0246, 0.061};
	cpu->runq_watched_seconds = 1;
	cpu->runq_throttled_seconds = 0;
	cpu->runq_mean_seconds = NAN;
	strcpy(cpu->runq_rival, "batch");
}

static void contended_thresholds(void **state)
{
	static const struct {
		int64_t cnt;
		double p90, p99, mean, scale;
		int want;
	} rows[] = {
		{812, 0, 0.00499, NAN, 1, NO},
		{812, 0, 0.005, NAN, 1, VERDICT_WARNING},
		{812, 0, 0.0199, NAN, 1, VERDICT_WARNING},
		{812, 0, 0.020, NAN, 1, VERDICT_CRITICAL},
		{812, 0, 0.0036, NAN, 0.7, VERDICT_WARNING},
		{812, 0, 0.0034, NAN, 0.7, NO},
		{812, 0, 0.0141, NAN, 0.7, VERDICT_CRITICAL},
		/* a p99 of few is their longest: it takes more than one */
		{100, 0, 0.020, NAN, 1, VERDICT_CRITICAL},
		{99, 0.001, 0.900, NAN, 1, NO},
		{99, 0.005, 0.900, NAN, 1, VERDICT_WARNING},
		{40, 0.020, 0.025, NAN, 1, VERDICT_CRITICAL}, /* one thread that always waits 20 ms */
		{19, 0.900, 0.900, NAN, 1, NO},
		{19, 0.900, 0.900, NAN, 0.7, VERDICT_CRITICAL},
		/* no window, or one that saw too little: the mean */
		{-1, NAN, NAN, 0.005, 1, VERDICT_WARNING},
		{-1, NAN, NAN, 0.0049, 1, NO},
		{-1, NAN, NAN, 0.0036, 0.7, VERDICT_WARNING},
		{-1, NAN, NAN, 9, 1, VERDICT_WARNING}, /* never more */
		{3, 0.001, 0.001, 0.006, 1, VERDICT_WARNING},
		{0, NAN, NAN, 0.006, 1, VERDICT_WARNING},
		{-1, NAN, NAN, NAN, 1, NO},
		{812, 0.001, 0.001, 0.009, 1, NO}, /* what the windows measured counts more */
		{812, NAN, NAN, NAN, 1, NO},
	};
	struct scene x;
	struct verdict v;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ledger_scene(&x);
		x.c.cpu.runq.cnt = rows[i].cnt;
		x.c.cpu.runq.p90 = rows[i].p90;
		x.c.cpu.runq.p99 = rows[i].p99;
		x.c.cpu.runq_mean_seconds = rows[i].mean;
		if (severity(rule_cpu_contended, &x, rows[i].scale, &v) != rows[i].want)
			fail_msg("row %zu: %s", i, v.text);
	}
	ledger_scene(&x); /* throttled beside it: both may be true */
	x.c.cpu.ratio = 0.4;
	x.c.cpu.intervals = 100;
	CHECK(rule_cpu_contended, &x, 1, VERDICT_CRITICAL);
	CHECK(rule_throttled, &x, 1, VERDICT_CRITICAL);
}

static void contended_text(void **state)
{
	struct scene x;
	struct verdict v;

	ledger_scene(&x);
	CHECK(rule_cpu_contended, &x, 1, VERDICT_CRITICAL);
	assert_string_equal(v.text, "Its threads wait for a CPU: p99 25 ms, up to 61 ms, throttled time not counted; "
				    "batch most often ran instead.");
	/* 0.22 used and 0.9 waiting on average */
	assert_string_equal(v.advice,
			    "raise the CPU request (shares or weight) to about 1.2 (is 0.1; it used 0.22 CPUs "
			    "while 0.9 threads waited on average).");
	assert_string_equal(v.seen,
			    "812 waits in 1.0 of 10 s watched: p50 4.0 ms, p99 25 ms, max 61 ms, node 97% busy, "
			    "steal 0.4%, request 0.1, used 0.22 CPUs.");
	assert_string_equal(v.evidence[0].name, "runq_p99");
	assert_true(v.evidence[0].value == 0.0246 && v.evidence[0].threshold == 0.020);
	assert_string_equal(v.culprit, "");

	x.c.cpu.runq.cnt = -1; /* only the kernel's mean is known */
	x.c.cpu.runq.p50 = x.c.cpu.runq.p99 = x.c.cpu.runq.max = x.c.cpu.runq.sum = NAN;
	x.c.cpu.runq_mean_seconds = 0.0071;
	*x.c.cpu.runq_rival = 0;
	CHECK(rule_cpu_contended, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.text, "Its threads wait for a CPU: mean 7.1 ms, throttled time not counted.");
	assert_string_equal(v.advice, "raise the CPU request (shares or weight) to what it needs (is 0.1).");
	assert_string_equal(v.seen, "mean of all 7.1 ms, node 97% busy, steal 0.4%, request 0.1, used 0.22 CPUs.");
	assert_string_equal(v.evidence[0].name, "runq_mean");
}

static void contended_advice(void **state)
{
	struct scene x;
	struct verdict v;

	ledger_scene(&x);
	x.c.cpu.request_cpus = 2;
	CHECK(rule_cpu_contended, &x, 1, VERDICT_CRITICAL);
	assert_non_null(strstr(v.advice, "its CPU request of 2.0 already covers what it needs (about 1.2)"));

	x.c.cpu.request_cpus = 0; /* the kubelet wrote none */
	CHECK(rule_cpu_contended, &x, 1, VERDICT_CRITICAL);
	assert_non_null(strstr(v.advice, "to about 1.2 (is none; "));
	assert_non_null(strstr(v.seen, "request none"));
	x.c.cpu.request_cpus = NAN;
	CHECK(rule_cpu_contended, &x, 1, VERDICT_CRITICAL);
	assert_non_null(strstr(v.advice, "to about 1.2 (it used "));

	x.c.cpu.limit_cpus = 0.5; /* a request above the limit is refused */
	CHECK(rule_cpu_contended, &x, 1, VERDICT_CRITICAL);
	assert_non_null(strstr(v.advice, "to about 0.5 (it"));

	ledger_scene(&x);
	x.c.cpu.runq.sum = 500; /* nobody gets more than the node */
	CHECK(rule_cpu_contended, &x, 1, VERDICT_CRITICAL);
	assert_non_null(strstr(v.advice, "to about 32.0 (is 0.1;"));

	ledger_scene(&x);
	strcpy(x.c.cpu.runq_rival, "ledger"); /* a replica */
	CHECK(rule_cpu_contended, &x, 1, VERDICT_CRITICAL);
	assert_non_null(strstr(v.text, "; another ledger most often ran instead."));
	assert_null(strstr(v.advice, "behind itself"));
	x.c.cpu.runq_rival_own = true;
	CHECK(rule_cpu_contended, &x, 1, VERDICT_CRITICAL);
	assert_non_null(strstr(v.text, "; its own threads (ledger) most often ran instead."));
	assert_int_equal(strncmp(v.advice, "bound its parallel work: it waits behind itself; raise", 54), 0);

	ledger_scene(&x);
	x.s.steal_ratio = 0.12;
	x.s.cpu_busy_ratio = 0.4;
	strcpy(x.c.cpu.runq_rival, "a-name-of-15-ch");
	x.c.cpu.request_cpus = 16.5;
	x.c.cpu.runq.sum = 500;
	CHECK(rule_cpu_contended, &x, 1, VERDICT_CRITICAL);
	assert_non_null(strstr(v.text, "; the hypervisor took 12% of the node's CPU."));
	assert_non_null(strstr(v.advice, "the node is only 40% busy: look for CPU pinning"));
	assert_int_equal(v.advice[strlen(v.advice) - 1], '.'); /* not cut */

	quiet_scene(&x);
	x.c.cpu.runq_mean_seconds = NAN;
	x.c.cpu.runq.cnt = -1;
	CHECK(rule_cpu_contended, &x, 1, NO);
}

/* ---- oom-risk ---- */

static void memory_scene(struct scene *x, int64_t working_set, double growth, int64_t kills)
{
	quiet_scene(x);
	x->c.memory = (struct snapshot_memory){.usage_bytes = 600 * MIB,
					       .working_set_bytes =
						       working_set == STAT_UNKNOWN ? working_set : working_set * MIB,
					       .limit_bytes = 500 * MIB,
					       .peak_bytes = 500 * MIB,
					       .oom_kills = kills,
					       .oom_kills_window = kills,
					       .growth_bytes_per_second = growth};
	x->c.gc.memory_limit_bytes = x->p[0].memory_limit_bytes = 100 * MIB;
}

static void oom_thresholds(void **state)
{
	static const int64_t u = STAT_UNKNOWN;
	const struct {
		int64_t working_set;
		double growth; /* MiB/s */
		int64_t kills;
		double scale;
		int want;
	} rows[] = {
		{449, 0, 0, 1, NO},
		{450, 0, 0, 1, VERDICT_WARNING},
		{474, 0, 0, 1, VERDICT_WARNING},
		{475, 0, 0, 1, VERDICT_CRITICAL},
		{600, 0, 0, 1, VERDICT_CRITICAL},
		{425, 0, 0, 0.7, VERDICT_WARNING}, /* clears below 85 %, not below 63 % */
		{424, 0, 0, 0.7, NO},
		{450, 0, 0, 0.7, VERDICT_CRITICAL},
		{449, 0, 0, 0.7, VERDICT_WARNING},
		/* 250 left: full in 600 s at 0.4167 MiB/s */
		{250, 0.416, 0, 1, NO},
		{250, 0.417, 0, 1, VERDICT_WARNING},
		{250, 0.292, 0, 0.7, VERDICT_WARNING}, /* within 857 s */
		{250, 0.290, 0, 0.7, NO},
		{249, 10, 0, 1, NO}, /* starts up */
		{174, 10, 0, 0.7, NO},
		{175, 10, 0, 0.7, VERDICT_WARNING},
		{400, -10, 0, 1, NO},
		{400, NAN, 0, 1, NO},
		/* kills */
		{10, 0, 1, 1, VERDICT_CRITICAL},
		{u, NAN, 1, 1, VERDICT_CRITICAL},
		{10, 0, u, 1, NO},
		{u, NAN, u, 1, NO},
	};
	struct scene x;
	struct verdict v;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		memory_scene(&x, rows[i].working_set, rows[i].growth * MIB, rows[i].kills);
		if (severity(rule_oom_risk, &x, rows[i].scale, &v) != rows[i].want)
			fail_msg("row %zu: %s", i, v.text);
		assert_int_equal(rule_oom_happened(&x.c), rows[i].kills > 0);
		x.c.memory.limit_bytes = i % 2 ? -1 : u; /* only a kill says something */
		CHECK(rule_oom_risk, &x, 1, rows[i].kills > 0 ? VERDICT_CRITICAL : NO);
	}
}

static void oom_text(void **state)
{
	struct scene x;
	struct verdict v;

	memory_scene(&x, 460, 0, 0);
	x.c.gc.heap_live_bytes = 400 * MIB;
	CHECK(rule_oom_risk, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.text, "Its memory is at 92% of the 500M limit.");
	assert_string_equal(v.advice, "raise the memory limit to about 575M (is 500M), or find the leak: 400M of 460M "
				      "are live heap (heap profile).");
	assert_string_equal(v.seen, "working set 460M, memory limit 500M, heap live 400M, GOMEMLIMIT 100M.");

	memory_scene(&x, 460, 0.5 * MIB, 0);
	x.c.gc.heap_live_bytes = 40 * MIB;
	CHECK(rule_oom_risk, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.text,
			    "Its memory is at 92% of the 500M limit, full in 80 s at the slope of the last 5 minutes.");
	assert_non_null(strstr(v.advice, ", or find the leak: only 40M of 460M are live heap, the rest is garbage"));

	memory_scene(&x, 260, 0.5 * MIB, 0);
	CHECK(rule_oom_risk, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.text,
			    "Its memory grows and is at 52% of the 500M limit, full in 8 min at the slope of the "
			    "last 5 minutes.");
	assert_non_null(strstr(v.seen, "growth 512K/s"));
	assert_string_equal(v.advice, "find the leak."); /* a higher limit fills up too */

	memory_scene(&x, 100, 0, 2);
	CHECK(rule_oom_risk, &x, 1, VERDICT_CRITICAL);
	assert_string_equal(v.text, "The kernel killed 2 processes of it for lack of memory.");
	assert_string_equal(v.advice, "raise the memory limit to about 625M (is 500M), or find the leak.");
	assert_non_null(strstr(v.seen, ", 2 OOM kills since the container began."));
	x.c.memory.peak_bytes = 300 * MIB; /* never near its own limit */
	CHECK(rule_oom_risk, &x, 1, VERDICT_CRITICAL);
	assert_int_equal(strncmp(v.advice, "its own limit was not reached, the pod or the node ran out", 58), 0);
}

/* What gomemlimit would advise is part of it. */
static void oom_gomemlimit(void **state)
{
	struct scene x;
	struct verdict v, go;

	memory_scene(&x, 460, 0, 0);
	x.p[0].memory_limit_bytes = x.c.gc.memory_limit_bytes = -1;
	x.c.gc.mapped_ready_bytes = 440 * MIB;
	x.c.gc.heap_live_bytes = 200 * MIB;
	CHECK(rule_gomemlimit, &x, 1, VERDICT_ADVICE);
	go = v;
	CHECK(rule_oom_risk, &x, 1, VERDICT_WARNING);
	assert_int_equal(strncmp(v.advice, go.advice, strlen(go.advice) - 1), 0);
	assert_non_null(strstr(v.advice, "set GOMEMLIMIT=380MiB (80% of the 500M limit, less 20M that is not Go's); "
					 "raise the memory limit to about 575M (is 500M), or find the leak: only"));
	assert_non_null(strstr(v.seen, "GOMEMLIMIT none"));
	assert_int_equal(v.advice[strlen(v.advice) - 1], '.'); /* not cut */

	x.p[0].memory_limit_bytes = 300 * MIB;
	CHECK(rule_oom_risk, &x, 1, VERDICT_WARNING);
	assert_null(strstr(v.advice, "GOMEMLIMIT="));
}

static void memory_of_what_is_gone(void **state)
{
	struct scene x;
	struct verdict v;

	memory_scene(&x, 480, NAN, 1);
	x.c.gone = true;
	CHECK(rule_oom_risk, &x, 1, VERDICT_CRITICAL);
	assert_non_null(strstr(v.text, " Its memory was at 96% of the 500M limit."));
	memory_scene(&x, 300, 10.0 * MIB, 0); /* it grows no more */
	CHECK(rule_oom_risk, &x, 1, VERDICT_WARNING);
	x.c.gone = true;
	CHECK(rule_oom_risk, &x, 1, NO);
	memory_scene(&x, STAT_UNKNOWN, NAN, 0);
	CHECK(rule_oom_risk, &x, 1, NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contended_thresholds),
		cmocka_unit_test(contended_text),
		cmocka_unit_test(contended_advice),
		cmocka_unit_test(oom_thresholds),
		cmocka_unit_test(oom_text),
		cmocka_unit_test(oom_gomemlimit),
		cmocka_unit_test(memory_of_what_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
