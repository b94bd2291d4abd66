/* SPDX-License-Identifier: BSD-2-Clause */
#include "probes/go_sched.h"

#include "probes/signal.h"

static int go_sched_open(struct signal *s, const struct signal_env *env, char *why)
{
	return err_why(why, -ENOTSUP, "not there");
}

const struct signal_ops go_sched_ops = {.id = SIGNAL_GO_SCHED, .name = "go_sched", .open = go_sched_open};

int go_sched_check_binary(const struct binary *b, char *why)
{
	return err_why(why, -ENOTSUP, "not there");
}
