/* SPDX-License-Identifier: BSD-2-Clause */
/* Enter: one container; the frame of its pages (screens.md 5). */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "pods/owner_index.h"
#include "view/format.h"
#include "view/page.h"
#include "view/strip.h"
#include "view/summary.h"

#define CLOCK_WIDTH 18 /* "  12:31:07 -00:42" */

static const struct {
	const char *name;
	void (*draw)(struct view *v, const struct snapshot_container *c, struct pen *p);
} tabs[TAB_CNT] = {
	{"overview", tab_overview},     {"GC", tab_gc},           {"CPU", tab_cpu},
	{"goroutines", tab_goroutines}, {"network", tab_network}, {"memory", tab_memory},
	{"processes", tab_processes},   {"events", tab_events},
};

static const char *age_text(const struct snapshot *s, const struct snapshot_process *x, char *buf, size_t sz)
{
	if (!x->start_unix_ns || x->start_unix_ns > s->time_unix_ns)
		return str_copy(buf, sz, "?"), buf;
	return format_duration((double)((s->time_unix_ns - x->start_unix_ns) / NS_PER_SEC), buf, sz);
}

/* One piece of the title, unless it does not fit before the clock. */
static void detail(struct pen *p, enum grade grade, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void detail(struct pen *p, enum grade grade, const char *fmt, ...)
{
	char text[OWNER_NAME_SZ + 40];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (p->at + 2 + (int)strlen(text) <= p->width - CLOCK_WIDTH)
		pen_textf(p, grade, "  %s", text);
}

/* "pid 48213  go1.22.5  up 3d04h  Deployment checkout-api" */
static void title_details(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	const struct snapshot_process *x = c->process_cnt ? c->processes : NULL;
	char age[TEXT_SZ];

	if (c->gone)
		detail(p, GRADE_WARNING, "gone");
	if (x && c->process_cnt > 1)
		detail(p, GRADE_FINE, "%d processes (7)", c->process_cnt);
	else if (x)
		detail(p, GRADE_FINE, "pid %d", x->pid);
	if (x)
		detail(p, GRADE_FINE, "%.24s", *x->go_version ? x->go_version : "Go version ?");
	if (x)
		detail(p, GRADE_FINE, "up %s", age_text(s, x, age, sizeof(age)));
	if (*c->owner.workload_name)
		detail(p, GRADE_FINE, "%s %s", c->owner.workload_kind, c->owner.workload_name);
}

static void title(struct view *v, const struct snapshot_container *c)
{
	char name[OWNER_NAME_SZ * 4], squeezed[OWNER_NAME_SZ * 4], now[TEXT_SZ];
	enum grade grade = v->when == WHEN_LIVE ? GRADE_FINE : GRADE_WARNING;
	struct str text, right;
	struct pen p, r;

	str_init(&text);
	str_init(&right);
	view_pen(v, &text, &p);
	view_pen(v, &right, &r);
	owner_format(&c->owner, name, sizeof(name));
	format_squeeze(name, view_width(v) / 2, p.ascii, squeezed, sizeof(squeezed));
	pen_text(&p, GRADE_FINE, squeezed);
	title_details(&p, &v->s, c);
	pen_textf(&r, grade, "%s%s", summary_clock(v->s.time_unix_ns, false, now, sizeof(now)),
		  v->when == WHEN_PAST     ? " past"
		  : v->when == WHEN_PAUSED ? " paused"
					   : "");
	view_line(v, 0, str_get(&text), &right, r.at);
	str_deinit(&text);
	str_deinit(&right);
}

static void tab_line(struct view *v)
{
	bool narrow = view_width(v) < 90, brief = view_width(v) < 80;
	struct str text;
	struct pen p;

	str_init(&text);
	view_pen(v, &text, &p);
	for (int i = 0; i < TAB_CNT; i++) {
		bool here = i == (int)v->tab;

		pen_textf(&p, here ? GRADE_ADVICE : GRADE_FINE,
			  here     ? "[%d %s]"
			  : brief  ? "%d %.3s"
			  : narrow ? "%d %s"
				   : " %d %s ",
			  i + 1, tabs[i].name);
		pen_text(&p, GRADE_FINE, narrow && i + 1 < TAB_CNT ? " " : "");
	}
	canvas_line(&v->canvas, 1, 0, str_get(&text));
	str_deinit(&text);
}

const char *page_runtime_off(const struct snapshot *s, const struct snapshot_container *c)
{
	const char *off = summary_signal_off(s, SIGNAL_GO_RUNTIME);

	if (off || c->sched.on)
		return off;
	return c->gone ? "ended" : "go_runtime does not work for its processes";
}

static void read_detail(struct view *v)
{
	uint64_t to = overview_strip_end(v), length = (uint64_t)strip_columns(view_width(v)) * STRIP_COLUMN_NS;

	v->detail_known = v->cfg.ops.detail &&
			  v->cfg.ops.detail(v->open_id, to > length ? to - length : 0, to, v->detail, v->cfg.ops.arg);
}

static void draw(struct view *v)
{
	const struct snapshot_container *c = view_container(v);
	struct str text;
	struct pen p;

	if (!c) {
		canvas_line(&v->canvas, 0, 0, "this container is gone, or not yet there at this time (Esc: back)");
		return;
	}
	str_init(&text);
	view_pen(v, &text, &p);
	read_detail(v);
	title(v, c);
	tab_line(v);
	tabs[v->tab].draw(v, c, &p);
	page_lines(v, PAGE_TOP, &text);
	str_deinit(&text);
}

static bool on_key(struct view *v, uint32_t key)
{
	if (key >= '1' && key < '1' + TAB_CNT) {
		v->tab = (enum tab_id)(key - '1');
		v->scroll = 0;
		v->strip.on = false;
		return true;
	}
	if (key == '\t') {
		v->tab = (enum tab_id)((v->tab + 1) % TAB_CNT);
		v->scroll = 0;
		v->strip.on = false;
		return true;
	}
	if (v->tab == TAB_OVERVIEW && (key == KEYS_LEFT || key == KEYS_RIGHT)) {
		overview_strip_move(v, key == KEYS_LEFT ? -1 : 1);
		return true;
	}
	if (key == KEYS_ESC && v->strip.on) {
		v->strip.on = false;
		return true;
	}
	return page_scroll_key(v, key);
}

const struct page page_container = {draw, on_key,
				    "Esc back  1-8 Tab pages  arrows strip, scroll  [ ] time  Space pause  s goroutine "
				    "window  R record  ? help  q quit",
				    "Esc back  1-8 pages  arrows scroll  [ ] time  s goroutine window  ? help  q quit"};
