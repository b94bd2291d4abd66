/* SPDX-License-Identifier: BSD-2-Clause */
/* One pass over .strtab for the names, one over .symtab for the entries, both through windows: the symbol table of an
 * 80 MB program has 5 MB and its strings 10 MB. .dynsym is no substitute: Go exports nothing of the runtime there. */
#include "symbols/symtab.h"

#include "base/err.h"

static const struct elf_section *find_table(const struct elf_image *img)
{
	for (unsigned i = 0; i < img->section_cnt; i++)
		if (img->sections[i].type == SHT_SYMTAB && img->sections[i].size > 0 &&
		    img->sections[i].link < img->section_cnt)
			return &img->sections[i];
	return NULL;
}

bool symtab_exists(const struct elf_image *img)
{
	return find_table(img) != NULL;
}

static void take_symbol(struct symbol *symbols, unsigned cnt, const uint8_t *p)
{
	uint64_t value = elf_u64(p + 8), size = elf_u64(p + 16);
	unsigned section = p[6] | p[7] << 8;
	struct symbol *s;

	if (section == SHN_UNDEF || value == 0)
		return;
	s = symbol_find_name(symbols, cnt, elf_u32(p));
	if (!s || s->vaddr)
		return;
	s->vaddr = value;
	s->end = size <= UINT64_MAX - value ? value + size : value;
}

static void scan_entries(struct symbol *symbols, unsigned cnt, struct elf_window *w)
{
	const uint8_t *p;
	size_t n;

	for (uint64_t pos = 0; (p = elf_window_next(w, pos, &n)) && n >= sizeof(Elf64_Sym);) {
		size_t entries = n / sizeof(Elf64_Sym);

		for (size_t i = 0; i < entries; i++)
			take_symbol(symbols, cnt, p + i * sizeof(Elf64_Sym));
		if (symbol_all_found(symbols, cnt))
			return;
		pos += entries * sizeof(Elf64_Sym);
	}
}

int symtab_find(struct elf_image *img, struct symbol *symbols, unsigned cnt)
{
	const struct elf_section *table = find_table(img), *strings;
	struct elf_window w;
	int err;

	if (!table)
		return -ENOENT;
	strings = &img->sections[table->link];
	err = elf_window_open(&w, img, strings->offset, strings->size);
	if (err)
		return err;
	err = symbol_scan_names(symbols, cnt, &w);
	elf_window_close(&w);
	if (err <= 0)
		return err;
	err = elf_window_open(&w, img, table->offset, table->size);
	if (err)
		return err;
	scan_entries(symbols, cnt, &w);
	elf_window_close(&w);
	return 0;
}
