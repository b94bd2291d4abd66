/* SPDX-License-Identifier: BSD-2-Clause */
/* The cgroups are made in whichever hierarchy has the cpu controller: /sys/fs/cgroup/cpu or /sys/fs/cgroup/cpu,cpuacct
 * (v1), else /sys/fs/cgroup (v2), where a group may have processes or children with controllers, not both. */
#include "throttle_harness.h"

#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

uint64_t harness_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + t.tv_nsec;
}

static int write_file(const char *dir, const char *name, const char *text)
{
	char path[400];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int read_key(const char *dir, const char *name, const char *key, uint64_t *ret)
{
	char path[400], k[64];
	unsigned long long v;
	FILE *f;
	int err = -ENOENT;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fscanf(f, "%63s %llu", k, &v) == 2)
		if (!strcmp(k, key)) {
			*ret = v;
			err = 0;
		}
	fclose(f);
	return err;
}

static const char *cpu_root(bool *v2)
{
	static const char *const v1[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"};

	*v2 = false;
	for (unsigned int i = 0; i < 2; i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s/cgroup.procs", v1[i]);
		if (!access(path, F_OK))
			return v1[i];
	}
	*v2 = true;
	return "/sys/fs/cgroup";
}

int group_make(struct group *g, const struct group *parent, const char *name)
{
	const char *root = cpu_root(&g->v2);
	struct stat st;

	if (g->v2)
		write_file(parent ? parent->path : root, "cgroup.subtree_control", "+cpu");
	if (parent)
		snprintf(g->path, sizeof(g->path), "%.200s/%.40s", parent->path, name);
	else
		snprintf(g->path, sizeof(g->path), "%.200s/%.40s-%d", root, name, getpid());
	if (mkdir(g->path, 0755) || stat(g->path, &st))
		return -errno;
	g->id = st.st_ino;
	return 0;
}

int group_remove(const struct group *g)
{
	/* a dying process holds its group for a moment */
	for (int i = 0; i < 100; i++) {
		if (!rmdir(g->path))
			return 0;
		usleep(20000);
	}
	return -errno;
}

int group_limit(const struct group *g, int quota_us, int period_us)
{
	char text[64];
	int err;

	if (g->v2) {
		if (quota_us < 0)
			snprintf(text, sizeof(text), "max %d", period_us);
		else
			snprintf(text, sizeof(text), "%d %d", quota_us, period_us);
		return write_file(g->path, "cpu.max", text);
	}
	snprintf(text, sizeof(text), "%d", period_us);
	err = write_file(g->path, "cpu.cfs_period_us", text);
	if (err)
		return err;
	snprintf(text, sizeof(text), "%d", quota_us);
	return write_file(g->path, "cpu.cfs_quota_us", text);
}

int group_stat(const struct group *g, struct cpu_stat *ret)
{
	int err = read_key(g->path, "cpu.stat", "nr_throttled", &ret->nr_throttled);

	if (err)
		return err;
	if (!g->v2)
		return read_key(g->path, "cpu.stat", "throttled_time", &ret->throttled_ns);
	err = read_key(g->path, "cpu.stat", "throttled_usec", &ret->throttled_ns);
	ret->throttled_ns *= 1000;
	return err;
}

int group_add(const struct group *like, const struct group *g, pid_t pid)
{
	char text[16];
	bool v2;

	snprintf(text, sizeof(text), "%d", pid);
	return write_file(g ? g->path : cpu_root(&v2), "cgroup.procs", text);
}

static void *spin(void *arg)
{
	const struct load *load = arg;
	uint64_t end_ns = harness_now_ns() + load->ms * 1000000ull;

	while (harness_now_ns() < end_ns) {
		uint64_t pause_ns = harness_now_ns() + load->spin_us * 1000ull;

		while (load->sleep_us && harness_now_ns() < pause_ns)
			;
		if (load->sleep_us)
			usleep(load->sleep_us);
	}
	return NULL;
}

static void burn(const struct load *load)
{
	pthread_t th[64];
	unsigned int n = load->threads < 64 ? load->threads : 64;

	for (unsigned int i = 1; i < n; i++)
		if (pthread_create(&th[i], NULL, spin, (void *)load))
			_exit(2);
	spin((void *)load);
	for (unsigned int i = 1; i < n; i++)
		pthread_join(th[i], NULL);
	_exit(0);
}

pid_t burner_start(const struct group *g, const struct load *load)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		if (group_add(g, g, getpid()))
			_exit(3);
		burn(load);
	}
	return pid;
}

int burner_wait(pid_t pid)
{
	int status;

	if (pid < 0)
		return pid;
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : 0;
}

static void read_symbols(struct kernel_features *f)
{
	struct {
		const char *name;
		uint64_t *at;
	} want[] = {
		{"sched_cfs_period_timer", &f->sym_period_timer},
		{"sched_cfs_slack_timer", &f->sym_slack_timer},
		{"__cfsb_csd_unthrottle", &f->sym_csd_unthrottle},
	};
	FILE *k = fopen("/proc/kallsyms", "re");
	unsigned long long at;
	char line[512], name[256];

	while (k && fgets(line, sizeof(line), k)) {
		if (sscanf(line, "%llx %*c %255s", &at, name) != 2)
			continue;
		for (unsigned int i = 0; i < 3; i++)
			if (!strcmp(name, want[i].name))
				*want[i].at = at;
	}
	if (k)
		fclose(k);
}

void harness_features(struct kernel_features *f)
{
	struct btf *btf = btf__load_vmlinux_btf();

	memset(f, 0, sizeof(*f));
	read_symbols(f);
	f->raw_tp_csd = btf && btf__find_by_name_kind(btf, "btf_trace_csd_function_exit", BTF_KIND_TYPEDEF) > 0;
	f->cap_syslog = f->sym_period_timer != 0;
	btf__free(btf);
}
