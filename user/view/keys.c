/* SPDX-License-Identifier: BSD-2-Clause */
/* A decoder of our own instead of getch(): it is the same in every terminal description, it never waits after an Esc,
 * and it can be tested without a terminal. Sequences are those of ECMA-48 (CSI parameters final) and the forms that
 * terminals in use send: xterm's and tmux's (CSI A, SS3 A, CSI 15~), the Linux console's (CSI [ A for F1), rxvt's
 * (CSI 11~ for F1). Modifiers (CSI 1;5A) are ignored. */
#include "view/keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define ESC          0x1b
#define SEQUENCE_MAX 32 /* longer is no key: a paste, or noise */

size_t keys_feed(struct keys *k, const void *bytes, size_t len)
{
	size_t room = sizeof(k->bytes) - k->len, taken = len < room ? len : room;

	memcpy(k->bytes + k->len, bytes, taken);
	k->len += taken;
	return len - taken;
}

/* CSI number ~ */
static uint32_t tilde_key(int number)
{
	static const struct {
		int number;
		uint32_t key;
	} keys[] = {
		{1, KEYS_HOME},     {2, 0},
		{3, KEYS_DELETE},   {4, KEYS_END},
		{5, KEYS_PAGE_UP},  {6, KEYS_PAGE_DOWN},
		{7, KEYS_HOME},     {8, KEYS_END},
		{11, KEYS_F1},      {12, KEYS_F1 + 1},
		{13, KEYS_F1 + 2},  {14, KEYS_F1 + 3},
		{15, KEYS_F1 + 4},  {17, KEYS_F1 + 5},
		{18, KEYS_F1 + 6},  {19, KEYS_F1 + 7},
		{20, KEYS_F1 + 8},  {21, KEYS_F1 + 9},
		{23, KEYS_F1 + 10}, {24, KEYS_F1 + 11},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (keys[i].number == number)
			return keys[i].key;
	return 0;
}

/* Last byte of CSI and SS3 sequences. */
static uint32_t letter_key(unsigned char final)
{
	switch (final) {
	case 'A':
		return KEYS_UP;
	case 'B':
		return KEYS_DOWN;
	case 'C':
		return KEYS_RIGHT;
	case 'D':
		return KEYS_LEFT;
	case 'H':
		return KEYS_HOME;
	case 'F':
		return KEYS_END;
	case 'M': /* SS3 M: Enter of the number block */
		return '\r';
	default:
		return final >= 'P' && final <= 'S' ? (uint32_t)(KEYS_F1 + final - 'P') : 0;
	}
}

/* Bytes that the sequence after "ESC [" takes with these two; 0: not all there. *key 0: none. */
static size_t control_sequence(const struct keys *k, uint32_t *key)
{
	size_t at = 2;

	*key = 0;
	if (k->len > 2 && k->bytes[2] == '[') { /* the Linux console's F1 to F5 */
		if (k->len < 4)
			return 0;
		if (k->bytes[3] >= 'A' && k->bytes[3] <= 'E')
			*key = (uint32_t)(KEYS_F1 + k->bytes[3] - 'A');
		return 4;
	}
	while (at < k->len && k->bytes[at] >= 0x20 && k->bytes[at] < 0x40)
		at++;
	if (at > SEQUENCE_MAX)
		return at;
	if (at == k->len)
		return 0;
	if (k->bytes[at] < 0x40 || k->bytes[at] == 0x7f) /* broken off: this byte is the next key */
		return at;
	if (k->bytes[at] == '~')
		*key = tilde_key(atoi((const char *)k->bytes + 2));
	else if (k->bytes[at] != 'M') /* CSI M is a mouse */
		*key = letter_key(k->bytes[at]);
	return at + 1;
}

static size_t escape(const struct keys *k, uint32_t *key)
{
	*key = 0;
	if (k->len < 2)
		return 0;
	if (k->bytes[1] == '[')
		return control_sequence(k, key);
	if (k->bytes[1] == 'O') {
		if (k->len < 3)
			return 0;
		*key = letter_key(k->bytes[2]);
		return 3;
	}
	*key = KEYS_ESC; /* followed by a key of its own */
	return 1;
}

static size_t character(const struct keys *k, uint32_t *key)
{
	unsigned char b = k->bytes[0];
	size_t want = b < 0xc2 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : b < 0xf5 ? 4 : 1;
	size_t taken;

	*key = 0;
	if (k->len < want)
		return 0;
	taken = utf8_next((const char *)k->bytes, k->len, key);
	if (!taken) {
		*key = 0;
		return 1;
	}
	if (*key == '\n')
		*key = '\r';
	else if (*key == 0x7f || *key == '\b')
		*key = KEYS_BACKSPACE;
	return taken;
}

static void drop(struct keys *k, size_t n)
{
	k->len -= n;
	memmove(k->bytes, k->bytes + n, k->len);
}

bool keys_next(struct keys *k, uint32_t *ret)
{
	while (k->len) {
		uint32_t key;
		size_t taken = k->bytes[0] == ESC ? escape(k, &key) : character(k, &key);

		if (!taken && k->len < sizeof(k->bytes))
			return false;
		drop(k, taken ? taken : 1);
		if (taken && key) {
			*ret = key;
			return true;
		}
	}
	return false;
}

bool keys_flush(struct keys *k)
{
	bool esc = k->len == 1 && k->bytes[0] == ESC;

	k->len = 0;
	return esc;
}
