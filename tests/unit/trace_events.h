/* SPDX-License-Identifier: BSD-2-Clause */
/* Events of every kind, made by hand, for the tests of the trace formats. Times are fixed, so formats compare whole. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "sample_snapshot.h"
#include "stats/trace_event.h"

#define T_END_NS  100000000000ull /* CLOCK_MONOTONIC of what ends at SAMPLE_TIME_NS */
#define T_MS(n)   ((uint64_t)((n)*1e6))
#define T_PID     48213
#define T_TID     48217
#define T_THREADS 32

static inline const struct owner *t_owner(void)
{
	static struct owner o;

	if (o.kind != OWNER_POD || !o.pod[0])
		sample_owner(&o, "shop", "checkout-api-7d9c6b5f4-x2x9k", "app", "checkout-api");
	return &o;
}

/* As the model gives it for a pod's own quota. */
static inline const struct owner *t_pod_owner(void)
{
	static struct owner o;

	o = *t_owner();
	o.container[0] = o.container_id[0] = 0;
	return &o;
}

static inline const struct record_process *t_process(void)
{
	static const struct record_process p = {.pid = T_PID,
						.vpid = 1,
						.owner_id = 7,
						.start_unix_ns = SAMPLE_TIME_NS - 3600000000000ull,
						.comm = "server",
						.go_version = "go1.22.5",
						.exe = "/app/server (deleted)",
						.build_id = "abc/def"};

	return &p;
}

/* A span or an instant that ends ms after T_END_NS. */
static inline struct trace_event t_event(enum trace_kind kind, double end_ms, double length_ms)
{
	struct trace_event e = {.kind = kind,
				.duration_ns = T_MS(length_ms),
				.container_id = 7,
				.owner = t_owner(),
				.process = t_process(),
				.pid = T_PID,
				.tid = T_TID};

	e.end_ns = (uint64_t)((int64_t)T_END_NS + (int64_t)(end_ms * 1e6));
	e.start_unix_ns = e.end_ns - T_END_NS + SAMPLE_TIME_NS - e.duration_ns;
	return e;
}

/* The raw event with its header as the trace event says. */
static inline struct trace_event t_raw(enum trace_kind kind, enum event_kind raw, double end_ms, double length_ms,
				       union event *u)
{
	struct trace_event e = t_event(kind, end_ms, length_ms);

	u->hdr.kind = raw;
	u->hdr.time_ns = e.end_ns;
	u->hdr.tgid = T_PID;
	u->hdr.tid = T_TID;
	e.u.event = u;
	return e;
}

static inline struct trace_event t_pause(double end_ms, double length_ms, uint32_t reason, union event *u)
{
	struct trace_event e = t_raw(TRACE_GC_PAUSE, EVENT_GC_PAUSE, end_ms, length_ms, u);

	u->gc_pause.start_ns = e.end_ns - e.duration_ns;
	u->gc_pause.reason = reason;
	return e;
}

static inline struct trace_event t_assist(double end_ms, double length_ms, uint64_t goid, union event *u)
{
	struct trace_event e = t_raw(TRACE_GC_ASSIST, EVENT_GC_ASSIST, end_ms, length_ms, u);

	u->gc_assist.start_ns = e.end_ns - e.duration_ns;
	u->gc_assist.goid = goid;
	return e;
}

static inline struct trace_event t_cycle(enum trace_kind kind, double end_ms, double length_ms, struct gc_cycle_done *d)
{
	struct trace_event e = t_event(kind, end_ms, length_ms);

	d->start_ns = d->mark_start_ns = e.end_ns - e.duration_ns;
	d->end_ns = d->mark_end_ns = e.end_ns;
	d->trigger = GC_TRIGGER_FORCED;
	d->procs = T_THREADS;
	d->pauses = 2;
	d->pause_sum_ns = 71441000;
	e.tid = 0;
	e.u.cycle = d;
	return e;
}

/* With the runtime's own numbers: 1 ms, the rest, 0.2 ms. */
static inline void t_cycle_numbers(struct gc_cycle_done *d)
{
	d->known = true;
	d->numbers = (struct runtime_cycle){
		.numgc = 18121,
		.sweep_term_ns = (int64_t)d->start_ns,
		.mark_ns = (int64_t)d->start_ns + 1000000,
		.mark_term_ns = (int64_t)d->end_ns - 200000,
		.end_ns = (int64_t)d->end_ns,
		.assist_ns = 88000000,
		.dedicated_ns = 12000000,
		.fractional_ns = 500000,
		.idle_ns = 7000000,
		.heap0 = 71ull << 20,
		.heap1 = 77ull << 20,
		.heap2 = 38ull << 20,
		.goal = 76ull << 20,
		.stacks = 100000,
		.globals = 200000,
		.cpu_fraction = 0.215,
		.stwprocs = T_THREADS,
		.maxprocs = T_THREADS,
		.forced = true,
	};
}

static inline struct trace_event t_throttle(double end_ms, double length_ms, union event *u)
{
	struct trace_event e = t_raw(TRACE_THROTTLE, EVENT_THROTTLE, end_ms, length_ms, u);

	u->throttle.start_ns = e.end_ns - e.duration_ns;
	u->throttle.cpu = 15;
	e.process = NULL;
	e.pid = e.tid = 0;
	return e;
}

static inline void t_address(struct net_addr *a, const char *local, uint16_t lport, const char *peer, uint16_t rport)
{
	a->family = strchr(peer, ':') ? NET_AF_INET6 : NET_AF_INET;
	inet_pton(a->family == NET_AF_INET6 ? AF_INET6 : AF_INET, local, a->laddr);
	inet_pton(a->family == NET_AF_INET6 ? AF_INET6 : AF_INET, peer, a->raddr);
	a->lport = lport;
	a->rport = rport;
}

static inline struct trace_event t_connect(double end_ms, double length_ms, uint32_t error, union event *u)
{
	struct trace_event e = t_raw(TRACE_TCP_CONNECT, EVENT_TCP_CONNECT, end_ms, length_ms, u);

	u->tcp_connect.start_ns = e.end_ns - e.duration_ns;
	u->tcp_connect.error = error;
	u->tcp_connect.syn_retransmits = error ? 6 : 0;
	t_address(&u->tcp_connect.addr, "10.1.2.3", 40312, "10.96.0.10", 5432);
	return e;
}

static inline struct trace_event t_dns(double end_ms, double length_ms, uint32_t result, uint32_t rcode,
				       const char *name, union event *u)
{
	struct trace_event e = t_raw(TRACE_DNS_QUERY, EVENT_DNS_QUERY, end_ms, length_ms, u);

	u->dns_query.start_ns = e.end_ns - e.duration_ns;
	u->dns_query.result = result;
	u->dns_query.rcode = rcode;
	u->dns_query.qtype = 28;
	u->dns_query.tries = 1;
	str_copy(u->dns_query.name, DNS_NAME_SZ, name);
	t_address(&u->dns_query.addr, "fd00::3", 5353, "fd00::a", 53);
	return e;
}

/* gross_ms: until it had its CPU; throttled_ms of it are its quota's. */
static inline struct trace_event t_runq(double end_ms, double gross_ms, double throttled_ms, union event *u)
{
	struct trace_event e = t_raw(TRACE_RUNQ, EVENT_RUNQ, end_ms, gross_ms - throttled_ms, u);

	u->runq.start_ns = e.end_ns - T_MS(gross_ms);
	u->runq.throttled_ns = T_MS(throttled_ms);
	u->runq.cpu = 3;
	u->runq.prev_tgid = 911;
	u->runq.prev_tid = 912;
	memcpy(u->runq.comm, "server", 6);
	memcpy(u->runq.prev_comm, "sixteen-bytes-xx", EVENT_COMM_SZ); /* no NUL: as long as the field */
	return e;
}
