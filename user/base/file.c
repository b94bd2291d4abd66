/* SPDX-License-Identifier: BSD-2-Clause */
/* Small reads below a root folder. Files of procfs and cgroups report size 0, so everything is read until the end. A
 * path may lie where a container writes: a FIFO there must not stop the agent, nor a device give data without end
 * (open(2): O_NONBLOCK lets the open of a FIFO return at once). */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

static int join(char *buf, size_t sz, const char *root, const char *path)
{
	int n = snprintf(buf, sz, "%s%s", root, path);

	return n < 0 || (size_t)n >= sz ? -ENAMETOOLONG : 0;
}

int file_open(const char *root, const char *path)
{
	char full[PATH_MAX];
	int err = join(full, sizeof(full), root, path), fd;
	struct stat st;

	if (err)
		return err;
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	err = fstat(fd, &st) ? -errno : S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? 0 : -EINVAL;
	if (!err)
		return fd;
	close(fd);
	return err;
}

ssize_t file_read_fd(int fd, char *buf, size_t sz)
{
	size_t len = 0;

	while (len < sz - 1) {
		ssize_t n = pread(fd, buf + len, sz - 1 - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += (size_t)n;
	}
	buf[len] = 0;
	return (ssize_t)len;
}

ssize_t file_read(const char *root, const char *path, char *buf, size_t sz)
{
	_cleanup_close_ int fd = file_open(root, path);

	if (fd < 0)
		return fd;
	return file_read_fd(fd, buf, sz);
}

int file_read_alloc(const char *root, const char *path, size_t max_sz, char **ret, size_t *ret_sz)
{
	_cleanup_close_ int fd = file_open(root, path);
	_cleanup_free_ char *buf = NULL;
	size_t cap = 4096, len = 0;

	if (fd < 0)
		return fd;
	for (;;) {
		char *grown;
		ssize_t n;

		if (cap > max_sz + 1)
			cap = max_sz + 1; /* one byte more than allowed tells a file that is too large */
		grown = realloc(buf, cap + 1);
		if (!grown)
			return -ENOMEM;
		buf = grown;
		n = read(fd, buf + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (len > max_sz)
			return -EFBIG;
		if (!n)
			break;
		if (len == cap)
			cap *= 2;
	}
	buf[len] = 0;
	*ret = buf;
	buf = NULL;
	if (ret_sz)
		*ret_sz = len;
	return 0;
}

int file_read_u64(const char *root, const char *path, uint64_t *ret)
{
	char buf[64];
	ssize_t n = file_read(root, path, buf, sizeof(buf));

	if (n < 0)
		return (int)n;
	buf[strcspn(buf, " \t\n")] = 0;
	return str_to_u64(buf, ret) ? -EINVAL : 0;
}

int file_find_u64(const char *text, const char *key, uint64_t *ret)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		char *end;

		line += *line == '\n';
		if (strncmp(line, key, len) || (line[len] != ' ' && line[len] != '\t'))
			continue;
		*ret = strtoull(line + len, &end, 10);
		return end == line + len ? -ENOENT : 0;
	}
	return -ENOENT;
}

ssize_t file_readlink(const char *root, const char *path, char *buf, size_t sz)
{
	char full[PATH_MAX];
	int err = join(full, sizeof(full), root, path);
	ssize_t n;

	if (err)
		return err;
	n = readlink(full, buf, sz - 1);
	if (n < 0)
		return -errno;
	buf[n] = 0;
	return n;
}
