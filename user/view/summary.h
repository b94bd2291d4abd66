/* SPDX-License-Identifier: BSD-2-Clause */
/* What the header lines say of a whole snapshot, as numbers and short texts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "stats/snapshot.h"
#include "view/pen.h"

struct summary_counts {
	int critical, warning, pending, fine, live; /* containers that are not gone */
};

void summary_count(const struct snapshot *s, struct summary_counts *ret);
/* A rule finds a cause in this window, but it has not held for long enough to be shown: nobody may call the row fine.
 */
bool summary_pending(const struct snapshot *s, const struct snapshot_container *c);
/* "signals 3 on, window: cpu_sched 10%, off: cpu_throttle, degraded: go_gc"; narrow: only what is not well, where there
 * is such a thing. Returns how many are off or degraded. */
int summary_signals(struct pen *p, const struct snapshot *s, bool narrow);
/* "0.08%", "?" unknown, "-" without a target; yellow where a target pays more than the budget. */
void summary_worst_cost(struct pen *p, const struct snapshot *s);
/* " 10%" of the time; "" of a signal whose windows open when they are asked for. Returns buf, as all here do. */
char *summary_window_share(const struct snapshot_signal *x, char *buf, size_t sz);
/* "12:31:07", local time; with tenths "12:31:07.1". */
char *summary_clock(uint64_t unix_ns, bool tenths, char *buf, size_t sz);
/* UNIX time of a CLOCK_MONOTONIC stamp of the same machine and boot as the snapshot's. */
uint64_t summary_unix_ns(const struct snapshot *s, uint64_t mono_ns);
/* "" or "s" */
const char *summary_plural(long long n);
/* NULL: the signal works, always or in windows. Else why its numbers are missing. */
const char *summary_signal_off(const struct snapshot *s, enum signal_id id);
