/* SPDX-License-Identifier: BSD-2-Clause */
/* The probed binaries and the processes that share them: attached with the first process, kept for a while after the
 * last, switched off by the storm guard. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "probes/probes.h"

struct link_release;
struct shared_maps;
struct signal;
struct probed_table;

/* Pointers are borrowed for the life of the table. go_assist: NULL while it is off. wanted: bits of the signals that
 * filter by process. storm_hits_per_s 0: default. */
int probed_table_new(const struct shared_maps *maps, struct signal *go_gc, struct signal *go_assist,
		     struct link_release *release, uint32_t wanted, uint64_t storm_hits_per_s,
		     struct probed_table **ret);
/* Hands all links to the releasing threads, which must be waited for before maps and signal go (link_release_free), and
 * only then the table may go: call detach, wait, free. */
void probed_table_detach(struct probed_table *t);
struct probed_table *probed_table_free(struct probed_table *t);

/* As probes_add_process and probes_remove_process; the entry in the process table stays, without go_gc. */
int probed_table_add(struct probed_table *t, const struct process *proc, int exe_fd, char *why);
void probed_table_remove(struct probed_table *t, pid_t pid);
void probed_table_tick(struct probed_table *t, uint64_t now_ns, probes_storm_fn on_storm, void *arg);

uint64_t probed_table_hits(const struct probed_table *t, pid_t pid);
unsigned int probed_table_processes(const struct probed_table *t, pid_t pid);
/* What is seen of its assists. */
enum assist_view probed_table_assists(const struct probed_table *t, pid_t pid);
/* As probes_assist_set. */
int probed_table_set_assists(struct probed_table *t, const struct process *proc, bool on, int exe_fd, char *why);
/* How often the guard switched this signal off on a binary. */
uint64_t probed_table_storms(const struct probed_table *t, enum signal_id id);
