/* SPDX-License-Identifier: BSD-2-Clause */
/* Building blocks of a verdict: bounded sentences, numbers as people say them, evidence. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "stats/snapshot.h"

#define WORD_SZ 24

/* Appends to the NUL terminated text of buf; what does not fit is cut. */
void words_add(char *buf, size_t sz, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Same, as a further part of a list: `separator` comes before it unless buf is empty. */
void words_part(char *buf, size_t sz, const char *separator, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* A copy of text; one that does not fit ends after a whole word, with "...". */
void words_cut(char *buf, size_t sz, const char *text);

/* All write to buf of WORD_SZ bytes and return it. */
char *words_percent(double ratio, char *buf);    /* "41%" "2.1%" */
char *words_duration(double seconds, char *buf); /* "6.3 ms" "94 ms" "1.2 s" "12 s" "12m33s" "3h04m" */
char *words_cpus(double cpus, char *buf);        /* "2.0" "0.25" "1.98" */
char *words_bytes(int64_t bytes, char *buf);     /* "38M" "1.2G" */
char *words_memlimit(int64_t bytes, char *buf);  /* as GOMEMLIMIT takes it, rounded down: "409MiB" */

/* threshold NAN: none. More than EVIDENCE_MAX are dropped. An unknown value (NAN) is no evidence. */
void words_evidence(struct verdict *v, const char *name, double value, const char *unit, double threshold);
/* A count or size; STAT_UNKNOWN is no evidence. */
void words_evidence_int(struct verdict *v, const char *name, int64_t value, const char *unit);
