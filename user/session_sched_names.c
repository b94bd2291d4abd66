/* SPDX-License-Identifier: BSD-2-Clause */
/* Events of goroutine windows on their way to the records: what an address, a stack or a reason in them means is told
 * ahead of the first event that needs it, and who a goroutine is that is older than the window is read from its memory
 * (1.5 us), some hundred in a drain at most; the others stay unknown. A busy server has some 100,000 events a second,
 * so most of them must pass with one look at an array. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"
#include "base/log.h"
#include "base/str.h"
#include "runtime/process_lines.h"
#include "session_sched.h"

#define NAMES_MAX     30000  /* told of a process */
#define GS_MAX        300000 /* of all windows: 16 MB at most; beyond it goroutines are looked up again and again */
#define READS_A_DRAIN 300
#define G_SPAN_MAX    1024 /* bytes of a g between the fields that are read */
#define ID_BITS       60
#define PRESENT       ((void *)1)
#define FRESH         ((void *)UINTPTR_MAX) /* made in this window, its goid is not known yet */

/* ---- life ---------------------------------------------------------------------------------------------- */

static int names_new(struct session *s, const struct process *p, struct sched_names **ret)
{
	struct sched_names *n = calloc(1, sizeof(*n));
	int err = n ? hashmap_new(NAMES_MAX, &n->told) : -ENOMEM;
	uint64_t at = p->binary->globals[GLOBAL_WAIT_REASONS];

	if (err) {
		free(n);
		return err;
	}
	n->mem.fd = -1;
	n->gs_cnt = &s->sched.gs_cnt;
	wait_reasons_of_version(p->binary->go_minor, &n->reasons);
	if (!memory_open(&n->mem, s->opts->root, p->pid))
		wait_reasons_read(&n->mem, at ? at + p->bias : 0, p->binary->go_minor, &n->reasons);
	*ret = n;
	return 0;
}

int sched_names_begin(struct session *s, const struct process *p, struct sched_watch *w)
{
	int err = w->names ? 0 : names_new(s, p, &w->names);

	if (!err && !s->sched.batch)
		s->sched.batch = calloc(1, sizeof(*s->sched.batch));
	if (!err)
		err = s->sched.batch ? hashmap_new(GS_MAX, &w->names->gs) : -ENOMEM;
	if (err)
		sched_names_end(w);
	return err;
}

static void forget_gs(struct sched_names *n)
{
	if (n->gs)
		*n->gs_cnt -= hashmap_cnt(n->gs);
	n->gs = hashmap_free(n->gs);
}

void sched_names_end(struct sched_watch *w)
{
	struct sched_names *n = w->names;

	if (!n)
		return;
	forget_gs(n);
	memset(n->seen, 0, sizeof(n->seen));
}

void sched_names_free(struct sched_names *n)
{
	if (!n)
		return;
	forget_gs(n);
	hashmap_free(n->told);
	memory_close(&n->mem);
	free(n);
}

/* ---- names --------------------------------------------------------------------------------------------- */

static void name_created(struct code_lines *lines, const struct process *p, const struct go_sched_event *e,
			 struct record_sched_name *r)
{
	struct census_group g = {.start_pc = e->startpc ? e->startpc - p->bias : 0};
	struct code_frame f;

	if (process_lines_is_main(lines, &g)) /* its go statement is in the runtime's assembly */
		str_copy(r->function, sizeof(r->function), "(start of the program)");
	else if (process_lines_site(lines, e->arg - p->bias, false, &f))
		session_name_frame(&f, r->function, sizeof(r->function), r->at, sizeof(r->at));
}

static void name_function(struct code_lines *lines, uint64_t pc, struct record_sched_name *r)
{
	struct code_frame f[1];
	char at[sizeof(r->at)] = "";

	if (code_lines_find(lines, code_lines_wrapped(lines, pc), false, f, 1))
		session_name_frame(&f[0], r->function, sizeof(r->function), at, sizeof(at));
}

/* The innermost frame that is no plumbing; the outermost one if all are. */
static void name_stack(struct session *s, struct code_lines *lines, const struct process *p,
		       struct record_sched_name *r)
{
	struct go_sched_stack stack;
	struct code_frame f;
	bool found = false;

	if (probes_sched_stack(s->probes, r->id, &stack))
		return;
	for (int i = 0; i < GO_SCHED_STACK_DEPTH && stack.pc[i]; i++) {
		if (!process_lines_site(lines, stack.pc[i] - p->bias, true, &f))
			continue;
		found = true;
		if (!census_is_plumbing(f.function))
			break;
	}
	if (found)
		session_name_frame(&f, r->function, sizeof(r->function), r->at, sizeof(r->at));
}

static void tell_name(struct session *s, struct process *p, enum sched_name_what what, uint64_t id,
		      const struct go_sched_event *e)
{
	struct record_sched_name r = {.pid = p->pid, .what = what, .id = id};
	struct sched_names *n = p->watched->sched->names;
	struct code_lines *lines;
	uint64_t key = (uint64_t)what << ID_BITS ^ id, *named = &n->named[(key ^ key >> 16) & (SCHED_SEEN - 1)];

	if (*named == key || (!id && what != SCHED_NAME_REASON))
		return;
	*named = key;
	if (hashmap_add(n->told, key, PRESENT))
		return; /* it was, or there are too many */
	if (what == SCHED_NAME_REASON) {
		char words[WAIT_REASON_SZ];

		wait_reasons_get(&n->reasons, (unsigned int)id, words);
		str_copy(r.function, sizeof(r.function), words);
	} else if ((lines = session_lines(s, p))) {
		if (what == SCHED_NAME_CREATED)
			name_created(lines, p, e, &r);
		else if (what == SCHED_NAME_FUNCTION)
			name_function(lines, id - p->bias, &r);
		else
			name_stack(s, lines, p, &r);
	}
	if (r.function[0])
		session_tell(s, RECORD_SCHED_NAME, &r, sizeof(r));
}

static void tell_names_of(struct session *s, struct process *p, const struct go_sched_event *e)
{
	switch (e->kind) {
	case GO_SCHED_NEW:
	case GO_SCHED_KNOWN:
		tell_name(s, p, SCHED_NAME_CREATED, e->arg, e);
		tell_name(s, p, SCHED_NAME_FUNCTION, e->startpc, e);
		break;
	case GO_SCHED_PARK:
		tell_name(s, p, SCHED_NAME_STACK, e->arg, e);
		tell_name(s, p, SCHED_NAME_REASON, e->reason, e);
		break;
	}
}

/* ---- goroutines that are older than the window --------------------------------------------------------- */

static uint64_t field_of(const uint8_t *span, int from, int field)
{
	uint64_t v;

	memcpy(&v, span + (field - from), sizeof(v));
	return v;
}

/* True if the g at that address is still this goroutine; fills who it is. */
static bool read_g(const struct process *p, const struct sched_names *n, const struct go_sched_event *e,
		   struct go_sched_event *ret)
{
	const int16_t *f = p->binary->fields;
	const int goid = f[FIELD_G_GOID], gopc = f[FIELD_G_GOPC], startpc = f[FIELD_G_STARTPC];
	uint8_t span[G_SPAN_MAX];
	int from = goid < gopc ? goid : gopc, to = goid > gopc ? goid : gopc;

	from = startpc < from ? startpc : from;
	to = (startpc > to ? startpc : to) + (int)sizeof(uint64_t);
	if (from < 0 || to - from > G_SPAN_MAX || n->mem.fd < 0)
		return false;
	if (memory_read(&n->mem, e->g + (uint64_t)from, span, (size_t)(to - from)))
		return false;
	*ret = (struct go_sched_event){.time_ns = e->time_ns,
				       .g = e->g,
				       .goid = e->goid,
				       .arg = field_of(span, from, gopc),
				       .startpc = field_of(span, from, startpc),
				       .slot = e->slot,
				       .kind = GO_SCHED_KNOWN,
				       .p = GO_SCHED_P_UNKNOWN};
	return field_of(span, from, goid) == e->goid;
}

static void remember(struct sched_names *n, uint64_t g, void *who)
{
	size_t before = hashmap_cnt(n->gs);

	if (*n->gs_cnt >= GS_MAX && !hashmap_find(n->gs, g))
		return;
	hashmap_set(n->gs, g, who);
	*n->gs_cnt += hashmap_cnt(n->gs) - before;
}

/* The goroutine at an address is the one that was last seen there, or made there in this window. */
static bool is_known(struct sched_names *n, const struct go_sched_event *e)
{
	uint64_t *seen = &n->seen[e->goid & (SCHED_SEEN - 1)];
	void *at;

	if (*seen == e->goid)
		return true;
	at = hashmap_find(n->gs, e->g);
	if (at == FRESH)
		hashmap_set(n->gs, e->g, (void *)(uintptr_t)e->goid);
	else if (at != (void *)(uintptr_t)e->goid)
		return false;
	*seen = e->goid;
	return true;
}

/* One look at each, successful or not. False: nothing is to be told of it. */
static bool look_up(struct session *s, const struct process *p, const struct go_sched_event *e,
		    struct go_sched_event *known)
{
	struct sched_names *n = p->watched->sched->names;

	if (e->kind == GO_SCHED_NEW) {
		remember(n, e->g, FRESH);
		return false;
	}
	if (!e->goid || !e->g || is_known(n, e) || !s->sched.reads_left)
		return false;
	s->sched.reads_left--;
	remember(n, e->g, (void *)(uintptr_t)e->goid);
	return read_g(p, n, e, known);
}

/* ---- events -------------------------------------------------------------------------------------------- */

static void tell_batch(struct session *s)
{
	struct record_go_sched *b = s->sched.batch;

	if (b->cnt)
		session_tell(s, RECORD_GO_SCHED, b, RECORD_GO_SCHED_SZ(b->cnt));
	b->cnt = 0;
}

/* Names go ahead of the batch that the event is in. */
static void put(struct session *s, struct process *p, const struct go_sched_event *e)
{
	struct record_go_sched *b = s->sched.batch;

	tell_names_of(s, p, e);
	b->events[b->cnt++] = *e;
	if (b->cnt == RECORD_SCHED_EVENTS)
		tell_batch(s);
}

void session_sched_events(pid_t pid, const struct go_sched_event *events, unsigned int cnt, void *arg)
{
	struct session *s = arg;
	struct process *p = proc_table_find(s->procs, pid);
	struct sched_watch *w = p && p->watched ? p->watched->sched : NULL;
	struct go_sched_event known;

	if (!w || !(w->open || w->going) || !s->cfg.feed)
		return;
	s->sched.batch->pid = pid;
	for (unsigned int i = 0; i < cnt; i++) {
		if (look_up(s, p, &events[i], &known))
			put(s, p, &known);
		put(s, p, &events[i]);
	}
	tell_batch(s);
}

int session_sched_drain(struct session *s)
{
	s->sched.reads_left = READS_A_DRAIN;
	return s->probes && probes_sched_windows(s->probes) ? probes_sched_drain(s->probes) : 0;
}
