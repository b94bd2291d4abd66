/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of rules, in order of precedence: causes before what follows from them. */
#include "diagnose/rule.h"

#include <stddef.h>

const struct rule rules[] = {
	{"throttled", rule_throttled},
	{"gomaxprocs", rule_gomaxprocs},
	{"gomemlimit", rule_gomemlimit},
	{NULL, NULL},
};
