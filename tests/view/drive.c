/* SPDX-License-Identifier: BSD-2-Clause */
/* Drives the live view with snapshots made by hand: the pty tests need no privilege and see the same numbers each time.
 *
 *   drive [--rows N] [--interval-ms N] [--still] [--hostile] [--ascii] [--no-color] [--replay] [--no-history] [--log]
 *         [--empty] [--no-hup] [--ended] [--no-polls] [--passive] [--assists] [--redraws N] [--window] [--lost]
 *         [--ask yes|force|no|long]
 *
 * --no-hup: SIGHUP is ignored, so that only the terminal itself can say that it is gone; --still: numbers do not
 * change; --ended: the recording ends with the first one; --no-polls: no CPU time for the strip; --passive: no probes
 * of go_gc; --assists: go_assist is on; --hostile: names hold escape sequences; --log: a log line an interval;
 * --window: a goroutine window has been there, and the budget switched something off; --lost: it lost events; --ask:
 * what key s is told: a cost, the same on a container that its limit holds, a refusal, a cost in many words;
 * --redraws: shows N snapshots as fast as it can and says on stderr what that cost; without a reader of the keys. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "event.h"
#include "sample_sched.h"
#include "sample_snapshot.h"
#include "stats/history.h"
#include "view/view.h"

#define HISTORY_BYTES (64u << 20)

struct drive {
	int rows, redraws, step;
	uint64_t interval_ns, window_ns;
	bool still, hostile, log, empty, no_hup, ended, no_polls, passive, assists, window, lost;
	const char *ask;    /* NULL: there is no key s */
	uint32_t opened_id; /* a window was opened on it */
	struct view *view;
	struct history *history;
	struct loop *loop;
	int code;
};

/* ---- snapshots ----------------------------------------------------------------------------------------- */

/* 0..1, the same for the same row and step on every machine */
static double noise(int row, int step)
{
	uint32_t x = (uint32_t)row * 2654435761u ^ (uint32_t)step * 40503u;

	x ^= x >> 13;
	x *= 2246822519u;
	x ^= x >> 16;
	return (double)(x % 1000) / 1000;
}

static void extra_row(struct snapshot_container *c, int i, int step, bool hostile)
{
	static const char *const spaces[] = {"shop", "pay", "search", "kube-system"};
	char pod[64];

	sample_quiet(c, 0.01 + noise(i, step), i % 3 ? 2 : -1);
	snprintf(pod, sizeof(pod), hostile ? "p\033[31m%d\033]0;gotcha\007\xff" : "worker-%d-6b8f4d7c99-qq7vz", i);
	sample_owner(&c->owner, spaces[i % 4], pod, "app", "worker");
	sample_process(c, 60000 + i, "go1.24.3", 4);
	c->gc.pause = sample_dist(4, 0.00002, 0.0004 * noise(i, step), 0.0005 * noise(i, step));
	c->net.on = c->net.dns_on = true;
	c->net.rtt = sample_dist(12, 0.0009, 0.0019, 0.0044);
	c->net.dns = sample_dist(3, 0.0009, 0.002, 0.002);
}

static void peers(struct snapshot_container *c)
{
	struct snapshot_peer *x = &c->net.peers[c->net.peer_cnt++];

	memset(x, 0, sizeof(*x));
	str_copy(x->address, sizeof(x->address), "10.1.4.20");
	x->port = 5432;
	x->open = 4;
	x->connects = x->opened = 9;
	x->failed = 1;
	x->connect = sample_dist(8, 0.0003, 0.0011, 0.0011);
	x->rtt = sample_dist(61, 0.0009, 0.0019, 0.0044);
	x->rtt_min_seconds = 0.0002;
	x->segments = 41000;
	x->retransmits = 2;
	x[1] = *x; /* it also calls us */
	c->net.peer_cnt++;
	x->role = TCP_ROLE_CLIENT;
	x[1].role = TCP_ROLE_SERVER;
	x[1].port = 0;
	c->net.open_unknown = 2;
}

static void more_signals(struct snapshot *s)
{
	static const struct {
		enum signal_id id;
		const char *name, *mechanism;
	} more[] = {{SIGNAL_CPU_SCHED, "cpu_sched", "tp_btf sched_switch, in windows"},
		    {SIGNAL_NET_TCP, "net_tcp", "tp_btf inet_sock_set_state, iterator"},
		    {SIGNAL_NET_DNS, "net_dns", "cgroup_skb"},
		    {SIGNAL_MEM_OOM, "mem_oom", "tracepoint mark_victim"}};

	for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++) {
		struct snapshot_signal *x = &s->signals[more[i].id];

		str_copy(x->name, sizeof(x->name), more[i].name);
		str_copy(x->state, sizeof(x->state), "on");
		str_copy(x->mechanism, sizeof(x->mechanism), more[i].mechanism);
		x->present = true;
		x->hit_cost_ns = 120;
	}
	sample_signal_state(s, SIGNAL_NET_DNS, "off", "no cgroup v2 mount; mount one (docs: net_dns)");
	sample_signal_state(s, SIGNAL_CPU_SCHED, "window", "");
	s->signals[SIGNAL_CPU_SCHED].window_share = 0.05;
	s->signals[SIGNAL_GO_GC].lost[LOSS_RING_FULL] = 3;
	s->lost = 3;
}

static void refused(struct snapshot *s)
{
	s->refused = calloc(2, sizeof(*s->refused));
	s->refused_cnt = 2;
	s->refused[0] = (struct snapshot_refused){.pid = 50110, .partial = true};
	str_copy(s->refused[0].name, sizeof(s->refused[0].name), "shop/legacy-0:app");
	str_copy(s->refused[0].go_version, sizeof(s->refused[0].go_version), "go1.16.3");
	str_copy(s->refused[0].why, sizeof(s->refused[0].why), "go_*: Go 1.16 is older than 1.18");
	s->refused[1] = (struct snapshot_refused){.pid = 50342};
	str_copy(s->refused[1].name, sizeof(s->refused[1].name), "?/pod3f2a\033[2J:9c41e0");
	str_copy(s->refused[1].why, sizeof(s->refused[1].why), "self-check failed (allp[3].id = 7)");
}

static void variants(struct snapshot *s, const struct drive *d)
{
	struct snapshot_gc *g = &s->containers[0].gc;

	if (d->passive) {
		sample_signal_state(s, SIGNAL_GO_GC, "off", "no CAP_BPF");
		snapshot_gc_unknown(g);
		g->on = false;
		g->cycles = 142;
		g->passive = true;
		g->pause = sample_dist(142, 0.041, 0.0702, 0.071);
	}
	if (d->assists) {
		sample_signal_state(s, SIGNAL_GO_ASSIST, "on", "");
		g->assists = 2700;
		g->assist_wait = sample_dist(1904, 0.00009, 0.0124, 0.0402);
		g->assist_waits = 1904;
	}
	if (d->window) {
		sample_window(&s->containers[0]);
		sample_overhead(&s->containers[0]);
		sample_signal_state(s, SIGNAL_GO_SCHED, "window", "");
		s->signals[SIGNAL_GO_SCHED].hit_cost_ns = 455;
	}
	if (d->lost)
		s->containers[0].sched.window.lost = 12;
	if (d->opened_id && d->opened_id <= (uint32_t)s->container_cnt)
		s->containers[d->opened_id - 1].sched.window.open = 1;
}

static void time_of(struct snapshot *s, const struct drive *d, int step)
{
	s->time_unix_ns += (uint64_t)step * d->interval_ns;
	s->time_mono_ns += (uint64_t)step * d->interval_ns;
	s->window_seconds = (double)d->window_ns / NS_PER_SEC;
}

static void make_snapshot(const struct drive *d, int step, struct snapshot *s)
{
	struct snapshot_container *grown;

	if (d->empty) {
		sample_node(s);
		time_of(s, d, step);
		return;
	}
	sample_busy(s);
	time_of(s, d, step);
	more_signals(s);
	refused(s);
	peers(&s->containers[0]);
	sample_groups(&s->containers[0]);
	s->containers[0].goroutines = 1575;
	variants(s, d);
	s->containers[0].gc.mapped_ready_bytes = 96 * SAMPLE_MIB;
	s->containers[0].memory.growth_bytes_per_second = -51.0 * 1024 * 1024 / 60;
	s->containers[0].net.rtt = sample_dist(612, 0.00091, 0.00192, 0.0044);
	grown = realloc(s->containers, sizeof(*grown) * (size_t)(SAMPLE_ROWS + d->rows));
	if (!grown)
		abort();
	s->containers = grown;
	for (int i = s->container_cnt; i < d->rows; i++)
		extra_row(&s->containers[s->container_cnt++], i, d->still ? 0 : step, d->hostile);
	for (int i = 0; i < s->container_cnt; i++)
		s->containers[i].id = (uint32_t)i + 1;
	if (!d->still)
		s->containers[3].cpu.usage_cpus = noise(3, step);
}

/* ---- details ------------------------------------------------------------------------------------------- */

static void add_span(struct detail *ret, uint64_t start, uint64_t length, enum detail_lane lane, uint32_t tag)
{
	if (ret->span_cnt < DETAIL_SPANS)
		ret->spans[ret->span_cnt++] = (struct detail_span){.start_ns = start,
								   .end_ns = start + length,
								   .lane = (uint8_t)lane,
								   .tag = tag,
								   .wait_ns = length};
}

/* The numbers of screens.md 6. */
static void cycle(struct detail_cycle *x, uint64_t start, uint64_t numgc)
{
	*x = (struct detail_cycle){.pid = 48213,
				   .trigger = GC_TRIGGER_HEAP,
				   .procs = 32,
				   .pauses = 2,
				   .start_ns = start,
				   .end_ns = start + 60000000,
				   .mark_start_ns = start,
				   .mark_end_ns = start + 41000000,
				   .pause_sum_ns = 71000000,
				   .known = true};
	x->numbers = (struct runtime_cycle){.numgc = numgc,
					    .sweep_term_ns = (int64_t)start,
					    .mark_ns = (int64_t)start + 21000,
					    .mark_term_ns = (int64_t)start + 41021000,
					    .end_ns = (int64_t)start + 112021000,
					    .assist_ns = 88000000,
					    .dedicated_ns = 11000000,
					    .fractional_ns = 1000000,
					    .heap0 = 71 * SAMPLE_MIB,
					    .heap1 = 77 * SAMPLE_MIB,
					    .heap2 = 38 * SAMPLE_MIB,
					    .goal = 76 * SAMPLE_MIB,
					    .stacks = 212 * 1024,
					    .globals = 180 * 1024,
					    .cpu_fraction = 0.21,
					    .stwprocs = 32,
					    .maxprocs = 32};
}

static bool detail(uint32_t id, uint64_t from, uint64_t to, struct detail *ret, void *arg)
{
	memset(ret, 0, sizeof(*ret));
	for (uint64_t at = from - from % 100000000; at < to; at += 100000000) {
		add_span(ret, at + 15000000, 60000000, LANE_MARK, 0);
		add_span(ret, at + 30000000, 70200000, LANE_THROTTLE, 0);
		add_span(ret, at + 30000000, 70200000, LANE_THROTTLE, 1);
		add_span(ret, at + 75000000, 40000, LANE_STW, STW_GC_SWEEP_TERM);
		add_span(ret, at + 80000000, 310000, LANE_RUNQ, 0);
		str_copy(ret->spans[ret->span_cnt - 1].text, 20, "kworker/3:1");
	}
	for (uint64_t at = from - from % 5000000; at < to + 5000000 && ret->poll_cnt < DETAIL_POLLS; at += 5000000) {
		struct detail_poll *x = &ret->polls[ret->poll_cnt];

		x->time_ns = at;
		x->cpu_ns = ret->poll_cnt
				    ? ret->polls[ret->poll_cnt - 1].cpu_ns + (at % 100000000 < 30000000 ? 9000000 : 0)
				    : 0;
		ret->poll_cnt++;
	}
	if (((struct drive *)arg)->no_polls)
		ret->poll_cnt = 0;
	if (id == SAMPLE_ROWS) /* the row that is gone: nothing of it in this second */
		ret->span_cnt = 0;
	for (int i = 0; i < 100; i++)
		ret->runq_watched[i] = i >= 50;
	for (uint32_t i = 0; i < DETAIL_CYCLES; i++)
		cycle(&ret->cycles[ret->cycle_cnt++], to - i * 70000000ull, 18121 - i);
	if (((struct drive *)arg)->passive)
		ret->cycle_cnt = 0;
	ret->cycles[3].known = false; /* its numbers did not come */
	ret->cycles[4].trigger = GC_TRIGGER_FORCED;
	ret->notes[0].time_unix_ns = SAMPLE_TIME_NS;
	str_copy(ret->notes[0].text, sizeof(ret->notes[0].text), "verdict on: throttled+gc, critical");
	ret->notes[1].time_unix_ns = SAMPLE_TIME_NS - 60000000000ull;
	str_copy(ret->notes[1].text, sizeof(ret->notes[1].text), "exit of pid 48100: \033[31mcode 2");
	ret->note_cnt = 2;
	return id < 100000;
}

/* ---- the loop ------------------------------------------------------------------------------------------ */

static void gone(struct drive *d, int err)
{
	if (!err)
		return;
	d->code = 3; /* the tests look for it */
	loop_stop(d->loop, 0);
}

static int show(struct drive *d)
{
	struct snapshot s;
	int err;

	make_snapshot(d, d->step, &s);
	if (d->history)
		history_add(d->history, &s);
	err = view_show(d->view, &s);
	snapshot_deinit(&s);
	d->step++;
	if (d->ended)
		view_end_of_recording(d->view);
	return err;
}

static void on_interval(void *arg)
{
	struct drive *d = arg;

	if (d->log)
		log_warn("line %d \033[31mred", d->step);
	gone(d, show(d));
}

static void on_tick(void *arg)
{
	struct drive *d = arg;

	gone(d, view_tick(d->view));
}

static void on_input(int fd, uint32_t events, void *arg)
{
	struct drive *d = arg;

	gone(d, view_input(d->view));
}

static void on_signal(int signo, void *arg)
{
	struct drive *d = arg;

	if (signo == SIGWINCH || signo == SIGCONT)
		gone(d, view_resized(d->view));
	else
		loop_stop(d->loop, 0);
}

static void on_window(uint64_t window_ns, void *arg)
{
	((struct drive *)arg)->window_ns = window_ns;
}

static void on_record(char *say, size_t sz, void *arg)
{
	snprintf(say, sz, "wrote 30 s to /tmp/trace.pftrace");
}

static bool on_ask(uint32_t id, bool *force, char *say, size_t sz, void *arg)
{
	const struct drive *d = arg;

	*force = !strcmp(d->ask, "force");
	if (!strcmp(d->ask, "no"))
		snprintf(say, sz, "a goroutine window is open on it");
	else if (!strcmp(d->ask, "long"))
		snprintf(say, sz, "about 1.1 %% of its CPU for 2 s, %0100d", 0);
	else
		snprintf(say, sz, "about 1.1 %% of its CPU for 2 s");
	return strcmp(d->ask, "no") != 0;
}

static void on_arm(uint32_t id, bool force, char *say, size_t sz, void *arg)
{
	((struct drive *)arg)->opened_id = id;
	snprintf(say, sz, "window opened on %u%s", id, force ? ", forced" : "");
}

static void on_quit(void *arg)
{
	loop_stop(((struct drive *)arg)->loop, 0);
}

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static long rss_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * sysconf(_SC_PAGESIZE) / 1024;
}

/* Two made beforehand, so that only the view is measured. */
static int bench(struct drive *d, char *say, size_t sz)
{
	struct snapshot s[2];
	long first = 0;
	double began;
	int err = 0;

	make_snapshot(d, 0, &s[0]);
	make_snapshot(d, 1, &s[1]);
	began = cpu_seconds();
	for (int i = 0; i < d->redraws && !err; i++) {
		err = view_show(d->view, &s[i % 2]);
		if (i == d->redraws / 10)
			first = rss_kib();
	}
	snprintf(say, sz, "%d redraws of %d rows: %.3f ms of CPU each, memory %ld KiB, then %ld KiB\n", d->redraws,
		 d->rows, (cpu_seconds() - began) * 1e3 / d->redraws, first, rss_kib());
	snapshot_deinit(&s[0]);
	snapshot_deinit(&s[1]);
	return err;
}

static int run(struct drive *d)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGWINCH, SIGCONT};

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		loop_add_signal(d->loop, signals[i], on_signal, d);
	if (d->no_hup)
		signal(SIGHUP, SIG_IGN);
	else
		loop_add_signal(d->loop, SIGHUP, on_signal, d);
	if (loop_add_fd(d->loop, STDIN_FILENO, EPOLLIN, on_input, d) ||
	    loop_add_timer(d->loop, 1, d->interval_ns, on_interval, d) < 0 ||
	    loop_add_timer(d->loop, 100000000, 100000000, on_tick, d) < 0)
		return 1;
	return loop_run(d->loop);
}

static void options(int argc, char **argv, struct drive *d, struct view_cfg *cfg, bool *history)
{
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *value = i + 1 < argc ? argv[i + 1] : "0";

		d->still |= !strcmp(a, "--still");
		d->hostile |= !strcmp(a, "--hostile");
		d->log |= !strcmp(a, "--log");
		d->empty |= !strcmp(a, "--empty");
		d->no_hup |= !strcmp(a, "--no-hup");
		d->ended |= !strcmp(a, "--ended");
		d->no_polls |= !strcmp(a, "--no-polls");
		d->passive |= !strcmp(a, "--passive");
		d->assists |= !strcmp(a, "--assists");
		d->window |= !strcmp(a, "--window");
		d->lost |= !strcmp(a, "--lost");
		cfg->ascii |= !strcmp(a, "--ascii");
		cfg->replay |= !strcmp(a, "--replay");
		if (!strcmp(a, "--no-color"))
			cfg->color = false;
		if (!strcmp(a, "--no-history"))
			*history = false;
		if (!strcmp(a, "--ask"))
			d->ask = value;
		if (!strcmp(a, "--rows"))
			d->rows = atoi(value);
		if (!strcmp(a, "--redraws"))
			d->redraws = atoi(value);
		if (!strcmp(a, "--interval-ms"))
			d->interval_ns = strtoull(value, NULL, 10) * NS_PER_MS;
	}
}

int main(int argc, char **argv)
{
	struct drive d = {.rows = SAMPLE_ROWS, .interval_ns = NS_PER_SEC, .window_ns = 10 * NS_PER_SEC};
	struct view_cfg cfg = {.color = true, .window_ns = d.window_ns, .sort = SORT_WHY};
	char why[WHY_SZ] = "", say[200] = "", *text = NULL;
	bool history = true;

	options(argc, argv, &d, &cfg, &history);
	cfg.ops = (struct view_ops){.detail = detail,
				    .window = on_window,
				    .record = on_record,
				    .sched_ask = d.ask ? on_ask : NULL,
				    .sched_arm = d.ask ? on_arm : NULL,
				    .quit = on_quit,
				    .arg = &d};
	cfg.interval_ns = d.interval_ns;
	if (loop_new(&d.loop) || (history && history_new(HISTORY_BYTES, &d.history)))
		return 1;

	cfg.history = d.history;
	if (view_open(&cfg, &d.view, why)) {
		fprintf(stderr, "drive: %s\n", why);
		return 2;
	}
	if (d.redraws ? bench(&d, say, sizeof(say)) : run(&d))
		d.code = 3;
	view_close(d.view, &text);
	fputs(say, stderr);
	if (text)
		fputs(text, stdout);
	free(text);
	history_free(d.history);
	loop_free(d.loop);
	return d.code;
}
