/* SPDX-License-Identifier: BSD-2-Clause */
/* WHY is the order in which verdicts_apply() leaves the containers; every other key is a number with the name deciding
 * among equals, so that rows do not change places without a reason. Containers that are gone stand last, whatever the
 * key and its direction. */
#include "view/order.h"

#include <stdlib.h>
#include <string.h>

#include "pods/owner_index.h"

const char *const order_names[SORT_KEY_CNT + 1] = {"why",  "cpu",  "mem",   "thr", "stw", "gc",
						   "name", "runq", "gosch", "net", "dns", NULL};

/* NAN where nothing happened: such rows stand behind those with a number. */
static double dist_value(const struct dist *d, double value)
{
	return d->cnt > 0 ? value : NAN;
}

static double sort_value(const struct snapshot_container *c, enum sort_key key)
{
	switch (key) {
	case SORT_CPU:
		return c->cpu.usage_cpus;
	case SORT_MEM:
		return c->memory.working_set_bytes == STAT_UNKNOWN ? NAN : (double)c->memory.working_set_bytes;
	case SORT_THR:
		return c->cpu.ratio;
	case SORT_STW:
		return dist_value(&c->gc.pause, c->gc.pause.max);
	case SORT_GC:
		return c->gc.cpu_ratio;
	case SORT_RUNQ:
		return dist_value(&c->cpu.runq, c->cpu.runq.p99);
	case SORT_GOSCH:
		return c->sched.on ? dist_value(&c->sched.latency, c->sched.latency.p99) : NAN;
	case SORT_NET:
		return dist_value(&c->net.rtt, c->net.rtt.p99);
	case SORT_DNS:
		return dist_value(&c->net.dns, c->net.dns.p99);
	default:
		return NAN;
	}
}

struct by {
	const struct snapshot *snapshot;
	enum sort_key key;
	bool reverse;
};

static int compare_names(const struct owner *a, const struct owner *b)
{
	char n[OWNER_NAME_SZ * 3], m[OWNER_NAME_SZ * 3];

	owner_format(a, n, sizeof(n));
	owner_format(b, m, sizeof(m));
	return strcmp(n, m);
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct by *by = arg;
	const int i = *(const int *)a, k = *(const int *)b;
	const struct snapshot_container *x = &by->snapshot->containers[i], *y = &by->snapshot->containers[k];
	double v = sort_value(x, by->key), w = sort_value(y, by->key);
	int order = 0;

	if (x->gone != y->gone)
		return x->gone - y->gone; /* what has ended last, too */
	if (isnan(v) != isnan(w))
		return isnan(v) - isnan(w); /* unknown last, whatever the direction */
	if (!isnan(v) && v != w)
		order = v > w ? -1 : 1;
	if (!order)
		order = compare_names(&x->owner, &y->owner);
	if (!order)
		order = i - k;
	return by->reverse ? -order : order;
}

void order_rows(const struct snapshot *s, enum sort_key key, bool reverse, int *rows)
{
	struct by by = {s, key, reverse};
	int n = s->container_cnt, cnt = 0;

	for (int gone = 0; gone < 2; gone++) {
		for (int i = 0; i < n; i++) {
			int at = key == SORT_WHY && reverse ? n - 1 - i : i;

			if (s->containers[at].gone == gone)
				rows[cnt++] = at;
		}
	}
	if (key != SORT_WHY)
		qsort_r(rows, (size_t)n, sizeof(*rows), compare, &by);
}

static bool in_order(const int *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i] != (int)i)
			return false;
	return true;
}

void order_apply(struct snapshot *s, enum sort_key key, bool reverse)
{
	size_t n = (size_t)s->container_cnt;
	struct snapshot_container *sorted;
	int *rows;

	if (!n)
		return;
	rows = calloc(n, sizeof(*rows));
	sorted = calloc(n, sizeof(*sorted));
	if (rows)
		order_rows(s, key, reverse, rows);
	if (rows && sorted && !in_order(rows, n)) {
		for (size_t i = 0; i < n; i++)
			sorted[i] = s->containers[rows[i]];
		free(s->containers);
		s->containers = sorted;
		sorted = NULL;
	}
	free(sorted);
	free(rows);
}
