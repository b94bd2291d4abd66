/* SPDX-License-Identifier: BSD-2-Clause */
/* replay FILE: a raw recording through the same model as a live run: to the view in its own time, to text or JSON at
 * once, or with -o to trace files. Touches nothing of the node. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "commands.h"
#include "events/replay_source.h"
#include "monitor.h"
#include "outputs.h"
#include "presenter.h"

#define HOLD          3
#define HISTORY_BYTES (32u << 20) /* 15 minutes of 300 containers */
#define STEP_NS       (50 * NS_PER_MS)
#define SLICE_NS      (20 * NS_PER_MS) /* reading on end must not keep keys waiting */
#define STEPS         16               /* records between two looks for a signal, 0.1 us each */

struct replay {
	const struct options *opts;
	struct loop *loop;
	struct monitor *monitor;
	struct replay_source *source;
	struct outputs *outputs;     /* NULL unless converting */
	struct presenter *presenter; /* NULL when converting */
	struct snapshot last;        /* --once: of the last tick */
	bool have_last, ended;
	uint64_t start_ns; /* of the session recorded */
	uint64_t began_ns; /* when playing began */
	uint64_t at_ns;    /* time of the last record that carried one */
	uint64_t step_cnt;
	int step_timer, code;
};

static void on_trace(const struct trace_event *e, void *arg)
{
	struct replay *r = arg;

	if (r->outputs)
		outputs_event(r->outputs, e);
}

/* A copy that outlives the tick. */
static void keep(struct replay *r, struct snapshot *s)
{
	if (r->have_last)
		snapshot_deinit(&r->last);
	r->last = *s;
	r->have_last = true;
	snapshot_init(s); /* what it owned is ours */
}

static void on_snapshot(struct snapshot *s, void *arg)
{
	struct replay *r = arg;
	int err;

	if (r->opts->once) {
		keep(r, s);
		return;
	}
	err = r->presenter ? presenter_show(r->presenter, s) : 0;
	if (err)
		r->code = output_failed(err);
	if (err)
		loop_stop(r->loop, 0);
}

/* Time of a record that carries one, else 0. */
static uint64_t time_of(const struct record *rec)
{
	switch (rec->type) {
	case RECORD_TICK:
		return ((const struct record_tick *)rec->body)->time_ns;
	case RECORD_NODE:
		return ((const struct record_node *)rec->body)->time_ns;
	default:
		return 0;
	}
}

/* Says once how the recording ended. */
static void at_end(struct replay *r, int outcome)
{
	const char *path = r->opts->file;

	r->ended = true;
	if (outcome == REPLAY_CUT)
		log_warn("%s is cut off after %llu records: the run that wrote it did not end properly", path,
			 (unsigned long long)replay_source_cnt(r->source));
	else if (outcome == REPLAY_BAD)
		log_warn("%s is damaged after %llu records: what follows is left out", path,
			 (unsigned long long)replay_source_cnt(r->source));
	else if (outcome < 0)
		log_warn("cannot read %s: %s", path, strerror(-outcome));
	if (outcome < 0)
		r->code = EXIT_FAILED;
	if (replay_source_skipped(r->source))
		log_warn("%s holds %llu records of kinds that this version does not know", path,
			 (unsigned long long)replay_source_skipped(r->source));
}

/* Feeds one record, or finds the end. */
static void step(struct replay *r)
{
	struct record rec;
	int got = replay_source_next(r->source, &rec);

	if (got != REPLAY_RECORD) {
		at_end(r, got);
		return;
	}
	if (rec.type == RECORD_SESSION && !r->start_ns)
		r->start_ns = ((const struct record_session *)rec.body)->start_ns;
	if (r->outputs)
		outputs_record(r->outputs, &rec);
	monitor_feed(r->monitor, &rec);
	if (time_of(&rec))
		r->at_ns = time_of(&rec);
}

/* ---- all at once --------------------------------------------------------------------------------------- */

/* The loop takes signals, and reading at once does not go through it: they are blocked and pending. */
static bool interrupted(struct replay *r)
{
	static const int quits[] = {SIGINT, SIGTERM, SIGHUP};
	sigset_t pending;

	if (++r->step_cnt % STEPS || sigpending(&pending))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(quits); i++) {
		if (sigismember(&pending, quits[i]) != 1)
			continue;
		log_warn("interrupted after %llu records", (unsigned long long)replay_source_cnt(r->source));
		r->code = EXIT_FAILED;
		return true;
	}
	return false;
}

static int convert(struct replay *r)
{
	uint64_t lost;
	int err;

	err = outputs_open(r->opts, &r->outputs);
	if (err)
		return err == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	while (!r->ended && !outputs_error(r->outputs) && !interrupted(r))
		step(r);
	lost = monitor_end(r->monitor);
	err = outputs_close(r->outputs, r->code == EXIT_GOOD, lost, monitor_verdict_cnt(r->monitor));
	return err ? EXIT_FAILED : r->code;
}

static int print(struct replay *r)
{
	int err = 0;

	while (!r->ended && r->code == EXIT_GOOD && !interrupted(r))
		step(r);
	if (r->opts->once && r->have_last && r->ended)
		err = presenter_show(r->presenter, &r->last);
	if (r->ended && !monitor_now(r->monitor)) {
		log_error("%s holds no tick: nothing to show", r->opts->file);
		return EXIT_NOTHING;
	}
	return err ? output_failed(err) : r->code;
}

/* ---- in the view --------------------------------------------------------------------------------------- */

/* How far the recording should be by now. */
static uint64_t due(const struct replay *r)
{
	uint64_t passed = clock_mono_ns() - r->began_ns;

	return r->opts->speed > 0 ? r->start_ns + (uint64_t)((double)passed * r->opts->speed) : UINT64_MAX - 1;
}

static void on_step(void *arg)
{
	struct replay *r = arg;
	uint64_t until = clock_mono_ns() + SLICE_NS;

	while (!r->ended && clock_mono_ns() < until && r->at_ns <= due(r))
		step(r);
	if (!r->ended)
		return;
	loop_remove_timer(r->loop, r->step_timer);
	presenter_end_of_recording(r->presenter);
}

static bool on_detail(uint32_t id, uint64_t from_ns, uint64_t to_ns, struct detail *ret, void *arg)
{
	struct replay *r = arg;

	return model_detail(monitor_model(r->monitor), id, from_ns, to_ns, ret);
}

static void on_window(uint64_t window_ns, void *arg)
{
	struct replay *r = arg;

	monitor_set_window(r->monitor, window_ns);
}

static int play(struct replay *r)
{
	r->began_ns = clock_mono_ns();
	r->step_timer = loop_add_timer(r->loop, 1, STEP_NS, on_step, r);
	if (r->step_timer < 0)
		return EXIT_FAILED;
	return loop_run(r->loop) < 0 ? EXIT_FAILED : r->code;
}

static int present(struct replay *r)
{
	struct presenter_cfg cfg = {
		.opts = r->opts,
		.loop = r->loop,
		.history = monitor_history(r->monitor),
		.ops = {.detail = on_detail, .window = on_window, .arg = r},
		.replay = true,
	};

	if (presenter_open(&cfg, &r->presenter))
		return EXIT_FAILED;
	return presenter_is_live(r->opts) ? play(r) : print(r);
}

int command_replay(const struct options *opts)
{
	struct replay r = {.opts = opts};
	struct monitor_cfg cfg = {.hold = HOLD,
				  .history_bytes = presenter_is_live(opts) ? HISTORY_BYTES : 0,
				  .snapshot = opts->output_cnt ? NULL : on_snapshot,
				  .trace = opts->output_cnt || opts->format ? on_trace : NULL,
				  .arg = &r};
	char why[WHY_SZ] = "";
	int code = EXIT_FAILED, err = replay_source_open(opts->file, &r.source, why);

	if (err) {
		log_error("cannot replay %s: %s", opts->file, why);
		return EXIT_FAILED;
	}
	err = output_open_loop(&r.loop);
	if (!err)
		err = monitor_new(&cfg, &r.monitor);
	if (!err && opts->window_given)
		monitor_set_window(r.monitor, opts->window_ns);
	if (err)
		log_error("cannot start: %s", strerror(-err));
	else
		code = opts->output_cnt || opts->format ? convert(&r) : present(&r);
	presenter_close(r.presenter);
	outputs_free(r.outputs);
	if (r.have_last)
		snapshot_deinit(&r.last);
	monitor_free(r.monitor);
	replay_source_close(r.source);
	loop_free(r.loop);
	return code;
}
