/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Signal net_dns: bounds and map keys shared by bpf/net_dns.bpf.c and probes/net_dns.c.
 *
 * What the counters of this signal mean:
 *   hit       a datagram sent to port 53 that is not a repetition of a query that waits
 *   event     EVENT_DNS_QUERY: by the program when the answer comes, by user space when none came in time
 *   filtered  the sender is not wanted, or it is not a query (too short, an answer, another operation)
 *   lost      ring full; state full (too many queries wait); unpaired (given up with nobody to tell)
 * so hits = events + filtered + losses + queries that wait now. Answers are no hits: those to processes that nobody
 * wants, or that come after we gave up, find no query. */
#pragma once
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define DNS_PORT 53
/* Queries that wait for an answer: 500 processes with 16 each, the timeout bounds their age. Room is taken when used.
 */
#define DNS_PENDING_MAX 8192
/* A process that the table does not know yet may become wanted: user space looks at it within this time. */
#define DNS_YOUNG_NS 1000000000ull

/* Map `dns_pending`; its value is the struct event_dns_query to be, all but its end. By socket and not by addresses:
 * for a process in the host's network namespace the program sees datagrams after address translation when they leave,
 * and before it when they come. */
struct dns_key {
	__u64 cookie; /* of the socket: never used again while the machine runs */
	__u32 id;     /* of the query */
	__u32 pad;
};
