/* SPDX-License-Identifier: BSD-2-Clause */
/* From a process to its owner: cgroup path -> container -> names from the runtime's state files. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "pods/owner.h"
#include "pods/cgroup.h"

struct owner_index;

/* root: folder above proc, run, var and sys. cg: borrowed. */
int owner_index_new(const char *root, const struct cgroup_mounts *cg, struct owner_index **ret);
struct owner_index *owner_index_free(struct owner_index *x);

/* Owner of a live process; takes a reference that owner_index_put() gives back. One struct owner a container (or a host
 * process): the same pointer for all processes of it. 0 or -errno (-ESRCH gone, -ENOSPC bound reached). */
int owner_index_get(struct owner_index *x, pid_t pid, const char *comm, uint64_t now_ns, struct owner **ret);
void owner_index_put(struct owner_index *x, struct owner *o, uint64_t now_ns);
/* Retries names of unresolved owners (for 2 s after first sight, then seldom) and frees what has been gone for 60 s and
 * more (free_gone is called just before). Call about every 100 ms; cheap when nothing is due. */
void owner_index_tick(struct owner_index *x, uint64_t now_ns, void (*free_gone)(struct owner *o, void *arg), void *arg);
/* All owners whose container or one of its ancestors owns this cpu cgroup id: *pos starts at 0; NULL ends. */
struct owner *owner_index_below(const struct owner_index *x, uint64_t cpu_cgid, size_t *pos);
/* Cpu cgroup ids of its level and of those above it, its own first; at most max. Number written. */
size_t owner_index_levels(const struct owner *o, uint64_t *ret, size_t max);
/* All owners: *pos starts at 0; NULL ends. */
struct owner *owner_index_next(const struct owner_index *x, size_t *pos);

/* "shop/cart-0:cart", "podman/web", "host/pid 911 containerd", "unattributed ../pod3f2a/9c41e0" */
void owner_format(const struct owner *o, char *buf, size_t sz);
