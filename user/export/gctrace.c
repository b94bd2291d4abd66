/* SPDX-License-Identifier: BSD-2-Clause */
/* The two lines and their JSON. The words of gctrace=1 are the same in Go 1.18-1.27 (gcMarkTermination in mgc.go), but
 * for cycles that look for leaked goroutines, which 1.26 and newer name; those of schedtrace grew a field in 1.20 and a
 * list in 1.25 (schedtrace in proc.go). Numbers go through the runtime's own roundings, itoaDiv and fmtNSAsMS, which
 * cut and never round up. */
#include "export/gctrace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "export/jsonl.h"
#include "export/jw.h"
#include "export/runtime_json.h"
#include "pods/owner.h"

#define MIB_SHIFT    20
#define NUMBER_SZ    24
#define FRACTION_MAX 1e6 /* no share of CPU time is larger: what is read is no fraction */

/* itoaDiv of the runtime: val / 10^dec with all its decimals. */
static const char *divided(uint64_t val, int dec, char buf[static NUMBER_SZ])
{
	uint64_t unit = 1;

	for (int i = 0; i < dec; i++)
		unit *= 10;
	if (dec)
		snprintf(buf, NUMBER_SZ, "%llu.%0*llu", (unsigned long long)(val / unit), dec,
			 (unsigned long long)(val % unit));
	else
		snprintf(buf, NUMBER_SZ, "%llu", (unsigned long long)val);
	return buf;
}

/* fmtNSAsMS of the runtime: two digits that count, at most three decimals, whole from 10 ms on. */
static const char *milliseconds(uint64_t ns, char buf[static NUMBER_SZ])
{
	uint64_t x = ns / 1000;
	int dec = 3;

	if (ns >= 10000000)
		return divided(ns / 1000000, 0, buf);
	if (!x)
		return divided(0, 0, buf);
	for (; x >= 100; x /= 10)
		dec--;
	return divided(x, dec, buf);
}

static const char *percent(double fraction, char buf[static NUMBER_SZ])
{
	if (fraction >= 0 && fraction < FRACTION_MAX)
		snprintf(buf, NUMBER_SZ, "%lld", (long long)(fraction * 100));
	else
		str_copy(buf, NUMBER_SZ, "?");
	return buf;
}

static const char *since(int64_t at_ns, uint64_t init_ns, char buf[static NUMBER_SZ])
{
	if (!init_ns || at_ns < (int64_t)init_ns)
		return "?";
	return divided((uint64_t)(at_ns - (int64_t)init_ns) / 1000000, 3, buf);
}

static unsigned long long mib(uint64_t bytes)
{
	return bytes >> MIB_SHIFT;
}

/* The phases. Unsigned, as the runtime prints them: what a recording may hold wraps and breaks nothing. */
struct phases {
	uint64_t sweep_term, mark, mark_term, sweep_term_cpu, mark_term_cpu; /* ns */
};

static struct phases phases_of(const struct runtime_cycle *c)
{
	struct phases p = {
		.sweep_term = (uint64_t)c->mark_ns - (uint64_t)c->sweep_term_ns,
		.mark = (uint64_t)c->mark_term_ns - (uint64_t)c->mark_ns,
		.mark_term = (uint64_t)c->end_ns - (uint64_t)c->mark_term_ns,
	};

	p.sweep_term_cpu = (uint64_t)c->stwprocs * p.sweep_term;
	p.mark_term_cpu = (uint64_t)c->stwprocs * p.mark_term;
	return p;
}

void gctrace_line(const struct runtime_cycle *c, uint64_t init_ns, char buf[static GCTRACE_LINE_SZ])
{
	const struct phases p = phases_of(c);
	char n[10][NUMBER_SZ];

	snprintf(buf, GCTRACE_LINE_SZ,
		 "gc %llu @%ss %s%%%s: %s+%s+%s ms clock, %s+%s/%s/%s+%s ms cpu, %llu->%llu->%llu MB, %llu MB goal, "
		 "%llu MB stacks, %llu MB globals, %d P%s",
		 (unsigned long long)c->numgc, since(c->sweep_term_ns, init_ns, n[0]), percent(c->cpu_fraction, n[1]),
		 c->leak_check > 0 ? " (checking for goroutine leaks)" : "", milliseconds(p.sweep_term, n[2]),
		 milliseconds(p.mark, n[3]), milliseconds(p.mark_term, n[4]), milliseconds(p.sweep_term_cpu, n[5]),
		 milliseconds((uint64_t)c->assist_ns, n[6]),
		 milliseconds((uint64_t)c->dedicated_ns + (uint64_t)c->fractional_ns, n[7]),
		 milliseconds((uint64_t)c->idle_ns, n[8]), milliseconds(p.mark_term_cpu, n[9]), mib(c->heap0),
		 mib(c->heap1), mib(c->heap2), mib(c->goal), mib(c->stacks), mib(c->globals), c->maxprocs,
		 c->forced ? " (forced)" : "");
}

static void null_fields(struct jw *w)
{
	static const char *const keys[] = {
		"number",          "forced",          "leak_check",        "cpu_ratio",
		"clock_seconds",   "cpu_seconds",     "heap_before_bytes", "heap_after_bytes",
		"heap_live_bytes", "heap_goal_bytes", "stacks_bytes",      "globals_bytes"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		jw_null(w, keys[i]);
}

static void phase_fields(struct jw *w, const struct runtime_cycle *c)
{
	const struct phases p = phases_of(c);

	jw_begin(w, "clock_seconds", '{');
	jw_seconds(w, "sweep_termination", p.sweep_term);
	jw_seconds(w, "mark", p.mark);
	jw_seconds(w, "mark_termination", p.mark_term);
	jw_end(w, '}');
	jw_begin(w, "cpu_seconds", '{');
	jw_seconds(w, "sweep_termination", p.sweep_term_cpu);
	jw_seconds(w, "assist", (uint64_t)c->assist_ns);
	jw_seconds(w, "dedicated", (uint64_t)c->dedicated_ns);
	jw_seconds(w, "fractional", (uint64_t)c->fractional_ns);
	jw_seconds(w, "idle", (uint64_t)c->idle_ns);
	jw_seconds(w, "mark_termination", p.mark_term_cpu);
	jw_end(w, '}');
}

void gctrace_fields(struct jw *w, const struct runtime_cycle *c)
{
	if (!c) {
		null_fields(w);
		return;
	}
	jw_int(w, "number", (int64_t)c->numgc);
	jw_bool(w, "forced", c->forced);
	if (c->leak_check < 0)
		jw_null(w, "leak_check");
	else
		jw_bool(w, "leak_check", c->leak_check);
	jw_real(w, "cpu_ratio", c->cpu_fraction >= 0 && c->cpu_fraction < FRACTION_MAX ? c->cpu_fraction : NAN);
	phase_fields(w, c);
	jw_int(w, "heap_before_bytes", (int64_t)c->heap0);
	jw_int(w, "heap_after_bytes", (int64_t)c->heap1);
	jw_int(w, "heap_live_bytes", (int64_t)c->heap2);
	jw_int(w, "heap_goal_bytes", (int64_t)c->goal);
	jw_int(w, "stacks_bytes", (int64_t)c->stacks);
	jw_int(w, "globals_bytes", (int64_t)c->globals);
}

/* What both schemas begin with; at_ns: CLOCK_MONOTONIC, of what the line tells. */
static void add_head(struct jw *w, const char *schema, const struct process *p, uint64_t at_ns, uint64_t init_ns)
{
	jw_begin(w, NULL, '{');
	jw_text(w, "schema", schema);
	jw_unix_nano(w, "time_unix_nano", clock_mono_to_unix(at_ns));
	if (init_ns && at_ns >= init_ns)
		jw_seconds(w, "since_start_seconds", at_ns - init_ns);
	else
		jw_null(w, "since_start_seconds");
	jw_int(w, "pid", p->pid);
	jsonl_owner(w, "owner", p->owner);
	jw_text(w, "go_version", p->binary ? p->binary->go_version : NULL);
}

char *gctrace_json(const struct process *p, const struct runtime_cycle *c, uint64_t init_ns)
{
	struct jw w;

	jw_init(&w);
	add_head(&w, "gopherscope.gctrace/1", p, (uint64_t)c->sweep_term_ns, init_ns);
	gctrace_fields(&w, c);
	jw_int(&w, "gomaxprocs", c->maxprocs);
	jw_end(&w, '}');
	return jw_take(&w);
}

/* ---- schedtrace ---- */

static const char *value(int64_t v, char buf[static NUMBER_SZ])
{
	if (v == SAMPLE_UNKNOWN)
		return "?";
	snprintf(buf, NUMBER_SZ, "%lld", (long long)v);
	return buf;
}

static const char *whole_ms(const struct runtime_detail *d, char buf[static NUMBER_SZ])
{
	if (!d->init_time_ns || d->sample.time_ns < d->init_time_ns)
		return "?";
	return value((int64_t)((d->sample.time_ns - d->init_time_ns) / 1000000), buf);
}

static void add_queues(const struct runtime_detail *d, bool spaced, struct str *out)
{
	str_add(out, spaced ? " [ " : " [");
	for (int i = 0; i < d->p_cnt; i++)
		str_addf(out, "%s%u", i ? " " : "", d->ps[i].queue);
	str_add(out, spaced ? " ]" : "]");
}

void gctrace_sched_line(const struct runtime_detail *d, int go_minor, struct str *out)
{
	const struct runtime_sample *s = &d->sample;
	char n[6][NUMBER_SZ];

	str_addf(out, "SCHED %sms: gomaxprocs=%s idleprocs=%s threads=%s spinningthreads=%s", whole_ms(d, n[0]),
		 value(s->gomaxprocs, n[1]), value(s->procs_idle, n[2]), value(s->threads, n[3]),
		 value(s->threads_spinning, n[4]));
	if (go_minor >= 20)
		str_addf(out, " needspinning=%s", value(d->threads_needspinning, n[0]));
	str_addf(out, " idlethreads=%s runqueue=%s", value(s->threads_idle, n[0]), value(s->queue_global, n[1]));
	add_queues(d, go_minor >= 25, out);
	if (go_minor < 25)
		return;
	str_add(out, " schedticks=[ ");
	for (int i = 0; i < d->p_cnt; i++)
		str_addf(out, "%u ", d->ps[i].schedtick);
	str_add(out, "]");
}

char *gctrace_sched_json(const struct process *p, const struct runtime_detail *d)
{
	const struct runtime_sample *s = &d->sample;
	struct jw w;

	jw_init(&w);
	add_head(&w, "gopherscope.schedtrace/1", p, s->time_ns, d->init_time_ns);
	jw_known(&w, "gomaxprocs", s->gomaxprocs);
	jw_known(&w, "idle_procs", s->procs_idle);
	jw_known(&w, "threads", s->threads);
	jw_known(&w, "spinning_threads", s->threads_spinning);
	jw_known(&w, "needspinning", d->threads_needspinning);
	jw_known(&w, "idle_threads", s->threads_idle);
	jw_known(&w, "run_queue", s->queue_global);
	jw_begin(&w, "procs", '[');
	for (int i = 0; i < d->p_cnt; i++)
		runtime_p_add(&w, &d->ps[i]);
	jw_end(&w, ']');
	jw_end(&w, '}');
	return jw_take(&w);
}
