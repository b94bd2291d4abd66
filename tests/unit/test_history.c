/* SPDX-License-Identifier: BSD-2-Clause */
/* What comes back is what went in, bit by bit: whatever changes, comes, goes, changes its place or stands twice, in any
 * order of asking, while more is added and the oldest gives way. And what it costs: run with -v for the figures. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "stats/history.h"
#include "stats/word_delta.h"

#define SEC    1000000000ull
#define MIB    1048576ull
#define START  (100 * SEC)
#define ROUNDS 120

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 2685821657736338717ull;
}

static double seconds(uint64_t ns)
{
	return (double)ns / NS_PER_SEC;
}

/* ---- copies and comparison ---- */

static void *copy_of(const void *p, size_t sz)
{
	void *ret = sz ? malloc(sz) : NULL;

	return ret ? memcpy(ret, p, sz) : NULL;
}

static void copy(const struct snapshot *s, struct snapshot *ret)
{
	memcpy(ret, s, sizeof(*s));
	ret->refused = copy_of(s->refused, (size_t)s->refused_cnt * sizeof(*s->refused));
	ret->containers = copy_of(s->containers, (size_t)s->container_cnt * sizeof(*s->containers));
	for (int i = 0; i < s->container_cnt; i++)
		ret->containers[i].processes =
			copy_of(s->containers[i].processes,
				(size_t)s->containers[i].process_cnt * sizeof(*s->containers[i].processes));
}

static bool same_container(const struct snapshot_container *a, const struct snapshot_container *b)
{
	size_t at = offsetof(struct snapshot_container, processes), behind = at + sizeof(a->processes);

	return !memcmp(a, b, at) && !memcmp((const char *)a + behind, (const char *)b + behind, sizeof(*a) - behind) &&
	       (!a->process_cnt || !memcmp(a->processes, b->processes, (size_t)a->process_cnt * sizeof(*a->processes)));
}

static bool same(const struct snapshot *a, const struct snapshot *b)
{
	struct snapshot x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	x.refused = y.refused = NULL;
	x.containers = y.containers = NULL;
	if (memcmp(&x, &y, sizeof(x)))
		return false;
	if (a->refused_cnt && memcmp(a->refused, b->refused, (size_t)a->refused_cnt * sizeof(*a->refused)))
		return false;
	for (int i = 0; i < a->container_cnt; i++)
		if (!same_container(&a->containers[i], &b->containers[i]))
			return false;
	return true;
}

/* ---- snapshots that change at random ---- */

static void fill_random(void *p, size_t sz, uint64_t *seed)
{
	for (size_t i = 0; i < sz; i++)
		((unsigned char *)p)[i] = (unsigned char)next(seed);
}

static void add_container(struct snapshot *s, uint32_t id, uint64_t *seed)
{
	struct snapshot_container *c;

	s->containers = realloc(s->containers, (size_t)(s->container_cnt + 1) * sizeof(*s->containers));
	c = &s->containers[s->container_cnt++];
	snapshot_container_init(c);
	c->id = id;
	c->process_cnt = (int)(next(seed) % 4);
	c->processes = c->process_cnt ? calloc((size_t)c->process_cnt, sizeof(*c->processes)) : NULL;
	for (int i = 0; i < c->process_cnt; i++)
		c->processes[i].pid = (int32_t)next(seed);
}

static void remove_container(struct snapshot *s, int at)
{
	free(s->containers[at].processes);
	s->container_cnt--;
	memmove(&s->containers[at], &s->containers[at + 1], (size_t)(s->container_cnt - at) * sizeof(*s->containers));
}

static void change_processes(struct snapshot_container *c, uint64_t *seed)
{
	int cnt = (int)(next(seed) % 6);

	c->processes = realloc(c->processes, (size_t)(cnt + 1) * sizeof(*c->processes));
	for (int i = c->process_cnt; i < cnt; i++)
		snapshot_process_init(&c->processes[i]);
	c->process_cnt = cnt;
	if (cnt)
		fill_random(&c->processes[cnt - 1].comm, sizeof(c->processes->comm), seed);
}

static void change_container(struct snapshot_container *c, uint64_t *seed)
{
	static const double values[] = {NAN, -0.0, 0, INFINITY, 1e300, -1, 5e-324, 1e-9, 4194304.000000001};

	switch (next(seed) % 8) {
	case 0: /* a few bytes anywhere behind the pointer */
		for (int k = 0; k < 20; k++) {
			size_t first = offsetof(struct snapshot_container, process_cnt) + sizeof(int);
			size_t at = first + next(seed) % (sizeof(*c) - first);

			((unsigned char *)c)[at] = (unsigned char)next(seed);
		}
		break;
	case 1:
		fill_random(&c->net, sizeof(c->net), seed);
		break;
	case 2:
		memset(c->verdicts, 0, sizeof(c->verdicts));
		break;
	case 3:
		change_processes(c, seed);
		break;
	case 4:
		c->cpu.usage_cpus = values[next(seed) % (sizeof(values) / sizeof(*values))];
		c->gc.pause.max = values[next(seed) % (sizeof(values) / sizeof(*values))];
		break;
	default:
		c->gc.pause = (struct dist){.cnt = (int64_t)(next(seed) % 3) - 1,
					    .sum = seconds(next(seed) % SEC),
					    .p50 = -seconds(next(seed) % 1000),
					    .max = seconds(next(seed) % (SEC / 10))};
		c->gc.heap_live_bytes = (int64_t)next(seed);
	}
}

static void change_refused(struct snapshot *s, uint64_t *seed)
{
	int cnt = (int)(next(seed) % 5);

	s->refused = realloc(s->refused, (size_t)(cnt + 1) * sizeof(*s->refused));
	for (int i = s->refused_cnt < cnt ? s->refused_cnt : 0; i < cnt; i++)
		fill_random(&s->refused[i], sizeof(s->refused[i]), seed);
	s->refused_cnt = cnt;
}

static void swap_containers(struct snapshot *s, uint64_t *seed)
{
	size_t a = next(seed) % (uint64_t)s->container_cnt, b = next(seed) % (uint64_t)s->container_cnt;
	struct snapshot_container t;

	memcpy(&t, &s->containers[a], sizeof(t));
	memmove(&s->containers[a], &s->containers[b], sizeof(t));
	memcpy(&s->containers[b], &t, sizeof(t));
}

static void change(struct snapshot *s, uint64_t *seed)
{
	s->time_mono_ns += SEC;
	s->time_unix_ns += SEC;
	s->events += next(seed) % 1000;
	s->agent_cpu_seconds = seconds(next(seed) % (100 * SEC));
	if (next(seed) % 3 == 0)
		change_refused(s, seed);
	for (uint64_t k = next(seed) % 4; k > 0 && s->container_cnt < 12; k--)
		add_container(s, 1 + (uint32_t)(next(seed) % 16), seed); /* twice now and then, and back again */
	if (next(seed) % 4 == 0)
		add_container(s, 0, seed);
	for (uint64_t k = next(seed) % 4; k > 0 && s->container_cnt; k--)
		remove_container(s, (int)(next(seed) % (uint64_t)s->container_cnt));
	for (int k = 0; k < 4 && s->container_cnt; k++)
		swap_containers(s, seed);
	for (int k = 0; k < s->container_cnt; k++)
		if (next(seed) % 2)
			change_container(&s->containers[k], seed);
	if (next(seed) % 40 == 0)
		while (s->container_cnt)
			remove_container(s, 0);
}

static void check(const struct history *h, const struct snapshot *past, size_t added, size_t back)
{
	struct snapshot got;
	int err = history_get(h, back, &got);

	if (err)
		fail_msg("%zu of %zu back: error %d", back, added, err);
	if (!same(&got, &past[added - 1 - back]))
		fail_msg("%zu of %zu back differs", back, added);
	assert_int_equal(history_time_ns(h, back), got.time_mono_ns);
	snapshot_deinit(&got);
}

static void exact(void **state)
{
	struct snapshot past[ROUNDS], s;

	for (uint64_t seed = 1; seed < 12; seed++) {
		uint64_t rnd = seed * 77777;
		struct history *h;

		assert_int_equal(history_new(64 * MIB, &h), 0);
		snapshot_init(&s);
		s.time_mono_ns = START;
		for (size_t n = 0; n < ROUNDS; n++) {
			change(&s, &rnd);
			copy(&s, &past[n]);
			assert_int_equal(history_add(h, &s), 0);
			assert_int_equal(history_cnt(h), n + 1);
			for (int k = 0; k < 3; k++) /* while it grows: anywhere */
				check(h, past, n + 1, next(&rnd) % (n + 1));
		}
		for (size_t k = 0; k < ROUNDS; k++)
			check(h, past, ROUNDS, k);
		for (size_t k = ROUNDS; k > 0; k--)
			check(h, past, ROUNDS, k - 1);
		assert_int_equal(history_get(h, ROUNDS, &s), -ENOENT);
		assert_int_equal(history_time_ns(h, ROUNDS), 0);
		for (size_t k = 0; k < ROUNDS; k++)
			snapshot_deinit(&past[k]);
		snapshot_deinit(&s);
		history_free(h);
	}
}

/* ---- bounds ---- */

static void small(struct snapshot *s, uint64_t time_ns, int cnt)
{
	uint64_t seed = time_ns;

	snapshot_init(s);
	s->time_mono_ns = time_ns;
	for (int i = 0; i < cnt; i++) {
		add_container(s, (uint32_t)i + 1, &seed);
		s->containers[i].cpu.usage_cpus = (double)time_ns / 3e9;
		s->containers[i].seen_ns = time_ns;
	}
}

static void add_small(struct history *h, uint64_t time_ns, int cnt, int want)
{
	struct snapshot s;

	small(&s, time_ns, cnt);
	assert_int_equal(history_add(h, &s), want);
	snapshot_deinit(&s);
}

static void age(void **state)
{
	struct snapshot s;
	struct history *h;

	assert_int_equal(history_new(64 * MIB, &h), 0);
	assert_int_equal(history_cnt(h), 0);
	assert_int_equal(history_get(h, 0, &s), -ENOENT);
	for (uint64_t t = 0; t <= 1000; t++)
		add_small(h, START + t * SEC, 1, 0);
	assert_int_equal(history_cnt(h), 901); /* 15 minutes and the newest */
	assert_int_equal(history_time_ns(h, 900), START + 100 * SEC);
	add_small(h, START + 5000 * SEC, 1, 0);
	assert_int_equal(history_cnt(h), 1);
	add_small(h, START, 1, 0); /* another clock: nothing breaks */
	assert_int_equal(history_cnt(h), 2);
	history_free(h);
	assert_null(history_free(NULL));
}

static void budget(void **state)
{
	size_t max = 700000, least = SIZE_MAX;
	struct snapshot s;
	struct history *h;

	assert_int_equal(history_new(max, &h), 0);
	for (uint64_t t = 0; t < 3000; t++) {
		add_small(h, START + t * SEC / 10, 8, 0);
		assert_true(history_bytes(h) <= max);
		if (t > 2000)
			least = history_cnt(h) < least ? history_cnt(h) : least;
		if (t % 7 == 0) { /* who looks back takes place, too */
			size_t back = history_cnt(h) - 1;

			assert_int_equal(history_get(h, back, &s), 0);
			assert_int_equal(s.time_mono_ns, history_time_ns(h, back));
			snapshot_deinit(&s);
		}
	}
	assert_true(least > 10);
	add_small(h, START + 400 * SEC, 100, -ENOMEM); /* more than all of it */
	assert_int_equal(history_cnt(h), 0);
	assert_true(history_bytes(h) <= max + 65536 * 64);
	history_free(h);
}

/* ---- series ---- */

static void series(void **state)
{
	double values[64];
	struct history *h;
	struct snapshot s;

	assert_int_equal(history_new(64 * MIB, &h), 0);
	assert_int_equal(history_series(h, 2, SERIES_CPU, values, 64), 0);
	for (uint64_t t = 0; t < 50; t++) {
		small(&s, START + t * SEC, t < 10 || t >= 20 ? 3 : 1); /* 2 and 3 are away for ten seconds */
		if (t % 2 && s.container_cnt == 3) {
			struct snapshot_container c = s.containers[0];

			s.containers[0] = s.containers[1];
			s.containers[1] = c;
		}
		for (int i = 0; i < s.container_cnt; i++) {
			struct snapshot_container *c = &s.containers[i];

			c->cpu.usage_cpus = (double)(t * 10 + c->id);
			c->gc.cycles = t == 5 ? STAT_UNKNOWN : (int64_t)t;
			c->seen_ns = 10 * SEC;
			c->gc.pause.cnt = c->cpu.runq.cnt = c->net.rtt.cnt = (int64_t)(t % 3) - 1;
			c->gc.pause.max = c->cpu.runq.p99 = c->net.rtt.p99 = (double)t;
		}
		assert_int_equal(history_add(h, &s), 0);
		snapshot_deinit(&s);
	}
	assert_int_equal(history_series(h, 2, SERIES_CPU, values, 64), 50);
	for (int t = 0; t < 50; t++)
		assert_true(t >= 10 && t < 20 ? isnan(values[t]) : values[t] == t * 10 + 2);
	assert_int_equal(history_series(h, 1, SERIES_CPU, values, 20), 20);
	assert_true(values[0] == 301 && values[19] == 491);
	history_series(h, 3, SERIES_GC_RATE, values, 64);
	assert_true(isnan(values[5]) && isnan(values[15]) && values[7] == 0.7);
	for (int which = SERIES_RUNQ; which <= SERIES_RTT; which++) {
		history_series(h, 1, which, values, 64);
		for (int t = 0; t < 50; t++) {
			if (t % 3 == 2)
				assert_true(values[t] == t);
			else if (t % 3 == 1 && which != SERIES_RTT)
				assert_true(values[t] == 0);
			else
				assert_true(isnan(values[t]));
		}
	}
	history_series(h, 99, SERIES_HEAP, values, 64);
	assert_true(isnan(values[0]) && isnan(values[49]));
	assert_int_equal(history_series(h, 1, SERIES_CNT, values, 64), 50);
	assert_true(isnan(values[3]));
	history_free(h);
}

/* ---- words ---- */

static void words(void **state)
{
	static const uint64_t special[] = {0, 1, UINT64_MAX, 1ull << 63, 0x7ff8000000000000ull, 0x3ff0000000000000ull};
	uint64_t seed = 5;

	for (int round = 0; round < 3000; round++) {
		size_t n = next(&seed) % 600, base_n = next(&seed) % (n + 1);
		uint64_t *a = calloc(n + 1, 8), *b = calloc(n + 1, 8);
		uint8_t *out = malloc(word_delta_bound(n) + 2 * WORD_DELTA_VARINT_MAX), *end;

		for (size_t i = 0; i < n; i++) {
			double d = seconds(next(&seed) % (20 * SEC));

			memcpy(&a[i], &d, 8);
			b[i] = i >= base_n ? 0 : a[i];
			if (next(&seed) % 8 == 0)
				a[i] = special[next(&seed) % 6];
			else if (next(&seed) % 16 == 0)
				a[i] = next(&seed) >> next(&seed) % 64;
			else if (next(&seed) % 16 == 0)
				a[i] = b[i] + next(&seed) % 400 - 200;
			else if (next(&seed) % 16 == 0)
				a[i] = b[i] ^ 0x4100000000000041ull << next(&seed) % 8;
			else if (next(&seed) % 4 == 0) {
				d += seconds(next(&seed) % 1000);
				memcpy(&a[i], &d, 8);
			}
		}
		end = word_delta_encode(out, a, n, b, base_n);
		assert_true((size_t)(end - out) <= word_delta_bound(n) + WORD_DELTA_VARINT_MAX);
		assert_ptr_equal(word_delta_apply(out, b, n), end);
		assert_memory_equal(a, b, n * 8);
		free(a);
		free(b);
		free(out);
	}
	for (int k = 0; k < 63; k++) {
		uint8_t buf[WORD_DELTA_VARINT_MAX];
		uint64_t v = (1ull << k) - 1 + (uint64_t)(k & 1), got;

		assert_ptr_equal(word_delta_get(buf, &got), word_delta_put(buf, v));
		word_delta_put(buf, v);
		word_delta_get(buf, &got);
		assert_int_equal(got, v);
		assert_int_equal(word_delta_unzigzag(word_delta_zigzag((int64_t)v)), v);
		assert_int_equal(word_delta_unzigzag(word_delta_zigzag(-(int64_t)v)), -(int64_t)v);
	}
}

/* ---- cost ---- */

static double ratio(double v) /* as container_stats_fill() makes them */
{
	return (double)llrint(v * 1e9) / 1e9;
}

static void some_dist(struct dist *d, uint64_t *seed, uint64_t scale)
{
	uint64_t v = next(seed) % scale;

	d->cnt = (int64_t)(next(seed) % 300);
	d->p50 = seconds(scale + v);
	d->sum = seconds((uint64_t)d->cnt * scale + v);
	if (next(seed) % 4)
		return; /* the edges of a window of 10 s move seldom */
	d->min = seconds(scale / 4 + v / 8);
	d->p90 = seconds(2 * scale + 3 * v);
	d->p99 = seconds(3 * scale + 4 * v);
	d->max = seconds(4 * scale + 5 * v);
}

static void some_usage(struct snapshot_container *c, uint64_t *seed)
{
	uint64_t ns = next(seed) % (SEC / 10) + SEC;

	c->cpu.usage_seconds = seconds(ns);
	c->cpu.usage_cpus = ratio((double)ns / (double)(10 * SEC + next(seed) % 100000));
	c->cost_ratio = ratio(1e-4 * c->cpu.usage_cpus);
	c->memory.usage_bytes = c->memory.working_set_bytes = (int64_t)((40000 + next(seed) % 500) * 4096);
	if (next(seed) % 5 == 0)
		c->memory.growth_bytes_per_second = (double)(next(seed) % 1000000) / 7;
}

static void some_gc(struct snapshot_container *c, uint64_t *seed)
{
	c->gc.cycles = (int64_t)(next(seed) % 20);
	c->gc.cycles_total += 2;
	some_dist(&c->gc.pause, seed, 40000);
	some_dist(&c->gc.mark, seed, 4000000);
	c->gc.pauses_by_reason[STW_GC_MARK_TERM] = c->gc.pauses_by_reason[STW_GC_SWEEP_TERM] = c->gc.cycles;
	c->gc.mark_wall_ratio = ratio(c->gc.mark.sum / 10);
	c->gc.cpu_ratio = ratio(c->cpu.usage_cpus / 8);
	c->gc.assist_seconds = seconds(next(seed) % 1000000);
	c->gc.heap_live_bytes = (int64_t)((next(seed) % 200000 + 5000000) * 8);
	c->gc.heap_goal_bytes = 2 * c->gc.heap_live_bytes;
	c->goroutines = (int64_t)(400 + next(seed) % 30);
}

static void some_net(struct snapshot_container *c, int peers, uint64_t *seed)
{
	some_dist(&c->net.rtt, seed, 300000);
	c->net.rtt_min_seconds = 1e-6 * (double)(80 + next(seed) % 4);
	c->net.segments = (int64_t)(4000 + next(seed) % 500);
	c->net.segments_in = (int64_t)(4000 + next(seed) % 500);
	c->net.peer_cnt = peers;
	for (int i = 0; i < peers; i++) {
		struct snapshot_peer *p = &c->net.peers[i];

		p->segments = (int64_t)(400 + next(seed) % 50);
		some_dist(&p->rtt, seed, 300000);
	}
}

static void some_trouble(struct snapshot_container *c, uint64_t *seed)
{
	struct verdict *v = &c->verdicts[0];

	some_dist(&c->cpu.length, seed, 70000000);
	some_dist(&c->cpu.runq, seed, 20000);
	some_dist(&c->net.connect, seed, 900000);
	some_dist(&c->net.dns, seed, 900000);
	c->cpu.intervals = (int64_t)(60 + next(seed) % 9);
	c->cpu.union_seconds = c->cpu.length.sum;
	c->cpu.cpu_seconds = seconds(next(seed) % SEC);
	c->cpu.ratio = ratio(c->cpu.union_seconds / 10);
	c->cpu.nr_throttled = c->cpu.intervals;
	c->verdict_cnt = 1;
	snprintf(v->id, sizeof(v->id), "throttled");
	snprintf(v->text, sizeof(v->text),
		 "Held by its CPU limit %d%% of the time, up to %.1f ms; %d%% of its CPU was GC.",
		 (int)(40 + next(seed) % 3), c->cpu.length.max * 1e3, (int)(60 + next(seed) % 3));
	snprintf(v->seen, sizeof(v->seen),
		 "limit 2.0, %d/100 periods throttled, GC %.1f of %.1f cpu-s, heap %dM of 512M", (int)c->cpu.intervals,
		 c->gc.mark.sum, c->cpu.usage_seconds, (int)(38 + next(seed) % 3));
	v->evidence_cnt = 3;
	for (int i = 0; i < 3; i++)
		v->evidence[i].value = c->cpu.ratio * (i + 1);
}

/* Of hundred containers: how many have everything (throttled, a verdict, ten peers), and how many collect garbage and
 * talk to three peers. The others hardly run. */
struct mix {
	unsigned int busy, working;
};

static void live(struct snapshot *s, const struct mix *mix, uint64_t *seed)
{
	s->time_mono_ns += SEC;
	s->time_unix_ns += SEC + next(seed) % 100000;
	s->events += 5000 + next(seed) % 100;
	for (int i = 0; i < s->container_cnt; i++) {
		struct snapshot_container *c = &s->containers[i];
		unsigned int at = c->id * 37 % 100;
		bool busy = at < mix->busy;

		some_usage(c, seed);
		if (at >= mix->busy + mix->working)
			continue;
		some_gc(c, seed);
		some_net(c, busy ? 10 : 3, seed);
		if (busy)
			some_trouble(c, seed);
	}
	if (next(seed) % 5 == 0)
		swap_containers(s, seed);
}

struct cost {
	double add_ms, worst_ms, step_ms, walk_ms, series_ms;
	double bytes_each; /* of an older snapshot */
	double mib_15min;
};

static void measure(int containers, const struct mix *mix, struct cost *ret)
{
	enum { CNT = 60 };
	uint64_t seed = 3, t0, sum = 0, worst = 0;
	double values[CNT];
	size_t first;
	struct snapshot s, got;
	struct history *h;

	assert_int_equal(history_new(256 * MIB, &h), 0);
	small(&s, START, containers);
	for (int i = 0; i < 2; i++) {
		live(&s, mix, &seed);
		history_add(h, &s);
	}
	first = history_bytes(h);
	for (int i = 0; i < CNT; i++) {
		live(&s, mix, &seed);
		t0 = clock_mono_ns();
		history_add(h, &s);
		t0 = clock_mono_ns() - t0;
		sum += t0;
		worst = t0 > worst ? t0 : worst;
	}
	ret->add_ms = (double)sum / CNT / 1e6;
	ret->worst_ms = (double)worst / 1e6;
	ret->bytes_each = (double)(history_bytes(h) - first) / CNT;
	ret->mib_15min = ((double)first + ret->bytes_each * 900) / (double)MIB;
	t0 = clock_mono_ns();
	history_series(h, 7, SERIES_CPU, values, CNT);
	ret->series_ms = (double)(clock_mono_ns() - t0) / 1e6;
	t0 = clock_mono_ns();
	history_get(h, CNT - 2, &got);
	ret->walk_ms = (double)(clock_mono_ns() - t0) / 1e6;
	snapshot_deinit(&got);
	t0 = clock_mono_ns();
	history_get(h, CNT - 1, &got);
	ret->step_ms = (double)(clock_mono_ns() - t0) / 1e6;
	snapshot_deinit(&got);
	snapshot_deinit(&s);
	history_free(h);
}

/* The bounds on time are far above what it takes (2.5 ms): they are to find a change of order on a busy machine. */
static void cost(void **state)
{
	static const struct {
		int containers;
		struct mix mix;
		double mib_max;
	} rows[] = {
		{40, {10, 30}, 6},  {300, {5, 20}, 32}, /* a node of its kind */
		{40, {0, 0}, 3},    {40, {0, 100}, 8},  /* what each kind takes */
		{40, {100, 0}, 20},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct cost c;

		measure(rows[i].containers, &rows[i].mix, &c);
		print_message(
			"%d containers, %u%% busy, %u%% working: add %.2f ms (worst %.2f), 15 min %.1f MiB (%.0f "
			"bytes a container and second), 58 back %.1f ms, one more %.1f ms, series of 60 %.3f ms\n",
			rows[i].containers, rows[i].mix.busy, rows[i].mix.working, c.add_ms, c.worst_ms, c.mib_15min,
			c.bytes_each / rows[i].containers, c.walk_ms, c.step_ms, c.series_ms);
		assert_true(c.mib_15min <= rows[i].mib_max);
		assert_true(c.add_ms < 200);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),  cmocka_unit_test(exact),  cmocka_unit_test(age),
		cmocka_unit_test(budget), cmocka_unit_test(series), cmocka_unit_test(cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
