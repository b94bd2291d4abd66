/* SPDX-License-Identifier: BSD-2-Clause */
/* The names of events in jsonl and OTLP: part of the exported contract. */
#include "stats/trace_event.h"

#include <math.h>
#include <stddef.h>

const char *trace_kind_name(enum trace_kind k)
{
	static const char *const names[TRACE_KIND_CNT] = {
		[TRACE_GC_CYCLE] = "gc.cycle",
		[TRACE_GC_MARK] = "gc.mark",
		[TRACE_GC_PAUSE] = "gc.pause",
		[TRACE_GC_ASSIST] = "gc.assist",
		[TRACE_THROTTLE] = "cpu.throttle",
		[TRACE_THROTTLE_MISSED] = "cpu.throttle_missed",
		[TRACE_RUNQ] = "cpu.runq",
		[TRACE_TCP_CONNECT] = "tcp.connect",
		[TRACE_TCP_RETRANSMIT] = "tcp.retransmit",
		[TRACE_TCP_RESET] = "tcp.reset",
		[TRACE_DNS_QUERY] = "dns.query",
		[TRACE_OOM_KILL] = "oom.kill",
		[TRACE_PROCESS_START] = "process.start",
		[TRACE_PROCESS_EXIT] = "process.exit",
		[TRACE_VERDICT] = "verdict",
		[TRACE_LOST] = "lost",
		[TRACE_SCHED_WAIT] = "sched.wait",
		[TRACE_SCHED_RUN] = "sched.run",
		[TRACE_SCHED_PARK] = "sched.park",
		[TRACE_SCHED_WINDOW] = "sched.window",
	};

	return (unsigned int)k < TRACE_KIND_CNT ? names[k] : NULL;
}

bool trace_window_known(const struct trace_event *e)
{
	return !isnan(e->u.window->cost_ns);
}

uint64_t trace_window_lost(const struct trace_event *e)
{
	const struct record_sched_window *r = e->u.window;

	return r->lost[GO_SCHED_LOST_RING] + r->lost[GO_SCHED_LOST_UNREADABLE] + e->not_followed;
}
