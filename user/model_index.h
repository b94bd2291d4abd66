/* SPDX-License-Identifier: BSD-2-Clause */
/* Part of the model: which container is meant by an id that the kernel gave. Lists rebuilt when containers or processes
 * change, which is seldom, and searched by bisection, which is often. Embedded. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model;
struct model_container;

enum model_index_kind { INDEX_OWN, INDEX_BELOW, INDEX_V2, INDEX_NETNS, INDEX_MEMORY, INDEX_CNT };

struct model_index_row {
	uint64_t id;
	struct model_container *container; /* borrowed */
};

struct model_index {
	bool fresh;
	struct model_index_row *rows[INDEX_CNT]; /* owned, by id */
	size_t cnt[INDEX_CNT], cap[INDEX_CNT];
};

void model_index_deinit(struct model_index *x);
/* Containers or processes changed: the lists are made again at the next question. */
void model_index_changed(struct model_index *x);
/* Containers whose own cgroup has this cpu id; *pos starts at 0, NULL ends. */
struct model_container *model_index_own(struct model_index *x, const struct model *m, uint64_t cpu_cgid, size_t *pos);
/* Containers whose own cgroup or one above it has this cpu id. */
struct model_container *model_index_below(struct model_index *x, const struct model *m, uint64_t cpu_cgid, size_t *pos);
/* Whether what the kernel counts for the container's cpu cgroup is its own: always, unless it is a host process in the root
 * or beside another container that lives. Whom nobody watches is not seen. */
bool model_index_owns_cpu(struct model_index *x, const struct model *m, const struct model_container *c);
/* The same of its memory cgroup. */
bool model_index_owns_memory(struct model_index *x, const struct model *m, const struct model_container *c);
/* The one container that these ids can only mean: by cpu cgroup, else unified cgroup, else network namespace. 0: not known.
 * NULL where none or several fit. */
struct model_container *model_index_find(struct model_index *x, const struct model *m, uint64_t cpu_cgid, uint64_t v2_cgid,
					 uint32_t netns);
