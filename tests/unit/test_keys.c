/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes of terminals in use as keys, cut at every place, and bytes that are no keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "view/keys.h"

static const struct {
	const char *bytes;
	uint32_t keys[4]; /* ends with 0 */
} rows[] = {
	{"q", {'q'}},
	{"jk", {'j', 'k'}},
	{"\r", {'\r'}},
	{"\n", {'\r'}},
	{"\x7f", {KEYS_BACKSPACE}},
	{"\b", {KEYS_BACKSPACE}},
	{"\033[A", {KEYS_UP}},
	{"\033OA", {KEYS_UP}},
	{"\033[1;5B", {KEYS_DOWN}},
	{"\033[C\033[D", {KEYS_RIGHT, KEYS_LEFT}},
	{"\033[5~\033[6~", {KEYS_PAGE_UP, KEYS_PAGE_DOWN}},
	{"\033[H\033OF", {KEYS_HOME, KEYS_END}},
	{"\033[1~\033[4~", {KEYS_HOME, KEYS_END}},
	{"\033[7~\033[8~", {KEYS_HOME, KEYS_END}},
	{"\033[3~", {KEYS_DELETE}},
	{"\033OP\033OS", {KEYS_F1, KEYS_F1 + 3}},
	{"\033[[A\033[[E", {KEYS_F1, KEYS_F1 + 4}},
	{"\033[11~\033[14~\033[17~", {KEYS_F1, KEYS_F1 + 3, KEYS_F1 + 5}},
	{"\033[21~\033[24~", {KEYS_F1 + 9, KEYS_F12}},
	{"\033OM", {'\r'}},
	{"\xc3\xa4", {0xe4}},
	{"\xe2\x82\xac", {0x20ac}},
	{"\033[99~q", {'q'}},     /* unknown number */
	{"\033[?1;2cq", {'q'}},   /* an answer of the terminal */
	{"\xff\xfeq", {'q'}},     /* no UTF-8 */
	{"\xc3q", {'q'}},         /* broken off */
	{"\033\033", {KEYS_ESC}}, /* the second one waits for its rest */
	{"\033q", {KEYS_ESC, 'q'}},
	{"\033[\001q", {1, 'q'}}, /* a sequence broken off by a control */
};

static size_t decode(struct keys *k, const char *bytes, size_t len, size_t piece, uint32_t *ret, size_t max)
{
	size_t cnt = 0;

	for (size_t at = 0; at < len; at += piece) {
		assert_int_equal(keys_feed(k, bytes + at, len - at < piece ? len - at : piece), 0);
		while (cnt < max && keys_next(k, &ret[cnt]))
			cnt++;
	}
	return cnt;
}

static void test_sequences(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t piece = 1; piece < 5; piece++) {
			struct keys k = {.len = 0};
			uint32_t got[8] = {0};

			decode(&k, rows[i].bytes, strlen(rows[i].bytes), piece, got, 8);
			for (size_t n = 0; n < 4 && (n == 0 || rows[i].keys[n - 1]); n++)
				if (got[n] != rows[i].keys[n])
					fail_msg("row %zu in pieces of %zu: key %zu is %x, not %x", i, piece, n, got[n],
						 rows[i].keys[n]);
		}
	}
}

static void test_lone_esc(void **state)
{
	struct keys k = {.len = 0};
	uint32_t key;

	keys_feed(&k, "\033", 1);
	assert_false(keys_next(&k, &key));
	assert_true(keys_flush(&k));
	assert_false(keys_flush(&k));
	keys_feed(&k, "\033[1", 3); /* the rest never came */
	assert_false(keys_next(&k, &key));
	assert_false(keys_flush(&k));
	keys_feed(&k, "q", 1);
	assert_true(keys_next(&k, &key));
	assert_int_equal(key, 'q');
}

/* Whatever comes, it ends, and a key typed afterwards is seen. */
static void test_noise(void **state)
{
	srand(7);
	for (int round = 0; round < 20000; round++) {
		struct keys k = {.len = 0};
		char bytes[64];
		uint32_t got[128];
		size_t len = (size_t)rand() % sizeof(bytes);

		for (size_t i = 0; i < len; i++)
			bytes[i] = (char)(rand() % 4 ? "\033[O;15~A\xc3\xff"[rand() % 11] : rand());
		decode(&k, bytes, len, 1 + (size_t)rand() % 7, got, 128);
		keys_flush(&k);
		keys_feed(&k, "q", 1);
		assert_true(keys_next(&k, got));
		assert_int_equal(got[0], 'q');
	}
}

static void test_long_sequence(void **state)
{
	struct keys k = {.len = 0};
	char bytes[KEYS_BUFFER + 10];
	uint32_t key;

	memset(bytes, '1', sizeof(bytes));
	memcpy(bytes, "\033[", 2);
	assert_int_equal(keys_feed(&k, bytes, sizeof(bytes)), 10);
	while (keys_next(&k, &key))
		;
	assert_true(k.len < 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequences),
		cmocka_unit_test(test_lone_esc),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_long_sequence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
