/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of trace formats. */
#include "export/exporter.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

static const struct exporter_ops *const exporters[] = {&perfetto_exporter, &jsonl_exporter, &otlp_json_exporter};

const struct exporter_ops *exporters_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(exporters); i++)
		if (!strcmp(name, exporters[i]->name))
			return exporters[i];
	return NULL;
}

const struct exporter_ops *exporters_by_path(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(exporters); i++)
		if (str_ends(path, exporters[i]->extension))
			return exporters[i];
	return NULL;
}
