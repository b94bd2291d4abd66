/* SPDX-License-Identifier: BSD-2-Clause */
/* Shows snapshots as the command line asks for: the live view on a terminal, text blocks, or JSON lines. */
#pragma once

#include <stdbool.h>

#include "base/loop.h"
#include "options.h"
#include "view/view.h"

struct presenter;

struct presenter_cfg {
	const struct options *opts; /* borrowed */
	struct loop *loop;          /* borrowed; stopped when the person quits or the terminal is gone */
	const struct history *history;
	struct view_ops ops; /* quit is the presenter's own */
	bool replay;
};

/* True if the options and the terminal ask for the live view. */
bool presenter_is_live(const struct options *opts);
/* Messages are logged. 0 or -errno. */
int presenter_open(const struct presenter_cfg *cfg, struct presenter **ret);
/* s: in order of WHY; may be reordered. 0, -EPIPE: nobody reads any more, -errno. */
int presenter_show(struct presenter *p, struct snapshot *s);
void presenter_end_of_recording(struct presenter *p);
/* Gives the terminal back. NULL in, NULL out. */
struct presenter *presenter_close(struct presenter *p);
