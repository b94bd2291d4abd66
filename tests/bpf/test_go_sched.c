/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows of go_sched on a program: what comes, that every hit is accounted for, that only its own process pays, and
 * what happens when a window or the process or we end. Whether what comes is true is compared with the program's own
 * execution trace in test_go_sched.py. Privileged.
 *
 *   test_go_sched [-vds] [CASE...]     see probes_harness.h */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "probes_harness.h"
#include "procs/proc_info.h"

#define RUN_MS     300
#define GONE_NS    (5 * NS_PER_SEC)
#define SMALL_RING (256u << 10) /* full before the watch over drains ends the window */
#define KINDS_SEEN ((1u << GO_SCHED_RUN) | (1u << GO_SCHED_READY) | (1u << GO_SCHED_PARK) | (1u << GO_SCHED_YIELD))

static struct {
	uint64_t events, bad;
	uint32_t kinds;
	pid_t pid; /* of the last batch */
	unsigned int closed;
	struct go_sched_status status; /* of the last that closed */
} seen;

static void on_events(pid_t pid, const struct go_sched_event *e, unsigned int cnt, void *arg)
{
	seen.pid = pid;
	seen.events += cnt;
	for (unsigned int i = 0; i < cnt; i++) {
		bool nameless =
			e[i].kind == GO_SCHED_READY || e[i].kind == GO_SCHED_NETPOLL || e[i].kind == GO_SCHED_NEW;

		seen.kinds |= 1u << e[i].kind;
		seen.bad += !e[i].g || (!nameless && !e[i].goid) || e[i].goid > 10000000 ||
			    (e[i].kind == GO_SCHED_NEW) != (e[i].startpc != 0) ||
			    (e[i].kind == GO_SCHED_RUN) != (e[i].p != GO_SCHED_P_UNKNOWN);
	}
}

static void on_closed(pid_t pid, const struct go_sched_status *status, void *arg)
{
	seen.closed++;
	seen.status = *status;
}

static bool set_up_ring(struct scene *s, const char *version, const char *variant, bool perf, uint32_t ring_bytes)
{
	struct probes_cfg cfg = {.wanted = WANT_WATCH,
				 .sched_events = on_events,
				 .sched_closed = on_closed,
				 .sched_ring_bytes = ring_bytes,
				 .force_perf_links = perf};

	memset(&seen, 0, sizeof(seen));
	return !scene_set_up_fixture(s, "assist", version, variant, &cfg);
}

static bool set_up(struct scene *s, const char *version, const char *variant, bool perf)
{
	return set_up_ring(s, version, variant, perf, 0);
}

static int open_window(struct scene *s, char *why)
{
	_cleanup_close_ int fd = proc_info_open_exe("", s->prey.pid);

	return fd < 0 ? err_why(why, fd, "no executable")
		      : probes_sched_open(s->rig.probes, &s->watched.process, fd, why);
}

static bool must_open(struct scene *s)
{
	char why[WHY_SZ] = "";
	int err = open_window(s, why);

	return expect(!err, "a window opens: %s", why);
}

static void drain_for(struct scene *s, unsigned int ms)
{
	uint64_t end = clock_mono_ns() + ms * NS_PER_MS;

	while (clock_mono_ns() < end) {
		usleep(5000);
		probes_sched_drain(s->rig.probes);
	}
}

/* Until nothing is open or going. */
static bool must_go(struct scene *s, unsigned int closed)
{
	uint64_t end = clock_mono_ns() + GONE_NS;

	while (probes_sched_windows(s->rig.probes) && clock_mono_ns() < end)
		drain_for(s, 5);
	return expect(!probes_sched_windows(s->rig.probes) && seen.closed == closed,
		      "%u windows told their end, %u left", seen.closed, probes_sched_windows(s->rig.probes));
}

static void start_run(struct scene *s, unsigned int ms)
{
	fprintf(s->prey.in, "run %u\n", ms);
	fflush(s->prey.in);
}

/* Every hit once: in the window's own account and in the signal's. */
static bool check_accounts(struct scene *s)
{
	struct signal_counters c = {0};
	uint64_t hits = 0;
	bool good;

	for (int k = 0; k < GO_SCHED_KIND_CNT; k++)
		hits += seen.status.hits[k];
	good = expect(hits == seen.events && !seen.status.lost[0] && !seen.status.lost[1],
		      "%" PRIu64 " events told, %" PRIu64 " in its account, lost %" PRIu64 " and %" PRIu64, seen.events,
		      hits, seen.status.lost[0], seen.status.lost[1]);
	good &= rig_explained_of(&s->rig, SIGNAL_GO_SCHED, &c);
	good &= expect(c.events == hits && c.filtered == seen.status.late, "the signal counted %llu events, %llu late",
		       (unsigned long long)c.events, (unsigned long long)c.filtered);
	good &= expect(seen.status.cost_ns > (double)hits * 50 && seen.status.cost_ns < (double)hits * 50000,
		       "%.0f ns for %" PRIu64 " hits", seen.status.cost_ns, hits);
	return good;
}

static bool run_window(const char *version, const char *variant, bool perf)
{
	struct scene s;
	bool good = set_up(&s, version, variant, perf) && must_open(&s);

	if (good) {
		start_run(&s, RUN_MS);
		drain_for(&s, RUN_MS);
		probes_sched_close(s.rig.probes, s.prey.pid);
		good = must_go(&s, 1);
		good &= expect((seen.kinds & KINDS_SEEN) == KINDS_SEEN && !seen.bad && seen.pid == s.prey.pid,
			       "%s %s: kinds %x, %" PRIu64 " odd ones", version, variant, seen.kinds, seen.bad);
		good &= expect(seen.status.end_ns - seen.status.start_ns > (RUN_MS - 50) * NS_PER_MS, "its length");
		good &= check_accounts(&s);
	}
	scene_tear_down(&s);
	return good;
}

static bool test_versions(void)
{
	bool good = run_window("1.18.10", "plain", false);

	good &= run_window("1.22.12", "stripped", false);
	good &= run_window("1.27.4", "piestripped", false);
	return good;
}

static bool test_perf_links(void)
{
	return run_window("1.26.8", "plain", true);
}

/* Another process of the file works while ours sleeps. */
static bool run_other(bool perf)
{
	struct prey other = {0};
	struct prey_answer a;
	struct scene s;
	uint64_t hits = 0;
	bool good = set_up(&s, "1.27.4", "plain", perf) &&
		    expect(!prey_start(s.prey.exe, &other), "a second process") && must_open(&s);

	if (good) {
		prey_do(&other, &a, "run %d", RUN_MS);
		drain_for(&s, 10);
		probes_sched_close(s.rig.probes, s.prey.pid);
		good = must_go(&s, 1);
		for (int k = 0; k < GO_SCHED_KIND_CNT; k++)
			hits += seen.status.hits[k];
		good &= expect(hits < 200, "%" PRIu64 " events of a process that sleeps", hits);
		good &= expect(perf == (seen.status.late > 1000), "%" PRIu64 " hits of the other one",
			       seen.status.late);
	}
	if (other.pid)
		prey_stop(&other);
	scene_tear_down(&s);
	return good;
}

static bool test_only_its_process(void)
{
	return run_other(false);
}

static bool test_others_counted(void)
{
	return run_other(true);
}

static bool test_again(void)
{
	char why[WHY_SZ] = "";
	struct scene s;
	bool good = set_up(&s, "1.27.4", "plain", false);

	for (unsigned int i = 0; good && i < 5; i++) {
		good = must_open(&s) && expect(open_window(&s, why) == -EBUSY, "a second one is refused: %s", why);
		start_run(&s, 20);
		drain_for(&s, 30);
		probes_sched_close(s.rig.probes, s.prey.pid);
		good &= must_go(&s, i + 1);
	}
	scene_tear_down(&s);
	return good;
}

static bool test_killed(void)
{
	struct scene s;
	bool good = set_up(&s, "1.27.4", "plain", false) && must_open(&s);

	if (good) {
		start_run(&s, 5000);
		drain_for(&s, 50);
		kill(s.prey.pid, SIGKILL);
		drain_for(&s, 50);
		probes_sched_close(s.rig.probes, s.prey.pid);
		good = must_go(&s, 1);
		good &= check_accounts(&s);
	}
	scene_tear_down(&s);
	return good;
}

/* Nobody drains: what is lost is counted, and the account still closes. */
static bool test_full_ring(void)
{
	uint64_t hits = 0;
	struct scene s;
	bool good = set_up_ring(&s, "1.27.4", "plain", false, SMALL_RING) && must_open(&s);

	if (good) {
		struct signal_counters c = {0};
		struct prey_answer a;

		for (int i = 0; i < 3 && !seen.status.lost[0]; i++) {
			prey_do(&s.prey, &a, "run 500");
			probes_sched_status(s.rig.probes, s.prey.pid, &seen.status);
		}
		probes_sched_close(s.rig.probes, s.prey.pid);
		good = must_go(&s, 1);
		for (int k = 0; k < GO_SCHED_KIND_CNT; k++)
			hits += seen.status.hits[k];
		good &= expect(seen.status.lost[0] > 0 && hits == seen.events, "%" PRIu64 " lost, %" PRIu64 " came",
			       seen.status.lost[0], hits);
		good &= rig_explained_of(&s.rig, SIGNAL_GO_SCHED, &c);
		good &= expect(c.lost[LOSS_RING_FULL] == seen.status.lost[0], "the signal counts them, too");
	}
	scene_tear_down(&s);
	return good;
}

/* The event loop waits for something else: the window ends by itself, and what it saw is told when somebody asks. */
static bool test_stalled(void)
{
	struct scene s;
	bool good = set_up(&s, "1.27.4", "plain", false) && must_open(&s);

	if (good) {
		start_run(&s, 10);
		usleep(1800 * 1000);
		good = expect(probes_sched_status(s.rig.probes, s.prey.pid, &seen.status) && seen.status.open,
			      "it is open when nobody has looked for 1.8 s");
		usleep(900 * 1000);
		good &= expect(probes_sched_status(s.rig.probes, s.prey.pid, &seen.status) && !seen.status.open,
			       "it is over when nobody has looked for 2.7 s");
		good &= must_go(&s, 1);
		good &= expect(seen.status.end_ns - seen.status.start_ns < 2600 * NS_PER_MS, "its length");
		good &= check_accounts(&s);
		good &= must_open(&s);
		probes_sched_close(s.rig.probes, s.prey.pid);
		good &= must_go(&s, 2);
	}
	scene_tear_down(&s);
	return good;
}

/* We end with a window open: the program goes on, and its next window opens. */
static bool test_left_open(void)
{
	struct prey_answer a;
	struct scene s;
	bool good = set_up(&s, "1.27.4", "plain", false) && must_open(&s);

	if (good) {
		start_run(&s, 100);
		rig_stop(&s.rig);
		good = expect(!prey_do(&s.prey, &a, "run 20"), "the program goes on");
	}
	scene_tear_down(&s);
	return good;
}

static bool test_refused(void)
{
	char why[WHY_SZ] = "";
	struct scene s;
	bool good = set_up(&s, "1.27.4", "plain", false);

	if (good) {
		s.watched.binary->sites[GO_SITE_READY].how = SITE_FIRST;
		good = expect(open_window(&s, why) == -ENOTSUP && strstr(why, "runtime.ready"), "a dear site: %s", why);
		good &= expect(!probes_sched_windows(s.rig.probes), "no window");
	}
	scene_tear_down(&s);
	return good;
}

static const struct harness_case cases[] = {
	{"versions", test_versions},
	{"perf_links", test_perf_links},
	{"only_its_process", test_only_its_process},
	{"others_counted", test_others_counted},
	{"again", test_again},
	{"killed", test_killed},
	{"full_ring", test_full_ring},
	{"stalled", test_stalled},
	{"left_open", test_left_open},
	{"refused", test_refused},
};

int main(int argc, char **argv)
{
	return harness_main(argc, argv, cases, ARRAY_SIZE(cases));
}
