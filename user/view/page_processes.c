/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages 7 and 8 of a container: its processes, and what happened to it. */
#include <stdio.h>

#include "base/clock.h"
#include "view/format.h"
#include "view/page.h"
#include "view/summary.h"

static void number_at(struct pen *p, int end, int64_t n)
{
	char text[TEXT_SZ];

	pen_right(p, GRADE_FINE, end, format_count(n, text, sizeof(text)));
}

static void process_row(struct pen *p, const struct snapshot *s, const struct snapshot_process *x)
{
	char pid[TEXT_SZ], text[TEXT_SZ];

	snprintf(pid, sizeof(pid), "%d", x->pid);
	pen_right(p, GRADE_FINE, 8, pid);
	pen_to(p, 10);
	pen_text(p, GRADE_FINE, x->comm);
	pen_to(p, 27);
	pen_textf(p, GRADE_FINE, "%.14s", *x->go_version ? x->go_version : "?");
	number_at(p, 52, x->gomaxprocs);
	pen_text(p, GRADE_FINE, x->gomaxprocs_env ? " e" : x->go_container_aware ? " q" : "");
	if (x->gogc == -1)
		pen_right(p, GRADE_FINE, 60, "off");
	else
		number_at(p, 60, x->gogc);
	pen_right(p, GRADE_FINE, 71,
		  x->memory_limit_bytes == -1 ? "none" : format_bytes(x->memory_limit_bytes, text, sizeof(text)));
	pen_to(p, 73);
	if (x->start_unix_ns && x->start_unix_ns <= s->time_unix_ns)
		pen_text(p, GRADE_FINE,
			 format_duration((double)((s->time_unix_ns - x->start_unix_ns) / NS_PER_SEC), text,
					 sizeof(text)));
	else
		pen_text(p, GRADE_FINE, "?");
	pen_end(p);
}

void tab_processes(struct view *v, const struct snapshot_container *c, struct pen *p)
{
	pen_text(p, GRADE_FINE, "     PID  COMMAND          GO            GOMAXPROCS     GOGC GOMEMLIMIT  UP");
	pen_end(p);
	for (int i = 0; i < c->process_cnt; i++)
		process_row(p, &v->s, &c->processes[i]);
	if (c->refused_cnt) {
		pen_textf(p, GRADE_WARNING, "%d Go process%s of it cannot be observed: key l", c->refused_cnt,
			  c->refused_cnt == 1 ? "" : "es");
		pen_end(p);
	}
	if (!c->process_cnt && !c->refused_cnt) {
		pen_text(p, GRADE_DIM, "none: its Go processes have ended");
		pen_end(p);
	}
	pen_end(p);
	pen_text(p, GRADE_DIM, "GOMAXPROCS: e from the environment, q follows the CPU quota (Go 1.25 and newer)");
	pen_end(p);
}

void tab_events(struct view *v, const struct snapshot_container *c, struct pen *p)
{
	char at[TEXT_SZ];

	for (int i = 0; v->detail_known && i < v->detail->note_cnt; i++) {
		const struct detail_note *n = &v->detail->notes[i];

		pen_textf(p, GRADE_FINE, "%s  ", summary_clock(n->time_unix_ns, false, at, sizeof(at)));
		pen_paragraph(p, 10, n->text);
	}
	if (!v->detail_known || !v->detail->note_cnt) {
		pen_text(p, GRADE_DIM, "nothing yet: starts, exits, OOM kills and verdicts stand here");
		pen_end(p);
	}
}
