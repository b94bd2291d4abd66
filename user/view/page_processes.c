/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages 7 and 8 of a container: its processes, and what happened to it. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "runtime/sample.h"
#include "view/format.h"
#include "view/page.h"
#include "view/summary.h"

#define USED_WARNING 0.8 /* of a limit */
#define NAME_AT      10

static void number_at(struct pen *p, int end, int64_t n)
{
	char text[TEXT_SZ];

	pen_right(p, GRADE_FINE, end, format_count(n, text, sizeof(text)));
}

const char *page_maxprocs_by(const struct snapshot_process *x)
{
	if (x->maxprocs_by != MAXPROCS_UNKNOWN)
		return maxprocs_by_text((enum maxprocs_by)x->maxprocs_by);
	if (x->gomaxprocs_env)
		return maxprocs_by_text(MAXPROCS_ENV);
	return x->go_container_aware ? maxprocs_by_text(MAXPROCS_QUOTA) : NULL;
}

static void settings(struct pen *p, const struct snapshot *s, const struct snapshot_process *x)
{
	char pid[TEXT_SZ], text[TEXT_SZ];

	snprintf(pid, sizeof(pid), "%d", x->pid);
	pen_right(p, GRADE_FINE, 8, pid);
	pen_to(p, 10);
	pen_text(p, GRADE_FINE, x->comm);
	pen_to(p, 27);
	pen_textf(p, GRADE_FINE, "%.14s", *x->go_version ? x->go_version : "?");
	number_at(p, 52, x->gomaxprocs);
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

/* A piece of the second line, three blanks after the one before; on a line of its own where it does not fit. */
static void item(struct pen *p, enum grade grade, const char *text)
{
	if (p->at + 3 + (int)strlen(text) > p->width)
		pen_end(p);
	pen_to(p, p->at > NAME_AT ? p->at + 3 : NAME_AT);
	pen_text(p, grade, text);
}

/* "fds 118 / 1048576": yellow near the limit, because at it nothing more is opened or started. */
static void used_item(struct pen *p, const char *name, int64_t used, int64_t limit)
{
	bool near = used >= 0 && limit > 0 && (double)used >= (double)limit * USED_WARNING;
	char text[64], number[TEXT_SZ];

	format_count(used, number, sizeof(number));
	if (limit >= 0)
		snprintf(text, sizeof(text), "%s %s / %lld", name, number, (long long)limit);
	else
		snprintf(text, sizeof(text), "%s %s%s", name, number, limit == STAT_UNKNOWN ? " / ?" : "");
	item(p, near ? GRADE_WARNING : GRADE_FINE, text);
}

/* The second line: what it has and uses. */
static void usage(struct pen *p, const struct snapshot_process *x)
{
	const char *by = page_maxprocs_by(x);
	char text[80], a[TEXT_SZ], b[TEXT_SZ];

	snprintf(text, sizeof(text), "heap %s goal %s", format_bytes(x->heap_live_bytes, a, sizeof(a)),
		 format_bytes(x->heap_goal_bytes, b, sizeof(b)));
	item(p, GRADE_FINE, text);
	snprintf(text, sizeof(text), "resident %s", format_bytes(x->rss_bytes, a, sizeof(a)));
	item(p, GRADE_FINE, text);
	used_item(p, "goroutines", x->goroutines, -1);
	used_item(p, "threads", x->os_threads, x->thread_limit);
	used_item(p, "fds", x->fds, x->fd_limit);
	snprintf(text, sizeof(text), "GOMAXPROCS by: %.60s", by ? by : "?");
	item(p, GRADE_FINE, text);
	pen_end(p);
}

void tab_processes(struct view *v, const struct snapshot_container *c, struct pen *p)
{
	pen_text(p, GRADE_FINE, "     PID  COMMAND          GO            GOMAXPROCS     GOGC GOMEMLIMIT  UP");
	pen_end(p);
	for (int i = 0; i < c->process_cnt; i++) {
		settings(p, &v->s, &c->processes[i]);
		usage(p, &c->processes[i]);
	}
	if (c->refused_cnt) {
		pen_textf(p, GRADE_WARNING, "%d Go process%s of it cannot be observed: key l", c->refused_cnt,
			  c->refused_cnt == 1 ? "" : "es");
		pen_end(p);
	}
	if (!c->process_cnt && !c->refused_cnt) {
		pen_text(p, GRADE_DIM, "none: its Go processes have ended");
		pen_end(p);
	}
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
