/* SPDX-License-Identifier: BSD-2-Clause */
/* go_gc and proc_watch against a program that says what its runtime counted: every cycle and every stop once, its
 * length not longer than the runtime's own figure, and hits = events + filtered + losses also where things go wrong:
 * hot probes, a full ring, unknown processes, a killed agent. Privileged. Prints one line a case, exits 1 if one
 * failed, 77 if BPF is not allowed here.
 *
 *   test_probes [-vds] [CASE...]        run the cases whose names contain one of these; -v: say what was good, too,
 *                                       -d: debug messages, -s: slow machine (emulation), lengths and times are not
 * judged test_probes -e VERSION VARIANT      print the events of one run as text
 *
 * Runs in the top folder of the sources (tools/go-fixture). */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "probes_harness.h"

#define WANT_GO_GC (1u << SIGNAL_GO_GC)
#define WANT_WATCH (1u << SIGNAL_PROC_WATCH)
#define CYCLES     50

static bool verbose, slow;

__attribute__((format(printf, 2, 3))) static bool expect(bool good, const char *fmt, ...)
{
	va_list ap;

	if (good && !verbose)
		return true;
	printf("#   %s: ", good ? "good" : "FAILED");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	return good;
}

/* A program under probes: what most cases start with. */
struct scene {
	struct prey prey;
	struct rig rig;
	struct watched watched;
};

static int set_up(struct scene *s, const char *version, const char *variant, const struct probes_cfg *cfg)
{
	char path[512], why[WHY_SZ] = "";
	int err;

	memset(s, 0, sizeof(*s));
	err = prey_find(version, variant, path, sizeof(path));
	if (!err)
		err = prey_start(path, &s->prey);
	if (!err)
		err = watched_init(&s->watched, s->prey.pid, why);
	if (!err)
		err = rig_start(&s->rig, cfg, why);
	if (err)
		expect(false, "set up with Go %s %s: %d %s", version, variant, err, why);
	return err;
}

static bool add(struct scene *s)
{
	char why[WHY_SZ] = "";
	int err = rig_add(&s->rig, &s->watched, why);

	return expect(!err, "process added: %d %s", err, why);
}

static void tear_down(struct scene *s)
{
	rig_stop(&s->rig);
	prey_stop(&s->prey);
	watched_deinit(&s->watched);
}

static bool nothing_unexplained(const struct rig *r, struct signal_counters *c)
{
	int64_t gap = rig_unexplained(r, SIGNAL_GO_GC, c);

	return expect(!gap, "hits %" PRIu64 " = events %" PRIu64 " + filtered %" PRIu64 " + losses (gap %" PRId64 ")",
		      (uint64_t)c->hits, (uint64_t)c->events, (uint64_t)c->filtered, gap);
}

static uint64_t losses(const struct signal_counters *c)
{
	uint64_t sum = 0;

	for (int i = 0; i < LOSS_REASON_MAX; i++)
		sum += c->lost[i];
	return sum;
}

/* ---- counts, reasons and lengths by version -----------------------------------------------------------------------
 */

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
		    (i + 1 == r->ev_cnt || r->ev[i - 1].hdr.kind == EVENT_GC_MARK_END)) {
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
	return expect(slow || (diff[0] >= lowest && llabs(diff[n / 2]) <= LENGTH_MEDIAN_MAX_NS),
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

static bool run_version(const char *version, const char *variant, bool perf)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC, .force_perf_links = perf};
	struct signal_counters c;
	struct prey_answer a = {0};
	struct scene s;
	pid_t pid;
	bool good;

	if (set_up(&s, version, variant, &cfg) || !add(&s)) {
		tear_down(&s);
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
	good &= check_lengths(&s.rig, &a, s.watched.binary->go_minor);
	good &= nothing_unexplained(&s.rig, &c);
	good &= expect(!losses(&c), "no losses: %" PRIu64, losses(&c));
	tear_down(&s);
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
	bool good = !set_up(&s, "1.26.8", "plain", &cfg) && add(&s);
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
	tear_down(&s);
	return good;
}

/* ---- losses and storms --------------------------------------------------------------------------------------------
 */

/* Puts the probe of endCycle on main.hot. */
static bool set_up_hot(struct scene *s, const struct probes_cfg *cfg)
{
	char why[WHY_SZ] = "";

	if (set_up(s, "1.26.8", "plain", cfg))
		return false;
	if (!expect(!find_hot_site(s->prey.pid, &s->watched.binary->sites[GO_SITE_END_CYCLE], why),
		    "site of main.hot %s", why))
		return false;
	return add(s);
}

static bool test_full_ring(void)
{
	enum { CALLS = 300000 };
	struct probes_cfg cfg = {.wanted = WANT_GO_GC, .storm_hits_per_s = 1000000000};
	struct signal_counters c = {0};
	struct prey_answer a = {0};
	struct scene s;
	bool good = set_up_hot(&s, &cfg);

	if (good) {
		prey_do(&s.prey, &a, "hot %d", CALLS); /* nobody drains */
		good = nothing_unexplained(&s.rig, &c);
		rig_run(&s.rig, 50);
		good &= expect(c.hits == CALLS, "hits: %" PRIu64 " of %d calls, %.0f ns a call", (uint64_t)c.hits,
			       CALLS, (double)a.used_ns / CALLS);
		good &= expect(c.lost[LOSS_RING_FULL] > CALLS / 2, "lost for want of room: %" PRIu64,
			       (uint64_t)c.lost[LOSS_RING_FULL]);
		good &= expect(s.rig.ev_cnt == c.events, "drained %u of %" PRIu64 " events", s.rig.ev_cnt,
			       (uint64_t)c.events);
	}
	tear_down(&s);
	return good;
}

static bool test_storm_guard(void)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC};
	struct signal_counters c = {0};
	struct scene s;
	bool good = set_up_hot(&s, &cfg);
	uint64_t start, hits;
	char why[WHY_SZ] = "";

	if (good) {
		rig_run(&s.rig, 250);
		start = clock_mono_ns();
		fprintf(s.prey.in, "hot 200000000\n");
		fflush(s.prey.in);
		while (!s.rig.storms && clock_mono_ns() - start < 2 * NS_PER_SEC)
			rig_run(&s.rig, 10);
		good = expect(s.rig.storms == 1 && s.rig.storm_pid == s.prey.pid, "guard after %.0f ms: %s",
			      (double)(clock_mono_ns() - start) / 1e6, s.rig.storm_why);
		rig_run(&s.rig, 100);
		probes_counters(s.rig.probes, SIGNAL_GO_GC, &c);
		hits = c.hits;
		rig_run(&s.rig, 200);
		good &= nothing_unexplained(&s.rig, &c);
		good &= expect(c.hits == hits, "no hits %.0f ms later: %" PRIu64 " -> %" PRIu64, 100., hits,
			       (uint64_t)c.hits);
		good &= expect(c.lost[LOSS_STORM] == 1, "counted as storm");
		good &= expect(rig_add(&s.rig, &s.watched, why) == -EBUSY, "not attached again: %s", why);
		kill(s.prey.pid, SIGKILL);
	}
	tear_down(&s);
	return good;
}

static bool test_unknown_process(void)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC};
	struct signal_counters c = {0};
	struct prey_answer a;
	struct prey other;
	struct scene s;
	bool good = !set_up(&s, "1.26.8", "plain", &cfg) && add(&s);

	if (good) {
		prey_start(s.prey.exe, &other);
		prey_do(&other, &a, "gc 5");
		good = nothing_unexplained(&s.rig, &c);
		/* 4 hits a cycle, and GC percent and GOMAXPROCS at its start */
		good &= expect(c.lost[LOSS_UNKNOWN_PROCESS] >= 20 && !c.events, "hits of an unknown process: %" PRIu64,
			       (uint64_t)c.lost[LOSS_UNKNOWN_PROCESS]);
		probes_remove_process(s.rig.probes, s.prey.pid);
		prey_do(&s.prey, &a, "gc 5");
		rig_run(&s.rig, 20);
		good &= expect(!s.rig.ev_cnt, "no events of a removed process");
		good &= add(&s);
		prey_do(&s.prey, &a, "gc 5");
		rig_run(&s.rig, 20);
		good &= expect(rig_count(&s.rig, EVENT_GC_START, s.prey.pid, -1) == 5,
			       "events after it was added again");
		good &= nothing_unexplained(&s.rig, &c);
		prey_stop(&other);
	}
	tear_down(&s);
	return good;
}

/* ---- attach once --------------------------------------------------------------------------------------------------
 */

/* Two overlay mounts of one lower folder, as two containers of one image have. */
static int mount_copies(const char *dir, const char *exe)
{
	char cmd[2048];

	snprintf(cmd, sizeof(cmd),
		 "set -e; mount -t tmpfs none %s; cd %s; mkdir low up1 wk1 m1 up2 wk2 m2; cp %s low/app; "
		 "mount -t overlay o1 -o lowerdir=low,upperdir=up1,workdir=wk1 m1; "
		 "mount -t overlay o2 -o lowerdir=low,upperdir=up2,workdir=wk2 m2",
		 dir, dir, exe);
	return system(cmd) ? -EIO : 0;
}

static void unmount_copies(const char *dir)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/m1", dir);
	umount2(path, MNT_DETACH);
	snprintf(path, sizeof(path), "%s/m2", dir);
	umount2(path, MNT_DETACH);
	umount2(dir, MNT_DETACH);
	rmdir(dir);
}

static bool run_copies(const char *dir, struct rig *r)
{
	struct prey prey[2] = {0};
	struct watched w[2] = {0};
	struct prey_answer a;
	char path[256], why[WHY_SZ] = "";
	struct stat st[2];
	bool good = true;

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/m%d/app", dir, i + 1);
		stat(path, &st[i]);
		good &= expect(!prey_start(path, &prey[i]) && !watched_init(&w[i], prey[i].pid, why),
			       "copy %d starts %s", i + 1, why);
		good &= expect(!rig_add(r, &w[i], why), "copy %d added %s", i + 1, why);
	}
	good &= expect(st[0].st_dev != st[1].st_dev, "devices differ: %lu, %lu", (unsigned long)st[0].st_dev,
		       (unsigned long)st[1].st_dev);
	good &= expect(probes_binary_processes(r->probes, prey[0].pid) == 2, "one binary with %u processes",
		       probes_binary_processes(r->probes, prey[0].pid));
	for (int i = 0; i < 2; i++)
		prey_do(&prey[i], &a, "gc %d", 10 + i);
	rig_run(r, 50);
	for (int i = 0; i < 2; i++)
		good &= expect(rig_count(r, EVENT_GC_START, prey[i].pid, -1) == 10u + (unsigned int)i,
			       "cycles of copy %d: %u", i + 1, rig_count(r, EVENT_GC_START, prey[i].pid, -1));
	for (int i = 0; i < 2; i++) {
		prey_stop(&prey[i]);
		watched_deinit(&w[i]);
	}
	return good;
}

static bool test_copies_attach_once(void)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC};
	char dir[] = "/tmp/test_probes.XXXXXX", exe[512], why[WHY_SZ] = "";
	struct signal_counters c;
	struct rig r;
	bool good;

	if (!mkdtemp(dir) || prey_find("1.26.8", "plain", exe, sizeof(exe)) || mount_copies(dir, exe))
		return expect(false, "cannot mount two overlays in %s", dir);
	good = expect(!rig_start(&r, &cfg, why), "probes: %s", why);
	if (good) {
		good = run_copies(dir, &r);
		good &= nothing_unexplained(&r, &c);
		rig_stop(&r);
	}
	unmount_copies(dir);
	return good;
}

/* ---- life ---------------------------------------------------------------------------------------------------------
 */

#define PROGRAMS_MAX 64

/* Ids of the programs that a process holds, from the descriptors' own words. */
static unsigned int programs_of(pid_t pid, uint32_t *ids)
{
	unsigned int n = 0, id;
	char path[64], line[256];

	for (int fd = 0; fd < 256; fd++) {
		_cleanup_fclose_ FILE *f = NULL;

		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
		f = fopen(path, "re");
		while (f && n < PROGRAMS_MAX && fgets(line, sizeof(line), f))
			if (sscanf(line, "prog_id: %u", &id) == 1)
				ids[n++] = id;
	}
	return n;
}

static unsigned int count_alive(const uint32_t *ids, unsigned int cnt)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < cnt; i++) {
		_cleanup_close_ int fd = bpf_prog_get_fd_by_id(ids[i]);

		n += fd >= 0;
	}
	return n;
}

static void run_agent(const struct prey *prey, int up)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC | WANT_WATCH};
	struct scene s = {.prey = *prey};
	char why[WHY_SZ];

	if (!watched_init(&s.watched, prey->pid, why) && !rig_start(&s.rig, &cfg, why) &&
	    !rig_add(&s.rig, &s.watched, why))
		(void)!write(up, "u", 1);
	else
		_exit(1);
	pause();
}

/* An agent that is killed: what it had in the kernel goes with it, and the program runs on. */
static bool test_killed_agent(void)
{
	uint32_t ids[PROGRAMS_MAX];
	unsigned int cnt, left = 0;
	struct prey_answer a = {0};
	struct prey prey;
	char path[512], byte;
	int up[2];
	pid_t agent;
	bool good;

	if (pipe2(up, O_CLOEXEC) || prey_find("1.26.8", "plain", path, sizeof(path)) || prey_start(path, &prey))
		return expect(false, "no program");
	agent = fork();
	if (!agent)
		run_agent(&prey, up[1]);
	close(up[1]);
	good = expect(read(up[0], &byte, 1) == 1, "agent is up");
	cnt = programs_of(agent, ids);
	kill(agent, SIGKILL);
	waitpid(agent, NULL, 0);
	for (int i = 0; i < 30 && (left = count_alive(ids, cnt)); i++)
		usleep(100000);
	good &= expect(cnt >= 3 && !left, "programs: %u, %u after it was killed", cnt, left);
	prey_do(&prey, &a, "gc 10");
	prey_do(&prey, &a, "stats");
	good &= expect(a.num_gc == 10, "the program runs on");
	prey_stop(&prey);
	close(up[0]);
	return good;
}

static bool test_proc_watch(void)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC | WANT_WATCH};
	struct signal_counters c = {0};
	struct scene s;
	bool good = !set_up(&s, "1.26.8", "plain", &cfg) && add(&s);
	pid_t pid, victim = s.prey.pid;
	unsigned int codes = 0;

	if (good) {
		pid = fork();
		if (!pid)
			execl("/bin/sh", "sh", "-c", "exec sh -c 'exit 7'", (char *)NULL);
		waitpid(pid, NULL, 0);
		kill(victim, SIGKILL);
		prey_stop(&s.prey);
		rig_run(&s.rig, 50);
		for (unsigned int i = 0; i < s.rig.ev_cnt; i++) {
			const struct event_proc *e = &s.rig.ev[i].proc;

			if (e->hdr.kind == EVENT_PROC_EXIT)
				codes += ((pid_t)e->hdr.tgid == pid && e->exit_code == 7 << 8) ||
					 ((pid_t)e->hdr.tgid == victim && e->exit_code == SIGKILL);
		}
		good = expect(rig_count(&s.rig, EVENT_PROC_EXEC, pid, -1) == 2, "two execs of one process");
		good &= expect(rig_count(&s.rig, EVENT_PROC_EXIT, pid, -1) == 1, "one exit");
		good &= expect(rig_count(&s.rig, EVENT_PROC_EXIT, victim, -1) == 1,
			       "one exit of a process with threads: %u",
			       rig_count(&s.rig, EVENT_PROC_EXIT, victim, -1));
		good &= expect(codes == 2, "exit codes");
		good &= expect(!rig_unexplained(&s.rig, SIGNAL_PROC_WATCH, &c) && !losses(&c), "all explained");
	}
	tear_down(&s);
	return good;
}

/* A binary without processes keeps its probes for a while, then loses them, and gets them back with its next process.
 */
static bool test_idle_release(void)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC};
	struct signal_counters c = {0};
	struct prey_answer a;
	struct scene s;
	bool good = !set_up(&s, "1.26.8", "plain", &cfg) && add(&s);
	uint64_t hits;

	if (good) {
		probes_remove_process(s.rig.probes, s.prey.pid);
		rig_run(&s.rig, 150);
		prey_do(&s.prey, &a, "gc 5");
		probes_counters(s.rig.probes, SIGNAL_GO_GC, &c);
		hits = c.hits;
		good = expect(hits == 20, "still attached: %" PRIu64 " hits", hits);
		probes_tick(s.rig.probes, clock_mono_ns() + 60 * NS_PER_SEC, NULL, NULL);
		rig_run(&s.rig, 300);
		prey_do(&s.prey, &a, "gc 5");
		probes_counters(s.rig.probes, SIGNAL_GO_GC, &c);
		good &= expect(c.hits == hits, "detached: %" PRIu64 " hits", (uint64_t)c.hits);
		good &= add(&s);
		prey_do(&s.prey, &a, "gc 5");
		rig_run(&s.rig, 20);
		good &= expect(rig_count(&s.rig, EVENT_GC_START, s.prey.pid, -1) == 5, "attached again");
		good &= nothing_unexplained(&s.rig, &c);
	}
	tear_down(&s);
	return good;
}

/* The end of an agent with many binaries: links are released side by side. */
#define COPIES 24

static bool add_copies(struct rig *r, const char *exe, struct prey *prey, uint64_t *ret_ns)
{
	char path[] = "/tmp/test_probes.XXXXXX", cmd[1024], why[WHY_SZ] = "";
	struct watched w;
	int fd = mkstemp(path);
	bool good;

	close(fd);
	snprintf(cmd, sizeof(cmd), "cp %s %s && chmod 755 %s", exe, path, path);
	good = expect(!system(cmd) && !prey_start(path, prey), "copy started");
	unlink(path);
	good &= expect(!watched_init(&w, prey->pid, why), "copy read %s", why);
	*ret_ns -= clock_mono_ns();
	good &= expect(!rig_add(r, &w, why), "copy added %s", why);
	*ret_ns += clock_mono_ns();
	watched_deinit(&w);
	return good;
}

static bool test_many_binaries(void)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC};
	struct prey prey[COPIES] = {0};
	uint64_t add_ns = 0, start;
	char exe[512], why[WHY_SZ] = "";
	struct rig r;
	bool good = expect(!prey_find("1.26.8", "stripped", exe, sizeof(exe)) && !rig_start(&r, &cfg, why), "probes %s",
			   why);

	if (!good)
		return false;
	for (int i = 0; i < COPIES && good; i++)
		good = add_copies(&r, exe, &prey[i], &add_ns);
	start = clock_mono_ns();
	rig_stop(&r);
	start = clock_mono_ns() - start;
	good &= expect(slow || (add_ns < COPIES * 20 * NS_PER_MS && start < NS_PER_SEC),
		       "%d deleted binaries: %.2f ms each to add, %.0f ms to end", COPIES,
		       (double)add_ns / COPIES / 1e6, (double)start / 1e6);
	for (int i = 0; i < COPIES; i++)
		prey_stop(&prey[i]);
	return good;
}

static bool test_no_safe_site(void)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC};
	char why[WHY_SZ] = "";
	struct scene s;
	bool good = !set_up(&s, "1.26.8", "plain", &cfg);

	if (good) {
		s.watched.binary->sites[GO_SITE_START_CYCLE].how = SITE_NONE;
		good = expect(rig_add(&s.rig, &s.watched, why) == -ENOTSUP && strstr(why, "startCycle"), "refused: %s",
			      why);
		good &= expect(!probes_binary_processes(s.rig.probes, s.prey.pid), "not in the table");
	}
	tear_down(&s);
	return good;
}

static long rss_kb(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * sysconf(_SC_PAGESIZE) / 1024;
}

static bool test_start_up(void)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC | WANT_WATCH | (1u << SIGNAL_CPU_THROTTLE)};
	uint64_t start = clock_mono_ns(), up, down;
	struct probes *p = NULL;
	char why[WHY_SZ] = "";
	bool good;

	good = expect(!probes_new(&cfg, &p, why), "probes: %s", why);
	if (!good)
		return false;
	up = clock_mono_ns() - start;
	for (int i = 0; i < SIGNAL_CNT; i++) {
		const struct signal_state *s = probes_signal(p, i);

		good &= expect(s->mode == (cfg.wanted >> i & 1 ? SIGNAL_ON : SIGNAL_OFF), "%s: %d %s, %s", s->name,
			       s->mode, s->mechanism, s->why);
	}
	good &= expect(probes_signal(p, SIGNAL_GO_GC)->hit_cost_ns > 50, "one hit costs %.0f ns",
		       probes_signal(p, SIGNAL_GO_GC)->hit_cost_ns);
	good &= expect(rss_kb() < 15 * 1024, "resident: %ld KiB", rss_kb());
	start = clock_mono_ns();
	probes_free(p);
	down = clock_mono_ns() - start;
	return good & expect(slow || (up < 400 * NS_PER_MS && down < NS_PER_SEC), "up in %.0f ms, down in %.0f ms",
			     (double)up / 1e6, (double)down / 1e6);
}

/* ---- */

static const struct {
	const char *name;
	bool (*run)(void);
} cases[] = {
	{"start_up", test_start_up},
	{"versions", test_versions},
	{"perf_links", test_perf_links},
	{"heap_trigger", test_heap_trigger},
	{"full_ring", test_full_ring},
	{"storm_guard", test_storm_guard},
	{"unknown_process", test_unknown_process},
	{"copies_attach_once", test_copies_attach_once},
	{"proc_watch", test_proc_watch},
	{"no_safe_site", test_no_safe_site},
	{"idle_release", test_idle_release},
	{"many_binaries", test_many_binaries},
	{"killed_agent", test_killed_agent},
};

static int show_events(const char *version, const char *variant)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC};
	struct prey_answer a;
	struct scene s;

	if (!set_up(&s, version, variant, &cfg) && add(&s)) {
		prey_do(&s.prey, &a, "gc 3");
		prey_do(&s.prey, &a, "mem 1");
		prey_do(&s.prey, &a, "procs 2");
		rig_run(&s.rig, 50);
		for (unsigned int i = 0; i < s.rig.ev_cnt; i++)
			print_event(&s.rig.ev[i]);
	}
	tear_down(&s);
	return 0;
}

static bool asked(int argc, char **argv, const char *name)
{
	for (int i = optind; i < argc; i++)
		if (strstr(name, argv[i]))
			return true;
	return optind >= argc;
}

int main(int argc, char **argv)
{
	struct kernel_features f;
	int opt, failed = 0;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((opt = getopt(argc, argv, "vdes")) != -1) {
		if (opt == 'e' && optind + 2 == argc)
			return show_events(argv[optind], argv[optind + 1]);
		if (opt == 'd')
			log_set_level(LOG_LEVEL_DEBUG);
		verbose |= opt == 'v' || opt == 'd';
		slow |= opt == 's';
	}
	kernel_features_read(&f);
	kernel_features_try(&f);
	if (!f.bpf_allowed) {
		printf("skipped: %s\n", f.bpf_why);
		return 77;
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool good;

		if (!asked(argc, argv, cases[i].name))
			continue;
		good = cases[i].run();
		failed += !good;
		printf("%sok %s\n", good ? "" : "not ", cases[i].name);
	}
	return failed ? 1 : 0;
}
