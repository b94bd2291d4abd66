/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything starts as unknown and nothing of it reads as zero; what a signal cannot know goes back to that; names of
 * events. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "stats/snapshot.h"
#include "stats/trace_event.h"

static void assert_unknown(const struct dist *d)
{
	assert_int_equal(d->cnt, -1);
	assert_true(isnan(d->sum) && isnan(d->min) && isnan(d->p50) && isnan(d->p90) && isnan(d->p99) && isnan(d->max));
}

static void assert_runq_unknown(const struct snapshot_cpu *c)
{
	assert_unknown(&c->runq);
	assert_true(isnan(c->runq_watched_seconds) && isnan(c->runq_throttled_seconds));
	assert_true(isnan(c->runq_mean_seconds) && c->runq_outliers == STAT_UNKNOWN && !c->runq_rival[0]);
}

static void assert_tcp_unknown(const struct snapshot_net *n)
{
	const int64_t counts[] = {n->connects,      n->failed,        n->segments,        n->segments_in,
				  n->retransmits,   n->resets_sent,   n->resets_received, n->syn_retransmits,
				  n->opened_client, n->opened_server, n->open_client,     n->open_server,
				  n->open_unknown};

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		assert_int_equal(counts[i], STAT_UNKNOWN);
	assert_unknown(&n->connect);
	assert_unknown(&n->rtt);
	assert_true(isnan(n->rtt_min_seconds) && !n->peer_cnt && !n->failed_by_cnt);
}

static void assert_dns_unknown(const struct snapshot_net *n)
{
	assert_unknown(&n->dns);
	assert_true(n->dns_queries == STAT_UNKNOWN && n->dns_failures == STAT_UNKNOWN);
	assert_true(n->dns_timeouts == STAT_UNKNOWN && n->dns_nxdomain == STAT_UNKNOWN);
	assert_int_equal(n->dns_servfail, STAT_UNKNOWN);
}

static void container(void **state)
{
	struct snapshot_container c;

	memset(&c, 0x5a, sizeof(c));
	snapshot_container_init(&c);
	assert_runq_unknown(&c.cpu);
	assert_tcp_unknown(&c.net);
	assert_dns_unknown(&c.net);
	assert_unknown(&c.gc.pause);
	assert_unknown(&c.gc.mark);
	assert_unknown(&c.cpu.length);
	assert_true(!c.net.on && !c.net.dns_on && !c.process_cnt && !c.verdict_cnt && !c.id);
	assert_true(c.memory.usage_bytes == STAT_UNKNOWN && c.memory.working_set_bytes == STAT_UNKNOWN);
	assert_true(c.memory.limit_bytes == STAT_UNKNOWN && c.memory.peak_bytes == STAT_UNKNOWN);
	assert_true(c.memory.oom_kills == STAT_UNKNOWN && c.memory.oom_kills_window == STAT_UNKNOWN);
	assert_true(isnan(c.memory.growth_bytes_per_second));
}

/* A signal that is off takes back its own numbers and no others. */
static void off(void **state)
{
	struct snapshot_container c;

	memset(&c, 0, sizeof(c));
	c.net.peer_cnt = 3;
	c.net.on = c.net.dns_on = true;
	snapshot_tcp_unknown(&c.net);
	assert_tcp_unknown(&c.net);
	assert_true(c.net.on && c.net.dns_on && c.net.dns_queries == 0 && c.net.dns.cnt == 0);
	memset(&c, 0, sizeof(c));
	snapshot_dns_unknown(&c.net);
	assert_dns_unknown(&c.net);
	assert_true(c.net.connects == 0 && c.net.rtt.cnt == 0);
	strcpy(c.cpu.runq_rival, "stress");
	snapshot_runq_unknown(&c.cpu);
	assert_runq_unknown(&c.cpu);
	assert_true(c.cpu.ratio == 0 && c.cpu.intervals == 0 && c.cpu.length.cnt == 0);
}

static void deinit(void **state)
{
	struct snapshot s;

	snapshot_init(&s);
	assert_true(!s.refused && !s.containers);
	s.refused = calloc(2, sizeof(*s.refused));
	s.refused_cnt = 2;
	s.containers = calloc(1, sizeof(*s.containers));
	s.container_cnt = 1;
	snapshot_container_init(&s.containers[0]);
	s.containers[0].processes = calloc(1, sizeof(*s.containers[0].processes));
	snapshot_deinit(&s);
	assert_true(!s.refused && !s.containers && !s.refused_cnt && !s.container_cnt);
	snapshot_deinit(&s);
}

static void names(void **state)
{
	static const char *const rows[] = {
		"gc.cycle",      "gc.mark",      "gc.pause",       "gc.assist", "cpu.throttle", "cpu.throttle_missed",
		"cpu.runq",      "tcp.connect",  "tcp.retransmit", "tcp.reset", "dns.query",    "oom.kill",
		"process.start", "process.exit", "verdict",        "lost",      "sched.wait",   "sched.run",
		"sched.park",    "sched.window"};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(trace_kind_name(i), rows[i]);
	assert_int_equal(ARRAY_SIZE(rows), TRACE_SAMPLE);
	assert_null(trace_kind_name(TRACE_SAMPLE));
	assert_null(trace_kind_name(TRACE_USAGE));
	assert_null(trace_kind_name(TRACE_KIND_CNT));
	assert_null(trace_kind_name((enum trace_kind) - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(container),
		cmocka_unit_test(off),
		cmocka_unit_test(deinit),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
