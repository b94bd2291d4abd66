/* SPDX-License-Identifier: BSD-2-Clause */
/* Attributes as OTLP's JSON has them: 64-bit integers are strings
 * (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding). The service's name follows the order of the
 * conventions' page on Kubernetes attributes, as far as the owner is known; the target's own environment is not read.
 */
#include "export/otlp_write.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static void begin(struct jw *w, const char *name)
{
	jw_begin(w, NULL, '{');
	jw_text(w, "key", name);
	jw_begin(w, "value", '{');
}

static void end(struct jw *w)
{
	jw_end(w, '}');
	jw_end(w, '}');
}

static void attr_named(struct jw *w, const char *name, const char *v, size_t sz)
{
	if (!v || !*v || !sz)
		return;
	begin(w, name);
	jw_text_n(w, "stringValue", v, sz);
	end(w);
}

static void attr_text(struct jw *w, enum attr a, const char *v)
{
	attr_named(w, names_attr(a), v, v ? strlen(v) : 0);
}

static void attr_int(struct jw *w, enum attr a, int64_t v)
{
	begin(w, names_attr(a));
	jw_int64_text(w, "intValue", v);
	end(w);
}

static void attr_seconds(struct jw *w, enum attr a, uint64_t ns)
{
	begin(w, names_attr(a));
	jw_seconds(w, "doubleValue", ns);
	end(w);
}

static void attr_real(struct jw *w, enum attr a, double v)
{
	begin(w, names_attr(a));
	jw_real(w, "doubleValue", v);
	end(w);
}

/* ---- resources ---- */

static const char *base_name(const char *path, char *buf, size_t sz)
{
	const char *slash = strrchr(path, '/'), *deleted;

	str_copy(buf, sz, slash ? slash + 1 : path);
	deleted = str_ends(buf, " (deleted)") ? " (deleted)" : "";
	buf[strlen(buf) - strlen(deleted)] = 0;
	return buf;
}

static const char *executable_name(const struct record_process *p, char *buf, size_t sz)
{
	if (!p)
		return "";
	return p->exe[0] ? base_name(p->exe, buf, sz) : p->comm;
}

static const char *first_of(const char *const *names, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		if (names[i] && *names[i])
			return names[i];
	return NULL;
}

static void add_instance(struct jw *w, const struct otlp_about *about)
{
	const struct owner *o = about->owner;
	const struct record_process *p = about->process;
	struct str id;

	str_init(&id);
	if (o && o->pod[0] && o->container[0]) {
		str_addf(&id, "%s.%s.%s", o->namespace_, o->pod, o->container);
		if (p && about->further)
			str_addf(&id, ".%d", p->vpid);
	} else if (p) {
		str_addf(&id, "%s.%d.%llu", about->node_name ? about->node_name : "", p->pid,
			 (unsigned long long)p->start_unix_ns);
	}
	w->s.failed |= id.failed;
	attr_text(w, ATTR_SERVICE_INSTANCE_ID, str_get(&id));
	str_deinit(&id);
}

static void add_service(struct jw *w, const struct otlp_about *about)
{
	static const struct owner nobody;
	const struct owner *o = about->owner ? about->owner : &nobody;
	char buf[256];
	const char *const names[] = {o->workload_name, o->pod, o->container,
				     executable_name(about->process, buf, sizeof(buf)), o->host_comm};

	attr_text(w, ATTR_SERVICE_NAME, first_of(names, sizeof(names) / sizeof(*names)));
	attr_text(w, ATTR_SERVICE_NAMESPACE, o->namespace_);
	add_instance(w, about);
}

static void add_owner(struct jw *w, const struct owner *o, const char *node_name)
{
	const char *workload = names_workload_attr(o->workload_kind);

	attr_text(w, ATTR_K8S_NAMESPACE_NAME, o->namespace_);
	attr_text(w, ATTR_K8S_POD_NAME, o->pod);
	attr_text(w, ATTR_K8S_POD_UID, o->pod_uid);
	attr_text(w, o->pod_uid[0] ? ATTR_K8S_CONTAINER_NAME : ATTR_CONTAINER_NAME, o->container);
	if (o->pod_uid[0])
		attr_text(w, ATTR_K8S_NODE_NAME, node_name);
	if (workload)
		attr_named(w, workload, o->workload_name, sizeof(o->workload_name));
	attr_text(w, ATTR_CONTAINER_ID, o->container_id);
	attr_text(w, ATTR_CONTAINER_RUNTIME_NAME, o->runtime);
}

static void add_process(struct jw *w, const struct record_process *p)
{
	char name[256], stamp[40];
	time_t start = (time_t)(p->start_unix_ns / NS_PER_SEC);
	struct tm tm;
	size_t len;

	attr_int(w, ATTR_PROCESS_PID, p->pid);
	if (p->vpid)
		attr_int(w, ATTR_PROCESS_VPID, p->vpid);
	if (p->start_unix_ns && gmtime_r(&start, &tm)) {
		len = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(stamp + len, sizeof(stamp) - len, ".%03uZ",
			 (unsigned int)(p->start_unix_ns % NS_PER_SEC / NS_PER_MS));
		attr_text(w, ATTR_PROCESS_CREATION_TIME, stamp);
	}
	attr_text(w, ATTR_PROCESS_EXECUTABLE_NAME, executable_name(p, name, sizeof(name)));
	attr_text(w, ATTR_PROCESS_BUILD_ID_GO, p->build_id);
	if (!p->go_version[0])
		return;
	attr_text(w, ATTR_PROCESS_RUNTIME_NAME, "go");
	attr_text(w, ATTR_PROCESS_RUNTIME_VERSION, p->go_version);
}

void otlp_resource(struct jw *w, const char *key, const struct otlp_about *about)
{
	jw_begin(w, key, '[');
	add_service(w, about);
	if (about->owner)
		add_owner(w, about->owner, about->node_name);
	if (about->process)
		add_process(w, about->process);
	attr_text(w, ATTR_HOST_NAME, about->node_name);
	attr_text(w, ATTR_OS_TYPE, "linux");
	attr_text(w, ATTR_DISTRO_NAME, NAMES_SCOPE);
	attr_text(w, ATTR_DISTRO_VERSION, about->agent_version);
	jw_end(w, ']');
}

/* ---- spans ---- */

const char *otlp_error(const struct trace_event *e, char buf[static NAMES_TEXT_SZ])
{
	if (e->kind == TRACE_TCP_CONNECT && e->u.event->tcp_connect.error)
		return names_errno(e->u.event->tcp_connect.error, buf);
	return e->kind == TRACE_DNS_QUERY ? names_dns_error(&e->u.event->dns_query, buf) : NULL;
}

/* Unknown and "off" are no value. */
static void attr_known(struct jw *w, enum attr a, int64_t v)
{
	if (v >= 0)
		attr_int(w, a, v);
}

/* Of the CPU time that GOMAXPROCS Ps had while the cycle ran; idle marking is free, as the runtime counts. */
static double cycle_cpu_share(const struct runtime_cycle *c)
{
	const double stopped = (double)(c->mark_ns - c->sweep_term_ns) + (double)(c->end_ns - c->mark_term_ns);
	const double used =
		c->stwprocs * stopped + (double)c->assist_ns + (double)c->dedicated_ns + (double)c->fractional_ns;

	return used / ((double)(c->end_ns - c->sweep_term_ns) * c->maxprocs);
}

static void add_cycle_numbers(struct jw *w, const struct runtime_cycle *c)
{
	attr_int(w, ATTR_GC_NUMBER, (int64_t)c->numgc);
	if (c->maxprocs > 0 && c->end_ns > c->sweep_term_ns)
		attr_real(w, ATTR_GC_CPU_SHARE, cycle_cpu_share(c));
	attr_int(w, ATTR_GC_HEAP_BEFORE, (int64_t)c->heap0);
	attr_int(w, ATTR_GC_HEAP_AFTER, (int64_t)c->heap1);
	attr_int(w, ATTR_GC_HEAP_LIVE, (int64_t)c->heap2);
	attr_int(w, ATTR_GC_HEAP_GOAL, (int64_t)c->goal);
}

/* GOGC is that of the last reading, at most a second old; so are heap and goal where the cycle did not bring its own.
 */
static void add_cycle(struct jw *w, const struct trace_event *e)
{
	attr_text(w, ATTR_GC_TRIGGER, names_gc_trigger(e->u.cycle->trigger));
	if (e->u.cycle->procs)
		attr_int(w, ATTR_PROCESSOR_LIMIT, e->u.cycle->procs);
	if (e->u.cycle->known)
		add_cycle_numbers(w, &e->u.cycle->numbers);
	if (!e->sample)
		return;
	if (!e->u.cycle->known) {
		attr_known(w, ATTR_GC_HEAP_LIVE, e->sample->heap_live_bytes);
		attr_known(w, ATTR_GC_HEAP_GOAL, e->sample->heap_goal_bytes);
	}
	attr_known(w, ATTR_GOGC, e->sample->gogc);
}

static void add_pause(struct jw *w, const struct trace_event *e)
{
	const struct event_gc_pause *p = &e->u.event->gc_pause;
	char words[NAMES_TEXT_SZ + 1];

	attr_text(w, ATTR_STW_REASON, names_stw_reason(p, words));
	if (names_stw_stopped(p))
		attr_seconds(w, ATTR_STW_STOPPING, p->stopped_ns - p->start_ns);
	if (e->tid)
		attr_int(w, ATTR_THREAD_ID, e->tid);
}

static void add_throttle(struct jw *w, const struct trace_event *e)
{
	attr_int(w, ATTR_CPU_LOGICAL_NUMBER, e->u.event->throttle.cpu);
	attr_text(w, ATTR_CGROUP, e->owner ? e->owner->cgroup : NULL);
	if (!e->limits || !e->limits->cpu_period_ns)
		return;
	attr_seconds(w, ATTR_CPU_PERIOD, e->limits->cpu_period_ns);
	if (e->limits->cpu_limit > 0) /* else unknown, or none any more */
		attr_real(w, ATTR_CPU_LIMIT, e->limits->cpu_limit);
}

static void add_runq(struct jw *w, const struct trace_event *e)
{
	const struct event_runq *r = &e->u.event->runq;

	if (e->tid)
		attr_int(w, ATTR_THREAD_ID, e->tid);
	attr_int(w, ATTR_CPU_LOGICAL_NUMBER, r->cpu);
	attr_named(w, names_attr(ATTR_PREEMPTED_BY), r->prev_comm, EVENT_COMM_SZ);
}

static void add_peer(struct jw *w, const struct net_addr *a)
{
	char buf[NAMES_ADDRESS_SZ];

	names_address(a->family, a->raddr, buf);
	if (*buf)
		attr_text(w, ATTR_NETWORK_TYPE, a->family == NET_AF_INET6 ? "ipv6" : "ipv4");
	attr_text(w, ATTR_NETWORK_PEER_ADDRESS, buf);
	if (a->rport)
		attr_int(w, ATTR_NETWORK_PEER_PORT, a->rport);
}

static void add_connect(struct jw *w, const struct trace_event *e)
{
	const struct event_tcp_connect *c = &e->u.event->tcp_connect;

	attr_text(w, ATTR_NETWORK_TRANSPORT, "tcp");
	add_peer(w, &c->addr);
	if (c->syn_retransmits)
		attr_int(w, ATTR_SYN_RETRANSMITS, c->syn_retransmits);
}

static void add_dns(struct jw *w, const struct trace_event *e)
{
	const struct event_dns_query *q = &e->u.event->dns_query;
	char rcode[NAMES_TEXT_SZ];

	attr_named(w, names_attr(ATTR_DNS_QUESTION_NAME), q->name, DNS_NAME_SZ);
	if (q->result == DNS_ANSWERED)
		attr_text(w, ATTR_DNS_RESPONSE_CODE, names_dns_rcode(q->rcode, rcode));
	add_peer(w, &q->addr);
}

static void add_assist(struct jw *w, const struct trace_event *e)
{
	if (e->u.event->gc_assist.goid)
		attr_int(w, ATTR_GOID, (int64_t)e->u.event->gc_assist.goid);
	attr_real(w, ATTR_ASSIST_WAIT, (double)e->duration_ns / (double)NS_PER_SEC);
}

static void add_sched_wait(struct jw *w, const struct trace_event *e)
{
	const struct goroutine_span *s = e->u.sched.span;

	if (s->goid)
		attr_int(w, ATTR_GOID, (int64_t)s->goid);
	attr_text(w, ATTR_CREATED_BY, e->u.sched.created);
	if (s->waker)
		attr_int(w, ATTR_WAKER_GOID, (int64_t)s->waker);
}

static void add_sched_window(struct jw *w, const struct trace_event *e)
{
	const struct record_sched_window *r = e->u.window;

	attr_text(w, ATTR_WINDOW_END, names_sched_window_end(r->end));
	if (r->cpu_ns)
		attr_seconds(w, ATTR_WINDOW_CPU, r->cpu_ns);
	if (!trace_window_known(e))
		return;
	attr_int(w, ATTR_WINDOW_LOST, (int64_t)trace_window_lost(e));
	attr_real(w, ATTR_WINDOW_COST, r->cost_ns / (double)NS_PER_SEC);
}

void otlp_attributes(struct jw *w, const char *key, const struct trace_event *e)
{
	static void (*const add[TRACE_KIND_CNT])(struct jw *w, const struct trace_event *e) = {
		[TRACE_GC_CYCLE] = add_cycle,
		[TRACE_GC_PAUSE] = add_pause,
		[TRACE_THROTTLE] = add_throttle,
		[TRACE_RUNQ] = add_runq,
		[TRACE_TCP_CONNECT] = add_connect,
		[TRACE_DNS_QUERY] = add_dns,
		[TRACE_GC_ASSIST] = add_assist,
		[TRACE_SCHED_WAIT] = add_sched_wait,
		[TRACE_SCHED_WINDOW] = add_sched_window,
	};
	char buf[NAMES_TEXT_SZ];

	jw_begin(w, key, '[');
	if (add[e->kind])
		add[e->kind](w, e);
	attr_text(w, ATTR_ERROR_TYPE, otlp_error(e, buf));
	jw_end(w, ']');
}
