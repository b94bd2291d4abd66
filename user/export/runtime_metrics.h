/* SPDX-License-Identifier: BSD-2-Clause */
/* The twelve go.* metrics of OpenTelemetry's semantic conventions (model/go/metrics.yaml, 1.44.0) of one process. */
#pragma once

#include "export/jw.h"
#include "runtime/sample.h"

/* Adds "metrics": an object with one member a metric. */
void runtime_metrics_add(struct jw *w, const struct runtime_detail *d);
/* Seconds with all nine digits; SAMPLE_UNKNOWN is null. */
void runtime_seconds_add(struct jw *w, const char *key, int64_t ns);
