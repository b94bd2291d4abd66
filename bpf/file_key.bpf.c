// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The inode that uprobes of a process's executable hang on. Two overlay mounts of one image show different devices in
 * procfs, yet share the inode below, and a probe on either fires for both (facts/attach.md 3): only the mapping itself
 * tells. The executable's mapping is the one that holds mm->start_code. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include "file_key_record.h"

#define VM_EXEC 4ul

SEC("iter/task_vma")
int file_key(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *vma = ctx->vma;
	struct file_key_record record;
	struct inode *inode;
	__u64 code;

	if (!vma || !(BPF_CORE_READ(vma, vm_flags) & VM_EXEC))
		return 0;
	code = BPF_CORE_READ(vma, vm_mm, start_code);
	if (code < BPF_CORE_READ(vma, vm_start) || code >= BPF_CORE_READ(vma, vm_end))
		return 0;
	inode = BPF_CORE_READ(vma, vm_file, f_inode);
	if (!inode)
		return 0;
	record.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	record.ino = BPF_CORE_READ(inode, i_ino);
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
