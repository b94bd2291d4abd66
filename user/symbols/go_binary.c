/* SPDX-License-Identifier: BSD-2-Clause */
/* Build information is what `go version -m` prints: 32 bytes with a magic in writable data, 16-byte aligned, found by
 * section or by scanning. Go 1.18 and later store version and module text behind it, each with a varint length; earlier
 * versions store pointers to string headers, which is read only so that such a program can be named as too old. The
 * module text is lines of "path", "mod" and "build" with tabs, between two marks of 16 bytes. Everything that is kept
 * is shown to people later: characters outside of printable ASCII become '?'. */
#include "symbols/go_binary.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

#define MAGIC           "\xff Go buildinf:"
#define MAGIC_SZ        14
#define HEADER_SZ       32
#define ALIGN           16
#define FLAG_BIG_ENDIAN 1
#define FLAG_INLINE     2
#define MODINFO_MAX                                                                                                    \
	(256u << 10) /* some 3,000 dependencies; our lines come first and last, so the cut keeps the first */
#define MARK_SZ          16
#define NOTE_NAME        "Go"
#define NOTE_GO_BUILD_ID 4
#define OLDEST_MINOR     18

static void copy_printable(char *dst, size_t sz, const char *src, size_t len)
{
	size_t n = len < sz - 1 ? len : sz - 1;

	for (size_t i = 0; i < n; i++)
		dst[i] = src[i] >= 0x20 && src[i] < 0x7f ? src[i] : '?';
	dst[n] = '\0';
}

static int find_in_range(struct elf_image *img, uint64_t offset, uint64_t size, uint64_t *ret)
{
	struct elf_window w;
	uint64_t pos;
	int err;

	err = elf_window_open(&w, img, offset, size);
	if (err)
		return err;
	err = elf_window_search(&w, 0, MAGIC, MAGIC_SZ, ALIGN, &pos);
	elf_window_close(&w);
	if (!err)
		*ret = offset + pos;
	return err;
}

static int find_build_info(struct elf_image *img, uint64_t *ret)
{
	const struct elf_section *s = elf_image_find_section(img, ".go.buildinfo");

	if (s && find_in_range(img, s->offset, s->size, ret) == 0)
		return 0;
	for (unsigned i = 0; i < img->load_cnt; i++) {
		const struct elf_segment *l = &img->loads[i];

		if ((l->flags & (PF_W | PF_X)) == PF_W && find_in_range(img, l->offset, l->filesz, ret) == 0)
			return 0;
	}
	return -ENOENT;
}

/* One varint; bytes used, 0 if broken. */
static size_t read_uvarint(const uint8_t *p, size_t len, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < len && i < 9; i++) {
		v |= (uint64_t)(p[i] & 0x7f) << (7 * i);
		if (!(p[i] & 0x80)) {
			*ret = v;
			return i + 1;
		}
	}
	return 0;
}

/* An inline string at *offset, which is moved behind it. *ret is the caller's, NUL terminated, cut at MODINFO_MAX. */
static int read_inline(struct elf_image *img, uint64_t *offset, char **ret, size_t *ret_len)
{
	uint8_t head[9];
	uint64_t len;
	size_t room = *offset < img->size ? (size_t)(img->size - *offset) : 0, used, n;
	char *s;
	int err;

	if (room > sizeof(head))
		room = sizeof(head);
	err = elf_image_read(img, *offset, head, room);
	used = err ? 0 : read_uvarint(head, room, &len);
	if (used == 0 || len > img->size)
		return -EBADMSG;
	n = len < MODINFO_MAX ? (size_t)len : MODINFO_MAX;
	s = malloc(n + 1);
	if (!s)
		return -ENOMEM;
	err = elf_image_read(img, *offset + used, s, n);
	if (err) {
		free(s);
		return err;
	}
	s[n] = '\0';
	*offset += used + len;
	*ret = s;
	*ret_len = n;
	return 0;
}

/* Before 1.18: the version through a pointer to a string header. */
static int read_pointed_version(struct elf_image *img, const uint8_t *h, struct binary *b)
{
	uint8_t header[16];
	char text[GO_VERSION_SZ];
	uint64_t len;

	if (h[MAGIC_SZ] != 8 || (h[MAGIC_SZ + 1] & FLAG_BIG_ENDIAN) ||
	    elf_image_read_vaddr(img, elf_u64(h + 16), header, sizeof(header)) != 0)
		return -EBADMSG;
	len = elf_u64(header + 8);
	if (len >= sizeof(text) || elf_image_read_vaddr(img, elf_u64(header), text, (size_t)len) != 0)
		return -EBADMSG;
	copy_printable(b->go_version, sizeof(b->go_version), text, (size_t)len);
	return 0;
}

static void take_line(struct binary *b, const char *line, size_t len)
{
	const char *tab = memchr(line, '\t', len), *value, *end = line + len, *second;

	if (!tab)
		return;
	value = tab + 1;
	second = memchr(value, '\t', (size_t)(end - value));
	if (tab - line == 4 && memcmp(line, "path", 4) == 0) {
		copy_printable(b->main_path, sizeof(b->main_path), value, (size_t)(end - value));
	} else if (tab - line == 3 && memcmp(line, "mod", 3) == 0) {
		copy_printable(b->module, sizeof(b->module), value, (size_t)((second ? second : end) - value));
		if (second) {
			const char *sum = memchr(second + 1, '\t', (size_t)(end - second - 1));

			copy_printable(b->module_version, sizeof(b->module_version), second + 1,
				       (size_t)((sum ? sum : end) - second - 1));
		}
	} else if (tab - line == 5 && memcmp(line, "build", 5) == 0) {
		if (end - value == 13 && memcmp(value, "CGO_ENABLED=1", 13) == 0)
			b->cgo = true;
		else if (end - value > 15 && memcmp(value, "DefaultGODEBUG=", 15) == 0)
			b->ignores_cpu_limit = memmem(value, (size_t)(end - value), "containermaxprocs=0", 19) != NULL;
	}
}

static void parse_modinfo(struct binary *b, const char *text, size_t len)
{
	if (len < MARK_SZ)
		return;
	text += MARK_SZ;
	len -= MARK_SZ;
	while (len > 0) {
		const char *nl = memchr(text, '\n', len);
		size_t n = nl ? (size_t)(nl - text) : len;

		if (!nl)
			break; /* the closing mark, or where the text was cut */
		take_line(b, text, n);
		text += n + 1;
		len -= n + 1;
	}
}

static int read_strings(struct elf_image *img, uint64_t offset, struct binary *b)
{
	_cleanup_free_ char *version = NULL, *modinfo = NULL;
	uint8_t h[HEADER_SZ];
	size_t len;
	int err;

	err = elf_image_read(img, offset, h, sizeof(h));
	if (err)
		return err;
	if (!(h[MAGIC_SZ + 1] & FLAG_INLINE))
		return read_pointed_version(img, h, b);
	offset += HEADER_SZ;
	err = read_inline(img, &offset, &version, &len);
	if (err)
		return err;
	copy_printable(b->go_version, sizeof(b->go_version), version, len);
	if (read_inline(img, &offset, &modinfo, &len) == 0) /* may be missing: some build systems leave it out */
		parse_modinfo(b, modinfo, len);
	return 0;
}

/* A decimal number of at most 4 digits; characters used, 0 if there is none. */
static size_t read_number(const char *s, int *ret)
{
	size_t n = 0;
	int v = 0;

	for (; n < 4 && s[n] >= '0' && s[n] <= '9'; n++)
		v = v * 10 + (s[n] - '0');
	*ret = v;
	return n;
}

int go_binary_parse_version(const char *version, struct binary *b)
{
	bool devel = str_starts(version, "devel ");
	const char *p = devel ? version + 6 : version;
	int minor, patch = 0;
	size_t n;

	if (!str_starts(p, "go1."))
		return -EINVAL;
	p += 4;
	n = read_number(p, &minor);
	if (n == 0 || n == 4)
		return -EINVAL;
	p += n;
	if (*p == '.') {
		n = read_number(p + 1, &patch);
		if (n > 0)
			p += n + 1;
	}
	if (*p == ' ') {
		devel = true; /* experiments ("X:...") and vendors' builds change layouts, yet keep the release's number
			       */
	} else if (*p != '\0') {
		devel = true;
		patch = -1;
	}
	if (str_starts(version, "devel "))
		patch = -1;
	b->go_minor = minor;
	b->go_patch = patch;
	b->go_devel = devel;
	return 0;
}

static bool take_note(struct elf_image *img, uint64_t offset, const Elf64_Nhdr *nh, struct binary *b)
{
	char name[4], id[BUILD_ID_SZ];
	size_t n = nh->n_descsz < sizeof(id) ? nh->n_descsz : sizeof(id) - 1;

	if (nh->n_type != NOTE_GO_BUILD_ID || nh->n_namesz != sizeof(name) ||
	    elf_image_read(img, offset + sizeof(*nh), name, sizeof(name)) != 0 ||
	    memcmp(name, NOTE_NAME "\0", sizeof(name)) != 0 ||
	    elf_image_read(img, offset + sizeof(*nh) + sizeof(name), id, n) != 0)
		return false;
	copy_printable(b->build_id, sizeof(b->build_id), id, n);
	return true;
}

static bool read_notes(struct elf_image *img, uint64_t offset, uint64_t size, struct binary *b)
{
	uint64_t pos = 0;
	Elf64_Nhdr nh;

	for (int i = 0; i < 64 && pos + sizeof(nh) <= size; i++) {
		if (elf_image_read(img, offset + pos, &nh, sizeof(nh)) != 0)
			return false;
		if (take_note(img, offset + pos, &nh, b))
			return true;
		pos += sizeof(nh) + (((uint64_t)nh.n_namesz + 3) & ~3ull) + (((uint64_t)nh.n_descsz + 3) & ~3ull);
	}
	return false;
}

void go_binary_read_build_id(struct elf_image *img, struct binary *b)
{
	const struct elf_section *s = elf_image_find_section(img, ".note.go.buildid");

	if (s && read_notes(img, s->offset, s->size, b))
		return;
	for (unsigned i = 0; i < img->note_cnt; i++)
		if (read_notes(img, img->notes[i].offset, img->notes[i].filesz, b))
			return;
}

int go_binary_read(struct elf_image *img, struct binary *b, char *why)
{
	uint64_t offset;
	int err;

	if (find_build_info(img, &offset) != 0)
		return err_why(why, BINARY_NOT_GO, "not a Go program: no Go build information");
	err = read_strings(img, offset, b);
	if (err == -ENOMEM)
		return err_why(why, err, "out of memory");
	if (err)
		return err_why(why, BINARY_NOT_GO, "the Go build information is damaged");
	go_binary_read_build_id(img, b);
	str_copy(b->arch, sizeof(b->arch), img->machine == EM_X86_64 ? "amd64" : "arm64");
	b->cgo = b->cgo || elf_image_needs(img, "libc.so.") || elf_image_needs(img, "libpthread");
	if (go_binary_parse_version(b->go_version, b) != 0)
		return err_why(why, BINARY_UNSUPPORTED, "Go version \"%s\" is not understood", b->go_version);
	if (b->go_minor < OLDEST_MINOR)
		return err_why(why, BINARY_TOO_OLD, "%s is older than Go 1.18, the oldest supported version",
			       b->go_version);
	return 0;
}
