/* SPDX-License-Identifier: BSD-2-Clause */
/* A pause of the collector is two hits: stop and start before Go 1.22, from then on start and finish. Others are one,
 * a wait of an assist is where it began and where it ended. */
#include "events/event_hits.h"

#include <stdbool.h>

static bool is_of_collector(const struct event_gc_pause *e)
{
	return !(e->flags & PAUSE_FROM_REGISTERS) || e->reason == STW_GC_SWEEP_TERM || e->reason == STW_GC_MARK_TERM;
}

unsigned long long event_hits(const union event *e)
{
	switch (e->hdr.kind) {
	case EVENT_GC_PAUSE:
		return is_of_collector(&e->gc_pause) ? 2 : 1;
	case EVENT_GC_START:
	case EVENT_GC_MARK_END:
		return 1;
	case EVENT_GC_ASSIST:
		return 2;
	case EVENT_GC_ASSISTS:
		return e->gc_assists.cnt;
	default: /* EVENT_GC_DONE comes with the hit of the pause that follows */
		return 0;
	}
}
