/* SPDX-License-Identifier: BSD-2-Clause */
/* The files that a run writes: traces of any format and raw recordings, several at once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "events/record.h"
#include "options.h"
#include "stats/trace_event.h"

struct outputs;

/* Opens what -o names (default: one file named after the time). Messages are logged. 0 or -errno. */
int outputs_open(const struct options *opts, struct outputs **ret);
/* Every record of the run, in order: for recordings, and for what the traces need to know of the session. */
void outputs_record(struct outputs *o, const struct record *r);
void outputs_event(struct outputs *o, const struct trace_event *e);
void outputs_flush(struct outputs *o);
/* First error of writing so far, 0 none: the run should end. */
int outputs_error(const struct outputs *o);
/* Events written, counters not included (to the file with most of them). */
uint64_t outputs_event_cnt(const struct outputs *o);
/* Name of the first file. */
void outputs_name(const struct outputs *o, char *buf, size_t sz);
/* Completes the files and gives them their names; keep false: nothing stays. Logs errors. 0 or the first error. */
int outputs_close(struct outputs *o, bool keep, uint64_t lost, uint64_t verdicts);
struct outputs *outputs_free(struct outputs *o);
