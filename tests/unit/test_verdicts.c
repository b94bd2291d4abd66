/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory of verdicts: hold, clearing at 70 %, severity up and down, since, suppression, forgetting; order of
 * containers. A sequence is the throttle ratio of one evaluation after the other, in percent, and what is shown after
 * each. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "diagnose/verdicts.h"
#include "diagnose/words.h"

#define SEC 1000000000ull

static struct snapshot snapshot_of(int cnt)
{
	struct snapshot s;

	snapshot_init(&s);
	s.node_cpus = 8;
	s.time_unix_ns = 1000 * SEC;
	s.containers = calloc((size_t)cnt, sizeof(*s.containers));
	s.container_cnt = cnt;
	for (int i = 0; i < cnt; i++) {
		struct snapshot_container *c = &s.containers[i];

		snapshot_container_init(c);
		snprintf(c->owner.cgroup, sizeof(c->owner.cgroup), "/pods/c%d", i);
		snprintf(c->owner.pod, sizeof(c->owner.pod), "p%d", i);
		c->cpu.intervals = 1;
		c->cpu.ratio = 0;
		c->cpu.limit_cpus = 2;
		c->cpu.usage_cpus = 1;
		c->gc.on = true;
	}
	return s;
}

static void give_process(struct snapshot_container *c, int64_t gomaxprocs)
{
	c->processes = calloc(1, sizeof(*c->processes));
	c->process_cnt = 1;
	snapshot_process_init(c->processes);
	c->processes->gomaxprocs = gomaxprocs;
}

/* '.' nothing, 'a' advice, 'w' warning, 'c' critical */
static char shown(const struct snapshot_container *c)
{
	return c->verdict_cnt ? "awc"[c->verdicts[0].severity] : '.';
}

static void sequences(void **state)
{
	static const struct {
		int hold;
		int percent[12]; /* -1: unknown */
		const char *want;
	} rows[] = {
		{3, {6, 6, 6, 6}, "..ww"},
		{1, {6, 0, 6}, "w.w"},
		{0, {6}, "w"},                             /* at least one */
		{3, {6, 6, 4, 6, 6, 6}, ".....w"},         /* in a row */
		{3, {6, 6, 6, 4, 4, 3, 4, 4}, "..www..."}, /* clears below 3.5, then needs 5 again */
		{3, {30, 30, 30, 30}, "..cc"},
		{3, {30, 30, 6, 6}, "..ww"}, /* critical did not hold, the warning did */
		{3, {6, 30, 30, 30}, "..wc"},
		{3, {6, 6, 6, 30, 30, 6, 30, 30, 30}, "..wwwwwwc"},
		{3, {30, 30, 30, 18, 18, 17, 18, 26}, "..cccwww"}, /* back to warning below 17.5 */
		{3, {30, 30, 30, 0, 30}, "..c.."},
		{1, {20, 20, 26, 18, 17}, "wwccw"}, /* 18 is above 70 % of 25, but was not critical before */
		{3, {6, 6, 6, 4, 18}, "..www"},     /* 18 does not raise what is held as a warning */
		{3, {6, 6, 6, -1, 6}, "..w.."},     /* unknown is not held */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct verdicts *v;

		assert_int_equal(verdicts_new(rows[i].hold, &v), 0);
		for (size_t k = 0; rows[i].want[k]; k++) {
			struct snapshot s = snapshot_of(1);

			s.containers->cpu.ratio = rows[i].percent[k] < 0 ? NAN : rows[i].percent[k] / 100.0;
			verdicts_apply(v, &s);
			if (shown(s.containers) != rows[i].want[k])
				fail_msg("row %zu, evaluation %zu: '%c' instead of '%c'", i, k + 1, shown(s.containers),
					 rows[i].want[k]);
			snapshot_deinit(&s);
		}
		verdicts_free(v);
	}
}

static void complete(void **state)
{
	struct snapshot s;
	struct verdicts *v;
	char name[64];

	assert_int_equal(verdicts_new(2, &v), 0);
	for (uint64_t t = 0; t < 4; t++) {
		s = snapshot_of(1);
		s.time_unix_ns += t * SEC;
		s.containers->cpu.ratio = t == 3 ? 0.04 : 0.3; /* the last one is held by the lowered threshold */
		give_process(s.containers, 32);
		verdicts_apply(v, &s);
		if (t < 3)
			snapshot_deinit(&s);
	}
	assert_int_equal(s.containers->verdict_cnt, 1);
	assert_string_equal(s.containers->verdicts[0].id, "throttled");
	assert_string_equal(s.containers->verdicts[0].culprit, "gomaxprocs");
	assert_int_equal(s.containers->verdicts[0].severity, VERDICT_WARNING);
	assert_int_equal(s.containers->verdicts[0].since_unix_ns, 1000 * SEC);       /* when it began to hold */
	assert_non_null(strstr(s.containers->verdicts[0].text, "4.0% of the time")); /* the numbers of now */
	verdict_short(&s.containers->verdicts[0], name, sizeof(name));
	assert_string_equal(name, "throttled+gomaxprocs");
	verdict_short(&s.containers->verdicts[0], name, 6);
	assert_string_equal(name, "throt");
	for (int i = 0; i < 3; i++) {
		s.time_unix_ns += SEC;
		s.containers->cpu.ratio = 0.3;
		verdicts_apply(v, &s);
	}
	assert_int_equal(s.containers->verdicts[0].severity, VERDICT_CRITICAL);
	assert_int_equal(s.containers->verdicts[0].since_unix_ns, 1000 * SEC); /* it was never gone */
	snapshot_deinit(&s);
	verdicts_free(v);
}

static void suppression(void **state)
{
	struct snapshot s;
	struct verdicts *v;

	assert_int_equal(verdicts_new(1, &v), 0);
	s = snapshot_of(1);
	give_process(s.containers, 8);
	verdicts_apply(v, &s);
	assert_int_equal(s.containers->verdict_cnt, 1);
	assert_string_equal(s.containers->verdicts[0].id, "gomaxprocs");

	s.containers->cpu.ratio = 0.1; /* the cause takes its place, its advice is told there */
	verdicts_apply(v, &s);
	assert_int_equal(s.containers->verdict_cnt, 1);
	assert_string_equal(s.containers->verdicts[0].id, "throttled");
	assert_non_null(strstr(s.containers->verdicts[0].advice, "GOMAXPROCS=2"));

	s.containers->cpu.ratio = 0;
	s.time_unix_ns += 50 * SEC;
	verdicts_apply(v, &s);
	assert_string_equal(s.containers->verdicts[0].id, "gomaxprocs");
	assert_int_equal(s.containers->verdicts[0].since_unix_ns, 1000 * SEC); /* it held all the time */

	/* what does not follow from it stays, after it */
	s.containers->cpu.ratio = 0.3;
	s.containers->processes->memory_limit_bytes = -1;
	s.containers->memory.limit_bytes = 100 << 20;
	s.containers->memory.peak_bytes = 95 << 20;
	verdicts_apply(v, &s);
	assert_int_equal(s.containers->verdict_cnt, 2);
	assert_string_equal(s.containers->verdicts[0].id, "throttled");
	assert_string_equal(s.containers->verdicts[1].id, "gomemlimit");
	snapshot_deinit(&s);
	verdicts_free(v);
}

/* The gomaxprocs advice is shown while throttling has not held long enough. */
static void suppression_waits_for_the_cause(void **state)
{
	static const char *const want[] = {"", "", "gomaxprocs", "gomaxprocs", "throttled"};
	struct verdicts *v;

	assert_int_equal(verdicts_new(3, &v), 0);
	for (int i = 0; i < 5; i++) {
		struct snapshot s = snapshot_of(1);

		give_process(s.containers, 8);
		s.containers->cpu.ratio = i >= 2 ? 0.3 : 0;
		verdicts_apply(v, &s);
		assert_int_equal(s.containers->verdict_cnt, *want[i] ? 1 : 0);
		if (*want[i])
			assert_string_equal(s.containers->verdicts[0].id, want[i]);
		snapshot_deinit(&s);
	}
	verdicts_free(v);
}

/* A slow resolver is told by the throttling that explains it, as long as that explains it. */
static void suppression_of_delays(void **state)
{
	static const struct {
		double ratio, held, dns;
		int64_t timeouts;
		const char *want; /* ids */
	} rows[] = {
		{0.3, 0.094, 0.071, 0, "throttled "},      {0.3, 0.094, 0.094, 0, "throttled "},
		{0.3, 0.094, 0.095, 0, "throttled dns "},  /* slower than it was ever held */
		{0.2, 0.094, 0.071, 0, "throttled dns "},  /* only a warning */
		{0.3, 0.094, 0.071, 10, "throttled dns "}, /* no answer at all */
		{0.3, NAN, 0.071, 0, "throttled dns "},    {0, 0.094, 0.071, 0, "dns "},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct snapshot s = snapshot_of(1);
		struct snapshot_container *c = s.containers;
		char got[64] = "";
		struct verdicts *v;

		c->cpu.ratio = rows[i].ratio;
		c->cpu.length.max = rows[i].held;
		c->net.dns_on = true;
		c->net.dns_queries = 100;
		c->net.dns_timeouts = rows[i].timeouts;
		c->net.dns = (struct dist){.cnt = 100, .p99 = rows[i].dns, .max = rows[i].dns};
		assert_int_equal(verdicts_new(1, &v), 0);
		verdicts_apply(v, &s);
		for (int k = 0; k < c->verdict_cnt; k++)
			words_add(got, sizeof(got), "%s ", c->verdicts[k].id);
		if (strcmp(got, rows[i].want))
			fail_msg("row %zu: %s", i, got);
		assert_string_equal(c->verdicts[0].also,
				    strcmp(got, "throttled ") ? ""
				    : rows[i].dns < 0.09
					    ? "DNS answers of 71 ms (p99) follow from it: it is held up to 94 "
					      "ms at once."
					    : "DNS answers of 94 ms (p99) follow from it: it is held up to 94 "
					      "ms at once.");
		snapshot_deinit(&s);
		verdicts_free(v);
	}
}

/* Waits behind its own threads follow from the throttling, waits behind others do not. */
static void suppression_of_waits(void **state)
{
	static const struct {
		double ratio;
		const char *rival;
		bool own;
		const char *want, *also;
	} rows[] = {
		{0.3, "app", true, "throttled ", "Its threads also wait for a CPU behind each other, p99 9.4 ms."},
		{0.1, "app", true, "throttled ", "Its threads also wait for a CPU behind each other, p99 9.4 ms."},
		{0.3, "", false, "throttled ", "Its threads also wait for a CPU, p99 9.4 ms."},
		{0.3, "app", false, "throttled cpu-contended ", ""},
		{0, "app", true, "cpu-contended ", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct snapshot s = snapshot_of(1);
		struct snapshot_container *c = s.containers;
		char got[64] = "";
		struct verdicts *v;

		c->cpu.ratio = rows[i].ratio;
		c->cpu.runq = (struct dist){.cnt = 800, .sum = 1, .p99 = 0.0094, .max = 0.02};
		strcpy(c->cpu.runq_rival, rows[i].rival);
		c->cpu.runq_rival_own = rows[i].own;
		assert_int_equal(verdicts_new(1, &v), 0);
		verdicts_apply(v, &s);
		for (int k = 0; k < c->verdict_cnt; k++)
			words_add(got, sizeof(got), "%s ", c->verdicts[k].id);
		if (strcmp(got, rows[i].want))
			fail_msg("row %zu: %s", i, got);
		assert_string_equal(c->verdicts[0].also, rows[i].also);
		snapshot_deinit(&s);
		verdicts_free(v);
	}
}

/* An OOM kill needs no hold, and outlives its window by a minute. */
static void kept(void **state)
{
	static const struct {
		uint64_t second;
		int64_t kills;
		int percent; /* of the memory limit in use */
		char want;
		const char *text;
	} rows[] = {
		{0, 0, 50, '.', ""},
		{1, 1, 50, 'c', "The kernel killed 1 process"},
		{2, 3, 50, 'c', "The kernel killed 3 processes"},
		{3, 0, 50, 'c', "The kernel killed 3 processes"},
		{30, 0, 92, 'c', "The kernel killed 3 processes"}, /* a warning does not hide it */
		{62, 0, 50, 'c', "The kernel killed 3 processes"},
		{63, 0, 50, '.', ""},
		{64, 0, 92, '.', ""}, /* near the limit must hold */
		{65, 0, 92, '.', ""},
		{66, 0, 92, 'w', "Its memory is at 92%"},
		{67, 2, 92, 'c', "The kernel killed 2 processes of it for lack of memory. Its memory is at 92%"},
		{128, 0, 50, '.', ""},
		{129, 1, 50, 'c', "The kernel killed 1 process"},
		{9, 0, 50, '.', ""}, /* the clock was set back */
	};
	struct verdicts *v;

	assert_int_equal(verdicts_new(3, &v), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct snapshot s = snapshot_of(1);

		s.time_unix_ns += rows[i].second * SEC;
		s.containers->memory.limit_bytes = 100;
		s.containers->memory.working_set_bytes = rows[i].percent;
		s.containers->memory.oom_kills_window = rows[i].kills;
		verdicts_apply(v, &s);
		if (shown(s.containers) != rows[i].want)
			fail_msg("row %zu: '%c'", i, shown(s.containers));
		if (*rows[i].text)
			assert_string_equal(strstr(s.containers->verdicts[0].text, rows[i].text),
					    s.containers->verdicts[0].text); /* begins with it */
		snapshot_deinit(&s);
	}
	verdicts_free(v);
}

/* "+throttled:c" began or changed, "-throttled:c" ended, of container 1; "2" before those of container 2. */
static void changes(void **state)
{
	static const struct {
		int cnt; /* containers */
		int percent, dns_ms;
		const char *want;
	} rows[] = {
		{1, 6, 0, ""},
		{1, 6, 0, "+throttled:w "},
		{1, 7, 0, ""},
		{1, 30, 0, ""},
		{1, 30, 60, "+throttled:c "},
		{1, 30, 60, ""}, /* dns is told by its cause */
		{1, 6, 60, "+throttled:w +dns:w "},
		{1, 6, 60, ""},
		{1, 0, 60, "-throttled:w "},
		{2, 0, 60, ""},
		{2, 0, 60, "2+dns:w "},
		{1, 0, 60, "2-dns:w "}, /* the container went */
		{0, 0, 0, "-dns:w "},
		{0, 0, 0, ""},
		{1, 6, 0, ""},
		{1, 6, 0, "+throttled:w "},
	};
	struct verdicts *v;

	assert_int_equal(verdicts_new(2, &v), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct snapshot s = snapshot_of(rows[i].cnt);
		const struct verdict_change *ch;
		char got[128] = "";
		size_t cnt;

		for (int k = 0; k < s.container_cnt; k++) {
			struct snapshot_container *c = &s.containers[k];

			c->id = (uint32_t)k + 1;
			c->cpu.ratio = rows[i].percent / 100.0;
			c->cpu.length.max = 0.1;
			c->net.dns_on = true;
			c->net.dns_queries = 100;
			c->net.dns = (struct dist){.cnt = 100, .p99 = rows[i].dns_ms / 1000.0};
		}
		verdicts_apply(v, &s);
		cnt = verdicts_changes(v, &ch);
		for (size_t k = 0; k < cnt; k++)
			words_add(got, sizeof(got), "%s%c%s:%c ", ch[k].container_id == 2 ? "2" : "",
				  ch[k].ended ? '-' : '+', ch[k].verdict->id, "awc"[ch[k].verdict->severity]);
		if (strcmp(got, rows[i].want))
			fail_msg("row %zu: %s", i, got);
		snapshot_deinit(&s);
	}
	verdicts_free(v);
}

static void containers_apart(void **state)
{
	struct snapshot s;
	struct verdicts *v;

	assert_int_equal(verdicts_new(2, &v), 0);
	for (int i = 0; i < 2; i++) { /* the same index is another container each time */
		s = snapshot_of(2);
		s.containers[i].cpu.ratio = 0.3;
		verdicts_apply(v, &s);
		assert_int_equal(s.containers[0].verdict_cnt + s.containers[1].verdict_cnt, 0);
		snapshot_deinit(&s);
	}
	/* two host processes share a cgroup */
	for (int i = 0; i < 2; i++) {
		s = snapshot_of(2);
		strcpy(s.containers[1].owner.cgroup, s.containers[0].owner.cgroup);
		s.containers[0].owner.host_pid = 10;
		s.containers[1].owner.host_pid = 11;
		s.containers[1 - i].cpu.ratio = 0.3; /* one right after the other */
		verdicts_apply(v, &s);
		assert_int_equal(s.containers[0].verdict_cnt + s.containers[1].verdict_cnt, 0);
		snapshot_deinit(&s);
	}
	/* no path at all: the id counts */
	for (int i = 0; i < 2; i++) {
		s = snapshot_of(1);
		*s.containers->owner.cgroup = '\0';
		s.containers->owner.cpu_cgid = 70 + (uint64_t)i;
		s.containers->cpu.ratio = 0.3;
		verdicts_apply(v, &s);
		assert_int_equal(s.containers->verdict_cnt, 0);
		snapshot_deinit(&s);
	}
	verdicts_free(v);
}

static void names_come_later(void **state)
{
	struct verdicts *v;

	assert_int_equal(verdicts_new(2, &v), 0);
	for (int i = 0; i < 2; i++) {
		struct snapshot s = snapshot_of(1);

		s.containers->owner.kind = i ? OWNER_POD : OWNER_UNATTRIBUTED;
		strcpy(s.containers->owner.pod, i ? "web-0" : "");
		s.containers->cpu.ratio = 0.3;
		verdicts_apply(v, &s);
		assert_int_equal(s.containers->verdict_cnt, i);
		snapshot_deinit(&s);
	}
	verdicts_free(v);
}

static void forgets(void **state)
{
	struct snapshot s;
	struct verdicts *v;

	assert_int_equal(verdicts_new(2, &v), 0);
	for (int i = 0; i < 4; i++) { /* present, gone, present: begins anew */
		s = snapshot_of(i == 1 ? 0 : 300);
		for (int k = 0; k < s.container_cnt; k++)
			s.containers[k].cpu.ratio = 0.3;
		verdicts_apply(v, &s);
		for (int k = 0; k < s.container_cnt; k++)
			assert_int_equal(s.containers[k].verdict_cnt, i == 3);
		snapshot_deinit(&s);
	}
	verdicts_free(v);
}

static void order(void **state)
{
	/* throttle ratio, p99 of its intervals, longest stop-the-world (both ms; NAN unknown), name, place */
	static const struct {
		double ratio, throttle, pause;
		const char *namespace_, *pod, *container;
		int place;
	} rows[] = {
		{0, 0, 3, "a", "quiet", "x", 6},
		{0.3, 10, 1, "z", "critical-short", "x", 2},
		{0, NAN, NAN, "a", "unknown", "x", 8},
		{0.06, 99, 1, "a", "warning", "x", 3},
		{0.3, 1, 50, "z", "critical-long", "x", 1},
		{0, NAN, 70, "b", "pause", "x", 4},
		{0, 0, 3, "a", "quiet", "y", 7},
		{0.9, 80, 80, "z", "worst", "x", 0},
		{0, 3, 3, "a", "almost", "x", 5},
	};
	int cnt = (int)(sizeof(rows) / sizeof(*rows));
	struct snapshot s = snapshot_of(cnt);
	struct verdicts *v;

	for (int i = 0; i < cnt; i++) {
		struct snapshot_container *c = &s.containers[i];

		c->cpu.ratio = rows[i].ratio;
		c->cpu.length = (struct dist){.cnt = isnan(rows[i].throttle) ? -1 : 1, .p99 = rows[i].throttle / 1000};
		c->gc.pause = (struct dist){.cnt = isnan(rows[i].pause) ? -1 : 1, .max = rows[i].pause / 1000};
		strcpy(c->owner.namespace_, rows[i].namespace_);
		strcpy(c->owner.pod, rows[i].pod);
		strcpy(c->owner.container, rows[i].container);
		c->goroutines = i;
	}
	assert_int_equal(verdicts_new(1, &v), 0);
	for (int again = 0; again < 2; again++) {
		verdicts_apply(v, &s);
		for (int i = 0; i < cnt; i++) {
			int row = (int)s.containers[i].goroutines;

			assert_int_equal(rows[row].place, i);
			assert_string_equal(s.containers[i].owner.pod, rows[row].pod); /* moved whole */
		}
	}
	snapshot_deinit(&s);
	verdicts_free(v);
}

static void order_is_stable(void **state)
{
	struct snapshot s = snapshot_of(100);
	struct verdicts *v;

	for (int i = 0; i < 100; i++) {
		*s.containers[i].owner.pod = '\0';
		strcpy(s.containers[i].owner.cgroup, "/same");
		s.containers[i].owner.host_pid = 1000 + i;
		s.containers[i].gc.pause = (struct dist){.cnt = 1, .max = i % 3};
		s.containers[i].goroutines = i;
	}
	assert_int_equal(verdicts_new(1, &v), 0);
	verdicts_apply(v, &s);
	for (int i = 1; i < 100; i++) {
		const struct snapshot_container *a = &s.containers[i - 1], *b = &s.containers[i];

		assert_true(a->gc.pause.max >= b->gc.pause.max);
		if (a->gc.pause.max == b->gc.pause.max)
			assert_true(a->goroutines < b->goroutines);
	}
	snapshot_deinit(&s);
	verdicts_free(v);
}

static void gone_come_last(void **state)
{
	struct snapshot s = snapshot_of(3);
	struct verdicts *v;

	s.containers[0].gone = true;
	s.containers[0].cpu.ratio = 0.9; /* grave as it was */
	s.containers[2].cpu.ratio = 0.1;
	assert_int_equal(verdicts_new(1, &v), 0);
	verdicts_apply(v, &s);
	assert_string_equal(s.containers[0].owner.pod, "p2");
	assert_string_equal(s.containers[1].owner.pod, "p1");
	assert_string_equal(s.containers[2].owner.pod, "p0");
	assert_int_equal(s.containers[2].verdict_cnt, 1);
	snapshot_deinit(&s);
	verdicts_free(v);
}

static void small(void **state)
{
	struct snapshot s = snapshot_of(0);
	struct verdicts *v;

	assert_int_equal(verdicts_new(3, &v), 0);
	verdicts_apply(v, &s);
	snapshot_deinit(&s);
	verdicts_free(v);
	assert_null(verdicts_free(NULL));
	assert_string_equal(verdict_severity_name(VERDICT_ADVICE), "advice");
	assert_string_equal(verdict_severity_name(VERDICT_WARNING), "warning");
	assert_string_equal(verdict_severity_name(VERDICT_CRITICAL), "critical");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sequences),
		cmocka_unit_test(complete),
		cmocka_unit_test(suppression),
		cmocka_unit_test(suppression_waits_for_the_cause),
		cmocka_unit_test(suppression_of_waits),
		cmocka_unit_test(containers_apart),
		cmocka_unit_test(names_come_later),
		cmocka_unit_test(forgets),
		cmocka_unit_test(order),
		cmocka_unit_test(order_is_stable),
		cmocka_unit_test(gone_come_last),
		cmocka_unit_test(small),
		cmocka_unit_test(suppression_of_delays),
		cmocka_unit_test(kept),
		cmocka_unit_test(changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
