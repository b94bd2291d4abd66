/* SPDX-License-Identifier: BSD-2-Clause */
/* One good record of each type and one good event of each kind, for tests of recordings. */
#pragma once

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "events/record.h"
#include "events/recording.h"
#include "events/source.h"
#include "runtime/census.h"

#define RECORDS_KINDS  19 /* EVENT_GC_START .. EVENT_GC_ASSISTS */
#define RECORDS_TYPES  21
#define RECORDS_CNT    (RECORDS_TYPES - 1 + RECORDS_KINDS)
#define RECORDS_END_NS 5000000000ull

union any_record {
	union event event;
	struct record_owner owner;
	struct record_id id;
	struct record_process process;
	struct record_process_gone process_gone;
	struct record_sample sample;
	struct record_limits limits;
	struct record_usage usage;
	struct record_signal signal;
	struct record_node node;
	struct record_clock clock;
	struct record_tick tick;
	struct record_session session;
	struct record_latency latency;
	struct record_census census;
	struct record_pauses pauses;
	struct record_resources resources;
	struct record_go_sched go_sched;
	struct record_sched_name sched_name;
	struct record_sched_window sched_window;
	struct record_overhead overhead;
};

static inline void records_event(union event *e, uint16_t kind)
{
	memset(e, 0, sizeof(*e));
	e->hdr = (struct event_hdr){.kind = kind,
				    .size = event_size(kind),
				    .time_ns = RECORDS_END_NS,
				    .cpu_cgid = 77,
				    .tgid = 4711,
				    .tid = 4712};
	switch (kind) {
	case EVENT_TCP_CONNECT:
		e->tcp_connect.start_ns = RECORDS_END_NS - 20000000;
		e->tcp_connect.addr =
			(struct net_addr){.family = NET_AF_INET, .lport = 40000, .rport = 443, .raddr = {10, 0, 0, 7}};
		break;
	case EVENT_TCP_FLOW:
		e->tcp_flow.addr.family = NET_AF_INET6;
		e->tcp_flow.role = TCP_ROLE_SERVER;
		break;
	case EVENT_DNS_QUERY:
		e->dns_query.start_ns = RECORDS_END_NS - 1000000;
		snprintf(e->dns_query.name, sizeof(e->dns_query.name), "db.shop.svc.cluster.local");
		break;
	case EVENT_RUNQ:
		e->runq.start_ns = RECORDS_END_NS - 8000000;
		e->runq.throttled_ns = 3000000;
		snprintf(e->runq.comm, sizeof(e->runq.comm), "checkout");
		break;
	case EVENT_RUNQ_WINDOW:
		e->runq_window.cnt = 3;
		e->runq_window.sum_ns = 3000;
		e->runq_window.max_ns = 2000;
		e->runq_window.buckets[40] = 3;
		break;
	case EVENT_PROC_EXEC:
	case EVENT_PROC_EXIT:
		snprintf(e->proc.comm, sizeof(e->proc.comm), "checkout");
		break;
	default:
		break;
	}
}

static inline void records_owner(struct record_owner *r)
{
	r->id = 3;
	r->level_cnt = 2;
	r->levels[0] = 77;
	r->levels[1] = 76;
	r->owner.kind = OWNER_POD;
	snprintf(r->owner.namespace_, sizeof(r->owner.namespace_), "shop");
	snprintf(r->owner.pod, sizeof(r->owner.pod), "checkout-api-7d9c6b5f4-x2x9k");
	snprintf(r->owner.container, sizeof(r->owner.container), "app");
}

static inline void records_process(struct record_process *r)
{
	r->pid = 4711;
	r->vpid = 1;
	r->owner_id = 3;
	r->flags = RECORD_PROCESS_GO_GC | RECORD_PROCESS_WATCHED;
	snprintf(r->comm, sizeof(r->comm), "checkout");
	snprintf(r->go_version, sizeof(r->go_version), "go1.26.8");
}

static inline void records_latency(struct record_latency *r)
{
	r->pid = 4711;
	r->latency.start_ns = RECORDS_END_NS - 1000000000;
	r->latency.end_ns = RECORDS_END_NS;
	r->latency.cnt = 3;
	r->latency.buckets[0] = 1;
	r->latency.buckets[40] = 2;
}

static inline void records_census(struct record_census *r)
{
	struct record_census_group *g = &r->groups[0];

	r->pid = 4711;
	r->group_cnt = 1;
	r->time_ns = RECORDS_END_NS;
	r->total = r->walked = r->waiting = g->cnt = 12;
	g->state = GOROUTINE_WAITING;
	g->oldest_wait_ns = -1;
	snprintf(g->reason, sizeof(g->reason), "chan receive");
	snprintf(g->created, sizeof(g->created), "main.main");
	snprintf(g->created_at, sizeof(g->created_at), "main.go:12");
}

static inline void records_runtime(union any_record *a, enum record_type type)
{
	switch (type) {
	case RECORD_LATENCY:
		records_latency(&a->latency);
		break;
	case RECORD_CENSUS:
		records_census(&a->census);
		break;
	case RECORD_PAUSES:
		a->pauses.pid = 4711;
		a->pauses.cnt = 1;
		a->pauses.pauses[0] = (struct runtime_pause){7000000000000ull, 120000, 5};
		break;
	default:
		a->resources = (struct record_resources){.pid = 4711,
							 .maxprocs_by = MAXPROCS_QUOTA,
							 .time_ns = RECORDS_END_NS,
							 .fds = 12,
							 .fd_limit = -1,
							 .os_threads = 9,
							 .thread_limit = SAMPLE_UNKNOWN,
							 .rss_bytes = 1 << 20};
		break;
	}
}

#define RECORDS_SWITCHES 3

static inline void records_sched(union any_record *a, enum record_type type)
{
	switch (type) {
	case RECORD_GO_SCHED:
		a->go_sched.pid = 4711;
		a->go_sched.cnt = RECORDS_SWITCHES;
		for (int i = 0; i < RECORDS_SWITCHES; i++)
			a->go_sched.events[i] = (struct go_sched_event){
				.time_ns = RECORDS_END_NS, .g = 0xc000002000, .goid = 7, .kind = GO_SCHED_RUN};
		break;
	case RECORD_SCHED_NAME:
		a->sched_name = (struct record_sched_name){
			.pid = 4711, .what = SCHED_NAME_CREATED, .id = 0x401000, .at = "m.go:5"};
		snprintf(a->sched_name.function, sizeof(a->sched_name.function), "main.main");
		break;
	case RECORD_SCHED_WINDOW:
		a->sched_window = (struct record_sched_window){.pid = 4711,
							       .end = SCHED_WINDOW_TIME,
							       .id = 1,
							       .start_ns = RECORDS_END_NS - 400000000,
							       .end_ns = RECORDS_END_NS,
							       .cost_ns = 4e6,
							       .cpu_ns = 500000000};
		break;
	default:
		a->overhead = (struct record_overhead){.pid = 4711,
						       .off = 1u << OVERHEAD_GO_ASSIST,
						       .time_ns = RECORDS_END_NS,
						       .cpu_ns = 7000000000,
						       .max_ratio = 0.005,
						       .credit_ns = -2e6};
		break;
	}
}

static inline void records_other(union any_record *a, enum record_type type)
{
	memset(a, 0, sizeof(*a));
	switch (type) {
	case RECORD_OWNER:
		records_owner(&a->owner);
		break;
	case RECORD_OWNER_GONE:
		a->id.id = 3;
		break;
	case RECORD_PROCESS:
		records_process(&a->process);
		break;
	case RECORD_PROCESS_GONE:
		a->process_gone.pid = 4711;
		break;
	case RECORD_SAMPLE:
		a->sample.pid = 4711;
		a->sample.sample.assist_ns = SAMPLE_UNKNOWN;
		a->sample.sample.memory_limit_bytes = -1;
		break;
	case RECORD_LIMITS:
		a->limits.owner_id = 3;
		a->limits.limits.cpu_limit = 0.5;
		a->limits.limits.cpu_request = (double)NAN;
		a->limits.limits.memory_limit = LIMIT_UNKNOWN;
		break;
	case RECORD_USAGE:
		a->usage.owner_id = 3;
		a->usage.usage.memory_bytes = LIMIT_UNKNOWN;
		break;
	case RECORD_SESSION:
		a->session.cpus = 4;
		snprintf(a->session.node_name, sizeof(a->session.node_name), "worker-3");
		break;
	case RECORD_TICK:
		a->tick.time_ns = RECORDS_END_NS;
		break;
	case RECORD_LATENCY:
	case RECORD_CENSUS:
	case RECORD_PAUSES:
	case RECORD_RESOURCES:
		records_runtime(a, type);
		break;
	case RECORD_GO_SCHED:
	case RECORD_SCHED_NAME:
	case RECORD_SCHED_WINDOW:
	case RECORD_OVERHEAD:
		records_sched(a, type);
		break;
	default:
		break;
	}
}

/* The i-th of RECORDS_CNT: the event kinds, then the other types. The body is in *a. */
static inline struct record records_get(int i, union any_record *a)
{
	enum record_type type = i < RECORDS_KINDS ? RECORD_EVENT : (enum record_type)(i - RECORDS_KINDS + RECORD_OWNER);

	memset(a, 0, sizeof(*a));
	if (type == RECORD_EVENT)
		records_event(&a->event, (uint16_t)(i + EVENT_GC_START));
	else
		records_other(a, type);
	return (struct record){.type = type,
			       .size = type == RECORD_EVENT      ? a->event.hdr.size
				       : type == RECORD_GO_SCHED ? RECORD_GO_SCHED_SZ(RECORDS_SWITCHES)
								 : record_size(type),
			       .body = a};
}
