/* SPDX-License-Identifier: BSD-2-Clause */
/* The exporter of events as JSON lines, and the owner that all objects have. An owner takes most of a line and hardly
 * ever changes, so its text is kept for each container and made again only when the owner differs. */
#include "export/jsonl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hashmap.h"
#include "export/exporter.h"
#include "export/jw.h"

#define OWNERS_MAX 1024 /* 3 KB each; containers of a node that come and go: the rest is written without memory */

struct known_owner {
	struct owner owner; /* what text was made from */
	struct jw text;
};

struct exporter {
	FILE *file; /* borrowed */
	struct hashmap *owners;
	struct jw line, owner; /* owner: of who is not in owners */
	char *nobody;          /* owned: the owner's object with nothing known */
	int err;               /* first error of writing */
};

void jsonl_owner(struct jw *w, const char *key, const struct owner *o)
{
	static const struct owner nobody;

	o = o ? o : &nobody;
	jw_begin(w, key, '{');
	jw_text(w, "namespace", o->namespace_);
	jw_text(w, "pod", o->pod);
	jw_text(w, "pod_uid", o->pod_uid);
	jw_text(w, "container", o->container);
	jw_text(w, "container_id", o->container_id);
	jw_text(w, "runtime", o->runtime);
	jw_begin(w, "workload", '{');
	jw_text(w, "kind", o->workload_kind);
	jw_text(w, "name", o->workload_name);
	jw_end(w, '}');
	jw_text(w, "cgroup", o->cgroup);
	jw_end(w, '}');
}

char *jsonl_event(const struct trace_event *e)
{
	struct jw w, owner;

	if (!jsonl_event_has(e->kind))
		return NULL;
	jw_init(&w);
	jw_init(&owner);
	jsonl_owner(&owner, NULL, e->owner);
	jsonl_event_add(&w, e, str_get(&owner.s));
	w.s.failed |= owner.s.failed;
	jw_deinit(&owner);
	return jw_take(&w);
}

static void forget_owners(struct exporter *x)
{
	uint64_t key;
	size_t pos = 0;
	void *value;

	while (x->owners && hashmap_next(x->owners, &pos, &key, &value)) {
		jw_deinit(&((struct known_owner *)value)->text);
		free(value);
	}
	x->owners = hashmap_free(x->owners);
}

/* Of a pod's own quota the model gives one of its containers, and an owner without a container. */
static struct known_owner *find_owner(struct exporter *x, const struct trace_event *e)
{
	uint64_t id = e->container_id | (e->owner->container_id[0] ? 0 : 1ull << 32);
	struct known_owner *k = hashmap_find(x->owners, id);

	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (k && hashmap_add(x->owners, id, k)) {
		free(k);
		return NULL;
	}
	return k;
}

static const char *owner_text(struct exporter *x, const struct trace_event *e)
{
	struct known_owner *k;

	if (!e->owner)
		return x->nobody;
	k = e->container_id ? find_owner(x, e) : NULL;
	if (!k) {
		jw_clear(&x->owner);
		jsonl_owner(&x->owner, NULL, e->owner);
		x->line.s.failed |= x->owner.s.failed;
		return str_get(&x->owner.s);
	}
	if (!k->text.s.len || k->text.s.failed || memcmp(&k->owner, e->owner, sizeof(k->owner))) {
		k->owner = *e->owner;
		jw_clear(&k->text);
		jsonl_owner(&k->text, NULL, e->owner);
		x->line.s.failed |= k->text.s.failed;
	}
	return str_get(&k->text.s);
}

static struct exporter *jsonl_free(struct exporter *x)
{
	if (!x)
		return NULL;
	forget_owners(x);
	jw_deinit(&x->line);
	jw_deinit(&x->owner);
	free(x->nobody);
	free(x);
	return NULL;
}

static int jsonl_open(const struct exporter_cfg *cfg, struct exporter **ret)
{
	struct exporter *x = calloc(1, sizeof(*x));
	struct jw nobody;

	if (!x)
		return -ENOMEM;
	x->file = cfg->file;
	jw_init(&nobody);
	jsonl_owner(&nobody, NULL, NULL);
	x->nobody = jw_take(&nobody);
	if (!x->nobody || hashmap_new(OWNERS_MAX, &x->owners)) {
		jsonl_free(x);
		return -ENOMEM;
	}
	*ret = x;
	return 0;
}

static int jsonl_put(struct exporter *x, const struct trace_event *e)
{
	if (x->err || !jsonl_event_has(e->kind))
		return x->err;
	jw_clear(&x->line);
	jsonl_event_add(&x->line, e, owner_text(x, e));
	str_add_n(&x->line.s, "\n", 1);
	if (x->line.s.failed)
		x->err = -ENOMEM;
	else if (fwrite(x->line.s.buf, 1, x->line.s.len, x->file) != x->line.s.len)
		x->err = errno ? -errno : -EIO;
	return x->err;
}

static int jsonl_flush(struct exporter *x)
{
	if (!x->err && fflush(x->file))
		x->err = errno ? -errno : -EIO;
	return x->err;
}

const struct exporter_ops jsonl_exporter = {
	.name = "jsonl",
	.extension = ".jsonl",
	.open = jsonl_open,
	.event = jsonl_put,
	.flush = jsonl_flush,
	.end = jsonl_flush,
	.free = jsonl_free,
};
