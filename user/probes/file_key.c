/* SPDX-License-Identifier: BSD-2-Clause */
/* Two containers of one image show the same executable under different devices, and a uprobe on either fires in both
 * (facts/attach.md 3). The inode that counts is read from the process's own mapping by a task_vma iterator, limited to
 * one thread: that limit came with Linux 6.1, and without it every mapping of the node would be walked, so before 6.1
 * the key is (inode number, size, build id), which is the same for all copies of one lower file. */
#include "probes/file_key.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "file_key.skel.h"
#include "file_key_record.h"
#include "symbols/elf_image.h"
#include "symbols/go_binary.h"

struct file_key_reader {
	struct file_key_bpf *skel; /* owned */
};

/* The kernel's record for the main thread of pid (its number in our pid namespace); 0, -ENOENT, -errno. */
static int read_record(const struct file_key_reader *r, pid_t pid, struct file_key_record *ret)
{
	union bpf_iter_link_info info = {.task = {.tid = (uint32_t)pid}};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link = bpf_program__attach_iter(r->skel->progs.file_key, &opts);
	_cleanup_close_ int fd = -1;
	ssize_t n;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	bpf_link__destroy(link); /* the descriptor keeps it */
	if (fd < 0)
		return fd;
	n = read(fd, ret, sizeof(*ret));
	if (n < 0)
		return -errno;
	return n == sizeof(*ret) ? 0 : -ENOENT;
}

int file_key_reader_new(struct file_key_reader **ret, char *why)
{
	struct file_key_reader *r = calloc(1, sizeof(*r));
	struct file_key_record record;
	int err;

	if (!r)
		return err_why(why, -ENOMEM, "out of memory");
	r->skel = file_key_bpf__open_and_load();
	err = r->skel ? read_record(r, getpid(), &record) : -errno;
	if (err) {
		file_key_reader_free(r);
		return err_why(why, err, "no iterator over the mappings of one process: %s", strerror(-err));
	}
	*ret = r;
	return 0;
}

struct file_key_reader *file_key_reader_free(struct file_key_reader *r)
{
	if (r)
		file_key_bpf__destroy(r->skel);
	free(r);
	return NULL;
}

void file_key_get(struct file_key_reader *r, pid_t pid, const struct binary *b, struct file_key *ret)
{
	struct file_key_record record;
	int err = r ? read_record(r, pid, &record) : -ENOTSUP;

	if (!err && record.dev) {
		*ret = (struct file_key){.dev = record.dev, .ino = record.ino, .size = b->size};
		return;
	}
	if (r)
		log_debug("file_key: pid %d: no mapping of its executable: %s", pid, strerror(-err));
	*ret = (struct file_key){
		.ino = b->ino, .size = b->size, .build_id = hash_bytes(b->build_id, strlen(b->build_id), 0)};
}

bool file_key_equal(const struct file_key *a, const struct file_key *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->build_id == b->build_id;
}

bool file_key_has_sites_of(int fd, const struct binary *binary)
{
	struct binary *now = calloc(1, sizeof(*now));
	struct elf_image img;
	struct stat st;
	bool same = false;

	if (now && !fstat(fd, &st) && (uint64_t)st.st_size == binary->size &&
	    !elf_image_open(&img, fd, binary->size, NULL)) {
		go_binary_read_build_id(&img, now);
		same = !strcmp(now->build_id, binary->build_id);
		if (!binary->build_id[0])
			same = same && st.st_dev == binary->dev && st.st_ino == binary->ino;
		elf_image_close(&img);
	}
	free(now);
	return same;
}
