/* SPDX-License-Identifier: BSD-2-Clause */
/* A goroutine profile as `go tool pprof` reads it: profile.proto, compressed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "symbols/code_lines.h"

struct pprof;

/* A process whose goroutines are told. Everything is borrowed while samples of it are added. */
struct pprof_program {
	struct code_lines *lines;
	uint64_t bias;                 /* load address minus link address */
	uint64_t start, limit, offset; /* its code in memory, and where that begins in the file */
	const char *file, *build_id;
};

struct pprof_label {
	const char *key, *text; /* no label when the text is "" */
};

/* time_unix_ns: of the look. 0 or -ENOMEM. */
int pprof_new(uint64_t time_unix_ns, struct pprof **ret);
struct pprof *pprof_free(struct pprof *p);
/* The samples that follow are of that program. */
void pprof_add_program(struct pprof *p, const struct pprof_program *program);
/* So many goroutines with that stack: link addresses, innermost first, those behind calls. A stack of one address that
 * is a function's entry is a goroutine of which only its function is known. */
void pprof_add_sample(struct pprof *p, const uint64_t *stack, int cnt, int64_t goroutines,
		      const struct pprof_label *labels, int label_cnt);
void pprof_add_comment(struct pprof *p, const char *text);
/* Writes the file, whole or not at all; an existing one only with force. -EEXIST, -ENOMEM, -errno with why. */
int pprof_write(struct pprof *p, const char *path, bool force, char *why);
