/* SPDX-License-Identifier: BSD-2-Clause */
/* Field offsets of the Go runtime's structures in one binary. */
#pragma once

#include "symbols/binary.h"
#include "symbols/elf_image.h"
#include "symbols/release.h"

/* One row holds for patch_min..patch_max of a minor version on one architecture. */
struct layout_row {
	RELEASE_RANGE;
	int16_t fields[FIELD_CNT];
};
extern const struct layout_row layout_table[];
extern const size_t layout_table_cnt;

/* Fills fields, layout and (when there is none) layout_why of *b, whose version and arch are known: from DWARF, else
 * from the table. Missing layouts are no error: 0 or -ENOMEM. */
int layout_read(struct elf_image *img, struct binary *b);
/* The two ways, for tests: 0, or -ENOENT and other reasons with why; nearest: the version is newer than the table. */
int layout_from_dwarf(struct elf_image *img, int16_t fields[FIELD_CNT], char *why);
int layout_from_table(const struct binary *b, int16_t fields[FIELD_CNT], bool *nearest, char *why);
