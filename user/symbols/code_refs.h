/* SPDX-License-Identifier: BSD-2-Clause */
/* Which addresses a function's code refers to: the only trace that a stripped program has of its variables. */
#pragma once

#include "symbols/elf_image.h"

/* Longer functions are not looked at: tools/globalsgen chooses small ones. */
#define CODE_REFS_FUNCTION_MAX 4096
#define CODE_REFS_MAX          256

struct code_refs;

/* For the image's machine; 0 or -ENOMEM. */
int code_refs_open(const struct elf_image *img, struct code_refs **ret);
struct code_refs *code_refs_close(struct code_refs *r);
/* Link-time addresses that the code in [entry, end) forms, in the order of the instructions, at most CODE_REFS_MAX:
 * amd64 operands relative to rip, arm64 pairs of adrp and the instruction behind it. Code that cannot be read or is cut
 * gives what comes before. Returns their number. */
unsigned code_refs_list(struct code_refs *r, struct elf_image *img, uint64_t entry, uint64_t end,
			uint64_t targets[CODE_REFS_MAX]);
