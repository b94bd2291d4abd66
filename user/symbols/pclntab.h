/* SPDX-License-Identifier: BSD-2-Clause */
/* Go's own function table, which stripping leaves in place: function name to entry and end. */
#pragma once

#include "symbols/symbol.h"

struct pclntab {
	uint64_t vaddr, offset, size; /* size: to the end of the section or segment */
	uint64_t text;                /* link address that entries count from */
	uint64_t moduledata;          /* address of runtime.firstmoduledata, 0 = not looked for or not found */
	uint32_t func_cnt;
	uint64_t names, names_sz; /* position and size of the names in the table */
	uint64_t funcs;           /* position of the function entries */
};

/* Go 1.18 to 1.27. 0, -ENOENT with why. */
int pclntab_open(struct elf_image *img, struct pclntab *ret, char *why);
/* Fills vaddr and end of the symbols that have none yet. 0 or -errno; unfound symbols stay 0. */
int pclntab_find(struct elf_image *img, const struct pclntab *tab, struct symbol *symbols, unsigned cnt);
/* The code of package runtime around `anchor`, one of its functions, with that of the packages below it and what the
 * linker put between; never the program's own. *from == *to if unknown. 0 or -ENOMEM. */
int pclntab_find_runtime(struct elf_image *img, const struct pclntab *tab, uint64_t anchor, uint64_t *from,
			 uint64_t *to);
/* An address that runtime.firstmoduledata holds at that offset, looked up in the file or among the relocations; the
 * moduledata is looked for if need be. 0 or -ENOENT. */
int pclntab_moduledata_word(struct elf_image *img, struct pclntab *t, unsigned offset, uint64_t *ret);
