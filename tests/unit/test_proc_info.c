/* SPDX-License-Identifier: BSD-2-Clause */
/* One process: files of procfs as the kernel writes them, and as nobody should. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "procs/proc_info.h"

#define PID       4711
#define STAT_REST "S 1 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 13 0 987654 10 11 12 13 14 140720000000016 0"

static char root[] = "/tmp/test_proc_info.XXXXXX";

static void put(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/%d/%s", root, PID, name);
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
	char path[PATH_MAX];

	strcpy(root + sizeof(root) - 7, "XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/proc", root);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/proc/%d", root, PID);
	mkdir(path, 0755);
	return 0;
}

static int teardown(void **state)
{
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void test_stat(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *comm;
		char st;
	} rows[] = {
		{"4711 (app) " STAT_REST "\n", 0, "app", 'S'},
		{"4711 (a b) ) S 1) " STAT_REST "\n", 0, "a b) ) S 1", 'S'},
		{"4711 ()\n(x) " STAT_REST, 0, ")\n(x", 'S'},
		{"4711 () " STAT_REST, 0, "", 'S'},
		{"4711 (0123456789abcdef0123456789) " STAT_REST, 0, "0123456789abcdef", 'S'},
		{"", -EINVAL, NULL, 0},
		{"4711", -EINVAL, NULL, 0},
		{"4711 (app", -EINVAL, NULL, 0},
		{"4711 )app(", -EINVAL, NULL, 0},
		{"4711 (app)", -EINVAL, NULL, 0},
		{"4711 (app) ", -EINVAL, NULL, 0},
		{"4711 (app) S 1 2 3", -EINVAL, NULL, 0},
		{"4711 (app) S 1 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 13", -EINVAL, NULL, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct proc_stat st;

		put("stat", rows[i].text);
		assert_int_equal(proc_info_stat(root, PID, &st), rows[i].err);
		if (rows[i].err)
			continue;
		assert_string_equal(st.comm, rows[i].comm);
		assert_int_equal(st.state, rows[i].st);
		assert_int_equal(st.threads, 13);
		assert_true(st.start_ticks == 987654 && st.start_stack == 140720000000016ull);
		assert_false(proc_info_is_kernel_thread(&st));
		assert_int_equal(proc_info_threads(root, PID), 13);
		assert_true(proc_info_same(root, PID, 987654));
		assert_false(proc_info_same(root, PID, 987655));
	}
	assert_false(proc_info_same(root, PID + 1, 987654));
	assert_int_equal(proc_info_threads(root, PID + 1), -ESRCH);
}

static void test_dead(void **state)
{
	struct proc_stat st;

	put("stat", "4711 (app) Z 1 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 1 0 987654 0 0");
	assert_int_equal(proc_info_stat(root, PID, &st), 0);
	assert_true(proc_info_is_dead(&st));
	assert_false(proc_info_same(root, PID, 987654));
	put("stat",
	    "4711 (app) Z 1 1 1 0 -1 4 1 2 3 4 5 6 7 8 20 0 5 0 987654 0 0"); /* the first thread ended, four run */
	assert_true(proc_info_same(root, PID, 987654));
	put("stat", "4711 (kworker/0:1) I 2 0 0 0 -1 69238880 0 0 0 0 0 0 0 0 20 0 1 0 30 0 0");
	assert_int_equal(proc_info_stat(root, PID, &st), 0);
	assert_true(proc_info_is_kernel_thread(&st));
}

static void test_read_stat(void **state)
{
	struct process p = {0};
	uint64_t boot = clock_unix_ns() - clock_boot_ns();
	char *many = malloc(300000);

	put("stat", "4711 (app) " STAT_REST);
	put("status",
	    "Name:\tapp\nTgid:\t4711\nPid:\t4711\nNStgid:\t4711\t12\t1\nNSpid:\t4711\t12\t1\nVmPeak:\t 1 kB\n");
	assert_int_equal(proc_info_read_stat(root, PID, &p), 0);
	assert_int_equal(p.pid, PID);
	assert_int_equal(p.vpid, 1);
	assert_string_equal(p.comm, "app");
	assert_true(p.start_ticks == 987654);
	assert_true(p.start_unix_ns > boot + 9876 * NS_PER_SEC && p.start_unix_ns < boot + 9878 * NS_PER_SEC);

	put("status", "Name:\tapp\nTgid:\t4700\nPid:\t4711\nNSpid:\t4711\n"); /* a thread */
	assert_int_equal(proc_info_read_stat(root, PID, &p), -ESRCH);
	put("status", "Name:\tapp\nTgid:\t4711\n"); /* no namespaces */
	p.vpid = 0;
	assert_int_equal(proc_info_read_stat(root, PID, &p), 0);
	assert_int_equal(p.vpid, PID);
	put("status", "Name:\tapp\n");
	assert_int_equal(proc_info_read_stat(root, PID, &p), -EINVAL);

	strcpy(many, "Name:\tapp\nTgid:\t4711\nGroups:\t"); /* before NSpid, and as long as the groups are many */
	memset(many + strlen(many), '7', 200000);
	strcpy(many + 200000, "\nNSpid:\t4711\t9\n");
	put("status", many);
	assert_int_equal(proc_info_read_stat(root, PID, &p), 0);
	assert_int_equal(p.vpid, 9);
	free(many);
	assert_int_equal(proc_info_read_stat(root, PID + 1, &p), -ESRCH);
}

static void test_getenv(void **state)
{
	static const char env[] = "XGOGC=1\0GOGC_=2\0GOGC=off\0EMPTY=\0LONG=0123456789\0NOEQUAL\0LAST=end";
	char path[PATH_MAX], buf[8];
	int fd;

	snprintf(path, sizeof(path), "%s/proc/%d/environ", root, PID);
	fd = open(path, O_WRONLY | O_CREAT, 0644);
	assert_int_equal(write(fd, env, sizeof(env) - 1), sizeof(env) - 1); /* not terminated */
	close(fd);
	assert_int_equal(proc_info_getenv(root, PID, "GOGC", buf, sizeof(buf)), 1);
	assert_string_equal(buf, "off");
	assert_int_equal(proc_info_getenv(root, PID, "EMPTY", buf, sizeof(buf)), 1);
	assert_string_equal(buf, "");
	assert_int_equal(proc_info_getenv(root, PID, "LAST", buf, sizeof(buf)), 1);
	assert_string_equal(buf, "end");
	assert_int_equal(proc_info_getenv(root, PID, "NOEQUAL", buf, sizeof(buf)), 0);
	assert_int_equal(proc_info_getenv(root, PID, "GO", buf, sizeof(buf)), 0);
	assert_int_equal(proc_info_getenv(root, PID, "LONG", buf, sizeof(buf)), -ENOSPC);
	assert_int_equal(proc_info_getenv(root, PID + 1, "GOGC", buf, sizeof(buf)), -ESRCH);
}

#define NONE UINT64_MAX

/* %1$s device, %2$lu inode, %3$s path of the executable. */
static void test_bias(void **state)
{
	static const struct {
		const char *maps;
		bool pie;
		uint64_t lowest, text, bias; /* NONE: -ENOENT */
	} rows[] = {
		/* as loaded: fixed, and position independent */
		{"00400000-00500000 r-xp 00000000 %1$s %2$lu %3$s\n00500000-00600000 r--p 00100000 %1$s %2$lu %3$s\n",
		 false, 0x400000, 0x401000, 0},
		{"5600000-5700000 r--p 00000000 %1$s %2$lu %3$s\n5700000-5900000 r-xp 00100000 %1$s %2$lu %3$s\n", true,
		 0, 0x100000, 0x5600000},
		{"5600000-5700000 r-xp 00000000 %1$s %2$lu %3$s", true, 0x10000, 0x10100, 0x55f0000},
		/* other files around it */
		{"10000-20000 r-xp 00000000 00:01 1 /lib/x\n00400000-00500000 r-xp 00000000 %1$s %2$lu %3$s\n", false,
		 0x400000, 0x401000, 0},
		/* overlayfs: another device, then another number as well */
		{"5600000-5700000 r-xp 00000000 00:7b %2$lu %3$s\n", true, 0, 0x1000, 0x5600000},
		{"5600000-5700000 r-xp 00000000 00:7b 99 %3$s\n", true, 0, 0x1000, 0x5600000},
		/* the same number on another device is another file, whatever it holds */
		{"1600000-1700000 r-xp 00000000 00:7b %2$lu /lib/other\n5600000-5700000 r-xp 00000000 00:7b %2$lu "
		 "%3$s\n",
		 true, 0, 0x1000, 0x5600000},
		{"1600000-1700000 r-xp 00000000 00:7b %2$lu /lib/other\n", true, 0, 0x1000, NONE},
		/* its own file mapped as data below its text */
		{"1600000-1900000 r--p 00000000 %1$s %2$lu %3$s\n5600000-5700000 r--p 00000000 %1$s %2$lu %3$s\n"
		 "5700000-5800000 r-xp 00100000 %1$s %2$lu %3$s\n",
		 true, 0, 0x101000, 0x5600000},
		/* text moved to huge pages: only the rest of the file is left to go by */
		{"5600000-5700000 r--p 00000000 %1$s %2$lu %3$s\n5700000-5800000 r-xp 00000000 00:00 0 \n", true, 0,
		 0x101000, 0x5600000},
		/* a fixed binary that is not where it was linked; nothing; no sense */
		{"00700000-00800000 r-xp 00000000 %1$s %2$lu %3$s\n", false, 0x400000, 0x401000, NONE},
		{"00400000-00500000 r-xp 00000000 %1$s %2$lu %3$s\n", false, 0x400000, 0x501000, NONE},
		{"", true, 0, 0x1000, NONE},
		{"\n\n-\n1\n1-\n1-2\n1-2 \n1-2 r-x\n1-2 r-xp\n1-2 r-xp 0\n1-2 r-xp 0 0:0\n1-2 r-xp 0 0:0 \nzz-1 r-xp 0 "
		 "0:0 1 x\n",
		 true, 0, 1, NONE},
		{"5700000-5600000 r-xp 00000000 %1$s %2$lu %3$s\n", true, 0, 0x1000, NONE},
		{"1000-2000 r-xp 00000000 %1$s %2$lu %3$s\n", true, 0x400000, 0x401000, NONE},
	};
	char exe[PATH_MAX], link[PATH_MAX], maps[4096], dev[32];
	struct stat st;

	put("app", "a program");
	snprintf(exe, sizeof(exe), "%s/proc/%d/app", root, PID);
	snprintf(link, sizeof(link), "%s/proc/%d/exe", root, PID);
	assert_int_equal(symlink(exe, link), 0);
	assert_int_equal(stat(exe, &st), 0);
	snprintf(dev, sizeof(dev), "%02x:%02x", major(st.st_dev), minor(st.st_dev));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct binary b = {.pie = rows[i].pie, .lowest_vaddr = rows[i].lowest, .text_vaddr = rows[i].text};
		uint64_t bias = 4711;
		int err;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
		snprintf(maps, sizeof(maps), rows[i].maps, dev, (unsigned long)st.st_ino, exe);
#pragma GCC diagnostic pop
		put("maps", maps);
		err = proc_info_read_bias(root, PID, &b, &bias);
		if (err != (rows[i].bias == NONE ? -ENOENT : 0) || bias != (rows[i].bias == NONE ? 4711 : rows[i].bias))
			fail_msg("row %zu: %d, bias 0x%" PRIx64, i, err, bias);
	}
	assert_int_equal(proc_info_read_bias(root, PID + 1, &(struct binary){0}, &(uint64_t){0}), -ESRCH);
}

/* The test itself, in the machine's own procfs. */
static void test_live(void **state)
{
	struct binary b = {.pie = true};
	struct process p = {0};
	uint64_t bias = 0;
	int fd = proc_info_open_exe("", getpid());

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(proc_info_read_stat("", getpid(), &p), 0);
	assert_true(p.start_unix_ns < clock_unix_ns() && p.start_unix_ns + 3600 * NS_PER_SEC > clock_unix_ns());
	assert_int_equal(proc_info_threads("", getpid()), 1);
	assert_int_equal(proc_info_read_bias("", getpid(), &b, &bias), 0);
	assert_memory_equal((void *)(uintptr_t)bias, "\177ELF", 4);
	assert_int_equal(proc_info_open_exe("", 2), geteuid() ? -EACCES : -ENOENT); /* kthreadd */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stat, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dead, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_stat, setup, teardown),
		cmocka_unit_test_setup_teardown(test_getenv, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bias, setup, teardown),
		cmocka_unit_test(test_live),
	};

	return cmocka_run_group_tests_name("proc_info", tests, NULL, NULL);
}
