/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Signal net_tcp: bounds and meanings shared by bpf/net_tcp.bpf.c and probes/net_tcp.c.
 *
 * Which number is for what:
 *   event_tcp_connect     one each outgoing attempt, good or bad; syn_retransmits are its SYNs
 *   event_tcp_flow        the numbers for statistics. retransmits: all data segments sent again, each once
 *   event_tcp_retransmit  marks in time, for traces: the same segments again, and SYNs and SYN-ACKs. Do not add both.
 *                         All marks of a network namespace add up to its RetransSegs (/proc/net/snmp) if all of its
 *                         sockets are watched
 * Bytes are those of the kernel (RFC 4898): a FIN counts as one. The reset that ends a connection may be sent after its
 * last flow record and is then not among its segments.
 *
 * event_tcp_connect.error: the socket's error (ECONNREFUSED: reset by the peer; ETIMEDOUT: all SYNs unanswered;
 * EHOSTUNREACH, ENETUNREACH, ...: ICMP), or ECANCELED where the program closed the socket before there was an answer.
 * That is how every dial timeout and cancelled context of Go looks: net.Dialer closes the descriptor at its deadline,
 * long before the kernel's own ETIMEDOUT (127 s), so the duration is the dialer's timeout. A connect() refused at once
 * for want of a route or of a local address has no SYN_SENT and is not seen.
 *
 * What the counters of this signal mean:
 *   hit       a record was due for a tracked socket
 *   event     written to the ring or to an iterator
 *   filtered  the socket's process turned out not to be wanted; asked once a socket, it is ignored from then on
 *   lost      ring full; state full (more than TCP_TRACKED_MAX connections: this one is not followed)
 * Sockets of processes that are not wanted are no hits. */
#pragma once
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* Connections followed at once, counted in each pass over them (so reached with a delay): some 250 bytes each in the
 * kernel, and a microsecond of each pass. */
#define TCP_TRACKED_MAX 20000

/* A socket opened by a process younger than this may belong to one that user space has not looked at yet. */
#define TCP_YOUNG_NS 1000000000ull
/* After this time a process that is still not in the table is not going to be. */
#define TCP_TENTATIVE_NS 5000000000ull

/* What an iterator over a process's files looks at in one pass. Listening sockets first: a connection on a port that
 * its process listens on was accepted. */
enum tcp_scan { TCP_SCAN_LISTENERS = 0, TCP_SCAN_CONNECTIONS = 1 };

#define TCP_LISTENERS_MAX 4096
struct tcp_listener_key {
	__u32 netns;
	__u32 port;
};
