/* SPDX-License-Identifier: BSD-2-Clause */
/* Identity of the file that the kernel runs for a process: the key of "already attached". */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "symbols/binary.h"

struct file_key {
	uint64_t dev, ino; /* of the inode that carries uprobes; dev 0: not from the kernel, then build_id counts */
	uint64_t size;
	uint64_t build_id; /* hash; 0 if dev is set */
};

struct file_key_reader;

/* Loads the iterator. 0, or an error with why: then keys come from inode number, size and build id. */
int file_key_reader_new(struct file_key_reader **ret, char *why);
struct file_key_reader *file_key_reader_free(struct file_key_reader *r);
/* Key of the executable of a process; r may be NULL. */
void file_key_get(struct file_key_reader *r, pid_t pid, const struct binary *b, struct file_key *ret);
/* The file behind fd is the one that the sites of `binary` were found in: by its build id, as another overlay mount
 * shows it under other numbers; and by its numbers where it has none. */
bool file_key_has_sites_of(int fd, const struct binary *binary);
bool file_key_equal(const struct file_key *a, const struct file_key *b);
