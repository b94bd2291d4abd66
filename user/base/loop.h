/* SPDX-License-Identifier: BSD-2-Clause */
/* The one event loop: descriptors, timers and signals over epoll. Single threaded. */
#pragma once

#include <signal.h>
#include <stdint.h>

struct loop;

typedef void (*loop_fd_fn)(int fd, uint32_t events, void *arg);
typedef void (*loop_timer_fn)(void *arg);
typedef void (*loop_signal_fn)(int signo, void *arg);

int loop_new(struct loop **ret);
struct loop *loop_free(struct loop *l);

/* Watches a descriptor, which stays the caller's. */
int loop_add_fd(struct loop *l, int fd, uint32_t events, loop_fd_fn fn, void *arg);
int loop_remove_fd(struct loop *l, int fd);
/* Calls fn every interval_ns (first time after first_ns); late ticks are merged, never queued. Gives an id >= 0 or
 * -errno. */
int loop_add_timer(struct loop *l, uint64_t first_ns, uint64_t interval_ns, loop_timer_fn fn, void *arg);
/* Changes the interval, counted from now. 0 or -errno. */
int loop_set_timer(struct loop *l, int id, uint64_t interval_ns);
int loop_remove_timer(struct loop *l, int id);
/* Blocks the signal for the process and delivers it through the loop. */
int loop_add_signal(struct loop *l, int signo, loop_signal_fn fn, void *arg);
/* Runs until loop_stop(); returns the code given there, or -errno. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l, int code);
