/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages to stderr. One write a line, so that lines of several threads do not mix. Texts hold names and paths that
 * others chose (and stderr is often a terminal): what is not printable becomes '?'. */
#include "base/log.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

#define LINE_SZ 1024

static enum log_level level_max = LOG_LEVEL_INFO;

static struct {
	pthread_mutex_t lock;
	log_sink_fn fn; /* NULL: stderr */
	void *arg;
} sink = {.lock = PTHREAD_MUTEX_INITIALIZER};

void log_set_sink(log_sink_fn fn, void *arg)
{
	pthread_mutex_lock(&sink.lock);
	sink.fn = fn;
	sink.arg = arg;
	pthread_mutex_unlock(&sink.lock);
}

void log_set_level(enum log_level level)
{
	level_max = level;
}

enum log_level log_get_level(void)
{
	return level_max;
}

/* Control characters, formats such as the change of direction, and bytes that are no UTF-8. */
static void make_printable(char *s, size_t len)
{
	while (len) {
		uint32_t c;
		size_t n = utf8_next(s, len, &c);

		if (!n || !utf8_columns(c))
			memset(s, '?', n ? n : 1);
		s += n ? n : 1;
		len -= n ? n : 1;
	}
}

/* text: len bytes and a newline, which gives way to the end. */
static bool to_sink(enum log_level level, char *text, size_t len)
{
	bool ret;

	pthread_mutex_lock(&sink.lock);
	ret = sink.fn != NULL;
	if (ret) {
		text[len] = 0;
		sink.fn(level, text, sink.arg);
	}
	pthread_mutex_unlock(&sink.lock);
	return ret;
}

void log_vwrite(enum log_level level, const char *fmt, va_list ap)
{
	static const char prefix[] = "gopherscope: ";
	char line[LINE_SZ];
	size_t len = sizeof(prefix) - 1;
	int n;

	if (level > level_max)
		return;
	memcpy(line, prefix, len);
	n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	if (n < 0)
		return;
	len += (size_t)n < sizeof(line) - len - 1 ? (size_t)n : sizeof(line) - len - 2;
	if (line[len - 1] != '\n')
		line[len++] = '\n';
	make_printable(line, len - 1);
	if (to_sink(level, line + sizeof(prefix) - 1, len - sizeof(prefix)))
		return;
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* nobody left to tell */
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vwrite(level, fmt, ap);
	va_end(ap);
}
