/* SPDX-License-Identifier: BSD-2-Clause */
/* From the model to a snapshot. */
#pragma once

#include "model.h"

/* Fills a snapshot of the window that ends at now (shorter while the session is younger); containers in no order. The caller
 * deinits it. 0 or -ENOMEM. */
int report_take(const struct model *m, uint64_t now_ns, uint64_t window_ns, struct snapshot *ret);
