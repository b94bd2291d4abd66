/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of the Go runtime's global variables. */
#pragma once

#include "symbols/binary.h"
#include "symbols/globals_table.h"
#include "symbols/pclntab.h"
#include "symbols/symbol.h"

/* The ELF symbol of a global ("runtime.gomaxprocs"). */
const char *globals_symbol(enum go_global g);
/* Takes the addresses out of symbols (GLOBAL_CNT of them, in the order of enum go_global, looked up in the symbol
 * table) into b->globals. What cannot be in the file's writable memory stays 0. Without a symbol table the addresses
 * are looked for in the code of runtime functions, which tab has (NULL: no function table). Anything missing that
 * matters is explained in layout_why. 0 or -ENOMEM. */
int globals_take(struct elf_image *img, struct pclntab *tab, const struct symbol *symbols, struct binary *b);

/* The row of the table for the version and architecture of *b; the newest one (*nearest) for versions newer than all;
 * NULL if there is none. */
const struct globals_row *globals_find_row(const struct binary *b, bool *nearest);
/* Addresses by references in code, 0 where the functions do not agree; strict: one dissenting reference is enough. 0,
 * -ENOENT with why (no moduledata), -ENOMEM. */
int globals_from_code(struct elf_image *img, struct pclntab *tab, const struct globals_row *row, bool strict,
		      uint64_t globals[GLOBAL_CNT], char *why);
