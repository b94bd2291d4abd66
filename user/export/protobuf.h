/* SPDX-License-Identifier: BSD-2-Clause */
/* Appends fields of a protocol buffers message to memory. Nothing is read back: a message is built front to back, the
 * nested ones in place. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pb {
	unsigned char *buf; /* owned */
	size_t len, cap;
	bool failed; /* out of memory: the message is cut and must not be used */
};

void pb_init(struct pb *p);
void pb_deinit(struct pb *p);
void pb_clear(struct pb *p); /* keeps the memory */

void pb_uint(struct pb *p, uint32_t field, uint64_t v); /* uint32, uint64, bool, enum */
void pb_int(struct pb *p, uint32_t field, int64_t v);   /* int32, int64 (no zigzag) */
void pb_double(struct pb *p, uint32_t field, double v);
void pb_fixed64(struct pb *p, uint32_t field, uint64_t v);
void pb_bytes(struct pb *p, uint32_t field, const void *data, size_t sz);
/* NUL terminated, made UTF-8: what is none becomes U+FFFD (readers refuse a whole message for one bad string). */
void pb_text(struct pb *p, uint32_t field, const char *s);
void pb_raw(struct pb *p, const void *data, size_t sz); /* fields that are encoded already */

/* A nested message: all fields until pb_end() belong to it. Returns what pb_end() wants. */
size_t pb_begin(struct pb *p, uint32_t field);
void pb_end(struct pb *p, size_t begin);
