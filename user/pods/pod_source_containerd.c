/* SPDX-License-Identifier: BSD-2-Clause */
/* containerd: the OCI config.json in the state folder of a running task. Its annotations carry the pod's names
 * (containerd 1.6: all five read here; before 1.5 some are missing, the kubelet's traces then fill in). It is there
 * some 100 ms before the process (facts: kubernetes.md). Docker's containers are in namespace moby, without names. The
 * folders of k3s and microk8s are from their documentation, not tried. */
#include "pods/pod_source.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/str.h"

#define NAMESPACES_MAX 64

static const char *const state_folders[] = {
	"/run/containerd", "/run/k3s/containerd", "/var/snap/microk8s/common/run/containerd",
	"/run/docker/containerd/daemon", /* where docker starts a containerd of its own */
};

static bool safe_component(const char *s)
{
	return s[0] && s[0] != '.' && !strchr(s, '/');
}

static void take_annotations(const json_t *config, const char *namespace_, struct pod_names *n)
{
	const json_t *a = json_object_get(config, "annotations");
	const char *type = pod_source_text(a, "io.kubernetes.cri.container-type");

	n->seen = true;
	n->sandbox |= type && !strcmp(type, "sandbox");
	pod_source_copy(n->runtime, sizeof(n->runtime), strcmp(namespace_, "moby") ? "containerd" : "docker");
	pod_source_copy(n->container, sizeof(n->container), pod_source_text(a, "io.kubernetes.cri.container-name"));
	pod_source_copy(n->container, sizeof(n->container), pod_source_text(a, "nerdctl/name"));
	pod_source_copy(n->pod, sizeof(n->pod), pod_source_text(a, "io.kubernetes.cri.sandbox-name"));
	pod_source_copy(n->namespace_, sizeof(n->namespace_),
			pod_source_text(a, "io.kubernetes.cri.sandbox-namespace"));
	pod_source_copy(n->pod_uid, sizeof(n->pod_uid), pod_source_text(a, "io.kubernetes.cri.sandbox-uid"));
}

static bool fill_from_task(const char *root, const char *tasks, const char *namespace_, const char *id,
			   struct pod_names *n)
{
	char path[PATH_MAX];
	json_t *config;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s/%s/config.json", tasks, namespace_, id) >= sizeof(path))
		return false;
	config = pod_source_json(root, path);
	if (!config)
		return false;
	take_annotations(config, namespace_, n);
	json_decref(config);
	return true;
}

/* Looks through all namespaces of one state folder: k8s.io, default, moby, whatever ctr was told. */
static bool fill_from_folder(const struct pod_query *q, const char *state, struct pod_names *n)
{
	char tasks[PATH_MAX / 4], full[PATH_MAX];
	int left = NAMESPACES_MAX;
	bool found = false;
	DIR *d;

	snprintf(tasks, sizeof(tasks), "%s/io.containerd.runtime.v2.task", state);
	if ((size_t)snprintf(full, sizeof(full), "%s%s", q->root, tasks) >= sizeof(full) || !(d = opendir(full)))
		return false;
	for (struct dirent *e; !found && left && (e = readdir(d));) {
		if (!safe_component(e->d_name))
			continue;
		left--;
		found = fill_from_task(q->root, tasks, e->d_name, q->ref->id, n);
	}
	closedir(d);
	return found;
}

static void fill(const struct pod_query *q, struct pod_names *n)
{
	if (!safe_component(q->ref->id))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(state_folders); i++)
		if (fill_from_folder(q, state_folders[i], n))
			return;
}

bool pod_source_containerd_has(const char *root, const char *namespace_, const char *id)
{
	char path[PATH_MAX];
	struct stat st;

	if (!safe_component(namespace_) || !safe_component(id))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(state_folders); i++)
		if ((size_t)snprintf(path, sizeof(path), "%s%s/io.containerd.runtime.v2.task/%s/%s/config.json", root,
				     state_folders[i], namespace_, id) < sizeof(path) &&
		    !stat(path, &st))
			return true;
	return false;
}

const struct pod_source pod_source_containerd = {"containerd", "containerd docker", fill};
