/* SPDX-License-Identifier: BSD-2-Clause */
/* Holds up who wants to write to a probed file, until its probes are gone: they go at once, whatever the event loop
 * does. */
#pragma once

#include <stdbool.h>

struct write_guards; /* all of them, and the thread that serves them */
struct write_guard;  /* of one file */

int write_guards_new(struct write_guards **ret);
/* When all guards are freed. */
struct write_guards *write_guards_free(struct write_guards *w);

/* Guards the file behind fd. 0, or -errno: -EACCES without CAP_LEASE on a file of others, -EAGAIN when it is open for
 * writing, -EINVAL where the file system has no leases. */
int write_guard_new(struct write_guards *w, int fd, struct write_guard **ret);
/* From now on release(arg) is called by the thread when somebody wants to write, and the guard ends after it. */
void write_guard_arm(struct write_guard *g, void (*release)(void *arg), void *arg);
/* release(arg) does not run any more when this returns. */
void write_guard_disarm(struct write_guard *g);
/* release() has run. */
bool write_guard_called(const struct write_guard *g);
/* Lets writers go on. NULL in, NULL out. */
struct write_guard *write_guard_free(struct write_guard *g);
