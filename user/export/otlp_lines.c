/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of OTLP/JSON: a TracesData object each, as the OpenTelemetry Protocol File Exporter writes them
 * (https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/) and the Collector's otlpjsonfile receiver reads
 * them. A line holds up to BATCH_SPANS spans or what came within BATCH_NS of the events' own time, by resource. Ids are
 * hexadecimal, 64-bit integers strings, enums numbers: that is how OTLP's JSON differs from protobuf's. */
#include "export/otlp_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "export/otlp_write.h"

#define BATCH_SPANS    512
#define BATCH_NS       NS_PER_SEC
#define RESOURCES_MAX  512 /* kept between lines, 5 KB each */
#define CONTAINERS_MAX 65536

#define KIND_INTERNAL 1
#define STATUS_ERROR  2
#define FLAGS         0x101 /* sampled; parent and links are known not to be remote */

static void fail(struct otlp_lines *l, int err)
{
	l->err = l->err ? l->err : err;
}

void otlp_list_init(struct otlp_span_list *l)
{
	l->head = NULL;
	l->tail = &l->head;
	l->cnt = 0;
}

void otlp_list_add(struct otlp_span_list *l, struct otlp_span *s)
{
	s->next = NULL;
	*l->tail = s;
	l->tail = &s->next;
	l->cnt++;
}

struct otlp_span *otlp_list_pop(struct otlp_span_list *l)
{
	struct otlp_span *s = l->head;

	if (!s)
		return NULL;
	l->head = s->next;
	if (!l->head)
		l->tail = &l->head;
	l->cnt--;
	return s;
}

void otlp_span_free(struct otlp_lines *l, struct otlp_span *s)
{
	while (s->parts) {
		struct otlp_span *part = s->parts;

		s->parts = part->next;
		otlp_span_free(l, part);
	}
	s->resource->refs--;
	free(s->attributes);
	free(s->links);
	free(s);
}

/* splitmix64: https://prng.di.unimi.it/splitmix64.c. Never 0, which is no id. */
static uint64_t random_id(struct otlp_lines *l)
{
	uint64_t z = l->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	return z ? z : 1;
}

/* ---- resources ---- */

static uint64_t resource_key(const struct trace_event *e)
{
	uint64_t parts[3] = {0};

	if (e->process) {
		parts[0] = 1;
		parts[1] = (uint64_t)e->process->pid;
		parts[2] = e->process->start_unix_ns;
	} else {
		parts[1] = e->container_id;
		parts[2] = e->owner && e->owner->container_id[0];
	}
	return hash_bytes(parts, sizeof(parts), 0);
}

static bool is_further(struct otlp_lines *l, const struct trace_event *e)
{
	void *first, *pid = (void *)(intptr_t)e->pid;

	if (!e->process || !e->container_id || !pid)
		return false;
	first = hashmap_find(l->first_pids, e->container_id);
	if (!first)
		hashmap_add(l->first_pids, e->container_id, pid); /* where it fails, two may call themselves first */
	return first && first != pid;
}

static bool resource_same(const struct otlp_resource *r, const struct trace_event *e)
{
	static const struct owner nobody;

	return r->text.s.len && !r->text.s.failed &&
	       !memcmp(&r->owner, e->owner ? e->owner : &nobody, sizeof(r->owner)) &&
	       (!e->process || !memcmp(&r->process, e->process, sizeof(r->process)));
}

/* Names became known, or it is new. */
static void resource_describe(struct otlp_lines *l, struct otlp_resource *r, const struct trace_event *e)
{
	struct otlp_about about = {l->node_name, l->agent_version, e->owner, e->process, is_further(l, e)};

	if (e->owner)
		r->owner = *e->owner;
	if (e->process)
		r->process = *e->process;
	jw_clear(&r->text);
	otlp_resource(&r->text, NULL, &about);
	if (r->text.s.failed)
		fail(l, -ENOMEM);
}

static void resource_free(struct otlp_lines *l, struct otlp_resource *r)
{
	struct otlp_span *s;

	while ((s = otlp_list_pop(&r->waiting)))
		otlp_span_free(l, s);
	jw_deinit(&r->text);
	jw_deinit(&r->spans);
	free(r);
}

static struct otlp_resource *resource_of(struct otlp_lines *l, const struct trace_event *e)
{
	uint64_t key = resource_key(e);
	struct otlp_resource *r = hashmap_find(l->resources, key);

	if (!r) {
		r = calloc(1, sizeof(*r));
		if (!r || hashmap_add(l->resources, key, r)) {
			free(r);
			return NULL;
		}
		otlp_list_init(&r->waiting);
	}
	if (!resource_same(r, e))
		resource_describe(l, r, e);
	return r;
}

/* Between lines: those that nobody points to go when there are many. */
static void trim_resources(struct otlp_lines *l)
{
	struct hashmap *kept;
	uint64_t key;
	size_t pos = 0;
	void *value;

	if (hashmap_cnt(l->resources) <= RESOURCES_MAX || hashmap_new(SIZE_MAX, &kept))
		return;
	while (hashmap_next(l->resources, &pos, &key, &value))
		if (((struct otlp_resource *)value)->refs && hashmap_add(kept, key, value)) {
			hashmap_free(kept);
			return;
		}
	for (pos = 0; hashmap_next(l->resources, &pos, &key, &value);)
		if (!((struct otlp_resource *)value)->refs)
			resource_free(l, value);
	hashmap_free(l->resources);
	l->resources = kept;
}

/* ---- the line ---- */

void otlp_lines_write(struct otlp_lines *l)
{
	struct jw *w = &l->line;

	if (!l->batch)
		return;
	jw_clear(w);
	jw_begin(w, NULL, '{');
	jw_begin(w, "resourceSpans", '[');
	for (struct otlp_resource *r = l->batch; r; r = r->next) {
		jw_begin(w, NULL, '{');
		jw_begin(w, "resource", '{');
		jw_raw(w, "attributes", str_get(&r->text.s));
		jw_end(w, '}');
		jw_begin(w, "scopeSpans", '[');
		jw_begin(w, NULL, '{');
		jw_begin(w, "scope", '{');
		jw_text(w, "name", NAMES_SCOPE);
		jw_text(w, "version", l->agent_version);
		jw_end(w, '}');
		jw_begin(w, "spans", '[');
		jw_raw(w, NULL, str_get(&r->spans.s));
		jw_end(w, ']');
		jw_text(w, "schemaUrl", NAMES_SCHEMA_URL);
		jw_end(w, '}');
		jw_end(w, ']');
		jw_text(w, "schemaUrl", NAMES_SCHEMA_URL);
		jw_end(w, '}');
		w->s.failed |= r->spans.s.failed;
		jw_clear(&r->spans);
		r->span_cnt = 0;
	}
	jw_end(w, ']');
	jw_end(w, '}');
	str_add_n(&w->s, "\n", 1);
	l->batch = NULL;
	l->batch_tail = &l->batch;
	l->batch_cnt = 0;
	if (w->s.failed)
		fail(l, -ENOMEM);
	else if (!l->err && fwrite(w->s.buf, 1, w->s.len, l->file) != w->s.len)
		fail(l, errno ? -errno : -EIO);
	l->trim_due = true;
}

static void add_hex(struct jw *w, const char *key, const uint64_t *parts, int cnt)
{
	char buf[40] = "\"";

	for (int i = 0; i < cnt; i++)
		snprintf(buf + 1 + 16 * i, 17, "%016llx", (unsigned long long)parts[i]);
	strcat(buf, "\"");
	jw_raw(w, key, buf);
}

static void add_links(struct jw *w, const struct otlp_span *s)
{
	if (!s->link_cnt)
		return;
	jw_begin(w, "links", '[');
	for (unsigned int i = 0; i < s->link_cnt; i++) {
		jw_begin(w, NULL, '{');
		add_hex(w, "traceId", s->links[i].trace, 2);
		add_hex(w, "spanId", &s->links[i].span, 1);
		jw_int(w, "flags", FLAGS);
		jw_end(w, '}');
	}
	jw_end(w, ']');
	if (s->link_dropped)
		jw_int(w, "droppedLinksCount", s->link_dropped);
}

static void add_span(struct jw *w, const struct otlp_span *s)
{
	jw_begin(w, NULL, '{');
	add_hex(w, "traceId", s->id.trace, 2);
	add_hex(w, "spanId", &s->id.span, 1);
	if (s->parent)
		add_hex(w, "parentSpanId", &s->parent, 1);
	jw_int(w, "flags", FLAGS);
	jw_text(w, "name", trace_kind_name(s->kind));
	jw_int(w, "kind", KIND_INTERNAL);
	jw_unix_nano(w, "startTimeUnixNano", s->start_unix_ns);
	jw_unix_nano(w, "endTimeUnixNano", s->start_unix_ns + (s->end_ns - s->start_ns));
	jw_raw(w, "attributes", s->attributes);
	add_links(w, s);
	if (s->failed) {
		jw_begin(w, "status", '{');
		jw_int(w, "code", STATUS_ERROR);
		jw_end(w, '}');
	}
	jw_end(w, '}');
}

void otlp_lines_add(struct otlp_lines *l, const struct otlp_span *s, uint64_t now_ns)
{
	struct otlp_resource *r = s->resource;

	if (!r->span_cnt) {
		r->next = NULL;
		*l->batch_tail = r;
		l->batch_tail = &r->next;
	}
	if (!l->batch_cnt)
		l->batch_ns = now_ns;
	add_span(&r->spans, s);
	r->span_cnt++;
	if (++l->batch_cnt >= BATCH_SPANS)
		otlp_lines_write(l);
}

void otlp_lines_settle(struct otlp_lines *l, uint64_t now_ns)
{
	if (l->batch && now_ns >= l->batch_ns + BATCH_NS)
		otlp_lines_write(l);
	if (l->trim_due && !l->batch) {
		l->trim_due = false;
		trim_resources(l);
	}
}

/* ---- spans ---- */

/* 0: nobody's, which overlaps nothing. */
static uint64_t scope_of(const struct trace_event *e)
{
	if (e->owner && e->owner->pod_uid[0])
		return hash_bytes(e->owner->pod_uid, strlen(e->owner->pod_uid), 1);
	return e->container_id ? hash_bytes(&e->container_id, sizeof(e->container_id), 2) : 0;
}

int otlp_lines_span(struct otlp_lines *l, const struct trace_event *e, struct otlp_span **ret)
{
	uint64_t duration_ns = names_duration_ns(e);
	struct otlp_span *s = calloc(1, sizeof(*s));
	char error[NAMES_TEXT_SZ];
	struct jw w;

	jw_init(&w);
	otlp_attributes(&w, NULL, e);
	if (s)
		s->attributes = jw_take(&w);
	jw_deinit(&w);
	if (s && s->attributes)
		s->resource = resource_of(l, e);
	if (!s || !s->resource) {
		free(s ? s->attributes : NULL);
		free(s);
		return -ENOMEM;
	}
	s->resource->refs++;
	s->kind = e->kind;
	s->pid = e->pid;
	s->container_id = e->container_id;
	s->pod_wide = e->owner && !e->owner->container_id[0];
	s->scope = scope_of(e);
	s->end_ns = e->end_ns;
	s->start_ns = e->end_ns - duration_ns;
	s->start_unix_ns = e->start_unix_ns + e->duration_ns - duration_ns;
	s->failed = otlp_error(e, error);
	s->id = (struct otlp_span_id){{random_id(l), random_id(l)}, random_id(l)};
	*ret = s;
	return 0;
}

/* ---- life ---- */

static int seed(struct otlp_lines *l, uint64_t seed_)
{
	l->random = seed_;
	if (seed_ || getrandom(&l->random, sizeof(l->random), 0) == sizeof(l->random))
		return 0;
	return errno ? -errno : -EIO;
}

int otlp_lines_init(struct otlp_lines *l, const struct exporter_cfg *cfg)
{
	int err;

	memset(l, 0, sizeof(*l));
	l->file = cfg->file;
	l->batch_tail = &l->batch;
	l->node_name = strdup(cfg->node_name ? cfg->node_name : "");
	l->agent_version = strdup(cfg->agent_version ? cfg->agent_version : "");
	err = l->node_name && l->agent_version ? 0 : -ENOMEM;
	err = err ? err : hashmap_new(SIZE_MAX, &l->resources);
	err = err ? err : hashmap_new(CONTAINERS_MAX, &l->first_pids);
	return err ? err : seed(l, cfg->seed);
}

void otlp_lines_deinit(struct otlp_lines *l)
{
	uint64_t key;
	size_t pos = 0;
	void *value;

	while (l->resources && hashmap_next(l->resources, &pos, &key, &value))
		resource_free(l, value);
	hashmap_free(l->resources);
	hashmap_free(l->first_pids);
	jw_deinit(&l->line);
	free(l->node_name);
	free(l->agent_version);
}
