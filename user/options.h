/* SPDX-License-Identifier: BSD-2-Clause */
/* Command line to a plain, validated struct. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "stats/trace_event.h"
#include "view/order.h"

enum command {
	COMMAND_TOP,
	COMMAND_LIST,
	COMMAND_WHY,
	COMMAND_TRACE,
	COMMAND_REPLAY,
	COMMAND_CHECK,
	COMMAND_GCTRACE,
	COMMAND_SCHEDTRACE,
	COMMAND_GOROUTINES,
	COMMAND_RUNTIME
};
enum color_mode { COLOR_AUTO, COLOR_NEVER, COLOR_ALWAYS };

/* Exit codes of the program. */
enum exit_code { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NOTHING = 3, EXIT_PRIVILEGE = 4 };

#define OPTIONS_OUTPUTS 8

struct options {
	enum command command;
	const char *target; /* NULL: everything */
	pid_t pid;          /* 0: any */
	const char *namespace_, *container;
	uint64_t interval_ns, window_ns, duration_ns;
	bool window_given;                    /* replay: else the recording's own */
	const char *outputs[OPTIONS_OUTPUTS]; /* none: the command's default; "-" stdout */
	int output_cnt;
	const char *format;                   /* of outputs and recordings, NULL: by the file's name */
	const char *file;                     /* replay: the recording, "-" stdin */
	double speed;                         /* replay in the view: times real time; 0 as fast as possible */
	bool dns_names;                       /* record the names that are looked up */
	bool all_spans;                       /* OTLP: spans of any length */
	uint64_t span_min_ns[TRACE_KIND_CNT]; /* OTLP: 0 default */
	uint64_t diff_ns;                     /* goroutines: two looks so far apart, 0 one */
	uint64_t min_age_ns;                  /* goroutines: only those that wait at least so long */
	bool stacks;                          /* goroutines: whole stacks */
	bool interval_given, duration_given;
	bool plain; /* text blocks also on a terminal */
	bool once, json, all, force, toggle, quiet, ascii;
	int verbose;
	enum color_mode color;
	enum sort_key sort;
	bool reverse;
	const char *root;          /* folder above proc, sys, run and var; "" is the machine's own */
	uint32_t signals;          /* bits 1 << enum signal_id that are wanted */
	double max_overhead;       /* --max-overhead: share of a target's CPU, 0.005; negative: no limit */
	uint64_t sched_trigger_ns; /* --sched-trigger: a window of go_sched where the p99 of passive waits reaches it;
				      0: windows all the time, as the budget allows */
	bool at_quota;             /* --at-quota: windows also on containers that their CPU limit holds */
};

#define OPTIONS_EXIT 1 /* --help or --version was answered: leave with EXIT_GOOD */

/* 0, OPTIONS_EXIT, or -EINVAL after one line on stderr that says what is wrong. Strings borrow from argv. */
int options_parse(int argc, char **argv, struct options *ret);
