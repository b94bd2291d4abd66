/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of the Go runtime's global variables. */
#pragma once

#include "symbols/symbol.h"
#include "symbols/binary.h"

/* The ELF symbol of a global ("runtime.gomaxprocs"). */
const char *globals_symbol(enum go_global g);
/* Takes the addresses out of symbols (GLOBAL_CNT of them, in the order of enum go_global, looked up in the symbol
 * table) into b->globals. What cannot be in the file's writable memory stays 0; anything missing is explained in
 * layout_why. */
void globals_take(const struct elf_image *img, const struct symbol *symbols, struct binary *b);
