/* SPDX-License-Identifier: BSD-2-Clause */
/* Puts the events of one process together to GC cycles and mark phases. Embedded, one a process. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "event.h"
#include "runtime/sample.h"

struct gc_cycle_state {
	bool in_cycle, mark_ended;
	bool adrift;            /* inside a cycle that is already counted as broken */
	uint64_t start_ns;      /* begin of the sweep termination pause, or of mark where that was not seen */
	uint64_t started_ns;    /* when startCycle ran: inside the sweep termination pause */
	uint64_t mark_start_ns; /* end of that pause, as gctrace has it; the runtime's stamp where it was not seen */
	uint64_t mark_end_ns;
	uint32_t trigger, procs;
	uint32_t pauses; /* GC pauses seen in this cycle */
	uint64_t pause_sum_ns;
	bool known; /* numbers are those of this cycle */
	struct runtime_cycle numbers;
	uint64_t cycles; /* finished since start */
	uint64_t broken; /* cycles whose end or begin was not seen (loss, or attached in the middle) */
};

/* One finished thing an event can complete. */
struct gc_cycle_done {
	bool mark;  /* mark phase finished: mark_start_ns .. mark_end_ns */
	bool cycle; /* cycle finished: start_ns .. end_ns */
	uint64_t start_ns, end_ns, mark_start_ns, mark_end_ns;
	uint32_t trigger, procs, pauses;
	uint64_t pause_sum_ns;
	bool known; /* numbers: the runtime's own of this cycle, as gctrace prints them; only with cycle */
	struct runtime_cycle numbers;
};

/* The numbers of an event, in the shape that a passive read has, too. */
void gc_cycle_numbers(const struct event_gc_done *e, struct runtime_cycle *ret);
/* Feeds one go_gc event; returns true if done says something. */
bool gc_cycle_feed(struct gc_cycle_state *s, const union event *e, struct gc_cycle_done *done);
/* Events of this process were lost: an open cycle must not be closed by the end of a later one. */
void gc_cycle_break(struct gc_cycle_state *s);
