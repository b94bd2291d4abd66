/* SPDX-License-Identifier: BSD-2-Clause */
/* What an armed window of cpu_sched adds to one context switch, beside libbpf-tools' runqlat.
 *
 * Two processes on one CPU hand a byte to and fro: each round trip is two wake-ups and two switches, and nothing else.
 * Its CPU time (their own clocks, so other load does not count) is taken in short rounds: bare, with our window and the
 * pair watched, with our window and the pair not watched, with runqlat; in changing order, the tracers attached for
 * their round only. The costs are medians of the differences to the bare round of the same cycle, the interval is a
 * bootstrap of 95 % over cycles.
 *
 *   switch [CYCLES]     needs root; prints one line; exit 77 without runqlat */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "probes/probes.h"

#define CYCLES_DEFAULT 40
#define CYCLES_MAX     1000
#define WARM_UP        1000  /* round trips */
#define ROUND_TRIPS    6000  /* some 40 ms */
#define SAMPLES        2000  /* of the bootstrap */
#define SETTLE_US      50000 /* after attaching and detaching */

enum variant { BARE, WATCHED, UNWATCHED, RUNQLAT, VARIANT_CNT };

struct pair {
	pid_t ping, pong;
	int ask, answer; /* to and from ping */
};

static double ns[VARIANT_CNT][CYCLES_MAX]; /* a switch */

static void pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((int)sysconf(_SC_NPROCESSORS_ONLN) - 1, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static bool pass_on(int in, int out)
{
	char c;

	return read(in, &c, 1) == 1 && write(out, &c, 1) == 1;
}

static uint64_t cpu_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

/* Round trips, and the CPU time of both processes in them. */
static uint64_t round_trips(unsigned int n, int in, int out, clockid_t other)
{
	uint64_t begin = cpu_ns(CLOCK_PROCESS_CPUTIME_ID) + cpu_ns(other);

	for (unsigned int i = 0; i < n; i++)
		if (write(out, "x", 1) != 1 || read(in, &(char){0}, 1) != 1)
			_exit(1);
	return cpu_ns(CLOCK_PROCESS_CPUTIME_ID) + cpu_ns(other) - begin;
}

static void ping(int ask, int answer, int in, int out, pid_t pong)
{
	clockid_t other;
	uint64_t took;
	char c;

	pin();
	if (clock_getcpuclockid(pong, &other))
		_exit(1);
	while (read(ask, &c, 1) == 1) {
		round_trips(WARM_UP, in, out, other);
		took = round_trips(ROUND_TRIPS, in, out, other);
		if (write(answer, &took, sizeof(took)) != sizeof(took))
			break;
	}
	_exit(0);
}

static int pair_start(struct pair *p)
{
	int to[2], fro[2], ask[2], answer[2];

	if (pipe(to) || pipe(fro) || pipe(ask) || pipe(answer))
		return -1;
	p->pong = fork();
	if (!p->pong) {
		pin();
		close(to[1]);
		while (pass_on(to[0], fro[1]))
			;
		_exit(0);
	}
	p->ping = fork();
	if (!p->ping) {
		close(ask[1]);
		ping(ask[0], answer[1], fro[0], to[1], p->pong);
	}
	p->ask = ask[1];
	p->answer = answer[0];
	return p->ping > 0 && p->pong > 0 ? 0 : -1;
}

static void pair_stop(struct pair *p)
{
	pid_t pids[] = {p->ping, p->pong};

	for (int i = 0; i < 2; i++) {
		if (pids[i] <= 0)
			continue;
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

/* CPU time of one switch in ns. */
static double pair_measure(struct pair *p)
{
	uint64_t took = 0;

	usleep(SETTLE_US);
	if (write(p->ask, "x", 1) != 1 || read(p->answer, &took, sizeof(took)) != sizeof(took))
		exit(1);
	return (double)took / ROUND_TRIPS / 2;
}

static double with_runqlat(struct pair *p)
{
	int out[2], status;
	char text[64];
	double took;
	pid_t pid;

	if (pipe(out))
		exit(1);
	pid = fork();
	if (!pid) {
		dup2(out[1], 1);
		execlp("stdbuf", "stdbuf", "-oL", "runqlat", "1000", (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	if (read(out[0], text, sizeof(text)) <= 0) /* "Tracing ...": it is attached */
		exit(77);
	took = pair_measure(p);
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	close(out[0]);
	return took;
}

static double with_window(struct probes *probes, struct pair *p, bool watched)
{
	double took;

	if (watched) {
		probes_watch_process(probes, p->ping);
		probes_watch_process(probes, p->pong);
	}
	if (probes_arm_sched(probes, NS_PER_MS))
		exit(1);
	took = pair_measure(p);
	probes_tick(probes, clock_mono_ns(), NULL, NULL);
	probes_remove_process(probes, p->ping);
	probes_remove_process(probes, p->pong);
	usleep(SETTLE_US * 2); /* a window is not opened right after another */
	return took;
}

static double measure(enum variant v, struct probes *probes, struct pair *p)
{
	if (v == BARE)
		return pair_measure(p);
	return v == RUNQLAT ? with_runqlat(p) : with_window(probes, p, v == WATCHED);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, unsigned int n)
{
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Median added cost of a variant over the cycles with these numbers (NULL: each once). */
static double added(enum variant v, unsigned int n, const unsigned int *pick)
{
	double d[CYCLES_MAX];

	for (unsigned int i = 0; i < n; i++) {
		unsigned int k = pick ? pick[i] : i;

		d[i] = ns[v][k] - ns[BARE][k];
	}
	return median(d, n);
}

static void interval(unsigned int n, double *low, double *high)
{
	static double ratio[SAMPLES];
	unsigned int pick[CYCLES_MAX];

	srandom(1);
	for (unsigned int s = 0; s < SAMPLES; s++) {
		for (unsigned int i = 0; i < n; i++)
			pick[i] = (unsigned int)random() % n;
		ratio[s] = added(WATCHED, n, pick) / added(RUNQLAT, n, pick);
	}
	qsort(ratio, SAMPLES, sizeof(*ratio), by_value);
	*low = ratio[SAMPLES / 40];
	*high = ratio[SAMPLES - 1 - SAMPLES / 40];
}

static void report(unsigned int n)
{
	double ours = added(WATCHED, n, NULL), theirs = added(RUNQLAT, n, NULL), low, high, bare[CYCLES_MAX];

	interval(n, &low, &high);
	memcpy(bare, ns[BARE], sizeof(bare));
	printf("switch: bare %.0f ns, cpu_sched +%.0f ns (not watched +%.0f), runqlat +%.0f ns; ratio %.2f [%.2f, "
	       "%.2f], "
	       "goal 0.45, %u cycles\n",
	       median(bare, n), ours, added(UNWATCHED, n, NULL), theirs, ours / theirs, low, high, n);
}

int main(int argc, char **argv)
{
	unsigned int cycles = argc > 1 ? (unsigned int)atoi(argv[1]) : CYCLES_DEFAULT;
	struct probes_cfg cfg = {.wanted = 1u << SIGNAL_CPU_SCHED};
	struct probes *probes = NULL;
	char why[WHY_SZ] = "";
	struct pair p = {0};

	if (cycles < 3 || cycles > CYCLES_MAX)
		return 2;
	if (system("command -v runqlat >/dev/null"))
		return printf("skipped: no runqlat (package libbpf-tools)\n") > 0 ? 77 : 1;
	if (pair_start(&p) || probes_new(&cfg, &probes, why)) {
		fprintf(stderr, "%s\n", why);
		pair_stop(&p);
		return 1;
	}
	for (unsigned int i = 0; i < cycles; i++)
		for (unsigned int k = 0; k < VARIANT_CNT; k++) {
			enum variant v = (i + k) % VARIANT_CNT;

			ns[v][i] = measure(v, probes, &p);
		}
	report(cycles);
	pair_stop(&p);
	probes_free(probes);
	return 0;
}
