/* SPDX-License-Identifier: BSD-2-Clause */
/* Structures as what differs from another one of the same type, in few bytes: for plain data that is mostly zero or
 * mostly the same. Sizes are in words of 8 bytes. Only for bytes that this process made itself: nothing is checked. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define WORD_DELTA_VARINT_MAX 10

/* What encoding so many words can take at most. */
static inline size_t word_delta_bound(size_t words)
{
	return words * 10 + WORD_DELTA_VARINT_MAX;
}

/* Writes value as its difference to base; base has base_words words, all behind them are 0. Returns the end. */
uint8_t *word_delta_encode(uint8_t *out, const void *value, size_t words, const void *base, size_t base_words);
/* Turns words words of what was the base to the value. Returns the end of what was read. */
const uint8_t *word_delta_apply(const uint8_t *in, void *base, size_t words);

uint8_t *word_delta_put(uint8_t *out, uint64_t v); /* a varint, up to WORD_DELTA_VARINT_MAX bytes */
const uint8_t *word_delta_get(const uint8_t *in, uint64_t *ret);
static inline uint64_t word_delta_zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}
static inline int64_t word_delta_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1 ^ -(v & 1));
}
