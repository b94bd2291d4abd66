/* SPDX-License-Identifier: BSD-2-Clause */
/* trace: events as JSON lines. Lines go to a hidden file beside the target, which is renamed at the end: whoever sees
 * the named file sees a whole one, and a full disk or an error leaves nothing behind. --toggle is for the overhead
 * benchmark: probes come and go at SIGUSR1 and SIGUSR2. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "commands.h"
#include "export/jsonl.h"
#include "report.h"

#define DURATION_DEFAULT_NS (10 * NS_PER_SEC)

struct trace {
	const struct options *opts;
	struct session *session;
	FILE *file;
	char path[PATH_MAX];    /* what the person asked for */
	char partial[PATH_MAX]; /* what is written until the end; "" when written directly */
	uint64_t events, bytes, lost;
	bool nothing; /* there was nothing to record: no empty file stays */
	int err;      /* first error of writing */
};

static void put_consume(struct trace *t, char *line)
{
	size_t len;

	if (!line) {
		t->err = t->err ? t->err : -ENOMEM;
		return;
	}
	len = strlen(line);
	if (!t->err && (fwrite(line, 1, len, t->file) != len || fputc('\n', t->file) == EOF))
		t->err = -errno;
	free(line);
	if (t->err) {
		if (t->session)
			loop_stop(t->session->loop, 0);
		return;
	}
	t->events++;
	t->bytes += len + 1;
}

static void on_event(const union event *e, const struct owner *o, void *arg)
{
	switch (e->hdr.kind) {
	case EVENT_GC_PAUSE:
		put_consume(arg, jsonl_pause(&e->gc_pause, o));
		break;
	case EVENT_THROTTLE:
		put_consume(arg, jsonl_throttle(&e->throttle, o));
		break;
	case EVENT_THROTTLE_MISSED:
		put_consume(arg, jsonl_throttle_missed(&e->throttle_missed, o));
		break;
	}
}

static void on_cycle(uint32_t pid, const struct gc_cycle_done *d, const struct owner *o, void *arg)
{
	if (d->mark)
		put_consume(arg, jsonl_mark(pid, d, o));
	if (d->cycle)
		put_consume(arg, jsonl_cycle(pid, d, o));
}

static void on_process(const struct event_proc *e, const struct process *p, const struct owner *o, void *arg)
{
	put_consume(arg, jsonl_proc(e, p, o));
}

static void on_drained(void *arg)
{
	struct trace *t = arg;

	if (!t->err && fflush(t->file))
		t->err = -errno;
	if (t->err)
		loop_stop(t->session->loop, 0);
}

static void on_end(void *arg)
{
	struct trace *t = arg;

	loop_stop(t->session->loop, 0);
}

static void on_toggle(int signo, void *arg)
{
	struct trace *t = arg;
	char why[WHY_SZ] = "";

	if (signo == SIGUSR2) {
		session_detach(t->session);
		puts("off");
	} else if (!session_attach(t->session, why)) {
		puts("on");
	} else {
		printf("failed %s\n", why);
	}
	fflush(stdout);
}

/* ---- the file -----------------------------------------------------------------------------------------------------
 */

static void default_name(char *buf, size_t sz)
{
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(buf, sz, "gopherscope-%Y%m%d-%H%M%S.jsonl", &tm);
}

static int check_name(const struct trace *t)
{
	static const char *const others[] = {".pftrace", ".gsraw", ".json"};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (str_ends(t->path, others[i])) {
			log_error("cannot write %s: this version writes .jsonl only", t->path);
			return -EINVAL;
		}
	return 0;
}

/* Opens the partial file, or the named one where renaming makes no sense (devices, pipes). */
static int open_file(struct trace *t)
{
	char dir[PATH_MAX], base[PATH_MAX];
	struct stat st;
	bool exists;

	if (!t->opts->output)
		default_name(t->path, sizeof(t->path));
	else
		str_copy(t->path, sizeof(t->path), t->opts->output);
	if (!strcmp(t->path, "-")) {
		t->file = stdout;
		return 0;
	}
	if (check_name(t))
		return -EINVAL;
	exists = !stat(t->path, &st);
	if (exists && !S_ISREG(st.st_mode)) {
		t->file = fopen(t->path, "we");
	} else if (exists && !t->opts->force) {
		log_error("%s exists; --force overwrites it", t->path);
		return -EEXIST;
	} else {
		str_copy(dir, sizeof(dir), t->path);
		str_copy(base, sizeof(base), t->path);
		if ((size_t)snprintf(t->partial, sizeof(t->partial), "%s/.%s.partial-%d", dirname(dir), basename(base),
				     (int)getpid()) >= sizeof(t->partial))
			return -ENAMETOOLONG;
		t->file = fopen(t->partial, "wxe");
	}
	if (t->file)
		return 0;
	log_error("cannot write %s: %s", t->path, strerror(errno));
	return -errno;
}

/* Ctrl-C waits from here on until the loop takes it: no half-written file may stay behind. */
static void hold_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int close_file(struct trace *t)
{
	if (!t->file)
		return t->err;
	if (fflush(t->file) && !t->err)
		t->err = -errno;
	if (t->file != stdout && fclose(t->file) && !t->err)
		t->err = -errno;
	t->file = NULL;
	if (t->partial[0] && !t->err && !t->nothing && rename(t->partial, t->path))
		t->err = -errno;
	if (t->partial[0] && (t->err || t->nothing))
		unlink(t->partial);
	return t->err;
}

/* ---- the run ------------------------------------------------------------------------------------------------------
 */

static uint64_t put_lost(struct trace *t)
{
	struct report *r = NULL;
	struct snapshot s;
	uint64_t lost = 0;

	if (report_new(t->session, &r) || report_take(r, NS_PER_SEC, &s)) {
		report_free(r);
		return 0;
	}
	for (int id = 0; id < SIGNAL_CNT; id++)
		for (int i = 0; i < LOSS_REASON_CNT; i++)
			if (s.signals[id].lost[i])
				put_consume(t, jsonl_lost(s.signals[id].name, loss_reason_name((enum loss_reason)i),
							  s.signals[id].lost[i]));
	lost = s.lost;
	snapshot_deinit(&s);
	report_free(r);
	return lost;
}

static int add_handlers(struct trace *t)
{
	uint64_t duration = t->opts->duration_ns ? t->opts->duration_ns : DURATION_DEFAULT_NS;
	int err;

	if (t->opts->toggle) {
		err = loop_add_signal(t->session->loop, SIGUSR1, on_toggle, t);
		return err ? err : loop_add_signal(t->session->loop, SIGUSR2, on_toggle, t);
	}
	err = loop_add_timer(t->session->loop, duration, 0, on_end, t);
	return err < 0 ? err : 0;
}

static void print_closing(const struct trace *t)
{
	if (t->opts->quiet || !strcmp(t->path, "-"))
		return;
	fprintf(stderr, "%s: %llu bytes, %llu events, %llu lost\n", t->path, (unsigned long long)t->bytes,
		(unsigned long long)t->events, (unsigned long long)t->lost);
}

static int run(struct trace *t)
{
	int err = add_handlers(t);

	if (!err && t->opts->toggle) {
		puts("ready");
		fflush(stdout);
	}
	log_debug("recording %d Go processes to %s", session_watched_cnt(t->session), t->path);
	if (!err)
		err = session_run(t->session);
	session_drain(t->session);
	t->lost = put_lost(t);
	return err < 0 ? EXIT_FAILED : EXIT_GOOD;
}

int command_trace(const struct options *opts)
{
	struct trace t = {.opts = opts};
	struct session_cfg cfg = {
		.opts = opts, .ops = {on_event, on_cycle, on_process, on_drained, &t}, .start_detached = opts->toggle};
	char why[WHY_SZ] = "";
	int code, err;

	hold_signals();
	if (open_file(&t))
		return EXIT_FAILED;
	err = session_open(&cfg, &t.session, why);
	if (err) {
		t.err = err;
		close_file(&t);
		return output_open_failed(err, why);
	}
	code = run(&t);
	if (code == EXIT_GOOD && !session_watched_cnt(t.session) && !t.events) {
		code = output_nothing(t.session, opts);
		t.nothing = true;
	}
	session_close(t.session);
	if (close_file(&t) == -EPIPE)
		return code;
	if (t.err) {
		log_error("cannot write %s: %s; nothing was kept", strcmp(t.path, "-") ? t.path : "to stdout",
			  strerror(-t.err));
		return EXIT_FAILED;
	}
	if (!t.nothing)
		print_closing(&t);
	return code;
}
