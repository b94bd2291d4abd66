/* SPDX-License-Identifier: BSD-2-Clause */
/* go_gc: what attaching one binary needs beyond the common operations of a signal. */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "process_table.h"
#include "symbols/binary.h"

struct link_set;
struct signal;

/* True if this signal was loaded for multi links. */
bool go_gc_is_multi(const struct signal *s);
/* Checks that every function that needs a probe has a safe site; 0, or -ENOTSUP with why. */
int go_gc_check_binary(const struct binary *b, char *why);
/* Everything that a finished cycle's numbers are copied from is known: EVENT_GC_DONE comes. */
bool go_gc_copies_cycles(const struct binary *b);
/* What the program needs to know of the binary. */
void go_gc_fill_entry(const struct binary *b, volatile struct binary_entry *ret);
/* What a hit on a site carries, where the kernel has cookies. */
uint64_t go_gc_cookie(const struct binary *b, uint32_t index, enum go_site site);
/* Probes on all sites of the binary at path, for every process that maps it; *ret is the caller's. */
int go_gc_attach_binary(struct signal *s, const struct binary *b, uint32_t index, const char *path,
			struct link_set **ret, char *why);
