/* SPDX-License-Identifier: BSD-2-Clause */
/* runtime TARGET: everything that the Go runtime keeps of itself, read once and from outside: nothing is attached. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "commands.h"
#include "export/runtime_json.h"
#include "runtime/sample.h"
#include "session.h"
#include "view/format.h"

#define TARGETS_MAX  1024
#define PAUSES_SHOWN 5
#define PS_SHOWN     16
#define CELL_SZ      48

/* --- cells: `?` is what is not known --- */

static const char *number(int64_t v, char *buf)
{
	if (v == SAMPLE_UNKNOWN)
		return "?";
	snprintf(buf, CELL_SZ, "%" PRId64, v);
	return buf;
}

static const char *bytes(int64_t v, char *buf)
{
	return v == SAMPLE_UNKNOWN ? "?" : v == -1 ? "none" : format_bytes(v, buf, CELL_SZ);
}

/* Four digits: from nanoseconds to days there is no one unit. */
static const char *seconds(int64_t ns, char *buf)
{
	static const struct {
		double from;
		const char *unit;
	} units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}};
	double v = (double)ns;

	if (ns == SAMPLE_UNKNOWN)
		return "?";
	if (ns >= 0 && ns < 1000) {
		snprintf(buf, CELL_SZ, "%" PRId64 " ns", ns);
		return buf;
	}
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (v >= units[i].from || v <= -units[i].from || i + 1 == ARRAY_SIZE(units)) {
			int digits = v / units[i].from >= 100 ? 1 : v / units[i].from >= 10 ? 2 : 3;

			snprintf(buf, CELL_SZ, "%.*f %s", digits, v / units[i].from, units[i].unit);
			break;
		}
	return buf;
}

static void row(struct str *out, const char *name, const char *value)
{
	str_addf(out, "  %-26s%s\n", name, value);
}

static void __attribute__((format(printf, 3, 4))) rowf(struct str *out, const char *name, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	row(out, name, text);
}

/* --- groups --- */

static void title(struct str *out, const struct process *p, bool ascii)
{
	char name[OWNER_NAME_SZ * 3], clean[OWNER_NAME_SZ * 3];

	owner_format(p->owner, name, sizeof(name));
	format_clean(name, ascii, clean, sizeof(clean));
	str_addf(out, "%s  pid %d  %s  %s\n", clean, (int)p->pid, p->binary->go_version, binary_layout_text(p->binary));
}

static void settings(struct str *out, const struct runtime_detail *d)
{
	const struct runtime_sample *s = &d->sample;
	char a[CELL_SZ];

	str_add(out, "Settings\n");
	if (d->maxprocs_by == MAXPROCS_UNKNOWN)
		row(out, "GOMAXPROCS", number(s->gomaxprocs, a));
	else
		rowf(out, "GOMAXPROCS", "%s (%s)", number(s->gomaxprocs, a), maxprocs_by_text(d->maxprocs_by));
	row(out, "GOGC", s->gogc == -1 ? "off" : number(s->gogc, a));
	row(out, "GOMEMLIMIT", bytes(s->memory_limit_bytes, a));
}

static void cycle(struct str *out, const struct runtime_cycle *c)
{
	char a[CELL_SZ], b[CELL_SZ], e[CELL_SZ];

	rowf(out, "last cycle", "%" PRIu64 "%s: sweep termination %s, mark %s, mark termination %s", c->numgc,
	     c->forced ? " (forced)" : "", seconds(c->mark_ns - c->sweep_term_ns, a),
	     seconds(c->mark_term_ns - c->mark_ns, b), seconds(c->end_ns - c->mark_term_ns, e));
	rowf(out, "its heap", "%s at its start, %s at its end, live %s", bytes((int64_t)c->heap0, a),
	     bytes((int64_t)c->heap1, b), bytes((int64_t)c->heap2, e));
	rowf(out, "its CPU", "mark workers %s, assists %s, idle mark workers %s",
	     seconds(c->dedicated_ns + c->fractional_ns, a), seconds(c->assist_ns, b), seconds(c->idle_ns, e));
}

static void collector(struct str *out, const struct runtime_detail *d)
{
	const struct runtime_sample *s = &d->sample;
	const char *phase = runtime_phase_name(s->gc_phase);
	char a[CELL_SZ], b[CELL_SZ];

	str_add(out, "GC\n");
	rowf(out, "cycles", "%s, %s of them forced", number(s->numgc, a), number(s->numforcedgc, b));
	row(out, "phase", phase ? phase : "?");
	row(out, "stop-the-world in all", seconds(s->pause_total_ns, a));
	if (d->cycle_known)
		cycle(out, &d->cycle);
}

static void memory(struct str *out, const struct runtime_sample *s)
{
	char a[CELL_SZ], b[CELL_SZ];

	str_add(out, "Memory\n");
	row(out, "live after the last mark", bytes(s->heap_live_bytes, a));
	row(out, "heap now", bytes(s->heap_alloc_bytes, a));
	row(out, "heap goal", bytes(s->heap_goal_bytes, a));
	rowf(out, "allocated since start", "%s in %s objects", bytes(s->total_alloc_bytes, a),
	     number(s->total_allocs, b));
	rowf(out, "from the system", "%s, %s returned", bytes(s->memory_total_bytes, a),
	     bytes(s->memory_released_bytes, b));
	row(out, "stacks", bytes(s->memory_stacks_bytes, a));
	row(out, "counts against GOMEMLIMIT", bytes(s->mapped_ready_bytes, a));
}

/* Percentiles as the upper edges of their buckets: no wait was longer. */
static void percentiles(struct str *out, const char *name, const struct runtime_hist *h)
{
	static const double q[] = {0.5, 0.9, 0.99, 1};
	char cells[ARRAY_SIZE(q)][CELL_SZ];
	const char *texts[ARRAY_SIZE(q)];

	if (!h->buckets)
		return;
	if (!runtime_hist_total(h)) {
		row(out, name, "none yet");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(q); i++)
		texts[i] = seconds((int64_t)runtime_hist_low(h, runtime_hist_quantile(h, q[i]) + 1), cells[i]);
	rowf(out, name, "%" PRIu64 ": p50 < %s, p90 < %s, p99 < %s, max < %s", runtime_hist_total(h), texts[0],
	     texts[1], texts[2], texts[3]);
}

static void scheduler(struct str *out, const struct runtime_detail *d)
{
	const struct runtime_sample *s = &d->sample;
	char a[CELL_SZ], b[CELL_SZ], c[CELL_SZ];

	str_add(out, "Scheduler\n");
	row(out, "goroutines", number(s->goroutines, a));
	if (s->goroutines_created != SAMPLE_UNKNOWN)
		row(out, "created since start", number(s->goroutines_created, a));
	rowf(out, "runnable", "%s in the global queue, %s in queues of Ps", number(s->queue_global, a),
	     number(s->queue_local, b));
	rowf(out, "threads", "%s, %s idle, %s spinning", number(s->threads, a), number(s->threads_idle, b),
	     number(s->threads_spinning, c));
	row(out, "mutex wait in all", seconds(d->mutex_wait_ns, a));
	percentiles(out, "scheduling latency", &d->latency);
	percentiles(out, "stop-the-world, GC", &d->stw_total_gc);
	percentiles(out, "stop-the-world, other", &d->stw_total_other);
}

static void ps(struct str *out, const struct runtime_detail *d)
{
	int shown = d->p_cnt < PS_SHOWN ? d->p_cnt : PS_SHOWN;

	str_add(out, "Ps\n   id  status   queue   schedtick  syscalltick\n");
	for (int i = 0; i < shown; i++) {
		const struct runtime_p *p = &d->ps[i];
		const char *status = runtime_p_status_name(p->status);

		str_addf(out, "  %3d  %-8s %5u  %10u  %11u\n", p->id, status ? status : "?",
			 p->queue + (p->runnext ? 1 : 0), p->schedtick, p->syscalltick);
	}
	if (shown < d->p_cnt)
		str_addf(out, "  and %d more\n", d->p_cnt - shown);
}

static void cpu(struct str *out, const struct runtime_sample *s)
{
	char a[CELL_SZ];

	if (s->cpu_ns[RUNTIME_CPU_TOTAL] == SAMPLE_UNKNOWN)
		return;
	str_add(out, "CPU time up to the end of the last cycle\n");
	for (int i = 0; i < RUNTIME_CPU_CNT; i++)
		row(out, runtime_cpu_name(i), seconds(s->cpu_ns[i], a));
}

static void limit(struct str *out, const char *name, int n, int max)
{
	char a[CELL_SZ];

	if (max < 0)
		row(out, name, number(n < 0 ? SAMPLE_UNKNOWN : n, a));
	else
		rowf(out, name, "%s of %d", number(n < 0 ? SAMPLE_UNKNOWN : n, a), max);
}

static void pauses(struct str *out, const struct runtime_detail *d)
{
	uint64_t now = clock_unix_ns();
	char a[CELL_SZ], b[CELL_SZ];

	if (!d->pause_cnt)
		return;
	str_add(out, "Last cycles, stop-the-world\n");
	for (int i = 0; i < d->pause_cnt && i < PAUSES_SHOWN; i++) {
		const struct runtime_pause *p = &d->pauses[i];
		uint64_t ago = now > p->end_unix_ns ? now - p->end_unix_ns : 0;

		str_addf(out, "  cycle %-8" PRIu64 "%12s  %s ago\n", p->cycle, seconds((int64_t)p->pause_ns, a),
			 format_duration((double)ago / (double)NS_PER_SEC, b, sizeof(b)));
	}
}

static char *text_of(const struct process *p, const struct runtime_detail *d, bool ascii)
{
	struct str out;
	char *text;

	str_init(&out);
	title(&out, p, ascii);
	settings(&out, d);
	collector(&out, d);
	memory(&out, &d->sample);
	scheduler(&out, d);
	ps(&out, d);
	cpu(&out, &d->sample);
	str_add(&out, "Process\n");
	limit(&out, "file descriptors", d->fds, d->fd_limit);
	limit(&out, "threads", d->os_threads, d->thread_limit);
	pauses(&out, d);
	text = out.failed ? NULL : strdup(str_get(&out));
	str_deinit(&out);
	return text;
}

/* --- reading --- */

static int read_one(const struct options *opts, const struct process *p, struct runtime_detail *d, char *why)
{
	struct sampler *s = NULL;
	int err = sampler_open(opts->root, p, &s, why);

	if (err)
		return err;
	err = sampler_detail(s, d);
	if (err)
		err_why(why, 0, "%s", err == -ESRCH ? "the process is gone" : sampler_why(s));
	sampler_close(s);
	return err;
}

/* 1 shown, 0 refused and said so, -errno of stdout. */
static int show(const struct options *opts, const struct process *p)
{
	struct plain_style style;
	struct runtime_detail d;
	char why[WHY_SZ] = "";
	bool known;
	int err;

	output_style(opts, &style);
	runtime_detail_init(&d);
	known = !read_one(opts, p, &d, why);
	if (!known)
		log_error("pid %d: %s", (int)p->pid, why);
	if (opts->json)
		err = output_line_consume(runtime_json(p, p->owner, known ? &d : NULL, why));
	else
		err = known ? output_line_consume(text_of(p, &d, style.ascii)) : 0;
	runtime_detail_deinit(&d);
	return err ? err : known;
}

int command_runtime(const struct options *opts)
{
	struct session_cfg cfg = {.opts = opts, .want_values = true, .start_detached = true};
	struct process **targets = calloc(TARGETS_MAX, sizeof(struct process *));
	char why[WHY_SZ] = "";
	struct session *s;
	int cnt, good = 0, err = targets ? session_open(&cfg, &s, why) : -ENOMEM;

	if (err) {
		free(targets);
		return output_open_failed(err, targets ? why : "out of memory");
	}
	clock_sync();
	cnt = output_targets(s, opts, targets, TARGETS_MAX);
	for (int i = 0; i < cnt && err >= 0; i++) {
		err = show(opts, targets[i]);
		good += err > 0;
	}
	session_close(s);
	free(targets);
	if (cnt < 0)
		return -cnt;
	if (err < 0)
		return output_failed(err);
	return good == cnt ? EXIT_GOOD : EXIT_FAILED;
}
