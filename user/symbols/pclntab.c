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

/* Names that are not in the table need not be waited for. */
static bool nothing_left(const struct symbol *symbols, unsigned cnt)
{
	for (unsigned i = 0; i < cnt; i++)
		if (symbols[i].name_cnt && !symbols[i].vaddr)
			return false;
	return true;
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
			if (nothing_left(symbols, cnt))
				break;
		}
		elf_window_close(&records);
	}
	elf_window_close(&pairs);
	return err;
}

/* ---- the runtime's code ---------------------------------------------------------------------------------- */

#define NAME_MAX_SZ       96
#define RUNTIME_FUNCS_MAX 16384      /* up to 1,800 in Go 1.27, which come first in the text */
#define RUNTIME_GAP       (8u << 10) /* others' code between two of its functions: up to 3,800 bytes in Go 1.18-1.27 */

struct runtime_range {
	uint64_t anchor;
	uint64_t from; /* 0: not begun */
	uint64_t to;   /* end of the last function that belongs to it */
};

static bool starts(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Not its generic functions and method values: they are in the package that uses them. */
static bool is_runtime_name(const char *name)
{
	size_t len = strlen(name);

	return starts(name, "runtime.") && !strchr(name, '[') && !(len > 3 && strcmp(name + len - 3, "-fm") == 0);
}

/* Of the packages that the runtime imports, and helpers in assembler. */
static bool is_below_runtime(const char *name)
{
	return starts(name, "internal/") || starts(name, "runtime/internal/") || starts(name, "type.") ||
	       starts(name, "type:") || !strchr(name, '.');
}

/* False behind the runtime's end. Functions that it implements for other packages (sync.runtime_Semacquire) are
 * between its own, so that only distance tells where it ends. */
static bool take_runtime(struct runtime_range *r, const char *name, uint64_t entry, uint64_t end)
{
	bool behind = entry > r->anchor;

	if (r->from && entry - r->to > RUNTIME_GAP) {
		if (behind)
			return false;
		r->from = 0;
	}
	if (!is_runtime_name(name) && (behind || !is_below_runtime(name)))
		return true;
	if (!r->from)
		r->from = entry;
	r->to = end;
	return true;
}

struct function_walk {
	struct elf_window pairs, records, names;
};

static void close_walk(struct function_walk *w)
{
	elf_window_close(&w->pairs);
	elf_window_close(&w->records);
	elf_window_close(&w->names);
}

static int open_walk(struct elf_image *img, const struct pclntab *t, struct function_walk *w)
{
	int err;

	*w = (struct function_walk){0};
	err = elf_window_open(&w->pairs, img, t->offset + t->funcs, (uint64_t)t->func_cnt * PAIR_SZ + 4);
	if (!err)
		err = elf_window_open(&w->records, img, t->offset + t->funcs, t->size - t->funcs);
	if (!err)
		err = elf_window_open(&w->names, img, t->offset + t->names, t->names_sz);
	if (err)
		close_walk(w);
	return err;
}

/* Entry and end of function i, and its name, cut when longer; false if the table is damaged there. */
static bool read_function(struct function_walk *w, uint32_t i, uint32_t *entry, uint32_t *end, char name[NAME_MAX_SZ])
{
	const uint8_t *p = elf_window_get(&w->pairs, (uint64_t)i * PAIR_SZ, PAIR_SZ + 4);
	uint64_t at, len;

	if (!p)
		return false;
	*entry = elf_u32(p);
	*end = elf_u32(p + PAIR_SZ);
	p = elf_window_get(&w->records, elf_u32(p + 4), 8);
	if (!p || elf_u32(p) != *entry || *end < *entry)
		return false;
	at = elf_u32(p + 4);
	len = at < w->names.size ? w->names.size - at : 0;
	len = len < NAME_MAX_SZ - 1 ? len : NAME_MAX_SZ - 1;
	p = len ? elf_window_get(&w->names, at, len) : NULL;
	if (!p)
		return false;
	memcpy(name, p, len);
	name[len] = '\0';
	return true;
}

int pclntab_find_runtime(struct elf_image *img, const struct pclntab *t, uint64_t anchor, uint64_t *from, uint64_t *to)
{
	struct runtime_range r = {.anchor = anchor};
	struct function_walk w;
	char name[NAME_MAX_SZ];
	uint32_t entry, end;
	int err;

	*from = *to = 0;
	err = anchor < t->text ? 0 : open_walk(img, t, &w);
	if (err || anchor < t->text)
		return err;
	for (uint32_t i = 0; i < t->func_cnt && i < RUNTIME_FUNCS_MAX && read_function(&w, i, &entry, &end, name); i++)
		if (!take_runtime(&r, name, t->text + entry, t->text + end))
			break;
	close_walk(&w);
	if (r.from && r.from <= anchor && anchor < r.to) {
		*from = r.from;
		*to = r.to;
	}
	return 0;
}
