/* SPDX-License-Identifier: BSD-2-Clause */
/* Network of one container over the longest window: single values, peers bounded. Embedded in container_stats. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "stats/snapshot.h"
#include "stats/stats_budget.h"

#define STATS_CONNECTS_MAX 16384
#define STATS_RTTS_MAX     65536 /* a thousand connections that move all the time */
#define STATS_QUERIES_MAX  16384

struct net_stats;

/* budget: borrowed, NULL: none. */
int net_stats_new(struct stats_budget *budget, struct net_stats **ret);
struct net_stats *net_stats_free(struct net_stats *n);
void net_stats_connect(struct net_stats *n, const struct event_tcp_connect *e);
void net_stats_flow(struct net_stats *n, const struct event_tcp_flow *e);
/* Counts SYN and SYN-ACK segments; data segments come with flows. */
void net_stats_retransmit(struct net_stats *n, const struct event_tcp_retransmit *e);
void net_stats_reset(struct net_stats *n, const struct event_tcp_reset *e);
void net_stats_dns(struct net_stats *n, const struct event_dns_query *e);
void net_stats_expire(struct net_stats *n, uint64_t now_ns);
/* Fills all but `on` and `dns_on`. */
void net_stats_fill(const struct net_stats *n, uint64_t now_ns, uint64_t window_ns, struct snapshot_net *ret);
/* Records that did not fit, or make no sense, since the start: loss reason `limit`. */
uint64_t net_stats_lost(const struct net_stats *n);
/* Text of an address: "10.2.3.4", "2001:db8::1". */
void net_stats_address(const struct net_addr *a, char *buf, size_t sz);
