/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON contract: lines compared with tests/golden, then read back: every key of the contract is there with its
 * type, unknown is null and "none" -1, and whatever bytes a name holds, the line is JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "export/jsonl.h"
#include "golden.h"
#include "json_check.h"
#include "procs/process.h"
#include "sample_sched.h"
#include "sample_snapshot.h"

static const struct type_case busy_types[] = {
	{"schema", 's'},
	{"time_unix_nano", 's'},
	{"window_seconds", 'r'},
	{"node.name", 's'},
	{"node.cpus", 'i'},
	{"node.cpu_busy_ratio", 'r'},
	{"node.steal_ratio", 'r'},
	{"node.memory_used_ratio", 'r'},
	{"agent.cpu_seconds", 'r'},
	{"agent.rss_bytes", 'i'},
	{"agent.events", 'i'},
	{"agent.lost.go_gc", 'o'},
	{"agent.signals.go_gc.state", 's'},
	{"agent.signals.go_gc.reason", 'n'},
	{"containers.0.owner.namespace", 's'},
	{"containers.0.owner.pod", 's'},
	{"containers.0.owner.pod_uid", 's'},
	{"containers.0.owner.container", 's'},
	{"containers.0.owner.container_id", 's'},
	{"containers.0.owner.runtime", 's'},
	{"containers.0.owner.workload.kind", 's'},
	{"containers.0.owner.workload.name", 's'},
	{"containers.0.owner.cgroup", 's'},
	{"containers.0.processes.0.pid", 'i'},
	{"containers.0.processes.0.start_unix_nano", 's'},
	{"containers.0.processes.0.go_version", 's'},
	{"containers.0.processes.0.gomaxprocs", 'i'},
	{"containers.0.cost_ratio", 'r'},
	{"containers.0.gc.cycles", 'i'},
	{"containers.0.gc.cycles_total", 'i'},
	{"containers.0.gc.pause_seconds", 'd'},
	{"containers.0.gc.pauses_by_reason.GC mark termination", 'i'},
	{"containers.0.gc.cpu_ratio", 'r'},
	{"containers.0.gc.assist_seconds", 'r'},
	{"containers.0.gc.assists", 'n'},
	{"containers.0.gc.assist_waits", 'n'},
	{"containers.0.gc.assist_wait_seconds", 'D'},
	{"containers.0.gc.heap_live_bytes", 'i'},
	{"containers.0.gc.heap_goal_bytes", 'i'},
	{"containers.0.gc.gogc", 'i'},
	{"containers.0.gc.memory_limit_bytes", 'i'},
	{"containers.0.processes.0.gomaxprocs_by", 's'},
	{"containers.0.processes.0.goroutines", 'i'},
	{"containers.0.processes.0.threads", 'i'},
	{"containers.0.processes.0.thread_limit", 'i'},
	{"containers.0.processes.0.fds", 'i'},
	{"containers.0.processes.0.fd_limit", 'i'},
	{"containers.0.processes.0.rss_bytes", 'i'},
	{"containers.0.processes.0.heap_live_bytes", 'i'},
	{"containers.0.processes.0.heap_goal_bytes", 'i'},
	{"containers.0.processes.0.cycles_total", 'i'},
	{"containers.0.gc.passive", 'b'},
	{"containers.0.gc.cpu_seconds", 'n'},
	{"containers.0.gc.last_minute_cpu_ratio", 'n'},
	{"containers.0.memory.go_bytes", 'i'},
	{"containers.0.memory.non_go_bytes", 'i'},
	{"containers.0.sched.latency_seconds.count", 'i'},
	{"containers.0.sched.latency_seconds.sum", 'n'},
	{"containers.0.sched.latency_seconds.p99", 'r'},
	{"containers.0.sched.source", 's'},
	{"containers.0.sched.goroutines", 'i'},
	{"containers.0.sched.running", 'i'},
	{"containers.0.sched.runnable", 'i'},
	{"containers.0.sched.waiting", 'i'},
	{"containers.0.sched.syscall", 'i'},
	{"containers.0.sched.threads", 'i'},
	{"containers.0.sched.leaked", 'i'},
	{"containers.0.sched.procs", 'i'},
	{"containers.0.sched.procs_idle", 'i'},
	{"containers.0.sched.queued", 'i'},
	{"containers.0.sched.idle_procs_ratio", 'r'},
	{"containers.0.sched.latency_diluted", 'b'},
	{"containers.0.sched.groups", 'a'},
	{"containers.0.cpu.usage_seconds", 'r'},
	{"containers.0.cpu.limit_cpus", 'r'},
	{"containers.0.cpu.request_cpus", 'r'},
	{"containers.0.cpu.runq_seconds", 'd'},
	{"containers.0.cpu.runq_watched_seconds", 'r'},
	{"containers.0.cpu.runq_throttled_seconds", 'r'},
	{"containers.0.cpu.runq_mean_seconds", 'n'},
	{"containers.0.cpu.runq_outliers", 'i'},
	{"containers.0.cpu.runq_rival", 'n'},
	{"containers.0.cpu.throttle.intervals", 'i'},
	{"containers.0.cpu.throttle.union_seconds", 'r'},
	{"containers.0.cpu.throttle.cpu_seconds", 'r'},
	{"containers.0.cpu.throttle.ratio", 'r'},
	{"containers.0.cpu.throttle.length_seconds", 'd'},
	{"containers.0.cpu.throttle.consumers.go_user", 'n'},
	{"containers.0.cpu.throttle.consumers.go_gc_worker", 'n'},
	{"containers.0.cpu.throttle.consumers.go_gc_assist", 'n'},
	{"containers.0.cpu.throttle.consumers.non_go", 'n'},
	{"containers.0.cpu.throttle.consumers.unclassified", 'n'},
	{"containers.0.cpu.throttle.nr_periods", 'i'},
	{"containers.0.cpu.throttle.nr_throttled", 'i'},
	{"containers.0.cpu.throttle.kernel_cpu_seconds", 'r'},
	{"containers.0.net.connect_seconds", 'd'},
	{"containers.0.net.rtt_seconds", 'd'},
	{"containers.0.net.segments", 'i'},
	{"containers.0.net.retransmits", 'i'},
	{"containers.0.net.spurious_retransmits", 'i'},
	{"containers.0.net.resets", 'i'},
	{"containers.0.net.connections", 'i'},
	{"containers.0.net.failed_connects", 'o'},
	{"containers.0.net.dns_seconds", 'd'},
	{"containers.0.net.dns_failures", 'i'},
	{"containers.0.net.peers", 'a'},
	{"containers.0.net.peers.0.address", 's'},
	{"containers.0.net.peers.0.port", 'i'},
	{"containers.0.net.peers.0.role", 's'},
	{"containers.0.net.peers.0.open", 'i'},
	{"containers.0.net.peers.0.connect_seconds", 'd'},
	{"containers.0.net.peers.0.rtt_seconds", 'd'},
	{"containers.0.net.peers.0.retransmits", 'i'},
	{"containers.0.net.rtt_min_seconds", 'r'},
	{"containers.0.net.opened_client", 'i'},
	{"containers.0.net.dns_timeouts", 'i'},
	{"agent.signals.cpu_sched.window_share", 'r'},
	{"agent.signals.go_gc.window_share", 'n'},
	{"containers.0.memory.usage_bytes", 'i'},
	{"containers.0.memory.working_set_bytes", 'i'},
	{"containers.0.memory.limit_bytes", 'i'},
	{"containers.0.memory.oom_kills", 'i'},
	{"containers.0.verdicts.0.id", 's'},
	{"containers.0.verdicts.0.severity", 's'},
	{"containers.0.verdicts.0.since_unix_nano", 's'},
	{"containers.0.verdicts.0.text", 's'},
	{"containers.0.verdicts.0.advice", 's'},
	{"containers.0.verdicts.0.culprit", 's'},
	{"containers.0.verdicts.1.culprit", 'n'},
	{"containers.0.verdicts.0.evidence.0.name", 's'},
	{"containers.0.verdicts.0.evidence.0.value", 'r'},
	{"containers.0.verdicts.0.evidence.0.unit", 's'},
	{"containers.0.verdicts.0.evidence.0.threshold", 'r'},
	{"containers.0.verdicts.0.evidence.1.threshold", 'n'},
	{"containers.1.owner.workload.kind", 'n'},
	{"containers.4.owner.pod", 'n'},
	{"containers.6.gone", 'b'},
};

static const struct type_case unknown_types[] = {
	{"node.name", 'n'},
	{"node.cpus", 'n'},
	{"node.steal_ratio", 'n'},
	{"agent.rss_bytes", 'n'},
	{"agent.cpu_seconds", 'n'},
	{"agent.lost.go_gc.ring_full", 'i'},
	{"agent.signals.cpu_throttle.reason", 's'},
	{"containers.0.cost_ratio", 'n'},
	{"containers.0.gc.cycles", 'n'},
	{"containers.0.gc.pause_seconds", 'D'},
	{"containers.0.gc.pauses_by_reason", 'o'},
	{"containers.0.gc.gogc", 'n'},
	{"containers.0.sched.goroutines", 'n'},
	{"containers.0.sched.latency_seconds", 'D'},
	{"containers.0.sched.source", 'n'},
	{"containers.0.sched.waiting", 'n'},
	{"containers.0.sched.queued", 'n'},
	{"containers.0.sched.census_age_seconds", 'n'},
	{"containers.0.memory.non_go_bytes", 'n'},
	{"containers.1.processes.0.fds", 'i'},
	{"containers.0.cpu.usage_seconds", 'n'},
	{"containers.0.cpu.limit_cpus", 'n'},
	{"containers.0.cpu.throttle.intervals", 'n'},
	{"containers.0.cpu.throttle.ratio", 'n'},
	{"containers.0.cpu.throttle.length_seconds", 'D'},
	{"containers.0.memory.limit_bytes", 'n'},
	{"containers.0.memory.growth_bytes_per_second", 'n'},
	{"containers.0.cpu.runq_seconds", 'D'},
	{"containers.0.net.connect_seconds", 'D'},
	{"containers.0.net.rtt_seconds", 'D'},
	{"containers.0.net.segments", 'n'},
	{"containers.0.net.resets", 'n'},
	{"containers.0.net.connections", 'n'},
	{"containers.0.net.failed_connects", 'o'},
	{"containers.0.net.dns_seconds", 'D'},
	{"containers.0.net.dns_failures", 'n'},
	{"containers.0.net.peers", 'a'},
	{"containers.0.net.dns_timeouts", 'n'},
	{"containers.1.processes.0.gomaxprocs", 'n'},
	{"containers.1.cpu.throttle.union_seconds", 'n'},
	{"containers.1.cpu.throttle.nr_periods", 'i'},
};

#define WINDOW   "containers.0.sched.window."
#define OVERHEAD "containers.0.overhead."

/* Of three containers: one with a window, one whose first one is open, one without. */
static const struct type_case window_types[] = {
	{WINDOW "windows", 'i'},
	{WINDOW "seconds", 'r'},
	{WINDOW "age_seconds", 'r'},
	{WINDOW "open", 'i'},
	{WINDOW "source", 's'},
	{WINDOW "latency_seconds", 'd'},
	{WINDOW "netpoll_seconds", 'd'},
	{WINDOW "runs", 'i'},
	{WINDOW "created", 'i'},
	{WINDOW "ended", 'i'},
	{WINDOW "lost", 'i'},
	{WINDOW "hits", 'i'},
	{WINDOW "cost_seconds", 'r'},
	{WINDOW "end", 's'},
	{WINDOW "created_by.1.function", 's'},
	{WINDOW "created_by.1.at", 's'},
	{WINDOW "created_by.1.count", 'i'},
	{WINDOW "created_by.1.per_second", 'r'},
	{WINDOW "waits_by.3.function", 'n'},
	{WINDOW "waits_by.3.at", 'n'},
	{WINDOW "parked_at.0.function", 's'},
	{WINDOW "parked_at.2.at", 'n'},
	{OVERHEAD "go_gc", 'r'},
	{OVERHEAD "cpu_sched", 'n'},
	{OVERHEAD "max_ratio", 'r'},
	{OVERHEAD "worst_ratio", 'r'},
	{OVERHEAD "off.0", 's'},
	{OVERHEAD "next_seconds", 'r'},
	{"containers.1.sched.window.open", 'i'},
	{"containers.1.sched.window.windows", 'i'},
	{"containers.1.sched.window.age_seconds", 'n'},
	{"containers.1.sched.window.latency_seconds", 'D'},
	{"containers.1.sched.window.netpoll_seconds", 'D'},
	{"containers.1.sched.window.runs", 'n'},
	{"containers.1.sched.window.hits", 'n'},
	{"containers.1.sched.window.lost", 'n'},
	{"containers.1.sched.window.cost_seconds", 'n'},
	{"containers.1.sched.window.end", 'n'},
	{"containers.1.overhead.max_ratio", 'n'},
	{"containers.1.overhead.off", 'a'},
	{"containers.2.sched.window", 'n'},
	{"containers.3.sched.window.lost", 'n'},
	{"containers.3.overhead.waiting", 'i'},
	{"containers.3.overhead.next_seconds", 'n'},
};

static void sample_windows(struct snapshot *s)
{
	sample_node(s);
	s->containers = calloc(4, sizeof(*s->containers));
	s->container_cnt = 4;
	for (int i = 0; i < s->container_cnt; i++) {
		sample_quiet(&s->containers[i], 0.5, 1);
		sample_owner(&s->containers[i].owner, "shop", i ? "cart-1" : "cart-0", "cart", NULL);
	}
	sample_window(&s->containers[0]);
	sample_overhead(&s->containers[0]);
	s->containers[0].overhead.waiting = 2;
	s->containers[1].sched.window.open = 1;
	s->containers[1].overhead.max_ratio = -1; /* --max-overhead none */
	sample_window(&s->containers[3]);         /* a window without its end, and one that waits in vain */
	s->containers[3].sched.window.lost = STAT_UNKNOWN;
	s->containers[3].overhead.waiting = 1;
	s->containers[3].overhead.next_seconds = INFINITY;
}

static void check_snapshot(void (*sample)(struct snapshot *s), const char *golden, const struct type_case *rows,
			   size_t cnt)
{
	struct snapshot s;
	struct str file;
	json_t *root;
	char *line;

	sample(&s);
	line = jsonl_snapshot(&s);
	root = parse(line);
	check_types(root, rows, cnt);
	assert_int_equal(json_array_size(at(root, "containers")), s.container_cnt);
	str_init(&file);
	str_addf(&file, "%s\n", line);
	assert_true(golden_same(golden, str_get(&file)));
	str_deinit(&file);
	json_decref(root);
	free(line);
	snapshot_deinit(&s);
}

static void test_snapshot(void **state)
{
	check_snapshot(sample_busy, "snapshot_busy.jsonl", busy_types, ARRAY_SIZE(busy_types));
	check_snapshot(sample_unknown, "snapshot_unknown.jsonl", unknown_types, ARRAY_SIZE(unknown_types));
	check_snapshot(sample_windows, "snapshot_windows.jsonl", window_types, ARRAY_SIZE(window_types));
	check_snapshot(sample_node, "snapshot_empty.jsonl", busy_types, 13);
}

static void test_values(void **state)
{
	struct snapshot s;
	json_t *root;
	char *line;

	sample_busy(&s);
	s.containers[0].gc.gogc = -1;
	s.containers[0].cpu.usage_seconds = INFINITY; /* not JSON */
	line = jsonl_snapshot(&s);
	root = parse(line);
	assert_string_equal(json_string_value(at(root, "time_unix_nano")), "1753878667500000000");
	assert_int_equal(json_integer_value(at(root, "containers.0.gc.gogc")), -1);
	assert_int_equal(json_integer_value(at(root, "containers.0.gc.memory_limit_bytes")), -1);
	assert_true(json_number_value(at(root, "containers.4.cpu.limit_cpus")) == -1);
	assert_true(json_is_null(at(root, "containers.0.cpu.usage_seconds")));
	assert_true(json_number_value(at(root, "containers.0.gc.pause_seconds.max")) == 0.0714);
	assert_int_equal(json_integer_value(at(root, "containers.3.gc.pause_seconds.count")), 0);
	assert_true(json_is_null(at(root, "containers.3.gc.pause_seconds.p99")));
	assert_string_equal(json_string_value(at(root, "containers.0.verdicts.0.severity")), "critical");
	json_decref(root);
	free(line);
	snapshot_deinit(&s);
}

/* The goroutines of one site after another, with what is not known of them; cycles that only the pause ring tells. */
static void test_sched_values(void **state)
{
	struct snapshot s;
	json_t *root;
	char *line;

	sample_busy(&s);
	s.containers[0].sched.group_cnt = 0;
	sample_groups(&s.containers[0]);
	s.containers[0].gc.on = false;
	s.containers[0].gc.passive = true;
	line = jsonl_snapshot(&s);
	root = parse(line);
	assert_int_equal(json_array_size(at(root, "containers.0.sched.groups")), 5);
	assert_int_equal(json_integer_value(at(root, "containers.0.sched.groups.0.count")), 1204);
	assert_true(json_number_value(at(root, "containers.0.sched.groups.0.per_minute")) == 96);
	assert_string_equal(json_string_value(at(root, "containers.0.sched.groups.0.state")), "waiting");
	assert_string_equal(json_string_value(at(root, "containers.0.sched.groups.0.created_by")),
			    "cart.(*Hub).Subscribe");
	assert_string_equal(json_string_value(at(root, "containers.0.sched.groups.0.blocked_at")), "hub.go:131");
	assert_string_equal(json_string_value(at(root, "containers.0.sched.groups.0.mark")), "leak?");
	assert_string_equal(json_string_value(at(root, "containers.0.sched.groups.1.mark")), "blocked");
	assert_string_equal(json_string_value(at(root, "containers.0.sched.groups.2.mark")), "leaked");
	assert_true(json_is_null(at(root, "containers.0.sched.groups.3.mark")));
	assert_true(json_is_null(at(root, "containers.0.sched.groups.4.per_minute")));
	assert_true(json_is_null(at(root, "containers.0.sched.groups.4.reason")));
	assert_string_equal(json_string_value(at(root, "containers.0.sched.source")), "passive");
	assert_int_equal(json_integer_value(at(root, "containers.0.gc.cycles")), 142);
	assert_int_equal(json_object_size(at(root, "containers.0.gc.pauses_by_reason")), 0);
	assert_true(json_is_null(at(root, "containers.0.gc.mark_wall_ratio")));
	json_decref(root);
	free(line);
	snapshot_deinit(&s);
}

/* Sums of both directions, names of errors, the share of a signal in windows; one unknown part makes a sum unknown. */
static void test_network_values(void **state)
{
	struct snapshot s;
	struct snapshot_net *n;
	json_t *root;
	char *line;

	sample_busy(&s);
	n = &s.containers[0].net;
	n->open_client = 5;
	n->open_server = 7;
	n->open_unknown = 1;
	n->resets_sent = 2;
	n->resets_received = 3;
	n->failed_by_cnt = 3;
	n->failed_by[0].error = 111;
	n->failed_by[0].cnt = 4;
	n->failed_by[1].error = 4000000000u;
	n->failed_by[1].cnt = 2;
	n->failed_by[2].error = 0;
	n->failed_by[2].cnt = 1;
	s.containers[1].net.resets_sent = STAT_UNKNOWN;
	line = jsonl_snapshot(&s);
	root = parse(line);
	assert_int_equal(json_integer_value(at(root, "containers.0.net.connections")), 13);
	assert_int_equal(json_integer_value(at(root, "containers.0.net.resets")), 5);
	assert_int_equal(json_integer_value(at(root, "containers.0.net.failed_connects.ECONNREFUSED")), 4);
	assert_int_equal(json_integer_value(at(root, "containers.0.net.failed_connects.errno 4000000000")), 2);
	assert_int_equal(json_integer_value(at(root, "containers.0.net.failed_connects.other")), 1);
	assert_true(json_is_null(at(root, "containers.1.net.resets")));
	assert_string_equal(json_string_value(at(root, "agent.signals.cpu_sched.state")), "window");
	assert_true(json_number_value(at(root, "agent.signals.cpu_sched.window_share")) == 0.1);
	json_decref(root);
	free(line);
	snapshot_deinit(&s);
}

static void test_why(void **state)
{
	struct snapshot s;
	json_t *root;
	char *line;

	sample_busy(&s);
	line = jsonl_why(&s, &s.containers[1]);
	root = parse(line);
	assert_int_equal(json_array_size(at(root, "containers")), 1);
	assert_string_equal(json_string_value(at(root, "containers.0.owner.pod")), "cart-0");
	assert_string_equal(json_string_value(at(root, "schema")), "gopherscope.snapshot/1");
	json_decref(root);
	free(line);
	snapshot_deinit(&s);
}

/* Bytes that are no UTF-8 become U+FFFD, controls are escaped, good text is left alone. */
static void test_hostile_names(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{"a\033[2J\n\"\\", "a\033[2J\n\"\\"},
		{"\377x\300\257", "\357\277\275x\357\277\275\357\277\275"},
		{"\355\240\200", "\357\277\275\357\277\275\357\277\275"},
		{"\303\274\346\227\245", "\303\274\346\227\245"},
		{"\340\200\257", "\357\277\275\357\277\275\357\277\275"}, /* overlong slash */
		{"cut \360\237\230", "cut \357\277\275\357\277\275\357\277\275"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct snapshot s;
		json_t *root;
		char *line;

		sample_busy(&s);
		str_copy(s.containers[0].owner.pod, OWNER_NAME_SZ, rows[i].in);
		str_copy(s.containers[0].processes[0].go_version, 64, rows[i].in);
		line = jsonl_snapshot(&s);
		root = parse(line);
		assert_string_equal(json_string_value(at(root, "containers.0.owner.pod")), rows[i].want);
		assert_string_equal(json_string_value(at(root, "containers.0.processes.0.go_version")), rows[i].want);
		json_decref(root);
		free(line);
		snapshot_deinit(&s);
	}
}

static const struct type_case process_types[] = {
	{"schema", 's'},
	{"pid", 'i'},
	{"start_unix_nano", 's'},
	{"comm", 's'},
	{"exe", 's'},
	{"go_version", 's'},
	{"build_id", 's'},
	{"arch", 's'},
	{"module", 's'},
	{"stripped", 'b'},
	{"pie", 'b'},
	{"cgo", 'b'},
	{"owner.pod", 's'},
	{"signals.go_gc.state", 's'},
	{"signals.go_gc.reason", 'n'},
	{"signals.go_gc.via", 's'},
	{"signals.go_runtime.state", 's'},
	{"signals.go_runtime.reason", 's'},
	{"signals.go_runtime.via", 'n'},
};
static const struct type_case skipped_types[] = {
	{"start_unix_nano", 'n'},      {"exe", 'n'},    {"go_version", 'n'}, {"stripped", 'n'}, {"owner.pod", 'n'},
	{"signals.go_gc.reason", 's'}, {"reason", 's'},
};

static void test_process(void **state)
{
	struct binary b = {.go_version = "go1.22.5",
			   .build_id = "abc/def",
			   .arch = "amd64",
			   .module = "example.org/checkout",
			   .stripped = true,
			   .pie = true,
			   .sites[GO_SITE_START_WORLD].how = SITE_PUSH};
	struct process p = {.pid = 48213,
			    .start_unix_ns = SAMPLE_TIME_NS,
			    .comm = "server",
			    .exe = "/app/server (deleted)",
			    .binary = &b,
			    .state = PROCESS_PARTIAL,
			    .go_gc_on = true,
			    .go_runtime_why = "self-check failed (allp[3].id = 7)"};
	struct process skipped = {.pid = 1, .comm = "init", .state = PROCESS_SKIPPED, .why = "no Go build information"};
	struct owner o = {.kind = OWNER_POD};
	char *line, *second;
	struct str all;
	json_t *root;

	sample_owner(&o, "shop", "checkout-api-7d9c6b5f4-x2x9k", "app", NULL);
	line = jsonl_process(&p, &o);
	root = parse(line);
	check_types(root, process_types, ARRAY_SIZE(process_types));
	json_decref(root);
	second = jsonl_process(&skipped, NULL);
	root = parse(second);
	check_types(root, skipped_types, ARRAY_SIZE(skipped_types));
	json_decref(root);
	str_init(&all);
	str_addf(&all, "%s\n%s\n", line, second);
	assert_true(golden_same("process.jsonl", str_get(&all)));
	str_deinit(&all);
	free(line);
	free(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_snapshot),     cmocka_unit_test(test_values),
		cmocka_unit_test(test_why),          cmocka_unit_test(test_network_values),
		cmocka_unit_test(test_sched_values), cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
