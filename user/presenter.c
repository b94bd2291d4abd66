/* SPDX-License-Identifier: BSD-2-Clause */
/* Wires the view to the event loop (keys, size, ticks), and prints blocks or JSON lines where there is no terminal. */
#include "presenter.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "commands.h"
#include "export/jsonl.h"

#define VIEW_TICK_NS (100 * NS_PER_MS)

struct presenter {
	struct presenter_cfg cfg;
	struct view *view; /* NULL: text or JSON */
	struct plain_style style;
	bool gone; /* the terminal: nothing can be shown any more */
};

bool presenter_is_live(const struct options *opts)
{
	return !opts->once && !opts->json && !opts->plain && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

static void stop(struct presenter *p)
{
	loop_stop(p->cfg.loop, 0);
}

static void check(struct presenter *p, int err)
{
	if (!err || p->gone)
		return;
	p->gone = true;
	stop(p);
}

static void on_keys(int fd, uint32_t events, void *arg)
{
	struct presenter *p = arg;

	if (events & (EPOLLHUP | EPOLLERR) && !(events & EPOLLIN))
		check(p, -EIO);
	else
		check(p, view_input(p->view));
}

static void on_resize(int signo, void *arg)
{
	struct presenter *p = arg;

	check(p, view_resized(p->view));
}

static void on_view_tick(void *arg)
{
	struct presenter *p = arg;

	check(p, view_tick(p->view));
}

static void on_quit(void *arg)
{
	stop(arg);
}

/* ---- the view ------------------------------------------------------------------------------------------ */

static bool ask_detail(uint32_t id, uint64_t from_ns, uint64_t to_ns, struct detail *ret, void *arg)
{
	const struct view_ops *ops = &((struct presenter *)arg)->cfg.ops;

	return ops->detail && ops->detail(id, from_ns, to_ns, ret, ops->arg);
}

static void ask_window(uint64_t window_ns, void *arg)
{
	const struct view_ops *ops = &((struct presenter *)arg)->cfg.ops;

	if (ops->window)
		ops->window(window_ns, ops->arg);
}

static void ask_record(char *say, size_t sz, void *arg)
{
	const struct view_ops *ops = &((struct presenter *)arg)->cfg.ops;

	ops->record(say, sz, ops->arg);
}

static bool ask_sched(uint32_t id, bool *force, char *say, size_t sz, void *arg)
{
	const struct view_ops *ops = &((struct presenter *)arg)->cfg.ops;

	return ops->sched_ask(id, force, say, sz, ops->arg);
}

static void ask_sched_arm(uint32_t id, bool force, char *say, size_t sz, void *arg)
{
	const struct view_ops *ops = &((struct presenter *)arg)->cfg.ops;

	ops->sched_arm(id, force, say, sz, ops->arg);
}

static void ask_opened(uint32_t id, void *arg)
{
	const struct view_ops *ops = &((struct presenter *)arg)->cfg.ops;

	if (ops->opened)
		ops->opened(id, ops->arg);
}

static int wire_view(struct presenter *p)
{
	struct loop *l = p->cfg.loop;
	int err = loop_add_fd(l, STDIN_FILENO, EPOLLIN, on_keys, p);

	if (!err)
		err = loop_add_signal(l, SIGWINCH, on_resize, p);
	if (!err)
		err = loop_add_signal(l, SIGCONT, on_resize, p);
	if (!err) {
		int id = loop_add_timer(l, VIEW_TICK_NS, VIEW_TICK_NS, on_view_tick, p);

		err = id < 0 ? id : 0;
	}
	return err;
}

static int open_view(struct presenter *p)
{
	const struct options *o = p->cfg.opts;
	struct view_cfg cfg = {
		.ops = {.detail = ask_detail, .window = ask_window, .opened = ask_opened, .quit = on_quit, .arg = p},
		.history = p->cfg.history,
		.color = p->style.color,
		.ascii = p->style.ascii,
		.replay = p->cfg.replay,
		.sort = o->sort,
		.reverse = o->reverse,
		.window_ns = o->window_ns,
		.interval_ns = o->interval_ns,
	};
	char why[WHY_SZ] = "";
	int err;

	if (p->cfg.ops.record)
		cfg.ops.record = ask_record;
	if (p->cfg.ops.sched_ask && p->cfg.ops.sched_arm) {
		cfg.ops.sched_ask = ask_sched;
		cfg.ops.sched_arm = ask_sched_arm;
	}
	err = view_open(&cfg, &p->view, why);
	if (err) {
		log_warn("no live view: %s; plain text instead", why[0] ? why : strerror(-err));
		return 0;
	}
	return wire_view(p);
}

int presenter_open(const struct presenter_cfg *cfg, struct presenter **ret)
{
	struct presenter *p = calloc(1, sizeof(*p));
	int err = 0;

	if (!p)
		return -ENOMEM;
	p->cfg = *cfg;
	output_style(cfg->opts, &p->style);
	if (presenter_is_live(cfg->opts))
		err = open_view(p);
	if (err) {
		presenter_close(p);
		return err;
	}
	*ret = p;
	return 0;
}

struct presenter *presenter_close(struct presenter *p)
{
	char *text = NULL;

	if (!p)
		return NULL;
	if (p->view) {
		view_close(p->view, &text);
		if (text && !p->gone)
			output_text(text);
		free(text);
	}
	free(p);
	return NULL;
}

/* ---- text and JSON ------------------------------------------------------------------------------------- */

static int print_text(struct presenter *p, struct snapshot *s)
{
	const struct options *o = p->cfg.opts;
	struct str out;
	int err;

	output_style(o, &p->style); /* a terminal may have changed its size */
	p->style.height = 0;
	order_apply(s, o->sort, o->reverse);
	str_init(&out);
	plain_top(s, &p->style, o->all, &out);
	if (!o->once)
		str_add(&out, "\n");
	err = out.failed ? -ENOMEM : output_text(str_get(&out));
	str_deinit(&out);
	return err;
}

int presenter_show(struct presenter *p, struct snapshot *s)
{
	if (p->view) {
		check(p, view_show(p->view, s));
		return p->gone ? -EPIPE : 0;
	}
	if (!p->cfg.opts->json)
		return print_text(p, s);
	order_apply(s, p->cfg.opts->sort, p->cfg.opts->reverse);
	return output_line_consume(jsonl_snapshot(s));
}

void presenter_end_of_recording(struct presenter *p)
{
	if (p->view)
		view_end_of_recording(p->view);
}
