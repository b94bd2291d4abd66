/* SPDX-License-Identifier: BSD-2-Clause */
/* The goroutines of one process over the last ten minutes: the last census whole, of those before it how many of each
 * group there were and since when the longest waited. What grows, what leaks, what is blocked. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "events/record.h"
#include "stats/snapshot.h"
#include "stats/stats_budget.h"

#define CENSUS_KEEP_NS    600000000000ull /* 10 min */
#define CENSUS_POINTS_MAX 24              /* one in 30 s, and room */
#define CENSUS_KEYS_MAX   64

enum census_mark { CENSUS_NO_MARK, CENSUS_MAYBE_LEAK, CENSUS_BLOCKED, CENSUS_LEAKED };

struct census_point;

/* What makes two groups of two times the same. */
struct census_key {
	uint64_t created_pc, blocked_pc;
	uint32_t state;
	char reason[40];
	bool used;
};

/* Start with all 0 and the budget. */
struct census_stats {
	struct record_census *last;                     /* owned, NULL: none yet */
	struct census_point *points[CENSUS_POINTS_MAX]; /* owned, oldest first; all before the last census */
	size_t point_cnt;
	struct census_key *keys; /* owned, CENSUS_KEYS_MAX of them; NULL: none */
	struct stats_budget *budget;
};

void census_stats_deinit(struct census_stats *c);
/* The next census; one that is not younger than the last is left out. */
void census_stats_add(struct census_stats *c, const struct record_census *r);
/* Adds the states and groups of the last census to ret, which begins as snapshot_container_init() leaves it.
 * semacquire_locks: in this Go version a blocked sync.Mutex says "semacquire" (before 1.20). Groups with a mark come
 * first where places are rare; call census_stats_order() when all processes were added. */
void census_stats_fill(const struct census_stats *c, uint64_t now_ns, bool semacquire_locks,
		       struct snapshot_sched *ret);
/* Groups by size. */
void census_stats_order(struct snapshot_sched *ret);
/* All of it as records, oldest first: fed to an empty one they make it the same. Stops at the first result not 0. */
int census_stats_dump(const struct census_stats *c, int (*put)(const struct record *r, void *arg), void *arg);
