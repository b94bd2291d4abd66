/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes JSON into a string, value by value, without a tree: commas, escapes, and what JSON cannot hold. A key of NULL
 * is an element of a list. Text from outside may be any bytes: what is no UTF-8 becomes U+FFFD. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct jw {
	struct str s; /* s.failed: out of memory, the text is cut and must not be used */
	bool comma;   /* the next value needs one before it */
};

void jw_init(struct jw *w);
void jw_deinit(struct jw *w);
void jw_clear(struct jw *w); /* keeps the memory */

void jw_begin(struct jw *w, const char *key, char bracket); /* '{' or '[' */
void jw_end(struct jw *w, char bracket);                    /* '}' or ']' */
void jw_null(struct jw *w, const char *key);
void jw_bool(struct jw *w, const char *key, bool v);
void jw_int(struct jw *w, const char *key, int64_t v);
void jw_known(struct jw *w, const char *key, int64_t v);       /* INT64_MIN, which is "unknown" everywhere here: null */
void jw_real(struct jw *w, const char *key, double v);         /* not finite: null */
void jw_seconds(struct jw *w, const char *key, uint64_t ns);   /* as a real */
void jw_unix_nano(struct jw *w, const char *key, uint64_t ns); /* a string (beyond 2^53); 0: null */
void jw_int64_text(struct jw *w, const char *key, int64_t v);  /* as a string, for readers with doubles only */
void jw_text(struct jw *w, const char *key, const char *v);    /* NULL and "": null */
void jw_text_n(struct jw *w, const char *key, const char *v, size_t sz); /* a field of sz bytes, NUL padded or full */
void jw_raw(struct jw *w, const char *key, const char *json);            /* text that is JSON already */

/* The text, on the heap (the caller's); w is as after jw_deinit(). NULL when out of memory. */
char *jw_take(struct jw *w);
