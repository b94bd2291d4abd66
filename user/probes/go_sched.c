/* SPDX-License-Identifier: BSD-2-Clause */
/* go_sched: opens and closes windows, drains their ring.
 *
 * A window is a slot in the program's table and a set of links that carry its number. Its end has two steps: the slot
 * is closed, so that what is still hit costs little and gives nothing, and the links are released by a thread of their
 * own, which waits for the kernel (20 to 90 ms). What the ring held until then belongs to the window; when all of it
 * has been told, sched_closed says how much it was. The ring exists while a window does.
 *
 * The event loop may wait for a reader of its output for as long as that one likes, and a window that nobody looks at
 * costs its process on and on: a thread of our own ends windows when the loop has not drained for STALL_NS. */
#include "probes/go_sched.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "probes/file_key.h"
#include "probes/go_sched_cost.h"
#include "probes/go_sched_decode.h"
#include "probes/go_sched_window.h"
#include "probes/link_set.h"
#include "probes/map_sweep.h"
#include "probes/signal.h"
#include "probes/write_guard.h"
#include "process_table.h"

#include "go_sched.skel.h"

#define DRAIN_MAX   60000u /* events a slice: some 5 ms */
#define SLOT_COST   0u     /* of the calibration */
#define TRIAL_CALLS 20
#define STALL_NS    (2 * NS_PER_SEC)
#define LOOK_NS     (NS_PER_SEC / 4)

enum window_state { WINDOW_OPEN, WINDOW_GOING };

struct window {
	enum window_state state;
	pid_t pid;
	uint32_t slot;
	struct link_set *links; /* owned while open */
	bool released;          /* set by the releasing thread */
	bool last_drain;        /* its links were gone before this drain began */
	struct go_sched_status status;
	uint64_t late_told, lost_told[2]; /* what is in the signal's counters */
	struct go_sched_decoder decoder;
	unsigned int batch_cnt;
	struct go_sched_event batch[GO_SCHED_BATCH];
};

struct sched_priv {
	const struct probes_cfg *cfg; /* borrowed */
	volatile struct signal_counters *counters;
	volatile struct go_sched_slot *slots; /* mapped */
	struct link_release *release;         /* borrowed; NULL: not prepared yet */
	struct write_guards *guards;          /* owned */
	int ring_fd;                          /* owned, -1 none */
	struct ring_buffer *ring;             /* owned */
	unsigned int room;                    /* of the drain that runs */
	uint64_t invalid;
	struct window *windows[GO_SCHED_SLOTS]; /* owned, by slot */
	unsigned int window_cnt;
	struct link_set *trial_links; /* owned: of the calibration */
	bool trial_released;
	bool multi, pid_filtered;
	struct go_sched_costs costs;
	struct {
		pthread_t thread;
		pthread_mutex_t lock; /* windows[] and how they end; the fields below */
		pthread_cond_t wake;
		uint64_t drained_ns; /* the loop was at it */
		bool runs, stop;
	} watch;
};

/* ---- what a binary must have ----------------------------------------------------------------------------- */

static const enum go_site all_sites[] = {GO_SITE_RUN,     GO_SITE_READY,   GO_SITE_NETPOLL,
					 GO_SITE_NEW,     GO_SITE_PARK_M,  GO_SITE_GOSCHED,
					 GO_SITE_GOYIELD, GO_SITE_PREEMPT, GO_SITE_SYSCALL};

/* Such goroutines would look as if they ran on: seldom, and never wrong for long. */
static bool is_optional(enum go_site site)
{
	return site == GO_SITE_GOYIELD || site == GO_SITE_PREEMPT;
}

static bool has_site(const struct binary *b, enum go_site site)
{
	return b->sites[site].how != SITE_NONE && b->sites[site].how != SITE_FIRST;
}

/* Behind sched.bp, in the piece of a g that the program reads. */
static bool in_piece(const struct binary *b, enum go_field field, int align, int size)
{
	int at = b->fields[field] - b->fields[FIELD_G_BP];

	return at >= 0 && at % align == 0 && at + size <= GO_SCHED_G_PIECE;
}

static int check_fields(const struct binary *b, char *why)
{
	static const enum go_field fields[] = {FIELD_G_GOID, FIELD_G_M,       FIELD_G_BP, FIELD_G_WAITREASON,
					       FIELD_G_GOPC, FIELD_G_STARTPC, FIELD_M_P,  FIELD_PD_RG};

	if (b->layout == LAYOUT_NONE)
		return err_why(why, -ENOTSUP, "%.150s", b->layout_why);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (b->fields[fields[i]] < 0)
			return err_why(why, -ENOTSUP, "fields of the scheduler's structures are not known");
	if (b->fields[FIELD_PD_WG] != b->fields[FIELD_PD_RG] + 8 || !in_piece(b, FIELD_G_GOID, 8, 8) ||
	    !in_piece(b, FIELD_G_WAITREASON, 1, 1))
		return err_why(why, -ENOTSUP, "the scheduler's structures look like in no version that is known");
	return 0;
}

int go_sched_check_binary(const struct binary *b, char *why)
{
	for (size_t i = 0; i < ARRAY_SIZE(all_sites); i++)
		if (!has_site(b, all_sites[i]) && !is_optional(all_sites[i]))
			return err_why(why, -ENOTSUP, "no safe probe site in %s%s%.100s", go_site_symbol(all_sites[i]),
				       b->sites[all_sites[i]].why[0] ? ": " : "", b->sites[all_sites[i]].why);
	if (!b->newproc1_from || !b->exit_from)
		return err_why(why, -ENOTSUP, "the functions where goroutines begin and end were not found");
	return check_fields(b, why);
}

/* ---- life of the signal ---------------------------------------------------------------------------------- */

static int go_sched_open(struct signal *s, const struct signal_env *env, char *why)
{
	struct go_sched_bpf *skel;
	struct sched_priv *priv;

	if (!env->features->attach_cookie)
		return err_why(why, -ENOTSUP, "this kernel's uprobes have no cookies: run Linux 5.15 or newer");
	if (!signal_uses_multi(env) && !env->features->uprobe_perf)
		return err_why(why, -ENOTSUP, "this kernel has no uprobes (CONFIG_UPROBE_EVENTS)");
	snprintf(s->state.mechanism, sizeof(s->state.mechanism), "%s at push (emulated), in windows",
		 signal_uses_multi(env) ? "uprobe_multi" : "perf uprobes");
	skel = go_sched_bpf__open();
	if (!skel)
		return err_why(why, -errno, "cannot open the BPF object: %s", strerror(errno));
	s->skel = skel; /* from here on go_sched_close() is called */
	s->skeleton = skel->skeleton;
	skel->rodata->agent_pidns_inum = env->pidns_inum;
	priv = calloc(1, sizeof(*priv));
	if (!priv)
		return err_why(why, -ENOMEM, "out of memory");
	s->priv = priv;
	priv->cfg = env->cfg;
	priv->counters = &env->counters[SIGNAL_GO_SCHED];
	priv->ring_fd = -1;
	pthread_mutex_init(&priv->watch.lock, NULL);
	priv->multi = signal_uses_multi(env);
	if (priv->multi)
		bpf_program__set_expected_attach_type(skel->progs.go_sched, ATTACH_TYPE_UPROBE_MULTI);
	return 0;
}

/* Ends the window, under the lock: its links go to a releasing thread. */
static void end_window(struct sched_priv *priv, struct window *w)
{
	if (w->state != WINDOW_OPEN)
		return;
	priv->slots[w->slot].open = 0;
	w->status.end_ns = clock_mono_ns();
	w->status.open = false;
	w->state = WINDOW_GOING;
	link_release_consume(priv->release, w->links, &w->released);
	w->links = NULL;
}

/* One that is being attached is not open yet: it has no links that could be released. */
static void end_stalled(struct sched_priv *priv)
{
	if (clock_mono_ns() - priv->watch.drained_ns < STALL_NS)
		return;
	for (uint32_t i = 1; i < GO_SCHED_SLOTS; i++)
		if (priv->windows[i] && priv->windows[i]->status.open)
			end_window(priv, priv->windows[i]);
}

static void *watch_main(void *arg)
{
	struct sched_priv *priv = arg;

	pthread_mutex_lock(&priv->watch.lock);
	while (!priv->watch.stop) {
		uint64_t until = clock_mono_ns() + LOOK_NS;
		struct timespec at = {(time_t)(until / NS_PER_SEC), (long)(until % NS_PER_SEC)};

		if (!priv->window_cnt) /* until one opens */
			pthread_cond_wait(&priv->watch.wake, &priv->watch.lock);
		else
			pthread_cond_timedwait(&priv->watch.wake, &priv->watch.lock, &at);
		end_stalled(priv);
	}
	pthread_mutex_unlock(&priv->watch.lock);
	return NULL;
}

/* All signals stay with the thread of the event loop. */
static int start_watch(struct sched_priv *priv)
{
	pthread_condattr_t clock;
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&priv->watch.wake, &clock);
	pthread_condattr_destroy(&clock);
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128u * 1024);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&priv->watch.thread, &attr, watch_main, priv);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	priv->watch.runs = !err;
	return -err;
}

static void stop_watch(struct sched_priv *priv)
{
	if (!priv->watch.runs)
		return;
	pthread_mutex_lock(&priv->watch.lock);
	priv->watch.stop = true;
	pthread_cond_signal(&priv->watch.wake);
	pthread_mutex_unlock(&priv->watch.lock);
	pthread_join(priv->watch.thread, NULL);
	priv->watch.runs = false;
}

#define SLOTS_SZ (((GO_SCHED_SLOTS * sizeof(struct go_sched_slot)) + 4095) & ~(size_t)4095)

static int go_sched_attach(struct signal *s, const struct signal_env *env, char *why)
{
	struct go_sched_bpf *skel = s->skel;
	struct sched_priv *priv = s->priv;
	void *at = mmap(NULL, SLOTS_SZ, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(skel->maps.sched_slots), 0);
	int err;

	if (at == MAP_FAILED)
		return err_why(why, -errno, "cannot map the slots: %s", strerror(errno));
	priv->slots = at;
	err = write_guards_new(&priv->guards);
	if (!err)
		err = start_watch(priv);
	if (err)
		return err_why(why, err, "no thread that ends windows: %s", strerror(-err));
	s->state.mode = SIGNAL_WINDOW;
	return 0;
}

static void drop_ring(struct signal *s)
{
	struct go_sched_bpf *skel = s->skel;
	struct sched_priv *priv = s->priv;
	uint32_t zero = 0;

	ring_buffer__free(priv->ring);
	priv->ring = NULL;
	bpf_map_delete_elem(bpf_map__fd(skel->maps.sched_rings), &zero);
	cleanup_close(&priv->ring_fd);
	priv->ring_fd = -1;
}

void go_sched_stop(struct signal *s)
{
	struct sched_priv *priv = s->priv;

	if (!priv)
		return;
	stop_watch(priv); /* the releasing threads end next */
	for (uint32_t i = 0; i < GO_SCHED_SLOTS; i++)
		if (priv->windows[i])
			end_window(priv, priv->windows[i]);
}

static void forget_window(struct sched_priv *priv, struct window *w)
{
	pthread_mutex_lock(&priv->watch.lock);
	priv->windows[w->slot] = NULL;
	priv->window_cnt--;
	pthread_mutex_unlock(&priv->watch.lock);
	go_sched_decoder_close(&w->decoder);
	free(w);
}

/* After the releasing threads have ended. */
static void go_sched_close(struct signal *s)
{
	struct sched_priv *priv = s->priv;

	if (priv) {
		stop_watch(priv);
		for (uint32_t i = 0; i < GO_SCHED_SLOTS; i++)
			if (priv->windows[i])
				forget_window(priv, priv->windows[i]);
		if (priv->ring_fd >= 0)
			drop_ring(s);
		link_set_free(priv->trial_links);
		write_guards_free(priv->guards);
		if (priv->slots)
			munmap((void *)priv->slots, SLOTS_SZ);
	}
	go_sched_bpf__destroy(s->skel);
	free(priv);
}

const struct signal_ops go_sched_ops = {
	.id = SIGNAL_GO_SCHED,
	.name = "go_sched",
	.open = go_sched_open,
	.attach = go_sched_attach,
	.close = go_sched_close,
};

/* ---- the ring -------------------------------------------------------------------------------------------- */

static void flush(struct sched_priv *priv, struct window *w)
{
	if (w->batch_cnt && priv->cfg->sched_events)
		priv->cfg->sched_events(w->pid, w->batch, w->batch_cnt, priv->cfg->event_arg);
	w->batch_cnt = 0;
}

static void take(struct sched_priv *priv, struct window *w, const struct go_sched_raw *e)
{
	go_sched_decode(&w->decoder, e, &w->batch[w->batch_cnt++]);
	w->status.hits[e->kind]++;
	if (w->batch_cnt == GO_SCHED_BATCH)
		flush(priv, w);
}

static int on_event(void *arg, void *data, size_t size)
{
	struct sched_priv *priv = arg;
	const struct go_sched_raw *e = data;

	if (size < GO_SCHED_SHORT_SZ || (e->kind == GO_SCHED_NEW && size < sizeof(*e)) || e->slot >= GO_SCHED_SLOTS ||
	    !e->kind || e->kind >= GO_SCHED_KNOWN)
		priv->invalid++;
	else if (priv->windows[e->slot])
		take(priv, priv->windows[e->slot], e);
	/* else: the calibration's */
	return --priv->room ? 0 : -EAGAIN;
}

static int make_ring(struct signal *s, char *why)
{
	struct go_sched_bpf *skel = s->skel;
	struct sched_priv *priv = s->priv;
	uint32_t bytes = priv->cfg->sched_ring_bytes ? priv->cfg->sched_ring_bytes : GO_SCHED_RING_BYTES, zero = 0;

	if (priv->ring_fd >= 0)
		return 0;
	priv->ring_fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "sched_events", 0, 0, bytes, NULL);
	if (priv->ring_fd < 0)
		return err_why(why, priv->ring_fd, "cannot make a ring of %u KiB: %s", bytes >> 10,
			       strerror(-priv->ring_fd));
	priv->ring = ring_buffer__new(priv->ring_fd, on_event, priv, NULL);
	if (priv->ring && !bpf_map_update_elem(bpf_map__fd(skel->maps.sched_rings), &zero, &priv->ring_fd, BPF_ANY))
		return 0;
	err_why(why, 0, "cannot use the ring: %s", strerror(errno));
	drop_ring(s);
	return -EIO;
}

static int consume(struct sched_priv *priv)
{
	priv->room = DRAIN_MAX;
	if (priv->ring)
		ring_buffer__consume(priv->ring);
	return (int)(DRAIN_MAX - priv->room);
}

/* ---- trial and calibration ------------------------------------------------------------------------------- */

static void *call_late(void *arg)
{
	go_sched_cost_call(GO_SCHED_COST_SITES - 1, TRIAL_CALLS);
	return NULL;
}

/* Hits of the closed slot 0. */
static uint64_t hits_of_thread(struct sched_priv *priv)
{
	uint64_t before = priv->slots[SLOT_COST].late;
	pthread_t t;

	if (pthread_create(&t, NULL, call_late, NULL))
		return 0;
	pthread_join(t, NULL);
	return priv->slots[SLOT_COST].late - before;
}

/* The child has our file mapped as well; it does nothing but to call the function. */
static uint64_t hits_of_child(struct sched_priv *priv)
{
	uint64_t before = priv->slots[SLOT_COST].late;
	pid_t pid = fork();

	if (pid == 0) {
		go_sched_cost_call(GO_SCHED_COST_SITES - 1, TRIAL_CALLS);
		_exit(0);
	}
	if (pid < 0 || TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0)) != pid)
		return TRIAL_CALLS;
	return priv->slots[SLOT_COST].late - before;
}

/* Until 6.10 (46ba0e49b642, in later 6.6 and 6.9, too) a multi link's pid was compared with that of a thread: only one
 * of them was seen. */
static bool try_pid_filter(struct sched_priv *priv)
{
	return hits_of_thread(priv) == TRIAL_CALLS && hits_of_child(priv) == 0;
}

static int attach_trial(struct signal *s, bool own_pid, char *why)
{
	struct go_sched_bpf *skel = s->skel;
	struct sched_priv *priv = s->priv;
	struct link_site sites[GO_SCHED_COST_SITES];

	for (unsigned int i = 0; i < GO_SCHED_COST_SITES; i++) {
		sites[i] = (struct link_site){.prog = skel->progs.go_sched,
					      .file_offset = go_sched_cost_offset(i),
					      .cookie = COOKIE(SLOT_COST, go_sched_cost_site(i))};
		if (!sites[i].file_offset)
			return err_why(why, -ENOTSUP, "own function not found in own program");
	}
	return link_set_new_for("/proc/self/exe", sites, ARRAY_SIZE(sites), priv->multi,
				own_pid ? (uint32_t)getpid() : 0, &priv->trial_links, why);
}

/* Sites without a function of their own cost what one like them does. */
static void measure(struct sched_priv *priv, const double without[GO_SCHED_COST_SITES])
{
	double *ns = priv->costs.hit_ns, late;

	priv->slots[SLOT_COST].open = 1;
	for (unsigned int i = 0; i + 1 < GO_SCHED_COST_SITES; i++) {
		double with = go_sched_cost_time(i);

		ns[go_sched_cost_kind(i)] = with > without[i] ? with - without[i] : 0;
		consume(priv);
	}
	priv->slots[SLOT_COST].open = 0;
	late = go_sched_cost_time(GO_SCHED_COST_SITES - 1) - without[GO_SCHED_COST_SITES - 1];
	priv->costs.late_ns = late > 0 ? late : 0;
	ns[GO_SCHED_EXIT] = ns[GO_SCHED_STOP] = ns[GO_SCHED_SYSCALL] = ns[GO_SCHED_YIELD];
}

static double mean_cost(const struct go_sched_costs *c)
{
	/* of a server's switches: run, park and ready come about alike, a goroutine is made for each third */
	return (3 * (c->hit_ns[GO_SCHED_RUN] + c->hit_ns[GO_SCHED_PARK] + c->hit_ns[GO_SCHED_READY]) +
		c->hit_ns[GO_SCHED_NEW] + c->hit_ns[GO_SCHED_EXIT]) /
	       11;
}

int go_sched_prepare(struct signal *s, struct link_release *release, char *why)
{
	struct go_sched_bpf *skel = s->skel;
	struct sched_priv *priv = s->priv;
	double without[GO_SCHED_COST_SITES];
	int err;

	if (priv->release)
		return 0;
	go_sched_cost_fill(&priv->slots[SLOT_COST]);
	priv->slots[SLOT_COST].tgid = (uint32_t)getpid();
	for (unsigned int i = 0; i < GO_SCHED_COST_SITES; i++)
		without[i] = go_sched_cost_time(i);
	err = make_ring(s, why);
	if (!err)
		err = attach_trial(s, true, why);
	if (err)
		return err;
	priv->pid_filtered = priv->multi && try_pid_filter(priv);
	if (priv->multi && !priv->pid_filtered) { /* all of its hits must come */
		link_set_free(priv->trial_links);
		priv->trial_links = NULL;
		err = attach_trial(s, false, why);
	}
	if (err)
		return err;
	skel->data->pid_filtered = priv->pid_filtered;
	measure(priv, without);
	/* windows that cost nothing would have no end */
	if (!(priv->costs.hit_ns[GO_SCHED_RUN] > 0 && priv->costs.hit_ns[GO_SCHED_READY] > 0 &&
	      priv->costs.hit_ns[GO_SCHED_PARK] > 0 && priv->costs.late_ns > 0))
		return err_why(why, -EIO, "what a hit costs could not be measured");
	priv->release = release;
	link_release_consume(release, priv->trial_links, &priv->trial_released);
	priv->trial_links = NULL;
	drop_ring(s); /* the next one comes with a window */
	s->state.hit_cost_ns = mean_cost(&priv->costs);
	snprintf(s->state.note, sizeof(s->state.note), "%s",
		 priv->pid_filtered ? "only its own process pays" : "all processes of the file pay");
	log_debug("go_sched: pid filter %s; run %.0f ready %.0f netpoll %.0f new %.0f park %.0f exit %.0f late %.0f ns",
		  priv->pid_filtered ? "right" : "not usable", priv->costs.hit_ns[GO_SCHED_RUN],
		  priv->costs.hit_ns[GO_SCHED_READY], priv->costs.hit_ns[GO_SCHED_NETPOLL],
		  priv->costs.hit_ns[GO_SCHED_NEW], priv->costs.hit_ns[GO_SCHED_PARK],
		  priv->costs.hit_ns[GO_SCHED_EXIT], priv->costs.late_ns);
	return 0;
}

const struct go_sched_costs *go_sched_get_costs(const struct signal *s)
{
	const struct sched_priv *priv = s->priv;

	return priv && priv->release ? &priv->costs : NULL;
}

/* ---- windows --------------------------------------------------------------------------------------------- */

static struct window *find_window(const struct sched_priv *priv, pid_t pid)
{
	for (uint32_t i = 1; i < GO_SCHED_SLOTS; i++)
		if (priv->windows[i] && priv->windows[i]->pid == pid)
			return priv->windows[i];
	return NULL;
}

static uint32_t free_slot(const struct sched_priv *priv)
{
	for (uint32_t i = 1; i < GO_SCHED_SLOTS; i++)
		if (!priv->windows[i])
			return i;
	return 0;
}

static void fill_slot(volatile struct go_sched_slot *x, const struct process *proc)
{
	const struct binary *b = proc->binary;
	const int16_t *f = b->fields;

	memset((void *)x, 0, sizeof(*x));
	x->tgid = (uint32_t)proc->pid;
	x->newproc1_from = b->newproc1_from + proc->bias;
	x->newproc1_to = b->newproc1_to + proc->bias;
	x->exit_from = b->exit_from + proc->bias;
	x->exit_to = b->exit_to + proc->bias;
	x->runtime_from = b->runtime_from + proc->bias;
	x->runtime_to = b->runtime_to + proc->bias;
	x->g_goid = (uint16_t)f[FIELD_G_GOID];
	x->g_m = (uint16_t)f[FIELD_G_M];
	x->g_bp = (uint16_t)f[FIELD_G_BP];
	x->bp_goid = (uint16_t)((f[FIELD_G_GOID] - f[FIELD_G_BP]) / 8);
	x->bp_waitreason = (uint16_t)(f[FIELD_G_WAITREASON] - f[FIELD_G_BP]);
	x->g_gopc = (uint16_t)f[FIELD_G_GOPC];
	x->g_startpc = (uint16_t)f[FIELD_G_STARTPC];
	x->m_p = (uint16_t)f[FIELD_M_P];
	x->pd_rg = (uint16_t)f[FIELD_PD_RG];
}

static int attach_window(struct signal *s, struct window *w, const struct process *proc, int exe_fd, char *why)
{
	struct go_sched_bpf *skel = s->skel;
	struct sched_priv *priv = s->priv;
	const struct binary *b = proc->binary;
	struct link_site sites[ARRAY_SIZE(all_sites)];
	size_t cnt = 0;
	char path[32];

	for (size_t i = 0; i < ARRAY_SIZE(all_sites); i++) {
		enum go_site site = all_sites[i];

		if (has_site(b, site))
			sites[cnt++] = (struct link_site){.prog = skel->progs.go_sched,
							  .file_offset = b->sites[site].file_offset,
							  .cookie = COOKIE(w->slot, site) |
								    (b->sites[site].how == SITE_JBE ? COOKIE_JBE : 0)};
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", exe_fd);
	return link_set_new_for(path, sites, cnt, priv->multi, priv->pid_filtered ? (uint32_t)proc->pid : 0, &w->links,
				why);
}

/* The guard comes first: what is looked at behind it cannot change any more. */
static int start_window(struct signal *s, struct window *w, const struct process *proc, int exe_fd, char *why)
{
	struct sched_priv *priv = s->priv;
	struct write_guard *guard = NULL;
	int no_guard = write_guard_new(priv->guards, exe_fd, &guard);
	uint64_t begin = clock_mono_ns();
	int err = 0;

	if (!file_key_has_sites_of(exe_fd, proc->binary))
		err = err_why(why, -EAGAIN, "its executable has just changed");
	if (!err)
		err = attach_window(s, w, proc, exe_fd, why);
	if (err) {
		write_guard_free(guard);
		return err;
	}
	if (no_guard)
		log_debug("go_sched: pid %d: no lease on its executable: %s", proc->pid, strerror(-no_guard));
	link_set_guard_consume(w->links, guard);
	pthread_mutex_lock(&priv->watch.lock);
	w->status.start_ns = priv->watch.drained_ns = clock_mono_ns();
	priv->slots[w->slot].open = 1; /* not before all of its probes are there: half a story misleads */
	w->status.open = true;
	pthread_cond_signal(&priv->watch.wake);
	pthread_mutex_unlock(&priv->watch.lock);
	log_debug("go_sched: window on pid %d opened in %.1f ms", proc->pid,
		  (double)(w->status.start_ns - begin) / 1e6);
	return 0;
}

int go_sched_open_window(struct signal *s, const struct process *proc, int exe_fd, char *why)
{
	struct sched_priv *priv = s->priv;
	uint32_t slot = free_slot(priv);
	struct window *w;
	int err = go_sched_check_binary(proc->binary, why);

	if (!err && find_window(priv, proc->pid))
		err = err_why(why, -EBUSY, "it has a window, or its last one is not gone yet");
	if (!err && !slot)
		err = err_why(why, -ENOSPC, "%d windows are open already", GO_SCHED_SLOTS - 1);
	if (!err)
		err = make_ring(s, why);
	if (err)
		return err;
	w = calloc(1, sizeof(*w));
	if (!w)
		return err_why(why, -ENOMEM, "out of memory");
	w->pid = proc->pid;
	w->slot = slot;
	fill_slot(&priv->slots[slot], proc);
	go_sched_decoder_open(&w->decoder, priv->cfg->root ? priv->cfg->root : "", proc->pid);
	pthread_mutex_lock(&priv->watch.lock);
	priv->windows[slot] = w; /* from the first hit on */
	priv->window_cnt++;
	pthread_mutex_unlock(&priv->watch.lock);
	err = start_window(s, w, proc, exe_fd, why);
	if (err) {
		priv->slots[slot].open = 0;
		forget_window(priv, w);
	}
	return err;
}

void go_sched_close_window(struct signal *s, pid_t pid)
{
	struct sched_priv *priv = s->priv;
	struct window *w = priv ? find_window(priv, pid) : NULL;

	if (!w)
		return;
	pthread_mutex_lock(&priv->watch.lock);
	end_window(priv, w);
	pthread_mutex_unlock(&priv->watch.lock);
}

/* Late and lost hits into status and the signal's counters; what they cost. */
static void settle(struct sched_priv *priv, struct window *w)
{
	const volatile struct go_sched_slot *x = &priv->slots[w->slot];
	struct go_sched_status *st = &w->status;

	st->late = x->late;
	st->cost_ns = (double)st->late * priv->costs.late_ns;
	for (int i = 0; i < 2; i++) {
		st->lost[i] = x->lost[i];
		st->cost_ns += (double)st->lost[i] * priv->costs.hit_ns[GO_SCHED_RUN];
	}
	for (int k = 1; k < GO_SCHED_KIND_CNT; k++)
		st->cost_ns += (double)st->hits[k] * priv->costs.hit_ns[k];
}

static void add(volatile uint64_t *counter, uint64_t n)
{
	__sync_fetch_and_add(counter, n);
}

static void count(struct sched_priv *priv, struct window *w)
{
	static const enum loss_reason reasons[2] = {LOSS_RING_FULL, LOSS_UNREADABLE};
	volatile struct signal_counters *c = priv->counters;

	add((volatile uint64_t *)&c->filtered, w->status.late - w->late_told);
	add((volatile uint64_t *)&c->hits, w->status.late - w->late_told);
	w->late_told = w->status.late;
	for (int i = 0; i < 2; i++) {
		add((volatile uint64_t *)&c->lost[reasons[i]], w->status.lost[i] - w->lost_told[i]);
		add((volatile uint64_t *)&c->hits, w->status.lost[i] - w->lost_told[i]);
		w->lost_told[i] = w->status.lost[i];
	}
}

struct forget {
	uint32_t slot;
};

static void forget_stack(int fd, const void *key, void *arg)
{
	const struct forget *f = arg;
	struct go_sched_stack st;

	if (!bpf_map_lookup_elem(fd, key, &st) && st.slot == f->slot)
		bpf_map_delete_elem(fd, key);
}

static void finish(struct signal *s, struct window *w)
{
	struct go_sched_bpf *skel = s->skel;
	struct sched_priv *priv = s->priv;
	struct map_sweep sweep = {0};

	settle(priv, w);
	count(priv, w);
	if (priv->cfg->sched_closed)
		priv->cfg->sched_closed(w->pid, &w->status, priv->cfg->event_arg);
	map_sweep_run(&sweep, bpf_map__fd(skel->maps.sched_stacks), sizeof(uint64_t), GO_SCHED_STACKS_MAX, forget_stack,
		      &(struct forget){w->slot});
	forget_window(priv, w);
}

/* Ends windows whose file is being written, marks those of which nothing can come any more. */
static void look_at_links(struct sched_priv *priv)
{
	pthread_mutex_lock(&priv->watch.lock);
	priv->watch.drained_ns = clock_mono_ns();
	for (uint32_t i = 1; i < GO_SCHED_SLOTS; i++) {
		struct window *w = priv->windows[i];

		if (w && w->state == WINDOW_OPEN && link_set_is_gone(w->links))
			end_window(priv, w);
		if (w)
			w->last_drain = w->state == WINDOW_GOING && __atomic_load_n(&w->released, __ATOMIC_ACQUIRE);
	}
	pthread_mutex_unlock(&priv->watch.lock);
}

static void flush_all(struct signal *s, bool empty)
{
	struct sched_priv *priv = s->priv;

	for (uint32_t i = 1; i < GO_SCHED_SLOTS; i++) {
		struct window *w = priv->windows[i];

		if (!w)
			continue;
		flush(priv, w);
		settle(priv, w);
		count(priv, w);
		if (w->last_drain && empty)
			finish(s, w);
	}
}

int go_sched_drain(struct signal *s)
{
	struct sched_priv *priv = s->priv;
	int cnt;

	if (!priv || !priv->window_cnt)
		return 0;
	look_at_links(priv);
	cnt = consume(priv);
	add((volatile uint64_t *)&priv->counters->hits, (uint64_t)cnt);
	add((volatile uint64_t *)&priv->counters->events, (uint64_t)cnt);
	flush_all(s, cnt < (int)DRAIN_MAX);
	if (!priv->window_cnt)
		drop_ring(s);
	return cnt;
}

unsigned int go_sched_windows(const struct signal *s)
{
	const struct sched_priv *priv = s->priv;

	return priv ? priv->window_cnt : 0;
}

bool go_sched_window_status(const struct signal *s, pid_t pid, struct go_sched_status *ret)
{
	struct sched_priv *priv = s->priv;
	struct window *w = priv ? find_window(priv, pid) : NULL;

	if (!w)
		return false;
	settle(priv, w);
	*ret = w->status;
	return true;
}

int go_sched_get_stack(const struct signal *s, uint64_t id, struct go_sched_stack *ret)
{
	const struct go_sched_bpf *skel = s->skel;

	return skel && !bpf_map_lookup_elem(bpf_map__fd(skel->maps.sched_stacks), &id, ret) ? 0 : -ENOENT;
}
