/* SPDX-License-Identifier: BSD-2-Clause */
/* Who called whom: the frame pointers of goroutines that stand still, many stacks in a few reads. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "runtime/census.h"
#include "runtime/memory.h"

struct stack_walk {
	/* given: */
	uint64_t lo, hi; /* the stack; innermost frame nearest to lo */
	uint64_t sp;
	uint64_t bp;        /* frame pointer of the function at pc; 0: it has called nobody yet */
	uint64_t bp_at;     /* not 0: the frame pointer lies here instead (may be below sp) */
	uint64_t caller_at; /* not 0: a return address lies here before the first frame pointer */
	/* found: addresses after the calls, pc[0] was given; cnt >= 1 was given too */
	uint64_t pc[CENSUS_STACK_MAX];
	int cnt;
	bool enough; /* wanted() said so */
	bool whole;  /* the caller's to use: it is known to go to the outermost function */
};

/* True when pc is what was looked for: the frames outside of it are not followed. */
typedef bool (*stack_walk_wanted)(void *arg, uint64_t pc);

/* Follows the stacks of one process, STACK_WALK_BATCH at most. Every frame lies inside of its stack and outside of the
 * one before it; a stack that does not go on like that ends there. wanted may be NULL: as far as it goes. 0, -ENOMEM,
 * -ESRCH, another -errno. */
#define STACK_WALK_BATCH 512
int stack_walk(struct memory *m, struct stack_walk *stacks, size_t cnt, stack_walk_wanted wanted, void *arg);
