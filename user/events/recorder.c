/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes the format of recording.h to a stream. Nothing is sought back to, so a pipe does as well as a file. */
#include "events/recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "events/recording.h"
#include "events/source.h"

struct recorder {
	FILE *file; /* borrowed */
	uint64_t cnt, bytes;
	int err;
	_Alignas(8) unsigned char body[RECORDING_BODY_MAX];
};

void recording_header_fill(struct recording_header *h)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->magic, RECORDING_MAGIC, sizeof(h->magic));
	h->version = RECORDING_VERSION;
	h->byte_order = RECORDING_BYTE_ORDER;
	h->size = sizeof(*h);
	for (unsigned int t = 0; t < RECORDING_TYPES; t++)
		h->record_sizes[t] = record_size((enum record_type)t);
	for (unsigned int k = 0; k < RECORDING_KINDS; k++)
		h->event_sizes[k] = event_size((uint16_t)k);
	h->crc = recording_header_crc(h);
}

uint32_t recording_header_crc(const struct recording_header *h)
{
	struct recording_header copy = *h;

	copy.crc = 0;
	return (uint32_t)crc32(0, (const unsigned char *)&copy, sizeof(copy));
}

uint32_t recording_frame_crc(const struct recording_frame *f)
{
	return (uint32_t)crc32(0, (const unsigned char *)f, offsetof(struct recording_frame, frame_crc));
}

uint32_t recording_body_crc(const void *padded, uint32_t size)
{
	return (uint32_t)crc32(0, padded, recording_padded(size));
}

static int write_bytes(struct recorder *r, const void *data, size_t sz)
{
	errno = 0;
	if (fwrite(data, 1, sz, r->file) != sz) {
		r->err = errno ? -errno : -EIO;
		return r->err;
	}
	r->bytes += sz;
	return 0;
}

static int write_frame(struct recorder *r, uint16_t type, const void *body, uint32_t size)
{
	uint32_t padded = recording_padded(size);
	struct recording_frame f = {.size = size, .type = type};

	memcpy(r->body, body, size);
	memset(r->body + size, 0, padded - size);
	f.body_crc = recording_body_crc(r->body, size);
	f.frame_crc = recording_frame_crc(&f);
	if (write_bytes(r, &f, sizeof(f)))
		return r->err;
	return write_bytes(r, r->body, padded);
}

int recorder_new(FILE *file, struct recorder **ret)
{
	struct recorder *r = calloc(1, sizeof(*r));
	struct recording_header h;
	int err;

	if (!r)
		return -ENOMEM;
	r->file = file;
	recording_header_fill(&h);
	err = write_bytes(r, &h, sizeof(h));
	if (!err && fflush(file))
		err = errno ? -errno : -EIO;
	if (err) {
		recorder_free(r);
		return err;
	}
	*ret = r;
	return 0;
}

struct recorder *recorder_free(struct recorder *r)
{
	free(r);
	return NULL;
}

int recorder_put(struct recorder *r, const struct record *rec)
{
	if (r->err)
		return r->err;
	if (rec->size > RECORDING_BODY_MAX)
		return -EMSGSIZE;
	if (write_frame(r, (uint16_t)rec->type, rec->body, rec->size))
		return r->err;
	r->cnt++;
	return 0;
}

int recorder_end(struct recorder *r)
{
	if (r->err || write_frame(r, RECORDING_END, &r->cnt, sizeof(r->cnt)))
		return r->err;
	errno = 0;
	if (fflush(r->file))
		r->err = errno ? -errno : -EIO;
	return r->err;
}

uint64_t recorder_cnt(const struct recorder *r)
{
	return r->cnt;
}

uint64_t recorder_bytes(const struct recorder *r)
{
	return r->bytes;
}
