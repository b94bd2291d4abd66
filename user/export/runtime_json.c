/* SPDX-License-Identifier: BSD-2-Clause */
/* One object a process. Durations are seconds with all nine digits, so that a number here is the number there. */
#include "export/runtime_json.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "export/jsonl.h"
#include "export/jw.h"
#include "export/runtime_metrics.h"
#include "procs/process.h"

const char *runtime_phase_name(int64_t phase)
{
	static const char *const names[] = {"off", "mark", "mark termination"};

	return phase >= 0 && phase < (int64_t)ARRAY_SIZE(names) ? names[phase] : NULL;
}

const char *runtime_p_status_name(uint32_t status)
{
	static const char *const names[] = {"idle", "running", "syscall", "gcstop", "dead"};

	return status < ARRAY_SIZE(names) ? names[status] : NULL;
}

const char *runtime_cpu_name(enum runtime_cpu c)
{
	static const char *const names[RUNTIME_CPU_CNT] = {
		[RUNTIME_CPU_GC_ASSIST] = "gc/mark/assist",
		[RUNTIME_CPU_GC_DEDICATED] = "gc/mark/dedicated",
		[RUNTIME_CPU_GC_IDLE] = "gc/mark/idle",
		[RUNTIME_CPU_GC_PAUSE] = "gc/pause",
		[RUNTIME_CPU_GC_TOTAL] = "gc/total",
		[RUNTIME_CPU_SCAVENGE_ASSIST] = "scavenge/assist",
		[RUNTIME_CPU_SCAVENGE_BG] = "scavenge/background",
		[RUNTIME_CPU_SCAVENGE_TOTAL] = "scavenge/total",
		[RUNTIME_CPU_IDLE] = "idle",
		[RUNTIME_CPU_USER] = "user",
		[RUNTIME_CPU_TOTAL] = "total",
	};

	return names[c];
}

static void identity(struct jw *w, const struct process *p, const struct owner *o)
{
	const struct binary *b = p->binary;

	jw_text(w, "schema", "gopherscope.runtime/1");
	jw_int(w, "pid", p->pid);
	jw_unix_nano(w, "start_unix_nano", p->start_unix_ns);
	jw_text(w, "comm", p->comm);
	jw_text(w, "exe", p->exe);
	jw_text(w, "go_version", b ? b->go_version : NULL);
	jw_text(w, "build_id", b ? b->build_id : NULL);
	jw_text(w, "module", b ? b->module : NULL);
	jw_text(w, "layout", b ? binary_layout_text(b) : NULL);
	jsonl_owner(w, "owner", o);
}

static void settings(struct jw *w, const struct runtime_detail *d)
{
	const struct runtime_sample *s = &d->sample;

	jw_begin(w, "settings", '{');
	jw_known(w, "gogc", s->gogc);
	jw_known(w, "memory_limit_bytes", s->memory_limit_bytes);
	jw_known(w, "gomaxprocs", s->gomaxprocs);
	jw_text(w, "gomaxprocs_by", d->maxprocs_by == MAXPROCS_UNKNOWN ? NULL : maxprocs_by_text(d->maxprocs_by));
	jw_text(w, "gomaxprocs_env", d->maxprocs_env);
	jw_end(w, '}');
}

static void cycle(struct jw *w, const struct runtime_detail *d)
{
	const struct runtime_cycle *c = &d->cycle;

	if (!d->cycle_known) {
		jw_null(w, "last_cycle");
		return;
	}
	jw_begin(w, "last_cycle", '{');
	jw_int(w, "number", (int64_t)c->numgc);
	jw_bool(w, "forced", c->forced);
	runtime_seconds_add(w, "sweep_termination_seconds", c->mark_ns - c->sweep_term_ns);
	runtime_seconds_add(w, "mark_seconds", c->mark_term_ns - c->mark_ns);
	runtime_seconds_add(w, "mark_termination_seconds", c->end_ns - c->mark_term_ns);
	runtime_seconds_add(w, "assist_cpu_seconds", c->assist_ns);
	runtime_seconds_add(w, "dedicated_cpu_seconds", c->dedicated_ns);
	runtime_seconds_add(w, "fractional_cpu_seconds", c->fractional_ns);
	runtime_seconds_add(w, "idle_cpu_seconds", c->idle_ns);
	jw_int(w, "heap_before_bytes", (int64_t)c->heap0);
	jw_int(w, "heap_after_bytes", (int64_t)c->heap1);
	jw_int(w, "heap_live_bytes", (int64_t)c->heap2);
	jw_int(w, "heap_goal_bytes", (int64_t)c->goal);
	jw_int(w, "stacks_bytes", (int64_t)c->stacks);
	jw_int(w, "globals_bytes", (int64_t)c->globals);
	jw_int(w, "gomaxprocs", c->maxprocs);
	jw_real(w, "cpu_ratio", c->cpu_fraction);
	jw_end(w, '}');
}

static void pauses(struct jw *w, const struct runtime_detail *d)
{
	if (d->sample.numgc == SAMPLE_UNKNOWN || (d->sample.numgc && !d->pause_cnt)) {
		jw_null(w, "pauses");
		return;
	}
	jw_begin(w, "pauses", '[');
	for (int i = 0; i < d->pause_cnt; i++) {
		jw_begin(w, NULL, '{');
		jw_int(w, "cycle", (int64_t)d->pauses[i].cycle);
		jw_unix_nano(w, "end_unix_nano", d->pauses[i].end_unix_ns);
		runtime_seconds_add(w, "pause_seconds", (int64_t)d->pauses[i].pause_ns);
		jw_end(w, '}');
	}
	jw_end(w, ']');
}

static void collector(struct jw *w, const struct runtime_detail *d)
{
	const struct runtime_sample *s = &d->sample;

	jw_begin(w, "gc", '{');
	jw_known(w, "cycles", s->numgc);
	jw_known(w, "cycles_forced", s->numforcedgc);
	jw_text(w, "phase", runtime_phase_name(s->gc_phase));
	jw_unix_nano(w, "last_end_unix_nano", s->last_gc_unix_ns > 0 ? (uint64_t)s->last_gc_unix_ns : 0);
	runtime_seconds_add(w, "pause_seconds", s->pause_total_ns);
	cycle(w, d);
	pauses(w, d);
	jw_end(w, '}');
}

static void memory(struct jw *w, const struct runtime_sample *s)
{
	jw_begin(w, "memory", '{');
	jw_known(w, "heap_live_bytes", s->heap_live_bytes);
	jw_known(w, "heap_alloc_bytes", s->heap_alloc_bytes);
	jw_known(w, "heap_goal_bytes", s->heap_goal_bytes);
	jw_known(w, "allocated_bytes", s->total_alloc_bytes);
	jw_known(w, "allocations", s->total_allocs);
	jw_known(w, "total_bytes", s->memory_total_bytes);
	jw_known(w, "released_bytes", s->memory_released_bytes);
	jw_known(w, "stacks_bytes", s->memory_stacks_bytes);
	jw_known(w, "mapped_ready_bytes", s->mapped_ready_bytes);
	jw_end(w, '}');
}

static void scheduler(struct jw *w, const struct runtime_detail *d)
{
	const struct runtime_sample *s = &d->sample;

	jw_begin(w, "scheduler", '{');
	jw_known(w, "goroutines", s->goroutines);
	jw_known(w, "goroutines_created", s->goroutines_created);
	jw_known(w, "queue_global", s->queue_global);
	jw_known(w, "queue_local", s->queue_local);
	jw_known(w, "procs_idle", s->procs_idle);
	jw_known(w, "procs_running", s->procs_running);
	jw_known(w, "procs_syscall", s->procs_syscall);
	jw_known(w, "procs_gcstop", s->procs_gcstop);
	jw_known(w, "threads", s->threads);
	jw_known(w, "threads_idle", s->threads_idle);
	jw_known(w, "threads_spinning", s->threads_spinning);
	jw_known(w, "threads_need_spinning", d->threads_needspinning);
	runtime_seconds_add(w, "mutex_wait_seconds", d->mutex_wait_ns);
	jw_end(w, '}');
}

void runtime_p_add(struct jw *w, const struct runtime_p *p)
{
	jw_begin(w, NULL, '{');
	jw_int(w, "id", p->id);
	jw_text(w, "status", runtime_p_status_name(p->status));
	jw_int(w, "run_queue", p->queue);
	jw_bool(w, "run_next", p->runnext);
	jw_int(w, "schedtick", p->schedtick);
	jw_int(w, "syscalltick", p->syscalltick);
	jw_bool(w, "has_thread", p->m != 0);
	jw_end(w, '}');
}

static void ps(struct jw *w, const struct runtime_detail *d)
{
	jw_begin(w, "ps", '[');
	for (int i = 0; i < d->p_cnt; i++)
		runtime_p_add(w, &d->ps[i]);
	jw_end(w, ']');
}

static void cpu(struct jw *w, const struct runtime_sample *s)
{
	jw_begin(w, "cpu_seconds", '{');
	for (int i = 0; i < RUNTIME_CPU_CNT; i++)
		runtime_seconds_add(w, runtime_cpu_name(i), s->cpu_ns[i]);
	jw_end(w, '}');
}

/* The bucket of a percentile: [from, to). */
static void quantile(struct jw *w, const struct runtime_hist *h, const char *key, double q)
{
	int i = runtime_hist_quantile(h, q);

	if (i < 0) {
		jw_null(w, key);
		return;
	}
	jw_begin(w, key, '[');
	runtime_seconds_add(w, NULL, (int64_t)runtime_hist_low(h, i));
	runtime_seconds_add(w, NULL, (int64_t)runtime_hist_low(h, i + 1));
	jw_end(w, ']');
}

static void hist(struct jw *w, const char *key, const struct runtime_hist *h)
{
	if (!h->buckets) {
		jw_null(w, key);
		return;
	}
	jw_begin(w, key, '{');
	jw_int(w, "count", (int64_t)runtime_hist_total(h));
	quantile(w, h, "p50", 0.5);
	quantile(w, h, "p90", 0.9);
	quantile(w, h, "p99", 0.99);
	quantile(w, h, "max", 1);
	jw_int(w, "negative", (int64_t)h->underflow);
	jw_int(w, "too_long", (int64_t)h->overflow);
	jw_begin(w, "buckets", '[');
	for (int i = 0; i < h->buckets; i++) {
		if (!h->counts[i])
			continue;
		jw_begin(w, NULL, '[');
		runtime_seconds_add(w, NULL, (int64_t)runtime_hist_low(h, i));
		jw_int(w, NULL, (int64_t)h->counts[i]);
		jw_end(w, ']');
	}
	jw_end(w, ']');
	jw_end(w, '}');
}

static void hists(struct jw *w, const struct runtime_detail *d)
{
	jw_begin(w, "histograms", '{');
	hist(w, "sched_latency", &d->latency);
	hist(w, "stw_total_gc", &d->stw_total_gc);
	hist(w, "stw_total_other", &d->stw_total_other);
	hist(w, "stw_stopping_gc", &d->stw_stopping_gc);
	hist(w, "stw_stopping_other", &d->stw_stopping_other);
	jw_end(w, '}');
}

static void process(struct jw *w, const struct runtime_detail *d)
{
	jw_begin(w, "process", '{');
	jw_known(w, "fds", d->fds < 0 ? SAMPLE_UNKNOWN : d->fds);
	jw_known(w, "fd_limit", d->fds < 0 ? SAMPLE_UNKNOWN : d->fd_limit);
	jw_known(w, "threads", d->os_threads < 0 ? SAMPLE_UNKNOWN : d->os_threads);
	jw_known(w, "thread_limit", d->os_threads < 0 ? SAMPLE_UNKNOWN : d->thread_limit);
	jw_end(w, '}');
}

static void times(struct jw *w, const struct runtime_detail *d)
{
	uint64_t time = d->sample.time_ns;

	jw_unix_nano(w, "time_unix_nano", clock_mono_to_unix(time));
	runtime_seconds_add(w, "runtime_seconds",
			    d->init_time_ns && d->init_time_ns <= time ? (int64_t)(time - d->init_time_ns)
								       : SAMPLE_UNKNOWN);
}

char *runtime_json(const struct process *p, const struct owner *o, const struct runtime_detail *d, const char *why)
{
	struct jw w;

	jw_init(&w);
	jw_begin(&w, NULL, '{');
	identity(&w, p, o);
	jw_text(&w, "error", d ? NULL : why);
	if (d) {
		times(&w, d);
		settings(&w, d);
		collector(&w, d);
		memory(&w, &d->sample);
		scheduler(&w, d);
		ps(&w, d);
		cpu(&w, &d->sample);
		hists(&w, d);
		process(&w, d);
		runtime_metrics_add(&w, d);
	}
	jw_end(&w, '}');
	return jw_take(&w);
}
