/* SPDX-License-Identifier: BSD-2-Clause */
/* From an address of code to function, file and line, inlined calls told apart: out of pclntab, which stripped programs
 * keep. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "symbols/binary.h"

struct code_lines;

/* Strings belong to the code_lines and are valid until it is closed. */
struct code_frame {
	const char *function; /* "cart.(*Hub).loop", full import path; type arguments as "[...]", as in tracebacks */
	const char *symbol;   /* the same with its type arguments where the binary has them (Go 1.21+) */
	const char *file;     /* as compiled in, "" unknown */
	int line;             /* 0 unknown */
	uint64_t entry;       /* link address of the (outermost, for inlined ones too) function */
	bool wrapper;         /* made by the compiler for a method: tracebacks leave it out */
};

/* Opens the tables of the executable behind fd, which stays the caller's and may be closed afterwards (a duplicate is
 * kept). 0, -ENOENT with why (no table, unknown version), -errno. */
int code_lines_open(int fd, const struct binary *b, struct code_lines **ret, char *why);
struct code_lines *code_lines_close(struct code_lines *c);
/* Frames of the link address pc, innermost inlined call first; at most max. call: pc is a return address, so the
 * instruction before it is meant. Number of frames, 0 when pc is in no function. Answers are remembered (bounded). */
int code_lines_find(struct code_lines *c, uint64_t pc, bool call, struct code_frame *frames, int max);
/* The function that a wrapper of the compiler calls ("f.gowrap1" is what it makes of `go g(x)`), where that is known
 * (Go 1.20 and newer); else pc. Link addresses. */
uint64_t code_lines_wrapped(struct code_lines *c, uint64_t pc);
/* Only the function that holds pc (outermost); NULL unknown. */
const char *code_lines_function(struct code_lines *c, uint64_t pc);
