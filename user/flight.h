/* SPDX-License-Identifier: BSD-2-Clause */
/* Key R: the last records in memory become a trace file. */
#pragma once

#include <stddef.h>

struct model;
struct record_ring;

/* Writes gopherscope-DATE.pftrace to the working directory. say: what to tell the person, the file or the error. */
void flight_write(const struct record_ring *ring, const struct model *now, char *say, size_t sz);
