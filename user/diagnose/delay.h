/* SPDX-License-Identifier: BSD-2-Clause */
/* The longest of a container's delays, whatever its cause: the common unit of all rows. */
#pragma once

#include <stdbool.h>

#include "stats/snapshot.h"

struct delay {
	const char *column; /* as the table calls it: "THR", "RUNQ", "GOSCH", "STW", "RTT", "DNS"; NULL: no delay */
	double seconds;     /* 0 without a delay */
	bool known;         /* some source of delays worked, even if nothing happened */
};

struct delay delay_longest(const struct snapshot_container *c);
