/* SPDX-License-Identifier: BSD-2-Clause */
/* epoll with one timerfd a timer and one signalfd. Handlers may add and remove entries, themselves included: removed
 * entries are only freed after the current round of epoll_wait. */
#include "base/loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"

#define ROUND_MAX   32
#define SIGNALS_MAX 8

struct watch {
	struct watch *next;
	int fd;
	bool owned, dead, timer;
	loop_fd_fn fd_fn;
	loop_timer_fn timer_fn;
	void *arg;
};

struct loop {
	int epoll_fd, signal_fd;
	struct watch *watches; /* owned */
	sigset_t signals;
	struct {
		int signo;
		loop_signal_fn fn;
		void *arg;
	} handlers[SIGNALS_MAX];
	int handler_cnt;
	bool stopping;
	int code;
};

int loop_new(struct loop **ret)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->signal_fd = -1;
	sigemptyset(&l->signals);
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0) {
		int err = -errno;

		free(l);
		return err;
	}
	*ret = l;
	return 0;
}

static void watch_free(struct watch *w)
{
	if (w->owned)
		close(w->fd);
	free(w);
}

struct loop *loop_free(struct loop *l)
{
	if (!l)
		return NULL;
	while (l->watches) {
		struct watch *w = l->watches;

		l->watches = w->next;
		watch_free(w);
	}
	close(l->epoll_fd);
	free(l);
	return NULL;
}

static int add_watch(struct loop *l, int fd, uint32_t events, const struct watch *proto)
{
	struct watch *w = malloc(sizeof(*w));
	struct epoll_event ev = {.events = events};
	int err;

	if (!w)
		return -ENOMEM;
	*w = *proto;
	w->fd = fd;
	ev.data.ptr = w;
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev)) {
		err = -errno;
		free(w);
		return err;
	}
	w->next = l->watches;
	l->watches = w;
	return 0;
}

int loop_add_fd(struct loop *l, int fd, uint32_t events, loop_fd_fn fn, void *arg)
{
	return add_watch(l, fd, events, &(struct watch){.fd_fn = fn, .arg = arg});
}

int loop_remove_fd(struct loop *l, int fd)
{
	for (struct watch *w = l->watches; w; w = w->next) {
		if (w->fd != fd || w->dead)
			continue;
		epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		w->dead = true;
		return 0;
	}
	return -ENOENT;
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_SEC), .tv_nsec = (long)(ns % NS_PER_SEC)};
}

int loop_add_timer(struct loop *l, uint64_t first_ns, uint64_t interval_ns, loop_timer_fn fn, void *arg)
{
	struct itimerspec when = {.it_value = to_timespec(first_ns ? first_ns : 1),
				  .it_interval = to_timespec(interval_ns)};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	if (timerfd_settime(fd, 0, &when, NULL))
		err = -errno;
	else
		err = add_watch(l, fd, EPOLLIN,
				&(struct watch){.owned = true, .timer = true, .timer_fn = fn, .arg = arg});
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

int loop_set_timer(struct loop *l, int id, uint64_t interval_ns)
{
	struct itimerspec when = {.it_value = to_timespec(interval_ns), .it_interval = to_timespec(interval_ns)};

	return timerfd_settime(id, 0, &when, NULL) ? -errno : 0;
}

int loop_remove_timer(struct loop *l, int id)
{
	return loop_remove_fd(l, id);
}

static void on_signal(int fd, uint32_t events, void *arg)
{
	struct signalfd_siginfo info;
	struct loop *l = arg;

	while (read(fd, &info, sizeof(info)) == sizeof(info))
		for (int i = 0; i < l->handler_cnt; i++)
			if (l->handlers[i].signo == (int)info.ssi_signo)
				l->handlers[i].fn(l->handlers[i].signo, l->handlers[i].arg);
}

int loop_add_signal(struct loop *l, int signo, loop_signal_fn fn, void *arg)
{
	bool first = l->signal_fd < 0;
	int fd, err;

	if (l->handler_cnt == SIGNALS_MAX)
		return -ENOSPC;
	sigaddset(&l->signals, signo);
	if (sigprocmask(SIG_BLOCK, &l->signals, NULL))
		return -errno;
	fd = signalfd(l->signal_fd, &l->signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (first) {
		err = add_watch(l, fd, EPOLLIN, &(struct watch){.owned = true, .fd_fn = on_signal, .arg = l});
		if (err) {
			close(fd);
			return err;
		}
		l->signal_fd = fd;
	}
	l->handlers[l->handler_cnt].signo = signo;
	l->handlers[l->handler_cnt].fn = fn;
	l->handlers[l->handler_cnt++].arg = arg;
	return 0;
}

static void dispatch(struct watch *w, uint32_t events)
{
	uint64_t ticks;

	if (w->dead)
		return;
	if (!w->timer)
		w->fd_fn(w->fd, events, w->arg);
	else if (read(w->fd, &ticks, sizeof(ticks)) == sizeof(ticks))
		w->timer_fn(w->arg);
}

static void bury(struct loop *l)
{
	for (struct watch **at = &l->watches; *at;) {
		struct watch *w = *at;

		if (!w->dead) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		watch_free(w);
	}
}

int loop_run(struct loop *l)
{
	struct epoll_event round[ROUND_MAX];

	while (!l->stopping) {
		int n = epoll_wait(l->epoll_fd, round, ROUND_MAX, -1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (int i = 0; i < n && !l->stopping; i++)
			dispatch(round[i].data.ptr, round[i].events);
		bury(l);
	}
	return l->code;
}

void loop_stop(struct loop *l, int code)
{
	l->stopping = true;
	l->code = code;
}
