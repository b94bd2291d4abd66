/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of runtime globals found in code, against the symbol table of the same program: of programs whose symbols
 * were taken away, in all build modes, of other programs and patch releases than those the table was made from; and
 * with a wrong table, a wrong moduledata, spoiled code: right or unknown, never wrong. Five versions, all of them with
 * GOPHERSCOPE_TEST_ALL=1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "symbols/globals.h"
#include "symbols/moduledata.h"
#include "symbols/symtab.h"
#include "unit/fixture.h"
#include "unit/image.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct version {
	const char *text;
	int minor, patch;
	bool standard;
} versions[] = {
	{"1.18.10", 18, 10, true}, {"1.19.13", 19, 13, false}, {"1.20.14", 20, 14, true}, {"1.21.13", 21, 13, false},
	{"1.22.12", 22, 12, true}, {"1.23.12", 23, 12, false}, {"1.24.13", 24, 13, true}, {"1.25.5", 25, 5, false},
	{"1.26.8", 26, 8, false},  {"1.27.4", 27, 4, true},
};

static int open_path(const char *path)
{
	return path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

static void read_symtab(int fd, uint64_t *ret)
{
	struct symbol symbols[GLOBAL_CNT] = {{0}};
	struct elf_image img;

	for (int g = 0; g < GLOBAL_CNT; g++)
		symbols[g].name = globals_symbol(g);
	open_image(&img, fd);
	assert_int_equal(symtab_find(&img, symbols, GLOBAL_CNT), 0);
	for (int g = 0; g < GLOBAL_CNT; g++) {
		assert_int_not_equal(symbols[g].vaddr, 0);
		ret[g] = symbols[g].vaddr;
	}
	elf_image_close(&img);
}

static void check_same(const char *name, const uint64_t *want, const uint64_t *got)
{
	for (int g = 0; g < GLOBAL_CNT; g++)
		if (got[g] != want[g])
			fail_msg("%s: %s is at %#lx by the symbol table, found at %#lx", name, globals_symbol(g),
				 want[g], got[g]);
}

/* The whole reader on a program without symbols. fd is closed. */
static void check_stripped(const char *name, int fd, const uint64_t *want, enum layout_source layout)
{
	struct binary *b = NULL;
	char why[WHY_SZ] = "";

	assert_true(fd >= 0);
	if (binary_read(fd, &b, why) != 0)
		fail_msg("%s: %s", name, why);
	if (!b->stripped || b->globals_source != GLOBALS_CODE || b->layout_why[0] || b->layout != layout)
		fail_msg("%s: stripped %d source %d layout %d: %s", name, b->stripped, b->globals_source, b->layout,
			 b->layout_why);
	check_same(name, want, b->globals);
	binary_free(b);
	close(fd);
}

/* As sstrip(1) leaves it: no section headers, only segments. */
static int without_sections(int fd)
{
	static const uint64_t nowhere;
	static const uint16_t none;
	size_t sz;
	uint8_t *p = fixture_load(fd, &sz);
	int copy;

	assert_non_null(p);
	memcpy(p + offsetof(Elf64_Ehdr, e_shoff), &nowhere, 8);
	memcpy(p + offsetof(Elf64_Ehdr, e_shnum), &none, 2);
	memcpy(p + offsetof(Elf64_Ehdr, e_shstrndx), &none, 2);
	copy = fixture_memfd(p, sz);
	free(p);
	return copy;
}

static int strip_copy(const char *path)
{
	char out[] = "/tmp/test_globals.XXXXXX", cmd[700];
	int fd = mkstemp(out);

	assert_true(fd >= 0);
	close(fd);
	snprintf(cmd, sizeof(cmd), "strip --strip-all -o '%s' '%s'", out, path);
	assert_int_equal(system(cmd), 0);
	fd = open_path(out);
	unlink(out);
	return fd;
}

/* A build with symbols, and what strip(1) and sstrip make of it. */
static void check_program(const char *dir, const char *version, const char *variant)
{
	const char *path = fixture_path(dir, version, variant);
	uint64_t want[GLOBAL_CNT];
	int fd = open_path(path);
	char name[128];

	assert_true(fd >= 0);
	read_symtab(fd, want);
	snprintf(name, sizeof(name), "%s %s %s, no sections", dir, version, variant);
	check_stripped(name, without_sections(fd), want, LAYOUT_TABLE);
	if (strcmp(variant, "arm64") != 0) {
		snprintf(name, sizeof(name), "%s %s %s, strip", dir, version, variant);
		check_stripped(name, strip_copy(path), want, LAYOUT_TABLE);
	}
	close(fd);
}

static void read_parts(int fd, struct moduledata *md)
{
	struct pclntab tab;
	struct elf_image img;

	open_image(&img, fd);
	assert_int_equal(pclntab_open(&img, &tab, NULL), 0);
	assert_int_equal(moduledata_read(&img, &tab, md, NULL), 0);
	elf_image_close(&img);
}

/* What the linker strips, against the build with symbols: the parts of the data begin some bytes later (1.18 to 1.20),
 * but are laid out the same. */
static void check_linked(const char *version, const char *variant, const char *stripped)
{
	int fd = fixture_open(version, variant), bare = fixture_open(version, stripped);
	struct moduledata from, to;
	uint64_t want[GLOBAL_CNT];
	char name[128];

	assert_true(fd >= 0 && bare >= 0);
	read_symtab(fd, want);
	read_parts(fd, &from);
	read_parts(bare, &to);
	close(fd);
	for (int g = 0; g < GLOBAL_CNT; g++) {
		enum moduledata_part part = moduledata_find(&from, want[g], 1);

		assert_true(part < MODULEDATA_PARTS);
		want[g] += to.parts[part].start - from.parts[part].start;
	}
	snprintf(name, sizeof(name), "%s %s", version, stripped);
	check_stripped(name, bare, want, LAYOUT_TABLE);
}

static void test_variants(void **state)
{
	static const char *const modes[] = {"plain", "arm64", "pie", "cgo", "cgopie", "cgostatic"};
	static const char *const more[] = {"trimpath", "staticpie"};

	for (size_t i = 0; i < COUNT(versions); i++) {
		const char *v = versions[i].text;

		if (!versions[i].standard && !fixture_all())
			continue;
		for (size_t j = 0; j < COUNT(modes); j++)
			check_program(FIXTURE_HELLO, v, modes[j]);
		check_linked(v, "plain", "stripped");
		check_linked(v, "pie", "piestripped");
		for (size_t j = 0; j < COUNT(more) && fixture_all(); j++)
			check_program(FIXTURE_HELLO, v, more[j]);
	}
	check_program(FIXTURE_HELLO, "1.26.8", "race");
	check_program(FIXTURE_HELLO, "1.26.8", "trimpath");
	check_program(FIXTURE_HELLO, "1.26.8", "staticpie");
	if (fixture_all()) {
		check_linked("1.27.4", "arm64", "arm64stripped");
		check_program(FIXTURE_HELLO, "1.18.10", "race");
		check_program(FIXTURE_HELLO, "1.27.4", "race");
	}
}

/* The table was made from the hello program of one patch release of a minor. */
static void test_other_programs(void **state)
{
	static const char *const dirs[] = {"tests/fixtures/go/netpeer", "tests/fixtures/go/gcload"};
	static const char *const first[] = {"1.18.1", "1.19.1",  "1.20.1", "1.21.0", "1.22.0", "1.23.0",
					    "1.24.0", "1.23.11", "1.25.0", "1.26.0", "1.27.0"};

	for (size_t i = 0; i < COUNT(dirs); i++)
		check_program(dirs[i], "1.27.4", "plain");
	check_program(dirs[1], "1.22.12", "plain");
	check_program(FIXTURE_HELLO, "1.23.3", "plain");
	for (size_t i = 0; i < COUNT(first) && fixture_all(); i++) {
		check_program(FIXTURE_HELLO, first[i], "plain");
		check_program(FIXTURE_HELLO, first[i], "arm64");
	}
}

static const struct globals_row *row_of(int minor, int patch, const char *arch)
{
	struct binary b = {.go_minor = minor, .go_patch = patch};
	bool nearest;

	strcpy(b.arch, arch);
	return globals_find_row(&b, &nearest);
}

/* Number of globals found; each that is found must be right, or the count of wrong ones goes up. */
static int count_found(struct elf_image *img, const struct globals_row *row, bool strict, const uint64_t *want,
		       int *wrong)
{
	uint64_t got[GLOBAL_CNT] = {0};
	struct pclntab tab;
	int found = 0;

	img->budget = 1u << 30;
	if (pclntab_open(img, &tab, NULL) != 0 || globals_from_code(img, &tab, row, strict, got, NULL) != 0)
		return 0;
	for (int g = 0; g < GLOBAL_CNT; g++) {
		found += got[g] != 0;
		*wrong += got[g] && got[g] != want[g];
	}
	return found;
}

/* Unoptimised code is other code: nothing may be taken for what it is not. */
static void test_other_code(void **state)
{
	uint64_t want[GLOBAL_CNT];
	struct elf_image img;
	int wrong = 0, found;

	open_image(&img, fixture_open("1.26.8", "noopt"));
	read_symtab(img.fd, want);
	found = count_found(&img, row_of(26, 8, "amd64"), false, want, &wrong);
	print_message("not optimised: %d of %d found\n", found, GLOBAL_CNT);
	assert_int_equal(wrong, 0);
	close_image(&img);
}

/* The rows of other minors: what they find is right, or they find nothing; that is what LAYOUT_NEAREST relies on. */
static void test_wrong_row(void **state)
{
	int wrong = 0, wrong_strict = 0;

	for (size_t i = 0; i < COUNT(versions); i++) {
		uint64_t want[GLOBAL_CNT];
		struct elf_image img;

		open_image(&img, fixture_open(versions[i].text, "plain"));
		read_symtab(img.fd, want);
		for (size_t j = 0; j < globals_table_cnt; j++) {
			const struct globals_row *r = &globals_table[j];
			int before = wrong_strict, before_loose = wrong, found;

			if (strcmp(r->arch, "amd64") != 0)
				continue;
			count_found(&img, r, false, want, &wrong);
			found = count_found(&img, r, true, want, &wrong_strict);
			if (wrong_strict > before || wrong > before_loose)
				print_message("%s by the row of 1.%d.%d: %d found, %d wrong, %d wrong by majority\n",
					      versions[i].text, r->minor, r->patch_min, found, wrong_strict - before,
					      wrong - before_loose);
		}
		close_image(&img);
	}
	assert_int_equal(wrong_strict, 0);
	assert_int_equal(wrong, 0);
}

/* A copy of a stripped program that says it is of another release. */
static int claim(const char *version, const char *variant, const char *other)
{
	int fd = fixture_open(version, variant), copy;
	char text[32];
	uint8_t *p, *hit;
	size_t sz, len;

	assert_true(fd >= 0);
	p = fixture_load(fd, &sz);
	close(fd);
	assert_non_null(p);
	len = (size_t)snprintf(text, sizeof(text), "go%s", version);
	assert_int_equal(strlen(other), len);
	for (hit = p; (hit = memmem(hit, sz - (size_t)(hit - p), text, len)); hit += len)
		memcpy(hit, other, len);
	copy = fixture_memfd(p, sz);
	free(p);
	return copy;
}

/* Newer than the table: the newest row is tried, and says so. Known, but not what it says: right, or refused with a
 * reason. */
static void test_other_release(void **state)
{
	static const struct {
		const char *version, *variant, *bare, *other;
		enum layout_source layout;
		bool complete;
	} rows[] = {
		{"1.27.4", "plain", "stripped", "go1.28.4", LAYOUT_NEAREST, true}, /* as if nothing had changed */
		{"1.27.4", "plain", "stripped", "go1.29r1", LAYOUT_NEAREST, true},
		{"1.27.4", "plain", "stripped", "go1.99.0", LAYOUT_NEAREST, true},
		{"1.22.12", "plain", "stripped", "go1.28.12", LAYOUT_NEAREST, false}, /* as if much had changed */
		{"1.24.13", "plain", "stripped", "go1.28.13", LAYOUT_NEAREST, false},
		{"1.24.13", "plain", "stripped", "go1.25.13", LAYOUT_TABLE, false},
		{"1.20.14", "plain", "stripped", "go1.21.14", LAYOUT_TABLE, false},
		{"1.22.12", "plain", "stripped", "go1.20.12", LAYOUT_TABLE, false},
		{"1.27.4", "plain", "stripped", "go1.27r1", LAYOUT_NONE, false},
		{"1.27.4", "plain", "stripped", "go1.18.3", LAYOUT_NONE, false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		int fd = fixture_open(rows[i].version, rows[i].variant), found = 0;
		struct moduledata from, to;
		uint64_t want[GLOBAL_CNT];
		struct binary *b = NULL;
		char why[WHY_SZ] = "";

		assert_true(fd >= 0);
		read_symtab(fd, want);
		read_parts(fd, &from);
		close(fd);
		fd = claim(rows[i].version, rows[i].bare, rows[i].other);
		read_parts(fd, &to);
		if (binary_read(fd, &b, why) != 0)
			fail_msg("%s as %s: %s", rows[i].version, rows[i].other, why);
		for (int g = 0; g < GLOBAL_CNT; g++) {
			uint64_t right = want[g] + to.parts[moduledata_find(&from, want[g], 1)].start -
					 from.parts[moduledata_find(&from, want[g], 1)].start;

			found += b->globals[g] != 0;
			if (b->globals[g] && b->globals[g] != right)
				fail_msg("%s as %s: %s is wrong", rows[i].version, rows[i].other, globals_symbol(g));
		}
		if (b->layout != rows[i].layout || (found == GLOBAL_CNT) != rows[i].complete ||
		    (b->layout_why[0] == '\0') != rows[i].complete)
			fail_msg("%s as %s: layout %d, %d found, %s", rows[i].version, rows[i].other, b->layout, found,
				 b->layout_why);
		print_message("%s as %s: %d found; %s\n", rows[i].version, rows[i].other, found, b->layout_why);
		binary_free(b);
		close(fd);
	}
}

/* Code and moduledata spoiled at random places: right or unknown. */
static void spoil(const char *version, const char *variant, int minor, int patch, uint64_t from, uint64_t len,
		  struct elf_image *img, const uint8_t *copy, const uint64_t *want)
{
	const struct globals_row *row = row_of(minor, patch, strcmp(variant, "arm64") == 0 ? "arm64" : "amd64");
	uint32_t seed = 7;
	int wrong = 0;

	for (int i = 0; i < 60; i++) {
		for (int n = 0; n < 200; n++) {
			uint64_t at;
			uint8_t v;

			seed = seed * 1664525u + 1013904223u;
			at = from + (seed >> 4) % len;
			v = (uint8_t)(seed >> 24);
			assert_int_equal(pwrite(img->fd, &v, 1, (off_t)at), 1);
		}
		count_found(img, row, false, want, &wrong);
		if (wrong)
			fail_msg("%s %s: spoiled code gives a wrong address", version, variant);
	}
	assert_int_equal(pwrite(img->fd, copy + from, len, (off_t)from), (ssize_t)len);
}

static void test_spoiled(void **state)
{
	static const struct {
		const char *version, *variant;
		int minor, patch;
	} rows[] = {{"1.18.10", "plain", 18, 10}, {"1.27.4", "plain", 27, 4}, {"1.27.4", "arm64", 27, 4}};

	for (size_t i = 0; i < COUNT(rows); i++) {
		int fd = fixture_open(rows[i].version, rows[i].variant), wrong = 0;
		const struct elf_section *text;
		uint64_t want[GLOBAL_CNT];
		struct elf_image img;
		uint8_t *copy;
		size_t sz;

		assert_true(fd >= 0);
		read_symtab(fd, want);
		copy = fixture_load(fd, &sz);
		close(fd);
		open_image(&img, fixture_memfd(copy, sz));
		text = elf_image_find_section(&img, ".text");
		spoil(rows[i].version, rows[i].variant, rows[i].minor, rows[i].patch, text->offset, text->size, &img,
		      copy, want);
		for (uint64_t cut = 1; cut < 64; cut++) { /* cut files, from the end */
			assert_int_equal(ftruncate(img.fd, (off_t)(sz - sz / 64 * cut)), 0);
			img.size = sz - sz / 64 * cut;
			count_found(&img,
				    row_of(rows[i].minor, rows[i].patch, img.machine == EM_X86_64 ? "amd64" : "arm64"),
				    false, want, &wrong);
		}
		assert_int_equal(wrong, 0);
		close_image(&img);
		free(copy);
	}
}

/* A moduledata whose data begins or ends elsewhere: other references are counted, or the address is refused. */
static void test_moved_parts(void **state)
{
	int fd = fixture_open("1.27.4", "plain"), wrong = 0, found;
	uint64_t want[GLOBAL_CNT];
	struct moduledata md;
	struct pclntab tab;
	struct elf_image img;
	uint8_t *copy;
	size_t sz;

	assert_true(fd >= 0);
	read_symtab(fd, want);
	copy = fixture_load(fd, &sz);
	close(fd);
	open_image(&img, fixture_memfd(copy, sz));
	assert_int_equal(pclntab_open(&img, &tab, NULL), 0);
	assert_int_equal(moduledata_read(&img, &tab, &md, NULL), 0);
	for (unsigned word = 192; word < 256; word += 8) {
		const struct elf_segment *l = elf_image_find_load(&img, md.vaddr + word, 8);
		off_t at = (off_t)(md.vaddr + word - l->vaddr + l->offset);

		for (int64_t move = -0x3000; move <= 0x3000; move += 0x1008) {
			uint64_t v = elf_u64(copy + at) + (uint64_t)move;

			assert_int_equal(pwrite(img.fd, &v, 8, at), 8);
			count_found(&img, row_of(27, 4, "amd64"), false, want, &wrong);
			assert_int_equal(pwrite(img.fd, copy + at, 8, at), 8);
		}
	}
	found = count_found(&img, row_of(27, 4, "amd64"), false, want, &wrong);
	assert_int_equal(found, GLOBAL_CNT);
	assert_int_equal(wrong, 0);
	close_image(&img);
	free(copy);
}

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* What it costs; told, and bounded widely: the machine may be busy and sanitizers on. */
static void test_cost(void **state)
{
	static const char *const rows[] = {"1.18.10", "1.27.4"};

	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t want[GLOBAL_CNT];
		struct elf_image img;
		double best = 1e9;
		int wrong = 0;

		open_image(&img, fixture_open(rows[i], "plain"));
		read_symtab(img.fd, want);
		for (int n = 0; n < 5; n++) {
			double t = cpu_ms();

			count_found(&img, i == 0 ? row_of(18, 10, "amd64") : row_of(27, 4, "amd64"), false, want,
				    &wrong);
			t = cpu_ms() - t;
			best = t < best ? t : best;
		}
		print_message("%s: %.2f ms\n", rows[i], best);
		assert_true(best < 50);
		close_image(&img);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_variants),      cmocka_unit_test(test_other_programs),
		cmocka_unit_test(test_other_code),    cmocka_unit_test(test_wrong_row),
		cmocka_unit_test(test_other_release), cmocka_unit_test(test_spoiled),
		cmocka_unit_test(test_moved_parts),   cmocka_unit_test(test_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
