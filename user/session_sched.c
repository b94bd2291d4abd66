/* SPDX-License-Identifier: BSD-2-Clause */
/* What we may cost each process, and goroutine windows inside of that. The receipt of a process is hits times their
 * calibrated cost, for go_gc and go_assist from its events, for go_sched from the counts of its window; for cpu_sched
 * the waits of its cgroup in a window (own histogram on wake-up and switch: 383 ns, facts/performance.md 2). Its CPU
 * time is the kernel's process clock. A window opens when the credit covers 100 ms of what it is expected to cost, and
 * closes when it is used up: what is closed late or costs while its probes go is a debt that the next one waits for. */
#include "session_sched.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "base/str.h"
#include "events/event_hits.h"
#include "probes/signal.h"
#include "procs/proc_info.h"
#include "stats/histogram.h"

#define RUNQ_WAIT_NS    400 /* a wake-up and a switch with our programs on them */
#define SECOND_NS       (NS_PER_SEC - 50 * NS_PER_MS)
#define WINDOW_MAX_NS   (10 * NS_PER_SEC)
#define ARMED_NS        (2 * NS_PER_SEC) /* key s */
#define TRIGGER_HOLD_NS (2 * NS_PER_SEC)
#define THROTTLED_NS    (2500 * NS_PER_MS) /* it was throttled in the last 2 s, as read once a second */
#define QUOTA_RATIO     0.95
#define OPENING_RATIO   0.1 /* seconds of a window that the credit must cover before it opens */
#define UNKNOWN_RATIO   0.3 /* what a window costs of the CPU, before anything is known */
#define UNKNOWN_OPENING 0.05
#define SWITCH_HITS     3 /* run, ready, park */
#define TO_RUN_SAMPLED  8 /* the runtime counts one wait in 8 (gTrackingPeriod) */
#define OFFER_MIN_NS    (20 * NS_PER_MS)
#define RETRY_NS        NS_PER_SEC
#define RETRY_MAX_NS    (60 * NS_PER_SEC)
#define SLICES_MAX      16
#define OPENING_MAX_NS  (20 * NS_PER_MS) /* of one tick */
#define RUNQ_SELDOM_NS  (60 * NS_PER_SEC)
#define RUNQ_TRIFLE_NS  100000.0 /* a window that costs less asks nobody: 0.01 % of a CPU in that second */
#define RUNQ_SHORT_NS   (250 * NS_PER_MS)
#define STOP_MAX_NS     (2 * NS_PER_SEC)
#define ASSIST_BIT      (1u << OVERHEAD_GO_ASSIST)
#define STOP_STEP_NS    (5 * NS_PER_MS)
#define NONE_LINES      8 /* processes that are named */

static bool wants_signal(const struct session *s)
{
	return s->opts->signals & (1u << SIGNAL_GO_SCHED);
}

static struct sched_watch *watch_of(const struct session *s, struct process *p)
{
	struct watched *w = p->watched;

	if (!w->sched) {
		w->sched = calloc(1, sizeof(*w->sched));
		if (w->sched)
			overhead_init(&w->sched->budget, s->opts->max_overhead);
	}
	return w->sched;
}

/* ---- the receipt --------------------------------------------------------------------------------------- */

static void share_runq(struct session *s, const struct event_runq_window *e)
{
	unsigned int cnt = 0;
	double cost, seconds = (double)(e->hdr.time_ns - e->start_ns) / NS_PER_SEC;

	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p))
		cnt += p->watched && p->owner && p->owner->cpu_cgid == e->hdr.cpu_cgid;
	if (!cnt)
		return;
	cost = (double)e->cnt * RUNQ_WAIT_NS / cnt;
	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p)) {
		struct sched_watch *w =
			p->watched && p->owner && p->owner->cpu_cgid == e->hdr.cpu_cgid ? watch_of(s, p) : NULL;

		if (!w)
			continue;
		w->cost_ns[OVERHEAD_CPU_SCHED] += cost;
		w->runq_cost_s = seconds > 0 ? cost / seconds : 0;
	}
}

/* The window as such, ahead of what it showed: who is not in it had no wait. */
static void begin_runq(struct session *s, const struct event_runq_window *e)
{
	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p))
		if (p->watched && p->watched->sched)
			p->watched->sched->runq_cost_s = 0;
	s->runq.every_ns = s->runq.end_ns ? e->hdr.time_ns - s->runq.end_ns : 0;
	s->runq.end_ns = e->hdr.time_ns;
	s->runq.length_ns = e->hdr.time_ns - e->start_ns;
}

void session_sched_event(struct session *s, const union event *e)
{
	bool assist = e->hdr.kind == EVENT_GC_ASSIST || e->hdr.kind == EVENT_GC_ASSISTS;
	enum signal_id id = assist ? SIGNAL_GO_ASSIST : SIGNAL_GO_GC;
	unsigned long long hits = event_hits(e);
	struct sched_watch *w;
	struct process *p;

	if (e->hdr.kind == EVENT_RUNQ_WINDOW && !e->hdr.cpu_cgid)
		begin_runq(s, &e->runq_window);
	else if (e->hdr.kind == EVENT_RUNQ_WINDOW)
		share_runq(s, &e->runq_window);
	p = hits && s->probes ? proc_table_find(s->procs, (pid_t)e->hdr.tgid) : NULL;
	w = p && p->watched ? watch_of(s, p) : NULL;
	if (w)
		w->cost_ns[assist ? OVERHEAD_GO_ASSIST : OVERHEAD_GO_GC] +=
			(double)hits * probes_signal(s->probes, id)->hit_cost_ns;
}

static double window_cost(const struct session *s, pid_t pid)
{
	struct go_sched_status st;

	return s->probes && probes_sched_status(s->probes, pid, &st) ? st.cost_ns : 0;
}

static void costs_now(const struct session *s, const struct process *p, double ret[OVERHEAD_GROUP_CNT])
{
	const struct sched_watch *w = p->watched->sched;

	memcpy(ret, w->cost_ns, sizeof(w->cost_ns));
	if (w->open || w->going)
		ret[OVERHEAD_GO_SCHED] += window_cost(s, p->pid);
}

static void feed(struct session *s, struct process *p, uint64_t now)
{
	struct sched_watch *w = p->watched->sched;
	double cost[OVERHEAD_GROUP_CNT];
	int64_t cpu;

	if (session_host_cpu(s, p->pid, &cpu) || cpu < 0)
		return; /* it has just ended */
	w->fed_ns = now;
	w->cpu_ns = (uint64_t)cpu;
	costs_now(s, p, cost);
	overhead_feed(&w->budget, now, w->cpu_ns, cost);
}

static bool costs_optional(const struct sched_watch *w)
{
	return w->open || w->going || w->waits || w->budget.off || w->cost_ns[OVERHEAD_GO_ASSIST] > 0 ||
	       w->cost_ns[OVERHEAD_CPU_SCHED] > 0 || w->cost_ns[OVERHEAD_GO_SCHED] > 0;
}

static double opening_credit(const struct sched_watch *w);

static void tell_overhead(struct session *s, struct process *p, uint64_t now)
{
	struct sched_watch *w = p->watched->sched;
	struct record_overhead r = {.pid = p->pid,
				    .off = w->budget.off,
				    .time_ns = now,
				    .cpu_ns = w->cpu_ns,
				    .max_ratio = w->budget.max_ratio < 0 ? -1 : w->budget.max_ratio};
	uint64_t wait = w->waits ? overhead_wait_ns(&w->budget, opening_credit(w)) : 0;

	if (w->budget.off == w->told_off && w->waits == w->told_waits &&
	    (now - w->told_ns < SECOND_NS || !costs_optional(w)))
		return;
	w->told_ns = now;
	w->told_off = w->budget.off;
	w->told_waits = w->waits;
	costs_now(s, p, r.cost_ns);
	r.credit_ns = isinf(overhead_credit(&w->budget)) ? 0 : overhead_credit(&w->budget);
	if (w->waits)
		r.next_ns = wait < UINT64_MAX - now ? now + wait : UINT64_MAX;
	session_tell(s, RECORD_OVERHEAD, &r, sizeof(r));
}

/* ---- what a window would cost -------------------------------------------------------------------------- */

static double mean_hit_ns(struct session *s)
{
	static const enum go_sched_kind kinds[] = {GO_SCHED_RUN, GO_SCHED_READY, GO_SCHED_PARK};
	char why[WHY_SZ];
	const struct go_sched_costs *c = probes_sched_costs(s->probes, why);
	double sum = 0;
	int cnt = 0;

	for (size_t i = 0; c && i < ARRAY_SIZE(kinds); i++) {
		sum += c->hit_ns[kinds[i]];
		cnt += c->hit_ns[kinds[i]] > 0;
	}
	return cnt ? sum / cnt : 0;
}

/* CPU ns a second: that of its last window, or by what the runtime tells; 0 unknown. */
static double expected_cost(struct session *s, struct sched_watch *w)
{
	return w->cost_s > 0 ? w->cost_s : w->switches_s * SWITCH_HITS * mean_hit_ns(s);
}

/* What a window leaves: the hits that come after its close, as many as last time, and the next second of the run
 * queue's window, which is cheaper and must not starve. */
static double reserve_of(const struct sched_watch *w)
{
	return fmin(w->late_ns + w->runq_cost_s, overhead_credit_max(&w->budget) / 4);
}

/* Credit from which on a window opens. Never more than can be saved up. */
static double opening_credit(const struct sched_watch *w)
{
	double cost = w->expected_s > 0 ? w->expected_s * OPENING_RATIO
					: w->budget.cpu_rate * NS_PER_SEC * UNKNOWN_RATIO * UNKNOWN_OPENING;

	return fmin(cost + reserve_of(w), overhead_credit_max(&w->budget) / 2);
}

void session_sched_latency(struct session *s, struct process *p, const struct runtime_latency *l)
{
	struct sched_watch *w = watch_of(s, p);
	uint64_t sum = 0;
	int b = 0;

	if (!w || l->end_ns <= l->start_ns)
		return;
	w->switches_s = (double)(l->cnt * TO_RUN_SAMPLED) * NS_PER_SEC / (double)(l->end_ns - l->start_ns);
	if (!s->opts->sched_trigger_ns || !l->cnt)
		return;
	while (b < RUNTIME_LATENCY_BUCKETS - 1 && (double)(sum + l->buckets[b]) < 0.99 * (double)l->cnt)
		sum += l->buckets[b++];
	if (histogram_bucket_low(b + 1) > s->opts->sched_trigger_ns) /* it lies in this bucket: perhaps at its end */
		w->trigger_ns = clock_mono_ns() + TRIGGER_HOLD_NS;
}

/* ---- at its quota -------------------------------------------------------------------------------------- */

void session_sched_usage(struct watched_owner *o)
{
	const struct cgroup_usage *u = &o->usage;

	if (o->last_read_ns && u->nr_throttled > o->last_throttled && o->last_throttled >= 0)
		o->throttled_ns = u->time_ns;
	o->cpu_use = o->last_read_ns ? 0 : NAN;
	if (o->last_read_ns && u->time_ns > o->last_read_ns && u->cpu_ns != LIMIT_UNKNOWN &&
	    o->last_cpu_ns != LIMIT_UNKNOWN)
		o->cpu_use = (double)(u->cpu_ns - o->last_cpu_ns) / (double)(u->time_ns - o->last_read_ns);
	o->last_read_ns = u->time_ns;
	o->last_throttled = u->nr_throttled;
	o->last_cpu_ns = u->cpu_ns;
}

/* Throttling and use are known from the second reading on. */
static bool quota_unknown(const struct watched_owner *o)
{
	if (!o->limits_known)
		return !o->limits_read_ns; /* not yet; or they cannot be read */
	return o->limits.cpu_limit > 0 && (!o->last_read_ns || isnan(o->cpu_use));
}

static bool is_at_quota(const struct watched_owner *o, uint64_t now)
{
	if (!o->limits_known || !(o->limits.cpu_limit > 0))
		return false;
	return (o->throttled_ns && now - o->throttled_ns < THROTTLED_NS) ||
	       o->cpu_use >= QUOTA_RATIO * o->limits.cpu_limit;
}

/* ---- one window ---------------------------------------------------------------------------------------- */

static void refuse(struct session *s, const struct process *p, const char *why)
{
	p->watched->sched->refused = true;
	err_why(s->sched.why, 0, "off for %.60s (pid %d): %.110s", p->exe, (int)p->pid, why);
	log_warn("go_sched off for %s (pid %d): %s", p->exe, (int)p->pid, why);
}

static void tell_open(struct session *s, const struct process *p)
{
	const struct sched_watch *w = p->watched->sched;
	struct record_sched_window r = {.pid = p->pid, .end = SCHED_WINDOW_OPEN, .id = w->id, .start_ns = w->opened_ns};

	session_tell(s, RECORD_SCHED_WINDOW, &r, sizeof(r));
}

static void tell_window(struct session *s, const struct process *p, const struct go_sched_status *st)
{
	const struct sched_watch *w = p->watched->sched;
	struct record_sched_window r = {.pid = p->pid,
					.end = w->end,
					.id = w->id,
					.start_ns = w->opened_ns,
					.end_ns = st->end_ns ? st->end_ns : clock_mono_ns(),
					.late = st->late,
					.cost_ns = st->cost_ns};

	memcpy(r.hits, st->hits, sizeof(r.hits));
	memcpy(r.lost, st->lost, sizeof(r.lost));
	if (w->closed_cpu_ns > w->opened_cpu_ns)
		r.cpu_ns = w->closed_cpu_ns - w->opened_cpu_ns;
	session_tell(s, RECORD_SCHED_WINDOW, &r, sizeof(r));
}

/* Of memory, descriptors or luck: they may pass. */
static bool is_passing(int err)
{
	static const int passing[] = {EAGAIN, EBUSY, EINTR, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC};

	for (size_t i = 0; i < ARRAY_SIZE(passing); i++)
		if (err == -passing[i])
			return true;
	return false;
}

/* Each time later, and said once. */
static void postpone(const struct process *p, uint64_t now, const char *why)
{
	struct sched_watch *w = p->watched->sched;
	uint64_t wait = RETRY_NS << (w->failures < 6 ? w->failures : 6);

	w->retry_ns = now + (wait < RETRY_MAX_NS ? wait : RETRY_MAX_NS);
	if (!w->failures++)
		log_warn("no goroutine window on %s (pid %d) now: %s", p->exe, (int)p->pid, why);
}

/* 0, -EAGAIN: later, or another error, with why. */
static int try_open(struct session *s, struct process *p, char *why)
{
	_cleanup_close_ int exe_fd = proc_info_open_exe(s->opts->root, p->pid);
	int err;

	if (exe_fd < 0)
		return err_why(why, exe_fd == -ENOENT || exe_fd == -ESRCH ? -EAGAIN : exe_fd,
			       "cannot open its executable: %s", strerror(-exe_fd));
	err = go_sched_check_binary(p->binary, why);
	if (!err)
		err = probes_sched_open(s->probes, p, exe_fd, why);
	if (err == -EBUSY || err == -ENOSPC || (err && !proc_info_same(s->opts->root, p->pid, p->start_ticks)))
		return -EAGAIN;
	return err;
}

static int open_window(struct session *s, struct process *p, uint64_t now, char *why)
{
	struct sched_watch *w = p->watched->sched;
	struct go_sched_status st;
	int err = sched_names_begin(s, p, w);

	if (err)
		err_why(why, err, "%s", strerror(-err));
	else
		err = try_open(s, p, why);
	if (err) {
		sched_names_end(w);
		w->retry_ns = now + RETRY_NS;
		if (err != -EAGAIN && is_passing(err))
			postpone(p, now, why);
		else if (err != -EAGAIN)
			refuse(s, p, why);
		return err;
	}
	w->failures = 0;
	w->open = true;
	w->waits = false;
	w->id = ++s->sched.last_id;
	w->opened_ns = probes_sched_status(s->probes, p->pid, &st) ? st.start_ns : clock_mono_ns();
	w->until_ns = w->opened_ns + WINDOW_MAX_NS;
	w->opened_cpu_ns = w->cpu_ns;
	tell_open(s, p);
	session_drain_soon(s);
	log_debug("go_sched: window %" PRIu64 " on pid %d, credit %.3f ms", w->id, (int)p->pid,
		  overhead_credit(&w->budget) / 1e6);
	return 0;
}

static void close_window(struct session *s, struct process *p, enum sched_window_end end)
{
	struct sched_watch *w = p->watched->sched;

	probes_sched_close(s->probes, p->pid);
	w->open = false;
	w->going = true;
	w->end = end;
	w->armed_ns = 0;
	w->closed_cpu_ns = w->cpu_ns;
	w->closed_cost_ns = window_cost(s, p->pid);
}

/* Everything of it has been told. */
static void finish_window(struct session *s, struct process *p, const struct go_sched_status *st)
{
	struct sched_watch *w = p->watched->sched;
	uint64_t end_ns = st->end_ns ? st->end_ns : clock_mono_ns();

	tell_window(s, p, st);
	w->going = w->force = false;
	w->cost_ns[OVERHEAD_GO_SCHED] += st->cost_ns;
	w->late_ns = fmax(st->cost_ns - w->closed_cost_ns, 0);
	if (end_ns > w->opened_ns)
		w->cost_s = w->closed_cost_ns * NS_PER_SEC / (double)(end_ns - w->opened_ns);
	sched_names_end(w);
	log_debug("go_sched: window %" PRIu64 " on pid %d over: %.3f s, cost %.3f ms, late %.3f ms", w->id, (int)p->pid,
		  (double)(end_ns - w->opened_ns) / 1e9, st->cost_ns / 1e6, w->late_ns / 1e6);
}

void session_sched_closed(pid_t pid, const struct go_sched_status *status, void *arg)
{
	struct session *s = arg;
	struct process *p = proc_table_find(s->procs, pid);
	struct sched_watch *w = p && p->watched ? p->watched->sched : NULL;

	if (!w || !(w->open || w->going))
		return; /* it was told when its process went */
	if (w->open) {  /* they gave it up by themselves */
		w->open = false;
		w->going = true;
		w->end = SCHED_WINDOW_GONE;
		w->closed_cpu_ns = w->cpu_ns;
		w->closed_cost_ns = status->cost_ns;
	}
	finish_window(s, p, status);
}

/* ---- go_assist ----------------------------------------------------------------------------------------- */

/* Its probes are on the file: one process that is over its budget decides for all. */
static bool assists_too_dear(const struct session *s, const struct binary *b)
{
	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p))
		if (p->watched && p->watched->sched && p->binary == b && p->watched->sched->budget.off & ASSIST_BIT)
			return true;
	return false;
}

static void switch_assists(struct session *s, struct process *p, bool on)
{
	_cleanup_close_ int exe_fd = on ? proc_info_open_exe(s->opts->root, p->pid) : -1;
	const struct sched_watch *w = p->watched->sched;
	char why[WHY_SZ] = "";

	if (on && exe_fd < 0)
		return; /* it ends */
	if (probes_assist_set(s->probes, p, on, exe_fd, why))
		log_warn("cannot switch go_assist %s for %s (pid %d): %s", on ? "on" : "off", p->exe, (int)p->pid, why);
	else if (on)
		log_info("go_assist on again for %s (pid %d)", p->exe, (int)p->pid);
	else
		log_warn("go_assist off for %s (pid %d): it cost %.2g %% of its CPU, --max-overhead is %.3g %%", p->exe,
			 (int)p->pid, w->budget.off_ratio[OVERHEAD_GO_ASSIST] * 100, s->opts->max_overhead * 100);
	for (struct process *q = proc_table_next(s->procs, NULL); q; q = proc_table_next(s->procs, q))
		if (q->watched && q->binary == p->binary)
			session_tell_process(s, q);
}

static void judge_assists(struct session *s, struct process *p, uint64_t now)
{
	struct sched_watch *w = p->watched->sched;
	bool on = probes_assists(s->probes, p->pid) != ASSIST_NOT_SEEN, off;

	if (!on && !(w->budget.off & ASSIST_BIT))
		return; /* never, or since a storm */
	if (!overhead_decide(&w->budget, now, ASSIST_BIT))
		return;
	off = assists_too_dear(s, p->binary);
	if (off == on)
		switch_assists(s, p, !off);
}

/* ---- policy -------------------------------------------------------------------------------------------- */

static bool is_armed(const struct sched_watch *w, uint64_t now)
{
	return now < w->armed_ns;
}

static bool wants(const struct session *s, const struct sched_watch *w, uint64_t now)
{
	return is_armed(w, now) || (wants_signal(s) && (!s->opts->sched_trigger_ns || now < w->trigger_ns));
}

static bool held_by_quota(struct session *s, const struct process *p, uint64_t now)
{
	struct sched_watch *w = p->watched->sched;

	if (s->opts->at_quota || w->force)
		return false;
	if (quota_unknown(p->watched->owner))
		return true;
	if (!is_at_quota(p->watched->owner, now))
		return false;
	if (!w->told_quota)
		log_warn("no goroutine window on %s (pid %d): its CPU limit holds it now, a window would make that "
			 "worse; --at-quota opens one nevertheless",
			 p->exe, (int)p->pid);
	w->told_quota = true;
	return true;
}

/* What a hit costs is measured before the first window. 0, -EAGAIN: later, or another error, with why. */
static int find_costs(struct session *s, uint64_t now, char *why)
{
	int err;

	if (now < s->sched.retry_ns)
		return -EAGAIN;
	err = probes_sched_prepare(s->probes, why);
	if (!is_passing(err))
		return err;
	if (!s->sched.retry_ns)
		log_warn("no goroutine windows now: %s", why);
	s->sched.retry_ns = now + RETRY_MAX_NS;
	return -EAGAIN;
}

static void consider(struct session *s, struct process *p, uint64_t now)
{
	struct sched_watch *w = p->watched->sched;
	double need, credit = overhead_credit(&w->budget);
	char why[WHY_SZ] = "";
	int err;

	w->waits = false;
	w->force = w->force && is_armed(w, now); /* the question was about key s */
	if (w->refused || w->going || !p->binary || p->state == PROCESS_REFUSED || now < w->retry_ns ||
	    !wants(s, w, now) || held_by_quota(s, p, now))
		return;
	err = find_costs(s, now, why);
	if (err && err != -EAGAIN)
		refuse(s, p, why);
	if (err)
		return;
	w->expected_s = expected_cost(s, w);
	need = is_armed(w, now) ? w->late_ns : opening_credit(w);
	w->waits = credit < need || credit <= 0;
	if (!w->waits && clock_mono_ns() - now < OPENING_MAX_NS) /* else the next tick goes on: others are open */
		open_window(s, p, now, why);
}

static void watch_window(struct session *s, struct process *p, uint64_t now)
{
	struct sched_watch *w = p->watched->sched;

	if (overhead_credit(&w->budget) <= reserve_of(w))
		close_window(s, p, SCHED_WINDOW_BUDGET);
	else if (held_by_quota(s, p, now))
		close_window(s, p, SCHED_WINDOW_QUOTA);
	else if (now >= w->until_ns || !wants(s, w, now))
		close_window(s, p, SCHED_WINDOW_TIME);
}

static void tick_process(struct session *s, struct process *p, uint64_t now)
{
	struct sched_watch *w = watch_of(s, p);
	bool second = w && now - w->fed_ns >= SECOND_NS;

	if (!w || !(second || w->open || w->going || w->waits || wants(s, w, now)))
		return;
	feed(s, p, now);
	if (w->open)
		watch_window(s, p, now);
	else if (s->opts->max_overhead < 0 || s->opts->max_overhead > 0)
		consider(s, p, now);
	if (second)
		judge_assists(s, p, now);
	tell_overhead(s, p, now);
}

void session_sched_tick(struct session *s, uint64_t now)
{
	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p))
		if (s->probes && p->watched)
			tick_process(s, p, now);
}

/* ---- ends ---------------------------------------------------------------------------------------------- */

/* What is on the ring comes first; late hits of a process that has ended are none any more. */
static void end_with_process(struct session *s, struct process *p)
{
	struct sched_watch *w = p->watched->sched;
	struct go_sched_status st = {0};

	if (w->open)
		close_window(s, p, SCHED_WINDOW_GONE);
	for (int i = 0; i < SLICES_MAX && session_sched_drain(s) > 0; i++)
		;
	if (!w->going)
		return;
	probes_sched_status(s->probes, p->pid, &st);
	finish_window(s, p, &st);
}

void session_sched_forget(struct session *s, struct process *p)
{
	struct sched_watch *w = p->watched->sched;

	if (!w)
		return;
	if (s->probes && (w->open || w->going))
		end_with_process(s, p);
	sched_names_free(w->names);
	free(w);
	p->watched->sched = NULL;
}

/* Why no window opened on it. What it was refused for, or its CPU limit, was said when it was found. */
static const char *why_none(const struct session *s, const struct sched_watch *w)
{
	if (w->id || w->refused || w->told_quota)
		return NULL;
	if (w->waits)
		return "--max-overhead does not cover one yet, as it uses little CPU or other probes cost it that much";
	return s->opts->sched_trigger_ns ? "waits for a P did not reach --sched-trigger" : NULL;
}

void session_sched_say_none(const struct session *s)
{
	unsigned int more = 0, cnt = 0;

	if (!wants_signal(s) || !s->procs)
		return;
	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p)) {
		const char *why = p->watched && p->watched->sched ? why_none(s, p->watched->sched) : NULL;

		if (why && cnt++ < NONE_LINES)
			log_warn("no goroutine window on %s (pid %d): %s", p->exe, (int)p->pid, why);
		else if (why)
			more++;
	}
	if (more)
		log_warn("no goroutine window on %u more processes, for reasons like these", more);
}

void session_sched_stop(struct session *s)
{
	const struct timespec step = {.tv_nsec = STOP_STEP_NS};
	uint64_t begin = clock_mono_ns();

	for (struct process *p = s->procs ? proc_table_next(s->procs, NULL) : NULL; p; p = proc_table_next(s->procs, p))
		if (s->probes && p->watched && p->watched->sched && p->watched->sched->open) {
			feed(s, p, begin);
			close_window(s, p, SCHED_WINDOW_STOP);
		}
	while (s->probes && probes_sched_windows(s->probes) && clock_mono_ns() - begin < STOP_MAX_NS) {
		session_sched_drain(s);
		nanosleep(&step, NULL);
	}
}

/* ---- cpu_sched ----------------------------------------------------------------------------------------- */

/* The watched process (idle ones, which a window costs next to nothing, do not count) whose budget does not cover a
 * window of that length; NULL: there is none. */
static const struct process *who_cannot_pay(const struct session *s, uint64_t ns)
{
	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p)) {
		const struct sched_watch *w = p->watched ? p->watched->sched : NULL;

		double cost = w ? w->runq_cost_s * (double)ns / NS_PER_SEC : 0;

		if (cost > RUNQ_TRIFLE_NS && overhead_credit(&w->budget) < cost)
			return p;
	}
	return NULL;
}

uint64_t session_sched_allow(uint64_t ns, void *arg)
{
	struct session *s = arg;
	const struct process *p = s->procs ? who_cannot_pay(s, ns) : NULL;
	uint64_t now = clock_mono_ns();

	if (!p) {
		s->runq.why[0] = 0;
		return ns;
	}
	err_why(s->runq.why, 0, "windows are short or rarer than planned: the budget of pid %d (%.16s) allows no more",
		(int)p->pid, p->comm);
	return now - s->runq.end_ns >= RUNQ_SELDOM_NS ? (ns < RUNQ_SHORT_NS ? ns : RUNQ_SHORT_NS) : 0;
}

/* ---- key s --------------------------------------------------------------------------------------------- */

static struct process *next_of(const struct session *s, uint32_t container_id, struct process *p)
{
	do
		p = proc_table_next(s->procs, p);
	while (p && !(p->watched && p->watched->owner->id == container_id));
	return p;
}

/* 0 if a window on p is possible, as far as one can know before. */
static int check_process(struct session *s, struct process *p, char *why)
{
	const struct sched_watch *w = watch_of(s, p);

	if (!w)
		return err_why(why, -ENOMEM, "out of memory");
	if (w->open || w->going)
		return err_why(why, -EBUSY, "a goroutine window is open");
	if (!p->binary || p->state == PROCESS_REFUSED)
		return err_why(why, -ENOTSUP, "%.180s", p->why);
	if (w->refused)
		return err_why(why, -ENOTSUP, "%.180s", s->sched.why);
	return go_sched_check_binary(p->binary, why);
}

/* Adds up what its processes cost and use; how long the poorest can pay. */
static void add_offer(struct session *s, struct process *p, uint64_t now, double *cost_s, struct sched_offer *ret)
{
	struct sched_watch *w = p->watched->sched;
	double cost, may;

	feed(s, p, now);
	cost = expected_cost(s, w);
	*cost_s = cost > 0 ? *cost_s + cost : NAN;
	if (!(cost > 0))
		cost = w->budget.cpu_rate * NS_PER_SEC * UNKNOWN_RATIO;
	may = cost > 0                          ? (overhead_credit(&w->budget) - w->late_ns) / cost
	      : overhead_credit(&w->budget) > 0 ? INFINITY
						: 0;
	if (may * NS_PER_SEC < (double)ret->ns)
		ret->ns = may > 0 ? (uint64_t)(may * NS_PER_SEC) : 0;
	ret->at_quota = ret->at_quota || is_at_quota(p->watched->owner, now);
	ret->ratio += w->budget.cpu_rate;
}

int session_sched_ask(struct session *s, uint32_t container_id, struct sched_offer *ret, char *why)
{
	struct sched_offer offer = {.ns = ARMED_NS};
	uint64_t now = clock_mono_ns();
	double cost_s = 0;
	int possible = 0, err = err_why(why, -ESRCH, "the container is gone");

	if (!s->probes || !probes_sched_costs(s->probes, why))
		return s->probes ? -ENOTSUP : err_why(why, -ENOTSUP, "probes are off");
	if (s->opts->max_overhead >= 0 && s->opts->max_overhead <= 0)
		return err_why(why, -ENOTSUP, "--max-overhead 0 allows none");
	for (struct process *p = next_of(s, container_id, NULL); p; p = next_of(s, container_id, p)) {
		err = check_process(s, p, why);
		if (err == -EBUSY)
			return err;
		possible += !err;
		if (!err)
			add_offer(s, p, now, &cost_s, &offer);
	}
	if (!possible)
		return err;
	if (offer.ns < OFFER_MIN_NS)
		return err_why(why, -EAGAIN, "its budget, %.3g %% of the CPU that it uses, does not cover one now",
			       s->opts->max_overhead * 100);
	offer.ratio = offer.ratio > 0 ? cost_s / NS_PER_SEC / offer.ratio : NAN;
	*ret = offer;
	return 0;
}

int session_sched_arm(struct session *s, uint32_t container_id, bool force, char *why)
{
	uint64_t now = clock_mono_ns();
	int opened = 0, err = err_why(why, -ESRCH, "the container is gone");

	for (struct process *p = next_of(s, container_id, NULL); p && s->probes; p = next_of(s, container_id, p)) {
		struct sched_watch *w;
		int one = check_process(s, p, why);

		if (one) {
			err = one;
			continue;
		}
		w = p->watched->sched;
		w->armed_ns = now + ARMED_NS;
		w->force = force;
		w->retry_ns = 0;
		feed(s, p, now);
		consider(s, p, now);
		opened += w->open;
		if (!w->open)
			err = err_why(why, -EAGAIN, "%s",
				      w->refused ? s->sched.why
				      : w->waits ? "its budget does not cover one now"
						 : "not now");
	}
	return opened ? 0 : err;
}
