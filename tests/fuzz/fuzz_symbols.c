/* SPDX-License-Identifier: BSD-2-Clause */
/* Real Go programs with spoiled places, thrown at symbols/: no crash, no read beyond a buffer, no endless loop, and an
 * answer that is in range. An input is a list of patches, so that libFuzzer's inputs stay small whatever a program
 * weighs: a byte that chooses the program, then (place 4 bytes, length 1 byte, bytes). Places count from the start of
 * what the target reads: FUZZ_WHAT=elf (headers), buildinfo, pclntab, moduledata, dwarf. FUZZ_BASES: the programs,
 * colons between. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbols/binary.h"
#include "symbols/code_lines.h"
#include "symbols/elf_image.h"
#include "symbols/go_binary.h"
#include "symbols/layout.h"
#include "symbols/pclntab.h"

#define BASES_MAX   8
#define PATCHES_MAX 64
#define RANGES_MAX  8
#define PAGE        4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

struct base {
	uint8_t *data; /* its content, as it was */
	size_t size;
	int fd; /* a file in memory, which gets the patches */
	struct {
		uint64_t offset, size;
	} ranges[RANGES_MAX]; /* that patches go to */
	unsigned range_cnt;
	uint64_t total; /* of their sizes */
	uint64_t text;  /* a link address that is code */
};

static struct base bases[BASES_MAX];
static unsigned base_cnt;
static enum { WHAT_ELF, WHAT_BUILDINFO, WHAT_PCLNTAB, WHAT_MODULEDATA, WHAT_DWARF } what;

static void add_range(struct base *b, uint64_t offset, uint64_t size)
{
	if (b->range_cnt == RANGES_MAX || offset >= b->size || !size)
		return;
	if (size > b->size - offset)
		size = b->size - offset;
	b->ranges[b->range_cnt].offset = offset;
	b->ranges[b->range_cnt++].size = size;
	b->total += size;
}

static void add_section(struct base *b, const struct elf_image *img, const char *name)
{
	const struct elf_section *s = elf_image_find_section(img, name);

	if (s)
		add_range(b, s->offset, s->size);
}

static uint64_t file_offset(const struct elf_image *img, uint64_t vaddr)
{
	const struct elf_segment *l = elf_image_find_load(img, vaddr, 8);

	return l ? vaddr - l->vaddr + l->offset : UINT64_MAX;
}

static void choose_ranges(struct base *b, struct elf_image *img)
{
	Elf64_Ehdr eh;
	struct pclntab t;

	memcpy(&eh, b->data, sizeof(eh));
	if (pclntab_open(img, &t, NULL))
		abort();
	b->text = t.text;
	switch (what) {
	case WHAT_ELF:
		add_range(b, 0, 64 + 56ull * eh.e_phnum);
		add_range(b, eh.e_shoff, 64ull * eh.e_shnum);
		add_section(b, img, ".dynamic");
		add_section(b, img, ".note.go.buildid");
		break;
	case WHAT_BUILDINFO:
		add_section(b, img, ".go.buildinfo");
		break;
	case WHAT_PCLNTAB: /* header, the first names, function entries and records */
		add_range(b, t.offset, PAGE);
		add_range(b, t.offset + t.funcs, PAGE);
		add_range(b, t.offset + t.funcs + 8ull * t.func_cnt, 4 * PAGE);
		break;
	case WHAT_MODULEDATA:
		if (t.moduledata)
			add_range(b, file_offset(img, t.moduledata), 400);
		add_range(b, t.offset, 72);
		add_section(b, img, ".rela.dyn");
		add_section(b, img, ".rela");
		break;
	case WHAT_DWARF:
		add_section(b, img, ".debug_abbrev");
		add_section(b, img, ".debug_info");
		add_section(b, img, ".debug_str_offsets");
		add_section(b, img, ".debug_line_str");
		break;
	}
}

static void open_base(const char *path)
{
	struct base *b = &bases[base_cnt++];
	struct elf_image img;
	struct stat st;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fstat(fd, &st)) {
		perror(path);
		exit(1);
	}
	b->size = (size_t)st.st_size;
	b->data = malloc(b->size);
	b->fd = memfd_create("program", MFD_CLOEXEC);
	if (!b->data || read(fd, b->data, b->size) != (ssize_t)b->size ||
	    pwrite(b->fd, b->data, b->size, 0) != (ssize_t)b->size)
		abort();
	close(fd);
	if (elf_image_open(&img, b->fd, b->size, NULL))
		abort();
	choose_ranges(b, &img);
	elf_image_close(&img);
	if (b->total)
		return;
	close(b->fd); /* it has nothing of what is asked for */
	free(b->data);
	memset(b, 0, sizeof(*b));
	base_cnt--;
}

static void open_bases(void)
{
	static const char *const names[] = {"elf", "buildinfo", "pclntab", "moduledata", "dwarf"};
	const char *name = getenv("FUZZ_WHAT"), *list = getenv("FUZZ_BASES");
	char *copy = strdup(list ? list : ""), *save = NULL;

	for (unsigned i = 0; name && i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			what = i;
	for (char *p = strtok_r(copy, ":", &save); p && base_cnt < BASES_MAX; p = strtok_r(NULL, ":", &save))
		open_base(p);
	free(copy);
	if (!base_cnt) {
		fputs("FUZZ_BASES names no program that has what FUZZ_WHAT asks for\n", stderr);
		exit(1);
	}
}

/* ---- one try ------------------------------------------------------------------------------------------- */

static uint64_t place(const struct base *b, uint64_t at)
{
	at %= b->total;
	for (unsigned i = 0; i < b->range_cnt; i++) {
		if (at < b->ranges[i].size)
			return b->ranges[i].offset + at;
		at -= b->ranges[i].size;
	}
	abort();
}

struct patch {
	uint64_t offset;
	size_t len;
};

static size_t apply(const struct base *b, const uint8_t *data, size_t size, struct patch *patches)
{
	size_t cnt = 0;

	while (size > 5 && cnt < PATCHES_MAX) {
		struct patch *p = &patches[cnt];

		p->offset = place(b, elf_u32(data));
		p->len = data[4] % 32 + 1u;
		data += 5;
		size -= 5;
		if (p->len > size)
			p->len = size;
		if (p->len > b->size - p->offset)
			p->len = b->size - p->offset;
		if (pwrite(b->fd, data, p->len, (off_t)p->offset) != (ssize_t)p->len)
			abort();
		data += p->len;
		size -= p->len;
		cnt++;
	}
	return cnt;
}

static void restore(const struct base *b, const struct patch *patches, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		if (pwrite(b->fd, b->data + patches[i].offset, patches[i].len, (off_t)patches[i].offset) < 0)
			abort();
}

static void check_binary(const struct binary *b)
{
	if (memchr(b->go_version, 0, sizeof(b->go_version)) == NULL ||
	    memchr(b->build_id, 0, sizeof(b->build_id)) == NULL ||
	    memchr(b->layout_why, 0, sizeof(b->layout_why)) == NULL)
		abort();
	for (int f = 0; f < FIELD_CNT; f++)
		if (b->fields[f] < -1)
			abort();
	for (int i = 0; i < GO_SITE_CNT; i++)
		if ((b->sites[i].how == SITE_NONE) == (b->sites[i].why[0] == '\0'))
			abort();
}

static void try_lines(int fd, const struct binary *b, uint64_t text)
{
	struct code_lines *lines;
	struct code_frame frames[8];
	char why[WHY_SZ];

	if (code_lines_open(fd, b, &lines, why))
		return;
	for (uint64_t pc = text; pc < text + 40000; pc += 1111) {
		int n = code_lines_find(lines, pc, pc & 1, frames, 8);

		if (n < 0 || n > 8)
			abort();
		for (int i = 0; i < n; i++)
			if (!frames[i].function || !frames[i].file || strlen(frames[i].function) > 1u << 20)
				abort();
	}
	code_lines_close(lines);
}

static void try_binary(const struct base *base)
{
	struct binary *b = NULL;
	char why[WHY_SZ] = "";
	int err = binary_read(base->fd, &b, why);

	if (err == 0 || err == BINARY_TOO_OLD)
		check_binary(b);
	else if (!*why)
		abort();
	if (err == 0)
		try_lines(base->fd, b, base->text);
	binary_free(err == 0 || err == BINARY_TOO_OLD ? b : NULL);
}

static void try_part(const struct base *base)
{
	int16_t fields[FIELD_CNT];
	struct binary b = {0};
	struct elf_image img;
	char why[WHY_SZ] = "";

	if (elf_image_open(&img, base->fd, base->size, why) == 0) {
		if (what == WHAT_DWARF)
			layout_from_dwarf(&img, fields, why);
		else
			go_binary_read(&img, &b, why);
	}
	elf_image_close(&img);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct patch patches[PATCHES_MAX];
	const struct base *b;
	size_t cnt;

	if (!base_cnt)
		open_bases();
	if (!size)
		return 0;
	b = &bases[data[0] % base_cnt];
	cnt = apply(b, data + 1, size - 1, patches);
	if (what == WHAT_DWARF || what == WHAT_BUILDINFO)
		try_part(b);
	else
		try_binary(b);
	restore(b, patches, cnt);
	return 0;
}

/* Half of the patches become numbers that formats are afraid of. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static const uint64_t values[] = {0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff, 1ull << 62, ~0ull};
	uint8_t patch[13];

	if (seed % 2 || size + sizeof(patch) > max || size > 400)
		return LLVMFuzzerMutate(data, size ? size : 1, max);
	if (!size)
		data[size++] = (uint8_t)seed;
	for (unsigned i = 0; i < 4; i++)
		patch[i] = (uint8_t)((uint64_t)seed * 0x9e3779b97f4a7c15ull >> (8 * i + 13));
	patch[4] = (uint8_t[]){0, 1, 3, 7}[seed / 2 % 4];
	memcpy(patch + 5, &values[seed / 8 % 10], 8);
	memcpy(data + size, patch, 6u + patch[4]);
	return size + 6u + patch[4];
}
