/* SPDX-License-Identifier: BSD-2-Clause */
/* Events as a Perfetto trace: a group of tracks for each container and in it one for each process.
 *
 *   namespace/pod:container
 *     verdicts, oom kills          instants
 *     throttled CPU 3              one track a CPU: intervals of several overlap
 *     CPU used, working set, memory limit     counters
 *     checkout 4711
 *       GC                         cycles, their mark phase and pauses inside (perfetto_gc.c)
 *       stop-the-world             pauses outside cycles
 *       run queue NAME TID         one track a thread
 *       goroutine windows, Ps, goroutines     (perfetto_sched.c)
 *       network, network 2, ...    connects and queries; as many as overlap
 *       heap live, heap goal, goroutines, GOMAXPROCS
 *
 * Nothing in it depends on when or where it is written: a replay of a recording gives the same bytes. So the pair of
 * clocks comes from the events, too. A slice that began before the recording keeps its true start. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "export/exporter.h"
#include "export/names.h"
#include "export/perfetto_details.h"
#include "export/perfetto_gc.h"
#include "export/perfetto_sched.h"
#include "export/perfetto_tracks.h"

#define CLOCK_STEP_NS 10000 /* a new pair of clocks where they are this much off: as far as UNIX times may be wrong */
#define NAME_SZ       128

struct exporter {
	struct pftrace trace;
	struct perfetto_tracks *tracks;
	struct perfetto_gc *gc;
	struct perfetto_sched *sched;
	struct pb details;                   /* of the event at hand */
	uint64_t agent;                      /* the track of what is about the recording itself */
	uint64_t paired_ns, unix_minus_mono; /* the last pair of clocks; 0: none yet */
};

static uint64_t start_of(const struct trace_event *e)
{
	uint64_t duration_ns = names_duration_ns(e);

	return duration_ns < e->end_ns ? e->end_ns - duration_ns : 0;
}

static void put_lane(struct exporter *x, const struct trace_event *e, uint64_t group, enum track_slot slot,
		     uint32_t index, const char *name)
{
	uint64_t start_ns = start_of(e);
	uint64_t track = perfetto_tracks_lane(x->tracks, group, slot, index, name, start_ns, e->end_ns);

	pftrace_begin(&x->trace, track, start_ns, x->details.buf, x->details.len);
	pftrace_end(&x->trace, track, e->end_ns);
}

static void put_mark(struct exporter *x, const struct trace_event *e, uint64_t group, enum track_slot slot,
		     const char *name)
{
	uint64_t track = perfetto_tracks_marks(x->tracks, group, slot, name);

	pftrace_instant(&x->trace, track, e->end_ns, x->details.buf, x->details.len);
}

static int put_gc(struct exporter *x, const struct trace_event *e)
{
	uint64_t process = perfetto_tracks_process(x->tracks, e);
	struct perfetto_slice s = {.start_ns = start_of(e),
				   .end_ns = e->end_ns,
				   .mark = e->kind == TRACE_GC_MARK,
				   .details = x->details.buf,
				   .sz = x->details.len};

	if (e->kind != TRACE_GC_CYCLE)
		return perfetto_gc_part(x->gc, process, &s);
	perfetto_gc_cycle(x->gc, process, &s);
	return 0;
}

static int put_throttle(struct exporter *x, const struct trace_event *e)
{
	uint64_t container = perfetto_tracks_container(x->tracks, e);
	uint32_t cpu = e->u.event->throttle.cpu;
	char name[NAME_SZ];

	snprintf(name, sizeof(name), "throttled CPU %u", cpu);
	put_lane(x, e, container, SLOT_THROTTLED, cpu, name);
	return 0;
}

static int put_throttle_missed(struct exporter *x, const struct trace_event *e)
{
	put_lane(x, e, perfetto_tracks_container(x->tracks, e), SLOT_THROTTLE_MISSED, 0, "throttled, not seen");
	return 0;
}

static int put_runq(struct exporter *x, const struct trace_event *e)
{
	uint32_t tid = e->u.event->runq.hdr.tid;
	char name[NAME_SZ];

	snprintf(name, sizeof(name), "run queue %.*s %u", EVENT_COMM_SZ, e->u.event->runq.comm, tid);
	put_lane(x, e, perfetto_tracks_process(x->tracks, e), SLOT_RUNQ, tid, name);
	return 0;
}

static int put_assist(struct exporter *x, const struct trace_event *e)
{
	put_lane(x, e, perfetto_tracks_process(x->tracks, e), SLOT_ASSISTS, 0, "GC assist waits");
	return 0;
}

static int put_network(struct exporter *x, const struct trace_event *e)
{
	put_lane(x, e, perfetto_tracks_process(x->tracks, e), SLOT_NETWORK, 0, "network");
	return 0;
}

static int put_network_mark(struct exporter *x, const struct trace_event *e)
{
	put_mark(x, e, perfetto_tracks_process(x->tracks, e), SLOT_NETWORK_MARKS, "retransmits, resets");
	return 0;
}

static int put_oom(struct exporter *x, const struct trace_event *e)
{
	put_mark(x, e, perfetto_tracks_container(x->tracks, e), SLOT_OOM, "oom kills");
	return 0;
}

static void forget_process(struct exporter *x, uint64_t process)
{
	perfetto_gc_gone(x->gc, process);
	perfetto_sched_gone(x->sched, process);
}

static int put_life(struct exporter *x, const struct trace_event *e)
{
	uint64_t process = perfetto_tracks_process(x->tracks, e);

	put_mark(x, e, process, SLOT_LIFE, "process");
	if (e->kind == TRACE_PROCESS_EXIT)
		forget_process(x, process);
	return 0;
}

static int put_verdict(struct exporter *x, const struct trace_event *e)
{
	put_mark(x, e, perfetto_tracks_container(x->tracks, e), SLOT_VERDICTS, "verdicts");
	return 0;
}

static int put_lost(struct exporter *x, const struct trace_event *e)
{
	pftrace_instant(&x->trace, x->agent, e->end_ns, x->details.buf, x->details.len);
	return 0;
}

static int put_sched_span(struct exporter *x, const struct trace_event *e)
{
	return perfetto_sched_span(x->sched, e);
}

static int put_sched_window(struct exporter *x, const struct trace_event *e)
{
	return perfetto_sched_window(x->sched, e, x->details.buf, x->details.len);
}

/* Nothing for what is unknown, and for "none" and "off": a line at 0 would say something else. */
static void put_count(struct exporter *x, const struct trace_event *e, uint64_t group, enum track_slot slot,
		      const char *name, enum pftrace_unit unit, int64_t value)
{
	if (value != STAT_UNKNOWN && value >= 0)
		pftrace_count(&x->trace, perfetto_tracks_counter(x->tracks, group, slot, name, unit), e->end_ns, value);
}

static int put_sample(struct exporter *x, const struct trace_event *e)
{
	uint64_t process = perfetto_tracks_process(x->tracks, e);
	const struct runtime_sample *s = e->u.sample;

	put_count(x, e, process, SLOT_HEAP_LIVE, "heap live", PFTRACE_BYTES, s->heap_live_bytes);
	put_count(x, e, process, SLOT_HEAP_GOAL, "heap goal", PFTRACE_BYTES, s->heap_goal_bytes);
	put_count(x, e, process, SLOT_GOROUTINES, "goroutines", PFTRACE_COUNT, s->goroutines);
	put_count(x, e, process, SLOT_GOMAXPROCS, "GOMAXPROCS", PFTRACE_COUNT, s->gomaxprocs);
	return 0;
}

static int put_usage(struct exporter *x, const struct trace_event *e)
{
	uint64_t container = perfetto_tracks_container(x->tracks, e);
	uint64_t since = perfetto_tracks_reading(x->tracks, container, SLOT_CPU, e->end_ns);
	const struct trace_usage *u = &e->u.usage;

	/* A counter's value lasts until the next one: this one is that of the time from the reading before. */
	if (isfinite(u->cpu_cpus))
		pftrace_count_real(&x->trace,
				   perfetto_tracks_counter(x->tracks, container, SLOT_CPU, "CPU used", PFTRACE_CPUS),
				   since ? since : e->end_ns, u->cpu_cpus);
	put_count(x, e, container, SLOT_WORKING_SET, "working set", PFTRACE_BYTES, u->working_set_bytes);
	put_count(x, e, container, SLOT_MEMORY_LIMIT, "memory limit", PFTRACE_BYTES, u->memory_limit_bytes);
	return 0;
}

static int (*const writers[TRACE_KIND_CNT])(struct exporter *x, const struct trace_event *e) = {
	[TRACE_GC_CYCLE] = put_gc,
	[TRACE_GC_MARK] = put_gc,
	[TRACE_GC_PAUSE] = put_gc,
	[TRACE_GC_ASSIST] = put_assist,
	[TRACE_THROTTLE] = put_throttle,
	[TRACE_THROTTLE_MISSED] = put_throttle_missed,
	[TRACE_RUNQ] = put_runq,
	[TRACE_TCP_CONNECT] = put_network,
	[TRACE_TCP_RETRANSMIT] = put_network_mark,
	[TRACE_TCP_RESET] = put_network_mark,
	[TRACE_DNS_QUERY] = put_network,
	[TRACE_OOM_KILL] = put_oom,
	[TRACE_PROCESS_START] = put_life,
	[TRACE_PROCESS_EXIT] = put_life,
	[TRACE_VERDICT] = put_verdict,
	[TRACE_LOST] = put_lost,
	[TRACE_SCHED_WAIT] = put_sched_span,
	[TRACE_SCHED_RUN] = put_sched_span,
	[TRACE_SCHED_PARK] = put_sched_span,
	[TRACE_SCHED_WINDOW] = put_sched_window,
	[TRACE_SAMPLE] = put_sample,
	[TRACE_USAGE] = put_usage,
};

/* The pair of clocks of this event, where it says something new. Pairs in a trace must not run backwards. */
static void pair_clocks(struct exporter *x, const struct trace_event *e)
{
	uint64_t unix_ns = e->start_unix_ns + e->duration_ns, offset = unix_ns - e->end_ns;
	uint64_t off = offset - x->unix_minus_mono;

	if (!e->start_unix_ns || e->end_ns <= x->paired_ns)
		return;
	if (x->paired_ns && (off < CLOCK_STEP_NS || -off < CLOCK_STEP_NS))
		return;
	x->paired_ns = e->end_ns;
	x->unix_minus_mono = offset;
	pftrace_clocks(&x->trace, e->end_ns, unix_ns);
}

/* Hundreds of thousands of these a second: they make their details themselves. */
static bool is_sched_span(enum trace_kind k)
{
	return k == TRACE_SCHED_WAIT || k == TRACE_SCHED_RUN || k == TRACE_SCHED_PARK;
}

static int perfetto_event(struct exporter *x, const struct trace_event *e)
{
	int err = 0;

	if (x->trace.err || (unsigned int)e->kind >= TRACE_KIND_CNT || !writers[e->kind])
		return x->trace.err;
	pair_clocks(x, e);
	perfetto_gc_flush(x->gc, e->end_ns);
	pb_clear(&x->details);
	if (!is_sched_span(e->kind)) {
		perfetto_sched_forget(x->sched);
		if (trace_kind_name(e->kind))
			err = perfetto_details(&x->details, e);
	}
	if (!err)
		err = writers[e->kind](x, e);
	if (err && !x->trace.err)
		x->trace.err = err;
	return x->trace.err;
}

static int perfetto_flush(struct exporter *x)
{
	errno = 0;
	if (!x->trace.err && fflush(x->trace.file))
		x->trace.err = errno ? -errno : -EIO;
	return x->trace.err;
}

static int perfetto_end(struct exporter *x)
{
	perfetto_gc_flush(x->gc, UINT64_MAX);
	perfetto_sched_flush(x->sched);
	return perfetto_flush(x);
}

static struct exporter *perfetto_free(struct exporter *x)
{
	if (!x)
		return NULL;
	perfetto_sched_free(x->sched);
	perfetto_gc_free(x->gc);
	perfetto_tracks_free(x->tracks);
	pftrace_deinit(&x->trace);
	pb_deinit(&x->details);
	free(x);
	return NULL;
}

static int perfetto_open(const struct exporter_cfg *cfg, struct exporter **ret)
{
	struct exporter *x = calloc(1, sizeof(*x));
	char name[2 * NAME_SZ];
	int err;

	if (!x)
		return -ENOMEM;
	pftrace_init(&x->trace, cfg->file);
	pb_init(&x->details);
	snprintf(name, sizeof(name), "gopherscope %s on %s", cfg->agent_version ? cfg->agent_version : "",
		 cfg->node_name ? cfg->node_name : "?");
	x->agent = pftrace_track(&x->trace, 0, name, 0);
	err = perfetto_tracks_new(&x->trace, &x->tracks);
	if (!err)
		err = perfetto_gc_new(&x->trace, x->tracks, &x->gc);
	if (!err)
		err = perfetto_sched_new(&x->trace, x->tracks, &x->sched);
	if (!err)
		err = x->trace.err;
	if (err) {
		perfetto_free(x);
		return err;
	}
	*ret = x;
	return 0;
}

const struct exporter_ops perfetto_exporter = {
	.name = "perfetto",
	.extension = ".pftrace",
	.open = perfetto_open,
	.event = perfetto_event,
	.flush = perfetto_flush,
	.end = perfetto_end,
	.free = perfetto_free,
};
