/* SPDX-License-Identifier: BSD-2-Clause */
/* Who an event or a process belongs to: a pod's container, a container, a host process, or nobody known. Plain data. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum owner_kind {
	OWNER_POD,          /* a container of a Kubernetes pod, names known */
	OWNER_CONTAINER,    /* a container outside Kubernetes */
	OWNER_HOST,         /* no container: the process itself */
	OWNER_UNATTRIBUTED, /* a container or pod cgroup whose names are not known (yet) */
};

#define OWNER_NAME_SZ 256
#define OWNER_PATH_SZ 512

struct owner {
	enum owner_kind kind;
	char namespace_[OWNER_NAME_SZ]; /* "" unknown, in all of these */
	char pod[OWNER_NAME_SZ];
	char pod_uid[64];
	char container[OWNER_NAME_SZ];
	char container_id[80];
	char runtime[16]; /* "containerd", "cri-o", "docker", "podman", "" */
	char workload_kind[32], workload_name[OWNER_NAME_SZ];
	char cgroup[OWNER_PATH_SZ];        /* path in the cpu controller's hierarchy, of the container's own level */
	char cgroup_v2[OWNER_PATH_SZ];     /* path in the unified hierarchy, "" if none */
	char cgroup_memory[OWNER_PATH_SZ]; /* path in the memory controller's hierarchy; "" unknown */
	uint64_t cpu_cgid, v2_cgid;        /* 0 unknown; cpu_cgid is of the nearest level that has the cpu controller */
	int32_t host_pid;                  /* OWNER_HOST: the process; else 0 */
	char host_comm[20];
	bool sandbox;           /* the pod's pause container */
	uint64_t first_seen_ns; /* CLOCK_MONOTONIC */
	uint64_t gone_ns;       /* when its last process left; 0 while alive */
	int refs;               /* processes that belong to it */
};
