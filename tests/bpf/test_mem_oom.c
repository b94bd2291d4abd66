/* SPDX-License-Identifier: BSD-2-Clause */
/* Signal mem_oom against the memory controller: a process of ours eats more than its group's limit, the kernel kills
 * it; the record must say who it was and where, once, as often as the group's own counter says.
 *
 *   test_mem_oom [-v] [CASE...] */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "probes_harness.h"
#include "throttle_harness.h"

#define WANT_OOM    (1u << SIGNAL_MEM_OOM)
#define LIMIT_BYTES (32u << 20)
#define EAT_BYTES   (64u << 20)
#define ADJUST      300

/* The memory controller's part: version 1 where it has a hierarchy of its own, else the cpu group is it. */
static struct group cpu_group;
static char memory_dir[320];
static bool v2;

static int write_text(const char *dir, const char *name, const char *text)
{
	char path[400];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	if (!f)
		return -errno;
	fputs(text, f);
	return fclose(f) ? -errno : 0;
}

static int groups_make(void)
{
	char limit[32];
	int err = group_make(&cpu_group, NULL, "gs-test-oom");

	v2 = access("/sys/fs/cgroup/memory/tasks", F_OK) != 0;
	snprintf(memory_dir, sizeof(memory_dir), "/sys/fs/cgroup/memory/gs-test-oom-%d", getpid());
	snprintf(limit, sizeof(limit), "%u", LIMIT_BYTES);
	if (err)
		return err;
	if (v2) {
		snprintf(memory_dir, sizeof(memory_dir), "%s", cpu_group.path);
		write_text("/sys/fs/cgroup", "cgroup.subtree_control", "+memory");
		write_text(memory_dir, "memory.swap.max", "0");
		return write_text(memory_dir, "memory.max", limit);
	}
	if (mkdir(memory_dir, 0755))
		return -errno;
	err = write_text(memory_dir, "memory.limit_in_bytes", limit);
	write_text(memory_dir, "memory.memsw.limit_in_bytes", limit); /* absent without swap accounting */
	return err;
}

static void groups_remove(void)
{
	if (!v2)
		for (int i = 0; i < 100 && rmdir(memory_dir) && errno == EBUSY; i++)
			usleep(20000);
	group_remove(&cpu_group);
}

/* What the kernel counted for the group, -1 unknown. */
static int64_t kernel_kills(void)
{
	char path[400], key[64];
	long long value, kills = -1;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", memory_dir, v2 ? "memory.events" : "memory.oom_control");
	f = fopen(path, "re");
	while (f && fscanf(f, "%63s %lld", key, &value) == 2)
		if (!strcmp(key, "oom_kill"))
			kills = value;
	if (f)
		fclose(f);
	return kills;
}

static uint64_t inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino;
}

static void eat(const char *name)
{
	char text[16], *at;

	snprintf(text, sizeof(text), "%d", getpid());
	if (write_text(memory_dir, "cgroup.procs", text) || write_text(cpu_group.path, "cgroup.procs", text))
		_exit(1);
	snprintf(text, sizeof(text), "%d", ADJUST);
	write_text("/proc/self", "oom_score_adj", text);
	prctl(PR_SET_NAME, name);
	at = mmap(NULL, EAT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < EAT_BYTES; i += 4096)
		at[i] = 1;
	_exit(0);
}

/* The pid of a process that was killed for memory; 0 if it was not. */
static pid_t feed(const char *name)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		eat(name);
	waitpid(pid, &status, 0);
	return expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "killed, status %#x", status) ? pid : 0;
}

/* Anonymous memory of this process: the eater begins with a copy of it, which is charged to our group, not to its. */
static uint64_t own_anon_bytes(void)
{
	unsigned long long kb = 0;
	char line[128];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && !kb && fgets(line, sizeof(line), f))
		sscanf(line, "RssAnon: %llu kB", &kb);
	if (f)
		fclose(f);
	return kb * 1024;
}

static const struct event_oom_kill *find_kill(const struct rig *r, pid_t pid)
{
	for (unsigned int i = 0; i < r->ev_cnt; i++)
		if (r->ev[i].hdr.kind == EVENT_OOM_KILL && r->ev[i].hdr.tgid == (uint32_t)pid)
			return &r->ev[i].oom_kill;
	return NULL;
}

static bool check_kill(const struct rig *r, pid_t pid, uint64_t start_ns)
{
	const struct event_oom_kill *e = find_kill(r, pid);
	uint64_t memory = inode_of(memory_dir), slack = 2u << 20; /* page tables, and what CPUs have not yet added */
	bool good;

	if (!expect(e && rig_count(r, EVENT_OOM_KILL, pid, -1) == 1, "one record of pid %d", pid))
		return false;
	good = expect(e->hdr.tid == (uint32_t)pid && !strcmp(e->comm, "gs-eater"), "thread %u, '%.16s'", e->hdr.tid,
		      e->comm);
	good &= expect(e->memory_cgid == memory, "memory cgroup %" PRIu64 ", %" PRIu64 " wanted",
		       (uint64_t)e->memory_cgid, memory);
	good &= expect(e->hdr.cpu_cgid == cpu_group.id, "cpu cgroup %" PRIu64 ", %" PRIu64 " wanted",
		       (uint64_t)e->hdr.cpu_cgid, cpu_group.id);
	good &= expect(e->hdr.v2_cgid && (!v2 || e->hdr.v2_cgid == memory), "v2 cgroup %" PRIu64,
		       (uint64_t)e->hdr.v2_cgid);
	good &= expect(e->oom_score_adj == ADJUST, "adjusted by %d", e->oom_score_adj);
	good &= expect(e->anon_rss_bytes <= LIMIT_BYTES + own_anon_bytes() && e->anon_rss_bytes >= LIMIT_BYTES - slack,
		       "anonymous memory %" PRIu64 " of %u", (uint64_t)e->anon_rss_bytes, LIMIT_BYTES);
	good &= expect(e->total_vm_bytes >= EAT_BYTES && e->total_vm_bytes < 4ull * EAT_BYTES, "address space %" PRIu64,
		       (uint64_t)e->total_vm_bytes);
	good &= expect(e->file_rss_bytes < (64u << 20) && !(e->file_rss_bytes & 4095), "file memory %" PRIu64,
		       (uint64_t)e->file_rss_bytes);
	return good & expect(e->hdr.time_ns >= start_ns && e->hdr.time_ns <= clock_mono_ns(), "its time");
}

static bool oom_explained(const struct rig *r)
{
	struct signal_counters c;
	int64_t gap = rig_unexplained(r, SIGNAL_MEM_OOM, &c);

	return expect(!gap && c.events && !rig_losses(&c),
		      "hits %" PRIu64 " = events %" PRIu64 " + filtered %" PRIu64 " + losses (gap %" PRId64 ")",
		      (uint64_t)c.hits, (uint64_t)c.events, (uint64_t)c.filtered, gap);
}

static int start(struct rig *r)
{
	char why[WHY_SZ] = "";
	int err = rig_start(r, &(struct probes_cfg){.wanted = WANT_OOM}, why);

	if (!err && probes_signal(r->probes, SIGNAL_MEM_OOM)->mode != SIGNAL_ON)
		err = err_why(why, -ENOTSUP, "%s", probes_signal(r->probes, SIGNAL_MEM_OOM)->why);
	expect(!err, "set up: %d %s", err, why);
	return err;
}

static bool run_victims(unsigned int n)
{
	int64_t before = kernel_kills();
	uint64_t start_ns = clock_mono_ns();
	bool good = true;
	struct rig r;

	if (start(&r)) {
		rig_stop(&r);
		return false;
	}
	for (unsigned int i = 0; i < n && good; i++) {
		pid_t pid = feed("gs-eater");

		rig_run(&r, 100);
		good = pid && check_kill(&r, pid, start_ns);
	}
	good &= expect(kernel_kills() - before == n, "the kernel counted %" PRId64, kernel_kills() - before);
	good &= oom_explained(&r);
	rig_stop(&r);
	return good;
}

static bool test_one_victim(void)
{
	return run_victims(1);
}

static bool test_several_victims(void)
{
	return run_victims(4);
}

/* A process that is killed by somebody else is no victim. */
static bool test_killed_otherwise(void)
{
	struct signal_counters c;
	struct rig r;
	bool good = false;
	pid_t pid;

	if (!start(&r)) {
		pid = fork();
		if (!pid)
			pause();
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		rig_run(&r, 100);
		good = expect(!find_kill(&r, pid), "no record");
		good &= expect(!rig_unexplained(&r, SIGNAL_MEM_OOM, &c), "hits %" PRIu64, (uint64_t)c.hits);
	}
	rig_stop(&r);
	return good;
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		{"one_victim", test_one_victim},
		{"several_victims", test_several_victims},
		{"killed_otherwise", test_killed_otherwise},
	};
	int err;

	if (geteuid()) {
		printf("skipped: needs root\n");
		return 77;
	}
	err = groups_make();
	if (err) {
		printf("not ok set_up: %s\n", strerror(-err));
		return 1;
	}
	err = harness_main(argc, argv, cases, sizeof(cases) / sizeof(*cases));
	groups_remove();
	return err;
}
