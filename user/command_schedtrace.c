/* SPDX-License-Identifier: BSD-2-Clause */
/* schedtrace TARGET: a line an interval, as GODEBUG=schedtrace prints it. */
#include "base/log.h"
#include "commands.h"

int command_schedtrace(const struct options *opts)
{
	log_error("schedtrace: not in this build");
	return EXIT_FAILED;
}
