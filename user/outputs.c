/* SPDX-License-Identifier: BSD-2-Clause */
/* What is written goes to a hidden file beside the target, which is renamed at the end: whoever sees the named file
 * sees a whole one, and a full disk or an error leaves nothing behind. */
#include "outputs.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hashmap.h"
#include "base/log.h"
#include "base/quit.h"
#include "base/str.h"
#include "events/recorder.h"
#include "export/exporter.h"

#define RAW_EXTENSION ".gsraw"

struct output {
	FILE *file;
	char path[PATH_MAX];            /* what the person asked for */
	char partial[PATH_MAX];         /* what is written until the end; "" when written directly */
	const struct exporter_ops *ops; /* NULL: a raw recording */
	struct exporter *exporter;      /* from the first event on */
	struct recorder *recorder;
	uint64_t events;
	bool stream; /* a pipe, a device: writing may block */
	int err;     /* first error of writing */
};

struct outputs {
	const struct options *opts; /* borrowed */
	struct record_session session;
	uint64_t start_unix_ns;
	struct output out[OPTIONS_OUTPUTS];
	int cnt;
};

/* ---- opening ------------------------------------------------------------------------------------------- */

static void default_name(const char *extension, char *buf, size_t sz)
{
	time_t now = time(NULL);
	char stamp[64];
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	snprintf(buf, sz, "gopherscope-%s%s", stamp, extension);
}

/* By the exporter's name or the extension that it writes; NULL: a raw recording. */
static const struct exporter_ops *ops_of_format(const char *format)
{
	const struct exporter_ops *ops = exporters_by_name(format);
	char path[32];

	snprintf(path, sizeof(path), ".%s", format);
	return ops ? ops : exporters_by_path(path);
}

/* stdout, a device, a pipe: nothing whose name says anything. */
static bool is_stream(const char *path)
{
	struct stat st;

	return !strcmp(path, "-") || (!stat(path, &st) && !S_ISREG(st.st_mode));
}

/* --format, else the extension, else JSON lines to a stream. */
static int choose_format(const struct options *opts, struct output *x)
{

	if (opts->format ? !strcmp(opts->format, RAW_EXTENSION + 1) : str_ends(x->path, RAW_EXTENSION))
		return 0;
	x->ops = opts->format ? ops_of_format(opts->format) : exporters_by_path(x->path);
	if (!x->ops && !opts->format && is_stream(x->path))
		x->ops = &jsonl_exporter;
	if (x->ops)
		return 0;
	log_error(
		"cannot write %s: the format is not known; name it .pftrace, .jsonl, .json or .gsraw, or give --format",
		x->path);
	return -EINVAL;
}

static int open_partial(struct output *x)
{
	char dir[PATH_MAX], base[PATH_MAX];

	str_copy(dir, sizeof(dir), x->path);
	str_copy(base, sizeof(base), x->path);
	if ((size_t)snprintf(x->partial, sizeof(x->partial), "%s/.%s.partial-%d", dirname(dir), basename(base),
			     (int)getpid()) >= sizeof(x->partial))
		return -ENAMETOOLONG;
	x->file = fopen(x->partial, "wxe");
	return x->file ? 0 : -errno;
}

/* Opens the partial file, or the named one where renaming makes no sense (devices, pipes). */
static int open_file(const struct options *opts, struct output *x)
{
	struct stat st;
	bool exists;
	int err = 0;

	if (!strcmp(x->path, "-")) {
		x->file = stdout;
		return 0;
	}
	exists = !stat(x->path, &st);
	if (exists && !S_ISREG(st.st_mode)) {
		x->file = fopen(x->path, "we");
		err = x->file ? 0 : -errno;
	} else if (exists && !opts->force) {
		log_error("%s exists; --force overwrites it", x->path);
		return -EEXIST;
	} else {
		err = open_partial(x);
	}
	if (err)
		log_error("cannot write %s: %s", x->path, strerror(-err));
	return err;
}

static int open_output(struct outputs *o, const char *path)
{
	struct output *x = &o->out[o->cnt];
	const struct exporter_ops *ops = o->opts->format ? ops_of_format(o->opts->format) : &perfetto_exporter;
	int err;

	if (path)
		str_copy(x->path, sizeof(x->path), path);
	else
		default_name(ops ? ops->extension : RAW_EXTENSION, x->path, sizeof(x->path));
	err = choose_format(o->opts, x);
	if (!err)
		err = open_file(o->opts, x);
	if (err)
		return err;
	x->stream = is_stream(x->path);
	o->cnt++;
	if (!x->ops)
		err = recorder_new(x->file, &x->recorder);
	if (err)
		log_error("cannot write %s: %s", x->path, strerror(-err));
	return err;
}

int outputs_open(const struct options *opts, struct outputs **ret)
{
	struct outputs *o = calloc(1, sizeof(*o));
	int err = 0;

	if (!o)
		return -ENOMEM;
	o->opts = opts;
	for (int i = 0; !err && i < opts->output_cnt; i++)
		err = open_output(o, opts->outputs[i]);
	if (!err && !opts->output_cnt)
		err = open_output(o, NULL);
	if (err) {
		outputs_close(o, false, 0, 0);
		outputs_free(o);
		return err;
	}
	*ret = o;
	return 0;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

/* Writes to a pipe that nobody reads end at Ctrl-C. */
static void begin_write(const struct output *x)
{
	if (x->stream)
		quit_window_open();
}

static void end_write(const struct output *x)
{
	if (x->stream)
		quit_window_close();
}

static void failed(struct output *x, int err)
{
	if (err && !x->err)
		x->err = err;
}

/* The same for a run and its replays: ids that are random to everybody else. */
static uint64_t seed_of(const struct record_session *s)
{
	uint64_t seed = hash_bytes(s->node_name, strlen(s->node_name), s->start_ns);

	return seed ? seed : 1;
}

static int open_exporter(const struct outputs *o, struct output *x)
{
	struct exporter_cfg cfg = {
		.file = x->file,
		.node_name = o->session.node_name,
		.agent_version = o->session.agent_version,
		.start_unix_ns = o->start_unix_ns,
		.all_spans = o->opts->all_spans,
		.seed = seed_of(&o->session),
	};

	memcpy(cfg.span_min_ns, o->opts->span_min_ns, sizeof(cfg.span_min_ns));
	return x->ops->open(&cfg, &x->exporter);
}

void outputs_record(struct outputs *o, const struct record *r)
{
	if (r->type == RECORD_SESSION) {
		o->session = *(const struct record_session *)r->body;
		o->start_unix_ns = clock_mono_to_unix(o->session.start_ns);
	}
	for (int i = 0; i < o->cnt; i++) {
		struct output *x = &o->out[i];

		if (!x->recorder || x->err)
			continue;
		begin_write(x);
		failed(x, recorder_put(x->recorder, r));
		end_write(x);
	}
}

void outputs_event(struct outputs *o, const struct trace_event *e)
{
	for (int i = 0; i < o->cnt; i++) {
		struct output *x = &o->out[i];

		x->events += trace_kind_name(e->kind) != NULL;
		if (!x->ops || x->err)
			continue;
		begin_write(x);
		if (!x->exporter)
			failed(x, open_exporter(o, x));
		if (!x->err)
			failed(x, x->ops->event(x->exporter, e));
		end_write(x);
	}
}

void outputs_flush(struct outputs *o)
{
	for (int i = 0; i < o->cnt; i++) {
		struct output *x = &o->out[i];

		begin_write(x);
		if (x->exporter && x->ops->flush && !x->err)
			failed(x, x->ops->flush(x->exporter));
		if (!x->err && fflush(x->file))
			failed(x, -errno);
		end_write(x);
	}
}

int outputs_error(const struct outputs *o)
{
	for (int i = 0; i < o->cnt; i++)
		if (o->out[i].err)
			return o->out[i].err;
	return 0;
}

uint64_t outputs_event_cnt(const struct outputs *o)
{
	uint64_t most = 0;

	for (int i = 0; i < o->cnt; i++)
		if (o->out[i].events > most)
			most = o->out[i].events;
	return most;
}

void outputs_name(const struct outputs *o, char *buf, size_t sz)
{
	str_copy(buf, sz, o->cnt ? o->out[0].path : "");
}

/* ---- the end ------------------------------------------------------------------------------------------- */

/* A run in which nothing happened still gives a well-formed file. */
static void complete(struct outputs *o, struct output *x)
{
	if (x->ops && !x->exporter && !x->err)
		failed(x, open_exporter(o, x));
	if (x->exporter && !x->err)
		failed(x, x->ops->end(x->exporter));
	if (x->recorder && !x->err)
		failed(x, recorder_end(x->recorder));
}

static void print_closing(const struct outputs *o, const struct output *x, uint64_t bytes, uint64_t lost,
			  uint64_t verdicts)
{
	uint64_t held = x->exporter && x->ops->held_back ? x->ops->held_back(x->exporter) : 0;
	char more[64] = "";

	if (o->opts->quiet || !strcmp(x->path, "-"))
		return;
	if (held)
		snprintf(more, sizeof(more), " (%llu below --span-min)", (unsigned long long)held);
	fprintf(stderr, "%s: %llu bytes, %llu events%s, %llu lost, %llu verdicts\n", x->path, (unsigned long long)bytes,
		(unsigned long long)x->events, more, (unsigned long long)lost, (unsigned long long)verdicts);
}

/* Nobody reads any more, or somebody ended us while we waited for a reader: no failure of ours. */
static bool ended_by_reader(int err)
{
	return err == -EPIPE || err == -EINTR;
}

static void close_output(struct outputs *o, struct output *x, bool keep, uint64_t lost, uint64_t verdicts)
{
	struct stat st = {0};

	begin_write(x);
	if (keep)
		complete(o, x);
	if (!x->err && fflush(x->file))
		failed(x, -errno);
	end_write(x);
	fstat(fileno(x->file), &st);
	if (x->file != stdout && fclose(x->file))
		failed(x, -errno);
	x->file = NULL;
	if (x->partial[0] && keep && !x->err && rename(x->partial, x->path))
		failed(x, -errno);
	if (x->partial[0] && (!keep || x->err))
		unlink(x->partial);
	if (keep && !x->err)
		print_closing(o, x, (uint64_t)st.st_size, lost, verdicts);
	if (x->err && !ended_by_reader(x->err))
		log_error("cannot write %s: %s; nothing was kept", strcmp(x->path, "-") ? x->path : "to stdout",
			  strerror(-x->err));
}

int outputs_close(struct outputs *o, bool keep, uint64_t lost, uint64_t verdicts)
{
	int err = 0;

	for (int i = 0; i < o->cnt; i++) {
		if (!o->out[i].file)
			continue;
		close_output(o, &o->out[i], keep, lost, verdicts);
		if (o->out[i].err && !ended_by_reader(o->out[i].err) && !err)
			err = o->out[i].err;
	}
	return err;
}

struct outputs *outputs_free(struct outputs *o)
{
	for (int i = 0; o && i < o->cnt; i++) {
		if (o->out[i].exporter)
			o->out[i].ops->free(o->out[i].exporter);
		recorder_free(o->out[i].recorder);
	}
	free(o);
	return NULL;
}
