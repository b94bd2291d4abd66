/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything that is known of one Go executable: read once per content, cached, shared by its processes. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "go_site.h"

enum probe_how {
	SITE_NONE = 0, /* no probe: see why */
	SITE_PUSH,     /* amd64 `push rbp`: emulated by the kernel */
	SITE_JBE,      /* amd64 `jbe`, arm64 `b.ls`: emulated; hits with the branch taken are dropped */
	SITE_STORE,    /* arm64 `str x30, [sp, #-N]!`: one hit a call */
	SITE_FIRST,    /* first instruction, single-stepped: only for functions declared cold */
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
	GLOBAL_CNT,
};

/* Field offsets in runtime structures; -1 = the version has no such field or it is unknown. */
enum go_field {
	FIELD_GC_PERCENT,      /* gcController.gcPercent, int32 */
	FIELD_GC_MEMORY_LIMIT, /* gcController.memoryLimit, int64, 1.19+ */
	FIELD_GC_HEAP_MINIMUM,
	FIELD_GC_HEAP_GOAL, /* gcController.gcPercentHeapGoal (1.18: heapGoal) */
	FIELD_GC_HEAP_LIVE,
	FIELD_GC_HEAP_MARKED,
	FIELD_GC_HEAP_FREE, /* the five that heapGoalInternal's memory limit needs, 1.19+ */
	FIELD_GC_TOTAL_ALLOC,
	FIELD_GC_TOTAL_FREE,
	FIELD_GC_MAPPED_READY,
	FIELD_GC_ASSIST_TIME,
	FIELD_MEMSTATS_NUMGC, /* uint32 */
	FIELD_MEMSTATS_PAUSE_TOTAL,
	FIELD_WORK_CPUSTATS, /* 1.20+: 11 int64, facts/go-runtime.md 2.1 */
	FIELD_SCHED_NGSYS,
	FIELD_SCHED_GFREE_N,     /* up to 1.24 */
	FIELD_SCHED_GFREE_STACK, /* 1.25+ */
	FIELD_SCHED_GFREE_NOSTACK,
	FIELD_P_GFREE, /* p.gFree.n or .size, int32 */
	FIELD_G_M,
	FIELD_M_PREEMPTOFF,
	FIELD_CNT,
};

enum layout_source { LAYOUT_NONE, LAYOUT_DWARF, LAYOUT_TABLE };

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
	bool cgo; /* CGO_ENABLED=1 build setting, or libpthread/libc needed */
	bool ignores_cpu_limit;         /* DefaultGODEBUG has containermaxprocs=0: the go.mod says less than go 1.25 */
	bool has_dwarf;
	uint64_t lowest_vaddr; /* page of the lowest PT_LOAD: bias = lowest mapping - this */
	uint64_t text_vaddr;   /* link address that pclntab offsets count from */

	struct probe_site sites[GO_SITE_CNT];
	uint64_t globals[GLOBAL_CNT];
	int16_t fields[FIELD_CNT];
	enum layout_source layout;
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

/* Cache: one struct binary a content, also when it is reached through different overlay mounts: dev and ino are then
 * those of the file that was read first. Negative answers are cached too, in a table of their own with a fixed size. */
struct binary_cache;
int binary_cache_new(size_t max_entries, struct binary_cache **ret);
struct binary_cache *binary_cache_free(struct binary_cache *c);
/* As binary_read, but *ret stays the cache's and is valid until the cache is freed; entries that no longer fit the
 * bound are an error (-ENOSPC), never an eviction under a user's feet. */
int binary_cache_get(struct binary_cache *c, int fd, const struct binary **ret, char *why);
