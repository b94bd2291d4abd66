/* SPDX-License-Identifier: BSD-2-Clause */
/* A list of wanted names, looked up together in one pass over a table. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "symbols/elf_image.h"

#define SYMBOL_NAMES_MAX 8

struct symbol {
	const char *name; /* borrowed, at least 4 characters */
	uint64_t vaddr;   /* 0 = not found */
	uint64_t end;     /* behind the last byte; vaddr when the size is unknown */
	/* where the name was seen in the string table: [0] as a whole string, others as the tail of one */
	uint32_t name_off[SYMBOL_NAMES_MAX];
	unsigned name_cnt;
	bool whole;
};

/* Fills name_off of every symbol from a table of NUL-terminated strings; number of symbols seen, or -errno. */
int symbol_scan_names(struct symbol *symbols, unsigned cnt, struct elf_window *names);
/* The symbol whose name was seen at that offset, NULL if none. */
struct symbol *symbol_find_name(struct symbol *symbols, unsigned cnt, uint32_t name_off);
bool symbol_all_found(const struct symbol *symbols, unsigned cnt);
