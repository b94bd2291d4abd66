/* SPDX-License-Identifier: BSD-2-Clause */
#include "dns_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define PORT       53
#define SERVED_MAX 16384
#define QUEUE_MAX  1024
#define PACKET_MAX 600
#define HEADER_SZ  12

int world_enter(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_LOOPBACK};
	int fd, err = 0;

	if (unshare(CLONE_NEWNET))
		return -errno;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr))
		err = -errno;
	close(fd);
	return err;
}

/* ---- messages -------------------------------------------------------------------------------------------- */

static size_t put16(uint8_t *to, uint16_t v)
{
	to[0] = (uint8_t)(v >> 8);
	to[1] = (uint8_t)v;
	return 2;
}

static uint16_t get16(const uint8_t *from)
{
	return (uint16_t)(from[0] << 8 | from[1]);
}

static size_t put_name(uint8_t *to, const char *name)
{
	uint8_t *start = to;

	while (*name) {
		size_t len = strcspn(name, ".");

		*to++ = (uint8_t)len;
		memcpy(to, name, len);
		to += len;
		name += len + (name[len] == '.');
	}
	*to++ = 0;
	return (size_t)(to - start);
}

static size_t make_query(uint8_t *to, uint16_t id, const char *name, uint16_t qtype)
{
	size_t at = HEADER_SZ;

	memset(to, 0, HEADER_SZ);
	put16(to, id);
	put16(to + 2, 0x0100);
	put16(to + 4, 1);
	at += put_name(to + at, name);
	at += put16(to + at, qtype);
	return at + put16(to + at, 1);
}

/* Length of the question at `q`, 0 if it is none. */
static size_t question_size(const uint8_t *q, size_t sz)
{
	size_t at = 0;

	while (at < sz && q[at]) {
		if (q[at] > 63)
			return 0;
		at += 1u + q[at];
	}
	return at + 5 <= sz ? at + 5 : 0;
}

/* ---- the server ------------------------------------------------------------------------------------------ */

struct reply {
	uint64_t due_ns;
	int fd;
	unsigned int copies, served;
	size_t sz;
	uint8_t data[PACKET_MAX];
	struct sockaddr_storage to;
	socklen_t to_sz;
};

struct dns_server {
	int fd[2];
	int stop[2]; /* closing stop[1] ends the thread */
	pthread_t thread;
	uint64_t delay_ns;
	unsigned int served_cnt, head, tail;
	struct served served[SERVED_MAX];
	struct reply queue[QUEUE_MAX]; /* first in, first out: all wait equally long */
};

static bool label_is(const uint8_t *question, const char *label)
{
	return question[0] == strlen(label) && !memcmp(question + 1, label, question[0]);
}

static bool seen_before(const struct dns_server *s, uint16_t id)
{
	for (unsigned int i = 0; i < s->served_cnt; i++)
		if (s->served[i].id == id)
			return true;
	return false;
}

static size_t put_address(uint8_t *to, uint16_t qtype)
{
	size_t len = qtype == 28 ? 16 : 4, at = put16(to, 0xc00c);

	at += put16(to + at, qtype);
	at += put16(to + at, 1);
	at += put16(to + at, 0);
	at += put16(to + at, 60);
	at += put16(to + at, (uint16_t)len);
	memset(to + at, 7, len);
	return at + len;
}

static void make_reply(struct reply *r, const uint8_t *query, size_t question_sz)
{
	const uint8_t *question = query + HEADER_SZ;
	uint16_t qtype = get16(question + question_sz - 4);
	uint16_t rcode = label_is(question, "nx") ? 3 : label_is(question, "fail") ? 2 : 0;

	memcpy(r->data, query, HEADER_SZ + question_sz);
	put16(r->data + 2, 0x8180 | rcode);
	put16(r->data + 4, 1);
	put16(r->data + 6, !rcode);
	memset(r->data + 8, 0, 4);
	r->sz = HEADER_SZ + question_sz;
	if (!rcode)
		r->sz += put_address(r->data + r->sz, qtype);
}

static void serve_one(struct dns_server *s, int fd)
{
	struct reply *r = &s->queue[s->tail % QUEUE_MAX];
	uint8_t query[PACKET_MAX / 2];
	ssize_t sz;
	size_t question_sz;
	uint16_t id;
	bool mute;

	r->to_sz = sizeof(r->to);
	sz = recvfrom(fd, query, sizeof(query), MSG_DONTWAIT, (struct sockaddr *)&r->to, &r->to_sz);
	if (sz < HEADER_SZ || (query[2] & 0x80))
		return;
	question_sz = question_size(query + HEADER_SZ, (size_t)sz - HEADER_SZ);
	if (!question_sz || s->served_cnt == SERVED_MAX)
		return;
	id = get16(query);
	mute = label_is(query + HEADER_SZ, "mute") || (label_is(query + HEADER_SZ, "second") && !seen_before(s, id));
	s->served[s->served_cnt] = (struct served){
		.id = id, .qtype = get16(query + HEADER_SZ + question_sz - 4), .got_ns = clock_mono_ns()};
	r->served = s->served_cnt++;
	if (mute || s->tail - s->head == QUEUE_MAX)
		return;
	make_reply(r, query, question_sz);
	r->fd = fd;
	r->copies = label_is(query + HEADER_SZ, "twice") ? 2 : 1;
	r->due_ns = s->served[r->served].got_ns + s->delay_ns;
	s->tail++;
}

static void send_due(struct dns_server *s)
{
	while (s->head != s->tail && s->queue[s->head % QUEUE_MAX].due_ns <= clock_mono_ns()) {
		struct reply *r = &s->queue[s->head++ % QUEUE_MAX];

		s->served[r->served].sent_ns = clock_mono_ns();
		for (unsigned int i = 0; i < r->copies; i++)
			sendto(r->fd, r->data, r->sz, 0, (struct sockaddr *)&r->to, r->to_sz);
	}
}

static void *run_server(void *arg)
{
	struct dns_server *s = arg;

	for (;;) {
		struct pollfd fds[3] = {{s->fd[0], POLLIN, 0}, {s->fd[1], POLLIN, 0}, {s->stop[0], POLLIN, 0}};
		uint64_t now = clock_mono_ns(), due = now + NS_PER_SEC / 2;
		struct timespec wait = {0};

		if (s->head != s->tail)
			due = s->queue[s->head % QUEUE_MAX].due_ns;
		wait.tv_nsec = due > now ? (long)(due - now) : 0;
		if (ppoll(fds, 3, &wait, NULL) < 0 || fds[2].revents)
			return NULL;
		for (int i = 0; i < 2; i++)
			if (fds[i].revents)
				serve_one(s, s->fd[i]);
		send_due(s);
	}
}

static int bind_port(int family)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1, room = 4 << 20, err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	err = family == AF_INET ? bind(fd, (struct sockaddr *)&v4, sizeof(v4))
				: bind(fd, (struct sockaddr *)&v6, sizeof(v6));
	if (!err)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int dns_server_new(unsigned int delay_us, struct dns_server **ret)
{
	struct dns_server *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->delay_ns = delay_us * 1000ull;
	s->fd[0] = bind_port(AF_INET);
	s->fd[1] = bind_port(AF_INET6);
	if (s->fd[0] < 0 || s->fd[1] < 0 || pipe2(s->stop, O_CLOEXEC) ||
	    pthread_create(&s->thread, NULL, run_server, s))
		return -EIO; /* the test ends here */
	*ret = s;
	return 0;
}

struct dns_server *dns_server_free(struct dns_server *s)
{
	if (!s)
		return NULL;
	close(s->stop[1]);
	pthread_join(s->thread, NULL);
	close(s->stop[0]);
	close(s->fd[0]);
	close(s->fd[1]);
	free(s);
	return NULL;
}

void dns_server_reset(struct dns_server *s)
{
	s->served_cnt = 0;
}

const struct served *dns_server_log(struct dns_server *s, unsigned int *ret_cnt)
{
	*ret_cnt = s->served_cnt;
	return s->served;
}

/* ---- the client ------------------------------------------------------------------------------------------ */

struct peer {
	struct sockaddr_storage addr;
	socklen_t sz;
	int fd;
};

static void set_addr(const struct ask *ask, struct peer *p)
{
	struct sockaddr_in *v4 = (void *)&p->addr;
	struct sockaddr_in6 *v6 = (void *)&p->addr;

	if (ask->family == AF_INET && !ask->mapped) {
		*v4 = (struct sockaddr_in){AF_INET, htons(PORT), {htonl(INADDR_LOOPBACK)}, {0}};
		p->sz = sizeof(*v4);
		return;
	}
	*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	inet_pton(AF_INET6, ask->mapped ? "::ffff:127.0.0.1" : "::1", &v6->sin6_addr);
	p->sz = sizeof(*v6);
}

/* Eight bytes each, all padding: next header and length are the kernel's. */
static int add_extensions(int fd)
{
	static const uint8_t padding[8] = {0, 0, 1, 4};

	if (setsockopt(fd, IPPROTO_IPV6, IPV6_HOPOPTS, padding, sizeof(padding)) ||
	    setsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, padding, sizeof(padding)))
		return -errno;
	return 0;
}

static int open_peer(const struct ask *ask, struct peer *p)
{
	set_addr(ask, p);
	p->fd = socket(p->addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return -errno;
	if (ask->extensions && add_extensions(p->fd))
		return -errno;
	if (!ask->unconnected && connect(p->fd, (struct sockaddr *)&p->addr, p->sz))
		return -errno;
	return 0;
}

static void send_to(const struct peer *p, const struct ask *ask, const void *data, size_t sz)
{
	if (ask->unconnected)
		sendto(p->fd, data, sz, 0, (const struct sockaddr *)&p->addr, p->sz);
	else
		send(p->fd, data, sz, 0);
}

static void send_garbage(const struct peer *p, const struct ask *ask)
{
	static const uint8_t pointer[] = {0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 0x0c, 0, 1, 0, 1};
	static const uint8_t beyond[] = {0, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63, 'a', 'b'};
	static const uint8_t answer[] = {0, 3, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1};
	static const uint8_t update[] = {0, 4, 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1};
	uint8_t labels[HEADER_SZ + 512] = {0, 5, 1, 0, 0, 1};

	for (size_t i = HEADER_SZ; i < sizeof(labels); i++) /* one letter each, without end */
		labels[i] = 1;
	for (size_t sz = 0; sz < sizeof(pointer); sz++)
		send_to(p, ask, pointer, sz);
	send_to(p, ask, pointer, sizeof(pointer));
	send_to(p, ask, beyond, sizeof(beyond));
	send_to(p, ask, answer, sizeof(answer));
	send_to(p, ask, update, sizeof(update));
	send_to(p, ask, labels, sizeof(labels));
}

static void send_query(const struct peer *p, const struct ask *ask, struct asked *a)
{
	uint8_t data[PACKET_MAX];
	size_t sz = make_query(data, a->id, ask->name, ask->qtype);

	if (!a->tries++)
		a->sent_ns = clock_mono_ns();
	send_to(p, ask, data, sz);
}

/* Takes answers until all have come or the time is over; true if all have. */
static bool await(const struct peer *p, struct asked *a, unsigned int cnt, unsigned int wait_ms)
{
	uint64_t end = clock_mono_ns() + wait_ms * NS_PER_MS;
	unsigned int missing = 0;

	for (unsigned int i = 0; i < cnt; i++)
		missing += !a[i].got_ns;
	while (missing && clock_mono_ns() < end) {
		struct pollfd pfd = {p->fd, POLLIN, 0};
		uint8_t data[PACKET_MAX];
		uint16_t at;

		if (poll(&pfd, 1, (int)((end - clock_mono_ns()) / NS_PER_MS) + 1) <= 0 ||
		    recv(p->fd, data, sizeof(data), MSG_DONTWAIT) < HEADER_SZ)
			continue;
		at = (uint16_t)(get16(data) - a[0].id);
		if (at >= cnt || a[at].got_ns)
			continue;
		a[at].got_ns = clock_mono_ns();
		missing--;
	}
	return !missing;
}

static void ask_batch(const struct peer *p, const struct ask *ask, struct asked *a, unsigned int cnt)
{
	unsigned int tries = ask->tries ? ask->tries : 1;

	for (unsigned int try = 0; try < tries; try++) {
		for (unsigned int i = 0; i < cnt; i++)
			if (!a[i].got_ns)
				send_query(p, ask, &a[i]);
		if (await(p, a, cnt, ask->wait_ms))
			return;
	}
}

static int run_client(const struct ask *ask)
{
	unsigned int inflight = ask->inflight ? ask->inflight : 1;
	struct asked *a = calloc(ask->n, sizeof(*a));
	struct sockaddr_in6 own;
	socklen_t own_sz = sizeof(own);
	struct peer p;

	if (!a || open_peer(ask, &p))
		return 1;
	usleep(ask->sleep_ms * 1000);
	if (ask->garbage)
		send_garbage(&p, ask);
	for (unsigned int i = 0; i < ask->n; i++)
		a[i].id = (uint16_t)(ask->first_id + i);
	for (unsigned int i = 0; i < ask->n; i += inflight)
		ask_batch(&p, ask, a + i, ask->n - i < inflight ? ask->n - i : inflight);
	getsockname(p.fd, (struct sockaddr *)&own, &own_sz);
	for (unsigned int i = 0; i < ask->n; i++)
		a[i].lport = ntohs(own.sin6_port); /* at the same place for both families */
	return write(1, a, ask->n * sizeof(*a)) != (ssize_t)(ask->n * sizeof(*a));
}

int dns_client_start(const struct ask *ask, struct dns_client *ret)
{
	int in[2], out[2];
	char go;

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return -errno;
	fflush(stdout);
	ret->pid = fork();
	if (!ret->pid) {
		close(in[1]);
		close(out[0]);
		dup2(out[1], 1);
		_exit(read(in[0], &go, 1) == 1 ? run_client(ask) : 1);
	}
	close(in[0]);
	close(out[1]);
	ret->in = fdopen(in[1], "w");
	ret->out = fdopen(out[0], "r");
	return ret->pid < 0 ? -errno : 0;
}

int dns_client_go(struct dns_client *c)
{
	fputc('\n', c->in);
	return fflush(c->in) ? -errno : 0;
}

bool dns_client_next(struct dns_client *c, struct asked *ret)
{
	return fread(ret, sizeof(*ret), 1, c->out) == 1;
}

void dns_client_end(struct dns_client *c)
{
	if (c->pid <= 0)
		return;
	fclose(c->in);
	fclose(c->out);
	waitpid(c->pid, NULL, 0);
	c->pid = 0;
}
