/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes a raw recording of a large node to stdout: 300 containers, each with a Go process that collects, some
 * throttled, 30 ticks of a second. What a person with such a node would bring; numbers follow from the index, so that
 * tests know them.
 *
 *   crowd [CONTAINERS] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "events/recorder.h"
#include "events/source.h"
#include "probes/probes.h"
#include "procs/process.h"
#include "signal_id.h"

#define START     (5000 * NS_PER_SEC)
#define UNIX      (1795000000ull * NS_PER_SEC)
#define TICKS     30
#define CGROUP(i) (1000u + (i))
#define PID(i)    (20000 + (int)(i))
#define HELD(i)   ((i) % 10 == 3) /* every tenth is throttled */

static struct recorder *out;

static void put(enum record_type type, const void *body, size_t size)
{
	struct record r = {type, (uint32_t)size, body};

	if (record_check(&r) || recorder_put(out, &r))
		exit(1);
}

static void put_owner(uint32_t i)
{
	struct record_owner r = {.id = i, .level_cnt = 1, .levels = {CGROUP(i)}};
	struct owner *o = &r.owner;

	o->kind = OWNER_POD;
	o->cpu_cgid = o->v2_cgid = CGROUP(i);
	o->first_seen_ns = START;
	snprintf(o->namespace_, sizeof(o->namespace_), "ns%u", i % 7);
	snprintf(o->pod, sizeof(o->pod), "service-%u-6b8f4d7c9-%05u", i % 40, i);
	snprintf(o->container, sizeof(o->container), "app");
	put(RECORD_OWNER, &r, sizeof(r));
}

static void put_process(uint32_t i)
{
	struct record_process r = {.pid = PID(i), .vpid = 1, .owner_id = i, .comm = "app", .go_version = "go1.26.8"};

	r.flags = RECORD_PROCESS_WATCHED | RECORD_PROCESS_GO_GC | RECORD_PROCESS_GO_RUNTIME;
	r.state = PROCESS_OBSERVED;
	r.start_ns = START;
	r.start_unix_ns = UNIX;
	put(RECORD_PROCESS, &r, sizeof(r));
}

static void put_limits(uint32_t i)
{
	struct record_limits r = {.owner_id = i};

	r.limits.cpu_limit = 2;
	r.limits.cpu_period_ns = 100 * NS_PER_MS;
	r.limits.cpu_quota_ns = 200 * NS_PER_MS;
	r.limits.cpu_limit_cgid = CGROUP(i);
	r.limits.cpu_request = 1;
	r.limits.memory_limit = 512 << 20;
	put(RECORD_LIMITS, &r, sizeof(r));
}

static void put_usage(uint32_t i, uint64_t now_ns, uint64_t second)
{
	struct record_usage r = {.owner_id = i};

	r.usage.time_ns = now_ns;
	r.usage.cpu_ns = (int64_t)(second * (i % 20) * 50 * NS_PER_MS); /* 0 to 0.95 CPUs */
	r.usage.nr_periods = (int64_t)(second * 10);
	r.usage.memory_bytes = r.usage.memory_peak_bytes = 200 << 20;
	r.usage.working_set_bytes = 100 << 20;
	put(RECORD_USAGE, &r, sizeof(r));
}

static void put_event(union event *e, enum event_kind kind, uint64_t end_ns, uint32_t i)
{
	e->hdr.kind = (uint16_t)kind;
	e->hdr.size = event_size((uint16_t)kind);
	e->hdr.time_ns = end_ns;
	e->hdr.cpu_cgid = e->hdr.v2_cgid = CGROUP(i);
	if (kind == EVENT_GC_PAUSE)
		e->hdr.tgid = e->hdr.tid = (uint32_t)PID(i);
	put(RECORD_EVENT, e, e->hdr.size);
}

static void put_second(uint32_t i, uint64_t begin_ns)
{
	union event pause = {.gc_pause = {.start_ns = begin_ns + NS_PER_MS, .reason = STW_READ_MEM_STATS}};

	put_event(&pause, EVENT_GC_PAUSE, begin_ns + NS_PER_MS + 100 * (i + 1), i);
	for (uint64_t k = 0; HELD(i) && k < 4; k++) { /* 40 % of the time */
		union event held = {.throttle = {.start_ns = begin_ns + k * 200 * NS_PER_MS}};

		put_event(&held, EVENT_THROTTLE, held.throttle.start_ns + 100 * NS_PER_MS, i);
	}
}

static void put_tick(uint64_t second)
{
	struct record_node node = {
		.time_ns = START + second * NS_PER_SEC, .busy = second * 1600, .total = second * 3200};
	struct record_tick tick = {.time_ns = node.time_ns, .window_ns = 10 * NS_PER_SEC};

	node.memory_total = 64ull << 30;
	node.memory_available = 32ull << 30;
	put(RECORD_NODE, &node, sizeof(node));
	put(RECORD_TICK, &tick, sizeof(tick));
}

static void put_head(void)
{
	struct record_session s = {.start_ns = START, .ready_ns = START, .cpus = 32, .node_name = "crowd"};
	struct record_clock c = {START, UNIX};

	put(RECORD_SESSION, &s, sizeof(s));
	put(RECORD_CLOCK, &c, sizeof(c));
	for (uint32_t id = 0; id < SIGNAL_CNT; id++) {
		struct record_signal r = {.id = id, .mode = SIGNAL_ON};

		put(RECORD_SIGNAL, &r, sizeof(r));
	}
}

int main(int argc, char **argv)
{
	uint32_t cnt = argc > 1 ? (uint32_t)atoi(argv[1]) : 300;

	if (recorder_new(stdout, &out))
		return 1;
	put_head();
	for (uint32_t i = 1; i <= cnt; i++) {
		put_owner(i);
		put_process(i);
		put_limits(i);
	}
	for (uint64_t second = 0; second < TICKS; second++) {
		for (uint32_t i = 1; i <= cnt; i++) {
			put_usage(i, START + second * NS_PER_SEC, second);
			put_second(i, START + second * NS_PER_SEC);
		}
		put_tick(second + 1);
	}
	if (recorder_end(out) || fflush(stdout))
		return 1;
	recorder_free(out);
	return 0;
}
