/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts are of all containers, whatever a filter hides: a pod in trouble in another namespace must be noticed. */
#include "view/summary.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "diagnose/rule.h"
#include "probes/probes.h"
#include "view/budget.h"
#include "view/format.h"

static bool said(const struct snapshot_container *c)
{
	return c->verdict_cnt && c->verdicts[0].severity > VERDICT_ADVICE;
}

bool summary_pending(const struct snapshot *s, const struct snapshot_container *c)
{
	struct verdict found;

	for (int i = 0; !c->gone && !said(c) && rules[i].id; i++) {
		memset(&found, 0, sizeof(found));
		if (rules[i].test(s, c, 1, &found) && found.severity > VERDICT_ADVICE)
			return true;
	}
	return false;
}

void summary_count(const struct snapshot *s, struct summary_counts *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < s->container_cnt; i++) {
		const struct snapshot_container *c = &s->containers[i];
		bool pending = summary_pending(s, c);

		if (c->gone)
			continue;
		ret->live++;
		ret->critical += said(c) && c->verdicts[0].severity == VERDICT_CRITICAL;
		ret->warning += said(c) && c->verdicts[0].severity == VERDICT_WARNING;
		ret->pending += pending;
		ret->fine += !pending && !said(c);
	}
}

/* Off because nobody asked for it is no fault. */
static bool is_in_state(const struct snapshot_signal *x, const char *state)
{
	return x->present && !strcmp(x->state, state) &&
	       strncmp(x->reason, SIGNAL_UNASKED, strlen(SIGNAL_UNASKED)) != 0;
}

/* ", off: cpu_throttle net_dns"; returns how many signals are in that state. */
static int signals_in_state(struct pen *p, const struct snapshot *s, const char *state, const char *separator)
{
	int cnt = 0;

	for (int i = 0; i < SIGNAL_CNT; i++) {
		if (!is_in_state(&s->signals[i], state))
			continue;
		if (!cnt++)
			pen_textf(p, GRADE_FINE, "%s%s:", separator, state);
		pen_textf(p, GRADE_FINE, " %s", s->signals[i].name);
	}
	return cnt;
}

static int signals_count(const struct snapshot *s, const char *state)
{
	int cnt = 0;

	for (int i = 0; i < SIGNAL_CNT; i++)
		cnt += is_in_state(&s->signals[i], state);
	return cnt;
}

char *summary_window_share(const struct snapshot_signal *x, char *buf, size_t sz)
{
	char percent[24];

	buf[0] = 0;
	if (x->window_share > 0)
		snprintf(buf, sz, " %s%%", format_percent_fine(x->window_share, percent, sizeof(percent)));
	return buf;
}

/* "signals 3 on, window: cpu_sched 10% go_sched": shares of the time, of those that open by plan */
static void signals_that_work(struct pen *p, const struct snapshot *s)
{
	char share[24];
	int cnt = 0;

	pen_textf(p, GRADE_FINE, "signals %d on", signals_count(s, "on"));
	for (int i = 0; i < SIGNAL_CNT; i++)
		if (s->signals[i].present && !strcmp(s->signals[i].state, "window"))
			pen_textf(p, GRADE_FINE, "%s %s%s", cnt++ ? "" : ", window:", s->signals[i].name,
				  summary_window_share(&s->signals[i], share, sizeof(share)));
}

int summary_signals(struct pen *p, const struct snapshot *s, bool narrow)
{
	const char *separator = narrow ? "" : ", ";
	int off;

	if (!narrow || !(signals_count(s, "off") + signals_count(s, "degraded")))
		signals_that_work(p, s);
	off = signals_in_state(p, s, "off", separator);
	return off + signals_in_state(p, s, "degraded", off ? ", " : separator);
}

void summary_worst_cost(struct pen *p, const struct snapshot *s)
{
	enum grade grade = GRADE_FINE;
	double worst = NAN;
	char percent[24];

	for (int i = 0; i < s->container_cnt; i++) {
		worst = fmax(worst, budget_cost(&s->containers[i])); /* fmax takes the number where one is NAN */
		grade = budget_exceeded(&s->containers[i]) ? GRADE_WARNING : grade;
	}
	if (isnan(worst))
		pen_text(p, GRADE_FINE, s->container_cnt ? "?" : "-");
	else
		pen_textf(p, grade, "%s%%", format_percent_fine(worst, percent, sizeof(percent)));
}

char *summary_clock(uint64_t unix_ns, bool tenths, char *buf, size_t sz)
{
	time_t t = (time_t)(unix_ns / NS_PER_SEC);
	char text[16];
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(text, sizeof(text), "%H:%M:%S", &tm))
		snprintf(buf, sz, "?");
	else if (tenths)
		snprintf(buf, sz, "%s.%u", text, (unsigned int)(unix_ns % NS_PER_SEC / (NS_PER_SEC / 10)));
	else
		snprintf(buf, sz, "%s", text);
	return buf;
}

uint64_t summary_unix_ns(const struct snapshot *s, uint64_t mono_ns)
{
	return s->time_unix_ns + (mono_ns - s->time_mono_ns); /* unsigned: right for stamps before it, too */
}

const char *summary_plural(long long n)
{
	return n == 1 ? "" : "s";
}

const char *summary_signal_off(const struct snapshot *s, enum signal_id id)
{
	const struct snapshot_signal *x = &s->signals[id];

	if (!x->present)
		return "not in this build";
	if (strcmp(x->state, "off"))
		return NULL;
	return *x->reason ? x->reason : "off";
}
