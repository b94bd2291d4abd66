/* SPDX-License-Identifier: BSD-2-Clause */
/* The structure has the same ten words behind the tables' slices in Go 1.18 to 1.27: text, etext, noptrdata, data, bss,
 * noptrbss, each but the last with its end. All of the runtime's variables lie in those four parts, which lie in
 * writable segments; anything else is not this structure, or of a version that nobody has seen. */
#include "symbols/moduledata.h"

#include "base/err.h"

#define AT_TEXT  176
#define AT_PARTS 192 /* pairs of words */

static bool is_writable(const struct elf_image *img, uint64_t start, uint64_t end)
{
	for (unsigned i = 0; i < img->load_cnt; i++) {
		const struct elf_segment *l = &img->loads[i];

		if ((l->flags & PF_W) && start >= l->vaddr && start <= end && end - l->vaddr <= l->memsz)
			return true;
	}
	return false;
}

static bool read_words(struct elf_image *img, struct pclntab *tab, struct moduledata *md)
{
	if (pclntab_moduledata_word(img, tab, AT_TEXT, &md->text) != 0 ||
	    pclntab_moduledata_word(img, tab, AT_TEXT + 8, &md->etext) != 0)
		return false;
	for (unsigned i = 0; i < MODULEDATA_PARTS; i++)
		if (pclntab_moduledata_word(img, tab, AT_PARTS + 16 * i, &md->parts[i].start) != 0 ||
		    pclntab_moduledata_word(img, tab, AT_PARTS + 16 * i + 8, &md->parts[i].end) != 0)
			return false;
	md->vaddr = tab->moduledata;
	return true;
}

int moduledata_read(struct elf_image *img, struct pclntab *tab, struct moduledata *ret, char *why)
{
	struct moduledata md;

	if (!read_words(img, tab, &md))
		return err_why(why, -ENOENT, "moduledata was not found");
	if (md.text >= md.etext || !elf_image_is_exec(img, md.text) || !elf_image_is_exec(img, md.etext - 1))
		return err_why(why, -ENOENT, "moduledata is implausible: its text is no code");
	for (unsigned i = 0; i < MODULEDATA_PARTS; i++)
		if (!is_writable(img, md.parts[i].start, md.parts[i].end))
			return err_why(why, -ENOENT, "moduledata is implausible: its data is not in writable memory");
	*ret = md;
	return 0;
}

enum moduledata_part moduledata_find(const struct moduledata *md, uint64_t vaddr, uint64_t size)
{
	unsigned i = 0;

	while (i < MODULEDATA_PARTS &&
	       !(vaddr >= md->parts[i].start && vaddr < md->parts[i].end && size <= md->parts[i].end - vaddr))
		i++;
	return (enum moduledata_part)i;
}
