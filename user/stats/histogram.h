/* SPDX-License-Identifier: BSD-2-Clause */
/* Log-linear histogram of durations in ns: four sub-buckets per power of two, as the kernel programs keep them. */
#pragma once

#include <stdint.h>

#include "stats/snapshot.h"

#define HISTOGRAM_BUCKETS 256

struct histogram {
	uint64_t cnt[HISTOGRAM_BUCKETS];
	uint64_t total, sum, min, max;
};

void histogram_init(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t value);
void histogram_merge(struct histogram *h, const struct histogram *other);
/* Counts by the same buckets, as a kernel program kept them, with their sum and largest value: the smallest one becomes
 * the middle of its bucket. */
void histogram_merge_counts(struct histogram *h, const uint32_t *cnt, unsigned int buckets, uint64_t sum, uint64_t max);
unsigned int histogram_bucket(uint64_t value);      /* same function as in the kernel programs */
uint64_t histogram_bucket_low(unsigned int bucket); /* smallest value of the bucket */
/* Value at q (0..1) by nearest rank: the middle of the rank's bucket, clamped to min and max. So it is off by at most
 * half a bucket, 12.5 % of the value, whatever the distribution (interpolating could be off by 25 %). 0 when empty. */
double histogram_quantile(const struct histogram *h, double q);
void histogram_dist(const struct histogram *h, struct dist *ret);
