/* SPDX-License-Identifier: BSD-2-Clause */
/* Goroutines that may run wait for a P, although nothing holds the threads: no quota, no other program. Then there are
 * too few Ps for the work, or one goroutine in the way keeps them (a long loop in C, a flood of short goroutines). The
 * waits are the runtime's own histogram, which looks at one transition in eight; before Go 1.26 zeros of fast system
 * calls dilute it, so that a percentile is rather too low: the rule is then late, not wrong. */
#include "diagnose/rule.h"
#include "diagnose/words.h"

#include <math.h>

#define WARN_SECONDS     0.005
#define CRITICAL_SECONDS 0.020
#define WAITS_MIN        50   /* below, a p99 is one wait */
#define THROTTLE_RATIO   0.01 /* from here on the quota is the cause */
#define RUNQ_SECONDS     0.005
#define IDLE_RATIO       0.10 /* of the readings may have found an idle P: they are moments */

/* True if it is known that the kernel did not hold its threads. */
static bool threads_ran(const struct snapshot_container *c)
{
	const struct snapshot_cpu *cpu = &c->cpu;
	double wait = cpu->runq.cnt > 0 ? cpu->runq.p99 : cpu->runq.cnt == 0 ? 0 : cpu->runq_mean_seconds;

	/* without a limit there is nothing that could throttle */
	if (cpu->limit_cpus != -1 && !(cpu->ratio < THROTTLE_RATIO))
		return false;
	return wait < RUNQ_SECONDS; /* NAN: not known */
}

static const struct snapshot_process *fewest_procs(const struct snapshot_container *c)
{
	const struct snapshot_process *ret = NULL;

	for (int i = 0; i < c->process_cnt; i++)
		if (c->processes[i].gomaxprocs > 0 && (!ret || c->processes[i].gomaxprocs < ret->gomaxprocs))
			ret = &c->processes[i];
	return ret;
}

static void say_advice(const struct snapshot *s, const struct snapshot_container *c, struct verdict *ret)
{
	const struct snapshot_process *p = fewest_procs(c);
	double cpus = c->cpu.limit_cpus > 0 ? fmin(c->cpu.limit_cpus, s->node_cpus) : s->node_cpus;
	char *buf = ret->advice, word[WORD_SZ];
	size_t sz = sizeof(ret->advice);

	if (p && s->node_cpus > 0 && (double)p->gomaxprocs + 1 <= cpus)
		words_part(buf, sz, "; ", "raise GOMAXPROCS (is %lld, it may use %s CPUs)", (long long)p->gomaxprocs,
			   words_cpus(cpus, word));
	else
		words_part(buf, sz, "; ", "give it more CPU%s",
			   c->cpu.limit_cpus > 0 ? " (limit) and as many Ps" : "s or run more replicas");
	words_part(buf, sz, "; ", "bound the goroutines that work at once (a pool as large as GOMAXPROCS)");
	words_add(buf, sz, ".");
}

static void say_seen(const struct snapshot_container *c, struct verdict *ret)
{
	const struct snapshot_sched *sched = &c->sched;
	char *buf = ret->seen, p50[WORD_SZ], p99[WORD_SZ];
	size_t sz = sizeof(ret->seen);

	words_part(buf, sz, ", ", "%lld waits looked at: p50 %s, p99 %s", (long long)sched->latency.cnt,
		   words_duration(sched->latency.p50, p50), words_duration(sched->latency.p99, p99));
	if (sched->procs > 0)
		words_part(buf, sz, ", ", "%lld Ps, %lld idle now", (long long)sched->procs,
			   sched->procs_idle > 0 ? (long long)sched->procs_idle : 0ll);
	if (sched->queue > 0)
		words_part(buf, sz, ", ", "%lld goroutines queued now", (long long)sched->queue);
	if (c->goroutines > 0)
		words_part(buf, sz, ", ", "%lld goroutines", (long long)c->goroutines);
	if (c->cpu.runq.cnt > 0)
		words_part(buf, sz, ", ", "run queue p99 %s", words_duration(c->cpu.runq.p99, p99));
	if (sched->diluted)
		words_part(buf, sz, ", ", "the true p99 is higher (zeros of system calls before Go 1.26)");
	words_add(buf, sz, ".");
}

bool rule_p_starved(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret)
{
	const struct snapshot_sched *sched = &c->sched;
	char p99[WORD_SZ];

	if (sched->latency.cnt < WAITS_MIN || !(sched->latency.p99 >= WARN_SECONDS * scale) || !threads_ran(c) ||
	    !(sched->idle_p_ratio <= IDLE_RATIO))
		return false;
	ret->severity = sched->latency.p99 >= CRITICAL_SECONDS * scale ? VERDICT_CRITICAL : VERDICT_WARNING;
	words_add(ret->text, sizeof(ret->text),
		  "Its goroutines wait for a P, p99 %s, while nothing holds its threads: too few Ps for the work.",
		  words_duration(sched->latency.p99, p99));
	say_advice(s, c, ret);
	say_seen(c, ret);
	words_evidence(ret, "sched_latency_p99", sched->latency.p99, "s",
		       ret->severity == VERDICT_CRITICAL ? CRITICAL_SECONDS : WARN_SECONDS);
	words_evidence(ret, "idle_p_ratio", sched->idle_p_ratio, "1", IDLE_RATIO);
	words_evidence(ret, "throttle_ratio", c->cpu.ratio, "1", THROTTLE_RATIO);
	words_evidence_int(ret, "procs", sched->procs, "{processor}");
	words_evidence_int(ret, "queued", sched->queue, "{goroutine}");
	return true;
}
