/* SPDX-License-Identifier: BSD-2-Clause */
/* Open addressing with linear probing, at most 3/4 full; removal shifts followers back, so there are no tombstones. */
#include "base/hashmap.h"

#include <errno.h>
#include <stdlib.h>

#define CAP_MIN 16

struct slot {
	uint64_t key;
	void *value; /* NULL: empty */
};

struct hashmap {
	struct slot *slots; /* owned, cap a power of two */
	size_t cap, cnt, max;
};

static size_t home(const struct hashmap *m, uint64_t key)
{
	key ^= key >> 33;
	key *= 0xff51afd7ed558ccdull; /* finalizer of MurmurHash3: pids and inode numbers differ in few low bits */
	key ^= key >> 33;
	return key & (m->cap - 1);
}

int hashmap_new(size_t max_entries, struct hashmap **ret)
{
	struct hashmap *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->cap = CAP_MIN;
	m->max = max_entries;
	m->slots = calloc(m->cap, sizeof(*m->slots));
	if (!m->slots) {
		free(m);
		return -ENOMEM;
	}
	*ret = m;
	return 0;
}

struct hashmap *hashmap_free(struct hashmap *m)
{
	if (m)
		free(m->slots);
	free(m);
	return NULL;
}

static struct slot *find_slot(const struct hashmap *m, uint64_t key)
{
	size_t i = home(m, key);

	while (m->slots[i].value && m->slots[i].key != key)
		i = (i + 1) & (m->cap - 1);
	return &m->slots[i];
}

static int grow(struct hashmap *m)
{
	struct hashmap bigger = {.cap = m->cap * 2, .cnt = m->cnt, .max = m->max};

	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].value)
			*find_slot(&bigger, m->slots[i].key) = m->slots[i];
	free(m->slots);
	*m = bigger;
	return 0;
}

int hashmap_set(struct hashmap *m, uint64_t key, void *value)
{
	struct slot *s = find_slot(m, key);
	int err;

	if (s->value) {
		s->value = value;
		return 0;
	}
	if (m->cnt >= m->max)
		return -ENOSPC;
	if ((m->cnt + 1) * 4 > m->cap * 3) {
		err = grow(m);
		if (err)
			return err;
		s = find_slot(m, key);
	}
	*s = (struct slot){key, value};
	m->cnt++;
	return 0;
}

int hashmap_add(struct hashmap *m, uint64_t key, void *value)
{
	if (hashmap_find(m, key))
		return -EEXIST;
	return hashmap_set(m, key, value);
}

void *hashmap_find(const struct hashmap *m, uint64_t key)
{
	return find_slot(m, key)->value;
}

void *hashmap_remove(struct hashmap *m, uint64_t key)
{
	struct slot *s = find_slot(m, key);
	void *value = s->value;
	size_t hole, i;

	if (!value)
		return NULL;
	hole = (size_t)(s - m->slots);
	m->cnt--;
	for (i = (hole + 1) & (m->cap - 1); m->slots[i].value; i = (i + 1) & (m->cap - 1)) {
		size_t want = home(m, m->slots[i].key);

		if (((i - want) & (m->cap - 1)) < ((i - hole) & (m->cap - 1)))
			continue; /* it lies between its home and here, the hole does not matter */
		m->slots[hole] = m->slots[i];
		hole = i;
	}
	m->slots[hole].value = NULL;
	return value;
}

size_t hashmap_cnt(const struct hashmap *m)
{
	return m->cnt;
}

int hashmap_next(const struct hashmap *m, size_t *pos, uint64_t *key, void **value)
{
	for (; *pos < m->cap; (*pos)++) {
		if (!m->slots[*pos].value)
			continue;
		*key = m->slots[*pos].key;
		*value = m->slots[*pos].value;
		(*pos)++;
		return 1;
	}
	return 0;
}

uint64_t hash_bytes(const void *p, size_t len, uint64_t seed)
{
	const unsigned char *b = p;
	uint64_t h = 0xcbf29ce484222325ull ^ seed;

	for (size_t i = 0; i < len; i++) {
		h ^= b[i];
		h *= 0x100000001b3ull;
	}
	return h;
}
