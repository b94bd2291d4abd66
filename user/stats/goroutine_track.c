/* SPDX-License-Identifier: BSD-2-Clause */
/* A small state machine for each goroutine, found by the address of its g: every event has that one, and `ready` has
 * nothing else. The runtime never frees a g but gives it to another goroutine, with a new goid: then what was known of
 * it is forgotten.
 *
 * park_m (runtime/proc.go) may find that its caller's condition has come true meanwhile, and runs the goroutine on at
 * once, on the same P and without `ready`: nobody waited. The collector's workers are made runnable past `ready`, too,
 * but through the scheduler. The time between the park and the run tells the two apart: the first is some instructions,
 * two probes and a compare-and-swap (under 20 us even when traced), which is a bound chosen, not a rule of the runtime.
 *
 * Goroutines lie in one array, the table holds half of each hash and the place, so that a look costs two cache lines.
 */
#include "stats/goroutine_track.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP   256u
#define BACK_OUT_NS 20000ull
#define TIME_MAX    (1ull << 62)
/* Tables are at most half full: what is further away was made to collide. */
#define PROBES_MAX 256u

enum goroutine_now { NOW_UNKNOWN, NOW_RUNNABLE, NOW_RUNNING, NOW_PARKED, NOW_STOPPED, NOW_IN_SYSCALL, NOW_DEAD };

struct goroutine {
	uint64_t g, goid;
	uint64_t gopc, startpc;
	uint64_t since_ns; /* what it does now began */
	uint64_t waker;    /* NOW_RUNNABLE */
	uint64_t stack;    /* NOW_PARKED */
	uint16_t p;        /* that it runs on, or ran on last */
	uint8_t now;       /* enum goroutine_now */
	uint8_t wake;      /* NOW_RUNNABLE: enum goroutine_wake */
	uint8_t reason;    /* NOW_PARKED */
};

struct place {
	uint32_t tag, at; /* at: index + 1, 0 free */
};

struct goroutine_track {
	struct goroutine_track_ops ops;
	struct goroutine_track_counts counts;
	uint64_t not_followed;
	bool full;             /* the last look for room was in vain */
	struct goroutine *all; /* owned */
	uint32_t cnt, cap;
	struct place *places; /* owned; 2 * cap of them, a power of two */
	uint32_t *on_p;       /* owned; index + 1 of the goroutine that runs there */
	uint32_t p_cnt;
};

/* ---- life and places ----------------------------------------------------------------------------------- */

static bool take_room(struct goroutine_track *t, uint32_t cnt)
{
	if (t->ops.room && *t->ops.room < cnt)
		return false;
	if (t->ops.room)
		*t->ops.room -= cnt;
	return true;
}

static void give_room(struct goroutine_track *t, uint32_t cnt)
{
	if (t->ops.room)
		*t->ops.room += cnt;
}

int goroutine_track_new(const struct goroutine_track_ops *ops, struct goroutine_track **ret)
{
	struct goroutine_track *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->ops = *ops;
	if (!take_room(t, FIRST_CAP)) {
		free(t);
		return -ENOMEM;
	}
	t->cap = FIRST_CAP;
	t->all = malloc(t->cap * sizeof(*t->all));
	t->places = calloc(2 * (size_t)t->cap, sizeof(*t->places));
	if (!t->all || !t->places) {
		goroutine_track_free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

struct goroutine_track *goroutine_track_free(struct goroutine_track *t)
{
	if (!t)
		return NULL;
	give_room(t, t->cap);
	free(t->on_p);
	free(t->places);
	free(t->all);
	free(t);
	return NULL;
}

static uint32_t tag_of(uint64_t g)
{
	return (uint32_t)(g * 0x9e3779b97f4a7c15ull >> 32);
}

/* Where the goroutine is, or the free place where it belongs; NULL: too far away. */
static struct place *find_place(const struct goroutine_track *t, uint64_t g, uint32_t tag)
{
	uint32_t mask = 2 * t->cap - 1;

	for (uint32_t i = 0; i < PROBES_MAX; i++) {
		struct place *x = &t->places[(tag + i) & mask];

		if (!x->at || (x->tag == tag && t->all[x->at - 1].g == g))
			return x;
	}
	return NULL;
}

/* Places anew after the array has moved. What finds none is followed no longer. */
static void place_all(struct goroutine_track *t)
{
	uint32_t kept = 0;

	if (t->on_p)
		memset(t->on_p, 0, t->p_cnt * sizeof(*t->on_p));
	for (uint32_t i = 0; i < t->cnt; i++) {
		struct goroutine x = t->all[i];
		uint32_t tag = tag_of(x.g);
		struct place *place = x.now == NOW_DEAD ? NULL : find_place(t, x.g, tag);

		if (!place)
			continue;
		t->all[kept++] = x;
		*place = (struct place){tag, kept};
		if (x.now == NOW_RUNNING && x.p < t->p_cnt)
			t->on_p[x.p] = kept;
	}
	t->cnt = kept;
}

static uint32_t count_dead(const struct goroutine_track *t)
{
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < t->cnt; i++)
		cnt += t->all[i].now == NOW_DEAD;
	return cnt;
}

/* Room for one more: those that ended give way where they are many, else there is twice the room. */
static bool make_room(struct goroutine_track *t)
{
	uint32_t cap = count_dead(t) > t->cap / 4 ? t->cap : 2 * t->cap;
	struct place *places;
	struct goroutine *all;

	if ((t->cap >= GOROUTINE_TRACK_MAX && cap > t->cap) || !take_room(t, cap - t->cap))
		return false;
	places = calloc(2 * (size_t)cap, sizeof(*places));
	all = places ? realloc(t->all, cap * sizeof(*all)) : NULL;
	if (!all) {
		free(places);
		give_room(t, cap - t->cap);
		return false;
	}
	free(t->places);
	t->places = places;
	t->all = all;
	t->cap = cap;
	place_all(t);
	return true;
}

static struct goroutine *add(struct goroutine_track *t, uint64_t g, uint32_t tag)
{
	struct place *place;

	/* Nothing has changed since room was last looked for in vain, but for some that ended: every 1024th tries. */
	if (t->full && t->not_followed % 1024)
		return NULL;
	t->full = (t->cnt >= t->cap || t->cnt >= GOROUTINE_TRACK_MAX) && !make_room(t);
	if (t->full)
		return NULL;
	place = t->cnt < GOROUTINE_TRACK_MAX ? find_place(t, g, tag) : NULL;
	if (!place)
		return NULL;
	t->all[t->cnt] = (struct goroutine){.g = g, .p = GO_SCHED_P_UNKNOWN};
	*place = (struct place){tag, ++t->cnt};
	return &t->all[t->cnt - 1];
}

static struct goroutine *get(struct goroutine_track *t, uint64_t g)
{
	uint32_t tag = tag_of(g);
	struct place *place = find_place(t, g, tag);

	return place && place->at ? &t->all[place->at - 1] : add(t, g, tag);
}

static uint32_t *p_of(struct goroutine_track *t, uint16_t p)
{
	uint32_t cnt = t->p_cnt ? t->p_cnt : 64;
	uint32_t *more;

	if (p < t->p_cnt)
		return &t->on_p[p];
	if (p == GO_SCHED_P_UNKNOWN)
		return NULL;
	while (cnt <= p)
		cnt *= 2;
	more = realloc(t->on_p, cnt * sizeof(*more));
	if (!more)
		return NULL;
	memset(more + t->p_cnt, 0, (cnt - t->p_cnt) * sizeof(*more));
	t->on_p = more;
	t->p_cnt = cnt;
	return &more[p];
}

/* ---- spans --------------------------------------------------------------------------------------------- */

/* Stamps are taken before the place on the ring: an end may come nanoseconds before its begin. */
static struct goroutine_span span_of(const struct goroutine *x, enum goroutine_span_kind kind, uint64_t end_ns)
{
	return (struct goroutine_span){
		.kind = kind,
		.start_ns = x->since_ns < end_ns ? x->since_ns : end_ns,
		.end_ns = end_ns,
		.goid = x->goid,
		.gopc = x->gopc,
		.startpc = x->startpc,
		.p = GO_SCHED_P_UNKNOWN,
	};
}

/* e: the park that ended it, or NULL. */
static void end_run(struct goroutine_track *t, struct goroutine *x, uint64_t end_ns, enum goroutine_run_end end,
		    const struct go_sched_event *e)
{
	struct goroutine_span s;

	if (x->now != NOW_RUNNING)
		return;
	s = span_of(x, SPAN_RUN, end_ns);
	s.p = x->p;
	s.end = end;
	s.reason = e ? e->reason : 0;
	s.stack = e ? e->arg : 0;
	if (x->p < t->p_cnt)
		t->on_p[x->p] = 0;
	x->now = NOW_UNKNOWN;
	t->ops.span(&s, t->ops.arg);
}

static void end_park(struct goroutine_track *t, const struct goroutine *x, uint64_t end_ns, enum goroutine_wake wake,
		     uint64_t waker)
{
	struct goroutine_span s = span_of(x, SPAN_PARK, end_ns);

	s.wake = wake;
	s.waker = waker;
	s.reason = x->reason;
	s.stack = x->stack;
	t->ops.span(&s, t->ops.arg);
}

static void end_wait(struct goroutine_track *t, const struct goroutine *x, const struct go_sched_event *run)
{
	struct goroutine_span s = span_of(x, SPAN_WAIT, run->time_ns);

	s.wake = x->wake;
	s.waker = x->waker;
	s.p = run->p;
	t->ops.span(&s, t->ops.arg);
}

/* ---- events -------------------------------------------------------------------------------------------- */

/* Another goroutine has got this g, and the end of the one before was not seen. */
static void renew(struct goroutine_track *t, struct goroutine *x, uint64_t time_ns)
{
	end_run(t, x, time_ns, RUN_UNKNOWN, NULL);
	*x = (struct goroutine){.g = x->g, .p = GO_SCHED_P_UNKNOWN};
}

static void identify(struct goroutine_track *t, struct goroutine *x, const struct go_sched_event *e)
{
	if (!e->goid || x->goid == e->goid)
		return;
	if (x->goid || x->now == NOW_DEAD)
		renew(t, x, e->time_ns);
	x->goid = e->goid;
}

static void become_runnable(struct goroutine *x, uint64_t time_ns, enum goroutine_wake wake, uint64_t waker)
{
	x->now = NOW_RUNNABLE;
	x->since_ns = time_ns;
	x->wake = (uint8_t)wake;
	x->waker = waker;
}

static void on_new(struct goroutine_track *t, struct goroutine *x, const struct go_sched_event *e)
{
	renew(t, x, e->time_ns);
	x->gopc = e->arg;
	x->startpc = e->startpc;
	t->counts.created++;
	become_runnable(x, e->time_ns, WAKE_CREATED, e->goid);
}

/* Of one that ended only its g is left: whoever is woken there now is another. */
static void on_wake(struct goroutine_track *t, struct goroutine *x, const struct go_sched_event *e,
		    enum goroutine_wake wake, uint64_t waker)
{
	if (x->now == NOW_RUNNABLE || x->now == NOW_RUNNING)
		return;
	if (x->now == NOW_DEAD)
		renew(t, x, e->time_ns);
	if (x->now == NOW_PARKED)
		end_park(t, x, e->time_ns, wake, waker);
	become_runnable(x, e->time_ns, wake, waker);
}

static bool backed_out(const struct goroutine *x, const struct go_sched_event *run)
{
	return x->p != GO_SCHED_P_UNKNOWN && run->p == x->p && run->time_ns <= x->since_ns + BACK_OUT_NS;
}

/* What made it run, counted. */
static void account(struct goroutine_track *t, const struct goroutine *x, const struct go_sched_event *e)
{
	t->counts.runs++;
	switch ((enum goroutine_now)x->now) {
	case NOW_RUNNABLE:
		t->counts.waits++;
		end_wait(t, x, e);
		break;
	case NOW_UNKNOWN:
	case NOW_DEAD:
		t->counts.begin_unseen++;
		break;
	case NOW_PARKED:
		if (backed_out(x, e)) {
			t->counts.backed_out++;
			break;
		}
		t->counts.wake_unseen++;
		end_park(t, x, e->time_ns, WAKE_UNKNOWN, 0);
		break;
	case NOW_RUNNING: /* its park, at least, was lost */
	case NOW_STOPPED:
	case NOW_IN_SYSCALL:
		t->counts.wake_unseen++;
		break;
	}
}

static void on_run(struct goroutine_track *t, struct goroutine *x, const struct go_sched_event *e)
{
	uint32_t me = (uint32_t)(x - t->all) + 1;
	uint32_t *p = p_of(t, e->p);

	account(t, x, e);
	end_run(t, x, e->time_ns, RUN_UNKNOWN, NULL);
	if (p && *p && *p != me) {
		struct goroutine *other = &t->all[*p - 1];

		end_run(t, other, e->time_ns, RUN_P_TAKEN, NULL);
		other->now = NOW_IN_SYSCALL;
	}
	if (p)
		*p = me;
	x->now = NOW_RUNNING;
	x->since_ns = e->time_ns;
	x->p = p ? e->p : GO_SCHED_P_UNKNOWN;
}

static void on_park(struct goroutine_track *t, struct goroutine *x, const struct go_sched_event *e)
{
	end_run(t, x, e->time_ns, RUN_PARKED, e);
	x->now = NOW_PARKED;
	x->since_ns = e->time_ns;
	x->reason = e->reason;
	x->stack = e->arg;
}

static void on_stop(struct goroutine_track *t, struct goroutine *x, const struct go_sched_event *e)
{
	end_run(t, x, e->time_ns, RUN_STOPPED, NULL);
	x->now = NOW_STOPPED;
	x->since_ns = e->time_ns;
}

static void on_end(struct goroutine_track *t, struct goroutine *x, const struct go_sched_event *e)
{
	end_run(t, x, e->time_ns, RUN_EXITED, NULL);
	t->counts.exited++;
	x->now = NOW_DEAD;
}

static void step(struct goroutine_track *t, struct goroutine *x, const struct go_sched_event *e)
{
	switch ((enum go_sched_kind)e->kind) {
	case GO_SCHED_RUN:
		on_run(t, x, e);
		break;
	case GO_SCHED_READY:
		on_wake(t, x, e, WAKE_READY, e->arg);
		break;
	case GO_SCHED_NETPOLL:
		on_wake(t, x, e, WAKE_NETPOLL, 0);
		break;
	case GO_SCHED_NEW:
		on_new(t, x, e);
		break;
	case GO_SCHED_PARK:
		on_park(t, x, e);
		break;
	case GO_SCHED_EXIT:
		on_end(t, x, e);
		break;
	case GO_SCHED_YIELD:
		end_run(t, x, e->time_ns, RUN_YIELDED, NULL);
		become_runnable(x, e->time_ns, WAKE_YIELDED, 0);
		break;
	case GO_SCHED_STOP:
		on_stop(t, x, e);
		break;
	case GO_SCHED_SYSCALL:
		end_run(t, x, e->time_ns, RUN_P_TAKEN, NULL);
		become_runnable(x, e->time_ns, WAKE_SYSCALL, 0);
		break;
	case GO_SCHED_KNOWN:
		x->gopc = e->arg;
		x->startpc = e->startpc;
		break;
	case GO_SCHED_KIND_CNT:
		break;
	}
}

/* In READY and NETPOLL nobody's goid stands, in NEW its creator's. */
static bool has_goid(uint8_t kind)
{
	return kind != GO_SCHED_READY && kind != GO_SCHED_NETPOLL && kind != GO_SCHED_NEW;
}

void goroutine_track_feed(struct goroutine_track *t, const struct go_sched_event *e)
{
	bool sane = e->g && e->kind && e->kind < GO_SCHED_KIND_CNT && e->time_ns < TIME_MAX;
	struct goroutine *x = sane ? get(t, e->g) : NULL;

	if (!x) {
		t->not_followed++;
		return;
	}
	if (has_goid(e->kind))
		identify(t, x, e);
	step(t, x, e);
}

void goroutine_track_end(struct goroutine_track *t, uint64_t end_ns)
{
	for (uint32_t i = 0; i < t->cnt; i++)
		end_run(t, &t->all[i], end_ns > t->all[i].since_ns ? end_ns : t->all[i].since_ns, RUN_UNKNOWN, NULL);
	t->cnt = 0;
	memset(t->places, 0, 2 * (size_t)t->cap * sizeof(*t->places));
}

const struct goroutine_track_counts *goroutine_track_counts(const struct goroutine_track *t)
{
	return &t->counts;
}

uint64_t goroutine_track_not_followed(const struct goroutine_track *t)
{
	return t->not_followed;
}
