/* SPDX-License-Identifier: BSD-2-Clause */
/* Hostile ELF files: headers of every wrong kind, ranges over the edges, files that shrink while they are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "symbols/binary.h"
#include "symbols/elf_image.h"
#include "unit/fixture.h"

#define SZ 4096

static void put(uint8_t *buf, size_t at, uint64_t v, size_t n)
{
	memcpy(buf + at, &v, n);
}

static int open_bytes(struct elf_image *img, const void *p, size_t n, char *why)
{
	int fd = fixture_memfd(p, n), err;

	assert_true(fd >= 0);
	err = elf_image_open(img, fd, n, why);
	return err;
}

static void close_image(struct elf_image *img)
{
	close(img->fd);
	elf_image_close(img);
}

static void test_header(void **state)
{
	static const struct {
		const char *what;
		size_t at;
		uint64_t value;
		size_t n;
		int want;
	} rows[] = {
		{"good", 0, 0x7f, 1, 0},
		{"no magic", 0, 'x', 1, BINARY_NOT_ELF},
		{"32 bit", EI_CLASS, ELFCLASS32, 1, BINARY_UNSUPPORTED},
		{"big endian", EI_DATA, ELFDATA2MSB, 1, BINARY_UNSUPPORTED},
		{"386", offsetof(Elf64_Ehdr, e_machine), EM_386, 2, BINARY_UNSUPPORTED},
		{"riscv", offsetof(Elf64_Ehdr, e_machine), EM_RISCV, 2, BINARY_UNSUPPORTED},
		{"object file", offsetof(Elf64_Ehdr, e_type), ET_REL, 2, BINARY_UNSUPPORTED},
		{"core file", offsetof(Elf64_Ehdr, e_type), ET_CORE, 2, BINARY_UNSUPPORTED},
		{"phentsize", offsetof(Elf64_Ehdr, e_phentsize), 8, 2, BINARY_NOT_ELF},
		{"phnum 0", offsetof(Elf64_Ehdr, e_phnum), 0, 2, BINARY_NOT_ELF},
		{"phnum 65535", offsetof(Elf64_Ehdr, e_phnum), 65535, 2, BINARY_NOT_ELF},
		{"phoff behind the file", offsetof(Elf64_Ehdr, e_phoff), SZ, 8, BINARY_NOT_ELF},
		{"phoff wraps", offsetof(Elf64_Ehdr, e_phoff), UINT64_MAX - 8, 8, BINARY_NOT_ELF},
		{"shoff wraps", offsetof(Elf64_Ehdr, e_shoff), UINT64_MAX - 8, 8, 0},
		{"shnum without table", offsetof(Elf64_Ehdr, e_shnum), 65535, 2, 0},
		{"p_offset behind the file", sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_offset), SZ + 1, 8,
		 BINARY_NOT_ELF},
		{"p_vaddr wraps", sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_vaddr), UINT64_MAX - 8, 8,
		 BINARY_NOT_ELF},
		{"p_filesz too big", sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_filesz), SZ * 2, 8, 0},
		{"not loaded", sizeof(Elf64_Ehdr), PT_NOTE, 4, BINARY_NOT_ELF},
	};
	uint8_t buf[SZ];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct elf_image img;
		char why[WHY_SZ] = "";
		int err;

		fixture_elf(buf, sizeof(buf), EM_X86_64, PF_R | PF_X);
		put(buf, rows[i].at, rows[i].value, rows[i].n);
		err = open_bytes(&img, buf, sizeof(buf), why);
		if (err != rows[i].want)
			fail_msg("%s: %d, want %d (%s)", rows[i].what, err, rows[i].want, why);
		if (err && !why[0])
			fail_msg("%s: no reason given", rows[i].what);
		close_image(&img);
	}
}

static void test_short(void **state)
{
	uint8_t buf[SZ];
	struct elf_image img;
	char why[WHY_SZ];

	fixture_elf(buf, sizeof(buf), EM_AARCH64, PF_R);
	for (size_t n = 0; n < FIXTURE_ELF_SZ; n++) {
		assert_int_equal(open_bytes(&img, buf, n, why), BINARY_NOT_ELF);
		close_image(&img);
	}
}

static void test_ranges(void **state)
{
	static const struct {
		uint64_t vaddr, len;
		bool found;
	} rows[] = {
		{FIXTURE_VADDR, SZ, true},
		{FIXTURE_VADDR, SZ + 1, false},
		{FIXTURE_VADDR - 1, 1, false},
		{FIXTURE_VADDR + SZ - 1, 1, true},
		{FIXTURE_VADDR + SZ, 1, false},
		{UINT64_MAX, 1, false},
		{FIXTURE_VADDR + 8, UINT64_MAX, false},
		{FIXTURE_VADDR + SZ, 0, true},
		{0, 0, false},
	};
	uint8_t buf[SZ], got[SZ];
	struct elf_image img;

	fixture_elf(buf, sizeof(buf), EM_X86_64, PF_R | PF_X);
	buf[SZ - 1] = 42;
	assert_int_equal(open_bytes(&img, buf, sizeof(buf), NULL), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(elf_image_find_load(&img, rows[i].vaddr, rows[i].len) != NULL, rows[i].found);
	assert_int_equal(elf_image_read_vaddr(&img, FIXTURE_VADDR + SZ - 1, got, 1), 0);
	assert_int_equal(got[0], 42);
	assert_int_equal(elf_image_read_vaddr(&img, FIXTURE_VADDR + SZ - 1, got, 2), -ENODATA);
	assert_int_equal(elf_image_read(&img, UINT64_MAX, got, 2), -ENODATA);
	assert_int_equal(elf_image_lowest_vaddr(&img), FIXTURE_VADDR);
	assert_true(elf_image_is_exec(&img, FIXTURE_VADDR));
	close_image(&img);
}

static void test_shrinks(void **state)
{
	uint8_t buf[SZ], got[64];
	struct elf_image img;
	struct elf_window w;

	fixture_elf(buf, sizeof(buf), EM_X86_64, PF_R);
	assert_int_equal(open_bytes(&img, buf, sizeof(buf), NULL), 0);
	assert_int_equal(ftruncate(img.fd, 100), 0);
	assert_int_equal(elf_image_read(&img, 64, got, 64), -ENODATA);
	assert_int_equal(elf_window_open(&w, &img, 0, SZ), 0);
	assert_null(elf_window_get(&w, 90, 20));
	elf_window_close(&w);
	close_image(&img);
}

static void test_budget(void **state)
{
	uint8_t buf[SZ], got[SZ];
	struct elf_image img;
	int err, n = 0;

	fixture_elf(buf, sizeof(buf), EM_X86_64, PF_R);
	assert_int_equal(open_bytes(&img, buf, sizeof(buf), NULL), 0);
	while ((err = elf_image_read(&img, 0, got, SZ)) == 0 && n < 1000000)
		n++;
	assert_int_equal(err, -EFBIG);
	close_image(&img);
}

static void test_window(void **state)
{
	size_t sz = 3 * ELF_WINDOW_SZ + 100, n;
	uint64_t pos, edge = ELF_WINDOW_SZ - 4;
	uint8_t *buf = malloc(sz);
	struct elf_image img;
	struct elf_window w;

	fixture_elf(buf, sz, EM_X86_64, PF_R);
	memcpy(buf + edge, "needle01", 8);              /* over the edge of the first window, aligned to 4 only */
	memcpy(buf + 2 * ELF_WINDOW_SZ, "needle01", 8); /* aligned */
	assert_int_equal(open_bytes(&img, buf, sz, NULL), 0);
	assert_int_equal(elf_window_open(&w, &img, 0, UINT64_MAX), 0);
	assert_int_equal(w.size, sz);
	assert_int_equal(elf_window_search(&w, 0, "needle01", 8, 4, &pos), 0);
	assert_int_equal(pos, edge);
	assert_int_equal(elf_window_search(&w, 0, "needle01", 8, 16, &pos), 0);
	assert_int_equal(pos, 2 * ELF_WINDOW_SZ);
	assert_int_equal(elf_window_search(&w, 2 * ELF_WINDOW_SZ + 1, "needle01", 8, 1, &pos), -ENOENT);
	assert_memory_equal(elf_window_get(&w, edge, 8), "needle01", 8);
	assert_non_null(elf_window_get(&w, sz - 1, 1));
	assert_null(elf_window_get(&w, sz - 1, 2));
	assert_null(elf_window_get(&w, UINT64_MAX, 2));
	assert_null(elf_window_get(&w, 0, ELF_WINDOW_SZ + 1));
	assert_null(elf_window_next(&w, sz, &n));
	elf_window_close(&w);
	assert_int_equal(elf_window_open(&w, &img, UINT64_MAX, 10), 0);
	assert_null(elf_window_next(&w, 0, &n));
	elf_window_close(&w);
	close_image(&img);
	free(buf);
}

static void test_self(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct elf_image img;

	assert_int_equal(elf_image_open(&img, fd, (uint64_t)lseek(fd, 0, SEEK_END), NULL), 0);
	assert_non_null(elf_image_find_section(&img, ".text"));
	assert_null(elf_image_find_section(&img, ".nothing"));
	assert_true(elf_image_needs(&img, "libc.so."));
	assert_false(elf_image_needs(&img, "libnothing"));
	assert_true(elf_image_is_exec(&img, elf_image_find_section(&img, ".text")->addr));
	assert_false(elf_image_is_exec(&img, elf_image_find_section(&img, ".rodata")->addr));
	close_image(&img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),  cmocka_unit_test(test_short),  cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_shrinks), cmocka_unit_test(test_budget), cmocka_unit_test(test_window),
		cmocka_unit_test(test_self),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
