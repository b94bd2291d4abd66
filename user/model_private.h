/* SPDX-License-Identifier: BSD-2-Clause */
/* What model.c, model_runtime.c and model_events.c share, and nobody else looks at. */
#pragma once

#include "model.h"
#include "model_index.h"

#define PENDING_MAX   256
#define DISPLACED_MAX 64
#define VICTIMS_MAX   64

struct model {
	struct model_ops ops;
	struct hashmap *containers; /* id -> struct model_container, owned */
	struct hashmap *processes;  /* pid -> struct model_process, owned */
	struct model_index index;   /* who is meant by an event without process */
	struct stats_budget budget;
	struct record_session session;
	struct record_signal signals[SIGNAL_CNT];
	uint64_t gc_ring_lost; /* of go_gc: a gap breaks open cycles */
	struct model_reading readings[MODEL_NODE_READINGS];
	unsigned int reading_cnt; /* ever */
	uint64_t lost[SIGNAL_CNT][LOSS_REASON_MAX];
	union event pending[PENDING_MAX]; /* a ring: network events of processes not known yet */
	unsigned int pending_first, pending_cnt;
	struct {
		uint32_t tgid, tcp, dns;
	} displaced[DISPLACED_MAX]; /* how many had to leave, by process: lost if it turns out to be ours */
	unsigned int displaced_at;
	struct {
		uint32_t tgid;
		uint64_t time_ns;
	} victims[VICTIMS_MAX]; /* of the OOM killer, the newest */
	unsigned int victim_at;
	unsigned int sched_open_cnt; /* goroutine windows */
	uint32_t sched_room;         /* for goroutines in them */
};

/* model.c */
struct model_process *model_process_find(const struct model *m, uint32_t pid);
/* Fills what follows from the stamps, and hands it out. c and p may be NULL. */
void model_trace(const struct model *m, struct trace_event *e, const struct model_container *c,
		 const struct model_process *p);
/* A line for the container's page of events. */
void model_note(struct model_container *c, uint64_t time_ns, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* model_runtime.c */
void model_sample(struct model *m, const struct record_sample *r);
void model_latency(struct model *m, const struct record_latency *r);
void model_census(struct model *m, const struct record_census *r);
void model_pauses(struct model *m, const struct record_pauses *r);
void model_resources(struct model *m, const struct record_resources *r);
int model_runtime_dump(const struct model_process *p, int (*fn)(const struct record *r, void *arg), void *arg);
/* model_sched.c */
void model_go_sched(struct model *m, const struct record_go_sched *r);
void model_sched_name(struct model *m, const struct record_sched_name *r);
void model_sched_window(struct model *m, const struct record_sched_window *r);
void model_overhead(struct model *m, const struct record_overhead *r);
/* Something of us cost a process CPU time; either may be NULL. */
void model_cost(struct model_process *p, struct model_container *c, double cost_ns);
/* It ends: so does its open window. */
void model_sched_gone(struct model *m, struct model_process *p, uint64_t time_ns);
void model_sched_free(struct model_process *p);
int model_sched_dump(const struct model_process *p, int (*fn)(const struct record *r, void *arg), void *arg);

/* model_events.c */
void model_event(struct model *m, const union event *e);
/* A process is known now: events that waited for it. */
void model_retry_pending(struct model *m, int32_t pid);
void model_expire_pending(struct model *m, uint64_t now_ns);
