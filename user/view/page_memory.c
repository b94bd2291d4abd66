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

/* The runtime's mapped memory is inside the working set; what is left belongs to cgo, stacks of threads, page cache. */
static int64_t outside_go(const struct snapshot_container *c)
{
	int64_t ws = c->memory.working_set_bytes, mapped = c->gc.mapped_ready_bytes;

	return ws < 0 || mapped < 0 || mapped > ws ? STAT_UNKNOWN : ws - mapped;
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
	line(p, "heap live after the last cycle", c->gc.heap_live_bytes, "");
	line(p, "heap goal of the next cycle", c->gc.heap_goal_bytes, "");
	line(p, "GOMEMLIMIT", c->gc.memory_limit_bytes, "");
	line(p, "mapped by the Go runtime", c->gc.mapped_ready_bytes, "what GOMEMLIMIT bounds");
	line(p, "not of the Go runtime", outside_go(c), "cgo, threads, page cache in use");
}
