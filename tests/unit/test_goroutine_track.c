/* SPDX-License-Identifier: BSD-2-Clause */
/* goroutine_track: what each order of switches becomes, that every run is accounted for, hostile events, the bound. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "stats/goroutine_track.h"

#define US 1000ull
#define G1 0xc000002000ull
#define G2 0xc000002380ull
#define G3 0xc000002700ull
#define G4 0xc000002a80ull

#define SPANS 16

struct seen {
	struct goroutine_span spans[SPANS]; /* the first ones */
	uint64_t cnt, by_kind[3], ends[8], bad;
};

static void on_span(const struct goroutine_span *s, void *arg)
{
	struct seen *seen = arg;

	if (seen->cnt < SPANS)
		seen->spans[seen->cnt] = *s;
	seen->cnt++;
	seen->by_kind[s->kind]++;
	seen->bad += s->end_ns < s->start_ns;
	if (s->kind == SPAN_RUN)
		seen->ends[s->end]++;
}

static struct goroutine_track *track(struct seen *seen)
{
	struct goroutine_track_ops ops = {on_span, seen, NULL};
	struct goroutine_track *t;

	memset(seen, 0, sizeof(*seen));
	assert_int_equal(goroutine_track_new(&ops, &t), 0);
	return t;
}

#define RUN(t, g_, id, p_)                                                                                             \
	{                                                                                                              \
		.time_ns = (t)*US, .kind = GO_SCHED_RUN, .g = g_, .goid = id, .p = p_                                  \
	}
#define READY(t, g_, by)                                                                                               \
	{                                                                                                              \
		.time_ns = (t)*US, .kind = GO_SCHED_READY, .g = g_, .arg = by                                          \
	}
#define NETPOLL(t, g_)                                                                                                 \
	{                                                                                                              \
		.time_ns = (t)*US, .kind = GO_SCHED_NETPOLL, .g = g_                                                   \
	}
#define NEW(t, g_, by)                                                                                                 \
	{                                                                                                              \
		.time_ns = (t)*US, .kind = GO_SCHED_NEW, .g = g_, .goid = by, .arg = 0x500, .startpc = 0x600           \
	}
#define KNOWN(t, g_, id)                                                                                               \
	{                                                                                                              \
		.time_ns = (t)*US, .kind = GO_SCHED_KNOWN, .g = g_, .goid = id, .arg = 0x500, .startpc = 0x600         \
	}
#define PARK(t, g_, id)                                                                                                \
	{                                                                                                              \
		.time_ns = (t)*US, .kind = GO_SCHED_PARK, .g = g_, .goid = id, .reason = 17, .arg = 0x77               \
	}
#define OTHER(k, t, g_, id)                                                                                            \
	{                                                                                                              \
		.time_ns = (t)*US, .kind = k, .g = g_, .goid = id                                                      \
	}
#define SPAN(k, from, to, ...)                                                                                         \
	{                                                                                                              \
		.kind = k, .start_ns = (from)*US, .end_ns = (to)*US, __VA_ARGS__                                       \
	}

/* One story a row: events, spans in the order of their ends, counts. */
static const struct story {
	const char *name;
	struct go_sched_event events[12];
	struct goroutine_span spans[8];
	struct goroutine_track_counts counts;
} stories[] = {
	{"created, runs, parks, is woken, ends",
	 {NEW(10, G1, 1), RUN(14, G1, 7, 2), PARK(20, G1, 7), READY(50, G1, 3), RUN(55, G1, 7, 1),
	  OTHER(GO_SCHED_EXIT, 60, G1, 7)},
	 {SPAN(SPAN_WAIT, 10, 14, .goid = 7, .gopc = 0x500, .startpc = 0x600, .wake = WAKE_CREATED, .waker = 1, .p = 2),
	  SPAN(SPAN_RUN, 14, 20, .goid = 7, .gopc = 0x500, .startpc = 0x600, .p = 2, .end = RUN_PARKED, .reason = 17,
	       .stack = 0x77),
	  SPAN(SPAN_PARK, 20, 50, .goid = 7, .gopc = 0x500, .startpc = 0x600, .p = GO_SCHED_P_UNKNOWN,
	       .wake = WAKE_READY, .waker = 3, .reason = 17, .stack = 0x77),
	  SPAN(SPAN_WAIT, 50, 55, .goid = 7, .gopc = 0x500, .startpc = 0x600, .wake = WAKE_READY, .waker = 3, .p = 1),
	  SPAN(SPAN_RUN, 55, 60, .goid = 7, .gopc = 0x500, .startpc = 0x600, .p = 1, .end = RUN_EXITED)},
	 {.runs = 2, .waits = 2, .created = 1, .exited = 1}},
	{"older than the window: its identity is told; woken by the network",
	 {KNOWN(9, G1, 7), NETPOLL(10, G1), RUN(14, G1, 7, 0), OTHER(GO_SCHED_YIELD, 20, G1, 7), RUN(28, G1, 7, 0)},
	 {SPAN(SPAN_WAIT, 10, 14, .goid = 7, .gopc = 0x500, .startpc = 0x600, .wake = WAKE_NETPOLL),
	  SPAN(SPAN_RUN, 14, 20, .goid = 7, .gopc = 0x500, .startpc = 0x600, .end = RUN_YIELDED),
	  SPAN(SPAN_WAIT, 20, 28, .goid = 7, .gopc = 0x500, .startpc = 0x600, .wake = WAKE_YIELDED),
	  SPAN(SPAN_RUN, 28, 100, .goid = 7, .gopc = 0x500, .startpc = 0x600, .end = RUN_UNKNOWN)},
	 {.runs = 2, .waits = 2}},
	{"runnable before the window",
	 {RUN(10, G1, 7, 0), PARK(20, G1, 7)},
	 {SPAN(SPAN_RUN, 10, 20, .goid = 7, .end = RUN_PARKED, .reason = 17, .stack = 0x77)},
	 {.runs = 1, .begin_unseen = 1}},
	{"a system call whose P another one gets, and back without one",
	 {RUN(10, G1, 7, 0), RUN(30, G2, 8, 0), OTHER(GO_SCHED_SYSCALL, 40, G1, 7), RUN(45, G1, 7, 1)},
	 {SPAN(SPAN_RUN, 10, 30, .goid = 7, .end = RUN_P_TAKEN),
	  SPAN(SPAN_WAIT, 40, 45, .goid = 7, .p = 1, .wake = WAKE_SYSCALL),
	  SPAN(SPAN_RUN, 45, 100, .goid = 7, .p = 1, .end = RUN_UNKNOWN),
	  SPAN(SPAN_RUN, 30, 100, .goid = 8, .end = RUN_UNKNOWN)},
	 {.runs = 3, .waits = 1, .begin_unseen = 2}},
	{"back from a system call, on an idle P: it runs on unseen, then parks",
	 {RUN(10, G1, 7, 0), RUN(30, G2, 8, 0), READY(35, G3, 7), PARK(60, G1, 7), READY(70, G1, 8), RUN(75, G1, 7, 1)},
	 {SPAN(SPAN_RUN, 10, 30, .goid = 7, .end = RUN_P_TAKEN),
	  SPAN(SPAN_PARK, 60, 70, .goid = 7, .p = GO_SCHED_P_UNKNOWN, .wake = WAKE_READY, .waker = 8, .reason = 17,
	       .stack = 0x77),
	  SPAN(SPAN_WAIT, 70, 75, .goid = 7, .p = 1, .wake = WAKE_READY, .waker = 8),
	  SPAN(SPAN_RUN, 75, 100, .goid = 7, .p = 1, .end = RUN_UNKNOWN),
	  SPAN(SPAN_RUN, 30, 100, .goid = 8, .end = RUN_UNKNOWN)},
	 {.runs = 3, .waits = 1, .begin_unseen = 2}},
	{"the same, and it gives way, or ends: no slice ends twice",
	 {RUN(10, G1, 7, 0), RUN(30, G2, 8, 0), OTHER(GO_SCHED_YIELD, 40, G1, 7), RUN(45, G1, 7, 1), RUN(50, G3, 9, 1),
	  OTHER(GO_SCHED_EXIT, 60, G1, 7)},
	 {SPAN(SPAN_RUN, 10, 30, .goid = 7, .end = RUN_P_TAKEN),
	  SPAN(SPAN_WAIT, 40, 45, .goid = 7, .p = 1, .wake = WAKE_YIELDED),
	  SPAN(SPAN_RUN, 45, 50, .goid = 7, .p = 1, .end = RUN_P_TAKEN),
	  SPAN(SPAN_RUN, 30, 100, .goid = 8, .end = RUN_UNKNOWN),
	  SPAN(SPAN_RUN, 50, 100, .goid = 9, .p = 1, .end = RUN_UNKNOWN)},
	 {.runs = 4, .waits = 1, .begin_unseen = 3, .exited = 1}},
	{"the end of its system call was lost: it waited, nobody knows since when",
	 {RUN(10, G1, 7, 0), RUN(30, G2, 8, 0), RUN(45, G1, 7, 1), PARK(50, G1, 7)},
	 {SPAN(SPAN_RUN, 10, 30, .goid = 7, .end = RUN_P_TAKEN),
	  SPAN(SPAN_RUN, 45, 50, .goid = 7, .p = 1, .end = RUN_PARKED, .reason = 17, .stack = 0x77),
	  SPAN(SPAN_RUN, 30, 100, .goid = 8, .end = RUN_UNKNOWN)},
	 {.runs = 3, .begin_unseen = 2, .wake_unseen = 1}},
	{"a coroutine: made, called inside of a slice, ends; it never waited",
	 {RUN(10, G1, 7, 0), NEW(12, G2, 7), OTHER(GO_SCHED_EXIT, 40, G2, 8), PARK(50, G1, 7)},
	 {SPAN(SPAN_RUN, 10, 50, .goid = 7, .end = RUN_PARKED, .reason = 17, .stack = 0x77)},
	 {.runs = 1, .begin_unseen = 1, .created = 1, .exited = 1}},
	{"a coroutine parks by itself, is woken and runs; then it goes back to its caller, who parks",
	 {RUN(10, G1, 7, 0), NEW(12, G2, 7), PARK(20, G2, 8), RUN(21, G3, 9, 0), READY(30, G2, 9), RUN(33, G2, 8, 1),
	  PARK(40, G1, 7), RUN(42, G4, 10, 1)},
	 {SPAN(SPAN_RUN, 10, 21, .goid = 7, .end = RUN_P_TAKEN),
	  SPAN(SPAN_PARK, 20, 30, .goid = 8, .gopc = 0x500, .startpc = 0x600, .p = GO_SCHED_P_UNKNOWN,
	       .wake = WAKE_READY, .waker = 9, .reason = 17, .stack = 0x77),
	  SPAN(SPAN_WAIT, 30, 33, .goid = 8, .gopc = 0x500, .startpc = 0x600, .p = 1, .wake = WAKE_READY, .waker = 9),
	  SPAN(SPAN_RUN, 33, 42, .goid = 8, .gopc = 0x500, .startpc = 0x600, .p = 1, .end = RUN_P_TAKEN),
	  SPAN(SPAN_RUN, 21, 100, .goid = 9, .end = RUN_UNKNOWN),
	  SPAN(SPAN_RUN, 42, 100, .goid = 10, .p = 1, .end = RUN_UNKNOWN)},
	 {.runs = 4, .waits = 1, .begin_unseen = 3, .created = 1}},
	{"a coroutine that is never called: not a wait that grows", {NEW(12, G2, 7)}, {{0}}, {.created = 1}},
	{"its P was taken by nobody yet",
	 {RUN(10, G1, 7, 0), OTHER(GO_SCHED_SYSCALL, 40, G1, 7), RUN(45, G1, 7, 0)},
	 {SPAN(SPAN_RUN, 10, 40, .goid = 7, .end = RUN_P_TAKEN),
	  SPAN(SPAN_WAIT, 40, 45, .goid = 7, .wake = WAKE_SYSCALL),
	  SPAN(SPAN_RUN, 45, 100, .goid = 7, .end = RUN_UNKNOWN)},
	 {.runs = 2, .waits = 1, .begin_unseen = 1}},
	{"a park that did not come to be, on the same P at once",
	 {RUN(10, G1, 7, 3), PARK(20, G1, 7), RUN(21, G1, 7, 3), PARK(30, G1, 7)},
	 {SPAN(SPAN_RUN, 10, 20, .goid = 7, .p = 3, .end = RUN_PARKED, .reason = 17, .stack = 0x77),
	  SPAN(SPAN_RUN, 21, 30, .goid = 7, .p = 3, .end = RUN_PARKED, .reason = 17, .stack = 0x77)},
	 {.runs = 2, .backed_out = 1, .begin_unseen = 1}},
	{"woken past ready: on another P, or later",
	 {RUN(10, G1, 7, 3), PARK(20, G1, 7), RUN(21, G1, 7, 4), PARK(30, G1, 7), RUN(51, G1, 7, 4)},
	 {SPAN(SPAN_RUN, 10, 20, .goid = 7, .p = 3, .end = RUN_PARKED, .reason = 17, .stack = 0x77),
	  SPAN(SPAN_PARK, 20, 21, .goid = 7, .p = GO_SCHED_P_UNKNOWN, .reason = 17, .stack = 0x77),
	  SPAN(SPAN_RUN, 21, 30, .goid = 7, .p = 4, .end = RUN_PARKED, .reason = 17, .stack = 0x77),
	  SPAN(SPAN_PARK, 30, 51, .goid = 7, .p = GO_SCHED_P_UNKNOWN, .reason = 17, .stack = 0x77),
	  SPAN(SPAN_RUN, 51, 100, .goid = 7, .p = 4, .end = RUN_UNKNOWN)},
	 {.runs = 3, .begin_unseen = 1, .wake_unseen = 2}},
	{"stopped for its stack, readied by who stopped it",
	 {RUN(10, G1, 7, 0), OTHER(GO_SCHED_STOP, 12, G1, 7), READY(13, G1, 9), RUN(14, G1, 7, 0)},
	 {SPAN(SPAN_RUN, 10, 12, .goid = 7, .end = RUN_STOPPED),
	  SPAN(SPAN_WAIT, 13, 14, .goid = 7, .wake = WAKE_READY, .waker = 9),
	  SPAN(SPAN_RUN, 14, 100, .goid = 7, .end = RUN_UNKNOWN)},
	 {.runs = 2, .waits = 1, .begin_unseen = 1}},
	{"readied twice, and while it runs: the first one counts",
	 {READY(10, G1, 3), READY(11, G1, 4), RUN(14, G1, 7, 0), READY(15, G1, 5), PARK(16, G1, 7)},
	 {SPAN(SPAN_WAIT, 10, 14, .goid = 7, .wake = WAKE_READY, .waker = 3),
	  SPAN(SPAN_RUN, 14, 16, .goid = 7, .end = RUN_PARKED, .reason = 17, .stack = 0x77)},
	 {.runs = 1, .waits = 1}},
	{"its g goes to another goroutine: nothing of the first one is left",
	 {NEW(10, G1, 1), RUN(11, G1, 7, 0), OTHER(GO_SCHED_EXIT, 12, G1, 7), RUN(20, G1, 9, 0), PARK(21, G1, 9),
	  RUN(30, G1, 11, 0)},
	 {SPAN(SPAN_WAIT, 10, 11, .goid = 7, .gopc = 0x500, .startpc = 0x600, .wake = WAKE_CREATED, .waker = 1),
	  SPAN(SPAN_RUN, 11, 12, .goid = 7, .gopc = 0x500, .startpc = 0x600, .end = RUN_EXITED),
	  SPAN(SPAN_RUN, 20, 21, .goid = 9, .end = RUN_PARKED, .reason = 17, .stack = 0x77),
	  SPAN(SPAN_RUN, 30, 100, .goid = 11, .end = RUN_UNKNOWN)},
	 {.runs = 3, .waits = 1, .begin_unseen = 2, .created = 1, .exited = 1}},
	{"a stamp that was taken before its cause: no time below zero",
	 {READY(10, G1, 3), RUN(9, G1, 7, 0), PARK(8, G1, 7)},
	 {SPAN(SPAN_WAIT, 9, 9, .goid = 7, .wake = WAKE_READY, .waker = 3),
	  SPAN(SPAN_RUN, 8, 8, .goid = 7, .end = RUN_PARKED, .reason = 17, .stack = 0x77)},
	 {.runs = 1, .waits = 1}},
	{"on a P that is not known",
	 {RUN(10, G1, 7, GO_SCHED_P_UNKNOWN), RUN(12, G2, 8, GO_SCHED_P_UNKNOWN), PARK(20, G1, 7), PARK(21, G2, 8)},
	 {SPAN(SPAN_RUN, 10, 20, .goid = 7, .p = GO_SCHED_P_UNKNOWN, .end = RUN_PARKED, .reason = 17, .stack = 0x77),
	  SPAN(SPAN_RUN, 12, 21, .goid = 8, .p = GO_SCHED_P_UNKNOWN, .end = RUN_PARKED, .reason = 17, .stack = 0x77)},
	 {.runs = 2, .begin_unseen = 2}},
	{"open waits and parks are dropped at the end", {NEW(10, G1, 1), PARK(20, G2, 8)}, {{0}}, {.created = 1}},
};

static bool same_span(const struct goroutine_span *a, const struct goroutine_span *b)
{
	return a->kind == b->kind && a->start_ns == b->start_ns && a->end_ns == b->end_ns && a->goid == b->goid &&
	       a->gopc == b->gopc && a->startpc == b->startpc && a->wake == b->wake && a->waker == b->waker &&
	       a->p == b->p && a->end == b->end && a->reason == b->reason && a->stack == b->stack;
}

static void test_stories(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
		const struct story *y = &stories[i];
		struct seen seen;
		struct goroutine_track *t = track(&seen);
		uint64_t expected = 0;

		for (size_t k = 0; k < ARRAY_SIZE(y->events) && y->events[k].kind; k++)
			goroutine_track_feed(t, &y->events[k]);
		goroutine_track_end(t, 100 * US);
		while (expected < ARRAY_SIZE(y->spans) && y->spans[expected].end_ns)
			expected++;
		if (seen.cnt != expected)
			fail_msg("%s: %d spans", y->name, (int)seen.cnt);
		for (size_t k = 0; k < expected; k++)
			if (!same_span(&seen.spans[k], &y->spans[k]))
				fail_msg("%s: span %zu", y->name, k);
		if (memcmp(goroutine_track_counts(t), &y->counts, sizeof(y->counts)))
			fail_msg("%s: counts", y->name);
		assert_int_equal(goroutine_track_not_followed(t), 0);
		goroutine_track_free(t);
	}
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* Any order of anything: each run is accounted for, each WAIT that is counted comes as a span, no span is negative. */
static void test_random(void **state)
{
	uint64_t random = 88172645463325252ull;

	for (int round = 0; round < 60; round++) {
		uint64_t gs = round % 3 ? 3 + next_random(&random) % 40 : 5000, sent = 0;
		const struct goroutine_track_counts *c;
		struct seen seen;
		struct goroutine_track *t = track(&seen);

		for (int i = 0; i < 20000; i++) {
			uint64_t r = next_random(&random);
			struct go_sched_event e = {.time_ns = 1000 + (uint64_t)i * 10 + r % 64,
						   .kind = (uint8_t)(1 + (r >> 8) % 10),
						   .g = 0xc000000000ull + (r >> 16) % gs * 448,
						   .goid = (r >> 40) % 100,
						   .p = (uint16_t)((r >> 48) % 9 ? (r >> 52) % 8 : GO_SCHED_P_UNKNOWN)};

			sent += e.kind == GO_SCHED_RUN;
			goroutine_track_feed(t, &e);
		}
		goroutine_track_end(t, 300000);
		c = goroutine_track_counts(t);
		assert_int_equal(goroutine_track_not_followed(t), 0);
		assert_int_equal(c->runs, sent);
		assert_int_equal(c->runs, c->waits + c->backed_out + c->wake_unseen + c->begin_unseen);
		assert_int_equal(seen.by_kind[SPAN_WAIT], c->waits);
		assert_int_equal(seen.by_kind[SPAN_RUN], c->runs); /* each begins one slice, and each slice ends */
		assert_int_equal(seen.bad, 0);
		goroutine_track_free(t);
	}
}

static void test_senseless(void **state)
{
	static const struct go_sched_event rows[] = {
		{.kind = 0, .g = G1, .time_ns = 5},
		{.kind = GO_SCHED_KIND_CNT, .g = G1, .time_ns = 5},
		{.kind = 255, .g = G1, .time_ns = 5},
		{.kind = GO_SCHED_RUN, .g = 0, .time_ns = 5},
		{.kind = GO_SCHED_RUN, .g = G1, .time_ns = UINT64_MAX},
	};
	struct seen seen;
	struct goroutine_track *t = track(&seen);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		goroutine_track_feed(t, &rows[i]);
	goroutine_track_end(t, 100);
	assert_int_equal(goroutine_track_not_followed(t), ARRAY_SIZE(rows));
	assert_int_equal(goroutine_track_counts(t)->runs, 0);
	assert_int_equal(seen.cnt, 0);
	assert_null(goroutine_track_free(goroutine_track_free(t)));
}

/* Beyond the bound events are counted; those that end make room again. */
static void test_bound(void **state)
{
	const uint64_t over = 5000;
	struct seen seen;
	struct goroutine_track *t = track(&seen);
	struct go_sched_event e = {.kind = GO_SCHED_RUN, .p = GO_SCHED_P_UNKNOWN};

	for (uint64_t i = 0; i < GOROUTINE_TRACK_MAX + over; i++) {
		e.time_ns = e.goid = i + 1;
		e.g = 0xc000000000ull + i * 448;
		goroutine_track_feed(t, &e);
	}
	assert_int_equal(goroutine_track_not_followed(t), over);
	assert_int_equal(goroutine_track_counts(t)->runs, GOROUTINE_TRACK_MAX);
	e.kind = GO_SCHED_EXIT;
	for (uint64_t i = 0; i < GOROUTINE_TRACK_MAX; i++) {
		e.goid = i + 1;
		e.g = 0xc000000000ull + i * 448;
		goroutine_track_feed(t, &e);
	}
	assert_int_equal(goroutine_track_counts(t)->exited, GOROUTINE_TRACK_MAX);
	assert_int_equal(seen.ends[RUN_EXITED], GOROUTINE_TRACK_MAX);
	e.kind = GO_SCHED_RUN;
	for (uint64_t i = 0; i < 3 * 1024; i++) {
		e.goid = GOROUTINE_TRACK_MAX + i + 1;
		e.g = 0xd000000000ull + i * 448;
		goroutine_track_feed(t, &e);
	}
	assert_true(goroutine_track_counts(t)->runs > GOROUTINE_TRACK_MAX + 1024);
	goroutine_track_free(t);
}

/* Tracks share room: one that finds none counts, and what one had goes to the next when it ends. */
static void test_room(void **state)
{
	uint32_t room = 1024 + 256;
	struct seen seen = {0};
	struct goroutine_track_ops ops = {on_span, &seen, &room};
	struct goroutine_track *a, *b, *c = NULL;
	struct go_sched_event e = {.kind = GO_SCHED_RUN, .p = GO_SCHED_P_UNKNOWN};

	assert_int_equal(goroutine_track_new(&ops, &a), 0);
	assert_int_equal(goroutine_track_new(&ops, &b), 0);
	for (uint64_t i = 0; i < 3000; i++) {
		e.time_ns = e.goid = i + 1;
		e.g = 0xc000000000ull + i * 448;
		goroutine_track_feed(a, &e);
	}
	assert_int_equal(goroutine_track_counts(a)->runs, 1024);
	assert_int_equal(goroutine_track_not_followed(a), 3000 - 1024);
	assert_int_equal(room, 0);
	assert_int_equal(goroutine_track_new(&ops, &c), -ENOMEM);
	assert_null(c);
	goroutine_track_free(a);
	assert_int_equal(room, 1024);
	for (uint64_t i = 0; i < 1000; i++) {
		e.g = 0xc000000000ull + i * 448;
		goroutine_track_feed(b, &e);
	}
	assert_int_equal(goroutine_track_not_followed(b), 0);
	goroutine_track_free(b);
	assert_int_equal(room, 1024 + 256);
}

/* Addresses whose hashes are all the same: a recording may be made like that. They cost a bounded look each. */
static void test_collisions(void **state)
{
	/* The inverse of the odd number that the table multiplies with. */
	const uint64_t factor = 0x9e3779b97f4a7c15ull;
	uint64_t inverse = factor;
	struct seen seen;
	struct goroutine_track *t = track(&seen);

	for (int i = 0; i < 6; i++)
		inverse *= 2 - factor * inverse;
	assert_true(factor * inverse == 1);
	for (uint64_t i = 1; i <= 100000; i++) {
		struct go_sched_event e = {.kind = GO_SCHED_READY, .time_ns = i, .g = i * inverse};

		goroutine_track_feed(t, &e);
	}
	assert_true(goroutine_track_not_followed(t) > 90000);
	goroutine_track_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stories), cmocka_unit_test(test_random),     cmocka_unit_test(test_senseless),
		cmocka_unit_test(test_bound),   cmocka_unit_test(test_collisions), cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
