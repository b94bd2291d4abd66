/* SPDX-License-Identifier: BSD-2-Clause */
/* schedtrace TARGET: a line an interval, as GODEBUG=schedtrace=N prints it, from passive reads alone: nothing is
 * attached and no lock is taken, so the numbers of a line are microseconds apart. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "commands.h"
#include "export/gctrace.h"
#include "session.h"

#define FOLLOW_MAX 8192
#define PREFIX_SZ  (OWNER_NAME_SZ * 3 + 20)

/* One process. */
struct followed {
	struct sampler *sampler; /* owned; NULL: not opened yet, or off */
	bool off;
};

struct schedtrace {
	const struct options *opts;
	struct loop *loop;
	struct session *session;
	struct hashmap *followed; /* pid -> struct followed, owned */
	struct runtime_detail detail;
	bool gone; /* one has ended or replaced its image */
	uint64_t lines;
	int err; /* of stdout */
};

static struct followed *follow(struct schedtrace *t, const struct process *p)
{
	struct followed *f = hashmap_find(t->followed, (uint64_t)p->pid);

	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f || hashmap_add(t->followed, (uint64_t)p->pid, f)) {
		free(f);
		return NULL;
	}
	return f;
}

static void on_record(const struct record *r, void *arg)
{
	const struct record_process_gone *gone = r->body;
	struct schedtrace *t = arg;
	struct followed *f;

	if (r->type != RECORD_PROCESS_GONE)
		return;
	f = hashmap_remove(t->followed, (uint64_t)gone->pid);
	if (f)
		sampler_close(f->sampler);
	free(f);
}

static void refuse(struct followed *f, const struct process *p, const char *why)
{
	f->off = true;
	f->sampler = sampler_close(f->sampler);
	log_warn("pid %d: %s", (int)p->pid, why);
}

static bool open_sampler(struct schedtrace *t, struct followed *f, const struct process *p)
{
	char why[WHY_SZ] = "";
	int err;

	if (f->sampler || f->off)
		return f->sampler;
	err = sampler_open(t->opts->root, p, &f->sampler, why);
	if (err && err != SAMPLER_NOT_READY && err != -ESRCH)
		refuse(f, p, why);
	return !err;
}

static int print_line(const struct schedtrace *t, const struct process *p)
{
	char prefix[PREFIX_SZ];
	struct str out;
	int err;

	if (t->opts->json)
		return output_line_consume(gctrace_sched_json(p, &t->detail));
	str_init(&out);
	output_target_prefix(t->opts, p, prefix, sizeof(prefix));
	str_add(&out, prefix);
	gctrace_sched_line(&t->detail, p->binary->go_minor, &out);
	str_add(&out, "\n");
	err = out.failed ? -ENOMEM : output_text(str_get(&out));
	str_deinit(&out);
	return err;
}

/* Values that contradict each other in one read are no reason to give up: the next line may have them. */
static void trace_process(struct schedtrace *t, const struct process *p)
{
	struct followed *f = follow(t, p);
	int err;

	if (!f || !open_sampler(t, f, p))
		return;
	err = sampler_detail(f->sampler, &t->detail);
	t->gone |= err == -ESRCH;
	if (err < 0 && err != -ESRCH)
		refuse(f, p, sampler_why(f->sampler));
	else if (err > 0)
		log_debug("pid %d: %s", (int)p->pid, sampler_why(f->sampler));
	if (err)
		return;
	t->err = print_line(t, p);
	t->lines++;
}

static void trace_all(struct schedtrace *t)
{
	for (struct process *p = proc_table_next(t->session->procs, NULL); p && !t->err;
	     p = proc_table_next(t->session->procs, p))
		if (p->watched && p->binary)
			trace_process(t, p);
}

/* All that was found is refused. */
static bool is_hopeless(const struct schedtrace *t)
{
	uint64_t key;
	size_t pos = 0;
	void *value;

	while (hashmap_next(t->followed, &pos, &key, &value))
		if (!((struct followed *)value)->off)
			return false;
	return hashmap_cnt(t->followed);
}

static void on_interval(void *arg)
{
	struct schedtrace *t = arg;

	trace_all(t);
	if (t->gone) /* nobody else tells: nothing is attached */
		proc_table_verify(t->session->procs);
	t->gone = false;
	if (t->err || is_hopeless(t) || output_target_ended(t->session, t->opts))
		loop_stop(t->loop, 0);
}

static void on_end(void *arg)
{
	loop_stop(((struct schedtrace *)arg)->loop, 0);
}

static int add_timers(struct schedtrace *t)
{
	int id = loop_add_timer(t->loop, t->opts->interval_ns, t->opts->interval_ns, on_interval, t);

	if (id >= 0 && t->opts->duration_ns)
		id = loop_add_timer(t->loop, t->opts->duration_ns, 0, on_end, t);
	return id < 0 ? id : 0;
}

static int run(struct schedtrace *t)
{
	struct process *targets[2];
	int err = output_targets(t->session, t->opts, targets, 2);

	if (err < 0)
		return -err;
	err = 0;
	trace_all(t);
	if (!t->opts->once && !t->err && !is_hopeless(t)) {
		err = add_timers(t);
		err = err ? err : loop_run(t->loop);
	}
	if (t->err)
		return output_failed(t->err);
	if (err < 0)
		return EXIT_FAILED;
	return t->lines ? EXIT_GOOD : EXIT_NOTHING;
}

static void close_all(struct schedtrace *t)
{
	uint64_t key;
	size_t pos = 0;
	void *value;

	session_close(t->session);
	while (t->followed && hashmap_next(t->followed, &pos, &key, &value)) {
		sampler_close(((struct followed *)value)->sampler);
		free(value);
	}
	hashmap_free(t->followed);
	runtime_detail_deinit(&t->detail);
	loop_free(t->loop);
}

int command_schedtrace(const struct options *opts)
{
	struct schedtrace t = {.opts = opts};
	struct session_cfg cfg = {.opts = opts, .feed = on_record, .arg = &t, .start_detached = true};
	char why[WHY_SZ] = "";
	int code, err = output_open_loop(&t.loop);

	runtime_detail_init(&t.detail);
	if (!err)
		err = hashmap_new(FOLLOW_MAX, &t.followed);
	cfg.loop = t.loop;
	if (err)
		err_why(why, err, "cannot start: %s", strerror(-err));
	else
		err = session_open(&cfg, &t.session, why);
	code = err ? output_open_failed(err, why) : run(&t);
	close_all(&t);
	return code;
}
