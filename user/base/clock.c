/* SPDX-License-Identifier: BSD-2-Clause */
/* Clocks. A pair (monotonic, real) is taken by reading the monotonic clock before and after the real one and keeping
 * the tightest of a few tries, so the error of a conversion is well below a microsecond on an idle CPU. */
#include "base/clock.h"

#include <time.h>

#define PAIR_TRIES 5

static uint64_t pair_mono, pair_unix;

static uint64_t now_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return now_ns(CLOCK_MONOTONIC);
}

uint64_t clock_boot_ns(void)
{
	return now_ns(CLOCK_BOOTTIME);
}

uint64_t clock_unix_ns(void)
{
	return now_ns(CLOCK_REALTIME);
}

void clock_sync(void)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < PAIR_TRIES; i++) {
		uint64_t before = clock_mono_ns(), real = clock_unix_ns(), after = clock_mono_ns();

		if (after - before >= best)
			continue;
		best = after - before;
		pair_mono = before + (after - before) / 2;
		pair_unix = real;
	}
}

uint64_t clock_mono_to_unix(uint64_t mono_ns)
{
	if (!pair_mono)
		clock_sync();
	return pair_unix + (mono_ns - pair_mono); /* wraps correctly for stamps before the pair */
}

void clock_pair(uint64_t *mono_ns, uint64_t *unix_ns)
{
	if (!pair_mono)
		clock_sync();
	*mono_ns = pair_mono;
	*unix_ns = pair_unix;
}

void clock_set(uint64_t mono_ns, uint64_t unix_ns)
{
	pair_mono = mono_ns;
	pair_unix = unix_ns;
}
