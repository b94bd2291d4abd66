/* SPDX-License-Identifier: BSD-2-Clause */
/* The event loop: descriptors, timers and signals; handlers that remove others and themselves. And the clocks. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/loop.h"

#define MS NS_PER_MS

struct seen {
	struct loop *loop;
	int cnt, last, stop_at, id, other;
};

static void on_timer(void *arg)
{
	struct seen *s = arg;

	if (++s->cnt == s->stop_at)
		loop_stop(s->loop, 42);
}

static void on_deadline(void *arg)
{
	loop_stop(arg, -1);
}

/* No test may hang: the loop ends with -1 after twenty seconds (the machine may be busy). */
static struct loop *new_loop(void)
{
	struct loop *l;

	assert_int_equal(loop_new(&l), 0);
	assert_true(loop_add_timer(l, 20000 * MS, 0, on_deadline, l) >= 0);
	return l;
}

static void test_timer(void **state)
{
	struct seen s = {.loop = new_loop(), .stop_at = 5};
	uint64_t began = clock_mono_ns(), took;

	assert_true(loop_add_timer(s.loop, 1 * MS, 5 * MS, on_timer, &s) >= 0);
	assert_int_equal(loop_run(s.loop), 42);
	took = clock_mono_ns() - began;
	assert_int_equal(s.cnt, 5);
	assert_true(took >= 21 * MS); /* first after 1 ms, then 4 times 5 */
	assert_null(loop_free(s.loop));
}

static void on_slow(void *arg)
{
	usleep(30000);
	on_timer(arg);
}

/* Late ticks are merged. */
static void test_late_ticks(void **state)
{
	struct seen s = {.loop = new_loop(), .stop_at = 3};
	uint64_t began = clock_mono_ns();

	loop_add_timer(s.loop, 0, 1 * MS, on_slow, &s);
	assert_int_equal(loop_run(s.loop), 42);
	assert_int_equal(s.cnt, 3);
	assert_true(clock_mono_ns() - began >= 90 * MS);
	loop_free(s.loop);
}

static void test_set_and_remove_timer(void **state)
{
	struct seen never = {.loop = new_loop()}, soon = {.loop = never.loop, .stop_at = 2};
	int a = loop_add_timer(never.loop, 1 * MS, 1 * MS, on_timer, &never);
	int b = loop_add_timer(never.loop, 3600000 * MS, 3600000 * MS, on_timer, &soon);

	assert_int_equal(loop_remove_timer(never.loop, a), 0);
	assert_int_equal(loop_remove_timer(never.loop, a), -ENOENT);
	assert_int_equal(loop_set_timer(never.loop, b, 5 * MS), 0);
	assert_int_equal(loop_run(never.loop), 42);
	assert_int_equal(never.cnt, 0);
	loop_free(never.loop);
}

/* Both are ready in the same round: whoever comes first removes both, the other must not be called any more. */
static void on_readable(int fd, uint32_t events, void *arg)
{
	struct seen *s = arg;

	assert_true(events & EPOLLIN);
	s->cnt++;
	assert_int_equal(loop_remove_fd(s->loop, s->id), 0);
	assert_int_equal(loop_remove_fd(s->loop, s->other), 0);
}

static void test_fd_removed_in_round(void **state)
{
	struct seen s = {.loop = new_loop()}, end = {.loop = s.loop, .stop_at = 1};
	int a[2], b[2];

	assert_int_equal(pipe(a), 0);
	assert_int_equal(pipe(b), 0);
	s.id = a[0];
	s.other = b[0];
	assert_int_equal(loop_add_fd(s.loop, a[0], EPOLLIN, on_readable, &s), 0);
	assert_int_equal(loop_add_fd(s.loop, b[0], EPOLLIN, on_readable, &s), 0);
	assert_int_equal(loop_remove_fd(s.loop, 9999), -ENOENT);
	assert_int_equal(write(a[1], "x", 1), 1);
	assert_int_equal(write(b[1], "y", 1), 1);
	assert_true(loop_add_timer(s.loop, 20 * MS, 0, on_timer, &end) >= 0);
	assert_int_equal(loop_run(s.loop), 42);
	assert_int_equal(s.cnt, 1);
	assert_int_equal(write(b[1], "y", 1), 1); /* the descriptors are still ours */
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
	loop_free(s.loop);
}

static void on_signal(int signo, void *arg)
{
	struct seen *s = arg;

	s->last |= signo == SIGUSR1 ? 1 : signo == SIGUSR2 ? 2 : 4;
	if (++s->cnt == s->stop_at)
		loop_stop(s->loop, 7);
}

static void test_signals(void **state)
{
	struct seen s = {.loop = new_loop(), .stop_at = 2};

	assert_int_equal(loop_add_signal(s.loop, SIGUSR1, on_signal, &s), 0);
	assert_int_equal(loop_add_signal(s.loop, SIGUSR2, on_signal, &s), 0);
	kill(getpid(), SIGUSR1); /* blocked: waits for the loop */
	assert_int_equal(s.cnt, 0);
	kill(getpid(), SIGUSR2);
	assert_int_equal(loop_run(s.loop), 7);
	assert_int_equal(s.cnt, 2);
	assert_int_equal(s.last, 3); /* each by its own handler */
	for (int i = 2; i < 8; i++)
		assert_int_equal(loop_add_signal(s.loop, SIGRTMIN + i, on_signal, &s), 0);
	assert_int_equal(loop_add_signal(s.loop, SIGRTMIN + 8, on_signal, &s), -ENOSPC);
	loop_free(s.loop);
	assert_null(loop_free(NULL));
}

static void test_stop_before_run(void **state)
{
	struct loop *l = new_loop();

	loop_stop(l, 3);
	assert_int_equal(loop_run(l), 3);
	loop_free(l);
}

static void test_clocks(void **state)
{
	uint64_t best = UINT64_MAX, mono;

	for (int i = 0; i < 200; i++) { /* the tightest try: others were interrupted between two readings */
		uint64_t converted, now;

		clock_sync();
		converted = clock_mono_to_unix(clock_mono_ns());
		now = clock_unix_ns();
		if (now - converted + 1000 < best)
			best = now - converted + 1000; /* in rest both are the same to less than a microsecond */
	}
	assert_true(best < 1 * MS);
	mono = clock_mono_ns();
	/* One pair: differences are kept exactly, also for stamps before it. */
	assert_int_equal(clock_mono_to_unix(mono) - clock_mono_to_unix(mono - 123456789), 123456789);
	mono = clock_mono_ns();
	assert_true(clock_boot_ns() >= mono); /* it also counts time asleep */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timer),
		cmocka_unit_test(test_late_ticks),
		cmocka_unit_test(test_set_and_remove_timer),
		cmocka_unit_test(test_fd_removed_in_round),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_stop_before_run),
		cmocka_unit_test(test_clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
