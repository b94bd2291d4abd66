/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses of runtime globals found in code, against the symbol table: of the same file (an independent source, as the
 * table that is used was made from other builds or at least is applied without the names), and of copies without it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "symbols/globals.h"
#include "symbols/symtab.h"
#include "unit/fixture.h"

struct found {
	uint64_t symtab[GLOBAL_CNT], code[GLOBAL_CNT];
	int err;
	char why[WHY_SZ];
	double ms;
};

static void read_symtab(struct elf_image *img, uint64_t *ret)
{
	struct symbol symbols[GLOBAL_CNT] = {{0}};

	for (int g = 0; g < GLOBAL_CNT; g++)
		symbols[g].name = globals_symbol(g);
	assert_true(symtab_find(img, symbols, GLOBAL_CNT) >= 0);
	for (int g = 0; g < GLOBAL_CNT; g++)
		ret[g] = symbols[g].vaddr;
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Both ways in one file, with the row of the given version. */
static void find_both(const char *path, const char *row_version, int minor, int patch, struct found *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct binary b = {.go_minor = minor, .go_patch = patch};
	const struct globals_row *row;
	struct pclntab tab;
	struct elf_image img;
	bool nearest;

	*ret = (struct found){0};
	assert_true(fd >= 0);
	assert_int_equal(elf_image_open(&img, fd, (uint64_t)lseek(fd, 0, SEEK_END), NULL), 0);
	strcpy(b.arch, img.machine == EM_X86_64 ? "amd64" : "arm64");
	snprintf(b.go_version, sizeof(b.go_version), "go%s", row_version);
	row = globals_find_row(&b, &nearest);
	assert_non_null(row);
	read_symtab(&img, ret->symtab);
	assert_int_equal(pclntab_open(&img, &tab, ret->why), 0);
	ret->ms = now_ms();
	ret->err = globals_from_code(&img, &tab, row, nearest, ret->code, ret->why);
	ret->ms = now_ms() - ret->ms;
	elf_image_close(&img);
	close(fd);
}

static void check_same(const char *name, const struct found *f)
{
	if (f->err)
		fail_msg("%s: %s", name, f->why);
	for (int g = 0; g < GLOBAL_CNT; g++)
		if (f->code[g] != f->symtab[g])
			fail_msg("%s: %s is at %#lx by the symbol table, %#lx by the code", name, globals_symbol(g),
				 f->symtab[g], f->code[g]);
}

static void test_all(void **state)
{
	static const struct {
		const char *version;
		int minor, patch;
	} rows[] = {
		{"1.18.10", 18, 10}, {"1.19.13", 19, 13}, {"1.20.14", 20, 14}, {"1.21.13", 21, 13}, {"1.22.12", 22, 12},
		{"1.23.12", 23, 12}, {"1.24.13", 24, 13}, {"1.25.5", 25, 5},   {"1.26.8", 26, 8},   {"1.27.4", 27, 4},
	};
	static const char *const variants[] = {"plain", "arm64", "pie", "cgo", "cgopie", "cgostatic"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t j = 0; j < sizeof(variants) / sizeof(variants[0]); j++) {
			const char *path = fixture_path(FIXTURE_HELLO, rows[i].version, variants[j]);
			struct found f;

			assert_non_null(path);
			find_both(path, rows[i].version, rows[i].minor, rows[i].patch, &f);
			print_message("%s %s %.2f ms\n", rows[i].version, variants[j], f.ms);
			check_same(path, &f);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
