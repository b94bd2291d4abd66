/* SPDX-License-Identifier: BSD-2-Clause */
/* Each metric has its kind and unit even where nothing is known: its points are then null. No points at all is what the
 * convention asks for where something is off: no memory limit, GOGC=off. */
#include "export/runtime_metrics.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"

void runtime_seconds_add(struct jw *w, const char *key, int64_t ns)
{
	uint64_t abs = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	char text[40];

	if (ns == SAMPLE_UNKNOWN) {
		jw_null(w, key);
		return;
	}
	snprintf(text, sizeof(text), "%s%" PRIu64 ".%09" PRIu64, ns < 0 ? "-" : "", (uint64_t)(abs / NS_PER_SEC),
		 (uint64_t)(abs % NS_PER_SEC));
	jw_raw(w, key, text);
}

static void begin_metric(struct jw *w, const char *name, const char *kind, const char *unit)
{
	jw_begin(w, name, '{');
	jw_text(w, "kind", kind);
	jw_text(w, "unit", unit);
}

static void begin_point(struct jw *w, const char *attribute, const char *attribute_value)
{
	jw_begin(w, NULL, '{');
	jw_begin(w, "attributes", '{');
	if (attribute)
		jw_text(w, attribute, attribute_value);
	jw_end(w, '}');
}

/* One point; none: v says that there is nothing to report. */
static void number(struct jw *w, const char *name, const char *kind, const char *unit, int64_t v, int64_t none)
{
	begin_metric(w, name, kind, unit);
	if (v == SAMPLE_UNKNOWN) {
		jw_null(w, "points");
	} else {
		jw_begin(w, "points", '[');
		if (v != none) {
			begin_point(w, NULL, NULL);
			jw_int(w, "value", v);
			jw_end(w, '}');
		}
		jw_end(w, ']');
	}
	jw_end(w, '}');
}

#define NO_NONE (SAMPLE_UNKNOWN + 1) /* each value is one */

static void int_point(struct jw *w, const char *attribute, const char *attribute_value, int64_t v)
{
	begin_point(w, attribute, attribute_value);
	jw_int(w, "value", v);
	jw_end(w, '}');
}

static void memory_used(struct jw *w, const struct runtime_sample *s)
{
	begin_metric(w, "go.memory.used", "updowncounter", "By");
	if (s->memory_total_bytes == SAMPLE_UNKNOWN || s->memory_released_bytes == SAMPLE_UNKNOWN ||
	    s->memory_stacks_bytes == SAMPLE_UNKNOWN) {
		jw_null(w, "points");
	} else {
		jw_begin(w, "points", '[');
		int_point(w, "go.memory.type", "stack", s->memory_stacks_bytes);
		int_point(w, "go.memory.type", "other",
			  s->memory_total_bytes - s->memory_released_bytes - s->memory_stacks_bytes);
		jw_end(w, ']');
	}
	jw_end(w, '}');
}

static void cpu_time(struct jw *w, const struct runtime_sample *s)
{
	static const struct {
		const char *state;
		enum runtime_cpu class;
	} rows[] = {{"user", RUNTIME_CPU_USER},
		    {"gc", RUNTIME_CPU_GC_TOTAL},
		    {"scavenge", RUNTIME_CPU_SCAVENGE_TOTAL},
		    {"idle", RUNTIME_CPU_IDLE}};
	bool known = true;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		known &= s->cpu_ns[rows[i].class] != SAMPLE_UNKNOWN;
	begin_metric(w, "go.cpu.time", "counter", "s");
	if (!known)
		jw_null(w, "points");
	else
		jw_begin(w, "points", '[');
	for (size_t i = 0; known && i < ARRAY_SIZE(rows); i++) {
		begin_point(w, "go.cpu.state", rows[i].state);
		runtime_seconds_add(w, "value", s->cpu_ns[rows[i].class]);
		jw_end(w, '}');
	}
	if (known)
		jw_end(w, ']');
	jw_end(w, '}');
}

/* Upper bounds 2^k ns, k = 14, 16 ... 32: edges of the runtime's buckets, so nothing is split. */
#define BOUND_CNT 10

static uint64_t bound(int i)
{
	return 1ull << (14 + 2 * i);
}

static void histogram_point(struct jw *w, const struct runtime_hist *h)
{
	uint64_t counts[BOUND_CNT + 1] = {h->underflow};

	counts[BOUND_CNT] = h->overflow;
	for (int i = 0, k = 0; i < h->buckets; i++) {
		while (k < BOUND_CNT && runtime_hist_low(h, i) >= bound(k))
			k++;
		counts[k] += h->counts[i];
	}
	begin_point(w, NULL, NULL);
	jw_int(w, "count", (int64_t)runtime_hist_total(h));
	jw_null(w, "sum"); /* the runtime keeps none */
	jw_begin(w, "bounds", '[');
	for (int i = 0; i < BOUND_CNT; i++)
		runtime_seconds_add(w, NULL, (int64_t)bound(i));
	jw_end(w, ']');
	jw_begin(w, "counts", '[');
	for (int i = 0; i <= BOUND_CNT; i++)
		jw_int(w, NULL, (int64_t)counts[i]);
	jw_end(w, ']');
	jw_end(w, '}');
}

static void histogram(struct jw *w, const char *name, const struct runtime_hist *h)
{
	begin_metric(w, name, "histogram", "s");
	if (!h->buckets) {
		jw_null(w, "points");
	} else {
		jw_begin(w, "points", '[');
		histogram_point(w, h);
		jw_end(w, ']');
	}
	jw_end(w, '}');
}

void runtime_metrics_add(struct jw *w, const struct runtime_detail *d)
{
	const struct runtime_sample *s = &d->sample;

	jw_begin(w, "metrics", '{');
	memory_used(w, s);
	number(w, "go.memory.limit", "updowncounter", "By", s->memory_limit_bytes, -1);
	number(w, "go.memory.allocated", "counter", "By", s->total_alloc_bytes, NO_NONE);
	number(w, "go.memory.allocations", "counter", "{allocation}", s->total_allocs, NO_NONE);
	number(w, "go.memory.gc.goal", "updowncounter", "By", s->heap_goal_bytes, -1);
	number(w, "go.memory.gc.cycles", "counter", "{gc_cycle}", s->numgc, NO_NONE);
	histogram(w, "go.memory.gc.pause.duration", &d->stw_total_gc);
	number(w, "go.goroutine.count", "updowncounter", "{goroutine}", s->goroutines, NO_NONE);
	number(w, "go.processor.limit", "updowncounter", "{thread}", s->gomaxprocs, NO_NONE);
	histogram(w, "go.schedule.duration", &d->latency);
	number(w, "go.config.gogc", "updowncounter", "%", s->gogc, -1);
	cpu_time(w, s);
	jw_end(w, '}');
}
