/* SPDX-License-Identifier: BSD-2-Clause */
/* Clocks: the kernel's events carry CLOCK_MONOTONIC, people want UNIX time. */
#pragma once

#include <stdint.h>

#define NS_PER_SEC 1000000000ull
#define NS_PER_MS  1000000ull

uint64_t clock_mono_ns(void);
uint64_t clock_boot_ns(void);
uint64_t clock_unix_ns(void);

/* UNIX time of a CLOCK_MONOTONIC stamp, by the (monotonic, real) pair last taken by clock_sync(). Convert the end of a
 * span and subtract its duration, never both ends: the pair may be renewed in between. */
uint64_t clock_mono_to_unix(uint64_t mono_ns);
/* Takes a new (monotonic, real) pair; call about once a second. */
void clock_sync(void);
/* The pair in use, for records; and another one, from a recording. */
void clock_pair(uint64_t *mono_ns, uint64_t *unix_ns);
void clock_set(uint64_t mono_ns, uint64_t unix_ns);
