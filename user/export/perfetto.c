/* SPDX-License-Identifier: BSD-2-Clause */
/* Perfetto's trace format: not written by this version, so that opening says so before anything is recorded. */
#include <errno.h>

#include "export/exporter.h"

static int perfetto_open(const struct exporter_cfg *cfg, struct exporter **ret)
{
	return -ENOTSUP;
}

static struct exporter *perfetto_free(struct exporter *x)
{
	return NULL;
}

const struct exporter_ops perfetto_exporter = {
	.name = "perfetto",
	.extension = ".pftrace",
	.open = perfetto_open,
	.free = perfetto_free,
};
