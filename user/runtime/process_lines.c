/* SPDX-License-Identifier: BSD-2-Clause */
/* The executable is opened anew and may have been replaced since the binary was read: the size tells. */
#include "runtime/process_lines.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "procs/proc_info.h"

#define FRAMES_MAX 32

int process_lines_open(const char *root, const struct process *p, struct code_lines **ret, char *why)
{
	_cleanup_close_ int fd = proc_info_open_exe(root, p->pid);
	struct stat st;
	int err;

	if (fd < 0 || fstat(fd, &st))
		return err_why(why, fd < 0 ? fd : -errno, "cannot open its executable");
	if ((uint64_t)st.st_size != p->binary->size)
		return err_why(why, -ESRCH, "the process runs another program now");
	err = code_lines_open(fd, p->binary, ret, why);
	return err == -ENOENT ? CENSUS_NO_LAYOUT : err;
}

bool process_lines_site(struct code_lines *lines, uint64_t pc, bool blocked, struct code_frame *ret)
{
	struct code_frame frames[FRAMES_MAX];
	int cnt = pc ? code_lines_find(lines, pc, true, frames, FRAMES_MAX) : 0, first = cnt - 1;

	for (int i = cnt - 1; i >= 0; i--)
		if (!frames[i].wrapper && !(blocked && census_is_plumbing(frames[i].function)))
			first = i;
	if (cnt)
		*ret = frames[first];
	return cnt > 0;
}

bool process_lines_is_main(struct code_lines *lines, const struct census_group *g)
{
	const char *function = g->start_pc ? code_lines_function(lines, g->start_pc) : NULL;

	return function && !strcmp(function, "runtime.main");
}

uint64_t process_lines_created(struct code_lines *lines, const struct census_group *g)
{
	return process_lines_is_main(lines, g) ? 0 : g->created_pc;
}
