/* SPDX-License-Identifier: BSD-2-Clause */
/* Runtime globals by their names in .symtab. Programs without a symbol table keep their functions (pclntab) but lose
 * the names of their variables; those stay unknown, and what is read from them is off with the reason given here. */
#include "symbols/globals.h"

static const char *const names[GLOBAL_CNT] = {
	[GLOBAL_GOMAXPROCS] = "runtime.gomaxprocs", [GLOBAL_GCCONTROLLER] = "runtime.gcController",
	[GLOBAL_MEMSTATS] = "runtime.memstats",     [GLOBAL_WORK] = "runtime.work",
	[GLOBAL_SCHED] = "runtime.sched",           [GLOBAL_ALLP] = "runtime.allp",
	[GLOBAL_ALLGLEN] = "runtime.allglen",       [GLOBAL_ALLGPTR] = "runtime.allgptr",
	[GLOBAL_ALLGS] = "runtime.allgs",           [GLOBAL_ALLM] = "runtime.allm",
	[GLOBAL_GCPHASE] = "runtime.gcphase",       [GLOBAL_INIT_TIME] = "runtime.runtimeInitTime",
	[GLOBAL_WAIT_REASONS] = "runtime.waitReasonStrings",
};

const char *globals_symbol(enum go_global g)
{
	return names[g];
}

/* Globals lie in .data or .bss: in a segment's memory, mostly behind its content in the file. */
static bool is_writable(const struct elf_image *img, uint64_t vaddr)
{
	for (unsigned i = 0; i < img->load_cnt; i++) {
		const struct elf_segment *l = &img->loads[i];

		if ((l->flags & PF_W) && vaddr >= l->vaddr && vaddr - l->vaddr < l->memsz)
			return true;
	}
	return false;
}

void globals_take(const struct elf_image *img, const struct symbol *symbols, struct binary *b)
{
	const char *missing = NULL;

	for (int g = 0; g < GLOBAL_CNT; g++) {
		b->globals[g] = is_writable(img, symbols[g].vaddr) ? symbols[g].vaddr : 0;
		if (!b->globals[g] && !missing)
			missing = names[g];
	}
	b->globals_source = b->globals[GLOBAL_GOMAXPROCS] && b->globals[GLOBAL_ALLP] ? GLOBALS_SYMTAB : GLOBALS_NONE;
	if (b->stripped)
		err_why(b->layout_why, 0, "no symbol table: runtime globals unknown");
	else if (missing)
		err_why(b->layout_why, 0, "the symbol table lacks %s: runtime globals incomplete", missing);
}
