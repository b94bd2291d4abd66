/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Maps that every object shares: created once by user space (probes/shared_maps.c), which gives their descriptors to
 * each object before it is loaded. */
#pragma once
#include "loss.h"
#include "process_table.h"
#include "signal_id.h"

/* All events of all signals. User space sets the size; no wake-up is ever sent (facts/performance.md 0.3). */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024);
} events SEC(".maps");

/* One struct signal_counters a signal, read by user space through mmap. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SIGNAL_MAX);
	__type(key, __u32);
	__type(value, struct signal_counters);
} counters SEC(".maps");

/* Wanted processes by tgid in the agent's pid namespace. Preallocated (0.7 MB): before 6.1 a uprobe program with a hash
 * that is not makes the kernel warn (94dacdbd5d2d), which panic_on_warn turns into a crash. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROCESS_TABLE_MAX);
	__type(key, __u32);
	__type(value, struct process_entry);
} processes SEC(".maps");

/* Probed binaries by the index that attach cookies carry. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BINARY_TABLE_MAX);
	__type(key, __u32);
	__type(value, struct binary_entry);
} binaries SEC(".maps");
