/* SPDX-License-Identifier: BSD-2-Clause */
/* Page 6 of a container: where its memory is. */
#include <math.h>
#include <stdio.h>

#include "view/format.h"
#include "view/page.h"
#include "view/summary.h"

static void line(struct pen *p, const char *name, int64_t bytes, const char *note)
{
	char text[TEXT_SZ];

	pen_textf(p, GRADE_FINE, "  %s", name);
	pen_right(p, GRADE_FINE, 40, bytes == -1 ? "none" : format_bytes(bytes, text, sizeof(text)));
	pen_to(p, 43);
	pen_text(p, GRADE_FINE, note);
	pen_end(p);
}

static void growth(struct pen *p, const struct snapshot_memory *m)
{
	double per_minute = m->growth_bytes_per_second * 60;
	char text[TEXT_SZ], change[TEXT_SZ + 1];

	snprintf(change, sizeof(change), "%s%s", per_minute < 0 ? "-" : "",
		 isnan(per_minute) ? "?" : format_bytes((int64_t)fabs(per_minute), text, sizeof(text)));
	pen_text(p, GRADE_FINE, "  growth of the working set");
	pen_right(p, GRADE_FINE, 40, change);
	pen_to(p, 43);
	pen_text(p, GRADE_FINE, isnan(per_minute) ? "" : "a minute");
	pen_end(p);
}

static void kills(struct pen *p, const struct snapshot *s, const struct snapshot_memory *m)
{
	const char *off = summary_signal_off(s, SIGNAL_MEM_OOM);
	char ever[TEXT_SZ], window[TEXT_SZ];

	pen_textf(p, m->oom_kills > 0 ? GRADE_CRITICAL : GRADE_FINE, "  OOM kills: %s ever",
		  format_count(m->oom_kills, ever, sizeof(ever)));
	if (off)
		pen_textf(p, GRADE_DIM, "; as they happen: %s", off);
	else
		pen_textf(p, GRADE_FINE, ", %s in the window",
			  format_count(m->oom_kills_window, window, sizeof(window)));
	pen_end(p);
}

static int64_t resident(const struct snapshot_container *c)
{
	int64_t sum = 0;

	for (int i = 0; i < c->process_cnt; i++) {
		if (c->processes[i].rss_bytes < 0)
			return STAT_UNKNOWN;
		sum += c->processes[i].rss_bytes;
	}
	return c->process_cnt ? sum : STAT_UNKNOWN;
}

/* What the last cycle found on the stacks; of several processes nobody has it at one time. */
static int64_t stacks(const struct view *v, const struct snapshot_container *c)
{
	for (int i = 0; v->detail_known && c->process_cnt == 1 && i < v->detail->cycle_cnt; i++) {
		const struct detail_cycle *x = &v->detail->cycles[i];

		if (x->known && x->pid == c->processes[0].pid && x->numbers.stacks <= INT64_MAX)
			return (int64_t)x->numbers.stacks;
	}
	return STAT_UNKNOWN;
}

void tab_memory(struct view *v, const struct snapshot_container *c, struct pen *p)
{
	page_rule(p, "container", NULL);
	line(p, "memory limit", c->memory.limit_bytes, "");
	line(p, "working set", c->memory.working_set_bytes, "what the limit is compared with");
	line(p, "used, page cache included", c->memory.usage_bytes, "");
	line(p, "peak", c->memory.peak_bytes, "");
	growth(p, &c->memory);
	kills(p, &v->s, &c->memory);
	page_rule(p, "Go", NULL);
	line(p, "from the system", c->memory.go_bytes, "what its Go runtimes hold of it");
	line(p, "heap live after the last cycle", c->gc.heap_live_bytes, "");
	line(p, "heap goal of the next cycle", c->gc.heap_goal_bytes, "");
	line(p, "GOMEMLIMIT", c->gc.memory_limit_bytes, "");
	line(p, "mapped by the Go runtime", c->gc.mapped_ready_bytes, "what GOMEMLIMIT bounds");
	line(p, "goroutine stacks", stacks(v, c), "scanned by the last cycle");
	page_rule(p, "not Go", NULL);
	line(p, "resident, Go included", resident(c), "of its Go processes");
	line(p, "beyond the Go runtime", c->memory.non_go_bytes, "cgo, mapped files");
}
