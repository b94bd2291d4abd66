/* SPDX-License-Identifier: BSD-2-Clause */
/* Name, category and debug annotations of an event in a Perfetto trace. */
#pragma once

#include "export/protobuf.h"
#include "stats/trace_event.h"

/* The kind's name, and all fields of its JSON line that are known and not told by time and track, under the same names.
 * 0 or -ENOMEM. */
int perfetto_details(struct pb *p, const struct trace_event *e);
/* One annotation; nothing for "". */
void perfetto_note_text(struct pb *p, const char *name, const char *value);
