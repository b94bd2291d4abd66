/* SPDX-License-Identifier: BSD-2-Clause */
/* Groups with a quota, programs that use it up, and what the kernel itself says of them: the truth of
 * test_cpu_throttle. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "probes/kernel_features.h"

/* One cgroup of our own in the cpu hierarchy (v1, or v2 if that has the controller). */
struct group {
	char path[256];
	uint64_t id; /* of the cgroup: the inode of its directory */
	bool v2;
};

struct cpu_stat {
	uint64_t nr_throttled;
	uint64_t throttled_ns;
};

/* parent: NULL for the root, where the name gets our pid. 0 or -errno. */
int group_make(struct group *g, const struct group *parent, const char *name);
int group_remove(const struct group *g);
/* quota_us < 0: no limit. */
int group_limit(const struct group *g, int quota_us, int period_us);
int group_stat(const struct group *g, struct cpu_stat *ret);
/* Moves a process, with all its threads; group NULL: to the root. */
int group_add(const struct group *like, const struct group *g, pid_t pid);

/* What each thread of a burner does until `ms` are over: spin_us busy, sleep_us asleep (0: never). */
struct load {
	unsigned int threads, ms, spin_us, sleep_us;
};

/* Starts a process in the group that does `load`; its pid or -errno. */
pid_t burner_start(const struct group *g, const struct load *load);
int burner_wait(pid_t pid);

/* Symbols, tracepoint and capabilities as this signal needs them, found without the module under test. */
void harness_features(struct kernel_features *f);

uint64_t harness_now_ns(void);
