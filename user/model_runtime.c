/* SPDX-License-Identifier: BSD-2-Clause */
/* Readings of Go runtimes: samples and what was seen besides, censuses, cycles of processes without probes. */
#include <string.h>

#include "base/clock.h"
#include "model_private.h"

/* What it used before we looked belongs to no window of ours. */
static void set_bases(struct model_process *p, const struct runtime_sample *s)
{
	if (!p->sampled || p->sample.gc_cpu_ns == SAMPLE_UNKNOWN)
		p->gc_cpu_base_ns = s->gc_cpu_ns;
	if (!p->sampled || p->sample.assist_ns == SAMPLE_UNKNOWN)
		p->assist_base_ns = s->assist_ns;
}

void model_sample(struct model *m, const struct record_sample *r)
{
	struct model_process *p = model_process_find(m, (uint32_t)r->pid);
	struct trace_event t = {.kind = TRACE_SAMPLE, .end_ns = r->sample.time_ns, .u.sample = &r->sample};

	if (!p)
		return;
	set_bases(p, &r->sample);
	p->sample = r->sample;
	p->sampled = true;
	if (p->container && r->sample.procs_idle != SAMPLE_UNKNOWN)
		container_stats_procs(p->container->stats, r->sample.time_ns, r->sample.procs_idle > 0);
	model_trace(m, &t, p->container, p);
}

void model_latency(struct model *m, const struct record_latency *r)
{
	struct model_process *p = model_process_find(m, (uint32_t)r->pid);

	if (!p)
		return;
	p->latency_seen = true;
	p->latency_diluted = r->diluted;
	if (p->container)
		container_stats_latency(p->container->stats, &r->latency, r->diluted);
}

void model_census(struct model *m, const struct record_census *r)
{
	struct model_process *p = model_process_find(m, (uint32_t)r->pid);

	if (!p)
		return;
	p->census.budget = &m->budget;
	census_stats_add(&p->census, r);
}

static uint64_t mono_of(uint64_t unix_ns)
{
	uint64_t mono, real;

	clock_pair(&mono, &real);
	return unix_ns + mono > real ? unix_ns + mono - real : 0;
}

/* Where go_gc works it tells the same cycles, each stop of them. */
void model_pauses(struct model *m, const struct record_pauses *r)
{
	struct model_process *p = model_process_find(m, (uint32_t)r->pid);

	if (!p || !p->container || p->rec.flags & RECORD_PROCESS_GO_GC)
		return;
	p->pauses_seen = true;
	m->lost[SIGNAL_GO_RUNTIME][LOSS_LIMIT] += r->missed;
	for (uint32_t i = 0; i < r->cnt; i++)
		container_stats_passive(p->container->stats, mono_of(r->pauses[i].end_unix_ns), r->pauses[i].pause_ns);
}

void model_resources(struct model *m, const struct record_resources *r)
{
	struct model_process *p = model_process_find(m, (uint32_t)r->pid);

	if (!p)
		return;
	p->resources = *r;
	p->resources_known = true;
}

static int put(int (*fn)(const struct record *r, void *arg), void *arg, enum record_type type, const void *body,
	       size_t size)
{
	return fn(&(struct record){type, (uint32_t)size, body}, arg);
}

/* Samples are not among them: the next one comes within a second, and a trace shows them in their order. */
int model_runtime_dump(const struct model_process *p, int (*fn)(const struct record *r, void *arg), void *arg)
{
	struct record_latency latency = {.pid = p->rec.pid, .diluted = p->latency_diluted};
	struct record_pauses pauses = {.pid = p->rec.pid};
	int err = census_stats_dump(&p->census, fn, arg);

	if (!err && p->resources_known)
		err = put(fn, arg, RECORD_RESOURCES, &p->resources, sizeof(p->resources));
	if (!err && p->latency_seen)
		err = put(fn, arg, RECORD_LATENCY, &latency, sizeof(latency));
	if (!err && p->pauses_seen)
		err = put(fn, arg, RECORD_PAUSES, &pauses, sizeof(pauses));
	return err;
}
