/* SPDX-License-Identifier: BSD-2-Clause */
/* The sampler against a Go program that tells its own values: each row is a toolchain, a way to build and a start
 * setting, each step a change of state after which every value must be the same inside and outside. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "procs/proc_info.h"
#include "runtime/sample.h"
#include "symbols/binary.h"
#include "symbols/layout.h"

#define FIXTURE      "tests/fixtures/go/rtvalues"
#define STABLE_TRIES 50
#define FIXED        9 /* tests besides one a row */

struct row {
	const char *version, *variant;
	const char *env[4];
};

static const struct row rows[] = {
	{"1.18.10", "plain", {"GOMAXPROCS=3"}},
	{"1.18.10", "stripped", {"GOGC=off"}},
	{"1.20.14", "plain", {"GOMAXPROCS=3", "GOGC=50", "GOMEMLIMIT=40MiB"}},
	{"1.20.14", "nodwarf", {"GOGC=off"}},
	{"1.22.12", "plain", {"GOMAXPROCS=1"}},
	{"1.22.12", "pie", {"GOGC=off", "GOMEMLIMIT=30MiB"}},
	{"1.24.13", "plain", {"GOMEMLIMIT=25MiB"}},
	{"1.24.13", "stripped", {"GOMAXPROCS=7"}},
	{"1.26.8", "plain", {"GOMAXPROCS=64", "GOGC=200"}},
	{"1.26.8", "piestripped", {"GOGC=off", "GOMEMLIMIT=64MiB"}},
	{"1.27.4", "plain", {"GOGC=off"}},
	{"1.27.4", "stripped", {"GOMAXPROCS=5", "GOMEMLIMIT=1TiB"}},
};

static const char *const steps[] = {
	"report",
	"spawn 300",
	"keep 20000000",
	"gc",
	"gogc 50",
	"gc",
	"churn 50000000",
	"procs 2",
	"procs 9",
	"end 200",
	"gogc -1",
	"limit 9000000",
	"gc",
	"limit 45000000",
	"gc",
	"gogc 100",
	"limit 30000000",
	"gc",
	"drop",
	"gc",
	"limit 200000000",
	"gogc 400",
	"gc",
	"spawn 2000",
	"end 2000",
	"procs 4",
	"churn 3000000",
	"gc",
};

struct target {
	pid_t pid;
	FILE *to, *from;
	int exe_fd;
	struct binary *binary;
	struct process process;
};

struct report {
	int64_t gomaxprocs, gogc, memory_limit, goroutines, numgc, pause_total_ns, heap_goal, gc_dedicated_ns,
		assist_ns, heap_live;
};

static struct report ask(struct target *t, const char *cmd)
{
	static char line[1 << 18];
	struct report r;
	json_t *o;

	fprintf(t->to, "%s\n", cmd);
	fflush(t->to);
	assert_non_null(fgets(line, sizeof(line), t->from));
	o = json_loads(line, 0, NULL);
	assert_non_null(o);
#define GET(name) r.name = json_integer_value(json_object_get(o, #name))
	GET(gomaxprocs);
	GET(gogc);
	GET(memory_limit);
	GET(goroutines);
	GET(numgc);
	GET(pause_total_ns);
	GET(heap_goal);
	GET(gc_dedicated_ns);
	GET(assist_ns);
	GET(heap_live);
#undef GET
	json_decref(o);
	return r;
}

static bool fixture_path(const struct row *row, char *buf, size_t sz)
{
	char cmd[256];
	FILE *f;
	bool good;

	snprintf(cmd, sizeof(cmd), "tools/go-fixture %s %s %s", FIXTURE, row->version, row->variant);
	f = popen(cmd, "r");
	assert_non_null(f);
	good = fgets(buf, (int)sz, f);
	buf[strcspn(buf, "\n")] = 0;
	return pclose(f) == 0 && good;
}

static void spawn(struct target *t, const char *path, const struct row *row)
{
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (!t->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		unsetenv("GOGC");
		unsetenv("GOMEMLIMIT");
		unsetenv("GOMAXPROCS");
		for (int i = 0; i < 4 && row->env[i]; i++)
			putenv((char *)row->env[i]);
		execl(path, path, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	t->to = fdopen(in[1], "w");
	t->from = fdopen(out[0], "r");
}

static void start(struct target *t, const struct row *row)
{
	static char line[1 << 18];
	char path[512], why[WHY_SZ] = "";

	memset(t, 0, sizeof(*t));
	if (!fixture_path(row, path, sizeof(path))) {
		print_message("skipped: tools/go-fixture cannot build %s with go%s\n", row->variant, row->version);
		skip();
	}
	spawn(t, path, row);
	assert_non_null(fgets(line, sizeof(line), t->from)); /* main runs */
	t->exe_fd = proc_info_open_exe("", t->pid);
	assert_true(t->exe_fd >= 0);
	if (binary_read(t->exe_fd, &t->binary, why))
		fail_msg("go%s %s: %s", row->version, row->variant, why);
	t->process.binary = t->binary;
	assert_int_equal(proc_info_read_stat("", t->pid, &t->process), 0);
	assert_int_equal(proc_info_read_bias("", t->pid, t->binary, &t->process.bias), 0);
}

static void stop(struct target *t)
{
	fclose(t->to); /* it ends at the end of its input */
	fclose(t->from);
	waitpid(t->pid, NULL, 0);
	close(t->exe_fd);
	binary_free(t->binary);
}

static void check(const struct row *row, const char *step, const char *name, int64_t got, int64_t want, int64_t slack)
{
	if (got != want && (got == SAMPLE_UNKNOWN || got < want - slack || got > want + slack))
		fail_msg("go%s %s, %s: %s is %" PRId64 ", the program says %" PRId64, row->version, row->variant, step,
			 name, got, want);
}

static int64_t wanted_goal(const struct report *r)
{
	return r->gogc < 0 && r->memory_limit == INT64_MAX ? -1 : r->heap_goal;
}

static void compare(const struct row *row, const char *step, const struct report *r, const struct runtime_sample *s)
{
	bool has_cpu = r->gc_dedicated_ns != -2;

	check(row, step, "gomaxprocs", s->gomaxprocs, r->gomaxprocs, 0);
	check(row, step, "gogc", s->gogc, r->gogc, 0);
	check(row, step, "memory limit", s->memory_limit_bytes, r->memory_limit == INT64_MAX ? -1 : r->memory_limit, 0);
	check(row, step, "heap goal", s->heap_goal_bytes, wanted_goal(r), 0);
	check(row, step, "goroutines", s->goroutines, r->goroutines, 2);
	check(row, step, "numgc", s->numgc, r->numgc, 0);
	check(row, step, "pause total", s->pause_total_ns, r->pause_total_ns, 0);
	/* the metric is a float of seconds */
	check(row, step, "gc cpu", s->gc_cpu_ns, has_cpu ? r->gc_dedicated_ns + r->assist_ns : SAMPLE_UNKNOWN,
	      has_cpu ? 2 : 0);
	check(row, step, "assist", s->assist_ns, has_cpu ? r->assist_ns : SAMPLE_UNKNOWN, has_cpu ? 1 : 0);
	if (r->heap_live != -2)
		check(row, step, "heap live", s->heap_live_bytes, r->heap_live, 0);
	if (strncmp(row->version, "1.18", 4))
		assert_true(s->mapped_ready_bytes > 1 << 20);
}

/* Nothing moved between two reports: what was read in between must be the same. */
static void agree(struct target *t, struct sampler *s, const struct row *row, const char *step)
{
	struct runtime_sample v;
	struct report a, b;

	ask(t, step);
	for (int i = 0; i < STABLE_TRIES; i++) {
		int err;

		a = ask(t, "report");
		err = sampler_read(s, &v);
		if (err)
			fail_msg("go%s %s, %s: %d: %s", row->version, row->variant, step, err, sampler_why(s));
		b = ask(t, "report");
		/* while the background scavenger hands 64 KiB back (mappedReady goes down before madvise, heapFree
		 * after it) the runtime itself would compute a goal that is 64 KiB higher: look again */
		if (!memcmp(&a, &b, sizeof(a)) && (v.heap_goal_bytes == wanted_goal(&a) || i == STABLE_TRIES - 1)) {
			compare(row, step, &a, &v);
			return;
		}
		usleep(1000);
	}
	fail_msg("go%s %s, %s: the program never stood still", row->version, row->variant, step);
}

/* Best and mean of batches: the best is what it costs where nothing else runs. */
static void bench(const struct row *row, struct sampler *s)
{
	uint64_t best = UINT64_MAX, sum = 0;
	struct runtime_sample v;

	for (int i = 0; i < 100; i++) {
		uint64_t from = clock_mono_ns(), took;

		for (int k = 0; k < 100; k++)
			assert_int_equal(sampler_read(s, &v), 0);
		took = clock_mono_ns() - from;
		sum += took;
		best = took < best ? took : best;
	}
	print_message("go%s, %" PRId64 " Ps: %.2f us a read, mean %.2f\n", row->version, v.gomaxprocs,
		      (double)best / 1e5, (double)sum / 1e7);
}

static void test_agrees(void **state)
{
	const struct row *row = *state;
	char why[WHY_SZ] = "";
	struct sampler *s;
	struct target t;

	start(&t, row);
	if (sampler_open("", &t.process, &s, why))
		fail_msg("go%s %s: %s", row->version, row->variant, why);
	if (getenv("SAMPLE_BENCH"))
		bench(row, s);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		agree(&t, s, row, steps[i]);
	if (getenv("SAMPLE_BENCH"))
		bench(row, s);
	sampler_close(s);
	stop(&t);
}

/* Wrong addresses and offsets as a mistaken table would give them: each must be refused, in words. */
static void test_refuses(void **state)
{
	static const struct {
		int global, field; /* -1: none */
		int shift;
		const char *why;
	} bad[] = {
		{GLOBAL_GOMAXPROCS, -1, 0x1000, "self-check failed ("},
		{GLOBAL_ALLP, -1, 8, "self-check failed (allp points nowhere)"},
		{GLOBAL_ALLP, -1, -8, "self-check failed ("},
		{GLOBAL_GCCONTROLLER, -1, 8, "self-check failed ("},
		{-1, FIELD_GC_PERCENT, 8, "self-check failed ("},
		{-1, FIELD_GC_HEAP_MINIMUM, 8, "self-check failed (heapMinimum = "},
		{GLOBAL_ALLP, -1, 0x10000000, "cannot read its memory"},
	};
	struct row row = {"1.26.8", "plain", {"GOMAXPROCS=3"}};
	struct target t;

	start(&t, &row);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct binary b = *t.binary;
		struct process p = t.process;
		char why[WHY_SZ] = "";
		struct sampler *s;

		p.binary = &b;
		if (bad[i].global >= 0)
			b.globals[bad[i].global] += (uint64_t)(int64_t)bad[i].shift;
		if (bad[i].field >= 0)
			b.fields[bad[i].field] += (int16_t)bad[i].shift;
		assert_int_not_equal(sampler_open("", &p, &s, why), 0);
		if (strncmp(why, bad[i].why, strlen(bad[i].why)))
			fail_msg("row %zu: '%s' instead of '%s'", i, why, bad[i].why);
	}
	stop(&t);
}

static void test_no_layout(void **state)
{
	struct binary b = {.layout = LAYOUT_NONE, .layout_why = "no table for go1.99"};
	struct process p = {.pid = getpid(), .binary = &b};
	char why[WHY_SZ] = "";
	struct sampler *s;

	assert_int_equal(sampler_open("", &p, &s, why), SAMPLER_NO_LAYOUT);
	assert_string_equal(why, "no table for go1.99");
	b.layout = LAYOUT_TABLE;
	assert_int_equal(sampler_open("", &p, &s, why), SAMPLER_NO_LAYOUT);
	assert_string_equal(why, "no table for go1.99");
	*b.layout_why = 0;
	assert_int_equal(sampler_open("", &p, &s, why), SAMPLER_NO_LAYOUT);
	assert_string_equal(why, "address of runtime.allp unknown");
}

/* A value whose place is not known is unknown, and takes nothing else with it. */
static void test_unknown_fields(void **state)
{
	struct row row = {"1.26.8", "plain", {"GOMEMLIMIT=20MiB"}};
	struct runtime_sample v;
	char why[WHY_SZ] = "";
	struct sampler *s;
	struct target t;

	start(&t, &row);
	t.binary->globals[GLOBAL_WORK] = 0;
	t.binary->fields[FIELD_GC_MAPPED_READY] = -1;
	t.binary->fields[FIELD_P_GFREE] = -1;
	assert_int_equal(sampler_open("", &t.process, &s, why), 0);
	assert_int_equal(sampler_read(s, &v), 0);
	assert_true(v.gc_cpu_ns == SAMPLE_UNKNOWN && v.assist_ns == SAMPLE_UNKNOWN);
	assert_true(v.mapped_ready_bytes == SAMPLE_UNKNOWN && v.heap_goal_bytes == SAMPLE_UNKNOWN);
	assert_true(v.goroutines == SAMPLE_UNKNOWN);
	assert_int_equal(v.memory_limit_bytes, 20 << 20);
	assert_int_equal(v.gogc, 100);
	sampler_close(s);
	stop(&t);
}

/* The address space that was opened, never the one that the pid has later. */
static void test_exec_and_exit(void **state)
{
	struct row row = {"1.24.13", "plain", {"GOMAXPROCS=2"}};
	struct runtime_sample v = {.numgc = 4711};
	siginfo_t si;
	char why[WHY_SZ] = "";
	struct sampler *s;
	struct target t;

	start(&t, &row);
	assert_int_equal(sampler_open("", &t.process, &s, why), 0);
	ask(&t, "exec"); /* the answer is the new image's first line */
	assert_int_equal(sampler_read(s, &v), -ESRCH);
	assert_int_equal(v.numgc, 4711);
	sampler_close(s);

	assert_int_equal(sampler_open("", &t.process, &s, why), 0);
	assert_int_equal(sampler_read(s, &v), 0);
	kill(t.pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)t.pid, &si, WEXITED | WNOWAIT), 0); /* a zombie: its pid is still taken */
	assert_int_equal(sampler_read(s, &v), -ESRCH);
	sampler_close(s);
	waitpid(t.pid, NULL, 0);
	assert_int_equal(sampler_open("", &t.process, &s, why), -ESRCH);
	stop(&t);
}

/* What happened between two reads: pauses as MemStats has them, waits for a P, the last cycle. */
static void test_since(void **state)
{
	struct row row = {"1.25.5", "stripped", {"GOMAXPROCS=2"}};
	struct runtime_pause pauses[RUNTIME_PAUSES];
	struct runtime_sample a, b;
	struct runtime_latency l;
	struct runtime_cycle c;
	char why[WHY_SZ] = "";
	struct sampler *s;
	struct target t;
	uint64_t missed, sum = 0;
	int n;

	start(&t, &row);
	assert_int_equal(sampler_open("", &t.process, &s, why), 0);
	assert_int_equal(sampler_pauses(s, pauses, RUNTIME_PAUSES, &missed), 0);
	assert_false(sampler_latency(s, &l));
	assert_int_equal(sampler_read(s, &a), 0);
	assert_int_equal(sampler_pauses(s, pauses, RUNTIME_PAUSES, &missed), 0);
	assert_false(sampler_latency(s, &l));
	ask(&t, "gc");
	ask(&t, "churn 40000000");
	assert_int_equal(sampler_read(s, &b), 0);
	n = sampler_pauses(s, pauses, RUNTIME_PAUSES, &missed);
	assert_int_equal(n, b.numgc - a.numgc);
	assert_int_equal(missed, 0);
	for (int i = 0; i < n; i++) {
		assert_int_equal(pauses[i].cycle, (uint64_t)a.numgc + 1 + (uint64_t)i);
		sum += pauses[i].pause_ns;
	}
	assert_int_equal(sum, b.pause_total_ns - a.pause_total_ns);
	assert_int_equal(pauses[n - 1].end_unix_ns, b.last_gc_unix_ns);
	assert_int_equal(sampler_pauses(s, pauses, 2, &missed), 2);
	assert_int_equal(missed, n - 2);
	assert_int_equal(pauses[1].cycle, b.numgc);
	assert_true(sampler_latency(s, &l));
	assert_true(l.cnt > 0 && l.start_ns == a.time_ns && l.end_ns == b.time_ns);
	assert_true(sampler_cycle(s, &c));
	assert_int_equal(c.numgc, b.numgc);
	assert_int_equal(c.end_ns - c.mark_term_ns + c.mark_ns - c.sweep_term_ns > 0, 1);
	assert_int_equal(c.heap2, b.heap_live_bytes);
	for (int i = 0; i < 300; i++)
		ask(&t, "gc");
	assert_int_equal(sampler_read(s, &a), 0);
	assert_int_equal(sampler_pauses(s, pauses, RUNTIME_PAUSES, &missed), RUNTIME_PAUSES);
	assert_int_equal(missed, a.numgc - b.numgc - RUNTIME_PAUSES);
	sampler_close(s);
	stop(&t);
}

static void test_confirm(void **state)
{
	struct row row = {"1.27.4", "plain", {"GOMAXPROCS=2"}};
	char why[WHY_SZ] = "";
	struct runtime_sample v;
	struct runtime_detail d;
	struct sampler *s;
	struct target t;

	start(&t, &row);
	assert_int_equal(sampler_open("", &t.process, &s, why), 0);
	assert_true(sampler_confirm_cycles(s, 50, 51));
	assert_true(sampler_confirm_cycles(s, 50, 40));
	assert_true(sampler_confirm_cycles(s, 0, 9));
	assert_true(sampler_confirm_cycles(s, 7, 7)); /* three running are needed */
	assert_true(sampler_confirm_cycles(s, 50, 40));
	assert_true(sampler_confirm_cycles(s, 50, 40));
	assert_int_equal(sampler_read(s, &v), 0);
	assert_false(sampler_confirm_cycles(s, 0, 1000));
	assert_false(sampler_confirm_cycles(s, 7, 7));
	assert_int_equal(sampler_read(s, &v), SAMPLER_SELF_CHECK);
	assert_non_null(strstr(sampler_why(s), "numgc does not follow"));
	runtime_detail_init(&d);
	assert_int_equal(sampler_detail(s, &d), SAMPLER_SELF_CHECK);
	runtime_detail_deinit(&d);
	sampler_close(s);
	stop(&t);
}

/* Each field of a version at the place of another one: refused, unknown, or (for a field that stayed) the same. */
static void test_neighbour_fields(void **state)
{
	static const struct {
		const char *version;
		int minor, patch;
	} bad[] = {{"1.24.13", 25, 5}, {"1.25.5", 24, 13}, {"1.26.8", 25, 5}, {"1.21.13", 22, 12}, {"1.20.14", 21, 13}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct row row = {bad[i].version, "plain", {"GOMAXPROCS=3"}};
		char why[WHY_SZ] = "";
		bool nearest = false;
		struct sampler *s;
		struct binary b;
		struct process p;
		struct target t;

		start(&t, &row);
		ask(&t, "gc");
		b = *t.binary;
		p = t.process;
		p.binary = &b;
		b.go_minor = bad[i].minor;
		b.go_patch = bad[i].patch;
		assert_int_equal(layout_from_table(&b, b.fields, &nearest, why), 0);
		if (!sampler_open("", &p, &s, why))
			fail_msg("go%s with the fields of 1.%d: not refused", bad[i].version, bad[i].minor);
		assert_non_null(strstr(why, "self-check failed"));
		stop(&t);
	}
}

#define FUZZ_ROUNDS 1500

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

/* Some fields and globals at random places: whatever is read there, it ends, and what it says is in range. */
static void test_random_fields(void **state)
{
	struct row row = {"1.26.8", "plain", {"GOMAXPROCS=3"}};
	uint32_t x = 20261123, opened = 0;
	struct target t;

	start(&t, &row);
	ask(&t, "gc");
	for (int i = 0; i < FUZZ_ROUNDS; i++) {
		struct binary b = *t.binary;
		struct process p = t.process;
		struct runtime_detail d;
		char why[WHY_SZ] = "";
		struct sampler *s;

		p.binary = &b;
		for (uint32_t k = next_random(&x) % 4; k < 4; k++)
			b.fields[next_random(&x) % FIELD_CNT] =
				(int16_t)(next_random(&x) >> (8 + next_random(&x) % 12));
		if (next_random(&x) % 2)
			b.globals[next_random(&x) % GLOBAL_CNT] += next_random(&x) % 4096 * 8;
		if (sampler_open("", &p, &s, why)) {
			assert_true(*why);
			continue;
		}
		opened++;
		runtime_detail_init(&d);
		if (!sampler_detail(s, &d)) {
			assert_true(d.sample.gomaxprocs == 3 && d.p_cnt == 3);
			assert_true(d.sample.numgc >= -1 || d.sample.numgc == SAMPLE_UNKNOWN);
			assert_true(d.pause_cnt <= RUNTIME_PAUSES);
		}
		runtime_detail_deinit(&d);
		sampler_close(s);
	}
	print_message("%u of %d were not refused: what was moved there is not read, or stayed plausible\n", opened,
		      FUZZ_ROUNDS);
	stop(&t);
}

/* Debug information may say that the fields lie far apart: each is a range of its own then, with a gap behind it. */
static void test_spread_fields(void **state)
{
	struct row row = {"1.26.8", "plain", {"GOMAXPROCS=1"}};
	struct target t;

	start(&t, &row);
	for (int step = 2100; step < 4200; step += 300) {
		struct binary b = *t.binary;
		struct process p = t.process;
		char why[WHY_SZ] = "";
		struct sampler *s;

		p.binary = &b;
		for (int f = 0, at = 0; f < FIELD_G_STACK_LO; f++, at += step)
			b.fields[f] = (int16_t)(at %= 32000);
		if (!sampler_open("", &p, &s, why))
			fail_msg("fields %d bytes apart: not refused", step);
		assert_true(*why);
	}
	stop(&t);
}

int main(void)
{
	struct CMUnitTest tests[sizeof(rows) / sizeof(rows[0]) + FIXED] = {
		cmocka_unit_test(test_no_layout),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_unknown_fields),
		cmocka_unit_test(test_exec_and_exit),
		cmocka_unit_test(test_since),
		cmocka_unit_test(test_confirm),
		cmocka_unit_test(test_neighbour_fields),
		cmocka_unit_test(test_random_fields),
		cmocka_unit_test(test_spread_fields),
	};
	static char names[sizeof(rows) / sizeof(rows[0])][64];

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(names[i], sizeof(names[i]), "agrees with go%s %s", rows[i].version, rows[i].variant);
		tests[FIXED + i] = (struct CMUnitTest){names[i], test_agrees, NULL, NULL, (void *)&rows[i]};
	}
	return cmocka_run_group_tests_name("sample", tests, NULL, NULL);
}
