/* SPDX-License-Identifier: BSD-2-Clause */
/* Offsets come from the binary's own DWARF when it has any: right for each version, experiment and fork. Else from a
 * table that tools/offsetgen makes from real toolchains, by exact release: layouts change between minor versions and
 * once did inside of one (`work` in 1.23.4), and `work` differs between amd64 and arm64 (padding to cache lines). Rows
 * go on for later patch releases of their minor. Development versions and builds with experiments never use the table.
 */
#include "symbols/layout.h"

#include <string.h>

#include "base/cleanup.h"
#include "symbols/dwarf.h"

enum { TYPE_GC_CONTROLLER, TYPE_MSTATS, TYPE_SCHEDT, TYPE_P, TYPE_G, TYPE_M, TYPE_WORK, TYPE_CNT };

static const char *const type_names[TYPE_CNT] = {
	[TYPE_GC_CONTROLLER] = "runtime.gcControllerState",
	[TYPE_MSTATS] = "runtime.mstats",
	[TYPE_SCHEDT] = "runtime.schedt",
	[TYPE_P] = "runtime.p",
	[TYPE_G] = "runtime.g",
	[TYPE_M] = "runtime.m",
	[TYPE_WORK] = "runtime.workType", /* 1.20+; an unnamed type before, which has nothing that is wanted */
};

/* The second path is the field's name in other versions. */
static const struct {
	unsigned type;
	const char *path, *other;
} field_paths[FIELD_CNT] = {
	[FIELD_GC_PERCENT] = {TYPE_GC_CONTROLLER, "gcPercent", NULL},
	[FIELD_GC_MEMORY_LIMIT] = {TYPE_GC_CONTROLLER, "memoryLimit", NULL},
	[FIELD_GC_HEAP_MINIMUM] = {TYPE_GC_CONTROLLER, "heapMinimum", NULL},
	[FIELD_GC_HEAP_GOAL] = {TYPE_GC_CONTROLLER, "gcPercentHeapGoal", "heapGoal"},
	[FIELD_GC_HEAP_LIVE] = {TYPE_GC_CONTROLLER, "heapLive", NULL},
	[FIELD_GC_HEAP_MARKED] = {TYPE_GC_CONTROLLER, "heapMarked", NULL},
	[FIELD_GC_HEAP_FREE] = {TYPE_GC_CONTROLLER, "heapFree", NULL},
	[FIELD_GC_TOTAL_ALLOC] = {TYPE_GC_CONTROLLER, "totalAlloc", NULL},
	[FIELD_GC_TOTAL_FREE] = {TYPE_GC_CONTROLLER, "totalFree", NULL},
	[FIELD_GC_MAPPED_READY] = {TYPE_GC_CONTROLLER, "mappedReady", NULL},
	[FIELD_GC_ASSIST_TIME] = {TYPE_GC_CONTROLLER, "assistTime", NULL},
	[FIELD_MEMSTATS_NUMGC] = {TYPE_MSTATS, "numgc", NULL},
	[FIELD_MEMSTATS_PAUSE_TOTAL] = {TYPE_MSTATS, "pause_total_ns", NULL},
	[FIELD_WORK_CPUSTATS] = {TYPE_WORK, "cpuStats", NULL},
	[FIELD_SCHED_NGSYS] = {TYPE_SCHEDT, "ngsys", NULL},
	[FIELD_SCHED_GFREE_N] = {TYPE_SCHEDT, "gFree.n", NULL},
	[FIELD_SCHED_GFREE_STACK] = {TYPE_SCHEDT, "gFree.stack.size", NULL},
	[FIELD_SCHED_GFREE_NOSTACK] = {TYPE_SCHEDT, "gFree.noStack.size", NULL},
	[FIELD_P_GFREE] = {TYPE_P, "gFree.n", "gFree.size"},
	[FIELD_G_M] = {TYPE_G, "m", NULL},
	[FIELD_M_PREEMPTOFF] = {TYPE_M, "preemptoff", NULL},
};

static const char *dwarf_reason(int err)
{
	switch (err) {
	case -EOPNOTSUPP:
		return "debug information in a format that is not read here";
	case -EFBIG:
		return "debug information is too big";
	case -ENOENT:
		return "debug information without the runtime's types";
	case -ENOMEM:
		return "out of memory";
	default:
		return "debug information is damaged";
	}
}

int layout_from_dwarf(struct elf_image *img, int16_t fields[FIELD_CNT], char *why)
{
	struct dwarf_types *t;
	int found = 0, err;

	if (!dwarf_exists(img))
		return err_why(why, -ENOENT, "no debug information");
	err = dwarf_types_open(img, type_names, TYPE_CNT, &t);
	if (err)
		return err_why(why, err, "%s", dwarf_reason(err));
	for (int f = 0; f < FIELD_CNT; f++) {
		int64_t v = dwarf_types_field(t, field_paths[f].type, field_paths[f].path);

		if (v < 0 && field_paths[f].other)
			v = dwarf_types_field(t, field_paths[f].type, field_paths[f].other);
		fields[f] = v >= 0 && v <= INT16_MAX ? (int16_t)v : -1;
		found += fields[f] >= 0;
	}
	dwarf_types_free(t);
	return found ? 0 : err_why(why, -ENOENT, "%s", dwarf_reason(-ENOENT));
}

int layout_from_table(const struct binary *b, int16_t fields[FIELD_CNT], char *why)
{
	if (b->go_devel)
		return err_why(why, -ENOENT, "%s is no plain release, so the built-in table does not apply",
			       b->go_version);
	for (size_t i = 0; i < layout_table_cnt; i++) {
		const struct layout_row *r = &layout_table[i];

		if (r->minor == b->go_minor && b->go_patch >= r->patch_min && b->go_patch <= r->patch_max &&
		    strcmp(r->arch, b->arch) == 0) {
			memcpy(fields, r->fields, sizeof(r->fields));
			return 0;
		}
	}
	return err_why(why, -ENOENT, "%s is not in the built-in table", b->go_version);
}

int layout_read(struct elf_image *img, struct binary *b)
{
	char no_dwarf[WHY_SZ], no_table[WHY_SZ];
	int err;

	b->layout = LAYOUT_NONE;
	err = layout_from_dwarf(img, b->fields, no_dwarf);
	if (!err) {
		b->layout = LAYOUT_DWARF;
	} else if (layout_from_table(b, b->fields, no_table) == 0) {
		b->layout = LAYOUT_TABLE;
	} else {
		for (int f = 0; f < FIELD_CNT; f++)
			b->fields[f] = -1;
		err_why(b->layout_why, 0, "%s, and %.90s", no_dwarf, no_table);
	}
	return err == -ENOMEM && b->layout == LAYOUT_NONE ? err : 0;
}
