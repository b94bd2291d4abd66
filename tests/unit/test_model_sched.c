/* SPDX-License-Identifier: BSD-2-Clause */
/* Goroutine windows from records to traces and the snapshot, what we cost a process, and that a dump in the middle of a
 * window makes another model that goes on. */
#include "model_scene.h"

#define AT(us) (START + (us)*1000ull)
#define G      0xc000002000ull

static void feed_name(struct scene *s, int32_t pid, uint32_t what, uint64_t id, const char *function, const char *at)
{
	struct record_sched_name r = {.pid = pid, .what = what, .id = id};

	snprintf(r.function, sizeof(r.function), "%s", function);
	snprintf(r.at, sizeof(r.at), "%s", at);
	feed(s, RECORD_SCHED_NAME, &r, sizeof(r));
}

static void feed_window(struct scene *s, int32_t pid, uint64_t id, uint32_t end, uint64_t end_us)
{
	struct record_sched_window r = {.pid = pid, .end = end, .id = id, .start_ns = AT(0)};

	if (end != SCHED_WINDOW_OPEN) {
		r.end_ns = AT(end_us);
		r.hits[GO_SCHED_RUN] = 2;
		r.lost[GO_SCHED_LOST_RING] = 3;
		r.cost_ns = 4e6;
		r.cpu_ns = 400000000;
	}
	feed(s, RECORD_SCHED_WINDOW, &r, sizeof(r));
}

static void feed_switches(struct scene *s, int32_t pid, const struct go_sched_event *e, uint32_t cnt)
{
	struct record_go_sched r = {.pid = pid, .cnt = cnt};

	memcpy(r.events, e, cnt * sizeof(*e));
	feed(s, RECORD_GO_SCHED, &r, RECORD_GO_SCHED_SZ(cnt));
}

/* Created by goroutine 1, runs, parks. */
static const struct go_sched_event first_half[] = {
	{.time_ns = AT(10), .kind = GO_SCHED_NEW, .g = G, .goid = 1, .arg = 0x500, .startpc = 0x600},
	{.time_ns = AT(30), .kind = GO_SCHED_RUN, .g = G, .goid = 7, .p = 1},
	{.time_ns = AT(90), .kind = GO_SCHED_PARK, .g = G, .goid = 7, .reason = 14, .arg = 0x77},
};
/* The network wakes it, it runs until the window ends. */
static const struct go_sched_event second_half[] = {
	{.time_ns = AT(200), .kind = GO_SCHED_NETPOLL, .g = G},
	{.time_ns = AT(240), .kind = GO_SCHED_RUN, .g = G, .goid = 7, .p = 0},
};

static void feed_names(struct scene *s, int32_t pid)
{
	feed_name(s, pid, SCHED_NAME_CREATED, 0x500, "main.serve", "serve.go:12");
	feed_name(s, pid, SCHED_NAME_FUNCTION, 0x600, "main.worker", "");
	feed_name(s, pid, SCHED_NAME_STACK, 0x77, "main.read", "read.go:3");
	feed_name(s, pid, SCHED_NAME_REASON, 14, "IO wait", "");
}

static void check_window(struct scene *s)
{
	struct snapshot_container c = container_now(s, 1, AT(2000000));
	const struct snapshot_sched_window *w = &c.sched.window;

	assert_int_equal(w->windows, 1);
	assert_int_equal(w->open, 0);
	assert_true(fabs(w->seconds - 0.0004) < 1e-9);
	assert_int_equal(w->latency.cnt, 2);
	assert_int_equal(w->netpoll.cnt, 1);
	assert_true(fabs(w->latency.sum - 60e-6) < 1e-9 && fabs(w->netpoll.max - 40e-6) < 1e-9);
	assert_int_equal(w->runs, 2);
	assert_int_equal(w->created, 1);
	assert_int_equal(w->lost, 3);
	assert_true(w->cost_seconds == 0.004 && w->cpu_seconds == 0.4);
	assert_int_equal(w->end, SCHED_WINDOW_TIME);
	assert_int_equal(w->site_cnt, 1);
	assert_string_equal(w->sites[0].function, "main.serve");
	assert_string_equal(w->sites[0].at, "serve.go:12");
	assert_int_equal(w->sites[0].cnt, 1);
	assert_int_equal(w->wait_cnt, 1);
	assert_int_equal(w->waits[0].cnt, 2);
	assert_int_equal(w->park_cnt, 1);
	assert_string_equal(w->parks[0].function, "IO wait at main.read");
	assert_string_equal(w->parks[0].at, "read.go:3");
}

static void test_window(void **state)
{
	struct scene *s = *state;

	feed_world(s);
	assert_int_equal(container_now(s, 1, AT(5)).sched.window.latency.cnt, -1);
	feed_window(s, 11, 1, SCHED_WINDOW_OPEN, 0);
	assert_int_equal(container_now(s, 1, AT(5)).sched.window.open, 1);
	feed_names(s, 11);
	feed_switches(s, 11, first_half, 3);
	feed_switches(s, 11, second_half, 2);
	feed_window(s, 11, 1, SCHED_WINDOW_TIME, 400);
	assert_int_equal(traced(s, TRACE_SCHED_WAIT, 1), 2);
	assert_int_equal(traced(s, TRACE_SCHED_RUN, 1), 2); /* the second one is cut by the end */
	assert_int_equal(traced(s, TRACE_SCHED_PARK, 1), 1);
	assert_int_equal(s->kinds[s->trace_cnt - 1], TRACE_SCHED_WINDOW);
	assert_int_equal(s->durations[s->trace_cnt - 1], 400000);
	check_window(s);
	/* The last one stays, however old. */
	assert_int_equal(container_now(s, 1, AT(200000000)).sched.window.windows, 1);
	assert_int_equal(container_now(s, 2, AT(2000000)).sched.window.windows, 0);
}

static void test_dump(void **state)
{
	struct scene *s = *state, *other = NULL;

	feed_world(s);
	feed_window(s, 11, 1, SCHED_WINDOW_OPEN, 0);
	feed_names(s, 11);
	assert_int_equal(set_up((void **)&other), 0);
	assert_int_equal(model_dump(s->model, copy_record, other), 0);
	assert_int_equal(container_now(other, 1, AT(5)).sched.window.open, 1);
	feed_window(other, 11, 1, SCHED_WINDOW_OPEN, 0); /* again, from the ring */
	feed_switches(other, 11, first_half, 3);
	feed_switches(other, 11, second_half, 2);
	feed_window(other, 11, 1, SCHED_WINDOW_TIME, 400);
	check_window(other);
	tear_down((void **)&other);
}

/* Without its begin, and of nobody. */
static void test_strays(void **state)
{
	uint64_t lost[LOSS_REASON_MAX];
	struct scene *s = *state;

	feed_world(s);
	feed_switches(s, 999, first_half, 3);
	feed_window(s, 999, 1, SCHED_WINDOW_TIME, 400);
	model_losses(s->model, SIGNAL_GO_SCHED, lost);
	assert_int_equal(lost[LOSS_UNKNOWN_PROCESS], 3);
	feed_switches(s, 11, second_half, 2);
	assert_int_equal(container_now(s, 1, AT(300)).sched.window.open, 1);
	feed_window(s, 11, 1, SCHED_WINDOW_TIME, 400);
	assert_int_equal(container_now(s, 1, AT(500)).sched.window.latency.cnt, 1);
}

static void test_gone(void **state)
{
	struct record_process_gone gone = {.pid = 11, .time_ns = AT(300)};
	struct scene *s = *state;
	struct snapshot_container c;

	feed_world(s);
	feed_window(s, 11, 1, SCHED_WINDOW_OPEN, 0);
	feed_switches(s, 11, first_half, 2);
	feed(s, RECORD_PROCESS_GONE, &gone, sizeof(gone));
	assert_int_equal(traced(s, TRACE_SCHED_RUN, 1), 1);
	assert_int_equal(traced(s, TRACE_SCHED_WINDOW, 1), 1);
	c = container_now(s, 1, AT(500));
	assert_int_equal(c.sched.window.open, 0);
	assert_int_equal(c.sched.window.end, SCHED_WINDOW_GONE);
	assert_true(isnan(c.sched.window.cost_seconds)); /* nobody told it */
}

/* The end of the first one was lost: the second one ends it. */
static void test_opened_twice(void **state)
{
	struct scene *s = *state;
	struct snapshot_container c;

	feed_world(s);
	feed_window(s, 11, 1, SCHED_WINDOW_OPEN, 0);
	feed_switches(s, 11, first_half, 2);
	feed_window(s, 11, 2, SCHED_WINDOW_OPEN, 0);
	c = container_now(s, 1, AT(500));
	assert_int_equal(c.sched.window.windows, 1);
	assert_int_equal(c.sched.window.open, 1);
	assert_int_equal(c.sched.window.end, SCHED_WINDOW_GONE);
	assert_true(c.sched.window.lost == STAT_UNKNOWN);
}

static void feed_overhead(struct scene *s, int32_t pid, unsigned int second, double sched_ns, uint32_t off)
{
	struct record_overhead r = {.pid = pid, .off = off, .time_ns = START + second * NS_PER_SEC};

	r.cpu_ns = (1 + second) * NS_PER_SEC;
	r.cost_ns[OVERHEAD_GO_SCHED] = sched_ns;
	r.max_ratio = 0.005;
	r.next_ns = off ? START + 12 * NS_PER_SEC : 0;
	feed(s, RECORD_OVERHEAD, &r, sizeof(r));
}

static void test_overhead(void **state)
{
	struct scene *s = *state;
	struct snapshot_overhead o;

	feed_world(s);
	assert_true(isnan(container_now(s, 1, START).overhead.max_ratio));
	feed_process(s, 21, 1, 901, 0);
	for (unsigned int i = 0; i <= 10; i++) {
		feed_overhead(s, 11, i, i * 5e6, 0); /* 0.5 % */
		feed_overhead(s, 21, i, i * 1e6, 1u << OVERHEAD_GO_ASSIST);
	}
	o = container_now(s, 1, START + 10 * NS_PER_SEC).overhead;
	assert_true(fabs(o.ratio[OVERHEAD_GO_SCHED] - 0.003) < 1e-9 && o.ratio[OVERHEAD_GO_GC] == 0);
	assert_true(fabs(o.worst_ratio - 0.005) < 1e-9 && o.max_ratio == 0.005 && o.next_seconds == 2);
	assert_int_equal(o.off, 1u << OVERHEAD_GO_ASSIST);
	o = container_now(s, 1, START + 100 * NS_PER_SEC).overhead;
	assert_true(isnan(o.ratio[OVERHEAD_GO_SCHED]) && o.max_ratio == 0.005);
	/* Each cost once: 50 ms and 10 ms, told eleven times. */
	assert_true(fabs(model_container_find(s->model, 1)->cost_ns - 60e6) < 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_window, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dump, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_strays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_opened_twice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_overhead, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
