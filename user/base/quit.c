/* SPDX-License-Identifier: BSD-2-Clause */
/* Handlers without SA_RESTART, in force only while the signals are not blocked. */
#include "base/quit.h"

#include <signal.h>
#include <stddef.h>

#include "base/cleanup.h"

static const int quits[] = {SIGINT, SIGTERM, SIGHUP};
static volatile sig_atomic_t caught;

static void on_quit(int signo)
{
	caught = signo;
}

static void mask(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(quits); i++)
		sigaddset(&set, quits[i]);
	sigprocmask(how, &set, NULL);
}

void quit_window_open(void)
{
	static int installed;
	struct sigaction act = {.sa_handler = on_quit};

	for (size_t i = 0; !installed && i < ARRAY_SIZE(quits); i++)
		sigaction(quits[i], &act, NULL);
	installed = 1;
	caught = 0;
	mask(SIG_UNBLOCK);
}

void quit_window_close(void)
{
	mask(SIG_BLOCK);
	if (caught)
		raise(caught); /* blocked again: it waits for whoever reads the descriptor */
}
