/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything that is known of one Go executable: read once per content, cached, shared by its processes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "go_site.h"

enum probe_how {
	SITE_NONE = 0,   /* no probe: see why */
	SITE_PUSH,       /* amd64 `push rbp`: emulated by the kernel */
	SITE_JBE,        /* amd64 `jbe`, arm64 `b.ls`: emulated; hits with the branch taken are dropped */
	SITE_STORE,      /* arm64 `str x30, [sp, #-N]!`: one hit a call */
	SITE_FIRST,      /* first instruction, single-stepped: only for functions declared cold */
	SITE_AFTER_CALL, /* amd64 `jcc`, arm64 `tbz`: tests what a call gave back; emulated, one hit a call */
	SITE_BRANCH,     /* `je`, `b.eq` on an argument, of a function without a frame; emulated, one hit a call */
};

struct probe_site {
	uint64_t vaddr;       /* link-time address of the instruction */
	uint64_t file_offset; /* what the kernel wants */
	enum probe_how how;
	char why[WHY_SZ]; /* reason when how == SITE_NONE */
};

/* Runtime globals whose addresses are wanted, link-time addresses, 0 = unknown. */
enum go_global {
	GLOBAL_GOMAXPROCS,   /* runtime.gomaxprocs, int32 */
	GLOBAL_GCCONTROLLER, /* runtime.gcController */
	GLOBAL_MEMSTATS,     /* runtime.memstats */
	GLOBAL_WORK,         /* runtime.work */
	GLOBAL_SCHED,        /* runtime.sched */
	GLOBAL_ALLP,         /* runtime.allp, slice */
	GLOBAL_ALLGLEN,      /* runtime.allglen, uintptr */
	GLOBAL_ALLGPTR,      /* runtime.allgptr, **g: read allglen first */
	GLOBAL_ALLGS,        /* runtime.allgs, slice: only to check the two above */
	GLOBAL_ALLM,         /* runtime.allm, *m, linked by m.alllink */
	GLOBAL_GCPHASE,      /* runtime.gcphase, uint32: 0 off, 1 mark, 2 mark termination */
	GLOBAL_INIT_TIME,    /* runtime.runtimeInitTime, int64 CLOCK_MONOTONIC */
	GLOBAL_WAIT_REASONS, /* runtime.waitReasonStrings, array of strings */
	GLOBAL_CNT,
};

/* Field offsets in runtime structures; -1 = the version has no such field or it is unknown. */
enum go_field {
	FIELD_GC_PERCENT,      /* int32 */
	FIELD_GC_MEMORY_LIMIT, /* int64, 1.19+ */
	FIELD_GC_HEAP_MINIMUM,
	FIELD_GC_HEAP_GOAL,      /* gcController.gcPercentHeapGoal (1.18: heapGoal) */
	FIELD_GC_LAST_HEAP_GOAL, /* of the cycle that runs or ran last */
	FIELD_GC_HEAP_LIVE,
	FIELD_GC_LAST_STACK_SCAN, /* what gctrace prints as stacks (1.18: stackScan) */
	FIELD_GC_MAX_STACK_SCAN,  /* what 1.19 prints as stacks */
	FIELD_GC_GLOBALS_SCAN,
	FIELD_GC_HEAP_MARKED,
	FIELD_GC_ASSIST_TIME, /* of this cycle; the three below as well */
	FIELD_GC_DEDICATED_TIME,
	FIELD_GC_FRACTIONAL_TIME,
	FIELD_GC_IDLE_TIME,
	FIELD_GC_HEAP_IN_USE, /* 1.19+, as the five below, which heapGoalInternal's memory limit needs */
	FIELD_GC_HEAP_RELEASED,
	FIELD_GC_HEAP_FREE,
	FIELD_GC_TOTAL_ALLOC,
	FIELD_GC_TOTAL_FREE,
	FIELD_GC_MAPPED_READY,
	FIELD_MEMSTATS_NUMGC,       /* uint32 */
	FIELD_MEMSTATS_NUMFORCEDGC, /* uint32 */
	FIELD_MEMSTATS_PAUSE_TOTAL,
	FIELD_MEMSTATS_PAUSE_NS,  /* [256]uint64, entry (numgc - 1) % 256 is the last cycle's sum */
	FIELD_MEMSTATS_PAUSE_END, /* [256]uint64, UNIX ns */
	FIELD_MEMSTATS_LAST_GC_UNIX,
	FIELD_MEMSTATS_LAST_GC_MONO,
	FIELD_MEMSTATS_GC_CPU_FRACTION, /* float64 */
	FIELD_MEMSTATS_GC_PAUSE_DIST,   /* timeHistogram, up to 1.21 */
	FIELD_MEMSTATS_HEAP_STATS,      /* consistentHeapStats; its first field is [3]heapStatsDelta */
	FIELD_MEMSTATS_STACKS_SYS,
	FIELD_MEMSTATS_MSPAN_SYS,
	FIELD_MEMSTATS_MCACHE_SYS,
	FIELD_MEMSTATS_BUCKHASH_SYS,
	FIELD_MEMSTATS_GCMISC_SYS,
	FIELD_MEMSTATS_OTHER_SYS,
	FIELD_HEAPSTATS_COMMITTED, /* int64, in a heapStatsDelta, as the six below */
	FIELD_HEAPSTATS_RELEASED,
	FIELD_HEAPSTATS_IN_STACKS,
	FIELD_HEAPSTATS_LARGE_ALLOC, /* bytes */
	FIELD_HEAPSTATS_LARGE_ALLOC_CNT,
	FIELD_HEAPSTATS_SMALL_ALLOC_CNT, /* one uint64 a size class (68) */
	FIELD_HEAPSTATS_SIZE,            /* sizeof(heapStatsDelta) */
	FIELD_WORK_TSWEEP_TERM,          /* CLOCK_MONOTONIC */
	FIELD_WORK_TMARK,
	FIELD_WORK_TMARK_TERM,
	FIELD_WORK_TEND,
	FIELD_WORK_HEAP0,
	FIELD_WORK_HEAP1,
	FIELD_WORK_HEAP2,
	FIELD_WORK_HEAP_GOAL,   /* what 1.18 prints as goal */
	FIELD_WORK_STWPROCS,    /* int32 */
	FIELD_WORK_MAXPROCS,    /* int32 */
	FIELD_WORK_USER_FORCED, /* bool */
	FIELD_WORK_LEAK_DONE,   /* bool, 1.26+: this cycle has looked for leaked goroutines */
	FIELD_WORK_CPUSTATS,    /* 1.20+: 11 int64, facts/go-runtime.md 2.1 */
	FIELD_SCHED_MNEXT,      /* int64 */
	FIELD_SCHED_NMFREED,    /* int64 */
	FIELD_SCHED_NMIDLE,     /* int32 */
	FIELD_SCHED_NGSYS,
	FIELD_SCHED_NPIDLE,       /* int32 */
	FIELD_SCHED_NMSPINNING,   /* int32 */
	FIELD_SCHED_NEEDSPINNING, /* uint32, 1.20+ */
	FIELD_SCHED_RUNQSIZE,     /* int32 */
	FIELD_SCHED_GFREE_N,      /* up to 1.24 */
	FIELD_SCHED_GFREE_STACK,  /* 1.25+ */
	FIELD_SCHED_GFREE_NOSTACK,
	FIELD_SCHED_GCWAITING,
	FIELD_SCHED_TIME_TO_RUN, /* timeHistogram */
	FIELD_SCHED_IDLE_TIME,
	FIELD_SCHED_MUTEX_WAIT,
	FIELD_SCHED_STW_STOPPING_GC, /* timeHistograms, 1.22+ */
	FIELD_SCHED_STW_STOPPING_OTHER,
	FIELD_SCHED_STW_TOTAL_GC,
	FIELD_SCHED_STW_TOTAL_OTHER,
	FIELD_SCHED_LOCK_WAIT,
	FIELD_SCHED_CUSTOM_GOMAXPROCS, /* bool, 1.25+ */
	FIELD_SCHED_CREATED,           /* 1.26+ */
	FIELD_P_M,
	FIELD_M_P,
	FIELD_PD_RG,         /* pollDesc.rg: the goroutine that waits to read; */
	FIELD_PD_WG,         /* to write: the word behind it */
	FIELD_P_SCHEDTICK,   /* uint32 */
	FIELD_P_SYSCALLTICK, /* uint32 */
	FIELD_P_RUNQHEAD,    /* uint32 */
	FIELD_P_RUNQTAIL,    /* uint32 */
	FIELD_P_RUNNEXT,
	FIELD_P_GFREE,   /* p.gFree.n or .size, int32 */
	FIELD_P_CREATED, /* uint64, 1.26+ */
	FIELD_G_STACK_LO,
	FIELD_G_STACK_HI,
	FIELD_G_M,
	FIELD_G_SP,
	FIELD_G_PC,
	FIELD_G_BP,
	FIELD_G_SYSCALLSP,
	FIELD_G_SYSCALLPC,
	FIELD_G_SYSCALLBP, /* 1.23+ */
	FIELD_G_STATUS,    /* uint32 */
	FIELD_G_GOID,
	FIELD_G_WAITSINCE,
	FIELD_G_WAITREASON, /* uint8 */
	FIELD_G_LOCKEDM,
	FIELD_G_PARENT_GOID, /* 1.21+ */
	FIELD_G_GOPC,
	FIELD_G_STARTPC,
	FIELD_G_LABELS,
	FIELD_M_PROCID,
	FIELD_M_CURG,
	FIELD_M_PREEMPTOFF,
	FIELD_M_ALLLINK,
	FIELD_M_LOCK_WAIT, /* 1.22+, int64 */
	FIELD_CNT,
};

/* LAYOUT_NEAREST: newer than every release of the table, the newest row is tried; every value waits for the self-check.
 */
enum layout_source { LAYOUT_NONE, LAYOUT_DWARF, LAYOUT_TABLE, LAYOUT_NEAREST };
/* How the addresses of globals were found. */
enum globals_source { GLOBALS_NONE, GLOBALS_SYMTAB, GLOBALS_CODE /* from references in known functions */ };

#define GO_VERSION_SZ 64
#define BUILD_ID_SZ   128
#define MODULE_SZ     160

struct binary {
	/* identity of the content */
	uint64_t dev, ino, size;
	uint64_t ctime_ns;

	char go_version[GO_VERSION_SZ]; /* "go1.22.5", as the binary says */
	int go_minor, go_patch;         /* 22, 5; patch -1 for development versions */
	bool go_devel;                  /* "devel ..." or a version with a suffix that is no release */
	char build_id[BUILD_ID_SZ];     /* Go build id note, "" if none */
	char arch[12];                  /* "amd64", "arm64" */
	char main_path[MODULE_SZ]; /* import path of the main package ("path" line of the build info), "" if none */
	char module[MODULE_SZ];    /* main module path ("mod" line), "" if none */
	char module_version[64];
	bool stripped; /* no .symtab */
	bool pie;
	bool cgo;               /* CGO_ENABLED=1 build setting, or libpthread/libc needed */
	bool ignores_cpu_limit; /* DefaultGODEBUG has containermaxprocs=0: the go.mod says less than go 1.25 */
	bool has_dwarf;
	uint64_t lowest_vaddr; /* page of the lowest PT_LOAD: bias = lowest mapping - this */
	uint64_t text_vaddr;   /* link address that pclntab offsets count from */
	/* link addresses of the code of package runtime (and what the linker put between): a stack says something
	 * beyond it; equal when unknown */
	uint64_t runtime_from, runtime_to;
	/* link addresses of two callers of runtime.isSystemGoroutine, which tell what it is asked for; 0 unknown */
	uint64_t newproc1_from, newproc1_to; /* a goroutine is new */
	uint64_t exit_from, exit_to;         /* gdestroy, before 1.22 goexit0: one ends */

	struct probe_site sites[GO_SITE_CNT];
	uint64_t globals[GLOBAL_CNT];
	int16_t fields[FIELD_CNT];
	enum layout_source layout;
	enum globals_source globals_source;
	uint64_t moduledata;     /* link-time address of runtime.firstmoduledata, 0 unknown */
	char layout_why[WHY_SZ]; /* why layout == LAYOUT_NONE or globals are missing */
};

/* Outcomes besides 0 and -errno. */
enum binary_outcome {
	BINARY_NOT_ELF = 1,
	BINARY_NOT_GO = 2,      /* ELF without Go build information */
	BINARY_UNSUPPORTED = 3, /* 32 bit, foreign machine or byte order */
	BINARY_TOO_OLD = 4,     /* Go before 1.18: identified, but no probe and no layout */
};

/* Reads the executable behind fd (which stays the caller's; read with pread/mmap, never trusted: every offset is
 * checked, no more than a stated bound of memory is used). On 0 and BINARY_TOO_OLD *ret is filled and is the caller's.
 * why explains every other result in words. */
int binary_read(int fd, struct binary **ret, char *why);
struct binary *binary_free(struct binary *b);

/* True if the package is plumbing of containers (runc, a containerd shim): known by build information, never probed. */
bool binary_is_runtime_helper(const struct binary *b);

/* Name of a site's function ("runtime.startTheWorldWithSema") and of the instruction ("push (emulated)"). */
const char *go_site_symbol(enum go_site site);
const char *probe_how_text(enum probe_how how);
/* By which way layout and globals are known, for people: "DWARF, symbol table"; "table, code refs". */
const char *binary_layout_text(const struct binary *b);

/* Cache: one struct binary a content, also when it is reached through different overlay mounts: dev and ino are then
 * those of the file that was read first. Negative answers are cached too, in a table of their own with a fixed size. */
struct binary_cache;
int binary_cache_new(size_t max_entries, struct binary_cache **ret);
struct binary_cache *binary_cache_free(struct binary_cache *c);
/* As binary_read, but *ret stays the cache's and is valid until the cache is freed; entries that no longer fit the
 * bound are an error (-ENOSPC), never an eviction under a user's feet. */
int binary_cache_get(struct binary_cache *c, int fd, const struct binary **ret, char *why);
