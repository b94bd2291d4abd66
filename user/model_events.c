/* SPDX-License-Identifier: BSD-2-Clause */
/* Events find their container by process, by cgroup (cpu controller's or unified hierarchy) or by network namespace, in
 * this order, as far as the kernel side knew them (facts/kernel.md 3, 4.3).
 *
 * A process opens its first connections before it is old enough to be examined, so network events of unknown processes
 * wait for two seconds whether their process turns out to be ours; the others are of processes that nobody watches. */
#include <string.h>

#include "base/clock.h"
#include "events/event_hits.h"
#include "model_private.h"

#define PENDING_NS (2 * NS_PER_SEC)
#define DYING_NS                                                                                                       \
	(30 * NS_PER_SEC) /* a killed process is gone by then, and its number hardly taken by another victim           \
			   */

static void trace_raw(const struct model *m, enum trace_kind kind, const union event *e, uint64_t start_ns,
		      const struct model_container *c)
{
	struct trace_event t = {
		.kind = kind,
		.end_ns = e->hdr.time_ns,
		.duration_ns = start_ns && start_ns < e->hdr.time_ns ? e->hdr.time_ns - start_ns : 0,
		.pid = (int32_t)e->hdr.tgid,
		.tid = (int32_t)e->hdr.tid,
		.u.event = e,
	};

	model_trace(m, &t, c, model_process_find(m, e->hdr.tgid));
}

static void trace_cycle(const struct model *m, enum trace_kind kind, uint64_t start_ns, uint64_t end_ns,
			const struct gc_cycle_done *d, const struct model_process *p)
{
	struct trace_event t = {.kind = kind, .end_ns = end_ns, .duration_ns = end_ns - start_ns, .u.cycle = d};

	model_trace(m, &t, p->container, p);
}

static void on_go_event(struct model *m, const union event *e)
{
	struct model_process *p = model_process_find(m, e->hdr.tgid);
	struct model_container *c = p ? p->container : NULL;
	struct gc_cycle_done done = {0};
	uint64_t hits = event_hits(e);

	if (!c) {
		m->lost[SIGNAL_GO_GC][LOSS_UNKNOWN_PROCESS]++;
		return;
	}
	p->hits += hits;
	model_cost(p, c, (double)hits * m->signals[SIGNAL_GO_GC].hit_cost_ns);
	if (e->hdr.kind == EVENT_GC_PAUSE) {
		container_stats_pause(c->stats, e->hdr.tgid, &e->gc_pause);
		trace_raw(m, TRACE_GC_PAUSE, e, e->gc_pause.start_ns, c);
	}
	if (!gc_cycle_feed(&p->gc, e, &done))
		return;
	if (done.mark) {
		container_stats_mark(c->stats, done.mark_start_ns, done.mark_end_ns);
		trace_cycle(m, TRACE_GC_MARK, done.mark_start_ns, done.mark_end_ns, &done, p);
	}
	if (done.cycle) {
		container_stats_cycle(c->stats, done.start_ns, done.end_ns);
		container_stats_cycle_done(c->stats, p->rec.pid, &done);
		trace_cycle(m, TRACE_GC_CYCLE, done.start_ns, done.end_ns, &done, p);
	}
}

/* What began after the end of a container is of others in its cgroup. */
static bool was_gone(const struct model_container *c, uint64_t start_ns)
{
	return c->owner.gone_ns && start_ns >= c->owner.gone_ns;
}

/* A quota holds every container below the cgroup that owns it. The event itself goes out once, for the owner. */
static void on_throttle(struct model *m, const union event *e)
{
	bool whole = e->hdr.kind == EVENT_THROTTLE;
	uint64_t start_ns = whole ? e->throttle.start_ns : e->throttle_missed.start_ns;
	struct model_container *c, *shown = NULL;
	struct trace_event t = {
		.kind = whole ? TRACE_THROTTLE : TRACE_THROTTLE_MISSED,
		.end_ns = e->hdr.time_ns,
		.duration_ns = e->hdr.time_ns - start_ns,
		.u.event = e,
	};
	struct owner pod;
	size_t pos = 0;

	while ((c = model_index_below(&m->index, m, e->hdr.cpu_cgid, &pos))) {
		if (was_gone(c, start_ns))
			continue;
		if (whole)
			container_stats_throttle(c->stats, &e->throttle);
		else
			container_stats_throttle_missed(c->stats, &e->throttle_missed);
		if (!shown || c->owner.cpu_cgid == e->hdr.cpu_cgid)
			shown = c;
	}
	if (!shown || !m->ops.trace)
		return;
	if (shown->owner.cpu_cgid != e->hdr.cpu_cgid) { /* the pod's quota, not one container's */
		pod = shown->owner;
		pod.container[0] = pod.container_id[0] = 0;
		pod.cpu_cgid = e->hdr.cpu_cgid;
		t.owner = &pod;
	}
	model_trace(m, &t, shown, NULL);
}

static bool is_network(const union event *e)
{
	return e->hdr.kind >= EVENT_TCP_CONNECT && e->hdr.kind <= EVENT_DNS_QUERY;
}

static uint32_t netns_of(const union event *e)
{
	switch (e->hdr.kind) {
	case EVENT_TCP_CONNECT:
		return e->tcp_connect.netns;
	case EVENT_TCP_FLOW:
		return e->tcp_flow.netns;
	case EVENT_TCP_RETRANSMIT:
		return e->tcp_retransmit.netns;
	case EVENT_TCP_RESET:
		return e->tcp_reset.netns;
	case EVENT_DNS_QUERY:
		return e->dns_query.netns;
	}
	return 0;
}

/* Most of these belong to young processes that are no Go: nothing is lost with them. */
static void displace(struct model *m, const union event *e)
{
	unsigned int i;

	for (i = 0; i < DISPLACED_MAX && m->displaced[i].tgid != e->hdr.tgid; i++)
		;
	if (i == DISPLACED_MAX) {
		i = m->displaced_at++ % DISPLACED_MAX;
		memset(&m->displaced[i], 0, sizeof(m->displaced[i]));
		m->displaced[i].tgid = e->hdr.tgid;
	}
	if (e->hdr.kind == EVENT_DNS_QUERY)
		m->displaced[i].dns++;
	else
		m->displaced[i].tcp++;
}

static void count_displaced(struct model *m, int32_t pid)
{
	for (unsigned int i = 0; i < DISPLACED_MAX; i++) {
		if ((int32_t)m->displaced[i].tgid != pid)
			continue;
		m->lost[SIGNAL_NET_TCP][LOSS_LIMIT] += m->displaced[i].tcp;
		m->lost[SIGNAL_NET_DNS][LOSS_LIMIT] += m->displaced[i].dns;
		memset(&m->displaced[i], 0, sizeof(m->displaced[i]));
	}
}

static union event *pending_at(struct model *m, unsigned int i)
{
	return &m->pending[(m->pending_first + i) % PENDING_MAX];
}

/* The i-th stays as the kept-th. */
static void pending_keep(struct model *m, unsigned int i, unsigned int *kept)
{
	if (i != *kept)
		*pending_at(m, *kept) = *pending_at(m, i);
	++*kept;
}

static void wait_for_process(struct model *m, const union event *e)
{
	if (m->pending_cnt == PENDING_MAX) {
		displace(m, pending_at(m, 0));
		m->pending_first = (m->pending_first + 1) % PENDING_MAX;
		m->pending_cnt--;
	}
	memcpy(pending_at(m, m->pending_cnt++), e, e->hdr.size);
}

static void apply_network(struct model *m, struct model_container *c, const union event *e)
{
	struct net_stats *n = container_stats_net(c->stats);

	switch (e->hdr.kind) {
	case EVENT_TCP_CONNECT:
		net_stats_connect(n, &e->tcp_connect);
		trace_raw(m, TRACE_TCP_CONNECT, e, e->tcp_connect.start_ns, c);
		break;
	case EVENT_TCP_FLOW:
		net_stats_flow(n, &e->tcp_flow);
		break;
	case EVENT_TCP_RETRANSMIT:
		net_stats_retransmit(n, &e->tcp_retransmit);
		trace_raw(m, TRACE_TCP_RETRANSMIT, e, 0, c);
		break;
	case EVENT_TCP_RESET:
		net_stats_reset(n, &e->tcp_reset);
		trace_raw(m, TRACE_TCP_RESET, e, 0, c);
		break;
	case EVENT_DNS_QUERY:
		net_stats_dns(n, &e->dns_query);
		trace_raw(m, TRACE_DNS_QUERY, e, e->dns_query.start_ns, c);
		break;
	}
}

/* A host process is only itself, though its cgroup or namespace may hold more. A process's last events come after its
 * end. */
static bool stands_for(const struct owner *o, uint32_t tgid)
{
	return o->kind != OWNER_HOST || (uint32_t)o->host_pid == tgid;
}

/* A namespace tells only of whom nothing else is known: the host's is everybody's, even if one of them is watched. */
static struct model_container *container_of_event(struct model *m, const union event *e)
{
	const struct model_process *p = e->hdr.tgid ? model_process_find(m, e->hdr.tgid) : NULL;
	uint32_t netns = is_network(e) && !e->hdr.tgid ? netns_of(e) : 0;
	struct model_container *c;

	if (p)
		return p->container;
	c = model_index_find(&m->index, m, e->hdr.cpu_cgid, e->hdr.v2_cgid, netns);
	return c && e->hdr.tgid && !stands_for(&c->owner, e->hdr.tgid) ? NULL : c;
}

static void on_network(struct model *m, const union event *e)
{
	struct model_container *c = container_of_event(m, e);

	if (c)
		apply_network(m, c, e);
	else if (e->hdr.tgid)
		wait_for_process(m, e);
}

void model_retry_pending(struct model *m, int32_t pid)
{
	unsigned int kept = 0;

	count_displaced(m, pid);
	for (unsigned int i = 0; i < m->pending_cnt; i++) {
		union event *e = pending_at(m, i);
		struct model_container *c = (int32_t)e->hdr.tgid == pid ? container_of_event(m, e) : NULL;

		if (c)
			apply_network(m, c, e);
		else
			pending_keep(m, i, &kept);
	}
	m->pending_cnt = kept;
}

void model_expire_pending(struct model *m, uint64_t now_ns)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < m->pending_cnt; i++)
		if (pending_at(m, i)->hdr.time_ns + PENDING_NS > now_ns)
			pending_keep(m, i, &kept);
	m->pending_cnt = kept;
}

static bool rival_is_own(const struct model *m, const struct event_runq *e, const struct model_container *c)
{
	const struct model_process *p = e->prev_tgid ? model_process_find(m, e->prev_tgid) : NULL;

	return p && p->container == c;
}

/* The number of a process may come after its end. */
static void on_assist(struct model *m, const union event *e)
{
	struct model_container *c = container_of_event(m, e);
	struct model_process *p = model_process_find(m, e->hdr.tgid);
	uint64_t hits = event_hits(e);

	if (!c) {
		m->lost[SIGNAL_GO_ASSIST][LOSS_UNKNOWN_PROCESS]++;
		return;
	}
	if (p)
		p->hits += hits;
	model_cost(p, c, (double)hits * m->signals[SIGNAL_GO_ASSIST].hit_cost_ns);
	if (e->hdr.kind == EVENT_GC_ASSISTS) {
		container_stats_assists(c->stats, &e->gc_assists);
		return;
	}
	container_stats_assist(c->stats, &e->gc_assist);
	trace_raw(m, TRACE_GC_ASSIST, e, e->gc_assist.start_ns, c);
}

static void on_runq(struct model *m, const union event *e)
{
	struct model_container *c = container_of_event(m, e);

	if (!c)
		return; /* it has just ended */
	container_stats_runq(c->stats, &e->runq, rival_is_own(m, &e->runq, c));
	trace_raw(m, TRACE_RUNQ, e, e->runq.start_ns + e->runq.throttled_ns, c);
}

/* Sums of a cgroup in which a host process is one of several are not those of the process: what its own threads waited
 * is unknown but for its outliers. */
static bool counts_sums(struct model *m, const struct model_container *c, uint64_t start_ns)
{
	return !was_gone(c, start_ns) && model_index_owns_cpu(&m->index, m, c);
}

static void on_runq_sums(struct model *m, const union event *e)
{
	uint64_t start_ns = e->hdr.kind == EVENT_RUNQ_WINDOW ? e->runq_window.start_ns : e->runq_mean.start_ns;
	struct model_container *c;
	size_t pos = 0;

	while ((c = model_index_own(&m->index, m, e->hdr.cpu_cgid, &pos))) {
		if (!counts_sums(m, c, start_ns))
			continue;
		if (e->hdr.kind == EVENT_RUNQ_WINDOW)
			container_stats_runq_window(c->stats, &e->runq_window);
		else
			container_stats_runq_mean(c->stats, &e->runq_mean);
	}
}

/* cpu_cgid 0: the window as such, for everybody. */
static void on_runq_armed(struct model *m, const struct event_runq_window *e)
{
	struct model_container *c;
	size_t pos = 0;

	while ((c = model_container_next(m, &pos)))
		if (counts_sums(m, c, e->start_ns))
			container_stats_runq_armed(c->stats, e->start_ns, e->hdr.time_ns);
}

/* The kernel kills a process once, but marks each of its threads that asks for memory on its way out as well
 * (out_of_memory: the dying task helps itself). */
static bool killed_before(struct model *m, const union event *e)
{
	for (unsigned int i = 0; i < VICTIMS_MAX; i++)
		if (m->victims[i].tgid == e->hdr.tgid && e->hdr.time_ns < m->victims[i].time_ns + DYING_NS)
			return true;
	m->victims[m->victim_at].tgid = e->hdr.tgid;
	m->victims[m->victim_at].time_ns = e->hdr.time_ns;
	m->victim_at = (m->victim_at + 1) % VICTIMS_MAX;
	return false;
}

static void on_oom(struct model *m, const union event *e)
{
	struct model_container *c = container_of_event(m, e);

	if (!c || killed_before(m, e)) /* of a container without Go */
		return;
	c->ooms++;
	container_stats_oom(c->stats, e->hdr.time_ns);
	model_note(c, e->hdr.time_ns, "OOM killed process %u (%.15s), resident %.0f MB", e->hdr.tgid, e->oom_kill.comm,
		   (double)(e->oom_kill.anon_rss_bytes + e->oom_kill.file_rss_bytes + e->oom_kill.shmem_rss_bytes) /
			   1048576);
	trace_raw(m, TRACE_OOM_KILL, e, 0, c);
}

void model_event(struct model *m, const union event *e)
{
	switch (e->hdr.kind) {
	case EVENT_GC_ASSIST:
	case EVENT_GC_ASSISTS:
		on_assist(m, e);
		break;
	case EVENT_GC_DONE:
	case EVENT_GC_START:
	case EVENT_GC_MARK_END:
	case EVENT_GC_PAUSE:
		on_go_event(m, e);
		break;
	case EVENT_THROTTLE:
	case EVENT_THROTTLE_MISSED:
		on_throttle(m, e);
		break;
	case EVENT_TCP_CONNECT:
	case EVENT_TCP_FLOW:
	case EVENT_TCP_RETRANSMIT:
	case EVENT_TCP_RESET:
	case EVENT_DNS_QUERY:
		on_network(m, e);
		break;
	case EVENT_OOM_KILL:
		on_oom(m, e);
		break;
	case EVENT_RUNQ:
		on_runq(m, e);
		break;
	case EVENT_RUNQ_WINDOW:
		if (!e->hdr.cpu_cgid)
			on_runq_armed(m, &e->runq_window);
		else
			on_runq_sums(m, e);
		break;
	case EVENT_RUNQ_MEAN:
		on_runq_sums(m, e);
		break;
	}
}
