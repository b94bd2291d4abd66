/* SPDX-License-Identifier: BSD-2-Clause */
/* What the census of goroutines shows. goroutine-leak: one creation site has more and more of them and the oldest one
 * never gets on; or the runtime itself has found them unreachable (1.27). goroutine-blocked: many stand at one
 * place before a lock. How long one waits is known since the last collection that found it waiting, so both are late by
 * up to one cycle. */
#include "diagnose/rule.h"
#include "diagnose/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/census.h"

#define LEAK_MIN      100 /* fewer are a pool that fills */
#define LEAK_GROWTH   2.0 /* now against 10 minutes ago, or since it is watched */
#define LEAK_SECONDS  180 /* it must be watched for so long */
#define BLOCKED_MIN   50
#define BLOCKED_WAIT  1.0  /* seconds */
#define BLOCKED_GRAVE 10.0 /* no lock is held for so long on purpose */

/* "cart.(*Hub).Subscribe hub.go:88" */
static void say_site(const char *function, const char *at, char *buf, size_t sz)
{
	words_add(buf, sz, "%s%s%s", *function ? function : "an unknown function", *at ? " " : "", at);
}

static void say_wait(const struct snapshot_group *g, struct verdict *ret)
{
	char *buf = ret->seen, word[WORD_SZ];
	size_t sz = sizeof(ret->seen);

	words_part(buf, sz, ", ", "%lld goroutines of pid %d %s%s%s", (long long)g->cnt, g->pid,
		   goroutine_state_name((enum goroutine_state)g->state), *g->reason ? ": " : "", g->reason);
	if (*g->blocked) {
		words_part(buf, sz, ", ", "at ");
		say_site(g->blocked, g->blocked_at, buf, sz);
	}
	if (!isnan(g->oldest_seconds))
		words_part(buf, sz, ", ", "the oldest for %s", words_duration(g->oldest_seconds, word));
}

/* ---- leak ---------------------------------------------------------------------------------------------- */

static bool is_leak(const struct snapshot_group *g, double scale)
{
	if (g->state == GOROUTINE_LEAKED)
		return true;
	return (double)g->cnt >= LEAK_MIN * scale && g->known_seconds >= LEAK_SECONDS && g->oldest_grows &&
	       g->growth_ratio >= 1 + (LEAK_GROWTH - 1) * scale;
}

static const struct snapshot_group *find_leak(const struct snapshot_sched *s, double scale)
{
	const struct snapshot_group *most = NULL;

	for (int i = 0; i < s->group_cnt; i++)
		if (is_leak(&s->groups[i], scale) && (!most || s->groups[i].cnt > most->cnt))
			most = &s->groups[i];
	return most;
}

static void say_leak(const struct snapshot_group *g, struct verdict *ret)
{
	char *buf = ret->text;
	size_t sz = sizeof(ret->text);

	if (g->state == GOROUTINE_LEAKED) {
		words_add(buf, sz, "The runtime found %lld goroutines that nothing can ever wake, created by ",
			  (long long)g->cnt);
		say_site(g->created, g->created_at, buf, sz);
		words_add(buf, sz, ".");
		return;
	}
	words_add(buf, sz, "Goroutines created by ");
	say_site(g->created, g->created_at, buf, sz);
	words_add(buf, sz, " grew %.1f-fold in %.0f min to %lld, and the oldest never gets on.", g->growth_ratio,
		  g->known_seconds / 60, (long long)g->cnt);
}

bool rule_goroutine_leak(const struct snapshot *s, const struct snapshot_container *c, double scale,
			 struct verdict *ret)
{
	const struct snapshot_group *g = find_leak(&c->sched, scale);

	if (!g)
		return false;
	ret->severity = VERDICT_WARNING;
	say_leak(g, ret);
	words_add(ret->advice, sizeof(ret->advice), "end them: ");
	if (*g->blocked)
		words_add(ret->advice, sizeof(ret->advice),
			  "%s waits for %s and needs a way out (context, close, timeout)", g->blocked,
			  *g->reason ? g->reason : "something that never comes");
	else
		words_add(ret->advice, sizeof(ret->advice), "each needs a way out (context, close, timeout)");
	words_add(ret->advice, sizeof(ret->advice), "; `gopherscope goroutines %d --stacks` shows where they stand.",
		  g->pid);
	say_wait(g, ret);
	if (!isnan(g->per_minute))
		words_part(ret->seen, sizeof(ret->seen), ", ", "%+.1f a minute", g->per_minute);
	words_add(ret->seen, sizeof(ret->seen), ".");
	words_evidence_int(ret, "goroutines", g->cnt, "{goroutine}");
	words_evidence(ret, "growth_ratio", g->growth_ratio, "1", LEAK_GROWTH);
	words_evidence(ret, "oldest_wait", g->oldest_seconds, "s", NAN);
	words_evidence(ret, "watched", g->known_seconds, "s", LEAK_SECONDS);
	return true;
}

/* ---- blocked ------------------------------------------------------------------------------------------- */

/* A version that is none has no ambiguous word taken for a lock. */
static bool is_before_1_20(const struct snapshot_container *c, int32_t pid)
{
	int minor;

	for (int i = 0; i < c->process_cnt; i++)
		if (c->processes[i].pid == pid)
			return sscanf(c->processes[i].go_version, "go1.%d", &minor) == 1 && minor < 20;
	return false;
}

static bool waits_for_lock(const struct snapshot_container *c, const struct snapshot_group *g)
{
	return census_is_lock((enum goroutine_state)g->state, g->reason, is_before_1_20(c, g->pid));
}

/* What waits at one place, whoever created it. */
struct queue {
	const struct snapshot_group *group; /* borrowed: the largest of them */
	int64_t cnt;
	double oldest_seconds; /* NAN unknown */
};

static bool is_same_place(const struct snapshot_group *a, const struct snapshot_group *b)
{
	return a->pid == b->pid && !strcmp(a->blocked, b->blocked) && !strcmp(a->blocked_at, b->blocked_at);
}

/* Groups whose place is not known are each their own. */
static struct queue queue_of(const struct snapshot_container *c, const struct snapshot_group *g)
{
	struct queue q = {g, 0, NAN};

	for (int i = 0; i < c->sched.group_cnt; i++) {
		const struct snapshot_group *x = &c->sched.groups[i];

		if (x != g && (!*g->blocked || !is_same_place(x, g) || !waits_for_lock(c, x)))
			continue;
		q.cnt += x->cnt;
		q.oldest_seconds = fmax(q.oldest_seconds, x->oldest_seconds); /* ignores a NAN */
		if (x->cnt > q.group->cnt)
			q.group = x;
	}
	return q;
}

static struct queue find_blocked(const struct snapshot_container *c, double scale)
{
	struct queue most = {.cnt = 0};

	for (int i = 0; i < c->sched.group_cnt; i++) {
		struct queue q;

		if (!waits_for_lock(c, &c->sched.groups[i]))
			continue;
		q = queue_of(c, &c->sched.groups[i]);
		if ((double)q.cnt >= BLOCKED_MIN * scale && q.oldest_seconds >= BLOCKED_WAIT * scale &&
		    q.cnt > most.cnt)
			most = q;
	}
	return most;
}

static void say_blocked(const struct snapshot_container *c, const struct queue *q, struct verdict *ret)
{
	const struct snapshot_group *g = q->group;
	bool old = !strcmp(g->reason, "semacquire");
	char word[WORD_SZ];

	words_add(ret->text, sizeof(ret->text), "%lld goroutines wait for a lock%s, the oldest for %s, at ",
		  (long long)q->cnt, old ? " (or a sync.WaitGroup: alike before Go 1.20)" : "",
		  words_duration(q->oldest_seconds, word));
	say_site(g->blocked, g->blocked_at, ret->text, sizeof(ret->text));
	words_add(ret->text, sizeof(ret->text), ".");
	words_add(ret->advice, sizeof(ret->advice),
		  "find who holds it (`gopherscope goroutines %d --stacks`: one of the others stands behind the same "
		  "lock), hold it shorter or split it; never over I/O.",
		  g->pid);
}

bool rule_goroutine_blocked(const struct snapshot *s, const struct snapshot_container *c, double scale,
			    struct verdict *ret)
{
	struct queue q = find_blocked(c, scale);

	if (!q.cnt)
		return false;
	ret->severity = q.oldest_seconds >= BLOCKED_GRAVE * scale ? VERDICT_CRITICAL : VERDICT_WARNING;
	say_blocked(c, &q, ret);
	say_wait(q.group, ret);
	words_add(ret->seen, sizeof(ret->seen), ".");
	words_evidence_int(ret, "goroutines", q.cnt, "{goroutine}");
	words_evidence(ret, "oldest_wait", q.oldest_seconds, "s",
		       ret->severity == VERDICT_CRITICAL ? BLOCKED_GRAVE : BLOCKED_WAIT);
	return true;
}
