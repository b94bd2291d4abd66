/* SPDX-License-Identifier: BSD-2-Clause */
/* From what go_sched's program writes to what is told: the words that the program does not read, as each costs the
 * target 75 ns, follow from what came before. One decoder a window. */
#pragma once

#include <sys/types.h>

#include "go_sched_event.h"
#include "runtime/memory.h"

#define DECODE_THREADS 4096 /* rows: powers of two */
#define DECODE_PS      1024

/* Rows of tables with open addressing, key 0 free. */
struct thread_row {
	uint64_t g0, goid; /* which goroutine runs on the thread; 0 none, or not known yet */
};
struct p_row {
	uint64_t addr;
	uint16_t id;
};

/* Zero is ready but for its memory. */
struct go_sched_decoder {
	struct memory memory;
	bool memory_open; /* else the numbers of Ps stay unknown */
	unsigned int thread_cnt, p_cnt;
	struct thread_row threads[DECODE_THREADS];
	struct p_row ps[DECODE_PS];
};

void go_sched_decoder_open(struct go_sched_decoder *d, const char *root, pid_t pid);
void go_sched_decoder_close(struct go_sched_decoder *d);
/* In the order of the ring. */
void go_sched_decode(struct go_sched_decoder *d, const struct go_sched_raw *e, struct go_sched_event *ret);
