/* SPDX-License-Identifier: BSD-2-Clause */
/* Which bytes of the runtime's globals are read, and where a field is found among them: fields of one global that lie
 * near each other come in one piece. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/memory.h"
#include "symbols/binary.h"

struct read_want {
	enum go_field field;
	uint32_t sz; /* bytes from its offset */
};

struct read_plan {
	struct memory_range *ranges; /* owned; into raw */
	size_t range_cnt;
	uint8_t *raw; /* owned: what was read */
	size_t raw_sz;
	int32_t at[FIELD_CNT]; /* in raw, -1: not read */
};

/* Global that a field belongs to; GLOBAL_CNT for fields of g, m, p and heapStatsDelta. */
enum go_global read_plan_global(enum go_field field);
/* Fields whose global or offset is unknown are left out, and those that reach beyond READ_PLAN_MAX. 0 or -ENOMEM. */
#define READ_PLAN_MAX 32768
int read_plan_init(struct read_plan *p, const uint64_t globals[GLOBAL_CNT], const int16_t fields[FIELD_CNT],
		   const struct read_want *wants, size_t cnt);
void read_plan_deinit(struct read_plan *p);

static inline bool read_plan_has(const struct read_plan *p, enum go_field field)
{
	return p->at[field] >= 0;
}
/* The bytes of a field that the plan has. */
static inline const void *read_plan_get(const struct read_plan *p, enum go_field field)
{
	return p->raw + p->at[field];
}
uint64_t read_plan_u64(const struct read_plan *p, enum go_field field);
uint32_t read_plan_u32(const struct read_plan *p, enum go_field field);
/* As values: SAMPLE_UNKNOWN where the plan does not have the field, or where it is no number of int64. */
int64_t read_plan_value(const struct read_plan *p, enum go_field field);
int64_t read_plan_value32(const struct read_plan *p, enum go_field field);
