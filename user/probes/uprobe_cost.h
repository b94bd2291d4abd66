/* SPDX-License-Identifier: BSD-2-Clause */
/* What one uprobe hit costs on this machine: measured on a function of our own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct link_set;
struct shared_maps;
struct uprobe_cost;

/* Attaches a program that does the work of go_gc (bpf/uprobe_cost.bpf.c) to the cheap instruction of our function,
 * calls it for at most a few milliseconds and gives the median cost of a hit. Its records on the ring of maps are
 * discarded ones. pidns_inum: of the agent. The probe stays set until uprobe_cost_links() were released: nobody calls
 * the function again. 0, or -errno with why. */
int uprobe_cost_measure(bool multi, const struct shared_maps *maps, uint32_t pidns_inum, struct uprobe_cost **ret,
			double *ret_ns, char *why);
/* The links, to be released by the caller; NULL the second time. */
struct link_set *uprobe_cost_take_links(struct uprobe_cost *c);
/* Frees program and what was not taken. NULL in, NULL out. */
struct uprobe_cost *uprobe_cost_free(struct uprobe_cost *c);
