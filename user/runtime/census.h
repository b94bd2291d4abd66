/* SPDX-License-Identifier: BSD-2-Clause */
/* The goroutines of a process: state, reason, who created them, where they are blocked, since when; grouped. Read from
 * outside while the program runs, so each goroutine is seen at its own moment, microseconds apart. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "procs/process.h"
#include "symbols/code_lines.h"

#define CENSUS_STACK_MAX 32 /* frames of a stack */

enum goroutine_state {
	GOROUTINE_IDLE,
	GOROUTINE_RUNNABLE,
	GOROUTINE_RUNNING, /* waiting for reasons that are work of the collector count as waiting, as the runtime has it
			    */
	GOROUTINE_SYSCALL,
	GOROUTINE_WAITING,
	GOROUTINE_COPYSTACK,
	GOROUTINE_PREEMPTED,
	GOROUTINE_LEAKED, /* 1.27: found unreachable by a goroutine leak profile */
	GOROUTINE_OTHER,  /* a status that this version does not define */
	GOROUTINE_STATE_CNT,
};
const char *goroutine_state_name(enum goroutine_state s); /* "runnable", ... as tracebacks have it */

/* Goroutines that are alike. Addresses are link-time ones. */
struct census_group {
	uint64_t cnt; /* seen; census.scale times as many are there */
	enum goroutine_state state;
	char reason[40];        /* wait reason in the runtime's words, "" none */
	uint64_t created_pc;    /* g.gopc, 0: the runtime's own start */
	uint64_t start_pc;      /* entry of its function */
	uint64_t blocked_pc;    /* address after the call in the nearest frame that is not plumbing (below), 0 unknown
				   (running, or moved on while it was read) */
	int64_t oldest_wait_ns; /* longest of them, as tracebacks have it: up to a GC cycle too long; -1 not known:
				   fewer than two collections since, or its clock is
				   another one (time namespace) */
	uint64_t oldest_goid;   /* smallest goid */
	uint64_t stack[CENSUS_STACK_MAX]; /* with cfg.stacks: innermost first; groups then differ by stack */
	int stack_cnt;
	bool system; /* of the runtime itself (g.startpc in package runtime, but main and finalizers as
			runtime.NumGoroutine) */
};

struct census {
	uint64_t time_ns; /* CLOCK_MONOTONIC, begin of the reads */
	uint64_t took_ns;
	uint64_t total;                       /* live goroutines, runtime's own included */
	uint64_t walked;                      /* looked at; < total: a sample */
	uint64_t slots;                       /* read for that: with the places of those that ended */
	double scale;                         /* total / walked */
	uint64_t states[GOROUTINE_STATE_CNT]; /* of all walked */
	uint64_t system;                      /* of them the runtime's own: total - system is runtime.NumGoroutine() */
	uint64_t unreadable;                  /* g's that contradicted themselves: g.stack.lo < sp < hi, status, goid */
	struct census_group *groups;          /* owned, most goroutines first */
	size_t group_cnt;
	bool stacks_known; /* frame pointers could be followed */
};

struct census_cfg {
	struct code_lines *lines; /* of p's binary, borrowed; NULL: census_take opens them for itself */
	uint64_t walk_max;        /* look at so many g's at most, a random sample of them; 0: CENSUS_WALK_MAX */
	bool stacks;              /* keep whole stacks */
	bool blocked;             /* find blocked_pc (two more reads a goroutine that waits) */
	int64_t min_age_ns;       /* only those that wait at least so long; 0 all (unknown ages are left out if > 0) */
};
#define CENSUS_WALK_MAX 100000

enum census_outcome {
	CENSUS_NO_LAYOUT = 1,  /* why says what is missing */
	CENSUS_SELF_CHECK = 2, /* what is there does not look like goroutines */
};

/* Reads p's goroutines. 0 with *ret (census_deinit), a positive outcome, -ESRCH gone, -errno; why filled. */
int census_take(const char *root, const struct process *p, const struct census_cfg *cfg, struct census *ret, char *why);
void census_deinit(struct census *c);
/* It wants a lock. semacquire_locks: the program is older than Go 1.20, where a blocked sync.Mutex says "semacquire";
 * later that word means a sync.WaitGroup (up to 1.24) and others. */
bool census_is_lock(enum goroutine_state state, const char *reason, bool semacquire_locks);
/* True for a function that blocks on behalf of its caller, by its package: runtime, internal/..., sync, syscall, os,
 * net, time, io, bufio, ... Of the frames that code_lines_find() gives for blocked_pc (inlined calls first), the first
 * function that is not plumbing is where the goroutine is blocked; the last one if all are. */
bool census_is_plumbing(const char *function);
/* now less before, by (state, reason, created_pc, blocked_pc): groups of ret have cnt of now; growth[i] (owned by the
 * caller, one for each group of now) the difference. 0 or -ENOMEM. */
int census_diff(const struct census *before, const struct census *now, int64_t **growth);
