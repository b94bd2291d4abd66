/* SPDX-License-Identifier: BSD-2-Clause */
/* Ways to learn the names of a container from what runtimes and the kubelet leave on the node. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "pods/container.h"
#include "pods/owner.h"

/* What is asked: a container (or only a pod) by its path, and one process of it. */
struct pod_query {
	const char *root; /* borrowed */
	const struct container_ref *ref;
	pid_t pid; /* 0: no process of it is left */
};

/* What is known so far: sources fill only what is still empty. */
struct pod_names {
	char namespace_[OWNER_NAME_SZ], pod[OWNER_NAME_SZ], container[OWNER_NAME_SZ];
	char pod_uid[64];
	char runtime[16];
	bool sandbox; /* the pod's pause container */
	bool seen;    /* a runtime has this container, with or without a name */
};

struct pod_source {
	const char *name;
	const char *runtimes; /* asked when the path names one of these runtimes, or none; NULL: always */
	void (*fill)(const struct pod_query *q, struct pod_names *n);
};

extern const struct pod_source pod_source_containerd, pod_source_docker, pod_source_podman, pod_source_kubelet;

/* Asks the sources in turn. Returns true when the names are complete: namespace, pod and container of a pod, or the
 * name of a container outside Kubernetes. *ret is filled as far as known either way. */
bool pod_source_resolve(const struct pod_query *q, struct pod_names *ret);

/* containerd has a task of that namespace and id (cgroup path /NAMESPACE/ID, ids chosen by people). */
bool pod_source_containerd_has(const char *root, const char *namespace_, const char *id);

/* For the sources: a JSON file of at most 4 MB (NULL when absent or broken; the caller's), copies into empty fields
 * only, with everything but printable ASCII replaced, and the labels that every CRI runtime uses. */
json_t *pod_source_json(const char *root, const char *path);
const char *pod_source_text(const json_t *object, const char *key); /* NULL when absent or no string */
void pod_source_copy(char *dst, size_t sz, const char *src);        /* src may be NULL */
void pod_source_labels(const json_t *labels, struct pod_names *n);
