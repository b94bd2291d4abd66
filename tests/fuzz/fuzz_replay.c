/* SPDX-License-Identifier: BSD-2-Clause */
/* Throws damaged recordings at replay_source: no crash, no read beyond a buffer, and whatever is delivered passes its
 * check. Random bytes would not get past the checksums, so after each mutation most of them are made right again; a
 * recording of every type and kind is what the mutations begin with. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "events/recorder.h"
#include "events/replay_source.h"
#include "records.h"

#define FEW 40000u /* longer inputs are begun anew: they were made for one try of add_long() */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

static int memory_file(const uint8_t *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("recording", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	return fd;
}

/* Reads all of a record, as a consumer would. */
static void use(const struct record *r, struct record_ring *ring)
{
	volatile unsigned char sum = 0;

	if (record_check(r) || !record_type_name(r->type) || (uintptr_t)r->body % 8)
		abort();
	for (uint32_t i = 0; i < r->size; i++)
		sum = (unsigned char)(sum + ((const unsigned char *)r->body)[i]);
	record_ring_put(ring, r);
}

static int check_again(const struct record *r, void *arg)
{
	return record_check(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct replay_source *s = NULL;
	struct record_ring *ring;
	struct record r;
	char path[64], why[WHY_SZ] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory_file(data, size));
	if (replay_source_open(path, &s, why)) {
		if (s || !*why)
			abort();
		return 0;
	}
	if (record_ring_new(6000, &ring))
		abort();
	while (replay_source_next(s, &r) == REPLAY_RECORD)
		use(&r, ring);
	if (record_ring_each(ring, check_again, NULL))
		abort();
	record_ring_free(ring);
	replay_source_close(s);
	return 0;
}

static size_t whole_recording(uint8_t *data, size_t max)
{
	char *mem = NULL;
	size_t sz = 0;
	FILE *f = open_memstream(&mem, &sz);
	struct recorder *r;
	union any_record a;

	if (!f || recorder_new(f, &r))
		abort();
	for (int i = 0; i < RECORDS_CNT; i++) {
		struct record rec = records_get(i, &a);

		recorder_put(r, &rec);
	}
	recorder_end(r);
	recorder_free(r);
	fclose(f);
	if (sz < max)
		max = sz;
	memcpy(data, mem, max);
	free(mem);
	return max;
}

static void repair(uint8_t *data, size_t size, unsigned int dice)
{
	struct recording_header h;
	struct recording_frame f;
	size_t at = sizeof(h);

	if (size < at)
		return;
	if (dice % 8) {
		recording_header_fill(&h);
		memcpy(data, &h, sizeof(h));
	}
	while (size - at >= sizeof(f)) {
		size_t room = size - at - sizeof(f);

		memcpy(&f, data + at, sizeof(f));
		if (f.size <= RECORDING_BODY_MAX && recording_padded(f.size) <= room)
			f.body_crc = recording_body_crc(data + at + sizeof(f), f.size);
		f.frame_crc = recording_frame_crc(&f);
		memcpy(data + at, &f, sizeof(f));
		if (f.size > room || recording_padded(f.size) > room)
			return;
		at += sizeof(f) + recording_padded(f.size);
	}
}

/* A frame in front of all others whose body is about as long as the longest. */
static size_t add_long(uint8_t *data, size_t size, size_t max, unsigned int dice)
{
	struct recording_frame f = {.size = RECORDING_BODY_MAX - 64 + dice % 128, .type = (uint16_t)(dice / 128 % 16)};
	size_t at = sizeof(struct recording_header), n = sizeof(f) + recording_padded(f.size);

	if (size < at || max - size < n)
		return size;
	memmove(data + at + n, data + at, size - at);
	memset(data + at, 1, n);
	memcpy(data + at, &f, sizeof(f));
	return size + n;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	if (size < sizeof(struct recording_header) || size > FEW)
		size = whole_recording(data, max);
	if (seed % 64 == 1)
		size = add_long(data, size, max, seed / 64);
	size = LLVMFuzzerMutate(data, size, max);
	if (seed % 16)
		repair(data, size, seed / 16);
	return size;
}
