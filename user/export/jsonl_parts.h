/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of a snapshot's JSON (jsonl_snapshot.c): values that are known only while their signal works, and what is large
 * enough for a file of its own. */
#pragma once

#include "export/jw.h"
#include "stats/snapshot.h"

void jsonl_integer_if(struct jw *w, const char *key, bool on, int64_t v);
void jsonl_real_if(struct jw *w, const char *key, bool on, double v);
void jsonl_dist_if(struct jw *w, const char *key, bool on, const struct dist *d);
/* Members "sched" and "overhead" of a container. */
void jsonl_sched(struct jw *w, const struct snapshot_container *c);
void jsonl_overhead(struct jw *w, const struct snapshot_overhead *o);
