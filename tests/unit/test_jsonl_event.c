/* SPDX-License-Identifier: BSD-2-Clause */
/* Events as JSON lines: each kind compared with tests/golden/events.jsonl, then read back; the exporter writes the same
 * lines as jsonl_event(), whatever becomes of an owner in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "diagnose/verdicts.h"
#include "export/exporter.h"
#include "export/jsonl.h"
#include "golden.h"
#include "json_check.h"
#include "trace_events.h"

static const struct type_case common[] = {
	{"schema", 's'}, {"kind", 's'}, {"time_unix_nano", 's'}, {"duration_seconds", 'r'}, {"owner", 'o'}};
static const struct type_case no_goid[] = {{"goid", 'n'}}; /* of kinds that are of no goroutine */

static bool is_sched_span(enum trace_kind k)
{
	return k == TRACE_SCHED_WAIT || k == TRACE_SCHED_RUN || k == TRACE_SCHED_PARK;
}

/* What every line has, its own fields by rows, and into the golden text. */
static void add(struct str *all, const struct trace_event *e, const struct type_case *rows, size_t cnt)
{
	char *line = jsonl_event(e), want[32];
	json_t *root = parse(line);

	check_types(root, common, ARRAY_SIZE(common));
	if (e->kind != TRACE_GC_ASSIST && !is_sched_span(e->kind))
		check_types(root, no_goid, ARRAY_SIZE(no_goid));
	check_types(root, rows, cnt);
	assert_string_equal(json_string_value(at(root, "kind")), trace_kind_name(e->kind));
	snprintf(want, sizeof(want), "%llu", (unsigned long long)e->start_unix_ns);
	assert_string_equal(json_string_value(at(root, "time_unix_nano")), want);
	str_addf(all, "%s\n", line);
	json_decref(root);
	free(line);
}

#define ROWS(...)                                                                                                      \
	(const struct type_case[]){__VA_ARGS__},                                                                       \
		sizeof((const struct type_case[]){__VA_ARGS__}) / sizeof(struct type_case)

static void add_pauses(struct str *all)
{
	union event u = {0};
	struct trace_event e = t_pause(0, 71.4, STW_GC_MARK_TERM, &u);

	u.gc_pause.stopped_ns = e.end_ns - T_MS(71);
	add(all, &e, ROWS({"reason", 's'}, {"stopping_seconds", 'r'}, {"pid", 'i'}, {"tid", 'i'}));
	e = t_pause(0, 0.000041, STW_UNKNOWN, &u);
	memset(u.gc_pause.text, 'w', STW_TEXT_SZ); /* before Go 1.21; no NUL: as long as the field */
	e.owner = NULL;
	add(all, &e, ROWS({"reason", 's'}, {"owner.pod", 'n'}));
	e = t_pause(0, 1, 4711, &u);
	u.gc_pause.stopped_ns = 7; /* before it began */
	add(all, &e, ROWS({"reason", 's'}, {"stopping_seconds", 'n'}));
}

static void add_assists(struct str *all)
{
	union event u = {0};
	struct trace_event e = t_assist(0, 12.5, 4294967297, &u);

	add(all, &e, ROWS({"goid", 'i'}, {"pid", 'i'}, {"tid", 'i'}));
	e = t_assist(0, 0, 0, &u);
	add(all, &e, ROWS({"goid", 'n'}));
}

static void add_cycles(struct str *all)
{
	struct gc_cycle_done d = {0};
	struct trace_event e = t_cycle(TRACE_GC_CYCLE, 0, 112, &d);

	add(all, &e,
	    ROWS({"trigger", 's'}, {"gomaxprocs", 'i'}, {"pauses", 'i'}, {"pause_seconds", 'r'}, {"tid", 'n'},
		 {"number", 'n'}, {"cpu_seconds", 'n'}, {"heap_goal_bytes", 'n'}));
	t_cycle_numbers(&d);
	add(all, &e,
	    ROWS({"number", 'i'}, {"forced", 'b'}, {"leak_check", 'b'}, {"cpu_ratio", 'r'}, {"clock_seconds.mark", 'r'},
		 {"cpu_seconds.assist", 'r'}, {"heap_before_bytes", 'i'}, {"stacks_bytes", 'i'}));
	d.known = false;
	e.kind = TRACE_GC_MARK;
	add(all, &e, NULL, 0);
	e.kind = TRACE_GC_CYCLE;
	d.trigger = GC_TRIGGER_UNKNOWN;
	d.procs = 0;
	add(all, &e, ROWS({"trigger", 'n'}, {"gomaxprocs", 'n'}));
}

static void add_cpu(struct str *all)
{
	union event u = {0};
	struct trace_event e = t_throttle(0, 70.2, &u);

	add(all, &e, ROWS({"cpu", 'i'}, {"pid", 'n'}));
	e.owner = t_pod_owner();
	add(all, &e, ROWS({"owner.pod", 's'}, {"owner.container", 'n'}));
	e = t_raw(TRACE_THROTTLE_MISSED, EVENT_THROTTLE_MISSED, 0, 1000, &u);
	u.throttle_missed.missed_ns = -2500000;
	add(all, &e, ROWS({"missed_seconds", 'r'}));
	e = t_runq(0, 62.5, 40, &u);
	add(all, &e,
	    ROWS({"cpu", 'i'}, {"preempted_by.comm", 's'}, {"preempted_by.pid", 'i'}, {"preempted_by.tid", 'i'},
		 {"throttled_seconds", 'r'}, {"comm", 's'}));
	memset(u.runq.prev_comm, 0, sizeof(u.runq.prev_comm));
	add(all, &e, ROWS({"preempted_by", 'n'}));
}

static void add_network(struct str *all)
{
	union event u = {0};
	struct trace_event e = t_connect(0, 0.7, 0, &u);

	add(all, &e,
	    ROWS({"error", 'n'}, {"local.address", 's'}, {"local.port", 'i'}, {"peer.address", 's'}, {"peer.port", 'i'},
		 {"syn_retransmits", 'i'}));
	e = t_connect(0, 127000, ETIMEDOUT, &u);
	add(all, &e, ROWS({"error", 's'}));
	e = t_raw(TRACE_TCP_RETRANSMIT, EVENT_TCP_RETRANSMIT, 0, 0, &u);
	u.tcp_retransmit.segments = 3;
	u.tcp_retransmit.syn = 0;
	t_address(&u.tcp_retransmit.addr, "10.1.2.3", 8080, "10.9.9.9", 33211);
	add(all, &e, ROWS({"segments", 'i'}, {"syn", 'b'}, {"peer.address", 's'}));
	e = t_raw(TRACE_TCP_RESET, EVENT_TCP_RESET, 0, 0, &u);
	u.tcp_reset.received = 1;
	add(all, &e, ROWS({"direction", 's'}, {"local.port", 'i'}));
	u.tcp_reset.addr.family = 0; /* not known */
	add(all, &e, ROWS({"peer.address", 'n'}));
}

static void add_queries(struct str *all)
{
	union event u = {0};
	struct trace_event e = t_dns(0, 1.25, DNS_ANSWERED, 0, "db.shop.svc.cluster.local", &u);

	add(all, &e,
	    ROWS({"server.address", 's'}, {"name", 's'}, {"qtype", 's'}, {"rcode", 's'}, {"error", 'n'},
		 {"tries", 'i'}));
	e = t_dns(0, 1.25, DNS_ANSWERED, 3, "", &u);
	add(all, &e, ROWS({"name", 'n'}, {"rcode", 's'}, {"error", 's'}));
	e = t_dns(0, 5000, DNS_TIMEOUT, DNS_RCODE_UNKNOWN, "", &u);
	u.dns_query.qtype = 0;
	add(all, &e, ROWS({"qtype", 'n'}, {"rcode", 'n'}, {"error", 's'}));
	e = t_dns(0, 1, DNS_ANSWERED, 4000000000u, "", &u);
	u.dns_query.qtype = 65000;
	add(all, &e, ROWS({"qtype", 's'}, {"rcode", 's'}));
}

static void add_processes(struct str *all)
{
	struct trace_event e = t_event(TRACE_PROCESS_START, 0, 0);

	add(all, &e, ROWS({"comm", 's'}, {"go_version", 's'}));
	e.process = NULL;
	add(all, &e, ROWS({"comm", 'n'}, {"go_version", 'n'}));
	e = t_event(TRACE_PROCESS_EXIT, 0, 0);
	e.u.exit = (struct trace_exit){true, 3 << 8};
	add(all, &e, ROWS({"comm", 's'}, {"exit_code", 'i'}, {"signal", 'n'}));
	e.u.exit = (struct trace_exit){true, 9 | 0x80}; /* SIGKILL, core flag */
	add(all, &e, ROWS({"exit_code", 'n'}, {"signal", 'i'}));
	e.u.exit = (struct trace_exit){false, 0};
	add(all, &e, ROWS({"exit_code", 'n'}, {"signal", 'n'}));
}

static void add_others(struct str *all)
{
	struct trace_event e = t_event(TRACE_VERDICT, 0, 0);
	struct snapshot s;
	union event u = {0};

	sample_busy(&s);
	e.u.verdict = (struct trace_verdict){&s.containers[0].verdicts[0], false};
	add(all, &e,
	    ROWS({"id", 's'}, {"severity", 's'}, {"culprit", 's'}, {"text", 's'}, {"advice", 's'},
		 {"evidence.0.name", 's'}, {"evidence.1.threshold", 'n'}, {"state", 's'}));
	e.u.verdict.ended = true;
	add(all, &e, ROWS({"state", 's'}));
	snapshot_deinit(&s);
	e = t_raw(TRACE_OOM_KILL, EVENT_OOM_KILL, 0, 0, &u);
	memcpy(u.oom_kill.comm, "server", 6);
	u.oom_kill.anon_rss_bytes = 512 << 20;
	u.oom_kill.oom_score_adj = -997;
	add(all, &e, ROWS({"comm", 's'}, {"anon_rss_bytes", 'i'}, {"oom_score_adj", 'i'}));
	e = (struct trace_event){.kind = TRACE_LOST, .end_ns = T_END_NS, .start_unix_ns = SAMPLE_TIME_NS};
	e.u.lost = (struct trace_lost){"go_gc", "ring_full", 12};
	add(all, &e, ROWS({"signal", 's'}, {"reason", 's'}, {"count", 'i'}, {"owner.cgroup", 'n'}));
}

/* All of it known, then nothing. */
static void add_spans(struct str *all)
{
	static const struct goroutine_span unknown = {.goid = 18, .p = GO_SCHED_P_UNKNOWN, .end = RUN_UNKNOWN};
	struct goroutine_span s = {.goid = 4294967297, .wake = WAKE_READY, .waker = 5, .p = 0, .end = RUN_PARKED};
	struct trace_event e = t_event(TRACE_SCHED_WAIT, 0, 0.0125);

	e.tid = 0;
	e.u.sched = (struct trace_sched){&s,         "main.(*Hub).loop", "main.main", "main.go:7",
					 "main.get", "get.go:9",         "select"};
	add(all, &e,
	    ROWS({"goid", 'i'}, {"tid", 'n'}, {"wake", 's'}, {"waker_goid", 'i'}, {"p", 'i'}, {"function", 's'},
		 {"created_by", 's'}, {"created_at", 's'}));
	e.kind = TRACE_SCHED_RUN;
	add(all, &e,
	    ROWS({"goid", 'i'}, {"p", 'i'}, {"end", 's'}, {"reason", 's'}, {"site", 's'}, {"site_at", 's'},
		 {"function", 's'}, {"created_by", 's'}));
	e.kind = TRACE_SCHED_PARK;
	add(all, &e,
	    ROWS({"goid", 'i'}, {"reason", 's'}, {"site", 's'}, {"site_at", 's'}, {"wake", 's'}, {"waker_goid", 'i'},
		 {"function", 's'}));
	e.u.sched = (struct trace_sched){&unknown, "", "", "", "", "", ""};
	add(all, &e,
	    ROWS({"goid", 'i'}, {"reason", 'n'}, {"site", 'n'}, {"site_at", 'n'}, {"wake", 'n'}, {"waker_goid", 'n'},
		 {"function", 'n'}));
	e.kind = TRACE_SCHED_RUN;
	add(all, &e,
	    ROWS({"p", 'n'}, {"end", 's'}, {"reason", 'n'}, {"site", 'n'}, {"function", 'n'}, {"created_by", 'n'}));
	e.kind = TRACE_SCHED_WAIT;
	add(all, &e,
	    ROWS({"wake", 'n'}, {"waker_goid", 'n'}, {"p", 'n'}, {"function", 'n'}, {"created_by", 'n'},
		 {"created_at", 'n'}));
}

static void add_windows(struct str *all)
{
	struct record_sched_window w = {
		.end = SCHED_WINDOW_BUDGET, .lost = {12, 3}, .late = 40, .cost_ns = 2.5e6, .cpu_ns = 1000000000};
	struct trace_event e = t_event(TRACE_SCHED_WINDOW, 0, 430);

	for (uint64_t k = 1; k < GO_SCHED_KIND_CNT; k++)
		w.hits[k] = 100 + k;
	w.hits[GO_SCHED_KNOWN] = 0; /* no hits: we make these */
	e.tid = 0;
	e.u.window = &w;
	add(all, &e,
	    ROWS({"end", 's'}, {"hits", 'i'}, {"hits_by_kind.run", 'i'}, {"hits_by_kind.syscall", 'i'},
		 {"lost.ring_full", 'i'}, {"lost.unreadable", 'i'}, {"lost.limit", 'i'}, {"late", 'i'},
		 {"cost_seconds", 'r'}, {"cpu_seconds", 'r'}, {"cost_ratio", 'r'}, {"complete", 'b'}));
	w = (struct record_sched_window){.end = SCHED_WINDOW_END_CNT, .cost_ns = NAN};
	add(all, &e,
	    ROWS({"end", 'n'}, {"hits", 'i'}, {"lost.ring_full", 'n'}, {"lost.limit", 'i'}, {"late", 'n'},
		 {"cost_seconds", 'n'}, {"cpu_seconds", 'n'}, {"cost_ratio", 'n'}, {"complete", 'b'}));
	w.cpu_ns = 1000; /* known, but not what we cost */
	add(all, &e, ROWS({"cost_seconds", 'n'}, {"cpu_seconds", 'r'}, {"cost_ratio", 'n'}));
}

static void test_events(void **state)
{
	struct str all;

	str_init(&all);
	add_pauses(&all);
	add_assists(&all);
	add_cycles(&all);
	add_cpu(&all);
	add_network(&all);
	add_queries(&all);
	add_processes(&all);
	add_others(&all);
	add_spans(&all);
	add_windows(&all);
	assert_true(golden_same("events.jsonl", str_get(&all)));
	str_deinit(&all);
}

/* A wait for a CPU is net of throttling, whether its maker took that out of the duration or not, and ends at one time.
 */
static void test_runq_is_net(void **state)
{
	union event u = {0};
	struct trace_event e = t_runq(0, 62.5, 40, &u), gross = e;
	char *a = jsonl_event(&e), *b;
	json_t *root = parse(a);

	gross.duration_ns = T_MS(62.5);
	gross.start_unix_ns -= T_MS(40);
	b = jsonl_event(&gross);
	assert_string_equal(a, b);
	assert_true(json_number_value(at(root, "duration_seconds")) == 0.0225);
	u.runq.throttled_ns = T_MS(100); /* more than it waited */
	free(b);
	b = jsonl_event(&e);
	json_decref(root);
	root = parse(b);
	assert_true(json_number_value(at(root, "duration_seconds")) == 0);
	json_decref(root);
	free(a);
	free(b);
}

static void put(struct exporter *x, struct str *want, const struct trace_event *e)
{
	char *line = jsonl_event(e);

	assert_int_equal(jsonl_exporter.event(x, e), 0);
	str_addf(want, "%s\n", line);
	free(line);
}

/* The owner's text is kept: what it says must follow the owner, and never be another's. */
static void test_exporter(void **state)
{
	struct owner renamed = *t_owner();
	union event u = {0};
	struct trace_event e = t_throttle(0, 1, &u), counters = {.kind = TRACE_USAGE};
	struct exporter *x = NULL;
	struct str want;
	size_t sz = 0;
	char *got = NULL;
	struct exporter_cfg cfg = {.file = open_memstream(&got, &sz)};

	assert_null(jsonl_event(&counters));
	assert_int_equal(jsonl_exporter.open(&cfg, &x), 0);
	str_init(&want);
	str_copy(renamed.pod, sizeof(renamed.pod), "other \"pod\"");
	for (int i = 0; i < 3; i++) {
		e.owner = t_owner();
		put(x, &want, &e);
		e.owner = t_pod_owner(); /* of the pod's quota: the same container */
		put(x, &want, &e);
		e.owner = &renamed;
		put(x, &want, &e);
		e.owner = NULL;
		put(x, &want, &e);
	}
	e.owner = &renamed;
	for (uint32_t id = 0; id < 3000; id++) { /* beyond what is kept */
		e.container_id = id;
		snprintf(renamed.container_id, sizeof(renamed.container_id), "%u", id / 2);
		put(x, &want, &e);
		put(x, &want, &e);
	}
	assert_int_equal(jsonl_exporter.event(x, &counters), 0);
	assert_int_equal(jsonl_exporter.end(x), 0);
	fflush(cfg.file);
	assert_string_equal(got, str_get(&want));
	assert_null(jsonl_exporter.free(x));
	assert_null(jsonl_exporter.free(NULL));
	fclose(cfg.file);
	free(got);
	str_deinit(&want);
}

static void test_full_disk(void **state)
{
	struct exporter *x = NULL;
	struct exporter_cfg cfg = {.file = fopen("/dev/full", "w")};
	union event u = {0};
	struct trace_event e = t_throttle(0, 1, &u);

	assert_non_null(cfg.file);
	assert_int_equal(jsonl_exporter.open(&cfg, &x), 0);
	jsonl_exporter.event(x, &e);
	assert_int_equal(jsonl_exporter.flush(x), -ENOSPC);
	assert_int_equal(jsonl_exporter.event(x, &e), -ENOSPC);
	assert_int_equal(jsonl_exporter.end(x), -ENOSPC);
	jsonl_exporter.free(x);
	fclose(cfg.file);
}

static void test_table(void **state)
{
	static const struct {
		const char *path;
		const struct exporter_ops *want;
	} rows[] = {{"a.pftrace", &perfetto_exporter},
		    {"/x/a.jsonl", &jsonl_exporter},
		    {"a.json", &otlp_json_exporter},
		    {"json", NULL},
		    {"a.gsraw", NULL},
		    {"", NULL},
		    {"-", NULL}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_ptr_equal(exporters_by_path(rows[i].path), rows[i].want);
	assert_ptr_equal(exporters_by_name("jsonl"), &jsonl_exporter);
	assert_ptr_equal(exporters_by_name("otlp"), &otlp_json_exporter);
	assert_ptr_equal(exporters_by_name("perfetto"), &perfetto_exporter);
	assert_null(exporters_by_name("xml"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),    cmocka_unit_test(test_runq_is_net), cmocka_unit_test(test_exporter),
		cmocka_unit_test(test_full_disk), cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
