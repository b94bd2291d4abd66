/* SPDX-License-Identifier: BSD-2-Clause */
/* why TARGET: watches one container for one window, then says what is wrong. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "commands.h"
#include "export/jsonl.h"
#include "monitor.h"
#include "session.h"
#include "target.h"

#define NAMES_MAX 5 /* of an ambiguous TARGET's matches that are named */

struct why {
	const struct options *opts;
	struct loop *loop;
	struct monitor *monitor;
	struct session *session;
	int code;
};

static int print(struct why *w, const struct snapshot *s, const struct snapshot_container *c)
{
	struct plain_style style;
	struct str out;
	int err;

	if (w->opts->json)
		return output_line_consume(jsonl_why(s, c));
	output_style(w->opts, &style);
	str_init(&out);
	plain_why(s, c, &style, &out);
	err = out.failed ? -ENOMEM : output_text(str_get(&out));
	str_deinit(&out);
	return err;
}

static void on_record(const struct record *r, void *arg)
{
	monitor_feed(((struct why *)arg)->monitor, r);
}

static void on_snapshot(struct snapshot *s, void *arg)
{
	struct why *w = arg;
	int err = 0;

	for (int i = 0; !err && i < s->container_cnt; i++)
		err = print(w, s, &s->containers[i]);
	if (err)
		w->code = output_failed(err);
	loop_stop(w->loop, 0);
}

static void on_window(void *arg)
{
	struct why *w = arg;

	session_tick(w->session, w->opts->window_ns);
}

/* Several containers where one was meant: names them. */
static int ambiguous(const struct why *w, size_t cnt)
{
	char text[300], name[OWNER_NAME_SZ * 3];
	const struct model_container *c;
	struct str names;
	size_t pos = 0, shown = 0;

	str_init(&names);
	while (shown < NAMES_MAX && (c = model_container_next(monitor_model(w->monitor), &pos))) {
		owner_format(&c->owner, name, sizeof(name));
		str_addf(&names, "%s%s", shown++ ? ", " : "", name);
	}
	log_error("%s matches %zu containers: %s%s; name one", target_text(w->opts, text, sizeof(text)), cnt,
		  str_get(&names), cnt > shown ? ", ..." : "");
	str_deinit(&names);
	return EXIT_USAGE;
}

static int run(struct why *w)
{
	size_t cnt = model_container_cnt(monitor_model(w->monitor));
	int err;

	if (!cnt)
		return output_nothing(w->session, w->opts);
	if (cnt > 1 && !target_is_glob(w->opts))
		return ambiguous(w, cnt);
	if (loop_add_timer(w->loop, w->opts->window_ns, 0, on_window, w) < 0)
		return EXIT_FAILED;
	err = loop_run(w->loop);
	session_sched_say_none(w->session);
	return err < 0 ? EXIT_FAILED : w->code;
}

int command_why(const struct options *opts)
{
	struct why w = {.opts = opts};
	struct monitor_cfg monitor = {.hold = 1, .snapshot = on_snapshot, .arg = &w};
	struct session_cfg cfg = {.opts = opts, .want_values = true, .feed = on_record, .arg = &w};
	char why[WHY_SZ] = "";
	int code = EXIT_FAILED, err = output_open_loop(&w.loop);

	if (!err)
		err = monitor_new(&monitor, &w.monitor);
	cfg.loop = w.loop;
	if (err)
		log_error("cannot start: %s", strerror(-err));
	else if ((err = session_open(&cfg, &w.session, why)))
		code = output_open_failed(err, why);
	else
		code = run(&w);
	session_close(w.session);
	monitor_free(w.monitor);
	loop_free(w.loop);
	return code;
}
