/* SPDX-License-Identifier: BSD-2-Clause */
/* net_harness [-v] [-q] SIGNAL...: brings up the network signals named (net_tcp, net_dns) and prints each of their
 * records as one line of JSON. Commands on standard input: "watch PID", "ignore PID", "counters" (reads everything that
 * is due and prints the counters of each signal), "quit". An empty object is printed when a command is done. The tests
 * in Python that use it know the truth; nothing is judged here. Exit: 77 where BPF is not allowed. */
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "events/source.h"
#include "probes/probes.h"

#define TICK_MS 100

static struct {
	uint32_t wanted;
	struct probes *probes;
	struct ring_buffer *ring;
	uint64_t next_tick_ns;
	bool quiet;        /* records are not printed: what they cost is measured */
	uint64_t ahead_ns; /* how much later it is for the signals than it really is */
} harness;

/* ---- records --------------------------------------------------------------------------------------------- */

static void print_addr(const struct net_addr *a)
{
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];

	inet_ntop(a->family, a->laddr, local, sizeof(local));
	inet_ntop(a->family, a->raddr, remote, sizeof(remote));
	printf(", \"family\": %u, \"local\": \"%s\", \"lport\": %u, \"remote\": \"%s\", \"rport\": %u", a->family,
	       local, a->lport, remote, a->rport);
}

static void print_head(const char *kind, const struct event_hdr *h, uint32_t netns)
{
	printf("{\"kind\": \"%s\", \"time_ns\": %" PRIu64 ", \"tgid\": %u, \"tid\": %u, \"cpu_cgid\": %" PRIu64
	       ", \"v2_cgid\": %" PRIu64 ", \"netns\": %u",
	       kind, (uint64_t)h->time_ns, h->tgid, h->tid, (uint64_t)h->cpu_cgid, (uint64_t)h->v2_cgid, netns);
}

static void print_connect(const struct event_tcp_connect *e)
{
	print_head("connect", &e->hdr, e->netns);
	print_addr(&e->addr);
	printf(", \"took_ns\": %" PRIu64 ", \"error\": %u, \"syn_retransmits\": %u}\n",
	       (uint64_t)(e->hdr.time_ns - e->start_ns), e->error, e->syn_retransmits);
}

static void print_flow(const struct event_tcp_flow *e)
{
	print_head("flow", &e->hdr, e->netns);
	print_addr(&e->addr);
	printf(", \"role\": %u, \"first\": %d, \"opened\": %d, \"last\": %d, \"srtt_us\": %u, \"rtt_min_us\": %u, "
	       "\"segs_out\": %u, \"segs_in\": %u, \"retransmits\": %u, \"spurious\": %u, \"bytes_out\": %" PRIu64
	       ", \"bytes_in\": %" PRIu64 ", \"age_ns\": %" PRIu64 "}\n",
	       e->role, !!(e->flags & FLOW_FIRST), !!(e->flags & FLOW_OPENED), !!(e->flags & FLOW_LAST), e->srtt_us,
	       e->rtt_min_us, e->segs_out, e->segs_in, e->retransmits, e->spurious, (uint64_t)e->bytes_out,
	       (uint64_t)e->bytes_in, (uint64_t)e->age_ns);
}

static void print_retransmit(const struct event_tcp_retransmit *e)
{
	print_head("retransmit", &e->hdr, e->netns);
	print_addr(&e->addr);
	printf(", \"segments\": %u, \"syn\": %u}\n", e->segments, e->syn);
}

static void print_reset(const struct event_tcp_reset *e)
{
	print_head("reset", &e->hdr, e->netns);
	print_addr(&e->addr);
	printf(", \"received\": %u}\n", e->received);
}

static void print_dns(const struct event_dns_query *e)
{
	print_head("dns", &e->hdr, e->netns);
	print_addr(&e->addr);
	printf(", \"took_ns\": %" PRIu64
	       ", \"id\": %u, \"qtype\": %u, \"result\": %u, \"rcode\": %u, \"tries\": %u, \"name\": \"%.*s\"}\n",
	       (uint64_t)(e->hdr.time_ns - e->start_ns), e->id, e->qtype, e->result, e->rcode, e->tries, DNS_NAME_SZ,
	       e->name);
}

static void on_event(const union event *e, void *arg)
{
	if (event_check(e, e->hdr.size))
		printf("{\"kind\": \"bad\", \"record\": %u}\n", e->hdr.kind);
	if (harness.quiet)
		return;
	switch (e->hdr.kind) {
	case EVENT_TCP_CONNECT:
		print_connect(&e->tcp_connect);
		break;
	case EVENT_TCP_FLOW:
		print_flow(&e->tcp_flow);
		break;
	case EVENT_TCP_RETRANSMIT:
		print_retransmit(&e->tcp_retransmit);
		break;
	case EVENT_TCP_RESET:
		print_reset(&e->tcp_reset);
		break;
	case EVENT_DNS_QUERY:
		print_dns(&e->dns_query);
		break;
	default: /* of proc_watch */
		break;
	}
}

static int on_record(void *arg, void *data, size_t size)
{
	const union event *e = data;

	if (size >= sizeof(e->hdr) && e->hdr.size == size)
		on_event(e, arg);
	else
		printf("{\"kind\": \"bad\", \"size\": %zu}\n", size);
	return 0;
}

/* ---- counters -------------------------------------------------------------------------------------------- */

static const char *const modes[] = {"off", "on", "degraded", "window"};

static void print_counters(enum signal_id id)
{
	const struct signal_state *s = probes_signal(harness.probes, id);
	struct signal_counters c;
	uint64_t lost = 0;

	probes_counters(harness.probes, id, &c);
	for (int i = 0; i < LOSS_REASON_MAX; i++)
		lost += c.lost[i];
	printf("{\"kind\": \"counters\", \"signal\": \"%s\", \"hits\": %" PRIu64 ", \"events\": %" PRIu64
	       ", \"filtered\": %" PRIu64 ", \"lost\": %" PRIu64
	       ", \"mode\": \"%s\", \"mechanism\": \"%s\", \"note\": \"%s\", \"why\": \"%s\"}\n",
	       s->name, (uint64_t)c.hits, (uint64_t)c.events, (uint64_t)c.filtered, lost, modes[s->mode], s->mechanism,
	       s->note, s->why);
}

static void tick(uint64_t now_ns)
{
	probes_tick(harness.probes, now_ns + harness.ahead_ns, NULL, NULL);
	ring_buffer__consume(harness.ring);
	harness.next_tick_ns = now_ns + TICK_MS * NS_PER_MS;
}

/* net_tcp reads by the clock and has no other use for it, so an interval passes at once. Queries of net_dns would time
 * out. */
static void read_all(void)
{
	if (!(harness.wanted & (1u << SIGNAL_NET_DNS)))
		harness.ahead_ns += 10 * NS_PER_SEC;
	tick(clock_mono_ns());
}

static void command(const char *line)
{
	int pid;

	if (sscanf(line, "watch %d", &pid) == 1) {
		if (probes_watch_process(harness.probes, pid))
			printf("{\"kind\": \"bad\", \"command\": \"watch\"}\n");
	} else if (sscanf(line, "ignore %d", &pid) == 1) {
		probes_ignore_process(harness.probes, pid);
	} else {
		read_all();
		for (int id = 0; id < SIGNAL_CNT; id++)
			if (harness.wanted & (1u << id))
				print_counters(id);
	}
	printf("{}\n");
}

/* ---- main ------------------------------------------------------------------------------------------------ */

static uint32_t parse_wanted(int argc, char **argv)
{
	uint32_t wanted = 1u << SIGNAL_PROC_WATCH;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "net_tcp"))
			wanted |= 1u << SIGNAL_NET_TCP;
		if (!strcmp(argv[i], "net_dns"))
			wanted |= 1u << SIGNAL_NET_DNS;
		if (!strcmp(argv[i], "-v"))
			log_set_level(LOG_LEVEL_DEBUG);
		harness.quiet |= !strcmp(argv[i], "-q");
	}
	return wanted;
}

/* First mount of the unified hierarchy, "" if there is none. */
static void find_v2(char *ret, size_t sz)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mounts", "re");
	char line[1024], at[256], type[32];

	*ret = '\0';
	while (f && !*ret && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %255s %31s", at, type) == 2 && !strcmp(type, "cgroup2"))
			snprintf(ret, sz, "%s", at);
}

static int start(int argc, char **argv)
{
	struct probes_cfg cfg = {.event = on_event, .dns_names = true, .dns_timeout_ns = 2 * NS_PER_SEC};
	char why[WHY_SZ] = "";
	int err;

	cfg.wanted = harness.wanted = parse_wanted(argc, argv);
	find_v2(cfg.v2_mount, sizeof(cfg.v2_mount));
	err = probes_new(&cfg, &harness.probes, why);
	if (!err) {
		harness.ring = ring_buffer__new(probes_ring_fd(harness.probes), on_record, NULL, NULL);
		err = harness.ring ? 0 : -errno;
	}
	if (err)
		fprintf(stderr, "net_harness: %s (%s)\n", why, strerror(-err));
	return err;
}

/* Until "quit" or the end of standard input. Read by hand: what stdio had buffered, poll() would not see. */
static void run(void)
{
	char buf[4096], *end;
	size_t len = 0;

	for (;;) {
		struct pollfd p = {.fd = 0, .events = POLLIN};
		uint64_t now = clock_mono_ns();

		if (now >= harness.next_tick_ns)
			tick(now);
		ring_buffer__consume(harness.ring);
		if (poll(&p, 1, 10) <= 0)
			continue;
		ssize_t n = read(0, buf + len, sizeof(buf) - 1 - len);

		if (n <= 0)
			return;
		len += (size_t)n;
		buf[len] = '\0';
		while ((end = memchr(buf, '\n', len))) {
			*end++ = '\0';
			if (!strcmp(buf, "quit"))
				return;
			command(buf);
			len -= (size_t)(end - buf);
			memmove(buf, end, len + 1);
		}
	}
}

int main(int argc, char **argv)
{
	int err;

	setvbuf(stdout, NULL, _IOLBF, 0);
	err = start(argc, argv);
	if (!err) {
		printf("{\"kind\": \"ready\"}\n");
		run();
	}
	ring_buffer__free(harness.ring);
	probes_free(harness.probes);
	return err == -EPERM ? 77 : err ? 1 : 0;
}
