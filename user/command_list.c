/* SPDX-License-Identifier: BSD-2-Clause */
/* list: Go processes and what can be observed of each. Attaches nothing: what is said of go_gc follows from the probe
 * sites of the binary, what is said of go_runtime from one read of the process. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "commands.h"
#include "export/jsonl.h"
#include "probes/go_gc.h"
#include "session.h"

#define NAME_MIN 24
#define NAME_MAX 60

/* go_gc could attach if every function that it needs has a site. */
static void judge_gc(struct process *p)
{
	const struct binary *b = p->binary;

	p->go_gc_on = false;
	if (!b || p->state == PROCESS_REFUSED)
		return;
	p->go_gc_on = !go_gc_check_binary(b, p->go_gc_why);
}

static bool shown(const struct options *opts, const struct process *p)
{
	return opts->all || p->watched;
}

static int name_width(const struct session *s)
{
	char name[OWNER_NAME_SZ * 3];
	int width = NAME_MIN;

	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p)) {
		int len;

		if (!p->owner || !shown(s->opts, p))
			continue;
		owner_format(p->owner, name, sizeof(name));
		len = (int)strlen(name);
		if (len > width)
			width = len;
	}
	return width < NAME_MAX ? width : NAME_MAX;
}

static int print_text(const struct session *s)
{
	struct plain_style style;
	int width = name_width(s), err;
	struct str out;

	output_style(s->opts, &style);
	str_init(&out);
	plain_list_header(s->opts->all, width, &out);
	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p))
		if (shown(s->opts, p))
			plain_list_row(p, p->owner, s->opts->all, width, &style, &out);
	err = out.failed ? -ENOMEM : output_text(str_get(&out));
	str_deinit(&out);
	return err;
}

static int print_json(const struct session *s)
{
	int err = 0;

	for (struct process *p = proc_table_next(s->procs, NULL); p && !err; p = proc_table_next(s->procs, p))
		if (shown(s->opts, p))
			err = output_line_consume(jsonl_process(p, p->owner));
	return err;
}

int command_list(const struct options *opts)
{
	struct session_cfg cfg = {.opts = opts, .want_values = true, .start_detached = true};
	struct session *s;
	char why[WHY_SZ] = "";
	int code = EXIT_GOOD, err = session_open(&cfg, &s, why);

	if (err)
		return output_open_failed(err, why);
	output_await_young(s);
	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p))
		judge_gc(p);
	if (!session_watched_cnt(s) && !opts->all) {
		code = output_nothing(s, opts);
	} else {
		err = opts->json ? print_json(s) : print_text(s);
		if (err)
			code = output_failed(err);
		else if (!session_watched_cnt(s))
			code = EXIT_NOTHING;
		if (!output_sees_all() && !opts->all)
			log_warn("CAP_SYS_PTRACE is missing: Go processes with more privileges than ours are not "
				 "shown; list --all names what cannot be read");
	}
	session_close(s);
	return code;
}
