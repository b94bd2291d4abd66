/* SPDX-License-Identifier: BSD-2-Clause */
/* The runtime's g structures, some hundred at a time, as they lie in the memory of a running program. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "runtime/census.h"
#include "runtime/memory.h"
#include "symbols/binary.h"

/* One g. What the version does not have is 0. */
struct goroutine {
	uint64_t addr;
	enum goroutine_state state;
	bool dead;     /* not a goroutine now: kept for the next one */
	bool readable; /* false: nothing else but addr is set */
	uint8_t waitreason;
	uint64_t goid, waitsince, gopc, startpc;
	uint64_t lo, hi;     /* its stack */
	uint64_t pc, sp, bp; /* where it goes on: of the caller of the system call in GOROUTINE_SYSCALL */
};

struct goroutine_walk {
	struct memory *mem;          /* borrowed */
	const struct binary *binary; /* borrowed */
	uint64_t allglen;            /* g's that there are, dead ones included */
	uint64_t *addrs;             /* owned, ascending: those to look at */
	size_t cnt, pos;
	uint32_t from, span; /* bytes of a g that are read */
	uint8_t *buf;        /* owned */
};

#define GOROUTINE_BATCH 512 /* at most at a time */

/* Learns where the g's are; max of them at most, random ones when there are more. 0, CENSUS_NO_LAYOUT,
 * CENSUS_SELF_CHECK, -ESRCH, -errno; why filled. mem and b stay borrowed. */
int goroutine_walk_open(struct goroutine_walk *w, struct memory *mem, const struct binary *b, uint64_t bias,
			uint64_t max, char *why);
void goroutine_walk_close(struct goroutine_walk *w);
/* The next ones, GOROUTINE_BATCH at most, with *cnt 0 at the end. 0 or -errno. */
int goroutine_walk_next(struct goroutine_walk *w, struct goroutine *ret, size_t *cnt);
/* Reads again those at gs[i].addr, ascending; cnt at most GOROUTINE_BATCH. 0 or -errno. */
int goroutine_walk_again(struct goroutine_walk *w, const struct goroutine *gs, size_t cnt, struct goroutine *ret);

/* True if it contradicts what the runtime keeps true of every g; dead and unreadable ones are no matter of this. */
bool goroutine_is_wrong(const struct goroutine *g);
/* Stands still, with its registers in the g: pc, sp and bp mean something. */
bool goroutine_has_stack(const struct goroutine *g);
/* State of status in Go 1.minor, without the bit that the collector sets; *dead: no goroutine. */
enum goroutine_state goroutine_state_of(uint32_t status, int minor, bool *dead);
