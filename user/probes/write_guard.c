/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel reads the instruction under a uprobe once, when the probe is first put in, and from then on runs that copy
 * (kernel/events/uprobes.c, prepare_uprobe). While a program runs nobody can write to its file (ETXTBSY). But a file
 * that is overwritten after its last process ended, while the probes are still there, and started again gets
 * breakpoints at the old places and runs the old instructions: the new program crashes. Copying over a program and
 * starting it again is how many people deploy, so a read lease (fcntl(2), F_SETLEASE) makes the writer wait until the
 * probes are gone.
 *
 * The kernel sends SIGIO to a thread of our own: the event loop may be waiting for a reader of its output, and after 45
 * s
 * (/proc/sys/fs/lease-break-time) the writer would go on. */
#include "probes/write_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define STACK_SZ (128u * 1024)

struct write_guard {
	struct write_guards *all; /* borrowed */
	struct write_guard *next;
	int fd; /* owned; -1 after release */
	bool called;
	void (*release)(void *arg); /* NULL: not armed */
	void *arg;
};

struct write_guards {
	pthread_t thread;
	pid_t tid;
	sem_t started;
	pthread_mutex_t lock;
	struct write_guard *list; /* guarded by lock, as are the guards and stop */
	bool stop;
};

/* Asking costs less than knowing which one: the signal carries no descriptor unless it is a real-time one, which can
 * get lost. */
static void serve(struct write_guards *w)
{
	for (struct write_guard *g = w->list; g; g = g->next) {
		if (!g->release || g->called || fcntl(g->fd, F_GETLEASE) == F_RDLCK)
			continue;
		g->release(g->arg);
		__atomic_store_n(&g->called, true, __ATOMIC_RELEASE);
		close(g->fd);
		g->fd = -1;
	}
}

static void *guards_main(void *arg)
{
	struct write_guards *w = arg;
	bool stop = false;
	sigset_t set;
	int signo;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	w->tid = gettid();
	sem_post(&w->started);
	while (!stop && !sigwait(&set, &signo)) {
		pthread_mutex_lock(&w->lock);
		serve(w);
		stop = w->stop;
		pthread_mutex_unlock(&w->lock);
	}
	return NULL;
}

/* All signals are blocked in the thread: it waits for its own, the others stay with the event loop. */
static int start_thread(struct write_guards *w)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SZ);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&w->thread, &attr, guards_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

int write_guards_new(struct write_guards **ret)
{
	struct write_guards *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->lock, NULL);
	sem_init(&w->started, 0, 0);
	err = start_thread(w);
	if (err) {
		sem_destroy(&w->started);
		pthread_mutex_destroy(&w->lock);
		free(w);
		return err;
	}
	while (sem_wait(&w->started) && errno == EINTR)
		;
	*ret = w;
	return 0;
}

struct write_guards *write_guards_free(struct write_guards *w)
{
	if (!w)
		return NULL;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_mutex_unlock(&w->lock);
	pthread_kill(w->thread, SIGIO);
	pthread_join(w->thread, NULL);
	sem_destroy(&w->started);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return NULL;
}

int write_guard_new(struct write_guards *w, int fd, struct write_guard **ret)
{
	struct f_owner_ex owner = {F_OWNER_TID, w->tid};
	struct write_guard *g = calloc(1, sizeof(*g));
	int err = 0;

	if (!g)
		return -ENOMEM;
	g->all = w;
	g->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	/* the owner first: without one the kernel signals the process, which would end it */
	if (g->fd < 0 || fcntl(g->fd, F_SETOWN_EX, &owner) || fcntl(g->fd, F_SETLEASE, F_RDLCK))
		err = -errno;
	if (err) {
		if (g->fd >= 0)
			close(g->fd);
		free(g);
		return err;
	}
	pthread_mutex_lock(&w->lock);
	g->next = w->list;
	w->list = g;
	pthread_mutex_unlock(&w->lock);
	*ret = g;
	return 0;
}

void write_guard_arm(struct write_guard *g, void (*release)(void *arg), void *arg)
{
	pthread_mutex_lock(&g->all->lock);
	g->release = release;
	g->arg = arg;
	pthread_mutex_unlock(&g->all->lock);
	pthread_kill(g->all->thread, SIGIO); /* a writer may have come before */
}

void write_guard_disarm(struct write_guard *g)
{
	pthread_mutex_lock(&g->all->lock);
	g->release = NULL;
	pthread_mutex_unlock(&g->all->lock);
}

bool write_guard_called(const struct write_guard *g)
{
	return __atomic_load_n(&g->called, __ATOMIC_ACQUIRE);
}

struct write_guard *write_guard_free(struct write_guard *g)
{
	if (!g)
		return NULL;
	pthread_mutex_lock(&g->all->lock);
	for (struct write_guard **p = &g->all->list; *p; p = &(*p)->next)
		if (*p == g) {
			*p = g->next;
			break;
		}
	pthread_mutex_unlock(&g->all->lock);
	if (g->fd >= 0)
		close(g->fd);
	free(g);
	return NULL;
}
