/* SPDX-License-Identifier: BSD-2-Clause */
/* A Go program under our control (fixture gcforce), the probes on it, and what they delivered: for test_go_gc and
 * test_probes. The tests run in the top folder of the sources (tools/go-fixture). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "event.h"
#include "events/source.h"
#include "probes/probes.h"

/* ---- the program ----------------------------------------------------------------------------------------- */

struct prey {
	pid_t pid;
	FILE *in, *out;
	char exe[512];
};

/* What it answered: MemStats after "stats". */
struct prey_answer {
	uint64_t num_gc, hot_sum, used_ns;
	uint64_t pause_ns[256];
	unsigned int pause_cnt;
};

/* Path of a private copy of the fixture built with that toolchain ("1.26.8", "stripped"), by tools/go-fixture or, in a
 * virtual machine, from the folder that GCFORCE_DIR names (gcforce-VERSION-VARIANT): 0 or -errno. */
int prey_find(const char *version, const char *variant, char *path, size_t sz);
/* The same of another program that takes commands so. */
int prey_find_fixture(const char *fixture, const char *version, const char *variant, char *path, size_t sz);
/* Starts a program and waits for its first line. 0 or -errno. */
int prey_start(const char *path, struct prey *ret);
/* Sends one command and waits for its answer. 0 or -errno. */
int prey_do(struct prey *p, struct prey_answer *ret, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Ends it and waits. */
void prey_stop(struct prey *p);

/* ---- probes on it ---------------------------------------------------------------------------------------- */

#define RIG_EVENTS_MAX 65536

struct rig {
	struct probes *probes;
	struct ring_source *ring;
	union event *ev; /* owned */
	unsigned int ev_cnt;
	unsigned int storms;
	char storm_why[WHY_SZ];
	pid_t storm_pid;
	enum signal_id storm_signal;
};

/* A process to be wanted, as the process table would hold it. */
struct watched {
	struct process process;
	struct binary *binary; /* owned; sites may be changed before rig_add */
};

int rig_start(struct rig *r, const struct probes_cfg *cfg, char *why);
void rig_stop(struct rig *r);
/* Reads the executable of a process. 0, or an error with why. */
int watched_init(struct watched *w, pid_t pid, char *why);
void watched_deinit(struct watched *w);
/* probes_add_process with a descriptor of its executable. */
int rig_add(struct rig *r, const struct watched *w, char *why);
void rig_drain(struct rig *r);
/* Ticks and drains every 10 ms for that long. */
void rig_run(struct rig *r, unsigned int ms);
/* Number of events of a kind of one process (pid 0: any); reason < 0: any, else that of a pause. */
unsigned int rig_count(const struct rig *r, enum event_kind kind, pid_t pid, int reason);
/* hits - events - filtered - losses: 0 unless something is lost silently. */
int64_t rig_unexplained(const struct rig *r, enum signal_id id, struct signal_counters *ret);
/* Site of main.hot in the program. 0 or an error with why. */
int find_hot_site(pid_t pid, struct probe_site *ret, char *why);
void print_event(const union event *e);

/* ---- cases ----------------------------------------------------------------------------------------------- */

#define WANT_GO_GC (1u << SIGNAL_GO_GC)
#define WANT_WATCH (1u << SIGNAL_PROC_WATCH)

/* A program under probes: what most cases start with. */
struct scene {
	struct prey prey;
	struct rig rig;
	struct watched watched;
};

struct harness_case {
	const char *name;
	bool (*run)(void);
};

extern bool harness_slow; /* lengths and times are not judged */

/* Says what was expected if it is not so, or if asked for all; returns good. */
bool expect(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Starts program and probes, and reads the executable; 0 or an error that was printed. Tear down in any case. */
int scene_set_up(struct scene *s, const char *version, const char *variant, const struct probes_cfg *cfg);
int scene_set_up_fixture(struct scene *s, const char *fixture, const char *version, const char *variant,
			 const struct probes_cfg *cfg);
bool scene_add(struct scene *s);
/* Both, with the probe of endCycle on main.hot. */
bool scene_set_up_hot(struct scene *s, const struct probes_cfg *cfg);
void scene_tear_down(struct scene *s);
bool rig_explained(const struct rig *r, struct signal_counters *ret); /* of go_gc */
bool rig_explained_of(const struct rig *r, enum signal_id id, struct signal_counters *ret);
uint64_t rig_losses(const struct signal_counters *c);

/* Runs the cases whose names contain an argument, or all; prints "ok NAME" or "not ok NAME". Options: -v say what was
 * good, too, -d debug messages, -s slow machine (emulation): lengths and times are not judged. 0, 1 if one failed, 77
 * if BPF is not allowed here. */
int harness_main(int argc, char **argv, const struct harness_case *cases, size_t cases_cnt);
