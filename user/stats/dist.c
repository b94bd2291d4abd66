/* SPDX-License-Identifier: BSD-2-Clause */
/* Percentiles of a set of durations. Three ranks are wanted, not an order, so the values are partitioned (quickselect)
 * instead of sorted: 12,000 pauses of a minute cost about 0.1 ms where qsort takes 1 ms, and this runs every second.
 * A hostile order falls back to qsort. */
#include "stats/dist.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "stats/histogram.h"

/* Rounds of partitioning before the order is taken for hostile; random orders of DIST_EXACT_MAX values need about 15.
 */
#define SELECT_ROUNDS_MAX 48

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median3(uint64_t a, uint64_t b, uint64_t c)
{
	if (a > b) {
		uint64_t t = a;

		a = b;
		b = t;
	}
	return c < a ? a : c > b ? b : c;
}

/* Hoare's partition of v[lo..hi] around a value of it: afterwards v[lo..*ret_j] <= pivot <= v[*ret_i..hi]. */
static void partition(uint64_t *v, size_t lo, size_t hi, size_t *ret_i, size_t *ret_j)
{
	uint64_t pivot = median3(v[lo], v[lo + (hi - lo) / 2], v[hi]);
	size_t i = lo, j = hi;

	while (i <= j) {
		while (v[i] < pivot)
			i++;
		while (v[j] > pivot)
			j--;
		if (i > j)
			break;

		uint64_t t = v[i];

		v[i++] = v[j];
		v[j] = t;
		if (!j)
			break; /* i is already past it */
		j--;
	}
	*ret_i = i;
	*ret_j = j;
}

/* Value with rank k (from 0) of v[0..cnt), all smaller ones before it afterwards. */
static uint64_t select_rank(uint64_t *v, size_t cnt, size_t k)
{
	size_t lo = 0, hi = cnt - 1;

	for (int round = 0; lo < hi; round++) {
		size_t i, j;

		if (round == SELECT_ROUNDS_MAX) {
			qsort(v + lo, hi - lo + 1, sizeof(*v), compare_u64);
			break;
		}
		partition(v, lo, hi, &i, &j);
		if (k >= i)
			lo = i;
		else if (k <= j)
			hi = j;
		else
			break; /* between the two parts: equal to the pivot */
	}
	return v[k];
}

static size_t nearest_rank(double q, size_t cnt)
{
	double rank = ceil(q * (double)cnt - 1e-9); /* 0.9 * 10 must not become 10 */

	return rank < 1 ? 0 : rank > (double)cnt ? cnt - 1 : (size_t)rank - 1;
}

static void dist_select(uint64_t *v, size_t cnt, struct dist *ret)
{
	size_t k99 = nearest_rank(0.99, cnt), k90 = nearest_rank(0.90, cnt), k50 = nearest_rank(0.50, cnt);
	uint64_t sum = 0, min = v[0], max = v[0];

	for (size_t i = 0; i < cnt; i++) {
		sum += v[i];
		min = v[i] < min ? v[i] : min;
		max = v[i] > max ? v[i] : max;
	}
	/* From the top down: what is below one rank is all that the next one has to look at. */
	ret->p99 = (double)select_rank(v, cnt, k99) / NS_PER_SEC;
	ret->p90 = (double)select_rank(v, k99 + 1, k90) / NS_PER_SEC;
	ret->p50 = (double)select_rank(v, k90 + 1, k50) / NS_PER_SEC;
	ret->cnt = (int64_t)cnt;
	ret->sum = (double)sum / NS_PER_SEC;
	ret->min = (double)min / NS_PER_SEC;
	ret->max = (double)max / NS_PER_SEC;
}

void dist_from_values(uint64_t *values_ns, size_t cnt, struct dist *ret)
{
	if (cnt && cnt <= DIST_EXACT_MAX) {
		dist_select(values_ns, cnt, ret);
		return;
	}

	struct histogram h;

	histogram_init(&h);
	for (size_t i = 0; i < cnt; i++)
		histogram_add(&h, values_ns[i]);
	histogram_dist(&h, ret);
}

void dist_unknown(struct dist *d)
{
	*d = (struct dist){.cnt = -1, .sum = NAN, .min = NAN, .p50 = NAN, .p90 = NAN, .p99 = NAN, .max = NAN};
}
