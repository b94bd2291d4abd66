/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters of connections by quarter seconds of the last minute: only those in which something happened. Embedded. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "stats/stats_budget.h"

#define NET_SLOT_NS   250000000ull
#define NET_SLOTS_MAX 256 /* a minute, the current one, and what comes late */

/* Counts stay at their largest value instead of wrapping. */
struct net_slot {
	uint32_t slot; /* time / NET_SLOT_NS */
	uint32_t segments, segments_in;
	uint32_t rtt_min_us; /* 0: none */
	uint16_t retransmits, syn_retransmits;
	uint16_t resets_sent, resets_received;
	uint16_t opened_client, opened_server;
	uint16_t connects, failed;
	uint16_t spurious;
};
_Static_assert(sizeof(struct net_slot) == 36, "each peer has up to 256 of them");

struct net_slots {
	struct net_slot *items; /* owned, by slot */
	uint16_t cnt, cap;
	struct stats_budget *budget; /* borrowed, NULL: none */
};

/* Sums over a window. */
struct net_sum {
	int64_t segments, segments_in, retransmits, syn_retransmits, resets_sent, resets_received;
	int64_t opened_client, opened_server, connects, failed, spurious;
	uint32_t rtt_min_us; /* 0: none */
};

uint32_t net_slot_of(uint64_t time_ns);
void net_count16(uint16_t *counter, uint32_t by);
void net_count32(uint32_t *counter, uint32_t by);
void net_rtt_min(uint32_t *min_us, uint32_t us); /* us 0: none */

void net_slots_init(struct net_slots *s, struct stats_budget *budget);
void net_slots_deinit(struct net_slots *s);
/* The slot's counters, made when missing; valid until the next call. NULL if there is no place; *lost grows by the
 * slots that gave way, or that were refused. */
struct net_slot *net_slots_at(struct net_slots *s, uint32_t slot, uint64_t *lost);
/* Adds all of src; what finds no place is counted in *lost. */
void net_slots_merge(struct net_slots *s, const struct net_slots *src, uint64_t *lost);
void net_slots_expire(struct net_slots *s, uint32_t before); /* drops the slots up to and with this one */
/* Adds the slots in (from, to] to ret. */
void net_slots_sum(const struct net_slots *s, uint32_t from, uint32_t to, struct net_sum *ret);
