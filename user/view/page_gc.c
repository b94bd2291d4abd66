/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages 2 and 4 of a container: its garbage collection, and its goroutines. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "view/format.h"
#include "view/page.h"
#include "view/summary.h"

static const char *gogc_words(int64_t gogc, char *buf, size_t sz)
{
	if (gogc == STAT_UNKNOWN)
		return "?";
	if (gogc < 0)
		return "off";
	snprintf(buf, sz, "%lld", (long long)gogc);
	return buf;
}

static void totals(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	char a[TEXT_SZ], b[TEXT_SZ], window[TEXT_SZ], cpu[TEXT_SZ];

	pen_textf(p, GRADE_FINE,
		  "%s cycles in %s, %s ever   GC %s%% of its CPU   assist %s s of wall time   mark %s%% of the time",
		  format_count(c->gc.cycles, a, sizeof(a)), format_duration(s->window_seconds, window, sizeof(window)),
		  format_count(c->gc.cycles_total, b, sizeof(b)), format_percent(c->gc.cpu_ratio, cpu, sizeof(cpu)),
		  format_cpus(c->gc.assist_seconds, (char[TEXT_SZ]){0}, TEXT_SZ),
		  format_percent(c->gc.mark_wall_ratio, (char[TEXT_SZ]){0}, TEXT_SZ));
	pen_end(p);
	pen_textf(p, GRADE_FINE, "heap live %s goal %s   mapped by the runtime %s   GOGC %s   GOMEMLIMIT %s",
		  format_bytes(c->gc.heap_live_bytes, a, sizeof(a)), format_bytes(c->gc.heap_goal_bytes, b, sizeof(b)),
		  format_bytes(c->gc.mapped_ready_bytes, window, sizeof(window)),
		  gogc_words(c->gc.gogc, (char[TEXT_SZ]){0}, TEXT_SZ),
		  c->gc.memory_limit_bytes == -1 ? "none" : format_bytes(c->gc.memory_limit_bytes, cpu, sizeof(cpu)));
	pen_end(p);
}

static void reasons(struct pen *p, const struct snapshot_container *c)
{
	bool any = false;

	pen_text(p, GRADE_FINE, "stop-the-world by reason: ");
	for (uint32_t i = 0; i <= STW_TEST_FIRST; i++) {
		if (c->gc.pauses_by_reason[i] <= 0)
			continue;
		pen_textf(p, GRADE_FINE, "%s%s %lld", any ? ", " : "", stw_reason_name(i),
			  (long long)c->gc.pauses_by_reason[i]);
		any = true;
	}
	pen_text(p, GRADE_FINE, any ? "" : "none in the window");
	pen_end(p);
}

static const char *trigger_name(uint32_t trigger)
{
	static const char *const names[] = {"heap", "time", "forced"};

	return trigger < sizeof(names) / sizeof(*names) ? names[trigger] : "?";
}

static void length_at(struct pen *p, int end, uint64_t from_ns, uint64_t to_ns)
{
	char text[TEXT_SZ];

	pen_right(p, GRADE_FINE, end,
		  from_ns && to_ns >= from_ns ? format_ms((double)(to_ns - from_ns) / NS_PER_SEC, text, sizeof(text))
					      : "?");
}

static void cycle_row(struct pen *p, const struct snapshot *s, const struct detail_cycle *x)
{
	uint64_t unix_ns = summary_unix_ns(s, x->end_ns);
	char at[TEXT_SZ], text[TEXT_SZ];

	pen_textf(p, GRADE_FINE, "  %s.%03u", summary_clock(unix_ns, false, at, sizeof(at)),
		  (unsigned int)(unix_ns % NS_PER_SEC / NS_PER_MS));
	snprintf(text, sizeof(text), "%d", x->pid);
	pen_right(p, GRADE_FINE, 24, text);
	pen_to(p, 26);
	pen_text(p, GRADE_FINE, trigger_name(x->trigger));
	snprintf(text, sizeof(text), "%u", x->procs);
	pen_right(p, GRADE_FINE, 39, text);
	length_at(p, 48, x->start_ns, x->end_ns);
	length_at(p, 57, x->mark_start_ns, x->mark_end_ns);
	snprintf(text, sizeof(text), "%u", x->pauses);
	pen_right(p, GRADE_FINE, 65, text);
	pen_right(p, GRADE_FINE, 74, format_ms((double)x->pause_sum_ns / NS_PER_SEC, text, sizeof(text)));
	pen_end(p);
}

static void cycle_titles(struct pen *p)
{
	pen_text(p, GRADE_FINE, "  END");
	pen_right(p, GRADE_FINE, 24, "PID");
	pen_to(p, 26);
	pen_text(p, GRADE_FINE, "TRIGGER");
	pen_right(p, GRADE_FINE, 39, "PROCS");
	pen_right(p, GRADE_FINE, 48, "CYCLE");
	pen_right(p, GRADE_FINE, 57, "MARK");
	pen_right(p, GRADE_FINE, 65, "PAUSES");
	pen_right(p, GRADE_FINE, 74, "PAUSED");
	pen_end(p);
}

void tab_gc(struct view *v, const struct snapshot_container *c, struct pen *p)
{
	const char *off = summary_signal_off(&v->s, SIGNAL_GO_GC);

	totals(p, &v->s, c);
	reasons(p, c);
	page_rule(p, "last 20 cycles, newest first, ms", NULL);
	cycle_titles(p);
	for (int i = 0; v->detail_known && i < v->detail->cycle_cnt; i++)
		cycle_row(p, &v->s, &v->detail->cycles[i]);
	if (!v->detail_known || !v->detail->cycle_cnt) {
		pen_textf(p, GRADE_DIM, "  %s", off ? off : "no cycle has ended since it is watched");
		pen_end(p);
	}
}

void tab_goroutines(struct view *v, const struct snapshot_container *c, struct pen *p)
{
	char count[TEXT_SZ];

	pen_textf(p, GRADE_FINE, "goroutines %s", format_count(c->goroutines, count, sizeof(count)));
	pen_end(p);
	pen_end(p);
	pen_paragraph(
		p, 0,
		"What they wait for, who created them and where they are blocked comes with go_sched: not in this "
		"build.");
}
