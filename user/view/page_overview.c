/* SPDX-License-Identifier: BSD-2-Clause */
/* Page 1 of a container: its settings, what held it up, the one-clock strip, graphs, and the verdicts in full. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "view/columns.h"
#include "view/format.h"
#include "view/page.h"
#include "view/plain.h"
#include "view/sched_window.h"
#include "view/strip.h"
#include "view/summary.h"

#define GRAPH_SECONDS 60
#define EVENTS_MAX    8
#define NOTE_AT       72 /* of the table of causes; on a narrow screen notes stand on their own line */

/* ---- settings ------------------------------------------------------------------------------------------ */

static void setting(struct pen *p, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* One item of the settings' lines; a new line where it does not fit. */
static void setting(struct pen *p, const char *name, const char *fmt, ...)
{
	char value[160], text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	snprintf(text, sizeof(text), "%s %s", name, value);
	if (p->at > 10 && p->at + 3 + (int)strlen(text) > p->width)
		pen_end(p);
	pen_to(p, p->at > 10 ? p->at + 3 : 10);
	pen_text(p, GRADE_FINE, text);
}

static void maxprocs_setting(struct pen *p, const struct snapshot *s, const struct snapshot_process *x)
{
	const char *by = page_maxprocs_by(x);
	char cpus[TEXT_SZ];

	if (x->gomaxprocs == STAT_UNKNOWN)
		setting(p, "GOMAXPROCS", "?");
	else
		setting(p, "GOMAXPROCS", "%lld (%s%snode has %s)", (long long)x->gomaxprocs, by ? by : "",
			by ? ", " : "",
			format_count(s->node_cpus > 0 ? s->node_cpus : STAT_UNKNOWN, cpus, sizeof(cpus)));
}

static void cpu_settings(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	char limit[TEXT_SZ], request[TEXT_SZ], quota[48] = "";

	if (c->cpu.limit_cpus > 0 && c->cpu.period_ns)
		snprintf(quota, sizeof(quota), " (%.0f/%.0f ms)", c->cpu.limit_cpus * (double)c->cpu.period_ns / 1e6,
			 (double)c->cpu.period_ns / 1e6);
	setting(p, "CPU limit", "%s%s request %s",
		c->cpu.limit_cpus < 0 ? "none" : format_cpu_limit(c->cpu.limit_cpus, limit, sizeof(limit)), quota,
		format_cpu_limit(c->cpu.request_cpus, request, sizeof(request)));
	if (!c->process_cnt)
		return;
	maxprocs_setting(p, s, &c->processes[0]);
}

/* Of all processes; unknown where that of one is. */
static int64_t sum(int64_t so_far, int64_t n)
{
	return so_far == STAT_UNKNOWN || n < 0 ? STAT_UNKNOWN : so_far + n;
}

/* "fds 118 / 1048576". Limits are of each process: where there are several, page 7 shows them. */
static void used_setting(struct pen *p, const char *name, int64_t used, int64_t limit)
{
	char text[TEXT_SZ];

	format_count(used, text, sizeof(text));
	if (limit >= 0)
		setting(p, name, "%s / %lld", text, (long long)limit);
	else
		setting(p, name, "%s", text);
}

static void process_settings(struct pen *p, const struct snapshot_container *c)
{
	int64_t threads = c->process_cnt ? 0 : STAT_UNKNOWN, fds = threads;
	bool one = c->process_cnt == 1;

	for (int i = 0; i < c->process_cnt; i++) {
		threads = sum(threads, c->processes[i].os_threads);
		fds = sum(fds, c->processes[i].fds);
	}
	used_setting(p, "goroutines", c->goroutines, -1);
	used_setting(p, "threads", threads, one ? c->processes[0].thread_limit : -1);
	used_setting(p, "fds", fds, one ? c->processes[0].fd_limit : -1);
}

static void memory_settings(struct pen *p, const struct snapshot_container *c)
{
	char a[TEXT_SZ], b[TEXT_SZ];

	if (c->gc.gogc == -1)
		setting(p, "GOGC", "off");
	else if (c->gc.gogc == STAT_UNKNOWN)
		setting(p, "GOGC", "?");
	else
		setting(p, "GOGC", "%lld", (long long)c->gc.gogc);
	setting(p, "GOMEMLIMIT", "%s",
		c->gc.memory_limit_bytes == -1 ? "none" : format_bytes(c->gc.memory_limit_bytes, a, sizeof(a)));
	setting(p, "memory limit", "%s, working set %s",
		c->memory.limit_bytes == -1 ? "none" : format_bytes(c->memory.limit_bytes, a, sizeof(a)),
		format_bytes(c->memory.working_set_bytes, b, sizeof(b)));
	setting(p, "heap live", "%s goal %s", format_bytes(c->gc.heap_live_bytes, a, sizeof(a)),
		format_bytes(c->gc.heap_goal_bytes, b, sizeof(b)));
}

static void settings(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	pen_text(p, GRADE_FINE, "settings");
	cpu_settings(p, s, c);
	memory_settings(p, c);
	process_settings(p, c);
	pen_end(p);
}

/* ---- what held it up ----------------------------------------------------------------------------------- */

struct cause {
	const char *name, *column; /* of the main table, whose thresholds decide about the mark; NULL none */
	const char *off;           /* why there are no numbers; NULL: there are */
	double share;              /* NAN: intervals cannot be united without counting twice */
	bool share_known;
	bool only_sum; /* the source adds up, it does not know single ones */
	struct dist d;
	double sum; /* seconds; NAN unknown */
	char note[160];
};

static enum grade column_grade(const struct snapshot *s, const struct snapshot_container *c, const char *title)
{
	struct column_layout l;
	struct cell cell;

	columns_layout(s, 400, &l); /* wide enough for all of them */
	for (int i = 0; title && i < l.cnt; i++) {
		if (strcmp(l.cols[i].column->title, title))
			continue;
		columns_cell(l.cols[i].column, s, c, &cell);
		return cell.grade;
	}
	return GRADE_FINE;
}

static void ms_at(struct pen *p, int end, int64_t cnt, double seconds, enum grade grade)
{
	char text[TEXT_SZ];

	if (!cnt || (cnt > 0 && isnan(seconds))) /* a histogram has no longest */
		pen_right(p, grade, end, "-");
	else
		pen_right(p, grade, end, cnt > 0 ? format_ms(seconds, text, sizeof(text)) : "?");
}

static void cause_numbers(struct pen *p, const struct cause *x, enum grade grade)
{
	char text[TEXT_SZ], share[TEXT_SZ] = "-";

	if (x->share_known)
		snprintf(share, sizeof(share), "%s%%", format_percent_fine(x->share, text, sizeof(text)));
	pen_right(p, GRADE_FINE, 31, share);
	if (x->only_sum) {
		for (int end = 39; end <= 63; end += 8)
			pen_right(p, GRADE_DIM, end, "-");
	} else {
		pen_right(p, GRADE_FINE, 39, x->d.cnt < 0 ? "?" : format_count(x->d.cnt, text, sizeof(text)));
		ms_at(p, 47, x->d.cnt, x->d.p50, GRADE_FINE);
		ms_at(p, 55, x->d.cnt, x->d.p99, grade);
		ms_at(p, 63, x->d.cnt, x->d.max, GRADE_FINE);
	}
	pen_right(p, GRADE_FINE, 70,
		  !x->only_sum && (isnan(x->sum) || !x->d.cnt) ? "-" : format_cpus(x->sum, text, sizeof(text)));
}

static void cause_row(struct pen *p, const struct snapshot *s, const struct snapshot_container *c,
		      const struct cause *x)
{
	enum grade grade = x->off ? GRADE_DIM : column_grade(s, c, x->column);
	bool narrow = p->width < 110;

	pen_to(p, 2);
	pen_text(p, grade, grade == GRADE_CRITICAL ? "!" : grade == GRADE_WARNING ? "*" : " ");
	pen_to(p, 4);
	pen_text(p, GRADE_FINE, x->name);
	if (x->off) {
		pen_right(p, GRADE_DIM, 31, "off");
		for (int end = 39; end <= 71; end += 8)
			pen_right(p, GRADE_DIM, end == 71 ? 70 : end, "-");
	} else {
		cause_numbers(p, x, grade);
	}
	if (!x->off && !*x->note) {
		pen_end(p);
		return;
	}
	if (narrow)
		pen_end(p);
	pen_to(p, narrow ? 6 : NOTE_AT);
	pen_paragraph(p, narrow ? 6 : NOTE_AT, x->off ? x->off : x->note);
}

/* What is known of the collector's part: its CPU, else its time. */
static char *gc_words(const struct snapshot_container *c, char *buf, size_t sz)
{
	char percent[TEXT_SZ];

	if (isnan(c->gc.cpu_ratio))
		snprintf(buf, sz, "marking %s%% of the time",
			 format_percent(c->gc.mark_wall_ratio, percent, sizeof(percent)));
	else
		snprintf(buf, sz, "GC %s%s%% of its CPU", c->gc.cpu_estimated ? "~" : "",
			 format_percent(c->gc.cpu_ratio, percent, sizeof(percent)));
	return buf;
}

static void cause_throttle(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	struct cause x = {.name = "CPU quota (throttle)", .column = "THR", .d = c->cpu.length, .share = c->cpu.ratio};
	char gc[2 * TEXT_SZ];

	x.off = summary_signal_off(s, SIGNAL_CPU_THROTTLE);
	x.share_known = c->cpu.limit_cpus >= 0;
	x.sum = c->cpu.union_seconds;
	if (c->cpu.limit_cpus < 0)
		str_copy(x.note, sizeof(x.note), "it has no CPU limit");
	else if (c->cpu.nr_throttled > 0)
		snprintf(x.note, sizeof(x.note), "%lld of %lld periods; %s", (long long)c->cpu.nr_throttled,
			 (long long)c->cpu.nr_periods, gc_words(c, gc, sizeof(gc)));
	cause_row(p, s, c, &x);
}

static void cause_runq(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	struct cause x = {.name = "kernel run queue", .column = "RUNQ", .d = c->cpu.runq, .sum = c->cpu.runq.sum};
	char watched[TEXT_SZ];

	x.off = summary_signal_off(s, SIGNAL_CPU_SCHED);
	snprintf(x.note, sizeof(x.note), "watched %s; throttled time taken out%s%s",
		 format_duration(c->cpu.runq_watched_seconds, watched, sizeof(watched)),
		 *c->cpu.runq_rival ? "; behind " : "", c->cpu.runq_rival);
	cause_row(p, s, c, &x);
}

/* A wait for a P has no time stamp: the runtime keeps a histogram, of one wait in 8. A goroutine window saw each. */
static void cause_sched(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	struct cause x = {.name = "Go scheduler", .column = "GOSCH", .d = c->sched.latency, .sum = NAN};
	char window[64];

	x.off = page_runtime_off(s, c);
	sched_window_brief(&c->sched.window, window, sizeof(window));
	snprintf(x.note, sizeof(x.note), "passive histogram%s%s%s",
		 c->sched.diluted ? ", diluted by system calls before Go 1.26" : "", *window ? "; window: " : "",
		 window);
	cause_row(p, s, c, &x);
}

/* With go_assist every wait for credit; else what the runtime adds up. */
static void cause_assist(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	struct cause x = {.name = "GC assist", .sum = c->gc.assist_seconds};
	bool each = !summary_signal_off(s, SIGNAL_GO_ASSIST) && c->gc.assist_wait.cnt >= 0;
	char cnt[TEXT_SZ], work[TEXT_SZ];

	x.only_sum = !each;
	if (each) {
		x.d = c->gc.assist_wait;
		x.sum = c->gc.assist_wait.sum;
		snprintf(x.note, sizeof(x.note), "waits for credit; %s assists marked for %s s",
			 format_count(c->gc.assists, cnt, sizeof(cnt)),
			 format_cpus(c->gc.assist_seconds, work, sizeof(work)));
	} else {
		x.off = summary_signal_off(s, SIGNAL_GO_RUNTIME);
		str_copy(x.note, sizeof(x.note),
			 "marking by allocating goroutines; --signals +go_assist shows each wait");
	}
	cause_row(p, s, c, &x);
}

static void cause_go(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	struct cause stop = {.name = "stop-the-world", .column = "STW^", .d = c->gc.pause, .sum = c->gc.pause.sum};
	const char *off = summary_signal_off(s, SIGNAL_GO_GC);

	cause_sched(p, s, c);
	if (c->gc.passive && !c->gc.on)
		str_copy(stop.note, sizeof(stop.note), "passive reads: the sum of a cycle's stops, no others");
	else
		stop.off = off ? off : c->gc.on ? NULL : c->gone ? "ended" : "go_gc does not work for its processes";
	if (c->gc.long_pauses > 0)
		snprintf(stop.note, sizeof(stop.note), "%lld of %lld long pauses overlap a throttle interval",
			 (long long)c->gc.long_pauses_throttled, (long long)c->gc.long_pauses);
	stop.share_known = stop.d.cnt >= 0 && s->window_seconds > 0;
	stop.share = stop.d.sum / s->window_seconds;
	cause_row(p, s, c, &stop);
	cause_assist(p, s, c);
}

static void cause_net(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	struct cause rtt = {.name = "TCP round trip", .column = "RTT", .d = c->net.rtt, .sum = NAN};
	struct cause dns = {.name = "DNS", .column = "DNS", .d = c->net.dns, .sum = c->net.dns.sum};
	char sent[TEXT_SZ];

	rtt.off = summary_signal_off(s, SIGNAL_NET_TCP);
	if (c->net.segments >= 0)
		snprintf(rtt.note, sizeof(rtt.note), "%lld retransmits / %s segments, %lld resets",
			 (long long)c->net.retransmits, format_count(c->net.segments, sent, sizeof(sent)),
			 (long long)(c->net.resets_sent + c->net.resets_received));
	cause_row(p, s, c, &rtt);
	dns.off = summary_signal_off(s, SIGNAL_NET_DNS);
	if (c->net.dns_queries > 0)
		snprintf(dns.note, sizeof(dns.note), "%lld failed, %lld without an answer",
			 (long long)c->net.dns_failures, (long long)c->net.dns_timeouts);
	cause_row(p, s, c, &dns);
}

static void causes(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	char title[64], window[TEXT_SZ];

	snprintf(title, sizeof(title), "what held it up, last %s",
		 format_duration(s->window_seconds, window, sizeof(window)));
	page_rule(p, title, NULL);
	pen_text(p, GRADE_FINE, "    cause                 share   times     p50     p99     max  sum s");
	if (p->width >= 110)
		pen_text(p, GRADE_FINE, "  note");
	pen_end(p);
	cause_throttle(p, s, c);
	cause_runq(p, s, c);
	cause_go(p, s, c);
	cause_net(p, s, c);
}

/* ---- strip --------------------------------------------------------------------------------------------- */

uint64_t overview_strip_end(const struct view *v)
{
	uint64_t now = clock_mono_ns();

	if (v->strip.on)
		return v->strip.to_ns;
	if (v->when != WHEN_LIVE || v->cfg.replay || now < v->shown_ns)
		return v->s.time_mono_ns;
	return v->s.time_mono_ns + (now - v->shown_ns);
}

void overview_strip_move(struct view *v, int by)
{
	int columns = strip_columns(view_width(v));

	v->strip.moved = true;
	if (!v->strip.on) {
		v->strip.to_ns = overview_strip_end(v);
		v->strip.column = by < 0 ? columns - 1 : 0;
		v->strip.on = true;
		return;
	}
	v->strip.column += by;
	v->strip.column = v->strip.column < 0 ? 0 : v->strip.column >= columns ? columns - 1 : v->strip.column;
}

static const char *lane_off(const struct snapshot *s, const struct snapshot_container *c, enum detail_lane lane)
{
	static const enum signal_id needs[LANE_CNT] = {SIGNAL_GO_GC, SIGNAL_GO_GC, SIGNAL_CPU_THROTTLE,
						       SIGNAL_CPU_SCHED};
	const char *off = summary_signal_off(s, needs[lane]);

	if (!off && !c->gone && needs[lane] == SIGNAL_GO_GC && !c->gc.on)
		return "go_gc does not work for its processes";
	return off;
}

static bool any(const bool *marks, int cnt)
{
	for (int i = 0; i < cnt; i++)
		if (marks[i])
			return true;
	return false;
}

static void lane_line(struct pen *p, const struct view *v, const struct snapshot_container *c, const struct strip *st,
		      enum detail_lane lane)
{
	const char *off = lane_off(&v->s, c, lane);
	char text[STRIP_COLUMNS_MAX * 4 + 1];

	strip_lane_text(st, lane, text, sizeof(text));
	if (off)
		pen_textf(p, GRADE_DIM, "off: %.90s", off);
	else if (c->gone && !any(st->lane[lane], st->columns))
		pen_text(p, GRADE_DIM, "ended");
	else if (lane == LANE_RUNQ && !any(st->runq_watched, st->columns))
		pen_text(p, GRADE_DIM, "not watched at this time (it is armed in windows)");
	else
		pen_text(p, GRADE_FINE, text);
}

/* Why the CPU lane is empty. */
static const char *no_cpu_time(const struct view *v, const struct snapshot_container *c)
{
	if (v->cfg.replay)
		return "not in a recording";
	return c->gone ? "ended" : "not read yet";
}

static void lanes(struct pen *p, const struct view *v, const struct snapshot_container *c, const struct strip *st)
{
	static const char *const names[LANE_CNT] = {"GC mark", "STW", "THROTTLED", "RUN QUEUE"};
	char text[STRIP_COLUMNS_MAX * 4 + 1];

	for (int lane = 0; lane < LANE_CNT; lane++) {
		pen_text(p, GRADE_FINE, names[lane]);
		pen_to(p, STRIP_LABEL);
		lane_line(p, v, c, st, (enum detail_lane)lane);
		pen_end(p);
	}
	strip_cpu_text(st, p->ascii, text, sizeof(text));
	pen_text(p, GRADE_FINE, "CPU used");
	pen_to(p, STRIP_LABEL);
	pen_text(p, isnan(st->cpus_max) ? GRADE_DIM : GRADE_FINE, isnan(st->cpus_max) ? no_cpu_time(v, c) : text);
	pen_end(p);
}

/* The cursor, and what is under it; without cursor the scale of the CPU lane. */
static void strip_names(struct pen *p, const struct view *v, const struct strip *st)
{
	struct strip_event events[EVENTS_MAX];
	char at[TEXT_SZ], cpus[TEXT_SZ];
	int cnt;

	if (!v->strip.on) {
		pen_to(p, STRIP_LABEL);
		if (!isnan(st->cpus_max))
			pen_textf(p, GRADE_DIM, "CPU peak %s; ", format_cpus(st->cpus_max, cpus, sizeof(cpus)));
		pen_text(p, GRADE_DIM, "left and right name the events");
		pen_end(p);
		return;
	}
	pen_to(p, STRIP_LABEL + v->strip.column);
	pen_text(p, GRADE_ADVICE, "^");
	pen_end(p);
	cnt = strip_events(st, v->detail, v->strip.column, events, EVENTS_MAX);
	for (int i = 0; i < cnt; i++) {
		uint64_t unix_ns = summary_unix_ns(&v->s, events[i].start_ns);

		pen_to(p, STRIP_LABEL);
		pen_textf(p, GRADE_FINE, "%s %s.%03u  %s", events[i].name,
			  summary_clock(unix_ns, false, at, sizeof(at)),
			  (unsigned int)(unix_ns % NS_PER_SEC / NS_PER_MS), events[i].text);
		pen_end(p);
	}
	if (!cnt) {
		pen_to(p, STRIP_LABEL);
		pen_text(p, GRADE_DIM, "nothing in these 10 ms (Esc: the strip goes on)");
		pen_end(p);
	}
}

static void strip(struct pen *p, const struct view *v, const struct snapshot_container *c)
{
	int columns = strip_columns(p->width);
	uint64_t to = overview_strip_end(v), length = (uint64_t)columns * STRIP_COLUMN_NS;
	char title[80], end[TEXT_SZ];
	struct strip st;

	snprintf(title, sizeof(title), "one clock, last %.2f s, 10 ms a column%s", (double)length / NS_PER_SEC,
		 v->strip.on ? ", held" : "");
	page_rule(p, title, summary_clock(summary_unix_ns(&v->s, to), true, end, sizeof(end)));
	if (!v->detail_known) {
		pen_text(p, GRADE_DIM, "no single events are kept for this container");
		pen_end(p);
		return;
	}
	strip_fill(&st, v->detail, to > length ? to - length : 0, columns);
	lanes(p, v, c, &st);
	strip_names(p, v, &st);
}

/* ---- graphs -------------------------------------------------------------------------------------------- */

static void graph(struct pen *p, const char *name, const double *values, size_t cnt, int width)
{
	static const char *const fine[] = {"\u2581", "\u2582", "\u2583", "\u2584",
					   "\u2585", "\u2586", "\u2587", "\u2588"};
	static const char *const plain[] = {"_", "_", "-", "-", "=", "=", "#", "#"};
	double max = 0;

	pen_textf(p, GRADE_FINE, "%s ", name);
	for (size_t i = 0; i < cnt; i++)
		max = fmax(max, values[i]);
	for (int i = 0; i < width && cnt; i++) {
		double v = values[(size_t)i * cnt / (size_t)width];
		int level = max > 0 ? (int)ceil(v / max * 8) - 1 : 0;

		pen_text(p, GRADE_FINE,
			 isnan(v) ? " "
				  : (p->ascii ? plain : fine)[level < 0   ? 0
							      : level > 7 ? 7
									  : level]);
	}
	pen_text(p, GRADE_FINE, cnt ? "  " : "-  ");
}

static void graphs(struct pen *p, const struct view *v)
{
	static const struct {
		enum history_series series;
		const char *name;
	} series[] = {{SERIES_CPU, "CPU"},   {SERIES_THROTTLED, "THR%"},  {SERIES_GC_RATE, "GC/s"},
		      {SERIES_HEAP, "heap"}, {SERIES_GOSCH, "p99 sched"}, {SERIES_STW, "STW"},
		      {SERIES_RUNQ, "RUNQ"}, {SERIES_RTT, "RTT"}};
	double values[GRAPH_SECONDS];
	size_t max = v->cfg.interval_ns ? GRAPH_SECONDS * NS_PER_SEC / v->cfg.interval_ns : GRAPH_SECONDS;
	int width = p->width >= 110 ? 10 : 12;

	max = max < 2 ? 2 : max > GRAPH_SECONDS ? GRAPH_SECONDS : max;
	pen_text(p, GRADE_FINE, "graphs, last 60 s: ");
	if (!v->cfg.history) {
		pen_text(p, GRADE_DIM, "no history here");
		pen_end(p);
		return;
	}
	for (size_t i = 0; i < sizeof(series) / sizeof(*series); i++) {
		size_t cnt = history_series(v->cfg.history, v->open_id, series[i].series, values, max);

		if (p->at + (int)strlen(series[i].name) + width + 1 > p->width) {
			pen_end(p);
			pen_to(p, 19);
		}
		graph(p, series[i].name, values, cnt, width);
	}
	pen_end(p);
}

static void verdicts(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	struct plain_style st = {.width = p->width, .color = true, .ascii = p->ascii};

	page_rule(p, "why", NULL);
	plain_why(s, c, &st, p->out);
}

/* The cursor has been moved on a strip that is below the edge: scrolls down to the names of the events. */
static void show_strip(struct view *v, const struct str *text)
{
	int height = v->canvas.rows - 1 - PAGE_TOP, cnt = 0;

	for (const char *at = str_get(text); (at = strchr(at, '\n')); at++)
		cnt++;
	if (v->strip.moved && v->scroll < cnt - height)
		v->scroll = cnt - height;
	v->strip.moved = false;
}

void tab_overview(struct view *v, const struct snapshot_container *c, struct pen *p)
{
	settings(p, &v->s, c);
	causes(p, &v->s, c);
	strip(p, v, c);
	show_strip(v, p->out);
	graphs(p, v);
	verdicts(p, &v->s, c);
}
