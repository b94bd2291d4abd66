/* SPDX-License-Identifier: BSD-2-Clause */
/* Each piece of another address space costs about 0.3 us (the kernel looks up and pins its pages), each further KB of a
 * piece 0.05 us or less. So gaps of up to 2 KB between two fields are read along. */
#include "runtime/read_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/sample.h"

#define GAP_MAX   2048
#define WANTS_MAX FIELD_CNT

struct piece {
	enum go_global global;
	enum go_field field;
	uint32_t from, to;
};

enum go_global read_plan_global(enum go_field field)
{
	if (field <= FIELD_GC_MAPPED_READY)
		return GLOBAL_GCCONTROLLER;
	if (field <= FIELD_MEMSTATS_OTHER_SYS)
		return GLOBAL_MEMSTATS;
	if (field <= FIELD_HEAPSTATS_SIZE)
		return GLOBAL_CNT;
	if (field <= FIELD_WORK_CPUSTATS)
		return GLOBAL_WORK;
	return field <= FIELD_SCHED_CREATED ? GLOBAL_SCHED : GLOBAL_CNT;
}

static int by_place(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;

	if (x->global != y->global)
		return x->global < y->global ? -1 : 1;
	return x->from < y->from ? -1 : x->from > y->from;
}

static size_t collect(struct piece *pieces, const uint64_t globals[GLOBAL_CNT], const int16_t fields[FIELD_CNT],
		      const struct read_want *wants, size_t cnt)
{
	size_t n = 0;

	for (size_t i = 0; i < cnt && n < WANTS_MAX; i++) {
		enum go_global global = read_plan_global(wants[i].field);
		int16_t from = fields[wants[i].field];

		if (global == GLOBAL_CNT || !globals[global] || from < 0 || !wants[i].sz ||
		    wants[i].sz > READ_PLAN_MAX - (uint32_t)from)
			continue;
		pieces[n++] = (struct piece){global, wants[i].field, (uint32_t)from, (uint32_t)from + wants[i].sz};
	}
	qsort(pieces, n, sizeof(*pieces), by_place);
	return n;
}

/* Merges the sorted pieces into ranges; buffers follow each other in raw. */
static void lay_out(struct read_plan *p, const struct piece *pieces, size_t n, const uint64_t globals[GLOBAL_CNT])
{
	for (size_t i = 0, next; i < n; i = next) {
		uint32_t end = pieces[i].to;

		for (next = i + 1;
		     next < n && pieces[next].global == pieces[i].global && pieces[next].from <= end + GAP_MAX; next++)
			if (pieces[next].to > end)
				end = pieces[next].to;
		for (size_t k = i; k < next; k++)
			p->at[pieces[k].field] = (int32_t)(p->raw_sz + pieces[k].from - pieces[i].from);
		p->ranges[p->range_cnt++] =
			(struct memory_range){globals[pieces[i].global] + pieces[i].from, NULL, end - pieces[i].from};
		p->raw_sz += (end - pieces[i].from + 7) & ~(size_t)7;
	}
}

int read_plan_init(struct read_plan *p, const uint64_t globals[GLOBAL_CNT], const int16_t fields[FIELD_CNT],
		   const struct read_want *wants, size_t cnt)
{
	struct piece pieces[WANTS_MAX];
	size_t n = collect(pieces, globals, fields, wants, cnt), at = 0;

	memset(p, 0, sizeof(*p));
	memset(p->at, 0xff, sizeof(p->at));
	p->ranges = calloc(n + 1, sizeof(*p->ranges));
	if (!p->ranges)
		return -ENOMEM;
	lay_out(p, pieces, n, globals);
	p->raw = calloc(1, p->raw_sz + 1);
	if (!p->raw) {
		read_plan_deinit(p);
		return -ENOMEM;
	}
	for (size_t i = 0; i < p->range_cnt; i++) {
		p->ranges[i].buf = p->raw + at;
		at += (p->ranges[i].sz + 7) & ~(size_t)7;
	}
	return 0;
}

void read_plan_deinit(struct read_plan *p)
{
	free(p->ranges);
	free(p->raw);
	memset(p, 0, sizeof(*p));
	memset(p->at, 0xff, sizeof(p->at));
}

uint64_t read_plan_u64(const struct read_plan *p, enum go_field field)
{
	uint64_t v;

	memcpy(&v, read_plan_get(p, field), sizeof(v));
	return v;
}

uint32_t read_plan_u32(const struct read_plan *p, enum go_field field)
{
	uint32_t v;

	memcpy(&v, read_plan_get(p, field), sizeof(v));
	return v;
}

int64_t read_plan_value(const struct read_plan *p, enum go_field field)
{
	if (!read_plan_has(p, field) || read_plan_u64(p, field) > INT64_MAX)
		return SAMPLE_UNKNOWN;
	return (int64_t)read_plan_u64(p, field);
}

int64_t read_plan_value32(const struct read_plan *p, enum go_field field)
{
	return read_plan_has(p, field) ? (int32_t)read_plan_u32(p, field) : SAMPLE_UNKNOWN;
}
