/* SPDX-License-Identifier: BSD-2-Clause */
/* Key i: each signal with state, reason, mechanism, cost and counts, then what the agent itself costs. */
#include <stdio.h>
#include <string.h>

#include "view/budget.h"
#include "view/format.h"
#include "view/page.h"
#include "view/summary.h"

static enum grade state_grade(const struct snapshot_signal *x)
{
	if (!strcmp(x->state, "off"))
		return GRADE_DIM;
	return strcmp(x->state, "degraded") ? GRADE_FINE : GRADE_WARNING;
}

static uint64_t lost_sum(const struct snapshot_signal *x)
{
	uint64_t sum = 0;

	for (int i = 0; i < LOSS_REASON_CNT; i++)
		sum += x->lost[i];
	return sum;
}

static void lost_reasons(struct pen *p, const struct snapshot_signal *x)
{
	bool any = false;

	for (int i = 0; i < LOSS_REASON_CNT; i++) {
		if (!x->lost[i])
			continue;
		pen_to(p, 4);
		pen_textf(p, GRADE_WARNING, "%s%s %llu", any ? ", " : "lost: ", loss_reason_name((enum loss_reason)i),
			  (unsigned long long)x->lost[i]);
		any = true;
	}
	if (any)
		pen_end(p);
}

static void count_at(struct pen *p, int end, uint64_t n)
{
	char text[TEXT_SZ];

	pen_right(p, GRADE_FINE, end, format_count((int64_t)n, text, sizeof(text)));
}

static void signal_row(struct pen *p, const struct snapshot_signal *x)
{
	char cost[TEXT_SZ] = "-", share[TEXT_SZ];

	pen_text(p, GRADE_FINE, x->name);
	pen_to(p, 14);
	pen_text(p, state_grade(x), x->state);
	if (!strcmp(x->state, "window"))
		pen_text(p, GRADE_FINE, summary_window_share(x, share, sizeof(share)));
	if (x->hit_cost_ns > 0)
		snprintf(cost, sizeof(cost), "%.2f us", x->hit_cost_ns / 1e3);
	pen_right(p, GRADE_FINE, 36, cost);
	count_at(p, 44, x->hits);
	count_at(p, 52, x->events);
	count_at(p, 61, x->filtered);
	count_at(p, 67, lost_sum(x));
	pen_to(p, 69);
	pen_paragraph(p, 69, *x->mechanism ? x->mechanism : "-");
	if (*x->reason) {
		pen_to(p, 4);
		pen_paragraph(p, 4, x->reason);
	}
	lost_reasons(p, x);
}

static void agent(struct pen *p, const struct snapshot *s)
{
	char cpu[TEXT_SZ], memory[TEXT_SZ], total[TEXT_SZ], events[TEXT_SZ];

	pen_end(p);
	pen_textf(p, GRADE_FINE, "agent: %s%% of a CPU (%s since its start), %s of memory, %s events, ",
		  format_percent_fine(s->agent_cpu_ratio, cpu, sizeof(cpu)),
		  format_duration(s->agent_cpu_seconds, total, sizeof(total)),
		  format_bytes(s->agent_rss_bytes, memory, sizeof(memory)),
		  format_count((int64_t)s->events, events, sizeof(events)));
	pen_textf(p, s->lost ? GRADE_WARNING : GRADE_FINE, "%llu lost", (unsigned long long)s->lost);
	pen_end(p);
	pen_text(p, GRADE_FINE, "cost in the worst target: ");
	summary_worst_cost(p, s);
	pen_text(p, GRADE_FINE, " of the CPU that it uses");
	pen_end(p);
	pen_end(p);
	budget_part(p, s);
	pen_end(p);
	pen_paragraph(
		p, 0,
		"hits = events + filtered + lost. Counts are since the start; a number in the table gets a ~ when "
		"events that belong to it were lost in the window.");
}

static void draw(struct view *v)
{
	struct str text;
	struct pen p;

	str_init(&text);
	view_pen(v, &text, &p);
	for (int i = 0; i < SIGNAL_CNT; i++)
		if (v->s.signals[i].present)
			signal_row(&p, &v->s.signals[i]);
	agent(&p, &v->s);
	canvas_line(&v->canvas, 0, 0, "signals: what is observed, by which mechanism, and what it costs");
	canvas_line(&v->canvas, 2, 0,
		    "SIGNAL        STATE      COST OF ONE HIT    HITS  EVENTS FILTERED  LOST  MECHANISM");
	page_lines(v, 3, &text);
	str_deinit(&text);
}

const struct page page_signals = {draw, page_scroll_key, "Esc back  arrows scroll  l not observable  ? help  q quit",
				  "Esc back  arrows scroll  l not observable  ? help  q quit"};
