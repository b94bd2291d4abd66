/* SPDX-License-Identifier: BSD-2-Clause */
/* A snapshot of its own in pieces that can be reordered and compared word by word, and the way from one to the snapshot
 * before it. For history.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/snapshot.h"

/* A container without pointers to anything outside. */
struct flat_container {
	struct snapshot_process *processes; /* owned; what is not in use is 0 */
	size_t process_cap;
	struct snapshot_container c; /* its processes is NULL */
};

/* Start with all 0. */
struct flat_snapshot {
	struct snapshot head;               /* without its arrays; container_cnt and refused_cnt count */
	uint64_t *refused;                  /* owned, whole words; what is not in use is 0 */
	size_t refused_cap;                 /* words */
	struct flat_container **containers; /* owned */
	size_t container_cap;               /* so many are there, head.container_cnt are in use */
};

/* All return 0 or -ENOMEM; then a set or copied one is as before, and one that made a step has to be cleared. */
int flat_set(struct flat_snapshot *f, const struct snapshot *s);
int flat_copy(struct flat_snapshot *f, const struct flat_snapshot *from);
int flat_get(const struct flat_snapshot *f, struct snapshot *ret); /* the caller deinits it */
void flat_clear(struct flat_snapshot *f);
size_t flat_bytes(const struct flat_snapshot *f);
/* Index of the container, or -1. */
long flat_find(const struct flat_snapshot *f, uint32_t container_id);

/* f as its difference to s, which is newer: *len bytes in a buffer that grows by need. */
struct flat_buffer {
	uint8_t *data; /* owned */
	size_t len, cap;
};
int flat_encode(const struct flat_snapshot *f, const struct snapshot *s, struct flat_buffer *ret);
/* From the newer snapshot to the older one. */
int flat_step(struct flat_snapshot *f, const uint8_t *data);

/* The same for one container only. */
struct flat_track {
	uint32_t id;
	long at; /* its index in the snapshot; -1: it has none, c says nothing then */
	struct snapshot_container c;
};
void flat_track_step(struct flat_track *t, const uint8_t *data);

/* ---- between snapshot_flat.c, which copies, and snapshot_diff.c, which writes and reads differences ---- */

#define FLAT_WORD sizeof(uint64_t)

static inline size_t flat_count(int n)
{
	return n > 0 ? (size_t)n : 0;
}
size_t flat_refused_words(int cnt);
/* Place for so many: 0 or -ENOMEM. What is new is 0. */
int flat_reserve_processes(struct flat_container *c, size_t processes);
int flat_reserve_refused(struct flat_snapshot *f, size_t words);
struct flat_container *flat_container_free(struct flat_container *c); /* NULL */
