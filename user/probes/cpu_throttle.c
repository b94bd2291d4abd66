/* SPDX-License-Identifier: BSD-2-Clause */
/* Signal cpu_throttle: addresses of the bandwidth timers, the object, and the sweep of intervals whose end never comes.
 *
 * The kernel side (bpf/cpu_throttle.bpf.c) compares a timer's function with addresses from kallsyms, so without
 * CAP_SYSLOG, where all addresses read as 0, the signal is off. Since 6.3 the kernel ends intervals of other CPUs by
 * inter-processor calls; kernels that have those calls but not yet the tracepoint csd_function_exit give whole
 * intervals only of the CPU that the timer runs on and the rest as missed time: degraded.
 *
 * A group removed while it is throttled leaves an open interval that no timer will ever list again (measured on 6.18):
 * it is dropped here and counted as unpaired. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "cpu_throttle.h"
#include "loss.h"
#include "probes/map_sweep.h"
#include "probes/signal.h"

#include "cpu_throttle.skel.h"

#define SWEEP_EVERY_NS NS_PER_SEC
/* The longest period is one second (the kernel's max_cfs_quota_period), and the list is read once a period. */
#define SWEEP_AGE_NS (2 * NS_PER_SEC)
#define SWEEP_BATCH  2048

struct throttle_priv {
	volatile struct signal_counters *counters; /* borrowed */
	uint64_t next_sweep_ns;
	struct map_sweep sweep;
};

static int check_symbols(const struct kernel_features *f, char *why)
{
	if (f->sym_period_timer && f->sym_slack_timer)
		return 0;
	if (!f->cap_syslog)
		return err_why(why, -ENOTSUP,
			       "no CAP_SYSLOG: addresses in /proc/kallsyms read as 0; add the capability");
	if (f->kallsyms_why[0])
		return err_why(why, -ENOTSUP, "no address of sched_cfs_period_timer: %s", f->kallsyms_why);
	return err_why(why, -ENOTSUP,
		       "no sched_cfs_period_timer in /proc/kallsyms: kernel without CONFIG_CFS_BANDWIDTH, or "
		       "kernel.kptr_restrict = 2");
}

static int set_knobs(struct cpu_throttle_bpf *skel, const struct kernel_features *f)
{
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return cpus;
	skel->rodata->period_timer_fn = f->sym_period_timer;
	skel->rodata->slack_timer_fn = f->sym_slack_timer;
	skel->rodata->csd_fn = f->sym_csd_unthrottle;
	skel->rodata->csd_traced = f->sym_csd_unthrottle && f->raw_tp_csd;
	bpf_program__set_autoload(skel->progs.on_csd_exit, skel->rodata->csd_traced);
	return bpf_map__set_max_entries(skel->maps.throttle_slots, skel->rodata->csd_traced ? cpus : 1);
}

static int throttle_open(struct signal *s, const struct signal_env *env, char *why)
{
	struct cpu_throttle_bpf *skel;
	struct throttle_priv *priv;
	int err;

	err = check_symbols(env->features, why);
	if (err)
		return err;
	priv = calloc(1, sizeof(*priv));
	if (!priv)
		return err_why(why, -ENOMEM, "out of memory");
	priv->counters = env->counters;
	s->priv = priv;
	skel = cpu_throttle_bpf__open();
	if (!skel)
		return err_why(why, -errno, "cannot open the BPF object: %s", strerror(errno));
	s->skel = skel;
	s->skeleton = skel->skeleton;
	err = set_knobs(skel, env->features);
	if (err)
		return err_why(why, err, "cannot size the BPF maps: %s", strerror(-err));
	str_copy(s->state.mechanism, sizeof(s->state.mechanism),
		 skel->rodata->csd_traced ? "tp_btf hrtimer expiry, raw csd exit" : "tp_btf hrtimer expiry");
	str_copy(s->state.note, sizeof(s->state.note), "exact intervals, sum checked");
	return 0;
}

static int throttle_attach(struct signal *s, const struct signal_env *env, char *why)
{
	struct cpu_throttle_bpf *skel = s->skel;
	int err;

	err = cpu_throttle_bpf__attach(skel);
	if (err)
		return err_why(why, err, "cannot attach to the timer tracepoints: %s", strerror(-err));
	if (env->features->sym_csd_unthrottle && !env->features->raw_tp_csd) {
		s->state.mode = SIGNAL_DEGRADED;
		err_why(s->state.why, 0,
			"no tracepoint csd_function_exit, which ends intervals of other CPUs (kernel 6.3 to 6.11): "
			"intervals of the timer's CPU only, the rest as missed time");
	}
	return 0;
}

struct sweep {
	volatile struct signal_counters *counters;
	uint64_t now_ns;
};

/* Drops one open interval if its group's timer has not listed it for too long. Whoever deletes it counts it. */
static void sweep_one(int fd, const void *key, void *arg)
{
	const struct sweep *sweep = arg;
	struct throttle_open o;

	if (bpf_map_lookup_elem(fd, key, &o) || o.seen_ns > sweep->now_ns || sweep->now_ns - o.seen_ns < SWEEP_AGE_NS)
		return;
	if (bpf_map_delete_elem(fd, key) == 0)
		__atomic_fetch_add(&sweep->counters[SIGNAL_CPU_THROTTLE].lost[LOSS_UNPAIRED], 1, __ATOMIC_RELAXED);
}

static void throttle_tick(struct signal *s, uint64_t now_ns)
{
	struct cpu_throttle_bpf *skel = s->skel;
	struct throttle_priv *priv = s->priv;

	if (now_ns < priv->next_sweep_ns)
		return;
	priv->next_sweep_ns = now_ns + SWEEP_EVERY_NS;
	map_sweep_run(&priv->sweep, bpf_map__fd(skel->maps.throttle_open), sizeof(uint64_t), SWEEP_BATCH, sweep_one,
		      &(struct sweep){priv->counters, now_ns});
}

static void throttle_close(struct signal *s)
{
	cpu_throttle_bpf__destroy(s->skel);
	free(s->priv);
	s->skel = NULL;
	s->skeleton = NULL;
	s->priv = NULL;
}

const struct signal_ops cpu_throttle_ops = {
	.id = SIGNAL_CPU_THROTTLE,
	.name = "cpu_throttle",
	.open = throttle_open,
	.attach = throttle_attach,
	.tick = throttle_tick,
	.close = throttle_close,
};
