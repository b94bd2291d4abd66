/* SPDX-License-Identifier: BSD-2-Clause */
/* What signals ask of the kernel's type information. */
#pragma once

struct btf;
struct btf_type;

/* The function that a typed tracepoint calls: its parameters are a void * and the tracepoint's own arguments. NULL:
 * this kernel has no such tracepoint. */
const struct btf_type *kernel_btf_tracepoint(const struct btf *btf, const char *name);
