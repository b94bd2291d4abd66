/* SPDX-License-Identifier: BSD-2-Clause */
/* One rule: a condition on measured numbers, a sentence, an advice with numbers for this target, the evidence. */
#pragma once

#include <stdbool.h>

#include "stats/snapshot.h"

struct rule {
	const char *id;
	/* scale: 1.0 to raise, 0.7 while it is already shown (hysteresis); it lowers thresholds of measured numbers,
	 * not of settings. True if the condition holds; then *ret is filled but for id and since_unix_ns. A number that
	 * the rule needs and that is unknown keeps it quiet. */
	bool (*test)(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret);
	/* Something happened, which is no number near a threshold: what test() says shows at once, and for keep_ns
	 * after it was last true. NULL: there is no such thing. */
	bool (*happened)(const struct snapshot_container *c);
	uint64_t keep_ns;
};

extern const struct rule rules[]; /* ends with id NULL; in order of precedence */

/* The rules, one file each. */
bool rule_throttled(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret);
bool rule_oom_risk(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret);
bool rule_oom_happened(const struct snapshot_container *c);
bool rule_cpu_contended(const struct snapshot *s, const struct snapshot_container *c, double scale,
			struct verdict *ret);
bool rule_net_loss(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret);
bool rule_dns(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret);
bool rule_gomaxprocs(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret);
bool rule_gomemlimit(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret);
bool rule_gc_cpu(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret);
bool rule_mem_limit_gc(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret);
bool rule_p_starved(const struct snapshot *s, const struct snapshot_container *c, double scale, struct verdict *ret);
bool rule_goroutine_leak(const struct snapshot *s, const struct snapshot_container *c, double scale,
			 struct verdict *ret);
bool rule_goroutine_blocked(const struct snapshot *s, const struct snapshot_container *c, double scale,
			    struct verdict *ret);
