/* SPDX-License-Identifier: BSD-2-Clause */
/* Connects, queries and round trips are kept one by one, because percentiles are wanted; counters as sums by quarter
 * second (net_slots.c). So that all of them speak of the same time, windows are moved to the edges of these quarters:
 * an event counts in exactly one of two windows that follow one another.
 *
 * Segments sent again come from one source each, or they would count twice. Data: the kernel's counter of the
 * connection, in flow records. SYN and SYN-ACK: EVENT_TCP_RETRANSMIT with syn set, of either role, because it comes
 * when it happens and not when the connect is over; syn_retransmits of EVENT_TCP_CONNECT is the same and not added.
 *
 * Connections open now are those whose first record was seen and whose last one was not. A lost record leaves one too
 * many or too few; what would go below zero is taken as seen too late. */
#include "stats/net_stats.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "stats/container_stats.h"
#include "stats/dist.h"
#include "stats/histogram.h"
#include "stats/net_peers.h"
#include "stats/net_slots.h"
#include "stats/span_ring.h"

#define TAG_OTHER_ERROR   UINT16_MAX /* of connects: an errno that is none */
#define ERRNO_MAX         4095       /* of the kernel: MAX_ERRNO */
#define TAG_TIMEOUT       UINT16_MAX /* of queries; else the rcode */
#define TAG_UNKNOWN_RCODE (UINT16_MAX - 1)
#define RCODE_MAX         (UINT16_MAX - 2)
#define RCODE_SERVFAIL    2
#define RCODE_NXDOMAIN    3
#define ERRORS_MAX        32 /* different ones in a window; more than that are `others` */

struct net_stats {
	struct span_ring connects; /* tag: errno */
	struct span_ring rtts;     /* length: the smoothed round trip */
	struct span_ring queries;
	struct net_slots slots;
	struct net_peers peers;
	int64_t open[TCP_ROLE_SERVER + 1];
	uint64_t lost;
	struct stats_budget *budget; /* borrowed */
};

int net_stats_new(struct stats_budget *budget, struct net_stats **ret)
{
	struct net_stats *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->budget = budget;
	span_ring_init(&n->connects, STATS_CONNECTS_MAX, budget);
	span_ring_init(&n->rtts, STATS_RTTS_MAX, budget);
	span_ring_init(&n->queries, STATS_QUERIES_MAX, budget);
	net_slots_init(&n->slots, budget);
	net_peers_init(&n->peers, budget);
	*ret = n;
	return 0;
}

struct net_stats *net_stats_free(struct net_stats *n)
{
	if (!n)
		return NULL;
	net_peers_deinit(&n->peers);
	net_slots_deinit(&n->slots);
	span_ring_deinit(&n->queries);
	span_ring_deinit(&n->rtts);
	span_ring_deinit(&n->connects);
	free(n);
	return NULL;
}

static void count_lost(struct net_stats *n, enum signal_id signal, uint64_t cnt)
{
	n->lost += cnt;
	if (n->budget)
		n->budget->lost[signal] += cnt;
}

/* False if the span itself is not kept because it makes no sense. */
static bool add_span(struct net_stats *n, struct span_ring *r, uint64_t start_ns, uint64_t end_ns, uint16_t tag)
{
	int lost = span_ring_add(r, start_ns, end_ns, tag);

	if (lost)
		count_lost(n, r == &n->queries ? SIGNAL_NET_DNS : SIGNAL_NET_TCP, lost > 0 ? (uint64_t)lost : 1);
	return lost != -EINVAL;
}

/* The slot's counters of the container, or NULL; counts what gave way for them. */
static struct net_slot *slot_at(struct net_stats *n, struct net_slots *slots, uint32_t slot)
{
	uint64_t lost = 0;
	struct net_slot *ret = net_slots_at(slots, slot, &lost);

	if (lost)
		count_lost(n, SIGNAL_NET_TCP, lost);
	return ret;
}

static struct net_peer *peer_get(struct net_stats *n, const struct net_addr *a, uint32_t role, uint32_t slot)
{
	struct net_peer_key key;
	uint64_t lost = 0;

	net_peer_key(a, role, &key);

	struct net_peer *ret = net_peers_get(&n->peers, &key, slot, &lost);

	if (lost)
		count_lost(n, SIGNAL_NET_TCP, lost);
	return ret;
}

static struct net_peer *peer_guess(struct net_stats *n, const struct net_addr *a, uint32_t slot)
{
	uint64_t lost = 0;
	struct net_peer *ret = net_peers_guess(&n->peers, a, slot, &lost);

	if (lost)
		count_lost(n, SIGNAL_NET_TCP, lost);
	return ret;
}

void net_stats_connect(struct net_stats *n, const struct event_tcp_connect *e)
{
	uint32_t slot = net_slot_of(e->hdr.time_ns);
	uint16_t tag = e->error <= ERRNO_MAX ? (uint16_t)e->error : TAG_OTHER_ERROR;

	if (!add_span(n, &n->connects, e->start_ns, e->hdr.time_ns, tag))
		return;

	struct net_peer *peer = peer_get(n, &e->addr, TCP_ROLE_CLIENT, slot);
	struct net_slot *s = slot_at(n, &peer->slots, slot);

	if (s) {
		net_count16(&s->connects, 1);
		net_count16(&s->failed, e->error != 0);
	}
	if (!e->error)
		net_peer_value(&peer->connects, slot, (e->hdr.time_ns - e->start_ns) / 1000);
}

static void count_flow(struct net_slot *s, const struct event_tcp_flow *e, uint32_t role)
{
	bool opened = (e->flags & FLOW_FIRST) && (e->flags & FLOW_OPENED);

	if (!s)
		return;
	net_count32(&s->segments, e->segs_out);
	net_count32(&s->segments_in, e->segs_in);
	net_count16(&s->retransmits, e->retransmits < UINT16_MAX ? e->retransmits : UINT16_MAX);
	net_count16(&s->spurious, e->spurious < UINT16_MAX ? e->spurious : UINT16_MAX);
	net_rtt_min(&s->rtt_min_us, e->rtt_min_us);
	net_count16(&s->opened_client, opened && role == TCP_ROLE_CLIENT);
	net_count16(&s->opened_server, opened && role == TCP_ROLE_SERVER);
}

/* Its role may have become known after its first record: then it was counted as of unknown role. */
static void count_open(struct net_stats *n, struct net_peer *peer, uint32_t flags, uint32_t role)
{
	bool first = flags & FLOW_FIRST, last = flags & FLOW_LAST, other = peer == &n->peers.other;

	if (first == last)
		return; /* neither, or both in one record: it was never open at the time of a reading */
	if (first) {
		n->open[role]++;
		peer->open += !other;
		return;
	}
	if (!n->open[role])
		role = TCP_ROLE_UNKNOWN;
	n->open[role] -= n->open[role] > 0;
	peer->open -= peer->open > 0;
}

void net_stats_flow(struct net_stats *n, const struct event_tcp_flow *e)
{
	uint32_t slot = net_slot_of(e->hdr.time_ns);
	uint32_t role = e->role <= TCP_ROLE_SERVER ? e->role : TCP_ROLE_UNKNOWN;
	struct net_peer *peer = peer_get(n, &e->addr, role, slot);
	uint64_t srtt_ns = e->srtt_us * 1000ull;

	count_flow(slot_at(n, &n->slots, slot), e, role);
	count_flow(slot_at(n, &peer->slots, slot), e, role);
	count_open(n, peer, e->flags, role);
	if (!srtt_ns)
		return;
	/* A sample that gives way for another makes no number too low: it is no loss. */
	(void)span_ring_add(&n->rtts, e->hdr.time_ns > srtt_ns ? e->hdr.time_ns - srtt_ns : 0, e->hdr.time_ns, 0);
	net_peer_value(&peer->rtts, slot, e->srtt_us);
}

static void count_syn(struct net_slot *s, uint32_t segments)
{
	if (s)
		net_count16(&s->syn_retransmits, segments);
}

void net_stats_retransmit(struct net_stats *n, const struct event_tcp_retransmit *e)
{
	uint32_t slot = net_slot_of(e->hdr.time_ns);

	if (!e->syn)
		return;
	count_syn(slot_at(n, &n->slots, slot), e->segments);
	count_syn(slot_at(n, &peer_guess(n, &e->addr, slot)->slots, slot), e->segments);
}

static void count_reset(struct net_slot *s, bool received)
{
	if (s)
		net_count16(received ? &s->resets_received : &s->resets_sent, 1);
}

void net_stats_reset(struct net_stats *n, const struct event_tcp_reset *e)
{
	uint32_t slot = net_slot_of(e->hdr.time_ns);

	count_reset(slot_at(n, &n->slots, slot), e->received);
	count_reset(slot_at(n, &peer_guess(n, &e->addr, slot)->slots, slot), e->received);
}

void net_stats_dns(struct net_stats *n, const struct event_dns_query *e)
{
	uint16_t tag = e->rcode <= RCODE_MAX ? (uint16_t)e->rcode : TAG_UNKNOWN_RCODE;

	if (e->result == DNS_TIMEOUT)
		tag = TAG_TIMEOUT;
	add_span(n, &n->queries, e->start_ns, e->hdr.time_ns, tag);
}

void net_stats_expire(struct net_stats *n, uint64_t now_ns)
{
	uint64_t before = now_ns > STATS_WINDOW_MAX_NS ? now_ns - STATS_WINDOW_MAX_NS : 0;
	/* The slot of `before` is kept until all of it is too old. */
	uint32_t slot = net_slot_of(before) ? net_slot_of(before) - 1 : 0;

	before = slot * NET_SLOT_NS;
	span_ring_expire(&n->connects, before);
	span_ring_expire(&n->rtts, before);
	span_ring_expire(&n->queries, before);
	net_slots_expire(&n->slots, slot);
	net_peers_expire(&n->peers, slot);
}

/* The slots (from, to], and the same as times. */
struct net_window {
	uint32_t from, to;
	uint64_t from_ns, to_ns;
};

static struct net_window net_window(uint64_t now_ns, uint64_t window_ns)
{
	struct net_window w = {.from = net_slot_of(now_ns > window_ns ? now_ns - window_ns : 0),
			       .to = net_slot_of(now_ns)};

	w.from_ns = (w.from + 1ull) * NET_SLOT_NS - 1;
	w.to_ns = (w.to + 1ull) * NET_SLOT_NS - 1;
	return w;
}

/* Lengths of the spans that ended in the window, of one tag or (-1) of all. */
static void fill_dist(const struct span_ring *r, const struct net_window *w, int32_t tag, struct dist *ret)
{
	size_t lo = span_ring_upper(r, w->from_ns), hi = span_ring_upper(r, w->to_ns), cnt = 0;
	uint64_t values[DIST_EXACT_MAX];
	struct histogram h;

	for (size_t i = lo; i < hi; i++) {
		const struct span *s = span_ring_get(r, i);

		if (tag >= 0 && s->tag != tag)
			continue;
		if (cnt < DIST_EXACT_MAX) {
			values[cnt++] = s->len_ns;
			continue;
		}
		if (cnt++ == DIST_EXACT_MAX) { /* too many for exact ones */
			histogram_init(&h);
			for (size_t k = 0; k < DIST_EXACT_MAX; k++)
				histogram_add(&h, values[k]);
		}
		histogram_add(&h, s->len_ns);
	}
	if (cnt <= DIST_EXACT_MAX)
		dist_from_values(values, cnt, ret);
	else
		histogram_dist(&h, ret);
}

struct error_count {
	uint16_t tag;
	int64_t cnt;
};

/* Most frequent first; the others, and what is no errno, last. */
static int compare_errors(const void *a, const void *b)
{
	const struct error_count *x = a, *y = b;

	if ((x->tag == TAG_OTHER_ERROR) != (y->tag == TAG_OTHER_ERROR))
		return x->tag == TAG_OTHER_ERROR ? 1 : -1;
	if (x->cnt != y->cnt)
		return x->cnt < y->cnt ? 1 : -1;
	return (x->tag > y->tag) - (x->tag < y->tag);
}

static void count_error(struct error_count *errors, int *cnt, uint16_t tag)
{
	int i = 0;

	while (i < *cnt && errors[i].tag != tag)
		i++;
	if (i == ERRORS_MAX) { /* the last place is for the others */
		i = ERRORS_MAX - 1;
		errors[i].tag = TAG_OTHER_ERROR;
	} else if (i == *cnt) {
		errors[(*cnt)++] = (struct error_count){.tag = tag};
	}
	errors[i].cnt++;
}

static void fill_errors(const struct error_count *errors, int cnt, struct snapshot_net *ret)
{
	for (int i = 0; i < cnt; i++) {
		bool others = errors[i].tag == TAG_OTHER_ERROR || (i >= SNAPSHOT_ERRNOS - 1 && cnt > SNAPSHOT_ERRNOS);
		int at = others && i >= SNAPSHOT_ERRNOS ? SNAPSHOT_ERRNOS - 1 : i;

		ret->failed_by[at].error = others ? 0 : errors[i].tag;
		ret->failed_by[at].cnt += errors[i].cnt;
		ret->failed_by_cnt = at + 1;
	}
}

static void fill_connects(const struct net_stats *n, const struct net_window *w, struct snapshot_net *ret)
{
	size_t lo = span_ring_upper(&n->connects, w->from_ns), hi = span_ring_upper(&n->connects, w->to_ns);
	struct error_count errors[ERRORS_MAX];
	int cnt = 0;

	for (size_t i = lo; i < hi; i++) {
		uint16_t tag = span_ring_get(&n->connects, i)->tag;

		ret->connects++;
		if (!tag)
			continue;
		ret->failed++;
		count_error(errors, &cnt, tag);
	}
	qsort(errors, (size_t)cnt, sizeof(*errors), compare_errors);
	fill_errors(errors, cnt, ret);
	fill_dist(&n->connects, w, 0, &ret->connect);
}

static void fill_counters(const struct net_stats *n, const struct net_window *w, struct snapshot_net *ret)
{
	struct net_sum s = {0};

	net_slots_sum(&n->slots, w->from, w->to, &s);
	ret->rtt_min_seconds = s.rtt_min_us ? s.rtt_min_us / 1e6 : NAN;
	ret->segments = s.segments;
	ret->segments_in = s.segments_in;
	ret->retransmits = s.retransmits;
	ret->spurious = s.spurious;
	ret->syn_retransmits = s.syn_retransmits;
	ret->resets_sent = s.resets_sent;
	ret->resets_received = s.resets_received;
	ret->opened_client = s.opened_client;
	ret->opened_server = s.opened_server;
	ret->open_client = n->open[TCP_ROLE_CLIENT];
	ret->open_server = n->open[TCP_ROLE_SERVER];
	ret->open_unknown = n->open[TCP_ROLE_UNKNOWN];
}

/* An answer whose code was not seen is an answer, not a failure. */
static void fill_queries(const struct net_stats *n, const struct net_window *w, struct snapshot_net *ret)
{
	size_t lo = span_ring_upper(&n->queries, w->from_ns), hi = span_ring_upper(&n->queries, w->to_ns);

	for (size_t i = lo; i < hi; i++) {
		uint16_t tag = span_ring_get(&n->queries, i)->tag;

		ret->dns_queries++;
		ret->dns_failures += tag && tag != TAG_UNKNOWN_RCODE;
		ret->dns_timeouts += tag == TAG_TIMEOUT;
		ret->dns_nxdomain += tag == RCODE_NXDOMAIN;
		ret->dns_servfail += tag == RCODE_SERVFAIL;
	}
	fill_dist(&n->queries, w, -1, &ret->dns);
}

void net_stats_fill(const struct net_stats *n, uint64_t now_ns, uint64_t window_ns, struct snapshot_net *ret)
{
	struct net_window w = net_window(now_ns, window_ns < STATS_WINDOW_MAX_NS ? window_ns : STATS_WINDOW_MAX_NS);
	bool on = ret->on, dns_on = ret->dns_on;

	memset(ret, 0, sizeof(*ret));
	ret->on = on;
	ret->dns_on = dns_on;
	fill_connects(n, &w, ret);
	fill_dist(&n->rtts, &w, -1, &ret->rtt);
	fill_counters(n, &w, ret);
	fill_queries(n, &w, ret);
	ret->peer_cnt = net_peers_fill(&n->peers, w.from, w.to,
				       n->open[TCP_ROLE_CLIENT] + n->open[TCP_ROLE_SERVER] + n->open[TCP_ROLE_UNKNOWN],
				       ret->peers);
}

uint64_t net_stats_lost(const struct net_stats *n)
{
	return n->lost;
}

void net_stats_address(const struct net_addr *a, char *buf, size_t sz)
{
	char text[INET6_ADDRSTRLEN];
	int family = a->family == NET_AF_INET ? AF_INET : a->family == NET_AF_INET6 ? AF_INET6 : AF_UNSPEC;

	if (family == AF_UNSPEC || !inet_ntop(family, a->raddr, text, sizeof(text)))
		text[0] = '?', text[1] = '\0';
	str_copy(buf, sz, text);
}
