/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the sampler share: sample.c reads, sample_values.c makes values of the bytes, sample_since.c says
 * what happened between two reads, sample_detail.c reads the rest. */
#pragma once

#include "runtime/memory.h"
#include "runtime/read_plan.h"
#include "runtime/sample.h"
#include "runtime/self_check.h"

#define P_GFREE_MAX    64 /* gfput moves a P's dead goroutines to the global list when there are 64 (runtime/proc.go) */
#define P_QUEUE_MAX    256 /* len(p.runq), all versions */
#define SIZE_CLASSES   68  /* all versions */
#define HEAP_STATS_CNT 3   /* entries of consistentHeapStats */

/* Behind gcPercentHeapGoal in all versions that have it, 1.19 to 1.27: sweepDistMinTrigger, triggered. */
enum { GOAL_TO_SWEEP_TRIGGER = 8, GOAL_TO_TRIGGERED = 16 };

struct raw_slice {
	uint64_t ptr;
	int64_t len, cap;
};

/* Of one P; id and status are its first fields in all versions. */
struct raw_p {
	int32_t id;
	uint32_t status, runqhead, runqtail;
	uint64_t runnext, unwanted;
	int32_t gfree;
};

/* Globals that are no structures. */
struct raw {
	int32_t gomaxprocs;
	uint32_t gcphase;
	struct raw_slice allp, allgs;
	uint64_t allglen, allgptr;
	uint32_t numgc; /* read after all else */
};

/* What is kept of one read for the next. */
struct since {
	bool known;
	uint64_t time_ns;
	int64_t numgc, numforcedgc;
	bool waits_known;
	uint64_t waits[RUNTIME_LATENCY_BUCKETS];
};

struct sampler {
	struct memory mem;
	char *root; /* owned */
	pid_t pid;
	uint64_t globals[GLOBAL_CNT]; /* in the process, 0 = unknown */
	int16_t fields[FIELD_CNT];
	int go_minor;
	bool nearest;           /* LAYOUT_NEAREST: every check must have been possible */
	bool ignores_cpu_limit; /* of its binary */

	struct read_plan plan;
	uint8_t *heap_again; /* owned: heap statistics a second time, heap_sz bytes */
	size_t heap_sz;

	uint64_t allp_ptr;           /* the Ps below belong to this array */
	uint64_t *ps;                /* owned, addresses of the Ps; a P never moves and is never freed */
	struct raw_p *raw_ps;        /* owned */
	struct memory_range *ranges; /* owned */
	size_t p_cnt, range_cnt;
	uint8_t *gap; /* owned: for bytes between two fields of a P that nobody wants */

	struct raw raw;
	struct self_check last; /* values of the last good read */
	bool has_last;
	struct since now; /* the last good sampler_read() */
	bool has_before;  /* and the one before it */
	int64_t before_numgc, before_forced;
	bool waits_known;
	uint64_t waits[RUNTIME_LATENCY_BUCKETS]; /* of the read that is being made */
	struct runtime_latency latency;
	bool has_latency;
	bool fresh;         /* raw is that of the last sampler_read(), which was good */
	int contradictions; /* running, of sampler_confirm_cycles() */
	char why[WHY_SZ];
};

/* sample.c: fills raw, plan and raw_ps; results as sampler_read(). */
int sampler_read_raw(struct sampler *s);
/* SAMPLER_SELF_CHECK with why once the layout has shown to be wrong. */
int sampler_refused(struct sampler *s);
static inline bool sampler_has(const struct sampler *s, enum go_field field)
{
	return read_plan_has(&s->plan, field);
}

/* sample_values.c */
void sampler_values(const struct sampler *s, uint64_t time_ns, struct runtime_sample *ret);
/* False while the allocator changes the counts that belong together. */
bool sampler_memory_fits(const struct sampler *s);
/* 0 good, 1 a merge of the heap statistics runs or they make no sense: why. */
int sampler_heap_check(const struct sampler *s, char *why);
struct self_check sampler_check_values(const struct sampler *s);

/* sample_since.c */
void sampler_since_update(struct sampler *s, const struct runtime_sample *v);
/* 0, 1 a counter went back: why. */
int sampler_since_check(struct sampler *s, char *why);
/* The cycle in raw; forced: -1 what work.userForced says. */
bool sampler_raw_cycle(const struct sampler *s, int forced, struct runtime_cycle *ret);
/* Entries of the pause ring of the cycles above `after`, oldest first. */
int sampler_raw_pauses(const struct sampler *s, int64_t after, struct runtime_pause *ret, int max, uint64_t *missed);
