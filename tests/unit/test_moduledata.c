/* SPDX-License-Identifier: BSD-2-Clause */
/* moduledata against the linker's own symbols for the same addresses, and spoiled ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "symbols/moduledata.h"
#include "symbols/symtab.h"
#include "unit/fixture.h"
#include "unit/image.h"

enum { FIRST, TEXT, ETEXT, NOPTRDATA, ENOPTRDATA, DATA, EDATA, BSS, EBSS, NOPTRBSS, ENOPTRBSS, NAMES };
static const char *const names[NAMES] = {
	"runtime.firstmoduledata", "runtime.text",       "runtime.etext",
	"runtime.noptrdata",       "runtime.enoptrdata", "runtime.data",
	"runtime.edata",           "runtime.bss",        "runtime.ebss",
	"runtime.noptrbss",        "runtime.enoptrbss",
};

static void check(const char *version, const char *variant)
{
	struct symbol symbols[NAMES] = {{0}};
	struct moduledata md = {0};
	struct pclntab tab;
	struct elf_image img;
	char why[WHY_SZ] = "";

	for (int i = 0; i < NAMES; i++)
		symbols[i].name = names[i];
	open_image(&img, fixture_open(version, variant));
	assert_int_equal(symtab_find(&img, symbols, NAMES), 0);
	assert_int_equal(pclntab_open(&img, &tab, why), 0);
	if (moduledata_read(&img, &tab, &md, why) != 0)
		fail_msg("%s %s: %s", version, variant, why);
	assert_int_equal(md.vaddr, symbols[FIRST].vaddr);
	assert_int_equal(md.text, symbols[TEXT].vaddr);
	assert_int_equal(md.etext, symbols[ETEXT].vaddr);
	for (int i = 0; i < MODULEDATA_PARTS; i++) {
		assert_int_equal(md.parts[i].start, symbols[NOPTRDATA + 2 * i].vaddr);
		assert_int_equal(md.parts[i].end, symbols[NOPTRDATA + 2 * i + 1].vaddr);
		assert_int_equal(moduledata_find(&md, md.parts[i].start, 8), i);
		assert_int_equal(moduledata_find(&md, md.parts[i].end - 7, 8), MODULEDATA_PARTS);
	}
	assert_int_equal(moduledata_find(&md, md.text, 1), MODULEDATA_PARTS);
	assert_int_equal(moduledata_find(&md, md.parts[0].start, UINT64_MAX), MODULEDATA_PARTS);
	close_image(&img);
}

static void test_symbols(void **state)
{
	static const char *const versions[] = {"1.18.10", "1.20.14", "1.22.12", "1.25.5", "1.27.4"};

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		check(versions[i], "plain");
		check(versions[i], "pie");
		check(versions[i], "cgo");
		check(versions[i], "arm64");
	}
}

/* Each word of it replaced by what it cannot be: refused with a reason. */
static void test_spoiled(void **state)
{
	static const uint64_t values[] = {0, 1, 0x1000, UINT64_MAX, UINT64_MAX - 7, 0x7fffffffffffffffull};
	struct moduledata md = {0}, now;
	struct pclntab tab, again;
	struct elf_image img;
	uint8_t *copy;
	size_t sz;
	int fd = fixture_open("1.27.4", "plain");

	assert_true(fd >= 0);
	copy = fixture_load(fd, &sz);
	close(fd);
	open_image(&img, fixture_memfd(copy, sz));
	assert_int_equal(pclntab_open(&img, &tab, NULL), 0);
	assert_int_equal(moduledata_read(&img, &tab, &md, NULL), 0);
	for (unsigned word = 176; word < 256; word += 8) {
		const struct elf_segment *l = elf_image_find_load(&img, md.vaddr + word, 8);

		assert_non_null(l);
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			off_t at = (off_t)(md.vaddr + word - l->vaddr + l->offset);
			char why[WHY_SZ] = "";

			assert_int_equal(pwrite(img.fd, &values[i], 8, at), 8);
			again = tab;
			if (moduledata_read(&img, &again, &now, why) == 0 || !why[0])
				fail_msg("word %u with %#lx is accepted", word, values[i]);
			assert_int_equal(pwrite(img.fd, copy + at, 8, at), 8);
		}
	}
	assert_int_equal(moduledata_read(&img, &tab, &now, NULL), 0);
	close_image(&img);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_symbols),
		cmocka_unit_test(test_spoiled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
