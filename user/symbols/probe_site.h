/* SPDX-License-Identifier: BSD-2-Clause */
/* The instruction of a Go function's prologue that a probe goes to. */
#pragma once

#include "symbols/binary.h"
#include "symbols/elf_image.h"

/* Decodes the function at [entry, end) and fills *ret, always: how == SITE_NONE comes with why. A function may get its
 * first instruction (single-stepped, some microseconds a hit) only if it is declared cold. */
void probe_site_find(struct elf_image *img, uint64_t entry, uint64_t end, bool cold, struct probe_site *ret);
