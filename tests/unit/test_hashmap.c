/* SPDX-License-Identifier: BSD-2-Clause */
/* The map against a plain array, over many additions and removals; its bound; iteration. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/hashmap.h"

#define KEYS  500 /* few keys and many steps: clusters form and are taken apart */
#define STEPS 200000

static int values[KEYS];

static uint64_t key_of(size_t i)
{
	return i * 4096; /* as inode numbers and addresses: low bits equal */
}

static void check_same(const struct hashmap *m, void *const *want)
{
	size_t cnt = 0, pos = 0;
	uint64_t key;
	void *value;

	for (size_t i = 0; i < KEYS; i++) {
		assert_ptr_equal(hashmap_find(m, key_of(i)), want[i]);
		cnt += want[i] != NULL;
	}
	assert_int_equal(hashmap_cnt(m), cnt);
	while (hashmap_next(m, &pos, &key, &value)) {
		assert_ptr_equal(want[key / 4096], value);
		cnt--;
	}
	assert_int_equal(cnt, 0);
}

static void test_against_array(void **state)
{
	void *want[KEYS] = {NULL};
	uint32_t seed = 1;
	struct hashmap *m;

	assert_int_equal(hashmap_new(KEYS, &m), 0);
	for (int step = 0; step < STEPS; step++) {
		seed = seed * 1664525 + 1013904223;
		size_t i = seed >> 8 & 1023, j = seed >> 20;

		if (i >= KEYS)
			continue;
		if (j % 2) {
			assert_ptr_equal(hashmap_remove(m, key_of(i)), want[i]);
			want[i] = NULL;
		} else {
			assert_int_equal(hashmap_add(m, key_of(i), &values[i]), want[i] ? -EEXIST : 0);
			want[i] = &values[i];
		}
		if (step % 5000 == 0)
			check_same(m, want);
	}
	check_same(m, want);
	assert_null(hashmap_free(m));
}

static void test_bound(void **state)
{
	struct hashmap *m;

	assert_int_equal(hashmap_new(3, &m), 0);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(hashmap_set(m, key_of(i), &values[i]), 0);
	assert_int_equal(hashmap_set(m, key_of(3), &values[3]), -ENOSPC);
	assert_int_equal(hashmap_add(m, key_of(3), &values[3]), -ENOSPC);
	assert_null(hashmap_find(m, key_of(3)));
	assert_int_equal(hashmap_set(m, key_of(1), &values[7]), 0); /* replacing needs no room */
	assert_ptr_equal(hashmap_find(m, key_of(1)), &values[7]);
	assert_ptr_equal(hashmap_remove(m, key_of(0)), &values[0]);
	assert_null(hashmap_remove(m, key_of(0)));
	assert_int_equal(hashmap_add(m, key_of(3), &values[3]), 0);
	assert_int_equal(hashmap_cnt(m), 3);
	hashmap_free(m);
	assert_null(hashmap_free(NULL));
}

static void test_any_key(void **state)
{
	static const uint64_t keys[] = {0, 1, UINT64_MAX, 1ull << 63};
	struct hashmap *m;

	assert_int_equal(hashmap_new(16, &m), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(hashmap_add(m, keys[i], &values[i]), 0);
	for (size_t i = 0; i < 4; i++)
		assert_ptr_equal(hashmap_find(m, keys[i]), &values[i]);
	hashmap_free(m);
}

static void test_hash_bytes(void **state)
{
	/* The published values of FNV-1a. */
	assert_true(hash_bytes("", 0, 0) == 0xcbf29ce484222325ull);
	assert_true(hash_bytes("a", 1, 0) == 0xaf63dc4c8601ec8cull);
	assert_true(hash_bytes("foobar", 6, 0) == 0x85944171f73967e8ull);
	assert_true(hash_bytes("a", 1, 1) != hash_bytes("a", 1, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_array),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_any_key),
		cmocka_unit_test(test_hash_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
