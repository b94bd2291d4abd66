/* SPDX-License-Identifier: BSD-2-Clause */
/* recorder: the bytes of a recording, failing files; record_ring: bound, order, wrap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <cmocka.h>

#include "events/recorder.h"
#include "records.h"

static void layout(void **state)
{
	char *mem = NULL;
	size_t sz = 0;
	FILE *f = open_memstream(&mem, &sz);
	struct record_tick tick = {.time_ns = 5, .window_ns = 7};
	struct recording_header h;
	struct recording_frame frame;
	struct recorder *r;
	uint64_t cnt;

	assert_int_equal(recorder_new(f, &r), 0);
	assert_int_equal(sz, sizeof(h)); /* at once */
	assert_int_equal(recorder_put(r, &(struct record){RECORD_TICK, sizeof(tick), &tick}), 0);
	assert_int_equal(recorder_put(r, &(struct record){RECORD_TICK, 3, "abc"}), 0); /* padded */
	assert_int_equal(recorder_cnt(r), 2);
	assert_int_equal(recorder_end(r), 0);
	assert_int_equal(recorder_bytes(r), sz);
	assert_int_equal(sz, sizeof(h) + (16 + 16) + (16 + 8) + (16 + 8));
	memcpy(&h, mem, sizeof(h));
	assert_memory_equal(h.magic, "GSRAW\n\x1a", 8);
	assert_int_equal(h.version, RECORDING_VERSION);
	assert_int_equal(h.record_sizes[RECORD_TICK], 16);
	assert_int_equal(h.event_sizes[EVENT_GC_PAUSE], sizeof(struct event_gc_pause));
	memcpy(&frame, mem + sizeof(h), sizeof(frame));
	assert_int_equal(frame.size, 16);
	assert_int_equal(frame.type, RECORD_TICK);
	assert_memory_equal(mem + sizeof(h) + 16, &tick, 16);
	assert_memory_equal(mem + sizeof(h) + 48, "abc\0\0\0\0\0", 8);
	memcpy(&cnt, mem + sz - 8, 8);
	assert_int_equal(cnt, 2);
	recorder_free(r);
	fclose(f);
	free(mem);
}

static void full_disk(void **state)
{
	FILE *f = fopen("/dev/full", "w");
	struct recorder *r;

	assert_non_null(f);
	assert_int_equal(recorder_new(f, &r), -ENOSPC);
	fclose(f);
}

/* The first error stays, and nothing is written after it. */
static void first_error_stays(void **state)
{
	char mem[sizeof(struct recording_header) + 16];
	FILE *f = fmemopen(mem, sizeof(mem), "w");
	struct record_tick tick = {.time_ns = 5};
	struct record rec = {RECORD_TICK, sizeof(tick), &tick};
	struct recorder *r;
	int err;

	setvbuf(f, NULL, _IONBF, 0);
	assert_int_equal(recorder_new(f, &r), 0);
	err = recorder_put(r, &rec);
	assert_true(err < 0);
	assert_int_equal(recorder_put(r, &rec), err);
	assert_int_equal(recorder_end(r), err);
	assert_int_equal(recorder_cnt(r), 0);
	recorder_free(r);
	fclose(f);
}

static void too_big(void **state)
{
	static char body[RECORDING_BODY_MAX + 1];
	FILE *f = fopen("/dev/null", "w");
	struct recorder *r;

	assert_int_equal(recorder_new(f, &r), 0);
	assert_int_equal(recorder_put(r, &(struct record){RECORD_OWNER, sizeof(body), body}), -EMSGSIZE);
	assert_int_equal(recorder_put(r, &(struct record){RECORD_OWNER, sizeof(body) - 1, body}), 0);
	recorder_free(recorder_free(r));
	fclose(f);
}

struct seen {
	uint64_t first, last, cnt, bytes;
};

/* Bodies carry their number; the rest of a body is that number's low byte. */
static int see(const struct record *rec, void *arg)
{
	struct seen *s = arg;
	uint64_t number;

	assert_int_equal((uintptr_t)rec->body % 8, 0);
	memcpy(&number, rec->body, sizeof(number));
	if (s->cnt)
		assert_int_equal(number, s->last + 1);
	else
		s->first = number;
	for (uint32_t i = 8; i < rec->size; i++)
		assert_int_equal(((const unsigned char *)rec->body)[i], number & 0xff);
	s->last = number;
	s->cnt++;
	s->bytes += rec->size;
	return 0;
}

static void put_number(struct record_ring *ring, uint64_t number, uint32_t size)
{
	static unsigned char body[RECORDING_BODY_MAX];

	memset(body, (int)(number & 0xff), size);
	memcpy(body, &number, sizeof(number));
	record_ring_put(ring, &(struct record){RECORD_EVENT, size, body});
}

static struct seen look(const struct record_ring *ring)
{
	struct seen s = {0};

	assert_int_equal(record_ring_each(ring, see, &s), 0);
	return s;
}

/* Sizes by a fixed sequence: after every put the last one is there, in order, and the bound is used well. */
static void ring_wraps(void **state)
{
	static const size_t bounds[] = {64, 100, 1000, 4096, 65536};

	for (size_t b = 0; b < sizeof(bounds) / sizeof(*bounds); b++) {
		struct record_ring *ring;
		uint32_t random = 12345;

		assert_int_equal(record_ring_new(bounds[b], &ring), 0);
		assert_int_equal(look(ring).cnt, 0);
		for (uint64_t i = 1; i < 20000; i++) {
			uint32_t max = (uint32_t)bounds[b] / 2 - 16;
			struct seen s;

			random = random * 1664525u + 1013904223u;
			put_number(ring, i, 8 + (random >> 8) % max);
			if (i % 7 && i > 200)
				continue;
			s = look(ring);
			assert_true(s.cnt > 0 && s.last == i && s.bytes <= bounds[b]);
			if (i > 1000 && bounds[b] >= 4096)
				assert_true(s.bytes > bounds[b] / 4);
		}
		ring = record_ring_free(ring);
		assert_null(record_ring_free(ring));
	}
}

/* All of one size that divides the room: nothing of it is wasted. */
static void ring_exact(void **state)
{
	struct record_ring *ring;

	assert_int_equal(record_ring_new(10 * (8 + 16), &ring), 0);
	for (uint64_t i = 1; i <= 95; i++) {
		put_number(ring, i, 16);
		assert_int_equal(look(ring).cnt, i < 10 ? i : 10);
	}
	record_ring_free(ring);
}

static void ring_too_big(void **state)
{
	struct record_ring *ring;

	assert_int_equal(record_ring_new(64, &ring), 0);
	put_number(ring, 1, 16);
	put_number(ring, 2, 64); /* with its head more than all */
	assert_int_equal(look(ring).last, 1);
	put_number(ring, 2, 56); /* exactly all */
	assert_int_equal(look(ring).cnt, 1);
	assert_int_equal(look(ring).last, 2);
	record_ring_free(ring);
	assert_int_equal(record_ring_new(0, &ring), 0);
	put_number(ring, 1, 8);
	assert_int_equal(look(ring).cnt, 0);
	record_ring_free(ring);
}

static int stop_at_second(const struct record *rec, void *arg)
{
	return ++*(int *)arg == 2 ? 42 : 0;
}

static void ring_stops(void **state)
{
	struct record_ring *ring;
	int calls = 0;

	assert_int_equal(record_ring_new(1000, &ring), 0);
	for (uint64_t i = 1; i < 6; i++)
		put_number(ring, i, 8);
	assert_int_equal(record_ring_each(ring, stop_at_second, &calls), 42);
	assert_int_equal(calls, 2);
	record_ring_free(ring);
}

static void ring_since(void **state)
{
	struct record_ring *ring;

	assert_int_equal(record_ring_new(4 * 24, &ring), 0);
	assert_int_equal(record_ring_since(ring), 0);
	put_number(ring, 1, 16);
	assert_int_equal(record_ring_since(ring), 0);
	for (uint64_t i = 1; i <= 9; i++) {
		struct record_tick tick = {.time_ns = i * 100};

		record_ring_put(ring, &(struct record){RECORD_TICK, sizeof(tick), &tick});
		assert_int_equal(record_ring_since(ring), i <= 4 ? 100 : (i - 3) * 100);
	}
	record_ring_free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout),       cmocka_unit_test(full_disk),  cmocka_unit_test(first_error_stays),
		cmocka_unit_test(too_big),      cmocka_unit_test(ring_wraps), cmocka_unit_test(ring_exact),
		cmocka_unit_test(ring_too_big), cmocka_unit_test(ring_stops), cmocka_unit_test(ring_since),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
