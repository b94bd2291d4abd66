/* SPDX-License-Identifier: BSD-2-Clause */
/* A census goes over the g's once, some hundred at a time: reads them, follows the stacks of those that stand still,
 * and reads them once more. What was found on a stack counts only if its goroutine still stands where it stood: the
 * program runs meanwhile, a stack can move, and its memory can serve another one.
 *
 * A goroutine is the runtime's own as runtime.isSystemGoroutine has it when newproc1 counts it in sched.ngsys
 * (runtime/traceback.go, proc.go): its function is in package runtime and is not runtime.main, runtime.corostart (1.22)
 * or runtime.handleAsyncEvent. The goroutines that run finalizers and cleanups (1.25) are so counted too, even while
 * they call the program's functions.
 *
 * "Blocked at" means the caller of what blocks: a goroutine in chanrecv, in sync.(*Mutex).Lock or in net.(*conn).Read
 * stands in the function that wanted to receive, lock or read. So frames of the packages below are passed over. A stack
 * that has no others, as those of the runtime's own goroutines, gives its outermost function. */
#include "runtime/census.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hashmap.h"
#include "procs/proc_info.h"
#include "procs/proc_scan.h"
#include "runtime/goroutine_walk.h"
#include "runtime/memory.h"
#include "runtime/process_lines.h"
#include "runtime/sample.h"
#include "runtime/stack_walk.h"
#include "runtime/wait_reason.h"

#define TRIES      4   /* a census that contradicts itself is taken again */
#define WRONG_PART 100 /* one goroutine in so many may contradict itself */
#define GROUPS_MIN 64

_Static_assert(WAIT_REASON_SZ == sizeof(((struct census_group *)0)->reason), "a group takes the words as they are");

struct taker {
	const struct process *process;
	const struct census_cfg *cfg;
	struct memory mem;
	struct code_lines *lines;     /* borrowed: the caller's, or own_lines */
	struct code_lines *own_lines; /* owned, NULL */
	struct wait_reasons reasons;
	struct goroutine_walk walk;
	struct census census; /* owned until it is given away */
	size_t group_cap;
	struct hashmap *by_hash; /* hash of a group -> its index + 1 */
	uint64_t *goids;         /* owned, of all walked, for the check */
	size_t goid_cnt;
	uint64_t stacks_cnt; /* stacks that led somewhere */
	bool arm64;
	bool other_clock; /* the program's CLOCK_MONOTONIC is not ours */
	struct goroutine gs[GOROUTINE_BATCH], again[GOROUTINE_BATCH];
	struct stack_walk stacks[STACK_WALK_BATCH];
};

_Static_assert(STACK_WALK_BATCH >= GOROUTINE_BATCH, "a stack each");

/* --- names --- */

static bool is_package(const char *function, size_t len, const char *package)
{
	return strlen(package) == len && !memcmp(function, package, len);
}

/* Bytes of the import path in the name of a function: dots of its last element are escaped there. */
static size_t package_len(const char *function)
{
	size_t arguments = strcspn(function, "["), slash = 0;

	for (size_t i = 0; i < arguments; i++)
		if (function[i] == '/')
			slash = i + 1;
	return slash + strcspn(function + slash, ".");
}

bool census_is_plumbing(const char *function)
{
	static const char *const packages[] = {
		"runtime", "sync", "sync/atomic", "syscall", "os",         "net",
		"time",    "io",   "bufio",       "reflect", "crypto/tls", "golang.org/x/sys/unix",
	};
	size_t len = package_len(function);

	if (!strncmp(function, "internal/", 9) || !strncmp(function, "runtime/internal/", 17))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(packages); i++)
		if (is_package(function, len, packages[i]))
			return true;
	return false;
}

bool census_is_lock(enum goroutine_state state, const char *reason, bool semacquire_locks)
{
	static const char *const locks[] = {"sync.Mutex.Lock", "sync.RWMutex.RLock", "sync.RWMutex.Lock"};

	if (state != GOROUTINE_WAITING)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(locks); i++)
		if (!strcmp(reason, locks[i]))
			return true;
	return semacquire_locks && !strcmp(reason, "semacquire");
}

static const char *function_of(struct taker *t, uint64_t pc)
{
	return code_lines_function(t->lines, pc - t->process->bias);
}

static bool is_function(struct taker *t, uint64_t pc, const char *name)
{
	const char *f = function_of(t, pc);

	return f && !strcmp(f, name);
}

static bool is_system(struct taker *t, uint64_t startpc)
{
	const char *f = function_of(t, startpc);

	return f && !strncmp(f, "runtime.", 8) && strcmp(f, "runtime.main") && strcmp(f, "runtime.corostart") &&
	       strcmp(f, "runtime.handleAsyncEvent");
}

/* What only names and words can tell: a function made it, it began with a function, it waits for a known reason. Those
 * that C code made by a callback have neither. */
static bool is_believable(struct taker *t, const struct goroutine *g)
{
	bool waits = g->state == GOROUTINE_WAITING || g->state == GOROUTINE_LEAKED;

	if (goroutine_is_wrong(g) || (waits && t->reasons.cnt && g->waitreason >= t->reasons.cnt))
		return false;
	return (!g->startpc && !g->gopc) || (function_of(t, g->startpc) && function_of(t, g->gopc));
}

/* --- stacks --- */

static bool is_the_place(void *arg, uint64_t pc)
{
	const char *f = function_of(arg, pc);

	return f && !census_is_plumbing(f);
}

/* Up to 1.22 a system call leaves no frame pointer in the g. On arm64 it is always 8 bytes below the caller's stack
 * pointer. On amd64 entersyscall() had pushed it there, below the address to return to; what the caller calls next
 * either keeps it or pushes the same. In 1.18 syscall.Syscall is assembly without a frame: its return address is what
 * its stack pointer points to. */
static void set_syscall_frame(struct taker *t, const struct goroutine *g, struct stack_walk *s)
{
	if (t->arm64)
		s->bp = g->sp - 8;
	else
		s->bp_at = g->sp - 16;
	if (!t->arm64 && t->process->binary->go_minor == 18 &&
	    (is_function(t, g->pc, "syscall.Syscall") || is_function(t, g->pc, "syscall.Syscall6")))
		s->caller_at = g->sp;
}

static void set_stack(struct taker *t, const struct goroutine *g, struct stack_walk *s)
{
	s->lo = g->lo;
	s->hi = g->hi;
	s->sp = g->sp;
	s->bp = g->bp;
	s->bp_at = s->caller_at = 0;
	s->pc[0] = g->pc;
	s->cnt = 1;
	s->enough = s->whole = false;
	if (g->state == GOROUTINE_SYSCALL && t->process->binary->fields[FIELD_G_SYSCALLBP] < 0)
		set_syscall_frame(t, g, s);
}

static bool wants_stack(const struct taker *t, const struct goroutine *g)
{
	return (t->cfg->blocked || t->cfg->stacks) && g->readable && !g->dead && goroutine_has_stack(g) &&
	       !goroutine_is_wrong(g);
}

static bool is_unmoved(const struct goroutine *a, const struct goroutine *b)
{
	return b->readable && a->goid == b->goid && a->state == b->state && a->pc == b->pc && a->sp == b->sp &&
	       a->waitreason == b->waitreason && a->lo == b->lo && a->hi == b->hi;
}

/* Takes the end of the goroutine off; without it, the walk broke off. */
static bool cut_goexit(struct taker *t, struct stack_walk *s)
{
	if (s->cnt < 2 || !is_function(t, s->pc[s->cnt - 1], "runtime.goexit"))
		return false;
	s->cnt--;
	return true;
}

static void finish_stack(struct taker *t, struct stack_walk *s)
{
	s->whole = cut_goexit(t, s);
	for (int i = 0; i < s->cnt; i++)
		if (!function_of(t, s->pc[i]))
			s->cnt = i, s->whole = false; /* no code: the rest is none either */
	t->stacks_cnt += s->whole || s->enough;
}

/* Stacks of the batch, in the order of gs; cnt 0 where nothing is known. */
static int walk_stacks(struct taker *t, size_t cnt)
{
	static const stack_walk_wanted whole;
	size_t at[GOROUTINE_BATCH], n = 0;
	int err;

	for (size_t i = 0; i < cnt; i++) {
		t->stacks[i].cnt = 0;
		if (wants_stack(t, &t->gs[i]))
			at[n++] = i;
	}
	if (!n)
		return 0;
	for (size_t j = 0; j < n; j++) /* close up: at[j] >= j */
		set_stack(t, &t->gs[at[j]], &t->stacks[j]);
	err = stack_walk(&t->mem, t->stacks, n, t->cfg->stacks ? whole : is_the_place, t);
	if (!err)
		err = goroutine_walk_again(&t->walk, t->gs, cnt, t->again);
	for (size_t j = n; !err && j-- > 0;) {
		struct stack_walk *s = &t->stacks[j];

		if (is_unmoved(&t->gs[at[j]], &t->again[at[j]]))
			finish_stack(t, s);
		else
			s->cnt = 0;
		if (at[j] != j) {
			t->stacks[at[j]] = *s;
			s->cnt = 0;
		}
	}
	return err;
}

/* --- groups --- */

/* "runtime.gcenable.gowrap1" (1.18: ".func1") is what the compiler makes of `go bgsweep(c)`. */
static bool is_wrapper(const char *function)
{
	const char *dot = strrchr(function, '.');

	return dot && (!strncmp(dot, ".gowrap", 7) || !strncmp(dot, ".func", 5));
}

/* Without any other place: the outermost function that somebody wrote. */
static int outermost(struct taker *t, const struct stack_walk *s)
{
	int i = s->cnt - 1;

	return i > 0 && is_wrapper(function_of(t, s->pc[i])) && !is_function(t, s->pc[i - 1], "runtime.gopark") ? i - 1
														: i;
}

static uint64_t blocked_pc(struct taker *t, const struct stack_walk *s)
{
	if (!s->cnt)
		return 0;
	for (int i = 0; i < s->cnt; i++)
		if (is_the_place(t, s->pc[i]))
			return s->pc[i] - t->process->bias;
	return s->whole ? s->pc[outermost(t, s)] - t->process->bias : 0;
}

/* The runtime looks at it when it scans a stack, and has the end of the mark phase before that one as the begin of the
 * wait (runtime/mgcmark.go, markroot: waitsince = work.tstart). Known after the second collection that found it
 * waiting, and up to a cycle too long. */
static int64_t wait_ns(const struct taker *t, const struct goroutine *g)
{
	bool waits = g->state == GOROUTINE_WAITING || g->state == GOROUTINE_LEAKED || g->state == GOROUTINE_SYSCALL;

	if (!waits || !g->waitsince || g->waitsince > t->census.time_ns || t->other_clock)
		return -1;
	return (int64_t)(t->census.time_ns - g->waitsince);
}

static uint64_t link_address(const struct taker *t, uint64_t addr)
{
	return addr ? addr - t->process->bias : 0;
}

static void describe(struct taker *t, const struct goroutine *g, const struct stack_walk *s, struct census_group *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->cnt = 1;
	ret->state = g->state;
	if (g->state == GOROUTINE_WAITING || g->state == GOROUTINE_LEAKED)
		wait_reasons_get(&t->reasons, g->waitreason, ret->reason);
	ret->created_pc = link_address(t, g->gopc);
	ret->start_pc = link_address(t, g->startpc);
	ret->blocked_pc = blocked_pc(t, s);
	ret->oldest_goid = g->goid;
	ret->oldest_wait_ns = wait_ns(t, g);
	ret->system = is_system(t, g->startpc);
	for (int i = 0; t->cfg->stacks && i < s->cnt; i++)
		ret->stack[ret->stack_cnt++] = s->pc[i] - t->process->bias;
}

static bool is_alike(const struct census_group *a, const struct census_group *b)
{
	return a->state == b->state && a->created_pc == b->created_pc && a->start_pc == b->start_pc &&
	       a->blocked_pc == b->blocked_pc && !strcmp(a->reason, b->reason) && a->stack_cnt == b->stack_cnt &&
	       !memcmp(a->stack, b->stack, (size_t)a->stack_cnt * sizeof(a->stack[0]));
}

static uint64_t hash_group(const struct census_group *g)
{
	uint64_t h = hash_bytes(g->reason, strlen(g->reason), (uint64_t)g->state + 1);

	h = hash_bytes(&g->created_pc, sizeof(g->created_pc), h);
	h = hash_bytes(&g->start_pc, sizeof(g->start_pc), h);
	h = hash_bytes(&g->blocked_pc, sizeof(g->blocked_pc), h);
	return hash_bytes(g->stack, (size_t)g->stack_cnt * sizeof(g->stack[0]), h);
}

static void merge(struct census_group *into, const struct census_group *g)
{
	into->cnt++;
	if (g->oldest_wait_ns > into->oldest_wait_ns)
		into->oldest_wait_ns = g->oldest_wait_ns;
	if (g->oldest_goid < into->oldest_goid)
		into->oldest_goid = g->oldest_goid;
}

static int add_group(struct taker *t, const struct census_group *g, uint64_t hash)
{
	struct census *c = &t->census;

	if (c->group_cnt == t->group_cap) {
		size_t cap = t->group_cap ? t->group_cap * 2 : GROUPS_MIN;
		struct census_group *bigger = realloc(c->groups, cap * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		c->groups = bigger;
		t->group_cap = cap;
	}
	c->groups[c->group_cnt++] = *g;
	return hashmap_add(t->by_hash, hash, (void *)(uintptr_t)c->group_cnt);
}

static int count_in_group(struct taker *t, const struct goroutine *g, const struct stack_walk *s)
{
	struct census_group one;
	uint64_t hash;
	uintptr_t i;

	describe(t, g, s, &one);
	t->census.system += one.system;
	if (t->cfg->min_age_ns > 0 && one.oldest_wait_ns < t->cfg->min_age_ns)
		return 0;
	for (hash = hash_group(&one); (i = (uintptr_t)hashmap_find(t->by_hash, hash)); hash++)
		if (is_alike(&t->census.groups[i - 1], &one)) {
			merge(&t->census.groups[i - 1], &one);
			return 0;
		}
	return add_group(t, &one, hash);
}

static int count_batch(struct taker *t, size_t cnt)
{
	struct census *c = &t->census;
	int err = 0;

	for (size_t i = 0; i < cnt && !err; i++) {
		const struct goroutine *g = &t->gs[i];

		if (g->readable && g->dead)
			continue;
		c->walked++;
		if (!g->readable || !is_believable(t, g)) {
			c->unreadable++;
			c->states[GOROUTINE_OTHER]++;
			continue;
		}
		c->states[g->state]++;
		t->goids[t->goid_cnt++] = g->goid;
		err = count_in_group(t, g, &t->stacks[i]);
	}
	return err;
}

/* --- the whole --- */

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int check(struct taker *t, char *why)
{
	struct census *c = &t->census;

	qsort(t->goids, t->goid_cnt, sizeof(*t->goids), compare_u64);
	for (size_t i = 1; i < t->goid_cnt; i++)
		c->unreadable += t->goids[i] == t->goids[i - 1];
	if (!c->walked)
		return err_why(why, CENSUS_SELF_CHECK, "self-check failed (no goroutine at all)");
	if (c->unreadable * WRONG_PART > c->walked)
		return err_why(why, CENSUS_SELF_CHECK,
			       "self-check failed (%" PRIu64 " of %" PRIu64 " goroutines contradict themselves)",
			       c->unreadable, c->walked);
	return 0;
}

static int compare_groups(const void *a, const void *b)
{
	const struct census_group *x = a, *y = b;

	if (x->cnt != y->cnt)
		return x->cnt < y->cnt ? 1 : -1;
	return (x->oldest_goid > y->oldest_goid) - (x->oldest_goid < y->oldest_goid);
}

/* What the runtime counts itself, without its own ones; SAMPLE_UNKNOWN when that is not found. */
static int64_t count_by_runtime(const struct taker *t, const char *root)
{
	struct runtime_sample v;
	char why[WHY_SZ];
	struct sampler *s;

	if (sampler_open(root, t->process, &s, why))
		return SAMPLE_UNKNOWN;
	if (sampler_read(s, &v))
		v.goroutines = SAMPLE_UNKNOWN;
	sampler_close(s);
	return v.goroutines;
}

/* A sample that meets mostly dead g's, as after a burst, tells little of how many live; the runtime knows. */
static void set_total(struct taker *t, const char *root)
{
	struct census *c = &t->census;
	bool all = t->walk.cnt == t->walk.allglen;
	int64_t own = all ? SAMPLE_UNKNOWN : count_by_runtime(t, root);

	c->total = (uint64_t)((double)c->walked * (double)t->walk.allglen / (double)t->walk.cnt + 0.5);
	if (own != SAMPLE_UNKNOWN && (uint64_t)own >= c->walked - c->system)
		c->total =
			(uint64_t)own + (uint64_t)((double)c->system * (double)t->walk.allglen / (double)t->walk.cnt);
	c->scale = (double)c->total / (double)c->walked;
}

static void conclude(struct taker *t, const char *root)
{
	struct census *c = &t->census;

	if (c->group_cnt)
		qsort(c->groups, c->group_cnt, sizeof(*c->groups), compare_groups);
	set_total(t, root);
	c->slots = t->walk.cnt;
	c->stacks_known = t->stacks_cnt > 0;
	c->took_ns = clock_mono_ns() - c->time_ns;
}

static int walk_all(struct taker *t)
{
	size_t cnt;
	int err;

	do {
		err = goroutine_walk_next(&t->walk, t->gs, &cnt);
		if (!err)
			err = walk_stacks(t, cnt);
		if (!err)
			err = count_batch(t, cnt);
	} while (!err && cnt);
	return err;
}

static void forget(struct taker *t)
{
	goroutine_walk_close(&t->walk);
	t->by_hash = hashmap_free(t->by_hash);
	free(t->goids);
	t->goids = NULL;
	t->goid_cnt = t->group_cap = 0;
	t->stacks_cnt = 0;
	census_deinit(&t->census);
}

static int take_once(struct taker *t, const char *root, char *why)
{
	uint64_t max = t->cfg->walk_max ? t->cfg->walk_max : CENSUS_WALK_MAX;
	int err;

	forget(t);
	t->census.time_ns = clock_mono_ns();
	err = goroutine_walk_open(&t->walk, &t->mem, t->process->binary, t->process->bias, max, why);
	if (err)
		return err;
	t->goids = malloc(t->walk.cnt * sizeof(*t->goids));
	err = t->goids ? hashmap_new(t->walk.cnt + 1, &t->by_hash) : -ENOMEM;
	if (!err)
		err = walk_all(t);
	if (err == -ESRCH)
		return err_why(why, err, "the process is gone");
	if (err)
		return err_why(why, err, "cannot read its goroutines: %s", strerror(-err));
	err = check(t, why);
	if (!err)
		conclude(t, root);
	return err;
}

/* --- open --- */

static int open_memory(struct taker *t, const char *root, char *why)
{
	const struct process *p = t->process;
	int err = memory_open(&t->mem, root, p->pid);

	if (err)
		return err_why(why, err, "cannot open /proc/%d/mem: %s", (int)p->pid, strerror(-err));
	if (!proc_info_same(root, p->pid, p->start_ticks)) /* opened first: what is pinned now is this process */
		return err_why(why, -ESRCH, "the process is gone");
	return 0;
}

/* The executable is that of the pinned memory: had it been replaced in between, no read would succeed any more. */
static int open_lines(struct taker *t, const char *root, char *why)
{
	int err;

	t->lines = t->cfg->lines;
	if (t->lines)
		return 0;
	err = process_lines_open(root, t->process, &t->own_lines, why);
	t->lines = t->own_lines;
	return err;
}

/* A time namespace (time_namespaces(7), 5.6 and newer) may begin to count elsewhere. */
static bool has_other_clock(const char *root, pid_t pid)
{
	char ours[PATH_MAX], theirs[PATH_MAX];
	struct stat a, b;

	snprintf(ours, sizeof(ours), "%s/proc/%d/ns/time", root, (int)proc_scan_self(root));
	snprintf(theirs, sizeof(theirs), "%s/proc/%d/ns/time", root, (int)pid);
	return !stat(ours, &a) && !stat(theirs, &b) && a.st_ino != b.st_ino;
}

static int open_all(struct taker *t, const char *root, char *why)
{
	const struct binary *b = t->process->binary;
	uint64_t strings = b->globals[GLOBAL_WAIT_REASONS];
	int err = open_memory(t, root, why);

	if (!err)
		err = open_lines(t, root, why);
	if (err)
		return err;
	t->other_clock = has_other_clock(root, t->process->pid);
	err = wait_reasons_read(&t->mem, strings ? strings + t->process->bias : 0, b->go_minor, &t->reasons);
	return err ? err_why(why, err, "the process is gone") : 0;
}

int census_take(const char *root, const struct process *p, const struct census_cfg *cfg, struct census *ret, char *why)
{
	struct taker *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return err_why(why, -ENOMEM, "out of memory");
	t->process = p;
	t->cfg = cfg;
	t->mem.fd = -1;
	t->arm64 = !strcmp(p->binary->arch, "arm64");
	err = open_all(t, root, why);
	for (int i = 0; !err && i < TRIES; i++) {
		err = take_once(t, root, why);
		if (err != CENSUS_SELF_CHECK || i == TRIES - 1)
			break;
		err = 0;
	}
	if (!err) {
		*ret = t->census;
		t->census = (struct census){0};
	}
	forget(t);
	code_lines_close(t->own_lines);
	memory_close(&t->mem);
	free(t);
	return err;
}

void census_deinit(struct census *c)
{
	free(c->groups);
	*c = (struct census){0};
}
