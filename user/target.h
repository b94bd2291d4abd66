/* SPDX-License-Identifier: BSD-2-Clause */
/* TARGET of the command line: which processes and containers a command is about. */
#pragma once

#include <stdbool.h>

#include "options.h"
#include "pods/owner.h"
#include "procs/process.h"

/* True if owner o (may be NULL) and process p (may be NULL: any of the owner) fit the TARGET, -p, -n and -c of opts. */
bool target_matches(const struct options *opts, const struct owner *o, const struct process *p);
/* True if the TARGET is a pattern, for which several matches are meant. */
bool target_is_glob(const struct options *opts);
/* What the person wrote, for messages. */
const char *target_text(const struct options *opts, char *buf, size_t sz);
