/* SPDX-License-Identifier: BSD-2-Clause */
/* Recognises containers by the components of a cgroup path (facts: kernel.md 3, kubernetes.md "Exact cgroup paths
 * seen").
 *
 * Runtimes differ in prefix and suffix around a 64-digit id, drivers in how the pod's uid is written, and a nested node
 * (kind) puts components in front. So nothing is anchored at the start of the path:
 *  - the last component that names a pod wins, as on a nested node only that one means something to its kubelet;
 *  - below it, or anywhere when there is no pod, the first component that is a container's is the container. What
 * follows belongs to it: CRI-O's child "container", a systemd or a container runtime that runs inside;
 *  - conmon's scopes carry the container's id but are the monitor, not the container.
 * A runtime with the cgroupfs driver that was handed a systemd path makes one component "slice:prefix:id" of it: the
 * colon separates like the slash. */
#include "pods/container.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

struct component {
	const char *s;
	size_t len;
};

static const struct {
	const char *prefix, *runtime;
} scopes[] = {
	{"cri-containerd-", "containerd"},
	{"nerdctl-", "containerd"},
	{"crio-", "cri-o"},
	{"docker-", "docker"},
	{"libpod-", "podman"},
	{"", ""},
};

/* The component in front of a bare id that tells the runtime. /default is what ctr and nerdctl use. */
static const struct {
	const char *name, *runtime;
} parents[] = {
	{"docker", "docker"},      {"cri-containerd", "containerd"}, {"crio", "cri-o"},  {"libpod_parent", "podman"},
	{"default", "containerd"}, {"nerdctl", "containerd"},        {"moby", "docker"}, {"libpod", "podman"},
};

static bool equals(struct component c, const char *s)
{
	return strlen(s) == c.len && !memcmp(c.s, s, c.len);
}

static bool next_component(const char **pos, struct component *c)
{
	const char *s = *pos;

	s += strspn(s, "/:");
	c->s = s;
	c->len = strcspn(s, "/:");
	*pos = s + c->len;
	return c->len > 0;
}

static size_t hex_run(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && (isdigit((unsigned char)s[n]) || (s[n] >= 'a' && s[n] <= 'f')))
		n++;
	return n;
}

/* 8-4-4-4-12 with dashes or underscores (systemd reads a dash as a level), or 32 digits (static pods). */
static bool parse_uid(const char *s, size_t len, char *uid)
{
	static const unsigned char groups[] = {8, 4, 4, 4, 12};
	size_t pos = 0;

	if (len == 32 && hex_run(s, len) == 32) {
		memcpy(uid, s, 32);
		uid[32] = 0;
		return true;
	}
	if (len != 36)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (hex_run(s + pos, groups[i]) != groups[i])
			return false;
		memcpy(uid + pos, s + pos, groups[i]);
		pos += groups[i];
		if (pos < len && s[pos] != '-' && s[pos] != '_')
			return false;
		uid[pos] = pos < len ? '-' : 0;
		pos++;
	}
	return true;
}

/* "podUID" (cgroupfs) or "...-podUID.slice" (systemd). */
static bool parse_pod(struct component c, char *uid)
{
	static const char suffix[] = ".slice";
	size_t len = c.len;

	if (len > 3 && !memcmp(c.s, "pod", 3) && parse_uid(c.s + 3, len - 3, uid))
		return true;
	if (len < sizeof(suffix) || memcmp(c.s + len - 6, suffix, 6))
		return false;
	len -= 6;
	for (size_t uid_len = 32; uid_len <= 36; uid_len += 4) {
		const char *at = c.s + len - uid_len;

		if (len >= uid_len + 4 && !memcmp(at - 4, "-pod", 4) && parse_uid(at, uid_len, uid))
			return true;
	}
	return false;
}

static bool parse_container(struct component c, struct component parent, struct container_ref *r)
{
	size_t i = 0, skip;

	while (strncmp(c.s, scopes[i].prefix, strlen(scopes[i].prefix)))
		i++;
	skip = strlen(scopes[i].prefix);
	if (c.len < skip + CONTAINER_ID_LEN || hex_run(c.s + skip, c.len - skip) != CONTAINER_ID_LEN)
		return false;
	if (c.len != skip + CONTAINER_ID_LEN &&
	    (c.len != skip + CONTAINER_ID_LEN + 6 || memcmp(c.s + skip + CONTAINER_ID_LEN, ".scope", 6)))
		return false;
	memcpy(r->id, c.s + skip, CONTAINER_ID_LEN);
	r->id[CONTAINER_ID_LEN] = 0;
	str_copy(r->runtime, sizeof(r->runtime), scopes[i].runtime);
	for (i = 0; !skip && i < ARRAY_SIZE(parents); i++)
		if (equals(parent, parents[i].name))
			str_copy(r->runtime, sizeof(r->runtime), parents[i].runtime);
	return true;
}

static bool is_conmon(struct component c)
{
	return (c.len > 12 && !memcmp(c.s, "crio-conmon-", 12)) || (c.len > 14 && !memcmp(c.s, "libpod-conmon-", 14));
}

/* A podman pod's own cgroup is /libpod_parent/ID-OF-POD with libpod-C64 below: one level further is the container. */
static void step_into_podman_pod(const char *path, const char *pos, struct component parent, struct container_ref *r)
{
	struct component c;

	if (!equals(parent, "libpod_parent") && strcmp(r->runtime, ""))
		return;
	if (next_component(&pos, &c) && c.len > 7 && !memcmp(c.s, "libpod-", 7) && parse_container(c, parent, r))
		r->len = (size_t)(c.s + c.len - path);
}

int container_parse(const char *path, struct container_ref *ret)
{
	struct container_ref r = {0};
	struct component c, parent = {"", 0};
	const char *pos = path;
	bool conmon = false;
	char uid[64];

	while (next_component(&pos, &c)) {
		if (parse_pod(c, uid)) {
			memset(&r, 0, sizeof(r));
			str_copy(r.pod_uid, sizeof(r.pod_uid), uid);
			r.len = (size_t)(c.s + c.len - path);
		} else if (!r.id[0] && parse_container(c, parent, &r)) {
			r.len = (size_t)(c.s + c.len - path);
			if (!r.pod_uid[0])
				step_into_podman_pod(path, pos, parent, &r);
		}
		conmon |= is_conmon(c);
		parent = c;
	}
	if (!r.id[0] && (!r.pod_uid[0] || conmon))
		return CONTAINER_NONE;
	*ret = r;
	return r.id[0] ? CONTAINER_FOUND : CONTAINER_POD;
}
