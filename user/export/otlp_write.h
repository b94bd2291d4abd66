/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of OTLP/JSON: attributes of a resource and of a span. Attributes with an empty value are left out. */
#pragma once

#include <stdbool.h>

#include "export/jw.h"
#include "export/names.h"
#include "stats/trace_event.h"

struct otlp_about {
	const char *node_name, *agent_version; /* borrowed */
	const struct owner *owner;             /* NULL: of nobody known */
	const struct record_process *process;  /* NULL: the resource is the container */
	bool further;                          /* not the first process of its container */
};

/* The list of attributes of a resource. */
void otlp_resource(struct jw *w, const char *key, const struct otlp_about *about);
/* The list of attributes of a span. */
void otlp_attributes(struct jw *w, const char *key, const struct trace_event *e);
/* error.type, or NULL: nothing failed. */
const char *otlp_error(const struct trace_event *e, char buf[static NAMES_TEXT_SZ]);
