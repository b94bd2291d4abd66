/* SPDX-License-Identifier: BSD-2-Clause */
/* Nothing behind this check sees a record whose size does not fit its kind, whose stamps run backwards, whose text does
 * not end, or whose numbers say what cannot be. The kernel side is ours, but a recording or a mismatched object may
 * feed the same path. It refuses only what would break a reader: a value that a newer Go or kernel may bring passes. */
#include "events/source.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

#define TIME_MAX_NS    (1ull << 62) /* sums and differences of stamps stay within 64 bits */
#define REASON_MAX     0xff         /* stwReason is a byte */
#define CPU_MAX        65536u
#define ERRNO_MAX      4095u
#define RCODE_MAX      4095u /* 12 bits with EDNS */
#define COUNT_MAX      (1ull << 40)
#define RUNQ_CNT_SLACK 4096u /* one wait a CPU may be half written while the window is read */

static const uint16_t sizes[] = {
	[EVENT_GC_START] = sizeof(struct event_gc_start),
	[EVENT_GC_MARK_END] = sizeof(struct event_gc_mark_end),
	[EVENT_GC_PAUSE] = sizeof(struct event_gc_pause),
	[EVENT_THROTTLE] = sizeof(struct event_throttle),
	[EVENT_THROTTLE_MISSED] = sizeof(struct event_throttle_missed),
	[EVENT_PROC_EXEC] = sizeof(struct event_proc),
	[EVENT_PROC_EXIT] = sizeof(struct event_proc),
	[EVENT_TCP_CONNECT] = sizeof(struct event_tcp_connect),
	[EVENT_TCP_FLOW] = sizeof(struct event_tcp_flow),
	[EVENT_TCP_RETRANSMIT] = sizeof(struct event_tcp_retransmit),
	[EVENT_TCP_RESET] = sizeof(struct event_tcp_reset),
	[EVENT_DNS_QUERY] = sizeof(struct event_dns_query),
	[EVENT_OOM_KILL] = sizeof(struct event_oom_kill),
	[EVENT_RUNQ] = sizeof(struct event_runq),
	[EVENT_RUNQ_WINDOW] = sizeof(struct event_runq_window),
	[EVENT_RUNQ_MEAN] = sizeof(struct event_runq_mean),
	[EVENT_GC_DONE] = sizeof(struct event_gc_done),
	[EVENT_GC_ASSIST] = sizeof(struct event_gc_assist),
	[EVENT_GC_ASSISTS] = sizeof(struct event_gc_assists),
};

#define ENDS(text) (memchr((text), 0, sizeof(text)) != NULL)

static bool hdr_sane(const struct event_hdr *h)
{
	return h->time_ns < TIME_MAX_NS && h->tgid <= INT32_MAX && h->tid <= INT32_MAX;
}

static bool addr_sane(const struct net_addr *a)
{
	return !a->family || a->family == NET_AF_INET || a->family == NET_AF_INET6;
}

static bool gc_start_sane(const struct event_gc_start *e)
{
	return e->trigger <= GC_TRIGGER_FORCED || e->trigger == GC_TRIGGER_UNKNOWN;
}

static bool gc_pause_sane(const struct event_gc_pause *e)
{
	return e->start_ns <= e->hdr.time_ns && e->reason <= REASON_MAX && !e->text[STW_TEXT_SZ - 1];
}

static bool throttle_sane(const struct event_throttle *e)
{
	return e->start_ns <= e->hdr.time_ns && e->cpu < CPU_MAX && e->how <= THROTTLE_END_CSD;
}

static bool throttle_missed_sane(const struct event_throttle_missed *e)
{
	return e->start_ns <= e->hdr.time_ns && e->missed_ns < (int64_t)TIME_MAX_NS &&
	       e->missed_ns > -(int64_t)TIME_MAX_NS;
}

static bool tcp_connect_sane(const struct event_tcp_connect *e)
{
	return e->start_ns <= e->hdr.time_ns && e->error <= ERRNO_MAX && addr_sane(&e->addr);
}

static bool tcp_flow_sane(const struct event_tcp_flow *e)
{
	return e->role <= TCP_ROLE_SERVER && e->flags <= (FLOW_FIRST | FLOW_OPENED | FLOW_LAST) &&
	       e->age_ns < TIME_MAX_NS && addr_sane(&e->addr);
}

static bool dns_query_sane(const struct event_dns_query *e)
{
	return e->start_ns <= e->hdr.time_ns && e->result <= DNS_TIMEOUT &&
	       (e->rcode <= RCODE_MAX || e->rcode == DNS_RCODE_UNKNOWN) && addr_sane(&e->addr) && ENDS(e->name);
}

/* The wait is what is left without the throttled time: it must not turn negative. */
static bool runq_sane(const struct event_runq *e)
{
	return e->start_ns <= e->hdr.time_ns && e->throttled_ns <= e->hdr.time_ns - e->start_ns && e->cpu < CPU_MAX &&
	       e->prev_tgid <= INT32_MAX && e->prev_tid <= INT32_MAX && ENDS(e->comm) && ENDS(e->prev_comm);
}

static bool runq_window_sane(const struct event_runq_window *e)
{
	uint64_t total = 0, room = e->cnt + RUNQ_CNT_SLACK;

	for (size_t i = 0; i < RUNQ_BUCKETS; i++)
		total += e->buckets[i];
	return e->start_ns <= e->hdr.time_ns && e->cnt < COUNT_MAX && total <= room &&
	       e->cnt <= total + RUNQ_CNT_SLACK && e->max_ns < TIME_MAX_NS && e->sum_ns < TIME_MAX_NS &&
	       e->sum_ns <= (unsigned __int128)e->max_ns * room && e->throttled_ns < TIME_MAX_NS;
}

static bool runq_mean_sane(const struct event_runq_mean *e)
{
	return e->start_ns <= e->hdr.time_ns && e->delay_ns < TIME_MAX_NS && e->runs < TIME_MAX_NS;
}

static bool time_known(int64_t ns)
{
	return ns >= 0 && (uint64_t)ns < TIME_MAX_NS;
}

/* The kernel's side lets out no others. */
static bool gc_done_sane(const struct event_gc_done *e)
{
	return time_known(e->sweep_term_ns) && e->sweep_term_ns <= e->mark_ns && e->mark_ns <= e->mark_term_ns &&
	       e->mark_term_ns <= e->end_ns && time_known(e->end_ns) && time_known(e->assist_ns) &&
	       time_known(e->dedicated_ns) && time_known(e->fractional_ns) && time_known(e->idle_ns) &&
	       e->stwprocs >= 0 && e->maxprocs >= 0 &&
	       e->flags <= (GC_DONE_FORCED | GC_DONE_LEAK_KNOWN | GC_DONE_LEAK_CHECK);
}

static bool body_sane(const union event *e)
{
	switch ((enum event_kind)e->hdr.kind) {
	case EVENT_GC_START:
		return gc_start_sane(&e->gc_start);
	case EVENT_GC_MARK_END:
		return true;
	case EVENT_GC_PAUSE:
		return gc_pause_sane(&e->gc_pause);
	case EVENT_THROTTLE:
		return throttle_sane(&e->throttle);
	case EVENT_THROTTLE_MISSED:
		return throttle_missed_sane(&e->throttle_missed);
	case EVENT_PROC_EXEC:
	case EVENT_PROC_EXIT:
		return ENDS(e->proc.comm);
	case EVENT_TCP_CONNECT:
		return tcp_connect_sane(&e->tcp_connect);
	case EVENT_TCP_FLOW:
		return tcp_flow_sane(&e->tcp_flow);
	case EVENT_TCP_RETRANSMIT:
		return e->tcp_retransmit.syn <= 1 && addr_sane(&e->tcp_retransmit.addr);
	case EVENT_TCP_RESET:
		return e->tcp_reset.received <= 1 && addr_sane(&e->tcp_reset.addr);
	case EVENT_DNS_QUERY:
		return dns_query_sane(&e->dns_query);
	case EVENT_OOM_KILL:
		return ENDS(e->oom_kill.comm);
	case EVENT_RUNQ:
		return runq_sane(&e->runq);
	case EVENT_RUNQ_WINDOW:
		return runq_window_sane(&e->runq_window);
	case EVENT_RUNQ_MEAN:
		return runq_mean_sane(&e->runq_mean);
	case EVENT_GC_DONE:
		return gc_done_sane(&e->gc_done);
	case EVENT_GC_ASSIST:
		return e->gc_assist.start_ns <= e->hdr.time_ns;
	case EVENT_GC_ASSISTS:
		return e->gc_assists.cnt < COUNT_MAX;
	}
	return false;
}

uint16_t event_size(uint16_t kind)
{
	return kind < ARRAY_SIZE(sizes) ? sizes[kind] : 0;
}

int event_check(const void *data, uint64_t size)
{
	const union event *e = data;

	if (size < sizeof(struct event_hdr) || e->hdr.size != size || event_size(e->hdr.kind) != size)
		return -EINVAL;
	return hdr_sane(&e->hdr) && body_sane(e) ? 0 : -EINVAL;
}
