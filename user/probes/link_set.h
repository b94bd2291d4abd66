/* SPDX-License-Identifier: BSD-2-Clause */
/* The links on one binary, of go_gc and of go_assist: one uprobe_multi link each, or one perf event a site. Released by
 * threads of their own, because detaching waits 30 to 100 ms for the kernel. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bpf_program;
struct write_guard;

#define LINK_SET_SITES_MAX 12

/* bpf_attach_type of the kernel; the libbpf that we build with may be older than 1.3, which knows it. */
#define ATTACH_TYPE_UPROBE_MULTI 48 /* BPF_TRACE_UPROBE_MULTI */

struct link_site {
	const struct bpf_program *prog; /* borrowed; the same at all sites of a multi link */
	uint64_t file_offset;
	uint64_t cookie; /* 0 = none */
};

struct link_set;

/* Attaches to all processes of the file. path: as the kernel will open it, e.g. /proc/self/fd/N. multi: the program was
 * loaded for multi links. 0, or -errno with why and nothing attached. */
int link_set_new(const char *path, const struct link_site *sites, size_t sites_cnt, bool multi, struct link_set **ret,
		 char *why);
/* As above, but where the kernel can (multi): only in this process. */
int link_set_new_for(const char *path, const struct link_site *sites, size_t sites_cnt, bool multi, uint32_t pid,
		     struct link_set **ret, char *why);
/* The links of another signal on the same file, which go with the set or before it; not while there are some. 0, or
 * -errno with why and nothing attached. */
int link_set_add_extra(struct link_set *s, const char *path, const struct link_site *sites, size_t sites_cnt,
		       bool multi, char *why);
/* Detaches these at once: blocks. */
void link_set_drop_extra(struct link_set *s);
/* Detaches at once: blocks. NULL in, NULL out. */
struct link_set *link_set_free(struct link_set *s);
/* Takes over a guard of the file; NULL: none. When it is called the links go, in its thread. */
void link_set_guard_consume(struct link_set *s, struct write_guard *guard);
bool link_set_is_guarded(const struct link_set *s);
/* The guard was called: no link is left. */
bool link_set_is_gone(const struct link_set *s);
/* Raw BPF_LINK_CREATE of one multi link; descriptor or -errno. pid 0: every process. */
int link_set_create_multi(int prog_fd, const char *path, const uint64_t *offsets, const uint64_t *cookies, uint32_t cnt,
			  uint32_t pid);

struct link_release;

/* The releasing threads, started when needed. */
int link_release_new(struct link_release **ret);
/* Takes the set; *done becomes true once its probes are gone (read with __atomic). done must outlive the release. */
void link_release_consume(struct link_release *r, struct link_set *s, bool *done);
/* Waits for everything taken. */
struct link_release *link_release_free(struct link_release *r);
