/* SPDX-License-Identifier: BSD-2-Clause */
/* Options, then one command. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "commands.h"

int main(int argc, char **argv)
{
	static int (*const commands[])(const struct options *) = {[COMMAND_TOP] = command_top,
								  [COMMAND_LIST] = command_list,
								  [COMMAND_WHY] = command_why,
								  [COMMAND_TRACE] = command_trace,
								  [COMMAND_REPLAY] = command_replay,
								  [COMMAND_CHECK] = command_check,
								  [COMMAND_GCTRACE] = command_gctrace,
								  [COMMAND_SCHEDTRACE] = command_schedtrace,
								  [COMMAND_GOROUTINES] = command_goroutines,
								  [COMMAND_RUNTIME] = command_runtime};
	struct options opts;
	int err = options_parse(argc, argv, &opts);

	if (err == OPTIONS_EXIT)
		return fflush(stdout) ? EXIT_FAILED : EXIT_GOOD;
	if (err)
		return EXIT_USAGE;
	mallopt(M_ARENA_MAX, 1);  /* threads load objects and release links: no arenas of theirs that stay */
	signal(SIGPIPE, SIG_IGN); /* a reader that leaves is a normal end (output_failed()) */
	if (opts.quiet)
		log_set_level(LOG_LEVEL_ERROR);
	if (opts.verbose)
		log_set_level(LOG_LEVEL_DEBUG);
	return commands[opts.command](&opts);
}
