/* SPDX-License-Identifier: BSD-2-Clause */
/* A record a connection and second would be 60,000 of them a minute for a thousand connections; the sums by quarter
 * second are at most 244, and any window up to a minute can be counted from them to a quarter second. Records come
 * nearly in order, so the slot wanted is the last one or one of the few before it. */
#include "stats/net_slots.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CAP_MIN 4

uint32_t net_slot_of(uint64_t time_ns)
{
	uint64_t slot = time_ns / NET_SLOT_NS;

	return slot < UINT32_MAX ? (uint32_t)slot : UINT32_MAX;
}

void net_count16(uint16_t *counter, uint32_t by)
{
	uint16_t room = (uint16_t)(UINT16_MAX - *counter);

	*counter = (uint16_t)(*counter + (by < room ? by : room));
}

void net_count32(uint32_t *counter, uint32_t by)
{
	uint32_t room = UINT32_MAX - *counter;

	*counter += by < room ? by : room;
}

void net_rtt_min(uint32_t *min_us, uint32_t us)
{
	if (us && (!*min_us || us < *min_us))
		*min_us = us;
}

void net_slots_init(struct net_slots *s, struct stats_budget *budget)
{
	*s = (struct net_slots){.budget = budget};
}

void net_slots_deinit(struct net_slots *s)
{
	free(s->items);
	stats_budget_resize(s->budget, s->cap * sizeof(*s->items), 0);
	s->items = NULL;
	s->cnt = s->cap = 0;
}

static bool resize(struct net_slots *s, uint16_t cap)
{
	size_t from = s->cap * sizeof(*s->items), to = cap * sizeof(*s->items);

	if (!stats_budget_resize(s->budget, from, to))
		return false;

	struct net_slot *items = realloc(s->items, to);

	if (!items) {
		stats_budget_resize(s->budget, to, from);
		return false;
	}
	s->items = items;
	s->cap = cap;
	return true;
}

static void drop_oldest(struct net_slots *s)
{
	s->cnt--;
	memmove(s->items, s->items + 1, s->cnt * sizeof(*s->items));
}

struct net_slot *net_slots_at(struct net_slots *s, uint32_t slot, uint64_t *lost)
{
	uint16_t at = s->cnt;

	while (at && s->items[at - 1].slot > slot)
		at--;
	if (at && s->items[at - 1].slot == slot)
		return &s->items[at - 1];

	uint16_t cap = s->cap ? (uint16_t)(s->cap * 2) : CAP_MIN;

	if (s->cnt == s->cap && (cap > NET_SLOTS_MAX || !resize(s, cap))) {
		++*lost;
		if (!at)
			return NULL; /* itself the oldest */
		drop_oldest(s);
		at--;
	}

	struct net_slot *ret = &s->items[at];

	memmove(ret + 1, ret, (s->cnt - at) * sizeof(*ret));
	*ret = (struct net_slot){.slot = slot};
	s->cnt++;
	return ret;
}

static void slot_add(struct net_slot *to, const struct net_slot *from)
{
	net_count32(&to->segments, from->segments);
	net_count32(&to->segments_in, from->segments_in);
	net_rtt_min(&to->rtt_min_us, from->rtt_min_us);
	net_count16(&to->retransmits, from->retransmits);
	net_count16(&to->syn_retransmits, from->syn_retransmits);
	net_count16(&to->resets_sent, from->resets_sent);
	net_count16(&to->resets_received, from->resets_received);
	net_count16(&to->opened_client, from->opened_client);
	net_count16(&to->opened_server, from->opened_server);
	net_count16(&to->connects, from->connects);
	net_count16(&to->failed, from->failed);
	net_count16(&to->spurious, from->spurious);
}

void net_slots_merge(struct net_slots *s, const struct net_slots *src, uint64_t *lost)
{
	for (uint16_t i = 0; i < src->cnt; i++) {
		struct net_slot *to = net_slots_at(s, src->items[i].slot, lost);

		if (to)
			slot_add(to, &src->items[i]);
	}
}

void net_slots_expire(struct net_slots *s, uint32_t before)
{
	uint16_t old = 0;

	while (old < s->cnt && s->items[old].slot <= before)
		old++;
	s->cnt = (uint16_t)(s->cnt - old);
	if (old)
		memmove(s->items, s->items + old, s->cnt * sizeof(*s->items));
	if (s->cap > CAP_MIN && s->cnt < s->cap / 4)
		(void)resize(s, s->cap / 2); /* memory follows the load down; failing is harmless */
}

static void sum_add(struct net_sum *sum, const struct net_slot *s)
{
	sum->segments += s->segments;
	sum->segments_in += s->segments_in;
	net_rtt_min(&sum->rtt_min_us, s->rtt_min_us);
	sum->retransmits += s->retransmits;
	sum->syn_retransmits += s->syn_retransmits;
	sum->resets_sent += s->resets_sent;
	sum->resets_received += s->resets_received;
	sum->opened_client += s->opened_client;
	sum->opened_server += s->opened_server;
	sum->connects += s->connects;
	sum->failed += s->failed;
	sum->spurious += s->spurious;
}

void net_slots_sum(const struct net_slots *s, uint32_t from, uint32_t to, struct net_sum *ret)
{
	for (uint16_t i = s->cnt; i > 0 && s->items[i - 1].slot > from; i--)
		if (s->items[i - 1].slot <= to)
			sum_add(ret, &s->items[i - 1]);
}
