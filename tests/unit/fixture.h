/* SPDX-License-Identifier: BSD-2-Clause */
/* Go programs for tests of symbols/: built on demand by tools/go-fixture, kept in its cache; and copies in memory to
 * spoil. */
#pragma once

#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FIXTURE_HELLO     "tests/fixtures/go/hello"
#define FIXTURE_PATHS_MAX 256

static inline const char *fixture_root(void)
{
	const char *root = getenv("GOPHERSCOPE_ROOT");

	return root && *root ? root : ".";
}

/* All versions and variants are wanted, not only those of the standard run. */
static inline bool fixture_all(void)
{
	const char *s = getenv("GOPHERSCOPE_TEST_ALL");

	return s && strcmp(s, "1") == 0;
}

/* Path of the program in dir (below the repository's root) built with that version and variant; NULL with a message if
 * it cannot be built. Valid until the test ends. */
static inline const char *fixture_path(const char *dir, const char *version, const char *variant)
{
	static struct {
		char key[128], path[512];
	} known[FIXTURE_PATHS_MAX];
	char key[128], cmd[1024];
	FILE *f;
	int i;

	snprintf(key, sizeof(key), "%s %s %s", dir, version, variant);
	for (i = 0; i < FIXTURE_PATHS_MAX && known[i].key[0]; i++)
		if (strcmp(known[i].key, key) == 0)
			return known[i].path;
	if (i == FIXTURE_PATHS_MAX)
		return NULL;
	snprintf(cmd, sizeof(cmd), "'%s/tools/go-fixture' '%s/%s' %s %s", fixture_root(), fixture_root(), dir, version,
		 variant);
	f = popen(cmd, "r");
	if (!f)
		return NULL;
	if (!fgets(known[i].path, sizeof(known[i].path), f))
		known[i].path[0] = '\0';
	if (pclose(f) != 0 || !known[i].path[0]) {
		fprintf(stderr,
			"fixture %s is not there: tools/go-fixture failed (run from the repository's root or set "
			"GOPHERSCOPE_ROOT; it needs the go command)\n",
			key);
		return NULL;
	}
	known[i].path[strcspn(known[i].path, "\n")] = '\0';
	memcpy(known[i].key, key, sizeof(key));
	return known[i].path;
}

/* A descriptor of the hello program, opened; -1 if it cannot be built. */
static inline int fixture_open(const char *version, const char *variant)
{
	const char *path = fixture_path(FIXTURE_HELLO, version, variant);

	return path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

/* A file in memory with that content; tests write to it and truncate it. */
static inline int fixture_memfd(const void *p, size_t n)
{
	int fd = memfd_create("fixture", MFD_CLOEXEC);

	if (fd >= 0 && n > 0 && pwrite(fd, p, n, 0) != (ssize_t)n) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Whole content of a descriptor, heap. */
static inline uint8_t *fixture_load(int fd, size_t *ret_sz)
{
	off_t sz = lseek(fd, 0, SEEK_END);
	uint8_t *p = sz > 0 ? malloc((size_t)sz) : NULL;

	if (p && pread(fd, p, (size_t)sz, 0) != sz) {
		free(p);
		p = NULL;
	}
	*ret_sz = p ? (size_t)sz : 0;
	return p;
}

#define FIXTURE_VADDR 0x400000ull

/* Begins a little ELF program in buf: header and one PT_LOAD that maps all of its sz bytes at FIXTURE_VADDR. */
static inline void fixture_elf(uint8_t *buf, size_t sz, uint16_t machine, uint32_t flags)
{
	Elf64_Ehdr eh = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			 .e_type = ET_EXEC,
			 .e_machine = machine,
			 .e_version = EV_CURRENT,
			 .e_phoff = sizeof(eh),
			 .e_ehsize = sizeof(eh),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 1};
	Elf64_Phdr ph = {.p_type = PT_LOAD,
			 .p_flags = flags,
			 .p_vaddr = FIXTURE_VADDR,
			 .p_filesz = sz,
			 .p_memsz = sz,
			 .p_align = 0x1000};

	memset(buf, 0, sz);
	memcpy(buf, &eh, sizeof(eh));
	memcpy(buf + sizeof(eh), &ph, sizeof(ph));
}
#define FIXTURE_ELF_SZ (sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr))
