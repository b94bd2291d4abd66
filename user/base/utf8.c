/* SPDX-License-Identifier: BSD-2-Clause */
/* Strict UTF-8 as RFC 3629 defines it. The table of widths is a short one of our own (blocks of Unicode's
 * EastAsianWidth.txt that are wide, and blocks that take no column): wcwidth() depends on the locale, and a name from
 * outside must come out the same in every locale. */
#include "base/utf8.h"

#include "base/cleanup.h"

size_t utf8_next(const char *s, size_t len, uint32_t *ret)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *b = (const unsigned char *)s;
	size_t n = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;
	uint32_t c;

	if (!n || n > len)
		return 0;
	c = n == 1 ? b[0] : b[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (b[i] & 0x3f);
	}
	if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret = c;
	return n;
}

int utf8_columns(uint32_t c)
{
	static const struct {
		uint32_t first, last;
		int columns;
	} ranges[] = {
		{0x0000, 0x001f, 0},    {0x007f, 0x009f, 0},   {0x00ad, 0x00ad, 0},   {0x0300, 0x036f, 0},
		{0x0483, 0x0489, 0},    {0x0591, 0x05c7, 0},   {0x0600, 0x0605, 0},   {0x0610, 0x061c, 0},
		{0x064b, 0x065f, 0},    {0x06d6, 0x06dd, 0},   {0x0900, 0x0902, 0},   {0x0e31, 0x0e31, 0},
		{0x0e34, 0x0e3a, 0},    {0x1100, 0x115f, 2},   {0x1160, 0x11ff, 0},   {0x180b, 0x180f, 0},
		{0x1ab0, 0x1aff, 0},    {0x1dc0, 0x1dff, 0},   {0x200b, 0x200f, 0},   {0x2028, 0x202e, 0},
		{0x2060, 0x206f, 0},    {0x20d0, 0x20ff, 0},   {0x2e80, 0x303e, 2},   {0x3041, 0xa4cf, 2},
		{0xa960, 0xa97f, 2},    {0xac00, 0xd7a3, 2},   {0xe000, 0xf8ff, 0},   {0xf900, 0xfaff, 2},
		{0xfe00, 0xfe0f, 0},    {0xfe20, 0xfe2f, 0},   {0xfe30, 0xfe6f, 2},   {0xfeff, 0xfeff, 0},
		{0xff00, 0xff60, 2},    {0xffe0, 0xffe6, 2},   {0xfff0, 0xfffb, 0},   {0x1d167, 0x1d182, 0},
		{0x1f300, 0x1f64f, 2},  {0x1f680, 0x1f6ff, 2}, {0x1f900, 0x1f9ff, 2}, {0x20000, 0x3fffd, 2},
		{0xe0000, 0x10ffff, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return ranges[i].columns;
	return 1;
}
