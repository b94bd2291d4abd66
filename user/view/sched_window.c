/* SPDX-License-Identifier: BSD-2-Clause */
/* A window says exactly what the runtime's own histogram only samples: every wait of a runnable goroutine for a P. So
 * its numbers stand beside the passive ones, in the same form, each with its source. A window that lost events says so
 * wherever a number of it is shown. */
#include "view/sched_window.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "events/record.h"
#include "view/budget.h"
#include "view/format.h"
#include "view/goroutine_table.h"
#include "view/page.h"

#define COUNT_END    8
#define RATE_END     17
#define SITE_AT      19
#define REASON_WIDTH 18
#define SITE_WIDTH   72

bool sched_window_known(const struct snapshot_sched_window *w)
{
	return w->windows > 0 || w->open > 0;
}

/* Before each number of a window that lost events, or may have: its end was not told. */
static const char *mark_of(const struct snapshot_sched_window *w)
{
	return w->lost > 0 || w->lost == STAT_UNKNOWN ? "~" : "";
}

/* ", 12s ago" */
static char *age_text(double seconds, char *buf, size_t sz)
{
	char text[TEXT_SZ];

	buf[0] = 0;
	if (!isnan(seconds))
		snprintf(buf, sz, ", %s ago", format_duration(seconds, text, sizeof(text)));
	return buf;
}

/* Why it ended; "" where it simply was long enough. */
static const char *end_text(unsigned int end)
{
	return end == SCHED_WINDOW_BUDGET  ? ", ended by the budget"
	       : end == SCHED_WINDOW_GONE  ? ", ended with its process"
	       : end == SCHED_WINDOW_STOP  ? ", ended with gopherscope"
	       : end == SCHED_WINDOW_QUOTA ? ", ended at its CPU limit"
					   : "";
}

/* "430ms, 12s ago, ended by the budget", "3 windows, 1.2s together, the last 12s ago" */
static char *state_text(const struct snapshot_sched_window *w, char *buf, size_t sz)
{
	char length[TEXT_SZ], age[2 * TEXT_SZ], before[160] = "";

	format_duration(w->seconds, length, sizeof(length));
	age_text(w->age_seconds, age, sizeof(age));
	if (w->windows > 1)
		snprintf(before, sizeof(before), "%lld windows, %s together%s%s%s", (long long)w->windows, length,
			 *age ? ", the last" : "", *age ? age + 1 : "", end_text(w->end));
	else if (w->windows == 1)
		snprintf(before, sizeof(before), "%s%s%s", length, age, end_text(w->end));
	if (w->open)
		snprintf(buf, sz, "open now%s%s", *before ? "; before: " : "", before);
	else
		snprintf(buf, sz, "%s", *before ? before : "none yet");
	return buf;
}

char *sched_window_brief(const struct snapshot_sched_window *w, char *buf, size_t sz)
{
	char p99[TEXT_SZ], cnt[TEXT_SZ];

	buf[0] = 0;
	if (w->windows > 0 && w->latency.cnt > 0)
		snprintf(buf, sz, "p99 %s%s ms of %s%s wait%s", mark_of(w), format_ms(w->latency.p99, p99, sizeof(p99)),
			 mark_of(w), format_count(w->latency.cnt, cnt, sizeof(cnt)), w->latency.cnt == 1 ? "" : "s");
	return buf;
}

/* "1.2k, p50 .012  p99 88.1  max 131 ms" */
static char *waits_text(const struct dist *d, const char *mark, char *buf, size_t sz)
{
	char cnt[TEXT_SZ], p50[TEXT_SZ], p99[TEXT_SZ], text[TEXT_SZ], max[TEXT_SZ + 8] = "";

	if (!isnan(d->max))
		snprintf(max, sizeof(max), "  max %s%s", mark, format_ms(d->max, text, sizeof(text)));
	if (d->cnt <= 0)
		snprintf(buf, sz, "%s", d->cnt ? "?" : "none");
	else
		snprintf(buf, sz, "%s%s, p50 %s%s  p99 %s%s%s ms", mark, format_count(d->cnt, cnt, sizeof(cnt)), mark,
			 format_ms(d->p50, p50, sizeof(p50)), mark, format_ms(d->p99, p99, sizeof(p99)), max);
	return buf;
}

void sched_window_waits(struct pen *p, const char *source, const struct dist *d, const char *mark, const char *note)
{
	char numbers[160], text[400];

	snprintf(text, sizeof(text), "waits for a P, source %s: %s%s", source,
		 waits_text(d, mark, numbers, sizeof(numbers)), note);
	pen_paragraph(p, 2, text);
}

void sched_window_exact(struct pen *p, const struct snapshot_sched_window *w)
{
	if (w->windows > 0 && w->latency.cnt >= 0)
		sched_window_waits(p, "window (every one)", &w->latency, mark_of(w), "");
}

/* "main.load (main.go:85)" */
static char *site_words(const struct snapshot_site *x, char *buf, size_t sz)
{
	const char *slash = strrchr(x->at, '/');

	if (*x->at)
		snprintf(buf, sz, "%s (%s)", *x->function ? x->function : "?", slash ? slash + 1 : x->at);
	else
		snprintf(buf, sz, "%s", *x->function ? x->function : "?");
	return buf;
}

/* "" where nothing was lost. */
static char *lost_text(const struct snapshot_sched_window *w, char *buf, size_t sz)
{
	buf[0] = 0;
	if (w->lost == STAT_UNKNOWN)
		snprintf(buf, sz, "losses unknown: the end of a window was not told");
	else if (w->lost > 0)
		snprintf(buf, sz, "window lost %lld event%s: numbers are too low", (long long)w->lost,
			 w->lost == 1 ? "" : "s");
	return buf;
}

char *sched_window_sentence(const struct snapshot_sched *s, char *buf, size_t sz)
{
	const struct snapshot_sched_window *w = &s->window;
	char state[240], waits[160], passive[TEXT_SZ + 24] = "", by[320] = "", lost[80] = "";
	char text[TEXT_SZ], site[200], words[64];

	buf[0] = 0;
	if (!sched_window_known(w))
		return buf;
	state_text(w, state, sizeof(state));
	if (!w->windows) {
		snprintf(buf, sz, "goroutine window: %s", state);
		return buf;
	}
	if (s->latency.cnt > 0)
		snprintf(passive, sizeof(passive), " (passive: p99 %s ms)",
			 format_ms(s->latency.p99, text, sizeof(text)));
	if (w->wait_cnt > 0 && w->waits[0].per_second > 0)
		snprintf(by, sizeof(by), "; %s%s s a second of it in goroutines created by %s", mark_of(w),
			 format_cpus(w->waits[0].per_second, text, sizeof(text)),
			 site_words(&w->waits[0], site, sizeof(site)));
	if (*lost_text(w, words, sizeof(words)))
		snprintf(lost, sizeof(lost), "; %s", words);
	snprintf(buf, sz, "goroutine window: %s: waits for a P %s%s%s%s", state,
		 waits_text(&w->latency, mark_of(w), waits, sizeof(waits)), passive, by, lost);
	return buf;
}

/* ---- page 4 -------------------------------------------------------------------------------------------- */

/* "12" "1.98" "12.4k" */
static char *rate_text(double per_second, char *buf, size_t sz)
{
	if (!(per_second >= 999.5))
		return format_cpus(per_second, buf, sz);
	return format_count((int64_t)fmin(per_second, 1e18), buf, sz);
}

static void rate_item(struct pen *p, const struct snapshot_sched_window *w, const char *name, int64_t cnt)
{
	char text[TEXT_SZ];

	page_item(p, "%s %s%s/s", name, mark_of(w),
		  rate_text(cnt >= 0 && w->seconds > 0 ? (double)cnt / w->seconds : NAN, text, sizeof(text)));
}

/* What it cost then, and what of the budget it takes. */
static void cost_items(struct pen *p, const struct snapshot_container *c, double window_seconds)
{
	const struct snapshot_sched_window *w = &c->sched.window;
	double now = c->overhead.ratio[OVERHEAD_GO_SCHED];
	char a[TEXT_SZ], b[TEXT_SZ], budget[TEXT_SZ];

	format_duration(w->cost_seconds, a, sizeof(a));
	if (w->cpu_seconds > 0)
		page_item(p, "cost %s of its CPU, %s%% of what it used then", a,
			  format_percent_fine(w->cost_seconds / w->cpu_seconds, b, sizeof(b)));
	else
		page_item(p, "cost %s of its CPU", a);
	if (!isnan(now))
		page_item(p, "%s%% over the last %s", format_percent_fine(now, b, sizeof(b)),
			  format_duration(window_seconds, a, sizeof(a)));
	page_item(p, "budget %s%s", budget_text(c->overhead.max_ratio, budget, sizeof(budget)),
		  c->overhead.max_ratio > 0 ? ", saved up over a minute" : "");
}

static void numbers(struct pen *p, const struct snapshot_container *c, double window_seconds)
{
	const struct snapshot_sched_window *w = &c->sched.window;
	char waits[160], text[240], lost[80];

	rate_item(p, w, "runs", w->runs);
	rate_item(p, w, "created", w->created);
	rate_item(p, w, "ended", w->ended);
	pen_end(p);
	if (w->netpoll.cnt >= 0) {
		snprintf(text, sizeof(text), "of the waits, woken by the network: %s",
			 waits_text(&w->netpoll, mark_of(w), waits, sizeof(waits)));
		pen_paragraph(p, 2, text);
	}
	cost_items(p, c, window_seconds);
	pen_end(p);
	if (!*lost_text(w, lost, sizeof(lost)))
		return;
	pen_text(p, GRADE_WARNING, lost);
	pen_end(p);
}

/* A place where goroutines park is "REASON at FUNCTION", or the reason alone: it has a column of its own. */
static void park_reason(struct pen *p, struct snapshot_site *x)
{
	char reason[sizeof(x->function)], rest[sizeof(x->function)], text[REASON_WIDTH * 4 + 8];
	const char *at = strstr(x->function, " at ");

	str_copy(reason, sizeof(reason), x->function);
	if (at)
		reason[at - x->function] = 0;
	str_copy(rest, sizeof(rest), at ? at + 4 : "");
	str_copy(x->function, sizeof(x->function), rest);
	format_squeeze(reason, REASON_WIDTH, p->ascii, text, sizeof(text));
	pen_text(p, GRADE_FINE, text);
	pen_to(p, SITE_AT + REASON_WIDTH + 2);
}

struct site_table {
	const char *count, *rate, *title;
	const struct snapshot_site *sites;
	int cnt;
	bool parks;
};

static void site_row(struct pen *p, const char *mark, const struct site_table *t, struct snapshot_site x)
{
	char text[TEXT_SZ], marked[TEXT_SZ + 2];
	int room;

	snprintf(marked, sizeof(marked), "%s%s", mark, format_count(x.cnt, text, sizeof(text)));
	pen_right(p, GRADE_FINE, COUNT_END, marked);
	snprintf(marked, sizeof(marked), "%s%s", mark, rate_text(x.per_second, text, sizeof(text)));
	pen_right(p, GRADE_FINE, RATE_END, marked);
	pen_to(p, SITE_AT);
	if (t->parks)
		park_reason(p, &x);
	room = p->width - p->at;
	goroutine_table_site(p, x.function, x.at, room > SITE_WIDTH ? SITE_WIDTH : room);
	pen_end(p);
}

static void site_table(struct pen *p, const char *mark, const struct site_table *t, int rows)
{
	if (!t->cnt)
		return;
	pen_right(p, GRADE_FINE, COUNT_END, t->count);
	pen_right(p, GRADE_FINE, RATE_END, t->rate);
	pen_to(p, SITE_AT);
	pen_text(p, GRADE_FINE, t->title);
	pen_end(p);
	for (int i = 0; i < t->cnt && i < rows && i < SNAPSHOT_SITES; i++)
		site_row(p, mark, t, t->sites[i]);
}

static void site_tables(struct pen *p, const struct snapshot_sched_window *w, int rows)
{
	const struct site_table tables[] = {
		{"NEW", "NEW/s", "CREATED BY", w->sites, w->site_cnt, false},
		{"WAITS", "s/s", "WAITED LONGEST FOR A P, CREATED BY", w->waits, w->wait_cnt, false},
		{"PARKS", "PARKS/s", "PARKED AT", w->parks, w->park_cnt, true},
	};

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		site_table(p, mark_of(w), &tables[i], rows);
}

void sched_window_part(struct pen *p, const struct snapshot_container *c, double window_seconds, int rows,
		       bool possible)
{
	const struct snapshot_sched_window *w = &c->sched.window;
	char state[240], waits[BUDGET_TEXT_SZ];

	page_rule(p, "goroutine window", NULL);
	pen_text(p,
		 w->open          ? GRADE_ADVICE
		 : w->windows > 0 ? GRADE_FINE
				  : GRADE_DIM,
		 state_text(w, state, sizeof(state)));
	if (!sched_window_known(w) && possible)
		pen_text(p, GRADE_DIM, "; key s: who waited, for how long, created where");
	pen_end(p);
	if (*budget_waiting(c, waits, sizeof(waits)))
		pen_paragraph(p, 2, waits);
	if (w->windows <= 0)
		return;
	numbers(p, c, window_seconds);
	site_tables(p, w, rows);
}
