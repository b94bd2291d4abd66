/* SPDX-License-Identifier: BSD-2-Clause */
/* Spans as OTLP/JSON: one run compared with tests/golden/spans.json, which tests/tools/test_otlp.py reads back with
 * OpenTelemetry's own classes; then what is sent and what is held back, who is whose parent, what links to what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <malloc.h>
#include <cmocka.h>

#include "export/exporter.h"
#include "golden.h"
#include "json_check.h"
#include "trace_events.h"

struct run {
	struct exporter *x;
	struct exporter_cfg cfg;
	char *text;
	size_t sz;
	json_t *spans; /* of all lines, in order */
};

static void run_open(struct run *r, struct exporter_cfg cfg)
{
	memset(r, 0, sizeof(*r));
	r->cfg = cfg;
	r->cfg.file = open_memstream(&r->text, &r->sz);
	r->cfg.node_name = "ip-10-1-4-17";
	r->cfg.agent_version = "0.1";
	r->cfg.seed = 42;
	assert_int_equal(otlp_json_exporter.open(&r->cfg, &r->x), 0);
}

static void feed(struct run *r, struct trace_event e)
{
	assert_int_equal(otlp_json_exporter.event(r->x, &e), 0);
}

static void collect(struct run *r, json_t *line)
{
	size_t i, k;
	json_t *resource, *span;

	json_array_foreach(at(line, "resourceSpans"), i, resource)
	{
		at(resource, "resource.attributes");
		json_array_foreach(at(resource, "scopeSpans.0.spans"), k, span) json_array_append(r->spans, span);
	}
}

static void run_end(struct run *r)
{
	char *copy, *save = NULL;

	assert_int_equal(otlp_json_exporter.end(r->x), 0);
	fflush(r->cfg.file);
	r->spans = json_array();
	copy = strdup(r->text);
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		json_t *root = parse(line);

		collect(r, root);
		json_decref(root);
	}
	free(copy);
}

static void run_close(struct run *r)
{
	otlp_json_exporter.free(r->x);
	fclose(r->cfg.file);
	json_decref(r->spans);
	free(r->text);
}

static const char *get(const struct run *r, size_t i, const char *path)
{
	return json_string_value(at(json_array_get(r->spans, i), path));
}

/* Names of all spans in order (within a line: by resource), "a b c", and how many were held back. */
static void check(struct run *r, const char *names, uint64_t held_back)
{
	struct str got;
	size_t i;
	json_t *span;

	run_end(r);
	str_init(&got);
	json_array_foreach(r->spans, i, span) str_addf(&got, "%s%s", i ? " " : "", json_string_value(at(span, "name")));
	assert_string_equal(str_get(&got), names);
	assert_int_equal(otlp_json_exporter.held_back(r->x), held_back);
	str_deinit(&got);
}

#define DEFAULTS                                                                                                       \
	(struct exporter_cfg)                                                                                          \
	{                                                                                                              \
		0                                                                                                      \
	}

/* A cycle as the model gives it: sweep termination, mark phase, mark termination, then the cycle. */
static void feed_cycle(struct run *r, double end_ms, double length_ms, double pause_ms)
{
	union event u = {0};
	struct gc_cycle_done d = {0};

	feed(r, t_pause(end_ms - length_ms + 0.1, 0.1, STW_GC_SWEEP_TERM, &u));
	feed(r, t_cycle(TRACE_GC_MARK, end_ms - pause_ms, length_ms - pause_ms - 0.1, &d));
	feed(r, t_pause(end_ms, pause_ms, STW_GC_MARK_TERM, &u));
	feed(r, t_cycle(TRACE_GC_CYCLE, end_ms, length_ms, &d));
}

static void feed_others(struct run *r)
{
	struct record_process further = *t_process();
	union event u = {0};
	struct trace_event e;

	feed(r, t_runq(200, 62.5, 40, &u));
	feed(r, t_connect(210, 127000, ETIMEDOUT, &u));
	feed(r, t_connect(211, 120, 0, &u));
	feed(r, t_dns(220, 2, DNS_ANSWERED, 3, "db.shop.svc.cluster.local", &u));
	feed(r, t_dns(221, 5000, DNS_TIMEOUT, DNS_RCODE_UNKNOWN, "", &u));
	e = t_pause(230, 12, STW_GOMAXPROCS, &u);
	further.pid = e.pid = 48300;
	further.vpid = 19;
	e.process = &further;
	feed(r, e);
	e = t_pause(231, 15, STW_UNKNOWN, &u);
	e.owner = NULL;
	e.process = NULL;
	e.container_id = 0;
	memcpy(u.gc_pause.text, "\377write\"", 7);
	feed(r, e);
	for (int k = 0; k < TRACE_KIND_CNT; k++) {
		e = t_event((enum trace_kind)k, 240, 500);
		if (k == TRACE_SCHED_WAIT || k == TRACE_SCHED_WINDOW)
			continue; /* test_goroutine_waits, test_goroutine_windows */
		if (k == TRACE_TCP_RETRANSMIT || k == TRACE_TCP_RESET || k == TRACE_THROTTLE_MISSED ||
		    k >= TRACE_OOM_KILL)
			feed(r, e); /* no spans, so not even looked into */
	}
}

/* Of what a goroutine window tells, waits for a P of 5 ms and more. */
static void test_goroutine_waits(void **state)
{
	struct goroutine_span span = {.kind = SPAN_WAIT, .goid = 9, .wake = WAKE_READY, .waker = 5};
	struct trace_event e = t_event(TRACE_SCHED_WAIT, 0, 5);
	struct run r;

	run_open(&r, DEFAULTS);
	e.u.sched = (struct trace_sched){&span, "main.worker", "main.main", "main.go:7", "", "", ""};
	feed(&r, e);
	e.duration_ns--;
	feed(&r, e);
	e.kind = TRACE_SCHED_RUN; /* no span, and not held back */
	feed(&r, e);
	check(&r, "sched.wait", 1);
	assert_non_null(strstr(r.text, "{\"key\":\"gopherscope.goid\",\"value\":{\"intValue\":\"9\"}}"));
	assert_non_null(strstr(
		r.text, "{\"key\":\"gopherscope.go.goroutine.created_by\",\"value\":{\"stringValue\":\"main.main\"}}"));
	assert_non_null(strstr(r.text, "{\"key\":\"gopherscope.waker.goid\",\"value\":{\"intValue\":\"5\"}}"));
	run_close(&r);
}

/* Each window is a span, however short: it says whether waits are missing. */
static void test_goroutine_windows(void **state)
{
	struct record_sched_window w = {
		.end = SCHED_WINDOW_BUDGET, .lost = {12, 3}, .cost_ns = 2.5e6, .cpu_ns = 1000000000};
	struct trace_event e = t_event(TRACE_SCHED_WINDOW, 0, 0.5);
	struct run r;

	run_open(&r, DEFAULTS);
	e.u.window = &w;
	e.not_followed = 5;
	feed(&r, e);
	w = (struct record_sched_window){.end = SCHED_WINDOW_GONE, .cost_ns = NAN}; /* its end was not told */
	feed(&r, e);
	check(&r, "sched.window sched.window", 0);
	assert_string_equal(get(&r, 0, "attributes.0.key"), "gopherscope.sched.window.end");
	assert_string_equal(get(&r, 0, "attributes.0.value.stringValue"), "budget");
	assert_non_null(
		strstr(r.text, "{\"key\":\"gopherscope.sched.window.lost_events\",\"value\":{\"intValue\":\"20\"}}"));
	assert_int_equal(json_array_size(at(json_array_get(r.spans, 0), "attributes")), 4);
	assert_int_equal(json_array_size(at(json_array_get(r.spans, 1), "attributes")), 1);
	run_close(&r);
}

static void test_golden(void **state)
{
	struct run r;
	union event u = {0};
	struct trace_event e;

	run_open(&r, DEFAULTS);
	feed_cycle(&r, 0, 112, 71.4);
	feed(&r, t_throttle(10, 70.2, &u));
	e = t_throttle(11, 90, &u);
	e.owner = t_pod_owner();
	feed(&r, e);
	feed_others(&r);
	check(&r,
	      "cpu.runq tcp.connect tcp.connect dns.query dns.query gc.cycle gc.pause gc.mark gc.pause gc.pause "
	      "gc.pause cpu.throttle cpu.throttle",
	      0);
	assert_true(golden_same("spans.json", r.text));
	run_close(&r);
}

/* Same seed, same bytes; another seed, other ids; no seed, the kernel's. */
static void test_seed(void **state)
{
	struct run a, b;

	run_open(&a, DEFAULTS);
	run_open(&b, DEFAULTS);
	feed_cycle(&a, 0, 112, 20);
	feed_cycle(&b, 0, 112, 20);
	run_end(&a);
	run_end(&b);
	assert_string_equal(a.text, b.text);
	run_close(&b);
	run_open(&b, DEFAULTS);
	otlp_json_exporter.free(b.x);
	b.cfg.seed = 0;
	assert_int_equal(otlp_json_exporter.open(&b.cfg, &b.x), 0);
	feed_cycle(&b, 0, 112, 20);
	run_end(&b);
	assert_string_not_equal(get(&a, 0, "traceId"), get(&b, 0, "traceId"));
	run_close(&a);
	run_close(&b);
}

static void test_parents(void **state)
{
	struct run r;

	run_open(&r, DEFAULTS);
	feed_cycle(&r, 0, 112, 20);
	feed_cycle(&r, 150, 112, 20);
	check(&r, "gc.cycle gc.pause gc.mark gc.pause gc.cycle gc.pause gc.mark gc.pause", 0);
	for (size_t i = 0; i < 8; i++) {
		size_t root = i / 4 * 4;

		assert_string_equal(get(&r, i, "traceId"), get(&r, root, "traceId"));
		assert_int_equal(strlen(get(&r, i, "traceId")), 32);
		assert_int_equal(strlen(get(&r, i, "spanId")), 16);
		if (i == root)
			assert_null(json_object_get(json_array_get(r.spans, i), "parentSpanId"));
		else
			assert_string_equal(get(&r, i, "parentSpanId"), get(&r, root, "spanId"));
	}
	assert_string_not_equal(get(&r, 0, "traceId"), get(&r, 4, "traceId"));
	run_close(&r);
}

/* Which cycles are worth it: a long pause, a long cycle, a long throttle beside it, or whatever the person asked for.
 */
static void test_cycle_thresholds(void **state)
{
	static const struct {
		double length_ms, pause_ms, throttle_ms;
		uint64_t cycle_min, pause_min;
		bool all;
		const char *names;
		uint64_t held_back;
	} rows[] = {
		{99, 9, 0, 0, 0, false, "", 4},
		{99, 10, 0, 0, 0, false, "gc.cycle gc.pause gc.mark gc.pause", 0},
		{100, 1, 0, 0, 0, false, "gc.cycle gc.pause gc.mark gc.pause", 0},
		{20, 1, 20, 0, 0, false, "gc.cycle gc.pause gc.mark gc.pause cpu.throttle", 0},
		{20, 1, 19, 0, 0, false, "", 5},
		{20, 1, 0, 20000000, 0, false, "gc.cycle gc.pause gc.mark gc.pause", 0},
		{20, 1, 0, 0, 1000000, false, "gc.cycle gc.pause gc.mark gc.pause", 0},
		{20, 1, 19, 0, 0, true, "gc.cycle gc.pause gc.mark gc.pause cpu.throttle", 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		union event u = {0};
		struct run r;

		run_open(&r, (struct exporter_cfg){.span_min_ns[TRACE_GC_CYCLE] = rows[i].cycle_min,
						   .span_min_ns[TRACE_GC_PAUSE] = rows[i].pause_min,
						   .all_spans = rows[i].all});
		feed_cycle(&r, 0, rows[i].length_ms, rows[i].pause_ms);
		if (rows[i].throttle_ms > 0)
			feed(&r, t_throttle(5, rows[i].throttle_ms, &u));
		check(&r, rows[i].names, rows[i].held_back);
		run_close(&r);
	}
}

/* A long wait for credit goes with its cycle and takes it along; short ones are only counted, and one that outlasts its
 * cycle stands alone. */
static void test_assists(void **state)
{
	static const struct {
		double end_ms, length_ms;
		bool all;
		const char *names;
		uint64_t held_back;
		bool child;
	} rows[] = {
		{15, 10, false, "gc.cycle gc.pause gc.assist gc.mark gc.pause", 0, true},
		{15, 9.9, false, "", 5, false},
		{15, 9.9, true, "gc.cycle gc.pause gc.assist gc.mark gc.pause", 0, true},
		{40, 30, false, "gc.assist", 4, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		union event u[3] = {0};
		struct gc_cycle_done d = {0};
		struct run r;
		bool child = false;

		run_open(&r, (struct exporter_cfg){.all_spans = rows[i].all});
		feed(&r, t_pause(0.1, 0.1, STW_GC_SWEEP_TERM, &u[0]));
		feed(&r, t_assist(rows[i].end_ms, rows[i].length_ms, 77, &u[1]));
		feed(&r, t_cycle(TRACE_GC_MARK, 19, 18.9, &d));
		feed(&r, t_pause(20, 1, STW_GC_MARK_TERM, &u[2]));
		feed(&r, t_cycle(TRACE_GC_CYCLE, 20, 20, &d));
		check(&r, rows[i].names, rows[i].held_back);
		for (size_t k = 0; k < json_array_size(r.spans); k++)
			child |= !strcmp(get(&r, k, "name"), "gc.assist") &&
				 json_object_get(json_array_get(r.spans, k), "parentSpanId");
		assert_int_equal(child, rows[i].child);
		assert_int_equal(strstr(r.text, "gopherscope.goid") != NULL, rows[i].names[0] != 0);
		run_close(&r);
	}
}

/* Short ones of every other kind, and the same when they failed or everything is wanted. */
static void test_other_thresholds(void **state)
{
	for (int all = 0; all < 2; all++) {
		union event u = {0};
		struct run r;

		run_open(&r, (struct exporter_cfg){.all_spans = all});
		feed(&r, t_runq(0, 59, 40, &u));
		feed(&r, t_connect(1, 99, 0, &u));
		feed(&r, t_dns(2, 99, DNS_ANSWERED, 0, "", &u));
		feed(&r, t_pause(3, 9, STW_READ_MEM_STATS, &u));
		feed(&r, t_connect(4, 1, ECONNREFUSED, &u));
		feed(&r, t_dns(5, 1, DNS_ANSWERED, 2, "", &u));
		check(&r,
		      all ? "cpu.runq tcp.connect dns.query gc.pause tcp.connect dns.query" : "tcp.connect dns.query",
		      all ? 0 : 4);
		run_close(&r);
	}
}

/* A throttle that ends before, and one that ends after the cycle; others of other containers and of other times. */
static void test_links(void **state)
{
	union event u = {0};
	struct trace_event e;
	struct run r;
	json_t *links;

	run_open(&r, DEFAULTS);
	feed(&r, t_throttle(-10, 30, &u));
	e = t_throttle(-9, 30, &u);
	e.container_id = 8; /* of the same pod */
	feed(&r, e);
	feed_cycle(&r, 0, 20, 1);
	e = t_throttle(20, 30, &u);
	e.owner = t_pod_owner();
	e.container_id = 8; /* the pod's quota, shown by one of its containers */
	feed(&r, e);
	feed(&r, t_throttle(80, 30, &u)); /* later */
	check(&r, "cpu.throttle cpu.throttle cpu.throttle gc.cycle gc.pause gc.mark gc.pause cpu.throttle", 0);
	for (size_t i = 0; i < 8; i++) {
		links = json_object_get(json_array_get(r.spans, i), "links");
		assert_int_equal(json_array_size(links), i == 0 || i == 7);
		if (!links)
			continue;
		assert_string_equal(json_string_value(at(links, "0.spanId")), get(&r, 3, "spanId"));
		assert_string_equal(json_string_value(at(links, "0.traceId")), get(&r, 3, "traceId"));
	}
	run_close(&r);
}

/* More links than a span may have are counted. */
static void test_many_links(void **state)
{
	union event u = {0};
	struct run r;
	json_t *throttle;

	run_open(&r, DEFAULTS);
	for (int i = 0; i < 40; i++)
		feed_cycle(&r, i * 2, 1, 0.2);
	feed(&r, t_throttle(90, 100, &u));
	run_end(&r);
	throttle = json_array_get(r.spans, json_array_size(r.spans) - 1);
	assert_int_equal(json_array_size(at(throttle, "links")), 32);
	assert_int_equal(json_integer_value(at(throttle, "droppedLinksCount")), 8);
	run_close(&r);
}

/* What the runtime counted of the cycle itself goes before what was read of the process some time ago. */
static void test_cycle_numbers(void **state)
{
	static const char *const wanted[] = {
		"gopherscope.go.gc.number\",\"value\":{\"intValue\":\"18121\"}",
		"gopherscope.go.gc.heap.before\",\"value\":{\"intValue\":\"74448896\"}",
		"gopherscope.go.gc.heap.after\",\"value\":{\"intValue\":\"80740352\"}",
		"gopherscope.go.gc.heap.live\",\"value\":{\"intValue\":\"39845888\"}",
		"gopherscope.go.gc.heap.goal\",\"value\":{\"intValue\":\"79691776\"}",
		/* (32 Ps x 1.2 ms + 88 + 12 + 0.5 ms) / (32 x 500 ms) */
		"gopherscope.go.gc.cpu.share\",\"value\":{\"doubleValue\":0.00868125",
		"gopherscope.go.gogc\",\"value\":{\"intValue\":\"100\"}",
	};
	struct runtime_sample sample = {.gogc = 100, .heap_live_bytes = 1, .heap_goal_bytes = 2};
	struct gc_cycle_done d = {0};
	struct trace_event e = t_cycle(TRACE_GC_CYCLE, 2, 500, &d);
	struct run r;

	t_cycle_numbers(&d);
	e.sample = &sample;
	run_open(&r, DEFAULTS);
	feed(&r, e);
	run_end(&r);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!strstr(r.text, wanted[i]))
			fail_msg("no %s in %s", wanted[i], r.text);
	run_close(&r);
}

/* Parts whose cycle never came: roots when they are long, after 30 s or at the end; never of another process's cycle.
 */
static void test_orphans(void **state)
{
	union event u = {0};
	struct gc_cycle_done d = {0};
	struct trace_event e;
	struct run r;

	run_open(&r, DEFAULTS);
	feed(&r, t_pause(0, 30, STW_GC_MARK_TERM, &u));
	feed(&r, t_pause(1, 1, STW_GC_SWEEP_TERM, &u));
	e = t_cycle(TRACE_GC_CYCLE, 2, 500, &d);
	e.pid = 4;
	e.process = NULL;
	feed(&r, e);
	e = t_pause(3, 40, STW_GC_MARK_TERM, &u); /* no process is known of either, but they are two */
	e.pid = 5;
	e.process = NULL;
	feed(&r, e);
	e = t_cycle(TRACE_GC_CYCLE, 4, 500, &d);
	e.pid = 6;
	e.process = NULL;
	feed(&r, e);
	feed(&r, t_connect(29900, 100, 0, &u));
	fflush(r.cfg.file);
	assert_null(strstr(r.text, "gc.pause"));
	feed(&r, t_connect(32000, 100, 0, &u));
	feed(&r, t_event(TRACE_USAGE, 33000, 0));
	fflush(r.cfg.file);
	assert_non_null(strstr(r.text, "gc.pause"));
	feed(&r, t_pause(33000, 30, STW_GC_MARK_TERM, &u));
	check(&r, "tcp.connect tcp.connect gc.pause gc.cycle gc.cycle gc.pause gc.pause", 1);
	for (size_t i = 0; i < 7; i++)
		assert_null(json_object_get(json_array_get(r.spans, i), "parentSpanId"));
	run_close(&r);
}

static size_t line_cnt(struct run *r)
{
	size_t cnt = 0;

	fflush(r->cfg.file);
	for (size_t i = 0; i < r->sz; i++)
		cnt += r->text[i] == '\n';
	return cnt;
}

/* Lines are of bounded size, and come while the run goes on. */
static void test_lines(void **state)
{
	struct run r;
	union event u = {0};

	run_open(&r, DEFAULTS);
	for (int i = 0; i < 2000; i++)
		feed(&r, t_connect(i * 0.1, 100, 0, &u));
	assert_int_equal(line_cnt(&r), 2000 / 512);
	feed(&r, t_event(TRACE_USAGE, 1100, 0)); /* the last of them waited less than a second */
	assert_int_equal(line_cnt(&r), 2000 / 512);
	feed(&r, t_event(TRACE_USAGE, 2000, 0));
	assert_int_equal(line_cnt(&r), 2000 / 512 + 1);
	run_end(&r);
	assert_int_equal(line_cnt(&r), 2000 / 512 + 1);
	assert_int_equal(json_array_size(r.spans), 2000);
	run_close(&r);
}

static size_t in_use(void) /* the sanitizers' malloc says 0 */
{
	return mallinfo2().uordblks + mallinfo2().hblkhd;
}

/* Many processes, names that become known, hostile bytes: it stays JSON, and nothing is lost or kept for ever. */
static void test_many_resources(void **state)
{
	struct record_process p = *t_process();
	struct owner o = *t_owner();
	union event u = {0};
	struct run r;
	size_t before;

	run_open(&r, DEFAULTS);
	before = in_use();
	for (int i = 0; i < 5000; i++) {
		struct trace_event e =
			i % 3 ? t_connect(i * 200, 100, 0, &u) : t_pause(i * 200, 11, STW_GC_MARK_TERM, &u);

		p.pid = e.pid = i / 2 + 1;
		snprintf(o.pod, sizeof(o.pod), "\xff\n%d", i);
		e.container_id = (uint32_t)i / 4;
		e.process = &p;
		e.owner = &o;
		feed(&r, e);
	}
	fflush(r.cfg.file);
	if (before)
		assert_true(in_use() - before - malloc_usable_size(r.text) < 800 * 6000); /* 2,500 would be 15 MB */
	run_end(&r);
	assert_int_equal(json_array_size(r.spans), 5000);
	run_close(&r);
}

static void test_full_disk(void **state)
{
	struct exporter *x = NULL;
	struct exporter_cfg cfg = {.file = fopen("/dev/full", "w"), .seed = 1};
	union event u = {0};
	struct trace_event e = t_connect(0, 100, 0, &u);

	assert_non_null(cfg.file);
	assert_int_equal(otlp_json_exporter.open(&cfg, &x), 0);
	assert_int_equal(otlp_json_exporter.event(x, &e), 0);
	assert_int_equal(otlp_json_exporter.end(x), -ENOSPC);
	assert_int_equal(otlp_json_exporter.event(x, &e), -ENOSPC);
	otlp_json_exporter.free(x);
	assert_null(otlp_json_exporter.free(NULL));
	fclose(cfg.file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_goroutine_waits),
		cmocka_unit_test(test_goroutine_windows),
		cmocka_unit_test(test_seed),
		cmocka_unit_test(test_parents),
		cmocka_unit_test(test_cycle_numbers),
		cmocka_unit_test(test_cycle_thresholds),
		cmocka_unit_test(test_assists),
		cmocka_unit_test(test_other_thresholds),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_many_links),
		cmocka_unit_test(test_orphans),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_many_resources),
		cmocka_unit_test(test_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
