/* SPDX-License-Identifier: BSD-2-Clause */
/* Offsets come from the binary's own DWARF when it has any: right for each version, experiment and fork. Else from a
 * table that tools/offsetgen makes from real toolchains, by exact release: layouts change between minor versions and
 * three times did inside of one (`work` in 1.23.4, m in 1.23.12 and 1.24.6), and `work` differs between amd64 and arm64
 * (padding to cache lines). Rows go on for later patch releases of their minor. A version newer than all rows is tried
 * with the newest one, and the sampler's self-check decides. Older development versions and builds with experiments
 * never use the table.
 */
#include "symbols/layout.h"

#include <string.h>

#include "base/cleanup.h"
#include "symbols/dwarf.h"
#include "symbols/release.h"

enum { TYPE_GC_CONTROLLER, TYPE_MSTATS, TYPE_SCHEDT, TYPE_P, TYPE_G, TYPE_M, TYPE_WORK, TYPE_HEAPSTATS, TYPE_POLLDESC, TYPE_CNT };

_Static_assert(TYPE_CNT <= DWARF_TYPES_MAX, "dwarf.c has room for all types");

static const struct dwarf_want types[TYPE_CNT] = {
	[TYPE_GC_CONTROLLER] = {"runtime.gcControllerState", NULL},
	[TYPE_MSTATS] = {"runtime.mstats", NULL},
	[TYPE_SCHEDT] = {"runtime.schedt", NULL},
	[TYPE_P] = {"runtime.p", NULL},
	[TYPE_G] = {"runtime.g", NULL},
	[TYPE_M] = {"runtime.m", NULL},
	[TYPE_WORK] = {"runtime.workType", "runtime.work"}, /* the type has a name from 1.20 on */
	[TYPE_HEAPSTATS] = {"runtime.heapStatsDelta", NULL},
	[TYPE_POLLDESC] = {"runtime.pollDesc", NULL},
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
	[FIELD_GC_LAST_HEAP_GOAL] = {TYPE_GC_CONTROLLER, "lastHeapGoal", NULL},
	[FIELD_GC_HEAP_LIVE] = {TYPE_GC_CONTROLLER, "heapLive", NULL},
	[FIELD_GC_LAST_STACK_SCAN] = {TYPE_GC_CONTROLLER, "lastStackScan", "stackScan"},
	[FIELD_GC_MAX_STACK_SCAN] = {TYPE_GC_CONTROLLER, "maxStackScan", NULL},
	[FIELD_GC_GLOBALS_SCAN] = {TYPE_GC_CONTROLLER, "globalsScan", NULL},
	[FIELD_GC_HEAP_MARKED] = {TYPE_GC_CONTROLLER, "heapMarked", NULL},
	[FIELD_GC_ASSIST_TIME] = {TYPE_GC_CONTROLLER, "assistTime", NULL},
	[FIELD_GC_DEDICATED_TIME] = {TYPE_GC_CONTROLLER, "dedicatedMarkTime", NULL},
	[FIELD_GC_FRACTIONAL_TIME] = {TYPE_GC_CONTROLLER, "fractionalMarkTime", NULL},
	[FIELD_GC_IDLE_TIME] = {TYPE_GC_CONTROLLER, "idleMarkTime", NULL},
	[FIELD_GC_HEAP_IN_USE] = {TYPE_GC_CONTROLLER, "heapInUse", NULL},
	[FIELD_GC_HEAP_RELEASED] = {TYPE_GC_CONTROLLER, "heapReleased", NULL},
	[FIELD_GC_HEAP_FREE] = {TYPE_GC_CONTROLLER, "heapFree", NULL},
	[FIELD_GC_TOTAL_ALLOC] = {TYPE_GC_CONTROLLER, "totalAlloc", NULL},
	[FIELD_GC_TOTAL_FREE] = {TYPE_GC_CONTROLLER, "totalFree", NULL},
	[FIELD_GC_MAPPED_READY] = {TYPE_GC_CONTROLLER, "mappedReady", NULL},
	[FIELD_MEMSTATS_NUMGC] = {TYPE_MSTATS, "numgc", NULL},
	[FIELD_MEMSTATS_NUMFORCEDGC] = {TYPE_MSTATS, "numforcedgc", NULL},
	[FIELD_MEMSTATS_PAUSE_TOTAL] = {TYPE_MSTATS, "pause_total_ns", NULL},
	[FIELD_MEMSTATS_PAUSE_NS] = {TYPE_MSTATS, "pause_ns", NULL},
	[FIELD_MEMSTATS_PAUSE_END] = {TYPE_MSTATS, "pause_end", NULL},
	[FIELD_MEMSTATS_LAST_GC_UNIX] = {TYPE_MSTATS, "last_gc_unix", NULL},
	[FIELD_MEMSTATS_LAST_GC_MONO] = {TYPE_MSTATS, "last_gc_nanotime", NULL},
	[FIELD_MEMSTATS_GC_CPU_FRACTION] = {TYPE_MSTATS, "gc_cpu_fraction", NULL},
	[FIELD_MEMSTATS_GC_PAUSE_DIST] = {TYPE_MSTATS, "gcPauseDist", NULL},
	[FIELD_MEMSTATS_HEAP_STATS] = {TYPE_MSTATS, "heapStats", NULL},
	[FIELD_MEMSTATS_STACKS_SYS] = {TYPE_MSTATS, "stacks_sys", NULL},
	[FIELD_MEMSTATS_MSPAN_SYS] = {TYPE_MSTATS, "mspan_sys", NULL},
	[FIELD_MEMSTATS_MCACHE_SYS] = {TYPE_MSTATS, "mcache_sys", NULL},
	[FIELD_MEMSTATS_BUCKHASH_SYS] = {TYPE_MSTATS, "buckhash_sys", NULL},
	[FIELD_MEMSTATS_GCMISC_SYS] = {TYPE_MSTATS, "gcMiscSys", NULL},
	[FIELD_MEMSTATS_OTHER_SYS] = {TYPE_MSTATS, "other_sys", NULL},
	[FIELD_HEAPSTATS_COMMITTED] = {TYPE_HEAPSTATS, "committed", NULL},
	[FIELD_HEAPSTATS_RELEASED] = {TYPE_HEAPSTATS, "released", NULL},
	[FIELD_HEAPSTATS_IN_STACKS] = {TYPE_HEAPSTATS, "inStacks", NULL},
	[FIELD_HEAPSTATS_LARGE_ALLOC] = {TYPE_HEAPSTATS, "largeAlloc", NULL},
	[FIELD_HEAPSTATS_LARGE_ALLOC_CNT] = {TYPE_HEAPSTATS, "largeAllocCount", NULL},
	[FIELD_HEAPSTATS_SMALL_ALLOC_CNT] = {TYPE_HEAPSTATS, "smallAllocCount", NULL},
	[FIELD_HEAPSTATS_SIZE] = {TYPE_HEAPSTATS, "", NULL},
	[FIELD_WORK_TSWEEP_TERM] = {TYPE_WORK, "tSweepTerm", NULL},
	[FIELD_WORK_TMARK] = {TYPE_WORK, "tMark", NULL},
	[FIELD_WORK_TMARK_TERM] = {TYPE_WORK, "tMarkTerm", NULL},
	[FIELD_WORK_TEND] = {TYPE_WORK, "tEnd", NULL},
	[FIELD_WORK_HEAP0] = {TYPE_WORK, "heap0", NULL},
	[FIELD_WORK_HEAP1] = {TYPE_WORK, "heap1", NULL},
	[FIELD_WORK_HEAP2] = {TYPE_WORK, "heap2", NULL},
	[FIELD_WORK_HEAP_GOAL] = {TYPE_WORK, "heapGoal", NULL},
	[FIELD_WORK_STWPROCS] = {TYPE_WORK, "stwprocs", NULL},
	[FIELD_WORK_MAXPROCS] = {TYPE_WORK, "maxprocs", NULL},
	[FIELD_WORK_USER_FORCED] = {TYPE_WORK, "userForced", NULL},
	[FIELD_WORK_LEAK_DONE] = {TYPE_WORK, "goroutineLeak.done", NULL},
	[FIELD_WORK_CPUSTATS] = {TYPE_WORK, "cpuStats", NULL},
	[FIELD_SCHED_MNEXT] = {TYPE_SCHEDT, "mnext", NULL},
	[FIELD_SCHED_NMFREED] = {TYPE_SCHEDT, "nmfreed", NULL},
	[FIELD_SCHED_NMIDLE] = {TYPE_SCHEDT, "nmidle", NULL},
	[FIELD_SCHED_NGSYS] = {TYPE_SCHEDT, "ngsys", NULL},
	[FIELD_SCHED_NPIDLE] = {TYPE_SCHEDT, "npidle", NULL},
	[FIELD_SCHED_NMSPINNING] = {TYPE_SCHEDT, "nmspinning", NULL},
	[FIELD_SCHED_NEEDSPINNING] = {TYPE_SCHEDT, "needspinning", NULL},
	[FIELD_SCHED_RUNQSIZE] = {TYPE_SCHEDT, "runqsize", "runq.size"},
	[FIELD_SCHED_GFREE_N] = {TYPE_SCHEDT, "gFree.n", NULL},
	[FIELD_SCHED_GFREE_STACK] = {TYPE_SCHEDT, "gFree.stack.size", NULL},
	[FIELD_SCHED_GFREE_NOSTACK] = {TYPE_SCHEDT, "gFree.noStack.size", NULL},
	[FIELD_SCHED_GCWAITING] = {TYPE_SCHEDT, "gcwaiting", NULL},
	[FIELD_SCHED_TIME_TO_RUN] = {TYPE_SCHEDT, "timeToRun", NULL},
	[FIELD_SCHED_IDLE_TIME] = {TYPE_SCHEDT, "idleTime", NULL},
	[FIELD_SCHED_MUTEX_WAIT] = {TYPE_SCHEDT, "totalMutexWaitTime", NULL},
	[FIELD_SCHED_STW_STOPPING_GC] = {TYPE_SCHEDT, "stwStoppingTimeGC", NULL},
	[FIELD_SCHED_STW_STOPPING_OTHER] = {TYPE_SCHEDT, "stwStoppingTimeOther", NULL},
	[FIELD_SCHED_STW_TOTAL_GC] = {TYPE_SCHEDT, "stwTotalTimeGC", NULL},
	[FIELD_SCHED_STW_TOTAL_OTHER] = {TYPE_SCHEDT, "stwTotalTimeOther", NULL},
	[FIELD_SCHED_LOCK_WAIT] = {TYPE_SCHEDT, "totalRuntimeLockWaitTime", NULL},
	[FIELD_SCHED_CUSTOM_GOMAXPROCS] = {TYPE_SCHEDT, "customGOMAXPROCS", NULL},
	[FIELD_SCHED_CREATED] = {TYPE_SCHEDT, "goroutinesCreated", NULL},
	[FIELD_P_M] = {TYPE_P, "m", NULL},
	[FIELD_M_P] = {TYPE_M, "p", NULL},
	[FIELD_PD_RG] = {TYPE_POLLDESC, "rg", NULL},
	[FIELD_PD_WG] = {TYPE_POLLDESC, "wg", NULL},
	[FIELD_P_SCHEDTICK] = {TYPE_P, "schedtick", NULL},
	[FIELD_P_SYSCALLTICK] = {TYPE_P, "syscalltick", NULL},
	[FIELD_P_RUNQHEAD] = {TYPE_P, "runqhead", NULL},
	[FIELD_P_RUNQTAIL] = {TYPE_P, "runqtail", NULL},
	[FIELD_P_RUNNEXT] = {TYPE_P, "runnext", NULL},
	[FIELD_P_GFREE] = {TYPE_P, "gFree.n", "gFree.size"},
	[FIELD_P_CREATED] = {TYPE_P, "goroutinesCreated", NULL},
	[FIELD_G_STACK_LO] = {TYPE_G, "stack.lo", NULL},
	[FIELD_G_STACK_HI] = {TYPE_G, "stack.hi", NULL},
	[FIELD_G_M] = {TYPE_G, "m", NULL},
	[FIELD_G_SP] = {TYPE_G, "sched.sp", NULL},
	[FIELD_G_PC] = {TYPE_G, "sched.pc", NULL},
	[FIELD_G_BP] = {TYPE_G, "sched.bp", NULL},
	[FIELD_G_SYSCALLSP] = {TYPE_G, "syscallsp", NULL},
	[FIELD_G_SYSCALLPC] = {TYPE_G, "syscallpc", NULL},
	[FIELD_G_SYSCALLBP] = {TYPE_G, "syscallbp", NULL},
	[FIELD_G_STATUS] = {TYPE_G, "atomicstatus", NULL},
	[FIELD_G_GOID] = {TYPE_G, "goid", NULL},
	[FIELD_G_WAITSINCE] = {TYPE_G, "waitsince", NULL},
	[FIELD_G_WAITREASON] = {TYPE_G, "waitreason", NULL},
	[FIELD_G_LOCKEDM] = {TYPE_G, "lockedm", NULL},
	[FIELD_G_PARENT_GOID] = {TYPE_G, "parentGoid", NULL},
	[FIELD_G_GOPC] = {TYPE_G, "gopc", NULL},
	[FIELD_G_STARTPC] = {TYPE_G, "startpc", NULL},
	[FIELD_G_LABELS] = {TYPE_G, "labels", NULL},
	[FIELD_M_PROCID] = {TYPE_M, "procid", NULL},
	[FIELD_M_CURG] = {TYPE_M, "curg", NULL},
	[FIELD_M_PREEMPTOFF] = {TYPE_M, "preemptoff", NULL},
	[FIELD_M_ALLLINK] = {TYPE_M, "alllink", NULL},
	[FIELD_M_LOCK_WAIT] = {TYPE_M, "mLockProfile.waitTime", NULL},
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
	err = dwarf_types_open(img, types, TYPE_CNT, &t);
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

static const struct layout_row *find_row(const struct binary *b, bool *nearest)
{
	long i = release_find_row(layout_table, layout_table_cnt, sizeof(layout_table[0]), b, nearest);

	return i < 0 ? NULL : &layout_table[i];
}

int layout_from_table(const struct binary *b, int16_t fields[FIELD_CNT], bool *nearest, char *why)
{
	const struct layout_row *r = find_row(b, nearest);

	if (r) {
		memcpy(fields, r->fields, sizeof(r->fields));
		return 0;
	}
	if (b->go_devel)
		return err_why(why, -ENOENT, "%s is no plain release, so the built-in table does not apply",
			       b->go_version);
	return err_why(why, -ENOENT, "%s is not in the built-in table", b->go_version);
}

int layout_read(struct elf_image *img, struct binary *b)
{
	char no_dwarf[WHY_SZ], no_table[WHY_SZ];
	bool nearest;
	int err;

	b->layout = LAYOUT_NONE;
	err = layout_from_dwarf(img, b->fields, no_dwarf);
	if (!err) {
		b->layout = LAYOUT_DWARF;
	} else if (layout_from_table(b, b->fields, &nearest, no_table) == 0) {
		b->layout = nearest ? LAYOUT_NEAREST : LAYOUT_TABLE;
	} else {
		for (int f = 0; f < FIELD_CNT; f++)
			b->fields[f] = -1;
		err_why(b->layout_why, 0, "%s, and %.90s", no_dwarf, no_table);
	}
	return err == -ENOMEM && b->layout == LAYOUT_NONE ? err : 0;
}
