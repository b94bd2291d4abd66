/* SPDX-License-Identifier: BSD-2-Clause */
/* runtime.allgs has a pointer for every g there ever was; g's are never freed, and one that ended (status dead) waits
 * for the next `go` statement. The runtime's own readers without a lock take allglen first and allgptr after it
 * (runtime/proc.go, atomicAllG), so that the array is at least as long; when it grows, it is copied and the old one
 * collected as garbage some time, so allgptr must still be the same after its content was read.
 *
 * The g's lie in spans of 8 KB beside each other. Sorted by address and read together with gaps of less than a page,
 * 10,000 of them take some 500 ranges. A gap that is smaller than a page lies in the pages of its two ends, so it is
 * mapped if they are. */
#include "runtime/goroutine_walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "runtime/read_pieces.h"

#define ALLGS_MAX   (1ull << 26) /* 64 million: 128 GB of stacks alone */
#define ALLGS_PIECE 8192         /* pointers read at a time */
#define SPARSE      512          /* one pointer by itself costs as much as so many in a row, and more */
#define SINGLES     256          /* single pointers read at a time */
#define G_SZ_MAX    1024         /* 392 to 456 bytes */
#define GAP_MAX     4096
#define BUF_SZ      (1u << 20)
#define TRIES       8
#define STACK_MAX   (4ull << 30) /* runtime/stack.go: maxstackceiling, 2 GB */
#define SCAN_BIT    0x1000u      /* _Gscan */

/* --- one g --- */

/* runtime/runtime2.go, _Gidle and following; 10 and 11 came with 1.26. */
enum goroutine_state goroutine_state_of(uint32_t status, int minor, bool *dead)
{
	static const enum goroutine_state states[] = {
		[0] = GOROUTINE_IDLE,      [1] = GOROUTINE_RUNNABLE,  [2] = GOROUTINE_RUNNING, [3] = GOROUTINE_SYSCALL,
		[4] = GOROUTINE_WAITING,   [5] = GOROUTINE_OTHER,     [6] = GOROUTINE_OTHER,   [7] = GOROUTINE_OTHER,
		[8] = GOROUTINE_COPYSTACK, [9] = GOROUTINE_PREEMPTED, [10] = GOROUTINE_LEAKED,
	};
	enum { DEAD = 6, LEAKED = 10, DEAD_EXTRA = 11 };

	status &= ~SCAN_BIT;
	*dead = status == DEAD || (status == DEAD_EXTRA && minor >= 26);
	if (*dead || status >= ARRAY_SIZE(states) || (status == LEAKED && minor < 26))
		return GOROUTINE_OTHER;
	return states[status];
}

bool goroutine_has_stack(const struct goroutine *g)
{
	switch (g->state) {
	case GOROUTINE_RUNNABLE:
	case GOROUTINE_SYSCALL:
	case GOROUTINE_WAITING:
	case GOROUTINE_PREEMPTED:
	case GOROUTINE_LEAKED:
		return true;
	default:
		return false;
	}
}

bool goroutine_is_wrong(const struct goroutine *g)
{
	/* newproc1 and newextram leave _Gidle before they add the g to allgs */
	if (g->state == GOROUTINE_OTHER || g->state == GOROUTINE_IDLE || !g->goid || g->goid > INT64_MAX)
		return true;
	if (!g->lo || g->lo >= g->hi || g->hi - g->lo > STACK_MAX || g->lo % 8 || g->hi % 8)
		return true;
	return goroutine_has_stack(g) && (g->sp <= g->lo || g->sp > g->hi || !g->pc);
}

static uint64_t field(const struct goroutine_walk *w, const uint8_t *raw, enum go_field f)
{
	uint64_t v = 0;

	if (w->binary->fields[f] >= 0)
		memcpy(&v, raw + (w->binary->fields[f] - (int)w->from), sizeof(v));
	return v;
}

static void take_registers(const struct goroutine_walk *w, const uint8_t *raw, struct goroutine *g)
{
	bool syscall = g->state == GOROUTINE_SYSCALL;

	g->pc = field(w, raw, syscall ? FIELD_G_SYSCALLPC : FIELD_G_PC);
	g->sp = field(w, raw, syscall ? FIELD_G_SYSCALLSP : FIELD_G_SP);
	g->bp = field(w, raw, syscall ? FIELD_G_SYSCALLBP : FIELD_G_BP);
}

static void take_g(const struct goroutine_walk *w, const uint8_t *raw, struct goroutine *g)
{
	uint32_t status = (uint32_t)field(w, raw, FIELD_G_STATUS);

	g->readable = true;
	g->state = goroutine_state_of(status, w->binary->go_minor, &g->dead);
	g->goid = field(w, raw, FIELD_G_GOID);
	g->waitsince = field(w, raw, FIELD_G_WAITSINCE);
	g->waitreason = (uint8_t)field(w, raw, FIELD_G_WAITREASON);
	g->gopc = field(w, raw, FIELD_G_GOPC);
	g->startpc = field(w, raw, FIELD_G_STARTPC);
	g->lo = field(w, raw, FIELD_G_STACK_LO);
	g->hi = field(w, raw, FIELD_G_STACK_HI);
	take_registers(w, raw, g);
}

/* --- many --- */

/* A range, and how many g's lie in it. */
struct run {
	size_t cnt;
	uint32_t sz;
};

static struct run next_run(const struct goroutine_walk *w, const struct goroutine *gs, size_t cnt, uint32_t room)
{
	struct run r = {0};

	while (r.cnt < cnt) {
		uint64_t end = gs[r.cnt].addr - gs[0].addr + w->span;

		if (end > room || (r.cnt && end - w->span > (uint64_t)r.sz + GAP_MAX))
			break;
		r.sz = (uint32_t)end;
		r.cnt++;
	}
	return r;
}

/* Reads as many of the g's at gs[].addr as fit into the buffer; number of them or -errno. */
static ssize_t read_some(struct goroutine_walk *w, struct goroutine *gs, size_t cnt)
{
	struct memory_range ranges[GOROUTINE_BATCH];
	uint32_t used = 0;
	size_t range_cnt = 0, done = 0, at = 0;
	int err;

	while (done < cnt && range_cnt < GOROUTINE_BATCH) {
		struct run r = next_run(w, gs + done, cnt - done, BUF_SZ - used);

		if (!r.cnt)
			break;
		ranges[range_cnt++] = (struct memory_range){gs[done].addr + w->from, w->buf + used, r.sz};
		used += r.sz;
		done += r.cnt;
	}
	err = read_pieces(w->mem, ranges, range_cnt);
	if (err)
		return err;
	for (size_t i = 0; i < range_cnt; i++) {
		uint64_t first = ranges[i].addr - w->from;
		const uint8_t *buf = ranges[i].buf;
		uint64_t end = i + 1 < range_cnt ? ranges[i + 1].addr - w->from : UINT64_MAX;

		for (; at < done && gs[at].addr < end; at++)
			if (ranges[i].sz)
				take_g(w, buf + (gs[at].addr - first), &gs[at]);
	}
	return (ssize_t)done;
}

static int read_all(struct goroutine_walk *w, struct goroutine *gs, size_t cnt)
{
	for (size_t done = 0; done < cnt;) {
		ssize_t n = read_some(w, gs + done, cnt - done);

		if (n < 0)
			return (int)n;
		done += (size_t)n;
	}
	return 0;
}

int goroutine_walk_next(struct goroutine_walk *w, struct goroutine *ret, size_t *cnt)
{
	size_t n = w->cnt - w->pos < GOROUTINE_BATCH ? w->cnt - w->pos : GOROUTINE_BATCH;

	for (size_t i = 0; i < n; i++)
		ret[i] = (struct goroutine){.addr = w->addrs[w->pos + i]};
	w->pos += n;
	*cnt = n;
	return read_all(w, ret, n);
}

int goroutine_walk_again(struct goroutine_walk *w, const struct goroutine *gs, size_t cnt, struct goroutine *ret)
{
	for (size_t i = 0; i < cnt; i++)
		ret[i] = (struct goroutine){.addr = gs[i].addr};
	return read_all(w, ret, cnt);
}

/* --- where they are --- */

struct allgs {
	uint64_t len, ptr;
	struct {
		uint64_t ptr, len, cap;
	} slice;
};

static int read_allgs(struct goroutine_walk *w, uint64_t bias, struct allgs *a)
{
	const uint64_t *at = w->binary->globals;
	struct memory_range r[] = {
		{at[GLOBAL_ALLGLEN] + bias, &a->len, sizeof(a->len)},
		{at[GLOBAL_ALLGPTR] + bias, &a->ptr, sizeof(a->ptr)},
		{at[GLOBAL_ALLGS] + bias, &a->slice, sizeof(a->slice)},
	};

	return memory_read_many(w->mem, r, at[GLOBAL_ALLGS] ? 3 : 2);
}

/* allgadd changes the slice, allgptr and allglen one after the other; read in the opposite order they fit, but for
 * the moment in between. */
static int check_allgs(const struct goroutine_walk *w, const struct allgs *a, char *why)
{
	if (!a->len && !a->ptr)
		return err_why(why, CENSUS_SELF_CHECK, "the Go runtime is still starting");
	if (!a->len || a->len > ALLGS_MAX || !a->ptr || a->ptr % 8)
		return err_why(why, CENSUS_SELF_CHECK, "self-check failed (allglen = %" PRIu64 ")", a->len);
	if (!w->binary->globals[GLOBAL_ALLGS])
		return 0;
	if (a->slice.ptr != a->ptr || a->slice.len < a->len || a->slice.cap < a->slice.len)
		return err_why(why, CENSUS_SELF_CHECK,
			       "self-check failed (allglen = %" PRIu64 ", len(allgs) = %" PRIu64 ")", a->len,
			       a->slice.len);
	return 0;
}

/* xorshift64*: which g's are looked at need not be a secret. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

/* Takes max of all, each with the same chance (Knuth, The Art of Computer Programming 2, algorithm S). */
static int read_pointers(struct goroutine_walk *w, const struct allgs *a, uint64_t max)
{
	uint64_t random = clock_mono_ns() | 1, piece[ALLGS_PIECE];

	w->cnt = 0;
	for (uint64_t i = 0; i < a->len; i += ALLGS_PIECE) {
		uint64_t n = a->len - i < ALLGS_PIECE ? a->len - i : ALLGS_PIECE;
		int err = memory_read(w->mem, a->ptr + 8 * i, piece, 8 * n);

		if (err)
			return err;
		for (uint64_t j = 0; j < n && w->cnt < max; j++)
			if (a->len <= max || next_random(&random) % (a->len - i - j) < max - w->cnt)
				w->addrs[w->cnt++] = piece[j];
	}
	return 0;
}

/* As read_pointers(), for an array that is far longer: one of each max-th part of it. What it costs is a matter of max
 * alone, whatever a program says that it has. */
static int read_single_pointers(struct goroutine_walk *w, const struct allgs *a, uint64_t max)
{
	struct memory_range r[SINGLES];
	uint64_t random = clock_mono_ns() | 1;

	for (w->cnt = 0; w->cnt < max;) {
		size_t n = 0;
		int err;

		for (; n < SINGLES && w->cnt < max; n++, w->cnt++) {
			uint64_t first = w->cnt * a->len / max, end = (w->cnt + 1) * a->len / max;
			uint64_t i = first + next_random(&random) % (end - first);

			r[n] = (struct memory_range){a->ptr + 8 * i, &w->addrs[w->cnt], sizeof(w->addrs[0])};
		}
		err = memory_read_many(w->mem, r, n);
		if (err)
			return err;
	}
	return 0;
}

static int compare_addrs(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int check_pointers(const struct goroutine_walk *w, char *why)
{
	for (size_t i = 0; i < w->cnt; i++)
		if (!w->addrs[i] || w->addrs[i] % 8 || w->addrs[i] > INT64_MAX - G_SZ_MAX ||
		    (i && w->addrs[i] < w->addrs[i - 1] + w->from + w->span))
			return err_why(why, CENSUS_SELF_CHECK, "self-check failed (allgs holds 0x%" PRIx64 ")",
				       w->addrs[i]);
	return 0;
}

static int find_once(struct goroutine_walk *w, uint64_t bias, uint64_t max, char *why)
{
	struct allgs a = {0}, after = {0};
	int err = read_allgs(w, bias, &a);

	if (!err)
		err = check_allgs(w, &a, why);
	if (err)
		return err;
	free(w->addrs);
	w->allglen = a.len;
	w->addrs = malloc((a.len < max ? a.len : max) * sizeof(*w->addrs));
	if (!w->addrs)
		return err_why(why, -ENOMEM, "out of memory");
	err = a.len / SPARSE > max ? read_single_pointers(w, &a, max) : read_pointers(w, &a, max);
	if (!err)
		err = read_allgs(w, bias, &after);
	if (!err && after.ptr != a.ptr)
		return err_why(why, CENSUS_SELF_CHECK, "allgs moves all the time");
	if (err)
		return err;
	qsort(w->addrs, w->cnt, sizeof(*w->addrs), compare_addrs);
	return check_pointers(w, why);
}

static int find_goroutines(struct goroutine_walk *w, uint64_t bias, uint64_t max, char *why)
{
	int err = 0;

	for (int i = 0; i < TRIES; i++) {
		err = find_once(w, bias, max, why);
		if (err != CENSUS_SELF_CHECK && err != -EFAULT)
			break;
	}
	if (err == -EFAULT)
		return err_why(why, CENSUS_SELF_CHECK, "self-check failed (allgs points nowhere)");
	if (err == -ESRCH)
		return err_why(why, err, "the process is gone");
	if (err < 0 && err != -ENOMEM)
		err_why(why, err, "cannot read its memory: %s", strerror(-err));
	return err;
}

/* --- open --- */

static const enum go_field needed[] = {FIELD_G_STACK_LO,   FIELD_G_STACK_HI,  FIELD_G_SP,       FIELD_G_PC,
				       FIELD_G_STATUS,     FIELD_G_GOID,      FIELD_G_GOPC,     FIELD_G_STARTPC,
				       FIELD_G_WAITREASON, FIELD_G_SYSCALLSP, FIELD_G_SYSCALLPC};
static const enum go_field optional[] = {FIELD_G_BP, FIELD_G_SYSCALLBP, FIELD_G_WAITSINCE};

static void widen(struct goroutine_walk *w, int at)
{
	uint32_t end = w->span ? w->from + w->span : 0, from = (uint32_t)at;

	if (!w->span || from < w->from)
		w->from = from;
	if (from + 8 > end)
		end = from + 8;
	w->span = end - w->from;
}

static int set_layout(struct goroutine_walk *w, char *why)
{
	const struct binary *b = w->binary;

	if (b->layout == LAYOUT_NONE || !b->globals[GLOBAL_ALLGLEN] || !b->globals[GLOBAL_ALLGPTR])
		return err_why(why, CENSUS_NO_LAYOUT, "%s",
			       *b->layout_why ? b->layout_why : "layout of the runtime unknown");
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (b->fields[needed[i]] < 0 || b->fields[needed[i]] > G_SZ_MAX - 8)
			return err_why(why, CENSUS_NO_LAYOUT, "layout of a goroutine unknown");
		widen(w, b->fields[needed[i]]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++) {
		if (b->fields[optional[i]] > G_SZ_MAX - 8)
			return err_why(why, CENSUS_NO_LAYOUT, "layout of a goroutine unknown");
		if (b->fields[optional[i]] >= 0)
			widen(w, b->fields[optional[i]]);
	}
	return 0;
}

int goroutine_walk_open(struct goroutine_walk *w, struct memory *mem, const struct binary *b, uint64_t bias,
			uint64_t max, char *why)
{
	int err;

	*w = (struct goroutine_walk){.mem = mem, .binary = b};
	err = set_layout(w, why);
	if (err)
		return err;
	w->buf = malloc(BUF_SZ);
	err = w->buf ? find_goroutines(w, bias, max, why) : err_why(why, -ENOMEM, "out of memory");
	if (err)
		goroutine_walk_close(w);
	return err;
}

void goroutine_walk_close(struct goroutine_walk *w)
{
	free(w->addrs);
	free(w->buf);
	w->addrs = NULL;
	w->buf = NULL;
}
