/* SPDX-License-Identifier: BSD-2-Clause */
/* A model that is fed with records as they would be read back, and what it traced: for tests of the model. */
#pragma once

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "model.h"
#include "procs/process.h"
#include "report.h"

#define START  (1000 * NS_PER_SEC)
#define TRACES 256

struct scene {
	struct model *model;
	enum trace_kind kinds[TRACES];
	uint32_t containers[TRACES];
	int32_t pids[TRACES];
	uint64_t durations[TRACES];
	unsigned int trace_cnt, tick_cnt;
};

static inline void on_trace(const struct trace_event *e, void *arg)
{
	struct scene *s = arg;

	assert_true(s->trace_cnt < TRACES);
	s->kinds[s->trace_cnt] = e->kind;
	s->containers[s->trace_cnt] = e->container_id;
	s->pids[s->trace_cnt] = e->pid;
	s->durations[s->trace_cnt++] = e->duration_ns;
}

static inline void on_tick(const struct record_tick *t, void *arg)
{
	((struct scene *)arg)->tick_cnt++;
}

static inline int set_up(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct model_ops ops = {on_trace, on_tick, s};

	if (!s || model_new(&ops, &s->model))
		return -1;
	*state = s;
	return 0;
}

static inline int tear_down(void **state)
{
	struct scene *s = *state;

	model_free(s->model);
	free(s);
	return 0;
}

static inline void feed(struct scene *s, enum record_type type, const void *body, size_t size)
{
	struct record r = {type, (uint32_t)size, body};

	assert_int_equal(record_check(&r), 0); /* as it would be read back */
	model_feed(s->model, &r);
}

static inline void feed_session(struct scene *s)
{
	struct record_session r = {.start_ns = START, .ready_ns = START, .cpus = 4, .node_name = "n1"};
	struct record_clock c = {START, 7000 * NS_PER_SEC};

	feed(s, RECORD_SESSION, &r, sizeof(r));
	feed(s, RECORD_CLOCK, &c, sizeof(c));
}

static inline void feed_owner(struct scene *s, uint32_t id, const char *name, uint64_t cgid, uint64_t parent,
			      uint64_t v2)
{
	struct record_owner r = {.id = id, .level_cnt = parent ? 2 : 1, .levels = {cgid, parent}};

	r.owner.kind = OWNER_POD;
	r.owner.cpu_cgid = cgid;
	r.owner.v2_cgid = v2;
	r.owner.first_seen_ns = START;
	snprintf(r.owner.namespace_, sizeof(r.owner.namespace_), "shop");
	snprintf(r.owner.pod, sizeof(r.owner.pod), "%s", name);
	snprintf(r.owner.container, sizeof(r.owner.container), "app");
	feed(s, RECORD_OWNER, &r, sizeof(r));
}

static inline void feed_process(struct scene *s, int32_t pid, uint32_t owner, uint32_t netns, uint32_t flags)
{
	struct record_process r = {
		.pid = pid, .owner_id = owner, .netns = netns, .comm = "app", .go_version = "go1.26.8"};

	r.flags = flags | RECORD_PROCESS_WATCHED | RECORD_PROCESS_GO_GC;
	r.start_ns = START;
	r.start_unix_ns = 7000 * NS_PER_SEC;
	r.state = PROCESS_OBSERVED;
	feed(s, RECORD_PROCESS, &r, sizeof(r));
}

static inline void feed_event(struct scene *s, union event *e, enum event_kind kind, size_t size, uint32_t tgid)
{
	e->hdr.kind = (uint16_t)kind;
	e->hdr.size = (uint16_t)size;
	e->hdr.tgid = e->hdr.tid = tgid;
	feed(s, RECORD_EVENT, e, size);
}

static inline unsigned int traced(const struct scene *s, enum trace_kind kind, uint32_t container)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->trace_cnt; i++)
		n += s->kinds[i] == kind && s->containers[i] == container;
	return n;
}

/* Two pods, three containers; the first pod's containers share a network namespace and a quota above them. */
static inline void feed_world(struct scene *s)
{
	feed_session(s);
	feed_owner(s, 1, "cart", 101, 100, 201);
	feed_owner(s, 2, "cart2", 102, 100, 202);
	feed_owner(s, 3, "ledger", 103, 0, 1);
	feed_process(s, 11, 1, 901, 0);
	feed_process(s, 12, 2, 901, 0);
	feed_process(s, 13, 3, 903, 0);
}

static inline struct snapshot_container container_now(struct scene *s, uint32_t id, uint64_t now)
{
	struct snapshot_container ret = {0};
	struct record_signal sig = {.mode = SIGNAL_ON};
	struct snapshot snap;

	sig.id = SIGNAL_CPU_SCHED;
	feed(s, RECORD_SIGNAL, &sig, sizeof(sig));
	sig.id = SIGNAL_CPU_THROTTLE;
	feed(s, RECORD_SIGNAL, &sig, sizeof(sig));
	assert_int_equal(report_take(s->model, now, 10 * NS_PER_SEC, &snap), 0);
	for (int i = 0; i < snap.container_cnt; i++)
		if (snap.containers[i].id == id)
			ret = snap.containers[i];
	snapshot_deinit(&snap);
	ret.processes = NULL;
	assert_int_equal(ret.id, id);
	return ret;
}

static inline int copy_record(const struct record *r, void *arg)
{
	feed(arg, r->type, r->body, r->size);
	return 0;
}
