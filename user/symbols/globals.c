/* SPDX-License-Identifier: BSD-2-Clause */
/* Runtime globals by their names in .symtab, or, in programs that have none, by voting. A stripped program keeps its
 * functions (pclntab) and its code: for each release a generated table says, for some small functions of the runtime,
 * that the reference number N of this function goes to byte D of that global. Each such reference found here is a vote
 * for one address. Patch releases and build modes change some functions, so the majority decides; and as a struct that
 * grew moves the votes for its fields apart, votes for different fields that agree say that the layout is the table's.
 * An address also needs the size, alignment and part of the data (moduledata) that the global has, and may not overlap
 * another one. The linker aligns variables by their size, which refutes a struct shifted as a whole. */
#include "symbols/globals.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "symbols/code_refs.h"
#include "symbols/moduledata.h"
#include "symbols/release.h"

#define FUNCTIONS_MAX 96
#define CANDIDATES    8 /* different addresses that are counted for one global */
#define VOTES_MIN     3
#define STRUCT_MIN    32 /* bytes: the slices have 24 */
#define VOTES_CLEAR   2  /* are enough where no other vote is */

static const char *const names[GLOBAL_CNT] = {
	[GLOBAL_GOMAXPROCS] = "runtime.gomaxprocs",
	[GLOBAL_GCCONTROLLER] = "runtime.gcController",
	[GLOBAL_MEMSTATS] = "runtime.memstats",
	[GLOBAL_WORK] = "runtime.work",
	[GLOBAL_SCHED] = "runtime.sched",
	[GLOBAL_ALLP] = "runtime.allp",
	[GLOBAL_ALLGLEN] = "runtime.allglen",
	[GLOBAL_ALLGPTR] = "runtime.allgptr",
	[GLOBAL_ALLGS] = "runtime.allgs",
	[GLOBAL_ALLM] = "runtime.allm",
	[GLOBAL_GCPHASE] = "runtime.gcphase",
	[GLOBAL_INIT_TIME] = "runtime.runtimeInitTime",
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

/* ---- voting ---- */

struct ballot {
	uint64_t addr[CANDIDATES];
	unsigned votes[CANDIDATES], cnt;
	unsigned total; /* references that were found, wherever they go */
};

struct election {
	struct elf_image *img;
	struct moduledata md;
	const struct globals_row *row;
	struct ballot ballots[GLOBAL_CNT];
	struct symbol functions[FUNCTIONS_MAX];
	uint16_t index[FUNCTIONS_MAX]; /* in globals_functions */
	unsigned function_cnt;
	uint64_t targets[CODE_REFS_MAX];
};

static void list_functions(struct election *e)
{
	for (unsigned i = 0; i < e->row->voter_cnt; i++) {
		uint16_t f = e->row->voters[i].function;

		if (e->function_cnt > 0 && e->index[e->function_cnt - 1] == f)
			continue;
		if (e->function_cnt == FUNCTIONS_MAX)
			return;
		e->index[e->function_cnt] = f;
		e->functions[e->function_cnt++].name = globals_functions[f];
	}
}

static void vote(struct ballot *b, uint64_t addr)
{
	unsigned i = 0;

	while (i < b->cnt && b->addr[i] != addr)
		i++;
	if (i == CANDIDATES)
		return;
	if (i == b->cnt) {
		b->addr[i] = addr;
		b->votes[i] = 0;
		b->cnt++;
	}
	b->votes[i]++;
}

static bool fits(const struct election *e, int g, uint64_t addr)
{
	const struct globals_place *p = &e->row->places[g];

	return addr % p->align == 0 && moduledata_find(&e->md, addr, p->size) == p->part;
}

/* The function's references into the data, in their order, against the table's voters of that function. */
static void take_function(struct election *e, struct code_refs *r, unsigned f)
{
	const struct symbol *s = &e->functions[f];
	unsigned cnt = code_refs_list(r, e->img, s->vaddr, s->end, e->targets), kept = 0;

	for (unsigned i = 0; i < cnt; i++)
		if (moduledata_find(&e->md, e->targets[i], 1) != MODULEDATA_PARTS)
			e->targets[kept++] = e->targets[i];
	for (unsigned i = 0; i < e->row->voter_cnt; i++) {
		const struct globals_voter *v = &e->row->voters[i];

		if (v->function != e->index[f] || v->ordinal >= kept)
			continue;
		e->ballots[v->global].total++;
		if (fits(e, v->global, e->targets[v->ordinal] - (uint64_t)v->delta))
			vote(&e->ballots[v->global], e->targets[v->ordinal] - (uint64_t)v->delta);
	}
}

/* A changed function makes a vote for nothing in particular. A vote for another plausible address of a struct may mean
 * that its fields have moved (`work` by 64 bytes in 1.21): then nobody wins. */
static uint64_t winner(const struct ballot *b, bool structure, bool strict)
{
	unsigned best = 0, second = 0;

	for (unsigned i = 1; i < b->cnt; i++)
		if (b->votes[i] > b->votes[best])
			best = i;
	for (unsigned i = 0; i < b->cnt; i++)
		if (i != best && b->votes[i] > second)
			second = b->votes[i];
	if (b->cnt == 0 || b->votes[best] < VOTES_CLEAR)
		return 0;
	if (b->votes[best] == b->total)
		return b->addr[best];
	if (strict || b->votes[best] < VOTES_MIN || second > (structure ? 0 : 1) || b->votes[best] * 3 < b->total * 2)
		return 0;
	return b->addr[best];
}

/* The table of wait reasons is content of the file: it can be looked at, and then one vote is enough. Its second and
 * third string are the same in all versions. */
static bool is_string_at(struct elf_image *img, uint64_t header, const char *want)
{
	size_t len = strlen(want);
	uint8_t words[16], text[32];

	return elf_image_read_vaddr(img, header, words, sizeof(words)) == 0 && elf_u64(words + 8) == len &&
	       elf_image_read_vaddr(img, elf_u64(words), text, len) == 0 && memcmp(text, want, len) == 0;
}

static uint64_t find_wait_reasons(struct election *e)
{
	const struct ballot *b = &e->ballots[GLOBAL_WAIT_REASONS];

	for (unsigned i = 0; i < b->cnt; i++)
		if (is_string_at(e->img, b->addr[i] + 16, "GC assist marking") &&
		    is_string_at(e->img, b->addr[i] + 32, "IO wait"))
			return b->addr[i];
	return 0;
}

/* Two globals in one place: one of them is wrong, and nobody knows which. */
static void refuse_overlaps(const struct globals_row *row, uint64_t *globals)
{
	bool bad[GLOBAL_CNT] = {false};

	for (int a = 0; a < GLOBAL_CNT; a++)
		for (int b = 0; b < GLOBAL_CNT; b++)
			if (a != b && globals[a] && globals[b] >= globals[a] &&
			    globals[b] - globals[a] < row->places[a].size)
				bad[a] = bad[b] = true;
	for (int g = 0; g < GLOBAL_CNT; g++)
		if (bad[g])
			globals[g] = 0;
}

static int hold(struct election *e, struct pclntab *tab)
{
	struct code_refs *r;
	int err;

	list_functions(e);
	err = pclntab_find(e->img, tab, e->functions, e->function_cnt);
	if (err < 0)
		return err;
	err = code_refs_open(e->img, &r);
	if (err)
		return err;
	for (unsigned f = 0; f < e->function_cnt; f++)
		if (e->functions[f].vaddr)
			take_function(e, r, f);
	code_refs_close(r);
	return 0;
}

int globals_from_code(struct elf_image *img, struct pclntab *tab, const struct globals_row *row, bool strict,
		      uint64_t globals[GLOBAL_CNT], char *why)
{
	_cleanup_free_ struct election *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return err_why(why, -ENOMEM, "out of memory");
	e->img = img;
	e->row = row;
	err = moduledata_read(img, tab, &e->md, why);
	if (err)
		return err;
	err = hold(e, tab);
	if (err)
		return err_why(why, err, "the runtime's functions cannot be read");
	for (int g = 0; g < GLOBAL_CNT; g++)
		globals[g] = g == GLOBAL_WAIT_REASONS
				     ? find_wait_reasons(e)
				     : winner(&e->ballots[g], row->places[g].size >= STRUCT_MIN, strict);
	refuse_overlaps(row, globals);
	return 0;
}

const struct globals_row *globals_find_row(const struct binary *b, bool *nearest)
{
	long i = release_find_row(globals_table, globals_table_cnt, sizeof(globals_table[0]), b, nearest);

	return i < 0 ? NULL : &globals_table[i];
}

/* ---- of a binary ---- */

/* Without these nothing can be read; the rest is missed value by value. */
static bool matters(int g)
{
	return g != GLOBAL_WAIT_REASONS && g != GLOBAL_INIT_TIME;
}

static const char *first_missing(const struct binary *b, bool all)
{
	for (int g = 0; g < GLOBAL_CNT; g++)
		if (!b->globals[g] && (all || matters(g)))
			return names[g];
	return NULL;
}

/* What is wrong with the layout was said before and says more. */
static void __attribute__((format(printf, 2, 0))) explain(struct binary *b, const char *fmt, const char *what)
{
	if (!b->layout_why[0])
		snprintf(b->layout_why, sizeof(b->layout_why), fmt, what);
}

static int take_from_code(struct elf_image *img, struct pclntab *tab, struct binary *b)
{
	const struct globals_row *row;
	const char *missing;
	char why[WHY_SZ];
	bool nearest;
	int err;

	row = globals_find_row(b, &nearest);
	if (!row) {
		explain(b, "no symbol table, and references in the code of %s are not known", b->go_version);
		return 0;
	}
	err = globals_from_code(img, tab, row, nearest, b->globals, why);
	if (err == -ENOMEM)
		return err;
	missing = first_missing(b, false);
	if (err)
		explain(b, "no symbol table, and %.150s", why);
	else if (missing)
		explain(b, "no symbol table, and the code does not tell where %s is", missing);
	b->globals_source = b->globals[GLOBAL_GOMAXPROCS] && b->globals[GLOBAL_ALLP] ? GLOBALS_CODE : GLOBALS_NONE;
	return 0;
}

int globals_take(struct elf_image *img, struct pclntab *tab, const struct symbol *symbols, struct binary *b)
{
	struct moduledata md;
	const char *missing;
	bool known;

	if (b->stripped && tab)
		return take_from_code(img, tab, b);
	known = tab && moduledata_read(img, tab, &md, NULL) == 0;
	for (int g = 0; g < GLOBAL_CNT; g++) {
		uint64_t v = symbols[g].vaddr;

		if (known ? moduledata_find(&md, v, 4) != MODULEDATA_PARTS : is_writable(img, v))
			b->globals[g] = v;
	}
	b->globals_source = b->globals[GLOBAL_GOMAXPROCS] && b->globals[GLOBAL_ALLP] ? GLOBALS_SYMTAB : GLOBALS_NONE;
	missing = first_missing(b, true);
	if (b->stripped)
		explain(b, "%s", "neither symbol table nor function table: runtime globals unknown");
	else if (missing)
		explain(b, "the symbol table lacks %s: runtime globals incomplete", missing);
	return 0;
}
