/* SPDX-License-Identifier: BSD-2-Clause */
/* What is remembered between two snapshots: for each container and rule how many evaluations in a row it held at each
 * severity, and what is shown. A severity is reached after `hold` evaluations at its full threshold and left when the
 * lowered one (70 %) is no longer met, so a number near a threshold does not flicker. What happened at one moment (an
 * OOM kill) shows at once and stays for a while. A container is known by its cgroup (names come later and change), and
 * forgotten with the first snapshot without it.
 *
 * A copy of each verdict that stands in the snapshot is kept until it no longer does: from it come the changes, and the
 * words for what is kept. */
#include "diagnose/verdicts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"
#include "base/str.h"
#include "diagnose/delay.h"
#include "diagnose/rule.h"
#include "diagnose/words.h"

#define CLEAR_SCALE    0.7
#define RULES_MAX      16
#define SEVERITIES     (VERDICT_CRITICAL + 1)
#define CONTAINERS_MAX 4096 /* ten nodes' worth; beyond, verdicts have no memory */

struct rule_state {
	int run[SEVERITIES];    /* evaluations in a row that reached this severity */
	uint64_t since_unix_ns; /* first of the present run */
	int shown;              /* severity, -1 not shown */
	uint64_t kept_unix_ns;  /* when rule->happened() was last true */
	struct verdict *kept;   /* owned: what test() said then; NULL never, or long ago */
	struct verdict *listed; /* owned: as it stands in the last snapshot; NULL: it does not */
};

struct container_state {
	uint64_t key;
	uint64_t generation; /* of the last snapshot that had it */
	uint32_t id;         /* that it had there */
	struct rule_state rules[RULES_MAX];
};

struct verdicts {
	int hold;
	uint64_t generation;
	struct hashmap *map;             /* key -> struct container_state */
	struct container_state **states; /* owned, in no order; the same as in map */
	size_t cnt, cap;
	struct verdict_change *changes; /* owned, and of those that ended the verdict too */
	size_t change_cnt, change_cap;
};

static void changes_clear(struct verdicts *v)
{
	for (size_t i = 0; i < v->change_cnt; i++)
		if (v->changes[i].ended)
			free((struct verdict *)v->changes[i].verdict);
	v->change_cnt = 0;
}

/* Without memory a change is not told. */
static bool change_add(struct verdicts *v, uint32_t container_id, bool ended, const struct verdict *verdict)
{
	size_t cap = v->change_cap ? v->change_cap * 2 : 16;
	struct verdict_change *p;

	if (v->change_cnt == v->change_cap) {
		p = realloc(v->changes, cap * sizeof(*p));
		if (!p)
			return false;
		v->changes = p;
		v->change_cap = cap;
	}
	v->changes[v->change_cnt++] = (struct verdict_change){container_id, ended, verdict};
	return true;
}

/* *listed is no longer in a snapshot. */
static void change_end(struct verdicts *v, uint32_t container_id, struct verdict **listed)
{
	if (*listed && !change_add(v, container_id, true, *listed))
		free(*listed);
	*listed = NULL;
}

static struct verdict *verdict_copy(const struct verdict *v)
{
	struct verdict *ret = malloc(sizeof(*ret));

	if (ret)
		*ret = *v;
	return ret;
}

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

static void state_deinit(struct container_state *st)
{
	for (int i = 0; i < RULES_MAX; i++) {
		free(st->rules[i].kept);
		free(st->rules[i].listed);
	}
}

struct verdicts *verdicts_free(struct verdicts *v)
{
	if (!v)
		return NULL;
	changes_clear(v);
	free(v->changes);
	for (size_t i = 0; i < v->cnt; i++) {
		state_deinit(v->states[i]);
		free(v->states[i]);
	}
	free(v->states);
	hashmap_free(v->map);
	free(v);
	return NULL;
}

/* By its number, which is never used again; snapshots without numbers (tests) by cgroup. */
static uint64_t container_key(const struct snapshot_container *c)
{
	const struct owner *o = &c->owner;
	uint64_t key;

	if (c->id)
		return c->id;
	key = hash_bytes(o->cgroup, strnlen(o->cgroup, sizeof(o->cgroup)), (uint64_t)o->host_pid);

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
static struct container_state *state_get(struct verdicts *v, const struct snapshot_container *c)
{
	uint64_t key = container_key(c);
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
		for (int k = 0; k < RULES_MAX; k++)
			change_end(v, st->id, &st->rules[k].listed);
		state_deinit(st);
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

/* It shows at once and is kept. */
static void happen(struct rule_state *st, int hold, const struct verdict *found, uint64_t now_unix_ns)
{
	for (int sev = 0; sev <= (int)found->severity; sev++)
		st->run[sev] = st->run[sev] < hold ? hold : st->run[sev];
	free(st->kept);
	st->kept = verdict_copy(found);
	st->kept_unix_ns = now_unix_ns;
}

/* What happened a while ago, unless something as grave is reached now. */
static void recall(const struct rule *rule, struct rule_state *st, int reached, uint64_t now_unix_ns,
		   struct verdict *ret)
{
	if (st->kept && now_unix_ns - st->kept_unix_ns > rule->keep_ns) { /* or the clock was set back: it wraps */
		free(st->kept);
		st->kept = NULL;
	}
	if (!st->kept || reached >= (int)st->kept->severity)
		return;
	*ret = *st->kept;
	st->shown = (int)st->kept->severity;
}

/* One evaluation of one rule: true if the verdict is to be shown, then *ret is complete. */
static bool rule_apply(const struct rule *rule, struct rule_state *st, int hold, const struct snapshot *s,
		       const struct snapshot_container *c, struct verdict *ret)
{
	int reached = rule_try(rule, s, c, 1.0, ret), kept = -1, show = -1;

	run_count(st, reached, s->time_unix_ns);
	if (reached >= 0 && rule->happened && rule->happened(c))
		happen(st, hold, ret, s->time_unix_ns);
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
	recall(rule, st, reached, s->time_unix_ns, ret);
	if (st->shown < 0)
		return false;
	ret->severity = (enum verdict_severity)st->shown;
	ret->since_unix_ns = st->since_unix_ns;
	return true;
}

static struct verdict *find_verdict(struct snapshot_container *c, const char *id)
{
	for (int i = 0; i < c->verdict_cnt; i++)
		if (!strcmp(c->verdicts[i].id, id))
			return &c->verdicts[i];
	return NULL;
}

/* Only slow (no culprit), and by no more than the quota can hold it at once: 94 ms of throttling explain an answer that
 * took 71, not a resolver that says no. */
static bool slow_by_throttle(const struct snapshot_container *c, const struct verdict *cause,
			     const struct verdict *effect)
{
	return cause->severity == VERDICT_CRITICAL && !*effect->culprit && c->net.dns.p99 <= c->cpu.length.max;
}

static void say_slow(const struct snapshot_container *c, const struct verdict *effect, char *buf, size_t sz)
{
	char dns[WORD_SZ], held[WORD_SZ];

	words_part(buf, sz, " ", "DNS answers of %s (p99) follow from it: it is held up to %s at once.",
		   words_duration(c->net.dns.p99, dns), words_duration(c->cpu.length.max, held));
}

/* As far as is known nobody else takes its CPU: what the quota leaves of a period it takes from itself. */
static bool waits_for_itself(const struct snapshot_container *c, const struct verdict *cause,
			     const struct verdict *effect)
{
	return !*c->cpu.runq_rival || c->cpu.runq_rival_own;
}

/* The first evidence is what was judged: runq_p99, runq_p90, runq_mean. */
static void say_waits(const struct snapshot_container *c, const struct verdict *effect, char *buf, size_t sz)
{
	const struct evidence *e = &effect->evidence[0];
	char wait[WORD_SZ];

	words_part(buf, sz, " ", "Its threads also wait for a CPU%s, %s %s.",
		   *c->cpu.runq_rival ? " behind each other" : "", strncmp(e->name, "runq_", 5) ? e->name : e->name + 5,
		   words_duration(e->value, wait));
}

/* The collector is what burned the quota: its advice is part of the cause's. */
static bool gc_burned_quota(const struct snapshot_container *c, const struct verdict *cause,
			    const struct verdict *effect)
{
	return !strcmp(cause->culprit, "gc");
}

/* The heap needs more memory than the container has: one thing, unless what collects is the graver side of it. */
static bool same_shortage(const struct snapshot_container *c, const struct verdict *cause, const struct verdict *effect)
{
	return c->memory.limit_bytes > 0 && cause->severity >= effect->severity;
}

static void say_collects(const struct snapshot_container *c, const struct verdict *effect, char *buf, size_t sz)
{
	char limit[WORD_SZ], share[WORD_SZ];

	words_part(buf, sz, " ", "It already collects all the time to stay below GOMEMLIMIT %s, with %s%s of its CPU.",
		   words_bytes(c->gc.memory_limit_bytes, limit), c->gc.cpu_estimated ? "about " : "",
		   words_percent(c->gc.cpu_ratio, share));
}

/* Effects that are told by the verdict on their cause. */
static const struct {
	const char *cause, *effect;
	bool (*when)(const struct snapshot_container *c, const struct verdict *cause,
		     const struct verdict *effect); /* NULL: always */
	void (*say)(const struct snapshot_container *c, const struct verdict *effect, char *also,
		    size_t sz); /* NULL: its advice is part of the cause's */
} suppressions[] = {
	{"throttled", "gomaxprocs", NULL, NULL},
	{"throttled", "gc-cpu", gc_burned_quota, NULL},
	{"mem-limit-gc", "gomemlimit", NULL, NULL},
	{"oom-risk", "gomemlimit", NULL, NULL},
	{"oom-risk", "mem-limit-gc", same_shortage, say_collects},
	{"throttled", "cpu-contended", waits_for_itself, say_waits},
	{"throttled", "dns", slow_by_throttle, say_slow},
};

static bool suppressed(struct snapshot_container *c, const struct verdict *v)
{
	for (size_t i = 0; i < sizeof(suppressions) / sizeof(*suppressions); i++) {
		struct verdict *cause;

		if (strcmp(suppressions[i].effect, v->id) || !(cause = find_verdict(c, suppressions[i].cause)))
			continue;
		if (suppressions[i].when && !suppressions[i].when(c, cause, v))
			continue;
		if (suppressions[i].say)
			suppressions[i].say(c, v, cause->also, sizeof(cause->also));
		return true;
	}
	return false;
}

/* Keeps the gravest first, rules of equal severity in the order of the table. */
static void verdict_insert(struct snapshot_container *c, const struct verdict *v)
{
	int at = c->verdict_cnt;

	if (at == VERDICTS_MAX && c->verdicts[at - 1].severity >= v->severity)
		return;
	if (at == VERDICTS_MAX) /* the least grave one gives way */
		at = --c->verdict_cnt;
	for (; at > 0 && c->verdicts[at - 1].severity < v->severity; at--)
		c->verdicts[at] = c->verdicts[at - 1];
	c->verdicts[at] = *v;
	c->verdict_cnt++;
}

/* What is in the snapshot now against what was in the one before. */
static void note_change(struct verdicts *v, uint32_t container_id, struct rule_state *st, const struct verdict *now)
{
	bool changed;

	if (!now) {
		change_end(v, container_id, &st->listed);
		return;
	}
	changed = !st->listed || st->listed->severity != now->severity;
	if (!st->listed)
		st->listed = verdict_copy(now);
	else
		*st->listed = *now;
	if (changed && st->listed)
		change_add(v, container_id, false, st->listed);
}

static void container_apply(struct verdicts *v, const struct snapshot *s, struct snapshot_container *c)
{
	struct container_state *st = state_get(v, c), none;
	struct verdict found;

	if (!st) {
		state_init(&none, 0);
		st = &none;
	}
	st->generation = v->generation;
	st->id = c->id;
	c->verdict_cnt = 0;
	for (int i = 0; i < RULES_MAX && rules[i].id; i++)
		if (rule_apply(&rules[i], &st->rules[i], v->hold, s, c, &found) && !suppressed(c, &found))
			verdict_insert(c, &found);
	for (int i = 0; st != &none && i < RULES_MAX && rules[i].id; i++)
		note_change(v, c->id, &st->rules[i], find_verdict(c, rules[i].id));
	if (st == &none)
		state_deinit(&none);
}

/* What the order depends on, taken out once: containers are large. */
struct rank {
	const struct owner *owner; /* borrowed */
	bool gone;
	int severity;
	double delay;
	int index;
};

static int compare_rank(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;
	int cmp;

	if (x->gone != y->gone)
		return x->gone ? 1 : -1;
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
		struct delay longest = delay_longest(c);

		rank[i] = (struct rank){
			.owner = &c->owner,
			.gone = c->gone,
			.severity = c->verdict_cnt ? (int)c->verdicts[0].severity : -1,
			.delay = longest.column ? longest.seconds : -1,
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
	changes_clear(v);
	for (int i = 0; i < s->container_cnt; i++)
		container_apply(v, s, &s->containers[i]);
	states_forget(v);
	order(s);
}

size_t verdicts_changes(const struct verdicts *v, const struct verdict_change **ret)
{
	*ret = v->changes;
	return v->change_cnt;
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
