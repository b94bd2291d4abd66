/* SPDX-License-Identifier: BSD-2-Clause */
/* goroutines TARGET: who created them, where they are blocked, since when. */
#include "base/log.h"
#include "commands.h"

int command_goroutines(const struct options *opts)
{
	log_error("goroutines: not in this build");
	return EXIT_FAILED;
}
