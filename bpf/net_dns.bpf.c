// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* DNS over UDP: from the query's datagram leaving its socket to the answer reaching it.
 *
 * Two programs at the root of the unified hierarchy see every packet of every socket of the node, so for all but port
 * 53 they must be short: three loads and a comparison from the packet itself. The query leaves in the context of the
 * task that sends it (ip_finish_output, below sendmsg), so identity is that of the current task; cgroup_skb programs
 * may call bpf_get_current_task() and read kernel memory since 5.8, given CAP_PERFMON. The answer comes in softirq and
 * finds the query by the cookie of its socket. Every program returns 1: nothing is ever dropped. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "emit.bpf.h"
#include "filter.bpf.h"
#include "net_dns.h"

const volatile bool copy_names = false;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, DNS_PENDING_MAX);
	__type(key, struct dns_key);
	__type(value, struct event_dns_query);
} dns_pending SEC(".maps");

#define PASS 1

#define EEXIST 17

/* Protocols and extension headers (RFC 8200); at most so many of the latter are skipped. */
#define PROTO_HOP_BY_HOP 0
#define PROTO_UDP        17
#define PROTO_ROUTING    43
#define PROTO_AH         51
#define PROTO_DEST_OPTS  60
#define EXTENSIONS_MAX   4

#define IPV4_FRAGMENT 0x3fff /* more fragments, or an offset */

#define DNS_ANSWER     0x8000
#define DNS_OPCODE     0x7800
#define DNS_RCODE      0x000f
#define DNS_LABEL_MAX  63
#define DNS_LABELS_MAX 127 /* a name has at most 255 bytes */

struct ipv4_header {
	__u8 version_ihl, tos;
	__be16 len, id, fragment;
	__u8 ttl, protocol;
	__be16 checksum;
	__u8 saddr[4], daddr[4];
};

struct ipv6_header {
	__be32 version_flow;
	__be16 len;
	__u8 next, hops;
	__u8 saddr[16], daddr[16];
};

struct udp_header {
	__be16 sport, dport, len, checksum;
};

struct dns_header {
	__be16 id, flags, questions, answers, authorities, additionals;
};

/* A UDP datagram: offsets from the network header. */
struct datagram {
	__u32 payload;
	__u16 family;
	__u16 sport, dport;
};

/* ---- packets --------------------------------------------------------------------------------------------- */

/* Ports of the UDP header at this offset. IP and UDP have pulled all these headers into the linear part. */
static __always_inline bool read_udp(struct __sk_buff *skb, __u32 at, struct datagram *d)
{
	struct udp_header *udp = (void *)(long)skb->data + at;

	if ((void *)(udp + 1) > (void *)(long)skb->data_end)
		return false;
	d->payload = at + sizeof(*udp);
	d->sport = bpf_ntohs(udp->sport);
	d->dport = bpf_ntohs(udp->dport);
	return true;
}

static __always_inline bool read_ipv4(struct __sk_buff *skb, struct datagram *d)
{
	struct ipv4_header *ip = (void *)(long)skb->data;

	if ((void *)(ip + 1) > (void *)(long)skb->data_end || ip->protocol != PROTO_UDP)
		return false;
	if (ip->fragment & bpf_htons(IPV4_FRAGMENT))
		return false;
	d->family = NET_AF_INET;
	return read_udp(skb, (ip->version_ihl & 0xf) * 4, d);
}

/* Offset of the UDP header behind extension headers, 0 if there is none. Fragments end the search. */
static __noinline __u32 skip_extensions(struct __sk_buff *skb, __u32 next)
{
	__u32 at = sizeof(struct ipv6_header);

	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		__u8 ext[2];

		if (next != PROTO_HOP_BY_HOP && next != PROTO_ROUTING && next != PROTO_DEST_OPTS && next != PROTO_AH)
			return 0;
		if (bpf_skb_load_bytes(skb, at, ext, sizeof(ext)))
			return 0;
		at += next == PROTO_AH ? (ext[1] + 2) * 4 : (ext[1] + 1) * 8;
		next = ext[0];
		if (next == PROTO_UDP)
			return at;
	}
	return 0;
}

static __always_inline bool read_ipv6(struct __sk_buff *skb, struct datagram *d)
{
	struct ipv6_header *ip = (void *)(long)skb->data;
	__u32 at = sizeof(*ip);

	if ((void *)(ip + 1) > (void *)(long)skb->data_end)
		return false;
	if (ip->next != PROTO_UDP)
		at = skip_extensions(skb, ip->next);
	if (!at || at > 0x1fff) /* the bound is for the verifier: four headers of 2 KiB at most */
		return false;
	d->family = NET_AF_INET6;
	return read_udp(skb, at, d);
}

static __always_inline bool read_datagram(struct __sk_buff *skb, struct datagram *d)
{
	__u8 *first = (void *)(long)skb->data;

	if ((void *)(first + 1) > (void *)(long)skb->data_end)
		return false;
	return *first >> 4 == 4 ? read_ipv4(skb, d) : read_ipv6(skb, d);
}

/* ---- queries --------------------------------------------------------------------------------------------- */

/* Offset behind the name at this offset, 0 if it is malformed. Names of queries are not compressed. */
static __always_inline __u32 name_end(struct __sk_buff *skb, __u32 at)
{
	for (int i = 0; i <= DNS_LABELS_MAX; i++) {
		__u8 len;

		if (bpf_skb_load_bytes(skb, at, &len, 1) || len > DNS_LABEL_MAX)
			return 0;
		at = (at + 1 + len) & 0x7fff; /* never more: with one range the verifier prunes, 20 times faster */
		if (!len)
			return at;
	}
	return 0;
}

/* Offset behind the question's name, 0 if there is no well-formed question. */
static __always_inline __u32 read_question(struct __sk_buff *skb, __u32 at, struct event_dns_query *q)
{
	__u32 end = name_end(skb, at);
	__be16 qtype;

	if (!end || bpf_skb_load_bytes(skb, end, &qtype, sizeof(qtype)))
		return 0;
	q->qtype = bpf_ntohs(qtype);
	return end;
}

/* Length bytes become dots. They are found one from the other, the first one is in the packet. The masks are for the
 * verifier: a comparison of 32 bits does not bound the register that is used. */
static __always_inline void set_dots(char *name, __u32 at, __u32 len)
{
	for (int i = 0; i < DNS_LABELS_MAX && at < len; i++) {
		char *dot = &name[at & (DNS_NAME_SZ - 1)];

		at = (at + 1 + (__u8)*dot) & 0xff; /* at most 127 + 64 */
		*dot = '.';
	}
}

/* Copies what is between the name's first length byte and its root label, into the map: of the stack the verifier
 * follows each byte, which costs millions of steps. The datagram has not left yet, so nobody reads the entry. */
static __always_inline void copy_name(struct __sk_buff *skb, __u32 at, __u32 end, const struct dns_key *key)
{
	struct event_dns_query *q = bpf_map_lookup_elem(&dns_pending, key);
	__u32 len = end - at - 2;
	__u8 first;

	if (!q || end - at < 3 || bpf_skb_load_bytes(skb, at, &first, 1))
		return;
	if (len > DNS_NAME_SZ - 1)
		len = DNS_NAME_SZ - 1;
	/* with the byte behind it: never nothing, which the verifier refuses */
	if (bpf_skb_load_bytes(skb, at + 1, q->name, len + 1))
		return;
	q->name[DNS_NAME_SZ - 1] = '\0';
	set_dots(q->name, first, len);
	for (int i = 0; i < DNS_NAME_SZ - 1; i++) {
		__u8 c = q->name[i];

		if (c && (c <= ' ' || c > '~'))
			q->name[i] = '?';
	}
}

static __always_inline void read_packet_addr(struct __sk_buff *skb, const struct datagram *d, struct net_addr *a)
{
	a->family = d->family;
	a->lport = d->sport;
	a->rport = d->dport;
	if (d->family == NET_AF_INET) {
		bpf_skb_load_bytes(skb, __builtin_offsetof(struct ipv4_header, saddr), a->laddr, 4);
		bpf_skb_load_bytes(skb, __builtin_offsetof(struct ipv4_header, daddr), a->raddr, 4);
	} else {
		bpf_skb_load_bytes(skb, __builtin_offsetof(struct ipv6_header, saddr), a->laddr, 16);
		bpf_skb_load_bytes(skb, __builtin_offsetof(struct ipv6_header, daddr), a->raddr, 16);
	}
}

/* What the program asked for, where its socket is connected (Go's and glibc's are): the packet was translated already.
 */
static __always_inline void read_sock_addr(struct sock *sk, struct net_addr *a)
{
	__u16 rport = BPF_CORE_READ(sk, __sk_common.skc_dport);

	if (!rport)
		return;
	a->lport = BPF_CORE_READ(sk, __sk_common.skc_num);
	a->rport = bpf_ntohs(rport);
	if (a->family == NET_AF_INET) {
		bpf_probe_read_kernel(a->laddr, 4, &sk->__sk_common.skc_rcv_saddr);
		bpf_probe_read_kernel(a->raddr, 4, &sk->__sk_common.skc_daddr);
	} else if (bpf_core_field_exists(sk->__sk_common.skc_v6_daddr)) {
		bpf_probe_read_kernel(a->laddr, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_probe_read_kernel(a->raddr, 16, &sk->__sk_common.skc_v6_daddr);
	}
}

/* Entry without the bit: known and not wanted. */
static __always_inline bool is_wanted(struct task_struct *task, __u32 tgid)
{
	struct process_entry *p = bpf_map_lookup_elem(&processes, &tgid);

	if (p)
		return p->signals & (1u << SIGNAL_NET_DNS);
	return tgid &&
	       bpf_ktime_get_boot_ns() - kernel_start_boottime(BPF_CORE_READ(task, group_leader)) < DNS_YOUNG_NS;
}

static __always_inline bool is_query(const struct dns_header *h)
{
	return !(h->flags & bpf_htons(DNS_ANSWER | DNS_OPCODE)) && h->questions;
}

static __always_inline void fill_identity(struct task_struct *task, __u32 tgid, struct event_hdr *h)
{
	h->kind = EVENT_DNS_QUERY;
	h->size = sizeof(struct event_dns_query);
	h->cpu_cgid = kernel_cpu_cgid(task);
	h->v2_cgid = kernel_v2_cgid(task);
	h->tgid = tgid;
	h->tid = filter_tid_of(task);
}

static __always_inline void add_pending(struct __sk_buff *skb, const struct datagram *d, const struct dns_key *key)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct sock *sk = BPF_CORE_READ((struct sk_buff *)skb, sk);
	struct event_dns_query q = {.start_ns = bpf_ktime_get_ns(), .id = key->id, .tries = 1};
	__u32 tgid = filter_tgid_of(task), question = d->payload + sizeof(struct dns_header), end = 0;
	long err;

	if (is_wanted(task, tgid))
		end = read_question(skb, question, &q);
	if (!end) {
		count_filtered(SIGNAL_NET_DNS);
		return;
	}
	fill_identity(task, tgid, &q.hdr);
	read_packet_addr(skb, d, &q.addr);
	read_sock_addr(sk, &q.addr);
	q.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	err = bpf_map_update_elem(&dns_pending, key, &q, BPF_NOEXIST);
	if (err == -EEXIST) /* sent by two threads at once */
		count_filtered(SIGNAL_NET_DNS);
	else if (err)
		count_lost(SIGNAL_NET_DNS, LOSS_STATE_FULL);
	else if (copy_names)
		copy_name(skb, question, end, key);
}

static __always_inline void on_query(struct __sk_buff *skb, const struct datagram *d)
{
	struct event_dns_query *waits;
	struct dns_key key = {};
	struct dns_header h;

	if (bpf_skb_load_bytes(skb, d->payload, &h, sizeof(h)) || !is_query(&h)) {
		count_hit(SIGNAL_NET_DNS);
		count_filtered(SIGNAL_NET_DNS);
		return;
	}
	key.cookie = bpf_get_socket_cookie(skb);
	key.id = bpf_ntohs(h.id);
	waits = bpf_map_lookup_elem(&dns_pending, &key);
	if (waits) {
		__sync_fetch_and_add(&waits->tries, 1);
		return;
	}
	count_hit(SIGNAL_NET_DNS);
	add_pending(skb, d, &key);
}

static __always_inline void on_answer(struct __sk_buff *skb, const struct datagram *d)
{
	struct event_dns_query *waits, *e;
	struct dns_key key = {};
	struct dns_header h;

	if (bpf_skb_load_bytes(skb, d->payload, &h, sizeof(h)) || !(h.flags & bpf_htons(DNS_ANSWER)))
		return;
	key.cookie = bpf_get_socket_cookie(skb);
	key.id = bpf_ntohs(h.id);
	waits = bpf_map_lookup_elem(&dns_pending, &key);
	if (!waits)
		return;
	e = emit_reserve(SIGNAL_NET_DNS, EVENT_DNS_QUERY, sizeof(*e), 0);
	if (!e) {
		bpf_map_delete_elem(&dns_pending, &key);
		return;
	}
	__builtin_memcpy(e, waits, sizeof(*e));
	e->hdr.time_ns = bpf_ktime_get_ns();
	e->result = DNS_ANSWERED;
	e->rcode = bpf_ntohs(h.flags) & DNS_RCODE;
	/* Whoever deletes it reports it: the same answer may come twice, and user space may just be giving up. */
	if (bpf_map_delete_elem(&dns_pending, &key))
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
	else
		emit_submit(SIGNAL_NET_DNS, e);
}

SEC("cgroup_skb/egress")
int dns_egress(struct __sk_buff *skb)
{
	struct datagram d;

	if (read_datagram(skb, &d) && d.dport == DNS_PORT)
		on_query(skb, &d);
	return PASS;
}

SEC("cgroup_skb/ingress")
int dns_ingress(struct __sk_buff *skb)
{
	struct datagram d;

	if (read_datagram(skb, &d) && d.sport == DNS_PORT)
		on_answer(skb, &d);
	return PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
