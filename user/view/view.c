/* SPDX-License-Identifier: BSD-2-Clause */
/* Ties screen, keys and pages together: which snapshot is shown (live, paused, of the past), which keys work on every
 * page, the last line, and when to draw. The canvas is composed anew each time; screen.c writes what differs. */
#include "view/view.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pods/owner_index.h"
#include "view/format.h"
#include "view/page.h"
#include "view/plain.h"

#define ROWS_MIN   15
#define MESSAGE_NS (6 * NS_PER_SEC)
#define ESC_NS     (50 * NS_PER_MS) /* the rest of a key comes sooner, also over a slow line */
#define COPIED_MAX (64u * 1024)
#define COPY_WIDTH 100
#define RECORD_KEY "  R record"
#define WINDOW_KEY "  s goroutine window"
#define READS_MAX  64 /* of one view_input(): a paste must not hold the loop */

static const struct page *const pages[PAGE_CNT] = {&page_main, &page_container, &page_signals, &page_refused,
						   &page_help};

/* ---- helpers of the pages ------------------------------------------------------------------------------ */

void view_say(struct view *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->message, sizeof(v->message), fmt, ap);
	va_end(ap);
	v->message_until_ns = clock_mono_ns() + MESSAGE_NS;
	v->dirty = true;
}

int view_width(const struct view *v)
{
	return v->canvas.cols < VIEW_COLS_MIN ? VIEW_COLS_MIN : v->canvas.cols;
}

int view_table_width(const struct view *v)
{
	return v->canvas.cols < COLUMN_WIDTH_MIN ? COLUMN_WIDTH_MIN : v->canvas.cols;
}

void view_pen(const struct view *v, struct str *out, struct pen *ret)
{
	/* Colours always: they come back as grades of cells, and screen.c knows whether they are wanted. */
	*ret = (struct pen){.out = out, .width = view_width(v), .color = true, .ascii = v->cfg.ascii};
}

const struct snapshot_container *view_container(const struct view *v)
{
	if (!v->open_id)
		return v->rows.cnt ? &v->s.containers[v->rows.row[v->rows.cursor].at] : NULL;
	for (int i = 0; i < v->s.container_cnt; i++)
		if (v->s.containers[i].id == v->open_id)
			return &v->s.containers[i];
	return NULL;
}

void view_line(struct view *v, int row, const char *left, const struct str *right, int right_width)
{
	int at = view_width(v) - right_width;

	canvas_line(&v->canvas, row, 0, left);
	if (!right_width)
		return;
	at = at < 0 ? 0 : at;
	if (at)
		canvas_line(&v->canvas, row, at - 1, " ");
	canvas_line(&v->canvas, row, at, str_get(right));
}

void page_open(struct view *v, enum page_id page)
{
	const struct snapshot_container *c = view_container(v);
	uint32_t id = v->open_id;

	if (page == PAGE_CONTAINER && !v->open_id && c) {
		v->open_id = c->id;
		v->rows.held = true;
		v->tab = TAB_OVERVIEW;
	}
	if (page == PAGE_MAIN)
		v->open_id = 0;
	if (page > PAGE_CONTAINER && v->page <= PAGE_CONTAINER)
		v->back = v->page;
	v->page = page;
	v->scroll = 0;
	v->strip.on = false;
	if (v->open_id != id && v->cfg.ops.opened)
		v->cfg.ops.opened(v->open_id, v->cfg.ops.arg);
}

void page_lines(struct view *v, int top, const struct str *text)
{
	int height = v->canvas.rows - 1 - top, cnt;

	cnt = canvas_lines(&v->canvas, top, height, v->scroll, str_get(text));
	v->scroll_max = cnt > height ? cnt - height : 0;
	if (v->scroll <= v->scroll_max)
		return;
	v->scroll = v->scroll_max; /* it has become shorter, or the terminal taller */
	for (int row = top; row < v->canvas.rows - 1; row++)
		for (int col = 0; col < v->canvas.cols; col++)
			v->canvas.cells[row * v->canvas.cols + col] = (struct canvas_cell){.c = ' '};
	canvas_lines(&v->canvas, top, height, v->scroll, str_get(text));
}

bool page_scroll_key(struct view *v, uint32_t key)
{
	int page = v->canvas.rows > 10 ? v->canvas.rows - 6 : 4;
	int by = key == KEYS_UP || key == 'k'     ? -1
		 : key == KEYS_DOWN || key == 'j' ? 1
		 : key == KEYS_PAGE_UP            ? -page
		 : key == KEYS_PAGE_DOWN          ? page
		 : key == KEYS_HOME               ? -v->scroll_max
		 : key == KEYS_END                ? v->scroll_max
						  : 0;

	v->scroll += by;
	v->scroll = v->scroll > v->scroll_max ? v->scroll_max : v->scroll;
	v->scroll = v->scroll < 0 ? 0 : v->scroll;
	return by || key == KEYS_HOME || key == KEYS_END;
}

void page_item(struct pen *p, const char *fmt, ...)
{
	char text[200], clean[200];
	bool first = !p->at;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!first && p->at + 3 + format_clean(text, p->ascii, clean, sizeof(clean)) > p->width) {
		pen_end(p);
		pen_to(p, 2);
	} else if (!first) {
		pen_to(p, p->at + 3);
	}
	pen_text(p, GRADE_FINE, text);
}

void page_rule(struct pen *p, const char *left, const char *right)
{
	int end = p->width - (right ? (int)strlen(right) + 1 : 0);

	if (left) {
		pen_text(p, GRADE_FINE, "\u2500\u2500 ");
		pen_text(p, GRADE_FINE, left);
		pen_text(p, GRADE_FINE, " ");
	}
	while (p->at < end)
		pen_text(p, GRADE_FINE, "\u2500");
	if (right)
		pen_textf(p, GRADE_FINE, " %s", right);
	pen_end(p);
}

/* ---- what is shown ------------------------------------------------------------------------------------- */

static int copy_container(struct snapshot_container *dst, const struct snapshot_container *src)
{
	size_t n = (size_t)src->process_cnt;

	*dst = *src;
	dst->processes = malloc((n + 1) * sizeof(*dst->processes));
	if (!dst->processes) {
		dst->process_cnt = 0;
		return -ENOMEM;
	}
	if (n)
		memcpy(dst->processes, src->processes, n * sizeof(*dst->processes));
	return 0;
}

static int copy_snapshot(struct snapshot *dst, const struct snapshot *src)
{
	int err = 0;

	*dst = *src;
	dst->container_cnt = dst->refused_cnt = 0;
	dst->containers = calloc((size_t)src->container_cnt + 1, sizeof(*dst->containers));
	dst->refused = calloc((size_t)src->refused_cnt + 1, sizeof(*dst->refused));
	if (!dst->containers || !dst->refused)
		err = -ENOMEM;
	if (!err && src->refused_cnt) {
		memcpy(dst->refused, src->refused, (size_t)src->refused_cnt * sizeof(*dst->refused));
		dst->refused_cnt = src->refused_cnt;
	}
	for (int i = 0; !err && i < src->container_cnt; i++) {
		err = copy_container(&dst->containers[i], &src->containers[i]);
		dst->container_cnt++;
	}
	if (err)
		snapshot_deinit(dst);
	return err;
}

static bool wanted(const struct view *v, const struct snapshot_container *c)
{
	return (!*v->namespace_ || !strcmp(v->namespace_, c->owner.namespace_)) && filter_matches(&v->filter, c);
}

/* Chooses and orders the rows of what is shown. */
static void take_rows(struct view *v)
{
	int *rows = malloc(((size_t)v->s.container_cnt + 1) * sizeof(*rows)), cnt = 0;

	if (rows) {
		order_rows(&v->s, v->sort, v->reverse, rows);
		for (int i = 0; i < v->s.container_cnt; i++)
			if (wanted(v, &v->s.containers[rows[i]]))
				rows[cnt++] = rows[i];
	}
	if (!rows || rows_update(&v->rows, &v->s, rows, cnt, clock_mono_ns(), v->key_ns))
		v->rows.cnt = 0; /* its indexes belong to another snapshot */
	free(rows);
}

void view_resort(struct view *v)
{
	filter_parse(&v->filter, v->filter_text);
	rows_resort(&v->rows);
	take_rows(v);
}

static void take_snapshot_consume(struct view *v, struct snapshot *s)
{
	snapshot_deinit(&v->s);
	v->s = *s;
	v->have = true;
	v->shown_ns = clock_mono_ns();
	take_rows(v);
}

/* ---- drawing ------------------------------------------------------------------------------------------- */

static bool too_small(const struct view *v)
{
	return v->canvas.rows < ROWS_MIN || v->canvas.cols < VIEW_COLS_MIN;
}

static void draw_too_small(struct view *v)
{
	char text[64];

	snprintf(text, sizeof(text), "%dx%d: needs %dx%d", v->canvas.cols, v->canvas.rows, COLUMN_WIDTH_MIN, ROWS_MIN);
	canvas_line(&v->canvas, 0, 0, "terminal too small");
	canvas_line(&v->canvas, 1, 0, text);
}

/* Takes a key out of a line of keys. */
static void without_key(char *keys, const char *key)
{
	char *at = strstr(keys, key);

	if (at)
		memmove(at, at + strlen(key), strlen(at + strlen(key)) + 1);
}

/* A recording cannot be recorded, and no window be opened on it: the page's keys without those. */
static void foot_keys(const struct view *v, struct pen *p)
{
	const struct page *page = pages[v->page];
	char keys[VIEW_MESSAGE_SZ];

	str_copy(keys, sizeof(keys), view_width(v) < (int)strlen(page->keys) ? page->keys_narrow : page->keys);
	if (v->cfg.replay)
		without_key(keys, RECORD_KEY);
	if (v->cfg.replay || !v->cfg.ops.sched_ask)
		without_key(keys, WINDOW_KEY);
	pen_text(p, GRADE_FINE, keys);
}

/* The line of the keys; a message or a prompt takes its place. */
static void draw_foot(struct view *v)
{
	struct str text;
	struct pen p;

	str_init(&text);
	view_pen(v, &text, &p);
	if (v->question.kind != QUESTION_NONE)
		question_write(v, &p);
	else if (v->prompt.kind != PROMPT_NONE)
		pen_textf(&p, GRADE_FINE, "%s %s_   (Enter: done, Esc: as before)",
			  v->prompt.kind == PROMPT_FIND ? "find" : "/", v->prompt.text);
	else if (v->message_until_ns)
		pen_text(&p, GRADE_ADVICE, v->message);
	else if (v->canvas.cols < COLUMN_WIDTH_MIN)
		pen_textf(&p, GRADE_WARNING, "terminal too small for all columns: %dx%d, needs %dx%d", v->canvas.cols,
			  v->canvas.rows, COLUMN_WIDTH_MIN, ROWS_MIN);
	else
		foot_keys(v, &p);
	canvas_line(&v->canvas, v->canvas.rows - 1, 0, str_get(&text));
	str_deinit(&text);
}

static int fit_canvas(struct view *v)
{
	int rows, cols;

	screen_size(&rows, &cols);
	if (v->canvas.cells && rows == v->canvas.rows && cols == v->canvas.cols) {
		canvas_clear(&v->canvas);
		return 0;
	}
	return canvas_resize(&v->canvas, rows, cols);
}

static int draw(struct view *v)
{
	int err = fit_canvas(v);

	v->dirty = false;
	if (err && !v->canvas.cells)
		return err;
	if (too_small(v)) {
		draw_too_small(v);
	} else {
		pages[v->page]->draw(v);
		draw_foot(v);
	}
	err = screen_show(v->screen, &v->canvas);
	v->dirty = err == -EAGAIN; /* again with the next tick */
	return err == -EIO ? err : 0;
}

/* ---- time ---------------------------------------------------------------------------------------------- */

/* The nearest one in the history that is older (or newer) than what is shown, by more than half an interval: a
 * recording may end with two that are nearly of the same time. Its place, 0 the newest; -1: there is none. */
static int neighbour(const struct view *v, bool older)
{
	uint64_t shown = v->s.time_mono_ns, least = v->cfg.interval_ns / 2;
	int cnt = (int)history_cnt(v->cfg.history), ret = -1;

	least = least > NS_PER_SEC / 2 ? NS_PER_SEC / 2 : least;
	for (int i = 0; i < cnt; i++) {
		uint64_t at = history_time_ns(v->cfg.history, (size_t)i);

		if (older && at + least <= shown)
			return i;
		if (!older && at >= shown + least)
			ret = i;
	}
	return ret;
}

static int show_past(struct view *v, size_t back)
{
	struct snapshot s;
	int err = history_get(v->cfg.history, back, &s);

	if (!err)
		take_snapshot_consume(v, &s);
	return err;
}

static void go_live(struct view *v)
{
	v->when = WHEN_LIVE;
	v->strip.on = false;
	if (v->cfg.history && history_cnt(v->cfg.history))
		show_past(v, 0);
}

/* step: 1 older, -1 newer */
static void travel(struct view *v, int step)
{
	int at;

	if (!v->cfg.history || !v->have) {
		view_say(v, "no history here");
		return;
	}
	at = neighbour(v, step > 0);
	if (step < 0 && at <= 0) {
		go_live(v);
		return;
	}
	if (at < 0) {
		view_say(v, "nothing older is kept (at most 15 minutes)");
		return;
	}
	if (show_past(v, (size_t)at))
		view_say(v, "no memory for the past");
	else
		v->when = WHEN_PAST;
	v->strip.on = false;
}

static void toggle_pause(struct view *v)
{
	if (v->when == WHEN_LIVE)
		v->when = WHEN_PAUSED;
	else
		go_live(v);
}

static void next_window(struct view *v)
{
	static const uint64_t windows[] = {1 * NS_PER_SEC, 10 * NS_PER_SEC, 60 * NS_PER_SEC};
	size_t i = 0;

	if (v->ended) {
		view_say(v, "the recording has ended: no further numbers come, the window stays");
		return;
	}
	while (i < 3 && windows[i] <= v->window_ns)
		i++;
	v->window_ns = windows[i % 3];
	if (v->cfg.ops.window)
		v->cfg.ops.window(v->window_ns, v->cfg.ops.arg);
	view_say(v, "window %d s from the next numbers on", (int)(v->window_ns / NS_PER_SEC));
}

/* ---- keys ---------------------------------------------------------------------------------------------- */

static void copy_verdict(struct view *v)
{
	const struct snapshot_container *c = view_container(v);
	struct plain_style st = {.width = COPY_WIDTH, .ascii = v->cfg.ascii};
	struct str text;
	bool copied;

	if (!c) {
		view_say(v, "nothing to copy");
		return;
	}
	str_init(&text);
	plain_why(&v->s, c, &st, &text);
	if (v->copied.len + text.len < COPIED_MAX && !strstr(str_get(&v->copied), str_get(&text)))
		str_add(&v->copied, str_get(&text));
	copied = screen_copy(v->screen, str_get(&text));
	view_say(v, copied ? "copied (OSC 52, if the terminal allows it); printed on exit" : "will be printed on exit");
	str_deinit(&text);
}

static void record(struct view *v)
{
	char say[VIEW_MESSAGE_SZ] = "";

	if (v->cfg.replay) {
		view_say(v, "this is a recording already: gopherscope replay writes traces of it");
		return;
	}
	if (v->cfg.ops.record)
		v->cfg.ops.record(say, sizeof(say), v->cfg.ops.arg);
	view_say(v, "%s", v->cfg.ops.record ? say : "recording is not possible here");
}

/* The next row after the cursor whose name has the text. */
static void find(struct view *v, int from)
{
	struct filter f;

	filter_parse(&f, v->find_text);
	for (int i = 0; f.cnt && i < v->rows.cnt; i++) {
		int at = (v->rows.cursor + from + i) % v->rows.cnt;

		if (!filter_matches(&f, &v->s.containers[v->rows.row[at].at]))
			continue;
		rows_move(&v->rows, at - v->rows.cursor);
		return;
	}
	if (f.cnt)
		view_say(v, "no row has '%s'", v->find_text);
}

static void prompt_open(struct view *v, enum prompt_kind kind)
{
	if (v->page != PAGE_MAIN)
		page_open(v, PAGE_MAIN);
	if (kind == PROMPT_FIND && *v->find_text) /* F3 again: the next one, ready to type another text */
		find(v, 1);
	v->prompt.kind = kind;
	str_copy(v->prompt.before, FILTER_SZ, kind == PROMPT_FIND ? v->find_text : v->filter_text);
	str_copy(v->prompt.text, FILTER_SZ, v->prompt.before);
}

static void prompt_apply(struct view *v, const char *text)
{
	if (v->prompt.kind == PROMPT_FIND) {
		str_copy(v->find_text, FILTER_SZ, text);
		find(v, 0);
	} else {
		str_copy(v->filter_text, FILTER_SZ, text);
		view_resort(v);
	}
}

static void prompt_add(struct view *v, uint32_t key)
{
	size_t len = strlen(v->prompt.text);
	char bytes[5] = "";

	if (key < 0x80)
		bytes[0] = (char)key;
	else if (key < 0x800)
		snprintf(bytes, sizeof(bytes), "%c%c", (int)(0xc0 | key >> 6), (int)(0x80 | (key & 0x3f)));
	else if (key < 0x10000)
		snprintf(bytes, sizeof(bytes), "%c%c%c", (int)(0xe0 | key >> 12), (int)(0x80 | (key >> 6 & 0x3f)),
			 (int)(0x80 | (key & 0x3f)));
	if (len + strlen(bytes) < FILTER_SZ)
		memcpy(v->prompt.text + len, bytes, strlen(bytes) + 1);
}

static void prompt_remove(struct view *v)
{
	size_t len = strlen(v->prompt.text);

	while (len && ((unsigned char)v->prompt.text[len - 1] & 0xc0) == 0x80)
		len--;
	v->prompt.text[len ? len - 1 : 0] = 0;
}

static void prompt_done(struct view *v)
{
	if (v->prompt.kind == PROMPT_FILTER && *v->filter.unknown)
		view_say(v, "unknown key %s: " FILTER_KEYS, v->filter.unknown);
	v->prompt.kind = PROMPT_NONE;
}

static void prompt_key(struct view *v, uint32_t key)
{
	if (key == '\r' || key == KEYS_F1 + 2 || key == KEYS_F1 + 3) {
		prompt_done(v);
		return;
	}
	if (key == KEYS_ESC || key == 3) {
		prompt_apply(v, v->prompt.before);
		v->prompt.kind = PROMPT_NONE;
		return;
	}
	if (key == KEYS_BACKSPACE)
		prompt_remove(v);
	else if (key == 0x15) /* Ctrl-U */
		v->prompt.text[0] = 0;
	else if (key >= ' ' && key < KEYS_FIRST)
		prompt_add(v, key);
	else
		return;
	prompt_apply(v, v->prompt.text);
}

static void toggle_page(struct view *v, enum page_id page)
{
	page_open(v, v->page == page ? v->back : page);
}

static void other_key(struct view *v, uint32_t key)
{
	switch (key) {
	case '?':
	case KEYS_F1:
		toggle_page(v, PAGE_HELP);
		break;
	case 'i':
		toggle_page(v, PAGE_SIGNALS);
		break;
	case 'l':
		toggle_page(v, PAGE_REFUSED);
		break;
	case KEYS_ESC:
		page_open(v, v->page > PAGE_CONTAINER ? v->back : PAGE_MAIN);
		break;
	case 0x0c: /* Ctrl-L */
		screen_restart(v->screen);
		break;
	case 's':
		if (!too_small(v)) /* nobody could read what it costs */
			question_open(v);
		break;
	case 'R':
		record(v);
		break;
	case 'y':
		copy_verdict(v);
		break;
	case 'w':
		next_window(v);
		break;
	default:
		break;
	}
}

static void on_key(struct view *v, uint32_t key)
{
	v->key_ns = clock_mono_ns();
	v->message_until_ns = 0;
	if (v->question.kind != QUESTION_NONE) {
		question_key(v, too_small(v) ? KEYS_ESC : key);
		return;
	}
	if (v->prompt.kind != PROMPT_NONE) {
		prompt_key(v, key);
		return;
	}
	if (pages[v->page]->key && pages[v->page]->key(v, key))
		return;
	switch (key) {
	case 'q':
	case 3: /* Ctrl-C where it is no signal */
	case KEYS_F1 + 9:
		if (v->cfg.ops.quit)
			v->cfg.ops.quit(v->cfg.ops.arg);
		break;
	case ' ':
		toggle_pause(v);
		break;
	case '[':
	case ']':
		travel(v, key == '[' ? 1 : -1);
		break;
	case '0':
		go_live(v);
		break;
	case '/':
	case KEYS_F1 + 3:
		prompt_open(v, PROMPT_FILTER);
		break;
	case KEYS_F1 + 2:
		prompt_open(v, PROMPT_FIND);
		break;
	default:
		other_key(v, key);
	}
}

/* ---- life cycle ---------------------------------------------------------------------------------------- */

int view_open(const struct view_cfg *cfg, struct view **ret, char *why)
{
	struct view *v = calloc(1, sizeof(*v));
	int err = v ? 0 : -ENOMEM;

	if (!err) {
		v->cfg = *cfg;
		v->sort = cfg->sort;
		v->reverse = cfg->reverse;
		v->window_ns = cfg->window_ns;
		snapshot_init(&v->s);
		setlocale(LC_CTYPE, "");
		v->cfg.ascii = cfg->ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
		v->detail = calloc(1, sizeof(*v->detail));
		err = v->detail ? messages_new(&v->messages) : -ENOMEM;
	}
	if (!err)
		err = screen_open(cfg->color, &v->screen, why);
	if (!err)
		err = draw(v);
	if (!err) {
		*ret = v;
		return 0;
	}
	if (err == -ENOMEM)
		err_why(why, err, "no memory for the view");
	view_close(v, NULL);
	return err;
}

struct view *view_close(struct view *v, char **ret_text)
{
	if (ret_text)
		*ret_text = NULL;
	if (!v)
		return NULL;
	screen_close(v->screen);
	messages_free(v->messages);
	if (ret_text && v->copied.len)
		*ret_text = strdup(str_get(&v->copied));
	str_deinit(&v->copied);
	snapshot_deinit(&v->s);
	rows_deinit(&v->rows);
	canvas_deinit(&v->canvas);
	free(v->detail);
	free(v);
	return NULL;
}

int view_show(struct view *v, const struct snapshot *s)
{
	struct snapshot copy;

	v->newest_ns = s->time_mono_ns;
	if (v->when == WHEN_LIVE || !v->have) {
		if (copy_snapshot(&copy, s))
			view_say(v, "no memory for new numbers");
		else
			take_snapshot_consume(v, &copy);
	}
	return draw(v);
}

int view_input(struct view *v)
{
	char bytes[KEYS_BUFFER / 2];
	uint32_t key;
	int n = 0;

	for (int i = 0; i < READS_MAX; i++) {
		n = screen_read(v->screen, bytes, sizeof(bytes));
		if (n <= 0)
			break;
		keys_feed(&v->keys, bytes, (size_t)n);
		while (keys_next(&v->keys, &key))
			on_key(v, key);
		v->esc_since_ns = v->keys.len ? clock_mono_ns() : 0;
	}
	return n < 0 ? n : draw(v);
}

int view_resized(struct view *v)
{
	screen_restart(v->screen);
	return draw(v);
}

/* True if the strip of an open container moves with the time. */
static bool moves(const struct view *v)
{
	return v->page == PAGE_CONTAINER && v->tab == TAB_OVERVIEW && v->when == WHEN_LIVE && !v->cfg.replay &&
	       !v->strip.on;
}

int view_tick(struct view *v)
{
	uint64_t now = clock_mono_ns();
	char line[VIEW_MESSAGE_SZ];

	if (v->esc_since_ns && now - v->esc_since_ns >= ESC_NS) {
		v->esc_since_ns = 0;
		if (keys_flush(&v->keys)) {
			on_key(v, KEYS_ESC);
			v->dirty = true;
		}
	}
	if (messages_next(v->messages, line, sizeof(line)))
		view_say(v, "%s", line);
	if (v->message_until_ns && now >= v->message_until_ns) {
		v->message_until_ns = 0;
		v->dirty = true;
	}
	if (screen_came_back(v->screen)) {
		screen_restart(v->screen);
		v->dirty = true;
	}
	return v->dirty || moves(v) ? draw(v) : 0;
}

void view_end_of_recording(struct view *v)
{
	v->ended = true;
	v->dirty = true;
}
