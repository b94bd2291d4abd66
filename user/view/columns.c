/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of columns: name, width, what a cell reads, thresholds and the signal it stands on (screens.md 3). A column
 * for a new signal is a new row here. Widths are for 120 and for 80 columns; what the columns leave over belongs to the
 * name, because names are what gets cut first. */
#include "view/columns.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "diagnose/verdicts.h"
#include "pods/owner_index.h"
#include "view/format.h"

#define NAME_WIDTH_MIN   32 /* below this the wide columns do not fit */
#define NAME_WIDTH_MAX   72 /* beyond, the numbers stand too far from their name */
#define WHY_WIDTH        16
#define WHY_WIDTH_NARROW 9

/* A measured number: NAN is unknown. */
static enum cell_kind number(double value, struct cell_value *ret)
{
	ret->value = ret->judged = value;
	return isnan(value) ? CELL_UNKNOWN : CELL_VALUE;
}

static enum cell_kind read_cpu(const struct snapshot_container *c, struct cell_value *ret)
{
	enum cell_kind kind = number(c->cpu.usage_cpus, ret);

	ret->judged = c->cpu.limit_cpus > 0 ? c->cpu.usage_cpus / c->cpu.limit_cpus : NAN;
	return kind;
}

static enum cell_kind read_limit(const struct snapshot_container *c, struct cell_value *ret)
{
	return c->cpu.limit_cpus < 0 ? CELL_NONE : number(c->cpu.limit_cpus, ret);
}

/* The kernel charged more than the intervals explain; below a millisecond that is the rounding of its own counter. */
static bool throttle_partial(const struct snapshot_container *c)
{
	return c->cpu.missed_seconds > 1e-3;
}

static enum cell_kind read_throttle_ratio(const struct snapshot_container *c, struct cell_value *ret)
{
	if (c->cpu.limit_cpus < 0)
		return CELL_NONE;
	ret->partial = throttle_partial(c);
	return c->cpu.intervals == STAT_UNKNOWN ? CELL_UNKNOWN : number(c->cpu.ratio, ret);
}

static enum cell_kind read_throttle(const struct snapshot_container *c, struct cell_value *ret)
{
	ret->partial = throttle_partial(c);
	if (c->cpu.intervals == STAT_UNKNOWN || c->cpu.length.cnt < 0)
		return CELL_UNKNOWN;
	return c->cpu.length.cnt ? number(c->cpu.length.p99, ret) : CELL_NOTHING;
}

/* The longest, not a percentile: a p99 of six pauses says nothing. What passive reads know is the sum of a cycle's
 * stops, so each of them is at most that. */
static enum cell_kind read_stop(const struct snapshot_container *c, struct cell_value *ret)
{
	ret->partial = ret->other = c->gc.passive && !c->gc.on;
	if ((!c->gc.on && !c->gc.passive) || c->gc.pause.cnt < 0)
		return CELL_UNKNOWN;
	return c->gc.pause.cnt ? number(c->gc.pause.max, ret) : CELL_NOTHING;
}

static enum cell_kind p99(bool on, const struct dist *d, struct cell_value *ret)
{
	if (!on || d->cnt < 0)
		return CELL_UNKNOWN;
	return d->cnt ? number(d->p99, ret) : CELL_NOTHING;
}

/* Unknown while no window was armed in this one: nothing seen is not nothing there. */
static enum cell_kind read_runq(const struct snapshot_container *c, struct cell_value *ret)
{
	if (!(c->cpu.runq_watched_seconds > 0) && c->cpu.runq.cnt <= 0 && c->cpu.runq_outliers <= 0)
		return CELL_UNKNOWN;
	return p99(true, &c->cpu.runq, ret);
}

/* Of programs before Go 1.26 the waits are diluted by zeros of system calls: the number is low, which the overview says
 * and a `~` would not. */
static enum cell_kind read_go_sched(const struct snapshot_container *c, struct cell_value *ret)
{
	return p99(c->sched.on, &c->sched.latency, ret);
}

static enum cell_kind read_rtt(const struct snapshot_container *c, struct cell_value *ret)
{
	return p99(c->net.on, &c->net.rtt, ret);
}

static enum cell_kind read_dns(const struct snapshot_container *c, struct cell_value *ret)
{
	return p99(c->net.dns_on, &c->net.dns, ret);
}

static enum cell_kind read_gc_cpu(const struct snapshot_container *c, struct cell_value *ret)
{
	ret->partial = c->gc.cpu_estimated;
	return number(c->gc.cpu_ratio, ret);
}

static enum cell_kind read_memory(const struct snapshot_container *c, struct cell_value *ret)
{
	const struct snapshot_memory *m = &c->memory;

	if (m->limit_bytes == STAT_UNKNOWN)
		return CELL_UNKNOWN;
	if (m->limit_bytes < 0)
		return CELL_NONE;
	if (m->working_set_bytes == STAT_UNKNOWN || !m->limit_bytes)
		return CELL_UNKNOWN;
	return number((double)m->working_set_bytes / (double)m->limit_bytes, ret);
}

static enum cell_kind read_goroutines(const struct snapshot_container *c, struct cell_value *ret)
{
	return number(c->goroutines == STAT_UNKNOWN ? NAN : (double)c->goroutines, ret);
}

static char *format_double_count(double value, char *buf, size_t sz)
{
	return format_count((int64_t)value, buf, sz);
}

/* RTT has no threshold: what is long for a neighbour is short for another continent, and what was usual for this
 * container an hour ago is not kept yet. */
static const struct column columns[COLUMN_CNT] = {
	{"CPU", "CPU", 5, 4, COLUMN_CPU, COLUMN_NO_SIGNAL, 0.90, NAN, read_cpu, format_cpus},
	{"LIM", "LIM", 4, 4, COLUMN_CPU, COLUMN_NO_SIGNAL, NAN, NAN, read_limit, format_cpu_limit},
	{"THR%", "THR%", 4, 4, COLUMN_CPU, SIGNAL_CPU_THROTTLE, 0.05, 0.25, read_throttle_ratio, format_percent},
	{"THR", "THR", 5, 4, COLUMN_DELAY, SIGNAL_CPU_THROTTLE, 0.010, 0.050, read_throttle, format_ms},
	{"RUNQ", "RUNQ", 5, 4, COLUMN_DELAY, SIGNAL_CPU_SCHED, 0.005, 0.020, read_runq, format_ms},
	{"GOSCH", "GOSC", 5, 4, COLUMN_DELAY, SIGNAL_GO_RUNTIME, 0.005, 0.020, read_go_sched, format_ms},
	{"STW^", "STW^", 5, 4, COLUMN_DELAY, SIGNAL_GO_GC, 0.001, 0.010, read_stop, format_ms},
	{"RTT", "RTT", 5, 4, COLUMN_DELAY, SIGNAL_NET_TCP, NAN, NAN, read_rtt, format_ms},
	{"DNS", "", 5, 0, COLUMN_DELAY, SIGNAL_NET_DNS, 0.050, 0.500, read_dns, format_ms},
	{"GC%", "GC%", 3, 3, COLUMN_REST, SIGNAL_GO_RUNTIME, 0.15, 0.30, read_gc_cpu, format_percent},
	{"MEM%", "", 4, 0, COLUMN_REST, COLUMN_NO_SIGNAL, 0.80, 0.95, read_memory, format_percent},
	{"GOR", "", 5, 0, COLUMN_REST, SIGNAL_GO_RUNTIME, NAN, NAN, read_goroutines, format_double_count},
};

/* Chooses the columns and their ends, counted from the end of the name; returns what all but the name takes. */
static int place(const struct snapshot *s, bool narrow, struct column_layout *ret)
{
	enum column_group group = COLUMN_CPU;
	int at = 0;

	ret->narrow = narrow;
	ret->why_width = narrow ? WHY_WIDTH_NARROW : WHY_WIDTH;
	ret->cnt = 0;
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		const struct column *col = &columns[i];
		int width = narrow ? col->width_narrow : col->width;
		bool bar = !narrow && col->group != group;

		if (!width || (col->signal != COLUMN_NO_SIGNAL && !s->signals[col->signal].present))
			continue;
		/* Before the delays the blank stands left of the bar, after them right of it. */
		ret->cols[ret->cnt].bar = !bar ? -1 : col->group == COLUMN_DELAY ? at + 1 : at;
		at += width + 1 + bar;
		ret->cols[ret->cnt].end = at;
		ret->cols[ret->cnt++].column = col;
		group = col->group;
	}
	ret->why_at = at + 1;
	return COLUMN_NAME_AT + ret->why_at + ret->why_width;
}

void columns_layout(const struct snapshot *s, int width, struct column_layout *ret)
{
	memset(ret, 0, sizeof(*ret));
	width = width < COLUMN_WIDTH_MIN ? COLUMN_WIDTH_MIN : width;
	ret->name_width = width - place(s, false, ret);
	if (ret->name_width < NAME_WIDTH_MIN)
		ret->name_width = width - place(s, true, ret);
	if (ret->name_width > NAME_WIDTH_MAX)
		ret->name_width = NAME_WIDTH_MAX;
	ret->namespaces = ret->name_width >= NAME_WIDTH_MIN;
	for (int i = 0; i < ret->cnt; i++) {
		ret->cols[i].end += COLUMN_NAME_AT + ret->name_width;
		ret->cols[i].bar += ret->cols[i].bar < 0 ? 0 : COLUMN_NAME_AT + ret->name_width;
	}
	ret->why_at += COLUMN_NAME_AT + ret->name_width;
}

static enum grade judge(const struct column *col, double judged)
{
	if (judged >= col->critical)
		return GRADE_CRITICAL;
	return judged >= col->warning ? GRADE_WARNING : GRADE_FINE;
}

/* Milliseconds to two digits, "~94" instead of "~94.1": an estimate has no third one, and with its `~` it still fits
 * the four columns of a narrow screen. */
static void format_ms_estimate(double seconds, char *buf, size_t sz)
{
	double ms = seconds * 1e3;
	char text[16];

	if (ms < 0.005)
		str_copy(buf, sz, "<.01");
	else if (ms < 0.995)
		snprintf(buf, sz, "~.%02.0f", fmax(ms * 100, 1));
	else if (ms < 9.95)
		snprintf(buf, sz, "~%.1f", ms);
	else if (ms < 99.5)
		snprintf(buf, sz, "~%.0f", ms);
	else
		snprintf(buf, sz, "~%s", format_ms(ms < 9950 ? round(ms / 10) / 100 : seconds, text, sizeof(text)));
}

static void format_estimate(const struct column *col, double value, char *buf, size_t sz)
{
	char text[16];

	if (col->format == format_ms)
		format_ms_estimate(value, buf, sz);
	else
		snprintf(buf, sz, "~%s", col->format(value, text, sizeof(text)));
}

static bool sampled(const struct snapshot_signal *sig)
{
	return !strcmp(sig->state, "window") && sig->window_share < 1;
}

void columns_cell(const struct column *col, const struct snapshot *s, const struct snapshot_container *c,
		  struct cell *ret)
{
	static const char *const texts[] = {[CELL_NOTHING] = "\u00b7", [CELL_NONE] = "-", [CELL_UNKNOWN] = "?"};
	const struct snapshot_signal *sig = col->signal == COLUMN_NO_SIGNAL ? NULL : &s->signals[col->signal];
	struct cell_value v = {.value = NAN, .judged = NAN};
	enum cell_kind kind = col->read(c, &v);

	if (sig && !strcmp(sig->state, "off") && !v.other)
		kind = CELL_NONE;
	ret->grade = GRADE_DIM;
	if (kind != CELL_VALUE) {
		str_copy(ret->text, sizeof(ret->text), texts[kind]);
		return;
	}
	if (v.partial || (sig && (sig->lost_window || sampled(sig))))
		format_estimate(col, v.value, ret->text, sizeof(ret->text));
	else
		col->format(v.value, ret->text, sizeof(ret->text));
	ret->grade = c->gone ? GRADE_DIM : judge(col, v.judged);
}

bool columns_above(const struct snapshot *s, const struct snapshot_container *c)
{
	struct cell cell;

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		if (columns[i].signal != COLUMN_NO_SIGNAL && !s->signals[columns[i].signal].present)
			continue;
		columns_cell(&columns[i], s, c, &cell);
		if (cell.grade >= GRADE_WARNING)
			return true;
	}
	return false;
}

enum grade columns_severity_grade(enum verdict_severity severity)
{
	return severity == VERDICT_CRITICAL  ? GRADE_CRITICAL
	       : severity == VERDICT_WARNING ? GRADE_WARNING
					     : GRADE_ADVICE;
}

static bool unresolved(const struct snapshot_container *c)
{
	return c->owner.kind == OWNER_UNATTRIBUTED || (!c->process_cnt && c->refused_cnt);
}

char columns_mark(const struct snapshot_container *c, enum grade *grade)
{
	*grade = GRADE_DIM;
	if (c->gone)
		return 'x';
	if (c->verdict_cnt) {
		enum verdict_severity severity = c->verdicts[0].severity;

		*grade = columns_severity_grade(severity);
		return severity == VERDICT_CRITICAL ? '!' : severity == VERDICT_WARNING ? '*' : 'i';
	}
	return unresolved(c) ? '?' : ' ';
}

void columns_name(const struct snapshot_container *c, bool namespaces, char *buf, size_t sz)
{
	const struct owner *o = &c->owner;

	if (namespaces || o->kind != OWNER_POD)
		owner_format(o, buf, sz);
	else
		snprintf(buf, sz, "%s%s%s", o->pod, *o->container ? ":" : "", o->container);
}

/* One word for a verdict id or a culprit in the WHY column of a narrow screen. */
static const char *short_word(const char *word)
{
	static const struct {
		const char *word, *brief;
	} words[] = {
		{"throttled", "throt"},           {"gomaxprocs", "maxprocs"},     {"gomemlimit", "memlimit"},
		{"mem-limit-gc", "mem-gc"},       {"cpu-contended", "contended"}, {"goroutine-leak", "g-leak"},
		{"goroutine-blocked", "g-block"}, {"net-loss", "loss"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(words[i].word, word))
			return words[i].brief;
	return word;
}

static const char *short_culprit(const char *word)
{
	static const struct {
		const char *word, *brief;
	} words[] = {{"gomaxprocs", "maxp"}, {"nxdomain", "nxdom"}, {"servfail", "fail"}, {"timeout", "time"}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(words[i].word, word))
			return words[i].brief;
	return word;
}

void columns_why(const struct snapshot_container *c, int width, char *buf, size_t sz)
{
	const struct verdict *v = c->verdicts;
	char text[64] = "";

	if (c->gone) /* what ended it is worth a word, what slowed it down no longer */
		str_copy(text, sizeof(text), c->verdict_cnt && !strcmp(v->id, "oom-risk") ? "gone+oom" : "gone");
	else if (c->verdict_cnt)
		verdict_short(v, text, sizeof(text));
	else if (!c->process_cnt && c->refused_cnt)
		str_copy(text, sizeof(text), width < WHY_WIDTH ? "refused" : "not observable");
	if ((int)strlen(text) > width && c->verdict_cnt && !c->gone)
		snprintf(text, sizeof(text), "%.24s%s%.24s", short_word(v->id), *v->culprit ? "+" : "",
			 short_culprit(v->culprit));
	str_copy(buf, (size_t)width + 1 < sz ? (size_t)width + 1 : sz, text);
}
