/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What go_assist keeps in the kernel. */
#pragma once
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#include "process_table.h"

/* Goroutines that wait in the assist queue, of all processes. The queue of one process holds as many as allocate at
 * once: some thousands where every request does. Beside them an LRU map keeps up to 128 free entries a CPU. What it
 * forgets is counted as unpaired. 1.3 MB, only while the signal is asked for. */
#define ASSIST_PARKED_MAX 16384

struct assist_key {
	__u32 tgid;
	__u32 pad;
	__u64 g; /* its address: a goroutine's stays the same while it waits */
};

/* Assists that did mark work, of one process: key tgid. Only ever added to; user space tells the growth. */
struct assist_count {
	__u64 cnt; /* atomic */
	__u64 last_ns;
	__u64 cpu_cgid, v2_cgid;
};
#define ASSIST_COUNTS_MAX PROCESS_TABLE_MAX
