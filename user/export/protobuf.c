/* SPDX-License-Identifier: BSD-2-Clause */
/* The wire format of protocol buffers: varints, eight bytes, and lengths. Written by hand and not with protobuf-c: all
 * that is needed are these lines, the messages go out as they are built, and there are no generated files of a schema
 * that has thousands of fields. The official classes read the result back in tests/tools/test_perfetto.py.
 *
 * The length of a nested message is known at its end; then the bytes are moved by as many as the length takes, for most
 * of ours one, which is cheaper than knowing sizes beforehand. */
#include "export/protobuf.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define WIRE_VARINT  0u
#define WIRE_FIXED64 1u
#define WIRE_LENGTH  2u
#define VARINT_MAX   10 /* bytes of 64 bits, seven each */
#define REPLACEMENT  "\xef\xbf\xbd"

void pb_init(struct pb *p)
{
	memset(p, 0, sizeof(*p));
}

void pb_deinit(struct pb *p)
{
	free(p->buf);
	pb_init(p);
}

void pb_clear(struct pb *p)
{
	p->len = 0;
	p->failed = false;
}

static bool reserve(struct pb *p, size_t more)
{
	size_t cap = p->cap ? p->cap : 256;
	void *buf;

	while (cap - p->len < more && cap < SIZE_MAX / 2)
		cap *= 2;
	if (cap == p->cap)
		return !p->failed;
	buf = p->failed || cap - p->len < more ? NULL : realloc(p->buf, cap);
	if (!buf) {
		p->failed = true;
		return false;
	}
	p->buf = buf;
	p->cap = cap;
	return true;
}

void pb_raw(struct pb *p, const void *data, size_t sz)
{
	if (!sz || !reserve(p, sz))
		return;
	memcpy(p->buf + p->len, data, sz);
	p->len += sz;
}

static size_t varint(uint64_t v, unsigned char buf[static VARINT_MAX])
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		buf[n++] = (unsigned char)(v | 0x80);
	buf[n++] = (unsigned char)v;
	return n;
}

static void add_varint(struct pb *p, uint64_t v)
{
	unsigned char buf[VARINT_MAX];

	pb_raw(p, buf, varint(v, buf));
}

static void add_tag(struct pb *p, uint32_t field, uint32_t wire)
{
	add_varint(p, (uint64_t)field << 3 | wire);
}

void pb_uint(struct pb *p, uint32_t field, uint64_t v)
{
	add_tag(p, field, WIRE_VARINT);
	add_varint(p, v);
}

void pb_int(struct pb *p, uint32_t field, int64_t v)
{
	pb_uint(p, field, (uint64_t)v);
}

void pb_fixed64(struct pb *p, uint32_t field, uint64_t v)
{
	unsigned char bytes[8];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(v >> (8 * i));
	add_tag(p, field, WIRE_FIXED64);
	pb_raw(p, bytes, sizeof(bytes));
}

void pb_double(struct pb *p, uint32_t field, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	pb_fixed64(p, field, bits);
}

void pb_bytes(struct pb *p, uint32_t field, const void *data, size_t sz)
{
	add_tag(p, field, WIRE_LENGTH);
	add_varint(p, sz);
	pb_raw(p, data, sz);
}

/* Bytes that are UTF-8 as they are. */
static size_t good_length(const char *s, size_t left)
{
	size_t n = 0, taken;
	uint32_t c;

	while (n < left && (taken = (unsigned char)s[n] < 0x80 ? 1 : utf8_next(s + n, left - n, &c)))
		n += taken;
	return n;
}

void pb_text(struct pb *p, uint32_t field, const char *s)
{
	size_t begin = pb_begin(p, field), left = strlen(s);

	while (left) {
		size_t n = good_length(s, left);

		pb_raw(p, s, n);
		s += n;
		left -= n;
		if (left) {
			pb_raw(p, REPLACEMENT, strlen(REPLACEMENT));
			s++;
			left--;
		}
	}
	pb_end(p, begin);
}

size_t pb_begin(struct pb *p, uint32_t field)
{
	add_tag(p, field, WIRE_LENGTH);
	return p->len;
}

void pb_end(struct pb *p, size_t begin)
{
	unsigned char buf[VARINT_MAX];
	size_t sz = p->len - begin, n = varint(sz, buf);

	if (!reserve(p, n))
		return;
	memmove(p->buf + begin + n, p->buf + begin, sz);
	memcpy(p->buf + begin, buf, n);
	p->len += n;
}
