/* SPDX-License-Identifier: BSD-2-Clause */
/* Error contract of the whole tree: 0 good, negative errno fatal, positive a named outcome of the function's header. */
#pragma once

#include <errno.h>
#include <stddef.h>

/* Where a refusal must be explained to a person, the function fills a buffer of this size ("why"). */
#define WHY_SZ 200

/* Writes a formatted reason into why (why may be NULL) and returns err, so that `return err_why(...)` reads well. */
int err_why(char *why, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
