/* SPDX-License-Identifier: BSD-2-Clause */
/* Go's pclntab as Go 1.18 to 1.27 write it: a header (magic, 8 words), function names, and at pclnOffset pairs of 32
 * bits (entry, position of the function's record), whose last pair holds only the end of the text; a record is (entry,
 * position of the name, ...). Entries count from textStart. The header's textStart is 0 from Go 1.26 on, and it may be
 * 0 in position independent files; then moduledata tells: it begins with the 16 bytes (address of the table, address of
 * its names) and has `text` at +176 in all ten versions. Linkers that leave relocated words empty (lld with RELA) hide
 * those bytes: the same two addresses are then found as addends of neighbouring relative relocations. */
#include "symbols/pclntab.h"

#include <string.h>

#include "base/err.h"

#define MAGIC_118             0xfffffff0u /* Go 1.18, 1.19 */
#define MAGIC_120             0xfffffff1u /* Go 1.20 to 1.27 */
#define HEADER_SZ             72
#define PAIR_SZ               8
#define FUNCS_MAX             (4u << 20) /* an 80 MB program has 150,000 */
#define MODULEDATA_TEXT       176
#define RELA_RELATIVE_X86_64  8
#define RELA_RELATIVE_AARCH64 1027

static bool parse_header(const struct elf_image *img, const uint8_t *h, uint64_t size, struct pclntab *t)
{
	uint32_t magic = elf_u32(h);
	uint64_t func_cnt = elf_u64(h + 8), names = elf_u64(h + 32), names_end = elf_u64(h + 40);
	uint64_t funcs = elf_u64(h + 64);
	uint8_t quantum = img->machine == EM_X86_64 ? 1 : 4;

	if ((magic != MAGIC_118 && magic != MAGIC_120) || h[4] || h[5] || h[6] != quantum || h[7] != 8)
		return false;
	if (func_cnt == 0 || func_cnt > FUNCS_MAX || names < HEADER_SZ || names >= names_end || names_end > funcs ||
	    funcs > size || func_cnt * PAIR_SZ + 4 > size - funcs)
		return false;
	t->size = size;
	t->text = elf_u64(h + 24);
	t->func_cnt = (uint32_t)func_cnt;
	t->names = names;
	t->names_sz = names_end - names;
	t->funcs = funcs;
	return true;
}

static bool open_at(struct elf_image *img, uint64_t vaddr, uint64_t offset, uint64_t size, struct pclntab *t)
{
	uint8_t h[HEADER_SZ];

	*t = (struct pclntab){.vaddr = vaddr, .offset = offset};
	return size > HEADER_SZ && elf_image_read(img, offset, h, sizeof(h)) == 0 && parse_header(img, h, size, t);
}

static bool scan_load(struct elf_image *img, const struct elf_segment *s, uint32_t magic, struct pclntab *t)
{
	uint8_t pattern[8] = {(uint8_t)magic, 0xff, 0xff, 0xff, 0, 0, img->machine == EM_X86_64 ? 1 : 4, 8};
	struct elf_window w;
	uint64_t pos = 0;
	bool found = false;

	if (elf_window_open(&w, img, s->offset, s->filesz) != 0)
		return false;
	while (!found && elf_window_search(&w, pos, pattern, sizeof(pattern), 8, &pos) == 0) {
		found = open_at(img, s->vaddr + pos, s->offset + pos, s->filesz - pos, t);
		pos++;
	}
	elf_window_close(&w);
	return found;
}

static bool find_table(struct elf_image *img, struct pclntab *t)
{
	static const char *const names[] = {".gopclntab", ".data.rel.ro.gopclntab"};

	for (unsigned i = 0; i < 2; i++) {
		const struct elf_section *s = elf_image_find_section(img, names[i]);

		if (s && open_at(img, s->addr, s->offset, s->size, t))
			return true;
	}
	for (unsigned i = 0; i < img->load_cnt; i++) {
		if (scan_load(img, &img->loads[i], MAGIC_120, t) || scan_load(img, &img->loads[i], MAGIC_118, t))
			return true;
	}
	return false;
}

static bool text_is_good(const struct elf_image *img, uint64_t text)
{
	return text != 0 && elf_image_is_exec(img, text);
}

static int scan_moduledata(struct elf_image *img, const struct pclntab *t, uint64_t vaddr, uint64_t offset,
			   uint64_t size, uint64_t *ret)
{
	uint64_t pattern[2] = {t->vaddr, t->vaddr + t->names}, pos;
	struct elf_window w;
	int err;

	err = elf_window_open(&w, img, offset, size);
	if (err)
		return err;
	err = elf_window_search(&w, 0, pattern, sizeof(pattern), 8, &pos);
	elf_window_close(&w);
	if (!err)
		*ret = vaddr + pos;
	return err;
}

/* By the words themselves: the section that 1.26 gave it, then all writable content. */
static int find_moduledata(struct elf_image *img, const struct pclntab *t, uint64_t *ret)
{
	const struct elf_section *s = elf_image_find_section(img, ".go.module");

	if (s && scan_moduledata(img, t, s->addr, s->offset, s->size, ret) == 0)
		return 0;
	for (unsigned i = 0; i < img->load_cnt; i++) {
		const struct elf_segment *l = &img->loads[i];

		if ((l->flags & PF_W) && scan_moduledata(img, t, l->vaddr, l->offset, l->filesz, ret) == 0)
			return 0;
	}
	return -ENOENT;
}

struct rela_table {
	struct elf_window w;
	uint32_t relative; /* relocation type */
};

static int rela_open(struct elf_image *img, struct rela_table *r)
{
	const struct elf_segment *l;
	uint64_t vaddr, size;

	if (elf_image_find_dynamic(img, DT_RELA, &vaddr) != 0 || elf_image_find_dynamic(img, DT_RELASZ, &size) != 0)
		return -ENOENT;
	l = elf_image_find_load(img, vaddr, size);
	if (!l)
		return -ENOENT;
	r->relative = img->machine == EM_X86_64 ? RELA_RELATIVE_X86_64 : RELA_RELATIVE_AARCH64;
	return elf_window_open(&r->w, img, vaddr - l->vaddr + l->offset, size);
}

/* Place of the relative relocation that writes `addend` (want_place 0) or addend of the one at want_place; 0 if none.
 */
static uint64_t rela_search(struct rela_table *r, uint64_t want_place, uint64_t addend)
{
	const uint8_t *p;

	for (uint64_t pos = 0; (p = elf_window_get(&r->w, pos, sizeof(Elf64_Rela))); pos += sizeof(Elf64_Rela)) {
		if (elf_u32(p + 8) != r->relative)
			continue;
		if (want_place && elf_u64(p) == want_place)
			return elf_u64(p + 16);
		if (!want_place && elf_u64(p + 16) == addend)
			return elf_u64(p);
	}
	return 0;
}

static void text_from_relocations(struct elf_image *img, struct pclntab *t)
{
	struct rela_table r;
	uint64_t names, text;

	if (rela_open(img, &r) != 0)
		return;
	names = rela_search(&r, 0, t->vaddr + t->names); /* funcnametab.ptr: the only word with this value */
	if (names >= 8 && rela_search(&r, names - 8, 0) == t->vaddr) {
		text = rela_search(&r, names - 8 + MODULEDATA_TEXT, 0);
		if (text_is_good(img, text)) {
			t->moduledata = names - 8;
			t->text = text;
		}
	}
	elf_window_close(&r.w);
}

static void find_text(struct elf_image *img, struct pclntab *t)
{
	uint8_t word[8];
	uint64_t moduledata;

	if (find_moduledata(img, t, &moduledata) == 0 &&
	    elf_image_read_vaddr(img, moduledata + MODULEDATA_TEXT, word, sizeof(word)) == 0 &&
	    text_is_good(img, elf_u64(word))) {
		t->moduledata = moduledata;
		t->text = elf_u64(word);
		return;
	}
	text_from_relocations(img, t);
}

int pclntab_moduledata_word(struct elf_image *img, struct pclntab *t, unsigned offset, uint64_t *ret)
{
	struct rela_table r;
	uint8_t word[8];

	if (!t->moduledata)
		find_text(img, t);
	if (!t->moduledata)
		return -ENOENT;
	if (elf_image_read_vaddr(img, t->moduledata + offset, word, sizeof(word)) == 0 && elf_u64(word)) {
		*ret = elf_u64(word);
		return 0;
	}
	if (rela_open(img, &r) != 0)
		return -ENOENT;
	*ret = rela_search(&r, t->moduledata + offset, 0);
	elf_window_close(&r.w);
	return *ret ? 0 : -ENOENT;
}

int pclntab_open(struct elf_image *img, struct pclntab *ret, char *why)
{
	struct pclntab t;

	if (!find_table(img, &t))
		return err_why(why, -ENOENT, "the Go function table was not found");
	if (!text_is_good(img, t.text))
		find_text(img, &t);
	if (!text_is_good(img, t.text))
		return err_why(why, -ENOENT,
			       "the Go function table was found, but not the address that it counts from");
	*ret = t;
	return 0;
}

static void take_function(struct symbol *symbols, unsigned cnt, const struct pclntab *t, const uint8_t *pairs,
			  struct elf_window *records)
{
	const uint8_t *record = elf_window_get(records, elf_u32(pairs + 4), 8);
	struct symbol *s;
	uint32_t entry = elf_u32(pairs), next = elf_u32(pairs + PAIR_SZ);

	if (!record)
		return;
	s = symbol_find_name(symbols, cnt, elf_u32(record + 4));
	if (!s || s->vaddr || elf_u32(record) != entry || next <= entry)
		return;
	s->vaddr = t->text + entry;
	s->end = t->text + next;
}

int pclntab_find(struct elf_image *img, const struct pclntab *t, struct symbol *symbols, unsigned cnt)
{
	struct elf_window pairs, records;
	const uint8_t *p;
	int err;

	err = elf_window_open(&pairs, img, t->offset + t->names, t->names_sz);
	if (err)
		return err;
	for (unsigned i = 0; i < cnt; i++)
		symbols[i].name_cnt = 0, symbols[i].whole = false;
	err = symbol_scan_names(symbols, cnt, &pairs);
	elf_window_close(&pairs);
	if (err <= 0)
		return err;
	err = elf_window_open(&pairs, img, t->offset + t->funcs, (uint64_t)t->func_cnt * PAIR_SZ + 4);
	if (err)
		return err;
	err = elf_window_open(&records, img, t->offset + t->funcs, t->size - t->funcs);
	if (!err) {
		/* a pair and the entry of the next one; the table is sorted, and so are its records */
		for (uint32_t i = 0; i < t->func_cnt && (p = elf_window_get(&pairs, (uint64_t)i * PAIR_SZ, 12)); i++) {
			take_function(symbols, cnt, t, p, &records);
			if (symbol_all_found(symbols, cnt))
				break;
		}
		elf_window_close(&records);
	}
	elf_window_close(&pairs);
	return err;
}
