/* SPDX-License-Identifier: BSD-2-Clause */
#include "probes_harness.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "symbols/elf_image.h"
#include "symbols/pclntab.h"
#include "symbols/probe_site.h"

/* ---- the program ----------------------------------------------------------------------------------------- */

static char private_dir[64];

static void remove_private(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", private_dir);
	if (private_dir[0] && system(cmd))
		fprintf(stderr, "cannot remove %s\n", private_dir);
}

/* A copy of our own: a uprobe fires in every process of a file, also in those of a test that runs at the same time. */
static int make_private(const char *from, const char *fixture, const char *version, const char *variant, char *path,
			size_t sz)
{
	char cmd[1200];

	if (!private_dir[0]) {
		strcpy(private_dir, "/tmp/test_probes.XXXXXX");
		if (!mkdtemp(private_dir))
			return -errno;
		atexit(remove_private);
	}
	snprintf(path, sz, "%s/%s-%s-%s", private_dir, fixture, version, variant);
	snprintf(cmd, sizeof(cmd), "cp %s %s", from, path);
	return access(path, X_OK) && system(cmd) ? -EIO : 0;
}

int prey_find_fixture(const char *fixture, const char *version, const char *variant, char *path, size_t sz)
{
	const char *dir = getenv("GCFORCE_DIR");
	char cmd[512], from[512];
	FILE *f;
	bool good;

	if (dir) {
		snprintf(from, sizeof(from), "%s/%s-%s-%s", dir, fixture, version, variant);
		return make_private(from, fixture, version, variant, path, sz);
	}
	snprintf(cmd, sizeof(cmd), "tools/go-fixture tests/fixtures/go/%s %s %s", fixture, version, variant);
	f = popen(cmd, "r");
	if (!f)
		return -errno;
	good = fgets(from, sizeof(from), f);
	if (pclose(f) || !good)
		return -ENOENT;
	from[strcspn(from, "\n")] = '\0';
	return make_private(from, fixture, version, variant, path, sz);
}

int prey_find(const char *version, const char *variant, char *path, size_t sz)
{
	return prey_find_fixture("gcforce", version, variant, path, sz);
}

static void run_prey(const char *path, int in, int out)
{
	dup2(in, 0);
	dup2(out, 1);
	execl(path, path, (char *)NULL);
	_exit(127);
}

static int read_answer(struct prey *p, struct prey_answer *ret)
{
	char *line = NULL;
	size_t sz = 0, i;
	json_t *root, *value;

	if (getline(&line, &sz, p->out) <= 0) {
		free(line);
		return -EPIPE;
	}
	root = json_loads(line, 0, NULL);
	free(line);
	if (!root)
		return -EINVAL;
	memset(ret, 0, sizeof(*ret));
	ret->num_gc = (uint64_t)json_integer_value(json_object_get(root, "num_gc"));
	ret->hot_sum = (uint64_t)json_integer_value(json_object_get(root, "hot_sum"));
	ret->used_ns = (uint64_t)json_integer_value(json_object_get(root, "used_ns"));
	json_array_foreach(json_object_get(root, "pause_ns"), i, value) if (ret->pause_cnt < 256)
		ret->pause_ns[ret->pause_cnt++] = (uint64_t)json_integer_value(value);
	json_decref(root);
	return 0;
}

int prey_start(const char *path, struct prey *ret)
{
	int in[2], out[2];
	struct prey_answer answer;

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return -errno;
	str_copy(ret->exe, sizeof(ret->exe), path);
	ret->pid = fork();
	if (!ret->pid)
		run_prey(path, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	ret->in = fdopen(in[1], "w");
	ret->out = fdopen(out[0], "r");
	return read_answer(ret, &answer);
}

int prey_do(struct prey *p, struct prey_answer *ret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(p->in, fmt, ap);
	va_end(ap);
	fputc('\n', p->in);
	if (fflush(p->in))
		return -errno;
	return read_answer(p, ret);
}

void prey_stop(struct prey *p)
{
	if (p->pid <= 0)
		return;
	fclose(p->in);
	waitpid(p->pid, NULL, 0);
	fclose(p->out);
	p->pid = 0;
}

/* ---- probes on it ---------------------------------------------------------------------------------------- */

static void on_event(const union event *e, void *arg)
{
	struct rig *r = arg;

	if (r->ev_cnt < RIG_EVENTS_MAX)
		memcpy(&r->ev[r->ev_cnt++], e, e->hdr.size);
}

static void on_storm(pid_t pid, enum signal_id id, const char *why, void *arg)
{
	struct rig *r = arg;

	r->storms++;
	r->storm_pid = pid;
	r->storm_signal = id;
	str_copy(r->storm_why, sizeof(r->storm_why), why);
}

int rig_start(struct rig *r, const struct probes_cfg *cfg, char *why)
{
	int err;

	memset(r, 0, sizeof(*r));
	r->ev = calloc(RIG_EVENTS_MAX, sizeof(*r->ev));
	err = probes_new(cfg, &r->probes, why);
	if (!err)
		err = ring_source_new(probes_ring_fd(r->probes), on_event, r, &r->ring);
	if (err)
		rig_stop(r);
	return err;
}

void rig_stop(struct rig *r)
{
	ring_source_free(r->ring);
	probes_free(r->probes);
	free(r->ev);
	memset(r, 0, sizeof(*r));
}

static int open_exe(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int watched_init(struct watched *w, pid_t pid, char *why)
{
	_cleanup_close_ int fd = open_exe(pid);

	memset(w, 0, sizeof(*w));
	if (fd < 0)
		return err_why(why, -errno, "cannot open its executable");
	w->process.pid = pid;
	snprintf(w->process.exe, sizeof(w->process.exe), "/proc/%d/exe", pid);
	int err = binary_read(fd, &w->binary, why);

	w->process.binary = w->binary;
	return err;
}

void watched_deinit(struct watched *w)
{
	w->binary = binary_free(w->binary);
}

int rig_add(struct rig *r, const struct watched *w, char *why)
{
	_cleanup_close_ int fd = open_exe(w->process.pid);

	return fd < 0 ? -errno : probes_add_process(r->probes, &w->process, fd, why);
}

void rig_drain(struct rig *r)
{
	while (ring_source_drain(r->ring, 4096) > 0)
		;
}

void rig_run(struct rig *r, unsigned int ms)
{
	uint64_t end = clock_mono_ns() + ms * NS_PER_MS, tick = 0;

	while (clock_mono_ns() < end) {
		rig_drain(r);
		if (clock_mono_ns() - tick >= 100 * NS_PER_MS) {
			tick = clock_mono_ns();
			probes_tick(r->probes, tick, on_storm, r);
		}
		usleep(10000);
	}
	rig_drain(r);
}

unsigned int rig_count(const struct rig *r, enum event_kind kind, pid_t pid, int reason)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->ev_cnt; i++) {
		const union event *e = &r->ev[i];

		if (e->hdr.kind == kind && (!pid || (pid_t)e->hdr.tgid == pid) &&
		    (reason < 0 || e->gc_pause.reason == (uint32_t)reason))
			n++;
	}
	return n;
}

int64_t rig_unexplained(const struct rig *r, enum signal_id id, struct signal_counters *ret)
{
	int64_t sum;

	probes_counters(r->probes, id, ret);
	sum = (int64_t)(ret->hits - ret->events - ret->filtered);
	for (int i = 0; i < LOSS_REASON_MAX; i++)
		sum -= (int64_t)ret->lost[i];
	return sum;
}

int find_hot_site(pid_t pid, struct probe_site *ret, char *why)
{
	_cleanup_close_ int fd = open_exe(pid);
	struct symbol symbol = {.name = "main.hot"};
	struct pclntab tab;
	struct elf_image img;
	struct stat st;
	int err;

	if (fd < 0 || fstat(fd, &st))
		return err_why(why, -errno, "cannot open its executable");
	err = elf_image_open(&img, fd, (uint64_t)st.st_size, why);
	if (err)
		return err;
	err = pclntab_open(&img, &tab, why);
	if (!err)
		err = pclntab_find(&img, &tab, &symbol, 1);
	if (!err)
		probe_site_find(&img, symbol.vaddr, symbol.end, false, ret);
	elf_image_close(&img);
	return err ? err : ret->how == SITE_NONE ? err_why(why, -ENOENT, "main.hot: %s", ret->why) : 0;
}

void print_event(const union event *e)
{
	const struct event_hdr *h = &e->hdr;

	printf("%" PRIu64 ".%06" PRIu64 " tgid %u tid %u cpu-cgroup %" PRIu64 " v2 %" PRIu64 " binary %u ",
	       (uint64_t)h->time_ns / 1000000000, (uint64_t)h->time_ns / 1000 % 1000000, h->tgid, h->tid,
	       (uint64_t)h->cpu_cgid, (uint64_t)h->v2_cgid, h->binary);
	switch (h->kind) {
	case EVENT_GC_START:
		printf("gc start, procs %u, trigger %u, mark start %.1f us before\n", e->gc_start.procs,
		       e->gc_start.trigger, (double)(h->time_ns - e->gc_start.mark_start_ns) / 1e3);
		break;
	case EVENT_GC_MARK_END:
		printf("gc mark end\n");
		break;
	case EVENT_GC_PAUSE:
		printf("pause %.1f us, stopped after %.1f us, reason %u, flags %u, '%s'\n",
		       (double)(h->time_ns - e->gc_pause.start_ns) / 1e3,
		       e->gc_pause.stopped_ns ? (double)(e->gc_pause.stopped_ns - e->gc_pause.start_ns) / 1e3 : -1,
		       e->gc_pause.reason, e->gc_pause.flags, e->gc_pause.text);
		break;
	case EVENT_PROC_EXEC:
	case EVENT_PROC_EXIT:
		printf("%s, comm %.16s, code %#x\n", h->kind == EVENT_PROC_EXEC ? "exec" : "exit", e->proc.comm,
		       e->proc.exit_code);
		break;
	default:
		printf("kind %u\n", h->kind);
	}
}

/* ---- cases ----------------------------------------------------------------------------------------------- */

static bool verbose;
bool harness_slow;

bool expect(bool good, const char *fmt, ...)
{
	va_list ap;

	if (good && !verbose)
		return true;
	printf("#   %s: ", good ? "good" : "FAILED");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	return good;
}

int scene_set_up_fixture(struct scene *s, const char *fixture, const char *version, const char *variant,
			 const struct probes_cfg *cfg)
{
	char path[512], why[WHY_SZ] = "";
	int err;

	memset(s, 0, sizeof(*s));
	err = prey_find_fixture(fixture, version, variant, path, sizeof(path));
	if (!err)
		err = prey_start(path, &s->prey);
	if (!err)
		err = watched_init(&s->watched, s->prey.pid, why);
	if (!err)
		err = rig_start(&s->rig, cfg, why);
	if (err)
		expect(false, "set up with Go %s %s: %d %s", version, variant, err, why);
	return err;
}

int scene_set_up(struct scene *s, const char *version, const char *variant, const struct probes_cfg *cfg)
{
	return scene_set_up_fixture(s, "gcforce", version, variant, cfg);
}

bool scene_add(struct scene *s)
{
	char why[WHY_SZ] = "";
	int err = rig_add(&s->rig, &s->watched, why);

	return expect(!err, "process added: %d %s", err, why);
}

void scene_tear_down(struct scene *s)
{
	rig_stop(&s->rig);
	prey_stop(&s->prey);
	watched_deinit(&s->watched);
}

bool rig_explained_of(const struct rig *r, enum signal_id id, struct signal_counters *c)
{
	int64_t gap = rig_unexplained(r, id, c);

	return expect(!gap, "hits %" PRIu64 " = events %" PRIu64 " + filtered %" PRIu64 " + losses (gap %" PRId64 ")",
		      (uint64_t)c->hits, (uint64_t)c->events, (uint64_t)c->filtered, gap);
}

bool rig_explained(const struct rig *r, struct signal_counters *c)
{
	return rig_explained_of(r, SIGNAL_GO_GC, c);
}

uint64_t rig_losses(const struct signal_counters *c)
{
	uint64_t sum = 0;

	for (int i = 0; i < LOSS_REASON_MAX; i++)
		sum += c->lost[i];
	return sum;
}

/* Puts the probe of endCycle on main.hot. */
bool scene_set_up_hot(struct scene *s, const struct probes_cfg *cfg)
{
	char why[WHY_SZ] = "";

	if (scene_set_up(s, "1.26.8", "plain", cfg))
		return false;
	if (!expect(!find_hot_site(s->prey.pid, &s->watched.binary->sites[GO_SITE_END_CYCLE], why),
		    "site of main.hot %s", why))
		return false;
	return scene_add(s);
}

static bool asked(int argc, char **argv, const char *name)
{
	for (int i = optind; i < argc; i++)
		if (strstr(name, argv[i]))
			return true;
	return optind >= argc;
}

int harness_main(int argc, char **argv, const struct harness_case *cases, size_t cases_cnt)
{
	struct kernel_features f;
	int opt, failed = 0;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((opt = getopt(argc, argv, "vds")) != -1) {
		if (opt == 'd')
			log_set_level(LOG_LEVEL_DEBUG);
		verbose |= opt == 'v' || opt == 'd';
		harness_slow |= opt == 's';
	}
	kernel_features_read(&f);
	kernel_features_try(&f);
	if (!f.bpf_allowed) {
		printf("skipped: %s\n", f.bpf_why);
		return 77;
	}
	for (size_t i = 0; i < cases_cnt; i++) {
		bool good;

		if (!asked(argc, argv, cases[i].name))
			continue;
		good = cases[i].run();
		failed += !good;
		printf("%sok %s\n", good ? "" : "not ", cases[i].name);
	}
	return failed ? 1 : 0;
}
