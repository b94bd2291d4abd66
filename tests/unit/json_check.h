/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON read back in tests: keys by path, and their types by tables. For tests that include cmocka. */
#pragma once

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

static inline json_t *parse(const char *line)
{
	json_error_t error;
	json_t *ret;

	assert_non_null(line);
	assert_null(strchr(line, '\n'));
	ret = json_loads(line, JSON_REJECT_DUPLICATES, &error);
	if (!ret)
		fail_msg("%s in %s", error.text, line);
	return ret;
}

/* Value at "containers.0.gc.cycles"; fails where a key is missing. */
static inline json_t *at(json_t *root, const char *path)
{
	char copy[200], *save = NULL;

	str_copy(copy, sizeof(copy), path);
	for (char *key = strtok_r(copy, ".", &save); key; key = strtok_r(NULL, ".", &save)) {
		root = json_is_array(root) ? json_array_get(root, (size_t)atoi(key)) : json_object_get(root, key);
		if (!root)
			fail_msg("no %s in %s", key, path);
	}
	return root;
}

struct type_case {
	const char *path;
	char type; /* s string, i integer, r real, o object, a array, b boolean, n null, d distribution, D unknown one
		    */
};

static inline void check_dist(json_t *d, bool known)
{
	static const char *const keys[] = {"count", "sum", "min", "p50", "p90", "p99", "max"};

	assert_int_equal(json_object_size(d), ARRAY_SIZE(keys));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_int_equal(json_is_number(at(d, keys[i])), known);
}

static inline void check_types(json_t *root, const struct type_case *rows, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		json_t *v = at(root, rows[i].path);
		bool good = true;

		switch (rows[i].type) {
		case 's':
			good = json_is_string(v);
			break;
		case 'i':
			good = json_is_integer(v);
			break;
		case 'r':
			good = json_is_real(v);
			break;
		case 'o':
			good = json_is_object(v);
			break;
		case 'a':
			good = json_is_array(v);
			break;
		case 'b':
			good = json_is_boolean(v);
			break;
		case 'n':
			good = json_is_null(v);
			break;
		default:
			check_dist(v, rows[i].type == 'd');
			break;
		}
		if (!good)
			fail_msg("%s is not of type %c", rows[i].path, rows[i].type);
	}
}
