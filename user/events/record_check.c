/* SPDX-License-Identifier: BSD-2-Clause */
/* What a record from a file must satisfy before the model gets it: size, ids, enums, flags, ends of texts, finite
 * numbers. The bounds are wide: they keep sums and differences of two values within 64 bits and do not judge. A bool is
 * looked at as a byte, because loading any other value than 0 and 1 as a bool is undefined. */
#include "events/record.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "events/recording.h"
#include "events/source.h"
#include "runtime/census.h"
#include "probes/probes.h"

#define VALUE_MAX (1ll << 62)
#define CPUS_MAX  65536
#define COUNT_MAX (1ull << 56) /* sums of some of them fit, too */

#define ENDS(text) (memchr((text), 0, sizeof(text)) != NULL)

static bool value_sane(int64_t v)
{
	return v == SAMPLE_UNKNOWN || (v > -VALUE_MAX && v < VALUE_MAX);
}

/* -1: none; as large as somebody cared to set it. */
static bool limit_sane(int64_t v)
{
	return v == LIMIT_UNKNOWN || v >= -1;
}

static bool time_sane(uint64_t ns)
{
	return ns < (uint64_t)VALUE_MAX;
}

/* NAN is unknown. */
static bool number_sane(double v)
{
	return !isinf(v);
}

static bool flag_sane(const bool *flag)
{
	return *(const unsigned char *)flag <= 1;
}

static bool id_sane(const void *body)
{
	const struct record_id *r = body;

	return r->id && time_sane(r->time_ns);
}

static bool names_end(const struct owner *o)
{
	return ENDS(o->namespace_) && ENDS(o->pod) && ENDS(o->pod_uid) && ENDS(o->container) && ENDS(o->container_id) &&
	       ENDS(o->runtime) && ENDS(o->workload_kind) && ENDS(o->workload_name) && ENDS(o->cgroup) &&
	       ENDS(o->cgroup_v2) && ENDS(o->cgroup_memory) && ENDS(o->host_comm);
}

static bool owner_sane(const void *body)
{
	const struct record_owner *r = body;

	return r->id && r->level_cnt <= RECORD_LEVELS && !r->netns_cnt &&
	       (uint32_t)r->owner.kind <= OWNER_UNATTRIBUTED && names_end(&r->owner) && r->owner.host_pid >= 0 &&
	       flag_sane(&r->owner.sandbox) && time_sane(r->owner.first_seen_ns) && time_sane(r->owner.gone_ns);
}

static bool process_sane(const void *body)
{
	const struct record_process *r = body;

	return r->pid > 0 && r->vpid >= 0 && r->flags < 2 * RECORD_PROCESS_ASSIST_WAITS &&
	       r->state <= PROCESS_SKIPPED && time_sane(r->start_unix_ns) && time_sane(r->start_ns) && ENDS(r->comm) &&
	       ENDS(r->go_version) && ENDS(r->exe) && ENDS(r->build_id) && ENDS(r->why) && ENDS(r->go_gc_why) &&
	       ENDS(r->go_runtime_why);
}

static bool process_gone_sane(const void *body)
{
	const struct record_process_gone *r = body;

	return r->pid > 0 && r->has_exit <= 1 && time_sane(r->time_ns);
}

static bool sample_sane(const void *body)
{
	const struct record_sample *r = body;
	const struct runtime_sample *s = &r->sample;
	int64_t values[(sizeof(*s) - sizeof(s->time_ns)) / sizeof(int64_t)];

	_Static_assert(sizeof(*s) % sizeof(int64_t) == 0 && offsetof(struct runtime_sample, gomaxprocs) == 8,
		       "behind time_ns: int64_t alone");
	memcpy(values, &s->gomaxprocs, sizeof(values));
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		if (!limit_sane(values[i]) && !value_sane(values[i]))
			return false;
	return r->pid > 0 && time_sane(s->time_ns) && value_sane(s->gomaxprocs) && value_sane(s->gogc) &&
	       limit_sane(s->memory_limit_bytes) && value_sane(s->heap_live_bytes) && limit_sane(s->heap_goal_bytes) &&
	       value_sane(s->numgc) && value_sane(s->pause_total_ns) && value_sane(s->mapped_ready_bytes) &&
	       value_sane(s->goroutines) && value_sane(s->gc_cpu_ns) && value_sane(s->assist_ns);
}

static bool latency_sane(const void *body)
{
	const struct record_latency *r = body;
	const struct runtime_latency *l = &r->latency;
	uint64_t cnt = 0;

	for (int i = 0; i < RUNTIME_LATENCY_BUCKETS; i++)
		cnt += l->buckets[i];
	return r->pid > 0 && r->diluted <= 1 && time_sane(l->start_ns) && time_sane(l->end_ns) &&
	       l->start_ns <= l->end_ns && l->cnt == cnt;
}

static bool group_sane(const struct record_census_group *g)
{
	return time_sane(g->cnt) && value_sane(g->oldest_wait_ns) && g->state < GOROUTINE_STATE_CNT &&
	       ENDS(g->reason) && ENDS(g->created) && ENDS(g->created_at) && ENDS(g->blocked) && ENDS(g->blocked_at);
}

static bool census_sane(const void *body)
{
	const struct record_census *r = body;

	if (r->pid <= 0 || r->group_cnt > RECORD_CENSUS_GROUPS || !time_sane(r->time_ns) || !time_sane(r->total) ||
	    !time_sane(r->walked) || !time_sane(r->running) || !time_sane(r->runnable) || !time_sane(r->waiting) ||
	    !time_sane(r->syscall) || !time_sane(r->leaked))
		return false;
	for (uint32_t i = 0; i < r->group_cnt; i++)
		if (!group_sane(&r->groups[i]))
			return false;
	return true;
}

static bool pauses_sane(const void *body)
{
	const struct record_pauses *r = body;

	if (r->pid <= 0 || r->cnt > RECORD_PAUSES_MAX || !time_sane(r->missed))
		return false;
	for (uint32_t i = 0; i < r->cnt; i++)
		if (!time_sane(r->pauses[i].end_unix_ns) || !time_sane(r->pauses[i].pause_ns))
			return false;
	return true;
}

static bool resources_sane(const void *body)
{
	const struct record_resources *r = body;

	return r->pid > 0 && r->maxprocs_by <= MAXPROCS_GODEBUG && time_sane(r->time_ns) && limit_sane(r->fds) &&
	       limit_sane(r->fd_limit) && limit_sane(r->os_threads) && limit_sane(r->thread_limit) &&
	       limit_sane(r->rss_bytes);
}

/* Its size was compared with cnt. */
static bool go_sched_sane(const void *body)
{
	const struct record_go_sched *r = body;

	for (uint32_t i = 0; i < r->cnt; i++) {
		const struct go_sched_event *e = &r->events[i];

		if (!e->kind || e->kind >= GO_SCHED_KIND_CNT || !time_sane(e->time_ns))
			return false;
	}
	return r->pid > 0;
}

static bool sched_name_sane(const void *body)
{
	const struct record_sched_name *r = body;

	return r->pid > 0 && r->what < SCHED_NAME_CNT && ENDS(r->function) && ENDS(r->at);
}

static bool count_sane(uint64_t cnt)
{
	return cnt < COUNT_MAX;
}

/* Of something that was measured: no unknown. */
static bool cost_sane(double ns)
{
	return ns >= 0 && ns < (double)VALUE_MAX;
}

static bool sched_window_sane(const void *body)
{
	const struct record_sched_window *r = body;

	for (int i = 0; i < GO_SCHED_KIND_CNT; i++)
		if (!count_sane(r->hits[i]))
			return false;
	if (r->end != SCHED_WINDOW_OPEN && r->end_ns < r->start_ns)
		return false;
	return r->pid > 0 && r->end < SCHED_WINDOW_END_CNT && time_sane(r->start_ns) && time_sane(r->end_ns) &&
	       count_sane(r->lost[0]) && count_sane(r->lost[1]) && count_sane(r->late) && cost_sane(r->cost_ns) &&
	       time_sane(r->cpu_ns);
}

static bool overhead_sane(const void *body)
{
	const struct record_overhead *r = body;

	for (int i = 0; i < OVERHEAD_GROUP_CNT; i++)
		if (!cost_sane(r->cost_ns[i]))
			return false;
	return r->pid > 0 && r->off < 1u << OVERHEAD_GROUP_CNT && time_sane(r->time_ns) && time_sane(r->cpu_ns) &&
	       number_sane(r->max_ratio) && !isnan(r->max_ratio) && !isnan(r->credit_ns) &&
	       (r->next_ns == UINT64_MAX || time_sane(r->next_ns));
}

static bool limits_sane(const void *body)
{
	const struct record_limits *r = body;
	const struct cgroup_limits *l = &r->limits;

	return r->owner_id && number_sane(l->cpu_limit) && number_sane(l->cpu_request) && time_sane(l->cpu_period_ns) &&
	       time_sane(l->cpu_quota_ns) && limit_sane(l->memory_limit) && ENDS(l->cpu_limit_cgroup);
}

static bool usage_sane(const void *body)
{
	const struct record_usage *r = body;
	const struct cgroup_usage *u = &r->usage;

	if (!r->owner_id || r->flags > RECORD_USAGE_FAST || !time_sane(u->time_ns) || !value_sane(u->cpu_ns))
		return false;
	if (r->flags & RECORD_USAGE_FAST)
		return true; /* the rest does not count */
	return value_sane(u->nr_periods) && value_sane(u->nr_throttled) && value_sane(u->throttled_ns) &&
	       value_sane(u->memory_bytes) && value_sane(u->working_set_bytes) && value_sane(u->memory_peak_bytes) &&
	       value_sane(u->oom_kills);
}

static bool signal_sane(const void *body)
{
	const struct record_signal *r = body;

	return r->id < SIGNAL_CNT && r->mode <= SIGNAL_WINDOW && number_sane(r->hit_cost_ns) &&
	       number_sane(r->window_share) && ENDS(r->mechanism) && ENDS(r->reason);
}

static bool node_sane(const void *body)
{
	const struct record_node *r = body;

	return time_sane(r->time_ns) && time_sane(r->busy) && time_sane(r->steal) && time_sane(r->total) &&
	       time_sane(r->memory_total) && time_sane(r->memory_available) && time_sane(r->agent_cpu_ns) &&
	       value_sane(r->agent_rss_bytes);
}

static bool clock_sane(const void *body)
{
	const struct record_clock *r = body;

	return time_sane(r->mono_ns) && time_sane(r->unix_ns);
}

static bool tick_sane(const void *body)
{
	const struct record_tick *r = body;

	return time_sane(r->time_ns) && time_sane(r->window_ns);
}

static bool session_sane(const void *body)
{
	const struct record_session *r = body;

	return time_sane(r->start_ns) && time_sane(r->ready_ns) && r->cpus >= 0 && r->cpus <= CPUS_MAX &&
	       ENDS(r->node_name) && ENDS(r->agent_version);
}

static const struct {
	const char *name;
	uint32_t size; /* 0: varies */
	bool (*sane)(const void *body);
} types[] = {
	[RECORD_EVENT] = {"event", 0, NULL},
	[RECORD_OWNER] = {"owner", sizeof(struct record_owner), owner_sane},
	[RECORD_OWNER_GONE] = {"owner_gone", sizeof(struct record_id), id_sane},
	[RECORD_PROCESS] = {"process", sizeof(struct record_process), process_sane},
	[RECORD_PROCESS_GONE] = {"process_gone", sizeof(struct record_process_gone), process_gone_sane},
	[RECORD_SAMPLE] = {"sample", sizeof(struct record_sample), sample_sane},
	[RECORD_LIMITS] = {"limits", sizeof(struct record_limits), limits_sane},
	[RECORD_USAGE] = {"usage", sizeof(struct record_usage), usage_sane},
	[RECORD_SIGNAL] = {"signal", sizeof(struct record_signal), signal_sane},
	[RECORD_NODE] = {"node", sizeof(struct record_node), node_sane},
	[RECORD_CLOCK] = {"clock", sizeof(struct record_clock), clock_sane},
	[RECORD_TICK] = {"tick", sizeof(struct record_tick), tick_sane},
	[RECORD_SESSION] = {"session", sizeof(struct record_session), session_sane},
	[RECORD_LATENCY] = {"latency", sizeof(struct record_latency), latency_sane},
	[RECORD_CENSUS] = {"census", sizeof(struct record_census), census_sane},
	[RECORD_PAUSES] = {"pauses", sizeof(struct record_pauses), pauses_sane},
	[RECORD_RESOURCES] = {"resources", sizeof(struct record_resources), resources_sane},
	[RECORD_GO_SCHED] = {"go_sched", 0, go_sched_sane},
	[RECORD_SCHED_NAME] = {"sched_name", sizeof(struct record_sched_name), sched_name_sane},
	[RECORD_SCHED_WINDOW] = {"sched_window", sizeof(struct record_sched_window), sched_window_sane},
	[RECORD_OVERHEAD] = {"overhead", sizeof(struct record_overhead), overhead_sane},
};

const char *record_type_name(enum record_type t)
{
	return (size_t)t < ARRAY_SIZE(types) ? types[t].name : NULL;
}

uint32_t record_size(enum record_type t)
{
	return (size_t)t < ARRAY_SIZE(types) ? types[t].size : 0;
}

/* What its type, or its own count, says; UINT64_MAX: it cannot be. */
static uint64_t size_of(const struct record *r)
{
	const struct record_go_sched *g = r->body;

	if (r->type != RECORD_GO_SCHED)
		return types[r->type].size;
	if (r->size < RECORD_GO_SCHED_SZ(0) || g->cnt > RECORD_SCHED_EVENTS)
		return UINT64_MAX;
	return RECORD_GO_SCHED_SZ(g->cnt);
}

int record_check(const struct record *r)
{
	if (!record_type_name(r->type))
		return -EINVAL;
	if (r->type == RECORD_EVENT)
		return event_check(r->body, r->size);
	return r->size == size_of(r) && types[r->type].sane(r->body) ? 0 : -EINVAL;
}
