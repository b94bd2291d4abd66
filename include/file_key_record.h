/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What bpf/file_key.bpf.c writes for a process: the file that the kernel has mapped as its program text. */
#pragma once
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

struct file_key_record {
	__u64 dev; /* super_block.s_dev */
	__u64 ino;
};
