/* SPDX-License-Identifier: BSD-2-Clause */
/* Records in, state out: containers, processes, readings, and what they are told apart by. Events:
 * model_events.c; what Go runtimes tell: model_runtime.c. */
#include "model_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "base/str.h"
#include "diagnose/verdicts.h"
#include "diagnose/words.h"
#include "events/source.h"
#include "probes/signal.h"
#include "procs/process.h"

#define CONTAINERS_MAX 4096
#define PROCESSES_MAX  32768
/* Two million spans: a minute of throttling of 110 pods on 8 CPUs is half a million. */
#define HISTORY_MAX  (32u << 20)
#define VERDICT_NOTE 120

/* ---- life ---------------------------------------------------------------------------------------------- */

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

static void process_free(struct model_process *p)
{
	census_stats_deinit(&p->census);
	model_sched_free(p);
	free(p);
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
		process_free(value);
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

struct model_process *model_process_find(const struct model *m, uint32_t pid)
{
	return hashmap_find(m->processes, pid);
}

/* ---- traces and notes ---------------------------------------------------------------------------------- */

void model_trace(const struct model *m, struct trace_event *e, const struct model_container *c,
		 const struct model_process *p)
{
	if (!m->ops.trace)
		return;
	e->start_unix_ns = clock_mono_to_unix(e->end_ns) - e->duration_ns;
	if (c && !e->owner)
		e->owner = &c->owner;
	if (c) {
		e->container_id = c->id;
		e->limits = c->limits_known ? &c->limits : NULL;
	}
	if (p) {
		e->process = &p->rec;
		e->sample = p->sampled ? &p->sample : NULL;
		e->pid = p->rec.pid;
	}
	m->ops.trace(e, m->ops.arg);
}

void model_note(struct model_container *c, uint64_t time_ns, const char *fmt, ...)
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
	char text[VERDICT_NOTE];

	words_cut(text, sizeof(text), v->text);
	if (c)
		model_note(c, now_ns, "verdict %s %s: %s%s%s: %s", ended ? "ended" : "began",
			   verdict_severity_name(v->severity), v->id, v->culprit[0] ? "+" : "", v->culprit, text);
	model_trace(m, &t, c, NULL);
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
				model_trace(m, &t, NULL, NULL);
		}
	return sum;
}

/* ---- containers and processes -------------------------------------------------------------------------- */

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

static void start_process(struct model *m, struct model_process *p)
{
	struct trace_event t = {.kind = TRACE_PROCESS_START, .end_ns = p->rec.start_ns};

	model_note(p->container, p->rec.start_ns, "process %d started: %.60s %.40s", p->rec.pid, p->rec.comm,
		   p->rec.go_version);
	model_trace(m, &t, p->container, p);
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
	struct model_process *p = model_process_find(m, (uint32_t)r->pid);
	struct model_container *c = model_container_find(m, r->owner_id);
	bool is_new = !p;

	if (!p)
		p = add_process(m, r);
	if (!p)
		return;
	if (is_new || p->container != c || p->rec.netns != r->netns)
		model_index_changed(&m->index);
	p->rec = *r;
	if (p->container != c) {
		unlink_process(p);
		if (c)
			link_process(c, p);
	}
	if (!is_new || !c)
		return;
	if (r->flags & RECORD_PROCESS_STARTED)
		start_process(m, p);
	model_retry_pending(m, r->pid);
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

/* Sums of counters of many processes: what would not fit is left out, it is no CPU time. */
static void add_grown(int64_t *sum, int64_t now, int64_t base)
{
	int64_t grown, more;

	if (now != SAMPLE_UNKNOWN && !__builtin_sub_overflow(now, base, &grown) &&
	    !__builtin_add_overflow(*sum, grown, &more))
		*sum = more;
}

/* What the process used since it was first sampled. False: not known. */
static bool add_gc_cpu(const struct model_process *p, int64_t *gc, int64_t *assist)
{
	if (!p->sampled || p->sample.gc_cpu_ns == SAMPLE_UNKNOWN)
		return false;
	add_grown(gc, p->sample.gc_cpu_ns, p->gc_cpu_base_ns);
	add_grown(assist, p->sample.assist_ns, p->assist_base_ns);
	return true;
}

static void feed_process_gone(struct model *m, const struct record_process_gone *r)
{
	struct model_process *p = hashmap_remove(m->processes, (uint64_t)r->pid);
	struct model_container *c = p ? p->container : NULL;
	char words[40];

	if (!p)
		return;
	model_sched_gone(m, p, r->time_ns);
	if (c)
		add_gc_cpu(p, &c->gc_cpu_gone_ns, &c->assist_gone_ns);
	if (c && r->has_exit) {
		struct trace_event t = {
			.kind = TRACE_PROCESS_EXIT, .end_ns = r->time_ns, .u.exit = {true, r->exit_code}};

		model_note(c, r->time_ns, "process %d ended: %s", p->rec.pid,
			   exit_words(r->exit_code, words, sizeof(words)));
		model_trace(m, &t, c, p);
	}
	unlink_process(p);
	process_free(p);
	model_index_changed(&m->index);
}

/* ---- readings ------------------------------------------------------------------------------------------ */

static void sum_gc_cpu(const struct model_container *c, int64_t *gc, int64_t *assist)
{
	bool known = false;

	*gc = c->gc_cpu_gone_ns;
	*assist = c->assist_gone_ns;
	for (const struct model_process *p = c->processes; p; p = p->next)
		known |= add_gc_cpu(p, gc, assist);
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
	model_trace(m, &t, c, NULL);
}

/* The limit stays: it holds whoever is in the cgroup. */
static void forget_memory(struct cgroup_usage *u)
{
	u->memory_bytes = u->working_set_bytes = u->memory_peak_bytes = u->oom_kills = LIMIT_UNKNOWN;
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
		if (r->usage.cpu_ns != LIMIT_UNKNOWN)
			container_stats_poll(c->stats, now, r->usage.cpu_ns);
		return;
	}
	container_stats_expire(c->stats, now);
	if (c->owner.gone_ns && now > c->owner.gone_ns)
		return; /* of others in its cgroup */
	cpus = cpus_between(&c->usage, c->usage_ns, &r->usage);
	c->usage = r->usage;
	if (!model_index_owns_memory(&m->index, m, c))
		forget_memory(&c->usage);
	c->usage_ns = now;
	container_stats_usage(c->stats, &c->usage);
	if (c->usage.working_set_bytes != LIMIT_UNKNOWN)
		container_stats_memory(c->stats, now, c->usage.working_set_bytes);
	sum_gc_cpu(c, &gc, &assist);
	if (gc != SAMPLE_UNKNOWN)
		container_stats_gc_cpu(c->stats, now, gc, assist);
	container_stats_cost(c->stats, now, c->cost_ns);
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

static void no_less(uint64_t *v, uint64_t than)
{
	*v = *v < than ? than : *v;
}

/* Whoever asks takes differences. Times of the kernel may fall by a tick (steal time, a CPU that goes), counts of
 * losses begin anew with probes that were off. */
static void keep_growing(struct model_reading *x, const struct model_reading *last)
{
	no_less(&x->node.busy, last->node.busy);
	no_less(&x->node.steal, last->node.steal);
	no_less(&x->node.agent_cpu_ns, last->node.agent_cpu_ns);
	for (int id = 0; id < SIGNAL_CNT; id++)
		no_less(&x->lost[id], last->lost[id]);
}

static void feed_node(struct model *m, const struct record_node *r)
{
	const struct model_reading *last = model_reading(m, 0);
	struct model_reading x = {.node = *r};

	for (int id = 0; id < SIGNAL_CNT; id++)
		for (int i = 0; i < LOSS_REASON_CNT; i++)
			if (loss_reason_hides((enum loss_reason)i))
				x.lost[id] += all_lost(m, id, i);
	if (last)
		keep_growing(&x, last);
	m->readings[m->reading_cnt++ % MODEL_NODE_READINGS] = x;
}

void model_feed(struct model *m, const struct record *r)
{
	switch (r->type) {
	case RECORD_EVENT:
		model_event(m, r->body);
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
		model_sample(m, r->body);
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
		model_expire_pending(m, ((const struct record_tick *)r->body)->time_ns);
		if (m->ops.tick)
			m->ops.tick(r->body, m->ops.arg);
		break;
	case RECORD_SESSION:
		m->session = *(const struct record_session *)r->body;
		break;
	case RECORD_LATENCY:
		model_latency(m, r->body);
		break;
	case RECORD_CENSUS:
		model_census(m, r->body);
		break;
	case RECORD_PAUSES:
		model_pauses(m, r->body);
		break;
	case RECORD_RESOURCES:
		model_resources(m, r->body);
		break;
	case RECORD_GO_SCHED:
		model_go_sched(m, r->body);
		break;
	case RECORD_SCHED_NAME:
		model_sched_name(m, r->body);
		break;
	case RECORD_SCHED_WINDOW:
		model_sched_window(m, r->body);
		break;
	case RECORD_OVERHEAD:
		model_overhead(m, r->body);
		break;
	}
}

/* ---- everything of now --------------------------------------------------------------------------------- */

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
		if (!err)
			err = model_runtime_dump(p, fn, arg);
		if (!err)
			err = model_sched_dump(p, fn, arg);
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
