/* SPDX-License-Identifier: BSD-2-Clause */
/* Does what is known of a Go release hold for a program? */
#pragma once

#include "symbols/binary.h"

#include <stddef.h>

/* What each row of a table by release begins with: it holds for patch_min..patch_max of a minor on one architecture. */
#define RELEASE_RANGE                                                                                                  \
	uint8_t minor, patch_min, patch_max;                                                                           \
	const char *arch

/* Index of the row that holds for b among cnt of row_sz bytes each; the newest one (*nearest) for releases newer than
 * all; -1: none does. */
long release_find_row(const void *rows, size_t cnt, size_t row_sz, const struct binary *b, bool *nearest);
/* A release as it was published, perhaps with experiments that leave the runtime alone. */
bool release_is_plain(const struct binary *b);
/* Newer than `minor`, of any kind (development versions, release candidates), without experiments that matter. */
bool release_is_newer(const struct binary *b, int minor);
