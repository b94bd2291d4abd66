/* SPDX-License-Identifier: BSD-2-Clause */
/* What this kernel and these privileges offer, found by trying, never by version. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct kernel_features {
	char release[64], machine[16];
	bool btf;               /* /sys/kernel/btf/vmlinux readable and parsable */
	bool bpf_allowed;       /* a trivial program loads */
	char bpf_why[WHY_SZ];   /* which capability is missing, or what else */
	bool ringbuf;
	bool uprobe_multi;      /* a multi link with cookies on our own executable works */
	bool uprobe_perf;       /* perf_event uprobe PMU (/sys/bus/event_source/devices/uprobe) */
	bool attach_cookie;     /* bpf_get_attach_cookie (5.15) */
	bool tp_btf;
	bool raw_tp_csd;        /* tracepoint csd_function_exit exists */
	bool iter_task_vma;
	bool task_storage;
	uint64_t sym_period_timer, sym_slack_timer, sym_csd_unthrottle; /* kallsyms; 0 unreadable or absent */
	char kallsyms_why[WHY_SZ];
	bool cap_bpf, cap_perfmon, cap_sys_ptrace, cap_dac_read_search, cap_syslog, cap_net_admin, cap_sys_admin;
	double uprobe_hit_ns;   /* calibrated cost of one emulated hit with an empty program; 0 not measured */
	char lockdown[24];      /* "none", "integrity", "confidentiality", "unknown" */
};

/* Cheap part (no load): capabilities, BTF, symbols. */
int kernel_features_read(struct kernel_features *f);
/* Tries what needs a load or an attach. */
int kernel_features_try(struct kernel_features *f);
