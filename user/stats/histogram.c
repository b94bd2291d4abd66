/* SPDX-License-Identifier: BSD-2-Clause */
/* Log-linear buckets: values below 4 are exact, above that the two bits after the leading one choose one of four
 * sub-buckets. A kernel program can do the same with a shift and two compares, without a division or a table, so both
 * sides can merge their counts without error. 64-bit values need 252 buckets. */
#include "stats/histogram.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"

void histogram_init(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
}

unsigned int histogram_bucket(uint64_t value)
{
	if (value < 4)
		return (unsigned int)value;

	unsigned int msb = 63 - (unsigned int)__builtin_clzll(value);

	return 4 * (msb - 1) + (unsigned int)((value >> (msb - 2)) & 3);
}

uint64_t histogram_bucket_low(unsigned int bucket)
{
	if (bucket < 4)
		return bucket;

	unsigned int msb = bucket / 4 + 1;

	if (msb > 63) /* no value gets there: 252 to 255 */
		return UINT64_MAX;
	return (4ull | (bucket & 3)) << (msb - 2);
}

void histogram_add(struct histogram *h, uint64_t value)
{
	if (!h->total || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->cnt[histogram_bucket(value)]++;
	h->total++;
	h->sum += value;
}

void histogram_merge(struct histogram *h, const struct histogram *other)
{
	if (!other->total)
		return;
	if (!h->total || other->min < h->min)
		h->min = other->min;
	if (other->max > h->max)
		h->max = other->max;
	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++)
		h->cnt[i] += other->cnt[i];
	h->total += other->total;
	h->sum += other->sum;
}

static double bucket_middle(unsigned int b)
{
	double low = (double)histogram_bucket_low(b);
	double high = b < 251 ? (double)histogram_bucket_low(b + 1) - 1 : (double)UINT64_MAX;

	return low + (high - low) / 2;
}

void histogram_merge_counts(struct histogram *h, const uint32_t *cnt, unsigned int buckets, uint64_t sum, uint64_t max)
{
	uint64_t total = 0, min = 0;

	for (unsigned int i = 0; i < buckets && i < HISTOGRAM_BUCKETS; i++) {
		if (cnt[i] && !total)
			min = (uint64_t)bucket_middle(i);
		h->cnt[i] += cnt[i];
		total += cnt[i];
	}
	if (!total)
		return;
	min = min < max ? min : max;
	if (!h->total || min < h->min)
		h->min = min;
	if (max > h->max)
		h->max = max;
	h->total += total;
	if (__builtin_add_overflow(h->sum, sum, &h->sum))
		h->sum = UINT64_MAX;
}

double histogram_quantile(const struct histogram *h, double q)
{
	if (!h->total)
		return 0;

	double rank = ceil(q * (double)h->total);
	uint64_t want = rank < 1 ? 1 : rank > (double)h->total ? h->total : (uint64_t)rank;
	uint64_t seen = 0;
	unsigned int b = 0;

	for (; b < HISTOGRAM_BUCKETS - 1; b++) {
		seen += h->cnt[b];
		if (seen >= want)
			break;
	}
	/* The first and the last value of all are known exactly. */
	if (want == 1)
		return (double)h->min;
	if (want == h->total)
		return (double)h->max;
	return fmin(fmax(bucket_middle(b), (double)h->min), (double)h->max);
}

void histogram_dist(const struct histogram *h, struct dist *ret)
{
	*ret = (struct dist){.cnt = (int64_t)h->total, .min = NAN, .p50 = NAN, .p90 = NAN, .p99 = NAN, .max = NAN};
	if (!h->total)
		return;
	ret->sum = (double)h->sum / NS_PER_SEC;
	ret->min = (double)h->min / NS_PER_SEC;
	ret->p50 = histogram_quantile(h, 0.50) / NS_PER_SEC;
	ret->p90 = histogram_quantile(h, 0.90) / NS_PER_SEC;
	ret->p99 = histogram_quantile(h, 0.99) / NS_PER_SEC;
	ret->max = (double)h->max / NS_PER_SEC;
}
