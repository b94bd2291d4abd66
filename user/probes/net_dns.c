/* SPDX-License-Identifier: BSD-2-Clause */
/* Signal net_dns: two cgroup_skb programs at the root of the unified hierarchy, and the queries that nobody answers.
 *
 * The kernel side (bpf/net_dns.bpf.c) keeps each query until its answer comes. What stays longer than the timeout is
 * taken out here and delivered as a record made in user space. Attaching needs CAP_NET_ADMIN (facts/attach.md 5).
 *
 * A node with cgroup v1 alone has the unified hierarchy, too, only mounted nowhere, and its sockets belong to the root
 * of it: we attach there through a mount that no namespace contains (fsmount, 5.2), which ends with its descriptor. So
 * there is no need for hooks on the device tracepoints, which cost every packet of the node 0.2 us
 * (facts/kernel.md 4.4). */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "loss.h"
#include "net_dns.h"
#include "probes/map_sweep.h"
#include "probes/signal.h"

#include "net_dns.skel.h"

#define TIMEOUT_DEFAULT_NS (5 * NS_PER_SEC) /* Go's and glibc's own */
#define SWEEP_EVERY_NS     (100 * NS_PER_MS)
#define SWEEP_BATCH        2048
#define ROOT_CGROUP_ID     1 /* in every hierarchy */

struct dns_priv {
	volatile struct signal_counters *counters; /* borrowed */
	const struct probes_cfg *cfg;              /* borrowed */
	uint64_t timeout_ns;
	uint64_t next_sweep_ns;
	uint64_t now_ns; /* of the sweep that runs */
	struct map_sweep sweep;
};
_Static_assert(sizeof(struct dns_key) <= MAP_SWEEP_KEY_MAX, "the sweep keeps a key");

static int check_means(const struct signal_env *env, char *why)
{
	const struct kernel_features *f = env->features;

	if (!env->cfg->v2_mount[0] && !f->cap_sys_admin)
		return err_why(
			why, -ENOTSUP,
			"no cgroup v2 mount, and no CAP_SYS_ADMIN to make a private one: mount one, as -t cgroup2 "
			"none /sys/fs/cgroup/unified");
	if (!f->cap_net_admin && !f->cap_sys_admin)
		return err_why(why, -ENOTSUP,
			       "no CAP_NET_ADMIN: programs cannot be attached to a cgroup; add the capability");
	return 0;
}

static int dns_open(struct signal *s, const struct signal_env *env, char *why)
{
	struct net_dns_bpf *skel;
	struct dns_priv *priv;
	int err;

	str_copy(s->state.mechanism, sizeof(s->state.mechanism), "cgroup_skb at the v2 root");
	str_copy(s->state.note, sizeof(s->state.note), "UDP port 53; DNS over TCP is not seen");
	err = check_means(env, why);
	if (err)
		return err;
	skel = net_dns_bpf__open();
	if (!skel)
		return err_why(why, -errno, "cannot open the BPF object: %s", strerror(errno));
	s->skel = skel;
	s->skeleton = skel->skeleton;
	skel->rodata->agent_pidns_inum = env->pidns_inum;
	skel->rodata->copy_names = env->cfg->dns_names;
	priv = calloc(1, sizeof(*priv));
	if (!priv)
		return err_why(why, -ENOMEM, "out of memory");
	priv->cfg = env->cfg;
	priv->counters = env->counters;
	priv->timeout_ns = env->cfg->dns_timeout_ns ? env->cfg->dns_timeout_ns : TIMEOUT_DEFAULT_NS;
	s->priv = priv;
	return 0;
}

static int attach_to(struct net_dns_bpf *skel, int cgroup_fd)
{
	skel->links.dns_egress = bpf_program__attach_cgroup(skel->progs.dns_egress, cgroup_fd);
	if (!skel->links.dns_egress)
		return -errno;
	skel->links.dns_ingress = bpf_program__attach_cgroup(skel->progs.dns_ingress, cgroup_fd);
	return skel->links.dns_ingress ? 0 : -errno;
}

static int attach_error(const struct probes_cfg *cfg, int err, char *why)
{
	if (err == -EPERM) /* the capability was checked: the kernel says so of a cgroup, too */
		return err_why(why, err,
			       "cannot attach to %.100s: another program there is attached without "
			       "BPF_F_ALLOW_MULTI, or a security module forbids it",
			       cfg->v2_mount);
	return err_why(why, err, "cannot attach to %.100s: %s", cfg->v2_mount, strerror(-err));
}

/* Below the root, as in a cgroup namespace of one's own, only the sockets of that part are seen. */
static void check_root(struct signal *s, int cgroup_fd, const char *mount)
{
	struct stat st;

	if (fstat(cgroup_fd, &st) || st.st_ino == ROOT_CGROUP_ID)
		return;
	s->state.mode = SIGNAL_DEGRADED;
	err_why(s->state.why, 0,
		"%.100s is not the root of the cgroup hierarchy: only queries from below it are seen; share the "
		"host's cgroup namespace",
		mount);
}

/* A mount of the unified hierarchy in no namespace: a descriptor of its root, or -errno. */
static int private_mount(void)
{
	_cleanup_close_ int fs = fsopen("cgroup2", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
	return fd < 0 ? -errno : fd;
}

static int open_root(struct signal *s, const char *mount)
{
	int fd;

	if (mount[0]) {
		fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	str_copy(s->state.mechanism, sizeof(s->state.mechanism), "cgroup_skb at the v2 root, by a private mount");
	return private_mount();
}

static int dns_attach(struct signal *s, const struct signal_env *env, char *why)
{
	struct net_dns_bpf *skel = s->skel;
	const char *mount = env->cfg->v2_mount;
	_cleanup_close_ int fd = open_root(s, mount);
	int err;

	if (fd < 0)
		return err_why(why, fd, "cannot open %.100s: %s",
			       mount[0] ? mount : "a private mount of the unified hierarchy", strerror(-fd));
	err = attach_to(skel, fd);
	if (err)
		return attach_error(env->cfg, err, why);
	check_root(s, fd, env->cfg->v2_mount);
	return 0;
}

/* ---- queries without answer ------------------------------------------------------------------------------ */

static void count_one(volatile __u64 *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static void deliver_timeout(const struct dns_priv *priv, union event *e)
{
	volatile struct signal_counters *c = &priv->counters[SIGNAL_NET_DNS];

	if (!priv->cfg->event) {
		count_one(&c->lost[LOSS_UNPAIRED]);
		return;
	}
	e->hdr.time_ns = priv->now_ns;
	e->dns_query.result = DNS_TIMEOUT;
	e->dns_query.rcode = DNS_RCODE_UNKNOWN;
	count_one(&c->events);
	priv->cfg->event(e, priv->cfg->event_arg);
}

/* Gives one query up if it has waited too long. Whoever deletes it reports it: the answer may come just now. */
static void sweep_one(int fd, const void *key, void *arg)
{
	const struct dns_priv *priv = arg;
	union event e;

	if (bpf_map_lookup_elem(fd, key, &e.dns_query) || e.dns_query.start_ns > priv->now_ns ||
	    priv->now_ns - e.dns_query.start_ns < priv->timeout_ns)
		return;
	if (bpf_map_delete_elem(fd, key) == 0)
		deliver_timeout(priv, &e);
}

static void dns_tick(struct signal *s, uint64_t now_ns)
{
	struct net_dns_bpf *skel = s->skel;
	struct dns_priv *priv = s->priv;

	if (now_ns < priv->next_sweep_ns)
		return;
	priv->next_sweep_ns = now_ns + SWEEP_EVERY_NS;
	priv->now_ns = now_ns;
	map_sweep_run(&priv->sweep, bpf_map__fd(skel->maps.dns_pending), sizeof(struct dns_key), SWEEP_BATCH, sweep_one,
		      priv);
}

static void dns_close(struct signal *s)
{
	net_dns_bpf__destroy(s->skel);
	free(s->priv);
	s->skel = NULL;
	s->skeleton = NULL;
	s->priv = NULL;
}

const struct signal_ops net_dns_ops = {
	.id = SIGNAL_NET_DNS,
	.name = "net_dns",
	.open = dns_open,
	.attach = dns_attach,
	.tick = dns_tick,
	.close = dns_close,
};
