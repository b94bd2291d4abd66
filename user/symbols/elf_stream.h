/* SPDX-License-Identifier: BSD-2-Clause */
/* A section's content read once from front to back, decompressed on the way. */
#pragma once

#include <stdint.h>
#include <zlib.h>

#include "symbols/elf_image.h"

struct elf_stream {
	struct elf_window window; /* the stored bytes */
	uint64_t pos;             /* in the stored bytes */
	uint64_t left;            /* content bytes that are still to come */
	bool deflated;
	z_stream z;
};

/* Finds a debug section by its name without the leading ".": `.debug_info` (plain or SHF_COMPRESSED) or `.zdebug_info`
 * (Go 1.18). 0, -ENOENT, -EOPNOTSUPP (compressed by something else than zlib), -EFBIG, -errno. */
int elf_stream_open(struct elf_stream *s, struct elf_image *img, const char *name);
void elf_stream_close(struct elf_stream *s);
/* 0 with all of len bytes in buf, -ENODATA at the end, -EBADMSG for a broken stream. */
int elf_stream_read(struct elf_stream *s, void *buf, size_t len);
int elf_stream_skip(struct elf_stream *s, uint64_t len);
