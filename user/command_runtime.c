/* SPDX-License-Identifier: BSD-2-Clause */
/* runtime TARGET: everything that the Go runtime keeps of itself. */
#include "base/log.h"
#include "commands.h"

int command_runtime(const struct options *opts)
{
	log_error("runtime: not in this build");
	return EXIT_FAILED;
}
