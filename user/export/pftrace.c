/* SPDX-License-Identifier: BSD-2-Clause */
/* Field numbers and enums are those of Perfetto's protos/perfetto/trace (trace.proto, trace_packet.proto,
 * clock_snapshot.proto, track_event/track_event.proto, track_descriptor.proto, counter_descriptor.proto).
 *
 * The trace's own clock is CLOCK_MONOTONIC (primary_trace_clock), the clock of all our events. Without that Perfetto
 * converts everything to CLOCK_BOOTTIME, for which a recording that is replayed elsewhere has no value. */
#include "export/pftrace.h"

#include <errno.h>

#include "base/cleanup.h"

enum {
	TRACE_PACKET = 1,

	PACKET_CLOCK_SNAPSHOT = 6,
	PACKET_TIMESTAMP = 8,
	PACKET_SEQUENCE_ID = 10,
	PACKET_TRACK_EVENT = 11,
	PACKET_SEQUENCE_FLAGS = 13,
	PACKET_TIMESTAMP_CLOCK = 58,
	PACKET_TRACK_DESCRIPTOR = 60,

	SNAPSHOT_CLOCKS = 1,
	SNAPSHOT_PRIMARY = 2,
	CLOCK_ID = 1,
	CLOCK_TIMESTAMP = 2,

	TRACK_UUID = 1,
	TRACK_NAME = 2,
	TRACK_PARENT = 5,
	TRACK_COUNTER = 8,
	TRACK_CHILD_ORDERING = 11,
	TRACK_SIBLING_RANK = 12,
	ORDERING_EXPLICIT = 3,

	COUNTER_UNIT = 3,
	COUNTER_UNIT_NAME = 6,
	UNIT_COUNT = 2,
	UNIT_BYTES = 3,

	EVENT_TYPE = 9,
	EVENT_TRACK = 11,
	EVENT_CATEGORIES = 22,
	EVENT_NAME = 23,
	EVENT_COUNTER = 30,
	EVENT_COUNTER_REAL = 44,
	EVENT_FLOW = 47,
	EVENT_FLOW_ENDS = 48,
	TYPE_BEGIN = 1,
	TYPE_END = 2,
	TYPE_INSTANT = 3,
	TYPE_COUNTER = 4,

	CLOCK_REALTIME_ID = 1,
	CLOCK_MONOTONIC_ID = 3,
	STATE_CLEARED = 1,
	SEQUENCE = 1, /* all packets are of one writer */
};

void pftrace_init(struct pftrace *t, FILE *file)
{
	*t = (struct pftrace){.file = file};
	pb_init(&t->packet);
}

void pftrace_deinit(struct pftrace *t)
{
	pb_deinit(&t->packet);
}

static size_t packet_begin(struct pftrace *t)
{
	size_t begin;

	pb_clear(&t->packet);
	begin = pb_begin(&t->packet, TRACE_PACKET);
	pb_uint(&t->packet, PACKET_SEQUENCE_ID, SEQUENCE);
	if (!t->began)
		pb_uint(&t->packet, PACKET_SEQUENCE_FLAGS, STATE_CLEARED);
	t->began = true;
	return begin;
}

static void packet_end(struct pftrace *t, size_t begin)
{
	pb_end(&t->packet, begin);
	if (t->err)
		return;
	errno = 0;
	if (t->packet.failed)
		t->err = -ENOMEM;
	else if (fwrite(t->packet.buf, 1, t->packet.len, t->file) != t->packet.len)
		t->err = errno ? -errno : -EIO;
}

static void add_clock(struct pb *p, unsigned int id, uint64_t ns)
{
	size_t begin = pb_begin(p, SNAPSHOT_CLOCKS);

	pb_uint(p, CLOCK_ID, id);
	pb_uint(p, CLOCK_TIMESTAMP, ns);
	pb_end(p, begin);
}

void pftrace_clocks(struct pftrace *t, uint64_t mono_ns, uint64_t unix_ns)
{
	size_t packet = packet_begin(t), snapshot = pb_begin(&t->packet, PACKET_CLOCK_SNAPSHOT);

	add_clock(&t->packet, CLOCK_MONOTONIC_ID, mono_ns);
	add_clock(&t->packet, CLOCK_REALTIME_ID, unix_ns);
	pb_uint(&t->packet, SNAPSHOT_PRIMARY, CLOCK_MONOTONIC_ID);
	pb_end(&t->packet, snapshot);
	packet_end(t, packet);
}

static void add_unit(struct pb *p, enum pftrace_unit unit)
{
	size_t begin = pb_begin(p, TRACK_COUNTER);

	if (unit == PFTRACE_CPUS)
		pb_text(p, COUNTER_UNIT_NAME, "CPUs");
	else
		pb_uint(p, COUNTER_UNIT, unit == PFTRACE_BYTES ? UNIT_BYTES : UNIT_COUNT);
	pb_end(p, begin);
}

static uint64_t add_track(struct pftrace *t, uint64_t parent, const char *name, int rank, const enum pftrace_unit *unit)
{
	size_t packet = packet_begin(t), track = pb_begin(&t->packet, PACKET_TRACK_DESCRIPTOR);

	t->uuid++;
	pb_uint(&t->packet, TRACK_UUID, t->uuid);
	if (parent)
		pb_uint(&t->packet, TRACK_PARENT, parent);
	pb_text(&t->packet, TRACK_NAME, name);
	pb_int(&t->packet, TRACK_SIBLING_RANK, rank);
	if (unit)
		add_unit(&t->packet, *unit);
	else
		pb_uint(&t->packet, TRACK_CHILD_ORDERING, ORDERING_EXPLICIT);
	pb_end(&t->packet, track);
	packet_end(t, packet);
	return t->uuid;
}

uint64_t pftrace_track(struct pftrace *t, uint64_t parent, const char *name, int rank)
{
	return add_track(t, parent, name, rank, NULL);
}

uint64_t pftrace_counter_track(struct pftrace *t, uint64_t parent, const char *name, int rank, enum pftrace_unit unit)
{
	return add_track(t, parent, name, rank, &unit);
}

void pftrace_name(struct pb *p, const char *category, const char *name)
{
	pb_text(p, EVENT_CATEGORIES, category);
	pb_text(p, EVENT_NAME, name);
}

void pftrace_flow(struct pb *p, uint64_t id, bool ends)
{
	pb_fixed64(p, ends ? EVENT_FLOW_ENDS : EVENT_FLOW, id);
}

/* Begins packet and event; *event is to be ended before the packet. */
static size_t event_begin(struct pftrace *t, uint64_t track, uint64_t ns, unsigned int type, size_t *event)
{
	size_t packet = packet_begin(t);

	pb_uint(&t->packet, PACKET_TIMESTAMP, ns);
	pb_uint(&t->packet, PACKET_TIMESTAMP_CLOCK, CLOCK_MONOTONIC_ID);
	*event = pb_begin(&t->packet, PACKET_TRACK_EVENT);
	pb_uint(&t->packet, EVENT_TYPE, type);
	pb_uint(&t->packet, EVENT_TRACK, track);
	return packet;
}

static void add_event(struct pftrace *t, uint64_t track, uint64_t ns, unsigned int type, const void *details, size_t sz)
{
	size_t event, packet = event_begin(t, track, ns, type, &event);

	pb_raw(&t->packet, details, sz);
	pb_end(&t->packet, event);
	packet_end(t, packet);
}

void pftrace_begin(struct pftrace *t, uint64_t track, uint64_t ns, const void *details, size_t sz)
{
	add_event(t, track, ns, TYPE_BEGIN, details, sz);
}

void pftrace_end(struct pftrace *t, uint64_t track, uint64_t ns)
{
	add_event(t, track, ns, TYPE_END, NULL, 0);
}

void pftrace_instant(struct pftrace *t, uint64_t track, uint64_t ns, const void *details, size_t sz)
{
	add_event(t, track, ns, TYPE_INSTANT, details, sz);
}

void pftrace_count(struct pftrace *t, uint64_t track, uint64_t ns, int64_t value)
{
	size_t event, packet = event_begin(t, track, ns, TYPE_COUNTER, &event);

	pb_int(&t->packet, EVENT_COUNTER, value);
	pb_end(&t->packet, event);
	packet_end(t, packet);
}

void pftrace_count_real(struct pftrace *t, uint64_t track, uint64_t ns, double value)
{
	size_t event, packet = event_begin(t, track, ns, TYPE_COUNTER, &event);

	pb_double(&t->packet, EVENT_COUNTER_REAL, value);
	pb_end(&t->packet, event);
	packet_end(t, packet);
}
