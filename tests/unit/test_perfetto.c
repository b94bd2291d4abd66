/* SPDX-License-Identifier: BSD-2-Clause */
/* perfetto: the bytes that the writer makes, what is on which track in which order, and the bounds. Whole runs are read
 * with Perfetto's own classes in tests/tools/test_perfetto.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "export/exporter.h"
#include "export/perfetto_gc.h"
#include "export/perfetto_sched.h"
#include "export/protobuf.h"
#include "trace_events.h"

static void expect_bytes(const struct pb *p, const void *want, size_t sz)
{
	assert_false(p->failed);
	assert_int_equal(p->len, sz);
	assert_memory_equal(p->buf, want, sz);
}

static void writer_numbers(void **state)
{
	static const struct {
		uint32_t field;
		uint64_t value;
		const char *want;
		size_t sz;
	} rows[] = {
		{1, 0, "\x08\x00", 2},
		{1, 127, "\x08\x7f", 2},
		{1, 128, "\x08\x80\x01", 3},
		{1, 150, "\x08\x96\x01", 3}, /* the example of the format's documentation */
		{15, 1, "\x78\x01", 2},
		{16, 1, "\x80\x01\x01", 3},
		{58, 3, "\xd0\x03\x03", 3},
		{2, UINT64_MAX, "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},
		{2, 1ull << 63, "\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11},
	};
	struct pb p;

	pb_init(&p);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		pb_clear(&p);
		pb_uint(&p, rows[i].field, rows[i].value);
		expect_bytes(&p, rows[i].want, rows[i].sz);
	}
	pb_clear(&p);
	pb_int(&p, 2, -1);
	expect_bytes(&p, "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
	pb_clear(&p);
	pb_double(&p, 5, 1.5);
	expect_bytes(&p, "\x29\0\0\0\0\0\0\xf8\x3f", 9);
	pb_deinit(&p);
}

static void writer_texts(void **state)
{
	struct pb p;

	pb_init(&p);
	pb_text(&p, 2, "testing");
	expect_bytes(&p, "\x12\x07testing", 9);
	pb_clear(&p);
	pb_text(&p, 2, "");
	expect_bytes(&p, "\x12\x00", 2);
	pb_clear(&p);
	pb_text(&p, 2, "a\xc3\xa4\xff");
	expect_bytes(&p,
		     "\x12\x06"
		     "a\xc3\xa4\xef\xbf\xbd",
		     8);
	pb_clear(&p);
	pb_bytes(&p, 2, "\0\xff", 2);
	expect_bytes(&p, "\x12\x02\0\xff", 4);
	pb_deinit(&p);
}

/* Lengths of one, two and three bytes, two levels deep. */
static void writer_nested(void **state)
{
	static const size_t sizes[] = {0, 1, 125, 126, 127, 128, 16380, 16384, 100000};
	static char body[100000];
	struct pb p;

	pb_init(&p);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t outer, inner, n = sizes[i];
		struct pb want;

		pb_clear(&p);
		outer = pb_begin(&p, 1);
		pb_uint(&p, 3, 7);
		inner = pb_begin(&p, 2);
		pb_raw(&p, body, n);
		pb_end(&p, inner);
		pb_end(&p, outer);

		pb_init(&want);
		pb_uint(&want, 3, 7);
		pb_bytes(&want, 2, body, n);
		outer = p.len - want.len; /* tag and length */
		assert_int_equal(outer, want.len < 128 ? 2 : want.len < 16384 ? 3 : 4);
		assert_int_equal(p.buf[0], 0x0a);
		assert_memory_equal(p.buf + outer, want.buf, want.len);
		pb_deinit(&want);
	}
	pb_deinit(&p);
}

/* ---- a reader of what we write ---- */

enum { BEGIN = 1, END = 2, INSTANT = 3, COUNTER = 4 };

struct seen {
	int type;
	uint64_t track, ns;
	char name[32];
	uint64_t value; /* of a counter: bits of the double where it is one */
};

struct seen_track {
	uint64_t uuid, parent;
	char name[80];
};

struct file {
	struct exporter *x;
	FILE *f;
	char *mem;
	size_t sz;
	struct seen *seen;
	size_t seen_cnt;
	struct seen_track tracks[2000];
	size_t track_cnt;
	int clocks;
	bool tracks_off; /* there are too many: they are not kept */
};

struct field {
	uint32_t number, wire;
	uint64_t value; /* or length */
	const unsigned char *bytes;
};

static uint64_t read_varint(const unsigned char **at)
{
	uint64_t v = 0;

	for (int shift = 0;; shift += 7) {
		v |= (uint64_t)(**at & 0x7f) << shift;
		if (!(*(*at)++ & 0x80))
			return v;
	}
}

static bool read_field(const unsigned char **at, const unsigned char *end, struct field *f)
{
	uint64_t tag;

	if (*at >= end)
		return false;
	tag = read_varint(at);
	f->number = (uint32_t)(tag >> 3);
	f->wire = tag & 7;
	f->bytes = *at;
	if (f->wire == 1) {
		memcpy(&f->value, *at, 8);
		*at += 8;
		return true;
	}
	f->value = read_varint(at);
	f->bytes = *at;
	if (f->wire == 2)
		*at += f->value;
	assert_true(f->wire == 0 || f->wire == 2);
	assert_true(*at <= end);
	return true;
}

static void copy_text(char *buf, size_t sz, const struct field *f)
{
	snprintf(buf, sz, "%.*s", (int)f->value, (const char *)f->bytes);
}

static void read_event(struct file *file, struct field msg, uint64_t ns)
{
	const unsigned char *at = msg.bytes, *end = at + msg.value;
	struct seen *s;
	struct field f;

	if (!(file->seen_cnt & (file->seen_cnt - 1))) /* full at each power of two */
		file->seen = realloc(file->seen, (file->seen_cnt ? 2 * file->seen_cnt : 1) * sizeof(*s));
	s = &file->seen[file->seen_cnt++];
	*s = (struct seen){.ns = ns};
	while (read_field(&at, end, &f)) {
		if (f.number == 9)
			s->type = (int)f.value;
		else if (f.number == 11)
			s->track = f.value;
		else if (f.number == 23)
			copy_text(s->name, sizeof(s->name), &f);
		else if (f.number == 30 || f.number == 44)
			s->value = f.value;
	}
}

static void read_track(struct file *file, struct field msg)
{
	const unsigned char *at = msg.bytes, *end = at + msg.value;
	struct seen_track *t = &file->tracks[file->track_cnt++];
	struct field f;

	if (file->tracks_off) {
		file->track_cnt = 0;
		return;
	}
	assert_true(file->track_cnt < ARRAY_SIZE(file->tracks));
	memset(t, 0, sizeof(*t));
	while (read_field(&at, end, &f)) {
		if (f.number == 1)
			t->uuid = f.value;
		else if (f.number == 5)
			t->parent = f.value;
		else if (f.number == 2)
			copy_text(t->name, sizeof(t->name), &f);
	}
	assert_int_equal(t->uuid, file->track_cnt); /* given out in order */
}

static void read_packet(struct file *file, struct field msg)
{
	const unsigned char *at = msg.bytes, *end = at + msg.value;
	uint64_t ns = 0;
	struct field f;

	while (read_field(&at, end, &f)) {
		if (f.number == 8)
			ns = f.value;
		else if (f.number == 11)
			read_event(file, f, ns);
		else if (f.number == 60)
			read_track(file, f);
		else if (f.number == 6)
			file->clocks++;
	}
}

static void file_open(struct file *file)
{
	struct exporter_cfg cfg = {.node_name = "worker-3", .agent_version = "0.1"};

	memset(file, 0, sizeof(*file));
	cfg.file = file->f = open_memstream(&file->mem, &file->sz);
	assert_int_equal(perfetto_exporter.open(&cfg, &file->x), 0);
}

static void feed(struct file *file, struct trace_event e)
{
	assert_int_equal(perfetto_exporter.event(file->x, &e), 0);
}

/* All that was written so far. */
static void file_read(struct file *file)
{
	const unsigned char *at, *end;
	struct field f;

	assert_int_equal(perfetto_exporter.flush(file->x), 0);
	file->seen_cnt = file->track_cnt = 0;
	file->clocks = 0;
	at = (const unsigned char *)file->mem;
	end = at + file->sz;
	while (read_field(&at, end, &f)) {
		assert_int_equal(f.number, 1);
		read_packet(file, f);
	}
}

static void file_end(struct file *file)
{
	assert_int_equal(perfetto_exporter.end(file->x), 0);
	file_read(file);
}

static void file_close(struct file *file)
{
	assert_null(perfetto_exporter.free(file->x));
	fclose(file->f);
	free(file->mem);
	free(file->seen);
}

static const char *track_name(const struct file *file, uint64_t uuid)
{
	assert_true(uuid && uuid <= file->track_cnt);
	return file->tracks[uuid - 1].name;
}

/* "B gc.cycle GC" "E GC" for each event, times left out. */
static void expect_events(const struct file *file, const char *const *want, size_t cnt)
{
	for (size_t i = 0; i < file->seen_cnt && i < cnt; i++) {
		const struct seen *s = &file->seen[i];
		char text[160];

		snprintf(text, sizeof(text), "%c%s%s %s", "?BEIC"[s->type], *s -> name ? " " : "", s->name,
			 track_name(file, s->track));
		assert_string_equal(text, want[i]);
	}
	assert_int_equal(file->seen_cnt, cnt);
}

/* On every track: closed in order, times not backwards. Returns the number of slices. */
static size_t check_nesting(const struct file *file)
{
	size_t slices = 0;

	for (uint64_t track = 1; track <= file->track_cnt; track++) {
		uint64_t last = 0;
		int depth = 0;

		for (size_t i = 0; i < file->seen_cnt; i++) {
			const struct seen *s = &file->seen[i];

			if (s->track != track || s->type > END)
				continue;
			assert_true(s->ns >= last);
			last = s->ns;
			depth += s->type == BEGIN ? 1 : -1;
			slices += s->type == BEGIN;
			assert_true(depth >= 0);
		}
		assert_int_equal(depth, 0);
	}
	return slices;
}

/* ---- tests of the exporter ---- */

static void cycle_nests(void **state)
{
	static const char *const want[] = {
		"B gc.pause stop-the-world",
		"E stop-the-world",
		"B gc.cycle GC",
		"B gc.pause GC",
		"E GC",
		"B gc.mark GC",
		"B gc.pause GC",
		"E GC",
		"E GC",
		"B gc.pause GC",
		"E GC",
		"E GC",
	};
	union event u[4] = {0};
	struct gc_cycle_done d = {0};
	struct file f;

	file_open(&f);
	feed(&f, t_pause(-50, 1, STW_READ_MEM_STATS, &u[0])); /* before the cycle */
	feed(&f, t_pause(1, 1, STW_GC_SWEEP_TERM, &u[1]));    /* begins with the cycle */
	feed(&f, t_pause(5, 1, STW_READ_MEM_STATS, &u[2]));   /* within mark */
	feed(&f, t_cycle(TRACE_GC_MARK, 10, 9, &d));          /* begins where the pause ends */
	feed(&f, t_pause(12, 2, STW_GC_MARK_TERM, &u[3]));    /* begins where mark ends, ends with the cycle */
	file_read(&f);
	assert_int_equal(f.seen_cnt, 0); /* until the cycle is there */
	feed(&f, t_cycle(TRACE_GC_CYCLE, 12, 12, &d));
	file_read(&f);
	expect_events(&f, want, ARRAY_SIZE(want));
	assert_int_equal(check_nesting(&f), 6);
	assert_int_equal(f.seen[2].ns, T_END_NS);
	assert_int_equal(f.seen[11].ns, T_END_NS + T_MS(12));
	file_end(&f);
	assert_int_equal(f.seen_cnt, ARRAY_SIZE(want));
	file_close(&f);
}

/* The end of mark, stamped by us, lies inside the stop. */
static void mark_beside(void **state)
{
	static const char *const want[] = {
		"B gc.mark GC mark", "E GC mark", "B gc.cycle GC", "B gc.pause GC", "E GC",
		"B gc.pause GC",     "E GC",      "E GC",
	};
	union event u[2] = {0};
	struct gc_cycle_done d = {0};
	struct file f;

	file_open(&f);
	feed(&f, t_pause(1, 1, STW_GC_SWEEP_TERM, &u[0]));
	feed(&f, t_cycle(TRACE_GC_MARK, 11, 10, &d));
	feed(&f, t_pause(12, 2, STW_GC_MARK_TERM, &u[1]));
	feed(&f, t_cycle(TRACE_GC_CYCLE, 12, 12, &d));
	file_end(&f);
	expect_events(&f, want, ARRAY_SIZE(want));
	check_nesting(&f);
	file_close(&f);
}

/* What begins together: the longer one is outside, whichever came first. */
static void same_begin(void **state)
{
	static const char *const want[] = {
		"B gc.cycle GC", "B gc.mark GC", "B gc.pause GC", "E GC", "E GC", "E GC",
	};
	union event u = {0};
	struct gc_cycle_done d = {0};
	struct file f;

	file_open(&f);
	feed(&f, t_pause(1, 1, STW_READ_MEM_STATS, &u));
	feed(&f, t_cycle(TRACE_GC_MARK, 11, 11, &d));
	feed(&f, t_cycle(TRACE_GC_CYCLE, 12, 12, &d));
	file_end(&f);
	expect_events(&f, want, ARRAY_SIZE(want));
	file_close(&f);
}

/* Waits for credit have a track of their own, and one more where two goroutines wait at once. */
static void assists(void **state)
{
	static const char *const want[] = {
		"B gc.assist GC assist waits",
		"E GC assist waits",
		"B gc.assist GC assist waits 2",
		"E GC assist waits 2",
	};
	union event u[2] = {0};
	struct file f;

	file_open(&f);
	feed(&f, t_assist(5, 4, 18, &u[0]));
	feed(&f, t_assist(6, 4, 19, &u[1]));
	file_end(&f);
	expect_events(&f, want, ARRAY_SIZE(want));
	file_close(&f);
}

/* Slices without length at the ends of others. */
static void no_length(void **state)
{
	static const char *const want[] = {
		"B gc.cycle GC", "B gc.pause GC", "E GC", "B gc.pause GC", "E GC", "E GC", "B gc.cycle GC", "E GC",
	};
	union event u[2] = {0};
	struct gc_cycle_done d = {0};
	struct file f;

	file_open(&f);
	feed(&f, t_pause(0, 0, STW_GC_SWEEP_TERM, &u[0]));
	feed(&f, t_pause(12, 0, STW_GC_MARK_TERM, &u[1]));
	feed(&f, t_cycle(TRACE_GC_CYCLE, 12, 12, &d));
	feed(&f, t_cycle(TRACE_GC_CYCLE, 20, 8, &d)); /* begins where the other ended */
	file_end(&f);
	expect_events(&f, want, ARRAY_SIZE(want));
	assert_int_equal(check_nesting(&f), 4);
	file_close(&f);
}

/* A pause whose cycle does not come is written 30 s later, when anything happens; at the end; or with its process. */
static void waits_not_forever(void **state)
{
	union event u = {0};
	struct trace_event exited = t_event(TRACE_PROCESS_EXIT, 60100, 0);
	struct file f;

	file_open(&f);
	feed(&f, t_pause(0, 1, STW_GC_SWEEP_TERM, &u));
	feed(&f, t_throttle(29999, 1, &u));
	file_read(&f);
	assert_int_equal(f.seen_cnt, 2);
	feed(&f, t_throttle(30001, 1, &u));
	file_read(&f);
	assert_int_equal(f.seen_cnt, 6);
	feed(&f, t_pause(30500, 1, STW_GC_SWEEP_TERM, &u));
	file_read(&f);
	assert_int_equal(f.seen_cnt, 6);
	feed(&f, exited);
	file_read(&f);
	assert_int_equal(f.seen_cnt, 9);
	feed(&f, t_pause(60200, 1, STW_GC_SWEEP_TERM, &u));
	file_end(&f);
	assert_int_equal(f.seen_cnt, 11);
	assert_int_equal(check_nesting(&f), 5);
	file_close(&f);
}

/* More than may wait: nothing is left out. */
static void many_pauses(void **state)
{
	union event u = {0};
	struct gc_cycle_done d = {0};
	struct file f;
	int cnt = 5 * PERFETTO_GC_PARTS;

	file_open(&f);
	for (int i = 1; i <= cnt; i++)
		feed(&f, t_pause(i, 0.5, STW_READ_MEM_STATS, &u));
	file_read(&f);
	assert_true(f.seen_cnt / 2 >= (size_t)cnt - PERFETTO_GC_PARTS);
	feed(&f, t_cycle(TRACE_GC_CYCLE, cnt + 1, cnt + 1, &d)); /* around all of them: those that are left nest */
	file_end(&f);
	assert_int_equal(check_nesting(&f), cnt + 1);
	file_close(&f);
}

static void lanes(void **state)
{
	static const char *const want[] = {
		"B tcp.connect network", "E network",   "B dns.query network 2", "E network 2",
		"B dns.query network 3", "E network 3", "B tcp.connect network", "E network",
	};
	union event u = {0};
	struct file f;

	file_open(&f);
	feed(&f, t_connect(10, 2, 0, &u));                 /* 8..10 */
	feed(&f, t_dns(11, 5, DNS_ANSWERED, 0, "a", &u));  /* 6..11 overlaps it */
	feed(&f, t_dns(12, 12, DNS_ANSWERED, 0, "b", &u)); /* 0..12 overlaps both */
	feed(&f, t_connect(14, 4, 0, &u));                 /* 10..14: the first one is free again */
	file_end(&f);
	expect_events(&f, want, ARRAY_SIZE(want));
	check_nesting(&f);
	file_close(&f);
}

/* All at once: beyond the bound of lanes each has a track of its own. */
static void many_lanes(void **state)
{
	union event u = {0};
	struct file f;

	file_open(&f);
	for (int i = 1; i <= 600; i++)
		feed(&f, t_connect(1000 + i, 1000 + i, 0, &u)); /* all begin at once */
	file_end(&f);
	assert_int_equal(check_nesting(&f), 600);
	for (size_t i = 0; i < f.seen_cnt; i += 2)
		assert_int_equal(f.seen[i].ns, T_END_NS);
	assert_string_equal(f.tracks[3].name, "network");
	assert_string_equal(f.tracks[4].name, "network 2");
	assert_string_equal(f.tracks[f.track_cnt - 1].name, "network");
	file_close(&f);
}

static void groups(void **state)
{
	union event u = {0};
	struct trace_event pod = t_throttle(1, 1, &u), nobody = t_throttle(2, 1, &u), no_process = t_runq(9, 3, 1, &u);
	struct file f;

	pod.owner = t_pod_owner();
	nobody.owner = NULL;
	nobody.container_id = 0;
	no_process.process = NULL;
	file_open(&f);
	feed(&f, t_throttle(0, 1, &u));
	feed(&f, pod);
	u.hdr.kind = EVENT_THROTTLE;
	feed(&f, nobody);
	memset(&u, 0, sizeof(u));
	no_process = t_runq(9, 3, 1, &u);
	no_process.process = NULL;
	feed(&f, no_process);
	feed(&f, t_connect(10, 1, 0, &u));
	file_end(&f);
	assert_string_equal(f.tracks[0].name, "gopherscope 0.1 on worker-3");
	assert_string_equal(f.tracks[1].name, "shop/checkout-api-7d9c6b5f4-x2x9k:app");
	assert_string_equal(f.tracks[2].name, "throttled CPU 15");
	assert_string_equal(f.tracks[3].name, "shop/checkout-api-7d9c6b5f4-x2x9k");
	assert_string_equal(f.tracks[5].name, "not attributed");
	assert_string_equal(f.tracks[7].name, "pid 48213");
	assert_string_equal(f.tracks[8].name, "run queue server 48217");
	assert_string_equal(f.tracks[9].name, "server 48213");
	assert_int_equal(f.tracks[9].parent, 2);
	file_close(&f);
}

static void counters(void **state)
{
	struct runtime_sample s = {
		.heap_live_bytes = 38 << 20, .heap_goal_bytes = -1, .goroutines = SAMPLE_UNKNOWN, .gomaxprocs = 32};
	struct trace_event sample = t_event(TRACE_SAMPLE, 0, 0), first = t_event(TRACE_USAGE, 0, 0);
	struct trace_event second = t_event(TRACE_USAGE, 1000, 0);
	static const char *const want[] = {"C heap live", "C GOMAXPROCS", "C working set", "C CPU used",
					   "C working set"};
	double cpus = 1.75;
	struct file f;

	sample.u.sample = &s;
	first.u.usage = (struct trace_usage){(double)NAN, 5, -1};
	second.u.usage = (struct trace_usage){cpus, 6, STAT_UNKNOWN};
	file_open(&f);
	feed(&f, sample);
	feed(&f, first);
	feed(&f, second);
	file_end(&f);
	expect_events(&f, want, ARRAY_SIZE(want));
	assert_int_equal(f.seen[0].value, 38 << 20);
	assert_memory_equal(&f.seen[3].value, &cpus, sizeof(cpus));
	assert_int_equal(f.seen[3].ns, T_END_NS); /* it is that of the second before */
	file_close(&f);
}

/* A new pair only where the clock was set. */
static void clocks(void **state)
{
	union event u = {0};
	struct trace_event e = t_throttle(0, 0.1, &u);
	struct file f;

	file_open(&f);
	feed(&f, e);
	e.end_ns += NS_PER_SEC;
	e.start_unix_ns += NS_PER_SEC + 1000; /* slewed */
	feed(&f, e);
	e.end_ns += NS_PER_SEC;
	e.start_unix_ns += NS_PER_SEC - 2000; /* and back */
	feed(&f, e);
	file_read(&f);
	assert_int_equal(f.clocks, 1);
	e.end_ns += NS_PER_SEC;
	e.start_unix_ns -= 3600 * NS_PER_SEC; /* set back */
	feed(&f, e);
	file_read(&f);
	assert_int_equal(f.clocks, 2);
	e.end_ns -= 2 * NS_PER_SEC; /* an event that comes late: pairs do not run backwards */
	feed(&f, e);
	file_read(&f);
	assert_int_equal(f.clocks, 2);
	file_close(&f);
}

static void nothing_happened(void **state)
{
	struct file f;

	file_open(&f);
	file_end(&f);
	assert_int_equal(f.seen_cnt, 0);
	assert_int_equal(f.track_cnt, 1);
	file_close(&f);
	assert_null(perfetto_exporter.free(NULL));
}

static void full_disk(void **state)
{
	struct exporter_cfg cfg = {.file = fopen("/dev/full", "w"), .node_name = "n", .agent_version = "1"};
	struct exporter *x;
	union event u = {0};
	int err = 0;

	assert_int_equal(perfetto_exporter.open(&cfg, &x), 0);
	for (int i = 0; i < 1000 && !err; i++) {
		struct trace_event e = t_throttle(i, 0.1, &u);

		err = perfetto_exporter.event(x, &e);
	}
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(perfetto_exporter.end(x), -ENOSPC); /* the first error stays */
	perfetto_exporter.free(x);
	fclose(cfg.file);
}

/* ---- goroutine windows ---- */

static struct trace_event t_span(double start_ms, double end_ms, struct goroutine_span *s)
{
	static const enum trace_kind kinds[] = {TRACE_SCHED_WAIT, TRACE_SCHED_RUN, TRACE_SCHED_PARK};
	struct trace_event e = t_event(kinds[s->kind], end_ms, end_ms - start_ms);

	s->start_ns = T_END_NS + T_MS(start_ms);
	s->end_ns = T_END_NS + T_MS(end_ms);
	e.u.sched = (struct trace_sched){s, "main.worker", "main.main", "main.go:7", "main.get", "get.go:9", "select"};
	return e;
}

/* G5, running since before the window, wakes G9, which waits, runs and parks. The waker's track is named by its run,
 * and the wake waits for that. */
static void sched_tracks(void **state)
{
	static const char *const want[] = {
		"B runnable: woken by G5 G9 main.worker",
		"E G9 main.worker",
		"B running on P 1 G9 main.worker",
		"E G9 main.worker",
		"B main.worker G9 P 1",
		"E P 1",
		"I wakes G9 G5 main.worker",
		"B running on P 0 G5 main.worker",
		"E G5 main.worker",
		"B main.worker G5 P 0",
		"E P 0",
		"B goroutine window goroutine windows",
		"E goroutine windows",
		"B window lost 7 events lost",
		"E lost",
		"I window lost 7 events lost",
	};
	struct goroutine_span wait = {.kind = SPAN_WAIT, .goid = 9, .wake = WAKE_READY, .waker = 5, .p = 1};
	struct goroutine_span run = {.kind = SPAN_RUN, .goid = 9, .p = 1, .end = RUN_PARKED};
	struct goroutine_span waker = {.kind = SPAN_RUN, .goid = 5, .p = 0, .end = RUN_UNKNOWN};
	struct record_sched_window w = {.end = SCHED_WINDOW_TIME, .start_ns = T_END_NS, .lost = {2, 1}};
	struct trace_event window = t_event(TRACE_SCHED_WINDOW, 10, 10);
	struct file f;

	w.end_ns = T_END_NS + T_MS(10);
	window.u.window = &w;
	window.not_followed = 4;
	file_open(&f);
	feed(&f, t_span(1, 2, &wait));
	feed(&f, t_span(2, 3, &run));
	feed(&f, t_span(0, 4, &waker));
	feed(&f, window);
	file_end(&f);
	expect_events(&f, want, ARRAY_SIZE(want));
	check_nesting(&f);
	file_close(&f);
}

/* Beyond the bound goroutines are on Ps only, and counted; no two slices of a track overlap. */
static void sched_many(void **state)
{
	static struct file f;
	struct goroutine_span run = {.kind = SPAN_RUN, .p = 3, .end = RUN_EXITED};
	size_t before;

	file_open(&f);
	f.tracks_off = true;
	for (uint64_t i = 1; i <= PERFETTO_SCHED_GOROUTINES + 100; i++) {
		run.goid = i;
		feed(&f, t_span((double)i, (double)i + 1, &run));
	}
	file_end(&f);
	before = f.seen_cnt;
	assert_int_equal(before, 2 * (2 * PERFETTO_SCHED_GOROUTINES + 100));
	file_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writer_numbers), cmocka_unit_test(writer_texts), cmocka_unit_test(writer_nested),
		cmocka_unit_test(cycle_nests),    cmocka_unit_test(mark_beside),  cmocka_unit_test(assists),
		cmocka_unit_test(no_length),      cmocka_unit_test(same_begin),   cmocka_unit_test(waits_not_forever),
		cmocka_unit_test(many_pauses),    cmocka_unit_test(lanes),        cmocka_unit_test(many_lanes),
		cmocka_unit_test(groups),         cmocka_unit_test(counters),     cmocka_unit_test(clocks),
		cmocka_unit_test(sched_tracks),   cmocka_unit_test(sched_many),   cmocka_unit_test(nothing_happened),
		cmocka_unit_test(full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
