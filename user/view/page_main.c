/* SPDX-License-Identifier: BSD-2-Clause */
/* The main screen (screens.md 1 and 2): header, one row a container, and the pane that says in words what is wrong with
 * the row under the cursor. The pane keeps its height while there is room for less; a long verdict takes rows from the
 * bottom of the table, never the one under the cursor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "view/columns.h"
#include "view/format.h"
#include "view/page.h"
#include "view/plain.h"
#include "view/summary.h"
#include "view/table.h"

#define HEADER_WIDTH 115 /* below this the short header */
#define TITLE_WIDTH  100 /* below this the pane has no line with the name */
#define NODE_WIDTH   32
#define PANE_MAX     8 /* lines */
#define TABLE_ROWS   4 /* that the pane leaves at least */

/* Left and right part of a header line. */
struct line {
	struct str left, right;
	struct pen l, r;
};

static void line_begin(struct view *v, struct line *x)
{
	str_init(&x->left);
	str_init(&x->right);
	view_pen(v, &x->left, &x->l);
	view_pen(v, &x->right, &x->r);
}

static void line_end(struct view *v, struct line *x, int row)
{
	view_line(v, row, str_get(&x->left), &x->right, x->r.at);
	str_deinit(&x->left);
	str_deinit(&x->right);
}

/* ---- header -------------------------------------------------------------------------------------------- */

/* "-00:42" */
static void behind_text(const struct view *v, char *buf, size_t sz)
{
	uint64_t behind = v->newest_ns > v->s.time_mono_ns ? v->newest_ns - v->s.time_mono_ns : 0;

	behind = (behind + NS_PER_SEC / 2) / NS_PER_SEC;
	snprintf(buf, sz, "-%02u:%02u", (unsigned int)(behind / 60 % 100), (unsigned int)(behind % 60));
}

static void clock_part(const struct view *v, struct pen *p, bool narrow)
{
	enum grade grade = v->when == WHEN_LIVE ? GRADE_FINE : GRADE_WARNING;
	char now[TEXT_SZ], behind[TEXT_SZ];

	pen_text(p, grade, summary_clock(v->s.time_unix_ns, false, now, sizeof(now)));
	behind_text(v, behind, sizeof(behind));
	if (v->when == WHEN_PAST)
		pen_textf(p, grade, " %s", behind);
	else if (v->when == WHEN_PAUSED)
		pen_text(p, grade, narrow ? " paused" : "  [paused]");
	else if (v->ended)
		pen_text(p, GRADE_ADVICE, narrow ? " end" : "  [end of recording]");
	else if (v->cfg.replay)
		pen_text(p, GRADE_ADVICE, narrow ? " replay" : "  [replay]");
	else if (!narrow)
		pen_text(p, grade, "  [live]");
	if (v->when == WHEN_PAST && !narrow)
		pen_text(p, grade, v->cfg.replay ? "  [0 newest]" : "  [0 live]");
}

static void sort_part(const struct view *v, struct pen *p)
{
	char name[16];

	str_copy(name, sizeof(name), order_names[v->sort]);
	for (char *at = name; *at; at++)
		*at = (char)(*at >= 'a' && *at <= 'z' ? *at - 32 : *at);
	pen_textf(p, GRADE_FINE, "sort %s %c", name, v->reverse ? '^' : 'v');
}

static void filter_part(const struct view *v, struct pen *p)
{
	bool any = *v->filter_text || *v->namespace_;

	if (!any)
		pen_text(p, GRADE_FINE, "-");
	if (*v->namespace_)
		pen_textf(p, GRADE_ADVICE, "ns=%s%s", v->namespace_, *v->filter_text ? " " : "");
	if (*v->filter_text)
		pen_text(p, GRADE_ADVICE, v->filter_text);
}

static void signals_part(struct pen *p, const struct snapshot *s, bool narrow)
{
	if (summary_signals(p, s, narrow))
		pen_text(p, GRADE_FINE, " (i)");
}

static void lost_part(struct pen *p, const struct snapshot *s)
{
	pen_textf(p, s->lost ? GRADE_WARNING : GRADE_FINE, "lost %llu", (unsigned long long)s->lost);
}

static void header_node(struct view *v, int row)
{
	const struct snapshot *s = &v->s;
	char node[256], machine[128], cpus[TEXT_SZ], busy[TEXT_SZ], steal[TEXT_SZ], memory[TEXT_SZ];
	struct summary_counts n;
	struct line x;
	int room;

	summary_count(s, &n);
	line_begin(v, &x);
	pen_textf(&x.r, GRADE_FINE, "%d Go container%s  %d process%s  ", n.live, summary_plural(n.live),
		  s->processes_go, s->processes_go == 1 ? "" : "es");
	clock_part(v, &x.r, false);
	snprintf(machine, sizeof(machine), "  %s CPU %s%% busy  steal %s%%  mem %s%%",
		 format_count(s->node_cpus > 0 ? s->node_cpus : STAT_UNKNOWN, cpus, sizeof(cpus)),
		 format_percent(s->cpu_busy_ratio, busy, sizeof(busy)),
		 format_percent_fine(s->steal_ratio, steal, sizeof(steal)),
		 format_percent(s->memory_used_ratio, memory, sizeof(memory)));
	pen_text(&x.l, GRADE_FINE, "gopherscope  node ");
	room = x.l.width - x.l.at - (int)strlen(machine) - 2 - x.r.at;
	room = room < 8 ? 8 : room > NODE_WIDTH ? NODE_WIDTH : room;
	format_squeeze(*s->node_name ? s->node_name : "?", room, x.l.ascii, node, sizeof(node));
	pen_textf(&x.l, GRADE_FINE, "%s%s", node, machine);
	line_end(v, &x, row);
}

static void header_now(struct view *v, int row)
{
	const struct snapshot *s = &v->s;
	char window[TEXT_SZ], refresh[TEXT_SZ];
	struct summary_counts n;
	struct line x;

	summary_count(s, &n);
	line_begin(v, &x);
	pen_text(&x.l, GRADE_FINE, "NOW  ");
	pen_textf(&x.l, n.critical ? GRADE_CRITICAL : GRADE_FINE, "%d critical", n.critical);
	pen_text(&x.l, GRADE_FINE, "  ");
	pen_textf(&x.l, n.warning ? GRADE_WARNING : GRADE_FINE, "%d warning%s", n.warning, summary_plural(n.warning));
	pen_textf(&x.l, GRADE_FINE, "  %d fine", n.fine);
	if (n.pending)
		pen_textf(&x.l, GRADE_WARNING, ", %d not judged yet", n.pending);
	if (s->processes_not_observable)
		pen_textf(&x.l, GRADE_FINE, "  (%d Go process%s not observable: l)", s->processes_not_observable,
			  s->processes_not_observable == 1 ? "" : "es");
	pen_textf(&x.r, GRADE_FINE, "window %s  refresh %s  ",
		  format_duration(s->window_seconds, window, sizeof(window)),
		  format_duration((double)v->cfg.interval_ns / NS_PER_SEC, refresh, sizeof(refresh)));
	sort_part(v, &x.r);
	pen_text(&x.r, GRADE_FINE, "  filter ");
	filter_part(v, &x.r);
	line_end(v, &x, row);
}

static void header_signals(struct view *v, int row)
{
	const struct snapshot *s = &v->s;
	char self[TEXT_SZ], memory[TEXT_SZ];
	struct line x;

	line_begin(v, &x);
	signals_part(&x.l, s, false);
	pen_textf(&x.r, GRADE_FINE, "cost: self %s%% of a CPU, %s; worst target ",
		  format_percent_fine(s->agent_cpu_ratio, self, sizeof(self)),
		  format_bytes(s->agent_rss_bytes, memory, sizeof(memory)));
	summary_worst_cost(&x.r, s);
	pen_text(&x.r, GRADE_FINE, "   ");
	lost_part(&x.r, s);
	line_end(v, &x, row);
}

static void narrow_node(struct view *v, int row)
{
	const struct snapshot *s = &v->s;
	char node[128], cpus[TEXT_SZ], busy[TEXT_SZ], memory[TEXT_SZ], window[TEXT_SZ];
	struct summary_counts n;
	struct line x;

	summary_count(s, &n);
	line_begin(v, &x);
	format_squeeze(*s->node_name ? s->node_name : "?", v->when == WHEN_LIVE ? 20 : 12, x.l.ascii, node,
		       sizeof(node));
	pen_textf(&x.l, GRADE_FINE, "gopherscope %s %scpu %s%% mem %s%%", node,
		  format_count(s->node_cpus > 0 ? s->node_cpus : STAT_UNKNOWN, cpus, sizeof(cpus)),
		  format_percent(s->cpu_busy_ratio, busy, sizeof(busy)),
		  format_percent(s->memory_used_ratio, memory, sizeof(memory)));
	pen_textf(&x.r, n.critical ? GRADE_CRITICAL : GRADE_FINE, "%d!", n.critical);
	pen_text(&x.r, GRADE_FINE, " ");
	pen_textf(&x.r, n.warning ? GRADE_WARNING : GRADE_FINE, "%d*", n.warning);
	pen_textf(&x.r, GRADE_FINE, " %dok", n.fine);
	if (n.pending)
		pen_textf(&x.r, GRADE_WARNING, " %dwait", n.pending);
	if (s->processes_not_observable)
		pen_textf(&x.r, GRADE_FINE, " %d?", s->processes_not_observable);
	pen_textf(&x.r, GRADE_FINE, "  w%s ", format_duration(s->window_seconds, window, sizeof(window)));
	clock_part(v, &x.r, true);
	line_end(v, &x, row);
}

static void narrow_signals(struct view *v, int row)
{
	const struct snapshot *s = &v->s;
	char self[TEXT_SZ];
	struct line x;

	line_begin(v, &x);
	signals_part(&x.l, s, true);
	pen_textf(&x.l, GRADE_FINE, "  cost self %s%% worst target ",
		  format_percent_fine(s->agent_cpu_ratio, self, sizeof(self)));
	summary_worst_cost(&x.l, s);
	lost_part(&x.r, s);
	pen_text(&x.r, GRADE_FINE, "  ");
	if (*v->filter_text || *v->namespace_)
		filter_part(v, &x.r);
	else
		sort_part(v, &x.r);
	line_end(v, &x, row);
}

/* Returns the number of its lines. */
static int header(struct view *v)
{
	if (view_width(v) < HEADER_WIDTH) {
		narrow_node(v, 0);
		narrow_signals(v, 1);
		return 2;
	}
	header_node(v, 0);
	header_now(v, 1);
	header_signals(v, 2);
	return 3;
}

/* ---- table --------------------------------------------------------------------------------------------- */

static void caption(struct pen *p, const struct column_layout *l)
{
	table_caption(p, l); /* its line is there also without bars: rows keep their places */
}

static const char *nothing_text(const struct view *v)
{
	if (v->s.container_cnt && *v->filter.unknown)
		return "no row passes the filter: its keys: " FILTER_KEYS " (Esc: no filter)";
	if (v->s.container_cnt)
		return "no row passes the filter (Esc: no filter, n: all namespaces)";
	return "no Go container or process to show yet; key l says what was not observable";
}

static void rows_block(struct view *v, const struct column_layout *l, int row, int height)
{
	struct str text;
	struct pen p;

	rows_scroll(&v->rows, height);
	for (int i = 0; i < height && v->rows.top + i < v->rows.cnt; i++) {
		int at = v->rows.top + i;
		const struct snapshot_container *c = &v->s.containers[v->rows.row[at].at];

		str_init(&text);
		view_pen(v, &text, &p);
		table_row(&p, l, &v->s, c, c->gone ? GRADE_DIM : GRADE_FINE);
		canvas_line(&v->canvas, row + i, 0, str_get(&text));
		str_deinit(&text);
		if (at == v->rows.cursor)
			canvas_reverse(&v->canvas, row + i, 0, v->canvas.cols);
	}
	if (!v->rows.cnt)
		canvas_line(&v->canvas, row, COLUMN_NAME_AT, nothing_text(v));
}

static void one_line(struct view *v, int row, void (*write)(struct pen *, const struct column_layout *),
		     const struct column_layout *l)
{
	struct str text;
	struct pen p;

	str_init(&text);
	view_pen(v, &text, &p);
	write(&p, l);
	canvas_line(&v->canvas, row, 0, str_get(&text));
	str_deinit(&text);
}

/* ---- pane ---------------------------------------------------------------------------------------------- */

static int line_cnt(const char *text)
{
	int n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* Lines of the pane on a terminal of this height, before it grows. */
static int pane_base(int height)
{
	return height >= 36 ? 5 : height >= 20 ? 3 : 2;
}

/* What `why` prints. On a narrow screen the row above already says which container it is: the mark takes the place of
 * that line. */
static void pane_text(struct view *v, struct str *out)
{
	const struct snapshot_container *c = view_container(v);
	struct plain_style st = {.width = view_width(v), .color = v->cfg.color, .ascii = v->cfg.ascii};

	if (c)
		plain_why(&v->s, c, &st, out);
}

/* More of the text is there than the pane has lines: says so at the end of the last one. */
static void more_below(struct view *v, int row)
{
	int end = v->canvas.cols, room = (int)strlen("... (Enter: all)") + 1;
	const struct canvas_cell *cells = &v->canvas.cells[row * v->canvas.cols];
	struct str text;
	struct pen p;

	while (end > 0 && cells[end - 1].c == ' ')
		end--;
	while (end + room > v->canvas.cols && end > 0) /* whole words give way */
		for (end--; end > 0 && cells[end - 1].c != ' '; end--)
			;
	while (end > 0 && cells[end - 1].c == ' ')
		end--;
	for (int col = end; col < v->canvas.cols; col++)
		v->canvas.cells[row * v->canvas.cols + col] = (struct canvas_cell){.c = ' '};
	str_init(&text);
	view_pen(v, &text, &p);
	pen_text(&p, GRADE_ADVICE, " \u2026 (Enter: all)");
	canvas_line(&v->canvas, row, end, str_get(&text));
	str_deinit(&text);
}

static void pane(struct view *v, int row, int height, const struct str *text, bool narrow)
{
	const struct snapshot_container *c = view_container(v);
	struct str rule, mark;
	struct pen p;

	str_init(&rule);
	str_init(&mark);
	view_pen(v, &rule, &p);
	page_rule(&p, NULL, NULL);
	canvas_line(&v->canvas, row, 0, str_get(&rule));
	if (c) {
		char sign[2] = "";
		enum grade grade;

		sign[0] = columns_mark(c, &grade);
		if (canvas_lines(&v->canvas, row + 1, height, narrow ? 1 : 0, str_get(text)) - narrow > height)
			more_below(v, row + height);
		view_pen(v, &mark, &p);
		pen_text(&p, grade, sign);
		canvas_line(&v->canvas, row + 1, 0, str_get(&mark));
	}
	str_deinit(&rule);
	str_deinit(&mark);
}

static void draw_waiting(struct view *v)
{
	canvas_line(&v->canvas, 0, 0, "gopherscope");
	canvas_line(&v->canvas, 2, COLUMN_NAME_AT, "waiting for the first numbers");
}

static void draw_table(struct view *v)
{
	int width = view_table_width(v), height = v->canvas.rows, top = header(v), lines, room;
	bool narrow = width < TITLE_WIDTH;
	struct column_layout l;
	struct str text;

	str_init(&text);
	pane_text(v, &text);
	columns_layout(&v->s, width, &l);
	if (!l.narrow)
		one_line(v, top++, caption, &l);
	one_line(v, top++, table_titles, &l);
	lines = line_cnt(str_get(&text)) - narrow;
	lines = lines > PANE_MAX ? PANE_MAX : lines;
	if (lines < pane_base(height))
		lines = pane_base(height);
	room = height - top - 2; /* the rule and the line of the keys */
	if (lines > room - TABLE_ROWS)
		lines = room - TABLE_ROWS > 1 ? room - TABLE_ROWS : 1;
	rows_block(v, &l, top, room - lines);
	pane(v, top + room - lines, lines, &text, narrow);
	str_deinit(&text);
}

static void draw(struct view *v)
{
	if (v->have)
		draw_table(v);
	else
		draw_waiting(v);
}

/* ---- keys ---------------------------------------------------------------------------------------------- */

static bool sortable(const struct snapshot *s, enum sort_key key)
{
	static const struct {
		enum sort_key key;
		enum signal_id signal;
	} needs[] = {{SORT_THR, SIGNAL_CPU_THROTTLE}, {SORT_STW, SIGNAL_GO_GC},        {SORT_GC, SIGNAL_GO_RUNTIME},
		     {SORT_RUNQ, SIGNAL_CPU_SCHED},   {SORT_GOSCH, SIGNAL_GO_RUNTIME}, {SORT_NET, SIGNAL_NET_TCP},
		     {SORT_DNS, SIGNAL_NET_DNS}};

	for (size_t i = 0; i < sizeof(needs) / sizeof(*needs); i++)
		if (needs[i].key == key)
			return s->signals[needs[i].signal].present;
	return true;
}

static void sort_by(struct view *v, enum sort_key key)
{
	if (v->have && !sortable(&v->s, key)) {
		view_say(v, "cannot sort by %s: its signal is not in this build", order_names[key]);
		return;
	}
	v->sort = key;
	view_resort(v);
}

static void sort_next(struct view *v, int step)
{
	int key = v->sort;

	do
		key = (key + step + SORT_KEY_CNT) % SORT_KEY_CNT;
	while (v->have && !sortable(&v->s, (enum sort_key)key));
	sort_by(v, (enum sort_key)key);
}

/* Only the namespace of the row under the cursor; again: all. */
static void toggle_namespace(struct view *v)
{
	const struct snapshot_container *c = view_container(v);

	if (*v->namespace_)
		v->namespace_[0] = 0;
	else if (c && *c->owner.namespace_)
		str_copy(v->namespace_, sizeof(v->namespace_), c->owner.namespace_);
	else
		view_say(v, "this row has no namespace");
	view_resort(v);
}

static bool sort_key(struct view *v, uint32_t key)
{
	static const struct {
		uint32_t key;
		enum sort_key sort;
	} keys[] = {{'W', SORT_WHY}, {'P', SORT_CPU}, {'M', SORT_MEM},
		    {'T', SORT_THR}, {'G', SORT_GC},  {'N', SORT_NET}};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		if (keys[i].key != key)
			continue;
		sort_by(v, keys[i].sort);
		return true;
	}
	return false;
}

static bool move_key(struct view *v, uint32_t key)
{
	int page = v->canvas.rows > 20 ? v->canvas.rows - 12 : 5;

	switch (key) {
	case KEYS_UP:
	case 'k':
		rows_move(&v->rows, -1);
		return true;
	case KEYS_DOWN:
	case 'j':
		rows_move(&v->rows, 1);
		return true;
	case KEYS_PAGE_UP:
		rows_move(&v->rows, -page);
		return true;
	case KEYS_PAGE_DOWN:
		rows_move(&v->rows, page);
		return true;
	case KEYS_HOME:
		rows_move(&v->rows, -v->rows.cnt);
		return true;
	case KEYS_END:
		rows_move(&v->rows, v->rows.cnt);
		return true;
	default:
		return false;
	}
}

static bool on_key(struct view *v, uint32_t key)
{
	if (move_key(v, key) || sort_key(v, key))
		return true;
	switch (key) {
	case '<':
		sort_next(v, -1);
		return true;
	case '>':
	case KEYS_F1 + 5:
		sort_next(v, 1);
		return true;
	case 'v':
		v->reverse = !v->reverse;
		view_resort(v);
		return true;
	case 'n':
		toggle_namespace(v);
		return true;
	case '\r':
		if (view_container(v))
			page_open(v, PAGE_CONTAINER);
		return true;
	case KEYS_ESC:
		v->filter_text[0] = v->namespace_[0] = 0;
		view_resort(v);
		return true;
	default:
		return false;
	}
}

const struct page page_main = {draw, on_key,
			       "Enter open  / filter  <> sort  w window  [ ] time  Space pause  s goroutine window  R "
			       "record  i signals  ? help  q quit",
			       "Enter open  / filter  <> sort  w window  [ ] time  s goroutine window  ? help  q quit"};
