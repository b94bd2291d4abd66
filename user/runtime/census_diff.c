/* SPDX-License-Identifier: BSD-2-Clause */
/* What grew from one census to another one of the same program. Its places (state, reason, creation, where it is
 * blocked) are link-time addresses, so they compare as numbers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "runtime/census.h"

static bool is_same_place(const struct census_group *a, const struct census_group *b)
{
	return a->state == b->state && a->created_pc == b->created_pc && a->blocked_pc == b->blocked_pc &&
	       !strcmp(a->reason, b->reason);
}

static uint64_t hash_place(const struct census_group *g)
{
	uint64_t h = hash_bytes(g->reason, strlen(g->reason), (uint64_t)g->state + 1);

	h = hash_bytes(&g->created_pc, sizeof(g->created_pc), h);
	return hash_bytes(&g->blocked_pc, sizeof(g->blocked_pc), h);
}

/* Goroutines there are, by a sample. */
static int64_t scaled(const struct census *c, uint64_t cnt)
{
	return (int64_t)((double)cnt * c->scale + 0.5);
}

/* Index of the group of that place, -1 none; *hash is where one would be added. */
static ssize_t find_place(const struct hashmap *m, const struct census_group *of, const struct census_group *g,
			  uint64_t *hash)
{
	uintptr_t i;

	for (*hash = hash_place(g); (i = (uintptr_t)hashmap_find(m, *hash)); (*hash)++)
		if (is_same_place(&of[i - 1], g))
			return (ssize_t)i - 1;
	return -1;
}

/* Sums of before by place, at the first group of each place. */
static int sum_places(const struct census *before, struct hashmap *m, int64_t *sums)
{
	uint64_t hash;
	int err = 0;

	for (size_t i = 0; i < before->group_cnt && !err; i++) {
		const struct census_group *g = &before->groups[i];
		ssize_t at = find_place(m, before->groups, g, &hash);

		if (at < 0) {
			at = (ssize_t)i;
			err = hashmap_add(m, hash, (void *)(uintptr_t)(i + 1));
		}
		sums[at] += scaled(before, g->cnt);
	}
	return err;
}

/* Groups of one place (other stacks, other functions) share what was there before: the largest ones first. */
static void subtract(const struct census *before, const struct hashmap *m, int64_t *sums, const struct census *now,
		     int64_t *growth)
{
	uint64_t hash;

	for (size_t i = 0; i < now->group_cnt; i++) {
		ssize_t at = find_place(m, before->groups, &now->groups[i], &hash);
		int64_t cnt = scaled(now, now->groups[i].cnt), had = at < 0 ? 0 : sums[at];

		growth[i] = cnt - had;
		if (at >= 0)
			sums[at] = 0;
	}
}

int census_diff(const struct census *before, const struct census *now, int64_t **growth)
{
	_cleanup_free_ int64_t *sums = calloc(before->group_cnt + 1, sizeof(*sums));
	int64_t *ret = calloc(now->group_cnt + 1, sizeof(*ret));
	struct hashmap *m = NULL;
	int err = sums && ret ? hashmap_new(before->group_cnt + 1, &m) : -ENOMEM;

	if (!err)
		err = sum_places(before, m, sums);
	if (!err)
		subtract(before, m, sums, now, ret);
	hashmap_free(m);
	if (err)
		free(ret);
	else
		*growth = ret;
	return err;
}
