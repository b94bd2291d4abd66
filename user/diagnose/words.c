/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers in sentences: two digits that matter, rounded half up (printf rounds 6.25 to 6.2), sizes in powers of 1024 as
 * Kubernetes and the screens write them. */
#include "diagnose/words.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static void add_v(char *buf, size_t sz, const char *fmt, va_list ap)
{
	size_t len = strnlen(buf, sz);

	if (len + 1 < sz)
		vsnprintf(buf + len, sz - len, fmt, ap);
}

void words_add(char *buf, size_t sz, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_v(buf, sz, fmt, ap);
	va_end(ap);
}

void words_part(char *buf, size_t sz, const char *separator, const char *fmt, ...)
{
	va_list ap;

	if (*buf)
		words_add(buf, sz, "%s", separator);
	va_start(ap, fmt);
	add_v(buf, sz, fmt, ap);
	va_end(ap);
}

/* Decimal fractions of durations and ratios are rarely exact in binary: nudge them before printf cuts. */
static double half_up(double v)
{
	return v * (1 + 1e-9);
}

void words_cut(char *buf, size_t sz, const char *text)
{
	size_t at = sz > 4 ? sz - 4 : 0;

	if (strlen(text) < sz) {
		str_copy(buf, sz, text);
		return;
	}
	while (at && text[at] != ' ')
		at--;
	while (at && strchr(" ,;:.", text[at - 1]))
		at--;
	snprintf(buf, sz, "%.*s...", (int)(at || sz < 4 ? at : sz - 4), text);
}

char *words_percent(double ratio, char *buf)
{
	double p = half_up(ratio * 100);

	snprintf(buf, WORD_SZ, p < 9.95 && p > 0 ? "%.1f%%" : "%.0f%%", p);
	return buf;
}

char *words_duration(double seconds, char *buf)
{
	double ms = half_up(seconds * 1000);

	if (ms < 0.995)
		snprintf(buf, WORD_SZ, "%.2f ms", ms);
	else if (ms < 9.95)
		snprintf(buf, WORD_SZ, "%.1f ms", ms);
	else if (ms < 999.5)
		snprintf(buf, WORD_SZ, "%.0f ms", ms);
	else if (ms < 9950)
		snprintf(buf, WORD_SZ, "%.1f s", ms / 1000);
	else if (ms < 119500)
		snprintf(buf, WORD_SZ, "%.0f s", ms / 1000);
	else if (ms < 7200e3)
		snprintf(buf, WORD_SZ, "%dm%02ds", (int)(ms / 60e3), (int)(ms / 1000) % 60);
	else
		snprintf(buf, WORD_SZ, "%.0fh%02dm", floor(ms / 3600e3), (int)fmod(ms / 60e3, 60));
	return buf;
}

char *words_cpus(double cpus, char *buf)
{
	double v = half_up(cpus);
	bool tenths = v >= 10 || fabs(v * 10 - round(v * 10)) < 0.05;

	snprintf(buf, WORD_SZ, tenths ? "%.1f" : "%.2f", v);
	return buf;
}

char *words_bytes(int64_t bytes, char *buf)
{
	static const char units[] = " KMGTPE";
	double v = (double)(bytes < 0 ? 0 : bytes);
	size_t u = 0;

	while (v >= 1023.5 && u + 1 < sizeof(units) - 1) {
		v /= 1024;
		u++;
	}
	if (!u)
		snprintf(buf, WORD_SZ, "%.0fB", v);
	else
		snprintf(buf, WORD_SZ, v < 9.95 ? "%.1f%c" : "%.0f%c", half_up(v), units[u]);
	return buf;
}

char *words_memlimit(int64_t bytes, char *buf)
{
	snprintf(buf, WORD_SZ, "%lldMiB", (long long)(bytes >> 20));
	return buf;
}

void words_evidence(struct verdict *v, const char *name, double value, const char *unit, double threshold)
{
	if (isnan(value) || v->evidence_cnt >= EVIDENCE_MAX)
		return;

	struct evidence *e = &v->evidence[v->evidence_cnt++];

	str_copy(e->name, sizeof(e->name), name);
	str_copy(e->unit, sizeof(e->unit), unit);
	e->value = value;
	e->threshold = threshold;
}

void words_evidence_int(struct verdict *v, const char *name, int64_t value, const char *unit)
{
	words_evidence(v, name, value == STAT_UNKNOWN ? NAN : (double)value, unit, NAN);
}
