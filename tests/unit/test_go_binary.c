/* SPDX-License-Identifier: BSD-2-Clause */
/* Build information: versions of every spelling, both encodings, damage; and the real thing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "symbols/go_binary.h"
#include "unit/fixture.h"

#define SZ      4096
#define INFO_AT 0x200

static void test_versions(void **state)
{
	static const struct {
		const char *version;
		int err, minor, patch;
		bool devel;
	} rows[] = {
		{"go1.22.5", 0, 22, 5, false},
		{"go1.18", 0, 18, 0, false},
		{"go1.9.7", 0, 9, 7, false},
		{"go1.27.12", 0, 27, 12, false},
		{"go1.27rc1", 0, 27, -1, true},
		{"go1.21beta2", 0, 21, -1, true},
		{"go1.24.3 X:boringcrypto", 0, 24, 3, true},
		{"go1.24.3-custom", 0, 24, -1, true},
		{"devel go1.28-1a2b3c4d Tue Nov 3 10:00:00 2026 +0000", 0, 28, -1, true},
		{"devel +1a2b3c4d Tue", -EINVAL, 0, 0, false},
		{"unknown", -EINVAL, 0, 0, false},
		{"", -EINVAL, 0, 0, false},
		{"go1.", -EINVAL, 0, 0, false},
		{"go1.99999", -EINVAL, 0, 0, false},
		{"go2.1", -EINVAL, 0, 0, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct binary b = {0};

		if (go_binary_parse_version(rows[i].version, &b) != rows[i].err || b.go_minor != rows[i].minor ||
		    b.go_patch != rows[i].patch || b.go_devel != rows[i].devel)
			fail_msg("%s: minor %d patch %d devel %d", rows[i].version, b.go_minor, b.go_patch, b.go_devel);
	}
}

static int read_bytes(const uint8_t *buf, size_t n, struct binary *b, char *why)
{
	int fd = fixture_memfd(buf, n), err;
	struct elf_image img;

	*b = (struct binary){0};
	assert_int_equal(elf_image_open(&img, fd, n, why), 0);
	err = go_binary_read(&img, b, why);
	elf_image_close(&img);
	close(fd);
	return err;
}

static size_t put_string(uint8_t *p, const char *s, size_t len)
{
	size_t n = 0, v = len;

	do
		p[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
	while (v >>= 7);
	memcpy(p + n, s, len);
	return n + len;
}

#define MARK "0123456789abcdef"

/* A little program with inline build information at `at`. */
static void make_inline(uint8_t *buf, size_t at, const char *version, const char *text)
{
	char modinfo[1024];
	size_t n;

	fixture_elf(buf, SZ, EM_X86_64, PF_R | PF_W);
	memcpy(buf + at, "\xff Go buildinf:\x08\x02", 16);
	n = at + 32 + put_string(buf + at + 32, version, strlen(version));
	snprintf(modinfo, sizeof(modinfo), MARK "%s" MARK, text);
	put_string(buf + n, modinfo, strlen(modinfo));
}

static void test_inline(void **state)
{
	uint8_t buf[SZ];
	struct binary b;
	char why[WHY_SZ];

	make_inline(buf, INFO_AT, "go1.22.5",
		    "path\texample.com/a/cmd/b\nmod\texample.com/a\tv1.2.3\th1:sum\ndep\tx.org/y\tv0.1.0\th1:other\n"
		    "build\t-compiler=gc\nbuild\tCGO_ENABLED=1\nbuild\tGOARCH=amd64\n");
	assert_int_equal(read_bytes(buf, SZ, &b, why), 0);
	assert_string_equal(b.go_version, "go1.22.5");
	assert_string_equal(b.main_path, "example.com/a/cmd/b");
	assert_string_equal(b.module, "example.com/a");
	assert_string_equal(b.module_version, "v1.2.3");
	assert_string_equal(b.arch, "amd64");
	assert_true(b.cgo);

	/* characters that would reach a terminal */
	make_inline(buf, INFO_AT, "go1.22.5", "path\tx\x1b[2J\x7f\xc3\xa4y\nbuild\tCGO_ENABLED=0\n");
	assert_int_equal(read_bytes(buf, SZ, &b, why), 0);
	assert_string_equal(b.main_path, "x?[2J???y");
	assert_string_equal(b.module, "");
	assert_false(b.cgo);

	make_inline(buf, INFO_AT, "go1.17.3", "");
	assert_int_equal(read_bytes(buf, SZ, &b, why), BINARY_TOO_OLD);
	make_inline(buf, INFO_AT, "unknown", "");
	assert_int_equal(read_bytes(buf, SZ, &b, why), BINARY_UNSUPPORTED);
	make_inline(buf, INFO_AT + 8, "go1.22.5", ""); /* not at a multiple of 16 */
	assert_int_equal(read_bytes(buf, SZ, &b, why), BINARY_NOT_GO);
}

static void put_u64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void test_pointers(void **state)
{
	uint8_t buf[SZ];
	struct binary b;
	char why[WHY_SZ];

	fixture_elf(buf, SZ, EM_X86_64, PF_R | PF_W);
	memcpy(buf + INFO_AT, "\xff Go buildinf:\x08\x00", 16);
	put_u64(buf + INFO_AT + 16, FIXTURE_VADDR + 0x300);
	put_u64(buf + 0x300, FIXTURE_VADDR + 0x400);
	put_u64(buf + 0x308, 8);
	memcpy(buf + 0x400, "go1.16.9", 8);
	assert_int_equal(read_bytes(buf, SZ, &b, why), BINARY_TOO_OLD);
	assert_string_equal(b.go_version, "go1.16.9");
	assert_int_equal(b.go_minor, 16);
	put_u64(buf + 0x308, UINT64_MAX); /* length */
	assert_int_equal(read_bytes(buf, SZ, &b, why), BINARY_NOT_GO);
	put_u64(buf + INFO_AT + 16, UINT64_MAX);
	assert_int_equal(read_bytes(buf, SZ, &b, why), BINARY_NOT_GO);
}

static void test_damage(void **state)
{
	uint8_t buf[SZ];
	struct binary b;
	char why[WHY_SZ];

	make_inline(buf, INFO_AT, "go1.22.5", "path\tx\n");
	memset(buf + INFO_AT + 32, 0xff, 10); /* endless varint */
	assert_int_equal(read_bytes(buf, SZ, &b, why), BINARY_NOT_GO);
	make_inline(buf, INFO_AT, "go1.22.5", "path\tx\n");
	memcpy(buf + INFO_AT + 32, "\xff\xff\xff\x7f", 4); /* longer than the file */
	assert_int_equal(read_bytes(buf, SZ, &b, why), BINARY_NOT_GO);
	for (size_t n = FIXTURE_ELF_SZ; n < INFO_AT + 80; n++) {
		make_inline(buf, INFO_AT, "go1.22.5", "path\tx\n");
		read_bytes(buf, n, &b, why);
	}
}

static void test_real(void **state)
{
	static const char *const versions[] = {"1.18.10", "1.22.12", "1.27.4"};
	static const char *const variants[] = {"plain", "stripped", "pie", "arm64"};

	for (size_t i = 0; i < 3; i++) {
		for (size_t j = 0; j < 4; j++) {
			int fd = fixture_open(versions[i], variants[j]);
			char want[32], why[WHY_SZ];
			struct elf_image img;
			struct binary b = {0};

			assert_true(fd >= 0);
			assert_int_equal(elf_image_open(&img, fd, (uint64_t)lseek(fd, 0, SEEK_END), why), 0);
			assert_int_equal(go_binary_read(&img, &b, why), 0);
			snprintf(want, sizeof(want), "go%s", versions[i]);
			assert_string_equal(b.go_version, want);
			assert_string_equal(b.main_path, "example.com/hello");
			assert_string_equal(b.module, "example.com/hello");
			assert_string_equal(b.arch, j == 3 ? "arm64" : "amd64");
			assert_false(b.cgo);
			assert_true(strlen(b.build_id) > 40);
			/* the same without section headers */
			free(img.sections);
			img.sections = NULL;
			img.section_cnt = 0;
			b = (struct binary){0};
			assert_int_equal(go_binary_read(&img, &b, why), 0);
			assert_string_equal(b.go_version, want);
			assert_true(strlen(b.build_id) > 40);
			elf_image_close(&img);
			close(fd);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions), cmocka_unit_test(test_inline), cmocka_unit_test(test_pointers),
		cmocka_unit_test(test_damage),   cmocka_unit_test(test_real),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
