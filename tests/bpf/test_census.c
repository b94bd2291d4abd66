/* SPDX-License-Identifier: BSD-2-Clause */
/* The census of goroutines against programs that planted them. tests/bpf/test_census.py uses the first form to compare
 * with what the programs say of themselves.
 *
 *   test_census -p PID [-s] [-m MAX] [-a MIN_AGE_MS] [-n TIMES]   one census as a line of JSON (times: the last one)
 *   test_census                                                   the cases below */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "procs/proc_info.h"
#include "runtime/census.h"
#include "symbols/binary.h"

#define FIXTURE "tests/fixtures/go/census"
#define FRAMES  16

struct target {
	pid_t pid;
	FILE *to, *from; /* NULL: not started here */
	struct binary *binary;
	struct process process;
	struct code_lines *lines;
};

/* ---- the target ------------------------------------------------------------------------------------------ */

static int look_at(struct target *t, pid_t pid, char *why)
{
	_cleanup_close_ int fd = proc_info_open_exe("", pid);
	int err;

	t->pid = t->process.pid = pid;
	if (fd < 0)
		return err_why(why, fd, "no such process");
	err = binary_read(fd, &t->binary, why);
	if (err)
		return err;
	t->process.binary = t->binary;
	err = proc_info_read_stat("", pid, &t->process);
	if (!err)
		err = proc_info_read_bias("", pid, t->binary, &t->process.bias);
	if (err)
		return err_why(why, err, "cannot read the process");
	return code_lines_open(fd, t->binary, &t->lines, why);
}

static void forget(struct target *t)
{
	t->lines = code_lines_close(t->lines);
	t->binary = binary_free(t->binary);
	t->process.binary = NULL;
}

/* ---- as JSON --------------------------------------------------------------------------------------------- */

static json_t *names_of(struct target *t, const uint64_t *pcs, int cnt)
{
	json_t *a = json_array();
	struct code_frame f[FRAMES];

	for (int i = 0; i < cnt; i++)
		for (int j = 0, n = code_lines_find(t->lines, pcs[i], true, f, FRAMES); j < n; j++)
			json_array_append_new(a, json_string(f[j].function));
	return a;
}

static json_t *place_of(struct target *t, uint64_t pc)
{
	struct code_frame f[FRAMES];
	int n = pc ? code_lines_find(t->lines, pc, true, f, FRAMES) : 0, i = 0;

	while (i < n - 1 && census_is_plumbing(f[i].function))
		i++;
	if (!n)
		return json_null();
	return json_pack("{ss ss si}", "function", f[i].function, "file", f[i].file, "line", f[i].line);
}

static json_t *group_as_json(struct target *t, const struct census_group *g)
{
	const char *start = code_lines_function(t->lines, g->start_pc);

	return json_pack("{sI ss ss so so ss? sI sI sb so}", "count", (json_int_t)g->cnt, "state",
			 goroutine_state_name(g->state), "reason", g->reason, "created", place_of(t, g->created_pc),
			 "blocked", place_of(t, g->blocked_pc), "start", start, "oldest_ns",
			 (json_int_t)g->oldest_wait_ns, "goid", (json_int_t)g->oldest_goid, "system", g->system,
			 "stack", names_of(t, g->stack, g->stack_cnt));
}

static json_t *census_as_json(struct target *t, const struct census *c)
{
	json_t *states = json_object(), *groups = json_array();

	for (int i = 0; i < GOROUTINE_STATE_CNT; i++)
		json_object_set_new(states, goroutine_state_name(i), json_integer((json_int_t)c->states[i]));
	for (size_t i = 0; i < c->group_cnt; i++)
		json_array_append_new(groups, group_as_json(t, &c->groups[i]));
	return json_pack("{sI sI sI sf sI sI sb so so}", "took_ns", (json_int_t)c->took_ns, "total",
			 (json_int_t)c->total, "walked", (json_int_t)c->walked, "scale", c->scale, "system",
			 (json_int_t)c->system, "unreadable", (json_int_t)c->unreadable, "stacks_known",
			 c->stacks_known, "states", states, "groups", groups);
}

static uint64_t cpu_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NS_PER_SEC +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

static int print_census(struct target *t, const struct census_cfg *cfg, int times)
{
	uint64_t cpu = cpu_ns(), least = UINT64_MAX;
	struct census c = {0};
	char why[WHY_SZ] = "";
	int err = 0;
	json_t *o;

	for (int i = 0; i < times && !err; i++) {
		census_deinit(&c);
		err = census_take("", &t->process, cfg, &c, why);
		if (!err && c.took_ns < least)
			least = c.took_ns;
	}
	cpu = (cpu_ns() - cpu) / (uint64_t)times;
	o = err ? json_pack("{si ss}", "error", err, "why", why) : census_as_json(t, &c);
	json_object_set_new(o, "cpu_ns", json_integer((json_int_t)cpu));
	json_object_set_new(o, "least_ns", json_integer((json_int_t)least));
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
	census_deinit(&c);
	return 0;
}

static int print_one(int argc, char **argv)
{
	struct census_cfg cfg = {.blocked = true};
	struct target t = {0};
	char why[WHY_SZ] = "";
	int opt, times = 1, err;
	pid_t pid = 0;

	while ((opt = getopt(argc, argv, "p:sm:a:n:b")) != -1) {
		if (opt == 'p')
			pid = atoi(optarg);
		else if (opt == 's')
			cfg.stacks = true;
		else if (opt == 'm')
			cfg.walk_max = strtoull(optarg, NULL, 10);
		else if (opt == 'a')
			cfg.min_age_ns = atoll(optarg) * (int64_t)NS_PER_MS;
		else if (opt == 'n')
			times = atoi(optarg);
		else if (opt == 'b')
			cfg.blocked = false;
		else
			return 2;
	}
	err = look_at(&t, pid, why);
	if (err)
		fprintf(stderr, "test_census: %s\n", why);
	else
		print_census(&t, &cfg, times);
	forget(&t);
	return err != 0;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return print_one(argc, argv);
	return 0;
}
