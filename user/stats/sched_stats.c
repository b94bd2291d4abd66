/* SPDX-License-Identifier: BSD-2-Clause */
/* The runtime's histogram only grows, and is read about once a second and right before a snapshot: each read is the
 * waits since the one before. Reads of several processes at about one moment share a slot; only the buckets in use are
 * kept. When all SCHED_SLOTS_MAX places are taken, the two oldest neighbours that are together no longer than
 * MERGE_SPAN_NS become one. Where there is no such pair, each of the 48 pairs spans more than 2 s, all of them more
 * than the longest window, and the oldest one is of no use any more. */
#include "stats/sched_stats.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "stats/dist.h"
#include "stats/histogram.h"

#define JOIN_NS       (100 * NS_PER_MS) /* a pass over 500 processes takes 20 ms */
#define MERGE_SPAN_NS (2 * NS_PER_SEC)

_Static_assert(RUNTIME_LATENCY_BUCKETS <= HISTOGRAM_BUCKETS, "the same buckets");

void sched_stats_init(struct sched_stats *s, struct stats_budget *budget)
{
	memset(s, 0, sizeof(*s));
	s->budget = budget;
}

static void slot_deinit(struct sched_stats *s, struct sched_slot *x)
{
	stats_budget_resize(s->budget, x->cnt * sizeof(*x->counts), 0);
	free(x->counts);
	x->counts = NULL;
	x->cnt = 0;
}

void sched_stats_deinit(struct sched_stats *s)
{
	for (size_t i = 0; i < s->slot_cnt; i++)
		slot_deinit(s, &s->slots[i]);
	s->slot_cnt = 0;
}

static void remove_slot(struct sched_stats *s, size_t i)
{
	slot_deinit(s, &s->slots[i]);
	s->slot_cnt--;
	memmove(&s->slots[i], &s->slots[i + 1], (s->slot_cnt - i) * sizeof(*s->slots));
}

/* Buckets [first, end) have a place afterwards. */
static bool slot_reserve(struct sched_stats *s, struct sched_slot *x, uint32_t first, uint32_t end)
{
	size_t sz = sizeof(*x->counts);
	uint32_t *counts;

	if (x->cnt) {
		first = first < x->first ? first : x->first;
		end = end > x->first + x->cnt ? end : x->first + x->cnt;
	}
	if (end - first == x->cnt)
		return true;
	if (!stats_budget_resize(s->budget, x->cnt * sz, (end - first) * sz))
		return false;
	counts = calloc(end - first, sz);
	if (!counts) {
		stats_budget_resize(s->budget, (end - first) * sz, x->cnt * sz);
		return false;
	}
	if (x->cnt)
		memcpy(counts + (x->first - first), x->counts, x->cnt * sz);
	free(x->counts);
	x->counts = counts;
	x->first = first;
	x->cnt = end - first;
	return true;
}

static void add_count(uint32_t *to, uint32_t more)
{
	*to = *to > UINT32_MAX - more ? UINT32_MAX : *to + more;
}

/* counts are those of buckets [first, first + cnt). */
static bool slot_add(struct sched_stats *s, struct sched_slot *x, const uint32_t *counts, uint32_t first, uint32_t cnt)
{
	if (!slot_reserve(s, x, first, first + cnt))
		return false;
	for (uint32_t i = 0; i < cnt; i++)
		add_count(&x->counts[first + i - x->first], counts[i]);
	return true;
}

static bool merge_pair(struct sched_stats *s, size_t i)
{
	struct sched_slot *a = &s->slots[i], *b = a + 1;

	if (a->cnt && !slot_add(s, b, a->counts, a->first, a->cnt))
		return false;
	b->start_ns = a->start_ns < b->start_ns ? a->start_ns : b->start_ns;
	b->diluted |= a->diluted;
	b->readings += a->readings;
	b->idle += a->idle;
	remove_slot(s, i);
	return true;
}

static void make_room(struct sched_stats *s)
{
	if (s->slot_cnt < SCHED_SLOTS_MAX)
		return;
	for (size_t i = 0; i + 1 < s->slot_cnt; i++)
		if (s->slots[i + 1].end_ns - s->slots[i].start_ns <= MERGE_SPAN_NS && merge_pair(s, i))
			return;
	remove_slot(s, 0);
}

/* The slot of what was read at end_ns; a new one where there is none. NULL: older than all that is kept. */
static struct sched_slot *slot_at(struct sched_stats *s, uint64_t start_ns, uint64_t end_ns)
{
	size_t at = s->slot_cnt;
	struct sched_slot *x;

	while (at && s->slots[at - 1].end_ns > end_ns + JOIN_NS)
		at--;
	x = at ? &s->slots[at - 1] : NULL;
	if (x && x->end_ns + JOIN_NS >= end_ns) {
		x->start_ns = start_ns < x->start_ns ? start_ns : x->start_ns;
		return x;
	}
	if (!at && s->slot_cnt == SCHED_SLOTS_MAX)
		return NULL;
	make_room(s);
	for (at = s->slot_cnt; at && s->slots[at - 1].end_ns > end_ns; at--)
		;
	x = &s->slots[at];
	memmove(x + 1, x, (s->slot_cnt - at) * sizeof(*x));
	s->slot_cnt++;
	*x = (struct sched_slot){.start_ns = start_ns, .end_ns = end_ns};
	return x;
}

uint64_t sched_stats_latency(struct sched_stats *s, const struct runtime_latency *l, bool diluted)
{
	uint32_t first = 0, end = RUNTIME_LATENCY_BUCKETS;
	struct sched_slot *x;

	if (l->start_ns > l->end_ns)
		return 1;
	s->latency_seen = true;
	while (end && !l->buckets[end - 1])
		end--;
	while (first < end && !l->buckets[first])
		first++;
	if (first == end)
		return 0;
	x = slot_at(s, l->start_ns, l->end_ns);
	if (!x || !slot_add(s, x, l->buckets + first, first, end - first))
		return 1;
	x->diluted |= diluted;
	return 0;
}

uint64_t sched_stats_procs(struct sched_stats *s, uint64_t time_ns, bool idle)
{
	struct sched_slot *x = slot_at(s, time_ns, time_ns);

	if (!x)
		return 1;
	x->readings++;
	x->idle += idle;
	return 0;
}

void sched_stats_expire(struct sched_stats *s, uint64_t before_ns)
{
	while (s->slot_cnt && s->slots[0].end_ns <= before_ns)
		remove_slot(s, 0);
}

/* Reads happen some ms beside the edges of windows: a slot counts where at least half of it, or of the window, is in
 * the window. */
static bool counts_for(const struct sched_slot *x, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t len = x->end_ns - x->start_ns, window = to_ns - from_ns;

	if (x->end_ns <= from_ns || x->end_ns > to_ns)
		return false;
	return (x->end_ns - from_ns) * 2 >= (len < window ? len : window);
}

static double highest(const struct histogram *h)
{
	unsigned int b = RUNTIME_LATENCY_BUCKETS - 1;

	if (h->cnt[b]) /* what is longer than the runtime's last bucket is here, too */
		return NAN;
	while (b && !h->cnt[b])
		b--;
	return (double)histogram_bucket_low(b + 1) / NS_PER_SEC;
}

static void fill_latency(const struct histogram *h, struct dist *ret)
{
	histogram_dist(h, ret);
	ret->sum = ret->min = NAN;
	if (h->total)
		ret->max = highest(h);
}

/* The first and the last value are known to a bucket only, as all others: its middle. */
static void add_slot(struct histogram *h, const struct sched_slot *x)
{
	for (uint32_t i = 0; i < x->cnt; i++) {
		uint64_t low = histogram_bucket_low(x->first + i);
		uint64_t middle = low + (histogram_bucket_low(x->first + i + 1) - low) / 2;

		if (!x->counts[i])
			continue;
		if (!h->total || middle < h->min)
			h->min = middle;
		if (middle > h->max)
			h->max = middle;
		h->cnt[x->first + i] += x->counts[i];
		h->total += x->counts[i];
	}
}

void sched_stats_fill(const struct sched_stats *s, uint64_t from_ns, uint64_t to_ns, struct snapshot_sched *ret)
{
	uint64_t readings = 0, idle = 0;
	struct histogram h;

	histogram_init(&h);
	ret->diluted = false;
	for (size_t i = s->slot_cnt; i > 0 && s->slots[i - 1].end_ns > from_ns; i--) {
		const struct sched_slot *x = &s->slots[i - 1];

		if (!counts_for(x, from_ns, to_ns))
			continue;
		add_slot(&h, x);
		ret->diluted |= x->diluted;
		readings += x->readings;
		idle += x->idle;
	}
	dist_unknown(&ret->latency);
	if (s->latency_seen)
		fill_latency(&h, &ret->latency);
	ret->idle_p_ratio = readings ? (double)idle / (double)readings : NAN;
}
