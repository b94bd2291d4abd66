/* SPDX-License-Identifier: BSD-2-Clause */
/* A node and a container to try a rule on, everything unknown; include it after cmocka.h. */
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "diagnose/rule.h"
#include "stats/dist.h"

#define MIB (1ll << 20)
#define NO  (-1) /* the rule stays quiet */

struct scene {
	struct snapshot s;
	struct snapshot_container c;
	struct snapshot_process p[2];
};

static inline void quiet_scene(struct scene *x)
{
	snapshot_init(&x->s);
	x->s.node_cpus = 32;
	x->s.window_seconds = 10;
	snapshot_container_init(&x->c);
	x->c.processes = x->p;
	x->c.process_cnt = 1;
	snapshot_process_init(&x->p[0]);
	snapshot_process_init(&x->p[1]);
}

typedef bool (*rule_fn)(const struct snapshot *, const struct snapshot_container *, double, struct verdict *);

static inline int severity(rule_fn rule, const struct scene *x, double scale, struct verdict *v)
{
	memset(v, 0, sizeof(*v));
	return rule(&x->s, &x->c, scale, v) ? (int)v->severity : NO;
}

#define CHECK(rule, scene, scale, want) assert_int_equal(severity(rule, scene, scale, &v), want)
