/* SPDX-License-Identifier: BSD-2-Clause */
/* Network of one container: windows, errors, roles, open connections, peers that come and give way, late and hostile
 * records, the shared bound. Sums of peers are compared with those of the container over random records. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "stats/container_stats.h"
#include "stats/net_peers.h"
#include "stats/net_stats.h"

#define US  1000ull
#define MS  1000000ull
#define SEC (1000 * MS)
#define NOW (100 * SEC)

static bool near(double a, double b)
{
	return fabs(a - b) <= 1e-9 * fmax(1, fabs(b));
}

static int setup(void **state)
{
	return net_stats_new(NULL, (struct net_stats **)state);
}

static int teardown(void **state)
{
	*state = net_stats_free(*state);
	return *state != NULL;
}

static struct net_addr addr(const char *peer, uint16_t lport, uint16_t rport)
{
	struct net_addr a = {.family = strchr(peer, ':') ? NET_AF_INET6 : NET_AF_INET, .lport = lport, .rport = rport};

	assert_int_equal(inet_pton(a.family == NET_AF_INET ? AF_INET : AF_INET6, peer, a.raddr), 1);
	return a;
}

static void add_connect(struct net_stats *n, uint64_t end, uint64_t len, uint32_t error, struct net_addr a)
{
	struct event_tcp_connect e = {
		.hdr.time_ns = end, .start_ns = end - len, .addr = a, .error = error, .syn_retransmits = 7};

	net_stats_connect(n, &e);
}

static struct event_tcp_flow flow(uint64_t time, struct net_addr a, uint32_t role, uint32_t flags)
{
	return (struct event_tcp_flow){.hdr.time_ns = time, .addr = a, .role = role, .flags = flags};
}

static void add_open(struct net_stats *n, struct net_addr a, uint32_t role, uint32_t flags)
{
	struct event_tcp_flow e = flow(NOW, a, role, flags);

	net_stats_flow(n, &e);
}

static void add_query(struct net_stats *n, uint64_t end, uint64_t len, uint32_t result, uint32_t rcode)
{
	struct event_dns_query e = {.hdr.time_ns = end, .start_ns = end - len, .result = result, .rcode = rcode};

	net_stats_dns(n, &e);
}

static struct snapshot_net fill(const struct net_stats *n, uint64_t now, uint64_t window)
{
	struct snapshot_net ret;

	memset(&ret, 0xa5, sizeof(ret));
	ret.on = true;
	ret.dns_on = false;
	net_stats_fill(n, now, window, &ret);
	assert_true(ret.on && !ret.dns_on);
	return ret;
}

static void empty(void **state)
{
	struct snapshot_net r = fill(*state, NOW, 10 * SEC);

	assert_true(r.connect.cnt == 0 && r.rtt.cnt == 0 && r.dns.cnt == 0 && isnan(r.rtt_min_seconds));
	assert_true(!r.connects && !r.failed && !r.failed_by_cnt && !r.segments && !r.dns_queries && !r.peer_cnt);
	fill(*state, 0, 60 * SEC);
	fill(*state, UINT64_MAX, UINT64_MAX);
	net_stats_expire(*state, 0);
	net_stats_expire(*state, UINT64_MAX);
}

static void connects(void **state)
{
	static const uint32_t errors[] = {ECONNREFUSED, ECONNREFUSED, ECONNREFUSED, ETIMEDOUT,
					  ETIMEDOUT,    EHOSTUNREACH, 100000,       UINT32_MAX};
	struct net_addr a = addr("10.2.3.4", 40000, 5432);
	struct net_stats *n = *state;
	struct snapshot_net r;

	for (uint64_t i = 1; i <= 100; i++)
		add_connect(n, NOW - 50 * i * MS, i * MS, 0, a);
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		add_connect(n, NOW - 10 * MS, 3 * SEC, errors[i], a);
	add_connect(n, NOW - 30 * SEC, MS, EPERM, a);
	r = fill(n, NOW, 10 * SEC);
	assert_int_equal(r.connects, 108);
	assert_int_equal(r.failed, 8);
	assert_int_equal(r.connect.cnt, 100);
	assert_true(near(r.connect.p50, 0.050) && near(r.connect.max, 0.1) && near(r.connect.sum, 5.05));
	assert_int_equal(r.failed_by_cnt, 4);
	assert_true(r.failed_by[0].error == ECONNREFUSED && r.failed_by[0].cnt == 3);
	assert_true(r.failed_by[1].error == ETIMEDOUT && r.failed_by[1].cnt == 2);
	assert_true(r.failed_by[2].error == EHOSTUNREACH && r.failed_by[2].cnt == 1);
	assert_true(r.failed_by[3].error == 0 && r.failed_by[3].cnt == 2); /* no errno at all */
	assert_int_equal(r.syn_retransmits, 0);                            /* come as events of their own */
	assert_int_equal(r.peer_cnt, 1);
	assert_string_equal(r.peers[0].address, "10.2.3.4");
	assert_true(r.peers[0].port == 5432 && r.peers[0].role == TCP_ROLE_CLIENT);
	assert_true(r.peers[0].connects == 108 && r.peers[0].failed == 8);
	assert_int_equal(r.peers[0].connect.cnt, NET_PEER_VALUES); /* the last ones */
	assert_int_equal(fill(n, NOW, SEC).connects, 15 + 8);      /* the quarters from 99.25 s on */
	assert_int_equal(fill(n, NOW, 60 * SEC).failed, 9);
	assert_int_equal(fill(n, NOW, 600 * SEC).failed, 9);
}

static void many_errors(void **state)
{
	struct net_stats *n = *state;
	struct snapshot_net r;

	for (uint32_t error = 1; error <= 60; error++)
		for (uint32_t k = 0; k < (error <= 5 ? 100 : 1); k++)
			add_connect(n, NOW - MS, MS, error, addr("::1", 40000, 80));
	r = fill(n, NOW, SEC);
	assert_int_equal(r.failed_by_cnt, SNAPSHOT_ERRNOS);
	for (int i = 0; i < 5; i++)
		assert_true(r.failed_by[i].error == (uint32_t)i + 1 && r.failed_by[i].cnt == 100);
	assert_true(r.failed_by[5].error == 0 && r.failed_by[5].cnt == 55);
}

/* Windows that follow one another count each record once, wherever they are cut. */
static void windows(void **state)
{
	struct net_addr a = addr("10.0.0.1", 40000, 80);
	struct net_stats *n = *state;

	for (uint64_t t = 50 * SEC; t < NOW; t += 37 * MS) {
		struct event_tcp_flow e = flow(t, a, TCP_ROLE_CLIENT, 0);

		e.segs_out = 1;
		e.srtt_us = 500;
		net_stats_flow(n, &e);
		add_connect(n, t, MS, 0, a);
		add_query(n, t, MS, DNS_ANSWERED, 0);
	}
	for (uint64_t shift = 0; shift < SEC; shift += 93 * MS) {
		struct snapshot_net whole = fill(n, NOW - shift, 40 * SEC);
		int64_t segments = 0, conns = 0, queries = 0, rtts = 0, peer = 0;

		for (uint64_t t = 0; t < 40; t++) {
			struct snapshot_net r = fill(n, NOW - shift - t * SEC, SEC);

			segments += r.segments;
			conns += r.connects;
			queries += r.dns_queries;
			rtts += r.rtt.cnt;
			peer += r.peers[0].connects;
		}
		assert_true(segments == whole.segments && conns == segments && queries == segments && rtts == segments);
		assert_true(peer == segments && llabs(segments - 40000 / 37) <= 7);
	}
}

static void flows(void **state)
{
	struct net_addr a = addr("10.9.9.9", 40000, 6379), b = addr("10.7.7.7", 8080, 51234);
	struct net_stats *n = *state;
	struct event_tcp_flow e;
	struct snapshot_net r;

	for (int i = 0; i < 10; i++) {
		e = flow(NOW - (uint64_t)i * SEC, a, TCP_ROLE_CLIENT, i == 9 ? FLOW_FIRST | FLOW_OPENED : 0);
		e.srtt_us = 900 + (uint32_t)i;
		e.rtt_min_us = 700 - (uint32_t)i * 10;
		e.segs_out = 100;
		e.segs_in = 90;
		e.retransmits = i == 3 ? 2 : 0;
		e.spurious = i == 3;
		net_stats_flow(n, &e);
	}
	e = flow(NOW - SEC, b, TCP_ROLE_SERVER, FLOW_FIRST | FLOW_OPENED | FLOW_LAST);
	e.segs_out = 5;
	net_stats_flow(n, &e);
	r = fill(n, NOW, 10 * SEC);
	assert_true(r.segments == 1005 && r.segments_in == 900 && r.retransmits == 2 && r.spurious == 1);
	assert_true(r.opened_client == 1 && r.opened_server == 1);
	assert_true(r.open_client == 1 && r.open_server == 0 && r.open_unknown == 0);
	assert_int_equal(r.rtt.cnt, 10); /* one without a round trip yet */
	assert_true(near(r.rtt.max, 909e-6) && near(r.rtt_min_seconds, 610e-6));
	assert_int_equal(r.peer_cnt, 2);
	assert_string_equal(r.peers[0].address, "10.9.9.9");
	assert_true(r.peers[0].port == 6379 && r.peers[0].open == 1 && r.peers[0].retransmits == 2 &&
		    r.peers[0].spurious == 1);
	assert_true(near(r.peers[0].rtt.max, 909e-6) && near(r.peers[0].rtt_min_seconds, 610e-6));
	assert_string_equal(r.peers[1].address, "10.7.7.7");
	assert_true(r.peers[1].port == 0 && r.peers[1].role == TCP_ROLE_SERVER && r.peers[1].open == 0);
	assert_true(r.peers[1].opened == 1 && isnan(r.peers[1].rtt_min_seconds) && r.peers[1].rtt.cnt == 0);
	r = fill(n, NOW + 30 * SEC, 10 * SEC); /* idle, but open */
	assert_true(r.segments == 0 && r.peer_cnt == 1 && r.peers[0].open == 1 && isnan(r.rtt_min_seconds));
}

static void open_connections(void **state)
{
	static const struct {
		uint32_t role[6], flags[6];
		int cnt, client, server, unknown;
	} rows[] = {
		{{1, 1, 2}, {1, 1, 1}, 3, 2, 1, 0},
		{{1, 1}, {1, 4}, 2, 0, 0, 0},
		{{1, 1, 1, 1}, {4, 4, 1, 1}, 4, 2, 0, 0},   /* the end of one not seen: never below zero */
		{{0, 1}, {1, 4}, 2, 0, 0, 0},               /* its role became known later */
		{{0, 0, 1, 1}, {1, 1, 1, 4}, 4, 0, 0, 2},   /* its own first */
		{{1, 1, 1}, {5, 7, 5}, 3, 0, 0, 0},         /* begin and end in one */
		{{2, 2, 99, 99}, {1, 0, 1, 2}, 4, 0, 1, 1}, /* a role that does not exist */
		{{1, 1, 1, 1, 1, 1}, {1, 1, 1, 4, 4, 4}, 6, 0, 0, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct snapshot_net r;
		struct net_stats *n;

		net_stats_new(NULL, &n);
		for (int k = 0; k < rows[i].cnt; k++)
			add_open(n, addr("10.1.1.1", 40000, 80), rows[i].role[k], rows[i].flags[k]);
		r = fill(n, NOW, SEC);
		if (r.open_client != rows[i].client || r.open_server != rows[i].server ||
		    r.open_unknown != rows[i].unknown)
			fail_msg("row %zu: %d %d %d", i, (int)r.open_client, (int)r.open_server, (int)r.open_unknown);
		net_stats_free(n);
	}
}

static void add_syn(struct net_stats *n, struct net_addr a, uint32_t syn)
{
	struct event_tcp_retransmit e = {.hdr.time_ns = NOW - MS, .addr = a, .segments = 2, .syn = syn};

	net_stats_retransmit(n, &e);
}

static void add_reset(struct net_stats *n, struct net_addr a, uint32_t received)
{
	struct event_tcp_reset e = {.hdr.time_ns = NOW - MS, .addr = a, .received = received};

	net_stats_reset(n, &e);
}

/* Events without a role find the peer that is there, or guess. */
static void roles(void **state)
{
	struct net_addr known = addr("10.1.1.1", 40000, 50000), client = addr("10.2.2.2", 40000, 443);
	struct net_addr server = addr("10.3.3.3", 8080, 51000);
	struct net_stats *n = *state;
	struct snapshot_net r;

	add_connect(n, NOW - SEC, MS, 0, known); /* a client of a port above its own */
	add_syn(n, known, 1);
	add_syn(n, client, 1);
	add_syn(n, server, 1);
	add_syn(n, server, 0); /* data: comes with the flow */
	add_reset(n, known, 1);
	add_reset(n, server, 0);
	add_reset(n, server, 1);
	add_reset(n, addr("0.0.0.0", 8080, 0), 0); /* of a listener */
	r = fill(n, NOW, 10 * SEC);
	assert_true(r.syn_retransmits == 6 && r.retransmits == 0 && r.resets_sent == 2 && r.resets_received == 2);
	assert_int_equal(r.peer_cnt, 4);
	assert_string_equal(r.peers[3].address, "other");
	assert_int_equal(r.peers[3].resets, 1);
	for (int i = 0; i < 3; i++) {
		struct snapshot_peer *p = &r.peers[i];
		int which = p->address[3] - '0';

		assert_int_equal(p->syn_retransmits, 2);
		assert_int_equal(p->resets, which == 1 ? 1 : which == 2 ? 0 : 2);
		assert_int_equal(p->port, which == 1 ? 50000 : which == 2 ? 443 : 0);
		assert_int_equal(p->role, which == 3 ? TCP_ROLE_SERVER : TCP_ROLE_CLIENT);
	}
}

static void queries(void **state)
{
	struct net_stats *n = *state;
	struct snapshot_net r;

	add_query(n, NOW - 1 * MS, 40 * MS, DNS_ANSWERED, 0);
	add_query(n, NOW - 2 * MS, 41 * MS, DNS_ANSWERED, 3);
	add_query(n, NOW - 3 * MS, 42 * MS, DNS_ANSWERED, 2);
	add_query(n, NOW - 4 * MS, 43 * MS, DNS_ANSWERED, 5);
	add_query(n, NOW - 5 * MS, 44 * MS, DNS_ANSWERED, DNS_RCODE_UNKNOWN);
	add_query(n, NOW - 6 * MS, 5 * SEC, DNS_TIMEOUT, 0);
	add_query(n, NOW - 20 * SEC, MS, DNS_TIMEOUT, 0);
	r = fill(n, NOW, 10 * SEC);
	assert_true(r.dns_queries == 6 && r.dns_failures == 4 && r.dns_timeouts == 1 && r.dns_nxdomain == 1);
	assert_true(r.dns_servfail == 1 && r.dns.cnt == 6 && near(r.dns.max, 5.0) && near(r.dns.min, 0.040));
}

static void hostile(void **state)
{
	struct net_addr odd = {.family = 77, .lport = 1, .rport = 2};
	struct net_stats *n = *state;
	struct event_tcp_flow e;
	struct snapshot_net r;

	add_connect(n, NOW, (uint64_t)-1, 0, odd); /* ends before it begins */
	add_query(n, NOW, (uint64_t)-5, 0, 0);
	assert_int_equal(net_stats_lost(n), 2);
	e = flow(NOW, odd, 9, UINT32_MAX & ~FLOW_LAST);
	e.srtt_us = e.rtt_min_us = e.segs_out = e.segs_in = e.retransmits = UINT32_MAX;
	for (int i = 0; i < 3; i++)
		net_stats_flow(n, &e);
	r = fill(n, NOW, SEC);
	assert_int_equal(r.segments, UINT32_MAX); /* stays at the largest value of a quarter */
	assert_int_equal(r.retransmits, UINT16_MAX);
	assert_true(r.opened_client == 0 && r.opened_server == 0 && r.open_unknown == 3);
	assert_string_equal(r.peers[0].address, "?");
	e.hdr.time_ns = 0;
	net_stats_flow(n, &e);
	e.hdr.time_ns = UINT64_MAX;
	net_stats_flow(n, &e);
	net_stats_expire(n, NOW);
	assert_int_equal(fill(n, NOW, SEC).segments, UINT32_MAX);
	net_stats_expire(n, UINT64_MAX);
	fill(n, UINT64_MAX, SEC);
}

/* Two thousand connections that move each second have more round trips than are kept: the newest stand for all, and no
 * count is too low. */
static void many_connections(void **state)
{
	struct net_addr a = addr("10.1.1.1", 40000, 80);
	struct net_stats *n = *state;
	struct snapshot_net r;

	for (uint64_t i = 0; i < 2000 * 60; i++) {
		struct event_tcp_flow e = flow(NOW - 60 * SEC + i * SEC / 2000, a, TCP_ROLE_CLIENT, 0);

		e.segs_out = 1;
		e.srtt_us = 100;
		net_stats_flow(n, &e);
	}
	r = fill(n, NOW, 60 * SEC);
	assert_int_equal(net_stats_lost(n), 0);
	assert_true(r.segments > 2000 * 59 && r.rtt.cnt == STATS_RTTS_MAX && near(r.rtt.p99, 1e-4));
}

/* In any order within the minute they land where they belong. */
static void late(void **state)
{
	struct net_addr a = addr("10.1.1.1", 40000, 80);
	struct net_stats *n = *state;

	for (uint64_t i = 0; i < 240; i++) {
		uint64_t at = i * 101 % 240;
		struct event_tcp_flow e = flow(NOW - at * SEC / 4, a, TCP_ROLE_CLIENT, 0);

		e.segs_out = 1;
		e.srtt_us = 100;
		net_stats_flow(n, &e);
	}
	for (uint64_t w = 1; w <= 60; w++) {
		assert_int_equal(fill(n, NOW, w * SEC).segments, 4 * w);
		assert_int_equal(fill(n, NOW, w * SEC).rtt.cnt, 4 * w);
		assert_int_equal(fill(n, NOW, w * SEC).peers[0].segments, 4 * w);
	}
	assert_int_equal(net_stats_lost(n), 0);
	net_stats_expire(n, NOW + 59 * SEC);
	assert_int_equal(fill(n, NOW + 59 * SEC, 60 * SEC).segments, 4);
	net_stats_expire(n, NOW + 61 * SEC);
	assert_int_equal(fill(n, NOW + 61 * SEC, 60 * SEC).peer_cnt, 0);
}

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 2685821657736338717ull;
}

static void random_record(struct net_stats *n, uint64_t time, uint64_t *seed, unsigned int peers)
{
	char text[32];
	uint32_t role = (uint32_t)(next(seed) % 3);
	struct event_tcp_flow e;
	struct net_addr a;

	/* a few are busy, most are seen now and then */
	snprintf(text, sizeof(text), "10.0.%u.7", (unsigned int)(next(seed) % (next(seed) % 2 ? 8 : peers)));
	a = addr(text, role == TCP_ROLE_CLIENT ? 40000 : 80, role == TCP_ROLE_CLIENT ? 80 : 40000);
	e = flow(time, a, role, (uint32_t)(next(seed) % 8));
	e.segs_out = (uint32_t)(next(seed) % 100);
	e.retransmits = (uint32_t)(next(seed) % 2);
	e.spurious = (uint32_t)(next(seed) % 2);
	e.srtt_us = (uint32_t)(next(seed) % 1000);
	net_stats_flow(n, &e);
	if (next(seed) % 4 == 0)
		add_connect(n, time, next(seed) % MS, (uint32_t)(next(seed) % 2), a);
	if (next(seed) % 16 == 0)
		net_stats_reset(n, &(struct event_tcp_reset){.hdr.time_ns = time, .addr = a});
}

static void check_sums(const struct snapshot_net *r)
{
	struct snapshot_peer s = {0};

	for (int i = 0; i < r->peer_cnt; i++) {
		const struct snapshot_peer *p = &r->peers[i];

		s.segments += p->segments;
		s.retransmits += p->retransmits;
		s.spurious += p->spurious;
		s.resets += p->resets;
		s.connects += p->connects;
		s.failed += p->failed;
		s.opened += p->opened;
		assert_true(p->open >= 0 && p->rtt.cnt >= 0 && p->connect.cnt >= 0);
		if (i + 1 < r->peer_cnt && strcmp(r->peers[i + 1].address, "other") != 0)
			assert_true(p->segments >= p[1].segments);
	}
	assert_int_equal(s.segments, r->segments);
	assert_int_equal(s.retransmits, r->retransmits);
	assert_int_equal(s.spurious, r->spurious);
	assert_int_equal(s.resets, r->resets_sent + r->resets_received);
	assert_int_equal(s.connects, r->connects);
	assert_int_equal(s.failed, r->failed);
	assert_int_equal(s.opened, r->opened_client + r->opened_server);
}

static void peers_add_up(void **state)
{
	static const unsigned int peers[] = {3, 16, 17, 64, 65, 250};
	static const uint64_t window[] = {SEC, 10 * SEC, 60 * SEC};

	for (size_t k = 0; k < sizeof(peers) / sizeof(*peers); k++) {
		uint64_t seed = 99 + k, now = NOW;
		struct net_stats *n;

		net_stats_new(NULL, &n);
		for (int i = 0; i < 20000; i++) {
			now += next(&seed) % (20 * MS);
			random_record(n, now - next(&seed) % (100 * MS), &seed, peers[k]);
			if (i % 100)
				continue;
			net_stats_expire(n, now);
			for (int w = 0; w < 3; w++) {
				struct snapshot_net r = fill(n, now, window[w]);

				check_sums(&r);
				assert_in_range(r.peer_cnt, 0, SNAPSHOT_PEERS);
				if (w == 2 && i > 10000 && peers[k] > 16)
					assert_string_equal(r.peers[SNAPSHOT_PEERS - 1].address, "other");
			}
		}
		assert_int_equal(net_stats_lost(n), 0);
		net_stats_free(n);
	}
}

/* A full table of peers that move every second keeps them, whoever comes by; idle ones give way. */
static void busy_peers_stay(void **state)
{
	struct net_stats *n = *state;
	struct snapshot_net r;

	for (uint64_t s = 0; s < 30; s++)
		for (unsigned int i = 0; i < NET_PEERS_MAX + 20; i++) {
			bool busy = i < NET_PEERS_MAX;
			struct event_tcp_flow e;
			char text[32];

			snprintf(text, sizeof(text), busy ? "10.1.1.%u" : "10.2.%u.%u", busy ? i : (unsigned int)s, i);
			e = flow(NOW + s * SEC, addr(text, 40000, 80), TCP_ROLE_CLIENT, s ? 0 : FLOW_FIRST);
			e.segs_out = busy ? 100 : 1;
			net_stats_flow(n, &e);
		}
	r = fill(n, NOW + 29 * SEC, 60 * SEC);
	assert_int_equal(r.peer_cnt, SNAPSHOT_PEERS);
	for (int i = 0; i < 15; i++)
		assert_int_equal(r.peers[i].segments, 30 * 100);
	assert_string_equal(r.peers[15].address, "other");
	assert_int_equal(r.peers[15].segments, (NET_PEERS_MAX - 15) * 30 * 100 + 30 * 20);
	assert_int_equal(r.peers[15].open, NET_PEERS_MAX - 15 + 20);
	check_sums(&r);

	/* a minute later nobody of them is left, though all are open */
	for (unsigned int i = 0; i < 15; i++) {
		struct event_tcp_flow e = flow(NOW + 95 * SEC, addr("10.3.3.3", 40000, (uint16_t)(1000 + i)), 1, 0);

		e.segs_out = 7;
		net_stats_flow(n, &e);
	}
	r = fill(n, NOW + 95 * SEC, 10 * SEC);
	for (int i = 0; i < 15; i++)
		assert_int_equal(r.peers[i].segments, 7);
	assert_int_equal(r.peers[15].open, NET_PEERS_MAX + 20);
}

static void shared_bound(void **state)
{
	struct stats_budget budget = {.bytes_max = 100000};
	uint64_t seed = 8, kept;
	struct net_stats *n;

	assert_int_equal(net_stats_new(&budget, &n), 0);
	for (int i = 0; i < 20000; i++) {
		random_record(n, NOW + (uint64_t)i * MS, &seed, 250);
		add_query(n, NOW + (uint64_t)i * MS, MS, 0, 0);
		assert_true(budget.bytes <= budget.bytes_max);
	}
	kept = (uint64_t)fill(n, NOW + 20 * SEC, 60 * SEC).dns_queries;
	assert_true(kept > 10);
	assert_int_equal(budget.lost[SIGNAL_NET_DNS], 20000 - kept);
	assert_true(budget.lost[SIGNAL_NET_TCP] > 0);
	assert_int_equal(net_stats_lost(n), budget.lost[SIGNAL_NET_DNS] + budget.lost[SIGNAL_NET_TCP]);
	net_stats_expire(n, NOW + 200 * SEC);
	net_stats_free(n);
	assert_int_equal(budget.bytes, 0);
	assert_null(net_stats_free(NULL));

	budget = (struct stats_budget){.bytes_max = 0}; /* no place for anything */
	assert_int_equal(net_stats_new(&budget, &n), 0);
	for (int i = 0; i < 100; i++)
		random_record(n, NOW + (uint64_t)i * MS, &seed, 250);
	fill(n, NOW + SEC, 60 * SEC);
	net_stats_free(n);
	assert_int_equal(budget.bytes, 0);
}

static void addresses(void **state)
{
	static const char *const rows[] = {"10.2.3.4", "2001:db8::1", "::1", "255.255.255.255", "fe80::1:2:3:4"};
	struct net_addr a = {.family = NET_AF_INET6};
	char buf[48];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		a = addr(rows[i], 1, 2);
		net_stats_address(&a, buf, sizeof(buf));
		assert_string_equal(buf, rows[i]);
	}
	memset(a.raddr, 0xfe, sizeof(a.raddr));
	a.family = NET_AF_INET6;
	net_stats_address(&a, buf, sizeof(buf));
	assert_int_equal(strlen(buf), 39);
	net_stats_address(&a, buf, 8); /* cut */
	assert_int_equal(strlen(buf), 7);
	a.family = 0;
	net_stats_address(&a, buf, sizeof(buf));
	assert_string_equal(buf, "?");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(empty),        TEST(connects),     TEST(many_errors),
		TEST(windows),      TEST(flows),        TEST(open_connections),
		TEST(roles),        TEST(queries),      TEST(hostile),
		TEST(late),         TEST(peers_add_up), TEST(busy_peers_stay),
		TEST(shared_bound), TEST(addresses),    TEST(many_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
