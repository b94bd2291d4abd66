// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* TCP connections of wanted processes: how long connects take and why they fail, round trips, segments,
 * retransmissions, resets.
 *
 * Most of a connection's life is in softirq, where there is no process. So who it belongs to is noted when its process
 * is at hand (connect: SYN_SENT; listen: LISTEN) in storage that the kernel keeps with the socket and frees with it;
 * BPF_F_CLONE gives accepted sockets a copy of their listener's. Sockets older than us, or than our knowledge of their
 * process, are found among its files (scan_files).
 *
 * Nothing runs per packet: round trips and segments are read from the sockets themselves, once an interval, by an
 * iterator over the storages (read_flows), and once more when a connection closes. Both take differences to what was
 * told last, on two CPUs at once perhaps, hence the lock.
 *
 * Since Go 1.24 listeners are MPTCP sockets above a TCP socket that SYNs arrive at; clients that do not speak MPTCP get
 * plain TCP sockets cloned from that one. The lower socket of a listener that is older than us cannot be had in a form
 * that the verifier lets us hang storage on, so connections accepted without storage are looked up by network namespace
 * and port (map listeners). Connections that really are MPTCP and older than us are not found.
 *
 * Measured by tests/bpf/test_net_tcp over a link of 20 ms each way (6.18): connects take the link's own time plus 0.1
 * ms, and retransmissions are the kernel's RetransSegs exactly, at 1 and 3 % loss. Cost, of which 58 ns each are the
 * measurement's own: a change of state 0.18 us where nobody is watched and 0.5 us where somebody is (six to eight for
 * the two ends of a connection), a retransmission 0.5 us, a connection in a pass 0.4 us, 0.7 us if it moved. A pass as
 * a whole takes 0.9 ms with 1,000 connections and 16 ms with 20,000, all quiet; 1.3 and 44 ms if all moved. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "emit.bpf.h"
#include "filter.bpf.h"
#include "net_tcp.h"

/* Since 6.17 (ad892e912b84) tcp_retransmit_skb also reports attempts that failed. */
const volatile bool retransmit_has_err;

/* Set by user space before an iterator runs. */
__u32 scan_tgid;   /* whose files */
__u32 scan_phase;  /* enum tcp_scan */
bool tracked_full; /* the last pass saw TCP_TRACKED_MAX connections */
__u32 seen_cnt;    /* out: connections in this pass */

#define IPPROTO_TCP   6
#define IPPROTO_MPTCP 262
#define ECANCELED     125
#define RTT_NONE      0xffffffffu /* rtt_min before the first sample */

enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_SYN_RECV = 3, TCP_CLOSE = 7, TCP_LISTEN = 10 };

enum {
	CONN_IGNORED = 2,    /* not wanted, after all */
	CONN_CONNECTING = 4, /* SYN_SENT */
	CONN_OPEN = 8,       /* established, and has not closed yet */
	CONN_OPENED = 16,    /* we saw it being established */
	CONN_REPORTED = 32,  /* its first flow record was written */
};

struct owner {
	__u32 tgid, tid;
	__u64 cpu_cgid, v2_cgid;
};

/* What we know of one socket. */
struct conn {
	struct bpf_spin_lock lock; /* for the differences and CONN_OPEN */
	__u32 flags;
	__u32 tentative; /* its process is not in the table yet; apart, as it is cleared without the lock */
	struct owner owner;
	__u64 since_ns;       /* SYN_SENT, LISTEN; 0: found by a scan */
	__u64 established_ns; /* 0: before our time */
	__u32 netns;
	__u32 role;
	/* as told last */
	__u32 segs_out, segs_in;
	__u32 retransmits;
	__u32 marked; /* as `retransmits`, for event_tcp_retransmit */
	__u32 spurious;
	__u64 bytes_out, bytes_in;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct conn);
} conns SEC(".maps");

/* Ports that wanted processes were found to listen on. LRU: entries of closed listeners do no harm, as whoever listens
 * on the port next removes them. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, TCP_LISTENERS_MAX);
	__type(key, struct tcp_listener_key);
	__type(value, struct owner);
} listeners SEC(".maps");

/* ---- filling records ------------------------------------------------------------------------------------- */

static __always_inline __u32 netns_of(struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

static __always_inline bool is_mapped(const __u32 *a)
{
	return a[0] == 0 && a[1] == 0 && a[2] == bpf_htonl(0xffff);
}

static __always_inline void set_ipv4(struct net_addr *a, __u32 local, __u32 remote)
{
	__builtin_memset(a->laddr, 0, sizeof(a->laddr));
	__builtin_memset(a->raddr, 0, sizeof(a->raddr));
	__builtin_memcpy(a->laddr, &local, sizeof(local));
	__builtin_memcpy(a->raddr, &remote, sizeof(remote));
	a->family = NET_AF_INET;
}

/* c: of a socket or of a connection request, which begins with the same structure */
static __always_inline void fill_addr(struct net_addr *a, struct sock_common *c, __u16 lport)
{
	__u32 local[4] = {}, remote[4] = {};

	a->lport = lport;
	a->rport = bpf_ntohs(BPF_CORE_READ(c, skc_dport));
	a->pad = 0;
	if (BPF_CORE_READ(c, skc_family) != NET_AF_INET6 || !bpf_core_field_exists(c->skc_v6_daddr)) {
		set_ipv4(a, BPF_CORE_READ(c, skc_rcv_saddr), BPF_CORE_READ(c, skc_daddr));
		return;
	}
	bpf_core_read(local, sizeof(local), &c->skc_v6_rcv_saddr);
	bpf_core_read(remote, sizeof(remote), &c->skc_v6_daddr);
	if (is_mapped(remote)) {
		set_ipv4(a, local[3], remote[3]);
		return;
	}
	a->family = NET_AF_INET6;
	__builtin_memcpy(a->laddr, local, sizeof(local));
	__builtin_memcpy(a->raddr, remote, sizeof(remote));
}

/* Not skc_num: that is 0 already when the state becomes CLOSE. */
static __always_inline void fill_sock_addr(struct net_addr *a, struct tcp_sock *tp)
{
	fill_addr(a, &tp->inet_conn.icsk_inet.sk.__sk_common, bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport));
}

static __always_inline void fill_ids(struct event_hdr *h, const struct owner *o)
{
	h->cpu_cgid = o->cpu_cgid;
	h->v2_cgid = o->v2_cgid;
	h->tgid = o->tgid;
	h->tid = o->tid;
}

static __always_inline void *reserve(const struct conn *c, __u16 kind, __u16 size)
{
	struct event_hdr *h = emit_reserve(SIGNAL_NET_TCP, kind, size, bpf_ktime_get_ns());

	if (h)
		fill_ids(h, &c->owner);
	return h;
}

/* ---- whose socket is it ---------------------------------------------------------------------------------- */

/* Counts a hit, and asks again about a process that was too young to be in the table when its socket was opened. False:
 * nobody wants it, nothing is to be told. */
static __always_inline bool begin_hit(struct conn *c)
{
	struct process_entry *p;

	count_hit(SIGNAL_NET_TCP);
	if (!c->tentative)
		return true;
	p = bpf_map_lookup_elem(&processes, &c->owner.tgid);
	if (p ? p->signals & (1u << SIGNAL_NET_TCP) : bpf_ktime_get_ns() - c->since_ns < TCP_TENTATIVE_NS) {
		if (p)
			c->tentative = 0;
		return true;
	}
	c->flags |= CONN_IGNORED;
	count_filtered(SIGNAL_NET_TCP);
	return false;
}

/* What is known of this socket; NULL: not ours. */
static __always_inline struct conn *conn_of(struct sock *sk)
{
	struct conn *c = bpf_sk_storage_get(&conns, sk, 0, 0);

	return c && !(c->flags & CONN_IGNORED) ? c : 0;
}

static __always_inline struct owner owner_of(struct task_struct *task, __u32 tgid)
{
	struct owner o = {
		.tgid = tgid,
		.tid = filter_tid_of(task),
		.cpu_cgid = kernel_cpu_cgid(task),
		.v2_cgid = kernel_v2_cgid(task),
	};

	return o;
}

static __always_inline struct tcp_listener_key listener_key(struct sock *sk)
{
	struct tcp_listener_key key = {.netns = netns_of(sk), .port = BPF_CORE_READ(sk, __sk_common.skc_num)};

	return key;
}

static __always_inline bool wants_tcp(const struct process_entry *p)
{
	return p && p->signals & (1u << SIGNAL_NET_TCP);
}

/* New storage, or what there is; NULL: no memory. */
static __always_inline struct conn *conn_add(struct sock *sk, const struct owner *owner, __u64 since_ns, __u32 flags)
{
	struct conn *c = bpf_sk_storage_get(&conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!c) {
		count_hit(SIGNAL_NET_TCP);
		count_lost(SIGNAL_NET_TCP, LOSS_STATE_FULL);
		return 0;
	}
	c->owner = *owner;
	c->netns = netns_of(sk);
	c->since_ns = since_ns;
	c->marked = 0;
	c->tentative = 0;
	c->flags = flags;
	return c;
}

/* A socket of the current process begins to connect or to listen. */
static __always_inline void track(struct sock *sk, __u32 flags)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 tgid = filter_tgid_of(task);
	struct process_entry *p = bpf_map_lookup_elem(&processes, &tgid);
	struct owner owner;
	struct conn *c;

	if (p && !wants_tcp(p))
		return;
	if (!p && (!tgid || bpf_ktime_get_boot_ns() - kernel_start_boottime(task) > TCP_YOUNG_NS))
		return;
	owner = owner_of(task, tgid);
	c = conn_add(sk, &owner, bpf_ktime_get_ns(), flags);
	if (c)
		c->tentative = !p;
}

/* A connection was accepted, and its listener has no storage. */
static __always_inline struct conn *adopt(struct sock *sk)
{
	struct tcp_listener_key key = listener_key(sk);
	struct owner *known = bpf_map_lookup_elem(&listeners, &key), owner;

	if (!known)
		return 0;
	owner = *known;
	if (!wants_tcp(bpf_map_lookup_elem(&processes, &owner.tgid)))
		return 0;
	return conn_add(sk, &owner, bpf_ktime_get_ns(), 0);
}

/* ---- flows ----------------------------------------------------------------------------------------------- */

/* Segments that the peer had twice: most of them sent again though the first had arrived, as tail loss probes and
 * timeouts of a peer that did not get a CPU to answer. */
static __always_inline __u32 spurious_of(struct tcp_sock *tp)
{
	return bpf_core_field_exists(tp->dsack_dups) ? tp->dsack_dups : 0;
}

/* From now on differences count. Segments from the first one if we saw it open; retransmitted SYNs and SYN-ACKs are
 * others' business, and the acknowledged SYN is no data. */
static __always_inline void start_flow(struct conn *c, struct tcp_sock *tp, __u32 role, bool opened)
{
	__u32 segs_out = opened ? 0 : tp->segs_out, segs_in = opened ? 0 : tp->segs_in;
	__u32 retransmits = tp->total_retrans, spurious = spurious_of(tp);
	__u64 bytes_out = tp->bytes_acked, bytes_in = tp->bytes_received;
	__u64 now = opened ? bpf_ktime_get_ns() : 0;
	__u32 flags = CONN_OPEN | (opened ? CONN_OPENED : 0);

	bpf_spin_lock(&c->lock);
	c->role = role;
	c->established_ns = now;
	c->segs_out = segs_out;
	c->segs_in = segs_in;
	c->retransmits = retransmits;
	c->marked = retransmits;
	c->spurious = spurious;
	c->bytes_out = bytes_out;
	c->bytes_in = bytes_in;
	c->flags = flags;
	bpf_spin_unlock(&c->lock);
}

/* Whether there is anything to tell. */
static __always_inline bool has_moved(const struct conn *c, struct tcp_sock *tp)
{
	return !(c->flags & CONN_REPORTED) || c->segs_out != tp->segs_out || c->segs_in != tp->segs_in;
}

static __always_inline __u64 difference(__u64 now, __u64 before)
{
	return now > before ? now - before : 0;
}

/* Differences since the last record, which are told with this. False: it closed meanwhile, and that told them. */
static __always_inline bool take_flow(struct conn *c, struct tcp_sock *tp, __u32 last, struct event_tcp_flow *e)
{
	__u32 segs_out = tp->segs_out, segs_in = tp->segs_in, retransmits = tp->total_retrans;
	__u64 bytes_out = tp->bytes_acked, bytes_in = tp->bytes_received;
	__u32 spurious = spurious_of(tp);
	__u32 flags, d_out, d_in, d_retransmits, d_spurious;
	__u64 d_bytes_out, d_bytes_in;

	bpf_spin_lock(&c->lock);
	flags = c->flags;
	d_out = segs_out - c->segs_out;
	d_in = segs_in - c->segs_in;
	d_retransmits = retransmits - c->retransmits;
	d_spurious = spurious - c->spurious;
	d_bytes_out = difference(bytes_out, c->bytes_out);
	d_bytes_in = difference(bytes_in, c->bytes_in);
	if (flags & CONN_OPEN) {
		c->segs_out = segs_out;
		c->segs_in = segs_in;
		c->retransmits = retransmits;
		c->spurious = spurious;
		c->bytes_out = bytes_out;
		c->bytes_in = bytes_in;
		c->flags = (flags | CONN_REPORTED) & (last ? ~CONN_OPEN : ~0u);
	}
	bpf_spin_unlock(&c->lock);

	e->flags = last;
	if (!(flags & CONN_REPORTED))
		e->flags |= FLOW_FIRST | (flags & CONN_OPENED ? FLOW_OPENED : 0);
	e->segs_out = d_out;
	e->segs_in = d_in;
	e->retransmits = d_retransmits;
	e->spurious = d_spurious;
	e->pad = 0;
	e->bytes_out = d_bytes_out;
	e->bytes_in = d_bytes_in;
	return flags & CONN_OPEN;
}

static __always_inline void fill_flow(struct event_tcp_flow *e, const struct conn *c, struct tcp_sock *tp, __u64 now_ns)
{
	__u32 rtt_min = BPF_CORE_READ(tp, rtt_min.s[0].v);

	fill_sock_addr(&e->addr, tp);
	e->netns = c->netns;
	e->role = c->role;
	e->srtt_us = tp->srtt_us >> 3;
	e->rtt_min_us = rtt_min == RTT_NONE ? 0 : rtt_min;
	e->age_ns = c->established_ns ? now_ns - c->established_ns : 0;
}

static __always_inline void end_flow(struct conn *c, struct tcp_sock *tp)
{
	struct event_tcp_flow *e;

	if (!begin_hit(c))
		return;
	e = reserve(c, EVENT_TCP_FLOW, sizeof(*e));
	if (!e) {
		c->flags &= ~CONN_OPEN;
		return;
	}
	take_flow(c, tp, FLOW_LAST, e);
	fill_flow(e, c, tp, e->hdr.time_ns);
	emit_submit(SIGNAL_NET_TCP, e);
}

/* ---- state changes --------------------------------------------------------------------------------------- */

static __always_inline void emit_connect(const struct conn *c, struct tcp_sock *tp, __u32 error)
{
	struct event_tcp_connect *e = reserve(c, EVENT_TCP_CONNECT, sizeof(*e));

	if (!e)
		return;
	e->start_ns = c->since_ns;
	fill_sock_addr(&e->addr, tp);
	e->netns = c->netns;
	e->error = error;
	e->syn_retransmits = tp->total_retrans;
	e->pad = 0;
	emit_submit(SIGNAL_NET_TCP, e);
}

static __always_inline void on_established(struct conn *c, struct tcp_sock *tp)
{
	bool client = c->flags & CONN_CONNECTING;

	if (client && c->since_ns) {
		if (!begin_hit(c))
			return;
		emit_connect(c, tp, 0);
	}
	if (tracked_full) {
		count_hit(SIGNAL_NET_TCP);
		count_lost(SIGNAL_NET_TCP, LOSS_STATE_FULL);
		c->flags |= CONN_IGNORED;
		return;
	}
	start_flow(c, tp, client ? TCP_ROLE_CLIENT : TCP_ROLE_SERVER, c->since_ns);
}

static __always_inline void on_close(struct conn *c, struct tcp_sock *tp)
{
	int error = tp->inet_conn.icsk_inet.sk.sk_err;

	if (c->flags & CONN_OPEN) {
		end_flow(c, tp);
	} else if (c->flags & CONN_CONNECTING) {
		if (c->since_ns && begin_hit(c))
			emit_connect(c, tp, error ? error : ECANCELED);
		c->flags &= ~CONN_CONNECTING;
	}
}

/* The two states that are entered by the process itself. */
static __always_inline void on_begin(struct sock *sk, int state)
{
	struct tcp_listener_key key;

	if (sk->sk_protocol != IPPROTO_TCP) /* MPTCP's own socket passes here as well */
		return;
	if (state == TCP_LISTEN) {
		key = listener_key(sk);
		bpf_map_delete_elem(&listeners, &key);
	}
	track(sk, state == TCP_SYN_SENT ? CONN_CONNECTING : 0);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int before, int now)
{
	struct tcp_sock *tp;
	struct conn *c;

	if (now == TCP_SYN_SENT || now == TCP_LISTEN) {
		on_begin(sk, now);
		return 0;
	}
	if (now != TCP_ESTABLISHED && now != TCP_CLOSE)
		return 0;
	c = bpf_sk_storage_get(&conns, sk, 0, 0);
	if (!c && before == TCP_SYN_RECV && now == TCP_ESTABLISHED)
		c = adopt(sk);
	if (!c || c->flags & CONN_IGNORED)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	if (now == TCP_ESTABLISHED)
		on_established(c, tp);
	else
		on_close(c, tp);
	return 0;
}

/* ---- marks ----------------------------------------------------------------------------------------------- */

/* The kernel adds to total_retrans (and RetransSegs) before it sends, also for an attempt that then fails: those
 * segments are told with the next attempt that succeeds, so that the sum stays right. (Checked on 6.18 by the sum: a
 * kernel that added later would be one event behind, and what is missing then is in the flow's last record.) */
SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(on_retransmit, struct sock *sk)
{
	struct event_tcp_retransmit *e;
	struct tcp_sock *tp;
	struct conn *c;
	__u32 state;

	if (retransmit_has_err && (int)ctx[2])
		return 0;
	c = conn_of(sk);
	tp = bpf_skc_to_tcp_sock(sk);
	if (!c || !tp || !begin_hit(c))
		return 0;
	e = reserve(c, EVENT_TCP_RETRANSMIT, sizeof(*e));
	if (!e)
		return 0;
	state = sk->__sk_common.skc_state;
	fill_sock_addr(&e->addr, tp);
	e->netns = c->netns;
	e->segments = tp->total_retrans - c->marked;
	e->syn = state == TCP_SYN_SENT || state == TCP_SYN_RECV;
	e->pad = 0;
	c->marked = tp->total_retrans;
	emit_submit(SIGNAL_NET_TCP, e);
	return 0;
}

/* sk: the listener; the connection is only a request yet */
SEC("tp_btf/tcp_retransmit_synack")
int BPF_PROG(on_retransmit_synack, struct sock *sk, struct request_sock *req)
{
	struct conn *c = conn_of(sk);
	struct event_tcp_retransmit *e;

	if (!c || !begin_hit(c))
		return 0;
	e = reserve(c, EVENT_TCP_RETRANSMIT, sizeof(*e));
	if (!e)
		return 0;
	fill_addr(&e->addr, &req->__req_common, BPF_CORE_READ(req, __req_common.skc_num));
	e->netns = c->netns;
	e->segments = 1;
	e->syn = 1;
	e->pad = 0;
	emit_submit(SIGNAL_NET_TCP, e);
	return 0;
}

static __always_inline void emit_reset(struct sock *sk, __u32 received)
{
	struct conn *c = conn_of(sk);
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct event_tcp_reset *e;

	if (!c || !tp || !begin_hit(c))
		return;
	e = reserve(c, EVENT_TCP_RESET, sizeof(*e));
	if (!e)
		return;
	fill_sock_addr(&e->addr, tp);
	e->netns = c->netns;
	e->received = received;
	emit_submit(SIGNAL_NET_TCP, e);
}

/* sk: NULL where no socket is concerned, a listener where it has no connection for the packet (then without peer) */
SEC("tp_btf/tcp_send_reset")
int BPF_PROG(on_send_reset, struct sock *sk)
{
	if (sk)
		emit_reset(sk, 0);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int BPF_PROG(on_receive_reset, struct sock *sk)
{
	if (sk)
		emit_reset(sk, 1);
	return 0;
}

static __always_inline void count_event(void)
{
	struct signal_counters *n = signal_counters_of(SIGNAL_NET_TCP);

	if (n)
		__sync_fetch_and_add(&n->events, 1);
}

/* ---- iterators ------------------------------------------------------------------------------------------- */

/* One record for each connection that moved. ctx->value is the storage without the search for it, but not to be locked.
 */
SEC("iter/bpf_sk_storage_map")
int read_flows(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	const struct conn *peek = ctx->value;
	struct event_tcp_flow e;
	struct sock *sk = ctx->sk;
	struct tcp_sock *tp;
	struct conn *c;

	if (!sk || !peek || !(peek->flags & CONN_OPEN) || peek->flags & CONN_IGNORED)
		return 0;
	seen_cnt++;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || !has_moved(peek, tp))
		return 0;
	__builtin_memset(&e, 0, sizeof(e));
	/* No room: the kernel notes the overflow, drops what this call wrote and calls again for the same socket, so
	 * nothing may have been taken from it yet. */
	if (seq->size - seq->count <= sizeof(e)) {
		seen_cnt--;
		bpf_seq_write(seq, &e, sizeof(e));
		return 0;
	}
	c = conn_of(sk);
	if (!c || !begin_hit(c))
		return 0;
	e.hdr.kind = EVENT_TCP_FLOW;
	e.hdr.size = sizeof(e);
	e.hdr.time_ns = bpf_ktime_get_ns();
	fill_ids(&e.hdr, &c->owner);
	if (!take_flow(c, tp, 0, &e)) {
		count_filtered(SIGNAL_NET_TCP);
		return 0;
	}
	fill_flow(&e, c, tp, e.hdr.time_ns);
	count_event();
	bpf_seq_write(seq, &e, sizeof(e));
	return 0;
}

static __always_inline __u32 found_role(struct sock *sk, __u32 tgid)
{
	struct tcp_listener_key key = listener_key(sk);
	struct owner *listener = bpf_map_lookup_elem(&listeners, &key);

	if (listener && listener->tgid == tgid)
		return TCP_ROLE_SERVER;
	/* Nobody of this process listens there. A client's own port is mostly the larger one; otherwise the listener
	 * may have been closed, or be another process's. */
	return key.port > bpf_ntohs(sk->__sk_common.skc_dport) ? TCP_ROLE_CLIENT : TCP_ROLE_UNKNOWN;
}

static __always_inline void found_listener(struct sock *sk, const struct owner *owner)
{
	struct tcp_listener_key key = listener_key(sk);
	struct conn *c;

	bpf_map_update_elem(&listeners, &key, owner, BPF_ANY);
	if (!bpf_skc_to_tcp_sock(sk)) /* MPTCP: adopt() does the rest */
		return;
	c = bpf_sk_storage_get(&conns, sk, 0, 0);
	if (c && !(c->flags & CONN_IGNORED))
		c->tentative = 0;
	else
		conn_add(sk, owner, bpf_ktime_get_ns(), 0);
}

/* What is tracked already stays what it is. */
static __always_inline void found_connection(struct sock *sk, const struct owner *owner, bool connecting)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct conn *c;

	if (!tp)
		return;
	c = bpf_sk_storage_get(&conns, sk, 0, 0);
	if (c && !(c->flags & CONN_IGNORED)) {
		c->tentative = 0;
		return;
	}
	c = conn_add(sk, owner, 0, connecting ? CONN_CONNECTING : 0);
	if (c && !connecting)
		start_flow(c, tp, found_role(sk, owner->tgid), false);
}

static __always_inline bool is_tcp(struct sock *sk)
{
	__u16 family = sk->__sk_common.skc_family;

	return (family == NET_AF_INET || family == NET_AF_INET6) &&
	       (sk->sk_protocol == IPPROTO_TCP || sk->sk_protocol == IPPROTO_MPTCP);
}

SEC("iter/task_file")
int scan_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct owner owner;
	struct sock *sk;
	__u32 state;

	if (!task || !file || filter_tgid_of(task) != scan_tgid)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || !is_tcp(sk))
		return 0;
	state = sk->__sk_common.skc_state;
	owner = owner_of(task, scan_tgid);
	if (scan_phase == TCP_SCAN_LISTENERS && state == TCP_LISTEN)
		found_listener(sk, &owner);
	if (scan_phase == TCP_SCAN_CONNECTIONS && state != TCP_LISTEN && state != TCP_CLOSE)
		found_connection(sk, &owner, state == TCP_SYN_SENT);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
