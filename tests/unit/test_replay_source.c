/* SPDX-License-Identifier: BSD-2-Clause */
/* replay_source: everything comes back as it was put, and no damage to a file does more than end the reading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "events/recorder.h"
#include "events/replay_source.h"
#include "records.h"

struct bytes {
	char *mem;
	size_t sz;
};

/* A recording of the records from..to-1 of records.h. */
static struct bytes make(int from, int to)
{
	struct bytes b = {0};
	FILE *f = open_memstream(&b.mem, &b.sz);
	struct recorder *r;
	union any_record a;

	assert_int_equal(recorder_new(f, &r), 0);
	for (int i = from; i < to; i++) {
		struct record rec = records_get(i, &a);

		assert_int_equal(recorder_put(r, &rec), 0);
	}
	assert_int_equal(recorder_end(r), 0);
	recorder_free(r);
	fclose(f);
	return b;
}

/* Opens bytes as a file. */
static int open_bytes(const void *mem, size_t sz, struct replay_source **s, char *why)
{
	char path[64];
	int fd = memfd_create("recording", MFD_CLOEXEC), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, mem, sz), sz);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	err = replay_source_open(path, s, why);
	close(fd);
	return err;
}

/* Reads all; each record must be the next one of records.h. The outcome that ended it, or the error of opening. */
static int read_all(const void *mem, size_t sz, int from, int *cnt, char *why)
{
	struct replay_source *s = NULL;
	struct record got;
	union any_record a;
	int err = open_bytes(mem, sz, &s, why);

	*cnt = 0;
	if (err)
		return err;
	while ((err = replay_source_next(s, &got)) == REPLAY_RECORD) {
		struct record want = records_get(from + *cnt, &a);

		assert_int_equal(got.type, want.type);
		assert_int_equal(got.size, want.size);
		assert_memory_equal(got.body, want.body, want.size);
		assert_int_equal((uintptr_t)got.body % 8, 0);
		++*cnt;
	}
	assert_int_equal(replay_source_cnt(s), *cnt);
	assert_int_equal(replay_source_next(s, &got), err); /* it stays so */
	replay_source_close(s);
	return err;
}

static void round_trip(void **state)
{
	struct bytes b = make(0, RECORDS_CNT);
	int cnt;

	assert_int_equal(read_all(b.mem, b.sz, 0, &cnt, NULL), REPLAY_END);
	assert_int_equal(cnt, RECORDS_CNT);
	free(b.mem);
	b = make(0, 0);
	assert_int_equal(read_all(b.mem, b.sz, 0, &cnt, NULL), REPLAY_END);
	free(b.mem);
}

/* A pipe, its writer slow and in odd pieces. */
static void from_pipe(void **state)
{
	struct bytes b = make(0, RECORDS_CNT);
	struct replay_source *s;
	struct record got;
	int fds[2], status, n = 0, err;
	char path[64];
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		for (size_t at = 0; at < b.sz; at += 37)
			if (write(fds[1], b.mem + at, b.sz - at < 37 ? b.sz - at : 37) < 0)
				_exit(1);
		_exit(0);
	}
	close(fds[1]);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	assert_int_equal(replay_source_open(path, &s, NULL), 0);
	while ((err = replay_source_next(s, &got)) == REPLAY_RECORD)
		n++;
	assert_int_equal(err, REPLAY_END);
	assert_int_equal(n, RECORDS_CNT);
	assert_null(replay_source_close(s));
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	free(b.mem);
}

static void from_stdin(void **state)
{
	struct bytes b = make(0, RECORDS_CNT);
	int fd = memfd_create("recording", MFD_CLOEXEC), saved = dup(0), cnt = 0;
	struct replay_source *s;
	struct record got;

	assert_int_equal(write(fd, b.mem, b.sz), b.sz);
	lseek(fd, 0, SEEK_SET);
	dup2(fd, 0);
	assert_int_equal(replay_source_open("-", &s, NULL), 0);
	while (replay_source_next(s, &got) == REPLAY_RECORD)
		cnt++;
	assert_int_equal(cnt, RECORDS_CNT);
	replay_source_close(s);
	dup2(saved, 0);
	close(saved);
	close(fd);
	free(b.mem);
}

/* Cut at every byte: what came whole before is delivered, and the end is said to be missing. */
static void truncated(void **state)
{
	struct bytes b = make(0, RECORDS_CNT);
	int last = 0, cnt;
	char why[WHY_SZ];

	for (size_t sz = 0; sz < b.sz; sz++) {
		int got = read_all(b.mem, sz, 0, &cnt, why);

		if (sz < sizeof(struct recording_header)) {
			assert_int_equal(got, -EINVAL);
			continue;
		}
		assert_int_equal(got, REPLAY_CUT);
		assert_true(cnt == last || cnt == last + 1);
		last = cnt;
	}
	assert_int_equal(last, RECORDS_CNT);
	free(b.mem);
}

/* Every byte with one bit, and with all bits, flipped: never another record than those that were put. */
static void flipped(void **state)
{
	static const unsigned char masks[] = {0x01, 0x80, 0xff};
	struct bytes b = make(8, 20);
	char why[WHY_SZ];
	int cnt;

	for (size_t at = 0; at < b.sz; at++) {
		for (size_t m = 0; m < ARRAY_SIZE(masks); m++) {
			int got;

			b.mem[at] ^= (char)masks[m];
			got = read_all(b.mem, b.sz, 8, &cnt, why); /* compares each record */
			if (at < sizeof(struct recording_header))
				assert_true(got < 0);
			else
				assert_int_equal(got, REPLAY_BAD);
			assert_true(cnt < 12 || at >= b.sz - 24);
			b.mem[at] ^= (char)masks[m];
		}
	}
	free(b.mem);
}

/* A header with one field changed, its checksum right. */
static void expect_header(void (*change)(struct recording_header *h), int want, const char *word)
{
	struct recording_header h;
	struct bytes b = make(0, 3);
	char why[WHY_SZ] = "";
	int cnt;

	memcpy(&h, b.mem, sizeof(h));
	change(&h);
	h.crc = recording_header_crc(&h);
	memcpy(b.mem, &h, sizeof(h));
	assert_int_equal(read_all(b.mem, b.sz, 0, &cnt, why), want);
	if (!strstr(why, word))
		fail_msg("'%s' does not say '%s'", why, word);
	free(b.mem);
}

static void no_magic(struct recording_header *h)
{
	h->magic[0] = 'X';
}
static void text_mode(struct recording_header *h)
{
	h->magic[5] = '\r';
}
static void newer(struct recording_header *h)
{
	h->version = RECORDING_VERSION + 1;
}
static void other_order(struct recording_header *h)
{
	h->byte_order = 0x04030201;
	h->version = __builtin_bswap32(RECORDING_VERSION);
}
static void no_order(struct recording_header *h)
{
	h->byte_order = 0;
}
static void other_size(struct recording_header *h)
{
	h->size += 8;
}
static void other_record(struct recording_header *h)
{
	h->record_sizes[RECORD_PROCESS] += 8;
}
static void other_event(struct recording_header *h)
{
	h->event_sizes[EVENT_RUNQ] = 8;
}
static void more_types(struct recording_header *h)
{
	h->record_sizes[RECORDING_TYPES - 1] = 8;
	h->event_sizes[RECORDING_KINDS - 1] = 48;
	h->record_sizes[RECORD_SESSION] = 0; /* its writer did not know it */
}

static void headers(void **state)
{
	expect_header(no_magic, -EINVAL, "no recording");
	expect_header(text_mode, -EINVAL, "no recording");
	expect_header(newer, -EPROTO, "version 2 of the format, this gopherscope reads version 1");
	expect_header(other_order, -EPROTO, "byte order");
	expect_header(no_order, -EINVAL, "damaged");
	expect_header(other_size, -EINVAL, "damaged");
	expect_header(other_record, -EPROTO, "'process'");
	expect_header(other_event, -EPROTO, "kind 14");
	expect_header(more_types, REPLAY_END, "");
}

static void expect_no_file(const char *path, int want, const char *word)
{
	struct replay_source *s = NULL;
	char why[WHY_SZ] = "";

	assert_int_equal(replay_source_open(path, &s, why), want);
	assert_null(s);
	if (!strstr(why, word))
		fail_msg("'%s' does not say '%s'", why, word);
	assert_int_equal(replay_source_open(path, &s, NULL), want);
}

static void no_files(void **state)
{
	char why[WHY_SZ];
	struct replay_source *s;

	expect_no_file("/nonexistent/x.gsraw", -ENOENT, "No such file");
	expect_no_file("/proc", -EISDIR, "directory");
	expect_no_file("/dev/null", -EINVAL, "empty");
	expect_no_file("/dev/zero", -EINVAL, "no recording");
	assert_int_equal(open_bytes("{\"schema\":\"gopherscope.event/1\"}\n", 34, &s, why), -EINVAL);
	assert_non_null(strstr(why, "no recording"));
	assert_int_equal(open_bytes("GSRAW\n\x1a\0\1\0\0\0", 12, &s, why), -EINVAL);
	assert_non_null(strstr(why, "within its header"));
}

/* Appends a frame with right checksums; body_sz may differ from what the frame says. */
static size_t add_frame(char *mem, size_t at, uint16_t type, uint32_t size, const void *body, uint32_t body_sz)
{
	struct recording_frame f = {.size = size, .type = type};
	uint32_t padded = recording_padded(body_sz);
	char *copy = calloc(1, padded + 1);

	memcpy(copy, body, body_sz);
	f.body_crc = recording_body_crc(copy, body_sz);
	f.frame_crc = recording_frame_crc(&f);
	memcpy(mem + at, &f, sizeof(f));
	memcpy(mem + at + sizeof(f), copy, padded);
	free(copy);
	return at + sizeof(f) + padded;
}

static int read_frames(const char *mem, size_t sz, uint64_t *cnt, uint64_t *skipped)
{
	struct replay_source *s;
	struct record r;
	int got;

	assert_int_equal(open_bytes(mem, sz, &s, NULL), 0);
	while ((got = replay_source_next(s, &r)) == REPLAY_RECORD)
		;
	*cnt = replay_source_cnt(s);
	*skipped = replay_source_skipped(s);
	replay_source_close(s);
	return got;
}

static size_t start(char *mem)
{
	struct recording_header h;

	recording_header_fill(&h);
	memcpy(mem, &h, sizeof(h));
	return sizeof(h);
}

static void sizes(void **state)
{
	static const uint32_t sizes[] = {RECORDING_BODY_MAX + 1, 0x7fffffff, 0xffffffff, 0xfffffff9, 0};
	static char mem[4096];
	uint64_t cnt, skipped;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t sz = add_frame(mem, start(mem), RECORD_TICK, sizes[i], &(struct record_tick){.time_ns = 1}, 16);

		assert_int_equal(read_frames(mem, sz, &cnt, &skipped), REPLAY_BAD);
		assert_int_equal(cnt, 0);
	}
}

/* Right checksums do not help a record that says what cannot be. */
static void not_sane(void **state)
{
	char mem[4096];
	uint64_t cnt, skipped;
	size_t sz = add_frame(mem, start(mem), RECORD_TICK, 16, &(struct record_tick){.time_ns = 1}, 16);

	sz = add_frame(mem, sz, RECORD_TICK, 16, &(struct record_tick){.time_ns = UINT64_MAX}, 16);
	assert_int_equal(read_frames(mem, sz, &cnt, &skipped), REPLAY_BAD);
	assert_int_equal(cnt, 1);
	sz = add_frame(mem, start(mem), RECORD_EVENT, 8, "\1\0\x8\0\0\0\0", 8); /* smaller than any header */
	assert_int_equal(read_frames(mem, sz, &cnt, &skipped), REPLAY_BAD);
}

static void unknown_types(void **state)
{
	struct event_hdr e = {.kind = 60, .size = sizeof(e), .time_ns = 5};
	struct record_tick tick = {.time_ns = 1};
	uint64_t cnt, skipped, mark = 4;
	char mem[4096];
	size_t sz = add_frame(mem, start(mem), 30, 5, "hello", 5);

	sz = add_frame(mem, sz, RECORD_TICK, 16, &tick, 16);
	sz = add_frame(mem, sz, RECORD_EVENT, sizeof(e), &e, sizeof(e));
	sz = add_frame(mem, sz, 0, 0, "", 0);
	sz = add_frame(mem, sz, RECORDING_END, 8, &mark, 8);
	assert_int_equal(read_frames(mem, sz, &cnt, &skipped), REPLAY_END);
	assert_int_equal(cnt, 1);
	assert_int_equal(skipped, 3);
}

static void wrong_count(void **state)
{
	struct record_tick tick = {.time_ns = 1};
	uint64_t cnt, skipped, mark = 2;
	char mem[4096];
	size_t sz = add_frame(mem, start(mem), RECORD_TICK, 16, &tick, 16), end;

	end = add_frame(mem, sz, RECORDING_END, 8, &mark, 8);
	assert_int_equal(read_frames(mem, end, &cnt, &skipped), REPLAY_BAD);
	end = add_frame(mem, sz, RECORDING_END, 4, &mark, 4);
	assert_int_equal(read_frames(mem, end, &cnt, &skipped), REPLAY_BAD);
}

static int put(const struct record *rec, void *arg)
{
	return recorder_put(arg, rec);
}

/* The flight recorder's content goes to a file as it is. */
static void ring_to_file(void **state)
{
	struct bytes b = {0};
	FILE *f = open_memstream(&b.mem, &b.sz);
	struct record_ring *ring;
	struct recorder *r;
	union any_record a;
	int cnt;

	assert_int_equal(record_ring_new(1 << 20, &ring), 0);
	for (int i = 0; i < RECORDS_CNT; i++) {
		struct record rec = records_get(i, &a);

		record_ring_put(ring, &rec);
	}
	assert_int_equal(recorder_new(f, &r), 0);
	assert_int_equal(record_ring_each(ring, put, r), 0);
	assert_int_equal(recorder_end(r), 0);
	fclose(f);
	assert_int_equal(read_all(b.mem, b.sz, 0, &cnt, NULL), REPLAY_END);
	assert_int_equal(cnt, RECORDS_CNT);
	recorder_free(r);
	record_ring_free(ring);
	free(b.mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),    cmocka_unit_test(from_pipe),   cmocka_unit_test(from_stdin),
		cmocka_unit_test(truncated),     cmocka_unit_test(flipped),     cmocka_unit_test(headers),
		cmocka_unit_test(no_files),      cmocka_unit_test(sizes),       cmocka_unit_test(not_sane),
		cmocka_unit_test(unknown_types), cmocka_unit_test(wrong_count), cmocka_unit_test(ring_to_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
