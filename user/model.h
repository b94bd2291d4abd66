/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of the node's Go containers and processes, put together from records alone: the same from a live
 * session (session.h) as from a recording (events/replay_source.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "events/record.h"
#include "probes/probes.h"
#include "stats/census_stats.h"
#include "stats/container_stats.h"
#include "stats/detail.h"
#include "stats/gc_cycle.h"
#include "stats/snapshot.h"
#include "stats/stats_budget.h"
#include "stats/trace_event.h"

struct hashmap;
struct model;
struct model_sched;

struct model_process {
	struct model_process *next;        /* of the same container, by pid */
	struct model_container *container; /* borrowed */
	struct record_process rec;
	struct runtime_sample sample; /* last good one */
	bool sampled;
	int64_t gc_cpu_base_ns, assist_base_ns; /* of the first one */
	struct gc_cycle_state gc;
	uint64_t hits;  /* probe hits that it paid for */
	double cost_ns; /* what we cost it, as far as the container's knows */
	struct census_stats census;
	struct record_resources resources;
	bool resources_known;
	bool latency_seen, latency_diluted; /* it tells its waits for a P */
	bool pauses_seen;                   /* it tells its cycles by the pause ring */
	struct model_sched *sched;          /* owned, NULL: no goroutine window and no RECORD_OVERHEAD yet */
};

struct model_container {
	uint32_t id;
	struct owner owner;
	uint64_t levels[RECORD_LEVELS]; /* cpu cgroup ids, its own first */
	uint32_t level_cnt;
	struct container_stats *stats;   /* owned */
	struct model_process *processes; /* owned list of its live processes */
	int process_cnt;
	struct cgroup_limits limits;
	bool limits_known;
	struct cgroup_usage usage;
	uint64_t usage_ns;                      /* of the last reading; 0 none */
	int64_t ooms;                           /* kills that were seen, ever */
	double cost_ns;                         /* of all its processes, gone ones included */
	int64_t gc_cpu_gone_ns, assist_gone_ns; /* of processes that ended */
	struct detail_note *notes;              /* owned ring of DETAIL_NOTES */
	unsigned int note_cnt;                  /* ever written */
};

struct model_ops {
	/* Something happened that a trace shows. May be NULL. */
	void (*trace)(const struct trace_event *e, void *arg);
	/* A snapshot is due. May be NULL. */
	void (*tick)(const struct record_tick *t, void *arg);
	void *arg;
};

int model_new(const struct model_ops *ops, struct model **ret);
struct model *model_free(struct model *m);
/* Takes one record, which record_check() passed. What it does not understand is counted, never fatal. */
void model_feed(struct model *m, const struct record *r);
/* Everything of now as records, so that a recording may begin here. Stops at the first result that is not 0. */
int model_dump(const struct model *m, int (*put)(const struct record *r, void *arg), void *arg);

/* For report.c and the commands. */
struct model_container *model_container_find(const struct model *m, uint32_t id);
/* All containers: *pos starts at 0; NULL ends. */
struct model_container *model_container_next(const struct model *m, size_t *pos);
size_t model_container_cnt(const struct model *m);
const struct record_session *model_session(const struct model *m);
const struct record_signal *model_signal(const struct model *m,
					 enum signal_id id); /* mode SIGNAL_OFF before the first */
/* Losses of the model itself: events of unknown processes, histories that were full. */
void model_losses(const struct model *m, enum signal_id id, uint64_t lost[LOSS_REASON_MAX]);
/* Fills overhead and sched.window.open of ret for [now - window, now]. */
void model_sched_fill(const struct model_container *c, uint64_t now_ns, uint64_t window_ns,
		      struct snapshot_container *ret);
/* Fills ret for the container screen; false: no such container. */
bool model_detail(const struct model *m, uint32_t container_id, uint64_t from_ns, uint64_t to_ns, struct detail *ret);
/* A verdict began, changed its severity, or ended: goes to the trace and to the container's notes. */
void model_verdict(struct model *m, uint32_t container_id, uint64_t now_ns, const struct verdict *v, bool ended);
/* Losses as trace events, at the end of a run. Returns their sum. */
uint64_t model_trace_losses(struct model *m, uint64_t now_ns);

#define MODEL_NODE_READINGS 80 /* one a second over the longest window, and room */

/* Readings of the node, the last MODEL_NODE_READINGS of them; newest first by back. NULL beyond. Losses are those that
 * make numbers too low, per signal since the start. */
struct model_reading {
	struct record_node node;
	uint64_t lost[SIGNAL_CNT];
};
const struct model_reading *model_reading(const struct model *m, unsigned int back);
