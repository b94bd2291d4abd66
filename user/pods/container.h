/* SPDX-License-Identifier: BSD-2-Clause */
/* From a cgroup path to the container that it belongs to: runtime, ids, and the level at which the container sits. */
#pragma once

#include <stddef.h>

#define CONTAINER_ID_LEN 64

/* Outcomes of container_parse(). */
enum {
	CONTAINER_FOUND = 0,
	CONTAINER_POD = 1,  /* a pod's cgroup, or something in it that is no container: only pod_uid is known */
	CONTAINER_NONE = 2, /* no container known by its path */
};

struct container_ref {
	char runtime[16]; /* "containerd", "cri-o", "docker", "podman"; "" when the path does not say */
	char id[80];      /* 64 hex digits; "" on CONTAINER_POD */
	char pod_uid[64]; /* with dashes, or 32 hex digits of a static pod; "" outside Kubernetes */
	size_t len;       /* bytes of the path up to and including the container's (or pod's) level */
};

/* path: one path of /proc/PID/cgroup. *ret is written on FOUND and POD. */
int container_parse(const char *path, struct container_ref *ret);
