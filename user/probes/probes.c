/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything that the agent has in the kernel: what is possible here, the shared maps, one object a signal, the probed
 * binaries, and their end. A signal that does not come up is off with its reason; the others go on. Loading an object
 * makes libbpf parse the kernel's BTF (some MB): the heap is trimmed afterwards, so that it does not count for good. */
#include "probes/probes.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "probes/go_gc.h"
#include "probes/go_sched_window.h"
#include "probes/link_set.h"
#include "probes/probed_table.h"
#include "probes/shared_maps.h"
#include "probes/signal.h"
#include "probes/uprobe_cost.h"

#define RECURSION_INTERVAL_NS NS_PER_SEC

struct probes {
	struct probes_cfg cfg;
	struct kernel_features features;
	struct shared_maps maps;
	struct signal signals[SIGNAL_CNT];
	uint64_t recursion[SIGNAL_CNT]; /* runs that the kernel's recursion guard skipped */
	uint64_t recursion_read_ns;
	struct link_release *release; /* owned */
	struct probed_table *probed;  /* owned; NULL while go_gc is off */
	struct uprobe_cost *cost;     /* owned; its probe is being released */
	bool cost_released;
	uint32_t pidns_inum; /* inode number of our pid namespace */
};

/* ---- set-up ---------------------------------------------------------------------------------------------- */

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (log_get_level() >= LOG_LEVEL_DEBUG && level != LIBBPF_DEBUG)
		log_vwrite(LOG_LEVEL_DEBUG, fmt, ap);
	return 0;
}

/* Kernels before 5.11 charge maps to it; no harm elsewhere. */
static void raise_memlock(void)
{
	struct rlimit lim = {RLIM_INFINITY, RLIM_INFINITY};

	if (setrlimit(RLIMIT_MEMLOCK, &lim))
		log_debug("probes: cannot raise RLIMIT_MEMLOCK: %s", strerror(errno));
}

static int check_features(const struct kernel_features *f, char *why)
{
	if (!f->btf)
		return err_why(why, -ENOTSUP,
			       "no type information of the kernel: /sys/kernel/btf/vmlinux is missing or unreadable; "
			       "run a kernel with CONFIG_DEBUG_INFO_BTF=y (most distributions since 2020)");
	if (!f->bpf_allowed)
		return err_why(why, -EPERM, "%s", f->bpf_why);
	if (!f->ringbuf)
		return err_why(why, -ENOTSUP, "kernel %s has no BPF ring buffer; run Linux 5.8 or newer", f->release);
	return 0;
}

static int read_pidns(uint32_t *ret)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st))
		return -errno;
	*ret = (uint32_t)st.st_ino;
	return 0;
}

/* All but the attaching, which belongs to the caller's thread. */
static int load(struct signal *s, const struct signal_env *env, const struct shared_maps *maps, char *why)
{
	int err = s->ops->open(s, env, why);

	if (err)
		return err;
	err = shared_maps_reuse(maps, *s->skeleton->obj);
	if (err)
		return err_why(why, err, "cannot share the maps: %s", strerror(-err));
	err = bpf_object__load_skeleton(s->skeleton);
	if (err)
		return err_why(why, err, "the kernel refused its programs: %s; -v shows the verifier's words",
			       strerror(-err));
	return 0;
}

static void close_signal(struct signal *s)
{
	if (s->ops && s->skel)
		s->ops->close(s);
	s->skel = NULL;
	s->skeleton = NULL;
	s->priv = NULL;
}

static void turn_off(struct signal *s)
{
	s->state.mode = SIGNAL_OFF;
	close_signal(s);
}

/* Objects are independent of one another, and for each libbpf reads and searches all type information of the kernel (30
 * ms): two at a time. Not more, because each takes some 10 MB meanwhile. */
struct loading {
	struct probes *p;
	const struct signal_env *env;
	int next; /* signal id, taken atomically */
};

static void *load_signals(void *arg)
{
	struct loading *l = arg;
	int id;

	while ((id = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED)) < SIGNAL_CNT) {
		struct signal *s = &l->p->signals[id];
		uint64_t start = clock_mono_ns();

		if (s->state.mode == SIGNAL_OFF || !s->ops)
			continue;
		if (load(s, l->env, &l->p->maps, s->state.why))
			turn_off(s);
		log_debug("probes: %s %s in %.1f ms %s", s->state.name, s->state.mode == SIGNAL_OFF ? "off" : "loaded",
			  (double)(clock_mono_ns() - start) / 1e6, s->state.why);
	}
	return NULL;
}

static void choose_signal(struct probes *p, enum signal_id id)
{
	struct signal *s = &p->signals[id];

	s->ops = signals_find(id);
	s->state.id = id;
	s->state.name = signal_name(id);
	if (!(p->cfg.wanted & (1u << id))) {
		snprintf(s->state.why, sizeof(s->state.why), "%s%s",
			 SIGNALS_UNASKED & (1u << id) ? SIGNAL_UNASKED : "not asked for",
			 SIGNALS_UNASKED & (1u << id) ? s->state.name : "");
		return;
	}
	s->state.mode = SIGNAL_ON;
	if (!s->ops)
		str_copy(s->state.mechanism, sizeof(s->state.mechanism), "passive reads");
}

static void start_signals(struct probes *p, const struct signal_env *env)
{
	struct loading l = {.p = p, .env = env};
	pthread_t helper;
	bool helped;

	for (int id = 0; id < SIGNAL_CNT; id++)
		choose_signal(p, (enum signal_id)id);
	helped = !pthread_create(&helper, NULL, load_signals, &l);
	load_signals(&l);
	if (helped)
		pthread_join(helper, NULL);
	for (int id = 0; id < SIGNAL_CNT; id++) {
		struct signal *s = &p->signals[id];

		if (s->state.mode != SIGNAL_OFF && s->ops && s->ops->attach(s, env, s->state.why))
			turn_off(s);
	}
}

/* The kernel's types are read once for the signals that look at them (15 ms, 10 MB), and only where one is wanted. */
static void start_with_types(struct probes *p, struct signal_env *env)
{
	const uint32_t readers = (1u << SIGNAL_NET_TCP) | (1u << SIGNAL_MEM_OOM);
	struct btf *btf = p->cfg.wanted & readers ? btf__load_vmlinux_btf() : NULL;

	env->counters = p->maps.counters;
	p->pidns_inum = env->pidns_inum;
	env->btf = btf;
	start_signals(p, env);
	env->btf = NULL;
	btf__free(btf);
}

/* Uprobes through perf events need more than the rest (CAP_SYS_ADMIN on 6.18): better one word now than one for each
 * binary. Other failures mean that something is odd with our own executable, and say nothing of others. */
static void calibration_failed(struct probes *p, int err, const char *why)
{
	struct signal *s = &p->signals[SIGNAL_GO_GC];

	log_debug("probes: cost of a uprobe hit not measured: %s", why);
	if (err != -EACCES && err != -EPERM)
		return;
	s->state.mode = SIGNAL_OFF;
	err_why(s->state.why, err, "%.80s%s", why, p->features.cap_sys_admin ? "" : "; CAP_SYS_ADMIN is missing");
	close_signal(s);
}

static void calibrate(struct probes *p, uint32_t pidns_inum)
{
	bool multi = go_gc_is_multi(&p->signals[SIGNAL_GO_GC]);
	char why[WHY_SZ];
	int err = uprobe_cost_measure(multi, &p->maps, pidns_inum, &p->cost, &p->features.uprobe_hit_ns, why);

	if (err) {
		calibration_failed(p, err, why);
		return;
	}
	p->signals[SIGNAL_GO_GC].state.hit_cost_ns = p->features.uprobe_hit_ns;
	link_release_consume(p->release, uprobe_cost_take_links(p->cost), &p->cost_released);
}

/* Its probes go with those of go_gc, which is off. */
static void turn_off_assist(struct probes *p)
{
	struct signal *s = &p->signals[SIGNAL_GO_ASSIST];

	if (s->state.mode == SIGNAL_OFF)
		return;
	err_why(s->state.why, 0, "go_gc is off: %.150s", p->signals[SIGNAL_GO_GC].state.why);
	turn_off(s);
}

static int start_go_gc_table(struct probes *p, uint32_t pidns_inum)
{
	struct signal *s = &p->signals[SIGNAL_GO_GC];
	struct signal_state *assist = &p->signals[SIGNAL_GO_ASSIST].state;

	if (s->state.mode != SIGNAL_OFF)
		calibrate(p, pidns_inum);
	if (s->state.mode == SIGNAL_OFF) {
		turn_off_assist(p);
		return 0;
	}
	assist->hit_cost_ns = assist->mode == SIGNAL_OFF ? 0 : p->features.uprobe_hit_ns;
	return probed_table_new(&p->maps, s, assist->mode == SIGNAL_OFF ? NULL : &p->signals[SIGNAL_GO_ASSIST],
				p->release, p->cfg.wanted & SIGNALS_BY_PROCESS, p->cfg.storm_hits_per_s, &p->probed);
}

static int start(struct probes *p, char *why)
{
	struct signal_env env = {.features = &p->features, .cfg = &p->cfg};
	int err;

	raise_memlock();
	kernel_features_read(&p->features);
	kernel_features_try(&p->features);
	err = check_features(&p->features, why);
	if (err)
		return err;
	err = read_pidns(&env.pidns_inum);
	if (err)
		return err_why(why, err, "cannot read /proc/self/ns/pid: %s", strerror(-err));
	err = shared_maps_init(&p->maps, p->cfg.ring_bytes, why);
	if (err)
		return err;
	err = link_release_new(&p->release);
	if (!err)
		start_with_types(p, &env);
	if (!err)
		err = start_go_gc_table(p, env.pidns_inum);
	malloc_trim(0);
	return err ? err_why(why, err, "cannot set up probes: %s", strerror(-err)) : 0;
}

int probes_new(const struct probes_cfg *cfg, struct probes **ret, char *why)
{
	struct probes *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return err_why(why, -ENOMEM, "out of memory");
	p->cfg = *cfg;
	p->maps = (struct shared_maps){.events_fd = -1, .counters_fd = -1, .processes_fd = -1, .binaries_fd = -1};
	libbpf_set_print(print_libbpf);
	err = start(p, why);
	if (err) {
		probes_free(p);
		return err;
	}
	*ret = p;
	return 0;
}

struct probes *probes_free(struct probes *p)
{
	if (!p)
		return NULL;
	probed_table_detach(p->probed);
	go_sched_stop(&p->signals[SIGNAL_GO_SCHED]);
	for (int i = SIGNAL_CNT - 1; i > SIGNAL_GO_GC; i--)
		if (i != SIGNAL_GO_ASSIST && i != SIGNAL_GO_SCHED)
			close_signal(&p->signals[i]); /* while the uprobes are being released */
	link_release_free(p->release);
	probed_table_free(p->probed);
	close_signal(&p->signals[SIGNAL_GO_SCHED]);
	close_signal(&p->signals[SIGNAL_GO_ASSIST]);
	close_signal(&p->signals[SIGNAL_GO_GC]);
	uprobe_cost_free(p->cost);
	shared_maps_deinit(&p->maps);
	free(p);
	return NULL;
}

/* ---- running --------------------------------------------------------------------------------------------- */

const struct kernel_features *probes_features(const struct probes *p)
{
	return &p->features;
}

const struct signal_state *probes_signal(const struct probes *p, enum signal_id id)
{
	return &p->signals[id].state;
}

int probes_ring_fd(const struct probes *p)
{
	return p->maps.events_fd;
}

int probes_add_process(struct probes *p, const struct process *proc, int exe_fd, char *why)
{
	if (!p->probed)
		return err_why(why, -ENOTSUP, "go_gc is off: %.150s", p->signals[SIGNAL_GO_GC].state.why);
	if (!proc->binary)
		return err_why(why, -EINVAL, "not a Go program");
	return probed_table_add(p->probed, proc, exe_fd, why);
}

int probes_watch_process(struct probes *p, pid_t pid)
{
	struct process_entry entry = {.signals = p->cfg.wanted & SIGNALS_BY_PROCESS & ~(1u << SIGNAL_GO_GC)};
	uint32_t tgid = (uint32_t)pid;

	if (bpf_map_update_elem(p->maps.processes_fd, &tgid, &entry, BPF_ANY))
		return -errno;
	for (int i = 0; i < SIGNAL_CNT; i++)
		if (p->signals[i].skel && p->signals[i].ops->watch)
			p->signals[i].ops->watch(&p->signals[i], pid);
	return 0;
}

void probes_ignore_process(struct probes *p, pid_t pid)
{
	struct process_entry entry = {.signals = 0};
	uint32_t tgid = (uint32_t)pid;

	if (bpf_map_update_elem(p->maps.processes_fd, &tgid, &entry, BPF_ANY))
		log_debug("probes: pid %d cannot be ignored: %s", pid, strerror(errno));
}

void probes_remove_process(struct probes *p, pid_t pid)
{
	uint32_t tgid = (uint32_t)pid;

	if (p->probed)
		probed_table_remove(p->probed, pid);
	bpf_map_delete_elem(p->maps.processes_fd, &tgid); /* proc_watch has mostly been faster */
}

int probes_arm_sched(struct probes *p, uint64_t ns)
{
	struct signal *s = &p->signals[SIGNAL_CPU_SCHED];

	return s->skel ? cpu_sched_arm(s, ns) : -ENOTSUP;
}

/* Runs of a signal's programs that the kernel skipped because it was in BPF already. */
static uint64_t read_recursion(const struct signal *s)
{
	const struct bpf_object_skeleton *sk = s->skeleton;
	uint64_t sum = 0;

	for (int i = 0; sk && i < sk->prog_cnt; i++) {
		struct bpf_prog_info info = {0};
		uint32_t len = sizeof(info);
		int fd = bpf_program__fd(*sk->progs[i].prog);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
			sum += info.recursion_misses;
	}
	return sum;
}

static void tick_recursion(struct probes *p, uint64_t now_ns)
{
	if (now_ns - p->recursion_read_ns < RECURSION_INTERVAL_NS)
		return;
	p->recursion_read_ns = now_ns;
	for (int i = 0; i < SIGNAL_CNT; i++)
		p->recursion[i] = read_recursion(&p->signals[i]);
}

static void tick_calibration(struct probes *p)
{
	if (p->cost && __atomic_load_n(&p->cost_released, __ATOMIC_ACQUIRE))
		p->cost = uprobe_cost_free(p->cost);
}

void probes_tick(struct probes *p, uint64_t now_ns, probes_storm_fn on_storm, void *arg)
{
	if (p->probed)
		probed_table_tick(p->probed, now_ns, on_storm, arg);
	for (int i = 0; i < SIGNAL_CNT; i++)
		if (p->signals[i].skel && p->signals[i].ops->tick)
			p->signals[i].ops->tick(&p->signals[i], now_ns);
	tick_recursion(p, now_ns);
	tick_calibration(p);
}

/* Hits that ran no program are added on both sides, so that hits = events + filtered + losses holds. */
static void add_unseen(struct signal_counters *c, enum loss_reason reason, uint64_t n)
{
	c->hits += n;
	c->lost[reason] += n;
}

int probes_counters(const struct probes *p, enum signal_id id, struct signal_counters *ret)
{
	if (id < 0 || id >= SIGNAL_CNT)
		return -EINVAL;
	*ret = p->maps.counters[id];
	add_unseen(ret, LOSS_RECURSION, p->recursion[id]);
	if (p->probed)
		add_unseen(ret, LOSS_STORM, probed_table_storms(p->probed, id));
	return 0;
}

uint64_t probes_binary_hits(const struct probes *p, pid_t pid)
{
	return p->probed ? probed_table_hits(p->probed, pid) : 0;
}

int probes_assist_set(struct probes *p, const struct process *proc, bool on, int exe_fd, char *why)
{
	if (!p->probed)
		return err_why(why, -ENOTSUP, "go_gc is off");
	return probed_table_set_assists(p->probed, proc, on, exe_fd, why);
}

enum assist_view probes_assists(const struct probes *p, pid_t pid)
{
	return p->probed ? probed_table_assists(p->probed, pid) : ASSIST_NOT_SEEN;
}

unsigned int probes_binary_processes(const struct probes *p, pid_t pid)
{
	return p->probed ? probed_table_processes(p->probed, pid) : 0;
}

/* ---- windows of go_sched --------------------------------------------------------------------------------- */

/* The signal is loaded and calibrated when the first window is asked for (60 ms). */
static int need_sched(struct probes *p, char *why)
{
	struct signal *s = &p->signals[SIGNAL_GO_SCHED];
	const struct signal_env env = {
		.features = &p->features, .cfg = &p->cfg, .pidns_inum = p->pidns_inum, .counters = p->maps.counters};
	int err = 0;

	if (!s->skel) {
		s->ops = signals_find(SIGNAL_GO_SCHED);
		err = load(s, &env, &p->maps, s->state.why);
		if (!err)
			err = s->ops->attach(s, &env, s->state.why);
		malloc_trim(0);
	}
	if (!err)
		err = go_sched_prepare(s, p->release, s->state.why);
	if (!err) {
		s->state.why[0] = 0;
		return 0;
	}
	turn_off(s);
	return err_why(why, err, "%.190s", s->state.why);
}

int probes_sched_open(struct probes *p, const struct process *proc, int exe_fd, char *why)
{
	int err = proc->binary ? go_sched_check_binary(proc->binary, why) : err_why(why, -EINVAL, "not a Go program");

	if (!err)
		err = need_sched(p, why);
	return err ? err : go_sched_open_window(&p->signals[SIGNAL_GO_SCHED], proc, exe_fd, why);
}

void probes_sched_close(struct probes *p, pid_t pid)
{
	go_sched_close_window(&p->signals[SIGNAL_GO_SCHED], pid);
}

int probes_sched_drain(struct probes *p)
{
	return go_sched_drain(&p->signals[SIGNAL_GO_SCHED]);
}

unsigned int probes_sched_windows(const struct probes *p)
{
	return go_sched_windows(&p->signals[SIGNAL_GO_SCHED]);
}

bool probes_sched_status(const struct probes *p, pid_t pid, struct go_sched_status *ret)
{
	return go_sched_window_status(&p->signals[SIGNAL_GO_SCHED], pid, ret);
}

int probes_sched_prepare(struct probes *p, char *why)
{
	return need_sched(p, why);
}

const struct go_sched_costs *probes_sched_costs(struct probes *p, char *why)
{
	return need_sched(p, why) ? NULL : go_sched_get_costs(&p->signals[SIGNAL_GO_SCHED]);
}

int probes_sched_stack(const struct probes *p, uint64_t id, struct go_sched_stack *ret)
{
	return go_sched_get_stack(&p->signals[SIGNAL_GO_SCHED], id, ret);
}
