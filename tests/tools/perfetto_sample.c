/* SPDX-License-Identifier: BSD-2-Clause */
/* perfetto_sample OUT SEED: one made-up run through two exporters, OUT.pftrace and OUT.jsonl. The run is random by SEED
 * and meant to be nasty: cycles with pauses of any kind inside, some whose mark phase ends inside a pause, some that
 * never end; overlapping queries; throttled CPUs; a pid that comes twice; names that are no UTF-8; windows of
 * goroutines that wake each other. test_perfetto.py compares. */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "diagnose/verdicts.h"
#include "export/exporter.h"
#include "trace_events.h"

#define MS         1000000ull
#define ITEMS_MAX  60000
#define PROCESSES  6
#define CONTAINERS 3
#define RUN_NS     (60000 * MS)

struct item {
	struct trace_event e;
	union event raw;
	struct gc_cycle_done cycle;
	struct runtime_sample sample;
	struct verdict verdict;
	struct goroutine_span span;
	struct record_sched_window window;
};

static struct item items[ITEMS_MAX];
static size_t item_cnt;
static struct owner owners[CONTAINERS + 1]; /* the last: the first one's pod */
static struct record_process processes[PROCESSES + 1];
static uint64_t random_state;

static uint64_t rnd(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

/* process -1: none known. */
static struct item *add(enum trace_kind kind, int container, int process, uint64_t start_ns, uint64_t end_ns)
{
	struct item *i = &items[item_cnt];

	if (item_cnt == ITEMS_MAX - 1)
		abort();
	item_cnt++;
	i->e = (struct trace_event){.kind = kind,
				    .end_ns = end_ns,
				    .duration_ns = end_ns - start_ns,
				    .start_unix_ns = SAMPLE_TIME_NS + start_ns};
	if (container >= 0) {
		i->e.container_id = (uint32_t)container % CONTAINERS + 1;
		i->e.owner = &owners[container];
	}
	if (process >= 0) {
		i->e.process = &processes[process];
		i->e.pid = processes[process].pid;
		i->e.tid = i->e.pid + 4;
	}
	return i;
}

static struct item *add_raw(enum trace_kind kind, uint16_t raw, int container, int process, uint64_t start_ns,
			    uint64_t end_ns)
{
	struct item *i = add(kind, container, process, start_ns, end_ns);

	i->raw.hdr.kind = raw;
	i->raw.hdr.time_ns = end_ns;
	i->raw.hdr.tgid = (uint32_t)i->e.pid;
	i->raw.hdr.tid = (uint32_t)i->e.tid;
	i->e.u.event = &i->raw;
	return i;
}

static void add_pause(int process, uint64_t start_ns, uint64_t end_ns, uint32_t reason)
{
	struct item *i = add_raw(TRACE_GC_PAUSE, EVENT_GC_PAUSE, process % CONTAINERS, process, start_ns, end_ns);

	i->raw.gc_pause.start_ns = start_ns;
	i->raw.gc_pause.reason = reason;
	if (rnd(2))
		i->raw.gc_pause.stopped_ns = start_ns + rnd(end_ns - start_ns + 1);
	if (reason == STW_UNKNOWN)
		memcpy(i->raw.gc_pause.text, "profiling", 9);
}

static struct item *add_cycle(enum trace_kind kind, int process, uint64_t start_ns, uint64_t end_ns)
{
	struct item *i = add(kind, process % CONTAINERS, process, start_ns, end_ns);

	i->cycle = (struct gc_cycle_done){.start_ns = start_ns,
					  .end_ns = end_ns,
					  .mark_start_ns = start_ns,
					  .mark_end_ns = end_ns,
					  .trigger = (uint32_t)rnd(4),
					  .procs = (uint32_t)rnd(3),
					  .pauses = 2,
					  .pause_sum_ns = rnd(MS)};
	i->e.tid = 0;
	i->e.u.cycle = &i->cycle;
	return i;
}

/* Pauses of other reasons between from and to. */
static void add_other_pauses(int process, uint64_t from, uint64_t to, unsigned int max)
{
	uint64_t cnt = rnd(max + 1), room;

	if (!cnt)
		return;
	room = (to - from) / cnt;
	for (uint64_t n = 0; n < cnt && room > 2; n++) {
		uint64_t start = from + n * room + rnd(room / 2);

		add_pause(process, start, start + rnd(room / 2), (uint32_t)rnd(12) % 10 + (rnd(2) ? 3 : 0));
	}
}

/* One cycle from `from` on; returns its end. */
static uint64_t one_cycle(int process, uint64_t from)
{
	uint64_t stopped = from + rnd(3) * rnd(5 * MS), mark_end = stopped + 1 + rnd(rnd(4) ? 20 * MS : 400 * MS);
	uint64_t term = mark_end + rnd(2) * rnd(100000), end = term + rnd(3) * rnd(9 * MS);

	add_pause(process, from, stopped, STW_GC_SWEEP_TERM);
	add_other_pauses(process, stopped, mark_end, rnd(10) ? 0 : 6);
	if (!rnd(20))
		return end; /* neither mark nor end of the cycle are known */
	/* Where only we saw the end of mark, it lies inside the stop. */
	if (!rnd(4))
		add_cycle(TRACE_GC_MARK, process, stopped, term + (end - term) / 2);
	else
		add_cycle(TRACE_GC_MARK, process, stopped, mark_end);
	add_pause(process, term, end, STW_GC_MARK_TERM);
	add_cycle(TRACE_GC_CYCLE, process, from, end);
	return end;
}

static void add_gc(int process)
{
	uint64_t now = T_END_NS + rnd(100) * MS, end = T_END_NS + RUN_NS;

	while (now < end) {
		uint64_t gap = 1 + rnd(rnd(30) ? 700 * MS : 70000 * MS); /* at times longer than anything waits */

		if (rnd(5))
			add_other_pauses(process, now, now + gap, gap > 5000 * MS ? 400 : 3);
		now = one_cycle(process, now + gap);
	}
}

static void add_throttles(int container)
{
	for (uint32_t cpu = 0; cpu < 4; cpu++) {
		uint64_t now = T_END_NS;

		while (now < T_END_NS + RUN_NS) {
			uint64_t start = now + rnd(900 * MS), end = start + rnd(rnd(9) ? 80 * MS : 3);
			struct item *i = add_raw(TRACE_THROTTLE, EVENT_THROTTLE, container, -1, start, end);

			i->raw.throttle.start_ns = start;
			i->raw.throttle.cpu = cpu;
			now = end;
		}
	}
}

static void add_missed(int container)
{
	for (uint64_t now = T_END_NS; now < T_END_NS + RUN_NS; now += 9000 * MS) {
		struct item *i =
			add_raw(TRACE_THROTTLE_MISSED, EVENT_THROTTLE_MISSED, container, -1, now, now + 9000 * MS);

		i->raw.throttle_missed.missed_ns = (int64_t)rnd(9) - 4;
	}
}

/* Names with all bytes: what is no UTF-8 must not spoil the file. */
static void add_names(char *name, size_t sz)
{
	for (size_t i = 0; i + 1 < sz; i++)
		name[i] = (char)(rnd(4) ? 'a' + rnd(26) : 1 + rnd(255));
	name[sz - 1] = 0;
}

static void add_network(int process)
{
	int c = process % CONTAINERS;

	for (unsigned int n = 0; n < 200; n++) {
		uint64_t start = T_END_NS + rnd(RUN_NS), end = start + rnd(rnd(9) ? 30 * MS : 6000 * MS);
		struct item *i = add_raw(TRACE_TCP_CONNECT, EVENT_TCP_CONNECT, c, process, start, end);

		t_address(&i->raw.tcp_connect.addr, "10.1.2.3", (uint16_t)n, "10.96.0.10", 5432);
		i->raw.tcp_connect.error = (uint32_t)rnd(3) * 55;
		i = add_raw(TRACE_DNS_QUERY, EVENT_DNS_QUERY, c, rnd(2) ? process : -1, start - rnd(MS), start);
		i->raw.dns_query.qtype = (uint16_t)rnd(30);
		i->raw.dns_query.rcode = rnd(2) ? (uint32_t)rnd(20) : DNS_RCODE_UNKNOWN;
		i->raw.dns_query.result = (uint32_t)rnd(2);
		t_address(&i->raw.dns_query.addr, "fd00::3", 5353, "fd00::a", 53);
		add_names(i->raw.dns_query.name, rnd(2) ? 1 : 40);
		i = add_raw(TRACE_TCP_RETRANSMIT, EVENT_TCP_RETRANSMIT, c, process, start, start);
		i->raw.tcp_retransmit.segments = 1 + (uint32_t)rnd(3);
		i->raw.tcp_retransmit.syn = (uint32_t)rnd(2);
		i = add_raw(TRACE_TCP_RESET, EVENT_TCP_RESET, c, -1, end, end);
		i->raw.tcp_reset.received = (uint32_t)rnd(2);
		t_address(&i->raw.tcp_reset.addr, "10.1.2.3", 1, "10.9.9.9", 2);
	}
}

static void add_runq(int process)
{
	for (uint32_t thread = 0; thread < 3; thread++) {
		uint64_t now = T_END_NS;

		for (int n = 0; n < 60; n++) {
			uint64_t start = now + rnd(500 * MS), throttled = rnd(2) * rnd(50 * MS);
			uint64_t end = start + throttled + rnd(40 * MS);
			struct item *i =
				add_raw(TRACE_RUNQ, EVENT_RUNQ, process % CONTAINERS, process, start + throttled, end);

			i->raw.runq.start_ns = start;
			i->raw.runq.throttled_ns = throttled;
			i->raw.runq.hdr.tid = (uint32_t)i->e.pid + thread;
			i->e.tid = i->e.pid + (int32_t)thread;
			memcpy(i->raw.runq.comm, "worker", 6);
			memcpy(i->raw.runq.prev_comm, "sixteen-bytes-xx", rnd(2) * EVENT_COMM_SZ);
			now = end;
		}
	}
}

static void add_readings(void)
{
	for (uint64_t now = T_END_NS; now < T_END_NS + RUN_NS; now += 1000 * MS) {
		for (int p = 0; p < PROCESSES; p++) {
			struct item *i = add(TRACE_SAMPLE, p % CONTAINERS, p, now, now);

			i->sample = (struct runtime_sample){.time_ns = now,
							    .gomaxprocs = 4,
							    .goroutines = (int64_t)rnd(900),
							    .heap_live_bytes = (int64_t)rnd(1 << 30),
							    .heap_goal_bytes = -1};
			i->sample.memory_limit_bytes = -1;
			if (rnd(9))
				i->sample.heap_goal_bytes = rnd(9) ? 1 << 30 : SAMPLE_UNKNOWN;
			i->e.u.sample = &i->sample;
		}
		for (int c = 0; c < CONTAINERS; c++) {
			struct item *i = add(TRACE_USAGE, c, -1, now, now);

			i->e.u.usage = (struct trace_usage){now == T_END_NS ? (double)NAN : (double)rnd(100) / 25,
							    (int64_t)rnd(1 << 30), c ? 1 << 30 : -1};
		}
	}
}

static void add_instants(void)
{
	for (int p = 0; p <= PROCESSES; p++) {
		uint64_t now = T_END_NS + (p == PROCESSES ? 2 * RUN_NS : rnd(1000) * MS);
		struct item *i;

		add(TRACE_PROCESS_START, p % CONTAINERS, p, now, now);
		i = add(TRACE_PROCESS_EXIT, p % CONTAINERS, p, now + RUN_NS, now + RUN_NS);
		i->e.u.exit.known = rnd(2);
		i->e.u.exit.status = rnd(2) ? 9 : 0x200;
		i = add_raw(TRACE_OOM_KILL, EVENT_OOM_KILL, p % CONTAINERS, p, now, now);
		i->raw.oom_kill.anon_rss_bytes = rnd(1ull << 40);
		memcpy(i->raw.oom_kill.comm, "server", 6);
		i = add(TRACE_VERDICT, p % CONTAINERS, -1, now, now);
		i->verdict = (struct verdict){.id = "throttled",
					      .severity = VERDICT_CRITICAL,
					      .text = "held 41 %",
					      .advice = "raise it",
					      .evidence_cnt = 2};
		memcpy(i->verdict.evidence[0].name, "ratio", 5);
		i->verdict.evidence[0].value = 0.41;
		memcpy(i->verdict.evidence[0].unit, "1", 1);
		i->verdict.evidence[0].threshold = (double)NAN;
		memcpy(i->verdict.evidence[1].name, "cpus", 4);
		i->e.u.verdict = (struct trace_verdict){&i->verdict, rnd(2)};
	}
	add(TRACE_LOST, -1, -1, T_END_NS + 4 * RUN_NS, T_END_NS + 4 * RUN_NS)->e.u.lost =
		(struct trace_lost){"go_gc", "ring_full", 7};
}

/* ---- goroutine windows: a small scheduler ---- */

#define PS         2
#define GOROUTINES 12
#define RUNS       120 /* of a window */

enum { G_NONE, G_PARKED, G_RUNNABLE, G_RUNNING };

struct g {
	uint64_t goid, since_ns, waker;
	int state;
	enum goroutine_wake wake;
	bool old; /* it was runnable before the window: nothing is known of its wait */
};

static struct g gs[GOROUTINES];
static uint64_t last_goid;

static void add_span(int process, const struct g *g, const struct goroutine_span *s)
{
	static const enum trace_kind kinds[] = {TRACE_SCHED_WAIT, TRACE_SCHED_RUN, TRACE_SCHED_PARK};
	static const char *const functions[] = {"main.worker", "main.\xff\xfe", "", "net/http.(*conn).serve"};
	bool parked = s->kind == SPAN_PARK || (s->kind == SPAN_RUN && s->end == RUN_PARKED), known = g->goid % 5;
	struct item *i = add(kinds[s->kind], process % CONTAINERS, process, s->start_ns, s->end_ns);

	i->span = *s;
	i->span.goid = g->goid;
	i->e.tid = 0;
	i->e.u.sched = (struct trace_sched){.span = &i->span,
					    .function = functions[g->goid % ARRAY_SIZE(functions)],
					    .created = known ? "main.main" : "",
					    .created_at = known ? "main.go:7" : "",
					    .site = parked && known ? "main.get" : "",
					    .site_at = parked && known ? "get.go:9" : "",
					    .reason = parked ? "chan receive" : ""};
}

/* wake: of a goroutine that is parked, or is not there yet (WAKE_CREATED). */
static void make_runnable(int process, struct g *g, uint64_t ns, enum goroutine_wake wake, uint64_t waker)
{
	struct goroutine_span park = {.kind = SPAN_PARK,
				      .start_ns = g->since_ns,
				      .end_ns = ns,
				      .wake = wake,
				      .waker = waker,
				      .p = GO_SCHED_P_UNKNOWN};

	if (wake == WAKE_CREATED)
		g->goid = ++last_goid;
	else if (g->state == G_PARKED)
		add_span(process, g, &park);
	*g = (struct g){.goid = g->goid, .since_ns = ns, .waker = waker, .state = G_RUNNABLE, .wake = wake};
}

static struct g *pick(int state, uint64_t before_ns)
{
	struct g *ret = NULL;

	for (int i = 0; i < GOROUTINES; i++)
		if (gs[i].state == state && gs[i].since_ns < before_ns && (!ret || gs[i].since_ns < ret->since_ns))
			ret = &gs[i];
	return ret;
}

/* What a goroutine does while it runs: wakes one, creates one. */
static void act(int process, const struct g *self, uint64_t from_ns, uint64_t to_ns)
{
	struct g *g = pick(rnd(3) ? G_PARKED : G_NONE, to_ns);
	uint64_t ns;

	if (!g)
		return;
	ns = g->since_ns > from_ns ? g->since_ns : from_ns;
	ns += rnd(to_ns - ns);
	if (g->state == G_NONE)
		make_runnable(process, g, ns, WAKE_CREATED, self->goid);
	else if (rnd(6))
		make_runnable(process, g, ns, WAKE_READY, rnd(5) ? self->goid : 0);
	else
		make_runnable(process, g, ns, rnd(2) ? WAKE_NETPOLL : WAKE_UNKNOWN, 0);
}

static void stop_running(int process, struct g *g, const struct goroutine_span *run)
{
	g->since_ns = run->end_ns;
	g->state = run->end == RUN_EXITED ? G_NONE : G_PARKED;
	if (run->end == RUN_YIELDED || run->end == RUN_P_TAKEN) {
		g->state = G_RUNNING; /* no park before */
		make_runnable(process, g, run->end_ns, run->end == RUN_YIELDED ? WAKE_YIELDED : WAKE_SYSCALL, 0);
	}
}

/* One goroutine on a P, from its wait to its end. The P's stamps may be some microseconds off. */
static void run_one(int process, struct g *g, uint32_t p, uint64_t *free_ns)
{
	static const enum goroutine_run_end ends[] = {RUN_PARKED,  RUN_PARKED, RUN_PARKED,
						      RUN_YIELDED, RUN_EXITED, RUN_P_TAKEN};
	uint64_t start =
		g->since_ns > *free_ns ? g->since_ns : *free_ns - (rnd(5) ? 0 : rnd(*free_ns - g->since_ns + 1));
	struct goroutine_span wait = {
		.kind = SPAN_WAIT, .start_ns = g->since_ns, .wake = g->wake, .waker = g->waker, .p = p};
	struct goroutine_span run = {.kind = SPAN_RUN, .p = p, .end = ends[rnd(ARRAY_SIZE(ends))]};

	if (*free_ns > start + 9000)
		start = *free_ns - 9000;
	wait.end_ns = run.start_ns = start;
	run.end_ns = *free_ns = (start > *free_ns ? start : *free_ns) + 1 + rnd(2 * MS);
	if (!g->old)
		add_span(process, g, &wait);
	*g = (struct g){.goid = g->goid, .since_ns = start, .state = G_RUNNING};
	for (uint64_t n = rnd(4); n; n--)
		act(process, g, run.start_ns, run.end_ns);
	add_span(process, g, &run);
	stop_running(process, g, &run);
}

static void add_window_record(int process, uint64_t from_ns, uint64_t to_ns, uint64_t lost)
{
	struct item *i = add(TRACE_SCHED_WINDOW, process % CONTAINERS, process, from_ns, to_ns);

	i->e.tid = 0;
	i->window = (struct record_sched_window){.pid = i->e.pid,
						 .end = 1 + (uint32_t)rnd(SCHED_WINDOW_END_CNT - 1),
						 .start_ns = from_ns,
						 .end_ns = to_ns,
						 .hits = {[GO_SCHED_RUN] = RUNS, [GO_SCHED_PARK] = 7},
						 .lost = {lost, lost / 2},
						 .cost_ns = 1e6,
						 .cpu_ns = rnd(2) * 1000 * MS};
	i->e.u.window = &i->window;
}

/* `first` has been running since before the window and runs when it ends: it has no span until then, and wakes others
 * all the time. */
static void add_window(int process, uint64_t from_ns, uint64_t lost)
{
	uint64_t free_ns[PS] = {from_ns, from_ns}, end_ns;
	struct g first = {.goid = ++last_goid, .state = G_RUNNING};
	struct goroutine_span whole = {.kind = SPAN_RUN, .start_ns = from_ns, .p = PS, .end = RUN_UNKNOWN};

	for (int i = 0; i < GOROUTINES; i++)
		gs[i] = (struct g){.goid = ++last_goid, .since_ns = from_ns, .state = G_PARKED};
	gs[0].state = G_RUNNABLE;
	gs[0].old = true;
	for (int n = 0; n < RUNS; n++) {
		uint32_t p = free_ns[0] > free_ns[1];
		struct g *g;

		act(process, &first, free_ns[p], free_ns[p] + MS);
		g = pick(G_RUNNABLE, UINT64_MAX);
		if (!g && (g = pick(G_PARKED, UINT64_MAX)))
			make_runnable(process, g, g->since_ns + rnd(MS), WAKE_NETPOLL, 0);
		if (g)
			run_one(process, g, p, &free_ns[p]);
	}
	end_ns = (free_ns[0] > free_ns[1] ? free_ns[0] : free_ns[1]) + 2 * MS;
	/* open waits and parks are told by nobody */
	whole.end_ns = end_ns;
	add_span(process, &first, &whole);
	add_window_record(process, from_ns, end_ns, lost);
}

static void add_windows(int process)
{
	for (uint64_t n = 0; n < 3; n++)
		add_window(process, T_END_NS + n * 20000 * MS + rnd(1000 * MS), n == 1 ? 2 + rnd(9) : 0);
}

static void make_world(void)
{
	sample_owner(&owners[0], "shop", "checkout-api-7d9c6b5f4-x2x9k", "app", "checkout-api");
	sample_owner(&owners[1], "shop", "\xff\xfe bad \xc3", "sidecar", "checkout-api");
	owners[2] =
		(struct owner){.kind = OWNER_HOST, .host_pid = 77, .host_comm = "kubelet", .cgroup = "/system.slice"};
	owners[CONTAINERS] = owners[0];
	owners[CONTAINERS].container[0] = owners[CONTAINERS].container_id[0] = 0;
	for (int p = 0; p <= PROCESSES; p++) {
		processes[p] = (struct record_process){.pid = 4000 + 10 * p, .start_unix_ns = 1000 + (uint64_t)p};
		snprintf(processes[p].comm, sizeof(processes[p].comm), "server%d", p);
		snprintf(processes[p].go_version, sizeof(processes[p].go_version), "go1.26.8");
	}
	processes[PROCESSES].pid = processes[0].pid; /* comes again, as another process */
	for (int p = 0; p < PROCESSES; p++) {
		add_gc(p);
		add_network(p);
		add_runq(p);
		add_windows(p);
	}
	add_throttles(0);
	add_throttles(1);
	add_throttles(CONTAINERS); /* of the pod */
	add_missed(0);
	add_readings();
	add_instants();
}

/* As they happen: by end, else as they were made (a cycle after its pauses). */
static int by_end(const void *a, const void *b)
{
	const struct item *x = *(const struct item *const *)a, *y = *(const struct item *const *)b;

	if (x->e.end_ns != y->e.end_ns)
		return x->e.end_ns < y->e.end_ns ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int write_run(const struct exporter_ops *ops, const char *out, const char *extension,
		     const struct item *const *order)
{
	struct exporter_cfg cfg = {.node_name = "worker-3", .agent_version = "0.1"};
	struct exporter *x;
	char path[512];
	int err = 0;

	snprintf(path, sizeof(path), "%s%s", out, extension);
	cfg.file = fopen(path, "w");
	if (!cfg.file || ops->open(&cfg, &x))
		return 1;
	for (size_t i = 0; i < item_cnt && !err; i++)
		err = ops->event(x, &order[i]->e);
	if (!err)
		err = ops->end(x);
	ops->free(x);
	fclose(cfg.file);
	return err;
}

int main(int argc, char **argv)
{
	static const struct item *order[ITEMS_MAX];

	if (argc != 3) {
		fprintf(stderr, "usage: perfetto_sample OUT SEED\n");
		return 2;
	}
	random_state = strtoull(argv[2], NULL, 10) * 2654435761u + 88172645463325252ull;
	make_world();
	for (size_t i = 0; i < item_cnt; i++)
		order[i] = &items[i];
	qsort(order, item_cnt, sizeof(*order), by_end);
	if (write_run(&perfetto_exporter, argv[1], ".pftrace", order) ||
	    write_run(&jsonl_exporter, argv[1], ".jsonl", order))
		return 1;
	printf("%zu\n", item_cnt);
	return 0;
}
