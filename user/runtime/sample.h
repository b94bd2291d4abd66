/* SPDX-License-Identifier: BSD-2-Clause */
/* Values that the Go runtime keeps, read from outside without touching the process. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "procs/process.h"

#define SAMPLE_UNKNOWN INT64_MIN /* value not known: printed as `?`, null in JSON */

struct runtime_sample {
	uint64_t time_ns; /* CLOCK_MONOTONIC of the read */
	int64_t gomaxprocs;
	int64_t gogc;               /* percent; -1 off */
	int64_t memory_limit_bytes; /* GOMEMLIMIT; -1 none (math.MaxInt64) */
	int64_t heap_live_bytes;    /* heapMarked: live after the last mark */
	int64_t heap_goal_bytes;    /* with the memory limit taken into account; -1 when GC is off and no limit */
	int64_t numgc;
	int64_t pause_total_ns;
	int64_t mapped_ready_bytes; /* memory that counts against GOMEMLIMIT */
	int64_t goroutines;         /* as runtime.NumGoroutine counts */
	int64_t gc_cpu_ns;          /* 1.20+: work.cpuStats mark workers (dedicated and fractional) and assists; moves at the
				       end of a cycle. Not the pauses: the runtime counts those as wall time times
				       GOMAXPROCS, used or not */
	int64_t assist_ns;          /* 1.20+: cpuStats assist */
};

struct sampler;

enum sampler_outcome {
	SAMPLER_NO_LAYOUT = 1,  /* addresses or offsets are not known for this binary */
	SAMPLER_SELF_CHECK = 2, /* what is there does not look like this Go runtime */
	SAMPLER_NOT_READY = 3,  /* the runtime has not set itself up yet: try again later */
};

/* Opens the address space of p (kept open: safe against pid reuse). Returns 0, or a negative errno / positive outcome
 * with why filled: no layout, no addresses, no permission, self-check failed (allp[i].id != i, gomaxprocs !=
 * len(allp)). p and its binary are not needed afterwards. */
int sampler_open(const char *root, const struct process *p, struct sampler **ret, char *why);
struct sampler *sampler_close(struct sampler *s);
/* 0; -ESRCH when the process is gone or replaced its image; positive when a self-check failed this time (values
 * unchanged); another -errno when memory that should be there could not be read. */
int sampler_read(struct sampler *s, struct runtime_sample *ret);
/* Words for the last result of sampler_read that was not 0. */
const char *sampler_why(const struct sampler *s);
