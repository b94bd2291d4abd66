/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading a child of one's own: both ways give the same bytes, and neither reads a successor. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/memory.h"

#define CNT 600 /* more than one call takes */

static uint64_t numbers[CNT];

static pid_t spawn(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		for (;;)
			pause();
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_both_ways(void **state)
{
	struct memory_range ranges[CNT];
	uint64_t got[CNT];
	struct memory m;
	pid_t pid;

	for (size_t i = 0; i < CNT; i++) {
		numbers[i] = i * 0x0101010101010101ull;
		ranges[i] = (struct memory_range){(uintptr_t)&numbers[CNT - 1 - i], &got[i], sizeof(got[i])};
	}
	pid = spawn();
	memset(numbers, 0xff, sizeof(numbers)); /* ours, no longer the child's */
	assert_int_equal(memory_open(&m, "", pid), 0);
	assert_true(m.scattered);
	for (int way = 0; way < 2; way++) {
		memset(got, 0, sizeof(got));
		assert_int_equal(memory_read_many(&m, ranges, CNT), 0);
		for (size_t i = 0; i < CNT; i++)
			assert_true(got[i] == (CNT - 1 - i) * 0x0101010101010101ull);
		m.scattered = false;
	}
	memory_close(&m);
	memory_close(&m);
	end(pid);
}

static void test_unmapped(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), buf[64];
	struct memory_range ranges[2] = {{(uintptr_t)two, buf, 8}, {(uintptr_t)(two + page), buf + 8, 8}};
	struct memory m;
	pid_t pid;

	assert_ptr_not_equal(two, MAP_FAILED);
	munmap(two + page, page);
	pid = spawn();
	assert_int_equal(memory_open(&m, "", pid), 0);
	for (int way = 0; way < 2; way++) {
		assert_int_equal(memory_read_many(&m, ranges, 2), -EFAULT);
		m.scattered = false;
	}
	assert_int_equal(memory_read(&m, (uintptr_t)two + page - 8, buf, 8), 0);
	assert_int_equal(memory_read(&m, (uintptr_t)two + page - 8, buf, 9), -EFAULT); /* all or nothing */
	assert_int_equal(memory_read(&m, 0, buf, 8), -EFAULT);
	assert_int_equal(memory_read(&m, UINT64_MAX - 4, buf, 8), -EFAULT);
	assert_int_equal(memory_read(&m, INT64_MAX - 4, buf, 8), -EFAULT);
	memory_close(&m);
	end(pid);
	munmap(two, page);
}

static void test_gone(void **state)
{
	char buf[16];
	struct memory_range ranges[2] = {{(uintptr_t)numbers, buf, 8}, {(uintptr_t)&numbers[1], buf + 8, 8}};
	pid_t pid = spawn();
	struct memory m;

	assert_int_equal(memory_open(&m, "", pid), 0);
	end(pid);
	assert_int_equal(memory_read(&m, ranges[0].addr, buf, 8), -ESRCH);
	assert_int_equal(memory_read_many(&m, ranges, 2), -ESRCH);
	m.pid = getpid(); /* the pid taken by another process, where the same addresses can be read */
	m.scattered = true;
	assert_int_equal(memory_read_many(&m, ranges, 2), -ESRCH);
	memory_close(&m);
	assert_int_equal(memory_open(&m, "", pid), -ESRCH);
	assert_int_equal(m.fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_unmapped),
		cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
