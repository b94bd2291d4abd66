/* SPDX-License-Identifier: BSD-2-Clause */
/* Which spans a trace in OTLP/JSON has, and how they hang together.
 *
 * A GC cycle is the parent of its pauses and of its mark phase, but ends after them: these wait at their process until
 * their cycle comes. A throttle links to the cycles that it overlaps, and a cycle is worth sending when it overlaps a
 * long throttle; either may end first. So both stay pending for SETTLE_NS, while each finds the other, and are then
 * written or held back. All of this goes by the events' own time, so a replay gives the same bytes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "export/exporter.h"
#include "export/otlp_lines.h"
#include "export/otlp_write.h"

#define SETTLE_NS   NS_PER_SEC        /* a throttle lasts a period or a few */
#define ORPHAN_NS   (30 * NS_PER_SEC) /* longer than any cycle worth waiting for */
#define SLACK_NS    NS_PER_MS         /* stamps of the runtime and of ours in one cycle */
#define PENDING_MAX 65536             /* beyond it the oldest does not wait any longer */
#define WAITING_MAX 4096              /* of one process */
#define LINKS_MAX   32
#define BUCKETS     256

struct exporter {
	struct otlp_lines lines;
	uint64_t min_ns[TRACE_KIND_CNT];
	bool all;
	uint64_t now_ns;     /* latest end seen */
	uint64_t checked_ns; /* when orphans were looked for */
	struct otlp_span_list pending;
	struct {
		struct otlp_span *head, **tail;
	} buckets[BUCKETS]; /* of the pending ones, by scope */
	uint64_t held_back;
};

static bool is_long(const struct exporter *x, const struct otlp_span *s)
{
	return x->all || s->end_ns - s->start_ns >= x->min_ns[s->kind];
}

/* Writes a span with its parts, or counts them. Takes s. */
static void settle_consume(struct exporter *x, struct otlp_span *s)
{
	if (s->send)
		otlp_lines_add(&x->lines, s, x->now_ns);
	else
		x->held_back++;
	for (struct otlp_span *part = s->parts; part; part = part->next) {
		if (s->send)
			otlp_lines_add(&x->lines, part, x->now_ns);
		else
			x->held_back++;
	}
	otlp_span_free(&x->lines, s);
}

/* ---- cycles and their parts ---- */

static bool is_part(const struct otlp_span *s, const struct otlp_span *cycle)
{
	return s->pid == cycle->pid && s->start_ns + SLACK_NS >= cycle->start_ns &&
	       s->end_ns <= cycle->end_ns + SLACK_NS;
}

static void orphan(struct exporter *x, struct otlp_span *s)
{
	s->send = is_long(x, s);
	settle_consume(x, s);
}

/* The cycle takes what waited for it. A pause or wait that is long alone makes the whole cycle worth sending. */
static void adopt(struct exporter *x, struct otlp_span *cycle)
{
	struct otlp_span_list *waiting = &cycle->resource->waiting, others;
	struct otlp_span *s, **tail = &cycle->parts;

	otlp_list_init(&others);
	while ((s = otlp_list_pop(waiting))) {
		if (!is_part(s, cycle)) {
			otlp_list_add(&others, s);
			continue;
		}
		s->id.trace[0] = cycle->id.trace[0];
		s->id.trace[1] = cycle->id.trace[1];
		s->parent = cycle->id.span;
		s->next = NULL;
		*tail = s;
		tail = &s->next;
		cycle->send |= (s->kind == TRACE_GC_PAUSE || s->kind == TRACE_GC_ASSIST) && is_long(x, s);
	}
	while ((s = otlp_list_pop(&others)))
		otlp_list_add(waiting, s);
}

static void wait_for_cycle(struct exporter *x, struct otlp_span *s)
{
	struct otlp_span_list *waiting = &s->resource->waiting;

	if (waiting->cnt >= WAITING_MAX)
		orphan(x, otlp_list_pop(waiting));
	otlp_list_add(waiting, s);
}

/* until_ns: what ended later may still find its cycle. */
static void expire_orphans(struct exporter *x, uint64_t until_ns)
{
	uint64_t key;
	size_t pos = 0;
	void *value;

	while (hashmap_next(x->lines.resources, &pos, &key, &value)) {
		struct otlp_span_list *waiting = &((struct otlp_resource *)value)->waiting;

		while (waiting->head && waiting->head->end_ns <= until_ns)
			orphan(x, otlp_list_pop(waiting));
	}
}

/* ---- throttles and the cycles that they overlap ---- */

static bool overlaps(const struct otlp_span *throttle, const struct otlp_span *cycle)
{
	return throttle->scope == cycle->scope &&
	       (throttle->pod_wide || throttle->container_id == cycle->container_id) &&
	       throttle->start_ns < cycle->end_ns && cycle->start_ns < throttle->end_ns;
}

static void add_link(struct exporter *x, struct otlp_span *throttle, const struct otlp_span *cycle)
{
	struct otlp_span_id *grown;

	if (throttle->link_cnt >= LINKS_MAX) {
		throttle->link_dropped++;
		return;
	}
	grown = realloc(throttle->links, (throttle->link_cnt + 1) * sizeof(*grown));
	if (!grown) {
		x->lines.err = x->lines.err ? x->lines.err : -ENOMEM;
		return;
	}
	throttle->links = grown;
	throttle->links[throttle->link_cnt++] = cycle->id;
}

/* Finds the partners of one that has just ended. Both of a pair are then sent. */
static void pair(struct exporter *x, struct otlp_span *s)
{
	for (struct otlp_span *other = x->buckets[s->scope % BUCKETS].head; other; other = other->bucket_next) {
		struct otlp_span *throttle = s->kind == TRACE_THROTTLE ? s : other;
		struct otlp_span *cycle = s->kind == TRACE_THROTTLE ? other : s;

		if (other->kind == s->kind || !overlaps(throttle, cycle))
			continue;
		add_link(x, throttle, cycle);
		cycle->send = true;
	}
}

/* Pending spans leave in the order in which they came, so each is also the first of its bucket. */
static void release_one(struct exporter *x)
{
	struct otlp_span *s = otlp_list_pop(&x->pending);
	uint64_t b = s->scope % BUCKETS;

	x->buckets[b].head = s->bucket_next;
	if (!s->bucket_next)
		x->buckets[b].tail = &x->buckets[b].head;
	settle_consume(x, s);
}

static void pend(struct exporter *x, struct otlp_span *s)
{
	uint64_t b = s->scope % BUCKETS;

	if (s->scope)
		pair(x, s);
	if (x->pending.cnt >= PENDING_MAX)
		release_one(x);
	otlp_list_add(&x->pending, s);
	*x->buckets[b].tail = s;
	x->buckets[b].tail = &s->bucket_next;
}

/* What the passing of time makes due. */
static void settle(struct exporter *x)
{
	while (x->pending.head && x->pending.head->end_ns + SETTLE_NS <= x->now_ns)
		release_one(x);
	if (x->now_ns >= x->checked_ns + NS_PER_SEC) {
		x->checked_ns = x->now_ns;
		expire_orphans(x, x->now_ns > ORPHAN_NS ? x->now_ns - ORPHAN_NS : 0);
	}
	otlp_lines_settle(&x->lines, x->now_ns);
}

/* ---- events ---- */

static bool has_cycle(const struct trace_event *e)
{
	uint32_t reason = e->kind == TRACE_GC_PAUSE ? e->u.event->gc_pause.reason : STW_UNKNOWN;

	return e->kind == TRACE_GC_MARK || reason == STW_GC_MARK_TERM || reason == STW_GC_SWEEP_TERM;
}

/* Waits of assists are part of a cycle, too, but there are hundreds a second: only long ones get so far. */
static bool waits_for_cycle(const struct trace_event *e)
{
	return has_cycle(e) || e->kind == TRACE_GC_ASSIST;
}

/* Cheap first: nearly all events of a busy node end here. */
static bool is_short(const struct exporter *x, const struct trace_event *e)
{
	char error[NAMES_TEXT_SZ];

	return !x->all && e->kind != TRACE_GC_CYCLE && !has_cycle(e) && names_duration_ns(e) < x->min_ns[e->kind] &&
	       !otlp_error(e, error);
}

static void take_span_consume(struct exporter *x, struct otlp_span *s, bool waits)
{
	s->send = s->failed || is_long(x, s);
	if (waits) {
		wait_for_cycle(x, s);
		return;
	}
	if (s->kind == TRACE_GC_CYCLE)
		adopt(x, s);
	if (s->kind == TRACE_GC_CYCLE || s->kind == TRACE_THROTTLE)
		pend(x, s);
	else
		settle_consume(x, s);
}

static int otlp_event(struct exporter *x, const struct trace_event *e)
{
	struct otlp_span *s;

	if (x->lines.err)
		return x->lines.err;
	x->now_ns = e->end_ns > x->now_ns ? e->end_ns : x->now_ns;
	if (!names_span_min_ns(e->kind)) {
		/* no span: only the time counts */
	} else if (is_short(x, e)) {
		x->held_back++;
	} else {
		if (otlp_lines_span(&x->lines, e, &s))
			return x->lines.err = -ENOMEM;
		take_span_consume(x, s, waits_for_cycle(e));
	}
	settle(x);
	return x->lines.err;
}

static int otlp_flush(struct exporter *x)
{
	if (!x->lines.err && fflush(x->lines.file))
		x->lines.err = errno ? -errno : -EIO;
	return x->lines.err;
}

static int otlp_end(struct exporter *x)
{
	while (x->pending.head)
		release_one(x);
	expire_orphans(x, UINT64_MAX);
	otlp_lines_write(&x->lines);
	return otlp_flush(x);
}

static uint64_t otlp_held_back(const struct exporter *x)
{
	return x->held_back;
}

/* ---- life ---- */

static struct exporter *otlp_free(struct exporter *x)
{
	struct otlp_span *s;

	if (!x)
		return NULL;
	while ((s = otlp_list_pop(&x->pending)))
		otlp_span_free(&x->lines, s);
	otlp_lines_deinit(&x->lines);
	free(x);
	return NULL;
}

static int otlp_open(const struct exporter_cfg *cfg, struct exporter **ret)
{
	struct exporter *x = calloc(1, sizeof(*x));
	int err;

	if (!x)
		return -ENOMEM;
	otlp_list_init(&x->pending);
	for (size_t i = 0; i < BUCKETS; i++)
		x->buckets[i].tail = &x->buckets[i].head;
	x->all = cfg->all_spans;
	for (int k = 0; k < TRACE_KIND_CNT; k++)
		x->min_ns[k] = cfg->span_min_ns[k] ? cfg->span_min_ns[k] : names_span_min_ns((enum trace_kind)k);
	x->min_ns[TRACE_SCHED_WINDOW] = names_span_min_ns(TRACE_SCHED_WINDOW); /* what was lost is never held back */
	err = otlp_lines_init(&x->lines, cfg);
	if (err) {
		otlp_free(x);
		return err;
	}
	*ret = x;
	return 0;
}

const struct exporter_ops otlp_json_exporter = {
	.name = "otlp",
	.extension = ".json",
	.open = otlp_open,
	.event = otlp_event,
	.flush = otlp_flush,
	.end = otlp_end,
	.free = otlp_free,
	.held_back = otlp_held_back,
};
