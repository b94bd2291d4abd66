/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of a goroutine traceback for what a goroutine does (runtime/traceback.go, gStatusStrings). */
#include "runtime/census.h"

const char *goroutine_state_name(enum goroutine_state s)
{
	static const char *const names[GOROUTINE_STATE_CNT] = {
		[GOROUTINE_IDLE] = "idle",           [GOROUTINE_RUNNABLE] = "runnable",
		[GOROUTINE_RUNNING] = "running",     [GOROUTINE_SYSCALL] = "syscall",
		[GOROUTINE_WAITING] = "waiting",     [GOROUTINE_COPYSTACK] = "copystack",
		[GOROUTINE_PREEMPTED] = "preempted", [GOROUTINE_LEAKED] = "leaked",
		[GOROUTINE_OTHER] = "unknown",
	};

	return (unsigned)s < GOROUTINE_STATE_CNT ? names[s] : "unknown";
}
