/* SPDX-License-Identifier: BSD-2-Clause */
/* Pauses exclude each other, so they nest in a cycle by themselves. A mark phase does where its end was stamped before
 * the stop that follows; where our stamp of it lies inside that stop (gc_cycle.c), it would overlap the pause in part,
 * which a track cannot show: then the mark phase goes on a track beside. No slice is ever bent to fit. */
#include "export/perfetto_gc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"

#define PROCESSES_MAX 65536
#define DEPTH_MAX     8 /* cycle, mark, pause: 3 */

struct waiting {
	struct perfetto_slice *parts; /* owned, with their details; by arrival, that is, by end */
	int cnt, cap;
};

struct perfetto_gc {
	struct pftrace *t;              /* borrowed */
	struct perfetto_tracks *tracks; /* borrowed */
	struct hashmap *processes;
	uint64_t due_ns; /* nothing has waited too long before */
};

int perfetto_gc_new(struct pftrace *t, struct perfetto_tracks *tracks, struct perfetto_gc **ret)
{
	struct perfetto_gc *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->t = t;
	x->tracks = tracks;
	x->due_ns = UINT64_MAX;
	if (hashmap_new(PROCESSES_MAX, &x->processes)) {
		free(x);
		return -ENOMEM;
	}
	*ret = x;
	return 0;
}

static void waiting_free(struct waiting *p)
{
	for (int i = 0; p && i < p->cnt; i++)
		free(p->parts[i].details);
	if (p)
		free(p->parts);
	free(p);
}

struct perfetto_gc *perfetto_gc_free(struct perfetto_gc *x)
{
	uint64_t key;
	size_t pos = 0;
	void *value;

	if (!x)
		return NULL;
	while (hashmap_next(x->processes, &pos, &key, &value))
		waiting_free(value);
	hashmap_free(x->processes);
	free(x);
	return NULL;
}

/* On a track beside that of the cycles. */
static void write_alone(struct perfetto_gc *x, uint64_t process, const struct perfetto_slice *s)
{
	uint64_t track = perfetto_tracks_lane(x->tracks, process, s->mark ? SLOT_GC_MARK : SLOT_PAUSES, 0,
					      s->mark ? "GC mark" : "stop-the-world", s->start_ns, s->end_ns);

	pftrace_begin(x->t, track, s->start_ns, s->details, s->sz);
	pftrace_end(x->t, track, s->end_ns);
}

/* The first n parts go, written if they have not been yet. */
static void drop_first(struct waiting *p, int n)
{
	if (!n)
		return;
	for (int i = 0; i < n; i++)
		free(p->parts[i].details);
	memmove(p->parts, p->parts + n, (size_t)(p->cnt - n) * sizeof(*p->parts));
	p->cnt -= n;
}

static int by_start(const void *a, const void *b)
{
	const struct perfetto_slice *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	if (x->end_ns != y->end_ns)
		return x->end_ns > y->end_ns ? -1 : 1; /* the outer one first */
	return y->mark - x->mark;
}

static void flush_first(struct perfetto_gc *x, uint64_t process, struct waiting *p, int n)
{
	if (n)
		qsort(p->parts, (size_t)n, sizeof(*p->parts), by_start);
	for (int i = 0; i < n; i++)
		write_alone(x, process, &p->parts[i]);
	drop_first(p, n);
}

static struct waiting *find_waiting(struct perfetto_gc *x, uint64_t process)
{
	struct waiting *p = hashmap_find(x->processes, process);

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (p && hashmap_add(x->processes, process, p)) {
		free(p);
		return NULL;
	}
	return p;
}

static bool grow(struct waiting *p)
{
	int cap = p->cap ? 2 * p->cap : 8;
	struct perfetto_slice *parts;

	if (p->cnt < p->cap)
		return true;
	parts = realloc(p->parts, (size_t)cap * sizeof(*parts));
	if (!parts)
		return false;
	p->parts = parts;
	p->cap = cap;
	return true;
}

int perfetto_gc_part(struct perfetto_gc *x, uint64_t process, const struct perfetto_slice *s)
{
	struct waiting *p = find_waiting(x, process);
	struct perfetto_slice copy = *s;

	if (!p) { /* the bound of processes: beside, at once */
		write_alone(x, process, s);
		return 0;
	}
	if (p->cnt == PERFETTO_GC_PARTS)
		flush_first(x, process, p, PERFETTO_GC_PARTS / 2);
	copy.details = malloc(s->sz ? s->sz : 1);
	if (!copy.details || !grow(p)) {
		free(copy.details);
		return -ENOMEM;
	}
	memcpy(copy.details, s->details, s->sz);
	p->parts[p->cnt++] = copy;
	if (s->end_ns + PERFETTO_GC_WAIT_NS < x->due_ns)
		x->due_ns = s->end_ns + PERFETTO_GC_WAIT_NS;
	return 0;
}

static bool overlaps_in_part(const struct perfetto_slice *a, const struct perfetto_slice *b)
{
	bool apart = a->end_ns <= b->start_ns || b->end_ns <= a->start_ns;
	bool a_in_b = b->start_ns <= a->start_ns && a->end_ns <= b->end_ns;
	bool b_in_a = a->start_ns <= b->start_ns && b->end_ns <= a->end_ns;

	return !apart && !a_in_b && !b_in_a;
}

/* Does part i belong inside the cycle? */
static bool is_inside(const struct waiting *p, int i, const struct perfetto_slice *cycle)
{
	const struct perfetto_slice *s = &p->parts[i];

	if (s->start_ns < cycle->start_ns || s->end_ns > cycle->end_ns)
		return false;
	for (int k = 0; s->mark && k < p->cnt; k++)
		if (!p->parts[k].mark && overlaps_in_part(s, &p->parts[k]))
			return false;
	return true;
}

/* What is open on a track. */
struct nest {
	uint64_t track, ends[DEPTH_MAX];
	int depth;
};

/* Closes all that cannot contain s. */
static void nest_close(struct perfetto_gc *x, struct nest *n, const struct perfetto_slice *s)
{
	while (n->depth) {
		uint64_t end = n->ends[n->depth - 1];

		if (end > s->start_ns || (end == s->start_ns && s->end_ns == end))
			return; /* the latter: nothing long, at the very end of the outer one */
		pftrace_end(x->t, n->track, end);
		n->depth--;
	}
}

static bool nest_open(struct perfetto_gc *x, struct nest *n, const struct perfetto_slice *s)
{
	nest_close(x, n, s);
	if (n->depth == DEPTH_MAX || (n->depth && s->end_ns > n->ends[n->depth - 1]))
		return false;
	pftrace_begin(x->t, n->track, s->start_ns, s->details, s->sz);
	n->ends[n->depth++] = s->end_ns;
	return true;
}

static void write_cycle(struct perfetto_gc *x, uint64_t process, const struct perfetto_slice *cycle,
			const struct perfetto_slice *parts, int cnt)
{
	struct nest n = {
		.track = perfetto_tracks_lane(x->tracks, process, SLOT_GC, 0, "GC", cycle->start_ns, cycle->end_ns)};

	nest_open(x, &n, cycle);
	for (int i = 0; i < cnt; i++)
		if (!nest_open(x, &n, &parts[i]))
			write_alone(x, process, &parts[i]);
	while (n.depth)
		pftrace_end(x->t, n.track, n.ends[--n.depth]);
}

void perfetto_gc_cycle(struct perfetto_gc *x, uint64_t process, const struct perfetto_slice *s)
{
	struct perfetto_slice inside[PERFETTO_GC_PARTS];
	struct waiting *p = hashmap_find(x->processes, process);
	int cnt = 0;

	if (!p || !p->cnt) {
		write_cycle(x, process, s, NULL, 0);
		return;
	}
	qsort(p->parts, (size_t)p->cnt, sizeof(*p->parts), by_start);
	for (int i = 0; i < p->cnt; i++) {
		if (is_inside(p, i, s))
			inside[cnt++] = p->parts[i];
		else
			write_alone(x, process, &p->parts[i]);
	}
	write_cycle(x, process, s, inside, cnt);
	drop_first(p, p->cnt);
}

void perfetto_gc_flush(struct perfetto_gc *x, uint64_t now_ns)
{
	uint64_t key;
	size_t pos = 0;
	void *value;

	if (now_ns < x->due_ns)
		return;
	x->due_ns = UINT64_MAX;
	while (hashmap_next(x->processes, &pos, &key, &value)) {
		struct waiting *p = value;
		int n = 0;

		while (n < p->cnt && p->parts[n].end_ns + PERFETTO_GC_WAIT_NS <= now_ns)
			n++;
		flush_first(x, key, p, now_ns == UINT64_MAX ? p->cnt : n);
		if (p->cnt && p->parts[0].end_ns + PERFETTO_GC_WAIT_NS < x->due_ns)
			x->due_ns = p->parts[0].end_ns + PERFETTO_GC_WAIT_NS;
	}
}

void perfetto_gc_gone(struct perfetto_gc *x, uint64_t process)
{
	struct waiting *p = hashmap_remove(x->processes, process);

	if (p)
		flush_first(x, process, p, p->cnt);
	waiting_free(p);
}
