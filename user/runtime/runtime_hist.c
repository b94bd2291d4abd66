/* SPDX-License-Identifier: BSD-2-Clause */
/* Go 1.20 and newer: 40 powers of two from 2^8 ns on with 4 sub-buckets each, what is below in four of 64 ns; two more
 * counts for negative and for longer durations. 1.18 and 1.19: 45 powers of two with 16 sub-buckets, the first sixteen
 * of 1 ns, the last bucket open, one more count for negative ones. */
#include "runtime/runtime_hist.h"

#include <math.h>
#include <string.h>

#define SUB_BITS_OLD 4
#define BUCKETS_OLD  720
#define SUB_BITS     2
#define BUCKETS      160
#define MIN_BITS     8 /* the first power of two that has buckets of its own */

_Static_assert(BUCKETS_OLD == RUNTIME_HIST_MAX, "runtime_hist holds all");

static int bucket_cnt(int go_minor)
{
	return go_minor < 20 ? BUCKETS_OLD : BUCKETS;
}

size_t runtime_hist_size(int go_minor)
{
	size_t ends = go_minor < 20 ? 1 : 2; /* underflow; overflow */

	return ((size_t)bucket_cnt(go_minor) + ends) * sizeof(uint64_t);
}

void runtime_hist_decode(int go_minor, const void *bytes, struct runtime_hist *ret)
{
	const uint8_t *ends = (const uint8_t *)bytes + (size_t)bucket_cnt(go_minor) * sizeof(uint64_t);

	memset(ret, 0, sizeof(*ret));
	ret->buckets = bucket_cnt(go_minor);
	memcpy(ret->counts, bytes, (size_t)ret->buckets * sizeof(uint64_t));
	memcpy(&ret->underflow, ends, sizeof(uint64_t));
	if (go_minor >= 20)
		memcpy(&ret->overflow, ends + sizeof(uint64_t), sizeof(uint64_t));
}

uint64_t runtime_hist_edge(int cnt, int bucket)
{
	int sub_bits = cnt == BUCKETS_OLD ? SUB_BITS_OLD : SUB_BITS, min_bits = cnt == BUCKETS_OLD ? 4 : MIN_BITS;
	int power = bucket >> sub_bits;
	uint64_t sub = (uint64_t)bucket & ((1u << sub_bits) - 1);

	if (!power)
		return sub << (min_bits - sub_bits);
	return (sub | 1ull << sub_bits) << (power - 1 + min_bits - sub_bits);
}

uint64_t runtime_hist_low(const struct runtime_hist *h, int bucket)
{
	return runtime_hist_edge(h->buckets, bucket);
}

uint64_t runtime_hist_total(const struct runtime_hist *h)
{
	uint64_t n = h->underflow + h->overflow;

	for (int i = 0; i < h->buckets; i++)
		n += h->counts[i];
	return n;
}

int runtime_hist_quantile(const struct runtime_hist *h, double q)
{
	uint64_t total = runtime_hist_total(h), sum = h->underflow;

	if (!total)
		return -1;
	for (int i = 0; i < h->buckets; i++) {
		sum += h->counts[i];
		if (sum && (double)sum >= q * (double)total)
			return i;
	}
	return h->buckets - 1; /* among those that are longer */
}

/* As histogram_bucket() of stats/histogram.h, which is above this folder. */
static unsigned int bucket_of(uint64_t value)
{
	unsigned int msb, bucket;

	if (value < 4)
		return (unsigned int)value;
	msb = 63 - (unsigned int)__builtin_clzll(value);
	bucket = 4 * (msb - 1) + (unsigned int)((value >> (msb - 2)) & 3);
	return bucket < RUNTIME_LATENCY_BUCKETS ? bucket : RUNTIME_LATENCY_BUCKETS - 1;
}

static uint64_t count_at(const void *bytes, int i)
{
	uint64_t n;

	memcpy(&n, (const uint8_t *)bytes + (size_t)i * sizeof(n), sizeof(n));
	return n;
}

void runtime_hist_fold(int go_minor, const void *bytes, uint64_t ret[RUNTIME_LATENCY_BUCKETS])
{
	int cnt = bucket_cnt(go_minor);

	memset(ret, 0, RUNTIME_LATENCY_BUCKETS * sizeof(*ret));
	ret[0] = count_at(bytes, cnt);
	if (go_minor >= 20)
		ret[RUNTIME_LATENCY_BUCKETS - 1] = count_at(bytes, cnt + 1);
	for (int i = 0; i < cnt; i++) {
		uint64_t n = count_at(bytes, i);

		if (n)
			ret[bucket_of(runtime_hist_edge(cnt, i))] += n;
	}
}
