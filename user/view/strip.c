/* SPDX-License-Identifier: BSD-2-Clause */
/* A span fills every column that it touches: a stop-the-world of 40 us is as visible as one of 10 ms, and the line
 * under the strip says how long it was. CPU time comes as a running sum read every few ms, between readings it is taken
 * as even. */
#include "view/strip.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "stats/snapshot.h"
#include "view/format.h"

#define CPUS_MAX 1024 /* of the list of throttled CPUs */

int strip_columns(int width)
{
	int n = width - STRIP_LABEL;

	return n < 1 ? 1 : n > STRIP_COLUMNS_MAX ? STRIP_COLUMNS_MAX : n;
}

static uint64_t column_start(const struct strip *s, int column)
{
	return s->from_ns + (uint64_t)column * STRIP_COLUMN_NS;
}

static void mark_span(struct strip *s, const struct detail_span *x)
{
	uint64_t end = column_start(s, s->columns);
	int first, last;

	if (x->lane >= LANE_CNT || x->end_ns < s->from_ns || x->start_ns >= end || x->end_ns < x->start_ns)
		return;
	first = x->start_ns <= s->from_ns ? 0 : (int)((x->start_ns - s->from_ns) / STRIP_COLUMN_NS);
	last = x->end_ns >= end ? s->columns - 1 : (int)((x->end_ns - s->from_ns) / STRIP_COLUMN_NS);
	for (int i = first; i <= last; i++)
		s->lane[x->lane][i] = true;
}

/* CPU time until then, NAN outside the readings. *at only goes forward. */
static double cpu_time(const struct detail *d, uint64_t time_ns, int *at)
{
	const struct detail_poll *a, *b;

	while (*at + 1 < d->poll_cnt && d->polls[*at + 1].time_ns < time_ns)
		++*at;
	if (*at + 1 >= d->poll_cnt || d->polls[*at].time_ns > time_ns)
		return NAN;
	a = &d->polls[*at];
	b = a + 1;
	if (b->time_ns <= a->time_ns)
		return NAN;
	return (double)a->cpu_ns +
	       (double)(b->cpu_ns - a->cpu_ns) * (double)(time_ns - a->time_ns) / (double)(b->time_ns - a->time_ns);
}

static void fill_cpus(struct strip *s, const struct detail *d)
{
	int at = 0;
	double before = cpu_time(d, s->from_ns, &at);

	s->cpus_max = NAN;
	for (int i = 0; i < s->columns; i++) {
		double after = cpu_time(d, column_start(s, i + 1), &at);

		s->cpus[i] = fmax((after - before) / (double)STRIP_COLUMN_NS, 0);
		if (isnan(after) || isnan(before))
			s->cpus[i] = NAN;
		s->cpus_max = fmax(s->cpus_max, s->cpus[i]);
		before = after;
	}
}

void strip_fill(struct strip *s, const struct detail *d, uint64_t from_ns, int columns)
{
	memset(s, 0, sizeof(*s));
	s->columns = columns < 1 ? 1 : columns > STRIP_COLUMNS_MAX ? STRIP_COLUMNS_MAX : columns;
	s->from_ns = from_ns;
	for (int i = 0; i < d->span_cnt; i++)
		mark_span(s, &d->spans[i]);
	for (int i = 0; i < s->columns; i++)
		s->runq_watched[i] = d->runq_watched[i * 100 / s->columns];
	fill_cpus(s, d);
}

void strip_lane_text(const struct strip *s, enum detail_lane lane, char *buf, size_t sz)
{
	static const char *const marks[LANE_CNT] = {"\u2592", "|", "\u2588", "\u2582"};
	size_t len = 0;

	buf[0] = 0;
	for (int i = 0; i < s->columns; i++) {
		bool seen = lane != LANE_RUNQ || s->runq_watched[i];
		const char *mark = s->lane[lane][i] ? marks[lane] : seen ? "\u00b7" : " ";

		if (str_copy(buf + len, sz - len, mark))
			len += strlen(mark);
	}
}

void strip_cpu_text(const struct strip *s, bool ascii, char *buf, size_t sz)
{
	static const char *const fine[] = {"\u00b7", "\u2581", "\u2582", "\u2583", "\u2584",
					   "\u2585", "\u2586", "\u2587", "\u2588"};
	static const char *const plain[] = {".", "_", "_", "-", "-", "=", "=", "#", "#"};
	size_t len = 0;

	buf[0] = 0;
	for (int i = 0; i < s->columns; i++) {
		int level = s->cpus_max > 0 ? (int)ceil(s->cpus[i] / s->cpus_max * 8 - 0.2) : 0;
		const char *mark = isnan(s->cpus[i]) ? " "
						     : (ascii ? plain : fine)[level < 0   ? 0
									      : level > 8 ? 8
											  : level];

		if (str_copy(buf + len, sz - len, mark))
			len += strlen(mark);
	}
}

/* ---- names --------------------------------------------------------------------------------------------- */

struct throttle {
	uint64_t start_ns, end_ns;
	uint8_t cpus[CPUS_MAX / 8];
	bool any;
};

/* "cpus 0-3,7" */
static void cpu_list(const struct throttle *t, char *buf, size_t sz)
{
	size_t len = 0;
	int cnt = 0;

	buf[0] = 0;
	for (int i = 0; i < CPUS_MAX && len + 16 < sz; i++) {
		int first = i;

		while (i < CPUS_MAX && t->cpus[i / 8] & 1u << i % 8)
			i++;
		if (i == first)
			continue;
		len += (size_t)snprintf(buf + len, sz - len, i - first > 1 ? "%s%d-%d" : "%s%d", cnt++ ? "," : "",
					first, i - 1);
	}
}

static void add_throttle(struct throttle *t, const struct detail_span *x)
{
	if (!t->any || x->start_ns < t->start_ns)
		t->start_ns = x->start_ns;
	if (!t->any || x->end_ns > t->end_ns)
		t->end_ns = x->end_ns;
	t->any = true;
	if (x->tag < CPUS_MAX)
		t->cpus[x->tag / 8] |= (uint8_t)(1u << x->tag % 8);
}

/* "70.2 ms", "12s" */
static void length_text(uint64_t ns, char *buf, size_t sz)
{
	char ms[16];

	format_ms((double)ns / NS_PER_SEC, ms, sizeof(ms));
	snprintf(buf, sz, "%s%s", ms, strpbrk(ms, "smh?") ? "" : " ms");
}

static void event_of_span(const struct detail_span *x, struct strip_event *e)
{
	char length[24];

	e->start_ns = x->start_ns;
	length_text(x->lane == LANE_RUNQ ? x->wait_ns : x->end_ns - x->start_ns, length, sizeof(length));
	if (x->lane == LANE_STW) {
		str_copy(e->name, sizeof(e->name), "STW");
		snprintf(e->text, sizeof(e->text), "%s %s", stw_reason_name(x->tag), length);
	} else if (x->lane == LANE_RUNQ) {
		str_copy(e->name, sizeof(e->name), "run queue");
		snprintf(e->text, sizeof(e->text), "%s%s%.20s", length, *x->text ? ", the CPU had " : "", x->text);
	} else {
		str_copy(e->name, sizeof(e->name), "GC mark");
		snprintf(e->text, sizeof(e->text), "%s", length);
	}
}

int strip_events(const struct strip *s, const struct detail *d, int column, struct strip_event *ret, int max)
{
	uint64_t from = column_start(s, column), to = from + STRIP_COLUMN_NS;
	struct throttle t = {.any = false};
	char length[24], cpus[STRIP_EVENT_SZ - 40];
	int cnt = 0;

	for (int i = 0; i < d->span_cnt; i++) {
		const struct detail_span *x = &d->spans[i];

		if (x->end_ns < from || x->start_ns >= to || x->lane >= LANE_CNT)
			continue;
		if (x->lane == LANE_THROTTLE)
			add_throttle(&t, x);
		else if (cnt < max)
			event_of_span(x, &ret[cnt++]);
	}
	if (t.any && max > 0) {
		struct strip_event *e = &ret[cnt < max ? cnt++ : max - 1];

		length_text(t.end_ns - t.start_ns, length, sizeof(length));
		cpu_list(&t, cpus, sizeof(cpus));
		e->start_ns = t.start_ns;
		str_copy(e->name, sizeof(e->name), "throttle");
		snprintf(e->text, sizeof(e->text), "%s, cpu%s %s", length, strpbrk(cpus, "-,") ? "s" : "", cpus);
	}
	return cnt;
}
