/* SPDX-License-Identifier: BSD-2-Clause */
/* Field offsets: the DWARF reader against the generated table (which comes from Go's own DWARF reader), some numbers by
 * hand, and damaged debug information. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "symbols/dwarf.h"
#include "symbols/layout.h"
#include "unit/fixture.h"
#include "unit/image.h"

static void compare(int minor, int patch, const char *variant, const char *version)
{
	struct binary b = {.go_minor = minor, .go_patch = patch};
	int16_t dwarf[FIELD_CNT], table[FIELD_CNT];
	struct elf_image img;
	char why[WHY_SZ] = "";
	bool nearest;

	strcpy(b.arch, strcmp(variant, "arm64") == 0 ? "arm64" : "amd64");
	open_image(&img, fixture_open(version, variant));
	if (layout_from_dwarf(&img, dwarf, why) != 0 || layout_from_table(&b, table, &nearest, why) != 0)
		fail_msg("%s %s: %s", version, variant, why);
	for (int f = 0; f < FIELD_CNT; f++)
		if (dwarf[f] != table[f])
			fail_msg("%s %s: field %d is %d by DWARF, %d in the table", version, variant, f, dwarf[f],
				 table[f]);
	close_image(&img);
}

static void test_dwarf_is_table(void **state)
{
	static const struct {
		int minor, patch;
		bool more; /* beside a place where something moved inside of a minor: one more toolchain to fetch */
		const char *version;
	} rows[] = {
		{18, 2, true, "1.18.2"},    {18, 10, false, "1.18.10"}, {19, 13, false, "1.19.13"},
		{20, 14, false, "1.20.14"}, {21, 13, false, "1.21.13"}, {22, 12, false, "1.22.12"},
		{23, 3, false, "1.23.3"},   {23, 4, true, "1.23.4"},    {23, 11, true, "1.23.11"},
		{23, 12, false, "1.23.12"}, {24, 5, true, "1.24.5"},    {24, 6, true, "1.24.6"},
		{24, 13, false, "1.24.13"}, {25, 5, false, "1.25.5"},   {26, 8, false, "1.26.8"},
		{27, 4, false, "1.27.4"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].more && !fixture_all())
			continue;
		compare(rows[i].minor, rows[i].patch, "plain", rows[i].version);
		compare(rows[i].minor, rows[i].patch, "arm64", rows[i].version);
	}
	compare(22, 12, "pie", "1.22.12");
	compare(27, 4, "cgo", "1.27.4");
	compare(25, 5, "cgopie", "1.25.5"); /* units of C code in the same sections */
	compare(27, 4, "cgostatic", "1.27.4");
}

static void test_numbers(void **state)
{
	static const struct {
		int minor, patch;
		const char *arch;
		enum go_field field;
		int want;
	} rows[] = {
		{18, 0, "amd64", FIELD_GC_MEMORY_LIMIT, -1},
		{18, 2, "amd64", FIELD_HEAPSTATS_SIZE, 1184},
		{18, 4, "amd64", FIELD_HEAPSTATS_SIZE, 1176},
		{18, 4, "amd64", FIELD_GC_HEAP_GOAL, 104},
		{19, 0, "amd64", FIELD_MEMSTATS_PAUSE_TOTAL, 3600},
		{20, 1, "arm64", FIELD_WORK_CPUSTATS, 488},
		{23, 3, "amd64", FIELD_WORK_CPUSTATS, 472},
		{23, 4, "amd64", FIELD_WORK_CPUSTATS, 504},
		{23, 11, "amd64", FIELD_M_ALLLINK, 328},
		{23, 12, "amd64", FIELD_M_ALLLINK, 352},
		{24, 1, "amd64", FIELD_SCHED_GFREE_N, 184},
		{24, 5, "arm64", FIELD_M_ALLLINK, 328},
		{24, 6, "arm64", FIELD_M_ALLLINK, 352},
		{25, 0, "amd64", FIELD_SCHED_GFREE_N, -1},
		{25, 0, "amd64", FIELD_SCHED_GFREE_NOSTACK, 200},
		{26, 0, "amd64", FIELD_SCHED_GFREE_STACK, 200},
		{27, 4, "arm64", FIELD_P_GFREE, 2472},
		{27, 99, "amd64", FIELD_M_PREEMPTOFF, 248},
		{18, 4, "amd64", FIELD_PD_RG, 24}, /* link, lock, fd, closing ..., rseq come first, as in the sources */
		{18, 4, "amd64", FIELD_PD_WG, 32},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct binary b = {.go_minor = rows[i].minor, .go_patch = rows[i].patch};
		int16_t fields[FIELD_CNT];
		bool nearest;

		strcpy(b.arch, rows[i].arch);
		assert_int_equal(layout_from_table(&b, fields, &nearest, NULL), 0);
		if (fields[rows[i].field] != rows[i].want)
			fail_msg("1.%d.%d %s field %d: %d", rows[i].minor, rows[i].patch, rows[i].arch, rows[i].field,
				 fields[rows[i].field]);
	}
}

static void test_source(void **state)
{
	static const struct {
		const char *variant, *version;
		int minor, patch;
		bool devel;
		enum layout_source want;
	} rows[] = {
		{"plain", "go1.27.4", 27, 4, false, LAYOUT_DWARF},
		{"plain", "go1.28-devel_0123", 28, -1, true, LAYOUT_DWARF},
		{"nodwarf", "go1.27.4", 27, 4, false, LAYOUT_TABLE},
		{"stripped", "go1.27.4", 27, 4, false, LAYOUT_TABLE},
		{"nodwarf", "go1.27.9", 27, 9, false, LAYOUT_TABLE},
		/* newer than the table: the newest row is tried */
		{"nodwarf", "go1.28.0", 28, 0, false, LAYOUT_NEAREST},
		{"nodwarf", "go1.28rc1", 28, -1, true, LAYOUT_NEAREST},
		{"nodwarf", "devel go1.29-abcdef Tue", 29, -1, true, LAYOUT_NEAREST},
		{"nodwarf", "go1.28.1 X:nogreenteagc", 28, 1, true, LAYOUT_NONE},
		{"nodwarf", "go1.27.4 X:nocoverageredesign", 27, 4, true, LAYOUT_TABLE},
		{"nodwarf", "go1.27.4 X:boringcrypto,nocoverageredesign", 27, 4, true, LAYOUT_TABLE},
		{"nodwarf", "go1.28.1 X:boringcrypto", 28, 1, true, LAYOUT_NEAREST},
		{"nodwarf", "go1.27.4 X:boringcrypto,arenas", 27, 4, true, LAYOUT_NONE},
		{"nodwarf", "go1.27.4 X:", 27, 4, true, LAYOUT_NONE},
		{"nodwarf", "go1.27.4 (Vendor 3) X:boringcrypto", 27, 4, true, LAYOUT_NONE},
		/* of the table's releases, but not quite */
		{"nodwarf", "go1.27.4 X:nogreenteagc", 27, 4, true, LAYOUT_NONE},
		{"nodwarf", "go1.27rc1", 27, -1, true, LAYOUT_NONE},
		{"nodwarf", "go1.17.3", 17, 3, false, LAYOUT_NONE},
		{"nodwarf", "go1.18.3", 18, 3, false, LAYOUT_NONE}, /* a release that nobody could look at */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct binary b = {.go_minor = rows[i].minor,
				   .go_patch = rows[i].patch,
				   .arch = "amd64",
				   .go_devel = rows[i].devel};
		struct elf_image img;

		strcpy(b.go_version, rows[i].version);
		open_image(&img, fixture_open("1.27.4", rows[i].variant));
		assert_int_equal(layout_read(&img, &b), 0);
		if (b.layout != rows[i].want)
			fail_msg("%s %s: %d", rows[i].version, rows[i].variant, b.layout);
		assert_int_equal(b.layout_why[0] != '\0', rows[i].want == LAYOUT_NONE);
		assert_int_equal(b.fields[FIELD_G_M], rows[i].want == LAYOUT_NONE ? -1 : 48);
		close_image(&img);
	}
}

/* Debug information damaged byte by byte: an answer or a reason, never a crash; and mostly the right answer, because
 * most of it is not looked at. */
static void damage_section(const char *version, const char *name, unsigned cnt)
{
	int fd = fixture_open(version, "plain"), err;
	const struct elf_section *s;
	struct elf_image img;
	int16_t fields[FIELD_CNT];
	uint8_t *copy;
	size_t sz;
	uint32_t seed = 1;

	assert_true(fd >= 0);
	copy = fixture_load(fd, &sz);
	close(fd);
	open_image(&img, fixture_memfd(copy, sz));
	s = elf_image_find_section(&img, name);
	assert_non_null(s);
	for (unsigned i = 0; i < cnt; i++) {
		uint64_t at;
		uint8_t v;
		char why[WHY_SZ] = "";

		seed = seed * 1664525u + 1013904223u;
		at = s->offset +
		     (i % 2 ? seed >> 8 : i / 2) % s->size; /* the beginning systematically, the rest by chance */
		v = (uint8_t)(seed >> 24);
		assert_int_equal(pwrite(img.fd, &v, 1, (off_t)at), 1);
		img.budget = 1u << 30;
		err = layout_from_dwarf(&img, fields, why);
		if (err && !why[0])
			fail_msg("%s %s: error without a reason", version, name);
		assert_int_equal(pwrite(img.fd, copy + at, 1, (off_t)at), 1);
	}
	img.budget = 1u << 30;
	assert_int_equal(layout_from_dwarf(&img, fields, NULL), 0);
	close_image(&img);
	free(copy);
}

static void test_damaged(void **state)
{
	damage_section("1.18.10", ".zdebug_info", 150);
	damage_section("1.27.4", ".debug_info", 150);
	damage_section("1.18.10", ".zdebug_abbrev", 150);
	damage_section("1.27.4", ".debug_abbrev", 150);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dwarf_is_table),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
