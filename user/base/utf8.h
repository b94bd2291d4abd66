/* SPDX-License-Identifier: BSD-2-Clause */
/* UTF-8 from outside: decoding that never trusts a byte, and the columns a character takes on a terminal. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Reads one character of at most len bytes at s into *ret. Bytes taken (1 to 4), or 0 when the bytes are no valid UTF-8
 * (truncated, overlong, surrogate, beyond U+10FFFF): the caller then skips one byte. len must not be 0. */
size_t utf8_next(const char *s, size_t len, uint32_t *ret);
/* Columns of a character: 1, 2, or 0 for what must not reach a terminal from outside: controls (C0, C1, DEL), marks
 * that combine with their neighbour, invisible characters and those that turn the direction of writing. */
int utf8_columns(uint32_t c);
