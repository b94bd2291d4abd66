/* SPDX-License-Identifier: BSD-2-Clause */
/* Records in, state out. Events find their container by process, by cgroup (cpu controller's or unified hierarchy) or
 * by network namespace, in this order, as far as the kernel side knew them (facts/kernel.md 3, 4.3).
 *
 * A process opens its first connections before it is old enough to be examined, so network events of unknown processes
 * wait for two seconds whether their process turns out to be ours; the others are of processes that nobody watches. */
#include "model.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "base/str.h"
#include "diagnose/verdicts.h"
#include "events/source.h"
#include "model_index.h"
#include "probes/signal.h"
#include "procs/process.h"

#define CONTAINERS_MAX 4096
#define PROCESSES_MAX  32768
/* Two million spans: a minute of throttling of 110 pods on 8 CPUs is half a million. */
#define HISTORY_MAX   (32u << 20)
#define PENDING_MAX   256
#define PENDING_NS    (2 * NS_PER_SEC)
#define DISPLACED_MAX 64
#define VERDICT_NOTE  120

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
	union event pending[PENDING_MAX]; /* network events of processes not known yet */
	unsigned int pending_cnt;
	struct {
		uint32_t tgid, tcp, dns;
	} displaced[DISPLACED_MAX]; /* how many had to leave, by process: lost if it turns out to be ours */
	unsigned int displaced_at;
};

/* ---- life ---------------------------------------------------------------------------------------------------------
 */

int model_new(const struct model_ops *ops, struct model **ret)
{
	struct model *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return -ENOMEM;
	m->ops = *ops;
	m->budget.bytes_max = HISTORY_MAX;
	err = hashmap_new(CONTAINERS_MAX, &m->containers);
	if (!err)
		err = hashmap_new(PROCESSES_MAX, &m->processes);
	if (err) {
		model_free(m);
		return err;
	}
	*ret = m;
	return 0;
}

static void container_free(struct model_container *c)
{
	if (!c)
		return;
	container_stats_free(c->stats);
	free(c->notes);
	free(c);
}

struct model *model_free(struct model *m)
{
	size_t pos = 0;
	uint64_t key;
	void *value;

	if (!m)
		return NULL;
	while (m->processes && hashmap_next(m->processes, &pos, &key, &value))
		free(value);
	pos = 0;
	while (m->containers && hashmap_next(m->containers, &pos, &key, &value))
		container_free(value);
	model_index_deinit(&m->index);
	hashmap_free(m->processes);
	hashmap_free(m->containers);
	free(m);
	return NULL;
}

struct model_container *model_container_find(const struct model *m, uint32_t id)
{
	return hashmap_find(m->containers, id);
}

struct model_container *model_container_next(const struct model *m, size_t *pos)
{
	uint64_t key;
	void *value;

	return hashmap_next(m->containers, pos, &key, &value) ? value : NULL;
}

size_t model_container_cnt(const struct model *m)
{
	return hashmap_cnt(m->containers);
}

const struct record_session *model_session(const struct model *m)
{
	return &m->session;
}

const struct record_signal *model_signal(const struct model *m, enum signal_id id)
{
	return &m->signals[id];
}

void model_losses(const struct model *m, enum signal_id id, uint64_t lost[LOSS_REASON_MAX])
{
	memcpy(lost, m->lost[id], sizeof(m->lost[id]));
	lost[LOSS_LIMIT] += m->budget.lost[id];
}

const struct model_reading *model_reading(const struct model *m, unsigned int back)
{
	if (back >= m->reading_cnt || back >= MODEL_NODE_READINGS)
		return NULL;
	return &m->readings[(m->reading_cnt - 1 - back) % MODEL_NODE_READINGS];
}

static struct model_process *find_process(const struct model *m, uint32_t pid)
{
	return hashmap_find(m->processes, pid);
}

/* ---- traces and notes ---------------------------------------------------------------------------------------------
 */

/* Fills what follows from the stamps, and hands it out. */
static void trace(const struct model *m, struct trace_event *e, const struct model_container *c,
		  const struct model_process *p)
{
	if (!m->ops.trace)
		return;
	e->start_unix_ns = clock_mono_to_unix(e->end_ns) - e->duration_ns;
	if (c && !e->owner)
		e->owner = &c->owner;
	if (c)
		e->container_id = c->id;
	if (p) {
		e->process = &p->rec;
		e->pid = p->rec.pid;
	}
	m->ops.trace(e, m->ops.arg);
}

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

	trace(m, &t, c, find_process(m, e->hdr.tgid));
}

__attribute__((format(printf, 3, 4))) static void note(struct model_container *c, uint64_t time_ns, const char *fmt,
						       ...)
{
	struct detail_note *n;
	va_list ap;

	if (!c->notes)
		c->notes = calloc(DETAIL_NOTES, sizeof(*c->notes));
	if (!c->notes)
		return;
	n = &c->notes[c->note_cnt++ % DETAIL_NOTES];
	n->time_unix_ns = clock_mono_to_unix(time_ns);
	va_start(ap, fmt);
	vsnprintf(n->text, sizeof(n->text), fmt, ap);
	va_end(ap);
}

static void fill_notes(const struct model_container *c, struct detail *ret)
{
	unsigned int n = c->note_cnt < DETAIL_NOTES ? c->note_cnt : DETAIL_NOTES;

	for (unsigned int i = 0; i < n; i++)
		ret->notes[i] = c->notes[(c->note_cnt - 1 - i) % DETAIL_NOTES];
	ret->note_cnt = (int)n;
}

bool model_detail(const struct model *m, uint32_t container_id, uint64_t from_ns, uint64_t to_ns, struct detail *ret)
{
	const struct model_container *c = model_container_find(m, container_id);

	memset(ret, 0, sizeof(*ret));
	if (!c)
		return false;
	container_stats_detail(c->stats, from_ns, to_ns, ret);
	fill_notes(c, ret);
	return true;
}

void model_verdict(struct model *m, uint32_t container_id, uint64_t now_ns, const struct verdict *v, bool ended)
{
	struct trace_event t = {.kind = TRACE_VERDICT, .end_ns = now_ns, .u.verdict = {v, ended}};
	struct model_container *c = model_container_find(m, container_id);

	if (c)
		note(c, now_ns, "verdict %s %s: %s%s%s: %.*s", ended ? "ended" : "began",
		     verdict_severity_name(v->severity), v->id, v->culprit[0] ? "+" : "", v->culprit, VERDICT_NOTE,
		     v->text);
	trace(m, &t, c, NULL);
}

/* Counters of the kernel side and of the model. */
static uint64_t all_lost(const struct model *m, int id, int reason)
{
	return m->signals[id].counters.lost[reason] + m->lost[id][reason] +
	       (reason == LOSS_LIMIT ? m->budget.lost[id] : 0);
}

uint64_t model_trace_losses(struct model *m, uint64_t now_ns)
{
	uint64_t sum = 0;

	for (int id = 0; id < SIGNAL_CNT; id++)
		for (int i = 0; i < LOSS_REASON_CNT; i++) {
			struct trace_event t = {.kind = TRACE_LOST, .end_ns = now_ns};

			t.u.lost = (struct trace_lost){signal_name((enum signal_id)id),
						       loss_reason_name((enum loss_reason)i), all_lost(m, id, i)};
			sum += t.u.lost.cnt;
			if (t.u.lost.cnt)
				trace(m, &t, NULL, NULL);
		}
	return sum;
}

/* ---- containers and processes -------------------------------------------------------------------------------------
 */

static struct model_container *add_container(struct model *m, uint32_t id)
{
	struct model_container *c = calloc(1, sizeof(*c));

	if (c && !container_stats_new(&m->budget, &c->stats)) {
		c->id = id;
		if (!hashmap_add(m->containers, id, c))
			return c;
	}
	container_free(c);
	m->lost[SIGNAL_PROC_WATCH][LOSS_LIMIT]++;
	return NULL;
}

static void feed_owner(struct model *m, const struct record_owner *r)
{
	struct model_container *c = model_container_find(m, r->id);

	if (!c)
		c = add_container(m, r->id);
	if (!c)
		return;
	c->owner = r->owner;
	c->level_cnt = r->level_cnt < RECORD_LEVELS ? r->level_cnt : RECORD_LEVELS;
	memcpy(c->levels, r->levels, sizeof(c->levels));
	model_index_changed(&m->index);
}

static void unlink_process(struct model_process *p)
{
	struct model_process **at;

	if (!p->container)
		return;
	for (at = &p->container->processes; *at && *at != p; at = &(*at)->next)
		;
	if (*at) {
		*at = p->next;
		p->container->process_cnt--;
	}
	p->container = NULL;
}

static void link_process(struct model_container *c, struct model_process *p)
{
	struct model_process **at = &c->processes;

	while (*at && (*at)->rec.pid < p->rec.pid)
		at = &(*at)->next;
	p->next = *at;
	*at = p;
	p->container = c;
	c->process_cnt++;
}

static void feed_owner_gone(struct model *m, const struct record_id *r)
{
	struct model_container *c = hashmap_remove(m->containers, r->id);

	if (!c)
		return;
	while (c->processes)
		unlink_process(c->processes);
	container_free(c);
	model_index_changed(&m->index);
}

static void retry_pending(struct model *m, int32_t pid);

static void start_process(struct model *m, struct model_process *p)
{
	struct trace_event t = {.kind = TRACE_PROCESS_START, .end_ns = p->rec.start_ns};

	note(p->container, p->rec.start_ns, "process %d started: %.60s %.40s", p->rec.pid, p->rec.comm,
	     p->rec.go_version);
	trace(m, &t, p->container, p);
}

static struct model_process *add_process(struct model *m, const struct record_process *r)
{
	struct model_process *p = calloc(1, sizeof(*p));

	if (p && !hashmap_add(m->processes, (uint64_t)r->pid, p))
		return p;
	free(p);
	m->lost[SIGNAL_PROC_WATCH][LOSS_LIMIT]++;
	return NULL;
}

static void feed_process(struct model *m, const struct record_process *r)
{
	struct model_process *p = find_process(m, (uint32_t)r->pid);
	struct model_container *c = model_container_find(m, r->owner_id);
	bool is_new = !p;

	if (!p)
		p = add_process(m, r);
	if (!p)
		return;
	p->rec = *r;
	if (p->container != c) {
		unlink_process(p);
		if (c)
			link_process(c, p);
	}
	model_index_changed(&m->index);
	if (!is_new || !c)
		return;
	if (r->flags & RECORD_PROCESS_STARTED)
		start_process(m, p);
	retry_pending(m, r->pid);
}

/* "exit code 2" "killed by signal 9" */
static const char *exit_words(uint32_t status, char *buf, size_t sz)
{
	if (status & 0x7f)
		snprintf(buf, sz, "killed by signal %u", status & 0x7f);
	else
		snprintf(buf, sz, "exit code %u", status >> 8 & 0xff);
	return buf;
}

static void feed_process_gone(struct model *m, const struct record_process_gone *r)
{
	struct model_process *p = hashmap_remove(m->processes, (uint64_t)r->pid);
	struct model_container *c = p ? p->container : NULL;
	char words[40];

	if (!p)
		return;
	if (c && p->sampled && p->sample.gc_cpu_ns != SAMPLE_UNKNOWN) {
		c->gc_cpu_gone_ns += p->sample.gc_cpu_ns - p->gc_cpu_base_ns;
		c->assist_gone_ns += p->sample.assist_ns - p->assist_base_ns;
	}
	if (c && r->has_exit) {
		struct trace_event t = {
			.kind = TRACE_PROCESS_EXIT, .end_ns = r->time_ns, .u.exit = {true, r->exit_code}};

		note(c, r->time_ns, "process %d ended: %s", p->rec.pid, exit_words(r->exit_code, words, sizeof(words)));
		trace(m, &t, c, p);
	}
	unlink_process(p);
	free(p);
	model_index_changed(&m->index);
}

/* ---- events -------------------------------------------------------------------------------------------------------
 */

/* What an event cost its process: stop and start before Go 1.22, from then on start and finish for a pause of the
 * collector; one hit for everything else. */
static int hits_of(const union event *e)
{
	if (e->hdr.kind != EVENT_GC_PAUSE)
		return 1;
	if (!(e->gc_pause.flags & PAUSE_FROM_REGISTERS))
		return 2;
	return e->gc_pause.reason == STW_GC_SWEEP_TERM || e->gc_pause.reason == STW_GC_MARK_TERM ? 2 : 1;
}

static void trace_cycle(const struct model *m, enum trace_kind kind, uint64_t start_ns, uint64_t end_ns,
			const struct gc_cycle_done *d, const struct model_process *p)
{
	struct trace_event t = {.kind = kind, .end_ns = end_ns, .duration_ns = end_ns - start_ns, .u.cycle = d};

	trace(m, &t, p->container, p);
}

static void on_go_event(struct model *m, const union event *e)
{
	struct model_process *p = find_process(m, e->hdr.tgid);
	struct model_container *c = p ? p->container : NULL;
	struct gc_cycle_done done = {0};
	int hits = hits_of(e);

	if (!c) {
		m->lost[SIGNAL_GO_GC][LOSS_UNKNOWN_PROCESS]++;
		return;
	}
	p->hits += (uint64_t)hits;
	c->cost_ns += hits * m->signals[SIGNAL_GO_GC].hit_cost_ns;
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

/* A quota holds every container below the cgroup that owns it. The event itself goes out once, for the owner. */
static void on_throttle(struct model *m, const union event *e)
{
	bool whole = e->hdr.kind == EVENT_THROTTLE;
	struct model_container *c, *shown = NULL;
	struct trace_event t = {
		.kind = whole ? TRACE_THROTTLE : TRACE_THROTTLE_MISSED,
		.end_ns = e->hdr.time_ns,
		.duration_ns = e->hdr.time_ns - (whole ? e->throttle.start_ns : e->throttle_missed.start_ns),
		.u.event = e,
	};
	struct owner pod;
	size_t pos = 0;

	while ((c = model_index_below(&m->index, m, e->hdr.cpu_cgid, &pos))) {
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
	trace(m, &t, shown, NULL);
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

static void wait_for_process(struct model *m, const union event *e)
{
	if (m->pending_cnt == PENDING_MAX) {
		displace(m, &m->pending[0]);
		memmove(m->pending, m->pending + 1, sizeof(m->pending) - sizeof(m->pending[0]));
		m->pending_cnt--;
	}
	memcpy(&m->pending[m->pending_cnt++], e, e->hdr.size);
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

static struct model_container *container_of_event(struct model *m, const union event *e)
{
	const struct model_process *p = e->hdr.tgid ? find_process(m, e->hdr.tgid) : NULL;

	if (p)
		return p->container;
	return model_index_find(&m->index, m, e->hdr.cpu_cgid, e->hdr.v2_cgid, is_network(e) ? netns_of(e) : 0);
}

static void on_network(struct model *m, const union event *e)
{
	struct model_container *c = container_of_event(m, e);

	if (c)
		apply_network(m, c, e);
	else if (e->hdr.tgid)
		wait_for_process(m, e);
}

static void retry_pending(struct model *m, int32_t pid)
{
	union event mine;
	unsigned int kept = 0;

	count_displaced(m, pid);
	for (unsigned int i = 0; i < m->pending_cnt; i++) {
		struct model_container *c;

		mine = m->pending[i];
		c = (int32_t)mine.hdr.tgid == pid ? container_of_event(m, &mine) : NULL;
		if (c)
			apply_network(m, c, &mine);
		else
			m->pending[kept++] = mine;
	}
	m->pending_cnt = kept;
}

static void expire_pending(struct model *m, uint64_t now_ns)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < m->pending_cnt; i++)
		if (m->pending[i].hdr.time_ns + PENDING_NS > now_ns)
			m->pending[kept++] = m->pending[i];
	m->pending_cnt = kept;
}

static void on_runq(struct model *m, const union event *e)
{
	struct model_container *c = container_of_event(m, e);

	if (!c)
		return; /* it has just ended */
	container_stats_runq(c->stats, &e->runq);
	trace_raw(m, TRACE_RUNQ, e, e->runq.start_ns + e->runq.throttled_ns, c);
}

/* A cgroup may hold several owners: host processes of one slice share its waits. */
static void on_runq_sums(struct model *m, const union event *e)
{
	struct model_container *c;
	size_t pos = 0;

	while ((c = model_index_own(&m->index, m, e->hdr.cpu_cgid, &pos))) {
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
		container_stats_runq_armed(c->stats, e->start_ns, e->hdr.time_ns);
}

static void on_oom(struct model *m, const union event *e)
{
	struct model_container *c = container_of_event(m, e);

	if (!c)
		return; /* of a container without Go */
	container_stats_oom(c->stats, e->hdr.time_ns);
	note(c, e->hdr.time_ns, "OOM killed process %u (%.15s), resident %.0f MB", e->hdr.tgid, e->oom_kill.comm,
	     (double)(e->oom_kill.anon_rss_bytes + e->oom_kill.file_rss_bytes + e->oom_kill.shmem_rss_bytes) / 1048576);
	trace_raw(m, TRACE_OOM_KILL, e, 0, c);
}

static void feed_event(struct model *m, const union event *e)
{
	switch (e->hdr.kind) {
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

/* ---- readings -----------------------------------------------------------------------------------------------------
 */

static void feed_sample(struct model *m, const struct record_sample *r)
{
	struct model_process *p = find_process(m, (uint32_t)r->pid);
	struct trace_event t = {.kind = TRACE_SAMPLE, .end_ns = r->sample.time_ns, .u.sample = &r->sample};

	if (!p)
		return;
	if (!p->sampled) { /* what it used before we looked belongs to no window of ours */
		p->gc_cpu_base_ns = r->sample.gc_cpu_ns;
		p->assist_base_ns = r->sample.assist_ns;
	}
	p->sample = r->sample;
	p->sampled = true;
	trace(m, &t, p->container, p);
}

static void sum_gc_cpu(const struct model_container *c, int64_t *gc, int64_t *assist)
{
	bool known = false;

	*gc = c->gc_cpu_gone_ns;
	*assist = c->assist_gone_ns;
	for (const struct model_process *p = c->processes; p; p = p->next) {
		if (!p->sampled || p->sample.gc_cpu_ns == SAMPLE_UNKNOWN)
			continue;
		*gc += p->sample.gc_cpu_ns - p->gc_cpu_base_ns;
		*assist += p->sample.assist_ns - p->assist_base_ns;
		known = true;
	}
	if (!known)
		*gc = SAMPLE_UNKNOWN;
}

static double cpus_between(const struct cgroup_usage *a, uint64_t a_ns, const struct cgroup_usage *b)
{
	if (!a_ns || a->cpu_ns == LIMIT_UNKNOWN || b->cpu_ns == LIMIT_UNKNOWN || b->time_ns <= a->time_ns ||
	    b->cpu_ns < a->cpu_ns)
		return NAN;
	return (double)(b->cpu_ns - a->cpu_ns) / (double)(b->time_ns - a->time_ns);
}

static void trace_usage(const struct model *m, const struct model_container *c, double cpus)
{
	struct trace_event t = {.kind = TRACE_USAGE, .end_ns = c->usage.time_ns};

	t.u.usage.cpu_cpus = cpus;
	t.u.usage.working_set_bytes =
		c->usage.working_set_bytes == LIMIT_UNKNOWN ? STAT_UNKNOWN : c->usage.working_set_bytes;
	t.u.usage.memory_limit_bytes =
		!c->limits_known || c->limits.memory_limit == LIMIT_UNKNOWN ? STAT_UNKNOWN : c->limits.memory_limit;
	trace(m, &t, c, NULL);
}

static void feed_usage(struct model *m, const struct record_usage *r)
{
	struct model_container *c = model_container_find(m, r->owner_id);
	uint64_t now = r->usage.time_ns;
	int64_t gc, assist;
	double cpus;

	if (!c)
		return;
	if (r->flags & RECORD_USAGE_FAST) {
		container_stats_poll(c->stats, now, r->usage.cpu_ns);
		return;
	}
	cpus = cpus_between(&c->usage, c->usage_ns, &r->usage);
	c->usage = r->usage;
	c->usage_ns = now;
	container_stats_usage(c->stats, &c->usage);
	if (c->usage.working_set_bytes != LIMIT_UNKNOWN)
		container_stats_memory(c->stats, now, c->usage.working_set_bytes);
	sum_gc_cpu(c, &gc, &assist);
	if (gc != SAMPLE_UNKNOWN)
		container_stats_gc_cpu(c->stats, now, gc, assist);
	container_stats_cost(c->stats, now, c->cost_ns);
	container_stats_expire(c->stats, now);
	trace_usage(m, c, cpus);
}

static void feed_limits(struct model *m, const struct record_limits *r)
{
	struct model_container *c = model_container_find(m, r->owner_id);

	if (!c)
		return;
	c->limits = r->limits;
	c->limits_known = true;
}

/* A lost event may have been the end of a cycle: no cycle of now can be trusted. */
static void break_cycles(struct model *m)
{
	size_t pos = 0;
	uint64_t key;
	void *p;

	while (hashmap_next(m->processes, &pos, &key, &p))
		gc_cycle_break(&((struct model_process *)p)->gc);
}

static void feed_signal(struct model *m, const struct record_signal *r)
{
	if (r->id >= SIGNAL_CNT)
		return;
	m->signals[r->id] = *r;
	if (r->id != SIGNAL_GO_GC || r->counters.lost[LOSS_RING_FULL] == m->gc_ring_lost)
		return;
	m->gc_ring_lost = r->counters.lost[LOSS_RING_FULL];
	break_cycles(m);
}

static void feed_node(struct model *m, const struct record_node *r)
{
	struct model_reading *x = &m->readings[m->reading_cnt++ % MODEL_NODE_READINGS];

	x->node = *r;
	for (int id = 0; id < SIGNAL_CNT; id++) {
		x->lost[id] = 0;
		for (int i = 0; i < LOSS_REASON_CNT; i++)
			if (loss_reason_hides((enum loss_reason)i))
				x->lost[id] += all_lost(m, id, i);
	}
}

void model_feed(struct model *m, const struct record *r)
{
	switch (r->type) {
	case RECORD_EVENT:
		feed_event(m, r->body);
		break;
	case RECORD_OWNER:
		feed_owner(m, r->body);
		break;
	case RECORD_OWNER_GONE:
		feed_owner_gone(m, r->body);
		break;
	case RECORD_PROCESS:
		feed_process(m, r->body);
		break;
	case RECORD_PROCESS_GONE:
		feed_process_gone(m, r->body);
		break;
	case RECORD_SAMPLE:
		feed_sample(m, r->body);
		break;
	case RECORD_LIMITS:
		feed_limits(m, r->body);
		break;
	case RECORD_USAGE:
		feed_usage(m, r->body);
		break;
	case RECORD_SIGNAL:
		feed_signal(m, r->body);
		break;
	case RECORD_NODE:
		feed_node(m, r->body);
		break;
	case RECORD_CLOCK:
		clock_set(((const struct record_clock *)r->body)->mono_ns,
			  ((const struct record_clock *)r->body)->unix_ns);
		break;
	case RECORD_TICK:
		expire_pending(m, ((const struct record_tick *)r->body)->time_ns);
		if (m->ops.tick)
			m->ops.tick(r->body, m->ops.arg);
		break;
	case RECORD_SESSION:
		m->session = *(const struct record_session *)r->body;
		break;
	}
}

/* ---- everything of now --------------------------------------------------------------------------------------------
 */

static int put(int (*fn)(const struct record *r, void *arg), void *arg, enum record_type type, const void *body,
	       size_t size)
{
	struct record r = {type, (uint32_t)size, body};

	return fn(&r, arg);
}

static int dump_container(const struct model_container *c, int (*fn)(const struct record *r, void *arg), void *arg)
{
	struct record_owner owner = {.id = c->id, .level_cnt = c->level_cnt, .owner = c->owner};
	struct record_limits limits = {.owner_id = c->id, .limits = c->limits};
	struct record_usage usage = {.owner_id = c->id, .usage = c->usage};
	int err;

	memcpy(owner.levels, c->levels, sizeof(owner.levels));
	err = put(fn, arg, RECORD_OWNER, &owner, sizeof(owner));
	for (const struct model_process *p = c->processes; p && !err; p = p->next) {
		struct record_process rec = p->rec;

		rec.flags &= ~(uint32_t)RECORD_PROCESS_STARTED; /* before the recording */
		err = put(fn, arg, RECORD_PROCESS, &rec, sizeof(rec));
	}
	if (!err && c->limits_known)
		err = put(fn, arg, RECORD_LIMITS, &limits, sizeof(limits));
	if (!err && c->usage_ns)
		err = put(fn, arg, RECORD_USAGE, &usage, sizeof(usage));
	return err;
}

int model_dump(const struct model *m, int (*fn)(const struct record *r, void *arg), void *arg)
{
	struct model_container *c;
	struct record_clock clock;
	size_t pos = 0;
	int err;

	clock_pair(&clock.mono_ns, &clock.unix_ns);
	err = put(fn, arg, RECORD_SESSION, &m->session, sizeof(m->session));
	if (!err)
		err = put(fn, arg, RECORD_CLOCK, &clock, sizeof(clock));
	for (int i = 0; i < SIGNAL_CNT && !err; i++)
		err = put(fn, arg, RECORD_SIGNAL, &m->signals[i], sizeof(m->signals[i]));
	while (!err && (c = model_container_next(m, &pos)))
		err = dump_container(c, fn, arg);
	return err;
}
