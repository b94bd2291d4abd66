/* SPDX-License-Identifier: BSD-2-Clause */
/* The Go scheduler of a container as JSON: passive reads, groups of the last census, goroutine windows; and what our
 * probes cost it. */
#include <math.h>

#include "base/cleanup.h"
#include "export/jsonl_parts.h"
#include "export/names.h"
#include "runtime/census.h"
#include "stats/dist.h"

void jsonl_integer_if(struct jw *w, const char *key, bool on, int64_t v)
{
	jw_known(w, key, on ? v : STAT_UNKNOWN);
}

void jsonl_real_if(struct jw *w, const char *key, bool on, double v)
{
	jw_real(w, key, on ? v : (double)NAN);
}

void jsonl_dist_if(struct jw *w, const char *key, bool on, const struct dist *d)
{
	const struct {
		const char *key;
		double value;
	} values[] = {{"sum", d->sum}, {"min", d->min}, {"p50", d->p50},
		      {"p90", d->p90}, {"p99", d->p99}, {"max", d->max}};

	on = on && d->cnt >= 0;
	jw_begin(w, key, '{');
	jsonl_integer_if(w, "count", on, d->cnt);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		jsonl_real_if(w, values[i].key, on, values[i].value);
	jw_end(w, '}');
}

static void groups(struct jw *w, const struct snapshot_sched *s)
{
	static const char *const marks[] = {NULL, "leak?", "blocked", "leaked"};

	jw_begin(w, "groups", '[');
	for (int i = 0; i < s->group_cnt; i++) {
		const struct snapshot_group *g = &s->groups[i];

		jw_begin(w, NULL, '{');
		jw_int(w, "count", g->cnt);
		jw_real(w, "per_minute", g->per_minute);
		jw_text(w, "state", goroutine_state_name((enum goroutine_state)g->state));
		jw_text(w, "reason", g->reason);
		jw_real(w, "oldest_seconds", g->oldest_seconds);
		jw_text(w, "created_by", g->created);
		jw_text(w, "created_at", g->created_at);
		jw_text(w, "blocked_in", g->blocked);
		jw_text(w, "blocked_at", g->blocked_at);
		jw_text(w, "mark", g->mark < ARRAY_SIZE(marks) ? marks[g->mark] : NULL);
		jw_int(w, "pid", g->pid);
		jw_real(w, "growth_ratio", g->growth_ratio);
		jw_real(w, "known_seconds", g->known_seconds);
		jw_end(w, '}');
	}
	jw_end(w, ']');
}

static void sites(struct jw *w, const char *key, const struct snapshot_site *sites, int cnt)
{
	jw_begin(w, key, '[');
	for (int i = 0; i < cnt; i++) {
		jw_begin(w, NULL, '{');
		jw_text(w, "function", sites[i].function);
		jw_text(w, "at", sites[i].at);
		jw_int(w, "count", sites[i].cnt);
		jw_real(w, "per_second", sites[i].per_second);
		jw_end(w, '}');
	}
	jw_end(w, ']');
}

/* null: there was none. While only the first one is open, nothing of it is known but that. */
static void window(struct jw *w, const struct snapshot_sched_window *v)
{
	if (v->windows <= 0 && v->open <= 0) {
		jw_null(w, "window");
		return;
	}
	jw_begin(w, "window", '{');
	jw_int(w, "windows", v->windows);
	jw_real(w, "seconds", v->seconds);
	jw_real(w, "age_seconds", v->age_seconds);
	jw_int(w, "open", v->open);
	jw_text(w, "source", "window");
	jsonl_dist_if(w, "latency_seconds", v->windows > 0, &v->latency);
	jsonl_dist_if(w, "netpoll_seconds", v->windows > 0, &v->netpoll);
	jsonl_integer_if(w, "runs", v->windows > 0, v->runs);
	jsonl_integer_if(w, "created", v->windows > 0, v->created);
	jsonl_integer_if(w, "ended", v->windows > 0, v->ended);
	jsonl_integer_if(w, "lost", v->windows > 0, v->lost);
	jsonl_integer_if(w, "hits", v->windows > 0, v->hits);
	jsonl_real_if(w, "cost_seconds", v->windows > 0, v->cost_seconds);
	jsonl_real_if(w, "cpu_seconds", v->windows > 0, v->cpu_seconds);
	jw_text(w, "end", v->windows > 0 ? names_sched_window_end(v->end) : NULL);
	sites(w, "created_by", v->sites, v->site_cnt);
	sites(w, "waits_by", v->waits, v->wait_cnt);
	sites(w, "parked_at", v->parks, v->park_cnt);
	jw_end(w, '}');
}

void jsonl_sched(struct jw *w, const struct snapshot_container *c)
{
	const struct snapshot_sched *s = &c->sched;

	jw_begin(w, "sched", '{');
	jsonl_dist_if(w, "latency_seconds", s->on, &s->latency);
	jw_text(w, "source", s->on && s->latency.cnt >= 0 ? "passive" : NULL);
	jw_known(w, "goroutines", c->goroutines);
	jw_known(w, "running", s->running);
	jw_known(w, "runnable", s->runnable);
	jw_known(w, "waiting", s->waiting);
	jw_known(w, "syscall", s->syscall);
	jw_known(w, "threads", s->threads);
	jw_known(w, "leaked", s->leaked);
	jw_known(w, "procs", s->procs);
	jw_known(w, "procs_idle", s->procs_idle);
	jw_known(w, "queued", s->queue);
	jw_real(w, "idle_procs_ratio", s->idle_p_ratio);
	jw_bool(w, "latency_diluted", s->diluted);
	jw_real(w, "census_age_seconds", s->census_age_seconds);
	groups(w, s);
	window(w, &s->window);
	jw_end(w, '}');
}

static const char *const group_names[OVERHEAD_GROUP_CNT] = {
	[OVERHEAD_GO_GC] = "go_gc",
	[OVERHEAD_GO_ASSIST] = "go_assist",
	[OVERHEAD_CPU_SCHED] = "cpu_sched",
	[OVERHEAD_GO_SCHED] = "go_sched",
};

void jsonl_overhead(struct jw *w, const struct snapshot_overhead *o)
{
	jw_begin(w, "overhead", '{');
	for (int g = 0; g < OVERHEAD_GROUP_CNT; g++)
		jw_real(w, group_names[g], o->ratio[g]);
	jsonl_real_if(w, "max_ratio", o->max_ratio >= 0, o->max_ratio);
	jw_real(w, "worst_ratio", o->worst_ratio);
	jw_begin(w, "off", '[');
	for (int g = 0; g < OVERHEAD_GROUP_CNT; g++)
		if (o->off & 1u << g)
			jw_text(w, NULL, group_names[g]);
	jw_end(w, ']');
	jw_int(w, "waiting", o->waiting);
	jw_real(w, "next_seconds", o->next_seconds);
	jw_end(w, '}');
}
