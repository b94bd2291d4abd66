/* SPDX-License-Identifier: BSD-2-Clause */
/* A growing string and bounded string helpers. A failed allocation cuts the string and is remembered in `failed`. */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void str_init(struct str *s)
{
	memset(s, 0, sizeof(*s));
}

void str_deinit(struct str *s)
{
	free(s->buf);
	str_init(s);
}

void str_clear(struct str *s)
{
	s->len = 0;
	s->failed = false;
	if (s->buf)
		s->buf[0] = 0;
}

static bool reserve(struct str *s, size_t more)
{
	size_t want = s->len + more + 1, cap = s->cap ? s->cap : 128;
	char *grown;

	if (want <= s->cap)
		return true;
	while (cap < want)
		cap *= 2;
	grown = realloc(s->buf, cap);
	if (!grown) {
		s->failed = true;
		return false;
	}
	s->buf = grown;
	s->cap = cap;
	return true;
}

void str_add_n(struct str *s, const char *text, size_t len)
{
	if (!reserve(s, len))
		return;
	memcpy(s->buf + s->len, text, len);
	s->len += len;
	s->buf[s->len] = 0;
}

void str_add(struct str *s, const char *text)
{
	str_add_n(s, text, strlen(text));
}

void str_addf(struct str *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !reserve(s, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(s->buf + s->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	s->len += (size_t)n;
}

const char *str_get(const struct str *s)
{
	return s->buf ? s->buf : "";
}

bool str_copy(char *dst, size_t sz, const char *src)
{
	size_t len = strlen(src);
	bool fits = len < sz;

	if (!sz)
		return false;
	if (!fits)
		len = sz - 1;
	memcpy(dst, src, len);
	dst[len] = 0;
	return fits;
}

bool str_starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && !memcmp(s + n - m, suffix, m);
}

int str_to_u64(const char *s, uint64_t *ret)
{
	unsigned long long v;
	char *end;

	if (!isdigit((unsigned char)*s))
		return -EINVAL; /* strtoull would take blanks and signs */
	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno)
		return -ERANGE;
	if (*end)
		return -EINVAL;
	*ret = v;
	return 0;
}

int str_to_duration_ns(const char *s, uint64_t *ret)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"", 1e9}, {"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
	char *end;
	double v;

	if (!isdigit((unsigned char)*s) && *s != '.')
		return -EINVAL;
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		return -EINVAL; /* strtod would take hexadecimal */
	v = strtod(s, &end);
	if (end == s || !isfinite(v))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(end, units[i].unit))
			continue;
		if (v * units[i].ns > 9e18)
			return -EINVAL;
		*ret = (uint64_t)llround(v * units[i].ns);
		return 0;
	}
	return -EINVAL;
}
