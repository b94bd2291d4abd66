/* SPDX-License-Identifier: BSD-2-Clause */
/* Is it Go, and which: build information, Go version, build id. */
#pragma once

#include "symbols/binary.h"
#include "symbols/elf_image.h"

/* Fills version, minor, patch, devel, build id, arch, main_path, module, module_version, cgo of *b.
 * 0, BINARY_TOO_OLD (filled as well), BINARY_NOT_GO, BINARY_UNSUPPORTED or -errno, explained in why. */
int go_binary_read(struct elf_image *img, struct binary *b, char *why);
/* Only the build id; "" stays if there is none. */
void go_binary_read_build_id(struct elf_image *img, struct binary *b);
/* Reads "go1.22.5", "go1.27rc1", "devel go1.28-1a2b3c ...", "go1.24.3 X:boringcrypto" into go_minor, go_patch and
 * go_devel of *b; 0 or -EINVAL. */
int go_binary_parse_version(const char *version, struct binary *b);
