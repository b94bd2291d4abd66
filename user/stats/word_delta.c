/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream of runs: a varint with the number of equal words (times 8) and the number of different ones behind them (0
 * to 7), then these, each in the shortest of four ways:
 *
 *   code 0 to 191    an integer that moved by code - 96
 *   NS + n, INT + n  zigzag difference in n bytes: of nanoseconds, of the integer
 *   XOR + n          n low bytes of value XOR base: two doubles without anything in common
 *   MASKED           a mask of the bytes that differ and their XOR: text
 *
 * Nanoseconds because most numbers of a snapshot are durations in seconds, made as ns / 1e9: two of them differ in
 * nearly all bits, but by few nanoseconds. Where dividing an integer by 1e9 gives exactly the value, that integer's
 * difference can be written. Each such word is checked here, so the copy is exact in every bit. */
#include "stats/word_delta.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"

#define BLOCK_WORDS 8 /* compared at once where nothing differs */
/* Exponents of the doubles looked at: 2^-31 s is below a nanosecond, 2^22 s are 48 days. */
#define EXPONENT_MIN (1023 - 31)
#define EXPONENT_MAX (1023 + 22)

static inline uint64_t load(const void *p, size_t i)
{
	uint64_t v;

	memcpy(&v, (const char *)p + i * sizeof(v), sizeof(v));
	return v;
}

static inline void store(void *p, size_t i, uint64_t v)
{
	memcpy((char *)p + i * sizeof(v), &v, sizeof(v));
}

uint8_t *word_delta_put(uint8_t *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*out++ = (uint8_t)(v | 0x80);
	*out++ = (uint8_t)v;
	return out;
}

const uint8_t *word_delta_get(const uint8_t *in, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned int shift = 0;; shift += 7) {
		v |= (uint64_t)(*in & 0x7f) << shift;
		if (!(*in++ & 0x80))
			break;
	}
	*ret = v;
	return in;
}

static uint64_t ns_to_word(int64_t ns)
{
	double d = (double)ns / NS_PER_SEC;

	return load(&d, 0);
}

/* Is the word the double that comes from a whole number of ns? 0 is. */
static bool word_to_ns(uint64_t word, int64_t *ret)
{
	unsigned int exponent = (unsigned int)(word >> 52 & 0x7ff);
	double d;

	*ret = 0;
	if (!word)
		return true;
	if (exponent < EXPONENT_MIN || exponent > EXPONENT_MAX)
		return false;
	memcpy(&d, &word, sizeof(d));

	int64_t ns = llrint(d * NS_PER_SEC);

	if (ns_to_word(ns) != word)
		return false;
	*ret = ns;
	return true;
}

enum code { SMALL_MAX = 191, SMALL_ZERO = 96, NS = 192, INT = 200, XOR = 208, MASKED = 217 };

static unsigned int byte_cnt(uint64_t v)
{
	return v ? (unsigned int)(63 - __builtin_clzll(v)) / 8 + 1 : 0;
}

static unsigned int differing_bytes(uint64_t x)
{
	unsigned int cnt = 0;

	for (; x; x >>= 8)
		cnt += (x & 0xff) != 0;
	return cnt;
}

static uint8_t *put_bytes(uint8_t *out, unsigned int code, uint64_t v, unsigned int n)
{
	*out = (uint8_t)(code + n);
	memcpy(out + 1, &v, sizeof(v)); /* what is too much is written over; little endian as all of BPF here */
	return out + 1 + n;
}

static uint8_t *put_masked(uint8_t *out, uint64_t x)
{
	uint8_t *mask = out + 1;

	*out = MASKED;
	*mask = 0;
	out += 2;
	for (unsigned int k = 0; x; k++, x >>= 8)
		if (x & 0xff) {
			*mask |= (uint8_t)(1u << k);
			*out++ = (uint8_t)x;
		}
	return out;
}

static uint8_t *put_word(uint8_t *out, uint64_t value, uint64_t base)
{
	uint64_t moved = value - base, x = value ^ base, by = word_delta_zigzag((int64_t)moved), ns_by = 0;
	unsigned int int_cnt = byte_cnt(by), xor_cnt = byte_cnt(x), ns_cnt = 8;
	int64_t to, from;

	if (moved + SMALL_ZERO <= SMALL_MAX) {
		*out = (uint8_t)(moved + SMALL_ZERO);
		return out + 1;
	}
	if (word_to_ns(value, &to)) {
		(void)word_to_ns(base, &from); /* 0 if it is none: reading does the same */
		ns_by = word_delta_zigzag(to - from);
		ns_cnt = byte_cnt(ns_by);
	}
	if (ns_cnt < 8 && ns_cnt <= int_cnt && ns_cnt <= xor_cnt)
		return put_bytes(out, NS, ns_by, ns_cnt);
	if (int_cnt < 8 && int_cnt <= xor_cnt)
		return put_bytes(out, INT, by, int_cnt);
	if (differing_bytes(x) + 1 < xor_cnt)
		return put_masked(out, x);
	return put_bytes(out, XOR, x, xor_cnt);
}

static uint64_t get_masked(const uint8_t **in)
{
	unsigned int mask = *(*in)++;
	uint64_t x = 0;

	for (unsigned int k = 0; k < 8; k++)
		if (mask >> k & 1)
			x |= (uint64_t) * (*in)++ << (8 * k);
	return x;
}

static uint64_t get_bytes(const uint8_t **in, unsigned int n)
{
	uint64_t v = 0;

	memcpy(&v, *in, n);
	*in += n;
	return v;
}

static const uint8_t *get_word(const uint8_t *in, uint64_t *word)
{
	unsigned int code = *in++;
	int64_t from;

	if (code <= SMALL_MAX) {
		*word += (uint64_t)code - SMALL_ZERO;
	} else if (code < INT) {
		(void)word_to_ns(*word, &from);
		*word = ns_to_word(from + word_delta_unzigzag(get_bytes(&in, code - NS)));
	} else if (code < XOR) {
		*word += (uint64_t)word_delta_unzigzag(get_bytes(&in, code - INT));
	} else if (code < MASKED) {
		*word ^= get_bytes(&in, code - XOR);
	} else {
		*word ^= get_masked(&in);
	}
	return in;
}

static inline uint64_t block_differs(const void *a, const void *b, size_t i)
{
	uint64_t x = 0;

	for (size_t k = 0; k < BLOCK_WORDS; k++)
		x |= load(a, i + k) ^ load(b, i + k);
	return x;
}

/* First word from i on that differs; words if none does. */
static size_t skip_equal(const void *a, const void *b, size_t i, size_t words)
{
	while (i + BLOCK_WORDS <= words && !block_differs(a, b, i))
		i += BLOCK_WORDS;
	while (i < words && load(a, i) == load(b, i))
		i++;
	return i;
}

static uint8_t *encode_both(uint8_t *out, const void *value, const void *base, size_t words)
{
	for (size_t i = 0; i < words;) {
		size_t first = skip_equal(value, base, i, words), end = first;

		while (end < words && end - first < 7 && load(value, end) != load(base, end))
			end++;
		out = word_delta_put(out, (first - i) << 3 | (end - first));
		for (i = first; i < end; i++)
			out = put_word(out, load(value, i), load(base, i));
	}
	return out;
}

uint8_t *word_delta_encode(uint8_t *out, const void *value, size_t words, const void *base, size_t base_words)
{
	static const uint64_t zeros[512];
	size_t i = base_words < words ? base_words : words;

	/* The parts are runs of their own; reading goes on from one to the next until it has all words. */
	out = encode_both(out, value, base, i);
	for (size_t n; i < words; i += n) {
		n = words - i < 512 ? words - i : 512;
		out = encode_both(out, (const char *)value + i * sizeof(uint64_t), zeros, n);
	}
	return out;
}

const uint8_t *word_delta_apply(const uint8_t *in, void *base, size_t words)
{
	for (size_t i = 0; i < words;) {
		uint64_t run;

		in = word_delta_get(in, &run);
		i += run >> 3;
		for (size_t end = i + (run & 7); i < end; i++) {
			uint64_t w = load(base, i);

			in = get_word(in, &w);
			store(base, i, w);
		}
	}
	return in;
}
