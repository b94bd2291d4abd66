/* SPDX-License-Identifier: BSD-2-Clause */
/* Cost is measured all the time; off is what the budget switched off for at least one process of a container. Once it
 * is off it costs nothing, so a number above the budget is only said while the window still holds one. */
#include "view/budget.h"

#include <math.h>
#include <stdio.h>

#include "view/columns.h"
#include "view/format.h"
#include "view/page.h"

#define NAME_SZ    1024 /* what owner_format() can write */
#define NAME_WIDTH 48
#define LINES_MAX  8 /* containers that are named, for each thing said of them */

static const char *const groups[OVERHEAD_GROUP_CNT] = {
	[OVERHEAD_GO_GC] = "go_gc",
	[OVERHEAD_GO_ASSIST] = "go_assist",
	[OVERHEAD_CPU_SCHED] = "cpu_sched",
	[OVERHEAD_GO_SCHED] = "go_sched",
};

char *budget_text(double max_ratio, char *buf, size_t sz)
{
	char text[TEXT_SZ];

	if (isnan(max_ratio))
		snprintf(buf, sz, "?");
	else if (max_ratio < 0)
		snprintf(buf, sz, "none");
	else
		snprintf(buf, sz, "%s%%", format_percent_fine(max_ratio, text, sizeof(text)));
	return buf;
}

double budget_cost(const struct snapshot_container *c)
{
	return fmax(c->cost_ratio, c->overhead.worst_ratio); /* fmax takes the number where one is NAN */
}

bool budget_exceeded(const struct snapshot_container *c)
{
	return c->overhead.max_ratio >= 0 && budget_cost(c) > c->overhead.max_ratio;
}

static size_t off_words(const struct snapshot_container *c, int group, const char *whose, char *buf, size_t sz)
{
	double max = c->overhead.max_ratio, now = c->overhead.ratio[group];
	char budget[TEXT_SZ], ratio[TEXT_SZ];
	int len;

	budget_text(max, budget, sizeof(budget));
	if (max >= 0 && now > max)
		len = snprintf(buf, sz, "%s off: %s%% of %s CPU is above the budget of %s", groups[group],
			       format_percent_fine(now, ratio, sizeof(ratio)), whose, budget);
	else
		len = snprintf(buf, sz, "%s off: it took more of %s CPU than the budget of %s", groups[group], whose,
			       budget);
	return (size_t)len < sz ? (size_t)len : sz - 1;
}

char *budget_off(const struct snapshot_container *c, const char *name, char *buf, size_t sz)
{
	char whose[NAME_WIDTH * 4 + 16] = "its";
	size_t len = 0;

	if (name)
		snprintf(whose, sizeof(whose), "%.*s's", NAME_WIDTH * 4, name);
	buf[0] = 0;
	for (int i = 0; i < OVERHEAD_GROUP_CNT; i++) {
		if (!(c->overhead.off & 1u << i))
			continue;
		if (len)
			len += (size_t)snprintf(buf + len, sz - len, "%s", len + 2 < sz ? "; " : "");
		len += off_words(c, i, whose, buf + len, sz - len);
	}
	return buf;
}

/* When the first of the windows that wait may open. */
static char *next_text(const struct snapshot_container *c, char *buf, size_t sz)
{
	double next = c->overhead.next_seconds;
	char wait[TEXT_SZ];

	if (isnan(next))
		snprintf(buf, sz, "when is not known");
	else if (isinf(next))
		snprintf(buf, sz, "it uses too little CPU for one; --max-overhead none opens one");
	else
		snprintf(buf, sz, "about %s", format_duration(next, wait, sizeof(wait)));
	return buf;
}

char *budget_waiting(const struct snapshot_container *c, char *buf, size_t sz)
{
	char max[TEXT_SZ], next[96];

	buf[0] = 0;
	if (c->overhead.waiting > 0 || !isnan(c->overhead.next_seconds))
		snprintf(buf, sz, "goroutine window waits for budget (%s of its CPU, saved up over a minute): %s",
			 budget_text(c->overhead.max_ratio, max, sizeof(max)), next_text(c, next, sizeof(next)));
	return buf;
}

/* ---- page of signals ----------------------------------------------------------------------------------- */

static char *name_of(const struct snapshot_container *c, bool ascii, char *buf, size_t sz)
{
	char name[NAME_SZ];

	columns_name(c, true, name, sizeof(name));
	format_squeeze(name, NAME_WIDTH, ascii, buf, sz);
	return buf;
}

static const struct snapshot_container *worst_of(const struct snapshot *s)
{
	const struct snapshot_container *ret = NULL;

	for (int i = 0; i < s->container_cnt; i++) {
		const struct snapshot_container *c = &s->containers[i];

		if (!isnan(budget_cost(c)) && (!ret || budget_cost(c) > budget_cost(ret)))
			ret = c;
	}
	return ret;
}

/* "worst, last 10s: NAME 0.81%: go_gc 0.01%, go_assist 0.8%, ..." */
static void worst_line(struct pen *p, const struct snapshot *s)
{
	const struct snapshot_container *c = worst_of(s);
	char name[NAME_WIDTH * 4 + 8], ratio[TEXT_SZ], window[TEXT_SZ];
	bool any = false;

	if (!c)
		return;
	pen_textf(p, GRADE_FINE, "worst, last %s: %s ", format_duration(s->window_seconds, window, sizeof(window)),
		  name_of(c, p->ascii, name, sizeof(name)));
	pen_textf(p, budget_exceeded(c) ? GRADE_WARNING : GRADE_FINE, "%s%%",
		  format_percent_fine(budget_cost(c), ratio, sizeof(ratio)));
	for (int i = 0; i < OVERHEAD_GROUP_CNT; i++) {
		if (isnan(c->overhead.ratio[i]))
			continue;
		pen_text(p, GRADE_FINE, any ? "," : ":");
		page_item(p, "%s %s%%", groups[i], format_percent_fine(c->overhead.ratio[i], ratio, sizeof(ratio)));
		any = true;
	}
	pen_end(p);
}

static void off_lines(struct pen *p, const struct snapshot *s)
{
	char name[NAME_WIDTH * 4 + 8], text[BUDGET_TEXT_SZ];
	int cnt = 0;

	for (int i = 0; i < s->container_cnt; i++) {
		const struct snapshot_container *c = &s->containers[i];

		if (!c->overhead.off || cnt++ >= LINES_MAX)
			continue;
		budget_off(c, name_of(c, p->ascii, name, sizeof(name)), text, sizeof(text));
		pen_paragraph(p, 2, text);
	}
	if (cnt > LINES_MAX) {
		pen_textf(p, GRADE_DIM, "and %d more containers in which something is off", cnt - LINES_MAX);
		pen_end(p);
	}
}

static void next_lines(struct pen *p, const struct snapshot *s)
{
	char name[NAME_WIDTH * 4 + 8], wait[96], text[NAME_WIDTH * 4 + 160];
	int cnt = 0;

	for (int i = 0; i < s->container_cnt; i++) {
		const struct snapshot_container *c = &s->containers[i];

		if ((c->overhead.waiting <= 0 && isnan(c->overhead.next_seconds)) || cnt++ >= LINES_MAX)
			continue;
		snprintf(text, sizeof(text), "goroutine window waits for budget: %s: %s",
			 name_of(c, p->ascii, name, sizeof(name)), next_text(c, wait, sizeof(wait)));
		pen_paragraph(p, 2, text);
	}
	if (cnt > LINES_MAX) {
		pen_textf(p, GRADE_DIM, "and %d more containers that wait for one", cnt - LINES_MAX);
		pen_end(p);
	}
}

/* One option for the whole session: known from the first container of which costs were told. */
static double max_of(const struct snapshot *s)
{
	for (int i = 0; i < s->container_cnt; i++)
		if (!isnan(s->containers[i].overhead.max_ratio))
			return s->containers[i].overhead.max_ratio;
	return NAN;
}

void budget_part(struct pen *p, const struct snapshot *s)
{
	double max = max_of(s);
	char text[TEXT_SZ];

	page_rule(p, "overhead budget", NULL);
	if (isnan(max))
		pen_paragraph(p, 2,
			      "--max-overhead: nothing that it limits (go_assist, windows) has cost a target "
			      "anything yet");
	else if (max < 0)
		pen_paragraph(p, 2, "--max-overhead none: go_assist and windows may cost what they cost");
	else {
		pen_textf(p, GRADE_FINE, "--max-overhead %s of each target's CPU; ",
			  budget_text(max, text, sizeof(text)));
		pen_paragraph(p, 2, "a window spends at once what was saved up over a minute");
	}
	worst_line(p, s);
	off_lines(p, s);
	next_lines(p, s);
}
