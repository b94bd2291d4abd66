/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON: the goroutines of one process (schema gopherscope.goroutines/1, docs/goroutines.md). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pods/owner.h"
#include "procs/process.h"
#include "runtime/census.h"

/* One look at a process, or what has changed since another one; everything is borrowed. */
struct goroutines_look {
	const struct process *process;
	const struct owner *owner; /* NULL unknown */
	const struct census *census;
	struct code_lines *lines;
	uint64_t time_unix_ns;
	const double *per_minute; /* growth of each group since the first look, NAN unknown; NULL: there was one look */
	double growth_seconds;    /* between the two */
	const char *const *marks; /* of each group: "", "leak?", "blocked", "leaked" */
	bool system;              /* the runtime's own goroutines as well */
	bool stacks;
};

/* Goroutines that there are, by what was seen: a sample is scaled up. */
int64_t goroutines_scaled(const struct census *c, uint64_t cnt);
/* A line without newline on the heap (the caller's), NULL when out of memory. */
char *goroutines_json(const struct goroutines_look *l);
