/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages to stderr, one line each: `gopherscope: what on what: why; what to do`. Stages return errors; session.c and
 * main.c log them. log_debug may be used anywhere. */
#pragma once

#include <stdarg.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level); /* default LOG_LEVEL_INFO */
enum log_level log_get_level(void);
/* Lines go to fn instead of stderr, printable, without prefix and newline, from any thread; NULL: to stderr again. When
 * it returns no call of the former one is under way. fn must not log. */
typedef void (*log_sink_fn)(enum log_level level, const char *text, void *arg);
void log_set_sink(log_sink_fn fn, void *arg);
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_vwrite(enum log_level level, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
