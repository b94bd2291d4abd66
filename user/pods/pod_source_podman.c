/* SPDX-License-Identifier: BSD-2-Clause */
/* podman and CRI-O, which share containers/storage.
 *
 * CRI-O writes the pod's names as annotations into userdata/config.json. podman's config.json has no name (podman 4.3
 * even has an io.kubernetes.cri-o.Created annotation: it does not tell the two apart), but the storage's
 * containers.json lists id and names (newer versions: also volatile-containers.json, for `run --rm`). Rootless
 * containers and other storage roots lie elsewhere; there the monitor tells: conmon, parent of the container's first
 * process, has `-c ID` and `-n NAME` on its command line (podman 4.3.1, conmon 2.1.6). */
#include "pods/pod_source.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define PARENTS_MAX 32 /* levels between a process of a container and its monitor */
#define CMDLINE_SZ  16384

static const char *const roots[] = {"/run/containers/storage", "/var/lib/containers/storage"};
static const char *const drivers[] = {"overlay", "vfs", "btrfs", "zfs"};
static const char *const lists[] = {"containers.json", "volatile-containers.json"};

static bool fill_from_config(const struct pod_query *q, const char *folder, struct pod_names *n)
{
	char path[PATH_MAX];
	json_t *config;
	const json_t *a;
	const char *type;

	snprintf(path, sizeof(path), "%s/%s/userdata/config.json", folder, q->ref->id);
	config = pod_source_json(q->root, path);
	if (!config)
		return false;
	a = json_object_get(config, "annotations");
	type = pod_source_text(a, "io.kubernetes.cri-o.ContainerType");
	n->seen = true;
	n->sandbox |= type && !strcmp(type, "sandbox");
	pod_source_labels(a, n);
	if (type)
		pod_source_copy(n->runtime, sizeof(n->runtime), "cri-o");
	json_decref(config);
	return true;
}

static bool fill_from_list(const struct pod_query *q, const char *folder, const char *file, struct pod_names *n)
{
	char path[PATH_MAX];
	bool found = false;
	const char *id;
	json_t *list, *c;
	size_t i;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	list = pod_source_json(q->root, path);
	json_array_foreach(list, i, c)
	{
		id = pod_source_text(c, "id");
		if (!id || strcmp(id, q->ref->id))
			continue;
		n->seen = found = true;
		pod_source_copy(n->container, sizeof(n->container),
				json_string_value(json_array_get(json_object_get(c, "names"), 0)));
		break;
	}
	json_decref(list);
	return found;
}

static pid_t parent_of(const char *root, pid_t pid)
{
	char path[64], buf[1024], *s;
	int ppid;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (file_read(root, path, buf, sizeof(buf)) < 0 || !(s = strrchr(buf, ')')))
		return 0;
	return sscanf(s + 1, " %*c %d", &ppid) == 1 ? ppid : 0;
}

/* Value of an option among NUL separated arguments, NULL when it is not there. */
static const char *option(const char *args, size_t sz, const char *name)
{
	for (const char *a = args; a < args + sz; a += strlen(a) + 1)
		if (!strcmp(a, name) && a + strlen(a) + 1 < args + sz)
			return a + strlen(a) + 1;
	return NULL;
}

static void fill_from_monitor(const struct pod_query *q, struct pod_names *n)
{
	_cleanup_free_ char *args = malloc(CMDLINE_SZ);
	pid_t pid = q->pid;
	char path[64];

	for (int i = 0; args && i < PARENTS_MAX && pid > 1; i++) {
		const char *program, *id;
		ssize_t sz;

		pid = parent_of(q->root, pid);
		snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
		sz = pid > 0 ? file_read(q->root, path, args, CMDLINE_SZ) : 0;
		if (sz <= 0)
			continue;
		program = strrchr(args, '/') ? strrchr(args, '/') + 1 : args;
		id = option(args, (size_t)sz, "-c");
		if (strcmp(program, "conmon") || !id || strcmp(id, q->ref->id))
			continue;
		n->seen = true;
		pod_source_copy(n->container, sizeof(n->container), option(args, (size_t)sz, "-n"));
		return;
	}
}

static void fill(const struct pod_query *q, struct pod_names *n)
{
	bool config = false, listed = false;
	char folder[128];

	if (strlen(q->ref->id) != CONTAINER_ID_LEN)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(roots) * ARRAY_SIZE(drivers); i++) {
		snprintf(folder, sizeof(folder), "%s/%s-containers", roots[i / ARRAY_SIZE(drivers)],
			 drivers[i % ARRAY_SIZE(drivers)]);
		config = config || fill_from_config(q, folder, n);
		for (size_t k = 0; k < ARRAY_SIZE(lists) && !n->pod_uid[0] && !n->container[0] && !listed; k++)
			listed = fill_from_list(q, folder, lists[k], n);
	}
	if (!n->pod_uid[0] && !n->container[0])
		fill_from_monitor(q, n);
	if (n->seen && !n->pod_uid[0])
		pod_source_copy(n->runtime, sizeof(n->runtime), "podman");
}

const struct pod_source pod_source_podman = {"podman", "podman cri-o", fill};
