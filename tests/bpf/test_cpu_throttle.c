/* SPDX-License-Identifier: BSD-2-Clause */
/* Signal cpu_throttle against cpu.stat: each case makes a group of its own, lets threads run into its quota, and
 * compares the intervals on the ring with the growth of the kernel's throttled time; then the same with the ends that
 * pass no timer, and with each of the losses forced. Privileged; needs the cpu controller. Prints one line a case,
 * exits 1 if one failed.
 *
 *   test_cpu_throttle [-v] [CASE...] */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpu_throttle.h"
#include "event.h"
#include "loss.h"
#include "probes/shared_maps.h"
#include "probes/signal.h"
#include "throttle_harness.h"

#include "cpu_throttle.skel.h"

#define EVENT_MAX 16384
#define MS        1000000ll

static bool verbose;
static unsigned int failed_cnt;
static const char *skipped; /* why the case could not run */

/* One signal, loaded for one case, and everything it emitted. */
struct rig {
	struct kernel_features features;
	struct signal_env env;
	struct shared_maps maps;
	struct signal s;
	struct ring_buffer *ring;
	union event ev[EVENT_MAX];
	unsigned int ev_cnt;
	double load_ms;
};

/* What the events say of one group. */
struct sum {
	unsigned int intervals, missed, overlaps, invalid;
	int64_t interval_ns, missed_ns;
	int64_t longest_ns;
	unsigned int by_csd;
};

__attribute__((format(printf, 2, 3))) static bool expect(bool good, const char *fmt, ...)
{
	va_list ap;

	if (good && !verbose)
		return true;
	printf("#   %s: ", good ? "good" : "FAILED");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	failed_cnt += !good;
	return good;
}

static int on_event(void *arg, void *data, size_t sz)
{
	struct rig *r = arg;

	if (r->ev_cnt < EVENT_MAX && sz <= sizeof(r->ev[0]))
		memcpy(&r->ev[r->ev_cnt++], data, sz);
	return 0;
}

/* Loads and attaches through the module's own operations; `tune` may change knobs and sizes in between. */
static int rig_up(struct rig *r, void (*tune)(struct cpu_throttle_bpf *))
{
	char why[WHY_SZ] = "";
	uint64_t begin;
	int err;

	r->env.features = &r->features;
	r->s.ops = &cpu_throttle_ops;
	err = shared_maps_init(&r->maps, 0, why);
	r->env.counters = r->maps.counters;
	if (!err)
		err = cpu_throttle_ops.open(&r->s, &r->env, why);
	if (!err) /* the other maps are the object's own: cases choose their sizes */
		err = bpf_map__reuse_fd(((struct cpu_throttle_bpf *)r->s.skel)->maps.counters, r->maps.counters_fd);
	if (!err) {
		if (tune)
			tune(r->s.skel);
		begin = harness_now_ns();
		err = bpf_object__load_skeleton(r->s.skeleton);
		r->load_ms = (harness_now_ns() - begin) / 1e6;
	}
	if (!err)
		err = cpu_throttle_ops.attach(&r->s, &r->env, why);
	if (err) {
		expect(false, "signal comes up: %s %s", strerror(-err), why);
		return err;
	}
	r->ring = ring_buffer__new(bpf_map__fd(((struct cpu_throttle_bpf *)r->s.skel)->maps.events), on_event, r, NULL);
	return r->ring ? 0 : -errno;
}

static struct rig *rig_new(void)
{
	struct rig *r = calloc(1, sizeof(*r));

	if (!r)
		exit(2);
	harness_features(&r->features);
	return r;
}

static void rig_free(struct rig *r)
{
	ring_buffer__free(r->ring);
	cpu_throttle_ops.close(&r->s);
	shared_maps_deinit(&r->maps);
	free(r);
}

/* Lets time pass as the agent does: read the ring, tick. */
static void rig_run(struct rig *r, unsigned int ms)
{
	uint64_t end = harness_now_ns() + ms * MS;

	while (harness_now_ns() < end) {
		usleep(20000);
		ring_buffer__consume(r->ring);
		cpu_throttle_ops.tick(&r->s, harness_now_ns());
	}
}

static unsigned int rig_open_cnt(const struct rig *r)
{
	struct cpu_throttle_bpf *skel = r->s.skel;
	uint64_t key, next;
	unsigned int n = 0;

	for (bool first = true;
	     !bpf_map_get_next_key(bpf_map__fd(skel->maps.throttle_open), first ? NULL : &key, &next); n++) {
		first = false;
		key = next;
	}
	return n;
}

static struct signal_counters rig_counters(const struct rig *r)
{
	struct cpu_throttle_bpf *skel = r->s.skel;
	struct signal_counters c = {};
	uint32_t key = SIGNAL_CPU_THROTTLE;

	bpf_map_lookup_elem(bpf_map__fd(skel->maps.counters), &key, &c);
	return c;
}

static uint64_t rig_ticks(const struct rig *r, uint64_t id)
{
	struct cpu_throttle_bpf *skel = r->s.skel;
	struct throttle_group g = {};

	bpf_map_lookup_elem(bpf_map__fd(skel->maps.throttle_groups), &id, &g);
	return g.throttled_ticks;
}

/* hits = events + filtered + losses + open, and the ring gave every event. */
static void check_balance(struct rig *r)
{
	struct signal_counters c = rig_counters(r);
	unsigned int open = rig_open_cnt(r);
	uint64_t lost = 0;

	ring_buffer__consume(r->ring);
	for (int i = 0; i < LOSS_REASON_CNT; i++)
		lost += c.lost[i];
	expect(c.hits == c.events + c.filtered + lost + open,
	       "hits %llu = events %llu + filtered %llu + lost %" PRIu64 " + open %u", c.hits, c.events, c.filtered,
	       lost, open);
	if (lost)
		printf("#   lost: ring full %llu, state full %llu, unpaired %llu\n", c.lost[LOSS_RING_FULL],
		       c.lost[LOSS_STATE_FULL], c.lost[LOSS_UNPAIRED]);
	expect(c.events == r->ev_cnt, "events %llu = read from the ring %u", c.events, r->ev_cnt);
}

static void sum_interval(const struct rig *r, unsigned int at, struct sum *s)
{
	const struct event_throttle *e = &r->ev[at].throttle;
	int64_t len = e->hdr.time_ns - e->start_ns;

	s->intervals++;
	s->interval_ns += len;
	s->by_csd += e->how == THROTTLE_END_CSD;
	s->invalid += len < 0 || e->hdr.size != sizeof(*e) || e->cpu >= (unsigned int)libbpf_num_possible_cpus();
	if (len > s->longest_ns)
		s->longest_ns = len;
	for (unsigned int i = 0; i < at; i++) {
		const struct event_throttle *o = &r->ev[i].throttle;

		if (o->hdr.kind == EVENT_THROTTLE && o->hdr.cpu_cgid == e->hdr.cpu_cgid && o->cpu == e->cpu &&
		    o->start_ns + 50000 < e->hdr.time_ns && e->start_ns + 50000 < o->hdr.time_ns)
			s->overlaps++;
	}
}

/* The period timer keeps its phase for the life of the group; intervals that end elsewhere were ended by the slack
 * timer. */
static unsigned int count_off_phase(const struct rig *r, const struct group *g, int64_t period_ns)
{
	unsigned int n = 0, best = 0;

	for (unsigned int i = 0; i < r->ev_cnt; i++) {
		unsigned int in = 0;

		n += r->ev[i].hdr.cpu_cgid == g->id;
		for (unsigned int j = 0; j < r->ev_cnt; j++) {
			int64_t d = llabs((int64_t)(r->ev[j].hdr.time_ns - r->ev[i].hdr.time_ns)) % period_ns;

			in += r->ev[i].hdr.cpu_cgid == g->id && r->ev[j].hdr.cpu_cgid == g->id &&
			      (d < 4 * MS || d > period_ns - 4 * MS);
		}
		if (in > best)
			best = in;
	}
	return n - best;
}

static struct sum rig_sum(const struct rig *r, const struct group *g)
{
	struct sum s = {};

	for (unsigned int i = 0; i < r->ev_cnt; i++) {
		const union event *e = &r->ev[i];

		if (e->hdr.cpu_cgid != g->id)
			continue;
		if (e->hdr.kind == EVENT_THROTTLE_MISSED) {
			s.missed++;
			s.missed_ns += e->throttle_missed.missed_ns;
		} else {
			sum_interval(r, i, &s);
		}
		s.invalid += e->hdr.v2_cgid != (g->v2 ? g->id : 0) || e->hdr.tgid || e->hdr.tid;
	}
	return s;
}

/* Intervals plus records must be the kernel's sum: what is left is below the threshold of a record. */
static struct sum check_sum(struct rig *r, const struct group *g, const struct cpu_stat *before, const char *name)
{
	struct cpu_stat after = {};
	struct sum s = rig_sum(r, g);
	int64_t truth, rest;

	group_stat(g, &after);
	truth = after.throttled_ns - before->throttled_ns;
	rest = truth - s.interval_ns - s.missed_ns;
	printf("#   %s: intervals %u (%u by csd) %.3f ms, longest %.1f, missed %u %.3f ms; cpu.stat %.3f ms, rest %.3f "
	       "ms, %+.4f %%\n",
	       name, s.intervals, s.by_csd, s.interval_ns / 1e6, s.longest_ns / 1e6, s.missed, s.missed_ns / 1e6,
	       truth / 1e6, rest / 1e6, truth ? -100.0 * (truth - s.interval_ns) / truth : 0.0);
	expect(llabs(rest) <= 2 * THROTTLE_MISSED_MIN_NS + truth / 2000, "%s: intervals + missed = cpu.stat", name);
	expect(s.overlaps == 0 && s.invalid == 0, "%s: %u overlaps on a CPU, %u invalid events", name, s.overlaps,
	       s.invalid);
	return s;
}

/* Nothing passed a timer unseen: the intervals alone are the kernel's sum, to 0.5 % (emulation; on metal 0.00 %). False
 * if time is missing: see run_exact(). */
static bool check_exact(struct rig *r, const struct group *g, const struct cpu_stat *before, const char *name)
{
	struct cpu_stat after = {};
	struct sum s = check_sum(r, g, before, name);
	int64_t truth, ticks = rig_ticks(r, g->id);

	group_stat(g, &after);
	truth = after.throttled_ns - before->throttled_ns;
	expect(s.intervals > 10, "%s: %u intervals", name, s.intervals);
	expect(s.interval_ns - truth <= truth / 200, "%s: intervals are not more than cpu.stat", name);
	/* one expiry of a late timer counts as several periods there */
	expect(ticks <= (int64_t)after.nr_throttled && ticks + 2 + ticks / 20 >= (int64_t)after.nr_throttled,
	       "%s: throttled ticks %" PRId64 " = nr_throttled %" PRIu64, name, ticks, after.nr_throttled);
	return truth - s.interval_ns <= truth / 200;
}

/* In one virtual machine (a PVM guest, 6.18) timer expiries were seen that reach no tracepoint program, a bare counter
 * neither: 2 to 7 of 4,000. Their time must then come as a record, which check_sum() demands of every burst; that the
 * intervals alone are the whole, which is up to the programs, must be so in one burst of three. */
static void run_exact(bool (*run)(const void *), const void *arg)
{
	for (int i = 0; i < 3; i++) {
		if (run(arg) || failed_cnt)
			return;
		printf("#   an expiry was not traced: again\n");
	}
	expect(false, "intervals alone = cpu.stat in one burst of three");
}

static const struct cpu_stat zero;

struct burst {
	int quota_us;
	struct load load, other; /* other: none if it has no threads */
	bool none;               /* no interval is expected */
};

/* One group, its load inside the window; false if an expiry was not traced. */
static bool run_burst(const void *arg)
{
	const struct burst *b = arg;
	struct rig *r = rig_new();
	pid_t pid, other = 0;
	struct group g;
	bool whole = true;

	if (!expect(!group_make(&g, NULL, "gopherscope-test") && !group_limit(&g, b->quota_us, 100000), "make group") ||
	    rig_up(r, NULL))
		goto out;
	pid = burner_start(&g, &b->load);
	if (b->other.threads)
		other = burner_start(&g, &b->other);
	rig_run(r, b->load.ms);
	expect(!burner_wait(pid) && (!b->other.threads || !burner_wait(other)), "burner ran");
	rig_run(r, 500);
	if (b->none)
		expect(check_sum(r, &g, &zero, "group").intervals == 0, "no interval");
	else
		whole = check_exact(r, &g, &zero, "group");
	check_balance(r);
	printf("#   load %.1f ms, %u ended off the period\n", r->load_ms, count_off_phase(r, &g, 100 * MS));
out:
	group_remove(&g);
	rig_free(r);
	return whole;
}

static void case_one_thread(void)
{
	run_exact(run_burst, &(struct burst){.quota_us = 30000, .load = {.threads = 1, .ms = 4000}});
}

static void case_four_threads(void)
{
	run_exact(run_burst, &(struct burst){.quota_us = 30000, .load = {.threads = 4, .ms = 4000}});
}

/* Threads that go to sleep give unused quota back; when more than a slice (5 ms) is back while others are throttled,
 * the slack timer hands it out within the period. With two CPUs there is never that much: then these are bursts like
 * the others. */
static void case_slack_few(void)
{
	run_exact(run_burst, &(struct burst){.quota_us = 40000,
					     .load = {.threads = 1, .ms = 4000},
					     .other = {.threads = 3, .ms = 4000, .spin_us = 2500, .sleep_us = 3000}});
}

static void case_slack_many(void)
{
	run_exact(run_burst, &(struct burst){.quota_us = 60000,
					     .load = {.threads = 2, .ms = 4000},
					     .other = {.threads = 12, .ms = 4000, .spin_us = 600, .sleep_us = 4000}});
}

static void case_unlimited(void)
{
	run_burst(&(struct burst){.quota_us = -1, .load = {.threads = 2, .ms = 1500}, .none = true});
}

static void case_above_use(void)
{
	run_burst(&(struct burst){.quota_us = 150000, .load = {.threads = 1, .ms = 1500}, .none = true});
}

/* Longer than a period: the overrun of a tick is more than a period's quota, so it takes several to pay back. */
static void case_tiny_quota(void)
{
	run_exact(run_burst, &(struct burst){.quota_us = 1000, .load = {.threads = 2, .ms = 5000}});
}

/* The quota of the pod throttles its containers; an interval belongs to the group whose quota it was. */
static bool run_nested(const void *arg)
{
	const struct load *load = arg;
	struct rig *r = rig_new();
	struct group pod, limited, free_;
	bool whole = true;
	pid_t a, b;

	if (!expect(!group_make(&pod, NULL, "gopherscope-test-pod") && !group_limit(&pod, 60000, 100000) &&
			    !group_make(&limited, &pod, "limited") && !group_limit(&limited, 40000, 100000) &&
			    !group_make(&free_, &pod, "free"),
		    "make groups") ||
	    rig_up(r, NULL))
		goto out;
	a = burner_start(&limited, load);
	b = burner_start(&free_, load);
	rig_run(r, load->ms);
	expect(!burner_wait(a) && !burner_wait(b), "burners ran");
	rig_run(r, 500);
	whole = check_exact(r, &pod, &zero, "pod");
	check_sum(r, &limited, &zero, "limited container");
	expect(check_sum(r, &free_, &zero, "free container").intervals == 0,
	       "free container has no interval of its own");
	check_balance(r);
out:
	group_remove(&limited);
	group_remove(&free_);
	group_remove(&pod);
	rig_free(r);
	return whole;
}

static void case_nested(void)
{
	run_exact(run_nested, &(struct load){.threads = 2, .ms = 4000});
}

/* Raises the limit while the group is throttled: those intervals end without a timer, and their time must come as
 * records. */
static void case_limit_changed(void)
{
	struct load load = {.threads = 2, .ms = 6000};
	struct rig *r = rig_new();
	struct group g;
	struct sum s;
	pid_t pid;

	if (!expect(!group_make(&g, NULL, "gopherscope-test") && !group_limit(&g, 30000, 100000), "make group") ||
	    rig_up(r, NULL))
		goto out;
	pid = burner_start(&g, &load);
	for (int i = 0; i < 12; i++) {
		rig_run(r, 233);
		group_limit(&g, i % 2 ? 30000 : 60000, 100000);
		rig_run(r, 233);
	}
	expect(!burner_wait(pid), "burner ran");
	rig_run(r, 500);
	s = check_sum(r, &g, &zero, "group");
	expect(s.missed >= 1 && s.missed_ns > 10 * MS && s.intervals > 10, "missed time is reported");
	check_balance(r);
out:
	group_remove(&g);
	rig_free(r);
}

/* Takes the limit away while throttled; one more expiry comes and settles the account. */
static void case_limit_removed(void)
{
	struct load load = {.threads = 2, .ms = 2500};
	struct rig *r = rig_new();
	struct group g;
	pid_t pid;

	if (!expect(!group_make(&g, NULL, "gopherscope-test") && !group_limit(&g, 20000, 100000), "make group") ||
	    rig_up(r, NULL))
		goto out;
	pid = burner_start(&g, &load);
	rig_run(r, 1000 + 37);
	group_limit(&g, -1, 100000);
	expect(!burner_wait(pid), "burner ran");
	rig_run(r, 500);
	check_sum(r, &g, &zero, "group");
	check_balance(r);
out:
	group_remove(&g);
	rig_free(r);
}

/* Removes the group while an interval is open: no timer, no cpu.stat. The sweep drops and counts it. */
static void case_group_removed(void)
{
	struct load load = {.threads = 2, .ms = 60000};
	struct rig *r = rig_new();
	struct signal_counters c;
	unsigned int open = 0;
	struct group g;
	pid_t pid;

	if (!expect(!group_make(&g, NULL, "gopherscope-test") && !group_limit(&g, 1000, 100000), "make group") ||
	    rig_up(r, NULL))
		goto out;
	pid = burner_start(&g, &load);
	for (int i = 0; i < 200 && !open; i++) {
		rig_run(r, 25);
		open = i > 20 ? rig_open_cnt(r) : 0;
	}
	expect(open > 0, "%u intervals are open", open);
	group_add(&g, NULL, pid);
	kill(pid, SIGKILL);
	expect(!group_remove(&g), "group removed while throttled");
	waitpid(pid, NULL, 0);
	open = rig_open_cnt(r);
	expect(open > 0, "%u intervals stay open without their group", open);
	rig_run(r, 3500);
	c = rig_counters(r);
	expect(rig_open_cnt(r) == 0, "swept");
	/* not `open` of them: until the group is really gone its timer may still end one */
	expect(c.lost[LOSS_UNPAIRED] >= 1, "%llu of %u counted as unpaired", c.lost[LOSS_UNPAIRED], open);
	check_balance(r);
out:
	rig_free(r);
}

static void tune_list(struct cpu_throttle_bpf *skel)
{
	skel->rodata->list_max = 1;
}

/* More throttled run queues than the walk's bound: counted, and their time is in the records. */
static void case_list_cut(void)
{
	struct load load = {.threads = 4, .ms = 2000};
	struct rig *r = rig_new();
	struct signal_counters c;
	struct group g;
	pid_t pid;

	if (!expect(!group_make(&g, NULL, "gopherscope-test") && !group_limit(&g, 30000, 100000), "make group") ||
	    rig_up(r, tune_list))
		goto out;
	pid = burner_start(&g, &load);
	rig_run(r, load.ms);
	burner_wait(pid);
	rig_run(r, 500);
	c = rig_counters(r);
	expect(c.lost[LOSS_STATE_FULL] > 3, "%llu walks cut", c.lost[LOSS_STATE_FULL]);
	check_balance(r);
	pid = burner_start(&g, &(struct load){.threads = 1, .ms = 500}); /* one more expiry settles the last record */
	burner_wait(pid);
	rig_run(r, 500);
	check_sum(r, &g, &zero, "group");
out:
	group_remove(&g);
	rig_free(r);
}

static void tune_ring(struct cpu_throttle_bpf *skel)
{
	bpf_map__set_max_entries(skel->maps.events, 4096);
}

/* Nobody reads the ring: every event that finds no room is counted. */
static void case_ring_full(void)
{
	struct load load = {.threads = 4, .ms = 5000};
	struct rig *r = rig_new();
	struct signal_counters c;
	struct group g;

	if (!expect(!group_make(&g, NULL, "gopherscope-test") && !group_limit(&g, 5000, 10000), "make group") ||
	    rig_up(r, tune_ring))
		goto out;
	burner_wait(burner_start(&g, &load));
	usleep(700000);
	c = rig_counters(r);
	expect(c.lost[LOSS_RING_FULL] > 10 && c.events > 10, "%llu lost, %llu events", c.lost[LOSS_RING_FULL],
	       c.events);
	check_balance(r);
out:
	group_remove(&g);
	rig_free(r);
}

static void tune_small(struct cpu_throttle_bpf *skel)
{
	bpf_map__set_max_entries(skel->maps.throttle_open, 1);
}

/* No room for open intervals. */
static void case_state_full(void)
{
	struct load load = {.threads = 4, .ms = 2000};
	struct rig *r = rig_new();
	struct signal_counters c;
	struct group g;

	if (!expect(!group_make(&g, NULL, "gopherscope-test") && !group_limit(&g, 30000, 100000), "make group") ||
	    rig_up(r, tune_small))
		goto out;
	burner_wait(burner_start(&g, &load));
	rig_run(r, 700);
	c = rig_counters(r);
	expect(c.lost[LOSS_STATE_FULL] > 3, "%llu without room", c.lost[LOSS_STATE_FULL]);
	check_balance(r);
out:
	group_remove(&g);
	rig_free(r);
}

/* As on 6.3-6.11: calls to other CPUs, but no tracepoint. Partial, says so, and the account still closes. */
static void case_csd_untraced(void)
{
	struct load load = {.threads = 4, .ms = 3000};
	struct rig *r = rig_new();
	struct group g;
	pid_t pid;

	if (!r->features.sym_csd_unthrottle) {
		skipped = "this kernel ends all intervals in the timer";
		rig_free(r);
		return;
	}
	r->features.raw_tp_csd = false;
	if (!expect(!group_make(&g, NULL, "gopherscope-test") && !group_limit(&g, 30000, 100000), "make group") ||
	    rig_up(r, NULL))
		goto out;
	expect(r->s.state.mode == SIGNAL_DEGRADED && strstr(r->s.state.why, "csd_function_exit"), "degraded: %s",
	       r->s.state.why);
	pid = burner_start(&g, &load);
	rig_run(r, load.ms);
	burner_wait(pid);
	pid = burner_start(&g, &(struct load){.threads = 1, .ms = 500});
	burner_wait(pid);
	rig_run(r, 3500); /* and the sweep */
	expect(check_sum(r, &g, &zero, "group").missed > 3, "the rest is missed time");
	expect(rig_open_cnt(r) == 0, "nothing stays open");
	check_balance(r);
out:
	group_remove(&g);
	rig_free(r);
}

static void case_no_symbols(void)
{
	struct rig *r = rig_new();
	char why[WHY_SZ] = "";
	int err;

	r->features.sym_period_timer = r->features.sym_slack_timer = 0;
	r->features.cap_syslog = false;
	r->env.features = &r->features;
	err = cpu_throttle_ops.open(&r->s, &r->env, why);
	expect(err == -ENOTSUP && strstr(why, "CAP_SYSLOG"), "off: %s", why);
	rig_free(r);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"one_thread", case_one_thread},       {"four_threads", case_four_threads},
	{"slack_few", case_slack_few},         {"slack_many", case_slack_many},
	{"unlimited", case_unlimited},         {"above_use", case_above_use},
	{"tiny_quota", case_tiny_quota},       {"nested", case_nested},
	{"limit_changed", case_limit_changed}, {"limit_removed", case_limit_removed},
	{"group_removed", case_group_removed}, {"list_cut", case_list_cut},
	{"state_full", case_state_full},       {"ring_full", case_ring_full},
	{"csd_untraced", case_csd_untraced},   {"no_symbols", case_no_symbols},
};

static bool wanted(int argc, char **argv, const char *name)
{
	bool any = false;

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-')
			continue;
		any = true;
		if (!strcmp(argv[i], name))
			return true;
	}
	return !any;
}

/* Why nothing can run here, or NULL. */
static const char *cannot_run(void)
{
	struct kernel_features f;
	const char *why = NULL;
	struct group g;

	if (geteuid())
		return "needs root";
	harness_features(&f);
	if (!f.sym_period_timer)
		return "no address of sched_cfs_period_timer in /proc/kallsyms";
	if (group_make(&g, NULL, "gopherscope-test"))
		return "cannot make a cgroup where the cpu controller is";
	if (group_limit(&g, 50000, 100000))
		why = "cannot limit the CPU of a cgroup";
	group_remove(&g);
	return why;
}

int main(int argc, char **argv)
{
	const char *why = cannot_run();
	unsigned int bad = 0;

	verbose = argc > 1 && !strcmp(argv[1], "-v");
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (why) {
		printf("skipped: %s\n", why);
		return 77;
	}
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!wanted(argc, argv, cases[i].name))
			continue;
		failed_cnt = 0;
		skipped = NULL;
		cases[i].run();
		if (skipped)
			printf("skipped %s: %s\n", cases[i].name, skipped);
		else
			printf("%s %s\n", failed_cnt ? "not ok" : "ok", cases[i].name);
		bad += failed_cnt != 0;
	}
	return bad ? 1 : 0;
}
