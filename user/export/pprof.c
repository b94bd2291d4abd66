/* SPDX-License-Identifier: BSD-2-Clause */
/* profile.proto (github.com/google/pprof/blob/main/proto/profile.proto): strings, functions, locations and mappings are
 * tables; a sample names its locations innermost first, a location its lines, inlined calls innermost first. Tables
 * grow while samples are added, and may come in any order, so everything is appended to one message. As the runtime's
 * own profile does, a location is the address of the last byte of the call, and wrappers that the compiler made for
 * methods are left out. */
#include "export/pprof.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/hashmap.h"
#include "base/str.h"
#include "export/protobuf.h"

#define TABLE_MAX (1u << 22)
#define LINES_MAX 32
#define PC_BITS   48 /* of a process's addresses */

enum profile_field {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE = 2,
	PROFILE_MAPPING = 3,
	PROFILE_LOCATION = 4,
	PROFILE_FUNCTION = 5,
	PROFILE_STRING = 6,
	PROFILE_TIME = 9,
	PROFILE_PERIOD_TYPE = 11,
	PROFILE_PERIOD = 12,
	PROFILE_COMMENT = 13,
};
enum value_type_field { VALUE_TYPE_TYPE = 1, VALUE_TYPE_UNIT = 2 };
enum sample_field { SAMPLE_LOCATION = 1, SAMPLE_VALUE = 2, SAMPLE_LABEL = 3 };
enum label_field { LABEL_KEY = 1, LABEL_TEXT = 2 };
enum mapping_field {
	MAPPING_ID = 1,
	MAPPING_START = 2,
	MAPPING_LIMIT = 3,
	MAPPING_OFFSET = 4,
	MAPPING_FILE = 5,
	MAPPING_BUILD_ID = 6,
	MAPPING_HAS_FUNCTIONS = 7,
	MAPPING_HAS_INLINED = 10, /* 8 and 9: file names, line numbers */
};
enum location_field { LOCATION_ID = 1, LOCATION_MAPPING = 2, LOCATION_ADDRESS = 3, LOCATION_LINE = 4 };
enum line_field { LINE_FUNCTION = 1, LINE_LINE = 2 };
enum function_field { FUNCTION_ID = 1, FUNCTION_NAME = 2, FUNCTION_SYSTEM_NAME = 3, FUNCTION_FILE = 4 };

struct text {
	uint64_t index;
	char text[];
};

struct pprof {
	struct pb out;
	struct hashmap *strings;   /* hash -> owned struct text */
	struct hashmap *functions; /* name, file -> id */
	struct hashmap *locations; /* program, address -> id; NOTHING where no line is to be shown */
	uint64_t string_cnt, function_cnt, location_cnt, program_cnt;
	struct pprof_program program;
	bool failed;
};

#define NOTHING UINTPTR_MAX

static void remember(struct pprof *p, struct hashmap *table, uint64_t key, uintptr_t value)
{
	if (hashmap_add(table, key, (void *)value))
		p->failed = true;
}

/* Index of a string in the table. */
static uint64_t string(struct pprof *p, const char *s)
{
	size_t len = strlen(s);
	uint64_t hash = hash_bytes(s, len, 1);
	struct text *t;

	for (; (t = hashmap_find(p->strings, hash)); hash++)
		if (!strcmp(t->text, s))
			return t->index;
	t = malloc(sizeof(*t) + len + 1);
	if (!t || hashmap_add(p->strings, hash, t)) {
		free(t);
		p->failed = true;
		return 0;
	}
	t->index = p->string_cnt++;
	memcpy(t->text, s, len + 1);
	pb_text(&p->out, PROFILE_STRING, s);
	return t->index;
}

static void value_type(struct pprof *p, uint32_t field)
{
	uint64_t type = string(p, "goroutine"), unit = string(p, "count");
	size_t begin = pb_begin(&p->out, field);

	pb_uint(&p->out, VALUE_TYPE_TYPE, type);
	pb_uint(&p->out, VALUE_TYPE_UNIT, unit);
	pb_end(&p->out, begin);
}

int pprof_new(uint64_t time_unix_ns, struct pprof **ret)
{
	struct pprof *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	pb_init(&p->out);
	if (hashmap_new(TABLE_MAX, &p->strings) || hashmap_new(TABLE_MAX, &p->functions) ||
	    hashmap_new(TABLE_MAX, &p->locations)) {
		pprof_free(p);
		return -ENOMEM;
	}
	string(p, ""); /* number 0, by the format */
	value_type(p, PROFILE_SAMPLE_TYPE);
	value_type(p, PROFILE_PERIOD_TYPE);
	pb_uint(&p->out, PROFILE_PERIOD, 1);
	pb_uint(&p->out, PROFILE_TIME, time_unix_ns);
	*ret = p;
	return 0;
}

struct pprof *pprof_free(struct pprof *p)
{
	size_t pos = 0;
	uint64_t key;
	void *value;

	if (!p)
		return NULL;
	while (p->strings && hashmap_next(p->strings, &pos, &key, &value))
		free(value);
	hashmap_free(p->strings);
	hashmap_free(p->functions);
	hashmap_free(p->locations);
	pb_deinit(&p->out);
	free(p);
	return NULL;
}

void pprof_add_program(struct pprof *p, const struct pprof_program *program)
{
	uint64_t file = string(p, program->file), build_id = string(p, program->build_id);
	size_t begin;

	p->program = *program;
	begin = pb_begin(&p->out, PROFILE_MAPPING);
	pb_uint(&p->out, MAPPING_ID, ++p->program_cnt);
	pb_uint(&p->out, MAPPING_START, program->start);
	pb_uint(&p->out, MAPPING_LIMIT, program->limit);
	pb_uint(&p->out, MAPPING_OFFSET, program->offset);
	pb_uint(&p->out, MAPPING_FILE, file);
	pb_uint(&p->out, MAPPING_BUILD_ID, build_id);
	for (uint32_t has = MAPPING_HAS_FUNCTIONS; has <= MAPPING_HAS_INLINED; has++)
		pb_uint(&p->out, has, 1);
	pb_end(&p->out, begin);
}

static uint64_t function(struct pprof *p, const struct code_frame *f)
{
	uint64_t name = string(p, f->symbol), file = string(p, f->file), key = name << 32 | file;
	uintptr_t id = (uintptr_t)hashmap_find(p->functions, key);
	size_t begin;

	if (id)
		return id;
	id = ++p->function_cnt;
	remember(p, p->functions, key, id);
	begin = pb_begin(&p->out, PROFILE_FUNCTION);
	pb_uint(&p->out, FUNCTION_ID, id);
	pb_uint(&p->out, FUNCTION_NAME, name);
	pb_uint(&p->out, FUNCTION_SYSTEM_NAME, name);
	pb_uint(&p->out, FUNCTION_FILE, file);
	pb_end(&p->out, begin);
	return id;
}

/* Functions of the lines of pc that are shown; -1 when it has none to show, though it is known. */
static int lines_of(struct pprof *p, uint64_t pc, bool call, uint64_t *functions, int *lines)
{
	struct code_frame frames[LINES_MAX];
	int cnt = code_lines_find(p->program.lines, pc, call, frames, LINES_MAX), shown = 0;

	for (int i = 0; i < cnt; i++) {
		if (frames[i].wrapper)
			continue;
		functions[shown] = function(p, &frames[i]);
		lines[shown++] = frames[i].line;
	}
	return cnt && !shown ? -1 : shown;
}

static uintptr_t add_location(struct pprof *p, uint64_t pc, bool call)
{
	uint64_t functions[LINES_MAX];
	int lines[LINES_MAX], cnt = lines_of(p, pc, call, functions, lines);
	size_t begin, line;

	if (cnt < 0)
		return NOTHING;
	begin = pb_begin(&p->out, PROFILE_LOCATION);
	pb_uint(&p->out, LOCATION_ID, ++p->location_cnt);
	pb_uint(&p->out, LOCATION_MAPPING, p->program_cnt);
	pb_uint(&p->out, LOCATION_ADDRESS, pc + p->program.bias - call);
	for (int i = 0; i < cnt; i++) {
		line = pb_begin(&p->out, LOCATION_LINE);
		pb_uint(&p->out, LINE_FUNCTION, functions[i]);
		pb_int(&p->out, LINE_LINE, lines[i]);
		pb_end(&p->out, line);
	}
	pb_end(&p->out, begin);
	return p->location_cnt;
}

static uintptr_t location(struct pprof *p, uint64_t pc, bool call)
{
	uint64_t key = p->program_cnt << (PC_BITS + 1) | (uint64_t)call << PC_BITS | (pc & ((1ull << PC_BITS) - 1));
	uintptr_t id = (uintptr_t)hashmap_find(p->locations, key);

	if (id)
		return id;
	id = add_location(p, pc, call);
	remember(p, p->locations, key, id);
	return id;
}

/* A location that is an entry stands for a goroutine whose stack is not known. */
static bool is_entry(struct pprof *p, uint64_t pc)
{
	struct code_frame f;

	return code_lines_find(p->program.lines, pc, false, &f, 1) == 1 && f.entry == pc;
}

static void add_labels(struct pprof *p, const struct pprof_label *labels, const uint64_t *texts, int cnt)
{
	for (int i = 0; i < cnt; i++) {
		size_t begin;

		if (!*labels[i].text)
			continue;
		begin = pb_begin(&p->out, SAMPLE_LABEL);
		pb_uint(&p->out, LABEL_KEY, texts[2 * i]);
		pb_uint(&p->out, LABEL_TEXT, texts[2 * i + 1]);
		pb_end(&p->out, begin);
	}
}

void pprof_add_sample(struct pprof *p, const uint64_t *stack, int cnt, int64_t goroutines,
		      const struct pprof_label *labels, int label_cnt)
{
	uintptr_t *ids = malloc(((size_t)cnt + 1) * sizeof(*ids));
	uint64_t *texts = malloc(((size_t)label_cnt + 1) * 2 * sizeof(*texts));
	bool call = cnt != 1 || !is_entry(p, stack[0]);
	size_t begin;

	for (int i = 0; ids && i < cnt; i++)
		ids[i] = location(p, stack[i], call);
	for (int i = 0; texts && i < label_cnt; i++) {
		texts[2 * i] = string(p, labels[i].key);
		texts[2 * i + 1] = string(p, labels[i].text);
	}
	if (!ids || !texts) {
		p->failed = true;
	} else {
		begin = pb_begin(&p->out, PROFILE_SAMPLE);
		for (int i = 0; i < cnt; i++)
			if (ids[i] != NOTHING)
				pb_uint(&p->out, SAMPLE_LOCATION, ids[i]);
		pb_int(&p->out, SAMPLE_VALUE, goroutines);
		add_labels(p, labels, texts, label_cnt);
		pb_end(&p->out, begin);
	}
	free(ids);
	free(texts);
}

void pprof_add_comment(struct pprof *p, const char *text)
{
	pb_uint(&p->out, PROFILE_COMMENT, string(p, text));
}

static int open_partial(const char *path, char *partial, size_t sz)
{
	char dir[PATH_MAX], base[PATH_MAX];
	FILE *f;
	int fd;

	if (!str_copy(dir, sizeof(dir), path) || !str_copy(base, sizeof(base), path) ||
	    (size_t)snprintf(partial, sz, "%s/.%s.partial-%d", dirname(dir), basename(base), (int)getpid()) >= sz)
		return -ENAMETOOLONG;
	f = fopen(partial, "wxe");
	if (!f)
		return -errno;
	fd = dup(fileno(f)); /* the one that zlib closes */
	fclose(f);
	return fd < 0 ? -errno : fd;
}

static int compress_to(const struct pb *out, int fd)
{
	gzFile gz = gzdopen(fd, "wb");
	size_t done = 0;
	int err = 0;

	if (!gz) {
		close(fd);
		return -ENOMEM;
	}
	errno = 0;
	while (!err && done < out->len) {
		size_t n = out->len - done < 1u << 20 ? out->len - done : 1u << 20;

		if (gzwrite(gz, out->buf + done, (unsigned)n) != (int)n)
			err = errno ? -errno : -EIO;
		done += n;
	}
	if (gzclose(gz) != Z_OK && !err)
		err = errno ? -errno : -EIO;
	return err;
}

int pprof_write(struct pprof *p, const char *path, bool force, char *why)
{
	char partial[PATH_MAX + 64];
	struct stat st;
	int err, fd;

	if (p->failed || p->out.failed)
		return err_why(why, -ENOMEM, "cannot write %.100s: out of memory", path);
	if (!force && !stat(path, &st))
		return err_why(why, -EEXIST, "%.100s exists; --force overwrites it", path);
	fd = open_partial(path, partial, sizeof(partial));
	if (fd < 0)
		return err_why(why, fd, "cannot write %.100s: %s", path, strerror(-fd));
	err = compress_to(&p->out, fd);
	if (!err && rename(partial, path))
		err = -errno;
	if (err)
		unlink(partial);
	return err ? err_why(why, err, "cannot write %.100s: %s; nothing was kept", path, strerror(-err)) : 0;
}
