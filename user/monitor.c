/* SPDX-License-Identifier: BSD-2-Clause */
/* Evaluation hangs on ticks, which are records, and on nothing else: no clock is read here, so a replay evaluates the
 * same windows at the same times as the live run did. */
#include "monitor.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "diagnose/verdicts.h"
#include "report.h"

struct monitor {
	struct monitor_cfg cfg;
	struct model *model;
	struct verdicts *verdicts;
	struct history *history;
	uint64_t window_ns, now_ns, verdict_cnt;
};

static void tell_changes(struct monitor *m)
{
	const struct verdict_change *c;
	size_t cnt = verdicts_changes(m->verdicts, &c);

	for (size_t i = 0; i < cnt; i++) {
		m->verdict_cnt += !c[i].ended;
		model_verdict(m->model, c[i].container_id, m->now_ns, c[i].verdict, c[i].ended);
	}
}

static void on_tick(const struct record_tick *t, void *arg)
{
	struct monitor *m = arg;
	struct snapshot s;
	int err;

	m->now_ns = t->time_ns;
	err = report_take(m->model, t->time_ns, m->window_ns ? m->window_ns : t->window_ns, &s);
	if (err) {
		log_warn("no snapshot: out of memory");
		return;
	}
	verdicts_apply(m->verdicts, &s);
	tell_changes(m);
	if (m->history && history_add(m->history, &s))
		log_debug("history: one snapshot is missing: out of memory");
	if (m->cfg.snapshot)
		m->cfg.snapshot(&s, m->cfg.arg);
	snapshot_deinit(&s);
}

static void on_trace(const struct trace_event *e, void *arg)
{
	struct monitor *m = arg;

	if (m->cfg.trace)
		m->cfg.trace(e, m->cfg.arg);
}

int monitor_new(const struct monitor_cfg *cfg, struct monitor **ret)
{
	struct monitor *m = calloc(1, sizeof(*m));
	struct model_ops ops = {.trace = cfg->trace ? on_trace : NULL, .tick = on_tick, .arg = m};
	int err;

	if (!m)
		return -ENOMEM;
	m->cfg = *cfg;
	err = model_new(&ops, &m->model);
	if (!err)
		err = verdicts_new(cfg->hold, &m->verdicts);
	if (!err && cfg->history_bytes)
		err = history_new(cfg->history_bytes, &m->history);
	if (err) {
		monitor_free(m);
		return err;
	}
	*ret = m;
	return 0;
}

struct monitor *monitor_free(struct monitor *m)
{
	if (!m)
		return NULL;
	history_free(m->history);
	verdicts_free(m->verdicts);
	model_free(m->model);
	free(m);
	return NULL;
}

void monitor_feed(struct monitor *m, const struct record *r)
{
	model_feed(m->model, r);
}

void monitor_set_window(struct monitor *m, uint64_t window_ns)
{
	m->window_ns = window_ns;
}

uint64_t monitor_end(struct monitor *m)
{
	return model_trace_losses(m->model, m->now_ns);
}

struct model *monitor_model(struct monitor *m)
{
	return m->model;
}

const struct history *monitor_history(const struct monitor *m)
{
	return m->history;
}

uint64_t monitor_verdict_cnt(const struct monitor *m)
{
	return m->verdict_cnt;
}

uint64_t monitor_now(const struct monitor *m)
{
	return m->now_ns;
}
