/* SPDX-License-Identifier: BSD-2-Clause */
/* A small bounded DWARF reader for one question: at which offset is this field of that runtime struct? Go's linker puts
 * all type entries of a program into one unit named "runtime" (there are several of that name: functions, assembly),
 * with names stored in place and types referred to by their offset in .debug_info. So .debug_info is streamed: each
 * unit's name is read, units of other packages are skipped, and only the unit that mentions the wanted names is kept
 * and walked. DWARF 4 up to Go 1.24, DWARF 5 from 1.25 on. Units of C code in cgo programs have abbreviations and forms
 * of their own; they are skipped by length. Nothing is trusted: a cursor never leaves its buffer, the walk only moves
 * forward. */
#include "symbols/dwarf.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "symbols/elf_stream.h"

#define ABBREV_MAX       (1u << 20) /* bytes of .debug_abbrev that are looked at; Go needs 400 */
#define ABBREV_CODES     256        /* Go uses codes below 50 */
#define ABBREV_ATTRS     2048
#define UNIT_MAX         (48u << 20) /* the unit of types of a 100 MB program has about 12 MB */
#define UNIT_HEADER_MAX  12          /* length 4, version 2, [unit type 1, address size 1], abbreviations 4 */
#define UNITS_MAX        100000
#define DIE_PREFIX       64 /* enough of a unit's first entry for its name */
#define FIELD_OFFSET_MAX (1 << 20)
#define TYPE_HOPS        4

enum { TAG_MEMBER = 0x0d, TAG_COMPILE_UNIT = 0x11, TAG_STRUCTURE = 0x13, TAG_TYPEDEF = 0x16, TAG_VARIABLE = 0x34 };
enum { AT_NAME = 0x03, AT_BYTE_SIZE = 0x0b, AT_MEMBER_LOCATION = 0x38, AT_TYPE = 0x49 };
// clang-format off
enum {
	FORM_ADDR = 0x01, FORM_BLOCK2 = 0x03, FORM_BLOCK4, FORM_DATA2, FORM_DATA4, FORM_DATA8, FORM_STRING, FORM_BLOCK,
	FORM_BLOCK1, FORM_DATA1, FORM_FLAG, FORM_SDATA, FORM_STRP, FORM_UDATA, FORM_REF_ADDR, FORM_REF1, FORM_REF2,
	FORM_REF4, FORM_REF8, FORM_REF_UDATA, FORM_INDIRECT, FORM_SEC_OFFSET, FORM_EXPRLOC, FORM_FLAG_PRESENT,
	FORM_STRX, FORM_ADDRX, FORM_REF_SUP4, FORM_STRP_SUP, FORM_DATA16, FORM_LINE_STRP, FORM_REF_SIG8,
	FORM_IMPLICIT_CONST, FORM_LOCLISTX, FORM_RNGLISTX, FORM_REF_SUP8, FORM_STRX1, FORM_STRX2, FORM_STRX3,
	FORM_STRX4, FORM_ADDRX1, FORM_ADDRX2, FORM_ADDRX3, FORM_ADDRX4,
};
// clang-format on
#define OP_PLUS_UCONST 0x23
#define UT_COMPILE     0x01

struct cursor {
	const uint8_t *p, *end;
	bool broken; /* sticky: something did not fit */
};

struct attr {
	uint16_t at, form;
	int64_t implicit;
};

struct abbrev {
	uint16_t tag; /* 0 = no such code */
	bool children;
	uint16_t attr_at, attr_cnt;
};

struct abbrevs {
	uint8_t *bytes; /* owned */
	size_t len;
	bool loaded;
	uint64_t offset; /* of the table below */
	struct abbrev codes[ABBREV_CODES];
	struct attr attrs[ABBREV_ATTRS];
	unsigned attr_cnt;
};

/* What is kept of one entry. */
struct die {
	const struct abbrev *abbrev; /* NULL: end of a list of children */
	const char *name;            /* in the buffer, NUL terminated there; NULL without */
	bool has_location, has_type;
	uint64_t location;
	uint64_t type; /* position in .debug_info */
	uint64_t size; /* of a struct in bytes; 0 without */
};

struct dwarf_types {
	struct abbrevs abbrevs;
	uint8_t *unit; /* owned: the unit from its length word on */
	size_t unit_sz;
	uint64_t unit_at; /* position in .debug_info */
	size_t first_die;
	size_t found[DWARF_TYPES_MAX];       /* position of the entry in unit, 0 = not found */
	uint64_t variables[DWARF_TYPES_MAX]; /* type of the variable, position in .debug_info, 0 = not found */
};

static const uint8_t *take(struct cursor *c, uint64_t n)
{
	const uint8_t *p = c->p;

	if (n > (uint64_t)(c->end - c->p)) {
		c->broken = true;
		c->p = c->end;
		return NULL;
	}
	c->p += n;
	return p;
}

static uint64_t take_uint(struct cursor *c, unsigned n)
{
	const uint8_t *p = take(c, n);
	uint64_t v = 0;

	for (unsigned i = 0; p && i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static uint64_t take_uleb(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && c->p < c->end; shift += 7) {
		uint8_t b = *c->p++;

		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return v;
	}
	c->broken = true;
	return 0;
}

static int64_t take_sleb(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && c->p < c->end; shift += 7) {
		uint8_t b = *c->p++;

		v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return (int64_t)(b & 0x40 && shift + 7 < 64 ? v | ~0ull << (shift + 7) : v);
	}
	c->broken = true;
	return 0;
}

static const char *take_string(struct cursor *c)
{
	const uint8_t *nul = memchr(c->p, 0, (size_t)(c->end - c->p)), *p = c->p;

	if (!nul) {
		c->broken = true;
		c->p = c->end;
		return NULL;
	}
	c->p = nul + 1;
	return (const char *)p;
}

/* Bytes of a form of fixed size, -1 for the others. Entries of address size 8 and offset size 4 only: that was checked
 * in the unit's header. */
// clang-format off
static int form_size(uint64_t form)
{
	switch (form) {
	case FORM_DATA1: case FORM_FLAG: case FORM_REF1: case FORM_STRX1: case FORM_ADDRX1:
		return 1;
	case FORM_DATA2: case FORM_REF2: case FORM_STRX2: case FORM_ADDRX2:
		return 2;
	case FORM_STRX3: case FORM_ADDRX3:
		return 3;
	case FORM_DATA4: case FORM_REF4: case FORM_STRP: case FORM_REF_ADDR: case FORM_SEC_OFFSET: case FORM_STRP_SUP:
	case FORM_LINE_STRP: case FORM_REF_SUP4: case FORM_STRX4: case FORM_ADDRX4:
		return 4;
	case FORM_ADDR: case FORM_DATA8: case FORM_REF8: case FORM_REF_SIG8: case FORM_REF_SUP8:
		return 8;
	default:
		return -1;
	}
}

/* Moves over one value; *v is its number, *s its text, where the form has one. */
static void take_form(struct cursor *c, const struct attr *a, uint64_t *v, const char **s)
{
	uint64_t form = a->form == FORM_INDIRECT ? take_uleb(c) : a->form;
	int size = form_size(form);

	if (size > 0) {
		*v = take_uint(c, (unsigned)size);
		return;
	}
	switch (form) {
	case FORM_FLAG_PRESENT: *v = 1; break;
	case FORM_IMPLICIT_CONST: *v = (uint64_t)a->implicit; break;
	case FORM_UDATA: case FORM_REF_UDATA: case FORM_STRX: case FORM_ADDRX: case FORM_LOCLISTX: case FORM_RNGLISTX:
		*v = take_uleb(c);
		break;
	case FORM_SDATA: *v = (uint64_t)take_sleb(c); break;
	case FORM_STRING: *s = take_string(c); break;
	case FORM_DATA16: take(c, 16); break;
	case FORM_BLOCK1: take(c, take_uint(c, 1)); break;
	case FORM_BLOCK2: take(c, take_uint(c, 2)); break;
	case FORM_BLOCK4: take(c, take_uint(c, 4)); break;
	case FORM_BLOCK: case FORM_EXPRLOC: take(c, take_uleb(c)); break;
	default: c->broken = true;
	}
}
// clang-format on

/* A member's location is a number, or (as older producers write it) the expression `plus_uconst N`. */
static void take_location(struct cursor *c, const struct attr *a, struct die *d)
{
	const char *text = NULL;

	if (a->form == FORM_EXPRLOC || a->form == FORM_BLOCK || a->form == FORM_BLOCK1) {
		uint64_t len = a->form == FORM_BLOCK1 ? take_uint(c, 1) : take_uleb(c);
		const uint8_t *p = take(c, len);
		struct cursor in = {p, p ? p + len : p, false};

		if (!p || take_uint(&in, 1) != OP_PLUS_UCONST)
			return;
		d->location = take_uleb(&in);
		d->has_location = !in.broken;
		return;
	}
	take_form(c, a, &d->location, &text);
	d->has_location = true;
}

static void take_die(struct cursor *c, const struct abbrevs *ab, uint64_t unit_at, struct die *d)
{
	uint64_t code = take_uleb(c);

	*d = (struct die){0};
	if (code == 0 || c->broken)
		return;
	if (code >= ABBREV_CODES || ab->codes[code].tag == 0) {
		c->broken = true;
		return;
	}
	d->abbrev = &ab->codes[code];
	for (unsigned i = 0; i < d->abbrev->attr_cnt && !c->broken; i++) {
		const struct attr *a = &ab->attrs[d->abbrev->attr_at + i];
		const char *text = NULL;
		uint64_t v = 0;

		if (a->at == AT_MEMBER_LOCATION) {
			take_location(c, a, d);
			continue;
		}
		take_form(c, a, &v, &text);
		if (a->at == AT_NAME) {
			d->name = text;
		} else if (a->at == AT_TYPE) {
			d->has_type = true;
			d->type = a->form == FORM_REF_ADDR ? v : unit_at + v;
		} else if (a->at == AT_BYTE_SIZE) {
			d->size = v;
		}
	}
}

static bool parse_abbrev(struct cursor *c, struct abbrevs *ab, uint64_t code)
{
	struct abbrev b = {.tag = (uint16_t)take_uleb(c), .attr_at = (uint16_t)ab->attr_cnt};

	b.children = take_uint(c, 1) != 0;
	for (;;) {
		struct attr a = {.at = (uint16_t)take_uleb(c), .form = (uint16_t)take_uleb(c)};

		if (a.form == FORM_IMPLICIT_CONST)
			a.implicit = take_sleb(c);
		if (c->broken)
			return false;
		if (a.at == 0 && a.form == 0)
			break;
		if (ab->attr_cnt >= ABBREV_ATTRS)
			return false;
		ab->attrs[ab->attr_cnt++] = a;
		b.attr_cnt++;
	}
	if (code < ABBREV_CODES)
		ab->codes[code] = b;
	return true;
}

/* Reads the table at that offset, unless it is the last one read. Go has one table for all of its units. */
static bool load_abbrevs(struct abbrevs *ab, uint64_t offset)
{
	struct cursor c;
	uint64_t code;

	if (ab->loaded && ab->offset == offset)
		return true;
	if (offset >= ab->len)
		return false;
	memset(ab->codes, 0, sizeof(ab->codes));
	ab->attr_cnt = 0;
	ab->loaded = false;
	c = (struct cursor){ab->bytes + offset, ab->bytes + ab->len, false};
	while ((code = take_uleb(&c)) != 0)
		if (!parse_abbrev(&c, ab, code))
			return false;
	ab->loaded = !c.broken;
	ab->offset = offset;
	return ab->loaded;
}

static int read_abbrev_section(struct elf_image *img, struct abbrevs *ab)
{
	struct elf_stream s;
	int err;

	err = elf_stream_open(&s, img, "debug_abbrev");
	if (err)
		return err;
	ab->len = s.left < ABBREV_MAX ? (size_t)s.left : ABBREV_MAX;
	ab->bytes = malloc(ab->len + 1);
	err = ab->bytes ? elf_stream_read(&s, ab->bytes, ab->len) : -ENOMEM;
	elf_stream_close(&s);
	return err;
}

/* Where the first entry of the unit begins; 0 if it is not a unit that we read. */
static size_t unit_first_die(const uint8_t *p, size_t len, uint64_t *abbrev_offset)
{
	unsigned version = p[4] | p[5] << 8;

	if (len < UNIT_HEADER_MAX)
		return 0;
	if (version == 5 && p[6] == UT_COMPILE && p[7] == 8) {
		*abbrev_offset = elf_u32(p + 8);
		return 12;
	}
	if (version >= 2 && version <= 4 && p[10] == 8) {
		*abbrev_offset = elf_u32(p + 6);
		return 11;
	}
	return 0;
}

/* The head of a unit, some bytes of it: is it a compile unit of package runtime? */
static bool unit_is_runtime(struct abbrevs *ab, const uint8_t *head, size_t len, size_t *first_die)
{
	uint64_t abbrev_offset = 0;
	struct cursor c;
	struct die d;

	*first_die = unit_first_die(head, len, &abbrev_offset);
	if (*first_die == 0 || !load_abbrevs(ab, abbrev_offset))
		return false;
	c = (struct cursor){head + *first_die, head + len, false};
	take_die(&c, ab, 0, &d); /* the cut may break it behind the name */
	return d.abbrev && d.abbrev->tag == TAG_COMPILE_UNIT && d.name && strcmp(d.name, "runtime") == 0;
}

/* One pass over the unit's top level. Number of types found. */
static unsigned walk_unit(struct dwarf_types *t, const struct dwarf_want *wants, unsigned cnt)
{
	struct cursor c = {t->unit + t->first_die, t->unit + t->unit_sz, false};
	unsigned depth = 0, found = 0;
	struct die d;

	while (c.p < c.end && found < cnt) {
		size_t at = (size_t)(c.p - t->unit);

		take_die(&c, &t->abbrevs, t->unit_at, &d);
		if (c.broken)
			break;
		if (!d.abbrev) {
			if (depth <= 1)
				break;
			depth--;
			continue;
		}
		for (unsigned i = 0; depth == 1 && d.abbrev->tag == TAG_STRUCTURE && d.name && i < cnt; i++) {
			if (t->found[i] == 0 && strcmp(d.name, wants[i].type) == 0) {
				t->found[i] = at;
				found++;
			}
		}
		depth += d.abbrev->children;
	}
	return found;
}

/* Variables are in another unit than types, before it. An entry begins with its abbreviation and its name, so that the
 * name's text leads to it without a walk over all functions of the package. */
static void find_variable(struct dwarf_types *t, unsigned i, const char *name)
{
	size_t len = strlen(name) + 1;
	const uint8_t *p = t->unit + t->first_die, *end = t->unit + t->unit_sz;
	struct cursor c;
	struct die d;

	while (t->variables[i] == 0 && (p = memmem(p, (size_t)(end - p), name, len))) {
		c = (struct cursor){p - 1, end, false};
		take_die(&c, &t->abbrevs, t->unit_at, &d);
		if (!c.broken && d.abbrev && d.abbrev->tag == TAG_VARIABLE && d.name == (const char *)p && d.has_type)
			t->variables[i] = d.type;
		p += len;
	}
}

/* Types without a name, through their variables. */
static unsigned take_variables(struct dwarf_types *t, unsigned cnt)
{
	unsigned found = 0;

	for (unsigned i = 0; i < cnt; i++) {
		uint64_t at = t->variables[i] - t->unit_at;

		if (t->found[i] || t->variables[i] <= t->unit_at || at >= t->unit_sz)
			continue;
		t->found[i] = (size_t)at;
		found++;
	}
	return found;
}

/* Keeps the unit whose head was read and walks it. 1 if it had the types, 0 if not, -errno. */
static int take_unit(struct dwarf_types *t, struct elf_stream *s, const uint8_t *head, size_t head_sz, size_t unit_sz,
		     const struct dwarf_want *wants, unsigned cnt)
{
	int err;

	if (unit_sz > UNIT_MAX)
		return -EFBIG;
	t->unit = malloc(unit_sz);
	if (!t->unit)
		return -ENOMEM;
	memcpy(t->unit, head, head_sz);
	t->unit_sz = unit_sz;
	err = elf_stream_read(s, t->unit + head_sz, unit_sz - head_sz);
	if (err)
		return err;
	/* a search for the name is far cheaper than the walk: the unit of the functions fails it */
	if (memmem(t->unit, unit_sz, wants[0].type, strlen(wants[0].type) + 1) &&
	    walk_unit(t, wants, cnt) + take_variables(t, cnt) > 0)
		return 1;
	for (unsigned i = 0; i < cnt; i++)
		if (wants[i].variable)
			find_variable(t, i, wants[i].variable);
	free(t->unit);
	t->unit = NULL;
	return 0;
}

static int next_unit(struct dwarf_types *t, struct elf_stream *s, uint64_t *pos, const struct dwarf_want *wants,
		     unsigned cnt)
{
	uint8_t head[UNIT_HEADER_MAX + DIE_PREFIX];
	size_t head_sz = s->left < sizeof(head) ? (size_t)s->left : sizeof(head);
	uint64_t length;
	int err;

	if (head_sz < UNIT_HEADER_MAX)
		return -ENOENT;
	err = elf_stream_read(s, head, 4);
	if (err)
		return err;
	length = elf_u32(head);
	if (length >= 0xfffffff0u) /* the 64-bit format: no Go linker writes it below 4 GB */
		return -EOPNOTSUPP;
	if (length + 4 < head_sz)
		head_sz = (size_t)length + 4;
	err = elf_stream_read(s, head + 4, head_sz - 4);
	if (err)
		return err;
	t->unit_at = *pos;
	*pos += length + 4;
	if (head_sz >= UNIT_HEADER_MAX && unit_is_runtime(&t->abbrevs, head, head_sz, &t->first_die))
		return take_unit(t, s, head, head_sz, (size_t)length + 4, wants, cnt);
	return elf_stream_skip(s, length + 4 - head_sz);
}

bool dwarf_exists(const struct elf_image *img)
{
	return elf_image_find_section(img, ".debug_info") || elf_image_find_section(img, ".zdebug_info");
}

int dwarf_types_open(struct elf_image *img, const struct dwarf_want *wants, unsigned cnt, struct dwarf_types **ret)
{
	struct dwarf_types *t;
	struct elf_stream s;
	uint64_t pos = 0;
	int err;

	if (cnt == 0 || cnt > DWARF_TYPES_MAX)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	err = read_abbrev_section(img, &t->abbrevs);
	if (!err)
		err = elf_stream_open(&s, img, "debug_info");
	if (err) {
		dwarf_types_free(t);
		return err;
	}
	for (unsigned i = 0; i < UNITS_MAX && err == 0; i++)
		err = next_unit(t, &s, &pos, wants, cnt);
	elf_stream_close(&s);
	if (err != 1) {
		dwarf_types_free(t);
		return err ? err : -ENOENT;
	}
	*ret = t;
	return 0;
}

struct dwarf_types *dwarf_types_free(struct dwarf_types *t)
{
	if (!t)
		return NULL;
	free(t->abbrevs.bytes);
	free(t->unit);
	free(t);
	return NULL;
}

/* Cursor behind the struct entry at `at`, following typedefs; false if there is no struct with members. */
static bool enter_struct(struct dwarf_types *t, uint64_t at, struct cursor *c, uint64_t *size)
{
	struct die d;

	for (int i = 0; i < TYPE_HOPS; i++) {
		if (at < t->first_die || at >= t->unit_sz)
			return false;
		*c = (struct cursor){t->unit + at, t->unit + t->unit_sz, false};
		take_die(c, &t->abbrevs, t->unit_at, &d);
		if (c->broken || !d.abbrev)
			return false;
		if (d.abbrev->tag == TAG_STRUCTURE) {
			*size = d.size;
			return d.abbrev->children;
		}
		if (d.abbrev->tag != TAG_TYPEDEF || !d.has_type || d.type < t->unit_at)
			return false;
		at = d.type - t->unit_at;
	}
	return false;
}

static bool find_member(struct dwarf_types *t, uint64_t at, const char *name, size_t len, struct die *d)
{
	unsigned depth = 1;
	struct cursor c;
	uint64_t size;

	if (!enter_struct(t, at, &c, &size))
		return false;
	while (c.p < c.end && depth > 0) {
		take_die(&c, &t->abbrevs, t->unit_at, d);
		if (c.broken)
			return false;
		if (!d->abbrev)
			depth--;
		else if (depth == 1 && d->abbrev->tag == TAG_MEMBER && d->name && d->has_location &&
			 strncmp(d->name, name, len) == 0 && d->name[len] == '\0')
			return true;
		else
			depth += d->abbrev->children;
	}
	return false;
}

int64_t dwarf_types_field(struct dwarf_types *t, unsigned type, const char *path)
{
	uint64_t at, sum = 0, size;
	struct cursor c;
	struct die d;

	if (type >= DWARF_TYPES_MAX || t->found[type] == 0)
		return -ENOENT;
	at = t->found[type];
	if (path[0] == '\0')
		return enter_struct(t, at, &c, &size) && size > 0 && size <= FIELD_OFFSET_MAX ? (int64_t)size : -ENOENT;
	for (;;) {
		size_t len = strcspn(path, ".");

		if (!find_member(t, at, path, len, &d))
			return -ENOENT;
		if (d.location > FIELD_OFFSET_MAX)
			return -EBADMSG;
		sum += d.location;
		if (path[len] == '\0')
			return (int64_t)sum;
		if (!d.has_type || d.type < t->unit_at)
			return -ENOENT;
		at = d.type - t->unit_at;
		path += len + 1;
	}
}
