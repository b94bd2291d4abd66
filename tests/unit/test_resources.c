/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors, threads and their limits: files as the kernel writes them, as nobody should, and our own. */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/resources.h"
#include "runtime/sample.h"

#define PID 4711

static char root[] = "/tmp/test_resources.XXXXXX";

/* A file of the tree, its folders made on the way. */
static void put(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", root, name);
	for (char *at = strchr(path + strlen(root) + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int setup(void **state)
{
	strcpy(root + sizeof(root) - 7, "XXXXXX");
	assert_non_null(mkdtemp(root));
	put("/proc/4711/status", "Name:\tx\nVmRSS:\t    1200 kB\nThreads:\t13\n");
	put("/proc/4711/fd/0", "");
	put("/proc/4711/fd/1", "");
	return 0;
}

static int teardown(void **state)
{
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void test_values(void **state)
{
	struct resources r;

	put("/proc/4711/limits", "Limit                     Soft Limit           Hard Limit           Units     \n"
				 "Max processes             unlimited            unlimited            processes \n"
				 "Max open files            1024                 524288               files     \n");
	assert_int_equal(resources_read(root, PID, &r), 0);
	assert_int_equal(r.fds, 2);
	assert_int_equal(r.fd_limit, 1024);
	assert_int_equal(r.os_threads, 13);
	assert_int_equal(r.thread_limit, RESOURCES_NONE);
	assert_int_equal(r.rss_bytes, 1200 * 1024);
	assert_int_equal(resources_read(root, PID + 1, &r), -ESRCH);
}

static void test_what_is_no_number_is_unknown(void **state)
{
	struct resources r;

	put("/proc/4711/limits", "Max open files            99999999999999999999 1 files\n"
				 "Max processes             -7                   1 processes\n");
	put("/proc/4711/status", "Name:\tx\nVmRSS:\tmany kB\n");
	assert_int_equal(resources_read(root, PID, &r), 0);
	assert_int_equal(r.fd_limit, SAMPLE_UNKNOWN);
	assert_int_equal(r.os_threads, SAMPLE_UNKNOWN);
	assert_int_equal(r.thread_limit, SAMPLE_UNKNOWN);
	assert_int_equal(r.rss_bytes, SAMPLE_UNKNOWN);
}

/* The tightest of RLIMIT_NPROC and of pids.max from the process's cgroup up, v1 and v2. */
static void test_thread_limit(void **state)
{
	static const struct {
		const char *cgroup, *nproc;
		int64_t want;
	} rows[] = {
		{"0::/pod/c\n", "unlimited", 500},      {"0::/pod/c\n", "400", 400},
		{"0::/pod/c/deep\n", "unlimited", 300}, {"0::/other\n", "unlimited", RESOURCES_NONE},
		{"7:pids:/v1\n0::/pod/c\n", "900", 77}, {"7:pids:/v1", "50", 50},
		{"0::/../pod/c\n", "900", 900},         {"nonsense\n::\n", "900", 900},
	};

	put("/sys/fs/cgroup/pod/pids.max", "500\n");
	put("/sys/fs/cgroup/pod/c/pids.max", "max\n");
	put("/sys/fs/cgroup/pod/c/deep/pids.max", "300\n");
	put("/sys/fs/cgroup/pids/v1/pids.max", "77\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct resources r;
		char text[100];

		put("/proc/4711/cgroup", rows[i].cgroup);
		snprintf(text, sizeof(text), "Max processes             %s            1 processes\n", rows[i].nproc);
		put("/proc/4711/limits", text);
		assert_int_equal(resources_read(root, PID, &r), 0);
		assert_int_equal(r.thread_limit, rows[i].want);
	}
}

/* Our own, against the folder and getrlimit. */
static void test_live(void **state)
{
	DIR *dir = opendir("/proc/self/fd");
	int64_t fds = -2; /* . and .. */
	struct resources r;
	struct rlimit limit;

	assert_non_null(dir);
	while (readdir(dir))
		fds++;
	closedir(dir);
	assert_int_equal(resources_read("", getpid(), &r), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_in_range(r.fds, fds - 1, fds + 1); /* the folder's own comes and goes */
	assert_int_equal(r.fd_limit, limit.rlim_cur);
	assert_int_equal(r.os_threads, 1);
	assert_true(r.rss_bytes > 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_number_is_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thread_limit, setup, teardown),
		cmocka_unit_test(test_live),
	};

	return cmocka_run_group_tests_name("resources", tests, NULL, NULL);
}
