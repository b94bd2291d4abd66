/* SPDX-License-Identifier: BSD-2-Clause */
/* delaydev NS_A NS_B [-d DELAY_MS] [-l LOSS_PERCENT] [-s SEED]: a link between two network namespaces, a tun device in
 * each, that holds every packet for DELAY_MS and drops TCP segments at random: the truth that network signals are
 * compared with where the kernel has no netem. Addresses: 10.99.0.1 and fd99::1 in NS_A, 10.99.0.2 and fd99::2 in NS_B.
 *
 * Prints {"kind": "ready"}, runs until standard input ends, and then prints what it did: per direction the TCP segments
 * passed and dropped by kind (syn, data, bare ack, fin, rst), and for each handshake that A began how long the link
 * kept it: from the SYN's arrival here to the SYN-ACK's delivery. That is what any observer in NS_A should see,
 * scheduling of this program included; the rest is the kernel's own time. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_MAX  16384
#define PACKET_MAX 2048

enum kind { KIND_SYN, KIND_DATA, KIND_ACK, KIND_FIN, KIND_RST, KIND_CNT };
static const char *const kind_names[] = {"syn", "data", "ack", "fin", "rst"};

struct packet {
	uint64_t due_ns;
	ssize_t len;
	uint8_t data[PACKET_MAX];
};

struct segment {
	enum kind kind;
	bool synack;
	uint16_t sport, dport;
};

struct direction {
	int from_fd, to_fd;
	struct packet *queue; /* ring of QUEUE_MAX */
	unsigned int head, tail;
	unsigned long passed[KIND_CNT], dropped[KIND_CNT];
};

static struct direction directions[2]; /* 0: A to B */
static uint64_t syn_ns[65536], handshake_ns[65536];
static uint64_t delay_ns = 20000000;
static double loss;
static uint64_t seed = 1;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* xorshift64*: the same drops for the same seed and the same packets */
static double random_unit(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (double)(seed * 2685821657736338717u >> 11) / 9007199254740992.0;
}

/* ---- set-up ---------------------------------------------------------------------------------------------- */

static void die(const char *what)
{
	fprintf(stderr, "delaydev: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	return fd;
}

static void configure(int number)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd),
		 "ip link set lo up && ip addr add 10.99.0.%d peer 10.99.0.%d dev delay0 && ip link set delay0 up && "
		 "ip -6 addr add fd99::%d/64 dev delay0 nodad",
		 number, 3 - number, number);
	if (system(cmd))
		die("ip");
}

/* A tun device in the namespace of that name. */
static int make_device(const char *name, int number)
{
	struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/var/run/netns/%s", name);
	close(enter(path));
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	strcpy(r.ifr_name, "delay0");
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r))
		die("/dev/net/tun");
	configure(number);
	return fd;
}

static void make_link(const char *a, const char *b)
{
	int fd_a = make_device(a, 1), fd_b = make_device(b, 2);

	directions[0] = (struct direction){.from_fd = fd_a, .to_fd = fd_b};
	directions[1] = (struct direction){.from_fd = fd_b, .to_fd = fd_a};
	for (int i = 0; i < 2; i++) {
		directions[i].queue = calloc(QUEUE_MAX, sizeof(struct packet));
		if (!directions[i].queue)
			die("memory");
	}
}

/* ---- packets --------------------------------------------------------------------------------------------- */

/* What a TCP segment is; false: no TCP. No extension headers: both ends are ours. */
static bool parse(const struct packet *p, struct segment *ret)
{
	bool v6 = p->data[0] >> 4 == 6;
	const uint8_t *ip = p->data, *tcp = ip + (v6 ? 40 : (ip[0] & 15) * 4);
	ssize_t payload = p->len - (tcp - ip) - (tcp[12] >> 4) * 4;
	uint8_t flags = tcp[13];

	if (p->len < 40 || ip[v6 ? 6 : 9] != 6)
		return false;
	ret->sport = (uint16_t)(tcp[0] << 8 | tcp[1]);
	ret->dport = (uint16_t)(tcp[2] << 8 | tcp[3]);
	ret->synack = (flags & 0x12) == 0x12;
	ret->kind = flags & 4 ? KIND_RST : flags & 2 ? KIND_SYN : payload ? KIND_DATA : flags & 1 ? KIND_FIN : KIND_ACK;
	return true;
}

static void on_arrival(struct direction *d, struct packet *p)
{
	struct segment s;

	p->due_ns = now_ns() + delay_ns;
	if (!parse(p, &s))
		return;
	if (loss > 0 && random_unit() * 100 < loss) {
		d->dropped[s.kind]++;
		p->len = 0;
		return;
	}
	d->passed[s.kind]++;
	if (d == &directions[0] && s.kind == KIND_SYN && !s.synack)
		syn_ns[s.sport] = p->due_ns - delay_ns;
}

static void receive(struct direction *d)
{
	while ((d->tail + 1) % QUEUE_MAX != d->head) {
		struct packet *p = &d->queue[d->tail];

		p->len = read(d->from_fd, p->data, PACKET_MAX);
		if (p->len <= 0)
			return;
		on_arrival(d, p);
		if (p->len)
			d->tail = (d->tail + 1) % QUEUE_MAX;
	}
}

static void deliver(struct direction *d, const struct packet *p)
{
	struct segment s;
	bool synack = d == &directions[1] && parse(p, &s) && s.synack;

	if (synack && syn_ns[s.dport] && !handshake_ns[s.dport])
		handshake_ns[s.dport] = now_ns() - syn_ns[s.dport];
	if (write(d->to_fd, p->data, (size_t)p->len) < 0 && errno != EINVAL)
		die("write");
}

static void send_due(struct direction *d)
{
	uint64_t now = now_ns();

	while (d->head != d->tail && d->queue[d->head].due_ns <= now) {
		deliver(d, &d->queue[d->head]);
		d->head = (d->head + 1) % QUEUE_MAX;
	}
}

static struct timespec time_to_next(void)
{
	uint64_t now = now_ns(), next = now + 1000000000u, wait;

	for (int i = 0; i < 2; i++)
		if (directions[i].head != directions[i].tail && directions[i].queue[directions[i].head].due_ns < next)
			next = directions[i].queue[directions[i].head].due_ns;
	wait = next > now ? next - now : 0;
	return (struct timespec){.tv_sec = (time_t)(wait / 1000000000u), .tv_nsec = (long)(wait % 1000000000u)};
}

static void run(void)
{
	struct pollfd p[3] = {{.fd = directions[0].from_fd, .events = POLLIN},
			      {.fd = directions[1].from_fd, .events = POLLIN},
			      {.fd = 0, .events = POLLIN}};

	while (!p[2].revents) {
		struct timespec wait = time_to_next();

		ppoll(p, 3, &wait, NULL);
		for (int i = 0; i < 2; i++)
			receive(&directions[i]);
		for (int i = 0; i < 2; i++)
			send_due(&directions[i]);
	}
}

/* ---- report ---------------------------------------------------------------------------------------------- */

static void print_counts(const char *name, const unsigned long *counts)
{
	printf("\"%s\": {", name);
	for (int i = 0; i < KIND_CNT; i++)
		printf("%s\"%s\": %lu", i ? ", " : "", kind_names[i], counts[i]);
	printf("}");
}

static void print_report(void)
{
	const char *comma = "";

	printf("{\"kind\": \"done\", ");
	for (int i = 0; i < 2; i++) {
		printf("\"%s\": {", i ? "b_to_a" : "a_to_b");
		print_counts("passed", directions[i].passed);
		printf(", ");
		print_counts("dropped", directions[i].dropped);
		printf("}, ");
	}
	printf("\"handshake_ns\": {");
	for (unsigned int port = 0; port < 65536; port++)
		if (handshake_ns[port]) {
			printf("%s\"%u\": %llu", comma, port, (unsigned long long)handshake_ns[port]);
			comma = ", ";
		}
	printf("}}\n");
}

int main(int argc, char **argv)
{
	struct sched_param realtime = {.sched_priority = 1};
	int opt;

	while ((opt = getopt(argc, argv, "d:l:s:")) != -1) {
		if (opt == 'd')
			delay_ns = (uint64_t)(atof(optarg) * 1e6);
		else if (opt == 'l')
			loss = atof(optarg);
		else if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	if (argc - optind != 2 || !seed)
		return 2;
	make_link(argv[optind], argv[optind + 1]);
	sched_setscheduler(0, SCHED_FIFO, &realtime); /* a more exact delay, where it is allowed */
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("{\"kind\": \"ready\"}\n");
	run();
	print_report();
	return 0;
}
