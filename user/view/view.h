/* SPDX-License-Identifier: BSD-2-Clause */
/* The live view: main screen, container screen and its pages, in ncurses. Gets snapshots, asks for nothing but what
 * view_ops offers, so that a recording shows the same as a live run. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "stats/detail.h"
#include "stats/history.h"
#include "stats/snapshot.h"
#include "view/order.h"

struct view;

struct view_ops {
	/* What happened in a container in [from, to]; false: it is gone. */
	bool (*detail)(uint32_t container_id, uint64_t from_ns, uint64_t to_ns, struct detail *ret, void *arg);
	/* Key w: the window of the snapshots to come. */
	void (*window)(uint64_t window_ns, void *arg);
	/* Key R: writes the last seconds to a file; say: what to tell the person (file or error). NULL: not possible
	 * here. */
	void (*record)(char *say, size_t sz, void *arg);
	/* Key s. ask: what a window of go_sched on the container would cost ("about 1.1 % of its CPU for 2 s"), or why
	 * there can be none; true: it may be opened. force: its CPU limit holds it, which is asked a second time. arm
	 * opens it; say: what to tell the person. NULL: not possible here. */
	bool (*sched_ask)(uint32_t container_id, bool *force, char *say, size_t sz, void *arg);
	void (*sched_arm)(uint32_t container_id, bool force, char *say, size_t sz, void *arg);
	/* The container whose screen is open, 0: none. Polls its CPU time. */
	void (*opened)(uint32_t container_id, void *arg);
	void (*quit)(void *arg);
	void *arg;
};

struct view_cfg {
	struct view_ops ops;
	const struct history *history; /* borrowed; already holds what was shown with view_show() */
	bool color, ascii;
	bool replay; /* the data comes from a recording: says so, and at its end */
	enum sort_key sort;
	bool reverse;
	uint64_t window_ns, interval_ns;
};

/* Takes the terminal (stdin, stdout). 0; -ENOTTY, or -errno with why (TERM unknown, too small is no error). From here
 * on the terminal is restored however the process ends, by view_close() or by a fatal signal. Messages of log_* go to
 * the panel. */
int view_open(const struct view_cfg *cfg, struct view **ret, char *why);
/* Gives the terminal back. *ret_text: what is to be printed afterwards (key y), the caller frees it; NULL nothing. */
struct view *view_close(struct view *v, char **ret_text);

/* A new snapshot (after verdicts_apply(), in order of WHY), copied as far as needed: the screen is redrawn unless
 * paused or in the past. 0, or -EIO when the terminal is gone. */
int view_show(struct view *v, const struct snapshot *s);
/* stdin is readable: handles the keys there and redraws. 0, or -EIO when the terminal is gone. */
int view_input(struct view *v);
/* Terminal's size changed (SIGWINCH), or it came back (SIGCONT). */
int view_resized(struct view *v);
/* About ten times a second: ends of messages, a lone Esc, the strip of an open container. Draws only what changed. */
int view_tick(struct view *v);
void view_end_of_recording(struct view *v);
