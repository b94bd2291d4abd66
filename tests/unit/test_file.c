/* SPDX-License-Identifier: BSD-2-Clause */
/* Small reads below a root folder: cuts, bounds, numbers as procfs and cgroups write them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"

static char root[] = "/tmp/test_file.XXXXXX";

static void put(const char *name, const char *text, size_t len)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
}

static void test_read(void **state)
{
	char buf[8];

	put("text", "0123456789", 10);
	assert_int_equal(file_read(root, "/text", buf, sizeof(buf)), 7);
	assert_string_equal(buf, "0123456");
	put("text", "", 0);
	assert_int_equal(file_read(root, "/text", buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
	assert_int_equal(file_read(root, "/none", buf, sizeof(buf)), -ENOENT);
	assert_int_equal(file_read(root, "", buf, sizeof(buf)), -EISDIR);
}

static void test_read_fd(void **state)
{
	char buf[16];
	int fd;

	put("kept", "one", 3);
	fd = file_open(root, "/kept");
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(file_read_fd(fd, buf, sizeof(buf)), 3);
	put("kept", "other", 5); /* the same inode: a kept descriptor sees what is new, from the start */
	assert_int_equal(file_read_fd(fd, buf, sizeof(buf)), 5);
	assert_string_equal(buf, "other");
	close(fd);
}

/* What lies where a container writes may be no file at all. */
static void test_no_file(void **state)
{
	char path[200], buf[16];

	snprintf(path, sizeof(path), "%s/fifo", root);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(file_read(root, "/fifo", buf, sizeof(buf)), -EINVAL);
	assert_int_equal(file_read("", "/dev/zero", buf, sizeof(buf)), -EINVAL);
	unlink(path);
}

static void test_path_too_long(void **state)
{
	static char path[5000];
	char buf[8];

	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	assert_int_equal(file_read(root, path, buf, sizeof(buf)), -ENAMETOOLONG);
	assert_int_equal(file_readlink(root, path, buf, sizeof(buf)), -ENAMETOOLONG);
}

static void test_read_alloc(void **state)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 20000};
	static char text[20000];

	memset(text, 'y', sizeof(text));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		char *got = NULL;
		size_t sz = 0;

		put("big", text, sizes[i]);
		assert_int_equal(file_read_alloc(root, "/big", sizes[i], &got, &sz), 0);
		assert_int_equal(sz, sizes[i]);
		assert_int_equal(strlen(got), sz);
		free(got);
		got = text;
		if (sizes[i])
			assert_int_equal(file_read_alloc(root, "/big", sizes[i] - 1, &got, &sz), -EFBIG);
		assert_true(!sizes[i] || got == text); /* written only on success */
	}
	assert_int_equal(file_read_alloc(root, "/none", 10, &(char *){NULL}, NULL), -ENOENT);
}

static void test_read_u64(void **state)
{
	static const struct {
		const char *text;
		int err;
		uint64_t value;
	} rows[] = {
		{"17\n", 0, 17},  {"17", 0, 17},         {"17 100000\n", 0, 17}, {"0\n1\n", 0, 0},
		{"", -EINVAL, 0}, {"max\n", -EINVAL, 0}, {"-1\n", -EINVAL, 0},   {"\n17", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = 99;

		put("number", rows[i].text, strlen(rows[i].text));
		assert_int_equal(file_read_u64(root, "/number", &v), rows[i].err);
		assert_int_equal(v, rows[i].err ? 99 : rows[i].value);
	}
}

static void test_find_u64(void **state)
{
	static const char text[] =
		"nr_periods 10\nnr_throttled_x 5\nnr_throttled 4\nMemTotal:\t  16 kB\nempty\nmax max\nlast 7";
	static const struct {
		const char *key;
		int err;
		uint64_t value;
	} rows[] = {
		{"nr_periods", 0, 10}, {"nr_throttled", 0, 4},    {"MemTotal:", 0, 16},
		{"last", 0, 7},        {"throttled", -ENOENT, 0}, {"nr", -ENOENT, 0},
		{"max", -ENOENT, 0},   {"none", -ENOENT, 0},      {"empty", -ENOENT, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = 0;

		assert_int_equal(file_find_u64(text, rows[i].key, &v), rows[i].err);
		if (!rows[i].err)
			assert_int_equal(v, rows[i].value);
	}
	assert_int_equal(file_find_u64("", "x", &(uint64_t){0}), -ENOENT);
}

static void test_readlink(void **state)
{
	char path[200], buf[6];

	snprintf(path, sizeof(path), "%s/link", root);
	assert_int_equal(symlink("/target", path), 0);
	assert_int_equal(file_readlink(root, "/link", buf, sizeof(buf)), 5); /* cut, and terminated */
	assert_string_equal(buf, "/targ");
	assert_int_equal(file_readlink(root, "/none", buf, sizeof(buf)), -ENOENT);
	unlink(path);
}

static int set_up(void **state)
{
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"text", "kept", "big", "number"};
	char path[200];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, names[i]);
		unlink(path);
	}
	return rmdir(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),       cmocka_unit_test(test_read_fd),
		cmocka_unit_test(test_no_file),    cmocka_unit_test(test_path_too_long),
		cmocka_unit_test(test_read_alloc), cmocka_unit_test(test_read_u64),
		cmocka_unit_test(test_find_u64),   cmocka_unit_test(test_readlink),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
