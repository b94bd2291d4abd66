/* SPDX-License-Identifier: BSD-2-Clause */
/* Network by peer over the longest window: at most NET_PEERS_MAX, the others in one. Embedded. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "stats/net_slots.h"
#include "stats/snapshot.h"
#include "stats/stats_budget.h"

#define NET_PEERS_MAX   64
#define NET_PEER_VALUES 64

struct net_peer_key {
	uint8_t addr[16]; /* IPv4 in the first four bytes, the rest 0 */
	uint16_t family;
	uint16_t port; /* of the peer as a server; 0 where ours is the server */
	uint32_t role; /* enum tcp_role of our side */
};

/* The last values, for percentiles: of a busy peer they cover less than the window. */
struct net_peer_values {
	struct {
		uint32_t slot, us;
	} v[NET_PEER_VALUES];
	uint32_t added; /* the newest is v[(added - 1) % NET_PEER_VALUES] */
};

struct net_peer {
	struct net_peer_key key;
	uint32_t last_slot;
	int64_t open; /* connections open now, as far as their begin was seen */
	struct net_slots slots;
	struct net_peer_values connects, rtts;
};

struct net_peers {
	struct net_peer *items[NET_PEERS_MAX]; /* owned */
	uint32_t hashes[NET_PEERS_MAX];        /* of their keys */
	size_t cnt;
	struct net_peer other;
	struct stats_budget *budget; /* borrowed, NULL: none */
};

void net_peers_init(struct net_peers *p, struct stats_budget *budget);
void net_peers_deinit(struct net_peers *p);
void net_peer_value(struct net_peer_values *v, uint32_t slot, uint64_t us);
/* The key of a connection by the role of our side. */
void net_peer_key(const struct net_addr *a, uint32_t role, struct net_peer_key *ret);
/* The peer of a record; the one for all others if there is no place. Never NULL. What a peer that gives way had is
 * added to that one; *lost as in net_slots_at(). */
struct net_peer *net_peers_get(struct net_peers *p, const struct net_peer_key *key, uint32_t slot, uint64_t *lost);
/* For events without a role: the peer that has this address under any role, else by a guess at the role. */
struct net_peer *net_peers_guess(struct net_peers *p, const struct net_addr *a, uint32_t slot, uint64_t *lost);
void net_peers_expire(struct net_peers *p, uint32_t before);
/* Peers with anything in (from, to] or open: most segments first, the rest added up last. open: of the container. */
int net_peers_fill(const struct net_peers *p, uint32_t from, uint32_t to, int64_t open,
		   struct snapshot_peer ret[SNAPSHOT_PEERS]);
