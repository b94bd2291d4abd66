/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole executables: what is known of good ones, what is said about others, truncation and damage of every kind, cache.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "symbols/binary.h"
#include "unit/fixture.h"

static uint8_t *load(const char *version, const char *variant, size_t *sz)
{
	int fd = fixture_open(version, variant);
	uint8_t *p;

	assert_true(fd >= 0);
	p = fixture_load(fd, sz);
	assert_non_null(p);
	close(fd);
	return p;
}

static void test_good(void **state)
{
	static const struct {
		const char *version, *variant;
		bool stripped, pie, cgo, dwarf;
	} rows[] = {
		{"1.22.12", "plain", false, false, false, true},     {"1.27.4", "stripped", true, false, false, false},
		{"1.27.4", "pie", false, true, false, true},         {"1.27.4", "cgo", false, false, true, true},
		{"1.27.4", "nodwarf", false, false, false, false},   {"1.26.8", "arm64", false, false, false, true},
		{"1.25.5", "piestripped", true, true, false, false}, {"1.25.5", "cgopie", false, true, true, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = fixture_open(rows[i].version, rows[i].variant);
		struct binary *b = NULL;
		char why[WHY_SZ] = "";

		assert_true(fd >= 0);
		if (binary_read(fd, &b, why) != 0)
			fail_msg("%s %s: %s", rows[i].version, rows[i].variant, why);
		if (b->stripped != rows[i].stripped || b->pie != rows[i].pie || b->cgo != rows[i].cgo ||
		    b->has_dwarf != rows[i].dwarf)
			fail_msg("%s %s: stripped %d pie %d cgo %d dwarf %d", rows[i].version, rows[i].variant,
				 b->stripped, b->pie, b->cgo, b->has_dwarf);
		assert_int_equal(b->layout, rows[i].dwarf ? LAYOUT_DWARF : LAYOUT_TABLE);
		assert_true(b->text_vaddr > b->lowest_vaddr && b->lowest_vaddr % 4096 == 0);
		for (int g = 0; g < GLOBAL_CNT; g++)
			assert_int_not_equal(b->globals[g], 0);
		assert_int_equal(b->globals_source, rows[i].stripped ? GLOBALS_CODE : GLOBALS_SYMTAB);
		assert_int_not_equal(b->moduledata, 0);
		assert_string_equal(b->layout_why, "");
		for (int s = 0; s < GO_SITE_CNT; s++)
			assert_int_not_equal(b->sites[s].how, SITE_NONE);
		assert_true(b->runtime_from >= b->text_vaddr && b->runtime_to > b->runtime_from);
		assert_true(b->newproc1_from > b->runtime_from && b->newproc1_to < b->runtime_to);
		binary_free(b);
		close(fd);
	}
}

static int read_path(const char *path, char *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	struct binary *b = NULL;

	err = binary_read(fd, &b, why);
	binary_free(b);
	if (fd >= 0)
		close(fd);
	return err;
}

static int read_bytes(const void *p, size_t n, char *why)
{
	int fd = fixture_memfd(p, n), err;
	struct binary *b = NULL;

	assert_true(fd >= 0);
	err = binary_read(fd, &b, why);
	binary_free(b);
	close(fd);
	return err;
}

static void test_others(void **state)
{
	size_t sz;
	uint8_t *p = load("1.22.12", "plain", &sz);
	char why[WHY_SZ] = "";

	assert_int_equal(read_path("/bin/true", why), BINARY_NOT_GO);
	assert_int_equal(read_path("/proc/self/exe", why), BINARY_NOT_GO);
	assert_int_equal(read_path("/", why), BINARY_NOT_ELF);
	assert_int_equal(read_path("/dev/null", why), BINARY_NOT_ELF);
	assert_int_equal(read_path("/no/such/file", why), -EBADF);
	assert_int_equal(read_bytes("", 0, why), BINARY_NOT_ELF);
	assert_int_equal(read_bytes("#!/bin/sh\necho hello\n", 21, why), BINARY_NOT_ELF);
	p[EI_CLASS] = ELFCLASS32;
	assert_int_equal(read_bytes(p, sz, why), BINARY_UNSUPPORTED);
	p[EI_CLASS] = ELFCLASS64;
	p[offsetof(Elf64_Ehdr, e_machine)] = EM_386;
	assert_int_equal(read_bytes(p, sz, why), BINARY_UNSUPPORTED);
	assert_true(why[0]);
	free(p);
}

/* The same program with another version in its build information. */
static void with_version(const char *version, struct binary **b, int *err, char *why)
{
	size_t sz;
	uint8_t *p = load("1.22.12", "plain", &sz), *info = memmem(p, sz, "\x08go1.22.12", 10);
	int fd;

	if (!info)
		info = memmem(p, sz, "\x09go1.22.12", 10);
	assert_non_null(info);
	assert_true(strlen(version) == 9);
	memcpy(info + 1, version, 9);
	fd = fixture_memfd(p, sz);
	free(p);
	*b = NULL;
	*err = binary_read(fd, b, why);
	close(fd);
}

static void test_versions(void **state)
{
	struct binary *b;
	char why[WHY_SZ] = "";
	int err;

	with_version("go1.17.13", &b, &err, why);
	assert_int_equal(err, BINARY_TOO_OLD);
	assert_int_equal(b->go_minor, 17);
	assert_int_equal(b->sites[0].how, SITE_NONE);
	assert_true(b->sites[0].why[0] && b->layout_why[0] && strstr(why, "go1.17.13"));
	assert_int_equal(b->fields[FIELD_G_M], -1);
	binary_free(b);

	with_version("go1.28rc1", &b, &err, why); /* unknown, but DWARF tells the layout */
	assert_int_equal(err, 0);
	assert_int_equal(b->go_minor, 28);
	assert_true(b->go_devel);
	assert_int_equal(b->layout, LAYOUT_DWARF);
	assert_int_equal(b->sites[0].how, SITE_PUSH);
	binary_free(b);

	with_version("garbled!!", &b, &err, why);
	assert_int_equal(err, BINARY_UNSUPPORTED);
	assert_null(b);
}

static void test_truncated(void **state)
{
	static const char *const variants[] = {"plain", "stripped", "pie"};
	char why[WHY_SZ];

	for (size_t v = 0; v < sizeof(variants) / sizeof(variants[0]); v++) {
		size_t sz, n;
		uint8_t *p = load("1.26.8", variants[v], &sz);
		int fd = fixture_memfd(p, sz);

		free(p);
		for (n = sz; n > 0; n = n > 100000 ? n - 37777 : n > 1024 ? n - 997 : n - 1) {
			struct binary *b = NULL;
			int err;

			assert_int_equal(ftruncate(fd, (off_t)n), 0);
			why[0] = '\0';
			err = binary_read(fd, &b, why);
			if (err != 0 && !why[0])
				fail_msg("%s cut at %zu: %d without a reason", variants[v], n, err);
			for (int s = 0; b && s < GO_SITE_CNT; s++) /* whatever is offered is in the file */
				assert_true(b->sites[s].how == SITE_NONE ? b->sites[s].why[0] != '\0'
									 : b->sites[s].file_offset < n);
			binary_free(b);
		}
		close(fd);
	}
}

/* Ranges that everything depends on; the rest of the file is hit by chance. */
static size_t pick(const uint8_t *p, size_t sz, uint32_t r, unsigned i)
{
	const Elf64_Ehdr *eh = (const void *)p;
	size_t info = (size_t)((const uint8_t *)memmem(p, sz, "\xff Go buildinf:\x08\x02", 16) - p);
	const uint8_t *table = memmem(p, sz, "\xf1\xff\xff\xff\0\0\x01\x08", 8);
	size_t pclntab = table ? (size_t)(table - p) : 0;

	switch (i % 6) {
	case 0:
		return r % (sizeof(*eh) + 16 * sizeof(Elf64_Phdr));
	case 1:
		return eh->e_shoff + r % (eh->e_shnum * sizeof(Elf64_Shdr));
	case 2:
		return info + r % 512;
	case 3:
		return pclntab + r % 128;
	case 4:
		return pclntab + r % 200000;
	default:
		return r % sz;
	}
}

static void mutate(const char *version, const char *variant, unsigned cnt)
{
	static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
	size_t sz;
	uint8_t *p = load(version, variant, &sz);
	int fd = fixture_memfd(p, sz);
	uint64_t begin = clock_mono_ns(), worst = 0;
	uint32_t seed = 12345;

	for (unsigned i = 0; i < cnt; i++) {
		size_t at[3];
		struct binary *b = NULL;
		char why[WHY_SZ] = "";
		uint64_t t;
		int err;

		for (int k = 0; k < 3; k++) {
			uint8_t v;

			seed = seed * 1664525u + 1013904223u;
			at[k] = pick(p, sz, seed >> 8, k == 0 ? i : seed >> 4);
			if (at[k] >= sz)
				at[k] = sz - 1;
			v = seed % 3 ? values[(seed >> 3) % sizeof(values)] : (uint8_t)(seed >> 16);
			assert_int_equal(pwrite(fd, &v, 1, (off_t)at[k]), 1);
		}
		t = clock_mono_ns();
		err = binary_read(fd, &b, why);
		t = clock_mono_ns() - t;
		worst = t > worst ? t : worst;
		if (err != 0 && !why[0])
			fail_msg("mutation %u: %d without a reason", i, err);
		for (int s = 0; b && s < GO_SITE_CNT; s++)
			assert_true(b->sites[s].how == SITE_NONE || b->sites[s].file_offset < sz);
		binary_free(b);
		for (int k = 0; k < 3; k++)
			assert_int_equal(pwrite(fd, p + at[k], 1, (off_t)at[k]), 1);
	}
	print_message("%s %s: %u mutations, %.2f ms each, worst %.1f ms\n", version, variant, cnt,
		      (double)(clock_mono_ns() - begin) / 1e6 / cnt, (double)worst / 1e6);
	assert_true(worst < 3 * NS_PER_SEC); /* generous: sanitizers, a busy machine */
	assert_int_equal(read_bytes(p, sz, NULL), 0);
	close(fd);
	free(p);
}

static void test_mutations(void **state)
{
	mutate("1.22.12", "stripped", 2000);
	mutate("1.26.8", "stripped", 1500);
	mutate("1.27.4", "piestripped", 1000);
	mutate("1.22.12", "plain", 300);
	mutate("1.27.4", "pie", 300);
}

/* A sparse file of 1 TB whose only segment is all of it: no magic anywhere, and the budget ends the search. */
static void test_sparse(void **state)
{
	uint8_t head[FIXTURE_ELF_SZ];
	uint64_t huge = 1ull << 40, t;
	char why[WHY_SZ] = "";
	struct binary *b = NULL;
	int fd;

	fixture_elf(head, sizeof(head), EM_X86_64, PF_R | PF_W);
	memcpy(head + sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_filesz), &huge, sizeof(huge));
	fd = fixture_memfd(head, sizeof(head));
	assert_int_equal(ftruncate(fd, (off_t)huge), 0);
	t = clock_mono_ns();
	assert_int_equal(binary_read(fd, &b, why), BINARY_NOT_GO);
	assert_true(clock_mono_ns() - t < 20 * NS_PER_SEC);
	close(fd);
}

static void test_helper(void **state)
{
	static const struct {
		const char *path;
		bool want;
	} rows[] = {
		{"github.com/opencontainers/runc", true},
		{"github.com/opencontainers/runc/contrib/cmd/recvtty", true},
		{"github.com/opencontainers/runc-like", false},
		{"github.com/containerd/containerd/cmd/containerd-shim-runc-v2", true},
		{"github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2", true},
		{"gvisor.dev/gvisor/shim/cmd/containerd-shim-runsc-v1", true},
		{"github.com/containers/conmon/runner/conmon", true},
		{"github.com/containerd/containerd/cmd/containerd", false},
		{"k8s.io/kubernetes/cmd/kubelet", false},
		{"example.com/hello", false},
		{"", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct binary b = {0};

		strcpy(b.main_path, rows[i].path);
		if (binary_is_runtime_helper(&b) != rows[i].want)
			fail_msg("%s", rows[i].path);
	}
}

static void test_cache(void **state)
{
	size_t sz;
	uint8_t *p = load("1.22.12", "plain", &sz);
	int first = fixture_memfd(p, sz), copy = fixture_memfd(p, sz), forged, script = fixture_memfd("#!", 2), other;
	const struct binary *a = NULL, *b = NULL;
	struct binary_cache *c;
	char why[WHY_SZ] = "", again[WHY_SZ] = "";

	assert_int_equal(binary_cache_new(2, &c), 0);
	assert_int_equal(binary_cache_get(c, first, &a, why), 0);
	assert_int_equal(binary_cache_get(c, first, &b, why), 0);
	assert_ptr_equal(a, b);
	assert_int_equal(binary_cache_get(c, copy, &b, why), 0); /* equal content, other inode */
	assert_ptr_equal(a, b);

	/* same build id and size, but other code where the probe would go: must not share */
	p[a->sites[0].file_offset] ^= 0xff;
	forged = fixture_memfd(p, sz);
	assert_int_equal(binary_cache_get(c, forged, &b, why), 0);
	assert_ptr_not_equal(a, b);
	assert_int_not_equal(b->sites[0].vaddr, a->sites[0].vaddr);

	/* full: what is there stays, new content is refused, non-Go programs still get their answer */
	other = fixture_open("1.27.4", "stripped");
	assert_int_equal(binary_cache_get(c, other, &b, why), -ENOSPC);
	assert_true(why[0]);
	assert_int_equal(binary_cache_get(c, first, &b, why), 0);
	assert_ptr_equal(a, b);
	assert_int_equal(binary_cache_get(c, script, &b, why), BINARY_NOT_ELF);
	assert_int_equal(binary_cache_get(c, script, &b, again), BINARY_NOT_ELF);
	assert_string_equal(why, again);

	/* a file that is written anew is another content: its change time tells */
	assert_int_equal(ftruncate(copy, 1000), 0);
	assert_int_not_equal(binary_cache_get(c, copy, &b, why), 0);
	assert_int_equal(binary_cache_get(c, -1, &b, why), -EBADF);
	binary_cache_free(c);
	binary_cache_free(NULL);
	close(first), close(copy), close(forged), close(script), close(other);
	free(p);
}

static void test_names(void **state)
{
	assert_string_equal(go_site_symbol(GO_SITE_START_WORLD), "runtime.startTheWorldWithSema");
	assert_string_equal(go_site_symbol((enum go_site)99), "unknown");
	assert_string_equal(probe_how_text(SITE_PUSH), "push (emulated)");
	assert_string_equal(probe_how_text(SITE_NONE), "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),      cmocka_unit_test(test_others),    cmocka_unit_test(test_versions),
		cmocka_unit_test(test_truncated), cmocka_unit_test(test_mutations), cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_helper),    cmocka_unit_test(test_cache),     cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
