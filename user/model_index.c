/* SPDX-License-Identifier: BSD-2-Clause */
/* Sorted lists of (id, container). An id that several containers share (host processes of one slice, containers of a
 * pod in one network namespace) names none of them. The root of a hierarchy, id 1, names nobody either. */
#include "model_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"
#include "model.h"

#define ROOT_CGID 1

void model_index_deinit(struct model_index *x)
{
	for (int i = 0; i < INDEX_CNT; i++)
		free(x->rows[i]);
	*x = (struct model_index){0};
}

void model_index_changed(struct model_index *x)
{
	x->fresh = false;
}

static void add(struct model_index *x, enum model_index_kind k, uint64_t id, struct model_container *c)
{
	if (!id)
		return;
	if (x->cnt[k] == x->cap[k]) {
		size_t cap = x->cap[k] ? x->cap[k] * 2 : 64;
		struct model_index_row *rows = realloc(x->rows[k], cap * sizeof(*rows));

		if (!rows)
			return; /* this one is not found: its events wait or are dropped as of nobody */
		x->rows[k] = rows;
		x->cap[k] = cap;
	}
	x->rows[k][x->cnt[k]++] = (struct model_index_row){id, c};
}

static int compare(const void *a, const void *b)
{
	const struct model_index_row *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->container->id < y->container->id ? -1 : x->container->id > y->container->id;
}

/* Several processes of a container are in one namespace: once is enough. */
static void unique(struct model_index *x, enum model_index_kind k)
{
	size_t kept = 0;

	for (size_t i = 0; i < x->cnt[k]; i++)
		if (!kept || compare(&x->rows[k][kept - 1], &x->rows[k][i]))
			x->rows[k][kept++] = x->rows[k][i];
	x->cnt[k] = kept;
}

/* Of the path; 0 where it is not known. */
static uint64_t memory_id(const struct owner *o)
{
	return *o->cgroup_memory ? hash_bytes(o->cgroup_memory, strlen(o->cgroup_memory), 0) | 1 : 0;
}

static void rebuild(struct model_index *x, const struct model *m)
{
	struct model_container *c;
	size_t pos = 0;

	for (int k = 0; k < INDEX_CNT; k++)
		x->cnt[k] = 0;
	while ((c = model_container_next(m, &pos))) {
		if (c->level_cnt)
			add(x, INDEX_OWN, c->levels[0], c);
		for (uint32_t i = 0; i < c->level_cnt; i++)
			add(x, INDEX_BELOW, c->levels[i], c);
		add(x, INDEX_MEMORY, memory_id(&c->owner), c);
		if (c->owner.v2_cgid != ROOT_CGID)
			add(x, INDEX_V2, c->owner.v2_cgid, c);
		for (const struct model_process *p = c->processes; p; p = p->next)
			add(x, INDEX_NETNS, p->rec.netns, c);
	}
	for (int k = 0; k < INDEX_CNT; k++) {
		if (x->cnt[k])
			qsort(x->rows[k], x->cnt[k], sizeof(*x->rows[k]), compare);
		unique(x, (enum model_index_kind)k);
	}
	x->fresh = true;
}

/* First row with this id or a greater one. */
static size_t lower(const struct model_index *x, enum model_index_kind k, uint64_t id)
{
	size_t lo = 0, hi = x->cnt[k];

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (x->rows[k][mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct model_container *next(struct model_index *x, const struct model *m, enum model_index_kind k, uint64_t id,
				    size_t *pos)
{
	size_t at;

	if (!x->fresh)
		rebuild(x, m);
	at = lower(x, k, id) + *pos;
	if (!id || at >= x->cnt[k] || x->rows[k][at].id != id)
		return NULL;
	++*pos;
	return x->rows[k][at].container;
}

struct model_container *model_index_own(struct model_index *x, const struct model *m, uint64_t cpu_cgid, size_t *pos)
{
	return next(x, m, INDEX_OWN, cpu_cgid, pos);
}

struct model_container *model_index_below(struct model_index *x, const struct model *m, uint64_t cpu_cgid, size_t *pos)
{
	return next(x, m, INDEX_BELOW, cpu_cgid, pos);
}

static bool lives_alone(struct model_index *x, const struct model *m, enum model_index_kind k, uint64_t id,
			const struct model_container *c)
{
	struct model_container *other;
	size_t pos = 0;

	while ((other = next(x, m, k, id, &pos)))
		if (other != c && !other->owner.gone_ns)
			return false;
	return true;
}

bool model_index_owns_cpu(struct model_index *x, const struct model *m, const struct model_container *c)
{
	uint64_t id = c->level_cnt ? c->levels[0] : 0;

	return c->owner.kind != OWNER_HOST || (id != ROOT_CGID && lives_alone(x, m, INDEX_OWN, id, c));
}

bool model_index_owns_memory(struct model_index *x, const struct model *m, const struct model_container *c)
{
	uint64_t id = memory_id(&c->owner);

	if (!id)
		return model_index_owns_cpu(x, m, c);
	return c->owner.kind != OWNER_HOST ||
	       (strcmp(c->owner.cgroup_memory, "/") && lives_alone(x, m, INDEX_MEMORY, id, c));
}

static struct model_container *only(struct model_index *x, const struct model *m, enum model_index_kind k, uint64_t id)
{
	size_t pos = 0;
	struct model_container *c = next(x, m, k, id, &pos);

	return c && !next(x, m, k, id, &pos) ? c : NULL;
}

struct model_container *model_index_find(struct model_index *x, const struct model *m, uint64_t cpu_cgid,
					 uint64_t v2_cgid, uint32_t netns)
{
	struct model_container *c = cpu_cgid == ROOT_CGID ? NULL : only(x, m, INDEX_OWN, cpu_cgid);

	if (!c)
		c = only(x, m, INDEX_V2, v2_cgid);
	return c ? c : only(x, m, INDEX_NETNS, netns);
}
