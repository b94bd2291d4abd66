// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The program of the calibration: what is left when it does nothing is the price of a uprobe hit itself. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

SEC("uprobe")
int uprobe_cost(struct pt_regs *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
