/* SPDX-License-Identifier: BSD-2-Clause */
/* Containers apart from one another, because the same one stands in another place a second later; arrays in whole words
 * and zero behind what is in use, so that they can be compared and changed as words. */
#include "stats/snapshot_flat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MALLOC_OVERHEAD 16

size_t flat_refused_words(int cnt)
{
	return (flat_count(cnt) * sizeof(struct snapshot_refused) + FLAT_WORD - 1) / FLAT_WORD;
}

struct flat_container *flat_container_free(struct flat_container *c)
{
	if (c)
		free(c->processes);
	free(c);
	return NULL;
}

void flat_clear(struct flat_snapshot *f)
{
	for (size_t i = 0; i < f->container_cap; i++)
		flat_container_free(f->containers[i]);
	free(f->containers);
	free(f->refused);
	memset(f, 0, sizeof(*f));
}

size_t flat_bytes(const struct flat_snapshot *f)
{
	size_t bytes = f->refused_cap * FLAT_WORD + f->container_cap * sizeof(*f->containers);

	for (size_t i = 0; i < f->container_cap; i++)
		bytes += sizeof(struct flat_container) + 2 * MALLOC_OVERHEAD +
			 f->containers[i]->process_cap * sizeof(struct snapshot_process);
	return bytes;
}

int flat_reserve_processes(struct flat_container *c, size_t processes)
{
	struct snapshot_process *p;

	if (processes <= c->process_cap)
		return 0;
	p = realloc(c->processes, processes * sizeof(*p));
	if (!p)
		return -ENOMEM;
	memset(p + c->process_cap, 0, (processes - c->process_cap) * sizeof(*p));
	c->processes = p;
	c->process_cap = processes;
	return 0;
}

int flat_reserve_refused(struct flat_snapshot *f, size_t words)
{
	uint64_t *p;

	if (words <= f->refused_cap)
		return 0;
	p = realloc(f->refused, words * FLAT_WORD);
	if (!p)
		return -ENOMEM;
	memset(p + f->refused_cap, 0, (words - f->refused_cap) * FLAT_WORD);
	f->refused = p;
	f->refused_cap = words;
	return 0;
}

static int containers_reserve(struct flat_snapshot *f, size_t cnt)
{
	struct flat_container **p;

	if (cnt <= f->container_cap)
		return 0;
	p = realloc(f->containers, cnt * sizeof(struct flat_container *));
	if (!p)
		return -ENOMEM;
	f->containers = p;
	while (f->container_cap < cnt) {
		p[f->container_cap] = calloc(1, sizeof(struct flat_container));
		if (!p[f->container_cap])
			return -ENOMEM;
		f->container_cap++;
	}
	return 0;
}

/* Place was reserved for all of it. */
static void set_head(struct flat_snapshot *f, const struct snapshot *head, const void *refused)
{
	size_t used = flat_count(head->refused_cnt) * sizeof(struct snapshot_refused);

	f->head = *head;
	f->head.refused = NULL;
	f->head.containers = NULL;
	if (f->refused_cap)
		memset((char *)f->refused + used, 0, f->refused_cap * FLAT_WORD - used);
	if (used)
		memcpy(f->refused, refused, used);
	while (f->container_cap > flat_count(head->container_cnt)) {
		f->container_cap--;
		flat_container_free(f->containers[f->container_cap]);
	}
}

static void set_container(struct flat_container *f, const struct snapshot_container *c,
			  const struct snapshot_process *processes)
{
	size_t cnt = flat_count(c->process_cnt);

	f->c = *c;
	f->c.processes = NULL;
	if (cnt)
		memcpy(f->processes, processes, cnt * sizeof(*processes));
	if (f->process_cap > cnt)
		memset(f->processes + cnt, 0, (f->process_cap - cnt) * sizeof(*processes));
}

int flat_set(struct flat_snapshot *f, const struct snapshot *s)
{
	size_t cnt = flat_count(s->container_cnt);

	if (flat_reserve_refused(f, flat_refused_words(s->refused_cnt)) || containers_reserve(f, cnt))
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++)
		if (flat_reserve_processes(f->containers[i], flat_count(s->containers[i].process_cnt)))
			return -ENOMEM;
	set_head(f, s, s->refused);
	for (size_t i = 0; i < cnt; i++)
		set_container(f->containers[i], &s->containers[i], s->containers[i].processes);
	return 0;
}

int flat_copy(struct flat_snapshot *f, const struct flat_snapshot *from)
{
	size_t cnt = flat_count(from->head.container_cnt);

	if (flat_reserve_refused(f, flat_refused_words(from->head.refused_cnt)) || containers_reserve(f, cnt))
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++)
		if (flat_reserve_processes(f->containers[i], flat_count(from->containers[i]->c.process_cnt)))
			return -ENOMEM;
	set_head(f, &from->head, from->refused);
	for (size_t i = 0; i < cnt; i++)
		set_container(f->containers[i], &from->containers[i]->c, from->containers[i]->processes);
	return 0;
}

static void *copy_of(const void *p, size_t sz)
{
	void *ret = malloc(sz);

	return ret ? memcpy(ret, p, sz) : NULL;
}

static int get_container(const struct flat_container *f, struct snapshot_container *ret)
{
	size_t cnt = flat_count(f->c.process_cnt);

	*ret = f->c;
	if (!cnt)
		return 0;
	ret->processes = copy_of(f->processes, cnt * sizeof(*f->processes));
	return ret->processes ? 0 : -ENOMEM;
}

int flat_get(const struct flat_snapshot *f, struct snapshot *ret)
{
	struct snapshot s = f->head;
	int cnt = f->head.container_cnt, err = 0;

	s.container_cnt = 0;
	if (s.refused_cnt > 0) {
		s.refused = copy_of(f->refused, flat_count(s.refused_cnt) * sizeof(*s.refused));
		err = s.refused ? 0 : -ENOMEM;
	}
	if (!err && cnt > 0) {
		s.containers = malloc(flat_count(cnt) * sizeof(*s.containers));
		err = s.containers ? 0 : -ENOMEM;
	}
	while (!err && s.container_cnt < cnt) {
		err = get_container(f->containers[s.container_cnt], &s.containers[s.container_cnt]);
		s.container_cnt++;
	}
	if (err)
		snapshot_deinit(&s);
	else
		*ret = s;
	return err;
}

long flat_find(const struct flat_snapshot *f, uint32_t container_id)
{
	for (size_t i = 0; i < flat_count(f->head.container_cnt); i++)
		if (f->containers[i]->c.id == container_id)
			return (long)i;
	return -1;
}
