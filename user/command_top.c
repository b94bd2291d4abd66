/* SPDX-License-Identifier: BSD-2-Clause */
/* top: the live view on a terminal; to a pipe one block or one JSON line an interval; --once waits one full window and
 * prints one. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "commands.h"
#include "events/recorder.h"
#include "flight.h"
#include "monitor.h"
#include "presenter.h"
#include "session.h"

#define HOLD_LIVE     3                /* evaluations that a condition must hold before it is shown */
#define HISTORY_BYTES (32u << 20)      /* 15 minutes of 300 containers */
#define SCHED_FULL_NS (2 * NS_PER_SEC) /* a window of key s that the budget does not cut short */
#define FLIGHT_BYTES  (4u << 20)       /* some minutes of a small node, for key R */

struct top {
	const struct options *opts;
	struct loop *loop;
	struct monitor *monitor;
	struct session *session;
	struct presenter *presenter;
	struct record_ring *flight; /* NULL without a live view */
	uint64_t window_ns;
	int code;
};

static void on_record(const struct record *r, void *arg)
{
	struct top *t = arg;

	if (t->flight)
		record_ring_put(t->flight, r);
	monitor_feed(t->monitor, r);
}

static void on_snapshot(struct snapshot *s, void *arg)
{
	struct top *t = arg;
	int err = t->presenter ? presenter_show(t->presenter, s) : 0;

	if (err)
		t->code = output_failed(err);
	if (err || t->opts->once)
		loop_stop(t->loop, 0);
}

static void on_interval(void *arg)
{
	struct top *t = arg;

	session_tick(t->session, t->window_ns);
}

static void on_end(void *arg)
{
	struct top *t = arg;

	loop_stop(t->loop, 0);
}

/* ---- what the view asks for ---------------------------------------------------------------------------- */

static bool on_detail(uint32_t id, uint64_t from_ns, uint64_t to_ns, struct detail *ret, void *arg)
{
	struct top *t = arg;

	return model_detail(monitor_model(t->monitor), id, from_ns, to_ns, ret);
}

static void on_window(uint64_t window_ns, void *arg)
{
	struct top *t = arg;

	t->window_ns = window_ns;
}

static void on_opened(uint32_t id, void *arg)
{
	struct top *t = arg;

	session_poll(t->session, id);
}

static void on_flight(char *say, size_t sz, void *arg)
{
	struct top *t = arg;

	flight_write(t->flight, monitor_model(t->monitor), say, sz);
}

/* "goroutine window: about 1.1 % of its CPU for 2 s" */
static bool on_sched_ask(uint32_t id, bool *force, char *say, size_t sz, void *arg)
{
	struct top *t = arg;
	char why[WHY_SZ] = "", length[80], cost[56] = "an unknown part of its CPU (it hardly runs)";
	struct sched_offer o;
	int err = session_sched_ask(t->session, id, &o, why);

	*force = false;
	if (err) {
		snprintf(say, sz, "no goroutine window: %s", why);
		return false;
	}
	*force = o.at_quota && !t->opts->at_quota;
	if (o.ns < SCHED_FULL_NS)
		snprintf(length, sizeof(length), ", for %.2g s: the budget of %.3g %% allows no more",
			 (double)o.ns / NS_PER_SEC, t->opts->max_overhead * 100);
	else
		snprintf(length, sizeof(length), " for %.0f s", (double)o.ns / NS_PER_SEC);
	if (!isnan(o.ratio))
		snprintf(cost, sizeof(cost), o.ratio < 0.99 ? "about %.2g %% of its CPU" : "about %.0f %% of its CPU",
			 o.ratio * 100);
	if (*force)
		snprintf(say, sz, "goroutine window: its CPU limit holds it now, a window would make that worse (%s%s)",
			 cost, length);
	else
		snprintf(say, sz, "goroutine window: %s%s", cost, length);
	return true;
}

static void on_sched_arm(uint32_t id, bool force, char *say, size_t sz, void *arg)
{
	struct top *t = arg;
	char why[WHY_SZ] = "";
	int err = session_sched_arm(t->session, id, force, why);

	snprintf(say, sz, "%s%s", err ? "no goroutine window: " : "goroutine window: open", err ? why : "");
}

/* ---- the run ------------------------------------------------------------------------------------------- */

static int open_presenter(struct top *t)
{
	struct presenter_cfg cfg = {
		.opts = t->opts,
		.loop = t->loop,
		.history = monitor_history(t->monitor),
		.ops = {.detail = on_detail,
			.window = on_window,
			.opened = on_opened,
			.record = on_flight,
			.sched_ask = on_sched_ask,
			.sched_arm = on_sched_arm,
			.arg = t},
	};

	return presenter_open(&cfg, &t->presenter);
}

static int open_monitor(struct top *t)
{
	bool live = presenter_is_live(t->opts);
	struct monitor_cfg cfg = {
		.hold = t->opts->once ? 1 : HOLD_LIVE,
		.history_bytes = live ? HISTORY_BYTES : 0,
		.snapshot = on_snapshot,
		.arg = t,
	};
	int err = live ? record_ring_new(FLIGHT_BYTES, &t->flight) : 0;

	return err ? err : monitor_new(&cfg, &t->monitor);
}

static int run(struct top *t)
{
	uint64_t first = t->opts->once ? t->opts->window_ns : t->opts->interval_ns;
	int id, err = open_presenter(t);

	if (err)
		return EXIT_FAILED;
	id = loop_add_timer(t->loop, first, t->opts->interval_ns, on_interval, t);
	if (id >= 0 && t->opts->duration_ns)
		id = loop_add_timer(t->loop, t->opts->duration_ns, 0, on_end, t);
	if (id < 0)
		return EXIT_FAILED;
	if (!t->opts->once && presenter_is_live(t->opts))
		session_tick(t->session, t->window_ns); /* a screen at once, of what is known */
	return loop_run(t->loop) < 0 ? EXIT_FAILED : t->code;
}

int command_top(const struct options *opts)
{
	struct top t = {.opts = opts, .window_ns = opts->window_ns};
	struct session_cfg cfg = {.opts = opts, .want_values = true, .feed = on_record, .arg = &t};
	char why[WHY_SZ] = "";
	int code = EXIT_FAILED, err = output_open_loop(&t.loop);

	if (!err)
		err = open_monitor(&t);
	cfg.loop = t.loop;
	if (err)
		log_error("cannot start: %s", strerror(-err));
	else if ((err = session_open(&cfg, &t.session, why)))
		code = output_open_failed(err, why);
	else if (!session_watched_cnt(t.session) && opts->once)
		code = output_nothing(t.session, opts);
	else
		code = run(&t);
	presenter_close(t.presenter);
	session_close(t.session);
	monitor_free(t.monitor);
	record_ring_free(t.flight);
	loop_free(t.loop);
	return code;
}
