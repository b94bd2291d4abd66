/* SPDX-License-Identifier: BSD-2-Clause */
/* What one signal offers to probes.c: a row of operations in signals.c, implemented in probes/NAME.c with its skeleton.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "probes/probes.h"

struct bpf_object_skeleton;
struct btf;

/* What every signal may look at, during open() and attach(); what it points at stays for the life of the signal but for
 * btf. */
struct signal_env {
	const struct kernel_features *features;
	const struct probes_cfg *cfg;
	uint32_t pidns_inum;                       /* inode number of the agent's pid namespace: knob of filter.bpf.h */
	volatile struct signal_counters *counters; /* the shared array: user space adds to it atomically */
	const struct btf *btf; /* the kernel's types, read once for all; during open() only; NULL: unreadable */
};

struct signal {
	const struct signal_ops *ops;
	struct signal_state state;
	void *skel;                           /* generated skeleton: open() makes it, close() destroys it */
	struct bpf_object_skeleton *skeleton; /* skel->skeleton: the core loads it */
	void *priv;                           /* the signal's own data: made and freed by open() and close() */
};

/* In the order of calls. signals.c sets state.id, .name and the final state.mode.
 *
 * open:   NAME_bpf__open(), rodata knobs, autoload and map sizes; sets skel and skeleton, state.mechanism and
 * state.note. A signal that cannot work here returns -ENOTSUP with why (and leaves what it made to close()). (the core
 * then replaces the shared maps by the common ones, loads the skeleton and frees what loading used) attach: links;
 * go_gc has none before the first binary. A signal that works in part sets state.mode = SIGNAL_DEGRADED and state.why,
 * and returns 0. tick:   every 100 ms, may be NULL: sweeps of kernel state, counters that only user space can read.
 * close:  destroys links and skeleton; accepts what a failed open() left. */
struct signal_ops {
	enum signal_id id;
	const char *name;
	int (*open)(struct signal *s, const struct signal_env *env, char *why);
	int (*attach)(struct signal *s, const struct signal_env *env, char *why);
	void (*tick)(struct signal *s, uint64_t now_ns);
	void (*watch)(struct signal *s, pid_t pid); /* a process became wanted (it is in the table); may be NULL */
	void (*close)(struct signal *s);
};

extern const struct signal_ops go_gc_ops, cpu_throttle_ops, proc_watch_ops, cpu_sched_ops, net_tcp_ops, net_dns_ops,
	mem_oom_ops, go_assist_ops, go_sched_ops;

/* Opens a window of cpu_sched (which must be up), or keeps the open one so long; 0 or -errno. */
int cpu_sched_arm(struct signal *s, uint64_t ns);

/* Signals whose programs ask the process table whether a process is wanted. */
#define SIGNALS_BY_PROCESS                                                                                             \
	((1u << SIGNAL_GO_GC) | (1u << SIGNAL_CPU_SCHED) | (1u << SIGNAL_NET_TCP) | (1u << SIGNAL_NET_DNS) |           \
	 (1u << SIGNAL_GO_ASSIST))

/* Probes on Go programs: a link for all sites, where the kernel can do it and cookies as well. */
bool signal_uses_multi(const struct signal_env *env);

/* The table, in order of signal ids; rows without a kernel side are absent. */
const struct signal_ops *signals_find(enum signal_id id);
const char *signal_name(enum signal_id id); /* also for those without a kernel side */
