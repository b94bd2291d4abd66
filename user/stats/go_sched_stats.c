/* SPDX-License-Identifier: BSD-2-Clause */
/* While a window is open its sites are counted by address, without names: 350,000 events a second come from one busy
 * server. At its end the largest sites get their names and are kept, about 10 KB a window; names are what sites of
 * several windows and processes are put together by, because addresses are of one process. What is not kept is in
 * "other", so sums are right and a site that is small in one window and large in another is too low by the former. */
#include "stats/go_sched_stats.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "base/str.h"
#include "stats/dist.h"
#include "stats/histogram.h"

#define PLACES (2 * GO_SCHED_SITES_MAX)
/* Two lists, by creations and by waiting, and "other". */
#define KEPT_MAX (2 * GO_SCHED_SITES_KEPT + 1)

/* Created, or parked, there; those created there waited. */
struct numbers {
	uint64_t cnt, waits, wait_ns;
};

/* Counters by key; the first one is "other". */
struct site_table {
	uint32_t cnt;
	uint16_t places[PLACES]; /* index, 0 free */
	struct {
		uint64_t key, reason;
		struct numbers n;
	} sites[GO_SCHED_SITES_MAX + 1];
};

struct go_sched_sum {
	struct histogram waits, netpoll;
	struct site_table created, parks;
};

struct named_site {
	uint64_t hash; /* of its names */
	struct numbers n;
	char function[96], at[48];
};

struct go_sched_window {
	uint64_t end_ns, armed_ns;
	uint64_t windows, runs, created, ended, lost, hits;
	double cost_ns, cpu_ns; /* cpu_ns: 0 unknown */
	bool broken;            /* the end of one was not told: what it lost is not known */
	uint8_t end;
	bool followed;
	struct histogram waits, netpoll;
	uint32_t site_cnt, park_cnt;
	struct named_site sites[]; /* site_cnt, behind them park_cnt */
};

/* Sites of one or several windows, put together. */
struct site_list {
	uint32_t cnt; /* the first one is "other", always there */
	struct listed {
		const struct named_site *named; /* NULL: only key and reason */
		uint64_t key, reason;           /* key: hash of its names if named */
		struct numbers n;
		bool keep;
	} items[GO_SCHED_SITES_MAX + 1];
};

static void add_numbers(struct numbers *to, const struct numbers *more)
{
	to->cnt += more->cnt;
	to->waits += more->waits;
	to->wait_ns += more->wait_ns;
}

/* ---- while it is open ---------------------------------------------------------------------------------- */

int go_sched_sum_new(struct go_sched_sum **ret)
{
	struct go_sched_sum *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->created.cnt = s->parks.cnt = 1;
	*ret = s;
	return 0;
}

struct go_sched_sum *go_sched_sum_free(struct go_sched_sum *s)
{
	free(s);
	return NULL;
}

static struct numbers *site_at(struct site_table *t, uint64_t key, uint64_t reason)
{
	uint64_t hash = (key ^ reason << 56) * 0x9e3779b97f4a7c15ull >> 32;

	for (uint32_t i = 0;; i++) {
		uint16_t *at = &t->places[(hash + i) % PLACES];

		if (*at && t->sites[*at].key == key && t->sites[*at].reason == reason)
			return &t->sites[*at].n;
		if (*at)
			continue;
		if (t->cnt > GO_SCHED_SITES_MAX)
			return &t->sites[0].n;
		*at = (uint16_t)t->cnt;
		t->sites[t->cnt].key = key;
		t->sites[t->cnt].reason = reason;
		return &t->sites[t->cnt++].n;
	}
}

void go_sched_sum_event(struct go_sched_sum *s, const struct go_sched_event *e)
{
	if (e->kind == GO_SCHED_NEW)
		site_at(&s->created, e->arg, 0)->cnt++;
	else if (e->kind == GO_SCHED_PARK)
		site_at(&s->parks, e->arg, e->reason)->cnt++;
}

void go_sched_sum_span(struct go_sched_sum *s, const struct goroutine_span *x)
{
	uint64_t ns = x->end_ns - x->start_ns;
	struct numbers *n;

	if (x->kind != SPAN_WAIT)
		return;
	histogram_add(&s->waits, ns);
	if (x->wake == WAKE_NETPOLL)
		histogram_add(&s->netpoll, ns);
	n = site_at(&s->created, x->gopc, 0);
	n->waits++;
	n->wait_ns += ns;
}

void go_sched_sum_waits(const struct go_sched_sum *s, struct dist *ret)
{
	histogram_dist(&s->waits, ret);
}

/* ---- lists --------------------------------------------------------------------------------------------- */

static void list_init(struct site_list *l)
{
	l->cnt = 1;
	memset(&l->items[0], 0, sizeof(l->items[0]));
}

static void list_add_table(struct site_list *l, const struct site_table *t)
{
	add_numbers(&l->items[0].n, &t->sites[0].n);
	for (uint32_t i = 1; i < t->cnt; i++)
		l->items[l->cnt++] =
			(struct listed){.key = t->sites[i].key, .reason = t->sites[i].reason, .n = t->sites[i].n};
}

static void list_add_named(struct site_list *l, const struct named_site *x)
{
	uint32_t i = x->hash ? 1 : 0;

	while (i && i < l->cnt && l->items[i].key != x->hash)
		i++;
	if (i == l->cnt && l->cnt > GO_SCHED_SITES_MAX)
		i = 0;
	if (i == l->cnt)
		l->items[l->cnt++] = (struct listed){.named = x, .key = x->hash};
	add_numbers(&l->items[i].n, &x->n);
}

static int by_cnt(const void *a, const void *b)
{
	const struct numbers *x = &((const struct listed *)a)->n, *y = &((const struct listed *)b)->n;

	return (x->cnt < y->cnt) - (x->cnt > y->cnt);
}

static int by_wait(const void *a, const void *b)
{
	const struct numbers *x = &((const struct listed *)a)->n, *y = &((const struct listed *)b)->n;

	return (x->wait_ns < y->wait_ns) - (x->wait_ns > y->wait_ns);
}

static void mark_largest(struct site_list *l, int (*by)(const void *a, const void *b))
{
	qsort(l->items + 1, l->cnt - 1, sizeof(*l->items), by);
	for (uint32_t i = 1; i < l->cnt && i <= GO_SCHED_SITES_KEPT; i++)
		l->items[i].keep = true;
}

/* The largest ones stay, the others become "other". */
static void list_cut(struct site_list *l)
{
	uint32_t kept = 1;

	mark_largest(l, by_wait);
	mark_largest(l, by_cnt);
	for (uint32_t i = 1; i < l->cnt; i++) {
		if (l->items[i].keep)
			l->items[kept++] = l->items[i];
		else
			add_numbers(&l->items[0].n, &l->items[i].n);
	}
	l->cnt = kept;
}

/* ---- windows that are over ----------------------------------------------------------------------------- */

void go_sched_stats_init(struct go_sched_stats *s, struct stats_budget *budget)
{
	memset(s, 0, sizeof(*s));
	s->budget = budget;
}

static size_t window_size(const struct go_sched_window *w)
{
	return sizeof(*w) + (w->site_cnt + w->park_cnt) * sizeof(w->sites[0]);
}

static void window_free(struct go_sched_stats *s, struct go_sched_window *w)
{
	stats_budget_resize(s->budget, window_size(w), 0);
	free(w);
}

void go_sched_stats_deinit(struct go_sched_stats *s)
{
	while (s->cnt)
		window_free(s, s->windows[--s->cnt]);
}

static struct go_sched_window *window_new(struct go_sched_stats *s, uint32_t site_cnt, uint32_t park_cnt)
{
	size_t sz = sizeof(struct go_sched_window) + (site_cnt + park_cnt) * sizeof(struct named_site);
	struct go_sched_window *w;

	if (!stats_budget_resize(s->budget, 0, sz))
		return NULL;
	w = calloc(1, sz);
	if (!w) {
		stats_budget_resize(s->budget, sz, 0);
		return NULL;
	}
	w->site_cnt = site_cnt;
	w->park_cnt = park_cnt;
	return w;
}

static void add_window(struct go_sched_window *to, const struct go_sched_window *w)
{
	to->end = w->end_ns >= to->end_ns ? w->end : to->end;
	to->end_ns = w->end_ns > to->end_ns ? w->end_ns : to->end_ns;
	to->cpu_ns = to->windows && (to->cpu_ns <= 0 || w->cpu_ns <= 0) ? 0 : to->cpu_ns + w->cpu_ns;
	to->windows += w->windows;
	to->armed_ns += w->armed_ns;
	to->runs += w->runs;
	to->created += w->created;
	to->ended += w->ended;
	to->lost += w->lost;
	to->broken |= w->broken;
	to->hits += w->hits;
	to->cost_ns += w->cost_ns;
	to->followed |= w->followed;
	histogram_merge(&to->waits, &w->waits);
	histogram_merge(&to->netpoll, &w->netpoll);
}

static void list_add_window(struct site_list *sites, struct site_list *parks, const struct go_sched_window *w)
{
	for (uint32_t i = 0; i < w->site_cnt; i++)
		list_add_named(sites, &w->sites[i]);
	for (uint32_t i = 0; i < w->park_cnt; i++)
		list_add_named(parks, &w->sites[w->site_cnt + i]);
}

static void set_other(struct named_site *x)
{
	x->hash = 0;
	str_copy(x->function, sizeof(x->function), "other");
	x->at[0] = 0;
}

static void copy_sites(struct named_site *to, const struct site_list *l)
{
	for (uint32_t i = 0; i < l->cnt; i++) {
		if (l->items[i].named)
			to[i] = *l->items[i].named;
		else
			set_other(&to[i]);
		to[i].n = l->items[i].n;
	}
}

/* The two oldest become one. */
static bool merge_oldest(struct go_sched_stats *s)
{
	struct site_list sites, parks;
	struct go_sched_window *w;

	list_init(&sites);
	list_init(&parks);
	list_add_window(&sites, &parks, s->windows[0]);
	list_add_window(&sites, &parks, s->windows[1]);
	list_cut(&sites);
	list_cut(&parks);
	w = window_new(s, sites.cnt, parks.cnt);
	if (!w)
		return false;
	add_window(w, s->windows[0]);
	add_window(w, s->windows[1]);
	copy_sites(w->sites, &sites);
	copy_sites(w->sites + sites.cnt, &parks);
	window_free(s, s->windows[0]);
	window_free(s, s->windows[1]);
	s->cnt--;
	memmove(&s->windows[1], &s->windows[2], (s->cnt - 1) * sizeof(struct go_sched_window *));
	s->windows[0] = w;
	return true;
}

static uint64_t hash_names(const struct named_site *x)
{
	uint64_t hash = hash_bytes(x->at, strlen(x->at), hash_bytes(x->function, strlen(x->function), 1));

	return hash ? hash : 1; /* 0 is "other" */
}

static void name_created(struct named_site *x, const struct listed *l, const struct go_sched_end *e)
{
	struct go_sched_name name = e->name(SCHED_NAME_CREATED, l->key, e->arg);

	str_copy(x->function, sizeof(x->function), name.function);
	str_copy(x->at, sizeof(x->at), name.at);
}

static void name_park(struct named_site *x, const struct listed *l, const struct go_sched_end *e)
{
	struct go_sched_name name = e->name(SCHED_NAME_REASON, l->reason, e->arg);
	char reason[64];

	str_copy(reason, sizeof(reason), name.function[0] ? name.function : "unknown");
	name = e->name(SCHED_NAME_STACK, l->key, e->arg);
	str_copy(x->function, sizeof(x->function), reason);
	if (name.function[0]) {
		size_t len = strlen(x->function);

		snprintf(x->function + len, sizeof(x->function) - len, " at %s", name.function);
	}
	str_copy(x->at, sizeof(x->at), name.at);
}

static void name_sites(struct named_site *to, const struct site_list *l, const struct go_sched_end *e,
		       void (*name)(struct named_site *x, const struct listed *l, const struct go_sched_end *e))
{
	set_other(&to[0]);
	to[0].n = l->items[0].n;
	for (uint32_t i = 1; i < l->cnt; i++) {
		name(&to[i], &l->items[i], e);
		to[i].hash = hash_names(&to[i]);
		to[i].n = l->items[i].n;
	}
}

static void set_numbers(struct go_sched_window *w, const struct go_sched_end *e)
{
	const struct record_sched_window *r = e->record;

	w->windows = 1;
	w->end = (uint8_t)r->end;
	w->end_ns = r->end_ns;
	w->armed_ns = r->end_ns > r->start_ns ? r->end_ns - r->start_ns : 0;
	w->cost_ns = r->cost_ns;
	w->cpu_ns = (double)r->cpu_ns;
	w->lost = r->lost[0] + r->lost[1] + e->not_followed;
	w->broken = isnan(r->cost_ns);
	for (int i = 0; i < GO_SCHED_KIND_CNT; i++)
		w->hits += r->hits[i];
	w->followed = e->counts != NULL;
	w->runs = e->counts ? e->counts->runs : r->hits[GO_SCHED_RUN];
	w->created = e->counts ? e->counts->created : r->hits[GO_SCHED_NEW];
	w->ended = e->counts ? e->counts->exited : r->hits[GO_SCHED_EXIT];
}

static void insert(struct go_sched_stats *s, struct go_sched_window *w)
{
	size_t at = s->cnt;

	while (at && s->windows[at - 1]->end_ns > w->end_ns)
		at--;
	memmove(&s->windows[at + 1], &s->windows[at], (s->cnt - at) * sizeof(struct go_sched_window *));
	s->windows[at] = w;
	s->cnt++;
}

uint64_t go_sched_stats_window(struct go_sched_stats *s, const struct go_sched_sum *sum, const struct go_sched_end *e)
{
	struct site_list sites, parks;
	struct go_sched_window *w;

	list_init(&sites);
	list_init(&parks);
	if (sum) {
		list_add_table(&sites, &sum->created);
		list_add_table(&parks, &sum->parks);
	}
	list_cut(&sites);
	list_cut(&parks);
	if (s->cnt == GO_SCHED_WINDOWS_MAX && !merge_oldest(s))
		return 1;
	w = window_new(s, sites.cnt, parks.cnt);
	if (!w)
		return 1;
	set_numbers(w, e);
	if (sum) {
		w->waits = sum->waits;
		w->netpoll = sum->netpoll;
	}
	name_sites(w->sites, &sites, e, name_created);
	name_sites(w->sites + sites.cnt, &parks, e, name_park);
	insert(s, w);
	return 0;
}

void go_sched_stats_expire(struct go_sched_stats *s, uint64_t before_ns)
{
	size_t old = 0;

	while (old + 1 < s->cnt && s->windows[old]->end_ns <= before_ns)
		window_free(s, s->windows[old++]);
	s->cnt -= old;
	memmove(&s->windows[0], &s->windows[old], s->cnt * sizeof(struct go_sched_window *));
}

/* ---- for a snapshot ------------------------------------------------------------------------------------ */

static void copy_site(struct snapshot_site *to, const struct listed *l, uint64_t cnt, double sum, double seconds)
{
	str_copy(to->function, sizeof(to->function), l->named ? l->named->function : "other");
	str_copy(to->at, sizeof(to->at), l->named ? l->named->at : "");
	to->cnt = (int64_t)cnt;
	to->per_second = seconds > 0 ? sum / seconds : NAN;
}

/* By creations (or parks), or by waiting. */
static int fill_sites(struct site_list *l, bool waits, double seconds, struct snapshot_site *ret)
{
	int cnt = 0;

	qsort(l->items, l->cnt, sizeof(*l->items), waits ? by_wait : by_cnt);
	for (uint32_t i = 0; i < l->cnt && cnt < SNAPSHOT_SITES; i++) {
		const struct numbers *n = &l->items[i].n;

		if (waits && n->waits)
			copy_site(&ret[cnt++], &l->items[i], n->waits, (double)n->wait_ns / NS_PER_SEC, seconds);
		else if (!waits && n->cnt)
			copy_site(&ret[cnt++], &l->items[i], n->cnt, (double)n->cnt, seconds);
	}
	return cnt;
}

static void fill_numbers(const struct go_sched_window *w, uint64_t now_ns, struct snapshot_sched_window *ret)
{
	ret->windows = (int64_t)w->windows;
	ret->seconds = (double)w->armed_ns / NS_PER_SEC;
	ret->age_seconds = now_ns > w->end_ns ? (double)(now_ns - w->end_ns) / NS_PER_SEC : 0;
	ret->runs = (int64_t)w->runs;
	ret->created = (int64_t)w->created;
	ret->ended = (int64_t)w->ended;
	ret->lost = w->broken ? STAT_UNKNOWN : (int64_t)w->lost;
	ret->hits = (int64_t)w->hits;
	ret->cost_seconds = w->cost_ns / NS_PER_SEC;
	ret->cpu_seconds = w->cpu_ns > 0 ? w->cpu_ns / NS_PER_SEC : NAN;
	ret->end = w->end;
	dist_unknown(&ret->latency);
	dist_unknown(&ret->netpoll);
	if (!w->followed)
		return;
	histogram_dist(&w->waits, &ret->latency);
	histogram_dist(&w->netpoll, &ret->netpoll);
}

void go_sched_stats_fill(const struct go_sched_stats *s, uint64_t now_ns, uint64_t window_ns,
			 struct snapshot_sched_window *ret)
{
	uint64_t from = now_ns > window_ns ? now_ns - window_ns : 0;
	size_t first = s->cnt;
	struct go_sched_window all = {0};
	struct site_list sites, parks;

	if (!s->cnt)
		return;
	while (first && s->windows[first - 1]->end_ns >= from)
		first--;
	if (first == s->cnt)
		first--;
	list_init(&sites);
	list_init(&parks);
	for (size_t i = first; i < s->cnt; i++) {
		add_window(&all, s->windows[i]);
		list_add_window(&sites, &parks, s->windows[i]);
	}
	fill_numbers(&all, now_ns, ret);
	ret->site_cnt = fill_sites(&sites, false, ret->seconds, ret->sites);
	ret->wait_cnt = fill_sites(&sites, true, ret->seconds, ret->waits);
	ret->park_cnt = fill_sites(&parks, false, ret->seconds, ret->parks);
}
