/* SPDX-License-Identifier: BSD-2-Clause */
/* The main screen as text (screens.md 1, 2 and 5 to 7), for pipes, --once and why: a block of header lines, the table,
 * and the panes that say in words what is wrong. Keys have no place here, so what the screen keeps behind a key
 * (reasons of signals that are off, losses by reason) is written out. */
#include "view/plain.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "diagnose/delay.h"
#include "diagnose/verdicts.h"
#include "probes/probes.h"
#include "view/budget.h"
#include "view/columns.h"
#include "view/format.h"
#include "view/pen.h"
#include "view/sched_window.h"
#include "view/summary.h"
#include "view/table.h"

#define RULE           "\u2500"
#define TEXT_SZ        24   /* one formatted number */
#define NAME_SZ        1024 /* what owner_format() can write */
#define PANE_INDENT    7    /* "  SEEN " */
#define PANE_NAME_MIN  16
#define PANE_WIDTH_MIN 60

static void pen_on(struct pen *p, const struct plain_style *st, struct str *out)
{
	*p = (struct pen){.out = out,
			  .width = st->width < COLUMN_WIDTH_MIN ? COLUMN_WIDTH_MIN : st->width,
			  .color = st->color,
			  .ascii = st->ascii};
}

static char *cpus_text(int cpus, char *buf, size_t sz)
{
	return format_count(cpus > 0 ? cpus : STAT_UNKNOWN, buf, sz);
}

static void header_node(struct pen *p, struct pen *right, const struct snapshot *s, const struct summary_counts *n)
{
	char node[256], cpus[TEXT_SZ], busy[TEXT_SZ], steal[TEXT_SZ], memory[TEXT_SZ], now[TEXT_SZ];

	format_squeeze(*s->node_name ? s->node_name : "?", 32, p->ascii, node, sizeof(node));
	format_percent(s->cpu_busy_ratio, busy, sizeof(busy));
	format_percent_fine(s->steal_ratio, steal, sizeof(steal));
	format_percent(s->memory_used_ratio, memory, sizeof(memory));
	pen_textf(p, GRADE_FINE, "gopherscope  node %s  %s CPU %s%% busy  steal %s%%  mem %s%%", node,
		  cpus_text(s->node_cpus, cpus, sizeof(cpus)), busy, steal, memory);
	pen_textf(right, GRADE_FINE, "%d Go container%s  %d process%s  %s", n->live, summary_plural(n->live),
		  s->processes_go, s->processes_go == 1 ? "" : "es",
		  summary_clock(s->time_unix_ns, false, now, sizeof(now)));
	pen_join_right(p, right);
	pen_end(p);
}

static void header_now(struct pen *p, struct pen *right, const struct snapshot *s, const struct summary_counts *n)
{
	char window[TEXT_SZ];

	pen_text(p, GRADE_FINE, "NOW  ");
	pen_textf(p, n->critical ? GRADE_CRITICAL : GRADE_FINE, "%d critical", n->critical);
	pen_text(p, GRADE_FINE, "  ");
	pen_textf(p, n->warning ? GRADE_WARNING : GRADE_FINE, "%d warning%s", n->warning, summary_plural(n->warning));
	pen_textf(p, GRADE_FINE, "  %d fine", n->fine);
	if (n->pending)
		pen_textf(p, GRADE_WARNING, ", %d not judged yet", n->pending);
	if (s->processes_not_observable)
		pen_textf(p, GRADE_FINE, "  (%d Go process%s not observable: gopherscope list)",
			  s->processes_not_observable, s->processes_not_observable == 1 ? "" : "es");
	pen_textf(right, GRADE_FINE, "window %s", format_duration(s->window_seconds, window, sizeof(window)));
	pen_join_right(p, right);
	pen_end(p);
}

static void lost_text(struct pen *p, const struct snapshot *s)
{
	pen_textf(p, s->lost ? GRADE_WARNING : GRADE_FINE, "lost %llu", (unsigned long long)s->lost);
}

static void header_signals(struct pen *p, struct pen *right, const struct snapshot *s)
{
	char self[TEXT_SZ], memory[TEXT_SZ];

	format_percent_fine(s->agent_cpu_ratio, self, sizeof(self));
	format_bytes(s->agent_rss_bytes, memory, sizeof(memory));
	summary_signals(p, s, false);
	pen_textf(right, GRADE_FINE, "cost: self %s%% of a CPU, %s; worst target ", self, memory);
	summary_worst_cost(right, s);
	pen_text(right, GRADE_FINE, "   ");
	lost_text(right, s);
	pen_join_right(p, right);
	pen_end(p);
}

static void header_narrow_node(struct pen *p, struct pen *right, const struct snapshot *s,
			       const struct summary_counts *n)
{
	char node[128], cpus[TEXT_SZ], busy[TEXT_SZ], memory[TEXT_SZ], window[TEXT_SZ], now[TEXT_SZ];

	format_squeeze(*s->node_name ? s->node_name : "?", 20, p->ascii, node, sizeof(node));
	format_percent(s->cpu_busy_ratio, busy, sizeof(busy));
	format_percent(s->memory_used_ratio, memory, sizeof(memory));
	pen_textf(p, GRADE_FINE, "gopherscope %s %scpu %s%% mem %s%%", node,
		  cpus_text(s->node_cpus, cpus, sizeof(cpus)), busy, memory);
	pen_textf(right, n->critical ? GRADE_CRITICAL : GRADE_FINE, "%d!", n->critical);
	pen_text(right, GRADE_FINE, " ");
	pen_textf(right, n->warning ? GRADE_WARNING : GRADE_FINE, "%d*", n->warning);
	pen_textf(right, GRADE_FINE, " %dok", n->fine);
	if (n->pending)
		pen_textf(right, GRADE_WARNING, " %dwait", n->pending);
	if (s->processes_not_observable)
		pen_textf(right, GRADE_FINE, " %d?", s->processes_not_observable);
	pen_textf(right, GRADE_FINE, "  w%s %s", format_duration(s->window_seconds, window, sizeof(window)),
		  summary_clock(s->time_unix_ns, false, now, sizeof(now)));
	pen_join_right(p, right);
	pen_end(p);
}

static void header_narrow_signals(struct pen *p, struct pen *right, const struct snapshot *s)
{
	char self[TEXT_SZ];

	summary_signals(p, s, true);
	pen_textf(p, GRADE_FINE, "  cost self %s%% worst target ",
		  format_percent_fine(s->agent_cpu_ratio, self, sizeof(self)));
	summary_worst_cost(p, s);
	lost_text(right, s);
	pen_join_right(p, right);
	pen_end(p);
}

/* What the screen shows behind key i: why a signal is off, and which events were lost. */
static void signal_details(struct pen *p, const struct snapshot_signal *sig)
{
	bool any = false;
	char text[300];

	if (!sig->present)
		return;
	if (*sig->reason && strcmp(sig->state, "on") && strcmp(sig->state, "window") &&
	    strncmp(sig->reason, SIGNAL_UNASKED, strlen(SIGNAL_UNASKED))) {
		pen_textf(p, GRADE_FINE, "  %s: %s: ", sig->state, sig->name);
		pen_paragraph(p, 4, sig->reason);
	}
	for (int r = 0; r < LOSS_REASON_CNT; r++) {
		if (!sig->lost[r])
			continue;
		snprintf(text, sizeof(text), "  lost: %s:", sig->name);
		pen_text(p, GRADE_FINE, any ? "," : text);
		pen_textf(p, GRADE_FINE, " %s %llu", loss_reason_name(r), (unsigned long long)sig->lost[r]);
		any = true;
	}
	if (any)
		pen_end(p);
}

static void header(struct pen *p, const struct snapshot *s, bool narrow)
{
	struct summary_counts n;
	struct str side[3];
	struct pen right[3];

	summary_count(s, &n);
	for (int i = 0; i < 3; i++) {
		str_init(&side[i]);
		right[i] = *p;
		right[i].out = &side[i];
	}
	if (narrow) {
		header_narrow_node(p, &right[0], s, &n);
		header_narrow_signals(p, &right[1], s);
	} else {
		header_node(p, &right[0], s, &n);
		header_now(p, &right[1], s, &n);
		header_signals(p, &right[2], s);
	}
	for (int i = 0; i < 3; i++)
		str_deinit(&side[i]);
	for (int i = 0; i < SIGNAL_CNT; i++)
		signal_details(p, &s->signals[i]);
}

/* At most rows_max rows; the last of them says how many were left out. */
static void table(struct pen *p, const struct snapshot *s, const struct column_layout *l, int rows_max)
{
	int rows = s->container_cnt <= rows_max ? s->container_cnt : rows_max > 1 ? rows_max - 1 : 1;

	if (!l->narrow && table_caption(p, l))
		pen_end(p);
	table_titles(p, l);
	pen_end(p);
	for (int i = 0; i < rows; i++) {
		table_row(p, l, s, &s->containers[i], GRADE_FINE);
		pen_end(p);
	}
	if (rows < s->container_cnt) {
		pen_to(p, COLUMN_NAME_AT);
		pen_textf(p, GRADE_DIM, "and %d more: a taller terminal or a pipe shows them", s->container_cnt - rows);
		pen_end(p);
	}
	if (!s->container_cnt) {
		pen_to(p, COLUMN_NAME_AT);
		pen_text(p, GRADE_FINE, "no Go container or process to show yet; gopherscope list --all says why");
		pen_end(p);
	}
}

/* Why there is no verdict: the beginning of the sentence. */
static const char *unsaid(const struct snapshot *s, const struct snapshot_container *c)
{
	if (summary_pending(s, c))
		return "Not judged yet (a cause must hold for 3 windows); ";
	if (columns_above(s, c))
		return "No cause found, though a number is above its threshold; ";
	return "No cause found above threshold; ";
}

static void longer(struct delay *longest, const struct snapshot_container *c)
{
	struct delay d = delay_longest(c);

	longest->known |= d.known;
	if (d.seconds <= longest->seconds)
		return;
	longest->seconds = d.seconds;
	longest->column = d.column;
}

static void nothing_found(struct pen *p, const char *begin, const struct delay *d)
{
	char ms[TEXT_SZ], text[200];

	format_ms(d->seconds, ms, sizeof(ms)); /* before it is looked at: arguments have no order */
	if (!d->known)
		snprintf(text, sizeof(text), "%sdelays unknown: no signal that sees them works here.", begin);
	else if (!d->column)
		snprintf(text, sizeof(text), "%sno delay in the window.", begin);
	else
		snprintf(text, sizeof(text), "%slargest delay: %s %s%s.", begin, d->column, ms,
			 strpbrk(ms, "smh") ? "" : " ms");
	pen_paragraph(p, p->at, text);
}

/* No row has a verdict: what can be said of all of them together. */
static void nothing_found_in_any(struct pen *p, const struct snapshot *s)
{
	struct delay longest = {.column = NULL};
	const struct snapshot_container *above = NULL;

	for (int i = 0; i < s->container_cnt; i++) {
		const struct snapshot_container *c = &s->containers[i];

		if (c->gone)
			continue;
		longer(&longest, c);
		if (!above || summary_pending(s, c) || (columns_above(s, c) && !summary_pending(s, above)))
			above = c;
	}
	nothing_found(p, above ? unsaid(s, above) : "No cause found above threshold; ", &longest);
}

/* "  DO   set GOMAXPROCS=2 ..." */
static void pane_line(struct pen *p, const char *label, const char *text)
{
	if (!*text)
		return;
	pen_to(p, 2);
	pen_text(p, GRADE_FINE, label);
	pen_to(p, *label ? PANE_INDENT : 2);
	pen_paragraph(p, *label ? PANE_INDENT : 2, text);
}

/* "! shop/cart-0:cart   since 12:28:40 (2m27s)     throttled+gc  critical" */
static void pane_title(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	const struct verdict *v = c->verdict_cnt ? c->verdicts : NULL;
	char name[NAME_SZ], squeezed[NAME_SZ], why[64] = "", since[64] = "", at[TEXT_SZ], lasted[TEXT_SZ], mark[2] = "";
	enum grade grade;
	int room = p->width - COLUMN_NAME_AT;

	if (v)
		verdict_short(v, why, sizeof(why));
	if (v && v->since_unix_ns && v->since_unix_ns <= s->time_unix_ns) {
		double seconds = floor((double)(s->time_unix_ns - v->since_unix_ns) / NS_PER_SEC);

		snprintf(since, sizeof(since), "   since %s (%s)",
			 summary_clock(v->since_unix_ns, false, at, sizeof(at)),
			 format_duration(seconds, lasted, sizeof(lasted)));
	}
	if (v)
		room -= (int)(strlen(since) + 2 + strlen(why) + 2 + strlen(verdict_severity_name(v->severity)));
	mark[0] = columns_mark(c, &grade);
	columns_name(c, true, name, sizeof(name));
	format_squeeze(name, room < PANE_NAME_MIN ? PANE_NAME_MIN : room, p->ascii, squeezed, sizeof(squeezed));
	pen_text(p, grade, *mark == ' ' ? "" : mark);
	pen_to(p, COLUMN_NAME_AT);
	pen_textf(p, GRADE_FINE, "%s%s", squeezed, since);
	if (v) {
		const char *severity = verdict_severity_name(v->severity);

		pen_to(p, p->width - (int)(strlen(why) + 2 + strlen(severity)));
		pen_textf(p, columns_severity_grade(v->severity), "%s  %s", why, severity);
	}
	pen_end(p);
}

static void pane_other_verdict(struct pen *p, const struct verdict *v)
{
	char text[sizeof(v->text) + sizeof(v->advice) + 96], name[64];

	verdict_short(v, name, sizeof(name));
	snprintf(text, sizeof(text), "%s (%s): %s", name, verdict_severity_name(v->severity), v->text);
	pane_line(p, "ALSO", text);
	pane_line(p, "DO", v->advice);
	pane_line(p, "ALSO", v->also);
}

/* Numbers of a container that came up inside the window cover less than it. */
static void pane_coverage(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	double seen = (double)c->seen_ns / NS_PER_SEC;
	char text[96], covered[TEXT_SZ], window[TEXT_SZ];

	if (!c->seen_ns || seen > s->window_seconds * 0.95)
		return;
	snprintf(text, sizeof(text), "numbers cover %s: it was not watched before (window %s)",
		 format_duration(seen, covered, sizeof(covered)),
		 format_duration(s->window_seconds, window, sizeof(window)));
	pane_line(p, "NOTE", text);
}

/* What a goroutine window showed, and what the budget switched off. */
static void pane_window(struct pen *p, const struct snapshot_container *c)
{
	char text[SCHED_WINDOW_TEXT_SZ];

	pane_line(p, "NOTE", sched_window_sentence(&c->sched, text, sizeof(text)));
	pane_line(p, "NOTE", budget_waiting(c, text, sizeof(text)));
	pane_line(p, "NOTE", budget_off(c, NULL, text, sizeof(text)));
}

static void pane(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	pane_title(p, s, c);
	if (c->verdict_cnt) {
		pane_line(p, "", c->verdicts[0].text);
		pane_line(p, "DO", c->verdicts[0].advice);
		pane_line(p, "SEEN", c->verdicts[0].seen);
		pane_line(p, "ALSO", c->verdicts[0].also);
		for (int i = 1; i < c->verdict_cnt; i++)
			pane_other_verdict(p, &c->verdicts[i]);
	} else if (c->gone) {
		pane_line(p, "", "Its Go processes have ended.");
	} else if (!c->process_cnt && c->refused_cnt) {
		pane_line(p, "", "None of its Go processes can be observed; gopherscope list says why.");
	} else {
		struct delay longest = {.column = NULL};

		longer(&longest, c);
		pen_to(p, 2);
		nothing_found(p, unsaid(s, c), &longest);
	}
	pane_coverage(p, s, c);
	pane_window(p, c);
}

/* The rows may be sorted by another column, so the gravest is looked for. */
static const struct snapshot_container *gravest(const struct snapshot *s)
{
	const struct snapshot_container *ret = NULL;

	for (int i = 0; i < s->container_cnt; i++) {
		const struct snapshot_container *c = &s->containers[i];

		if (c->verdict_cnt && (!ret || c->verdicts[0].severity > ret->verdicts[0].severity))
			ret = c;
	}
	return ret;
}

/* Of a container without a pane: what its goroutine windows showed, and what the budget switched off. */
static void window_line(struct pen *p, const struct snapshot_container *c)
{
	char name[NAME_SZ], squeezed[NAME_SZ], text[SCHED_WINDOW_TEXT_SZ], off[BUDGET_TEXT_SZ];
	char waits[BUDGET_TEXT_SZ];

	sched_window_sentence(&c->sched, text, sizeof(text));
	budget_off(c, NULL, off, sizeof(off));
	budget_waiting(c, waits, sizeof(waits));
	if (!*text && !*off && !*waits)
		return;
	columns_name(c, true, name, sizeof(name));
	format_squeeze(name, p->width - COLUMN_NAME_AT, p->ascii, squeezed, sizeof(squeezed));
	pen_to(p, COLUMN_NAME_AT);
	pen_text(p, GRADE_FINE, squeezed);
	pen_end(p);
	pane_line(p, "NOTE", text);
	pane_line(p, "NOTE", waits);
	pane_line(p, "NOTE", off);
}

static void panes(struct pen *p, const struct snapshot *s, bool all)
{
	const struct snapshot_container *worst = gravest(s);

	for (int i = 0; i < p->width; i++)
		pen_text(p, GRADE_FINE, RULE);
	pen_end(p);
	if (!worst)
		nothing_found_in_any(p, s);
	for (int i = 0; i < s->container_cnt; i++) {
		const struct snapshot_container *c = &s->containers[i];

		if (all ? c->verdict_cnt > 0 : c == worst)
			pane(p, s, c);
		else
			window_line(p, c);
	}
}

static int lines(const struct str *text)
{
	int n = 0;

	for (const char *at = str_get(text); (at = strchr(at, '\n')); at++)
		n++;
	return n;
}

/* Rows for which a terminal has room beside that many other lines and the line of the cursor. */
static int rows_left(const struct plain_style *st, int others)
{
	if (!st->height)
		return INT_MAX;
	return st->height > others + 1 ? st->height - others - 1 : 1;
}

void plain_top(const struct snapshot *s, const struct plain_style *st, bool all_panes, struct str *out)
{
	struct column_layout layout;
	struct str below;
	struct pen p, q;

	str_init(&below);
	pen_on(&p, st, out);
	pen_on(&q, st, &below);
	columns_layout(s, p.width, &layout);
	header(&p, s, layout.narrow);
	if (s->container_cnt)
		panes(&q, s, all_panes);
	table(&p, s, &layout, rows_left(st, lines(out) + lines(&below) + (layout.narrow ? 1 : 2)));
	str_add(out, str_get(&below));
	out->failed |= below.failed;
	str_deinit(&below);
}

void plain_why(const struct snapshot *s, const struct snapshot_container *c, const struct plain_style *st,
	       struct str *out)
{
	struct pen p;

	pen_on(&p, st, out);
	p.width = st->width < PANE_WIDTH_MIN ? PANE_WIDTH_MIN : st->width;
	pane(&p, s, c);
}
