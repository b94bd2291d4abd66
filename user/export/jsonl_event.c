/* SPDX-License-Identifier: BSD-2-Clause */
/* Events as JSON: what all have in common, then one function a kind for its own fields. The time is the start; duration
 * and start come from the model, so that no second pair of clocks can bend a span. */
#include "export/jsonl.h"

#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "diagnose/verdicts.h"
#include "export/gctrace.h"
#include "export/jsonl_parts.h"
#include "export/jw.h"
#include "export/names.h"

typedef void (*fields_fn)(struct jw *w, const struct trace_event *e);

static void add_cycle(struct jw *w, const struct trace_event *e)
{
	const struct gc_cycle_done *d = e->u.cycle;

	jw_text(w, "trigger", names_gc_trigger(d->trigger));
	if (d->procs)
		jw_int(w, "gomaxprocs", d->procs);
	else
		jw_null(w, "gomaxprocs");
	jw_int(w, "pauses", d->pauses);
	jw_seconds(w, "pause_seconds", d->pause_sum_ns);
	gctrace_fields(w, d->known ? &d->numbers : NULL);
}

static void add_pause(struct jw *w, const struct trace_event *e)
{
	const struct event_gc_pause *p = &e->u.event->gc_pause;
	char words[NAMES_TEXT_SZ + 1];

	jw_text(w, "reason", names_stw_reason(p, words));
	if (names_stw_stopped(p))
		jw_seconds(w, "stopping_seconds", p->stopped_ns - p->start_ns);
	else
		jw_null(w, "stopping_seconds");
}

static void add_throttle(struct jw *w, const struct trace_event *e)
{
	jw_int(w, "cpu", e->u.event->throttle.cpu);
}

static void add_throttle_missed(struct jw *w, const struct trace_event *e)
{
	jw_real(w, "missed_seconds", (double)e->u.event->throttle_missed.missed_ns / (double)NS_PER_SEC);
}

static void add_id(struct jw *w, const char *key, uint32_t id)
{
	if (id)
		jw_int(w, key, id);
	else
		jw_null(w, key);
}

static void add_runq(struct jw *w, const struct trace_event *e)
{
	const struct event_runq *r = &e->u.event->runq;

	jw_int(w, "cpu", r->cpu);
	if (r->prev_comm[0]) {
		jw_begin(w, "preempted_by", '{');
		jw_text_n(w, "comm", r->prev_comm, EVENT_COMM_SZ);
		add_id(w, "pid", r->prev_tgid);
		add_id(w, "tid", r->prev_tid);
		jw_end(w, '}');
	} else {
		jw_null(w, "preempted_by");
	}
	jw_seconds(w, "throttled_seconds", r->throttled_ns);
	jw_text_n(w, "comm", r->comm, EVENT_COMM_SZ);
}

static void add_endpoint(struct jw *w, const char *key, uint16_t family, const uint8_t *addr, uint16_t port)
{
	char buf[NAMES_ADDRESS_SZ];

	names_address(family, addr, buf);
	jw_begin(w, key, '{');
	jw_text(w, "address", buf);
	add_id(w, "port", port);
	jw_end(w, '}');
}

static void add_endpoints(struct jw *w, const struct net_addr *a)
{
	add_endpoint(w, "local", a->family, a->laddr, a->lport);
	add_endpoint(w, "peer", a->family, a->raddr, a->rport);
}

static void add_connect(struct jw *w, const struct trace_event *e)
{
	const struct event_tcp_connect *c = &e->u.event->tcp_connect;
	char buf[NAMES_TEXT_SZ];

	jw_text(w, "error", c->error ? names_errno(c->error, buf) : NULL);
	add_endpoints(w, &c->addr);
	jw_int(w, "syn_retransmits", c->syn_retransmits);
}

static void add_retransmit(struct jw *w, const struct trace_event *e)
{
	const struct event_tcp_retransmit *r = &e->u.event->tcp_retransmit;

	jw_int(w, "segments", r->segments);
	jw_bool(w, "syn", r->syn);
	add_endpoints(w, &r->addr);
}

static void add_reset(struct jw *w, const struct trace_event *e)
{
	const struct event_tcp_reset *r = &e->u.event->tcp_reset;

	jw_text(w, "direction", r->received ? "received" : "sent");
	add_endpoints(w, &r->addr);
}

static void add_dns(struct jw *w, const struct trace_event *e)
{
	const struct event_dns_query *q = &e->u.event->dns_query;
	char qtype[NAMES_TEXT_SZ], rcode[NAMES_TEXT_SZ], error[NAMES_TEXT_SZ];
	bool answered = q->result == DNS_ANSWERED;

	add_endpoint(w, "server", q->addr.family, q->addr.raddr, q->addr.rport);
	jw_text_n(w, "name", q->name, DNS_NAME_SZ);
	jw_text(w, "qtype", names_dns_qtype(q->qtype, qtype));
	jw_text(w, "rcode", answered ? names_dns_rcode(q->rcode, rcode) : NULL);
	jw_text(w, "error", names_dns_error(q, error));
	jw_int(w, "tries", q->tries);
}

static void add_oom(struct jw *w, const struct trace_event *e)
{
	const struct event_oom_kill *o = &e->u.event->oom_kill;

	jw_text_n(w, "comm", o->comm, EVENT_COMM_SZ);
	jw_int(w, "total_vm_bytes", (int64_t)o->total_vm_bytes);
	jw_int(w, "anon_rss_bytes", (int64_t)o->anon_rss_bytes);
	jw_int(w, "file_rss_bytes", (int64_t)o->file_rss_bytes);
	jw_int(w, "shmem_rss_bytes", (int64_t)o->shmem_rss_bytes);
	jw_int(w, "oom_score_adj", o->oom_score_adj);
}

static void add_start(struct jw *w, const struct trace_event *e)
{
	jw_text(w, "comm", e->process ? e->process->comm : NULL);
	jw_text(w, "go_version", e->process ? e->process->go_version : NULL);
}

/* exit_code of a process that a signal ended is null, as wait(2) has it: then `signal` is its number. */
static void add_exit(struct jw *w, const struct trace_event *e)
{
	bool killed = e->u.exit.status & 0x7f;

	add_start(w, e);
	if (e->u.exit.known && !killed)
		jw_int(w, "exit_code", (e->u.exit.status >> 8) & 0xff);
	else
		jw_null(w, "exit_code");
	add_id(w, "signal", e->u.exit.known ? e->u.exit.status & 0x7f : 0);
}

static void add_evidence(struct jw *w, const struct verdict *v)
{
	jw_begin(w, "evidence", '[');
	for (int i = 0; i < v->evidence_cnt; i++) {
		jw_begin(w, NULL, '{');
		jw_text(w, "name", v->evidence[i].name);
		jw_real(w, "value", v->evidence[i].value);
		jw_text(w, "unit", v->evidence[i].unit);
		jw_real(w, "threshold", v->evidence[i].threshold);
		jw_end(w, '}');
	}
	jw_end(w, ']');
}

void jsonl_verdict(struct jw *w, const struct verdict *v)
{
	jw_text(w, "text", v->text);
	jw_text(w, "advice", v->advice);
	jw_text(w, "culprit", v->culprit);
	add_evidence(w, v);
	jw_text(w, "also", v->also);
}

static void add_verdict(struct jw *w, const struct trace_event *e)
{
	jw_text(w, "id", e->u.verdict.verdict->id);
	jw_text(w, "severity", verdict_severity_name(e->u.verdict.verdict->severity));
	jsonl_verdict(w, e->u.verdict.verdict);
	jw_text(w, "state", e->u.verdict.ended ? "ended" : "started");
}

static void add_lost(struct jw *w, const struct trace_event *e)
{
	jw_text(w, "signal", e->u.lost.signal);
	jw_text(w, "reason", e->u.lost.reason);
	jw_int(w, "count", (int64_t)e->u.lost.cnt);
}

static void add_goid(struct jw *w, const char *key, uint64_t goid)
{
	if (goid)
		jw_int(w, key, (int64_t)goid);
	else
		jw_null(w, key);
}

static void add_p(struct jw *w, uint32_t p)
{
	if (p == GO_SCHED_P_UNKNOWN)
		jw_null(w, "p");
	else
		jw_int(w, "p", p);
}

static void add_sched_wait(struct jw *w, const struct trace_event *e)
{
	const struct trace_sched *s = &e->u.sched;

	jw_text(w, "wake", names_sched_wake(s->span->wake));
	add_goid(w, "waker_goid", s->span->waker);
	add_p(w, s->span->p);
	jw_text(w, "function", s->function);
	jw_text(w, "created_by", s->created);
	jw_text(w, "created_at", s->created_at);
}

static void add_sched_run(struct jw *w, const struct trace_event *e)
{
	const struct trace_sched *s = &e->u.sched;

	add_p(w, s->span->p);
	jw_text(w, "end", names_sched_run_end(s->span->end));
	jw_text(w, "reason", s->reason);
	jw_text(w, "site", s->site);
	jw_text(w, "site_at", s->site_at);
	jw_text(w, "function", s->function);
	jw_text(w, "created_by", s->created);
}

static void add_sched_park(struct jw *w, const struct trace_event *e)
{
	const struct trace_sched *s = &e->u.sched;

	jw_text(w, "reason", s->reason);
	jw_text(w, "site", s->site);
	jw_text(w, "site_at", s->site_at);
	jw_text(w, "wake", names_sched_wake(s->span->wake));
	add_goid(w, "waker_goid", s->span->waker);
	jw_text(w, "function", s->function);
}

static void add_sched_hits(struct jw *w, const struct record_sched_window *r)
{
	uint64_t sum = 0;

	for (uint32_t k = 0; k < GO_SCHED_KIND_CNT; k++)
		sum += r->hits[k];
	jw_int(w, "hits", (int64_t)sum);
	jw_begin(w, "hits_by_kind", '{');
	for (uint32_t k = 0; k < GO_SCHED_KIND_CNT; k++)
		if (names_sched_hits(k))
			jw_int(w, names_sched_hits(k), (int64_t)r->hits[k]);
	jw_end(w, '}');
}

/* A window whose end was not told: only what came of it is known. */
static void add_sched_lost(struct jw *w, const struct trace_event *e)
{
	const struct record_sched_window *r = e->u.window;
	bool known = trace_window_known(e);

	jw_begin(w, "lost", '{');
	jsonl_integer_if(w, "ring_full", known, (int64_t)r->lost[GO_SCHED_LOST_RING]);
	jsonl_integer_if(w, "unreadable", known, (int64_t)r->lost[GO_SCHED_LOST_UNREADABLE]);
	jw_int(w, "limit", (int64_t)e->not_followed);
	jw_end(w, '}');
}

static void add_sched_window(struct jw *w, const struct trace_event *e)
{
	const struct record_sched_window *r = e->u.window;

	jw_text(w, "end", names_sched_window_end(r->end));
	add_sched_hits(w, r);
	add_sched_lost(w, e);
	jsonl_integer_if(w, "late", trace_window_known(e), (int64_t)r->late);
	jw_real(w, "cost_seconds", r->cost_ns / (double)NS_PER_SEC);
	jw_real(w, "cpu_seconds", r->cpu_ns ? (double)r->cpu_ns / (double)NS_PER_SEC : (double)NAN);
	jw_real(w, "cost_ratio", r->cpu_ns ? r->cost_ns / (double)r->cpu_ns : (double)NAN);
	jw_bool(w, "complete", trace_window_known(e) && !trace_window_lost(e));
}

static void add_nothing(struct jw *w, const struct trace_event *e)
{
}

static const fields_fn fields[TRACE_KIND_CNT] = {
	[TRACE_GC_CYCLE] = add_cycle,
	[TRACE_GC_MARK] = add_nothing,
	[TRACE_GC_PAUSE] = add_pause,
	[TRACE_GC_ASSIST] = add_nothing,
	[TRACE_THROTTLE] = add_throttle,
	[TRACE_THROTTLE_MISSED] = add_throttle_missed,
	[TRACE_RUNQ] = add_runq,
	[TRACE_TCP_CONNECT] = add_connect,
	[TRACE_TCP_RETRANSMIT] = add_retransmit,
	[TRACE_TCP_RESET] = add_reset,
	[TRACE_DNS_QUERY] = add_dns,
	[TRACE_OOM_KILL] = add_oom,
	[TRACE_PROCESS_START] = add_start,
	[TRACE_PROCESS_EXIT] = add_exit,
	[TRACE_VERDICT] = add_verdict,
	[TRACE_LOST] = add_lost,
	[TRACE_SCHED_WAIT] = add_sched_wait,
	[TRACE_SCHED_RUN] = add_sched_run,
	[TRACE_SCHED_PARK] = add_sched_park,
	[TRACE_SCHED_WINDOW] = add_sched_window,
};

bool jsonl_event_has(enum trace_kind k)
{
	return (size_t)k < ARRAY_SIZE(fields) && fields[k];
}

static uint64_t goid_of(const struct trace_event *e)
{
	switch (e->kind) {
	case TRACE_GC_ASSIST:
		return e->u.event->gc_assist.goid;
	case TRACE_SCHED_WAIT:
	case TRACE_SCHED_RUN:
	case TRACE_SCHED_PARK:
		return e->u.sched.span->goid;
	default:
		return 0;
	}
}

void jsonl_event_add(struct jw *w, const struct trace_event *e, const char *owner)
{
	uint64_t duration_ns = names_duration_ns(e);

	jw_begin(w, NULL, '{');
	jw_raw(w, "schema", "\"gopherscope.event/1\"");
	jw_text(w, "kind", trace_kind_name(e->kind));
	jw_unix_nano(w, "time_unix_nano", e->start_unix_ns + e->duration_ns - duration_ns);
	jw_seconds(w, "duration_seconds", duration_ns);
	add_id(w, "pid", (uint32_t)e->pid);
	add_id(w, "tid", (uint32_t)e->tid);
	add_goid(w, "goid", goid_of(e));
	jw_raw(w, "owner", owner);
	fields[e->kind](w, e);
	jw_end(w, '}');
}

void jsonl_event_fields(struct jw *w, const struct trace_event *e)
{
	add_id(w, "pid", (uint32_t)e->pid);
	add_id(w, "tid", (uint32_t)e->tid);
	if (goid_of(e))
		add_goid(w, "goid", goid_of(e));
	fields[e->kind](w, e);
}
