/* SPDX-License-Identifier: BSD-2-Clause */
/* gctrace TARGET: a line for each cycle, as GODEBUG=gctrace=1 prints it, until -d or Ctrl-C.
 *
 * Only go_gc and proc_watch are on; each finished cycle's numbers come as an event (include/event.h, EVENT_GC_DONE). A
 * process that go_gc cannot tell of is read every POLL_NS instead: of cycles that follow each other faster, the last
 * one is seen. What is missing shows in the runtime's own count of cycles, and is told at the end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "commands.h"
#include "export/gctrace.h"
#include "probes/go_gc.h"
#include "runtime/memory.h"
#include "session.h"
#include "stats/gc_cycle.h"
#include "target.h"

#define POLL_NS    (10 * NS_PER_MS)
#define LOOK_NS    (100 * NS_PER_MS) /* for processes that came or became known */
#define FOLLOW_MAX 8192
#define PREFIX_SZ  (OWNER_NAME_SZ * 3 + 20)

struct follower {
	pid_t pid;
	uint64_t init_ns;        /* CLOCK_MONOTONIC of its start, 0 unknown */
	uint64_t numgc;          /* of the last cycle seen */
	struct sampler *sampler; /* owned; NULL: events tell */
	bool started;            /* numgc counts */
	bool off;                /* nothing can tell of its cycles */
};

struct gctrace {
	struct options opts;
	struct loop *loop;
	struct session *session;   /* NULL while it opens */
	struct hashmap *followers; /* pid -> struct follower, owned */
	int poll_timer;            /* -1: nothing is polled */
	uint64_t lines, missed;    /* missed: cycles that the runtime counted and nobody told */
	bool gone;                 /* what is polled has ended or replaced its image */
	int err;                   /* of stdout */
};

/* ---- one process --------------------------------------------------------------------------------------- */

static uint64_t read_init_time(const struct gctrace *g, const struct process *p)
{
	uint64_t at = p->binary->globals[GLOBAL_INIT_TIME];
	int64_t ns = 0;
	struct memory m;

	if (!at || memory_open(&m, g->opts.root, p->pid))
		return 0;
	if (memory_read(&m, at + p->bias, &ns, sizeof(ns)) || ns < 0 || (uint64_t)ns > clock_mono_ns())
		ns = 0;
	memory_close(&m);
	return (uint64_t)ns;
}

static void print_cycle(struct gctrace *g, const struct follower *f, const struct process *p,
			const struct runtime_cycle *c)
{
	char line[GCTRACE_LINE_SZ], prefix[PREFIX_SZ], text[sizeof(line) + sizeof(prefix) + 1];
	int err;

	if (g->opts.json) {
		err = output_line_consume(gctrace_json(p, c, f->init_ns));
	} else {
		gctrace_line(c, f->init_ns, line);
		output_target_prefix(&g->opts, p, prefix, sizeof(prefix));
		snprintf(text, sizeof(text), "%s%s\n", prefix, line);
		err = output_text(text);
	}
	g->lines++;
	if (!err || g->err)
		return;
	g->err = err;
	loop_stop(g->loop, 0);
}

/* A cycle that ended: told once, and the ones between it and the last one are missing. */
static void tell_cycle(struct gctrace *g, struct follower *f, const struct process *p, const struct runtime_cycle *c)
{
	if (f->started && c->numgc <= f->numgc)
		return;
	if (f->started)
		g->missed += c->numgc - f->numgc - 1;
	f->started = true;
	f->numgc = c->numgc;
	print_cycle(g, f, p, c);
}

static void poll_one(struct gctrace *g, struct follower *f)
{
	const struct process *p = proc_table_find(g->session->procs, f->pid);
	struct runtime_sample sample;
	struct runtime_cycle c;
	int err = p && p->watched ? sampler_read(f->sampler, &sample) : -ESRCH;

	g->gone |= err == -ESRCH;
	if (err)
		return;
	if (sampler_cycle(f->sampler, &c)) {
		tell_cycle(g, f, p, &c);
	} else if (!f->started && sample.numgc != SAMPLE_UNKNOWN && !sample.gc_phase) { /* none has ended yet */
		f->started = true;
		f->numgc = (uint64_t)sample.numgc;
	}
}

static void on_poll(void *arg)
{
	struct gctrace *g = arg;
	uint64_t key;
	size_t pos = 0;
	void *value;

	while (!g->err && hashmap_next(g->followers, &pos, &key, &value))
		if (((struct follower *)value)->sampler)
			poll_one(g, value);
}

/* Cycles before this one are history: it is not printed. */
static void start_polling(struct gctrace *g, struct follower *f)
{
	struct runtime_sample sample;
	struct runtime_cycle c;

	if (!sampler_read(f->sampler, &sample) && sampler_cycle(f->sampler, &c)) {
		f->started = true;
		f->numgc = c.numgc;
	}
	if (g->poll_timer < 0)
		g->poll_timer = loop_add_timer(g->loop, POLL_NS, POLL_NS, on_poll, g);
}

static const char *why_no_events(const struct process *p)
{
	if (p->go_gc_on)
		return "where the runtime keeps a cycle's numbers is not known";
	return p->go_gc_why[0] ? p->go_gc_why : "go_gc is off";
}

/* Without events. A runtime that has not set itself up yet is tried again. */
static void poll_instead(struct gctrace *g, struct follower *f, const struct process *p)
{
	char why[WHY_SZ] = "";
	int err = sampler_open(g->opts.root, p, &f->sampler, why);

	if (err == SAMPLER_NOT_READY)
		return;
	f->off = err;
	if (err) {
		log_warn("pid %d: cannot tell its cycles: %s; %s", (int)p->pid, why_no_events(p), why);
		return;
	}
	log_warn("pid %d: %s; read every %llu ms instead: cycles that follow each other faster are missed", (int)p->pid,
		 why_no_events(p), POLL_NS / NS_PER_MS);
	start_polling(g, f);
}

static struct follower *follow(struct gctrace *g, const struct process *p)
{
	struct follower *f = hashmap_find(g->followers, (uint64_t)p->pid);

	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f || hashmap_add(g->followers, (uint64_t)p->pid, f)) {
		free(f);
		return NULL;
	}
	f->pid = p->pid;
	return f;
}

static void unfollow(struct gctrace *g, pid_t pid)
{
	struct follower *f = hashmap_remove(g->followers, (uint64_t)pid);

	if (f)
		sampler_close(f->sampler);
	free(f);
}

static bool tells_itself(const struct process *p)
{
	return p->go_gc_on && go_gc_copies_cycles(p->binary);
}

/* ---- the session --------------------------------------------------------------------------------------- */

static void on_done(struct gctrace *g, const struct event_gc_done *e)
{
	const struct process *p = proc_table_find(g->session->procs, (pid_t)e->hdr.tgid);
	struct follower *f = p && p->watched ? follow(g, p) : NULL;
	struct runtime_cycle c;

	if (!f)
		return;
	if (!f->init_ns)
		f->init_ns = read_init_time(g, p);
	gc_cycle_numbers(e, &c);
	tell_cycle(g, f, p, &c);
}

static void on_record(const struct record *r, void *arg)
{
	const union event *e = r->body;
	const struct record_process_gone *gone = r->body;
	struct gctrace *g = arg;

	if (r->type == RECORD_PROCESS_GONE)
		unfollow(g, gone->pid);
	else if (r->type == RECORD_EVENT && e->hdr.kind == EVENT_GC_DONE && g->session && !g->err)
		on_done(g, &e->gc_done);
}

static void on_look(void *arg)
{
	struct gctrace *g = arg;

	if (g->gone) /* without probes nobody else tells */
		proc_table_verify(g->session->procs);
	g->gone = false;
	for (struct process *p = proc_table_next(g->session->procs, NULL); p;
	     p = proc_table_next(g->session->procs, p)) {
		struct follower *f = p->watched && p->binary ? follow(g, p) : NULL;

		if (!f)
			continue;
		if (!f->init_ns)
			f->init_ns = read_init_time(g, p);
		if (!f->sampler && !f->off && !tells_itself(p))
			poll_instead(g, f, p);
	}
	if (output_target_ended(g->session, &g->opts))
		loop_stop(g->loop, 0);
}

static void on_end(void *arg)
{
	loop_stop(((struct gctrace *)arg)->loop, 0);
}

static void tell_losses(struct gctrace *g)
{
	struct signal_counters c = {0};
	uint64_t lost = 0;

	if (g->session->probes)
		probes_counters(g->session->probes, SIGNAL_GO_GC, &c);
	for (int i = 0; i < LOSS_REASON_MAX; i++)
		lost += c.lost[i] + g->session->lost[SIGNAL_GO_GC][i];
	if (g->missed)
		log_warn("%llu cycles were missed, beside %llu told", (unsigned long long)g->missed,
			 (unsigned long long)g->lines);
	if (lost)
		log_warn("%llu of go_gc's hits were lost: cycles at the begin or the end may be missing",
			 (unsigned long long)lost);
}

/* Silence is no answer: a program that allocates little runs for minutes without a cycle. */
static void tell_silence(const struct gctrace *g)
{
	char text[300];

	if (!g->lines && !g->opts.quiet)
		log_warn("no GC cycle of %s ended in this time; gopherscope runtime shows how many there were",
			 target_text(&g->opts, text, sizeof(text)));
}

static int add_timers(struct gctrace *g)
{
	int id = loop_add_timer(g->loop, LOOK_NS, LOOK_NS, on_look, g);

	if (id >= 0 && g->opts.duration_ns)
		id = loop_add_timer(g->loop, g->opts.duration_ns, 0, on_end, g);
	return id < 0 ? id : 0;
}

static int run(struct gctrace *g)
{
	struct process *targets[2];
	int err = output_targets(g->session, &g->opts, targets, 2);

	if (err < 0)
		return -err;
	on_look(g);
	err = add_timers(g);
	err = err ? err : loop_run(g->loop);
	session_drain(g->session);
	tell_losses(g);
	if (!g->err)
		tell_silence(g);
	if (g->err)
		return output_failed(g->err);
	return err < 0 ? EXIT_FAILED : EXIT_GOOD;
}

/* Without the right to load probes everything is polled. */
static int open_session(struct gctrace *g, char *why)
{
	struct session_cfg cfg = {.opts = &g->opts, .loop = g->loop, .feed = on_record, .arg = g};
	int err = session_open(&cfg, &g->session, why);

	if (err != -EPERM && err != -ENOTSUP)
		return err;
	log_warn("%s", why);
	cfg.start_detached = true;
	return session_open(&cfg, &g->session, why);
}

static void close_all(struct gctrace *g)
{
	uint64_t key;
	size_t pos = 0;
	void *value;

	session_close(g->session);
	while (g->followers && hashmap_next(g->followers, &pos, &key, &value)) {
		sampler_close(((struct follower *)value)->sampler);
		free(value);
	}
	hashmap_free(g->followers);
	loop_free(g->loop);
}

int command_gctrace(const struct options *opts)
{
	struct gctrace g = {.opts = *opts, .poll_timer = -1};
	char why[WHY_SZ] = "";
	int code, err = output_open_loop(&g.loop);

	g.opts.signals &= (1u << SIGNAL_GO_GC) | (1u << SIGNAL_PROC_WATCH);
	if (!err)
		err = hashmap_new(FOLLOW_MAX, &g.followers);
	if (err)
		err_why(why, err, "cannot start: %s", strerror(-err));
	else
		err = open_session(&g, why);
	code = err ? output_open_failed(err, why) : run(&g);
	close_all(&g);
	return code;
}
