/* SPDX-License-Identifier: BSD-2-Clause */
/* A container's struct is about 20 KB, nearly all of it zero or as it was a second ago, so the difference is what is
 * kept. It begins with the length of that of head and refused, which the way of one container skips, and the number of
 * containers; then for each: where the same container stands in the newer snapshot, as the distance to the place behind
 * the one before (0: not in it, and its id), the length of the difference and the difference. */
#include "stats/snapshot_flat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stats/word_delta.h"

#define WORD            sizeof(uint64_t)
#define MALLOC_OVERHEAD 16
#define LEN_SZ          4 /* of a length that is known only afterwards */

/* The pointer in the middle of a container's struct is left out. */
#define POINTER_AT   (offsetof(struct snapshot_container, processes) / WORD)
#define BEHIND_AT    (offsetof(struct snapshot_container, processes) + WORD)
#define BEHIND_WORDS (sizeof(struct snapshot_container) / WORD - POINTER_AT - 1)

#define HEAD_WORDS    (sizeof(struct snapshot) / WORD)
#define PROCESS_WORDS (sizeof(struct snapshot_process) / WORD)

_Static_assert(sizeof(struct snapshot) % WORD == 0, "whole words");
_Static_assert(sizeof(struct snapshot_container) % WORD == 0, "whole words");
_Static_assert(sizeof(struct snapshot_process) % WORD == 0, "whole words");
_Static_assert(sizeof(void *) == WORD, "the pointer is a word");

static size_t count(int n)
{
	return n > 0 ? (size_t)n : 0;
}

static size_t refused_words(int cnt)
{
	return (count(cnt) * sizeof(struct snapshot_refused) + WORD - 1) / WORD;
}

static struct flat_container *container_free(struct flat_container *c)
{
	if (c)
		free(c->processes);
	free(c);
	return NULL;
}

void flat_clear(struct flat_snapshot *f)
{
	for (size_t i = 0; i < f->container_cap; i++)
		container_free(f->containers[i]);
	free(f->containers);
	free(f->refused);
	memset(f, 0, sizeof(*f));
}

size_t flat_bytes(const struct flat_snapshot *f)
{
	size_t bytes = f->refused_cap * WORD + f->container_cap * sizeof(*f->containers);

	for (size_t i = 0; i < f->container_cap; i++)
		bytes += sizeof(struct flat_container) + 2 * MALLOC_OVERHEAD +
			 f->containers[i]->process_cap * sizeof(struct snapshot_process);
	return bytes;
}

/* ---- copies ---- */

static int container_reserve(struct flat_container *c, size_t processes)
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

static int refused_reserve(struct flat_snapshot *f, size_t words)
{
	uint64_t *p;

	if (words <= f->refused_cap)
		return 0;
	p = realloc(f->refused, words * WORD);
	if (!p)
		return -ENOMEM;
	memset(p + f->refused_cap, 0, (words - f->refused_cap) * WORD);
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
	size_t used = count(head->refused_cnt) * sizeof(struct snapshot_refused);

	f->head = *head;
	f->head.refused = NULL;
	f->head.containers = NULL;
	if (f->refused_cap)
		memset((char *)f->refused + used, 0, f->refused_cap * WORD - used);
	if (used)
		memcpy(f->refused, refused, used);
	while (f->container_cap > count(head->container_cnt)) {
		f->container_cap--;
		container_free(f->containers[f->container_cap]);
	}
}

static void set_container(struct flat_container *f, const struct snapshot_container *c,
			  const struct snapshot_process *processes)
{
	size_t cnt = count(c->process_cnt);

	f->c = *c;
	f->c.processes = NULL;
	if (cnt)
		memcpy(f->processes, processes, cnt * sizeof(*processes));
	if (f->process_cap > cnt)
		memset(f->processes + cnt, 0, (f->process_cap - cnt) * sizeof(*processes));
}

int flat_set(struct flat_snapshot *f, const struct snapshot *s)
{
	size_t cnt = count(s->container_cnt);

	if (refused_reserve(f, refused_words(s->refused_cnt)) || containers_reserve(f, cnt))
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++)
		if (container_reserve(f->containers[i], count(s->containers[i].process_cnt)))
			return -ENOMEM;
	set_head(f, s, s->refused);
	for (size_t i = 0; i < cnt; i++)
		set_container(f->containers[i], &s->containers[i], s->containers[i].processes);
	return 0;
}

int flat_copy(struct flat_snapshot *f, const struct flat_snapshot *from)
{
	size_t cnt = count(from->head.container_cnt);

	if (refused_reserve(f, refused_words(from->head.refused_cnt)) || containers_reserve(f, cnt))
		return -ENOMEM;
	for (size_t i = 0; i < cnt; i++)
		if (container_reserve(f->containers[i], count(from->containers[i]->c.process_cnt)))
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
	size_t cnt = count(f->c.process_cnt);

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
		s.refused = copy_of(f->refused, count(s.refused_cnt) * sizeof(*s.refused));
		err = s.refused ? 0 : -ENOMEM;
	}
	if (!err && cnt > 0) {
		s.containers = malloc(count(cnt) * sizeof(*s.containers));
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
	for (size_t i = 0; i < count(f->head.container_cnt); i++)
		if (f->containers[i]->c.id == container_id)
			return (long)i;
	return -1;
}

/* ---- writing a difference ---- */

static int buffer_reserve(struct flat_buffer *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 65536;
	uint8_t *data;

	while (cap - b->len < more)
		cap *= 2;
	if (cap == b->cap)
		return 0;
	data = realloc(b->data, cap);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

static void put_len(uint8_t *at, size_t len)
{
	uint32_t v = (uint32_t)len;

	memcpy(at, &v, LEN_SZ);
}

static int encode_head(const struct flat_snapshot *f, const struct snapshot *s, struct flat_buffer *b)
{
	size_t words = refused_words(f->head.refused_cnt), base_words = refused_words(s->refused_cnt);
	size_t base_sz = count(s->refused_cnt) * sizeof(*s->refused);
	struct snapshot head = *s;
	uint64_t *base = calloc(base_words + 1, WORD);
	int err = base ? buffer_reserve(b, LEN_SZ + word_delta_bound(HEAD_WORDS + words) + WORD_DELTA_VARINT_MAX)
		       : -ENOMEM;

	if (!err) {
		uint8_t *at = b->data + b->len, *out = at + LEN_SZ;

		if (base_sz)
			memcpy(base, s->refused, base_sz);
		head.refused = NULL;
		head.containers = NULL;
		out = word_delta_encode(out, &f->head, HEAD_WORDS, &head, HEAD_WORDS);
		out = word_delta_encode(out, f->refused, words, base, base_words);
		put_len(at, (size_t)(out - at) - LEN_SZ);
		out = word_delta_put(out, count(f->head.container_cnt));
		b->len = (size_t)(out - b->data);
	}
	free(base);
	return err;
}

/* base: the same container in the newer snapshot, or NULL. */
static uint8_t *encode_container(uint8_t *out, const struct flat_container *f, const struct snapshot_container *base)
{
	size_t processes = count(f->c.process_cnt) * PROCESS_WORDS;
	size_t base_processes = base ? count(base->process_cnt) * PROCESS_WORDS : 0;
	const char *behind = base ? (const char *)base + BEHIND_AT : NULL;

	out = word_delta_encode(out, &f->c, POINTER_AT, base, base ? POINTER_AT : 0);
	out = word_delta_encode(out, (const char *)&f->c + BEHIND_AT, BEHIND_WORDS, behind, base ? BEHIND_WORDS : 0);
	return word_delta_encode(out, f->processes, processes, base ? base->processes : NULL, base_processes);
}

static int add_container(const struct flat_container *f, const struct snapshot *s, long ref, long expected,
			 struct flat_buffer *b)
{
	size_t words = sizeof(f->c) / WORD + count(f->c.process_cnt) * PROCESS_WORDS;
	uint8_t *at, *out;

	if (buffer_reserve(b, word_delta_bound(words) + 2 * WORD_DELTA_VARINT_MAX + LEN_SZ))
		return -ENOMEM;
	out = b->data + b->len;
	if (ref < 0)
		out = word_delta_put(word_delta_put(out, 0), f->c.id);
	else
		out = word_delta_put(out, word_delta_zigzag(ref - expected) + 1);
	/* Nearly all are shorter than 128 x 128 bytes: two bytes that are a varint, four where that is not enough. */
	at = out;
	out = encode_container(at + 2, f, ref < 0 ? NULL : &s->containers[ref]);

	size_t len = (size_t)(out - at) - 2;

	if (len >= 1u << 14) {
		memmove(at + 4, at + 2, len);
		out += 2;
		at[2] = (uint8_t)(len >> 14 | 0x80);
		at[3] = (uint8_t)(len >> 21 & 0x7f);
	}
	at[0] = (uint8_t)(len | 0x80);
	at[1] = (uint8_t)((len >> 7 & 0x7f) | (len >= 1u << 14 ? 0x80 : 0));
	b->len = (size_t)(out - b->data);
	return 0;
}

/* Ids of the newer containers, 0 once they are taken: an id that stands twice is the same container once. */
static uint32_t *ids_of(const struct snapshot *s)
{
	size_t cnt = count(s->container_cnt);
	uint32_t *ids = calloc(cnt + 1, sizeof(*ids));

	for (size_t i = 0; ids && i < cnt; i++)
		ids[i] = s->containers[i].id;
	return ids;
}

/* Nearly always the container stands where it is expected. */
static long take_id(uint32_t *ids, size_t cnt, uint32_t id, long expected)
{
	size_t at = (size_t)expected;

	if (!id)
		return -1;
	if (at >= cnt || ids[at] != id)
		for (at = 0; at < cnt && ids[at] != id; at++)
			;
	if (at == cnt)
		return -1;
	ids[at] = 0;
	return (long)at;
}

int flat_encode(const struct flat_snapshot *f, const struct snapshot *s, struct flat_buffer *ret)
{
	uint32_t *ids = ids_of(s);
	int err = ids ? 0 : -ENOMEM;
	long expected = 0;

	ret->len = 0;
	if (!err)
		err = encode_head(f, s, ret);
	for (size_t i = 0; !err && i < count(f->head.container_cnt); i++) {
		long ref = take_id(ids, count(s->container_cnt), f->containers[i]->c.id, expected);

		err = add_container(f->containers[i], s, ref, expected, ret);
		expected = ref < 0 ? expected : ref + 1;
	}
	free(ids);
	return err;
}

/* ---- reading it ---- */

/* The next container of a difference. */
struct reader {
	const uint8_t *in; /* its difference; then the next container */
	size_t len;
	long ref; /* -1: not in the newer snapshot */
	uint64_t id;
	long expected;
};

static void read_container(struct reader *r)
{
	uint64_t code, len;

	r->in = word_delta_get(r->in, &code);
	r->ref = code ? r->expected + (long)word_delta_unzigzag(code - 1) : -1;
	if (code)
		r->expected = r->ref + 1;
	else
		r->in = word_delta_get(r->in, &r->id);
	r->in = word_delta_get(r->in, &len);
	r->len = (size_t)len;
}

static const uint8_t *apply_struct(const uint8_t *in, struct snapshot_container *c)
{
	in = word_delta_apply(in, c, POINTER_AT);
	return word_delta_apply(in, (char *)c + BEHIND_AT, BEHIND_WORDS);
}

static int step_container(struct reader *r, struct flat_container *c)
{
	const uint8_t *in = apply_struct(r->in, &c->c);
	size_t cnt = count(c->c.process_cnt);

	if (container_reserve(c, cnt))
		return -ENOMEM;
	word_delta_apply(in, c->processes, cnt * PROCESS_WORDS);
	if (c->process_cap > cnt)
		memset(c->processes + cnt, 0, (c->process_cap - cnt) * sizeof(*c->processes));
	r->in += r->len;
	return 0;
}

static int step_head(struct flat_snapshot *f, const uint8_t *data)
{
	const uint8_t *in = word_delta_apply(data + LEN_SZ, &f->head, HEAD_WORDS);
	size_t words = refused_words(f->head.refused_cnt);

	if (refused_reserve(f, words))
		return -ENOMEM;
	word_delta_apply(in, f->refused, words);
	if (f->refused_cap > words)
		memset(f->refused + words, 0, (f->refused_cap - words) * WORD);
	return 0;
}

static const uint8_t *behind_head(const uint8_t *data, uint64_t *ret_containers)
{
	uint32_t len;

	memcpy(&len, data, LEN_SZ);
	return word_delta_get(data + LEN_SZ + len, ret_containers);
}

int flat_step(struct flat_snapshot *f, const uint8_t *data)
{
	uint64_t cnt;
	struct reader r = {.in = behind_head(data, &cnt)};
	struct flat_container **containers = calloc(cnt + 1, sizeof(struct flat_container *));
	size_t done = 0;
	int err = containers ? step_head(f, data) : -ENOMEM;

	while (!err && done < cnt) {
		struct flat_container *c = NULL;

		read_container(&r);
		if (r.ref >= 0) {
			c = f->containers[r.ref];
			f->containers[r.ref] = NULL;
		} else {
			c = calloc(1, sizeof(*c));
		}
		err = c ? step_container(&r, c) : -ENOMEM;
		containers[done] = c;
		done += c != NULL;
	}
	for (size_t i = 0; i < f->container_cap; i++)
		container_free(f->containers[i]);
	free(f->containers);
	f->containers = containers;
	f->container_cap = done;
	f->head.container_cnt = (int)done;
	return err;
}

void flat_track_step(struct flat_track *t, const uint8_t *data)
{
	uint64_t cnt;
	struct reader r = {.in = behind_head(data, &cnt)};

	for (uint64_t i = 0; i < cnt; i++, r.in += r.len) {
		read_container(&r);
		if (r.ref < 0 && r.id == t->id) {
			memset(&t->c, 0, sizeof(t->c));
		} else if (r.ref < 0 || r.ref != t->at) {
			continue;
		}
		apply_struct(r.in, &t->c);
		t->at = (long)i;
		return;
	}
	t->at = -1;
}
