/* SPDX-License-Identifier: BSD-2-Clause */
/* Sites are told as function, file and line of the innermost call, inlined or not, at that place. */
#include "export/goroutines_json.h"

#include <math.h>
#include <string.h>

#include "export/jsonl.h"
#include "export/jw.h"
#include "runtime/process_lines.h"

#define FRAMES_MAX 32

int64_t goroutines_scaled(const struct census *c, uint64_t cnt)
{
	return (int64_t)((double)cnt * c->scale + 0.5);
}

static void add_frame(struct jw *w, const char *key, const struct code_frame *f)
{
	jw_begin(w, key, '{');
	jw_text(w, "function", f->function);
	jw_text(w, "file", f->file);
	if (f->line > 0)
		jw_int(w, "line", f->line);
	else
		jw_null(w, "line");
	jw_end(w, '}');
}

static void add_site(struct jw *w, const char *key, struct code_lines *lines, uint64_t pc, bool blocked)
{
	struct code_frame f;

	if (process_lines_site(lines, pc, blocked, &f))
		add_frame(w, key, &f);
	else
		jw_null(w, key);
}

static void add_stack(struct jw *w, struct code_lines *lines, const struct census_group *g)
{
	struct code_frame frames[FRAMES_MAX];

	if (!g->stack_cnt) {
		jw_null(w, "stack");
		return;
	}
	jw_begin(w, "stack", '[');
	for (int i = 0; i < g->stack_cnt; i++) {
		int cnt = code_lines_find(lines, g->stack[i], true, frames, FRAMES_MAX);

		for (int j = 0; j < cnt; j++)
			if (!frames[j].wrapper)
				add_frame(w, NULL, &frames[j]);
	}
	jw_end(w, ']');
}

static void add_group(struct jw *w, const struct goroutines_look *l, size_t i)
{
	const struct census_group *g = &l->census->groups[i];

	jw_begin(w, NULL, '{');
	jw_int(w, "count", goroutines_scaled(l->census, g->cnt));
	jw_real(w, "per_minute", l->per_minute ? l->per_minute[i] : NAN);
	jw_text(w, "state", goroutine_state_name(g->state));
	jw_text(w, "reason", g->reason);
	if (g->oldest_wait_ns >= 0)
		jw_seconds(w, "oldest_wait_seconds", (uint64_t)g->oldest_wait_ns);
	else
		jw_null(w, "oldest_wait_seconds");
	jw_int(w, "oldest_goid", (int64_t)g->oldest_goid);
	jw_text(w, "function", g->start_pc ? code_lines_function(l->lines, g->start_pc) : NULL);
	add_site(w, "created_by", l->lines, process_lines_created(l->lines, g), false);
	add_site(w, "blocked_at", l->lines, g->blocked_pc, true);
	jw_text(w, "mark", l->marks[i]);
	jw_bool(w, "system", g->system);
	if (l->stacks)
		add_stack(w, l->lines, g);
	jw_end(w, '}');
}

static void add_counts(struct jw *w, const struct goroutines_look *l)
{
	const struct census *c = l->census;
	int64_t system = goroutines_scaled(c, c->system);

	jw_int(w, "goroutines", (int64_t)c->total - system);
	jw_int(w, "system_goroutines", system);
	jw_int(w, "looked_at", (int64_t)c->walked);
	jw_bool(w, "estimated", c->walked < c->total);
	jw_bool(w, "stacks_known", c->stacks_known);
	jw_begin(w, "states", '{');
	for (int s = 0; s < GOROUTINE_STATE_CNT; s++)
		jw_int(w, goroutine_state_name((enum goroutine_state)s), goroutines_scaled(c, c->states[s]));
	jw_end(w, '}');
}

char *goroutines_json(const struct goroutines_look *l)
{
	struct jw w;

	jw_init(&w);
	jw_begin(&w, NULL, '{');
	jw_text(&w, "schema", "gopherscope.goroutines/1");
	jw_unix_nano(&w, "time_unix_nano", l->time_unix_ns);
	jw_int(&w, "pid", l->process->pid);
	jw_unix_nano(&w, "start_unix_nano", l->process->start_unix_ns);
	jw_text(&w, "go_version", l->process->binary->go_version);
	jsonl_owner(&w, "owner", l->owner);
	add_counts(&w, l);
	jw_real(&w, "growth_seconds", l->per_minute ? l->growth_seconds : NAN);
	jw_begin(&w, "groups", '[');
	for (size_t i = 0; i < l->census->group_cnt; i++)
		if (l->system || !l->census->groups[i].system)
			add_group(&w, l, i);
	jw_end(&w, ']');
	jw_end(&w, '}');
	return jw_take(&w);
}
