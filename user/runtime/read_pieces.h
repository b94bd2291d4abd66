/* SPDX-License-Identifier: BSD-2-Clause */
/* Many places of another address space of which some may be gone. */
#pragma once

#include "runtime/memory.h"

/* Reads what can be read of the ranges; those that cannot get sz 0. 0, -ESRCH when the address space is gone, another
 * -errno when nothing could be read for a reason that is no address. */
int read_pieces(struct memory *m, struct memory_range *ranges, size_t cnt);
