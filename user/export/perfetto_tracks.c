/* SPDX-License-Identifier: BSD-2-Clause */
/* All tracks are in one map by (group, slot, index). What finds no place in it, because a bound is reached, gets a
 * track of its own that is not remembered: the trace grows by a descriptor, and nothing is left out.
 *
 * Groups are plain tracks and no process descriptors: only these can stand below the group of a container, and the pid
 * is part of their names. Events come about in the order of their ends, so a lane is free for one when all that it has
 * ended before this one begins. */
#include "export/perfetto_tracks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"
#include "pods/owner_index.h"

#define TRACKS_MAX 262144 /* 40 bytes each, and 16 in the map */
#define LANES_MAX  256    /* of one name: each new one looks at all of them */
#define NAME_SZ    (2 * OWNER_NAME_SZ + 300)
#define GROUP_BITS 26 /* of a uuid; SLOT_CNT has 6, an index 32 */
#define SLOT_BITS  6

_Static_assert(SLOT_CNT <= 1 << SLOT_BITS, "slots");

struct track {
	uint64_t uuid;
	uint64_t free_ns;   /* end of the last slice, time of the last reading */
	uint64_t tag;       /* groups: whose; see group() */
	struct track *next; /* the next lane of the same name, owned */
};

struct perfetto_tracks {
	struct pftrace *t; /* borrowed */
	struct hashmap *map;
	size_t lanes; /* besides the first ones */
};

int perfetto_tracks_new(struct pftrace *t, struct perfetto_tracks **ret)
{
	struct perfetto_tracks *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->t = t;
	if (hashmap_new(TRACKS_MAX, &x->map)) {
		free(x);
		return -ENOMEM;
	}
	*ret = x;
	return 0;
}

struct perfetto_tracks *perfetto_tracks_free(struct perfetto_tracks *x)
{
	uint64_t key;
	size_t pos = 0;
	void *value;

	if (!x)
		return NULL;
	while (hashmap_next(x->map, &pos, &key, &value)) {
		for (struct track *k = value, *next; k; k = next) {
			next = k->next;
			free(k);
		}
	}
	hashmap_free(x->map);
	free(x);
	return NULL;
}

/* Known already, or a new one with uuid 0; NULL: not remembered. */
static struct track *find(struct perfetto_tracks *x, uint64_t group, enum track_slot slot, uint32_t index)
{
	uint64_t key = group << (64 - GROUP_BITS) | (uint64_t)slot << 32 | index;
	struct track *k;

	if (group >> GROUP_BITS)
		return NULL;
	k = hashmap_find(x->map, key);
	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k || hashmap_add(x->map, key, k)) {
		free(k);
		return NULL;
	}
	return k;
}

/* A group for which tag stands: another tag, another group. */
static uint64_t group(struct perfetto_tracks *x, uint64_t parent, enum track_slot slot, uint32_t index, uint64_t tag,
		      const char *name)
{
	struct track *k = find(x, parent, slot, index);

	if (k && k->uuid && k->tag == tag)
		return k->uuid;
	if (!k)
		return pftrace_track(x->t, parent, name, slot);
	k->uuid = pftrace_track(x->t, parent, name, slot);
	k->tag = tag;
	return k->uuid;
}

uint64_t perfetto_tracks_container(struct perfetto_tracks *x, const struct trace_event *e)
{
	char name[NAME_SZ];

	if (!e->owner)
		return group(x, 0, SLOT_CONTAINER, 0, 0, "not attributed");
	owner_format(e->owner, name, sizeof(name));
	/* Of a pod's own quota the model gives one of its containers, and an owner without a container. */
	return group(x, 0, e->owner->container_id[0] ? SLOT_CONTAINER : SLOT_POD, e->container_id,
		     hash_bytes(name, strlen(name), 0), name);
}

static uint64_t known_process(const struct perfetto_tracks *x, uint64_t container, int32_t pid)
{
	uint64_t key = container << (64 - GROUP_BITS) | (uint64_t)SLOT_PROCESS << 32 | (uint32_t)pid;
	const struct track *k = container >> GROUP_BITS ? NULL : hashmap_find(x->map, key);

	return k ? k->uuid : 0;
}

uint64_t perfetto_tracks_process(struct perfetto_tracks *x, const struct trace_event *e)
{
	uint64_t container = perfetto_tracks_container(x, e), known;
	char name[64];

	if (e->process) {
		snprintf(name, sizeof(name), "%s %d", e->process->comm, (int)e->process->pid);
		return group(x, container, SLOT_PROCESS, (uint32_t)e->process->pid, e->process->start_unix_ns, name);
	}
	if (e->pid <= 0)
		return container;
	known = known_process(x, container, e->pid);
	if (known)
		return known;
	snprintf(name, sizeof(name), "pid %d", (int)e->pid);
	return group(x, container, SLOT_PROCESS, (uint32_t)e->pid, 0, name);
}

static uint64_t take(struct track *k, uint64_t end_ns)
{
	k->free_ns = end_ns;
	return k->uuid;
}

static uint64_t add_lane(struct perfetto_tracks *x, uint64_t parent, enum track_slot slot, const char *base, int number)
{
	char name[NAME_SZ];

	if (number == 1)
		return pftrace_track(x->t, parent, base, slot);
	snprintf(name, sizeof(name), "%s %d", base, number);
	return pftrace_track(x->t, parent, name, slot);
}

uint64_t perfetto_tracks_lane(struct perfetto_tracks *x, uint64_t parent, enum track_slot slot, uint32_t index,
			      const char *name, uint64_t start_ns, uint64_t end_ns)
{
	struct track *k = find(x, parent, slot, index);
	int number = 1;

	for (; k; k = k->next, number++) {
		if (!k->uuid)
			k->uuid = add_lane(x, parent, slot, name, number);
		if (k->free_ns <= start_ns)
			return take(k, end_ns);
		if (!k->next && number < LANES_MAX && x->lanes < TRACKS_MAX) {
			k->next = calloc(1, sizeof(*k));
			x->lanes += k->next != NULL;
		}
	}
	return add_lane(x, parent, slot, name, 1);
}

uint64_t perfetto_tracks_marks(struct perfetto_tracks *x, uint64_t parent, enum track_slot slot, const char *name)
{
	return perfetto_tracks_lane(x, parent, slot, 0, name, 0, 0);
}

uint64_t perfetto_tracks_counter(struct perfetto_tracks *x, uint64_t parent, enum track_slot slot, const char *name,
				 enum pftrace_unit unit)
{
	struct track *k = find(x, parent, slot, 0);

	if (k && k->uuid)
		return k->uuid;
	if (!k)
		return pftrace_counter_track(x->t, parent, name, slot, unit);
	k->uuid = pftrace_counter_track(x->t, parent, name, slot, unit);
	return k->uuid;
}

uint64_t perfetto_tracks_reading(struct perfetto_tracks *x, uint64_t parent, enum track_slot slot, uint64_t now_ns)
{
	struct track *k = find(x, parent, slot, 0);
	uint64_t before = k ? k->free_ns : 0;

	if (k)
		k->free_ns = now_ns;
	return before;
}
