/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of rules, in order of precedence: causes before what follows from them. */
#include "diagnose/rule.h"

#include <stddef.h>

#include "base/clock.h"

#define OOM_KEEP_NS (60 * NS_PER_SEC) /* as long as the row of an ended container stays */

const struct rule rules[] = {
	{"throttled", rule_throttled, NULL, 0},
	{"oom-risk", rule_oom_risk, rule_oom_happened, OOM_KEEP_NS},
	{"cpu-contended", rule_cpu_contended, NULL, 0},
	{"net-loss", rule_net_loss, NULL, 0},
	{"dns", rule_dns, NULL, 0},
	{"gomaxprocs", rule_gomaxprocs, NULL, 0},
	{"gomemlimit", rule_gomemlimit, NULL, 0},
	{NULL, NULL, NULL, 0},
};
