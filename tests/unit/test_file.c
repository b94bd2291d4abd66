/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that someone else put there: what is no file is refused and never waited for, sizes are bounded. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"

static char folder[] = "/tmp/gs-file-XXXXXX";

static char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int make_folder(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	FILE *f;

	if (fd < 0 || !mkdtemp(folder) || mkfifo(path_of("fifo"), 0600) || symlink("fifo", path_of("to_fifo")) ||
	    symlink("/dev/zero", path_of("to_zero")) || symlink("loop", path_of("loop")))
		return -1;
	strcpy(a.sun_path, path_of("socket"));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)))
		return -1;
	close(fd);
	f = fopen(path_of("text"), "we");
	if (!f || fputs("0123456789", f) < 0 || fclose(f))
		return -1;
	return 0;
}

static int remove_folder(void **state)
{
	static const char *const names[] = {"fifo", "to_fifo", "to_zero", "loop", "socket", "text"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unlink(path_of(names[i]));
	return rmdir(folder);
}

/* A FIFO without a writer: an open that waits for one never returns, and the alarm ends the test. */
static void test_refused(void **state)
{
	static const struct {
		const char *name;
		int err;
	} rows[] = {{"fifo", -EINVAL}, {"to_fifo", -EINVAL}, {"to_zero", -EINVAL}, {"loop", -ELOOP},
		    {"socket", -ENXIO}, {"none", -ENOENT}, {"text/below", -ENOTDIR}};

	alarm(10);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *text, buf[16];

		assert_int_equal(file_open("", path_of(rows[i].name)), rows[i].err);
		assert_int_equal(file_read("", path_of(rows[i].name), buf, sizeof(buf)), rows[i].err);
		assert_int_equal(file_read_alloc("", path_of(rows[i].name), 100, &text, NULL), rows[i].err);
	}
	alarm(0);
}

static void test_bounds(void **state)
{
	char buf[5], *text = NULL;
	size_t sz;
	int fd;

	assert_int_equal(file_read(folder, "/text", buf, sizeof(buf)), 4);
	assert_string_equal(buf, "0123");
	assert_int_equal(file_read_alloc(folder, "/text", 9, &text, NULL), -EFBIG);
	assert_int_equal(file_read_alloc(folder, "/text", 10, &text, &sz), 0);
	assert_int_equal(sz, 10);
	free(text);
	assert_int_equal(file_read_alloc(folder, "", 10, &text, NULL), -EISDIR);
	fd = file_open(folder, "");
	assert_true(fd >= 0);
	close(fd);
}

/* What a line of the log looks like on stderr. */
static void logged(char *buf, size_t sz, const char *text)
{
	int ends[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	log_warn("%s", text);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	n = read(ends[0], buf, sz - 1);
	close(ends[0]);
	assert_true(n > 0);
	buf[n] = 0;
}

static void test_log_is_printable(void **state)
{
	static const struct {
		const char *text, *line;
	} rows[] = {
		{"plain", "gopherscope: plain\n"},
		{"caf\xc3\xa9 \xe2\x80\xa6", "gopherscope: caf\xc3\xa9 \xe2\x80\xa6\n"},
		{"\x1b[2Jgone\nfaked: line\r", "gopherscope: ?[2Jgone?faked: line?\n"},
		{"\xff\xc3 cut \xe2\x80", "gopherscope: ?? cut ??\n"},
		{"turned \xe2\x80\xae, C1 \xc2\x9b", "gopherscope: turned ???, C1 ??\n"},
		{"own end\n", "gopherscope: own end\n"},
	};
	char buf[2048], large[4000];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		logged(buf, sizeof(buf), rows[i].text);
		assert_string_equal(buf, rows[i].line);
	}
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = 0;
	logged(buf, sizeof(buf), large);
	assert_true(strlen(buf) < 1100 && buf[strlen(buf) - 1] == '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_log_is_printable),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
