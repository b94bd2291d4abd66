/* SPDX-License-Identifier: BSD-2-Clause */
/* net-loss and dns: pairs of situations that differ in one number, one fires and one stays quiet; texts, computed
 * numbers, what is unknown. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rule_scene.h"

/* ---- net-loss ---- */

static struct snapshot_peer *peer(struct scene *x, const char *address, uint16_t port, enum tcp_role role)
{
	struct snapshot_peer *p = &x->c.net.peers[x->c.net.peer_cnt++];

	memset(p, 0, sizeof(*p));
	strcpy(p->address, address);
	p->port = port;
	p->role = (uint8_t)role;
	return p;
}

/* Everything known, nothing wrong: 41k segments to two servers. */
static void tcp_scene(struct scene *x)
{
	struct snapshot_net *n = &x->c.net;

	quiet_scene(x);
	memset(n, 0, sizeof(*n));
	n->on = true;
	n->segments = 41000;
	n->connects = 40;
	peer(x, "10.2.3.4", 5432, TCP_ROLE_CLIENT)->segments = 40000;
	peer(x, "2001:db8::1", 443, TCP_ROLE_CLIENT)->segments = 1000;
}

static void net_loss_thresholds(void **state)
{
	static const int64_t u = STAT_UNKNOWN;
	const struct {
		int64_t segments, again, syn, connects, timeouts;
		double scale;
		int want;
	} rows[] = {
		{41000, 0, 0, 40, 0, 1, NO},
		{41000, 409, 0, 40, 0, 1, NO},
		{41000, 410, 0, 40, 0, 1, VERDICT_WARNING},
		{41000, 2049, 0, 40, 0, 1, VERDICT_WARNING},
		{41000, 2050, 0, 40, 0, 1, VERDICT_CRITICAL},
		{41000, 288, 0, 40, 0, 0.7, VERDICT_WARNING},
		{41000, 286, 0, 40, 0, 0.7, NO},
		/* a high share of little */
		{100, 9, 0, 40, 0, 1, NO},
		{100, 10, 0, 40, 0, 1, VERDICT_CRITICAL},
		{100, 7, 0, 40, 0, 0.7, VERDICT_CRITICAL},
		{10, 20, 0, 0, 0, 1, VERDICT_CRITICAL}, /* more than sent: sent before the window */
		/* SYNs */
		{0, 0, 2, 40, 0, 1, NO},
		{0, 0, 3, 40, 0, 1, VERDICT_WARNING},
		{0, 0, 300, 40, 0, 1, VERDICT_WARNING},
		{0, 0, 2, 40, 0, 0.7, NO},
		/* connects that gave up */
		{0, 0, 0, 40, 1, 1, VERDICT_WARNING},
		{0, 0, 0, 40, 19, 1, VERDICT_WARNING},
		{0, 0, 0, 40, 20, 1, VERDICT_CRITICAL},
		{0, 0, 0, 2, 2, 1, VERDICT_WARNING}, /* two of two is no series */
		{0, 0, 0, 3, 3, 1, VERDICT_CRITICAL},
		/* unknown */
		{u, u, u, u, 0, 1, NO},
		{u, 500, u, u, 0, 1, NO},
		{41000, u, u, u, 0, 1, NO},
		{u, u, 5, u, 0, 1, VERDICT_WARNING},
	};
	struct scene x;
	struct verdict v;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct snapshot_net *n = &x.c.net;

		tcp_scene(&x);
		n->segments = rows[i].segments;
		n->retransmits = rows[i].again;
		n->syn_retransmits = rows[i].syn;
		n->connects = rows[i].connects;
		n->failed_by_cnt = 2;
		n->failed_by[0].error = ECONNREFUSED; /* an answer, no loss */
		n->failed_by[0].cnt = 15;
		n->failed_by[1].error = ETIMEDOUT;
		n->failed_by[1].cnt = rows[i].timeouts;
		if (severity(rule_net_loss, &x, rows[i].scale, &v) != rows[i].want)
			fail_msg("row %zu: %s", i, v.text);
		n->on = false;
		CHECK(rule_net_loss, &x, 1, NO);
	}
}

static void net_loss_one_path(void **state)
{
	struct scene x;
	struct verdict v;

	tcp_scene(&x);
	x.c.net.retransmits = 500;
	x.c.net.peers[0].retransmits = 460;
	x.c.net.peers[0].rtt = (struct dist){.cnt = 10, .p99 = 0.0412};
	x.c.net.peers[1].retransmits = 40;
	CHECK(rule_net_loss, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.culprit, "");
	assert_string_equal(v.text, "1.2% of its TCP segments were sent again (500 of 41000); most to 10.2.3.4:5432.");
	assert_string_equal(v.advice, "look at the path to 10.2.3.4:5432 (460 of 500): MTU, conntrack drops (conntrack "
				      "-S), links between zones.");
	assert_string_equal(v.seen,
			    "500 retransmits in 41000 segments, 0 SYNs again, 0 of 40 connects failed, 10.2.3.4:5432: "
			    "460 of 40000 segments again, 0 SYNs, 0 connects failed, RTT p99 41 ms.");
	assert_string_equal(v.evidence[0].name, "retransmit_ratio");
	assert_true(v.evidence[0].threshold == 0.01);

	x.c.net.peers[0].retransmits = 260; /* all over the place */
	x.c.net.peers[1].retransmits = 240;
	CHECK(rule_net_loss, &x, 1, VERDICT_WARNING);
	assert_int_equal(strncmp(v.advice, "no single peer stands for it: look at this node:", 48), 0);

	x.c.net.peers[1].retransmits = 480;
	CHECK(rule_net_loss, &x, 1, VERDICT_WARNING);
	assert_non_null(strstr(v.advice, "look at the path to [2001:db8::1]:443 (480 of 500)"));

	x.c.net.peer_cnt = 0;
	CHECK(rule_net_loss, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.text, "1.2% of its TCP segments were sent again (500 of 41000).");
	strcpy(peer(&x, "other", 0, TCP_ROLE_UNKNOWN)->address, "other");
	x.c.net.peers[0].retransmits = 500;
	CHECK(rule_net_loss, &x, 1, VERDICT_WARNING);
	assert_non_null(strstr(v.text, "most to peers beyond the busiest."));
}

/* What the peer had already was not lost; and on loopback nothing gets lost. */
static void net_loss_spurious(void **state)
{
	static const struct {
		int64_t again, spurious;
		int want;
	} rows[] = {
		{500, 0, VERDICT_WARNING},
		{500, STAT_UNKNOWN, VERDICT_WARNING},
		{500, 90, VERDICT_WARNING},
		{500, 91, NO},
		{500, 500, NO},
		{500, 9000, NO}, /* doubled by the network */
		{2500, 400, VERDICT_CRITICAL},
		{2500, 500, VERDICT_WARNING},
		{STAT_UNKNOWN, 5, NO},
	};
	struct scene x;
	struct verdict v;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		tcp_scene(&x);
		x.c.net.retransmits = rows[i].again;
		x.c.net.spurious = rows[i].spurious;
		if (severity(rule_net_loss, &x, 1, &v) != rows[i].want)
			fail_msg("row %zu: %s", i, v.text);
	}
	tcp_scene(&x);
	x.c.net.retransmits = 900;
	x.c.net.spurious = 400;
	x.c.net.peers[0].retransmits = 450;
	x.c.net.peers[0].spurious = 400;
	x.c.net.peers[1].retransmits = 450;
	CHECK(rule_net_loss, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.text,
			    "1.2% of its TCP segments were sent again (500 of 41000); most to [2001:db8::1]:443.");
	assert_non_null(strstr(v.seen, "900 retransmits in 41000 segments (400 needless), "));
	strcpy(x.c.net.peers[1].address, "127.0.0.1");
	CHECK(rule_net_loss, &x, 1, VERDICT_WARNING);
	assert_non_null(strstr(v.text, "; most to 10.2.3.4:5432."));
	strcpy(x.c.net.peers[0].address, "::1");
	CHECK(rule_net_loss, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.text, "1.2% of its TCP segments were sent again (500 of 41000).");
}

static void net_loss_connects(void **state)
{
	struct scene x;
	struct verdict v;

	tcp_scene(&x);
	x.c.net.syn_retransmits = 4;
	x.c.net.peers[1].syn_retransmits = 4;
	CHECK(rule_net_loss, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.culprit, "syn");
	assert_string_equal(v.text, "4 SYNs sent again (a second or more each); most to [2001:db8::1]:443.");
	assert_string_equal(v.advice, "check that [2001:db8::1]:443 answers: listen backlog, NetworkPolicy or "
				      "firewall, a Service without endpoints.");

	x.c.net.failed_by_cnt = 1;
	x.c.net.failed_by[0].error = ETIMEDOUT;
	x.c.net.failed_by[0].cnt = 2;
	x.c.net.failed = 2;
	x.c.net.peers[0].failed = 2;
	CHECK(rule_net_loss, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.culprit, "timeout");
	assert_string_equal(
		v.text,
		"2 of 40 connects timed out; 4 SYNs sent again (a second or more each); most to 10.2.3.4:5432.");
	assert_non_null(strstr(v.advice, "check that 10.2.3.4:5432 answers"));
	x.c.net.peers[1].failed = 1; /* two were refused, this one timed out */
	CHECK(rule_net_loss, &x, 1, VERDICT_WARNING);
	assert_non_null(strstr(v.advice, "check that [2001:db8::1]:443 answers"));

	tcp_scene(&x); /* a server whose clients do not get in */
	x.c.net.syn_retransmits = 30;
	peer(&x, "10.9.9.9", 0, TCP_ROLE_SERVER)->syn_retransmits = 30;
	CHECK(rule_net_loss, &x, 1, VERDICT_WARNING);
	assert_non_null(strstr(v.text, "; most by its client 10.9.9.9."));
	assert_non_null(strstr(v.advice, "raise the listen backlog"));
}

/* Everything at once must fit. */
static void net_loss_lengths(void **state)
{
	struct scene x;
	struct verdict v;

	tcp_scene(&x);
	x.c.net.segments = x.c.net.connects = INT64_MAX;
	x.c.net.retransmits = x.c.net.syn_retransmits = x.c.net.failed = INT64_MAX - 1;
	x.c.net.failed_by_cnt = 1;
	x.c.net.failed_by[0].error = ETIMEDOUT;
	x.c.net.failed_by[0].cnt = INT64_MAX - 1;
	memset(x.c.net.peers[0].address, 'f', sizeof(x.c.net.peers[0].address) - 1);
	x.c.net.peers[0].retransmits = x.c.net.peers[0].failed = INT64_MAX;
	CHECK(rule_net_loss, &x, 1, VERDICT_CRITICAL);
	assert_int_equal(strlen(v.text) + 1 <= sizeof(v.text), 1);

	tcp_scene(&x); /* large, and real */
	x.c.net.segments = 104000000;
	x.c.net.retransmits = 10400000;
	x.c.net.syn_retransmits = x.c.net.failed = x.c.net.connects = 100000;
	x.c.net.failed_by_cnt = 1;
	x.c.net.failed_by[0].error = ETIMEDOUT;
	x.c.net.failed_by[0].cnt = 100000;
	strcpy(x.c.net.peers[0].address, "2001:db8:1234:1234:1234:1234:1234:1234");
	x.c.net.peers[0].retransmits = x.c.net.peers[0].segments = x.c.net.peers[0].failed = 10400000;
	CHECK(rule_net_loss, &x, 1, VERDICT_CRITICAL);
	assert_int_equal(v.text[strlen(v.text) - 1], '.'); /* not cut */
	assert_int_equal(v.advice[strlen(v.advice) - 1], '.');
	assert_int_equal(v.seen[strlen(v.seen) - 1], '.');
}

/* ---- dns ---- */

static void dns_scene(struct scene *x, int64_t queries, double p99)
{
	struct snapshot_net *n = &x->c.net;

	quiet_scene(x);
	memset(n, 0, sizeof(*n));
	n->dns_on = true;
	n->dns_queries = queries;
	n->dns = (struct dist){queries, 0, 0.001, 0.002, p99, p99, p99};
}

static void dns_thresholds(void **state)
{
	static const struct {
		int64_t queries;
		double p99;
		int64_t nxdomain, servfail, timeouts;
		double scale;
		int want;
		const char *culprit;
	} rows[] = {
		{100, 0.049, 0, 0, 0, 1, NO, ""},
		{100, 0.050, 0, 0, 0, 1, VERDICT_WARNING, ""},
		{100, 0.499, 0, 0, 0, 1, VERDICT_WARNING, ""},
		{100, 0.500, 0, 0, 0, 1, VERDICT_CRITICAL, ""},
		{100, 0.036, 0, 0, 0, 0.7, VERDICT_WARNING, ""},
		{100, 0.034, 0, 0, 0, 0.7, NO, ""},
		{5, 0.2, 0, 0, 0, 1, VERDICT_WARNING, ""},
		{4, 0.2, 0, 0, 0, 1, NO, ""},
		{0, NAN, 0, 0, 0, 1, NO, ""},
		{100, NAN, 0, 0, 0, 1, NO, ""},
		/* search list */
		{100, 0.002, 49, 0, 0, 1, NO, ""},
		{100, 0.002, 50, 0, 0, 1, VERDICT_WARNING, "nxdomain"},
		{19, 0.002, 19, 0, 0, 1, NO, ""},
		{20, 0.002, 10, 0, 0, 1, VERDICT_WARNING, "nxdomain"},
		{20, 0.002, 8, 0, 0, 0.7, VERDICT_WARNING, "nxdomain"},
		{100, 0.060, 50, 0, 0, 1, VERDICT_WARNING, "nxdomain"},
		/* failures */
		{100, 0.002, 0, 4, 0, 1, NO, ""},
		{100, 0.002, 0, 5, 0, 1, VERDICT_WARNING, "servfail"},
		{100, 0.002, 0, 3, 2, 1, VERDICT_WARNING, "servfail"},
		{10, 0.002, 0, 1, 0, 1, NO, ""}, /* a single one */
		{100, 0.002, 0, 50, 0, 1, VERDICT_CRITICAL, "servfail"},
		{100, 5, 0, 0, 5, 1, VERDICT_CRITICAL, "timeout"},
		{100, 5, 60, 0, 5, 1, VERDICT_CRITICAL, "timeout"},
		/* unknown */
		{STAT_UNKNOWN, NAN, STAT_UNKNOWN, STAT_UNKNOWN, STAT_UNKNOWN, 1, NO, ""},
		{100, 0.002, STAT_UNKNOWN, STAT_UNKNOWN, STAT_UNKNOWN, 1, NO, ""},
	};
	struct scene x;
	struct verdict v;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		dns_scene(&x, rows[i].queries, rows[i].p99);
		x.c.net.dns_nxdomain = rows[i].nxdomain;
		x.c.net.dns_servfail = rows[i].servfail;
		x.c.net.dns_timeouts = rows[i].timeouts;
		if (severity(rule_dns, &x, rows[i].scale, &v) != rows[i].want || strcmp(v.culprit, rows[i].culprit))
			fail_msg("row %zu: %s %s", i, v.culprit, v.text);
		x.c.net.dns_on = false;
		CHECK(rule_dns, &x, 1, NO);
	}
}

static void dns_text(void **state)
{
	struct scene x;
	struct verdict v;

	dns_scene(&x, 240, 0.071);
	x.c.net.dns.max = 0.12;
	CHECK(rule_dns, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.text, "DNS answers take 71 ms (p99), up to 120 ms.");
	assert_string_equal(v.advice, "look at the resolver (its CPU limit, its upstream), use a node-local cache, "
				      "keep connections open so that fewer names are asked for.");
	assert_string_equal(v.seen, "240 queries in 10 s, p50 2.0 ms, p99 71 ms, 0 NXDOMAIN, 0 SERVFAIL, 0 timeouts.");

	dns_scene(&x, 240, 0.004);
	x.c.net.dns_nxdomain = 180;
	CHECK(rule_dns, &x, 1, VERDICT_WARNING);
	assert_string_equal(v.text, "75% of its DNS answers are NXDOMAIN: names are tried with the search list first.");
	assert_string_equal(
		v.advice,
		"set ndots:2 in dnsConfig, or write names with a dot at the end: saves up to 18.0 of 24.0 queries/s.");

	x.c.net.dns_timeouts = 24;
	CHECK(rule_dns, &x, 1, VERDICT_WARNING);
	assert_non_null(strstr(v.text, "10% of its DNS queries fail (24 timeouts, 0 SERVFAIL of 240); 75% of its"));
	assert_non_null(strstr(v.advice, "check that the resolver answers"));
	assert_int_equal(v.advice[strlen(v.advice) - 1], '.'); /* not cut */
	x.c.net.dns_servfail = 100;
	CHECK(rule_dns, &x, 1, VERDICT_CRITICAL);
	assert_non_null(strstr(v.advice, "; SERVFAIL comes from behind the resolver"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(net_loss_thresholds),
		cmocka_unit_test(net_loss_one_path),
		cmocka_unit_test(net_loss_spurious),
		cmocka_unit_test(net_loss_connects),
		cmocka_unit_test(net_loss_lengths),
		cmocka_unit_test(dns_thresholds),
		cmocka_unit_test(dns_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
