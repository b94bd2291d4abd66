/* SPDX-License-Identifier: BSD-2-Clause */
/* Goroutine windows and costs made by hand, for a container of sample_snapshot.h. */
#pragma once

#include "events/record.h"
#include "sample_snapshot.h"

static inline void sample_site(struct snapshot_site *x, const char *function, const char *at, int64_t cnt, double rate)
{
	memset(x, 0, sizeof(*x));
	str_copy(x->function, sizeof(x->function), function);
	str_copy(x->at, sizeof(x->at), at);
	x->cnt = cnt;
	x->per_second = rate;
}

static inline void sample_window_sites(struct snapshot_sched_window *w)
{
	static const char *const long_name =
		"github.com/acme/shop/internal/worker.(*Pool[github.com/acme/shop/api.Order]).Start.func1";

	sample_site(&w->sites[0], "main.load", "main.go:85", 512, 1190.7);
	sample_site(&w->sites[1], "net/http.(*Server).Serve", "/usr/local/go/src/net/http/server.go:3285", 3, 6.98);
	w->site_cnt = 2;
	sample_site(&w->waits[0], "net/http.(*Server).Serve", "/usr/local/go/src/net/http/server.go:3285", 900, 12.4);
	sample_site(&w->waits[1], long_name, "pool_with_a_long_name.go:1288", 300, 0.412);
	sample_site(&w->waits[2], "ma\033[2Jin.main", "", 4, 0.0004);
	sample_site(&w->waits[3], "", "", 1, 0);
	w->wait_cnt = 4;
	sample_site(&w->parks[0], "chan receive at cart.(*Hub).loop", "hub.go:131", 4210, 9790);
	sample_site(&w->parks[1], "GC assist marking at github.com/acme/shop/internal/worker.wait", "w.go:7", 12, 27.9);
	sample_site(&w->parks[2], "select", "", 1, 2.3);
	w->park_cnt = 3;
}

/* 0.43 s, 12 s ago, ended by the budget; 1 CPU was used in it. */
static inline void sample_window(struct snapshot_container *c)
{
	struct snapshot_sched_window *w = &c->sched.window;

	memset(w, 0, sizeof(*w));
	w->windows = 1;
	w->seconds = 0.43;
	w->age_seconds = 12;
	w->latency = sample_dist(1204, 0.000012, 0.0881, 0.131);
	w->netpoll = sample_dist(300, 0.00001, 0.0012, 0.003);
	w->runs = 51600;
	w->created = 515;
	w->ended = 512;
	w->hits = 104000;
	w->cost_seconds = 0.0473;
	w->cpu_seconds = 0.86;
	w->end = SCHED_WINDOW_BUDGET;
	sample_window_sites(w);
}

/* The budget is 0.5 %, go_assist took 0.8 % and is off; a window waits for credit. */
static inline void sample_overhead(struct snapshot_container *c)
{
	c->overhead.ratio[OVERHEAD_GO_GC] = 0.0001;
	c->overhead.ratio[OVERHEAD_GO_ASSIST] = 0.008;
	c->overhead.ratio[OVERHEAD_GO_SCHED] = 0.0024;
	c->overhead.max_ratio = 0.005;
	c->overhead.worst_ratio = c->cost_ratio = 0.0105;
	c->overhead.off = 1u << OVERHEAD_GO_ASSIST;
	c->overhead.next_seconds = 34;
}
