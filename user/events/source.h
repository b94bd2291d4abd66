/* SPDX-License-Identifier: BSD-2-Clause */
/* Where events come from: the ring buffer now, a recording later. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "event.h"

/* Receives one checked event; valid only during the call. */
typedef void (*event_fn)(const union event *e, void *arg);

struct ring_source;

/* map_fd: ring buffer map, borrowed. */
int ring_source_new(int map_fd, event_fn fn, void *arg, struct ring_source **ret);
struct ring_source *ring_source_free(struct ring_source *s);
/* Drains at most max_events; number delivered, or -errno. Never blocks. */
int ring_source_drain(struct ring_source *s, unsigned int max_events);
/* Records refused by event_check since start (loss reason `invalid`). */
uint64_t ring_source_invalid(const struct ring_source *s);

/* events/event_check.c: size fits the kind, stamps and strings are sane. 0 or -EINVAL. */
int event_check(const void *data, uint64_t size);
/* Size of the whole record of a kind; 0: no such kind. */
uint16_t event_size(uint16_t kind);
