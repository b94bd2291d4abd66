/* SPDX-License-Identifier: BSD-2-Clause */
/* The packets of a Perfetto trace, one after another into a stream: clocks, tracks, slices, instants, counters. What
 * goes on which track is not its business (perfetto_tracks.h). Times are CLOCK_MONOTONIC in ns. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "export/protobuf.h"

/* Embedded. All functions do nothing after the first error. */
struct pftrace {
	FILE *file;    /* borrowed */
	int err;       /* first -errno of writing */
	uint64_t uuid; /* the last one given out */
	bool began;
	struct pb packet;
};

void pftrace_init(struct pftrace *t, FILE *file);
void pftrace_deinit(struct pftrace *t);

/* How CLOCK_MONOTONIC and UNIX time belong together, and that the former is the trace's own clock. */
void pftrace_clocks(struct pftrace *t, uint64_t mono_ns, uint64_t unix_ns);

/* A new track below another (parent 0: at the top); siblings are shown by rank. Returns its uuid. */
uint64_t pftrace_track(struct pftrace *t, uint64_t parent, const char *name, int rank);

enum pftrace_unit { PFTRACE_BYTES, PFTRACE_COUNT, PFTRACE_CPUS };
uint64_t pftrace_counter_track(struct pftrace *t, uint64_t parent, const char *name, int rank, enum pftrace_unit unit);

/* What is in an event apart from its time and track: builds fields of a TrackEvent in p. */
void pftrace_name(struct pb *p, const char *category, const char *name);

/* An arrow: from the event with the id to that with its end, which is later. Ids are unique in the file. */
void pftrace_flow(struct pb *p, uint64_t id, bool ends);

/* On one track, slices must be closed in the reverse order of their opening, and times may not run backwards. */
void pftrace_begin(struct pftrace *t, uint64_t track, uint64_t ns, const void *details, size_t sz);
void pftrace_end(struct pftrace *t, uint64_t track, uint64_t ns);
void pftrace_instant(struct pftrace *t, uint64_t track, uint64_t ns, const void *details, size_t sz);
void pftrace_count(struct pftrace *t, uint64_t track, uint64_t ns, int64_t value);
void pftrace_count_real(struct pftrace *t, uint64_t track, uint64_t ns, double value);
