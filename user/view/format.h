/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers as screens.md wants them: three digits, never 0 for unknown. All return buf. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Not a number and negative values are "?" unless said otherwise; STAT_UNKNOWN is "?", another negative count "-". */
char *format_ms(double seconds, char *buf, size_t sz);         /* ".310" "1.92" "94.1" "412" "12s"; NAN "?" */
char *format_cpus(double cpus, char *buf, size_t sz);          /* ".412" "1.98" "12.4" */
char *format_cpu_limit(double cpus, char *buf, size_t sz);     /* "2.0" ".1" ".25"; none "-" */
char *format_bytes(int64_t bytes, char *buf, size_t sz);       /* "38M" "1.2G", 1024; unknown "?" */
char *format_count(int64_t n, char *buf, size_t sz);           /* "412" "1.2k" */
char *format_percent(double ratio, char *buf, size_t sz);      /* "41" */
char *format_percent_fine(double ratio, char *buf, size_t sz); /* "41" "2.1" "0.08": of costs and small shares */
char *format_duration(double seconds, char *buf, size_t sz);   /* "2m27s" "3d04h" */

/* Copies text from outside for a terminal: what is no valid UTF-8 and what utf8_columns() forbids becomes `?`. With
 * ascii, our own line characters become their replacements (screens.md 3) and all else beyond ASCII `?`. Returns the
 * columns it takes; what does not fit into sz is left out, never half a character. */
int format_clean(const char *text, bool ascii, char *buf, size_t sz);
/* Fits a name into width columns by leaving out its middle, never its end. The result is clean. sz: 4 * width + 8. */
void format_squeeze(const char *name, int width, bool ascii, char *buf, size_t sz);
