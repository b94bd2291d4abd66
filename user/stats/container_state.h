/* SPDX-License-Identifier: BSD-2-Clause */
/* What container_stats is made of. Only for container_stats.c, which feeds it, container_fill.c, which counts it, and
 * detail.c, which shows it piece by piece. */
#pragma once

#include "stats/assist_stats.h"
#include "stats/container_stats.h"
#include "stats/go_sched_stats.h"
#include "stats/memory_trend.h"
#include "stats/net_stats.h"
#include "stats/readings.h"
#include "stats/runq_stats.h"
#include "stats/sched_stats.h"
#include "stats/span_ring.h"

#define STATS_OOM_MAX 256

enum usage_value { USAGE_CPU, USAGE_PERIODS, USAGE_THROTTLED, USAGE_THROTTLED_NS };
enum gc_value { GC_CPU, GC_ASSIST };

struct missed {
	uint64_t start_ns, end_ns;
	int64_t ns;
};

struct container_stats {
	struct span_ring pauses; /* tag: reason, at most STW_TEST_FIRST */
	struct span_ring cycles, marks;
	struct span_ring passive;   /* cycles with the sum of their stops, of processes without go_gc */
	struct span_ring throttles; /* tag: CPU */
	struct span_ring ooms;      /* without length */
	struct missed *missed;      /* owned, ordered by arrival */
	size_t missed_cnt, missed_cap;
	struct readings usage, gc_cpu, cost;
	struct runq_stats runq;
	struct assist_stats assists;
	struct sched_stats sched;
	struct go_sched_stats go_sched;
	struct memory_trend memory;
	struct net_stats *net;                   /* owned */
	struct detail_cycle last[DETAIL_CYCLES]; /* a ring; the next one goes to last_cnt % DETAIL_CYCLES */
	uint64_t last_cnt;
	struct detail_poll *polls; /* owned, a ring like it of DETAIL_POLLS; NULL unless polled of late */
	uint64_t poll_cnt;
	uint64_t since_ns;       /* 0 not told */
	uint64_t first_usage_ns; /* 0 none yet */
	uint64_t lost;
	struct stats_budget *budget; /* borrowed */
};
