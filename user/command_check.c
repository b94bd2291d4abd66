/* SPDX-License-Identifier: BSD-2-Clause */
/* check: what this kernel, these privileges and this node allow, what one hit costs, and what is missing for the rest. Loads
 * every object for real: nothing is judged by the kernel's version. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "commands.h"
#include "pods/cgroup.h"
#include "probes/probes.h"

struct check {
	const struct options *opts;
	struct kernel_features features; /* of the try without session */
	struct cgroup_mounts cgroups;
	struct probes *probes; /* NULL: nothing could be loaded */
	char why[WHY_SZ];
	int off;
};

static const char *const cap_names[] = { "CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_SYSLOG" };

static void cap_values(const struct kernel_features *f, bool have[5])
{
	have[0] = f->cap_bpf || f->cap_sys_admin;
	have[1] = f->cap_perfmon || f->cap_sys_admin;
	have[2] = f->cap_sys_ptrace;
	have[3] = f->cap_dac_read_search;
	have[4] = f->cap_syslog || f->cap_sys_admin;
}

static void add_caps(const struct kernel_features *f, struct str *out)
{
	bool have[5];
	int missing = 0;

	cap_values(f, have);
	for (int i = 0; i < 5; i++)
		if (!have[i])
			str_addf(out, "%s%s", missing++ ? " " : "missing ", cap_names[i]);
	if (!missing)
		str_addf(out, "%s; what it needs: CAP_BPF CAP_PERFMON CAP_SYS_PTRACE CAP_DAC_READ_SEARCH CAP_SYSLOG",
			 geteuid() ? "all that is needed" : "root");
}

static const char *state_text(const struct signal_state *st)
{
	return st->mode == SIGNAL_ON ? "on" : st->mode == SIGNAL_DEGRADED ? "DEGRADED" : "OFF";
}

static void add_cost(double ns, struct str *out)
{
	if (ns > 0)
		str_addf(out, "%.2f us           ", ns / 1000);
	else
		str_add(out, "-                 ");
}

static void add_signal(const struct signal_state *st, struct str *out)
{
	str_addf(out, "%-13s %-9s %-40.40s ", st->name, state_text(st), st->mechanism);
	add_cost(st->hit_cost_ns, out);
	str_addf(out, "%s\n", st->mode == SIGNAL_ON ? st->note : st->why);
}

static void text(struct check *c, struct str *out)
{
	const struct kernel_features *f = &c->features;
	struct signal_state runtime = { .name = "go_runtime", .mode = f->cap_sys_ptrace ? SIGNAL_ON : SIGNAL_OFF,
					.mechanism = "reads /proc/PID/mem", .note = "no probe, nothing runs slower",
					.why = "CAP_SYS_PTRACE is missing" };

	str_addf(out, "%-5s kernel %s %s, %s, cgroup %s, %ld CPUs, lockdown: %s\n", f->btf ? "OK" : "FAIL", f->release,
		 f->machine, f->btf ? "BTF" : "no BTF (/sys/kernel/btf/vmlinux)", cgroup_mode_text(c->cgroups.mode),
		 sysconf(_SC_NPROCESSORS_ONLN), f->lockdown);
	str_addf(out, "%-5s privileges: ", c->probes ? "OK" : "FAIL");
	add_caps(f, out);
	str_add(out, "\n");
	if (!c->probes)
		str_addf(out, "FAIL  %s\n", c->why);
	str_add(out, "SIGNAL        STATE     MECHANISM                                COST OF ONE HIT   NOTE\n");
	for (int id = 0; c->probes && id < SIGNAL_CNT; id++)
		if (id != SIGNAL_GO_RUNTIME)
			add_signal(probes_signal(c->probes, (enum signal_id)id), out);
	add_signal(&runtime, out);
	str_addf(out, "RESULT  %s; %d of %d signals off\n", c->probes ? "can run" : "cannot run", c->off, SIGNAL_CNT);
}

static json_t *signal_json(const struct signal_state *st)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", st->name, "state",
			 st->mode == SIGNAL_ON ? "on" : st->mode == SIGNAL_DEGRADED ? "degraded" : "off", "mechanism",
			 st->mechanism, "reason", st->mode == SIGNAL_ON ? json_null() : json_string(st->why),
			 "hit_cost_seconds", st->hit_cost_ns > 0 ? json_real(st->hit_cost_ns / 1e9) : json_null());
}

static int print_json(const struct check *c)
{
	const struct kernel_features *f = &c->features;
	json_t *signals = json_array(), *caps = json_object(), *root;
	bool have[5];
	char *line;

	cap_values(f, have);
	for (int i = 0; i < 5; i++)
		json_object_set_new(caps, cap_names[i], json_boolean(have[i]));
	for (int id = 0; c->probes && id < SIGNAL_CNT; id++)
		if (id != SIGNAL_GO_RUNTIME)
			json_array_append_new(signals, signal_json(probes_signal(c->probes, (enum signal_id)id)));
	root = json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:b, s:b, s:b, s:o, s:o, s:b, s:o}", "schema",
			 "gopherscope.check/1", "kernel", f->release, "machine", f->machine, "btf", f->btf, "cgroup",
			 cgroup_mode_text(c->cgroups.mode), "lockdown", f->lockdown, "uprobe_multi", f->uprobe_multi,
			 "attach_cookie", f->attach_cookie, "csd_tracepoint", f->raw_tp_csd, "capabilities", caps, "signals",
			 signals, "can_run", c->probes != NULL, "reason",
			 c->probes ? json_null() : json_string(c->why));
	line = root ? json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6)) : NULL;
	json_decref(root);
	return output_line_consume(line);
}

int command_check(const struct options *opts)
{
	struct probes_cfg cfg = { .wanted = opts->signals };
	struct check c = { .opts = opts };
	struct str out;
	int err;

	kernel_features_read(&c.features);
	cgroup_mounts_read(opts->root, &c.cgroups);
	if (probes_new(&cfg, &c.probes, c.why))
		c.probes = NULL;
	else
		c.features = *probes_features(c.probes);
	for (int id = 0; id < SIGNAL_CNT; id++)
		c.off += id == SIGNAL_GO_RUNTIME ? !c.features.cap_sys_ptrace :
						   !c.probes || probes_signal(c.probes, (enum signal_id)id)->mode == SIGNAL_OFF;
	if (opts->json) {
		err = print_json(&c);
	} else {
		str_init(&out);
		text(&c, &out);
		err = output_text(str_get(&out));
		str_deinit(&out);
	}
	err = err ? output_failed(err) : c.probes ? EXIT_GOOD : EXIT_PRIVILEGE;
	probes_free(c.probes);
	return err;
}
