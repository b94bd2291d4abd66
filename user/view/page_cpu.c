/* SPDX-License-Identifier: BSD-2-Clause */
/* Page 3 of a container: throttle intervals, periods, run queue, and the kernel's own counters beside. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "view/format.h"
#include "view/page.h"
#include "view/strip.h"
#include "view/summary.h"

#define INTERVALS_MAX 40

/* "p50 66.0  p99 94.1  max 94.6 ms" */
static void dist_line(struct pen *p, const char *name, const struct dist *d)
{
	char cnt[TEXT_SZ], p50[TEXT_SZ], p99[TEXT_SZ], max[TEXT_SZ];

	if (d->cnt <= 0)
		pen_textf(p, GRADE_FINE, "%s: %s", name, d->cnt ? "?" : "none in the window");
	else
		pen_textf(p, GRADE_FINE, "%s: %s, p50 %s  p99 %s  max %s ms", name,
			  format_count(d->cnt, cnt, sizeof(cnt)), format_ms(d->p50, p50, sizeof(p50)),
			  format_ms(d->p99, p99, sizeof(p99)), format_ms(d->max, max, sizeof(max)));
	pen_end(p);
}

static void used(struct pen *p, const struct snapshot_container *c)
{
	char a[TEXT_SZ], b[TEXT_SZ], r[TEXT_SZ];

	pen_textf(p, GRADE_FINE, "used %s CPUs, limit %s, request %s", format_cpus(c->cpu.usage_cpus, a, sizeof(a)),
		  c->cpu.limit_cpus < 0 ? "none" : format_cpu_limit(c->cpu.limit_cpus, b, sizeof(b)),
		  format_cpu_limit(c->cpu.request_cpus, r, sizeof(r)));
	pen_end(p);
}

static void throttle(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	const char *off = summary_signal_off(s, SIGNAL_CPU_THROTTLE);
	char share[TEXT_SZ], sum[TEXT_SZ], kernel[TEXT_SZ], text[200];

	page_rule(p, "CPU quota", NULL);
	if (off || c->cpu.limit_cpus < 0) {
		pen_paragraph(p, 0, off ? off : "it has no CPU limit");
		return;
	}
	snprintf(text, sizeof(text),
		 "held %s%% of the time; on all CPUs together %s s; cpu.stat says %s s, %lld of %lld periods",
		 format_percent_fine(c->cpu.ratio, share, sizeof(share)),
		 format_cpus(c->cpu.cpu_seconds, sum, sizeof(sum)),
		 format_cpus(c->cpu.kernel_cpu_seconds, kernel, sizeof(kernel)), (long long)c->cpu.nr_throttled,
		 (long long)c->cpu.nr_periods);
	pen_paragraph(p, 2, text);
	dist_line(p, "intervals", &c->cpu.length);
	if (c->cpu.missed_seconds > 1e-3) {
		pen_textf(p, GRADE_WARNING, "%s s were charged by the kernel without an interval that we saw",
			  format_cpus(c->cpu.missed_seconds, sum, sizeof(sum)));
		pen_end(p);
	}
}

static void run_queue(struct pen *p, const struct snapshot *s, const struct snapshot_container *c)
{
	const char *off = summary_signal_off(s, SIGNAL_CPU_SCHED);
	char watched[TEXT_SZ], mean[TEXT_SZ];
	struct str text;

	page_rule(p, "run queue: waits for a CPU, throttled time taken out", NULL);
	if (off) {
		pen_paragraph(p, 0, off);
		return;
	}
	dist_line(p, "waits", &c->cpu.runq);
	str_init(&text);
	str_addf(&text, "watched %s of the window",
		 format_duration(c->cpu.runq_watched_seconds, watched, sizeof(watched)));
	if (!isnan(c->cpu.runq_mean_seconds))
		str_addf(&text, "; mean wait in all of it %s ms",
			 format_ms(c->cpu.runq_mean_seconds, mean, sizeof(mean)));
	if (*c->cpu.runq_rival)
		str_addf(&text, "; %lld long waits, mostly behind %s", (long long)c->cpu.runq_outliers,
			 c->cpu.runq_rival);
	pen_paragraph(p, 2, str_get(&text));
	str_deinit(&text);
}

static void interval_row(struct pen *p, const struct snapshot *s, const struct detail_span *x)
{
	uint64_t unix_ns = summary_unix_ns(s, x->start_ns);
	bool runq = x->lane == LANE_RUNQ;
	char at[TEXT_SZ], text[TEXT_SZ];

	pen_textf(p, GRADE_FINE, "  %s.%03u", summary_clock(unix_ns, false, at, sizeof(at)),
		  (unsigned int)(unix_ns % NS_PER_SEC / NS_PER_MS));
	pen_right(p, GRADE_FINE, 24,
		  format_ms((double)(runq ? x->wait_ns : x->end_ns - x->start_ns) / NS_PER_SEC, text, sizeof(text)));
	pen_to(p, 27);
	if (runq)
		pen_textf(p, GRADE_FINE, "run queue, the CPU had %s", *x->text ? x->text : "?");
	else
		pen_textf(p, GRADE_FINE, "throttled, cpu %u", x->tag);
	pen_end(p);
}

static void intervals(struct pen *p, const struct view *v)
{
	int cnt = 0;

	page_rule(p, "intervals of the last second, newest first, ms", NULL);
	for (int i = v->detail_known ? v->detail->span_cnt - 1 : -1; i >= 0 && cnt < INTERVALS_MAX; i--) {
		const struct detail_span *x = &v->detail->spans[i];

		if (x->lane != LANE_THROTTLE && x->lane != LANE_RUNQ)
			continue;
		interval_row(p, &v->s, x);
		cnt++;
	}
	if (!cnt) {
		pen_text(p, GRADE_DIM, "  none");
		pen_end(p);
	}
}

void tab_cpu(struct view *v, const struct snapshot_container *c, struct pen *p)
{
	used(p, c);
	throttle(p, &v->s, c);
	run_queue(p, &v->s, c);
	intervals(p, v);
}
