/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks one source after the other until the names are complete; what the sources share.
 *
 * Names end in a terminal and in exports, and a container's owner can choose some of them: they are cut to their fields
 * and reduced to printable ASCII, which is more than Kubernetes and the runtimes allow in a name. */
#include "pods/pod_source.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#define JSON_MAX     (4u << 20) /* a pod's config.json has 10 to 20 KB */
#define SHORT_ID_LEN 12         /* as docker and podman print it */

static const struct pod_source *const sources[] = {
	&pod_source_containerd,
	&pod_source_docker,
	&pod_source_podman,
	&pod_source_kubelet,
};

json_t *pod_source_json(const char *root, const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t sz;

	if (file_read_alloc(root, path, JSON_MAX, &text, &sz))
		return NULL;
	return json_loadb(text, sz, 0, NULL);
}

const char *pod_source_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

void pod_source_copy(char *dst, size_t sz, const char *src)
{
	if (dst[0] || !src)
		return;
	str_copy(dst, sz, src);
	for (; *dst; dst++)
		if (*dst < 0x20 || *dst > 0x7e)
			*dst = '?';
}

void pod_source_labels(const json_t *labels, struct pod_names *n)
{
	pod_source_copy(n->namespace_, sizeof(n->namespace_), pod_source_text(labels, "io.kubernetes.pod.namespace"));
	pod_source_copy(n->pod, sizeof(n->pod), pod_source_text(labels, "io.kubernetes.pod.name"));
	pod_source_copy(n->pod_uid, sizeof(n->pod_uid), pod_source_text(labels, "io.kubernetes.pod.uid"));
	if (!n->sandbox) /* which some runtimes call "POD" */
		pod_source_copy(n->container, sizeof(n->container),
				pod_source_text(labels, "io.kubernetes.container.name"));
}

static bool complete(const struct pod_names *n)
{
	if (n->pod_uid[0] || n->pod[0])
		return n->pod[0] && n->namespace_[0] && (n->container[0] || n->sandbox);
	return n->container[0];
}

static bool concerns(const struct pod_source *s, const char *runtime)
{
	return !s->runtimes || !runtime[0] || strstr(s->runtimes, runtime);
}

bool pod_source_resolve(const struct pod_query *q, struct pod_names *ret)
{
	struct pod_names n = {0};

	str_copy(n.pod_uid, sizeof(n.pod_uid), q->ref->pod_uid);
	str_copy(n.runtime, sizeof(n.runtime), q->ref->runtime);
	for (size_t i = 0; i < ARRAY_SIZE(sources) && !complete(&n); i++)
		if (concerns(sources[i], q->ref->runtime))
			sources[i]->fill(q, &n);
	if (n.seen && !n.pod_uid[0] && !n.container[0])
		str_copy(n.container, strlen(q->ref->id) == CONTAINER_ID_LEN ? SHORT_ID_LEN + 1 : sizeof(n.container),
			 q->ref->id);
	*ret = n;
	return complete(&n);
}
