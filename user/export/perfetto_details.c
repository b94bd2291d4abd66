/* SPDX-License-Identifier: BSD-2-Clause */
/* Made from the event's JSON object, not from the event: so both formats have the same fields, names, units and clean
 * text, now and when a kind gets another field. The detour costs 1.5 us an event. */
#include "export/perfetto_details.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "export/jsonl.h"
#include "export/jw.h"
#include "export/pftrace.h"

enum {
	EVENT_DEBUG_ANNOTATIONS = 4,

	ANNOTATION_BOOL = 2,
	ANNOTATION_INT = 4,
	ANNOTATION_DOUBLE = 5,
	ANNOTATION_STRING = 6,
	ANNOTATION_NAME = 10,
	ANNOTATION_DICT = 11,
	ANNOTATION_ARRAY = 12,
};

static void add(struct pb *p, uint32_t field, const char *name, const json_t *v);

static void add_members(struct pb *p, uint32_t field, const json_t *o)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)o, key, v)
	{
		add(p, field, key, v);
	}
}

static void add_value(struct pb *p, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		add_members(p, ANNOTATION_DICT, v);
		break;
	case JSON_ARRAY:
		for (size_t i = 0; i < json_array_size(v); i++)
			add(p, ANNOTATION_ARRAY, NULL, json_array_get(v, i));
		break;
	case JSON_STRING:
		pb_text(p, ANNOTATION_STRING, json_string_value(v));
		break;
	case JSON_INTEGER:
		pb_int(p, ANNOTATION_INT, json_integer_value(v));
		break;
	case JSON_REAL:
		pb_double(p, ANNOTATION_DOUBLE, json_real_value(v));
		break;
	default:
		pb_uint(p, ANNOTATION_BOOL, json_is_true(v));
	}
}

static bool is_unknown(const json_t *v)
{
	const char *key;
	json_t *member;

	json_object_foreach((json_t *)v, key, member)
	{
		if (!is_unknown(member))
			return false;
	}
	return json_is_object(v) || json_is_null(v);
}

/* One annotation; nothing for what is unknown. */
static void add(struct pb *p, uint32_t field, const char *name, const json_t *v)
{
	size_t begin;

	if (is_unknown(v))
		return;
	begin = pb_begin(p, field);
	if (name)
		pb_text(p, ANNOTATION_NAME, name);
	add_value(p, v);
	pb_end(p, begin);
}

/* "gc" of "gc.pause" */
static void add_name(struct pb *p, const char *kind)
{
	char category[32];

	snprintf(category, sizeof(category), "%.*s", (int)strcspn(kind, "."), kind);
	pftrace_name(p, category, kind);
}

int perfetto_details(struct pb *p, const struct trace_event *e)
{
	json_t *o = NULL;
	struct jw w;

	if (e->kind == TRACE_SCHED_WINDOW)
		pftrace_name(p, "sched", "goroutine window");
	else
		add_name(p, trace_kind_name(e->kind));
	jw_init(&w);
	jw_begin(&w, NULL, '{');
	jsonl_event_fields(&w, e);
	jw_end(&w, '}');
	if (!w.s.failed)
		o = json_loads(str_get(&w.s), 0, NULL);
	jw_deinit(&w);
	if (!o)
		return -ENOMEM;
	add_members(p, EVENT_DEBUG_ANNOTATIONS, o);
	json_decref(o);
	return p->failed ? -ENOMEM : 0;
}

void perfetto_note_text(struct pb *p, const char *name, const char *value)
{
	size_t begin;

	if (!*value)
		return;
	begin = pb_begin(p, EVENT_DEBUG_ANNOTATIONS);
	pb_text(p, ANNOTATION_NAME, name);
	pb_text(p, ANNOTATION_STRING, value);
	pb_end(p, begin);
}
