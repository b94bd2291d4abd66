/* SPDX-License-Identifier: BSD-2-Clause */
/* Which track of a Perfetto trace a thing goes on: a group for each container, below it one for each process, below
 * these the tracks. Slices of one track must nest, so what overlaps gets further lanes: `network`, `network 2`, ... */
#pragma once

#include <stdint.h>

#include "export/pftrace.h"
#include "stats/trace_event.h"

struct perfetto_tracks;

/* The order in which they are shown. */
enum track_slot {
	SLOT_CONTAINER, /* groups: made by the functions below */
	SLOT_POD,       /* that of a pod itself, not of one of its containers */
	SLOT_VERDICTS,  /* of a container, or of what has no process */
	SLOT_OOM,
	SLOT_THROTTLED, /* index: CPU */
	SLOT_THROTTLE_MISSED,
	SLOT_CPU,
	SLOT_WORKING_SET,
	SLOT_MEMORY_LIMIT,
	SLOT_LIFE, /* of a process */
	SLOT_GC,
	SLOT_GC_MARK,
	SLOT_PAUSES,
	SLOT_ASSISTS,
	SLOT_RUNQ, /* index: thread */
	SLOT_SCHED_WINDOWS,
	SLOT_SCHED_PS, /* groups of perfetto_sched.c */
	SLOT_SCHED_GOROUTINES,
	SLOT_NETWORK,
	SLOT_NETWORK_MARKS,
	SLOT_HEAP_LIVE,
	SLOT_HEAP_GOAL,
	SLOT_GOROUTINES,
	SLOT_GOMAXPROCS,
	SLOT_PROCESS, /* a group: below what belongs to the container */
	SLOT_CNT,
};

/* t: borrowed. 0 or -ENOMEM. */
int perfetto_tracks_new(struct pftrace *t, struct perfetto_tracks **ret);
struct perfetto_tracks *perfetto_tracks_free(struct perfetto_tracks *x);

/* Uuids of the groups that an event belongs to; made when they are first asked for, again under a new uuid when the
 * container has got another name or the pid another process. An event without process gives that of its container. */
uint64_t perfetto_tracks_container(struct perfetto_tracks *x, const struct trace_event *e);
uint64_t perfetto_tracks_process(struct perfetto_tracks *x, const struct trace_event *e);

/* A track below group that is free from start_ns on, and taken until end_ns. */
uint64_t perfetto_tracks_lane(struct perfetto_tracks *x, uint64_t group, enum track_slot slot, uint32_t index,
			      const char *name, uint64_t start_ns, uint64_t end_ns);
/* For instants: they may stand anywhere, also before older ones. */
uint64_t perfetto_tracks_marks(struct perfetto_tracks *x, uint64_t group, enum track_slot slot, const char *name);
uint64_t perfetto_tracks_counter(struct perfetto_tracks *x, uint64_t group, enum track_slot slot, const char *name,
				 enum pftrace_unit unit);
/* When this was asked last for the same track, 0 never: a rate belongs to the time before its reading. */
uint64_t perfetto_tracks_reading(struct perfetto_tracks *x, uint64_t group, enum track_slot slot, uint64_t now_ns);
