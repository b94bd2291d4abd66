/* SPDX-License-Identifier: BSD-2-Clause */
/* Records in, state and trace events out: who an event belongs to, in which order things may come, what is kept of what
 * is gone, and that a dump of one model makes another that shows the same. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "model_scene.h"

static void feed_connect(struct scene *s, uint32_t tgid, uint64_t cpu, uint64_t v2, uint32_t netns)
{
	union event e = {.tcp_connect = {.start_ns = START + NS_PER_SEC, .netns = netns}};

	e.hdr.time_ns = START + NS_PER_SEC + NS_PER_MS;
	e.hdr.cpu_cgid = cpu;
	e.hdr.v2_cgid = v2;
	e.tcp_connect.addr.family = NET_AF_INET;
	feed_event(s, &e, EVENT_TCP_CONNECT, sizeof(e.tcp_connect), tgid);
}

static void test_who_is_meant(void **state)
{
	static const struct {
		uint32_t tgid;
		uint64_t cpu, v2;
		uint32_t netns;
		uint32_t container; /* 0: nobody */
	} rows[] = {
		{11, 0, 0, 0, 1},     /* by process */
		{11, 102, 202, 0, 1}, /* the process knows better than its ids */
		{0, 102, 0, 0, 2},    /* by cgroup of the cpu controller */
		{0, 0, 201, 901, 1},  /* by unified cgroup */
		{0, 0, 0, 901, 0},    /* two containers in one namespace */
		{0, 0, 0, 903, 3},    /* one */
		{77, 0, 0, 903, 0},   /* somebody else in it */
		{0, 1, 1, 0, 0},      /* the root is nobody */
		{0, 100, 0, 0, 0},    /* a pod's own cgroup is none of its containers */
		{0, 555, 555, 555, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct scene *s = NULL;

		assert_int_equal(set_up((void **)&s), 0);
		feed_world(s);
		feed_connect(s, rows[i].tgid, rows[i].cpu, rows[i].v2, rows[i].netns);
		for (uint32_t id = 1; id <= 3; id++)
			if (traced(s, TRACE_TCP_CONNECT, id) != (id == rows[i].container))
				fail_msg("row %zu: container %u has %u", i, id, traced(s, TRACE_TCP_CONNECT, id));
		tear_down((void **)&s);
	}
}

/* Others in the cgroup of a host process are not that process. */
static void test_host_process_is_one(void **state)
{
	struct record_owner host = {.id = 4, .level_cnt = 1, .levels = {104}};
	struct record_process_gone gone = {.pid = 14};
	struct scene *s = *state;

	feed_world(s);
	host.owner.kind = OWNER_HOST;
	host.owner.host_pid = 14;
	host.owner.cpu_cgid = 104;
	feed(s, RECORD_OWNER, &host, sizeof(host));
	feed_process(s, 14, 4, 904, 0);
	feed_connect(s, 77, 104, 0, 904);
	assert_int_equal(s->trace_cnt, 0);
	feed_connect(s, 14, 104, 0, 904);
	assert_int_equal(traced(s, TRACE_TCP_CONNECT, 4), 1);
	feed(s, RECORD_PROCESS_GONE, &gone, sizeof(gone));
	feed_connect(s, 14, 104, 0, 904);
	assert_int_equal(traced(s, TRACE_TCP_CONNECT, 4), 2);
}

static void feed_host(struct scene *s, uint32_t id, int32_t pid, uint64_t cgid, const char *memory, uint64_t gone_ns)
{
	struct record_owner r = {.id = id, .level_cnt = 1, .levels = {cgid}};

	r.owner.kind = OWNER_HOST;
	r.owner.host_pid = pid;
	r.owner.cpu_cgid = cgid;
	r.owner.first_seen_ns = START;
	r.owner.gone_ns = gone_ns;
	snprintf(r.owner.cgroup_memory, sizeof(r.owner.cgroup_memory), "%s", memory);
	feed(s, RECORD_OWNER, &r, sizeof(r));
}

/* Everything that the kernel counts by cgroup, in the second after at. */
static void feed_cgroup_sums(struct scene *s, uint32_t owner, uint64_t cgid, uint64_t at)
{
	struct record_usage usage = {.owner_id = owner,
				     .usage = {.time_ns = at + NS_PER_SEC, .working_set_bytes = 241}};
	union event armed = {.runq_window = {.start_ns = at}}, e = {.throttle = {.start_ns = at + 10}};

	feed(s, RECORD_USAGE, &usage, sizeof(usage));
	e.hdr.time_ns = armed.hdr.time_ns = at + NS_PER_SEC;
	e.hdr.cpu_cgid = cgid;
	feed_event(s, &e, EVENT_THROTTLE, sizeof(e.throttle), 0);
	feed_event(s, &armed, EVENT_RUNQ_WINDOW, sizeof(armed.runq_window), 0);
	armed.hdr.cpu_cgid = cgid;
	armed.runq_window.cnt = armed.runq_window.buckets[80] = 7;
	armed.runq_window.sum_ns = armed.runq_window.max_ns = 7000;
	feed_event(s, &armed, EVENT_RUNQ_WINDOW, sizeof(armed.runq_window), 0);
}

static void feed_wait(struct scene *s, uint32_t tgid, uint32_t rival)
{
	union event e = {.runq = {.start_ns = START + NS_PER_SEC, .prev_tgid = rival, .prev_comm = "app"}};

	e.hdr.time_ns = START + NS_PER_SEC + 20 * NS_PER_MS;
	feed_event(s, &e, EVENT_RUNQ, sizeof(e.runq), tgid);
}

/* What a cgroup uses is a host process's own only where it is the only one there. */
static void test_sums_of_a_shared_cgroup(void **state)
{
	static const struct {
		uint64_t cgid, other; /* 0: nobody else */
		const char *memory, *other_memory;
		uint64_t other_gone_ns;
		int64_t waits, working_set;
	} rows[] = {
		{104, 0, "", "", 0, 7, 241},
		{104, 104, "", "", 0, -1, STAT_UNKNOWN},
		{104, 105, "", "", 0, 7, 241},
		{104, 104, "", "", START + 1, 7, 241}, /* the one before it */
		{1, 0, "", "", 0, -1, STAT_UNKNOWN},   /* the root */
		{104, 105, "/a", "/a", 0, 7, STAT_UNKNOWN},
		{104, 104, "/a", "/b", 0, -1, 241},
		{104, 0, "/", "", 0, 7, STAT_UNKNOWN},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct snapshot_container c;
		struct scene *s = NULL;

		assert_int_equal(set_up((void **)&s), 0);
		feed_session(s);
		feed_host(s, 4, 14, rows[i].cgid, rows[i].memory, 0);
		if (rows[i].other)
			feed_host(s, 5, 15, rows[i].other, rows[i].other_memory, rows[i].other_gone_ns);
		feed_cgroup_sums(s, 4, rows[i].cgid, START + NS_PER_SEC);
		c = container_now(s, 4, START + 3 * NS_PER_SEC);
		if (c.cpu.runq.cnt != rows[i].waits || c.memory.working_set_bytes != rows[i].working_set)
			fail_msg("row %zu: %lld waits, %lld bytes", i, (long long)c.cpu.runq.cnt,
				 (long long)c.memory.working_set_bytes);
		assert_int_equal(c.cpu.intervals, 1); /* a quota holds all of them */
		tear_down((void **)&s);
	}
}

/* All of them are called app. */
static void test_rival_is_told_by_its_process(void **state)
{
	struct scene *s = *state;

	feed_world(s);
	feed_process(s, 21, 2, 901, 0);
	feed_wait(s, 11, 12);
	feed_wait(s, 12, 21);
	feed_wait(s, 13, 0);
	assert_false(container_now(s, 1, START + 2 * NS_PER_SEC).cpu.runq_rival_own);
	assert_true(container_now(s, 2, START + 2 * NS_PER_SEC).cpu.runq_rival_own);
	assert_false(container_now(s, 3, START + 2 * NS_PER_SEC).cpu.runq_rival_own);
}

/* A row that stays for a while after its end shows nothing of those who go on in its cgroup. */
static void test_gone_is_fed_no_more(void **state)
{
	struct scene *s = *state;
	struct snapshot_container c;

	feed_session(s);
	feed_host(s, 4, 14, 104, "", 0);
	feed_cgroup_sums(s, 4, 104, START + NS_PER_SEC);
	feed_host(s, 4, 14, 104, "", START + 3 * NS_PER_SEC);
	feed_cgroup_sums(s, 4, 104, START + 4 * NS_PER_SEC);
	c = container_now(s, 4, START + 6 * NS_PER_SEC);
	assert_true(c.gone);
	assert_int_equal(c.cpu.intervals, 1);
	assert_int_equal(c.cpu.runq.cnt, 7);
	assert_int_equal(model_container_find(s->model, 4)->usage_ns, START + 2 * NS_PER_SEC);
}

/* Connections of a process too young to be known wait for it, for two seconds, and for the right one. */
static void test_connections_wait_for_their_process(void **state)
{
	struct record_tick late = {.time_ns = START + 10 * NS_PER_SEC, .window_ns = NS_PER_SEC};
	struct scene *s = *state;

	feed_world(s);
	feed_connect(s, 77, 0, 0, 0);
	feed_connect(s, 78, 0, 0, 0);
	assert_int_equal(s->trace_cnt, 0);
	feed_process(s, 77, 3, 903, RECORD_PROCESS_STARTED);
	assert_int_equal(traced(s, TRACE_PROCESS_START, 3), 1);
	assert_int_equal(traced(s, TRACE_TCP_CONNECT, 3), 1);
	feed(s, RECORD_TICK, &late, sizeof(late));
	feed_process(s, 78, 3, 903, 0);
	assert_int_equal(traced(s, TRACE_TCP_CONNECT, 3), 1);
}

static void test_more_waiting_than_places(void **state)
{
	uint64_t lost[LOSS_REASON_MAX];
	struct scene *s = *state;

	feed_world(s);
	for (uint32_t pid = 1000; pid < 1300; pid++)
		feed_connect(s, pid, 0, 0, 0);
	model_losses(s->model, SIGNAL_NET_TCP, lost);
	assert_int_equal(lost[LOSS_LIMIT], 0); /* of processes that may be anybody's */
	feed_process(s, 1299, 3, 903, 0);
	assert_int_equal(traced(s, TRACE_TCP_CONNECT, 3), 1);
	feed_process(s, 1043, 3, 903, 0); /* the last one that had to leave */
	assert_int_equal(traced(s, TRACE_TCP_CONNECT, 3), 1);
	model_losses(s->model, SIGNAL_NET_TCP, lost);
	assert_int_equal(lost[LOSS_LIMIT], 1);
}

/* Turned around several times: the newest are there, in their order, and nobody else's. */
static void test_places_are_taken_again(void **state)
{
	struct scene *s = *state;

	feed_world(s);
	for (uint32_t pid = 1000; pid < 1700; pid++)
		feed_connect(s, pid, 0, 0, 0);
	for (int32_t pid = 1690; pid < 1700; pid++)
		feed_process(s, pid, 3, 903, 0);
	assert_int_equal(traced(s, TRACE_TCP_CONNECT, 3), 10);
	for (uint32_t pid = 1700; pid < 1710; pid++)
		feed_connect(s, pid, 0, 0, 0);
	for (int32_t pid = 1444; pid < 1460; pid++) /* the oldest ones */
		feed_process(s, pid, 3, 903, 0);
	feed_process(s, 1709, 3, 903, 0);
	assert_int_equal(traced(s, TRACE_TCP_CONNECT, 3), 27);
	for (unsigned int i = 1; i < s->trace_cnt - 1; i++)
		assert_true(s->pids[i] > s->pids[i - 1] || s->pids[i] == 1444);
}

static void feed_sample(struct scene *s, int32_t pid, int64_t gc_ns, int64_t assist_ns)
{
	struct record_sample r = {.pid = pid};

	r.sample.time_ns = START;
	r.sample.gc_cpu_ns = gc_ns;
	r.sample.assist_ns = assist_ns;
	feed(s, RECORD_SAMPLE, &r, sizeof(r));
}

static void feed_usage(struct scene *s, uint32_t owner, uint64_t time_ns, int64_t cpu_ns)
{
	struct record_usage r = {.owner_id = owner};

	r.usage.time_ns = time_ns;
	r.usage.cpu_ns = cpu_ns;
	feed(s, RECORD_USAGE, &r, sizeof(r));
}

/* GC time of before the first sample that knows it is nobody's, and sums of what no clock can show stay apart. */
static void test_gc_time_known_late(void **state)
{
	static const struct {
		int64_t first, base, end, other; /* gc_cpu_ns of process 11; of 21, at the end */
		double ratio;
	} rows[] = {
		{0, 0, 500000000, 0, 0.5},
		{SAMPLE_UNKNOWN, 9000000000, 9500000000, 0, 0.5},
		{0, 0, 500000000, (1ll << 62) - 1, NAN},
		{-(1ll << 62) + 1, -(1ll << 62) + 1, (1ll << 62) - 1, (1ll << 62) - 1, NAN},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct scene *s = NULL;
		struct snapshot snap;

		assert_int_equal(set_up((void **)&s), 0);
		feed_world(s);
		feed_process(s, 21, 1, 901, 0);
		feed_sample(s, 11, rows[i].first, SAMPLE_UNKNOWN);
		feed_sample(s, 21, 0, 0);
		feed_usage(s, 1, START, 0);
		feed_sample(s, 11, rows[i].base, 0);
		feed_usage(s, 1, START + NS_PER_SEC, NS_PER_SEC);
		feed_sample(s, 11, rows[i].end, 0);
		feed_sample(s, 21, rows[i].other, rows[i].other);
		feed_usage(s, 1, START + 2 * NS_PER_SEC, 2 * NS_PER_SEC);
		assert_int_equal(report_take(s->model, START + 2 * NS_PER_SEC, NS_PER_SEC, &snap), 0);
		for (int k = 0; k < snap.container_cnt; k++)
			if (snap.containers[k].id == 1 && fabs(snap.containers[k].gc.cpu_ratio - rows[i].ratio) > 1e-6)
				fail_msg("row %zu: %g", i, snap.containers[k].gc.cpu_ratio);
		snapshot_deinit(&snap);
		tear_down((void **)&s);
	}
}

static void test_poll_without_value(void **state)
{
	struct record_usage r = {.owner_id = 1, .flags = RECORD_USAGE_FAST};
	struct detail *d = malloc(sizeof(*d));
	struct scene *s = *state;

	assert_non_null(d);
	feed_world(s);
	for (int i = 0; i < 4; i++) {
		r.usage.time_ns = START + (uint64_t)i * 10 * NS_PER_MS;
		r.usage.cpu_ns = i == 2 ? LIMIT_UNKNOWN : i * 1000;
		feed(s, RECORD_USAGE, &r, sizeof(r));
	}
	assert_true(model_detail(s->model, 1, START, START + NS_PER_SEC, d));
	assert_int_equal(d->poll_cnt, 3);
	free(d);
}

/* Steal time falls by a tick now and then; losses begin anew with the probes. */
static void test_counters_that_fall(void **state)
{
	struct record_node r = {.time_ns = START, .busy = 1000, .steal = 50, .total = 2000, .agent_cpu_ns = 7};
	struct record_signal sig = {.id = SIGNAL_GO_GC, .mode = SIGNAL_ON};
	struct scene *s = *state;
	struct snapshot snap;

	feed_world(s);
	sig.counters.lost[LOSS_RING_FULL] = 5;
	feed(s, RECORD_SIGNAL, &sig, sizeof(sig));
	feed(s, RECORD_NODE, &r, sizeof(r));
	sig.counters.lost[LOSS_RING_FULL] = 0;
	feed(s, RECORD_SIGNAL, &sig, sizeof(sig));
	r = (struct record_node){.time_ns = START + NS_PER_SEC, .busy = 999, .steal = 49, .total = 2100};
	feed(s, RECORD_NODE, &r, sizeof(r));
	assert_int_equal(report_take(s->model, START + NS_PER_SEC, NS_PER_SEC, &snap), 0);
	assert_true(snap.cpu_busy_ratio == 0 && snap.steal_ratio == 0 && snap.agent_cpu_ratio == 0);
	assert_int_equal(snap.signals[SIGNAL_GO_GC].lost_window, 0);
	snapshot_deinit(&snap);
}

/* A quota above two containers holds both; the trace has it once. */
static void test_throttle_of_a_pod(void **state)
{
	union event e = {.throttle = {.start_ns = START + NS_PER_SEC}};
	struct scene *s = *state;
	struct snapshot snap;

	feed_world(s);
	e.hdr.time_ns = START + NS_PER_SEC + 50 * NS_PER_MS;
	e.hdr.cpu_cgid = 100;
	feed_event(s, &e, EVENT_THROTTLE, sizeof(e.throttle), 0);
	assert_int_equal(traced(s, TRACE_THROTTLE, 1) + traced(s, TRACE_THROTTLE, 2), 1);
	assert_int_equal(s->durations[0], 50 * NS_PER_MS);
	assert_int_equal(report_take(s->model, START + 2 * NS_PER_SEC, 10 * NS_PER_SEC, &snap), 0);
	assert_int_equal(snap.container_cnt, 3);
	snapshot_deinit(&snap);
}

static void feed_pause(struct scene *s, uint32_t pid, uint32_t reason, uint64_t start, uint64_t end)
{
	union event e = {.gc_pause = {.start_ns = start, .reason = reason, .flags = PAUSE_FROM_REGISTERS}};

	e.hdr.time_ns = end;
	feed_event(s, &e, EVENT_GC_PAUSE, sizeof(e.gc_pause), pid);
}

static void feed_cycle(struct scene *s, uint32_t pid, uint64_t at)
{
	union event start = {.gc_start = {.mark_start_ns = at + 10, .procs = 4}}, end = {0};

	start.hdr.time_ns = at + 20;
	feed_event(s, &start, EVENT_GC_START, sizeof(start.gc_start), pid);
	feed_pause(s, pid, STW_GC_SWEEP_TERM, at, at + 1000);
	end.hdr.time_ns = at + 9000;
	feed_event(s, &end, EVENT_GC_MARK_END, sizeof(end.gc_mark_end), pid);
	feed_pause(s, pid, STW_GC_MARK_TERM, at + 9000, at + 10000);
}

static void test_cycles(void **state)
{
	struct scene *s = *state;
	uint64_t lost[LOSS_REASON_MAX];

	feed_world(s);
	feed_cycle(s, 11, START + NS_PER_SEC);
	assert_int_equal(traced(s, TRACE_GC_CYCLE, 1), 1);
	assert_int_equal(traced(s, TRACE_GC_MARK, 1), 1);
	assert_int_equal(traced(s, TRACE_GC_PAUSE, 1), 2);
	feed_cycle(s, 4711, START + NS_PER_SEC);
	model_losses(s->model, SIGNAL_GO_GC, lost);
	assert_int_equal(lost[LOSS_UNKNOWN_PROCESS], 4);
}

/* A gap on the ring inside a cycle: it must not be closed by the end of a later one. */
static void test_loss_breaks_cycles(void **state)
{
	struct record_signal sig = {.id = SIGNAL_GO_GC, .mode = SIGNAL_ON};
	union event e = {.gc_start = {.mark_start_ns = START, .procs = 4}};
	struct scene *s = *state;

	feed_world(s);
	e.hdr.time_ns = START + 20;
	feed_event(s, &e, EVENT_GC_START, sizeof(e.gc_start), 11);
	sig.counters.hits = sig.counters.lost[LOSS_RING_FULL] = 1;
	feed(s, RECORD_SIGNAL, &sig, sizeof(sig));
	feed_pause(s, 11, STW_GC_MARK_TERM, START + 9000, START + 10000);
	assert_int_equal(traced(s, TRACE_GC_CYCLE, 1), 0);
}

static void test_process_ends(void **state)
{
	struct record_process_gone gone = {.pid = 11, .has_exit = 1, .exit_code = 9, .time_ns = START + NS_PER_SEC};
	struct record_id forget = {.id = 1, .time_ns = START + 70 * NS_PER_SEC};
	struct scene *s = *state;
	struct detail *d = malloc(sizeof(*d));

	assert_non_null(d);
	feed_world(s);
	feed(s, RECORD_PROCESS_GONE, &gone, sizeof(gone));
	assert_int_equal(traced(s, TRACE_PROCESS_EXIT, 1), 1);
	assert_int_equal(s->pids[0], 11);
	assert_true(model_detail(s->model, 1, START, START + NS_PER_SEC, d));
	assert_int_equal(d->note_cnt, 1);
	assert_string_equal(d->notes[0].text, "process 11 ended: killed by signal 9");
	assert_int_equal(model_container_find(s->model, 1)->process_cnt, 0);
	feed(s, RECORD_PROCESS_GONE, &gone, sizeof(gone)); /* told twice */
	feed(s, RECORD_OWNER_GONE, &forget, sizeof(forget));
	assert_null(model_container_find(s->model, 1));
	assert_false(model_detail(s->model, 1, START, START + NS_PER_SEC, d));
	free(d);
}

/* The owner goes before its process (no order is sworn): nothing dangles. */
static void test_owner_goes_first(void **state)
{
	struct record_id forget = {.id = 1};
	struct scene *s = *state;

	feed_world(s);
	feed(s, RECORD_OWNER_GONE, &forget, sizeof(forget));
	feed_cycle(s, 11, START + NS_PER_SEC);
	assert_int_equal(s->trace_cnt, 0);
	feed_owner(s, 1, "cart", 101, 100, 201);
	feed_process(s, 11, 1, 901, 0);
	feed_cycle(s, 11, START + 2 * NS_PER_SEC);
	assert_int_equal(traced(s, TRACE_GC_CYCLE, 1), 1);
}

static void feed_assist(struct scene *s, uint32_t tgid, uint64_t end_ns, uint64_t cnt)
{
	union event e = {.gc_assist = {.start_ns = end_ns - NS_PER_MS, .goid = 18}};

	e.hdr.time_ns = end_ns;
	if (cnt)
		e.gc_assists.cnt = cnt;
	feed_event(s, &e, cnt ? EVENT_GC_ASSISTS : EVENT_GC_ASSIST, cnt ? sizeof(e.gc_assists) : sizeof(e.gc_assist),
		   tgid);
}

static void expect_assists(struct scene *s, int64_t assists, int64_t waits)
{
	struct snapshot_container c = container_now(s, 1, START + 3 * NS_PER_SEC);

	if (c.gc.assists != assists || c.gc.assist_waits != waits ||
	    (c.gc.assist_wait.cnt == -1) != (waits == STAT_UNKNOWN))
		fail_msg("%ld assists, %ld waits", (long)c.gc.assists, (long)c.gc.assist_waits);
}

/* Assists are known where go_assist is on and sees all processes of the container; what it sees of one is not the sum.
 */
static void test_assists(void **state)
{
	const uint32_t counted = RECORD_PROCESS_ASSISTS, whole = counted | RECORD_PROCESS_ASSIST_WAITS;
	struct record_signal on = {.id = SIGNAL_GO_ASSIST, .mode = SIGNAL_ON};
	struct scene *s = *state;

	feed_world(s);
	expect_assists(s, STAT_UNKNOWN, STAT_UNKNOWN);
	feed(s, RECORD_SIGNAL, &on, sizeof(on));
	expect_assists(s, STAT_UNKNOWN, STAT_UNKNOWN);
	feed_process(s, 11, 1, 901, whole);
	expect_assists(s, 0, 0);
	feed_assist(s, 11, START + 2 * NS_PER_SEC, 0);
	feed_assist(s, 11, START + 2 * NS_PER_SEC, 40);
	feed_assist(s, 4444, START + 2 * NS_PER_SEC, 0); /* of nobody */
	expect_assists(s, 40, 1);
	assert_int_equal(traced(s, TRACE_GC_ASSIST, 1), 1);
	assert_int_equal(s->trace_cnt, 1);
	feed_process(s, 11, 1, 901, counted);
	expect_assists(s, 40, STAT_UNKNOWN);
	feed_process(s, 11, 1, 901, whole);
	feed_process(s, 15, 1, 901, 0); /* one more in the container, which is not seen */
	expect_assists(s, STAT_UNKNOWN, STAT_UNKNOWN);
	feed_process(s, 15, 1, 901, whole);
	expect_assists(s, 40, 1);
	on.mode = SIGNAL_OFF;
	feed(s, RECORD_SIGNAL, &on, sizeof(on));
	expect_assists(s, STAT_UNKNOWN, STAT_UNKNOWN);
}

static void test_oom(void **state)
{
	union event e = {.oom_kill = {.anon_rss_bytes = 64u << 20, .comm = "eater"}};
	struct record_usage usage = {.owner_id = 3, .usage = {.time_ns = START + 2 * NS_PER_SEC}};
	struct scene *s = *state;
	struct snapshot snap;

	feed_world(s);
	e.hdr.time_ns = START + NS_PER_SEC;
	e.hdr.cpu_cgid = 103; /* a sidecar's process: no Go, but in the container's cgroup */
	feed_event(s, &e, EVENT_OOM_KILL, sizeof(e.oom_kill), 5555);
	assert_int_equal(traced(s, TRACE_OOM_KILL, 3), 1);
	e.hdr.time_ns += 12 * NS_PER_MS; /* another thread of it, which was dying already */
	feed_event(s, &e, EVENT_OOM_KILL, sizeof(e.oom_kill), 5555);
	assert_int_equal(s->trace_cnt, 1);
	assert_int_equal(report_take(s->model, START + 2 * NS_PER_SEC, 10 * NS_PER_SEC, &snap), 0);
	for (int i = 0; i < snap.container_cnt; i++)
		assert_int_equal(snap.containers[i].memory.oom_kills_window, snap.containers[i].id == 3);
	snapshot_deinit(&snap);
	feed_event(s, &e, EVENT_OOM_KILL, sizeof(e.oom_kill), 5556); /* another process */
	assert_int_equal(traced(s, TRACE_OOM_KILL, 3), 2);
	assert_int_equal(container_now(s, 3, START + 2 * NS_PER_SEC).memory.oom_kills, 2); /* the cgroup was not read */
	usage.usage.oom_kills = 1;
	feed(s, RECORD_USAGE, &usage, sizeof(usage));
	assert_int_equal(container_now(s, 3, START + 2 * NS_PER_SEC).memory.oom_kills, 2);
	usage.usage.oom_kills = 5; /* before our time */
	feed(s, RECORD_USAGE, &usage, sizeof(usage));
	assert_int_equal(container_now(s, 3, START + 2 * NS_PER_SEC).memory.oom_kills, 5);
}

/* What a signal that is off would tell is unknown, not nothing. */
static void test_signal_off_is_unknown(void **state)
{
	struct record_signal sig = {.id = SIGNAL_NET_TCP, .mode = SIGNAL_ON};
	struct scene *s = *state;
	struct snapshot snap;

	feed_world(s);
	assert_int_equal(report_take(s->model, START + NS_PER_SEC, NS_PER_SEC, &snap), 0);
	assert_false(snap.containers[0].net.on);
	assert_int_equal(snap.containers[0].net.rtt.cnt, -1);
	snapshot_deinit(&snap);
	feed(s, RECORD_SIGNAL, &sig, sizeof(sig));
	assert_int_equal(report_take(s->model, START + NS_PER_SEC, NS_PER_SEC, &snap), 0);
	assert_true(snap.containers[0].net.on);
	assert_int_equal(snap.containers[0].net.rtt.cnt, 0);
	snapshot_deinit(&snap);
}

static void test_dump(void **state)
{
	struct scene *s = *state, *t = NULL;

	feed_world(s);
	assert_int_equal(set_up((void **)&t), 0);
	assert_int_equal(model_dump(s->model, copy_record, t), 0);
	assert_int_equal(model_container_cnt(t->model), 3);
	assert_string_equal(model_container_find(t->model, 2)->owner.pod, "cart2");
	feed_cycle(t, 12, START + NS_PER_SEC);
	assert_int_equal(traced(t, TRACE_GC_CYCLE, 2), 1);
	assert_int_equal(traced(t, TRACE_PROCESS_START, 2), 0);
	assert_string_equal(model_session(t->model)->node_name, "n1");
	tear_down((void **)&t);
}

static void test_losses_are_told(void **state)
{
	struct record_signal sig = {.id = SIGNAL_CPU_THROTTLE, .mode = SIGNAL_ON};
	struct scene *s = *state;

	feed_world(s);
	sig.counters.lost[LOSS_RING_FULL] = 5;
	feed(s, RECORD_SIGNAL, &sig, sizeof(sig));
	feed_cycle(s, 4711, START + NS_PER_SEC);
	assert_int_equal(model_trace_losses(s->model, START), 5 + 4);
	assert_int_equal(traced(s, TRACE_LOST, 0), 2);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_meant),
		CASE(test_host_process_is_one),
		cmocka_unit_test(test_sums_of_a_shared_cgroup),
		CASE(test_rival_is_told_by_its_process),
		CASE(test_gone_is_fed_no_more),
		CASE(test_connections_wait_for_their_process),
		CASE(test_more_waiting_than_places),
		CASE(test_places_are_taken_again),
		cmocka_unit_test(test_gc_time_known_late),
		CASE(test_poll_without_value),
		CASE(test_counters_that_fall),
		CASE(test_throttle_of_a_pod),
		CASE(test_cycles),
		CASE(test_loss_breaks_cycles),
		CASE(test_process_ends),
		CASE(test_owner_goes_first),
		CASE(test_assists),
		CASE(test_oom),
		CASE(test_signal_off_is_unknown),
		CASE(test_dump),
		CASE(test_losses_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
