/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of rules, in order of precedence: causes before what follows from them. */
#include "diagnose/rule.h"

#include <stddef.h>

#include "base/clock.h"

#define OOM_KEEP_NS (60 * NS_PER_SEC) /* as long as the row of an ended container stays */

const struct rule rules[] = {
	{"throttled", rule_throttled, NULL, 0},
	{"oom-risk", rule_oom_risk, rule_oom_happened, OOM_KEEP_NS},
	{"mem-limit-gc", rule_mem_limit_gc, NULL, 0},
	{"goroutine-blocked", rule_goroutine_blocked, NULL, 0},
	{"cpu-contended", rule_cpu_contended, NULL, 0},
	{"gc-cpu", rule_gc_cpu, NULL, 0},
	{"p-starved", rule_p_starved, NULL, 0},
	{"net-loss", rule_net_loss, NULL, 0},
	{"dns", rule_dns, NULL, 0},
	{"goroutine-leak", rule_goroutine_leak, NULL, 0},
	{"gomaxprocs", rule_gomaxprocs, NULL, 0},
	{"gomemlimit", rule_gomemlimit, NULL, 0},
	{NULL, NULL, NULL, 0},
};
