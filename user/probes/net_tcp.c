/* SPDX-License-Identifier: BSD-2-Clause */
/* Signal net_tcp: being built. */
#include "probes/signal.h"

static int open_signal(struct signal *s, const struct signal_env *env, char *why)
{
	return err_why(why, -ENOTSUP, "not in this build");
}

static int attach_signal(struct signal *s, const struct signal_env *env, char *why)
{
	return 0;
}

static void close_signal(struct signal *s)
{
}

const struct signal_ops net_tcp_ops = {
	.id = SIGNAL_NET_TCP, .name = "net_tcp", .open = open_signal, .attach = attach_signal, .close = close_signal};
