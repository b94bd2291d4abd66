/* SPDX-License-Identifier: BSD-2-Clause */
/* Page 2 of a container: its garbage collection. A row of the cycles has what the program's own gctrace=1 would print,
 * once more in columns; these numbers are the runtime's and come with the stop that ends a cycle, so a cycle whose copy
 * was lost has only what its probes saw. */
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

static void assists(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	const char *off = summary_signal_off(s, SIGNAL_GO_ASSIST);
	char a[TEXT_SZ], p50[TEXT_SZ], p99[TEXT_SZ], max[TEXT_SZ];

	page_item(p, "assists: %s s of marking by allocating goroutines",
		  format_cpus(c->gc.assist_seconds, a, sizeof(a)));
	if (!off)
		page_item(p, "%s times", format_count(c->gc.assists, a, sizeof(a)));
	if (off)
		page_item(p, "their waits: %.120s", off);
	else if (c->gc.assist_wait.cnt <= 0)
		page_item(p, "%s had to wait", c->gc.assist_wait.cnt ? "?" : "none");
	else
		page_item(p, "%s had to wait, p50 %s  p99 %s  max %s ms",
			  format_count(c->gc.assist_wait.cnt, a, sizeof(a)),
			  format_ms(c->gc.assist_wait.p50, p50, sizeof(p50)),
			  format_ms(c->gc.assist_wait.p99, p99, sizeof(p99)),
			  format_ms(c->gc.assist_wait.max, max, sizeof(max)));
	pen_end(p);
}

/* Without go_gc: the runtime's ring of pauses, one value a cycle. */
static void passive_stops(struct pen *p, const struct snapshot_container *c)
{
	const struct dist *d = &c->gc.pause;
	char a[TEXT_SZ], p50[TEXT_SZ], p99[TEXT_SZ], max[TEXT_SZ];

	if (d->cnt > 0)
		page_item(p, "stopped, sums of %s cycles: p50 %s  p99 %s  max %s ms",
			  format_count(d->cnt, a, sizeof(a)), format_ms(d->p50, p50, sizeof(p50)),
			  format_ms(d->p99, p99, sizeof(p99)), format_ms(d->max, max, sizeof(max)));
	else
		page_item(p, "stopped: %s", d->cnt ? "?" : "no cycle in the window");
	page_item(p, "by passive reads: single stops and reasons need go_gc");
	pen_end(p);
}

static void reasons(struct pen *p, const struct snapshot_container *c)
{
	char text[400] = "stop-the-world by reason:";
	size_t len = strlen(text);
	bool any = false, unknown = false;

	for (uint32_t i = 0; i <= STW_TEST_FIRST; i++) {
		unknown |= c->gc.pauses_by_reason[i] == STAT_UNKNOWN;
		if (c->gc.pauses_by_reason[i] <= 0 || len + 60 > sizeof(text))
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %.32s %lld", any ? "," : "",
					stw_reason_name(i), (long long)c->gc.pauses_by_reason[i]);
		any = true;
	}
	if (!any)
		str_copy(text + len, sizeof(text) - len, unknown ? " ?" : " none in the window");
	pen_paragraph(p, 2, text);
}

/* ---- cycles -------------------------------------------------------------------------------------------- */

static void length_text(bool known, int64_t from_ns, int64_t to_ns, char *buf)
{
	format_ms(known && from_ns > 0 && to_ns >= from_ns ? (double)(to_ns - from_ns) / NS_PER_SEC : NAN, buf,
		  TEXT_SZ);
}

static void cell_end(const struct snapshot *s, const struct detail_cycle *x, char *buf)
{
	uint64_t unix_ns = summary_unix_ns(s, x->end_ns);
	char at[16];

	snprintf(buf, TEXT_SZ, "%s.%03u", summary_clock(unix_ns, false, at, sizeof(at)),
		 (unsigned int)(unix_ns % NS_PER_SEC / NS_PER_MS));
}

static void cell_pid(const struct snapshot *s, const struct detail_cycle *x, char *buf)
{
	snprintf(buf, TEXT_SZ, "%d", x->pid);
}

static void cell_number(const struct snapshot *s, const struct detail_cycle *x, char *buf)
{
	snprintf(buf, TEXT_SZ, "%llu", (unsigned long long)x->numbers.numgc);
	if (!x->known)
		str_copy(buf, TEXT_SZ, "?");
}

static void cell_trigger(const struct snapshot *s, const struct detail_cycle *x, char *buf)
{
	static const char *const names[] = {"heap", "time", "forced"};

	str_copy(buf, TEXT_SZ, x->trigger < sizeof(names) / sizeof(*names) ? names[x->trigger] : "?");
}

static void cell_procs(const struct snapshot *s, const struct detail_cycle *x, char *buf)
{
	long long procs = x->known ? (long long)x->numbers.maxprocs : (long long)x->procs;

	snprintf(buf, TEXT_SZ, "%lld", procs);
	if (procs <= 0)
		str_copy(buf, TEXT_SZ, "?");
}

static void cell_sweep_term(const struct snapshot *s, const struct detail_cycle *x, char *buf)
{
	length_text(x->known, x->numbers.sweep_term_ns, x->numbers.mark_ns, buf);
}

static void cell_mark(const struct snapshot *s, const struct detail_cycle *x, char *buf)
{
	if (x->known)
		length_text(true, x->numbers.mark_ns, x->numbers.mark_term_ns, buf);
	else
		length_text(true, (int64_t)x->mark_start_ns, (int64_t)x->mark_end_ns, buf);
}

static void cell_mark_term(const struct snapshot *s, const struct detail_cycle *x, char *buf)
{
	length_text(x->known, x->numbers.mark_term_ns, x->numbers.end_ns, buf);
}

static void cell_paused(const struct snapshot *s, const struct detail_cycle *x, char *buf)
{
	format_ms(x->pauses ? (double)x->pause_sum_ns / NS_PER_SEC : NAN, buf, TEXT_SZ);
}

static void bytes_text(const struct detail_cycle *x, uint64_t bytes, char *buf)
{
	format_bytes(x->known && bytes <= INT64_MAX ? (int64_t)bytes : STAT_UNKNOWN, buf, TEXT_SZ);
}

static void cell_heap0(const struct snapshot *s, const struct detail_cycle *x, char *buf)
{
	bytes_text(x, x->numbers.heap0, buf);
}

static void cell_heap1(const struct snapshot *s, const struct detail_cycle *x, char *buf)
{
	bytes_text(x, x->numbers.heap1, buf);
}

static void cell_heap2(const struct snapshot *s, const struct detail_cycle *x, char *buf)
{
	bytes_text(x, x->numbers.heap2, buf);
}

static void cell_goal(const struct snapshot *s, const struct detail_cycle *x, char *buf)
{
	bytes_text(x, x->numbers.goal, buf);
}

static void cpu_text(const struct detail_cycle *x, int64_t ns, char *buf)
{
	format_ms(x->known ? (double)ns / NS_PER_SEC : NAN, buf, TEXT_SZ);
}

static void cell_assist(const struct snapshot *s, const struct detail_cycle *x, char *buf)
{
	cpu_text(x, x->numbers.assist_ns, buf);
}

/* gctrace adds the fractional worker, too */
static void cell_dedicated(const struct snapshot *s, const struct detail_cycle *x, char *buf)
{
	cpu_text(x, x->numbers.dedicated_ns + x->numbers.fractional_ns, buf);
}

static void cell_idle(const struct snapshot *s, const struct detail_cycle *x, char *buf)
{
	cpu_text(x, x->numbers.idle_ns, buf);
}

/* Widths at 120 and at 80 columns, the blank before them included; 0: gives way. */
static const struct {
	const char *title;
	int width, width_narrow;
	void (*text)(const struct snapshot *s, const struct detail_cycle *x, char *buf);
} cells[] = {
	{"END", 13, 13, cell_end},   {"PID", 9, 0, cell_pid},        {"GC", 8, 7, cell_number},
	{"WHY", 8, 0, cell_trigger}, {"P", 4, 4, cell_procs},        {"SWEEP", 7, 6, cell_sweep_term},
	{"MARK", 7, 6, cell_mark},   {"TERM", 7, 6, cell_mark_term}, {"STOPS", 7, 6, cell_paused},
	{"HEAP0", 7, 6, cell_heap0}, {"HEAP1", 6, 6, cell_heap1},    {"HEAP2", 6, 6, cell_heap2},
	{"GOAL", 6, 6, cell_goal},   {"ASSIST", 8, 7, cell_assist},  {"DEDIC", 7, 0, cell_dedicated},
	{"IDLE", 7, 0, cell_idle},
};

/* A cycle; NULL: the titles. */
static void cycle_line(struct pen *p, const struct snapshot *s, const struct detail_cycle *x)
{
	bool narrow = p->width < 117;
	char text[TEXT_SZ];
	int end = 0;

	for (size_t i = 0; i < sizeof(cells) / sizeof(*cells); i++) {
		int width = narrow ? cells[i].width_narrow : cells[i].width;

		if (!width)
			continue;
		str_copy(text, sizeof(text), cells[i].title);
		if (x)
			cells[i].text(s, x, text);
		end += width;
		pen_right(p, GRADE_FINE, end, text);
	}
	pen_end(p);
}

/* What GODEBUG=gctrace=1 calls the same, once for all rows. */
static void cycle_words(struct pen *p)
{
	pen_to(p, 2);
	pen_paragraph(
		p, 2,
		"SWEEP MARK TERM: wall time of sweep termination, mark and mark termination; STOPS: all its "
		"stop-the-worlds; HEAP0 1 2: at its start, at the end of marking, live; ASSIST DEDIC IDLE: CPU time "
		"of marking by allocating goroutines, by workers, by idle Ps.");
}

static void cycles(struct view *v, const struct snapshot_container *c, struct pen *p)
{
	const char *off = summary_signal_off(&v->s, SIGNAL_GO_GC);
	int cnt = v->detail_known ? v->detail->cycle_cnt : 0;

	if (!off && !c->gc.on && !c->gone)
		off = "go_gc does not work for its processes";
	page_rule(p,
		  off && cnt ? "cycles seen by passive reads, newest first, ms: those in between are missing"
			     : "last 20 cycles, newest first, ms",
		  NULL);
	if (off) {
		pen_text(p, GRADE_DIM, "  no probes: ");
		pen_paragraph(p, 4, off);
	}
	if (cnt)
		cycle_line(p, &v->s, NULL);
	for (int i = 0; i < cnt; i++)
		cycle_line(p, &v->s, &v->detail->cycles[i]);
	if (cnt)
		cycle_words(p);
	else if (!off) {
		pen_text(p, GRADE_DIM, "  no cycle has ended since it is watched");
		pen_end(p);
	}
}

void tab_gc(struct view *v, const struct snapshot_container *c, struct pen *p)
{
	totals(p, &v->s, c);
	assists(p, &v->s, c);
	if (c->gc.passive && !c->gc.on)
		passive_stops(p, c);
	else
		reasons(p, c);
	cycles(v, c, p);
}
