/* SPDX-License-Identifier: BSD-2-Clause */
/* globalsgen MINOR:FIRST-LAST=BINARY ...: the part of tools/offsetgen that writes user/symbols/globals_table.c. Each
 * binary has a symbol table, so it is known which functions refer to which globals, and where. It takes the agent's own
 * reader of references, so that both count alike; whether the table is right is for the tests to say, which compare the
 * addresses found by it with symbol tables of other builds.
 *
 * A function is worth its votes by its bytes: taken are those that bring the most of what is still wanted (VOTES
 * functions and DELTAS places inside of each global) for their size. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbols/code_refs.h"
#include "symbols/globals.h"
#include "symbols/globals_table.h"
#include "symbols/moduledata.h"

/* globals.c is linked for the names only; the table that is being written is not needed for them. */
const char *const globals_functions[] = {""};
const struct globals_row globals_table[] = {{0}};
const size_t globals_table_cnt = 0;

#define FUNCTIONS_MAX  8192
#define VOTERS_MAX     20000
#define NAMES_MAX      2048
#define FUNCTION_BYTES 2000
#define VOTES          5
#define DELTAS         4
#define IN_FUNCTION    3 /* votes of one function for one global: more would only repeat each other */

struct function {
	char name[100];
	uint64_t vaddr, end;
	unsigned first, cnt; /* in voters */
	bool taken;
};

#define NAME(g) [g] = #g
static const char *const enum_names[GLOBAL_CNT] = {
	NAME(GLOBAL_GOMAXPROCS),   NAME(GLOBAL_GCCONTROLLER), NAME(GLOBAL_MEMSTATS), NAME(GLOBAL_WORK),
	NAME(GLOBAL_SCHED),        NAME(GLOBAL_ALLP),         NAME(GLOBAL_ALLGLEN),  NAME(GLOBAL_ALLGPTR),
	NAME(GLOBAL_ALLGS),        NAME(GLOBAL_ALLM),         NAME(GLOBAL_GCPHASE),  NAME(GLOBAL_INIT_TIME),
	NAME(GLOBAL_WAIT_REASONS),
};

static struct function functions[FUNCTIONS_MAX];
static struct globals_voter voters[VOTERS_MAX];
static unsigned function_cnt, voter_cnt;
static char names[NAMES_MAX][100];
static unsigned name_cnt;
static struct globals_place places[GLOBAL_CNT];
static uint64_t globals[GLOBAL_CNT];

static void die(const char *what, const char *path)
{
	fprintf(stderr, "globalsgen: %s: %s\n", path, what);
	exit(1);
}

static void add_function(const char *name, uint64_t vaddr, uint64_t size)
{
	/* closures and instances of generics change their names; assembly has other names in pclntab */
	if (strncmp(name, "runtime.", 8) || strstr(name, ".func") || strchr(name, '[') || strstr(name, ".abi0") ||
	    strlen(name) >= sizeof(functions[0].name) || size == 0 || size > FUNCTION_BYTES ||
	    function_cnt == FUNCTIONS_MAX)
		return;
	functions[function_cnt] = (struct function){.vaddr = vaddr, .end = vaddr + size};
	strcpy(functions[function_cnt++].name, name);
}

static void add_global(const char *name, uint64_t vaddr, uint64_t size)
{
	for (int g = 0; g < GLOBAL_CNT; g++) {
		if (strcmp(globals_symbol(g), name) == 0) {
			globals[g] = vaddr;
			places[g].size = (uint16_t)size;
			/* the linker's rule: the largest power of two that the size reaches, at most 32 */
			places[g].align = size >= 32 ? 32 : (uint8_t)(size & -size);
		}
	}
}

static void read_symtab(struct elf_image *img, const char *path)
{
	for (unsigned i = 0; i < img->section_cnt; i++) {
		const struct elf_section *s = &img->sections[i], *str = &img->sections[s->link];
		char *text = malloc(str->size + 1);
		Elf64_Sym *sym = malloc(s->size + 1);

		if (s->type == SHT_SYMTAB && (elf_image_read(img, s->offset, sym, s->size) != 0 ||
					      elf_image_read(img, str->offset, text, str->size) != 0))
			die("symbol table unreadable", path);
		for (size_t j = 0; s->type == SHT_SYMTAB && j < s->size / sizeof(*sym); j++) {
			const char *name = text + sym[j].st_name;

			if (ELF64_ST_TYPE(sym[j].st_info) == STT_FUNC)
				add_function(name, sym[j].st_value, sym[j].st_size);
			else
				add_global(name, sym[j].st_value, sym[j].st_size);
		}
		free(text);
		free(sym);
	}
}

static void add_voter(unsigned f, unsigned ordinal, uint64_t target)
{
	for (int g = 0; g < GLOBAL_CNT; g++) {
		if (target - globals[g] >= places[g].size || ordinal > UINT8_MAX)
			continue;
		if (voter_cnt == VOTERS_MAX)
			die("too many references", "");
		voters[voter_cnt++] = (struct globals_voter){.function = (uint16_t)f,
							     .ordinal = (uint8_t)ordinal,
							     .global = (uint8_t)g,
							     .delta = (int16_t)(target - globals[g])};
		functions[f].cnt++;
	}
}

static void read_references(struct elf_image *img, const struct moduledata *md)
{
	static uint64_t targets[CODE_REFS_MAX];
	struct code_refs *r;

	if (code_refs_open(img, &r) != 0)
		die("out of memory", "");
	for (unsigned f = 0; f < function_cnt; f++) {
		unsigned cnt = code_refs_list(r, img, functions[f].vaddr, functions[f].end, targets), ordinal = 0;

		functions[f].first = voter_cnt;
		for (unsigned i = 0; i < cnt; i++)
			if (moduledata_find(md, targets[i], 1) != MODULEDATA_PARTS)
				add_voter(f, ordinal++, targets[i]);
	}
	code_refs_close(r);
}

/* What is wanted still: votes by different functions, and different places inside of the global. */
struct need {
	unsigned votes[GLOBAL_CNT], delta_cnt[GLOBAL_CNT];
	int16_t deltas[GLOBAL_CNT][64];
};

static bool has_delta(const struct need *n, const struct globals_voter *v)
{
	for (unsigned i = 0; i < n->delta_cnt[v->global]; i++)
		if (n->deltas[v->global][i] == v->delta)
			return true;
	return false;
}

/* The value of a function; counted in *n when it is taken. */
static double weigh(const struct function *f, struct need *n, bool take)
{
	unsigned seen[GLOBAL_CNT] = {0};
	double value = 0;

	for (unsigned i = f->first; i < f->first + f->cnt; i++) {
		const struct globals_voter *v = &voters[i];

		if (seen[v->global]++ == 0) {
			value += n->votes[v->global] < VOTES;
			n->votes[v->global] += take;
		}
		if (has_delta(n, v) || n->delta_cnt[v->global] >= DELTAS)
			continue;
		value += 0.5;
		if (take)
			n->deltas[v->global][n->delta_cnt[v->global]++] = v->delta;
	}
	return value / (double)(40 + f->end - f->vaddr);
}

static void choose(void)
{
	struct need n = {0};

	for (;;) {
		struct function *best = NULL;
		double most = 0;

		for (unsigned i = 0; i < function_cnt; i++) {
			double value = functions[i].taken ? 0 : weigh(&functions[i], &n, false);

			if (value > most) {
				most = value;
				best = &functions[i];
			}
		}
		if (!best)
			return;
		best->taken = true;
		weigh(best, &n, true);
	}
}

static unsigned name_index(const char *name)
{
	unsigned i = 0;

	while (i < name_cnt && strcmp(names[i], name) != 0)
		i++;
	if (i == NAMES_MAX)
		die("too many functions", name);
	if (i == name_cnt)
		strcpy(names[name_cnt++], name);
	return i;
}

static void print_voters(const char *id, FILE *out)
{
	unsigned column = 0;

	fprintf(out, "static const struct globals_voter voters_%s[] = {", id);
	for (unsigned f = 0; f < function_cnt; f++) {
		unsigned votes[GLOBAL_CNT] = {0};

		for (unsigned i = functions[f].first; functions[f].taken && i < functions[f].first + functions[f].cnt;
		     i++) {
			const struct globals_voter *v = &voters[i];

			if (votes[v->global]++ < IN_FUNCTION)
				fprintf(out, "%s{%u, %u, %u, %d},", column++ % 8 ? " " : "\n\t",
					name_index(functions[f].name), v->ordinal, v->global, v->delta);
		}
	}
	fprintf(out, "\n};\n");
}

static void read_binary(const char *path, char *arch)
{
	struct elf_image img;
	struct pclntab tab;
	struct moduledata md;
	char why[WHY_SZ];
	int fd = open(path, O_RDONLY);

	function_cnt = voter_cnt = 0;
	memset(globals, 0, sizeof(globals));
	if (fd < 0 || elf_image_open(&img, fd, (uint64_t)lseek(fd, 0, SEEK_END), why) != 0 ||
	    pclntab_open(&img, &tab, why) != 0 || moduledata_read(&img, &tab, &md, why) != 0)
		die(why, path);
	read_symtab(&img, path);
	for (int g = 0; g < GLOBAL_CNT; g++) {
		places[g].part = (uint8_t)moduledata_find(&md, globals[g], places[g].size);
		if (places[g].part == MODULEDATA_PARTS || globals[g] % places[g].align)
			die(globals_symbol(g), path);
	}
	read_references(&img, &md);
	choose();
	strcpy(arch, img.machine == EM_X86_64 ? "amd64" : "arm64");
	elf_image_close(&img);
	close(fd);
}

static void print_row(int minor, int first, int last, const char *id, const char *arch, FILE *rows)
{
	fprintf(rows, "\t{%d, %d, %d, \"%s\", voters_%s, sizeof(voters_%s) / sizeof(voters_%s[0]),\n\t {", minor, first,
		last, arch, id, id, id);
	for (int g = 0; g < GLOBAL_CNT; g++)
		fprintf(rows, "%s{%u, %u, %u}", g ? ", " : "", places[g].size, places[g].align, places[g].part);
	fprintf(rows, "}},\n");
}

static void print_names(void)
{
	for (int g = 0; g < GLOBAL_CNT; g++)
		printf("_Static_assert(%s == %d, \"run tools/offsetgen\");\n", enum_names[g], g);
	printf("const char *const globals_functions[] = {\n");
	for (unsigned i = 0; i < name_cnt; i++)
		printf("\t\"%s\",\n", names[i]);
	printf("};\nconst size_t globals_functions_cnt = sizeof(globals_functions) / "
	       "sizeof(globals_functions[0]);\n\n");
}

int main(int argc, char **argv)
{
	char *body, *rows, arch[8], id[32];
	size_t body_sz, rows_sz;
	FILE *b = open_memstream(&body, &body_sz), *r = open_memstream(&rows, &rows_sz);

	for (int i = 1; i < argc; i++) {
		int minor, first, last, at = 0;

		if (sscanf(argv[i], "%d:%d-%d=%n", &minor, &first, &last, &at) != 3 || at == 0)
			die("not MINOR:FIRST-LAST=BINARY", argv[i]);
		read_binary(argv[i] + at, arch);
		snprintf(id, sizeof(id), "%d_%d_%s", minor, first, arch);
		print_voters(id, b);
		print_row(minor, first, last, id, arch, r);
	}
	fclose(b);
	fclose(r);
	printf("/* Generated by tools/offsetgen; do not edit. */\n/* SPDX-License-Identifier: BSD-2-Clause */\n"
	       "#include \"symbols/globals_table.h\"\n\n// clang-format off\n");
	print_names();
	printf("/* function, ordinal, global, delta */\n%s\n", body);
	printf("const struct globals_row globals_table[] = {\n%s};\n// clang-format on\n", rows);
	printf("const size_t globals_table_cnt = sizeof(globals_table) / sizeof(globals_table[0]);\n");
	free(body);
	free(rows);
	return 0;
}
