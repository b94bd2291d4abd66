/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses from the ELF symbol table, which stripped programs don't have. */
#pragma once

#include "symbols/symbol.h"

bool symtab_exists(const struct elf_image *img);
/* Fills vaddr and end of the symbols that the table defines and that have none yet; 0, -ENOENT without a table, -errno.
 */
int symtab_find(struct elf_image *img, struct symbol *symbols, unsigned cnt);
