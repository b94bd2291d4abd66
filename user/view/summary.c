/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts are of all containers, whatever a filter hides: a pod in trouble in another namespace must be noticed. */
#include "view/summary.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "view/format.h"

void summary_count(const struct snapshot *s, struct summary_counts *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < s->container_cnt; i++) {
		const struct snapshot_container *c = &s->containers[i];
		bool said = c->verdict_cnt && c->verdicts[0].severity > VERDICT_ADVICE;

		if (c->gone)
			continue;
		ret->live++;
		ret->critical += said && c->verdicts[0].severity == VERDICT_CRITICAL;
		ret->warning += said && c->verdicts[0].severity == VERDICT_WARNING;
		ret->fine += !said;
	}
}

char *summary_worst_cost(const struct snapshot *s, char *buf, size_t sz)
{
	double worst = NAN;
	char percent[24];

	for (int i = 0; i < s->container_cnt; i++)
		worst = fmax(worst, s->containers[i].cost_ratio); /* fmax takes the number where one is NAN */
	if (isnan(worst))
		snprintf(buf, sz, "%s", s->container_cnt ? "?" : "-");
	else
		snprintf(buf, sz, "%s%%", format_percent_fine(worst, percent, sizeof(percent)));
	return buf;
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
