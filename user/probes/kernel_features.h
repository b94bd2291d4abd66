/* SPDX-License-Identifier: BSD-2-Clause */
/* What this kernel and these privileges offer, found by trying, never by version. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct kernel_features {
	char release[64], machine[16];
	bool btf;             /* /sys/kernel/btf/vmlinux readable and parsable */
	bool bpf_allowed;     /* a trivial program loads */
	char bpf_why[WHY_SZ]; /* which capability is missing, or what else */
	bool ringbuf;
	bool uprobe_multi;  /* a multi link with cookies on our own executable works */
	bool uprobe_perf;   /* perf_event uprobe PMU (/sys/bus/event_source/devices/uprobe) */
	bool attach_cookie; /* bpf_get_attach_cookie (5.15) */
	bool tp_btf;
	bool raw_tp_csd; /* tracepoint csd_function_exit exists */
	bool iter_task_vma;
	bool task_storage;
	uint64_t sym_period_timer, sym_slack_timer, sym_csd_unthrottle; /* kallsyms; 0 unreadable or absent */
	char kallsyms_why[WHY_SZ];
	bool cap_bpf, cap_perfmon, cap_sys_ptrace, cap_dac_read_search, cap_syslog, cap_net_admin, cap_sys_admin;
	double uprobe_hit_ns; /* cost of one hit that ends in an event (probes/uprobe_cost.h); 0 not measured */
	char lockdown[24];    /* "none", "integrity", "confidentiality", "unknown" */
};

/* Cheap part (no load): capabilities, BTF, symbols. 0. */
int kernel_features_read(struct kernel_features *f);
/* Tries what needs a load, after kernel_features_read. 0; what is not there is false with its reason. */
int kernel_features_try(struct kernel_features *f);

/* Parts that tests feed with text of their own. */

/* Address of a function in text formatted like /proc/kallsyms; 0 if absent. Compilers' clones (NAME.cold) do not count,
 * renamings of a whole-program build (NAME.llvm.N, NAME.lto_priv.N) do. */
uint64_t kernel_features_find_symbol(const char *text, const char *name);
/* Bits of the line "CapEff:" in text formatted like /proc/self/status; 0 if absent. */
uint64_t kernel_features_parse_caps(const char *text);
