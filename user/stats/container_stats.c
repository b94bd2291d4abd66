/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps the raw spans and readings of one container as they come; container_fill.c counts them for a window, detail.c
 * hands them out one by one. All of it is for the last minute, bounded by count and by the budget of all containers. */
#include "stats/container_stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "stats/container_state.h"

int container_stats_new(struct stats_budget *budget, struct container_stats **ret)
{
	struct container_stats *c = calloc(1, sizeof(*c));

	int err;

	if (!c)
		return -ENOMEM;
	err = net_stats_new(budget, &c->net);
	if (err) {
		free(c);
		return err;
	}
	c->budget = budget;
	span_ring_init(&c->pauses, STATS_PAUSES_MAX, budget);
	span_ring_init(&c->cycles, STATS_CYCLES_MAX, budget);
	span_ring_init(&c->marks, STATS_CYCLES_MAX, budget);
	span_ring_init(&c->passive, STATS_PASSIVE_MAX, budget);
	span_ring_init(&c->throttles, STATS_THROTTLES_MAX, budget);
	span_ring_init(&c->ooms, STATS_OOM_MAX, budget);
	runq_stats_init(&c->runq, budget);
	assist_stats_init(&c->assists, budget);
	sched_stats_init(&c->sched, budget);
	go_sched_stats_init(&c->go_sched, budget);
	readings_init(&c->usage, STATS_READINGS_MAX);
	readings_init(&c->gc_cpu, STATS_READINGS_MAX);
	readings_init(&c->cost, STATS_READINGS_MAX);
	*ret = c;
	return 0;
}

struct container_stats *container_stats_free(struct container_stats *c)
{
	if (!c)
		return NULL;
	free(c->polls);
	readings_deinit(&c->cost);
	readings_deinit(&c->gc_cpu);
	readings_deinit(&c->usage);
	free(c->missed);
	stats_budget_resize(c->budget, c->missed_cap * sizeof(*c->missed), 0);
	go_sched_stats_deinit(&c->go_sched);
	sched_stats_deinit(&c->sched);
	assist_stats_deinit(&c->assists);
	runq_stats_deinit(&c->runq);
	span_ring_deinit(&c->ooms);
	span_ring_deinit(&c->throttles);
	span_ring_deinit(&c->passive);
	span_ring_deinit(&c->marks);
	span_ring_deinit(&c->cycles);
	span_ring_deinit(&c->pauses);
	net_stats_free(c->net);
	free(c);
	return NULL;
}

void container_stats_since(struct container_stats *c, uint64_t since_ns)
{
	c->since_ns = since_ns;
}

static void count_lost(struct container_stats *c, enum signal_id signal, uint64_t cnt)
{
	c->lost += cnt;
	if (c->budget)
		c->budget->lost[signal] += cnt;
}

static enum signal_id ring_signal(const struct container_stats *c, const struct span_ring *r)
{
	if (r == &c->passive)
		return SIGNAL_GO_RUNTIME;
	return r == &c->throttles ? SIGNAL_CPU_THROTTLE : r == &c->ooms ? SIGNAL_MEM_OOM : SIGNAL_GO_GC;
}

static void add_span(struct container_stats *c, struct span_ring *r, uint64_t start_ns, uint64_t end_ns, uint16_t tag)
{
	int lost = span_ring_add(r, start_ns, end_ns, tag);

	if (lost)
		count_lost(c, ring_signal(c, r), lost > 0 ? (uint64_t)lost : 1);
}

void container_stats_pause(struct container_stats *c, uint32_t pid, const struct event_gc_pause *e)
{
	uint16_t tag = e->reason < STW_TEST_FIRST ? (uint16_t)e->reason : STW_TEST_FIRST;

	add_span(c, &c->pauses, e->start_ns, e->hdr.time_ns, tag);
}

void container_stats_cycle(struct container_stats *c, uint64_t start_ns, uint64_t end_ns)
{
	add_span(c, &c->cycles, start_ns, end_ns, 0);
}

void container_stats_mark(struct container_stats *c, uint64_t start_ns, uint64_t end_ns)
{
	add_span(c, &c->marks, start_ns, end_ns, 0);
}

void container_stats_passive(struct container_stats *c, uint64_t end_ns, uint64_t pause_ns)
{
	add_span(c, &c->passive, end_ns > pause_ns ? end_ns - pause_ns : 0, end_ns, 0);
}

void container_stats_throttle(struct container_stats *c, const struct event_throttle *e)
{
	add_span(c, &c->throttles, e->start_ns, e->hdr.time_ns, e->cpu < UINT16_MAX ? (uint16_t)e->cpu : UINT16_MAX);
}

static bool missed_grow(struct container_stats *c)
{
	size_t cap = c->missed_cap ? c->missed_cap * 2 : 16, sz = sizeof(*c->missed);
	struct missed *m;

	if (c->missed_cap == STATS_MISSED_MAX || !stats_budget_resize(c->budget, c->missed_cap * sz, cap * sz))
		return false;
	m = realloc(c->missed, cap * sz);
	if (!m) {
		stats_budget_resize(c->budget, cap * sz, c->missed_cap * sz);
		return false;
	}
	c->missed = m;
	c->missed_cap = cap;
	return true;
}

/* Room for one more; where there is no more to have, the oldest gives way. */
static bool missed_reserve(struct container_stats *c)
{
	if (c->missed_cnt < c->missed_cap || missed_grow(c))
		return true;
	if (!c->missed_cnt)
		return false;
	count_lost(c, SIGNAL_CPU_THROTTLE, 1);
	c->missed_cnt--;
	memmove(c->missed, c->missed + 1, c->missed_cnt * sizeof(*c->missed));
	return true;
}

void container_stats_throttle_missed(struct container_stats *c, const struct event_throttle_missed *e)
{
	if (e->start_ns > e->hdr.time_ns || !missed_reserve(c)) {
		count_lost(c, SIGNAL_CPU_THROTTLE, 1);
		return;
	}
	c->missed[c->missed_cnt++] = (struct missed){e->start_ns, e->hdr.time_ns, e->missed_ns};
}

void container_stats_cycle_done(struct container_stats *c, int32_t pid, const struct gc_cycle_done *d)
{
	c->last[c->last_cnt++ % DETAIL_CYCLES] = (struct detail_cycle){
		.pid = pid,
		.trigger = d->trigger,
		.procs = d->procs,
		.pauses = d->pauses,
		.start_ns = d->start_ns,
		.end_ns = d->end_ns,
		.mark_start_ns = d->mark_start_ns,
		.mark_end_ns = d->mark_end_ns,
		.pause_sum_ns = d->pause_sum_ns,
		.known = d->known,
		.numbers = d->numbers,
	};
}

void container_stats_runq_armed(struct container_stats *c, uint64_t start_ns, uint64_t end_ns)
{
	count_lost(c, SIGNAL_CPU_SCHED, runq_stats_armed(&c->runq, start_ns, end_ns));
}

void container_stats_runq_window(struct container_stats *c, const struct event_runq_window *e)
{
	count_lost(c, SIGNAL_CPU_SCHED, runq_stats_window(&c->runq, e));
}

void container_stats_runq_mean(struct container_stats *c, const struct event_runq_mean *e)
{
	count_lost(c, SIGNAL_CPU_SCHED, runq_stats_mean(&c->runq, e));
}

void container_stats_runq(struct container_stats *c, const struct event_runq *e, bool own)
{
	count_lost(c, SIGNAL_CPU_SCHED, runq_stats_outlier(&c->runq, e, own));
}

void container_stats_assist(struct container_stats *c, const struct event_gc_assist *e)
{
	count_lost(c, SIGNAL_GO_ASSIST, assist_stats_wait(&c->assists, e));
}

void container_stats_assists(struct container_stats *c, const struct event_gc_assists *e)
{
	count_lost(c, SIGNAL_GO_ASSIST, assist_stats_number(&c->assists, e));
}

void container_stats_oom(struct container_stats *c, uint64_t time_ns)
{
	add_span(c, &c->ooms, time_ns, time_ns, 0);
}

void container_stats_latency(struct container_stats *c, const struct runtime_latency *l, bool diluted)
{
	count_lost(c, SIGNAL_GO_RUNTIME, sched_stats_latency(&c->sched, l, diluted));
}

void container_stats_procs(struct container_stats *c, uint64_t time_ns, bool idle)
{
	count_lost(c, SIGNAL_GO_RUNTIME, sched_stats_procs(&c->sched, time_ns, idle));
}

void container_stats_go_sched(struct container_stats *c, const struct go_sched_sum *sum, const struct go_sched_end *e)
{
	count_lost(c, SIGNAL_GO_SCHED, go_sched_stats_window(&c->go_sched, sum, e));
}

struct net_stats *container_stats_net(struct container_stats *c)
{
	return c->net;
}

void container_stats_memory(struct container_stats *c, uint64_t time_ns, int64_t working_set_bytes)
{
	memory_trend_add(&c->memory, time_ns, working_set_bytes);
}

static uint64_t last_poll_ns(const struct container_stats *c)
{
	return c->poll_cnt ? c->polls[(c->poll_cnt - 1) % DETAIL_POLLS].time_ns : 0;
}

void container_stats_poll(struct container_stats *c, uint64_t time_ns, int64_t cpu_ns)
{
	if (!c->polls) {
		c->polls = calloc(DETAIL_POLLS, sizeof(*c->polls));
		if (!c->polls)
			return; /* one poll less */
	}
	if (c->poll_cnt && time_ns <= last_poll_ns(c))
		return;
	c->polls[c->poll_cnt++ % DETAIL_POLLS] = (struct detail_poll){time_ns, cpu_ns};
}

/* The screen was closed long ago. */
static void polls_expire(struct container_stats *c, uint64_t before_ns)
{
	if (!c->polls || last_poll_ns(c) > before_ns)
		return;
	free(c->polls);
	c->polls = NULL;
	c->poll_cnt = 0;
}

void container_stats_usage(struct container_stats *c, const struct cgroup_usage *u)
{
	int64_t v[READINGS_VALUES] = {
		[USAGE_CPU] = u->cpu_ns,
		[USAGE_PERIODS] = u->nr_periods,
		[USAGE_THROTTLED] = u->nr_throttled,
		[USAGE_THROTTLED_NS] = u->throttled_ns,
	};

	if (!c->first_usage_ns)
		c->first_usage_ns = u->time_ns;
	(void)readings_add(&c->usage, u->time_ns, v); /* out of memory: one reading less */
}

void container_stats_gc_cpu(struct container_stats *c, uint64_t time_ns, int64_t gc_cpu_ns_total,
			    int64_t assist_ns_total)
{
	int64_t v[READINGS_VALUES] = {[GC_CPU] = gc_cpu_ns_total, [GC_ASSIST] = assist_ns_total};

	(void)readings_add(&c->gc_cpu, time_ns, v);
}

void container_stats_cost(struct container_stats *c, uint64_t time_ns, double cost_ns_total)
{
	bool known = cost_ns_total >= 0 && cost_ns_total < 9e18;
	int64_t v[READINGS_VALUES] = {known ? (int64_t)cost_ns_total : READING_UNKNOWN};

	(void)readings_add(&c->cost, time_ns, v);
}

static void missed_expire(struct container_stats *c, uint64_t before_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->missed_cnt; i++)
		if (c->missed[i].end_ns > before_ns)
			c->missed[kept++] = c->missed[i];
	c->missed_cnt = kept;
}

void container_stats_expire(struct container_stats *c, uint64_t now_ns)
{
	uint64_t before = now_ns > STATS_WINDOW_MAX_NS ? now_ns - STATS_WINDOW_MAX_NS : 0;

	span_ring_expire(&c->pauses, before);
	span_ring_expire(&c->cycles, before);
	span_ring_expire(&c->marks, before);
	span_ring_expire(&c->passive, before);
	span_ring_expire(&c->throttles, before);
	span_ring_expire(&c->ooms, before);
	missed_expire(c, before);
	runq_stats_expire(&c->runq, before);
	assist_stats_expire(&c->assists, before);
	sched_stats_expire(&c->sched, before);
	go_sched_stats_expire(&c->go_sched, before);
	net_stats_expire(c->net, now_ns);
	polls_expire(c, before);
	readings_expire(&c->usage, before);
	readings_expire(&c->gc_cpu, before);
	readings_expire(&c->cost, before);
}

uint64_t container_stats_lost(const struct container_stats *c)
{
	return c->lost + net_stats_lost(c->net);
}
