/* SPDX-License-Identifier: BSD-2-Clause */
/* The cache of executables. A file is known by device, inode, size and change time. Containers of one image see the
 * same file through different overlay mounts, with other device numbers: a new file with a known Go build id and size,
 * whose head and whose code around the probe sites are equal too, shares the entry, at the price of a few small reads.
 * Entries are handed out, so they stay; "no Go program" is only a number and a reason, and those answers overwrite each
 * other in a table of fixed size, so that a node that starts a million shell scripts does not fill the cache. */
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hashmap.h"
#include "base/str.h"
#include "symbols/binary.h"
#include "symbols/elf_image.h"
#include "symbols/go_binary.h"

#define NEGATIVE_CNT      2048 /* 480 KB */
#define ALIASES_PER_ENTRY 16   /* overlay mounts remembered for one content, on average */
#define HEAD_SZ           4096
#define CODE_SZ           32

struct file_id {
	uint64_t dev, ino, size, ctime_ns;
};

struct negative {
	struct file_id id;
	int outcome; /* 0 = slot is free */
	char why[WHY_SZ];
};

struct entry {
	struct entry *next;    /* owner's list */
	struct binary *binary; /* owned */
	int outcome;
	uint64_t content_key, fingerprint;
};

/* One known file. */
struct alias {
	struct alias *next; /* owner's list */
	struct file_id id;
	struct entry *entry;
};

struct binary_cache {
	size_t max_entries, entry_cnt;
	struct entry *entries;      /* owned list */
	struct alias *aliases;      /* owned list */
	struct hashmap *by_file;    /* hash of file_id -> alias; a collision only costs a second read */
	struct hashmap *by_content; /* content_key -> entry */
	struct negative *negatives; /* owned, NEGATIVE_CNT */
};

int binary_cache_new(size_t max_entries, struct binary_cache **ret)
{
	struct binary_cache *c = calloc(1, sizeof(*c));
	int err = -ENOMEM;

	if (!c)
		return -ENOMEM;
	c->max_entries = max_entries;
	c->negatives = calloc(NEGATIVE_CNT, sizeof(*c->negatives));
	if (c->negatives)
		err = hashmap_new(max_entries * ALIASES_PER_ENTRY, &c->by_file);
	if (!err)
		err = hashmap_new(max_entries, &c->by_content);
	if (err) {
		binary_cache_free(c);
		return err;
	}
	*ret = c;
	return 0;
}

struct binary_cache *binary_cache_free(struct binary_cache *c)
{
	if (!c)
		return NULL;
	while (c->aliases) {
		struct alias *a = c->aliases;

		c->aliases = a->next;
		free(a);
	}
	while (c->entries) {
		struct entry *e = c->entries;

		c->entries = e->next;
		binary_free(e->binary);
		free(e);
	}
	hashmap_free(c->by_file);
	hashmap_free(c->by_content);
	free(c->negatives);
	free(c);
	return NULL;
}

static int read_id(int fd, struct file_id *id)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	*id = (struct file_id){st.st_dev, st.st_ino, (uint64_t)st.st_size,
			       (uint64_t)st.st_ctim.tv_sec * NS_PER_SEC + (uint64_t)st.st_ctim.tv_nsec};
	return 0;
}

static uint64_t id_key(const struct file_id *id)
{
	return hash_bytes(id, sizeof(*id), 0);
}

static uint64_t content_key(const char *build_id, uint64_t size)
{
	return hash_bytes(build_id, strlen(build_id), size);
}

/* Hash of the bytes that matter most: the file's head and the code around the probe sites. */
static uint64_t fingerprint(struct elf_image *img, const struct binary *b)
{
	uint8_t buf[HEAD_SZ];
	size_t head = img->size < sizeof(buf) ? (size_t)img->size : sizeof(buf);
	uint64_t h = b->size;

	if (elf_image_read(img, 0, buf, head) == 0)
		h = hash_bytes(buf, head, h);
	for (int i = 0; i < GO_SITE_CNT; i++)
		if (b->sites[i].how != SITE_NONE && elf_image_read(img, b->sites[i].file_offset, buf, CODE_SZ) == 0)
			h = hash_bytes(buf, CODE_SZ, h);
	return h;
}

/* An entry with the content of the file behind fd, NULL if there is none. */
static struct entry *find_content(struct binary_cache *c, int fd, const struct file_id *id)
{
	struct entry *e = NULL;
	struct elf_image img;
	struct binary *b = calloc(1, sizeof(*b));

	if (b && elf_image_open(&img, fd, id->size, NULL) == 0) {
		go_binary_read_build_id(&img, b);
		if (b->build_id[0])
			e = hashmap_find(c->by_content, content_key(b->build_id, id->size));
		if (e && (strcmp(e->binary->build_id, b->build_id) != 0 || e->binary->size != id->size ||
			  fingerprint(&img, e->binary) != e->fingerprint))
			e = NULL;
		elf_image_close(&img);
	}
	free(b);
	return e;
}

static uint64_t take_fingerprint(int fd, const struct binary *b)
{
	struct elf_image img;
	uint64_t h = 0;

	if (elf_image_open(&img, fd, b->size, NULL) == 0)
		h = fingerprint(&img, b);
	elf_image_close(&img);
	return h;
}

/* Remembering a file is an optimisation: when it does not fit, the next look reads a little more. */
static void add_alias(struct binary_cache *c, const struct file_id *id, struct entry *e)
{
	struct alias *a = malloc(sizeof(*a));

	if (!a)
		return;
	*a = (struct alias){c->aliases, *id, e};
	if (hashmap_add(c->by_file, id_key(id), a) != 0) {
		free(a);
		return;
	}
	c->aliases = a;
}

static int add_entry(struct binary_cache *c, int fd, struct binary *b, int outcome, struct entry **ret)
{
	struct entry *e = malloc(sizeof(*e));

	if (!e)
		return -ENOMEM;
	*e = (struct entry){c->entries, b, outcome, content_key(b->build_id, b->size), take_fingerprint(fd, b)};
	if (b->build_id[0])
		hashmap_add(c->by_content, e->content_key,
			    e); /* -EEXIST: the first of its kind is the one that is shared */
	c->entries = e;
	c->entry_cnt++;
	*ret = e;
	return 0;
}

static struct negative *negative_slot(struct binary_cache *c, const struct file_id *id)
{
	return &c->negatives[id_key(id) % NEGATIVE_CNT];
}

static int read_new(struct binary_cache *c, int fd, const struct file_id *id, struct entry **ret, char *why)
{
	char reason[WHY_SZ] = "";
	struct binary *b;
	int err, add;

	err = binary_read(fd, &b, reason);
	err_why(why, 0, "%s", reason);
	if (err < 0)
		return err;
	if (err != 0 && err != BINARY_TOO_OLD) {
		struct negative *n = negative_slot(c, id);

		*n = (struct negative){.id = *id, .outcome = err};
		str_copy(n->why, sizeof(n->why), reason);
		return err;
	}
	if (c->entry_cnt >= c->max_entries) {
		binary_free(b);
		return err_why(why, -ENOSPC, "more than %zu different Go programs", c->max_entries);
	}
	add = add_entry(c, fd, b, err, ret);
	if (add) {
		binary_free(b);
		return err_why(why, add, "out of memory");
	}
	return err;
}

int binary_cache_get(struct binary_cache *c, int fd, const struct binary **ret, char *why)
{
	struct negative *n;
	struct entry *e = NULL;
	struct file_id id;
	struct alias *a;
	int err;

	err = read_id(fd, &id);
	if (err)
		return err_why(why, err, "cannot look at the executable");
	a = hashmap_find(c->by_file, id_key(&id));
	if (a && memcmp(&a->id, &id, sizeof(id)) == 0)
		e = a->entry;
	n = negative_slot(c, &id);
	if (!e && n->outcome && memcmp(&n->id, &id, sizeof(id)) == 0)
		return err_why(why, n->outcome, "%s", n->why);
	if (!e) {
		e = find_content(c, fd, &id);
		if (!e) {
			err = read_new(c, fd, &id, &e, why);
			if (err != 0 && err != BINARY_TOO_OLD)
				return err;
		}
		if (!a)
			add_alias(c, &id, e);
	}
	if (e->outcome == BINARY_TOO_OLD)
		err_why(why, 0, "%s is older than Go 1.18, the oldest supported version", e->binary->go_version);
	*ret = e->binary;
	return e->outcome;
}
