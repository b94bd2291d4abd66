/* SPDX-License-Identifier: BSD-2-Clause */
/* A DNS server and clients of our own in a network namespace of our own: the truth of test_net_dns. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* Moves the calling process into a new network namespace with only a loopback device. 0 or -errno. */
int world_enter(void);

/* ---- the server: port 53 on all IPv4 and IPv6 addresses. What it does is in the first label of the name:
 *
 *   nx        NXDOMAIN               fail    SERVFAIL
 *   mute      no answer              second  no answer to the first datagram with this id
 *   twice     the answer twice       any other: one address
 *
 * each so long after the query came as it was told. ------------------------------------------------------- */

struct served {
	uint16_t id, qtype;
	uint64_t got_ns, sent_ns; /* CLOCK_MONOTONIC; sent 0: no answer */
};

struct dns_server;
int dns_server_new(unsigned int delay_us, struct dns_server **ret);
struct dns_server *dns_server_free(struct dns_server *s);
/* Forgets what was served. */
void dns_server_reset(struct dns_server *s);
/* What was served, in order of arrival; borrowed until the next reset. Only while no client runs. */
const struct served *dns_server_log(struct dns_server *s, unsigned int *ret_cnt);

/* ---- a client: one process, one socket -------------------------------------------------------------------- */

struct ask {
	int family;       /* AF_INET: 127.0.0.1, AF_INET6: ::1 */
	bool mapped;      /* an IPv6 socket, but an IPv4 address */
	bool unconnected; /* sendto() */
	bool extensions;  /* IPv6 with a hop-by-hop and a destination options header */
	bool garbage;     /* sends malformed datagrams first */
	const char *name; /* dotted; \ooo is not understood: bytes as they are */
	uint16_t qtype, first_id;
	unsigned int n;        /* queries, with ids that count up */
	unsigned int inflight; /* so many at once; 0 = 1 */
	unsigned int tries;    /* 0 = 1 */
	unsigned int wait_ms;  /* for an answer, a try */
	unsigned int sleep_ms; /* before the first one */
};

struct asked {
	uint16_t id;
	uint16_t lport; /* of the socket */
	uint32_t tries;
	uint64_t sent_ns, got_ns; /* of the first try; got 0: no answer */
};

struct dns_client {
	pid_t pid;
	FILE *in, *out;
};

/* Starts it; it waits until it is told to go. 0 or -errno. */
int dns_client_start(const struct ask *ask, struct dns_client *ret);
int dns_client_go(struct dns_client *c);
/* Next answer; false at the end. */
bool dns_client_next(struct dns_client *c, struct asked *ret);
void dns_client_end(struct dns_client *c);
