/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions, files and lines as the runtime's own tracebacks find them (runtime/symtab.go, symtabinl.go): a binary
 * search in the function table gives the function's record; the record names positions in pctab, where runs of (value,
 * length) in variable-length numbers tell the file, the line and the innermost inlined call of each instruction. An
 * inlined call names its function and the instruction of the caller that stands for it, so a stack of them is walked
 * with the same three tables.
 *
 *	          record  inlined call  moduledata.gofunc, the base of function data  funcID of wrappers
 *	1.18-19     40       20 bytes     304                                             21
 *	1.20-26     44       16           320                                             21, 1.22: 22, 1.25: 23
 *	1.27        44       16           344                                             23
 *
 * The file may have 100 MB and belongs to somebody else: pages are read as they are needed and a few are kept. A table
 * that contradicts itself makes the answer smaller (no line, no inlined calls), never a read outside of its bounds, and
 * each question may cost only STEPS_MAX steps. */
#include "symbols/code_lines.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hashmap.h"
#include "symbols/pclntab.h"

#define PAGE_SHIFT      12
#define PAGE_BYTES      (1u << PAGE_SHIFT)
#define PAGES           64   /* 256 KB, one slot a page number */
#define ANSWERS         4096 /* remembered, one slot a hash */
#define STRINGS_MAX     (1u << 20)
#define STRING_BYTES    (64u << 20) /* of all strings together */
#define NAME_SZ         4096        /* longer names are cut */
#define STEPS_MAX       (1u << 20)
#define INLINE_MAX      64        /* the compiler's inlining budget ends far below */
#define CALLS_MAX       (1 << 20) /* in a function */
#define HEADER_SZ       72
#define PAIR_SZ         8
#define MAGIC_118       0xfffffff0u
#define NONE            UINT32_MAX
#define PCDATA_INLINE   2 /* internal/abi: PCDATA_InlTreeIndex, the same in all versions */
#define FUNCDATA_INLINE 3
#define FUNCDATA_WRAP   7 /* FUNCDATA_WrapInfo, Go 1.20-1.27 */

/* A range of the file; positions in it are checked against size. */
struct part {
	uint64_t offset, size;
};

struct page {
	uint64_t number; /* + 1; 0 unused */
	unsigned len;
	uint8_t bytes[PAGE_BYTES];
};

struct answer {
	uint64_t key; /* (pc - text) * 2 + call + 1; 0 unused */
	int cnt;
	struct code_frame *frames; /* owned */
};

struct quick {
	uint64_t pc; /* + 1 */
	const char *name;
};

struct code_lines {
	int fd; /* owned */
	struct part names, units, files, pcs, functions, data;
	uint64_t text;
	uint32_t func_cnt;
	unsigned quantum, record_sz, call_sz, call_id, call_name, call_parent;
	uint8_t wrapper_id;
	struct hashmap *strings; /* position in the file + 1 -> owned string */
	size_t string_bytes;
	unsigned steps; /* that the question at hand may still take */
	struct page pages[PAGES];
	struct answer answers[ANSWERS];
	struct quick quick[ANSWERS];
};

/* A function's record, and what follows it. */
struct record {
	uint64_t pos; /* in functions */
	uint64_t entry, end;
	uint32_t name, file, line, unit;
	uint32_t pcdata_cnt, funcdata_cnt;
	uint8_t id;
};

static const struct page *get_page(struct code_lines *c, uint64_t number)
{
	struct page *p = &c->pages[number % PAGES];
	ssize_t n;

	if (p->number == number + 1)
		return p;
	n = pread(c->fd, p->bytes, PAGE_BYTES, (off_t)(number << PAGE_SHIFT));
	p->number = n > 0 ? number + 1 : 0;
	p->len = n > 0 ? (unsigned)n : 0;
	return n > 0 ? p : NULL;
}

/* As many bytes as one page has from pos on. */
static const uint8_t *peek(struct code_lines *c, const struct part *part, uint64_t pos, size_t *ret)
{
	uint64_t at = part->offset + pos;
	unsigned in = at & (PAGE_BYTES - 1);
	const struct page *p;

	if (pos >= part->size)
		return NULL;
	p = get_page(c, at >> PAGE_SHIFT);
	if (!p || p->len <= in)
		return NULL;
	*ret = p->len - in < part->size - pos ? p->len - in : part->size - pos;
	return p->bytes + in;
}

static bool get(struct code_lines *c, const struct part *part, uint64_t pos, void *buf, size_t len)
{
	uint8_t *to = buf;

	while (len > 0) {
		size_t n;
		const uint8_t *from = peek(c, part, pos, &n);

		if (!from)
			return false;
		n = n < len ? n : len;
		memcpy(to, from, n);
		to += n;
		pos += n;
		len -= n;
	}
	return true;
}

static bool get_u32(struct code_lines *c, const struct part *part, uint64_t pos, uint32_t *ret)
{
	uint8_t b[4];

	if (!get(c, part, pos, b, sizeof(b)))
		return false;
	*ret = elf_u32(b);
	return true;
}

/* "F[go.shape.int]" is told as "F[...]", as the runtime's own tracebacks and profiles do (funcNameForPrint: whatever is
 * between the first and the last bracket). buf has three bytes more than the string needs. */
static void cut_type_arguments(char *buf)
{
	char *open = strchr(buf, '['), *close = strrchr(buf, ']');

	if (!open || !close || close < open)
		return;
	memmove(open + 4, close, strlen(close) + 1);
	memcpy(open + 1, "...", 3);
}

static const char *read_string(struct code_lines *c, const struct part *part, uint64_t pos, bool shorten)
{
	char buf[NAME_SZ + 4];
	size_t len = 0;
	char *s;

	while (len < NAME_SZ) {
		size_t n;
		const uint8_t *p = peek(c, part, pos + len, &n), *nul;

		if (!p)
			return NULL;
		n = n < NAME_SZ - len ? n : NAME_SZ - len;
		nul = memchr(p, 0, n);
		n = nul ? (size_t)(nul - p) : n;
		memcpy(buf + len, p, n);
		len += n;
		if (nul)
			break;
	}
	buf[len] = '\0';
	if (shorten)
		cut_type_arguments(buf);
	len = strlen(buf) + 1;
	if (c->string_bytes + len > STRING_BYTES || !(s = malloc(len)))
		return NULL;
	c->string_bytes += len;
	return memcpy(s, buf, len);
}

static const char *keep_string(struct code_lines *c, const struct part *part, uint64_t pos, bool shorten)
{
	uint64_t key = (part->offset + pos + 1) * 2 + shorten;
	const char *s = hashmap_find(c->strings, key);

	if (s)
		return s;
	s = read_string(c, part, pos, shorten);
	if (s && hashmap_add(c->strings, key, (void *)s) != 0) {
		free((void *)s);
		s = NULL;
	}
	return s;
}

/* Strings are kept until the end: there are as many as functions and files were asked for. A string begins where the
 * one before it has ended. */
static const char *get_string(struct code_lines *c, const struct part *part, uint64_t pos)
{
	uint8_t before = 0;

	if (pos >= part->size || (pos > 0 && (!get(c, part, pos - 1, &before, 1) || before)))
		return NULL;
	return keep_string(c, part, pos, false);
}

/* A function by the position of its name; false: no name there. */
static bool get_name(struct code_lines *c, uint64_t pos, const char **symbol, const char **function)
{
	*symbol = *function = get_string(c, &c->names, pos);
	if (!*symbol || !**symbol)
		return false;
	if (strchr(*symbol, '['))
		*function = keep_string(c, &c->names, pos, true);
	return *function;
}

/* Index of the function that holds pc, -1 none. */
static int64_t find_index(struct code_lines *c, uint64_t pc)
{
	uint32_t lo = 0, hi = c->func_cnt, v;
	uint64_t off = pc - c->text;

	if (!get_u32(c, &c->functions, 0, &v) || off < v || !get_u32(c, &c->functions, (uint64_t)hi * PAIR_SZ, &v) ||
	    off >= v)
		return -1;
	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (!get_u32(c, &c->functions, (uint64_t)mid * PAIR_SZ, &v))
			return -1;
		if (v <= off)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static bool find_record(struct code_lines *c, uint64_t pc, struct record *r)
{
	int64_t i = find_index(c, pc);
	uint8_t pair[PAIR_SZ + 4], b[44];

	if (i < 0 || !get(c, &c->functions, (uint64_t)i * PAIR_SZ, pair, sizeof(pair)))
		return false;
	*r = (struct record){.pos = elf_u32(pair + 4)};
	if (!get(c, &c->functions, r->pos, b, c->record_sz) || elf_u32(b) != elf_u32(pair))
		return false;
	r->entry = c->text + elf_u32(b);
	r->end = c->text + elf_u32(pair + PAIR_SZ);
	r->name = elf_u32(b + 4);
	r->file = elf_u32(b + 20);
	r->line = elf_u32(b + 24);
	r->pcdata_cnt = elf_u32(b + 28);
	r->unit = elf_u32(b + 32);
	r->id = b[c->record_sz - 4];
	r->funcdata_cnt = b[c->record_sz - 1];
	return r->pcdata_cnt < 256;
}

/* One byte of pctab. */
static bool next_byte(struct code_lines *c, uint64_t *pos, uint8_t *ret)
{
	size_t n;
	const uint8_t *p = c->steps ? peek(c, &c->pcs, *pos, &n) : NULL;

	if (!p)
		return false;
	c->steps--;
	(*pos)++;
	*ret = *p;
	return true;
}

static bool next_varint(struct code_lines *c, uint64_t *pos, uint32_t *ret)
{
	uint32_t v = 0;
	uint8_t b;

	for (unsigned shift = 0; shift < 35; shift += 7) {
		if (!next_byte(c, pos, &b))
			return false;
		v |= (uint32_t)(b & 0x7f) << (shift & 31);
		if (!(b & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

/* The table's value at pc; -1 none, which is also what tables say. */
static int32_t pc_value(struct code_lines *c, const struct record *r, uint32_t table, uint64_t pc)
{
	uint64_t pos = table, at = r->entry;
	uint32_t value = UINT32_MAX, delta, length;

	if (table == 0)
		return -1;
	for (;;) {
		if (!next_varint(c, &pos, &delta) || (delta == 0 && at != r->entry))
			return -1;
		value += -(delta & 1) ^ (delta >> 1); /* zigzag */
		if (!next_varint(c, &pos, &length))
			return -1;
		at += (uint64_t)length * c->quantum;
		if (pc < at)
			return (int32_t)value;
		if (at > r->end)
			return -1;
	}
}

static uint32_t pcdata_table(struct code_lines *c, const struct record *r, unsigned index)
{
	uint32_t v;

	if (index >= r->pcdata_cnt || !get_u32(c, &c->functions, r->pos + c->record_sz + 4ull * index, &v))
		return 0;
	return v;
}

/* Position of a function's data in c->data, NONE if it has none. */
static uint32_t funcdata_pos(struct code_lines *c, const struct record *r, unsigned index)
{
	uint32_t v;

	if (index >= r->funcdata_cnt ||
	    !get_u32(c, &c->functions, r->pos + c->record_sz + 4ull * r->pcdata_cnt + 4ull * index, &v))
		return NONE;
	return v;
}

static void set_line(struct code_lines *c, const struct record *r, uint64_t pc, struct code_frame *f)
{
	int32_t file = pc_value(c, r, r->file, pc), line = pc_value(c, r, r->line, pc);
	const char *name;
	uint32_t pos;

	if (file < 0 || line < 0 || !get_u32(c, &c->units, 4 * ((uint64_t)r->unit + (uint32_t)file), &pos) ||
	    pos == NONE)
		return;
	name = get_string(c, &c->files, pos);
	if (!name)
		return;
	f->file = name;
	f->line = line;
}

struct inlined_call {
	const char *symbol, *function;
	uint64_t parent; /* the caller's instruction */
	uint8_t id;
};

/* The innermost inlined call that holds pc. False: none, or none that makes sense. */
static bool find_call(struct code_lines *c, const struct record *r, uint64_t pc, struct inlined_call *ret)
{
	uint32_t tree = funcdata_pos(c, r, FUNCDATA_INLINE), parent;
	int32_t index = pc_value(c, r, pcdata_table(c, r, PCDATA_INLINE), pc);
	uint8_t b[20];

	if (tree == NONE || index < 0 || index >= CALLS_MAX ||
	    !get(c, &c->data, (uint64_t)tree + (uint64_t)index * c->call_sz, b, c->call_sz))
		return false;
	parent = elf_u32(b + c->call_parent);
	ret->parent = r->entry + parent;
	ret->id = b[c->call_id];
	return parent < r->end - r->entry && get_name(c, elf_u32(b + c->call_name), &ret->symbol, &ret->function);
}

static int find_frames(struct code_lines *c, uint64_t pc, bool call, struct code_frame *frames)
{
	struct code_frame f = {.file = ""};
	struct inlined_call inlined;
	struct record r;
	int cnt = 0;

	c->steps = STEPS_MAX;
	if (!find_record(c, pc, &r) || !get_name(c, r.name, &f.symbol, &f.function))
		return 0;
	f.entry = r.entry;
	f.wrapper = r.id == c->wrapper_id;
	if (call && pc > r.entry)
		pc--;
	while (cnt < INLINE_MAX - 1 && find_call(c, &r, pc, &inlined)) {
		frames[cnt] = (struct code_frame){.function = inlined.function,
						  .symbol = inlined.symbol,
						  .file = "",
						  .entry = r.entry,
						  .wrapper = inlined.id == c->wrapper_id};
		set_line(c, &r, pc, &frames[cnt++]);
		pc = inlined.parent;
	}
	frames[cnt] = f;
	set_line(c, &r, pc, &frames[cnt++]);
	return cnt;
}

/* Functions count from the begin of the text in 32 bits. */
static bool in_reach(const struct code_lines *c, uint64_t pc)
{
	return pc >= c->text && pc - c->text <= UINT32_MAX;
}

/* As runtime.startPCForTrace does. */
uint64_t code_lines_wrapped(struct code_lines *c, uint64_t pc)
{
	struct record wrapper, ret;
	uint32_t pos, offset;

	c->steps = STEPS_MAX;
	if (!in_reach(c, pc) || !find_record(c, pc, &wrapper))
		return pc;
	pos = funcdata_pos(c, &wrapper, FUNCDATA_WRAP);
	if (pos == NONE || !get_u32(c, &c->data, pos, &offset) || !find_record(c, c->text + offset, &ret) ||
	    ret.entry != c->text + offset)
		return pc;
	return ret.entry;
}

static unsigned slot_of(uint64_t key)
{
	return (unsigned)((key * 0x9e3779b97f4a7c15ull) >> 52) % ANSWERS;
}

static void remember(struct answer *a, uint64_t key, const struct code_frame *frames, int cnt)
{
	struct code_frame *copy = malloc((size_t)(cnt ? cnt : 1) * sizeof(*copy));

	if (!copy)
		return;
	memcpy(copy, frames, (size_t)cnt * sizeof(*copy));
	free(a->frames);
	*a = (struct answer){.key = key, .cnt = cnt, .frames = copy};
}

int code_lines_find(struct code_lines *c, uint64_t pc, bool call, struct code_frame *frames, int max)
{
	uint64_t key = (pc - c->text) * 2 + call + 1;
	struct answer *a = &c->answers[slot_of(key)];
	struct code_frame found[INLINE_MAX];
	int cnt;

	if (!in_reach(c, pc))
		return 0;
	if (a->key == key) {
		cnt = a->cnt < max ? a->cnt : max;
		memcpy(frames, a->frames, (size_t)cnt * sizeof(*frames));
		return cnt;
	}
	cnt = find_frames(c, pc, call, found);
	remember(a, key, found, cnt);
	cnt = cnt < max ? cnt : max;
	memcpy(frames, found, (size_t)cnt * sizeof(*frames));
	return cnt;
}

const char *code_lines_function(struct code_lines *c, uint64_t pc)
{
	struct quick *q = &c->quick[slot_of(pc)];
	const char *symbol;
	struct record r;

	if (!in_reach(c, pc))
		return NULL;
	if (q->pc == pc + 1)
		return q->name;
	*q = (struct quick){.pc = pc + 1};
	if (find_record(c, pc, &r) && !get_name(c, r.name, &symbol, &q->name))
		q->name = NULL;
	return q->name;
}

static int open_parts(struct elf_image *img, const struct pclntab *t, int minor, struct code_lines *c)
{
	uint64_t units, files, pcs;
	uint8_t h[HEADER_SZ];
	int err = elf_image_read(img, t->offset, h, sizeof(h));

	if (err)
		return err;
	units = elf_u64(h + 40);
	files = elf_u64(h + 48);
	pcs = elf_u64(h + 56);
	if (units > files || files > pcs || pcs > t->funcs)
		return -ENOENT;
	c->names = (struct part){t->offset + t->names, t->names_sz};
	c->units = (struct part){t->offset + units, files - units};
	c->files = (struct part){t->offset + files, pcs - files};
	c->pcs = (struct part){t->offset + pcs, t->funcs - pcs};
	c->functions = (struct part){t->offset + t->funcs, t->size - t->funcs};
	c->text = t->text;
	c->func_cnt = t->func_cnt;
	c->quantum = h[6];
	c->wrapper_id = minor < 22 ? 21 : minor < 25 ? 22 : 23;
	if (elf_u32(h) == MAGIC_118)
		c->record_sz = 40, c->call_sz = 20, c->call_id = 2, c->call_name = 12, c->call_parent = 16;
	else
		c->record_sz = 44, c->call_sz = 16, c->call_id = 0, c->call_name = 4, c->call_parent = 8;
	return 0;
}

/* Without it there are no inlined calls, but all else. */
static void open_data(struct elf_image *img, struct pclntab *t, int minor, struct code_lines *c)
{
	unsigned offset = minor < 20 ? 304 : minor < 27 ? 320 : 344;
	const struct elf_segment *l;
	uint64_t gofunc;

	if (pclntab_moduledata_word(img, t, offset, &gofunc) != 0)
		return;
	l = elf_image_find_load(img, gofunc, 1);
	if (l)
		c->data = (struct part){l->offset + (gofunc - l->vaddr), l->filesz - (gofunc - l->vaddr)};
}

static int open_tables(int fd, const struct binary *b, struct code_lines *c, char *why)
{
	struct elf_image img;
	struct pclntab t;
	int err;

	err = elf_image_open(&img, fd, b->size, why);
	if (err > 0)
		err = -ENOENT;
	if (!err)
		err = pclntab_open(&img, &t, why);
	if (!err) {
		err = open_parts(&img, &t, b->go_minor, c);
		if (err)
			err_why(why, err, "the header of the Go function table makes no sense");
		else
			open_data(&img, &t, b->go_minor, c);
	}
	elf_image_close(&img);
	return err;
}

int code_lines_open(int fd, const struct binary *b, struct code_lines **ret, char *why)
{
	struct code_lines *c;
	int err;

	if (b->go_minor < 18)
		return err_why(why, -ENOENT, "Go before 1.18: its function table is not known");
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_why(why, -ENOMEM, "out of memory");
	c->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (c->fd < 0)
		err = err_why(why, -errno, "cannot keep the executable open: %s", strerror(errno));
	else
		err = open_tables(c->fd, b, c, why);
	if (!err && (err = hashmap_new(STRINGS_MAX, &c->strings)))
		err_why(why, err, "out of memory");
	if (err)
		code_lines_close(c);
	else
		*ret = c;
	return err;
}

struct code_lines *code_lines_close(struct code_lines *c)
{
	size_t pos = 0;
	uint64_t key;
	void *s;

	if (!c)
		return NULL;
	while (c->strings && hashmap_next(c->strings, &pos, &key, &s))
		free(s);
	hashmap_free(c->strings);
	for (size_t i = 0; i < ANSWERS; i++)
		free(c->answers[i].frames);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
	return NULL;
}
