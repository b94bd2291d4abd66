/* SPDX-License-Identifier: BSD-2-Clause */
/* An ELF image over a descriptor, for tests of symbols/; include it after cmocka.h. */
#pragma once

#include <unistd.h>

#include "symbols/elf_image.h"

static inline void open_image(struct elf_image *img, int fd)
{
	assert_true(fd >= 0);
	assert_int_equal(elf_image_open(img, fd, (uint64_t)lseek(fd, 0, SEEK_END), NULL), 0);
}

/* And the descriptor. */
static inline void close_image(struct elf_image *img)
{
	close(img->fd);
	elf_image_close(img);
}
