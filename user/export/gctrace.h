/* SPDX-License-Identifier: BSD-2-Clause */
/* What GODEBUG=gctrace=1 and schedtrace=N would have printed, from the runtime's own numbers. Every digit as the
 * runtime of that version writes it; what is not known is a `?`, null in JSON. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "procs/process.h"
#include "runtime/sample.h"

struct jw;

#define GCTRACE_LINE_SZ 400

/* init_ns: CLOCK_MONOTONIC of the program's start (runtimeInitTime), 0 unknown. No newline. One word of Go 1.26+ is
 * missing:
 * "(checking for goroutine leaks)" behind the percentage, as the runtime forgets it before the numbers are final. */
void gctrace_line(const struct runtime_cycle *c, uint64_t init_ns, char buf[static GCTRACE_LINE_SZ]);
/* Fields of an open object; c may be NULL: all null. */
void gctrace_fields(struct jw *w, const struct runtime_cycle *c);
/* A line of schema gopherscope.gctrace/1 without newline on the heap (the caller's), NULL when out of memory. */
char *gctrace_json(const struct process *p, const struct runtime_cycle *c, uint64_t init_ns);

/* The line of schedtrace (not of scheddetail), of d and its sample's time, as Go 1.go_minor words it. No newline. */
void gctrace_sched_line(const struct runtime_detail *d, int go_minor, struct str *out);
/* Schema gopherscope.schedtrace/1, as gctrace_json(). */
char *gctrace_sched_json(const struct process *p, const struct runtime_detail *d);
