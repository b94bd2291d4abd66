/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a goroutine waits, in the runtime's words: the numbers mean something else in almost every Go version. */
#pragma once

#include "runtime/memory.h"

#define WAIT_REASONS   64
#define WAIT_REASON_SZ 40

struct wait_reasons {
	int cnt; /* numbers below it are defined; 0: this version is not known */
	char words[WAIT_REASONS][WAIT_REASON_SZ];
};

/* The table of Go 1.minor. */
void wait_reasons_of_version(int minor, struct wait_reasons *ret);
/* The program's own runtime.waitReasonStrings at addr (0 unknown), once they look like it; else the table of its
 * version. 0 or -ESRCH. */
int wait_reasons_read(struct memory *m, uint64_t addr, int minor, struct wait_reasons *ret);
/* Words of number n, or "wait reason N" when it is not defined. */
void wait_reasons_get(const struct wait_reasons *w, unsigned n, char ret[WAIT_REASON_SZ]);
