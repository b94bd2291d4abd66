/* SPDX-License-Identifier: BSD-2-Clause */
/* GOMAXPROCS against the CPU limit: what two rules need to know and to say about it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/snapshot.h"

struct maxprocs {
	const struct snapshot_process *process; /* borrowed: the one with the highest GOMAXPROCS above the limit */
	int64_t want;                           /* what it should be: ceil(limit) */
};

/* True if a process of the container runs with more Ps than its limit allows CPUs; false too where one is unknown. */
bool maxprocs_above_limit(const struct snapshot_container *c, struct maxprocs *ret);
/* "default: the node has 32 CPUs": who set it, as far as one can tell. */
void maxprocs_who(const struct snapshot *s, const struct snapshot_process *p, char *buf, size_t sz);
/* "set GOMAXPROCS=2 (is 32: 32 threads empty the 200 ms quota in 6.3 ms)". */
void maxprocs_advice(const struct snapshot *s, const struct snapshot_container *c, const struct maxprocs *m, char *buf,
		     size_t sz);
/* ", or build with ...": the way by which the runtime follows the limit itself. */
void maxprocs_advice_version(const struct snapshot *s, const struct snapshot_process *p, char *buf, size_t sz);
