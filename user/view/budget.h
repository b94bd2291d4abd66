/* SPDX-License-Identifier: BSD-2-Clause */
/* The overhead budget in words: what probes cost their targets, what is off for that, and when the next goroutine
 * window may open. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "stats/snapshot.h"
#include "view/pen.h"

#define BUDGET_TEXT_SZ 640

/* "0.5%", "none", "?": of --max-overhead. Returns buf. */
char *budget_text(double max_ratio, char *buf, size_t sz);
/* The share of its CPU that a container (or the worst of its processes) pays for us, all groups; NAN unknown. */
double budget_cost(const struct snapshot_container *c);
/* It pays more than --max-overhead. */
bool budget_exceeded(const struct snapshot_container *c);
/* "go_assist off: 0.8% of NAME's CPU is above the budget of 0.5%"; "" where nothing is off. name NULL: "its
 * CPU". Returns buf. */
char *budget_off(const struct snapshot_container *c, const char *name, char *buf, size_t sz);
/* "goroutine window waits for budget (0.5% of its CPU, saved up over a minute): about 12s"; "" where none waits.
 * Returns buf. */
char *budget_waiting(const struct snapshot_container *c, char *buf, size_t sz);
/* The part of the page of signals, its rule included. */
void budget_part(struct pen *p, const struct snapshot *s);
