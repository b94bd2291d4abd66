/* SPDX-License-Identifier: BSD-2-Clause */
/* From the bytes of a terminal to keys. Never trusts a byte: what is no key is dropped. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keys that are no character; characters are their code point (Enter '\r', Tab '\t', Ctrl-C 3). */
enum view_key {
	KEYS_FIRST = 0x200000,
	KEYS_UP = KEYS_FIRST,
	KEYS_DOWN,
	KEYS_LEFT,
	KEYS_RIGHT,
	KEYS_HOME,
	KEYS_END,
	KEYS_PAGE_UP,
	KEYS_PAGE_DOWN,
	KEYS_DELETE,
	KEYS_BACKSPACE,
	KEYS_ESC,
	KEYS_F1, /* to F12, without gaps */
	KEYS_F12 = KEYS_F1 + 11,
};

#define KEYS_BUFFER 256

struct keys {
	unsigned char bytes[KEYS_BUFFER];
	size_t len;
};

/* Adds bytes; those beyond the buffer are dropped and their number returned. */
size_t keys_feed(struct keys *k, const void *bytes, size_t len);
/* The next whole key into *ret. False: nothing, or the beginning of a key whose rest has not come (a lone Esc too). */
bool keys_next(struct keys *k, uint32_t *ret);
/* No more bytes came for a while: a lone Esc is a key, an unfinished sequence is none. True if there was an Esc. */
bool keys_flush(struct keys *k);
