/* SPDX-License-Identifier: BSD-2-Clause */
/* Signal mem_oom: one raw tracepoint, and how this kernel names the victim there, which its BTF tells: the typedef
 * btf_trace_mark_victim is a pointer to a function (void *, struct task_struct *, uid_t) or (void *, int). */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "mem_oom.h"
#include "probes/kernel_btf.h"
#include "probes/signal.h"

#include "mem_oom.skel.h"

#define TRACEPOINT "mark_victim"
#define ARG_VICTIM 1 /* behind the tracepoint's private data */

/* An enum oom_victim_arg, or -ENOENT. */
static int victim_arg_in(const struct btf *btf)
{
	const struct btf_type *t = kernel_btf_tracepoint(btf, TRACEPOINT);
	__s32 id;

	if (!t || btf_vlen(t) <= ARG_VICTIM)
		return -ENOENT;
	id = btf__resolve_type(btf, btf_params(t)[ARG_VICTIM].type);
	t = id < 0 ? NULL : btf__type_by_id(btf, (__u32)id);
	return t && btf_is_ptr(t) ? OOM_VICTIM_TASK : OOM_VICTIM_PID;
}

static int read_victim_arg(const struct btf *btf, char *why)
{
	int arg;

	if (!btf)
		return err_why(why, -ENOTSUP, "cannot read the kernel's types");
	arg = victim_arg_in(btf);
	return arg < 0 ? err_why(why, -ENOTSUP, "the kernel has no tracepoint mark_victim") : arg;
}

static int oom_open(struct signal *s, const struct signal_env *env, char *why)
{
	struct mem_oom_bpf *skel;
	int arg;

	str_copy(s->state.mechanism, sizeof(s->state.mechanism), "raw_tp mark_victim");
	str_copy(s->state.note, sizeof(s->state.note), "every victim of the node");
	arg = read_victim_arg(env->btf, why);
	if (arg < 0)
		return arg;
	skel = mem_oom_bpf__open();
	if (!skel)
		return err_why(why, -errno, "cannot open the BPF object: %s", strerror(errno));
	s->skel = skel;
	s->skeleton = skel->skeleton;
	skel->rodata->agent_pidns_inum = env->pidns_inum;
	skel->rodata->page_bytes = (__u32)sysconf(_SC_PAGESIZE);
	skel->rodata->victim_arg = (__u32)arg;
	bpf_program__set_autoload(skel->progs.oom_signal_generate, arg == OOM_VICTIM_PID);
	return 0;
}

static int oom_attach(struct signal *s, const struct signal_env *env, char *why)
{
	int err = mem_oom_bpf__attach(s->skel);

	if (err)
		return err_why(why, err, "cannot attach to mark_victim: %s", strerror(-err));
	return 0;
}

static void oom_close(struct signal *s)
{
	mem_oom_bpf__destroy(s->skel);
}

const struct signal_ops mem_oom_ops = {
	.id = SIGNAL_MEM_OOM,
	.name = "mem_oom",
	.open = oom_open,
	.attach = oom_attach,
	.close = oom_close,
};
