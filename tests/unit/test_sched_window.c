/* SPDX-License-Identifier: BSD-2-Clause */
/* What goroutine windows and the overhead budget read like: no number without a source, none that is not known, losses
 * said, no line wider than asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "sample_sched.h"
#include "view/budget.h"
#include "view/format.h"
#include "view/plain.h"
#include "view/sched_window.h"
#include "view/summary.h"

/* Two windows, the last ended with its process. */
static void several(struct snapshot_container *c)
{
	c->sched.window.windows = 2;
	c->sched.window.end = SCHED_WINDOW_GONE;
}

static void opened(struct snapshot_container *c)
{
	c->sched.window.open = 1;
}

static void opened_first(struct snapshot_container *c)
{
	memset(&c->sched.window, 0, sizeof(c->sched.window));
	c->sched.window.open = 1;
}

static void never(struct snapshot_container *c)
{
	memset(&c->sched.window, 0, sizeof(c->sched.window));
}

static void lost(struct snapshot_container *c)
{
	c->sched.window.lost = 1;
	c->sched.window.end = SCHED_WINDOW_TIME;
}

static void end_not_told(struct snapshot_container *c)
{
	c->sched.window.lost = STAT_UNKNOWN;
	c->sched.window.end = SCHED_WINDOW_QUOTA;
}

static void without_waits(struct snapshot_container *c)
{
	c->sched.window.latency = sample_none();
	c->sched.window.wait_cnt = 0;
	c->sched.latency.cnt = -1;
	c->sched.window.age_seconds = NAN;
}

static void unknown_waits(struct snapshot_container *c)
{
	without_waits(c);
	c->sched.window.latency.cnt = -1;
}

static void test_sentence(void **state)
{
	static const struct {
		void (*change)(struct snapshot_container *c);
		const char *brief, *sentence;
	} rows[] = {
		{NULL, "p99 88.1 ms of 1.2k waits",
		 "goroutine window: 430ms, 12s ago, ended by the budget: waits for a P 1.2k, p50 .012  p99 88.1  max "
		 "131 "
		 "ms (passive: p99 88.2 ms); 12.4 s a second of it in goroutines created by net/http.(*Server).Serve "
		 "(server.go:3285)"},
		{several, "p99 88.1 ms of 1.2k waits",
		 "goroutine window: 2 windows, 430ms together, the last 12s ago, ended with its process: waits for a "
		 "P "},
		{opened, "p99 88.1 ms of 1.2k waits",
		 "goroutine window: open now; before: 430ms, 12s ago, ended by the budget: waits for a P 1.2k"},
		{opened_first, "", "goroutine window: open now"},
		{never, "", ""},
		{lost, "p99 ~88.1 ms of ~1.2k waits",
		 "goroutine window: 430ms, 12s ago: waits for a P ~1.2k, p50 ~.012  p99 ~88.1  max ~131 ms (passive: "
		 "p99 88.2 ms); ~12.4 s a second of it in goroutines created by net/http.(*Server).Serve "
		 "(server.go:3285); window lost 1 event: numbers are too low"},
		{end_not_told, "p99 ~88.1 ms of ~1.2k waits",
		 "goroutine window: 430ms, 12s ago, ended at its CPU limit: waits for a P ~1.2k, p50 ~.012  p99 ~88.1  "
		 "max ~131 ms (passive: p99 88.2 ms); ~12.4 s a second of it in goroutines created by "
		 "net/http.(*Server).Serve (server.go:3285); losses unknown: the end of a window was not told"},
		{without_waits, "", "goroutine window: 430ms, ended by the budget: waits for a P none"},
		{unknown_waits, "", "goroutine window: 430ms, ended by the budget: waits for a P ?"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[SCHED_WINDOW_TEXT_SZ], small[20];
		struct snapshot s;

		sample_busy(&s);
		sample_window(&s.containers[0]);
		if (rows[i].change)
			rows[i].change(&s.containers[0]);
		assert_string_equal(sched_window_brief(&s.containers[0].sched.window, text, sizeof(text)),
				    rows[i].brief);
		sched_window_sentence(&s.containers[0].sched, text, sizeof(text));
		if (strncmp(text, rows[i].sentence, strlen(rows[i].sentence)) || (!*rows[i].sentence && *text))
			fail_msg("%s\nis not\n%s", text, rows[i].sentence);
		sched_window_sentence(&s.containers[0].sched, small, sizeof(small)); /* cut, not written beyond */
		assert_true(strlen(small) < sizeof(small));
		snapshot_deinit(&s);
	}
}

static void test_budget(void **state)
{
	static const struct {
		double max, ratio;
		uint32_t off;
		const char *text;
	} rows[] = {
		{0.005, 0.008, 0, ""},
		{0.005, 0.008, 1u << OVERHEAD_GO_ASSIST, "go_assist off: 0.8% of its CPU is above the budget of 0.5%"},
		{0.005, 0.0001, 1u << OVERHEAD_GO_ASSIST,
		 "go_assist off: it took more of its CPU than the budget of 0.5%"},
		{0.005, NAN, 1u << OVERHEAD_GO_ASSIST,
		 "go_assist off: it took more of its CPU than the budget of 0.5%"},
		{NAN, 0.008, 1u << OVERHEAD_GO_ASSIST, "go_assist off: it took more of its CPU than the budget of ?"},
		{0.005, 0.008, 1u << OVERHEAD_GO_ASSIST | 1u << OVERHEAD_GO_SCHED,
		 "go_assist off: 0.8% of its CPU is above the budget of 0.5%; go_sched off: it took more of its CPU "
		 "than "
		 "the budget of 0.5%"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct snapshot_container c;
		char text[BUDGET_TEXT_SZ], small[16], name[4096];

		snapshot_container_init(&c);
		c.overhead.max_ratio = rows[i].max;
		c.overhead.ratio[OVERHEAD_GO_ASSIST] = rows[i].ratio;
		c.overhead.off = rows[i].off;
		assert_string_equal(budget_off(&c, NULL, text, sizeof(text)), rows[i].text);
		assert_true(strlen(budget_off(&c, NULL, small, sizeof(small))) < sizeof(small));
		memset(name, 'n', sizeof(name) - 1);
		name[sizeof(name) - 1] = 0;
		c.overhead.off = (1u << OVERHEAD_GROUP_CNT) - 1;
		assert_true(strlen(budget_off(&c, name, text, sizeof(text))) < sizeof(text));
	}
}

static void test_waiting(void **state)
{
	static const struct {
		int waiting;
		double max, next;
		const char *text;
	} rows[] = {
		{0, 0.005, NAN, ""},
		{1, 0.005, 12,
		 "goroutine window waits for budget (0.5% of its CPU, saved up over a minute): about 12s"},
		{1, 0.005, INFINITY,
		 "goroutine window waits for budget (0.5% of its CPU, saved up over a minute): it uses too little CPU "
		 "for "
		 "one; --max-overhead none opens one"},
		{1, NAN, NAN,
		 "goroutine window waits for budget (? of its CPU, saved up over a minute): when is not known"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct snapshot_container c;
		struct snapshot s = {.containers = &c, .container_cnt = 1};
		char text[BUDGET_TEXT_SZ], small[16];
		struct pen p = {.width = 200};
		struct str out;

		snapshot_container_init(&c);
		c.overhead.waiting = rows[i].waiting;
		c.overhead.max_ratio = rows[i].max;
		c.overhead.next_seconds = rows[i].next;
		assert_string_equal(budget_waiting(&c, text, sizeof(text)), rows[i].text);
		assert_true(strlen(budget_waiting(&c, small, sizeof(small))) < sizeof(small));
		str_init(&out);
		p.out = &out;
		sched_window_part(&p, &c, 10, SNAPSHOT_SITES, true);
		assert_int_equal(strstr(str_get(&out), "waits for budget") != NULL, rows[i].waiting);
		str_clear(&out);
		budget_part(&p, &s);
		assert_int_equal(strstr(str_get(&out), "waits for budget: ") != NULL, rows[i].waiting);
		str_deinit(&out);
	}
}

/* Page 4 and the page of signals say what is known, and nothing else. */
static void test_pages(void **state)
{
	static const struct {
		bool known;
		const char *page_4, *signals;
	} rows[] = {
		{true, "saved up over a minute", "worst, last "},
		{true, "of what it used then", "go_assist off: "},
		{true, "losses unknown: the end of a window was not told", "waits for budget: "},
		{true, "of the waits, woken by the network", "--max-overhead 0.5% of each target's CPU"},
		{false, "saved up over a minute", "--max-overhead none"},
		{false, "of what it used then", NULL},
		{false, "woken by the network", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pen p = {.width = 200};
		struct snapshot s;
		struct str out;

		sample_busy(&s);
		sample_window(&s.containers[0]);
		sample_overhead(&s.containers[0]);
		s.containers[0].sched.window.lost = STAT_UNKNOWN;
		s.containers[0].overhead.waiting = 1;
		s.containers[0].overhead.next_seconds = NAN;
		if (!rows[i].known) {
			s.containers[0].overhead.max_ratio = -1;
			s.containers[0].overhead.next_seconds = NAN;
			s.containers[0].overhead.waiting = 0;
			s.containers[0].sched.window.cpu_seconds = NAN;
			s.containers[0].sched.window.netpoll.cnt = -1;
		}
		str_init(&out);
		p.out = &out;
		sched_window_part(&p, &s.containers[0], 10, 1, true);
		assert_int_equal(strstr(str_get(&out), rows[i].page_4) != NULL, rows[i].known);
		str_clear(&out);
		budget_part(&p, &s);
		if (rows[i].signals && !strstr(str_get(&out), rows[i].signals))
			fail_msg("%s is not in %s", rows[i].signals, str_get(&out));
		str_deinit(&out);
		snapshot_deinit(&s);
	}
}

/* Costs of all groups count, those of a process too; the budget decides about the colour. */
static void test_worst_cost(void **state)
{
	static const struct {
		double cost, worst, max;
		const char *text;
	} rows[] = {
		{NAN, NAN, 0.005, "?"},
		{0.0008, NAN, 0.005, "0.08%"},
		{0.0008, 0.006, 0.005, "\033[33m0.6%\033[0m"},
		{0.006, NAN, 0.005, "\033[33m0.6%\033[0m"},
		{0.006, NAN, -1, "0.6%"},
		{0.006, NAN, NAN, "0.6%"},
		{0, NAN, 0, "0%"},
		{0.0001, NAN, 0, "\033[33m0.01%\033[0m"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct snapshot_container c;
		struct snapshot s = {.containers = &c, .container_cnt = 1};
		struct str out;
		struct pen p = {.out = &out, .width = 80, .color = true};

		str_init(&out);
		snapshot_container_init(&c);
		c.cost_ratio = rows[i].cost;
		c.overhead.worst_ratio = rows[i].worst;
		c.overhead.max_ratio = rows[i].max;
		summary_worst_cost(&p, &s);
		assert_string_equal(str_get(&out), rows[i].text);
		str_deinit(&out);
	}
}

/* Counters beyond their bounds, names as long as their fields, escape sequences: lines stay inside the screen. */
static void hostile(struct snapshot_container *c)
{
	struct snapshot_sched_window *w = &c->sched.window;

	sample_window(c);
	w->site_cnt = w->wait_cnt = w->park_cnt = 1000;
	for (int i = 0; i < SNAPSHOT_SITES; i++) {
		struct snapshot_site *all[] = {&w->sites[i], &w->waits[i], &w->parks[i]};

		for (size_t k = 0; k < ARRAY_SIZE(all); k++) {
			memset(all[k]->function, i % 2 ? 'f' : '\033', sizeof(all[k]->function) - 1);
			memset(all[k]->at, '/', sizeof(all[k]->at) - 1);
			all[k]->function[sizeof(all[k]->function) - 1] = all[k]->at[sizeof(all[k]->at) - 1] = 0;
			all[k]->cnt = i % 2 ? INT64_MAX : STAT_UNKNOWN;
			all[k]->per_second = i % 3 ? 1e300 : NAN;
		}
	}
	memcpy(w->parks[0].function + 70, " at \033[2J", 8);
	w->seconds = 0;
	w->cost_seconds = w->age_seconds = 1e300;
	w->lost = INT64_MAX;
	w->end = 255;
	w->runs = STAT_UNKNOWN;
}

static void test_part_fits(void **state)
{
	static const int widths[] = {60, 80, 120, 200};

	for (size_t i = 0; i < ARRAY_SIZE(widths) * 2; i++) {
		struct snapshot_container c;
		struct str out;
		struct pen p = {.out = &out, .width = widths[i / 2]};
		char line[4096];

		str_init(&out);
		snapshot_container_init(&c);
		if (i % 2)
			hostile(&c);
		else
			sample_window(&c);
		sched_window_exact(&p, &c.sched.window);
		sched_window_part(&p, &c, 10, SNAPSHOT_SITES, true);
		assert_null(strchr(str_get(&out), '\033'));
		for (const char *at = str_get(&out), *end; (end = strchr(at, '\n')); at = end + 1) {
			snprintf(line, sizeof(line), "%.*s", (int)(end - at), at);
			if (format_clean(line, false, line + 2048, 2048) > p.width)
				fail_msg("wider than %d: %s", p.width, line);
		}
		str_deinit(&out);
	}
}

/* Plain text: the pane of the gravest row has the notes; a row without a pane gets lines of its own. */
static void test_plain(void **state)
{
	static const struct plain_style style = {.width = 120};
	struct snapshot s;
	struct str out;
	const char *at;

	sample_busy(&s);
	sample_window(&s.containers[0]);
	sample_window(&s.containers[3]);
	sample_overhead(&s.containers[3]);
	s.containers[3].sched.window.lost = 7;
	s.containers[0].overhead.waiting = s.containers[3].overhead.waiting = s.containers[2].overhead.waiting = 1;
	str_init(&out);
	plain_top(&s, &style, false, &out);
	at = strstr(str_get(&out), "! shop/checkout-api-7d9c6b5f4-x2x9k:app   since");
	assert_non_null(at);
	at = strstr(at, "  NOTE goroutine window: 430ms, 12s ago, ended by the budget: waits for a P 1.2k");
	assert_non_null(at);
	at = strstr(at, "\n  NOTE goroutine window waits for budget"); /* of the pane */
	assert_non_null(at);
	at = strstr(at, "  pay/ledger-6b8f4d7c99-qq7vz:ledger\n  NOTE goroutine window: 430ms, 12s ago");
	assert_non_null(at);
	assert_non_null(strstr(at, "window lost 7 events"));
	assert_non_null(
		strstr(at, "\n  NOTE goroutine window waits for budget (0.5% of its CPU, saved up over a minute): "));
	assert_non_null(strstr(at, "\n  NOTE go_assist off: 0.8% of its CPU is above the budget of 0.5%\n"));
	str_deinit(&out);
	snapshot_deinit(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sentence), cmocka_unit_test(test_budget), cmocka_unit_test(test_worst_cost),
		cmocka_unit_test(test_waiting),  cmocka_unit_test(test_pages),  cmocka_unit_test(test_part_fits),
		cmocka_unit_test(test_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
