/* SPDX-License-Identifier: BSD-2-Clause */
/* Distribution of durations: exact by selection up to DIST_EXACT_MAX values, by histogram beyond. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "stats/snapshot.h"

#define DIST_EXACT_MAX 4096

/* values in ns; the array is reordered. Nearest-rank percentiles. */
void dist_from_values(uint64_t *values_ns, size_t cnt, struct dist *ret);
void dist_unknown(struct dist *d);
