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

/* The runtime counts time in which its workers wanted to run as theirs: while threads waited for a CPU that is no share
 * of the CPU used. */
static void share(struct pen *p, const struct snapshot_container *c)
{
	bool read = !isnan(c->gc.assist_seconds) && c->cpu.usage_cpus > 0;
	char cpu[TEXT_SZ];

	if (!isnan(c->gc.cpu_ratio))
		page_item(p, "GC %s%s%% of its CPU", c->gc.cpu_estimated ? "~" : "",
			  format_percent(c->gc.cpu_ratio, cpu, sizeof(cpu)));
	else
		page_item(p, "GC's share unknown%s", read ? ": its threads waited" : "");
}

static void totals(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	char a[TEXT_SZ], b[TEXT_SZ], window[TEXT_SZ];

	page_item(p, "%s cycles in %s, %s ever", format_count(c->gc.cycles, a, sizeof(a)),
		  format_duration(s->window_seconds, window, sizeof(window)),
		  format_count(c->gc.cycles_total, b, sizeof(b)));
	share(p, c);
	page_item(p, "assist %s s of wall time", format_cpus(c->gc.assist_seconds, a, sizeof(a)));
	page_item(p, "mark %s%% of the time", format_percent(c->gc.mark_wall_ratio, a, sizeof(a)));
	pen_end(p);
	page_item(p, "heap live %s goal %s", format_bytes(c->gc.heap_live_bytes, a, sizeof(a)),
		  format_bytes(c->gc.heap_goal_bytes, b, sizeof(b)));
	page_item(p, "mapped by the runtime %s", format_bytes(c->gc.mapped_ready_bytes, a, sizeof(a)));
	page_item(p, "GOGC %s", gogc_words(c->gc.gogc, a, sizeof(a)));
	page_item(p, "GOMEMLIMIT %s",
		  c->gc.memory_limit_bytes == -1 ? "none" : format_bytes(c->gc.memory_limit_bytes, a, sizeof(a)));
	pen_end(p);
}

static void reasons(struct pen *p, const struct snapshot_container *c)
{
	char text[400] = "stop-the-world by reason:";
	size_t len = strlen(text);
	bool any = false;

	for (uint32_t i = 0; i <= STW_TEST_FIRST; i++) {
		if (c->gc.pauses_by_reason[i] <= 0 || len + 60 > sizeof(text))
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %.32s %lld", any ? "," : "",
					stw_reason_name(i), (long long)c->gc.pauses_by_reason[i]);
		any = true;
	}
	if (!any)
		str_copy(text + len, sizeof(text) - len, " none in the window");
	pen_paragraph(p, 2, text);
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
