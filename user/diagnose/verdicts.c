/* SPDX-License-Identifier: BSD-2-Clause */
/* What is remembered between two snapshots: for each container and rule how many evaluations in a row it held at each
 * severity, and what is shown. A severity is reached after `hold` evaluations at its full threshold and left when the
 * lowered one (70 %) is no longer met, so a number near a threshold does not flicker. A container is known by its
 * cgroup (names come later and change), and forgotten with the first snapshot without it. */
#include "diagnose/verdicts.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"
#include "base/str.h"
#include "diagnose/rule.h"

#define CLEAR_SCALE    0.7
#define RULES_MAX      VERDICTS_MAX
#define SEVERITIES     (VERDICT_CRITICAL + 1)
#define CONTAINERS_MAX 4096 /* ten nodes' worth; beyond, verdicts have no memory */

struct rule_state {
	int run[SEVERITIES];    /* evaluations in a row that reached this severity */
	uint64_t since_unix_ns; /* first of the present run */
	int shown;              /* severity, -1 not shown */
};

struct container_state {
	uint64_t key;
	uint64_t generation; /* of the last snapshot that had it */
	struct rule_state rules[RULES_MAX];
};

struct verdicts {
	int hold;
	uint64_t generation;
	struct hashmap *map;             /* key -> struct container_state */
	struct container_state **states; /* owned, in no order; the same as in map */
	size_t cnt, cap;
};

/* Effects that are told by the verdict on their cause. */
static const struct {
	const char *cause, *effect;
} suppressions[] = {
	{"throttled", "gomaxprocs"}, /* its advice is part of the cause's */
};

int verdicts_new(int hold, struct verdicts **ret)
{
	struct verdicts *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		return -ENOMEM;
	v->hold = hold > 0 ? hold : 1;
	err = hashmap_new(CONTAINERS_MAX, &v->map);
	if (err) {
		free(v);
		return err;
	}
	*ret = v;
	return 0;
}

struct verdicts *verdicts_free(struct verdicts *v)
{
	if (!v)
		return NULL;
	for (size_t i = 0; i < v->cnt; i++)
		free(v->states[i]);
	free(v->states);
	hashmap_free(v->map);
	free(v);
	return NULL;
}

static uint64_t container_key(const struct owner *o)
{
	uint64_t key = hash_bytes(o->cgroup, strnlen(o->cgroup, sizeof(o->cgroup)), (uint64_t)o->host_pid);

	if (!*o->cgroup) /* no path: the ids that there are */
		key = hash_bytes(&o->cpu_cgid, sizeof(o->cpu_cgid), key);
	return key;
}

static void state_init(struct container_state *st, uint64_t key)
{
	memset(st, 0, sizeof(*st));
	st->key = key;
	for (int i = 0; i < RULES_MAX; i++)
		st->rules[i].shown = -1;
}

static bool states_reserve(struct verdicts *v)
{
	size_t cap = v->cap ? v->cap * 2 : 64;
	struct container_state **p;

	if (v->cnt < v->cap)
		return true;
	p = realloc(v->states, cap * sizeof(struct container_state *));
	if (!p)
		return false;
	v->states = p;
	v->cap = cap;
	return true;
}

/* NULL when there is no room for one more. */
static struct container_state *state_get(struct verdicts *v, const struct owner *o)
{
	uint64_t key = container_key(o);
	struct container_state *st = hashmap_find(v->map, key);

	if (st || !states_reserve(v))
		return st;
	st = malloc(sizeof(*st));
	if (!st)
		return NULL;
	state_init(st, key);
	if (hashmap_add(v->map, key, st)) {
		free(st);
		return NULL;
	}
	v->states[v->cnt++] = st;
	return st;
}

static void states_forget(struct verdicts *v)
{
	for (size_t i = 0; i < v->cnt;) {
		struct container_state *st = v->states[i];

		if (st->generation == v->generation) {
			i++;
			continue;
		}
		hashmap_remove(v->map, st->key);
		free(st);
		v->states[i] = v->states[--v->cnt];
	}
}

/* Severity that the rule reaches with this scale, -1 if it does not hold. */
static int rule_try(const struct rule *rule, const struct snapshot *s, const struct snapshot_container *c, double scale,
		    struct verdict *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!rule->test(s, c, scale, ret))
		return -1;
	str_copy(ret->id, sizeof(ret->id), rule->id);
	return (int)ret->severity;
}

static void run_count(struct rule_state *st, int reached, uint64_t now_unix_ns)
{
	if (reached >= 0 && !st->run[0] && st->shown < 0)
		st->since_unix_ns = now_unix_ns;
	for (int sev = 0; sev < SEVERITIES; sev++)
		st->run[sev] = sev > reached ? 0 : st->run[sev] < INT32_MAX ? st->run[sev] + 1 : st->run[sev];
}

/* One evaluation of one rule: true if the verdict is to be shown, then *ret is complete. */
static bool rule_apply(const struct rule *rule, struct rule_state *st, int hold, const struct snapshot *s,
		       const struct snapshot_container *c, struct verdict *ret)
{
	int reached = rule_try(rule, s, c, 1.0, ret), kept = -1, show = -1;

	run_count(st, reached, s->time_unix_ns);
	for (int sev = 0; sev < SEVERITIES; sev++)
		if (st->run[sev] >= hold)
			show = sev;
	if (st->shown > show) { /* may it stay as grave as it is shown? */
		struct verdict lowered;

		kept = rule_try(rule, s, c, CLEAR_SCALE, &lowered);
		if (kept >= 0 && reached < 0)
			*ret = lowered;
		kept = kept < st->shown ? kept : st->shown;
	}
	st->shown = show > kept ? show : kept;
	if (st->shown < 0)
		return false;
	ret->severity = (enum verdict_severity)st->shown;
	ret->since_unix_ns = st->since_unix_ns;
	return true;
}

static const struct verdict *find_verdict(const struct snapshot_container *c, const char *id)
{
	for (int i = 0; i < c->verdict_cnt; i++)
		if (!strcmp(c->verdicts[i].id, id))
			return &c->verdicts[i];
	return NULL;
}

static bool suppressed(const struct snapshot_container *c, const struct verdict *v)
{
	for (size_t i = 0; i < sizeof(suppressions) / sizeof(*suppressions); i++)
		if (!strcmp(suppressions[i].effect, v->id) && find_verdict(c, suppressions[i].cause))
			return true;
	return false;
}

/* Keeps the gravest first, rules of equal severity in the order of the table. */
static void verdict_insert(struct snapshot_container *c, const struct verdict *v)
{
	int at = c->verdict_cnt;

	if (at == VERDICTS_MAX)
		return;
	for (; at > 0 && c->verdicts[at - 1].severity < v->severity; at--)
		c->verdicts[at] = c->verdicts[at - 1];
	c->verdicts[at] = *v;
	c->verdict_cnt++;
}

static void container_apply(struct verdicts *v, const struct snapshot *s, struct snapshot_container *c)
{
	struct container_state *st = state_get(v, &c->owner), none;
	struct verdict found;

	if (!st) {
		state_init(&none, 0);
		st = &none;
	}
	st->generation = v->generation;
	c->verdict_cnt = 0;
	for (int i = 0; i < RULES_MAX && rules[i].id; i++)
		if (rule_apply(&rules[i], &st->rules[i], v->hold, s, c, &found) && !suppressed(c, &found))
			verdict_insert(c, &found);
}

/* What the order depends on, taken out once: containers are large. */
struct rank {
	const struct owner *owner; /* borrowed */
	int severity;
	double delay;
	int index;
};

static double known_or_none(const struct dist *d, double value)
{
	return d->cnt > 0 && !isnan(value) ? value : -1;
}

static int compare_rank(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;
	int cmp;

	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	if (x->delay != y->delay)
		return x->delay > y->delay ? -1 : 1;
	if ((cmp = strcmp(x->owner->namespace_, y->owner->namespace_)) ||
	    (cmp = strcmp(x->owner->pod, y->owner->pod)) || (cmp = strcmp(x->owner->container, y->owner->container)) ||
	    (cmp = strcmp(x->owner->cgroup, y->owner->cgroup)))
		return cmp;
	return x->index - y->index; /* stable */
}

/* Puts containers[] in the order of rank[].index, by following the cycles: each is copied once, with one to spare. */
static void permute(struct snapshot_container *containers, struct rank *rank, int cnt, struct snapshot_container *spare)
{
	for (int i = 0; i < cnt; i++) {
		int to = i;

		if (rank[i].index == i)
			continue;
		*spare = containers[i];
		while (rank[to].index != i) {
			int from = rank[to].index;

			containers[to] = containers[from];
			rank[to].index = to;
			to = from;
		}
		containers[to] = *spare;
		rank[to].index = to;
	}
}

static void order(struct snapshot *s)
{
	struct rank *rank = malloc(((size_t)s->container_cnt + 1) * sizeof(*rank));
	struct snapshot_container *spare = malloc(sizeof(*spare));

	for (int i = 0; rank && i < s->container_cnt; i++) {
		const struct snapshot_container *c = &s->containers[i];

		rank[i] = (struct rank){
			.owner = &c->owner,
			.severity = c->verdict_cnt ? (int)c->verdicts[0].severity : -1,
			.delay = fmax(known_or_none(&c->cpu.length, c->cpu.length.p99),
				      known_or_none(&c->gc.pause, c->gc.pause.max)),
			.index = i,
		};
	}
	if (rank && spare) { /* else out of memory: the order stays as it came */
		qsort(rank, (size_t)s->container_cnt, sizeof(*rank), compare_rank);
		permute(s->containers, rank, s->container_cnt, spare);
	}
	free(spare);
	free(rank);
}

void verdicts_apply(struct verdicts *v, struct snapshot *s)
{
	v->generation++;
	for (int i = 0; i < s->container_cnt; i++)
		container_apply(v, s, &s->containers[i]);
	states_forget(v);
	order(s);
}

void verdict_short(const struct verdict *v, char *buf, size_t sz)
{
	snprintf(buf, sz, "%s%s%s", v->id, *v->culprit ? "+" : "", v->culprit);
}

const char *verdict_severity_name(enum verdict_severity s)
{
	switch (s) {
	case VERDICT_CRITICAL:
		return "critical";
	case VERDICT_WARNING:
		return "warning";
	case VERDICT_ADVICE:
		break;
	}
	return "advice";
}
