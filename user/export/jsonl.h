/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON: snapshots, processes and events, one object a line (schemas in the design document, section 6). */
#pragma once

#include <stdio.h>

#include "event.h"
#include "pods/owner.h"
#include "stats/gc_cycle.h"
#include "stats/snapshot.h"

struct process;
struct json_t;

/* Each returns a line without newline on the heap (the caller's), or NULL when out of memory. */
char *jsonl_snapshot(const struct snapshot *s);
char *jsonl_process(const struct process *p, const struct owner *o);
/* Verdicts of one container with the container itself, for `why --json`: the snapshot with that container only. */
char *jsonl_why(const struct snapshot *s, const struct snapshot_container *c);

/* trace events, schema gopherscope.event/1; o may be NULL (unattributed). time = start. */
char *jsonl_pause(const struct event_gc_pause *e, const struct owner *o);
char *jsonl_cycle(uint32_t pid, const struct gc_cycle_done *d, const struct owner *o);
char *jsonl_mark(uint32_t pid, const struct gc_cycle_done *d, const struct owner *o);
char *jsonl_throttle(const struct event_throttle *e, const struct owner *o);
char *jsonl_throttle_missed(const struct event_throttle_missed *e, const struct owner *o);
char *jsonl_proc(const struct event_proc *e, const struct process *p, const struct owner *o);
/* One line a signal and reason with losses: kind "lost". */
char *jsonl_lost(const char *signal, const char *reason, uint64_t count);
