/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands; each returns an exit code (options.h) after its own messages. */
#pragma once

#include "base/loop.h"
#include "base/str.h"
#include "options.h"
#include "view/plain.h"

int command_top(const struct options *opts);
int command_list(const struct options *opts);
int command_why(const struct options *opts);
int command_trace(const struct options *opts);
int command_replay(const struct options *opts);
int command_check(const struct options *opts);
int command_gctrace(const struct options *opts);
int command_schedtrace(const struct options *opts);
int command_goroutines(const struct options *opts);
int command_runtime(const struct options *opts);

/* output.c: what the commands share. */

/* The event loop of a command, which ends at SIGINT, SIGTERM and SIGHUP. 0 or -errno. */
int output_open_loop(struct loop **ret);
/* How text on stdout is to look: width, colour and characters of the terminal, or of a pipe. */
void output_style(const struct options *opts, struct plain_style *ret);
/* Writes and flushes; 0, -EPIPE when nobody reads any more, -errno. */
int output_text(const char *text);
/* Writes a heap line and a newline, frees the line. */
int output_line_consume(char *line);
/* Logs why and gives the exit code that belongs to the error of session_open(). */
int output_open_failed(int err, const char *why);
/* False without CAP_SYS_PTRACE: processes with more privileges than ours are then not seen. */
bool output_sees_all(void);
/* "no Go process on this node (212 processes looked at); ..." and EXIT_NOTHING; EXIT_PRIVILEGE where that is not known.
 */
struct session;
int output_nothing(const struct session *s, const struct options *opts);
/* What has just started waits for its age before it is examined: a TARGET may be among that, and is known afterwards.
 */
void output_await_young(const struct session *s);
/* The watched processes of a session, in pid order, for commands about a TARGET. Number of them, at most max; or a
 * negative exit code after its message: none, or several containers where no glob asked for several. */
struct process;
int output_targets(const struct session *s, const struct options *opts, struct process **ret, int max);
/* The TARGET is one process by its number, and that has ended: nothing will come any more. */
bool output_target_ended(const struct session *s, const struct options *opts);
/* "pod:container pid: ", what each line begins with where a glob matches several; "" else. */
void output_target_prefix(const struct options *opts, const struct process *p, char *buf, size_t sz);
/* Exit code for an error of output_text(): a closed pipe is a normal end. */
int output_failed(int err);
