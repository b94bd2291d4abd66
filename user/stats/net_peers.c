/* SPDX-License-Identifier: BSD-2-Clause */
/* A bounded table of peers, about 1.2 KB each and 32 bytes a quarter second in which it moved. When it is full, the
 * least recently used peer gives way, but only if it was idle for PEER_IDLE_SLOTS (one with open connections: a
 * minute): with a thousand active peers the table would else hold nothing but the newest second. Who finds no place is
 * counted in `other`, and so is what a peer had that gave way: the rows always add up to the container. */
#include "stats/net_peers.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"
#include "base/str.h"
#include "stats/dist.h"
#include "stats/net_stats.h"

#define PEER_IDLE_SLOTS 20  /* 5 s */
#define PEER_OPEN_SLOTS 240 /* 60 s */

void net_peers_init(struct net_peers *p, struct stats_budget *budget)
{
	memset(p, 0, sizeof(*p));
	p->budget = budget;
	net_slots_init(&p->other.slots, budget);
}

static void peer_free(struct net_peers *p, size_t i)
{
	net_slots_deinit(&p->items[i]->slots);
	free(p->items[i]);
	stats_budget_resize(p->budget, sizeof(struct net_peer), 0);
	p->cnt--;
	p->items[i] = p->items[p->cnt];
	p->hashes[i] = p->hashes[p->cnt];
}

void net_peers_deinit(struct net_peers *p)
{
	while (p->cnt)
		peer_free(p, p->cnt - 1);
	net_slots_deinit(&p->other.slots);
}

void net_peer_value(struct net_peer_values *v, uint32_t slot, uint64_t us)
{
	uint32_t i = v->added++ % NET_PEER_VALUES;

	if (v->added == 2u << 30) /* the index goes on, the count stays above the bound */
		v->added = 1u << 30;
	v->v[i].slot = slot;
	v->v[i].us = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static uint32_t value_cnt(const struct net_peer_values *v)
{
	return v->added < NET_PEER_VALUES ? v->added : NET_PEER_VALUES;
}

/* A guess: of two ports the one of the service is the smaller one, as ephemeral ports begin at 32768. */
static bool peer_serves(const struct net_addr *a)
{
	return a->rport < a->lport;
}

void net_peer_key(const struct net_addr *a, uint32_t role, struct net_peer_key *ret)
{
	bool serves = role == TCP_ROLE_CLIENT || (role != TCP_ROLE_SERVER && peer_serves(a));

	memset(ret, 0, sizeof(*ret));
	memcpy(ret->addr, a->raddr, a->family == NET_AF_INET ? 4 : sizeof(ret->addr));
	ret->family = a->family;
	ret->port = serves ? a->rport : 0;
	ret->role = role <= TCP_ROLE_SERVER ? role : TCP_ROLE_UNKNOWN;
}

static uint32_t key_hash(const struct net_peer_key *key)
{
	uint64_t h = hash_bytes(key, sizeof(*key), 0);

	return (uint32_t)(h ^ h >> 32);
}

static struct net_peer *find(const struct net_peers *p, const struct net_peer_key *key, uint32_t hash)
{
	for (size_t i = 0; i < p->cnt; i++)
		if (p->hashes[i] == hash && !memcmp(&p->items[i]->key, key, sizeof(*key)))
			return p->items[i];
	return NULL;
}

static void add_values(struct net_peer_values *to, const struct net_peer_values *from)
{
	uint32_t cnt = value_cnt(from);

	for (uint32_t k = 0; k < cnt; k++) {
		uint32_t i = (from->added - cnt + k) % NET_PEER_VALUES;

		net_peer_value(to, from->v[i].slot, from->v[i].us);
	}
}

/* The least recently used one that may give way at this time, or cnt. Those without open connections first. */
static size_t find_victim(const struct net_peers *p, uint32_t slot)
{
	size_t victim = p->cnt;

	for (size_t i = 0; i < p->cnt; i++) {
		const struct net_peer *x = p->items[i], *best = victim < p->cnt ? p->items[victim] : NULL;
		uint32_t idle = slot > x->last_slot ? slot - x->last_slot : 0;

		if (idle < (x->open ? PEER_OPEN_SLOTS : PEER_IDLE_SLOTS))
			continue;
		if (!best || (!x->open && best->open) || (!x->open == !best->open && x->last_slot < best->last_slot))
			victim = i;
	}
	return victim;
}

static bool make_room(struct net_peers *p, uint32_t slot, uint64_t *lost)
{
	if (p->cnt < NET_PEERS_MAX)
		return true;

	size_t i = find_victim(p, slot);

	if (i == p->cnt)
		return false;
	net_slots_merge(&p->other.slots, &p->items[i]->slots, lost);
	add_values(&p->other.connects, &p->items[i]->connects);
	add_values(&p->other.rtts, &p->items[i]->rtts);
	peer_free(p, i);
	return true;
}

static struct net_peer *add(struct net_peers *p, const struct net_peer_key *key, uint32_t hash)
{
	struct net_peer *peer;

	if (!stats_budget_resize(p->budget, 0, sizeof(*peer)))
		return NULL;
	peer = calloc(1, sizeof(*peer));
	if (!peer) {
		stats_budget_resize(p->budget, sizeof(*peer), 0);
		return NULL;
	}
	peer->key = *key;
	net_slots_init(&peer->slots, p->budget);
	p->items[p->cnt] = peer;
	p->hashes[p->cnt++] = hash;
	return peer;
}

struct net_peer *net_peers_get(struct net_peers *p, const struct net_peer_key *key, uint32_t slot, uint64_t *lost)
{
	uint32_t hash = key_hash(key);
	struct net_peer *peer = find(p, key, hash);

	if (!peer && make_room(p, slot, lost))
		peer = add(p, key, hash);
	if (!peer)
		return &p->other;
	if (slot > peer->last_slot)
		peer->last_slot = slot;
	return peer;
}

struct net_peer *net_peers_guess(struct net_peers *p, const struct net_addr *a, uint32_t slot, uint64_t *lost)
{
	static const uint32_t roles[] = {TCP_ROLE_CLIENT, TCP_ROLE_SERVER, TCP_ROLE_UNKNOWN};
	static const uint8_t nowhere[sizeof(a->raddr)];
	struct net_peer_key key;

	if (!memcmp(a->raddr, nowhere, sizeof(nowhere)))
		return &p->other; /* a reset of a listener: to nobody it knows */
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
		net_peer_key(a, roles[i], &key);
		if (find(p, &key, key_hash(&key)))
			return net_peers_get(p, &key, slot, lost);
	}
	net_peer_key(a, peer_serves(a) ? TCP_ROLE_CLIENT : TCP_ROLE_SERVER, &key);
	return net_peers_get(p, &key, slot, lost);
}

void net_peers_expire(struct net_peers *p, uint32_t before)
{
	for (size_t i = p->cnt; i > 0; i--) {
		struct net_peer *peer = p->items[i - 1];

		net_slots_expire(&peer->slots, before);
		if (!peer->open && peer->last_slot <= before)
			peer_free(p, i - 1);
	}
	net_slots_expire(&p->other.slots, before);
}

/* Rows by segments, then by what else happened; the key last, so that the order is the same every time. */
struct row {
	const struct net_peer *peer;
	struct net_sum sum;
};

static bool row_empty(const struct row *r)
{
	const struct net_sum *s = &r->sum;

	return !(s->segments | s->segments_in | s->retransmits | s->syn_retransmits | s->resets_sent |
		 s->resets_received | s->opened_client | s->opened_server | s->connects | s->spurious |
		 s->rtt_min_us) &&
	       !r->peer->open;
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->sum.segments != y->sum.segments)
		return x->sum.segments < y->sum.segments ? 1 : -1;
	if (x->sum.connects != y->sum.connects)
		return x->sum.connects < y->sum.connects ? 1 : -1;
	return memcmp(&x->peer->key, &y->peer->key, sizeof(x->peer->key));
}

struct value_window {
	uint32_t from, to;
	uint64_t values[(NET_PEERS_MAX + 1) * NET_PEER_VALUES]; /* ns; room for all of them in `other` */
};

static size_t add_window(struct value_window *w, size_t cnt, const struct net_peer_values *v)
{
	for (uint32_t i = 0; i < value_cnt(v); i++)
		if (v->v[i].slot > w->from && v->v[i].slot <= w->to)
			w->values[cnt++] = v->v[i].us * 1000ull;
	return cnt;
}

/* Several peers in one: rows[0..cnt). */
static void fill_rows(const struct row *rows, size_t cnt, struct value_window *w, struct snapshot_peer *ret)
{
	struct net_sum s = {0};
	size_t values = 0;

	for (size_t i = 0; i < cnt; i++) {
		const struct net_peer *p = rows[i].peer;

		net_slots_sum(&p->slots, w->from, w->to, &s);
		ret->open += p->open;
		values = add_window(w, values, &p->connects);
	}
	dist_from_values(w->values, values, &ret->connect);
	values = 0;
	for (size_t i = 0; i < cnt; i++)
		values = add_window(w, values, &rows[i].peer->rtts);
	dist_from_values(w->values, values, &ret->rtt);
	ret->rtt_min_seconds = s.rtt_min_us ? s.rtt_min_us / 1e6 : NAN;
	ret->opened = s.opened_client + s.opened_server;
	ret->connects = s.connects;
	ret->failed = s.failed;
	ret->segments = s.segments;
	ret->retransmits = s.retransmits;
	ret->spurious = s.spurious;
	ret->syn_retransmits = s.syn_retransmits;
	ret->resets = s.resets_sent + s.resets_received;
}

static size_t collect(const struct net_peers *p, uint32_t from, uint32_t to, struct row *rows)
{
	size_t cnt = 0;

	for (size_t i = 0; i < p->cnt; i++) {
		rows[cnt] = (struct row){.peer = p->items[i]};
		net_slots_sum(&p->items[i]->slots, from, to, &rows[cnt].sum);
		cnt += !row_empty(&rows[cnt]);
	}
	qsort(rows, cnt, sizeof(*rows), compare_rows);

	struct row other = {.peer = &p->other};

	net_slots_sum(&p->other.slots, from, to, &other.sum);
	if (!row_empty(&other) || cnt > SNAPSHOT_PEERS)
		rows[cnt++] = other;
	return cnt;
}

static void fill_key(const struct net_peer_key *key, struct snapshot_peer *ret)
{
	struct net_addr a = {.family = key->family};

	memcpy(a.raddr, key->addr, sizeof(a.raddr));
	net_stats_address(&a, ret->address, sizeof(ret->address));
	ret->port = key->port;
	ret->role = (uint8_t)key->role;
}

int net_peers_fill(const struct net_peers *p, uint32_t from, uint32_t to, int64_t open,
		   struct snapshot_peer ret[SNAPSHOT_PEERS])
{
	struct row rows[NET_PEERS_MAX + 1];
	struct value_window w = {.from = from, .to = to};
	size_t cnt = collect(p, from, to, rows), single = cnt;

	if (cnt && (cnt > SNAPSHOT_PEERS || rows[cnt - 1].peer == &p->other))
		single = cnt <= SNAPSHOT_PEERS ? cnt - 1 : SNAPSHOT_PEERS - 1;
	memset(ret, 0, SNAPSHOT_PEERS * sizeof(*ret));
	for (size_t i = 0; i < single; i++) {
		fill_rows(&rows[i], 1, &w, &ret[i]);
		fill_key(&rows[i].peer->key, &ret[i]);
		open -= ret[i].open;
	}
	if (single == cnt)
		return (int)cnt;
	fill_rows(rows + single, cnt - single, &w, &ret[single]);
	str_copy(ret[single].address, sizeof(ret[single].address), "other");
	ret[single].open = open > 0 ? open : 0;
	return (int)single + 1;
}
