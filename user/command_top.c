/* SPDX-License-Identifier: BSD-2-Clause */
/* top: one block or one JSON line an interval; --once waits one full window and prints one. */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "commands.h"
#include "diagnose/verdicts.h"
#include "export/jsonl.h"
#include "report.h"

#define HOLD_LIVE    3 /* evaluations that a condition must hold before it is shown */
#define CLEAR_SCREEN "\033[H\033[2J"

struct top {
	const struct options *opts;
	struct session *session;
	struct report *report;
	struct verdicts *verdicts;
	struct plain_style style;
	bool clear; /* a terminal: redraw in place */
	int code;
};

static int print_text(struct top *t, const struct snapshot *s)
{
	struct str out;
	int err;

	output_style(t->opts, &t->style); /* a terminal may have changed its size */
	if (!t->clear)
		t->style.height = 0;
	str_init(&out);
	if (t->clear)
		str_add(&out, CLEAR_SCREEN);
	plain_top(s, &t->style, t->opts->all, &out);
	if (!t->clear && !t->opts->once)
		str_add(&out, "\n");
	err = out.failed ? -ENOMEM : output_text(str_get(&out));
	str_deinit(&out);
	return err;
}

static void on_interval(void *arg)
{
	struct top *t = arg;
	struct snapshot s;
	int err = report_take(t->report, t->opts->window_ns, &s);

	if (!err) {
		verdicts_apply(t->verdicts, &s);
		report_sort(&s, t->opts->sort, t->opts->reverse);
		err = t->opts->json ? output_line_consume(jsonl_snapshot(&s)) : print_text(t, &s);
		snapshot_deinit(&s);
	}
	if (err)
		t->code = output_failed(err);
	if (err || t->opts->once)
		loop_stop(t->session->loop, 0);
}

static void on_end(void *arg)
{
	struct top *t = arg;

	loop_stop(t->session->loop, 0);
}

static int run(struct top *t)
{
	uint64_t first = t->opts->once ? t->opts->window_ns : t->opts->interval_ns;
	int id = loop_add_timer(t->session->loop, first, t->opts->interval_ns, on_interval, t);

	if (id >= 0 && t->opts->duration_ns)
		id = loop_add_timer(t->session->loop, t->opts->duration_ns, 0, on_end, t);
	if (id < 0)
		return EXIT_FAILED;
	return session_run(t->session) < 0 ? EXIT_FAILED : t->code;
}

int command_top(const struct options *opts)
{
	struct session_cfg cfg = {.opts = opts, .want_stats = true};
	struct top t = {.opts = opts};
	char why[WHY_SZ] = "";
	int code = EXIT_FAILED, err = session_open(&cfg, &t.session, why);

	if (err)
		return output_open_failed(err, why);
	t.clear = isatty(STDOUT_FILENO) && !opts->once && !opts->json;
	if (!session_watched_cnt(t.session) && opts->once)
		code = output_nothing(t.session, opts);
	else if (!report_new(t.session, &t.report) && !verdicts_new(opts->once ? 1 : HOLD_LIVE, &t.verdicts))
		code = run(&t);
	verdicts_free(t.verdicts);
	report_free(t.report);
	session_close(t.session);
	return code;
}
