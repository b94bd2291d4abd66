/* SPDX-License-Identifier: BSD-2-Clause */
/* goroutines TARGET: who created them, where they are blocked, since when. Nothing is attached: the process is read
 * from outside, once, or twice with --diff. What two looks can say of a leak is a guess and marked so: more goroutines
 * stand at a place, and the oldest that stood there still does. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "commands.h"
#include "export/goroutines_json.h"
#include "export/pprof.h"
#include "procs/proc_info.h"
#include "runtime/process_lines.h"
#include "runtime/census.h"
#include "session.h"
#include "symbols/elf_image.h"
#include "view/format.h"
#include "view/goroutine_table.h"

#define TARGETS_MAX  256
#define FRAMES_MAX   32
#define SITE_SZ      600
#define BLOCKED_CNT  50 /* as in stats/census_stats.c */
#define BLOCKED_NS   ((int64_t)NS_PER_SEC)
#define LEAK_GROWTH  10 /* so many more at one place, and 1 % */
#define LEAK_PART    100
#define NOISE_SIGMAS 4
#define PROFILE_ENDS ".pb.gz"
#define HEADER_MIN   120 /* on a narrower screen the header takes two lines */
#define SECONDS(ns)  ((double)(ns) / NS_PER_SEC)
#define MINUTE_NS    (60.0 * NS_PER_SEC)

struct look {
	struct process *process;  /* borrowed */
	struct code_lines *lines; /* owned */
	struct census before, now;
	bool failed;        /* said why */
	uint64_t image;     /* proc_stat.start_stack at the first look: another one after exec */
	int64_t *growth;    /* owned, one a group of now; NULL without --diff */
	double *per_minute; /* owned, the same as a rate; NAN within the noise of samples */
	const char **marks; /* owned, one a group of now */
};

struct goroutines {
	const struct options *opts;
	struct session *session;
	struct look looks[TARGETS_MAX];
	int cnt;
};

/* --- looking --- */

static void fail(struct look *k, const char *why)
{
	log_error("cannot read the goroutines of pid %d: %s", (int)k->process->pid, why);
	k->failed = true;
}

static bool has_profile(const struct options *opts)
{
	return opts->output_cnt > 0;
}

/* The process is still the one that was looked at first: exec keeps pid and start time. */
static void check_image(struct goroutines *g, struct look *k)
{
	struct proc_stat st;

	if (k->failed)
		return;
	if (proc_info_stat(g->opts->root, k->process->pid, &st))
		fail(k, "the process is gone");
	else if (k->image && k->image != st.start_stack)
		fail(k, "it has started another program between the two looks");
	else
		k->image = st.start_stack;
}

static void take(struct goroutines *g, struct look *k, struct census *ret)
{
	const struct options *opts = g->opts;
	struct census_cfg cfg = {.stacks = opts->stacks || has_profile(opts),
				 .blocked = true,
				 .lines = k->lines,
				 .min_age_ns = (int64_t)opts->min_age_ns};
	char why[WHY_SZ] = "";
	int err = k->failed ? 0 : census_take(opts->root, k->process, &cfg, ret, why);

	if (err)
		fail(k, err == -ESRCH || err == -ENOENT ? "the process is gone" : why);
}

static void open_lines(struct goroutines *g, struct look *k)
{
	char why[WHY_SZ] = "";
	int err;

	if (!k->process->binary) {
		fail(k, k->process->why);
		return;
	}
	err = process_lines_open(g->opts->root, k->process, &k->lines, why);
	if (err)
		fail(k, err == -ESRCH || err == -ENOENT ? "the process is gone" : why);
}

static void on_time(void *arg)
{
	loop_stop(arg, 0);
}

/* The time between two looks; Ctrl-C cuts it short. */
static int wait_for(uint64_t ns)
{
	struct loop *loop;
	int err = output_open_loop(&loop);

	if (err)
		return err;
	err = loop_add_timer(loop, ns, 0, on_time, loop);
	if (err >= 0)
		err = loop_run(loop);
	loop_free(loop);
	return err < 0 ? err : 0;
}

/* --- marks --- */

static bool waits_for_lock(const struct look *k, const struct census_group *g)
{
	return census_is_lock(g->state, g->reason, k->process->binary->go_minor < 20);
}

/* Of all that wait for a lock at the same place. */
static bool is_blocked(const struct look *k, const struct census_group *g)
{
	int64_t oldest = -1, cnt = 0;

	if (!waits_for_lock(k, g))
		return false;
	for (size_t i = 0; i < k->now.group_cnt; i++) {
		const struct census_group *x = &k->now.groups[i];

		if (x->blocked_pc != g->blocked_pc || !waits_for_lock(k, x))
			continue;
		cnt += goroutines_scaled(&k->now, x->cnt);
		oldest = x->oldest_wait_ns > oldest ? x->oldest_wait_ns : oldest;
	}
	return cnt >= BLOCKED_CNT && oldest > BLOCKED_NS;
}

/* The oldest goroutine that stood there at the first look has not gone, as far as the smallest number tells: numbers
 * are given out to Ps in batches of 16, so that a new goroutine may have a smaller one. */
static bool kept_oldest(const struct look *k, const struct census_group *g)
{
	for (size_t i = 0; i < k->before.group_cnt; i++) {
		const struct census_group *x = &k->before.groups[i];

		if (x->oldest_goid >= g->oldest_goid && x->created_pc == g->created_pc &&
		    x->blocked_pc == g->blocked_pc)
			return true;
	}
	return false;
}

static bool may_leak(const struct look *k, size_t i)
{
	const struct census_group *g = &k->now.groups[i];
	int64_t cnt = goroutines_scaled(&k->now, g->cnt);

	return k->growth && g->state == GOROUTINE_WAITING && !g->system && k->growth[i] >= LEAK_GROWTH &&
	       k->per_minute[i] > 0 && k->growth[i] * LEAK_PART >= cnt && kept_oldest(k, g);
}

static const char *mark_of(const struct look *k, size_t i)
{
	const struct census_group *g = &k->now.groups[i];

	if (g->state == GOROUTINE_LEAKED)
		return "leaked";
	if (is_blocked(k, g))
		return "blocked";
	return may_leak(k, i) ? "leak?" : "";
}

static double between(const struct look *k)
{
	return SECONDS(k->now.time_ns - k->before.time_ns);
}

/* Variance of a count that was scaled up from a sample. */
static double variance(const struct census *c, int64_t cnt)
{
	return cnt > 0 ? (double)cnt * (c->scale - 1) : 0;
}

/* Two samples differ by chance alone: what is not clearly more than that is no growth that could be told. */
static double rate(const struct look *k, size_t i)
{
	int64_t cnt = goroutines_scaled(&k->now, k->now.groups[i].cnt), growth = k->growth[i];
	double noise = NOISE_SIGMAS * sqrt(variance(&k->now, cnt) + variance(&k->before, cnt - growth));

	return fabs((double)growth) >= noise ? (double)growth * 60 / between(k) : NAN;
}

static int compare_looks(struct look *k)
{
	int err = census_diff(&k->before, &k->now, &k->growth);

	if (err)
		return err;
	k->per_minute = calloc(k->now.group_cnt + 1, sizeof(*k->per_minute));
	if (!k->per_minute)
		return -ENOMEM;
	for (size_t i = 0; i < k->now.group_cnt; i++)
		k->per_minute[i] = rate(k, i);
	return 0;
}

static void conclude(struct look *k, bool diff)
{
	if (k->failed)
		return;
	k->marks = calloc(k->now.group_cnt + 1, sizeof(*k->marks));
	if (!k->marks || (diff && compare_looks(k))) {
		fail(k, "out of memory");
		return;
	}
	for (size_t i = 0; i < k->now.group_cnt; i++)
		k->marks[i] = mark_of(k, i);
}

/* --- text --- */

struct site {
	char function[SITE_SZ], at[SITE_SZ];
};

static void find_site(const struct look *k, uint64_t pc, bool blocked, struct site *ret)
{
	struct code_frame f;

	ret->function[0] = ret->at[0] = '\0';
	if (!process_lines_site(k->lines, pc, blocked, &f))
		return;
	str_copy(ret->function, sizeof(ret->function), f.function);
	if (f.line > 0)
		snprintf(ret->at, sizeof(ret->at), "%.500s:%d", f.file, f.line);
}

static void add_frame(const struct look *k, const struct plain_style *style, const char *before, uint64_t pc,
		      struct str *out)
{
	struct code_frame frames[FRAMES_MAX];
	int cnt = code_lines_find(k->lines, pc, true, frames, FRAMES_MAX);
	char function[SITE_SZ], file[SITE_SZ];

	for (int i = 0; i < cnt; i++) {
		if (frames[i].wrapper)
			continue;
		format_clean(frames[i].function, style->ascii, function, sizeof(function));
		format_clean(frames[i].line > 0 ? frames[i].file : "?", style->ascii, file, sizeof(file));
		str_addf(out, "        %s%s  %s:%d\n", before, function, file, frames[i].line);
		before = *before ? "           in " : "";
	}
}

static void add_stack(const struct look *k, const struct census_group *g, const struct plain_style *style,
		      struct str *out)
{
	for (int i = 0; i < g->stack_cnt; i++)
		add_frame(k, style, "", g->stack[i], out);
	if (!g->stack_cnt)
		str_addf(out, "        stack not known: %s\n",
			 g->state == GOROUTINE_RUNNING ? "it runs" : "its frames cannot be followed");
	if (process_lines_created(k->lines, g))
		add_frame(k, style, "created by ", g->created_pc, out);
	str_add(out, "\n");
}

static void row_of(const struct look *k, size_t i, struct site *created, struct site *blocked,
		   struct goroutine_row *ret)
{
	const struct census_group *g = &k->now.groups[i];

	find_site(k, process_lines_created(k->lines, g), false, created);
	find_site(k, g->blocked_pc, true, blocked);
	if (!process_lines_created(k->lines, g))
		str_copy(created->function, sizeof(created->function), "(start of the program)");
	*ret = (struct goroutine_row){
		.pid = k->process->pid,
		.count = goroutines_scaled(&k->now, g->cnt),
		.estimated = k->now.walked < k->now.total,
		.per_minute = k->per_minute ? k->per_minute[i] : NAN,
		.state = goroutine_state_name(g->state),
		.reason = g->reason,
		.oldest_seconds = g->oldest_wait_ns < 0 ? NAN : SECONDS(g->oldest_wait_ns),
		.created = created->function,
		.created_at = created->at,
		.blocked = blocked->function,
		.blocked_at = blocked->at,
		.mark = k->marks[i],
	};
}

static bool is_shown(const struct goroutines *gs, const struct look *k, size_t i)
{
	return gs->opts->all || !k->now.groups[i].system;
}

static void add_group(const struct goroutines *gs, const struct look *k, size_t i, const struct goroutine_table *t,
		      struct str *out)
{
	struct site created, blocked;
	struct goroutine_row row;

	row_of(k, i, &created, &blocked, &row);
	goroutine_table_row(t, &row, out);
	if (gs->opts->stacks)
		add_stack(k, &k->now.groups[i], &t->style, out);
}

/* A pipe or a file has no edge: names stay whole. */
static void fit(const struct goroutines *gs, const struct look *k, struct goroutine_table *t)
{
	struct site created, blocked;
	struct goroutine_row row;

	for (size_t i = 0; !t->style.height && i < k->now.group_cnt; i++)
		if (is_shown(gs, k, i)) {
			row_of(k, i, &created, &blocked, &row);
			goroutine_table_fit(t, &row);
		}
}

/* "412 goroutines and 6 of the runtime's own: running 2, waiting 410, syscall 6" */
static void add_header(const struct goroutines *gs, const struct look *k, const struct plain_style *style,
		       struct str *out)
{
	const struct census *c = &k->now;
	int64_t system = goroutines_scaled(c, c->system);
	char name[OWNER_NAME_SZ * 3] = "", clean[OWNER_NAME_SZ * 4];
	const char *comma = ": ";

	if (k->process->owner)
		owner_format(k->process->owner, name, sizeof(name));
	format_clean(name, style->ascii, clean, sizeof(clean));
	str_addf(out, "%s  pid %d  %s%s%s%lld goroutines and %lld of the runtime's own", clean, (int)k->process->pid,
		 k->process->binary->go_version, style->height && style->width < HEADER_MIN ? "\n" : "  ",
		 c->walked < c->total ? "~" : "", (long long)c->total - (long long)system, (long long)system);
	for (int s = 0; s < GOROUTINE_STATE_CNT; s++)
		if (c->states[s]) {
			str_addf(out, "%s%s %lld", comma, goroutine_state_name((enum goroutine_state)s),
				 (long long)goroutines_scaled(c, c->states[s]));
			comma = ", ";
		}
	str_add(out, "\n");
	if (c->walked < c->total)
		str_addf(out, "%llu of %llu looked at, by chance: counts are scaled\n", (unsigned long long)c->walked,
			 (unsigned long long)c->total);
	if (!c->stacks_known)
		str_add(out, "the frames of this program cannot be followed: where they are blocked is not known\n");
	if (k->growth)
		str_addf(out, "+/min over %.1f s\n", between(k));
	if (gs->opts->min_age_ns)
		str_addf(out, "below: only those that have waited for %.3g s or more\n", SECONDS(gs->opts->min_age_ns));
}

static int print_text(const struct goroutines *gs, const struct look *k)
{
	struct goroutine_table t = {.one_look = !k->growth};
	struct str out;
	int err;

	output_style(gs->opts, &t.style);
	str_init(&out);
	fit(gs, k, &t);
	add_header(gs, k, &t.style, &out);
	goroutine_table_header(&t, &out);
	for (size_t i = 0; i < k->now.group_cnt; i++)
		if (is_shown(gs, k, i))
			add_group(gs, k, i, &t, &out);
	err = out.failed ? -ENOMEM : output_text(str_get(&out));
	str_deinit(&out);
	return err;
}

static int print_json(const struct goroutines *gs, const struct look *k)
{
	struct goroutines_look l = {
		.process = k->process,
		.owner = k->process->owner,
		.census = &k->now,
		.lines = k->lines,
		.time_unix_ns = clock_mono_to_unix(k->now.time_ns),
		.per_minute = k->per_minute,
		.growth_seconds = between(k),
		.marks = k->marks,
		.system = gs->opts->all,
		.stacks = gs->opts->stacks,
	};

	return output_line_consume(goroutines_json(&l));
}

/* --- profile --- */

/* The segment of the code in memory. */
static void find_code(const struct goroutines *gs, const struct look *k, struct pprof_program *ret)
{
	_cleanup_close_ int fd = proc_info_open_exe(gs->opts->root, k->process->pid);
	const struct binary *b = k->process->binary;
	const struct elf_segment *l;
	struct elf_image img;

	if (fd < 0)
		return;
	if (!elf_image_open(&img, fd, b->size, NULL) && (l = elf_image_find_load(&img, b->text_vaddr, 1))) {
		ret->start = l->vaddr + ret->bias;
		ret->limit = ret->start + l->memsz;
		ret->offset = l->offset;
	}
	elf_image_close(&img);
}

static void profile_group(const struct goroutines *gs, const struct look *k, const struct census_group *g,
			  struct pprof *profile)
{
	char name[OWNER_NAME_SZ * 3 + 24] = "";
	const struct pprof_label labels[] = {
		{"state", goroutine_state_name(g->state)}, {"reason", g->reason}, {"process", name}};
	const uint64_t *stack = g->stack_cnt ? g->stack : &g->start_pc;
	size_t len;

	if (gs->cnt > 1 && k->process->owner) {
		owner_format(k->process->owner, name, sizeof(name));
		len = strlen(name);
		snprintf(name + len, sizeof(name) - len, " %d", (int)k->process->pid);
	}
	pprof_add_sample(profile, stack, g->stack_cnt ? g->stack_cnt : 1, goroutines_scaled(&k->now, g->cnt), labels,
			 ARRAY_SIZE(labels));
}

static void profile_look(const struct goroutines *gs, const struct look *k, struct pprof *profile)
{
	struct pprof_program program = {.lines = k->lines,
					.bias = k->process->bias,
					.file = k->process->exe,
					.build_id = k->process->binary->build_id};
	char text[160];

	find_code(gs, k, &program);
	pprof_add_program(profile, &program);
	if (k->now.walked < k->now.total) {
		snprintf(text, sizeof(text), "pid %d: %llu of %llu goroutines looked at, counts are scaled",
			 (int)k->process->pid, (unsigned long long)k->now.walked, (unsigned long long)k->now.total);
		pprof_add_comment(profile, text);
	}
	for (size_t i = 0; i < k->now.group_cnt; i++)
		if (is_shown(gs, k, i))
			profile_group(gs, k, &k->now.groups[i], profile);
}

/* The closing line of a file, as trace has it: on stderr, -q leaves it out. */
static void tell_written(const struct goroutines *gs, const char *path)
{
	long long goroutines = 0;
	struct stat st;

	for (int i = 0; i < gs->cnt; i++) {
		const struct look *k = &gs->looks[i];

		for (size_t n = 0; !k->failed && n < k->now.group_cnt; n++)
			goroutines += is_shown(gs, k, n) ? goroutines_scaled(&k->now, k->now.groups[n].cnt) : 0;
	}
	if (!gs->opts->quiet && !stat(path, &st))
		fprintf(stderr, "%s: %lld bytes, %lld goroutines\n", path, (long long)st.st_size, goroutines);
}

static int write_profiles(const struct goroutines *gs)
{
	struct pprof *profile;
	char why[WHY_SZ] = "out of memory";
	int err = pprof_new(clock_unix_ns(), &profile);

	for (int i = 0; !err && i < gs->cnt; i++)
		if (!gs->looks[i].failed)
			profile_look(gs, &gs->looks[i], profile);
	for (int i = 0; !err && i < gs->opts->output_cnt; i++) {
		err = pprof_write(profile, gs->opts->outputs[i], gs->opts->force, why);
		if (!err)
			tell_written(gs, gs->opts->outputs[i]);
	}
	if (err)
		log_error("%s", why);
	pprof_free(profile);
	return err ? EXIT_FAILED : EXIT_GOOD;
}

/* --- the whole --- */

static int check_outputs(const struct options *opts)
{
	struct stat st;

	for (int i = 0; i < opts->output_cnt; i++) {
		if (!str_ends(opts->outputs[i], PROFILE_ENDS)) {
			log_error("cannot write %s: goroutines writes pprof profiles, name it FILE" PROFILE_ENDS
				  "; text and --json go to stdout",
				  opts->outputs[i]);
			return EXIT_USAGE;
		}
		if (!opts->force && !stat(opts->outputs[i], &st)) {
			log_error("%s exists; --force overwrites it", opts->outputs[i]);
			return EXIT_FAILED;
		}
	}
	return EXIT_GOOD;
}

static int look(struct goroutines *g)
{
	int err = 0;

	for (int i = 0; i < g->cnt; i++)
		open_lines(g, &g->looks[i]);
	for (int i = 0; g->opts->diff_ns && i < g->cnt; i++) {
		check_image(g, &g->looks[i]);
		take(g, &g->looks[i], &g->looks[i].before);
	}
	if (g->opts->diff_ns)
		err = wait_for(g->opts->diff_ns);
	for (int i = 0; !err && i < g->cnt; i++) {
		take(g, &g->looks[i], &g->looks[i].now);
		check_image(g, &g->looks[i]);
		conclude(&g->looks[i], g->opts->diff_ns > 0);
	}
	return err;
}

static int show(struct goroutines *g)
{
	int seen = 0, err = 0;

	for (int i = 0; i < g->cnt && !err; i++) {
		if (g->looks[i].failed)
			continue;
		seen++;
		if (g->opts->json)
			err = print_json(g, &g->looks[i]);
		else if (!has_profile(g->opts))
			err = print_text(g, &g->looks[i]);
	}
	if (err)
		return output_failed(err);
	if (!seen)
		return EXIT_FAILED;
	return has_profile(g->opts) ? write_profiles(g) : EXIT_GOOD;
}

static int run(struct goroutines *g)
{
	struct process *targets[TARGETS_MAX];
	int err;

	g->cnt = output_targets(g->session, g->opts, targets, TARGETS_MAX);
	if (g->cnt < 0) {
		err = -g->cnt;
		g->cnt = 0;
		return err;
	}
	for (int i = 0; i < g->cnt; i++)
		g->looks[i].process = targets[i];
	err = look(g);
	if (err) {
		log_error("cannot wait: %s", strerror(-err));
		return EXIT_FAILED;
	}
	return show(g);
}

static void forget(struct goroutines *g)
{
	for (int i = 0; i < g->cnt; i++) {
		struct look *k = &g->looks[i];

		census_deinit(&k->before);
		census_deinit(&k->now);
		code_lines_close(k->lines);
		free(k->growth);
		free(k->per_minute);
		free(k->marks);
	}
	free(g);
}

int command_goroutines(const struct options *opts)
{
	struct session_cfg cfg = {.opts = opts, .want_values = true, .start_detached = true};
	struct goroutines *g;
	char why[WHY_SZ] = "";
	int err, code = check_outputs(opts);

	if (code)
		return code;
	g = calloc(1, sizeof(*g));
	if (!g)
		return EXIT_FAILED;
	g->opts = opts;
	err = session_open(&cfg, &g->session, why);
	code = err ? output_open_failed(err, why) : run(g);
	session_close(g->session);
	forget(g);
	return code;
}
