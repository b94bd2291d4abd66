/* SPDX-License-Identifier: BSD-2-Clause */
/* A growing string and a few bounded string helpers. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
	char *buf; /* owned, NUL terminated once anything was added; NULL before */
	size_t len;
	size_t cap;
	bool failed; /* an allocation failed: the content is cut */
};

void str_init(struct str *s);
void str_deinit(struct str *s);
void str_clear(struct str *s);
void str_add(struct str *s, const char *text);
void str_add_n(struct str *s, const char *text, size_t len);
void str_addf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *str_get(const struct str *s); /* never NULL */

/* Copies at most sz - 1 bytes and terminates; returns true if everything fitted. */
bool str_copy(char *dst, size_t sz, const char *src);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Whole string is a decimal number that fits; 0 or -EINVAL / -ERANGE. */
int str_to_u64(const char *s, uint64_t *ret);
/* "500ms", "10s", "2m", "1h"; bare numbers (also fractions) are seconds. 0 or -EINVAL. */
int str_to_duration_ns(const char *s, uint64_t *ret);
