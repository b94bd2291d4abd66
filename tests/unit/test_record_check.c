/* SPDX-License-Identifier: BSD-2-Clause */
/* record_check: what a record of each type must satisfy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "probes/probes.h"
#include "records.h"

static void good(void **state)
{
	union any_record a;

	for (int i = 0; i < RECORDS_CNT; i++) {
		struct record r = records_get(i, &a);

		if (record_check(&r))
			fail_msg("record %d (%s)", i, record_type_name(r.type));
		assert_true(r.size > 0 && r.size % 8 == 0);
	}
}

static void sizes(void **state)
{
	union any_record a;

	for (int i = 0; i < RECORDS_CNT; i++) {
		struct record r = records_get(i, &a);
		uint32_t size = r.size;

		r.size = size - 8;
		assert_int_equal(record_check(&r), -EINVAL);
		r.size = size + 8;
		assert_int_equal(record_check(&r), -EINVAL);
		r.size = 0;
		assert_int_equal(record_check(&r), -EINVAL);
	}
}

static void names(void **state)
{
	struct record r = {.type = (enum record_type)0, .size = 8, .body = "12345678"};

	assert_string_equal(record_type_name(RECORD_EVENT), "event");
	assert_string_equal(record_type_name(RECORD_SESSION), "session");
	assert_string_equal(record_type_name(RECORD_LATENCY), "latency");
	assert_string_equal(record_type_name(RECORD_RESOURCES), "resources");
	assert_string_equal(record_type_name(RECORD_OVERHEAD), "overhead");
	assert_null(record_type_name((enum record_type)0));
	assert_null(record_type_name((enum record_type)22));
	assert_null(record_type_name((enum record_type)65535));
	assert_int_equal(record_check(&r), -EINVAL);
	r.type = (enum record_type)65535;
	assert_int_equal(record_check(&r), -EINVAL);
}

#define FIELD(type, record, field) type, offsetof(struct record, field), sizeof(((struct record *)0)->field)

/* Every text that is full to its last byte is refused. */
static void texts(void **state)
{
	static const struct {
		enum record_type type;
		size_t at, size;
	} rows[] = {
		{FIELD(RECORD_SESSION, record_session, node_name)},
		{FIELD(RECORD_SESSION, record_session, agent_version)},
		{FIELD(RECORD_OWNER, record_owner, owner.namespace_)},
		{FIELD(RECORD_OWNER, record_owner, owner.pod)},
		{FIELD(RECORD_OWNER, record_owner, owner.pod_uid)},
		{FIELD(RECORD_OWNER, record_owner, owner.container)},
		{FIELD(RECORD_OWNER, record_owner, owner.container_id)},
		{FIELD(RECORD_OWNER, record_owner, owner.runtime)},
		{FIELD(RECORD_OWNER, record_owner, owner.workload_kind)},
		{FIELD(RECORD_OWNER, record_owner, owner.workload_name)},
		{FIELD(RECORD_OWNER, record_owner, owner.cgroup)},
		{FIELD(RECORD_OWNER, record_owner, owner.cgroup_v2)},
		{FIELD(RECORD_OWNER, record_owner, owner.cgroup_memory)},
		{FIELD(RECORD_OWNER, record_owner, owner.host_comm)},
		{FIELD(RECORD_CENSUS, record_census, groups[0].reason)},
		{FIELD(RECORD_CENSUS, record_census, groups[0].created)},
		{FIELD(RECORD_CENSUS, record_census, groups[0].created_at)},
		{FIELD(RECORD_CENSUS, record_census, groups[0].blocked)},
		{FIELD(RECORD_CENSUS, record_census, groups[0].blocked_at)},
		{FIELD(RECORD_PROCESS, record_process, comm)},
		{FIELD(RECORD_PROCESS, record_process, go_version)},
		{FIELD(RECORD_PROCESS, record_process, exe)},
		{FIELD(RECORD_PROCESS, record_process, build_id)},
		{FIELD(RECORD_PROCESS, record_process, why)},
		{FIELD(RECORD_PROCESS, record_process, go_gc_why)},
		{FIELD(RECORD_PROCESS, record_process, go_runtime_why)},
		{FIELD(RECORD_LIMITS, record_limits, limits.cpu_limit_cgroup)},
		{FIELD(RECORD_SIGNAL, record_signal, mechanism)},
		{FIELD(RECORD_SIGNAL, record_signal, reason)},
		{FIELD(RECORD_SCHED_NAME, record_sched_name, function)},
		{FIELD(RECORD_SCHED_NAME, record_sched_name, at)},
	};
	union any_record a;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct record r = records_get((int)rows[i].type - RECORD_OWNER + RECORDS_KINDS, &a);

		assert_int_equal(r.type, rows[i].type);
		memset((char *)&a + rows[i].at, 'x', rows[i].size);
		assert_int_equal(record_check(&r), -EINVAL);
		((char *)&a)[rows[i].at + rows[i].size - 1] = 0;
		assert_int_equal(record_check(&r), 0);
	}
}

/* One number of a record set to what cannot be. */
static void numbers(void **state)
{
	static const struct {
		enum record_type type;
		size_t at, size;
		int64_t value;
	} rows[] = {
		{FIELD(RECORD_SESSION, record_session, cpus), -1},
		{FIELD(RECORD_SESSION, record_session, cpus), 100000},
		{FIELD(RECORD_SESSION, record_session, start_ns), -1},
		{FIELD(RECORD_OWNER, record_owner, id), 0},
		{FIELD(RECORD_OWNER, record_owner, level_cnt), RECORD_LEVELS + 1},
		{FIELD(RECORD_OWNER, record_owner, netns_cnt), 1},
		{FIELD(RECORD_OWNER, record_owner, owner.kind), OWNER_UNATTRIBUTED + 1},
		{FIELD(RECORD_OWNER, record_owner, owner.kind), -1},
		{FIELD(RECORD_OWNER, record_owner, owner.host_pid), -1},
		{FIELD(RECORD_OWNER, record_owner, owner.sandbox), 2},
		{FIELD(RECORD_OWNER_GONE, record_id, id), 0},
		{FIELD(RECORD_PROCESS, record_process, pid), 0},
		{FIELD(RECORD_PROCESS, record_process, pid), -5},
		{FIELD(RECORD_PROCESS, record_process, vpid), -1},
		{FIELD(RECORD_PROCESS, record_process, flags), 1024},
		{FIELD(RECORD_PROCESS, record_process, state), PROCESS_SKIPPED + 1},
		{FIELD(RECORD_PROCESS_GONE, record_process_gone, pid), 0},
		{FIELD(RECORD_PROCESS_GONE, record_process_gone, has_exit), 2},
		{FIELD(RECORD_SAMPLE, record_sample, pid), 0},
		{FIELD(RECORD_SAMPLE, record_sample, sample.heap_live_bytes), INT64_MAX},
		{FIELD(RECORD_SAMPLE, record_sample, sample.memory_limit_bytes), -2},
		{FIELD(RECORD_SAMPLE, record_sample, sample.heap_goal_bytes), -2},
		{FIELD(RECORD_SAMPLE, record_sample, sample.numgc), INT64_MIN + 1},
		{FIELD(RECORD_LIMITS, record_limits, owner_id), 0},
		{FIELD(RECORD_LIMITS, record_limits, limits.cpu_limit), 0x7ff0000000000000},  /* infinity */
		{FIELD(RECORD_LIMITS, record_limits, limits.cpu_request), -0x10000000000000}, /* the same below 0 */
		{FIELD(RECORD_LIMITS, record_limits, limits.memory_limit), -2},
		{FIELD(RECORD_USAGE, record_usage, owner_id), 0},
		{FIELD(RECORD_USAGE, record_usage, flags), 2},
		{FIELD(RECORD_USAGE, record_usage, usage.cpu_ns), INT64_MAX},
		{FIELD(RECORD_USAGE, record_usage, usage.working_set_bytes), INT64_MAX},
		{FIELD(RECORD_SIGNAL, record_signal, id), SIGNAL_CNT},
		{FIELD(RECORD_SIGNAL, record_signal, mode), SIGNAL_WINDOW + 1},
		{FIELD(RECORD_SIGNAL, record_signal, window_share), 0x7ff0000000000000},
		{FIELD(RECORD_NODE, record_node, time_ns), -1},
		{FIELD(RECORD_NODE, record_node, agent_rss_bytes), INT64_MAX},
		{FIELD(RECORD_CLOCK, record_clock, mono_ns), -1},
		{FIELD(RECORD_TICK, record_tick, window_ns), -1},
		{FIELD(RECORD_LATENCY, record_latency, pid), 0},
		{FIELD(RECORD_LATENCY, record_latency, diluted), 2},
		{FIELD(RECORD_LATENCY, record_latency, latency.start_ns), RECORDS_END_NS + 1},
		{FIELD(RECORD_LATENCY, record_latency, latency.end_ns), -1},
		{FIELD(RECORD_LATENCY, record_latency, latency.cnt), 4},
		{FIELD(RECORD_LATENCY, record_latency, latency.buckets[159]), 1},
		{FIELD(RECORD_CENSUS, record_census, pid), -1},
		{FIELD(RECORD_CENSUS, record_census, group_cnt), RECORD_CENSUS_GROUPS + 1},
		{FIELD(RECORD_CENSUS, record_census, time_ns), -1},
		{FIELD(RECORD_CENSUS, record_census, total), -1},
		{FIELD(RECORD_CENSUS, record_census, leaked), -1},
		{FIELD(RECORD_CENSUS, record_census, groups[0].cnt), -1},
		{FIELD(RECORD_CENSUS, record_census, groups[0].oldest_wait_ns), INT64_MAX},
		{FIELD(RECORD_CENSUS, record_census, groups[0].state), GOROUTINE_STATE_CNT},
		{FIELD(RECORD_PAUSES, record_pauses, pid), 0},
		{FIELD(RECORD_PAUSES, record_pauses, cnt), RECORD_PAUSES_MAX + 1},
		{FIELD(RECORD_PAUSES, record_pauses, missed), -1},
		{FIELD(RECORD_PAUSES, record_pauses, pauses[0].pause_ns), -1},
		{FIELD(RECORD_RESOURCES, record_resources, pid), 0},
		{FIELD(RECORD_RESOURCES, record_resources, maxprocs_by), MAXPROCS_GODEBUG + 1},
		{FIELD(RECORD_RESOURCES, record_resources, fds), -2},
		{FIELD(RECORD_GO_SCHED, record_go_sched, pid), 0},
		{FIELD(RECORD_GO_SCHED, record_go_sched, cnt), RECORDS_SWITCHES - 1},
		{FIELD(RECORD_GO_SCHED, record_go_sched, cnt), RECORDS_SWITCHES + 1},
		{FIELD(RECORD_GO_SCHED, record_go_sched, cnt), RECORD_SCHED_EVENTS + 1},
		{FIELD(RECORD_GO_SCHED, record_go_sched, cnt), -1},
		{FIELD(RECORD_GO_SCHED, record_go_sched, events[2].kind), 0},
		{FIELD(RECORD_GO_SCHED, record_go_sched, events[2].kind), GO_SCHED_KIND_CNT},
		{FIELD(RECORD_GO_SCHED, record_go_sched, events[2].time_ns), -1},
		{FIELD(RECORD_SCHED_NAME, record_sched_name, pid), -1},
		{FIELD(RECORD_SCHED_NAME, record_sched_name, what), SCHED_NAME_CNT},
		{FIELD(RECORD_SCHED_WINDOW, record_sched_window, pid), 0},
		{FIELD(RECORD_SCHED_WINDOW, record_sched_window, end), SCHED_WINDOW_END_CNT},
		{FIELD(RECORD_SCHED_WINDOW, record_sched_window, start_ns), RECORDS_END_NS + 1},
		{FIELD(RECORD_SCHED_WINDOW, record_sched_window, end_ns), -1},
		{FIELD(RECORD_SCHED_WINDOW, record_sched_window, hits[10]), INT64_MAX},
		{FIELD(RECORD_SCHED_WINDOW, record_sched_window, lost[1]), -1},
		{FIELD(RECORD_SCHED_WINDOW, record_sched_window, late), -1},
		{FIELD(RECORD_SCHED_WINDOW, record_sched_window, cost_ns), 0x7ff0000000000000},  /* infinity */
		{FIELD(RECORD_SCHED_WINDOW, record_sched_window, cost_ns), 0x7ff8000000000000},  /* NAN */
		{FIELD(RECORD_SCHED_WINDOW, record_sched_window, cost_ns), -0x4010000000000000}, /* -1 */
		{FIELD(RECORD_SCHED_WINDOW, record_sched_window, cpu_ns), -1},
		{FIELD(RECORD_OVERHEAD, record_overhead, pid), 0},
		{FIELD(RECORD_OVERHEAD, record_overhead, off), 1 << OVERHEAD_GROUP_CNT},
		{FIELD(RECORD_OVERHEAD, record_overhead, time_ns), -1},
		{FIELD(RECORD_OVERHEAD, record_overhead, cpu_ns), -1},
		{FIELD(RECORD_OVERHEAD, record_overhead, cost_ns[3]), 0x7ff0000000000000},
		{FIELD(RECORD_OVERHEAD, record_overhead, cost_ns[0]), -0x4010000000000000},
		{FIELD(RECORD_OVERHEAD, record_overhead, max_ratio), 0x7ff8000000000000},
		{FIELD(RECORD_OVERHEAD, record_overhead, max_ratio), 0x7ff0000000000000},
		{FIELD(RECORD_OVERHEAD, record_overhead, credit_ns), 0x7ff8000000000000},
		{FIELD(RECORD_OVERHEAD, record_overhead, next_ns), -2},
	};
	union any_record a;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct record r = records_get((int)rows[i].type - RECORD_OWNER + RECORDS_KINDS, &a);

		memcpy((char *)&a + rows[i].at, &rows[i].value, rows[i].size);
		if (record_check(&r) != -EINVAL)
			fail_msg("row %zu: %s passes", i, record_type_name(r.type));
	}
}

/* A window that waits for budget and gets none. */
static void budget_that_does_not_come(void **state)
{
	union any_record a;
	struct record r = records_get(RECORD_OVERHEAD - RECORD_OWNER + RECORDS_KINDS, &a);

	((struct record_overhead *)&a)->next_ns = UINT64_MAX;
	assert_int_equal(record_check(&r), 0);
}

/* A fast reading has no more than time and CPU time. */
static void fast_usage(void **state)
{
	union any_record a;
	struct record r = records_get(RECORD_USAGE - RECORD_OWNER + RECORDS_KINDS, &a);

	a.usage.usage.memory_bytes = INT64_MAX;
	assert_int_equal(record_check(&r), -EINVAL);
	a.usage.flags = RECORD_USAGE_FAST;
	assert_int_equal(record_check(&r), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),       cmocka_unit_test(sizes),   cmocka_unit_test(names),
		cmocka_unit_test(texts),      cmocka_unit_test(numbers), cmocka_unit_test(budget_that_does_not_come),
		cmocka_unit_test(fast_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
