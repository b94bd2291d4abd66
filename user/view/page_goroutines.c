/* SPDX-License-Identifier: BSD-2-Clause */
/* Page 4 of a container: its goroutines, what they wait for, and the Ps that they run on. States and groups are of the
 * last census, which is dearer than a reading and comes less often: its age stands beside. */
#include <math.h>
#include <stdio.h>

#include "view/format.h"
#include "view/goroutine_table.h"
#include "view/page.h"
#include "view/sched_window.h"
#include "view/summary.h"

static void state(struct pen *p, const char *name, int64_t cnt)
{
	char text[TEXT_SZ];

	page_item(p, "%s %s", name, format_count(cnt, text, sizeof(text)));
}

static void states(struct pen *p, const struct snapshot_container *c)
{
	const struct snapshot_sched *s = &c->sched;
	char age[TEXT_SZ];

	state(p, "goroutines", c->goroutines);
	if (isnan(s->census_age_seconds)) {
		page_item(p, "no census of them yet");
		pen_end(p);
		return;
	}
	state(p, "waiting", s->waiting);
	state(p, "runnable", s->runnable);
	state(p, "running", s->running);
	state(p, "in system calls", s->syscall);
	if (s->leaked > 0)
		state(p, "leaked", s->leaked);
	page_item(p, "census %s old", format_duration(s->census_age_seconds, age, sizeof(age)));
	pen_end(p);
}

static void procs(struct pen *p, const struct snapshot_sched *s)
{
	char a[TEXT_SZ], b[TEXT_SZ];

	page_item(p, "Ps %s, %s idle", format_count(s->procs, a, sizeof(a)), format_count(s->procs_idle, b, sizeof(b)));
	page_item(p, "an idle P in %s%% of the readings", format_percent(s->idle_p_ratio, a, sizeof(a)));
	page_item(p, "runnable in queues %s", format_count(s->queue, a, sizeof(a)));
	page_item(p, "threads (Ms) %s", format_count(s->threads, a, sizeof(a)));
	pen_end(p);
}

/* The runtime's own numbers, and those of a window, one below the other. */
static void waits(struct pen *p, const struct snapshot_sched *s)
{
	sched_window_waits(p, "passive (1 in 8 is looked at)", &s->latency, "",
			   s->latency.cnt > 0 && s->diluted ? "; diluted by system calls before Go 1.26" : "");
	sched_window_exact(p, &s->window);
}

static bool several_processes(const struct snapshot_sched *s)
{
	for (int i = 1; i < s->group_cnt; i++)
		if (s->groups[i].pid != s->groups[0].pid)
			return true;
	return false;
}

static void groups(struct pen *p, const struct snapshot_sched *s)
{
	struct goroutine_table table = {.style = {.width = p->width, .color = p->color, .ascii = p->ascii},
					.pids = several_processes(s)};
	struct goroutine_row row;

	page_rule(p, "those that are alike, most first", NULL);
	goroutine_table_header(&table, p->out);
	for (int i = 0; i < s->group_cnt && i < SNAPSHOT_GROUPS; i++) {
		goroutine_row_of(&s->groups[i], &row);
		goroutine_table_row(&table, &row, p->out);
	}
	if (s->group_cnt >= SNAPSHOT_GROUPS)
		pen_text(p, GRADE_DIM,
			 "the largest groups; all of them, with stacks: gopherscope goroutines --stacks TARGET");
	else if (!s->group_cnt)
		pen_text(p, GRADE_DIM, isnan(s->census_age_seconds) ? "  no census yet" : "  none");
	if (p->at)
		pen_end(p);
}

/* Rows of each of the window's tables: on a low screen the census is to be seen as well. */
static int window_rows(const struct view *v)
{
	return v->canvas.rows < 40 ? 3 : SNAPSHOT_SITES;
}

void tab_goroutines(struct view *v, const struct snapshot_container *c, struct pen *p)
{
	const char *off = page_runtime_off(&v->s, c);
	bool possible = !v->cfg.replay && v->cfg.ops.sched_ask && !c->gone;

	if (off) {
		pen_text(p, GRADE_DIM, "goroutines: ");
		pen_paragraph(p, 2, off);
		sched_window_exact(p, &c->sched.window);
	} else {
		states(p, c);
		procs(p, &c->sched);
		waits(p, &c->sched);
	}
	sched_window_part(p, c, v->s.window_seconds, window_rows(v), possible);
	if (!off)
		groups(p, &c->sched);
}
