/* SPDX-License-Identifier: BSD-2-Clause */
/* Drains the ring buffer in bounded slices. Producers never wake us (a wake-up is paid by the traced thread: 15 us
 * against 1.4 us, facts/performance.md 0.3), so the loop's timer calls in. libbpf 1.1 has no bounded consume; it stops
 * when the callback fails, after having released that record, which bounds a slice just as well. */
#include "events/source.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

struct ring_source {
	struct ring_buffer *ring; /* owned */
	event_fn fn;
	void *arg;
	unsigned int room, done;
	uint64_t invalid;
};

static int on_record(void *arg, void *data, size_t size)
{
	struct ring_source *s = arg;

	if (event_check(data, size)) {
		s->invalid++;
	} else {
		s->fn(data, s->arg);
		s->done++;
	}
	return --s->room ? 0 : -EAGAIN;
}

int ring_source_new(int map_fd, event_fn fn, void *arg, struct ring_source **ret)
{
	struct ring_source *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->fn = fn;
	s->arg = arg;
	s->ring = ring_buffer__new(map_fd, on_record, s, NULL);
	if (!s->ring) {
		int err = -errno;

		free(s);
		return err;
	}
	*ret = s;
	return 0;
}

struct ring_source *ring_source_free(struct ring_source *s)
{
	if (s)
		ring_buffer__free(s->ring);
	free(s);
	return NULL;
}

int ring_source_drain(struct ring_source *s, unsigned int max_events)
{
	int err;

	s->room = max_events;
	s->done = 0;
	err = ring_buffer__consume(s->ring);
	return err < 0 && err != -EAGAIN ? err : (int)s->done;
}

uint64_t ring_source_invalid(const struct ring_source *s)
{
	return s->invalid;
}
