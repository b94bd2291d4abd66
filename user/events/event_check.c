/* SPDX-License-Identifier: BSD-2-Clause */
/* Nothing behind this check sees a record whose size does not fit its kind or whose stamps run backwards. The kernel
 * side is ours, but a recording or a mismatched object may feed the same path. */
#include "events/source.h"

#include <errno.h>
#include <string.h>

static const struct {
	uint16_t size;
} kinds[] = {
	[EVENT_GC_START] = {sizeof(struct event_gc_start)},
	[EVENT_GC_MARK_END] = {sizeof(struct event_gc_mark_end)},
	[EVENT_GC_PAUSE] = {sizeof(struct event_gc_pause)},
	[EVENT_THROTTLE] = {sizeof(struct event_throttle)},
	[EVENT_THROTTLE_MISSED] = {sizeof(struct event_throttle_missed)},
	[EVENT_PROC_EXEC] = {sizeof(struct event_proc)},
	[EVENT_PROC_EXIT] = {sizeof(struct event_proc)},
};

static bool body_sane(const union event *e)
{
	switch (e->hdr.kind) {
	case EVENT_GC_PAUSE:
		return e->gc_pause.start_ns <= e->hdr.time_ns && e->gc_pause.text[STW_TEXT_SZ - 1] == 0;
	case EVENT_THROTTLE:
		return e->throttle.start_ns <= e->hdr.time_ns;
	case EVENT_THROTTLE_MISSED:
		return e->throttle_missed.start_ns <= e->hdr.time_ns;
	case EVENT_PROC_EXEC:
	case EVENT_PROC_EXIT:
		return memchr(e->proc.comm, 0, sizeof(e->proc.comm)) != NULL;
	default:
		return true;
	}
}

int event_check(const void *data, uint64_t size)
{
	const union event *e = data;

	if (size < sizeof(struct event_hdr) || e->hdr.size != size)
		return -EINVAL;
	if (e->hdr.kind >= sizeof(kinds) / sizeof(*kinds) || !kinds[e->hdr.kind].size ||
	    kinds[e->hdr.kind].size != size)
		return -EINVAL;
	return body_sane(e) ? 0 : -EINVAL;
}
