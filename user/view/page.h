/* SPDX-License-Identifier: BSD-2-Clause */
/* The state of the view, shared by view.c and the pages. A page writes lines with a pen; view.c puts header, lines and
 * foot onto the canvas. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "view/canvas.h"
#include "view/filter.h"
#include "view/keys.h"
#include "view/messages.h"
#include "view/pen.h"
#include "view/rows.h"
#include "view/screen.h"
#include "view/view.h"

#define VIEW_MESSAGE_SZ 256
#define TEXT_SZ         24 /* one formatted number */
#define VIEW_COLS_MIN   60 /* below, nothing is shown */

enum page_id { PAGE_MAIN, PAGE_CONTAINER, PAGE_SIGNALS, PAGE_REFUSED, PAGE_HELP, PAGE_CNT };
enum tab_id {
	TAB_OVERVIEW,
	TAB_GC,
	TAB_CPU,
	TAB_GOROUTINES,
	TAB_NETWORK,
	TAB_MEMORY,
	TAB_PROCESSES,
	TAB_EVENTS,
	TAB_CNT
};
enum view_when { WHEN_LIVE, WHEN_PAUSED, WHEN_PAST };
enum prompt_kind { PROMPT_NONE, PROMPT_FILTER, PROMPT_FIND };

struct prompt {
	enum prompt_kind kind;
	char text[FILTER_SZ], before[FILTER_SZ]; /* before: what Esc brings back */
};

/* Key s: what the last line asks. */
enum question_kind { QUESTION_NONE, QUESTION_COST, QUESTION_FORCE };

struct question {
	enum question_kind kind;
	bool force; /* the limit of its CPU holds it: asked a second time */
	uint32_t container_id;
	char say[VIEW_MESSAGE_SZ]; /* what a window would cost */
};

/* The strip of an open container. */
struct strip_cursor {
	bool on;
	bool moved;     /* to be scrolled into sight */
	int column;     /* 0 the oldest */
	uint64_t to_ns; /* the time that stands still while the cursor is on */
};

struct view {
	struct view_cfg cfg;
	struct screen *screen; /* owned */
	struct canvas canvas;  /* owned */
	struct keys keys;
	uint64_t esc_since_ns; /* the beginning of a key came then; 0 none */

	struct snapshot s;  /* owned: what is shown */
	bool have;          /* there is one */
	uint64_t shown_ns;  /* CLOCK_MONOTONIC when it was shown */
	uint64_t newest_ns; /* time_mono_ns of the newest snapshot */
	enum view_when when;
	bool ended; /* the recording */

	struct rows rows;
	struct filter filter;
	struct prompt prompt;
	struct question question;
	char filter_text[FILTER_SZ], find_text[FILTER_SZ];
	char namespace_[OWNER_NAME_SZ]; /* "" all */
	enum sort_key sort;
	bool reverse;
	uint64_t window_ns, key_ns;

	enum page_id page, back; /* back: where Esc leads from the pages that stand beside */
	enum tab_id tab;
	int scroll, scroll_max; /* of the lines of a page other than the main one */
	uint32_t open_id;       /* of the container screen */
	struct detail *detail;  /* owned */
	bool detail_known;
	struct strip_cursor strip;

	struct messages *messages; /* owned: log lines while the view is open */
	char message[VIEW_MESSAGE_SZ];
	uint64_t message_until_ns; /* 0 none */
	struct str copied;         /* key y */
	bool dirty;                /* the screen does not show the state */
};

/* view.c, for the pages */

void view_say(struct view *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A pen of the width of the screen. */
void view_pen(const struct view *v, struct str *out, struct pen *ret);
int view_width(const struct view *v);       /* that text is wrapped at: at least VIEW_COLS_MIN */
int view_table_width(const struct view *v); /* of the table: at least COLUMN_WIDTH_MIN, it is cut at the edge */
/* The container under the cursor, or that of the container screen while it is open. NULL: none. */
const struct snapshot_container *view_container(const struct view *v);
/* Wants the rows chosen and ordered anew. */
void view_resort(struct view *v);
/* A line of which the right part stands at the right edge, over the left one where both do not fit. */
void view_line(struct view *v, int row, const char *left, const struct str *right, int right_width);

/* question.c: asks about a goroutine window on the container of view_container(); a key while it asks; the line. */
void question_open(struct view *v);
void question_key(struct view *v, uint32_t key);
void question_write(const struct view *v, struct pen *p);

/* The pages. draw puts all of the page onto the canvas, but the last line, which is view.c's. key: true if it was one
 * of the page's own keys. */
struct page {
	void (*draw)(struct view *v);
	bool (*key)(struct view *v, uint32_t key);
	const char *keys, *keys_narrow; /* the last line */
};
extern const struct page page_main, page_container, page_signals, page_refused, page_help;

/* Lines that scroll, from row `top` to the last but one. */
void page_lines(struct view *v, int top, const struct str *text);
/* Keys that scroll them. */
bool page_scroll_key(struct view *v, uint32_t key);
void page_open(struct view *v, enum page_id page);

#define PAGE_TOP 2 /* lines above those of a tab */
/* A tab of the container screen: writes its lines. */
void tab_overview(struct view *v, const struct snapshot_container *c, struct pen *p);
void tab_gc(struct view *v, const struct snapshot_container *c, struct pen *p);
void tab_cpu(struct view *v, const struct snapshot_container *c, struct pen *p);
void tab_goroutines(struct view *v, const struct snapshot_container *c, struct pen *p);
void tab_network(struct view *v, const struct snapshot_container *c, struct pen *p);
void tab_memory(struct view *v, const struct snapshot_container *c, struct pen *p);
void tab_processes(struct view *v, const struct snapshot_container *c, struct pen *p);
void tab_events(struct view *v, const struct snapshot_container *c, struct pen *p);
/* End of the time that the strip shows, and its cursor. */
uint64_t overview_strip_end(const struct view *v);
void overview_strip_move(struct view *v, int by);
/* NULL: the runtime of its processes is read. Else why not. */
const char *page_runtime_off(const struct snapshot *s, const struct snapshot_container *c);
/* Who set GOMAXPROCS: "environment", "default"; NULL unknown. */
const char *page_maxprocs_by(const struct snapshot_process *x);
/* A piece of a line of numbers, three blanks after the one before; on the next line where it does not fit. */
void page_item(struct pen *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A rule over the width, with words in it. */
void page_rule(struct pen *p, const char *left, const char *right);
