/* SPDX-License-Identifier: BSD-2-Clause */
/* A busy server has hundreds of thousands of spans a second, so nothing here goes through JSON (perfetto_details.c),
 * and the process of a span is looked up once for all that follow it.
 *
 * Spans come in the order of their ends. That of who woke a goroutine ends later than the wake, so what stands on its
 * track may have to wait for its name: a track is named once. It is mostly known: only what has been running since the
 * window opened has had no span yet. Arrows end where the woken one runs, not where its wait begins: that is the same
 * time as the wake's, and which comes first would depend on the order in the file. */
#include "export/perfetto_sched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"
#include "export/names.h"
#include "export/perfetto_details.h"

#define PROCESSES_MAX 65536
#define PS_MAX        65536 /* the P's number has 16 bits */
#define WAKES_MAX     1024  /* of one goroutine without a name */
#define NAME_SZ       256
#define CATEGORY      "sched"

struct wake {
	uint64_t ns, woken, flow; /* flow 0: none */
	bool created;
};

struct lane {
	uint64_t uuid; /* 0: not made yet */
	uint64_t free_ns;
};

struct goroutine {
	struct lane lane;
	uint64_t flow;      /* that its next run is the end of, 0 none */
	struct wake *wakes; /* owned: what it did before it had a name */
	size_t wake_cnt, wake_cap;
};

struct sched_process {
	uint64_t uuid;
	uint64_t ps_group, goroutines_group, lost_track, others_track; /* 0: not made yet */
	struct lane *ps;                                               /* owned */
	size_t p_cnt;
	struct hashmap *goroutines; /* owns them */
	uint64_t others;            /* spans since the last window ended that are on no track of a goroutine */
};

struct perfetto_sched {
	struct pftrace *t;              /* borrowed */
	struct perfetto_tracks *tracks; /* borrowed */
	struct hashmap *processes;
	size_t goroutine_cnt; /* tracks ever */
	uint64_t flow;        /* the last one given out */
	struct pb details;
	struct { /* of the last span: whose it was */
		const void *process, *owner;
		uint32_t container_id;
		int32_t pid;
		struct sched_process *found; /* NULL: not kept */
	} last;
};

/* ---- names: snprintf() would take most of the time ---- */

struct name {
	char buf[NAME_SZ];
	size_t len;
};

static void name_add(struct name *n, const char *text)
{
	while (*text && n->len + 1 < sizeof(n->buf))
		n->buf[n->len++] = *text++;
	n->buf[n->len] = 0;
}

static void name_add_number(struct name *n, uint64_t v)
{
	char digits[24], *at = digits + sizeof(digits) - 1;

	*at = 0;
	do
		*--at = (char)('0' + v % 10);
	while (v /= 10);
	name_add(n, at);
}

static struct name numbered(const char *text, uint64_t v)
{
	struct name n = {.len = 0};

	name_add(&n, text);
	name_add_number(&n, v);
	return n;
}

/* ---- life ---- */

int perfetto_sched_new(struct pftrace *t, struct perfetto_tracks *tracks, struct perfetto_sched **ret)
{
	struct perfetto_sched *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->t = t;
	x->tracks = tracks;
	pb_init(&x->details);
	if (hashmap_new(PROCESSES_MAX, &x->processes)) {
		free(x);
		return -ENOMEM;
	}
	*ret = x;
	return 0;
}

static void process_free(struct sched_process *p)
{
	uint64_t key;
	size_t pos = 0;
	void *value;

	if (!p)
		return;
	while (p->goroutines && hashmap_next(p->goroutines, &pos, &key, &value)) {
		free(((struct goroutine *)value)->wakes);
		free(value);
	}
	hashmap_free(p->goroutines);
	free(p->ps);
	free(p);
}

struct perfetto_sched *perfetto_sched_free(struct perfetto_sched *x)
{
	uint64_t key;
	size_t pos = 0;
	void *value;

	if (!x)
		return NULL;
	while (hashmap_next(x->processes, &pos, &key, &value))
		process_free(value);
	hashmap_free(x->processes);
	pb_deinit(&x->details);
	free(x);
	return NULL;
}

void perfetto_sched_forget(struct perfetto_sched *x)
{
	x->last.found = NULL;
}

/* ---- whose ---- */

static struct sched_process *add_process(struct perfetto_sched *x, uint64_t uuid)
{
	struct sched_process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->uuid = uuid;
	if (hashmap_new(PERFETTO_SCHED_GOROUTINES, &p->goroutines) || hashmap_add(x->processes, uuid, p)) {
		process_free(p);
		return NULL;
	}
	return p;
}

static struct sched_process *find_process(struct perfetto_sched *x, const struct trace_event *e)
{
	struct sched_process *p = x->last.found;
	uint64_t uuid;

	if (p && x->last.process == e->process && x->last.owner == e->owner && x->last.pid == e->pid &&
	    x->last.container_id == e->container_id)
		return p;
	uuid = perfetto_tracks_process(x->tracks, e);
	p = hashmap_find(x->processes, uuid);
	if (!p)
		p = add_process(x, uuid);
	x->last.process = e->process;
	x->last.owner = e->owner;
	x->last.pid = e->pid;
	x->last.container_id = e->container_id;
	x->last.found = p;
	return p;
}

static uint64_t ps_group(struct perfetto_sched *x, struct sched_process *p)
{
	if (!p->ps_group)
		p->ps_group = pftrace_track(x->t, p->uuid, "goroutine scheduler: Ps", SLOT_SCHED_PS);
	return p->ps_group;
}

static uint64_t goroutines_group(struct perfetto_sched *x, struct sched_process *p)
{
	if (!p->goroutines_group)
		p->goroutines_group = pftrace_track(x->t, p->uuid, "goroutines", SLOT_SCHED_GOROUTINES);
	return p->goroutines_group;
}

static int rank_of(uint64_t n)
{
	return n < INT32_MAX ? (int)n : INT32_MAX;
}

/* NULL: beyond the bound, or no memory. */
static struct goroutine *find_goroutine(struct perfetto_sched *x, struct sched_process *p, uint64_t goid)
{
	struct goroutine *g = goid ? hashmap_find(p->goroutines, goid) : NULL;

	if (g || !goid || x->goroutine_cnt == PERFETTO_SCHED_GOROUTINES)
		return g;
	g = calloc(1, sizeof(*g));
	if (!g || hashmap_add(p->goroutines, goid, g)) {
		free(g);
		return NULL;
	}
	x->goroutine_cnt++;
	return g;
}

/* ---- slices ---- */

static void begin_details(struct perfetto_sched *x, const char *name)
{
	pb_clear(&x->details);
	pftrace_name(&x->details, CATEGORY, name);
}

static void put_slice(struct perfetto_sched *x, uint64_t track, uint64_t start_ns, uint64_t end_ns)
{
	pftrace_begin(x->t, track, start_ns, x->details.buf, x->details.len);
	pftrace_end(x->t, track, end_ns);
}

static void put_instant(struct perfetto_sched *x, uint64_t track, uint64_t ns)
{
	pftrace_instant(x->t, track, ns, x->details.buf, x->details.len);
}

/* Where it overlaps by what our stamps may be off, it begins when the track is free. False: it overlaps by more. */
static bool place(const struct lane *l, uint64_t *start_ns, uint64_t *end_ns)
{
	if (*start_ns + PERFETTO_SCHED_BENT_NS < l->free_ns)
		return false;
	*start_ns = *start_ns < l->free_ns ? l->free_ns : *start_ns;
	*end_ns = *end_ns < *start_ns ? *start_ns : *end_ns;
	return true;
}

/* What does not fit gets a track of its own beside, as elsewhere: nothing is left out. */
static void put_on(struct perfetto_sched *x, struct lane *l, uint64_t parent, const char *name, int rank,
		   const struct goroutine_span *s)
{
	uint64_t start_ns = s->start_ns, end_ns = s->end_ns;

	if (!place(l, &start_ns, &end_ns)) {
		put_slice(x, pftrace_track(x->t, parent, name, rank), start_ns, end_ns);
		return;
	}
	if (!l->uuid)
		l->uuid = pftrace_track(x->t, parent, name, rank);
	put_slice(x, l->uuid, start_ns, end_ns);
	l->free_ns = end_ns;
}

/* ---- who woke whom ---- */

static void put_wake(struct perfetto_sched *x, uint64_t track, const struct wake *w)
{
	begin_details(x, numbered(w->created ? "creates G" : "wakes G", w->woken).buf);
	if (w->flow)
		pftrace_flow(&x->details, w->flow, false);
	put_instant(x, track, w->ns);
}

/* Its track, with what waits for it. function: "" unknown. */
static void name_goroutine(struct perfetto_sched *x, struct sched_process *p, struct goroutine *g, uint64_t goid,
			   const char *function)
{
	struct name n = numbered("G", goid);

	if (*function) {
		name_add(&n, " ");
		name_add(&n, function);
	}
	g->lane.uuid = pftrace_track(x->t, goroutines_group(x, p), n.buf, rank_of(goid));
	for (size_t i = 0; i < g->wake_cnt; i++)
		put_wake(x, g->lane.uuid, &g->wakes[i]);
	free(g->wakes);
	g->wakes = NULL;
	g->wake_cnt = g->wake_cap = 0;
}

static int keep_wake(struct goroutine *g, const struct wake *w)
{
	size_t cap = g->wake_cap ? 2 * g->wake_cap : 8;
	struct wake *wakes;

	if (g->wake_cnt == g->wake_cap) {
		wakes = realloc(g->wakes, cap * sizeof(*wakes));
		if (!wakes)
			return -ENOMEM;
		g->wakes = wakes;
		g->wake_cap = cap;
	}
	g->wakes[g->wake_cnt++] = *w;
	return 0;
}

static int add_wake(struct perfetto_sched *x, struct sched_process *p, struct goroutine *woken,
		    const struct goroutine_span *s)
{
	struct goroutine *waker = s->waker != s->goid ? find_goroutine(x, p, s->waker) : NULL;
	struct wake w = {.ns = s->start_ns, .woken = s->goid, .created = s->wake == WAKE_CREATED};

	if (!waker || (s->wake != WAKE_READY && s->wake != WAKE_CREATED))
		return 0;
	if (woken && s->end_ns > s->start_ns)
		w.flow = woken->flow = ++x->flow;
	if (!waker->lane.uuid && waker->wake_cnt == WAKES_MAX)
		name_goroutine(x, p, waker, s->waker, "");
	if (!waker->lane.uuid)
		return keep_wake(waker, &w);
	put_wake(x, waker->lane.uuid, &w);
	return 0;
}

/* Those that had no span until now stay without a function's name. */
static void name_all(struct perfetto_sched *x, struct sched_process *p)
{
	uint64_t goid;
	size_t pos = 0;
	void *value;

	while (hashmap_next(p->goroutines, &pos, &goid, &value))
		if (!((struct goroutine *)value)->lane.uuid)
			name_goroutine(x, p, value, goid, "");
}

/* ---- spans ---- */

static struct name wait_name(const struct goroutine_span *s)
{
	static const char *const words[] = {
		[WAKE_UNKNOWN] = "runnable",
		[WAKE_READY] = "runnable: woken",
		[WAKE_NETPOLL] = "runnable: netpoll",
		[WAKE_CREATED] = "runnable: created",
		[WAKE_YIELDED] = "runnable: preempted",
		[WAKE_SYSCALL] = "runnable: system call",
	};
	bool by = s->waker && (s->wake == WAKE_READY || s->wake == WAKE_CREATED);
	struct name n = {.len = 0};

	name_add(&n, words[s->wake]);
	if (!by)
		return n;
	name_add(&n, " by G");
	name_add_number(&n, s->waker);
	return n;
}

static struct name span_name(const struct trace_sched *s)
{
	struct name n = {.len = 0};

	switch (s->span->kind) {
	case SPAN_WAIT:
		return wait_name(s->span);
	case SPAN_RUN:
		if (s->span->p != GO_SCHED_P_UNKNOWN)
			return numbered("running on P ", s->span->p);
		name_add(&n, "running");
		return n;
	default:
		name_add(&n, "parked");
		if (*s->reason)
			name_add(&n, ": ");
		name_add(&n, s->reason);
		return n;
	}
}

static const char *run_end(const struct goroutine_span *s)
{
	const char *word = names_sched_run_end(s->end);

	return word ? word : "";
}

/* Notes that say something; in the words of the JSON lines. */
static void add_notes(struct perfetto_sched *x, const struct trace_sched *s, bool first)
{
	struct pb *d = &x->details;

	if (s->span->kind == SPAN_RUN)
		perfetto_note_text(d, "end", run_end(s->span));
	if (s->span->kind == SPAN_RUN)
		perfetto_note_text(d, "reason", s->reason);
	if (s->span->kind != SPAN_WAIT) {
		perfetto_note_text(d, "site", s->site);
		perfetto_note_text(d, "site_at", s->site_at);
	}
	if (first) {
		perfetto_note_text(d, "created_by", s->created);
		perfetto_note_text(d, "created_at", s->created_at);
	}
}

static void put_goroutine(struct perfetto_sched *x, struct sched_process *p, struct goroutine *g,
			  const struct trace_sched *s)
{
	bool first = !g->lane.free_ns;

	if (!g->lane.uuid)
		name_goroutine(x, p, g, s->span->goid, s->function);
	begin_details(x, span_name(s).buf);
	add_notes(x, s, first);
	if (s->span->kind == SPAN_RUN && g->flow) {
		pftrace_flow(&x->details, g->flow, true);
		g->flow = 0;
	}
	put_on(x, &g->lane, p->goroutines_group, numbered("G", s->span->goid).buf, rank_of(s->span->goid), s->span);
}

static struct lane *find_p(struct sched_process *p, uint32_t number)
{
	struct lane *ps;

	if (number >= PS_MAX)
		return NULL;
	if (number < p->p_cnt)
		return &p->ps[number];
	ps = realloc(p->ps, (number + 1) * sizeof(*ps));
	if (!ps)
		return NULL;
	memset(ps + p->p_cnt, 0, (number + 1 - p->p_cnt) * sizeof(*ps));
	p->ps = ps;
	p->p_cnt = number + 1;
	return &ps[number];
}

static int put_p(struct perfetto_sched *x, struct sched_process *p, const struct trace_sched *s)
{
	struct lane *l = find_p(p, s->span->p);
	struct name n = {.len = 0};

	if (!l)
		return -ENOMEM;
	if (*s->function) {
		name_add(&n, s->function);
		name_add(&n, " ");
	}
	name_add(&n, "G");
	name_add_number(&n, s->span->goid);
	begin_details(x, n.buf);
	put_on(x, l, ps_group(x, p), numbered("P ", s->span->p).buf, rank_of(s->span->p) + 1, s->span);
	return 0;
}

int perfetto_sched_span(struct perfetto_sched *x, const struct trace_event *e)
{
	const struct goroutine_span *s = e->u.sched.span;
	struct sched_process *p = find_process(x, e);
	struct goroutine *g;
	int err = 0;

	if (!p)
		return -ENOMEM;
	g = find_goroutine(x, p, s->goid);
	if (g)
		put_goroutine(x, p, g, &e->u.sched);
	else
		p->others++;
	if (s->kind == SPAN_WAIT && s->waker)
		err = add_wake(x, p, g, s);
	if (!err && s->kind == SPAN_RUN && s->p != GO_SCHED_P_UNKNOWN)
		err = put_p(x, p, &e->u.sched);
	return err;
}

/* ---- windows ---- */

static void put_lost(struct perfetto_sched *x, struct sched_process *p, const struct trace_event *e)
{
	const struct record_sched_window *w = e->u.window;
	uint64_t lost = trace_window_lost(e);
	struct name n = numbered("window lost ", lost);

	if (!lost)
		return;
	if (!p->lost_track)
		p->lost_track = pftrace_track(x->t, ps_group(x, p), "lost", 0);
	name_add(&n, " events");
	begin_details(x, n.buf);
	put_slice(x, p->lost_track, w->start_ns, w->end_ns);
	put_instant(x, p->lost_track, w->end_ns);
}

static void put_others(struct perfetto_sched *x, struct sched_process *p, const struct record_sched_window *w)
{
	struct name n = {.len = 0};

	if (!p->others)
		return;
	if (!p->others_track)
		p->others_track = pftrace_track(x->t, goroutines_group(x, p), "other goroutines", INT32_MAX);
	name_add_number(&n, p->others);
	name_add(&n, " spans of other goroutines: not drawn");
	begin_details(x, n.buf);
	put_slice(x, p->others_track, w->start_ns, w->end_ns);
	p->others = 0;
}

int perfetto_sched_window(struct perfetto_sched *x, const struct trace_event *e, const void *details, size_t sz)
{
	const struct record_sched_window *w = e->u.window;
	struct sched_process *p = find_process(x, e);
	uint64_t track;

	if (!p)
		return -ENOMEM;
	track = perfetto_tracks_lane(x->tracks, p->uuid, SLOT_SCHED_WINDOWS, 0, "goroutine windows", w->start_ns,
				     w->end_ns);
	pftrace_begin(x->t, track, w->start_ns, details, sz);
	pftrace_end(x->t, track, w->end_ns);
	name_all(x, p);
	put_lost(x, p, e);
	put_others(x, p, w);
	return 0;
}

void perfetto_sched_gone(struct perfetto_sched *x, uint64_t process)
{
	struct sched_process *p = hashmap_remove(x->processes, process);

	perfetto_sched_forget(x);
	if (p)
		name_all(x, p);
	process_free(p);
}

void perfetto_sched_flush(struct perfetto_sched *x)
{
	uint64_t key;
	size_t pos = 0;
	void *value;

	while (hashmap_next(x->processes, &pos, &key, &value))
		name_all(x, value);
}
