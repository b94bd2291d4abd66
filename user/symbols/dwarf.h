/* SPDX-License-Identifier: BSD-2-Clause */
/* Offsets of struct fields of the Go runtime out of DWARF 4 and 5. */
#pragma once

#include "symbols/elf_image.h"

#define DWARF_TYPES_MAX 12

struct dwarf_types;

/* True if the image has the sections that dwarf_types_open needs. */
bool dwarf_exists(const struct elf_image *img);
/* A struct type by its name ("runtime.schedt"), or where that is missing as the type of a variable (NULL: none). */
struct dwarf_want {
	const char *type, *variable;
};

/* Finds the struct types in the unit of package runtime that has them. 0 with *ret (the caller's) if at least one was
 * found; -ENOENT, -EOPNOTSUPP, -EFBIG, -EBADMSG, -ENOMEM. */
int dwarf_types_open(struct elf_image *img, const struct dwarf_want *wants, unsigned cnt, struct dwarf_types **ret);
struct dwarf_types *dwarf_types_free(struct dwarf_types *t);
/* Offset of a field, given as a path "gFree.stack.size", in the type with that index, or the type's size (path "");
 * -ENOENT, -EBADMSG. */
int64_t dwarf_types_field(struct dwarf_types *t, unsigned type, const char *path);
