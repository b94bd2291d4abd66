/* SPDX-License-Identifier: BSD-2-Clause */
/* go_assist: loaded as go_gc is, attached with the links of go_gc's binaries. Bursts of some hundred hits a second
 * where a program allocates faster than it marks, so it is on only where it is asked for.
 *
 * Waits come as events, work as a number: once a second its growth leaves as a record for each process that had some.
 * A number in the kernel stays a minute after its process's last assist, so that none is lost at the end of a process.
 */
#include "probes/go_assist.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "base/str.h"
#include "go_assist_state.h"
#include "go_assist.skel.h"
#include "probes/go_gc.h"
#include "probes/link_set.h"
#include "probes/map_sweep.h"
#include "probes/signal.h"

#define TELL_EVERY_NS NS_PER_SEC
#define FORGET_NS     (60 * NS_PER_SEC)
#define SWEEP_BATCH   2048

struct assist_priv {
	const struct probes_cfg *cfg; /* borrowed */
	struct hashmap *told;         /* tgid -> uint64_t, what has left of its number; owned with its values */
	uint64_t told_ns;
	struct map_sweep sweep;
	bool multi;
};

static int new_priv(const struct signal_env *env, struct assist_priv **ret)
{
	struct assist_priv *p = calloc(1, sizeof(*p));
	int err = p ? hashmap_new(ASSIST_COUNTS_MAX, &p->told) : -ENOMEM;

	if (err) {
		free(p);
		return err;
	}
	p->cfg = env->cfg;
	p->multi = signal_uses_multi(env);
	*ret = p;
	return 0;
}

static void free_priv(struct assist_priv *p)
{
	uint64_t key;
	size_t pos = 0;
	void *value;

	if (!p)
		return;
	while (hashmap_next(p->told, &pos, &key, &value))
		free(value);
	hashmap_free(p->told);
	free(p);
}

static void choose_programs(struct go_assist_bpf *skel, bool cookies, bool multi)
{
	bpf_program__set_autoload(skel->progs.go_assist, cookies);
	bpf_program__set_autoload(skel->progs.go_assist_work, !cookies);
	bpf_program__set_autoload(skel->progs.go_assist_park, !cookies);
	bpf_program__set_autoload(skel->progs.go_assist_park_end, !cookies);
	if (multi)
		bpf_program__set_expected_attach_type(skel->progs.go_assist, ATTACH_TYPE_UPROBE_MULTI);
}

static int go_assist_open(struct signal *s, const struct signal_env *env, char *why)
{
	struct assist_priv *priv = NULL;
	struct go_assist_bpf *skel;
	int err;

	if (!(env->cfg->wanted & (1u << SIGNAL_GO_GC)))
		return err_why(why, -ENOTSUP, "needs go_gc, whose probes it goes with");
	if (!signal_uses_multi(env) && !env->features->uprobe_perf)
		return err_why(why, -ENOTSUP, "this kernel has no uprobes (CONFIG_UPROBE_EVENTS)");
	snprintf(s->state.mechanism, sizeof(s->state.mechanism), "%s at push and branch (emulated)",
		 signal_uses_multi(env) ? "uprobe_multi" : "perf uprobes");
	str_copy(s->state.note, sizeof(s->state.note), "1 hit an assist, 2 a wait");
	err = new_priv(env, &priv);
	if (err)
		return err_why(why, err, "out of memory");
	skel = go_assist_bpf__open();
	if (!skel) {
		err = -errno;
		free_priv(priv);
		return err_why(why, err, "cannot open the BPF object: %s", strerror(-err));
	}
	s->priv = priv;
	s->skel = skel;
	s->skeleton = skel->skeleton;
	skel->rodata->agent_pidns_inum = env->pidns_inum;
	choose_programs(skel, env->features->attach_cookie, priv->multi);
	return 0;
}

/* Links come with the first binary. */
static int go_assist_attach(struct signal *s, const struct signal_env *env, char *why)
{
	return 0;
}

static void go_assist_close(struct signal *s)
{
	go_assist_bpf__destroy(s->skel);
	free_priv(s->priv);
}

/* ---- numbers --------------------------------------------------------------------------------------------- */

/* *ret: where what has been told of this process is kept; NULL: no room. */
static uint64_t *told_of(struct assist_priv *p, uint32_t tgid)
{
	uint64_t *told = hashmap_find(p->told, tgid);

	if (told)
		return told;
	told = calloc(1, sizeof(*told));
	if (told && hashmap_add(p->told, tgid, told)) {
		free(told);
		return NULL;
	}
	return told;
}

static void tell(const struct assist_priv *p, uint32_t tgid, const struct assist_count *c, uint64_t cnt)
{
	union event e = {.gc_assists = {.hdr = {.kind = EVENT_GC_ASSISTS,
						.size = sizeof(e.gc_assists),
						.time_ns = c->last_ns,
						.cpu_cgid = c->cpu_cgid,
						.v2_cgid = c->v2_cgid,
						.tgid = tgid},
					.cnt = cnt}};

	if (p->cfg->event)
		p->cfg->event(&e, p->cfg->event_arg);
}

struct visit {
	struct assist_priv *priv;
	uint64_t now_ns;
};

static void visit_count(int fd, const void *key, void *arg)
{
	const struct visit *v = arg;
	const uint32_t tgid = *(const uint32_t *)key;
	struct assist_count c;
	uint64_t *told, grown;

	if (bpf_map_lookup_elem(fd, key, &c))
		return;
	told = told_of(v->priv, tgid);
	if (!told)
		return;
	grown = c.cnt - *told;
	*told = c.cnt;
	if (grown) {
		tell(v->priv, tgid, &c, grown);
	} else if (v->now_ns > c.last_ns + FORGET_NS) {
		bpf_map_delete_elem(fd, key);
		free(hashmap_remove(v->priv->told, tgid));
	}
}

static void go_assist_tick(struct signal *s, uint64_t now_ns)
{
	const struct go_assist_bpf *skel = s->skel;
	struct assist_priv *p = s->priv;

	if (now_ns < p->told_ns + TELL_EVERY_NS)
		return;
	p->told_ns = now_ns;
	map_sweep_run(&p->sweep, bpf_map__fd(skel->maps.assist_counts), sizeof(uint32_t), SWEEP_BATCH, visit_count,
		      &(struct visit){p, now_ns});
}

const struct signal_ops go_assist_ops = {
	.id = SIGNAL_GO_ASSIST,
	.name = "go_assist",
	.open = go_assist_open,
	.attach = go_assist_attach,
	.tick = go_assist_tick,
	.close = go_assist_close,
};

/* ---- binaries -------------------------------------------------------------------------------------------- */

static bool has_site(const struct binary *b, enum go_site site)
{
	return b->sites[site].how != SITE_NONE;
}

enum assist_view go_assist_view(const struct binary *b)
{
	if (!has_site(b, GO_SITE_ASSIST))
		return ASSIST_NOT_SEEN;
	return has_site(b, GO_SITE_PARK) && has_site(b, GO_SITE_PARK_END) ? ASSIST_WHOLE : ASSIST_COUNTED;
}

static struct bpf_program *program_of(const struct go_assist_bpf *skel, enum go_site site)
{
	if (bpf_program__autoload(skel->progs.go_assist))
		return skel->progs.go_assist;
	return site == GO_SITE_ASSIST ? skel->progs.go_assist_work
	       : site == GO_SITE_PARK ? skel->progs.go_assist_park
				      : skel->progs.go_assist_park_end;
}

int go_assist_attach_binary(struct signal *s, const struct binary *b, uint32_t index, const char *path,
			    struct link_set *links, enum assist_view *ret, char *why)
{
	const enum go_site last = go_assist_view(b) == ASSIST_WHOLE ? GO_SITE_PARK_END : GO_SITE_ASSIST;
	const struct go_assist_bpf *skel = s->skel;
	const struct assist_priv *p = s->priv;
	bool cookies = bpf_program__autoload(skel->progs.go_assist);
	struct link_site sites[GO_SITE_CNT];
	size_t cnt = 0;
	int err;

	if (go_assist_view(b) == ASSIST_NOT_SEEN)
		return err_why(why, -ENOTSUP, "no safe probe site in %s (%.100s)", go_site_symbol(GO_SITE_ASSIST),
			       b->sites[GO_SITE_ASSIST].why);
	for (int i = GO_SITE_ASSIST; i <= (int)last; i++)
		sites[cnt++] = (struct link_site){.prog = program_of(skel, i),
						  .file_offset = b->sites[i].file_offset,
						  .cookie = cookies ? go_gc_cookie(b, index, i) : 0};
	err = link_set_add_extra(links, path, sites, cnt, p->multi, why);
	if (!err)
		*ret = go_assist_view(b);
	return err;
}
