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

/* The runtime's own numbers come between the end of mark and the last pause, and belong to the cycle whose mark ended
 * at the stamp that they carry. */
static void numbers(void **state)
{
	static const struct {
		const char *events; /* N: numbers with the stamp of the last E; W: with another */
		int cycles;
		bool known; /* in the last cycle */
	} rows[] = {
		{"SPENT", 1, true},      {"SPET", 1, false}, /* layout not known, or the copy was lost */
		{"SPEWT", 1, false},                         /* of another cycle */
		{"SPEWNT", 1, true},     {"SPMMENT", 1, true},
		{"SPENTSPET", 2, false},                      /* not the ones of the cycle before */
		{"SPETNSPET", 2, false},                      /* too late */
		{"NSPET", 1, false},     {"SPNET", 1, false}, /* mark had not ended */
		{"SPENTSPENT", 2, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct gc_cycle_state s = {0};
		struct gc_cycle_done done, last = {0};
		uint64_t at = 10 * STEP, mark_end = 0;
		int cycles = 0;

		for (const char *c = rows[i].events; *c; c++, at += STEP) {
			union event e = event_of(*c, at, at - 700);

			if (*c == 'N' || *c == 'W') {
				memset(&e, 0, sizeof(e));
				e.hdr.kind = EVENT_GC_DONE;
				e.gc_done.mark_term_ns = (int64_t)mark_end + (*c == 'W');
				e.gc_done.numgc = 7;
			}
			if (*c == 'E')
				mark_end = at;
			if (gc_cycle_feed(&s, &e, &done) && done.cycle) {
				cycles++;
				last = done;
			}
		}
		if (cycles != rows[i].cycles || last.known != rows[i].known || (last.numbers.numgc == 7) != last.known)
			fail_msg("%s: %d cycles, known %d", rows[i].events, cycles, last.known);
	}
}

static void copied(void **state)
{
	double fraction = 0.215;
	struct event_gc_done e = {.numgc = 1,
				  .sweep_term_ns = 2,
				  .mark_ns = 3,
				  .mark_term_ns = 4,
				  .end_ns = 5,
				  .assist_ns = 6,
				  .dedicated_ns = 7,
				  .fractional_ns = 8,
				  .idle_ns = 9,
				  .heap0 = 10,
				  .heap1 = 11,
				  .heap2 = 12,
				  .goal = 13,
				  .stacks = 14,
				  .globals = 15,
				  .stwprocs = 16,
				  .maxprocs = 17,
				  .flags = GC_DONE_FORCED};
	struct runtime_cycle c;

	memcpy(&e.cpu_fraction, &fraction, sizeof(fraction));
	gc_cycle_numbers(&e, &c);
	assert_true(c.numgc == 1 && c.sweep_term_ns == 2 && c.mark_ns == 3 && c.mark_term_ns == 4 && c.end_ns == 5);
	assert_true(c.assist_ns == 6 && c.dedicated_ns == 7 && c.fractional_ns == 8 && c.idle_ns == 9);
	assert_true(c.heap0 == 10 && c.heap1 == 11 && c.heap2 == 12 && c.goal == 13 && c.stacks == 14);
	assert_true(c.globals == 15 && c.stwprocs == 16 && c.maxprocs == 17 && c.forced);
	assert_memory_equal(&c.cpu_fraction, &fraction, sizeof(fraction));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sequences), cmocka_unit_test(stamps),      cmocka_unit_test(numbers),
		cmocka_unit_test(copied),    cmocka_unit_test(implausible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
