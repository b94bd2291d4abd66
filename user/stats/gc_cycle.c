/* SPDX-License-Identifier: BSD-2-Clause */
/* One cycle on the wire: GC_START while the world is stopped, the pause with reason 2 around it, perhaps pauses with
 * reason 1 (mark was not done after all and restarts), GC_MARK_END inside the last stop, the pause with reason 1 around
 * it, which ends the cycle. The world is stopped at each of them, so the ring keeps this order within a process.
 *
 * The stamp that the runtime passes to startCycle and endCycle is taken before it stops the world, so mark runs from
 * the end of the first pause to the stamp of GC_MARK_END: tMark and tMarkTerm of a gctrace line. A cycle is told only
 * when its begin and end were both seen; everything else is counted as broken. */
#include "stats/gc_cycle.h"

#include <string.h>

static void cycle_adrift(struct gc_cycle_state *s, bool mark_ended)
{
	s->broken++;
	s->in_cycle = false;
	s->adrift = true;
	s->mark_ended = mark_ended;
}

static void feed_start(struct gc_cycle_state *s, const struct event_gc_start *e)
{
	uint64_t now = e->hdr.time_ns;

	if (s->in_cycle)
		s->broken++; /* the end of the one before never came */
	s->in_cycle = true;
	s->adrift = false;
	s->mark_ended = false;
	s->started_ns = now;
	s->mark_start_ns = e->mark_start_ns && e->mark_start_ns <= now ? e->mark_start_ns : now;
	s->start_ns = s->mark_start_ns;
	s->mark_end_ns = 0;
	s->trigger = e->trigger;
	s->procs = e->procs;
	s->pauses = 0;
	s->pause_sum_ns = 0;
	s->known = false;
}

static void done_fill(const struct gc_cycle_state *s, uint64_t end_ns, struct gc_cycle_done *done)
{
	*done = (struct gc_cycle_done){
		.start_ns = s->start_ns,
		.end_ns = end_ns,
		.mark_start_ns = s->mark_start_ns,
		.mark_end_ns = s->mark_end_ns,
		.trigger = s->trigger,
		.procs = s->procs,
		.pauses = s->pauses,
		.pause_sum_ns = s->pause_sum_ns,
	};
}

void gc_cycle_numbers(const struct event_gc_done *e, struct runtime_cycle *ret)
{
	*ret = (struct runtime_cycle){
		.numgc = e->numgc,
		.sweep_term_ns = e->sweep_term_ns,
		.mark_ns = e->mark_ns,
		.mark_term_ns = e->mark_term_ns,
		.end_ns = e->end_ns,
		.assist_ns = e->assist_ns,
		.dedicated_ns = e->dedicated_ns,
		.fractional_ns = e->fractional_ns,
		.idle_ns = e->idle_ns,
		.heap0 = e->heap0,
		.heap1 = e->heap1,
		.heap2 = e->heap2,
		.goal = e->goal,
		.stacks = e->stacks,
		.globals = e->globals,
		.stwprocs = e->stwprocs,
		.maxprocs = e->maxprocs,
		.forced = e->flags & GC_DONE_FORCED,
		.leak_check = e->flags & GC_DONE_LEAK_CHECK   ? 1
			      : e->flags & GC_DONE_LEAK_KNOWN ? 0
							      : -1,
	};
	memcpy(&ret->cpu_fraction, &e->cpu_fraction, sizeof(ret->cpu_fraction));
}

/* The numbers come inside the last stop, before its pause. They are of this cycle if its mark ended when we saw it end:
 * the runtime gives the same stamp to endCycle and to work.tMarkTerm. */
static void feed_numbers(struct gc_cycle_state *s, const struct event_gc_done *e)
{
	if (!s->in_cycle || !s->mark_ended || e->mark_term_ns != (int64_t)s->mark_end_ns)
		return;
	s->known = true;
	gc_cycle_numbers(e, &s->numbers);
}

static bool feed_mark_end(struct gc_cycle_state *s, uint64_t end_ns, struct gc_cycle_done *done)
{
	if (!s->in_cycle) {
		if (s->adrift && !s->mark_ended)
			s->mark_ended = true; /* still the cycle that is counted already */
		else
			cycle_adrift(s, true);
		return false;
	}
	if (s->mark_ended) { /* the end of this one and the begin of the next were lost: two cycles */
		s->broken++;
		cycle_adrift(s, true);
		return false;
	}
	if (end_ns < s->mark_start_ns) {
		cycle_adrift(s, true);
		return false;
	}
	s->mark_ended = true;
	s->mark_end_ns = end_ns;
	done_fill(s, end_ns, done);
	done->mark = true;
	return true;
}

static void add_pause(struct gc_cycle_state *s, const struct event_gc_pause *e)
{
	s->pauses++;
	s->pause_sum_ns += e->hdr.time_ns - e->start_ns;
}

static void feed_sweep_term(struct gc_cycle_state *s, const struct event_gc_pause *e)
{
	bool ours = s->in_cycle && !s->pauses && !s->mark_ended && e->start_ns <= s->started_ns &&
		    s->started_ns <= e->hdr.time_ns;

	if (!ours) { /* the pause of a cycle whose start was lost */
		if (s->in_cycle)
			s->broken++;
		cycle_adrift(s, false);
		return;
	}
	add_pause(s, e);
	s->start_ns = e->start_ns;
	s->mark_start_ns = e->hdr.time_ns;
}

static bool feed_mark_term(struct gc_cycle_state *s, const struct event_gc_pause *e, struct gc_cycle_done *done)
{
	if (!s->in_cycle) {
		if (!s->adrift)
			cycle_adrift(s, false); /* perhaps its end, perhaps a restart of mark */
		else if (s->mark_ended)
			s->adrift = s->mark_ended = false; /* now it is over */
		return false;
	}
	if (e->start_ns < s->started_ns || (s->mark_ended && e->hdr.time_ns < s->mark_end_ns)) {
		cycle_adrift(s, s->mark_ended);
		return false;
	}
	add_pause(s, e);
	if (!s->mark_ended)
		return false; /* mark restarts; or the end of mark was lost, which the next start will show */
	done_fill(s, e->hdr.time_ns, done);
	done->cycle = true;
	done->known = s->known;
	if (s->known)
		done->numbers = s->numbers;
	s->in_cycle = s->mark_ended = false;
	s->cycles++;
	return true;
}

static bool feed_pause(struct gc_cycle_state *s, const struct event_gc_pause *e, struct gc_cycle_done *done)
{
	if (e->start_ns > e->hdr.time_ns)
		return false;
	if (e->reason == STW_GC_SWEEP_TERM)
		feed_sweep_term(s, e);
	else if (e->reason == STW_GC_MARK_TERM)
		return feed_mark_term(s, e, done);
	/* Before Go 1.21 the stop of a mark restart has no number, but the words of gcMarkDone. */
	else if (s->in_cycle && e->reason == STW_UNKNOWN && !strncmp(e->text, "gcing", sizeof(e->text)))
		add_pause(s, e);
	return false;
}

bool gc_cycle_feed(struct gc_cycle_state *s, const union event *e, struct gc_cycle_done *done)
{
	memset(done, 0, sizeof(*done));
	switch (e->hdr.kind) {
	case EVENT_GC_START:
		feed_start(s, &e->gc_start);
		return false;
	case EVENT_GC_MARK_END:
		return feed_mark_end(s, e->hdr.time_ns, done);
	case EVENT_GC_PAUSE:
		return feed_pause(s, &e->gc_pause, done);
	case EVENT_GC_DONE:
		feed_numbers(s, &e->gc_done);
		return false;
	default:
		return false;
	}
}

void gc_cycle_break(struct gc_cycle_state *s)
{
	if (s->in_cycle)
		cycle_adrift(s, s->mark_ended);
}
