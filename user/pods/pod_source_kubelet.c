/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kubelet leaves on the node, whatever the runtime, without asking anybody (facts: kubernetes.md "Files on the
 * node"):
 *  - /var/log/containers/POD_NAMESPACE_CONTAINER-C64.log, a link a container: all three names by the container's id;
 *  - /var/log/pods/NAMESPACE_POD_UID, a folder a pod: its names by the uid;
 *  - mountinfo of the process: .../pods/UID/containers/NAME/... is mounted on /dev/termination-log: the container's
 * name. Names hold no underscore, so the fields are certain. A container can only forge its own mountinfo, and only its
 * own name is taken from it, under the uid that its cgroup path has. */
#include "pods/pod_source.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define LOG_ENTRIES_MAX 20000
#define MOUNTINFO_MAX   (1u << 20)

/* Gives the first entry of a folder whose name ends in suffix; false when there is none. */
static bool find_entry(const char *root, const char *folder, const char *suffix, char *ret, size_t sz)
{
	int left = LOG_ENTRIES_MAX;
	char full[PATH_MAX];
	bool found = false;
	DIR *d;

	if ((size_t)snprintf(full, sizeof(full), "%s%s", root, folder) >= sizeof(full) || !(d = opendir(full)))
		return false;
	for (struct dirent *e; !found && left-- && (e = readdir(d));)
		found = str_ends(e->d_name, suffix) && str_copy(ret, sz, e->d_name);
	closedir(d);
	if (found)
		ret[strlen(ret) - strlen(suffix)] = 0;
	return found;
}

/* Cuts "a_b_c" at its underscores; true when there are exactly cnt fields, none empty. */
static bool cut_fields(char *s, char **fields, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		fields[i] = strsep(&s, "_");
		if (!fields[i] || !*fields[i])
			return false;
	}
	return !s;
}

static void fill_from_container_log(const struct pod_query *q, struct pod_names *n)
{
	char suffix[96], name[NAME_MAX + 1], *f[3];

	if (strlen(q->ref->id) != CONTAINER_ID_LEN)
		return;
	snprintf(suffix, sizeof(suffix), "-%s.log", q->ref->id);
	if (!find_entry(q->root, "/var/log/containers", suffix, name, sizeof(name)) || !cut_fields(name, f, 3))
		return;
	pod_source_copy(n->pod, sizeof(n->pod), f[0]);
	pod_source_copy(n->namespace_, sizeof(n->namespace_), f[1]);
	pod_source_copy(n->container, sizeof(n->container), f[2]);
}

static void fill_from_pod_log(const struct pod_query *q, struct pod_names *n)
{
	char suffix[80], name[NAME_MAX + 1], *f[2];

	snprintf(suffix, sizeof(suffix), "_%s", q->ref->pod_uid);
	if (!find_entry(q->root, "/var/log/pods", suffix, name, sizeof(name)) || !cut_fields(name, f, 2))
		return;
	pod_source_copy(n->namespace_, sizeof(n->namespace_), f[0]);
	pod_source_copy(n->pod, sizeof(n->pod), f[1]);
}

/* "... /var/lib/kubelet/pods/UID/containers/NAME/1a2b3c4d /dev/termination-log ..." */
static void take_mount(char *line, const char *marker, struct pod_names *n)
{
	char *name = strstr(line, marker), *end;

	if (!name || !strstr(name, " /dev/termination-log "))
		return;
	name += strlen(marker);
	end = name + strcspn(name, "/ ");
	if (*end != '/' || end == name)
		return;
	*end = 0;
	pod_source_copy(n->container, sizeof(n->container), name);
}

static void fill_from_mounts(const struct pod_query *q, struct pod_names *n)
{
	_cleanup_free_ char *text = NULL;
	char path[64], marker[96], *save = NULL;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)q->pid);
	snprintf(marker, sizeof(marker), "/pods/%s/containers/", q->ref->pod_uid);
	if (q->pid <= 0 || file_read_alloc(q->root, path, MOUNTINFO_MAX, &text, NULL))
		return;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		take_mount(line, marker, n);
}

static void fill(const struct pod_query *q, struct pod_names *n)
{
	if (!q->ref->pod_uid[0])
		return;
	fill_from_container_log(q, n);
	if (!n->pod[0] || !n->namespace_[0])
		fill_from_pod_log(q, n);
	if (!n->container[0])
		fill_from_mounts(q, n);
}

const struct pod_source pod_source_kubelet = {"kubelet", NULL, fill};
