/* SPDX-License-Identifier: BSD-2-Clause */
/* Since 1.25 the runtime knows itself whether GOMAXPROCS was set (sched.customGOMAXPROCS) and else follows the smaller
 * of affinity mask and cgroup quota, unless GODEBUG containermaxprocs=0 or a go.mod below 1.25 (runtime/proc.go,
 * defaultGOMAXPROCS). Before, it counts the CPUs of its mask once at the start (schedinit), so a number that is neither
 * that nor the environment's comes from a call; where it is the machine's number, the mask may have been changed since,
 * and nothing is said. */
#include "runtime/maxprocs_by.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "procs/proc_info.h"

/* As runtime.atoi32, for what counts here: digits alone, above 0. 0: no such number. */
static int32_t number(const char *s)
{
	int64_t n = 0;

	if (!s || !*s)
		return 0;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return 0;
		n = n * 10 + (*s - '0');
		if (n > INT32_MAX)
			return 0;
	}
	return (int32_t)n;
}

/* The last setting of a name counts (runtime.parsegodebug). -1: not set, or to no number. */
static int setting(const char *godebug, const char *name)
{
	size_t len = strlen(name);
	int val = -1;

	for (const char *at = godebug; at && *at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, name, len) && at[len] == '=' && at[len + 1] >= '0' && at[len + 1] <= '9')
			val = atoi(at + len + 1);
	}
	return val;
}

bool maxprocs_by_follows_quota(int go_minor, bool ignores_cpu_limit, const char *godebug)
{
	int set = setting(godebug, "containermaxprocs");

	if (go_minor < 25)
		return false;
	return set >= 0 ? set > 0 : !ignores_cpu_limit;
}

static enum maxprocs_by judge_default(const struct maxprocs_facts *f)
{
	if (!maxprocs_by_follows_quota(f->go_minor, f->ignores_cpu_limit, f->godebug))
		return MAXPROCS_GODEBUG;
	return f->cpus && f->gomaxprocs < f->cpus ? MAXPROCS_QUOTA : MAXPROCS_DEFAULT;
}

static enum maxprocs_by judge_mask(const struct maxprocs_facts *f)
{
	if (!f->cpus)
		return MAXPROCS_UNKNOWN;
	if (f->gomaxprocs == f->cpus)
		return MAXPROCS_DEFAULT;
	return f->gomaxprocs == f->online ? MAXPROCS_UNKNOWN : MAXPROCS_CODE;
}

enum maxprocs_by maxprocs_by_judge(const struct maxprocs_facts *f)
{
	int32_t env = number(f->env);

	if (f->gomaxprocs < 1)
		return MAXPROCS_UNKNOWN;
	if (f->go_minor >= 25 && f->custom == 0)
		return judge_default(f);
	if (env)
		return f->gomaxprocs == env ? MAXPROCS_ENV : MAXPROCS_CODE;
	if (f->go_minor >= 25)
		return f->custom == 1 ? MAXPROCS_CODE : MAXPROCS_UNKNOWN;
	return judge_mask(f);
}

/* "Cpus_allowed:\tff,ffffffff" */
static int mask_cpus(const char *root, pid_t pid)
{
	char path[64], buf[8192];
	const char *at;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (file_read(root, path, buf, sizeof(buf)) <= 0)
		return 0;
	at = strstr(buf, "\nCpus_allowed:");
	if (!at)
		return 0;
	for (at = strchr(at, ':') + 1; *at && *at != '\n'; at++) {
		char digit[2] = {*at};

		n += __builtin_popcount((unsigned int)strtoul(digit, NULL, 16));
	}
	return n;
}

/* "0-3,7" */
static int online_cpus(const char *root)
{
	char buf[4096];
	int n = 0;

	if (file_read(root, "/sys/devices/system/cpu/online", buf, sizeof(buf)) <= 0)
		return 0;
	for (char *at = buf; *at >= '0' && *at <= '9';) {
		long from = strtol(at, &at, 10), to = from;

		if (*at == '-')
			to = strtol(at + 1, &at, 10);
		n += to >= from && to - from < 65536 ? (int)(to - from) + 1 : 0;
		at += *at == ',';
	}
	return n;
}

enum maxprocs_by maxprocs_by_read(const char *root, pid_t pid, const struct maxprocs_facts *known, char *env,
				  size_t env_sz)
{
	struct maxprocs_facts f = *known;
	char value[32] = "", godebug[1024] = "";

	if (proc_info_getenv(root, pid, "GOMAXPROCS", value, sizeof(value)) == 1)
		f.env = value;
	if (proc_info_getenv(root, pid, "GODEBUG", godebug, sizeof(godebug)) == 1)
		f.godebug = godebug;
	f.cpus = mask_cpus(root, pid);
	f.online = online_cpus(root);
	if (env_sz)
		snprintf(env, env_sz, "%s", value);
	return maxprocs_by_judge(&f);
}

bool maxprocs_by_process_follows_quota(const char *root, const struct process *p)
{
	char godebug[1024] = "";

	if (!p->binary || p->binary->go_minor < 25)
		return false;
	if (proc_info_getenv(root, p->pid, "GODEBUG", godebug, sizeof(godebug)) != 1)
		*godebug = '\0';
	return maxprocs_by_follows_quota(p->binary->go_minor, p->binary->ignores_cpu_limit, godebug);
}

const char *maxprocs_by_text(enum maxprocs_by by)
{
	switch (by) {
	case MAXPROCS_UNKNOWN:
		break;
	case MAXPROCS_DEFAULT:
		return "default";
	case MAXPROCS_QUOTA:
		return "cgroup quota";
	case MAXPROCS_ENV:
		return "environment";
	case MAXPROCS_CODE:
		return "code";
	case MAXPROCS_GODEBUG:
		return "default, CPU limit ignored";
	}
	return "unknown";
}
