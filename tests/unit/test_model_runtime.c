/* SPDX-License-Identifier: BSD-2-Clause */
/* What Go runtimes tell, from records to the snapshot: several processes of one container, what is unknown, cycles
 * without probes, and that a dump of one model makes another that shows the same. */
#include "model_scene.h"

#include "runtime/census.h"

static void feed_waits(struct scene *s, int32_t pid, uint64_t end_ns, uint32_t cnt, uint32_t diluted)
{
	struct record_latency r = {.pid = pid, .diluted = diluted};

	r.latency.start_ns = end_ns - NS_PER_SEC;
	r.latency.end_ns = end_ns;
	r.latency.cnt = r.latency.buckets[100] = cnt;
	feed(s, RECORD_LATENCY, &r, sizeof(r));
}

static void feed_census(struct scene *s, int32_t pid, uint64_t time_ns, uint64_t cnt, int64_t wait_ns)
{
	struct record_census r = {.pid = pid, .group_cnt = 1, .time_ns = time_ns, .total = cnt, .waiting = cnt};

	r.groups[0].cnt = cnt;
	r.groups[0].oldest_wait_ns = wait_ns;
	r.groups[0].created_pc = 0x401000;
	r.groups[0].state = GOROUTINE_WAITING;
	snprintf(r.groups[0].created, sizeof(r.groups[0].created), "main.serve");
	feed(s, RECORD_CENSUS, &r, sizeof(r));
}

static void feed_resources(struct scene *s, int32_t pid, int64_t rss)
{
	struct record_resources r = {.pid = pid, .fds = 12, .fd_limit = 1024, .os_threads = 9, .rss_bytes = rss};

	r.maxprocs_by = MAXPROCS_CODE;
	r.thread_limit = -1;
	r.time_ns = START;
	feed(s, RECORD_RESOURCES, &r, sizeof(r));
}

static void feed_full_sample(struct scene *s, int32_t pid, uint64_t time_ns, int64_t mapped, int64_t idle)
{
	struct record_sample r = {.pid = pid};

	r.sample.time_ns = time_ns;
	r.sample.mapped_ready_bytes = mapped;
	r.sample.memory_total_bytes = 900;
	r.sample.memory_released_bytes = 300;
	r.sample.procs_idle = idle;
	r.sample.gomaxprocs = 4;
	r.sample.queue_global = 1;
	r.sample.queue_local = 2;
	r.sample.threads = 7;
	r.sample.goroutines = 20;
	feed(s, RECORD_SAMPLE, &r, sizeof(r));
}

/* Two processes of one container: waits and censuses are put together, each once. */
static void test_scheduler(void **state)
{
	uint64_t at = START + 4 * NS_PER_SEC;
	struct scene *s = *state;
	struct snapshot_container c;

	feed_world(s);
	feed_process(s, 21, 1, 901, 0);
	assert_int_equal(container_now(s, 1, at).sched.latency.cnt, -1);
	assert_false(container_now(s, 1, at).sched.on);
	feed_waits(s, 11, at, 30, 0);
	feed_waits(s, 21, at + NS_PER_MS, 12, 1);
	feed_waits(s, 13, at, 5, 0);  /* another container's */
	feed_waits(s, 999, at, 5, 0); /* nobody's */
	feed_census(s, 11, at, 40, -1);
	feed_census(s, 21, at - NS_PER_SEC, 2, -1);
	feed_full_sample(s, 11, at, 1000, 0);
	feed_full_sample(s, 21, at, 1000, 1);
	c = container_now(s, 1, at + 2 * NS_PER_SEC);
	assert_int_equal(c.sched.latency.cnt, 42);
	assert_true(c.sched.diluted && c.sched.on);
	assert_int_equal(c.sched.waiting, 42);
	assert_int_equal(c.sched.group_cnt, 2);
	assert_int_equal(c.sched.groups[1].pid, 21);
	assert_true(c.sched.census_age_seconds == 3);
	assert_int_equal(c.sched.procs, 8);
	assert_int_equal(c.sched.procs_idle, 1);
	assert_int_equal(c.sched.queue, 6);
	assert_int_equal(c.sched.threads, 14);
	assert_true(c.sched.idle_p_ratio == 0.5);
	assert_int_equal(container_now(s, 2, at).sched.latency.cnt, -1);
}

/* Go's memory and the rest of what is resident; one process of which it is not known makes the sum unknown. */
static void test_go_memory(void **state)
{
	static const struct {
		int64_t mapped, rss, other_rss; /* of 11; of 21, which has 1000; -1: not read */
		int64_t go, non_go;
	} rows[] = {
		{1000, 1500, 1100, 2000, 600},
		{1000, 700, 1100, 2000, 100}, /* pages of Go that were never touched are no negative rest */
		{1000, 1500, -1, 2000, STAT_UNKNOWN},
		{1000, 1500, SAMPLE_UNKNOWN, 2000, STAT_UNKNOWN},
		{SAMPLE_UNKNOWN, 1500, 1100, 1600, 1000}, /* before 1.19: 900 - 300 */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct snapshot_container c;
		struct scene *s = NULL;

		assert_int_equal(set_up((void **)&s), 0);
		feed_world(s);
		feed_process(s, 21, 1, 901, 0);
		assert_int_equal(container_now(s, 1, START + NS_PER_SEC).memory.go_bytes, STAT_UNKNOWN);
		feed_full_sample(s, 11, START, rows[i].mapped, 0);
		feed_full_sample(s, 21, START, 1000, 0);
		feed_resources(s, 11, rows[i].rss);
		if (rows[i].other_rss != -1)
			feed_resources(s, 21, rows[i].other_rss);
		c = container_now(s, 1, START + NS_PER_SEC);
		if (c.memory.go_bytes != rows[i].go || c.memory.non_go_bytes != rows[i].non_go)
			fail_msg("row %zu: %lld, %lld", i, (long long)c.memory.go_bytes,
				 (long long)c.memory.non_go_bytes);
		tear_down((void **)&s);
	}
}

/* Cycles that only the pause ring tells of; where go_gc works they would count twice. */
static void test_passive_cycles(void **state)
{
	struct record_pauses r = {.cnt = 3, .missed = 2};
	struct record_process p = {.pid = 31, .owner_id = 3, .flags = RECORD_PROCESS_WATCHED};
	uint64_t lost[LOSS_REASON_MAX];
	struct scene *s = *state;
	struct snapshot_container c;

	feed_world(s);
	for (uint32_t i = 0; i < 3; i++)
		r.pauses[i] = (struct runtime_pause){7001 * NS_PER_SEC + i * NS_PER_MS, (i + 1) * 100000, i};
	r.pid = 13;
	feed(s, RECORD_PAUSES, &r, sizeof(r));
	assert_int_equal(container_now(s, 3, START + 2 * NS_PER_SEC).gc.cycles, 0);
	assert_false(container_now(s, 3, START + 2 * NS_PER_SEC).gc.passive);
	feed_process(s, 13, 3, 903, 0);
	feed(s, RECORD_PROCESS, &p, sizeof(p));
	r.pid = 31;
	feed(s, RECORD_PAUSES, &r, sizeof(r));
	c = container_now(s, 3, START + 2 * NS_PER_SEC);
	assert_true(c.gc.passive && c.gc.on);
	assert_int_equal(c.gc.cycles, 3);
	assert_true(fabs(c.gc.pause.sum - 0.0006) < 1e-9);
	assert_int_equal(container_now(s, 3, START + NS_PER_SEC).gc.cycles, 1); /* the others come after it */
	model_losses(s->model, SIGNAL_GO_RUNTIME, lost);
	assert_int_equal(lost[LOSS_LIMIT], 2);
	p.pid = 13; /* go_gc is off for all of them: each stop is unknown, cycles are not */
	feed(s, RECORD_PROCESS, &p, sizeof(p));
	c = container_now(s, 3, START + 2 * NS_PER_SEC);
	assert_true(c.gc.passive && !c.gc.on);
	assert_int_equal(c.gc.cycles, 3);
	assert_int_equal(c.gc.pause.cnt, 3);
	assert_int_equal(c.gc.long_pauses, STAT_UNKNOWN);
	assert_int_equal(c.gc.mark.cnt, -1);
}

/* A recording that begins later shows what grew before it. */
static void test_dump_of_runtimes(void **state)
{
	uint64_t at = START + 200 * NS_PER_SEC;
	struct scene *s = *state, *t = NULL;
	struct snapshot_container a, b;

	feed_world(s);
	feed_resources(s, 12, 5000);
	feed_waits(s, 12, START + NS_PER_SEC, 3, 1);
	for (uint64_t i = 0; i <= 20; i++)
		feed_census(s, 12, START + i * 10 * NS_PER_SEC, 100 + i * 10, (int64_t)((i * 10 + 1) * NS_PER_SEC));
	assert_int_equal(set_up((void **)&t), 0);
	assert_int_equal(model_dump(s->model, copy_record, t), 0);
	feed_full_sample(s, 12, at, 1000, 0);
	feed_full_sample(t, 12, at, 1000, 0);
	a = container_now(s, 2, at);
	b = container_now(t, 2, at);
	assert_int_equal(a.sched.groups[0].mark, CENSUS_MAYBE_LEAK);
	assert_memory_equal(a.sched.groups, b.sched.groups, sizeof(a.sched.groups));
	assert_int_equal(a.sched.latency.cnt, 0);
	assert_int_equal(b.sched.latency.cnt, 0);
	assert_int_equal(a.memory.non_go_bytes, 4000);
	assert_int_equal(b.memory.non_go_bytes, 4000);
	tear_down((void **)&t);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(test_scheduler),
		cmocka_unit_test(test_go_memory),
		CASE(test_passive_cycles),
		CASE(test_dump_of_runtimes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
