/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions, files and lines of a process's goroutines, as a person wants to be told them. */
#pragma once

#include "procs/process.h"
#include "runtime/census.h"
#include "symbols/code_lines.h"

/* Opens the tables of the executable that p runs. 0 with *ret (code_lines_close), CENSUS_NO_LAYOUT when it has none
 * that can be read, -ESRCH when it runs another program by now, -errno; why is filled. */
int process_lines_open(const char *root, const struct process *p, struct code_lines **ret, char *why);
/* Where a goroutine was created or is blocked, by an address of its group: the innermost call there, inlined or not,
 * that is no wrapper; blocked: nor a call of what blocks (census_is_plumbing). False: unknown. */
bool process_lines_site(struct code_lines *lines, uint64_t pc, bool blocked, struct code_frame *ret);
/* It is the program's first goroutine. */
bool process_lines_is_main(struct code_lines *lines, const struct census_group *g);
/* The go statement's address; 0 for the program's first goroutine, which no statement made, and where unknown. */
uint64_t process_lines_created(struct code_lines *lines, const struct census_group *g);
