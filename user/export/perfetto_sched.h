/* SPDX-License-Identifier: BSD-2-Clause */
/* Goroutine windows in a Perfetto trace, in the group of their process:
 *
 *   goroutine windows              when one was open
 *   goroutine scheduler: Ps        P 0, P 1, ...: which goroutine ran; what a window lost
 *   goroutines                     one track each: runnable, running on a P, parked
 *
 * An arrow goes from who woke a goroutine (or created it) to where that one ran. */
#pragma once

#include "export/perfetto_tracks.h"

struct perfetto_sched;

#define PERFETTO_SCHED_GOROUTINES 20000 /* tracks of a file; the spans of others are on Ps, and counted */
#define PERFETTO_SCHED_BENT_NS    10000 /* stamps of one P, taken on two CPUs, may overlap by so much */

int perfetto_sched_new(struct pftrace *t, struct perfetto_tracks *tracks, struct perfetto_sched **ret);
struct perfetto_sched *perfetto_sched_free(struct perfetto_sched *x);

/* TRACE_SCHED_WAIT, _RUN, _PARK, in the order of their ends. 0 or -ENOMEM. */
int perfetto_sched_span(struct perfetto_sched *x, const struct trace_event *e);
/* TRACE_SCHED_WINDOW. details: fields of its event but for the name. */
int perfetto_sched_window(struct perfetto_sched *x, const struct trace_event *e, const void *details, size_t sz);
/* Before any other event: what was kept of the last span's process and owner may be gone. */
void perfetto_sched_forget(struct perfetto_sched *x);
/* The process is gone: writes what still waits, and forgets it. */
void perfetto_sched_gone(struct perfetto_sched *x, uint64_t process);
void perfetto_sched_flush(struct perfetto_sched *x); /* the end: writes all that waits */
