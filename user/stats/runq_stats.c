/* SPDX-License-Identifier: BSD-2-Clause */
/* Histograms are kept window by window, only the buckets in use, so that any time asked for is the sum of those that
 * overlap it. When all RUNQ_WINDOWS_MAX places are taken, the two oldest neighbours that are together no longer than
 * MERGE_SPAN_NS become one. Where there is no such pair, each of the 32 pairs spans more than 2 s, all of them more
 * than the longest window, and the oldest one is of no use any more: nothing is ever lost by this bound. */
#include "stats/runq_stats.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "stats/histogram.h"

#define MERGE_SPAN_NS (2 * NS_PER_SEC)
#define RIVALS_MAX    64 /* different names looked at for the most frequent one */
#define ENDS_MAX      16384

void runq_stats_init(struct runq_stats *r, struct stats_budget *budget)
{
	memset(r, 0, sizeof(*r));
	r->budget = budget;
	span_ring_init(&r->armed, RUNQ_ARMED_MAX, budget);
	span_ring_init(&r->ends, ENDS_MAX, budget);
}

static size_t window_size(uint32_t cnt)
{
	return sizeof(struct runq_window) + cnt * sizeof(uint32_t);
}

static struct runq_window *window_new(struct runq_stats *r, uint32_t cnt)
{
	struct runq_window *w;

	if (!stats_budget_resize(r->budget, 0, window_size(cnt)))
		return NULL;
	w = calloc(1, window_size(cnt));
	if (!w)
		stats_budget_resize(r->budget, window_size(cnt), 0);
	else
		w->cnt = cnt;
	return w;
}

static void window_free(struct runq_stats *r, struct runq_window *w)
{
	stats_budget_resize(r->budget, window_size(w->cnt), 0);
	free(w);
}

static void remove_window(struct runq_stats *r, size_t i)
{
	r->window_cnt--;
	memmove(&r->windows[i], &r->windows[i + 1], (r->window_cnt - i) * sizeof(*r->windows));
}

void runq_stats_deinit(struct runq_stats *r)
{
	for (size_t i = 0; i < r->window_cnt; i++)
		window_free(r, r->windows[i]);
	r->window_cnt = 0;
	stats_budget_resize(r->budget, r->means ? RUNQ_MEANS_MAX * sizeof(*r->means) : 0, 0);
	free(r->means);
	r->means = NULL;
	stats_budget_resize(r->budget, r->outlier_cap * sizeof(*r->outliers), 0);
	free(r->outliers);
	r->outliers = NULL;
	r->outlier_cnt = r->outlier_cap = 0;
	span_ring_deinit(&r->ends);
	span_ring_deinit(&r->armed);
}

static uint64_t span_lost(int err)
{
	return err < 0 ? 1 : (uint64_t)err;
}

/* The same window is told for its container and again with the waits: once is enough. */
static bool armed_known(const struct runq_stats *r, uint64_t start_ns, uint64_t end_ns)
{
	for (size_t i = span_ring_upper(&r->armed, end_ns); i > 0; i--) {
		const struct span *s = span_ring_get(&r->armed, i - 1);

		if (s->end_ns < end_ns)
			return false;
		if (span_start(s) <= start_ns)
			return true;
	}
	return false;
}

uint64_t runq_stats_armed(struct runq_stats *r, uint64_t start_ns, uint64_t end_ns)
{
	if (start_ns <= end_ns && armed_known(r, start_ns, end_ns))
		return 0;
	return span_lost(span_ring_add(&r->armed, start_ns, end_ns, 0));
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t add_sat(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void add_counts(struct runq_window *to, const struct runq_window *from)
{
	for (uint32_t i = 0; i < from->cnt; i++) {
		uint32_t *c = &to->counts[from->first + i - to->first];

		*c = *c > UINT32_MAX - from->counts[i] ? UINT32_MAX : *c + from->counts[i];
	}
	to->sum_ns = add_sat(to->sum_ns, from->sum_ns);
	to->throttled_ns = add_sat(to->throttled_ns, from->throttled_ns);
	to->max_ns = to->max_ns > from->max_ns ? to->max_ns : from->max_ns;
}

static bool merge_pair(struct runq_stats *r, size_t i)
{
	struct runq_window *a = r->windows[i], *b = r->windows[i + 1];
	uint32_t first = a->first < b->first ? a->first : b->first;
	uint32_t end_a = a->first + a->cnt, end_b = b->first + b->cnt;
	struct runq_window *w = window_new(r, (end_a > end_b ? end_a : end_b) - first);

	if (!w)
		return false;
	w->first = first;
	w->start_ns = min_u64(a->start_ns, b->start_ns);
	w->end_ns = b->end_ns;
	add_counts(w, a);
	add_counts(w, b);
	window_free(r, a);
	window_free(r, b);
	r->windows[i] = w;
	remove_window(r, i + 1);
	return true;
}

/* Returns how many were lost for it. */
static uint64_t drop_oldest_window(struct runq_stats *r)
{
	window_free(r, r->windows[0]);
	remove_window(r, 0);
	return 1;
}

static uint64_t make_room(struct runq_stats *r)
{
	if (r->window_cnt < RUNQ_WINDOWS_MAX)
		return 0;
	for (size_t i = 0; i + 1 < r->window_cnt; i++) {
		const struct runq_window *a = r->windows[i], *b = r->windows[i + 1];

		if (b->end_ns - min_u64(a->start_ns, b->start_ns) <= MERGE_SPAN_NS && merge_pair(r, i))
			return 0;
	}
	/* Not a loss where the rest covers the longest window. */
	bool covered = r->windows[r->window_cnt - 1]->end_ns - r->windows[0]->end_ns >= 60 * NS_PER_SEC;

	return drop_oldest_window(r) - covered;
}

static void insert_window(struct runq_stats *r, struct runq_window *w)
{
	size_t at = r->window_cnt;

	while (at && r->windows[at - 1]->end_ns > w->end_ns)
		at--;
	memmove(&r->windows[at + 1], &r->windows[at], (r->window_cnt - at) * sizeof(*r->windows));
	r->windows[at] = w;
	r->window_cnt++;
}

/* The buckets in use of e: [*ret_first, *ret_first + count). */
static uint32_t used_buckets(const struct event_runq_window *e, uint32_t *ret_first)
{
	uint32_t first = 0, end = RUNQ_BUCKETS;

	while (end && !e->buckets[end - 1])
		end--;
	while (first < end && !e->buckets[first])
		first++;
	*ret_first = first;
	return end - first;
}

uint64_t runq_stats_window(struct runq_stats *r, const struct event_runq_window *e)
{
	uint32_t first, cnt = used_buckets(e, &first);
	struct runq_window *w;
	uint64_t lost;

	if (e->start_ns > e->hdr.time_ns)
		return 1;
	lost = runq_stats_armed(r, e->start_ns, e->hdr.time_ns);
	if (!cnt && !e->throttled_ns)
		return lost;
	lost += make_room(r);
	w = window_new(r, cnt);
	if (!w && r->window_cnt) { /* the budget: the oldest gives way */
		lost += drop_oldest_window(r);
		w = window_new(r, cnt);
	}
	if (!w)
		return lost + 1;
	w->start_ns = e->start_ns;
	w->end_ns = e->hdr.time_ns;
	w->sum_ns = e->sum_ns;
	w->max_ns = e->max_ns;
	w->throttled_ns = e->throttled_ns;
	w->first = first;
	memcpy(w->counts, e->buckets + first, cnt * sizeof(*w->counts));
	insert_window(r, w);
	return lost;
}

uint64_t runq_stats_mean(struct runq_stats *r, const struct event_runq_mean *e)
{
	size_t sz = RUNQ_MEANS_MAX * sizeof(*r->means);

	if (e->start_ns > e->hdr.time_ns)
		return 1;
	if (!r->means) {
		if (!stats_budget_resize(r->budget, 0, sz))
			return 1;
		r->means = calloc(1, sz);
		if (!r->means) {
			stats_budget_resize(r->budget, sz, 0);
			return 1;
		}
	}
	r->means[r->mean_cnt++ % RUNQ_MEANS_MAX] =
		(struct runq_mean){e->start_ns, e->hdr.time_ns, e->delay_ns, e->runs};
	return 0;
}

static bool outliers_grow(struct runq_stats *r)
{
	size_t cap = r->outlier_cap ? r->outlier_cap * 2 : 16, sz = sizeof(*r->outliers);
	struct runq_outlier *o;

	if (cap > RUNQ_OUTLIERS_MAX || !stats_budget_resize(r->budget, r->outlier_cap * sz, cap * sz))
		return false;
	o = realloc(r->outliers, cap * sz);
	if (!o) {
		stats_budget_resize(r->budget, cap * sz, r->outlier_cap * sz);
		return false;
	}
	r->outliers = o;
	r->outlier_cap = cap;
	return true;
}

static void drop_outliers(struct runq_stats *r, size_t cnt)
{
	r->outlier_cnt -= cnt;
	memmove(r->outliers, r->outliers + cnt, r->outlier_cnt * sizeof(*r->outliers));
}

/* Names and lanes are shown of the last ones; they are still counted. */
static bool outliers_reserve(struct runq_stats *r)
{
	if (r->outlier_cnt < r->outlier_cap || outliers_grow(r))
		return true;
	if (r->outlier_cnt)
		drop_outliers(r, (r->outlier_cnt + 3) / 4);
	return r->outlier_cnt < r->outlier_cap;
}

uint64_t runq_stats_outlier(struct runq_stats *r, const struct event_runq *e, bool own)
{
	uint64_t len = e->hdr.time_ns - e->start_ns, lost;
	size_t at;

	if (e->start_ns > e->hdr.time_ns || e->throttled_ns > len)
		return 1;
	lost = span_lost(span_ring_add(&r->ends, e->start_ns, e->hdr.time_ns, 0));
	if (!outliers_reserve(r))
		return lost;
	for (at = r->outlier_cnt; at && r->outliers[at - 1].end_ns > e->hdr.time_ns; at--)
		r->outliers[at] = r->outliers[at - 1];

	struct runq_outlier *o = &r->outliers[at];

	*o = (struct runq_outlier){
		.start_ns = e->start_ns, .end_ns = e->hdr.time_ns, .wait_ns = len - e->throttled_ns, .own = own};
	memcpy(o->rival, e->prev_comm, sizeof(o->rival));
	o->rival[sizeof(o->rival) - 1] = '\0';
	r->outlier_cnt++;
	return lost;
}

void runq_stats_expire(struct runq_stats *r, uint64_t before_ns)
{
	size_t old = 0;

	while (r->window_cnt && r->windows[0]->end_ns <= before_ns)
		(void)drop_oldest_window(r);
	while (old < r->outlier_cnt && r->outliers[old].end_ns <= before_ns)
		old++;
	if (old)
		drop_outliers(r, old);
	if (!r->outlier_cnt && r->outliers) {
		stats_budget_resize(r->budget, r->outlier_cap * sizeof(*r->outliers), 0);
		free(r->outliers);
		r->outliers = NULL;
		r->outlier_cap = 0;
	}
	span_ring_expire(&r->ends, before_ns);
	span_ring_expire(&r->armed, before_ns);
}

static void fill_waits(const struct runq_stats *r, uint64_t from_ns, uint64_t to_ns, struct snapshot_cpu *ret)
{
	uint64_t throttled = 0;
	struct histogram h;

	histogram_init(&h);
	for (size_t i = r->window_cnt; i > 0 && r->windows[i - 1]->end_ns > from_ns; i--) {
		const struct runq_window *w = r->windows[i - 1];
		uint32_t counts[RUNQ_BUCKETS] = {0};

		if (w->start_ns >= to_ns)
			continue;
		memcpy(counts + w->first, w->counts, w->cnt * sizeof(*counts));
		histogram_merge_counts(&h, counts, RUNQ_BUCKETS, w->sum_ns, w->max_ns);
		throttled = add_sat(throttled, w->throttled_ns);
	}
	histogram_dist(&h, &ret->runq);
	ret->runq.min = NAN; /* known to a bucket only */
	ret->runq_throttled_seconds = (double)throttled / NS_PER_SEC;
}

/* Does any span overlap [start, end]? */
static bool overlaps(const struct span_ring *spans, uint64_t start_ns, uint64_t end_ns)
{
	for (size_t i = span_ring_upper(spans, start_ns); i < spans->cnt; i++) {
		const struct span *s = span_ring_get(spans, i);

		if (span_start(s) < end_ns)
			return true;
		if (s->end_ns > end_ns && s->end_ns - end_ns > spans->longest_ns)
			break; /* none of those behind it is long enough to reach back */
	}
	return false;
}

static double mean_seconds(const struct runq_stats *r, const struct span_ring *throttles, uint64_t from_ns,
			   uint64_t to_ns)
{
	uint64_t delay = 0, runs = 0, cnt = r->means ? min_u64(r->mean_cnt, RUNQ_MEANS_MAX) : 0;

	for (uint64_t i = 0; i < cnt; i++) {
		const struct runq_mean *m = &r->means[i];

		if (m->end_ns <= from_ns || m->end_ns > to_ns || overlaps(throttles, m->start_ns, m->end_ns))
			continue;
		delay = add_sat(delay, m->delay_ns);
		runs = add_sat(runs, m->runs);
	}
	return runs ? (double)delay / (double)runs / NS_PER_SEC : NAN;
}

/* Run delay per second: threads that wait, whatever for. */
static double waiting_threads(const struct runq_stats *r, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t delay = 0, time = 0, cnt = r->means ? min_u64(r->mean_cnt, RUNQ_MEANS_MAX) : 0;

	for (uint64_t i = 0; i < cnt; i++) {
		const struct runq_mean *m = &r->means[i];

		if (m->end_ns <= from_ns || m->end_ns > to_ns)
			continue;
		delay = add_sat(delay, m->delay_ns);
		time += m->end_ns - m->start_ns;
	}
	return time ? (double)delay / (double)time : NAN;
}

/* Two replicas of one image have one name. */
struct rival {
	const char *name;
	bool own;
	unsigned int cnt;
};

static void fill_rival(const struct runq_stats *r, uint64_t from_ns, uint64_t to_ns, struct snapshot_cpu *ret)
{
	struct rival rivals[RIVALS_MAX], best = {.name = ""};
	size_t cnt = 0;

	for (size_t i = r->outlier_cnt; i > 0 && r->outliers[i - 1].end_ns > from_ns; i--) {
		const struct runq_outlier *o = &r->outliers[i - 1];
		size_t k = 0;

		if (o->end_ns > to_ns || !o->rival[0])
			continue;
		while (k < cnt && (rivals[k].own != o->own || strcmp(rivals[k].name, o->rival)))
			k++;
		if (k == cnt && cnt < RIVALS_MAX)
			rivals[cnt++] = (struct rival){.name = o->rival, .own = o->own};
		if (k < cnt && ++rivals[k].cnt > best.cnt)
			best = rivals[k];
	}
	str_copy(ret->runq_rival, sizeof(ret->runq_rival), best.name);
	ret->runq_rival_own = best.own;
}

void runq_stats_fill(const struct runq_stats *r, const struct span_ring *throttles, uint64_t from_ns, uint64_t to_ns,
		     struct snapshot_cpu *ret)
{
	size_t outliers = span_ring_upper(&r->ends, to_ns) - span_ring_upper(&r->ends, from_ns);
	struct span_cover armed;

	snapshot_runq_unknown(ret);
	span_ring_cover(&r->armed, from_ns, to_ns, &armed);
	ret->runq_watched_seconds = (double)armed.union_ns / NS_PER_SEC;
	ret->runq_mean_seconds = mean_seconds(r, throttles, from_ns, to_ns);
	ret->waiting_threads = waiting_threads(r, from_ns, to_ns);
	if (!armed.cnt && !outliers)
		return; /* never armed in this time: nothing is known about single waits */
	if (armed.cnt)
		fill_waits(r, from_ns, to_ns, ret);
	ret->runq_outliers = (int64_t)outliers;
	fill_rival(r, from_ns, to_ns, ret);
}
