/* SPDX-License-Identifier: BSD-2-Clause */
/* Small reads of procfs, sysfs and cgroup files below a root folder ("" is the machine's own). */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens root + path read-only with O_CLOEXEC; a descriptor, -EINVAL if it is neither file nor folder, -errno. */
int file_open(const char *root, const char *path);
/* Reads at most sz - 1 bytes and terminates them; bytes read or -errno. */
ssize_t file_read(const char *root, const char *path, char *buf, size_t sz);
/* Same from offset 0 of an open descriptor (kept descriptors of cgroup files). */
ssize_t file_read_fd(int fd, char *buf, size_t sz);
/* Reads a whole file of at most max_sz bytes into heap memory, NUL terminated; 0, -EFBIG, -errno. *ret is the caller's.
 */
int file_read_alloc(const char *root, const char *path, size_t max_sz, char **ret, size_t *ret_sz);
/* A decimal number on the first line; 0, -EINVAL, -errno. */
int file_read_u64(const char *root, const char *path, uint64_t *ret);
/* Number after `key` and blanks at the start of a line of text, as in cpu.stat and memory.events; 0 or -ENOENT. */
int file_find_u64(const char *text, const char *key, uint64_t *ret);
/* Link target, NUL terminated; length or -errno. */
ssize_t file_readlink(const char *root, const char *path, char *buf, size_t sz);
