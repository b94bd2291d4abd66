/* SPDX-License-Identifier: BSD-2-Clause */
/* Wait reasons: numbers by version, against the Go sources' enumerations, and strings read from memory (our own). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "runtime/wait_reason.h"

/* facts: runtime/runtime2.go of each version */
static void test_numbers(void **state)
{
	static const struct {
		int minor, cnt;
		unsigned select, chan_receive, semacquire, sleep, cond, last;
		const char *last_words;
	} rows[] = {
		{18, 27, 9, 14, 18, 19, 20, 26, "debug call"},
		{19, 27, 9, 14, 18, 19, 20, 26, "debug call"},
		{20, 32, 9, 14, 18, 19, 20, 31, "stopping the world"},
		{21, 32, 9, 14, 18, 19, 20, 31, "stopping the world"},
		{22, 37, 9, 14, 18, 19, 20, 36, "coroutine"},
		{23, 38, 9, 14, 18, 19, 20, 37, "GC weak to strong wait"},
		{24, 43 + 1, 9, 14, 18, 19, 20, 43, "select (synctest)"},
		{25, 47, 9, 14, 19, 20, 21, 46, "cleanup wait"},
		{26, 47, 18, 19, 13, 14, 21, 46, "cleanup wait"},
		{27, 47, 18, 19, 13, 14, 21, 46, "cleanup wait"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct wait_reasons w;

		wait_reasons_of_version(rows[i].minor, &w);
		assert_int_equal(w.cnt, rows[i].cnt);
		assert_string_equal(w.words[0], "");
		assert_string_equal(w.words[1], "GC assist marking");
		assert_string_equal(w.words[2], "IO wait");
		assert_string_equal(w.words[rows[i].select], "select");
		assert_string_equal(w.words[rows[i].chan_receive], "chan receive");
		assert_string_equal(w.words[rows[i].semacquire], "semacquire");
		assert_string_equal(w.words[rows[i].sleep], "sleep");
		assert_string_equal(w.words[rows[i].cond], "sync.Cond.Wait");
		assert_string_equal(w.words[rows[i].last], rows[i].last_words);
	}
}

static void test_unknown(void **state)
{
	char words[WAIT_REASON_SZ];
	struct wait_reasons w;

	for (int minor = -1; minor < 18; minor++) {
		wait_reasons_of_version(minor, &w);
		assert_int_equal(w.cnt, 0);
	}
	wait_reasons_of_version(28, &w);
	assert_int_equal(w.cnt, 0);
	wait_reasons_get(&w, 7, words);
	assert_string_equal(words, "wait reason 7");
	wait_reasons_of_version(27, &w);
	wait_reasons_get(&w, 46, words);
	assert_string_equal(words, "cleanup wait");
	wait_reasons_get(&w, 255, words);
	assert_string_equal(words, "wait reason 255");
}

struct go_string {
	const char *ptr;
	uint64_t len;
};

static struct go_string array[WAIT_REASONS];
static struct wait_reasons known;

static void reset(int minor)
{
	wait_reasons_of_version(minor, &known);
	memset(array, 0xff, sizeof(array));
	for (int i = 0; i < known.cnt; i++)
		array[i] = (struct go_string){*known.words[i] ? known.words[i] : NULL, strlen(known.words[i])};
}

static void read_ours(int minor, struct wait_reasons *ret)
{
	struct memory m;

	assert_int_equal(memory_open(&m, "", getpid()), 0);
	assert_int_equal(wait_reasons_read(&m, (uintptr_t)array, minor, ret), 0);
	memory_close(&m);
}

static void test_own_words(void **state)
{
	struct wait_reasons w;

	reset(26); /* a version without a table has as many as look like it */
	array[3] = (struct go_string){"new in this version", 19};
	read_ours(99, &w);
	assert_int_equal(w.cnt, 47);
	assert_string_equal(w.words[3], "new in this version");
	assert_string_equal(w.words[18], "select");

	reset(26); /* words win over the table of the version */
	array[20] = (struct go_string){"chan send!", 10};
	read_ours(27, &w);
	assert_string_equal(w.words[20], "chan send!");
}

/* What is not the array: the table, or nothing. */
static void test_hostile(void **state)
{
	static const struct {
		int at;
		const char *ptr;
		uint64_t len;
	} rows[] = {
		{1, "GC assist marking", 16},
		{2, "IO wait\0", 8},
		{2, "IO", 2},
		{0, "not empty", 9},
		{5, (const char *)8, 3},
		{5, (const char *)-8, 30},
		{5, NULL, 3},
		{5, "x", UINT64_MAX},
		{5, "x", 1u << 31},
		{5, "tab\there", 8},
		{5, "\xc3\xa4\xc3\xb6", 4},
		{46, NULL, 40},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct wait_reasons w;

		reset(26);
		array[rows[i].at] = (struct go_string){rows[i].ptr, rows[i].len};
		read_ours(26, &w);
		assert_int_equal(w.cnt, 47);
		assert_string_equal(w.words[2], "IO wait");
		assert_string_equal(w.words[5], "garbage collection scan");
		read_ours(99, &w);
		assert_true(w.cnt == 0 || w.cnt == rows[i].at); /* ends where it stops to look like it */
	}
}

static void test_nowhere(void **state)
{
	static const uint64_t addrs[] = {8, UINT64_MAX - 7, 1ull << 63, 0};
	struct wait_reasons w;
	struct memory m;

	assert_int_equal(memory_open(&m, "", getpid()), 0);
	for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
		assert_int_equal(wait_reasons_read(&m, addrs[i], 24, &w), 0);
		assert_int_equal(w.cnt, 44);
	}
	memory_close(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_unknown), cmocka_unit_test(test_own_words),
		cmocka_unit_test(test_hostile), cmocka_unit_test(test_nowhere),
	};

	return cmocka_run_group_tests_name("wait_reason", tests, NULL, NULL);
}
