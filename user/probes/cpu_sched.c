/* SPDX-License-Identifier: BSD-2-Clause */
/* Signal cpu_sched: opens and closes windows, reads what the kernel counted in them, and between them the means.
 *
 * A program on sched_switch costs 118-137 ns a switch even if it does nothing (facts/performance.md 2), so outside of
 * windows the three programs are not attached. They are attached with sched_switch first and detached with it last: a
 * wait whose begin was seen and whose end was not would look endless in a later window. A pass of an iterator over all
 * tasks goes before (bpf/cpu_sched.bpf.c): it chooses the threads; without a window one goes each second, for the
 * means, and every five where it takes longer than it should. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "cpu_sched.h"
#include "probes/signal.h"

#include "cpu_sched.skel.h"

#define EVENT_MIN_NS_DEFAULT (5 * NS_PER_MS)
#define PASS_EVERY_NS        NS_PER_SEC
#define PASS_SELDOM_NS       (5 * NS_PER_SEC) /* where a pass takes longer than PASS_DEAR_NS */
#define PASS_DEAR_NS         (2 * NS_PER_MS)
/* Attaching takes 0.5-1 ms, but 5-15 when the last window was closed just before: the kernel waits for a grace period.
 */
#define REOPEN_NS      (80 * NS_PER_MS)
#define ALLOW_AGAIN_NS NS_PER_SEC
#define TICK_HALF_NS   (50 * NS_PER_MS) /* ticks come each 100 ms: the nearest one closes a window */

struct sched_priv {
	const struct probes_cfg *cfg; /* borrowed */
	struct bpf_link *pass;        /* owned: the iterator */
	struct runq_group *groups;    /* owned: the map, mapped; RUNQ_GROUP_MAX entries */
	uint64_t passed_ns;           /* end of the last pass */
	uint64_t means_ns;            /* what is in the map of means has come since */
	uint64_t next_pass_ns, pass_every_ns;
	uint64_t next_window_ns;      /* by plan */
	uint64_t opened_ns, close_ns; /* the window that is open; 0: none */
	uint64_t closed_ns;           /* end of the last one */
	uint64_t asked_ns;            /* length of a window asked for and not yet opened */
	bool new_process;             /* its threads are not chosen yet */
};

/* ---- passes ---------------------------------------------------------------------------------------------- */

/* One pass over the node's tasks; 0 or -errno. */
static int run_pass(struct signal *s, bool opens)
{
	struct cpu_sched_bpf *skel = s->skel;
	struct sched_priv *priv = s->priv;
	uint64_t begin = clock_mono_ns();
	_cleanup_close_ int fd = -1;
	char none[64];
	ssize_t n;

	skel->bss->pass_forgets = opens;
	skel->bss->pass_adds_groups = opens || priv->opened_ns;
	skel->bss->pass_threads = 0;
	skel->bss->pass_watched = 0;
	fd = bpf_iter_create(bpf_link__fd(priv->pass));
	if (fd < 0)
		return fd;
	do
		n = read(fd, none, sizeof(none)); /* it writes nothing: one call, but for signals */
	while (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)));
	if (n < 0)
		return -errno;
	priv->passed_ns = clock_mono_ns();
	priv->pass_every_ns = priv->passed_ns - begin > PASS_DEAR_NS ? PASS_SELDOM_NS : PASS_EVERY_NS;
	priv->new_process = false;
	log_debug("cpu_sched: %llu of %llu threads watched, pass took %.3f ms",
		  (unsigned long long)skel->bss->pass_watched, (unsigned long long)skel->bss->pass_threads,
		  (double)(priv->passed_ns - begin) / 1e6);
	return 0;
}

static void deliver(const struct sched_priv *priv, union event *e, uint16_t kind, uint16_t size)
{
	e->hdr.kind = kind;
	e->hdr.size = size;
	if (priv->cfg->event)
		priv->cfg->event(e, priv->cfg->event_arg);
}

static void deliver_mean(const struct sched_priv *priv, uint64_t cgid, const struct runq_mean *m)
{
	union event e = {.runq_mean = {.hdr = {.time_ns = priv->passed_ns, .cpu_cgid = cgid, .v2_cgid = m->v2_cgid},
				       .start_ns = priv->means_ns,
				       .delay_ns = m->delay_ns,
				       .runs = m->runs}};

	deliver(priv, &e, EVENT_RUNQ_MEAN, sizeof(e.runq_mean));
}

/* Takes the means out of the kernel's map: each is delivered and removed. */
static void take_means(struct signal *s)
{
	struct cpu_sched_bpf *skel = s->skel;
	int fd = bpf_map__fd(skel->maps.runq_means);
	struct sched_priv *priv = s->priv;
	struct runq_mean m;
	uint64_t cgid;

	for (unsigned int i = 0; i < RUNQ_MEAN_MAX && !bpf_map_get_next_key(fd, NULL, &cgid); i++) {
		if (!bpf_map_lookup_elem(fd, &cgid, &m))
			deliver_mean(priv, cgid, &m);
		bpf_map_delete_elem(fd, &cgid);
	}
	priv->means_ns = priv->passed_ns;
}

/* After a pass that was due: what it added up is delivered. */
static void settle_means(struct signal *s, uint64_t now_ns)
{
	struct sched_priv *priv = s->priv;

	priv->next_pass_ns = now_ns + priv->pass_every_ns;
	take_means(s);
}

static void pass_for_means(struct signal *s, uint64_t now_ns)
{
	struct sched_priv *priv = s->priv;
	int err = run_pass(s, false);

	if (!err) {
		settle_means(s, now_ns);
		return;
	}
	priv->next_pass_ns = now_ns + PASS_SELDOM_NS;
	log_debug("cpu_sched: pass over the tasks: %s", strerror(-err));
}

/* ---- windows --------------------------------------------------------------------------------------------- */

static int attach_one(struct bpf_program *prog, struct bpf_link **link)
{
	*link = bpf_program__attach(prog);
	return *link ? 0 : -errno;
}

static void detach_one(struct bpf_link **link)
{
	bpf_link__destroy(*link);
	*link = NULL;
}

static void disarm(struct cpu_sched_bpf *skel)
{
	detach_one(&skel->links.on_wakeup);
	detach_one(&skel->links.on_wakeup_new);
	detach_one(&skel->links.on_switch);
}

static int arm(struct cpu_sched_bpf *skel)
{
	int err = attach_one(skel->progs.on_switch, &skel->links.on_switch);

	if (!err)
		err = attach_one(skel->progs.on_wakeup, &skel->links.on_wakeup);
	if (!err)
		err = attach_one(skel->progs.on_wakeup_new, &skel->links.on_wakeup_new);
	if (err)
		disarm(skel);
	return err;
}

static void deliver_window(const struct sched_priv *priv, const struct runq_group *g, uint64_t end_ns)
{
	union event e = {.runq_window = {.hdr = {.time_ns = end_ns, .cpu_cgid = g->cpu_cgid, .v2_cgid = g->v2_cgid},
					 .start_ns = priv->opened_ns,
					 .sum_ns = g->sum_ns,
					 .max_ns = g->max_ns,
					 .throttled_ns = g->throttled_ns}};

	for (unsigned int i = 0; i < RUNQ_BUCKETS; i++) {
		e.runq_window.buckets[i] = g->buckets[i];
		e.runq_window.cnt += g->buckets[i];
	}
	if (e.runq_window.cnt)
		deliver(priv, &e, EVENT_RUNQ_WINDOW, sizeof(e.runq_window));
}

/* That there was a window at all, for everybody: a group without a record had no wait in it. */
static void deliver_armed(const struct sched_priv *priv, uint64_t end_ns)
{
	union event e = {.runq_window = {.hdr = {.time_ns = end_ns}, .start_ns = priv->opened_ns}};

	deliver(priv, &e, EVENT_RUNQ_WINDOW, sizeof(e.runq_window));
}

/* Delivers the histograms in use and makes them empty for the next window. */
static void take_groups(struct signal *s, uint64_t end_ns)
{
	struct cpu_sched_bpf *skel = s->skel;
	struct sched_priv *priv = s->priv;
	int fd = bpf_map__fd(skel->maps.runq_index);

	for (uint32_t i = 1; i <= skel->bss->groups_used && i < RUNQ_GROUP_MAX; i++) {
		deliver_window(priv, &priv->groups[i], end_ns);
		bpf_map_delete_elem(fd, &priv->groups[i].cpu_cgid);
		memset(&priv->groups[i], 0, sizeof(priv->groups[i]));
	}
	skel->bss->groups_used = 0;
}

static int open_window(struct signal *s, uint64_t ns)
{
	struct sched_priv *priv = s->priv;
	uint64_t begin = clock_mono_ns();
	int err = run_pass(s, true);

	if (err)
		return err;
	if (begin >= priv->next_pass_ns)
		settle_means(s, begin);
	err = arm(s->skel);
	if (err) {
		take_groups(s, begin);
		return err;
	}
	priv->opened_ns = clock_mono_ns();
	priv->close_ns = priv->opened_ns + ns;
	log_debug("cpu_sched: window of %.3f s opened in %.3f ms", (double)ns / NS_PER_SEC,
		  (double)(priv->opened_ns - begin) / 1e6);
	return 0;
}

static void close_window(struct signal *s)
{
	struct sched_priv *priv = s->priv;
	uint64_t begin = clock_mono_ns(), end;

	disarm(s->skel);
	end = clock_mono_ns();
	deliver_armed(priv, end);
	take_groups(s, end);
	priv->opened_ns = 0;
	priv->closed_ns = end;
	log_debug("cpu_sched: window closed: detached in %.3f ms, read in %.3f ms", (double)(end - begin) / 1e6,
		  (double)(clock_mono_ns() - end) / 1e6);
}

int cpu_sched_arm(struct signal *s, uint64_t ns)
{
	struct sched_priv *priv = s->priv;
	uint64_t now_ns = clock_mono_ns();

	if (priv->opened_ns) {
		priv->close_ns = now_ns + ns > priv->close_ns ? now_ns + ns : priv->close_ns;
		return 0;
	}
	if (now_ns - priv->closed_ns >= REOPEN_NS)
		return open_window(s, ns);
	priv->asked_ns = ns > priv->asked_ns ? ns : priv->asked_ns;
	return 0;
}

/* Length of the window that is due by plan, 0 none. */
static uint64_t planned_window(struct sched_priv *priv, uint64_t now_ns)
{
	const struct probes_cfg *cfg = priv->cfg;
	uint64_t ns = cfg->sched_window_ns;

	if (!cfg->sched_every_ns || !ns || now_ns < priv->next_window_ns)
		return 0;
	if (cfg->sched_allow)
		ns = cfg->sched_allow(ns, cfg->event_arg);
	priv->next_window_ns = ns ? priv->next_window_ns + cfg->sched_every_ns : now_ns + ALLOW_AGAIN_NS;
	if (priv->next_window_ns < now_ns) /* the first one, or late */
		priv->next_window_ns = now_ns + cfg->sched_every_ns;
	return ns;
}

/* Opens what the plan or somebody asks for. */
static void next_window(struct signal *s, uint64_t now_ns)
{
	struct sched_priv *priv = s->priv;
	uint64_t ns = priv->asked_ns, planned = planned_window(priv, now_ns);
	int err;

	ns = ns > planned ? ns : planned;
	if (!ns)
		return;
	priv->asked_ns = 0;
	err = cpu_sched_arm(s, ns);
	if (err)
		log_debug("cpu_sched: no window: %s", strerror(-err));
}

/* ---- operations ------------------------------------------------------------------------------------------ */

static int sched_open(struct signal *s, const struct signal_env *env, char *why)
{
	struct cpu_sched_bpf *skel;
	struct sched_priv *priv;

	str_copy(s->state.mechanism, sizeof(s->state.mechanism), "tp_btf sched_switch, wakeup; iter/task");
	if (!env->features->tp_btf)
		return err_why(why, -ENOTSUP, "the kernel has no typed tracepoints");
	if (!env->features->task_storage)
		return err_why(why, -ENOTSUP, "the kernel has no BPF task storage; run Linux 5.11 or newer");
	skel = cpu_sched_bpf__open();
	if (!skel)
		return err_why(why, -errno, "cannot open the BPF object: %s", strerror(errno));
	s->skel = skel; /* from here on sched_close() is called */
	s->skeleton = skel->skeleton;
	skel->rodata->agent_pidns_inum = env->pidns_inum;
	skel->rodata->event_min_ns = env->cfg->runq_event_min_ns ? env->cfg->runq_event_min_ns : EVENT_MIN_NS_DEFAULT;
	priv = calloc(1, sizeof(*priv));
	if (!priv)
		return err_why(why, -ENOMEM, "out of memory");
	priv->cfg = env->cfg;
	s->priv = priv;
	return 0;
}

static double planned_share(const struct probes_cfg *cfg)
{
	double share;

	if (!cfg->sched_every_ns)
		return 0;
	share = (double)cfg->sched_window_ns / (double)cfg->sched_every_ns;
	return share < 1 ? share : 1;
}

static void describe(struct signal *s)
{
	struct cpu_sched_bpf *skel = s->skel;
	struct sched_priv *priv = s->priv;
	const char *part = skel->bss->throttled_exact ? "throttled time taken out" : "waits with throttling left out";

	s->state.mode = SIGNAL_WINDOW;
	s->state.window_share = planned_share(priv->cfg);
	snprintf(s->state.note, sizeof(s->state.note), "%s%s", part,
		 skel->bss->has_sched_info ? "" : ", no means (SCHED_INFO)");
}

static int map_groups(struct sched_priv *priv, int fd)
{
	void *at = mmap(NULL, RUNQ_GROUP_MAX * sizeof(struct runq_group), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	priv->groups = at;
	return 0;
}

static int sched_attach(struct signal *s, const struct signal_env *env, char *why)
{
	struct cpu_sched_bpf *skel = s->skel;
	struct sched_priv *priv = s->priv;
	int err = map_groups(priv, bpf_map__fd(skel->maps.runq_groups));

	if (err)
		return err_why(why, err, "cannot map the histograms: %s", strerror(-err));
	err = attach_one(skel->progs.on_newtask, &skel->links.on_newtask);
	if (err)
		return err_why(why, err, "cannot attach to task_newtask: %s", strerror(-err));
	priv->pass = bpf_program__attach_iter(skel->progs.runq_pass, NULL);
	err = priv->pass ? run_pass(s, false) : -errno;
	if (err)
		return err_why(why, err, "cannot iterate over the tasks: %s", strerror(-err));
	priv->means_ns = priv->passed_ns;
	describe(s);
	return 0;
}

static void sched_tick(struct signal *s, uint64_t now_ns)
{
	struct sched_priv *priv = s->priv;

	if (priv->opened_ns && now_ns + TICK_HALF_NS >= priv->close_ns)
		close_window(s);
	next_window(s, now_ns);
	if (now_ns >= priv->next_pass_ns || (priv->opened_ns && priv->new_process))
		pass_for_means(s, now_ns);
}

static void sched_watch(struct signal *s, pid_t pid)
{
	struct sched_priv *priv = s->priv;

	priv->new_process = true;
}

static void sched_close(struct signal *s)
{
	struct sched_priv *priv = s->priv;

	if (priv)
		bpf_link__destroy(priv->pass);
	if (priv && priv->groups)
		munmap(priv->groups, RUNQ_GROUP_MAX * sizeof(struct runq_group));
	if (s->skel)
		disarm(s->skel);
	cpu_sched_bpf__destroy(s->skel);
	free(priv);
	s->skel = NULL;
	s->skeleton = NULL;
	s->priv = NULL;
}

const struct signal_ops cpu_sched_ops = {
	.id = SIGNAL_CPU_SCHED,
	.name = "cpu_sched",
	.open = sched_open,
	.attach = sched_attach,
	.tick = sched_tick,
	.watch = sched_watch,
	.close = sched_close,
};
