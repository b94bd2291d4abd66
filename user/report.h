/* SPDX-License-Identifier: BSD-2-Clause */
/* From the session's live state to a snapshot. */
#pragma once

#include "session.h"

struct report;

int report_new(struct session *s, struct report **ret);
struct report *report_free(struct report *r);
/* Fills a snapshot of the last window (shorter while the session is younger). The caller deinits it. 0 or -ENOMEM. */
int report_take(struct report *r, uint64_t window_ns, struct snapshot *ret);
/* Orders the containers by a column instead of by WHY. */
void report_sort(struct snapshot *s, enum sort_key key, bool reverse);
