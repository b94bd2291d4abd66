/* SPDX-License-Identifier: BSD-2-Clause */
/* The live set of Go processes: first pass over procfs, then exec and exit notices. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "procs/process.h"

struct proc_table;

struct proc_table_counts {
	uint64_t looked_at;   /* processes examined, first pass and later; a later pass counts the others again */
	uint64_t go;          /* of them Go */
	uint64_t helpers;     /* container plumbing */
	uint64_t short_lived; /* exec seen, gone before min_age: never examined */
	uint64_t skipped;     /* not Go or unreadable */
	uint64_t overflowed;  /* exec notices beyond PROC_PENDING_MAX (the next verify scans for them), processes beyond
				 PROC_MAX */
};

struct proc_table_ops {
	/* A Go process was found (any state but SKIPPED); it stays valid until removed() returns. */
	void (*added)(struct process *p, void *arg);
	/* It exited or replaced its image. */
	void (*removed)(struct process *p, void *arg);
	void *arg;
};

#define PROC_MIN_AGE_NS  100000000ull /* younger processes are not examined: runc, exec probes */
#define PROC_PENDING_MAX 4096         /* exec notices that wait for their age */
#define PROC_MAX         32768        /* entries, about 1 KB each */

/* root: where /proc lies below; cache: borrowed. keep_skipped: remember processes that are no Go, for `list --all`. */
int proc_table_new(const char *root, struct binary_cache *cache, bool keep_skipped, const struct proc_table_ops *ops,
		   struct proc_table **ret);
struct proc_table *proc_table_free(struct proc_table *t); /* calls removed() for what is left */

/* First pass over all of procfs; also usable later to catch what notices missed. 0 or -errno. */
int proc_table_scan(struct proc_table *t);
/* An exec notice: the process is examined by the first tick after its age reached PROC_MIN_AGE_NS. An entry of that pid
 * is removed at once. 0, or -ENOSPC when the queue is full (counted; the next verify scans). */
int proc_table_exec(struct proc_table *t, pid_t pid, uint64_t now_ns);
/* An exit notice. */
void proc_table_exit(struct proc_table *t, pid_t pid);
/* Examines what is due; call every 10 to 50 ms. Cheap when nothing is due. */
void proc_table_tick(struct proc_table *t, uint64_t now_ns);
/* Processes that wait for their age. */
size_t proc_table_pending_cnt(const struct proc_table *t);
/* Every so often (10 s): drops entries whose process is gone or was replaced (lost notices), and scans if exec notices
 * were turned away. */
void proc_table_verify(struct proc_table *t);

struct process *proc_table_find(const struct proc_table *t, pid_t pid);
/* Iterates over all entries, skipped ones included, in pid order: NULL starts, NULL ends. */
struct process *proc_table_next(const struct proc_table *t, const struct process *prev);
const struct proc_table_counts *proc_table_counts(const struct proc_table *t);
