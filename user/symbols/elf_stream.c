/* SPDX-License-Identifier: BSD-2-Clause */
/* Go's linker compresses DWARF: up to 1.18 as `.zdebug_NAME` ("ZLIB", 8 bytes of big-endian size, zlib data), from 1.19
 * on as `.debug_NAME` with SHF_COMPRESSED (Elf64_Chdr, zlib data). Decompressing goes through one window, so that a
 * section of any size costs the same memory; CONTENT_MAX bounds the time that a decompression bomb gets. */
#include "symbols/elf_stream.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"

#define CONTENT_MAX      (128ull << 20) /* .debug_info of a 100 MB Go program has about 40 MB */
#define ZDEBUG_HEADER_SZ 12
#define COMPRESS_ZLIB    1

/* Makes sense of the header of a compressed section; *header_sz bytes come before the data. */
static int read_header(struct elf_stream *s, struct elf_image *img, const struct elf_section *sec, bool zdebug,
		       uint64_t *header_sz)
{
	uint8_t h[sizeof(Elf64_Chdr)];
	int err;

	if (zdebug) {
		err = sec->size < ZDEBUG_HEADER_SZ ? -ENODATA : elf_image_read(img, sec->offset, h, ZDEBUG_HEADER_SZ);
		if (err || memcmp(h, "ZLIB", 4) != 0)
			return err ? err : -EBADMSG;
		s->left = 0;
		for (int i = 4; i < ZDEBUG_HEADER_SZ; i++)
			s->left = s->left << 8 | h[i];
		*header_sz = ZDEBUG_HEADER_SZ;
		return 0;
	}
	err = sec->size < sizeof(h) ? -ENODATA : elf_image_read(img, sec->offset, h, sizeof(h));
	if (err)
		return err;
	if (elf_u32(h) != COMPRESS_ZLIB)
		return -EOPNOTSUPP;
	s->left = elf_u64(h + 8);
	*header_sz = sizeof(h);
	return 0;
}

int elf_stream_open(struct elf_stream *s, struct elf_image *img, const char *name)
{
	const struct elf_section *sec;
	char full[ELF_NAME_SZ];
	uint64_t header_sz = 0;
	bool zdebug = false;
	int err;

	*s = (struct elf_stream){0};
	snprintf(full, sizeof(full), ".%s", name);
	sec = elf_image_find_section(img, full);
	if (!sec) {
		snprintf(full, sizeof(full), ".z%s", name);
		sec = elf_image_find_section(img, full);
		zdebug = true;
	}
	if (!sec || sec->size == 0)
		return -ENOENT;
	s->left = sec->size;
	s->deflated = zdebug || (sec->flags & SHF_COMPRESSED);
	if (s->deflated) {
		err = read_header(s, img, sec, zdebug, &header_sz);
		if (err)
			return err;
	}
	if (s->left > CONTENT_MAX)
		return -EFBIG;
	if (s->deflated && inflateInit(&s->z) != Z_OK)
		return -ENOMEM;
	err = elf_window_open(&s->window, img, sec->offset + header_sz, sec->size - header_sz);
	if (err)
		elf_stream_close(s);
	return err;
}

void elf_stream_close(struct elf_stream *s)
{
	if (s->deflated)
		inflateEnd(&s->z); /* harmless on a stream that never began */
	s->deflated = false;
	elf_window_close(&s->window);
}

static int inflate_some(struct elf_stream *s, void *buf, size_t len)
{
	s->z.next_out = buf;
	s->z.avail_out = (uInt)len;
	while (s->z.avail_out > 0) {
		int z;

		if (s->z.avail_in == 0) {
			size_t n;
			const uint8_t *p = elf_window_next(&s->window, s->pos, &n);

			if (!p)
				return -ENODATA;
			s->z.next_in = (Bytef *)p;
			s->z.avail_in = (uInt)n;
			s->pos += n;
		}
		z = inflate(&s->z, Z_NO_FLUSH);
		if (z != Z_OK && !(z == Z_STREAM_END && s->z.avail_out == 0))
			return -EBADMSG;
	}
	return 0;
}

int elf_stream_read(struct elf_stream *s, void *buf, size_t len)
{
	int err;

	if (len > s->left)
		return -ENODATA;
	if (s->deflated) {
		err = inflate_some(s, buf, len);
	} else {
		err = elf_image_read(s->window.img, s->window.start + s->pos, buf, len);
		s->pos += len;
	}
	s->left -= len;
	return err;
}

int elf_stream_skip(struct elf_stream *s, uint64_t len)
{
	uint8_t sink[16 << 10];

	if (len > s->left)
		return -ENODATA;
	if (!s->deflated) {
		s->pos += len;
		s->left -= len;
		return 0;
	}
	while (len > 0) {
		size_t n = len < sizeof(sink) ? (size_t)len : sizeof(sink);
		int err = elf_stream_read(s, sink, n);

		if (err)
			return err;
		len -= n;
	}
	return 0;
}
