/* SPDX-License-Identifier: BSD-2-Clause */
/* Windows of go_sched: switches of goroutines to spans, and what a container's windows showed. */
#include "model_private.h"

void model_go_sched(struct model *m, const struct record_go_sched *r)
{
}

void model_sched_name(struct model *m, const struct record_sched_name *r)
{
}

void model_sched_window(struct model *m, const struct record_sched_window *r)
{
}

void model_overhead(struct model *m, const struct record_overhead *r)
{
}
