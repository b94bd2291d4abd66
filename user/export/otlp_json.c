/* SPDX-License-Identifier: BSD-2-Clause */
/* OTLP as JSON: not written by this version, so that opening says so before anything is recorded. */
#include <errno.h>

#include "export/exporter.h"

static int otlp_open(const struct exporter_cfg *cfg, struct exporter **ret)
{
	return -ENOTSUP;
}

static struct exporter *otlp_free(struct exporter *x)
{
	return NULL;
}

const struct exporter_ops otlp_json_exporter = {
	.name = "otlp",
	.extension = ".json",
	.open = otlp_open,
	.free = otlp_free,
};
