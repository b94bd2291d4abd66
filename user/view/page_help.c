/* SPDX-License-Identifier: BSD-2-Clause */
/* Key ?: keys, marks and columns. */
#include <string.h>

#include "view/format.h"
#include "view/page.h"

#define RIGHT_AT    58
#define TWO_COLUMNS 115

/* Two columns, one below the other where the screen is narrow. */
static const struct {
	const char *left, *right;
} lines[] = {
	{"KEYS", NULL},
	{"  arrows PgUp PgDn Home End j k   move", "Enter  open the container      Esc  back, no filter"},
	{"  /  F4    filter: part of a name, ns=shop, why, why=gc, !x negates, blanks mean and", NULL},
	{"  F3       find the next row with a text", "n      only this namespace, again: all"},
	{"  < > F6   sort by the next column, v reverse", "W P M T G N  sort by WHY CPU memory THR GC network"},
	{"  w        window: 1, 10, 60 s", "Space  pause (data is still collected)"},
	{"  [ ]      one interval back or forward, 0 the newest", "R      write the last seconds to a trace file"},
	{"  y        copy the verdict and print it on exit", "s      goroutine window: every wait for a P, for 2 s (asks)"},
	{"  i        signals, reasons, cost, losses", "l      processes that are not observable"},
	{"  q F10    quit", "? F1   this page"},
	{"", NULL},
	{"CONTAINER SCREEN", NULL},
	{"  1 to 8   its pages", "left right  cursor on the one-clock strip"},
	{"", NULL},
	{"MARKS", NULL},
	{"  ! critical   * warning   i advice   ? unresolved or not observable   x gone (kept 60 s)", NULL},
	{"", NULL},
	{"CELLS", NULL},
	{"  a number; \u00b7 nothing happened in the window; - does not apply or the signal is off (key i); ? unknown;",
	 NULL},
	{"  ~ before a number: sampled, or events were lost. Delays in ms, from 10 s on with a unit.", NULL},
	{"", NULL},
	{"COLUMNS", NULL},
	{"  CPU   CPUs used in the window", "LIM    CPUs allowed: the smallest quota on its path"},
	{"  THR%  share of the time in which its quota held it", "THR    p99 length of these intervals"},
	{"  RUNQ  p99 wait for a CPU, throttled time taken out", "GOSCH  p99 wait of a runnable goroutine for a P"},
	{"  STW^  longest stop-the-world in the window", "RTT    p99 smoothed round trip of its connections"},
	{"  DNS   p99 from query to answer", "GC%    share of its CPU spent on garbage collection"},
	{"  MEM%  working set of the memory limit", "GOR    goroutines"},
	{"  WHY   gravest verdict +its culprit", NULL},
	{"  GOSCH is the runtime's own histogram of one wait in 8. Before Go 1.26 it also has zeros of fast system "
	 "calls,",
	 NULL},
	{"  which make it look shorter.", NULL},
};

/* Where the words begin, after a key or a column's title; 2 where there is none. */
static int words_at(const char *text)
{
	static const int places[] = {11, 8};

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		if ((int)strlen(text) > places[i] && !strncmp(text + places[i] - 2, "  ", 2) && text[places[i]] != ' ')
			return places[i];
	return 2;
}

static void entry(struct pen *p, const char *text)
{
	int at = words_at(text);

	if (p->at + (int)strlen(text) <= p->width) {
		pen_text(p, GRADE_FINE, text);
		pen_end(p);
		return;
	}
	pen_textf(p, GRADE_FINE, "%.*s", at, text);
	pen_paragraph(p, p->at, text + at);
}

static void line(struct pen *p, size_t i)
{
	if (!lines[i].right) {
		entry(p, lines[i].left);
	} else if (p->width < TWO_COLUMNS) {
		entry(p, lines[i].left);
		pen_to(p, 2);
		entry(p, lines[i].right);
	} else {
		pen_text(p, GRADE_FINE, lines[i].left);
		pen_to(p, RIGHT_AT);
		entry(p, lines[i].right);
	}
}

static void draw(struct view *v)
{
	struct str text;
	struct pen p;

	str_init(&text);
	view_pen(v, &text, &p);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		line(&p, i);
	page_lines(v, 0, &text);
	str_deinit(&text);
}

const struct page page_help = {draw, page_scroll_key, "Esc back  arrows scroll  q quit",
			       "Esc back  arrows scroll  q quit"};
