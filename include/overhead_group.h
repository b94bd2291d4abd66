/* SPDX-License-Identifier: BSD-2-Clause */
/* What of us costs a watched process something, in groups that are switched off as a whole. */
#pragma once

/* Groups of probes by who may be switched off. */
enum overhead_group {
	OVERHEAD_GO_GC,     /* cold: stays */
	OVERHEAD_GO_ASSIST, /* optional, as the two below */
	OVERHEAD_CPU_SCHED, /* windows; of the hooks on context switches those of its own threads */
	OVERHEAD_GO_SCHED,  /* windows */
	OVERHEAD_GROUP_CNT,
};
