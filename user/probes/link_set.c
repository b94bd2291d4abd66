/* SPDX-License-Identifier: BSD-2-Clause */
/* Links of one binary. With uprobe_multi (Linux 6.6) all sites are one link: five sites detach in 32 to 60 ms, where
 * five single links take 180 ms and perf events 100 ms each (facts/attach.md 3). libbpf before 1.3 has no helper for it
 * and its uapi header no union, so the system call is made here, with our own layout of its arguments (kernel:
 * include/uapi/linux/ bpf.h, BPF_LINK_CREATE). Without multi links: perf events, with cookies from 5.15 on. */
#include "probes/link_set.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "probes/write_guard.h"

/* The links of one signal. */
struct link_part {
	int multi_fd; /* owned, -1 with perf links */
	struct bpf_link *links[LINK_SET_SITES_MAX];
	size_t links_cnt;
};

struct link_set {
	struct link_part main, extra;
	struct write_guard *guard; /* owned, ends when the links are gone; NULL none */
	struct link_set *next;     /* queue of the releasing thread */
	bool *done;
};

/* The part of union bpf_attr that BPF_LINK_CREATE reads for BPF_TRACE_UPROBE_MULTI. */
struct uprobe_multi_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t cnt, multi_flags, pid, pad;
};

int link_set_create_multi(int prog_fd, const char *path, const uint64_t *offsets, const uint64_t *cookies, uint32_t cnt,
			  uint32_t pid)
{
	struct uprobe_multi_attr attr = {
		.prog_fd = (uint32_t)prog_fd,
		.attach_type = ATTACH_TYPE_UPROBE_MULTI,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets,
		.cookies = (uintptr_t)cookies,
		.cnt = cnt,
		.pid = pid,
	};
	int fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

static int attach_multi(struct link_part *p, const char *path, const struct link_site *sites, size_t cnt, uint32_t pid,
			char *why)
{
	uint64_t offsets[LINK_SET_SITES_MAX], cookies[LINK_SET_SITES_MAX];

	for (size_t i = 0; i < cnt; i++) {
		offsets[i] = sites[i].file_offset;
		cookies[i] = sites[i].cookie;
	}
	p->multi_fd = link_set_create_multi(bpf_program__fd(sites[0].prog), path, offsets, cookies, (uint32_t)cnt, pid);
	if (p->multi_fd < 0)
		return err_why(why, p->multi_fd, "the kernel refused a uprobe_multi link: %s", strerror(-p->multi_fd));
	return 0;
}

static int attach_perf(struct link_part *p, const char *path, const struct link_site *sites, size_t cnt, char *why)
{
	for (size_t i = 0; i < cnt; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = sites[i].cookie);
		struct bpf_link *link =
			bpf_program__attach_uprobe_opts(sites[i].prog, -1, path, sites[i].file_offset, &opts);

		if (!link)
			return err_why(why, -errno, "the kernel refused a uprobe: %s", strerror(errno));
		p->links[p->links_cnt++] = link;
	}
	return 0;
}

static void drop_part(struct link_part *p)
{
	cleanup_close(&p->multi_fd);
	p->multi_fd = -1;
	for (size_t i = 0; i < p->links_cnt; i++)
		bpf_link__destroy(p->links[i]);
	p->links_cnt = 0;
}

/* All of the sites, or nothing. */
static int attach_part(struct link_part *p, const char *path, const struct link_site *sites, size_t cnt, bool multi,
		       uint32_t pid, char *why)
{
	int err;

	if (!cnt || cnt > LINK_SET_SITES_MAX)
		return err_why(why, -EINVAL, "%zu probe sites", cnt);
	err = multi ? attach_multi(p, path, sites, cnt, pid, why) : attach_perf(p, path, sites, cnt, why);
	if (err)
		drop_part(p);
	return err;
}

int link_set_new_for(const char *path, const struct link_site *sites, size_t sites_cnt, bool multi, uint32_t pid,
		     struct link_set **ret, char *why)
{
	struct link_set *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return err_why(why, -ENOMEM, "out of memory");
	s->main.multi_fd = s->extra.multi_fd = -1;
	err = attach_part(&s->main, path, sites, sites_cnt, multi, pid, why);
	if (err) {
		link_set_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

int link_set_new(const char *path, const struct link_site *sites, size_t sites_cnt, bool multi, struct link_set **ret,
		 char *why)
{
	return link_set_new_for(path, sites, sites_cnt, multi, 0, ret, why);
}

static void drop_links(void *arg)
{
	struct link_set *s = arg;

	drop_part(&s->extra);
	drop_part(&s->main);
}

int link_set_add_extra(struct link_set *s, const char *path, const struct link_site *sites, size_t sites_cnt,
		       bool multi, char *why)
{
	int err;

	if (s->guard)
		write_guard_disarm(s->guard); /* its thread may be at it */
	if (link_set_is_gone(s))
		return err_why(why, -ETXTBSY, "its executable is being written");
	err = attach_part(&s->extra, path, sites, sites_cnt, multi, 0, why);
	if (s->guard)
		write_guard_arm(s->guard, drop_links, s);
	return err;
}

void link_set_drop_extra(struct link_set *s)
{
	if (s->guard)
		write_guard_disarm(s->guard); /* its thread may be at it */
	drop_part(&s->extra);
	if (s->guard && !write_guard_called(s->guard))
		write_guard_arm(s->guard, drop_links, s);
}

struct link_set *link_set_free(struct link_set *s)
{
	if (!s)
		return NULL;
	if (s->guard)
		write_guard_disarm(s->guard);
	drop_links(s);
	write_guard_free(s->guard);
	free(s);
	return NULL;
}

void link_set_guard_consume(struct link_set *s, struct write_guard *guard)
{
	s->guard = guard;
	if (guard)
		write_guard_arm(guard, drop_links, s);
}

bool link_set_is_guarded(const struct link_set *s)
{
	return s->guard;
}

bool link_set_is_gone(const struct link_set *s)
{
	return s->guard && write_guard_called(s->guard);
}

/* A released set of each binary waits for its own grace period: with 100 binaries one thread would need seconds at the
 * end of the agent, 8 need well under one. They start as needed and stay. */
#define RELEASE_THREADS_MAX 8
#define RELEASE_STACK_SZ    (128u * 1024)

struct link_release {
	pthread_t threads[RELEASE_THREADS_MAX];
	unsigned int threads_cnt;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct link_set *queue; /* guarded by lock, as are the fields below */
	unsigned int queue_cnt;
	unsigned int idle_cnt;
	bool stop;
};

static void release_one(struct link_set *s)
{
	bool *done = s->done;

	link_set_free(s);
	__atomic_store_n(done, true, __ATOMIC_RELEASE);
}

static void *release_main(void *arg)
{
	struct link_release *r = arg;

	pthread_mutex_lock(&r->lock);
	for (;;) {
		struct link_set *s = r->queue;

		if (s) {
			r->queue = s->next;
			r->queue_cnt--;
			pthread_mutex_unlock(&r->lock);
			release_one(s);
			pthread_mutex_lock(&r->lock);
		} else if (r->stop) {
			break;
		} else {
			r->idle_cnt++;
			pthread_cond_wait(&r->wake, &r->lock);
			r->idle_cnt--;
		}
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

int link_release_new(struct link_release **ret)
{
	struct link_release *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->wake, NULL);
	*ret = r;
	return 0;
}

/* One more thread; all signals stay with the thread of the event loop. False: none could be made. */
static bool start_thread(struct link_release *r)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, RELEASE_STACK_SZ);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&r->threads[r->threads_cnt], &attr, release_main, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (err)
		return false;
	r->threads_cnt++;
	return true;
}

void link_release_consume(struct link_release *r, struct link_set *s, bool *done)
{
	bool queued;

	if (!s) {
		__atomic_store_n(done, true, __ATOMIC_RELEASE);
		return;
	}
	s->done = done;
	pthread_mutex_lock(&r->lock);
	queued = r->idle_cnt > r->queue_cnt || r->threads_cnt == RELEASE_THREADS_MAX || start_thread(r) ||
		 r->threads_cnt;
	if (queued) {
		s->next = r->queue;
		r->queue = s;
		r->queue_cnt++;
		pthread_cond_signal(&r->wake);
	}
	pthread_mutex_unlock(&r->lock);
	if (queued)
		return;
	log_debug("link_set: no thread to release links: releasing here");
	release_one(s);
}

struct link_release *link_release_free(struct link_release *r)
{
	if (!r)
		return NULL;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->lock);
	for (unsigned int i = 0; i < r->threads_cnt; i++)
		pthread_join(r->threads[i], NULL);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return NULL;
}
