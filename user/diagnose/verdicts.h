/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules over snapshots with memory: a verdict must hold for some windows, clears at 70 % of its threshold, and a cause
 * suppresses what follows from it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats/snapshot.h"

struct verdicts;

/* A verdict that came up, became graver or less grave, or went. */
struct verdict_change {
	uint32_t container_id;         /* snapshot_container.id; of one that is no longer in the snapshot: its last */
	bool ended;                    /* cleared, suppressed by its cause, or its container is gone */
	const struct verdict *verdict; /* borrowed; as it stands in the snapshot, of one that ended: as it last stood */
};

/* hold: consecutive evaluations a condition must hold before it shows: 3 in a live view, 1 for `why` and --once. */
int verdicts_new(int hold, struct verdicts **ret);
struct verdicts *verdicts_free(struct verdicts *v);
/* Fills verdicts[] of every container of s, and orders the containers: severity, then largest delay. */
void verdicts_apply(struct verdicts *v, struct snapshot *s);
/* What changed with the last verdicts_apply(), by container; *ret is borrowed until the next one. Returns their number.
 */
size_t verdicts_changes(const struct verdicts *v, const struct verdict_change **ret);
/* Short name for the WHY column: "throttled+gc". */
void verdict_short(const struct verdict *v, char *buf, size_t sz);
const char *verdict_severity_name(enum verdict_severity s); /* "advice", "warning", "critical" */
