/* SPDX-License-Identifier: BSD-2-Clause */
/* The instruction of a Go function's prologue that a probe goes to. */
#pragma once

#include "symbols/binary.h"
#include "symbols/elf_image.h"

/* Decodes the function at [entry, end) and fills *ret, always: how == SITE_NONE comes with why. A function may get its
 * first instruction (single-stepped, some microseconds a hit) only if it is declared cold. */
void probe_site_find(struct elf_image *img, uint64_t entry, uint64_t end, bool cold, struct probe_site *ret);
/* The conditional branch behind the only call of `callee` (0 unknown) in the function at [entry, end), which tests what
 * the call gave back: *ret is filled always, as above. For the end of a call that must not be seen at its RET. */
void probe_site_after_call(struct elf_image *img, uint64_t entry, uint64_t end, uint64_t callee,
			   struct probe_site *ret);
