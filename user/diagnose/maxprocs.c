/* SPDX-License-Identifier: BSD-2-Clause */
/* Before Go 1.25 GOMAXPROCS is by default the number of CPUs that the affinity mask allows, whatever the quota.
 * From 1.25 on it is min(CPUs, max(2, ceil(quota / period))) of the process's own cgroup, re-read every second, unless
 * the environment, a call or GODEBUG set it, or the main module's go.mod says less than go 1.25 (go-runtime.md 6). So
 * two Ps under a limit of one CPU are the runtime's own choice and nothing to complain about. */
#include "diagnose/maxprocs.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "diagnose/words.h"

#define AWARE_PROCS_MIN 2 /* the runtime does not go below */
#define AWARE_GO_MINOR  25

static int64_t ceil_limit(double limit_cpus)
{
	double want = ceil(limit_cpus - 1e-9); /* 200000 / 100000 as a ratio of rounded numbers */

	return want < 1 ? 1 : want > 1e6 ? 1000000 : (int64_t)want;
}

static bool above(const struct snapshot_process *p, int64_t want)
{
	if (p->gomaxprocs == STAT_UNKNOWN || p->gomaxprocs <= want)
		return false;
	return !(p->go_container_aware && p->gomaxprocs <= AWARE_PROCS_MIN);
}

bool maxprocs_above_limit(const struct snapshot_container *c, struct maxprocs *ret)
{
	const struct snapshot_process *most = NULL;

	if (!(c->cpu.limit_cpus > 0)) /* none, or unknown */
		return false;

	int64_t want = ceil_limit(c->cpu.limit_cpus);

	for (int i = 0; i < c->process_cnt; i++) {
		const struct snapshot_process *p = &c->processes[i];

		if (above(p, want) && (!most || p->gomaxprocs > most->gomaxprocs))
			most = p;
	}
	if (!most)
		return false;
	*ret = (struct maxprocs){.process = most, .want = want};
	return true;
}

static int go_minor(const struct snapshot_process *p)
{
	int minor;

	return sscanf(p->go_version, "go1.%d", &minor) == 1 || sscanf(p->go_version, "1.%d", &minor) == 1 ? minor : -1;
}

void maxprocs_who(const struct snapshot *s, const struct snapshot_process *p, char *buf, size_t sz)
{
	if (p->gomaxprocs_env)
		snprintf(buf, sz, "set by its environment");
	else if (p->go_container_aware)
		snprintf(buf, sz,
			 "though Go 1.25 and newer follow the limit of their own cgroup: the limit is on a parent, "
			 "the program or go.mod says otherwise");
	else if (s->node_cpus > 0 && p->gomaxprocs == s->node_cpus)
		snprintf(buf, sz, "default: the node has %d CPUs", s->node_cpus);
	else
		snprintf(buf, sz, "set by the program or its CPU affinity");
}

void maxprocs_advice(const struct snapshot *s, const struct snapshot_container *c, const struct maxprocs *m, char *buf,
		     size_t sz)
{
	int64_t is = m->process->gomaxprocs, threads = is;
	double quota = c->cpu.limit_cpus * (double)c->cpu.period_ns / NS_PER_SEC;
	char took[WORD_SZ], all[WORD_SZ];

	if (s->node_cpus > 0 && threads > s->node_cpus)
		threads = s->node_cpus; /* more cannot run at once */
	words_add(buf, sz, "set GOMAXPROCS=%lld (is %lld", (long long)m->want, (long long)is);
	if (quota > 0 && (double)threads > c->cpu.limit_cpus)
		words_add(buf, sz, ": %lld threads empty the %s quota in %s", (long long)threads,
			  words_duration(quota, all), words_duration(quota / (double)threads, took));
	words_add(buf, sz, ")");
}

void maxprocs_advice_version(const struct snapshot *s, const struct snapshot_process *p, char *buf, size_t sz)
{
	int minor = go_minor(p);

	if (p->gomaxprocs_env || p->go_container_aware || (s->node_cpus > 0 && p->gomaxprocs != s->node_cpus))
		return; /* the version would not change it: somebody sets it */
	if (p->gomaxprocs <= AWARE_PROCS_MIN)
		return; /* it would not go below that by itself */
	if (minor >= AWARE_GO_MINOR)
		words_add(buf, sz, ", or say go 1.25 or newer in go.mod: then Go follows the limit by itself");
	else if (minor >= 0)
		words_add(buf, sz,
			  ", or build with Go 1.25 or newer and that in go.mod: then Go follows the limit by itself");
}
