/* SPDX-License-Identifier: BSD-2-Clause */
/* A container's struct is about 20 KB, nearly all of it zero or as it was a second ago, so the difference is what is
 * kept. It begins with the length of that of head and refused, which the way of one container skips, and the number of
 * containers; then for each: where the same container stands in the newer snapshot, as the distance to the place behind
 * the one before (0: not in it, and its id), the length of the difference and the difference. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stats/snapshot_flat.h"
#include "stats/word_delta.h"

#define LEN_SZ 4 /* of a length that is known only afterwards */

/* The pointer in the middle of a container's struct is left out. */
#define POINTER_AT   (offsetof(struct snapshot_container, processes) / FLAT_WORD)
#define BEHIND_AT    (offsetof(struct snapshot_container, processes) + FLAT_WORD)
#define BEHIND_WORDS (sizeof(struct snapshot_container) / FLAT_WORD - POINTER_AT - 1)

#define HEAD_WORDS    (sizeof(struct snapshot) / FLAT_WORD)
#define PROCESS_WORDS (sizeof(struct snapshot_process) / FLAT_WORD)

_Static_assert(sizeof(struct snapshot) % FLAT_WORD == 0, "whole words");
_Static_assert(sizeof(struct snapshot_container) % FLAT_WORD == 0, "whole words");
_Static_assert(sizeof(struct snapshot_process) % FLAT_WORD == 0, "whole words");
_Static_assert(sizeof(void *) == FLAT_WORD, "the pointer is a word");

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
	size_t words = flat_refused_words(f->head.refused_cnt), base_words = flat_refused_words(s->refused_cnt);
	size_t base_sz = flat_count(s->refused_cnt) * sizeof(*s->refused);
	struct snapshot head = *s;
	uint64_t *base = calloc(base_words + 1, FLAT_WORD);
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
		out = word_delta_put(out, flat_count(f->head.container_cnt));
		b->len = (size_t)(out - b->data);
	}
	free(base);
	return err;
}

/* base: the same container in the newer snapshot, or NULL. */
static uint8_t *encode_container(uint8_t *out, const struct flat_container *f, const struct snapshot_container *base)
{
	size_t processes = flat_count(f->c.process_cnt) * PROCESS_WORDS;
	size_t base_processes = base ? flat_count(base->process_cnt) * PROCESS_WORDS : 0;
	const char *behind = base ? (const char *)base + BEHIND_AT : NULL;

	out = word_delta_encode(out, &f->c, POINTER_AT, base, base ? POINTER_AT : 0);
	out = word_delta_encode(out, (const char *)&f->c + BEHIND_AT, BEHIND_WORDS, behind, base ? BEHIND_WORDS : 0);
	return word_delta_encode(out, f->processes, processes, base ? base->processes : NULL, base_processes);
}

static int add_container(const struct flat_container *f, const struct snapshot *s, long ref, long expected,
			 struct flat_buffer *b)
{
	size_t words = sizeof(f->c) / FLAT_WORD + flat_count(f->c.process_cnt) * PROCESS_WORDS;
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
	size_t cnt = flat_count(s->container_cnt);
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
	for (size_t i = 0; !err && i < flat_count(f->head.container_cnt); i++) {
		long ref = take_id(ids, flat_count(s->container_cnt), f->containers[i]->c.id, expected);

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
	size_t cnt = flat_count(c->c.process_cnt);

	if (flat_reserve_processes(c, cnt))
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
	size_t words = flat_refused_words(f->head.refused_cnt);

	if (flat_reserve_refused(f, words))
		return -ENOMEM;
	word_delta_apply(in, f->refused, words);
	if (f->refused_cap > words)
		memset(f->refused + words, 0, (f->refused_cap - words) * FLAT_WORD);
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
		flat_container_free(f->containers[i]);
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
