/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of a census on memory of our own: g's and stacks made by hand, good ones and hostile ones. What it says of
 * real programs: tests/bpf/test_census.py. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "runtime/census.h"
#include "runtime/goroutine_walk.h"
#include "runtime/stack_walk.h"

static struct memory mem;

static int open_ourselves(void **state)
{
	return memory_open(&mem, "", getpid());
}

static int close_ourselves(void **state)
{
	memory_close(&mem);
	return 0;
}

static uint64_t at(const void *p)
{
	return (uintptr_t)p;
}

/* ---- words ----------------------------------------------------------------------------------------------- */

static void test_states(void **state)
{
	static const struct {
		uint32_t status;
		int minor;
		enum goroutine_state state;
		bool dead;
	} rows[] = {
		{0, 18, GOROUTINE_IDLE, false},           {1, 18, GOROUTINE_RUNNABLE, false},
		{2, 27, GOROUTINE_RUNNING, false},        {3, 27, GOROUTINE_SYSCALL, false},
		{4, 27, GOROUTINE_WAITING, false},        {0x1004, 18, GOROUTINE_WAITING, false},
		{0x1001, 27, GOROUTINE_RUNNABLE, false},  {5, 27, GOROUTINE_OTHER, false},
		{6, 18, GOROUTINE_OTHER, true},           {7, 27, GOROUTINE_OTHER, false},
		{8, 27, GOROUTINE_COPYSTACK, false},      {9, 27, GOROUTINE_PREEMPTED, false},
		{0x1009, 20, GOROUTINE_PREEMPTED, false}, {10, 25, GOROUTINE_OTHER, false},
		{10, 26, GOROUTINE_LEAKED, false},        {0x100a, 27, GOROUTINE_LEAKED, false},
		{11, 25, GOROUTINE_OTHER, false},         {11, 26, GOROUTINE_OTHER, true},
		{12, 27, GOROUTINE_OTHER, false},         {UINT32_MAX, 27, GOROUTINE_OTHER, false},
		{0x2004, 27, GOROUTINE_OTHER, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool dead;

		assert_int_equal(goroutine_state_of(rows[i].status, rows[i].minor, &dead), rows[i].state);
		assert_int_equal(dead, rows[i].dead);
	}
}

static void test_plumbing(void **state)
{
	static const struct {
		const char *function;
		bool plumbing;
	} rows[] = {
		{"runtime.gopark", true},
		{"runtime/internal/syscall.Syscall6", true},
		{"internal/runtime/syscall.Syscall6", true},
		{"internal/poll.(*FD).Read", true},
		{"internal/sync.(*Mutex).lockSlow", true},
		{"sync.(*Mutex).Lock", true},
		{"sync.runtime_SemacquireMutex", true},
		{"syscall.Syscall", true},
		{"time.Sleep", true},
		{"net.(*conn).Read", true},
		{"os.(*File).Read", true},
		{"bufio.(*Reader).Read", true},
		{"crypto/tls.(*Conn).Read", true},
		{"golang.org/x/sys/unix.Poll", true},
		{"sync", true},
		{"net/http.(*conn).serve", false},
		{"os/signal.loop", false},
		{"runtime/pprof.profileWriter", false},
		{"main.main", false},
		{"synctest.Wait", false},
		{"example.com/sync.Wait", false},
		{"example.com/internal/poll.Wait", false},
		{"netgo.Read", false},
		{"cart.(*Hub[...]).loop", false},
		{"main.wait[go.shape.struct { net/url.x }]", false},
		{"sync.OnceValue[a/b.c].func1", true},
		{"", false},
		{"[", false},
		{"/", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (census_is_plumbing(rows[i].function) != rows[i].plumbing)
			fail_msg("%s", rows[i].function);
}

/* ---- differences ----------------------------------------------------------------------------------------- */

static void test_diff(void **state)
{
	struct census_group b[] = {
		{.cnt = 10, .state = GOROUTINE_WAITING, .reason = "select", .created_pc = 1, .blocked_pc = 2},
		{.cnt = 5, .state = GOROUTINE_WAITING, .reason = "select", .created_pc = 1, .blocked_pc = 3},
		{.cnt = 7,
		 .state = GOROUTINE_WAITING,
		 .reason = "select",
		 .created_pc = 1,
		 .blocked_pc = 3,
		 .start_pc = 9},
		{.cnt = 4, .state = GOROUTINE_RUNNABLE, .created_pc = 1},
	};
	struct census_group n[] = {
		{.cnt = 40, .state = GOROUTINE_WAITING, .reason = "select", .created_pc = 1, .blocked_pc = 2},
		{.cnt = 20, .state = GOROUTINE_WAITING, .reason = "select", .created_pc = 1, .blocked_pc = 3},
		{.cnt = 6,
		 .state = GOROUTINE_WAITING,
		 .reason = "select",
		 .created_pc = 1,
		 .blocked_pc = 3,
		 .start_pc = 9},
		{.cnt = 3, .state = GOROUTINE_WAITING, .reason = "sleep", .created_pc = 1, .blocked_pc = 2},
		{.cnt = 1, .state = GOROUTINE_RUNNABLE, .created_pc = 1},
	};
	static const int64_t want[] = {30, 8, 6, 3, -3}; /* two groups of one place: 26 - 12 = 14 together */
	struct census before = {.groups = b, .group_cnt = ARRAY_SIZE(b), .scale = 1};
	struct census now = {.groups = n, .group_cnt = ARRAY_SIZE(n), .scale = 1}, none = {.scale = 1};
	int64_t *growth;

	assert_int_equal(census_diff(&before, &now, &growth), 0);
	assert_memory_equal(growth, want, sizeof(want));
	free(growth);
	assert_int_equal(census_diff(&none, &now, &growth), 0);
	for (size_t i = 0; i < ARRAY_SIZE(n); i++)
		assert_int_equal(growth[i], n[i].cnt);
	free(growth);
	assert_int_equal(census_diff(&now, &none, &growth), 0);
	free(growth);
	before.scale = 3; /* a sample of a third */
	assert_int_equal(census_diff(&before, &now, &growth), 0);
	assert_int_equal(growth[0], 10);
	free(growth);
}

/* ---- stacks ---------------------------------------------------------------------------------------------- */

#define WORDS 512

static uint64_t stack[WORDS];

static struct stack_walk walk_of(unsigned sp, unsigned bp)
{
	return (struct stack_walk){.lo = at(stack),
				   .hi = at(stack + WORDS),
				   .sp = at(stack + sp),
				   .bp = at(stack + bp),
				   .pc = {1000},
				   .cnt = 1};
}

static void set_frame(unsigned bp, unsigned next, uint64_t pc)
{
	stack[bp] = next ? at(stack + next) : 0;
	stack[bp + 1] = pc;
}

static bool wants_1003(void *arg, uint64_t pc)
{
	return pc == 1003;
}

static void test_stack(void **state)
{
	struct stack_walk s[4];

	memset(stack, 0xee, sizeof(stack));
	set_frame(10, 20, 1001);
	set_frame(20, 300, 1002); /* in another window */
	set_frame(300, 510, 1003);
	set_frame(510, 0, 1004);
	s[0] = s[1] = walk_of(4, 10);
	s[2] = walk_of(4, 10); /* system call of Go 1.18: the frame pointer lies below */
	s[2].bp = 0;
	s[2].bp_at = at(stack + 2);
	stack[2] = at(stack + 20);
	s[2].caller_at = at(stack + 4);
	stack[4] = 999;
	s[3] = walk_of(500, 510);
	s[3].bp = 0; /* not begun */
	assert_int_equal(stack_walk(&mem, s, 1, NULL, NULL), 0);
	assert_int_equal(s[0].cnt, 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(s[0].pc[i], 1000 + i);
	assert_int_equal(stack_walk(&mem, s + 1, 3, wants_1003, NULL), 0);
	assert_int_equal(s[1].cnt, 4);
	assert_true(s[1].enough);
	assert_int_equal(s[2].cnt, 4);
	assert_int_equal(s[2].pc[1], 999);
	assert_int_equal(s[2].pc[2], 1002);
	assert_int_equal(s[3].cnt, 1);
	assert_false(s[3].enough);
}

static void test_deep_stack(void **state)
{
	struct stack_walk s = walk_of(4, 8);

	for (unsigned i = 8; i < WORDS; i += 8)
		set_frame(i, i + 8 < WORDS ? i + 8 : 0, 1000 + i);
	assert_int_equal(stack_walk(&mem, &s, 1, NULL, NULL), 0);
	assert_int_equal(s.cnt, CENSUS_STACK_MAX);
}

/* Frame pointers that lead nowhere: what was found up to there, within bounds. */
static void test_hostile_stack(void **state)
{
	static const struct {
		int64_t next; /* of the frame at 10, relative to the stack */
		int cnt;
	} rows[] = {
		{80, 2},        {72, 2}, {0, 2},         {84, 2},  {8 * 511, 2},   {8 * 512, 2}, {8 * 513, 2},
		{INT64_MIN, 2}, {-8, 2}, {INT64_MAX, 2}, {-16, 2}, {1ll << 47, 2}, {8 * 20, 3},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stack_walk s = walk_of(4, 10);

		memset(stack, 0, sizeof(stack));
		set_frame(10, 1, 1001);
		stack[10] = at(stack) + (uint64_t)rows[i].next;
		set_frame(20, 20, 1002); /* points to itself */
		assert_int_equal(stack_walk(&mem, &s, 1, NULL, NULL), 0);
		assert_int_equal(s.cnt, rows[i].cnt);
	}
}

static void test_hostile_bounds(void **state)
{
	static const struct {
		uint64_t lo, hi, sp, bp, bp_at, caller_at;
	} rows[] = {
		{0, 0, 0, 0, 0, 0},
		{0, UINT64_MAX, 1, 8, 0, 0},
		{4096, 8192, 5000, 5000, 0, 0}, /* not mapped */
		{4096, 8192, 4097, 8184, 0, 0},
		{4096, 4096, 4096, 4096, 4096, 0},
		{4096, 4104, 4104, 4096, 0, 0},
		{8192, 4096, 5000, 5000, 0, 0},
		{UINT64_MAX - 100, UINT64_MAX, UINT64_MAX - 10, UINT64_MAX - 7, 0, 0},
		{UINT64_MAX - 7, UINT64_MAX, UINT64_MAX, UINT64_MAX - 7, UINT64_MAX - 8, UINT64_MAX},
		{1ull << 62, 1ull << 63, (1ull << 63) - 8, (1ull << 63) - 16, 8, 8},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stack_walk s = {.lo = rows[i].lo,
				       .hi = rows[i].hi,
				       .sp = rows[i].sp,
				       .bp = rows[i].bp,
				       .bp_at = rows[i].bp_at,
				       .caller_at = rows[i].caller_at,
				       .pc = {7},
				       .cnt = 1};

		assert_int_equal(stack_walk(&mem, &s, 1, NULL, NULL), 0);
		assert_int_equal(s.cnt, 1);
	}
}

static uint64_t next_random(void)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	return x ^= x << 17;
}

static void test_random_stacks(void **state)
{
	static struct stack_walk s[STACK_WALK_BATCH];

	for (int round = 0; round < 200; round++) {
		for (unsigned i = 0; i < WORDS; i++)
			stack[i] = next_random() % 4 ? at(stack + next_random() % WORDS) : next_random();
		for (size_t i = 0; i < ARRAY_SIZE(s); i++)
			s[i] = walk_of(1 + next_random() % (WORDS - 1), next_random() % WORDS);
		assert_int_equal(stack_walk(&mem, s, ARRAY_SIZE(s), NULL, NULL), 0);
		for (size_t i = 0; i < ARRAY_SIZE(s); i++)
			assert_in_range(s[i].cnt, 1, CENSUS_STACK_MAX);
	}
}

/* ---- g's ------------------------------------------------------------------------------------------------- */

/* As Go 1.26 has them. */
struct g {
	uint64_t lo, hi, rest[54], tail;
};
_Static_assert(sizeof(struct g) == 456, "g of 1.26");

static struct {
	uint64_t len, ptr;
	struct {
		uint64_t ptr, len, cap;
	} slice;
} globals;
static struct binary binary;

static void set_layout(void)
{
	memset(&binary, 0, sizeof(binary));
	memset(binary.fields, 0xff, sizeof(binary.fields));
	binary.layout = LAYOUT_TABLE;
	binary.go_minor = 26;
	binary.globals[GLOBAL_ALLGLEN] = at(&globals.len);
	binary.globals[GLOBAL_ALLGPTR] = at(&globals.ptr);
	binary.globals[GLOBAL_ALLGS] = at(&globals.slice);
	binary.fields[FIELD_G_STACK_LO] = 0;
	binary.fields[FIELD_G_STACK_HI] = 8;
	binary.fields[FIELD_G_SP] = 56;
	binary.fields[FIELD_G_PC] = 64;
	binary.fields[FIELD_G_SYSCALLSP] = 104;
	binary.fields[FIELD_G_SYSCALLPC] = 112;
	binary.fields[FIELD_G_STATUS] = 144;
	binary.fields[FIELD_G_GOID] = 152;
	binary.fields[FIELD_G_WAITSINCE] = 168;
	binary.fields[FIELD_G_WAITREASON] = 176;
	binary.fields[FIELD_G_GOPC] = 288;
	binary.fields[FIELD_G_STARTPC] = 304;
}

static void set_g(struct g *g, uint64_t goid, uint32_t status)
{
	uint64_t *w = (uint64_t *)g;

	memset(g, 0, sizeof(*g));
	g->lo = 0x10000 * (goid + 1);
	g->hi = g->lo + 2048;
	w[56 / 8] = g->hi - 200;
	w[64 / 8] = 0x401000;
	w[144 / 8] = status;
	w[152 / 8] = goid;
	w[176 / 8] = 19;
	w[288 / 8] = 0x402000;
	w[304 / 8] = 0x403000;
}

static void set_globals(uint64_t ptr, uint64_t len)
{
	globals.len = globals.slice.len = globals.slice.cap = len;
	globals.ptr = globals.slice.ptr = ptr;
}

/* Walks; sums of goids of living ones, and how many there were. */
static size_t walk(struct goroutine_walk *w, uint64_t *sum)
{
	static struct goroutine gs[GOROUTINE_BATCH];
	size_t cnt, live = 0;
	uint64_t last = 0;

	*sum = 0;
	do {
		assert_int_equal(goroutine_walk_next(w, gs, &cnt), 0);
		for (size_t i = 0; i < cnt; i++) {
			assert_true(gs[i].addr > last);
			last = gs[i].addr;
			if (!gs[i].readable || gs[i].dead)
				continue;
			live++;
			*sum += gs[i].goid;
		}
	} while (cnt);
	return live;
}

static void test_walk(void **state)
{
	enum { N = 3000 };
	struct g *gs = calloc(N, sizeof(*gs));
	uint64_t *ptrs = calloc(N, sizeof(*ptrs)), sum, want = 0;
	char why[WHY_SZ] = "";
	struct goroutine_walk w;
	size_t live = 0;

	set_layout();
	for (size_t i = 0; i < N; i++) {
		bool dead = i % 7 == 0;

		set_g(&gs[i], i + 1, dead ? 6 : 4);
		ptrs[(i * 1009) % N] = at(&gs[i]);
		live += !dead;
		want += dead ? 0 : i + 1;
	}
	set_globals(at(ptrs), N);
	assert_int_equal(goroutine_walk_open(&w, &mem, &binary, 0, 100000, why), 0);
	assert_int_equal(w.allglen, N);
	assert_int_equal(walk(&w, &sum), live);
	assert_int_equal(sum, want);
	goroutine_walk_close(&w);

	/* a sample has exactly so many, and all have the same chance: mean goid within 5 sigma of the middle */
	assert_int_equal(goroutine_walk_open(&w, &mem, &binary, 0, 1000, why), 0);
	assert_int_equal(w.cnt, 1000);
	live = walk(&w, &sum);
	assert_in_range(live, 800, 920);
	assert_in_range(sum / live, 1500 - 130, 1500 + 130);
	goroutine_walk_close(&w);
	goroutine_walk_close(&w);
	free(ptrs);
	free(gs);
}

/* Few of very many: of all parts of the array, and at a price that does not depend on its length. */
static void test_sparse(void **state)
{
	enum { N = 60000, MAX = 100 };
	struct g *gs = calloc(N, sizeof(*gs));
	uint64_t *ptrs = calloc(N, sizeof(*ptrs)), sum;
	char why[WHY_SZ] = "";
	struct goroutine_walk w;
	clock_t begin;
	void *zeros;

	set_layout();
	for (size_t i = 0; i < N; i++) {
		set_g(&gs[i], i + 1, 4);
		ptrs[i] = at(&gs[i]);
	}
	set_globals(at(ptrs), N);
	assert_int_equal(goroutine_walk_open(&w, &mem, &binary, 0, MAX, why), 0);
	assert_int_equal(w.cnt, MAX);
	assert_int_equal(walk(&w, &sum), MAX);
	assert_in_range(sum / MAX, N / 2 - N / MAX, N / 2 + N / MAX); /* one of each part: the mean cannot be far off */
	goroutine_walk_close(&w);

	zeros = mmap(NULL, 8ull << 26, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(zeros != MAP_FAILED);
	set_globals(at(zeros), 1ull << 26);
	begin = clock();
	assert_int_equal(goroutine_walk_open(&w, &mem, &binary, 0, MAX, why), CENSUS_SELF_CHECK);
	assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 0.1); /* all of it, eight times: a second */
	munmap(zeros, 8ull << 26);
	free(ptrs);
	free(gs);
}

static void test_wrong_g(void **state)
{
	static const struct {
		int word;
		uint64_t value;
		bool wrong;
	} rows[] = {
		{19, 0, true},  {19, UINT64_MAX, true}, {18, 0, true},      {18, 5, true},
		{18, 12, true}, {18, 0x1004, false},    {0, 0, true},       {0, 1ull << 40, true},
		{1, 8, true},   {1, 1ull << 50, true},  {7, 0, true},       {7, UINT64_MAX, true},
		{8, 0, true},   {13, 0, false},         {18, 3, true},      {18, 2, false},
		{18, 8, false}, {18, 10, false},        {0, 0x20001, true},
	};
	uint64_t ptr, sum;
	char why[WHY_SZ];
	struct g g;

	set_layout();
	ptr = at(&g);
	set_globals(at(&ptr), 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct goroutine got;
		struct goroutine_walk w;
		size_t cnt;

		set_g(&g, 1, 4);
		((uint64_t *)&g)[rows[i].word] = rows[i].value;
		assert_int_equal(goroutine_walk_open(&w, &mem, &binary, 0, 10, why), 0);
		assert_int_equal(goroutine_walk_next(&w, &got, &cnt), 0);
		assert_int_equal(cnt, 1);
		if (goroutine_is_wrong(&got) != rows[i].wrong)
			fail_msg("row %zu", i);
		assert_int_equal(walk(&w, &sum), 0);
		goroutine_walk_close(&w);
	}
}

static void test_hostile_allgs(void **state)
{
	static uint64_t good[4];
	static struct g g[4];
	const struct {
		uint64_t ptr, len;
	} rows[] = {
		{0, 0},
		{0, 1},
		{at(good), 0},
		{at(good), UINT64_MAX},
		{at(good), 1ull << 60},
		{8, 1},
		{at(good) + 1, 1},
		{UINT64_MAX - 7, 1},
		{1ull << 62, 1ull << 26},
		{1ull << 46, 1000},
		{at(good), 1ull << 26},
		{at(good), (1ull << 26) + 1},
	};
	struct goroutine_walk w;
	char why[WHY_SZ];
	uint64_t sum;

	set_layout();
	for (size_t i = 0; i < 4; i++) {
		set_g(&g[i], i + 1, 4);
		good[i] = at(&g[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		*why = 0;
		set_globals(rows[i].ptr, rows[i].len);
		assert_int_equal(goroutine_walk_open(&w, &mem, &binary, 0, 100000, why), CENSUS_SELF_CHECK);
		assert_true(*why);
	}
	set_globals(at(good), 4);
	globals.slice.ptr += 8; /* the slice contradicts the two others */
	assert_int_equal(goroutine_walk_open(&w, &mem, &binary, 0, 100, why), CENSUS_SELF_CHECK);
	set_globals(at(good), 4);
	globals.slice.len = 3;
	assert_int_equal(goroutine_walk_open(&w, &mem, &binary, 0, 100, why), CENSUS_SELF_CHECK);
	set_globals(at(good), 4);
	good[2] = good[1]; /* one g twice */
	assert_int_equal(goroutine_walk_open(&w, &mem, &binary, 0, 100, why), CENSUS_SELF_CHECK);
	good[2] = 0x10000; /* not mapped: the others are read */
	assert_int_equal(goroutine_walk_open(&w, &mem, &binary, 0, 100, why), 0);
	assert_int_equal(walk(&w, &sum), 3);
	goroutine_walk_close(&w);
}

static void test_no_layout(void **state)
{
	struct goroutine_walk w;
	char why[WHY_SZ];

	for (int i = 0; i < FIELD_CNT; i++) {
		set_layout();
		if (binary.fields[i] < 0 || i == FIELD_G_WAITSINCE)
			continue;
		binary.fields[i] = -1;
		assert_int_equal(goroutine_walk_open(&w, &mem, &binary, 0, 100, why), CENSUS_NO_LAYOUT);
		binary.fields[i] = 32000;
		assert_int_equal(goroutine_walk_open(&w, &mem, &binary, 0, 100, why), CENSUS_NO_LAYOUT);
	}
	set_layout();
	binary.globals[GLOBAL_ALLGPTR] = 0;
	snprintf(binary.layout_why, sizeof(binary.layout_why), "no symbol table");
	assert_int_equal(goroutine_walk_open(&w, &mem, &binary, 0, 100, why), CENSUS_NO_LAYOUT);
	assert_string_equal(why, "no symbol table");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),         cmocka_unit_test(test_plumbing),
		cmocka_unit_test(test_diff),           cmocka_unit_test(test_stack),
		cmocka_unit_test(test_deep_stack),     cmocka_unit_test(test_hostile_stack),
		cmocka_unit_test(test_hostile_bounds), cmocka_unit_test(test_random_stacks),
		cmocka_unit_test(test_walk),           cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_wrong_g),        cmocka_unit_test(test_hostile_allgs),
		cmocka_unit_test(test_no_layout),
	};

	return cmocka_run_group_tests_name("census", tests, open_ourselves, close_ourselves);
}
