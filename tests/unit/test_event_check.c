/* SPDX-License-Identifier: BSD-2-Clause */
/* event_check: sizes, kinds, stamps, texts, enums, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <string.h>

#include <stdint.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "events/source.h"
#include "records.h"

static void sizes(void **state)
{
	static const uint16_t want[] = {
		[EVENT_GC_START] = sizeof(struct event_gc_start),
		[EVENT_GC_MARK_END] = sizeof(struct event_gc_mark_end),
		[EVENT_GC_PAUSE] = sizeof(struct event_gc_pause),
		[EVENT_THROTTLE] = sizeof(struct event_throttle),
		[EVENT_THROTTLE_MISSED] = sizeof(struct event_throttle_missed),
		[EVENT_PROC_EXEC] = sizeof(struct event_proc),
		[EVENT_PROC_EXIT] = sizeof(struct event_proc),
		[EVENT_TCP_CONNECT] = sizeof(struct event_tcp_connect),
		[EVENT_TCP_FLOW] = sizeof(struct event_tcp_flow),
		[EVENT_TCP_RETRANSMIT] = sizeof(struct event_tcp_retransmit),
		[EVENT_TCP_RESET] = sizeof(struct event_tcp_reset),
		[EVENT_DNS_QUERY] = sizeof(struct event_dns_query),
		[EVENT_OOM_KILL] = sizeof(struct event_oom_kill),
		[EVENT_RUNQ] = sizeof(struct event_runq),
		[EVENT_RUNQ_WINDOW] = sizeof(struct event_runq_window),
		[EVENT_RUNQ_MEAN] = sizeof(struct event_runq_mean),
		[EVENT_GC_DONE] = sizeof(struct event_gc_done),
		[EVENT_GC_ASSIST] = sizeof(struct event_gc_assist),
		[EVENT_GC_ASSISTS] = sizeof(struct event_gc_assists),
	};
	union event e;

	for (uint16_t kind = 1; kind < ARRAY_SIZE(want); kind++) {
		assert_int_equal(event_size(kind), want[kind]);
		records_event(&e, kind);
		assert_int_equal(event_check(&e, want[kind]), 0);
		e.hdr.size = (uint16_t)(want[kind] - 8); /* too short for the kind */
		assert_int_equal(event_check(&e, e.hdr.size), -EINVAL);
		e.hdr.size = (uint16_t)(want[kind] + 8);
		assert_int_equal(event_check(&e, e.hdr.size), -EINVAL);
		e.hdr.size = want[kind];
		assert_int_equal(event_check(&e, want[kind] - 1), -EINVAL); /* header and record disagree */
		assert_int_equal(event_check(&e, 3), -EINVAL);
	}
}

static void kinds(void **state)
{
	static const uint16_t rows[] = {0, 20, 63, 64, 65535};
	union event e;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(&e, 0, sizeof(e));
		e.hdr.kind = rows[i];
		e.hdr.size = sizeof(e.hdr);
		assert_int_equal(event_check(&e, sizeof(e.hdr)), -EINVAL);
		assert_int_equal(event_size(rows[i]), 0);
	}
}

#define FIELD(kind, record, field) kind, offsetof(struct record, field), sizeof(((struct record *)0)->field)
#define LATE                       (RECORDS_END_NS + 1)

/* One field of a good event set to something else. */
static void fields(void **state)
{
	static const struct {
		uint16_t kind;
		size_t at, size;
		uint64_t value;
		int want;
	} rows[] = {
		{FIELD(EVENT_GC_MARK_END, event_hdr, time_ns), 1ull << 62, -EINVAL},
		{FIELD(EVENT_GC_MARK_END, event_hdr, tgid), 0x80000000, -EINVAL},
		{FIELD(EVENT_GC_MARK_END, event_hdr, tid), 0x80000000, -EINVAL},
		{FIELD(EVENT_GC_MARK_END, event_hdr, tgid), 0, 0},
		{FIELD(EVENT_GC_START, event_gc_start, trigger), GC_TRIGGER_UNKNOWN, 0},
		{FIELD(EVENT_GC_START, event_gc_start, trigger), 3, -EINVAL},
		{FIELD(EVENT_GC_PAUSE, event_gc_pause, start_ns), LATE, -EINVAL},
		{FIELD(EVENT_GC_PAUSE, event_gc_pause, start_ns), RECORDS_END_NS, 0},
		{FIELD(EVENT_GC_PAUSE, event_gc_pause, reason), 40, 0}, /* of a newer Go */
		{FIELD(EVENT_GC_PAUSE, event_gc_pause, reason), 256, -EINVAL},
		{FIELD(EVENT_GC_DONE, event_gc_done, sweep_term_ns), LATE, -EINVAL}, /* the phases are in order */
		{FIELD(EVENT_GC_DONE, event_gc_done, sweep_term_ns), (uint64_t)-1, -EINVAL},
		{FIELD(EVENT_GC_DONE, event_gc_done, mark_ns), LATE, -EINVAL},
		{FIELD(EVENT_GC_DONE, event_gc_done, mark_term_ns), LATE, -EINVAL},
		{FIELD(EVENT_GC_DONE, event_gc_done, end_ns), 1ull << 62, -EINVAL},
		{FIELD(EVENT_GC_DONE, event_gc_done, idle_ns), (uint64_t)-1, -EINVAL},
		{FIELD(EVENT_GC_DONE, event_gc_done, maxprocs), UINT32_MAX, -EINVAL},
		{FIELD(EVENT_GC_DONE, event_gc_done, flags), GC_DONE_FORCED, 0},
		{FIELD(EVENT_GC_DONE, event_gc_done, flags), 0x80000000, -EINVAL},
		{FIELD(EVENT_THROTTLE, event_throttle, start_ns), LATE, -EINVAL},
		{FIELD(EVENT_THROTTLE, event_throttle, how), 2, -EINVAL},
		{FIELD(EVENT_THROTTLE, event_throttle, cpu), 65536, -EINVAL},
		{FIELD(EVENT_THROTTLE_MISSED, event_throttle_missed, start_ns), LATE, -EINVAL},
		{FIELD(EVENT_THROTTLE_MISSED, event_throttle_missed, missed_ns), (uint64_t)-1000, 0},
		{FIELD(EVENT_THROTTLE_MISSED, event_throttle_missed, missed_ns), 1ull << 63, -EINVAL},
		{FIELD(EVENT_TCP_CONNECT, event_tcp_connect, start_ns), LATE, -EINVAL},
		{FIELD(EVENT_TCP_CONNECT, event_tcp_connect, error), 111, 0},
		{FIELD(EVENT_TCP_CONNECT, event_tcp_connect, error), 4096, -EINVAL},
		{FIELD(EVENT_TCP_CONNECT, event_tcp_connect, addr.family), 0, 0},
		{FIELD(EVENT_TCP_CONNECT, event_tcp_connect, addr.family), 1, -EINVAL},
		{FIELD(EVENT_TCP_FLOW, event_tcp_flow, addr.family), 3, -EINVAL},
		{FIELD(EVENT_TCP_FLOW, event_tcp_flow, role), 3, -EINVAL},
		{FIELD(EVENT_TCP_FLOW, event_tcp_flow, flags), 7, 0},
		{FIELD(EVENT_TCP_FLOW, event_tcp_flow, flags), 8, -EINVAL},
		{FIELD(EVENT_TCP_FLOW, event_tcp_flow, age_ns), UINT64_MAX, -EINVAL},
		{FIELD(EVENT_TCP_RETRANSMIT, event_tcp_retransmit, syn), 2, -EINVAL},
		{FIELD(EVENT_TCP_RETRANSMIT, event_tcp_retransmit, addr.family), 65535, -EINVAL},
		{FIELD(EVENT_TCP_RESET, event_tcp_reset, received), 2, -EINVAL},
		{FIELD(EVENT_TCP_RESET, event_tcp_reset, addr.family), NET_AF_INET6, 0},
		{FIELD(EVENT_TCP_RESET, event_tcp_reset, addr.family), 11, -EINVAL},
		{FIELD(EVENT_DNS_QUERY, event_dns_query, start_ns), LATE, -EINVAL},
		{FIELD(EVENT_DNS_QUERY, event_dns_query, result), 2, -EINVAL},
		{FIELD(EVENT_DNS_QUERY, event_dns_query, rcode), DNS_RCODE_UNKNOWN, 0},
		{FIELD(EVENT_DNS_QUERY, event_dns_query, rcode), 4096, -EINVAL},
		{FIELD(EVENT_DNS_QUERY, event_dns_query, addr.family), 1, -EINVAL},
		{FIELD(EVENT_RUNQ, event_runq, start_ns), LATE, -EINVAL},
		{FIELD(EVENT_RUNQ, event_runq, throttled_ns), 8000000, 0},
		{FIELD(EVENT_RUNQ, event_runq, throttled_ns), 8000001, -EINVAL},
		{FIELD(EVENT_RUNQ, event_runq, cpu), 65536, -EINVAL},
		{FIELD(EVENT_RUNQ, event_runq, prev_tgid), 0xffffffff, -EINVAL},
		{FIELD(EVENT_RUNQ_WINDOW, event_runq_window, start_ns), LATE, -EINVAL},
		{FIELD(EVENT_RUNQ_WINDOW, event_runq_window, cnt), 10, 0}, /* read while it was written */
		{FIELD(EVENT_RUNQ_WINDOW, event_runq_window, cnt), 10000, -EINVAL},
		{FIELD(EVENT_RUNQ_WINDOW, event_runq_window, cnt), UINT64_MAX, -EINVAL},
		{FIELD(EVENT_RUNQ_WINDOW, event_runq_window, buckets[7]), 10000, -EINVAL},
		{FIELD(EVENT_RUNQ_WINDOW, event_runq_window, sum_ns), 10000000, -EINVAL}, /* more than cnt x max */
		{FIELD(EVENT_RUNQ_WINDOW, event_runq_window, max_ns), UINT64_MAX, -EINVAL},
		{FIELD(EVENT_RUNQ_WINDOW, event_runq_window, throttled_ns), UINT64_MAX, -EINVAL},
		{FIELD(EVENT_RUNQ_MEAN, event_runq_mean, start_ns), LATE, -EINVAL},
		{FIELD(EVENT_RUNQ_MEAN, event_runq_mean, delay_ns), UINT64_MAX, -EINVAL},
		{FIELD(EVENT_GC_ASSIST, event_gc_assist, start_ns), LATE, -EINVAL},
		{FIELD(EVENT_GC_ASSIST, event_gc_assist, goid), UINT64_MAX, 0},
		{FIELD(EVENT_GC_ASSISTS, event_gc_assists, cnt), UINT64_MAX, -EINVAL},
	};
	union event e;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		records_event(&e, rows[i].kind);
		memcpy((char *)&e + rows[i].at, &rows[i].value, rows[i].size);
		if (event_check(&e, e.hdr.size) != rows[i].want)
			fail_msg("row %zu: kind %u", i, rows[i].kind);
	}
}

/* Full to the last byte, then with a NUL there. */
static void texts(void **state)
{
	static const struct {
		uint16_t kind;
		size_t at, size;
	} rows[] = {
		{FIELD(EVENT_GC_PAUSE, event_gc_pause, text)}, {FIELD(EVENT_PROC_EXEC, event_proc, comm)},
		{FIELD(EVENT_PROC_EXIT, event_proc, comm)},    {FIELD(EVENT_DNS_QUERY, event_dns_query, name)},
		{FIELD(EVENT_OOM_KILL, event_oom_kill, comm)}, {FIELD(EVENT_RUNQ, event_runq, comm)},
		{FIELD(EVENT_RUNQ, event_runq, prev_comm)},
	};
	union event e;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		records_event(&e, rows[i].kind);
		memset((char *)&e + rows[i].at, 'x', rows[i].size);
		assert_int_equal(event_check(&e, e.hdr.size), -EINVAL);
		((char *)&e)[rows[i].at + rows[i].size - 1] = 0;
		assert_int_equal(event_check(&e, e.hdr.size), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(kinds),
		cmocka_unit_test(fields),
		cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
