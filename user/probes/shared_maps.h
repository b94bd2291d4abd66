/* SPDX-License-Identifier: BSD-2-Clause */
/* The maps of bpf/shared_maps.bpf.h: created once, given by descriptor to every object before it is loaded. */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "loss.h"
#include "process_table.h"

struct bpf_object;

struct shared_maps {
	int events_fd, counters_fd, processes_fd, binaries_fd; /* owned; -1 */
	volatile struct signal_counters *counters; /* mapped, SIGNAL_MAX entries; BPF and signals add to it */
	volatile struct binary_entry *binaries;    /* mapped, BINARY_TABLE_MAX entries */
};

/* ring_bytes: rounded up to a power of two of at least a page; 0 = 512 KiB. 0, or -errno with why. */
int shared_maps_init(struct shared_maps *m, uint32_t ring_bytes, char *why);
void shared_maps_deinit(struct shared_maps *m);
/* Replaces the maps of an opened, not yet loaded object that have the shared names; 0 or -errno. */
int shared_maps_reuse(const struct shared_maps *m, struct bpf_object *obj);
