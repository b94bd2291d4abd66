/* SPDX-License-Identifier: BSD-2-Clause */
/* go_gc against a program that says what its runtime counted: every cycle and every stop once, its length not longer
 * than the runtime's own figure, and hits = events + filtered + losses also where things go wrong. Privileged.
 *
 *   test_go_gc [-vds] [CASE...]         see probes_harness.h
 *   test_go_gc -e VERSION VARIANT       print the events of one run as text */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "probes/go_gc.h"
#include "probes_harness.h"

#define CYCLES 50

/* ---- counts, reasons and lengths by version -------------------------------------------------------------- */

static int compare_s64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Our pauses of the n-th cycle: those since the end of the mark termination before. */
static unsigned int sum_pauses(const struct rig *r, uint64_t *sums, unsigned int max)
{
	uint64_t sum = 0;
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->ev_cnt && n < max; i++) {
		const struct event_gc_pause *p = &r->ev[i].gc_pause;

		if (p->hdr.kind != EVENT_GC_PAUSE || (p->reason != STW_GC_MARK_TERM && p->reason != STW_GC_SWEEP_TERM))
			continue;
		sum += p->hdr.time_ns - p->start_ns;
		/* a mark termination that resumes marking is followed by another one of the same cycle */
		if (p->reason == STW_GC_MARK_TERM &&
		    (i + 1 == r->ev_cnt || r->ev[i - 1].hdr.kind == EVENT_GC_MARK_END ||
		     r->ev[i - 1].hdr.kind == EVENT_GC_DONE)) {
			sums[n++] = sum;
			sum = 0;
		}
	}
	return n;
}

/* The runtime's end of sweep termination comes after our probe, so own - ours > 0 since 1.22 (facts/attach.md 6); how
 * much depends on how long waking the other threads takes, which is some 20 us on a quiet machine. Before 1.22 the
 * runtime stops its clock of mark termination a little before our second probe. */
#define LENGTH_MEDIAN_MAX_NS 300000

static bool check_lengths(const struct rig *r, const struct prey_answer *a, int go_minor)
{
	uint64_t ours[256];
	int64_t diff[256], lowest = go_minor >= 22 ? 0 : -1000000;
	unsigned int n = sum_pauses(r, ours, 256);

	if (!expect(n == a->pause_cnt, "cycles with pauses: %u, the program's: %u", n, a->pause_cnt))
		return false;
	for (unsigned int i = 0; i < n; i++)
		diff[i] = (int64_t)a->pause_ns[i] - (int64_t)ours[i];
	qsort(diff, n, sizeof(diff[0]), compare_s64);
	return expect(harness_slow || (diff[0] >= lowest && llabs(diff[n / 2]) <= LENGTH_MEDIAN_MAX_NS),
		      "own - our pauses of a cycle: min %.1f, median %.1f, p90 %.1f, max %.1f us",
		      (double)diff[0] / 1e3, (double)diff[n / 2] / 1e3, (double)diff[n * 9 / 10] / 1e3,
		      (double)diff[n - 1] / 1e3);
}

/* Stops for ReadMemStats and GOMAXPROCS: by number from 1.21 on, in the runtime's words before. */
static unsigned int count_other(const struct rig *r, enum stw_reason reason, const char *text)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->ev_cnt; i++) {
		const struct event_gc_pause *p = &r->ev[i].gc_pause;

		if (p->hdr.kind == EVENT_GC_PAUSE &&
		    (p->reason == reason || (p->reason == STW_UNKNOWN && !strcmp(p->text, text))))
			n++;
	}
	return n;
}

static bool check_starts(const struct rig *r, int go_minor)
{
	bool good = true;

	for (unsigned int i = 0; i < r->ev_cnt; i++) {
		const struct event_gc_start *e = &r->ev[i].gc_start;

		if (e->hdr.kind != EVENT_GC_START)
			continue;
		good &= e->procs == 2 && e->trigger == (go_minor >= 19 ? GC_TRIGGER_FORCED : GC_TRIGGER_UNKNOWN) &&
			e->mark_start_ns <= e->hdr.time_ns && e->hdr.time_ns - e->mark_start_ns < NS_PER_SEC &&
			e->hdr.cpu_cgid && e->hdr.tid;
	}
	return expect(good, "gc_start: procs, trigger, stamp, ids");
}

/* One copy of each cycle's numbers, in order, with the stamp that endCycle got; none where the layout is not known. */
static bool check_done(const struct rig *r, const struct binary *b)
{
	uint64_t mark_end_ns = 0;
	unsigned int n = 0;
	bool good = true;

	for (unsigned int i = 0; i < r->ev_cnt; i++) {
		const struct event_gc_done *e = &r->ev[i].gc_done;

		if (e->hdr.kind == EVENT_GC_MARK_END)
			mark_end_ns = e->hdr.time_ns;
		if (e->hdr.kind != EVENT_GC_DONE)
			continue;
		n++;
		good &= e->numgc == n && (uint64_t)e->mark_term_ns == mark_end_ns &&
			e->flags == (GC_DONE_FORCED | GC_DONE_LEAK_KNOWN) && e->maxprocs == 2 && e->heap0 && e->heap2 &&
			e->goal;
	}
	return expect(n == (go_gc_copies_cycles(b) ? CYCLES : 0), "copies of a cycle's numbers: %u", n) &&
	       expect(good, "numbers of each cycle");
}

static bool run_version(const char *version, const char *variant, bool perf)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC, .force_perf_links = perf};
	struct signal_counters c;
	struct prey_answer a = {0};
	struct scene s;
	pid_t pid;
	bool good;

	if (scene_set_up(&s, version, variant, &cfg) || !scene_add(&s)) {
		scene_tear_down(&s);
		return false;
	}
	pid = s.prey.pid;
	prey_do(&s.prey, &a, "gc %d", CYCLES);
	prey_do(&s.prey, &a, "mem 7");
	prey_do(&s.prey, &a, "procs 4");
	prey_do(&s.prey, &a, "stats");
	rig_run(&s.rig, 50);
	good = expect(a.num_gc == CYCLES, "the program ran %" PRIu64 " cycles", a.num_gc);
	good &= expect(rig_count(&s.rig, EVENT_GC_START, pid, -1) == CYCLES, "starts: %u",
		       rig_count(&s.rig, EVENT_GC_START, pid, -1));
	good &= expect(rig_count(&s.rig, EVENT_GC_MARK_END, pid, -1) == CYCLES, "mark ends: %u",
		       rig_count(&s.rig, EVENT_GC_MARK_END, pid, -1));
	good &= expect(rig_count(&s.rig, EVENT_GC_PAUSE, pid, STW_GC_SWEEP_TERM) == CYCLES, "sweep terminations: %u",
		       rig_count(&s.rig, EVENT_GC_PAUSE, pid, STW_GC_SWEEP_TERM));
	good &= expect(rig_count(&s.rig, EVENT_GC_PAUSE, pid, STW_GC_MARK_TERM) >= CYCLES, "mark terminations: %u",
		       rig_count(&s.rig, EVENT_GC_PAUSE, pid, STW_GC_MARK_TERM));
	good &= expect(count_other(&s.rig, STW_READ_MEM_STATS, "read mem stats") == 8, "stops for MemStats: %u",
		       count_other(&s.rig, STW_READ_MEM_STATS, "read mem stats"));
	good &= expect(count_other(&s.rig, STW_GOMAXPROCS, "GOMAXPROCS") == 4, "stops for GOMAXPROCS: %u",
		       count_other(&s.rig, STW_GOMAXPROCS, "GOMAXPROCS"));
	good &= check_starts(&s.rig, s.watched.binary->go_minor);
	good &= check_done(&s.rig, s.watched.binary);
	good &= check_lengths(&s.rig, &a, s.watched.binary->go_minor);
	good &= rig_explained(&s.rig, &c);
	good &= expect(!rig_losses(&c), "no losses: %" PRIu64, rig_losses(&c));
	scene_tear_down(&s);
	return good;
}

static bool test_versions(void)
{
	static const char *const versions[] = {"1.18.10", "1.20.14", "1.21.13", "1.22.12",
					       "1.24.13", "1.26.8",  "1.27.4"};
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		printf("# Go %s\n", versions[i]);
		good &= run_version(versions[i], "plain", false);
		good &= run_version(versions[i], "stripped", false);
	}
	return good;
}

static bool test_perf_links(void)
{
	return run_version("1.26.8", "plain", true) & run_version("1.18.10", "stripped", true);
}

static bool test_heap_trigger(void)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC};
	struct prey_answer a = {0};
	struct scene s;
	bool good = !scene_set_up(&s, "1.26.8", "plain", &cfg) && scene_add(&s);
	unsigned int heap = 0;

	if (good) {
		prey_do(&s.prey, &a, "alloc 200");
		prey_do(&s.prey, &a, "stats");
		rig_run(&s.rig, 50);
		for (unsigned int i = 0; i < s.rig.ev_cnt; i++)
			heap += s.rig.ev[i].hdr.kind == EVENT_GC_START &&
				s.rig.ev[i].gc_start.trigger == GC_TRIGGER_HEAP;
		good = expect(a.num_gc > 3 && heap == a.num_gc, "cycles by heap growth: %u of %" PRIu64, heap,
			      a.num_gc);
	}
	scene_tear_down(&s);
	return good;
}

/* ---- losses and refusals --------------------------------------------------------------------------------- */

static bool test_full_ring(void)
{
	enum { CALLS = 300000 };
	struct probes_cfg cfg = {.wanted = WANT_GO_GC, .storm_hits_per_s = 1000000000};
	struct signal_counters c = {0};
	struct prey_answer a = {0};
	struct scene s;
	bool good = scene_set_up_hot(&s, &cfg);

	if (good) {
		prey_do(&s.prey, &a, "hot %d", CALLS); /* nobody drains */
		good = rig_explained(&s.rig, &c);
		rig_run(&s.rig, 50);
		good &= expect(c.hits == CALLS, "hits: %" PRIu64 " of %d calls, %.0f ns a call", (uint64_t)c.hits,
			       CALLS, (double)a.used_ns / CALLS);
		good &= expect(c.lost[LOSS_RING_FULL] > CALLS / 2, "lost for want of room: %" PRIu64,
			       (uint64_t)c.lost[LOSS_RING_FULL]);
		good &= expect(s.rig.ev_cnt == c.events, "drained %u of %" PRIu64 " events", s.rig.ev_cnt,
			       (uint64_t)c.events);
	}
	scene_tear_down(&s);
	return good;
}

static bool test_unknown_process(void)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC};
	struct signal_counters c = {0};
	struct prey_answer a;
	struct prey other;
	struct scene s;
	bool good = !scene_set_up(&s, "1.26.8", "plain", &cfg) && scene_add(&s);

	if (good) {
		prey_start(s.prey.exe, &other);
		prey_do(&other, &a, "gc 5");
		good = rig_explained(&s.rig, &c);
		/* 4 hits a cycle, and GC percent and GOMAXPROCS at its start */
		good &= expect(c.lost[LOSS_UNKNOWN_PROCESS] >= 20 && !c.events, "hits of an unknown process: %" PRIu64,
			       (uint64_t)c.lost[LOSS_UNKNOWN_PROCESS]);
		probes_remove_process(s.rig.probes, s.prey.pid);
		prey_do(&s.prey, &a, "gc 5");
		rig_run(&s.rig, 20);
		good &= expect(!s.rig.ev_cnt, "no events of a removed process");
		good &= scene_add(&s);
		prey_do(&s.prey, &a, "gc 5");
		rig_run(&s.rig, 20);
		good &= expect(rig_count(&s.rig, EVENT_GC_START, s.prey.pid, -1) == 5,
			       "events after it was added again");
		good &= rig_explained(&s.rig, &c);
		prey_stop(&other);
	}
	scene_tear_down(&s);
	return good;
}

static bool test_no_safe_site(void)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC};
	char why[WHY_SZ] = "";
	struct scene s;
	bool good = !scene_set_up(&s, "1.26.8", "plain", &cfg);

	if (good) {
		s.watched.binary->sites[GO_SITE_START_CYCLE].how = SITE_NONE;
		good = expect(rig_add(&s.rig, &s.watched, why) == -ENOTSUP && strstr(why, "startCycle"), "refused: %s",
			      why);
		good &= expect(!probes_binary_processes(s.rig.probes, s.prey.pid), "not in the table");
	}
	scene_tear_down(&s);
	return good;
}

static void show_events(const char *version, const char *variant)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC};
	struct prey_answer a;
	struct scene s;

	if (!scene_set_up(&s, version, variant, &cfg) && scene_add(&s)) {
		prey_do(&s.prey, &a, "gc 3");
		prey_do(&s.prey, &a, "mem 1");
		prey_do(&s.prey, &a, "procs 2");
		rig_run(&s.rig, 50);
		for (unsigned int i = 0; i < s.rig.ev_cnt; i++)
			print_event(&s.rig.ev[i]);
	}
	scene_tear_down(&s);
}

/* A layout that is wrong by luck of the table: what lies there is no cycle, or nothing; never numbers. The rest is as
 * ever. */
static bool run_wrong(enum go_global global, uint64_t at, enum loss_reason reason)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC};
	struct signal_counters c;
	struct prey_answer a = {0};
	struct scene s;
	bool good;

	if (scene_set_up(&s, "1.26.8", "plain", &cfg)) {
		scene_tear_down(&s);
		return false;
	}
	s.watched.binary->globals[global] = at ? at : s.watched.binary->globals[global] + 8;
	good = scene_add(&s);
	prey_do(&s.prey, &a, "gc %d", CYCLES);
	rig_run(&s.rig, 50);
	good &= expect(!rig_count(&s.rig, EVENT_GC_DONE, s.prey.pid, -1), "copies: %u",
		       rig_count(&s.rig, EVENT_GC_DONE, s.prey.pid, -1));
	good &= expect(rig_count(&s.rig, EVENT_GC_START, s.prey.pid, -1) == CYCLES, "starts: %u",
		       rig_count(&s.rig, EVENT_GC_START, s.prey.pid, -1));
	good &= rig_explained(&s.rig, &c);
	good &= expect(c.lost[reason] == CYCLES && rig_losses(&c) == CYCLES, "refused: %" PRIu64 " of %" PRIu64,
		       (uint64_t)c.lost[reason], rig_losses(&c));
	scene_tear_down(&s);
	return good;
}

static bool test_wrong_layout(void)
{
	static const enum go_global globals[] = {GLOBAL_WORK, GLOBAL_GCCONTROLLER, GLOBAL_MEMSTATS};
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(globals); i++) {
		good &= run_wrong(globals[i], 0, LOSS_INVALID);
		good &= run_wrong(globals[i], 4096, LOSS_UNREADABLE);
	}
	return good;
}

static const struct harness_case cases[] = {
	{"versions", test_versions},
	{"perf_links", test_perf_links},
	{"heap_trigger", test_heap_trigger},
	{"full_ring", test_full_ring},
	{"unknown_process", test_unknown_process},
	{"no_safe_site", test_no_safe_site},
	{"wrong_layout", test_wrong_layout},
};

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "-e")) {
		show_events(argv[2], argv[3]);
		return 0;
	}
	return harness_main(argc, argv, cases, ARRAY_SIZE(cases));
}
