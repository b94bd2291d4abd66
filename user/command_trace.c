/* SPDX-License-Identifier: BSD-2-Clause */
/* trace: everything that happens, to files of any format. --toggle is for the overhead benchmark: probes come and go at
 * SIGUSR1 and SIGUSR2. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "commands.h"
#include "monitor.h"
#include "outputs.h"
#include "session.h"

#define DURATION_DEFAULT_NS (10 * NS_PER_SEC)
#define TICK_NS             NS_PER_SEC
#define HOLD                3 /* evaluations that a condition must hold before it is a verdict */

struct trace {
	const struct options *opts;
	struct loop *loop;
	struct monitor *monitor;
	struct session *session;
	struct outputs *outputs;
};

static void stop_on_error(struct trace *t)
{
	if (outputs_error(t->outputs))
		loop_stop(t->loop, 0);
}

static void on_record(const struct record *r, void *arg)
{
	struct trace *t = arg;

	outputs_record(t->outputs, r);
	monitor_feed(t->monitor, r);
}

static void on_trace(const struct trace_event *e, void *arg)
{
	struct trace *t = arg;

	outputs_event(t->outputs, e);
	stop_on_error(t);
}

static void on_drained(void *arg)
{
	struct trace *t = arg;

	outputs_flush(t->outputs);
	stop_on_error(t);
}

static void on_tick(void *arg)
{
	struct trace *t = arg;

	session_tick(t->session, t->opts->window_ns);
}

static void on_end(void *arg)
{
	struct trace *t = arg;

	loop_stop(t->loop, 0);
}

static void on_toggle(int signo, void *arg)
{
	struct trace *t = arg;
	char why[WHY_SZ] = "";

	if (signo == SIGUSR2) {
		session_detach(t->session);
		puts("off");
	} else if (t->session->probes || !session_attach(t->session, why)) { /* asked twice: they are on */
		puts("on");
	} else {
		printf("failed %s\n", why);
	}
	fflush(stdout);
}

static int add_handlers(struct trace *t)
{
	uint64_t duration = t->opts->duration_ns ? t->opts->duration_ns : DURATION_DEFAULT_NS;
	int err = loop_add_timer(t->loop, TICK_NS, TICK_NS, on_tick, t);

	if (err < 0)
		return err;
	if (t->opts->toggle) {
		err = loop_add_signal(t->loop, SIGUSR1, on_toggle, t);
		return err ? err : loop_add_signal(t->loop, SIGUSR2, on_toggle, t);
	}
	err = loop_add_timer(t->loop, duration, 0, on_end, t);
	return err < 0 ? err : 0;
}

static int run(struct trace *t)
{
	int err = add_handlers(t);

	if (!err && t->opts->toggle) {
		puts("ready");
		fflush(stdout);
	}
	log_debug("recording %d Go processes", session_watched_cnt(t->session));
	if (!err)
		err = loop_run(t->loop);
	session_sched_say_none(t->session);
	session_sched_stop(t->session); /* the ends of its windows belong to the recording */
	session_tick(t->session, t->opts->window_ns);
	return err < 0 ? EXIT_FAILED : EXIT_GOOD;
}

/* Files get their names, or nothing stays where there was nothing to record. */
static int finish(struct trace *t, int code)
{
	uint64_t lost = monitor_end(t->monitor);
	bool nothing = code == EXIT_GOOD && !session_watched_cnt(t->session) && !outputs_event_cnt(t->outputs);
	int err;

	if (nothing)
		code = output_nothing(t->session, t->opts);
	err = outputs_close(t->outputs, !nothing && code == EXIT_GOOD, lost, monitor_verdict_cnt(t->monitor));
	return err ? EXIT_FAILED : code;
}

int command_trace(const struct options *opts)
{
	struct trace t = {.opts = opts};
	struct monitor_cfg monitor = {.hold = HOLD, .trace = on_trace, .arg = &t};
	struct session_cfg cfg = {.opts = opts,
				  .feed = on_record,
				  .drained = on_drained,
				  .arg = &t,
				  .want_values = true,
				  .all_events = true,
				  .start_detached = opts->toggle};
	char why[WHY_SZ] = "";
	int code = EXIT_FAILED, err = output_open_loop(&t.loop); /* Ctrl-C waits from here on: no half-written file */

	if (!err)
		err = monitor_new(&monitor, &t.monitor);
	if (err)
		log_error("cannot start: %s", strerror(-err));
	else
		err = outputs_open(opts, &t.outputs);
	if (err == -EINVAL)
		code = EXIT_USAGE;
	cfg.loop = t.loop;
	if (!err && (err = session_open(&cfg, &t.session, why))) {
		code = output_open_failed(err, why);
		outputs_close(t.outputs, false, 0, 0);
	} else if (!err) {
		code = finish(&t, run(&t));
	}
	session_close(t.session);
	outputs_free(t.outputs);
	monitor_free(t.monitor);
	loop_free(t.loop);
	return code;
}
