/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking a handful of names up among 200,000: the string table is scanned once for the names, afterwards the entries
 * are compared by number only. GNU ld stores a name that ends another one only once (cgo programs are linked by it), so
 * the tails of strings count as well. */
#include "symbols/symbol.h"

#include <string.h>

#define NAME_MAX_LEN 128 /* longer strings are skipped in pieces: no wanted name is that long */

static void add_offset(struct symbol *s, uint64_t off, bool whole)
{
	if (off > UINT32_MAX)
		return;
	if (whole && !s->whole) {
		if (s->name_cnt == 0)
			s->name_cnt = 1;
		else if (s->name_cnt < SYMBOL_NAMES_MAX)
			s->name_off[s->name_cnt++] = s->name_off[0];
		s->name_off[0] = (uint32_t)off;
		s->whole = true;
	} else if (s->name_cnt < SYMBOL_NAMES_MAX) {
		s->name_off[s->name_cnt++] = (uint32_t)off;
	}
}

struct name_filter {
	uint8_t bit[32]; /* last four bytes of the wanted names, hashed */
};

static unsigned tail_hash(const uint8_t *end)
{
	uint32_t v;

	memcpy(&v, end - 4, sizeof(v));
	return (v * 2654435761u) >> 24;
}

static void check_string(struct symbol *symbols, unsigned cnt, const struct name_filter *filter, const uint8_t *str,
			 size_t len, uint64_t off)
{
	unsigned h;

	if (len < 4)
		return;
	h = tail_hash(str + len);
	if (!(filter->bit[h / 8] & 1u << h % 8))
		return;
	for (unsigned i = 0; i < cnt; i++) {
		size_t n = strlen(symbols[i].name);

		if (n <= len && memcmp(str + len - n, symbols[i].name, n) == 0)
			add_offset(&symbols[i], off + len - n, n == len);
	}
}

int symbol_scan_names(struct symbol *symbols, unsigned cnt, struct elf_window *names)
{
	struct name_filter filter = {{0}};
	uint64_t pos = 0;
	const uint8_t *p, *nul;
	size_t n;
	int seen = 0;

	for (unsigned i = 0; i < cnt; i++) {
		unsigned h = tail_hash((const uint8_t *)symbols[i].name + strlen(symbols[i].name));

		filter.bit[h / 8] |= (uint8_t)(1u << h % 8);
	}
	while ((p = elf_window_next(names, pos, &n))) {
		size_t i = 0;

		while (i < n && (nul = memchr(p + i, 0, n - i))) {
			size_t len = (size_t)(nul - (p + i));

			check_string(symbols, cnt, &filter, p + i, len, pos + i);
			i += len + 1;
		}
		if (i == 0)
			i = n > NAME_MAX_LEN ? n - NAME_MAX_LEN : n;
		pos += i;
		if (pos + 4 > names->size)
			break;
	}
	for (unsigned i = 0; i < cnt; i++)
		seen += symbols[i].name_cnt > 0;
	return seen;
}

struct symbol *symbol_find_name(struct symbol *symbols, unsigned cnt, uint32_t name_off)
{
	for (unsigned i = 0; i < cnt; i++)
		for (unsigned j = 0; j < symbols[i].name_cnt; j++)
			if (symbols[i].name_off[j] == name_off)
				return &symbols[i];
	return NULL;
}

bool symbol_all_found(const struct symbol *symbols, unsigned cnt)
{
	for (unsigned i = 0; i < cnt; i++)
		if (symbols[i].vaddr == 0)
			return false;
	return true;
}
