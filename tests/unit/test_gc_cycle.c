/* SPDX-License-Identifier: BSD-2-Clause */
/* Cycles out of event sequences: whole ones are told with gctrace's stamps, damaged ones are counted, never told. A row
 * is a sequence of events; each letter takes its stamps from its position, 1000 ns apart:
 * P first pause (sweep termination), S GC_START inside it, M mark restart, E mark end, T last pause, o another pause,
 * G a restart as Go before 1.21 names it, L events were lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "stats/gc_cycle.h"

#define STEP 1000

struct outcome {
	int marks, cycles;
	struct gc_cycle_done last_mark, last_cycle;
};

static union event event_of(char letter, uint64_t at, uint64_t mark_start)
{
	union event e;

	memset(&e, 0, sizeof(e));
	e.hdr.time_ns = at;
	switch (letter) {
	case 'S':
		e.hdr.kind = EVENT_GC_START;
		e.gc_start.mark_start_ns = mark_start;
		e.gc_start.procs = 4;
		e.gc_start.trigger = GC_TRIGGER_FORCED;
		return e;
	case 'E':
		e.hdr.kind = EVENT_GC_MARK_END;
		return e;
	}
	e.hdr.kind = EVENT_GC_PAUSE;
	e.gc_pause.reason = letter == 'P' ? STW_GC_SWEEP_TERM : letter == 'o' ? STW_READ_MEM_STATS : STW_GC_MARK_TERM;
	e.gc_pause.start_ns = at - STEP - 500; /* before the event ahead of it: the world was stopped there */
	if (letter == 'M')
		e.gc_pause.start_ns = at - 300;
	if (letter == 'G') {
		e.gc_pause.reason = STW_UNKNOWN;
		e.gc_pause.start_ns = at - 300;
		strcpy(e.gc_pause.text, "gcing");
	}
	return e;
}

static void feed(struct gc_cycle_state *s, const char *events, struct outcome *ret)
{
	uint64_t at = 10 * STEP;

	memset(ret, 0, sizeof(*ret));
	for (; *events; events++, at += STEP) {
		union event e = event_of(*events, at, at - 700);
		struct gc_cycle_done done;

		if (*events == 'L') {
			gc_cycle_break(s);
			continue;
		}
		bool said = gc_cycle_feed(s, &e, &done);

		assert_int_equal(said, done.mark || done.cycle);
		if (done.mark) {
			ret->marks++;
			ret->last_mark = done;
		}
		if (done.cycle) {
			ret->cycles++;
			ret->last_cycle = done;
		}
	}
}

static void sequences(void **state)
{
	static const struct {
		const char *events;
		int marks, cycles, broken;
	} rows[] = {
		{"", 0, 0, 0},
		{"SPET", 1, 1, 0},
		{"SPETSPETSPET", 3, 3, 0},
		{"SPMMET", 1, 1, 0}, /* mark restarted twice */
		{"SPGET", 1, 1, 0},
		{"oSPoEToSPETo", 2, 2, 0}, /* other stops in between */
		/* attached in the middle */
		{"PETSPET", 1, 1, 1},
		{"ETSPET", 1, 1, 1},
		{"METSPET", 1, 1, 1},
		{"TSPET", 1, 1, 1},
		/* lost: one event */
		{"SETSPET", 2, 2, 0},     /* first pause: the cycle is whole, its begin less exact */
		{"SPTSPET", 1, 1, 1},     /* mark end */
		{"SPESPET", 2, 1, 1},     /* last pause: its mark was seen */
		{"SPETPETSPET", 2, 2, 1}, /* start */
		/* lost: several */
		{"SPSPET", 1, 1, 1},
		{"SSSPET", 1, 1, 2},
		{"SPPETSPET", 1, 1, 2}, /* end of one and start of the next */
		{"SPEPETSPET", 2, 1, 2},
		{"SPEETSPET", 2, 1, 2},
		{"SETTSPET", 2, 2, 1},
		{"EESPET", 1, 1, 2},
		{"PPPSPET", 1, 1, 3},
		/* loss told from outside: what is open is not closed by a later end */
		{"SPLETSPET", 1, 1, 1},
		{"SPELTSPET", 2, 1, 1},
		{"LSPETL", 1, 1, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct gc_cycle_state s = {0};
		struct outcome o;

		feed(&s, rows[i].events, &o);
		if (o.marks != rows[i].marks || o.cycles != rows[i].cycles || s.broken != (uint64_t)rows[i].broken ||
		    s.cycles != (uint64_t)o.cycles)
			fail_msg("%s: %d marks, %d cycles, %d broken", rows[i].events, o.marks, o.cycles,
				 (int)s.broken);
	}
}

static void stamps(void **state)
{
	struct gc_cycle_state s = {0};
	struct outcome o;

	feed(&s, "SPMET", &o); /* S 10000, P 9500-11000, M 11700-12000, E 13000, T 12500-14000 */
	assert_int_equal(o.last_mark.mark_start_ns, 11000); /* end of the first pause */
	assert_int_equal(o.last_mark.mark_end_ns, 13000);
	assert_int_equal(o.last_cycle.start_ns, 9500);
	assert_int_equal(o.last_cycle.end_ns, 14000);
	assert_int_equal(o.last_cycle.mark_start_ns, 11000);
	assert_int_equal(o.last_cycle.mark_end_ns, 13000);
	assert_int_equal(o.last_cycle.pauses, 3);
	assert_int_equal(o.last_cycle.pause_sum_ns, 1500 + 300 + 1500);
	assert_int_equal(o.last_cycle.trigger, GC_TRIGGER_FORCED);
	assert_int_equal(o.last_cycle.procs, 4);
	assert_false(o.last_mark.cycle);
	assert_false(o.last_cycle.mark);

	/* without the first pause: from the runtime's own stamp */
	memset(&s, 0, sizeof(s));
	feed(&s, "SET", &o);
	assert_int_equal(o.last_cycle.start_ns, 9300);
	assert_int_equal(o.last_cycle.mark_start_ns, 9300);
	assert_int_equal(o.last_cycle.pauses, 1);
}

static void implausible(void **state)
{
	struct gc_cycle_state s = {0};
	struct gc_cycle_done done;
	union event e = event_of('S', 5000, 9000); /* a stamp in the future */

	assert_false(gc_cycle_feed(&s, &e, &done));
	assert_int_equal(s.mark_start_ns, 5000);

	e = event_of('E', 4000, 0); /* ends before it began */
	assert_false(gc_cycle_feed(&s, &e, &done));
	assert_int_equal(s.broken, 1);

	memset(&s, 0, sizeof(s));
	e = event_of('S', 5000, 4000);
	gc_cycle_feed(&s, &e, &done);
	e = event_of('P', 5500, 0);
	e.gc_pause.start_ns = 5200; /* a first pause that does not hold the start: of a later cycle */
	assert_false(gc_cycle_feed(&s, &e, &done));
	assert_false(s.in_cycle);
	assert_int_equal(s.broken, 2);

	memset(&s, 0, sizeof(s)); /* the same first pause twice */
	e = event_of('S', 5000, 4000);
	gc_cycle_feed(&s, &e, &done);
	e = event_of('P', 6000, 0);
	gc_cycle_feed(&s, &e, &done);
	assert_true(s.in_cycle);
	gc_cycle_feed(&s, &e, &done);
	assert_false(s.in_cycle);

	memset(&s, 0, sizeof(s));
	e = event_of('T', 5000, 0);
	e.gc_pause.start_ns = 6000; /* ends before it begins */
	assert_false(gc_cycle_feed(&s, &e, &done));
	assert_int_equal(s.broken, 0);

	e.hdr.kind = EVENT_THROTTLE;
	assert_false(gc_cycle_feed(&s, &e, &done));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sequences),
		cmocka_unit_test(stamps),
		cmocka_unit_test(implausible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
