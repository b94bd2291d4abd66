/* SPDX-License-Identifier: BSD-2-Clause */
/* go_assist: mark assists, on the links of go_gc's binaries. */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "symbols/binary.h"

struct link_set;
struct signal;

/* What can be seen of a binary's assists. */
enum assist_view {
	ASSIST_NOT_SEEN = 0,
	ASSIST_COUNTED = 1, /* work, but no waits: their end has no safe probe site */
	ASSIST_WHOLE = 2,   /* work and waits */
};

enum assist_view go_assist_view(const struct binary *b);
/* Adds the probes to the links of the binary at path. 0 with *ret, or -errno with why; ASSIST_NOT_SEEN is -ENOTSUP. */
int go_assist_attach_binary(struct signal *s, const struct binary *b, uint32_t index, const char *path,
			    struct link_set *links, enum assist_view *ret, char *why);
