/* SPDX-License-Identifier: BSD-2-Clause */
/* What the commands share: the look of stdout, writing to it, and the messages that end a command. */
#include "commands.h"

#include <errno.h>
#include <langinfo.h>
#include <limits.h>
#include <linux/capability.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/quit.h"
#include "probes/kernel_features.h"
#include "session.h"
#include "target.h"

#define PIPE_WIDTH 120
#define WIDTH_MIN  80

static void on_quit(int signo, void *arg)
{
	log_debug("signal %d: ending", signo);
	loop_stop(arg, 0);
}

int output_open_loop(struct loop **ret)
{
	static const int quits[] = {SIGINT, SIGTERM, SIGHUP};
	int err = loop_new(ret);

	for (size_t i = 0; !err && i < ARRAY_SIZE(quits); i++)
		err = loop_add_signal(*ret, quits[i], on_quit, *ret);
	return err;
}

void output_style(const struct options *opts, struct plain_style *ret)
{
	const char *no_color = getenv("NO_COLOR");
	bool tty = isatty(STDOUT_FILENO);
	struct winsize w;

	ret->width = PIPE_WIDTH;
	ret->height = 0;
	if (tty && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) && w.ws_col) {
		ret->width = w.ws_col < WIDTH_MIN ? WIDTH_MIN : w.ws_col;
		ret->height = w.ws_row;
	}
	ret->color = opts->color == COLOR_ALWAYS || (opts->color == COLOR_AUTO && tty && !(no_color && *no_color));
	setlocale(LC_CTYPE, "");
	ret->ascii = opts->ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
}

/* A reader that does not read may not keep Ctrl-C from ending us. */
static int put(const char *text, const char *end)
{
	int err = 0;

	quit_window_open();
	errno = 0;
	if (fputs(text, stdout) < 0 || fputs(end, stdout) < 0 || fflush(stdout))
		err = errno ? -errno : -EIO;
	quit_window_close();
	return err;
}

int output_text(const char *text)
{
	return put(text, "");
}

int output_line_consume(char *line)
{
	int err;

	if (!line)
		return -ENOMEM;
	err = put(line, "\n");
	free(line);
	return err;
}

int output_failed(int err)
{
	if (err == -EPIPE || err == -EINTR)
		return EXIT_GOOD;
	log_error("cannot write to stdout: %s", strerror(-err));
	return EXIT_FAILED;
}

int output_open_failed(int err, const char *why)
{
	log_error("%s", why);
	return err == -EPERM || err == -ENOTSUP ? EXIT_PRIVILEGE : EXIT_FAILED;
}

bool output_sees_all(void)
{
	char buf[4096];

	return file_read("", "/proc/self/status", buf, sizeof(buf)) <= 0 ||
	       kernel_features_parse_caps(buf) & (1ull << CAP_SYS_PTRACE);
}

static int ambiguous(const struct options *opts, struct process *const *ps, int cnt)
{
	char text[300], name[OWNER_NAME_SZ * 3];
	const int shown = cnt < 5 ? cnt : 5;
	struct str names;

	str_init(&names);
	for (int i = 0; i < shown; i++) {
		owner_format(ps[i]->owner, name, sizeof(name));
		str_addf(&names, "%s%s pid %d", i ? ", " : "", name, (int)ps[i]->pid);
	}
	log_error("%s matches %d processes: %s%s; name one", target_text(opts, text, sizeof(text)), cnt,
		  str_get(&names), cnt > shown ? ", ..." : "");
	str_deinit(&names);
	return -EXIT_USAGE;
}

void output_await_young(const struct session *s)
{
	if (!proc_table_pending_cnt(s->procs))
		return;
	usleep(PROC_MIN_AGE_NS / 1000);
	proc_table_tick(s->procs, clock_mono_ns());
}

int output_targets(const struct session *s, const struct options *opts, struct process **ret, int max)
{
	int cnt = 0;
	bool several = false;

	if (target_is_glob(opts) || !session_watched_cnt(s))
		output_await_young(s);
	for (struct process *p = proc_table_next(s->procs, NULL); p; p = proc_table_next(s->procs, p)) {
		if (!p->watched || cnt == max)
			continue;
		several |= cnt && ret[0]->owner != p->owner;
		ret[cnt++] = p;
	}
	if (!cnt)
		return -output_nothing(s, opts);
	return several && !target_is_glob(opts) ? ambiguous(opts, ret, cnt) : cnt;
}

/* The one process that was asked for by number; 0: none was. */
static pid_t only_pid(const struct options *opts)
{
	uint64_t pid;

	if (opts->pid || !opts->target)
		return opts->pid;
	return !str_to_u64(opts->target, &pid) && pid <= INT_MAX ? (pid_t)pid : 0;
}

bool output_target_ended(const struct session *s, const struct options *opts)
{
	pid_t pid = only_pid(opts);
	char path[PATH_MAX], link[8];

	if (!pid || session_watched_cnt(s))
		return false;
	/* What nobody waited for has no executable any more. */
	snprintf(path, sizeof(path), "%s/proc/%d/exe", opts->root, (int)pid);
	return readlink(path, link, sizeof(link)) < 0 && (errno == ENOENT || errno == ESRCH);
}

void output_target_prefix(const struct options *opts, const struct process *p, char *buf, size_t sz)
{
	char name[OWNER_NAME_SZ * 3];

	*buf = '\0';
	if (!target_is_glob(opts))
		return;
	owner_format(p->owner, name, sizeof(name));
	snprintf(buf, sz, "%s %d: ", name, (int)p->pid);
}

/* Why a process is no target, as `list --all` says it; the session keeps only those that are. "" unknown. */
static void why_skipped(const struct session *s, const char *root, pid_t pid, char *buf, size_t sz)
{
	struct proc_table *all = NULL;
	const struct process *p;

	if (proc_table_new(root, s->binaries, true, NULL, &all))
		return;
	if (!proc_table_scan(all) && (p = proc_table_find(all, pid)) && !p->binary && *p->why)
		snprintf(buf, sz, ": %s: %s", p->comm, p->why);
	proc_table_free(all);
}

/* Of a process that was asked for by number; "" of other targets. */
static void why_not(const struct session *s, const struct options *opts, char *buf, size_t sz)
{
	pid_t pid = only_pid(opts);
	char path[PATH_MAX];

	*buf = '\0';
	snprintf(path, sizeof(path), "%s/proc/%d", opts->root, (int)pid);
	if (pid && access(path, F_OK))
		snprintf(buf, sz, ": there is no such process");
	else if (pid)
		why_skipped(s, opts->root, pid, buf, sz);
}

int output_nothing(const struct session *s, const struct options *opts)
{
	char text[300], why[WHY_SZ + 40];

	if (!output_sees_all()) {
		log_error("no Go process among those that may be read (%llu processes looked at): CAP_SYS_PTRACE is "
			  "missing; run as root",
			  (unsigned long long)s->looked_at);
		return EXIT_PRIVILEGE;
	}
	why_not(s, opts, why, sizeof(why));
	if (opts->target || opts->pid || opts->namespace_ || opts->container)
		log_error("no Go process matches %s%s; `gopherscope list` shows what there is, with --all why not",
			  target_text(opts, text, sizeof(text)), why);
	else
		log_error("no Go process on this node (%llu processes looked at); `gopherscope list --all` says why "
			  "for each",
			  (unsigned long long)s->looked_at);
	return EXIT_NOTHING;
}
