/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON contract (design document, section 6), field by field in its order. Every key of the contract is always
 * there: what is unknown, or belongs to a signal that this build does not have, is null (a list or map: empty). Fields
 * beyond the contract stand after its own. Names come from outside and need not be UTF-8, JSON must be: bad bytes
 * become U+FFFD.
 *
 * A builder returns NULL when any allocation in it failed, and put() hands that on, so a half-built object never
 * leaves. */
#include "export/jsonl.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/utf8.h"
#include "diagnose/verdicts.h"
#include "procs/process.h"
#include "stats/dist.h"

#define REAL_DIGITS 12             /* nanoseconds of an hour; more would print the noise of binary fractions */
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* Takes value, also on failure. */
static int put(json_t *o, const char *key, json_t *value)
{
	return json_object_set_new(o, key, value);
}

static json_t *finish(json_t *o, int err)
{
	if (!err)
		return o;
	json_decref(o);
	return NULL;
}

/* A line without newline; takes o. */
static char *line(json_t *o)
{
	char *ret = o ? json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(REAL_DIGITS)) : NULL;

	json_decref(o);
	return ret;
}

/* Text from outside; "" and NULL are unknown. */
static json_t *text(const char *s)
{
	size_t left = s ? strlen(s) : 0;
	struct str clean;
	json_t *ret;

	if (!left)
		return json_null();
	ret = json_string(s); /* refuses what is no UTF-8 */
	if (ret)
		return ret;
	str_init(&clean);
	while (left) {
		uint32_t c;
		size_t n = utf8_next(s, left, &c);

		str_add_n(&clean, n ? s : REPLACEMENT, n ? n : strlen(REPLACEMENT));
		s += n ? n : 1;
		left -= n ? n : 1;
	}
	ret = clean.failed ? NULL : json_string(str_get(&clean));
	str_deinit(&clean);
	return ret;
}

static json_t *real(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *integer(int64_t v)
{
	return v == STAT_UNKNOWN ? json_null() : json_integer(v);
}

static json_t *seconds(uint64_t ns)
{
	return json_real((double)ns / (double)NS_PER_SEC);
}

/* Absolute times are beyond 2^53, so they are strings. */
static json_t *unix_nano(uint64_t ns)
{
	return ns ? json_sprintf("%llu", (unsigned long long)ns) : json_null();
}

static json_t *dist(const struct dist *d)
{
	json_t *o = json_object();
	int err = put(o, "count", d->cnt < 0 ? json_null() : json_integer(d->cnt));
	const struct {
		const char *key;
		double value;
	} values[] = {{"sum", d->sum}, {"min", d->min}, {"p50", d->p50},
		      {"p90", d->p90}, {"p99", d->p99}, {"max", d->max}};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		err |= put(o, values[i].key, d->cnt < 0 ? json_null() : real(values[i].value));
	return finish(o, err);
}

static json_t *dist_of_nobody(void)
{
	struct dist d;

	dist_unknown(&d);
	return dist(&d);
}

/* An object of these keys, all null: for what this build cannot know. */
static json_t *nulls(const char *const *keys, size_t cnt)
{
	json_t *o = json_object();
	int err = 0;

	for (size_t i = 0; i < cnt; i++)
		err |= put(o, keys[i], json_null());
	return finish(o, err);
}

static json_t *owner(const struct owner *o)
{
	static const struct owner nobody;
	json_t *ret = json_object(), *workload = json_object();
	int err = 0;

	o = o ? o : &nobody;
	err |= put(workload, "kind", text(o->workload_kind));
	err |= put(workload, "name", text(o->workload_name));
	err |= put(ret, "namespace", text(o->namespace_));
	err |= put(ret, "pod", text(o->pod));
	err |= put(ret, "pod_uid", text(o->pod_uid));
	err |= put(ret, "container", text(o->container));
	err |= put(ret, "container_id", text(o->container_id));
	err |= put(ret, "runtime", text(o->runtime));
	err |= put(ret, "workload", workload);
	err |= put(ret, "cgroup", text(o->cgroup));
	return finish(ret, err);
}

/* list */

static json_t *process_signal(bool on, const char *why, const char *via)
{
	json_t *o = json_object();
	int err = 0;

	err |= put(o, "state", json_string(on ? "on" : "off"));
	err |= put(o, "reason", on ? json_null() : text(why));
	err |= put(o, "via", on ? text(via) : json_null());
	return finish(o, err);
}

static json_t *process_signals(const struct process *p)
{
	const struct binary *b = p->binary;
	const char *gc_why = *p->go_gc_why ? p->go_gc_why : p->why;
	const char *runtime_why = *p->go_runtime_why ? p->go_runtime_why : p->why;
	char via[64] = "";
	json_t *o = json_object();
	int err = 0;

	if (b)
		snprintf(via, sizeof(via), "uprobe at %s", probe_how_text(b->sites[GO_SITE_START_WORLD].how));
	err |= put(o, "go_gc", process_signal(p->go_gc_on, gc_why, via));
	err |= put(o, "go_runtime", process_signal(p->go_runtime_on, runtime_why, "passive reads"));
	return finish(o, err);
}

static const char *process_state_name(enum process_state s)
{
	static const char *const names[] = {
		[PROCESS_OBSERVED] = "observed", [PROCESS_PARTIAL] = "partial", [PROCESS_REFUSED] = "refused",
		[PROCESS_HELPER] = "helper",     [PROCESS_SKIPPED] = "skipped",
	};

	return (size_t)s < ARRAY_SIZE(names) ? names[s] : NULL;
}

static json_t *boolean(const struct binary *b, bool value)
{
	return b ? json_boolean(value) : json_null();
}

char *jsonl_process(const struct process *p, const struct owner *o)
{
	const struct binary *b = p->binary;
	json_t *ret = json_object();
	int err = 0;

	err |= put(ret, "schema", json_string("gopherscope.process/1"));
	err |= put(ret, "pid", json_integer(p->pid));
	err |= put(ret, "start_unix_nano", unix_nano(p->start_unix_ns));
	err |= put(ret, "comm", text(p->comm));
	err |= put(ret, "exe", text(p->exe));
	err |= put(ret, "go_version", text(b ? b->go_version : NULL));
	err |= put(ret, "build_id", text(b ? b->build_id : NULL));
	err |= put(ret, "arch", text(b ? b->arch : NULL));
	err |= put(ret, "module", text(b ? b->module : NULL));
	err |= put(ret, "stripped", boolean(b, b && b->stripped));
	err |= put(ret, "pie", boolean(b, b && b->pie));
	err |= put(ret, "cgo", boolean(b, b && b->cgo));
	err |= put(ret, "owner", owner(o));
	err |= put(ret, "signals", process_signals(p));
	err |= put(ret, "state", text(process_state_name(p->state)));
	err |= put(ret, "reason", text(p->why));
	return line(finish(ret, err));
}

/* snapshots */

static json_t *node(const struct snapshot *s)
{
	json_t *o = json_object();
	int err = 0;

	err |= put(o, "name", text(s->node_name));
	err |= put(o, "cpus", s->node_cpus > 0 ? json_integer(s->node_cpus) : json_null());
	err |= put(o, "cpu_busy_ratio", real(s->cpu_busy_ratio));
	err |= put(o, "steal_ratio", real(s->steal_ratio));
	err |= put(o, "memory_used_ratio", real(s->memory_used_ratio));
	return finish(o, err);
}

/* Reasons that lost something. */
static json_t *lost_reasons(const struct snapshot_signal *sig)
{
	json_t *o = json_object();
	int err = 0;

	for (int r = 0; r < LOSS_REASON_CNT; r++)
		if (sig->lost[r])
			err |= put(o, loss_reason_name((enum loss_reason)r), json_integer((json_int_t)sig->lost[r]));
	return finish(o, err);
}

static json_t *signal_state(const struct snapshot_signal *sig)
{
	json_t *o = json_object();
	int err = 0;

	err |= put(o, "state", text(sig->state));
	err |= put(o, "reason", text(sig->reason));
	err |= put(o, "hits", json_integer((json_int_t)sig->hits));
	err |= put(o, "events", json_integer((json_int_t)sig->events));
	err |= put(o, "filtered", json_integer((json_int_t)sig->filtered));
	return finish(o, err);
}

static json_t *agent(const struct snapshot *s)
{
	json_t *o = json_object(), *lost = json_object(), *signals = json_object();
	int err = 0;

	for (int i = 0; i < SIGNAL_CNT; i++) {
		if (!s->signals[i].present)
			continue;
		err |= put(lost, s->signals[i].name, lost_reasons(&s->signals[i]));
		err |= put(signals, s->signals[i].name, signal_state(&s->signals[i]));
	}
	err |= put(o, "cpu_seconds", real(s->agent_cpu_seconds));
	err |= put(o, "rss_bytes", integer(s->agent_rss_bytes));
	err |= put(o, "events", json_integer((json_int_t)s->events));
	err |= put(o, "lost", lost);
	err |= put(o, "signals", signals);
	return finish(o, err);
}

static json_t *processes(const struct snapshot_container *c)
{
	json_t *list = json_array();
	int err = 0;

	for (int i = 0; i < c->process_cnt; i++) {
		const struct snapshot_process *p = &c->processes[i];
		json_t *o = json_object();
		int bad = 0;

		bad |= put(o, "pid", json_integer(p->pid));
		bad |= put(o, "start_unix_nano", unix_nano(p->start_unix_ns));
		bad |= put(o, "go_version", text(p->go_version));
		bad |= put(o, "gomaxprocs", integer(p->gomaxprocs));
		err |= json_array_append_new(list, finish(o, bad));
	}
	return finish(list, err);
}

/* Reasons that happened. */
static json_t *pauses_by_reason(const struct snapshot_gc *g)
{
	json_t *o = json_object();
	int err = 0;

	for (uint32_t r = 0; g->on && r < ARRAY_SIZE(g->pauses_by_reason); r++)
		if (g->pauses_by_reason[r] > 0)
			err |= put(o, stw_reason_name(r), json_integer(g->pauses_by_reason[r]));
	return finish(o, err);
}

static json_t *gc(const struct snapshot_gc *g)
{
	json_t *o = json_object();
	int err = 0;

	err |= put(o, "cycles", g->on ? integer(g->cycles) : json_null());
	err |= put(o, "cycles_total", integer(g->cycles_total));
	err |= put(o, "pause_seconds", g->on ? dist(&g->pause) : dist_of_nobody());
	err |= put(o, "pauses_by_reason", pauses_by_reason(g));
	err |= put(o, "cpu_ratio", real(g->cpu_ratio));
	err |= put(o, "assist_seconds", real(g->assist_seconds));
	err |= put(o, "heap_live_bytes", integer(g->heap_live_bytes));
	err |= put(o, "heap_goal_bytes", integer(g->heap_goal_bytes));
	err |= put(o, "gogc", integer(g->gogc));
	err |= put(o, "memory_limit_bytes", integer(g->memory_limit_bytes));
	err |= put(o, "mark_seconds", g->on ? dist(&g->mark) : dist_of_nobody());
	err |= put(o, "mark_wall_ratio", g->on ? real(g->mark_wall_ratio) : json_null());
	return finish(o, err);
}

static json_t *sched(const struct snapshot_container *c)
{
	static const char *const unknown[] = {"running", "runnable", "waiting", "syscall", "threads"};
	json_t *o = json_object();
	int err = 0;

	err |= put(o, "latency_seconds", dist_of_nobody());
	err |= put(o, "source", json_null());
	err |= put(o, "goroutines", integer(c->goroutines));
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		err |= put(o, unknown[i], json_null());
	return finish(o, err);
}

static json_t *throttle(const struct snapshot_cpu *c)
{
	static const char *const consumers[] = {"go_user", "go_gc_worker", "go_gc_assist", "non_go", "unclassified"};
	bool on = c->intervals != STAT_UNKNOWN;
	json_t *o = json_object();
	int err = 0;

	err |= put(o, "intervals", integer(c->intervals));
	err |= put(o, "union_seconds", on ? real(c->union_seconds) : json_null());
	err |= put(o, "cpu_seconds", on ? real(c->cpu_seconds) : json_null());
	err |= put(o, "ratio", on ? real(c->ratio) : json_null());
	err |= put(o, "length_seconds", on ? dist(&c->length) : dist_of_nobody());
	err |= put(o, "consumers", nulls(consumers, ARRAY_SIZE(consumers)));
	err |= put(o, "nr_periods", integer(c->nr_periods));
	err |= put(o, "nr_throttled", integer(c->nr_throttled));
	err |= put(o, "kernel_cpu_seconds", real(c->kernel_cpu_seconds));
	err |= put(o, "missed_seconds", on ? real(c->missed_seconds) : json_null());
	return finish(o, err);
}

static json_t *cpu(const struct snapshot_cpu *c)
{
	json_t *o = json_object();
	int err = 0;

	err |= put(o, "usage_seconds", real(c->usage_seconds));
	err |= put(o, "limit_cpus", real(c->limit_cpus));
	err |= put(o, "request_cpus", real(c->request_cpus));
	err |= put(o, "runq_seconds", dist_of_nobody());
	err |= put(o, "throttle", throttle(c));
	return finish(o, err);
}

/* No network signal is built: the keys of the contract, and nothing known. */
static json_t *net(void)
{
	static const char *const unknown[] = {"segments", "retransmits", "resets", "connections"};
	json_t *o = json_object();
	int err = 0;

	err |= put(o, "connect_seconds", dist_of_nobody());
	err |= put(o, "rtt_seconds", dist_of_nobody());
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		err |= put(o, unknown[i], json_null());
	err |= put(o, "failed_connects", json_object());
	err |= put(o, "dns_seconds", dist_of_nobody());
	err |= put(o, "dns_failures", json_null());
	err |= put(o, "peers", json_array());
	return finish(o, err);
}

static json_t *memory(const struct snapshot_memory *m)
{
	json_t *o = json_object();
	int err = 0;

	err |= put(o, "usage_bytes", integer(m->usage_bytes));
	err |= put(o, "working_set_bytes", integer(m->working_set_bytes));
	err |= put(o, "limit_bytes", integer(m->limit_bytes));
	err |= put(o, "oom_kills", integer(m->oom_kills));
	err |= put(o, "peak_bytes", integer(m->peak_bytes));
	return finish(o, err);
}

static json_t *evidence(const struct verdict *v)
{
	json_t *list = json_array();
	int err = 0;

	for (int i = 0; i < v->evidence_cnt; i++) {
		const struct evidence *e = &v->evidence[i];
		json_t *o = json_object();
		int bad = 0;

		bad |= put(o, "name", text(e->name));
		bad |= put(o, "value", real(e->value));
		bad |= put(o, "unit", text(e->unit));
		bad |= put(o, "threshold", real(e->threshold));
		err |= json_array_append_new(list, finish(o, bad));
	}
	return finish(list, err);
}

static json_t *verdicts(const struct snapshot_container *c)
{
	json_t *list = json_array();
	int err = 0;

	for (int i = 0; i < c->verdict_cnt; i++) {
		const struct verdict *v = &c->verdicts[i];
		json_t *o = json_object();
		int bad = 0;

		bad |= put(o, "id", text(v->id));
		bad |= put(o, "severity", text(verdict_severity_name(v->severity)));
		bad |= put(o, "since_unix_nano", unix_nano(v->since_unix_ns));
		bad |= put(o, "text", text(v->text));
		bad |= put(o, "advice", text(v->advice));
		bad |= put(o, "culprit", text(v->culprit));
		bad |= put(o, "evidence", evidence(v));
		err |= json_array_append_new(list, finish(o, bad));
	}
	return finish(list, err);
}

static json_t *container(const struct snapshot_container *c)
{
	json_t *o = json_object();
	int err = 0;

	err |= put(o, "owner", owner(&c->owner));
	err |= put(o, "processes", processes(c));
	err |= put(o, "cost_ratio", real(c->cost_ratio));
	err |= put(o, "gc", gc(&c->gc));
	err |= put(o, "sched", sched(c));
	err |= put(o, "cpu", cpu(&c->cpu));
	err |= put(o, "net", net());
	err |= put(o, "memory", memory(&c->memory));
	err |= put(o, "verdicts", verdicts(c));
	err |= put(o, "gone", json_boolean(c->gone));
	err |= put(o, "seen_seconds", seconds(c->seen_ns));
	err |= put(o, "processes_not_observable", json_integer(c->refused_cnt));
	return finish(o, err);
}

static char *snapshot(const struct snapshot *s, const struct snapshot_container *containers, int cnt)
{
	json_t *o = json_object(), *list = json_array();
	int err = 0;

	for (int i = 0; i < cnt; i++)
		err |= json_array_append_new(list, container(&containers[i]));
	err |= put(o, "schema", json_string("gopherscope.snapshot/1"));
	err |= put(o, "time_unix_nano", unix_nano(s->time_unix_ns));
	err |= put(o, "window_seconds", real(s->window_seconds));
	err |= put(o, "node", node(s));
	err |= put(o, "agent", agent(s));
	err |= put(o, "containers", list);
	return line(finish(o, err));
}

char *jsonl_snapshot(const struct snapshot *s)
{
	return snapshot(s, s->containers, s->container_cnt);
}

char *jsonl_why(const struct snapshot *s, const struct snapshot_container *c)
{
	return snapshot(s, c, 1);
}

/* trace */

/* What all events have in common. end_ns and duration_ns are of CLOCK_MONOTONIC: the end is converted and the duration
 * subtracted, so that a new pair of clocks between two conversions cannot bend a span. */
static json_t *event(const char *kind, uint64_t end_ns, uint64_t duration_ns, uint32_t pid, uint32_t tid,
		     const struct owner *o, int *err)
{
	json_t *ret = json_object();

	*err = put(ret, "schema", json_string("gopherscope.event/1"));
	*err |= put(ret, "kind", json_string(kind));
	*err |= put(ret, "time_unix_nano", unix_nano(clock_mono_to_unix(end_ns) - duration_ns));
	*err |= put(ret, "duration_seconds", seconds(duration_ns));
	*err |= put(ret, "pid", pid ? json_integer(pid) : json_null());
	*err |= put(ret, "tid", tid ? json_integer(tid) : json_null());
	*err |= put(ret, "goid", json_null());
	*err |= put(ret, "owner", owner(o));
	return ret;
}

static uint64_t span(uint64_t start_ns, uint64_t end_ns)
{
	return end_ns > start_ns ? end_ns - start_ns : 0;
}

/* Before Go 1.21 the runtime has no number for the reason but words. */
static json_t *pause_reason(const struct event_gc_pause *e)
{
	char words[STW_TEXT_SZ + 1] = "";

	if (e->reason != STW_UNKNOWN)
		return text(stw_reason_name(e->reason));
	memcpy(words, e->text, STW_TEXT_SZ);
	return text(words);
}

char *jsonl_pause(const struct event_gc_pause *e, const struct owner *o)
{
	bool stopped = e->stopped_ns >= e->start_ns && e->stopped_ns <= e->hdr.time_ns && e->stopped_ns;
	int err;
	json_t *ret =
		event("gc.pause", e->hdr.time_ns, span(e->start_ns, e->hdr.time_ns), e->hdr.tgid, e->hdr.tid, o, &err);

	err |= put(ret, "reason", pause_reason(e));
	err |= put(ret, "stopping_seconds", stopped ? seconds(e->stopped_ns - e->start_ns) : json_null());
	return line(finish(ret, err));
}

static const char *trigger_name(uint32_t trigger)
{
	static const char *const names[] = {
		[GC_TRIGGER_HEAP] = "heap", [GC_TRIGGER_TIME] = "time", [GC_TRIGGER_FORCED] = "forced"};

	return trigger < ARRAY_SIZE(names) ? names[trigger] : NULL;
}

char *jsonl_cycle(uint32_t pid, const struct gc_cycle_done *d, const struct owner *o)
{
	int err;
	json_t *ret = event("gc.cycle", d->end_ns, span(d->start_ns, d->end_ns), pid, 0, o, &err);

	err |= put(ret, "trigger", text(trigger_name(d->trigger)));
	err |= put(ret, "gomaxprocs", d->procs ? json_integer(d->procs) : json_null());
	err |= put(ret, "pauses", json_integer(d->pauses));
	err |= put(ret, "pause_seconds", seconds(d->pause_sum_ns));
	return line(finish(ret, err));
}

char *jsonl_mark(uint32_t pid, const struct gc_cycle_done *d, const struct owner *o)
{
	int err;
	json_t *ret = event("gc.mark", d->mark_end_ns, span(d->mark_start_ns, d->mark_end_ns), pid, 0, o, &err);

	return line(finish(ret, err));
}

char *jsonl_throttle(const struct event_throttle *e, const struct owner *o)
{
	int err;
	json_t *ret = event("cpu.throttle", e->hdr.time_ns, span(e->start_ns, e->hdr.time_ns), 0, 0, o, &err);

	err |= put(ret, "cpu", json_integer(e->cpu));
	return line(finish(ret, err));
}

char *jsonl_throttle_missed(const struct event_throttle_missed *e, const struct owner *o)
{
	int err;
	json_t *ret = event("cpu.throttle_missed", e->hdr.time_ns, span(e->start_ns, e->hdr.time_ns), 0, 0, o, &err);

	err |= put(ret, "missed_seconds", real((double)e->missed_ns / (double)NS_PER_SEC));
	return line(finish(ret, err));
}

/* exit_code of a process that a signal ended is null, as wait(2) has it: then `signal` is its number. */
static int put_exit(json_t *o, uint32_t status)
{
	bool killed = status & 0x7f;

	return put(o, "exit_code", killed ? json_null() : json_integer((status >> 8) & 0xff)) |
	       put(o, "signal", killed ? json_integer(status & 0x7f) : json_null());
}

char *jsonl_proc(const struct event_proc *e, const struct process *p, const struct owner *o)
{
	bool exited = e->hdr.kind == EVENT_PROC_EXIT;
	char comm[EVENT_COMM_SZ + 1] = "";
	int err;
	json_t *ret =
		event(exited ? "process.exit" : "process.start", e->hdr.time_ns, 0, e->hdr.tgid, e->hdr.tid, o, &err);

	memcpy(comm, e->comm, EVENT_COMM_SZ);
	err |= put(ret, "comm", text(comm));
	err |= put(ret, "go_version", text(p && p->binary ? p->binary->go_version : NULL));
	if (exited)
		err |= put_exit(ret, e->exit_code);
	return line(finish(ret, err));
}

char *jsonl_lost(const char *signal, const char *reason, uint64_t count)
{
	int err;
	json_t *ret = event("lost", clock_mono_ns(), 0, 0, 0, NULL, &err);

	err |= put(ret, "signal", text(signal));
	err |= put(ret, "reason", text(reason));
	err |= put(ret, "count", json_integer((json_int_t)count));
	return line(finish(ret, err));
}
