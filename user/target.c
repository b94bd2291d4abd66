/* SPDX-License-Identifier: BSD-2-Clause */
/* TARGET grammar (screens.md 7): PID, pod, namespace/pod, namespace/pod:container, container name, container id
 * prefix; each part may be a glob. A name outside Kubernetes is that of the container, also as runtime/name. */
#include "target.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "pods/owner_index.h"

#define ID_PREFIX_MIN 6 /* shorter hexadecimal words are names */

bool target_is_glob(const struct options *opts)
{
	return opts->target && strpbrk(opts->target, "*?[");
}

static bool fits(const char *pattern, const char *name)
{
	return *name && !fnmatch(pattern, name, 0);
}

static bool is_id_prefix(const char *text, const char *id)
{
	size_t len = strlen(text);

	return len >= ID_PREFIX_MIN && strspn(text, "0123456789abcdef") == len && !strncmp(id, text, len);
}

static bool matches_slash(const char *left, const char *right, const struct owner *o)
{
	if (o->kind == OWNER_CONTAINER)
		return fits(left, o->runtime) && fits(right, o->container);
	return fits(left, o->namespace_) && fits(right, o->pod);
}

static bool matches_text(const char *text, const struct owner *o)
{
	char word[OWNER_NAME_SZ * 2], full[OWNER_NAME_SZ * 4];
	char *colon, *slash, host[40];

	if (!str_copy(word, sizeof(word), text))
		return false;
	owner_format(o, full, sizeof(full));
	if (o->kind == OWNER_HOST) { /* as lists print it, with or without the name behind it */
		snprintf(host, sizeof(host), "host/pid %d", (int)o->host_pid);
		if (!strcmp(word, host))
			return true;
	}
	if (fits(word, full) || is_id_prefix(word, o->container_id))
		return true;
	colon = strrchr(word, ':');
	if (colon) {
		*colon = 0;
		if (!fits(colon + 1, o->container))
			return false;
	}
	slash = strchr(word, '/');
	if (slash) {
		*slash = 0;
		return matches_slash(word, slash + 1, o);
	}
	return fits(word, o->pod) || (!colon && fits(word, o->container));
}

bool target_matches(const struct options *opts, const struct owner *o, const struct process *p)
{
	uint64_t pid;

	if (opts->pid && (!p || p->pid != opts->pid))
		return false;
	if (opts->namespace_ && (!o || !fits(opts->namespace_, o->namespace_)))
		return false;
	if (opts->container && (!o || !fits(opts->container, o->container)))
		return false;
	if (!opts->target)
		return true;
	if (p && !str_to_u64(opts->target, &pid))
		return pid == (uint64_t)p->pid;
	if (p && o && o->kind == OWNER_HOST && fits(opts->target, p->comm))
		return true;
	return o && matches_text(opts->target, o);
}

const char *target_text(const struct options *opts, char *buf, size_t sz)
{
	if (opts->target)
		snprintf(buf, sz, "'%s'", opts->target);
	else if (opts->pid)
		snprintf(buf, sz, "pid %d", (int)opts->pid);
	else if (opts->container)
		snprintf(buf, sz, "container '%s'", opts->container);
	else if (opts->namespace_)
		snprintf(buf, sz, "namespace '%s'", opts->namespace_);
	else
		snprintf(buf, sz, "everything");
	return buf;
}
