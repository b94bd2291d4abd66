/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and durations as people write them, the bounded copy, the growing string, and strict UTF-8. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/utf8.h"

static void test_u64(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint64_t value;
	} rows[] = {
		{"0", 0, 0},
		{"42", 0, 42},
		{"007", 0, 7},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"12a", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = 99;

		assert_int_equal(str_to_u64(rows[i].text, &v), rows[i].err);
		assert_int_equal(v, rows[i].err ? 99 : rows[i].value); /* written only on success */
	}
}

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint64_t ns;
	} rows[] = {
		{"500ms", 0, 500000000},
		{"10s", 0, 10000000000},
		{"2m", 0, 120000000000},
		{"1h", 0, 3600000000000},
		{"3", 0, 3000000000},
		{"0.5", 0, 500000000},
		{".25s", 0, 250000000},
		{"1.5ms", 0, 1500000},
		{"7us", 0, 7000},
		{"9ns", 0, 9},
		{"0", 0, 0},
		{"", -EINVAL, 0},
		{".", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"10 s", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"0x10s", -EINVAL, 0},
		{"1parsec", -EINVAL, 0},
		{"1S", -EINVAL, 0},
		{"1e400", -EINVAL, 0},
		{"99999999999999h", -EINVAL, 0},
		{"nan", -EINVAL, 0},
		{"inf", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = 99;

		assert_int_equal(str_to_duration_ns(rows[i].text, &v), rows[i].err);
		assert_int_equal(v, rows[i].err ? 99 : rows[i].ns);
	}
}

static void test_copy(void **state)
{
	char buf[5] = "zzzz";

	assert_true(str_copy(buf, sizeof(buf), "abcd"));
	assert_string_equal(buf, "abcd");
	assert_false(str_copy(buf, sizeof(buf), "efghi"));
	assert_string_equal(buf, "efgh");
	assert_true(str_copy(buf, sizeof(buf), ""));
	assert_string_equal(buf, "");
	assert_false(str_copy(buf, 1, "x"));
	assert_string_equal(buf, "");
	memcpy(buf, "keep", 5);
	assert_false(str_copy(buf, 0, ""));
	assert_string_equal(buf, "keep");
}

static void test_starts_ends(void **state)
{
	assert_true(str_starts("go1.22", "go"));
	assert_true(str_starts("go", ""));
	assert_false(str_starts("g", "go"));
	assert_true(str_ends("x.jsonl", ".jsonl"));
	assert_true(str_ends("x", ""));
	assert_false(str_ends("l", ".jsonl"));
	assert_false(str_ends("x.json", ".jsonl"));
}

static void test_growing(void **state)
{
	struct str s;

	str_init(&s);
	assert_string_equal(str_get(&s), ""); /* before anything was added */
	for (int i = 0; i < 1000; i++)
		str_addf(&s, "%03d,", i);
	assert_int_equal(s.len, 4000);
	assert_memory_equal(str_get(&s) + 3996, "999,", 5);
	assert_false(s.failed);
	str_clear(&s);
	assert_string_equal(str_get(&s), "");
	str_add_n(&s, "abcdef", 3);
	str_add(&s, "");
	str_add(&s, "!");
	assert_string_equal(str_get(&s), "abc!");
	str_deinit(&s);
	assert_null(s.buf);
	str_deinit(&s);
}

/* A character that is cut, overlong, a surrogate or beyond the last is none. */
static void test_utf8(void **state)
{
	static const struct {
		const char *bytes;
		size_t len, taken;
		uint32_t c;
	} rows[] = {
		{"a", 1, 1, 'a'},
		{"\0", 1, 1, 0},
		{"\xc3\xa9", 2, 2, 0xe9},
		{"\xe2\x82\xac", 3, 3, 0x20ac},
		{"\xf0\x9f\x98\x80", 4, 4, 0x1f600},
		{"\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff},
		{"\xc3\xa9", 1, 0, 0},
		{"\xf0\x9f\x98\x80", 3, 0, 0},
		{"\x80", 1, 0, 0},
		{"\xc0\xaf", 2, 0, 0},
		{"\xe0\x80\xaf", 3, 0, 0},
		{"\xed\xa0\x80", 3, 0, 0},
		{"\xf4\x90\x80\x80", 4, 0, 0},
		{"\xff", 1, 0, 0},
		{"\xc3(", 2, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t c = 0;

		assert_int_equal(utf8_next(rows[i].bytes, rows[i].len, &c), rows[i].taken);
		assert_int_equal(c, rows[i].c);
	}
}

static void test_utf8_columns(void **state)
{
	static const struct {
		uint32_t c;
		int columns;
	} rows[] = {
		{'a', 1},  {0xe9, 1}, {0x2502, 1}, {0x4e2d, 2}, {0xac00, 2}, {0x1f600, 2}, {0, 0},      {0x1b, 0},
		{0x7f, 0}, {0x9b, 0}, {0x301, 0},  {0x200b, 0}, {0x202e, 0}, {0x2066, 0},  {0xfeff, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(utf8_columns(rows[i].c), rows[i].columns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),          cmocka_unit_test(test_duration), cmocka_unit_test(test_copy),
		cmocka_unit_test(test_starts_ends),  cmocka_unit_test(test_growing),  cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_utf8_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
