/* SPDX-License-Identifier: BSD-2-Clause */
/* Every path pattern of the facts, and what looks like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pods/container.h"
#include "unit/pods_tree.h"

struct row {
	const char *path;  /* up to and with the container's level ... */
	const char *below; /* ... and what is below */
	int outcome;
	const char *runtime, *id, *uid;
};

#define KPODS "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID36_ ".slice"
#define KIND  "/docker/" C64B "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice"

static const struct row rows[] = {
	/* kubelet, cgroupfs driver */
	{"/kubepods/pod" UID36 "/" C64A, "", CONTAINER_FOUND, "", C64A, UID36},
	{"/kubepods/burstable/pod" UID36 "/" C64A, "", CONTAINER_FOUND, "", C64A, UID36},
	{"/kubepods/besteffort/pod" UID36 "/" C64A, "", CONTAINER_FOUND, "", C64A, UID36},
	{"/kubepods/burstable/pod" UID32 "/" C64B, "", CONTAINER_FOUND, "", C64B, UID32},
	{"/kubepods/burstable/pod" UID36 "/crio-" C64A, "", CONTAINER_FOUND, "cri-o", C64A, UID36},
	/* kubelet, systemd driver */
	{"/kubepods.slice/kubepods-pod" UID36_ ".slice/cri-containerd-" C64A ".scope", "", CONTAINER_FOUND,
	 "containerd", C64A, UID36},
	{KPODS "/cri-containerd-" C64A ".scope", "", CONTAINER_FOUND, "containerd", C64A, UID36},
	{KPODS "/crio-" C64A ".scope", "", CONTAINER_FOUND, "cri-o", C64A, UID36},
	{KPODS "/crio-" C64A ".scope", "/container", CONTAINER_FOUND, "cri-o", C64A, UID36},
	{KPODS "/docker-" C64A ".scope", "", CONTAINER_FOUND, "docker", C64A, UID36},
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID32 ".slice/cri-containerd-" C64A ".scope",
	 "", CONTAINER_FOUND, "containerd", C64A, UID32},
	/* nested nodes */
	{"/sdtest" KPODS "/cri-containerd-" C64A ".scope", "", CONTAINER_FOUND, "containerd", C64A, UID36},
	{"/docker/" C64B "/kubelet/kubepods/burstable/pod" UID36 "/" C64A, "", CONTAINER_FOUND, "", C64A, UID36},
	{KIND "/kubelet-kubepods-besteffort-pod" UID36_ ".slice/cri-containerd-" C64A ".scope", "", CONTAINER_FOUND,
	 "containerd", C64A, UID36},
	{"/../../pod" UID36 "/" C64A, "", CONTAINER_FOUND, "", C64A, UID36},
	/* a cgroupfs driver that was handed a systemd path */
	{"/system.slice/containerd.service/kubepods-burstable-pod" UID36_ ".slice:cri-containerd:" C64A, "",
	 CONTAINER_FOUND, "containerd", C64A, UID36},
	/* what runs inside a container belongs to it */
	{KPODS "/cri-containerd-" C64A ".scope", "/system.slice/nginx.service", CONTAINER_FOUND, "containerd", C64A,
	 UID36},
	{"/kubepods/pod" UID36 "/" C64A, "/docker/" C64B, CONTAINER_FOUND, "", C64A, UID36},
	{"/docker/" C64A, "/init.scope", CONTAINER_FOUND, "docker", C64A, ""},
	{"/docker/" C64A, "/libpod_parent/libpod-" C64B, CONTAINER_FOUND, "docker", C64A, ""},
	/* outside Kubernetes */
	{"/docker/" C64A, "", CONTAINER_FOUND, "docker", C64A, ""},
	{"/system.slice/docker-" C64A ".scope", "", CONTAINER_FOUND, "docker", C64A, ""},
	{"/user.slice/user-1000.slice/user@1000.service/app.slice/docker-" C64A ".scope", "", CONTAINER_FOUND, "docker",
	 C64A, ""},
	{"/libpod_parent/libpod-" C64A, "", CONTAINER_FOUND, "podman", C64A, ""},
	{"/libpod_parent/" C64B "/libpod-" C64A, "", CONTAINER_FOUND, "podman", C64A, ""},
	{"/machine.slice/libpod-" C64A ".scope", "", CONTAINER_FOUND, "podman", C64A, ""},
	{"/machine.slice/libpod-" C64A ".scope", "/container", CONTAINER_FOUND, "podman", C64A, ""},
	{"/machine.slice/machine-libpod_pod_" C64B ".slice/libpod-" C64A ".scope", "", CONTAINER_FOUND, "podman", C64A,
	 ""},
	{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" C64A ".scope", "/container",
	 CONTAINER_FOUND, "podman", C64A, ""},
	{"/default/" C64A, "", CONTAINER_FOUND, "containerd", C64A, ""},
	{"/system.slice/nerdctl-" C64A ".scope", "", CONTAINER_FOUND, "containerd", C64A, ""},
	{"/custom/parent/" C64A, "", CONTAINER_FOUND, "", C64A, ""},
	/* a pod without a container */
	{"/kubepods/burstable/pod" UID36, "", CONTAINER_POD, "", "", UID36},
	{KPODS, "", CONTAINER_POD, "", "", UID36},
	{KPODS, "/helper", CONTAINER_POD, "", "", UID36},
	/* no containers */
	{KPODS "/crio-conmon-" C64A ".scope", "", CONTAINER_NONE, "", "", ""},
	{"/machine.slice/libpod-conmon-" C64A ".scope", "", CONTAINER_NONE, "", "", ""},
	{"/libpod_parent/conmon", "", CONTAINER_NONE, "", "", ""},
	{"/", "", CONTAINER_NONE, "", "", ""},
	{"", "", CONTAINER_NONE, "", "", ""},
	{"/..", "", CONTAINER_NONE, "", "", ""},
	{"/system.slice/kubelet.service", "", CONTAINER_NONE, "", "", ""},
	{"/kubepods.slice/kubepods-burstable.slice", "", CONTAINER_NONE, "", "", ""},
	{"/process_api/c18fed1f09bcae0d812ace6b648793ef", "", CONTAINER_NONE, "", "", ""},
	{"/docker/" C64A "0", "", CONTAINER_NONE, "", "", ""},
	{"/docker/" C64A ".scopes", "", CONTAINER_NONE, "", "", ""},
	{"/kubepods/podadc76fbc-4402-45fd-a94b-58f333c2713", "", CONTAINER_NONE, "", "", ""},
	{"/kubepods/podadc76fbc-440245fd--a94b-58f333c27135", "", CONTAINER_NONE, "", "", ""},
	{".slice", "", CONTAINER_NONE, "", "", ""},
	{"/pod.slice/-pod.slice", "", CONTAINER_NONE, "", "", ""},
};

static void patterns(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];
		struct container_ref ref = {0};
		char path[1024];
		int outcome;

		snprintf(path, sizeof(path), "%s%s", r->path, r->below);
		outcome = container_parse(path, &ref);
		if (outcome != r->outcome || strcmp(ref.runtime, r->runtime) || strcmp(ref.id, r->id) ||
		    strcmp(ref.pod_uid, r->uid) || (outcome != CONTAINER_NONE && ref.len != strlen(r->path)))
			fail_msg("%s: outcome %d runtime '%s' id '%s' uid '%s' len %zu", path, outcome, ref.runtime,
				 ref.id, ref.pod_uid, ref.len);
	}
}

/* Every cut of every path: nothing but the outcomes, nothing read beyond the end (under ASAN). */
static void truncated(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (size_t len = 0; len <= strlen(rows[i].path); len++) {
			char *cut = strndup(rows[i].path, len);
			struct container_ref ref;
			int outcome = container_parse(cut, &ref);

			assert_in_range(outcome, CONTAINER_FOUND, CONTAINER_NONE);
			if (outcome != CONTAINER_NONE)
				assert_true(ref.len <= len);
			free(cut);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(patterns), cmocka_unit_test(truncated)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
