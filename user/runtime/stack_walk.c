/* SPDX-License-Identifier: BSD-2-Clause */
/* Go code keeps frame pointers on amd64 and arm64: at the frame pointer lies the caller's one, and 8 bytes above it the
 * address to return to. arm64 keeps the return address at the bottom of the frame and the caller's frame pointer below
 * it (cmd/internal/obj/arm64/obj7.go), so that the pair looks the same. A function without a frame (assembly) is
 * skipped by such a walk.
 *
 * The frames of a goroutine that waits begin within a few hundred bytes of its stack pointer. So one scattered read
 * takes the first WINDOW bytes of all stacks, and each following one the next window of those that are not done. */
#include "runtime/stack_walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "runtime/read_pieces.h"

#define WINDOW 512
#define RED    16 /* bytes below sp that are looked at: where a function that has returned kept a frame pointer */

/* Part of one stack. */
struct window {
	uint64_t addr;
	uint32_t sz;
	bool done;
	uint8_t bytes[WINDOW];
};

static bool get(const struct window *w, uint64_t addr, uint64_t *ret)
{
	if (addr < w->addr || addr + 8 > w->addr + w->sz)
		return false;
	memcpy(ret, w->bytes + (addr - w->addr), sizeof(*ret));
	return true;
}

static void add(struct stack_walk *s, uint64_t pc, stack_walk_wanted wanted, void *arg)
{
	s->pc[s->cnt++] = pc;
	s->enough = wanted && wanted(arg, pc);
}

static bool is_over(const struct stack_walk *s)
{
	return s->enough || s->cnt == CENSUS_STACK_MAX;
}

/* What lies beside the registers. False when the window does not reach it. */
static bool start(const struct window *w, struct stack_walk *s, stack_walk_wanted wanted, void *arg)
{
	uint64_t caller = 0;

	if (s->bp_at && !get(w, s->bp_at, &s->bp))
		return false;
	if (s->caller_at && (!get(w, s->caller_at, &caller) || !caller))
		return false;
	if (caller)
		add(s, caller, wanted, arg);
	s->bp_at = s->caller_at = 0;
	return true;
}

/* Follows s inside of the window. True when it is at its end, else s->bp is the next frame. */
static bool follow(const struct window *w, struct stack_walk *s, stack_walk_wanted wanted, void *arg)
{
	uint64_t next, caller;

	while (!is_over(s)) {
		if (s->bp % 8 || s->bp < s->lo || s->bp < s->sp - RED || s->bp > s->hi - 16)
			return true;
		if (!get(w, s->bp, &next) || !get(w, s->bp + 8, &caller))
			return false;
		if (!caller)
			return true;
		add(s, caller, wanted, arg);
		if (next <= s->bp)
			return true; /* 0: the goroutine's first function */
		s->bp = next;
	}
	return true;
}

/* The window that s needs next; the first one begins below sp, for what start() needs. */
static void place(struct window *w, const struct stack_walk *s, bool first)
{
	uint64_t addr = first ? s->sp - RED : s->bp;

	if (addr < s->lo)
		addr = s->lo;
	w->addr = addr;
	w->sz = s->hi - addr < WINDOW ? (uint32_t)(s->hi - addr) : WINDOW;
}

static bool is_sane(const struct stack_walk *s)
{
	return s->lo < s->sp && s->sp <= s->hi && s->lo >= RED && s->hi - s->lo >= 16 && s->cnt == 1;
}

/* One round: reads the next window of all stacks that are not done. Returns how many there were, or -errno. */
static ssize_t read_round(struct memory *m, struct stack_walk *s, struct window *w, size_t cnt, bool first)
{
	struct memory_range ranges[STACK_WALK_BATCH];
	size_t n = 0;
	int err;

	for (size_t i = 0; i < cnt; i++) {
		if (w[i].done)
			continue;
		place(&w[i], &s[i], first);
		ranges[n++] = (struct memory_range){w[i].addr, w[i].bytes, w[i].sz};
	}
	err = read_pieces(m, ranges, n);
	if (err)
		return err;
	for (size_t i = 0, j = 0; i < cnt; i++)
		if (!w[i].done)
			w[i].sz = (uint32_t)ranges[j++].sz;
	return (ssize_t)n;
}

static void begin(struct stack_walk *s, struct window *w, size_t cnt, stack_walk_wanted wanted, void *arg)
{
	for (size_t i = 0; i < cnt; i++) {
		w[i].done = !is_sane(&s[i]);
		s[i].enough = wanted && wanted(arg, s[i].pc[0]);
		if (s[i].enough || (!s[i].bp && !s[i].bp_at && !s[i].caller_at))
			w[i].done = true;
	}
}

int stack_walk(struct memory *m, struct stack_walk *s, size_t cnt, stack_walk_wanted wanted, void *arg)
{
	_cleanup_free_ struct window *w = malloc((cnt ? cnt : 1) * sizeof(*w));

	if (!w)
		return -ENOMEM;
	begin(s, w, cnt, wanted, arg);
	for (int round = 0; round < CENSUS_STACK_MAX; round++) {
		ssize_t n = read_round(m, s, w, cnt, !round);

		if (n <= 0)
			return (int)n;
		for (size_t i = 0; i < cnt; i++) {
			if (w[i].done)
				continue;
			w[i].done = !w[i].sz || (!round && !start(&w[i], &s[i], wanted, arg)) ||
				    follow(&w[i], &s[i], wanted, arg);
		}
	}
	return 0;
}
