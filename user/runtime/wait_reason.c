/* SPDX-License-Identifier: BSD-2-Clause */
/* The byte g.waitreason is an index into runtime.waitReasonStrings (runtime/runtime2.go). The enumeration was
 * reordered in 1.20, 1.22, 1.24, 1.25 and 1.26, so the program's own strings win over the tables below, which are
 * those of each version's sources and serve programs whose globals are not found. Two entries have had the same place
 * in all versions, which shows that an address is the array's. */
#include "runtime/wait_reason.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define FIRST_MINOR 18

/* In order, with '|' between them. */

/* 1.18 and 1.19 */
static const char go_18[] =
	"|GC assist marking|IO wait|chan receive (nil chan)|chan send (nil chan)|dumping heap|"
	"garbage collection|garbage collection scan|panicwait|select|select (no cases)|GC assist wait|"
	"GC sweep wait|GC scavenge wait|chan receive|chan send|finalizer wait|force gc (idle)|semacquire|"
	"sleep|sync.Cond.Wait|timer goroutine (idle)|trace reader (blocked)|wait for GC cycle|"
	"GC worker (idle)|preempted|debug call";

/* 1.20 and 1.21 */
static const char go_20[] =
	"|GC assist marking|IO wait|chan receive (nil chan)|chan send (nil chan)|dumping heap|"
	"garbage collection|garbage collection scan|panicwait|select|select (no cases)|GC assist wait|"
	"GC sweep wait|GC scavenge wait|chan receive|chan send|finalizer wait|force gc (idle)|semacquire|"
	"sleep|sync.Cond.Wait|sync.Mutex.Lock|sync.RWMutex.RLock|sync.RWMutex.Lock|trace reader (blocked)|"
	"wait for GC cycle|GC worker (idle)|GC worker (active)|preempted|debug call|GC mark termination|"
	"stopping the world";

/* 1.22 */
static const char go_22[] =
	"|GC assist marking|IO wait|chan receive (nil chan)|chan send (nil chan)|dumping heap|"
	"garbage collection|garbage collection scan|panicwait|select|select (no cases)|GC assist wait|"
	"GC sweep wait|GC scavenge wait|chan receive|chan send|finalizer wait|force gc (idle)|semacquire|"
	"sleep|sync.Cond.Wait|sync.Mutex.Lock|sync.RWMutex.RLock|sync.RWMutex.Lock|trace reader (blocked)|"
	"wait for GC cycle|GC worker (idle)|GC worker (active)|preempted|debug call|GC mark termination|"
	"stopping the world|flushing proc caches|trace goroutine status|trace proc status|page trace flush|"
	"coroutine";

/* 1.23; the last one since 1.23.4 */
static const char go_23[] =
	"|GC assist marking|IO wait|chan receive (nil chan)|chan send (nil chan)|dumping heap|"
	"garbage collection|garbage collection scan|panicwait|select|select (no cases)|GC assist wait|"
	"GC sweep wait|GC scavenge wait|chan receive|chan send|finalizer wait|force gc (idle)|semacquire|"
	"sleep|sync.Cond.Wait|sync.Mutex.Lock|sync.RWMutex.RLock|sync.RWMutex.Lock|trace reader (blocked)|"
	"wait for GC cycle|GC worker (idle)|GC worker (active)|preempted|debug call|GC mark termination|"
	"stopping the world|flushing proc caches|trace goroutine status|trace proc status|page trace flush|"
	"coroutine|GC weak to strong wait";

/* 1.24 */
static const char go_24[] =
	"|GC assist marking|IO wait|chan receive (nil chan)|chan send (nil chan)|dumping heap|"
	"garbage collection|garbage collection scan|panicwait|select|select (no cases)|GC assist wait|"
	"GC sweep wait|GC scavenge wait|chan receive|chan send|finalizer wait|force gc (idle)|semacquire|"
	"sleep|sync.Cond.Wait|sync.Mutex.Lock|sync.RWMutex.RLock|sync.RWMutex.Lock|sync.WaitGroup.Wait|"
	"trace reader (blocked)|wait for GC cycle|GC worker (idle)|GC worker (active)|preempted|debug call|"
	"GC mark termination|stopping the world|flushing proc caches|trace goroutine status|"
	"trace proc status|page trace flush|coroutine|GC weak to strong wait|synctest.Run|synctest.Wait|"
	"chan receive (synctest)|chan send (synctest)|select (synctest)";

/* 1.25 */
static const char go_25[] =
	"|GC assist marking|IO wait|chan receive (nil chan)|chan send (nil chan)|dumping heap|"
	"garbage collection|garbage collection scan|panicwait|select|select (no cases)|GC assist wait|"
	"GC sweep wait|GC scavenge wait|chan receive|chan send|finalizer wait|force gc (idle)|"
	"GOMAXPROCS updater (idle)|semacquire|sleep|sync.Cond.Wait|sync.Mutex.Lock|sync.RWMutex.RLock|"
	"sync.RWMutex.Lock|sync.WaitGroup.Wait|trace reader (blocked)|wait for GC cycle|GC worker (idle)|"
	"GC worker (active)|preempted|debug call|GC mark termination|stopping the world|flushing proc caches|"
	"trace goroutine status|trace proc status|page trace flush|coroutine|GC weak to strong wait|"
	"synctest.Run|synctest.Wait|chan receive (durable)|chan send (durable)|select (durable)|"
	"sync.WaitGroup.Wait (durable)|cleanup wait";

/* 1.26 and 1.27 */
static const char go_26[] =
	"|GC assist marking|IO wait|dumping heap|garbage collection|garbage collection scan|panicwait|"
	"GC assist wait|GC sweep wait|GC scavenge wait|finalizer wait|force gc (idle)|"
	"GOMAXPROCS updater (idle)|semacquire|sleep|chan receive (nil chan)|chan send (nil chan)|"
	"select (no cases)|select|chan receive|chan send|sync.Cond.Wait|sync.Mutex.Lock|sync.RWMutex.RLock|"
	"sync.RWMutex.Lock|sync.WaitGroup.Wait|trace reader (blocked)|wait for GC cycle|GC worker (idle)|"
	"GC worker (active)|preempted|debug call|GC mark termination|stopping the world|flushing proc caches|"
	"trace goroutine status|trace proc status|page trace flush|coroutine|GC weak to strong wait|"
	"synctest.Run|synctest.Wait|chan receive (durable)|chan send (durable)|select (durable)|"
	"sync.WaitGroup.Wait (durable)|cleanup wait";

static const char *const tables[] = {go_18, go_18, go_20, go_20, go_22, go_23, go_24, go_25, go_26, go_26};

static const struct {
	int at;
	const char *words;
} same_in_all[] = {{0, ""}, {1, "GC assist marking"}, {2, "IO wait"}};

void wait_reasons_of_version(int minor, struct wait_reasons *ret)
{
	size_t i = (size_t)(minor - FIRST_MINOR);

	memset(ret, 0, sizeof(*ret));
	if (minor < FIRST_MINOR || i >= ARRAY_SIZE(tables))
		return;
	for (const char *p = tables[i]; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
		snprintf(ret->words[ret->cnt++], WAIT_REASON_SZ, "%.*s", (int)strcspn(p, "|"), p);
}

struct go_string {
	uint64_t ptr, len;
};

/* Letters, digits, blanks and what else the runtime has used: "select (no cases)", "sync.RWMutex.RLock". */
static bool looks_like_words(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] < ' ' || s[i] > '~')
			return false;
	return true;
}

/* One string; false when it is none of them, which is where the array has ended. */
static bool read_words(const struct memory *m, const struct go_string *s, char ret[WAIT_REASON_SZ], int *err)
{
	char buf[WAIT_REASON_SZ] = "";

	if (s->len >= WAIT_REASON_SZ || (s->len && !s->ptr))
		return false;
	*err = s->len ? memory_read(m, s->ptr, buf, s->len) : 0;
	if (*err || !looks_like_words(buf, s->len) || strlen(buf) != s->len)
		return false;
	memcpy(ret, buf, sizeof(buf));
	return true;
}

static int read_array(struct memory *m, uint64_t addr, int cnt, struct wait_reasons *ret)
{
	struct go_string s[WAIT_REASONS];
	int err = memory_read(m, addr, s, (size_t)cnt * sizeof(s[0]));

	memset(ret, 0, sizeof(*ret));
	while (!err && ret->cnt < cnt && read_words(m, &s[ret->cnt], ret->words[ret->cnt], &err))
		ret->cnt++;
	if (err == -ESRCH)
		return err;
	for (size_t i = 0; i < ARRAY_SIZE(same_in_all); i++)
		if (same_in_all[i].at >= ret->cnt || strcmp(ret->words[same_in_all[i].at], same_in_all[i].words))
			return -ENOENT;
	return 0;
}

int wait_reasons_read(struct memory *m, uint64_t addr, int minor, struct wait_reasons *ret)
{
	struct wait_reasons table, own;
	int err = -ENOENT;

	wait_reasons_of_version(minor, &table);
	if (addr) /* a newer version has more of them: up to where they stop to look like it */
		err = read_array(m, addr, table.cnt ? table.cnt : WAIT_REASONS, &own);
	if (err == -ESRCH)
		return err;
	*ret = !err && own.cnt >= table.cnt ? own : table;
	return 0;
}

void wait_reasons_get(const struct wait_reasons *w, unsigned n, char ret[WAIT_REASON_SZ])
{
	if (n < (unsigned)w->cnt)
		memcpy(ret, w->words[n], WAIT_REASON_SZ);
	else
		snprintf(ret, WAIT_REASON_SZ, "wait reason %u", n);
}
