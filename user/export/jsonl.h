/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON: snapshots, processes and events, one object a line (schemas in the design document, section 6; every field in
 * docs/json.md). The exporter of events is jsonl_exporter (export/exporter.h). */
#pragma once

#include "pods/owner.h"
#include "stats/snapshot.h"
#include "stats/trace_event.h"

struct process;
struct jw;

/* Each returns a line without newline on the heap (the caller's), or NULL when out of memory. */
char *jsonl_snapshot(const struct snapshot *s);
char *jsonl_process(const struct process *p, const struct owner *o);
/* Verdicts of one container with the container itself, for `why --json`: the snapshot with that container only. */
char *jsonl_why(const struct snapshot *s, const struct snapshot_container *c);
/* Schema gopherscope.event/1. NULL also for what is no kind of the contract (counters): see jsonl_event_has(). */
char *jsonl_event(const struct trace_event *e);
bool jsonl_event_has(enum trace_kind k);

/* Parts, for the files of this module. The object of one event; owner: its owner's object as JSON text. */
void jsonl_event_add(struct jw *w, const struct trace_event *e, const char *owner);
/* Into an open object: what no other format tells by time, track or owner. */
void jsonl_event_fields(struct jw *w, const struct trace_event *e);
void jsonl_owner(struct jw *w, const char *key, const struct owner *o); /* o may be NULL: all null */
void jsonl_verdict(struct jw *w, const struct verdict *v);              /* fields of an open object */
