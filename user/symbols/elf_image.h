/* SPDX-License-Identifier: BSD-2-Clause */
/* A hostile 64-bit ELF file: segments, sections, bounded reads. */
#pragma once

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_LOADS_MAX    32
#define ELF_NOTES_MAX    8
#define ELF_SECTIONS_MAX 1024
#define ELF_NAME_SZ      32
#define ELF_WINDOW_SZ    (128u << 10)

struct elf_segment {
	uint64_t vaddr, offset, filesz, memsz;
	uint32_t flags; /* PF_R, PF_W, PF_X */
};

struct elf_section {
	char name[ELF_NAME_SZ]; /* cut when longer */
	uint32_t type, link;
	uint64_t flags, addr, offset;
	uint64_t size; /* bytes in the file; 0 for SHT_NOBITS and for ranges outside of the file */
};

/* Embedded; plain data for the modules of this folder. fd is borrowed. */
struct elf_image {
	int fd;
	uint64_t size;
	uint64_t budget;  /* bytes that may still be read: bounds the time that a crafted file can cost */
	uint16_t machine; /* EM_X86_64 or EM_AARCH64 */
	bool pie;
	struct elf_segment loads[ELF_LOADS_MAX];
	unsigned load_cnt;
	struct elf_segment notes[ELF_NOTES_MAX];
	unsigned note_cnt;
	struct elf_segment dynamic;   /* filesz 0: none */
	struct elf_section *sections; /* owned; NULL without usable section headers */
	unsigned section_cnt;
};

/* 0, BINARY_NOT_ELF, BINARY_UNSUPPORTED (symbols/binary.h) or -errno, explained in why. */
int elf_image_open(struct elf_image *img, int fd, uint64_t size, char *why);
void elf_image_close(struct elf_image *img);

/* All of len bytes at a file offset: 0, -ENODATA outside of the file, -EFBIG once the budget is used up, -errno. */
int elf_image_read(struct elf_image *img, uint64_t offset, void *buf, size_t len);
/* Same at a link-time address. */
int elf_image_read_vaddr(struct elf_image *img, uint64_t vaddr, void *buf, size_t len);
/* The segment with file content for all of [vaddr, vaddr + len), NULL if there is none. */
const struct elf_segment *elf_image_find_load(const struct elf_image *img, uint64_t vaddr, uint64_t len);
bool elf_image_is_exec(const struct elf_image *img, uint64_t vaddr);
const struct elf_section *elf_image_find_section(const struct elf_image *img, const char *name);
/* Page of the lowest PT_LOAD. */
uint64_t elf_image_lowest_vaddr(const struct elf_image *img);
/* Value of the first entry with that tag in the dynamic section; 0 or -ENOENT. */
int elf_image_find_dynamic(struct elf_image *img, int64_t tag, uint64_t *ret);
/* A needed library has a name that starts with prefix. */
bool elf_image_needs(struct elf_image *img, const char *prefix);

/* Buffered view of a range of the file: big tables are walked without holding them. */
struct elf_window {
	struct elf_image *img;
	uint64_t start, size; /* the range */
	uint64_t at;          /* position of buf in the range */
	size_t len;           /* valid bytes of buf */
	uint8_t *buf;         /* owned, ELF_WINDOW_SZ */
};

/* The range is cut at the end of the file. 0 or -ENOMEM. */
int elf_window_open(struct elf_window *w, struct elf_image *img, uint64_t offset, uint64_t size);
void elf_window_close(struct elf_window *w);
/* len (at most ELF_WINDOW_SZ) bytes at pos, valid until the next call; NULL outside of the range or unreadable. */
const uint8_t *elf_window_get(struct elf_window *w, uint64_t pos, size_t len);
/* As many bytes as the window holds from pos on; NULL at the end of the range. */
const uint8_t *elf_window_next(struct elf_window *w, uint64_t pos, size_t *len);
/* Position of the first occurrence of a pattern in the range, from pos on, at a file offset that is a multiple of align
 * (addresses of segments are congruent to their offsets); 0 or -ENOENT. */
int elf_window_search(struct elf_window *w, uint64_t pos, const void *pattern, size_t len, unsigned align,
		      uint64_t *ret);

static inline uint32_t elf_u32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint64_t elf_u64(const uint8_t *p)
{
	return elf_u32(p) | (uint64_t)elf_u32(p + 4) << 32;
}
