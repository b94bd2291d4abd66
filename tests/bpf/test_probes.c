/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of probes: start and size of the agent's BPF side, storm guard, one attach for the copies of an image,
 * notices of exec and exit, release of idle binaries, the end of an agent with many of them, and one that is killed.
 * Privileged.
 *
 *   test_probes [-vds] [CASE...]        see probes_harness.h */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "probes_harness.h"

/* ---- storms ---------------------------------------------------------------------------------------------- */

static bool test_storm_guard(void)
{
	struct probes_cfg cfg = {.wanted = WANT_GO_GC};
	struct signal_counters c = {0};
	struct scene s;
	bool good = scene_set_up_hot(&s, &cfg);
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
		good &= rig_explained(&s.rig, &c);
		good &= expect(c.hits == hits, "no hits %.0f ms later: %" PRIu64 " -> %" PRIu64, 100., hits,
			       (uint64_t)c.hits);
		good &= expect(c.lost[LOSS_STORM] == 1, "counted as storm");
		good &= expect(rig_add(&s.rig, &s.watched, why) == -EBUSY, "not attached again: %s", why);
		kill(s.prey.pid, SIGKILL);
	}
	scene_tear_down(&s);
	return good;
}

/* ---- attach once ----------------------------------------------------------------------------------------- */

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
		good &= rig_explained(&r, &c);
		rig_stop(&r);
	}
	unmount_copies(dir);
	return good;
}

/* ---- life ------------------------------------------------------------------------------------------------ */

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
	bool good = !scene_set_up(&s, "1.26.8", "plain", &cfg) && scene_add(&s);
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
		good &= expect(!rig_unexplained(&s.rig, SIGNAL_PROC_WATCH, &c) && !rig_losses(&c), "all explained");
	}
	scene_tear_down(&s);
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
	bool good = !scene_set_up(&s, "1.26.8", "plain", &cfg) && scene_add(&s);
	uint64_t hits;

	if (good) {
		probes_remove_process(s.rig.probes, s.prey.pid);
		rig_run(&s.rig, 150);
		prey_do(&s.prey, &a, "gc 5");
		probes_counters(s.rig.probes, SIGNAL_GO_GC, &c);
		hits = c.hits;
		good = expect(hits == 5 * 6, "still attached: %" PRIu64 " hits", hits);
		probes_tick(s.rig.probes, clock_mono_ns() + 60 * NS_PER_SEC, NULL, NULL);
		rig_run(&s.rig, 300);
		prey_do(&s.prey, &a, "gc 5");
		probes_counters(s.rig.probes, SIGNAL_GO_GC, &c);
		good &= expect(c.hits == hits, "detached: %" PRIu64 " hits", (uint64_t)c.hits);
		good &= scene_add(&s);
		prey_do(&s.prey, &a, "gc 5");
		rig_run(&s.rig, 20);
		good &= expect(rig_count(&s.rig, EVENT_GC_START, s.prey.pid, -1) == 5, "attached again");
		good &= rig_explained(&s.rig, &c);
	}
	scene_tear_down(&s);
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
	good &= expect(harness_slow || (add_ns < COPIES * 20 * NS_PER_MS && start < NS_PER_SEC),
		       "%d deleted binaries: %.2f ms each to add, %.0f ms to end", COPIES,
		       (double)add_ns / COPIES / 1e6, (double)start / 1e6);
	for (int i = 0; i < COPIES; i++)
		prey_stop(&prey[i]);
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
	return good & expect(harness_slow || (up < 400 * NS_PER_MS && down < NS_PER_SEC),
			     "up in %.0f ms, down in %.0f ms", (double)up / 1e6, (double)down / 1e6);
}

static const struct harness_case cases[] = {
	{"start_up", test_start_up},
	{"storm_guard", test_storm_guard},
	{"copies_attach_once", test_copies_attach_once},
	{"proc_watch", test_proc_watch},
	{"idle_release", test_idle_release},
	{"many_binaries", test_many_binaries},
	{"killed_agent", test_killed_agent},
};

int main(int argc, char **argv)
{
	return harness_main(argc, argv, cases, ARRAY_SIZE(cases));
}
