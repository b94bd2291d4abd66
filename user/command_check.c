/* SPDX-License-Identifier: BSD-2-Clause */
/* check: what this kernel, these privileges and this node allow, what one hit costs, and what is missing for the rest.
 * Loads every object for real: nothing is judged by the kernel's version. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "commands.h"
#include "pods/cgroup.h"
#include "probes/probes.h"

struct check {
	struct kernel_features features;
	struct cgroup_mounts cgroups;
	struct signal_state signals[SIGNAL_CNT];
	bool can_run;
	char why[WHY_SZ]; /* it cannot */
};

#define CAPS 6

/* What it needs, and what is not seen without it. */
static const struct {
	const char *name, *lost;
} caps[CAPS] = {
	{"CAP_BPF", "nothing can be loaded"},
	{"CAP_PERFMON", "nothing can be loaded"},
	{"CAP_SYS_PTRACE", "processes with more privileges than ours are not seen"},
	{"CAP_DAC_READ_SEARCH", "files that only their owners may read stay closed"},
	{"CAP_SYSLOG", "no cpu_throttle"},
	{"CAP_NET_ADMIN", "no net_dns"},
};

static void cap_values(const struct kernel_features *f, bool have[CAPS])
{
	have[0] = f->cap_bpf || f->cap_sys_admin;
	have[1] = f->cap_perfmon || f->cap_sys_admin;
	have[2] = f->cap_sys_ptrace;
	have[3] = f->cap_dac_read_search;
	have[4] = f->cap_syslog || f->cap_sys_admin;
	have[5] = f->cap_net_admin || f->cap_sys_admin;
}

/* Off because nobody asked for it: no fault. */
static bool is_unasked(const struct signal_state *st)
{
	return st->mode == SIGNAL_OFF && !strncmp(st->why, SIGNAL_UNASKED, strlen(SIGNAL_UNASKED));
}

/* Of *asked. */
static int off_cnt(const struct check *c, int *asked)
{
	int cnt = 0;

	*asked = 0;
	for (int id = 0; id < SIGNAL_CNT; id++) {
		cnt += c->signals[id].mode == SIGNAL_OFF && !is_unasked(&c->signals[id]);
		*asked += !is_unasked(&c->signals[id]);
	}
	return cnt;
}

/* ---- text ---------------------------------------------------------------------------------------------- */

static void add_privileges(const struct check *c, struct str *out)
{
	bool have[CAPS];
	int missing = 0, shown = 0;

	cap_values(&c->features, have);
	for (int i = 0; i < CAPS; i++)
		missing += !have[i];
	str_addf(out, "%-5s privileges: ", !c->can_run ? "FAIL" : missing ? "WARN" : "OK");
	if (!missing)
		str_addf(out, "%s; what it needs:", geteuid() ? "all that is needed" : "root");
	for (int i = 0; i < CAPS; i++)
		if (!missing)
			str_addf(out, " %s", caps[i].name);
		else if (!have[i])
			str_addf(out, "%s%s is missing (%s)", shown++ ? ", " : "", caps[i].name, caps[i].lost);
	str_add(out, "\n");
}

/* Works as it should. */
static bool works(const struct signal_state *st)
{
	return st->mode == SIGNAL_ON || st->mode == SIGNAL_WINDOW;
}

static const char *state_text(const struct signal_state *st)
{
	return st->mode == SIGNAL_ON         ? "on"
	       : st->mode == SIGNAL_WINDOW   ? "window"
	       : st->mode == SIGNAL_DEGRADED ? "degraded"
					     : "off";
}

static void add_signal(const struct signal_state *st, int mechanism_width, struct str *out)
{
	const char *note = works(st) ? st->note : st->why;
	bool fault = st->mode == SIGNAL_OFF && !is_unasked(st);
	const char *state = fault ? "OFF" : st->mode == SIGNAL_DEGRADED ? "DEGRADED" : state_text(st);
	char cost[32] = "-";

	if (st->hit_cost_ns > 0)
		snprintf(cost, sizeof(cost), "%.2f us", st->hit_cost_ns / 1000);
	str_addf(out, "%-13s %-8s  %-*s  ", st->name, state, mechanism_width, *st->mechanism ? st->mechanism : "-");
	if (*note)
		str_addf(out, "%-15s  %s\n", cost, note);
	else
		str_addf(out, "%s\n", cost);
}

static void add_signals(const struct check *c, struct str *out)
{
	int width = 9; /* "MECHANISM" */

	for (int id = 0; id < SIGNAL_CNT; id++)
		if ((int)strlen(c->signals[id].mechanism) > width)
			width = (int)strlen(c->signals[id].mechanism);
	str_addf(out, "%-13s %-8s  %-*s  %-15s  %s\n", "SIGNAL", "STATE", width, "MECHANISM", "COST OF ONE HIT",
		 "NOTE");
	for (int id = 0; id < SIGNAL_CNT; id++)
		add_signal(&c->signals[id], width, out);
}

static int print_text(const struct check *c)
{
	const struct kernel_features *f = &c->features;
	struct str out;
	int err, off, asked;

	str_init(&out);
	str_addf(&out, "%-5s kernel %s %s, %s, cgroup %s, %ld CPUs, lockdown: %s\n", f->btf ? "OK" : "FAIL", f->release,
		 f->machine, f->btf ? "BTF" : "no BTF (/sys/kernel/btf/vmlinux)", cgroup_mode_text(c->cgroups.mode),
		 sysconf(_SC_NPROCESSORS_ONLN), f->lockdown);
	add_privileges(c, &out);
	if (!c->can_run)
		str_addf(&out, "FAIL  %s\n", c->why);
	add_signals(c, &out);
	off = off_cnt(c, &asked);
	str_addf(&out, "RESULT  %s; %d of %d signals off\n", c->can_run ? "can run" : "cannot run", off, asked);
	err = out.failed ? -ENOMEM : output_text(str_get(&out));
	str_deinit(&out);
	return err;
}

/* ---- JSON ---------------------------------------------------------------------------------------------- */

static json_t *signal_json(const struct signal_state *st)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "name", st->name, "state", state_text(st), "mechanism",
			 *st->mechanism ? json_string(st->mechanism) : json_null(), "reason",
			 works(st) ? json_null() : json_string(st->why), "hit_cost_seconds",
			 st->hit_cost_ns > 0 ? json_real(st->hit_cost_ns / 1e9) : json_null());
}

static int print_json(const struct check *c)
{
	const struct kernel_features *f = &c->features;
	json_t *signals = json_array(), *have_caps = json_object(), *root;
	bool have[CAPS];
	char *line;

	cap_values(f, have);
	for (int i = 0; i < CAPS; i++)
		json_object_set_new(have_caps, caps[i].name, json_boolean(have[i]));
	for (int id = 0; id < SIGNAL_CNT; id++)
		json_array_append_new(signals, signal_json(&c->signals[id]));
	root = json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:b, s:b, s:b, s:o, s:o, s:b, s:o}", "schema",
			 "gopherscope.check/1", "kernel", f->release, "machine", f->machine, "btf", f->btf, "cgroup",
			 cgroup_mode_text(c->cgroups.mode), "lockdown", f->lockdown, "uprobe_multi", f->uprobe_multi,
			 "attach_cookie", f->attach_cookie, "csd_tracepoint", f->raw_tp_csd, "capabilities", have_caps,
			 "signals", signals, "can_run", c->can_run, "reason",
			 c->can_run ? json_null() : json_string(c->why));
	line = root ? json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6)) : NULL;
	json_decref(root);
	return output_line_consume(line);
}

/* ---- the try ------------------------------------------------------------------------------------------- */

/* go_sched is loaded and calibrated with its first window, or here: only where it was asked for. */
static void try_windows(struct check *c, struct probes *probes)
{
	struct signal_state *st = &c->signals[SIGNAL_GO_SCHED];
	char why[WHY_SZ] = "";

	if (!probes || st->mode == SIGNAL_OFF)
		return;
	probes_sched_costs(probes, why); /* a failure turns the signal off, with its reason */
	*st = *probes_signal(probes, SIGNAL_GO_SCHED);
}

/* probes: NULL where nothing could be loaded. */
static void fill_signals(struct check *c, struct probes *probes)
{
	static const char *const names[SIGNAL_CNT] = {
		[SIGNAL_GO_GC] = "go_gc",
		[SIGNAL_GO_RUNTIME] = "go_runtime",
		[SIGNAL_CPU_THROTTLE] = "cpu_throttle",
		[SIGNAL_PROC_WATCH] = "proc_watch",
		[SIGNAL_CPU_SCHED] = "cpu_sched",
		[SIGNAL_NET_TCP] = "net_tcp",
		[SIGNAL_NET_DNS] = "net_dns",
		[SIGNAL_MEM_OOM] = "mem_oom",
		[SIGNAL_GO_ASSIST] = "go_assist",
		[SIGNAL_GO_SCHED] = "go_sched",
	};

	for (int id = 0; id < SIGNAL_CNT; id++) {
		struct signal_state *st = &c->signals[id];

		if (probes) {
			*st = *probes_signal(probes, (enum signal_id)id);
			continue;
		}
		*st = (struct signal_state){.id = (enum signal_id)id, .name = names[id], .mode = SIGNAL_OFF};
		str_copy(st->why, sizeof(st->why), "needs BPF programs");
	}
	try_windows(c, probes);
	c->signals[SIGNAL_GO_RUNTIME] = (struct signal_state){
		.id = SIGNAL_GO_RUNTIME,
		.name = names[SIGNAL_GO_RUNTIME],
		.mode = c->features.cap_sys_ptrace ? SIGNAL_ON : SIGNAL_DEGRADED,
		.mechanism = "reads of /proc/PID/mem",
		.note = "no probe, nothing runs slower",
		.why = "CAP_SYS_PTRACE is missing: only processes with no more privileges than ours",
	};
}

int command_check(const struct options *opts)
{
	struct probes_cfg cfg = {.wanted = opts->signals};
	struct probes *probes = NULL;
	struct check c = {0};
	int err;

	cgroup_mounts_read(opts->root, &c.cgroups);
	str_copy(cfg.v2_mount, sizeof(cfg.v2_mount), c.cgroups.v2);
	c.can_run = !probes_new(&cfg, &probes, c.why);
	if (c.can_run)
		c.features = *probes_features(probes);
	else
		kernel_features_read(&c.features);
	fill_signals(&c, c.can_run ? probes : NULL);
	err = opts->json ? print_json(&c) : print_text(&c);
	if (c.can_run)
		probes_free(probes);
	return err ? output_failed(err) : c.can_run ? EXIT_GOOD : EXIT_PRIVILEGE;
}
