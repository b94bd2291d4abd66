/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows of go_sched: switches of goroutines to spans, and what a container's windows showed; what we cost a process.
 *
 * A recording may begin in the middle of a window (the flight recorder): switches of a process without a window open
 * one, which is as old as the first of them. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "diagnose/words.h"
#include "model_private.h"
#include "stats/go_sched_stats.h"
#include "stats/overhead_stats.h"

#define NAMES_MAX 20000 /* of one process */

/* A window that is open. */
struct sched_open {
	struct goroutine_track *track; /* owned */
	struct go_sched_sum *sum;      /* owned */
	struct record_sched_window record;
	uint64_t hits[GO_SCHED_KIND_CNT];
	struct model *model;     /* borrowed */
	struct model_process *p; /* borrowed: it owns this */
};

struct model_sched {
	struct hashmap *names[SCHED_NAME_CNT]; /* id -> struct sched_name, owned */
	size_t name_cnt;
	struct sched_open *open;         /* owned; NULL: none */
	struct overhead_stats *overhead; /* owned; NULL: nothing was told */
};

struct sched_name {
	size_t at;   /* where the place begins in text */
	char text[]; /* function, NUL, file:line, NUL */
};

/* ---- life ---------------------------------------------------------------------------------------------- */

static struct model_sched *sched_of(struct model_process *p)
{
	if (!p->sched)
		p->sched = calloc(1, sizeof(*p->sched));
	return p->sched;
}

static struct sched_open *open_free(struct sched_open *o)
{
	if (!o)
		return NULL;
	goroutine_track_free(o->track);
	o->model->sched_open_cnt--;
	go_sched_sum_free(o->sum);
	free(o);
	return NULL;
}

static void names_free(struct hashmap *names)
{
	size_t pos = 0;
	uint64_t key;
	void *value;

	while (names && hashmap_next(names, &pos, &key, &value))
		free(value);
	hashmap_free(names);
}

void model_sched_free(struct model_process *p)
{
	if (!p->sched)
		return;
	for (int i = 0; i < SCHED_NAME_CNT; i++)
		names_free(p->sched->names[i]);
	open_free(p->sched->open);
	free(p->sched->overhead);
	free(p->sched);
	p->sched = NULL;
}

/* ---- names --------------------------------------------------------------------------------------------- */

static struct sched_name *name_make(const char *function, const char *at)
{
	size_t len = strlen(function) + 1, at_len = strlen(at) + 1;
	struct sched_name *n = malloc(sizeof(*n) + len + at_len);

	if (!n)
		return NULL;
	n->at = len;
	memcpy(n->text, function, len);
	memcpy(n->text + len, at, at_len);
	return n;
}

void model_sched_name(struct model *m, const struct record_sched_name *r)
{
	struct model_process *p = model_process_find(m, (uint32_t)r->pid);
	struct model_sched *s = p ? sched_of(p) : NULL;
	struct sched_name *n = NULL;

	if (!s || (!s->names[r->what] && hashmap_new(NAMES_MAX, &s->names[r->what])))
		return;
	if (s->name_cnt < NAMES_MAX && !hashmap_find(s->names[r->what], r->id))
		n = name_make(r->function, r->at);
	if (n && hashmap_add(s->names[r->what], r->id, n))
		free(n);
	else if (n)
		s->name_cnt++;
}

static struct go_sched_name name_of(enum sched_name_what what, uint64_t id, void *arg)
{
	const struct model_process *p = arg;
	const struct sched_name *n = p->sched->names[what] ? hashmap_find(p->sched->names[what], id) : NULL;

	return n ? (struct go_sched_name){n->text, n->text + n->at} : (struct go_sched_name){"", ""};
}

/* ---- an open window ------------------------------------------------------------------------------------ */

static void trace_span(const struct model *m, struct model_process *p, const struct goroutine_span *s)
{
	static const enum trace_kind kinds[] = {
		[SPAN_WAIT] = TRACE_SCHED_WAIT, [SPAN_RUN] = TRACE_SCHED_RUN, [SPAN_PARK] = TRACE_SCHED_PARK};
	bool parked = s->kind == SPAN_PARK || (s->kind == SPAN_RUN && s->end == RUN_PARKED);
	struct go_sched_name created = name_of(SCHED_NAME_CREATED, s->gopc, p), site = {"", ""}, reason = {"", ""};
	struct trace_event t = {.kind = kinds[s->kind], .end_ns = s->end_ns, .duration_ns = s->end_ns - s->start_ns};

	if (parked) {
		site = name_of(SCHED_NAME_STACK, s->stack, p);
		reason = name_of(SCHED_NAME_REASON, s->reason, p);
	}
	t.u.sched = (struct trace_sched){.span = s,
					 .function = name_of(SCHED_NAME_FUNCTION, s->startpc, p).function,
					 .created = created.function,
					 .created_at = created.at,
					 .site = site.function,
					 .site_at = site.at,
					 .reason = reason.function};
	model_trace(m, &t, p->container, p);
}

static void on_span(const struct goroutine_span *s, void *arg)
{
	struct sched_open *o = arg;

	go_sched_sum_span(o->sum, s);
	if (o->model->ops.trace)
		trace_span(o->model, o->p, s);
}

/* No more at once than the kernel side has places for. */
static struct sched_open *open_new(struct model *m, struct model_process *p)
{
	struct sched_open *o = m->sched_open_cnt < GO_SCHED_SLOTS ? calloc(1, sizeof(*o)) : NULL;
	struct goroutine_track_ops ops = {on_span, o, &m->sched_room};

	if (!o)
		return NULL;
	if (!m->sched_open_cnt++)
		m->sched_room = GOROUTINE_TRACK_ROOM;
	o->model = m;
	o->p = p;
	if (goroutine_track_new(&ops, &o->track) || go_sched_sum_new(&o->sum))
		return open_free(o);
	return o;
}

static struct sched_open *open_window(struct model *m, struct model_process *p, uint64_t id, uint64_t start_ns)
{
	struct model_sched *s = sched_of(p);

	if (!s)
		return NULL;
	s->open = open_new(m, p);
	if (s->open)
		s->open->record = (struct record_sched_window){.pid = p->rec.pid, .id = id, .start_ns = start_ns};
	return s->open;
}

void model_go_sched(struct model *m, const struct record_go_sched *r)
{
	struct model_process *p = model_process_find(m, (uint32_t)r->pid);
	struct sched_open *o = p && p->sched ? p->sched->open : NULL;

	if (!p || !r->cnt) {
		m->lost[SIGNAL_GO_SCHED][LOSS_UNKNOWN_PROCESS] += r->cnt;
		return;
	}
	if (!o)
		o = open_window(m, p, 0, r->events[0].time_ns);
	if (!o) {
		m->lost[SIGNAL_GO_SCHED][LOSS_LIMIT] += r->cnt;
		return;
	}
	for (uint32_t i = 0; i < r->cnt; i++) {
		o->hits[r->events[i].kind]++;
		go_sched_sum_event(o->sum, &r->events[i]);
		goroutine_track_feed(o->track, &r->events[i]);
	}
}

/* ---- its end ------------------------------------------------------------------------------------------- */

/* "81k" "12.3k" "812" */
static char *count_words(uint64_t cnt, char *buf)
{
	if (cnt < 10000)
		snprintf(buf, WORD_SZ, "%llu", (unsigned long long)cnt);
	else if (cnt < 10000000)
		snprintf(buf, WORD_SZ, "%.*fk", cnt < 100000, (double)cnt / 1e3);
	else
		snprintf(buf, WORD_SZ, "%.1fM", (double)cnt / 1e6);
	return buf;
}

static void note_cost(char *text, size_t sz, const struct record_sched_window *r)
{
	char cost[WORD_SZ], share[WORD_SZ];

	if (isnan(r->cost_ns))
		return;
	words_add(text, sz, ", cost %s", words_duration(r->cost_ns / NS_PER_SEC, cost));
	if (r->cpu_ns)
		words_add(text, sz, " (%s of its CPU)", words_percent(r->cost_ns / (double)r->cpu_ns, share));
}

static void note_window(struct model_container *c, const struct sched_open *o, const struct record_sched_window *r)
{
	const struct goroutine_track_counts *n = goroutine_track_counts(o->track);
	uint64_t lost = r->lost[0] + r->lost[1] + goroutine_track_not_followed(o->track);
	char runs[WORD_SZ], waits[WORD_SZ], p99[WORD_SZ], length[WORD_SZ], text[160] = "";
	struct dist d;

	go_sched_sum_waits(o->sum, &d);
	if (d.cnt > 0)
		words_add(text, sizeof(text), ", p99 %s", words_duration(d.p99, p99));
	note_cost(text, sizeof(text), r);
	if (lost)
		words_add(text, sizeof(text), ", %s events lost: too low", count_words(lost, waits));
	if (r->end == SCHED_WINDOW_BUDGET)
		words_add(text, sizeof(text), "; its budget was used up");
	else if (r->end == SCHED_WINDOW_QUOTA)
		words_add(text, sizeof(text), "; its CPU limit held it");
	model_note(c, r->end_ns, "goroutine window %s of process %d: %s switches, %s waits for a P%s",
		   words_duration((double)(r->end_ns - r->start_ns) / NS_PER_SEC, length), r->pid,
		   count_words(n->runs, runs), count_words(n->waits, waits), text);
}

static void tell_stats(struct model_process *p, const struct sched_open *o, const struct record_sched_window *r)
{
	struct go_sched_end e = {.record = r, .name = name_of, .arg = p};

	if (o) {
		e.counts = goroutine_track_counts(o->track);
		e.not_followed = goroutine_track_not_followed(o->track);
	}
	container_stats_go_sched(p->container->stats, o ? o->sum : NULL, &e);
}

/* r: its end is not before its start. */
static void close_window(struct model *m, struct model_process *p, const struct record_sched_window *r)
{
	struct trace_event t = {.kind = TRACE_SCHED_WINDOW, .end_ns = r->end_ns, .u.window = r};
	struct sched_open *o = p->sched->open;

	t.duration_ns = r->end_ns - r->start_ns;
	if (o) {
		goroutine_track_end(o->track, r->end_ns);
		t.not_followed = goroutine_track_not_followed(o->track);
		m->lost[SIGNAL_GO_SCHED][LOSS_LIMIT] += t.not_followed;
	}
	if (p->container) {
		tell_stats(p, o, r);
		if (o)
			note_window(p->container, o, r);
	}
	model_trace(m, &t, p->container, p);
	p->sched->open = open_free(o);
}

/* Its end was not told: what came of it stays, its cost is not known. */
static void break_window(struct model *m, struct model_process *p, uint64_t end_ns)
{
	struct sched_open *o = p->sched ? p->sched->open : NULL;
	struct record_sched_window r;

	if (!o)
		return;
	r = o->record;
	r.end = SCHED_WINDOW_GONE;
	r.end_ns = end_ns > r.start_ns ? end_ns : r.start_ns;
	r.cost_ns = (double)NAN;
	memcpy(r.hits, o->hits, sizeof(r.hits));
	close_window(m, p, &r);
}

/* The same window may be told to open twice: by the dump that a recording begins with, and by what follows. */
void model_sched_window(struct model *m, const struct record_sched_window *r)
{
	struct model_process *p = model_process_find(m, (uint32_t)r->pid);
	struct sched_open *o = p && p->sched ? p->sched->open : NULL;

	if (!p)
		return;
	if (r->end != SCHED_WINDOW_OPEN) {
		if (sched_of(p))
			close_window(m, p, r);
		return;
	}
	if (o && (o->record.id == r->id || !o->record.id)) {
		o->record.id = r->id;
		return;
	}
	break_window(m, p, r->start_ns);
	if (!open_window(m, p, r->id, r->start_ns))
		m->lost[SIGNAL_GO_SCHED][LOSS_LIMIT]++;
}

void model_sched_gone(struct model *m, struct model_process *p, uint64_t time_ns)
{
	break_window(m, p, time_ns);
}

/* ---- what we cost -------------------------------------------------------------------------------------- */

void model_cost(struct model_process *p, struct model_container *c, double cost_ns)
{
	if (p)
		p->cost_ns += cost_ns;
	if (c)
		c->cost_ns += cost_ns;
}

/* The record's sum over the groups is the truth: it has in it what events have added since the last one (hits of go_gc
 * and go_assist), so only what it is more than that is added. */
static void settle_cost(struct model_process *p, const struct record_overhead *r)
{
	double sum = 0;

	for (int g = 0; g < OVERHEAD_GROUP_CNT; g++)
		sum += r->cost_ns[g];
	if (sum > p->cost_ns)
		model_cost(p, p->container, sum - p->cost_ns);
}

void model_overhead(struct model *m, const struct record_overhead *r)
{
	struct model_process *p = model_process_find(m, (uint32_t)r->pid);
	struct model_sched *s = p ? sched_of(p) : NULL;

	if (!s)
		return;
	if (!s->overhead)
		s->overhead = calloc(1, sizeof(*s->overhead));
	if (s->overhead)
		overhead_stats_add(s->overhead, r);
	settle_cost(p, r);
}

/* ---- for a snapshot, and as records -------------------------------------------------------------------- */

void model_sched_fill(const struct model_container *c, uint64_t now_ns, uint64_t window_ns,
		      struct snapshot_container *ret)
{
	struct overhead_sum sum;

	overhead_sum_init(&sum);
	for (const struct model_process *p = c->processes; p; p = p->next) {
		if (p->sched && p->sched->overhead)
			overhead_sum_add(&sum, p->sched->overhead, now_ns, window_ns);
		ret->sched.window.open += p->sched && p->sched->open;
	}
	overhead_sum_fill(&sum, &ret->overhead);
}

static int dump_names(const struct model_process *p, enum sched_name_what what,
		      int (*fn)(const struct record *r, void *arg), void *arg)
{
	const struct hashmap *names = p->sched->names[what];
	size_t pos = 0;
	uint64_t id;
	void *value;
	int err = 0;

	while (!err && names && hashmap_next(names, &pos, &id, &value)) {
		struct record_sched_name r = {.pid = p->rec.pid, .what = what, .id = id};
		const struct sched_name *n = value;

		memcpy(r.function, n->text, strlen(n->text));
		memcpy(r.at, n->text + n->at, strlen(n->text + n->at));
		err = fn(&(struct record){RECORD_SCHED_NAME, sizeof(r), &r}, arg);
	}
	return err;
}

int model_sched_dump(const struct model_process *p, int (*fn)(const struct record *r, void *arg), void *arg)
{
	const struct model_sched *s = p->sched;
	int err = 0;

	if (!s)
		return 0;
	for (int i = 0; i < SCHED_NAME_CNT && !err; i++)
		err = dump_names(p, (enum sched_name_what)i, fn, arg);
	if (!err && s->overhead)
		err = fn(&(struct record){RECORD_OVERHEAD, sizeof(s->overhead->last), &s->overhead->last}, arg);
	if (!err && s->open)
		err = fn(&(struct record){RECORD_SCHED_WINDOW, sizeof(s->open->record), &s->open->record}, arg);
	return err;
}
