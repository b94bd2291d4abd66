/* SPDX-License-Identifier: BSD-2-Clause */
/* The GC track of each process: cycles with their mark phase and pauses inside. A cycle is known after its parts, and a
 * slice must begin before what lies in it, so the parts wait for it. */
#pragma once

#include "export/perfetto_tracks.h"

struct perfetto_gc;

#define PERFETTO_GC_WAIT_NS 30000000000ull /* so long for a cycle, by the times of events */
#define PERFETTO_GC_PARTS   256            /* so many of a process */

/* One slice, its details (pftrace_name() and so on) copied where it waits. */
struct perfetto_slice {
	uint64_t start_ns, end_ns;
	bool mark;
	void *details;
	size_t sz;
};

int perfetto_gc_new(struct pftrace *t, struct perfetto_tracks *tracks, struct perfetto_gc **ret);
struct perfetto_gc *perfetto_gc_free(struct perfetto_gc *x);

/* process: uuid of its group. 0 or -ENOMEM. */
int perfetto_gc_part(struct perfetto_gc *x, uint64_t process, const struct perfetto_slice *s);
/* Writes the cycle with all parts that lie in it, and those that were before it on tracks of their own. */
void perfetto_gc_cycle(struct perfetto_gc *x, uint64_t process, const struct perfetto_slice *s);
/* Writes what has waited for too long at now_ns; UINT64_MAX: everything. */
void perfetto_gc_flush(struct perfetto_gc *x, uint64_t now_ns);
/* The process is gone: writes and forgets all of it. */
void perfetto_gc_gone(struct perfetto_gc *x, uint64_t process);
