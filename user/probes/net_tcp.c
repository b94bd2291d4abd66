/* SPDX-License-Identifier: BSD-2-Clause */
/* Signal net_tcp: the object, the regular pass over all connections, and the look through the files of a process that
 * becomes wanted.
 *
 * Both reads are BPF iterators: the kernel calls a program for each socket (or file), and what the program writes comes
 * out of a descriptor. The pass costs 1 us a connection (measured with 20,000: 19 ms while they are quiet, most of it
 * cache misses); when it takes longer than PASS_LONG_NS it is made five times less often, and the state's note says so.
 * Nothing is lost by that, the differences only cover more time.
 *
 * An iterator over the files of one process alone exists since 6.1 (f0d74c4da1f0). Older kernels refuse the limit with
 * E2BIG; there the files of all processes are walked, and the program picks: some milliseconds for each process that
 * becomes wanted. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "net_tcp.h"
#include "probes/kernel_btf.h"
#include "probes/signal.h"

#include "net_tcp.skel.h"

#define PASS_NS      NS_PER_SEC
#define PASS_SLOW_NS (5 * NS_PER_SEC)
#define PASS_LONG_NS (5 * NS_PER_MS)

#define RECORD_SZ    sizeof(struct event_tcp_flow)
#define PASS_BUF_CNT 256 /* records a read; the kernel's own buffer has 240 on 4 KiB pages */

struct net_tcp_priv {
	const struct probes_cfg *cfg; /* borrowed */
	struct bpf_link *flows;       /* owned: the iterator over the storages */
	uint64_t next_pass_ns;
	bool slow;
	char buf[PASS_BUF_CNT * RECORD_SZ] __attribute__((aligned(8)));
};

/* ---- set-up ---------------------------------------------------------------------------------------------- */

/* Number of a tracepoint's own arguments, or -ENOENT. */
static int tracepoint_args(const struct btf *btf, const char *name)
{
	const struct btf_type *t = kernel_btf_tracepoint(btf, name);

	return t && btf_vlen(t) ? btf_vlen(t) - 1 : -ENOENT;
}

struct optional {
	struct bpf_program *prog;
	const char *tracepoint;
};

/* Leaves out the programs whose tracepoints this kernel has not. */
static void select_programs(struct signal *s, struct net_tcp_bpf *skel, const struct btf *btf)
{
	const struct optional optionals[] = {
		{skel->progs.on_retransmit, "tcp_retransmit_skb"},
		{skel->progs.on_retransmit_synack, "tcp_retransmit_synack"},
		{skel->progs.on_send_reset, "tcp_send_reset"},
		{skel->progs.on_receive_reset, "tcp_receive_reset"},
	};
	char absent[128] = "";

	for (size_t i = 0; i < ARRAY_SIZE(optionals); i++) {
		size_t len = strlen(absent);

		if (tracepoint_args(btf, optionals[i].tracepoint) >= 0)
			continue;
		bpf_program__set_autoload(optionals[i].prog, false);
		snprintf(absent + len, sizeof(absent) - len, " %s", optionals[i].tracepoint);
	}
	if (!absent[0])
		return;
	s->state.mode = SIGNAL_DEGRADED;
	err_why(s->state.why, 0, "tracepoints that this kernel has not:%s", absent);
}

static int check_kernel(const struct btf *btf, char *why)
{
	if (tracepoint_args(btf, "inet_sock_set_state") < 0)
		return err_why(why, -ENOTSUP, "the kernel has no typed tracepoint inet_sock_set_state");
	if (btf__find_by_name_kind(btf, "bpf_sk_storage_get_tracing", BTF_KIND_FUNC) < 0)
		return err_why(why, -ENOTSUP, "the kernel keeps no socket storage for tracing programs (since 5.11)");
	return 0;
}

/* Everything that depends on the kernel's types. */
static int adapt(struct signal *s, struct net_tcp_bpf *skel, const struct btf *btf, char *why)
{
	int err;

	if (!btf)
		return err_why(why, -ENOTSUP, "cannot read the kernel's types");
	err = check_kernel(btf, why);
	if (err)
		return err;
	skel->rodata->retransmit_has_err = tracepoint_args(btf, "tcp_retransmit_skb") >= 3;
	select_programs(s, skel, btf);
	return 0;
}

static int net_tcp_open(struct signal *s, const struct signal_env *env, char *why)
{
	struct net_tcp_bpf *skel = net_tcp_bpf__open();
	struct net_tcp_priv *priv;

	if (!skel)
		return err_why(why, -errno, "cannot open the BPF object: %s", strerror(errno));
	s->skel = skel;
	s->skeleton = skel->skeleton;
	s->priv = priv = calloc(1, sizeof(*priv));
	if (!priv)
		return err_why(why, -ENOMEM, "out of memory");
	priv->cfg = env->cfg;
	skel->rodata->agent_pidns_inum = env->pidns_inum;
	bpf_program__set_autoattach(skel->progs.read_flows, false);
	bpf_program__set_autoattach(skel->progs.scan_files, false);
	str_copy(s->state.mechanism, sizeof(s->state.mechanism), "tp_btf inet_sock_set_state, socket storage");
	str_copy(s->state.note, sizeof(s->state.note), "flows read every 1 s");
	return adapt(s, skel, env->btf, why);
}

static int attach_flows(struct net_tcp_priv *priv, struct net_tcp_bpf *skel)
{
	union bpf_iter_link_info info = {.map = {.map_fd = (uint32_t)bpf_map__fd(skel->maps.conns)}};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));

	priv->flows = bpf_program__attach_iter(skel->progs.read_flows, &opts);
	return priv->flows ? 0 : -errno;
}

static int net_tcp_attach(struct signal *s, const struct signal_env *env, char *why)
{
	int err = attach_flows(s->priv, s->skel);

	if (err)
		return err_why(why, err, "no iterator over the storage of sockets: %s", strerror(-err));
	err = net_tcp_bpf__attach(s->skel);
	if (err)
		return err_why(why, err, "cannot attach to the TCP tracepoints: %s", strerror(-err));
	return 0;
}

/* ---- the pass over all connections ----------------------------------------------------------------------- */

static void deliver(const struct net_tcp_priv *priv, const char *data)
{
	const union event *e = (const void *)data;

	if (e->hdr.kind == EVENT_TCP_FLOW && e->hdr.size == RECORD_SZ && priv->cfg->event)
		priv->cfg->event(e, priv->cfg->event_arg);
}

/* Delivers the whole records of the buffer and moves the rest to its start; bytes of the rest. */
static size_t deliver_all(struct net_tcp_priv *priv, size_t len)
{
	size_t at = 0;

	for (; len - at >= RECORD_SZ; at += RECORD_SZ)
		deliver(priv, priv->buf + at);
	memmove(priv->buf, priv->buf + at, len - at);
	return len - at;
}

static int read_pass(struct net_tcp_priv *priv)
{
	_cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(priv->flows));
	size_t rest = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	while ((n = read(fd, priv->buf + rest, sizeof(priv->buf) - rest)) > 0 || (n < 0 && errno == EAGAIN))
		rest = n > 0 ? deliver_all(priv, rest + (size_t)n) : rest;
	return n < 0 ? -errno : 0;
}

static void note_pass(struct signal *s, struct net_tcp_priv *priv, uint64_t took_ns, unsigned int seen)
{
	/* hysteresis: a pass that is back to half of the limit */
	priv->slow = priv->slow ? took_ns > PASS_LONG_NS / 2 : took_ns > PASS_LONG_NS;
	if (priv->slow)
		snprintf(s->state.note, sizeof(s->state.note), "flows read every 5 s: %u connections take %.0f ms",
			 seen, (double)took_ns / (double)NS_PER_MS);
	else
		str_copy(s->state.note, sizeof(s->state.note), "flows read every 1 s");
}

static void net_tcp_tick(struct signal *s, uint64_t now_ns)
{
	struct net_tcp_bpf *skel = s->skel;
	struct net_tcp_priv *priv = s->priv;
	uint64_t start;
	int err;

	if (now_ns < priv->next_pass_ns)
		return;
	start = clock_mono_ns();
	skel->bss->seen_cnt = 0;
	err = read_pass(priv);
	if (err)
		log_debug("net_tcp: reading the connections: %s", strerror(-err));
	skel->bss->tracked_full = skel->bss->seen_cnt >= TCP_TRACKED_MAX;
	note_pass(s, priv, clock_mono_ns() - start, skel->bss->seen_cnt);
	priv->next_pass_ns = now_ns + (priv->slow ? PASS_SLOW_NS : PASS_NS);
}

/* ---- the files of one process ---------------------------------------------------------------------------- */

static int scan(struct net_tcp_bpf *skel, struct bpf_link *link, enum tcp_scan phase)
{
	_cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(link));
	char nothing[64];
	ssize_t n;

	if (fd < 0)
		return fd;
	skel->bss->scan_phase = phase;
	while ((n = read(fd, nothing, sizeof(nothing))) > 0 || (n < 0 && errno == EAGAIN))
		; /* the program writes no bytes */
	return n < 0 ? -errno : 0;
}

static struct bpf_link *attach_scan(struct bpf_program *prog, pid_t pid)
{
	union bpf_iter_link_info info = {.task = {.pid = (uint32_t)pid}};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link = bpf_program__attach_iter(prog, &opts);

	return link || errno != E2BIG ? link : bpf_program__attach_iter(prog, NULL);
}

static void net_tcp_watch(struct signal *s, pid_t pid)
{
	struct net_tcp_bpf *skel = s->skel;
	struct bpf_link *link = attach_scan(skel->progs.scan_files, pid);
	int err;

	if (!link) {
		log_debug("net_tcp: files of pid %d: %s", pid, strerror(errno));
		return;
	}
	skel->bss->scan_tgid = (uint32_t)pid;
	err = scan(skel, link, TCP_SCAN_LISTENERS);
	if (!err)
		err = scan(skel, link, TCP_SCAN_CONNECTIONS);
	if (err)
		log_debug("net_tcp: files of pid %d: %s", pid, strerror(-err));
	bpf_link__destroy(link);
}

static void net_tcp_close(struct signal *s)
{
	struct net_tcp_priv *priv = s->priv;

	if (priv)
		bpf_link__destroy(priv->flows);
	net_tcp_bpf__destroy(s->skel);
	free(priv);
	s->skel = NULL;
	s->skeleton = NULL;
	s->priv = NULL;
}

const struct signal_ops net_tcp_ops = {
	.id = SIGNAL_NET_TCP,
	.name = "net_tcp",
	.open = net_tcp_open,
	.attach = net_tcp_attach,
	.tick = net_tcp_tick,
	.watch = net_tcp_watch,
	.close = net_tcp_close,
};
