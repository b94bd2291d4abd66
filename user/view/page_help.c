/* SPDX-License-Identifier: BSD-2-Clause */
/* Key ?: keys, marks and columns. */
#include "view/format.h"
#include "view/page.h"

static const char *const lines[] = {
	"KEYS",
	"  arrows PgUp PgDn Home End j k   move                    Enter  open the container      Esc  back, no filter",
	"  /  F4    filter: part of a name, ns=shop, why, why=gc, !x negates, blanks mean and",
	"  F3       find the next row with a text                  n      only this namespace, again: all",
	"  < > F6   sort by the next column, v reverse             W P M T G N  sort by WHY CPU memory THR GC network",
	"  w        window: 1, 10, 60 s                            Space  pause (data is still collected)",
	"  [ ]      one interval back or forward, 0 live           R      write the last seconds to a trace file",
	"  y        copy the verdict and print it on exit          s      goroutine tracing of this container",
	"  i        signals, reasons, cost, losses                 l      processes that are not observable",
	"  q F10    quit                                           ? F1   this page",
	"",
	"CONTAINER SCREEN",
	"  1 to 8   its pages                                      left right  cursor on the one-clock strip",
	"",
	"MARKS",
	"  ! critical   * warning   i advice   ? unresolved or not observable   x gone (kept 60 s)",
	"",
	"CELLS",
	"  a number; \u00b7 nothing happened in the window; - does not apply or the signal is off (key i); ? unknown;",
	"  ~ before a number: sampled, or events were lost. Delays in ms, from 10 s on with a unit.",
	"",
	"COLUMNS",
	"  CPU   CPUs used in the window                           LIM    CPUs allowed: the smallest quota on its path",
	"  THR%  share of the time in which its quota held it      THR    p99 length of these intervals",
	"  RUNQ  p99 wait of its threads for a CPU, throttled      GOSCH  p99 wait of a runnable goroutine for a P",
	"        time taken out                                    STW^   longest stop-the-world in the window",
	"  RTT   p99 smoothed round trip of its connections        DNS    p99 from query to answer",
	"  GC%   share of its CPU spent on garbage collection      MEM%   working set of the memory limit",
	"  GOR   goroutines                                        WHY    gravest verdict +its culprit",
};

static void draw(struct view *v)
{
	struct str text;
	struct pen p;

	str_init(&text);
	view_pen(v, &text, &p);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		pen_text(&p, GRADE_FINE, lines[i]);
		pen_end(&p);
	}
	page_lines(v, 0, &text);
	str_deinit(&text);
}

const struct page page_help = {draw, page_scroll_key, "Esc back  arrows scroll  q quit",
			       "Esc back  arrows scroll  q quit"};
