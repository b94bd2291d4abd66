/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and names as text. Three digits are what a person compares at a glance, so the unit changes before a fourth
 * appears; a value is rounded first and put into its range after that (9.996 ms is "10.0", not "10.00").
 *
 * Names come from other people's pods, processes and files and end on a terminal: an escape sequence in a name must not
 * reach it. Everything that is printed goes through format_clean(). */
#include "view/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/utf8.h"
#include "stats/snapshot.h"

#define NAME_MAX_SZ 2048 /* twice what owner_format() can write */

static char *put(char *buf, size_t sz, const char *text)
{
	str_copy(buf, sz, text);
	return buf;
}

/* ".310" "1.92" "94.1" "412" "4120": v in the unit that is printed. */
static char *three_digits(double v, char *buf, size_t sz)
{
	char text[32];

	if (v < 0.9995)
		snprintf(text, sizeof(text), "%.3f", v);
	else
		snprintf(text, sizeof(text), "%.*f", v < 9.995 ? 2 : v < 99.95 ? 1 : 0, v);
	return put(buf, sz, text[0] == '0' ? text + 1 : text);
}

char *format_ms(double seconds, char *buf, size_t sz)
{
	if (!isfinite(seconds) || seconds < 0)
		return put(buf, sz, "?");
	if (seconds < 9.9995)
		return three_digits(seconds * 1e3, buf, sz);
	if (seconds < 999.5)
		snprintf(buf, sz, "%.0fs", seconds);
	else if (seconds < 59970)
		snprintf(buf, sz, "%.0fm", seconds / 60);
	else
		snprintf(buf, sz, "%.0fh", fmin(seconds / 3600, 9999));
	return buf;
}

char *format_cpus(double cpus, char *buf, size_t sz)
{
	if (!isfinite(cpus) || cpus < 0)
		return put(buf, sz, "?");
	return three_digits(fmin(cpus, 99999), buf, sz);
}

/* A limit is a setting: "2.0" and ".25" read as such, "2.00" and ".250" as measurements. */
char *format_cpu_limit(double cpus, char *buf, size_t sz)
{
	char text[32];
	size_t len;

	if (cpus < 0)
		return put(buf, sz, "-");
	format_cpus(cpus, text, sizeof(text));
	len = strlen(text);
	while (strchr(text, '.') && len > 2 && text[len - 1] == '0' && text[len - 2] != '.')
		text[--len] = 0;
	return put(buf, sz, text);
}

/* "38M" "1.2G": v is below 1000 in its unit, with one decimal below 10. */
static char *scaled(double v, double base, const char *const *units, size_t unit_cnt, char *buf, size_t sz)
{
	size_t i = 0;

	while (v >= 999.5 && i + 1 < unit_cnt) {
		v /= base;
		i++;
	}
	snprintf(buf, sz, "%.*f%s", i && v < 9.95 ? 1 : 0, v, units[i]);
	return buf;
}

char *format_bytes(int64_t bytes, char *buf, size_t sz)
{
	static const char *const units[] = {"B", "K", "M", "G", "T", "P", "E"};

	if (bytes == STAT_UNKNOWN)
		return put(buf, sz, "?");
	if (bytes < 0)
		return put(buf, sz, "-");
	return bytes ? scaled((double)bytes, 1024, units, ARRAY_SIZE(units), buf, sz) : put(buf, sz, "0");
}

char *format_count(int64_t n, char *buf, size_t sz)
{
	static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};

	if (n == STAT_UNKNOWN)
		return put(buf, sz, "?");
	if (n < 0)
		return put(buf, sz, "-");
	return scaled((double)n, 1000, units, ARRAY_SIZE(units), buf, sz);
}

char *format_percent(double ratio, char *buf, size_t sz)
{
	if (!isfinite(ratio) || ratio < 0)
		return put(buf, sz, "?");
	snprintf(buf, sz, "%.0f", fmin(ratio * 100, 9999));
	return buf;
}

char *format_percent_fine(double ratio, char *buf, size_t sz)
{
	double p = ratio * 100;

	if (!isfinite(ratio) || ratio < 0)
		return put(buf, sz, "?");
	if (p > 0 && p < 0.005)
		return put(buf, sz, "<0.01");
	snprintf(buf, sz, "%.*f", !(p > 0) || p >= 9.95 ? 0 : p >= 0.0995 ? 1 : 2, fmin(p, 99999));
	return buf;
}

char *format_duration(double seconds, char *buf, size_t sz)
{
	double tenths = round(seconds * 10);
	unsigned long long s;

	if (!isfinite(seconds) || seconds < 0)
		return put(buf, sz, "?");
	if (seconds > 0 && seconds < 1) {
		snprintf(buf, sz, "%.0fms", ceil(seconds * 1e3));
		return buf;
	}
	if (tenths < 600) {
		snprintf(buf, sz, "%.*fs", fmod(tenths, 10) == 0 ? 0 : 1, tenths / 10);
		return buf;
	}
	s = (unsigned long long)fmin(round(seconds), 1e15);
	if (s < 3600)
		snprintf(buf, sz, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, sz, "%lluh%02llum", s / 3600, s % 3600 / 60);
	else
		snprintf(buf, sz, "%llud%02lluh", s / 86400, s % 86400 / 3600);
	return buf;
}

/* The replacement of a character on an ASCII terminal. */
static const char *ascii_text(uint32_t c)
{
	static const struct {
		uint32_t c;
		const char *text;
	} ours[] = {
		{0x2502, "|"}, {0x2500, "-"}, {0x2588, "#"},  {0x2592, "="},
		{0x2582, "_"}, {0x00b7, "."}, {0x2026, ".."},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (ours[i].c == c)
			return ours[i].text;
	return "?";
}

int format_clean(const char *text, bool ascii, char *buf, size_t sz)
{
	size_t left = strlen(text), used = 0;
	int width = 0;

	while (left) {
		const char *from = text;
		uint32_t c = 0;
		size_t taken = utf8_next(text, left, &c), put_len = taken;
		int columns = taken ? utf8_columns(c) : 0;

		if (columns == 0) {
			taken = taken ? taken : 1;
			from = "?";
			put_len = 1;
			columns = 1;
		} else if (ascii && c > 0x7f) {
			from = ascii_text(c);
			put_len = strlen(from);
			columns = (int)put_len;
		}
		if (used + put_len >= sz)
			break;
		memcpy(buf + used, from, put_len);
		used += put_len;
		width += columns;
		text += taken;
		left -= taken;
	}
	if (sz)
		buf[used] = 0;
	return width;
}

/* Bytes of the longest beginning of clean text that takes at most width columns. */
static size_t head_bytes(const char *text, int width)
{
	size_t used = 0, left = strlen(text);

	while (left) {
		uint32_t c = '?';
		size_t n = utf8_next(text + used, left, &c);

		width -= utf8_columns(c);
		if (!n || width < 0)
			break;
		used += n;
		left -= n;
	}
	return used;
}

static int clean_width(const char *text)
{
	int width = 0;

	for (size_t left = strlen(text); left;) {
		uint32_t c = '?';
		size_t n = utf8_next(text, left, &c);

		width += utf8_columns(c);
		text += n ? n : 1;
		left -= n ? n : 1;
	}
	return width;
}

/* The shortest end that takes at most width columns. */
static const char *tail_of(const char *text, int width)
{
	int skip = clean_width(text) - width;

	while (skip > 0) {
		uint32_t c = '?';
		size_t n = utf8_next(text, strlen(text), &c);

		skip -= utf8_columns(c);
		text += n ? n : 1;
	}
	return text;
}

/* The end that tells one name from its siblings: the pod's random suffix and the container ("-x2x9k:app"). */
static const char *telling_end(const char *name, int max_width)
{
	const char *colon = strrchr(name, ':'), *end = colon ? colon : name + strlen(name), *p = end;

	while (p > name && *p != '-' && *p != '/')
		p--;
	if (p == name || clean_width(p) > max_width)
		return tail_of(name, max_width);
	return p;
}

void format_squeeze(const char *name, int width, bool ascii, char *buf, size_t sz)
{
	const char *dots = ascii ? ".." : "\u2026";
	int dots_width = ascii ? 2 : 1;
	char clean[NAME_MAX_SZ];
	const char *tail;
	size_t head;

	if (format_clean(name, ascii, clean, sizeof(clean)) <= width) {
		str_copy(buf, sz, clean);
		return;
	}
	if (width < 3 * dots_width + 2) { /* no room for both ends */
		str_copy(buf, sz, tail_of(clean, width < 0 ? 0 : width));
		return;
	}
	tail = telling_end(clean, (width - dots_width) * 2 / 3);
	head = head_bytes(clean, width - dots_width - clean_width(tail));
	while (head && *tail == '-' && clean[head - 1] == '-')
		head--;
	snprintf(buf, sz, "%.*s%s%s", (int)head, clean, dots, tail);
}
