/* SPDX-License-Identifier: BSD-2-Clause */
/* What the linker wrote about the program's memory into runtime.firstmoduledata. */
#pragma once

#include "symbols/pclntab.h"

/* The parts in which the runtime's variables lie. */
enum moduledata_part { MODULEDATA_NOPTRDATA, MODULEDATA_DATA, MODULEDATA_BSS, MODULEDATA_NOPTRBSS, MODULEDATA_PARTS };

struct moduledata {
	uint64_t vaddr; /* link-time address of the structure */
	uint64_t text, etext;
	struct {
		uint64_t start, end;
	} parts[MODULEDATA_PARTS];
};

/* Finds and checks it: text is executable, the parts are writable memory, in order. 0 or -ENOENT with why. */
int moduledata_read(struct elf_image *img, struct pclntab *tab, struct moduledata *ret, char *why);
/* The part that has all of [vaddr, vaddr + size); MODULEDATA_PARTS if none has. */
enum moduledata_part moduledata_find(const struct moduledata *md, uint64_t vaddr, uint64_t size);
