/* SPDX-License-Identifier: BSD-2-Clause */
/* What session_sched.c and session_sched_names.c share, and nobody else looks at. */
#pragma once

#include "runtime/memory.h"
#include "runtime/wait_reason.h"
#include "session.h"
#include "stats/overhead.h"

struct hashmap;

#define SCHED_SEEN 4096 /* goroutines that are remembered the fast way, a power of two */

/* What has been told of a process, and of the goroutines of its window. */
struct sched_names {
	struct memory mem;
	struct wait_reasons reasons;
	struct hashmap *told;       /* (what, id): of the process, kept from window to window */
	struct hashmap *gs;         /* of the window: address of a g -> its goid, as a pointer */
	size_t *gs_cnt;             /* borrowed: in those of all windows */
	uint64_t seen[SCHED_SEEN];  /* goids in it, by their low bits */
	uint64_t named[SCHED_SEEN]; /* of told */
};

/* The budget of a watched process and its window; hangs on watched.sched. */
struct sched_watch {
	struct overhead budget;
	uint64_t fed_ns, cpu_ns;
	double cost_ns[OVERHEAD_GROUP_CNT]; /* without the window that is open */
	uint64_t told_ns;
	uint32_t told_off;
	bool told_waits;
	double runq_cost_s; /* of a second of cpu_sched's last window */
	/* goroutine windows */
	struct sched_names *names; /* owned, NULL before the first one */
	bool open, going;          /* going: closed, its end has not come yet */
	bool force;                /* also at its quota */
	bool refused;              /* why: told once, and not tried again */
	bool told_quota;
	enum sched_window_end end;
	uint64_t id, opened_ns, until_ns, retry_ns;
	unsigned int failures; /* of opening one, in a row */
	uint64_t opened_cpu_ns, closed_cpu_ns;
	double closed_cost_ns; /* at its close */
	uint64_t armed_ns;     /* key s: a window is wanted until then */
	uint64_t trigger_ns;   /* --sched-trigger: the same */
	double cost_s;         /* of a second of its last window, 0 unknown */
	double expected_s;     /* of a second of the next one, 0 unknown */
	double late_ns;        /* cost after the close of its last window */
	double switches_s;     /* goroutines that ran, a second, by the runtime's own count; 0 unknown */
	bool waits;            /* a window waits for credit */
};

/* Names and events of a window. 0 or -ENOMEM. */
int sched_names_begin(struct session *s, const struct process *p, struct sched_watch *w);
void sched_names_end(struct sched_watch *w);
void sched_names_free(struct sched_names *n);
