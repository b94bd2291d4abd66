/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions by pclntab against the symbol table, in all kinds of builds, without section headers, and without the words
 * that a linker may leave to the dynamic loader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "symbols/pclntab.h"
#include "symbols/symtab.h"
#include "unit/fixture.h"
#include "unit/image.h"

static const char *const names[] = {
	"runtime.(*gcControllerState).startCycle",
	"runtime.(*gcControllerState).endCycle",
	"runtime.stopTheWorldWithSema",
	"runtime.startTheWorldWithSema",
	"runtime.gcStart",
	"runtime.mallocgc",
	"runtime.schedule",
	"runtime.main",
	"main.main",
	"fmt.Fprintln",
};
#define CNT (sizeof(names) / sizeof(names[0]))

static void wanted(struct symbol *s)
{
	memset(s, 0, CNT * sizeof(*s));
	for (size_t i = 0; i < CNT; i++)
		s[i].name = names[i];
}

static void drop_sections(struct elf_image *img)
{
	free(img->sections);
	img->sections = NULL;
	img->section_cnt = 0;
}

static void expect_functions(struct elf_image *img, const struct symbol *want, const char *what)
{
	struct pclntab t;
	struct symbol got[CNT];
	char why[WHY_SZ];

	if (pclntab_open(img, &t, why) != 0)
		fail_msg("%s: %s", what, why);
	wanted(got);
	assert_int_equal(pclntab_find(img, &t, got, CNT), 0);
	for (size_t i = 0; i < CNT; i++) {
		if (!got[i].vaddr || (want && got[i].vaddr != want[i].vaddr))
			fail_msg("%s: %s at %lx, symbol table %lx", what, names[i], (long)got[i].vaddr,
				 want ? (long)want[i].vaddr : 0);
		/* pclntab's end is the next function's entry, the symbol's size stops before the padding */
		if (got[i].end <= got[i].vaddr || (want && (got[i].end < want[i].end || got[i].end - want[i].end > 64)))
			fail_msg("%s: %s ends at %lx", what, names[i], (long)got[i].end);
	}
}

static void check(const char *version, const char *variant, bool symtab)
{
	struct symbol want[CNT];
	struct elf_image img;
	char what[64];

	snprintf(what, sizeof(what), "%s %s", version, variant);
	open_image(&img, fixture_open(version, variant));
	assert_int_equal(symtab_exists(&img), symtab);
	wanted(want);
	assert_int_equal(symtab_find(&img, want, CNT), symtab ? 0 : -ENOENT);
	assert_int_equal(symbol_all_found(want, CNT), symtab);
	expect_functions(&img, symtab ? want : NULL, what);
	drop_sections(&img);
	expect_functions(&img, symtab ? want : NULL, what);
	close_image(&img);
}

static void test_symtab(void **state)
{
	static const char *const versions[] = {"1.18.10", "1.20.14", "1.21.13", "1.22.12",
					       "1.24.13", "1.26.8",  "1.27.4"};
	static const char *const variants[] = {"plain", "pie", "cgo", "arm64"};

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		for (size_t j = 0; j < sizeof(variants) / sizeof(variants[0]); j++)
			check(versions[i], variants[j], true);
	check("1.25.5", "cgopie", true);
	check("1.25.5", "cgostatic", true);
	check("1.27.4", "cgopie", true);
	check("1.27.4", "cgostatic", true);
}

static void test_stripped(void **state)
{
	static const char *const versions[] = {"1.18.10", "1.20.14", "1.21.13", "1.22.12",
					       "1.24.13", "1.26.8",  "1.27.4"};

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		check(versions[i], "stripped", false);
	check("1.25.5", "piestripped", false);
	check("1.27.4", "piestripped", false);
}

static void write_u64(const struct elf_image *img, uint64_t vaddr, uint64_t v)
{
	const struct elf_segment *l = elf_image_find_load(img, vaddr, 8);

	assert_non_null(l);
	assert_int_equal(pwrite(img->fd, &v, 8, (off_t)(vaddr - l->vaddr + l->offset)), 8);
}

/* As lld and arm64 linkers leave it: relocated words are 0 in the file, their values are in .rela.dyn only. */
static void test_relocated(void **state)
{
	static const char *const versions[] = {"1.25.5", "1.27.4"};

	for (size_t i = 0; i < 2; i++) {
		int fd = fixture_open(versions[i], "piestripped");
		struct elf_image img;
		struct pclntab t;
		uint8_t *copy;
		size_t sz;

		assert_true(fd >= 0);
		copy = fixture_load(fd, &sz);
		close(fd);
		open_image(&img, fixture_memfd(copy, sz));
		free(copy);
		assert_int_equal(pclntab_open(&img, &t, NULL), 0);
		write_u64(&img, t.vaddr + 24, 0); /* textStart: 1.26+ has none anyway */
		assert_int_equal(pclntab_open(&img, &t, NULL), 0);
		assert_true(t.moduledata != 0);
		write_u64(&img, t.moduledata, 0);
		write_u64(&img, t.moduledata + 8, 0);
		write_u64(&img, t.moduledata + 176, 0);
		expect_functions(&img, NULL, versions[i]);
		close_image(&img);
	}
}

static void test_damaged(void **state)
{
	/* words of the header: number of functions, text, names, end of names, functions */
	static const struct {
		unsigned at;
		uint64_t value;
	} rows[] = {
		{0, 0},           {8, 0},  {8, UINT64_MAX}, {8, 1u << 21},        {32, 0},
		{32, UINT64_MAX}, {40, 0}, {64, 0},         {64, UINT64_MAX - 4}, {24, 0x10},
	};
	int fd = fixture_open("1.22.12", "stripped");
	struct elf_image img;
	struct pclntab t, good;
	struct symbol s[CNT];
	uint8_t *copy;
	size_t sz;
	char why[WHY_SZ];

	assert_true(fd >= 0);
	copy = fixture_load(fd, &sz);
	close(fd);
	open_image(&img, fixture_memfd(copy, sz));
	assert_int_equal(pclntab_open(&img, &good, NULL), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t old = elf_u64(copy + good.offset + rows[i].at);
		int err;

		write_u64(&img, good.vaddr + rows[i].at, rows[i].value);
		why[0] = '\0';
		err = pclntab_open(&img, &t, why);
		if (rows[i].at == 24) /* a text address outside of code: moduledata has the right one */
			assert_true(err == 0 && t.text == good.text);
		else if (err == 0 || !why[0])
			fail_msg("word at %u = %lx was accepted", rows[i].at, (long)rows[i].value);
		write_u64(&img, good.vaddr + rows[i].at, old);
		img.budget = 1u << 30;
	}
	/* records outside of the table: nothing is found, nothing breaks */
	for (uint32_t i = 0; i < good.func_cnt; i++) {
		uint32_t far = UINT32_MAX - i;

		assert_int_equal(pwrite(img.fd, &far, 4, (off_t)(good.offset + good.funcs + 8ull * i + 4)), 4);
	}
	wanted(s);
	assert_int_equal(pclntab_find(&img, &good, s, CNT), 0);
	assert_false(s[0].vaddr);
	close_image(&img);
	free(copy);
}

/* The tail of a longer string counts (GNU ld merges them), another name that only contains the wanted one does not. */
static void test_name_scan(void **state)
{
	static const char strings[] = "\0xruntime.work\0runtime.workers\0runtime.sched\0runtime.schedx";
	uint8_t buf[4096];
	struct symbol s[3] = {{.name = "runtime.work"}, {.name = "runtime.sched"}, {.name = "runtime.allp"}};
	struct elf_image img;
	struct elf_window w;

	fixture_elf(buf, sizeof(buf), EM_X86_64, PF_R);
	memcpy(buf + 0x200, strings, sizeof(strings));
	open_image(&img, fixture_memfd(buf, sizeof(buf)));
	assert_int_equal(elf_window_open(&w, &img, 0x200, sizeof(strings)), 0);
	assert_int_equal(symbol_scan_names(s, 3, &w), 2);
	assert_int_equal(s[0].name_cnt, 1);
	assert_int_equal(s[0].name_off[0], 2);
	assert_ptr_equal(symbol_find_name(s, 3, 31), &s[1]);
	assert_null(symbol_find_name(s, 3, 0));
	elf_window_close(&w);
	close_image(&img);
}

/* The runtime's range: names that are inside and outside, by the symbol table. */
static void check_range(const char *version, const char *variant)
{
	struct symbol s[] = {
		{.name = "runtime.execute"},     {.name = "runtime.gopark"},      {.name = "runtime.chanrecv1"},
		{.name = "runtime.selectgo"},    {.name = "runtime.semacquire1"}, {.name = "runtime.mallocgc"},
		{.name = "runtime.systemstack"}, {.name = "runtime.memmove"},     {.name = "main.main"},
		{.name = "fmt.Fprintln"},        {.name = "os.(*File).Write"},
	};
	const unsigned int cnt = sizeof(s) / sizeof(s[0]), outside = 8;
	struct elf_image img;
	struct pclntab t;
	uint64_t from, to;

	open_image(&img, fixture_open(version, variant));
	assert_int_equal(symtab_find(&img, s, cnt), 0);
	assert_int_equal(pclntab_open(&img, &t, NULL), 0);
	assert_int_equal(pclntab_find_runtime(&img, &t, s[0].vaddr, &from, &to), 0);
	for (unsigned int i = 0; i < cnt; i++)
		if (s[i].vaddr && (s[i].vaddr >= from && s[i].vaddr < to) != (i < outside))
			fail_msg("%s %s: %s at %lx, runtime %lx..%lx", version, variant, s[i].name, (long)s[i].vaddr,
				 (long)from, (long)to);
	assert_true(s[0].vaddr && s[1].vaddr && s[outside].vaddr);
	/* 350 to 520 KB in these, with debug code twice that */
	assert_true(from == t.text && to - from > 300000 && to - from < 1200000);
	/* what is no function of the runtime is in no range */
	assert_int_equal(pclntab_find_runtime(&img, &t, s[outside].vaddr, &from, &to), 0);
	assert_true(from == to);
	assert_int_equal(pclntab_find_runtime(&img, &t, 0, &from, &to), 0);
	assert_true(from == to);
	assert_int_equal(pclntab_find_runtime(&img, &t, UINT64_MAX, &from, &to), 0);
	assert_true(from == to);
	t.names_sz = 10;
	assert_int_equal(pclntab_find_runtime(&img, &t, s[0].vaddr, &from, &to), 0);
	assert_true(from == to);
	close_image(&img);
}

static void test_runtime_range(void **state)
{
	static const char *const versions[] = {"1.18.10", "1.19.13", "1.20.14", "1.21.13", "1.22.12",
					       "1.23.12", "1.24.13", "1.25.5",  "1.26.8",  "1.27.4"};
	static const char *const variants[] = {"plain", "pie", "cgo", "arm64"};

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		for (size_t j = 0; j < sizeof(variants) / sizeof(variants[0]); j++)
			check_range(versions[i], variants[j]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_symtab),  cmocka_unit_test(test_stripped),  cmocka_unit_test(test_relocated),
		cmocka_unit_test(test_damaged), cmocka_unit_test(test_name_scan), cmocka_unit_test(test_runtime_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
