/* SPDX-License-Identifier: BSD-2-Clause */
/* Function names of real programs are longer than any column ("github.com/org/app/internal/store.(*Store).Get[...]"),
 * so the path of the package goes first, then the middle; file and line stay, because they are what is looked up. */
#include "view/goroutine_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runtime/census.h"
#include "view/format.h"
#include "view/pen.h"

#define TEXT_SZ      24 /* one formatted number */
#define SITE_SZ      1024
#define ONE_LINE_MIN 113 /* narrower than this, the sites stand on a line of their own */
#define PID_WIDTH    8
#define COUNT_END    6
#define RATE_END     14
#define STATE_AT     16
#define REASON_AT    25
#define REASON_WIDTH 16
#define OLDEST_END   48
#define SITES_AT     50
#define SITES_BELOW  8 /* where they stand on a line of their own */
#define GAP          2
#define MARK_WIDTH   7 /* "blocked" */

/* Where things stand. */
struct places {
	int shift;  /* for the pids on the left */
	int reason; /* width of the wait reason */
	int more;   /* so much further right stands what follows it */
	bool below; /* the sites are on the second line */
	int sites_at, site_width, mark_at;
};

static void place(const struct goroutine_table *t, int width, struct places *ret)
{
	ret->shift = t->pids ? PID_WIDTH : 0;
	ret->reason = t->reason_width > REASON_WIDTH ? t->reason_width : REASON_WIDTH;
	ret->more = ret->shift + ret->reason - REASON_WIDTH;
	ret->below = width < ONE_LINE_MIN + ret->more;
	ret->sites_at = ret->below ? ret->shift + SITES_BELOW : ret->more + SITES_AT;
	ret->site_width = (width - ret->sites_at - GAP - (ret->below ? 0 : GAP + MARK_WIDTH)) / 2;
	ret->mark_at = ret->below ? ret->more + SITES_AT : width - MARK_WIDTH;
}

static void pen_on(const struct goroutine_table *t, struct str *out, struct pen *ret)
{
	*ret = (struct pen){.out = out,
			    .width = t->style.width < COLUMN_WIDTH_MIN ? COLUMN_WIDTH_MIN : t->style.width,
			    .color = t->style.color,
			    .ascii = t->style.ascii};
}

void goroutine_table_header(const struct goroutine_table *t, struct str *out)
{
	struct places at;
	struct pen p;

	pen_on(t, out, &p);
	place(t, p.width, &at);
	if (t->pids)
		pen_right(&p, GRADE_FINE, PID_WIDTH - 1, "PID");
	pen_right(&p, GRADE_FINE, at.shift + COUNT_END, "COUNT");
	pen_right(&p, GRADE_FINE, at.shift + RATE_END, "+/min");
	pen_to(&p, at.shift + STATE_AT);
	pen_text(&p, GRADE_FINE, "STATE");
	pen_to(&p, at.shift + REASON_AT);
	pen_text(&p, GRADE_FINE, "WAIT REASON");
	pen_right(&p, GRADE_FINE, at.more + OLDEST_END, "OLDEST");
	pen_to(&p, at.more + SITES_AT);
	if (at.below) {
		static const char words[] = "below: created by, blocked at";

		pen_text(&p, GRADE_FINE, p.at + (int)strlen(words) > p.width ? "below: by, at" : words);
	} else {
		pen_text(&p, GRADE_FINE, "CREATED BY");
		pen_to(&p, at.sites_at + at.site_width + GAP);
		pen_text(&p, GRADE_FINE, "BLOCKED AT");
	}
	pen_end(&p);
}

/* "12", "~1.2k": whole while it fits. */
static void count_text(const struct goroutine_row *row, char *buf, size_t sz)
{
	char text[TEXT_SZ - 1];

	if (row->count < 0 || row->count > (row->estimated ? 9999 : 99999))
		format_count(row->count, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%lld", (long long)row->count);
	snprintf(buf, sz, "%s%s", row->estimated && row->count >= 0 ? "~" : "", text);
}

/* "+96.0", "0", "-3.0" */
static void rate_text(double per_minute, char *buf, size_t sz)
{
	char text[TEXT_SZ];

	if (isnan(per_minute))
		snprintf(buf, sz, "?");
	else if (fabs(per_minute) < 0.05)
		snprintf(buf, sz, "0");
	else if (fabs(per_minute) < 9999.95)
		snprintf(buf, sz, "%+.1f", per_minute);
	else
		snprintf(buf, sz, "%c%s", per_minute < 0 ? '-' : '+',
			 format_count((int64_t)fmin(fabs(per_minute), 1e15), text, sizeof(text)));
}

/* "net/http.(*Server).Serve" without "net/": what stands before the last slash of the package. */
static const char *without_path(const char *function)
{
	size_t len = strcspn(function, "([{"); /* slashes of type arguments do not count */

	while (len && function[len - 1] != '/')
		len--;
	return function[len] ? function + len : function;
}

/* "cart.(*Hub[...]).Subscribe" as "cart.Hub.Subscribe" */
static void without_decoration(const char *function, char *buf, size_t sz)
{
	size_t len = 0;
	int depth = 0;

	for (const char *at = function; *at && len + 1 < sz; at++) {
		depth += *at == '[';
		if (!depth && *at != '(' && *at != '*' && *at != ')')
			buf[len++] = *at;
		depth -= *at == ']' && depth;
	}
	buf[len] = 0;
}

static int columns_of(const char *text, const struct pen *p)
{
	char clean[SITE_SZ];

	return format_clean(text, p->ascii, clean, sizeof(clean));
}

/* The longest form that fits; if none does, the shortest without its middle. */
static void function_text(const struct pen *p, const char *function, int room, char *buf, size_t sz)
{
	char brief[SITE_SZ];

	if (columns_of(function, p) > room)
		function = without_path(function);
	if (columns_of(function, p) > room) {
		without_decoration(function, brief, sizeof(brief));
		function = *brief ? brief : function;
	}
	format_squeeze(function, room, p->ascii, buf, sz);
}

void goroutine_table_site(struct pen *p, const char *function, const char *place, int width)
{
	char name[SITE_SZ], line[SITE_SZ];
	const char *slash = strrchr(place, '/');

	if (!*function) {
		pen_text(p, GRADE_DIM, "?");
		return;
	}
	format_squeeze(slash ? slash + 1 : place, width / 2, p->ascii, line, sizeof(line));
	function_text(p, function, width - (*line ? columns_of(line, p) + GAP : 0), name, sizeof(name));
	pen_textf(p, GRADE_FINE, "%s%s%s", name, *line ? "  " : "", line);
}

static void sites(struct pen *p, const struct places *at, const struct goroutine_row *row)
{
	bool waits = *row->blocked;

	pen_to(p, at->sites_at);
	goroutine_table_site(p, row->created, row->created_at, at->site_width);
	if (!waits)
		return;
	pen_to(p, at->sites_at + at->site_width + GAP);
	goroutine_table_site(p, row->blocked, row->blocked_at, at->site_width);
}

static void mark(struct pen *p, const struct places *at, const char *text)
{
	if (!*text)
		return;
	pen_to(p, at->mark_at);
	pen_text(p, strcmp(text, "leaked") ? GRADE_WARNING : GRADE_CRITICAL, text);
}

void goroutine_table_row(const struct goroutine_table *t, const struct goroutine_row *row, struct str *out)
{
	char text[TEXT_SZ], reason[SITE_SZ];
	struct places at;
	struct pen p;

	pen_on(t, out, &p);
	place(t, p.width, &at);
	snprintf(text, sizeof(text), "%d", row->pid);
	if (t->pids)
		pen_right(&p, GRADE_FINE, PID_WIDTH - 1, text);
	count_text(row, text, sizeof(text));
	pen_right(&p, GRADE_FINE, at.shift + COUNT_END, text);
	rate_text(row->per_minute, text, sizeof(text));
	if (t->one_look)
		str_copy(text, sizeof(text), "-");
	pen_right(&p, GRADE_FINE, at.shift + RATE_END, text);
	pen_to(&p, at.shift + STATE_AT);
	pen_textf(&p, GRADE_FINE, "%.8s", row->state);
	format_squeeze(row->reason, at.reason, p.ascii, reason, sizeof(reason));
	pen_to(&p, at.shift + REASON_AT);
	pen_text(&p, GRADE_FINE, reason);
	pen_right(&p, GRADE_FINE, at.more + OLDEST_END, format_duration(row->oldest_seconds, text, sizeof(text)));
	if (at.below) {
		mark(&p, &at, row->mark);
		pen_end(&p);
	}
	sites(&p, &at, row);
	if (!at.below)
		mark(&p, &at, row->mark);
	pen_end(&p);
}

/* Columns that a site takes unabridged; goroutine_table_site() gives its place half of them at most. */
static int site_need(const struct pen *p, const char *function, const char *place)
{
	const char *slash = strrchr(place, '/');
	int line = columns_of(slash ? slash + 1 : place, p);
	int need = columns_of(function, p) + (line ? GAP + line : 0);

	return need > 2 * line ? need : 2 * line;
}

void goroutine_table_fit(struct goroutine_table *t, const struct goroutine_row *row)
{
	struct pen p = {.ascii = t->style.ascii};
	int created = site_need(&p, row->created, row->created_at);
	int blocked = site_need(&p, row->blocked, row->blocked_at);
	int reason = columns_of(row->reason, &p), site = created > blocked ? created : blocked, need;
	int had = t->reason_width > REASON_WIDTH ? t->reason_width : REASON_WIDTH;

	if (reason > had) {
		t->style.width += reason - had;
		t->reason_width = had = reason;
	}
	need = (t->pids ? PID_WIDTH : 0) + had - REASON_WIDTH + SITES_AT + 2 * (site + GAP) + MARK_WIDTH;
	if (t->style.width < need)
		t->style.width = need;
}

void goroutine_row_of(const struct snapshot_group *g, struct goroutine_row *ret)
{
	static const char *const marks[] = {"", "leak?", "blocked", "leaked"};

	*ret = (struct goroutine_row){
		.pid = g->pid,
		.count = g->cnt,
		.per_minute = g->per_minute,
		.state = g->state < GOROUTINE_STATE_CNT ? goroutine_state_name((enum goroutine_state)g->state) : "?",
		.reason = g->reason,
		.oldest_seconds = g->oldest_seconds,
		.created = g->created,
		.created_at = g->created_at,
		.blocked = g->blocked,
		.blocked_at = g->blocked_at,
		.mark = g->mark < sizeof(marks) / sizeof(*marks) ? marks[g->mark] : "",
	};
}
