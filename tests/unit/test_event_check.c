/* SPDX-License-Identifier: BSD-2-Clause */
/* event_check: sizes, kinds, stamps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <string.h>

#include <stdint.h>
#include <cmocka.h>

#include "events/source.h"

static void fill(union event *e, uint16_t kind, uint16_t size)
{
	memset(e, 0, sizeof(*e));
	e->hdr.kind = kind;
	e->hdr.size = size;
	e->hdr.time_ns = 1000;
}

static void sizes(void **state)
{
	static const struct {
		uint16_t kind, size;
		int want;
	} rows[] = {
		{ EVENT_GC_START, sizeof(struct event_gc_start), 0 },
		{ EVENT_GC_MARK_END, sizeof(struct event_gc_mark_end), 0 },
		{ EVENT_GC_PAUSE, sizeof(struct event_gc_pause), 0 },
		{ EVENT_THROTTLE, sizeof(struct event_throttle), 0 },
		{ EVENT_THROTTLE_MISSED, sizeof(struct event_throttle_missed), 0 },
		{ EVENT_PROC_EXEC, sizeof(struct event_proc), 0 },
		{ EVENT_PROC_EXIT, sizeof(struct event_proc), 0 },
		{ EVENT_GC_PAUSE, sizeof(struct event_gc_start), -EINVAL },
		{ EVENT_GC_START, sizeof(struct event_hdr), -EINVAL },
		{ 0, sizeof(struct event_hdr), -EINVAL },
		{ 8, sizeof(struct event_hdr), -EINVAL },
		{ 65535, sizeof(struct event_hdr), -EINVAL },
	};
	union event e;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		fill(&e, rows[i].kind, rows[i].size);
		assert_int_equal(event_check(&e, rows[i].size), rows[i].want);
	}
	fill(&e, EVENT_GC_START, sizeof(struct event_gc_start));
	assert_int_equal(event_check(&e, sizeof(struct event_gc_start) - 1), -EINVAL); /* header and record disagree */
	assert_int_equal(event_check(&e, 3), -EINVAL);
}

static void backwards(void **state)
{
	union event e;

	fill(&e, EVENT_GC_PAUSE, sizeof(struct event_gc_pause));
	e.gc_pause.start_ns = 1001;
	assert_int_equal(event_check(&e, e.hdr.size), -EINVAL);
	fill(&e, EVENT_GC_PAUSE, sizeof(struct event_gc_pause));
	memset(e.gc_pause.text, 'x', sizeof(e.gc_pause.text));
	assert_int_equal(event_check(&e, e.hdr.size), -EINVAL);
	fill(&e, EVENT_THROTTLE, sizeof(struct event_throttle));
	e.throttle.start_ns = 1001;
	assert_int_equal(event_check(&e, e.hdr.size), -EINVAL);
	fill(&e, EVENT_PROC_EXIT, sizeof(struct event_proc));
	memset(e.proc.comm, 'x', sizeof(e.proc.comm));
	assert_int_equal(event_check(&e, e.hdr.size), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sizes), cmocka_unit_test(backwards) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
