/* SPDX-License-Identifier: BSD-2-Clause */
/* go_gc: one program, attached to four functions of each Go binary. The program is loaded once
 * and every binary is a set of links with cookies; on kernels without cookies (before 5.15) there is a program a
 * function. A program with the expected attach type uprobe_multi is refused by perf events and the other way round
 * (kernel: bpf_prog_attach_check_attach_type), hence the choice before loading. */
#include "probes/go_gc.h"

#include <bpf/libbpf.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "go_gc.skel.h"
#include "probes/link_set.h"
#include "probes/signal.h"

#define GO_MINOR_REGISTERS 22 /* startTheWorldWithSema carries the whole pause: no probe on the stop */

/* The program for a site: one for all, or one each. */
static struct bpf_program *program_of(const struct go_gc_bpf *skel, enum go_site site)
{
	struct bpf_program *const each[GO_SITE_CNT] = {
		[GO_SITE_START_CYCLE] = skel->progs.go_gc_start_cycle,
		[GO_SITE_END_CYCLE] = skel->progs.go_gc_end_cycle,
		[GO_SITE_STOP_WORLD] = skel->progs.go_gc_stop_world,
		[GO_SITE_START_WORLD] = skel->progs.go_gc_start_world,
		[GO_SITE_FINISH] = skel->progs.go_gc_finish,
	};

	return bpf_program__autoload(skel->progs.go_gc) ? skel->progs.go_gc : each[site];
}

static void choose_programs(struct go_gc_bpf *skel, const struct signal_env *env)
{
	bool cookies = env->features->attach_cookie;

	bpf_program__set_autoload(skel->progs.go_gc, cookies);
	bpf_program__set_autoload(skel->progs.go_gc_start_cycle, !cookies);
	bpf_program__set_autoload(skel->progs.go_gc_end_cycle, !cookies);
	bpf_program__set_autoload(skel->progs.go_gc_stop_world, !cookies);
	bpf_program__set_autoload(skel->progs.go_gc_start_world, !cookies);
	bpf_program__set_autoload(skel->progs.go_gc_finish, !cookies);
	if (signal_uses_multi(env))
		bpf_program__set_expected_attach_type(skel->progs.go_gc, ATTACH_TYPE_UPROBE_MULTI);
}

static int check_features(const struct signal_env *env, char *why)
{
	const struct kernel_features *f = env->features;

	if (!signal_uses_multi(env) && !f->uprobe_perf)
		return err_why(why, -ENOTSUP,
			       "this kernel has no uprobes (CONFIG_UPROBE_EVENTS); GC comes from passive reads");
	return 0;
}

static int go_gc_open(struct signal *s, const struct signal_env *env, char *why)
{
	struct go_gc_bpf *skel;
	int err = check_features(env, why);

	snprintf(s->state.mechanism, sizeof(s->state.mechanism), "%s at %s",
		 signal_uses_multi(env) ? "uprobe_multi" : "perf uprobes",
		 strcmp(env->features->machine, "aarch64") ? "push (emulated)" : "str (one hit a call)");
	str_copy(s->state.note, sizeof(s->state.note), "6 hits a GC cycle");
	if (err)
		return err;
	skel = go_gc_bpf__open();
	if (!skel)
		return err_why(why, -errno, "cannot open the BPF object: %s", strerror(errno));
	s->skel = skel;
	s->skeleton = skel->skeleton;
	skel->rodata->agent_pidns_inum = env->pidns_inum;
	choose_programs(skel, env);
	return 0;
}

/* Links come with the first binary. */
static int go_gc_attach(struct signal *s, const struct signal_env *env, char *why)
{
	return 0;
}

static void go_gc_close(struct signal *s)
{
	go_gc_bpf__destroy(s->skel);
}

const struct signal_ops go_gc_ops = {
	.id = SIGNAL_GO_GC,
	.name = "go_gc",
	.open = go_gc_open,
	.attach = go_gc_attach,
	.close = go_gc_close,
};

bool go_gc_is_multi(const struct signal *s)
{
	const struct go_gc_bpf *skel = s->skel;

	return bpf_program__expected_attach_type(skel->progs.go_gc) == ATTACH_TYPE_UPROBE_MULTI;
}

/* Without it the signal cannot work. */
static bool needs_site(const struct binary *b, enum go_site site)
{
	if (site == GO_SITE_FINISH)
		return false;
	return site != GO_SITE_STOP_WORLD || b->go_minor < GO_MINOR_REGISTERS;
}

static bool wants_site(const struct binary *b, enum go_site site)
{
	if (site == GO_SITE_FINISH)
		return b->go_minor >= GO_MINOR_REGISTERS && b->sites[site].how != SITE_NONE;
	return needs_site(b, site);
}

int go_gc_check_binary(const struct binary *b, char *why)
{
	if (b->go_minor < 18)
		return err_why(why, -ENOTSUP, "%s is older than Go 1.18", b->go_version);
	for (int i = 0; i < GO_SITE_GC_CNT; i++)
		if (needs_site(b, i) && b->sites[i].how == SITE_NONE)
			return err_why(why, -ENOTSUP, "no safe probe site in %s (%.100s); GC comes from passive reads",
				       go_site_symbol(i), b->sites[i].why[0] ? b->sites[i].why : "not found");
	return 0;
}

/* Where the fields of the pieces must lie, from the first of each (include/process_table.h). heap0: checked apart. */
static const struct {
	enum go_field first, field;
	size_t at;
} cycle_shape[] = {
#define WORK(f, member)                                                                                                \
	{                                                                                                              \
		FIELD_WORK_STWPROCS, f, offsetof(struct cycle_work, member) - offsetof(struct cycle_work, stwprocs)    \
	}
	WORK(FIELD_WORK_STWPROCS, stwprocs),
	WORK(FIELD_WORK_MAXPROCS, maxprocs),
	WORK(FIELD_WORK_TSWEEP_TERM, sweep_term),
	WORK(FIELD_WORK_TMARK, mark),
	WORK(FIELD_WORK_TMARK_TERM, mark_term),
	WORK(FIELD_WORK_TEND, end),
#undef WORK
#define CONTROLLER(f, member)                                                                                          \
	{                                                                                                              \
		FIELD_GC_LAST_HEAP_GOAL, f, offsetof(struct cycle_controller, member)                                  \
	}
	CONTROLLER(FIELD_GC_LAST_HEAP_GOAL, goal),
	CONTROLLER(FIELD_GC_LAST_STACK_SCAN, stacks),
	CONTROLLER(FIELD_GC_GLOBALS_SCAN, globals),
	CONTROLLER(FIELD_GC_HEAP_MARKED, heap_marked),
	CONTROLLER(FIELD_GC_ASSIST_TIME, assist),
	CONTROLLER(FIELD_GC_DEDICATED_TIME, dedicated),
	CONTROLLER(FIELD_GC_FRACTIONAL_TIME, fractional),
	CONTROLLER(FIELD_GC_IDLE_TIME, idle),
#undef CONTROLLER
	{FIELD_MEMSTATS_NUMGC, FIELD_MEMSTATS_GC_CPU_FRACTION, offsetof(struct cycle_stats, gc_cpu_fraction)},
	{FIELD_WORK_USER_FORCED, FIELD_WORK_USER_FORCED, 0},
	{FIELD_WORK_HEAP0, FIELD_WORK_HEAP1, 8},
	{FIELD_WORK_HEAP0, FIELD_WORK_HEAP2, 16},
};

/* Index of heap0 in cycle_work.rest, 0 where it is none that the program knows. */
static uint32_t heaps_at(const struct binary *b)
{
	int distance = b->fields[FIELD_WORK_HEAP0] - b->fields[FIELD_WORK_TEND] - 8;

	return distance == 8 ? 1 : distance == 16 ? 2 : 0;
}

bool go_gc_copies_cycles(const struct binary *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(cycle_shape); i++) {
		int first = b->fields[cycle_shape[i].first], field = b->fields[cycle_shape[i].field];

		if (first < 0 || field != first + (int)cycle_shape[i].at)
			return false;
	}
	return heaps_at(b) && b->globals[GLOBAL_WORK] && b->globals[GLOBAL_GCCONTROLLER] && b->globals[GLOBAL_MEMSTATS];
}

static void fill_cycle(const struct binary *b, volatile struct cycle_places *ret)
{
	const bool known = go_gc_copies_cycles(b);
	const uint64_t work = b->globals[GLOBAL_WORK];
	const int16_t *f = b->fields;

	ret->controller = known ? b->globals[GLOBAL_GCCONTROLLER] + (uint64_t)f[FIELD_GC_LAST_HEAP_GOAL] : 0;
	ret->stats = known ? b->globals[GLOBAL_MEMSTATS] + (uint64_t)f[FIELD_MEMSTATS_NUMGC] : 0;
	ret->forced = known ? work + (uint64_t)f[FIELD_WORK_USER_FORCED] : 0;
	ret->leak_done = known && f[FIELD_WORK_LEAK_DONE] >= 0 ? work + (uint64_t)f[FIELD_WORK_LEAK_DONE] : 0;
	ret->heaps_at = known ? heaps_at(b) : 0;
	ret->work = known ? work + (uint64_t)f[FIELD_WORK_STWPROCS] - offsetof(struct cycle_work, stwprocs) : 0;
}

void go_gc_fill_entry(const struct binary *b, volatile struct binary_entry *ret)
{
	bool text = b->go_minor < 21 && b->fields[FIELD_G_M] > 0 && b->fields[FIELD_M_PREEMPTOFF] > 0;

	ret->go_minor = (uint32_t)b->go_minor;
	ret->m_in_g = text ? (uint32_t)b->fields[FIELD_G_M] : 0;
	ret->preemptoff_in_m = text ? (uint32_t)b->fields[FIELD_M_PREEMPTOFF] : 0;
	ret->jbe_sites = 0;
	for (int i = 0; i < GO_SITE_CNT; i++)
		ret->jbe_sites |= b->sites[i].how == SITE_JBE ? 1u << i : 0;
	ret->exact_end = wants_site(b, GO_SITE_FINISH);
	fill_cycle(b, &ret->cycle);
	ret->goid_in_g = b->fields[FIELD_G_GOID] > 0 ? (uint32_t)b->fields[FIELD_G_GOID] : 0;
	ret->gcphase = b->globals[GLOBAL_GCPHASE];
	ret->hits = ret->assist_hits = 0;
}

uint64_t go_gc_cookie(const struct binary *b, uint32_t index, enum go_site site)
{
	return COOKIE(index, site) | (b->sites[site].how == SITE_JBE ? COOKIE_JBE : 0);
}

int go_gc_attach_binary(struct signal *s, const struct binary *b, uint32_t index, const char *path,
			struct link_set **ret, char *why)
{
	const struct go_gc_bpf *skel = s->skel;
	bool cookies = bpf_program__autoload(skel->progs.go_gc);
	struct link_site sites[GO_SITE_CNT];
	size_t cnt = 0;

	for (int i = 0; i < GO_SITE_GC_CNT; i++) {
		if (!wants_site(b, i))
			continue;
		sites[cnt].prog = program_of(skel, i);
		sites[cnt].file_offset = b->sites[i].file_offset;
		sites[cnt].cookie = cookies ? go_gc_cookie(b, index, i) : 0;
		cnt++;
	}
	return link_set_new(path, sites, cnt, go_gc_is_multi(s), ret, why);
}
