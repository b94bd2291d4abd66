/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules over snapshots with memory: a verdict must hold for some windows, clears at 70 % of its threshold, and a cause
 * suppresses what follows from it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "stats/snapshot.h"

struct verdicts;

/* hold: consecutive evaluations a condition must hold before it shows: 3 in a live view, 1 for `why` and --once. */
int verdicts_new(int hold, struct verdicts **ret);
struct verdicts *verdicts_free(struct verdicts *v);
/* Fills verdicts[] of every container of s, and orders the containers: severity, then largest delay. */
void verdicts_apply(struct verdicts *v, struct snapshot *s);
/* Short name for the WHY column: "throttled+gc". */
void verdict_short(const struct verdict *v, char *buf, size_t sz);
const char *verdict_severity_name(enum verdict_severity s); /* "advice", "warning", "critical" */
