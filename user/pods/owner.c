/* SPDX-License-Identifier: BSD-2-Clause */
/* How an owner is called in texts. An unattributed one shows the end of its cgroup path, ids shortened. */
#include <stdio.h>
#include <string.h>

#include "pods/container.h"
#include "pods/owner_index.h"

#define SHORT_UID 4
#define SHORT_ID  6

static void format_unattributed(const struct owner *o, char *buf, size_t sz)
{
	const char *path = o->cgroup_v2[1] ? o->cgroup_v2 : o->cgroup, *last = strrchr(path, '/');

	if (o->pod_uid[0] && o->container_id[0])
		snprintf(buf, sz, "unattributed ../pod%.*s…/%.*s", SHORT_UID, o->pod_uid, SHORT_ID, o->container_id);
	else if (o->pod_uid[0])
		snprintf(buf, sz, "unattributed ../pod%.*s…", SHORT_UID, o->pod_uid);
	else if (o->container_id[0])
		snprintf(buf, sz, "unattributed ../%.*s", SHORT_ID, o->container_id);
	else
		snprintf(buf, sz, "unattributed ..%s", last ? last : "");
}

void owner_format(const struct owner *o, char *buf, size_t sz)
{
	switch (o->kind) {
	case OWNER_POD:
		snprintf(buf, sz, "%s/%s%s%s", o->namespace_, o->pod, o->container[0] ? ":" : "", o->container);
		break;
	case OWNER_CONTAINER:
		snprintf(buf, sz, "%s/%s", o->runtime[0] ? o->runtime : "container", o->container);
		break;
	case OWNER_HOST:
		snprintf(buf, sz, "host/pid %d %s", (int)o->host_pid, o->host_comm);
		break;
	case OWNER_UNATTRIBUTED:
		format_unattributed(o, buf, sz);
		break;
	}
}
