/* SPDX-License-Identifier: BSD-2-Clause */
/* Does what is known of a Go release hold for a program? */
#pragma once

#include "symbols/binary.h"

/* A release as it was published, perhaps with experiments that leave the runtime alone. */
bool release_is_plain(const struct binary *b);
/* Newer than `minor`, of any kind (development versions, release candidates), without experiments that matter. */
bool release_is_newer(const struct binary *b, int minor);
