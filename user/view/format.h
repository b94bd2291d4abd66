/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers as screens.md wants them: three digits, never 0 for unknown. All return buf. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

char *format_ms(double seconds, char *buf, size_t sz);      /* ".310" "1.92" "94.1" "412" "12s"; NAN "?" */
char *format_cpus(double cpus, char *buf, size_t sz);       /* ".412" "1.98" "12.4" */
char *format_bytes(int64_t bytes, char *buf, size_t sz);    /* "38M" "1.2G", 1024; unknown "?" */
char *format_count(int64_t n, char *buf, size_t sz);        /* "412" "1.2k" */
char *format_percent(double ratio, char *buf, size_t sz);   /* "41" */
char *format_duration(double seconds, char *buf, size_t sz); /* "2m27s" "3d04h" */
/* Fits a name into width columns by leaving out its middle, never its end. */
void format_squeeze(const char *name, int width, bool ascii, char *buf, size_t sz);
