/* SPDX-License-Identifier: BSD-2-Clause */
/* What every trace format offers. An exporter gets the events of one run in order and writes one file. */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "stats/trace_event.h"

struct exporter;

struct exporter_cfg {
	FILE *file;            /* borrowed, stays open */
	const char *node_name; /* borrowed */
	const char *agent_version;
	uint64_t start_unix_ns;
	uint64_t span_min_ns[TRACE_KIND_CNT]; /* OTLP only: shorter spans are held back; 0: telemetry.md 7's defaults */
	bool all_spans;                       /* OTLP only: no thresholds */
	uint64_t seed;                        /* of random ids; 0: from the kernel. Same seed, same bytes (replay) */
};

/* All return 0 or the first -errno of writing. */
struct exporter_ops {
	const char *name;      /* "perfetto": --format */
	const char *extension; /* ".pftrace" */
	int (*open)(const struct exporter_cfg *cfg, struct exporter **ret);
	int (*event)(struct exporter *x, const struct trace_event *e);
	int (*flush)(struct exporter *x);                /* now and then; may be NULL */
	int (*end)(struct exporter *x);                  /* the rest, and what closes the file */
	struct exporter *(*free)(struct exporter *x);    /* NULL in, NULL out */
	uint64_t (*held_back)(const struct exporter *x); /* events below a threshold; may be NULL */
};

extern const struct exporter_ops jsonl_exporter, perfetto_exporter, otlp_json_exporter;

/* By --format name, or by the extension of a file name; NULL unknown. */
const struct exporter_ops *exporters_by_name(const char *name);
const struct exporter_ops *exporters_by_path(const char *path);
