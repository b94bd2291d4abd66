/* SPDX-License-Identifier: BSD-2-Clause */
/* gctrace TARGET: a line for each cycle, as GODEBUG=gctrace=1 prints it. */
#include "base/log.h"
#include "commands.h"

int command_gctrace(const struct options *opts)
{
	log_error("gctrace: not in this build");
	return EXIT_FAILED;
}
