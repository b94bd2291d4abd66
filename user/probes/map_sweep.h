/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks over a BPF hash map in slices, so that a full one does not hold the event loop up. Embedded; zero is ready. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define MAP_SWEEP_KEY_MAX 32

struct map_sweep {
	_Alignas(8) unsigned char cursor[MAP_SWEEP_KEY_MAX]; /* last key seen */
	bool resume;                                         /* the cursor counts */
};

/* Calls fn for at most batch entries, which it may delete, and goes on from there the next time. key_sz: of the map, at
 * most MAP_SWEEP_KEY_MAX. */
void map_sweep_run(struct map_sweep *w, int fd, size_t key_sz, unsigned int batch,
		   void (*fn)(int fd, const void *key, void *arg), void *arg);
