/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that may run and wait for a CPU: others have it. Throttled time is taken out of these waits where they are
 * measured, so this may hold beside `throttled` and needs another advice: not the limit, but the request, which is the
 * weight by which the kernel shares out a full node.
 *
 * The waits come from armed windows that cover a part of the time. A p99 of few waits is their longest, and one of
 * those is no pattern: with fewer than WAITS_P99 the p90 counts, so that at least two waits stand behind a verdict. A
 * thread that waits 20 ms each time only waits some 40 times a second, so asking for more would miss the worst.
 * Where no window saw enough, the mean of the kernel's own sched_info is left (known only while nothing is throttled):
 * it says that there is contention, not how long the tail is, hence a warning at most. */
#include "diagnose/rule.h"
#include "diagnose/words.h"

#include <math.h>
#include <string.h>

#define WARN_SECONDS     0.005
#define CRITICAL_SECONDS 0.020
#define WAITS_P99        100
#define WAITS_MIN        20
#define STEAL_RATIO      0.05 /* of the node's CPU: the hypervisor's part in it is worth an advice */
#define BUSY_RATIO       0.70 /* below, the node as a whole has CPU to spare */

struct wait {
	double seconds;     /* judged; NAN unknown */
	const char *name;   /* "p99" */
	const char *metric; /* of the evidence */
	double critical;    /* threshold, NAN none */
};

static struct wait judged_wait(const struct snapshot_cpu *cpu, double scale)
{
	double cnt = (double)cpu->runq.cnt;

	if (cnt >= WAITS_P99)
		return (struct wait){cpu->runq.p99, "p99", "runq_p99", CRITICAL_SECONDS};
	if (cnt >= WAITS_MIN * scale)
		return (struct wait){cpu->runq.p90, "p90", "runq_p90", CRITICAL_SECONDS};
	return (struct wait){cpu->runq_mean_seconds, "mean", "runq_mean", NAN};
}

/* Another container's, by the name of one of its own. */
static bool rival_is_namesake(const struct snapshot_container *c)
{
	for (int i = 0; i < c->process_cnt && !c->cpu.runq_rival_own; i++)
		if (!strcmp(c->processes[i].comm, c->cpu.runq_rival))
			return true;
	return false;
}

static void say_text(const struct snapshot *s, const struct snapshot_container *c, const struct wait *w,
		     struct verdict *ret)
{
	const struct snapshot_cpu *cpu = &c->cpu;
	char *buf = ret->text, word[WORD_SZ];
	size_t sz = sizeof(ret->text);

	words_add(buf, sz, "Its threads wait for a CPU: %s %s", w->name, words_duration(w->seconds, word));
	if (w->seconds != cpu->runq_mean_seconds && cpu->runq.max > w->seconds)
		words_add(buf, sz, ", up to %s", words_duration(cpu->runq.max, word));
	words_add(buf, sz, ", throttled time not counted");
	if (*cpu->runq_rival && cpu->runq_rival_own)
		words_add(buf, sz, "; its own threads (%.15s) most often ran instead", cpu->runq_rival);
	else if (*cpu->runq_rival)
		words_add(buf, sz, "; %s%.15s most often ran instead", rival_is_namesake(c) ? "another " : "",
			  cpu->runq_rival);
	if (s->steal_ratio >= STEAL_RATIO)
		words_add(buf, sz, "; the hypervisor took %s of the node's CPU", words_percent(s->steal_ratio, word));
	words_add(buf, sz, ".");
}

/* CPUs it would have used had it not waited, at most: each waiting thread is one. NAN unknown. */
static double wanted_cpus(const struct snapshot *s, const struct snapshot_cpu *cpu)
{
	double waiting = cpu->runq.sum / cpu->runq_watched_seconds, most = s->node_cpus > 0 ? s->node_cpus : NAN;

	if (!(cpu->runq_watched_seconds > 0) || cpu->runq.cnt <= 0)
		return NAN;
	if (cpu->limit_cpus > 0)
		most = fmin(most, cpu->limit_cpus);
	return fmin(ceil((cpu->usage_cpus + waiting) * 10 - 1e-6) / 10, most);
}

static void say_request(const struct snapshot *s, const struct snapshot_cpu *cpu, char *buf, size_t sz)
{
	double want = wanted_cpus(s, cpu);
	char about[WORD_SZ], is[WORD_SZ], used[WORD_SZ];

	words_cpus(cpu->request_cpus, is);
	words_cpus(cpu->usage_cpus, used);
	if (isnan(want) || isnan(cpu->usage_cpus)) {
		words_part(buf, sz, "; ", "raise the CPU request (shares or weight) to what it needs");
		if (cpu->request_cpus > 0)
			words_add(buf, sz, " (is %s)", is);
	} else if (cpu->request_cpus >= want) {
		words_part(buf, sz, "; ",
			   "its CPU request of %s already covers what it needs (about %s): the node is overcommitted, "
			   "move it or its neighbours",
			   is, words_cpus(want, about));
	} else {
		words_part(buf, sz, "; ", "raise the CPU request (shares or weight) to about %s (",
			   words_cpus(want, about));
		if (!isnan(cpu->request_cpus))
			words_add(buf, sz, "is %s; ", cpu->request_cpus > 0 ? is : "none");
		words_add(buf, sz, "it used %s CPUs while %.1f threads waited on average)", used,
			  cpu->runq.sum / cpu->runq_watched_seconds);
	}
}

static void say_advice(const struct snapshot *s, const struct snapshot_container *c, struct verdict *ret)
{
	char *buf = ret->advice, word[WORD_SZ];
	size_t sz = sizeof(ret->advice);

	if (*c->cpu.runq_rival && c->cpu.runq_rival_own)
		words_part(buf, sz, "; ", "bound its parallel work: it waits behind itself");
	if (s->steal_ratio >= STEAL_RATIO)
		words_part(buf, sz, "; ",
			   "use an instance with CPUs of its own: no setting here wins back stolen time");
	if (s->cpu_busy_ratio < BUSY_RATIO)
		words_part(buf, sz, "; ", "the node is only %s busy: look for CPU pinning (cpuset) or bursts",
			   words_percent(s->cpu_busy_ratio, word));
	say_request(s, &c->cpu, buf, sz);
	words_add(buf, sz, ".");
}

static void say_waits(const struct snapshot *s, const struct snapshot_cpu *cpu, char *buf, size_t sz)
{
	char p50[WORD_SZ], p99[WORD_SZ], max[WORD_SZ];

	if (cpu->runq.cnt > 0 && cpu->runq_watched_seconds > 0)
		words_part(buf, sz, ", ", "%lld waits in %.1f of %.0f s watched: p50 %s, p99 %s, max %s",
			   (long long)cpu->runq.cnt, cpu->runq_watched_seconds, s->window_seconds,
			   words_duration(cpu->runq.p50, p50), words_duration(cpu->runq.p99, p99),
			   words_duration(cpu->runq.max, max));
	if (!isnan(cpu->runq_mean_seconds))
		words_part(buf, sz, ", ", "mean of all %s", words_duration(cpu->runq_mean_seconds, p50));
}

static void say_seen(const struct snapshot *s, const struct snapshot_container *c, struct verdict *ret)
{
	char *buf = ret->seen, word[WORD_SZ];
	size_t sz = sizeof(ret->seen);

	say_waits(s, &c->cpu, buf, sz);
	if (!isnan(s->cpu_busy_ratio))
		words_part(buf, sz, ", ", "node %s busy", words_percent(s->cpu_busy_ratio, word));
	if (!isnan(s->steal_ratio))
		words_part(buf, sz, ", ", "steal %s", words_percent(s->steal_ratio, word));
	if (c->cpu.request_cpus >= 0)
		words_part(buf, sz, ", ", "request %s",
			   c->cpu.request_cpus > 0 ? words_cpus(c->cpu.request_cpus, word) : "none");
	if (!isnan(c->cpu.usage_cpus))
		words_part(buf, sz, ", ", "used %s CPUs", words_cpus(c->cpu.usage_cpus, word));
	words_add(buf, sz, ".");
}

static void add_evidence(const struct snapshot *s, const struct snapshot_container *c, const struct wait *w,
			 struct verdict *ret)
{
	const struct snapshot_cpu *cpu = &c->cpu;

	words_evidence(ret, w->metric, w->seconds, "s",
		       ret->severity == VERDICT_CRITICAL ? CRITICAL_SECONDS : WARN_SECONDS);
	if (cpu->runq.cnt > 0) {
		words_evidence(ret, "runq_p50", cpu->runq.p50, "s", NAN);
		words_evidence(ret, "runq_max", cpu->runq.max, "s", NAN);
		words_evidence_int(ret, "runq_waits", cpu->runq.cnt, "{wait}");
		words_evidence(ret, "runq_watched", cpu->runq_watched_seconds, "s", NAN);
	}
	words_evidence(ret, "node_cpu_busy_ratio", s->cpu_busy_ratio, "1", NAN);
	words_evidence(ret, "node_steal_ratio", s->steal_ratio, "1", NAN);
	words_evidence(ret, "cpu_request", cpu->request_cpus, "{cpu}", NAN);
	words_evidence(ret, "cpu_usage", cpu->usage_cpus, "{cpu}", NAN);
}

bool rule_cpu_contended(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret)
{
	struct wait w = judged_wait(&c->cpu, scale);

	if (!(w.seconds >= WARN_SECONDS * scale)) /* NAN: quiet */
		return false;
	ret->severity = w.seconds >= w.critical * scale ? VERDICT_CRITICAL : VERDICT_WARNING;
	say_text(s, c, &w, ret);
	say_advice(s, c, ret);
	say_seen(s, c, ret);
	add_evidence(s, c, &w, ret);
	return true;
}
