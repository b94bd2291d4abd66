/* SPDX-License-Identifier: BSD-2-Clause */
/* proc_watch: notices of exec and exit, and the process table kept clean in the kernel. Two tp_btf programs; without
 * kernel BTF for their tracepoints the session scans procfs instead. */
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "proc_watch.skel.h"
#include "probes/signal.h"

static int proc_watch_open(struct signal *s, const struct signal_env *env, char *why)
{
	struct proc_watch_bpf *skel;

	str_copy(s->state.mechanism, sizeof(s->state.mechanism), "tp_btf sched_process_exec, exit");
	if (!env->features->tp_btf)
		return err_why(why, -ENOTSUP,
			       "the kernel has no typed tracepoints; processes are found by scanning procfs");
	skel = proc_watch_bpf__open();
	if (!skel)
		return err_why(why, -errno, "cannot open the BPF object: %s", strerror(errno));
	skel->rodata->agent_pidns_inum = env->pidns_inum;
	s->skel = skel;
	s->skeleton = skel->skeleton;
	return 0;
}

static int proc_watch_attach(struct signal *s, const struct signal_env *env, char *why)
{
	int err = proc_watch_bpf__attach(s->skel);

	if (err)
		return err_why(why, err, "cannot attach to sched_process_exec and sched_process_exit: %s",
			       strerror(-err));
	return 0;
}

static void proc_watch_close(struct signal *s)
{
	proc_watch_bpf__destroy(s->skel);
}

const struct signal_ops proc_watch_ops = {
	.id = SIGNAL_PROC_WATCH,
	.name = "proc_watch",
	.open = proc_watch_open,
	.attach = proc_watch_attach,
	.close = proc_watch_close,
};
