/* SPDX-License-Identifier: BSD-2-Clause */
/* A census comes every 10 s or seldom, of each process its RECORD_CENSUS_GROUPS largest groups. Kept are one in 30 s
 * for ten minutes, as numbers only: a process takes 5 KB for its last census, 4 KB for the keys of its groups and at
 * most 5 KB for the points.
 *
 * A creation site leaks, as far as can be told from outside, when it has at least doubled, by 100 goroutines at least,
 * in a time of 3 minutes or more, and the one that waits longest has waited all that time: a pool that breathes does
 * not keep its oldest, a server under more load has others each time. That is a guess, and is marked as one; from 1.27
 * on the runtime can know. The begin of a wait is what the runtime noted at the first collection that found it
 * (g.waitsince), so it is unknown until then and may move once, from unknown to known. */
#include "stats/census_stats.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "runtime/census.h"

#define POINT_NS       (30 * NS_PER_SEC)
#define POINT_SLACK_NS (2 * NS_PER_SEC) /* censuses do not come to the second */
#define RATIO_MIN_NS   (60 * NS_PER_SEC)
#define LEAK_MIN_NS    (180 * NS_PER_SEC)
#define LEAK_RATIO     2.0
#define LEAK_GROWTH    100
#define BLOCKED_CNT    50
#define BLOCKED_NS     ((int64_t)NS_PER_SEC)
#define SAME_WAIT_NS   ((int64_t)NS_PER_SEC) /* two looks at one wait agree so far: rounding of a sample's times */

struct census_item {
	uint32_t key;
	uint32_t cnt;
	int64_t oldest_since_ns; /* -1 unknown */
};

struct census_point {
	uint64_t time_ns, total, walked;
	uint32_t cnt;
	struct census_item items[];
};

/* ---- keeping ------------------------------------------------------------------------------------------- */

static size_t point_size(uint32_t cnt)
{
	return sizeof(struct census_point) + cnt * sizeof(struct census_item);
}

static void point_free(struct census_stats *c, struct census_point *p)
{
	stats_budget_resize(c->budget, point_size(p->cnt), 0);
	free(p);
}

static void drop_oldest(struct census_stats *c)
{
	point_free(c, c->points[0]);
	c->point_cnt--;
	memmove(c->points, c->points + 1, c->point_cnt * sizeof(*c->points));
}

void census_stats_deinit(struct census_stats *c)
{
	while (c->point_cnt)
		drop_oldest(c);
	stats_budget_resize(c->budget, c->keys ? CENSUS_KEYS_MAX * sizeof(*c->keys) : 0, 0);
	free(c->keys);
	c->keys = NULL;
	stats_budget_resize(c->budget, c->last ? sizeof(*c->last) : 0, 0);
	free(c->last);
	c->last = NULL;
}

static void *budget_calloc(struct stats_budget *b, size_t sz)
{
	void *p;

	if (!stats_budget_resize(b, 0, sz))
		return NULL;
	p = calloc(1, sz);
	if (!p)
		stats_budget_resize(b, sz, 0);
	return p;
}

static bool key_is(const struct census_key *k, const struct record_census_group *g)
{
	return k->used && k->created_pc == g->created_pc && k->blocked_pc == g->blocked_pc && k->state == g->state &&
	       !strcmp(k->reason, g->reason);
}

static long key_find(const struct census_stats *c, const struct record_census_group *g)
{
	for (long i = 0; c->keys && i < CENSUS_KEYS_MAX; i++)
		if (key_is(&c->keys[i], g))
			return i;
	return -1;
}

/* Keys of no point any more are free. */
static void keys_collect(struct census_stats *c)
{
	for (size_t i = 0; i < CENSUS_KEYS_MAX; i++)
		c->keys[i].used = false;
	for (size_t i = 0; i < c->point_cnt; i++)
		for (uint32_t k = 0; k < c->points[i]->cnt; k++)
			c->keys[c->points[i]->items[k].key].used = true;
}

static size_t keys_free(const struct census_stats *c)
{
	size_t cnt = 0;

	for (size_t i = 0; i < CENSUS_KEYS_MAX; i++)
		cnt += !c->keys[i].used;
	return cnt;
}

static uint32_t key_make(struct census_stats *c, const struct record_census_group *g)
{
	long at = key_find(c, g);

	if (at >= 0)
		return (uint32_t)at;
	for (at = 0; c->keys[at].used; at++)
		;
	c->keys[at] = (struct census_key){g->created_pc, g->blocked_pc, g->state, "", true};
	str_copy(c->keys[at].reason, sizeof(c->keys[at].reason), g->reason);
	return (uint32_t)at;
}

/* Place for one more point and for as many new keys as it may bring. */
static bool reserve(struct census_stats *c)
{
	if (!c->keys)
		c->keys = budget_calloc(c->budget, CENSUS_KEYS_MAX * sizeof(*c->keys));
	if (!c->keys)
		return false;
	if (c->point_cnt == CENSUS_POINTS_MAX)
		drop_oldest(c);
	keys_collect(c);
	while (keys_free(c) < RECORD_CENSUS_GROUPS && c->point_cnt) {
		drop_oldest(c);
		keys_collect(c);
	}
	return true;
}

static int64_t since_of(const struct record_census *r, const struct record_census_group *g)
{
	if (g->oldest_wait_ns < 0 || (uint64_t)g->oldest_wait_ns > r->time_ns)
		return -1;
	return (int64_t)r->time_ns - g->oldest_wait_ns;
}

static void add_point(struct census_stats *c, const struct record_census *r)
{
	struct census_point *p;

	if (!reserve(c))
		return;
	p = budget_calloc(c->budget, point_size(r->group_cnt));
	if (!p)
		return;
	p->time_ns = r->time_ns;
	p->total = r->total;
	p->walked = r->walked;
	p->cnt = r->group_cnt;
	for (uint32_t i = 0; i < r->group_cnt; i++) {
		const struct record_census_group *g = &r->groups[i];

		p->items[i] = (struct census_item){key_make(c, g), g->cnt < UINT32_MAX ? (uint32_t)g->cnt : UINT32_MAX,
						   since_of(r, g)};
	}
	c->points[c->point_cnt++] = p;
}

static bool point_is_due(const struct census_stats *c)
{
	const struct census_point *p = c->point_cnt ? c->points[c->point_cnt - 1] : NULL;

	return !p || c->last->time_ns >= p->time_ns + POINT_NS - POINT_SLACK_NS;
}

void census_stats_add(struct census_stats *c, const struct record_census *r)
{
	if (c->last && r->time_ns <= c->last->time_ns)
		return;
	if (!c->last)
		c->last = budget_calloc(c->budget, sizeof(*c->last));
	else if (point_is_due(c))
		add_point(c, c->last);
	if (!c->last)
		return;
	*c->last = *r;
	while (c->point_cnt && c->points[0]->time_ns + CENSUS_KEEP_NS < r->time_ns)
		drop_oldest(c);
}

/* ---- what became of them ------------------------------------------------------------------------------- */

/* Of one group (key >= 0) or of all groups of a creation site, at one time. */
struct census_sum {
	bool found;
	uint64_t cnt;
	int64_t oldest_since_ns; /* -1 unknown */
};

static void sum_add(struct census_sum *s, uint64_t cnt, int64_t since_ns)
{
	if (since_ns >= 0 && (!s->found || s->oldest_since_ns < 0 || since_ns < s->oldest_since_ns))
		s->oldest_since_ns = since_ns;
	else if (!s->found)
		s->oldest_since_ns = -1;
	s->found = true;
	s->cnt += cnt;
}

static struct census_sum sum_then(const struct census_stats *c, const struct census_point *p, long key,
				  uint64_t created_pc)
{
	struct census_sum s = {.oldest_since_ns = -1};

	for (uint32_t i = 0; i < p->cnt; i++) {
		const struct census_item *x = &p->items[i];

		if (key >= 0 ? x->key == (uint32_t)key : c->keys[x->key].created_pc == created_pc)
			sum_add(&s, x->cnt, x->oldest_since_ns);
	}
	return s;
}

static struct census_sum site_now(const struct record_census *r, uint64_t created_pc)
{
	struct census_sum s = {.oldest_since_ns = -1};

	for (uint32_t i = 0; i < r->group_cnt; i++)
		if (r->groups[i].created_pc == created_pc)
			sum_add(&s, r->groups[i].cnt, since_of(r, &r->groups[i]));
	return s;
}

/* The oldest point that has the group or the site; NULL: it is new. */
static const struct census_point *first_seen(const struct census_stats *c, long key, uint64_t created_pc,
					     struct census_sum *ret)
{
	for (size_t i = 0; i < c->point_cnt; i++) {
		*ret = sum_then(c, c->points[i], key, created_pc);
		if (ret->found)
			return c->points[i];
	}
	return NULL;
}

/* What the wait that is the oldest now was at the beginning: known then already, or found by a collection since. */
static bool wait_lasted(const struct census_sum *now, const struct census_sum *then, uint64_t then_ns)
{
	if (now->oldest_since_ns < 0)
		return false;
	if (then->oldest_since_ns >= 0)
		return now->oldest_since_ns <= then->oldest_since_ns + SAME_WAIT_NS;
	return (uint64_t)now->oldest_since_ns <= then_ns + POINT_NS;
}

/* Variance of a count that was scaled up from a sample; 0 where all were looked at. */
static double variance(uint64_t cnt, uint64_t total, uint64_t walked)
{
	return walked && walked < total ? (double)cnt * (double)(total - walked) / (double)walked : 0;
}

/* Growth between two samples that may be chance (two standard deviations) is not known. */
static double growth_of(const struct record_census *r, uint64_t now, const struct census_point *p, uint64_t then)
{
	double grown = (double)now - (double)then;
	double noise = sqrt(variance(now, r->total, r->walked) + variance(then, p->total, p->walked));

	return fabs(grown) < 2 * noise ? NAN : grown;
}

static void fill_growth(const struct census_stats *c, const struct record_census_group *g, struct snapshot_group *x)
{
	const struct record_census *r = c->last;
	struct census_sum now = site_now(r, g->created_pc), then;
	long key = key_find(c, g);
	const struct census_point *p = key >= 0 ? first_seen(c, key, 0, &then) : NULL;

	x->per_minute = x->growth_ratio = NAN;
	if (p)
		x->per_minute = growth_of(r, g->cnt, p, then.cnt) * 60 * NS_PER_SEC / (double)(r->time_ns - p->time_ns);
	p = first_seen(c, -1, g->created_pc, &then);
	if (!p)
		return;
	x->known_seconds = (double)(r->time_ns - p->time_ns) / NS_PER_SEC;
	if (r->time_ns - p->time_ns >= RATIO_MIN_NS && then.cnt && !isnan(growth_of(r, now.cnt, p, then.cnt)))
		x->growth_ratio = (double)now.cnt / (double)then.cnt;
	x->oldest_grows = wait_lasted(&now, &then, p->time_ns);
	if (r->time_ns - p->time_ns >= LEAK_MIN_NS && x->growth_ratio >= LEAK_RATIO &&
	    now.cnt >= then.cnt + LEAK_GROWTH && x->oldest_grows)
		x->mark = CENSUS_MAYBE_LEAK;
}

static bool waits_for_lock(const struct record_census_group *g, bool semacquire_locks)
{
	return census_is_lock((enum goroutine_state)g->state, g->reason, semacquire_locks);
}

/* All that wait at the same place, whoever created them. */
static bool is_blocked(const struct record_census *r, const struct record_census_group *g, bool semacquire_locks)
{
	int64_t oldest = -1;
	uint64_t cnt = 0;

	if (!waits_for_lock(g, semacquire_locks))
		return false;
	for (uint32_t i = 0; i < r->group_cnt; i++) {
		const struct record_census_group *x = &r->groups[i];

		if (x->blocked_pc != g->blocked_pc || !waits_for_lock(x, semacquire_locks))
			continue;
		cnt += x->cnt;
		oldest = x->oldest_wait_ns > oldest ? x->oldest_wait_ns : oldest;
	}
	return cnt >= BLOCKED_CNT && oldest > BLOCKED_NS;
}

static void fill_group(const struct census_stats *c, const struct record_census_group *g, bool semacquire_locks,
		       struct snapshot_group *x)
{
	memset(x, 0, sizeof(*x));
	x->pid = c->last->pid;
	x->state = g->state;
	x->cnt = (int64_t)g->cnt;
	x->oldest_seconds = g->oldest_wait_ns < 0 ? NAN : (double)g->oldest_wait_ns / NS_PER_SEC;
	fill_growth(c, g, x);
	if (is_blocked(c->last, g, semacquire_locks))
		x->mark = CENSUS_BLOCKED;
	if (g->state == GOROUTINE_LEAKED)
		x->mark = CENSUS_LEAKED;
	str_copy(x->reason, sizeof(x->reason), g->reason);
	str_copy(x->created, sizeof(x->created), g->created);
	str_copy(x->created_at, sizeof(x->created_at), g->created_at);
	str_copy(x->blocked, sizeof(x->blocked), g->blocked);
	str_copy(x->blocked_at, sizeof(x->blocked_at), g->blocked_at);
}

static bool is_before(const struct snapshot_group *a, const struct snapshot_group *b)
{
	if (!a->mark != !b->mark)
		return a->mark;
	return a->cnt > b->cnt;
}

static void insert_group(struct snapshot_sched *ret, const struct snapshot_group *x)
{
	int at = ret->group_cnt;

	while (at > 0 && is_before(x, &ret->groups[at - 1]))
		at--;
	if (at == SNAPSHOT_GROUPS)
		return;
	if (ret->group_cnt < SNAPSHOT_GROUPS)
		ret->group_cnt++;
	memmove(&ret->groups[at + 1], &ret->groups[at], (size_t)(ret->group_cnt - 1 - at) * sizeof(*x));
	ret->groups[at] = *x;
}

static void add_state(int64_t *sum, uint64_t cnt)
{
	if (*sum == STAT_UNKNOWN)
		*sum = 0;
	if (__builtin_add_overflow(*sum, cnt, sum))
		*sum = INT64_MAX;
}

void census_stats_fill(const struct census_stats *c, uint64_t now_ns, bool semacquire_locks, struct snapshot_sched *ret)
{
	const struct record_census *r = c->last;
	struct snapshot_group x;
	double age;

	if (!r)
		return;
	age = now_ns > r->time_ns ? (double)(now_ns - r->time_ns) / NS_PER_SEC : 0;
	ret->census_age_seconds = isnan(ret->census_age_seconds) ? age : fmax(ret->census_age_seconds, age);
	add_state(&ret->running, r->running);
	add_state(&ret->runnable, r->runnable);
	add_state(&ret->waiting, r->waiting);
	add_state(&ret->syscall, r->syscall);
	add_state(&ret->leaked, r->leaked);
	for (uint32_t i = 0; i < r->group_cnt; i++) {
		fill_group(c, &r->groups[i], semacquire_locks, &x);
		insert_group(ret, &x);
	}
}

static int compare_groups(const void *a, const void *b)
{
	const struct snapshot_group *x = a, *y = b;

	return (x->cnt < y->cnt) - (x->cnt > y->cnt);
}

void census_stats_order(struct snapshot_sched *ret)
{
	qsort(ret->groups, (size_t)ret->group_cnt, sizeof(*ret->groups), compare_groups);
}

/* ---- as records ---------------------------------------------------------------------------------------- */

static void record_of(const struct census_stats *c, const struct census_point *p, struct record_census *r)
{
	memset(r, 0, sizeof(*r));
	r->pid = c->last->pid;
	r->time_ns = p->time_ns;
	r->total = p->total;
	r->walked = p->walked;
	r->group_cnt = p->cnt;
	for (uint32_t i = 0; i < p->cnt; i++) {
		const struct census_key *k = &c->keys[p->items[i].key];
		struct record_census_group *g = &r->groups[i];

		g->cnt = p->items[i].cnt;
		g->oldest_wait_ns =
			p->items[i].oldest_since_ns < 0 ? -1 : (int64_t)p->time_ns - p->items[i].oldest_since_ns;
		g->created_pc = k->created_pc;
		g->blocked_pc = k->blocked_pc;
		g->state = k->state;
		str_copy(g->reason, sizeof(g->reason), k->reason);
	}
}

int census_stats_dump(const struct census_stats *c, int (*put)(const struct record *r, void *arg), void *arg)
{
	struct record_census r;
	int err = 0;

	for (size_t i = 0; i < c->point_cnt && !err; i++) {
		record_of(c, c->points[i], &r);
		err = put(&(struct record){RECORD_CENSUS, sizeof(r), &r}, arg);
	}
	if (c->last && !err)
		err = put(&(struct record){RECORD_CENSUS, sizeof(*c->last), c->last}, arg);
	return err;
}
