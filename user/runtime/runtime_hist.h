/* SPDX-License-Identifier: BSD-2-Clause */
/* The runtime's own histograms (runtime/histogram.go), from its bytes to counts. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "runtime/sample.h"

/* sizeof(timeHistogram) in that minor version. */
size_t runtime_hist_size(int go_minor);
/* bytes: runtime_hist_size() of them. */
void runtime_hist_decode(int go_minor, const void *bytes, struct runtime_hist *ret);
/* Smallest value of a bucket, in ns; bucket == cnt: the end of the last. cnt: runtime_hist.buckets. */
uint64_t runtime_hist_edge(int cnt, int bucket);
/* Counts by the buckets of stats/histogram.h, whose edges are edges of both (a bucket of [0, 64) and the next two,
 * which are wider than those, count at their low edge). Negative durations count as 0, too long ones in the last
 * bucket. bytes as above. */
void runtime_hist_fold(int go_minor, const void *bytes, uint64_t ret[RUNTIME_LATENCY_BUCKETS]);
