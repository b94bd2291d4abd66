/* SPDX-License-Identifier: BSD-2-Clause */
/* When whose goroutines are counted. A census of 100 goroutines costs some 0.5 ms, one of 4,000 some 6 ms, and the loop
 * waits for it: a program of up to WALK_MIN is always walked whole, of a larger one what fits into CENSUS_MAX_NS at
 * the price of the last one, and all of them together get SHARE of one core, except for the container whose screen is
 * open. The price is CPU time, as wall time on a busy machine is that of others, and a g's, dead ones included: what a
 * small process costs is mostly not its goroutines. One look (`why`, `top --once`) takes two, at its begin and at its
 * end. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "base/str.h"
#include "procs/proc_info.h"
#include "runtime/census.h"
#include "runtime/process_lines.h"
#include "session.h"

#define EVERY_NS      (10 * NS_PER_SEC)
#define SCREEN_NS     (2 * NS_PER_SEC)
#define SLACK_NS      (300 * NS_PER_MS) /* we come by once a second, not exactly */
#define SHARE         0.002             /* of one core, for all processes */
#define SCREEN_SHARE  0.01
#define SAVED_MAX_NS  (20 * NS_PER_MS)
#define CENSUS_MAX_NS (5 * NS_PER_MS)
#define LOOK_MAX_NS   (200 * NS_PER_MS) /* one look: who is left out comes first at its end */
#define G_NS_FIRST    5000              /* before one was measured: the dearest seen */
#define G_NS_MIN      100
#define SAMPLE_MIN    1000 /* of more: a part of 1 % is off by a third of itself */
#define WALK_MIN      4096 /* as many are always looked at: a sample could miss who holds a lock */
#define LINES_MAX     64   /* binaries whose tables are open */

/* The tables of a binary, for all of its processes. */
struct shared_lines {
	struct code_lines *lines; /* owned, NULL: they cannot be read */
	unsigned int refs;
};

/* ---- names --------------------------------------------------------------------------------------------- */

static struct shared_lines *lines_open(struct session *s, const struct process *p)
{
	struct shared_lines *l;
	char why[WHY_SZ] = "";

	if (!s->lines && hashmap_new(LINES_MAX, &s->lines))
		return NULL;
	l = calloc(1, sizeof(*l));
	if (!l || hashmap_add(s->lines, (uintptr_t)p->binary, l)) {
		free(l);
		return NULL;
	}
	if (process_lines_open(s->opts->root, p, &l->lines, why))
		log_debug("pid %d: no names of functions: %s", p->pid, why);
	return l;
}

struct code_lines *session_lines(struct session *s, struct process *p)
{
	struct watched *w = p->watched;

	if (!w->lines) {
		w->lines = s->lines ? hashmap_find(s->lines, (uintptr_t)p->binary) : NULL;
		if (!w->lines)
			w->lines = lines_open(s, p);
		if (w->lines)
			w->lines->refs++;
	}
	return w->lines ? w->lines->lines : NULL;
}

void session_census_forget(struct session *s, struct process *p)
{
	struct shared_lines *l = p->watched->lines;

	p->watched->lines = NULL;
	if (!l || --l->refs)
		return;
	hashmap_remove(s->lines, (uintptr_t)p->binary);
	code_lines_close(l->lines);
	free(l);
}

/* Of a path that does not fit the end counts. */
static void copy_function(char *dst, size_t sz, const char *function)
{
	const char *slash;

	while (strlen(function) >= sz && (slash = strchr(function, '/')))
		function = slash + 1;
	str_copy(dst, sz, function);
}

void session_name_frame(const struct code_frame *f, char *function, size_t function_sz, char *at, size_t at_sz)
{
	const char *file = strrchr(f->file, '/');

	copy_function(function, function_sz, f->function);
	if (*f->file && f->line)
		snprintf(at, at_sz, "%s:%d", file ? file + 1 : f->file, f->line);
}

static void name(struct code_lines *lines, uint64_t pc, bool blocked, char *function, size_t function_sz, char *at,
		 size_t at_sz)
{
	struct code_frame f;

	if (lines && process_lines_site(lines, pc, blocked, &f))
		session_name_frame(&f, function, function_sz, at, at_sz);
}

/* ---- one census ---------------------------------------------------------------------------------------- */

static uint64_t scaled(const struct census *c, uint64_t cnt)
{
	return (uint64_t)llround((double)cnt * c->scale);
}

static void add_state(struct record_census *r, enum goroutine_state state, uint64_t cnt)
{
	switch (state) {
	case GOROUTINE_RUNNING:
	case GOROUTINE_COPYSTACK: /* it grows its own stack */
		r->running += cnt;
		break;
	case GOROUTINE_RUNNABLE:
		r->runnable += cnt;
		break;
	case GOROUTINE_SYSCALL:
		r->syscall += cnt;
		break;
	case GOROUTINE_LEAKED:
		r->leaked += cnt;
		break;
	case GOROUTINE_WAITING:
	case GOROUTINE_PREEMPTED:
		r->waiting += cnt;
		break;
	default:
		break;
	}
}

static void fill_group(const struct census *c, const struct census_group *x, struct code_lines *lines,
		       struct record_census_group *g)
{
	g->cnt = scaled(c, x->cnt);
	g->oldest_wait_ns = x->oldest_wait_ns < 0 ? -1 : x->oldest_wait_ns;
	g->created_pc = x->created_pc;
	g->blocked_pc = x->blocked_pc;
	g->state = x->state;
	str_copy(g->reason, sizeof(g->reason), x->reason);
	if (lines && process_lines_is_main(lines, x)) /* its go statement is in the runtime's assembly */
		str_copy(g->created, sizeof(g->created), "(start of the program)");
	else
		name(lines, x->created_pc, false, g->created, sizeof(g->created), g->created_at, sizeof(g->created_at));
	name(lines, x->blocked_pc, true, g->blocked, sizeof(g->blocked), g->blocked_at, sizeof(g->blocked_at));
}

/* The runtime's own goroutines are not the program's. */
static void tell_census(struct session *s, struct process *p, const struct census *c)
{
	struct record_census r = {.pid = p->pid, .time_ns = c->time_ns, .walked = c->walked};
	struct code_lines *lines = session_lines(s, p);

	for (size_t i = 0; i < c->group_cnt; i++) {
		const struct census_group *x = &c->groups[i];

		if (x->system)
			continue;
		r.total += scaled(c, x->cnt);
		add_state(&r, x->state, scaled(c, x->cnt));
		if (r.group_cnt < RECORD_CENSUS_GROUPS)
			fill_group(c, x, lines, &r.groups[r.group_cnt++]);
	}
	session_tell(s, RECORD_CENSUS, &r, sizeof(r));
}

static uint64_t walk_max(const struct watched *w)
{
	uint64_t g_ns = w->census_g_ns ? w->census_g_ns : G_NS_FIRST, max = CENSUS_MAX_NS / g_ns;

	uint64_t min = w->census_total > WALK_MIN ? SAMPLE_MIN : WALK_MIN;

	return max < min ? min : max < CENSUS_WALK_MAX ? max : CENSUS_WALK_MAX;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) ? 0 : (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static void remember_price(struct watched *w, const struct census *c, uint64_t took_ns)
{
	uint64_t g_ns = c->slots ? took_ns / c->slots : 0;

	w->census_took_ns = took_ns;
	w->census_total = c->total;
	w->census_g_ns = g_ns < G_NS_MIN ? G_NS_MIN : g_ns;
}

/* Returns what CPU it took, in ns. */
static uint64_t take(struct session *s, struct process *p)
{
	struct watched *w = p->watched;
	struct census_cfg cfg = {.walk_max = walk_max(w), .blocked = true, .lines = session_lines(s, p)};
	char why[WHY_SZ] = "";
	struct census c;
	uint64_t start = cpu_ns();
	int err;

	w->census_ns = clock_mono_ns();
	err = census_take(s->opts->root, p, &cfg, &c, why);
	if (!err) {
		remember_price(w, &c, cpu_ns() - start);
		log_debug("pid %d: census of %" PRIu64 " of %" PRIu64 " goroutines in %" PRIu64 " us of CPU", p->pid,
			  c.walked, c.total, w->census_took_ns / 1000);
		tell_census(s, p, &c);
		census_deinit(&c);
	} else if (err != -ESRCH) {
		w->census_off = err == CENSUS_NO_LAYOUT;
		log_debug("pid %d: no census: %s", p->pid, why);
	}
	return cpu_ns() - start;
}

/* ---- whose turn ---------------------------------------------------------------------------------------- */

static bool on_screen(const struct session *s, const struct process *p)
{
	return s->polled_id && p->watched->owner->id == s->polled_id;
}

static uint64_t screen_processes(const struct session *s)
{
	uint64_t cnt = 0;

	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p))
		cnt += p->watched && on_screen(s, p);
	return cnt;
}

static bool is_due(const struct session *s, const struct process *p, uint64_t now, uint64_t on_screen_cnt)
{
	const struct watched *w = p->watched;
	uint64_t every = EVERY_NS, dear;

	if (!w || !w->sampler || w->census_off)
		return false;
	if (on_screen(s, p)) {
		dear = (uint64_t)((double)(w->census_took_ns * on_screen_cnt) / SCREEN_SHARE);
		every = dear > SCREEN_NS ? dear : SCREEN_NS;
	}
	return !w->census_ns || now - w->census_ns + SLACK_NS >= every;
}

/* The one that has waited longest; those on the screen first. */
static struct process *next_due(const struct session *s, uint64_t now)
{
	uint64_t on_screen_cnt = screen_processes(s);
	struct process *best = NULL;

	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p)) {
		if (!is_due(s, p, now, on_screen_cnt))
			continue;
		if (!best || on_screen(s, p) > on_screen(s, best) ||
		    (on_screen(s, p) == on_screen(s, best) && p->watched->census_ns < best->watched->census_ns))
			best = p;
	}
	return best;
}

static void save_up(struct session *s, uint64_t now)
{
	double more = s->census_saved_at_ns ? (double)(now - s->census_saved_at_ns) * SHARE : (double)SAVED_MAX_NS;

	s->census_saved_at_ns = now;
	s->census_saved_ns += (int64_t)fmin(more, (double)SAVED_MAX_NS);
	if (s->census_saved_ns > (int64_t)SAVED_MAX_NS)
		s->census_saved_ns = (int64_t)SAVED_MAX_NS;
}

void session_census(struct session *s, uint64_t now)
{
	uint64_t spent = 0;
	struct process *p;

	if (!s->cfg.feed)
		return;
	save_up(s, now);
	while (spent < CENSUS_MAX_NS && (p = next_due(s, now))) {
		bool screen = on_screen(s, p);
		uint64_t took;

		if (!screen && s->census_saved_ns <= 0)
			break;
		took = take(s, p);
		spent += took;
		s->census_saved_ns -= screen ? 0 : (int64_t)took;
	}
}

static struct process *oldest_before(const struct session *s, uint64_t before_ns)
{
	struct process *best = NULL;

	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p)) {
		const struct watched *w = p->watched;

		if (w && w->sampler && !w->census_off && w->census_ns < before_ns &&
		    (!best || w->census_ns < best->watched->census_ns))
			best = p;
	}
	return best;
}

void session_census_all(struct session *s, uint64_t now)
{
	uint64_t spent = 0;
	struct process *p;

	while (s->cfg.feed && spent < LOOK_MAX_NS && (p = oldest_before(s, now)))
		spent += take(s, p);
}
