/* SPDX-License-Identifier: BSD-2-Clause */
/* A tracepoint NAME has a typedef btf_trace_NAME: typedef -> pointer -> function prototype. */
#include "probes/kernel_btf.h"

#include <bpf/btf.h>
#include <stdio.h>

const struct btf_type *kernel_btf_tracepoint(const struct btf *btf, const char *name)
{
	char type_name[64];
	const struct btf_type *t;
	int id;

	snprintf(type_name, sizeof(type_name), "btf_trace_%s", name);
	id = btf__find_by_name_kind(btf, type_name, BTF_KIND_TYPEDEF);
	if (id < 0)
		return NULL;
	t = btf__type_by_id(btf, btf__type_by_id(btf, (__u32)id)->type);
	t = t && btf_is_ptr(t) ? btf__type_by_id(btf, t->type) : NULL;
	return t && btf_is_func_proto(t) ? t : NULL;
}
