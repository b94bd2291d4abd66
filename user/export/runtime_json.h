/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON of what a Go runtime keeps: schema gopherscope.runtime/1 (docs/runtime.md). */
#pragma once

#include "runtime/sample.h"

struct jw;
struct process;
struct owner;

/* One line without newline on the heap (the caller's), NULL when out of memory. d is NULL where nothing could be read:
 * why then says why. */
char *runtime_json(const struct process *p, const struct owner *o, const struct runtime_detail *d, const char *why);

/* One P as an object. */
void runtime_p_add(struct jw *w, const struct runtime_p *p);
/* Words of enum values, also for the text of the command. */
const char *runtime_phase_name(int64_t phase);      /* "off", "mark", "mark termination"; NULL unknown */
const char *runtime_p_status_name(uint32_t status); /* "idle", "running", "syscall", "gcstop", "dead"; NULL unknown */
const char *runtime_cpu_name(enum runtime_cpu c);   /* "gc/mark/assist", ... as runtime/metrics has it */
