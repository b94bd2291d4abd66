/* SPDX-License-Identifier: BSD-2-Clause */
/* go_assist against a program that is made to assist: each wait for credit once, with its goroutine, inside of the time
 * in which there was GC at all; each assist in the number; hits = events + filtered + losses; and what happens without
 * the end of a wait, in a storm, and where nobody asked. The waits themselves are compared one by one with the
 * program's own execution trace in test_go_assist.py. Privileged.
 *
 *   test_go_assist [-vds] [CASE...]     see probes_harness.h */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "probes/go_assist.h"
#include "probes_harness.h"

#define WANT_ASSIST (WANT_GO_GC | 1u << SIGNAL_GO_ASSIST)
#define RING        (8u << 20) /* nobody drains while the program runs */
#define RUN_MS      300

/* Records that user space makes: the numbers. */
static uint64_t told;
static uint32_t told_tgid;

static void on_told(const union event *e, void *arg)
{
	if (e->hdr.kind != EVENT_GC_ASSISTS)
		return;
	told += e->gc_assists.cnt;
	told_tgid = e->hdr.tgid;
}

static struct probes_cfg config(uint32_t wanted)
{
	told = told_tgid = 0;
	return (struct probes_cfg){.wanted = wanted, .ring_bytes = RING, .event = on_told};
}

static bool set_up(struct scene *s, const char *version, const struct probes_cfg *cfg)
{
	return !scene_set_up_fixture(s, "assist", version, "stripped", cfg) && scene_add(s);
}

/* Commands, and then as long as numbers need to leave. */
static void run(struct scene *s, uint64_t *start_ns, uint64_t *end_ns)
{
	struct prey_answer a;

	*start_ns = clock_mono_ns();
	prey_do(&s->prey, &a, "run %d", RUN_MS);
	*end_ns = clock_mono_ns();
	rig_run(&s->rig, 1300);
}

static bool check_waits(const struct scene *s, uint64_t start_ns, uint64_t end_ns)
{
	unsigned int bad = 0;

	for (unsigned int i = 0; i < s->rig.ev_cnt; i++) {
		const struct event_gc_assist *e = &s->rig.ev[i].gc_assist;

		if (e->hdr.kind == EVENT_GC_ASSIST)
			bad += e->start_ns < start_ns || e->hdr.time_ns < e->start_ns || e->hdr.time_ns > end_ns ||
			       !e->goid || e->goid > 100000 || !e->hdr.tid || !e->hdr.cpu_cgid;
	}
	return expect(!bad, "waits with times outside of the run, or without goroutine, thread, cgroup: %u", bad);
}

static bool run_version(const char *version, bool perf)
{
	struct probes_cfg cfg = config(WANT_ASSIST);
	struct signal_counters c = {0};
	uint64_t start = 0, end = 0, waits;
	struct scene s;
	bool good;

	cfg.force_perf_links = perf;
	good = set_up(&s, version, &cfg);
	if (good) {
		run(&s, &start, &end);
		waits = rig_count(&s.rig, EVENT_GC_ASSIST, s.prey.pid, -1);
		good = rig_explained_of(&s.rig, SIGNAL_GO_ASSIST, &c);
		good &= expect(probes_assists(s.rig.probes, s.prey.pid) == ASSIST_WHOLE, "all is seen");
		good &= expect(waits > 5 && waits == c.events, "waits: %" PRIu64 ", events %" PRIu64, waits,
			       (uint64_t)c.events);
		good &= check_waits(&s, start, end);
		good &= expect(told_tgid == (uint32_t)s.prey.pid && told > waits, "assists: %" PRIu64, told);
		/* a wait is two hits, and so is one that was given up: the rest is the number, to the last hit */
		good &= expect(told <= c.hits - 2 * waits && !((c.hits - told) % 2), "hits: %" PRIu64,
			       (uint64_t)c.hits);
		good &= expect(!rig_losses(&c), "no losses: %" PRIu64, rig_losses(&c));
	}
	scene_tear_down(&s);
	return good;
}

static bool test_versions(void)
{
	static const char *const versions[] = {"1.18.10", "1.20.14", "1.22.12", "1.25.5", "1.27.4"};
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		printf("# Go %s\n", versions[i]);
		good &= run_version(versions[i], false);
	}
	return good;
}

static bool test_perf_links(void)
{
	return run_version("1.27.4", true);
}

/* Without a safe site for the end of a wait: the number alone, and no wait half seen. */
static bool test_count_only(void)
{
	struct probes_cfg cfg = config(WANT_ASSIST);
	struct signal_counters c = {0};
	uint64_t start, end;
	struct scene s;
	bool good = !scene_set_up_fixture(&s, "assist", "1.27.4", "stripped", &cfg);

	if (good) {
		s.watched.binary->sites[GO_SITE_PARK_END].how = SITE_NONE;
		good = scene_add(&s);
		run(&s, &start, &end);
		good &= rig_explained_of(&s.rig, SIGNAL_GO_ASSIST, &c);
		good &= expect(probes_assists(s.rig.probes, s.prey.pid) == ASSIST_COUNTED, "only counted");
		good &= expect(!c.events && c.hits == told && told > 5, "assists: %" PRIu64 ", hits %" PRIu64, told,
			       (uint64_t)c.hits);
	}
	scene_tear_down(&s);
	return good;
}

/* The guard takes go_assist off the binary; go_gc stays. */
static bool test_storm(void)
{
	struct probes_cfg cfg = config(WANT_ASSIST);
	struct signal_counters c = {0};
	uint64_t start, end;
	unsigned int cycles;
	struct scene s;
	bool good;

	cfg.storm_hits_per_s =
		3000; /* go_gc has some hundred: 60 cycles a second with 8 hits each; go_assist 10,000 and more */
	good = set_up(&s, "1.27.4", &cfg);
	if (good) {
		rig_run(&s.rig, 250);
		fprintf(s.prey.in, "run 1500\n");
		fflush(s.prey.in);
		rig_run(&s.rig, 1000);
		good = expect(s.rig.storms == 1 && s.rig.storm_signal == SIGNAL_GO_ASSIST,
			      "guard: %u times, signal %d: %s", s.rig.storms, s.rig.storm_signal, s.rig.storm_why);
		good &= rig_explained_of(&s.rig, SIGNAL_GO_ASSIST, &c);
		good &= expect(c.lost[LOSS_STORM] == 1 && probes_assists(s.rig.probes, s.prey.pid) == ASSIST_NOT_SEEN,
			       "counted as storm");
		start = c.hits;
		cycles = rig_count(&s.rig, EVENT_GC_START, s.prey.pid, -1);
		rig_run(&s.rig, 300);
		rig_explained_of(&s.rig, SIGNAL_GO_ASSIST, &c);
		end = c.hits;
		good &= expect(start == end, "no hits any more: %" PRIu64 " and %" PRIu64, start, end);
		good &= expect(rig_count(&s.rig, EVENT_GC_START, s.prey.pid, -1) > cycles, "cycles go on");
	}
	scene_tear_down(&s);
	return good;
}

static bool test_not_asked(void)
{
	struct probes_cfg cfg = config(WANT_GO_GC);
	struct signal_counters c = {0};
	const struct signal_state *st;
	uint64_t start, end;
	struct scene s;
	bool good = set_up(&s, "1.27.4", &cfg);

	if (good) {
		st = probes_signal(s.rig.probes, SIGNAL_GO_ASSIST);
		good = expect(st->mode == SIGNAL_OFF && strstr(st->why, "only when asked for"), "off: %s", st->why);
		run(&s, &start, &end);
		good &= rig_explained_of(&s.rig, SIGNAL_GO_ASSIST, &c);
		good &= expect(!c.hits && !told && !rig_count(&s.rig, EVENT_GC_ASSIST, 0, -1), "nothing is hit");
		good &= expect(probes_assists(s.rig.probes, s.prey.pid) == ASSIST_NOT_SEEN, "nothing is seen");
	}
	scene_tear_down(&s);
	return good;
}

static const struct harness_case cases[] = {
	{"versions", test_versions}, {"perf_links", test_perf_links}, {"count_only", test_count_only},
	{"storm", test_storm},       {"not_asked", test_not_asked},
};

int main(int argc, char **argv)
{
	return harness_main(argc, argv, cases, ARRAY_SIZE(cases));
}
