/* SPDX-License-Identifier: BSD-2-Clause */
/* One rule: a condition on measured numbers, a sentence, an advice with numbers for this target, the evidence. */
#pragma once

#include <stdbool.h>

#include "stats/snapshot.h"

struct rule {
	const char *id;
	/* scale: 1.0 to raise, 0.7 while it is already shown (hysteresis). True if the condition holds; then *ret is filled
	 * but for since_unix_ns. */
	bool (*test)(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret);
};

extern const struct rule rules[]; /* ends with id NULL; in order of precedence */
