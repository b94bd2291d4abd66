/* SPDX-License-Identifier: BSD-2-Clause */
/* Docker: config.v2.json of the container, with its name ("/web") and its labels; cri-dockerd writes the pod's names
 * there, and calls the pause container a "podsandbox". Known from Docker's documentation and sources, checked with
 * made-up files. */
#include "pods/pod_source.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

static const char *const data_roots[] = {"/var/lib/docker", "/var/snap/docker/common/var-lib-docker"};

static void take_config(const json_t *config, struct pod_names *n)
{
	const json_t *labels = json_object_get(json_object_get(config, "Config"), "Labels");
	const char *type = pod_source_text(labels, "io.kubernetes.docker.type");
	const char *name = pod_source_text(config, "Name");

	n->seen = true;
	n->sandbox |= type && !strcmp(type, "podsandbox");
	pod_source_copy(n->runtime, sizeof(n->runtime), "docker");
	pod_source_labels(labels, n);
	if (!n->pod[0] && !n->pod_uid[0])
		pod_source_copy(n->container, sizeof(n->container), name && name[0] == '/' ? name + 1 : name);
}

static void fill(const struct pod_query *q, struct pod_names *n)
{
	char path[PATH_MAX];
	json_t *config;

	if (strlen(q->ref->id) != CONTAINER_ID_LEN)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(data_roots); i++) {
		snprintf(path, sizeof(path), "%s/containers/%s/config.v2.json", data_roots[i], q->ref->id);
		config = pod_source_json(q->root, path);
		if (!config)
			continue;
		take_config(config, n);
		json_decref(config);
		return;
	}
}

const struct pod_source pod_source_docker = {"docker", "docker", fill};
