/* SPDX-License-Identifier: BSD-2-Clause */
/* What goroutine windows (go_sched) showed of a container, in words and tables: for page 4, the table of causes, the
 * pane and plain text. Texts are cut to their buffer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "stats/snapshot.h"
#include "view/pen.h"

#define SCHED_WINDOW_TEXT_SZ 640

/* A window has been there, or one is open. */
bool sched_window_known(const struct snapshot_sched_window *w);
/* "p99 88.1 ms of 1.2k waits", with `~` where events were lost; "" where no window has seen a wait. Returns buf. */
char *sched_window_brief(const struct snapshot_sched_window *w, char *buf, size_t sz);
/* All of it in one sentence, losses said; "" where no window is known. Returns buf. */
char *sched_window_sentence(const struct snapshot_sched *s, char *buf, size_t sz);
/* A line of waits for a P by its source, the form of both. */
void sched_window_waits(struct pen *p, const char *source, const struct dist *d, const char *mark, const char *note);
/* Its waits for a P, the form of sched_window_waits(); nothing where none were seen. */
void sched_window_exact(struct pen *p, const struct snapshot_sched_window *w);
/* The part of page 4, its rule included; at most `rows` lines a table. possible: key s works here. */
void sched_window_part(struct pen *p, const struct snapshot_container *c, double window_seconds, int rows,
		       bool possible);
