/* SPDX-License-Identifier: BSD-2-Clause */
/* Hands out the single events of one container. All lanes are ordered by end, so they are merged from the newest end
 * backwards until the place is used up: what gives way is the oldest of all lanes. Only then is it ordered by start. */
#include "stats/detail.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "stats/container_state.h"

/* A lane being walked backwards; next: the one in front of which it stands. */
struct lane {
	const struct span_ring *spans; /* NULL: the long waits */
	const struct runq_stats *runq;
	size_t next;
	uint8_t lane;
};

struct range {
	uint64_t from_ns, to_ns;
};

static uint64_t lane_end(const struct lane *l)
{
	return l->spans ? span_ring_get(l->spans, l->next - 1)->end_ns : l->runq->outliers[l->next - 1].end_ns;
}

static uint64_t lane_start(const struct lane *l)
{
	return l->spans ? span_start(span_ring_get(l->spans, l->next - 1)) : l->runq->outliers[l->next - 1].start_ns;
}

/* Moves on to the next span that overlaps the range. */
static void lane_settle(struct lane *l, const struct range *r)
{
	while (l->next && lane_end(l) >= r->from_ns && lane_start(l) > r->to_ns)
		l->next--;
	if (l->next && lane_end(l) < r->from_ns)
		l->next = 0;
}

static void lane_take(struct lane *l, struct detail_span *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->lane = l->lane;
	ret->start_ns = lane_start(l);
	ret->end_ns = lane_end(l);
	ret->wait_ns = ret->end_ns - ret->start_ns;
	l->next--;
	if (l->spans) {
		ret->tag = span_ring_get(l->spans, l->next)->tag;
		return;
	}
	ret->wait_ns = l->runq->outliers[l->next].wait_ns;
	_Static_assert(sizeof(ret->text) > sizeof(l->runq->outliers->rival), "a comm fits");
	memcpy(ret->text, l->runq->outliers[l->next].rival, sizeof(l->runq->outliers->rival));
}

static int compare_spans(const void *a, const void *b)
{
	const struct detail_span *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	if (x->lane != y->lane)
		return x->lane < y->lane ? -1 : 1;
	return (x->end_ns > y->end_ns) - (x->end_ns < y->end_ns);
}

static void fill_spans(const struct container_stats *c, const struct range *r, struct detail *ret)
{
	struct lane lanes[LANE_CNT] = {
		{.spans = &c->marks, .next = c->marks.cnt, .lane = LANE_MARK},
		{.spans = &c->pauses, .next = c->pauses.cnt, .lane = LANE_STW},
		{.spans = &c->throttles, .next = c->throttles.cnt, .lane = LANE_THROTTLE},
		{.runq = &c->runq, .next = c->runq.outlier_cnt, .lane = LANE_RUNQ},
	};

	ret->span_cnt = 0;
	while (ret->span_cnt < DETAIL_SPANS) {
		struct lane *newest = NULL;

		for (size_t i = 0; i < LANE_CNT; i++) {
			lane_settle(&lanes[i], r);
			if (lanes[i].next && (!newest || lane_end(&lanes[i]) > lane_end(newest)))
				newest = &lanes[i];
		}
		if (!newest)
			break;
		lane_take(newest, &ret->spans[ret->span_cnt++]);
	}
	qsort(ret->spans, (size_t)ret->span_cnt, sizeof(*ret->spans), compare_spans);
}

static int compare_cycles(const void *a, const void *b)
{
	const struct detail_cycle *x = a, *y = b;

	return (x->end_ns < y->end_ns) - (x->end_ns > y->end_ns);
}

/* The last ones that were over by the end of the range: also those before its begin. */
static void fill_cycles(const struct container_stats *c, const struct range *r, struct detail *ret)
{
	size_t cnt = c->last_cnt < DETAIL_CYCLES ? (size_t)c->last_cnt : DETAIL_CYCLES;

	ret->cycle_cnt = 0;
	for (size_t i = 0; i < cnt; i++)
		if (c->last[i].end_ns <= r->to_ns)
			ret->cycles[ret->cycle_cnt++] = c->last[i];
	qsort(ret->cycles, (size_t)ret->cycle_cnt, sizeof(*ret->cycles), compare_cycles);
}

/* With the last one before the range and the first one after it: a poll says nothing without its neighbour. */
static void fill_polls(const struct container_stats *c, const struct range *r, struct detail *ret)
{
	uint64_t cnt = c->poll_cnt < DETAIL_POLLS ? c->poll_cnt : DETAIL_POLLS, first = c->poll_cnt - cnt;

	ret->poll_cnt = 0;
	for (uint64_t i = first; i < c->poll_cnt; i++) {
		const struct detail_poll *p = &c->polls[i % DETAIL_POLLS];

		if (p->time_ns < r->from_ns)
			ret->poll_cnt = 0;
		ret->polls[ret->poll_cnt++] = *p;
		if (p->time_ns > r->to_ns)
			break;
	}
}

static void fill_watched(const struct span_ring *armed, const struct range *r, struct detail *ret)
{
	const size_t parts = 100;
	uint64_t len = r->to_ns - r->from_ns;

	memset(ret->runq_watched, 0, sizeof(ret->runq_watched));
	for (size_t i = 0; i < parts; i++) {
		/* In two steps: the product of a hostile length would not fit. */
		uint64_t a = r->from_ns + len / parts * i + len % parts * i / parts;
		uint64_t b = r->from_ns + len / parts * (i + 1) + len % parts * (i + 1) / parts;
		struct span_cover cover;

		span_ring_cover(armed, a, b, &cover);
		ret->runq_watched[i] = cover.cnt > 0;
	}
}

void container_stats_detail(const struct container_stats *c, uint64_t from_ns, uint64_t to_ns, struct detail *ret)
{
	struct range r = {.from_ns = from_ns < to_ns ? from_ns : to_ns, .to_ns = to_ns};

	fill_cycles(c, &r, ret);
	fill_spans(c, &r, ret);
	fill_polls(c, &r, ret);
	fill_watched(&c->runq.armed, &r, ret);
}
