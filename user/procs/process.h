/* SPDX-License-Identifier: BSD-2-Clause */
/* One Go process, identified by (pid, start time). Plain data, owned by the process table. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "symbols/binary.h"

enum process_state {
	PROCESS_OBSERVED, /* everything that the build offers */
	PROCESS_PARTIAL,  /* some signal is off for it: why */
	PROCESS_REFUSED,  /* Go, but nothing of the runtime can be observed: why */
	PROCESS_HELPER,   /* container plumbing (runc, shim): counted, not attached */
	PROCESS_SKIPPED,  /* not Go, 32 bit, unreadable, kernel thread: only for `list --all`, why says which */
};

#define COMM_SZ 16
#define EXE_SZ  256

struct process {
	pid_t pid;            /* in the agent's pid namespace */
	uint64_t start_ticks; /* field 22 of /proc/PID/stat: with pid the identity */
	uint64_t start_unix_ns;
	char comm[COMM_SZ + 1];
	char exe[EXE_SZ];            /* link target of /proc/PID/exe, for people; may end in " (deleted)" */
	pid_t vpid;                  /* pid in its own innermost namespace */
	const struct binary *binary; /* borrowed from the cache; NULL when skipped */
	uint64_t bias;               /* load address minus link address */
	enum process_state state;
	char why[WHY_SZ];
	/* for later stages, set by the session: */
	struct owner *owner;     /* borrowed from the owner index */
	struct watched *watched; /* owned by the session; NULL while not watched */
	bool attached;           /* in the BPF process table */
	bool go_gc_on;
	char go_gc_why[WHY_SZ];
	bool go_runtime_on;
	char go_runtime_why[WHY_SZ];
};
