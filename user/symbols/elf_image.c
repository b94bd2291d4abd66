/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads 64-bit little-endian ELF files of amd64 and arm64 with pread into bounded buffers. Not mmap: an executable in a
 * container's layer can be truncated while it is read, and a mapping would then end this process with SIGBUS. Nothing
 * in the file is trusted: each offset is checked against the size, and a budget of bytes bounds what a file that sends
 * a table walk back and forth can cost. Section headers may be missing: segments alone are enough for everything here.
 */
#include "symbols/elf_image.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "symbols/binary.h"

#define BUDGET_FIXED  (64ull << 20)
#define BUDGET_FACTOR 4 /* a good file is read less than twice: names, functions, symbols, DWARF */
#define BUDGET_MAX    (1ull << 30)
#define PHDRS_MAX     128
#define NAMES_MAX     (64u << 10)
#define DYNAMIC_MAX   1024
#define PAGE_MASK_4K  0xfffull

static bool in_file(const struct elf_image *img, uint64_t offset, uint64_t len)
{
	return offset <= img->size && len <= img->size - offset;
}

int elf_image_read(struct elf_image *img, uint64_t offset, void *buf, size_t len)
{
	size_t done = 0;

	if (!in_file(img, offset, len))
		return -ENODATA;
	if (len > img->budget)
		return -EFBIG;
	img->budget -= len;
	while (done < len) {
		ssize_t n = pread(img->fd, (char *)buf + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA; /* truncated since fstat */
		done += (size_t)n;
	}
	return 0;
}

static int check_ident(struct elf_image *img, const Elf64_Ehdr *eh, char *why)
{
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0)
		return err_why(why, BINARY_NOT_ELF, "not an ELF file");
	if (eh->e_ident[EI_CLASS] != ELFCLASS64)
		return err_why(why, BINARY_UNSUPPORTED, "not a 64-bit program");
	if (eh->e_ident[EI_DATA] != ELFDATA2LSB)
		return err_why(why, BINARY_UNSUPPORTED, "not a little-endian program");
	if (eh->e_machine != EM_X86_64 && eh->e_machine != EM_AARCH64)
		return err_why(why, BINARY_UNSUPPORTED, "machine type %u, neither amd64 nor arm64", eh->e_machine);
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return err_why(why, BINARY_UNSUPPORTED, "ELF type %u is no executable", eh->e_type);
	img->machine = eh->e_machine;
	img->pie = eh->e_type == ET_DYN;
	return 0;
}

static void add_segment(struct elf_image *img, const Elf64_Phdr *ph)
{
	struct elf_segment s = {ph->p_vaddr, ph->p_offset, ph->p_filesz, ph->p_memsz, ph->p_flags};

	if (s.vaddr + s.memsz < s.vaddr || s.vaddr + s.filesz < s.vaddr || s.offset > img->size)
		return;
	if (!in_file(img, s.offset, s.filesz))
		s.filesz = img->size - s.offset; /* a truncated file: what is there may still tell */
	if (ph->p_type == PT_LOAD && img->load_cnt < ELF_LOADS_MAX)
		img->loads[img->load_cnt++] = s;
	else if (ph->p_type == PT_NOTE && img->note_cnt < ELF_NOTES_MAX)
		img->notes[img->note_cnt++] = s;
	else if (ph->p_type == PT_DYNAMIC)
		img->dynamic = s;
}

static int read_segments(struct elf_image *img, const Elf64_Ehdr *eh, char *why)
{
	if (eh->e_phentsize != sizeof(Elf64_Phdr) || eh->e_phnum > PHDRS_MAX)
		return err_why(why, BINARY_NOT_ELF, "broken ELF: %u program headers of %u bytes", eh->e_phnum,
			       eh->e_phentsize);
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		Elf64_Phdr ph;
		int err = -ENODATA;

		if (eh->e_phoff <= img->size)
			err = elf_image_read(img, eh->e_phoff + i * sizeof(ph), &ph, sizeof(ph));
		if (err)
			return err_why(why, BINARY_NOT_ELF, "broken ELF: program headers outside of the file");
		add_segment(img, &ph);
	}
	if (img->load_cnt == 0)
		return err_why(why, BINARY_NOT_ELF, "broken ELF: nothing to load");
	return 0;
}

/* The string table of section names, cut at NAMES_MAX; NULL if there is none. */
static char *read_names(struct elf_image *img, const Elf64_Shdr *sh, size_t *ret_sz)
{
	size_t sz = sh->sh_size < NAMES_MAX ? (size_t)sh->sh_size : NAMES_MAX;
	char *names = malloc(sz + 1);

	if (!names || elf_image_read(img, sh->sh_offset, names, sz) != 0) {
		free(names);
		return NULL;
	}
	names[sz] = '\0';
	*ret_sz = sz;
	return names;
}

static void fill_section(const struct elf_image *img, const Elf64_Shdr *sh, const char *names, size_t names_sz,
			 struct elf_section *s)
{
	bool stored = sh->sh_type != SHT_NOBITS && in_file(img, sh->sh_offset, sh->sh_size);

	*s = (struct elf_section){.type = sh->sh_type,
				  .link = sh->sh_link,
				  .flags = sh->sh_flags,
				  .addr = sh->sh_addr,
				  .offset = sh->sh_offset,
				  .size = stored ? sh->sh_size : 0};
	if (sh->sh_name < names_sz) {
		size_t len = strnlen(names + sh->sh_name, ELF_NAME_SZ - 1);

		memcpy(s->name, names + sh->sh_name, len);
	}
}

/* Section headers are a convenience: whatever is wrong with them, the image is used without. */
static void read_sections(struct elf_image *img, const Elf64_Ehdr *eh)
{
	_cleanup_free_ Elf64_Shdr *sh = NULL;
	_cleanup_free_ char *names = NULL;
	unsigned cnt = eh->e_shnum;
	size_t names_sz;

	if (cnt == 0 || cnt > ELF_SECTIONS_MAX || eh->e_shentsize != sizeof(*sh) || eh->e_shstrndx >= cnt)
		return;
	sh = malloc(cnt * sizeof(*sh));
	if (!sh || elf_image_read(img, eh->e_shoff, sh, cnt * sizeof(*sh)) != 0)
		return;
	names = read_names(img, &sh[eh->e_shstrndx], &names_sz);
	if (!names)
		return;
	img->sections = calloc(cnt, sizeof(*img->sections));
	if (!img->sections)
		return;
	for (unsigned i = 0; i < cnt; i++)
		fill_section(img, &sh[i], names, names_sz, &img->sections[i]);
	img->section_cnt = cnt;
}

int elf_image_open(struct elf_image *img, int fd, uint64_t size, char *why)
{
	Elf64_Ehdr eh;
	int err;

	*img = (struct elf_image){.fd = fd, .size = size};
	img->budget = size > BUDGET_MAX / BUDGET_FACTOR ? BUDGET_MAX : BUDGET_FIXED + size * BUDGET_FACTOR;
	err = elf_image_read(img, 0, &eh, sizeof(eh));
	if (err == -ENODATA)
		return err_why(why, BINARY_NOT_ELF, "not an ELF file: too short");
	if (err)
		return err_why(why, err, "cannot read the executable");
	err = check_ident(img, &eh, why);
	if (!err)
		err = read_segments(img, &eh, why);
	if (!err)
		read_sections(img, &eh);
	return err;
}

void elf_image_close(struct elf_image *img)
{
	free(img->sections);
	img->sections = NULL;
	img->section_cnt = 0;
}

const struct elf_segment *elf_image_find_load(const struct elf_image *img, uint64_t vaddr, uint64_t len)
{
	for (unsigned i = 0; i < img->load_cnt; i++) {
		const struct elf_segment *s = &img->loads[i];

		if (vaddr >= s->vaddr && vaddr - s->vaddr <= s->filesz && len <= s->filesz - (vaddr - s->vaddr))
			return s;
	}
	return NULL;
}

int elf_image_read_vaddr(struct elf_image *img, uint64_t vaddr, void *buf, size_t len)
{
	const struct elf_segment *s = elf_image_find_load(img, vaddr, len);

	return s ? elf_image_read(img, vaddr - s->vaddr + s->offset, buf, len) : -ENODATA;
}

bool elf_image_is_exec(const struct elf_image *img, uint64_t vaddr)
{
	const struct elf_segment *s = elf_image_find_load(img, vaddr, 1);

	return s && (s->flags & PF_X);
}

const struct elf_section *elf_image_find_section(const struct elf_image *img, const char *name)
{
	for (unsigned i = 0; i < img->section_cnt; i++)
		if (strcmp(img->sections[i].name, name) == 0)
			return &img->sections[i];
	return NULL;
}

uint64_t elf_image_lowest_vaddr(const struct elf_image *img)
{
	uint64_t lowest = UINT64_MAX;

	for (unsigned i = 0; i < img->load_cnt; i++)
		if (img->loads[i].vaddr < lowest)
			lowest = img->loads[i].vaddr;
	return lowest & ~PAGE_MASK_4K;
}

/* 1 with the entry read, 0 at the end of the section or of the bound. */
static int dynamic_next(struct elf_image *img, unsigned *pos, Elf64_Dyn *dyn)
{
	uint64_t offset = (uint64_t)*pos * sizeof(*dyn);

	if (*pos >= DYNAMIC_MAX || offset + sizeof(*dyn) > img->dynamic.filesz ||
	    elf_image_read(img, img->dynamic.offset + offset, dyn, sizeof(*dyn)) != 0 || dyn->d_tag == DT_NULL)
		return 0;
	(*pos)++;
	return 1;
}

int elf_image_find_dynamic(struct elf_image *img, int64_t tag, uint64_t *ret)
{
	Elf64_Dyn dyn;

	for (unsigned pos = 0; dynamic_next(img, &pos, &dyn);) {
		if (dyn.d_tag == tag) {
			*ret = dyn.d_un.d_val;
			return 0;
		}
	}
	return -ENOENT;
}

bool elf_image_needs(struct elf_image *img, const char *prefix)
{
	char name[32];
	size_t len = strlen(prefix);
	uint64_t strtab;
	Elf64_Dyn dyn;

	if (len > sizeof(name) || elf_image_find_dynamic(img, DT_STRTAB, &strtab) != 0)
		return false;
	for (unsigned pos = 0; dynamic_next(img, &pos, &dyn);)
		if (dyn.d_tag == DT_NEEDED && elf_image_read_vaddr(img, strtab + dyn.d_un.d_val, name, len) == 0 &&
		    memcmp(name, prefix, len) == 0)
			return true;
	return false;
}

int elf_window_open(struct elf_window *w, struct elf_image *img, uint64_t offset, uint64_t size)
{
	*w = (struct elf_window){.img = img, .start = offset, .size = size};
	if (offset > img->size)
		w->size = 0;
	else if (size > img->size - offset)
		w->size = img->size - offset;
	w->buf = malloc(ELF_WINDOW_SZ);
	return w->buf ? 0 : -ENOMEM;
}

void elf_window_close(struct elf_window *w)
{
	free(w->buf);
	w->buf = NULL;
}

static bool window_fill(struct elf_window *w, uint64_t pos)
{
	uint64_t n = w->size - pos;

	if (n > ELF_WINDOW_SZ)
		n = ELF_WINDOW_SZ;
	w->len = 0;
	if (elf_image_read(w->img, w->start + pos, w->buf, (size_t)n) != 0)
		return false;
	w->at = pos;
	w->len = (size_t)n;
	return true;
}

const uint8_t *elf_window_get(struct elf_window *w, uint64_t pos, size_t len)
{
	if (len > ELF_WINDOW_SZ || pos > w->size || len > w->size - pos)
		return NULL;
	if (pos < w->at || pos - w->at > w->len || len > w->len - (pos - w->at))
		if (!window_fill(w, pos))
			return NULL;
	return w->buf + (pos - w->at);
}

const uint8_t *elf_window_next(struct elf_window *w, uint64_t pos, size_t *len)
{
	if (pos >= w->size || (pos != w->at && !window_fill(w, pos)) || (w->len == 0 && !window_fill(w, pos)))
		return NULL;
	*len = w->len;
	return w->buf;
}

int elf_window_search(struct elf_window *w, uint64_t pos, const void *pattern, size_t len, unsigned align,
		      uint64_t *ret)
{
	const uint8_t *p, *hit;
	size_t n;

	while ((p = elf_window_next(w, pos, &n)) && n >= len) {
		for (size_t i = 0; (hit = memmem(p + i, n - i, pattern, len)); i = (size_t)(hit - p) + 1) {
			uint64_t found = pos + (uint64_t)(hit - p);

			if ((w->start + found) % align == 0) {
				*ret = found;
				return 0;
			}
		}
		pos += n - len + 1;
	}
	return -ENOENT;
}
