/* SPDX-License-Identifier: BSD-2-Clause */
/* More Ps than CPUs allowed: while all run, the quota of a period is used up in a fraction of it and every thread
 * stops for the rest; the collector sizes its workers by GOMAXPROCS too. An advice; a warning once it is felt. */
#include "diagnose/maxprocs.h"
#include "diagnose/rule.h"
#include "diagnose/words.h"

#include <math.h>

#define WARN_RATIO 0.01 /* of the time throttled */

bool rule_gomaxprocs(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret)
{
	char who[160], limit[WORD_SZ], ratio[WORD_SZ];
	struct maxprocs m;

	if (!maxprocs_above_limit(c, &m))
		return false;
	/* An unknown ratio (NAN) compares false: an advice. */
	ret->severity = c->cpu.ratio >= WARN_RATIO * scale ? VERDICT_WARNING : VERDICT_ADVICE;

	words_cpus(c->cpu.limit_cpus, limit);
	maxprocs_who(s, m.process, who, sizeof(who));
	words_add(ret->text, sizeof(ret->text), "GOMAXPROCS is %lld (%s), its CPU limit is %s.",
		  (long long)m.process->gomaxprocs, who, limit);

	maxprocs_advice(s, c, &m, ret->advice, sizeof(ret->advice));
	maxprocs_advice_version(s, m.process, ret->advice, sizeof(ret->advice));
	words_add(ret->advice, sizeof(ret->advice), ".");

	words_add(ret->seen, sizeof(ret->seen), "limit %s, GOMAXPROCS %lld in pid %d", limit,
		  (long long)m.process->gomaxprocs, m.process->pid);
	if (*m.process->go_version)
		words_add(ret->seen, sizeof(ret->seen), " (%.31s)", m.process->go_version);
	if (c->cpu.ratio >= 0)
		words_add(ret->seen, sizeof(ret->seen), ", throttled %s of the time",
			  words_percent(c->cpu.ratio, ratio));
	words_add(ret->seen, sizeof(ret->seen), ".");

	words_evidence(ret, "gomaxprocs", (double)m.process->gomaxprocs, "{thread}", (double)m.want);
	words_evidence(ret, "cpu_limit", c->cpu.limit_cpus, "{cpu}", NAN);
	words_evidence(ret, "throttle_ratio", c->cpu.ratio, "1", WARN_RATIO);
	return true;
}
