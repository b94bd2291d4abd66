/* SPDX-License-Identifier: BSD-2-Clause */
/* The flight recorder: entries one behind the other in one block of memory, each in one piece. An entry that does not
 * fit before the end of the block starts at its begin; `end` remembers where the ones before stop. The oldest give way
 * until there is room, so a put costs what it writes plus what once was put for those. */
#include "events/recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	uint32_t size; /* of the body */
	uint32_t type;
	unsigned char body[];
};

/* Used bytes: head..tail, or, once wrapped, head..end and 0..tail. The first entry is at head. */
struct record_ring {
	unsigned char *mem; /* owned */
	size_t bytes;
	size_t head, tail, end;
	uint64_t cnt;
	bool wrapped;
};

static size_t entry_bytes(uint32_t size)
{
	return (sizeof(struct entry) + (size_t)size + 7) & ~(size_t)7;
}

static const struct entry *entry_at(const struct record_ring *r, size_t at)
{
	return (const struct entry *)(const void *)(r->mem + at);
}

int record_ring_new(size_t bytes_max, struct record_ring **ret)
{
	struct record_ring *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->bytes = bytes_max & ~(size_t)7;
	r->mem = malloc(r->bytes ? r->bytes : 8);
	if (!r->mem) {
		free(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

struct record_ring *record_ring_free(struct record_ring *r)
{
	if (r)
		free(r->mem);
	free(r);
	return NULL;
}

static void drop_oldest(struct record_ring *r)
{
	r->head += entry_bytes(entry_at(r, r->head)->size);
	r->cnt--;
	if (r->wrapped && r->head == r->end) {
		r->head = 0;
		r->wrapped = false;
	}
	if (!r->cnt)
		r->head = r->tail = 0;
}

/* True if need bytes are free at tail; goes back to the begin when the room before the end is too small. */
static bool make_tail_fit(struct record_ring *r, size_t need)
{
	if (r->wrapped)
		return r->head - r->tail >= need;
	if (r->bytes - r->tail >= need)
		return true;
	r->end = r->tail;
	r->tail = 0;
	r->wrapped = true;
	return r->head >= need;
}

void record_ring_put(struct record_ring *r, const struct record *rec)
{
	size_t need = entry_bytes(rec->size);
	struct entry *e;

	if (need > r->bytes)
		return;
	while (!make_tail_fit(r, need))
		drop_oldest(r);
	e = (struct entry *)(void *)(r->mem + r->tail);
	e->size = rec->size;
	e->type = (uint32_t)rec->type;
	memcpy(e->body, rec->body, rec->size);
	r->tail += need;
	r->cnt++;
}

int record_ring_each(const struct record_ring *r, int (*fn)(const struct record *rec, void *arg), void *arg)
{
	size_t at = r->head;
	int result = 0;

	for (uint64_t i = 0; i < r->cnt && !result; i++) {
		const struct entry *e;

		if (r->wrapped && at == r->end)
			at = 0;
		e = entry_at(r, at);
		result = fn(&(struct record){.type = (enum record_type)e->type, .size = e->size, .body = e->body}, arg);
		at += entry_bytes(e->size);
	}
	return result;
}

static int take_tick(const struct record *rec, void *arg)
{
	if (rec->type != RECORD_TICK || rec->size < sizeof(struct record_tick))
		return 0;
	*(uint64_t *)arg = ((const struct record_tick *)rec->body)->time_ns;
	return 1;
}

uint64_t record_ring_since(const struct record_ring *r)
{
	uint64_t ns = 0;

	record_ring_each(r, take_tick, &ns);
	return ns;
}
