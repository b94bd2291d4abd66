/* SPDX-License-Identifier: BSD-2-Clause */
/* The model with what follows from it at each tick: a snapshot, its verdicts, the history. The same for live runs and
 * recordings. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model.h"
#include "stats/history.h"

struct monitor;

struct monitor_cfg {
	int hold;             /* evaluations that a condition must hold before it is a verdict */
	size_t history_bytes; /* 0: no history */
	/* Both may be NULL. The snapshot is in order of WHY and valid during the call. */
	void (*snapshot)(struct snapshot *s, void *arg);
	void (*trace)(const struct trace_event *e, void *arg);
	void *arg;
};

int monitor_new(const struct monitor_cfg *cfg, struct monitor **ret);
struct monitor *monitor_free(struct monitor *m);
void monitor_feed(struct monitor *m, const struct record *r);
/* Windows of snapshots to come, whatever the ticks say; 0: what they say. */
void monitor_set_window(struct monitor *m, uint64_t window_ns);
/* The run is over: tells losses to the trace. Their sum. */
uint64_t monitor_end(struct monitor *m);
struct model *monitor_model(struct monitor *m);
const struct history *monitor_history(const struct monitor *m); /* NULL without */
uint64_t monitor_verdict_cnt(const struct monitor *m);          /* that began so far */
uint64_t monitor_now(const struct monitor *m);                  /* time of the last tick, 0 none */
