/* SPDX-License-Identifier: BSD-2-Clause */
/* What the columns between the bars of the main table show, compared: percentiles, and the longest stop-the-world.
 * Where only passive reads know of a stop, it is the sum of a cycle's stops, as in the column. */
#include "diagnose/delay.h"

#include <math.h>
#include <stddef.h>

static void add(struct delay *d, const char *column, int64_t cnt, double seconds)
{
	d->known |= cnt >= 0;
	if (cnt <= 0 || isnan(seconds) || seconds <= d->seconds)
		return;
	d->seconds = seconds;
	d->column = column;
}

struct delay delay_longest(const struct snapshot_container *c)
{
	struct delay d = {.column = NULL};

	add(&d, "THR", c->cpu.intervals == STAT_UNKNOWN ? -1 : c->cpu.length.cnt, c->cpu.length.p99);
	add(&d, "RUNQ", c->cpu.runq.cnt, c->cpu.runq.p99);
	add(&d, "GOSCH", c->sched.on ? c->sched.latency.cnt : -1, c->sched.latency.p99);
	add(&d, "STW", c->gc.on || c->gc.passive ? c->gc.pause.cnt : -1, c->gc.pause.max);
	add(&d, "RTT", c->net.on ? c->net.rtt.cnt : -1, c->net.rtt.p99);
	add(&d, "DNS", c->net.dns_on ? c->net.dns.cnt : -1, c->net.dns.p99);
	return d;
}
