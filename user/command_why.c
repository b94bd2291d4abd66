/* SPDX-License-Identifier: BSD-2-Clause */
/* why TARGET: watches one container for one window, then says what is wrong. */
#include <errno.h>
#include <stdio.h>

#include "base/hashmap.h"
#include "base/log.h"
#include "commands.h"
#include "diagnose/verdicts.h"
#include "export/jsonl.h"
#include "report.h"
#include "target.h"

#define NAMES_MAX 5 /* of an ambiguous TARGET's matches that are named */

struct why {
	const struct options *opts;
	struct session *session;
	struct report *report;
	struct verdicts *verdicts;
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

static void on_window(void *arg)
{
	struct why *w = arg;
	struct snapshot s;
	int err = report_take(w->report, w->opts->window_ns, &s);

	if (!err) {
		verdicts_apply(w->verdicts, &s);
		for (int i = 0; !err && i < s.container_cnt; i++)
			err = print(w, &s, &s.containers[i]);
		snapshot_deinit(&s);
	}
	if (err)
		w->code = output_failed(err);
	loop_stop(w->session->loop, 0);
}

/* Several containers where one was meant: names them. */
static int ambiguous(const struct why *w, size_t cnt)
{
	char text[300], name[OWNER_NAME_SZ * 3];
	struct str names;
	struct owner *o;
	size_t pos = 0, shown = 0;

	str_init(&names);
	while ((o = owner_index_next(w->session->owners, &pos)) && shown < NAMES_MAX) {
		if (!session_container(w->session, o))
			continue;
		owner_format(o, name, sizeof(name));
		str_addf(&names, "%s%s", shown++ ? ", " : "", name);
	}
	log_error("%s matches %zu containers: %s%s; name one", target_text(w->opts, text, sizeof(text)), cnt,
		  str_get(&names), cnt > shown ? ", ..." : "");
	str_deinit(&names);
	return EXIT_USAGE;
}

static int run(struct why *w)
{
	size_t cnt = hashmap_cnt(w->session->containers);

	if (!cnt)
		return output_nothing(w->session, w->opts);
	if (cnt > 1 && !target_is_glob(w->opts))
		return ambiguous(w, cnt);
	if (loop_add_timer(w->session->loop, w->opts->window_ns, 0, on_window, w) < 0)
		return EXIT_FAILED;
	return session_run(w->session) < 0 ? EXIT_FAILED : w->code;
}

int command_why(const struct options *opts)
{
	struct session_cfg cfg = {.opts = opts, .want_stats = true};
	struct why w = {.opts = opts};
	char why[WHY_SZ] = "";
	int code = EXIT_FAILED, err = session_open(&cfg, &w.session, why);

	if (err)
		return output_open_failed(err, why);
	if (!report_new(w.session, &w.report) && !verdicts_new(1, &w.verdicts))
		code = run(&w);
	verdicts_free(w.verdicts);
	report_free(w.report);
	session_close(w.session);
	return code;
}
