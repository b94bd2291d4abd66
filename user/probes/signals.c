/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of signals that have a kernel side. */
#include "base/cleanup.h"
#include "probes/signal.h"

static const struct signal_ops *const signals[] = {
	&go_gc_ops,   &cpu_throttle_ops, &proc_watch_ops, &cpu_sched_ops, &net_tcp_ops,
	&net_dns_ops, &mem_oom_ops,      &go_assist_ops,  &go_sched_ops,
};

const struct signal_ops *signals_find(enum signal_id id)
{
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (signals[i]->id == id)
			return signals[i];
	return NULL;
}

bool signal_uses_multi(const struct signal_env *env)
{
	return env->features->uprobe_multi && env->features->attach_cookie && !env->cfg->force_perf_links;
}

const char *signal_name(enum signal_id id)
{
	const struct signal_ops *ops = signals_find(id);

	if (ops)
		return ops->name;
	return id == SIGNAL_GO_RUNTIME ? "go_runtime" : "?";
}
