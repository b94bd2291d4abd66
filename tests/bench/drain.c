/* SPDX-License-Identifier: BSD-2-Clause */
/* What the ring of a goroutine window alone costs us: opens one on a process, drains it every 10 ms as the agent does, and
 * does nothing with what comes but to count it. Prints a line of JSON. For sched_ring. Needs root.
 *
 *   drain PID SECONDS */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "probes/probes.h"
#include "procs/proc_info.h"
#include "symbols/binary.h"

#define STEP_US 10000

static uint64_t events;
static bool closed;
static struct go_sched_status last;

static void on_events(pid_t pid, const struct go_sched_event *e, unsigned int cnt, void *arg)
{
	events += cnt;
}

static void on_closed(pid_t pid, const struct go_sched_status *status, void *arg)
{
	last = *status;
	closed = true;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

/* As the process table would hold it. */
static int find(pid_t pid, struct process *p, char *why)
{
	_cleanup_close_ int fd = proc_info_open_exe("", pid);
	struct binary *b = NULL;
	int err = fd < 0 ? err_why(why, fd, "no process") : binary_read(fd, &b, why);

	p->pid = pid;
	p->binary = b;
	return err ? err : proc_info_read_bias("", pid, b, &p->bias);
}

static int run(struct probes *probes, const struct process *p, double seconds, char *why)
{
	_cleanup_close_ int fd = proc_info_open_exe("", p->pid);
	uint64_t begin, end, used = 0;
	int err = probes_sched_open(probes, p, fd, why);

	if (err)
		return err;
	begin = clock_mono_ns();
	end = begin + (uint64_t)(seconds * 1e9);
	while (clock_mono_ns() < end) {
		usleep(STEP_US);
		used -= cpu_ns();
		probes_sched_drain(probes);
		used += cpu_ns();
	}
	probes_sched_close(probes, p->pid);
	while (!closed) {
		usleep(STEP_US);
		probes_sched_drain(probes);
	}
	printf("{\"events\": %" PRIu64 ", \"lost\": %llu, \"drain_ns\": %" PRIu64 ", \"seconds\": %.3f}\n", events,
	       (unsigned long long)(last.lost[0] + last.lost[1]), used, (double)(last.end_ns - last.start_ns) / 1e9);
	return 0;
}

int main(int argc, char **argv)
{
	const struct probes_cfg cfg = {.wanted = 0, .sched_events = on_events, .sched_closed = on_closed};
	struct probes *probes = NULL;
	struct process p = {0};
	char why[WHY_SZ] = "";
	int err;

	if (argc != 3) {
		fprintf(stderr, "usage: drain PID SECONDS\n");
		return 2;
	}
	err = find(atoi(argv[1]), &p, why);
	if (!err)
		err = probes_new(&cfg, &probes, why);
	if (!err)
		err = run(probes, &p, atof(argv[2]), why);
	if (err)
		fprintf(stderr, "drain: %s\n", why);
	probes_free(probes);
	binary_free((struct binary *)p.binary);
	return err != 0;
}
